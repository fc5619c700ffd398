/*
 * GET /api/v1/metrics: the catalogue, straight from the table of lib/metric.h.
 */
#include "json_writer.h"
#include "query.h"
#include "routes.h"

static void write_arguments(struct json_writer *w, const struct metric *m)
{
    json_key(w, "arguments");
    json_array_begin(w);
    if (m->argument == METRIC_ARGUMENT_BETA)
        json_string(w, "<beta>");
    for (size_t i = 0; m->argument == METRIC_ARGUMENT_NAME && m->arg_names[i] != NULL; i++)
        json_string(w, m->arg_names[i]);
    json_array_end(w);
}

static void write_averages(struct json_writer *w, const struct metric *m)
{
    static const enum average all[] = {AVERAGE_MICRO, AVERAGE_MACRO, AVERAGE_WEIGHTED, AVERAGE_NONE};
    json_key(w, "averages");
    json_array_begin(w);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((m->averages & 1U << all[i]) != 0)
            json_string(w, average_name(all[i]));
    json_array_end(w);
    json_key(w, "default");
    json_string(w, m->averages != AVERAGES_NO_CHOICE ? average_name(m->average_default) : NULL);
}

static void write_metric(struct json_writer *w, const struct metric *m)
{
    json_object_begin(w);
    json_key(w, "name");
    json_string(w, m->name);
    json_key(w, "title");
    json_string(w, m->title);
    write_arguments(w, m);
    write_averages(w, m);
    json_key(w, "range");
    json_array_begin(w);
    json_double(w, m->low); /* an open end is infinite, and so null */
    json_double(w, m->high);
    json_array_end(w);
    json_key(w, "better");
    json_string(w, m->higher_is_better ? "high" : "low");
    json_key(w, "proportion");
    json_bool(w, m->proportion);
    json_key(w, "formula");
    json_string(w, m->formula);
    json_object_end(w);
}

int api_metrics_get(struct request *q, struct response *r, struct problem *p)
{
    enum media media;
    int rc = query_media(q, MEDIA_JSON, &media, p);
    if (rc != OK || query_etag_list(q, r, NULL, 0))
        return rc;
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "metrics");
    json_array_begin(&w);
    for (size_t i = 0; i < metric_count(); i++)
        write_metric(&w, metric_at(i));
    json_array_end(&w);
    json_object_end(&w);
    return query_finish(r, OK, p);
}
