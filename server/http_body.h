#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problem.h"

/**
 * A request's body while it arrives.  A Content-Length is a promise and costs nothing: memory is given as bytes
 * arrive, up to the limit of one body and up to a budget for all bodies together.
 */
struct body_budget {
    _Atomic int64_t used; /* bytes */
    int64_t max;
};

struct body {
    struct body_budget *budget;
    char *data;
    size_t size, cap;
};

void body_init(struct body *b, struct body_budget *budget);
void body_release(struct body *b); /* empty again, and usable */

/**
 * body_add(b, data, size, promised, limit, p): append a piece.
 * promised  the Content-Length, 0 if there is none: no more is allocated than that.
 * Returns   OK; PROBLEM_TOO_LARGE (above limit), PROBLEM_BUSY (above the budget), PROBLEM_MEMORY.  On failure
 *           the body is released.
 */
int body_add(struct body *b, const char *data, size_t size, uint64_t promised, int64_t limit, struct problem *p);

/**
 * body_unpack(b, limit, is_bounded, p): a gzip body becomes what it holds; on failure it stays as it is.
 * is_bounded  somebody else sees to it that few are unpacked at once: it may then go above the budget.
 * Returns     as gzip_inflate(); PROBLEM_BUSY (above the budget).
 */
int body_unpack(struct body *b, int64_t limit, bool is_bounded, struct problem *p);

#endif
