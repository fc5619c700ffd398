#ifndef EXACT_SUM_H
#define EXACT_SUM_H

#include <stddef.h>

/**
 * A sum of doubles without rounding error: the value is held as an expansion of non-overlapping
 * doubles, so the sum does not depend on the order or the grouping of what was added.  That makes a
 * weighted mean as additive as a count: equal data give equal text, whatever the order of arrival.
 *
 * Source: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
 * Predicates", Discrete & Computational Geometry 18 (1997) 305-363, section 2.4 (Grow-Expansion,
 * Compress).  Same idea as Python's math.fsum.
 */
enum { EXACT_SUM_PARTS = 40 }; /* 2098 bits between the largest double and the smallest, 53 a part */

struct exact_sum {
    size_t n_parts;               /* 0 is the value zero */
    double part[EXACT_SUM_PARTS]; /* non-overlapping, rising magnitude, none is zero */
};

/** exact_sum_init(s): the value zero.  No failure. */
void exact_sum_init(struct exact_sum *s);

/**
 * exact_sum_add(s, value): add one finite double exactly.
 * Returns OK; ERR_RANGE if value is NaN or infinite; ERR_OVERFLOW if the sum leaves the doubles.  On
 * failure s is unchanged.  Cost: O(n_parts), typically 1 to 3.  Any thread, one at a time.
 */
int exact_sum_add(struct exact_sum *s, double value);

/** exact_sum_merge(into, from): add another sum exactly.  Same errors; atomic. */
int exact_sum_merge(struct exact_sum *into, const struct exact_sum *from);

/** exact_sum_value(s): the double nearest to the exact value, ties to even; 0 (never -0) if empty. */
double exact_sum_value(const struct exact_sum *s);

/**
 * exact_sum_canonical(s, out): write the unique expansion whose first part is the nearest double of
 * the value, the second the nearest double of the rest, and so on.  Equal values give equal parts,
 * so that packed sums can be compared byte by byte.
 *
 * out      double[EXACT_SUM_PARTS].
 * Returns  the number of parts written (0 for zero).
 */
size_t exact_sum_canonical(const struct exact_sum *s, double *out);

#endif
