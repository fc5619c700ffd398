/*
 * GET /api/v1/compare: many runs over one x axis, as JSON or CSV.
 *
 * One snapshot for all of them.  A run that lacks the stage or a metric has nulls; a stage or a metric that no run has
 * is answered as for one run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "csv.h"
#include "json_writer.h"
#include "query_compare.h"
#include "record.h"
#include "routes.h"

enum { POINTS_DEFAULT = 500 };

struct compare {
    struct compare_ask ask;
    struct compare_answer answer;
    const char **ids;  /* [ask.n_runs] */
    size_t n_loaded;   /* runs to be released */
    const char *stage; /* NULL: the runs have none */
    bool by_epoch, with_config;
    const char *group; /* a path in the config; NULL */
    struct compare_group *groups;
    size_t n_groups;
    struct metric_options options;
    enum media media;
};

/* ---- what is asked ---- */

static int read_ids(struct request *q, struct compare *c, struct problem *p)
{
    const char *text = request_arg(q, "runs");
    if (text == NULL)
        return problem_set(p, PROBLEM_INVALID, "?runs", "runs names the runs to compare, separated by commas");
    c->ids = arena_alloc(&q->arena, COMPARE_RUNS_MAX * sizeof *c->ids);
    if (c->ids == NULL)
        return query_no_memory(p);
    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (!name_is_valid(text, length, RUN_ID_MAX))
            return problem_set(p, PROBLEM_INVALID, "?runs", "runs is a list of run ids, separated by commas");
        bool repeated = false;
        for (size_t i = 0; i < c->ask.n_runs; i++)
            repeated = repeated || (strlen(c->ids[i]) == length && memcmp(c->ids[i], text, length) == 0);
        if (!repeated && c->ask.n_runs == COMPARE_RUNS_MAX)
            return problem_set(p, PROBLEM_INVALID, "?runs", "at most %d runs can be compared", (int)COMPARE_RUNS_MAX);
        char *id = arena_strndup(&q->arena, text, length);
        if (id == NULL)
            return query_no_memory(p);
        if (!repeated)
            c->ids[c->ask.n_runs++] = id;
        text += length;
        if (*text == '\0')
            return OK;
    }
}

/* What only one of the two axes has. */
static int check_axis(const struct request *q, const struct compare *c, struct problem *p)
{
    static const char *const of_steps[] = {"points", "window"};
    for (size_t i = 0; c->by_epoch && i < sizeof of_steps / sizeof of_steps[0]; i++)
        if (request_arg(q, of_steps[i]) != NULL)
            return problem_set(p, PROBLEM_INVALID, i == 0 ? "?points" : "?window", "%s goes with x=step", of_steps[i]);
    if (!c->by_epoch && c->group != NULL)
        return problem_set(p, PROBLEM_INVALID, "?group", "group goes with x=epoch");
    if (c->group != NULL && (strncmp(c->group, "config.", 7) != 0 || c->group[7] == '\0'))
        return problem_set(p, PROBLEM_INVALID, "?group", "group is config. and the path of a key");
    return OK;
}

static int read_ask(struct request *q, struct compare *c, struct problem *p)
{
    static const char *const axes[] = {"step", "epoch", NULL};
    int64_t most = q->app->limits.points;
    int axis = 0;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &c->media, p);
    if (rc == OK)
        rc = read_ids(q, c, p);
    if (rc == OK)
        rc = query_word(q, "x", axes, 0, &axis, p);
    if (rc == OK)
        rc = query_int(q, "from", 0, INT64_MAX, 0, &c->ask.from, p);
    if (rc == OK)
        rc = query_int(q, "to", 0, INT64_MAX, INT64_MAX, &c->ask.to, p);
    if (rc == OK && c->ask.from > c->ask.to)
        rc = problem_set(p, PROBLEM_INVALID, "?from", "from lies after to");
    if (rc == OK)
        rc = query_int(q, "points", 1, most, POINTS_DEFAULT < most ? POINTS_DEFAULT : most, &c->ask.points, p);
    if (rc == OK)
        rc = query_int(q, "window", 1, QUERY_INTEGER_MAX, 0, &c->ask.window, p);
    if (rc == OK)
        rc = query_bool(q, "config", false, &c->with_config, p);
    if (rc == OK)
        rc = query_zero_division(q, &c->options, p);
    c->by_epoch = axis == 1;
    c->group = request_arg(q, "group");
    return rc == OK ? check_axis(q, c, p) : rc;
}

/* ---- the runs, their stage and their series ---- */

static int load_runs(struct request *q, struct compare *c, struct problem *p)
{
    c->ask.runs = arena_alloc(&q->arena, c->ask.n_runs * sizeof *c->ask.runs);
    if (c->ask.runs == NULL)
        return query_no_memory(p);
    for (size_t r = 0; r < c->ask.n_runs; r++) {
        struct compare_run *run = &c->ask.runs[r];
        *run = (struct compare_run){.metrics = NULL};
        c->n_loaded++;
        int rc = query_run_load(q, c->ids[r], true, &run->run, p);
        if (rc == PROBLEM_UNKNOWN_RUN) {
            char pointer[40];
            snprintf(pointer, sizeof pointer, "?runs/%zu", r);
            return problem_set(p, rc, pointer, "there is no run %s", c->ids[r]);
        }
        if (rc != OK)
            return rc;
        run->run.options.zero_division = c->options.zero_division;
        const char *stage = run->run.stage;
        if (stage[0] == '\0')
            continue;
        if (c->stage != NULL && strcmp(c->stage, stage) != 0)
            return problem_set(p, PROBLEM_STAGE_NEEDED, "?stage",
                               "these runs have several stages, say stage= one of: %s, %s", c->stage, stage);
        c->stage = stage;
    }
    return OK;
}

static bool is_known(struct request *q, struct response *r, const struct compare *c)
{
    struct buffer data;
    buffer_init(&data);
    for (size_t i = 0; i < c->ask.n_runs; i++) {
        const struct run_row *run = &c->ask.runs[i].run.run;
        buffer_printf(&data, "%" PRId64 " %" PRId64 " %d;", run->incarnation, run->revision,
                      (int)run_status_effective(run, q->now));
    }
    bool known = !data.failed && query_etag_list(q, r, data.data, data.size);
    buffer_release(&data);
    return known;
}

/* A selector that no run has is refused in the words of the first that has the stage. */
static int check_metrics(struct request *q, const struct compare *c, const struct query_run *known, struct problem *p)
{
    struct query_metric *metrics;
    size_t n;
    for (size_t m = 0; m < c->ask.n_metrics; m++) {
        bool any = known == NULL;
        for (size_t r = 0; r < c->ask.n_runs; r++) {
            const struct query_metric *metric = &c->ask.runs[r].metrics[m];
            any = any || metric->series != NULL;
            if (metric->is_list)
                return problem_set(p, PROBLEM_INVALID, "?metric", "%s is a list; runs are compared by one value",
                                   metric->selector.text);
        }
        if (!any)
            return query_metrics(q, known, &metrics, &n, p);
    }
    return OK;
}

static int resolve_metrics(struct request *q, struct compare *c, struct problem *p)
{
    const char *text = request_arg(q, "metric");
    const struct query_run *known = NULL;
    for (size_t r = 0; r < c->ask.n_runs && known == NULL; r++)
        known = c->ask.runs[r].run.stage_known ? &c->ask.runs[r].run : NULL;
    if (text == NULL && known != NULL) { /* the default of the first is that of all */
        struct query_metric *metrics;
        size_t n;
        int rc = query_metrics(q, known, &metrics, &n, p);
        if (rc != OK)
            return rc;
        text = metrics[0].selector.text;
    }
    for (size_t r = 0; r < c->ask.n_runs; r++) {
        struct compare_run *run = &c->ask.runs[r];
        int rc = query_metrics_there(q, &run->run, text, &run->metrics, &c->ask.n_metrics, p);
        if (rc != OK)
            return rc;
    }
    return check_metrics(q, c, known, p);
}

/* ---- the answer ---- */

static bool has_any(const double *values, size_t n)
{
    for (size_t i = 0; values != NULL && i < n; i++)
        if (values[i] == values[i])
            return true;
    return false;
}

/* Of one run or group: arrays of [n_metrics][n]. */
static void write_metrics(struct json_writer *w, const struct compare *c, const double *value, const double *low,
                          const double *high)
{
    size_t n = c->answer.n;
    json_key(w, "metrics");
    json_object_begin(w);
    for (size_t m = 0; m < c->ask.n_metrics; m++) {
        json_key(w, c->ask.runs[0].metrics[m].selector.text);
        json_object_begin(w);
        json_double_list(w, "value", value + m * n, n);
        if (low != NULL && has_any(low + m * n, n)) {
            json_double_list(w, "low", low + m * n, n);
            json_double_list(w, "high", high + m * n, n);
        }
        json_object_end(w);
    }
    json_object_end(w);
}

static void write_run(struct json_writer *w, const struct request *q, const struct compare *c, size_t r)
{
    const struct compare_run *run = &c->ask.runs[r];
    size_t at = r * c->ask.n_metrics * c->answer.n;
    json_object_begin(w);
    json_key(w, "run");
    json_string(w, run->run.run.id);
    json_key(w, "name");
    json_string(w, run->run.run.name);
    json_key(w, "status");
    json_string(w, run_status_name(run_status_effective(&run->run.run, q->now)));
    json_key(w, "revision");
    json_int(w, run->run.run.revision);
    if (!c->by_epoch) {
        json_key(w, "x_from");
        json_string(w, run->counted ? "counted" : "step");
    }
    if (c->with_config) {
        json_key(w, "config");
        json_raw(w, run->run.run.config != NULL ? run->run.run.config : "{}");
    }
    const double *low = c->answer.low != NULL ? c->answer.low + at : NULL;
    const double *high = c->answer.high != NULL ? c->answer.high + at : NULL;
    write_metrics(w, c, c->answer.value + at, low, high);
    json_object_end(w);
}

static void write_group(struct json_writer *w, const struct compare *c, const struct compare_group *g)
{
    json_object_begin(w);
    json_key(w, "key");
    if (g->key.kind == RUN_VALUE_NUMBER)
        json_double(w, g->key.number);
    else
        json_string(w, g->key.kind == RUN_VALUE_TEXT ? g->key.text : NULL);
    json_key(w, "runs");
    json_array_begin(w);
    for (size_t i = 0; i < g->n_runs; i++)
        json_string(w, c->ids[g->runs[i]]);
    json_array_end(w);
    write_metrics(w, c, g->value, g->low, g->high);
    json_object_end(w);
}

static void write_json(const struct request *q, struct response *r, const struct compare *c)
{
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "stage");
    json_string(&w, c->stage);
    json_key(&w, "width");
    json_int(&w, c->answer.width);
    if (c->answer.n_thinned > 0)
        query_thinned(&w, c->answer.n_thinned, -1);
    json_key(&w, "x");
    json_array_begin(&w);
    for (size_t i = 0; i < c->answer.n; i++)
        json_int(&w, c->answer.x[i]);
    json_array_end(&w);
    json_key(&w, "runs");
    json_array_begin(&w);
    for (size_t i = 0; i < c->ask.n_runs; i++)
        write_run(&w, q, c, i);
    json_array_end(&w);
    if (c->group != NULL) {
        json_key(&w, "groups");
        json_array_begin(&w);
        for (size_t i = 0; i < c->n_groups; i++)
            write_group(&w, c, &c->groups[i]);
        json_array_end(&w);
    }
    json_object_end(&w);
}

/* A row for each run and x where it has anything: as many columns as metrics, however many runs. */
static void write_csv(struct response *r, const struct compare *c)
{
    struct csv w;
    size_t n = c->answer.n, n_metrics = c->ask.n_metrics;
    csv_init(&w, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    csv_text(&w, "run");
    csv_text(&w, c->by_epoch ? "epoch" : "x");
    for (size_t m = 0; m < n_metrics; m++) {
        const char *key = c->ask.runs[0].metrics[m].selector.text;
        csv_text(&w, key);
        if (c->by_epoch) {
            csv_printf(&w, "%s low", key);
            csv_printf(&w, "%s high", key);
        }
    }
    csv_end_row(&w);
    for (size_t row = 0; row < c->ask.n_runs * n; row++) {
        size_t run = row / n, i = row % n, at = run * n_metrics * n + i;
        bool any = false;
        for (size_t m = 0; m < n_metrics; m++)
            any = any || has_any(&c->answer.value[at + m * n], 1);
        if (!any)
            continue;
        csv_text(&w, c->ids[run]);
        csv_int(&w, c->answer.x[i]);
        for (size_t m = 0; m < n_metrics; m++) {
            csv_double(&w, c->answer.value[at + m * n]);
            if (c->by_epoch) {
                csv_double(&w, c->answer.low[at + m * n]);
                csv_double(&w, c->answer.high[at + m * n]);
            }
        }
        csv_end_row(&w);
    }
}

static int answer(struct request *q, struct response *r, struct compare *c, struct problem *p)
{
    int rc = load_runs(q, c, p);
    if (rc != OK || is_known(q, r, c))
        return rc;
    rc = resolve_metrics(q, c, p);
    if (rc == OK)
        rc = c->by_epoch ? compare_epochs(q, &c->ask, &c->answer, p) : compare_steps(q, &c->ask, &c->answer, p);
    if (rc == OK && c->group != NULL)
        rc = compare_groups(q, &c->ask, &c->answer, c->group + 7, &c->groups, &c->n_groups, p);
    if (rc != OK)
        return rc;
    if (c->media == MEDIA_CSV)
        write_csv(r, c);
    else
        write_json(q, r, c);
    return OK;
}

int api_compare_get(struct request *q, struct response *r, struct problem *p)
{
    struct compare c = {.ids = NULL};
    int rc = read_ask(q, &c, p);
    if (rc != OK)
        return rc;
    rc = store_snapshot_begin(q->reader, p);
    if (rc != OK)
        return rc;
    rc = answer(q, r, &c, p);
    for (size_t i = 0; i < c.n_loaded; i++)
        query_run_end(q, &c.ask.runs[i].run);
    store_snapshot_end(q->reader);
    return query_finish(r, rc, p);
}
