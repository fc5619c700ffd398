/*
 * Packed states: what is stored, compared and sent between processes.
 *
 * Guarantee: one content, one sequence of bytes.  Writers drop zeros and sort; readers refuse all that
 * the writers would not write.  So "the same batch again" is a comparison of bytes, and damage shows.
 * state_parts.h describes the layout.
 */
#include "state_parts.h"

enum { FORM_BITS = 4, TASK_BITS = 2, VERSION_MASK = 0xc0 };

/* ---- the head ---- */

static bool has_num_classes(enum form form)
{
    return form_kind(form) == KIND_COUNTS || form == FORM_SCORES;
}

static bool has_bins(enum form form)
{
    return form == FORM_SCORES || form == FORM_CALIBRATION;
}

void head_write(struct pack_writer *w, const struct shape *shape)
{
    byte_write(w, (uint8_t)(PACK_VERSION + ((unsigned)shape->task << FORM_BITS) + (unsigned)shape->form));
    if (has_num_classes(shape->form))
        varint_write(w, shape->num_classes);
    if (has_bins(shape->form))
        varint_write(w, shape->bins);
}

bool head_read(struct pack_reader *r, struct shape *out)
{
    if (r->at == r->end)
        return false;
    unsigned format = *r->at++;
    unsigned form = format & ((1U << FORM_BITS) - 1);
    unsigned task = format >> FORM_BITS & ((1U << TASK_BITS) - 1);
    uint64_t num_classes = 0, bins = 0;
    if ((format & VERSION_MASK) != PACK_VERSION || form > FORM_REGRESSION || task > TASK_MULTILABEL)
        return false;
    if (has_num_classes((enum form)form) && (!varint_read(r, &num_classes) || num_classes > STATE_CLASSES_MAX))
        return false;
    if (has_bins((enum form)form) && (!varint_read(r, &bins) || bins > STATE_THRESHOLDS_MAX))
        return false;
    struct shape shape = {(enum form)form, (enum task)task, (uint32_t)num_classes, (uint32_t)bins};
    if (!shape_is_valid(&shape))
        return false;
    *out = shape;
    return true;
}

/* ---- what the bodies share ---- */

bool items_begin(struct item_reader *items, struct pack_reader *r)
{
    items->r = r;
    items->i_next = 0;
    return varint_read(r, &items->n_left);
}

bool parts_read(struct pack_reader *r, struct exact_sum *out)
{
    uint64_t n;
    double part[EXACT_SUM_PARTS], again[EXACT_SUM_PARTS];
    exact_sum_init(out);
    if (!varint_read(r, &n) || n > EXACT_SUM_PARTS)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!number_read(r, &part[i]) || exact_sum_add(out, part[i]) != OK)
            return false;
    }
    if (exact_sum_canonical(out, again) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (part[i] != again[i])
            return false;
    }
    return true;
}

void parts_write(struct pack_writer *w, const struct exact_sum *s)
{
    double part[EXACT_SUM_PARTS];
    size_t n = exact_sum_canonical(s, part);
    varint_write(w, n);
    for (size_t i = 0; i < n; i++)
        number_write(w, part[i]);
}

/* ---- reading ---- */

int packed_shape(const uint8_t *data, size_t size, struct shape *out)
{
    struct pack_reader r = pack_reader(data, size);
    return head_read(&r, out) ? OK : ERR_CORRUPT;
}

int packed_verify(const uint8_t *data, size_t size)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    return head_read(&r, &shape) && kind_ops(&shape)->body_check(&r, &shape) && r.at == r.end ? OK : ERR_CORRUPT;
}

int body_find(struct pack_reader *r, enum form form, struct shape *out)
{
    struct shape shape;
    if (!head_read(r, &shape))
        return ERR_CORRUPT;
    if (shape.form != form)
        return ERR_SHAPE;
    struct pack_reader body = *r;
    if (!kind_ops(&shape)->body_check(&body, &shape) || body.at != body.end)
        return ERR_CORRUPT;
    *out = shape;
    return OK;
}

/* ---- writing ---- */

size_t batch_pack_bound(const struct batch_content *content)
{
    /* the head, a number of items, and the numbers of a mean or regression */
    enum { FIXED = 1 + 3 * VARINT_MAX + VARINT_MAX + 8 * NUMBER_MAX };
    return FIXED + content->n_entries * ENTRY_MAX + content->n_cells * 2 * VARINT_MAX +
           content->n_scores * 3 * VARINT_MAX + content->n_calibration * (3 * VARINT_MAX + NUMBER_MAX);
}

int batch_pack(struct batch_content *content, uint8_t *out, size_t cap, size_t *size)
{
    if (!shape_is_valid(&content->shape))
        return ERR_RANGE;
    const struct kind_ops *ops = kind_ops(&content->shape);
    int status = ops->batch_check(content);
    if (status != OK)
        return status;
    struct pack_writer w = {.out = out, .cap = cap};
    if (cap < batch_pack_bound(content)) {
        struct pack_writer measure = {0};
        head_write(&measure, &content->shape);
        ops->batch_write(&measure, content);
        *size = measure.size;
        if (measure.size > cap)
            return ERR_FULL;
    }
    head_write(&w, &content->shape);
    ops->batch_write(&w, content);
    *size = w.size;
    return OK;
}

int state_pack(struct state *s, uint8_t *out, size_t cap, size_t *size)
{
    const struct kind_ops *ops = kind_ops(&s->shape);
    int status = ops->settle != NULL ? ops->settle(s) : OK;
    if (status != OK)
        return status;
    struct pack_writer measure = {0}, w = {.out = out, .cap = cap};
    head_write(&measure, &s->shape);
    ops->write(&measure, s);
    *size = measure.size;
    if (measure.size > cap)
        return ERR_FULL;
    head_write(&w, &s->shape);
    ops->write(&w, s);
    return OK;
}
