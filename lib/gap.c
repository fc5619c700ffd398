/*
 * The gap between the mean of the steps and the epoch, term by term (gap.h has the formulas).
 *
 * A million steps are added: the sums are compensated, so that the terms add up to the gap within a few
 * units of the last place.
 */
#include <math.h>
#include <string.h>

#include "gap.h"
#include "metric_parts.h"

static void sum_add(struct gap_sum *s, double value)
{
    double sum = s->sum + value;
    s->low += fabs(s->sum) >= fabs(value) ? (s->sum - sum) + value : (value - sum) + s->sum;
    s->sum = sum;
}

static double sum_value(const struct gap_sum *s)
{
    return s->sum + s->low;
}

static bool has_three_terms(const struct metric_choice *choice, const struct shape *shape)
{
    return shape->task == TASK_MULTICLASS && choice->average == AVERAGE_MACRO;
}

int gap_init(struct gap *g, const struct metric_choice *choice, const struct shape *shape, struct memory memory)
{
    bool is_single = shape->task == TASK_BINARY;
    if (metric_row(choice->metric)->of_quad != ratio_accuracy || metric_check(choice, shape, NULL, 0) != OK ||
        (!is_single && choice->average != AVERAGE_MICRO && choice->average != AVERAGE_MACRO))
        return ERR_NEED;
    struct gap fresh = {.choice = *choice, .memory = memory, .shape = *shape, .options = {.ignore_index = -1}};
    if (has_three_terms(choice, shape)) {
        size_t size = shape->num_classes * sizeof *fresh.classes;
        fresh.classes = memory.resize(memory.context, NULL, size);
        if (fresh.classes == NULL)
            return ERR_MEMORY;
        memset(fresh.classes, 0, size);
    }
    *g = fresh;
    return OK;
}

void gap_copy(struct gap *into, const struct gap *from)
{
    struct gap_class *classes = into->classes;
    struct memory memory = into->memory;
    *into = *from;
    into->classes = classes;
    into->memory = memory;
    if (classes != NULL)
        memcpy(classes, from->classes, from->shape.num_classes * sizeof *classes);
}

void gap_release(struct gap *g)
{
    if (g->classes != NULL)
        g->memory.resize(g->memory.context, g->classes, 0);
    *g = (struct gap){0};
}

/* What one state, a step or the epoch, says about its classes. */
struct presence {
    int64_t n_targets, n_live; /* |T|, |L| */
    struct gap_sum recalls;    /* over T */
};

static struct presence presence_of(const struct gap *g, const struct state *s)
{
    struct presence p = {0};
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        const struct class_counts *k = &s->counts.classes[i];
        p.n_live += k->tp > 0 || k->fn > 0 || (k->fp > 0 && g->options.top_k <= 1);
        if (k->tp > 0 || k->fn > 0) {
            p.n_targets++;
            sum_add(&p.recalls, (double)k->tp / ((double)k->tp + (double)k->fn));
        }
    }
    return p;
}

static double absent_share(const struct presence *p)
{
    return (double)(p->n_live - p->n_targets) / (double)p->n_live;
}

static void add_classes(struct gap *g, const struct state *step)
{
    struct presence p = presence_of(g, step);
    if (p.n_targets == 0) {
        g->n_without_targets++;
        return;
    }
    double n = (double)p.n_targets;
    sum_add(&g->absent, absent_share(&p) * (sum_value(&p.recalls) / n));
    for (uint32_t i = 0; i < step->shape.num_classes; i++) {
        const struct class_counts *k = &step->counts.classes[i];
        if (k->tp == 0 && k->fn == 0)
            continue;
        sum_add(&g->classes[i].share, 1 / n);
        sum_add(&g->classes[i].pulled, (double)k->tp / ((double)k->tp + (double)k->fn) / n);
    }
}

int gap_add_step(struct gap *g, struct state *step)
{
    double value;
    if (!shape_equal(&g->shape, &step->shape))
        return ERR_SHAPE;
    if (step->samples == 0 && step->counts.total == 0)
        return OK;
    int status = metric_compute(&g->choice, step, &g->options, &value);
    return status == OK ? gap_add_value(g, step, value) : status;
}

int gap_add_value(struct gap *g, const struct state *step, double value)
{
    if (!shape_equal(&g->shape, &step->shape))
        return ERR_SHAPE;
    if (step->samples == 0 && step->counts.total == 0)
        return OK;
    sum_add(&g->values, value);
    g->n_steps++;
    if (g->classes != NULL)
        add_classes(g, step);
    return OK;
}

/* absent_classes and the two others of the macro gap. */
static void finish_classes(const struct gap *g, const struct state *epoch, struct gap_causes *out)
{
    struct presence p = presence_of(g, epoch);
    if (p.n_targets == 0)
        return; /* no step has a target either: all is 0 */
    double n_steps = (double)g->n_steps, n = (double)p.n_targets;
    double without_targets = (double)g->n_without_targets / n_steps;
    double even_share = (1 - without_targets) / n;
    double mean_recall = sum_value(&p.recalls) / n;
    struct gap_sum absent = {0}, mix = {0}, size = {0};
    sum_add(&absent, absent_share(&p) * mean_recall);
    sum_add(&absent, -sum_value(&g->absent) / n_steps);
    sum_add(&absent, -without_targets * mean_recall);
    for (uint32_t i = 0; i < epoch->shape.num_classes; i++) {
        const struct class_counts *k = &epoch->counts.classes[i];
        if (k->tp == 0 && k->fn == 0)
            continue;
        double recall = (double)k->tp / ((double)k->tp + (double)k->fn);
        double share = sum_value(&g->classes[i].share) / n_steps;
        sum_add(&mix, (share - even_share) * recall);
        sum_add(&size, sum_value(&g->classes[i].pulled) / n_steps - share * recall);
    }
    out->absent_classes = sum_value(&absent);
    out->class_mix = sum_value(&mix);
    out->batch_size = sum_value(&size);
}

int gap_finish(const struct gap *g, struct state *epoch, struct gap_causes *out)
{
    double value;
    if (!shape_equal(&g->shape, &epoch->shape))
        return ERR_SHAPE;
    if (g->n_steps == 0)
        return ERR_RANGE;
    int status = metric_compute(&g->choice, epoch, &g->options, &value);
    if (status != OK)
        return status;
    struct gap_causes causes = {.value = sum_value(&g->values) / (double)g->n_steps - value};
    if (g->classes != NULL)
        finish_classes(g, epoch, &causes);
    else
        causes.batch_size = causes.value;
    *out = causes;
    return OK;
}
