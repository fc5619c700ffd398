#ifndef STEPS_SCAN_H
#define STEPS_SCAN_H

#include "query_axis.h"
#include "query_steps.h"

/** Private to query_steps: one series, read and cut into buckets. */

/* One bucket of one series. */
struct bucket {
    int64_t epoch, number; /* number: step >> level */
    int64_t first, last;   /* steps with a batch */
    int64_t time;          /* the earliest */
    int64_t samples, batches;
    bool inside; /* one of its steps lies in the range asked for */
};

struct series_scan {
    const struct series_row *row;
    struct bucket *buckets;
    size_t n, cap;
    /* [n_metrics] of the ask, each column [cap]; NULL for metrics of other series */
    struct steps_column *columns;
};

/* Everything that the passes share. */
struct steps_work {
    struct request *q;
    const struct steps_ask *ask;
    struct query_axis axis;
    struct axis_range range;
    int level;
    int level_min;              /* 0, or that of the finest buckets where some epoch of the range is thinned */
    struct series_scan *series; /* those asked for, each once */
    size_t n_series;
    struct problem *p;
};

/* ---- steps_read.c ---- */

/* How to read steps: see step_cover.h. */
struct steps_reader {
    int level; /* rows of at most 2^level steps, and of whole epochs that lie within one such bucket */
    bool with_state;
    int (*row)(void *context, const struct rollup_row *row);
    int (*batch)(void *context, const struct batch_row *batch); /* of the rank asked for */
    void *context;
};

/** steps_read(w, series, from, to, reader): the steps of a series from .. to (their ranks do not count), in order. */
int steps_read(const struct steps_work *w, const struct series_row *series, const struct batch_key *from,
               const struct batch_key *to, const struct steps_reader *reader);

/** steps_range(w, from, to): the keys of the range.  steps_whole_range(): widened to whole buckets where it cuts them. */
void steps_range(const struct steps_work *w, struct batch_key *from, struct batch_key *to);
void steps_whole_range(const struct steps_work *w, struct batch_key *from, struct batch_key *to);

/* ---- steps_width.c ---- */

/**
 * steps_level(w, over, entries): choose w->level, at least w->level_min.
 *
 * over     more epochs than points: every epoch is one bucket.
 * entries  how many the answer has at most (exactly, where they had to be counted).
 */
int steps_level(struct steps_work *w, bool *over, size_t *entries);

/* ---- steps_scan.c, steps_window.c ---- */

/** steps_scan_series(w, s, cap): fill s->buckets and columns; at most cap buckets. */
int steps_scan_series(struct steps_work *w, struct series_scan *s, size_t cap);

/* An entry of the answer: the steps that its window may reach. */
struct window_end {
    int64_t epoch, last;
};

/**
 * steps_window(w, s, ends, n, columns): the values over the last ask->window steps at each end, for the
 * metrics of this series, written to columns[metric].value[i].
 */
int steps_window(struct steps_work *w, const struct series_scan *s, const struct window_end *ends, size_t n,
                 struct steps_column *columns);

#endif
