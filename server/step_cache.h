#ifndef STEP_CACHE_H
#define STEP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Means of steps that were already computed, kept in memory: they cost a scan of an epoch, and a live
 * page asks for all epochs every few seconds.  Bounded; the least recently used go first.  Any thread.
 *
 * A key holds all that the values depend on but the revision of the epoch: of each key the values of the newest
 * revision are kept.  Beside them may stand the progress, from which the values of a later revision are
 * computed by what was added since.
 */
struct step_cache;

struct step_cache_key {
    int64_t run, series, epoch; /* run keys are never used again */
    int64_t rank;               /* -1: all */
    int64_t ignore_index;       /* -1: none */
    int64_t zero_division;      /* 0 or 1 */
    int64_t top_k;
    const char *selector; /* borrowed */
};

/* What the cache keeps for others, at the head of their own struct. */
struct step_progress {
    size_t bytes; /* all that it holds */
    void (*free)(struct step_progress *p);
};

/** step_cache_new(bytes): NULL: no memory.  bytes bounds what it holds. */
struct step_cache *step_cache_new(size_t bytes);
void step_cache_free(struct step_cache *c);

/** step_cache_get(c, key, revision, out, n): true and n values copied if they are there.  c may be NULL (nothing is). */
bool step_cache_get(struct step_cache *c, const struct step_cache_key *key, int64_t revision, double *out, size_t n);

/**
 * step_cache_take(c, key, since, until): the progress of a revision from since to until, which is the caller's then; NULL: none.
 * Two who ask at once do not share it: one of them begins anew.
 */
struct step_progress *step_cache_take(struct step_cache *c, const struct step_cache_key *key, int64_t since,
                                      int64_t until);

/**
 * step_cache_put(c, key, revision, values, n, progress): keep them if there is memory for it and nothing newer is there.
 * progress  taken, whatever happens; NULL: none.
 */
void step_cache_put(struct step_cache *c, const struct step_cache_key *key, int64_t revision, const double *values,
                    size_t n, struct step_progress *progress);

/** What it holds now, in bytes and entries.  For tests and statistics. */
size_t step_cache_bytes(struct step_cache *c);
size_t step_cache_entries(struct step_cache *c);

#endif
