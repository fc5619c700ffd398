/**
 * Sets of a few buckets each, every set with its own lock.
 *
 * Invariants, under a set's mutex: level <= burst as of at_us; a bucket whose key is 0 is free (no key hashes to 0).
 */
#include <pthread.h>
#include <stdlib.h>

#include "crypto.h"
#include "rate_table.h"

enum { SETS = 512, WAYS = 8 };

struct bucket {
    uint64_t key;
    double level;
    int64_t at_us; /* when level was true */
    bool is_dry;   /* refused last time */
};

struct set {
    pthread_mutex_t mutex;
    struct bucket bucket[WAYS];
};

struct rate_table {
    uint64_t secret[2];
    struct set set[SETS];
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

int rate_table_new(struct rate_table **out, struct problem *p)
{
    struct rate_table *t = calloc(1, sizeof *t);

    if (t == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    if (crypto_random(t->secret, sizeof t->secret) != OK) {
        free(t);
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no random bytes");
    }
    for (int i = 0; i < SETS; i++)
        pthread_mutex_init(&t->set[i].mutex, NULL);
    *out = t;
    return OK;
}

void rate_table_free(struct rate_table *t)
{
    if (t == NULL)
        return;
    for (int i = 0; i < SETS; i++)
        pthread_mutex_destroy(&t->set[i].mutex);
    free(t);
}

/* The key's bucket, filled up to now.  Called with the set's mutex held. */
static struct bucket *find(struct set *s, uint64_t key, const struct rate *rate, int64_t now_us)
{
    struct bucket *oldest = &s->bucket[0];

    for (int i = 0; i < WAYS; i++) {
        struct bucket *b = &s->bucket[i];
        if (b->key == key) {
            if (now_us > b->at_us) {
                b->level += (double)(now_us - b->at_us) * rate->per_s / 1e6;
                b->at_us = now_us;
            }
            if (b->level > rate->burst)
                b->level = rate->burst;
            return b;
        }
        if (b->key == 0 || (oldest->key != 0 && b->at_us < oldest->at_us))
            oldest = b;
    }
    *oldest = (struct bucket){.key = key, .level = rate->burst, .at_us = now_us};
    return oldest;
}

static struct set *set_of(struct rate_table *t, uint64_t *key)
{
    *key = mix(mix(*key ^ t->secret[0]) + t->secret[1]);
    if (*key == 0)
        *key = 1;
    return &t->set[*key % SETS];
}

int64_t rate_take(struct rate_table *t, uint64_t key, const struct rate *rate, double n, int64_t now_us, bool *is_first)
{
    struct set *s = set_of(t, &key);
    int64_t wait_us = 0;

    pthread_mutex_lock(&s->mutex);
    struct bucket *b = find(s, key, rate, now_us);
    /* one is needed, so that a stream of small requests is not let in a crumb at a time */
    if (b->level >= 1)
        b->level -= n;
    else
        wait_us = (int64_t)((1 - b->level) / rate->per_s * 1e6) + 1;
    if (is_first != NULL)
        *is_first = wait_us > 0 && !b->is_dry;
    if (n > 0)
        b->is_dry = wait_us > 0;
    pthread_mutex_unlock(&s->mutex);
    return wait_us;
}

void rate_charge(struct rate_table *t, uint64_t key, const struct rate *rate, double n, int64_t now_us)
{
    struct set *s = set_of(t, &key);

    pthread_mutex_lock(&s->mutex);
    find(s, key, rate, now_us)->level -= n;
    pthread_mutex_unlock(&s->mutex);
}
