/**
 * A database before it is opened: is it ours, is it whole, has it sums?  And the step that gives an old one its sums.
 *
 * Byte 20 of a database says how many bytes at the end of each page are not SQLite's.  Ours has PAGE_SUM_SIZE from its first
 * byte on; one that was made before pages had sums has 0.  As one flipped bit could make the one look like the other, the sum
 * of page 1 decides.  Page 1 of the file may be torn or old where the log holds it: then the log's counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "page_sum.h"
#include "store_sqlite.h"

enum { VIEW_TRIES = 20 };

enum file_kind { FILE_FRESH, FILE_SUMMED, FILE_PLAIN };

static bool sum_holds(uint8_t *page, uint8_t reserved)
{
    uint8_t was = page[PAGE_RESERVED_AT];

    page[PAGE_RESERVED_AT] = reserved;
    bool holds = page_sum(page, 1) == page_sum_read(page);
    page[PAGE_RESERVED_AT] = was;
    return holds;
}

static int page_damaged(const char *path, struct problem *p)
{
    char quoted[200];

    return problem_set(p, PROBLEM_DAMAGED, NULL,
                       "page 1 of %s is damaged: nothing was changed. Restore a backup, or see \"A damaged file\" in "
                       "docs/operations.md",
                       problem_quote(quoted, sizeof quoted, path, strlen(path)));
}

/* Of a file that has our name in its header.  Opens and closes it. */
static int look_at_first(const char *path, const struct store_log *log, enum file_kind *kind, struct problem *p)
{
    uint8_t page[PAGE_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, page, sizeof page, 0) : -1;
    int error = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0) {
        char quoted[200];
        return problem_set(p, PROBLEM_STORAGE, NULL, "cannot read %s: %s",
                           problem_quote(quoted, sizeof quoted, path, strlen(path)), strerror(error));
    }
    if (n < PAGE_SIZE)
        return page_damaged(path, p);
    if (page[PAGE_RESERVED_AT] == PAGE_SUM_SIZE) {
        if (!log->has_first && !sum_holds(page, PAGE_SUM_SIZE))
            return page_damaged(path, p);
        *kind = FILE_SUMMED;
        return OK;
    }
    if (page[PAGE_RESERVED_AT] != 0 || sum_holds(page, PAGE_SUM_SIZE) ||
        (log->has_first && log->first_reserved == PAGE_SUM_SIZE))
        return page_damaged(path, p);
    *kind = FILE_PLAIN;
    return OK;
}

/* A crash while the database was made or its log turned on: SQLite puts the pages of the journal back, as they were in the
   file.  Without sums of ours on top: they have them already, or it is an old database. */
static int undo_journal(const char *path, struct problem *p)
{
    struct store_conn c = {.store = NULL};
    int64_t ignored = 0;
    int rc = sqlite3_open_v2(path, &c.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int status = rc == SQLITE_OK ? OK : sql_failed(&c, "open the database", rc, p);
    if (status == OK)
        status = sql_pragma_int(&c, "SELECT count(*) FROM sqlite_schema", &ignored, p);
    sqlite3_close(c.db);
    return status;
}

static int has_journal(const char *path, bool *out, struct problem *p)
{
    char *journal = NULL;

    if (asprintf(&journal, "%s-journal", path) < 0)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    *out = access(journal, F_OK) == 0;
    free(journal);
    return OK;
}

/* Nobody else is writing, and this process has none of the files open. */
static int admit(const char *path, bool is_lenient, enum file_kind *kind, struct problem *p)
{
    struct store_log log;
    bool fresh = false, journal = false;
    int status = store_file_check(path, &fresh, p);

    if (status == OK && !fresh)
        status = has_journal(path, &journal, p);
    if (status == OK && journal) {
        status = undo_journal(path, p);
        if (status == OK)
            status = store_file_check(path, &fresh, p);
    }
    if (status != OK)
        return status;
    if (fresh) {
        *kind = FILE_FRESH;
        return OK;
    }
    status = store_log_check(path, is_lenient, &log, p);
    return status == OK ? look_at_first(path, &log, kind, p) : status;
}

/* The page may be seen half written while the server moves its log, or be in the log alone: soon it is whole, or it is
   damaged. */
static int admit_beside(const char *path, const struct store_log *log, enum file_kind *kind, struct problem *p)
{
    struct problem ignored;
    struct store_log seen = *log;
    bool fresh = false;
    int status = store_file_check(path, &fresh, p);

    if (status != OK)
        return status;
    if (fresh)
        return problem_set(p, PROBLEM_STORAGE, NULL, "there is no database at this path");
    for (int i = 0; i < VIEW_TRIES; i++) {
        status = look_at_first(path, &seen, kind, p);
        if (status != PROBLEM_DAMAGED)
            return status;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        store_log_check(path, true, &seen, &ignored); /* only to learn whether it holds the page */
    }
    return status;
}

/* ---- an old database gets sums ---- */

/* Nobody else has it open from here on, and all of it is in one file. */
static int take_alone(struct store_conn *c, struct problem *p)
{
    struct sql q;
    bool row = false;

    int status = sql_script(c, "lock the database", "PRAGMA locking_mode = EXCLUSIVE", p);
    if (status != OK)
        return status;
    sql_begin(&q, c, "empty the write-ahead log", "PRAGMA journal_mode = DELETE");
    status = sql_step(&q, &row, p);
    const char *mode = status == OK && row ? sql_column_text(&q, 0) : NULL;
    if (status == OK && (mode == NULL || strcmp(mode, "delete") != 0))
        status =
            problem_set(p, PROBLEM_STORAGE, NULL,
                        "the database is an old one and must be brought up to date, but another program has it open");
    sql_end(&q);
    if (status == OK)
        status = sql_script(c, "lock the database", "BEGIN EXCLUSIVE; COMMIT", p);
    return status;
}

/* Its journal too: beside a new copy it would be taken for that one's. */
static void remove_copy(const char *copy)
{
    char *journal = NULL;

    unlink(copy);
    if (asprintf(&journal, "%s-journal", copy) >= 0) {
        unlink(journal);
        free(journal);
    }
}

static int copy_with_sums(struct store_conn *c, const char *path, const char *copy, struct problem *p)
{
    struct sql q;
    char page_size[48];

    snprintf(page_size, sizeof page_size, "PRAGMA page_size = %d", PAGE_SIZE);
    int status = sql_script(c, "set the size of pages", page_size, p);
    if (status != OK)
        return status;
    int rc = store_page_reserve(c->db); /* of this database, which stays as it is: the copy takes it over */
    if (rc != SQLITE_OK)
        return sql_failed(c, "keep room for sums", rc, p);
    remove_copy(copy); /* of an attempt that was cut short */
    status = store_file_create(copy, p);
    if (status == OK)
        status = store_file_give(copy, path, p);
    if (status != OK)
        return status;
    sql_begin(&q, c, "copy the database", "VACUUM INTO ?1");
    sql_text(&q, copy);
    status = sql_run(&q, p);
    return status == OK ? store_file_sync(copy, p) : status;
}

static int replace(const char *path, const char *copy, struct problem *p)
{
    if (rename(copy, path) == 0)
        return store_file_sync_names(path, p);
    return problem_set(p, PROBLEM_STORAGE, NULL, "cannot put the copy with sums in the place of the database: %s",
                       strerror(errno));
}

/* Both locks are held, and nothing is open. */
static int give_sums(struct store *s, struct problem *p)
{
    struct store_conn *c = calloc(1, sizeof *c);
    char *copy = NULL;
    int status = OK;

    if (c == NULL || asprintf(&copy, "%s.summing", s->path) < 0) {
        free(c);
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    }
    int rc = sqlite3_open_v2(s->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             store_page_vfs(false));
    if (rc == SQLITE_OK)
        rc = store_page_plain(c->db);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(c->db, STORE_BUSY_WAIT_MS);
    if (rc != SQLITE_OK)
        status = sql_failed(c, "open the database", rc, p);
    if (status == OK)
        status = take_alone(c, p);
    if (status == OK && !store_has_room(s->path, store_database_bytes(c)))
        status = store_full(p, "copy the database");
    if (status == OK)
        status = copy_with_sums(c, s->path, copy, p);
    if (status == OK)
        status = replace(s->path, copy, p);
    if (status != OK)
        remove_copy(copy);
    sql_release(c);
    sqlite3_close(c->db);
    free(c);
    free(copy);
    return status;
}

/* ---- before the store is opened ---- */

int store_admit_alone(struct store *s, struct problem *p)
{
    enum file_kind kind = FILE_FRESH;
    int status = admit(s->path, store_lenient_get(s->lock_fd), &kind, p);

    if (status == OK && kind == FILE_FRESH)
        status = store_file_create(s->path, p);
    if (status == OK && kind == FILE_PLAIN)
        status = give_sums(s, p);
    return status;
}

int store_note_durability(struct store *s, enum store_durability durability, struct problem *p)
{
    bool is_lenient = store_lenient_get(s->lock_fd);

    if (durability == STORE_NORMAL && !is_lenient)
        return store_lenient_set(s->lock_fd, true, p);
    if (durability == STORE_FULL && is_lenient && !store_log_exists(s->path))
        return store_lenient_set(s->lock_fd, false, p);
    return OK;
}

int store_admit_beside(struct store *s, struct problem *p)
{
    const struct store_log unknown = {0};
    enum file_kind kind = FILE_SUMMED;
    int status = admit_beside(s->path, &unknown, &kind, p);

    if (status == OK && kind == FILE_PLAIN)
        status = problem_set(p, PROBLEM_STORAGE, NULL,
                             "the pages of the database have no sums: is an older server running?");
    return status;
}

/* Where no server runs, nobody has looked at the log yet. */
int store_admit_view(struct store *s, struct problem *p)
{
    struct problem ignored;
    struct store_log log = {0};
    enum file_kind kind = FILE_SUMMED;
    bool alone = !store_lock_exists(s->path), lenient = false;

    if (!alone && store_lock_open(s->path, &s->lock_fd, &ignored) == OK) {
        alone = store_lock_take(s->lock_fd, STORE_LOCK_SERVER, 0);
        lenient = store_lenient_get(s->lock_fd);
    }
    int status = alone ? store_log_check(s->path, lenient, &log, p) : OK;
    if (status == OK)
        status = admit_beside(s->path, &log, &kind, p);
    s->is_plain = status == OK && kind == FILE_PLAIN;
    if (s->lock_fd >= 0)
        store_lock_drop(s->lock_fd, STORE_LOCK_SERVER);
    return status;
}
