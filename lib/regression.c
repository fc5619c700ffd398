/*
 * Regression moments, made additive.
 *
 * Centred moments do not add; raw sums of squares do, but lose everything where the mean is large.  Here
 * the raw sums are kept without rounding: n mean, n mean^2 and their like are taken apart into doubles whose
 * sum is the exact product, and added exactly.  So a sum is the same whatever the order and the
 * grouping, and what cancels later (metric_regression.c) cancels exactly.
 *
 * A batch's bytes are its numbers as posted: what it adds to a sum follows from them.
 */
#include <math.h>
#include <string.h>

#include "state_parts.h"

enum { REGRESSION_SUM_OF_BATCHES = 1 };

static const int64_t COUNT_MAX = INT64_C(1) << 53; /* exact as a double */

enum { N_NUMBERS = 8 };

/* The order of the bytes. */
static void numbers_get(const struct regression_content *c, double out[N_NUMBERS])
{
    const double numbers[N_NUMBERS] = {c->mean_target, c->mean_prediction, c->m2_target,     c->m2_prediction,
                                       c->c,           c->sum_error,       c->sum_abs_error, c->sum_squared_error};
    memcpy(out, numbers, sizeof numbers);
}

static void numbers_set(struct regression_content *c, const double n[N_NUMBERS])
{
    *c = (struct regression_content){c->n, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]};
}

/* ---- one batch as a sum ---- */

/* Adds a b, exactly but where its low half is below the smallest double. */
static int product_add(struct exact_sum *s, double a, double b)
{
    double high = a * b;
    if (!isfinite(high))
        return ERR_OVERFLOW;
    int status = exact_sum_add(s, high);
    return status != OK ? status : exact_sum_add(s, fma(a, b, -high));
}

/* Adds m + n x y. */
static int moment_add(struct exact_sum *s, double m, double n, double x, double y)
{
    double high = x * y;
    if (!isfinite(high))
        return ERR_OVERFLOW;
    int status = exact_sum_add(s, m);
    if (status == OK)
        status = product_add(s, n, high);
    return status != OK ? status : product_add(s, n, fma(x, y, -high));
}

static int sums_of(const struct regression_content *c, struct regression *out)
{
    double n = (double)c->n;
    out->n = c->n;
    for (size_t i = 0; i < N_REGRESSION_SUMS; i++)
        exact_sum_init(&out->sum[i]);
    if (c->n == 0)
        return OK;
    bool fits =
        product_add(&out->sum[REGRESSION_TARGET], n, c->mean_target) == OK &&
        product_add(&out->sum[REGRESSION_PREDICTION], n, c->mean_prediction) == OK &&
        moment_add(&out->sum[REGRESSION_TARGET_SQUARES], c->m2_target, n, c->mean_target, c->mean_target) == OK &&
        moment_add(&out->sum[REGRESSION_PREDICTION_SQUARES], c->m2_prediction, n, c->mean_prediction,
                   c->mean_prediction) == OK &&
        moment_add(&out->sum[REGRESSION_PRODUCTS], c->c, n, c->mean_target, c->mean_prediction) == OK &&
        exact_sum_add(&out->sum[REGRESSION_ERROR], c->sum_error) == OK &&
        exact_sum_add(&out->sum[REGRESSION_ABS_ERROR], c->sum_abs_error) == OK &&
        exact_sum_add(&out->sum[REGRESSION_SQUARED_ERROR], c->sum_squared_error) == OK;
    return fits ? OK : ERR_OVERFLOW;
}

static int content_check(const struct regression_content *c, struct regression *sums)
{
    double number[N_NUMBERS];
    numbers_get(c, number);
    if (c->n < 0 || c->n > COUNT_MAX)
        return ERR_RANGE;
    for (size_t i = 0; i < N_NUMBERS && c->n > 0; i++) {
        if (!isfinite(number[i]))
            return ERR_RANGE;
    }
    if (c->n > 0 && (c->m2_target < 0 || c->m2_prediction < 0 || c->sum_abs_error < 0 || c->sum_squared_error < 0))
        return ERR_RANGE;
    return sums_of(c, sums);
}

/* ---- addition ---- */

static int regression_add(struct regression *into, const struct regression *from)
{
    struct regression sum = *into;
    if (__builtin_add_overflow(sum.n, from->n, &sum.n))
        return ERR_OVERFLOW;
    for (size_t i = 0; i < N_REGRESSION_SUMS; i++) {
        int status = exact_sum_merge(&sum.sum[i], &from->sum[i]);
        if (status != OK)
            return status;
    }
    *into = sum;
    return OK;
}

static int regression_merge(struct state *into, struct state *from)
{
    return regression_add(&into->regression, &from->regression);
}

static void regression_clear(struct state *s)
{
    s->regression.n = 0;
    for (size_t i = 0; i < N_REGRESSION_SUMS; i++)
        exact_sum_init(&s->regression.sum[i]);
}

/* Sums that cannot be negative are not. */
static bool sums_are_valid(const struct regression *r)
{
    static const enum regression_sum NOT_NEGATIVE[] = {REGRESSION_TARGET_SQUARES, REGRESSION_PREDICTION_SQUARES,
                                                       REGRESSION_ABS_ERROR, REGRESSION_SQUARED_ERROR};
    if (r->n < 0)
        return false;
    for (size_t i = 0; i < N_REGRESSION_SUMS && r->n == 0; i++) {
        if (r->sum[i].n_parts != 0)
            return false;
    }
    for (size_t i = 0; i < sizeof NOT_NEGATIVE / sizeof *NOT_NEGATIVE; i++) {
        if (exact_sum_value(&r->sum[NOT_NEGATIVE[i]]) < 0)
            return false;
    }
    return true;
}

static bool regression_is_valid(const struct state *s)
{
    return sums_are_valid(&s->regression);
}

/* The mean squared error. */
static double regression_primary(const struct state *s)
{
    const struct regression *r = &s->regression;
    return r->n > 0 ? exact_sum_value(&r->sum[REGRESSION_SQUARED_ERROR]) / (double)r->n : NAN;
}

/* ---- bytes ---- */

static bool content_read(struct pack_reader *r, struct regression_content *out)
{
    double number[N_NUMBERS] = {0};
    if (!varint_read_count(r, &out->n))
        return false;
    for (size_t i = 0; i < N_NUMBERS && out->n > 0; i++) {
        if (!number_read(r, &number[i]))
            return false;
    }
    numbers_set(out, number);
    return true;
}

static bool sums_read(struct pack_reader *r, struct regression *out)
{
    if (!varint_read_count(r, &out->n))
        return false;
    for (size_t i = 0; i < N_REGRESSION_SUMS; i++) {
        exact_sum_init(&out->sum[i]);
        if (out->n > 0 && !parts_read(r, &out->sum[i]))
            return false;
    }
    return sums_are_valid(out);
}

/* content is set where the body is that of one batch. */
static bool body_read(struct pack_reader *r, struct regression *out, struct regression_content *content, bool *is_batch)
{
    uint64_t flags;
    if (!varint_read(r, &flags) || flags > REGRESSION_SUM_OF_BATCHES)
        return false;
    *is_batch = flags == 0;
    if (!*is_batch)
        return sums_read(r, out);
    return content_read(r, content) && content_check(content, out) == OK;
}

static bool regression_body_check(struct pack_reader *r, const struct shape *shape)
{
    (void)shape;
    struct regression sums;
    struct regression_content content;
    bool is_batch;
    return body_read(r, &sums, &content, &is_batch);
}

static int regression_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key,
                               int64_t batches)
{
    (void)key;
    (void)batches;
    struct pack_reader r = *body;
    struct regression sums;
    struct regression_content content;
    bool is_batch;
    if (!body_read(&r, &sums, &content, &is_batch) || r.at != r.end)
        return ERR_CORRUPT;
    return regression_add(&s->regression, &sums);
}

int packed_regression(const uint8_t *data, size_t size, struct regression_content *out)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    struct regression sums;
    struct regression_content content;
    bool is_batch;
    int status = body_find(&r, FORM_REGRESSION, &shape);
    if (status != OK)
        return status;
    if (!body_read(&r, &sums, &content, &is_batch))
        return ERR_CORRUPT;
    if (!is_batch)
        return ERR_NEED;
    *out = content;
    return OK;
}

static int regression_batch_check(struct batch_content *content)
{
    struct regression sums;
    return content_check(&content->regression, &sums);
}

static void regression_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    double number[N_NUMBERS];
    numbers_get(&content->regression, number);
    varint_write(w, 0);
    varint_write(w, (uint64_t)content->regression.n);
    for (size_t i = 0; i < N_NUMBERS && content->regression.n > 0; i++)
        number_write(w, number[i]);
}

static void regression_write(struct pack_writer *w, const struct state *s)
{
    varint_write(w, REGRESSION_SUM_OF_BATCHES);
    varint_write(w, (uint64_t)s->regression.n);
    for (size_t i = 0; i < N_REGRESSION_SUMS && s->regression.n > 0; i++)
        parts_write(w, &s->regression.sum[i]);
}

const struct kind_ops regression_ops = {
    .clear = regression_clear,
    .is_valid = regression_is_valid,
    .primary = regression_primary,
    .merge = regression_merge,
    .add_body = regression_add_body,
    .body_check = regression_body_check,
    .batch_check = regression_batch_check,
    .batch_write = regression_batch_write,
    .write = regression_write,
};
