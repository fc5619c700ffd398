/*
 * Any body of a run document: of PUT, of PATCH and of rewind.  Refused with a problem, or decoded into what the
 * writer may merge without looking at it again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode_run.h"
#include "json.h"
#include "record.h"
#include "stage_declaration.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max)
{
    assert(text == NULL || (strlen(text) <= max && utf8_is_valid(text, strlen(text))));
}

/* The writer merges a patch into what is stored; the result is stored as it is. */
static char *merge(const char *patch)
{
    char *merged = NULL;
    struct problem p = {0};
    if (patch == NULL)
        return NULL;
    if (json_merge_patch("{\"lr\":1,\"net\":{\"depth\":3},\"test\":{\"class_names\":[\"a\"]}}", patch, &merged, &p) !=
        OK)
        abort();
    char *again = NULL;
    assert(json_merge_patch(merged, "{}", &again, &p) == OK && strcmp(merged, again) == 0);
    free(again);
    return merged;
}

static void check_stages(const char *patch, struct arena *arena)
{
    struct stage_declaration d;
    struct problem p = {0};
    char *stages = merge(patch);
    if (stages == NULL)
        return;
    assert(stage_declaration_get(stages, "test", arena, &d, &p) == OK);
    for (size_t i = 0; i < d.n_class_names; i++)
        check_text(d.class_names[i], CLASS_NAME_MAX);
    free(stages);
}

static void check_change(const struct run_change *c, struct arena *arena)
{
    assert(c->project == NULL || project_is_valid(c->project, strlen(c->project)));
    check_text(c->name, RUN_NAME_MAX);
    check_text(c->notes, RUN_NOTES_MAX);
    for (size_t i = 0; i < c->n_tags; i++) {
        check_text(c->tags[i], TAG_MAX);
        assert(i == 0 || strcmp(c->tags[i - 1], c->tags[i]) < 0);
    }
    assert(c->config_patch == NULL || strlen(c->config_patch) <= RUN_CONFIG_MAX);
    free(merge(c->config_patch));
    check_stages(c->stages_patch, arena);
}

static void fuzz_change(const char *body, size_t size, bool is_put)
{
    struct limits l;
    struct arena arena;
    struct run_change change = {0};
    struct problem p = {0};
    limits_default(&l);
    arena_init(&arena);
    int rc = is_put ? decode_run_put(body, size, &l, &arena, &change, &p)
                    : decode_run_patch(body, size, &l, &arena, &change, &p);
    assert(rc == p.code && rc != PROBLEM_INTERNAL);
    if (rc == OK) {
        check_change(&change, &arena);
        /* what one takes the other takes, but for an empty body and the status */
        if (is_put && size > 0)
            assert(decode_run_patch(body, size, &l, &arena, &change, &p) == OK);
        else if (!is_put && !change.has_status)
            assert(decode_run_put(body, size, &l, &arena, &change, &p) == OK);
    }
    arena_release(&arena);
}

static void fuzz_rewind(const char *body, size_t size)
{
    struct arena arena;
    struct rewind_cut cut = {0};
    struct problem p = {0};
    arena_init(&arena);
    int rc = decode_rewind(body, size, &arena, &cut, &p);
    assert(rc == p.code && rc != PROBLEM_INTERNAL);
    if (rc == OK) {
        assert(cut.epoch >= 0 && cut.step >= 0 && attempt_is_valid(cut.attempt, strlen(cut.attempt)));
        assert(cut.stage == NULL || name_is_valid(cut.stage, strlen(cut.stage), STAGE_MAX));
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* in a copy of its own, so that a byte read too far is seen */
    char *body = malloc(size);
    assert(body != NULL);
    memcpy(body, data + 1, size - 1);
    if (data[0] % 3 == 2)
        fuzz_rewind(body, size - 1);
    else
        fuzz_change(body, size - 1, data[0] % 3 == 0);
    free(body);
    return 0;
}
