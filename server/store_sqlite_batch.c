/** Batches: the hot table.  One lookup or one insert here is what ingest pays for each measure. */
#include <stdlib.h>
#include <string.h>

#include "store_sqlite.h"

static void read_batch(struct sql *q, struct batch_row *row)
{
    row->key.epoch = sql_column_int(q, 0);
    row->key.step = sql_column_int(q, 1);
    row->key.rank = sql_column_int(q, 2);
    row->samples = sql_column_int(q, 3);
    row->correct = sql_column_int(q, 4);
    row->logged_at = sql_column_int(q, 5);
    row->state = sql_column_blob(q, 6, &row->state_size);
}

int store_batch_get(struct store_conn *c, int64_t run, int64_t series, const struct batch_key *key,
                    struct batch_row *row, bool *found, struct problem *p)
{
    struct sql q;
    struct batch_row read = {.run = run, .series = series};
    bool there = false;

    sql_begin(&q, c, "read a batch",
              "SELECT epoch, step, rank, samples, correct, logged_at, state FROM batch "
              "WHERE run = ?1 AND series = ?2 AND epoch = ?3 AND step = ?4 AND rank = ?5");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, key->epoch);
    sql_int(&q, key->step);
    sql_int(&q, key->rank);
    int status = sql_step(&q, &there, p);
    if (status == OK && there) {
        read_batch(&q, &read);
        status = sql_keep(c, &read.state, read.state_size, NULL, 0, p);
    }
    sql_end(&q);
    if (status == OK) {
        *found = there;
        if (there)
            *row = read;
    }
    return status;
}

int store_batches_each(struct store_conn *c, int64_t run, int64_t series, const struct batch_key *from,
                       const struct batch_key *to, int (*fn)(void *context, const struct batch_row *row), void *context,
                       struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(
        &q, c, "read batches",
        "SELECT epoch, step, rank, samples, correct, logged_at, state FROM batch WHERE run = ?1 AND series = ?2 "
        "AND (epoch, step, rank) >= (?3, ?4, ?5) AND (epoch, step, rank) <= (?6, ?7, ?8) ORDER BY epoch, step, rank");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, from->epoch);
    sql_int(&q, from->step);
    sql_int(&q, from->rank);
    sql_int(&q, to->epoch);
    sql_int(&q, to->step);
    sql_int(&q, to->rank);
    while ((status = sql_step(&q, &more, p)) == OK && more && answer == OK) {
        struct batch_row row = {.run = run, .series = series};
        read_batch(&q, &row);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_step_exists(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t step, bool *exists,
                      struct problem *p)
{
    struct sql q;
    bool there = false;

    sql_begin(&q, c, "look for a step",
              "SELECT 1 FROM batch WHERE run = ?1 AND series = ?2 AND epoch = ?3 AND step = ?4 LIMIT 1");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, epoch);
    sql_int(&q, step);
    int status = sql_step(&q, &there, p);
    sql_end(&q);
    if (status == OK)
        *exists = there;
    return status;
}

int store_write_batches_cut(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t step, int64_t *removed,
                            struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "cut batches",
              "DELETE FROM batch WHERE run = ?1 AND series = ?2 AND (epoch, step) >= (?3, ?4)");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, epoch);
    sql_int(&q, step);
    status = sql_run(&q, p);
    if (status == OK)
        *removed = sqlite3_changes64(s->writer.db);
    return status;
}
