/*
 * A run as JSON, the same whoever asks: its own document, the answer to a change, an item of a list.
 * Stored texts (config, tags, stages) are JSON already and are copied as they are.
 */
#include <string.h>

#include "encode_run.h"
#include "json.h"

void encode_run_fields(struct json_writer *w, const struct run_row *run, int64_t now, bool full)
{
    json_key(w, "id");
    json_string(w, run->id);
    json_key(w, "project");
    json_string(w, run->project);
    json_key(w, "name");
    json_string(w, run->name);
    json_key(w, "status");
    json_string(w, run_status_name(run_status_effective(run, now)));
    if (full) {
        json_key(w, "config");
        json_raw(w, run->config != NULL ? run->config : "{}");
    }
    json_key(w, "tags");
    json_raw(w, run->tags != NULL ? run->tags : "[]");
    json_key(w, "notes");
    json_string(w, run->notes);
    if (full) {
        json_key(w, "stages");
        json_raw(w, run->stages != NULL ? run->stages : "{}");
    }
    json_key(w, "created_at");
    json_int(w, run->created_at);
    json_key(w, "updated_at");
    json_int(w, run->updated_at);
    json_key(w, "ended_at");
    if (run->ended_at != 0)
        json_int(w, run->ended_at);
    else
        json_null(w);
    json_key(w, "revision");
    json_int(w, run->revision);
}

static void int_or_null(struct json_writer *w, const char *key, int64_t value, bool is_there)
{
    json_key(w, key);
    if (is_there)
        json_int(w, value);
    else
        json_null(w);
}

static void encode_series(struct json_writer *w, const struct series_row *s, const struct json *stages)
{
    enum kind kind = form_kind(s->shape.form);
    bool has_task = kind == KIND_COUNTS || kind == KIND_SCORES || kind == KIND_CALIBRATION;
    const struct json *declared = stages != NULL ? json_get(stages, s->stage) : NULL;
    const struct json *names = declared != NULL ? json_get(declared, "class_names") : NULL;
    json_object_begin(w);
    json_key(w, "stage");
    json_string(w, s->stage);
    json_key(w, "name");
    json_string(w, s->name);
    json_key(w, "task");
    json_string(w, has_task ? task_name(s->shape.task) : NULL);
    int_or_null(w, "num_classes", s->shape.num_classes, s->shape.num_classes > 0);
    json_key(w, "class_names");
    if ((kind == KIND_COUNTS || kind == KIND_SCORES) && names != NULL)
        json_write(w, names);
    else
        json_null(w);
    json_key(w, "form");
    json_string(w, form_name(s->shape.form));
    int_or_null(w, "bins", s->shape.bins, s->shape.bins > 0);
    json_key(w, "epochs");
    json_int(w, s->epochs);
    json_key(w, "batches");
    json_int(w, s->batches);
    json_key(w, "samples");
    json_int(w, s->samples);
    int_or_null(w, "last_epoch", s->last_epoch, s->last_epoch >= 0);
    int_or_null(w, "last_step", s->last_step, s->last_step >= 0);
    json_object_end(w);
}

void encode_run_series(struct json_writer *w, const struct run_row *run, const struct series_row *series, size_t n)
{
    struct json_document *stages = NULL;
    if (run->stages != NULL) {
        if (json_parse(run->stages, strlen(run->stages), &stages, NULL) != OK) {
            w->out->failed = true; /* stored text was checked: only memory can be missing */
            stages = NULL;
        }
    }
    json_key(w, "series");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        encode_series(w, &series[i], stages != NULL ? json_root(stages) : NULL);
    json_array_end(w);
    json_free(stages);
}

void encode_run_document(struct json_writer *w, const struct run_row *run, int64_t now, const struct series_row *series,
                         size_t n)
{
    json_object_begin(w);
    encode_run_fields(w, run, now, true);
    encode_run_series(w, run, series, n);
    json_object_end(w);
}
