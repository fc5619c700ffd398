/** The bounds are 1, 2.5 and 5 of each power of ten, from a tenth of a millisecond to ten seconds: a commit without a disk to
 *  wait for is below the first, and a request that takes longer than the last has met its deadline. */
#include "histogram.h"

static const int64_t BOUNDS[HISTOGRAM_BUCKETS - 1] = {100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                                      50000, 100000, 250000, 500000, 1000000, 2500000, 10000000};

size_t histogram_bucket(int64_t us)
{
    size_t i = 0;

    while (i < HISTOGRAM_BUCKETS - 1 && us > BOUNDS[i])
        i++;
    return i;
}

int64_t histogram_bound(size_t bucket)
{
    return BOUNDS[bucket];
}

void histogram_add(struct histogram *h, int64_t us)
{
    h->count[histogram_bucket(us)]++;
    h->sum_us += us;
}
