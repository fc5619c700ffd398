#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Durations counted by size, as a monitoring system wants them.  Bucket i holds those above bound i-1 and up to bound i;
 * the last one has no bound.  Not locked: one thread, or the owner's lock.
 */
enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
    int64_t count[HISTOGRAM_BUCKETS];
    int64_t sum_us;
};

/** histogram_bucket(us): where a duration belongs.  histogram_bound(i): of a bucket but the last one, in microseconds. */
size_t histogram_bucket(int64_t us);
int64_t histogram_bound(size_t bucket);

void histogram_add(struct histogram *h, int64_t us);

#endif
