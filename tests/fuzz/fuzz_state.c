/*
 * Packed bytes from a stranger: whatever they are, they are refused or they are a state, and a state has
 * exactly these bytes.  libFuzzer: make fuzz-state
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
            int64_t k, n;
            if (metric_proportion(&choice, s, 0, &k, &n))
                check(0 <= k && k <= n);
        }
    }
    free(values);
}

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
        check(s->shape.form == FORM_MEAN);
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
    struct state s, twice;
    check(state_init(&s, &shape, true, memory) == OK && state_init(&twice, &shape, true, memory) == OK);
    int added = state_add_packed(&s, &key, 1, INT64_MAX, data, size);
    check(added == verified && state_is_valid(&s));
    if (added == OK) {
        round_trip(&s, data, size);
        compute_all(&s);
        /* adding may overflow, and must leave a valid state either way */
        check(state_add_packed(&twice, &key, 1, INT64_MAX / 2, data, size) != ERR_CORRUPT);
        (void)state_add_packed(&twice, &key, 1, INT64_MAX / 2, data, size);
        check(state_is_valid(&twice));
        s.batches = 0;
        check(state_merge(&twice, &s) != ERR_SHAPE && state_is_valid(&twice));
    }
    state_release(&s);
    state_release(&twice);
    return 0;
}
