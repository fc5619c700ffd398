#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest.h"
#include "query_step_mean.h"
#include "record.h"
#include "routes.h"

#include "query_support.h"

void world_open(struct world *w)
{
    struct problem p = {0};
    char path[128];
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/tally_query_XXXXXX");
    cr_assert(mkdtemp(w->dir) != NULL);
    snprintf(path, sizeof path, "%s/t.db", w->dir);
    w->now = 1763884800000;
    limits_default(&w->app.limits);
    const struct store_options options = {.path = path, .durability = STORE_NORMAL};
    cr_assert_eq(store_open(&w->app.store, &options, &p), OK, "%s", p.detail);
    cr_assert_eq(ingest_start(&w->app.ingest, w->app.store, &w->app.limits, &p), OK, "%s", p.detail);
    cr_assert_eq(store_reader_open(w->app.store, &w->reader, &p), OK, "%s", p.detail);
    w->app.step_cache = step_cache_new(1 << 20);
}

void world_close(struct world *w)
{
    char command[128];
    store_reader_close(w->reader);
    ingest_stop(w->app.ingest);
    store_close(w->app.store);
    step_cache_free(w->app.step_cache);
    snprintf(command, sizeof command, "rm -r '%s'", w->dir);
    cr_assert_eq(system(command), 0);
}

static void run_job(struct world *w, struct job *job, const char *run)
{
    snprintf(job->run, sizeof job->run, "%s", run);
    job->now = w->now;
    job->bytes = 1000;
    cr_assert_eq(ingest_run(w->app.ingest, job), OK, "%s: %s %s", run, job->problem.detail,
                 job->problem.places[0].pointer);
}

int64_t world_post(struct world *w, const char *run, const char *body, int64_t *duplicates)
{
    struct arena arena;
    struct record_list list;
    struct problem p = {0};
    arena_init(&arena);
    enum body_kind kind = body[0] == '[' ? BODY_JSON : BODY_NDJSON;
    int rc = decode_records(body, strlen(body), kind, &w->app.limits, &arena, &list, &p);
    cr_assert_eq(rc, OK, "%s at %s in %.300s", p.detail, p.places[0].pointer, body);
    struct job job = {.kind = JOB_BATCHES, .records = &list};
    run_job(w, &job, run);
    arena_release(&arena);
    if (duplicates != NULL)
        *duplicates = job.duplicates;
    return job.accepted;
}

void world_put(struct world *w, const char *run, const char *project, const char *name, const char *config,
               const char *tag, const char *stages)
{
    const struct run_change change = {.project = project,
                                      .name = name,
                                      .has_name = name != NULL,
                                      .config_patch = config,
                                      .tags = &tag,
                                      .n_tags = tag != NULL,
                                      .has_tags = tag != NULL,
                                      .stages_patch = stages};
    struct job job = {.kind = JOB_RUN_PUT, .change = &change};
    run_job(w, &job, run);
}

void world_status(struct world *w, const char *run, enum run_status status)
{
    const struct run_change change = {.has_status = true, .status = status};
    struct job job = {.kind = JOB_RUN_PATCH, .change = &change};
    run_job(w, &job, run);
}

static void read_args(struct request *q, const char *args)
{
    char *copy = arena_strndup(&q->arena, args, strlen(args)), *save = NULL;
    for (char *arg = strtok_r(copy, "&", &save); arg != NULL; arg = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(arg, '=');
        cr_assert(equals != NULL);
        *equals = '\0';
        q->args[q->n_args++] = (struct request_arg){arg, equals + 1};
    }
}

static void read_header(struct answer *out, const struct response_header *h)
{
    if (strcmp(h->name, "ETag") == 0)
        snprintf(out->etag, sizeof out->etag, "%s", h->value);
    if (strcmp(h->name, "Link") == 0)
        snprintf(out->link, sizeof out->link, "%s", h->value);
}

/* The path of the route that this handler stands for, as a request would have it. */
static char *path_of(handler h, const char *run, struct arena *arena)
{
    char text[512] = "/";
    for (size_t i = 0; route_at(i) != NULL; i++) {
        const struct route *route = route_at(i);
        const char *hole = strstr(route->path, "{run}");
        if (route->run == h && route->method == METHOD_GET)
            snprintf(text, sizeof text, "%.*s%s%s", hole != NULL ? (int)(hole - route->path) : 500, route->path,
                     hole != NULL ? run : "", hole != NULL ? hole + 5 : "");
    }
    return arena_strndup(arena, text, strlen(text));
}

struct answer world_get_as(struct world *w, handler h, const char *run, const char *args, const char *accept,
                           const char *if_none_match)
{
    struct answer out = {.rc = OK};
    struct request q = {.app = &w->app,
                        .method = METHOD_GET,
                        .run = run,
                        .accept = accept,
                        .if_none_match = if_none_match,
                        .now = w->now,
                        .reader = w->reader};
    struct response r = {.status = 200, .content_type = "application/json"};
    buffer_init(&r.body);
    arena_init(&q.arena);
    q.path = path_of(h, run, &q.arena);
    read_args(&q, args);
    out.rc = h(&q, &r, &out.problem);
    out.status = out.rc == OK ? r.status : problem_kind(out.rc)->http_status;
    if (out.rc != OK)
        cr_assert(out.problem.code == out.rc && out.problem.detail[0] != '\0' && r.body.size == 0, "%s?%s", q.path,
                  args);
    snprintf(out.content_type, sizeof out.content_type, "%s", r.content_type);
    for (size_t i = 0; i < r.n_headers; i++)
        read_header(&out, &r.headers[i]);
    out.body = calloc(1, r.body.size + 1);
    if (r.body.size > 0)
        memcpy(out.body, r.body.data, r.body.size);
    if (out.status == 200 && strcmp(out.content_type, "application/json") == 0) {
        out.json = cJSON_Parse(out.body);
        cr_assert(out.json != NULL, "%s?%s: %s", q.path, args, out.body);
    }
    buffer_release(&r.body);
    arena_release(&q.arena);
    return out;
}

struct answer world_get(struct world *w, handler h, const char *run, const char *args)
{
    return world_get_as(w, h, run, args, NULL, NULL);
}

void answer_free(struct answer *a)
{
    free(a->body);
    cJSON_Delete(a->json);
}

static cJSON *read_golden(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/%s.json", name);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    char *text = calloc(1, 1 << 20);
    cr_assert(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    cJSON *json = cJSON_Parse(text);
    free(text);
    cr_assert(json != NULL, "%s", path);
    return json;
}

char *golden_records(const char *name, const char *stage)
{
    cJSON *json = read_golden(name), *records = cJSON_CreateArray(), *batch;
    cJSON_ArrayForEach(batch, cJSON_GetObjectItem(json, "batches"))
    {
        static const char *const keys[] = {"epoch", "step", "rank", "confmat"};
        static const char *const names[] = {"epoch", "step", "rank", "confusion"};
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "stage", stage);
        for (int i = 0; i < 4; i++)
            cJSON_AddItemToObject(record, names[i], cJSON_Duplicate(cJSON_GetObjectItem(batch, keys[i]), true));
        cJSON_AddItemToObject(record, "samples", cJSON_Duplicate(cJSON_GetObjectItem(batch, "n"), true));
        if (strcmp(cJSON_GetObjectItem(json, "task")->valuestring, "binary") == 0)
            cJSON_AddStringToObject(record, "task", "binary");
        cJSON_AddItemToArray(records, record);
    }
    char *text = cJSON_PrintUnformatted(records);
    cJSON_Delete(records);
    cJSON_Delete(json);
    return text;
}

const cJSON *at(const cJSON *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        char key[128];
        size_t length = strcspn(path, "|");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(key)) : cJSON_GetObjectItemCaseSensitive(json, key);
        path += length + (path[length] == '|');
    }
    return json;
}

double number_at(const cJSON *json, const char *path)
{
    const cJSON *value = at(json, path);
    cr_assert(cJSON_IsNumber(value), "no number at %s", path);
    return value->valuedouble;
}

bool is_null_at(const cJSON *json, const char *path)
{
    return cJSON_IsNull(at(json, path));
}

uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    return random_next(seed) % bound;
}
