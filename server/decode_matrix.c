/*
 * (c) and (d): a confusion matrix, dense or as cells.  A binary one is stored as the counts of its
 * positive class.
 */
#include "decode_record.h"

/* ---- reading ---- */

static bool add_cell(struct decoder *d, size_t target, size_t predicted, int64_t count)
{
    struct cell *cells = decoder_room(d, d->cells, &d->cap_cells, d->n_cells, sizeof *cells);
    if (cells == NULL)
        return false;
    d->cells = cells;
    d->cells[d->n_cells++] = (struct cell){(uint32_t)target, (uint32_t)predicted, count};
    return true;
}

/* C x C; the first row says how many. */
int read_confusion(struct decoder *d)
{
    struct json_reader *r = &d->r;
    size_t max = (size_t)d->limits->dense_classes, width = 0;
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (d->n_rows > 0 && d->n_rows == width)
            return json_reader_fail(r, PROBLEM_INVALID, "", "more rows than the %zu columns", width);
        if ((rc = json_reader_counts(r, &d->row, max, "classes in a dense matrix; send cells")) != OK)
            return rc;
        if (d->n_rows == 0)
            width = d->row.n;
        if (d->row.n != width || width == 0)
            return json_reader_fail(r, PROBLEM_INVALID, "", "%zu numbers, expected %zu: a matrix is square", d->row.n,
                                    width == 0 ? 1 : width);
        for (size_t i = 0; i < width; i++)
            if (d->row.values[i] != 0 && !add_cell(d, d->n_rows, i, d->row.values[i]))
                return decoder_no_memory(d);
        d->n_rows++;
    }
    if (more != JSON_END)
        return more;
    if (d->n_rows != width || width == 0)
        return json_reader_fail(r, PROBLEM_INVALID, "", "%zu rows of %zu numbers: a matrix is square", d->n_rows,
                                width);
    return OK;
}

int read_cells(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        int64_t v[3];
        if ((rc = decoder_tuple(d, "numbers: [target, predicted, count]", 3, 2, v)) != OK)
            return rc;
        if (!add_cell(d, (size_t)v[0], (size_t)v[1], v[2]))
            return decoder_no_memory(d);
    }
    return more == JSON_END ? OK : more;
}

/* ---- judging ---- */

static uint64_t cell_key(const struct cell *c)
{
    return (uint64_t)c->target << 32 | c->predicted;
}

/* Every cell within the matrix, and none twice.  Clients mostly send them in order, which needs no sorting. */
static int check_cells(struct decoder *d, int64_t classes)
{
    bool rising = true;
    for (size_t i = 0; i < d->n_cells; i++) {
        if (d->cells[i].target >= classes || d->cells[i].predicted >= classes)
            return decoder_invalid_item(d, FIELD_CELLS, i, d->cells[i].target >= classes ? "/0" : "/1",
                                        "a class at or above num_classes");
        rising = rising && (i == 0 || cell_key(&d->cells[i - 1]) < cell_key(&d->cells[i]));
    }
    if (rising)
        return OK;
    uint64_t *keys = arena_alloc(&d->scratch, d->n_cells * sizeof *keys);
    if (keys == NULL)
        return decoder_no_memory(d);
    for (size_t i = 0; i < d->n_cells; i++)
        keys[i] = cell_key(&d->cells[i]);
    size_t place = 0;
    int rc = decoder_repeated(d, keys, d->n_cells, &place);
    if (rc != OK)
        return rc;
    return place == 0 ? OK : decoder_invalid_item(d, FIELD_CELLS, place, "", "this cell is given twice");
}

/* Drop the zeros, add the rest up. */
static int sum_cells(struct decoder *d, struct batch_content *content, enum record_field field)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->n_cells; i++) {
        struct cell c = d->cells[i];
        if (c.count == 0)
            continue;
        if (__builtin_add_overflow(content->total, c.count, &content->total))
            return decoder_overflow(d, field);
        if (c.target == c.predicted)
            content->correct += c.count; /* <= total */
        d->cells[kept++] = c;
    }
    content->cells = d->cells;
    content->n_cells = kept;
    return OK;
}

/* A binary matrix is stored as the counts of its positive class. */
static int fold_binary(struct decoder *d, struct batch_content *content)
{
    struct class_counts c = {0};
    for (size_t i = 0; i < content->n_cells; i++) {
        const struct cell *cell = &content->cells[i];
        int64_t *count =
            cell->target == 1 ? (cell->predicted == 1 ? &c.tp : &c.fn) : (cell->predicted == 1 ? &c.fp : &c.tn);
        *count = cell->count;
    }
    if (!decoder_put_entry(d, 0, 0, c))
        return decoder_no_memory(d);
    content->entries = d->entries;
    content->n_entries = 1;
    content->cells = NULL;
    content->n_cells = 0;
    return OK;
}

int finish_matrix(struct decoder *d, struct batch_content *content, enum record_field field)
{
    bool binary = d->task == TASK_BINARY, dense = field == FIELD_CONFUSION;
    if (d->task == TASK_MULTILABEL)
        return json_reader_fail(
            &d->r, PROBLEM_INVALID, record_field_pointer(field),
            "labels do not exclude each other, so multilabel has no one matrix: send tp, fp, fn, tn");
    if (binary && dense && d->n_rows != DECODER_BINARY_CLASSES)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/confusion", "a binary matrix is [[tn, fp], [fn, tp]]");
    int rc = counts_classes(d, dense ? d->n_rows : 0, &content->shape);
    if (rc == OK && !dense)
        rc = check_cells(d, binary ? DECODER_BINARY_CLASSES : content->shape.num_classes);
    if (rc == OK)
        rc = sum_cells(d, content, field);
    return rc == OK && binary ? fold_binary(d, content) : rc;
}
