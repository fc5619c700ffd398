/**
 * The nodes of a group: found by hash, made in order, undone in reverse.
 *
 * A bucket lists its nodes newest first, so undoing the newest node is always a removal at the head.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"

enum { BUCKETS_MIN = 256, STATE_BYTES_MAX = 256 << 20 };

static int no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

/* ---- memory ---- */

/* The size stands in front of each piece, so that what the states hold is known. */
static void *count_resize(void *context, void *old, size_t size)
{
    struct group *g = context;
    max_align_t *block = old != NULL ? (max_align_t *)old - 1 : NULL;
    size_t old_size = 0;

    if (block != NULL)
        memcpy(&old_size, block, sizeof old_size);
    if (size == 0) {
        g->state_bytes -= old_size;
        free(block);
        return NULL;
    }
    if (size > SIZE_MAX / 2)
        return NULL;
    max_align_t *grown = realloc(block, size + sizeof *block);
    if (grown == NULL)
        return NULL;
    memcpy(grown, &size, sizeof size);
    g->state_bytes += size - old_size;
    return grown + 1;
}

static void put_in_bucket(struct group *g, struct node *node)
{
    struct node **bucket = &g->buckets[node->hash & (g->n_buckets - 1)];

    node->next = *bucket;
    *bucket = node;
}

int group_init(struct group *g, struct store *store, struct problem *p)
{
    static const struct shape mean = {.form = FORM_MEAN}, regression = {.form = FORM_REGRESSION};

    memset(g, 0, sizeof *g);
    g->store = store;
    g->conn = store_writer(store);
    g->memory = (struct memory){.resize = count_resize, .context = g};
    g->state_bytes_max = STATE_BYTES_MAX;
    arena_init(&g->arena);
    limits_default(&g->limits);
    int status = state_init(&g->one_mean, &mean, false, g->memory);
    if (status == OK)
        status = state_init(&g->one_regression, &regression, false, g->memory);
    return status == OK ? group_reserve(g, 0, p) : problem_from_status(p, status);
}

void group_release(struct group *g)
{
    group_forget(g);
    state_release(&g->one_mean);
    state_release(&g->one_regression);
    window_sum_release(&g->window);
    free(g->buckets);
    free(g->nodes);
    free(g->batches);
    free(g->packed);
}

int group_reserve(struct group *g, size_t n_measures, struct problem *p)
{
    size_t n = BUCKETS_MIN;

    while (n < (n_measures + g->n_nodes) * 2)
        n *= 2;
    if (n > g->n_buckets) {
        struct node **buckets = calloc(n, sizeof *buckets);
        if (buckets == NULL)
            return no_memory(p);
        free(g->buckets);
        g->buckets = buckets;
        g->n_buckets = n;
        for (size_t i = 0; i < g->n_nodes; i++)
            put_in_bucket(g, g->nodes[i]);
    }
    return OK;
}

/* Those that may outlive their group have memory of their own, the others the arena's. */
static bool may_stay(enum node_kind kind)
{
    return kind == NODE_RUN || kind == NODE_SERIES || kind == NODE_EPOCH;
}

static void release_node(struct group *g, struct node *node)
{
    if (node->kind == NODE_RUN)
        run_row_release(&((struct group_run *)node)->row);
    else if (node->kind == NODE_EPOCH)
        epoch_release(g, (struct group_epoch *)node);
    if (may_stay(node->kind))
        free(node);
}

void group_drop_nodes(struct group *g, bool (*is_wanted)(struct node *node))
{
    size_t n_kept = 0;

    for (size_t i = 0; i < g->n_nodes; i++) {
        struct node *node = g->nodes[i];
        g->buckets[node->hash & (g->n_buckets - 1)] = NULL;
        if (node->kind == NODE_EPOCH && !is_wanted(node))
            ((struct group_epoch *)node)->series->last_used = NULL;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (may_stay(g->nodes[i]->kind) && is_wanted(g->nodes[i]))
            g->nodes[n_kept++] = g->nodes[i];
        else
            release_node(g, g->nodes[i]);
    }
    g->n_nodes = n_kept;
    for (size_t i = 0; i < n_kept; i++)
        put_in_bucket(g, g->nodes[i]);
    g->n_batches = 0;
    arena_release(&g->arena);
}

static bool is_never_wanted(struct node *node)
{
    (void)node;
    return false;
}

void group_forget(struct group *g)
{
    group_drop_nodes(g, is_never_wanted);
}

struct group_mark group_mark(const struct group *g)
{
    return (struct group_mark){.n_nodes = g->n_nodes, .n_batches = g->n_batches};
}

void group_undo(struct group *g, struct group_mark mark)
{
    while (g->n_nodes > mark.n_nodes) {
        struct node *node = g->nodes[--g->n_nodes];
        g->buckets[node->hash & (g->n_buckets - 1)] = node->next;
        if (node->kind == NODE_EPOCH) {
            struct group_series *series = ((struct group_epoch *)node)->series;
            if (series->last_used == (struct group_epoch *)node)
                series->last_used = NULL;
        }
        release_node(g, node);
    }
    g->n_batches = mark.n_batches;
}

void *group_add_node(struct group *g, enum node_kind kind, uint64_t hash, size_t size)
{
    if (g->n_nodes == g->cap_nodes) {
        size_t cap = g->cap_nodes < 256 ? 256 : g->cap_nodes * 2;
        struct node **nodes = realloc(g->nodes, cap * sizeof *nodes);
        if (nodes == NULL)
            return NULL;
        g->nodes = nodes;
        g->cap_nodes = cap;
    }
    struct node *node = may_stay(kind) ? malloc(size) : arena_alloc(&g->arena, size);
    if (node == NULL)
        return NULL;
    memset(node, 0, size);
    node->kind = kind;
    node->hash = hash;
    node->is_used = true;
    put_in_bucket(g, node);
    g->nodes[g->n_nodes++] = node;
    return node;
}

/* ---- hashes ---- */

uint64_t group_hash(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 32);
}

uint64_t group_hash_text(uint64_t h, const char *text)
{
    uint64_t f = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        f = (f ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return group_hash(h, f);
}

uint64_t group_hash_pointer(enum node_kind kind, const void *pointer)
{
    return group_hash((uint64_t)kind + 1, (uint64_t)(uintptr_t)pointer);
}

/* The next node of this hash and kind in its bucket, from node on. */
static struct node *same(struct node *node, enum node_kind kind, uint64_t hash)
{
    while (node != NULL && (node->hash != hash || node->kind != kind))
        node = node->next;
    return node;
}

struct node *group_first(struct group *g, enum node_kind kind, uint64_t hash)
{
    return same(g->buckets[hash & (g->n_buckets - 1)], kind, hash);
}

struct node *group_next(struct node *node)
{
    return same(node->next, node->kind, node->hash);
}
