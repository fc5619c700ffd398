/*
 * Why: epochs, steps and the columns of the runs list must give the same value for the same state.
 * Any thread.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "interval.h"

#include "query_value.h"

static void *resize(void *context, void *old, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

struct memory query_memory(void)
{
    return (struct memory){.resize = resize};
}

bool query_needs_cells(const struct query_metric *metrics, size_t n, const struct series_row *series)
{
    for (size_t i = 0; i < n; i++)
        if (metrics[i].series == series && !metrics[i].selector.is_mean &&
            metric_need(&metrics[i].selector.choice, &series->shape) == NEED_CELLS)
            return true;
    return false;
}

static double field_value(const struct mean *mean, enum mean_field field)
{
    switch (field) {
    case MEAN_SUM:
        return exact_sum_value(&mean->sum);
    case MEAN_MEAN:
        return mean_value(mean);
    case MEAN_MIN:
        return mean->finite > 0 ? mean->min : NAN;
    case MEAN_MAX:
        return mean->finite > 0 ? mean->max : NAN;
    case MEAN_LAST:
        return mean->finite > 0 ? mean->last : NAN;
    }
    return NAN;
}

int query_value(const struct query_metric *m, struct state *s, const struct metric_options *options, double *out,
                struct problem *p)
{
    if (s->batches == 0) {
        for (size_t i = 0; i < m->length; i++)
            out[i] = NAN;
        return OK;
    }
    if (m->selector.is_mean) {
        out[0] = field_value(&s->mean, m->selector.field);
        return OK;
    }
    int status = metric_compute(&m->selector.choice, s, options, out);
    return status == OK ? OK : problem_from_status(p, status);
}

bool query_interval(const struct query_metric *m, const struct state *s, double *low, double *high)
{
    bool any = false;
    for (size_t i = 0; i < m->length; i++) {
        int64_t k, n;
        low[i] = high[i] = NAN;
        if (!m->selector.is_mean && s->batches > 0 && metric_proportion(&m->selector.choice, s, i, &k, &n) &&
            interval_wilson(k, n, &low[i], &high[i]) == OK)
            any = true;
    }
    return any;
}

bool query_has_range(const struct query_metric *m)
{
    if (m->selector.is_mean)
        return true;
    const char *name = m->selector.choice.metric->name;
    if (strcmp(name, "exact_match") == 0 || strcmp(name, "mse") == 0)
        return true;
    return strcmp(name, "accuracy") == 0 &&
           (m->selector.choice.average == AVERAGE_MICRO || (m->series != NULL && m->series->shape.task == TASK_BINARY));
}

bool query_saw_nothing(const struct state *s)
{
    /* samples that were all ignored would have logged a value; a record may also say decisions without samples */
    return s->samples == 0 && s->counts.total == 0 && s->scores.total == 0 && s->regression.n == 0 &&
           s->mean.finite == 0;
}

int query_state_init(struct state *s, const struct series_row *series, bool with_cells, struct problem *p)
{
    int status = state_init(s, &series->shape, with_cells, query_memory());
    return status == OK ? OK : problem_from_status(p, status);
}

int query_state_add(struct state *s, const struct batch_key *key, int64_t samples, int64_t batches, const uint8_t *data,
                    size_t size, struct problem *p)
{
    int status = state_add_packed(s, key, samples, batches, data, size);
    return status == OK ? OK : problem_from_status(p, status);
}

int query_state_merge(struct state *into, struct state *from, struct problem *p)
{
    int status = state_merge(into, from);
    return status == OK ? OK : problem_from_status(p, status);
}
