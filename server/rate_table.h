#ifndef RATE_TABLE_H
#define RATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "problem.h"

/**
 * Token buckets, one a key.  A bucket fills at a rate, up to what may come at once; whoever takes from it may leave it in
 * debt, and then waits until it is paid.  So a large request is let in whole, and the rate still holds over time.
 *
 * There is a bounded number of buckets; the one longest unused of a few makes room for a new one, which begins full.  Keys
 * are hashed with a secret, so that nobody chooses whose bucket makes room.
 *
 * Thread: any.
 */
struct rate_table;

struct rate {
    double per_s; /* > 0 */
    double burst; /* >= 1: what may come at once */
};

/** rate_table_new(out, p): PROBLEM_MEMORY; PROBLEM_INTERNAL: no random bytes. */
int rate_table_new(struct rate_table **out, struct problem *p);
void rate_table_free(struct rate_table *t); /* NULL does nothing */

/**
 * rate_take(t, key, rate, n, now_us, is_first): may the holder of the key go on?  Then n is taken.
 *
 * n         0: only asks, and changes nothing.
 * is_first  if not NULL: refused, and the last time it was not: once for each time that a bucket runs dry.
 * Returns   0: yes; else how many microseconds until it may, and nothing is taken.
 * Cost      about 50 ns; allocates nothing.
 */
int64_t rate_take(struct rate_table *t, uint64_t key, const struct rate *rate, double n, int64_t now_us,
                  bool *is_first);

/** rate_charge(t, key, rate, n, now_us): take n, whatever is there. */
void rate_charge(struct rate_table *t, uint64_t key, const struct rate *rate, double n, int64_t now_us);

#endif
