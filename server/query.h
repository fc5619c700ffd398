#ifndef QUERY_H
#define QUERY_H

#include "accept.h"
#include "http.h"
#include "metric.h"
#include "problem.h"
#include "selector.h"
#include "stage_declaration.h"
#include "state.h"
#include "store.h"

/**
 * What every question shares: read the parameters, choose the representation, find the run, answer 304
 * early, choose the stage, resolve the selectors against the series of the stage.  One snapshot for
 * all of it.  Everything allocated hangs off the request's arena.
 *
 * Order of calls in a handler: query_media, parameters, query_run_begin, query_etag, the work,
 * query_run_end (on every path, also after a failed begin).
 */
enum { QUERY_METRICS_MAX = 64, QUERY_RANK_MAX = 65535 };
#define QUERY_INTEGER_MAX INT64_C(9007199254740991) /* 2^53-1: epochs and steps */
#define QUERY_CSV_TYPE "text/csv; charset=utf-8"

struct query_run {
    struct run_row run;
    char stage[STAGE_MAX + 1]; /* chosen; "" where the run has none */
    bool stage_known;          /* false: a stage that the run does not have: answer empty lists */
    struct series_row *series; /* the stage's series by name and kind, in the arena */
    size_t n_series;
    struct stage_declaration declaration;
    struct metric_options options; /* what metric_compute needs beside the state */
    bool in_snapshot;              /* private */
};

/* One selector, resolved. */
struct query_metric {
    struct selector selector;
    const struct series_row *series; /* NULL only where the stage is unknown */
    size_t length;                   /* how many values it has: 1, or the number of classes under .none */
    bool is_list;                    /* .none: a list, also where its length is 1 */
};

/* ---- parameters: PROBLEM_INVALID with the place "?name" ---- */

/** query_int(q, name, low, high, missing, out, p): a decimal integer in low .. high; missing if it was not sent. */
int query_int(const struct request *q, const char *name, int64_t low, int64_t high, int64_t missing, int64_t *out,
              struct problem *p);
/** query_word(q, name, words, missing, out, p): index of the value in words (NULL-terminated). */
int query_word(const struct request *q, const char *name, const char *const *words, int missing, int *out,
               struct problem *p);
/** query_zero_division(q, options, p): ?zero_division=0|1, default 0. */
int query_zero_division(const struct request *q, struct metric_options *options, struct problem *p);
/** query_bool(q, name, missing, out, p): true or false. */
int query_bool(const struct request *q, const char *name, bool missing, bool *out, struct problem *p);
/** query_media(q, offered, out, p): ?format= if it was sent, else Accept.  PROBLEM_NOT_ACCEPTABLE. */
int query_media(const struct request *q, unsigned offered, enum media *out, struct problem *p);
/** query_no_memory(p): PROBLEM_MEMORY. */
int query_no_memory(struct problem *p);

/* ---- the run and its stage ---- */

/**
 * query_run_begin(q, need_stage, out, p): snapshot, run, stage, series.  query_run_end() on every path.
 *
 * need_stage  choose the stage: ?stage=, or the only one that the run has.  false: no stage is
 *             chosen, and series are all those of the run, by stage and name.
 * Returns     OK; PROBLEM_UNKNOWN_RUN, PROBLEM_STAGE_NEEDED, PROBLEM_INVALID (?stage), errors of the store.
 */
int query_run_begin(struct request *q, bool need_stage, struct query_run *out, struct problem *p);
void query_run_end(struct request *q, struct query_run *out);
/** query_run_load(q, id, need_stage, out, p): the same for any run, within a snapshot of the caller's, who ends that
 *  after query_run_end(). */
int query_run_load(struct request *q, const char *id, bool need_stage, struct query_run *out, struct problem *p);

/** query_series(run, name): the first series of that name in the stage, counts before all else; NULL if there is none.
 *  query_series_of(run, name, kind): the one of that kind. */
const struct series_row *query_series(const struct query_run *run, const char *name);
const struct series_row *query_series_of(const struct query_run *run, const char *name, enum kind kind);

/**
 * query_series_asked(q, run, kind, what, out, p): the series of a kind that ?name= (default main) asks for.
 *
 * what     for sentences: who needs it ("a curve").
 * field    what a client sends to have it; NULL: kind_field(kind).
 * out      NULL where the stage is unknown.
 * Returns  OK; PROBLEM_INVALID (?name), PROBLEM_UNKNOWN_METRIC, PROBLEM_STATE_LACKS.
 */
int query_series_asked(const struct request *q, const struct query_run *run, enum kind kind, const char *what,
                       const char *field, const struct series_row **out, struct problem *p);
/** query_name(q, out, p): ?name=, checked; NULL: not sent. */
int query_name(const struct request *q, const char **out, struct problem *p);
/** query_unknown_name(run, name, p): PROBLEM_UNKNOWN_METRIC at ?name: no series of that name, of whatever kind. */
int query_unknown_name(const struct query_run *run, const char *name, struct problem *p);

/**
 * query_metrics(q, run, out, n, p): the selectors of metric= (or the default), resolved; in the arena.
 * A selector that is asked for twice is answered once.
 */
int query_metrics(struct request *q, const struct query_run *run, struct query_metric **out, size_t *n,
                  struct problem *p);

/**
 * query_metrics_there(q, run, text, out, n, p): the same for selectors as text, but one that this stage has nothing for
 * has no series.  text NULL: what query_metrics() would take.  An unknown stage has none at all.
 */
int query_metrics_there(struct request *q, const struct query_run *run, const char *text, struct query_metric **out,
                        size_t *n, struct problem *p);

/**
 * query_basis(run, metrics, n): the series whose steps, batches and samples an answer shows: main
 * where the stage has it (its counts, else another kind), else the first series asked for.
 */
const struct series_row *query_basis(const struct query_run *run, const struct query_metric *metrics, size_t n);

/* ---- answers ---- */

struct json_writer;
/** query_head(w, run): "run", "stage" (null where the run has none) and "revision", inside an open object. */
void query_head(struct json_writer *w, const struct query_run *run);
/** query_thinned(w, n_epochs, rank): "thinned", inside an open object: how many epochs of the range are, and the finest width that is
 *  kept of them; of one rank (>= 0) none is: null. */
void query_thinned(struct json_writer *w, int64_t n_epochs, int64_t rank);
/** query_finish(r, rc, p): the end of a handler: a body that ran out of memory is PROBLEM_MEMORY; a failed answer has neither body nor headers. */
int query_finish(struct response *r, int rc, struct problem *p);

/* ---- ETags: of a build, a state of the data and a representation ---- */

/** query_etag(q, r, run): set the ETag of this representation; true if the client has it already (r is then the 304). */
bool query_etag(struct request *q, struct response *r, const struct run_row *run);
/** query_etag_list(q, r, data, size): the same for a list, whose state the caller has written into data (NULL: constant). */
bool query_etag_list(struct request *q, struct response *r, const void *data, size_t size);
/** etag_matches(header, etag): does an If-None-Match (a list, a star, weak tags) name this tag? */
bool etag_matches(const char *header, const char *etag);

#endif
