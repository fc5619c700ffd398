#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exact_sum.h"
#include "memory.h"
#include "status.h"

/**
 * A state is the additive content of one batch, or of any sum of batches: a step, an epoch, several
 * ranks, one pixel of a chart.  Merging two states is addition, so every metric of every window is
 * exact.  Order and grouping never matter: integers are exact, and so are sums of doubles
 * (exact_sum.h).
 *
 * The same content has exactly one packed form.  Packed forms are what is stored and compared.
 */
enum task { TASK_MULTICLASS = 0, TASK_BINARY = 1, TASK_MULTILABEL = 2 };

/* Stored in databases: values are never reused. */
enum form {
    FORM_TOTALS = 0,      /* correct and total */
    FORM_CLASSES = 1,     /* tp, fp, fn (and tn for binary and multilabel) per class */
    FORM_CONFUSION = 2,   /* cells [target][predicted]; the class counts follow from them */
    FORM_MEAN = 3,        /* a weighted mean: sum, weight, min, max, last */
    FORM_SCORES = 4,      /* score histograms: pos and neg per class and threshold */
    FORM_CALIBRATION = 5, /* count, confidence and correct per bin of confidence */
    FORM_EXACT = 6,       /* correct and total of samples that are right as a whole */
    FORM_REGRESSION = 7   /* moments of target and prediction, and sums of errors */
};

/*
 * What a series is about.  The forms of one kind can stand in for each other; a series is found by run,
 * stage, name and kind.  Stored in databases: values are never reused.
 */
enum kind {
    KIND_COUNTS = 0,
    KIND_SCORES = 1,
    KIND_CALIBRATION = 2,
    KIND_EXACT = 3,
    KIND_REGRESSION = 4,
    KIND_MEAN = 5
};

/* Fixed by the first record of a series; two states add only if their shapes are equal. */
struct shape {
    enum form form;
    enum task task;       /* TASK_MULTICLASS for mean, exact and regression */
    uint32_t num_classes; /* 1 for binary (also FORM_CONFUSION: its matrix is 2x2), 0 for mean, calibration,
                             exact and regression; FORM_TOTALS: 0 if the record did not say */
    uint32_t bins;        /* FORM_SCORES: thresholds T; FORM_CALIBRATION: bins n (n + 1 are kept); else 0 */
};

/* Bounds of the packed format, above any server limit.  A score state takes 16 bytes a cell. */
enum {
    STATE_CLASSES_MAX = 65536,
    STATE_THRESHOLDS_MIN = 2,
    STATE_THRESHOLDS_MAX = 10001,
    STATE_SCORE_CELLS_MAX = 1 << 22, /* num_classes * thresholds */
    STATE_BINS_MAX = 10000
};

/** The names used on the wire: "multiclass", "binary", "multilabel"; "totals", "classes", "confusion",
 *  "mean", "scores", "calibration", "exact", "regression"; kinds likewise, and "counts".  NULL: no such value. */
const char *task_name(enum task task);
const char *form_name(enum form form);
const char *kind_name(enum kind kind);
enum kind form_kind(enum form form);
bool task_from_name(const char *name, size_t length, enum task *out);
bool form_from_name(const char *name, size_t length, enum form *out);
bool shape_is_valid(const struct shape *shape);
bool shape_equal(const struct shape *a, const struct shape *b);

/* Where a batch stands in its series.  Ordered by epoch, then step, then rank. */
struct batch_key {
    int64_t epoch; /* 0 .. 2^53-1 */
    int64_t step;  /* 0 .. 2^53-1 */
    int64_t rank;  /* 0 .. 65535 */
};

int batch_key_compare(const struct batch_key *a, const struct batch_key *b); /* <0, 0, >0 */

/* Counts of one class.  Multiclass: tn is not stored, it is total - tp - fp - fn. */
struct class_counts {
    int64_t tp, fp, fn, tn;
};

/* One class of a sparse list. */
struct class_entry {
    uint32_t index;
    struct class_counts counts;
};

/* One cell of a confusion matrix. */
struct cell {
    uint32_t target;
    uint32_t predicted;
    int64_t count;
};

/**
 * Classification counts.
 * Invariants:
 * 1. every count is in 0 .. INT64_MAX;
 * 2. for FORM_CLASSES and FORM_CONFUSION: multiclass total = sum of tp + fn, correct = sum of tp;
 *    binary and multilabel total = sum of tp + fp + fn + tn, correct = sum of tp + tn;
 * 3. multiclass: tp + fp + fn <= total for each class, so that tn is never negative;
 * 4. classes[c].tn is kept up to date only for binary and multilabel (multiclass: 0 here, use
 *    counts_tn());
 * 5. cells are sorted by (target, predicted), without zeros and without repeats, once settled
 *    (state_cells()); they exist only for multiclass FORM_CONFUSION states initialised with cells.
 */
struct counts {
    int64_t correct, total;
    struct class_counts *classes; /* [num_classes]; NULL for FORM_TOTALS */
    struct cell *cells;           /* private: see state_cells() */
    size_t n_cells, n_settled, cap_cells;
};

/** counts_tn(c, task, index): true negatives of one class, whatever the task.  Needs c->classes. */
int64_t counts_tn(const struct counts *c, enum task task, uint32_t index);

/**
 * A weighted mean.  A batch whose sum or weight was not finite adds 1 to nonfinite and nothing else.
 * min, max and last are meaningful only where finite > 0.
 */
struct mean {
    struct exact_sum sum;
    struct exact_sum weight;
    double min, max; /* posted ones, else sum/weight of the batches with weight > 0 */
    double last;     /* sum/weight of the batch with the greatest key and weight > 0 */
    struct batch_key last_key;
    int64_t finite;    /* batches with weight > 0: those min, max and last speak of */
    int64_t nonfinite; /* batches that were not finite */
};

/* Scores of one class within one bin: how many positive samples have them, how many negative ones. */
struct score_counts {
    int64_t pos, neg;
};

struct score_entry {
    uint32_t class;
    uint32_t bin; /* i: thresholds[i] <= score < thresholds[i + 1]; the last: score == 1 */
    int64_t pos, neg;
};

/**
 * Score histograms, thresholds linspace(0, 1, T).
 * Invariants: every count is in 0 .. INT64_MAX; total is the sum of all pos and neg.
 */
struct scores {
    struct score_counts *cells; /* [num_classes][bins] */
    int64_t total;
};

struct calibration_entry {
    uint32_t bin; /* b: b / n <= confidence < (b + 1) / n; n: confidence == 1 */
    int64_t count, correct;
    double confidence; /* the sum of the confidences, not their mean */
};

/**
 * One bin of confidence.
 * Invariants: 0 <= correct <= count; the confidence is not negative, and 0 where count is 0.
 * counts.correct and counts.total of the state are the sums over all bins.
 */
struct calibration_bin {
    int64_t count, correct;
    struct exact_sum confidence;
};

/* The moments of one batch as posted.  m2: sum of squares about the mean; c: sum of products about the means. */
struct regression_content {
    int64_t n;
    double mean_target, mean_prediction;
    double m2_target, m2_prediction, c;
    double sum_error, sum_abs_error, sum_squared_error;
};

/**
 * Regression moments in additive form, from n and the centred moments of each batch.  Products are
 * taken without rounding and sums are exact, so that M2 = squares - target^2 / n cancels nothing.
 * Chan's rule gives the same numbers up to rounding, but is not associative in doubles.
 */
enum regression_sum {
    REGRESSION_TARGET,             /* sum of n mean_target */
    REGRESSION_PREDICTION,         /* sum of n mean_prediction */
    REGRESSION_TARGET_SQUARES,     /* sum of m2_target + n mean_target^2 */
    REGRESSION_PREDICTION_SQUARES, /* likewise */
    REGRESSION_PRODUCTS,           /* sum of c + n mean_target mean_prediction */
    REGRESSION_ERROR,
    REGRESSION_ABS_ERROR,
    REGRESSION_SQUARED_ERROR,
    N_REGRESSION_SUMS
};

struct regression {
    int64_t n;
    struct exact_sum sum[N_REGRESSION_SUMS];
};

struct state {
    struct shape shape;
    struct memory memory;
    bool has_cells;       /* FORM_CONFUSION, multiclass: cells are kept too, not only class counts */
    int64_t batches;      /* how many were added */
    int64_t samples;      /* sum of samples; 0 for FORM_MEAN */
    struct counts counts; /* totals, classes and confusion; correct and total also for calibration and exact */
    struct mean mean;     /* FORM_MEAN */
    struct scores scores; /* FORM_SCORES */
    struct calibration_bin *calibration; /* FORM_CALIBRATION: [bins + 1] */
    struct regression regression;        /* FORM_REGRESSION */
};

/* ---- life cycle ---- */

/**
 * state_init(s, shape, with_cells, memory): the empty state of a shape.
 *
 * with_cells  keep the cells of a multiclass FORM_CONFUSION state.  Without them only its class
 *             counts are kept, which is all that most metrics need and does not grow.
 * memory      copied; its context must outlive the state.
 * Returns     OK; ERR_RANGE for a shape that is not valid; ERR_MEMORY.
 * Cost        O(num_classes), or O(num_classes * bins), allocates.  Free with state_release().
 */
int state_init(struct state *s, const struct shape *shape, bool with_cells, struct memory memory);

/** state_clear(s): back to empty, memory kept for reuse.  O(num_classes + cells), O(num_classes * bins). */
void state_clear(struct state *s);

/** state_release(s): free what the state holds.  A zeroed or released struct is fine. */
void state_release(struct state *s);

/** state_is_valid(s): the invariants above hold.  For tests and debug builds.  O(size). */
bool state_is_valid(const struct state *s);

/* ---- update: each is atomic, on failure the state is as before ---- */

/**
 * state_merge(into, from): add another state of the same shape.  from is borrowed (it may settle
 * its cells).  Returns OK; ERR_SHAPE (also: into has cells and from has none); ERR_OVERFLOW;
 * ERR_MEMORY.
 */
int state_merge(struct state *into, struct state *from);

/**
 * state_add_packed(into, key, samples, data, size): add one packed state without unpacking it
 * first: one batch (key says where it stands, samples how many it saw), or a packed sum of them.
 *
 * key      the batch's key.  For a packed sum (from state_pack) it is ignored: the packed form carries
 *          its own last_key.  Counts have no use for it: NULL will do.
 * samples  0 .. 2^63-1, added to into->samples.  Ignored for FORM_MEAN.
 * batches  how many batches the packed state stands for (1 for a batch).
 * Returns  OK; ERR_CORRUPT; ERR_SHAPE; ERR_OVERFLOW; ERR_MEMORY; ERR_RANGE (samples or batches below 0,
 *          fewer batches than the packed mean speaks of, a mean's key out of range).
 * Cost     O(size) amortised, times the logarithm of the cells for FORM_CONFUSION.
 */
int state_add_packed(struct state *into, const struct batch_key *key, int64_t samples, int64_t batches,
                     const uint8_t *data, size_t size);

/**
 * state_add_own(into, key, samples, data, size): state_add_packed() of one batch whose bytes batch_pack() of this very
 * process wrote and nobody has touched since: they are believed.  Bytes from anywhere else are undefined behaviour.
 * Returns  as state_add_packed().
 */
int state_add_own(struct state *into, const struct batch_key *key, int64_t samples, const uint8_t *data, size_t size);

/* ---- packing ---- */

/**
 * The content of one batch as it comes off the wire, sparse.  Borrowed arrays.
 * FORM_TOTALS     correct, total.
 * FORM_CLASSES    entries[n_entries], index strictly rising, < num_classes; zeros are dropped.
 * FORM_CONFUSION  multiclass: cells[n_cells] in any order, each (target, predicted) at most once;
 *                 binary: entries[0] holds tp, fp, fn, tn.
 * FORM_SCORES     scores[n_scores] in any order, each (class, bin) at most once.
 * FORM_CALIBRATION  calibration[n_calibration] in any order, each bin at most once; a bin without
 *                 samples has no confidence.
 * FORM_EXACT      correct, total.
 * FORM_REGRESSION regression.  A batch of n = 0 saw nothing: its other numbers are dropped.
 * FORM_MEAN       sum, weight, min, max (has_range) or nonfinite.  A batch of weight 0 saw nothing: its
 *                 sum and range are dropped, and it adds nothing but itself to the number of batches.
 */
struct batch_content {
    struct shape shape;
    int64_t correct, total;
    const struct class_entry *entries;
    size_t n_entries;
    struct cell *cells; /* sorted in place by batch_pack */
    size_t n_cells;
    double sum, weight; /* weight >= 0; finite unless nonfinite */
    double min, max;
    bool has_range;
    bool nonfinite;
    struct score_entry *scores; /* sorted in place by batch_pack */
    size_t n_scores;
    struct calibration_entry *calibration; /* sorted in place by batch_pack */
    size_t n_calibration;
    struct regression_content regression;
};

/**
 * batch_pack(content, out, cap, size): the packed form of one batch; same content, same bytes,
 * however it was written on the wire (dense or sparse, with or without min and max equal to the mean).
 *
 * out      uint8_t[cap], written only on OK.  May be NULL with cap 0 to ask for the size.
 * size     bytes written on OK; bytes needed on ERR_FULL.
 * Returns  OK; ERR_RANGE (index out of range or repeated, negative count, NaN, weight < 0,
 *          min > max; multiclass: a class with tp + fp + fn > total, total being the sum of all tp + fn;
 *          calibration: correct > count, confidence < 0 or above 1.001 count; regression: n above
 *          2^53, a number not finite, an m2 or a sum of absolute or squared errors below 0);
 *          ERR_OVERFLOW (the batch's own sums, sum / weight, or n mean^2 leave their type); ERR_FULL.
 */
int batch_pack(struct batch_content *content, uint8_t *out, size_t cap, size_t *size);

/** batch_pack_bound(content): never fewer bytes than it packs to.  Given that many, batch_pack() does not measure first. */
size_t batch_pack_bound(const struct batch_content *content);

/**
 * state_pack(s, out, cap, size): the packed form of a sum (a rollup row).  samples and batches are
 * not inside: they are columns beside it.  Settles the cells of s.  ERR_FULL as batch_pack.
 * A state with FORM_CONFUSION must have been initialised with cells (else ERR_NEED).
 */
int state_pack(struct state *s, uint8_t *out, size_t cap, size_t *size);

/**
 * packed_shape(data, size, out): the shape written in a packed state.  ERR_CORRUPT.  O(1).
 * packed_verify(data, size): every byte is as this library would write it.  OK or ERR_CORRUPT.
 */
int packed_shape(const uint8_t *data, size_t size, struct shape *out);
int packed_verify(const uint8_t *data, size_t size);

/**
 * packed_scores(data, size, each, context), packed_calibration(...): the entries of a packed batch or sum,
 * in order of class and bin, without zeros.  All bytes are checked before the first call; what ${each}
 * returns other than OK ends the walk and is returned.  A sum's confidence is rounded to a double.
 * packed_regression(data, size, out): the numbers of a packed batch, exactly as posted.
 * Returns  OK; ERR_CORRUPT; ERR_SHAPE (another form); ERR_NEED (regression: a sum of batches).
 */
int packed_scores(const uint8_t *data, size_t size, int (*each)(void *context, const struct score_entry *entry),
                  void *context);
int packed_calibration(const uint8_t *data, size_t size,
                       int (*each)(void *context, const struct calibration_entry *entry), void *context);
int packed_regression(const uint8_t *data, size_t size, struct regression_content *out);

/* ---- query ---- */

/**
 * state_cells(s, out, n): the cells, sorted by (target, predicted), no zeros.  Binary states of
 * either per-class form give their 2x2 cells too (target and predicted 0 or 1), from a buffer inside
 * the state.  Borrowed until the next call that changes s.
 * Returns OK; ERR_NEED if the state holds no cells; ERR_MEMORY.
 */
int state_cells(struct state *s, const struct cell **out, size_t *n);

/** mean_value(m): sum / weight; NAN without weight, else finite. */
double mean_value(const struct mean *m);

/** state_primary(s): the series' primary metric, for a rollup's min and max: micro accuracy, exact match,
 *  the mean or the mean squared error.  NAN where undefined (no decisions, no weight) and for scores. */
double state_primary(const struct state *s);

#endif
