/*
 * Classification counts: totals, per class, or a confusion matrix.  counts_bytes.c reads and writes their
 * bytes, cells.c keeps the matrix.
 *
 * One check of total covers every count: each count of a state is at most its total, so that where the
 * totals add without overflow all counts do.
 */
#include <math.h>
#include <string.h>

#include "state_parts.h"

enum { BINARY_CELLS = 4 };

int64_t counts_tn(const struct counts *c, enum task task, uint32_t index)
{
    const struct class_counts *k = &c->classes[index];
    return task == TASK_MULTICLASS ? c->total - k->tp - k->fp - k->fn : k->tn;
}

/* ---- life cycle ---- */

static int counts_init(struct state *s)
{
    struct counts *c = &s->counts;
    if (s->shape.form == FORM_TOTALS)
        return OK;
    size_t size = s->shape.num_classes * sizeof *c->classes;
    c->classes = s->memory.resize(s->memory.context, NULL, size);
    if (c->classes == NULL)
        return ERR_MEMORY;
    memset(c->classes, 0, size);
    if (s->shape.task != TASK_BINARY)
        return OK;
    c->cells = s->memory.resize(s->memory.context, NULL, BINARY_CELLS * sizeof *c->cells); /* of state_cells() */
    if (c->cells == NULL) {
        s->memory.resize(s->memory.context, c->classes, 0);
        return ERR_MEMORY;
    }
    c->cap_cells = BINARY_CELLS;
    return OK;
}

static void counts_clear(struct state *s)
{
    s->counts.n_cells = 0;
    s->counts.n_settled = 0;
    if (s->counts.classes != NULL)
        memset(s->counts.classes, 0, s->shape.num_classes * sizeof *s->counts.classes);
}

static void counts_release(struct state *s)
{
    if (s->counts.classes != NULL)
        s->memory.resize(s->memory.context, s->counts.classes, 0);
    if (s->counts.cells != NULL)
        s->memory.resize(s->memory.context, s->counts.cells, 0);
}

/* ---- invariants ---- */

static bool cells_are_valid(const struct state *s)
{
    const struct counts *c = &s->counts;
    if (c->n_settled > c->n_cells || c->n_cells > c->cap_cells)
        return false;
    int64_t sum = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct cell *cell = &c->cells[i];
        if (cell->target >= s->shape.num_classes || cell->predicted >= s->shape.num_classes || cell->count <= 0)
            return false;
        if (i > 0 && i < c->n_settled && cell_compare(cell - 1, cell) >= 0)
            return false;
        if (__builtin_add_overflow(sum, cell->count, &sum))
            return false;
    }
    return sum == c->total;
}

static bool counts_is_valid(const struct state *s)
{
    const struct counts *c = &s->counts;
    if (c->correct < 0 || c->total < c->correct)
        return false;
    if (s->shape.form == FORM_TOTALS)
        return c->classes == NULL && c->cells == NULL;
    struct body_sums sums = {0};
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        const struct class_counts *k = &c->classes[i];
        if (k->tp < 0 || k->fp < 0 || k->fn < 0 || k->tn < 0 || class_sums_add(&sums, &s->shape, k) != OK)
            return false;
        if (!shape_has_tn(&s->shape) && (k->tn != 0 || !class_fits(k, c->total)))
            return false;
    }
    if (sums.correct != c->correct || sums.total != c->total)
        return false;
    return !s->has_cells || cells_are_valid(s);
}

static double counts_primary(const struct state *s)
{
    return s->counts.total > 0 ? (double)s->counts.correct / (double)s->counts.total : NAN;
}

/* ---- addition ---- */

static int counts_merge(struct state *into, struct state *from)
{
    int64_t total;
    if (into->has_cells && !from->has_cells)
        return ERR_SHAPE;
    if (__builtin_add_overflow(into->counts.total, from->counts.total, &total))
        return ERR_OVERFLOW;
    if (into->has_cells) {
        cells_settle(from);
        int status = cells_reserve(into, from->counts.n_cells);
        if (status != OK)
            return status;
        size_t hint = 0;
        for (size_t i = 0; i < from->counts.n_cells; i++)
            cells_add(into, &from->counts.cells[i], &hint);
    }
    into->counts.correct += from->counts.correct;
    into->counts.total = total;
    if (into->counts.classes == NULL)
        return OK;
    for (uint32_t i = 0; i < into->shape.num_classes; i++) {
        struct class_counts *a = &into->counts.classes[i];
        const struct class_counts *b = &from->counts.classes[i];
        a->tp += b->tp;
        a->fp += b->fp;
        a->fn += b->fn;
        a->tn += b->tn;
    }
    return OK;
}

static int counts_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key,
                           int64_t batches)
{
    (void)key;
    (void)batches;
    struct pack_reader r = *body;
    struct class_entry kept[BODY_KEPT];
    struct body_sums sums = {.kept = kept};
    int64_t total;
    if (!counts_body_check(&r, &s->shape, &sums) || r.at != r.end)
        return ERR_CORRUPT;
    if (__builtin_add_overflow(s->counts.total, sums.total, &total))
        return ERR_OVERFLOW;
    if (s->has_cells) {
        int status = cells_reserve(s, sums.n_items);
        if (status != OK)
            return status;
    }
    r = *body;
    counts_body_add(s, &r, &sums);
    return OK;
}

/* Cells are kept sorted, which is no quick addition to undo: they are checked first, as if they were not ours. */
static int counts_add_own(struct state *s, const struct pack_reader *body)
{
    if (s->shape.form == FORM_TOTALS || shape_has_cells(&s->shape))
        return counts_add_body(s, body, NULL, 1);
    return entries_add_own(s, body);
}

/* ---- bytes ---- */

static bool counts_check(struct pack_reader *r, const struct shape *shape)
{
    struct body_sums sums = {0};
    return counts_body_check(r, shape, &sums);
}

static int entries_check_content(const struct batch_content *content)
{
    const struct shape *shape = &content->shape;
    struct body_sums sums = {0};
    for (size_t i = 0; i < content->n_entries; i++) {
        const struct class_entry *e = &content->entries[i];
        const struct class_counts *k = &e->counts;
        if (e->index >= shape->num_classes || (i > 0 && e->index <= content->entries[i - 1].index))
            return ERR_RANGE;
        if (k->tp < 0 || k->fp < 0 || k->fn < 0 || k->tn < 0 || (!shape_has_tn(shape) && k->tn != 0))
            return ERR_RANGE;
        if (class_sums_add(&sums, shape, k) != OK)
            return ERR_OVERFLOW;
    }
    for (size_t i = 0; i < content->n_entries && !shape_has_tn(shape); i++) {
        if (!class_fits(&content->entries[i].counts, sums.total))
            return ERR_RANGE;
    }
    return OK;
}

static int cells_check_content(struct batch_content *content)
{
    int64_t total = 0;
    for (size_t i = 0; i < content->n_cells; i++) {
        const struct cell *cell = &content->cells[i];
        if (cell->target >= content->shape.num_classes || cell->predicted >= content->shape.num_classes ||
            cell->count < 0)
            return ERR_RANGE;
        if (__builtin_add_overflow(total, cell->count, &total))
            return ERR_OVERFLOW;
    }
    cells_sort(content->cells, content->n_cells);
    for (size_t i = 1; i < content->n_cells; i++) {
        if (cell_compare(&content->cells[i - 1], &content->cells[i]) == 0)
            return ERR_RANGE;
    }
    return OK;
}

static int counts_batch_check(struct batch_content *content)
{
    if (content->shape.form == FORM_TOTALS)
        return content->correct >= 0 && content->correct <= content->total ? OK : ERR_RANGE;
    return shape_has_cells(&content->shape) ? cells_check_content(content) : entries_check_content(content);
}

static void counts_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    if (content->shape.form == FORM_TOTALS)
        totals_write(w, content->correct, content->total);
    else if (shape_has_cells(&content->shape))
        cells_write(w, &content->shape, content->cells, content->n_cells);
    else
        entries_write(w, &content->shape, content->entries, content->n_entries);
}

static int counts_settle(struct state *s)
{
    if (!shape_has_cells(&s->shape))
        return OK;
    if (!s->has_cells)
        return ERR_NEED;
    cells_settle(s);
    return OK;
}

const struct kind_ops counts_ops = {
    .init = counts_init,
    .clear = counts_clear,
    .release = counts_release,
    .is_valid = counts_is_valid,
    .primary = counts_primary,
    .merge = counts_merge,
    .add_body = counts_add_body,
    .add_own = counts_add_own,
    .body_check = counts_check,
    .batch_check = counts_batch_check,
    .batch_write = counts_batch_write,
    .settle = counts_settle,
    .write = counts_write,
};

/* ---- exact match: totals of samples that are right as a whole ---- */

static bool exact_is_valid(const struct state *s)
{
    return s->counts.correct >= 0 && s->counts.correct <= s->counts.total;
}

static int totals_add(struct counts *c, int64_t correct, int64_t n)
{
    int64_t total;
    if (__builtin_add_overflow(c->total, n, &total))
        return ERR_OVERFLOW;
    c->correct += correct; /* a part of total */
    c->total = total;
    return OK;
}

static int exact_merge(struct state *into, struct state *from)
{
    return totals_add(&into->counts, from->counts.correct, from->counts.total);
}

static bool exact_check(struct pack_reader *r, const struct shape *shape)
{
    (void)shape;
    struct body_sums sums;
    return totals_read(r, &sums);
}

static int exact_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key, int64_t batches)
{
    (void)key;
    (void)batches;
    struct pack_reader r = *body;
    struct body_sums sums;
    if (!totals_read(&r, &sums) || r.at != r.end)
        return ERR_CORRUPT;
    return totals_add(&s->counts, sums.correct, sums.total);
}

static int exact_batch_check(struct batch_content *content)
{
    return content->correct >= 0 && content->correct <= content->total ? OK : ERR_RANGE;
}

static void exact_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    totals_write(w, content->correct, content->total);
}

static void exact_write(struct pack_writer *w, const struct state *s)
{
    totals_write(w, s->counts.correct, s->counts.total);
}

const struct kind_ops exact_ops = {
    .is_valid = exact_is_valid,
    .primary = counts_primary,
    .merge = exact_merge,
    .add_body = exact_add_body,
    .body_check = exact_check,
    .batch_check = exact_batch_check,
    .batch_write = exact_batch_write,
    .write = exact_write,
};
