/**
 * What the writer remembers from one group to the next: the rows of the runs, series and epochs that were written last,
 * with the sums unpacked, and which batches of an epoch are the latest.
 *
 * A job logs to the same epoch again and again.  Without this each small group would read its run, its series and its
 * rollup, unpack the sum, and look for each of its batches and steps, only to learn what the group before has written.
 *
 * Guarantees:
 * 1. a kept node says what is stored, within the transaction that is open or after the last one (ingest_group.h);
 * 2. the keys known of an epoch are all that are stored from known.from on, so that a key after it that is not among
 *    them is new;
 * 3. memory is bounded: what the last group did not use goes first, and all goes if that is not enough.
 *
 * Thread: the writer.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"

enum {
    KEPT_NODES_MAX = 1024,
    KEPT_SUMS_MAX = 8 << 20,  /* bytes of all sums */
    KEPT_STATE_MAX = 1 << 14, /* bytes of one packed sum */
    KEYS_MAX = 256            /* of one epoch, when it is kept */
};

/* ---- the latest keys of an epoch ---- */

static int compare_keys(int64_t step, int64_t rank, const struct recent_key *k)
{
    if (step != k->step)
        return step < k->step ? -1 : 1;
    return (rank > k->rank) - (rank < k->rank);
}

/* The first known key at or after this one. */
static size_t find_key(const struct recent_keys *known, int64_t step, int64_t rank)
{
    size_t low = 0, high = known->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(step, rank, &known->key[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_covered(const struct recent_keys *known, int64_t step, int64_t rank)
{
    return step > known->from_step || (step == known->from_step && rank >= known->from_rank);
}

enum known epoch_knows_batch(const struct group_epoch *e, const struct batch_key *key)
{
    const struct recent_keys *known = &e->known;

    if (!is_covered(known, key->step, key->rank))
        return KNOWN_NOT;
    size_t i = find_key(known, key->step, key->rank);
    return i < known->n && compare_keys(key->step, key->rank, &known->key[i]) == 0 ? KNOWN_STORED : KNOWN_ABSENT;
}

enum known epoch_knows_step(const struct group_epoch *e, int64_t step)
{
    const struct recent_keys *known = &e->known;

    if (!is_covered(known, step, 0))
        return KNOWN_NOT;
    size_t i = find_key(known, step, 0);
    return i < known->n && known->key[i].step == step ? KNOWN_STORED : KNOWN_ABSENT;
}

/* Know only what comes from this key on. */
static void begin_at(struct recent_keys *known, int64_t step, int64_t rank)
{
    size_t n = find_key(known, step, rank);

    known->n -= n;
    if (known->n > 0)
        memmove(known->key, known->key + n, known->n * sizeof *known->key);
    known->from_step = step;
    known->from_rank = rank;
}

static int make_room(struct recent_keys *known, size_t n)
{
    if (n <= known->cap)
        return OK;
    size_t cap = n < 32 ? 32 : n * 2 < 2 * KEYS_MAX ? n * 2 : 2 * KEYS_MAX;
    struct recent_key *key = realloc(known->key, cap * sizeof *key);
    if (key == NULL)
        return ERR_MEMORY;
    known->key = key;
    known->cap = cap;
    return OK;
}

/* The n batches, sorted by key, none of them known, are stored now. */
static int learn_keys(struct recent_keys *known, struct group_batch *const *batches, size_t n)
{
    if (n > KEYS_MAX) {
        batches += n - KEYS_MAX;
        n = KEYS_MAX;
        if (is_covered(known, batches[0]->key.step, batches[0]->key.rank))
            begin_at(known, batches[0]->key.step, batches[0]->key.rank);
    }
    while (n > 0 && !is_covered(known, batches[0]->key.step, batches[0]->key.rank)) {
        batches++;
        n--;
    }
    int status = make_room(known, known->n + n);
    if (status != OK)
        return status;
    size_t at = known->n + n, left = known->n;
    known->n = at;
    while (n > 0) { /* merged from the end, where most of them go */
        const struct batch_key *key = &batches[n - 1]->key;
        if (left > 0 && compare_keys(key->step, key->rank, &known->key[left - 1]) < 0) {
            known->key[--at] = known->key[--left];
        } else {
            known->key[--at] = (struct recent_key){key->step, key->rank};
            n--;
        }
    }
    if (known->n > KEYS_MAX) {
        struct recent_key from = known->key[known->n - KEYS_MAX];
        begin_at(known, from.step, from.rank);
    }
    return OK;
}

/* ---- epochs ---- */

int epoch_written(struct group_epoch *e, struct group_batch *const *batches, size_t n, const struct rollup_row *row)
{
    uint8_t *blobs = NULL;

    e->is_large = row->state_size > KEPT_STATE_MAX;
    if (e->is_large)
        return OK; /* it goes with this flush: what it says does not matter any more */
    blobs = malloc(row->state_size + row->ranks_size + 1);
    if (blobs == NULL)
        return ERR_MEMORY;
    memcpy(blobs, row->state, row->state_size);
    if (row->ranks_size > 0)
        memcpy(blobs + row->state_size, row->ranks, row->ranks_size);
    free(e->blobs);
    e->blobs = blobs;
    e->base = *row;
    e->base.state = blobs;
    e->base.ranks = blobs + row->state_size;
    e->stored = true;
    return learn_keys(&e->known, batches, n);
}

/* ---- nodes ---- */

static bool is_stored(struct node *node)
{
    const struct group_epoch *e = (struct group_epoch *)node;

    return node->kind != NODE_EPOCH || (e->stored && !e->is_large);
}

static bool is_wanted(struct node *node)
{
    return node->is_used && is_stored(node);
}

/* As the next group shall find it. */
static void freshen(struct node *node)
{
    node->is_used = false;
    if (node->kind == NODE_RUN) {
        struct group_run *run = (struct group_run *)node;
        run_row_release(&run->row); /* its texts, which nobody reads here and a PATCH may change */
        run->touched = run->changed = run->attempts_known = false;
        run->last_number = 0;
        run->cuts = NULL;
    } else if (node->kind == NODE_SERIES) {
        ((struct group_series *)node)->changed = false;
    }
}

void group_keep(struct group *g)
{
    bool is_full = g->n_nodes - g->n_batches > KEPT_NODES_MAX || g->state_bytes > KEPT_SUMS_MAX;

    group_drop_nodes(g, is_full ? is_wanted : is_stored);
    if (g->n_nodes > KEPT_NODES_MAX || g->state_bytes > KEPT_SUMS_MAX)
        group_forget(g);
    for (size_t i = 0; i < g->n_nodes; i++)
        freshen(g->nodes[i]);
}
