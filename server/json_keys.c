/*
 * Names within an object: the same one twice, and one that is nearly a known one.  Pure; any thread.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_keys.h"

enum { NAME_MAX_EDITED = 32, EDITS_MAX = 2, FEW = 16 };

static int compare_keys(const void *a, const void *b)
{
    const struct json_key *x = a, *y = b;
    if (x->slice.size != y->slice.size)
        return x->slice.size < y->slice.size ? -1 : 1;
    return memcmp(x->slice.text, y->slice.text, x->slice.size);
}

static const struct json_key *later(const struct json_key *a, const struct json_key *b)
{
    return a->at > b->at ? a : b;
}

const struct json_key *json_keys_repeated(struct json_key *keys, size_t n)
{
    if (n <= FEW) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (compare_keys(&keys[i], &keys[j]) == 0)
                    return &keys[i];
        return NULL;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return later(&keys[i - 1], &keys[i]);
    return NULL;
}

/* Levenshtein's distance, for names of at most NAME_MAX_EDITED bytes; more counts as far. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[NAME_MAX_EDITED + 1];
    if (a_size > NAME_MAX_EDITED || b_size > NAME_MAX_EDITED)
        return NAME_MAX_EDITED + 1;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_size];
}

const char *json_field_meant(const struct json_field *fields, size_t n, struct json_slice key)
{
    size_t best = EDITS_MAX + 1;
    const char *name = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(key.text, key.size, fields[i].name, fields[i].size);
        if (distance >= fields[i].size || distance > best)
            continue; /* nothing of the name would be left */
        name = distance < best ? fields[i].name : NULL;
        best = distance;
    }
    return name;
}
