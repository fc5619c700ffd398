/* The five forms of counts, and what holds between their numbers, from the contract. */
#include <cjson/cJSON.h>
#include <string.h>

#include "oracle.h"

struct counted {
    struct batch_content content;
    __int128 total, correct;
};

/* C as the record says it: 0 where it does not.  Binary has one class, and may call it two. */
static bool said_classes(struct oracle *o, int64_t *out)
{
    const cJSON *item = oracle_get(o->fields, "num_classes");
    *out = 0;
    if (item != NULL && !oracle_int(o, item, o->limits->classes, out))
        return false;
    if (o->task == TASK_BINARY && item != NULL && *out != 1 && *out != 2)
        return false;
    if (o->task == TASK_BINARY)
        *out = 1;
    return item == NULL || *out >= 1;
}

static bool judge_classes(struct oracle *o, struct counted *c, struct class_entry *e, size_t n, const int64_t *tn)
{
    __int128 sum[4] = {0};
    bool multiclass = o->task == TASK_MULTICLASS;
    for (size_t i = 0; i < n; i++) {
        sum[0] += e[i].counts.tp;
        sum[1] += e[i].counts.fp;
        sum[2] += e[i].counts.fn;
        sum[3] += e[i].counts.tn;
    }
    c->total = sum[0] + sum[2] + (multiclass ? 0 : sum[1] + sum[3]);
    c->correct = sum[0] + (multiclass ? 0 : sum[3]);
    for (size_t i = 0; i < n && multiclass; i++) {
        __int128 rest = c->total - e[i].counts.tp - e[i].counts.fp - e[i].counts.fn;
        if (rest < 0 || (tn != NULL && rest != tn[i]))
            return false;
    }
    c->content.shape.form = FORM_CLASSES;
    c->content.entries = e;
    c->content.n_entries = n;
    return sum[0] <= INT64_MAX && sum[1] <= INT64_MAX && sum[2] <= INT64_MAX && sum[3] <= INT64_MAX;
}

static bool judge_lists(struct oracle *o, struct counted *c, int64_t said)
{
    static const char *const names[] = {"tp", "fp", "fn", "tn"};
    int64_t *v[4] = {NULL};
    size_t n = 0, length = 0;
    for (int i = 0; i < 4; i++) {
        const cJSON *list = oracle_get(o->fields, names[i]);
        if (list == NULL && i == 3 && o->task == TASK_MULTICLASS)
            continue;
        if (!oracle_counts(o, list, -1, &v[i], &n) || (i > 0 && n != length))
            return false;
        length = n;
    }
    if (length < 1 || (int64_t)length > o->limits->classes || (said != 0 && said != (int64_t)length) ||
        (o->task == TASK_BINARY && length != 1))
        return false;
    struct class_entry *e = oracle_room(o, length, sizeof *e);
    for (size_t i = 0; i < length; i++)
        e[i] = (struct class_entry){(uint32_t)i, {v[0][i], v[1][i], v[2][i], o->task == TASK_MULTICLASS ? 0 : v[3][i]}};
    c->content.shape.num_classes = (uint32_t)length;
    return judge_classes(o, c, e, length, o->task == TASK_MULTICLASS ? v[3] : NULL);
}

static bool judge_sparse_classes(struct oracle *o, struct counted *c, int64_t said, const cJSON *list)
{
    int64_t total = 0, *v;
    size_t n;
    if (!cJSON_IsArray(list) || said == 0)
        return false;
    bool *given = oracle_room(o, (size_t)said, sizeof *given), multiclass = o->task == TASK_MULTICLASS;
    struct class_entry *e = oracle_room(o, (size_t)said, sizeof *e);
    if (!multiclass && (!oracle_int(o, oracle_get(o->fields, "total"), ORACLE_WHOLE_MAX, &total) || total % said != 0))
        return false;
    for (uint32_t i = 0; i < said; i++)
        e[i] = (struct class_entry){i, {0, 0, 0, multiclass ? 0 : total / said}};
    for (const cJSON *i = list->child; i != NULL; i = i->next) {
        if (!oracle_counts(o, i, 4, &v, &n) || v[0] >= said || given[v[0]])
            return false;
        given[v[0]] = true;
        struct class_counts *k = &e[v[0]].counts;
        *k = (struct class_counts){v[1], v[2], v[3], multiclass ? 0 : k->tn - v[1] - v[2] - v[3]};
        if (k->tn < 0)
            return false;
    }
    c->content.shape.num_classes = (uint32_t)said;
    return judge_classes(o, c, e, (size_t)said, NULL);
}

/* Either form of a matrix, as one of C x C. */
static bool read_matrix(struct oracle *o, const cJSON *dense, const cJSON *sparse, int64_t *classes, int64_t **out)
{
    const cJSON *rows = dense != NULL ? dense : sparse;
    int64_t *v;
    size_t n, row = 0;
    if (!cJSON_IsArray(rows))
        return false;
    if (dense != NULL) {
        int size = cJSON_GetArraySize(dense);
        if (size < 1 || size > o->limits->dense_classes || (*classes != 0 && *classes != size))
            return false;
        *classes = size;
    }
    if (*classes == 0)
        return false;
    size_t width = (size_t)*classes;
    int64_t *m = oracle_room(o, width * width, sizeof *m);
    bool *given = oracle_room(o, width * width, sizeof *given);
    for (const cJSON *i = rows->child; i != NULL; i = i->next, row++) {
        if (!oracle_counts(o, i, dense != NULL ? (int)width : 3, &v, &n))
            return false;
        if (dense != NULL) {
            memcpy(&m[row * width], v, width * sizeof *m);
            continue;
        }
        if (v[0] >= *classes || v[1] >= *classes || given[(size_t)v[0] * width + (size_t)v[1]])
            return false;
        given[(size_t)v[0] * width + (size_t)v[1]] = true;
        m[(size_t)v[0] * width + (size_t)v[1]] = v[2];
    }
    *out = m;
    return true;
}

static bool judge_matrix(struct oracle *o, struct counted *c, int64_t said, const cJSON *dense, const cJSON *sparse)
{
    bool binary = o->task == TASK_BINARY;
    int64_t classes = binary ? 2 : said, *m;
    if (o->task == TASK_MULTILABEL || !read_matrix(o, dense, sparse, &classes, &m))
        return false;
    size_t width = (size_t)classes;
    struct cell *cells = oracle_room(o, width * width, sizeof *cells);
    for (size_t i = 0; i < width * width; i++) {
        c->total += m[i];
        c->correct += i / width == i % width ? m[i] : 0;
        if (m[i] != 0)
            cells[c->content.n_cells++] = (struct cell){(uint32_t)(i / width), (uint32_t)(i % width), m[i]};
    }
    c->content.shape.form = FORM_CONFUSION;
    c->content.shape.num_classes = binary ? 1 : (uint32_t)classes;
    c->content.cells = cells;
    if (binary) {
        struct class_entry *e = oracle_room(o, 1, sizeof *e);
        *e = (struct class_entry){0, {m[3], m[1], m[2], m[0]}};
        c->content.entries = e;
        c->content.n_entries = 1;
        c->content.n_cells = 0;
    }
    return true;
}

static bool judge_samples(struct oracle *o, const struct counted *c, int64_t *samples)
{
    const cJSON *said = oracle_get(o->fields, "samples");
    int64_t total = (int64_t)c->total, classes = c->content.shape.num_classes;
    if (said != NULL)
        return oracle_int(o, said, ORACLE_WHOLE_MAX, samples) && (o->task == TASK_MULTILABEL || *samples >= total);
    if (o->task != TASK_MULTILABEL || classes == 0)
        classes = 1;
    *samples = total / classes;
    return total % classes == 0;
}

bool oracle_counted(struct oracle *o, const char *name, int64_t *samples)
{
    const cJSON *dense = oracle_get(o->fields, "confusion"), *cells = oracle_get(o->fields, "cells"),
                *classes = oracle_get(o->fields, "classes"), *total = oracle_get(o->fields, "total"),
                *correct = oracle_get(o->fields, "correct");
    bool lists = oracle_get(o->fields, "tp") || oracle_get(o->fields, "fp") || oracle_get(o->fields, "fn") ||
                 oracle_get(o->fields, "tn"),
         fine;
    int forms = lists + (dense != NULL) + (cells != NULL) + (classes != NULL);
    struct counted c = {.content = {.shape = {.task = o->task}}};
    int64_t said, n = 0, k = 0;
    if (forms > 1 || !said_classes(o, &said) || (total != NULL && !oracle_int(o, total, ORACLE_WHOLE_MAX, &n)) ||
        (correct != NULL && !oracle_int(o, correct, ORACLE_WHOLE_MAX, &k)))
        return false;
    if (forms == 0) {
        fine = total != NULL && correct != NULL && k <= n;
        c.content.shape.form = FORM_TOTALS;
        c.content.shape.num_classes = (uint32_t)said;
        c.total = n;
        c.correct = k;
    } else {
        fine = lists             ? judge_lists(o, &c, said)
               : classes != NULL ? judge_sparse_classes(o, &c, said, classes)
                                 : judge_matrix(o, &c, said, dense, cells);
    }
    if (!fine || c.total > INT64_MAX || c.correct > INT64_MAX || (total != NULL && n != c.total) ||
        (correct != NULL && k != c.correct) || !judge_samples(o, &c, samples))
        return false;
    c.content.total = (int64_t)c.total;
    c.content.correct = (int64_t)c.correct;
    return oracle_add(o, name, &c.content, *samples, c.content.correct);
}
