/*
 * Exact sums of doubles.
 *
 * Why: a sum of doubles depends on the order of its terms in the last bits.  Ranks arrive in any
 * order, so equal data would give unequal text.  An expansion loses nothing.
 *
 * Invariants:
 * 1. the parts are non-overlapping, non-zero, of rising magnitude, and add up to the exact value;
 * 2. two_sum() is exact in round-to-nearest without excess precision, subnormals included; only
 *    overflow breaks it, and overflow is refused;
 * 3. the canonical form needs at most EXACT_SUM_PARTS parts: each is at least 53 binary places below
 *    the one before it, and 2098 places are all there are.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>

#include "exact_sum.h"
#include "status.h"

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "exact sums need doubles without excess precision (on x86: -msse2 -mfpmath=sse)"
#endif

/* Non-overlapping parts may be as short as one bit each, and grow in number; beyond this many they are
   made canonical, which losses need two or three of. */
enum { PARTS_COMFORTABLE = 5 };

void exact_sum_init(struct exact_sum *s)
{
    s->n_parts = 0;
}

/* high + low == a + b exactly, high being the rounded sum (Knuth's TwoSum). */
static double two_sum(double a, double b, double *low)
{
    double high = a + b;
    double b_part = high - a;
    double a_part = high - b_part;
    *low = (a - a_part) + (b - b_part);
    return high;
}

/*
 * Grow-Expansion with the zeros left out: out[] gets at most n + 1 parts and may be the same array as
 * part[].  Returns the number of parts, or SIZE_MAX if the sum overflows.
 */
static size_t grow(const double *part, size_t n, double value, double *out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        double low;
        value = two_sum(value, part[i], &low);
        if (!isfinite(value))
            return SIZE_MAX;
        if (low != 0)
            out[n_out++] = low;
    }
    if (value != 0)
        out[n_out++] = value;
    return n_out;
}

/* The double nearest to the expansion, ties to even. */
static double nearest(const double *part, size_t n)
{
    if (n == 0)
        return 0;
    double high = part[--n];
    double low = 0;
    while (n > 0 && low == 0)
        high = two_sum(high, part[--n], &low);
    /* A tie was broken without looking at the parts below it: they may decide otherwise. */
    if (n > 0 && ((low < 0 && part[n - 1] < 0) || (low > 0 && part[n - 1] > 0))) {
        double twice = low * 2;
        double other = high + twice;
        if (other - high == twice)
            high = other;
    }
    return isfinite(high) ? high : copysign(DBL_MAX, high);
}

/* Takes the parts apart, largest first, into at most EXACT_SUM_PARTS. */
static size_t canonical(double *part, size_t n, double *out)
{
    size_t n_out = 0;
    while (n > 0 && n_out < EXACT_SUM_PARTS) {
        double top = nearest(part, n);
        out[n_out++] = top;
        n = grow(part, n, -top, part);
    }
    return n_out;
}

int exact_sum_add(struct exact_sum *s, double value)
{
    if (!isfinite(value))
        return ERR_RANGE;
    double part[EXACT_SUM_PARTS + 2]; /* one more for the addition, one more for canonical() */
    size_t n = grow(s->part, s->n_parts, value, part);
    if (n == SIZE_MAX)
        return ERR_OVERFLOW;
    if (n <= PARTS_COMFORTABLE) {
        for (size_t i = 0; i < n; i++)
            s->part[i] = part[i];
        s->n_parts = n;
        return OK;
    }
    double top_first[EXACT_SUM_PARTS];
    n = canonical(part, n, top_first);
    for (size_t i = 0; i < n; i++)
        s->part[i] = top_first[n - 1 - i];
    s->n_parts = n;
    return OK;
}

int exact_sum_merge(struct exact_sum *into, const struct exact_sum *from)
{
    struct exact_sum sum = *into;
    for (size_t i = 0; i < from->n_parts; i++) {
        int status = exact_sum_add(&sum, from->part[i]);
        if (status != OK)
            return status;
    }
    *into = sum;
    return OK;
}

double exact_sum_value(const struct exact_sum *s)
{
    return nearest(s->part, s->n_parts);
}

size_t exact_sum_canonical(const struct exact_sum *s, double *out)
{
    double part[EXACT_SUM_PARTS + 2];
    for (size_t i = 0; i < s->n_parts; i++)
        part[i] = s->part[i];
    return canonical(part, s->n_parts, out);
}
