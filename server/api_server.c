/** The server about itself: is it alive, can it take writes, its figures, its limits, its contract. */
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "embedded.h"
#include "ingest.h"
#include "json_writer.h"
#include "routes.h"
#include "server_stats.h"
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

int api_readyz_get(struct request *q, struct response *r, struct problem *p)
{
    if (q->app->store != NULL && store_is_read_only(q->app->store))
        return problem_set(p, PROBLEM_STORAGE, NULL,
                           "the store is read-only since a write failed; restart the server when the disk is well");
    if (q->app->store != NULL && store_is_full(q->app->store))
        return problem_set(p, PROBLEM_STORAGE_FULL, NULL, "the disk has too little room; reads go on");
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

/* ---- OpenMetrics text, version 1.0.0 ---- */

static void family(struct buffer *b, const char *name, const char *type, const char *help)
{
    buffer_printf(b, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void gauge(struct buffer *b, const char *name, const char *help, double value)
{
    char text[32];

    family(b, name, "gauge", help);
    json_format_double(value, text);
    buffer_printf(b, "%s %s\n", name, text);
}

static void counter(struct buffer *b, const char *name, const char *help, int64_t value)
{
    family(b, name, "counter", help);
    buffer_printf(b, "%s_total %" PRId64 "\n", name, value);
}

static void put_requests(void *context, const char *method, const char *path, int status, int64_t n)
{
    buffer_printf(context, "tally_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %" PRId64 "\n", method, path,
                  status, n);
}

static void put_ingest(struct buffer *b, struct ingest *ingest)
{
    struct ingest_stats s;

    ingest_stats_get(ingest, &s);
    counter(b, "tally_records", "Records accepted.", s.records);
    counter(b, "tally_records_duplicate", "Records that were stored already, with the same content.", s.duplicates);
    counter(b, "tally_records_stale", "Records of an earlier attempt, after a cut.", s.stale);
    counter(b, "tally_jobs_refused", "Changes refused for what is stored (conflicts, shapes, overflow).", s.refused);
    counter(b, "tally_commits", "Transactions committed.", s.commits);
    gauge(b, "tally_commit_last_seconds", "How long the last commit took.", (double)s.last_commit_us / 1e6);
    gauge(b, "tally_queue_bytes", "Bytes that wait for the writer.", (double)s.queue_bytes);
    gauge(b, "tally_queue_jobs", "Changes that wait for the writer.", (double)s.queue_jobs);
}

int api_server_metrics_get(struct request *q, struct response *r, struct problem *p)
{
    const struct app *app = q->app;
    struct buffer *b = &r->body;
    struct http_stats http = {0};

    (void)p;
    r->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    family(b, "tally_build", "info", "What runs here.");
    buffer_printf(b, "tally_build_info{version=\"%s\",build=\"%s\"} 1\n", tally_version(), tally_build_id());
    gauge(b, "tally_uptime_seconds", "Time since the start.", (double)(q->now - app->started_at) / 1e3);
    family(b, "tally_requests", "counter", "Answers by route and status; an empty route: none was found.");
    server_stats_each(put_requests, b);
    if (app->http != NULL) {
        http_stats_get(app->http, &http);
        gauge(b, "tally_connections", "Open connections.", (double)http.connections);
        counter(b, "tally_connections_cut", "Connections cut at a deadline or to make room.", http.connections_cut);
        gauge(b, "tally_requests_open", "Requests not answered yet.", (double)http.requests);
        gauge(b, "tally_body_bytes", "Bytes of request bodies in memory.", (double)http.body_bytes);
    }
    if (app->ingest != NULL)
        put_ingest(b, app->ingest);
    if (app->store != NULL)
        gauge(b, "tally_store_read_only", "1 after a failed write: nothing is stored any more.",
              store_is_read_only(app->store) ? 1 : 0);
    buffer_text(b, "# EOF\n");
    return OK;
}
