/*
 * Packed bytes from a stranger: whatever they are, they are refused or they are a state, and a state has
 * exactly these bytes.  libFuzzer: make fuzz-state
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "curve.h"
#include "metric.h"
#include "state.h"

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void *resize(void *context, void *old, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

enum { CELLS_MAX = 4096, CLASSES_MAX = 256 }; /* larger states are verified only: every metric of them costs time */

static void compute_all(struct state *s)
{
    double *values = malloc((s->shape.num_classes + 1) * sizeof *values);
    check(values != NULL);
    for (size_t i = 0; i < metric_count(); i++) {
        struct metric_choice choice = {.metric = metric_at(i), .beta = 2};
        for (unsigned a = AVERAGE_MICRO; a <= AVERAGE_NONE; a++) {
            choice.average = (enum average)a;
            choice.arg = choice.metric->arg_names != NULL ? (int)a % 3 : 0;
            char text[300];
            int status = metric_check(&choice, &s->shape, text, sizeof text);
            check(metric_compute(&choice, s, NULL, values) == status);
            for (size_t k = 0; status == OK && k < metric_length(&choice, &s->shape); k++)
                check(!isinf(values[k]));
            int64_t k, n;
            if (metric_proportion(&choice, s, 0, &k, &n))
                check(0 <= k && k <= n);
        }
    }
    free(values);
}

/* ---- what an exporter reads ---- */

struct seen {
    struct shape shape;
    struct score_entry *scores;
    struct calibration_entry *bins;
    size_t n;
};

static int see_scores(void *context, const struct score_entry *entry)
{
    struct seen *seen = context;
    check(entry->class < seen->shape.num_classes && entry->bin < seen->shape.bins);
    seen->scores[seen->n++] = *entry;
    return OK;
}

static int see_bin(void *context, const struct calibration_entry *entry)
{
    struct seen *seen = context;
    check(entry->bin <= seen->shape.bins && entry->correct <= entry->count);
    seen->bins[seen->n++] = *entry;
    return OK;
}

static void draw(const struct state *s)
{
    struct curve curve = {.tpr = malloc(s->shape.bins * sizeof(double))};
    check(curve.tpr != NULL);
    for (uint32_t i = 0; i < s->shape.num_classes; i++)
        check(curve_points(s, i, &curve) == OK && curve.positives >= 0);
    free(curve.tpr);
}

/* The entries of packed bytes, packed again, are these bytes (but for a sum with rounded confidences). */
static void export(const struct state *s, const uint8_t *data, size_t size)
{
    size_t n_cells = (size_t)(s->shape.num_classes + 1) * (s->shape.bins + 1), n;
    struct seen seen = {.shape = s->shape};
    struct batch_content content = {.shape = s->shape};
    uint8_t *out = malloc(size + 1);
    int status = ERR_NEED;
    check(out != NULL);
    if (s->shape.form == FORM_SCORES) {
        seen.scores = malloc(n_cells * sizeof *seen.scores);
        check(seen.scores != NULL && packed_scores(data, size, see_scores, &seen) == OK);
        content.scores = seen.scores;
        content.n_scores = seen.n;
        status = OK;
        draw(s);
    } else if (s->shape.form == FORM_CALIBRATION) {
        struct calibration_row row;
        seen.bins = malloc(n_cells * sizeof *seen.bins);
        check(seen.bins != NULL && packed_calibration(data, size, see_bin, &seen) == OK);
        content.calibration = seen.bins;
        content.n_calibration = seen.n;
        status = OK;
        for (uint32_t i = 0; i <= s->shape.bins; i++) {
            check(calibration_row(s, i, &row) == OK);
            if (s->calibration[i].confidence.n_parts > 1 || row.confidence > 1)
                status = ERR_NEED; /* a sum, or more confidence than a batch may have */
        }
    } else if (s->shape.form == FORM_REGRESSION) {
        status = packed_regression(data, size, &content.regression);
    }
    if (status == OK)
        check(batch_pack(&content, out, size, &n) == OK && n == size && memcmp(out, data, n) == 0);
    else
        check(status == ERR_NEED);
    free(out);
    free(seen.scores);
    free(seen.bins);
}

/* ---- packing again ---- */

/* A mean batch is written with other flags than a sum of one. */
static void repack_batch(const struct state *s, const uint8_t *data, size_t size)
{
    const struct mean *m = &s->mean;
    struct batch_content content = {.shape = s->shape, .nonfinite = m->nonfinite > 0, .has_range = m->finite > 0};
    content.sum = exact_sum_value(&m->sum);
    content.weight = exact_sum_value(&m->weight);
    content.min = m->min;
    content.max = m->max;
    uint8_t out[64];
    size_t n;
    check(batch_pack(&content, out, sizeof out, &n) == OK);
    check(n == size && memcmp(out, data, n) == 0);
}

static void round_trip(struct state *s, const uint8_t *data, size_t size)
{
    size_t n, again;
    check(state_pack(s, NULL, 0, &n) == ERR_FULL);
    uint8_t *out = malloc(n);
    check(out != NULL && state_pack(s, out, n, &again) == OK && again == n);
    check(packed_verify(out, n) == OK);
    if (n != size || memcmp(out, data, n) != 0) {
        check(s->shape.form == FORM_MEAN || s->shape.form == FORM_REGRESSION);
        if (s->shape.form == FORM_MEAN)
            repack_batch(s, data, size);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shape shape;
    struct batch_key key = {1, 2, 3};
    struct memory memory = {resize, NULL};
    int verified = packed_verify(data, size);
    if (packed_shape(data, size, &shape) != OK) {
        check(verified == ERR_CORRUPT);
        return 0;
    }
    if (shape.num_classes > CLASSES_MAX || (uint64_t)shape.num_classes * shape.bins > CELLS_MAX ||
        shape.bins > CELLS_MAX)
        return 0;
    struct state s, twice;
    check(state_init(&s, &shape, true, memory) == OK && state_init(&twice, &shape, true, memory) == OK);
    int added = state_add_packed(&s, &key, 1, INT64_MAX, data, size);
    check(added == verified && state_is_valid(&s));
    if (added == OK) {
        round_trip(&s, data, size);
        export(&s, data, size);
        compute_all(&s);
        /* adding may overflow, and must leave a valid state either way */
        check(state_add_packed(&twice, &key, 1, INT64_MAX / 2, data, size) != ERR_CORRUPT);
        (void)state_add_packed(&twice, &key, 1, INT64_MAX / 2, data, size);
        check(state_is_valid(&twice));
        s.batches = 0;
        if (!state_is_valid(&s)) /* a mean counts its batches itself */
            s.batches = INT64_MAX;
        check(state_merge(&twice, &s) != ERR_SHAPE && state_is_valid(&twice));
    }
    state_release(&s);
    state_release(&twice);
    return 0;
}
