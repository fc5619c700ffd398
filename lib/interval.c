/*
 * Confidence of a proportion.  The ends are set exactly where they are exact, so that "no error seen"
 * never shows 0.9999999.
 */
#include <math.h>

#include "interval.h"
#include "status.h"

static const double Z = 1.959963984540054; /* the normal quantile of 0.975 */

int interval_wilson(int64_t k, int64_t n, double *low, double *high)
{
    if (k < 0 || n < k)
        return ERR_RANGE;
    if (n == 0) {
        *low = 0;
        *high = 1;
        return OK;
    }
    double kd = (double)k, nd = (double)n;
    double centre = kd + Z * Z / 2;
    /* k (n-k) / n divided first: the product of two counts need not fit the 53 bits */
    double half = Z * sqrt(kd * ((double)(n - k) / nd) + Z * Z / 4);
    *low = k == 0 ? 0 : fmax(0, (centre - half) / (nd + Z * Z));
    *high = k == n ? 1 : fmin(1, (centre + half) / (nd + Z * Z));
    return OK;
}
