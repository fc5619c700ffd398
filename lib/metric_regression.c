/*
 * Metrics of regression moments.
 *
 * A centred moment, such as M2 = sum y^2 - (sum y)^2 / n, is the small difference of two large numbers.  Both
 * are held exactly (regression.c), n times it is evaluated exactly, and only the result is rounded.  The
 * sums are scaled by powers of two first, so that no square leaves the doubles.
 *
 * Edge rules are torchmetrics' (docs/metrics.md, section 7): its thresholds of 1e-4 are absolute.
 */
#include <math.h>

#include "metric_parts.h"

static const double SMALL = 1e-4;

/*
 * A batch's mean is rounded.  Of equal values the means may differ in their last bits, and that is no
 * spread: below 2^-50 of the mean it is taken for 0.
 */
static const double ROUNDING = 0x1p-100;

/* The power of two that a sum and the root of its sum of squares stay below, about. */
static int scale_of(const struct exact_sum *sum, const struct exact_sum *squares)
{
    double a = fabs(exact_sum_value(sum)), b = exact_sum_value(squares);
    int scale_a = a > 0 ? ilogb(a) : b > 0 ? ilogb(b) / 2 : 0;
    int scale_b = b > 0 ? ilogb(b) / 2 + 1 : scale_a;
    return scale_a > scale_b ? scale_a : scale_b;
}

static int scaled(const struct exact_sum *s, int scale, struct exact_sum *out)
{
    exact_sum_init(out);
    int status = OK;
    for (size_t i = 0; i < s->n_parts && status == OK; i++)
        status = exact_sum_add(out, scalbn(s->part[i], -scale));
    return status;
}

/* Adds a b, each a sum. */
static int products_add(struct exact_sum *s, const struct exact_sum *a, const struct exact_sum *b, double sign)
{
    int status = OK;
    for (size_t i = 0; i < a->n_parts; i++) {
        for (size_t k = 0; k < b->n_parts && status == OK; k++) {
            double x = a->part[i], y = sign * b->part[k], high = x * y;
            status = exact_sum_add(s, high);
            if (status == OK)
                status = exact_sum_add(s, fma(x, y, -high));
        }
    }
    return status;
}

/* products - a b / n, a and b having been scaled, products by both scales.  False if it leaves the doubles. */
static bool centred(int64_t n, const struct exact_sum *products, const struct exact_sum *a, int scale_a,
                    const struct exact_sum *b, int scale_b, double *out)
{
    struct exact_sum p, x, y, count, sum;
    exact_sum_init(&sum);
    exact_sum_init(&count);
    bool fits = scaled(products, scale_a + scale_b, &p) == OK && scaled(a, scale_a, &x) == OK &&
                scaled(b, scale_b, &y) == OK && exact_sum_add(&count, (double)(n & 0x7fffffff)) == OK &&
                exact_sum_add(&count, (double)(n & ~INT64_C(0x7fffffff))) == OK &&
                products_add(&sum, &p, &count, 1) == OK && products_add(&sum, &x, &y, -1) == OK;
    if (fits)
        *out = exact_sum_value(&sum) / (double)n;
    return fits;
}

/* M2 of one variable; squares is at least sum^2 / n but for rounding. */
static double spread_of(int64_t n, const struct exact_sum *sum, const struct exact_sum *squares)
{
    double value;
    int scale = scale_of(sum, squares);
    if (!centred(n, squares, sum, scale, sum, scale, &value))
        return 0;
    double mean_part = scalbn(exact_sum_value(sum), -scale);
    if (value <= ROUNDING * mean_part * mean_part / (double)n)
        return 0;
    return scalbn(value, 2 * scale);
}

static double product_of(const struct regression *r)
{
    const struct exact_sum *sum = r->sum;
    double value;
    int scale_t = scale_of(&sum[REGRESSION_TARGET], &sum[REGRESSION_TARGET_SQUARES]);
    int scale_p = scale_of(&sum[REGRESSION_PREDICTION], &sum[REGRESSION_PREDICTION_SQUARES]);
    if (centred(r->n, &sum[REGRESSION_PRODUCTS], &sum[REGRESSION_TARGET], scale_t, &sum[REGRESSION_PREDICTION], scale_p,
                &value))
        return scalbn(value, scale_t + scale_p);
    /* a c that no data has, far above both spreads: its size is all that is left to say */
    return exact_sum_value(&sum[REGRESSION_PRODUCTS]);
}

static double spread_of_targets(const struct regression *r)
{
    return spread_of(r->n, &r->sum[REGRESSION_TARGET], &r->sum[REGRESSION_TARGET_SQUARES]);
}

static double spread_of_predictions(const struct regression *r)
{
    return spread_of(r->n, &r->sum[REGRESSION_PREDICTION], &r->sum[REGRESSION_PREDICTION_SQUARES]);
}

/* ---- means of errors ---- */

static double mean_of(const struct regression *r, enum regression_sum sum)
{
    return r->n > 0 ? exact_sum_value(&r->sum[sum]) / (double)r->n : NAN;
}

double regression_mse(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    return mean_of(&s->regression, REGRESSION_SQUARED_ERROR);
}

double regression_rmse(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    return sqrt(mean_of(&s->regression, REGRESSION_SQUARED_ERROR));
}

double regression_mae(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    return mean_of(&s->regression, REGRESSION_ABS_ERROR);
}

/* ---- shares of the spread ---- */

double regression_r2(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    const struct regression *r = &s->regression;
    double residual = exact_sum_value(&r->sum[REGRESSION_SQUARED_ERROR]);
    if (r->n < 2)
        return NAN;
    if (residual <= SMALL)
        return 1;
    double spread = spread_of_targets(r);
    return spread <= SMALL ? 0 : 1 - residual / spread;
}

double regression_explained_variance(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    const struct regression *r = &s->regression;
    if (r->n == 0)
        return NAN;
    double unexplained = spread_of(r->n, &r->sum[REGRESSION_ERROR], &r->sum[REGRESSION_SQUARED_ERROR]);
    if (unexplained == 0)
        return 1;
    double spread = spread_of_targets(r);
    return spread == 0 ? 0 : 1 - unexplained / spread;
}

double regression_pearson(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    const struct regression *r = &s->regression;
    if (r->n < 2)
        return NAN;
    double targets = spread_of_targets(r), predictions = spread_of_predictions(r);
    if (targets == 0 || predictions == 0)
        return NAN;
    return fmax(-1, fmin(1, product_of(r) / sqrt(targets) / sqrt(predictions)));
}

/* Lin's coefficient, undefined where both are the same constant. */
double regression_concordance(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    const struct regression *r = &s->regression;
    if (r->n < 2)
        return NAN;
    struct exact_sum difference = r->sum[REGRESSION_TARGET];
    for (size_t i = 0; i < r->sum[REGRESSION_PREDICTION].n_parts; i++)
        (void)exact_sum_add(&difference, -r->sum[REGRESSION_PREDICTION].part[i]);
    double distance = exact_sum_value(&difference) / (double)r->n;
    double targets = spread_of_targets(r), predictions = spread_of_predictions(r);
    double whole = targets + predictions + (double)(r->n - 1) * distance * distance;
    if (whole == 0)
        return NAN;
    /* a constant goes with nothing */
    double product = targets == 0 || predictions == 0 ? 0 : product_of(r);
    return fmax(-1, fmin(1, 2 * product / whole));
}
