/*
 * Why: what is odd about an epoch shows in its steps.  All of it is gathered in one pass, in memory that
 * does not grow with the number of steps; what it means is said in query_diagnosis.c.
 * Runs on the worker thread that owns q->reader.
 */
#include <math.h>
#include <string.h>

#include "query_step_walk.h"
#include "query_value.h"

#include "diagnosis_pass.h"

struct pass {
    struct diagnosis_facts *facts;
    int64_t chance_size; /* chance is that of a step of this size */
    double chance;
    struct problem *p;
};

void step_list_add(struct step_list *list, int64_t step)
{
    if (list->n < STEP_SIZES_LISTED)
        list->steps[list->n++] = step;
    list->count++;
}

int64_t diagnosis_size(const struct state *s)
{
    switch (s->shape.form) {
    case FORM_SCORES:
        return s->scores.total;
    case FORM_REGRESSION:
        return s->regression.n;
    case FORM_MEAN:
        return 0;
    case FORM_TOTALS:
    case FORM_CLASSES:
    case FORM_CONFUSION:
    case FORM_CALIBRATION:
    case FORM_EXACT:
        return s->counts.total;
    }
    return 0;
}

/* ---- classes ---- */

/* Classes with targets, and classes that are in targets or predictions. */
struct presence {
    size_t targets, live;
};

static size_t target_classes(const struct state *s)
{
    return s->shape.task == TASK_BINARY ? 2 : s->shape.num_classes;
}

/* Samples of a class: binary has two, the second is the positive one. */
static int64_t class_targets(const struct state *s, size_t index)
{
    if (s->shape.task != TASK_BINARY)
        return s->counts.classes[index].tp + s->counts.classes[index].fn; /* no overflow: at most the total */
    const struct class_counts *c = &s->counts.classes[0];
    return index == 1 ? c->tp + c->fn : c->tn + c->fp;
}

static struct presence presence_of(const struct state *s)
{
    struct presence out = {0};
    for (size_t i = 0; i < target_classes(s); i++) {
        bool has_targets = class_targets(s, i) > 0;
        out.targets += has_targets;
        out.live += has_targets || (s->shape.task == TASK_MULTICLASS && s->counts.classes[i].fp > 0);
    }
    return out;
}

/*
 * The chance that n samples, drawn from the epoch without putting back, are all of one class:
 * sum over classes of C(N_c, n) / C(N, n).  Each factor (N_c - i) / (N - i) is below the one before, so
 * after some factors the last stands for the rest, and the sum is a bound from above.
 */
static double chance_of_one_class(const struct state *epoch, int64_t n)
{
    enum { FACTORS = 256 };
    double sum = 0, all = (double)epoch->counts.total;
    for (size_t c = 0; c < target_classes(epoch); c++) {
        double own = (double)class_targets(epoch, c), product = own >= (double)n ? 1 : 0, factor = 1;
        int64_t i = 0;
        for (; i < n && i < FACTORS && product > 1e-15; i++) {
            factor = (own - (double)i) / (all - (double)i);
            product *= factor;
        }
        if (i < n && i == FACTORS)
            product *= pow(factor, (double)(n - i));
        sum += product;
    }
    return sum < 1 ? sum : 1;
}

static void look_at_classes(struct pass *pass, const struct walked_step *step)
{
    struct diagnosis_facts *f = pass->facts;
    struct presence presence = presence_of(step->state);
    int64_t size = step->state->counts.total;
    if (presence.targets == 1)
        step_list_add(&f->single, step->step);
    if (presence.live > presence.targets)
        step_list_add(&f->absent, step->step);
    if (size != pass->chance_size) {
        pass->chance_size = size;
        pass->chance = size > 0 ? chance_of_one_class(&f->sum->state, size) : 0;
    }
    f->single_expected += pass->chance;
}

/* ---- the pass ---- */

static int look_at_step(void *context, const struct walked_step *step)
{
    struct pass *pass = context;
    struct diagnosis_facts *f = pass->facts;
    int64_t size = diagnosis_size(step->state);
    f->n_steps++;
    f->last_step = step->step;
    f->last_size = size;
    f->last_ranks = step->ranks;
    if (step->ranks < f->ranks)
        step_list_add(&f->missing, step->step);
    if (query_saw_nothing(step->state))
        return OK;
    f->n_counted++;
    if (f->has_classes)
        look_at_classes(pass, step);
    int status = step_sizes_add(&f->sizes, step->step, size);
    if (status == OK && f->has_micro)
        status = gap_add_step(&f->micro, step->state);
    if (status == OK && f->has_macro)
        status = gap_add_step(&f->macro, step->state);
    return status == OK ? OK : problem_from_status(pass->p, status);
}

static int begin_gap(const struct shape *shape, enum average average, struct gap *gap, bool *has, struct problem *p)
{
    const struct metric_choice choice = {.metric = metric_find("accuracy", strlen("accuracy")), .average = average};
    if (metric_check(&choice, shape, NULL, 0) != OK)
        return OK;
    int status = gap_init(gap, &choice, shape, query_memory());
    *has = status == OK;
    return status == OK ? OK : problem_from_status(p, status);
}

int diagnosis_pass(struct request *q, struct epoch_sum *sum, int64_t world_size, struct diagnosis_facts *out,
                   struct problem *p)
{
    const struct shape *shape = &sum->series->shape;
    *out = (struct diagnosis_facts){.sum = sum, .ranks = sum->ranks > world_size ? sum->ranks : world_size};
    step_sizes_init(&out->sizes);
    bool by_class = (shape->form == FORM_CLASSES || shape->form == FORM_CONFUSION) && shape->task != TASK_MULTILABEL;
    out->has_classes = by_class && presence_of(&sum->state).targets > 1;
    int rc = begin_gap(shape, AVERAGE_MICRO, &out->micro, &out->has_micro, p);
    if (rc == OK && shape->task == TASK_MULTICLASS)
        rc = begin_gap(shape, AVERAGE_MACRO, &out->macro, &out->has_macro, p);
    struct pass pass = {.facts = out, .chance_size = -1, .p = p};
    const struct step_walk walk = {.conn = q->reader, .series = sum->series, .epoch = sum->epoch, .rank = -1};
    if (sum->is_thinned) { /* there are no steps to look at: what the sum alone tells is left */
        out->last_step = sum->last_step;
        return rc;
    }
    return rc == OK ? query_step_walk(&walk, look_at_step, &pass, p) : rc;
}

void diagnosis_facts_release(struct diagnosis_facts *f)
{
    step_sizes_release(&f->sizes);
    gap_release(&f->micro);
    gap_release(&f->macro);
}

bool diagnosis_gap(const struct gap *gap, struct epoch_sum *sum, struct gap_causes *out, double *epoch)
{
    return gap_finish(gap, &sum->state, out) == OK && metric_compute(&gap->choice, &sum->state, NULL, epoch) == OK;
}
