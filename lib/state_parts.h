#ifndef STATE_PARTS_H
#define STATE_PARTS_H

#include "state.h"
#include "varint.h"

/**
 * What the modules behind state.h share: counts.c, cells.c, mean.c and pack.c.  Private to lib/.
 *
 * A packed state is one format byte (bits 0-3 form, 4-5 task, 6-7 version), then a body by form:
 *
 * totals      num_classes, correct, total                                     (varints)
 * classes     num_classes, n_entries, then per class that has a count, in order:
 *             gap << bits | mask, and the counts that mask names.  gap is how many classes were
 *             skipped; mask has bit 0 for tp, 1 for fp, 2 for fn, 3 for tn; bits is 3 for multiclass
 *             (tn follows from the rest) and 4 otherwise.
 * confusion   multiclass: num_classes, n_cells, then per cell that is not zero, in order of
 *             target * num_classes + predicted: how many cells were skipped, count.
 *             binary: as classes.
 * mean        flags, then for a batch: sum, weight, and min and max if they are not both sum/weight;
 *             for a sum of batches: finite, nonfinite, and if finite > 0 the last key (3 varints),
 *             min, max, last, and the parts of both exact sums, each a varint of how many and
 *             that many numbers, canonical.
 *
 * Versions 1 to 3 and the forms 4 to 15 are free.
 */
enum { PACK_VERSION = 0 << 6 };

/* What a counts body adds up to, learnt while checking it. */
struct body_sums {
    int64_t correct, total;
    size_t n_items; /* entries or cells */
};

/* ---- state.c ---- */

bool key_is_valid(const struct batch_key *key);

/* ---- pack.c ---- */

/** Read the format byte and, where the form has it, num_classes.  False: not ours. */
bool head_read(struct pack_reader *r, struct shape *out);
void head_write(struct pack_writer *w, const struct shape *shape);

/* ---- counts.c: all forms but FORM_MEAN ---- */

/** Binary states have the four counts of one class in either per-class form. */
bool shape_has_cells(const struct shape *shape); /* multiclass FORM_CONFUSION */
bool shape_has_tn(const struct shape *shape);    /* binary and multilabel store tn */

/**
 * class_sums_add(sums, shape, counts): add one class's part of correct and total.  ERR_OVERFLOW.
 * class_entry_check(shape, counts): no count below 0 and their sum within int64_t.  ERR_RANGE.
 */
int class_sums_add(struct body_sums *sums, const struct shape *shape, const struct class_counts *counts);

/** A multiclass class cannot be in more samples than there are: tp + fp + fn <= total. */
bool class_fits(const struct class_counts *counts, int64_t total);

/** counts_body_check(r, shape, sums): read a whole body; false unless it is as we would write it. */
bool counts_body_check(struct pack_reader *r, const struct shape *shape, struct body_sums *sums);

/** counts_body_add(s, r, sums): add a body that was checked.  Room for its cells is reserved.  Cannot fail. */
void counts_body_add(struct state *s, struct pack_reader *r, const struct body_sums *sums);

void entries_write(struct pack_writer *w, const struct shape *shape, const struct class_entry *entries, size_t n);
void cells_write(struct pack_writer *w, const struct shape *shape, const struct cell *cells, size_t n);
void counts_write(struct pack_writer *w, const struct state *s); /* settled */

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

/* ---- mean.c ---- */

int mean_merge(struct mean *into, const struct mean *from);
bool mean_body_check(struct pack_reader *r);
/** mean_body_add(m, r, key, batches): add a body that stands for so many batches; atomic. */
int mean_body_add(struct mean *m, struct pack_reader *r, const struct batch_key *key, int64_t batches);
int mean_batch_check(const struct batch_content *content);
void mean_batch_write(struct pack_writer *w, const struct batch_content *content);
void mean_sum_write(struct pack_writer *w, const struct mean *m);
bool mean_is_valid(const struct mean *m, int64_t batches);

#endif
