#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_store.h"
#include "ingest_group.h"

/* The writer's work without its thread, group by group. */
static int settle(struct fixture *f, struct group *g, struct post *post)
{
    struct problem p = {0};

    g->broken = false;
    cr_assert_eq(group_reserve(g, 64, &p), OK);
    cr_assert_eq(store_begin(f->store, &p), OK, "%s", p.detail);
    int status = group_settle_batches(g, &post->job);
    cr_assert_eq(group_flush(g, &p), OK, "%s", p.detail);
    return status;
}

static int commit(struct fixture *f, struct group *g, struct post *post)
{
    struct problem p = {0};
    int status = settle(f, g, post);

    cr_assert_eq(store_commit(f->store, &p), OK, "%s", p.detail);
    post_release(post);
    return status;
}

static void make_post(struct post *post, const char *run, int64_t epoch, int64_t step, int64_t rank)
{
    post_init(post, run);
    post_record(post, "train", epoch, step, rank);
    post_totals(post, "main", step % 7, 7);
    post_mean(post, "loss", 0.1 * (double)step, 1);
}

static int commit_one(struct fixture *f, struct group *g, const char *run, int64_t epoch, int64_t step, int64_t rank)
{
    struct post post;

    make_post(&post, run, epoch, step, rank);
    return commit(f, g, &post);
}

static size_t count(const struct group *g, enum node_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_nodes; i++)
        n += g->nodes[i]->kind == kind;
    return n;
}

Test(ingest_keep, what_one_group_wrote_the_next_one_knows)
{
    struct fixture f;
    struct problem p = {0};
    struct post post;
    static struct group g;

    fixture_open(&f);
    cr_assert_eq(group_init(&g, f.store, &p), OK);
    for (int64_t i = 0; i < 700; i++) /* past the keys that are remembered, and over several epochs and buckets */
        cr_assert_eq(commit_one(&f, &g, "r", i / 300, i % 300, 0), OK);
    cr_assert_eq(count(&g, NODE_RUN), 1);
    cr_assert_eq(count(&g, NODE_SERIES), 2);
    cr_assert_eq(count(&g, NODE_BATCH), 0);
    check_rollups(&f, "r", "kept from group to group");

    /* the same again is a duplicate, other content a conflict: near the end, where keys are known, and far from it */
    static const int64_t STEPS[] = {99, 98, 5, 0};
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        make_post(&post, "r", 2, STEPS[i], 0);
        cr_assert_eq(settle(&f, &g, &post), OK);
        cr_assert_eq(post.job.duplicates, 1, "step %d", (int)STEPS[i]);
        cr_assert_eq(store_commit(f.store, &p), OK);
        post_release(&post);
        post_init(&post, "r");
        post_record(&post, "train", 2, STEPS[i], 0);
        post_totals(&post, "main", 7, 9);
        cr_assert_eq(commit(&f, &g, &post), PROBLEM_CONFLICT, "step %d", (int)STEPS[i]);
    }
    /* late batches: another rank of a step that is known, of one that is not, and a step before all others of an epoch */
    cr_assert_eq(commit_one(&f, &g, "r", 2, 99, 3), OK);
    cr_assert_eq(commit_one(&f, &g, "r", 0, 17, 3), OK);
    cr_assert_eq(commit_one(&f, &g, "r", 5, 40, 0), OK);
    cr_assert_eq(commit_one(&f, &g, "r", 5, 3, 0), OK);
    cr_assert_eq(commit_one(&f, &g, "r", 5, 40, 1), OK);
    check_rollups(&f, "r", "late ones");
    group_release(&g);
    cr_assert_eq(g.state_bytes, 0);
    fixture_remove(&f);
}

Test(ingest_keep, a_transaction_that_is_given_up_is_forgotten)
{
    struct fixture f;
    struct problem p = {0};
    static struct group g;

    fixture_open(&f);
    cr_assert_eq(group_init(&g, f.store, &p), OK);
    for (int64_t round = 0; round < 3; round++) {
        struct post post;
        cr_assert_eq(commit_one(&f, &g, "r", 0, 10 * round, 0), OK);
        make_post(&post, "r", 0, 10 * round + 1, 0);
        cr_assert_eq(settle(&f, &g, &post), OK);
        post_release(&post);
        make_post(&post, "new", 0, 0, 0);
        post.job.accepted = 0;
        cr_assert_eq(group_settle_batches(&g, &post.job), OK);
        cr_assert_eq(group_flush(&g, &p), OK);
        post_release(&post);
        group_forget(&g);
        store_rollback(f.store);
        cr_assert_eq(g.n_nodes, 0);
        cr_assert_eq(revision_of(&f, "r"), round + 1);
        cr_assert_eq(revision_of(&f, "new"), -1);
        check_rollups(&f, "r", "after a transaction that was given up");
    }
    group_release(&g);
    fixture_remove(&f);
}

Test(ingest_keep, memory_is_bounded_by_what_was_used_last)
{
    struct fixture f;
    struct problem p = {0};
    static struct group g;
    char run[16];

    fixture_open(&f);
    cr_assert_eq(group_init(&g, f.store, &p), OK);
    for (int i = 0; i < 600; i++) {
        snprintf(run, sizeof run, "r%d", i % 400);
        cr_assert_eq(commit_one(&f, &g, run, 0, i, 0), OK);
        cr_assert_leq(g.n_nodes, 1100);
    }
    cr_assert_geq(count(&g, NODE_RUN), 1);
    for (int i = 0; i < 400; i += 57) {
        snprintf(run, sizeof run, "r%d", i);
        check_rollups(&f, run, "of many runs");
    }
    group_release(&g);
    fixture_remove(&f);
}

Test(ingest_keep, changes_of_a_run_by_other_jobs_are_seen_by_the_next_group)
{
    struct fixture f;
    struct post post;
    struct job job;

    memset(&f, 0, sizeof f);
    fixture_start(&f);
    for (int64_t i = 0; i < 80; i++) {
        make_post(&post, "r", 0, i, 0);
        cr_assert_eq(post_send(&f, &post), OK);
    }
    cr_assert_eq(rewind_job(&f, "r", NULL, 0, 70, "a2", &job), OK);
    cr_assert_eq(job.removed, 20);
    for (int64_t i = 70; i < 90; i++) { /* other content where the cut was */
        post_init(&post, "r");
        post_record(&post, "train", 0, i, 0);
        post_totals(&post, "main", 1, 100);
        cr_assert_eq(post_send(&f, &post), OK, "%s", post.job.problem.detail);
        cr_assert_eq(post.job.accepted, 1);
    }
    check_rollups(&f, "r", "after a rewind");
    int64_t before = revision_of(&f, "r");
    struct run_change change = {.has_name = true, .name = "a name"};
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &change, &job), OK);
    make_post(&post, "r", 1, 0, 0);
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert_eq(revision_of(&f, "r"), before + 2, "the revision goes on from what the change made it");

    cr_assert_eq(run_job(&f, JOB_RUN_DELETE, "r", NULL, &job), OK);
    make_post(&post, "r", 0, 3, 0);
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert_eq(post.job.accepted, 1, "a new run of the same id has none of the old one's batches");
    cr_assert_eq(revision_of(&f, "r"), 1);
    check_rollups(&f, "r", "after a deletion");
    fixture_remove(&f);
}
