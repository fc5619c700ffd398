#ifndef STATE_PARTS_H
#define STATE_PARTS_H

#include "state.h"
#include "varint.h"

/**
 * What the modules behind state.h share.  Private to lib/.  state.c and pack.c know every kind by its
 * row of functions only; one module implements each.
 *
 * A packed state is one format byte (bits 0-3 form, 4-5 task, 6-7 version), then what the form has of
 * num_classes and bins (varints), then a body:
 *
 * totals      num_classes; correct, total                                     (varints)
 * classes     num_classes; n_entries, then per class that has a count, in order:
 *             gap << bits | mask, and the counts that mask names.  gap is how many classes were
 *             skipped; mask has bit 0 for tp, 1 for fp, 2 for fn, 3 for tn; bits is 3 for multiclass
 *             (tn follows from the rest) and 4 otherwise.
 * confusion   num_classes; multiclass: n_cells, then per cell that is not zero, in order of
 *             target * num_classes + predicted: how many cells were skipped, count.
 *             binary: as classes.
 * mean        flags, then for a batch: sum, weight, and min and max if they are not both sum/weight;
 *             for a sum of batches: finite, nonfinite, and if finite > 0 the last key (3 varints),
 *             min, max, last, and the parts of both exact sums.
 * scores      num_classes, bins; n_entries, then per (class, bin) that has a count, in order of
 *             class * bins + bin: gap << 2 | mask, and the counts that mask names: bit 0 pos, 1 neg.
 * calibration bins; n_entries, then per bin that has samples: gap << 2 | mask, count, correct if bit 0 is
 *             set, and the confidence: one number, or if bit 1 is set the two or more parts of its sum.
 * exact       correct, total
 * regression  flags, n, and if n > 0: for a batch the eight numbers as posted, in the order of struct
 *             regression_content; for a sum of batches the parts of each exact sum.
 *
 * The parts of an exact sum are a varint of how many and that many numbers, canonical.
 * Versions 1 to 3 and the forms 8 to 15 are free.
 */
enum { PACK_VERSION = 0 << 6 };

/* Bytes at most: of a varint, of a number, of one class's entry. */
enum { VARINT_MAX = 10, NUMBER_MAX = 11, ENTRY_MAX = 5 * VARINT_MAX };

/* One kind of state.  What a kind has no use for is NULL. */
struct kind_ops {
    int (*init)(struct state *s); /* s is empty, with shape, memory and has_cells; ERR_MEMORY frees what it took */
    void (*clear)(struct state *s);
    void (*release)(struct state *s);
    bool (*is_valid)(const struct state *s);
    double (*primary)(const struct state *s);
    /* Atomic; shapes are equal. */
    int (*merge)(struct state *into, struct state *from);
    /* Atomic; the body stands for so many batches, a single one being at key (NULL: not known). */
    int (*add_body)(struct state *s, const struct pack_reader *body, const struct batch_key *key, int64_t batches);
    /* The same of one batch whose bytes need no check; NULL: add_body will do. */
    int (*add_own)(struct state *s, const struct pack_reader *body);
    bool (*body_check)(struct pack_reader *r, const struct shape *shape);
    int (*batch_check)(struct batch_content *content);
    void (*batch_write)(struct pack_writer *w, const struct batch_content *content);
    int (*settle)(struct state *s); /* before write(); ERR_NEED if it cannot be written */
    void (*write)(struct pack_writer *w, const struct state *s);
};

extern const struct kind_ops counts_ops, scores_ops, calibration_ops, exact_ops, regression_ops, mean_ops;

/* ---- shape.c ---- */

bool key_is_valid(const struct batch_key *key);
bool shape_has_cells(const struct shape *shape); /* multiclass FORM_CONFUSION */
bool shape_has_tn(const struct shape *shape);    /* binary and multilabel store tn */

/* ---- state.c ---- */

const struct kind_ops *kind_ops(const struct shape *shape); /* of a valid shape */

/* ---- pack.c ---- */

/** Read the format byte and, where the form has them, num_classes and bins.  False: not ours. */
bool head_read(struct pack_reader *r, struct shape *out);
void head_write(struct pack_writer *w, const struct shape *shape);

/** A head of this form and a body that is as we would write it; r is left at the body. */
int body_find(struct pack_reader *r, enum form form, struct shape *out);

/** The parts of an exact sum, refused unless they are the canonical ones. */
bool parts_read(struct pack_reader *r, struct exact_sum *out);
void parts_write(struct pack_writer *w, const struct exact_sum *s);

/* A sparse list: how many items, and how many places each skips. */
struct item_reader {
    struct pack_reader *r;
    uint64_t n_left;
    uint64_t i_next; /* the lowest index that may follow */
};

bool items_begin(struct item_reader *items, struct pack_reader *r);

/** The index that comes after a gap; false beyond the bound. */
static inline bool items_next(struct item_reader *items, uint64_t gap, uint64_t bound, uint64_t *index)
{
    if (items->i_next >= bound || gap >= bound - items->i_next)
        return false;
    *index = items->i_next + gap;
    items->i_next = *index + 1;
    items->n_left--;
    return true;
}

/* ---- sort.c ---- */

typedef int item_compare(const void *a, const void *b);

/** items_sort(items, n, size, compare): in place, no memory but the caller's; size at most ITEM_SIZE_MAX. */
enum { ITEM_SIZE_MAX = 64 };
void items_sort(void *items, size_t n, size_t size, item_compare *compare);

/* ---- counts_bytes.c ---- */

/* What a counts body adds up to, learnt while checking it. */
enum { BODY_KEPT = 64 };

struct body_sums {
    int64_t correct, total;
    size_t n_items;           /* entries or cells */
    struct class_entry *kept; /* [BODY_KEPT]: the first entries, so that a short body is read once; NULL: not wanted */
};

/** class_sums_add(sums, shape, counts): add one class's part of correct and total.  ERR_OVERFLOW. */
int class_sums_add(struct body_sums *sums, const struct shape *shape, const struct class_counts *counts);

/** A multiclass class cannot be in more samples than there are: tp + fp + fn <= total. */
bool class_fits(const struct class_counts *counts, int64_t total);

/** counts_body_check(r, shape, sums): read a whole body; false unless it is as we would write it. */
bool counts_body_check(struct pack_reader *r, const struct shape *shape, struct body_sums *sums);

/** counts_body_add(s, r, sums): add a body that was checked.  Room for its cells is reserved.  Cannot fail. */
void counts_body_add(struct state *s, struct pack_reader *r, const struct body_sums *sums);

/** entries_add_own(s, body): add the entries of a body that batch_pack() wrote, in one pass.  OK or ERR_OVERFLOW; atomic. */
int entries_add_own(struct state *s, const struct pack_reader *body);

void entries_write(struct pack_writer *w, const struct shape *shape, const struct class_entry *entries, size_t n);
void cells_write(struct pack_writer *w, const struct shape *shape, const struct cell *cells, size_t n);
void counts_write(struct pack_writer *w, const struct state *s); /* settled */

/** The two numbers of totals and exact. */
bool totals_read(struct pack_reader *r, struct body_sums *sums);
void totals_write(struct pack_writer *w, int64_t correct, int64_t total);

/* ---- cells.c ---- */

/** cells_reserve(s, n): room for n more and for settling; ERR_MEMORY, and nothing is lost. */
int cells_reserve(struct state *s, size_t n);

/**
 * cells_add(s, cell, hint): add to one cell; room is reserved.  hint starts at 0 and carries the
 * place from call to call while cells come in rising order.
 */
void cells_add(struct state *s, const struct cell *cell, size_t *hint);
void cells_settle(struct state *s);
void cells_sort(struct cell *cells, size_t n);
int cell_compare(const struct cell *a, const struct cell *b);

#endif
