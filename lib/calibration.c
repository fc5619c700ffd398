/*
 * Calibration: how sure a model was, and how often it was right.  Bins of confidence, the last for a
 * confidence of exactly 1.
 *
 * The confidences are exact sums: equal data give equal bytes, whatever the order.  One check of the total
 * of counts covers every count; the sums of doubles are checked one by one before anything is added.
 */
#include <math.h>
#include <string.h>

#include "state_parts.h"

/* No confidence is above 1, but a sum of them in single precision may come out a little above their number. */
static const double ROUNDED_UP = 1.001;

enum { HAS_CORRECT = 1, HAS_PARTS = 2 };

static size_t bins_of(const struct shape *shape)
{
    return (size_t)shape->bins + 1;
}

/* ---- life cycle ---- */

static void calibration_clear(struct state *s)
{
    for (size_t i = 0; i < bins_of(&s->shape); i++) {
        struct calibration_bin *bin = &s->calibration[i];
        bin->count = 0;
        bin->correct = 0;
        exact_sum_init(&bin->confidence);
    }
}

static int calibration_init(struct state *s)
{
    size_t size = bins_of(&s->shape) * sizeof *s->calibration;
    s->calibration = s->memory.resize(s->memory.context, NULL, size);
    if (s->calibration == NULL)
        return ERR_MEMORY;
    calibration_clear(s);
    return OK;
}

static void calibration_release(struct state *s)
{
    if (s->calibration != NULL)
        s->memory.resize(s->memory.context, s->calibration, 0);
}

/* What every bin of a batch or a sum obeys. */
static bool bin_is_valid(const struct calibration_bin *bin)
{
    if (bin->correct < 0 || bin->correct > bin->count)
        return false;
    return bin->count == 0 ? bin->confidence.n_parts == 0 : exact_sum_value(&bin->confidence) >= 0;
}

static bool calibration_is_valid(const struct state *s)
{
    int64_t total = 0, correct = 0;
    for (size_t i = 0; i < bins_of(&s->shape); i++) {
        const struct calibration_bin *bin = &s->calibration[i];
        if (!bin_is_valid(bin) || __builtin_add_overflow(total, bin->count, &total))
            return false;
        correct += bin->correct;
    }
    return total == s->counts.total && correct == s->counts.correct;
}

/* Each sample of a calibration was right or wrong: the accuracy. */
static double calibration_primary(const struct state *s)
{
    return s->counts.total > 0 ? (double)s->counts.correct / (double)s->counts.total : NAN;
}

/* ---- bytes ---- */

static bool confidence_read(struct pack_reader *r, bool has_parts, struct exact_sum *out)
{
    if (has_parts)
        return parts_read(r, out) && out->n_parts > 1;
    double value;
    exact_sum_init(out);
    return number_read(r, &value) && exact_sum_add(out, value) == OK;
}

static bool bin_read(struct item_reader *items, const struct shape *shape, uint32_t *index, struct calibration_bin *out)
{
    uint64_t head, i;
    out->correct = 0;
    if (!varint_read(items->r, &head) || !items_next(items, head >> 2, bins_of(shape), &i) ||
        !varint_read_count(items->r, &out->count) || out->count == 0)
        return false;
    if ((head & HAS_CORRECT) && (!varint_read_count(items->r, &out->correct) || out->correct == 0))
        return false;
    *index = (uint32_t)i;
    return confidence_read(items->r, head & HAS_PARTS, &out->confidence) && bin_is_valid(out);
}

static void bin_write(struct pack_writer *w, uint64_t gap, const struct calibration_bin *bin)
{
    double part[EXACT_SUM_PARTS];
    size_t n_parts = exact_sum_canonical(&bin->confidence, part);
    unsigned mask = (bin->correct != 0 ? HAS_CORRECT : 0) | (n_parts > 1 ? HAS_PARTS : 0);
    varint_write(w, gap << 2 | mask);
    varint_write(w, (uint64_t)bin->count);
    if (bin->correct != 0)
        varint_write(w, (uint64_t)bin->correct);
    if (n_parts > 1)
        parts_write(w, &bin->confidence);
    else
        number_write(w, n_parts == 1 ? part[0] : 0);
}

static bool calibration_body_check(struct pack_reader *r, const struct shape *shape)
{
    struct item_reader items;
    struct calibration_bin bin;
    uint32_t index;
    int64_t total = 0;
    if (!items_begin(&items, r))
        return false;
    while (items.n_left > 0) {
        if (!bin_read(&items, shape, &index, &bin) || __builtin_add_overflow(total, bin.count, &total))
            return false;
    }
    return true;
}

int packed_calibration(const uint8_t *data, size_t size,
                       int (*each)(void *context, const struct calibration_entry *entry), void *context)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    struct item_reader items;
    struct calibration_bin bin;
    uint32_t index;
    int status = body_find(&r, FORM_CALIBRATION, &shape);
    if (status != OK || !items_begin(&items, &r))
        return status;
    while (status == OK && items.n_left > 0 && bin_read(&items, &shape, &index, &bin)) {
        struct calibration_entry entry = {index, bin.count, bin.correct, exact_sum_value(&bin.confidence)};
        status = each(context, &entry);
    }
    return status;
}

/* ---- addition ---- */

/* Can the confidence of one more be added? */
static int bin_probe(const struct calibration_bin *into, const struct calibration_bin *from)
{
    struct exact_sum sum = into->confidence;
    return exact_sum_merge(&sum, &from->confidence);
}

static void bin_add(struct state *s, size_t index, const struct calibration_bin *from)
{
    struct calibration_bin *into = &s->calibration[index];
    into->count += from->count;
    into->correct += from->correct;
    (void)exact_sum_merge(&into->confidence, &from->confidence); /* it was probed */
    s->counts.total += from->count;
    s->counts.correct += from->correct;
}

static int calibration_merge(struct state *into, struct state *from)
{
    int64_t total;
    if (__builtin_add_overflow(into->counts.total, from->counts.total, &total))
        return ERR_OVERFLOW;
    for (size_t i = 0; i < bins_of(&into->shape); i++) {
        int status = bin_probe(&into->calibration[i], &from->calibration[i]);
        if (status != OK)
            return status;
    }
    for (size_t i = 0; i < bins_of(&into->shape); i++)
        bin_add(into, i, &from->calibration[i]);
    return OK;
}

static int calibration_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key,
                                int64_t batches)
{
    (void)key;
    (void)batches;
    struct pack_reader r = *body;
    struct item_reader items;
    struct calibration_bin bin;
    uint32_t index;
    int64_t total = s->counts.total;
    int overflow = OK;
    if (!items_begin(&items, &r))
        return ERR_CORRUPT;
    while (items.n_left > 0) {
        if (!bin_read(&items, &s->shape, &index, &bin))
            return ERR_CORRUPT;
        if (__builtin_add_overflow(total, bin.count, &total) || bin_probe(&s->calibration[index], &bin) != OK)
            overflow = ERR_OVERFLOW; /* unless what follows is damaged */
    }
    if (r.at != r.end)
        return ERR_CORRUPT;
    if (overflow != OK) {
        r = *body;
        return calibration_body_check(&r, &s->shape) ? ERR_OVERFLOW : ERR_CORRUPT;
    }
    r = *body;
    if (!items_begin(&items, &r))
        return ERR_CORRUPT;
    while (items.n_left > 0 && bin_read(&items, &s->shape, &index, &bin))
        bin_add(s, index, &bin);
    return OK;
}

/* ---- one batch ---- */

static int entry_compare(const void *left, const void *right)
{
    const struct calibration_entry *a = left, *b = right;
    return (a->bin > b->bin) - (a->bin < b->bin);
}

static int calibration_batch_check(struct batch_content *content)
{
    int64_t total = 0;
    for (size_t i = 0; i < content->n_calibration; i++) {
        const struct calibration_entry *e = &content->calibration[i];
        if (e->bin > content->shape.bins || e->correct < 0 || e->correct > e->count)
            return ERR_RANGE;
        if (!isfinite(e->confidence) || e->confidence < 0 || e->confidence > ROUNDED_UP * (double)e->count)
            return ERR_RANGE;
        if (__builtin_add_overflow(total, e->count, &total))
            return ERR_OVERFLOW;
    }
    items_sort(content->calibration, content->n_calibration, sizeof *content->calibration, entry_compare);
    for (size_t i = 1; i < content->n_calibration; i++) {
        if (content->calibration[i - 1].bin == content->calibration[i].bin)
            return ERR_RANGE;
    }
    return OK;
}

static void calibration_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    size_t n_written = 0;
    for (size_t i = 0; i < content->n_calibration; i++)
        n_written += content->calibration[i].count != 0;
    varint_write(w, n_written);
    uint64_t i_next = 0;
    for (size_t i = 0; i < content->n_calibration; i++) {
        const struct calibration_entry *e = &content->calibration[i];
        if (e->count == 0)
            continue;
        struct calibration_bin bin = {.count = e->count, .correct = e->correct};
        (void)exact_sum_add(&bin.confidence, e->confidence); /* finite, and the only one */
        bin_write(w, e->bin - i_next, &bin);
        i_next = (uint64_t)e->bin + 1;
    }
}

static void calibration_write(struct pack_writer *w, const struct state *s)
{
    size_t n_written = 0;
    for (size_t i = 0; i < bins_of(&s->shape); i++)
        n_written += s->calibration[i].count != 0;
    varint_write(w, n_written);
    size_t i_next = 0;
    for (size_t i = 0; i < bins_of(&s->shape); i++) {
        if (s->calibration[i].count == 0)
            continue;
        bin_write(w, i - i_next, &s->calibration[i]);
        i_next = i + 1;
    }
}

const struct kind_ops calibration_ops = {
    .init = calibration_init,
    .clear = calibration_clear,
    .release = calibration_release,
    .is_valid = calibration_is_valid,
    .primary = calibration_primary,
    .merge = calibration_merge,
    .add_body = calibration_add_body,
    .body_check = calibration_body_check,
    .batch_check = calibration_batch_check,
    .batch_write = calibration_batch_write,
    .write = calibration_write,
};
