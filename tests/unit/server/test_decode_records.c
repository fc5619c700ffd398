#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

#define AT "\"stage\":\"test\",\"epoch\":1,\"step\":2"

static struct limits small_limits(void)
{
    struct limits l;
    limits_default(&l);
    l.classes = 8;
    l.dense_classes = 4;
    l.records_per_request = 5;
    return l;
}

/* In an exact copy, so that a byte read too far is seen by ASan. */
static int decode(const char *body, enum body_kind kind, struct arena *arena, struct record_list *out,
                  struct problem *p)
{
    struct limits l = small_limits();
    size_t size = strlen(body);
    char *copy = malloc(size + (size == 0));
    memcpy(copy, body, size);
    memset(p, 0, sizeof *p);
    int rc = decode_records(copy, size, kind, &l, arena, out, p);
    free(copy);
    return rc;
}

Test(decode_records, bad_records_are_refused_with_code_and_pointer)
{
    static const struct {
        const char *body;
        int code;
        const char *pointer;
    } rows[] = {
        /* bodies */
        {"", PROBLEM_MALFORMED, ""},
        {" \n", PROBLEM_MALFORMED, ""},
        {"[]", PROBLEM_INVALID, ""},
        {"[", PROBLEM_MALFORMED, ""},
        {"null", PROBLEM_INVALID, ""},
        {"\"x\"", PROBLEM_INVALID, ""},
        {"[1]", PROBLEM_INVALID, "/0"},
        {"[[]]", PROBLEM_INVALID, "/0"},
        {"{" AT ",\"correct\":1,\"total\":1} x", PROBLEM_MALFORMED, ""},
        {"[{" AT ",\"correct\":1,\"total\":1}", PROBLEM_MALFORMED, "/0"},
        {"[{" AT ",\"correct\":1,\"total\":1},{" AT ",\"correct\":3,\"total\":1}]", PROBLEM_INVALID, "/1/correct"},
        {"{" AT ",\"total\":1,\"total\":1,\"correct\":1}", PROBLEM_MALFORMED, "/total"},
        /* fields */
        {"{" AT ",\"corect\":1,\"total\":1}", PROBLEM_UNKNOWN_FIELD, "/corect"},
        {"{" AT ",\"a/b\":1}", PROBLEM_UNKNOWN_FIELD, "/a~1b"},
        {"{\"epoch\":1,\"step\":1,\"correct\":1,\"total\":1}", PROBLEM_INVALID, "/stage"},
        {"{\"stage\":\"t\",\"step\":1,\"correct\":1,\"total\":1}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":1,\"correct\":1,\"total\":1}", PROBLEM_INVALID, "/step"},
        {"{\"stage\":\"\",\"epoch\":1}", PROBLEM_INVALID, "/stage"},
        {"{\"stage\":\"a b\",\"epoch\":1}", PROBLEM_INVALID, "/stage"},
        {"{\"stage\":\"-a\",\"epoch\":1}", PROBLEM_INVALID, "/stage"},
        {"{\"stage\":3,\"epoch\":1}", PROBLEM_INVALID, "/stage"},
        {"{\"stage\":\"0123456789012345678901234567890123456789012345678901234567890123x\"}", PROBLEM_INVALID,
         "/stage"},
        {"{\"stage\":\"t\",\"epoch\":-1}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":1.5}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":9007199254740992}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":1e400}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":\"1\"}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":null}", PROBLEM_INVALID, "/epoch"},
        {"{\"stage\":\"t\",\"epoch\":01}", PROBLEM_MALFORMED, "/epoch"},
        {"{" AT ",\"rank\":65536}", PROBLEM_INVALID, "/rank"},
        {"{" AT ",\"rank\":-1}", PROBLEM_INVALID, "/rank"},
        {"{" AT ",\"time\":-5}", PROBLEM_INVALID, "/time"},
        {"{" AT ",\"attempt\":\"\"}", PROBLEM_INVALID, "/attempt"},
        {"{" AT ",\"attempt\":\"a\\u0007\"}", PROBLEM_INVALID, "/attempt"},
        {"{" AT ",\"attempt\":\"a\\u0085\"}", PROBLEM_INVALID, "/attempt"},
        {"{" AT ",\"attempt\":7}", PROBLEM_INVALID, "/attempt"},
        {"{" AT ",\"task\":\"multi\"}", PROBLEM_INVALID, "/task"},
        {"{" AT ",\"name\":\"a b\"}", PROBLEM_INVALID, "/name"},
        {"{" AT ",\"name\":\"/a\"}", PROBLEM_INVALID, "/name"},
        {"{" AT "}", PROBLEM_INVALID, ""},
        {"{" AT ",\"sums\":{}}", PROBLEM_INVALID, ""},
        /* what speaks of counts where there are none */
        {"{" AT ",\"samples\":3,\"values\":{\"lr\":1}}", PROBLEM_INVALID, "/samples"},
        {"{" AT ",\"num_classes\":3,\"values\":{\"lr\":1}}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"name\":\"x\",\"values\":{\"lr\":1}}", PROBLEM_INVALID, "/name"},
        {"{" AT ",\"task\":\"binary\",\"values\":{\"lr\":1}}", PROBLEM_INVALID, "/task"},
        /* (a) totals */
        {"{" AT ",\"correct\":1}", PROBLEM_INVALID, "/total"},
        {"{" AT ",\"total\":1}", PROBLEM_INVALID, "/correct"},
        {"{" AT ",\"correct\":2,\"total\":1}", PROBLEM_INVALID, "/correct"},
        {"{" AT ",\"correct\":-1,\"total\":1}", PROBLEM_INVALID, "/correct"},
        {"{" AT ",\"correct\":1,\"total\":9007199254740993}", PROBLEM_INVALID, "/total"},
        {"{" AT ",\"correct\":1,\"total\":4,\"samples\":3}", PROBLEM_INVALID, "/samples"},
        {"{" AT ",\"correct\":1,\"total\":4,\"samples\":4.5}", PROBLEM_INVALID, "/samples"},
        {"{" AT ",\"correct\":1,\"total\":4,\"num_classes\":9}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"correct\":1,\"total\":4,\"num_classes\":0}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"correct\":1,\"total\":4,\"task\":\"binary\",\"num_classes\":3}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"correct\":1,\"total\":4,\"task\":\"multilabel\",\"num_classes\":3}", PROBLEM_INVALID, "/samples"},
        /* (b) per class */
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0]}", PROBLEM_INVALID, "/fn"},
        {"{" AT ",\"tn\":[1,2]}", PROBLEM_INVALID, "/tp"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0],\"fn\":[0,0]}", PROBLEM_INVALID, "/fp"},
        {"{" AT ",\"tp\":[],\"fp\":[],\"fn\":[]}", PROBLEM_INVALID, "/tp"},
        {"{" AT ",\"tp\":[1,-2],\"fp\":[0,0],\"fn\":[0,0]}", PROBLEM_INVALID, "/tp/1"},
        {"{" AT ",\"tp\":[1,2,0,0,0,0,0,0,0]}", PROBLEM_INVALID, "/tp/8"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,3],\"fn\":[0,0]}", PROBLEM_INVALID, "/fp/1"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"tn\":[2,2]}", PROBLEM_INVALID, "/tn/1"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"total\":4}", PROBLEM_INVALID, "/total"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"correct\":2}", PROBLEM_INVALID, "/correct"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"num_classes\":3}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"samples\":2}", PROBLEM_INVALID, "/samples"},
        {"{" AT ",\"task\":\"binary\",\"tp\":[1],\"fp\":[0],\"fn\":[0]}", PROBLEM_INVALID, "/tn"},
        {"{" AT ",\"task\":\"binary\",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"tn\":[0,0]}", PROBLEM_INVALID, "/tp"},
        {"{" AT ",\"task\":\"multilabel\",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0]}", PROBLEM_INVALID, "/tn"},
        {"{" AT ",\"task\":\"multilabel\",\"tp\":[1,2],\"fp\":[0,0],\"fn\":[0,0],\"tn\":[1,1]}", PROBLEM_INVALID,
         "/samples"},
        {"{" AT ",\"tp\":[1],\"fp\":[0],\"fn\":[0],\"cells\":[]}", PROBLEM_INVALID, "/cells"},
        {"{" AT ",\"confusion\":[[1]],\"classes\":[]}", PROBLEM_INVALID, "/classes"},
        /* (c) a matrix */
        {"{" AT ",\"confusion\":[]}", PROBLEM_INVALID, "/confusion"},
        {"{" AT ",\"confusion\":[[]]}", PROBLEM_INVALID, "/confusion/0"},
        {"{" AT ",\"confusion\":[1]}", PROBLEM_INVALID, "/confusion/0"},
        {"{" AT ",\"confusion\":[[1,2],[3]]}", PROBLEM_INVALID, "/confusion/1"},
        {"{" AT ",\"confusion\":[[1,2]]}", PROBLEM_INVALID, "/confusion"},
        {"{" AT ",\"confusion\":[[1,2],[3,4],[5,6]]}", PROBLEM_INVALID, "/confusion/2"},
        {"{" AT ",\"confusion\":[[1,2,3,4,5]]}", PROBLEM_INVALID, "/confusion/0/4"},
        {"{" AT ",\"confusion\":[[1,2],[3,4.5]]}", PROBLEM_INVALID, "/confusion/1/1"},
        {"{" AT ",\"confusion\":[[1,2],[3,4]],\"num_classes\":3}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"task\":\"binary\",\"confusion\":[[1,0,0],[0,0,0],[0,0,0]]}", PROBLEM_INVALID, "/confusion"},
        {"{" AT ",\"task\":\"multilabel\",\"confusion\":[[1,2],[3,4]]}", PROBLEM_INVALID, "/confusion"},
        {"{" AT ",\"confusion\":[[1,2],[3,4]],\"total\":11}", PROBLEM_INVALID, "/total"},
        /* (d) cells */
        {"{" AT ",\"cells\":[[0,0,1]]}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[0,0]]}", PROBLEM_INVALID, "/cells/0"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[0,0,1,1]]}", PROBLEM_INVALID, "/cells/0/3"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[0,1,1],[0,2,1]]}", PROBLEM_INVALID, "/cells/1/1"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[2,0,1]]}", PROBLEM_INVALID, "/cells/0/0"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[99,0,1]]}", PROBLEM_INVALID, "/cells/0/0"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[0,0,-1]]}", PROBLEM_INVALID, "/cells/0/2"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[1,0,1],[0,0,1],[1,0,2]]}", PROBLEM_INVALID, "/cells/2"},
        {"{" AT ",\"num_classes\":2,\"cells\":[[0,0,0],[0,0,1]]}", PROBLEM_INVALID, "/cells/1"},
        {"{" AT ",\"num_classes\":2,\"cells\":[1]}", PROBLEM_INVALID, "/cells/0"},
        {"{" AT ",\"task\":\"multilabel\",\"num_classes\":2,\"cells\":[]}", PROBLEM_INVALID, "/cells"},
        {"{" AT ",\"task\":\"binary\",\"cells\":[[0,2,1]]}", PROBLEM_INVALID, "/cells/0/1"},
        /* (e) classes */
        {"{" AT ",\"classes\":[[0,1,0,0]]}", PROBLEM_INVALID, "/num_classes"},
        {"{" AT ",\"num_classes\":2,\"classes\":[[0,1,0]]}", PROBLEM_INVALID, "/classes/0"},
        {"{" AT ",\"num_classes\":2,\"classes\":[[2,1,0,0]]}", PROBLEM_INVALID, "/classes/0/0"},
        {"{" AT ",\"num_classes\":2,\"classes\":[[1,1,0,0],[0,1,0,0],[1,1,0,0]]}", PROBLEM_INVALID, "/classes/2/0"},
        {"{" AT ",\"num_classes\":2,\"classes\":[[0,1,1,0]]}", PROBLEM_INVALID, "/classes/0/2"},
        {"{" AT ",\"num_classes\":2,\"classes\":[[0,1,0,0]],\"total\":3}", PROBLEM_INVALID, "/total"},
        {"{" AT ",\"task\":\"binary\",\"classes\":[[0,1,1,0]]}", PROBLEM_INVALID, "/total"},
        {"{" AT ",\"task\":\"binary\",\"classes\":[[0,1,1,0]],\"total\":1}", PROBLEM_INVALID, "/classes/0"},
        {"{" AT ",\"task\":\"binary\",\"classes\":[[1,1,1,0]],\"total\":3}", PROBLEM_INVALID, "/classes/0/0"},
        {"{" AT ",\"task\":\"multilabel\",\"num_classes\":2,\"classes\":[[1,1,1,0]],\"total\":3}", PROBLEM_INVALID,
         "/total"},
        {"{" AT ",\"task\":\"multilabel\",\"num_classes\":2,\"classes\":[[1,1,1,0]],\"total\":2}", PROBLEM_INVALID,
         "/classes/0"},
        {"{" AT ",\"task\":\"multilabel\",\"num_classes\":2,\"classes\":[[1,1,1,0]]}", PROBLEM_INVALID, "/total"},
        /* sums and values */
        {"{" AT ",\"sums\":[]}", PROBLEM_INVALID, "/sums"},
        {"{" AT ",\"sums\":{\"loss\":1}}", PROBLEM_INVALID, "/sums/loss"},
        {"{" AT ",\"sums\":{\"loss\":[]}}", PROBLEM_INVALID, "/sums/loss"},
        {"{" AT ",\"sums\":{\"loss\":[1]}}", PROBLEM_INVALID, "/sums/loss"},
        {"{" AT ",\"sums\":{\"loss\":[1,2,3]}}", PROBLEM_INVALID, "/sums/loss"},
        {"{" AT ",\"sums\":{\"loss\":[1,2,3,4,5]}}", PROBLEM_INVALID, "/sums/loss/4"},
        {"{" AT ",\"sums\":{\"loss\":[1,-2]}}", PROBLEM_INVALID, "/sums/loss/1"},
        {"{" AT ",\"sums\":{\"loss\":[1,0]}}", PROBLEM_INVALID, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"loss\":[1e308,1e-300]}}", PROBLEM_INVALID, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"loss\":[1,2,5,4]}}", PROBLEM_INVALID, "/sums/loss/2"},
        {"{" AT ",\"sums\":{\"loss\":[\"nan\",2]}}", PROBLEM_INVALID, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"loss\":[NaN,2]}}", PROBLEM_MALFORMED, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"loss\":[null,2]}}", PROBLEM_INVALID, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"loss\":[1e400,2]}}", PROBLEM_INVALID, "/sums/loss/0"},
        {"{" AT ",\"sums\":{\"a b\":[1,2]}}", PROBLEM_INVALID, "/sums/a b"},
        {"{" AT ",\"sums\":{\"a/b\":[1,0]}}", PROBLEM_INVALID, "/sums/a~1b/0"},
        {"{" AT ",\"sums\":{\"a\":[1,1],\"a\":[1,1]}}", PROBLEM_MALFORMED, "/sums/a"},
        {"{" AT ",\"sums\":{\"\":[1,2]}}", PROBLEM_INVALID, "/sums/"},
        {"{" AT ",\"values\":{\"lr\":\"x\"}}", PROBLEM_INVALID, "/values/lr"},
        {"{" AT ",\"values\":{\"lr\":[1,1]}}", PROBLEM_INVALID, "/values/lr"},
        {"{" AT ",\"values\":{\"lr\":true}}", PROBLEM_INVALID, "/values/lr"},
        {"{" AT ",\"sums\":{\"a\":[1,1]},\"values\":{\"b\":1,\"a\":1}}", PROBLEM_INVALID, "/values/a"},
        {"{" AT ",\"values\":{\"b\":1,\"a/x\":1},\"sums\":{\"a/x\":[1,1]}}", PROBLEM_INVALID, "/values/a~1x"},
        {"{" AT ",\"correct\":1,\"total\":1,\"sums\":{\"main\":[1,1]}}", PROBLEM_INVALID, "/sums/main"},
        {"{" AT ",\"correct\":1,\"total\":1,\"name\":\"x\",\"values\":{\"x\":1}}", PROBLEM_INVALID, "/values/x"},
        /* overflow of a record's own sum needs more classes than these limits have: see the next test */
        {"[{" AT ",\"values\":{\"a\":1}},{" AT ",\"values\":{\"a\":1}},{" AT ",\"values\":{\"a\":1}},{" AT
         ",\"values\":{\"a\":1}},{" AT ",\"values\":{\"a\":1}},{" AT ",\"values\":{\"a\":1}}]",
         PROBLEM_TOO_LARGE, "/5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out = {0};
        struct problem p;
        arena_init(&arena);
        int rc = decode(rows[i].body, BODY_JSON, &arena, &out, &p);
        cr_assert_eq(rc, rows[i].code, "%s: %d %s", rows[i].body, rc, p.detail);
        cr_assert_eq(p.n_places, 1, "%s", rows[i].body);
        cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "%s: %s %s", rows[i].body, p.places[0].pointer,
                         p.detail);
        cr_assert_eq(out.n_records, 0);
        arena_release(&arena);
    }
}

Test(decode_records, sums_above_63_bits_are_count_overflow)
{
    static const char *const forms[] = {
        "\"tp\":%s,\"fp\":%z,\"fn\":%z",
        "\"task\":\"multilabel\",\"samples\":1,\"tp\":%z,\"fp\":%s,\"fn\":%z,\"tn\":%z"};
    struct limits l;
    limits_default(&l);
    l.classes = 2000;
    char *body = malloc(200000);
    for (size_t f = 0; f < 2; f++) {
        size_t n = (size_t)sprintf(body, "{" AT ",");
        for (const char *s = forms[f]; *s != '\0'; s++) {
            if (*s != '%') {
                body[n++] = *s;
                continue;
            }
            s++;
            for (int i = 0; i < 2000; i++)
                n += (size_t)sprintf(body + n, "%s%s", i == 0 ? "[" : ",", *s == 's' ? "9007199254740991" : "0");
            body[n++] = ']';
        }
        body[n++] = '}';
        struct arena arena;
        struct record_list out;
        struct problem p = {0};
        arena_init(&arena);
        cr_assert_eq(decode_records(body, n, BODY_JSON, &l, &arena, &out, &p), PROBLEM_COUNT_OVERFLOW, "%s", p.detail);
        cr_assert_str_eq(p.places[0].pointer, "/tp");
        arena_release(&arena);
    }
    free(body);
}

/* What one measure says, unpacked by lib/. */
static void expect_state(const char *body, const struct measure *m, int64_t samples, int64_t correct, int64_t total,
                         const char *classes)
{
    struct state s = {0};
    struct batch_key key = {1, 2, 0};
    char got[256] = "";
    size_t used = 0;
    cr_assert_eq(packed_verify(m->state, m->state_size), OK, "%s", body);
    extern struct memory test_memory;
    cr_assert_eq(state_init(&s, &m->shape, false, test_memory), OK);
    cr_assert_eq(state_add_packed(&s, &key, m->samples, 1, m->state, m->state_size), OK);
    cr_assert(state_is_valid(&s), "%s", body);
    cr_assert_eq(s.samples, samples, "%s: %lld", body, (long long)s.samples);
    cr_assert_eq(m->samples, samples);
    cr_assert_eq(m->correct, correct, "%s", body);
    cr_assert_eq(s.counts.correct, correct, "%s", body);
    cr_assert_eq(s.counts.total, total, "%s", body);
    for (uint32_t c = 0; s.counts.classes != NULL && c < m->shape.num_classes; c++) {
        const struct class_counts *k = &s.counts.classes[c];
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%lld %lld %lld %lld", c == 0 ? "" : ", ",
                                 (long long)k->tp, (long long)k->fp, (long long)k->fn,
                                 (long long)counts_tn(&s.counts, m->shape.task, c));
    }
    cr_assert_str_eq(got, classes, "%s: %s", body, got);
    state_release(&s);
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
struct memory test_memory = {resize, NULL};

Test(decode_records, every_form_says_the_same_counts)
{
    static const struct {
        const char *body;
        enum form form;
        enum task task;
        uint32_t num_classes;
        int64_t samples, correct, total;
        const char *classes;
        const char *field;
    } rows[] = {
        {"\"correct\":27,\"total\":32", FORM_TOTALS, TASK_MULTICLASS, 0, 32, 27, 32, "", "correct"},
        {"\"correct\":27.0,\"total\":3.2e1", FORM_TOTALS, TASK_MULTICLASS, 0, 32, 27, 32, "", "correct"},
        {"\"correct\":0,\"total\":0", FORM_TOTALS, TASK_MULTICLASS, 0, 0, 0, 0, "", "correct"},
        {"\"correct\":27,\"total\":32,\"num_classes\":3,\"samples\":40", FORM_TOTALS, TASK_MULTICLASS, 3, 40, 27, 32,
         "", "correct"},
        {"\"correct\":27,\"total\":32,\"task\":\"binary\"", FORM_TOTALS, TASK_BINARY, 1, 32, 27, 32, "", "correct"},
        {"\"correct\":27,\"total\":32,\"task\":\"binary\",\"num_classes\":2", FORM_TOTALS, TASK_BINARY, 1, 32, 27, 32,
         "", "correct"},
        {"\"correct\":27,\"total\":32,\"task\":\"multilabel\"", FORM_TOTALS, TASK_MULTILABEL, 0, 32, 27, 32, "",
         "correct"},
        {"\"correct\":27,\"total\":32,\"task\":\"multilabel\",\"num_classes\":4", FORM_TOTALS, TASK_MULTILABEL, 4, 8,
         27, 32, "", "correct"},
        {"\"correct\":27,\"total\":33,\"task\":\"multilabel\",\"num_classes\":4,\"samples\":9", FORM_TOTALS,
         TASK_MULTILABEL, 4, 9, 27, 33, "", "correct"},
        {"\"tp\":[3,2],\"fp\":[1,1],\"fn\":[1,1]", FORM_CLASSES, TASK_MULTICLASS, 2, 7, 5, 7, "3 1 1 2, 2 1 1 3", "tp"},
        {"\"tn\":[2,3],\"fn\":[1,1],\"fp\":[1,1],\"tp\":[3,2],\"total\":7,\"correct\":5,\"num_classes\":2,\"samples\":"
         "9",
         FORM_CLASSES, TASK_MULTICLASS, 2, 9, 5, 7, "3 1 1 2, 2 1 1 3", "tp"},
        {"\"tp\":[3,2],\"fp\":[0,0],\"fn\":[1,1]", FORM_CLASSES, TASK_MULTICLASS, 2, 7, 5, 7, "3 0 1 3, 2 0 1 4", "tp"},
        {"\"num_classes\":2,\"classes\":[[1,2,1,1],[0,3,1,1]],\"total\":7", FORM_CLASSES, TASK_MULTICLASS, 2, 7, 5, 7,
         "3 1 1 2, 2 1 1 3", "classes"},
        {"\"num_classes\":3,\"classes\":[]", FORM_CLASSES, TASK_MULTICLASS, 3, 0, 0, 0, "0 0 0 0, 0 0 0 0, 0 0 0 0",
         "classes"},
        {"\"confusion\":[[3,1],[1,2]]", FORM_CONFUSION, TASK_MULTICLASS, 2, 7, 5, 7, "3 1 1 2, 2 1 1 3", "confusion"},
        {"\"num_classes\":2,\"cells\":[[1,1,2],[0,1,1],[1,0,1],[0,0,3]]", FORM_CONFUSION, TASK_MULTICLASS, 2, 7, 5, 7,
         "3 1 1 2, 2 1 1 3", "cells"},
        {"\"num_classes\":2,\"cells\":[]", FORM_CONFUSION, TASK_MULTICLASS, 2, 0, 0, 0, "0 0 0 0, 0 0 0 0", "cells"},
        {"\"task\":\"binary\",\"tp\":[3],\"fp\":[1],\"fn\":[2],\"tn\":[4]", FORM_CLASSES, TASK_BINARY, 1, 10, 7, 10,
         "3 1 2 4", "tp"},
        {"\"tp\":[3],\"fp\":[1],\"fn\":[2],\"tn\":[4],\"task\":\"binary\",\"total\":10,\"correct\":7,\"num_classes\":1",
         FORM_CLASSES, TASK_BINARY, 1, 10, 7, 10, "3 1 2 4", "tp"},
        {"\"task\":\"binary\",\"classes\":[[0,3,1,2]],\"total\":10,\"num_classes\":2", FORM_CLASSES, TASK_BINARY, 1, 10,
         7, 10, "3 1 2 4", "classes"},
        {"\"task\":\"binary\",\"classes\":[],\"total\":10", FORM_CLASSES, TASK_BINARY, 1, 10, 10, 10, "0 0 0 10",
         "classes"},
        {"\"task\":\"binary\",\"confusion\":[[4,1],[2,3]]", FORM_CONFUSION, TASK_BINARY, 1, 10, 7, 10, "3 1 2 4",
         "confusion"},
        {"\"task\":\"binary\",\"cells\":[[1,1,3],[0,1,1],[1,0,2],[0,0,4]]", FORM_CONFUSION, TASK_BINARY, 1, 10, 7, 10,
         "3 1 2 4", "cells"},
        {"\"task\":\"multilabel\",\"tp\":[1,2],\"fp\":[1,0],\"fn\":[0,1],\"tn\":[2,1]", FORM_CLASSES, TASK_MULTILABEL,
         2, 4, 6, 8, "1 1 0 2, 2 0 1 1", "tp"},
        {"\"task\":\"multilabel\",\"num_classes\":3,\"classes\":[[2,1,1,0]],\"total\":12", FORM_CLASSES,
         TASK_MULTILABEL, 3, 4, 11, 12, "0 0 0 4, 0 0 0 4, 1 1 0 2", "classes"},
        {"\"task\":\"multilabel\",\"tp\":[1,2],\"fp\":[1,0],\"fn\":[0,1],\"tn\":[2,0],\"samples\":4", FORM_CLASSES,
         TASK_MULTILABEL, 2, 4, 5, 7, "1 1 0 2, 2 0 1 0", "tp"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        struct arena arena;
        struct record_list out = {0};
        struct problem p;
        arena_init(&arena);
        snprintf(body, sizeof body, "{%s," AT "}", rows[i].body);
        cr_assert_eq(decode(body, BODY_JSON, &arena, &out, &p), OK, "%s: %s %s", body, p.places[0].pointer, p.detail);
        cr_assert_eq(out.n_records, 1);
        cr_assert(out.is_single);
        cr_assert_gt(out.bytes, sizeof(struct record));
        const struct record *r = &out.records[0];
        cr_assert_eq(r->n_measures, 1);
        cr_assert_str_eq(r->stage, "test");
        cr_assert(r->key.epoch == 1 && r->key.step == 2 && r->key.rank == 0 && r->time == -1 && r->attempt == NULL);
        cr_assert_str_eq(r->measures[0].name, "main");
        cr_assert_str_eq(r->measures[0].field, rows[i].field);
        cr_assert_eq(r->measures[0].shape.form, rows[i].form, "%s", body);
        cr_assert_eq(r->measures[0].shape.task, rows[i].task, "%s", body);
        cr_assert_eq(r->measures[0].shape.num_classes, rows[i].num_classes, "%s", body);
        expect_state(body, &r->measures[0], rows[i].samples, rows[i].correct, rows[i].total, rows[i].classes);
        arena_release(&arena);
    }
}

/* Dense or sparse, in whatever order: the same bytes, so that a retry in another form is a duplicate. */
Test(decode_records, equal_content_has_equal_bytes)
{
    static const char *const pairs[][2] = {
        {"\"tp\":[3,0,2],\"fp\":[1,0,1],\"fn\":[1,0,1]", "\"num_classes\":3,\"classes\":[[2,2,1,1],[0,3,1,1]]"},
        {"\"confusion\":[[3,1,0],[1,2,0],[0,0,0]]",
         "\"num_classes\":3,\"cells\":[[1,1,2],[1,0,1],[0,0,3],[2,2,0],[0,1,1]]"},
        {"\"task\":\"binary\",\"tp\":[3],\"fp\":[1],\"fn\":[2],\"tn\":[4]",
         "\"task\":\"binary\",\"classes\":[[0,3,1,2]],\"total\":10"},
        {"\"task\":\"binary\",\"confusion\":[[4,1],[2,3]]",
         "\"task\":\"binary\",\"num_classes\":2,\"cells\":[[1,1,3],[1,0,2],[0,1,1],[0,0,4]]"},
        {"\"sums\":{\"loss\":[6,3]}", "\"sums\":{\"loss\":[6.0,3e0,2,2]}"},
        {"\"values\":{\"lr\":0.001}", "\"sums\":{\"lr\":[1e-3,1]}"},
        {"\"values\":{\"lr\":-0.0}", "\"values\":{\"lr\":0}"},
        {"\"values\":{\"lr\":\"NaN\"}", "\"sums\":{\"lr\":[\"Infinity\",3,1,2]}"},
        {"\"sums\":{\"lr\":[1,\"-Infinity\"]}", "\"sums\":{\"lr\":[1,-1,5,\"NaN\"]}"},
        {"\"sums\":{\"lr\":[0,0]}", "\"sums\":{\"lr\":[0,0,1,2]}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct measure m[2];
        struct arena arena;
        arena_init(&arena);
        for (int side = 0; side < 2; side++) {
            char body[512];
            struct record_list out = {0};
            struct problem p;
            snprintf(body, sizeof body, "{" AT ",%s}", pairs[i][side]);
            cr_assert_eq(decode(body, BODY_JSON, &arena, &out, &p), OK, "%s: %s", body, p.detail);
            m[side] = out.records[0].measures[0];
        }
        cr_assert(shape_equal(&m[0].shape, &m[1].shape), "%s", pairs[i][0]);
        cr_assert_eq(m[0].state_size, m[1].state_size, "%s", pairs[i][0]);
        cr_assert_eq(memcmp(m[0].state, m[1].state, m[0].state_size), 0, "%s", pairs[i][0]);
        cr_assert_eq(m[0].samples, m[1].samples);
        arena_release(&arena);
    }
}

Test(decode_records, a_record_with_everything)
{
    static const char body[] =
        "[{\"stage\":\"val.2\",\"epoch\":3,\"step\":9007199254740991,\"rank\":65535,\"correct\":27,\"total\":32,"
        "\"samples\":36,\"task\":\"multiclass\",\"name\":\"head/a\",\"sums\":{\"a/loss\":[41.25,32,0.5,7],\"x\":[0,0]},"
        "\"values\":{\"lr\":0.001,\"g\":\"NaN\"},\"attempt\":\"job-7.1 \xc3\xa9\",\"time\":1763884800000},"
        "{\"stage\":\"train\",\"epoch\":0,\"step\":0,\"values\":{\"l\\u0072\":1}}]";
    struct arena arena;
    struct record_list out = {0};
    struct problem p;
    arena_init(&arena);
    cr_assert_eq(decode(body, BODY_JSON, &arena, &out, &p), OK, "%s %s", p.places[0].pointer, p.detail);
    cr_assert_eq(out.n_records, 2);
    cr_assert_not(out.is_single);
    const struct record *r = &out.records[0];
    cr_assert_str_eq(r->stage, "val.2");
    cr_assert(r->key.epoch == 3 && r->key.step == 9007199254740991 && r->key.rank == 65535);
    cr_assert_eq(r->time, 1763884800000);
    cr_assert_str_eq(r->attempt, "job-7.1 \xc3\xa9");
    cr_assert_eq(r->n_measures, 5);
    static const char *const names[] = {"head/a", "a/loss", "x", "lr", "g"};
    static const char *const fields[] = {"correct", "sums", "sums", "values", "values"};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_str_eq(r->measures[i].name, names[i]);
        cr_assert_str_eq(r->measures[i].field, fields[i]);
        cr_assert_eq(r->measures[i].shape.form, i == 0 ? FORM_TOTALS : FORM_MEAN);
        cr_assert_eq(r->measures[i].samples, i == 0 ? 36 : 0);
        cr_assert_eq(packed_verify(r->measures[i].state, r->measures[i].state_size), OK);
    }
    cr_assert_eq(r->index, 0);
    r = &out.records[1];
    cr_assert(r->index == 1 && r->time == -1 && r->attempt == NULL && r->key.rank == 0);
    cr_assert_str_eq(r->measures[0].name, "lr");
    arena_release(&arena);
}

Test(decode_records, ndjson_is_one_strict_document_a_line)
{
#define R "{" AT ",\"correct\":1,\"total\":1}"
    static const struct {
        const char *body;
        int code;
        size_t n;
        const char *pointer, *detail;
    } rows[] = {
        {R, OK, 1, NULL, NULL},
        {R "\n", OK, 1, NULL, NULL},
        {R "\n" R "\r\n\n \r\n" R, OK, 3, NULL, NULL},
        {"", PROBLEM_INVALID, 0, "", "no records"},
        {"\n\r\n", PROBLEM_INVALID, 0, "", "no records"},
        {R "\n" R R, PROBLEM_MALFORMED, 0, "/1", "at byte 115"},
        {R "\n\n{\"stage\":\n\"x\"}", PROBLEM_MALFORMED, 0, "/1/stage", "at byte 68"},
        {R "\n[" R "]", PROBLEM_INVALID, 0, "/1", "an array"},
        {R "\n{" AT ",\"correct\":2,\"total\":1}", PROBLEM_INVALID, 0, "/1/correct", ""},
        {"{" AT ",\"corect\":2,\"total\":1}\n", PROBLEM_UNKNOWN_FIELD, 0, "/0/corect", "did you mean \"correct\"?"},
        {R "\nx", PROBLEM_MALFORMED, 0, "/1", ""},
        {R "\n" R "\n" R "\n" R "\n" R "\n" R, PROBLEM_TOO_LARGE, 0, "/5", "5 records"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out = {0};
        struct problem p;
        arena_init(&arena);
        cr_assert_eq(decode(rows[i].body, BODY_NDJSON, &arena, &out, &p), rows[i].code, "row %zu: %s", i, p.detail);
        cr_assert_eq(out.n_records, rows[i].n);
        cr_assert_not(out.is_single);
        for (size_t k = 0; k < out.n_records; k++)
            cr_assert_eq(out.records[k].index, k);
        if (rows[i].code != OK) {
            cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "row %zu: %s", i, p.places[0].pointer);
            cr_assert_not_null(strstr(p.detail, rows[i].detail), "row %zu: %s", i, p.detail);
        }
        arena_release(&arena);
    }
}

Test(decode_records, many_series_of_a_request_are_refused_not_stored)
{
    struct limits l = small_limits();
    struct arena arena;
    struct record_list out = {0};
    struct problem p = {0};
    char body[4096];
    arena_init(&arena);
    for (int n = 100; n <= 101; n++) {
        size_t used = (size_t)snprintf(body, sizeof body, "{" AT ",\"values\":{");
        for (int i = 0; i < n; i++)
            used += (size_t)snprintf(body + used, sizeof body - used, "%s\"v%d\":1", i == 0 ? "" : ",", i);
        used += (size_t)snprintf(body + used, sizeof body - used, "},\"sums\":{}}");
        int rc = decode_records(body, used, BODY_JSON, &l, &arena, &out, &p);
        cr_assert_eq(rc, n == 100 ? OK : PROBLEM_TOO_LARGE, "%s", p.detail);
    }
    arena_release(&arena);
}
