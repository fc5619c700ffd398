/**
 * The table of all that can go wrong, and the texts that travel with an error.  Texts are cut at a
 * UTF-8 boundary, so what was valid UTF-8 stays so.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "problem.h"

/* Name and title are part of the API: never changed once released. */
static const struct problem_kind KINDS[] = {
    {PROBLEM_MALFORMED, 400, "malformed-json", "The body is not valid JSON"},
    {PROBLEM_FRAMING, 400, "bad-framing", "The HTTP request is not framed as it must be"},
    {PROBLEM_UNAUTHORIZED, 401, "unauthorized", "A valid token is needed"},
    {PROBLEM_FORBIDDEN, 403, "forbidden", "The token does not allow this"},
    {PROBLEM_HOST, 403, "host-not-allowed", "This host name is not allowed"},
    {PROBLEM_ORIGIN, 403, "origin-not-allowed", "Requests from this origin are not allowed"},
    {PROBLEM_NOT_FOUND, 404, "not-found", "There is nothing at this path"},
    {PROBLEM_UNKNOWN_RUN, 404, "unknown-run", "There is no such run"},
    {PROBLEM_METHOD, 405, "method-not-allowed", "This path does not allow the method"},
    {PROBLEM_NOT_ACCEPTABLE, 406, "not-acceptable", "This representation does not exist"},
    {PROBLEM_CONFLICT, 409, "conflicting-content", "A batch is stored already, with other content"},
    {PROBLEM_SHAPE, 409, "conflicting-shape", "The series has another shape"},
    {PROBLEM_PROJECT, 409, "conflicting-project", "The run belongs to another project"},
    {PROBLEM_SEALED, 409, "epoch-sealed", "The epoch is sealed"},
    {PROBLEM_THINNED, 410, "thinned", "The batches are gone, their sums are kept"},
    {PROBLEM_TOO_LARGE, 413, "too-large", "The request is above a limit"},
    {PROBLEM_CONTENT_TYPE, 415, "unsupported-content-type", "This content type or encoding is not understood"},
    {PROBLEM_INVALID, 422, "invalid-value", "A value is not allowed"},
    {PROBLEM_UNKNOWN_FIELD, 422, "unknown-field", "A field is not known"},
    {PROBLEM_COUNT_OVERFLOW, 422, "count-overflow", "A sum would leave its range"},
    {PROBLEM_UNKNOWN_METRIC, 422, "unknown-metric", "There is no such metric"},
    {PROBLEM_UNKNOWN_AVERAGE, 422, "unknown-average", "The metric has no such average"},
    {PROBLEM_STATE_LACKS, 422, "state-lacks", "What is stored cannot give this metric"},
    {PROBLEM_STAGE_NEEDED, 422, "stage-needed", "The run has several stages"},
    {PROBLEM_LIMIT, 422, "limit-reached", "There are as many as a limit allows"},
    {PROBLEM_RATE, 429, "too-many-requests", "The caller has sent too much in too short a time"},
    {PROBLEM_URI_TOO_LONG, 414, "uri-too-long", "The address is too long"},
    {PROBLEM_HEADERS, 431, "headers-too-large", "The headers are too large"},
    {PROBLEM_INTERNAL, 500, "internal", "The server failed"},
    {PROBLEM_DAMAGED, 500, "storage-damaged", "What is stored is damaged"},
    {PROBLEM_UNKNOWN_METHOD, 501, "unknown-method", "The method is not known"},
    {PROBLEM_BUSY, 503, "busy", "The server has too much to do"},
    {PROBLEM_STORAGE, 503, "storage-failed", "The storage failed"},
    {PROBLEM_STORAGE_FULL, 503, "storage-full", "The disk is full"},
    {PROBLEM_MEMORY, 503, "out-of-memory", "The server is short of memory"},
    {PROBLEM_STOPPING, 503, "stopping", "The server is stopping"},
};

enum { N_KINDS = sizeof KINDS / sizeof KINDS[0] };

const struct problem_kind *problem_kind(int code)
{
    const struct problem_kind *internal = NULL;

    for (size_t i = 0; i < N_KINDS; i++) {
        if (KINDS[i].code == code)
            return &KINDS[i];
        if (KINDS[i].code == PROBLEM_INTERNAL)
            internal = &KINDS[i];
    }
    return internal;
}

const struct problem_kind *problem_kind_at(size_t index)
{
    return index < N_KINDS ? &KINDS[index] : NULL;
}

/* The start of the last character of text[0..length), if it was cut, else length. */
static size_t cut_at_character(const char *text, size_t length)
{
    size_t start = length;

    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return length;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return length - (start - 1) < need ? start - 1 : length;
}

static void __attribute__((format(printf, 3, 0))) format_text(char *out, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(out, size, format, args);

    if (n < 0)
        out[0] = '\0';
    else if ((size_t)n >= size)
        out[cut_at_character(out, size - 1)] = '\0';
}

static void copy_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);

    if (n >= size)
        n = cut_at_character(text, size - 1);
    memcpy(out, text, n);
    out[n] = '\0';
}

int problem_set(struct problem *p, int code, const char *pointer, const char *format, ...)
{
    va_list args;

    if (p == NULL)
        return code;
    memset(p, 0, offsetof(struct problem, places));
    p->code = code;
    p->retry_after_s = code == PROBLEM_MEMORY ? 1 : 0;
    va_start(args, format);
    format_text(p->detail, sizeof p->detail, format, args);
    va_end(args);
    if (pointer != NULL)
        problem_add_place(p, pointer, "%s", p->detail);
    return code;
}

void problem_add_place(struct problem *p, const char *pointer, const char *format, ...)
{
    va_list args;

    if (p == NULL || p->n_places >= PROBLEM_PLACES_MAX)
        return;
    struct problem_place *place = &p->places[p->n_places++];
    copy_text(place->pointer, sizeof place->pointer, pointer);
    va_start(args, format);
    format_text(place->detail, sizeof place->detail, format, args);
    va_end(args);
}

void problem_prefix(struct problem *p, const char *prefix)
{
    for (size_t i = 0; p != NULL && i < p->n_places; i++) {
        char old[sizeof p->places[i].pointer];
        if (p->places[i].pointer[0] == '?')
            continue;
        memcpy(old, p->places[i].pointer, sizeof old);
        int n = snprintf(p->places[i].pointer, sizeof p->places[i].pointer, "%s%s", prefix, old);
        if (n >= (int)sizeof old)
            p->places[i].pointer[cut_at_character(p->places[i].pointer, sizeof old - 1)] = '\0';
    }
}

int problem_from_status(struct problem *p, int status)
{
    switch (status) {
    case OK:
        return OK;
    case ERR_RANGE:
        return problem_set(p, PROBLEM_INVALID, NULL, "a value lies outside its range");
    case ERR_OVERFLOW:
        return problem_set(p, PROBLEM_COUNT_OVERFLOW, NULL, "a sum would leave 64 bits");
    case ERR_CORRUPT:
        return problem_set(p, PROBLEM_DAMAGED, NULL, "a stored state is damaged");
    case ERR_MEMORY:
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    case ERR_SHAPE:
        return problem_set(p, PROBLEM_SHAPE, NULL, "the shapes differ");
    case ERR_SYNTAX:
        return problem_set(p, PROBLEM_INVALID, NULL, "a text is malformed");
    case ERR_UNKNOWN:
        return problem_set(p, PROBLEM_UNKNOWN_METRIC, NULL, "there is no such metric");
    case ERR_NEED:
        return problem_set(p, PROBLEM_STATE_LACKS, NULL, "what is stored cannot give this metric");
    default:
        return problem_set(p, PROBLEM_INTERNAL, NULL, "status %d", status);
    }
}

/* Bytes of the valid, printable UTF-8 character at text; 0 if there is none. */
static size_t printable_length(const unsigned char *s, size_t left)
{
    if (s[0] >= 0x20 && s[0] < 0x7f)
        return 1;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0; /* C1 controls, overlong forms, surrogates, beyond Unicode */
    return n;
}

char *problem_quote(char *out, size_t size, const char *text, size_t length)
{
    static const char more[] = "\xe2\x80\xa6";
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0, i = 0;

    if (size == 0)
        return out;
    while (i < length) {
        size_t n = printable_length(s + i, length - i);
        size_t need = n > 0 ? n : 4;
        size_t room_after = i + (n > 0 ? n : 1) < length ? sizeof more : 1;
        if (at + need + room_after > size)
            break;
        if (n > 0) {
            memcpy(out + at, s + i, n);
            at += n;
            i += n;
        } else {
            static const char hex[] = "0123456789abcdef";
            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = hex[s[i] >> 4];
            out[at++] = hex[s[i] & 15];
            i++;
        }
    }
    if (i < length && at + sizeof more <= size) {
        memcpy(out + at, more, sizeof more - 1);
        at += sizeof more - 1;
    }
    out[at] = '\0';
    return out;
}
