/**
 * GET /metrics: the server's own figures as OpenMetrics text, version 1.0.0.
 *
 * Each figure is kept where it arises and only read here, so that counting costs next to nothing and a scrape costs some
 * microseconds.  Names are tally_ and the noun, and end with the unit where there is one (seconds, bytes).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "ingest.h"
#include "json_writer.h"
#include "log.h"
#include "process_stats.h"
#include "routes.h"
#include "server_stats.h"
#include "store.h"

/* ---- the text ---- */

/* unit "": it has none. */
static void family(struct buffer *b, const char *name, const char *type, const char *unit, const char *help)
{
    buffer_printf(b, "# TYPE %s %s\n", name, type);
    if (unit[0] != '\0')
        buffer_printf(b, "# UNIT %s %s\n", name, unit);
    buffer_printf(b, "# HELP %s %s\n", name, help);
}

static void number(struct buffer *b, double value)
{
    char text[32];

    json_format_double(value, text);
    buffer_printf(b, " %s\n", text);
}

static void gauge(struct buffer *b, const char *name, const char *unit, const char *help, double value)
{
    family(b, name, "gauge", unit, help);
    buffer_text(b, name);
    number(b, value);
}

/* Left out where it is not known (-1). */
static void known_gauge(struct buffer *b, const char *name, const char *unit, const char *help, int64_t value)
{
    if (value >= 0)
        gauge(b, name, unit, help, (double)value);
}

static void counter(struct buffer *b, const char *name, const char *help, int64_t value)
{
    family(b, name, "counter", "", help);
    buffer_printf(b, "%s_total %" PRId64 "\n", name, value);
}

/* labels: of the series, each followed by a comma; "" for none. */
static void histogram(struct buffer *b, const char *name, const char *labels, const struct histogram *h)
{
    int64_t n = 0;
    int labels_size = (int)strlen(labels) - (labels[0] != '\0'); /* without the last comma */

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char bound[32] = "+Inf";
        n += h->count[i];
        if (i + 1 < HISTOGRAM_BUCKETS) /* as the format wants it: 1.0, not 1 */
            snprintf(bound, sizeof bound, histogram_bound(i) % 1000000 == 0 ? "%.1f" : "%g",
                     (double)histogram_bound(i) / 1e6);
        buffer_printf(b, "%s_bucket{%sle=\"%s\"} %" PRId64 "\n", name, labels, bound, n);
    }
    const char *open = labels_size > 0 ? "{" : "", *close = labels_size > 0 ? "}" : "";
    buffer_printf(b, "%s_count%s%.*s%s %" PRId64 "\n%s_sum%s%.*s%s", name, open, labels_size, labels, close, n, name,
                  open, labels_size, labels, close);
    number(b, (double)h->sum_us / 1e6);
}

/* ---- what there is to say ---- */

static void put_requests(void *context, const char *method, const char *path, int status, int64_t n)
{
    buffer_printf(context, "tally_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %" PRId64 "\n", method, path,
                  status, n);
}

static void put_durations(void *context, const char *method, const char *path, const struct histogram *h)
{
    char labels[256];

    snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\",", method, path);
    histogram(context, "tally_request_duration_seconds", labels, h);
}

static void put_http(struct buffer *b, struct http *h)
{
    struct http_stats http = {0};

    http_stats_get(h, &http);
    gauge(b, "tally_connections", "", "Open connections.", (double)http.connections);
    counter(b, "tally_connections_cut", "Connections cut at a deadline or to make room.", http.connections_cut);
    gauge(b, "tally_requests_open", "", "Requests not answered yet.", (double)http.requests);
    gauge(b, "tally_body_bytes", "bytes", "Bytes of request bodies in memory.", (double)http.body_bytes);
}

static void put_ingest(struct buffer *b, struct ingest *ingest)
{
    struct ingest_stats s;

    ingest_stats_get(ingest, &s);
    counter(b, "tally_records", "Records accepted.", s.records);
    counter(b, "tally_records_duplicate", "Records that were stored already, with the same content.", s.duplicates);
    counter(b, "tally_records_stale", "Records of an earlier attempt, after a cut.", s.stale);
    counter(b, "tally_jobs_refused", "Changes refused for what is stored (conflicts, shapes, overflow).", s.refused);
    counter(b, "tally_epochs_sealed", "Epochs of a series sealed by retention.", s.epochs_sealed);
    counter(b, "tally_batches_thinned", "Batches of sealed epochs removed.", s.batches_thinned);
    family(b, "tally_commit_duration_seconds", "histogram", "seconds", "Commits of the writer, with their fsync.");
    histogram(b, "tally_commit_duration_seconds", "", &s.commits);
    gauge(b, "tally_commit_last_seconds", "seconds", "How long the last commit took.", (double)s.last_commit_us / 1e6);
    gauge(b, "tally_queue_bytes", "bytes", "Bytes that wait for the writer.", (double)s.queue_bytes);
    gauge(b, "tally_queue_jobs", "", "Changes that wait for the writer.", (double)s.queue_jobs);
}

static void put_store(struct buffer *b, const struct store *store)
{
    struct store_sizes sizes;

    store_sizes_get(store, &sizes);
    gauge(b, "tally_store_read_only", "", "1 after a failed write: nothing is stored any more.",
          store_is_read_only(store));
    gauge(b, "tally_store_full", "", "1 while the disk has too little room for a write.", store_is_full(store));
    gauge(b, "tally_store_gone", "", "1 when the database file was removed or replaced under the server.",
          store_is_gone(store));
    known_gauge(b, "tally_database_bytes", "bytes", "Size of the database file.", sizes.database_bytes);
    known_gauge(b, "tally_wal_bytes", "bytes", "Size of the write-ahead log beside it.", sizes.wal_bytes);
    known_gauge(b, "tally_disk_free_bytes", "bytes", "Free bytes of its file system.", sizes.free_bytes);
}

static void put_backups(struct buffer *b)
{
    struct backup_stats s;

    server_stats_backups(&s);
    counter(b, "tally_backups", "Backups made over HTTP.", s.made);
    counter(b, "tally_backups_failed", "Backups over HTTP that failed.", s.failed);
    if (s.last_made_at > 0)
        gauge(b, "tally_backup_last_timestamp_seconds", "seconds", "When the last backup over HTTP was made.",
              (double)s.last_made_at / 1e3);
}

static void put_log(struct buffer *b)
{
    struct log_stats s;

    log_stats_get(&s);
    family(b, "tally_log_events", "counter", "", "Lines of the log by level.");
    buffer_printf(b,
                  "tally_log_events_total{level=\"info\"} %" PRId64 "\ntally_log_events_total{level=\"warn\"} %" PRId64
                  "\ntally_log_events_total{level=\"error\"} %" PRId64 "\n",
                  s.events[LOG_INFO], s.events[LOG_WARN], s.events[LOG_ERROR]);
    if (s.last_error_at == 0)
        return;
    family(b, "tally_last_error_timestamp_seconds", "gauge", "seconds",
           "When the last error was logged, and its event.");
    buffer_printf(b, "tally_last_error_timestamp_seconds{event=\"%s\"}", s.last_error);
    number(b, (double)s.last_error_at / 1e3);
}

static void put_process(struct buffer *b)
{
    struct process_stats s;

    process_stats_read(&s);
    if (s.cpu_us >= 0) {
        family(b, "process_cpu_seconds", "counter", "seconds", "User and system time of all threads.");
        buffer_text(b, "process_cpu_seconds_total");
        number(b, (double)s.cpu_us / 1e6);
    }
    known_gauge(b, "process_resident_memory_bytes", "bytes", "Memory in use.", s.resident_bytes);
    known_gauge(b, "process_virtual_memory_bytes", "bytes", "Address space in use.", s.virtual_bytes);
    known_gauge(b, "process_open_fds", "", "Open file descriptors.", s.open_fds);
    known_gauge(b, "process_max_fds", "", "How many there may be.", s.max_fds);
    if (s.started_at >= 0)
        gauge(b, "process_start_time_seconds", "seconds", "When the process started.", (double)s.started_at / 1e3);
}

int api_server_metrics_get(struct request *q, struct response *r, struct problem *p)
{
    const struct app *app = q->app;
    struct buffer *b = &r->body;

    (void)p;
    r->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    family(b, "tally_build", "info", "", "What runs here.");
    buffer_printf(b, "tally_build_info{version=\"%s\",build=\"%s\"} 1\n", tally_version(), tally_build_id());
    gauge(b, "tally_uptime_seconds", "seconds", "Time since the start.", (double)(q->now - app->started_at) / 1e3);
    family(b, "tally_requests", "counter", "", "Answers by route and status; an empty route: none was found.");
    server_stats_each(put_requests, b);
    family(b, "tally_request_duration_seconds", "histogram", "seconds",
           "From a complete header to the answer, by route.");
    server_stats_durations_each(put_durations, b);
    if (app->http != NULL)
        put_http(b, app->http);
    if (app->ingest != NULL)
        put_ingest(b, app->ingest);
    if (app->store != NULL)
        put_store(b, app->store);
    put_backups(b);
    put_log(b);
    put_process(b);
    buffer_text(b, "# EOF\n");
    return OK;
}
