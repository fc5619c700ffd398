/*
 * Classification counts as bytes: reading them with every check, adding them, writing them.
 *
 * A body is checked whole, and its sums are learnt, before any of it is added, so that bad bytes and overflows
 * are found before anything changed.  A short list of classes is kept meanwhile; else the body is read again.
 */
#include <assert.h>

#include "state_parts.h"

int class_sums_add(struct body_sums *sums, const struct shape *shape, const struct class_counts *counts)
{
    int64_t total;
    if (__builtin_add_overflow(sums->total, counts->tp, &total) || __builtin_add_overflow(total, counts->fn, &total))
        return ERR_OVERFLOW;
    /* correct needs no check: it is a part of total */
    int64_t correct = sums->correct + counts->tp;
    if (shape_has_tn(shape)) {
        if (__builtin_add_overflow(total, counts->fp, &total) || __builtin_add_overflow(total, counts->tn, &total))
            return ERR_OVERFLOW;
        correct += counts->tn;
    }
    sums->correct = correct;
    sums->total = total;
    return OK;
}

bool class_fits(const struct class_counts *counts, int64_t total)
{
    int64_t sum;
    return !__builtin_add_overflow(counts->tp, counts->fp, &sum) && !__builtin_add_overflow(sum, counts->fn, &sum) &&
           sum <= total;
}

/* ---- reading, item by item ---- */

static bool entry_read(struct item_reader *items, const struct shape *shape, struct class_entry *out)
{
    unsigned n_bits = shape_has_tn(shape) ? 4 : 3;
    uint64_t head, index;
    if (!varint_read(items->r, &head) || !items_next(items, head >> n_bits, shape->num_classes, &index))
        return false;
    unsigned mask = (unsigned)head & ((1U << n_bits) - 1);
    int64_t value[4] = {0};
    for (unsigned i = 0; i < n_bits; i++) {
        if ((mask >> i & 1) && (!varint_read_count(items->r, &value[i]) || value[i] == 0))
            return false;
    }
    *out = (struct class_entry){(uint32_t)index, {value[0], value[1], value[2], value[3]}};
    return mask != 0;
}

static bool cell_read(struct item_reader *items, const struct shape *shape, struct cell *out)
{
    uint64_t n = shape->num_classes;
    uint64_t gap, index;
    int64_t count;
    if (!varint_read(items->r, &gap) || !items_next(items, gap, n * n, &index) ||
        !varint_read_count(items->r, &count) || count == 0)
        return false;
    *out = (struct cell){(uint32_t)(index / n), (uint32_t)(index % n), count};
    return true;
}

/* ---- checking ---- */

bool totals_read(struct pack_reader *r, struct body_sums *sums)
{
    return varint_read_count(r, &sums->correct) && varint_read_count(r, &sums->total) && sums->correct <= sums->total;
}

static bool entries_check(struct pack_reader *r, const struct shape *shape, struct body_sums *sums)
{
    struct item_reader items;
    struct class_entry entry;
    struct class_counts widest = {0};
    int64_t widest_sum = 0;
    if (!items_begin(&items, r))
        return false;
    while (items.n_left > 0) {
        if (!entry_read(&items, shape, &entry) || class_sums_add(sums, shape, &entry.counts) != OK)
            return false;
        int64_t sum;
        const struct class_counts *k = &entry.counts;
        if (__builtin_add_overflow(k->tp, k->fp, &sum) || __builtin_add_overflow(sum, k->fn, &sum))
            return false;
        if (sum > widest_sum) {
            widest = *k;
            widest_sum = sum;
        }
        if (sums->kept != NULL && sums->n_items < BODY_KEPT)
            sums->kept[sums->n_items] = entry;
        sums->n_items++;
    }
    return shape_has_tn(shape) || class_fits(&widest, sums->total);
}

static bool cells_check(struct pack_reader *r, const struct shape *shape, struct body_sums *sums)
{
    struct item_reader items;
    struct cell cell;
    if (!items_begin(&items, r))
        return false;
    while (items.n_left > 0) {
        if (!cell_read(&items, shape, &cell) || __builtin_add_overflow(sums->total, cell.count, &sums->total))
            return false;
        if (cell.target == cell.predicted)
            sums->correct += cell.count;
        sums->n_items++;
    }
    return true;
}

bool counts_body_check(struct pack_reader *r, const struct shape *shape, struct body_sums *sums)
{
    if (shape->form == FORM_TOTALS)
        return totals_read(r, sums);
    return shape_has_cells(shape) ? cells_check(r, shape, sums) : entries_check(r, shape, sums);
}

/* ---- adding ---- */

static void entry_add(struct state *s, const struct class_entry *entry)
{
    struct class_counts *k = &s->counts.classes[entry->index];
    k->tp += entry->counts.tp;
    k->fp += entry->counts.fp;
    k->fn += entry->counts.fn;
    k->tn += entry->counts.tn;
}

static void entries_add(struct state *s, struct pack_reader *r, const struct body_sums *sums)
{
    struct item_reader items;
    struct class_entry entry;
    if (sums->kept != NULL && sums->n_items <= BODY_KEPT) {
        for (size_t i = 0; i < sums->n_items; i++)
            entry_add(s, &sums->kept[i]);
        return;
    }
    if (!items_begin(&items, r))
        return;
    while (items.n_left > 0 && entry_read(&items, &s->shape, &entry))
        entry_add(s, &entry);
}

static uint64_t varint_take(const uint8_t **at)
{
    uint64_t value = *(*at)++;
    if (value <= 0x7f)
        return value;
    value &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        uint64_t byte = *(*at)++;
        value |= (byte & 0x7f) << shift;
        if (byte <= 0x7f)
            return value;
    }
}

/* One count, if it is there. */
static void shift(bool there, int64_t *to, uint64_t sign, const uint8_t **at, int64_t *sum)
{
    if (!there)
        return;
    uint64_t value = varint_take(at);
    *to = (int64_t)((uint64_t)*to + sign * value);
    *sum = (int64_t)((uint64_t)*sum + value);
}

/*
 * Add (sign 1) or take away again (sign -1) every entry of a body known to be good; out: what they add up to.  Sums
 * wrap: where the total of the state overflows, taking away restores it exactly.
 */
static void entries_shift(struct state *s, const uint8_t *at, uint64_t sign, struct class_counts *out)
{
    bool has_tn = shape_has_tn(&s->shape);
    uint64_t index = 0;
    *out = (struct class_counts){0};
    for (uint64_t n_left = varint_take(&at); n_left > 0; n_left--, index++) {
        uint64_t head = varint_take(&at);
        index += head >> (has_tn ? 4 : 3);
        assert(index < s->shape.num_classes);
        struct class_counts *k = &s->counts.classes[index];
        shift((head & 1) != 0, &k->tp, sign, &at, &out->tp);
        shift((head & 2) != 0, &k->fp, sign, &at, &out->fp);
        shift((head & 4) != 0, &k->fn, sign, &at, &out->fn);
        shift(has_tn && (head & 8) != 0, &k->tn, sign, &at, &out->tn);
    }
}

int entries_add_own(struct state *s, const struct pack_reader *body)
{
    struct body_sums sums = {0};
    struct class_counts added;
    int64_t total;
    entries_shift(s, body->at, 1, &added);
    if (class_sums_add(&sums, &s->shape, &added) != OK || __builtin_add_overflow(s->counts.total, sums.total, &total)) {
        entries_shift(s, body->at, UINT64_MAX, &added);
        return ERR_OVERFLOW;
    }
    s->counts.correct += sums.correct;
    s->counts.total = total;
    return OK;
}

static void matrix_add(struct state *s, struct pack_reader *r)
{
    struct item_reader items;
    struct cell cell;
    size_t hint = 0;
    if (!items_begin(&items, r))
        return;
    while (items.n_left > 0 && cell_read(&items, &s->shape, &cell)) {
        if (cell.target == cell.predicted) {
            s->counts.classes[cell.target].tp += cell.count;
        } else {
            s->counts.classes[cell.target].fn += cell.count;
            s->counts.classes[cell.predicted].fp += cell.count;
        }
        if (s->has_cells)
            cells_add(s, &cell, &hint);
    }
}

void counts_body_add(struct state *s, struct pack_reader *r, const struct body_sums *sums)
{
    if (shape_has_cells(&s->shape))
        matrix_add(s, r);
    else if (s->shape.form != FORM_TOTALS)
        entries_add(s, r, sums);
    s->counts.correct += sums->correct;
    s->counts.total += sums->total;
}

/* ---- writing ---- */

void totals_write(struct pack_writer *w, int64_t correct, int64_t total)
{
    varint_write(w, (uint64_t)correct);
    varint_write(w, (uint64_t)total);
}

static uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    while (value > 0x7f) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* The same as below where there is room for any entry: most of bulk ingest's packing is this. */
static void entry_put(struct pack_writer *w, unsigned n_bits, uint64_t gap, const struct class_counts *k)
{
    uint8_t *begin = w->out + w->size, *at = begin;
    unsigned mask = (unsigned)(k->tp != 0) | (unsigned)(k->fp != 0) << 1 | (unsigned)(k->fn != 0) << 2 |
                    (unsigned)(k->tn != 0) << 3;
    at = varint_put(at, gap << n_bits | (mask & ((1U << n_bits) - 1)));
    if (k->tp != 0)
        at = varint_put(at, (uint64_t)k->tp);
    if (k->fp != 0)
        at = varint_put(at, (uint64_t)k->fp);
    if (k->fn != 0)
        at = varint_put(at, (uint64_t)k->fn);
    if (k->tn != 0 && n_bits == 4)
        at = varint_put(at, (uint64_t)k->tn);
    w->size += (size_t)(at - begin);
}

static void entry_write(struct pack_writer *w, unsigned n_bits, uint64_t gap, const struct class_counts *k)
{
    if (w->cap > w->size && w->cap - w->size >= ENTRY_MAX) {
        entry_put(w, n_bits, gap, k);
        return;
    }
    const int64_t value[4] = {k->tp, k->fp, k->fn, k->tn};
    unsigned mask = 0;
    for (unsigned i = 0; i < n_bits; i++)
        mask |= (unsigned)(value[i] != 0) << i;
    varint_write(w, gap << n_bits | mask);
    for (unsigned i = 0; i < n_bits; i++) {
        if (value[i] != 0)
            varint_write(w, (uint64_t)value[i]);
    }
}

static bool class_is_zero(const struct class_counts *k)
{
    return k->tp == 0 && k->fp == 0 && k->fn == 0 && k->tn == 0;
}

void entries_write(struct pack_writer *w, const struct shape *shape, const struct class_entry *entries, size_t n)
{
    size_t n_written = 0;
    for (size_t i = 0; i < n; i++)
        n_written += !class_is_zero(&entries[i].counts);
    varint_write(w, n_written);
    uint64_t i_next = 0;
    for (size_t i = 0; i < n; i++) {
        if (class_is_zero(&entries[i].counts))
            continue;
        entry_write(w, shape_has_tn(shape) ? 4 : 3, entries[i].index - i_next, &entries[i].counts);
        i_next = (uint64_t)entries[i].index + 1;
    }
}

void cells_write(struct pack_writer *w, const struct shape *shape, const struct cell *cells, size_t n)
{
    size_t n_written = 0;
    for (size_t i = 0; i < n; i++)
        n_written += cells[i].count != 0;
    varint_write(w, n_written);
    uint64_t i_next = 0;
    for (size_t i = 0; i < n; i++) {
        if (cells[i].count == 0)
            continue;
        uint64_t index = (uint64_t)cells[i].target * shape->num_classes + cells[i].predicted;
        varint_write(w, index - i_next);
        varint_write(w, (uint64_t)cells[i].count);
        i_next = index + 1;
    }
}

void counts_write(struct pack_writer *w, const struct state *s)
{
    const struct counts *c = &s->counts;
    if (s->shape.form == FORM_TOTALS) {
        totals_write(w, c->correct, c->total);
        return;
    }
    if (s->has_cells) {
        cells_write(w, &s->shape, c->cells, c->n_cells);
        return;
    }
    size_t n_written = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++)
        n_written += !class_is_zero(&c->classes[i]);
    varint_write(w, n_written);
    uint32_t i_next = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        if (class_is_zero(&c->classes[i]))
            continue;
        entry_write(w, shape_has_tn(&s->shape) ? 4 : 3, i - i_next, &c->classes[i]);
        i_next = i + 1;
    }
}
