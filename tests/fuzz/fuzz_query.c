/*
 * Any query string: through the reader of query strings, then every parameter through what reads it: numbers, words,
 * selectors (against a stage that has a series of every kind), columns, sort keys, cursors, the filter.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_uri.h"
#include "query_columns.h"
#include "query_filter.h"
#include "query_text.h"
#include "run_order.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* by name and kind, as a stage's series are */
static const struct series_row SERIES[] = {
    {.name = "bce", .stage = "t", .shape = {FORM_MEAN, TASK_MULTICLASS, 0, 0}},
    {.name = "bin", .stage = "t", .shape = {FORM_CONFUSION, TASK_BINARY, 1, 0}},
    {.name = "bin", .stage = "t", .shape = {FORM_SCORES, TASK_BINARY, 1, 100}},
    {.name = "exact", .stage = "t", .shape = {FORM_EXACT, TASK_MULTICLASS, 0, 0}},
    {.name = "loss", .stage = "t", .shape = {FORM_MEAN, TASK_MULTICLASS, 0, 0}},
    {.name = "main", .stage = "t", .shape = {FORM_CONFUSION, TASK_MULTICLASS, 10, 0}},
    {.name = "main", .stage = "t", .shape = {FORM_SCORES, TASK_MULTICLASS, 10, 50}},
    {.name = "main", .stage = "t", .shape = {FORM_CALIBRATION, TASK_MULTICLASS, 0, 15}},
    {.name = "ml", .stage = "t", .shape = {FORM_CLASSES, TASK_MULTILABEL, 5, 0}},
    {.name = "reg", .stage = "t", .shape = {FORM_REGRESSION, TASK_MULTICLASS, 0, 0}},
    {.name = "tot", .stage = "t", .shape = {FORM_TOTALS, TASK_MULTICLASS, 0, 0}},
};

enum { N_SERIES = sizeof SERIES / sizeof SERIES[0] };

static void check(int rc, const struct problem *p)
{
    assert(rc == p->code && rc != PROBLEM_INTERNAL);
    assert(utf8_is_valid(p->detail, strlen(p->detail)));
    for (size_t i = 0; i < p->n_places; i++)
        assert(utf8_is_valid(p->places[i].pointer, strlen(p->places[i].pointer)) &&
               utf8_is_valid(p->places[i].detail, strlen(p->places[i].detail)));
}

static void ask_selectors(struct request *q, const struct query_run *run)
{
    struct problem p = {0}, there = {0};
    struct query_metric *m = NULL;
    size_t n = 0;
    int rc = query_metrics(q, run, &m, &n, &p);
    check(rc, &p);
    for (size_t i = 0; i < n && rc == OK; i++) {
        struct selector again;
        char why[240];
        const char *text = m[i].selector.text;
        assert(m[i].series != NULL || !run->stage_known);
        assert(m[i].length >= 1 && (m[i].is_list || m[i].length == 1));
        assert(selector_parse(text, strlen(text), &again, why, sizeof why) == OK);
        assert(strcmp(again.series, m[i].selector.series) == 0 && again.is_mean == m[i].selector.is_mean);
    }
    int rc_there = query_metrics_there(q, run, request_arg(q, "metric"), &m, &n, &there);
    check(rc_there, &there);
    assert(rc != OK || rc_there == OK);
}

static void ask_list(struct request *q)
{
    struct problem p = {0};
    struct column *columns = NULL;
    struct run_order order = {0};
    struct run_place place = {0};
    struct filter *filter = NULL;
    size_t n = 0;
    int rc = columns_parse(q, &columns, &n, &p);
    check(rc, &p);
    assert(rc != OK || n <= COLUMNS_MAX);
    p.code = OK;
    rc = run_order_parse(q, request_arg(q, "sort"), &order, &p);
    check(rc, &p);
    const char *cursor = request_arg(q, "cursor"), *again = NULL;
    if (rc == OK && cursor != NULL) {
        rc = run_place_read(q, &order, cursor, &place, &p);
        check(rc, &p);
        if (rc == OK) /* a place is written as it was read */
            assert(run_place_write(q, &place, &again, &p) == OK && run_place_read(q, &order, again, &place, &p) == OK);
    }
    const char *text = request_arg(q, "q");
    p.code = OK;
    if (text != NULL)
        check(filter_parse(text, &q->arena, &filter, &p), &p);
}

static void ask_values(struct request *q, const struct query_run *run)
{
    static const char *const WORDS[] = {"epoch", "step", "none", NULL};
    static const char *const NUMBERS[] = {"epoch", "from", "to", "points", "rank", "window", "limit"};
    struct problem p = {0};
    struct metric_options options = {0};
    const struct series_row *series = NULL;
    const char *name = NULL;
    enum media media;
    int64_t value;
    int word;
    bool yes;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++, p.code = OK) {
        int rc = query_int(q, NUMBERS[i], 1, QUERY_INTEGER_MAX, 1, &value, &p);
        check(rc, &p);
        assert(rc != OK || (value >= 1 && value <= QUERY_INTEGER_MAX));
    }
    check(query_word(q, "x", WORDS, 0, &word, &p), &p);
    p.code = OK;
    check(query_bool(q, "mean_of_steps", true, &yes, &p), &p);
    p.code = OK;
    check(query_zero_division(q, &options, &p), &p);
    p.code = OK;
    check(query_media(q, MEDIA_JSON | MEDIA_CSV, &media, &p), &p);
    p.code = OK;
    check(query_name(q, &name, &p), &p);
    for (int kind = KIND_COUNTS; kind <= KIND_MEAN; kind++) {
        p.code = OK;
        check(query_series_asked(q, run, (enum kind)kind, "a curve", NULL, &series, &p), &p);
        assert(p.code != OK || series != NULL || !run->stage_known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request q; /* large */
    struct problem p = {0};
    struct query_run run = {.stage = "t", .stage_known = size == 0 || data[0] != '!', .n_series = N_SERIES};
    char *target = malloc(size + 3);
    assert(target != NULL);
    memcpy(target, "/x?", 3);
    memcpy(target + 3, data, size);
    memset(&q, 0, sizeof q);
    arena_init(&q.arena);
    run.series = (struct series_row *)(uintptr_t)SERIES;
    if (!run.stage_known)
        run.n_series = 0;
    int rc = uri_parse(target, size + 3, &q, &p);
    check(rc, &p);
    free(target);
    if (rc == OK) {
        ask_values(&q, &run);
        ask_selectors(&q, &run);
        ask_list(&q);
    }
    arena_release(&q.arena);
    return 0;
}
