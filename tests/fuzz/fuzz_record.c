/*
 * Any body of records: refused with a problem, or decoded into states that lib/ takes.  The first byte
 * chooses what the rest is.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode_run.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *resize(void *context, void *old, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

static void check_measure(const struct record *r, const struct measure *m)
{
    struct state s = {0};
    assert(packed_verify(m->state, m->state_size) == OK);
    assert(m->samples >= 0 && m->correct >= 0);
    if (state_init(&s, &m->shape, false, (struct memory){resize, NULL}) != OK)
        abort();
    if (state_add_packed(&s, &r->key, m->samples, 1, m->state, m->state_size) != OK)
        abort();
    assert(state_is_valid(&s));
    assert(m->shape.form == FORM_MEAN || s.counts.correct == m->correct);
    state_release(&s);
}

static void fuzz_records(const char *body, size_t size, enum body_kind kind, const struct limits *l)
{
    struct arena arena;
    struct record_list list = {0};
    struct problem p = {0};
    arena_init(&arena);
    int rc = decode_records(body, size, kind, l, &arena, &list, &p);
    assert(rc == p.code);
    assert(rc == OK || p.n_places == 1);
    assert(rc != PROBLEM_INTERNAL);
    for (size_t i = 0; i < list.n_records; i++)
        for (size_t k = 0; k < list.records[i].n_measures; k++)
            check_measure(&list.records[i], &list.records[i].measures[k]);
    arena_release(&arena);
}

static void fuzz_run(const char *body, size_t size, const struct limits *l)
{
    struct arena arena;
    struct run_change change;
    struct rewind_cut cut;
    struct problem p = {0};
    arena_init(&arena);
    int rc = decode_run_patch(body, size, l, &arena, &change, &p);
    assert(rc == p.code && rc != PROBLEM_INTERNAL);
    rc = decode_rewind(body, size, &arena, &cut, NULL);
    assert(rc != PROBLEM_INTERNAL);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct limits l;
    limits_default(&l);
    l.classes = 64;
    l.dense_classes = 8;
    l.records_per_request = 20;
    if (size == 0)
        return 0;
    const char *body = (const char *)data + 1;
    if (data[0] % 4 == 0)
        fuzz_run(body, size - 1, &l);
    else
        fuzz_records(body, size - 1, data[0] % 4 == 1 ? BODY_NDJSON : BODY_JSON, &l);
    return 0;
}
