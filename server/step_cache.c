/*
 * Why: see the header.  A chained hash table whose entries also hang in a list by last use.
 *
 * Invariants, under the mutex:
 * 1. every entry is in one bucket and in the list, head = used last;
 * 2. bytes is the sum of the entries' sizes and never above limit after a call.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "step_cache.h"

enum { BUCKETS = 4096 };

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* in the list of use */
    struct step_cache_key key;   /* selector points into text */
    uint64_t hash;
    int64_t revision;
    struct step_progress *progress; /* NULL: none */
    size_t size;                    /* of the whole allocation, and of the progress */
    size_t n;
    double values[]; /* [n], then the selector's text */
};

struct step_cache {
    pthread_mutex_t mutex;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t bytes, limit, entries;
};

struct step_cache *step_cache_new(size_t bytes)
{
    struct step_cache *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    if (pthread_mutex_init(&c->mutex, NULL) != 0) {
        free(c);
        return NULL;
    }
    c->limit = bytes;
    return c;
}

static void free_progress(struct step_progress *p)
{
    if (p != NULL)
        p->free(p);
}

static void free_entry(struct entry *e)
{
    free_progress(e->progress);
    free(e);
}

void step_cache_free(struct step_cache *c)
{
    if (c == NULL)
        return;
    for (struct entry *e = c->newest, *older; e != NULL; e = older) {
        older = e->older;
        free_entry(e);
    }
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

/* FNV-1a over the numbers and the text: keys come from our own database, not from an attacker's hand. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_key(const struct step_cache_key *key)
{
    const int64_t numbers[] = {key->run,          key->series,        key->epoch, key->rank,
                               key->ignore_index, key->zero_division, key->top_k};
    return hash_bytes(hash_bytes(UINT64_C(14695981039346656037), numbers, sizeof numbers), key->selector,
                      strlen(key->selector));
}

static bool same_key(const struct step_cache_key *a, const struct step_cache_key *b)
{
    return a->run == b->run && a->series == b->series && a->epoch == b->epoch && a->rank == b->rank &&
           a->ignore_index == b->ignore_index && a->zero_division == b->zero_division && a->top_k == b->top_k &&
           strcmp(a->selector, b->selector) == 0;
}

static struct entry *find(struct step_cache *c, const struct step_cache_key *key, uint64_t hash)
{
    for (struct entry *e = c->buckets[hash % BUCKETS]; e != NULL; e = e->next)
        if (e->hash == hash && same_key(&e->key, key))
            return e;
    return NULL;
}

static void unlist(struct step_cache *c, struct entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
}

static void list_newest(struct step_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct step_cache *c, struct entry *e)
{
    struct entry **link = &c->buckets[e->hash % BUCKETS];
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    unlist(c, e);
    c->bytes -= e->size;
    c->entries--;
    free_entry(e);
}

bool step_cache_get(struct step_cache *c, const struct step_cache_key *key, int64_t revision, double *out, size_t n)
{
    if (c == NULL)
        return false;
    uint64_t hash = hash_key(key);
    pthread_mutex_lock(&c->mutex);
    struct entry *e = find(c, key, hash);
    bool found = e != NULL && e->revision == revision && e->n == n;
    if (found) {
        memcpy(out, e->values, n * sizeof *out);
        unlist(c, e);
        list_newest(c, e);
    }
    pthread_mutex_unlock(&c->mutex);
    return found;
}

struct step_progress *step_cache_take(struct step_cache *c, const struct step_cache_key *key, int64_t since,
                                      int64_t until)
{
    if (c == NULL)
        return NULL;
    uint64_t hash = hash_key(key);
    struct step_progress *progress = NULL;
    pthread_mutex_lock(&c->mutex);
    struct entry *e = find(c, key, hash);
    if (e != NULL && e->progress != NULL && e->revision >= since && e->revision <= until) {
        progress = e->progress;
        e->progress = NULL;
        e->size -= progress->bytes;
        c->bytes -= progress->bytes;
    }
    pthread_mutex_unlock(&c->mutex);
    return progress;
}

static struct entry *make_entry(const struct step_cache_key *key, uint64_t hash, const double *values, size_t n,
                                struct step_progress *progress)
{
    size_t n_text = strlen(key->selector) + 1, size = sizeof(struct entry) + n * sizeof *values + n_text;
    struct entry *e = malloc(size);
    if (e == NULL)
        return NULL;
    *e = (struct entry){.key = *key, .hash = hash, .progress = progress, .size = size, .n = n};
    if (progress != NULL)
        e->size += progress->bytes;
    memcpy(e->values, values, n * sizeof *values);
    char *text = (char *)(e->values + n);
    memcpy(text, key->selector, n_text);
    e->key.selector = text;
    return e;
}

static void insert(struct step_cache *c, struct entry *made)
{
    while (c->bytes + made->size > c->limit)
        drop(c, c->oldest);
    made->next = c->buckets[made->hash % BUCKETS];
    c->buckets[made->hash % BUCKETS] = made;
    list_newest(c, made);
    c->bytes += made->size;
    c->entries++;
}

void step_cache_put(struct step_cache *c, const struct step_cache_key *key, int64_t revision, const double *values,
                    size_t n, struct step_progress *progress)
{
    uint64_t hash = c != NULL ? hash_key(key) : 0;
    struct entry *made = c != NULL ? make_entry(key, hash, values, n, progress) : NULL;
    if (made == NULL || made->size > c->limit) {
        free(made);
        free_progress(progress);
        return;
    }
    made->revision = revision;
    pthread_mutex_lock(&c->mutex);
    struct entry *old = find(c, key, hash); /* of an earlier revision; or two threads have computed it */
    bool is_newest = old == NULL || old->revision <= revision;
    if (is_newest) {
        if (old != NULL)
            drop(c, old);
        insert(c, made);
    }
    pthread_mutex_unlock(&c->mutex);
    if (!is_newest)
        free_entry(made);
}

size_t step_cache_bytes(struct step_cache *c)
{
    pthread_mutex_lock(&c->mutex);
    size_t bytes = c->bytes;
    pthread_mutex_unlock(&c->mutex);
    return bytes;
}

size_t step_cache_entries(struct step_cache *c)
{
    pthread_mutex_lock(&c->mutex);
    size_t entries = c->entries;
    pthread_mutex_unlock(&c->mutex);
    return entries;
}
