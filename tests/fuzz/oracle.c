/* The rules of a record, from the contract, on cJSON's tree.  All must hold, so their order does not matter. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

void *oracle_room(struct oracle *o, size_t n, size_t size)
{
    void *room = arena_alloc(o->arena, (n + 1) * size);
    if (room == NULL)
        abort();
    return memset(room, 0, (n + 1) * size);
}

const cJSON *oracle_get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool oracle_int(struct oracle *o, const cJSON *item, int64_t max, int64_t *out)
{
    return cJSON_IsNumber(item) && oracle_whole(&o->numbers[item->valueint], max, out);
}

bool oracle_double(struct oracle *o, const cJSON *item, double *out)
{
    *out = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    if (!isfinite(*out))
        return false;
    struct oracle_number n = o->numbers[item->valueint];
    int64_t whole;
    bool minus = *n.text == '-', integer = true;
    for (size_t i = minus; i < n.size; i++)
        integer = integer && n.text[i] >= '0' && n.text[i] <= '9';
    n.text += minus;
    n.size -= minus;
    return !integer || oracle_whole(&n, ORACLE_WHOLE_MAX, &whole);
}

bool oracle_counts(struct oracle *o, const cJSON *item, int want, int64_t **out, size_t *n)
{
    if (!cJSON_IsArray(item) || (want >= 0 && cJSON_GetArraySize(item) != want))
        return false;
    int64_t *v = oracle_room(o, (size_t)cJSON_GetArraySize(item), sizeof *v);
    *n = 0;
    for (const cJSON *i = item->child; i != NULL; i = i->next)
        if (!oracle_int(o, i, ORACLE_WHOLE_MAX, &v[(*n)++]))
            return false;
    *out = v;
    return true;
}

bool oracle_known(const cJSON *object, const char *const *names)
{
    for (const cJSON *i = object->child; i != NULL; i = i->next) {
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, i->string) != 0)
            name++;
        if (*name == NULL)
            return false;
    }
    return true;
}

bool oracle_add(struct oracle *o, const char *name, struct batch_content *content, int64_t samples, int64_t correct)
{
    struct measure *m = &o->record->measures[o->record->n_measures];
    size_t bound = batch_pack_bound(content), size = 0;
    uint8_t *state = oracle_room(o, bound, 1);
    if (o->record->n_measures == o->cap_measures)
        abort();
    if (batch_pack(content, state, bound, &size) != OK)
        return false;
    strcpy(m->name, name);
    m->shape = content->shape;
    m->samples = samples;
    m->correct = correct;
    m->state = state;
    m->state_size = (uint32_t)size;
    o->record->n_measures++;
    return true;
}

/* ---- words ---- */

static bool is_word(const char *s, size_t max, const char *marks)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (i == 0 || strchr(marks, c) == NULL))
            return false;
    }
    return n >= 1 && n <= max;
}

static bool is_attempt(const char *s)
{
    for (const unsigned char *c = (const unsigned char *)s; *c != '\0'; c++)
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            return false;
    return *s != '\0' && strlen(s) <= 128;
}

/* ---- weighted means ---- */

static bool read_number(struct oracle *o, const cJSON *item, double *out)
{
    if (!cJSON_IsString(item))
        return oracle_double(o, item, out);
    const char *word = item->valuestring;
    *out = NAN;
    return strcmp(word, "NaN") == 0 || strcmp(word, "Infinity") == 0 || strcmp(word, "-Infinity") == 0;
}

static bool judge_mean(struct oracle *o, const cJSON *item, bool is_value)
{
    double v[4] = {0, 1, 0, 0};
    int n = 1;
    struct batch_content c = {.shape = {.form = FORM_MEAN}};
    if (is_value) {
        if (!read_number(o, item, &v[0]))
            return false;
    } else {
        n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
        if (n != 2 && n != 4)
            return false;
        for (int i = 0; i < n; i++)
            if (!read_number(o, cJSON_GetArrayItem(item, i), &v[i]))
                return false;
    }
    c.nonfinite = isnan(v[0]) || isnan(v[1]) || isnan(v[2]) || isnan(v[3]);
    if (!c.nonfinite) {
        c.sum = v[0];
        c.weight = v[1];
        c.min = v[2];
        c.max = v[3];
        c.has_range = n == 4;
        if (v[1] < 0 || (v[1] == 0 ? v[0] != 0 : !isfinite(v[0] / v[1])) || (n == 4 && v[2] > v[3]))
            return false;
    } else if (is_value) {
        c.weight = 1;
    }
    return oracle_add(o, item->string, &c, 0, 0);
}

static bool judge_means(struct oracle *o, const char *field, const cJSON *other, const char *taken)
{
    const cJSON *object = oracle_get(o->fields, field);
    if (object != NULL && !cJSON_IsObject(object))
        return false;
    for (const cJSON *i = object != NULL ? object->child : NULL; i != NULL; i = i->next) {
        bool twice = (taken != NULL && strcmp(taken, i->string) == 0) || (other && oracle_get(other, i->string));
        if (twice || !is_word(i->string, 128, "._/-") || !judge_mean(o, i, strcmp(field, "values") == 0))
            return false;
    }
    return true;
}

/* ---- records ---- */

static bool has_any(const cJSON *object, const char *const *names)
{
    for (; *names != NULL; names++)
        if (oracle_get(object, *names) != NULL)
            return true;
    return false;
}

static bool judge_head(struct oracle *o, struct record *r, const char **name)
{
    static const char *const tasks[] = {"multiclass", "binary", "multilabel"};
    const cJSON *f = o->fields, *stage = oracle_get(f, "stage"), *attempt = oracle_get(f, "attempt"),
                *said = oracle_get(f, "name"), *task = oracle_get(f, "task"), *rank = oracle_get(f, "rank"),
                *time = oracle_get(f, "time"), *samples = oracle_get(f, "samples");
    int64_t ignored;
    if (!cJSON_IsString(stage) || !is_word(stage->valuestring, 64, "._-") ||
        !oracle_int(o, oracle_get(f, "epoch"), ORACLE_WHOLE_MAX, &r->key.epoch) ||
        !oracle_int(o, oracle_get(f, "step"), ORACLE_WHOLE_MAX, &r->key.step) ||
        (rank != NULL && !oracle_int(o, rank, 65535, &r->key.rank)) ||
        (time != NULL && !oracle_int(o, time, ORACLE_WHOLE_MAX, &r->time)) ||
        (samples != NULL && !oracle_int(o, samples, ORACLE_WHOLE_MAX, &ignored)) ||
        (attempt != NULL && !(cJSON_IsString(attempt) && is_attempt(attempt->valuestring))) ||
        (said != NULL && !(cJSON_IsString(said) && is_word(said->valuestring, 128, "._/-"))))
        return false;
    strcpy(r->stage, stage->valuestring);
    if (attempt != NULL)
        r->attempt = strcpy(oracle_room(o, strlen(attempt->valuestring), 1), attempt->valuestring);
    *name = said != NULL ? said->valuestring : "main";
    o->task = TASK_MULTICLASS;
    for (int i = 0; i < 3; i++)
        if (task != NULL && cJSON_IsString(task) && strcmp(task->valuestring, tasks[i]) == 0) {
            o->task = (enum task)i;
            return true;
        }
    return task == NULL;
}

static bool judge_record(struct oracle *o, const cJSON *item, struct record *r)
{
    static const char *const known[] = {
        "stage",       "epoch",     "step",        "rank",  "correct", "total",   "tp",   "fp",   "fn",
        "tn",          "confusion", "num_classes", "cells", "classes", "samples", "task", "name", "scores",
        "calibration", "exact",     "regression",  "sums",  "values",  "attempt", "time", NULL};
    static const char *const counts[] = {"correct", "total",     "tp",    "fp",      "fn",
                                         "tn",      "confusion", "cells", "classes", NULL};
    static const char *const states[] = {"scores", "calibration", "exact", "regression", NULL};
    static const char *const about[] = {"num_classes", "samples", "task", "name", NULL};
    const char *name;
    int64_t samples = -1, classes = 0;
    o->fields = item;
    o->record = r;
    r->time = -1;
    if (!cJSON_IsObject(item) || !oracle_known(item, known) || !judge_head(o, r, &name))
        return false;
    const cJSON *sums = oracle_get(item, "sums"), *values = oracle_get(item, "values"),
                *said = oracle_get(item, "num_classes");
    bool counted = has_any(item, counts), other = has_any(item, states);
    o->cap_measures = 5 + (size_t)cJSON_GetArraySize(sums) + (size_t)cJSON_GetArraySize(values);
    r->measures = oracle_room(o, o->cap_measures, sizeof *r->measures);
    if (said != NULL && (!oracle_int(o, said, o->limits->classes, &classes) || classes < 1))
        return false;
    if (!counted && !other && has_any(item, about))
        return false;
    const char *taken = counted || other ? name : NULL;
    bool fine = (!counted || oracle_counted(o, name, &samples)) && oracle_states(o, name, samples) &&
                judge_means(o, "sums", NULL, taken) && judge_means(o, "values", sums, taken);
    o->n_measures += r->n_measures;
    return fine && r->n_measures > 0;
}

struct body {
    struct oracle o;
    struct record_list *out;
    bool strict, judged, fine;
};

static void judge_item(struct body *b, const cJSON *item)
{
    struct record_list *list = b->out;
    if (list->n_records == (size_t)b->o.limits->records_per_request)
        b->fine = false;
    if (b->fine && judge_record(&b->o, item, &list->records[list->n_records]))
        list->n_records++;
    else
        b->fine = false;
}

static void judge_text(struct body *b, const char *text, size_t size, bool is_line)
{
    struct oracle_text parsed = oracle_parse(text, size, b->o.arena);
    b->o.numbers = parsed.numbers;
    b->judged = b->judged && parsed.judged;
    b->strict = b->strict && parsed.root != NULL && parsed.strict;
    if (b->judged && b->strict && cJSON_IsArray(parsed.root) && !is_line)
        for (const cJSON *item = parsed.root->child; item != NULL; item = item->next)
            judge_item(b, item);
    else if (b->judged && b->strict)
        judge_item(b, parsed.root);
    b->out->is_single = !is_line && cJSON_IsObject(parsed.root);
    cJSON_Delete(parsed.root);
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

enum oracle_verdict oracle_judge(const char *body, size_t size, enum body_kind kind, const struct limits *limits,
                                 struct arena *arena, struct record_list *out)
{
    struct body b = {.o = {.limits = limits, .arena = arena}, .out = out};
    *out = (struct record_list){.n_records = 0};
    out->records = oracle_room(&b.o, (size_t)limits->records_per_request, sizeof *out->records);
    b.strict = b.judged = b.fine = true;
    if (kind == BODY_JSON)
        judge_text(&b, body, size, false);
    for (size_t at = 0; kind == BODY_NDJSON && at < size;) {
        const char *newline = memchr(body + at, '\n', size - at);
        size_t length = newline != NULL ? (size_t)(newline - body) - at : size - at;
        if (!is_blank(body + at, length))
            judge_text(&b, body + at, length, true);
        at += length + 1;
    }
    if (!b.judged)
        return ORACLE_NOT_JUDGED;
    if (!b.strict)
        return ORACLE_MALFORMED;
    size_t most = (size_t)limits->records_per_request * RECORD_SERIES_MEAN;
    return b.fine && out->n_records > 0 && b.o.n_measures <= most ? ORACLE_ACCEPTED : ORACLE_REFUSED;
}
