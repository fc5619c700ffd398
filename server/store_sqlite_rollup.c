/** Rollups: the sums of windows.  This engine serves one process, so every row has writer 0. */
#include <stdlib.h>
#include <string.h>

#include "rollup_levels.h"
#include "store_sqlite.h"

#define ROLLUP_COLUMNS                                                                                                 \
    "run, series, level, epoch, bucket, batches, samples, correct, steps, first_step, last_step, first_time, "         \
    "primary_min, primary_max, revision, closed, steady_since, ranks, state, written_at, sealed_at"

/* All but the blobs, which stand last. */
static void read_numbers(struct sql *q, struct rollup_row *row)
{
    *row = (struct rollup_row){.run = sql_column_int(q, 0)};
    row->series = sql_column_int(q, 1);
    row->level = sql_column_int(q, 2);
    row->epoch = sql_column_int(q, 3);
    row->bucket = sql_column_int(q, 4);
    row->batches = sql_column_int(q, 5);
    row->samples = sql_column_int(q, 6);
    row->correct = sql_column_int(q, 7);
    row->steps = sql_column_int(q, 8);
    row->first_step = sql_column_int(q, 9);
    row->last_step = sql_column_int(q, 10);
    row->first_time = sql_column_int(q, 11);
    row->primary_min = sql_column_double(q, 12);
    row->primary_max = sql_column_double(q, 13);
    row->revision = sql_column_int(q, 14);
    row->closed = sql_column_int(q, 15);
    row->steady_since = sql_column_int(q, 16);
}

static void read_rollup(struct sql *q, struct rollup_row *row)
{
    read_numbers(q, row);
    row->ranks = sql_column_blob(q, 17, &row->ranks_size);
    row->state = sql_column_blob(q, 18, &row->state_size);
    row->written_at = sql_column_int(q, 19);
    row->sealed_at = sql_column_int(q, 20);
}

int store_rollup_get(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t level, int64_t bucket,
                     struct rollup_row *row, bool *found, struct problem *p)
{
    struct sql q;
    struct rollup_row read;
    bool there = false;

    sql_begin(&q, c, "read a rollup",
              "SELECT " ROLLUP_COLUMNS " FROM rollup WHERE run = ?1 AND series = ?2 AND level = ?3 AND epoch = ?4 AND "
              "bucket = ?5 AND writer = 0");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, level);
    sql_int(&q, epoch);
    sql_int(&q, bucket);
    int status = sql_step(&q, &there, p);
    if (status == OK && there) {
        read_rollup(&q, &read);
        status = sql_keep(c, &read.state, read.state_size, &read.ranks, read.ranks_size, p);
    }
    sql_end(&q);
    if (status == OK) {
        *found = there;
        if (there)
            *row = read;
    }
    return status;
}

int store_rollups_each(struct store_conn *c, int64_t run, int64_t series, int64_t level, int64_t epoch_from,
                       int64_t epoch_to, int (*fn)(void *context, const struct rollup_row *row), void *context,
                       struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read rollups",
              "SELECT " ROLLUP_COLUMNS " FROM rollup WHERE run = ?1 AND series = ?2 AND level = ?3 AND "
              "epoch BETWEEN ?4 AND ?5 ORDER BY epoch, bucket");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, level);
    sql_int(&q, epoch_from);
    sql_int(&q, epoch_to);
    while ((status = sql_step(&q, &more, p)) == OK && more && answer == OK) {
        struct rollup_row row;
        read_rollup(&q, &row);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_buckets_each(struct store_conn *c, int64_t run, int64_t series, int64_t level, int64_t epoch,
                       int64_t bucket_from, int64_t bucket_to, bool with_state,
                       int (*fn)(void *context, const struct rollup_row *row), void *context, struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read buckets",
              "SELECT " ROLLUP_COLUMNS " FROM rollup WHERE run = ?1 AND series = ?2 AND level = ?3 AND "
              "epoch = ?4 AND bucket BETWEEN ?5 AND ?6 ORDER BY bucket");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, level);
    sql_int(&q, epoch);
    sql_int(&q, bucket_from);
    sql_int(&q, bucket_to);
    while ((status = sql_step(&q, &more, p)) == OK && more && answer == OK) {
        struct rollup_row row;
        if (with_state)
            read_rollup(&q, &row);
        else
            read_numbers(&q, &row);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_write_rollup(struct store *s, const struct rollup_row *row, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "write a rollup",
              "INSERT OR REPLACE INTO rollup (" ROLLUP_COLUMNS
              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
              "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)");
    sql_int(&q, row->run);
    sql_int(&q, row->series);
    sql_int(&q, row->level);
    sql_int(&q, row->epoch);
    sql_int(&q, row->bucket);
    sql_int(&q, row->batches);
    sql_int(&q, row->samples);
    sql_int(&q, row->correct);
    sql_int(&q, row->steps);
    sql_int(&q, row->first_step);
    sql_int(&q, row->last_step);
    sql_int(&q, row->first_time);
    sql_double(&q, row->primary_min);
    sql_double(&q, row->primary_max);
    sql_int(&q, row->revision);
    sql_int(&q, row->closed);
    sql_int(&q, row->steady_since);
    sql_blob(&q, row->ranks, row->ranks_size);
    sql_blob(&q, row->state, row->state_size);
    sql_int(&q, row->written_at);
    sql_int(&q, row->sealed_at);
    return sql_run(&q, p);
}

int store_write_closed(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t closed, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "close buckets",
              "UPDATE rollup SET closed = ?4 WHERE run = ?1 AND series = ?2 AND level = 0 AND epoch = ?3");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, epoch);
    sql_int(&q, closed);
    return sql_run(&q, p);
}

static int cut_level(struct store *s, int64_t run, int64_t series, int level, int64_t epoch, int64_t bucket,
                     struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, "cut rollups",
              "DELETE FROM rollup WHERE run = ?1 AND series = ?2 AND level = ?3 AND (epoch, bucket) >= (?4, ?5)");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, level);
    sql_int(&q, epoch);
    sql_int(&q, bucket);
    return sql_run(&q, p);
}

int store_write_rollups_cut(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t step,
                            struct problem *p)
{
    int status = store_writing(s, p);

    if (status == OK)
        status = cut_level(s, run, series, 0, epoch, 0, p);
    for (int level = ROLLUP_LEVEL_COARSEST; level > 0 && status == OK; level = rollup_level_below(level))
        status = cut_level(s, run, series, level, epoch, step >> level, p);
    return status;
}
