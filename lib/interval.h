#ifndef INTERVAL_H
#define INTERVAL_H

#include <stdint.h>

/**
 * interval_wilson(k, n, low, high): the 95 % Wilson score interval of the proportion k of n.
 *
 * k, n     0 <= k <= n.
 * low      exactly 0 if k == 0; n == 0 gives [0, 1].
 * high     exactly 1 if k == n.
 * Returns  OK; ERR_RANGE.
 * Formula  (k + z^2/2 -+ z sqrt(k (n-k)/n + z^2/4)) / (n + z^2), z = 1.959963984540054.
 * Source   E. B. Wilson, J. Amer. Stat. Assoc. 22 (1927) 209-212; advised by Brown, Cai, DasGupta,
 *          Statistical Science 16 (2001) 101-133.
 */
int interval_wilson(int64_t k, int64_t n, double *low, double *high);

#endif
