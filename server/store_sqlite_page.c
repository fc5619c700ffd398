/**
 * Damage is noticed where a page is read.  A layer of ours around SQLite's file system keeps a sum at the end of each page
 * of a database, in bytes that SQLite leaves to us (reserved bytes), and compares it with each page that is read; a frame
 * of the write-ahead log has SQLite's own sum, which SQLite compares only when it recovers: here each read does.
 *
 * Guarantees:
 * 1. a page reaches SQLite only if it is, bit for bit, what was written at this place; else the read fails with
 *    SQLITE_IOERR_DATA, and what it was can be asked for;
 * 2. a sum is computed once for each page written to a database, and never for one written to the log: what the reserved
 *    bytes of a frame hold does not matter, since every page passes db_write() on its way into the database;
 * 3. pages are not mapped into memory (version 2 of SQLite's interface): no read goes round this file;
 * 4. what is neither a database nor its log (journals, temporary files) goes straight to SQLite's own.
 *
 * A page that was never written is full of zeros, which is not its sum: SQLite does not read those (free pages and the page
 * of its locks).
 *
 * Thread: a file belongs to its connection.
 */
#include <pthread.h>
#include <string.h>

#include "page_sum.h"
#include "store_sqlite.h"

enum { CONTROL_PLAIN = 0x7a6c01, CONTROL_DAMAGE, CONTROL_FORGET };

static const sqlite3_int64 NOWHERE = -1, EVERYWHERE = INT64_MAX;

/* SQLite's own file follows it in memory. */
struct page_file {
    sqlite3_file base;
    struct page_file *database;   /* of a log: whose it is; of a database: itself */
    bool is_plain;                /* of a database: an old one, without sums */
    struct store_damage damage;   /* of a database: what was found last, in it or its log */
    sqlite3_int64 header_at;      /* of a log: the frame whose header was the last thing written, else NOWHERE */
    sqlite3_int64 unsettled_from; /* of a log: see log_write() */
};

static struct page_file *mine(sqlite3_file *file)
{
    return (struct page_file *)file;
}

static sqlite3_file *inner(sqlite3_file *file)
{
    return (sqlite3_file *)(mine(file) + 1);
}

static int damaged(sqlite3_file *file, enum store_damage_kind kind, sqlite3_int64 number)
{
    if (mine(file)->database != NULL)
        mine(file)->database->damage = (struct store_damage){kind, number};
    return SQLITE_IOERR_DATA;
}

/* ---- the database ---- */

static bool is_page(int size, sqlite3_int64 at)
{
    return size == PAGE_SIZE && at % PAGE_SIZE == 0;
}

/* What is read in smaller pieces is the file's header, before its page is read as such. */
static int db_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int rc = inner(file)->pMethods->xRead(inner(file), data, size, at);
    sqlite3_int64 number = at / PAGE_SIZE + 1;

    if ((rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) || mine(file)->is_plain || !is_page(size, at))
        return rc;
    if (rc != SQLITE_OK || page_sum(data, number) != page_sum_read(data))
        return damaged(file, STORE_DAMAGE_PAGE, number);
    return SQLITE_OK;
}

/* The sum goes into SQLite's own page, whose end is ours: so a page in its cache, and the copy of it that a rollback journal
   gets, is the one in the file. */
static int db_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    uint8_t *page = (uint8_t *)(uintptr_t)data;

    if (!mine(file)->is_plain) {
        /* a page of another size, or one whose end SQLite uses itself, would be broken by a sum */
        if (!is_page(size, at) || (at == 0 && page[PAGE_RESERVED_AT] != PAGE_SUM_SIZE))
            return SQLITE_IOERR_WRITE;
        page_sum_write(page, page_sum(page, at / PAGE_SIZE + 1));
    }
    return inner(file)->pMethods->xWrite(inner(file), data, size, at);
}

static int db_control(sqlite3_file *file, int op, void *arg)
{
    struct page_file *f = mine(file);

    switch (op) {
    case CONTROL_PLAIN:
        f->is_plain = true;
        return SQLITE_OK;
    case CONTROL_DAMAGE:
        *(struct store_damage *)arg = f->damage;
        return SQLITE_OK;
    case CONTROL_FORGET:
        f->damage = (struct store_damage){STORE_DAMAGE_NONE, 0};
        return SQLITE_OK;
    default:
        return inner(file)->pMethods->xFileControl(inner(file), op, arg);
    }
}

/* ---- the log ---- */

/* The frame whose page begins at ${at}; NOWHERE: none does. */
static sqlite3_int64 frame_of_page(int size, sqlite3_int64 at)
{
    sqlite3_int64 from = at - LOG_HEADER_SIZE - LOG_FRAME_HEADER_SIZE;

    return size == PAGE_SIZE && from >= 0 && from % LOG_FRAME_SIZE == 0 ? from / LOG_FRAME_SIZE : NOWHERE;
}

/* The sum of a frame goes on from that of the frame in front of it, or from the log's own: it is read too, with all that
   lies between, since a call costs more than the bytes. */
static int log_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    const sqlite3_io_methods *m = inner(file)->pMethods;
    sqlite3_int64 frame = frame_of_page(size, at);
    uint8_t span[LOG_SUM_SIZE + PAGE_SIZE + LOG_FRAME_HEADER_SIZE + PAGE_SIZE];

    if (frame == NOWHERE || at >= mine(file)->unsettled_from) {
        int rc = m->xRead(inner(file), data, size, at);
        return rc == SQLITE_IOERR_SHORT_READ && frame != NOWHERE ? damaged(file, STORE_DAMAGE_FRAME, frame + 1) : rc;
    }
    int between = frame == 0 ? 0 : PAGE_SIZE, before = LOG_SUM_SIZE + between + LOG_FRAME_HEADER_SIZE;
    int rc = m->xRead(inner(file), span, before + size, at - before);
    if (rc == SQLITE_IOERR_SHORT_READ)
        return damaged(file, STORE_DAMAGE_FRAME, frame + 1);
    if (rc != SQLITE_OK)
        return rc;
    const uint8_t *head = span + LOG_SUM_SIZE + between, *page = span + before;
    memcpy(data, page, PAGE_SIZE);
    /* of words in the order of the machine that wrote it: nearly always this one's */
    for (int order = 0; order < 2; order++) {
        bool is_big = (order == 0) == LOG_NATIVE_IS_BIG;
        struct log_sum sum = log_sum_add(log_sum_read(span), head, 8, is_big);
        sum = log_sum_add(sum, page, PAGE_SIZE, is_big);
        if (log_sum_equal(sum, log_sum_read(head + LOG_FRAME_HEADER_SIZE - LOG_SUM_SIZE)))
            return SQLITE_OK;
    }
    return damaged(file, STORE_DAMAGE_FRAME, frame + 1);
}

/* A transaction that outgrows the cache writes pages early, and some of them again in their place, without the headers: the
   sums from there on are put right by SQLite when it commits.  Until then nobody else reads those frames, and this
   connection reads them unseen.  The frame of the commit itself is always a new one. */
static int log_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    struct page_file *f = mine(file);

    if (size == LOG_FRAME_HEADER_SIZE) {
        f->header_at = at;
        if (log_word((const uint8_t *)data + 4) != 0)
            f->unsettled_from = EVERYWHERE;
    } else {
        if (frame_of_page(size, at) != NOWHERE && f->header_at != at - LOG_FRAME_HEADER_SIZE && at < f->unsettled_from)
            f->unsettled_from = at;
        f->header_at = NOWHERE;
    }
    return inner(file)->pMethods->xWrite(inner(file), data, size, at);
}

/* ---- handed on ---- */

static int page_close(sqlite3_file *file)
{
    return inner(file)->pMethods->xClose(inner(file));
}

static int page_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return inner(file)->pMethods->xTruncate(inner(file), size);
}

static int page_sync(sqlite3_file *file, int flags)
{
    return inner(file)->pMethods->xSync(inner(file), flags);
}

static int page_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return inner(file)->pMethods->xFileSize(inner(file), size);
}

static int page_lock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xLock(inner(file), level);
}

static int page_unlock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int page_check_lock(sqlite3_file *file, int *out)
{
    return inner(file)->pMethods->xCheckReservedLock(inner(file), out);
}

static int log_control(sqlite3_file *file, int op, void *arg)
{
    return inner(file)->pMethods->xFileControl(inner(file), op, arg);
}

static int page_sector_size(sqlite3_file *file)
{
    return inner(file)->pMethods->xSectorSize(inner(file));
}

static int page_characteristics(sqlite3_file *file)
{
    return inner(file)->pMethods->xDeviceCharacteristics(inner(file));
}

static int db_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return inner(file)->pMethods->xShmMap(inner(file), region, size, extend, out);
}

static int db_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return inner(file)->pMethods->xShmLock(inner(file), offset, n, flags);
}

static void db_shm_barrier(sqlite3_file *file)
{
    inner(file)->pMethods->xShmBarrier(inner(file));
}

static int db_shm_unmap(sqlite3_file *file, int delete_flag)
{
    return inner(file)->pMethods->xShmUnmap(inner(file), delete_flag);
}

static const sqlite3_io_methods DB_METHODS = {
    .iVersion = 2,
    .xClose = page_close,
    .xRead = db_read,
    .xWrite = db_write,
    .xTruncate = page_truncate,
    .xSync = page_sync,
    .xFileSize = page_file_size,
    .xLock = page_lock,
    .xUnlock = page_unlock,
    .xCheckReservedLock = page_check_lock,
    .xFileControl = db_control,
    .xSectorSize = page_sector_size,
    .xDeviceCharacteristics = page_characteristics,
    .xShmMap = db_shm_map,
    .xShmLock = db_shm_lock,
    .xShmBarrier = db_shm_barrier,
    .xShmUnmap = db_shm_unmap,
};

static const sqlite3_io_methods LOG_METHODS = {
    .iVersion = 1,
    .xClose = page_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = page_truncate,
    .xSync = page_sync,
    .xFileSize = page_file_size,
    .xLock = page_lock,
    .xUnlock = page_unlock,
    .xCheckReservedLock = page_check_lock,
    .xFileControl = log_control,
    .xSectorSize = page_sector_size,
    .xDeviceCharacteristics = page_characteristics,
};

/* ---- registration ---- */

/* One around SQLite's own file system, one around that which collects the writes to the log. */
struct page_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *below;
};

static struct page_vfs layers[2];
static bool are_registered;

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    sqlite3_vfs *below = ((struct page_vfs *)vfs)->below;
    struct page_file *f = mine(file);
    bool is_log = (flags & SQLITE_OPEN_WAL) != 0;

    if (!is_log && (flags & SQLITE_OPEN_MAIN_DB) == 0)
        return below->xOpen(below, name, file, flags, out_flags);
    *f = (struct page_file){.header_at = NOWHERE, .unsettled_from = EVERYWHERE};
    f->database = is_log ? mine(sqlite3_database_file_object(name)) : f;
    int rc = below->xOpen(below, name, inner(file), flags, out_flags);
    if (rc != SQLITE_OK) {
        if (inner(file)->pMethods != NULL)
            inner(file)->pMethods->xClose(inner(file));
        return rc;
    }
    f->base.pMethods = is_log ? &LOG_METHODS : &DB_METHODS;
    return SQLITE_OK;
}

static bool register_layer(struct page_vfs *layer, const char *name, const char *below)
{
    layer->below = sqlite3_vfs_find(below);
    if (layer->below == NULL)
        return false;
    layer->base = *layer->below;
    layer->base.zName = name;
    layer->base.pNext = NULL;
    layer->base.szOsFile = (int)sizeof(struct page_file) + layer->below->szOsFile;
    layer->base.xOpen = open_file;
    return sqlite3_vfs_register(&layer->base, 0) == SQLITE_OK;
}

static void register_once(void)
{
    const char *collecting = store_wal_vfs();

    are_registered = collecting != NULL && register_layer(&layers[0], "tally-page", NULL) &&
                     register_layer(&layers[1], "tally-page-wal", collecting);
}

const char *store_page_vfs(bool collect)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_once);
    return are_registered ? layers[collect].base.zName : NULL;
}

int store_page_reserve(sqlite3 *db)
{
    int bytes = PAGE_SUM_SIZE;

    return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

int store_page_plain(sqlite3 *db)
{
    return sqlite3_file_control(db, "main", CONTROL_PLAIN, NULL);
}

struct store_damage store_page_damage(sqlite3 *db)
{
    struct store_damage damage = {STORE_DAMAGE_NONE, 0};

    if (db == NULL || sqlite3_file_control(db, "main", CONTROL_DAMAGE, &damage) != SQLITE_OK)
        return (struct store_damage){STORE_DAMAGE_NONE, 0};
    return damage;
}

void store_page_forget(sqlite3 *db)
{
    sqlite3_file_control(db, "main", CONTROL_FORGET, NULL);
}
