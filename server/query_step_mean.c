/*
 * Why: the article that Tally shows needs the wrong number beside the right one, computed in the way
 * that others compute it.  Sums of step values are exact (exact_sum.h), so only the division rounds.
 * Runs on the worker thread that owns the connection.
 */
#include <math.h>
#include <stdlib.h>

#include "query_value.h"

#include "query_step_mean.h"

/* One metric that the cache did not have. */
struct step_sum {
    const struct query_metric *metric;
    double *out;
    double *value;         /* [length]: of the step */
    struct exact_sum *sum; /* [length] */
    int64_t *n;            /* [length]: steps that count */
};

struct step_scan {
    const struct step_mean_job *job;
    struct step_sum *sums;
    size_t n_sums;
    struct state state; /* of the step so far */
    int64_t step;
    struct problem *p;
};

static struct step_cache_key key_of(const struct step_mean_job *job, const struct query_metric *metric)
{
    return (struct step_cache_key){.run = job->series->run,
                                   .series = job->series->series,
                                   .epoch = job->epoch,
                                   .revision = job->revision,
                                   .rank = job->rank,
                                   .ignore_index = job->options->ignore_index,
                                   .selector = metric->selector.text};
}

static int end_step(struct step_scan *scan)
{
    /* empty is a step that saw nothing; one whose samples were all ignored would have logged a value */
    if (scan->state.samples == 0 && scan->state.counts.total == 0)
        return OK;
    for (size_t i = 0; i < scan->n_sums; i++) {
        struct step_sum *s = &scan->sums[i];
        int rc = query_value(s->metric, &scan->state, scan->job->options, s->value, scan->p);
        if (rc != OK)
            return rc;
        for (size_t v = 0; v < s->metric->length; v++)
            if (isfinite(s->value[v]) && exact_sum_add(&s->sum[v], s->value[v]) == OK)
                s->n[v]++;
    }
    return OK;
}

static int scan_batch(void *context, const struct batch_row *row)
{
    struct step_scan *scan = context;
    if (scan->job->rank >= 0 && row->key.rank != scan->job->rank)
        return OK;
    if (row->key.step != scan->step) {
        int rc = end_step(scan);
        if (rc != OK)
            return rc;
        state_clear(&scan->state);
        scan->step = row->key.step;
    }
    return query_state_add(&scan->state, &row->key, row->samples, 1, row->state, row->state_size, scan->p);
}

static int scan_epoch(struct step_scan *scan, const struct query_metric *metrics, size_t n)
{
    const struct step_mean_job *job = scan->job;
    int rc = query_state_init(&scan->state, job->series, query_needs_cells(metrics, n, job->series), scan->p);
    if (rc != OK)
        return rc;
    const struct batch_key from = {.epoch = job->epoch}, to = {job->epoch, INT64_MAX, INT64_MAX};
    rc = store_batches_each(job->conn, job->series->run, job->series->series, &from, &to, scan_batch, scan, scan->p);
    if (rc == OK)
        rc = end_step(scan);
    state_release(&scan->state);
    return rc;
}

static void finish(struct step_sum *s)
{
    for (size_t v = 0; v < s->metric->length; v++)
        s->out[v] = s->n[v] > 0 ? exact_sum_value(&s->sum[v]) / (double)s->n[v] : NAN;
}

static int begin_sum(struct step_sum *s, const struct query_metric *metric, double *out)
{
    *s = (struct step_sum){.metric = metric, .out = out};
    s->value = malloc(metric->length * sizeof *s->value);
    s->sum = malloc(metric->length * sizeof *s->sum);
    s->n = calloc(metric->length, sizeof *s->n);
    if (s->value == NULL || s->sum == NULL || s->n == NULL)
        return ERR_MEMORY;
    for (size_t v = 0; v < metric->length; v++)
        exact_sum_init(&s->sum[v]);
    return OK;
}

int query_step_means(const struct step_mean_job *job, const struct query_metric *metrics, size_t n, double *const *out,
                     struct problem *p)
{
    struct step_scan scan = {.job = job, .step = -1, .p = p};
    int rc = OK;
    scan.sums = calloc(n, sizeof *scan.sums);
    if (scan.sums == NULL)
        return query_no_memory(p);
    for (size_t i = 0; i < n && rc == OK; i++) {
        if (out[i] == NULL || metrics[i].series != job->series || metrics[i].selector.is_mean)
            continue;
        struct step_cache_key key = key_of(job, &metrics[i]);
        if (!step_cache_get(job->cache, &key, out[i], metrics[i].length) &&
            begin_sum(&scan.sums[scan.n_sums++], &metrics[i], out[i]) != OK)
            rc = query_no_memory(p);
    }
    if (rc == OK && scan.n_sums > 0)
        rc = scan_epoch(&scan, metrics, n);
    for (size_t i = 0; i < scan.n_sums; i++) {
        struct step_sum *s = &scan.sums[i];
        if (rc == OK) {
            finish(s);
            struct step_cache_key key = key_of(job, s->metric);
            step_cache_put(job->cache, &key, s->out, s->metric->length);
        }
        free(s->value);
        free(s->sum);
        free(s->n);
    }
    free(scan.sums);
    return rc;
}
