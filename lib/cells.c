/*
 * The cells of a confusion matrix, sparse.
 *
 * Why: a matrix of 1,000 classes has a million cells, and an epoch touches a few thousand of them.
 *
 * Invariants:
 * 1. cells[0 .. n_settled) are sorted, without repeats and without zeros;
 * 2. cells[n_settled .. n_cells) are new ones in any order, none of them among the settled;
 * 3. cap_cells >= n_settled + 2 * (n_cells - n_settled): settling needs no memory and cannot fail.
 *
 * A cell that is known is found by bisection and added to; only new ones are appended, and settled
 * when they outnumber the old, so that a matrix that has seen its cells once costs no sorting.
 */
#include <string.h>

#include "state_parts.h"

enum { UNSETTLED_MIN = 256 };

int cell_compare(const struct cell *a, const struct cell *b)
{
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return (a->predicted > b->predicted) - (a->predicted < b->predicted);
}

static int compare_cells(const void *a, const void *b)
{
    return cell_compare(a, b);
}

void cells_sort(struct cell *cells, size_t n)
{
    items_sort(cells, n, sizeof *cells, compare_cells);
}

/* Adds up repeats in a sorted array; returns how many are left. */
static size_t combine(struct cell *cells, size_t n)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        if (n_out > 0 && cell_compare(&cells[n_out - 1], &cells[i]) == 0)
            cells[n_out - 1].count += cells[i].count;
        else
            cells[n_out++] = cells[i];
    }
    return n_out;
}

void cells_settle(struct state *s)
{
    struct counts *c = &s->counts;
    size_t n_old = c->n_settled;
    size_t n_new = c->n_cells - n_old;
    if (n_new == 0)
        return;
    struct cell *fresh = c->cells + n_old;
    cells_sort(fresh, n_new);
    n_new = combine(fresh, n_new);
    c->n_cells = c->n_settled = n_old + n_new;
    if (n_old == 0 || cell_compare(&c->cells[n_old - 1], fresh) < 0)
        return;
    /* merge from the back, out of a copy behind the new ones */
    struct cell *copy = fresh + n_new;
    memcpy(copy, fresh, n_new * sizeof *copy);
    size_t i_old = n_old;
    for (size_t i = n_old + n_new; n_new > 0; i--) {
        if (i_old > 0 && cell_compare(&c->cells[i_old - 1], &copy[n_new - 1]) > 0)
            c->cells[i - 1] = c->cells[--i_old];
        else
            c->cells[i - 1] = copy[--n_new];
    }
}

int cells_reserve(struct state *s, size_t n)
{
    struct counts *c = &s->counts;
    size_t n_new = c->n_cells - c->n_settled;
    if (n_new >= UNSETTLED_MIN && n_new >= c->n_settled) {
        cells_settle(s);
        n_new = 0;
    }
    size_t needed;
    if (__builtin_add_overflow(n_new, n, &needed) || __builtin_mul_overflow(needed, 2, &needed) ||
        __builtin_add_overflow(needed, c->n_settled, &needed))
        return ERR_MEMORY;
    if (needed <= c->cap_cells)
        return OK;
    size_t cap = needed, size;
    if (cap < c->cap_cells + c->cap_cells / 2)
        cap = c->cap_cells + c->cap_cells / 2;
    if (__builtin_mul_overflow(cap, sizeof *c->cells, &size))
        return ERR_MEMORY;
    struct cell *cells = s->memory.resize(s->memory.context, c->cells, size);
    if (cells == NULL)
        return ERR_MEMORY;
    c->cells = cells;
    c->cap_cells = cap;
    return OK;
}

void cells_add(struct state *s, const struct cell *cell, size_t *hint)
{
    struct counts *c = &s->counts;
    size_t low = *hint, high = c->n_settled;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = cell_compare(&c->cells[middle], cell);
        if (order == 0) {
            c->cells[middle].count += cell->count;
            *hint = middle + 1;
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *hint = low;
    c->cells[c->n_cells++] = *cell;
}

int state_cells(struct state *s, const struct cell **out, size_t *n)
{
    struct counts *c = &s->counts;
    if (s->has_cells) {
        cells_settle(s);
    } else if (s->shape.task == TASK_BINARY && c->classes != NULL) {
        const struct class_counts *k = c->classes;
        const struct cell all[] = {{0, 0, k->tn}, {0, 1, k->fp}, {1, 0, k->fn}, {1, 1, k->tp}};
        c->n_cells = 0;
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            if (all[i].count > 0)
                c->cells[c->n_cells++] = all[i];
        }
        c->n_settled = c->n_cells;
    } else {
        return ERR_NEED;
    }
    *out = c->cells;
    *n = c->n_cells;
    return OK;
}
