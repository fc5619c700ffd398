/**
 * New batches into their table: the rows of a whole group by one statement.
 *
 * The rows are handed to SQLite as a table of its own kind, "new_batch", which exists on the writing connection only
 * and reads from whatever source is being written at the moment.  One INSERT ... SELECT then does what a step, nine
 * bindings and a reset for each row would do at half as much again.
 *
 * OR FAIL: no row is taken back when one cannot be inserted, so SQLite need not keep a copy of each page that the
 * statement changes.  It changes nothing for the caller: after any failure the transaction is given up.
 *
 * Thread: the writer.
 */
#include <stdlib.h>

#include "store_sqlite.h"

struct rows_cursor {
    sqlite3_vtab_cursor base; /* SQLite's part comes first */
    const struct batch_source *source;
    struct batch_row row;
    sqlite3_int64 n;
    bool at_end;
};

struct rows_table {
    sqlite3_vtab base;
    const struct store *store;
};

enum { COLUMN_RUN, COLUMN_SERIES, COLUMN_EPOCH, COLUMN_STEP, COLUMN_RANK, COLUMN_SAMPLES, COLUMN_CORRECT, COLUMN_TIME };

/* ---- the table, as SQLite asks for it ---- */

static int rows_connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out, char **why)
{
    struct rows_table *t = calloc(1, sizeof *t);

    (void)argc, (void)argv, (void)why;
    if (t == NULL)
        return SQLITE_NOMEM;
    t->store = store;
    int rc =
        sqlite3_declare_vtab(db, "CREATE TABLE x (run, series, epoch, step, rank, samples, correct, logged_at, state)");
    if (rc != SQLITE_OK) {
        free(t);
        return rc;
    }
    *out = &t->base;
    return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

/* There is one way to read it: from the first to the last. */
static int rows_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1;
    return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct rows_cursor *c = calloc(1, sizeof *c);

    (void)table;
    if (c == NULL)
        return SQLITE_NOMEM;
    *out = &c->base;
    return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int rows_next(sqlite3_vtab_cursor *cursor)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;

    c->n++;
    c->at_end = !c->source->next(c->source->context, &c->row);
    return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *cursor, int index, const char *name, int argc, sqlite3_value **argv)
{
    struct rows_cursor *c = (struct rows_cursor *)cursor;

    (void)index, (void)name, (void)argc, (void)argv;
    c->source = ((struct rows_table *)cursor->pVtab)->store->source;
    c->n = 0;
    if (c->source == NULL) { /* nobody is writing: it is empty */
        c->at_end = true;
        return SQLITE_OK;
    }
    return rows_next(cursor);
}

static int rows_eof(sqlite3_vtab_cursor *cursor)
{
    return ((const struct rows_cursor *)cursor)->at_end;
}

static int rows_column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int column)
{
    const struct batch_row *row = &((const struct rows_cursor *)cursor)->row;
    int64_t value = 0;

    switch (column) {
    case COLUMN_RUN:
        value = row->run;
        break;
    case COLUMN_SERIES:
        value = row->series;
        break;
    case COLUMN_EPOCH:
        value = row->key.epoch;
        break;
    case COLUMN_STEP:
        value = row->key.step;
        break;
    case COLUMN_RANK:
        value = row->key.rank;
        break;
    case COLUMN_SAMPLES:
        value = row->samples;
        break;
    case COLUMN_CORRECT:
        value = row->correct;
        break;
    case COLUMN_TIME:
        value = row->logged_at;
        break;
    default:
        /* borrowed: the row is in the table before the next one is asked for */
        sqlite3_result_blob64(out, row->state_size > 0 ? row->state : (const uint8_t *)"", row->state_size,
                              SQLITE_STATIC);
        return SQLITE_OK;
    }
    sqlite3_result_int64(out, value);
    return SQLITE_OK;
}

static int rows_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    *out = ((const struct rows_cursor *)cursor)->n;
    return SQLITE_OK;
}

/* ---- writing ---- */

int store_rows_declare(struct store *s, struct problem *p)
{
    /* without xCreate it exists by its name alone, and no schema can hold it */
    static const sqlite3_module MODULE = {.xConnect = rows_connect,
                                          .xBestIndex = rows_best_index,
                                          .xDisconnect = rows_disconnect,
                                          .xOpen = rows_open,
                                          .xClose = rows_close,
                                          .xFilter = rows_filter,
                                          .xNext = rows_next,
                                          .xEof = rows_eof,
                                          .xColumn = rows_column,
                                          .xRowid = rows_rowid};
    int rc = sqlite3_create_module(s->writer.db, "new_batch", &MODULE, s);

    return rc == SQLITE_OK ? OK : sql_failed(&s->writer, "set up the connection", rc, p);
}

int store_write_batches(struct store *s, const struct batch_source *source, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    s->source = source;
    sql_begin(&q, &s->writer, "insert batches",
              "INSERT OR FAIL INTO batch SELECT run, series, epoch, step, rank, samples, correct, logged_at, state "
              "FROM new_batch");
    status = sql_run(&q, p);
    s->source = NULL;
    return status;
}
