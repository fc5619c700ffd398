#ifndef CHECK_PARTS_H
#define CHECK_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "check.h"
#include "rank_set.h"
#include "rollup_levels.h"
#include "window_sum.h"

/** Private to check.c (what is gone through) and check_windows.c (sums in sums, and how they compare with what is stored). */
enum {
    CHECK_LEVELS = (ROLLUP_LEVEL_COARSEST - ROLLUP_LEVEL_FINEST) / ROLLUP_LEVEL_GAP + 1,
    CHECK_WINDOWS = CHECK_LEVELS + 1, /* the last one is the epoch */
    CHECK_LINES_MAX = 100             /* of each kind */
};

struct check {
    struct store_conn *conn;
    FILE *out;
    struct check_report *report;
    struct problem *p;
    const struct run_row *run;
    const struct series_row *series;
    struct series_row counted; /* what the batches say of the series */
    int64_t rollups;           /* stored rows of the series that were expected */
    struct window_sum windows[CHECK_WINDOWS];
    bool begun[CHECK_WINDOWS];
    int64_t epoch, closed; /* epoch -1: none yet */
    bool is_sealed;        /* that epoch: what is left of its batches does not count */
    struct thinned {
        int64_t epochs, batches, first, last;
    } thinned; /* of the series */
    struct rank_set ranks;
};

/** check_disagree(c, format, ...): one more disagreement, of the run and series at hand; a line for each of the first. */
void check_disagree(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Which window a row is of, for a sentence. */
struct check_place {
    char text[96];
};

struct check_place check_place(const struct rollup_row *row);

/**
 * check_turn_to(c, i, step): windows[i] is that of this step, begun if it was not; the one before it is then complete: it is compared
 * with its row and added to the window above.  check_end_epoch(c): all that are begun are complete.
 */
int check_turn_to(struct check *c, int i, int64_t step);
int check_end_epoch(struct check *c);

#endif
