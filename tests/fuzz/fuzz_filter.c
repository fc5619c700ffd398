/*
 * Any text in the filter box: refused with a problem at ?q, or a filter that every run can be held against.  A
 * filter said twice is the same filter, for a run must fit all of its terms.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "query_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct run_row RUNS[] = {
    {.id = "run-17",
     .project = "vision",
     .name = (char *)"ResNet \"big\" one",
     .notes = (char *)"try again",
     .status = RUN_RUNNING,
     .tags = (char *)"[\"baseline\",\"v2\"]",
     .created_at = 500,
     .updated_at = 600,
     .seen_at = 900,
     .revision = 4,
     .config =
         (char *)"{\"lr\":0.1,\"net\":{\"depth\":3,\"kind\":\"cnn\"},\"a.b\":{\"c\":7},\"amp\":true,\"seed\":null,"
                 "\"version\":\"1.10\",\"layers\":[1,2],\"name\":\"inner\"}"},
    {.id = "b", .project = "p", .status = RUN_FINISHED, .created_at = 1, .ended_at = 9},
};

enum { N_RUNS = sizeof RUNS / sizeof RUNS[0] };

/* false: refused. */
static bool match_all(const char *text, bool *match)
{
    struct arena arena;
    struct filter *f = NULL;
    struct problem p = {0};
    arena_init(&arena);
    int rc = filter_parse(text, &arena, &f, &p);
    assert(rc == p.code && (rc == OK || (rc == PROBLEM_INVALID && p.n_places == 1)));
    for (int i = 0; i < N_RUNS && rc == OK; i++) {
        struct run_view view;
        run_view_init(&view, &RUNS[i], 1000);
        assert(filter_match(f, &view, &arena, &match[i], &p) == OK);
        run_view_release(&view);
    }
    arena_release(&arena);
    return rc == OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool once[N_RUNS] = {false}, twice[N_RUNS] = {false};
    if (memchr(data, '\0', size) != NULL)
        return 0; /* refused with the query string */
    char *text = malloc(2 * size + 2);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char *exact = strdup(text); /* so that a byte read too far is seen */
    assert(exact != NULL);
    if (match_all(exact, once)) {
        text[size] = ' ';
        memcpy(text + size + 1, data, size);
        text[2 * size + 1] = '\0';
        if (match_all(text, twice)) /* else there are too many terms */
            assert(memcmp(once, twice, sizeof once) == 0);
    }
    free(exact);
    free(text);
    return 0;
}
