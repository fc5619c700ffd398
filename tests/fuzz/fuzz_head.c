/*
 * Any head of a request: read as the HTTP library reads it, then through all that the server asks of it before the
 * body: framing, headers, target, route, host, origin, token.  A refusal is an answer that can be sent; what passes has
 * one reading.  The first byte says whether tokens are asked for.
 */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accept.h"
#include "app.h"
#include "auth.h"
#include "content_type.h"
#include "crypto.h"
#include "http_message.h"
#include "json.h"
#include "library_head.h"
#include "query.h"
#include "routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int one_token(void *context, int (*fn)(void *fn_context, const struct token_row *row), void *fn_context,
                     struct problem *p)
{
    struct token_row row = {.token = 1, .scope = "write"};
    (void)context;
    (void)p;
    assert(crypto_sha256("secret", strlen("secret"), row.sha256) == OK);
    return fn(fn_context, &row);
}

static struct app *app_of(bool asks_for_tokens)
{
    static struct app apps[2];
    struct app *app = &apps[asks_for_tokens];
    if (app->auth == NULL) {
        struct auth_options o = {.address = asks_for_tokens ? "0.0.0.0" : "127.0.0.1", .tokens_each = one_token};
        struct problem p = {0};
        limits_default(&app->limits);
        app->limits.header_bytes = 2048;
        assert(auth_new(&app->auth, &o, &p) == OK);
    }
    return app;
}

/* A problem as it goes out is strict JSON, whatever bytes it quotes. */
static void check_answer(int rc, const struct problem *p, const char *allow, struct arena *arena)
{
    struct response r;
    struct json_document *d = NULL;
    struct problem why = {0};
    assert(rc == p->code && rc != PROBLEM_INTERNAL && rc != PROBLEM_STORAGE);
    response_init(&r);
    response_problem(&r, p, allow, arena);
    assert(r.status >= 400 && r.status != 500);
    assert(json_parse(r.body.data, r.body.size, &d, &why) == OK);
    json_free(d);
    response_release(&r);
}

/* Where two parties could read another request, it must not pass. */
static void check_one_reading(const struct library_head *h, const struct guard_framing *f)
{
    unsigned lengths = 0, codings = 0, hosts = 0;
    for (size_t i = 0; i < h->head.n; i++) {
        const struct guard_header *field = &h->head.header[i];
        assert(strlen(field->name) == field->name_size && strlen(field->value) == field->value_size);
        assert(strpbrk(field->value, "\r\n") == NULL && strpbrk(field->name, " \t\r\n:") == NULL);
        lengths += strcasecmp(field->name, "Content-Length") == 0;
        codings += strcasecmp(field->name, "Transfer-Encoding") == 0;
        hosts += strcasecmp(field->name, "Host") == 0;
    }
    assert(lengths + codings <= 1 && hosts <= 1);
    assert(f->has_length == (lengths == 1) && f->chunked == (codings == 1));
}

/* What handlers read of the headers. */
static void read_headers(const struct request *q)
{
    struct problem p = {0};
    (void)accept_choose(q->accept, MEDIA_JSON | MEDIA_CSV);
    (void)accept_gzip(q->accept_encoding);
    (void)etag_matches(q->if_none_match, "\"0123456789abcdef\"");
    if (!content_type_is(q->content_type, "application/json"))
        assert(content_type_refuse(q->content_type, "application/json", &p) == PROBLEM_CONTENT_TYPE);
    (void)head_is_gzip(q);
}

static void admit(struct library_head *h, struct app *app)
{
    static struct request q; /* large */
    struct problem p = {0};
    struct guard_framing framing = {0};
    const char *allow = NULL;
    memset(&q, 0, sizeof q);
    arena_init(&q.arena);
    q.app = app;
    q.now = 1763884800000;
    q.method = head_method(h->guarded.method);
    int rc = head_check(&h->head, &h->guarded, &app->limits, &framing, &p);
    if (rc == OK) {
        check_one_reading(h, &framing);
        rc = head_take(&h->head, &q, &p);
    }
    if (rc == OK) {
        read_headers(&q);
        rc = head_admit(&q, h->target_copy, h->guarded.target_size, &framing, &allow, &p);
    }
    if (rc != OK)
        check_answer(rc, &p, allow, &q.arena);
    else
        assert(q.route != NULL && q.path != NULL && (strstr(q.route->path, "{run}") == NULL || q.run != NULL));
    arena_release(&q.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct library_head h; /* large */
    if (size == 0)
        return 0;
    if (library_head_read(&h, (const char *)data + 1, size - 1))
        admit(&h, app_of(data[0] % 2 == 1));
    library_head_release(&h);
    return 0;
}
