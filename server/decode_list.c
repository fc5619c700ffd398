/*
 * What the lists of a record have in common: their items are tuples of a fixed length, a wrong one is named
 * by its place, and none may say the same twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode_record.h"

int decoder_missing(struct decoder *d, enum record_field field, const char *why)
{
    return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(field), "missing: %s", why);
}

int decoder_invalid_item(struct decoder *d, enum record_field field, size_t i, const char *inner, const char *text)
{
    char pointer[64];
    size_t used = json_pointer_add(pointer, sizeof pointer, 0, record_field_pointer(field) + 1,
                                   strlen(record_field_pointer(field) + 1));
    snprintf(pointer + used, sizeof pointer - used, "/%zu%s", i, inner);
    return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "%s", text);
}

int decoder_overflow(struct decoder *d, enum record_field field)
{
    return json_reader_fail(&d->r, PROBLEM_COUNT_OVERFLOW, record_field_pointer(field),
                            "the sum of these counts is above 2^63-1");
}

int decoder_tuple(struct decoder *d, const char *what, size_t n, size_t n_indices, int64_t *out)
{
    struct json_reader *r = &d->r;
    struct json_counts tuple = {.values = out, .cap = n};
    int rc = json_reader_counts(r, &tuple, n, what);
    if (rc != OK)
        return rc;
    if (tuple.n != n)
        return json_reader_fail(r, PROBLEM_INVALID, "", "%zu numbers, expected %zu %s", tuple.n, n, what);
    for (size_t i = 0; i < n_indices; i++)
        if (out[i] >= d->limits->classes)
            return json_reader_fail(r, PROBLEM_INVALID, i == 0 ? "/0" : "/1",
                                    "class %lld: there may be %lld, counted from 0", (long long)out[i],
                                    (long long)d->limits->classes);
    return OK;
}

struct placed_key {
    uint64_t key;
    size_t place;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed_key *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

int decoder_repeated(struct decoder *d, const uint64_t *keys, size_t n, size_t *place)
{
    struct placed_key *placed = arena_alloc(&d->scratch, n * sizeof *placed);
    if (placed == NULL)
        return decoder_no_memory(d);
    for (size_t i = 0; i < n; i++)
        placed[i] = (struct placed_key){keys[i], i};
    qsort(placed, n, sizeof *placed, compare_placed);
    *place = 0;
    for (size_t i = 1; i < n && *place == 0; i++)
        if (placed[i - 1].key == placed[i].key)
            *place = placed[i].place;
    return OK;
}
