#ifndef DECODE_STATES_H
#define DECODE_STATES_H

#include "json_reader.h"
#include "state.h"

/**
 * Private to the decoding of records: the states that accompany or replace the counts of a record.  Each
 * is read when its field comes, and judged by itself; what depends on other fields of the record (task,
 * num_classes) is judged at its end.
 */
struct decoder;

enum {
    /*
     * Classes times thresholds of one record, dense or sparse: 1,000 classes of 1,000 thresholds.  lib/ takes
     * more, but a sum holds 16 bytes a cell however few are filled, so this keeps one below 16 MiB.
     */
    SCORE_CELLS_MAX = 1 << 20
};

/* One of the two matrices [class][bin] of scores, without its zeros, in order. */
struct score_matrix {
    struct score_entry *entries; /* only pos is used, in both */
    size_t n, cap;
    size_t n_rows, width;
};

struct scores_read {
    uint64_t seen; /* a bit for each field it has */
    int64_t thresholds, num_classes;
    struct score_matrix pos, neg;
    struct json_counts row;
    struct score_entry *cells; /* of either form, once read: each (class, bin) once, by class and bin */
    size_t n_cells, cap_cells;
};

struct calibration_read {
    uint64_t seen;
    int64_t bins;
    struct json_counts count, correct;
    double *confidence;
    size_t n_confidence, cap_confidence;
    struct calibration_entry *cells; /* of either form, once read: each bin once */
    size_t n_cells, cap_cells;
};

/* ---- decode_scores.c, decode_states.c ---- */

int read_scores(struct decoder *d);
int read_calibration(struct decoder *d);
int read_exact(struct decoder *d);
int read_regression(struct decoder *d);

/** finish_...(d, content, samples): what is packed, borrowed from scratch, and how many samples it speaks of. */
int finish_scores(struct decoder *d, struct batch_content *content, int64_t *samples);
int finish_calibration(struct decoder *d, struct batch_content *content, int64_t *samples);
int finish_exact(struct decoder *d, struct batch_content *content, int64_t *samples);
int finish_regression(struct decoder *d, struct batch_content *content, int64_t *samples);

#endif
