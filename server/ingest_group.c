/**
 * What a group knows of runs, series, epochs, batches and attempts: its nodes first, then the store.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"

static int no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

/* ---- runs ---- */

int group_find_run(struct group *g, const char *id, struct group_run **out, struct problem *p)
{
    uint64_t hash = group_hash_text(NODE_RUN, id);

    for (struct node *n = group_first(g, NODE_RUN, hash); n != NULL; n = group_next(n)) {
        struct group_run *run = (struct group_run *)n;
        if (strcmp(run->row.id, id) == 0) {
            run->node.is_used = true;
            *out = run;
            return OK;
        }
    }

    struct run_row row;
    bool found = false;
    int status = store_run_find(g->conn, id, &row, &found, p);
    if (status != OK)
        return status;
    struct group_run *run = NULL;
    if (found) {
        run = group_add_node(g, NODE_RUN, hash, sizeof *run);
        if (run == NULL) {
            run_row_release(&row);
            return no_memory(p);
        }
        run->row = row;
    }
    *out = run;
    return OK;
}

static void copy_name(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);

    if (n >= size)
        n = size - 1; /* callers have checked the length */
    memcpy(out, text, n);
    out[n] = '\0';
}

bool group_may_touch(const struct job *job, const struct run_row *run)
{
    return job->token_project == NULL || strcmp(job->token_project, run->project) == 0;
}

int group_refuse_taken(struct job *job)
{
    return problem_set(&job->problem, PROBLEM_FORBIDDEN, NULL,
                       "the run id %s is taken; the token is for project %s alone: choose another id", job->run,
                       job->token_project);
}

int group_new_run(struct group *g, const char *id, const char *project, int64_t now, struct group_run **out,
                  struct problem *p)
{
    struct group_run *run = group_add_node(g, NODE_RUN, group_hash_text(NODE_RUN, id), sizeof *run);

    if (run == NULL)
        return no_memory(p);
    copy_name(run->row.id, sizeof run->row.id, id);
    copy_name(run->row.project, sizeof run->row.project, project != NULL ? project : "default");
    run->row.status = RUN_RUNNING;
    run->row.created_at = run->row.updated_at = run->row.seen_at = now;
    run->attempts_known = true; /* there are none */
    *out = run;
    return OK;
}

/* ---- series ---- */

static uint64_t series_hash(const struct group_run *run, const char *stage, const char *name, enum kind kind)
{
    uint64_t hash = group_hash_text(group_hash_text(group_hash_pointer(NODE_SERIES, run), stage), name);
    return group_hash(hash, (uint64_t)kind);
}

static bool is_series(const struct group_series *series, const struct group_run *run, const char *stage,
                      const char *name, enum kind kind)
{
    const struct series_row *row = &series->row;
    return series->run == run && form_kind(row->shape.form) == kind && strcmp(row->name, name) == 0 &&
           strcmp(row->stage, stage) == 0;
}

int group_find_series(struct group *g, struct group_run *run, const char *stage, const char *name, enum kind kind,
                      struct group_series **out, struct problem *p)
{
    uint64_t hash = series_hash(run, stage, name, kind);

    for (struct node *n = group_first(g, NODE_SERIES, hash); n != NULL; n = group_next(n)) {
        struct group_series *series = (struct group_series *)n;
        if (is_series(series, run, stage, name, kind)) {
            series->node.is_used = true;
            *out = series;
            return OK;
        }
    }

    struct series_row row = {0};
    bool found = false;
    if (run->row.run != 0) {
        int status = store_series_find(g->conn, run->row.run, stage, name, kind, &row, &found, p);
        if (status != OK)
            return status;
    }
    struct group_series *series = NULL;
    if (found) {
        series = group_add_node(g, NODE_SERIES, hash, sizeof *series);
        if (series == NULL)
            return no_memory(p);
        series->run = run;
        series->row = row;
    }
    *out = series;
    return OK;
}

int group_new_series(struct group *g, struct group_run *run, const char *stage, const struct measure *m,
                     struct group_series **out, struct problem *p)
{
    uint64_t hash = series_hash(run, stage, m->name, form_kind(m->shape.form));
    struct group_series *series = group_add_node(g, NODE_SERIES, hash, sizeof *series);

    if (series == NULL)
        return no_memory(p);
    series->run = run;
    copy_name(series->row.stage, sizeof series->row.stage, stage);
    copy_name(series->row.name, sizeof series->row.name, m->name);
    series->row.shape = m->shape;
    series->row.last_epoch = series->row.last_step = -1;
    *out = series;
    return OK;
}

/* ---- epochs ---- */

/* The stored rollup into the node, with copies of its blobs. */
static int load_epoch(struct group *g, struct group_epoch *e, struct problem *p)
{
    const struct series_row *series = &e->series->row;
    int64_t epoch = e->base.epoch;

    if (series->series == 0)
        return OK;
    int status = store_rollup_get(g->conn, series->run, series->series, epoch, 0, 0, &e->base, &e->stored, p);
    if (status != OK || !e->stored)
        return status;
    uint8_t *blobs = malloc(e->base.state_size + e->base.ranks_size + 1);
    if (blobs == NULL)
        return no_memory(p);
    e->blobs = blobs;
    e->known.from_step = e->base.last_step + 1; /* from there on none is stored */
    memcpy(blobs, e->base.state, e->base.state_size);
    if (e->base.ranks_size > 0)
        memcpy(blobs + e->base.state_size, e->base.ranks, e->base.ranks_size);
    e->base.state = blobs;
    e->base.ranks = blobs + e->base.state_size;
    e->packed = e->base.state;
    e->packed_size = e->base.state_size;
    e->batches = e->base.batches;
    e->samples = e->base.samples;
    return OK;
}

static uint64_t epoch_hash(const struct group_series *series, int64_t epoch)
{
    return group_hash(group_hash_pointer(NODE_EPOCH, series), (uint64_t)epoch);
}

struct group_epoch *group_peek_epoch(struct group *g, struct group_series *series, int64_t epoch)
{
    uint64_t hash = epoch_hash(series, epoch);

    if (series->last_used != NULL && series->last_used->base.epoch == epoch)
        return series->last_used;
    for (struct node *n = group_first(g, NODE_EPOCH, hash); n != NULL; n = group_next(n)) {
        struct group_epoch *e = (struct group_epoch *)n;
        if (e->series == series && e->base.epoch == epoch)
            return e;
    }
    return NULL;
}

int group_get_epoch(struct group *g, struct group_series *series, int64_t epoch, struct group_epoch **out,
                    struct problem *p)
{
    struct group_epoch *e = group_peek_epoch(g, series, epoch);

    if (e != NULL) {
        e->node.is_used = true;
        *out = series->last_used = e;
        return OK;
    }
    e = group_add_node(g, NODE_EPOCH, epoch_hash(series, epoch), sizeof *e);
    if (e == NULL)
        return no_memory(p);
    e->series = series;
    e->base.epoch = epoch;
    int status = load_epoch(g, e, p);
    if (status == OK)
        *out = series->last_used = e;
    return status; /* on failure the job is undone, and the node with it */
}

/* ---- batches ---- */

static uint64_t batch_hash(const struct group_epoch *epoch, const struct batch_key *key)
{
    return group_hash(group_hash(group_hash_pointer(NODE_BATCH, epoch), (uint64_t)key->step), (uint64_t)key->rank);
}

struct group_batch *group_find_batch(struct group *g, struct group_epoch *epoch, const struct batch_key *key)
{
    uint64_t hash = batch_hash(epoch, key);

    for (struct node *n = group_first(g, NODE_BATCH, hash); n != NULL; n = group_next(n)) {
        struct group_batch *batch = (struct group_batch *)n;
        if (batch->epoch == epoch && batch->key.step == key->step && batch->key.rank == key->rank)
            return batch;
    }
    return NULL;
}

int group_new_batch(struct group *g, struct group_epoch *epoch, const struct batch_key *key, const struct measure *m,
                    int64_t logged_at, struct problem *p)
{
    if (g->n_batches == g->cap_batches) {
        size_t cap = g->cap_batches < 256 ? 256 : g->cap_batches * 2;
        struct group_batch **batches = realloc(g->batches, cap * sizeof(struct group_batch *));
        if (batches == NULL)
            return no_memory(p);
        g->batches = batches;
        g->cap_batches = cap;
    }
    struct group_batch *batch = group_add_node(g, NODE_BATCH, batch_hash(epoch, key), sizeof *batch);
    if (batch == NULL)
        return no_memory(p);
    batch->epoch = epoch;
    batch->key = *key;
    batch->measure = m;
    batch->logged_at = logged_at;
    g->batches[g->n_batches++] = batch;
    return OK;
}

/* ---- attempts ---- */

static struct group_attempt *add_attempt(struct group *g, struct group_run *run, const char *attempt)
{
    uint64_t hash = group_hash_text(group_hash_pointer(NODE_ATTEMPT, run), attempt);
    struct group_attempt *a = group_add_node(g, NODE_ATTEMPT, hash, sizeof *a);

    if (a != NULL) {
        a->run = run;
        copy_name(a->row.attempt, sizeof a->row.attempt, attempt);
    }
    return a;
}

struct attempt_loader {
    struct group *g;
    struct group_run *run;
};

static int load_attempt(void *context, const struct attempt_row *row)
{
    struct attempt_loader *l = context;
    struct group_attempt *a = add_attempt(l->g, l->run, row->attempt);

    if (a == NULL)
        return PROBLEM_MEMORY;
    a->row = *row;
    if (row->rewound) {
        a->next_cut = l->run->cuts;
        l->run->cuts = a;
    }
    if (row->number > l->run->last_number)
        l->run->last_number = row->number;
    return OK;
}

int group_find_attempt(struct group *g, struct group_run *run, const char *attempt, struct group_attempt **out,
                       struct problem *p)
{
    uint64_t hash = group_hash_text(group_hash_pointer(NODE_ATTEMPT, run), attempt);

    if (!run->attempts_known) {
        struct attempt_loader loader = {.g = g, .run = run};
        int status = store_attempts_each(g->conn, run->row.run, load_attempt, &loader, p);
        if (status == PROBLEM_MEMORY)
            return no_memory(p);
        if (status != OK)
            return status;
        run->attempts_known = true;
    }
    *out = NULL;
    for (struct node *n = group_first(g, NODE_ATTEMPT, hash); n != NULL; n = group_next(n)) {
        struct group_attempt *a = (struct group_attempt *)n;
        if (a->run == run && strcmp(a->row.attempt, attempt) == 0)
            *out = a;
    }
    return OK;
}

int group_new_attempt(struct group *g, struct group_run *run, const char *attempt, struct problem *p)
{
    struct group_attempt *a = add_attempt(g, run, attempt);

    if (a == NULL)
        return no_memory(p);
    a->row.number = ++run->last_number;
    a->is_new = true;
    return OK;
}
