/** The server about itself: is it alive, can it take writes, its limits, its contract. */
#include "app.h"
#include "embedded.h"
#include "ingest.h"
#include "json_writer.h"
#include "routes.h"
#include "store.h"

static int answer_status(struct response *r, const char *status)
{
    struct json_writer w;

    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "status");
    json_string(&w, status);
    json_object_end(&w);
    buffer_text(&r->body, "\n");
    return OK;
}

int api_healthz_get(struct request *q, struct response *r, struct problem *p)
{
    (void)q, (void)p;
    return answer_status(r, "ok");
}

/* Asked every few seconds: what it says was logged when it happened. */
static int known(struct problem *p, int code)
{
    if (p != NULL)
        p->is_known = true;
    return code;
}

static int not_ready(struct problem *p, int code, const char *why)
{
    return known(p, problem_set(p, code, NULL, "%s", why));
}

/* A server that drains says so itself: http.c answers every request with "stopping" then. */
int api_readyz_get(struct request *q, struct response *r, struct problem *p)
{
    const struct store *store = q->app->store;

    if (store != NULL && store_is_read_only(store))
        return known(p, store_refuse_write(store, p));
    if (store != NULL && store_is_gone(store))
        return not_ready(
            p, PROBLEM_STORAGE,
            "the database file was removed or replaced under the running server: what is written now is lost "
            "with this process; take a backup (POST /api/v1/backup) before it ends");
    if (store != NULL && store_is_full(store)) {
        not_ready(p, PROBLEM_STORAGE_FULL, "the disk has too little room; reads go on");
        p->retry_after_s = 5;
        return PROBLEM_STORAGE_FULL;
    }
    if (q->app->ingest != NULL && ingest_is_full(q->app->ingest)) {
        not_ready(p, PROBLEM_BUSY, "the queue of the writer is full (limit queue_bytes)");
        p->retry_after_s = 1;
        return PROBLEM_BUSY;
    }
    return answer_status(r, "ready");
}

int api_limits_get(struct request *q, struct response *r, struct problem *p)
{
    struct json_writer w;
    const char *name;
    int64_t value;

    (void)p;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    for (size_t i = 0; limits_at(&q->app->limits, i, &name, &value); i++) {
        json_key(&w, name);
        json_int(&w, value);
    }
    json_object_end(&w);
    buffer_text(&r->body, "\n");
    return OK;
}

int api_openapi_get(struct request *q, struct response *r, struct problem *p)
{
    const struct embedded_file *file = embedded_find("schema/openapi.yaml");

    (void)q;
    if (file == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "the API document is not in the program");
    r->content_type = "application/yaml";
    r->static_body = (const char *)file->data;
    r->static_size = file->size;
    return OK;
}
