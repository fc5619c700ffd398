#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What became of the inputs of this process. */
struct differential_counts {
    uint64_t inputs, accepted, refused, malformed, not_judged;
};
extern struct differential_counts differential_counts;

/** differential_check(data, size): decode and judge one input (its first byte says whether the rest is one JSON text or
 *  NDJSON); prints both sides and aborts where they disagree. */
void differential_check(const uint8_t *data, size_t size);

void differential_report(void);

/* ---- differential_generate.c, differential_mutate.c ---- */

/** differential_generate(seed, data, cap): an input, most often a valid body; returns its size. */
size_t differential_generate(uint64_t seed, uint8_t *data, size_t cap);
/** differential_mutate(seed, data, size, cap): change a token or a few bytes; returns the new size. */
size_t differential_mutate(uint64_t seed, uint8_t *data, size_t size, size_t cap);

/* splitmix64, the same numbers everywhere */
struct random {
    uint64_t state;
};

static inline uint64_t next(struct random *g)
{
    uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int64_t below(struct random *g, uint64_t bound)
{
    return (int64_t)(next(g) % bound);
}

static inline bool one_in(struct random *g, uint64_t n)
{
    return below(g, n) == 0;
}

#endif
