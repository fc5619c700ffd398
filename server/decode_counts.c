/*
 * The five forms in which a record may say what was counted, and the rules that hold between their
 * numbers.  Whatever the form, what leaves here is the content that batch_pack() packs; the same
 * counts in another form of the same shape give the same bytes.
 *
 * A count is at most 2^53-1, so that three of them add up without overflow; longer sums are checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode_record.h"

enum { BINARY_CLASSES = 2 /* of a binary matrix: 0 negative, 1 positive */ };

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

static bool put_entry(struct decoder *d, size_t place, uint32_t index, struct class_counts counts)
{
    struct class_entry *entries = decoder_room(d, d->entries, &d->cap_entries, place, sizeof *entries);
    if (entries == NULL)
        return false;
    entries[place] = (struct class_entry){index, counts};
    d->entries = entries;
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

/* An item of cells or classes: n counts of which the first n_indices are classes. */
static int read_tuple(struct decoder *d, const char *what, size_t n, size_t n_indices, int64_t *out)
{
    struct json_reader *r = &d->r;
    struct json_counts tuple = {.values = out, .cap = n};
    int rc = json_reader_counts(r, &tuple, n, what);
    if (rc != OK)
        return rc;
    if (tuple.n != n)
        return json_reader_fail(r, PROBLEM_INVALID, "", "%zu numbers, expected %zu %s", tuple.n, n, what);
    for (size_t i = 0; i < n_indices; i++)
        if (out[i] >= d->limits->classes)
            return json_reader_fail(r, PROBLEM_INVALID, i == 0 ? "/0" : "/1",
                                    "class %lld: there may be %lld, counted from 0", (long long)out[i],
                                    (long long)d->limits->classes);
    return OK;
}

int read_cells(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        int64_t v[3];
        if ((rc = read_tuple(d, "numbers: [target, predicted, count]", 3, 2, v)) != OK)
            return rc;
        if (!add_cell(d, (size_t)v[0], (size_t)v[1], v[2]))
            return decoder_no_memory(d);
    }
    return more == JSON_END ? OK : more;
}

int read_classes(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        int64_t v[4];
        if ((rc = read_tuple(d, "numbers: [class, tp, fp, fn]", 4, 1, v)) != OK)
            return rc;
        if (!put_entry(d, d->n_entries, (uint32_t)v[0], (struct class_counts){.tp = v[1], .fp = v[2], .fn = v[3]}))
            return decoder_no_memory(d);
        d->n_entries++;
    }
    return more == JSON_END ? OK : more;
}

/* ---- what the record as a whole says ---- */

#define BIT(field) (UINT64_C(1) << (field))
#define PER_CLASS (BIT(FIELD_TP) | BIT(FIELD_FP) | BIT(FIELD_FN) | BIT(FIELD_TN))
#define TOTALS (BIT(FIELD_CORRECT) | BIT(FIELD_TOTAL))
#define FORMS (PER_CLASS | BIT(FIELD_CONFUSION) | BIT(FIELD_CELLS) | BIT(FIELD_CLASSES))
#define ABOUT_COUNTS (BIT(FIELD_NUM_CLASSES) | BIT(FIELD_SAMPLES) | BIT(FIELD_TASK) | BIT(FIELD_NAME))

bool has_counts(const struct decoder *d)
{
    return (d->seen & (FORMS | TOTALS | ABOUT_COUNTS)) != 0;
}

static int missing(struct decoder *d, enum record_field field, const char *why)
{
    return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(field), "missing: %s", why);
}

static int invalid_item(struct decoder *d, enum record_field field, size_t i, const char *inner, const char *text)
{
    char pointer[64];
    size_t used = json_pointer_add(pointer, sizeof pointer, 0, record_field_pointer(field) + 1,
                                   strlen(record_field_pointer(field) + 1));
    snprintf(pointer + used, sizeof pointer - used, "/%zu%s", i, inner);
    return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "%s", text);
}

static int overflow(struct decoder *d, enum record_field field)
{
    return json_reader_fail(&d->r, PROBLEM_COUNT_OVERFLOW, record_field_pointer(field),
                            "the sum of these counts is above 2^63-1");
}

/* Which of the forms (a) to (e) it is: the field that stands for it. */
static int find_form(struct decoder *d, enum record_field *form)
{
    static const struct {
        uint64_t bits;
        enum record_field field;
    } forms[] = {{PER_CLASS, FIELD_TP},
                 {BIT(FIELD_CONFUSION), FIELD_CONFUSION},
                 {BIT(FIELD_CELLS), FIELD_CELLS},
                 {BIT(FIELD_CLASSES), FIELD_CLASSES}};
    bool found = false;
    *form = FIELD_CORRECT;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((d->seen & forms[i].bits) == 0)
            continue;
        if (found)
            return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(forms[i].field),
                                    "the counts are given twice: one of tp fp fn tn, confusion, cells, classes");
        found = true;
        *form = forms[i].field;
    }
    if (found || (d->seen & TOTALS) == TOTALS)
        return OK;
    if (has_field(d, FIELD_CORRECT))
        return missing(d, FIELD_TOTAL, "correct goes with total");
    if (has_field(d, FIELD_TOTAL))
        return missing(d, FIELD_CORRECT, "total goes with correct");
    for (enum record_field f = 0; f < RECORD_FIELDS; f++)
        if (has_field(d, f) && (ABOUT_COUNTS & BIT(f)) != 0)
            return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(f),
                                    "it speaks of counts, and the record has none (sums and values have no samples)");
    return OK;
}

/* The number of classes: what the data say (seen, 0: nothing), what num_classes says, and the task. */
static int find_classes(struct decoder *d, size_t seen, struct shape *shape)
{
    bool binary = d->task == TASK_BINARY, said = has_field(d, FIELD_NUM_CLASSES);
    int64_t max = shape->form == FORM_CONFUSION && seen > 0 ? d->limits->dense_classes : d->limits->classes;
    const char *at = record_field_pointer(FIELD_NUM_CLASSES);
    if (binary) {
        shape->num_classes = 1;
        if (said && d->num_classes != 1 && d->num_classes != BINARY_CLASSES)
            return json_reader_fail(&d->r, PROBLEM_INVALID, at, "a binary task has num_classes 1 (or 2)");
        return OK;
    }
    if (said && seen > 0 && d->num_classes != (int64_t)seen)
        return json_reader_fail(&d->r, PROBLEM_INVALID, at, "%lld, but the counts are of %zu classes",
                                (long long)d->num_classes, seen);
    if (said && (d->num_classes < 1 || d->num_classes > max))
        return json_reader_fail(&d->r, PROBLEM_INVALID, at, "num_classes is 1 to %lld", (long long)max);
    if (!said && seen == 0 && shape->form != FORM_TOTALS)
        return missing(d, FIELD_NUM_CLASSES, "cells and classes do not tell how many there are");
    shape->num_classes = seen > 0 ? (uint32_t)seen : said ? (uint32_t)d->num_classes : 0;
    return OK;
}

/* ---- sums ---- */

struct totals {
    int64_t tp, fp, fn, tn;
};

static bool add_counts(struct totals *t, const struct class_counts *c)
{
    return !__builtin_add_overflow(t->tp, c->tp, &t->tp) && !__builtin_add_overflow(t->fp, c->fp, &t->fp) &&
           !__builtin_add_overflow(t->fn, c->fn, &t->fn) && !__builtin_add_overflow(t->tn, c->tn, &t->tn);
}

/* correct and total of entries whose tn is known where the task has one. */
static int sum_entries(struct decoder *d, struct batch_content *content, enum record_field field)
{
    struct totals t = {0};
    bool has_tn = content->shape.task != TASK_MULTICLASS, fits = true;
    for (size_t i = 0; i < content->n_entries; i++)
        fits = fits && add_counts(&t, &content->entries[i].counts);
    fits = fits && !__builtin_add_overflow(t.tp, t.fn, &content->total);
    content->correct = t.tp;
    if (has_tn) {
        fits = fits && !__builtin_add_overflow(content->total, t.fp, &content->total) &&
               !__builtin_add_overflow(content->total, t.tn, &content->total) &&
               !__builtin_add_overflow(t.tp, t.tn, &content->correct);
    }
    return fits ? OK : overflow(d, field);
}

/* ---- (b) per class ---- */

static int check_lists(struct decoder *d, size_t *classes)
{
    static const enum record_field fields[] = {FIELD_TP, FIELD_FP, FIELD_FN, FIELD_TN};
    bool needs_tn = d->task != TASK_MULTICLASS;
    for (size_t i = 0; i < 4; i++)
        if (!has_field(d, fields[i]) && (i < 3 || needs_tn))
            return missing(d, fields[i],
                           needs_tn ? "binary and multilabel counts are tp, fp, fn and tn"
                                    : "counts per class are tp, fp and fn");
    size_t n = d->lists[0].n;
    if (n == 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/tp", "at least one class");
    for (size_t i = 1; i < 4; i++)
        if (has_field(d, fields[i]) && d->lists[i].n != n)
            return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(fields[i]),
                                    "%zu numbers, but tp has %zu", d->lists[i].n, n);
    if (d->task == TASK_BINARY && n != 1)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/tp",
                                "%zu numbers; a binary task has one: the counts of the positive class", n);
    *classes = n;
    return OK;
}

/* Multiclass: tn follows from the others; what is sent must agree. */
static int check_negatives(struct decoder *d, const struct batch_content *content, enum record_field field)
{
    bool given = has_field(d, FIELD_TN);
    for (size_t i = 0; i < content->n_entries; i++) {
        const struct class_counts *c = &content->entries[i].counts;
        int64_t tn = content->total - c->tp - c->fp - c->fn;
        if (tn < 0)
            return invalid_item(d, field == FIELD_TP ? FIELD_FP : field, i, field == FIELD_TP ? "" : "/2",
                                "tp + fp + fn of a class is above the total (the sum of tp + fn); one class with tn "
                                "is task binary");
        if (given && d->lists[3].values[i] != tn)
            return invalid_item(d, FIELD_TN, i, "", "tn is not total - tp - fp - fn");
    }
    return OK;
}

static int finish_lists(struct decoder *d, struct batch_content *content)
{
    size_t n = 0;
    int rc = check_lists(d, &n);
    if (rc != OK || (rc = find_classes(d, n, &content->shape)) != OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        struct class_counts c = {d->lists[0].values[i], d->lists[1].values[i], d->lists[2].values[i],
                                 d->task == TASK_MULTICLASS ? 0 : d->lists[3].values[i]};
        if (!put_entry(d, i, (uint32_t)i, c))
            return decoder_no_memory(d);
    }
    content->entries = d->entries;
    content->n_entries = n;
    if ((rc = sum_entries(d, content, FIELD_TP)) != OK)
        return rc;
    return d->task == TASK_MULTICLASS ? check_negatives(d, content, FIELD_TP) : OK;
}

/* ---- (c) and (d) a matrix ---- */

struct placed_cell {
    uint64_t key;
    size_t place;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed_cell *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

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
            return invalid_item(d, FIELD_CELLS, i, d->cells[i].target >= classes ? "/0" : "/1",
                                "a class at or above num_classes");
        rising = rising && (i == 0 || cell_key(&d->cells[i - 1]) < cell_key(&d->cells[i]));
    }
    if (rising)
        return OK;
    struct placed_cell *placed = arena_alloc(&d->scratch, d->n_cells * sizeof *placed);
    if (placed == NULL)
        return decoder_no_memory(d);
    for (size_t i = 0; i < d->n_cells; i++)
        placed[i] = (struct placed_cell){cell_key(&d->cells[i]), i};
    qsort(placed, d->n_cells, sizeof *placed, compare_placed);
    for (size_t i = 1; i < d->n_cells; i++)
        if (placed[i - 1].key == placed[i].key)
            return invalid_item(d, FIELD_CELLS, placed[i].place, "", "this cell is given twice");
    return OK;
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
            return overflow(d, field);
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
    if (!put_entry(d, 0, 0, c))
        return decoder_no_memory(d);
    content->entries = d->entries;
    content->n_entries = 1;
    content->cells = NULL;
    content->n_cells = 0;
    return OK;
}

static int finish_matrix(struct decoder *d, struct batch_content *content, enum record_field field)
{
    bool binary = d->task == TASK_BINARY, dense = field == FIELD_CONFUSION;
    if (d->task == TASK_MULTILABEL)
        return json_reader_fail(
            &d->r, PROBLEM_INVALID, record_field_pointer(field),
            "labels do not exclude each other, so multilabel has no one matrix: send tp, fp, fn, tn");
    if (binary && dense && d->n_rows != BINARY_CLASSES)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/confusion", "a binary matrix is [[tn, fp], [fn, tp]]");
    int rc = find_classes(d, dense ? d->n_rows : 0, &content->shape);
    if (rc == OK && !dense)
        rc = check_cells(d, binary ? BINARY_CLASSES : content->shape.num_classes);
    if (rc == OK)
        rc = sum_cells(d, content, field);
    return rc == OK && binary ? fold_binary(d, content) : rc;
}

/* ---- (e) per class, sparse ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct class_entry *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void sort_entries(struct decoder *d)
{
    if (d->n_entries > 1)
        qsort(d->entries, d->n_entries, sizeof *d->entries, compare_entries);
}

/* places[class] is where it stands; it holds what it says only if entries[it] agrees, so no clearing. */
static int classes_are_distinct(struct decoder *d, int64_t classes)
{
    for (size_t i = 0; i < d->n_entries; i++) {
        uint32_t index = d->entries[i].index;
        if (index >= classes)
            return invalid_item(d, FIELD_CLASSES, i, "/0", "a class at or above num_classes");
        if (d->places == NULL) {
            d->cap_places = (size_t)d->limits->classes;
            d->places = arena_alloc(&d->scratch, d->cap_places * sizeof *d->places);
            if (d->places == NULL)
                return decoder_no_memory(d);
            memset(d->places, 0, d->cap_places * sizeof *d->places);
        }
        uint32_t place = d->places[index];
        if (place < i && d->entries[place].index == index)
            return invalid_item(d, FIELD_CLASSES, i, "/0", "this class is given twice");
        d->places[index] = (uint32_t)i;
    }
    return OK;
}

/* Binary and multilabel: every class made the same number of decisions, so the total gives tn. */
static int fill_negatives(struct decoder *d, uint32_t classes)
{
    if (!has_field(d, FIELD_TOTAL))
        return missing(d, FIELD_TOTAL, "binary and multilabel classes need the total, which gives tn");
    if (d->total % classes != 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/total", "%lld is not a multiple of num_classes (%u)",
                                (long long)d->total, (unsigned)classes);
    int64_t each = d->total / classes;
    for (size_t i = 0; i < d->n_entries; i++) {
        struct class_counts *c = &d->entries[i].counts;
        c->tn = each - c->tp - c->fp - c->fn;
        if (c->tn < 0)
            return invalid_item(d, FIELD_CLASSES, i, "",
                                "tp + fp + fn is above the decisions of a class "
                                "(total / num_classes)");
    }
    size_t n = d->n_entries;
    sort_entries(d);
    for (uint32_t c = 0, i = 0; c < classes; c++) { /* the classes that were not listed */
        if (i < n && d->entries[i].index == c) {
            i++;
            continue;
        }
        if (!put_entry(d, d->n_entries, c, (struct class_counts){.tn = each}))
            return decoder_no_memory(d);
        d->n_entries++;
    }
    return OK;
}

static int finish_classes(struct decoder *d, struct batch_content *content)
{
    int rc = find_classes(d, 0, &content->shape);
    if (rc == OK)
        rc = classes_are_distinct(d, content->shape.num_classes);
    if (rc == OK && d->task != TASK_MULTICLASS)
        rc = fill_negatives(d, content->shape.num_classes);
    if (rc != OK)
        return rc;
    content->entries = d->entries;
    content->n_entries = d->n_entries;
    if ((rc = sum_entries(d, content, FIELD_CLASSES)) != OK)
        return rc;
    if (d->task == TASK_MULTICLASS && (rc = check_negatives(d, content, FIELD_CLASSES)) != OK)
        return rc;
    sort_entries(d);
    return OK;
}

/* ---- all forms ---- */

/* correct and total beside other counts must agree with them. */
static int check_totals(struct decoder *d, struct batch_content *content)
{
    if (has_field(d, FIELD_TOTAL) && d->total != content->total)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/total", "%lld, but the counts add up to %lld",
                                (long long)d->total, (long long)content->total);
    if (has_field(d, FIELD_CORRECT) && d->correct != content->correct)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/correct", "%lld, but the counts give %lld",
                                (long long)d->correct, (long long)content->correct);
    return OK;
}

static int finish_samples(struct decoder *d, const struct batch_content *content, int64_t *samples)
{
    int64_t per_sample = d->task == TASK_MULTILABEL && content->shape.num_classes > 0 ? content->shape.num_classes : 1;
    if (!has_field(d, FIELD_SAMPLES)) {
        if (content->total % per_sample != 0)
            return missing(d, FIELD_SAMPLES, "total is not a multiple of num_classes, so it must be said");
        *samples = content->total / per_sample;
        return OK;
    }
    if (d->task != TASK_MULTILABEL && d->samples < content->total)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/samples", "%lld, fewer than the %lld that were counted",
                                (long long)d->samples, (long long)content->total);
    *samples = d->samples;
    return OK;
}

int finish_counts(struct decoder *d, struct batch_content *content, int64_t *samples, enum record_field *field)
{
    int rc = find_form(d, field);
    if (rc != OK)
        return rc;
    *content = (struct batch_content){.shape = {.form = FORM_CLASSES, .task = d->task}};
    switch (*field) {
    case FIELD_TP:
        rc = finish_lists(d, content);
        break;
    case FIELD_CONFUSION:
    case FIELD_CELLS:
        content->shape.form = FORM_CONFUSION;
        rc = finish_matrix(d, content, *field);
        break;
    case FIELD_CLASSES:
        rc = finish_classes(d, content);
        break;
    default:
        content->shape.form = FORM_TOTALS;
        content->correct = d->correct;
        content->total = d->total;
        if (d->correct > d->total)
            rc = json_reader_fail(&d->r, PROBLEM_INVALID, "/correct", "%lld of %lld", (long long)d->correct,
                                  (long long)d->total);
        else
            rc = find_classes(d, 0, &content->shape);
    }
    if (rc == OK)
        rc = check_totals(d, content);
    return rc == OK ? finish_samples(d, content, samples) : rc;
}
