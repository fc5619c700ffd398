#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "state.h"

/* Random numbers and random batches, for the unit tests and for tests/fuzz; nothing of a test framework. */

/** splitmix64: the same numbers everywhere. */
uint64_t random_next(uint64_t *seed);
uint64_t random_below(uint64_t *seed, uint64_t bound);
void shuffle(size_t *index, size_t n, uint64_t *seed);

/** 0 .. bound - 1, most often small, sometimes anything. */
int64_t random_count(uint64_t *seed, uint64_t bound);

/* A legal batch with the arrays it points to: not to be copied. */
enum { RANDOM_ENTRIES = 12, RANDOM_CELLS = 60 };
struct random_batch {
    struct batch_content content;
    struct class_entry entries[RANDOM_ENTRIES];
    struct cell cells[RANDOM_CELLS];
    struct score_entry scores[RANDOM_ENTRIES];
    struct calibration_entry calibration[RANDOM_ENTRIES];
};

void random_batch(struct random_batch *out, const struct shape *shape, uint64_t *seed);

#endif
