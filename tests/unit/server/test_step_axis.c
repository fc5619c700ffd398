#include <criterion/criterion.h>
#include <string.h>

#include "step_axis.h"

Test(step_axis, an_epoch_keeps_the_offset_only_if_its_steps_go_on_rising)
{
    static const struct {
        struct axis_epoch epochs[3];
        size_t n;
        int64_t offsets[3];
        bool counted;
    } rows[] = {
        {{{.epoch = 0, .first_step = 0, .last_step = 2}, {.epoch = 1, .first_step = 3, .last_step = 4}},
         2,
         {0, 0},
         false},
        {{{.epoch = 0, .first_step = 0, .last_step = 2}, {.epoch = 1, .first_step = 0, .last_step = 1}},
         2,
         {0, 3},
         true},
        {{{.epoch = 0, .first_step = 5, .last_step = 6}, {.epoch = 2, .first_step = 100, .last_step = 100}},
         2,
         {0, 0},
         false},
        {{{.epoch = 0, .first_step = 5, .last_step = 6}, {.epoch = 2, .first_step = 6, .last_step = 8}},
         2,
         {0, 1},
         true},
        {{{.epoch = 3, .first_step = 10, .last_step = 10}, {.epoch = 4}, {.epoch = 5, .first_step = 1, .last_step = 1}},
         3,
         {0, 11, 11},
         true},
        {{{.epoch = 7, .first_step = 9, .last_step = 9}}, 1, {0}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct axis_epoch epochs[3];
        bool counted;
        memcpy(epochs, rows[i].epochs, sizeof epochs);
        cr_assert_eq(step_axis_place(epochs, rows[i].n, &counted), OK);
        cr_assert_eq(counted, rows[i].counted, "row %zu", i);
        for (size_t e = 0; e < rows[i].n; e++)
            cr_assert_eq(epochs[e].offset, rows[i].offsets[e], "row %zu epoch %zu: %ld", i, e, (long)epochs[e].offset);
    }
}

Test(step_axis, positions_beyond_64_bits_are_an_error)
{
    enum { N = 2000 };
    static struct axis_epoch epochs[N];
    bool counted;
    for (int i = 0; i < N; i++)
        epochs[i] = (struct axis_epoch){.epoch = i, .last_step = (INT64_C(1) << 53) - 1};
    cr_assert_eq(step_axis_place(epochs, N, &counted), ERR_OVERFLOW);
    cr_assert_eq(step_axis_place(epochs, 1000, &counted), OK);
}

Test(step_axis, a_range_is_what_lies_between_two_positions)
{
    struct axis_epoch epochs[] = {{.epoch = 0, .first_step = 2, .last_step = 9},
                                  {.epoch = 4, .first_step = 0, .last_step = 3}};
    bool counted;
    cr_assert_eq(step_axis_place(epochs, 2, &counted), OK); /* x: 2..9, 10..13 */
    for (int64_t from = 0; from < 16; from++)
        for (int64_t to = from; to < 16; to++) {
            struct axis_range range;
            bool any = false;
            step_axis_range(epochs, 2, from, to, &range);
            for (int e = 0; e < 2; e++)
                for (int64_t step = epochs[e].first_step; step <= epochs[e].last_step; step++) {
                    int64_t x = epochs[e].offset + step;
                    bool inside = x >= from && x <= to;
                    any = any || inside;
                    cr_assert_eq(axis_range_has(&range, epochs, epochs[e].epoch, step), inside, "%ld..%ld at %ld",
                                 (long)from, (long)to, (long)x);
                }
            cr_assert_eq(range.empty, !any);
        }
}

Test(step_axis, entries_of_every_width_are_counted_exactly)
{
    uint64_t seed = 7;
    for (int round = 0; round < 300; round++) {
        struct step_widths w;
        int64_t epochs[200], steps[200], step = 0;
        int n = 1 + (int)(seed % 199), epoch = 0, whole_first = 0;
        step_widths_init(&w);
        for (int i = 0; i < n; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            if (i > 0 && seed >> 60 == 0) {
                epoch++;
                step = 0;
            }
            step += (int64_t)(seed >> 40 & 3) << (seed >> 50 & (round % 2 ? 7 : 40)) % 45;
            step %= INT64_C(1) << 53;
            if (i > 0 && epoch == epochs[i - 1] && step < steps[i - 1])
                step = steps[i - 1];
            epochs[i] = epoch;
            steps[i] = step;
            step_widths_add(&w, epoch, step);
        }
        for (int level = 0; level < STEP_LEVELS; level++) {
            int64_t want = 0;
            for (int i = 0; i < n; i++)
                want += i == 0 || epochs[i] != epochs[i - 1] || steps[i] >> level != steps[i - 1] >> level;
            cr_assert_eq(step_widths_entries(&w, level), want, "round %d level %d", round, level);
            int chosen = step_widths_level(&w, 0, want);
            cr_assert(chosen >= 0 && chosen <= level && step_widths_entries(&w, chosen) <= want);
            cr_assert(chosen == 0 || step_widths_entries(&w, chosen - 1) > want);
        }
        cr_assert(w.epochs != epoch + 1 || step_widths_level(&w, 0, epoch) == -1, "more epochs than points");
        struct axis_epoch whole = {.epoch = epochs[0], .first_step = steps[0]};
        while (whole_first + 1 < n && epochs[whole_first + 1] == epochs[0])
            whole_first++;
        whole.last_step = steps[whole_first];
        int level = step_axis_whole_level(&whole, 0, 0);
        cr_assert_eq(whole.first_step >> level, whole.last_step >> level);
        cr_assert(level == 0 || whole.first_step >> (level - 1) != whole.last_step >> (level - 1));
    }
}
