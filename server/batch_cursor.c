/*
 * Why: the store hands out rows by callback, one series at a time; a union of series needs them side
 * by side, in bounded memory.
 *
 * Invariants:
 * 1. rows[at .. n_rows) are read and not yet consumed, in key order;
 * 2. from is the first key that was not read yet.
 * Runs on the thread that owns the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "query.h"

#include "batch_cursor.h"

int batch_cursor_init(struct batch_cursor *c, struct store_conn *conn, const struct series_row *series,
                      const struct batch_key *from, const struct batch_key *to, int64_t rank, bool with_state,
                      struct problem *p)
{
    *c = (struct batch_cursor){
        .conn = conn, .series = series, .from = *from, .to = *to, .rank = rank, .with_state = with_state};
    c->rows = malloc(BATCH_CURSOR_ROWS * sizeof *c->rows);
    return c->rows != NULL ? OK : query_no_memory(p);
}

void batch_cursor_release(struct batch_cursor *c)
{
    free(c->rows);
    free(c->bytes);
    c->rows = NULL;
    c->bytes = NULL;
}

static int keep_state(struct batch_cursor *c, const struct batch_row *row)
{
    if (c->n_bytes + row->state_size > c->cap_bytes) {
        size_t cap = 2 * c->cap_bytes + row->state_size;
        uint8_t *grown = realloc(c->bytes, cap);
        if (grown == NULL)
            return ERR_MEMORY;
        c->bytes = grown;
        c->cap_bytes = cap;
    }
    memcpy(c->bytes + c->n_bytes, row->state, row->state_size);
    c->n_bytes += row->state_size;
    return OK;
}

/* The key after this one: ranks are bounded, so the next rank of the same step orders right. */
static struct batch_key after(struct batch_key key)
{
    key.rank++;
    return key;
}

static int take(void *context, const struct batch_row *row)
{
    struct batch_cursor *c = context;
    c->from = after(row->key);
    if (c->rank >= 0 && row->key.rank != c->rank)
        return OK;
    struct cursor_row *kept = &c->rows[c->n_rows];
    *kept = (struct cursor_row){
        .key = row->key, .samples = row->samples, .logged_at = row->logged_at, .state_at = c->n_bytes};
    if (c->with_state && row->state_size > 0) {
        if (keep_state(c, row) != OK)
            return ERR_MEMORY;
        kept->state_size = row->state_size;
    }
    c->n_rows++;
    return c->n_rows == BATCH_CURSOR_ROWS || c->n_bytes >= BATCH_CURSOR_BYTES ? STORE_STOP : OK;
}

static int refill(struct batch_cursor *c, struct problem *p)
{
    c->n_rows = c->at = c->n_bytes = 0;
    int rc = store_batches_each(c->conn, c->series->run, c->series->series, &c->from, &c->to, take, c, p);
    if (rc != OK)
        return rc == ERR_MEMORY ? query_no_memory(p) : rc;
    c->exhausted = c->n_rows < BATCH_CURSOR_ROWS && c->n_bytes < BATCH_CURSOR_BYTES;
    return OK;
}

int batch_cursor_peek(struct batch_cursor *c, const struct cursor_row **row, struct problem *p)
{
    if (c->at == c->n_rows && !c->exhausted) {
        int rc = refill(c, p);
        if (rc != OK)
            return rc;
    }
    *row = c->at < c->n_rows ? &c->rows[c->at] : NULL;
    return OK;
}

void batch_cursor_next(struct batch_cursor *c)
{
    c->at++;
}

const uint8_t *batch_cursor_state(const struct batch_cursor *c, const struct cursor_row *row)
{
    return c->bytes + row->state_at;
}
