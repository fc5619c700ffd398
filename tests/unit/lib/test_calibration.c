/*
 * Calibration errors, reliability rows, and the bytes behind them.
 */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "curve.h"
#include "support.h"

static struct state state_of_bins(uint32_t n_bins, struct calibration_entry *entries, size_t n)
{
    struct batch_content content = {
        .shape = {FORM_CALIBRATION, TASK_MULTICLASS, 0, n_bins}, .calibration = entries, .n_calibration = n};
    return state_of(&content);
}

Test(calibration, errors_are_those_of_the_bins)
{
    /* gaps 0.5, 0.2 and 0.1 of 2, 5 and 3 samples */
    struct calibration_entry entries[] = {{4, 3, 3, 2.7}, {0, 2, 1, 0}, {2, 5, 2, 3.0}};
    struct state s = state_of_bins(4, entries, 3);
    cr_assert_float_eq(value_of("ece", &s), 0.5 * 0.2 + 0.2 * 0.5 + 0.1 * 0.3, 1e-15);
    cr_assert_float_eq(value_of("ece@l1", &s), 0.23, 1e-15);
    cr_assert_float_eq(value_of("ece@l2", &s), sqrt(0.25 * 0.2 + 0.04 * 0.5 + 0.01 * 0.3), 1e-15);
    cr_assert_float_eq(value_of("ece@max", &s), 0.5, 1e-15);
    cr_assert_eq(state_primary(&s), 0.6);
    state_clear(&s);
    cr_assert(isnan(value_of("ece", &s)) && isnan(value_of("ece@max", &s)) && isnan(state_primary(&s)));
    state_release(&s);
}

Test(calibration, rows_of_a_reliability_diagram)
{
    struct calibration_entry entries[] = {{4, 3, 3, 3}, {1, 2, 1, 0.75}};
    struct state s = state_of_bins(4, entries, 2), other;
    struct shape totals = {FORM_TOTALS, TASK_MULTICLASS, 3, 0};
    struct calibration_row row = {.count = 77};
    cr_assert_eq(calibration_row(&s, 5, &row), ERR_RANGE);
    cr_assert_eq(state_init(&other, &totals, false, plain_memory()), OK);
    cr_assert(calibration_row(&other, 0, &row) == ERR_NEED && row.count == 77);
    cr_assert_eq(calibration_row(&s, 0, &row), OK);
    cr_assert(row.low == 0 && row.high == 0.25 && row.count == 0 && isnan(row.confidence) && isnan(row.accuracy));
    cr_assert_eq(calibration_row(&s, 1, &row), OK);
    cr_assert(row.low == 0.25 && row.high == 0.5 && row.count == 2 && row.correct == 1 && row.confidence == 0.375 &&
              row.accuracy == 0.5);
    cr_assert_eq(calibration_row(&s, 4, &row), OK);
    cr_assert(row.low == 1 && row.high == 1 && row.confidence == 1 && row.accuracy == 1);
    state_release(&s);
    state_release(&other);
}

/* ---- bytes ---- */

struct seen {
    struct calibration_entry entries[8];
    size_t n;
};

static int see(void *context, const struct calibration_entry *entry)
{
    struct seen *seen = context;
    seen->entries[seen->n++] = *entry;
    return OK;
}

Test(calibration, packed_bins_come_back_in_order_and_as_posted)
{
    struct calibration_entry entries[] = {{10, 5, 5, 5}, {3, 7, 2, 0.1 + 0.2}, {5, 0, 0, 0}, {7, 1, 0, 0}};
    static const struct calibration_entry WANT[] = {{3, 7, 2, 0.1 + 0.2}, {7, 1, 0, 0}, {10, 5, 5, 5}};
    struct batch_content content = {
        .shape = {FORM_CALIBRATION, TASK_BINARY, 0, 10}, .calibration = entries, .n_calibration = 4};
    struct bytes packed = pack_batch(&content);
    struct seen seen = {.n = 0};
    cr_assert_eq(packed_calibration(packed.data, packed.size, see, &seen), OK);
    cr_assert_eq(seen.n, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert(seen.entries[i].bin == WANT[i].bin && seen.entries[i].count == WANT[i].count &&
                  seen.entries[i].correct == WANT[i].correct && seen.entries[i].confidence == WANT[i].confidence);
    /* a sum keeps every bit of its confidences, and reads as the nearest double */
    struct state s = state_of(&content);
    add_content(&s, &content, 0);
    struct calibration_entry small[] = {{3, 1, 0, 1e-40}};
    content.calibration = small;
    content.n_calibration = 1;
    add_content(&s, &content, 0);
    struct bytes sum = pack_state(&s);
    seen.n = 0;
    cr_assert(s.calibration[3].confidence.n_parts == 2 && packed_calibration(sum.data, sum.size, see, &seen) == OK);
    cr_assert(seen.n == 3 && seen.entries[0].count == 15 && seen.entries[0].confidence == 2 * (0.1 + 0.2));
    cr_assert_eq(packed_scores(sum.data, sum.size, NULL, NULL), ERR_SHAPE);
    bytes_free(&packed);
    bytes_free(&sum);
    state_release(&s);
}

/* One bin that cannot be added leaves the others alone.  No batch is like this, but bytes may be. */
Test(calibration, a_confidence_that_overflows_changes_nothing)
{
    uint8_t data[] = {5, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0x3f, 1, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0xe0, 0x7f};
    struct bytes packed = {data, sizeof data};
    struct shape shape = {FORM_CALIBRATION, TASK_MULTICLASS, 0, 2};
    struct state s, other;
    cr_assert_eq(state_init(&s, &shape, false, plain_memory()), OK);
    cr_assert_eq(state_init(&other, &shape, false, plain_memory()), OK);
    cr_assert_eq(state_add_packed(&s, NULL, 1, 1, packed.data, packed.size), OK);
    cr_assert_eq(state_add_packed(&other, NULL, 1, 1, packed.data, packed.size), OK);
    struct bytes before = pack_state(&s);
    cr_assert_eq(state_add_packed(&s, NULL, 1, 1, packed.data, packed.size), ERR_OVERFLOW);
    cr_assert_eq(state_merge(&s, &other), ERR_OVERFLOW);
    struct bytes after = pack_state(&s);
    cr_assert(bytes_equal(before, after) && s.batches == 1);
    /* damage behind the bin that overflows is damage */
    cr_assert_eq(state_add_packed(&s, NULL, 1, 1, packed.data, packed.size - 1), ERR_CORRUPT);
    bytes_free(&before);
    bytes_free(&after);
    state_release(&s);
    state_release(&other);
}

Test(calibration, what_is_no_calibration_is_refused)
{
    static const struct {
        const char *name;
        struct calibration_entry entries[2];
        size_t n;
        int status;
    } ROWS[] = {
        {"bin outside", {{11, 1, 1, 1}}, 1, ERR_RANGE},
        {"negative count", {{0, -1, 0, 0}}, 1, ERR_RANGE},
        {"more correct than samples", {{0, 1, 2, 0.5}}, 1, ERR_RANGE},
        {"negative correct", {{0, 1, -1, 0.5}}, 1, ERR_RANGE},
        {"negative confidence", {{0, 1, 1, -0.5}}, 1, ERR_RANGE},
        {"a mean instead of a sum is fine", {{0, 8, 1, 0.9}}, 1, OK},
        {"rounded up", {{10, 1000, 1, 1000.5}}, 1, OK},
        {"more than certain", {{10, 10, 1, 10.1}}, 1, ERR_RANGE},
        {"confidence without samples", {{0, 0, 0, 0.5}}, 1, ERR_RANGE},
        {"confidence not a number", {{0, 1, 1, NAN}}, 1, ERR_RANGE},
        {"infinite confidence", {{0, 1, 1, INFINITY}}, 1, ERR_RANGE},
        {"a bin twice", {{3, 1, 1, 1}, {3, 0, 0, 0}}, 2, ERR_RANGE},
        {"counts overflow", {{3, INT64_MAX, 1, 1}, {4, 1, 0, 0}}, 2, ERR_OVERFLOW},
        {"the last bin", {{10, 1, 1, 1}}, 1, OK},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct calibration_entry entries[2];
        memcpy(entries, ROWS[i].entries, sizeof entries);
        struct batch_content content = {
            .shape = {FORM_CALIBRATION, TASK_MULTICLASS, 0, 10}, .calibration = entries, .n_calibration = ROWS[i].n};
        uint8_t out[64];
        size_t size;
        cr_assert_eq(batch_pack(&content, out, sizeof out, &size), ROWS[i].status, "%s", ROWS[i].name);
    }
}
