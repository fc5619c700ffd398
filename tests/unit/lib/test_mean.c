/*
 * Weighted means: their last value, and batches that say nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "state_kinds.h"

static struct bytes mean_batch(double sum, double weight)
{
    struct batch_content content = {.shape = {.form = FORM_MEAN}, .sum = sum, .weight = weight};
    return pack_batch(&content);
}

Test(mean, last_is_the_mean_of_the_greatest_key)
{
    static const struct batch_key KEYS[] = {{0, 5, 0}, {1, 0, 0}, {0, 9, 65535}, {1, 0, 1}, {0, 0, 3}};
    uint64_t seed = 10;
    for (size_t round = 0; round < 20; round++) {
        size_t index[] = {0, 1, 2, 3, 4};
        struct state s, parts[2];
        struct shape shape = {.form = FORM_MEAN};
        new_state(&s, &shape);
        new_state(&parts[0], &shape);
        new_state(&parts[1], &shape);
        shuffle(index, 5, &seed);
        for (size_t i = 0; i < 5; i++) {
            struct batch b = {.key = KEYS[index[i]], .packed = mean_batch((double)index[i] * 2, 2)};
            add(&s, &b);
            add(&parts[i % 2], &b);
            bytes_free(&b.packed);
        }
        /* empty or broken batches after it change nothing */
        struct batch late = {.key = {2, 0, 0}, .packed = mean_batch(5, 0)};
        add(&s, &late);
        bytes_free(&late.packed);
        cr_assert_eq(state_merge(&parts[0], &parts[1]), OK);
        cr_assert(s.mean.last == 3 && batch_key_compare(&s.mean.last_key, &KEYS[3]) == 0);
        cr_assert(parts[0].mean.last == 3 && batch_key_compare(&parts[0].mean.last_key, &KEYS[3]) == 0);
        cr_assert(s.batches == 6 && s.mean.finite == 5 && s.mean.nonfinite == 0 && s.samples == 0);
        cr_assert(s.mean.min == 0 && s.mean.max == 4 && mean_value(&s.mean) == 2);
        state_release(&s);
        state_release(&parts[0]);
        state_release(&parts[1]);
    }
}

Test(mean, batches_without_weight_or_not_finite_only_count)
{
    struct shape shape = {.form = FORM_MEAN};
    struct state s;
    new_state(&s, &shape);
    struct batch_content broken = {.shape = shape, .nonfinite = true, .sum = NAN};
    struct batch b = {.key = {0, 1, 0}, .packed = pack_batch(&broken)};
    struct batch empty = {.key = {0, 2, 0}, .packed = mean_batch(7, 0)};
    add(&s, &b);
    add(&s, &empty);
    cr_assert(s.batches == 2 && s.mean.nonfinite == 1 && s.mean.finite == 0 && isnan(mean_value(&s.mean)));
    cr_assert(isnan(state_primary(&s)) && state_is_valid(&s));
    struct bytes packed = pack_state(&s);
    struct state again;
    new_state(&again, &shape);
    cr_assert_eq(state_add_packed(&again, NULL, 0, 1, packed.data, packed.size), OK);
    cr_assert_eq(again.mean.nonfinite, 1);
    cr_assert_eq(state_add_packed(&again, NULL, 0, 0, packed.data, packed.size), ERR_RANGE);
    struct batch_key bad = {0, 0, 65536};
    cr_assert_eq(state_add_packed(&again, &bad, 0, 1, b.packed.data, b.packed.size), ERR_RANGE);
    cr_assert_eq(again.batches, 1);
    bytes_free(&packed);
    bytes_free(&b.packed);
    bytes_free(&empty.packed);
    state_release(&s);
    state_release(&again);
}
