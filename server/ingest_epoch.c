/**
 * The sums of the epochs that a group touches.  Each is unpacked when it is first added to and stays
 * so while memory allows: a request may name thousands of epochs of thousands of classes, so beyond
 * a bound all but the one in use are packed again, which for sparse data is a fraction.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"

static void unlink_hot(struct group *g, struct group_epoch *e)
{
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        g->hot = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    e->newer = e->older = NULL;
}

static void make_cold(struct group *g, struct group_epoch *e)
{
    if (!e->hot)
        return;
    unlink_hot(g, e);
    state_release(&e->state);
    e->hot = false;
}

void epoch_release(struct group *g, struct group_epoch *e)
{
    make_cold(g, e);
    free(e->own);
    free(e->blobs);
    free(e->known.key);
    e->own = e->blobs = NULL;
    e->known = (struct recent_keys){0};
}

/* Pack a state into the group's scratch. */
static int pack_state(struct group *g, struct state *s, size_t *size)
{
    int status = state_pack(s, g->packed, g->packed_cap, size);

    if (status == ERR_FULL) {
        size_t cap = *size * 2;
        uint8_t *packed = realloc(g->packed, cap);
        if (packed == NULL)
            return ERR_MEMORY;
        g->packed = packed;
        g->packed_cap = cap;
        status = state_pack(s, g->packed, g->packed_cap, size);
    }
    return status;
}

static int pack_away(struct group *g, struct group_epoch *e)
{
    size_t size = 0;
    int status = pack_state(g, &e->state, &size);

    if (status != OK)
        return status;
    uint8_t *own = realloc(e->own, size);
    if (own == NULL)
        return ERR_MEMORY;
    memcpy(own, g->packed, size);
    e->packed = e->own = own;
    e->packed_size = size;
    e->batches = e->state.batches;
    e->samples = e->state.samples;
    make_cold(g, e);
    return OK;
}

static int make_hot(struct group *g, struct group_epoch *e)
{
    if (e->hot)
        return OK;
    while (g->state_bytes > g->state_bytes_max && g->hot != NULL) {
        int status = pack_away(g, g->hot);
        if (status != OK)
            return status;
    }
    int status = state_init(&e->state, &e->series->row.shape, true, g->memory);
    if (status != OK)
        return status;
    if (e->batches > 0)
        status = state_add_packed(&e->state, NULL, e->samples, e->batches, e->packed, e->packed_size);
    if (status != OK) {
        state_release(&e->state);
        return status == ERR_MEMORY ? status : ERR_CORRUPT; /* what is stored was added before */
    }
    e->hot = true;
    e->newer = NULL;
    e->older = g->hot;
    if (g->hot != NULL)
        g->hot->newer = e;
    g->hot = e;
    return OK;
}

int epoch_add(struct group *g, struct group_batch *batch)
{
    struct group_epoch *e = batch->epoch;
    const struct measure *m = batch->measure;
    int status = make_hot(g, e);

    if (status != OK)
        return status;
    struct counts before = e->state.counts;
    status = state_add_own(&e->state, &batch->key, m->samples, m->state, m->state_size);
    if (status != OK)
        return status;
    e->tainted = true; /* until the job is accepted */
    struct state *one = form_kind(e->state.shape.form) == KIND_MEAN ? &g->one_mean : &g->one_regression;
    return batch_primary(one, &before, &e->state, &batch->key, m->state, m->state_size, &batch->primary);
}

/* Back to what is stored, without a fresh look at the database. */
static void reset_epoch(struct group *g, struct group_epoch *e)
{
    make_cold(g, e);
    e->packed = e->base.state;
    e->packed_size = e->base.state_size;
    e->batches = e->base.batches;
    e->samples = e->base.samples;
}

int epoch_restore(struct group *g, size_t n_batches)
{
    int status = OK;

    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->kind == NODE_EPOCH && ((struct group_epoch *)g->nodes[i])->tainted)
            reset_epoch(g, (struct group_epoch *)g->nodes[i]);
    for (size_t i = 0; i < n_batches && status == OK; i++)
        if (g->batches[i]->epoch->tainted)
            status = epoch_add(g, g->batches[i]);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->kind == NODE_EPOCH)
            ((struct group_epoch *)g->nodes[i])->tainted = false;
    return status;
}

static double smaller(double a, double b)
{
    return isnan(a) || b < a ? b : a;
}

static double greater(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static int pack_ranks(struct group *g, struct group_epoch *e, struct group_batch *const *batches, size_t n,
                      struct rollup_row *row)
{
    rank_set_clear(&g->ranks);
    if (rank_set_add_packed(&g->ranks, e->base.ranks, e->base.ranks_size) != OK)
        return ERR_CORRUPT;
    uint32_t before = g->ranks.count;
    for (size_t i = 0; i < n; i++)
        rank_set_add(&g->ranks, batches[i]->key.rank);
    row->ranks = e->base.ranks;
    row->ranks_size = e->base.ranks_size;
    if (g->ranks.count == before)
        return OK;
    size_t size = rank_set_pack(&g->ranks, NULL, 0);
    uint8_t *packed = arena_alloc(&g->arena, size);
    if (packed == NULL)
        return ERR_MEMORY;
    row->ranks = packed;
    row->ranks_size = rank_set_pack(&g->ranks, packed, size);
    return OK;
}

/* Do these batches, the first being at this step, only change the end of the epoch? */
static bool is_steady(const struct group_epoch *e, int64_t first_step)
{
    return e->stored && first_step > e->base.last_step - ROLLUP_STEADY_STEPS;
}

int epoch_row(struct group *g, struct group_epoch *e, struct group_batch *const *batches, size_t n, int64_t new_steps,
              struct rollup_row *row)
{
    int64_t first_step = batches[0]->key.step, last_step = batches[n - 1]->key.step;
    size_t size = 0;
    int status = make_hot(g, e);

    if (status == OK)
        status = pack_ranks(g, e, batches, n, row);
    if (status == OK)
        status = pack_state(g, &e->state, &size);
    if (status != OK)
        return status;
    row->run = e->series->row.run;
    row->series = e->series->row.series;
    row->epoch = e->base.epoch;
    row->level = row->bucket = row->closed = 0;
    row->revision = e->series->run->row.revision;
    row->written_at = e->series->run->row.updated_at;
    row->sealed_at = 0; /* nothing is added to a sealed epoch */
    row->steady_since = is_steady(e, first_step) ? e->base.steady_since : row->revision;
    row->batches = e->state.batches;
    row->samples = e->state.samples;
    row->correct = window_correct(&e->state);
    row->steps = e->base.steps + new_steps;
    row->first_step = e->stored && e->base.first_step < first_step ? e->base.first_step : first_step;
    row->last_step = e->stored && e->base.last_step > last_step ? e->base.last_step : last_step;
    row->first_time = e->stored ? e->base.first_time : batches[0]->logged_at;
    row->primary_min = e->stored ? e->base.primary_min : NAN;
    row->primary_max = e->stored ? e->base.primary_max : NAN;
    for (size_t i = 0; i < n; i++) {
        if (batches[i]->logged_at < row->first_time)
            row->first_time = batches[i]->logged_at;
        if (!isnan(batches[i]->primary)) {
            row->primary_min = smaller(row->primary_min, batches[i]->primary);
            row->primary_max = greater(row->primary_max, batches[i]->primary);
        }
    }
    row->state = g->packed;
    row->state_size = size;
    return OK;
}
