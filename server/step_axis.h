#ifndef STEP_AXIS_H
#define STEP_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

/**
 * The x axis of a chart of steps: x = offset(epoch) + step, strictly rising over (epoch, step), and the
 * width of the buckets that keep a chart at so many points.  Pure arithmetic; no store, no memory.
 */
struct axis_epoch {
    int64_t epoch;
    int64_t first_step, last_step; /* over all series of the stage */
    int64_t offset;                /* set by step_axis_place() */
    bool is_thinned;               /* in one of the asked series: its steps are only known in sums */
    int64_t asked_steps;           /* steps of the asked series, each counted by itself: a bound of the entries */
};

/**
 * step_axis_place(epochs, n, counted): set the offsets.  The first epoch's is 0; an epoch whose first
 * step lies after the previous epoch's last keeps that offset, else it starts right after.
 *
 * epochs   rising by epoch, first_step <= last_step.
 * counted  true if any epoch had to be moved (x_from "counted").
 * Returns  OK; ERR_OVERFLOW: x would leave 64 bits.
 */
int step_axis_place(struct axis_epoch *epochs, size_t n, bool *counted);

/* A stretch of the axis, as keys: whole epochs but for the first and the last one. */
struct axis_range {
    size_t first, last; /* indices into the epochs; meaningless when empty */
    int64_t from_step;  /* in the first epoch */
    int64_t to_step;    /* in the last epoch */
    bool empty;
};

/** step_axis_range(epochs, n, from, to, out): what lies between two values of x, both included. */
void step_axis_range(const struct axis_epoch *epochs, size_t n, int64_t from, int64_t to, struct axis_range *out);

/** axis_range_has(range, epochs, epoch, step): does a step lie within? */
bool axis_range_has(const struct axis_range *range, const struct axis_epoch *epochs, int64_t epoch, int64_t step);

/**
 * Counting entries for every width at once.  Two steps of an epoch lie in different buckets of 2^k
 * steps exactly if they differ in bit k or above, so the highest bit of (previous XOR step) of
 * neighbours is all that has to be counted.
 */
enum { STEP_LEVELS = 54 }; /* steps are below 2^53: at level 53 an epoch is one bucket */

struct step_widths {
    int64_t apart[STEP_LEVELS]; /* neighbours whose highest differing bit is this */
    int64_t epochs;
    int64_t last_epoch, last_step; /* -1 before the first */
};

void step_widths_init(struct step_widths *w);
/** step_widths_add(w, epoch, step): the next step in order; the same one again changes nothing. */
void step_widths_add(struct step_widths *w, int64_t epoch, int64_t step);
/** step_widths_add_run(w, epoch, first, last): all steps first .. last, both included; runs in order of their first
 *  step, what an earlier one holds changes nothing.  O(log of its length). */
void step_widths_add_run(struct step_widths *w, int64_t epoch, int64_t first, int64_t last);
/** step_widths_entries(w, level): how many buckets of 2^level steps hold one of the steps. */
int64_t step_widths_entries(const struct step_widths *w, int level);
/** step_widths_level(w, finest, points): the smallest level from finest on with at most points entries; -1 if the epochs
 *  alone are more. */
int step_widths_level(const struct step_widths *w, int finest, int64_t points);

/** step_axis_whole_level(epochs, first, last): the smallest level at which each of these epochs is one bucket. */
int step_axis_whole_level(const struct axis_epoch *epochs, size_t first, size_t last);

#endif
