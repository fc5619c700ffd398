#ifndef QUERY_EPOCH_SUM_H
#define QUERY_EPOCH_SUM_H

#include "query.h"

/** One epoch of one series, summed: what classes, confusion, curves, calibration and the diagnosis look at. */
struct epoch_sum {
    const struct series_row *series; /* borrowed; NULL: the stage is unknown, and there is nothing */
    int64_t epoch;                   /* -1: the series has none */
    struct state state;              /* batches 0: nothing there */
    bool is_thinned;                 /* its batches are gone */
    int64_t steps, ranks, last_step; /* 0 where there is nothing */
};

/**
 * query_epoch_sum_of(q, series, epoch, with_cells, out, p): that epoch; -1: the last one of the series.
 * query_epoch_sum(q, series, with_cells, out, p): the one that ?epoch= asks for, default the last.
 * query_epoch_sum_release() after any result.
 */
int query_epoch_sum_of(struct request *q, const struct series_row *series, int64_t epoch, bool with_cells,
                       struct epoch_sum *out, struct problem *p);
int query_epoch_sum(struct request *q, const struct series_row *series, bool with_cells, struct epoch_sum *out,
                    struct problem *p);
void query_epoch_sum_release(struct epoch_sum *e);

struct json_writer;
/** query_write_epoch(w, e): "epoch", null where there is none. */
void query_write_epoch(struct json_writer *w, const struct epoch_sum *e);

/** query_class_number(series, index), query_class_name(run, number): binary has one class, number 1.  NULL: not declared. */
size_t query_class_number(const struct series_row *series, size_t index);
const char *query_class_name(const struct query_run *run, size_t number);

#endif
