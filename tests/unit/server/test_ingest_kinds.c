#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fixture_store.h"

#define SCORES "\"scores\":{\"thresholds\":3,\"pos\":[[0,1,2]],\"neg\":[[3,0,0]]}"
#define CALIBRATION "\"calibration\":{\"bins\":1,\"cells\":[[0,4,2.5,1],[1,2,2,2]]}"
#define EXACT "\"exact\":[3,6]"
#define REGRESSION                                                                                                     \
    "\"regression\":{\"n\":6,\"mean_target\":1.5,\"mean_prediction\":2,\"m2_target\":3,\"m2_prediction\":4,\"c\":-1,"  \
    "\"sum_error\":3,\"sum_abs_error\":3,\"sum_squared_error\":7.5}"
#define COUNTS "\"correct\":2,\"total\":6"

/* Decode and settle one body. */
static int post(struct fixture *f, const char *body, struct job *job)
{
    struct arena arena;
    struct record_list list = {0};
    arena_init(&arena);
    memset(job, 0, sizeof *job);
    cr_assert_eq(decode_records(body, strlen(body), BODY_JSON, &f->limits, &arena, &list, &job->problem), OK, "%s: %s",
                 body, job->problem.detail);
    job->kind = JOB_BATCHES;
    job->now = clock_now_ms();
    job->records = &list;
    job->bytes = 1000;
    snprintf(job->run, sizeof job->run, "r");
    int rc = ingest_run(f->ingest, job);
    arena_release(&arena);
    return rc;
}

/* One record of stage test. */
static int post_fields(struct fixture *f, int step, const char *fields, struct job *job)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"stage\":\"test\",\"epoch\":0,\"step\":%d,%s}", step, fields);
    return post(f, body, job);
}

struct listing {
    char text[512];
    size_t used;
};

static int list_series(void *context, const struct series_row *row)
{
    struct listing *l = context;
    l->used +=
        (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s/%s %lld %lld %u; ", row->name,
                         form_name(row->shape.form), (long long)row->batches, (long long)row->samples, row->shape.bins);
    return OK;
}

static void expect_series(struct fixture *f, const char *wanted, const char *when)
{
    struct listing l = {0};
    struct problem p = {0};
    struct run_row run;
    bool found = false;
    cr_assert_eq(store_run_find(f->reader, "r", &run, &found, &p), OK);
    cr_assert(found);
    cr_assert_eq(store_series_each(f->reader, run.run, list_series, &l, &p), OK);
    run_row_release(&run);
    cr_assert_str_eq(l.text, wanted, "%s: %s", when, l.text);
}

Test(ingest_kinds, one_name_holds_a_series_for_each_kind_and_all_are_checked_apart)
{
    struct fixture f = {0};
    struct job job;
    fixture_start(&f);
    cr_assert_eq(post_fields(&f, 0, COUNTS, &job), OK);
    cr_assert_eq(job.accepted, 1);
    cr_assert_eq(post_fields(&f, 0, COUNTS "," SCORES, &job), OK, "%s", job.problem.detail);
    cr_assert(job.accepted == 1 && job.duplicates == 0, "the same counts again plus scores adds scores");
    cr_assert_eq(post_fields(&f, 0, COUNTS "," SCORES, &job), OK);
    cr_assert(job.accepted == 0 && job.duplicates == 1);
    int64_t revision = revision_of(&f, "r");
    cr_assert_eq(post_fields(&f, 0, SCORES ",\"samples\":6", &job), OK);
    cr_assert(job.duplicates == 1, "said or by default, the samples are the same");
    cr_assert_eq(revision_of(&f, "r"), revision);
    cr_assert_eq(post_fields(&f, 0, SCORES ",\"samples\":7", &job), PROBLEM_CONFLICT, "samples are content");
    cr_assert(strstr(job.problem.detail, "name main (scores)") != NULL, "%s", job.problem.detail);
    cr_assert_eq(post_fields(&f, 0, CALIBRATION "," EXACT "," REGRESSION ",\"sums\":{\"loss\":[1,2]}", &job), OK);
    cr_assert_eq(job.accepted, 1);
    expect_series(&f,
                  "loss/mean 1 0 0; main/totals 1 6 0; main/scores 1 6 3; main/calibration 1 6 1; main/exact 1 6 0; "
                  "main/regression 1 6 0; ",
                  "all kinds");
    static const char *const changed[] = {
        "\"exact\":[2,6]",
        "\"scores\":{\"thresholds\":3,\"pos\":[[0,2,1]],\"neg\":[[3,0,0]]}",
        "\"calibration\":{\"bins\":1,\"cells\":[[0,4,2.25,1],[1,2,2,2]]}",
        "\"regression\":{\"n\":6,\"mean_target\":1.5,\"mean_prediction\":2,\"m2_target\":3,\"m2_prediction\":4,\"c\":1,"
        "\"sum_error\":3,\"sum_abs_error\":3,\"sum_squared_error\":7.5}",
    };
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        cr_assert_eq(post_fields(&f, 0, changed[i], &job), PROBLEM_CONFLICT, "%s", changed[i]);
    cr_assert_eq(post_fields(&f, 1, EXACT ",\"sums\":{\"loss\":[1,2]}", &job), OK);
    check_rollups(&f, "r", "kinds");
    fixture_restart(&f);
    cr_assert_eq(post_fields(&f, 0, CALIBRATION "," EXACT "," REGRESSION, &job), OK);
    cr_assert_eq(job.duplicates, 1, "and from the file");
    check_rollups(&f, "r", "restart");
    fixture_remove(&f);
}

Test(ingest_kinds, another_shape_is_refused_and_a_mean_shares_no_name)
{
    static const struct {
        const char *fields, *pointer, *detail;
    } rows[] = {
        {"\"scores\":{\"thresholds\":4,\"num_classes\":1,\"cells\":[]}", "/scores",
         "score histograms (multiclass, num_classes 1, thresholds 3); this record has score histograms (multiclass, "
         "num_classes 1, thresholds 4)"},
        {"\"scores\":{\"thresholds\":3,\"num_classes\":2,\"cells\":[]}", "/scores", "num_classes 2, thresholds 3)"},
        {"\"scores\":{\"thresholds\":3,\"cells\":[]},\"task\":\"binary\"", "/scores", "has score histograms (binary"},
        {"\"calibration\":{\"bins\":2,\"cells\":[]}", "/calibration",
         "calibration bins (multiclass, bins 1); this record has calibration bins (multiclass, bins 2)"},
        {"\"sums\":{\"main\":[1,2]}", "/sums/main", "holds score histograms"},
        {"\"values\":{\"e\":1}", "/values/e", "holds exact matches; this record has a weighted mean"},
        {"\"name\":\"loss\"," COUNTS, "/correct", "holds a weighted mean; this record has totals (multiclass)"},
        {"\"name\":\"loss\"," SCORES, "/scores", "holds a weighted mean; this record has score histograms"},
        {"\"name\":\"loss\"," CALIBRATION, "/calibration", "holds a weighted mean; this record has calibration bins"},
        {"\"name\":\"loss\"," EXACT, "/exact", "holds a weighted mean; this record has exact matches"},
        {"\"name\":\"loss\"," REGRESSION, "/regression", "holds a weighted mean; this record has regression moments"},
    };
    struct fixture f = {0};
    struct job job;
    fixture_start(&f);
    for (int stored = 0; stored < 2; stored++) { /* first within one request */
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char body[2048], pointer[64];
            snprintf(body, sizeof body,
                     "[{\"stage\":\"test\",\"epoch\":0,\"step\":0," SCORES "," CALIBRATION
                     ",\"sums\":{\"loss\":[1,2]}},"
                     "{\"stage\":\"test\",\"epoch\":0,\"step\":0," EXACT ",\"name\":\"e\"},"
                     "{\"stage\":\"test\",\"epoch\":0,\"step\":1,%s}]",
                     rows[i].fields);
            snprintf(pointer, sizeof pointer, "/2%s", rows[i].pointer);
            cr_assert_eq(post(&f, body, &job), PROBLEM_SHAPE, "%s", rows[i].fields);
            cr_assert_str_eq(job.problem.places[0].pointer, pointer);
            cr_assert(strstr(job.problem.detail, rows[i].detail) != NULL, "%s", job.problem.detail);
        }
        if (stored == 0) {
            cr_assert_eq(revision_of(&f, "r"), -1, "a refused request leaves nothing");
            cr_assert_eq(post_fields(&f, 0, SCORES "," CALIBRATION ",\"sums\":{\"loss\":[1,2]}", &job), OK);
            cr_assert_eq(post_fields(&f, 0, EXACT ",\"name\":\"e\"", &job), OK);
        }
    }
    expect_series(&f, "e/exact 1 6 0; loss/mean 1 0 0; main/scores 1 6 3; main/calibration 1 6 1; ", "after refusals");
    cr_assert_eq(post(&f, "{\"stage\":\"val\",\"epoch\":0,\"step\":1,\"exact\":[1,2],\"name\":\"loss\"}", &job), OK,
                 "names are those of a stage");
    check_rollups(&f, "r", "shapes");
    fixture_remove(&f);
}

Test(ingest_kinds, sums_that_overflow_are_refused_and_leave_the_epoch_as_it_was)
{
#define MANY "9007199254740991"
    static const struct {
        const char *fields, *pointer;
    } rows[] = {
        {"\"exact\":[1," MANY "]", "/exact"},
        {"\"scores\":{\"thresholds\":2,\"num_classes\":1,\"cells\":[[0,0," MANY ",0]]},\"samples\":1", "/scores"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[0," MANY ",1,1]]},\"samples\":1", "/calibration"},
    };
    struct fixture f = {0};
    struct job job;
    fixture_start(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t cap = 1100 * 200, used = 0, last = 0;
        char *body = malloc(cap);
        body[used++] = '[';
        for (int step = 0; step < 1025; step++) {
            last = used;
            used += (size_t)snprintf(body + used, cap - used, "%s{\"stage\":\"s%zu\",\"epoch\":0,\"step\":%d,%s}",
                                     step == 0 ? "" : ",", i, step, rows[i].fields);
        }
        strcpy(body + used, "]");
        cr_assert_eq(post(&f, body, &job), PROBLEM_COUNT_OVERFLOW, "%s", rows[i].fields);
        cr_assert(strncmp(job.problem.places[0].pointer, "/1024", 5) == 0 &&
                      strcmp(job.problem.places[0].pointer + 5, rows[i].pointer) == 0,
                  "%s", job.problem.places[0].pointer);
        strcpy(body + last, "]");
        cr_assert_eq(post(&f, body, &job), OK, "%s", job.problem.detail);
        cr_assert_eq(job.accepted, 1024);
        free(body);
    }
    check_rollups(&f, "r", "full epochs");
    fixture_remove(&f);
}

Test(ingest_kinds, a_request_that_names_too_many_large_sums_is_refused_whole)
{
    struct fixture f = {0};
    struct job job;
    fixture_start(&f);
    for (int n = 133; n <= 134; n++) { /* 2 GiB are 134 sums of 1,000 classes and 1,000 thresholds, and a bit */
        char *body = malloc(40000), *end = body;
        for (int i = 0; i <= n; i++)
            end += sprintf(end,
                           "%c{\"stage\":\"s%d\",\"epoch\":%d,\"step\":0,\"scores\":{\"thresholds\":1000,"
                           "\"num_classes\":1000,\"cells\":[[0,0,%d,1]]}}",
                           i == 0 ? '[' : ',', n, i, i);
        strcpy(end, "]");
        int rc = post(&f, body, &job);
        cr_assert_eq(rc, n == 133 ? OK : PROBLEM_TOO_LARGE, "%d: %s", n, job.problem.detail);
        cr_assert(n == 133 || strcmp(job.problem.places[0].pointer, "/134/scores") == 0);
        free(body);
    }
    fixture_remove(&f);
}

Test(ingest_kinds, a_rewind_cuts_every_kind_and_repairs_its_sums)
{
    struct fixture f = {0};
    struct job job;
    fixture_start(&f);
    for (int step = 0; step < 6; step++) {
        char body[2048];
        snprintf(body, sizeof body,
                 "{\"stage\":\"train\",\"epoch\":%d,\"step\":%d,\"exact\":[%d,6],\"correct\":%d,\"total\":6,"
                 "\"calibration\":{\"bins\":2,\"cells\":[[%d,4,0.1,%d]]},"
                 "\"scores\":{\"thresholds\":5,\"num_classes\":2,\"cells\":[[1,%d,%d,1]]},\"regression\":{\"n\":%d,"
                 "\"mean_target\":%d.1,\"mean_prediction\":0.3,\"m2_target\":0.7,\"m2_prediction\":1e10,\"c\":-0.1,"
                 "\"sum_error\":0.1,\"sum_abs_error\":%d.3,\"sum_squared_error\":%d.7}}",
                 step / 4, step, step, 5 - step, step % 3, step % 4, step % 5, step, step + 1, step, step, step);
        cr_assert_eq(post(&f, body, &job), OK, "%s", job.problem.detail);
    }
    check_rollups(&f, "r", "before");
    cr_assert_eq(rewind_job(&f, "r", NULL, 0, 2, "again", &job), OK);
    cr_assert_eq(job.removed, 4 * 5);
    check_rollups(&f, "r", "after");
    expect_series(&f,
                  "main/totals 2 12 0; main/scores 2 12 5; main/calibration 2 12 2; main/exact 2 12 0; "
                  "main/regression 2 12 0; ",
                  "after");
    fixture_remove(&f);
}

Test(ingest_kinds, a_config_and_stages_do_not_grow_beyond_their_bound)
{
    struct fixture f = {0};
    struct job job;
    char *patch = malloc(RUN_CONFIG_MAX + 100);
    fixture_start(&f);
    enum { PART = 100 * 1024 };
    int status = OK, taken = 0;
    for (; status == OK && taken < 20; taken += status == OK) {
        int n = sprintf(patch, "{\"k%d\":\"", taken);
        memset(patch + n, 'x', PART);
        strcpy(patch + n + PART, "\"}");
        struct run_change change = {.config_patch = patch};
        status = run_job(&f, taken == 0 ? JOB_RUN_PUT : JOB_RUN_PATCH, "r", &change, &job);
    }
    cr_assert_eq(status, PROBLEM_INVALID);
    cr_assert_str_eq(job.problem.places[0].pointer, "/config");
    cr_assert_eq(taken, 10, "%d", taken);
    int64_t revision = revision_of(&f, "r");
    struct run_change smaller = {.config_patch = "{\"k0\":null}"};
    cr_assert_eq(run_job(&f, JOB_RUN_PATCH, "r", &smaller, &job), OK, "it can be taken back");
    cr_assert_eq(revision_of(&f, "r"), revision + 1);
    status = OK;
    for (taken = 0; status == OK && taken < 10; taken += status == OK) {
        int n = sprintf(patch, "{\"s%d\":{\"class_names\":[", taken);
        for (int i = 0; i < 4000; i++)
            n += sprintf(patch + n, "%s\"%0200d\"", i == 0 ? "" : ",", i);
        strcpy(patch + n, "]}}");
        struct run_change change = {.stages_patch = patch};
        status = run_job(&f, JOB_RUN_PATCH, "r", &change, &job);
    }
    cr_assert_eq(status, PROBLEM_INVALID);
    cr_assert_str_eq(job.problem.places[0].pointer, "/stages");
    cr_assert_eq(taken, 5, "%d", taken);
    free(patch);
    fixture_remove(&f);
}
