/**
 * Thinned epochs of an export: written as they were stored, since there is nothing to sum them from.  What is checked line by
 * line is the form; whether the sums agree, with each other and with the counters, is computed once for the whole run.
 */
#include <inttypes.h>
#include <string.h>

#include "archive_import_parts.h"
#include "archive_sealed.h"
#include "check.h"

static const char NO_SUM[] = "this is not a sum of a thinned epoch", NO_EPOCH[] = "this is not a thinned epoch";

int import_check_sums(struct importer *m, struct run_row *row)
{
    struct check_report report;
    int status = check_one_run(store_writer(m->store), row, &report, m->p);

    if (status == OK && report.disagreements > 0)
        status = problem_set(m->p, PROBLEM_INVALID, NULL,
                             "line %" PRId64
                             ": the sums of the thinned epochs before it, of run %s, do not agree with each other",
                             m->line_number, row->id);
    return status;
}

/* The value of a line with one key, *out.  Free the document in any case. */
static int parse_line(struct importer *m, const char *key, const char *otherwise, struct json_document **document,
                      const struct json **out)
{
    struct problem why = {0};

    *document = NULL;
    if (json_parse(m->line, m->line_size, document, &why) == PROBLEM_MEMORY)
        return import_at_line(m, PROBLEM_MEMORY, why.detail);
    const struct json *root = *document != NULL ? json_root(*document) : NULL;
    *out = root != NULL && json_type(root) == JSON_OBJECT && json_length(root) == 1 ? json_get(root, key) : NULL;
    return *out != NULL ? OK : import_at_line(m, PROBLEM_INVALID, otherwise);
}

/* The series of an epoch, made if no record made it, and its counters with the epoch. */
static int write_series_of(struct importer *m, const struct run_row *run, struct sealed_epoch *e,
                           const struct rollup_row *whole)
{
    struct series_row row = {0};
    struct rollup_row there;
    bool found = false, has_epoch = false;
    int status = store_series_find(store_writer(m->store), run->run, e->series.stage, e->series.name,
                                   form_kind(e->series.shape.form), &row, &found, m->p);

    if (status == OK && found && !shape_equal(&row.shape, &e->series.shape))
        return import_at_line(m, PROBLEM_SHAPE, "the series has another shape");
    if (status == OK && found)
        status =
            store_rollup_get(store_writer(m->store), run->run, row.series, e->epoch, 0, 0, &there, &has_epoch, m->p);
    if (status == OK && has_epoch)
        return import_at_line(m, PROBLEM_CONFLICT, "the epoch has come before");
    if (status == OK && !found) {
        row = e->series;
        row.run = run->run;
        row.last_epoch = row.last_step = -1;
        status = store_write_series(m->store, &row, m->p);
    }
    row.epochs++;
    row.batches += whole->batches;
    if (__builtin_add_overflow(row.samples, whole->samples, &row.samples))
        row.samples = INT64_MAX;
    if (e->epoch > row.last_epoch) {
        row.last_epoch = e->epoch;
        row.last_step = whole->last_step;
    }
    if (status == OK)
        status = store_write_series(m->store, &row, m->p);
    e->series = row;
    return status;
}

/* One sum, the whole epoch being the first. */
static int write_sum(struct importer *m, const struct run_row *run, struct sealed_epoch *e, int64_t index)
{
    struct json_document *document = NULL;
    struct rollup_row row;
    struct arena arena;
    const struct json *v = NULL;

    if (!import_next_line(m))
        return import_no_more_lines(m);
    arena_init(&arena);
    int status = parse_line(m, "sum", NO_SUM, &document, &v);
    if (status == OK &&
        (!archive_sum_read(v, &arena, &row) || (index == 0) != (row.level == 0) || (row.level == 0 && row.bucket != 0)))
        status = import_at_line(m, PROBLEM_INVALID, NO_SUM);
    if (status == OK && index == 0)
        status = write_series_of(m, run, e, &row);
    row.run = run->run;
    row.series = e->series.series;
    row.epoch = e->epoch;
    row.revision = run->revision;
    if (index == 0) {
        row.steady_since = run->revision;
        row.closed = e->closed;
        row.written_at = e->sealed_at;
    }
    if (status == OK)
        status = store_write_rollup(m->store, &row, m->p);
    arena_release(&arena);
    json_free(document);
    return status;
}

static int write_sealed(struct importer *m, const struct run_row *run, struct sealed_epoch *e)
{
    int status = store_begin(m->store, m->p);

    if (status != OK)
        return status;
    for (int64_t i = 0; i < e->n_sums && status == OK; i++)
        status = write_sum(m, run, e, i);
    e->seal.run = run->run;
    e->seal.series = e->series.series;
    e->seal.epoch = e->epoch;
    e->seal.is_thinned = true;
    if (status == OK)
        status = store_write_seal(m->store, &e->seal, e->sealed_at, m->p);
    if (status == OK)
        status = store_commit(m->store, m->p);
    else
        store_rollback(m->store);
    return status;
}

int import_sealed(struct importer *m)
{
    struct json_document *document = NULL;
    struct sealed_epoch epoch;
    struct run_row run = {0};
    struct arena arena;
    bool found = false;
    const struct json *v = NULL;

    arena_init(&arena);
    int status = parse_line(m, "sealed", NO_EPOCH, &document, &v);
    if (status == OK && !archive_sealed_read(v, &arena, &epoch))
        status = import_at_line(m, PROBLEM_INVALID, NO_EPOCH);
    if (status == OK)
        status = store_run_find(store_writer(m->store), m->row.id, &run, &found, m->p);
    if (status == OK && !found)
        status = problem_set(m->p, PROBLEM_INTERNAL, NULL, "the run has gone");
    if (status == OK)
        status = write_sealed(m, &run, &epoch);
    m->stats->sealed += status == OK;
    run_row_release(&run);
    json_free(document);
    arena_release(&arena);
    return status;
}
