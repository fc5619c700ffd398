/**
 * Room on the disk.  A WAL that cannot be moved into its database for lack of space can only grow, so writing stops
 * while the space for that is still there: a full disk then costs an answer of 503, and nothing else.
 *
 * Guarantee: between store_room() and the end of its transaction the file system had, or the transaction failed with
 * PROBLEM_STORAGE_FULL, what the WAL needs to be moved (as far as others leave it alone).
 *
 * Where far more is free than is wanted it is not looked at again for a moment: others would have to write AMPLE bytes in
 * AMPLE_US, and what this process writes is in what is wanted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "store_sqlite.h"

enum {
    PAGE = 4096,
    KEPT_FREE = 16 << 20,
    RETRY_S = 5, /* somebody has to make room: not at once */
    AMPLE = 512 << 20,
    AMPLE_US = 50 * 1000
};

int store_full(struct problem *p, const char *what)
{
    problem_set(p, PROBLEM_STORAGE_FULL, NULL, "cannot %s: the disk is full; nothing was stored", what);
    if (p != NULL)
        p->retry_after_s = RETRY_S;
    return PROBLEM_STORAGE_FULL;
}

/* -1: cannot be told. */
static int64_t free_bytes(const char *path)
{
    struct statvfs fs;

    if (statvfs(path, &fs) != 0)
        return -1;
    return (int64_t)(fs.f_bavail * fs.f_frsize);
}

bool store_has_room(const char *path, int64_t bytes)
{
    int64_t room = free_bytes(path);

    return room < 0 || room >= bytes + KEPT_FREE;
}

int64_t store_database_bytes(struct store_conn *c)
{
    struct problem ignored;
    int64_t pages = 0, size = 0;

    if (sql_pragma_int(c, "PRAGMA page_count", &pages, &ignored) != OK ||
        sql_pragma_int(c, "PRAGMA page_size", &size, &ignored) != OK)
        return 0;
    return pages * size;
}

static int64_t wanted(const struct store *s, size_t rows)
{
    /* each row may need a page of its own in the WAL; all of the WAL may be new pages of the database */
    int64_t pages = s->wal_pages + (int64_t)rows;

    return (rows > 0 ? KEPT_FREE : KEPT_FREE / 2) + pages * PAGE;
}

int store_room(struct store *s, size_t rows, struct problem *p)
{
    struct problem ignored;
    int64_t now = clock_monotonic_us();

    if (now < s->ample_until && s->ample_room >= wanted(s, rows) + AMPLE) {
        atomic_store(&s->room_wanted, 0);
        return OK;
    }
    int64_t room = free_bytes(s->path);
    s->ample_room = room;
    s->ample_until = now + AMPLE_US;
    if (room >= 0 && room < wanted(s, rows) && s->wal_pages > 0) {
        store_checkpoint(s, true, &ignored); /* where it fails the store says so with the next write */
        room = free_bytes(s->path);
    }
    bool enough = room < 0 || room >= wanted(s, rows);
    atomic_store(&s->room_wanted, enough ? 0 : wanted(s, rows));
    return enough ? OK : store_full(p, "write");
}

bool store_is_full(const struct store *s)
{
    int64_t room_wanted = atomic_load(&s->room_wanted);

    if (room_wanted == 0)
        return false;
    int64_t room = free_bytes(s->path);
    return room >= 0 && room < room_wanted;
}

/* ---- the file itself ---- */

void store_remember_file(struct store *s)
{
    struct stat st;

    if (stat(s->path, &st) == 0) {
        s->device = st.st_dev;
        s->inode = st.st_ino;
    }
}

bool store_is_gone(const struct store *s)
{
    struct stat st;

    return stat(s->path, &st) != 0 || st.st_dev != s->device || st.st_ino != s->inode;
}

static int64_t file_bytes(const char *path, int64_t missing)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : missing;
}

void store_sizes_get(const struct store *s, struct store_sizes *out)
{
    size_t size = strlen(s->path) + sizeof "-wal";
    char *wal = malloc(size);

    *out = (struct store_sizes){
        .database_bytes = file_bytes(s->path, -1), .wal_bytes = -1, .free_bytes = free_bytes(s->path)};
    if (wal == NULL)
        return;
    snprintf(wal, size, "%s-wal", s->path);
    out->wal_bytes = file_bytes(wal, 0);
    free(wal);
}
