/*
 * GET /api/v1/metrics: the catalogue, straight from the table of lib/metric.h.  What a metric needs is
 * found by asking metric_check(), so that a menu made from this offers what an answer would give.
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

static const enum average averages[] = {AVERAGE_MICRO, AVERAGE_MACRO, AVERAGE_WEIGHTED, AVERAGE_NONE};
enum { N_AVERAGES = sizeof averages / sizeof averages[0] };

static void write_averages(struct json_writer *w, const struct metric *m)
{
    json_key(w, "averages");
    json_array_begin(w);
    for (size_t i = 0; i < N_AVERAGES; i++)
        if ((m->averages & 1U << averages[i]) != 0)
            json_string(w, average_name(averages[i]));
    json_array_end(w);
    json_key(w, "default");
    json_string(w, m->averages != AVERAGES_NO_CHOICE ? average_name(m->average_default) : NULL);
}

/* ---- what a series must hold ---- */

/* The least form of a series of this task that gives the choice; NULL: none does. */
static const char *need_of(const struct metric_choice *choice, enum task task)
{
    static const enum form forms[] = {FORM_TOTALS,      FORM_CLASSES, FORM_CONFUSION,  FORM_SCORES,
                                      FORM_CALIBRATION, FORM_EXACT,   FORM_REGRESSION, FORM_MEAN};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct shape shape = {
            .form = forms[i], .task = task, .num_classes = task == TASK_BINARY ? 1 : 3, .bins = 2};
        if (metric_check(choice, &shape, NULL, 0) == OK)
            return form_name(forms[i]);
    }
    return NULL;
}

static struct metric_choice default_choice(const struct metric *m)
{
    return (struct metric_choice){.metric = m, .average = m->average_default, .beta = 1};
}

/* By average, by argument, or one text where there is nothing to choose; null where the task has no such metric. */
static void write_needs_of_task(struct json_writer *w, const struct metric *m, enum task task)
{
    struct metric_choice choice = default_choice(m);
    bool by_average = m->averages != AVERAGES_NO_CHOICE && task != TASK_BINARY;
    if (!by_average && (m->argument != METRIC_ARGUMENT_NAME || need_of(&choice, task) == NULL)) {
        json_string(w, need_of(&choice, task));
        return;
    }
    json_object_begin(w);
    for (size_t i = 0; by_average && i < N_AVERAGES; i++) {
        if ((m->averages & 1U << averages[i]) == 0)
            continue;
        choice.average = averages[i];
        json_key(w, average_name(averages[i]));
        json_string(w, need_of(&choice, task));
    }
    for (int i = 0; !by_average && m->arg_names[i] != NULL; i++) {
        choice.arg = i;
        json_key(w, m->arg_names[i]);
        json_string(w, need_of(&choice, task));
    }
    json_object_end(w);
}

static void write_needs(struct json_writer *w, const struct metric *m)
{
    static const enum task tasks[] = {TASK_MULTICLASS, TASK_BINARY, TASK_MULTILABEL};
    const struct metric_choice choice = default_choice(m);
    json_key(w, "kind");
    json_string(w, kind_name(m->kind));
    json_key(w, "series");
    json_string(w, m->series_default);
    json_key(w, "needs");
    json_string(w, need_of(&choice, TASK_MULTICLASS));
    json_key(w, "needs_by_task");
    json_object_begin(w);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        json_key(w, task_name(tasks[i]));
        write_needs_of_task(w, m, tasks[i]);
    }
    json_object_end(w);
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
    write_needs(w, m);
    json_key(w, "range");
    json_array_begin(w);
    json_double(w, m->low); /* an open end is infinite, and so null */
    json_double(w, m->high);
    json_array_end(w);
    json_key(w, "better");
    json_string(w, m->higher_is_better ? "high" : "low");
    json_key(w, "proportion");
    json_bool(w, m->proportion);
    json_key(w, "zero_division");
    json_bool(w, m->zero_division);
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
