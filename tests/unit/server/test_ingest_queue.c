/* The queue before the writer by itself: order, weight, and for whom it waits. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

#include "clock.h"
#include "ingest_queue.h"

enum { NO_WAIT = 0, LONG_US = 10 * 1000 * 1000 };

static struct job_queue queue;

static void init(void)
{
    cr_assert(queue_init(&queue, 100));
}

static void release(void)
{
    queue_release(&queue);
}

TestSuite(ingest_queue, .init = init, .fini = release);

static struct job a_job(size_t bytes)
{
    return (struct job){.kind = JOB_RUN_PUT, .bytes = bytes};
}

static void put(struct job *job)
{
    struct problem p;

    cr_assert_eq(queue_put(&queue, job, &p), OK);
}

static size_t take(int64_t wait_us, int64_t gather_us, struct job **out)
{
    size_t n = 0;

    cr_assert(queue_take(&queue, wait_us, gather_us, out));
    for (const struct job *job = *out; job != NULL; job = job->next)
        n++;
    return n;
}

Test(ingest_queue, jobs_come_out_together_in_the_order_in_which_they_came)
{
    struct job a = a_job(1), b = a_job(1), c = a_job(1), *out;

    put(&a);
    put(&b);
    cr_assert_eq(take(NO_WAIT, 0, &out), 2);
    cr_assert(out == &a && a.next == &b);
    put(&c);
    cr_assert_eq(take(NO_WAIT, 0, &out), 1);
    cr_assert_eq(out, &c);
    cr_assert_eq(take(NO_WAIT, 0, &out), 0);
}

Test(ingest_queue, a_job_counts_until_it_leaves_and_one_alone_is_always_let_in)
{
    struct job large = a_job(1000), small = a_job(1), *out;
    struct problem p;
    int64_t n, bytes;

    put(&large);
    cr_assert(queue_is_full(&queue));
    cr_assert_eq(take(NO_WAIT, 0, &out), 1);
    cr_assert_eq(queue_put(&queue, &small, &p), PROBLEM_BUSY, "it is being written");
    cr_assert_eq(p.retry_after_s, 1);
    queue_weight(&queue, &n, &bytes);
    cr_assert(n == 1 && bytes == 1000);
    queue_leave(&queue, out);
    cr_assert(!queue_is_full(&queue));
    put(&small);
    queue_weight(&queue, &n, &bytes);
    cr_assert(n == 1 && bytes == 1);
}

Test(ingest_queue, a_stopped_queue_gives_what_is_left_and_takes_nothing_more)
{
    struct job left = a_job(1), late = a_job(1), *out;
    struct problem p;

    put(&left);
    queue_stop(&queue);
    cr_assert_eq(queue_put(&queue, &late, &p), PROBLEM_STOPPING);
    cr_assert_eq(take(QUEUE_FOR_EVER, LONG_US, &out), 1);
    cr_assert_not(queue_take(&queue, QUEUE_FOR_EVER, LONG_US, &out));
    cr_assert_null(out);
}

Test(ingest_queue, a_job_that_comes_alone_is_not_kept_waiting_for_others)
{
    struct job job = a_job(1), *out;

    for (int i = 0; i < 3; i++) {
        int64_t began = clock_monotonic_us();
        put(&job);
        cr_assert_eq(take(NO_WAIT, LONG_US, &out), 1);
        cr_assert_lt(clock_monotonic_us() - began, LONG_US / 2);
        cr_assert_eq(take(NO_WAIT, 0, &out), 0); /* the writer looked again before it came back */
    }
}

static void *put_later(void *job)
{
    usleep(20 * 1000);
    put(job);
    return NULL;
}

Test(ingest_queue, who_was_in_the_last_group_is_waited_for_as_long_as_is_said)
{
    struct job a = a_job(1), b = a_job(1), *out;
    pthread_t thread;

    put(&a);
    put(&b);
    cr_assert_eq(take(NO_WAIT, 0, &out), 2);
    put(&a);
    cr_assert_eq(pthread_create(&thread, NULL, put_later, &b), 0);
    cr_assert_eq(take(NO_WAIT, LONG_US, &out), 2, "the second came in time");
    pthread_join(thread, NULL);
    put(&a);
    int64_t began = clock_monotonic_us();
    cr_assert_eq(take(NO_WAIT, 30 * 1000, &out), 1, "the second did not come");
    cr_assert_geq(clock_monotonic_us() - began, 30 * 1000);
}

Test(ingest_queue, a_large_job_is_waited_behind_by_nobody)
{
    struct job a = a_job(1), b = a_job(1), *out;
    struct record_list many = {.n_records = QUEUE_RECORDS_LARGE};

    put(&a);
    put(&b);
    cr_assert_eq(take(NO_WAIT, 0, &out), 2);
    a.kind = JOB_BATCHES;
    a.records = &many;
    int64_t began = clock_monotonic_us();
    put(&a);
    cr_assert_eq(take(NO_WAIT, LONG_US, &out), 1);
    cr_assert_lt(clock_monotonic_us() - began, LONG_US / 2);
}
