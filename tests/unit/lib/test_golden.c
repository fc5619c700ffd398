/*
 * The golden vectors: every case of tests/golden, per step and per epoch, at the tolerances of
 * tests/golden/README.md.  The batches go through their packed form, in shuffled order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "golden_case.h"

/* ---- comparing ---- */

static double expected_of(const cJSON *want)
{
    if (cJSON_IsNull(want))
        return NAN;
    if (cJSON_IsString(want))
        return strcmp(want->valuestring, "inf") == 0 ? INFINITY : -INFINITY;
    return want->valuedouble;
}

static void compare(struct golden *g, const char *what, const cJSON *want_json, double got)
{
    double want = expected_of(want_json);
    static const char *const LOOSE[] = {"mcc", "r2", "explained_variance", "pearson"};
    double tolerance = 1e-9;
    for (size_t i = 0; i < sizeof LOOSE / sizeof *LOOSE; i++) {
        if (strcmp(what, LOOSE[i]) == 0)
            tolerance = 1e-6;
    }
    bool same = isnan(want)   ? isnan(got)
                : isinf(want) ? got == want
                              : fabs(want - got) <= tolerance * fmax(1, fabs(want));
    cr_assert(same, "%s: %s: expected %.17g, got %.17g", g->name, what, want, got);
    g->n_compared++;
}

/* How many numbers of each metric were compared, in the catalogue's order. */
enum { METRICS_MAX = 64 };
static size_t n_compared_of[METRICS_MAX];

static void note_compared(const struct metric *metric, size_t n)
{
    for (size_t i = 0; i < metric_count(); i++)
        n_compared_of[i] += metric_at(i) == metric ? n : 0;
}

/* One selector on one state, against a number or a list. */
static void compare_metric(struct golden *g, const char *selector, double zero_division, struct state *s,
                           const cJSON *want)
{
    char text[300] = "";
    struct metric_choice choice = choice_of(selector);
    struct metric_options options = {
        .ignore_index = g->ignore_index, .zero_division = zero_division, .top_k = g->top_k};
    int status = metric_check(&choice, &s->shape, text, sizeof text);
    cr_assert_eq(status == ERR_NEED, text[0] != '\0');
    double *values = calloc(metric_length(&choice, &s->shape), sizeof *values);
    cr_assert_eq(metric_compute(&choice, s, &options, values), status);
    if (status == OK)
        note_compared(choice.metric, metric_length(&choice, &s->shape));
    if (status == OK && cJSON_IsArray(want)) {
        cr_assert_eq((size_t)cJSON_GetArraySize(want), metric_length(&choice, &s->shape));
        size_t i = 0;
        for (const cJSON *item = want->child; item != NULL; item = item->next)
            compare(g, selector, item, values[i++]);
    } else if (status == OK) {
        compare(g, selector, want, values[0]);
    } else {
        cr_assert(s->shape.form == FORM_TOTALS || strncmp(selector, "kappa@", 6) == 0, "%s: %s", g->name, text);
    }
    free(values);
}

static void compare_forms(struct golden *g, const char *selector, double zero_division, struct window *w,
                          const cJSON *want)
{
    for (enum series k = SERIES_CLASSES; k <= SERIES_TOTALS; k++) {
        if (w->has[k])
            compare_metric(g, selector, zero_division, &w->state[k], want);
    }
}

static const struct {
    const char *name, *selector;
    double zero_division;
} METRICS[] = {
    {"accuracy", "accuracy", 0},
    {"precision", "precision", 0},
    {"recall", "recall", 0},
    {"f1", "f1", 0},
    {"fbeta2", "fbeta@2", 0},
    {"fbeta05", "fbeta@0.5", 0},
    {"specificity", "specificity", 0},
    {"npv", "npv", 0},
    {"jaccard", "jaccard", 0},
    {"hamming", "hamming", 0},
    {"precision_zd1", "precision", 1},
    {"recall_zd1", "recall", 1},
    {"f1_zd1", "f1", 1},
    {"jaccard_zd1", "jaccard", 1},
    {"mcc", "mcc", 0},
};

/* Metrics with a state of their own; the others read counts. */
static const struct {
    const char *name;
    enum series series;
    char separator; /* between the name and the keys of an object */
} OTHERS[] = {
    {"auroc", SERIES_SCORES, '.'},       {"average_precision", SERIES_SCORES, '.'},
    {"ece", SERIES_CALIBRATION, '@'},    {"exact_match", SERIES_EXACT, '.'},
    {"perplexity", SERIES_NLL, '.'},     {"mse", SERIES_REGRESSION, '.'},
    {"rmse", SERIES_REGRESSION, '.'},    {"mae", SERIES_REGRESSION, '.'},
    {"r2", SERIES_REGRESSION, '.'},      {"explained_variance", SERIES_REGRESSION, '.'},
    {"pearson", SERIES_REGRESSION, '.'},
};

static bool compare_others(struct golden *g, struct window *w, const cJSON *want)
{
    char selector[64];
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        if (strcmp(want->string, OTHERS[i].name) != 0)
            continue;
        struct state *s = &w->state[OTHERS[i].series];
        cr_assert(w->has[OTHERS[i].series], "%s: no state for %s", g->name, want->string);
        if (!cJSON_IsObject(want))
            compare_metric(g, want->string, 0, s, want);
        for (const cJSON *item = cJSON_IsObject(want) ? want->child : NULL; item != NULL; item = item->next) {
            snprintf(selector, sizeof selector, "%s%c%s", want->string, OTHERS[i].separator, item->string);
            compare_metric(g, selector, 0, s, item);
        }
        return true;
    }
    return false;
}

/* The cells, each over the sum of its row, of its column, or of all. */
static void compare_confusion(struct golden *g, struct window *w, const cJSON *want)
{
    struct state *s = &w->state[SERIES_CONFUSION];
    const struct cell *cells;
    size_t n, at;
    cr_assert_eq(state_cells(s, &cells, &n), OK);
    for (const cJSON *form = want->child; form != NULL; form = form->next) {
        at = 0;
        for (uint32_t i = 0; i < g->num_classes; i++) {
            for (uint32_t k = 0; k < g->num_classes; k++) {
                const struct class_counts *row = &s->counts.classes[i], *column = &s->counts.classes[k];
                bool is_cell = at < n && cells[at].target == i && cells[at].predicted == k;
                int64_t of = strcmp(form->string, "true") == 0   ? row->tp + row->fn
                             : strcmp(form->string, "pred") == 0 ? column->tp + column->fp
                                                                 : s->counts.total;
                double value = is_cell ? (double)cells[at].count / (double)of : 0;
                at += is_cell;
                compare(g, "confmat_norm", cJSON_GetArrayItem(cJSON_GetArrayItem(form, (int)i), (int)k), value);
            }
        }
        cr_assert_eq(at, n);
    }
}

static void compare_counts(struct golden *g, struct window *w, const cJSON *want)
{
    char selector[64];
    if (strcmp(want->string, "kappa") == 0) {
        if (!cJSON_IsObject(want))
            compare_forms(g, "kappa", 0, w, want);
        for (const cJSON *item = cJSON_IsObject(want) ? want->child : NULL; item != NULL; item = item->next) {
            snprintf(selector, sizeof selector, "kappa@%s", item->string);
            compare_forms(g, selector, 0, w, item);
        }
        return;
    }
    for (size_t i = 0; i < sizeof METRICS / sizeof *METRICS; i++) {
        if (strcmp(want->string, METRICS[i].name) != 0)
            continue;
        if (!cJSON_IsObject(want))
            compare_forms(g, METRICS[i].selector, METRICS[i].zero_division, w, want);
        for (const cJSON *item = cJSON_IsObject(want) ? want->child : NULL; item != NULL; item = item->next) {
            snprintf(selector, sizeof selector, "%s.%s", METRICS[i].selector, item->string);
            compare_forms(g, selector, METRICS[i].zero_division, w, item);
        }
        return;
    }
    cr_assert(false, "%s: no test for metric %s", g->name, want->string);
}

static void compare_window(struct golden *g, struct window *w, const cJSON *metrics)
{
    const struct mean *loss = &w->state[SERIES_LOSS].mean;
    const cJSON *want;
    cJSON_ArrayForEach(want, metrics)
    {
        const char *name = want->string;
        if (strcmp(name, "mean_loss") == 0)
            compare(g, name, want, mean_value(loss));
        else if (strcmp(name, "min_loss") == 0)
            compare(g, name, want, loss->finite > 0 ? loss->min : INFINITY);
        else if (strcmp(name, "max_loss") == 0)
            compare(g, name, want, loss->finite > 0 ? loss->max : -INFINITY);
        else if (strcmp(name, "confmat_norm") == 0)
            compare_confusion(g, w, want);
        else if (!compare_others(g, w, want))
            compare_counts(g, w, want);
    }
}

/* What averaging the steps' values would have shown, unweighted and by samples. */
static void compare_mean_of_steps(struct golden *g, const cJSON *row)
{
    int64_t epoch = (int64_t)json_number(row, "epoch");
    for (const cJSON *want = row->child; want != NULL; want = want->next) {
        if (!cJSON_IsObject(want))
            continue;
        char name[64];
        snprintf(name, sizeof name, "%s", want->string);
        char *average = strchr(name, '_');
        if (average != NULL)
            *average++ = '\0';
        if (average != NULL)
            average[-1] = '.';
        struct metric_choice choice = choice_of(name);
        struct metric_options options = {.ignore_index = g->ignore_index, .top_k = g->top_k};
        double sum = 0, weighted = 0, n = 0, n_steps = 0;
        const cJSON *steps = cJSON_GetObjectItem(cJSON_GetObjectItem(g->root, "expected"), "steps"), *step;
        cJSON_ArrayForEach(step, steps)
        {
            struct window w;
            if ((int64_t)json_number(step, "epoch") != epoch)
                continue;
            window_of(g, epoch, (int64_t)json_number(step, "step"), &w);
            double value;
            cr_assert_eq(metric_compute(&choice, &w.state[SERIES_CLASSES], &options, &value), OK);
            if (w.n > 0) {
                sum += value;
                weighted += value * (double)w.n;
                n += (double)w.n;
                n_steps++;
            }
            window_release(&w);
        }
        compare(g, want->string, cJSON_GetObjectItem(want, "unweighted"), sum / n_steps);
        compare(g, want->string, cJSON_GetObjectItem(want, "weighted_by_batch_size"), weighted / n);
    }
}

/* ---- what torchmetrics has no vector for ---- */

static struct state epoch_of(struct golden *g, enum series series)
{
    struct window w;
    window_of(g, 0, -1, &w);
    struct state s = w.state[series];
    w.has[series] = false; /* it is the caller's now */
    window_release(&w);
    return s;
}

static double noted_value(const char *selector, struct state *s)
{
    note_compared(choice_of(selector).metric, 1);
    return value_of(selector, s);
}

/* docs/metrics.md, section 8: the value of scikit-learn, where torchmetrics' macro recall is 0.5697. */
static void compare_balanced_accuracy(void)
{
    struct golden g = golden_read("mc3_absent_but_predicted.json");
    struct state s = epoch_of(&g, SERIES_CONFUSION);
    double balanced = noted_value("balanced_accuracy", &s), macro = value_of("recall.macro", &s);
    cr_assert(fabs(balanced - 0.8545) < 5e-5 && fabs(macro - 0.5697) < 5e-5, "%.17g %.17g", balanced, macro);
    state_release(&s);
    golden_free(&g);
}

/* The formula, on the raw sums of the file: its means are small, so that they do not cancel. */
static void compare_concordance(void)
{
    struct golden g = golden_read("reg_basic_ddp.json");
    struct state s = epoch_of(&g, SERIES_REGRESSION);
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    const cJSON *b;
    cJSON_ArrayForEach(b, cJSON_GetObjectItem(g.root, "batches"))
    {
        n += json_number(b, "n");
        x += json_number(b, "sum_x");
        y += json_number(b, "sum_y");
        xx += json_number(b, "sum_xx");
        yy += json_number(b, "sum_yy");
        xy += json_number(b, "sum_xy");
    }
    double s_xx = (xx - x * x / n) / (n - 1), s_yy = (yy - y * y / n) / (n - 1), s_xy = (xy - x * y / n) / (n - 1);
    double want = 2 * s_xy / (s_xx + s_yy + (x / n - y / n) * (x / n - y / n));
    double got = noted_value("concordance", &s);
    cr_assert(fabs(want - got) < 1e-12, "%.17g %.17g", want, got);
    state_release(&s);
    golden_free(&g);
}

/* ---- the tests ---- */

static size_t run_case(const char *file, bool mean_of_steps)
{
    struct golden g = golden_read(file);
    const cJSON *expected = cJSON_GetObjectItem(g.root, "expected"), *item;
    if (mean_of_steps) {
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(expected, "naive_mean_of_steps"))
        {
            compare_mean_of_steps(&g, item);
        }
    } else {
        for (int level = 0; level < 2; level++) {
            cJSON_ArrayForEach(item, cJSON_GetObjectItem(expected, level == 0 ? "steps" : "epochs"))
            {
                struct window w;
                window_of(&g, (int64_t)json_number(item, "epoch"), level == 0 ? (int64_t)json_number(item, "step") : -1,
                          &w);
                compare_window(&g, &w, cJSON_GetObjectItem(item, "metrics"));
                window_release(&w);
            }
        }
    }
    size_t n = g.n_compared;
    golden_free(&g);
    return n;
}

static size_t run_all(bool mean_of_steps, size_t *n_cases)
{
    cJSON *index = golden_json("INDEX.json"), *item;
    size_t n = 0;
    *n_cases = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(index, "cases"))
    {
        n += run_case(cJSON_GetObjectItem(item, "file")->valuestring, mean_of_steps);
        ++*n_cases;
    }
    cJSON_Delete(index);
    return n;
}

Test(golden, every_step_and_epoch_has_the_value_of_torchmetrics)
{
    size_t n_cases, n = run_all(false, &n_cases);
    cr_assert_eq(n_cases, 59);
    cr_assert_geq(n, 40211, "only %zu numbers were compared", n);
    compare_balanced_accuracy();
    compare_concordance();
    for (size_t i = 0; i < metric_count(); i++)
        cr_assert_gt(n_compared_of[i], 0, "%s has no golden vector", metric_at(i)->name);
}

Test(golden, mean_of_step_values_is_reproduced)
{
    size_t n_cases, n = run_all(true, &n_cases);
    cr_assert_geq(n, 300, "only %zu numbers were compared", n);
}
