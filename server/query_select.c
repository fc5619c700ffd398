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

/* The first metric of the catalogue that reads series of this kind: each kind has one. */
static const struct metric *metric_of_kind(enum kind kind)
{
    const struct metric *metric = NULL;
    for (size_t i = 0; (metric = metric_at(i)) != NULL && metric->kind != kind; i++)
        continue;
    return metric;
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

/* ---- which series ---- */

static bool is_mean_series(const struct series_row *series)
{
    return series != NULL && series->shape.form == FORM_MEAN;
}

/*
 * There is no series of that kind and name.  Where nothing but sending it helps (the name is the metric's
 * own, or holds another state already) the state lacks it; else the name is unknown, or taken by a
 * weighted mean, which shares its name with nothing.
 */
static int no_series(const struct query_run *run, const char *what, enum kind kind, const char *field, const char *name,
                     bool is_default, const char *pointer, struct problem *p)
{
    const struct series_row *other = query_series(run, name);
    bool is_taken = other != NULL && (kind == KIND_MEAN || is_mean_series(other));
    struct text_list names = {.text = ""};
    for (size_t i = 0; i < run->n_series; i++)
        if (form_kind(run->series[i].shape.form) == kind)
            list_add(&names, "", run->series[i].name);
    bool lacks = !is_taken && (other != NULL || is_default || names.n == 0);
    return problem_set(p, lacks ? PROBLEM_STATE_LACKS : PROBLEM_UNKNOWN_METRIC, pointer,
                       "%s needs %s; stage %s has none under the name %s%s: send %s%s%s%s", what, kind_noun(kind),
                       run->stage, name, is_taken ? ", which is taken" : "", field,
                       is_taken ? " under another name" : "", names.n > 0 ? "; names that have them: " : "",
                       names.text);
}

static int resolve_mean(const struct query_run *run, struct query_metric *m, struct problem *p)
{
    m->series = query_series_of(run, m->selector.series, KIND_MEAN);
    if (m->series != NULL)
        return OK;
    const struct series_row *other = query_series(run, m->selector.series);
    if (other == NULL)
        return unknown_metric(run, m->selector.text, p);
    enum kind kind = form_kind(other->shape.form);
    const struct metric *metric = metric_of_kind(kind);
    return problem_set(p, PROBLEM_UNKNOWN_METRIC, "?metric", "%s holds %s, ask for one of its metrics: %s:%s",
                       other->name, kind_noun(kind), other->name, metric->name);
}

static int resolve_metric(const struct query_run *run, struct query_metric *m, struct problem *p)
{
    const struct metric_choice *choice = &m->selector.choice;
    const struct metric *metric = choice->metric;
    m->series = query_series_of(run, m->selector.series, metric->kind);
    if (m->series == NULL) {
        char sums[SERIES_NAME_MAX + 40]; /* of perplexity, the only metric of a mean */
        snprintf(sums, sizeof sums, "sums: {\"%s\": [sum, tokens]}", m->selector.series);
        int rc = no_series(run, metric->name, metric->kind, metric->kind == KIND_MEAN ? sums : kind_field(metric->kind),
                           m->selector.series, strcmp(m->selector.series, metric->series_default) == 0, "?metric", p);
        const struct series_row *mean = query_series_of(run, metric->name, KIND_MEAN);
        if (p != NULL && mean != NULL)
            problem_add_place(p, "?metric", "the weighted mean of that name is %s:mean", mean->name);
        return rc;
    }
    char why[240];
    if (metric_check(choice, &m->series->shape, why, sizeof why) != OK)
        return problem_set(p, PROBLEM_STATE_LACKS, "?metric", "%s: %s", m->selector.text, why);
    m->length = metric_length(choice, &m->series->shape);
    m->is_list = choice->average == AVERAGE_NONE && metric->averages != AVERAGES_NO_CHOICE &&
                 m->series->shape.task != TASK_BINARY;
    return OK;
}

/* may_lack: a stage without such a series is no error. */
static int resolve_one(const struct query_run *run, const char *text, size_t length, bool may_lack,
                       struct query_metric *m, struct problem *p)
{
    char why[240] = "";
    memset(m, 0, sizeof *m);
    m->length = 1;
    int status = selector_parse(text, length, &m->selector, why, sizeof why);
    if (status != OK)
        return refuse(run, text, length, status, why, p);
    if (!run->stage_known)
        return OK;
    struct problem lacks = {0};
    struct problem *why_not = may_lack ? &lacks : p;
    int rc = m->selector.is_mean ? resolve_mean(run, m, why_not) : resolve_metric(run, m, why_not);
    if (rc == OK || !may_lack)
        return rc;
    m->series = NULL; /* metric_check() refuses a series that is there */
    return OK;
}

/* accuracy of main, or the first weighted mean, or the first metric of the first series. */
static void default_selector(const struct query_run *run, char *out, size_t size)
{
    const struct series_row *mean = NULL;
    for (size_t i = run->n_series; i-- > 0;)
        if (is_mean_series(&run->series[i]))
            mean = &run->series[i];
    if (run->n_series == 0 || query_series_of(run, "main", KIND_COUNTS) != NULL) {
        snprintf(out, size, "accuracy");
    } else if (mean != NULL) {
        snprintf(out, size, metric_find(mean->name, strlen(mean->name)) != NULL ? "%s:mean" : "%s", mean->name);
    } else {
        const struct metric *metric = metric_of_kind(form_kind(run->series[0].shape.form));
        bool is_own = strcmp(run->series[0].name, metric->series_default) == 0;
        snprintf(out, size, "%s%s%s", is_own ? "" : run->series[0].name, is_own ? "" : ":", metric->name);
    }
}

static int resolve_all(struct request *q, const struct query_run *run, const char *text, bool may_lack,
                       struct query_metric **out, size_t *n, struct problem *p)
{
    char fallback[SELECTOR_TEXT_MAX];
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
        int rc = resolve_one(run, text, length, may_lack, &metrics[n_metrics], p);
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

int query_metrics(struct request *q, const struct query_run *run, struct query_metric **out, size_t *n,
                  struct problem *p)
{
    return resolve_all(q, run, request_arg(q, "metric"), false, out, n, p);
}

int query_metrics_there(struct request *q, const struct query_run *run, const char *text, struct query_metric **out,
                        size_t *n, struct problem *p)
{
    return resolve_all(q, run, text, true, out, n, p);
}

int query_series_asked(const struct request *q, const struct query_run *run, enum kind kind, const char *what,
                       const char *field, const struct series_row **out, struct problem *p)
{
    const char *name;
    int rc = query_name(q, &name, p);
    if (rc != OK)
        return rc;
    if (name == NULL)
        name = "main";
    *out = query_series_of(run, name, kind);
    if (*out == NULL && run->stage_known)
        return no_series(run, what, kind, field != NULL ? field : kind_field(kind), name, strcmp(name, "main") == 0,
                         "?name", p);
    return OK;
}

int query_unknown_name(const struct query_run *run, const char *name, struct problem *p)
{
    struct text_list names = {.text = ""};
    for (size_t i = 0; i < run->n_series; i++)
        if (i == 0 || strcmp(run->series[i - 1].name, run->series[i].name) != 0)
            list_add(&names, "", run->series[i].name);
    return problem_set(p, PROBLEM_UNKNOWN_METRIC, "?name", "stage %s has nothing under the name %s; names: %s",
                       run->stage, name, names.n > 0 ? names.text : "none");
}

const struct series_row *query_basis(const struct query_run *run, const struct query_metric *metrics, size_t n)
{
    const struct series_row *main_series = query_series(run, "main");
    if (main_series != NULL && !is_mean_series(main_series))
        return main_series;
    return n > 0 ? metrics[0].series : NULL;
}
