/*
 * Reading the golden vectors.  Every batch goes through its packed form.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "golden_case.h"

#define GOLDEN "tests/golden/"

double json_number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    cr_assert(cJSON_IsNumber(item), "no number %s", key);
    return item->valuedouble;
}

static int64_t count_at(const cJSON *array, size_t i)
{
    return (int64_t)cJSON_GetArrayItem(array, (int)i)->valuedouble;
}

cJSON *golden_json(const char *file)
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
    struct batch_content content = {
        .shape = {FORM_CONFUSION, g->task, g->num_classes, 0}, .cells = cells, .n_cells = n};
    if (g->task == TASK_BINARY) {
        entry.counts = (struct class_counts){
            .tn = cells[0].count, .fp = cells[1].count, .fn = cells[2].count, .tp = cells[3].count};
        content =
            (struct batch_content){.shape = {FORM_CONFUSION, TASK_BINARY, 1, 0}, .entries = &entry, .n_entries = 1};
    }
    struct bytes packed = pack_batch(&content);
    free(cells);
    return packed;
}

static struct bytes read_totals(const struct golden *g, const cJSON *b)
{
    struct batch_content content = {.shape = {FORM_TOTALS, g->task, 0, 0},
                                    .correct = (int64_t)json_number(b, "correct"),
                                    .total = (int64_t)json_number(b, "total")};
    return pack_batch(&content);
}

static struct bytes read_mean(const cJSON *b, const char *sum, const char *weight, const char *min, const char *max)
{
    struct batch_content content = {
        .shape = {.form = FORM_MEAN}, .sum = json_number(b, sum), .weight = json_number(b, weight)};
    const cJSON *low = min != NULL ? cJSON_GetObjectItem(b, min) : NULL;
    const cJSON *high = max != NULL ? cJSON_GetObjectItem(b, max) : NULL;
    if (cJSON_IsNumber(low) && cJSON_IsNumber(high)) {
        content.has_range = true;
        content.min = low->valuedouble;
        content.max = high->valuedouble;
    }
    return pack_batch(&content);
}

static struct bytes read_scores(const struct golden *g, const cJSON *hist)
{
    const cJSON *pos = cJSON_GetObjectItem(hist, "pos"), *neg = cJSON_GetObjectItem(hist, "neg");
    uint32_t n = (uint32_t)cJSON_GetArraySize(pos), bins = (uint32_t)cJSON_GetArraySize(pos->child);
    struct score_entry *entries = calloc((size_t)n * bins, sizeof *entries);
    for (uint32_t i = 0; i < n * bins; i++) {
        entries[i] =
            (struct score_entry){i / bins, i % bins, count_at(cJSON_GetArrayItem(pos, (int)(i / bins)), i % bins),
                                 count_at(cJSON_GetArrayItem(neg, (int)(i / bins)), i % bins)};
    }
    struct batch_content content = {
        .shape = {FORM_SCORES, g->task, n, bins}, .scores = entries, .n_scores = (size_t)n * bins};
    struct bytes packed = pack_batch(&content);
    free(entries);
    return packed;
}

static struct bytes read_calibration(const struct golden *g, const cJSON *ece)
{
    const cJSON *count = cJSON_GetObjectItem(ece, "count"), *confidence = cJSON_GetObjectItem(ece, "conf_sum"),
                *correct = cJSON_GetObjectItem(ece, "acc_sum");
    uint32_t n = (uint32_t)cJSON_GetArraySize(count);
    struct calibration_entry *entries = calloc(n, sizeof *entries);
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (struct calibration_entry){i, count_at(count, i), count_at(correct, i),
                                                cJSON_GetArrayItem(confidence, (int)i)->valuedouble};
    struct batch_content content = {
        .shape = {FORM_CALIBRATION, g->task, 0, n - 1}, .calibration = entries, .n_calibration = n};
    struct bytes packed = pack_batch(&content);
    free(entries);
    return packed;
}

static struct bytes read_exact(const cJSON *b)
{
    struct batch_content content = {.shape = {.form = FORM_EXACT},
                                    .correct = (int64_t)json_number(b, "exact_correct"),
                                    .total = (int64_t)json_number(b, "exact_total")};
    return pack_batch(&content);
}

static struct bytes read_regression(const cJSON *b)
{
    struct batch_content content = {.shape = {.form = FORM_REGRESSION}};
    struct regression_content *r = &content.regression;
    r->n = (int64_t)json_number(b, "n");
    if (r->n > 0) {
        r->mean_target = json_number(b, "mean_y");
        r->mean_prediction = json_number(b, "mean_x");
        r->m2_target = json_number(b, "m2_y");
        r->m2_prediction = json_number(b, "m2_x");
        r->c = json_number(b, "c_xy");
        r->sum_error = json_number(b, "sum_err");
        r->sum_abs_error = json_number(b, "sum_abs_err");
        r->sum_squared_error = json_number(b, "sum_sq_err");
    }
    return pack_batch(&content);
}

static void read_batch(const struct golden *g, const cJSON *b, struct golden_batch *out)
{
    *out = (struct golden_batch){
        .key = {(int64_t)json_number(b, "epoch"), (int64_t)json_number(b, "step"), (int64_t)json_number(b, "rank")},
        .n = (int64_t)json_number(b, "n"),
    };
    if (g->has_counts) {
        out->packed[SERIES_CLASSES] = read_classes(g, b);
        out->packed[SERIES_TOTALS] = read_totals(g, b);
        if (cJSON_HasObjectItem(b, "confmat") || cJSON_HasObjectItem(b, "confmat_sparse"))
            out->packed[SERIES_CONFUSION] = read_confusion(g, b);
    }
    if (cJSON_HasObjectItem(b, "loss_sum"))
        out->packed[SERIES_LOSS] = read_mean(b, "loss_sum", "loss_count", "loss_min", "loss_max");
    if (cJSON_HasObjectItem(b, "nll_sum"))
        out->packed[SERIES_NLL] = read_mean(b, "nll_sum", "token_count", NULL, NULL);
    if (cJSON_HasObjectItem(b, "hist"))
        out->packed[SERIES_SCORES] = read_scores(g, cJSON_GetObjectItem(b, "hist"));
    if (cJSON_HasObjectItem(b, "ece"))
        out->packed[SERIES_CALIBRATION] = read_calibration(g, cJSON_GetObjectItem(b, "ece"));
    if (cJSON_HasObjectItem(b, "exact_total"))
        out->packed[SERIES_EXACT] = read_exact(b);
    if (cJSON_HasObjectItem(b, "sum_sq_err"))
        out->packed[SERIES_REGRESSION] = read_regression(b);
}

struct golden golden_read(const char *file)
{
    cJSON *root = golden_json(file);
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

void golden_free(struct golden *g)
{
    for (size_t i = 0; i < g->n_batches; i++) {
        for (size_t k = 0; k < N_SERIES; k++)
            bytes_free(&g->batches[i].packed[k]);
    }
    free(g->batches);
    cJSON_Delete(g->root);
}

/* ---- windows ---- */

static void add(struct state *s, const struct golden_batch *b, struct bytes packed)
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
        const struct golden_batch *b = &g->batches[index[i]];
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

void window_of(struct golden *g, int64_t epoch, int64_t step, struct window *w)
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

void window_release(struct window *w)
{
    for (size_t k = 0; k < N_SERIES; k++) {
        if (w->has[k])
            state_release(&w->state[k]);
    }
}
