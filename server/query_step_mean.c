/*
 * Why: the article that Tally shows needs the wrong number beside the right one, computed in the way
 * that others compute it.  Sums of step values are exact (exact_sum.h), so only the division rounds.
 * Runs on the worker thread that owns the connection.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query_step_walk.h"
#include "query_value.h"

#include "query_step_mean.h"

enum { N_CAUSES = 4 };

/* One metric that the cache did not have. */
struct step_sum {
    const struct query_metric *metric;
    struct step_mean *out;
    double *value;         /* [length]: of the step */
    struct exact_sum *sum; /* [length] */
    int64_t *n;            /* [length]: steps that count */
    struct gap gap;        /* of a metric that has one */
};

struct step_scan {
    const struct step_mean_job *job;
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
                                   .revision = job->revision,
                                   .rank = job->rank,
                                   .ignore_index = job->options->ignore_index,
                                   .zero_division = (int64_t)job->options->zero_division,
                                   .selector = metric->selector.text};
}

/* The gap is kept behind the mean, which is one number then. */
static bool cache_get(const struct step_mean_job *job, const struct query_metric *metric, struct step_mean *out)
{
    struct step_cache_key key = key_of(job, metric);
    double kept[1 + N_CAUSES];
    if (!query_has_gap(metric))
        return step_cache_get(job->cache, &key, out->value, metric->length);
    if (!step_cache_get(job->cache, &key, kept, 1 + N_CAUSES))
        return false;
    out->value[0] = kept[0];
    out->gap =
        (struct gap_causes){.value = kept[1], .absent_classes = kept[2], .class_mix = kept[3], .batch_size = kept[4]};
    return true;
}

static void cache_put(const struct step_mean_job *job, const struct query_metric *metric, const struct step_mean *out)
{
    struct step_cache_key key = key_of(job, metric);
    const struct gap_causes *gap = &out->gap;
    if (!query_has_gap(metric)) {
        step_cache_put(job->cache, &key, out->value, metric->length);
        return;
    }
    const double kept[1 + N_CAUSES] = {out->value[0], gap->value, gap->absent_classes, gap->class_mix, gap->batch_size};
    step_cache_put(job->cache, &key, kept, 1 + N_CAUSES);
}

/* ---- the sums ---- */

static int begin_sum(struct step_sum *s, const struct query_metric *metric, struct step_mean *out)
{
    *s = (struct step_sum){.metric = metric, .out = out};
    s->value = malloc(metric->length * sizeof *s->value);
    s->sum = malloc(metric->length * sizeof *s->sum);
    s->n = calloc(metric->length, sizeof *s->n);
    if (s->value == NULL || s->sum == NULL || s->n == NULL)
        return ERR_MEMORY;
    for (size_t v = 0; v < metric->length; v++)
        exact_sum_init(&s->sum[v]);
    if (!query_has_gap(metric))
        return OK;
    return gap_init(&s->gap, &metric->selector.choice, &metric->series->shape, query_memory());
}

static void release_sum(struct step_sum *s)
{
    free(s->value);
    free(s->sum);
    free(s->n);
    gap_release(&s->gap);
}

static int add_step(void *context, const struct walked_step *step)
{
    struct step_scan *scan = context;
    if (query_saw_nothing(step->state))
        return OK;
    for (size_t i = 0; i < scan->n_sums; i++) {
        struct step_sum *s = &scan->sums[i];
        int rc = query_value(s->metric, step->state, scan->job->options, s->value, scan->p);
        if (rc != OK)
            return rc;
        for (size_t v = 0; v < s->metric->length; v++)
            if (isfinite(s->value[v]) && exact_sum_add(&s->sum[v], s->value[v]) == OK)
                s->n[v]++;
        int status = query_has_gap(s->metric) ? gap_add_step(&s->gap, step->state) : OK;
        if (status != OK)
            return problem_from_status(scan->p, status);
    }
    return OK;
}

static int finish_sum(struct step_scan *scan, struct step_sum *s)
{
    for (size_t v = 0; v < s->metric->length; v++)
        s->out->value[v] = s->n[v] > 0 ? exact_sum_value(&s->sum[v]) / (double)s->n[v] : NAN;
    if (!query_has_gap(s->metric))
        return OK;
    int status = gap_finish(&s->gap, scan->job->sum, &s->out->gap);
    if (status == ERR_RANGE) /* no step */
        s->out->gap = (struct gap_causes){.value = NAN, .absent_classes = NAN, .class_mix = NAN, .batch_size = NAN};
    return status == OK || status == ERR_RANGE ? OK : problem_from_status(scan->p, status);
}

static int scan_epoch(struct step_scan *scan, const struct query_metric *metrics, size_t n)
{
    const struct step_mean_job *job = scan->job;
    const struct step_walk walk = {.conn = job->conn,
                                   .series = job->series,
                                   .epoch = job->epoch,
                                   .rank = job->rank,
                                   .with_cells = query_needs_cells(metrics, n, job->series)};
    int rc = query_step_walk(&walk, add_step, scan, scan->p);
    for (size_t i = 0; i < scan->n_sums && rc == OK; i++) {
        rc = finish_sum(scan, &scan->sums[i]);
        if (rc == OK)
            cache_put(job, scan->sums[i].metric, scan->sums[i].out);
    }
    return rc;
}

int query_step_means(const struct step_mean_job *job, const struct query_metric *metrics, size_t n,
                     struct step_mean *out, struct problem *p)
{
    struct step_scan scan = {.job = job, .p = p};
    int rc = OK;
    scan.sums = calloc(n, sizeof *scan.sums);
    if (scan.sums == NULL)
        return query_no_memory(p);
    for (size_t i = 0; i < n && rc == OK; i++) {
        if (out[i].value == NULL || metrics[i].series != job->series || metrics[i].selector.is_mean ||
            cache_get(job, &metrics[i], &out[i]))
            continue;
        int status = begin_sum(&scan.sums[scan.n_sums++], &metrics[i], &out[i]);
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
