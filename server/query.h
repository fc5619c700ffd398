#ifndef QUERY_H
#define QUERY_H

#include "http.h"
#include "problem.h"
#include "selector.h"
#include "store.h"

/**
 * What every question about a run shares: find the run, answer 304 early, choose the stage, resolve
 * the selectors against the series of the stage.  One snapshot for all of it.
 */
struct query_run {
    struct run_row run;
    char stage[STAGE_MAX + 1]; /* chosen; "" where the run has none */
    bool stage_known;          /* false: a stage that the run does not have: answer empty lists */
    struct series_row *series; /* the stage's series, in the arena */
    size_t n_series;
};

/* One selector, resolved. */
struct query_metric {
    struct selector selector;
    const struct series_row *series; /* NULL only where the stage is unknown */
};

/** query_run_begin(q, need_stage, out, p): snapshot, run, stage, series.  query_run_end() on every path. */
int query_run_begin(struct request *q, bool need_stage, struct query_run *out, struct problem *p);
void query_run_end(struct request *q, struct query_run *out);

/** query_metrics(q, run, out, n, p): the selectors of metric= (or the default), resolved; in the arena. */
int query_metrics(struct request *q, const struct query_run *run, struct query_metric **out, size_t *n, struct problem *p);

/** query_etag(q, r, run): set the ETag of this representation; true if the client has it already (r is then the 304). */
bool query_etag(struct request *q, struct response *r, const struct run_row *run);

#endif
