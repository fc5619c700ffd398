/**
 * Looking for epochs to seal.
 *
 * Guarantees:
 * 1. only what the writer finds unchanged is sealed: it compares the revision of each epoch with the one that was read here;
 * 2. nothing is held up: reading is done by a reader, an epoch at a time, and only one job of it waits in the queue.
 *
 * Thread: its own; retention_stop() by another.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "ingest.h"
#include "log.h"
#include "query_epoch_sum.h"
#include "retention.h"
#include "seal_means.h"
#include "stage_declaration.h"

enum { LOOK_MS_MIN = 100, LOOK_MS_MAX = 10 * 60 * 1000, INTERRUPT_MS = 50 };

struct retention {
    struct ingest *ingest;
    struct store_conn *reader;
    int64_t keep_ms;
    int64_t n_sealed; /* in this look: series of epochs */
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    bool has_ended;
};

/* The series of one stage of a run, in a request's arena. */
struct stage {
    struct retention *r;
    struct request *q;
    const struct query_run *run;
    const struct series_row *series; /* [n] */
    size_t n;
    struct stage_epoch *epochs; /* open ones, of all series */
    size_t n_epochs, cap_epochs;
    size_t i_series; /* whose epochs are being listed */
    struct metric_options options;
};

struct stage_epoch {
    int64_t epoch, written_at;
    size_t i_series;
};

/* ---- one epoch ---- */

/* What outlives the batches of one series, into its part.  Within a snapshot. */
static int make_part(struct stage *s, const struct series_row *series, int64_t epoch, struct seal_part *part,
                     struct problem *p)
{
    struct query_metric *metrics = arena_alloc(&s->q->arena, SEAL_MEANS_MAX * sizeof *metrics);
    struct step_mean *means = arena_alloc(&s->q->arena, SEAL_MEANS_MAX * sizeof *means);
    double *values = arena_alloc(&s->q->arena, SEAL_MEANS_MAX * sizeof *values);
    struct rollup_row row;
    struct epoch_sum sum = {.epoch = -1};
    struct buffer packed;
    bool found = false;

    if (metrics == NULL || means == NULL || values == NULL)
        return query_no_memory(p);
    int rc = store_rollup_get(s->q->reader, series->run, series->series, epoch, 0, 0, &row, &found, p);
    if (rc == OK && !found)
        rc = problem_set(p, PROBLEM_INTERNAL, NULL, "an epoch has gone within a snapshot");
    if (rc == OK)
        rc = query_epoch_sum_of(s->q, series, epoch, true, &sum, p);
    buffer_init(&packed);
    if (rc == OK) {
        const struct step_mean_job job = {.conn = s->q->reader,
                                          .options = &s->options,
                                          .series = series,
                                          .epoch = epoch,
                                          .revision = row.revision,
                                          .steady_since = row.steady_since,
                                          .last_step = row.last_step,
                                          .rank = -1,
                                          .sum = &sum.state};
        size_t n = seal_means_list(series, metrics);
        for (size_t i = 0; i < n; i++)
            means[i] = (struct step_mean){.value = &values[i]};
        rc = query_step_means(&job, metrics, n, means, p);
        for (size_t i = 0; i < n && rc == OK; i++) {
            struct seal_mean mean = {.value = values[i], .has_gap = query_has_gap(&metrics[i]), .gap = means[i].gap};
            memcpy(mean.key, metrics[i].selector.text, sizeof mean.key);
            seal_means_add(&packed, &mean);
        }
    }
    query_epoch_sum_release(&sum);
    uint8_t *copy = rc == OK && !packed.failed ? arena_alloc(&s->q->arena, packed.size + 1) : NULL;
    if (rc == OK && copy == NULL)
        rc = query_no_memory(p);
    if (rc == OK) {
        if (packed.size > 0)
            memcpy(copy, packed.data, packed.size);
        part->series = series;
        part->revision = row.revision;
        part->seal = (struct seal_row){.run = series->run,
                                       .series = series->series,
                                       .epoch = epoch,
                                       .ignore_index = s->options.ignore_index,
                                       .top_k = s->options.top_k,
                                       .means = copy,
                                       .means_size = packed.size};
    }
    buffer_release(&packed);
    return rc;
}

static int submit(struct stage *s, const struct seal_change *change, struct problem *p)
{
    struct job job = {.kind = JOB_SEAL, .now = clock_now_ms(), .seal = change, .bytes = sizeof job};

    for (size_t i = 0; i < change->n; i++)
        job.bytes += change->parts[i].seal.means_size;
    memcpy(job.run, s->run->run.id, sizeof job.run);
    if (ingest_run(s->r->ingest, &job) != OK) {
        *p = job.problem;
        return p->code;
    }
    s->r->n_sealed += job.sealed;
    return OK;
}

/* entries: of one epoch, one a series. */
static int seal_epoch(const struct stage *all, const struct stage_epoch *entries, size_t n, struct problem *p)
{
    struct request scratch = {.reader = all->q->reader}; /* what one epoch needs is freed with it */
    struct stage s = *all;

    s.q = &scratch;
    arena_init(&scratch.arena);
    struct seal_part *parts = arena_alloc(&scratch.arena, n * sizeof *parts);
    int rc = parts != NULL ? store_snapshot_begin(scratch.reader, p) : query_no_memory(p);
    if (rc == OK) {
        for (size_t i = 0; i < n && rc == OK; i++)
            rc = make_part(&s, &s.series[entries[i].i_series], entries[0].epoch, &parts[i], p);
        store_snapshot_end(scratch.reader);
    }
    if (rc == OK) {
        const struct seal_change change = {.run = s.run->run.run, .epoch = entries[0].epoch, .parts = parts, .n = n};
        rc = submit(&s, &change, p);
    }
    arena_release(&scratch.arena);
    return rc;
}

/* ---- one stage ---- */

static int list_epoch(void *context, const struct open_epoch *epoch)
{
    struct stage *s = context;

    if (s->n_epochs == s->cap_epochs) {
        size_t cap = s->cap_epochs > 0 ? 2 * s->cap_epochs : 64;
        void *grown = arena_grow(&s->q->arena, s->epochs, s->cap_epochs * sizeof *s->epochs, cap * sizeof *s->epochs);
        if (grown == NULL)
            return PROBLEM_MEMORY;
        s->epochs = grown;
        s->cap_epochs = cap;
    }
    s->epochs[s->n_epochs++] = (struct stage_epoch){epoch->epoch, epoch->written_at, s->i_series};
    return OK;
}

static int compare_epochs(const void *a, const void *b)
{
    const struct stage_epoch *x = a, *y = b;

    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return (x->i_series > y->i_series) - (x->i_series < y->i_series);
}

/* Is everything that was written of this epoch old, and nothing to come? */
static bool is_due(const struct stage *s, const struct stage_epoch *entries, size_t n, int64_t last_epoch)
{
    int64_t now = clock_now_ms();

    for (size_t i = 0; i < n; i++) {
        int64_t written_at = entries[i].written_at != 0 ? entries[i].written_at : s->run->run.updated_at;
        if (written_at > now - s->r->keep_ms)
            return false;
    }
    return entries[0].epoch != last_epoch || run_status_effective(&s->run->run, now) != RUN_RUNNING;
}

static int look_at_stage(struct stage *s, struct problem *p)
{
    struct stage_declaration declaration;
    int64_t last_epoch = -1;
    int rc = stage_declaration_get(s->run->run.stages, s->series[0].stage, &s->q->arena, &declaration, p);

    for (s->i_series = 0; s->i_series < s->n && rc == OK; s->i_series++) {
        const struct series_row *series = &s->series[s->i_series];
        if (series->last_epoch > last_epoch)
            last_epoch = series->last_epoch;
        rc = store_open_epochs_each(s->q->reader, series->run, series->series, list_epoch, s, p);
    }
    if (rc != OK)
        return rc == PROBLEM_MEMORY && p->code == 0 ? query_no_memory(p) : rc;
    s->options = stage_metric_options(&declaration);
    if (s->n_epochs > 0)
        qsort(s->epochs, s->n_epochs, sizeof *s->epochs, compare_epochs);
    for (size_t i = 0, end = 0; i < s->n_epochs && rc == OK && !atomic_load(&s->r->stopping); i = end) {
        while (end < s->n_epochs && s->epochs[end].epoch == s->epochs[i].epoch)
            end++;
        if (is_due(s, s->epochs + i, end - i, last_epoch))
            rc = seal_epoch(s, s->epochs + i, end - i, p);
    }
    return rc;
}

/* ---- all of it ---- */

static int look_at_run(struct retention *r, const char *id, struct problem *p)
{
    struct request q = {.reader = r->reader};
    struct query_run run;

    arena_init(&q.arena);
    int rc = query_run_load(&q, id, false, &run, p);
    for (size_t i = 0, n; rc == OK && i < run.n_series && !atomic_load(&r->stopping); i += n) {
        for (n = 1; i + n < run.n_series && strcmp(run.series[i + n].stage, run.series[i].stage) == 0; n++)
            continue;
        struct stage s = {.r = r, .q = &q, .run = &run, .series = &run.series[i], .n = n};
        rc = look_at_stage(&s, p);
    }
    query_run_end(&q, &run);
    arena_release(&q.arena);
    return rc == PROBLEM_UNKNOWN_RUN ? OK : rc; /* deleted since it was listed */
}

struct run_list {
    struct run_id {
        char id[RUN_ID_MAX + 1];
    } * ids;
    size_t n, cap;
};

static int list_run(void *context, struct run_row *row)
{
    struct run_list *l = context;

    if (l->n == l->cap) {
        size_t cap = l->cap > 0 ? 2 * l->cap : 64;
        struct run_id *ids = realloc(l->ids, cap * sizeof *ids);
        if (ids == NULL)
            return PROBLEM_MEMORY;
        l->ids = ids;
        l->cap = cap;
    }
    memcpy(l->ids[l->n++].id, row->id, sizeof row->id);
    return OK;
}

static void look(struct retention *r)
{
    struct run_list list = {.ids = NULL};
    struct problem p = {0};
    int rc = store_runs_each(r->reader, NULL, list_run, &list, &p);

    r->n_sealed = 0;
    if (rc == PROBLEM_MEMORY && p.code == 0)
        query_no_memory(&p);
    for (size_t i = 0; i < list.n && rc == OK && !atomic_load(&r->stopping); i++)
        rc = look_at_run(r, list.ids[i].id, &p);
    free(list.ids);
    if (r->n_sealed > 0)
        log_event(LOG_INFO, "epochs-sealed", "%" PRId64 " epochs of a series were sealed", r->n_sealed);
    /* the writer has logged what it could not do, and says "stopping" in the end */
    if (rc != OK && !p.is_known && rc != PROBLEM_STOPPING && rc != PROBLEM_BUSY && !atomic_load(&r->stopping))
        log_event(LOG_ERROR, "retention-failed", "%s", p.detail);
}

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* false: stopped. */
static bool wait_for(struct retention *r, int64_t ms)
{
    struct timespec until = in_ms(ms);
    int error = 0;

    pthread_mutex_lock(&r->mutex);
    while (!atomic_load(&r->stopping) && error == 0)
        error = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
    pthread_mutex_unlock(&r->mutex);
    return !atomic_load(&r->stopping);
}

static void *look_again(void *context)
{
    struct retention *r = context;
    int64_t pause = r->keep_ms / 10;

    pause = pause < LOOK_MS_MIN ? LOOK_MS_MIN : pause > LOOK_MS_MAX ? LOOK_MS_MAX : pause;
    do
        look(r);
    while (wait_for(r, pause));
    pthread_mutex_lock(&r->mutex);
    r->has_ended = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

int retention_start(struct retention **out, struct store *store, struct ingest *ingest, int64_t keep_ms,
                    struct problem *p)
{
    struct retention *r = calloc(1, sizeof *r);

    if (r == NULL)
        return query_no_memory(p);
    r->ingest = ingest;
    r->keep_ms = keep_ms;
    int rc = store_reader_open(store, &r->reader, p);
    if (rc != OK) {
        free(r);
        return rc;
    }
    bool has_mutex = pthread_mutex_init(&r->mutex, NULL) == 0;
    bool has_wake = has_mutex && pthread_cond_init(&r->wake, NULL) == 0;
    if (!has_wake || pthread_create(&r->thread, NULL, look_again, r) != 0) {
        if (has_wake)
            pthread_cond_destroy(&r->wake);
        if (has_mutex)
            pthread_mutex_destroy(&r->mutex);
        store_reader_close(r->reader);
        free(r);
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the retention thread");
    }
    *out = r;
    return OK;
}

void retention_stop(struct retention *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->mutex);
    atomic_store(&r->stopping, true);
    pthread_cond_signal(&r->wake);
    while (!r->has_ended) { /* a long scan is cut off; between two statements there is nothing to cut, so again */
        struct timespec until = in_ms(INTERRUPT_MS);
        store_interrupt(r->reader);
        pthread_cond_timedwait(&r->wake, &r->mutex, &until);
    }
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->mutex);
    store_reader_close(r->reader);
    free(r);
}
