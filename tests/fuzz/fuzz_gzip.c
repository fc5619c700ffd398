/*
 * Any gzip body, arriving in any pieces: refused with a problem, or unpacked within the bound; and the budget for
 * bodies is whole afterwards.  The first byte chooses: the bytes as they are; a member made of them as they would be
 * packed (its sums are right, so that what is behind them is reached); that with some of its bytes changed.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gzip.h"
#include "http_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 32 * 1024, BUDGET = 256 * 1024 };

/* Pieces of the body as the network brings them. */
static int fill(struct body *b, const char *data, size_t size, unsigned how, struct problem *p)
{
    size_t piece = how % 4 == 0 ? size + 1 : 1u + how % 61u * 16;
    int rc = OK;
    for (size_t at = 0; at < size && rc == OK; at += piece)
        rc = body_add(b, data + at, size - at < piece ? size - at : piece, how % 8 < 4 ? size : 0, LIMIT, p);
    return rc;
}

static int unpack(const char *data, size_t size, unsigned how, const char *want, size_t want_size)
{
    struct body_budget budget = {.max = BUDGET};
    struct problem p = {0};
    struct body b;
    body_init(&b, &budget);
    int rc = fill(&b, data, size, how, &p);
    if (rc == OK)
        rc = body_unpack(&b, LIMIT, how % 16 < 8, &p);
    assert(rc == p.code && rc != PROBLEM_INTERNAL);
    assert(rc == OK || rc == PROBLEM_MALFORMED || rc == PROBLEM_TOO_LARGE || rc == PROBLEM_BUSY);
    if (rc == OK) {
        assert(b.data != NULL && b.size <= LIMIT);
        assert(want == NULL || (b.size == want_size && memcmp(b.data, want, want_size) == 0));
    }
    body_release(&b);
    assert(budget.used == 0);
    return rc;
}

/* What was packed comes out again, as one member and as two. */
static void round_trip(const char *data, size_t size, unsigned how)
{
    char *packed = NULL, *twice;
    size_t n = 0;
    if (!gzip_deflate(data, size, 1 + (int)(how % 9), &packed, &n))
        return; /* it would not get smaller */
    assert(n < size && unpack(packed, n, how, data, size) == OK);
    twice = malloc(2 * n);
    assert(twice != NULL);
    memcpy(twice, packed, n);
    memcpy(twice + n, packed, n);
    (void)unpack(twice, 2 * n, how, NULL, 0);
    free(twice);
    free(packed);
}

/* The first bytes say what is changed in the packed form of the rest. */
static void damaged(const char *data, size_t size, unsigned how)
{
    char *packed = NULL;
    size_t n = 0, changes = 1 + how % 4;
    if (size < 2 * changes || !gzip_deflate(data + 2 * changes, size - 2 * changes, 6, &packed, &n))
        return;
    for (size_t i = 0; i < changes; i++)
        packed[(size_t)(uint8_t)data[2 * i] * 257 % n] = data[2 * i + 1];
    (void)unpack(packed, n, how, NULL, 0);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *rest = (const char *)data + 2;
    if (data[0] % 4 == 0)
        round_trip(rest, size - 2, data[1]);
    else if (data[0] % 4 == 1)
        damaged(rest, size - 2, data[1]);
    else
        (void)unpack(rest, size - 2, data[1], NULL, 0);
    return 0;
}
