/*
 * Any text in the place of an export: refused with the number of its line, or read to its end; a run that was begun is
 * finished or removed.  The writer and the store behind the reader are stand-ins that check what they are handed, for
 * opening a database would cost a thousand times what reading does (tests/api/test_archive.py has the real ones).
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ingest.h"
#include "rollup_levels.h"
#include "selector.h"
#include "state.h"
#include "store.h"

#define archive_import archive_import_under_test
#define ingest_start stand_in_start
#define ingest_run stand_in_run
#define ingest_stop stand_in_stop
#define store_run_find stand_in_find
#define store_writer stand_in_writer
#define store_begin stand_in_begin
#define store_commit stand_in_commit
#define store_rollback stand_in_rollback
#define store_write_run stand_in_write_run
#define store_write_attempt stand_in_write_attempt
#define store_series_find stand_in_series_find
#define store_write_series stand_in_write_series
#define store_rollup_get stand_in_rollup_get
#define store_write_rollup stand_in_write_rollup
#define store_write_seal stand_in_write_seal
#define check_one_run stand_in_check

static struct {
    bool writer_runs, in_transaction, has_run;
    bool run_written; /* in this transaction */
    int64_t runs, seals, sums;
} world;

static int stand_in_start(struct ingest **out, struct store *s, const struct limits *limits, struct problem *p)
{
    (void)s, (void)limits, (void)p;
    assert(!world.writer_runs && !world.in_transaction);
    world.writer_runs = true;
    *out = (struct ingest *)&world;
    return OK;
}

static void stand_in_stop(struct ingest *in)
{
    assert(in != NULL && world.writer_runs);
    world.writer_runs = false;
}

static int stand_in_run(struct ingest *in, struct job *job)
{
    (void)in;
    assert(world.writer_runs && name_is_valid(job->run, strlen(job->run), RUN_ID_MAX));
    if (job->kind == JOB_RUN_PUT) {
        assert(!world.has_run && job->change != NULL);
        world.has_run = true;
    } else if (job->kind == JOB_RUN_DELETE) {
        world.has_run = false;
    } else {
        assert(job->kind == JOB_BATCHES && world.has_run && job->records->n_records > 0);
        for (size_t i = 0; i < job->records->n_records; i++)
            assert(job->records->records[i].n_measures > 0);
    }
    return OK;
}

/* An export that holds the run "there" meets one of that id. */
static int stand_in_find(struct store_conn *c, const char *id, struct run_row *out, bool *found, struct problem *p)
{
    (void)c, (void)p;
    assert(!world.writer_runs);
    *found = world.has_run || strcmp(id, "there") == 0;
    out->run = *found ? 1 : 0;
    return OK;
}

static struct store_conn *stand_in_writer(struct store *s)
{
    (void)s;
    return NULL;
}

static int stand_in_begin(struct store *s, struct problem *p)
{
    (void)s, (void)p;
    assert(!world.writer_runs && !world.in_transaction);
    world.in_transaction = true;
    return OK;
}

static int stand_in_commit(struct store *s, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && world.has_run && (world.run_written || world.sums > 0));
    world.runs += world.run_written;
    world.has_run = !world.run_written; /* a run is done with its row; a thinned epoch leaves it as it is */
    world.in_transaction = world.run_written = false;
    world.sums = 0;
    return OK;
}

static void stand_in_rollback(struct store *s)
{
    (void)s;
    assert(world.in_transaction);
    world.in_transaction = world.run_written = false;
    world.sums = 0;
}

static int stand_in_write_run(struct store *s, struct run_row *row, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && row->run == 1 && row->created_at >= 0 && row->status != RUN_CRASHED);
    world.run_written = true;
    return OK;
}

static int stand_in_write_attempt(struct store *s, int64_t run, const struct attempt_row *row, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && run == 1 && row->number >= 0 && row->epoch >= 0 && row->step >= 0);
    return OK;
}

/* ---- thinned epochs ---- */

static int stand_in_series_find(struct store_conn *c, int64_t run, const char *stage, const char *name, enum kind kind,
                                struct series_row *out, bool *found, struct problem *p)
{
    (void)c, (void)kind, (void)out, (void)p;
    assert(world.in_transaction && run == 1 && name_is_valid(stage, strlen(stage), STAGE_MAX));
    assert(series_name_is_valid(name, strlen(name)));
    *found = false;
    return OK;
}

static int stand_in_write_series(struct store *s, struct series_row *row, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && shape_is_valid(&row->shape) && row->batches >= 0 && row->samples >= 0);
    row->series = 1;
    return OK;
}

static int stand_in_rollup_get(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t level,
                               int64_t bucket, struct rollup_row *row, bool *found, struct problem *p)
{
    (void)c, (void)run, (void)series, (void)epoch, (void)level, (void)bucket, (void)row, (void)p;
    *found = false;
    return OK;
}

static int stand_in_write_rollup(struct store *s, const struct rollup_row *row, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && row->run == 1 && row->series == 1 && row->epoch >= 0);
    assert((row->level == 0) == (world.sums == 0) && row->level <= ROLLUP_LEVEL_COARSEST && row->bucket >= 0);
    assert(row->batches > 0 && row->samples >= 0 && row->first_step <= row->last_step && row->state != NULL);
    world.sums++;
    return OK;
}

static int stand_in_write_seal(struct store *s, const struct seal_row *row, int64_t sealed_at, struct problem *p)
{
    (void)s, (void)p;
    assert(world.in_transaction && world.sums > 0 && sealed_at > 0 && row->series == 1 && row->is_thinned);
    world.seals++;
    return OK;
}

static int stand_in_check(struct store_conn *c, struct run_row *run, struct check_report *report, struct problem *p)
{
    (void)c, (void)run, (void)p;
    assert(world.seals > 0);
    *report = (struct check_report){.runs = 1};
    return OK;
}

/* the reader itself, on top of the stand-ins */
#define import_at_line import_at_line_under_test
#define import_next_line import_next_line_under_test
#define import_no_more_lines import_no_more_lines_under_test
#define import_sealed import_sealed_under_test
#define import_check_sums import_check_sums_under_test
#include "archive_import.c"
#include "archive_import_sealed.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive_stats stats = {0};
    struct problem p = {0};
    FILE *in = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (in == NULL)
        return 0;
    setvbuf(in, NULL, _IOFBF, 1024);
    memset(&world, 0, sizeof world);
    int rc = archive_import(NULL, in, &stats, &p);
    fclose(in);
    assert(rc == p.code && rc != PROBLEM_INTERNAL);
    assert(rc == OK || strncmp(p.detail, "line ", 5) == 0);
    assert(!world.writer_runs && !world.in_transaction && !world.has_run && world.runs == stats.runs);
    return 0;
}
