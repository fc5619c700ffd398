/*
 * What every state must keep, whatever its kind: merging commutes and associates, any split into batches
 * or ranks gives the same bytes, and order does not matter.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "state_kinds.h"

/* ---- the properties ---- */

Test(state, merge_commutes_and_associates)
{
    uint64_t seed = 1;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        struct state a, b, c, ab, ba, bc;
        new_state(&a, &KINDS[kind].shape);
        new_state(&b, &KINDS[kind].shape);
        new_state(&c, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(i % 3 == 0 ? &a : i % 3 == 1 ? &b : &c, &batches[i]);
        copy(&ab, &a);
        copy(&ba, &b);
        cr_assert(state_merge(&ab, &b) == OK && state_merge(&ba, &a) == OK);
        cr_assert(same(&ab, &ba), "%s: a + b != b + a", KINDS[kind].name);
        copy(&bc, &b);
        cr_assert(state_merge(&bc, &c) == OK && state_merge(&ab, &c) == OK && state_merge(&a, &bc) == OK);
        cr_assert(same(&ab, &a), "%s: (a + b) + c != a + (b + c)", KINDS[kind].name);
        free_batches(batches);
        struct state *all[] = {&a, &b, &c, &ab, &ba, &bc};
        for (size_t i = 0; i < 6; i++)
            state_release(all[i]);
    }
}

Test(state, any_split_in_any_order_gives_the_same_bytes)
{
    uint64_t seed = 2;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        struct state in_order;
        random_batches(&KINDS[kind].shape, batches, &seed);
        new_state(&in_order, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(&in_order, &batches[i]);
        for (size_t n_parts = 1; n_parts <= 8; n_parts++) {
            struct state part[8], merged, unpacked;
            size_t index[N_BATCHES];
            new_state(&merged, &KINDS[kind].shape);
            new_state(&unpacked, &KINDS[kind].shape);
            for (size_t i = 0; i < n_parts; i++)
                new_state(&part[i], &KINDS[kind].shape);
            for (size_t i = 0; i < N_BATCHES; i++)
                index[i] = i;
            shuffle(index, N_BATCHES, &seed);
            for (size_t i = 0; i < N_BATCHES; i++)
                add(&part[random_below(&seed, n_parts)], &batches[index[i]]);
            for (size_t i = n_parts; i-- > 0;) {
                struct bytes packed = pack_state(&part[i]);
                cr_assert_eq(state_merge(&merged, &part[i]), OK);
                cr_assert_eq(
                    state_add_packed(&unpacked, NULL, part[i].samples, part[i].batches, packed.data, packed.size), OK);
                bytes_free(&packed);
                state_release(&part[i]);
            }
            cr_assert(same(&merged, &in_order), "%s in %zu parts, merged", KINDS[kind].name, n_parts);
            cr_assert(same(&unpacked, &in_order), "%s in %zu parts, packed", KINDS[kind].name, n_parts);
            state_release(&merged);
            state_release(&unpacked);
        }
        free_batches(batches);
        state_release(&in_order);
    }
}

Test(state, a_cleared_state_is_as_new)
{
    uint64_t seed = 4;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        struct state used, fresh;
        new_state(&used, &KINDS[kind].shape);
        new_state(&fresh, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(&used, &batches[i]);
        state_clear(&used);
        cr_assert(same(&used, &fresh), "%s", KINDS[kind].name);
        cr_assert(isnan(state_primary(&fresh)));
        add(&used, &batches[0]);
        add(&fresh, &batches[0]);
        cr_assert(same(&used, &fresh), "%s", KINDS[kind].name);
        free_batches(batches);
        state_release(&used);
        state_release(&fresh);
        state_release(&fresh);
    }
}

Test(state, bytes_of_our_own_add_as_checked_ones_do)
{
    uint64_t seed = 9;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        struct state checked, own;
        new_state(&checked, &KINDS[kind].shape);
        new_state(&own, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++) {
            const struct batch *b = &batches[i];
            add(&checked, b);
            cr_assert_eq(state_add_own(&own, &b->key, b->samples, b->packed.data, b->packed.size), OK);
            cr_assert(state_is_valid(&own), "%s", KINDS[kind].name);
        }
        cr_assert(same(&checked, &own), "%s", KINDS[kind].name);
        free_batches(batches);
        state_release(&checked);
        state_release(&own);
    }
}

/*
 * The case this project exists for.  The same samples, sorted by class or shuffled, in batches of 32: one
 * sum, one macro accuracy; only the mean of the batches' values tells them apart.
 */
Test(state, class_sorted_and_shuffled_batches_add_up_to_the_same)
{
    enum { N = 4000, C = 5, BATCH = 32 };
    static uint32_t target[N], predicted[N];
    static size_t index[N];
    uint64_t seed = 6;
    for (size_t i = 0; i < N; i++) {
        target[i] = (uint32_t)(i * C / N);
        predicted[i] = random_below(&seed, 10) < 8 ? target[i] : (uint32_t)random_below(&seed, C);
        index[i] = i;
    }
    struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, C, 0};
    struct metric_choice macro = choice_of("accuracy.macro");
    struct state sum[2], batch;
    double value[2], mean_of_batches[2] = {0, 0};
    new_state(&batch, &shape);
    for (size_t order = 0; order < 2; order++) {
        new_state(&sum[order], &shape);
        for (size_t first = 0; first < N; first += BATCH) {
            struct cell cells[C * C];
            for (uint32_t k = 0; k < C * C; k++)
                cells[k] = (struct cell){k / C, k % C, 0};
            for (size_t i = first; i < first + BATCH && i < N; i++)
                cells[target[index[i]] * C + predicted[index[i]]].count++;
            struct batch_content content = {.shape = shape, .cells = cells, .n_cells = C * C};
            struct batch b = {.key = {0, (int64_t)first, 0}, .samples = BATCH, .packed = pack_batch(&content)};
            state_clear(&batch);
            add(&batch, &b);
            add(&sum[order], &b);
            double v;
            cr_assert_eq(metric_compute(&macro, &batch, NULL, &v), OK);
            mean_of_batches[order] += v / (N / BATCH);
            bytes_free(&b.packed);
        }
        cr_assert_eq(metric_compute(&macro, &sum[order], NULL, &value[order]), OK);
        shuffle(index, N, &seed);
    }
    cr_assert(same(&sum[0], &sum[1]));
    cr_assert_eq(value[0], value[1]);
    cr_assert(value[0] > 0.8 && mean_of_batches[0] < 0.4 && fabs(mean_of_batches[1] - value[1]) < 0.02, "%g %g %g",
              value[0], mean_of_batches[0], mean_of_batches[1]);
    state_release(&sum[0]);
    state_release(&sum[1]);
    state_release(&batch);
}

/* ---- shapes, names and keys ---- */

Test(state, shapes_are_checked)
{
    static const struct {
        struct shape shape;
        bool is_valid;
    } ROWS[] = {
        {{FORM_TOTALS, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_TOTALS, TASK_MULTILABEL, 3, 0}, true},
        {{FORM_TOTALS, TASK_BINARY, 0, 0}, true},
        {{FORM_TOTALS, TASK_BINARY, 2, 0}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, 0, 0}, false},
        {{FORM_CLASSES, TASK_BINARY, 1, 0}, true},
        {{FORM_CLASSES, TASK_BINARY, 2, 0}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}, true},
        {{FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX + 1, 0}, false},
        {{FORM_CONFUSION, TASK_MULTILABEL, 3, 0}, false},
        {{FORM_CONFUSION, TASK_BINARY, 1, 0}, true},
        {{FORM_MEAN, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_MEAN, TASK_BINARY, 0, 0}, false},
        {{FORM_MEAN, TASK_MULTICLASS, 1, 0}, false},
        {{FORM_MEAN, TASK_MULTICLASS, 0, 1}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, 3, 1}, false},
        {{FORM_SCORES, TASK_MULTICLASS, 3, 2}, true},
        {{FORM_SCORES, TASK_MULTICLASS, 3, 1}, false},
        {{FORM_SCORES, TASK_MULTICLASS, 0, 11}, false},
        {{FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX}, true},
        {{FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX + 1}, false},
        {{FORM_SCORES, TASK_BINARY, 2, 11}, false},
        {{FORM_SCORES, TASK_MULTILABEL, 4096, 1024}, true},
        {{FORM_SCORES, TASK_MULTILABEL, 4096, 1025}, false},
        {{FORM_CALIBRATION, TASK_MULTILABEL, 0, STATE_BINS_MAX}, true},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 0, STATE_BINS_MAX + 1}, false},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 0, 0}, false},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 3, 10}, false},
        {{FORM_EXACT, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_EXACT, TASK_MULTILABEL, 0, 0}, false},
        {{FORM_REGRESSION, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_REGRESSION, TASK_MULTICLASS, 0, 5}, false},
        {{(enum form)8, TASK_MULTICLASS, 3, 0}, false},
        {{FORM_CLASSES, (enum task)3, 3, 0}, false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct state s;
        cr_assert_eq(shape_is_valid(&ROWS[i].shape), ROWS[i].is_valid, "row %zu", i);
        int status = state_init(&s, &ROWS[i].shape, false, plain_memory());
        cr_assert_eq(status, ROWS[i].is_valid ? OK : ERR_RANGE);
        if (status == OK)
            state_release(&s);
    }
    for (enum task task = TASK_MULTICLASS; task <= TASK_MULTILABEL; task++) {
        enum task back;
        cr_assert(task_from_name(task_name(task), strlen(task_name(task)), &back) && back == task);
    }
    for (enum form form = FORM_TOTALS; form <= FORM_REGRESSION; form++) {
        enum form back;
        cr_assert(form_from_name(form_name(form), strlen(form_name(form)), &back) && back == form);
    }
    for (enum form form = FORM_SCORES; form <= FORM_REGRESSION; form++)
        cr_assert_str_eq(kind_name(form_kind(form)), form_name(form));
    cr_assert(form_kind(FORM_TOTALS) == KIND_COUNTS && form_kind(FORM_CONFUSION) == KIND_COUNTS &&
              form_kind(FORM_MEAN) == KIND_MEAN);
    enum task task = TASK_BINARY;
    cr_assert(!task_from_name("multi", 5, &task) && !task_from_name("", 0, &task) && task == TASK_BINARY);
    cr_assert(task_name((enum task)7) == NULL && form_name((enum form)8) == NULL && kind_name((enum kind)6) == NULL);
}

Test(state, keys_order_by_epoch_step_rank)
{
    static const struct batch_key RISING[] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 7, 9}, {1, 0, 0}, {1, 0, 2}};
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            int order = batch_key_compare(&RISING[i], &RISING[k]);
            cr_assert((order > 0) == (i > k) && (order < 0) == (i < k));
        }
    }
}
