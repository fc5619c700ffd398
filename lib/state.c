/*
 * States: their shapes, their life cycle and their addition.
 *
 * Guarantees:
 * 1. adding is atomic: everything that can fail (shape, overflow, memory) is checked before the first
 *    change;
 * 2. one check of total covers every count: each count of a state is at most its total, so that where
 *    the totals add without overflow all counts do.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "state.h"
#include "state_parts.h"

static const int64_t POSITION_MAX = (INT64_C(1) << 53) - 1;
enum { RANK_MAX = 65535, BINARY_CELLS = 4 };

static const char *const TASK_NAMES[] = {
    [TASK_MULTICLASS] = "multiclass",
    [TASK_BINARY] = "binary",
    [TASK_MULTILABEL] = "multilabel",
};
enum { N_TASKS = sizeof TASK_NAMES / sizeof *TASK_NAMES };

static const char *const FORM_NAMES[] = {
    [FORM_TOTALS] = "totals",
    [FORM_CLASSES] = "classes",
    [FORM_CONFUSION] = "confusion",
    [FORM_MEAN] = "mean",
};
enum { N_FORMS = sizeof FORM_NAMES / sizeof *FORM_NAMES };

/* ---- names and shapes ---- */

const char *task_name(enum task task)
{
    return (size_t)task < N_TASKS ? TASK_NAMES[task] : NULL;
}

const char *form_name(enum form form)
{
    return (size_t)form < N_FORMS ? FORM_NAMES[form] : NULL;
}

static bool name_find(const char *const *names, size_t n, const char *name, size_t length, size_t *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool task_from_name(const char *name, size_t length, enum task *out)
{
    size_t i;
    if (!name_find(TASK_NAMES, N_TASKS, name, length, &i))
        return false;
    *out = (enum task)i;
    return true;
}

bool form_from_name(const char *name, size_t length, enum form *out)
{
    size_t i;
    if (!name_find(FORM_NAMES, N_FORMS, name, length, &i))
        return false;
    *out = (enum form)i;
    return true;
}

bool shape_is_valid(const struct shape *shape)
{
    if ((size_t)shape->form >= N_FORMS || (size_t)shape->task >= N_TASKS)
        return false;
    if (shape->form == FORM_MEAN)
        return shape->task == TASK_MULTICLASS && shape->num_classes == 0;
    if (shape->num_classes == 0)
        return shape->form == FORM_TOTALS;
    if (shape->task == TASK_BINARY)
        return shape->num_classes == 1;
    if (shape->task == TASK_MULTILABEL && shape->form == FORM_CONFUSION)
        return false; /* labels do not exclude each other: there is no one matrix */
    return shape->num_classes <= STATE_CLASSES_MAX;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    return a->form == b->form && a->task == b->task && a->num_classes == b->num_classes;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int batch_key_compare(const struct batch_key *a, const struct batch_key *b)
{
    int order = compare(a->epoch, b->epoch);
    if (order == 0)
        order = compare(a->step, b->step);
    return order != 0 ? order : compare(a->rank, b->rank);
}

bool key_is_valid(const struct batch_key *key)
{
    return key->epoch >= 0 && key->epoch <= POSITION_MAX && key->step >= 0 && key->step <= POSITION_MAX &&
           key->rank >= 0 && key->rank <= RANK_MAX;
}

/* ---- life cycle ---- */

int state_init(struct state *s, const struct shape *shape, bool with_cells, struct memory memory)
{
    if (!shape_is_valid(shape))
        return ERR_RANGE;
    struct state fresh = {.shape = *shape, .memory = memory, .has_cells = with_cells && shape_has_cells(shape)};
    if (shape->form == FORM_CLASSES || shape->form == FORM_CONFUSION) {
        size_t size = shape->num_classes * sizeof *fresh.counts.classes;
        fresh.counts.classes = memory.resize(memory.context, NULL, size);
        if (fresh.counts.classes == NULL)
            return ERR_MEMORY;
        memset(fresh.counts.classes, 0, size);
        if (shape->task == TASK_BINARY) { /* the buffer of state_cells() */
            fresh.counts.cells = memory.resize(memory.context, NULL, BINARY_CELLS * sizeof *fresh.counts.cells);
            if (fresh.counts.cells == NULL) {
                memory.resize(memory.context, fresh.counts.classes, 0);
                return ERR_MEMORY;
            }
            fresh.counts.cap_cells = BINARY_CELLS;
        }
    }
    *s = fresh;
    return OK;
}

void state_clear(struct state *s)
{
    s->batches = 0;
    s->samples = 0;
    s->counts.correct = 0;
    s->counts.total = 0;
    s->counts.n_cells = 0;
    s->counts.n_settled = 0;
    if (s->counts.classes != NULL)
        memset(s->counts.classes, 0, s->shape.num_classes * sizeof *s->counts.classes);
    s->mean = (struct mean){0};
}

void state_release(struct state *s)
{
    if (s->counts.classes != NULL)
        s->memory.resize(s->memory.context, s->counts.classes, 0);
    if (s->counts.cells != NULL)
        s->memory.resize(s->memory.context, s->counts.cells, 0);
    *s = (struct state){0};
}

/* ---- invariants ---- */

static bool cells_are_valid(const struct state *s)
{
    const struct counts *c = &s->counts;
    if (c->n_settled > c->n_cells || c->n_cells > c->cap_cells)
        return false;
    int64_t sum = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct cell *cell = &c->cells[i];
        if (cell->target >= s->shape.num_classes || cell->predicted >= s->shape.num_classes || cell->count <= 0)
            return false;
        if (i > 0 && i < c->n_settled && cell_compare(cell - 1, cell) >= 0)
            return false;
        if (__builtin_add_overflow(sum, cell->count, &sum))
            return false;
    }
    return sum == c->total;
}

static bool counts_are_valid(const struct state *s)
{
    const struct counts *c = &s->counts;
    if (c->correct < 0 || c->total < c->correct)
        return false;
    if (s->shape.form == FORM_TOTALS)
        return c->classes == NULL && c->cells == NULL;
    struct body_sums sums = {0};
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        const struct class_counts *k = &c->classes[i];
        if (k->tp < 0 || k->fp < 0 || k->fn < 0 || k->tn < 0 || class_sums_add(&sums, &s->shape, k) != OK)
            return false;
        if (!shape_has_tn(&s->shape) && (k->tn != 0 || !class_fits(k, c->total)))
            return false;
    }
    if (sums.correct != c->correct || sums.total != c->total)
        return false;
    return !s->has_cells || cells_are_valid(s);
}

bool state_is_valid(const struct state *s)
{
    if (!shape_is_valid(&s->shape) || s->batches < 0 || s->samples < 0)
        return false;
    if (s->shape.form == FORM_MEAN)
        return s->samples == 0 && mean_is_valid(&s->mean, s->batches);
    return counts_are_valid(s);
}

/* ---- addition ---- */

/* What batches and samples become; nothing is changed yet. */
static int tally_add(const struct state *s, int64_t n_batches, int64_t n_samples, int64_t *batches, int64_t *samples)
{
    if (__builtin_add_overflow(s->batches, n_batches, batches) ||
        __builtin_add_overflow(s->samples, n_samples, samples))
        return ERR_OVERFLOW;
    return OK;
}

static int counts_merge(struct state *into, struct state *from)
{
    int64_t total;
    if (into->has_cells && !from->has_cells)
        return ERR_SHAPE;
    if (__builtin_add_overflow(into->counts.total, from->counts.total, &total))
        return ERR_OVERFLOW;
    if (into->has_cells) {
        cells_settle(from);
        int status = cells_reserve(into, from->counts.n_cells);
        if (status != OK)
            return status;
        size_t hint = 0;
        for (size_t i = 0; i < from->counts.n_cells; i++)
            cells_add(into, &from->counts.cells[i], &hint);
    }
    into->counts.correct += from->counts.correct;
    into->counts.total = total;
    if (into->counts.classes == NULL)
        return OK;
    for (uint32_t i = 0; i < into->shape.num_classes; i++) {
        struct class_counts *a = &into->counts.classes[i];
        const struct class_counts *b = &from->counts.classes[i];
        a->tp += b->tp;
        a->fp += b->fp;
        a->fn += b->fn;
        a->tn += b->tn;
    }
    return OK;
}

int state_merge(struct state *into, struct state *from)
{
    assert(into != from);
    if (!shape_equal(&into->shape, &from->shape))
        return ERR_SHAPE;
    int64_t batches, samples;
    int status = tally_add(into, from->batches, from->samples, &batches, &samples);
    if (status == OK)
        status = into->shape.form == FORM_MEAN ? mean_merge(&into->mean, &from->mean) : counts_merge(into, from);
    if (status != OK)
        return status;
    into->batches = batches;
    into->samples = samples;
    return OK;
}

static int counts_add_packed(struct state *s, const struct pack_reader *body)
{
    struct pack_reader r = *body;
    struct body_sums sums = {0};
    int64_t total;
    if (!counts_body_check(&r, &s->shape, &sums) || r.at != r.end)
        return ERR_CORRUPT;
    if (__builtin_add_overflow(s->counts.total, sums.total, &total))
        return ERR_OVERFLOW;
    if (s->has_cells) {
        int status = cells_reserve(s, sums.n_items);
        if (status != OK)
            return status;
    }
    r = *body;
    counts_body_add(s, &r, &sums);
    return OK;
}

int state_add_packed(struct state *into, const struct batch_key *key, int64_t samples, int64_t batches,
                     const uint8_t *data, size_t size)
{
    struct pack_reader r = pack_reader(data, size);
    struct shape shape;
    if (!head_read(&r, &shape))
        return ERR_CORRUPT;
    if (!shape_equal(&into->shape, &shape))
        return ERR_SHAPE;
    bool is_mean = shape.form == FORM_MEAN;
    if (samples < 0 || batches < 0 || (is_mean && key != NULL && !key_is_valid(key)))
        return ERR_RANGE;
    int64_t batches_after, samples_after;
    int status = tally_add(into, batches, is_mean ? 0 : samples, &batches_after, &samples_after);
    if (status == OK)
        status = is_mean ? mean_body_add(&into->mean, &r, key, batches) : counts_add_packed(into, &r);
    if (status != OK)
        return status;
    into->batches = batches_after;
    into->samples = samples_after;
    return OK;
}

/* ---- query ---- */

double state_primary(const struct state *s)
{
    if (s->shape.form == FORM_MEAN)
        return mean_value(&s->mean);
    return s->counts.total > 0 ? (double)s->counts.correct / (double)s->counts.total : NAN;
}
