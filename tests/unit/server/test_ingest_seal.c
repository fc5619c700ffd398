#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "clock.h"
#include "fixture_store.h"
#include "rollup_levels.h"

/* n steps of totals and a loss, in requests of a hundred. */
static void log_steps(struct fixture *f, int64_t epoch, int64_t first, int64_t n, int64_t stride)
{
    struct post post;

    for (int64_t i = 0; i < n; i += 100) {
        post_init(&post, "r");
        for (int64_t k = i; k < n && k < i + 100; k++) {
            post_record(&post, "train", epoch, first + k * stride, 0);
            post_totals(&post, "main", k % 5, 7);
            post_mean(&post, "loss", 0.1 * (double)k, 3);
        }
        cr_assert_eq(post_send(f, &post), OK, "%s", post.job.problem.detail);
    }
}

static void check_agrees(struct fixture *f, const char *when, int64_t thinned)
{
    struct check_report report;
    struct problem p = {0};

    cr_assert_eq(check_store(f->reader, stdout, &report, &p), OK, "%s: %s", when, p.detail);
    cr_assert_eq(report.disagreements, 0, "%s", when);
    cr_assert_eq(report.thinned_epochs, thinned, "%s: %" PRId64 " thinned epochs", when, report.thinned_epochs);
}

static struct rollup_row epoch_row_of(struct fixture *f, const struct series_row *series, int64_t epoch)
{
    struct rollup_row row;
    struct problem p = {0};
    bool found = false;

    cr_assert_eq(store_rollup_get(f->reader, series->run, series->series, epoch, 0, 0, &row, &found, &p), OK);
    cr_assert(found);
    return row;
}

/* Seal an epoch of main and loss, as the retention does; how many series were. */
static int64_t seal(struct fixture *f, int64_t epoch, int64_t run_off_by, int64_t revision_off_by)
{
    static const char *const NAMES[] = {"main", "loss"};
    static const uint8_t means[] = {1, 'm', 'c', 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct series_row series[2];
    struct seal_part parts[2];
    struct seal_change change = {.epoch = epoch, .parts = parts, .n = 2};
    struct job job = {.kind = JOB_SEAL, .now = clock_now_ms(), .seal = &change, .bytes = sizeof job};

    for (int i = 0; i < 2; i++) {
        cr_assert(series_of(f, "r", "train", NAMES[i], &series[i]));
        parts[i] =
            (struct seal_part){.series = &series[i],
                               .revision = epoch_row_of(f, &series[i], epoch).revision + (i == 1 ? revision_off_by : 0),
                               .seal = {.run = series[i].run,
                                        .series = series[i].series,
                                        .epoch = epoch,
                                        .ignore_index = -1,
                                        .top_k = 1,
                                        .means = means,
                                        .means_size = sizeof means}};
    }
    change.run = series[0].run + run_off_by;
    strcpy(job.run, "r");
    cr_assert_eq(ingest_run(f->ingest, &job), OK, "%s", job.problem.detail);
    return job.sealed;
}

static int count_batch(void *context, const struct batch_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return OK;
}

static int64_t batches_left(struct fixture *f, int64_t epoch)
{
    static const char *const NAMES[] = {"main", "loss"};
    const struct batch_key from = {.epoch = epoch}, to = {epoch, INT64_MAX, INT64_MAX};
    struct problem p = {0};
    int64_t n = 0;

    for (int i = 0; i < 2; i++) {
        struct series_row series;
        cr_assert(series_of(f, "r", "train", NAMES[i], &series));
        cr_assert_eq(store_batches_each(f->reader, series.run, series.series, &from, &to, count_batch, &n, &p), OK);
    }
    return n;
}

static void wait_until_thinned(struct fixture *f, int64_t epoch)
{
    for (int i = 0; i < 1000 && batches_left(f, epoch) > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_eq(batches_left(f, epoch), 0);
}

Test(ingest_seal, a_sealed_epoch_is_its_sums_and_takes_nothing_any_more)
{
    struct fixture f = {0};
    struct post post;
    struct job job;

    fixture_start(&f);
    log_steps(&f, 0, 0, 300, 1);
    log_steps(&f, 1, 0, 10, 1);
    log_steps(&f, 2, 0, 5, 1);
    struct series_row before, after;
    cr_assert(series_of(&f, "r", "train", "main", &before));
    int64_t revision = revision_of(&f, "r");
    cr_assert_eq(seal(&f, 0, 0, 0), 2);
    cr_assert_eq(seal(&f, 1, 0, 0), 2);
    cr_assert_eq(revision_of(&f, "r"), revision + 2);
    check_agrees(&f, "sealed, perhaps not thinned", 4);
    wait_until_thinned(&f, 0);
    wait_until_thinned(&f, 1);
    check_agrees(&f, "thinned", 4);
    cr_assert(series_of(&f, "r", "train", "main", &after));
    cr_assert(memcmp(&before, &after, sizeof before) == 0, "its counters say what was logged");
    struct ingest_stats stats;
    ingest_stats_get(f.ingest, &stats);
    cr_assert_eq(stats.epochs_sealed, 4);
    cr_assert_eq(stats.batches_thinned, 620);

    post_init(&post, "r");
    post_record(&post, "train", 3, 0, 0);
    post_totals(&post, "main", 1, 2);
    post_record(&post, "train", 0, 12, 0); /* it was there */
    post_totals(&post, "main", 2, 7);
    cr_assert_eq(post_send(&f, &post), PROBLEM_SEALED);
    cr_assert_str_eq(post.job.problem.places[0].pointer, "/1");
    cr_assert(series_of(&f, "r", "train", "main", &after));
    cr_assert_eq(after.batches, before.batches, "refused whole");
    cr_assert_eq(rewind_job(&f, "r", NULL, 1, 9, "a", &job), PROBLEM_SEALED);
    cr_assert_eq(rewind_job(&f, "r", NULL, 1, 10, "a", &job), OK, "behind its last step");
    cr_assert_eq(job.removed, 10);
    check_agrees(&f, "after a rewind", 4);
    cr_assert_eq(seal(&f, 0, 0, 0), 0, "it is sealed already");
    fixture_remove(&f);
}

Test(ingest_seal, an_epoch_that_has_changed_or_may_change_is_left_alone)
{
    struct fixture f = {0};

    fixture_start(&f);
    log_steps(&f, 0, 0, 20, 1);
    log_steps(&f, 1, 0, 20, 1);
    cr_assert_eq(seal(&f, 0, 0, -1), 0, "another revision of one series");
    cr_assert_eq(seal(&f, 0, 1, 0), 0, "another run of that id");
    cr_assert_eq(seal(&f, 1, 0, 0), 0, "the last epoch of a running run");
    check_agrees(&f, "nothing was sealed", 0);
    struct run_change change = {.has_status = true, .status = RUN_FINISHED};
    struct job job;
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &change, &job), OK);
    cr_assert_eq(seal(&f, 1, 0, 0), 2);
    wait_until_thinned(&f, 1);
    check_agrees(&f, "the last epoch of a run that ended", 2);
    fixture_remove(&f);
}

Test(ingest_seal, what_one_process_has_sealed_the_next_one_thins)
{
    struct fixture f = {0};
    struct problem p = {0};
    struct series_row series;

    fixture_start(&f);
    log_steps(&f, 0, 0, 500, 1);
    log_steps(&f, 1, 0, 1, 1);
    cr_assert(series_of(&f, "r", "train", "main", &series));
    fixture_stop(&f);
    struct store_options options = {.path = f.path, .durability = STORE_FULL};
    cr_assert_eq(store_open(&f.store, &options, &p), OK, "%s", p.detail);
    const struct seal_row row = {.run = series.run, .series = series.series, .ignore_index = -1, .top_k = 1};
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_seal(f.store, &row, 7, &p), OK, "%s", p.detail);
    int64_t removed = 0;
    bool more = false;
    cr_assert_eq(store_write_thin(f.store, 100, &removed, &more, &p), OK);
    cr_assert(removed == 100 && more);
    cr_assert_eq(store_commit(f.store, &p), OK);
    store_close(f.store);
    f.store = NULL;
    fixture_start(&f);
    cr_assert_eq(epoch_row_of(&f, &series, 0).sealed_at, 7);
    for (int i = 0; i < 1000; i++) {
        struct ingest_stats stats;
        ingest_stats_get(f.ingest, &stats);
        if (stats.batches_thinned == 400)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    cr_assert_eq(batches_left(&f, 0), 500, "those of the loss, which is not sealed");
    check_agrees(&f, "the next process", 1);
    fixture_remove(&f);
}

Test(ingest_seal, however_steps_lie_and_come_the_rows_tell_all_of_a_sealed_epoch)
{
    unsigned seed = (unsigned)clock_now_ms();

    for (int round = 0; round < 12; round++) {
        struct fixture f = {0};
        int64_t stride = 1 + rand_r(&seed) % 90, first = rand_r(&seed) % 3000, n = 1 + rand_r(&seed) % 250;
        fixture_start(&f);
        log_steps(&f, 0, first, n, stride);
        log_steps(&f, 1, 0, 1, 1);
        log_steps(&f, 0, first + n * stride + rand_r(&seed) % 5000, 1 + rand_r(&seed) % 9, 1); /* late */
        cr_assert_eq(seal(&f, 0, 0, 0), 2);
        wait_until_thinned(&f, 0);
        char when[96];
        snprintf(when, sizeof when, "%" PRId64 " steps from %" PRId64 " by %" PRId64, n, first, stride);
        check_agrees(&f, when, 2);
        fixture_remove(&f);
    }
}
