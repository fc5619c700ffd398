/**
 * Transactions and checkpoints of the writing connection.
 *
 * Guarantees:
 * 1. what store_commit() reported as done is on disk (durability full: WAL with synchronous=FULL); so is, after
 *    store_sync(), what store_commit_unsynced() did (store_sqlite_sync.c);
 * 2. no commit and no checkpoint ever run at the same time on two connections: this process commits
 *    and checkpoints on one connection, and other processes take the gate (byte 1 of the lock file)
 *    for their short transactions.  SQLite before 3.51.3 can lose WAL frames otherwise;
 * 3. after a failed write or fsync nothing more is written by this process;
 * 4. from store_watch_commits() on a transaction is committed by store_commit() or not at all, whatever SQLite does where it
 *    has no memory.
 *
 * Thread: the one that owns the writing connection.
 */
#include "store_sqlite.h"

enum {
    GATE_WAIT_MS = 10000,
    WAL_PAGES_DUE = 4000,    /* 16 MiB: a checkpoint that waits for nobody */
    WAL_PAGES_BOUND = 32000, /* 128 MiB: one that makes the WAL start over if no reader needs it */
    WAL_PAGES_MOST = 64000,  /* 256 MiB: one that waits for the readers that need it */
    READERS_WAIT_MS = 250
};

/* ---- the gate ---- */

int store_gate_take(struct store *s, struct problem *p)
{
    if (store_lock_take(s->lock_fd, STORE_LOCK_GATE, GATE_WAIT_MS))
        return OK;
    return problem_set(p, PROBLEM_STORAGE, NULL, "another process holds the write lock of the database");
}

void store_gate_drop(struct store *s)
{
    store_lock_drop(s->lock_fd, STORE_LOCK_GATE);
}

/* ---- transactions ---- */

bool store_is_read_only(const struct store *s)
{
    return atomic_load(&s->read_only);
}

int store_begin(struct store *s, struct problem *p)
{
    struct sql q;

    store_wait_to_begin(s);
    if (store_is_read_only(s))
        return store_refuse_write(s, p);
    int status = store_gate_take(s, p);
    if (status != OK)
        return status;
    sql_rollback(&s->writer); /* one that could not be ended */
    sql_begin(&q, &s->writer, "begin a transaction", "BEGIN IMMEDIATE");
    status = sql_run(&q, p);
    if (status != OK) {
        store_gate_drop(s);
        return status;
    }
    s->in_transaction = true;
    return OK;
}

int store_writing(struct store *s, struct problem *p)
{
    /* after some errors SQLite has rolled back by itself; writing on would commit statement by statement */
    if (!s->in_transaction)
        return problem_set(p, PROBLEM_STORAGE, NULL, "there is no transaction");
    if (sqlite3_get_autocommit(s->writer.db)) /* any other reason was told by the statement */
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory: the transaction has ended");
    return OK;
}

int store_commit(struct store *s, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status == OK) {
        sql_begin(&q, &s->writer, "commit", "COMMIT");
        s->is_committing = true;
        status = sql_run(&q, p);
        s->is_committing = false;
    }
    if (status != OK) {
        store_rollback(s);
        return status;
    }
    s->in_transaction = false;
    store_gate_drop(s);
    return OK;
}

void store_rollback(struct store *s)
{
    if (!s->in_transaction)
        return;
    sql_rollback(&s->writer);
    s->in_transaction = false;
    store_gate_drop(s);
}

/*
 * Called by SQLite before each commit.  Where it has no memory to undo one statement it may give up the whole transaction,
 * prepare the statement anew and run it alone, which would then commit by itself: half of a request.
 */
static int refuse_stray_commit(void *context)
{
    const struct store *s = context;

    return !s->is_committing;
}

void store_watch_commits(struct store *s)
{
    sqlite3_commit_hook(s->writer.db, refuse_stray_commit, s);
}

/* ---- checkpoints ---- */

/* Called by SQLite after each commit in place of its own automatic checkpoints. */
static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *s = context;

    (void)db;
    (void)name;
    if (pages < s->wal_pages)
        s->checkpoint_at = WAL_PAGES_DUE; /* the WAL has started over */
    s->wal_pages = pages;
    return SQLITE_OK;
}

void store_watch_wal(struct store *s)
{
    s->wal_pages = 1; /* what an earlier process left is unknown: the first idle moment cleans up */
    s->checkpoint_at = WAL_PAGES_DUE;
    sqlite3_wal_hook(s->writer.db, note_wal_pages, s);
}

int store_checkpoint(struct store *s, bool idle, struct problem *p)
{
    int mode = SQLITE_CHECKPOINT_PASSIVE, in_wal = 0, moved = 0;

    if (s->is_guest || s->in_transaction || store_is_read_only(s) || s->wal_pages == 0 ||
        (!idle && s->wal_pages < s->checkpoint_at))
        return OK;
    int status = store_gate_take(s, p);
    if (status != OK)
        return status;
    if (idle || s->wal_pages > WAL_PAGES_BOUND)
        mode = SQLITE_CHECKPOINT_TRUNCATE;
    /* A slow reader must not hold up the writer: next time then.  But where some reader always is at it, the WAL would
       grow for ever; those that begin while it is waited need the database only, so it is for what is running now. */
    sqlite3_busy_timeout(s->writer.db, s->wal_pages > WAL_PAGES_MOST ? READERS_WAIT_MS : 0);
    int rc = sqlite3_wal_checkpoint_v2(s->writer.db, NULL, mode, &in_wal, &moved);
    sqlite3_busy_timeout(s->writer.db, STORE_BUSY_WAIT_MS);
    store_gate_drop(s);

    s->checkpoint_at = s->wal_pages + WAL_PAGES_DUE;
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        s->wal_pages = 0;
        s->checkpoint_at = WAL_PAGES_DUE;
    }
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return sql_failed(&s->writer, "checkpoint", rc, p);
    return OK;
}
