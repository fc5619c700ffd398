/** The route table: every path finds its handler, and what is not allowed is said so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "auth.h"
#include "routes.h"
#include "store.h"

static const struct route *find(enum method method, const char *path, struct request *q, const char **allow,
                                struct problem *p)
{
    memset(q, 0, sizeof *q);
    memset(p, 0, sizeof *p);
    arena_init(&q->arena);
    q->method = method;
    q->path = path;
    *allow = NULL;
    return route_find(method, q, allow, p);
}

Test(routes, every_row_finds_itself_and_only_itself)
{
    for (size_t i = 0; route_at(i) != NULL; i++) {
        const struct route *row = route_at(i);
        struct request q;
        struct problem p;
        const char *allow;
        char path[256];
        const char *run = strstr(row->path, "{run}"), *tail = strstr(row->path, "{tail}");
        snprintf(path, sizeof path, "%.*s%s%s",
                 run != NULL    ? (int)(run - row->path)
                 : tail != NULL ? (int)(tail - row->path)
                                : 255,
                 row->path,
                 run != NULL    ? "job.7_a-b"
                 : tail != NULL ? "some/file.js"
                                : "",
                 run != NULL ? run + 5 : "");
        cr_assert_eq(find(row->method, path, &q, &allow, &p), row, "%s", path);
        if (run != NULL)
            cr_assert_str_eq(q.run, "job.7_a-b");
        if (tail != NULL)
            cr_assert_str_eq(q.tail, "some/file.js");
        cr_assert(row->kind == ROUTE_ASYNC ? row->start != NULL && row->finish != NULL : row->run != NULL, "%s", path);
        arena_release(&q.arena);
    }
}

Test(routes, head_is_get_and_the_others_are_refused_with_what_is_allowed)
{
    static const struct {
        enum method method;
        const char *path;
        int code;
        const char *allow;
    } ROWS[] = {
        {METHOD_HEAD, "/api/v1/runs", OK, NULL},
        {METHOD_POST, "/api/v1/runs", PROBLEM_METHOD, "GET, HEAD"},
        {METHOD_POST, "/api/v1/runs/a", PROBLEM_METHOD, "GET, HEAD, PUT, PATCH, DELETE"},
        {METHOD_PUT, "/api/v1/runs/a/batches", PROBLEM_METHOD, "GET, HEAD, POST"},
        {METHOD_HEAD, "/api/v1/login", PROBLEM_METHOD, "POST, DELETE"},
        {METHOD_REFUSED, "/api/v1/login", PROBLEM_METHOD, "POST, DELETE"},
        {METHOD_REFUSED, "/nowhere", PROBLEM_METHOD, "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {METHOD_REFUSED, NULL, PROBLEM_METHOD, "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {METHOD_OTHER, "/api/v1/runs", PROBLEM_UNKNOWN_METHOD, NULL},
        {METHOD_GET, "/nowhere", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/api/v1/runs/", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/api/v1/runs/a/", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/api/v1/runs//epochs", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/api/v1/runs/a/b/epochs", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/API/v1/runs", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "//", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/assets/", PROBLEM_NOT_FOUND, NULL},
        {METHOD_GET, "/api/v1/runs/.hidden", PROBLEM_UNKNOWN_RUN, NULL},
        {METHOD_GET, "/api/v1/runs/a b/epochs", PROBLEM_UNKNOWN_RUN, NULL},
        {METHOD_PUT, "/api/v1/runs/.hidden", PROBLEM_INVALID, NULL},
        {METHOD_POST, "/api/v1/runs/a%b/batches", PROBLEM_INVALID, NULL},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct request q;
        struct problem p;
        const char *allow, *path = ROWS[i].path != NULL ? ROWS[i].path : "(none)";
        const struct route *route = find(ROWS[i].method, ROWS[i].path, &q, &allow, &p);
        cr_assert_eq(route != NULL, ROWS[i].code == OK, "%s", path);
        cr_assert_eq(p.code, ROWS[i].code, "%s: %d", path, p.code);
        if (ROWS[i].allow != NULL)
            cr_assert_str_eq(allow, ROWS[i].allow, "%s: %s", path, allow);
        arena_release(&q.arena);
    }
}

Test(routes, a_run_id_is_as_long_as_the_contract_says)
{
    char path[256] = "/api/v1/runs/";
    struct request q;
    struct problem p;
    const char *allow;

    memset(path + strlen(path), 'a', RUN_ID_MAX);
    cr_assert_not_null(find(METHOD_GET, path, &q, &allow, &p));
    cr_assert_eq(strlen(q.run), RUN_ID_MAX);
    arena_release(&q.arena);
    strcat(path, "a");
    cr_assert_null(find(METHOD_PUT, path, &q, &allow, &p));
    cr_assert_eq(p.code, PROBLEM_INVALID);
    arena_release(&q.arena);
}

Test(routes, unknown_query_parameters_are_named_with_those_there_are)
{
    struct auth_options options = {.address = "127.0.0.1"};
    struct app app = {0};
    struct request q;
    struct problem p;
    const char *allow;

    cr_assert_eq(auth_new(&app.auth, &options, NULL), OK);
    q.route = NULL;
    const struct route *route = find(METHOD_GET, "/api/v1/runs/a/epochs", &q, &allow, &p);
    q.app = &app;
    q.route = route;
    q.host = "localhost";
    q.args[0] = (struct request_arg){"stage", "test"};
    q.args[1] = (struct request_arg){"metric", "f1"};
    q.n_args = 2;
    cr_assert_eq(route_check(&q, &p), OK);
    q.args[1].name = "metrics";
    cr_assert_eq(route_check(&q, &p), PROBLEM_UNKNOWN_FIELD);
    cr_assert(strstr(p.detail, "\"metrics\"") != NULL && strstr(p.detail, "mean_of_steps") != NULL, "%s", p.detail);
    cr_assert_str_eq(p.places[0].pointer, "?metrics");
    q.args[1].name = "stag";
    cr_assert_eq(route_check(&q, &p), PROBLEM_UNKNOWN_FIELD);
    q.args[1].name = "";
    cr_assert_eq(route_check(&q, &p), PROBLEM_UNKNOWN_FIELD);
    arena_release(&q.arena);

    q.route = route = find(METHOD_GET, "/", &q, &allow, &p);
    q.app = &app;
    q.route = route;
    q.host = "localhost";
    q.args[0] = (struct request_arg){"whatever the page likes", ""};
    q.n_args = 1;
    cr_assert_eq(route_check(&q, &p), OK);
    arena_release(&q.arena);
    auth_free(app.auth);
}

Test(routes, open_routes_answer_any_host_and_the_others_only_ours)
{
    struct auth_options options = {.address = "127.0.0.1"};
    struct app app = {0};

    cr_assert_eq(auth_new(&app.auth, &options, NULL), OK);
    for (size_t i = 0; route_at(i) != NULL; i++) {
        struct request q = {.app = &app, .route = route_at(i), .method = route_at(i)->method, .host = "evil.example"};
        struct problem p = {0};
        bool open = strcmp(q.route->path, "/healthz") == 0 || strcmp(q.route->path, "/readyz") == 0;
        cr_assert_eq(q.route->scope == SCOPE_OPEN, open, "%s", q.route->path);
        cr_assert_eq(route_check(&q, &p), open ? OK : PROBLEM_HOST, "%s", q.route->path);
    }
    auth_free(app.auth);
}
