/*
 * GET .../epochs: exact epoch values, as JSON or CSV.  Rows are written as they are computed.
 */
#include <math.h>
#include <stdio.h>

#include "csv.h"
#include "json_writer.h"
#include "query_epochs.h"
#include "routes.h"

struct output {
    const struct epochs_ask *ask;
    struct json_writer json;
    struct csv csv;
};

static void write_list(struct json_writer *w, const char *key, const struct query_metric *m, const double *values)
{
    json_key(w, key);
    if (values == NULL) {
        json_null(w);
        return;
    }
    if (!m->is_list) {
        json_double(w, values[0]);
        return;
    }
    json_array_begin(w);
    for (size_t i = 0; i < m->length; i++)
        json_double(w, values[i]);
    json_array_end(w);
}

/* Why the mean of the steps is not the value; null where there is no step. */
static void write_gap(struct json_writer *w, const struct gap_causes *gap)
{
    const struct {
        const char *key;
        double value;
    } causes[] = {{"value", gap->value},
                  {"absent_classes", gap->absent_classes},
                  {"class_mix", gap->class_mix},
                  {"batch_size", gap->batch_size}};
    json_key(w, "gap");
    if (isnan(gap->value)) {
        json_null(w);
        return;
    }
    json_object_begin(w);
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        json_key(w, causes[i].key);
        json_double(w, causes[i].value);
    }
    json_object_end(w);
}

static const struct gap_causes no_gap = {.value = NAN};

static void write_value(struct json_writer *w, const struct epochs_ask *ask, const struct query_metric *m,
                        const struct epoch_value *v)
{
    json_key(w, m->selector.text);
    json_object_begin(w);
    write_list(w, "value", m, v->present ? v->value : NULL);
    if (m->selector.is_mean) {
        json_key(w, "nonfinite");
        json_int(w, v->present ? v->nonfinite : 0);
    } else {
        bool interval = v->present && v->has_interval;
        write_list(w, "low", m, interval ? v->low : NULL);
        write_list(w, "high", m, interval ? v->high : NULL);
        if (ask->mean_of_steps)
            write_list(w, "mean_of_steps", m, v->present && !v->is_lost ? v->mean_of_steps : NULL);
        if (v->present && v->is_lost) { /* a null of another kind than "no step has a value" */
            json_key(w, "mean_of_steps_lost");
            json_string(w, "thinned");
        }
        if (v->gap != NULL)
            write_gap(w, v->present ? v->gap : &no_gap);
    }
    json_object_end(w);
}

static int write_json(void *context, const struct epoch_row *row, const struct epoch_value *values)
{
    struct output *o = context;
    struct json_writer *w = &o->json;
    const struct {
        const char *key;
        int64_t value;
    } fields[] = {{"epoch", row->epoch},     {"steps", row->steps},           {"batches", row->batches},
                  {"samples", row->samples}, {"first_step", row->first_step}, {"last_step", row->last_step},
                  {"ranks", row->ranks}};
    json_object_begin(w);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        json_key(w, fields[i].key);
        if (row->is_unknown && i > 0)
            json_null(w);
        else
            json_int(w, fields[i].value);
    }
    if (row->is_thinned) {
        json_key(w, "thinned");
        json_bool(w, true);
    }
    json_key(w, "metrics");
    json_object_begin(w);
    for (size_t i = 0; i < o->ask->n_metrics; i++)
        write_value(w, o->ask, &o->ask->metrics[i], &values[i]);
    json_object_end(w);
    json_object_end(w);
    return w->out->failed ? PROBLEM_MEMORY : OK;
}

static void write_csv_header(struct csv *c, const struct epochs_ask *ask)
{
    static const char *const fixed[] = {"epoch", "steps", "batches", "samples", "first_step", "last_step", "ranks"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        csv_text(c, fixed[i]);
    for (size_t i = 0; i < ask->n_metrics; i++) {
        const struct query_metric *m = &ask->metrics[i];
        const char *s = m->selector.text;
        for (size_t v = 0; m->is_list && v < m->length; v++) {
            csv_printf(c, "%s[%zu]", s, v);
            if (ask->mean_of_steps)
                csv_printf(c, "%s[%zu] mean_of_steps", s, v);
        }
        if (m->is_list)
            continue;
        csv_text(c, s);
        if (m->selector.is_mean) {
            csv_printf(c, "%s nonfinite", s);
            continue;
        }
        csv_printf(c, "%s low", s);
        csv_printf(c, "%s high", s);
        if (ask->mean_of_steps)
            csv_printf(c, "%s mean_of_steps", s);
    }
    csv_end_row(c);
}

static void cell(struct csv *c, bool present, const double *values, size_t index)
{
    if (present && values != NULL)
        csv_double(c, values[index]);
    else
        csv_empty(c);
}

static int write_csv(void *context, const struct epoch_row *row, const struct epoch_value *values)
{
    struct output *o = context;
    struct csv *c = &o->csv;
    const int64_t fixed[] = {row->epoch,      row->steps,     row->batches, row->samples,
                             row->first_step, row->last_step, row->ranks};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (row->is_unknown && i > 0)
            csv_empty(c);
        else
            csv_int(c, fixed[i]);
    for (size_t i = 0; i < o->ask->n_metrics; i++) {
        const struct query_metric *m = &o->ask->metrics[i];
        const struct epoch_value *v = &values[i];
        for (size_t n = 0; n < m->length; n++) {
            cell(c, v->present, v->value, n);
            if (m->selector.is_mean) {
                csv_int(c, v->present ? v->nonfinite : 0);
                continue;
            }
            if (!m->is_list) {
                cell(c, v->present && v->has_interval, v->low, n);
                cell(c, v->present && v->has_interval, v->high, n);
            }
            if (o->ask->mean_of_steps)
                cell(c, v->present && !v->is_lost, v->mean_of_steps, n);
        }
    }
    csv_end_row(c);
    return c->out->failed ? PROBLEM_MEMORY : OK;
}

static int answer_json(struct request *q, struct response *r, const struct epochs_ask *ask, struct problem *p)
{
    struct output o = {.ask = ask};
    struct json_writer *w = &o.json;
    json_writer_init(w, &r->body);
    json_object_begin(w);
    query_head(w, ask->run);
    json_key(w, "epochs");
    json_array_begin(w);
    int rc = query_epochs(q, ask, write_json, &o, p);
    json_array_end(w);
    json_object_end(w);
    return rc;
}

static int answer_csv(struct request *q, struct response *r, const struct epochs_ask *ask, struct problem *p)
{
    struct output o = {.ask = ask};
    csv_init(&o.csv, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    write_csv_header(&o.csv, ask);
    return query_epochs(q, ask, write_csv, &o, p);
}

static int read_ask(struct request *q, struct epochs_ask *ask, struct metric_options *options, enum media *media,
                    struct problem *p)
{
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, media, p);
    if (rc == OK)
        rc = query_int(q, "epoch", 0, QUERY_INTEGER_MAX, -1, &ask->epoch, p);
    if (rc == OK)
        rc = query_int(q, "rank", 0, QUERY_RANK_MAX, -1, &ask->rank, p);
    if (rc == OK)
        rc = query_bool(q, "mean_of_steps", true, &ask->mean_of_steps, p);
    if (rc == OK)
        rc = query_zero_division(q, options, p);
    return rc;
}

int api_epochs_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    struct query_metric *metrics = NULL;
    struct epochs_ask ask = {.run = &run};
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
    rc = media == MEDIA_CSV ? answer_csv(q, r, &ask, p) : answer_json(q, r, &ask, p);
out:
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}
