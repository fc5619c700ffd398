#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fixture_store.h"
#include "rank_set.h"
#include "rollup_levels.h"

static void *heap_resize(void *context, void *old, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

static const struct memory HEAP = {.resize = heap_resize};

/* ---- the database ---- */

void fixture_folder(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/tally-test-XXXXXX");
    cr_assert(mkdtemp(f->dir) != NULL);
    snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
    limits_default(&f->limits);
}

static void open_store(struct fixture *f)
{
    struct problem p = {0};
    struct store_options options = {.path = f->path, .durability = STORE_NORMAL};

    cr_assert_eq(store_open(&f->store, &options, &p), OK, "%s", p.detail);
    cr_assert_eq(store_reader_open(f->store, &f->reader, &p), OK, "%s", p.detail);
}

void fixture_open(struct fixture *f)
{
    fixture_folder(f);
    open_store(f);
}

void fixture_start(struct fixture *f)
{
    struct problem p = {0};

    if (f->dir[0] == '\0')
        fixture_folder(f);
    if (f->store == NULL)
        open_store(f);
    cr_assert_eq(ingest_start(&f->ingest, f->store, &f->limits, &p), OK, "%s", p.detail);
}

void fixture_stop(struct fixture *f)
{
    ingest_stop(f->ingest);
    store_reader_close(f->reader);
    store_close(f->store);
    f->ingest = NULL;
    f->reader = NULL;
    f->store = NULL;
}

void fixture_restart(struct fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
}

void fixture_remove(struct fixture *f)
{
    static const char *const SUFFIX[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char name[128];

    fixture_stop(f);
    for (size_t i = 0; i < sizeof SUFFIX / sizeof SUFFIX[0]; i++) {
        snprintf(name, sizeof name, "%s%s", f->path, SUFFIX[i]);
        unlink(name);
    }
    cr_expect_eq(rmdir(f->dir), 0, "files are left in %s", f->dir);
}

/* ---- posts ---- */

enum { POST_MEASURES_MAX = 4 };

void post_init(struct post *p, const char *run)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
    p->job.kind = JOB_BATCHES;
    p->job.now = clock_now_ms();
    p->job.records = &p->list;
    p->list.is_single = true;
    snprintf(p->job.run, sizeof p->job.run, "%s", run);
}

void post_record(struct post *p, const char *stage, int64_t epoch, int64_t step, int64_t rank)
{
    size_t n = p->list.n_records, size = sizeof(struct record);

    if ((n & (n - 1)) == 0) /* 0, 1, 2, 4, ... are there: room for twice as many */
        p->list.records = arena_grow(&p->arena, p->list.records, n * size, (n > 0 ? 2 * n : 1) * size);
    struct record *r = &p->list.records[n];
    memset(r, 0, size);
    snprintf(r->stage, sizeof r->stage, "%s", stage);
    r->key = (struct batch_key){.epoch = epoch, .step = step, .rank = rank};
    r->time = 1000000 + epoch * 1000 + step;
    r->index = n;
    r->measures = arena_alloc(&p->arena, POST_MEASURES_MAX * sizeof(struct measure));
    p->list.n_records++;
    p->list.is_single = p->list.n_records == 1;
    p->job.bytes += 200;
}

static void add_measure(struct post *p, const char *name, const char *field, struct batch_content *content,
                        int64_t samples, int64_t correct)
{
    struct record *r = &p->list.records[p->list.n_records - 1];
    struct measure *m = &r->measures[r->n_measures++];
    size_t size = 0;

    cr_assert_leq(r->n_measures, POST_MEASURES_MAX);
    memset(m, 0, sizeof *m);
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->field, sizeof m->field, "%s", field);
    m->shape = content->shape;
    m->samples = samples;
    m->correct = correct;
    cr_assert_eq(batch_pack(content, NULL, 0, &size), ERR_FULL);
    uint8_t *state = arena_alloc(&p->arena, size);
    cr_assert_eq(batch_pack(content, state, size, &size), OK);
    m->state = state;
    m->state_size = (uint32_t)size;
}

void post_totals(struct post *p, const char *name, int64_t correct, int64_t total)
{
    struct batch_content c = {.shape = {.form = FORM_TOTALS}, .correct = correct, .total = total};

    add_measure(p, name, "total", &c, total, correct);
}

void post_cell(struct post *p, const char *name, uint32_t num_classes, uint32_t target, uint32_t predicted,
               int64_t count)
{
    struct cell cell = {.target = target, .predicted = predicted, .count = count};
    struct batch_content c = {
        .shape = {.form = FORM_CONFUSION, .num_classes = num_classes}, .cells = &cell, .n_cells = 1};

    add_measure(p, name, "cells", &c, count, target == predicted ? count : 0);
}

void post_mean(struct post *p, const char *name, double sum, double weight)
{
    struct batch_content c = {.shape = {.form = FORM_MEAN}, .sum = sum, .weight = weight};

    add_measure(p, name, "sums", &c, 0, 0);
}

void post_attempt(struct post *p, const char *attempt)
{
    p->list.records[p->list.n_records - 1].attempt = attempt;
}

int post_send(struct fixture *f, struct post *p)
{
    int status = ingest_run(f->ingest, &p->job);

    post_release(p);
    return status;
}

void post_release(struct post *p)
{
    arena_release(&p->arena);
}

/* ---- one group ---- */

struct hold {
    struct job job;
    struct run_change change;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool held, let_go, done;
};

static void hold_up(struct job *job)
{
    struct hold *h = job->context;

    pthread_mutex_lock(&h->mutex);
    h->held = true;
    pthread_cond_broadcast(&h->changed);
    while (!h->let_go)
        pthread_cond_wait(&h->changed, &h->mutex);
    h->done = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
}

struct hold *hold_writer(struct fixture *f)
{
    struct hold *h = calloc(1, sizeof *h);
    struct problem p = {0};

    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    h->job.kind = JOB_RUN_PATCH; /* of no run: it is refused, which is all the same here */
    snprintf(h->job.run, sizeof h->job.run, "nobody");
    h->job.change = &h->change;
    h->job.done = hold_up;
    h->job.context = h;
    cr_assert_eq(ingest_submit(f->ingest, &h->job, &p), OK);
    pthread_mutex_lock(&h->mutex);
    while (!h->held)
        pthread_cond_wait(&h->changed, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
    return h;
}

void hold_release(struct hold *h)
{
    pthread_mutex_lock(&h->mutex);
    h->let_go = true;
    pthread_cond_broadcast(&h->changed);
    while (!h->done)
        pthread_cond_wait(&h->changed, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
    pthread_mutex_destroy(&h->mutex);
    pthread_cond_destroy(&h->changed);
    free(h);
}

/* ---- other jobs ---- */

int run_job(struct fixture *f, enum job_kind kind, const char *run, struct run_change *change, struct job *job)
{
    memset(job, 0, sizeof *job);
    job->kind = kind;
    job->now = clock_now_ms();
    job->change = change;
    snprintf(job->run, sizeof job->run, "%s", run);
    return ingest_run(f->ingest, job);
}

int rewind_job(struct fixture *f, const char *run, const char *stage, int64_t epoch, int64_t step, const char *attempt,
               struct job *job)
{
    memset(job, 0, sizeof *job);
    job->kind = JOB_REWIND;
    job->now = clock_now_ms();
    job->stage = stage;
    job->epoch = epoch;
    job->step = step;
    job->attempt = attempt;
    snprintf(job->run, sizeof job->run, "%s", run);
    return ingest_run(f->ingest, job);
}

/* ---- looking ---- */

int64_t revision_of(struct fixture *f, const char *run)
{
    struct problem p = {0};
    struct run_row row;
    bool found = false;

    cr_assert_eq(store_run_find(f->reader, run, &row, &found, &p), OK, "%s", p.detail);
    if (!found)
        return -1;
    run_row_release(&row);
    return row.revision;
}

bool series_of(struct fixture *f, const char *run, const char *stage, const char *name, struct series_row *out)
{
    struct problem p = {0};
    struct run_row row;
    bool found = false;

    cr_assert_eq(store_run_find(f->reader, run, &row, &found, &p), OK, "%s", p.detail);
    if (!found)
        return false;
    run_row_release(&row);
    found = false;
    for (enum kind kind = KIND_COUNTS; kind <= KIND_MEAN && !found; kind++)
        cr_assert_eq(store_series_find(f->reader, row.run, stage, name, kind, out, &found, &p), OK, "%s", p.detail);
    return found;
}

/* One epoch, added up from its rows alone. */
struct recount {
    const struct series_row *series;
    struct state sum;
    struct rank_set ranks;
    struct rollup_row row;
    int64_t batches, samples, epochs, last_epoch, last_step;
    int64_t rollups;
    struct fixture *f;
    const char *when;
};

static int recount_batch(void *context, const struct batch_row *b)
{
    struct recount *r = context;
    struct state one;

    cr_assert_eq(state_init(&one, &r->series->shape, true, HEAP), OK);
    cr_assert_eq(state_add_packed(&one, &b->key, b->samples, 1, b->state, b->state_size), OK);
    cr_assert_eq(state_merge(&r->sum, &one), OK);
    double value = state_primary(&one);
    state_release(&one);
    if (r->row.batches == 0 || b->key.step != r->row.last_step)
        r->row.steps++;
    if (r->row.batches++ == 0) {
        r->row.first_step = b->key.step;
        r->row.first_time = b->logged_at;
    }
    r->row.last_step = b->key.step;
    if (b->logged_at < r->row.first_time)
        r->row.first_time = b->logged_at;
    r->row.primary_min = fmin(r->row.primary_min, value);
    r->row.primary_max = fmax(r->row.primary_max, value);
    rank_set_add(&r->ranks, b->key.rank);
    return OK;
}

static bool same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static int check_rollup(void *context, const struct rollup_row *row);
static int check_bucket(void *context, const struct rollup_row *row);

/* Buckets that hold a batch and end before closed, each a bit of its level's. */
struct bucket_count {
    int64_t closed, last[64], n[64];
};

static int count_bucket(void *context, const struct batch_row *b)
{
    struct bucket_count *c = context;

    for (int level = ROLLUP_LEVEL_FINEST; level <= ROLLUP_LEVEL_COARSEST; level += ROLLUP_LEVEL_GAP) {
        int64_t bucket = b->key.step >> level;
        if (bucket < c->closed >> level && bucket != c->last[level]) {
            c->n[level]++;
            c->last[level] = bucket;
        }
    }
    return OK;
}

/* Each bucket before closed that holds a batch has its row, no other has one, and each is the sum of its batches. */
static void check_buckets(struct recount *r, const struct rollup_row *epoch)
{
    struct problem p = {0};
    struct batch_key from = {.epoch = epoch->epoch}, to = {epoch->epoch, INT64_MAX, INT64_MAX};
    struct bucket_count count = {.closed = epoch->closed};

    for (int level = 0; level < 64; level++)
        count.last[level] = -1;
    cr_assert_eq(store_batches_each(r->f->reader, epoch->run, epoch->series, &from, &to, count_bucket, &count, &p), OK);
    for (int level = ROLLUP_LEVEL_FINEST; level <= ROLLUP_LEVEL_COARSEST; level += ROLLUP_LEVEL_GAP) {
        r->rollups = 0;
        cr_assert_eq(store_buckets_each(r->f->reader, epoch->run, epoch->series, level, epoch->epoch, 0, INT64_MAX,
                                        true, check_bucket, r, &p),
                     OK);
        cr_assert_eq(r->rollups, count.n[level], "%s: %ld rows of level %d, %ld closed buckets", r->when,
                     (long)r->rollups, level, (long)count.n[level]);
    }
}

static int check_bucket(void *context, const struct rollup_row *row)
{
    struct recount *r = context;

    r->rollups++;
    return check_rollup(context, row);
}

static int check_rollup(void *context, const struct rollup_row *row)
{
    struct recount *r = context;
    struct problem p = {0};
    int64_t first = row->level == 0 ? 0 : row->bucket << row->level;
    int64_t last = row->level == 0 ? INT64_MAX : first + (INT64_C(1) << row->level) - 1;
    struct batch_key from = {row->epoch, first, 0}, to = {row->epoch, last, INT64_MAX};
    uint8_t *packed = malloc(1 << 20), *ranks = malloc(1 << 18);
    size_t size = 0;

    cr_assert_eq(state_init(&r->sum, &r->series->shape, true, HEAP), OK);
    rank_set_clear(&r->ranks);
    r->row = (struct rollup_row){.primary_min = NAN, .primary_max = NAN};
    cr_assert_eq(store_batches_each(r->f->reader, row->run, row->series, &from, &to, recount_batch, r, &p), OK);
    cr_assert_eq(state_pack(&r->sum, packed, 1 << 20, &size), OK);
    const char *at = r->when;
    cr_assert_gt(r->row.batches, 0, "%s: a rollup without batches", at);
    cr_assert(size == row->state_size && memcmp(packed, row->state, size) == 0, "%s: state", at);
    cr_assert_eq(row->batches, r->row.batches, "%s: batches", at);
    cr_assert_eq(row->samples, r->sum.samples, "%s: samples", at);
    bool is_counts = form_kind(r->series->shape.form) == KIND_COUNTS;
    cr_assert_eq(row->correct, is_counts ? r->sum.counts.correct : 0, "%s: correct", at);
    cr_assert_eq(row->steps, r->row.steps, "%s: steps %ld, not %ld", at, (long)row->steps, (long)r->row.steps);
    cr_assert_eq(row->first_step, r->row.first_step, "%s: first_step", at);
    cr_assert_eq(row->last_step, r->row.last_step, "%s: last_step", at);
    cr_assert_eq(row->first_time, r->row.first_time, "%s: first_time", at);
    cr_assert(same_double(row->primary_min, r->row.primary_min), "%s: min %g, not %g", at, row->primary_min,
              r->row.primary_min);
    cr_assert(same_double(row->primary_max, r->row.primary_max), "%s: max", at);
    size_t ranks_size = row->level == 0 ? rank_set_pack(&r->ranks, ranks, 1 << 18) : 0;
    cr_assert(ranks_size == row->ranks_size && (ranks_size == 0 || memcmp(ranks, row->ranks, ranks_size) == 0),
              "%s: ranks", at);
    state_release(&r->sum);
    free(packed);
    free(ranks);
    if (row->level > 0)
        return OK;
    r->epochs++;
    cr_assert(row->closed >= 0 && row->closed % (1 << ROLLUP_LEVEL_FINEST) == 0, "%s: closed %ld", at,
              (long)row->closed);
    check_buckets(r, row);
    r->batches += row->batches;
    r->samples += row->samples;
    r->last_epoch = row->epoch;
    r->last_step = row->last_step;
    return OK;
}

static int count_rows(void *context, const struct batch_row *b)
{
    (void)b;
    ++*(int64_t *)context;
    return OK;
}

static int check_series(void *context, const struct series_row *series)
{
    struct recount *r = context;
    struct problem p = {0};
    struct batch_key from = {0}, to = {.epoch = INT64_MAX, .step = INT64_MAX, .rank = INT64_MAX};
    int64_t rows = 0;

    r->series = series;
    r->batches = r->samples = r->epochs = 0;
    r->last_epoch = r->last_step = -1;
    cr_assert_eq(store_rollups_each(r->f->reader, series->run, series->series, 0, 0, INT64_MAX, check_rollup, r, &p),
                 OK);
    cr_assert_eq(store_batches_each(r->f->reader, series->run, series->series, &from, &to, count_rows, &rows, &p), OK);
    cr_assert_eq(rows, r->batches, "%s: %ld rows, %ld in rollups", r->when, (long)rows, (long)r->batches);
    cr_assert_eq(series->batches, r->batches, "%s: batches of series", r->when);
    cr_assert_eq(series->samples, r->samples, "%s: samples of series", r->when);
    cr_assert_eq(series->epochs, r->epochs, "%s: epochs of series", r->when);
    cr_assert_eq(series->last_epoch, r->last_epoch, "%s: last_epoch of series", r->when);
    cr_assert_eq(series->last_step, r->last_step, "%s: last_step of series", r->when);
    return OK;
}

void check_rollups(struct fixture *f, const char *run, const char *when)
{
    struct problem p = {0};
    struct recount *r = calloc(1, sizeof *r);
    struct run_row row;
    bool found = false;

    r->f = f;
    r->when = when;
    cr_assert_eq(store_run_find(f->reader, run, &row, &found, &p), OK, "%s", p.detail);
    if (found) {
        run_row_release(&row);
        cr_assert_eq(store_series_each(f->reader, row.run, check_series, r, &p), OK, "%s", p.detail);
    }
    free(r);
}
