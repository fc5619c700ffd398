/*
 * GET .../steps: the columns of a chart, as JSON or CSV.
 */
#include <math.h>

#include "app.h"
#include "csv.h"
#include "json_writer.h"
#include "query_steps.h"
#include "routes.h"

enum { POINTS_DEFAULT = 1000 };

/* A list where the selector is one; null where its series has nothing. */
static void write_values(struct json_writer *w, const struct query_metric *m, const double *values, size_t n)
{
    if (!m->is_list) {
        json_double_list(w, "value", values, n);
        return;
    }
    json_key(w, "value");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++, values += m->length) {
        if (isnan(values[0])) { /* a list has no undefined values but where there is no batch */
            json_null(w);
            continue;
        }
        json_array_begin(w);
        for (size_t v = 0; v < m->length; v++)
            json_double(w, values[v]);
        json_array_end(w);
    }
    json_array_end(w);
}

static void write_json(struct response *r, const struct steps_ask *ask, const struct steps_answer *a)
{
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, ask->run);
    json_key(&w, "width");
    json_int(&w, a->width);
    json_key(&w, "x_from");
    json_string(&w, a->counted ? "counted" : "step");
    json_key(&w, "over");
    json_bool(&w, a->over);
    if (a->n_thinned > 0)
        query_thinned(&w, a->n_thinned, ask->rank);
    json_int_list(&w, "x", a->x, a->n);
    json_int_list(&w, "epoch", a->epoch, a->n);
    json_int_list(&w, "step", a->step, a->n);
    json_int_list(&w, "time", a->time, a->n);
    json_int_list(&w, "samples", a->samples, a->n);
    json_int_list(&w, "batches", a->batches, a->n);
    json_key(&w, "metrics");
    json_object_begin(&w);
    for (size_t m = 0; m < ask->n_metrics; m++) {
        json_key(&w, ask->metrics[m].selector.text);
        json_object_begin(&w);
        write_values(&w, &ask->metrics[m], a->columns[m].value, a->n);
        json_double_list(&w, "min", a->columns[m].min, a->n);
        json_double_list(&w, "max", a->columns[m].max, a->n);
        json_object_end(&w);
    }
    json_object_end(&w);
    json_object_end(&w);
}

static void write_csv(struct response *r, const struct steps_ask *ask, const struct steps_answer *a)
{
    static const char *const fixed[] = {"x", "epoch", "step", "time", "samples", "batches"};
    const int64_t *const columns[] = {a->x, a->epoch, a->step, a->time, a->samples, a->batches};
    struct csv c;
    csv_init(&c, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        csv_text(&c, fixed[i]);
    for (size_t m = 0; m < ask->n_metrics; m++) {
        const struct query_metric *metric = &ask->metrics[m];
        for (size_t v = 0; metric->is_list && v < metric->length; v++)
            csv_printf(&c, "%s[%zu]", metric->selector.text, v);
        if (metric->is_list)
            continue;
        csv_text(&c, metric->selector.text);
        csv_printf(&c, "%s min", metric->selector.text);
        csv_printf(&c, "%s max", metric->selector.text);
    }
    csv_end_row(&c);
    for (size_t row = 0; row < a->n; row++) {
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
            csv_int(&c, columns[i][row]);
        for (size_t m = 0; m < ask->n_metrics; m++) {
            size_t length = ask->metrics[m].length;
            for (size_t v = 0; v < length; v++)
                csv_double(&c, a->columns[m].value[row * length + v]);
            if (ask->metrics[m].is_list)
                continue; /* lists keep no range */
            csv_double(&c, a->columns[m].min[row]);
            csv_double(&c, a->columns[m].max[row]);
        }
        csv_end_row(&c);
    }
}

static int read_ask(struct request *q, struct steps_ask *ask, struct metric_options *options, enum media *media,
                    struct problem *p)
{
    int64_t most = q->app->limits.points;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, media, p);
    if (rc == OK)
        rc = query_int(q, "from", 0, INT64_MAX, 0, &ask->from, p);
    if (rc == OK)
        rc = query_int(q, "to", 0, INT64_MAX, INT64_MAX, &ask->to, p);
    if (rc == OK && ask->from > ask->to)
        rc = problem_set(p, PROBLEM_INVALID, "?from", "from lies after to");
    if (rc == OK)
        rc = query_int(q, "points", 1, most, POINTS_DEFAULT < most ? POINTS_DEFAULT : most, &ask->points, p);
    if (rc == OK)
        rc = query_int(q, "rank", 0, QUERY_RANK_MAX, -1, &ask->rank, p);
    if (rc == OK)
        rc = query_int(q, "window", 1, QUERY_INTEGER_MAX, 0, &ask->window, p);
    if (rc == OK)
        rc = query_zero_division(q, options, p);
    return rc;
}

int api_steps_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    struct query_metric *metrics = NULL;
    struct steps_ask ask = {.run = &run};
    struct steps_answer answer;
    struct metric_options options;
    enum media media;
    int rc = read_ask(q, &ask, &options, &media, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &run, p);
    if (rc != OK || query_etag(q, r, &run.run))
        goto out;
    rc = query_metrics(q, &run, &metrics, &ask.n_metrics, p);
    if (rc != OK)
        goto out;
    ask.metrics = metrics;
    run.options.zero_division = options.zero_division;
    rc = query_steps(q, &ask, &answer, p);
    if (rc != OK)
        goto out;
    if (media == MEDIA_CSV)
        write_csv(r, &ask, &answer);
    else
        write_json(r, &ask, &answer);
out:
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}
