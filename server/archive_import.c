/**
 * Reading an export back, line by line.  Documents and records go through the decoders and the writer as a client's do, so
 * nothing can come in that could not have been posted; what a client cannot say (times, status, attempts and their cuts) is
 * written last, in one transaction.
 *
 * Invariant: a run that is begun is finished or removed, or the problem says that it is there in part.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "archive.h"
#include "archive_import_parts.h"
#include "clock.h"
#include "decode_run.h"
#include "json.h"
#include "record.h"

enum { PAGE_RECORDS = 1000, PAGE_BYTES = 1 << 20 };

int import_at_line(struct importer *m, int code, const char *what)
{
    return problem_set(m->p, code, NULL, "line %" PRId64 ": %s", m->line_number, what);
}

/* The same problem, and where it is: of a page, the line that its place "/3/total" names. */
static int name_line(struct importer *m, int64_t first, const struct problem *why)
{
    const char *place = why->n_places > 0 ? why->places[0].pointer : "";
    int64_t index = first < m->line_number && place[0] == '/' ? strtoll(place + 1, NULL, 10) : 0;
    const char *detail = why->n_places > 0 && why->places[0].detail[0] != '\0' ? why->places[0].detail : why->detail;

    return problem_set(m->p, why->code, NULL, "line %" PRId64 ": %s %.300s", first + index, place, detail);
}

bool import_next_line(struct importer *m)
{
    errno = 0;
    ssize_t n = getline(&m->line, &m->line_cap, m->in);

    if (n < 0) {
        m->line_errno = feof(m->in) ? 0 : errno;
        return false;
    }
    m->line_number++;
    m->line_size = (size_t)n;
    return true;
}

int import_no_more_lines(struct importer *m)
{
    if (m->line_errno == ENOMEM)
        return import_at_line(m, PROBLEM_MEMORY, "no memory");
    return import_at_line(m, PROBLEM_MALFORMED, m->line_errno != 0 ? "cannot be read" : "the export ends early");
}

/* Does the line's first key begin so?  Records begin with none of those asked for. */
static bool begins_with(const struct importer *m, const char *key)
{
    const char *at = m->line + strspn(m->line, " \t");

    if (*at++ != '{')
        return false;
    at += strspn(at, " \t");
    size_t n = strlen(key);
    return at[0] == '"' && strncmp(at + 1, key, n) == 0 && at[n + 1] == '"';
}

/* ---- jobs of the writer ---- */

static int run_job(struct importer *m, struct job *job, int64_t first_line)
{
    memcpy(job->run, m->row.id, sizeof job->run);
    job->now = clock_now_ms();
    return ingest_run(m->ingest, job) == OK ? OK : name_line(m, first_line, &job->problem);
}

static int write_page(struct importer *m)
{
    struct record_list records;
    struct problem why = {0};
    struct arena arena;
    int64_t first = m->line_number - m->n_page; /* the line that is being read comes after them */

    if (m->n_page == 0)
        return OK;
    if (m->page.failed)
        return import_at_line(m, PROBLEM_MEMORY, "no memory");
    arena_init(&arena);
    int status = decode_records(m->page.data, m->page.size, BODY_NDJSON, &m->limits, &arena, &records, &why);
    if (status != OK) {
        name_line(m, first, &why);
    } else {
        struct job job = {.kind = JOB_BATCHES, .records = &records, .bytes = records.bytes};
        status = run_job(m, &job, first);
    }
    m->stats->records += m->n_page;
    arena_release(&arena);
    m->page.size = 0;
    m->n_page = 0;
    return status;
}

static int keep_record(struct importer *m)
{
    buffer_add(&m->page, m->line, m->line_size);
    m->n_page++;
    if (m->n_page < PAGE_RECORDS && m->page.size < PAGE_BYTES)
        return OK;
    m->line_number++; /* write_page() counts from the line after the page */
    int status = write_page(m);
    m->line_number--;
    return status;
}

/* ---- the run's line ---- */

static bool get_int(const struct json *object, const char *key, int64_t *out)
{
    const struct json *v = object != NULL ? json_get(object, key) : NULL;

    return v != NULL && json_as_int(v, out) && *out >= 0;
}

static bool get_text(const struct json *object, const char *key, char *out, size_t size)
{
    const struct json *v = object != NULL ? json_get(object, key) : NULL;
    const char *text = v != NULL ? json_as_string(v) : NULL;

    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_attempt(const struct json *v, struct attempt_row *out)
{
    const struct json *rewound = json_get(v, "rewound");

    if (rewound == NULL || json_type(rewound) != JSON_BOOL)
        return false;
    out->rewound = json_as_bool(rewound);
    return get_text(v, "attempt", out->attempt, sizeof out->attempt) && get_int(v, "number", &out->number) &&
           get_text(v, "stage", out->stage, sizeof out->stage) && get_int(v, "epoch", &out->epoch) &&
           get_int(v, "step", &out->step) &&
           (out->attempt[0] == '\0' || attempt_is_valid(out->attempt, strlen(out->attempt))) &&
           (out->stage[0] == '\0' || name_is_valid(out->stage, strlen(out->stage), STAGE_MAX));
}

static bool read_attempts(struct importer *m, const struct json *list)
{
    if (list == NULL || json_type(list) != JSON_ARRAY)
        return false;
    free(m->attempts);
    m->n_attempts = 0;
    m->attempts = calloc(json_length(list) + 1, sizeof *m->attempts);
    if (m->attempts == NULL)
        return false;
    for (const struct json *v = json_child(list); v != NULL; v = json_next(v))
        if (!read_attempt(v, &m->attempts[m->n_attempts++]))
            return false;
    return true;
}

static bool read_run(struct importer *m, const struct json *run)
{
    char status[16];

    memset(&m->row, 0, sizeof m->row);
    return run != NULL && get_text(run, "id", m->row.id, sizeof m->row.id) &&
           name_is_valid(m->row.id, strlen(m->row.id), RUN_ID_MAX) && get_text(run, "status", status, sizeof status) &&
           run_status_from_name(status, &m->row.status) && m->row.status != RUN_CRASHED &&
           get_int(run, "created_at", &m->row.created_at) && get_int(run, "updated_at", &m->row.updated_at) &&
           get_int(run, "ended_at", &m->row.ended_at) && get_int(run, "seen_at", &m->row.seen_at) &&
           read_attempts(m, json_get(run, "attempts"));
}

/* The line after it is the body of a PUT. */
static int write_document(struct importer *m)
{
    struct run_change change = {0};
    struct problem why = {0};
    struct arena arena;

    if (!import_next_line(m))
        return import_no_more_lines(m);
    arena_init(&arena);
    int status = decode_run_put(m->line, m->line_size, &m->limits, &arena, &change, &why);
    if (status != OK) {
        name_line(m, m->line_number, &why);
    } else {
        struct job job = {.kind = JOB_RUN_PUT, .change = &change};
        status = run_job(m, &job, m->line_number);
    }
    arena_release(&arena);
    return status;
}

static int begin_run(struct importer *m, const struct json *run)
{
    struct run_row there = {0};
    bool found = false;

    if (!read_run(m, run))
        return import_at_line(m, PROBLEM_INVALID, "this is not the line of a run");
    int status = store_run_find(store_writer(m->store), m->row.id, &there, &found, m->p);
    run_row_release(&there);
    if (status == OK && found)
        return problem_set(m->p, PROBLEM_CONFLICT, NULL,
                           "line %" PRId64 ": there is a run %s already: it is left as it is", m->line_number,
                           m->row.id);
    if (status == OK)
        status = ingest_start(&m->ingest, m->store, &m->limits, m->p);
    m->in_run = status == OK;
    m->in_sealed = false;
    return status == OK ? write_document(m) : status;
}

/* ---- the end of a run ---- */

/* What no client can say; the writer thread has ended, so the writing connection is ours. */
static int write_rest(struct importer *m)
{
    struct run_row row = {0};
    bool found = false;
    int status = store_begin(m->store, m->p);

    if (status != OK)
        return status;
    status = store_run_find(store_writer(m->store), m->row.id, &row, &found, m->p);
    if (status == OK && !found)
        status = problem_set(m->p, PROBLEM_INTERNAL, NULL, "the run has gone");
    row.status = m->row.status;
    row.created_at = m->row.created_at;
    row.updated_at = m->row.updated_at;
    row.ended_at = m->row.ended_at;
    row.seen_at = m->row.seen_at;
    if (status == OK)
        status = store_write_run(m->store, &row, m->p);
    for (size_t i = 0; i < m->n_attempts && status == OK; i++)
        status = store_write_attempt(m->store, row.run, &m->attempts[i], m->p);
    if (status == OK && m->in_sealed)
        status = import_check_sums(m, &row);
    if (status == OK)
        status = store_commit(m->store, m->p);
    else
        store_rollback(m->store);
    run_row_release(&row);
    return status;
}

static void stop_ingest(struct importer *m)
{
    if (m->ingest != NULL)
        ingest_stop(m->ingest);
    m->ingest = NULL;
}

/* What made the import end may keep the run from being removed too: then the problem says so. */
static void remove_run(struct importer *m)
{
    struct problem why = *m->p, ignored;
    struct job job = {.kind = JOB_RUN_DELETE, .now = clock_now_ms()};

    memcpy(job.run, m->row.id, sizeof job.run);
    int status = m->ingest != NULL ? OK : ingest_start(&m->ingest, m->store, &m->limits, &ignored);
    if (status == OK)
        status = ingest_run(m->ingest, &job);
    if (m->ingest != NULL)
        stop_ingest(m);
    if (status != OK && status != PROBLEM_UNKNOWN_RUN)
        problem_set(m->p, why.code, NULL, "%.300s; run %s is there in part: delete it and import again", why.detail,
                    m->row.id);
}

static int end_run(struct importer *m)
{
    if (!m->in_run)
        return OK;
    int status = write_page(m);
    if (status != OK)
        return status;
    stop_ingest(m);
    status = write_rest(m);
    m->in_run = false;
    if (status == OK)
        m->stats->runs++;
    else
        remove_run(m);
    return status;
}

/* ---- lines ---- */

/* The first of a run ends its records: from here on the writing connection is ours. */
static int read_sealed(struct importer *m)
{
    int status = write_page(m);

    if (status != OK)
        return status;
    stop_ingest(m);
    m->in_sealed = true;
    return import_sealed(m);
}

static int check_end(struct importer *m, const struct json *end)
{
    int64_t runs = -1, records = -1, sealed = 0;

    if (!get_int(end, "runs", &runs) || !get_int(end, "records", &records) || runs != m->stats->runs ||
        records != m->stats->records || (json_get(end, "sealed") != NULL && !get_int(end, "sealed", &sealed)) ||
        sealed != m->stats->sealed)
        return import_at_line(m, PROBLEM_INVALID, "the end counts other runs or records than there were");
    m->ended = true;
    return OK;
}

/* A line that is no record. */
static int read_control(struct importer *m)
{
    struct json_document *document = NULL;
    struct problem why = {0};
    int status = end_run(m);

    if (status != OK)
        return status;
    if (json_parse(m->line, m->line_size, &document, &why) != OK)
        return name_line(m, m->line_number, &why);
    const struct json *root = json_root(document), *run = json_get(root, "run"), *end = json_get(root, "end");
    status = run != NULL ? begin_run(m, run) : check_end(m, end);
    json_free(document);
    return status;
}

static int read_head(struct importer *m)
{
    struct json_document *document = NULL;
    struct problem why = {0};
    char name[16];
    int64_t version = 0;

    bool ok = import_next_line(m) && json_parse(m->line, m->line_size, &document, &why) == OK &&
              json_type(json_root(document)) == JSON_OBJECT &&
              get_text(json_root(document), "tally", name, sizeof name) && strcmp(name, "export") == 0 &&
              get_int(json_root(document), "version", &version);
    json_free(document);
    if (why.code == PROBLEM_MEMORY)
        return import_at_line(m, why.code, why.detail);
    if (!ok)
        return import_at_line(m, PROBLEM_MALFORMED, "this is not an export of tally");
    return version == 1 ? OK : import_at_line(m, PROBLEM_INVALID, "this export was made by a later version");
}

static int read_lines(struct importer *m)
{
    int status = read_head(m);

    while (status == OK && !m->ended && import_next_line(m)) {
        if (begins_with(m, "run") || begins_with(m, "end"))
            status = read_control(m);
        else if (m->in_run && begins_with(m, "sealed"))
            status = read_sealed(m);
        else if (m->in_run && m->in_sealed)
            status = import_at_line(m, PROBLEM_INVALID, "a record after the thinned epochs of its run");
        else if (m->in_run)
            status = keep_record(m);
        else
            status = import_at_line(m, PROBLEM_INVALID, "a record without a run");
    }
    if (status == OK && !m->ended)
        status = import_no_more_lines(m);
    return status;
}

int archive_import(struct store *s, FILE *in, struct archive_stats *stats, struct problem *p)
{
    struct importer m = {.store = s, .in = in, .stats = stats, .p = p};

    limits_default(&m.limits);
    m.limits.classes = STATE_CLASSES_MAX; /* what is stored was within some server's limits */
    m.limits.dense_classes = 8192;
    m.limits.projects = m.limits.runs_per_project = m.limits.series_per_run = m.limits.attempts_per_run = INT32_MAX;
    m.limits.tags_per_run = m.limits.config_keys = INT32_MAX;
    buffer_init(&m.page);
    int status = read_lines(&m);
    if (m.in_run) /* it failed within a run */
        remove_run(&m);
    buffer_release(&m.page);
    free(m.attempts);
    free(m.line);
    return status;
}
