#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "problem.h"
#include "store.h"

/**
 * What the files of the SQLite engine share, and nobody else sees: the connection, its statements,
 * the lock file.
 */

/* Statements by the address of their text: the SQL stands where it is used, and is prepared once. */
enum { SQL_SLOTS = 256 };
enum { STORE_BUSY_WAIT_MS = 5000 };

struct sql_slot {
    const char *text;
    sqlite3_stmt *statement;
};

struct store_conn {
    sqlite3 *db;
    struct store *store;
    bool is_writer;
    struct sql_slot slots[SQL_SLOTS];
    uint8_t *scratch; /* the blobs of the last row that was handed out */
    size_t scratch_cap;
};

enum { STORE_UNSYNCED_MAX = 2 }; /* transactions */

/* See store_sqlite_sync.c. */
struct store_syncing {
    pthread_mutex_t one_sync; /* held while the log is synced */
    pthread_mutex_t mutex;    /* synced rises under it */
    pthread_cond_t has_synced;
    atomic_llong shown, committed, synced; /* numbers of transactions */
    atomic_int fd;                         /* of the log; -1: commits sync it themselves */
};

/**
 * Invariants:
 * 1. the gate is held exactly while in_transaction, and during a checkpoint;
 * 2. in_transaction: BEGIN IMMEDIATE was done, and neither COMMIT nor ROLLBACK (SQLite may have
 *    rolled back by itself after an error: then every further write is refused);
 * 3. once read_only, no transaction begins again in this process.
 */
struct store {
    struct store_conn writer;
    char *path;   /* without links: the same file has the same lock */
    dev_t device; /* of that file, once it is open; constant from then on */
    ino_t inode;
    int lock_fd;   /* <path>.lock */
    bool is_guest; /* a command: never checkpoints */
    bool in_transaction, is_committing;
    int64_t wal_pages;                 /* in the WAL after the last commit; 0: it is empty */
    int64_t checkpoint_at;             /* wal_pages from which the next checkpoint is due */
    const struct batch_source *source; /* of the batches being inserted right now; else NULL */
    atomic_bool read_only;
    struct store_syncing syncing;
    atomic_int damage_stage; /* 0: none found; 1: its text is being written; 2: it is there, and stays */
    char damage[160];
    bool is_plain;            /* an old database that is only read: its pages have no sums */
    atomic_llong room_wanted; /* free bytes without which the last group was refused; 0: it was not */
    int64_t ample_room;       /* the writer's: free bytes when they were last looked at; -1: could not be told */
    int64_t ample_until;      /* and, by clock_monotonic_us(), how long that counts where it is ample */
};

/* ---- store_sqlite_file.c: the file and its locks ---- */

enum store_lock { STORE_LOCK_SERVER = 0, STORE_LOCK_GATE = 1 }; /* the byte of <path>.lock */

/** store_file_resolve(path, out, p): the path without links, also of a file that is not there yet.  malloc'ed. */
int store_file_resolve(const char *path, char **out, struct problem *p);

/** store_file_check_local(path, p): refuse a network file system. */
int store_file_check_local(const char *path, struct problem *p);

/** store_file_check(path, fresh, p): by its header absent or empty (fresh), or ours and not newer (else STORE_FOREIGN); or a
 *  journal lies beside it (hot), so that its header says nothing yet.
 *  Opens and closes the file, which drops SQLite's locks: not while this process has it open. */
int store_file_check(const char *path, bool *fresh, struct problem *p);

/** store_file_create(path, p): make it with mode 0600, or give an empty one that mode. */
int store_file_create(const char *path, struct problem *p);
/** store_file_sync_names(path, p): the names in the file's folder are on disk, its WAL's among them.  SQLite asks for that
 *  too, but does not look at the answer. */
int store_file_sync_names(const char *path, struct problem *p);

/** store_file_give(path, like, p): a new file gets the owner of another. */
int store_file_give(const char *path, const char *like, struct problem *p);
/** store_log_exists(path): a write-ahead log that is not empty lies beside it. */
bool store_log_exists(const char *path);
/** store_file_sync(path, p): what was written to this file is on disk. */
int store_file_sync(const char *path, struct problem *p);

bool store_lock_exists(const char *path);
int store_lock_open(const char *path, int *fd, struct problem *p);
/** store_lock_take(fd, lock, wait_ms): true when it is ours; it is dropped with the descriptor at the latest. */
bool store_lock_take(int fd, enum store_lock lock, int wait_ms);
void store_lock_drop(int fd, enum store_lock lock);
/** store_lenient_get(fd), store_lenient_set(fd, on, p): a mark in the lock file, synced: the log may hold commits that were
 *  not synced (durability normal), and a power cut may have torn several of them. */
bool store_lenient_get(int fd);
int store_lenient_set(int fd, bool on, struct problem *p);

/* ---- store_sqlite_migrate.c: the schema ---- */

enum { STORE_APPLICATION_ID = 0x54616c79 };

int store_schema_latest(void); /* the greatest number of the migrations in the binary */
/** store_schema_check(c, version, p): the open database is empty (version 0) or ours and not newer (else
 *  STORE_FOREIGN). */
int store_schema_check(struct store_conn *c, int *version, struct problem *p);
/** store_schema_migrate(c, from, p): run the migrations after version from, one transaction each. */
int store_schema_migrate(struct store_conn *c, int from, struct problem *p);

/* ---- store_sqlite.c ---- */

/** store_guest_open(out, path, create, p): the database for one short transaction of a command, beside a
 *  server that may be running: store_begin .. store_commit, then store_close. */
int store_guest_open(struct store **out, const char *path, bool create, struct problem *p);

/* ---- store_sqlite_transaction.c ---- */

/** store_gate_take(s, p): until store_gate_drop() no other process commits or checkpoints.  OK; PROBLEM_STORAGE: another holds
 *  it, for longer than a short transaction takes. */
int store_gate_take(struct store *s, struct problem *p);
void store_gate_drop(struct store *s);

/** store_writing(s, p): OK inside a live transaction; every store_write_... asks first. */
int store_writing(struct store *s, struct problem *p);

/** store_watch_wal(s): from here on the length of the WAL is known, in place of SQLite's own checkpoints.  Once, when the
 *  writing connection is set up. */
void store_watch_wal(struct store *s);
/** store_watch_commits(s): from here on store_commit() commits, and nothing else. */
void store_watch_commits(struct store *s);

/* ---- store_sqlite_room.c ---- */

/** store_remember_file(s): which file the path leads to now: see store_is_gone(). */
void store_remember_file(struct store *s);

/** store_full(p, what): the disk is full; the client may try again in some seconds.  Returns p->code. */
int store_full(struct problem *p, const char *what);
/** store_has_room(path, bytes): would so many bytes more in this file leave what is kept free? */
bool store_has_room(const char *path, int64_t bytes);

/** store_database_bytes(c): how long the database is; 0: it cannot be told. */
int64_t store_database_bytes(struct store_conn *c);

/* ---- store_sqlite_wal.c ---- */

/** store_wal_vfs(): the name of the file system that writes the log in large pieces: for the writing connection with
 *  durability full.  NULL: SQLite's own must do. */
const char *store_wal_vfs(void);
/** store_wal_leave_sync(db, leave): whether commits of this connection write the log but leave its sync to the caller.  A
 *  log that starts over is synced all the same, as is all before a checkpoint.
 *  Returns a descriptor of the log, to sync it by, as long as the connection is open; -1: they sync it as ever. */
int store_wal_leave_sync(sqlite3 *db, bool leave);

/* ---- store_sqlite_sync.c ---- */

void store_sync_init(struct store_syncing *y);
void store_sync_release(struct store_syncing *y);
/** store_wait_to_begin(s): wait while as many transactions as may be unsynced are (or until the store is read-only). */
void store_wait_to_begin(struct store *s);

/* ---- store_sqlite_page.c: pages with sums ---- */

enum store_damage_kind { STORE_DAMAGE_NONE, STORE_DAMAGE_PAGE, STORE_DAMAGE_FRAME };

/* A page of the database, or a frame of its log; both are counted from 1. */
struct store_damage {
    enum store_damage_kind kind;
    int64_t number;
};

/** store_page_vfs(collect): the name of the file system that keeps and compares the sums of pages; collect: on top of
 *  store_wal_vfs().  NULL: no memory. */
const char *store_page_vfs(bool collect);
/** store_page_reserve(db): a database or a copy that is made by this connection has room for sums.  A code of SQLite. */
int store_page_reserve(sqlite3 *db);
/** store_page_plain(db): this connection's database is an old one without sums: before anything of it is read. */
int store_page_plain(sqlite3 *db);
/** store_page_damage(db): what the last SQLITE_IOERR_DATA of this connection was about; store_page_forget(db): there was none. */
struct store_damage store_page_damage(sqlite3 *db);
void store_page_forget(sqlite3 *db);

/* ---- store_sqlite_log.c: the write-ahead log before SQLite opens it ---- */

/* What is in the log that SQLite will take. */
struct store_log {
    int64_t frames;     /* until the last commit */
    bool has_first;     /* page 1 is among them: the database's own is not read */
    int first_reserved; /* and says that so many bytes of each page are reserved */
};

/**
 * store_log_check(path, is_lenient, out, p): is all that was committed to the write-ahead log of this database there?  SQLite
 * ends in silence at the first frame that does not fit.
 *
 * is_lenient  commits were not synced (durability normal): a power cut may have torn several.
 * Returns  OK; PROBLEM_DAMAGED: commits lie behind a bad frame, or one bit of it was changed; PROBLEM_STORAGE: it cannot be
 *          read.
 * Cost     reads the log once.  Nobody may be writing to it.
 */
int store_log_check(const char *path, bool is_lenient, struct store_log *out, struct problem *p);

/* ---- store_sqlite_admit.c: a database before it is opened ---- */

/**
 * store_admit_alone(s, p): the caller holds both locks: look at the files before SQLite does, undo what a crash left half made,
 * compare the log and page 1; make the database if it is new.  An old one gets its sums: a copy that has them takes its place,
 * so that a crash leaves one or the other.
 * Returns  OK; PROBLEM_DAMAGED, the files being untouched; PROBLEM_STORAGE: as store_file_check(), or another program has an
 *          old one open; PROBLEM_STORAGE_FULL: there is no room for its copy.
 * Cost     reads the log once; of an old database all of it, and writes it.
 */
int store_admit_alone(struct store *s, struct problem *p);
/** store_admit_beside(s, p): a server runs, which has looked at the files: only page 1 is compared. */
int store_admit_beside(struct store *s, struct problem *p);
/** store_admit_view(s, p): for one who only reads: the log too, where no server runs.  Sets s->is_plain. */
int store_admit_view(struct store *s, struct problem *p);
/** store_note_durability(s, durability, p): before a server writes: is the log in doubt?  What was not synced is, until the log
 *  is gone. */
int store_note_durability(struct store *s, enum store_durability durability, struct problem *p);

/* ---- store_sqlite_damage.c ---- */

/** store_damaged(c, what, rc, p): an operation met damage, by SQLite's code: PROBLEM_DAMAGED, and the store is read-only. */
int store_damaged(struct store_conn *c, const char *what, int rc, struct problem *p);

/* ---- store_sqlite_rows.c ---- */

/** store_rows_declare(s, p): give the writing connection its table of new rows: before store_write_batches(). */
int store_rows_declare(struct store *s, struct problem *p);

/* ---- store_sqlite_statement.c ---- */

/**
 * One use of a cached statement: sql_begin, sql_int... in the order of ?1, ?2, ..., then sql_step
 * until no row (or sql_run), then sql_end on every path: no statement stays open.  Errors of binding
 * are remembered and reported by sql_step.  A statement that is in use already (a scan inside a
 * scan) is prepared anew.
 */
struct sql {
    struct store_conn *c;
    sqlite3_stmt *statement;
    const char *what; /* for the error: "read a batch" */
    int rc;
    int n_bound;
    bool temporary;
};

/** text must have static storage: its address is the key. */
void sql_begin(struct sql *q, struct store_conn *c, const char *what, const char *text);
void sql_int(struct sql *q, int64_t value);
void sql_double(struct sql *q, double value);                /* NAN is NULL */
void sql_text(struct sql *q, const char *text);              /* NULL is NULL; borrowed until sql_end */
void sql_blob(struct sql *q, const void *data, size_t size); /* borrowed until sql_end */
int sql_step(struct sql *q, bool *row, struct problem *p);
/** sql_step_texts(q, row, p): sql_step of a statement whose rows hold texts that will be read: without it, one that there is
 *  no memory for reads as NULL. */
int sql_step_texts(struct sql *q, bool *row, struct problem *p);
int sql_run(struct sql *q, struct problem *p); /* sql_step for a statement without rows, and sql_end */
void sql_end(struct sql *q);

/** sql_rollback(c): end the transaction that is open, if one is.  It was prepared by sql_rollback_prepare(c, p) when the
 *  connection was opened: who rolls back may have no memory. */
int sql_rollback_prepare(struct store_conn *c, struct problem *p);
void sql_rollback(struct store_conn *c);

int64_t sql_column_int(struct sql *q, int column);
double sql_column_double(struct sql *q, int column);    /* NULL is NAN */
const char *sql_column_text(struct sql *q, int column); /* of sql_step_texts; NULL is NULL; until the next step */
const uint8_t *sql_column_blob(struct sql *q, int column, size_t *size);
/** sql_column_copy(q, column, out, size): a text column into an array; a damaged database if it does not fit. */
void sql_column_copy(struct sql *q, int column, char *out, size_t size);

/** sql_keep(c, a, a_size, b, b_size, p): copy one or two blobs (b may be NULL) into the connection's
 *  scratch and point to them there, so that they outlive the statement: until the next call. */
int sql_keep(struct store_conn *c, const uint8_t **a, size_t a_size, const uint8_t **b, size_t b_size,
             struct problem *p);

/** Free all cached statements: before sqlite3_close. */
void sql_release(struct store_conn *c);
/** Run several statements without rows (pragmas, a migration). */
int sql_script(struct store_conn *c, const char *what, const char *text, struct problem *p);
/** One integer, from a statement that is not worth keeping. */
int sql_pragma_int(struct store_conn *c, const char *text, int64_t *out, struct problem *p);
/** sql_failed(c, what, rc, p): an engine error as a problem.  An I/O error of the writer ends all writing. */
int sql_failed(struct store_conn *c, const char *what, int rc, struct problem *p);

#endif
