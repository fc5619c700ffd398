/**
 * The write-ahead log of the writing connection, written in large pieces.
 *
 * SQLite writes each page of a transaction to the log by two calls, one for 24 bytes and one for the page: some forty
 * calls for a small group.  They follow each other in the file, so this file system of ours, a thin one around SQLite's
 * own, collects them and writes them at once, before the log is synced.
 *
 * Guarantees:
 * 1. a sync writes all that was collected first, and fails if that fails; so does whatever else looks at the file;
 * 2. nobody can miss what is not written yet: other connections read no frame before its commit is announced in the
 *    log's index, which with synchronous=FULL comes after the sync, or after the write that a sync left to another thread
 *    (store_sqlite_sync.c) begins with.  With less than FULL this file is not used;
 * 3. only the log is touched; databases, journals and shared memory go straight to SQLite's own.
 *
 * Thread: a file belongs to its connection, and so to the writer.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_sqlite.h"

enum {
    WAL_BUFFER = 120 * 1024, /* SQLite's own file takes less than 128 KiB at once */
    CONTROL_LEAVE_SYNC = 0x7a6d01
};

/* SQLite's own file follows it in memory. */
struct wal_file {
    sqlite3_file base;
    sqlite3_int64 at; /* where the collected bytes go */
    size_t size;
    uint8_t *data; /* [WAL_BUFFER] */
    int sync_fd;   /* the log once more, for another thread to sync; -1: none */
    bool leaves_sync;
};

static sqlite3_vfs *own;

static sqlite3_file *inner(sqlite3_file *file)
{
    return (sqlite3_file *)((struct wal_file *)file + 1);
}

/* What cannot be written stays collected: a sync must never succeed without it. */
static int flush(sqlite3_file *file)
{
    struct wal_file *f = (struct wal_file *)file;

    if (f->size == 0)
        return SQLITE_OK;
    int rc = inner(file)->pMethods->xWrite(inner(file), f->data, (int)f->size, f->at);
    if (rc == SQLITE_OK)
        f->size = 0;
    return rc;
}

static int wal_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    struct wal_file *f = (struct wal_file *)file;
    size_t n = (size_t)size;

    if (f->size > 0 && (at != f->at + (sqlite3_int64)f->size || n > WAL_BUFFER - f->size)) {
        int rc = flush(file);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (n > WAL_BUFFER)
        return inner(file)->pMethods->xWrite(inner(file), data, size, at);
    if (f->size == 0)
        f->at = at;
    memcpy(f->data + f->size, data, n);
    f->size += n;
    return SQLITE_OK;
}

static int wal_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? inner(file)->pMethods->xRead(inner(file), data, size, at) : rc;
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? inner(file)->pMethods->xTruncate(inner(file), size) : rc;
}

static int wal_sync(sqlite3_file *file, int flags)
{
    struct wal_file *f = (struct wal_file *)file;
    /* what is left of the old log must not be taken for the beginning of the new one */
    bool starts_over = f->size > 0 && f->at == 0;
    int rc = flush(file);

    return rc != SQLITE_OK || (f->leaves_sync && !starts_over) ? rc : inner(file)->pMethods->xSync(inner(file), flags);
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? inner(file)->pMethods->xFileSize(inner(file), size) : rc;
}

/* What is left is of a transaction that was not committed. */
static int wal_close(sqlite3_file *file)
{
    struct wal_file *f = (struct wal_file *)file;

    free(f->data);
    if (f->sync_fd >= 0)
        close(f->sync_fd);
    return inner(file)->pMethods->xClose(inner(file));
}

/* What CONTROL_LEAVE_SYNC is about. */
struct leave_sync {
    bool leave;
    int fd;
};

static int wal_control(sqlite3_file *file, int op, void *arg)
{
    if (op == CONTROL_LEAVE_SYNC) {
        struct wal_file *f = (struct wal_file *)file;
        struct leave_sync *l = arg;
        f->leaves_sync = l->leave && f->sync_fd >= 0;
        l->fd = f->sync_fd;
        return SQLITE_OK;
    }
    return inner(file)->pMethods->xFileControl(inner(file), op, arg);
}

static int wal_sector_size(sqlite3_file *file)
{
    return inner(file)->pMethods->xSectorSize(inner(file));
}

static int wal_characteristics(sqlite3_file *file)
{
    return inner(file)->pMethods->xDeviceCharacteristics(inner(file));
}

/* A log is never locked: the database is. */
static int wal_lock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xLock(inner(file), level);
}

static int wal_unlock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int wal_check_lock(sqlite3_file *file, int *out)
{
    return inner(file)->pMethods->xCheckReservedLock(inner(file), out);
}

static const sqlite3_io_methods WAL_METHODS = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_check_lock,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector_size,
    .xDeviceCharacteristics = wal_characteristics,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    struct wal_file *f = (struct wal_file *)file;

    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return own->xOpen(own, name, file, flags, out_flags);
    *f = (struct wal_file){.data = malloc(WAL_BUFFER), .sync_fd = -1};
    if (f->data == NULL)
        return SQLITE_NOMEM;
    int rc = own->xOpen(own, name, inner(file), flags, out_flags);
    if (rc != SQLITE_OK) {
        if (inner(file)->pMethods != NULL)
            inner(file)->pMethods->xClose(inner(file));
        free(f->data);
        return rc;
    }
    f->base.pMethods = &WAL_METHODS;
    f->sync_fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return SQLITE_OK;
}

int store_wal_leave_sync(sqlite3 *db, bool leave)
{
    sqlite3_file *file =
        NULL; /* the log as the file systems around this one give it: they pass on what they do not know */
    struct leave_sync l = {leave, -1};

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL || file->pMethods->xFileControl(file, CONTROL_LEAVE_SYNC, &l) != SQLITE_OK)
        return -1;
    return l.fd;
}

/* ---- registration ---- */

static sqlite3_vfs gathering;
static bool is_registered;

static void register_once(void)
{
    own = sqlite3_vfs_find(NULL);
    if (own == NULL)
        return;
    gathering = *own;
    gathering.zName = "tally-wal";
    gathering.pNext = NULL;
    gathering.szOsFile = (int)sizeof(struct wal_file) + own->szOsFile;
    gathering.xOpen = open_file;
    is_registered = sqlite3_vfs_register(&gathering, 0) == SQLITE_OK;
}

const char *store_wal_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_once);
    return is_registered ? gathering.zName : NULL;
}
