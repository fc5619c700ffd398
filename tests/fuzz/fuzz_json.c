/*
 * Any bytes: the reader either refuses them with a problem, or reads a document that prints to a text
 * which reads and prints the same again, and which cJSON takes too.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *reprint(const char *text, size_t size, struct arena *arena)
{
    struct json_document *d = NULL;
    struct problem p = {0};
    int rc = json_parse(text, size, &d, &p);
    assert(rc == p.code);
    assert(rc == OK || rc == PROBLEM_MALFORMED || rc == PROBLEM_INVALID);
    char *out = rc == OK ? json_text(json_root(d), arena) : NULL;
    json_free(d);
    return out;
}

/* cJSON reads at most 63 characters of a number. */
static int has_long_number(const char *text, size_t size)
{
    size_t run = 0;
    for (size_t i = 0; i < size; i++) {
        run = strchr("0123456789+-.eE", text[i]) != NULL && text[i] != '\0' ? run + 1 : 0;
        if (run > 62)
            return 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    char *once = reprint((const char *)data, size, &arena);
    if (once != NULL) {
        char *twice = reprint(once, strlen(once), &arena);
        assert(twice != NULL && strcmp(once, twice) == 0);
        if (!has_long_number((const char *)data, size)) {
            cJSON *tree = cJSON_ParseWithLength((const char *)data, size);
            assert(tree != NULL);
            cJSON_Delete(tree);
        }
        char *merged = NULL;
        if (json_merge_patch(once, once, &merged, NULL) == OK)
            free(merged);
    }
    arena_release(&arena);
    return 0;
}
