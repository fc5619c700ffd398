/*
 * What fails changes nothing: overflow, foreign shapes, bad bytes, no memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "state_kinds.h"

static struct batch huge_batch(const struct shape *shape, int64_t count)
{
    struct score_entry score = {.class = 0, .bin = 1, .pos = count};
    struct calibration_entry bin = {.bin = 1, .count = count, .confidence = 0.5};
    struct class_entry entry = {shape->num_classes - 1, {.tp = count}};
    struct cell cell = {0, 0, count};
    struct batch_content content = {.shape = *shape, .correct = count, .total = count};
    content.entries = &entry;
    content.n_entries = 1;
    content.cells = &cell;
    content.n_cells = 1;
    content.sum = content.weight = 1.5e308;
    content.scores = &score;
    content.n_scores = 1;
    content.calibration = &bin;
    content.n_calibration = 1;
    content.regression = (struct regression_content){.n = 1, .sum_squared_error = 1.5e308};
    return (struct batch){.packed = pack_batch(&content), .samples = 1};
}

Test(state_failure, overflow_changes_nothing)
{
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        const struct shape *shape = &KINDS[kind].shape;
        struct state a, b, before;
        new_state(&a, shape);
        new_state(&b, shape);
        struct batch most = huge_batch(shape, INT64_MAX), one = huge_batch(shape, 1);
        add(&a, &most);
        add(&b, &one);
        copy(&before, &a);
        cr_assert_eq(state_merge(&a, &b), ERR_OVERFLOW, "%s", KINDS[kind].name);
        cr_assert(same(&a, &before), "%s: merge", KINDS[kind].name);
        cr_assert_eq(state_add_packed(&a, &one.key, 1, 1, one.packed.data, one.packed.size), ERR_OVERFLOW);
        cr_assert(same(&a, &before), "%s: add", KINDS[kind].name);
        cr_assert_eq(state_add_own(&a, &one.key, 1, one.packed.data, one.packed.size), ERR_OVERFLOW);
        cr_assert_eq(state_add_own(&a, &most.key, 1, most.packed.data, most.packed.size), ERR_OVERFLOW);
        cr_assert(same(&a, &before), "%s: add own", KINDS[kind].name);
        /* the columns beside it overflow too */
        b.batches = INT64_MAX;
        cr_assert_eq(state_merge(&b, &a), ERR_OVERFLOW);
        if (shape->form != FORM_MEAN) {
            cr_assert_eq(state_add_packed(&before, NULL, INT64_MAX, 1, one.packed.data, one.packed.size), ERR_OVERFLOW);
            cr_assert_eq(state_add_packed(&before, NULL, -1, 1, one.packed.data, one.packed.size), ERR_RANGE);
        }
        cr_assert_eq(state_add_packed(&before, &one.key, 0, -1, one.packed.data, one.packed.size), ERR_RANGE);
        cr_assert(same(&a, &before), "%s: columns", KINDS[kind].name);
        bytes_free(&most.packed);
        bytes_free(&one.packed);
        state_release(&a);
        state_release(&b);
        state_release(&before);
    }
}

Test(state_failure, other_shapes_and_bad_bytes_change_nothing)
{
    uint64_t seed = 12;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct state s, before;
        struct batch b = batch_at(&KINDS[kind].shape, 0, &seed);
        new_state(&s, &KINDS[kind].shape);
        add(&s, &b);
        copy(&before, &s);
        for (size_t other = 0; other < N_KINDS; other++) {
            if (other == kind)
                continue;
            struct batch foreign = batch_at(&KINDS[other].shape, 0, &seed);
            struct state foreign_state;
            new_state(&foreign_state, &KINDS[other].shape);
            cr_assert_eq(state_add_packed(&s, &b.key, 1, 1, foreign.packed.data, foreign.packed.size), ERR_SHAPE);
            cr_assert_eq(state_merge(&s, &foreign_state), ERR_SHAPE);
            bytes_free(&foreign.packed);
            state_release(&foreign_state);
        }
        for (size_t cut = 0; cut < b.packed.size; cut++)
            cr_assert_neq(state_add_packed(&s, &b.key, 1, 1, b.packed.data, cut), OK, "%s cut to %zu", KINDS[kind].name,
                          cut);
        cr_assert(same(&s, &before), "%s", KINDS[kind].name);
        bytes_free(&b.packed);
        state_release(&s);
        state_release(&before);
    }
}

Test(state_failure, without_memory_nothing_changes_and_nothing_leaks)
{
    uint64_t seed = 13;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        bool is_done = false;
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        for (long budget = 0; !is_done; budget++) {
            struct test_memory memory = {.budget = budget};
            struct state s, plain;
            int status = state_init(&s, &KINDS[kind].shape, true, test_memory(&memory));
            if (status == OK) {
                new_state(&plain, &KINDS[kind].shape);
                is_done = true;
                for (size_t i = 0; i < N_BATCHES; i++) {
                    const struct batch *b = &batches[i];
                    status = state_add_packed(&s, &b->key, b->samples, 1, b->packed.data, b->packed.size);
                    if (status == OK)
                        add(&plain, b);
                    is_done = is_done && status == OK;
                    cr_assert(status == OK || status == ERR_MEMORY);
                }
                cr_assert(same(&s, &plain), "%s with %ld allocations", KINDS[kind].name, budget);
                state_release(&plain);
                state_release(&s);
            } else {
                cr_assert_eq(status, ERR_MEMORY);
            }
            cr_assert_eq(memory.n_live, 0);
        }
        free_batches(batches);
    }
}
