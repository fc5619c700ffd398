/**
 * The only place that talks to sqlite3_stmt: prepare once, bind in order, step, reset.  It also turns
 * the engine's errors into problems, and decides which of them end all writing.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_sqlite.h"

/* The index of the WAL, which is made anew by whoever opens the database first: nothing on the disk is in doubt. */
static bool is_memory_shared(int rc)
{
    return rc == SQLITE_IOERR_SHMOPEN || rc == SQLITE_IOERR_SHMSIZE || rc == SQLITE_IOERR_SHMMAP ||
           rc == SQLITE_IOERR_SHMLOCK;
}

int sql_failed(struct store_conn *c, const char *what, int rc, struct problem *p)
{
    int primary = rc & 0xff;

    if (primary == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory to %s", what);
    if (rc == SQLITE_CONSTRAINT_COMMITHOOK)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory to %s: the transaction has ended", what);
    if (rc == SQLITE_IOERR_DATA || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return store_damaged(c, what, rc, p);
    if (primary == SQLITE_FULL)
        return store_full(p, what);
    if (primary == SQLITE_IOERR && is_memory_shared(rc))
        return sqlite3_system_errno(c->db) == ENOSPC
                   ? store_full(p, what)
                   : problem_set(p, PROBLEM_STORAGE, NULL, "cannot %s: %s (code %d)", what, sqlite3_errstr(rc), rc);
    if (primary == SQLITE_IOERR && c->is_writer && c->store != NULL) {
        /* What the kernel did with the failed pages is unknown: trying again could report a write as
           durable that never reached the disk. */
        atomic_store(&c->store->read_only, true);
        return problem_set(p, PROBLEM_STORAGE, NULL, "cannot %s: %s (code %d); the store is read-only from now on",
                           what, sqlite3_errstr(rc), rc);
    }
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return problem_set(p, PROBLEM_STORAGE, NULL, "cannot %s: another program holds the database locked", what);
    if (primary == SQLITE_CONSTRAINT)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot %s: %s", what, c->db ? sqlite3_errmsg(c->db) : "");
    return problem_set(p, PROBLEM_STORAGE, NULL, "cannot %s: %s (code %d)", what,
                       c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), rc);
}

static int prepare(struct store_conn *c, const char *text, unsigned flags, sqlite3_stmt **out)
{
    *out = NULL;
    return sqlite3_prepare_v3(c->db, text, -1, flags, out, NULL);
}

void sql_begin(struct sql *q, struct store_conn *c, const char *what, const char *text)
{
    size_t i = ((uintptr_t)text >> 4) * 0x9e3779b1u % SQL_SLOTS;

    q->c = c;
    q->what = what;
    q->statement = NULL;
    q->n_bound = 0;
    q->temporary = false;

    size_t probes = 0;
    while (c->slots[i].text != text && c->slots[i].text != NULL && probes++ < SQL_SLOTS)
        i = (i + 1) % SQL_SLOTS;
    struct sql_slot *slot = &c->slots[i];
    if (slot->text == NULL) {
        q->rc = prepare(c, text, SQLITE_PREPARE_PERSISTENT, &q->statement);
        if (q->rc == SQLITE_OK) {
            slot->text = text;
            slot->statement = q->statement;
        }
    } else if (slot->text != text || sqlite3_stmt_busy(slot->statement)) {
        q->rc = prepare(c, text, 0, &q->statement);
        q->temporary = true;
    } else {
        q->rc = SQLITE_OK;
        q->statement = slot->statement;
    }
}

void sql_int(struct sql *q, int64_t value)
{
    if (q->rc == SQLITE_OK)
        q->rc = sqlite3_bind_int64(q->statement, ++q->n_bound, value);
}

void sql_double(struct sql *q, double value)
{
    if (q->rc == SQLITE_OK)
        q->rc = isnan(value) ? sqlite3_bind_null(q->statement, ++q->n_bound)
                             : sqlite3_bind_double(q->statement, ++q->n_bound, value);
}

void sql_text(struct sql *q, const char *text)
{
    if (q->rc == SQLITE_OK) /* a NULL pointer binds NULL */
        q->rc = sqlite3_bind_text(q->statement, ++q->n_bound, text, -1, SQLITE_STATIC);
}

void sql_blob(struct sql *q, const void *data, size_t size)
{
    if (q->rc == SQLITE_OK)
        q->rc = sqlite3_bind_blob64(q->statement, ++q->n_bound, size > 0 ? data : "", size, SQLITE_STATIC);
}

int sql_step(struct sql *q, bool *row, struct problem *p)
{
    int rc = q->rc != SQLITE_OK ? q->rc : sqlite3_step(q->statement);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sql_failed(q->c, q->what, rc, p);
    *row = rc == SQLITE_ROW;
    return OK;
}

int sql_step_texts(struct sql *q, bool *row, struct problem *p)
{
    int status = sql_step(q, row, p);

    /* a text may have to be copied to get its NUL; one that was stays as it is */
    for (int i = 0; status == OK && *row && i < sqlite3_column_count(q->statement); i++)
        if (sqlite3_column_type(q->statement, i) == SQLITE_TEXT && sqlite3_column_text(q->statement, i) == NULL)
            status = sql_failed(q->c, q->what, SQLITE_NOMEM, p);
    return status;
}

int sql_run(struct sql *q, struct problem *p)
{
    bool row = false;
    int status = sql_step(q, &row, p);

    sql_end(q);
    return status;
}

void sql_end(struct sql *q)
{
    /* reset and finalize repeat the error of the last step, which was reported already */
    if (q->temporary) {
        sqlite3_finalize(q->statement);
    } else if (q->statement != NULL) {
        sqlite3_reset(q->statement);
        sqlite3_clear_bindings(q->statement);
    }
    q->statement = NULL;
}

static const char ROLLBACK[] = "ROLLBACK";

int sql_rollback_prepare(struct store_conn *c, struct problem *p)
{
    struct sql q;

    sql_begin(&q, c, "set up the connection", ROLLBACK);
    int status = q.rc == SQLITE_OK ? OK : sql_failed(c, q.what, q.rc, p);
    sql_end(&q);
    return status;
}

void sql_rollback(struct store_conn *c)
{
    struct sql q;
    struct problem ignored;

    if (sqlite3_get_autocommit(c->db))
        return;
    sql_begin(&q, c, "roll back", ROLLBACK);
    sql_run(&q, &ignored);
}

int64_t sql_column_int(struct sql *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

double sql_column_double(struct sql *q, int column)
{
    return sqlite3_column_type(q->statement, column) == SQLITE_NULL ? NAN : sqlite3_column_double(q->statement, column);
}

const char *sql_column_text(struct sql *q, int column)
{
    return (const char *)sqlite3_column_text(q->statement, column);
}

const uint8_t *sql_column_blob(struct sql *q, int column, size_t *size)
{
    const uint8_t *data = sqlite3_column_blob(q->statement, column);

    *size = (size_t)sqlite3_column_bytes(q->statement, column);
    return data;
}

void sql_column_copy(struct sql *q, int column, char *out, size_t size)
{
    const char *text = sql_column_text(q, column);

    /* what the writer stored fits; a hand-edited database must still not overrun us */
    snprintf(out, size, "%s", text != NULL ? text : "");
}

int sql_keep(struct store_conn *c, const uint8_t **a, size_t a_size, const uint8_t **b, size_t b_size,
             struct problem *p)
{
    if (c->scratch == NULL || a_size + b_size > c->scratch_cap) {
        size_t cap = (a_size + b_size) * 2 + 256;
        uint8_t *scratch = realloc(c->scratch, cap);
        if (scratch == NULL)
            return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
        c->scratch = scratch;
        c->scratch_cap = cap;
    }
    if (a_size > 0)
        memcpy(c->scratch, *a, a_size);
    *a = c->scratch;
    if (b != NULL) {
        if (b_size > 0)
            memcpy(c->scratch + a_size, *b, b_size);
        *b = c->scratch + a_size;
    }
    return OK;
}

void sql_release(struct store_conn *c)
{
    for (size_t i = 0; i < SQL_SLOTS; i++) {
        sqlite3_finalize(c->slots[i].statement);
        c->slots[i].statement = NULL;
        c->slots[i].text = NULL;
    }
}

int sql_script(struct store_conn *c, const char *what, const char *text, struct problem *p)
{
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? OK : sql_failed(c, what, rc, p);
}

int sql_pragma_int(struct store_conn *c, const char *text, int64_t *out, struct problem *p)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare(c, text, 0, &statement);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? OK : sql_failed(c, text, rc == SQLITE_DONE ? SQLITE_ERROR : rc, p);
}
