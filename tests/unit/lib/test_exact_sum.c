#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "exact_sum.h"
#include "status.h"
#include "support.h"

static struct exact_sum sum_of(const double *value, size_t n)
{
    struct exact_sum s;
    exact_sum_init(&s);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(exact_sum_add(&s, value[i]), OK);
    return s;
}

static bool same_value(const struct exact_sum *a, const struct exact_sum *b)
{
    double x[EXACT_SUM_PARTS], y[EXACT_SUM_PARTS];
    size_t n = exact_sum_canonical(a, x);
    return n == exact_sum_canonical(b, y) && memcmp(x, y, n * sizeof *x) == 0;
}

Test(exact_sum, known_sums_round_once)
{
    static const struct {
        const char *name;
        size_t n;
        double value[6];
        double sum;
    } ROWS[] = {
        {"empty", 0, {0}, 0},
        {"minus zero", 1, {-0.0}, 0},
        {"cancellation", 3, {1e100, 1, -1e100}, 1},
        {"all gone", 4, {1e308, 1e-308, -1e308, -1e-308}, 0},
        {"tie to even, down", 2, {1, 0x1p-53}, 1},
        {"tie to even, up", 2, {1 + 0x1p-52, 0x1p-53}, 1 + 0x1p-51},
        {"tie broken upwards by a tiny part", 3, {1, 0x1p-53, 0x1p-1000}, 1 + 0x1p-52},
        {"tie broken downwards by a tiny part", 3, {1 + 0x1p-52, 0x1p-53, -0x1p-1000}, 1 + 0x1p-52},
        {"tie below a power of two", 3, {1, -0x1p-54, -0x1p-1000}, 1 - 0x1p-53},
        {"tie below a power of two, kept", 3, {1, -0x1p-54, 0x1p-1000}, 1},
        {"negative tie", 3, {-1, -0x1p-53, -0x1p-1000}, -1 - 0x1p-52},
        {"subnormals", 2, {DBL_TRUE_MIN, DBL_TRUE_MIN}, 2 * DBL_TRUE_MIN},
        {"the largest double", 2, {DBL_MAX, DBL_TRUE_MIN}, DBL_MAX},
        {"tenths", 6, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 0x1.3333333333334p-1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct exact_sum s = sum_of(ROWS[i].value, ROWS[i].n);
        double value = exact_sum_value(&s);
        cr_assert(value == ROWS[i].sum && !signbit(value) == !(value < 0), "%s: %.17g", ROWS[i].name, value);
    }
}

/* Values of 60 bits or less in fixed point, against 128-bit integers. */
Test(exact_sum, equals_integer_arithmetic)
{
    uint64_t seed = 3;
    for (size_t round = 0; round < 2000; round++) {
        struct exact_sum s;
        exact_sum_init(&s);
        __extension__ __int128 exact = 0;
        size_t n = 1 + random_below(&seed, 60);
        for (size_t i = 0; i < n; i++) {
            int64_t mantissa = (int64_t)(random_next(&seed) >> 11) - (INT64_C(1) << 52);
            unsigned shift = (unsigned)random_below(&seed, 60);
            exact += (__extension__(__int128) mantissa) * ((__extension__(__int128) 1) << shift);
            cr_assert_eq(exact_sum_add(&s, ldexp((double)mantissa, (int)shift)), OK);
        }
        cr_assert_eq(exact_sum_value(&s), (double)exact, "round %zu", round);
    }
}

Test(exact_sum, order_and_grouping_do_not_matter)
{
    enum { N = 200 };
    uint64_t seed = 5;
    for (size_t round = 0; round < 200; round++) {
        double value[N], permuted[N];
        size_t index[N];
        int spread = round % 2 == 0 ? 2000 : 80;
        for (size_t i = 0; i < N; i++) {
            double mantissa = (double)(int64_t)(random_next(&seed) >> 11) / 0x1p53 - 0.5;
            value[i] = ldexp(mantissa, (int)random_below(&seed, (uint64_t)spread) - spread / 2);
            index[i] = i;
        }
        struct exact_sum straight = sum_of(value, N);
        shuffle(index, N, &seed);
        for (size_t i = 0; i < N; i++)
            permuted[i] = value[index[i]];
        struct exact_sum shuffled = sum_of(permuted, N);
        cr_assert(same_value(&straight, &shuffled));
        cr_assert_eq(exact_sum_value(&straight), exact_sum_value(&shuffled));
        size_t cut = random_below(&seed, N + 1);
        struct exact_sum left = sum_of(permuted, cut), right = sum_of(permuted + cut, N - cut);
        struct exact_sum a = left, b = right;
        cr_assert(exact_sum_merge(&a, &right) == OK && exact_sum_merge(&b, &left) == OK);
        cr_assert(same_value(&a, &straight) && same_value(&b, &straight));
    }
}

/* Powers of two all over the range make as many parts as can be; taken away again nothing is left. */
Test(exact_sum, single_bits_over_the_whole_range_fit)
{
    enum { N = 6000 };
    static double value[N];
    uint64_t seed = 9;
    struct exact_sum s;
    exact_sum_init(&s);
    size_t n_most = 0;
    for (size_t i = 0; i < N; i++) {
        value[i] = ldexp(random_below(&seed, 2) == 0 ? 1 : -1, (int)random_below(&seed, 2090) - 1074);
        cr_assert_eq(exact_sum_add(&s, value[i]), OK);
        cr_assert_leq(s.n_parts, EXACT_SUM_PARTS);
        n_most = s.n_parts > n_most ? s.n_parts : n_most;
    }
    cr_assert_gt(n_most, 30);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(exact_sum_add(&s, -value[i]), OK);
    cr_assert_eq(s.n_parts, 0);
}

Test(exact_sum, canonical_parts_are_the_nearest_doubles_in_turn)
{
    uint64_t seed = 21;
    for (size_t round = 0; round < 500; round++) {
        struct exact_sum s;
        exact_sum_init(&s);
        for (size_t i = 0; i < 50; i++)
            cr_assert_eq(
                exact_sum_add(&s, ldexp((double)(int64_t)random_next(&seed), (int)random_below(&seed, 1500) - 900)),
                OK);
        double part[EXACT_SUM_PARTS];
        size_t n = exact_sum_canonical(&s, part);
        cr_assert_eq(part[0], exact_sum_value(&s));
        for (size_t i = 1; i < n; i++) {
            double above = fabs(part[i - 1]), unit = nextafter(above, INFINITY) - above;
            cr_assert(part[i] != 0 && fabs(part[i]) <= unit / 2, "part %zu is beyond half a unit", i);
        }
        struct exact_sum again = sum_of(part, n);
        cr_assert(same_value(&again, &s));
    }
}

Test(exact_sum, what_leaves_the_doubles_changes_nothing)
{
    struct exact_sum s, big, before;
    exact_sum_init(&s);
    exact_sum_init(&big);
    cr_assert(exact_sum_add(&s, DBL_MAX) == OK && exact_sum_add(&s, 0.1) == OK);
    cr_assert(exact_sum_add(&big, 1) == OK && exact_sum_add(&big, DBL_MAX) == OK);
    before = s;
    cr_assert_eq(exact_sum_add(&s, DBL_MAX), ERR_OVERFLOW);
    cr_assert_eq(exact_sum_merge(&s, &big), ERR_OVERFLOW);
    cr_assert_eq(exact_sum_add(&s, NAN), ERR_RANGE);
    cr_assert_eq(exact_sum_add(&s, INFINITY), ERR_RANGE);
    cr_assert_eq(s.n_parts, before.n_parts);
    cr_assert_arr_eq(s.part, before.part, s.n_parts * sizeof *s.part);
    cr_assert(exact_sum_add(&s, -DBL_MAX) == OK && exact_sum_value(&s) == 0.1);
}
