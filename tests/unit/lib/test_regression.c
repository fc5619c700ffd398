/*
 * Regression moments: exact where raw sums cancel, equal to Chan's rule, and the edges.
 */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"

static struct batch_content content_of(struct regression_content regression)
{
    return (struct batch_content){.shape = {.form = FORM_REGRESSION}, .regression = regression};
}

/* The moments of samples y (targets) and x (predictions), in long double. */
static struct regression_content moments_of(const double *y, const double *x, size_t n)
{
    long double my = 0, mx = 0, yy = 0, xx = 0, xy = 0, e = 0, ea = 0, ee = 0;
    for (size_t i = 0; i < n; i++) {
        my += (long double)y[i] / n;
        mx += (long double)x[i] / n;
    }
    for (size_t i = 0; i < n; i++) {
        long double dy = y[i] - my, dx = x[i] - mx, error = (long double)y[i] - x[i];
        yy += dy * dy;
        xx += dx * dx;
        xy += dx * dy;
        e += error;
        ea += fabsl(error);
        ee += error * error;
    }
    return (struct regression_content){(int64_t)n, (double)my, (double)mx, (double)yy, (double)xx,
                                       (double)xy, (double)e,  (double)ea, (double)ee};
}

/* Chan, Golub, LeVeque 1979. */
static struct regression_content chan(const struct regression_content *a, const struct regression_content *b)
{
    double n = (double)(a->n + b->n), dy = b->mean_target - a->mean_target,
           dx = b->mean_prediction - a->mean_prediction;
    double part = (double)b->n / n, cross = (double)a->n * part;
    return (struct regression_content){a->n + b->n,
                                       a->mean_target + dy * part,
                                       a->mean_prediction + dx * part,
                                       a->m2_target + b->m2_target + dy * dy * cross,
                                       a->m2_prediction + b->m2_prediction + dx * dx * cross,
                                       a->c + b->c + dx * dy * cross,
                                       a->sum_error + b->sum_error,
                                       a->sum_abs_error + b->sum_abs_error,
                                       a->sum_squared_error + b->sum_squared_error};
}

/* The mean is 0, 1e4, 1e6, 1e8: raw sums in double would be off by up to 5e-2. */
Test(regression, values_are_those_of_the_samples_and_of_chans_rule)
{
    enum { N = 400 };
    static const double OFFSETS[] = {0, 1e4, 1e6, 1e8, -1e8};
    uint64_t seed = 61;
    for (size_t o = 0; o < sizeof OFFSETS / sizeof *OFFSETS; o++) {
        double y[N], x[N];
        for (size_t i = 0; i < N; i++) {
            y[i] = OFFSETS[o] + 2 * ldexp((double)(random_next(&seed) >> 11), -52);
            x[i] = y[i] + 0.3 * ldexp((double)(random_next(&seed) >> 11), -52);
        }
        struct regression_content all = moments_of(y, x, N), merged = moments_of(y, x, 7);
        struct batch_content first = content_of(merged);
        struct state s = state_of(&first);
        for (size_t i = 7; i < N;) {
            size_t n = 1 + random_below(&seed, 30);
            n = n < N - i ? n : N - i;
            struct batch_content part = content_of(moments_of(y + i, x + i, n));
            add_content(&s, &part, 0);
            merged = chan(&merged, &part.regression);
            i += n;
        }
        for (size_t k = 0; k < 2; k++) {
            const struct regression_content *m = k == 0 ? &all : &merged;
            double n = (double)m->n, d = m->mean_target - m->mean_prediction;
            double tolerance = 1e-12 * fmax(1, fabs(OFFSETS[o]) / 1e4);
            cr_assert_float_eq(value_of("mse", &s), m->sum_squared_error / n, 1e-12);
            cr_assert_float_eq(value_of("rmse", &s), sqrt(m->sum_squared_error / n), 1e-12);
            cr_assert_float_eq(value_of("mae", &s), m->sum_abs_error / n, 1e-12);
            cr_assert_float_eq(value_of("r2", &s), 1 - m->sum_squared_error / m->m2_target, tolerance);
            cr_assert_float_eq(
                value_of("explained_variance", &s),
                1 - (m->sum_squared_error / n - m->sum_error / n * m->sum_error / n) / (m->m2_target / n), tolerance);
            cr_assert_float_eq(value_of("pearson", &s), m->c / sqrt(m->m2_target * m->m2_prediction), tolerance);
            cr_assert_float_eq(value_of("concordance", &s),
                               2 * m->c / (m->m2_target + m->m2_prediction + (n - 1) * d * d), tolerance);
        }
        cr_assert_float_eq(state_primary(&s), all.sum_squared_error / N, 1e-12);
        state_release(&s);
    }
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12;
}

Test(regression, edges_follow_the_rules)
{
    static const struct {
        const char *name;
        struct regression_content r;
        double mse, r2, explained_variance, pearson, concordance;
    } ROWS[] = {
        {"nothing", {.n = 0}, NAN, NAN, NAN, NAN, NAN},
        {"one sample", {1, 3, 2, 0, 0, 0, 1, 1, 1}, 1, NAN, 1, NAN, NAN},
        {"exact", {4, 1, 1, 5, 5, 5, 0, 0, 0}, 0, 1, 1, 1, 1},
        {"nearly exact", {4, 1, 1, 1e-9, 1e-9, 1e-9, 0.0, 1e-5, 1e-4}, 2.5e-5, 1, 1 - 1e-4 / 1e-9, 1, 1},
        {"constant target", {4, 1, 1, 0, 5, 0, 0, 2, 5}, 1.25, 0, 0, NAN, 0},
        {"nearly constant target", {4, 1, 1, 1e-4, 5, 0, 0, 2, 5}, 1.25, 0, 1 - 5 / 1e-4, 0, 0},
        {"constant prediction", {4, 1, 1, 5, 0, 0, 0, 2, 5}, 1.25, 0, 0, NAN, 0},
        {"both constant", {4, 1, 1, 0, 0, 0, 0, 0, 0}, 0, 1, 1, NAN, NAN},
        {"constant error", {4, 1, 2, 5, 5, 5, -4, 4, 4}, 1, 0.2, 1, 1, 10.0 / 13},
        {"opposite", {4, 0, 0, 5, 5, -5, 0, 8, 20}, 5, -3, -3, -1, -1},
        {"more than one", {4, 0, 0, 5, 5, 6, 0, 1, 1}, 0.25, 0.8, 0.8, 1, 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct batch_content content = content_of(ROWS[i].r);
        struct state s = state_of(&content);
        double values[] = {value_of("mse", &s), value_of("r2", &s), value_of("explained_variance", &s),
                           value_of("pearson", &s), value_of("concordance", &s)};
        double want[] = {ROWS[i].mse, ROWS[i].r2, ROWS[i].explained_variance, ROWS[i].pearson, ROWS[i].concordance};
        for (size_t k = 0; k < 5; k++)
            cr_assert(same(values[k], want[k]) || fabs(values[k] / want[k] - 1) < 1e-12, "%s, value %zu: %.17g",
                      ROWS[i].name, k, values[k]);
        cr_assert(same(value_of("rmse", &s), sqrt(ROWS[i].mse)));
        state_release(&s);
    }
}

/* Means of equal values may differ in their last bit; that is no spread. */
Test(regression, rounded_means_are_no_spread)
{
    struct batch_content a = content_of((struct regression_content){3, 0.3, 1, 0, 2, 0, 0, 1, 1});
    struct batch_content b = content_of((struct regression_content){7, nextafter(0.3, 1), 1, 0, 2, 0, 0, 1, 1});
    struct state s = state_of(&a);
    add_content(&s, &b, 0);
    cr_assert(isnan(value_of("pearson", &s)) && value_of("explained_variance", &s) == 0 && value_of("r2", &s) == 0);
    state_release(&s);
}

/* Far from 1 in either direction. */
Test(regression, sizes_of_the_data_do_not_matter)
{
    static const double SIZES[] = {1e-160, 1e-100, 1, 1e100, 1e150};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        double z = SIZES[i], zz = z * z;
        struct batch_content a =
            content_of((struct regression_content){4, 3 * z, 2 * z, 5 * zz, 6 * zz, 4 * zz, 4 * z, 5 * z, 7 * zz});
        struct batch_content b =
            content_of((struct regression_content){4, -3 * z, -1 * z, 5 * zz, 6 * zz, 4 * zz, -8 * z, 9 * z, 30 * zz});
        struct state s = state_of(&a);
        add_content(&s, &b, 0);
        double tolerance = z < 1e-150 ? 1e-3 : 1e-12; /* its squares are no full doubles */
        cr_assert_float_eq(value_of("pearson", &s), 44 / sqrt(82.0 * 30), tolerance, "%g", z);
        state_release(&s);
    }
}

/* Whatever a client may send: no NAN but where a value is undefined, nothing beyond the ranges. */
Test(regression, values_of_nonsense_stay_in_their_ranges)
{
    static const double NUMBERS[] = {0, 1, -1, 1e-300, -1e-300, 1e153, -1e153, 0.1, 5e-324, 1e15, 1e-160, 3};
    uint64_t seed = 67;
    for (size_t round = 0; round < 20000; round++) {
        double v[8];
        for (size_t i = 0; i < 8; i++)
            v[i] = NUMBERS[random_below(&seed, 12)];
        struct batch_content content = content_of((struct regression_content){
            (int64_t)random_below(&seed, 5), v[0], v[1], fabs(v[2]), fabs(v[3]), v[4], v[5], fabs(v[6]), fabs(v[7])});
        struct state s = state_of(&content);
        for (size_t i = 0; i < metric_count(); i++) {
            struct metric_choice choice = {.metric = metric_at(i)};
            double value;
            if (metric_at(i)->kind != KIND_REGRESSION)
                continue;
            cr_assert_eq(metric_compute(&choice, &s, NULL, &value), OK);
            cr_assert(isnan(value) || (isfinite(value) && value >= metric_at(i)->low && value <= metric_at(i)->high),
                      "%s: %g", metric_at(i)->name, value);
            cr_assert(!isnan(value) || content.regression.n < 2 || strcmp(metric_at(i)->name, "pearson") == 0 ||
                          strcmp(metric_at(i)->name, "explained_variance") == 0 ||
                          strcmp(metric_at(i)->name, "concordance") == 0,
                      "%s", metric_at(i)->name);
        }
        state_release(&s);
    }
}

/* ---- bytes ---- */

Test(regression, a_packed_batch_gives_back_what_was_posted)
{
    struct regression_content posted = {17, 0.1, -1.0 / 3, 2.5e-300, 1e300, -7, 0.30000000000000004, 12, 1e15 / 3};
    struct batch_content content = content_of(posted), none = content_of(posted);
    struct bytes packed = pack_batch(&content);
    struct regression_content back;
    cr_assert_eq(packed_regression(packed.data, packed.size, &back), OK);
    cr_assert(back.n == posted.n && back.mean_target == posted.mean_target &&
              back.mean_prediction == posted.mean_prediction && back.m2_target == posted.m2_target &&
              back.m2_prediction == posted.m2_prediction && back.c == posted.c && back.sum_error == posted.sum_error &&
              back.sum_abs_error == posted.sum_abs_error && back.sum_squared_error == posted.sum_squared_error);
    none.regression.n = 0;
    struct bytes empty = pack_batch(&none);
    cr_assert(empty.size == 3 && packed_regression(empty.data, empty.size, &back) == OK && back.n == 0 &&
              back.mean_target == 0);
    struct state s = state_of(&content);
    struct bytes sum = pack_state(&s);
    back.n = 77;
    cr_assert_eq(packed_regression(sum.data, sum.size, &back), ERR_NEED);
    cr_assert_eq(packed_regression(packed.data, packed.size - 1, &back), ERR_CORRUPT);
    cr_assert_eq(packed_scores(packed.data, packed.size, NULL, NULL), ERR_SHAPE);
    cr_assert_eq(back.n, 77);
    bytes_free(&packed);
    bytes_free(&empty);
    bytes_free(&sum);
    state_release(&s);
}

Test(regression, what_are_no_moments_is_refused)
{
    static const struct {
        const char *name;
        struct regression_content r;
        int status;
    } ROWS[] = {
        {"negative n", {.n = -1}, ERR_RANGE},
        {"n beyond the doubles", {.n = (INT64_C(1) << 53) + 1}, ERR_RANGE},
        {"NaN", {.n = 1, .mean_target = NAN}, ERR_RANGE},
        {"infinite", {.n = 1, .sum_error = INFINITY}, ERR_RANGE},
        {"negative m2", {.n = 1, .m2_target = -1e-9}, ERR_RANGE},
        {"negative m2 of predictions", {.n = 1, .m2_prediction = -1}, ERR_RANGE},
        {"negative absolute error", {.n = 1, .sum_abs_error = -1}, ERR_RANGE},
        {"negative squared error", {.n = 1, .sum_squared_error = -1}, ERR_RANGE},
        {"squares overflow", {.n = 1, .mean_target = 1e155}, ERR_OVERFLOW},
        {"n times the square overflows", {.n = 1000000, .mean_prediction = 1e152}, ERR_OVERFLOW},
        {"nothing, whatever it says", {.n = 0, .mean_target = NAN, .m2_target = -1}, OK},
        {"largest n", {.n = INT64_C(1) << 53, .mean_target = 0.1}, OK},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct batch_content content = content_of(ROWS[i].r);
        uint8_t out[128];
        size_t size;
        cr_assert_eq(batch_pack(&content, out, sizeof out, &size), ROWS[i].status, "%s", ROWS[i].name);
    }
}
