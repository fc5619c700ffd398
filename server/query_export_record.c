/** Which kinds of a key share a record, and the record as it is written. */
#include <string.h>

#include "encode_record.h"
#include "query_value.h"

#include "query_export_record.h"

static enum kind kind_of(const struct export_series *s)
{
    return form_kind(s->row->shape.form);
}

bool export_needs_state(const struct series_row *row)
{
    enum kind kind = form_kind(row->shape.form);
    return kind == KIND_COUNTS || kind == KIND_EXACT || kind == KIND_MEAN;
}

bool export_is_mean(const struct export_series *s)
{
    return s->row->shape.form == FORM_MEAN;
}

/* ---- which kinds go into one record ---- */

const char *export_group_name(const struct export_group *g)
{
    return g->n > 0 ? g->members[0]->row->name : "main"; /* means alone */
}

enum kind export_group_kind(const struct export_group *g)
{
    return g->n > 0 ? kind_of(g->members[0]) : KIND_COUNTS;
}

bool export_group_has(const struct export_group *g, int kind)
{
    for (size_t i = 0; i < g->n; i++)
        if ((int)kind_of(g->members[i]) == kind)
            return true;
    return false;
}

static bool can_join(const struct export_group *g, const struct export_series *s, bool has_task)
{
    const struct shape *shape = &s->row->shape;
    if (g->n == 0)
        return true;
    return strcmp(s->row->name, export_group_name(g)) == 0 && s->here->samples == g->samples &&
           (!has_task || !g->has_task || shape->task == g->task) &&
           (shape->num_classes == 0 || g->num_classes == 0 || shape->num_classes == g->num_classes);
}

bool export_group_next(struct export_series *series, size_t n, struct export_group *g)
{
    memset(g, 0, sizeof *g);
    for (size_t i = 0; i < n; i++) {
        struct export_series *s = &series[i];
        if (s->here == NULL || s->written || export_is_mean(s))
            continue;
        bool has_task = kind_of(s) != KIND_EXACT && kind_of(s) != KIND_REGRESSION;
        if (!can_join(g, s, has_task))
            continue;
        s->written = true;
        g->members[g->n++] = s;
        g->samples = s->here->samples;
        if (has_task) {
            g->has_task = true;
            g->task = s->row->shape.task;
        }
        if (s->row->shape.num_classes > 0)
            g->num_classes = s->row->shape.num_classes;
    }
    return g->n > 0;
}

/* ---- records ---- */

static int load(struct export_series *s, struct problem *p)
{
    state_clear(&s->state);
    return query_state_add(&s->state, &s->here->key, s->here->samples, 1, batch_cursor_state(&s->cursor, s->here),
                           s->here->state_size, p);
}

static int write_sums(struct json_writer *w, const struct export_record *r, struct problem *p)
{
    bool any = false;
    for (size_t i = 0; i < r->n_series; i++) {
        struct export_series *s = &r->series[i];
        if (!export_is_mean(s) || s->here == NULL)
            continue;
        int rc = load(s, p);
        if (rc != OK)
            return rc;
        if (!any) {
            json_key(w, "sums");
            json_object_begin(w);
        }
        any = true;
        json_key(w, s->row->name);
        encode_sum(w, &s->state.mean);
    }
    if (any)
        json_object_end(w);
    return OK;
}

static int write_member(struct json_writer *w, struct export_series *s, struct problem *p)
{
    int rc = export_needs_state(s->row) ? load(s, p) : OK;
    if (rc != OK)
        return rc;
    int status = kind_of(s) == KIND_COUNTS ? encode_counts(w, &s->state)
                                           : encode_state(w, &s->row->shape, &s->state,
                                                          batch_cursor_state(&s->cursor, s->here), s->here->state_size);
    return status == OK ? OK : problem_from_status(p, status);
}

int export_record_write(struct buffer *out, const struct export_record *r, struct problem *p)
{
    const struct export_group *g = r->group;
    struct json_writer w;
    const int64_t numbers[] = {r->key.epoch, r->key.step, r->key.rank};
    static const char *const names[] = {"epoch", "step", "rank"};
    int rc = OK;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, "stage");
    json_string(&w, r->stage);
    for (int i = 0; i < 3; i++) {
        json_key(&w, names[i]);
        json_int(&w, numbers[i]);
    }
    if (strcmp(export_group_name(g), "main") != 0) {
        json_key(&w, "name");
        json_string(&w, export_group_name(g));
    }
    if (g->has_task && g->task != TASK_MULTICLASS) {
        json_key(&w, "task");
        json_string(&w, task_name(g->task));
    }
    for (size_t i = 0; i < g->n && rc == OK; i++)
        rc = write_member(&w, g->members[i], p);
    if (g->n > 0 && g->samples <= QUERY_INTEGER_MAX) { /* more cannot be said on the wire: then it is the default */
        json_key(&w, "samples");
        json_int(&w, g->samples);
    }
    if (rc == OK && r->series != NULL)
        rc = write_sums(&w, r, p);
    json_key(&w, "time");
    json_int(&w, r->time);
    json_object_end(&w);
    buffer_add(out, "\n", 1);
    return rc;
}
