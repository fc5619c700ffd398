/*
 * The cells of a confusion matrix.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "state_kinds.h"

/* Without cells a confusion series has the class counts of the same cells. */
Test(cells, cells_may_be_left_out)
{
    uint64_t seed = 7;
    struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, 6, 0};
    struct batch batches[N_BATCHES];
    random_batches(&shape, batches, &seed);
    struct state with, without;
    new_state(&with, &shape);
    cr_assert_eq(state_init(&without, &shape, false, plain_memory()), OK);
    for (size_t i = 0; i < N_BATCHES; i++) {
        add(&with, &batches[i]);
        add(&without, &batches[i]);
    }
    const struct cell *cells;
    size_t n;
    cr_assert_eq(memcmp(with.counts.classes, without.counts.classes, 6 * sizeof *with.counts.classes), 0);
    cr_assert(with.counts.correct == without.counts.correct && with.counts.total == without.counts.total);
    cr_assert(state_is_valid(&without) && without.counts.cells == NULL);
    cr_assert_eq(state_cells(&without, &cells, &n), ERR_NEED);
    cr_assert_eq(state_pack(&without, NULL, 0, &n), ERR_NEED);
    cr_assert_eq(state_merge(&with, &without), ERR_SHAPE);
    cr_assert_eq(state_merge(&without, &with), OK);
    cr_assert_eq(without.counts.total, 2 * with.counts.total);
    free_batches(batches);
    state_release(&with);
    state_release(&without);
}

/* Many batches of few cells, few batches of many, against a plain matrix. */
Test(cells, cells_come_out_sorted_and_complete)
{
    uint64_t seed = 8;
    for (uint32_t c = 3; c < 400; c = c * 2 + 1) {
        struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, c, 0};
        int64_t *matrix = calloc((size_t)c * c, sizeof *matrix);
        struct state s;
        new_state(&s, &shape);
        for (size_t i = 0; i < 300; i++) {
            struct batch b = {.key = {0, 0, 0}};
            struct cell cells[3];
            size_t n = 0;
            if (i % 100 == 99) { /* reading in between settles */
                const struct cell *out;
                cr_assert_eq(state_cells(&s, &out, &n), OK);
                n = 0;
            }
            uint32_t t = (uint32_t)random_below(&seed, c), p = (uint32_t)random_below(&seed, c);
            cells[n++] = (struct cell){t, p, 1 + (int64_t)random_below(&seed, 9)};
            cells[n++] = (struct cell){t, (p + 1) % c, 2};
            cells[n++] = (struct cell){(t + 1) % c, p, 0};
            for (size_t k = 0; k < n; k++)
                matrix[(size_t)cells[k].target * c + cells[k].predicted] += cells[k].count;
            struct batch_content content = {.shape = shape, .cells = cells, .n_cells = n};
            b.packed = pack_batch(&content);
            add(&s, &b);
            bytes_free(&b.packed);
        }
        const struct cell *cells;
        size_t n, k = 0;
        cr_assert_eq(state_cells(&s, &cells, &n), OK);
        for (uint32_t t = 0; t < c; t++) {
            for (uint32_t p = 0; p < c; p++) {
                int64_t count = matrix[(size_t)t * c + p];
                if (count != 0)
                    cr_assert(k < n && cells[k].target == t && cells[k].predicted == p && cells[k].count == count);
                k += count != 0;
            }
        }
        cr_assert(k == n && state_is_valid(&s), "%u classes: %zu of %zu cells", c, k, n);
        free(matrix);
        state_release(&s);
    }
}

Test(cells, binary_states_have_their_four_cells)
{
    static const enum form FORMS[] = {FORM_CLASSES, FORM_CONFUSION};
    for (size_t i = 0; i < 2; i++) {
        struct class_entry entry = {0, {.tp = 5, .fp = 0, .fn = 2, .tn = 9}};
        struct batch_content content = {.shape = {FORMS[i], TASK_BINARY, 1, 0}, .entries = &entry, .n_entries = 1};
        struct batch b = {.packed = pack_batch(&content), .samples = 16};
        struct state s;
        const struct cell *cells;
        size_t n;
        new_state(&s, &content.shape);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 0);
        add(&s, &b);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 3);
        static const struct cell WANT[] = {{0, 0, 9}, {1, 0, 2}, {1, 1, 5}};
        for (size_t k = 0; k < n; k++)
            cr_assert(cells[k].target == WANT[k].target && cells[k].predicted == WANT[k].predicted &&
                      cells[k].count == WANT[k].count);
        add(&s, &b);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 3 && cells[0].count == 18);
        bytes_free(&b.packed);
        state_release(&s);
    }
}
