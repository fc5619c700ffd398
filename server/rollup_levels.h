#ifndef ROLLUP_LEVELS_H
#define ROLLUP_LEVELS_H

#include <stdint.h>

/**
 * The levels at which sums of 2^level steps are kept: 6, 8, 10, ... 30.
 *
 * Chosen by measuring.  A factor of 4 between levels: a chart reads at most two rows a point at any width
 * from 2^6 on, and all levels together are a third more rows than the finest alone.  The finest holds
 * 64 steps: at 32 the rollups of 10 classes would take twice the room, 4 bytes a batch, and widths below it
 * are read from at most 32 batches a point.
 */
enum { ROLLUP_LEVEL_FINEST = 6, ROLLUP_LEVEL_GAP = 2, ROLLUP_LEVEL_COARSEST = 30 };

/** rollup_level_below(level): the next finer one; 0 below the finest. */
static inline int rollup_level_below(int level)
{
    return level > ROLLUP_LEVEL_FINEST ? level - ROLLUP_LEVEL_GAP : 0;
}

/** rollup_level_within(level): the coarsest level that is not above this one; 0: there is none. */
static inline int rollup_level_within(int level)
{
    if (level > ROLLUP_LEVEL_COARSEST)
        return ROLLUP_LEVEL_COARSEST;
    return level < ROLLUP_LEVEL_FINEST ? 0 : level - (level - ROLLUP_LEVEL_FINEST) % ROLLUP_LEVEL_GAP;
}

/** rollup_level_kept(level): the level at which a thinned epoch is read for buckets of 2^level steps. */
static inline int rollup_level_kept(int level)
{
    return level < ROLLUP_LEVEL_FINEST ? ROLLUP_LEVEL_FINEST : level;
}

/** rollup_bucket_first(bucket, level), rollup_bucket_last(bucket, level): its steps, both included. */
static inline int64_t rollup_bucket_first(int64_t bucket, int level)
{
    return bucket << level;
}

static inline int64_t rollup_bucket_last(int64_t bucket, int level)
{
    return (bucket << level) | ((INT64_C(1) << level) - 1); /* no sum: the last bucket ends at INT64_MAX */
}

#endif
