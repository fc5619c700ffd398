/** Signing in to the page: a token goes in, a cookie that only reads comes out. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app.h"
#include "auth.h"
#include "json.h"
#include "routes.h"

enum { COOKIE_MAX = 192 };

/* {"token":"..."} and nothing else. */
static int read_token(const struct json *root, const char **token, struct problem *p)
{
    if (json_type(root) != JSON_OBJECT)
        return problem_set(p, PROBLEM_INVALID, "", "the body must be an object: {\"token\":\"...\"}");
    for (const struct json *v = json_child(root); v != NULL; v = json_next(v)) {
        char quoted[80], pointer[96];
        if (strcmp(json_name(v), "token") != 0) {
            problem_quote(quoted, sizeof quoted, json_name(v), strlen(json_name(v)));
            snprintf(pointer, sizeof pointer, "/%s", quoted);
            return problem_set(p, PROBLEM_UNKNOWN_FIELD, pointer, "unknown field \"%s\"; there is: token", quoted);
        }
        *token = json_as_string(v);
        if (*token == NULL)
            return problem_set(p, PROBLEM_INVALID, "/token", "token must be a string");
    }
    return *token != NULL ? OK : problem_set(p, PROBLEM_INVALID, "/token", "token is missing");
}

static int login(struct request *q, struct response *r, const char *token, struct problem *p)
{
    char cookie[COOKIE_MAX];
    int rc = auth_login(q->app->auth, q, token, cookie, sizeof cookie, p);

    if (rc != OK)
        return rc;
    const char *kept = arena_strndup(&q->arena, cookie, strlen(cookie));
    if (kept == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    r->status = 204;
    response_header_add(r, "Set-Cookie", kept);
    return OK;
}

int api_login_post(struct request *q, struct response *r, struct problem *p)
{
    struct json_document *document = NULL;
    const char *token = NULL;

    if (q->body_size == 0)
        return login(q, r, NULL, p);
    if (q->content_type == NULL || strncasecmp(q->content_type, "application/json", 16) != 0 ||
        strchr(" ;", q->content_type[16]) == NULL)
        return problem_set(p, PROBLEM_CONTENT_TYPE, NULL, "the body must be application/json (curl --json)");
    int rc = json_parse(q->body, q->body_size, &document, p);
    if (rc != OK)
        return rc;
    rc = read_token(json_root(document), &token, p);
    if (rc == OK)
        rc = login(q, r, token, p);
    json_free(document);
    return rc;
}

int api_login_delete(struct request *q, struct response *r, struct problem *p)
{
    char cookie[COOKIE_MAX];

    auth_logout(q->app->auth, q, cookie, sizeof cookie);
    const char *kept = arena_strndup(&q->arena, cookie, strlen(cookie));
    if (kept == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    r->status = 204;
    response_header_add(r, "Set-Cookie", kept);
    return OK;
}
