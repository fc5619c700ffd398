/*
 * The four properties of every state, on random cases: merging commutes, merging associates, any split into
 * batches in any order gives the same bytes, and packing and unpacking gives them again.
 *
 * make fuzz-properties [CASES=1000000] [SEED=n].  The seed is printed; a run with the same seed does the
 * same.  A failure names the form, the seed of its block of cases, and what did not hold:
 * properties BLOCK SEED FORM repeats that block alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "state.h"

enum { BLOCK = 1000, BATCHES_MAX = 6, BATCH_BYTES = 2048, STATE_BYTES = 65536 };

struct packed_batch {
    struct batch_key key;
    int64_t samples;
    size_t size;
    uint8_t data[BATCH_BYTES];
};

struct bytes {
    size_t size;
    uint8_t data[STATE_BYTES];
};

static struct run {
    enum form form;
    uint64_t block_seed;
    struct packed_batch batches[BATCHES_MAX];
    size_t n_batches;
    struct state a, b, c, ab, ba, bc, abc, again;
    struct bytes left, right;
} run;

static void check(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "properties: failed: %s; repeat with: properties %d %" PRIu64 " %s\n", what, BLOCK, run.block_seed,
            form_name(run.form));
    exit(1);
}

static void *resize(void *context, void *old, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

/* ---- cases ---- */

static struct shape random_shape(enum form form, uint64_t *seed)
{
    struct shape shape = {.form = form};
    bool has_task = form != FORM_MEAN && form != FORM_EXACT && form != FORM_REGRESSION;
    if (has_task)
        shape.task = (enum task)random_below(seed, 3);
    if (form == FORM_CONFUSION && shape.task == TASK_MULTILABEL)
        shape.task = TASK_MULTICLASS;
    if (has_task && form != FORM_CALIBRATION)
        shape.num_classes = shape.task == TASK_BINARY ? 1 : 1 + (uint32_t)random_below(seed, 6);
    if (form == FORM_SCORES)
        shape.bins = 2 + (uint32_t)random_below(seed, 9);
    if (form == FORM_CALIBRATION)
        shape.bins = 1 + (uint32_t)random_below(seed, 8);
    return shape;
}

static void random_batches(const struct shape *shape, uint64_t *seed)
{
    static struct random_batch random;
    run.n_batches = random_below(seed, BATCHES_MAX + 1);
    for (size_t i = 0; i < run.n_batches; i++) {
        struct packed_batch *b = &run.batches[i];
        b->key = (struct batch_key){(int64_t)random_below(seed, 3), (int64_t)random_below(seed, 1000), (int64_t)i};
        b->samples = random_count(seed, 1000);
        random_batch(&random, shape, seed);
        check(batch_pack(&random.content, b->data, sizeof b->data, &b->size) == OK, "packing a batch");
        check(packed_verify(b->data, b->size) == OK, "verifying a batch");
    }
}

/* ---- operations that must work ---- */

static void add(struct state *s, const struct packed_batch *b)
{
    check(state_add_packed(s, &b->key, b->samples, 1, b->data, b->size) == OK, "adding a batch");
}

static void merge(struct state *into, struct state *from)
{
    check(state_merge(into, from) == OK, "merging");
}

static void merge_two(struct state *out, struct state *first, struct state *second)
{
    state_clear(out);
    merge(out, first);
    merge(out, second);
}

static void pack(struct state *s, struct bytes *out)
{
    check(state_is_valid(s), "the invariants");
    check(state_pack(s, out->data, sizeof out->data, &out->size) == OK, "packing a sum");
}

static void check_same(struct state *a, struct state *b, const char *what)
{
    pack(a, &run.left);
    pack(b, &run.right);
    check(run.left.size == run.right.size && memcmp(run.left.data, run.right.data, run.left.size) == 0 &&
              a->batches == b->batches && a->samples == b->samples,
          what);
}

/* ---- the properties ---- */

static void run_case(const struct shape *shape, uint64_t *seed)
{
    struct state *const parts[] = {&run.a, &run.b, &run.c};
    size_t order[BATCHES_MAX];
    random_batches(shape, seed);
    for (size_t i = 0; i < 3; i++)
        state_clear(parts[i]);
    for (size_t i = 0; i < run.n_batches; i++) {
        add(parts[random_below(seed, 3)], &run.batches[i]);
        order[i] = i;
    }
    merge_two(&run.ab, &run.a, &run.b);
    merge_two(&run.ba, &run.b, &run.a);
    check_same(&run.ab, &run.ba, "a + b = b + a");

    merge(&run.ab, &run.c);
    merge_two(&run.bc, &run.b, &run.c);
    merge_two(&run.abc, &run.a, &run.bc);
    check_same(&run.ab, &run.abc, "(a + b) + c = a + (b + c)");

    state_clear(&run.abc);
    shuffle(order, run.n_batches, seed);
    for (size_t i = 0; i < run.n_batches; i++)
        add(&run.abc, &run.batches[order[i]]);
    check_same(&run.ab, &run.abc, "any split in any order");

    state_clear(&run.again);
    check(packed_verify(run.left.data, run.left.size) == OK, "verifying a sum");
    check(state_add_packed(&run.again, NULL, run.ab.samples, run.ab.batches, run.left.data, run.left.size) == OK,
          "adding a packed sum");
    check_same(&run.ab, &run.again, "pack and unpack");
}

static void run_block(enum form form, uint64_t seed, uint64_t n_cases)
{
    struct state *const all[] = {&run.a, &run.b, &run.c, &run.ab, &run.ba, &run.bc, &run.abc, &run.again};
    run.form = form;
    run.block_seed = seed;
    struct shape shape = random_shape(form, &seed);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check(state_init(all[i], &shape, true, (struct memory){resize, NULL}) == OK, "making a state");
    for (uint64_t i = 0; i < n_cases; i++)
        run_case(&shape, &seed);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        state_release(all[i]);
}

int main(int argc, char **argv)
{
    uint64_t n_cases = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 1000003;
    const char *only = argc > 3 ? argv[3] : NULL;
    for (enum form form = FORM_TOTALS; form_name(form) != NULL; form++) {
        clock_t start = clock();
        if (only != NULL && strcmp(only, form_name(form)) != 0)
            continue;
        for (uint64_t done = 0; done < n_cases; done += BLOCK)
            run_block(form, seed + done, n_cases - done < BLOCK ? n_cases - done : BLOCK);
        printf("%-12s %" PRIu64 " cases, seed %" PRIu64 ": 4 properties hold (%.0f s)\n", form_name(form), n_cases,
               seed, (double)(clock() - start) / CLOCKS_PER_SEC);
        fflush(stdout);
    }
    return 0;
}
