/*
 * A body of records, decoded and judged in one pass straight from the text: bulk ingest is bound by
 * this.  Nothing is allocated for a record but what it leaves behind; all else is scratch that is used
 * again for the next one.
 */
#include <stddef.h>
#include <string.h>

#include "decode_record.h"
#include "selector.h"
#include "utf8.h"

static const struct json_field FIELDS[RECORD_FIELDS] = {
    [FIELD_STAGE] = JSON_FIELD("stage"),
    [FIELD_EPOCH] = JSON_FIELD("epoch"),
    [FIELD_STEP] = JSON_FIELD("step"),
    [FIELD_RANK] = JSON_FIELD("rank"),
    [FIELD_CORRECT] = JSON_FIELD("correct"),
    [FIELD_TOTAL] = JSON_FIELD("total"),
    [FIELD_TP] = JSON_FIELD("tp"),
    [FIELD_FP] = JSON_FIELD("fp"),
    [FIELD_FN] = JSON_FIELD("fn"),
    [FIELD_TN] = JSON_FIELD("tn"),
    [FIELD_CONFUSION] = JSON_FIELD("confusion"),
    [FIELD_NUM_CLASSES] = JSON_FIELD("num_classes"),
    [FIELD_CELLS] = JSON_FIELD("cells"),
    [FIELD_CLASSES] = JSON_FIELD("classes"),
    [FIELD_SAMPLES] = JSON_FIELD("samples"),
    [FIELD_TASK] = JSON_FIELD("task"),
    [FIELD_NAME] = JSON_FIELD("name"),
    [FIELD_SCORES] = JSON_FIELD("scores"),
    [FIELD_CALIBRATION] = JSON_FIELD("calibration"),
    [FIELD_EXACT] = JSON_FIELD("exact"),
    [FIELD_REGRESSION] = JSON_FIELD("regression"),
    [FIELD_SUMS] = JSON_FIELD("sums"),
    [FIELD_VALUES] = JSON_FIELD("values"),
    [FIELD_ATTEMPT] = JSON_FIELD("attempt"),
    [FIELD_TIME] = JSON_FIELD("time"),
};

static const char *const POINTERS[RECORD_FIELDS] = {
    [FIELD_STAGE] = "/stage",
    [FIELD_EPOCH] = "/epoch",
    [FIELD_STEP] = "/step",
    [FIELD_RANK] = "/rank",
    [FIELD_CORRECT] = "/correct",
    [FIELD_TOTAL] = "/total",
    [FIELD_TP] = "/tp",
    [FIELD_FP] = "/fp",
    [FIELD_FN] = "/fn",
    [FIELD_TN] = "/tn",
    [FIELD_CONFUSION] = "/confusion",
    [FIELD_NUM_CLASSES] = "/num_classes",
    [FIELD_CELLS] = "/cells",
    [FIELD_CLASSES] = "/classes",
    [FIELD_SAMPLES] = "/samples",
    [FIELD_TASK] = "/task",
    [FIELD_NAME] = "/name",
    [FIELD_SCORES] = "/scores",
    [FIELD_CALIBRATION] = "/calibration",
    [FIELD_EXACT] = "/exact",
    [FIELD_REGRESSION] = "/regression",
    [FIELD_SUMS] = "/sums",
    [FIELD_VALUES] = "/values",
    [FIELD_ATTEMPT] = "/attempt",
    [FIELD_TIME] = "/time",
};

const char *record_field_pointer(enum record_field field)
{
    return POINTERS[field];
}

void *decoder_room(struct decoder *d, void *array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *grown = arena_grow(&d->scratch, array, *cap * size, more * size);
    if (grown != NULL)
        *cap = more;
    return grown;
}

int decoder_no_memory(struct decoder *d)
{
    return problem_set(d->r.p, PROBLEM_MEMORY, NULL, "out of memory");
}

bool name_is_valid(const char *text, size_t length, size_t max)
{
    if (length == 0 || length > max)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

/* ---- fields ---- */

static int read_stage(struct decoder *d)
{
    int rc = json_reader_string(&d->r, &d->stage);
    if (rc == OK && !name_is_valid(d->stage.text, d->stage.size, STAGE_MAX))
        rc = json_reader_fail(&d->r, PROBLEM_INVALID, "",
                              "not a stage: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first");
    return rc;
}

static int read_name(struct decoder *d)
{
    int rc = json_reader_string(&d->r, &d->name);
    if (rc == OK && !series_name_is_valid(d->name.text, d->name.size))
        rc = json_reader_fail(&d->r, PROBLEM_INVALID, "",
                              "not a series name: 1 to 128 of A-Z a-z 0-9 . _ / -, a letter or digit first");
    return rc;
}

static int read_task(struct decoder *d)
{
    struct json_slice word;
    int rc = json_reader_string(&d->r, &word);
    if (rc == OK && !task_from_name(word.text, word.size, &d->task))
        rc = json_reader_fail(&d->r, PROBLEM_INVALID, "", "a task is multiclass, binary or multilabel");
    return rc;
}

static int read_attempt(struct decoder *d)
{
    int rc = json_reader_string(&d->r, &d->attempt);
    if (rc == OK && !attempt_is_valid(d->attempt.text, d->attempt.size))
        rc = json_reader_fail(&d->r, PROBLEM_INVALID, "", "an attempt is 1 to 128 bytes without control characters");
    return rc;
}

bool attempt_is_valid(const char *text, size_t length)
{
    if (length == 0 || length > ATTEMPT_MAX || !utf8_is_valid(text, length))
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xc2 && i + 1 < length && (unsigned char)text[i + 1] < 0xa0; /* U+0080 .. U+009F */
        if (c < 0x20 || c == 0x7f || c1)
            return false;
    }
    return true;
}

static int read_field(struct decoder *d, enum record_field field)
{
    struct json_reader *r = &d->r;
    switch (field) {
    case FIELD_STAGE:
        return read_stage(d);
    case FIELD_EPOCH:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->key.epoch);
    case FIELD_STEP:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->key.step);
    case FIELD_RANK:
        return json_reader_int(r, 0, 65535, &d->key.rank);
    case FIELD_CORRECT:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->correct);
    case FIELD_TOTAL:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->total);
    case FIELD_TP:
    case FIELD_FP:
    case FIELD_FN:
    case FIELD_TN:
        return json_reader_counts(r, &d->lists[field - FIELD_TP], (size_t)d->limits->classes, "classes");
    case FIELD_CONFUSION:
        return read_confusion(d);
    case FIELD_NUM_CLASSES:
        return json_reader_int(r, 1, d->limits->classes, &d->num_classes);
    case FIELD_CELLS:
        return read_cells(d);
    case FIELD_CLASSES:
        return read_classes(d);
    case FIELD_SAMPLES:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->samples);
    case FIELD_TASK:
        return read_task(d);
    case FIELD_NAME:
        return read_name(d);
    case FIELD_SCORES:
        return read_scores(d);
    case FIELD_CALIBRATION:
        return read_calibration(d);
    case FIELD_EXACT:
        return read_exact(d);
    case FIELD_REGRESSION:
        return read_regression(d);
    case FIELD_SUMS:
        return read_sums(d);
    case FIELD_VALUES:
        return read_values(d);
    case FIELD_ATTEMPT:
        return read_attempt(d);
    case FIELD_TIME:
        return json_reader_int(r, 0, JSON_INT_MAX, &d->time);
    case RECORD_FIELDS:
        break;
    }
    return decoder_no_memory(d); /* not reached: json_reader_field knows no other */
}

/* ---- records ---- */

static int finish_record(struct decoder *d, struct record *record)
{
    static const enum record_field required[] = {FIELD_STAGE, FIELD_EPOCH, FIELD_STEP};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!has_field(d, required[i]))
            return json_reader_fail(&d->r, PROBLEM_INVALID, POINTERS[required[i]],
                                    "missing: a record has stage, epoch and step");
    decoder_copy_name(record->stage, d->stage);
    record->key = d->key;
    record->time = d->time;
    record->attempt = NULL;
    record->index = d->n_records;
    if (has_field(d, FIELD_ATTEMPT)) {
        record->attempt = arena_strndup(d->arena, d->attempt.text, d->attempt.size);
        if (record->attempt == NULL)
            return decoder_no_memory(d);
    }
    d->bytes += sizeof *record + d->attempt.size;
    return keep_measures(d, record);
}

static int read_record(struct decoder *d)
{
    if (d->n_records == (size_t)d->limits->records_per_request)
        return json_reader_fail(&d->r, PROBLEM_TOO_LARGE, "", "more than %lld records in one request",
                                (long long)d->limits->records_per_request);
    struct record *records = decoder_room(d, d->records, &d->cap_records, d->n_records, sizeof *records);
    if (records == NULL)
        return decoder_no_memory(d);
    d->records = records;
    d->seen = 0;
    d->key = (struct batch_key){0};
    d->time = -1;
    d->task = TASK_MULTICLASS;
    d->attempt.size = 0;
    d->n_rows = d->n_cells = d->n_entries = d->n_scalars = 0;

    size_t field = 0;
    int rc, more;
    if (json_reader_peek(&d->r) != JSON_TOKEN_OBJECT)
        return json_reader_wrong_type(&d->r, "a record (an object)");
    if ((rc = json_reader_object(&d->r)) != OK)
        return rc;
    while ((more = json_reader_field(&d->r, FIELDS, RECORD_FIELDS, &d->seen, &field)) == JSON_MORE)
        if ((rc = read_field(d, (enum record_field)field)) != OK)
            return rc;
    if (more != JSON_END)
        return more;
    rc = finish_record(d, &records[d->n_records]);
    d->n_records += rc == OK;
    return rc;
}

/* ---- bodies ---- */

static int no_records(struct decoder *d)
{
    return problem_set(d->r.p, PROBLEM_INVALID, "", "no records");
}

static int read_array(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE)
        if ((rc = read_record(d)) != OK)
            return rc;
    return more == JSON_END ? json_reader_end(&d->r) : more;
}

static int read_json(struct decoder *d, bool *is_single)
{
    int rc;
    switch (json_reader_peek(&d->r)) {
    case JSON_TOKEN_ARRAY:
        return read_array(d);
    case JSON_TOKEN_OBJECT:
        *is_single = true;
        rc = read_record(d);
        return rc == OK ? json_reader_end(&d->r) : rc;
    default:
        if (d->r.at == d->r.end)
            return problem_set(d->r.p, PROBLEM_MALFORMED, "", "an empty body is not a JSON text");
        return json_reader_wrong_type(&d->r, "a record or an array of records");
    }
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static int read_lines(struct decoder *d, const char *body, size_t size)
{
    size_t at = 0;
    while (at < size) {
        const char *line = body + at, *newline = memchr(line, '\n', size - at);
        size_t length = newline == NULL ? size - at : (size_t)(newline - line);
        at += length + 1;
        if (is_blank(line, length))
            continue;
        json_reader_line(&d->r, line, length, (int64_t)d->n_records);
        int rc = read_record(d);
        if (rc == OK)
            rc = json_reader_end(&d->r);
        if (rc != OK)
            return rc;
    }
    return OK;
}

enum { SCRATCH_ROOM = 8192 };

int decode_records(const char *body, size_t size, enum body_kind kind, const struct limits *limits, struct arena *arena,
                   struct record_list *out, struct problem *p)
{
    struct decoder d = {.limits = limits, .arena = arena};
    bool is_single = false;
    max_align_t room[SCRATCH_ROOM / sizeof(max_align_t)]; /* enough for one record of a few classes */
    arena_init_in(&d.scratch, room, sizeof room);
    json_reader_init(&d.r, body, body, size, &d.scratch, p);
    int rc = kind == BODY_NDJSON ? read_lines(&d, body, size) : read_json(&d, &is_single);
    if (rc == OK && d.n_records == 0)
        rc = no_records(&d);
    struct record *records = rc == OK ? arena_alloc(arena, d.n_records * sizeof *records) : NULL;
    if (rc == OK && records == NULL)
        rc = decoder_no_memory(&d);
    if (rc == OK) {
        memcpy(records, d.records, d.n_records * sizeof *records);
        *out = (struct record_list){records, d.n_records, is_single, d.bytes};
    }
    arena_release(&d.scratch);
    return rc;
}
