#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "clock.h"
#include "fixture_store.h"
#include "store_sqlite.h"

/* One record of totals: sent, and the job to look at. */
static int send_totals(struct fixture *f, const char *run, int64_t epoch, int64_t step, int64_t correct, int64_t total,
                       struct job *job)
{
    struct post post;

    post_init(&post, run);
    post_record(&post, "train", epoch, step, 0);
    post_totals(&post, "main", correct, total);
    int status = post_send(f, &post);
    *job = post.job;
    return status;
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fixture_start(f);
}

/* A job that is submitted without waiting. */
struct pending {
    struct post post;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
};

static void pending_done(struct job *first)
{
    for (struct job *job = first, *next; job != NULL; job = next) {
        struct pending *w = job->context;
        next = job->next;
        pthread_mutex_lock(&w->mutex);
        w->done = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->mutex);
    }
}

static void pending_init(struct pending *w, const char *run)
{
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    post_init(&w->post, run);
}

static void pending_submit(struct fixture *f, struct pending *w)
{
    struct problem p = {0};

    w->post.job.done = pending_done;
    w->post.job.context = w;
    cr_assert_eq(ingest_submit(f->ingest, &w->post.job, &p), OK, "%s", p.detail);
}

static struct job *pending_wait(struct pending *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->done)
        pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    post_release(&w->post);
    return &w->post.job;
}

static struct series_row need_series(struct fixture *f, const char *run, const char *stage, const char *name)
{
    struct series_row row;

    cr_assert(series_of(f, run, stage, name, &row), "no series %s/%s", stage, name);
    return row;
}

Test(ingest, the_same_post_again_changes_nothing)
{
    struct fixture f;
    struct job job;

    start(&f);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 3, 4, &job), OK, "%s", job.problem.detail);
    cr_assert(job.accepted == 1 && job.duplicates == 0 && job.stale == 0);
    cr_assert_eq(revision_of(&f, "r"), 1);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 3, 4, &job), OK);
    cr_assert(job.accepted == 0 && job.duplicates == 1);
    cr_assert_eq(revision_of(&f, "r"), 1);
    cr_assert_eq(send_totals(&f, "r", 0, 1, 3, 4, &job), OK);
    cr_assert_eq(revision_of(&f, "r"), 2);
    cr_assert_eq(need_series(&f, "r", "train", "main").batches, 2);
    check_rollups(&f, "r", "duplicates");
    fixture_remove(&f);
}

Test(ingest, other_content_under_the_same_key_is_refused_whole)
{
    struct fixture f;
    struct post post;
    struct job job;

    start(&f);
    cr_assert_eq(send_totals(&f, "r", 0, 5, 3, 4, &job), OK);
    post_init(&post, "r");
    post_record(&post, "train", 0, 6, 0);
    post_totals(&post, "main", 1, 1);
    post_record(&post, "train", 0, 5, 0);
    post_totals(&post, "main", 2, 4);
    cr_assert_eq(post_send(&f, &post), PROBLEM_CONFLICT);
    cr_assert_eq(post.job.problem.n_places, 1);
    cr_assert_str_eq(post.job.problem.places[0].pointer, "/1");
    cr_assert(strstr(post.job.problem.detail, "stage train, name main, epoch 0, step 5, rank 0") != NULL, "%s",
              post.job.problem.detail);
    cr_assert_eq(need_series(&f, "r", "train", "main").batches, 1);
    cr_assert_eq(revision_of(&f, "r"), 1);
    cr_assert_eq(send_totals(&f, "r", 0, 5, 4, 4, &job), PROBLEM_CONFLICT);
    cr_assert_str_eq(job.problem.places[0].pointer, "", "a single record is the body");
    check_rollups(&f, "r", "conflict");
    fixture_remove(&f);
}

Test(ingest, one_request_is_checked_against_itself)
{
    struct fixture f;
    struct post post;

    start(&f);
    post_init(&post, "r");
    for (int i = 0; i < 3; i++) {
        post_record(&post, "train", 0, i / 2, 0);
        post_totals(&post, "main", 1, 2);
    }
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert(post.job.accepted == 2 && post.job.duplicates == 1);
    post_init(&post, "new");
    post_record(&post, "train", 0, 0, 0);
    post_totals(&post, "main", 1, 2);
    post_record(&post, "train", 0, 0, 0);
    post_totals(&post, "main", 2, 2);
    cr_assert_eq(post_send(&f, &post), PROBLEM_CONFLICT);
    cr_assert_str_eq(post.job.problem.places[0].pointer, "/1");
    cr_assert_eq(revision_of(&f, "new"), -1, "a refused request creates no run");
    fixture_remove(&f);
}

Test(ingest, a_record_is_a_duplicate_only_when_all_its_measures_are)
{
    struct fixture f;
    struct post post;
    struct job job;

    start(&f);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 3, 4, &job), OK);
    for (int i = 0; i < 2; i++) {
        post_init(&post, "r");
        post_record(&post, "train", 0, 0, 0);
        post_totals(&post, "main", 3, 4);
        post_mean(&post, "lr", 0.001, 1);
        cr_assert_eq(post_send(&f, &post), OK);
        cr_assert(post.job.accepted == 1 - i && post.job.duplicates == i);
    }
    post_init(&post, "r");
    post_record(&post, "train", 0, 0, 0);
    post_totals(&post, "main", 3, 4);
    post_mean(&post, "lr", 0.002, 1);
    cr_assert_eq(post_send(&f, &post), PROBLEM_CONFLICT);
    cr_assert_eq(need_series(&f, "r", "train", "main").batches, 1);
    cr_assert_eq(need_series(&f, "r", "train", "lr").batches, 1);
    check_rollups(&f, "r", "measures");
    fixture_remove(&f);
}

Test(ingest, nobody_is_a_duplicate_of_a_refused_request_of_the_same_group)
{
    struct fixture f;
    struct job job;
    struct pending a, b, c;

    start(&f);
    cr_assert_eq(send_totals(&f, "r", 0, 2, 1, 2, &job), OK); /* k2 */
    struct hold *hold = hold_writer(&f);
    pending_init(&a, "r");
    post_record(&a.post, "train", 0, 1, 0);
    post_totals(&a.post, "main", 5, 8); /* k1 */
    post_mean(&a.post, "loss", 1.5, 8);
    post_record(&a.post, "train", 0, 2, 0);
    post_totals(&a.post, "main", 2, 2); /* k2 with other content */
    pending_init(&b, "r");
    post_record(&b.post, "train", 0, 1, 0);
    post_totals(&b.post, "main", 5, 8); /* k1 */
    pending_init(&c, "r");
    post_record(&c.post, "train", 0, 1, 0);
    post_totals(&c.post, "main", 5, 8); /* k1 again */
    pending_submit(&f, &a);
    pending_submit(&f, &b);
    pending_submit(&f, &c);
    hold_release(hold);
    cr_assert_eq(pending_wait(&a)->status, PROBLEM_CONFLICT);
    struct job *jb = pending_wait(&b), *jc = pending_wait(&c);
    cr_assert(jb->status == OK && jb->accepted == 1 && jb->duplicates == 0);
    cr_assert(jc->status == OK && jc->accepted == 0 && jc->duplicates == 1);
    struct ingest_stats stats;
    ingest_stats_get(f.ingest, &stats);
    int64_t commits = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        commits += stats.commits.count[i];
    cr_assert_eq(commits, 3, "one group: %ld commits", (long)commits);
    cr_assert_eq(need_series(&f, "r", "train", "main").batches, 2);
    struct series_row none;
    cr_assert_not(series_of(&f, "r", "train", "loss", &none), "a refused request makes no series");
    cr_assert_eq(revision_of(&f, "r"), 2);
    check_rollups(&f, "r", "group");
    fixture_remove(&f);
}

Test(ingest, another_shape_is_refused_and_both_are_named)
{
    struct fixture f;
    struct post post;
    struct job job;

    start(&f);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 3, 4, &job), OK);
    post_init(&post, "r");
    post_record(&post, "train", 0, 1, 0);
    post_cell(&post, "main", 10, 1, 2, 3);
    cr_assert_eq(post_send(&f, &post), PROBLEM_SHAPE);
    cr_assert_str_eq(post.job.problem.places[0].pointer, "/cells");
    cr_assert(strstr(post.job.problem.detail, "totals (multiclass)") != NULL, "%s", post.job.problem.detail);
    cr_assert(strstr(post.job.problem.detail, "confusion matrix (multiclass, num_classes 10)") != NULL);
    post_init(&post, "r");
    post_record(&post, "train", 0, 1, 0);
    post_totals(&post, "a/x", 1, 2);
    post_record(&post, "train", 0, 2, 0);
    post_mean(&post, "a/x", 1, 2);
    cr_assert_eq(post_send(&f, &post), PROBLEM_SHAPE, "within one request too");
    cr_assert_str_eq(post.job.problem.places[0].pointer, "/1/sums/a~1x");
    post_init(&post, "r");
    post_record(&post, "test", 0, 1, 0);
    post_cell(&post, "main", 10, 1, 2, 3);
    cr_assert_eq(post_send(&f, &post), OK, "another stage is another series");
    fixture_remove(&f);
}

Test(ingest, the_request_that_would_overflow_is_refused_and_only_that)
{
    static const int64_t HALF = INT64_C(1) << 62;
    struct fixture f;
    struct pending w[4];
    struct job job;

    start(&f);
    struct hold *hold = hold_writer(&f);
    for (int i = 0; i < 4; i++) {
        pending_init(&w[i], "r");
        post_record(&w[i].post, "train", 0, i, 0);
        post_totals(&w[i].post, "main", 0, i == 3 ? 5 : HALF);
        post_record(&w[i].post, "val", 0, i, 0);
        post_totals(&w[i].post, "main", 1, 1);
        pending_submit(&f, &w[i]);
    }
    hold_release(hold);
    for (int i = 0; i < 4; i++) {
        struct job *done = pending_wait(&w[i]);
        cr_assert_eq(done->status, i == 1 || i == 2 ? PROBLEM_COUNT_OVERFLOW : OK, "job %d: %d", i, done->status);
        if (i == 1)
            cr_assert_str_eq(done->problem.places[0].pointer, "/0/total");
    }
    cr_assert_eq(need_series(&f, "r", "train", "main").samples, HALF + 5);
    cr_assert_eq(need_series(&f, "r", "val", "main").batches, 2);
    check_rollups(&f, "r", "overflow in a group");
    cr_assert_eq(send_totals(&f, "r", 0, 9, 0, HALF, &job), PROBLEM_COUNT_OVERFLOW, "against what is stored");
    cr_assert_eq(send_totals(&f, "r", 1, 0, 0, HALF, &job), OK, "another epoch has room");
    struct series_row row = need_series(&f, "r", "train", "main");
    cr_assert_eq(row.samples, INT64_MAX, "the series' own sum stops");
    cr_assert_eq(row.epochs, 2);
    fixture_remove(&f);
}

Test(ingest, rewind_cuts_repairs_and_is_applied_once)
{
    struct fixture f;
    struct post post;
    struct job job;

    start(&f);
    post_init(&post, "r");
    for (int epoch = 0; epoch < 3; epoch++)
        for (int step = 0; step < 10; step++) {
            post_record(&post, "train", epoch, epoch * 10 + step, 0);
            post_attempt(&post, "a.1");
            post_totals(&post, "main", step, 10);
            post_mean(&post, "loss", step * 0.1, 1);
            post_record(&post, "val", epoch, step, 1);
            post_attempt(&post, "a.1");
            post_totals(&post, "main", 10 - step, 10);
        }
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert_eq(rewind_job(&f, "nobody", NULL, 0, 0, "x", &job), PROBLEM_UNKNOWN_RUN);
    cr_assert_eq(rewind_job(&f, "r", NULL, 1, 15, "a.2", &job), OK);
    cr_assert_eq(job.removed, 15 * 2 + 20, "train from step 15 on twice, val of epochs 1 and 2: %ld",
                 (long)job.removed);
    cr_assert_eq(job.revision, 2);
    cr_assert_eq(revision_of(&f, "r"), 2);
    struct series_row row = need_series(&f, "r", "train", "main");
    cr_assert(row.last_epoch == 1 && row.last_step == 14 && row.epochs == 2);
    check_rollups(&f, "r", "rewind");

    cr_assert_eq(rewind_job(&f, "r", NULL, 0, 0, "a.2", &job), OK);
    cr_assert(job.removed == 0 && job.revision == 2);

    /* the old attempt after the cut is stale, before it and the new one are not */
    for (int i = 0; i < 3; i++) {
        static const char *const ATTEMPT[] = {"a.1", "a.2", NULL};
        post_init(&post, "r");
        post_record(&post, "train", 1, 15 + i, 0);
        post_attempt(&post, ATTEMPT[i]);
        post_totals(&post, "main", 1, 10);
        post_record(&post, "train", 1, 3, i + 1);
        post_attempt(&post, ATTEMPT[i]);
        post_totals(&post, "main", 1, 10);
        post_record(&post, "val", 1, 0, i);
        post_attempt(&post, ATTEMPT[i]);
        post_totals(&post, "main", 1, 10);
        cr_assert_eq(post_send(&f, &post), OK, "%s", post.job.problem.detail);
        cr_assert_eq(post.job.stale, i == 0 ? 2 : 0, "%d: %ld", i, (long)post.job.stale);
        cr_assert_eq(post.job.accepted, i == 0 ? 1 : 3);
    }
    check_rollups(&f, "r", "after stale records");

    /* one stage only; what ends up empty keeps its shape */
    cr_assert_eq(rewind_job(&f, "r", "val", 0, 0, "a.3", &job), OK);
    row = need_series(&f, "r", "val", "main");
    cr_assert(row.batches == 0 && row.samples == 0 && row.epochs == 0 && row.last_epoch == -1);
    cr_assert_gt(need_series(&f, "r", "train", "main").batches, 0);
    check_rollups(&f, "r", "an empty series");
    fixture_restart(&f);
    post_init(&post, "r");
    post_record(&post, "val", 2, 0, 0);
    post_attempt(&post, "a.2");
    post_totals(&post, "main", 1, 1);
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert_eq(post.job.stale, 1, "cuts survive a restart");
    fixture_remove(&f);
}

Test(ingest, runs_are_put_patched_deleted_and_their_id_is_free_again)
{
    struct fixture f;
    struct job job;
    struct problem p = {0};
    struct run_row row;
    bool found = false;
    const char *tags[] = {"b", "a"}, *more[] = {"c", "a"}, *other[] = {"z"};
    struct run_change put = {.project = "vision",
                             .name = "n",
                             .has_name = true,
                             .config_patch = "{\"lr\":0.1,\"x\":{\"y\":1}}",
                             .tags = tags,
                             .n_tags = 2,
                             .has_tags = true};
    struct run_change merge = {
        .config_patch = "{\"x\":{\"y\":null,\"z\":2}}", .tags = more, .n_tags = 2, .has_tags = true};

    start(&f);
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &merge, &job), PROBLEM_UNKNOWN_RUN);
    cr_assert_eq(run_job(&f, JOB_RUN_PUT, "r", &put, &job), OK, "%s", job.problem.detail);
    cr_assert(job.created);
    cr_assert_eq(run_job(&f, JOB_RUN_PUT, "r", &put, &job), OK);
    cr_assert_not(job.created);
    cr_assert_eq(revision_of(&f, "r"), 1, "the same PUT again leaves the revision");
    cr_assert_eq(run_job(&f, JOB_RUN_PUT, "r", &merge, &job), OK, "%s", job.problem.detail);
    cr_assert_eq(store_run_find(f.reader, "r", &row, &found, &p), OK);
    cr_assert_str_eq(row.config, "{\"lr\":0.1,\"x\":{\"z\":2}}");
    cr_assert_str_eq(row.tags, "[\"a\",\"b\",\"c\"]");
    cr_assert_str_eq(row.name, "n");
    cr_assert_eq(row.revision, 2);
    int64_t incarnation = row.incarnation;
    run_row_release(&row);

    struct run_change elsewhere = {.project = "nlp"};
    cr_assert_eq(run_job(&f, JOB_RUN_PUT, "r", &elsewhere, &job), PROBLEM_PROJECT);
    cr_assert_str_eq(job.problem.places[0].pointer, "/project");
    struct run_change patch = {.project = "nlp",
                               .has_name = true,
                               .tags = other,
                               .n_tags = 1,
                               .has_tags = true,
                               .has_status = true,
                               .status = RUN_FINISHED};
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &patch, &job), OK);
    cr_assert_eq(store_run_find(f.reader, "r", &row, &found, &p), OK);
    cr_assert_str_eq(row.project, "nlp");
    cr_assert_str_eq(row.tags, "[\"z\"]");
    cr_assert_null(row.name);
    cr_assert(row.status == RUN_FINISHED && row.ended_at == job.now && row.revision == 3);
    run_row_release(&row);

    /* a heartbeat moves only the times; a late batch leaves the status */
    struct run_change nothing = {0};
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &nothing, &job), OK);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 1, 2, &job), OK);
    cr_assert_eq(store_run_find(f.reader, "r", &row, &found, &p), OK);
    cr_assert(row.status == RUN_FINISHED && row.revision == 4 && row.seen_at == job.now && row.updated_at == job.now);
    run_row_release(&row);

    cr_assert_eq(run_job(&f, JOB_RUN_DELETE, "r", NULL, &job), OK);
    cr_assert_eq(revision_of(&f, "r"), -1);
    cr_assert_eq(run_job(&f, JOB_RUN_DELETE, "r", NULL, &job), PROBLEM_UNKNOWN_RUN);
    cr_assert_eq(send_totals(&f, "r", 0, 0, 2, 2, &job), OK, "other content than the deleted run's");
    cr_assert_eq(job.accepted, 1);
    cr_assert_eq(store_run_find(f.reader, "r", &row, &found, &p), OK);
    cr_assert(found && row.incarnation != incarnation && strcmp(row.project, "default") == 0);
    run_row_release(&row);
    fixture_remove(&f);
}

static int count_row(void *context, const struct batch_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return OK;
}

Test(ingest, the_rows_of_a_deleted_run_are_purged)
{
    struct fixture f;
    struct job job;
    struct problem p = {0};
    struct post post;
    struct run_row row;
    bool found = false;

    start(&f);
    post_init(&post, "r");
    for (int i = 0; i < 5000; i++) {
        post_record(&post, "train", i / 100, i, 0);
        post_totals(&post, "main", 1, 2);
    }
    cr_assert_eq(post_send(&f, &post), OK);
    cr_assert_eq(store_run_find(f.reader, "r", &row, &found, &p), OK);
    run_row_release(&row);
    cr_assert_eq(run_job(&f, JOB_RUN_DELETE, "r", NULL, &job), OK);
    int64_t left = -1;
    for (int i = 0; i < 500 && left != 0; i++) {
        struct batch_key from = {0}, to = {.epoch = INT64_MAX};
        left = 0;
        cr_assert_eq(store_batches_each(f.reader, row.run, 1, &from, &to, count_row, &left, &p), OK);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    cr_assert_eq(left, 0);
    fixture_remove(&f);
}

/* ---- many threads ---- */

enum { THREADS = 8, POSTS = 60 };

struct sender {
    struct fixture *f;
    int number;
    int64_t accepted, duplicates;
};

static void *send_many(void *context)
{
    struct sender *s = context;

    for (int i = 0; i < POSTS; i++)
        for (int again = 0; again < 2; again++) { /* the second may meet the first in the same group */
            struct post post;
            post_init(&post, i % 3 == 0 ? "shared" : "other");
            post_record(&post, "train", i / 20, i, s->number / 2);
            post_totals(&post, "main", i % 7, 7);
            post_mean(&post, "loss", i * 0.5, 2);
            if (post_send(s->f, &post) != OK)
                return s;
            s->accepted += post.job.accepted;
            s->duplicates += post.job.duplicates;
        }
    return NULL;
}

Test(ingest, many_threads_store_each_batch_once)
{
    struct fixture f;
    pthread_t threads[THREADS];
    struct sender senders[THREADS];
    int64_t accepted = 0, duplicates = 0;

    start(&f);
    for (int i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.f = &f, .number = i};
        cr_assert_eq(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        cr_assert_null(failed);
        accepted += senders[i].accepted;
        duplicates += senders[i].duplicates;
    }
    cr_assert_eq(accepted, THREADS / 2 * POSTS, "two threads share each rank: %ld", (long)accepted);
    cr_assert_eq(accepted + duplicates, THREADS * POSTS * 2);
    check_rollups(&f, "shared", "threads");
    check_rollups(&f, "other", "threads");
    cr_assert_eq(need_series(&f, "shared", "train", "main").batches + need_series(&f, "other", "train", "main").batches,
                 accepted);
    fixture_remove(&f);
}

Test(ingest, stopping_answers_all_that_is_queued_and_the_queue_is_bounded)
{
    enum { N = 20 };
    struct fixture f;
    struct pending w[N];
    struct problem p = {0};

    memset(&f, 0, sizeof f);
    fixture_folder(&f);
    f.limits.queue_bytes = 200 * N;
    fixture_start(&f);
    struct hold *hold = hold_writer(&f);
    for (int i = 0; i < N; i++) {
        pending_init(&w[i], "r");
        post_record(&w[i].post, "train", 0, i, 0);
        post_totals(&w[i].post, "main", 1, 2);
        pending_submit(&f, &w[i]);
    }
    struct post post;
    post_init(&post, "r");
    post_record(&post, "train", 0, N, 0);
    post_totals(&post, "main", 1, 2);
    cr_assert_eq(ingest_submit(f.ingest, &post.job, &p), PROBLEM_BUSY);
    cr_assert_eq(p.retry_after_s, 1);
    cr_assert(ingest_is_full(f.ingest));
    post_release(&post);
    hold_release(hold);
    fixture_stop(&f);
    for (int i = 0; i < N; i++) {
        cr_assert(w[i].done, "job %d was not answered", i);
        cr_assert_eq(pending_wait(&w[i])->status, OK);
    }
    fixture_start(&f);
    cr_assert_eq(need_series(&f, "r", "train", "main").batches, N);
    fixture_remove(&f);
}

/* ---- anything, in any order ---- */

/* What `tally check` says. */
static void check_agrees(struct fixture *f, const char *when)
{
    struct problem p = {0};
    struct check_report report;

    cr_assert_eq(check_store(f->reader, stderr, &report, &p), OK, "%s: %s", when, p.detail);
    cr_assert_eq(report.disagreements, 0, "%s", when);
}

static void random_post(struct fixture *f, unsigned *seed, const char *run, int round)
{
    struct post post;
    int n = 1 + rand_r(seed) % 12;

    post_init(&post, run);
    for (int i = 0; i < n; i++) {
        static const char *const ATTEMPT[] = {NULL, "a", "b", "c"};
        int64_t epoch = rand_r(seed) % 4, step = rand_r(seed) % 8, rank = rand_r(seed) % 3 * 300;
        post_record(&post, rand_r(seed) % 2 ? "train" : "val", epoch, step, rank);
        post_attempt(&post, ATTEMPT[rand_r(seed) % 4]);
        /* content mostly follows from the key, so that most repeats are duplicates and a few conflict */
        int64_t odd = rand_r(seed) % 40 == 0;
        post_cell(&post, "main", 5, (uint32_t)(step % 5), (uint32_t)((step + rank) % 5), 1 + step + epoch + odd);
        if (rand_r(seed) % 2)
            post_mean(&post, "loss", (double)(step - 3) * 0.1 + (double)epoch, (double)(rank + step));
    }
    int status = post_send(f, &post);
    cr_assert(status == OK || status == PROBLEM_CONFLICT, "round %d: %s", round, post.job.problem.detail);
}

Test(ingest, rollups_equal_a_recount_after_any_sequence)
{
    unsigned first = (unsigned)clock_now_ms(), seed = first;
    struct fixture f;
    char when[64];
    struct job job;

    start(&f);
    for (int round = 0; round < 300; round++) {
        const char *run = rand_r(&seed) % 3 ? "r1" : "r2";
        int what = rand_r(&seed) % 30;
        snprintf(when, sizeof when, "seed %u, round %d", first, round);
        if (what == 0) {
            int status = run_job(&f, JOB_RUN_DELETE, run, NULL, &job);
            cr_assert(status == OK || status == PROBLEM_UNKNOWN_RUN, "%s", when);
        } else if (what < 4) {
            static const char *const ATTEMPT[] = {NULL, "a", "b", "c"};
            int status = rewind_job(&f, run, what == 1 ? "val" : NULL, rand_r(&seed) % 4, rand_r(&seed) % 8,
                                    ATTEMPT[rand_r(&seed) % 4], &job);
            cr_assert(status == OK || status == PROBLEM_UNKNOWN_RUN, "%s: %s", when, job.problem.detail);
        } else if (what == 4) {
            fixture_restart(&f);
        } else {
            random_post(&f, &seed, run, round);
        }
        check_rollups(&f, "r1", when);
        check_rollups(&f, "r2", when);
        check_agrees(&f, when);
    }
    fixture_remove(&f);
}

/* Where a stretch of steps begins: where the run is, a little before it, anywhere, far away. */
static int64_t random_step(unsigned *seed, int64_t at)
{
    switch (rand_r(seed) % 8) {
    case 0:
        return at > 100 ? at - rand_r(seed) % 100 : 0; /* late, perhaps in a closed bucket */
    case 1:
        return rand_r(seed) % (at + 1);
    case 2:
        return at + (INT64_C(1) << rand_r(seed) % 16);
    default:
        return at;
    }
}

static void random_stretch(struct fixture *f, unsigned *seed, int64_t epoch, int64_t *at, const char *when)
{
    static const int64_t GAP[] = {1, 1, 1, 3, 64, 500};
    struct post post;
    int64_t step = random_step(seed, *at), gap = GAP[rand_r(seed) % 6], rank = rand_r(seed) % 2;
    int n = 1 + rand_r(seed) % (rand_r(seed) % 3 ? 8 : 300);
    bool reverse = rand_r(seed) % 8 == 0;

    post_init(&post, "r");
    for (int i = 0; i < n; i++) {
        int64_t s = step + (reverse ? n - 1 - i : i) * gap;
        post_record(&post, "train", epoch + (rand_r(seed) % 50 == 0), s, rank);
        post_cell(&post, "main", 5, (uint32_t)(s % 5), (uint32_t)((s + rank) % 5), 1 + s % 7);
        if (s % 3 > 0)
            post_mean(&post, "loss", (double)(s - 3) * 0.1, (double)(rank + s % 4));
        if (s > *at && s < 1 << 20)
            *at = s;
    }
    int status = post_send(f, &post);
    cr_assert_eq(status, OK, "%s: %s", when, post.job.problem.detail);
}

Test(ingest, buckets_equal_a_recount_after_any_sequence)
{
    unsigned first = (unsigned)clock_now_ms(), seed = first;
    struct fixture f;
    struct job job;
    char when[64];
    int64_t at = 0;

    start(&f);
    for (int round = 0; round < 150; round++) {
        int what = rand_r(&seed) % 20;
        snprintf(when, sizeof when, "seed %u, round %d", first, round);
        if (what < 2 && round > 0) {
            int64_t cut = what == 0 ? rand_r(&seed) % (at + 1) : at - rand_r(&seed) % (at / 8 + 1);
            cr_assert_eq(rewind_job(&f, "r", NULL, rand_r(&seed) % (round / 40 + 2), cut, NULL, &job), OK, "%s", when);
            at = cut < at ? cut : at;
        } else if (what == 2) {
            fixture_restart(&f);
        } else {
            random_stretch(&f, &seed, round / 40, &at, when);
        }
        check_rollups(&f, "r", when);
        check_agrees(&f, when);
    }
    fixture_remove(&f);
}

static bool pending_is_done(struct pending *w)
{
    pthread_mutex_lock(&w->mutex);
    bool is = w->done;
    pthread_mutex_unlock(&w->mutex);
    return is;
}

Test(ingest, a_repeat_is_not_answered_before_what_it_repeats_is_on_disk, .timeout = 20)
{
    static const struct timespec TICK = {.tv_nsec = 1000 * 1000}, WHILE = {.tv_nsec = 100 * 1000 * 1000};
    struct fixture f;
    struct pending many, repeat;

    start(&f);
    pending_init(&many, "r");
    for (int64_t step = 0; step < 600; step++) {
        post_record(&many.post, "train", 0, step, 0);
        post_totals(&many.post, "main", 1, 2);
    }
    pending_init(&repeat, "r");
    post_record(&repeat.post, "train", 0, 7, 0);
    post_totals(&repeat.post, "main", 1, 2);

    struct store_syncing *y = &f.store->syncing;
    pthread_mutex_lock(&y->one_sync); /* the disk takes its time */
    pending_submit(&f, &many);
    while (atomic_load(&y->committed) == atomic_load(&y->synced))
        nanosleep(&TICK, NULL);
    pending_submit(&f, &repeat);
    nanosleep(&WHILE, NULL);
    cr_assert(!pending_is_done(&many) && !pending_is_done(&repeat), "nothing of it is on disk yet");
    pthread_mutex_unlock(&y->one_sync);
    cr_assert_eq(pending_wait(&many)->accepted, 600);
    cr_assert_eq(pending_wait(&repeat)->duplicates, 1);
    fixture_remove(&f);
}
