/*
 * Bodies that change a run, checked straight from the text.  config and stages stay text: they are
 * merged as documents where the stored ones are known (ingest).
 */
#include <stdlib.h>
#include <string.h>

#include "decode_run.h"
#include "json_reader.h"

enum change_field { PROJECT, NAME, CONFIG, TAGS, NOTES, STAGES, STATUS, CHANGE_FIELDS };

/* status stands last: PUT knows one field fewer. */
static const struct json_field CHANGE[CHANGE_FIELDS] = {
    [PROJECT] = JSON_FIELD("project"), [NAME] = JSON_FIELD("name"),   [CONFIG] = JSON_FIELD("config"),
    [TAGS] = JSON_FIELD("tags"),       [NOTES] = JSON_FIELD("notes"), [STAGES] = JSON_FIELD("stages"),
    [STATUS] = JSON_FIELD("status"),
};

bool project_is_valid(const char *text, size_t length)
{
    return name_is_valid(text, length, PROJECT_MAX);
}

static int no_memory(struct json_reader *r)
{
    return problem_set(r->p, PROBLEM_MEMORY, NULL, "out of memory");
}

/* ---- texts ---- */

/* A text of at most max bytes, or null: then NULL. */
static int read_text_or_null(struct json_reader *r, size_t max, const char **out)
{
    *out = NULL;
    if (json_reader_peek(r) == JSON_TOKEN_NULL)
        return json_reader_null(r);
    if (json_reader_peek(r) != JSON_TOKEN_STRING)
        return json_reader_wrong_type(r, "a text or null");
    int rc = json_reader_text(r, out);
    if (rc == OK && strlen(*out) > max)
        rc = json_reader_fail(r, PROBLEM_INVALID, "", "longer than %zu bytes", max);
    return rc;
}

static int read_project(struct json_reader *r, const char **out)
{
    int rc = json_reader_text(r, out);
    if (rc == OK && !project_is_valid(*out, strlen(*out)))
        rc = json_reader_fail(r, PROBLEM_INVALID, "",
                              "not a project: 1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first");
    return rc;
}

/* A name as stages have it. */
static int read_stage(struct json_reader *r, const char **out)
{
    int rc = json_reader_text(r, out);
    if (rc == OK && !name_is_valid(*out, strlen(*out), STAGE_MAX))
        rc = json_reader_fail(r, PROBLEM_INVALID, "",
                              "not a stage: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first");
    return rc;
}

static int read_status(struct json_reader *r, enum run_status *out)
{
    const char *name = NULL;
    int rc = json_reader_text(r, &name);
    if (rc == OK && (!run_status_from_name(name, out) || *out == RUN_CRASHED))
        rc = json_reader_fail(r, PROBLEM_INVALID, "", "a status is running, finished, failed or killed");
    return rc;
}

/* ---- config ---- */

static int read_config(struct json_reader *r, const char **out)
{
    struct json_slice raw;
    if (json_reader_peek(r) != JSON_TOKEN_OBJECT)
        return json_reader_wrong_type(r, "an object");
    int rc = json_reader_raw(r, &raw);
    if (rc != OK)
        return rc;
    if (raw.size > RUN_CONFIG_MAX)
        return json_reader_fail(r, PROBLEM_INVALID, "", "a config is at most %d bytes", RUN_CONFIG_MAX);
    *out = arena_strndup(r->arena, raw.text, raw.size);
    return *out == NULL ? no_memory(r) : OK;
}

/* ---- tags ---- */

static int compare_tags(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t without_repeats(const char **tags, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(tags, n, sizeof *tags, compare_tags);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(tags[kept - 1], tags[i]) != 0)
            tags[kept++] = tags[i];
    return kept;
}

static int read_tags(struct json_reader *r, struct run_change *out)
{
    const char **tags = NULL;
    size_t n = 0, cap = 0;
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (n == cap) {
            size_t room = cap == 0 ? 8 : cap * 2;
            const char **grown = arena_grow(r->arena, tags, cap * sizeof *tags, room * sizeof *tags);
            if (grown == NULL)
                return no_memory(r);
            tags = grown;
            cap = room;
        }
        if ((rc = json_reader_text(r, &tags[n])) != OK)
            return rc;
        size_t length = strlen(tags[n++]);
        if (length == 0 || length > TAG_MAX)
            return json_reader_fail(r, PROBLEM_INVALID, "", "a tag is 1 to %d bytes", TAG_MAX);
    }
    if (more != JSON_END)
        return more;
    out->tags = tags;
    out->n_tags = without_repeats(tags, n);
    return OK;
}

/* ---- stages ---- */

enum stage_field { CLASS_NAMES, DATASET_SIZE, WORLD_SIZE, IGNORE_INDEX, TOP_K, STAGE_FIELDS };

static const struct json_field STAGE[STAGE_FIELDS] = {
    [CLASS_NAMES] = JSON_FIELD("class_names"),
    [DATASET_SIZE] = JSON_FIELD("dataset_size"),
    [WORLD_SIZE] = JSON_FIELD("world_size"),
    [IGNORE_INDEX] = JSON_FIELD("ignore_index"),
    [TOP_K] = JSON_FIELD("top_k"),
};

static int check_class_names(struct json_reader *r, const struct limits *limits)
{
    int64_t n = 0;
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        struct json_slice name;
        if (n++ == limits->classes)
            return json_reader_fail(r, PROBLEM_INVALID, "", "more than %lld classes", (long long)limits->classes);
        if ((rc = json_reader_string(r, &name)) != OK)
            return rc;
        if (name.size == 0 || name.size > CLASS_NAME_MAX)
            return json_reader_fail(r, PROBLEM_INVALID, "", "a class name is 1 to %d bytes", CLASS_NAME_MAX);
    }
    return more == JSON_END ? OK : more;
}

static int check_stage_field(struct json_reader *r, size_t field, const struct limits *limits)
{
    int64_t number, least = field == IGNORE_INDEX ? -JSON_INT_MAX : field == TOP_K ? 1 : 0;
    if (json_reader_peek(r) == JSON_TOKEN_NULL)
        return json_reader_null(r); /* takes the declaration back */
    if (field == CLASS_NAMES)
        return check_class_names(r, limits);
    return json_reader_int(r, least, JSON_INT_MAX, &number);
}

static int check_stage(struct json_reader *r, const struct limits *limits)
{
    uint64_t seen = 0;
    size_t field = 0;
    if (json_reader_peek(r) == JSON_TOKEN_NULL)
        return json_reader_null(r);
    int rc = json_reader_object(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(r, STAGE, STAGE_FIELDS, &seen, &field)) == JSON_MORE)
        if ((rc = check_stage_field(r, field, limits)) != OK)
            return rc;
    return more == JSON_END ? OK : more;
}

static int read_stages(struct json_reader *r, const struct limits *limits, const char **out)
{
    struct json_slice stage;
    int rc = json_reader_object(r), more;
    if (rc != OK)
        return rc;
    const char *from = r->at - 1; /* the bracket */
    while ((more = json_reader_key(r, &stage)) == JSON_MORE) {
        if (!name_is_valid(stage.text, stage.size, STAGE_MAX))
            return json_reader_fail(r, PROBLEM_INVALID, "",
                                    "not a stage: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first");
        if ((rc = check_stage(r, limits)) != OK)
            return rc;
    }
    if (more != JSON_END)
        return more;
    *out = arena_strndup(r->arena, from, (size_t)(r->at - from));
    return *out == NULL ? no_memory(r) : OK;
}

/* ---- changes ---- */

static int read_change_field(struct json_reader *r, size_t field, const struct limits *limits, struct run_change *c)
{
    switch ((enum change_field)field) {
    case PROJECT:
        return read_project(r, &c->project);
    case NAME:
        c->has_name = true;
        return read_text_or_null(r, RUN_NAME_MAX, &c->name);
    case CONFIG:
        return read_config(r, &c->config_patch);
    case TAGS:
        c->has_tags = true;
        return read_tags(r, c);
    case NOTES:
        c->has_notes = true;
        return read_text_or_null(r, RUN_NOTES_MAX, &c->notes);
    case STAGES:
        return read_stages(r, limits, &c->stages_patch);
    case STATUS:
        c->has_status = true;
        return read_status(r, &c->status);
    case CHANGE_FIELDS:
        break;
    }
    return no_memory(r); /* not reached: json_reader_field knows no other */
}

static int decode_change(const char *body, size_t size, size_t n_fields, const struct limits *limits,
                         struct arena *arena, struct run_change *out, struct problem *p)
{
    struct json_reader r;
    struct run_change change = {0};
    uint64_t seen = 0;
    size_t field = 0;
    json_reader_init(&r, body, body, size, arena, p);
    int rc = json_reader_object(&r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(&r, CHANGE, n_fields, &seen, &field)) == JSON_MORE)
        if ((rc = read_change_field(&r, field, limits, &change)) != OK)
            return rc;
    if (more != JSON_END)
        return more;
    if ((rc = json_reader_end(&r)) == OK)
        *out = change;
    return rc;
}

int decode_run_put(const char *body, size_t size, const struct limits *limits, struct arena *arena,
                   struct run_change *out, struct problem *p)
{
    if (size == 0) {
        *out = (struct run_change){0};
        return OK;
    }
    return decode_change(body, size, STATUS, limits, arena, out, p);
}

int decode_run_patch(const char *body, size_t size, const struct limits *limits, struct arena *arena,
                     struct run_change *out, struct problem *p)
{
    return decode_change(body, size, CHANGE_FIELDS, limits, arena, out, p);
}

/* ---- rewind ---- */

enum rewind_field { EPOCH, STEP, ATTEMPT, CUT_STAGE, REWIND_FIELDS };

static const struct json_field REWIND[REWIND_FIELDS] = {
    [EPOCH] = JSON_FIELD("epoch"),
    [STEP] = JSON_FIELD("step"),
    [ATTEMPT] = JSON_FIELD("attempt"),
    [CUT_STAGE] = JSON_FIELD("stage"),
};

static int read_attempt(struct json_reader *r, const char **out)
{
    int rc = json_reader_text(r, out);
    if (rc == OK && !attempt_is_valid(*out, strlen(*out)))
        rc = json_reader_fail(r, PROBLEM_INVALID, "", "an attempt is 1 to 128 bytes without control characters");
    return rc;
}

static int read_rewind_field(struct json_reader *r, size_t field, struct rewind_cut *cut)
{
    switch ((enum rewind_field)field) {
    case EPOCH:
        return json_reader_int(r, 0, JSON_INT_MAX, &cut->epoch);
    case STEP:
        return json_reader_int(r, 0, JSON_INT_MAX, &cut->step);
    case ATTEMPT:
        return read_attempt(r, &cut->attempt);
    case CUT_STAGE:
        return read_stage(r, &cut->stage);
    case REWIND_FIELDS:
        break;
    }
    return no_memory(r);
}

int decode_rewind(const char *body, size_t size, struct arena *arena, struct rewind_cut *out, struct problem *p)
{
    struct json_reader r;
    struct rewind_cut cut = {0};
    uint64_t seen = 0;
    size_t field = 0;
    json_reader_init(&r, body, body, size, arena, p);
    int rc = json_reader_object(&r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(&r, REWIND, REWIND_FIELDS, &seen, &field)) == JSON_MORE)
        if ((rc = read_rewind_field(&r, field, &cut)) != OK)
            return rc;
    if (more != JSON_END)
        return more;
    if ((rc = json_reader_end(&r)) != OK)
        return rc;
    if ((seen >> EPOCH & 1) == 0 || (seen >> STEP & 1) == 0 || (seen >> ATTEMPT & 1) == 0)
        return json_reader_fail(&r, PROBLEM_INVALID,
                                (seen >> EPOCH & 1) == 0  ? "/epoch"
                                : (seen >> STEP & 1) == 0 ? "/step"
                                                          : "/attempt",
                                "missing: a rewind has epoch, step and attempt (which makes it happen once)");
    *out = cut;
    return OK;
}
