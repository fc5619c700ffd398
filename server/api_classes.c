/*
 * GET .../classes and .../confusion: one epoch of one series of counts, class by class.
 */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "csv.h"
#include "json_writer.h"
#include "query_epoch_sum.h"
#include "query_value.h"
#include "routes.h"

/* The epoch that is asked for. */
struct class_epoch {
    struct query_run run;
    struct epoch_sum sum;
};

static int read_epoch(struct request *q, struct class_epoch *e, bool with_cells, struct problem *p)
{
    const struct series_row *series = NULL;
    int rc = query_series_asked(q, &e->run, KIND_COUNTS, with_cells ? "a confusion matrix" : "a list of classes",
                                with_cells ? "confusion, or num_classes and cells" : "tp, fp, fn", &series, p);
    return rc == OK ? query_epoch_sum(q, series, with_cells, &e->sum, p) : rc;
}

static void release(struct request *q, struct class_epoch *e)
{
    query_epoch_sum_release(&e->sum);
    query_run_end(q, &e->run);
}

/* ---- classes ---- */

enum { RATIOS = 3 };

static const char *const ratio_names[RATIOS] = {"precision", "recall", "f1"};
static const char *const count_names[] = {"support", "tp", "fp", "fn"};

struct class_table {
    struct class_epoch *e;
    size_t n;
    double *ratios[RATIOS]; /* [n] each */
};

static int compute_ratios(struct request *q, struct class_table *t, struct problem *p)
{
    const struct shape *shape = &t->e->sum.series->shape;
    t->n = shape->num_classes;
    for (int i = 0; i < RATIOS; i++) {
        struct query_metric m = {.series = t->e->sum.series};
        m.selector.choice = (struct metric_choice){.metric = metric_find(ratio_names[i], strlen(ratio_names[i])),
                                                   .average = AVERAGE_NONE};
        char why[240];
        if (metric_check(&m.selector.choice, shape, why, sizeof why) != OK)
            return problem_set(p, PROBLEM_STATE_LACKS, "?name", "classes of %s: %s", t->e->sum.series->name, why);
        m.length = metric_length(&m.selector.choice, shape);
        t->ratios[i] = arena_alloc(&q->arena, m.length * sizeof *t->ratios[i]);
        if (t->ratios[i] == NULL)
            return query_no_memory(p);
        int rc = query_value(&m, &t->e->sum.state, &t->e->run.options, t->ratios[i], p);
        if (rc != OK)
            return rc;
    }
    if (t->e->sum.state.batches == 0)
        t->n = 0;
    return OK;
}

static void class_row_counts(const struct class_table *t, size_t i, int64_t out[4])
{
    const struct class_counts *c = &t->e->sum.state.counts.classes[i];
    out[0] = c->tp + c->fn; /* no overflow: at most the total */
    out[1] = c->tp;
    out[2] = c->fp;
    out[3] = c->fn;
}

static void classes_json(struct response *r, const struct class_table *t)
{
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, &t->e->run);
    query_write_epoch(&w, &t->e->sum);
    json_key(&w, "classes");
    json_array_begin(&w);
    for (size_t i = 0; i < t->n; i++) {
        int64_t counts[4];
        class_row_counts(t, i, counts);
        json_object_begin(&w);
        json_key(&w, "class");
        json_int(&w, (int64_t)query_class_number(t->e->sum.series, i));
        json_key(&w, "name");
        json_string(&w, query_class_name(&t->e->run, query_class_number(t->e->sum.series, i)));
        for (size_t k = 0; k < 4; k++) {
            json_key(&w, count_names[k]);
            json_int(&w, counts[k]);
        }
        for (size_t k = 0; k < RATIOS; k++) {
            json_key(&w, ratio_names[k]);
            json_double(&w, t->ratios[k][i]);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

static void classes_csv(struct response *r, const struct class_table *t)
{
    struct csv c;
    csv_init(&c, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    csv_text(&c, "class");
    csv_text(&c, "name");
    for (size_t k = 0; k < 4; k++)
        csv_text(&c, count_names[k]);
    for (size_t k = 0; k < RATIOS; k++)
        csv_text(&c, ratio_names[k]);
    csv_end_row(&c);
    for (size_t i = 0; i < t->n; i++) {
        int64_t counts[4];
        class_row_counts(t, i, counts);
        csv_int(&c, (int64_t)query_class_number(t->e->sum.series, i));
        csv_text(&c, query_class_name(&t->e->run, query_class_number(t->e->sum.series, i)));
        for (size_t k = 0; k < 4; k++)
            csv_int(&c, counts[k]);
        for (size_t k = 0; k < RATIOS; k++)
            csv_double(&c, t->ratios[k][i]);
        csv_end_row(&c);
    }
}

int api_classes_get(struct request *q, struct response *r, struct problem *p)
{
    struct class_epoch e = {.sum = {.epoch = -1}};
    struct class_table t = {.e = &e};
    struct metric_options options;
    enum media media;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &media, p);
    if (rc == OK)
        rc = query_zero_division(q, &options, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &e.run, p);
    if (rc != OK || query_etag(q, r, &e.run.run))
        goto out;
    e.run.options.zero_division = options.zero_division;
    rc = read_epoch(q, &e, false, p);
    if (rc == OK && e.sum.series != NULL)
        rc = compute_ratios(q, &t, p);
    if (rc == OK && media == MEDIA_CSV)
        classes_csv(r, &t);
    else if (rc == OK)
        classes_json(r, &t);
out:
    release(q, &e);
    return query_finish(r, rc, p);
}

/* ---- confusion ---- */

enum normalize { NORMALIZE_TRUE, NORMALIZE_PRED, NORMALIZE_ALL, NORMALIZE_NONE };

struct matrix {
    struct class_epoch *e;
    size_t n_classes;
    const struct cell *cells;
    size_t n_cells;
    enum normalize normalize;
    int64_t *sums; /* [n_classes]: of the rows or columns */
    int64_t total;
    bool dense;
};

/* A matrix that needs more than the counts hold, or more room than a dense answer may take. */
static int check_matrix(const struct request *q, const struct matrix *m, struct problem *p)
{
    const struct shape *shape = &m->e->sum.series->shape;
    int64_t most = q->app->limits.dense_classes;
    bool has_cells = shape->task == TASK_BINARY ? shape->form != FORM_TOTALS : shape->form == FORM_CONFUSION;
    if (!has_cells)
        return problem_set(p, PROBLEM_STATE_LACKS, "?name",
                           "%s holds no confusion matrix: send confusion, or num_classes and cells",
                           m->e->sum.series->name);
    if (m->dense && (int64_t)m->n_classes > most)
        return problem_set(p, PROBLEM_INVALID, "?form",
                           "a dense matrix has at most %lld classes here (limit dense_classes), this one has %zu",
                           (long long)most, m->n_classes);
    return OK;
}

static int read_matrix(struct request *q, struct matrix *m, struct problem *p)
{
    const struct shape *shape = &m->e->sum.series->shape;
    m->n_classes = shape->task == TASK_BINARY ? 2 : shape->num_classes;
    int rc = check_matrix(q, m, p);
    if (rc != OK)
        return rc;
    int status = state_cells(&m->e->sum.state, &m->cells, &m->n_cells);
    if (status != OK)
        return problem_from_status(p, status);
    m->sums = arena_alloc(&q->arena, m->n_classes * sizeof *m->sums);
    if (m->sums == NULL)
        return query_no_memory(p);
    memset(m->sums, 0, m->n_classes * sizeof *m->sums);
    for (size_t i = 0; i < m->n_cells; i++) { /* no overflow: at most the total of the counts */
        const struct cell *c = &m->cells[i];
        m->sums[m->normalize == NORMALIZE_PRED ? c->predicted : c->target] += c->count;
        m->total += c->count;
    }
    return OK;
}

static double fraction(const struct matrix *m, const struct cell *c)
{
    int64_t of = m->total;
    if (m->normalize != NORMALIZE_ALL)
        of = m->sums[m->normalize == NORMALIZE_PRED ? c->predicted : c->target];
    return of > 0 ? (double)c->count / (double)of : 0;
}

static void write_count(struct json_writer *w, const struct matrix *m, const struct cell *c)
{
    if (m->normalize == NORMALIZE_NONE)
        json_int(w, c->count);
    else
        json_double(w, fraction(m, c));
}

static void write_cells(struct json_writer *w, const struct matrix *m)
{
    json_key(w, "cells");
    json_array_begin(w);
    for (size_t i = 0; i < m->n_cells; i++) {
        json_array_begin(w);
        json_int(w, m->cells[i].target);
        json_int(w, m->cells[i].predicted);
        write_count(w, m, &m->cells[i]);
        json_array_end(w);
    }
    json_array_end(w);
}

/* Cells are sorted, so a dense matrix is them with zeros between. */
static void write_dense(struct json_writer *w, const struct matrix *m)
{
    size_t at = 0;
    json_key(w, "matrix");
    json_array_begin(w);
    for (uint32_t target = 0; target < m->n_classes; target++) {
        json_array_begin(w);
        for (uint32_t predicted = 0; predicted < m->n_classes; predicted++) {
            if (at < m->n_cells && m->cells[at].target == target && m->cells[at].predicted == predicted)
                write_count(w, m, &m->cells[at++]);
            else
                json_int(w, 0);
        }
        json_array_end(w);
    }
    json_array_end(w);
}

static void confusion_json(struct response *r, const struct matrix *m)
{
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, &m->e->run);
    query_write_epoch(&w, &m->e->sum);
    json_key(&w, "num_classes");
    json_int(&w, (int64_t)m->n_classes);
    json_key(&w, "class_names");
    if (m->e->run.declaration.class_names == NULL) {
        json_null(&w);
    } else {
        json_array_begin(&w);
        for (size_t i = 0; i < m->e->run.declaration.n_class_names; i++)
            json_string(&w, m->e->run.declaration.class_names[i]);
        json_array_end(&w);
    }
    if (m->dense)
        write_dense(&w, m);
    else
        write_cells(&w, m);
    json_object_end(&w);
}

static void confusion_csv(struct response *r, const struct matrix *m)
{
    struct csv c;
    csv_init(&c, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    csv_text(&c, "target");
    csv_text(&c, "predicted");
    csv_text(&c, "count");
    csv_end_row(&c);
    for (size_t i = 0; i < m->n_cells; i++) {
        csv_int(&c, m->cells[i].target);
        csv_int(&c, m->cells[i].predicted);
        if (m->normalize == NORMALIZE_NONE)
            csv_int(&c, m->cells[i].count);
        else
            csv_double(&c, fraction(m, &m->cells[i]));
        csv_end_row(&c);
    }
}

int api_confusion_get(struct request *q, struct response *r, struct problem *p)
{
    static const char *const normalize_words[] = {"true", "pred", "all", NULL};
    static const char *const form_words[] = {"sparse", "dense", NULL};
    struct class_epoch e = {.sum = {.epoch = -1}};
    struct matrix m = {.e = &e};
    enum media media;
    int normalize, form;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &media, p);
    if (rc == OK)
        rc = query_word(q, "normalize", normalize_words, NORMALIZE_NONE, &normalize, p);
    if (rc == OK)
        rc = query_word(q, "form", form_words, 0, &form, p);
    if (rc != OK)
        return rc;
    m.normalize = (enum normalize)normalize;
    m.dense = form == 1;
    rc = query_run_begin(q, true, &e.run, p);
    if (rc != OK || query_etag(q, r, &e.run.run))
        goto out;
    rc = read_epoch(q, &e, true, p);
    if (rc == OK && e.sum.series != NULL)
        rc = read_matrix(q, &m, p);
    if (rc == OK && media == MEDIA_CSV)
        confusion_csv(r, &m);
    else if (rc == OK)
        confusion_json(r, &m);
out:
    release(q, &e);
    return query_finish(r, rc, p);
}
