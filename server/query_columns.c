/*
 * Why: a table of runs compares them by a few numbers; each is an exact epoch value, read from the
 * epoch rollups.  A run that lacks something has an empty cell, never an error: the table holds many
 * different runs.  Runs on the worker thread that owns q->reader.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_value.h"
#include "record.h"

#include "query_columns.h"

/* ---- reading ---- */

static int complain(char *why, size_t size, const char *text)
{
    snprintf(why, size, "%s", text);
    return ERR_SYNTAX;
}

static int read_which(const char *text, size_t length, struct column *out)
{
    static const char *const words[] = {
        [COLUMN_LAST] = "last", [COLUMN_BEST] = "best", [COLUMN_MIN] = "min", [COLUMN_MAX] = "max"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0) {
            out->which = (enum column_which)i;
            return OK;
        }
    if (length == 0 || length > 16)
        return ERR_SYNTAX;
    int64_t epoch = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_SYNTAX;
        epoch = 10 * epoch + (text[i] - '0');
    }
    if (epoch > QUERY_INTEGER_MAX)
        return ERR_SYNTAX;
    out->which = COLUMN_EPOCH;
    out->epoch = epoch;
    return OK;
}

static enum column_fact read_fact(const char *text, size_t length)
{
    if (length == strlen("epoch") && memcmp(text, "epoch", length) == 0)
        return COLUMN_FACT_EPOCH;
    return length == strlen("samples") && memcmp(text, "samples", length) == 0 ? COLUMN_FACT_SAMPLES : COLUMN_VALUE;
}

static int read_metric(const char *text, size_t length, struct column *out, char *why, size_t why_size)
{
    static const char form[] = "a column is stage/selector@last, best, min, max or an epoch, or config.key";
    const char *slash = memchr(text, '/', length), *at = memrchr(text, '@', length);
    if (slash == NULL || at == NULL || at < slash)
        return complain(why, why_size, form);
    size_t n_stage = (size_t)(slash - text);
    if (!name_is_valid(text, n_stage, STAGE_MAX))
        return complain(why, why_size, "what stands before the first / is not the name of a stage");
    memcpy(out->stage, text, n_stage);
    out->stage[n_stage] = '\0';
    if (read_which(at + 1, length - (size_t)(at + 1 - text), out) != OK)
        return complain(why, why_size, form);
    out->fact = read_fact(slash + 1, (size_t)(at - slash - 1));
    if (out->fact != COLUMN_VALUE)
        return OK;
    int status = selector_parse(slash + 1, (size_t)(at - slash - 1), &out->selector, why, why_size);
    if (status != OK)
        return ERR_SYNTAX;
    if (!out->selector.is_mean && out->selector.choice.metric->averages != AVERAGES_NO_CHOICE &&
        out->selector.choice.average == AVERAGE_NONE)
        return complain(why, why_size, "a column is one number, and .none is a list");
    return OK;
}

int column_parse(const char *text, size_t length, struct arena *arena, struct column *out, char *why, size_t why_size)
{
    memset(out, 0, sizeof *out);
    char *copy = arena_strndup(arena, text, length);
    if (copy == NULL)
        return ERR_MEMORY;
    out->text = copy;
    if (strncmp(copy, "config.", 7) == 0 && memchr(text, '/', length) == NULL) {
        out->is_config = true;
        out->path = copy + 7;
        return *out->path != '\0' ? OK : complain(why, why_size, "config. needs the name of a key");
    }
    if (read_metric(text, length, out, why, why_size) == OK)
        return OK;
    if (strncmp(copy, "config.", 7) != 0)
        return ERR_SYNTAX;
    out->is_config = true; /* a key of the config that holds a slash */
    out->path = copy + 7;
    return OK;
}

int columns_parse(struct request *q, struct column **out, size_t *n, struct problem *p)
{
    const char *text = request_arg(q, "columns");
    *out = NULL;
    *n = 0;
    if (text == NULL)
        return OK;
    size_t n_words = 1, n_columns = 0;
    for (const char *comma = text; (comma = strchr(comma, ',')) != NULL; comma++)
        n_words++;
    if (n_words > COLUMNS_MAX)
        return problem_set(p, PROBLEM_INVALID, "?columns", "columns names %zu columns, at most %d", n_words,
                           COLUMNS_MAX);
    struct column *columns = arena_alloc(&q->arena, n_words * sizeof *columns);
    if (columns == NULL)
        return query_no_memory(p);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        char why[320] = "", quoted[120];
        int status = column_parse(at, length, &q->arena, &columns[n_columns], why, sizeof why);
        if (status == ERR_MEMORY)
            return query_no_memory(p);
        if (status != OK)
            return problem_set(p, PROBLEM_INVALID, "?columns", "%s: %s",
                               problem_quote(quoted, sizeof quoted, at, length), why);
        bool repeated = false;
        for (size_t i = 0; i < n_columns; i++)
            repeated = repeated || strcmp(columns[i].text, columns[n_columns].text) == 0;
        if (!repeated)
            n_columns++;
        at += length;
        if (*at == '\0')
            break;
    }
    *out = columns;
    *n = n_columns;
    return OK;
}

/* ---- values ---- */

struct column_scan {
    enum column_fact fact;
    struct query_metric metric;
    struct metric_options options;
    struct state state;
    bool greatest; /* of the epochs' values: else the smallest */
    double value;  /* NAN: none yet */
    struct problem *p;
};

static int value_of_epoch(struct column_scan *scan, const struct rollup_row *row, double *value)
{
    if (scan->fact != COLUMN_VALUE) {
        *value = (double)(scan->fact == COLUMN_FACT_EPOCH ? row->epoch : row->samples);
        return OK;
    }
    const struct batch_key key = {row->epoch, row->last_step, 0};
    state_clear(&scan->state);
    int rc = query_state_add(&scan->state, &key, row->samples, row->batches, row->state, row->state_size, scan->p);
    return rc == OK ? query_value(&scan->metric, &scan->state, &scan->options, value, scan->p) : rc;
}

static int add_epoch(void *context, const struct rollup_row *row)
{
    struct column_scan *scan = context;
    double value;
    int rc = value_of_epoch(scan, row, &value);
    if (rc != OK)
        return rc;
    if (isfinite(value) && (isnan(scan->value) || (scan->greatest ? value > scan->value : value < scan->value)))
        scan->value = value;
    return OK;
}

static bool wants_greatest(const struct column *c)
{
    if (c->which == COLUMN_BEST && c->fact == COLUMN_VALUE)
        return !c->selector.is_mean && c->selector.choice.metric->higher_is_better;
    return c->which == COLUMN_BEST || c->which == COLUMN_MAX;
}

static int scan_epochs(struct request *q, const struct column *c, const struct run_row *run,
                       const struct series_row *series, double *value, struct problem *p)
{
    struct stage_declaration declaration;
    int rc = stage_declaration_get(run->stages, c->stage, &q->arena, &declaration, p);
    if (rc != OK)
        return rc;
    struct column_scan scan = {.fact = c->fact,
                               .metric = {.selector = c->selector, .series = series, .length = 1},
                               .options = stage_metric_options(&declaration),
                               .greatest = wants_greatest(c),
                               .value = NAN,
                               .p = p};
    bool with_cells = c->fact == COLUMN_VALUE && query_needs_cells(&scan.metric, 1, series);
    rc = query_state_init(&scan.state, series, with_cells, p);
    if (rc != OK)
        return rc;
    int64_t from = 0, to = QUERY_INTEGER_MAX;
    if (c->which == COLUMN_LAST || c->which == COLUMN_EPOCH)
        from = to = c->which == COLUMN_LAST ? series->last_epoch : c->epoch;
    rc = store_rollups_each(q->reader, series->run, series->series, 0, from, to, add_epoch, &scan, p);
    state_release(&scan.state);
    *value = scan.value;
    return rc;
}

struct first_series {
    const char *stage;
    struct series_row *out;
    bool found;
};

/* main, else the first; of the kinds of one name the first. */
static int keep_first(void *context, const struct series_row *row)
{
    struct first_series *first = context;
    bool is_main = strcmp(row->name, "main") == 0;
    if (strcmp(row->stage, first->stage) != 0 || (first->found && !is_main))
        return OK;
    *first->out = *row;
    first->found = true;
    return is_main ? STORE_STOP : OK;
}

/* The series a column reads: the selector's; for the facts of an epoch main, else the stage's first. */
static int find_series(struct request *q, const struct column *c, int64_t run, struct series_row *out, bool *found,
                       struct problem *p)
{
    const struct selector *s = &c->selector;
    if (c->fact == COLUMN_VALUE)
        return store_series_find(q->reader, run, c->stage, s->series, s->is_mean ? KIND_MEAN : s->choice.metric->kind,
                                 out, found, p);
    struct first_series first = {.stage = c->stage, .out = out};
    int rc = store_series_each(q->reader, run, keep_first, &first, p);
    *found = first.found;
    return rc;
}

/* Can the series give the column? */
static bool is_answerable(const struct column *c, const struct series_row *series)
{
    char why[240];
    if (c->fact != COLUMN_VALUE)
        return c->fact == COLUMN_FACT_EPOCH || series->shape.form != FORM_MEAN;
    return c->selector.is_mean || metric_check(&c->selector.choice, &series->shape, why, sizeof why) == OK;
}

int column_value(struct request *q, const struct column *c, struct run_view *view, struct arena *arena,
                 struct run_value *out, struct problem *p)
{
    *out = (struct run_value){.kind = RUN_VALUE_NONE};
    if (c->is_config)
        return run_view_config(view, c->path, arena, out, p);
    struct series_row series;
    bool found = false;
    int rc = find_series(q, c, view->run->run, &series, &found, p);
    if (rc != OK || !found || !is_answerable(c, &series))
        return rc;
    double value = NAN;
    rc = scan_epochs(q, c, view->run, &series, &value, p);
    if (rc == OK && isfinite(value))
        *out = (struct run_value){.kind = RUN_VALUE_NUMBER, .number = value};
    return rc;
}
