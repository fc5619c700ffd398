/**
 * The life of a SQLite store: its connections, open and close.  store_sqlite_transaction.c writes by them.
 *
 * Guarantees:
 * 1. a file that is not ours, or newer than this program, or damaged where it can be told without reading all, is not changed;
 * 2. every connection reads and writes pages with sums (store_sqlite_page.c).
 *
 * Thread: the writing connection belongs to one thread; each reader to one thread at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_sqlite.h"

enum { SERVER_WAIT_MS = 200 }; /* a command that makes a token holds the server's lock for a moment */

/* ---- connections ---- */

static int open_connection(struct store_conn *c, struct store *s, int flags, bool collect, struct problem *p)
{
    const char *vfs = store_page_vfs(collect);

    c->store = s;
    if (vfs == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int rc = sqlite3_open_v2(s->path, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
    if (rc == SQLITE_OK && s->is_plain)
        rc = store_page_plain(c->db);
    if (rc == SQLITE_OK) /* of a new database, or of a copy that is made of an old one */
        rc = store_page_reserve(c->db);
    /* before anything is read: closing a connection must never checkpoint by itself */
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(c->db, STORE_BUSY_WAIT_MS);
    return rc == SQLITE_OK ? sql_rollback_prepare(c, p) : sql_failed(c, "open the database", rc, p);
}

static void close_connection(struct store_conn *c)
{
    sql_release(c);
    sqlite3_close(c->db);
    free(c->scratch);
    c->db = NULL;
    c->scratch = NULL;
}

static int use_wal(struct store_conn *c, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "turn on the write-ahead log", "PRAGMA journal_mode = WAL");
    int status = sql_step_texts(&q, &row, p);
    const char *mode = status == OK && row ? sql_column_text(&q, 0) : NULL;
    if (status == OK && (mode == NULL || strcmp(mode, "wal") != 0))
        status = problem_set(p, PROBLEM_STORAGE, NULL, "this file system does not support SQLite's write-ahead log");
    if (status == OK)
        status =
            sql_step(&q, &row, p); /* it commits after its row: where that fails, the journal would be used for ever */
    sql_end(&q);
    return status;
}

/* A new database gets its schema before the WAL is turned on, so that the header says whose it is
   from the first moment on. */
static int open_writer(struct store *s, enum store_durability durability, bool may_migrate, struct problem *p)
{
    struct store_conn *c = &s->writer;
    int version = 0;

    c->is_writer = true;
    int status = open_connection(c, s, SQLITE_OPEN_READWRITE, durability == STORE_FULL, p);
    if (status == OK)
        status = store_schema_check(c, &version, p);
    if (status == OK && version != store_schema_latest() && !may_migrate)
        status = problem_set(p, PROBLEM_STORAGE, NULL,
                             "the database has another schema version than this program: is an "
                             "older server running?");
    if (status == OK && version == 0)
        status = store_schema_migrate(c, version, p);
    if (status == OK)
        status = use_wal(c, p);
    if (status == OK)
        status = sql_script(c, "set up the connection",
                            durability == STORE_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", p);
    if (status == OK)
        status = sql_script(c, "set up the connection",
                            "PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384",
                            p);
    if (status == OK)
        status = store_file_sync_names(s->path, p);
    if (status == OK)
        status = store_rows_declare(s, p);
    if (status == OK) {
        store_watch_wal(s);
        if (version > 0)
            status = store_schema_migrate(c, version, p);
        store_watch_commits(s);
    }
    return status;
}

struct store_conn *store_writer(struct store *s)
{
    return &s->writer;
}

int store_reader_open(struct store *s, struct store_conn **out, struct problem *p)
{
    struct store_conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int status = open_connection(c, s, SQLITE_OPEN_READONLY, false, p);
    if (status == OK)
        status = sql_script(c, "set up a reader",
                            "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096", p);
    if (status != OK) {
        store_reader_close(c);
        return status;
    }
    *out = c;
    return OK;
}

void store_reader_close(struct store_conn *c)
{
    if (c == NULL)
        return;
    close_connection(c);
    free(c);
}

void store_interrupt(struct store_conn *c)
{
    sqlite3_interrupt(c->db);
}

int store_snapshot_begin(struct store_conn *c, struct problem *p)
{
    struct sql q;

    sql_rollback(c); /* one that could not be ended */
    sql_begin(&q, c, "begin a snapshot", "BEGIN");
    return sql_run(&q, p);
}

void store_snapshot_end(struct store_conn *c)
{
    sql_rollback(c); /* nothing was written: there is nothing to lose */
}

/* ---- life cycle ---- */

static struct store *new_store(void)
{
    struct store *s = calloc(1, sizeof *s);

    if (s != NULL) {
        s->lock_fd = -1;
        atomic_init(&s->read_only, false);
        store_sync_init(&s->syncing);
        atomic_init(&s->damage_stage, 0);
        atomic_init(&s->room_wanted, 0);
    }
    return s;
}

/* Everything but the writing connection's last words. */
static void free_store(struct store *s)
{
    close_connection(&s->writer);
    if (s->lock_fd >= 0)
        close(s->lock_fd); /* drops both locks */
    store_sync_release(&s->syncing);
    free(s->path);
    free(s);
}

/* The server's lock is ours: look at the file, make it if it is new, open it. */
static int open_locked(struct store *s, const struct store_options *options, struct problem *p)
{
    bool fresh = false;
    int status = store_file_check(s->path, &fresh, p);

    if (status == OK)
        status = store_gate_take(s, p);
    if (status != OK)
        return status;
    status = store_admit_alone(s, p);
    if (status == OK)
        status = store_note_durability(s, options->durability, p);
    if (status == OK)
        status = open_writer(s, options->durability, true, p);
    store_gate_drop(s);
    return status;
}

int store_open(struct store **out, const struct store_options *options, struct problem *p)
{
    struct store *s = new_store();
    bool fresh = false;

    if (s == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int status = store_file_resolve(options->path, &s->path, p);
    if (status == OK)
        status = store_file_check_local(s->path, p);
    /* a foreign file gets no lock file beside it; where there is one, a store of this process may be open */
    if (status == OK && !store_lock_exists(s->path))
        status = store_file_check(s->path, &fresh, p);
    if (status == OK)
        status = store_lock_open(s->path, &s->lock_fd, p);
    if (status == OK && !store_lock_take(s->lock_fd, STORE_LOCK_SERVER, SERVER_WAIT_MS)) {
        char quoted[200];
        status = problem_set(p, PROBLEM_STORAGE, NULL, "another tally server is using %s",
                             problem_quote(quoted, sizeof quoted, s->path, strlen(s->path)));
    }
    if (status == OK)
        status = open_locked(s, options, p);
    if (status != OK) {
        free_store(s);
        return status;
    }
    store_remember_file(s);
    *out = s;
    return OK;
}

int store_guest_open(struct store **out, const char *path, bool create, struct problem *p)
{
    struct store *s = new_store();
    bool fresh = false, alone = false, gate = false;

    if (s == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    s->is_guest = true;
    int status = store_file_resolve(path, &s->path, p);
    if (status == OK && !create && access(s->path, F_OK) != 0)
        status = problem_set(p, PROBLEM_STORAGE, NULL, "there is no database at this path");
    if (status == OK)
        status = store_file_check_local(s->path, p);
    if (status == OK && !store_lock_exists(s->path))
        status = store_file_check(s->path, &fresh, p);
    if (status == OK)
        status = store_lock_open(s->path, &s->lock_fd, p);
    if (status == OK)
        status = store_gate_take(s, p);
    gate = status == OK;
    /* without a server this command may make or migrate the database itself */
    if (status == OK)
        alone = store_lock_take(s->lock_fd, STORE_LOCK_SERVER, 0);
    if (status == OK && alone)
        status = store_admit_alone(s, p);
    if (status == OK && !alone)
        status = store_admit_beside(s, p);
    if (status == OK)
        status = open_writer(s, STORE_FULL, alone, p);
    if (gate)
        store_gate_drop(s);
    if (status != OK) {
        free_store(s);
        return status;
    }
    *out = s;
    return OK;
}

int store_view_open(struct store **out, const char *path, struct problem *p)
{
    struct store *s = new_store();

    if (s == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    s->is_guest = true;
    int status = store_file_resolve(path, &s->path, p);
    if (status == OK)
        status = store_file_check_local(s->path, p);
    if (status == OK)
        status = store_admit_view(s, p);
    if (status != OK) {
        free_store(s);
        return status;
    }
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    struct problem ignored;

    if (s == NULL)
        return;
    store_rollback(s);
    /* the last connection checkpoints and removes the WAL; after an I/O error it stays for recovery */
    if (!s->is_guest && !store_is_read_only(s) && store_gate_take(s, &ignored) == OK)
        sqlite3_db_config(s->writer.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    free_store(s);
}
