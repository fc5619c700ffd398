/** Thinned epochs as text and back.  Nothing is computed here: whether the sums agree is for the import to check. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_sealed.h"
#include "json_writer.h"
#include "query_text.h"
#include "record.h"
#include "rollup_levels.h"
#include "seal_means.h"

/* ---- writing ---- */

static void put_long(struct json_writer *w, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    json_key_string(w, key, text);
}

static bool put_bytes(struct json_writer *w, const char *key, const uint8_t *data, size_t size)
{
    struct arena arena;

    arena_init(&arena);
    const char *text = cursor_encode(&arena, data, size);
    if (text != NULL)
        json_key_string(w, key, text);
    arena_release(&arena);
    return text != NULL;
}

static int no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

static void put_means(struct json_writer *w, const struct seal_row *seal)
{
    struct seal_mean mean;

    json_key(w, "means");
    json_object_begin(w);
    for (size_t at = 0; seal_means_next(seal->means, seal->means_size, &at, &mean);) {
        json_key(w, mean.key);
        json_array_begin(w);
        json_double(w, mean.value);
        if (mean.has_gap) {
            json_double(w, mean.gap.value);
            json_double(w, mean.gap.absent_classes);
            json_double(w, mean.gap.class_mix);
            json_double(w, mean.gap.batch_size);
        }
        json_array_end(w);
    }
    json_object_end(w);
}

struct sum_writer {
    struct buffer line;
    int (*put)(void *context, struct buffer *line);
    void *context;
    struct problem *p;
};

static int put_line(struct sum_writer *s)
{
    buffer_text(&s->line, "\n");
    int status = s->line.failed ? no_memory(s->p) : s->put(s->context, &s->line);
    s->line.size = 0;
    return status;
}

static int write_sum(void *context, const struct rollup_row *row)
{
    struct sum_writer *s = context;
    struct json_writer w;

    json_writer_init(&w, &s->line);
    json_object_begin(&w);
    json_key(&w, "sum");
    json_object_begin(&w);
    json_key_int(&w, "level", row->level);
    json_key_int(&w, "bucket", row->bucket);
    json_key_int(&w, "batches", row->batches);
    put_long(&w, "samples", row->samples);
    put_long(&w, "correct", row->correct);
    json_key_int(&w, "steps", row->steps);
    json_key_int(&w, "first_step", row->first_step);
    json_key_int(&w, "last_step", row->last_step);
    json_key_int(&w, "first_time", row->first_time);
    json_key_double(&w, "min", row->primary_min);
    json_key_double(&w, "max", row->primary_max);
    bool ok = (row->level > 0 || put_bytes(&w, "ranks", row->ranks, row->ranks_size)) &&
              put_bytes(&w, "state", row->state, row->state_size);
    json_object_end(&w);
    json_object_end(&w);
    return ok ? put_line(s) : no_memory(s->p);
}

static int count_sum(void *context, const struct rollup_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return OK;
}

/* The buckets of every level, finer ones first. */
static int each_bucket(struct store_conn *c, const struct rollup_row *row, bool with_state,
                       int (*fn)(void *context, const struct rollup_row *bucket), void *context, struct problem *p)
{
    int status = OK;

    for (int level = ROLLUP_LEVEL_FINEST; level <= ROLLUP_LEVEL_COARSEST && status == OK; level += ROLLUP_LEVEL_GAP)
        status =
            store_buckets_each(c, row->run, row->series, level, row->epoch, 0, INT64_MAX, with_state, fn, context, p);
    return status;
}

static void write_head(struct json_writer *w, const struct series_row *series, const struct rollup_row *row,
                       const struct seal_row *seal, int64_t n_sums)
{
    json_object_begin(w);
    json_key(w, "sealed");
    json_object_begin(w);
    json_key_string(w, "stage", series->stage);
    json_key_string(w, "name", series->name);
    json_key_string(w, "kind", kind_name(form_kind(series->shape.form)));
    json_key_string(w, "form", form_name(series->shape.form));
    json_key_string(w, "task", task_name(series->shape.task));
    json_key_int(w, "num_classes", series->shape.num_classes);
    json_key_int(w, "bins", series->shape.bins);
    json_key_int(w, "epoch", row->epoch);
    json_key_int(w, "sealed_at", row->sealed_at);
    put_long(w, "closed", row->closed);
    json_key_int(w, "ignore_index", seal->ignore_index);
    json_key_int(w, "top_k", seal->top_k);
    put_means(w, seal);
    json_key_int(w, "sums", n_sums);
    json_object_end(w);
    json_object_end(w);
}

int archive_sealed_write(struct store_conn *c, const struct series_row *series, const struct rollup_row *row,
                         int (*put)(void *context, struct buffer *line), void *context, struct problem *p)
{
    struct sum_writer writer = {.put = put, .context = context, .p = p};
    struct seal_row seal;
    struct json_writer w;
    int64_t n_sums = 1;
    bool found = false;
    int status = each_bucket(c, row, false, count_sum, &n_sums, p);

    buffer_init(&writer.line);
    if (status == OK)
        status = store_seal_get(c, row->run, row->series, row->epoch, &seal, &found, p);
    if (status == OK && !found)
        status = problem_set(p, PROBLEM_INTERNAL, NULL, "a sealed epoch has no seal: run tally check");
    if (status == OK) {
        json_writer_init(&w, &writer.line);
        write_head(&w, series, row, &seal, n_sums);
        status = put_line(&writer);
    }
    if (status == OK)
        status = write_sum(&writer, row);
    if (status == OK)
        status = each_bucket(c, row, true, write_sum, &writer, p);
    buffer_release(&writer.line);
    return status;
}

/* ---- reading ---- */

static bool get_int(const struct json *object, const char *key, int64_t low, int64_t *out)
{
    const struct json *v = json_get(object, key);

    return v != NULL && json_as_int(v, out) && *out >= low;
}

static bool get_text(const struct json *object, const char *key, char *out, size_t size)
{
    const struct json *v = json_get(object, key);
    const char *text = v != NULL ? json_as_string(v) : NULL;

    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool get_long(const struct json *object, const char *key, int64_t *out)
{
    char text[24], again[24];

    if (!get_text(object, key, text, sizeof text))
        return false;
    *out = strtoll(text, NULL, 10);
    snprintf(again, sizeof again, "%" PRId64, *out);
    return *out >= 0 && strcmp(text, again) == 0;
}

/* null is NAN: nothing was defined. */
static bool get_double(const struct json *v, double *out)
{
    if (v == NULL || (json_type(v) != JSON_NUMBER && json_type(v) != JSON_NULL))
        return false;
    *out = json_as_number(v);
    return true;
}

static bool get_bytes(const struct json *object, const char *key, struct arena *arena, const uint8_t **data,
                      size_t *size)
{
    const struct json *v = json_get(object, key);
    const char *text = v != NULL ? json_as_string(v) : NULL;
    char *bytes = NULL;

    if (text == NULL || !cursor_decode(arena, text, &bytes, size))
        return false;
    *data = (const uint8_t *)bytes;
    return true;
}

/* The value whose name this is, from 0 to last; false: none. */
#define FIND_NAME(text, name_of, type, last, out)                                                                      \
    do {                                                                                                               \
        for (int i = 0; i <= (int)(last); i++)                                                                         \
            if (strcmp(text, name_of((type)i)) == 0) {                                                                 \
                *(out) = (type)i;                                                                                      \
                return true;                                                                                           \
            }                                                                                                          \
        return false;                                                                                                  \
    } while (0)

static bool find_form(const char *text, enum form *out)
{
    FIND_NAME(text, form_name, enum form, FORM_REGRESSION, out);
}

static bool find_task(const char *text, enum task *out)
{
    FIND_NAME(text, task_name, enum task, TASK_MULTILABEL, out);
}

static bool read_series(const struct json *v, struct series_row *out)
{
    char form[32], task[32], kind[32];
    int64_t num_classes, bins;

    memset(out, 0, sizeof *out);
    if (!get_text(v, "stage", out->stage, sizeof out->stage) || !get_text(v, "name", out->name, sizeof out->name) ||
        !get_text(v, "kind", kind, sizeof kind) || !get_text(v, "form", form, sizeof form) ||
        !get_text(v, "task", task, sizeof task) || !get_int(v, "num_classes", 0, &num_classes) ||
        !get_int(v, "bins", 0, &bins) || !find_form(form, &out->shape.form) || !find_task(task, &out->shape.task) ||
        strcmp(kind, kind_name(form_kind(out->shape.form))) != 0 || num_classes > UINT32_MAX || bins > UINT32_MAX)
        return false;
    out->shape.num_classes = (uint32_t)num_classes;
    out->shape.bins = (uint32_t)bins;
    return shape_is_valid(&out->shape) && name_is_valid(out->stage, strlen(out->stage), STAGE_MAX) &&
           series_name_is_valid(out->name, strlen(out->name));
}

static bool read_mean(const struct json *v, struct seal_mean *out)
{
    double *const values[] = {&out->value, &out->gap.value, &out->gap.absent_classes, &out->gap.class_mix,
                              &out->gap.batch_size};
    const char *key = json_name(v);
    size_t n = 0;

    memset(out, 0, sizeof *out);
    if (json_type(v) != JSON_ARRAY || key == NULL || key[0] == '\0' || strlen(key) >= sizeof out->key ||
        (json_length(v) != 1 && json_length(v) != sizeof values / sizeof values[0]))
        return false;
    memcpy(out->key, key, strlen(key) + 1);
    out->has_gap = json_length(v) > 1;
    for (const struct json *item = json_child(v); item != NULL; item = json_next(item))
        if (!get_double(item, values[n++]))
            return false;
    return true;
}

static bool read_means(const struct json *list, struct arena *arena, struct seal_row *out)
{
    struct buffer packed;
    bool ok = list != NULL && json_type(list) == JSON_OBJECT;

    buffer_init(&packed);
    for (const struct json *v = ok ? json_child(list) : NULL; v != NULL && ok; v = json_next(v)) {
        struct seal_mean mean;
        ok = read_mean(v, &mean);
        if (ok)
            seal_means_add(&packed, &mean);
    }
    uint8_t *copy = ok && !packed.failed ? arena_alloc(arena, packed.size + 1) : NULL;
    if (copy != NULL) {
        if (packed.size > 0)
            memcpy(copy, packed.data, packed.size);
        out->means = copy;
        out->means_size = packed.size;
    }
    buffer_release(&packed);
    return copy != NULL;
}

bool archive_sealed_read(const struct json *v, struct arena *arena, struct sealed_epoch *out)
{
    memset(out, 0, sizeof *out);
    return json_type(v) == JSON_OBJECT && read_series(v, &out->series) && get_int(v, "epoch", 0, &out->epoch) &&
           get_int(v, "sealed_at", 1, &out->sealed_at) && get_long(v, "closed", &out->closed) &&
           get_int(v, "ignore_index", -1, &out->seal.ignore_index) && get_int(v, "top_k", -1, &out->seal.top_k) &&
           get_int(v, "sums", 1, &out->n_sums) && read_means(json_get(v, "means"), arena, &out->seal);
}

bool archive_sum_read(const struct json *v, struct arena *arena, struct rollup_row *out)
{
    memset(out, 0, sizeof *out);
    return json_type(v) == JSON_OBJECT && get_int(v, "level", 0, &out->level) && out->level <= ROLLUP_LEVEL_COARSEST &&
           get_int(v, "bucket", 0, &out->bucket) && get_int(v, "batches", 1, &out->batches) &&
           get_long(v, "samples", &out->samples) && get_long(v, "correct", &out->correct) &&
           get_int(v, "steps", 1, &out->steps) && get_int(v, "first_step", 0, &out->first_step) &&
           get_int(v, "last_step", out->first_step, &out->last_step) && get_int(v, "first_time", 0, &out->first_time) &&
           get_double(json_get(v, "min"), &out->primary_min) && get_double(json_get(v, "max"), &out->primary_max) &&
           (out->level > 0 || get_bytes(v, "ranks", arena, &out->ranks, &out->ranks_size)) &&
           get_bytes(v, "state", arena, &out->state, &out->state_size);
}
