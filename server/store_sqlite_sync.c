/**
 * Commits whose sync comes later, on another thread, so that the writer need not wait for the disk.
 *
 * Guarantees:
 * 1. store_sync() returns OK only if all that was committed before it began is on disk.  Syncs follow each other, and
 *    after one that failed none succeeds: the kernel reports lost pages once, and to one of those who ask at once;
 * 2. nobody is told of what a power cut could still undo: store_wait_synced() returns when all that was to be seen is
 *    on disk;
 * 3. at most STORE_UNSYNCED_MAX transactions are in the log and not synced: store_begin() waits.  By that a log that a power
 *    cut tore is told from a damaged one (store_sqlite_log.c).
 *
 * Numbers of transactions: shown rises before one can be seen, committed once it was committed (or failed), synced when it
 * is on disk.  synced <= committed <= shown.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store_sqlite.h"

void store_sync_init(struct store_syncing *y)
{
    pthread_mutex_init(&y->one_sync, NULL);
    pthread_mutex_init(&y->mutex, NULL);
    pthread_cond_init(&y->has_synced, NULL);
    atomic_init(&y->shown, 0);
    atomic_init(&y->committed, 0);
    atomic_init(&y->synced, 0);
    atomic_init(&y->fd, -1);
}

void store_sync_release(struct store_syncing *y)
{
    pthread_cond_destroy(&y->has_synced);
    pthread_mutex_destroy(&y->mutex);
    pthread_mutex_destroy(&y->one_sync);
}

int store_commit_unsynced(struct store *s, struct problem *p)
{
    struct store_syncing *y = &s->syncing;
    long long number = atomic_fetch_add(&y->shown, 1) + 1;
    int fd = store_wal_leave_sync(s->writer.db, true);

    atomic_store(&y->fd, fd);
    int status = store_commit(s, p);
    if (fd >= 0)
        store_wal_leave_sync(s->writer.db, false);
    atomic_store(&y->committed, number);
    if (status != OK) { /* nobody will sync it, and somebody may wait */
        struct problem ignored;
        store_sync(s, &ignored);
    }
    return status;
}

/* With one_sync held. */
static int sync_log(struct store *s, struct problem *p)
{
    int fd = atomic_load(&s->syncing.fd);

    if (store_is_read_only(s))
        return problem_set(p, PROBLEM_STORAGE, NULL, "the store is read-only since a write failed");
    if (fd < 0 || fdatasync(fd) == 0)
        return OK;
    atomic_store(&s->read_only, true);
    return problem_set(p, PROBLEM_STORAGE, NULL, "cannot sync the log: %s; the store is read-only from now on",
                       strerror(errno));
}

int store_sync(struct store *s, struct problem *p)
{
    struct store_syncing *y = &s->syncing;

    pthread_mutex_lock(&y->one_sync);
    long long number = atomic_load(&y->committed);
    int status = sync_log(s, p);
    pthread_mutex_lock(&y->mutex);
    if (status == OK)
        atomic_store(&y->synced, number);
    pthread_cond_broadcast(&y->has_synced);
    pthread_mutex_unlock(&y->mutex);
    pthread_mutex_unlock(&y->one_sync);
    return status;
}

bool store_has_unsynced(const struct store *s)
{
    return atomic_load(&s->syncing.committed) > atomic_load(&s->syncing.synced);
}

static void wait_until(struct store *s, long long number)
{
    struct store_syncing *y = &s->syncing;

    if (atomic_load(&y->synced) >= number)
        return;
    pthread_mutex_lock(&y->mutex);
    while (atomic_load(&y->synced) < number && !store_is_read_only(s))
        pthread_cond_wait(&y->has_synced, &y->mutex);
    pthread_mutex_unlock(&y->mutex);
}

void store_wait_synced(struct store_conn *c)
{
    wait_until(c->store, atomic_load(&c->store->syncing.shown));
}

void store_wait_to_begin(struct store *s)
{
    wait_until(s, atomic_load(&s->syncing.committed) - (STORE_UNSYNCED_MAX - 1));
}
