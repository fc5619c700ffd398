/**
 * One way to compute a rollup row, so that a bucket that was closed, one that a late batch was added to
 * and one that is recounted cannot differ.
 *
 * Sums are exact and a state has one packed form (lib/), so any order of adding gives the same bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "window_sum.h"

bool window_needs_one(enum form form)
{
    return form_kind(form) == KIND_MEAN || form_kind(form) == KIND_REGRESSION;
}

int window_sum_open(struct window_sum *w, const struct series_row *series, struct memory memory)
{
    int status = OK;

    if (w->sum.memory.resize == NULL || !shape_equal(&w->sum.shape, &series->shape)) {
        if (w->sum.memory.resize != NULL)
            state_release(&w->sum);
        if (w->one.memory.resize != NULL)
            state_release(&w->one);
        w->sum = w->one = (struct state){0};
        status = state_init(&w->sum, &series->shape, true, memory);
        if (status == OK && window_needs_one(series->shape.form))
            status = state_init(&w->one, &series->shape, true, memory);
    }
    w->row.run = series->run;
    w->row.series = series->series;
    return status;
}

void window_sum_release(struct window_sum *w)
{
    state_release(&w->sum);
    state_release(&w->one);
    free(w->packed);
    memset(w, 0, sizeof *w);
}

void window_sum_begin(struct window_sum *w, int64_t epoch, int64_t level, int64_t bucket)
{
    state_clear(&w->sum);
    w->row = (struct rollup_row){.run = w->row.run,
                                 .series = w->row.series,
                                 .epoch = epoch,
                                 .level = level,
                                 .bucket = bucket,
                                 .primary_min = NAN,
                                 .primary_max = NAN};
}

int64_t window_correct(const struct state *sum)
{
    return form_kind(sum->shape.form) == KIND_COUNTS ? sum->counts.correct : 0;
}

/* The value of one batch alone: what the counts grew by tells it, where it is an accuracy. */
int batch_primary(struct state *one, const struct counts *before, const struct state *sum, const struct batch_key *key,
                  const uint8_t *data, size_t size, double *out)
{
    if (!window_needs_one(sum->shape.form)) {
        int64_t correct = sum->counts.correct - before->correct, total = sum->counts.total - before->total;
        *out = total > 0 ? (double)correct / (double)total : NAN;
        return OK;
    }
    state_clear(one);
    int status = state_add_packed(one, key, 0, 1, data, size);
    if (status == OK)
        *out = state_primary(one);
    return status;
}

/* What a part of the window says beside its state. */
static void widen(struct rollup_row *row, bool first, int64_t first_step, int64_t last_step, int64_t time, double min,
                  double max)
{
    if (first || first_step < row->first_step)
        row->first_step = first_step;
    if (first || last_step > row->last_step)
        row->last_step = last_step;
    if (first || time < row->first_time)
        row->first_time = time;
    if (!isnan(min) && !(row->primary_min <= min))
        row->primary_min = min;
    if (!isnan(max) && !(row->primary_max >= max))
        row->primary_max = max;
}

int window_sum_add(struct window_sum *w, const struct batch_row *b, bool new_step)
{
    struct counts before = w->sum.counts;
    bool first = w->sum.batches == 0;
    double value = NAN;
    int status = state_add_packed(&w->sum, &b->key, b->samples, 1, b->state, b->state_size);

    if (status == OK)
        status = batch_primary(&w->one, &before, &w->sum, &b->key, b->state, b->state_size, &value);
    if (status != OK)
        return status == ERR_SHAPE || status == ERR_RANGE ? ERR_CORRUPT : status;
    widen(&w->row, first, b->key.step, b->key.step, b->logged_at, value, value);
    w->row.steps += new_step;
    return OK;
}

/* In order of key: is this the first batch of its step? */
static bool begins_step(const struct window_sum *w, const struct batch_row *b)
{
    return w->sum.batches == 0 || b->key.step != w->row.last_step;
}

int window_sum_next(struct window_sum *w, const struct batch_row *b)
{
    return window_sum_add(w, b, begins_step(w, b));
}

int window_sum_own(struct window_sum *w, const struct batch_row *b, double primary)
{
    bool first = w->sum.batches == 0, new_step = begins_step(w, b);
    int status = state_add_own(&w->sum, &b->key, b->samples, b->state, b->state_size);

    if (status != OK)
        return status;
    widen(&w->row, first, b->key.step, b->key.step, b->logged_at, primary, primary);
    w->row.steps += new_step;
    return OK;
}

int window_sum_merge(struct window_sum *w, const struct rollup_row *part)
{
    bool first = w->sum.batches == 0;
    int status = state_add_packed(&w->sum, NULL, part->samples, part->batches, part->state, part->state_size);

    if (status != OK)
        return status == ERR_SHAPE || status == ERR_RANGE ? ERR_CORRUPT : status;
    widen(&w->row, first, part->first_step, part->last_step, part->first_time, part->primary_min, part->primary_max);
    w->row.steps += part->steps;
    return OK;
}

int window_sum_row(struct window_sum *w, struct rollup_row *row)
{
    size_t size = 0;
    int status = state_pack(&w->sum, w->packed, w->packed_cap, &size);

    if (status == ERR_FULL) {
        size_t cap = size * 2;
        uint8_t *packed = realloc(w->packed, cap);
        if (packed == NULL)
            return ERR_MEMORY;
        w->packed = packed;
        w->packed_cap = cap;
        status = state_pack(&w->sum, packed, cap, &size);
    }
    if (status != OK)
        return status;
    *row = w->row;
    row->batches = w->sum.batches;
    row->samples = w->sum.samples;
    row->correct = window_correct(&w->sum);
    row->state = w->packed;
    row->state_size = size;
    return OK;
}
