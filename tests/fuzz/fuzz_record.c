/*
 * Any body of records: refused with a problem, or decoded into states that lib/ takes and that the export
 * prints back.  The first byte says whether the rest is one JSON text or NDJSON.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encode_record.h"
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

static int decode(const char *body, size_t size, enum body_kind kind, const struct limits *l, struct arena *arena,
                  struct record_list *list)
{
    struct problem p = {0};
    int rc = decode_records(body, size, kind, l, arena, list, &p);
    assert(rc == p.code);
    assert(rc == OK || p.n_places == 1);
    assert(rc != PROBLEM_INTERNAL);
    return rc;
}

/* Printed and read again it is the same bytes. */
static void check_export(const struct measure *m, struct state *s)
{
    struct buffer out;
    struct json_writer w;
    struct arena arena;
    struct record_list list = {0};
    struct limits l;
    limits_default(&l);
    buffer_init(&out);
    arena_init(&arena);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    static const char *const keys[] = {"epoch", "step"};
    json_key(&w, "stage");
    json_string(&w, "t");
    for (int i = 0; i < 2; i++) {
        json_key(&w, keys[i]);
        json_int(&w, 0);
    }
    json_key(&w, "task");
    json_string(&w, task_name(m->shape.task));
    int status = form_kind(m->shape.form) == KIND_COUNTS ? encode_counts(&w, s)
                                                         : encode_state(&w, &m->shape, s, m->state, m->state_size);
    assert(status == OK);
    if (m->samples <= INT64_C(9007199254740991)) {
        json_key(&w, "samples");
        json_int(&w, m->samples);
    }
    json_object_end(&w);
    assert(!out.failed);
    if (decode(out.data, out.size, BODY_JSON, &l, &arena, &list) != OK)
        abort();
    const struct measure *again = list.records[0].measures;
    assert(list.n_records == 1 && list.records[0].n_measures == 1);
    assert(again->samples == m->samples && again->state_size == m->state_size);
    assert(memcmp(again->state, m->state, m->state_size) == 0);
    arena_release(&arena);
    buffer_release(&out);
}

static void check_measure(const struct record *r, const struct measure *m)
{
    struct state s = {0};
    assert(packed_verify(m->state, m->state_size) == OK);
    assert(m->samples >= 0 && m->correct >= 0);
    if (state_init(&s, &m->shape, true, (struct memory){resize, NULL}) != OK)
        abort();
    if (state_add_packed(&s, &r->key, m->samples, 1, m->state, m->state_size) != OK)
        abort();
    assert(state_is_valid(&s));
    assert(m->correct == (form_kind(m->shape.form) == KIND_COUNTS ? s.counts.correct : 0));
    if (form_kind(m->shape.form) != KIND_MEAN)
        check_export(m, &s);
    state_release(&s);
}

static void fuzz_records(const char *body, size_t size, enum body_kind kind, const struct limits *l)
{
    struct arena arena;
    struct record_list list = {0};
    arena_init(&arena);
    if (decode(body, size, kind, l, &arena, &list) != OK)
        list.n_records = 0;
    for (size_t i = 0; i < list.n_records; i++)
        for (size_t k = 0; k < list.records[i].n_measures; k++)
            check_measure(&list.records[i], &list.records[i].measures[k]);
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
    enum body_kind kind = data[0] % 2 == 1 ? BODY_NDJSON : BODY_JSON; /* as differential_check() reads it */
    fuzz_records((const char *)data + 1, size - 1, kind, &l);
    return 0;
}
