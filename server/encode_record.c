/*
 * Why: what was logged can be taken out again, exactly.  Doubles are printed in their shortest
 * round-trip form and the sum of one batch is one double, so nothing is lost.  Any thread.
 */
#include "query.h"

#include "encode_record.h"

static void put(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

static int64_t decisions(const struct class_counts *c)
{
    return c->tp + c->fp + c->fn + c->tn; /* no overflow: a part of the total */
}

/* The sparse form says tn by the total alone, so every class must have made the same number of decisions. */
static bool fits_sparse(const struct state *s)
{
    if (s->shape.task == TASK_MULTICLASS)
        return true;
    for (uint32_t i = 1; i < s->shape.num_classes; i++)
        if (decisions(&s->counts.classes[i]) != decisions(&s->counts.classes[0]))
            return false;
    return s->counts.total <= QUERY_INTEGER_MAX;
}

static void write_sparse(struct json_writer *w, const struct state *s)
{
    put(w, "num_classes", s->shape.num_classes);
    json_key(w, "classes");
    json_array_begin(w);
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        const struct class_counts *c = &s->counts.classes[i];
        if (c->tp == 0 && c->fp == 0 && c->fn == 0)
            continue;
        json_array_begin(w);
        json_int(w, i);
        json_int(w, c->tp);
        json_int(w, c->fp);
        json_int(w, c->fn);
        json_array_end(w);
    }
    json_array_end(w);
    if (s->shape.task != TASK_MULTICLASS)
        put(w, "total", s->counts.total);
}

static void write_dense(struct json_writer *w, const struct state *s)
{
    static const char *const keys[] = {"tp", "fp", "fn", "tn"};
    for (int k = 0; k < 4; k++) {
        json_key(w, keys[k]);
        json_array_begin(w);
        for (uint32_t i = 0; i < s->shape.num_classes; i++) {
            const struct class_counts *c = &s->counts.classes[i];
            const int64_t counts[] = {c->tp, c->fp, c->fn, c->tn};
            json_int(w, counts[k]);
        }
        json_array_end(w);
    }
}

static void write_binary_matrix(struct json_writer *w, const struct class_counts *c)
{
    const int64_t matrix[2][2] = {{c->tn, c->fp}, {c->fn, c->tp}};
    json_key(w, "confusion");
    json_array_begin(w);
    for (int target = 0; target < 2; target++) {
        json_array_begin(w);
        json_int(w, matrix[target][0]);
        json_int(w, matrix[target][1]);
        json_array_end(w);
    }
    json_array_end(w);
}

static int write_cells(struct json_writer *w, struct state *s)
{
    const struct cell *cells;
    size_t n;
    int status = state_cells(s, &cells, &n);
    if (status != OK)
        return status;
    put(w, "num_classes", s->shape.num_classes);
    json_key(w, "cells");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_array_begin(w);
        json_int(w, cells[i].target);
        json_int(w, cells[i].predicted);
        json_int(w, cells[i].count);
        json_array_end(w);
    }
    json_array_end(w);
    return OK;
}

int encode_counts(struct json_writer *w, struct state *s)
{
    bool binary = s->shape.task == TASK_BINARY;
    if (s->shape.form == FORM_TOTALS) {
        put(w, "correct", s->counts.correct);
        put(w, "total", s->counts.total);
        if (!binary && s->shape.num_classes > 0)
            put(w, "num_classes", s->shape.num_classes);
    } else if (s->shape.form == FORM_CONFUSION && binary) {
        write_binary_matrix(w, &s->counts.classes[0]);
    } else if (s->shape.form == FORM_CONFUSION) {
        int status = write_cells(w, s);
        if (status != OK)
            return status;
    } else if (fits_sparse(s)) {
        write_sparse(w, s);
    } else {
        write_dense(w, s);
    }
    return OK;
}

/* ---- states ---- */

static int write_score(void *context, const struct score_entry *e)
{
    struct json_writer *w = context;
    json_array_begin(w);
    json_int(w, e->class);
    json_int(w, e->bin);
    json_int(w, e->pos);
    json_int(w, e->neg);
    json_array_end(w);
    return OK;
}

static int write_bin(void *context, const struct calibration_entry *e)
{
    struct json_writer *w = context;
    json_array_begin(w);
    json_int(w, e->bin);
    json_int(w, e->count);
    json_double(w, e->confidence);
    json_int(w, e->correct);
    json_array_end(w);
    return OK;
}

static void write_moments(struct json_writer *w, const struct regression_content *c)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"mean_target", c->mean_target},
                   {"mean_prediction", c->mean_prediction},
                   {"m2_target", c->m2_target},
                   {"m2_prediction", c->m2_prediction},
                   {"c", c->c},
                   {"sum_error", c->sum_error},
                   {"sum_abs_error", c->sum_abs_error},
                   {"sum_squared_error", c->sum_squared_error}};
    put(w, "n", c->n);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_key(w, numbers[i].key);
        json_double(w, numbers[i].value);
    }
}

int encode_state(struct json_writer *w, const struct shape *shape, const struct state *s, const uint8_t *data,
                 size_t size)
{
    struct regression_content moments;
    int status = OK;
    json_key(w, form_name(shape->form));
    if (shape->form == FORM_EXACT) {
        json_array_begin(w);
        json_int(w, s->counts.correct);
        json_int(w, s->counts.total);
        json_array_end(w);
        return OK;
    }
    json_object_begin(w);
    if (shape->form == FORM_SCORES) {
        put(w, "thresholds", shape->bins);
        put(w, "num_classes", shape->num_classes);
        json_key(w, "cells");
        json_array_begin(w);
        status = packed_scores(data, size, write_score, w);
        json_array_end(w);
    } else if (shape->form == FORM_CALIBRATION) {
        put(w, "bins", shape->bins);
        json_key(w, "cells");
        json_array_begin(w);
        status = packed_calibration(data, size, write_bin, w);
        json_array_end(w);
    } else if ((status = packed_regression(data, size, &moments)) == OK) {
        write_moments(w, &moments);
    }
    json_object_end(w);
    return status;
}

void encode_sum(struct json_writer *w, const struct mean *mean)
{
    json_array_begin(w);
    if (mean->nonfinite > 0) {
        json_string(w, "NaN");
        json_int(w, 1);
    } else {
        double sum = exact_sum_value(&mean->sum), weight = exact_sum_value(&mean->weight);
        json_double(w, sum);
        json_double(w, weight);
        if (mean->finite > 0 && (mean->min != sum / weight || mean->max != sum / weight)) {
            json_double(w, mean->min);
            json_double(w, mean->max);
        }
    }
    json_array_end(w);
}
