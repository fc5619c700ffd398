/* scores, calibration, exact and regression: the rules of each, from the contract. */
#include <cjson/cJSON.h>
#include <string.h>

#include "oracle.h"

enum { SCORE_CELLS = 1 << 20 }; /* classes times thresholds of one record */

/* ---- scores ---- */

static bool fits(int64_t classes, int64_t bins)
{
    return classes * bins <= SCORE_CELLS;
}

/* One of pos and neg into every second number of out. */
static bool read_histogram(struct oracle *o, const cJSON *rows, int64_t classes, int64_t bins, int64_t *out)
{
    int64_t *v;
    size_t n, row = 0;
    if (!cJSON_IsArray(rows) || cJSON_GetArraySize(rows) != classes)
        return false;
    for (const cJSON *i = rows->child; i != NULL; i = i->next, row++) {
        if (!oracle_counts(o, i, (int)bins, &v, &n))
            return false;
        for (int64_t b = 0; b < bins; b++)
            out[2 * ((int64_t)row * bins + b)] = v[b];
    }
    return true;
}

static bool read_score_cells(struct oracle *o, const cJSON *cells, int64_t classes, int64_t bins, int64_t *out)
{
    int64_t *v;
    size_t n;
    bool *given = oracle_room(o, (size_t)(classes * bins), sizeof *given);
    if (!cJSON_IsArray(cells))
        return false;
    for (const cJSON *i = cells->child; i != NULL; i = i->next) {
        if (!oracle_counts(o, i, 4, &v, &n) || v[0] >= classes || v[1] >= bins || given[v[0] * bins + v[1]])
            return false;
        given[v[0] * bins + v[1]] = true;
        out[2 * (v[0] * bins + v[1])] = v[2];
        out[2 * (v[0] * bins + v[1]) + 1] = v[3];
    }
    return true;
}

/* What says how many classes there are must agree: the matrices, num_classes of the scores, and of the record. */
static bool score_classes(struct oracle *o, const cJSON *item, int64_t *out)
{
    bool binary = o->task == TASK_BINARY, dense = oracle_get(item, "cells") == NULL;
    const cJSON *pos = oracle_get(item, "pos");
    const cJSON *said[] = {oracle_get(item, "num_classes"), oracle_get(o->fields, "num_classes")};
    int64_t classes = binary ? 1 : 0, n;
    if (dense && (!cJSON_IsArray(pos) || cJSON_GetArraySize(pos) < 1))
        return false;
    if (dense && classes != 0 && cJSON_GetArraySize(pos) != classes)
        return false;
    if (dense)
        classes = cJSON_GetArraySize(pos);
    for (int i = 0; i < 2; i++) {
        if (said[i] == NULL)
            continue;
        if (!oracle_int(o, said[i], o->limits->classes, &n) || n < 1)
            return false;
        if (binary && n == 2)
            continue;
        if (classes != 0 && n != classes)
            return false;
        classes = n;
    }
    *out = classes;
    return classes >= 1 && classes <= o->limits->classes;
}

static bool judge_scores(struct oracle *o, const cJSON *item, struct batch_content *c, int64_t *samples)
{
    static const char *const known[] = {"thresholds", "num_classes", "pos", "neg", "cells", NULL};
    int64_t bins, classes;
    if (!cJSON_IsObject(item) || !oracle_known(item, known) ||
        !oracle_int(o, oracle_get(item, "thresholds"), STATE_THRESHOLDS_MAX, &bins) || bins < STATE_THRESHOLDS_MIN ||
        !score_classes(o, item, &classes) || !fits(classes, bins))
        return false;
    const cJSON *cells = oracle_get(item, "cells"), *pos = oracle_get(item, "pos"), *neg = oracle_get(item, "neg");
    int64_t *v = oracle_room(o, 2 * (size_t)(classes * bins), sizeof *v);
    if (cells != NULL ? pos != NULL || neg != NULL || !read_score_cells(o, cells, classes, bins, v)
                      : !read_histogram(o, pos, classes, bins, v) || !read_histogram(o, neg, classes, bins, v + 1))
        return false;
    c->shape = (struct shape){FORM_SCORES, o->task, (uint32_t)classes, (uint32_t)bins};
    c->scores = oracle_room(o, (size_t)(classes * bins), sizeof *c->scores);
    *samples = 0;
    for (int64_t k = 0; k < classes; k++) {
        __int128 of_class = 0;
        for (int64_t b = 0; b < bins; b++) {
            const int64_t *count = &v[2 * (k * bins + b)];
            of_class += (__int128)count[0] + count[1];
            if (count[0] != 0 || count[1] != 0)
                c->scores[c->n_scores++] = (struct score_entry){(uint32_t)k, (uint32_t)b, count[0], count[1]};
        }
        if (of_class > INT64_MAX)
            return false;
        if (of_class > *samples)
            *samples = (int64_t)of_class;
    }
    return true;
}

/* ---- calibration ---- */

static bool read_bin(struct oracle *o, const cJSON *const v[3], struct calibration_entry *out)
{
    return oracle_int(o, v[0], ORACLE_WHOLE_MAX, &out->count) && oracle_double(o, v[1], &out->confidence) &&
           oracle_int(o, v[2], ORACLE_WHOLE_MAX, &out->correct) && out->correct <= out->count && out->confidence >= 0 &&
           out->confidence <= (double)out->count;
}

static bool read_bins(struct oracle *o, const cJSON *item, int64_t bins, struct batch_content *c)
{
    const cJSON *lists[] = {oracle_get(item, "count"), oracle_get(item, "confidence"), oracle_get(item, "correct")};
    for (int i = 0; i < 3; i++)
        if (!cJSON_IsArray(lists[i]) || cJSON_GetArraySize(lists[i]) != bins + 1)
            return false;
    for (int64_t b = 0; b <= bins; b++) {
        const cJSON *v[3];
        for (int i = 0; i < 3; i++)
            v[i] = cJSON_GetArrayItem(lists[i], (int)b);
        struct calibration_entry *e = &c->calibration[c->n_calibration++];
        e->bin = (uint32_t)b;
        if (!read_bin(o, v, e))
            return false;
    }
    return true;
}

static bool read_bin_cells(struct oracle *o, const cJSON *cells, int64_t bins, struct batch_content *c)
{
    bool *given = oracle_room(o, (size_t)bins + 1, sizeof *given);
    if (!cJSON_IsArray(cells))
        return false;
    for (const cJSON *i = cells->child; i != NULL; i = i->next) {
        int64_t bin;
        if (!cJSON_IsArray(i) || cJSON_GetArraySize(i) != 4 || !oracle_int(o, i->child, bins, &bin) || given[bin])
            return false;
        const cJSON *v[3] = {i->child->next, i->child->next->next, i->child->next->next->next};
        struct calibration_entry *e = &c->calibration[c->n_calibration++];
        e->bin = (uint32_t)bin;
        given[bin] = true;
        if (!read_bin(o, v, e))
            return false;
    }
    return true;
}

static bool judge_calibration(struct oracle *o, const cJSON *item, struct batch_content *c, int64_t *samples)
{
    static const char *const known[] = {"bins", "count", "confidence", "correct", "cells", NULL};
    int64_t bins;
    if (!cJSON_IsObject(item) || !oracle_known(item, known) ||
        !oracle_int(o, oracle_get(item, "bins"), STATE_BINS_MAX, &bins) || bins < 1)
        return false;
    const cJSON *cells = oracle_get(item, "cells");
    c->shape = (struct shape){.form = FORM_CALIBRATION, .task = o->task, .bins = (uint32_t)bins};
    c->calibration = oracle_room(o, (size_t)bins + 1, sizeof *c->calibration);
    bool lists = oracle_get(item, "count") || oracle_get(item, "confidence") || oracle_get(item, "correct");
    if (cells != NULL ? lists || !read_bin_cells(o, cells, bins, c) : !read_bins(o, item, bins, c))
        return false;
    __int128 total = 0;
    for (size_t i = 0; i < c->n_calibration; i++)
        total += c->calibration[i].count;
    *samples = (int64_t)total;
    return total <= INT64_MAX;
}

/* ---- exact match, regression ---- */

static bool judge_exact(struct oracle *o, const cJSON *item, struct batch_content *c, int64_t *samples)
{
    int64_t *v;
    size_t n;
    if (!oracle_counts(o, item, 2, &v, &n) || v[0] > v[1])
        return false;
    c->shape.form = FORM_EXACT;
    c->correct = v[0];
    *samples = c->total = v[1];
    return true;
}

static bool judge_regression(struct oracle *o, const cJSON *item, struct batch_content *c, int64_t *samples)
{
    static const char *const known[] = {"n", "mean_target", "mean_prediction", "m2_target",         "m2_prediction",
                                        "c", "sum_error",   "sum_abs_error",   "sum_squared_error", NULL};
    struct regression_content *r = &c->regression;
    double *const v[] = {&r->mean_target, &r->mean_prediction, &r->m2_target,     &r->m2_prediction,
                         &r->c,           &r->sum_error,       &r->sum_abs_error, &r->sum_squared_error};
    if (!cJSON_IsObject(item) || !oracle_known(item, known) ||
        !oracle_int(o, oracle_get(item, "n"), ORACLE_WHOLE_MAX, &r->n))
        return false;
    for (int i = 0; i < 8; i++)
        if (!oracle_double(o, oracle_get(item, known[i + 1]), v[i]) || (r->n == 0 && *v[i] != 0))
            return false;
    c->shape.form = FORM_REGRESSION;
    *samples = r->n;
    return r->m2_target >= 0 && r->m2_prediction >= 0 && r->sum_abs_error >= 0 && r->sum_squared_error >= 0;
}

bool oracle_states(struct oracle *o, const char *name, int64_t samples)
{
    static const struct {
        const char *field;
        bool (*judge)(struct oracle *o, const cJSON *item, struct batch_content *c, int64_t *samples);
    } states[] = {{"exact", judge_exact},
                  {"regression", judge_regression},
                  {"calibration", judge_calibration},
                  {"scores", judge_scores}};
    const cJSON *said = oracle_get(o->fields, "samples");
    if (samples < 0 && said != NULL && !oracle_int(o, said, ORACLE_WHOLE_MAX, &samples))
        return false;
    for (int i = 0; i < 4; i++) {
        const cJSON *item = oracle_get(o->fields, states[i].field);
        struct batch_content c = {.n_cells = 0};
        int64_t seen = 0;
        if (item == NULL)
            continue;
        if (!states[i].judge(o, item, &c, &seen))
            return false;
        if (samples < 0)
            samples = seen;
        if (!oracle_add(o, name, &c, samples, 0))
            return false;
    }
    return true;
}
