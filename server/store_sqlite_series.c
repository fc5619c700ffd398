/** The series of a run, and its attempts. */
#include <string.h>

#include "store_sqlite.h"

#define SERIES_COLUMNS                                                                                                 \
    "run, series, stage, name, kind, form, task, num_classes, bins, batches, samples, epochs, last_epoch, last_step"

static void read_series(struct sql *q, struct series_row *row)
{
    memset(row, 0, sizeof *row);
    row->run = sql_column_int(q, 0);
    row->series = sql_column_int(q, 1);
    sql_column_copy(q, 2, row->stage, sizeof row->stage);
    sql_column_copy(q, 3, row->name, sizeof row->name);
    row->shape.form = (enum form)sql_column_int(q, 5); /* column 4, the kind, follows from it */
    row->shape.task = (enum task)sql_column_int(q, 6);
    row->shape.num_classes = (uint32_t)sql_column_int(q, 7);
    row->shape.bins = (uint32_t)sql_column_int(q, 8);
    row->batches = sql_column_int(q, 9);
    row->samples = sql_column_int(q, 10);
    row->epochs = sql_column_int(q, 11);
    row->last_epoch = sql_column_int(q, 12);
    row->last_step = sql_column_int(q, 13);
}

int store_series_each(struct store_conn *c, int64_t run, int (*fn)(void *context, const struct series_row *row),
                      void *context, struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read the series of a run",
              "SELECT " SERIES_COLUMNS " FROM series WHERE run = ?1 ORDER BY stage, name, kind");
    sql_int(&q, run);
    while ((status = sql_step_texts(&q, &more, p)) == OK && more && answer == OK) {
        struct series_row row;
        read_series(&q, &row);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_series_count(struct store_conn *c, int64_t run, int64_t *out, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "count the series of a run", "SELECT count(*) FROM series WHERE run = ?1");
    sql_int(&q, run);
    int status = sql_step(&q, &row, p);
    if (status == OK)
        *out = row ? sql_column_int(&q, 0) : 0;
    sql_end(&q);
    return status;
}

int store_series_find(struct store_conn *c, int64_t run, const char *stage, const char *name, enum kind kind,
                      struct series_row *out, bool *found, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "read a series",
              "SELECT " SERIES_COLUMNS " FROM series WHERE run = ?1 AND stage = ?2 AND name = ?3 AND kind = ?4");
    sql_int(&q, run);
    sql_text(&q, stage);
    sql_text(&q, name);
    sql_int(&q, kind);
    int status = sql_step_texts(&q, &row, p);
    if (status == OK) {
        *found = row;
        if (row)
            read_series(&q, out);
    }
    sql_end(&q);
    return status;
}

static int insert_series(struct store *s, struct series_row *row, struct problem *p)
{
    struct sql q;
    bool there = false;

    sql_begin(&q, &s->writer, "create a series",
              "INSERT INTO series (" SERIES_COLUMNS
              ") VALUES (?1, (SELECT coalesce(max(series), 0) + 1 FROM series WHERE "
              "run = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) RETURNING series");
    sql_int(&q, row->run);
    sql_text(&q, row->stage);
    sql_text(&q, row->name);
    sql_int(&q, form_kind(row->shape.form));
    sql_int(&q, row->shape.form);
    sql_int(&q, row->shape.task);
    sql_int(&q, row->shape.num_classes);
    sql_int(&q, row->shape.bins);
    sql_int(&q, row->batches);
    sql_int(&q, row->samples);
    sql_int(&q, row->epochs);
    sql_int(&q, row->last_epoch);
    sql_int(&q, row->last_step);
    int status = sql_step(&q, &there, p);
    int64_t number = status == OK && there ? sql_column_int(&q, 0) : 0;
    if (status == OK)
        status = sql_step(&q, &there, p); /* a statement with RETURNING takes effect when it is run to its end */
    sql_end(&q);
    if (status == OK)
        row->series = number;
    return status;
}

int store_write_series(struct store *s, struct series_row *row, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    if (row->series == 0)
        return insert_series(s, row, p);
    sql_begin(&q, &s->writer, "write a series",
              "UPDATE series SET batches = ?1, samples = ?2, epochs = ?3, last_epoch = ?4, last_step = ?5 "
              "WHERE run = ?6 AND series = ?7");
    sql_int(&q, row->batches);
    sql_int(&q, row->samples);
    sql_int(&q, row->epochs);
    sql_int(&q, row->last_epoch);
    sql_int(&q, row->last_step);
    sql_int(&q, row->run);
    sql_int(&q, row->series);
    return sql_run(&q, p);
}

int store_write_series_delete(struct store *s, int64_t run, int64_t series, struct problem *p)
{
    static const char *const texts[] = {"DELETE FROM batch WHERE run = ?1 AND series = ?2",
                                        "DELETE FROM rollup WHERE run = ?1 AND series = ?2",
                                        "DELETE FROM series WHERE run = ?1 AND series = ?2"};
    int status = store_writing(s, p);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == OK; i++) {
        struct sql q;
        sql_begin(&q, &s->writer, "delete a series", texts[i]);
        sql_int(&q, run);
        sql_int(&q, series);
        status = sql_run(&q, p);
    }
    return status;
}

/* ---- attempts ---- */

int store_attempts_each(struct store_conn *c, int64_t run, int (*fn)(void *context, const struct attempt_row *row),
                        void *context, struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read the attempts of a run",
              "SELECT attempt, number, rewound, stage, epoch, step FROM attempt WHERE run = ?1 ORDER BY number");
    sql_int(&q, run);
    while ((status = sql_step_texts(&q, &more, p)) == OK && more && answer == OK) {
        struct attempt_row row;
        memset(&row, 0, sizeof row);
        sql_column_copy(&q, 0, row.attempt, sizeof row.attempt);
        row.number = sql_column_int(&q, 1);
        row.rewound = sql_column_int(&q, 2) != 0;
        sql_column_copy(&q, 3, row.stage, sizeof row.stage);
        row.epoch = sql_column_int(&q, 4);
        row.step = sql_column_int(&q, 5);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_write_attempt(struct store *s, int64_t run, const struct attempt_row *row, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    if (row->attempt[0] != '\0') { /* rewinds without a name are each a row of their own */
        sql_begin(&q, &s->writer, "replace an attempt",
                  "DELETE FROM attempt WHERE run = ?1 AND attempt = ?2 AND attempt <> ''");
        sql_int(&q, run);
        sql_text(&q, row->attempt);
        status = sql_run(&q, p);
        if (status != OK)
            return status;
    }
    sql_begin(
        &q, &s->writer, "write an attempt",
        "INSERT INTO attempt (run, attempt, number, rewound, stage, epoch, step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    sql_int(&q, run);
    sql_text(&q, row->attempt);
    sql_int(&q, row->number);
    sql_int(&q, row->rewound);
    sql_text(&q, row->stage);
    sql_int(&q, row->epoch);
    sql_int(&q, row->step);
    return sql_run(&q, p);
}
