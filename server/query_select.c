/*
 * Why: a selector is a word until the stage says which series it speaks of; a word that fits nothing
 * is answered with what there is.  Pure but for the arena; any thread.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "query.h"

enum { LIST_SIZE = 400 };

struct text_list {
    char text[LIST_SIZE];
    size_t used;
    size_t n;
};

static void list_add(struct text_list *list, const char *prefix, const char *word)
{
    const char *comma = list->n++ > 0 ? ", " : "";
    size_t need = strlen(comma) + strlen(prefix) + strlen(word);
    if (list->used + need + 6 > sizeof list->text) {
        if (list->used > 0 && list->text[list->used - 1] != '.')
            list->used += (size_t)snprintf(list->text + list->used, sizeof list->text - list->used, ", ...");
        return;
    }
    list->used +=
        (size_t)snprintf(list->text + list->used, sizeof list->text - list->used, "%s%s%s", comma, prefix, word);
}

/* What the stage can be asked: its weighted means first (they are its own), then the catalogue. */
static int unknown_metric(const struct query_run *run, const char *word, struct problem *p)
{
    struct text_list means = {.text = ""}, metrics = {.text = ""};
    for (size_t i = 0; i < run->n_series; i++)
        if (run->series[i].shape.form == FORM_MEAN)
            list_add(&means, "", run->series[i].name);
    for (size_t i = 0; i < metric_count(); i++)
        list_add(&metrics, "", metric_at(i)->name);
    char quoted[80];
    problem_quote(quoted, sizeof quoted, word, strlen(word));
    return problem_set(p, PROBLEM_UNKNOWN_METRIC, "?metric",
                       "%s is not a metric here; metrics: %s; weighted means of this stage: %s", quoted, metrics.text,
                       means.n > 0 ? means.text : "none");
}

/* A selector that selector_parse() refused: is it its metric, its average or its argument that is unknown? */
static int refuse(const struct query_run *run, const char *text, size_t length, int status, const char *why,
                  struct problem *p)
{
    if (status == ERR_SYNTAX)
        return problem_set(p, PROBLEM_INVALID, "?metric", "%s", why);
    const char *end = text + length, *colon = memchr(text, ':', length), *word = colon != NULL ? colon + 1 : text,
               *stop = word;
    while (stop < end && *stop != '@' && *stop != '.')
        stop++;
    if (metric_find(word, (size_t)(stop - word)) == NULL) {
        char copy[80];
        snprintf(copy, sizeof copy, "%.*s", (int)length, text);
        return unknown_metric(run, copy, p);
    }
    const char *dot = memrchr(stop, '.', (size_t)(end - stop));
    bool average = dot != NULL && dot + 1 < end && !isdigit((unsigned char)dot[1]);
    return problem_set(p, average ? PROBLEM_UNKNOWN_AVERAGE : PROBLEM_INVALID, "?metric", "%s", why);
}

static int resolve_mean(const struct query_run *run, struct query_metric *m, struct problem *p)
{
    m->series = query_series(run, m->selector.series);
    if (m->series == NULL)
        return unknown_metric(run, m->selector.text, p);
    if (m->series->shape.form != FORM_MEAN)
        return problem_set(p, PROBLEM_UNKNOWN_METRIC, "?metric",
                           "%s is a series of counts, ask for one of its metrics: %s:accuracy", m->series->name,
                           m->series->name);
    return OK;
}

static int no_counts(const struct query_run *run, const char *name, const char *pointer, struct problem *p)
{
    struct text_list counts = {.text = ""};
    for (size_t i = 0; i < run->n_series; i++)
        if (run->series[i].shape.form != FORM_MEAN)
            list_add(&counts, "", run->series[i].name);
    return problem_set(p, PROBLEM_UNKNOWN_METRIC, pointer,
                       "stage %s has no counts under the name %s; names with counts: %s", run->stage, name,
                       counts.n > 0 ? counts.text : "none");
}

static int resolve_counts(const struct query_run *run, struct query_metric *m, struct problem *p)
{
    m->series = query_series(run, m->selector.series);
    if (m->series == NULL || m->series->shape.form == FORM_MEAN) {
        int rc = no_counts(run, m->selector.series, "?metric", p);
        const struct series_row *mean = query_series(run, m->selector.choice.metric->name);
        if (p != NULL && mean != NULL && mean->shape.form == FORM_MEAN)
            problem_add_place(p, "?metric", "the weighted mean of that name is %s:mean", mean->name);
        return rc;
    }
    char why[240];
    if (metric_check(&m->selector.choice, &m->series->shape, why, sizeof why) != OK)
        return problem_set(p, PROBLEM_STATE_LACKS, "?metric", "%s: %s", m->selector.text, why);
    m->length = metric_length(&m->selector.choice, &m->series->shape);
    m->is_list = m->selector.choice.average == AVERAGE_NONE &&
                 m->selector.choice.metric->averages != AVERAGES_NO_CHOICE && m->series->shape.task != TASK_BINARY;
    return OK;
}

static int resolve_one(const struct query_run *run, const char *text, size_t length, struct query_metric *m,
                       struct problem *p)
{
    char why[240] = "";
    memset(m, 0, sizeof *m);
    m->length = 1;
    int status = selector_parse(text, length, &m->selector, why, sizeof why);
    if (status != OK)
        return refuse(run, text, length, status, why, p);
    if (!run->stage_known)
        return OK;
    return m->selector.is_mean ? resolve_mean(run, m, p) : resolve_counts(run, m, p);
}

/* accuracy of main, or the first weighted mean, or accuracy of the first other counts. */
static void default_selector(const struct query_run *run, char *out, size_t size)
{
    const struct series_row *main_series = query_series(run, "main"), *mean = NULL, *counts = NULL;
    for (size_t i = run->n_series; i-- > 0;)
        *(run->series[i].shape.form == FORM_MEAN ? &mean : &counts) = &run->series[i];
    if ((main_series != NULL && main_series->shape.form != FORM_MEAN) || (mean == NULL && counts == NULL))
        snprintf(out, size, "accuracy");
    else if (mean != NULL)
        snprintf(out, size, metric_find(mean->name, strlen(mean->name)) != NULL ? "%s:mean" : "%s", mean->name);
    else
        snprintf(out, size, "%s:accuracy", counts->name);
}

int query_metrics(struct request *q, const struct query_run *run, struct query_metric **out, size_t *n,
                  struct problem *p)
{
    char fallback[SELECTOR_TEXT_MAX];
    const char *text = request_arg(q, "metric");
    if (text == NULL) {
        default_selector(run, fallback, sizeof fallback);
        text = fallback;
    }
    size_t n_words = 1;
    for (const char *comma = text; (comma = strchr(comma, ',')) != NULL; comma++)
        n_words++;
    if (n_words > QUERY_METRICS_MAX)
        return problem_set(p, PROBLEM_INVALID, "?metric", "metric names %zu selectors, at most %d", n_words,
                           QUERY_METRICS_MAX);
    struct query_metric *metrics = arena_alloc(&q->arena, n_words * sizeof *metrics);
    if (metrics == NULL)
        return query_no_memory(p);
    size_t n_metrics = 0;
    for (;; text++) {
        size_t length = strcspn(text, ",");
        int rc = resolve_one(run, text, length, &metrics[n_metrics], p);
        if (rc != OK)
            return rc;
        bool repeated = false;
        for (size_t i = 0; i < n_metrics; i++)
            repeated = repeated || strcmp(metrics[i].selector.text, metrics[n_metrics].selector.text) == 0;
        if (!repeated)
            n_metrics++;
        text += length;
        if (*text == '\0')
            break;
    }
    *out = metrics;
    *n = n_metrics;
    return OK;
}

int query_counts_series(const struct request *q, const struct query_run *run, const struct series_row **out,
                        struct problem *p)
{
    const char *name = request_arg(q, "name");
    if (name != NULL && !series_name_is_valid(name, strlen(name)))
        return problem_set(p, PROBLEM_INVALID, "?name",
                           "a name is 1 to %d of A-Z a-z 0-9 . _ / - and starts with a letter or digit",
                           SERIES_NAME_MAX);
    if (name == NULL)
        name = "main";
    const struct series_row *series = query_series(run, name);
    if (run->stage_known && (series == NULL || series->shape.form == FORM_MEAN))
        return no_counts(run, name, "?name", p);
    *out = series;
    return OK;
}

const struct series_row *query_basis(const struct query_run *run, const struct query_metric *metrics, size_t n)
{
    const struct series_row *main_series = query_series(run, "main");
    if (main_series != NULL && main_series->shape.form != FORM_MEAN)
        return main_series;
    return n > 0 ? metrics[0].series : NULL;
}
