#include <math.h>

#include <criterion/criterion.h>

#include "interval.h"
#include "status.h"

Test(interval, wilson_has_the_values_of_scipy)
{
    static const struct {
        int64_t k, n;
        double low, high;
    } ROWS[] = {
        {0, 10, 0, 0.277532799862889},
        {7, 50, 0.069508334270163, 0.261861937105855},
        {318, 384, 0.787187619331698, 0.862562411947201},
        {1, 1, 0.206549314377237, 1},
        {0, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        double low, high;
        cr_assert_eq(interval_wilson(ROWS[i].k, ROWS[i].n, &low, &high), OK);
        cr_assert_float_eq(low, ROWS[i].low, 1e-14, "row %zu: low %.17g", i, low);
        cr_assert_float_eq(high, ROWS[i].high, 1e-14, "row %zu: high %.17g", i, high);
    }
}

Test(interval, ends_are_exact_and_the_share_lies_inside)
{
    for (int64_t n = 1; n < 200; n++) {
        for (int64_t k = 0; k <= n; k++) {
            double low, high, share = (double)k / (double)n;
            cr_assert_eq(interval_wilson(k, n, &low, &high), OK);
            cr_assert(0 <= low && low <= share && share <= high && high <= 1, "%ld of %ld", (long)k, (long)n);
            cr_assert_eq(low == 0, k == 0);
            cr_assert_eq(high == 1, k == n);
        }
    }
}

Test(interval, huge_counts_do_not_overflow_and_bad_ones_are_refused)
{
    double low = 5, high = 6;
    cr_assert_eq(interval_wilson(INT64_MAX / 2, INT64_MAX, &low, &high), OK);
    cr_assert(low <= 0.5 && high >= 0.5 && high - low < 1e-8, "%.17g %.17g", low, high);
    low = 5;
    high = 6;
    cr_assert_eq(interval_wilson(-1, 3, &low, &high), ERR_RANGE);
    cr_assert_eq(interval_wilson(4, 3, &low, &high), ERR_RANGE);
    cr_assert_eq(interval_wilson(0, -1, &low, &high), ERR_RANGE);
    cr_assert(low == 5 && high == 6);
}
