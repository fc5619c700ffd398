#ifndef STEP_CACHE_H
#define STEP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Means of steps that were already computed, kept in memory: they cost a scan of an epoch, and a live
 * page asks for all epochs every few seconds.  Bounded; the least recently used go first.  Any thread.
 *
 * A key holds all that the values depend on; a changed epoch has another revision, so nothing is ever
 * invalidated, only forgotten.
 */
struct step_cache;

struct step_cache_key {
    int64_t run, series, epoch; /* run keys are never used again */
    int64_t revision;           /* of the epoch's rollup */
    int64_t rank;               /* -1: all */
    int64_t ignore_index;       /* -1: none */
    int64_t zero_division;      /* 0 or 1 */
    const char *selector;       /* borrowed */
};

/** step_cache_new(bytes): NULL: no memory.  bytes bounds what it holds. */
struct step_cache *step_cache_new(size_t bytes);
void step_cache_free(struct step_cache *c);

/** step_cache_get(c, key, out, n): true and n values copied if they are there.  c may be NULL (nothing is). */
bool step_cache_get(struct step_cache *c, const struct step_cache_key *key, double *out, size_t n);
/** step_cache_put(c, key, values, n): keep them if there is memory for it. */
void step_cache_put(struct step_cache *c, const struct step_cache_key *key, const double *values, size_t n);

/** What it holds now, in bytes and entries.  For tests and statistics. */
size_t step_cache_bytes(struct step_cache *c);
size_t step_cache_entries(struct step_cache *c);

#endif
