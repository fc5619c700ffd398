/**
 * The table of all routes, and what is checked before a handler sees a request.  A path is matched segment
 * by segment; no two patterns match the same path.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "auth.h"
#include "rate_limit.h"
#include "record.h"
#include "routes.h"
#include "store.h"

#define INLINE(method, path, scope, args, run)                                                                         \
    {                                                                                                                  \
        METHOD_##method, path, SCOPE_##scope, ROUTE_INLINE, args, run, NULL, NULL, false                               \
    }
#define WORKER(method, path, scope, args, run)                                                                         \
    {                                                                                                                  \
        METHOD_##method, path, SCOPE_##scope, ROUTE_WORKER, args, run, NULL, NULL, false                               \
    }
/* about the whole server */
#define INLINE_ALL(method, path, scope, args, run)                                                                     \
    {                                                                                                                  \
        METHOD_##method, path, SCOPE_##scope, ROUTE_INLINE, args, run, NULL, NULL, true                                \
    }
#define WORKER_ALL(method, path, scope, args, run)                                                                     \
    {                                                                                                                  \
        METHOD_##method, path, SCOPE_##scope, ROUTE_WORKER, args, run, NULL, NULL, true                                \
    }
#define ASYNC(method, path, scope, args, start, finish)                                                                \
    {                                                                                                                  \
        METHOD_##method, path, SCOPE_##scope, ROUTE_ASYNC, args, NULL, start, finish, false                            \
    }

/* args "*": anything goes (the page keeps its state there) */
/* clang-format off */
static const struct route ROUTES[] = {
    ASYNC(POST,    "/api/v1/runs/{run}/batches",   WRITE,  "project", api_batches_post_start, api_batches_post_finish),
    WORKER(GET,    "/api/v1/runs/{run}/batches",   READ,   "stage epoch name limit cursor format", api_batches_get),
    WORKER(PUT,    "/api/v1/runs/{run}",           WRITE,  "", api_run_put),
    WORKER(GET,    "/api/v1/runs/{run}",           READ,   "", api_run_get),
    WORKER(PATCH,  "/api/v1/runs/{run}",           WRITE,  "", api_run_patch),
    WORKER(DELETE, "/api/v1/runs/{run}",           ADMIN,  "", api_run_delete),
    WORKER(POST,   "/api/v1/runs/{run}/rewind",    WRITE,  "", api_run_rewind),
    WORKER(GET,    "/api/v1/runs/{run}/epochs",    READ,   "stage metric epoch rank mean_of_steps zero_division format", api_epochs_get),
    WORKER(GET,    "/api/v1/runs/{run}/steps",     READ,   "stage metric from to points rank window zero_division format", api_steps_get),
    WORKER(GET,    "/api/v1/runs/{run}/classes",   READ,   "stage epoch name zero_division format", api_classes_get),
    WORKER(GET,    "/api/v1/runs/{run}/confusion", READ,   "stage epoch name normalize form format", api_confusion_get),
    WORKER(GET,    "/api/v1/runs/{run}/curves",    READ,   "stage epoch name class format", api_curves_get),
    WORKER(GET,    "/api/v1/runs/{run}/calibration", READ, "stage epoch name format", api_calibration_get),
    WORKER(GET,    "/api/v1/runs/{run}/diagnosis", READ,   "stage epoch name format", api_diagnosis_get),
    WORKER(GET,    "/api/v1/runs",                 READ,   "project status tag q sort columns limit cursor format", api_runs_get),
    WORKER(GET,    "/api/v1/compare",              READ,   "runs stage metric x from to points window group config zero_division format", api_compare_get),
    WORKER(GET,    "/api/v1/projects",             READ,   "", api_projects_get),
    INLINE(GET,    "/api/v1/metrics",              READ,   "", api_metrics_get),
    INLINE(GET,    "/api/v1/limits",               READ,   "", api_limits_get),
    INLINE(GET,    "/api/v1/openapi.yaml",         READ,   "", api_openapi_get),
    INLINE(POST,   "/api/v1/login",                PUBLIC, "", api_login_post),
    INLINE(DELETE, "/api/v1/login",                PUBLIC, "", api_login_delete),
    WORKER_ALL(POST, "/api/v1/backup",             ADMIN,  "", api_backup_post),
    INLINE(GET,    "/healthz",                     OPEN,   "", api_healthz_get),
    INLINE(GET,    "/readyz",                      OPEN,   "", api_readyz_get),
    INLINE_ALL(GET, "/metrics",                    READ,   "", api_server_metrics_get),
    INLINE(GET,    "/",                            PUBLIC, "*", api_page_get),
    INLINE(GET,    "/assets/{tail}",               PUBLIC, "", api_asset_get),
};
/* clang-format on */

enum { N_ROUTES = sizeof ROUTES / sizeof ROUTES[0] };

static const char *const METHOD_NAMES[] = {[METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
                                           [METHOD_PUT] = "PUT", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE"};

const struct route *route_at(size_t index)
{
    return index < N_ROUTES ? &ROUTES[index] : NULL;
}

const char *method_name(enum method method)
{
    return method <= METHOD_DELETE ? METHOD_NAMES[method] : "";
}

/* Does path match pattern?  run, tail: what {run} and {tail} stand for. */
static bool matches(const char *pattern, const char *path, const char **run, size_t *run_size, const char **tail)
{
    while (*pattern != '\0') {
        if (strncmp(pattern, "{run}", 5) == 0) {
            *run = path;
            *run_size = strcspn(path, "/");
            if (*run_size == 0)
                return false;
            path += *run_size;
            pattern += 5;
        } else if (strncmp(pattern, "{tail}", 6) == 0) {
            *tail = path;
            return *path != '\0';
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* The methods of the routes in the set, with HEAD beside GET. */
static const char *allow_text(struct arena *arena, unsigned methods)
{
    char text[80] = "";

    for (enum method m = METHOD_GET; m <= METHOD_DELETE; m++) {
        bool there = m == METHOD_HEAD ? (methods & (1u << METHOD_GET)) != 0 : (methods & (1u << m)) != 0;
        if (there)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] != '\0' ? ", " : "",
                     METHOD_NAMES[m]);
    }
    return arena_strndup(arena, text, strlen(text));
}

/* What {run} captured, as q->run. */
static int take_run(enum method method, struct request *q, const char *run, size_t size, struct problem *p)
{
    char quoted[160];

    if (!name_is_valid(run, size, RUN_ID_MAX)) {
        problem_quote(quoted, sizeof quoted, run, size);
        if (method == METHOD_GET)
            return problem_set(p, PROBLEM_UNKNOWN_RUN, NULL, "there is no run \"%s\"", quoted);
        return problem_set(
            p, PROBLEM_INVALID, NULL,
            "\"%s\" is not a run id: letters, digits, '.', '_' and '-', at most %d, a letter or digit first", quoted,
            RUN_ID_MAX);
    }
    q->run = arena_strndup(&q->arena, run, size);
    return q->run != NULL ? OK : problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

const struct route *route_find(enum method method, struct request *q, const char **allow, struct problem *p)
{
    unsigned methods = 0;
    char quoted[160];

    if (method == METHOD_OTHER) {
        problem_set(p, PROBLEM_UNKNOWN_METHOD, NULL, "the method is not known");
        return NULL;
    }
    if (method == METHOD_HEAD)
        method = METHOD_GET;
    for (size_t i = 0; i < N_ROUTES && q->path != NULL; i++) {
        const char *run = NULL, *tail = NULL;
        size_t run_size = 0;
        if (!matches(ROUTES[i].path, q->path, &run, &run_size, &tail))
            continue;
        methods |= 1u << ROUTES[i].method;
        if (ROUTES[i].method != method)
            continue;
        if (run != NULL && take_run(method, q, run, run_size, p) != OK)
            return NULL;
        q->tail = tail;
        return &ROUTES[i];
    }
    if (methods == 0 && method != METHOD_REFUSED) {
        problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is nothing at %s; the API is described at /api/v1/openapi.yaml",
                    problem_quote(quoted, sizeof quoted, q->path, strlen(q->path)));
        return NULL;
    }
    /* a refused method needs no path to be refused: what the server as a whole understands */
    *allow = allow_text(&q->arena, methods != 0 ? methods : ~0u);
    problem_set(p, PROBLEM_METHOD, NULL, "allowed here: %s", *allow != NULL ? *allow : "");
    return NULL;
}

/* Is name one of the blank-separated words? */
static bool is_word_of(const char *words, const char *name)
{
    size_t size = strlen(name);

    for (const char *at = words; *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (length == size && memcmp(at, name, size) == 0)
            return true;
        at += length;
        at += strspn(at, " ");
    }
    return false;
}

static int check_args(const struct request *q, struct problem *p)
{
    const char *known = q->route->args;

    if (strcmp(known, "*") == 0)
        return OK;
    for (size_t i = 0; i < q->n_args; i++) {
        char quoted[80], pointer[96];
        if (is_word_of(known, q->args[i].name))
            continue;
        problem_quote(quoted, sizeof quoted, q->args[i].name, strlen(q->args[i].name));
        snprintf(pointer, sizeof pointer, "?%s", quoted);
        return problem_set(p, PROBLEM_UNKNOWN_FIELD, pointer, "unknown query parameter \"%s\"; %s%s", quoted,
                           known[0] != '\0' ? "there are: " : "this takes none", known);
    }
    return OK;
}

int route_check(struct request *q, struct problem *p)
{
    int rc = OK;

    if (q->route->scope != SCOPE_OPEN) {
        rc = auth_host(q->app->auth, q->host, p);
        if (rc == OK)
            rc = auth_origin(q, p);
        if (rc == OK)
            rc = auth_scope(q->app->auth, q, q->route, p);
        if (rc == OK && q->route->scope > SCOPE_PUBLIC)
            rc = rate_limit_request(q->app->rate, q, p);
    }
    return rc == OK ? check_args(q, p) : rc;
}

int route_run(struct request *q, struct response *r, struct problem *p)
{
    int rc = q->route->run(q, r, p);

    if (rc == PROBLEM_DAMAGED && q->app->store != NULL)
        store_mark_damaged(q->app->store, p->detail);
    return rc;
}
