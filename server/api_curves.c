/*
 * GET .../curves: the ROC and precision-recall points of the score histograms of one epoch, as JSON or CSV.
 */
#include <stdio.h>

#include "csv.h"
#include "curve.h"
#include "json_writer.h"
#include "query_epoch_sum.h"
#include "query_value.h"
#include "routes.h"

enum {
    N_CURVES = 4,
    CURVE_VALUES_MAX = 1 << 20 /* numbers of an answer: a bound of its memory */
};

static const char *const curve_names[N_CURVES] = {"fpr", "tpr", "precision", "recall"};

struct curves {
    struct query_run run;
    struct epoch_sum sum;
    int64_t class;          /* only this one; -1: all */
    double *room[N_CURVES]; /* [bins] each: of one class */
};

static const struct shape *shape_of(const struct curves *c)
{
    return &c->sum.series->shape;
}

/* How many classes the answer lists; binary has one, which is number 1. */
static size_t class_count(const struct curves *c)
{
    if (c->sum.series == NULL || c->sum.state.batches == 0)
        return 0;
    return c->class >= 0 ? 1 : shape_of(c)->num_classes;
}

static size_t class_index(const struct curves *c, size_t i)
{
    if (c->class < 0)
        return i;
    return shape_of(c)->task == TASK_BINARY ? 0 : (size_t)c->class;
}

static int check_class(const struct curves *c, struct problem *p)
{
    const struct shape *shape = shape_of(c);
    int64_t first = shape->task == TASK_BINARY, last = shape->task == TASK_BINARY ? 1 : shape->num_classes - 1;
    if (c->class >= 0 && (c->class < first || c->class > last))
        return problem_set(p, PROBLEM_INVALID, "?class", "%s has the classes %lld to %lld", c->sum.series->name,
                           (long long)first, (long long)last);
    size_t n_values = class_count(c) * N_CURVES * shape->bins;
    if (class_count(c) > 1 && n_values > CURVE_VALUES_MAX)
        return problem_set(p, PROBLEM_INVALID, "?class",
                           "the curves of %zu classes have %zu numbers, at most %d; ask for one class with class=",
                           class_count(c), n_values, (int)CURVE_VALUES_MAX);
    return OK;
}

static int read_curves(struct request *q, struct curves *c, struct problem *p)
{
    const struct series_row *series = NULL;
    int rc = query_series_asked(q, &c->run, KIND_SCORES, "a curve", NULL, &series, p);
    if (rc == OK)
        rc = query_epoch_sum(q, series, false, &c->sum, p);
    if (rc != OK || series == NULL)
        return rc;
    for (int i = 0; i < N_CURVES; i++) {
        c->room[i] = arena_alloc(&q->arena, series->shape.bins * sizeof *c->room[i]);
        if (c->room[i] == NULL)
            return query_no_memory(p);
    }
    return check_class(c, p);
}

/* The points of a class into the rooms; they are borrowed until the next call. */
static bool compute(const struct curves *c, uint32_t index, struct curve *curve)
{
    *curve = (struct curve){.fpr = c->room[0], .tpr = c->room[1], .precision = c->room[2], .recall = c->room[3]};
    return curve_points(&c->sum.state, index, curve) == OK; /* checked before: it is a class of score histograms */
}

/* Is there a curve of all labels pooled, as auroc.micro? */
static bool has_micro(const struct curves *c)
{
    return class_count(c) > 0 && c->class < 0 && shape_of(c)->task == TASK_MULTILABEL;
}

static void write_points(struct json_writer *w, const struct curves *c, uint32_t index)
{
    struct curve curve;
    if (!compute(c, index, &curve))
        return;
    json_key(w, "positives");
    json_int(w, curve.positives);
    json_key(w, "negatives");
    json_int(w, curve.negatives);
    for (int i = 0; i < N_CURVES; i++) {
        json_key(w, curve_names[i]);
        json_array_begin(w);
        for (uint32_t at = 0; at < shape_of(c)->bins; at++)
            json_double(w, c->room[i][at]);
        json_array_end(w);
    }
}

static void write_classes(struct json_writer *w, const struct curves *c)
{
    json_key(w, "classes");
    json_array_begin(w);
    for (size_t i = 0; i < class_count(c); i++) {
        size_t index = class_index(c, i), number = query_class_number(c->sum.series, index);
        json_object_begin(w);
        json_key(w, "class");
        json_int(w, (int64_t)number);
        json_key(w, "name");
        json_string(w, query_class_name(&c->run, number));
        write_points(w, c, (uint32_t)index);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "micro");
    if (!has_micro(c)) {
        json_null(w);
        return;
    }
    json_object_begin(w);
    write_points(w, c, CURVE_MICRO);
    json_object_end(w);
}

static void write_json(struct response *r, const struct curves *c)
{
    const struct series_row *series = c->sum.series;
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, &c->run);
    query_write_epoch(&w, &c->sum);
    json_key(&w, "task");
    json_string(&w, series != NULL ? task_name(series->shape.task) : NULL);
    json_key(&w, "num_classes");
    json_int(&w, series != NULL ? series->shape.num_classes : 0);
    json_key(&w, "thresholds");
    json_array_begin(&w);
    for (uint32_t i = 0; series != NULL && i < series->shape.bins; i++)
        json_double(&w, curve_threshold(series->shape.bins, i));
    json_array_end(&w);
    write_classes(&w, c);
    json_object_end(&w);
}

/* A row for each threshold of a class; name NULL where there is none. */
static void csv_points(struct csv *w, const struct curves *c, uint32_t index, const char *class, const char *name)
{
    struct curve curve;
    if (!compute(c, index, &curve))
        return;
    for (uint32_t at = 0; at < shape_of(c)->bins; at++) {
        csv_text(w, class);
        csv_text(w, name);
        csv_int(w, curve.positives);
        csv_int(w, curve.negatives);
        csv_double(w, curve_threshold(shape_of(c)->bins, at));
        for (int i = 0; i < N_CURVES; i++)
            csv_double(w, c->room[i][at]);
        csv_end_row(w);
    }
}

static void write_csv(struct response *r, const struct curves *c)
{
    static const char *const fixed[] = {"class", "name", "positives", "negatives", "threshold"};
    struct csv w;
    csv_init(&w, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        csv_text(&w, fixed[i]);
    for (int i = 0; i < N_CURVES; i++)
        csv_text(&w, curve_names[i]);
    csv_end_row(&w);
    for (size_t i = 0; i < class_count(c); i++) {
        size_t index = class_index(c, i), number = query_class_number(c->sum.series, index);
        char text[24];
        snprintf(text, sizeof text, "%zu", number);
        csv_points(&w, c, (uint32_t)index, text, query_class_name(&c->run, number));
    }
    if (has_micro(c))
        csv_points(&w, c, CURVE_MICRO, "micro", NULL);
}

int api_curves_get(struct request *q, struct response *r, struct problem *p)
{
    struct curves c = {.sum = {.epoch = -1}};
    enum media media;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &media, p);
    if (rc == OK)
        rc = query_int(q, "class", 0, STATE_CLASSES_MAX, -1, &c.class, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &c.run, p);
    if (rc != OK || query_etag(q, r, &c.run.run))
        goto out;
    rc = read_curves(q, &c, p);
    if (rc == OK && media == MEDIA_CSV)
        write_csv(r, &c);
    else if (rc == OK)
        write_json(r, &c);
out:
    query_epoch_sum_release(&c.sum);
    query_run_end(q, &c.run);
    return query_finish(r, rc, p);
}
