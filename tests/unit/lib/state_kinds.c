#include <math.h>

#include <criterion/criterion.h>

#include "state_kinds.h"

const struct sample KINDS[N_KINDS] = {
    {"totals", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}},
    {"binary totals", {FORM_TOTALS, TASK_BINARY, 1, 0}},
    {"classes", {FORM_CLASSES, TASK_MULTICLASS, 7, 0}},
    {"two classes", {FORM_CLASSES, TASK_MULTICLASS, 2, 0}},
    {"many classes", {FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}},
    {"binary", {FORM_CLASSES, TASK_BINARY, 1, 0}},
    {"labels", {FORM_CLASSES, TASK_MULTILABEL, 5, 0}},
    {"confusion", {FORM_CONFUSION, TASK_MULTICLASS, 6, 0}},
    {"large confusion", {FORM_CONFUSION, TASK_MULTICLASS, 3000, 0}},
    {"largest confusion", {FORM_CONFUSION, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}},
    {"binary confusion", {FORM_CONFUSION, TASK_BINARY, 1, 0}},
    {"mean", {FORM_MEAN, TASK_MULTICLASS, 0, 0}},
    {"scores", {FORM_SCORES, TASK_MULTICLASS, 3, 11}},
    {"binary scores", {FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX}},
    {"scores of labels", {FORM_SCORES, TASK_MULTILABEL, 20, 201}},
    {"calibration", {FORM_CALIBRATION, TASK_MULTICLASS, 0, 10}},
    {"one bin", {FORM_CALIBRATION, TASK_BINARY, 0, 1}},
    {"exact match", {FORM_EXACT, TASK_MULTICLASS, 0, 0}},
    {"regression", {FORM_REGRESSION, TASK_MULTICLASS, 0, 0}},
};

struct batch batch_at(const struct shape *shape, size_t i, uint64_t *seed)
{
    struct batch b = {.key = {(int64_t)(i / 20), (int64_t)(i / 4), (int64_t)(i % 4)}};
    struct random_batch random;
    random_batch(&random, shape, seed);
    b.samples = shape->form == FORM_MEAN ? 0 : (int64_t)random_below(seed, 100);
    b.packed = pack_batch(&random.content);
    return b;
}

void new_state(struct state *s, const struct shape *shape)
{
    cr_assert_eq(state_init(s, shape, true, plain_memory()), OK);
}

void add(struct state *s, const struct batch *b)
{
    cr_assert_eq(state_add_packed(s, &b->key, b->samples, 1, b->packed.data, b->packed.size), OK);
}

bool same(struct state *a, struct state *b)
{
    struct bytes x = pack_state(a), y = pack_state(b);
    bool is_same = bytes_equal(x, y) && a->batches == b->batches && a->samples == b->samples;
    is_same = is_same && packed_verify(x.data, x.size) == OK && state_is_valid(a) && state_is_valid(b);
    double p = state_primary(a), q = state_primary(b);
    is_same = is_same && (p == q || (isnan(p) && isnan(q)));
    bytes_free(&x);
    bytes_free(&y);
    return is_same;
}

void copy(struct state *out, struct state *s)
{
    new_state(out, &s->shape);
    cr_assert_eq(state_merge(out, s), OK);
}

void random_batches(const struct shape *shape, struct batch batches[N_BATCHES], uint64_t *seed)
{
    for (size_t i = 0; i < N_BATCHES; i++)
        batches[i] = batch_at(shape, i, seed);
}

void free_batches(struct batch batches[N_BATCHES])
{
    for (size_t i = 0; i < N_BATCHES; i++)
        bytes_free(&batches[i].packed);
}
