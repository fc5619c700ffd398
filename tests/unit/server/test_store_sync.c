#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "fixture_store.h"
#include "store_sqlite.h"

static atomic_bool has_begun;

static void *begin(void *store)
{
    struct problem p = {0};

    cr_assert_eq(store_begin(store, &p), OK, "%s", p.detail);
    atomic_store(&has_begun, true);
    return NULL;
}

static void commit_unsynced(struct store *s)
{
    struct problem p = {0};

    cr_assert_eq(store_begin(s, &p), OK, "%s", p.detail);
    cr_assert_eq(store_commit_unsynced(s, &p), OK, "%s", p.detail);
}

/* The fixture's own store does not sync. */
static struct store *open_full(struct fixture *f)
{
    struct problem p = {0};
    struct store *s = NULL;

    memset(f, 0, sizeof *f);
    fixture_start(f);
    fixture_stop(f);
    cr_assert_eq(store_open(&s, &(struct store_options){.path = f->path, .durability = STORE_FULL}, &p), OK, "%s",
                 p.detail);
    return s;
}

Test(store_sync, the_log_can_be_synced_by_another_thread_through_all_layers_of_files)
{
    struct fixture f;
    struct store *s = open_full(&f);
    struct problem p = {0};

    cr_assert_eq(store_begin(s, &p), OK, "%s", p.detail);
    cr_assert_eq(store_commit(s, &p), OK, "%s", p.detail);
    cr_assert_geq(store_wal_leave_sync(s->writer.db, false), 0);
    store_close(s);
    fixture_remove(&f);
}

Test(store_sync, a_transaction_waits_while_as_many_as_a_power_cut_may_tear_are_not_synced, .timeout = 20)
{
    struct fixture f;
    struct problem p = {0};
    struct store *s = open_full(&f);
    pthread_t thread;

    for (int i = 0; i < STORE_UNSYNCED_MAX; i++)
        commit_unsynced(s);
    atomic_store(&has_begun, false);
    cr_assert_eq(pthread_create(&thread, NULL, begin, s), 0);
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    cr_assert(!atomic_load(&has_begun), "two are in the log and not on disk");
    cr_assert_eq(store_sync(s, &p), OK, "%s", p.detail);
    pthread_join(thread, NULL);
    cr_assert(atomic_load(&has_begun));
    store_rollback(s);
    store_close(s);
    fixture_remove(&f);
}
