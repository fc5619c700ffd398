/*
 * The golden vectors: every case of tests/golden whose states we hold, per step and per epoch, at the
 * tolerances of tests/golden/README.md.  The batches go through their packed form, in shuffled order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "support.h"

#define GOLDEN "tests/golden/"

/* ---- reading a case ---- */

/* One series of a case: the same batches, in one form. */
enum series {
    SERIES_CLASSES,
    SERIES_CONFUSION,
    SERIES_TOTALS,
    SERIES_LOSS,
    SERIES_SQUARED,
    SERIES_ABSOLUTE,
    SERIES_NLL,
    N_SERIES
};

struct batch {
    struct batch_key key;
    int64_t n;
    struct bytes packed[N_SERIES]; /* size 0: the case does not have it */
};

struct golden {
    const char *name;
    cJSON *root;
    enum task task;
    uint32_t num_classes;
    int64_t top_k, ignore_index;
    bool has_counts;
    struct batch *batches;
    size_t n_batches;
    uint64_t seed;
    size_t n_compared; /* numbers */
};

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    cr_assert(cJSON_IsNumber(item), "no number %s", key);
    return item->valuedouble;
}

static int64_t count_at(const cJSON *array, size_t i)
{
    return (int64_t)cJSON_GetArrayItem(array, (int)i)->valuedouble;
}

static cJSON *read_json(const char *file)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s", file);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "cannot open %s (run the tests from the root of the repository)", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(size);
    cr_assert_eq(fread(text, 1, size, f), size);
    fclose(f);
    cJSON *root = cJSON_ParseWithLength(text, size);
    free(text);
    cr_assert_not_null(root, "%s is not JSON", path);
    return root;
}

static struct bytes read_classes(const struct golden *g, const cJSON *b)
{
    uint32_t n = g->task == TASK_BINARY ? 1 : g->num_classes;
    struct class_entry *entries = calloc(n, sizeof *entries);
    const cJSON *tp = cJSON_GetObjectItem(b, "tp"), *fp = cJSON_GetObjectItem(b, "fp"),
                *fn = cJSON_GetObjectItem(b, "fn");
    const cJSON *tn = cJSON_GetObjectItem(b, "tn");
    const cJSON *at_tp = tp->child, *at_fp = fp->child, *at_fn = fn->child, *at_tn = tn != NULL ? tn->child : NULL;
    for (uint32_t i = 0; i < n; i++, at_tp = at_tp->next, at_fp = at_fp->next, at_fn = at_fn->next) {
        struct class_counts k = {(int64_t)at_tp->valuedouble, (int64_t)at_fp->valuedouble, (int64_t)at_fn->valuedouble,
                                 0};
        if (g->task != TASK_MULTICLASS) {
            k.tn = (int64_t)at_tn->valuedouble;
            at_tn = at_tn->next;
        }
        entries[i] = (struct class_entry){i, k};
    }
    struct batch_content content = {.shape = {FORM_CLASSES, g->task, n, 0}, .entries = entries, .n_entries = n};
    struct bytes packed = pack_batch(&content);
    free(entries);
    return packed;
}

static struct bytes read_confusion(const struct golden *g, const cJSON *b)
{
    const cJSON *dense = cJSON_GetObjectItem(b, "confmat"), *sparse = cJSON_GetObjectItem(b, "confmat_sparse");
    struct cell *cells =
        calloc(sparse != NULL ? (size_t)cJSON_GetArraySize(sparse) + 1 : 1 + (size_t)g->num_classes * g->num_classes,
               sizeof *cells);
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, sparse)
    {
        cells[n++] = (struct cell){(uint32_t)count_at(item, 0), (uint32_t)count_at(item, 1), count_at(item, 2)};
    }
    for (uint32_t i = 0; dense != NULL && i < g->num_classes; i++) {
        for (uint32_t j = 0; j < g->num_classes; j++)
            cells[n++] = (struct cell){i, j, count_at(cJSON_GetArrayItem(dense, (int)i), j)};
    }
    struct class_entry entry = {0};
    struct batch_content content = {.shape = {FORM_CONFUSION, g->task, g->num_classes, 0}, .cells = cells, .n_cells = n};
    if (g->task == TASK_BINARY) {
        entry.counts = (struct class_counts){
            .tn = cells[0].count, .fp = cells[1].count, .fn = cells[2].count, .tp = cells[3].count};
        content = (struct batch_content){.shape = {FORM_CONFUSION, TASK_BINARY, 1, 0}, .entries = &entry, .n_entries = 1};
    }
    struct bytes packed = pack_batch(&content);
    free(cells);
    return packed;
}

static struct bytes read_totals(const struct golden *g, const cJSON *b)
{
    struct batch_content content = {.shape = {FORM_TOTALS, g->task, 0, 0},
                                    .correct = (int64_t)number(b, "correct"),
                                    .total = (int64_t)number(b, "total")};
    return pack_batch(&content);
}

static struct bytes read_mean(const cJSON *b, const char *sum, const char *weight, const char *min, const char *max)
{
    struct batch_content content = {.shape = {.form = FORM_MEAN}, .sum = number(b, sum), .weight = number(b, weight)};
    const cJSON *low = min != NULL ? cJSON_GetObjectItem(b, min) : NULL;
    const cJSON *high = max != NULL ? cJSON_GetObjectItem(b, max) : NULL;
    if (cJSON_IsNumber(low) && cJSON_IsNumber(high)) {
        content.has_range = true;
        content.min = low->valuedouble;
        content.max = high->valuedouble;
    }
    return pack_batch(&content);
}

static void read_batch(const struct golden *g, const cJSON *b, struct batch *out)
{
    *out = (struct batch){
        .key = {(int64_t)number(b, "epoch"), (int64_t)number(b, "step"), (int64_t)number(b, "rank")},
        .n = (int64_t)number(b, "n"),
    };
    if (g->has_counts) {
        out->packed[SERIES_CLASSES] = read_classes(g, b);
        out->packed[SERIES_TOTALS] = read_totals(g, b);
        if (cJSON_HasObjectItem(b, "confmat") || cJSON_HasObjectItem(b, "confmat_sparse"))
            out->packed[SERIES_CONFUSION] = read_confusion(g, b);
    }
    if (cJSON_HasObjectItem(b, "loss_sum"))
        out->packed[SERIES_LOSS] = read_mean(b, "loss_sum", "loss_count", "loss_min", "loss_max");
    if (cJSON_HasObjectItem(b, "sum_sq_err"))
        out->packed[SERIES_SQUARED] = read_mean(b, "sum_sq_err", "n", NULL, NULL);
    if (cJSON_HasObjectItem(b, "sum_abs_err"))
        out->packed[SERIES_ABSOLUTE] = read_mean(b, "sum_abs_err", "n", NULL, NULL);
    if (cJSON_HasObjectItem(b, "nll_sum"))
        out->packed[SERIES_NLL] = read_mean(b, "nll_sum", "token_count", NULL, NULL);
}

static struct golden golden_read(const char *file)
{
    cJSON *root = read_json(file);
    const char *task = cJSON_GetObjectItem(root, "task")->valuestring;
    const cJSON *params = cJSON_GetObjectItem(root, "params");
    const cJSON *top_k = cJSON_GetObjectItem(params, "top_k"),
                *ignore_index = cJSON_GetObjectItem(params, "ignore_index");
    const cJSON *num_classes = cJSON_GetObjectItem(root, "num_classes");
    struct golden g = {.name = file, .root = root, .top_k = 1, .ignore_index = -1, .seed = 1};
    g.has_counts = task_from_name(task, strlen(task), &g.task);
    g.num_classes = cJSON_IsNumber(num_classes) ? (uint32_t)num_classes->valuedouble : 0;
    if (cJSON_IsNumber(top_k))
        g.top_k = (int64_t)top_k->valuedouble;
    if (cJSON_IsNumber(ignore_index))
        g.ignore_index = (int64_t)ignore_index->valuedouble;
    const cJSON *batches = cJSON_GetObjectItem(root, "batches"), *b;
    g.batches = calloc((size_t)cJSON_GetArraySize(batches) + 1, sizeof *g.batches);
    cJSON_ArrayForEach(b, batches)
    {
        read_batch(&g, b, &g.batches[g.n_batches++]);
    }
    return g;
}

static void golden_free(struct golden *g)
{
    for (size_t i = 0; i < g->n_batches; i++) {
        for (size_t k = 0; k < N_SERIES; k++)
            bytes_free(&g->batches[i].packed[k]);
    }
    free(g->batches);
    cJSON_Delete(g->root);
}

/* ---- windows ---- */

struct window {
    struct state state[N_SERIES];
    bool has[N_SERIES];
    int64_t n;
};

static void add(struct state *s, const struct batch *b, struct bytes packed)
{
    cr_assert_eq(packed_verify(packed.data, packed.size), OK);
    cr_assert_eq(state_add_packed(s, &b->key, b->n, 1, packed.data, packed.size), OK);
}

/* Straight into one state, and dealt to two partial sums that are packed and added: the same bytes. */
static void add_window(struct golden *g, enum series series, const size_t *index, size_t n, struct state *out)
{
    struct shape shape;
    struct bytes first = g->batches[index[0]].packed[series];
    cr_assert_eq(packed_shape(first.data, first.size, &shape), OK);
    struct state part[2], again;
    cr_assert_eq(state_init(out, &shape, true, plain_memory()), OK);
    cr_assert_eq(state_init(&again, &shape, true, plain_memory()), OK);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(state_init(&part[i], &shape, true, plain_memory()), OK);
    for (size_t i = 0; i < n; i++) {
        const struct batch *b = &g->batches[index[i]];
        add(out, b, b->packed[series]);
        add(&part[random_below(&g->seed, 2)], b, b->packed[series]);
    }
    for (size_t i = 0; i < 2; i++) {
        struct bytes packed = pack_state(&part[i]);
        cr_assert_eq(state_add_packed(&again, NULL, part[i].samples, part[i].batches, packed.data, packed.size), OK);
        bytes_free(&packed);
        state_release(&part[i]);
    }
    struct bytes a = pack_state(out), b = pack_state(&again);
    cr_assert(bytes_equal(a, b) && out->samples == again.samples && out->batches == again.batches, "%s: parts differ",
              g->name);
    cr_assert(state_is_valid(out));
    bytes_free(&a);
    bytes_free(&b);
    state_release(&again);
}

static void window_of(struct golden *g, int64_t epoch, int64_t step, struct window *w)
{
    size_t *index = calloc(g->n_batches + 1, sizeof *index), n = 0;
    *w = (struct window){0};
    for (size_t i = 0; i < g->n_batches; i++) {
        if (g->batches[i].key.epoch == epoch && (step < 0 || g->batches[i].key.step == step)) {
            index[n++] = i;
            w->n += g->batches[i].n;
        }
    }
    cr_assert(n > 0);
    shuffle(index, n, &g->seed);
    for (size_t k = 0; k < N_SERIES; k++) {
        w->has[k] = g->batches[index[0]].packed[k].size > 0;
        if (w->has[k])
            add_window(g, (enum series)k, index, n, &w->state[k]);
    }
    free(index);
}

static void window_release(struct window *w)
{
    for (size_t k = 0; k < N_SERIES; k++) {
        if (w->has[k])
            state_release(&w->state[k]);
    }
}

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
    double tolerance = strncmp(what, "mcc", 3) == 0 ? 1e-6 : 1e-9;
    bool same = isnan(want)   ? isnan(got)
                : isinf(want) ? got == want
                              : fabs(want - got) <= tolerance * fmax(1, fabs(want));
    cr_assert(same, "%s: %s: expected %.17g, got %.17g", g->name, what, want, got);
    g->n_compared++;
}

/* One selector on one state, against a number or a list. */
static void compare_metric(struct golden *g, const char *selector, double zero_division, struct state *s,
                           const cJSON *want)
{
    char text[300] = "";
    struct metric_choice choice = choice_of(selector);
    struct metric_options options = {.ignore_index = g->ignore_index, .zero_division = zero_division};
    int status = metric_check(&choice, &s->shape, text, sizeof text);
    cr_assert_eq(status == ERR_NEED, text[0] != '\0');
    double *values = calloc(metric_length(&choice, &s->shape), sizeof *values);
    cr_assert_eq(metric_compute(&choice, s, &options, values), status);
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

/*
 * With top_k > 1 torchmetrics takes the macro mean of these over the classes with targets.  The counts do
 * not tell which k made them, so tally keeps to its live classes; the cases differ there, and only there.
 */
static bool has_other_macro_rule(const struct golden *g, const char *name, const char *average)
{
    static const char *const NAMES[] = {"accuracy", "precision", "recall", "npv", "precision_zd1", "recall_zd1"};
    if (g->top_k <= 1 || strcmp(average, "macro") != 0)
        return false;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(name, NAMES[i]) == 0)
            return true;
    }
    return false;
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

/* Metrics of states that are not counts or means. */
static const char *const NOT_OURS[] = {"auroc", "average_precision",  "ece",    "confmat_norm", "exact_match",
                                       "r2",    "explained_variance", "pearson"};

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
            if (!has_other_macro_rule(g, METRICS[i].name, item->string))
                compare_forms(g, selector, METRICS[i].zero_division, w, item);
        }
        return;
    }
    for (size_t i = 0; i < sizeof NOT_OURS / sizeof *NOT_OURS; i++) {
        if (strcmp(want->string, NOT_OURS[i]) == 0)
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
        else if (strcmp(name, "mse") == 0)
            compare(g, name, want, mean_value(&w->state[SERIES_SQUARED].mean));
        else if (strcmp(name, "rmse") == 0)
            compare(g, name, want, sqrt(mean_value(&w->state[SERIES_SQUARED].mean)));
        else if (strcmp(name, "mae") == 0)
            compare(g, name, want, mean_value(&w->state[SERIES_ABSOLUTE].mean));
        else if (strcmp(name, "perplexity") == 0)
            compare(g, name, want, exp(mean_value(&w->state[SERIES_NLL].mean)));
        else
            compare_counts(g, w, want);
    }
}

/* What averaging the steps' values would have shown, unweighted and by samples. */
static void compare_mean_of_steps(struct golden *g, const cJSON *row)
{
    int64_t epoch = (int64_t)number(row, "epoch");
    for (const cJSON *want = row->child; want != NULL; want = want->next) {
        if (!cJSON_IsObject(want))
            continue;
        char name[64];
        snprintf(name, sizeof name, "%s", want->string);
        char *average = strchr(name, '_');
        if (average != NULL)
            *average++ = '\0';
        if (average != NULL && has_other_macro_rule(g, name, average))
            continue;
        if (average != NULL)
            average[-1] = '.';
        struct metric_choice choice = choice_of(name);
        double sum = 0, weighted = 0, n = 0, n_steps = 0;
        const cJSON *steps = cJSON_GetObjectItem(cJSON_GetObjectItem(g->root, "expected"), "steps"), *step;
        cJSON_ArrayForEach(step, steps)
        {
            struct window w;
            if ((int64_t)number(step, "epoch") != epoch)
                continue;
            window_of(g, epoch, (int64_t)number(step, "step"), &w);
            double value;
            cr_assert_eq(metric_compute(&choice, &w.state[SERIES_CLASSES], NULL, &value), OK);
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
                window_of(&g, (int64_t)number(item, "epoch"), level == 0 ? (int64_t)number(item, "step") : -1, &w);
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
    cJSON *index = read_json("INDEX.json"), *item;
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
    cr_assert_geq(n, 38335, "only %zu numbers were compared", n);
}

Test(golden, mean_of_step_values_is_reproduced)
{
    size_t n_cases, n = run_all(true, &n_cases);
    cr_assert_geq(n, 292, "only %zu numbers were compared", n);
}
