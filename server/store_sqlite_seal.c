/**
 * Sealed epochs: the mark in the epoch's row and the seal beside it are written together; the batches go a few thousand at a
 * time afterwards, so that no transaction is long.  Whatever moment a crash picks, the mark says that they count as gone.
 */
#include "store_sqlite.h"

int store_seal_get(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, struct seal_row *row, bool *found,
                   struct problem *p)
{
    struct sql q;
    struct seal_row read = {.run = run, .series = series, .epoch = epoch};
    bool there = false;

    sql_begin(&q, c, "read a seal",
              "SELECT thinned, ignore_index, top_k, means FROM seal WHERE run = ?1 AND series = ?2 AND epoch = ?3");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, epoch);
    int status = sql_step(&q, &there, p);
    if (status == OK && there) {
        read.is_thinned = sql_column_int(&q, 0) != 0;
        read.ignore_index = sql_column_int(&q, 1);
        read.top_k = sql_column_int(&q, 2);
        read.means = sql_column_blob(&q, 3, &read.means_size);
        status = sql_keep(c, &read.means, read.means_size, NULL, 0, p);
    }
    sql_end(&q);
    if (status == OK) {
        *found = there;
        if (there)
            *row = read;
    }
    return status;
}

int store_write_seal(struct store *s, const struct seal_row *row, int64_t sealed_at, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "write a seal",
              "INSERT INTO seal (run, series, epoch, thinned, ignore_index, top_k, means) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    sql_int(&q, row->run);
    sql_int(&q, row->series);
    sql_int(&q, row->epoch);
    sql_int(&q, row->is_thinned);
    sql_int(&q, row->ignore_index);
    sql_int(&q, row->top_k);
    sql_blob(&q, row->means, row->means_size);
    status = sql_run(&q, p);
    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "seal an epoch",
              "UPDATE rollup SET sealed_at = ?4 WHERE run = ?1 AND series = ?2 AND level = 0 AND epoch = ?3");
    sql_int(&q, row->run);
    sql_int(&q, row->series);
    sql_int(&q, row->epoch);
    sql_int(&q, sealed_at);
    return sql_run(&q, p);
}

/* ---- thinning ---- */

static int find_unthinned(struct store *s, struct seal_row *row, bool *found, struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, "find batches to remove",
              "SELECT run, series, epoch FROM seal INDEXED BY seal_by_unthinned WHERE thinned = 0 LIMIT 1");
    int status = sql_step(&q, found, p);
    if (status == OK && *found) {
        row->run = sql_column_int(&q, 0);
        row->series = sql_column_int(&q, 1);
        row->epoch = sql_column_int(&q, 2);
    }
    sql_end(&q);
    return status;
}

static int run_on(struct store *s, const char *what, const char *text, const struct seal_row *row, int64_t limit,
                  struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, what, text);
    sql_int(&q, row->run);
    sql_int(&q, row->series);
    sql_int(&q, row->epoch);
    if (limit > 0)
        sql_int(&q, limit);
    return sql_run(&q, p);
}

int store_write_thin(struct store *s, int64_t limit, int64_t *removed, bool *more, struct problem *p)
{
    static const char batches[] = "DELETE FROM batch WHERE run = ?1 AND series = ?2 AND epoch = ?3 AND (step, rank) IN "
                                  "(SELECT step, rank FROM batch WHERE run = ?1 AND series = ?2 AND epoch = ?3 "
                                  "ORDER BY step, rank LIMIT ?4)";
    static const char done[] = "UPDATE seal SET thinned = 1 WHERE run = ?1 AND series = ?2 AND epoch = ?3";
    struct seal_row row = {0};
    bool found = false;
    int64_t n = 0;
    int status = store_writing(s, p);

    *removed = 0;
    /* many short epochs go in one transaction; one without a batch costs as much as a batch */
    for (int64_t left = limit; status == OK && left > 0; left -= n > 0 ? n : 1) {
        status = find_unthinned(s, &row, &found, p);
        if (status != OK || !found)
            break;
        status = run_on(s, "remove batches", batches, &row, left, p);
        n = status == OK ? sqlite3_changes64(s->writer.db) : 0;
        *removed += n;
        if (status == OK && n < left)
            status = run_on(s, "finish a seal", done, &row, 0, p);
    }
    *more = status == OK && found;
    return status;
}

/* ---- what is open, and what is not ---- */

int store_open_epochs_each(struct store_conn *c, int64_t run, int64_t series,
                           int (*fn)(void *context, const struct open_epoch *epoch), void *context, struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read the open epochs",
              "SELECT epoch, written_at FROM rollup WHERE run = ?1 AND series = ?2 AND level = 0 AND sealed_at = 0 "
              "ORDER BY epoch");
    sql_int(&q, run);
    sql_int(&q, series);
    while ((status = sql_step(&q, &more, p)) == OK && more && answer == OK) {
        const struct open_epoch epoch = {sql_column_int(&q, 0), sql_column_int(&q, 1)};
        answer = fn(context, &epoch);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_sealed_after(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t step, int64_t *out,
                       struct problem *p)
{
    struct sql q;
    bool there = false;

    sql_begin(&q, c, "look for a sealed epoch",
              "SELECT epoch FROM rollup WHERE run = ?1 AND series = ?2 AND level = 0 AND sealed_at <> 0 AND "
              "(epoch > ?3 OR (epoch = ?3 AND last_step >= ?4)) ORDER BY epoch LIMIT 1");
    sql_int(&q, run);
    sql_int(&q, series);
    sql_int(&q, epoch);
    sql_int(&q, step);
    int status = sql_step(&q, &there, p);
    if (status == OK)
        *out = there ? sql_column_int(&q, 0) : -1;
    sql_end(&q);
    return status;
}
