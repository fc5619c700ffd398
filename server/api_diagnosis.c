/*
 * GET .../diagnosis: what is odd about an epoch of a stage.
 */
#include "json_writer.h"
#include "query_diagnosis.h"
#include "routes.h"

/* The series whose steps are looked at: that of ?name=, default main, else the first that is no weighted mean. */
static int choose_series(const struct request *q, const struct query_run *run, const struct series_row **out,
                         struct problem *p)
{
    const char *name;
    int rc = query_name(q, &name, p);
    if (rc != OK || !run->stage_known)
        return rc;
    *out = query_series(run, name != NULL ? name : "main");
    if (*out == NULL && name != NULL)
        return query_unknown_name(run, name, p);
    for (size_t i = 0; i < run->n_series && *out == NULL; i++)
        if (run->series[i].shape.form != FORM_MEAN)
            *out = &run->series[i];
    if (*out == NULL)
        *out = &run->series[0];
    return OK;
}

static void write_finding(struct json_writer *w, const struct finding *f)
{
    json_object_begin(w);
    json_key(w, "id");
    json_string(w, f->id);
    json_key(w, "level");
    json_string(w, finding_level_name(f->level));
    json_key(w, "name");
    json_string(w, f->name);
    json_key(w, "count");
    json_int(w, f->count);
    json_key(w, "of");
    json_int(w, f->of);
    json_key(w, "text");
    json_string(w, f->text);
    json_key(w, "steps");
    json_array_begin(w);
    for (size_t i = 0; i < f->n_steps; i++)
        json_int(w, f->steps[i]);
    json_array_end(w);
    json_object_end(w);
}

static void write_json(struct response *r, const struct query_run *run, const struct epoch_sum *sum,
                       const struct diagnosis *d)
{
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, run);
    query_write_epoch(&w, sum);
    if (sum->is_thinned) {
        json_key(&w, "thinned");
        json_bool(&w, true);
    }
    json_key(&w, "findings");
    json_array_begin(&w);
    for (size_t i = 0; i < d->n; i++)
        write_finding(&w, &d->findings[i]);
    json_array_end(&w);
    json_object_end(&w);
}

int api_diagnosis_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    struct epoch_sum sum = {.epoch = -1};
    struct diagnosis diagnosis;
    const struct series_row *series = NULL;
    enum media media;
    int rc = query_media(q, MEDIA_JSON, &media, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &run, p);
    if (rc != OK || query_etag(q, r, &run.run))
        goto out;
    rc = choose_series(q, &run, &series, p);
    if (rc == OK)
        rc = query_epoch_sum(q, series, false, &sum, p);
    if (rc == OK)
        rc = query_diagnosis(q, &run, &sum, &diagnosis, p);
    if (rc == OK)
        write_json(r, &run, &sum, &diagnosis);
out:
    query_epoch_sum_release(&sum);
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}
