/*
 * Why: see the header.  The sums are moved from request to request by the cache; one thread at a time has them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query_step_mean.h"
#include "query_value.h"

#include "step_average.h"

int step_sums_init(struct step_sums *s, const struct query_metric *metric, const struct metric_options *options)
{
    *s = (struct step_sums){.sum = malloc(metric->length * sizeof *s->sum), .n = calloc(metric->length, sizeof *s->n)};
    if (s->sum == NULL || s->n == NULL)
        return ERR_MEMORY;
    for (size_t v = 0; v < metric->length; v++)
        exact_sum_init(&s->sum[v]);
    if (!query_has_gap(metric))
        return OK;
    int status = gap_init(&s->gap, &metric->selector.choice, &metric->series->shape, query_memory());
    if (status == OK)
        s->gap.options = *options;
    return status;
}

void step_sums_release(struct step_sums *s)
{
    free(s->sum);
    free(s->n);
    gap_release(&s->gap);
    *s = (struct step_sums){.sum = NULL};
}

void step_sums_copy(struct step_sums *into, const struct step_sums *from, size_t length)
{
    memcpy(into->n, from->n, length * sizeof *into->n);
    for (size_t v = 0; v < length; v++) {
        into->sum[v].n_parts = from->sum[v].n_parts;
        memcpy(into->sum[v].part, from->sum[v].part, from->sum[v].n_parts * sizeof(double));
    }
    gap_copy(&into->gap, &from->gap);
}

int step_sums_add(struct step_sums *s, const struct query_metric *metric, const struct state *step, const double *value)
{
    for (size_t v = 0; v < metric->length; v++)
        if (isfinite(value[v]) && exact_sum_add(&s->sum[v], value[v]) == OK)
            s->n[v]++;
    return query_has_gap(metric) ? gap_add_value(&s->gap, step, value[0]) : OK;
}

int step_sums_finish(const struct step_sums *s, const struct query_metric *metric, struct state *epoch, double *value,
                     struct gap_causes *gap)
{
    for (size_t v = 0; v < metric->length; v++)
        value[v] = s->n[v] > 0 ? exact_sum_value(&s->sum[v]) / (double)s->n[v] : NAN;
    if (!query_has_gap(metric))
        return OK;
    int status = gap_finish(&s->gap, epoch, gap);
    if (status == ERR_RANGE) { /* no step */
        *gap = (struct gap_causes){.value = NAN, .absent_classes = NAN, .class_mix = NAN, .batch_size = NAN};
        status = OK;
    }
    return status;
}

static void free_average(struct step_progress *p)
{
    step_average_free((struct step_average *)p);
}

struct step_average *step_average_new(const struct query_metric *metric, const struct metric_options *options)
{
    struct step_average *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->length = metric->length;
    a->has_gap = query_has_gap(metric);
    a->through = -1;
    size_t n_classes = a->has_gap ? metric->series->shape.num_classes : 0;
    size_t bytes =
        sizeof *a + a->length * (sizeof *a->settled.sum + sizeof *a->settled.n) + n_classes * sizeof(struct gap_class);
    a->base = (struct step_progress){.bytes = bytes, .free = free_average};
    if (step_sums_init(&a->settled, metric, options) != OK) {
        step_average_free(a);
        return NULL;
    }
    return a;
}

void step_average_free(struct step_average *a)
{
    if (a == NULL)
        return;
    step_sums_release(&a->settled);
    free(a);
}
