/*
 * What a record leaves behind: a measure for each series that it names, packed.  The samples of a record
 * are said once and hold for all of its kinds, so that each of them can answer how many were seen.
 */
#include <string.h>

#include "decode_record.h"

void decoder_copy_name(char *out, struct json_slice name)
{
    memcpy(out, name.text, name.size);
    out[name.size] = '\0';
}

/* Pack into scratch, then keep just as many bytes. */
static int pack(struct decoder *d, struct batch_content *content, enum record_field field, struct measure *m)
{
    size_t size = 0, bound = batch_pack_bound(content);
    if (bound > d->cap_packed) {
        uint8_t *room = arena_alloc(&d->scratch, bound * 2);
        if (room == NULL)
            return decoder_no_memory(d);
        d->packed = room;
        d->cap_packed = bound * 2;
    }
    int status = batch_pack(content, d->packed, d->cap_packed, &size);
    if (status != OK)
        return json_reader_fail(&d->r, status == ERR_OVERFLOW ? PROBLEM_COUNT_OVERFLOW : PROBLEM_INVALID,
                                record_field_pointer(field), "these numbers cannot be added up");
    uint8_t *state = size <= UINT32_MAX ? arena_alloc(d->arena, size) : NULL;
    if (state == NULL)
        return decoder_no_memory(d);
    memcpy(state, d->packed, size);
    m->shape = content->shape;
    m->state = state;
    m->state_size = (uint32_t)size;
    d->bytes += sizeof *m + size;
    const char *name = record_field_pointer(field) + 1;
    memcpy(m->field, name, strlen(name) + 1);
    return OK;
}

static int keep_counts(struct decoder *d, struct json_slice name, struct measure *m)
{
    struct batch_content content;
    enum record_field field;
    int64_t samples = 0;
    int rc = finish_counts(d, &content, &samples, &field);
    if (rc != OK)
        return rc;
    decoder_copy_name(m->name, name);
    m->samples = samples;
    m->correct = content.correct;
    return pack(d, &content, field, m);
}

static int keep_scalar(struct decoder *d, const struct scalar *s, struct measure *m)
{
    struct batch_content content = {.shape = {.form = FORM_MEAN, .task = TASK_MULTICLASS},
                                    .sum = s->sum,
                                    .weight = s->weight,
                                    .min = s->min,
                                    .max = s->max,
                                    .has_range = s->has_range,
                                    .nonfinite = s->nonfinite};
    decoder_copy_name(m->name, s->name);
    m->samples = m->correct = 0;
    return pack(d, &content, s->is_value ? FIELD_VALUES : FIELD_SUMS, m);
}

/* ---- states beside or instead of counts ---- */

/* samples: of the record, -1: it did not say; then the first of its states does. */
static int keep_states(struct decoder *d, struct json_slice name, int64_t samples, struct measure **m)
{
    static const struct {
        enum record_field field;
        int (*finish)(struct decoder *d, struct batch_content *content, int64_t *samples);
    } STATES[] = {{FIELD_EXACT, finish_exact},
                  {FIELD_REGRESSION, finish_regression},
                  {FIELD_CALIBRATION, finish_calibration},
                  {FIELD_SCORES, finish_scores}};
    if (samples < 0 && has_field(d, FIELD_SAMPLES))
        samples = d->samples;
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++) {
        struct batch_content content = {0};
        int64_t seen = 0;
        if (!has_field(d, STATES[i].field))
            continue;
        int rc = STATES[i].finish(d, &content, &seen);
        if (rc != OK)
            return rc;
        if (samples < 0)
            samples = seen;
        decoder_copy_name((*m)->name, name);
        (*m)->samples = samples;
        (*m)->correct = 0;
        if ((rc = pack(d, &content, STATES[i].field, *m)) != OK)
            return rc;
        ++*m;
    }
    return OK;
}

static size_t count_states(const struct decoder *d)
{
    return (size_t)has_field(d, FIELD_EXACT) + has_field(d, FIELD_REGRESSION) + has_field(d, FIELD_CALIBRATION) +
           has_field(d, FIELD_SCORES);
}

int keep_measures(struct decoder *d, struct record *record)
{
    static const struct json_slice main_name = {"main", 4};
    struct json_slice none = {NULL, 0}, name = has_field(d, FIELD_NAME) ? d->name : main_name;
    bool counts = has_counts(d), states = has_states(d);
    size_t n = d->n_scalars + counts + count_states(d);
    int64_t samples = -1;
    int rc = scalars_are_distinct(d, counts || states ? name : none);
    if (rc != OK)
        return rc;
    if (n == 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "",
                                "nothing is measured: send correct and total, tp fp fn, confusion, cells, classes, "
                                "scores, calibration, exact, regression, sums or values");
    d->n_measures += n;
    if (d->n_measures > (size_t)d->limits->records_per_request * RECORD_SERIES_MEAN)
        return json_reader_fail(&d->r, PROBLEM_TOO_LARGE, "", "more than %lld series in one request",
                                (long long)d->limits->records_per_request * RECORD_SERIES_MEAN);
    struct measure *m = arena_alloc(d->arena, n * sizeof *m);
    if (m == NULL)
        return decoder_no_memory(d);
    record->measures = m;
    record->n_measures = n;
    if (counts) {
        if ((rc = keep_counts(d, name, m)) != OK)
            return rc;
        samples = m++->samples;
    }
    if ((rc = keep_states(d, name, samples, &m)) != OK)
        return rc;
    for (size_t i = 0; i < d->n_scalars; i++)
        if ((rc = keep_scalar(d, &d->scalars[i], m++)) != OK)
            return rc;
    return OK;
}
