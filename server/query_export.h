#ifndef QUERY_EXPORT_H
#define QUERY_EXPORT_H

#include "buffer.h"
#include "query.h"

/**
 * The stored batches of one epoch of a stage, as NDJSON: one canonical record per (epoch, step, rank,
 * name), with all kinds of the name, and weighted means beside main.  Kinds that came in records of their
 * own with another number of samples, task or num_classes are in records of their own again.  Rising by
 * (epoch, step, rank), main first, then the other names in order.
 */
struct export_ask {
    const struct query_run *run;
    const char *name;   /* only this name; NULL: all.  main comes with its sums. */
    int64_t epoch;      /* -1: the last one */
    int64_t limit;      /* records, >= 1 */
    int64_t bytes;      /* a page ends before it is longer than this (it holds one record at least) */
    const char *cursor; /* NULL: from the beginning */
    bool skip_thinned;  /* give the other series instead of PROBLEM_THINNED */
};

/**
 * query_export(q, ask, out, next, p): append a page to out.
 *
 * next     the next page's cursor, in the arena; NULL: this is the last page.
 * Returns  OK; PROBLEM_INVALID at ?cursor; PROBLEM_THINNED: the batches of a series asked for are gone in this epoch;
 *          errors of the store.
 * Memory   a few hundred batches of each series, and the page.
 */
int query_export(struct request *q, const struct export_ask *ask, struct buffer *out, const char **next,
                 struct problem *p);

#endif
