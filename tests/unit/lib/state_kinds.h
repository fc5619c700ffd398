#ifndef STATE_KINDS_H
#define STATE_KINDS_H

#include "support.h"

/* States of every kind, and their random batches, for the tests of what all of them keep. */

struct sample {
    const char *name;
    struct shape shape;
};

enum { N_KINDS = 19, N_BATCHES = 40 };
extern const struct sample KINDS[N_KINDS];

/* A batch with its place. */
struct batch {
    struct batch_key key;
    int64_t samples;
    struct bytes packed;
};

struct batch batch_at(const struct shape *shape, size_t i, uint64_t *seed); /* random; its key depends on i */
void random_batches(const struct shape *shape, struct batch batches[N_BATCHES], uint64_t *seed);
void free_batches(struct batch batches[N_BATCHES]);

/* All of these assert OK. */
void new_state(struct state *s, const struct shape *shape);
void add(struct state *s, const struct batch *b);
void copy(struct state *out, struct state *s);

bool same(struct state *a, struct state *b); /* the same bytes and the same columns beside them; both valid */

#endif
