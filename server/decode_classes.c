/*
 * (b) and (e): counts per class, as lists or sparse.  Multiclass has no tn of its own: it follows from
 * the rest; what is sent must agree.
 */
#include <stdlib.h>
#include <string.h>

#include "decode_record.h"

/* ---- reading ---- */

bool decoder_put_entry(struct decoder *d, size_t place, uint32_t index, struct class_counts counts)
{
    struct class_entry *entries = decoder_room(d, d->entries, &d->cap_entries, place, sizeof *entries);
    if (entries == NULL)
        return false;
    entries[place] = (struct class_entry){index, counts};
    d->entries = entries;
    return true;
}

int read_classes(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        int64_t v[4];
        if ((rc = decoder_tuple(d, "numbers: [class, tp, fp, fn]", 4, 1, v)) != OK)
            return rc;
        if (!decoder_put_entry(d, d->n_entries, (uint32_t)v[0],
                               (struct class_counts){.tp = v[1], .fp = v[2], .fn = v[3]}))
            return decoder_no_memory(d);
        d->n_entries++;
    }
    return more == JSON_END ? OK : more;
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
    return fits ? OK : decoder_overflow(d, field);
}

/* ---- (b) per class ---- */

static int check_lists(struct decoder *d, size_t *classes)
{
    static const enum record_field fields[] = {FIELD_TP, FIELD_FP, FIELD_FN, FIELD_TN};
    bool needs_tn = d->task != TASK_MULTICLASS;
    for (size_t i = 0; i < 4; i++)
        if (!has_field(d, fields[i]) && (i < 3 || needs_tn))
            return decoder_missing(d, fields[i],
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
            return decoder_invalid_item(
                d, field == FIELD_TP ? FIELD_FP : field, i, field == FIELD_TP ? "" : "/2",
                "tp + fp + fn of a class is above the total (the sum of tp + fn); one class with tn "
                "is task binary");
        if (given && d->lists[3].values[i] != tn)
            return decoder_invalid_item(d, FIELD_TN, i, "", "tn is not total - tp - fp - fn");
    }
    return OK;
}

int finish_lists(struct decoder *d, struct batch_content *content)
{
    size_t n = 0;
    int rc = check_lists(d, &n);
    if (rc != OK || (rc = counts_classes(d, n, &content->shape)) != OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        struct class_counts c = {d->lists[0].values[i], d->lists[1].values[i], d->lists[2].values[i],
                                 d->task == TASK_MULTICLASS ? 0 : d->lists[3].values[i]};
        if (!decoder_put_entry(d, i, (uint32_t)i, c))
            return decoder_no_memory(d);
    }
    content->entries = d->entries;
    content->n_entries = n;
    if ((rc = sum_entries(d, content, FIELD_TP)) != OK)
        return rc;
    return d->task == TASK_MULTICLASS ? check_negatives(d, content, FIELD_TP) : OK;
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
            return decoder_invalid_item(d, FIELD_CLASSES, i, "/0", "a class at or above num_classes");
        if (d->places == NULL) {
            d->cap_places = (size_t)d->limits->classes;
            d->places = arena_alloc(&d->scratch, d->cap_places * sizeof *d->places);
            if (d->places == NULL)
                return decoder_no_memory(d);
            memset(d->places, 0, d->cap_places * sizeof *d->places);
        }
        uint32_t place = d->places[index];
        if (place < i && d->entries[place].index == index)
            return decoder_invalid_item(d, FIELD_CLASSES, i, "/0", "this class is given twice");
        d->places[index] = (uint32_t)i;
    }
    return OK;
}

/* Binary and multilabel: every class made the same number of decisions, so the total gives tn. */
static int fill_negatives(struct decoder *d, uint32_t classes)
{
    if (!has_field(d, FIELD_TOTAL))
        return decoder_missing(d, FIELD_TOTAL, "binary and multilabel classes need the total, which gives tn");
    if (d->total % classes != 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/total", "%lld is not a multiple of num_classes (%u)",
                                (long long)d->total, (unsigned)classes);
    int64_t each = d->total / classes;
    for (size_t i = 0; i < d->n_entries; i++) {
        struct class_counts *c = &d->entries[i].counts;
        c->tn = each - c->tp - c->fp - c->fn;
        if (c->tn < 0)
            return decoder_invalid_item(d, FIELD_CLASSES, i, "",
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
        if (!decoder_put_entry(d, d->n_entries, c, (struct class_counts){.tn = each}))
            return decoder_no_memory(d);
        d->n_entries++;
    }
    return OK;
}

int finish_classes(struct decoder *d, struct batch_content *content)
{
    int rc = counts_classes(d, 0, &content->shape);
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
