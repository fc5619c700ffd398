/** Bodies and their budget.  One body has one owner at a time; the budget is shared. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gzip.h"
#include "http_body.h"

enum { BODY_FIRST = 16 * 1024 };

void body_init(struct body *b, struct body_budget *budget)
{
    memset(b, 0, sizeof *b);
    b->budget = budget;
}

void body_release(struct body *b)
{
    atomic_fetch_sub(&b->budget->used, (int64_t)b->cap);
    free(b->data);
    body_init(b, b->budget);
}

static int grow(struct body *b, size_t need, uint64_t promised, struct problem *p)
{
    size_t cap = b->cap * 2 > need ? b->cap * 2 : need;

    if (cap < BODY_FIRST)
        cap = BODY_FIRST;
    if (promised >= need && cap > promised)
        cap = (size_t)promised;
    int64_t more = (int64_t)(cap - b->cap);
    if (atomic_fetch_add(&b->budget->used, more) + more > b->budget->max) {
        atomic_fetch_sub(&b->budget->used, more);
        return problem_set(p, PROBLEM_BUSY, NULL, "too many bodies are arriving at once");
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        atomic_fetch_sub(&b->budget->used, more);
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for a body");
    }
    b->data = data;
    b->cap = cap;
    return OK;
}

int body_add(struct body *b, const char *data, size_t size, uint64_t promised, int64_t limit, struct problem *p)
{
    int rc = OK;

    if (size > (size_t)limit - b->size)
        rc = problem_set(p, PROBLEM_TOO_LARGE, NULL, "the body is longer than %lld bytes (limit body_bytes)",
                         (long long)limit);
    else if (b->size + size > b->cap)
        rc = grow(b, b->size + size, promised, p);
    if (rc != OK) {
        body_release(b);
        return rc;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return OK;
}

int body_unpack(struct body *b, int64_t limit, bool is_bounded, struct problem *p)
{
    char *plain = NULL;
    size_t size = 0;
    int rc = gzip_inflate(b->data, b->size, (size_t)limit, &plain, &size, p);

    if (rc != OK)
        return rc;
    int64_t more = (int64_t)size - (int64_t)b->cap; /* the packed form goes */
    if (atomic_fetch_add(&b->budget->used, more) + more > b->budget->max && more > 0 && !is_bounded) {
        atomic_fetch_sub(&b->budget->used, more);
        free(plain);
        return problem_set(p, PROBLEM_BUSY, NULL, "too many bodies are here at once");
    }
    free(b->data);
    b->data = plain;
    b->size = b->cap = size;
    return OK;
}
