/*
 * Why: the numbers of an epoch can all be right and still mislead.  What one pass over its steps found
 * (diagnosis_pass.c) is put into sentences here, with a level that says whether it matters: a warning
 * moves a number that people read, an info is there to be known.
 * Runs on the worker thread that owns q->reader.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "query_step_walk.h"
#include "query_value.h"

#include "diagnosis_pass.h"
#include "query_diagnosis.h"

/* A cause that moves accuracy by half a point is worth a warning. */
static const double visible = 0.005;

struct maker {
    struct request *q;
    const struct query_run *run;
    const struct diagnosis_facts *facts;
    struct diagnosis *out;
    struct problem *p;
};

const char *finding_level_name(enum finding_level level)
{
    static const char *const names[] = {
        [FINDING_INFO] = "info", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};
    return names[level];
}

/* ---- findings ---- */

/* One more finding, its steps copied; NULL: no memory. */
static struct finding *add_finding(struct maker *m, const char *id, const char *name, int64_t count, int64_t of,
                                   const int64_t *steps, size_t n_steps)
{
    struct diagnosis *d = m->out;
    struct arena *arena = &m->q->arena;
    if (d->n == d->cap) {
        size_t cap = d->cap > 0 ? 2 * d->cap : 8;
        void *grown = arena_grow(arena, d->findings, d->cap * sizeof *d->findings, cap * sizeof *d->findings);
        if (grown == NULL)
            return NULL;
        d->findings = grown;
        d->cap = cap;
    }
    int64_t *copy = arena_alloc(arena, (n_steps + 1) * sizeof *copy);
    if (copy == NULL)
        return NULL;
    if (n_steps > 0)
        memcpy(copy, steps, n_steps * sizeof *copy);
    struct finding *f = &d->findings[d->n++];
    *f = (struct finding){.id = id, .name = name, .count = count, .of = of, .steps = copy, .n_steps = n_steps};
    return f;
}

static void say(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct finding *f, const char *format, ...)
{
    size_t used = strlen(f->text);
    va_list args;
    va_start(args, format);
    vsnprintf(f->text + used, sizeof f->text - used, format, args);
    va_end(args);
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* "The mean of the steps reads 0.4141, the epoch 0.8281." */
static bool say_gap(struct finding *f, const struct maker *m, const struct gap *gap, const char *what,
                    struct gap_causes *causes)
{
    double value;
    if (!diagnosis_gap(gap, m->facts->sum, causes, &value))
        return false;
    say(f, " %s is %.4f as the mean of the steps and %.4f for the epoch, a gap of %+.4f", what, value + causes->value,
        value, causes->value);
    return true;
}

static bool is_live(const struct maker *m)
{
    return run_status_effective(&m->run->run, m->q->now) == RUN_RUNNING &&
           m->facts->sum->epoch == m->facts->sum->series->last_epoch;
}

/* ---- steps ---- */

/* Steps of one class only: more of them than shuffling would give means that nobody shuffled. */
static int single_class_steps(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    const struct step_list *list = &facts->single;
    double expected = facts->single_expected;
    struct gap_causes causes;
    if (list->count == 0)
        return OK;
    struct finding *f = add_finding(m, "single-class-steps", facts->sum->series->name, list->count, facts->n_counted,
                                    list->steps, list->n);
    if (f == NULL)
        return query_no_memory(m->p);
    bool by_chance =
        (double)list->count <= expected + 3 * sqrt(expected) + 0.5; /* three deviations of a Poisson count */
    f->level = by_chance ? FINDING_INFO : FINDING_WARNING;
    say(f,
        "%" PRId64 " of %" PRId64 " steps hold targets of one class only; shuffled batches of these sizes would give ",
        list->count, facts->n_counted);
    if (by_chance)
        say(f, "about %.0f, so this is chance.", expected);
    else if (expected < 0.5)
        say(f, "none: the data is not shuffled.");
    else
        say(f, "about %.0f: the data is not shuffled.", expected);
    if (facts->has_macro && say_gap(f, m, &facts->macro, "Macro accuracy", &causes))
        say(f, ".");
    return OK;
}

static int absent_classes(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    const struct step_list *list = &facts->absent;
    struct gap_causes causes;
    if (list->count == 0)
        return OK;
    struct finding *f =
        add_finding(m, "absent-classes", facts->sum->series->name, list->count, facts->n_counted, list->steps, list->n);
    if (f == NULL)
        return query_no_memory(m->p);
    say(f,
        "%" PRId64 " of %" PRId64 " steps predicted a class that none of their targets has; it counts as 0 in the "
        "step's macro accuracy.",
        list->count, facts->n_counted);
    if (say_gap(f, m, &facts->macro, "Macro accuracy", &causes)) {
        say(f, ", of which %+.4f comes from this.", causes.absent_classes);
        f->level = fabs(causes.absent_classes) >= visible ? FINDING_WARNING : FINDING_INFO;
    }
    return OK;
}

static int too_many_sizes(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    struct finding *f =
        add_finding(m, "ragged-batches", facts->sum->series->name, facts->n_counted, facts->n_counted, NULL, 0);
    if (f == NULL)
        return query_no_memory(m->p);
    say(f, "The %" PRId64 " steps have more than %d different numbers of decisions; no size is usual.",
        facts->n_counted, (int)STEP_SIZES_MAX);
    return OK;
}

static int ragged_batches(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    int64_t size, others, steps[STEP_SIZES_LISTED];
    size_t n_steps;
    struct gap_causes causes;
    if (facts->sizes.many)
        return too_many_sizes(m);
    if (!step_sizes_common(&facts->sizes, &size, &others, steps, &n_steps) || others == 0)
        return OK;
    struct finding *f =
        add_finding(m, "ragged-batches", facts->sum->series->name, others, facts->n_counted, steps, n_steps);
    if (f == NULL)
        return query_no_memory(m->p);
    bool last = facts->last_size != size && facts->last_size > 0;
    if (last && others == 1)
        say(f, "The last of %" PRId64 " steps has %" PRId64 " decision%s, all others %" PRId64 ".", facts->n_counted,
            facts->last_size, plural(facts->last_size), size);
    else
        say(f, "%" PRId64 " of %" PRId64 " steps have another number of decisions than most, which have %" PRId64 ".",
            others, facts->n_counted, size);
    if (last && others > 1)
        say(f, " The last has %" PRId64 ".", facts->last_size);
    if (facts->has_micro && say_gap(f, m, &facts->micro, "Accuracy", &causes)) {
        say(f, ".");
        f->level = fabs(causes.value) >= visible ? FINDING_WARNING : FINDING_INFO;
    }
    return OK;
}

static int missing_ranks(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    const struct step_list *list = &facts->missing;
    int64_t seen = facts->sum->ranks;
    if (list->count == 0)
        return OK;
    struct finding *f =
        add_finding(m, "missing-ranks", facts->sum->series->name, list->count, facts->n_steps, list->steps, list->n);
    if (f == NULL)
        return query_no_memory(m->p);
    bool is_under_way = is_live(m) && seen == facts->ranks && list->count == 1 && facts->last_ranks < facts->ranks;
    f->level = is_under_way ? FINDING_INFO : FINDING_WARNING;
    if (seen < facts->ranks)
        say(f,
            "world_size is declared as %" PRId64 ", and the epoch has batches of %" PRId64 " rank%s: all %" PRId64
            " steps lack some.",
            facts->ranks, seen, plural(seen), list->count);
    else if (is_under_way)
        say(f, "The last step has %" PRId64 " of %" PRId64 " ranks so far.", facts->last_ranks, facts->ranks);
    else
        say(f, "%" PRId64 " of %" PRId64 " steps have fewer than the %" PRId64 " ranks of the epoch.", list->count,
            facts->n_steps, facts->ranks);
    return OK;
}

/* ---- samples ---- */

/* The size of a full step in samples; 0 where steps differ, or decisions are not samples. */
static int64_t full_step(const struct diagnosis_facts *facts)
{
    int64_t size, others, steps[STEP_SIZES_LISTED];
    size_t n_steps;
    bool is_even = step_sizes_common(&facts->sizes, &size, &others, steps, &n_steps) && others == 0;
    return is_even && diagnosis_size(&facts->sum->state) == facts->sum->state.samples ? size : 0;
}

static int dataset_size(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    int64_t declared = m->run->declaration.dataset_size, seen = facts->sum->state.samples, size, others;
    int64_t steps[STEP_SIZES_LISTED];
    size_t n_steps;
    if (declared < 0 || seen == declared)
        return OK;
    int64_t apart = seen > declared ? seen - declared : declared - seen;
    struct finding *f = add_finding(m, "dataset-size", facts->sum->series->name, apart, declared, NULL, 0);
    if (f == NULL)
        return query_no_memory(m->p);
    f->level = FINDING_WARNING;
    say(f, "The epoch counted %" PRId64 " sample%s, dataset_size is declared as %" PRId64 ": ", seen, plural(seen),
        declared);
    if (seen > declared) {
        say(f, "%" PRId64 " too many.", apart);
    } else if (is_live(m)) {
        f->level = FINDING_INFO;
        say(f, "%" PRId64 " to come.", apart);
    } else if (step_sizes_common(&facts->sizes, &size, &others, steps, &n_steps) && others == 0 && apart < size) {
        f->level = FINDING_INFO;
        say(f, "%" PRId64 " fewer, less than a step: the last, incomplete batch was dropped.", apart);
    } else {
        say(f, "%" PRId64 " fewer.", apart);
    }
    return OK;
}

/* What is stored are sums, so repeats cannot be seen; a surplus can be recognised. */
static int duplicates(struct maker *m)
{
    const struct diagnosis_facts *facts = m->facts;
    int64_t declared = m->run->declaration.dataset_size, seen = facts->sum->state.samples, ranks = facts->sum->ranks;
    int64_t step = full_step(facts);
    if (declared <= 0 || seen <= declared)
        return OK;
    int64_t surplus = seen - declared;
    bool is_whole = seen % declared == 0;
    bool is_sampler = ranks > 1 && surplus == (ranks - declared % ranks) % ranks;
    bool is_filled = step > 0 && surplus < step && seen % step == 0;
    if (!is_whole && !is_sampler && !is_filled)
        return OK;
    struct finding *f =
        add_finding(m, "duplicates", facts->sum->series->name, surplus, seen, &facts->last_step, is_whole ? 0 : 1);
    if (f == NULL)
        return query_no_memory(m->p);
    f->level = FINDING_WARNING;
    if (is_whole)
        say(f, "Every sample was probably counted %" PRId64 " times%s.", seen / declared,
            seen / declared == ranks ? ", once by each rank: each of them ran the whole data set" : "");
    else if (is_sampler)
        say(f,
            "%" PRId64 " sample%s probably counted twice: %" PRId64 " over %" PRId64
            " ranks come out even with as many repeats, which a distributed sampler adds.",
            surplus, surplus == 1 ? " was" : "s were", declared, ranks);
    else
        say(f, "%" PRId64 " sample%s probably counted twice: as many repeats fill the last step up to %" PRId64 ".",
            surplus, surplus == 1 ? " was" : "s were", step);
    say(f, " Drop the repeats before counting, or test on one device.");
    return OK;
}

/* ---- weighted means that were not finite ---- */

static int look_for_nonfinite(void *context, const struct walked_step *step)
{
    if (step->state->mean.nonfinite > 0)
        step_list_add(context, step->step);
    return OK;
}

static int nonfinite_series(struct maker *m, const struct series_row *series)
{
    int64_t epoch = m->facts->sum->epoch;
    struct epoch_sum sum;
    struct step_list list = {.count = 0};
    int rc = query_epoch_sum_of(m->q, series, epoch, false, &sum, m->p);
    if (rc == OK && sum.state.mean.nonfinite > 0) {
        const struct step_walk walk = {.conn = m->q->reader, .series = series, .epoch = epoch, .rank = -1};
        int64_t count = sum.state.mean.nonfinite, of = sum.state.batches;
        if (!sum.is_thinned)
            rc = query_step_walk(&walk, look_for_nonfinite, &list, m->p);
        struct finding *f = rc == OK ? add_finding(m, "nonfinite", series->name, count, of, list.steps, list.n) : NULL;
        if (rc == OK && f == NULL)
            rc = query_no_memory(m->p);
        if (rc == OK) {
            f->level = count == of ? FINDING_ERROR : FINDING_WARNING;
            say(f, "%s was not finite (NaN or infinite) in %" PRId64 " of %" PRId64 " batches", series->name, count,
                of);
            if (list.n > 0)
                say(f, ", first in step %" PRId64, list.steps[0]);
            say(f, "; what is not finite is in neither its sum nor its weight.");
        }
    }
    query_epoch_sum_release(&sum);
    return rc;
}

static int nonfinite(struct maker *m)
{
    for (size_t i = 0; i < m->run->n_series; i++) {
        const struct series_row *series = &m->run->series[i];
        int rc = series->shape.form == FORM_MEAN ? nonfinite_series(m, series) : OK;
        if (rc != OK)
            return rc;
    }
    return OK;
}

int query_diagnosis(struct request *q, const struct query_run *run, struct epoch_sum *sum, struct diagnosis *out,
                    struct problem *p)
{
    static int (*const makers[])(struct maker *) = {single_class_steps, absent_classes, ragged_batches, missing_ranks,
                                                    dataset_size,       duplicates,     nonfinite};
    *out = (struct diagnosis){.findings = NULL};
    if (sum->series == NULL || sum->state.batches == 0)
        return OK;
    struct diagnosis_facts facts;
    struct maker m = {.q = q, .run = run, .facts = &facts, .out = out, .p = p};
    int rc = diagnosis_pass(q, sum, run->declaration.world_size, &facts, p);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0] && rc == OK; i++)
        rc = makers[i](&m);
    diagnosis_facts_release(&facts);
    return rc;
}
