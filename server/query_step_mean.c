/*
 * Why: the article that Tally shows needs the wrong number beside the right one, computed in the way
 * that others compute it.  Sums of step values are exact (exact_sum.h), so only the division rounds.
 *
 * An epoch that has only changed at its end since it was last asked about (rollup_row.steady_since) is not
 * scanned again: the sums of its settled steps, those before its last ROLLUP_STEADY_STEPS then, are kept beside
 * the values, and the scan goes on after them.
 *
 * Runs on the worker thread that owns the connection.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query_step_walk.h"
#include "query_value.h"
#include "step_average.h"

#include "query_step_mean.h"

enum { N_CAUSES = 4 };

/* One metric that the cache did not have. */
struct step_sum {
    const struct query_metric *metric;
    struct step_mean *out;
    double *value; /* [length]: of the step */
    struct step_average *average;
    struct step_sums tail; /* the settled steps and those after them; begun when the first of those comes */
    bool has_tail;
};

struct step_scan {
    const struct step_mean_job *job;
    int64_t settled; /* the last step that will not change while the epoch is steady */
    struct step_sum *sums;
    size_t n_sums;
    struct problem *p;
};

bool query_has_gap(const struct query_metric *m)
{
    if (m->selector.is_mean || strcmp(m->selector.choice.metric->name, "accuracy") != 0)
        return false;
    enum average average = m->selector.choice.average;
    bool is_binary = m->series != NULL && m->series->shape.task == TASK_BINARY;
    return is_binary || average == AVERAGE_MICRO || average == AVERAGE_MACRO;
}

/* ---- the cache ---- */

static struct step_cache_key key_of(const struct step_mean_job *job, const struct query_metric *metric)
{
    return (struct step_cache_key){.run = job->series->run,
                                   .series = job->series->series,
                                   .epoch = job->epoch,
                                   .rank = job->rank,
                                   .ignore_index = job->options->ignore_index,
                                   .zero_division = (int64_t)job->options->zero_division,
                                   .top_k = job->options->top_k,
                                   .selector = metric->selector.text};
}

/* The gap is kept behind the mean, which is one number then. */
static bool cache_get(const struct step_mean_job *job, const struct query_metric *metric, struct step_mean *out)
{
    struct step_cache_key key = key_of(job, metric);
    double kept[1 + N_CAUSES];
    if (!query_has_gap(metric))
        return step_cache_get(job->cache, &key, job->revision, out->value, metric->length);
    if (!step_cache_get(job->cache, &key, job->revision, kept, 1 + N_CAUSES))
        return false;
    out->value[0] = kept[0];
    out->gap =
        (struct gap_causes){.value = kept[1], .absent_classes = kept[2], .class_mix = kept[3], .batch_size = kept[4]};
    return true;
}

/* average is taken. */
static void cache_put(const struct step_mean_job *job, const struct query_metric *metric, const struct step_mean *out,
                      struct step_average *average)
{
    struct step_progress *progress = average != NULL ? &average->base : NULL;
    struct step_cache_key key = key_of(job, metric);
    const struct gap_causes *gap = &out->gap;
    if (!query_has_gap(metric)) {
        step_cache_put(job->cache, &key, job->revision, out->value, metric->length, progress);
        return;
    }
    const double kept[1 + N_CAUSES] = {out->value[0], gap->value, gap->absent_classes, gap->class_mix, gap->batch_size};
    step_cache_put(job->cache, &key, job->revision, kept, 1 + N_CAUSES, progress);
}

/* ---- the sums ---- */

static int begin_sum(const struct step_mean_job *job, struct step_sum *s, const struct query_metric *metric,
                     struct step_mean *out)
{
    struct step_cache_key key = key_of(job, metric);
    *s = (struct step_sum){.metric = metric, .out = out};
    s->value = malloc(metric->length * sizeof *s->value);
    s->average = (struct step_average *)step_cache_take(job->cache, &key, job->steady_since, job->revision);
    if (s->average == NULL)
        s->average = step_average_new(metric, job->options);
    return s->value != NULL && s->average != NULL ? OK : ERR_MEMORY;
}

static void release_sum(struct step_sum *s)
{
    free(s->value);
    step_average_free(s->average);
    step_sums_release(&s->tail);
}

/* The sums that take a step; NULL: they have it. */
static int find_sums(const struct step_scan *scan, struct step_sum *s, int64_t step, struct step_sums **out)
{
    struct step_average *average = s->average;
    *out = NULL;
    if (step <= average->through)
        return OK;
    if (step <= scan->settled) {
        *out = &average->settled;
        return OK;
    }
    if (!s->has_tail) {
        int status = step_sums_init(&s->tail, s->metric, scan->job->options);
        if (status != OK)
            return status;
        step_sums_copy(&s->tail, &average->settled, s->metric->length);
        s->has_tail = true;
    }
    *out = &s->tail;
    return OK;
}

static int add_step(void *context, const struct walked_step *step)
{
    struct step_scan *scan = context;
    if (query_saw_nothing(step->state))
        return OK;
    for (size_t i = 0; i < scan->n_sums; i++) {
        struct step_sum *s = &scan->sums[i];
        struct step_sums *sums;
        int status = find_sums(scan, s, step->step, &sums);
        if (status == OK && sums == NULL)
            continue;
        int rc = status == OK ? query_value(s->metric, step->state, scan->job->options, s->value, scan->p) : OK;
        if (rc != OK)
            return rc;
        if (status == OK)
            status = step_sums_add(sums, s->metric, step->state, s->value);
        if (status != OK)
            return problem_from_status(scan->p, status);
    }
    return OK;
}

/* The values, and what was added is given to the cache. */
static int finish_sum(struct step_scan *scan, struct step_sum *s)
{
    const struct step_mean_job *job = scan->job;
    struct step_average *average = s->average;
    int status =
        step_sums_finish(s->has_tail ? &s->tail : &average->settled, s->metric, job->sum, s->out->value, &s->out->gap);
    if (status != OK)
        return problem_from_status(scan->p, status);
    if (average->through < scan->settled)
        average->through = scan->settled;
    s->average = NULL;
    if (!job->may_grow) {
        step_average_free(average);
        average = NULL;
    }
    cache_put(job, s->metric, s->out, average);
    return OK;
}

static int scan_epoch(struct step_scan *scan, const struct query_metric *metrics, size_t n)
{
    const struct step_mean_job *job = scan->job;
    int64_t from = INT64_MAX;
    for (size_t i = 0; i < scan->n_sums; i++)
        if (scan->sums[i].average->through + 1 < from)
            from = scan->sums[i].average->through + 1;
    const struct step_walk walk = {.conn = job->conn,
                                   .series = job->series,
                                   .epoch = job->epoch,
                                   .from_step = from,
                                   .rank = job->rank,
                                   .with_cells = query_needs_cells(metrics, n, job->series)};
    int rc = query_step_walk(&walk, add_step, scan, scan->p);
    for (size_t i = 0; i < scan->n_sums && rc == OK; i++)
        rc = finish_sum(scan, &scan->sums[i]);
    return rc;
}

int query_step_means(const struct step_mean_job *job, const struct query_metric *metrics, size_t n,
                     struct step_mean *out, struct problem *p)
{
    struct step_scan scan = {.job = job, .settled = job->last_step - ROLLUP_STEADY_STEPS, .p = p};
    int rc = OK;
    scan.sums = calloc(n, sizeof *scan.sums);
    if (scan.sums == NULL)
        return query_no_memory(p);
    for (size_t i = 0; i < n && rc == OK; i++) {
        if (out[i].value == NULL || metrics[i].series != job->series || metrics[i].selector.is_mean ||
            cache_get(job, &metrics[i], &out[i]))
            continue;
        int status = begin_sum(job, &scan.sums[scan.n_sums++], &metrics[i], &out[i]);
        if (status != OK)
            rc = problem_from_status(p, status);
    }
    if (rc == OK && scan.n_sums > 0)
        rc = scan_epoch(&scan, metrics, n);
    for (size_t i = 0; i < scan.n_sums; i++)
        release_sum(&scan.sums[i]);
    free(scan.sums);
    return rc;
}
