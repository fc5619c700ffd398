#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fixture_store.h"
#include "ingest_group.h"

/* The writer's work without its thread. */
static int settle_alone(struct fixture *f, struct group *g, struct post *post)
{
    struct problem p = {0};

    cr_assert_eq(store_begin(f->store, &p), OK, "%s", p.detail);
    int status = group_settle_batches(g, &post->job);
    cr_assert_eq(group_flush(g, &p), OK, "%s", p.detail);
    cr_assert_eq(store_commit(f->store, &p), OK, "%s", p.detail);
    return status;
}

Test(ingest_group, sums_packed_away_to_save_memory_are_the_same)
{
    struct fixture f;
    struct problem p = {0};
    static struct group g;

    fixture_open(&f);
    cr_assert_eq(group_init(&g, f.store, &p), OK);
    g.state_bytes_max = 1; /* every epoch but the one in use is packed */
    for (int round = 0; round < 3; round++) {
        struct post post;
        post_init(&post, "r");
        cr_assert_eq(group_reserve(&g, 120, &p), OK);
        for (int i = 0; i < 60; i++) {
            post_record(&post, i % 2 ? "train" : "val", i % 5, i + round * 60, i % 4);
            post_cell(&post, "main", 7, (uint32_t)i % 7, (uint32_t)(i + round) % 7, i + 1);
            post_mean(&post, "loss", i * 0.1, 1);
        }
        cr_assert_eq(settle_alone(&f, &g, &post), OK, "%s", post.job.problem.detail);
        post_release(&post);
        cr_assert_lt(g.state_bytes, 4096, "the states are gone: %zu", g.state_bytes);
        check_rollups(&f, "r", "packed away");
    }
    group_release(&g);
    cr_assert_eq(g.state_bytes, 0);
    fixture_remove(&f);
}

Test(ingest_group, a_refused_sum_is_taken_back_from_packed_and_unpacked_epochs)
{
    static const int64_t HALF = INT64_C(1) << 62;
    struct fixture f;
    struct problem p = {0};
    static struct group g;

    fixture_open(&f);
    cr_assert_eq(group_init(&g, f.store, &p), OK);
    for (size_t bytes = 1; bytes < 1 << 30; bytes <<= 29) {
        struct post good, bad;
        g.state_bytes_max = bytes;
        g.broken = false;
        cr_assert_eq(group_reserve(&g, 20, &p), OK);
        cr_assert_eq(store_begin(f.store, &p), OK);
        post_init(&good, bytes == 1 ? "a" : "b");
        post_init(&bad, bytes == 1 ? "a" : "b");
        for (int i = 0; i < 4; i++) {
            post_record(&good, "train", i, 0, 0);
            post_totals(&good, "main", 1, i == 3 ? HALF : 10);
            post_record(&bad, "train", i, 1, 0);
            post_totals(&bad, "main", 2, i == 3 ? HALF : 10);
        }
        cr_assert_eq(group_settle_batches(&g, &good.job), OK);
        cr_assert_eq(group_settle_batches(&g, &bad.job), PROBLEM_COUNT_OVERFLOW);
        cr_assert_str_eq(bad.job.problem.places[0].pointer, "/3/total");
        cr_assert_eq(group_flush(&g, &p), OK, "%s", p.detail);
        cr_assert_eq(store_commit(f.store, &p), OK);
        check_rollups(&f, "a", "taken back");
        check_rollups(&f, "b", "taken back");
        post_release(&good);
        post_release(&bad);
    }
    group_release(&g);
    fixture_remove(&f);
}

static int send_big(struct fixture *f, int64_t epoch)
{
    struct post post;

    post_init(&post, "r");
    for (int i = 0; i < 5000; i++) {
        post_record(&post, "train", epoch, i, 0);
        post_totals(&post, "main", i, 100000);
    }
    return post_send(f, &post);
}

Test(ingest_group, a_failed_write_turns_the_store_read_only_and_loses_nothing_acknowledged)
{
    struct fixture f;
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    memset(&f, 0, sizeof f);
    fixture_start(&f);
    cr_assert_eq(send_big(&f, 0), OK);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 100 * 1024; /* the next pages do not fit: the disk refuses */
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(send_big(&f, 1), PROBLEM_STORAGE);
    limit.rlim_cur = before;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert(store_is_read_only(f.store));
    cr_assert_eq(send_big(&f, 2), PROBLEM_STORAGE, "also once the disk is well");
    check_rollups(&f, "r", "read-only");

    fixture_restart(&f);
    struct series_row row;
    cr_assert(series_of(&f, "r", "train", "main", &row));
    cr_assert_eq(row.batches, 5000, "what was answered 200 is there, what was not is not");
    cr_assert_eq(send_big(&f, 1), OK);
    check_rollups(&f, "r", "after a restart");
    fixture_remove(&f);
}
