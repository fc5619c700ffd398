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

void head_write(struct pack_writer *w, const struct shape *shape)
{
    byte_write(w, (uint8_t)(PACK_VERSION + ((unsigned)shape->task << FORM_BITS) + (unsigned)shape->form));
    if (shape->form != FORM_MEAN)
        varint_write(w, shape->num_classes);
}

bool head_read(struct pack_reader *r, struct shape *out)
{
    if (r->at == r->end)
        return false;
    unsigned format = *r->at++;
    unsigned form = format & ((1U << FORM_BITS) - 1);
    unsigned task = format >> FORM_BITS & ((1U << TASK_BITS) - 1);
    uint64_t num_classes = 0;
    if ((format & VERSION_MASK) != PACK_VERSION || form > FORM_MEAN || task > TASK_MULTILABEL)
        return false;
    if (form != FORM_MEAN && (!varint_read(r, &num_classes) || num_classes > STATE_CLASSES_MAX))
        return false;
    struct shape shape = {(enum form)form, (enum task)task, (uint32_t)num_classes};
    if (!shape_is_valid(&shape))
        return false;
    *out = shape;
    return true;
}

int packed_shape(const uint8_t *data, size_t size, struct shape *out)
{
    struct pack_reader r = pack_reader(data, size);
    return head_read(&r, out) ? OK : ERR_CORRUPT;
}

int packed_verify(const uint8_t *data, size_t size)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    struct body_sums sums = {0};
    if (!head_read(&r, &shape))
        return ERR_CORRUPT;
    bool is_ours = shape.form == FORM_MEAN ? mean_body_check(&r) : counts_body_check(&r, &shape, &sums);
    return is_ours && r.at == r.end ? OK : ERR_CORRUPT;
}

/* ---- one batch ---- */

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

static int batch_check(struct batch_content *content)
{
    if (!shape_is_valid(&content->shape))
        return ERR_RANGE;
    if (content->shape.form == FORM_MEAN)
        return mean_batch_check(content);
    if (content->shape.form == FORM_TOTALS)
        return content->correct >= 0 && content->correct <= content->total ? OK : ERR_RANGE;
    return shape_has_cells(&content->shape) ? cells_check_content(content) : entries_check_content(content);
}

static void batch_write(struct pack_writer *w, const struct batch_content *content)
{
    head_write(w, &content->shape);
    if (content->shape.form == FORM_MEAN) {
        mean_batch_write(w, content);
    } else if (content->shape.form == FORM_TOTALS) {
        varint_write(w, (uint64_t)content->correct);
        varint_write(w, (uint64_t)content->total);
    } else if (shape_has_cells(&content->shape)) {
        cells_write(w, &content->shape, content->cells, content->n_cells);
    } else {
        entries_write(w, &content->shape, content->entries, content->n_entries);
    }
}

int batch_pack(struct batch_content *content, uint8_t *out, size_t cap, size_t *size)
{
    int status = batch_check(content);
    if (status != OK)
        return status;
    struct pack_writer measure = {0};
    batch_write(&measure, content);
    *size = measure.size;
    if (measure.size > cap)
        return ERR_FULL;
    struct pack_writer w = {.out = out, .cap = cap};
    batch_write(&w, content);
    return OK;
}

/* ---- a sum of batches ---- */

static void state_write(struct pack_writer *w, const struct state *s)
{
    head_write(w, &s->shape);
    if (s->shape.form == FORM_MEAN)
        mean_sum_write(w, &s->mean);
    else
        counts_write(w, s);
}

int state_pack(struct state *s, uint8_t *out, size_t cap, size_t *size)
{
    if (shape_has_cells(&s->shape)) {
        if (!s->has_cells)
            return ERR_NEED;
        cells_settle(s);
    }
    struct pack_writer measure = {0};
    state_write(&measure, s);
    *size = measure.size;
    if (measure.size > cap)
        return ERR_FULL;
    struct pack_writer w = {.out = out, .cap = cap};
    state_write(&w, s);
    return OK;
}
