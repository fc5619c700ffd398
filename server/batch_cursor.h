#ifndef BATCH_CURSOR_H
#define BATCH_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problem.h"
#include "store.h"

/**
 * The batches of one series, pulled one by one, so that several series can be walked side by side.
 * Reads ahead in pieces of bounded size; no statement stays open between calls.
 */
enum { BATCH_CURSOR_ROWS = 512, BATCH_CURSOR_BYTES = 1 << 18 };

struct cursor_row {
    struct batch_key key;
    int64_t samples, logged_at;
    size_t state_at, state_size; /* in the cursor's bytes */
};

struct batch_cursor {
    struct store_conn *conn;
    const struct series_row *series; /* borrowed */
    struct batch_key from, to;       /* what is still to be read */
    int64_t rank;                    /* only this one; -1: all */
    bool with_state;                 /* false: keys only */
    bool exhausted;                  /* nothing is left to read */
    struct cursor_row *rows;
    size_t n_rows, at;
    uint8_t *bytes;
    size_t n_bytes, cap_bytes;
};

/** batch_cursor_init(c, conn, series, from, to, rank, with_state, p): both ends included.  batch_cursor_release() after any result. */
int batch_cursor_init(struct batch_cursor *c, struct store_conn *conn, const struct series_row *series,
                      const struct batch_key *from, const struct batch_key *to, int64_t rank, bool with_state,
                      struct problem *p);
void batch_cursor_release(struct batch_cursor *c);

/** batch_cursor_peek(c, row, p): the current batch; NULL at the end.  Borrowed until the next call. */
int batch_cursor_peek(struct batch_cursor *c, const struct cursor_row **row, struct problem *p);
/** batch_cursor_next(c): go past the current batch. */
void batch_cursor_next(struct batch_cursor *c);
/** The packed state of the current batch (with_state). */
const uint8_t *batch_cursor_state(const struct batch_cursor *c, const struct cursor_row *row);

#endif
