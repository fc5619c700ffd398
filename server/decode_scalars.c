/*
 * sums and values: weighted means under their own names.  A number that is not finite is no error but
 * news: the batch then counts as nonfinite, and its other numbers say nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode_record.h"
#include "selector.h"

/* A number, or one of the three words for what is none. */
static int read_number(struct json_reader *r, double *out)
{
    struct json_slice word;
    if (json_reader_peek(r) == JSON_TOKEN_NUMBER)
        return json_reader_double(r, out);
    if (json_reader_peek(r) != JSON_TOKEN_STRING)
        return json_reader_wrong_type(r, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
    int rc = json_reader_string(r, &word);
    if (rc != OK)
        return rc;
    if (word.size == 3 && memcmp(word.text, "NaN", 3) == 0)
        *out = NAN;
    else if (word.size == 8 && memcmp(word.text, "Infinity", 8) == 0)
        *out = INFINITY;
    else if (word.size == 9 && memcmp(word.text, "-Infinity", 9) == 0)
        *out = -INFINITY;
    else
        return json_reader_fail(r, PROBLEM_INVALID, "",
                                "a text where a number is due; only \"NaN\", \"Infinity\" and \"-Infinity\" are known");
    return OK;
}

/* The array is closed: the place is the entry itself, suffixes lead into it. */
static int judge_sum(struct json_reader *r, const double *numbers, size_t n, struct scalar *s)
{
    for (size_t i = 0; i < n; i++)
        s->nonfinite = s->nonfinite || !isfinite(numbers[i]);
    if (s->nonfinite)
        return OK;
    s->sum = numbers[0];
    s->weight = numbers[1];
    s->has_range = n == 4;
    if (s->weight < 0)
        return json_reader_fail(r, PROBLEM_INVALID, "/1", "a weight is 0 or more");
    if (s->weight == 0 && s->sum != 0)
        return json_reader_fail(r, PROBLEM_INVALID, "/0", "the sum of nothing (weight 0) is 0");
    if (s->weight > 0 && !isfinite(s->sum / s->weight))
        return json_reader_fail(r, PROBLEM_INVALID, "/0", "sum / weight is beyond the range of a double");
    if (s->has_range) {
        s->min = numbers[2];
        s->max = numbers[3];
        if (s->min > s->max)
            return json_reader_fail(r, PROBLEM_INVALID, "/2", "min is greater than max");
    }
    return OK;
}

static int read_sum(struct json_reader *r, struct scalar *s)
{
    double numbers[4] = {0};
    size_t n = 0;
    int rc, more;
    if (json_reader_peek(r) != JSON_TOKEN_ARRAY)
        return json_reader_wrong_type(r, "[sum, weight] or [sum, weight, min, max]");
    if ((rc = json_reader_array(r)) != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (n == 4)
            return json_reader_fail(r, PROBLEM_INVALID, "", "expected [sum, weight] or [sum, weight, min, max]");
        if ((rc = read_number(r, &numbers[n++])) != OK)
            return rc;
    }
    if (more != JSON_END)
        return more;
    if (n != 2 && n != 4)
        return json_reader_fail(r, PROBLEM_INVALID, "", "expected [sum, weight] or [sum, weight, min, max]");
    return judge_sum(r, numbers, n, s);
}

static int read_value(struct json_reader *r, struct scalar *s)
{
    double number = 0;
    int rc = read_number(r, &number);
    s->nonfinite = rc == OK && !isfinite(number);
    s->sum = s->nonfinite ? 0 : number;
    s->weight = 1;
    return rc;
}

static int read_scalars(struct decoder *d, bool is_value)
{
    struct json_reader *r = &d->r;
    struct json_slice name;
    int rc = json_reader_object(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_key(r, &name)) == JSON_MORE) {
        if (!series_name_is_valid(name.text, name.size))
            return json_reader_fail(r, PROBLEM_INVALID, "",
                                    "not a series name: 1 to 128 of A-Z a-z 0-9 . _ / -, a letter or digit first");
        struct scalar *all = decoder_room(d, d->scalars, &d->cap_scalars, d->n_scalars, sizeof *all);
        if (all == NULL)
            return decoder_no_memory(d);
        d->scalars = all;
        struct scalar *s = &d->scalars[d->n_scalars++];
        *s = (struct scalar){.name = name, .is_value = is_value};
        if ((rc = is_value ? read_value(r, s) : read_sum(r, s)) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

int read_sums(struct decoder *d)
{
    return read_scalars(d, false);
}

int read_values(struct decoder *d)
{
    return read_scalars(d, true);
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
    const struct json_slice *x = &((const struct scalar *)a)->name, *y = &((const struct scalar *)b)->name;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return memcmp(x->text, y->text, x->size);
}

static int refuse_name(struct decoder *d, const struct scalar *s, const char *with)
{
    char pointer[160];
    size_t used = json_pointer_add(pointer, sizeof pointer, 0, s->is_value ? "values" : "sums", s->is_value ? 6 : 4);
    json_pointer_add(pointer, sizeof pointer, used, s->name.text, s->name.size);
    return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "the series \"%.*s\" is given twice: %s",
                            (int)s->name.size, s->name.text, with);
}

int scalars_are_distinct(struct decoder *d, struct json_slice counts)
{
    struct scalar named = {.name = counts};
    for (size_t i = 0; counts.text != NULL && i < d->n_scalars; i++)
        if (compare_names(&d->scalars[i], &named) == 0)
            return refuse_name(d, &d->scalars[i], "what this record counts bears the name too");
    if (!has_field(d, FIELD_SUMS) || !has_field(d, FIELD_VALUES))
        return OK; /* within one object the reader has seen to it */
    if (d->n_scalars > 16)
        qsort(d->scalars, d->n_scalars, sizeof *d->scalars, compare_names);
    for (size_t i = 1; i < d->n_scalars; i++)
        for (size_t j = d->n_scalars > 16 ? i - 1 : 0; j < i; j++)
            if (compare_names(&d->scalars[i], &d->scalars[j]) == 0)
                return refuse_name(d, d->scalars[i].is_value ? &d->scalars[i] : &d->scalars[j],
                                   "in sums and in values");
    return OK;
}
