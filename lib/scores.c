/*
 * Score histograms: what binned curves and their areas are made of.
 *
 * Dense in memory, so that adding is one addition a cell; sparse as bytes, because a batch touches few of
 * a class's thresholds.  One check of total covers every count: each is a part of it.
 */
#include <math.h>
#include <string.h>

#include "state_parts.h"

static size_t cells_of(const struct shape *shape)
{
    return (size_t)shape->num_classes * shape->bins;
}

/* ---- life cycle ---- */

static void scores_clear(struct state *s)
{
    memset(s->scores.cells, 0, cells_of(&s->shape) * sizeof *s->scores.cells);
    s->scores.total = 0;
}

static int scores_init(struct state *s)
{
    size_t size = cells_of(&s->shape) * sizeof *s->scores.cells;
    s->scores.cells = s->memory.resize(s->memory.context, NULL, size);
    if (s->scores.cells == NULL)
        return ERR_MEMORY;
    scores_clear(s);
    return OK;
}

static void scores_release(struct state *s)
{
    if (s->scores.cells != NULL)
        s->memory.resize(s->memory.context, s->scores.cells, 0);
}

static bool scores_is_valid(const struct state *s)
{
    int64_t total = 0;
    for (size_t i = 0; i < cells_of(&s->shape); i++) {
        const struct score_counts *k = &s->scores.cells[i];
        if (k->pos < 0 || k->neg < 0 || __builtin_add_overflow(total, k->pos, &total) ||
            __builtin_add_overflow(total, k->neg, &total))
            return false;
    }
    return total == s->scores.total;
}

/* An area under a curve is nothing that one batch has: no one number stands for it. */
static double scores_primary(const struct state *s)
{
    (void)s;
    return NAN;
}

/* ---- bytes ---- */

static bool entry_read(struct item_reader *items, const struct shape *shape, struct score_entry *out)
{
    uint64_t head, index;
    int64_t pos = 0, neg = 0;
    if (!varint_read(items->r, &head) || !items_next(items, head >> 2, cells_of(shape), &index))
        return false;
    if ((head & 1) && (!varint_read_count(items->r, &pos) || pos == 0))
        return false;
    if ((head & 2) && (!varint_read_count(items->r, &neg) || neg == 0))
        return false;
    *out = (struct score_entry){(uint32_t)(index / shape->bins), (uint32_t)(index % shape->bins), pos, neg};
    return (head & 3) != 0;
}

static void entry_write(struct pack_writer *w, uint64_t gap, int64_t pos, int64_t neg)
{
    varint_write(w, gap << 2 | (unsigned)(pos != 0) | (unsigned)(neg != 0) << 1);
    if (pos != 0)
        varint_write(w, (uint64_t)pos);
    if (neg != 0)
        varint_write(w, (uint64_t)neg);
}

static bool total_add(int64_t *total, int64_t pos, int64_t neg)
{
    int64_t sum;
    if (__builtin_add_overflow(*total, pos, &sum) || __builtin_add_overflow(sum, neg, &sum))
        return false;
    *total = sum;
    return true;
}

static bool body_read(struct pack_reader *r, const struct shape *shape, int64_t *total)
{
    struct item_reader items;
    struct score_entry entry;
    *total = 0;
    if (!items_begin(&items, r))
        return false;
    while (items.n_left > 0) {
        if (!entry_read(&items, shape, &entry) || !total_add(total, entry.pos, entry.neg))
            return false;
    }
    return true;
}

static bool scores_body_check(struct pack_reader *r, const struct shape *shape)
{
    int64_t total;
    return body_read(r, shape, &total);
}

int packed_scores(const uint8_t *data, size_t size, int (*each)(void *context, const struct score_entry *entry),
                  void *context)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    struct item_reader items;
    struct score_entry entry;
    int status = body_find(&r, FORM_SCORES, &shape);
    if (status != OK || !items_begin(&items, &r))
        return status;
    while (status == OK && items.n_left > 0 && entry_read(&items, &shape, &entry))
        status = each(context, &entry);
    return status;
}

/* ---- addition ---- */

static int scores_merge(struct state *into, struct state *from)
{
    if (!total_add(&into->scores.total, from->scores.total, 0))
        return ERR_OVERFLOW;
    for (size_t i = 0; i < cells_of(&into->shape); i++) {
        into->scores.cells[i].pos += from->scores.cells[i].pos;
        into->scores.cells[i].neg += from->scores.cells[i].neg;
    }
    return OK;
}

static int scores_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key,
                           int64_t batches)
{
    (void)key;
    (void)batches;
    struct pack_reader r = *body;
    struct item_reader items;
    struct score_entry entry;
    int64_t total;
    if (!body_read(&r, &s->shape, &total) || r.at != r.end)
        return ERR_CORRUPT;
    if (!total_add(&s->scores.total, total, 0))
        return ERR_OVERFLOW;
    r = *body;
    if (!items_begin(&items, &r))
        return ERR_CORRUPT;
    while (items.n_left > 0 && entry_read(&items, &s->shape, &entry)) {
        struct score_counts *k = &s->scores.cells[(size_t)entry.class * s->shape.bins + entry.bin];
        k->pos += entry.pos;
        k->neg += entry.neg;
    }
    return OK;
}

/* ---- one batch ---- */

static int entry_compare(const void *left, const void *right)
{
    const struct score_entry *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return (a->bin > b->bin) - (a->bin < b->bin);
}

static int scores_batch_check(struct batch_content *content)
{
    int64_t total = 0;
    for (size_t i = 0; i < content->n_scores; i++) {
        const struct score_entry *e = &content->scores[i];
        if (e->class >= content->shape.num_classes || e->bin >= content->shape.bins || e->pos < 0 || e->neg < 0)
            return ERR_RANGE;
        if (!total_add(&total, e->pos, e->neg))
            return ERR_OVERFLOW;
    }
    items_sort(content->scores, content->n_scores, sizeof *content->scores, entry_compare);
    for (size_t i = 1; i < content->n_scores; i++) {
        if (entry_compare(&content->scores[i - 1], &content->scores[i]) == 0)
            return ERR_RANGE;
    }
    return OK;
}

static void scores_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    size_t n_written = 0;
    for (size_t i = 0; i < content->n_scores; i++)
        n_written += content->scores[i].pos != 0 || content->scores[i].neg != 0;
    varint_write(w, n_written);
    uint64_t i_next = 0;
    for (size_t i = 0; i < content->n_scores; i++) {
        const struct score_entry *e = &content->scores[i];
        if (e->pos == 0 && e->neg == 0)
            continue;
        uint64_t index = (uint64_t)e->class * content->shape.bins + e->bin;
        entry_write(w, index - i_next, e->pos, e->neg);
        i_next = index + 1;
    }
}

static void scores_write(struct pack_writer *w, const struct state *s)
{
    const struct score_counts *cells = s->scores.cells;
    size_t n = cells_of(&s->shape), n_written = 0;
    for (size_t i = 0; i < n; i++)
        n_written += cells[i].pos != 0 || cells[i].neg != 0;
    varint_write(w, n_written);
    size_t i_next = 0;
    for (size_t i = 0; i < n; i++) {
        if (cells[i].pos == 0 && cells[i].neg == 0)
            continue;
        entry_write(w, i - i_next, cells[i].pos, cells[i].neg);
        i_next = i + 1;
    }
}

const struct kind_ops scores_ops = {
    .init = scores_init,
    .clear = scores_clear,
    .release = scores_release,
    .is_valid = scores_is_valid,
    .primary = scores_primary,
    .merge = scores_merge,
    .add_body = scores_add_body,
    .body_check = scores_body_check,
    .batch_check = scores_batch_check,
    .batch_write = scores_batch_write,
    .write = scores_write,
};
