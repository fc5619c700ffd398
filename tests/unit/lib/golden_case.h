#ifndef GOLDEN_CASE_H
#define GOLDEN_CASE_H

#include <cjson/cJSON.h>

#include "support.h"

/* One case of tests/golden: its batches packed, and the windows that they add up to. */

/* One series of a case: the same batches, in one form. */
enum series {
    SERIES_CLASSES,
    SERIES_CONFUSION,
    SERIES_TOTALS,
    SERIES_LOSS,
    SERIES_NLL,
    SERIES_SCORES,
    SERIES_CALIBRATION,
    SERIES_EXACT,
    SERIES_REGRESSION,
    N_SERIES
};

struct golden_batch {
    struct batch_key key;
    int64_t n;
    struct bytes packed[N_SERIES]; /* size 0: the case does not have it */
};

struct golden {
    const char *name;
    cJSON *root;
    enum task task;
    uint32_t num_classes;
    int64_t top_k, ignore_index;
    bool has_counts;
    struct golden_batch *batches;
    size_t n_batches;
    uint64_t seed;
    size_t n_compared; /* numbers */
};

cJSON *golden_json(const char *file); /* a file of tests/golden */
struct golden golden_read(const char *file);
void golden_free(struct golden *g);

double json_number(const cJSON *object, const char *key);

struct window {
    struct state state[N_SERIES];
    bool has[N_SERIES];
    int64_t n;
};

/**
 * window_of(g, epoch, step, w): every series of one step (-1: of the whole epoch), added in shuffled order;
 * asserts that other splits give the same bytes.
 */
void window_of(struct golden *g, int64_t epoch, int64_t step, struct window *w);
void window_release(struct window *w);

#endif
