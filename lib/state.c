/*
 * States: their life cycle and their addition, whatever their kind.
 *
 * Guarantee: adding is atomic.  Everything that can fail (shape, overflow, memory) is checked before the
 * first change.
 */
#include <assert.h>

#include "state.h"
#include "state_parts.h"

const struct kind_ops *kind_ops(const struct shape *shape)
{
    static const struct kind_ops *const OPS[] = {
        [KIND_COUNTS] = &counts_ops, [KIND_SCORES] = &scores_ops,         [KIND_CALIBRATION] = &calibration_ops,
        [KIND_EXACT] = &exact_ops,   [KIND_REGRESSION] = &regression_ops, [KIND_MEAN] = &mean_ops,
    };
    return OPS[form_kind(shape->form)];
}

/* ---- life cycle ---- */

int state_init(struct state *s, const struct shape *shape, bool with_cells, struct memory memory)
{
    if (!shape_is_valid(shape))
        return ERR_RANGE;
    struct state fresh = {.shape = *shape, .memory = memory, .has_cells = with_cells && shape_has_cells(shape)};
    const struct kind_ops *ops = kind_ops(shape);
    int status = ops->init != NULL ? ops->init(&fresh) : OK;
    if (status == OK)
        *s = fresh;
    return status;
}

void state_clear(struct state *s)
{
    const struct kind_ops *ops = kind_ops(&s->shape);
    s->batches = 0;
    s->samples = 0;
    s->counts.correct = 0;
    s->counts.total = 0;
    if (ops->clear != NULL)
        ops->clear(s);
}

void state_release(struct state *s)
{
    const struct kind_ops *ops = kind_ops(&s->shape);
    if (ops->release != NULL)
        ops->release(s);
    *s = (struct state){0};
}

bool state_is_valid(const struct state *s)
{
    if (!shape_is_valid(&s->shape) || s->batches < 0 || s->samples < 0)
        return false;
    return kind_ops(&s->shape)->is_valid(s);
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

int state_merge(struct state *into, struct state *from)
{
    assert(into != from);
    if (!shape_equal(&into->shape, &from->shape))
        return ERR_SHAPE;
    int64_t batches, samples;
    int status = tally_add(into, from->batches, from->samples, &batches, &samples);
    if (status == OK)
        status = kind_ops(&into->shape)->merge(into, from);
    if (status != OK)
        return status;
    into->batches = batches;
    into->samples = samples;
    return OK;
}

static int add(struct state *into, const struct batch_key *key, int64_t samples, int64_t batches, struct pack_reader r,
               bool is_own)
{
    struct shape shape;
    if (!head_read(&r, &shape))
        return ERR_CORRUPT;
    if (!shape_equal(&into->shape, &shape))
        return ERR_SHAPE;
    bool is_mean = shape.form == FORM_MEAN;
    if (samples < 0 || batches < 0 || (is_mean && key != NULL && !key_is_valid(key)))
        return ERR_RANGE;
    int64_t batches_after, samples_after;
    const struct kind_ops *ops = kind_ops(&shape);
    int status = tally_add(into, batches, is_mean ? 0 : samples, &batches_after, &samples_after);
    if (status == OK)
        status = is_own && ops->add_own != NULL ? ops->add_own(into, &r) : ops->add_body(into, &r, key, batches);
    if (status != OK)
        return status;
    into->batches = batches_after;
    into->samples = samples_after;
    return OK;
}

int state_add_packed(struct state *into, const struct batch_key *key, int64_t samples, int64_t batches,
                     const uint8_t *data, size_t size)
{
    return add(into, key, samples, batches, pack_reader(data, size), false);
}

int state_add_own(struct state *into, const struct batch_key *key, int64_t samples, const uint8_t *data, size_t size)
{
    return add(into, key, samples, 1, pack_reader(data, size), true);
}

/* ---- query ---- */

double state_primary(const struct state *s)
{
    return kind_ops(&s->shape)->primary(s);
}
