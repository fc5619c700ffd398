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
    FORM_TOTALS = 0,    /* correct and total */
    FORM_CLASSES = 1,   /* tp, fp, fn (and tn for binary and multilabel) per class */
    FORM_CONFUSION = 2, /* cells [target][predicted]; the class counts follow from them */
    FORM_MEAN = 3       /* a weighted mean: sum, weight, min, max, last */
};

/* Fixed by the first record of a series; two states add only if their shapes are equal. */
struct shape {
    enum form form;
    enum task task;       /* TASK_MULTICLASS for FORM_MEAN */
    uint32_t num_classes; /* 1 for binary (also FORM_CONFUSION: its matrix is 2x2), 0 for FORM_MEAN;
                             FORM_TOTALS: 0 if the record did not say */
};

enum { STATE_CLASSES_MAX = 65536 }; /* a bound of the packed format, above any server limit */

/** The names used on the wire: "multiclass", "binary", "multilabel"; "totals", "classes", "confusion", "mean". */
const char *task_name(enum task task);
const char *form_name(enum form form);
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
    double min, max;           /* posted ones, else sum/weight of the batches with weight > 0 */
    double last;               /* sum/weight of the batch with the greatest key and weight > 0 */
    struct batch_key last_key;
    int64_t finite;            /* batches with weight > 0: those min, max and last speak of */
    int64_t nonfinite;         /* batches that were not finite */
};

struct state {
    struct shape shape;
    struct memory memory;
    bool has_cells;  /* FORM_CONFUSION, multiclass: cells are kept too, not only class counts */
    int64_t batches; /* how many were added */
    int64_t samples; /* sum of samples; 0 for FORM_MEAN */
    struct counts counts; /* all forms but FORM_MEAN */
    struct mean mean;     /* FORM_MEAN */
};

/* ---- life cycle ---- */

/**
 * state_init(s, shape, with_cells, memory): the empty state of a shape.
 *
 * with_cells  keep the cells of a multiclass FORM_CONFUSION state.  Without them only its class
 *             counts are kept, which is all that most metrics need and does not grow.
 * memory      copied; its context must outlive the state.
 * Returns     OK; ERR_RANGE for a shape that is not valid; ERR_MEMORY.
 * Cost        O(num_classes), allocates.  Free with state_release().
 */
int state_init(struct state *s, const struct shape *shape, bool with_cells, struct memory memory);

/** state_clear(s): back to empty, memory kept for reuse.  O(num_classes + cells). */
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
int state_add_packed(struct state *into, const struct batch_key *key, int64_t samples, int64_t batches, const uint8_t *data,
                     size_t size);

/* ---- packing ---- */

/**
 * The content of one batch as it comes off the wire, sparse.  Borrowed arrays.
 * FORM_TOTALS     correct, total.
 * FORM_CLASSES    entries[n_entries], index strictly rising, < num_classes; zeros are dropped.
 * FORM_CONFUSION  multiclass: cells[n_cells] in any order, each (target, predicted) at most once;
 *                 binary: entries[0] holds tp, fp, fn, tn.
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
};

/**
 * batch_pack(content, out, cap, size): the packed form of one batch; same content, same bytes,
 * however it was written on the wire (dense or sparse, with or without min and max equal to the mean).
 *
 * out      uint8_t[cap], written only on OK.  May be NULL with cap 0 to ask for the size.
 * size     bytes written on OK; bytes needed on ERR_FULL.
 * Returns  OK; ERR_RANGE (index out of range or repeated, negative count, NaN, weight < 0,
 *          min > max; multiclass: a class with tp + fp + fn > total, total being the sum of all tp + fn);
 *          ERR_OVERFLOW (the batch's own sums, or sum / weight, leave their type); ERR_FULL.
 */
int batch_pack(struct batch_content *content, uint8_t *out, size_t cap, size_t *size);

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

/** state_primary(s): the series' primary metric, for a rollup's min and max: micro accuracy or
 *  the mean.  NAN where undefined (no decisions, no weight). */
double state_primary(const struct state *s);

#endif
