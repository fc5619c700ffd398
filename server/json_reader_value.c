/*
 * The values of the reader: numbers, lists of counts, and any value at all.  Lists of counts are most of
 * what is ever read, so plain digits between commas have a loop of their own; what is unusual takes the
 * general way.
 */
#include <string.h>

#include "json_reader_parts.h"

/* ---- numbers ---- */

static int scan_number(struct json_reader *r, struct json_number *n)
{
    const char *wrong = json_number_scan(r->at, r->end, n);
    if (wrong != NULL)
        return json_reader_malformed(r, wrong,
                                     wrong == r->end ? "the text ends within a number," : "not a JSON number");
    r->at = n->end;
    return OK;
}

/* Plain digits from s on that a comma or bracket follows, as nearly all numbers are: what follows them.
   NULL: leave it to the general way. */
static const char *plain_count(const char *s, const char *end, int64_t *out)
{
    const char *from = s;
    uint64_t value = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        value = value * 10 + (uint64_t)(*s - '0');
    size_t digits = (size_t)(s - from); /* up to 16 of them cannot have wrapped */
    if (digits == 0 || digits > 16 || s == end || (*s != ',' && *s != ']' && *s != '}') ||
        (digits > 1 && *from == '0') || value > (uint64_t)JSON_INT_MAX)
        return NULL;
    *out = (int64_t)value;
    return s;
}

int json_reader_int(struct json_reader *r, int64_t min, int64_t max, int64_t *out)
{
    struct json_number n;
    int64_t value;
    if (json_reader_peek(r) != JSON_TOKEN_NUMBER)
        return json_reader_wrong_type(r, "a whole number");
    const char *after = plain_count(r->at, r->end, &value);
    if (after != NULL && value >= min && value <= max) {
        r->at = after;
        *out = value;
        return OK;
    }
    int rc = scan_number(r, &n);
    if (rc != OK)
        return rc;
    if (!json_number_whole(&n, &value) || value < min || value > max) {
        char text[40];
        return json_reader_fail(r, PROBLEM_INVALID, "", "%s is not a whole number from %lld to %lld",
                                problem_quote(text, sizeof text, n.text, (size_t)(n.end - n.text)), (long long)min,
                                (long long)max);
    }
    *out = value;
    return OK;
}

int json_reader_double(struct json_reader *r, double *out)
{
    struct json_number n;
    int64_t whole;
    if (json_reader_peek(r) != JSON_TOKEN_NUMBER)
        return json_reader_wrong_type(r, "a number");
    int rc = scan_number(r, &n);
    if (rc != OK)
        return rc;
    if (n.is_integer && !json_number_whole(&n, &whole))
        return json_reader_fail(r, PROBLEM_INVALID, "", "an integer beyond 2^53-1 would not be kept exactly");
    double value = json_number_double(&n);
    if (value - value != 0) /* infinite */
        return json_reader_fail(r, PROBLEM_INVALID, "", "a number beyond the range of a double");
    *out = value;
    return OK;
}

static int read_literal(struct json_reader *r, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0)
        return json_reader_malformed(r, r->at, "not a JSON value");
    r->at += size;
    return OK;
}

int json_reader_null(struct json_reader *r)
{
    return json_reader_peek(r) == JSON_TOKEN_NULL ? read_literal(r, "null") : json_reader_wrong_type(r, "null");
}

static bool grow_counts(struct json_reader *r, struct json_counts *c, size_t max)
{
    size_t cap = c->cap == 0 ? 16 : c->cap * 2;
    cap = cap < max ? cap : max;
    int64_t *values = arena_grow(r->arena, c->values, c->cap * sizeof *values, cap * sizeof *values);
    if (values == NULL)
        return false;
    c->values = values;
    c->cap = cap;
    return true;
}

/* As many plain counts as follow each other, into the room there is. */
static void plain_counts(struct json_reader *r, struct json_counts *out, size_t max)
{
    struct json_frame *f = &r->frames[r->depth];
    const char *s = r->at, *end = r->end;
    size_t n = out->n, room = out->cap < max ? out->cap : max;
    while (n < room && s < end && (!f->has_item || *s == ',')) {
        const char *t = s + f->has_item;
        if (t < end && *t == ' ')
            t++;
        if ((t = plain_count(t, end, &out->values[n])) == NULL)
            break;
        s = t;
        n++;
        f->has_item = true;
    }
    f->index = (int64_t)n - 1;
    out->n = n;
    r->at = s;
}

int json_reader_counts(struct json_reader *r, struct json_counts *out, size_t max, const char *what)
{
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    out->n = 0;
    plain_counts(r, out, max);
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (out->n == max)
            return json_reader_fail(r, PROBLEM_INVALID, "", "more than %zu %s", max, what);
        if (out->n == out->cap && !grow_counts(r, out, max))
            return json_reader_no_memory(r);
        if ((rc = json_reader_int(r, 0, JSON_INT_MAX, &out->values[out->n])) != OK)
            return rc;
        out->n++;
        plain_counts(r, out, max);
    }
    return more == JSON_END ? OK : more;
}

/* ---- any value ---- */

static int skip_object(struct json_reader *r)
{
    struct json_slice key;
    int rc = json_reader_object(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_key(r, &key)) == JSON_MORE)
        if ((rc = json_reader_skip(r)) != OK)
            return rc;
    return more == JSON_END ? OK : more;
}

static int skip_array(struct json_reader *r)
{
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE)
        if ((rc = json_reader_skip(r)) != OK)
            return rc;
    return more == JSON_END ? OK : more;
}

int json_reader_skip(struct json_reader *r)
{
    struct json_slice raw;
    bool escaped;
    double number;
    switch (json_reader_peek(r)) {
    case JSON_TOKEN_OBJECT:
        return skip_object(r);
    case JSON_TOKEN_ARRAY:
        return skip_array(r);
    case JSON_TOKEN_STRING:
        return json_reader_scan_string(r, &raw, &escaped);
    case JSON_TOKEN_NUMBER:
        return json_reader_double(r, &number);
    case JSON_TOKEN_TRUE:
        return read_literal(r, "true");
    case JSON_TOKEN_FALSE:
        return read_literal(r, "false");
    case JSON_TOKEN_NULL:
        return read_literal(r, "null");
    case JSON_TOKEN_BAD:
        break;
    }
    return json_reader_wrong_type(r, "a value");
}

int json_reader_raw(struct json_reader *r, struct json_slice *out)
{
    (void)json_reader_peek(r); /* past the blanks */
    const char *from = r->at;
    int rc = json_reader_skip(r);
    if (rc == OK)
        *out = (struct json_slice){from, (size_t)(r->at - from)};
    return rc;
}
