#ifndef QUERY_RUNS_H
#define QUERY_RUNS_H

#include "query_columns.h"
#include "query_filter.h"

/**
 * The list of runs: filtered, sorted (run_order.h), cut into pages.  Newest first and unfiltered, it costs as much as its
 * page; else as much as the runs of the project, or of all.
 */
struct runs_ask {
    const char *project; /* NULL: any */
    const char *tag;     /* NULL: any */
    bool has_status;
    enum run_status status;
    const struct filter *filter; /* NULL: every run */
    const char *sort;            /* NULL: newest first */
    int64_t limit;
    const char *cursor; /* NULL: the first page */
};

struct runs_page {
    struct run_row *rows; /* [n], in the arena; runs_page_release() */
    size_t n;
    int64_t total;    /* runs that fit, on all pages */
    const char *next; /* the next page's cursor, in the arena; NULL: this is the last one */
};

/** query_runs(q, ask, out, p): PROBLEM_INVALID at ?sort or ?cursor.  runs_page_release() after any result. */
int query_runs(struct request *q, const struct runs_ask *ask, struct runs_page *out, struct problem *p);
void runs_page_release(struct runs_page *page);

#endif
