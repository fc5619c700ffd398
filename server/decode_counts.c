/*
 * The five forms in which a record may say what was counted, and the rules that hold between their
 * numbers.  Whatever the form, what leaves here is the content that batch_pack() packs; the same
 * counts in another form of the same shape give the same bytes.
 *
 * A count is at most 2^53-1, so that three of them add up without overflow; longer sums are checked.
 */
#include "decode_record.h"

/* ---- what the record as a whole says ---- */

#define BIT(field) (UINT64_C(1) << (field))
#define PER_CLASS (BIT(FIELD_TP) | BIT(FIELD_FP) | BIT(FIELD_FN) | BIT(FIELD_TN))
#define TOTALS (BIT(FIELD_CORRECT) | BIT(FIELD_TOTAL))
#define FORMS (PER_CLASS | BIT(FIELD_CONFUSION) | BIT(FIELD_CELLS) | BIT(FIELD_CLASSES))
#define STATES (BIT(FIELD_SCORES) | BIT(FIELD_CALIBRATION) | BIT(FIELD_EXACT) | BIT(FIELD_REGRESSION))
#define ABOUT_COUNTS (BIT(FIELD_NUM_CLASSES) | BIT(FIELD_SAMPLES) | BIT(FIELD_TASK) | BIT(FIELD_NAME))

bool has_counts(const struct decoder *d)
{
    if ((d->seen & (FORMS | TOTALS)) != 0)
        return true;
    return (d->seen & ABOUT_COUNTS) != 0 && !has_states(d);
}

bool has_states(const struct decoder *d)
{
    return (d->seen & STATES) != 0;
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
        return decoder_missing(d, FIELD_TOTAL, "correct goes with total");
    if (has_field(d, FIELD_TOTAL))
        return decoder_missing(d, FIELD_CORRECT, "total goes with correct");
    for (enum record_field f = 0; f < RECORD_FIELDS; f++)
        if (has_field(d, f) && (ABOUT_COUNTS & BIT(f)) != 0)
            return json_reader_fail(&d->r, PROBLEM_INVALID, record_field_pointer(f),
                                    "it speaks of counts, and the record has none (sums and values have no samples)");
    return OK;
}

/* The number of classes: what the data say (seen, 0: nothing), what num_classes says, and the task. */
int counts_classes(struct decoder *d, size_t seen, struct shape *shape)
{
    bool binary = d->task == TASK_BINARY, said = has_field(d, FIELD_NUM_CLASSES);
    int64_t max = shape->form == FORM_CONFUSION && seen > 0 ? d->limits->dense_classes : d->limits->classes;
    const char *at = record_field_pointer(FIELD_NUM_CLASSES);
    if (binary) {
        shape->num_classes = 1;
        if (said && d->num_classes != 1 && d->num_classes != DECODER_BINARY_CLASSES)
            return json_reader_fail(&d->r, PROBLEM_INVALID, at, "a binary task has num_classes 1 (or 2)");
        return OK;
    }
    if (said && seen > 0 && d->num_classes != (int64_t)seen)
        return json_reader_fail(&d->r, PROBLEM_INVALID, at, "%lld, but the counts are of %zu classes",
                                (long long)d->num_classes, seen);
    if (said && (d->num_classes < 1 || d->num_classes > max))
        return json_reader_fail(&d->r, PROBLEM_INVALID, at, "num_classes is 1 to %lld", (long long)max);
    if (!said && seen == 0 && shape->form != FORM_TOTALS)
        return decoder_missing(d, FIELD_NUM_CLASSES, "cells and classes do not tell how many there are");
    shape->num_classes = seen > 0 ? (uint32_t)seen : said ? (uint32_t)d->num_classes : 0;
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
            return decoder_missing(d, FIELD_SAMPLES, "total is not a multiple of num_classes, so it must be said");
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
            rc = counts_classes(d, 0, &content->shape);
    }
    if (rc == OK)
        rc = check_totals(d, content);
    return rc == OK ? finish_samples(d, content, samples) : rc;
}
