#ifndef STEP_SIZES_H
#define STEP_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The most common of many sizes, how many steps have another one, and which came first: in one pass and
 * bounded memory.  Pure but for malloc; any thread, one at a time.
 *
 * What is counted of each size is exact up to STEP_SIZES_MAX different ones; beyond that nothing is said
 * of them (many).
 */
enum { STEP_SIZES_MAX = 1 << 16, STEP_SIZES_LISTED = 100 /* of the answer: FINDING_STEPS_MAX */ };

struct step_size {
    int64_t size;
    int64_t steps;  /* 0: an empty slot */
    int64_t listed; /* of them */
};

struct step_sizes {
    struct step_size *slots; /* [cap], a power of two, at most half full */
    size_t cap, n;
    int64_t steps;
    bool many;
    /* the first steps of each size, at most STEP_SIZES_LISTED of one: whichever size turns out to be the
       most common, the first STEP_SIZES_LISTED steps of other sizes are among them */
    int64_t listed_step[2 * STEP_SIZES_LISTED], listed_size[2 * STEP_SIZES_LISTED];
    size_t n_listed;
};

void step_sizes_init(struct step_sizes *s);
void step_sizes_release(struct step_sizes *s);

/** step_sizes_add(s, step, size): steps rise.  OK or ERR_MEMORY. */
int step_sizes_add(struct step_sizes *s, int64_t step, int64_t size);

/**
 * step_sizes_common(s, size, others, steps, n_steps): the most common size (of equally common ones the
 * greatest), how many steps have another, and the first STEP_SIZES_LISTED of these.
 *
 * steps    int64_t[STEP_SIZES_LISTED]
 * Returns  false if there are too many sizes, or no step.
 */
bool step_sizes_common(const struct step_sizes *s, int64_t *size, int64_t *others, int64_t *steps, size_t *n_steps);

#endif
