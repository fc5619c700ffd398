/**
 * The batches are the truth; all else in the database is computed from them and could be wrong.
 *
 * One pass in the order of keys, one epoch at a time.  The sums of the finest buckets are added up from the batches,
 * those of each coarser level and of the epoch from the sums below that were just computed, never from stored rows.
 * What is damaged is reported and passed over, so that one pass finds all there is.
 *
 * Thread: any one that owns the connection.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "query_value.h"
#include "rank_set.h"
#include "rollup_levels.h"
#include "window_sum.h"

enum {
    N_LEVELS = (ROLLUP_LEVEL_COARSEST - ROLLUP_LEVEL_FINEST) / ROLLUP_LEVEL_GAP + 1,
    N_WINDOWS = N_LEVELS + 1, /* the last one is the epoch */
    LINES_MAX = 100,
    RANK_MAX = 65535
};

struct check {
    struct store_conn *conn;
    FILE *out;
    struct check_report *report;
    struct problem *p;
    const struct run_row *run;
    const struct series_row *series;
    struct series_row counted; /* what the batches say of the series */
    int64_t rollups;           /* stored rows of the series that were expected */
    struct window_sum windows[N_WINDOWS];
    bool begun[N_WINDOWS];
    int64_t epoch, closed;
    struct rank_set ranks;
};

/* ---- saying what is wrong ---- */

__attribute__((format(printf, 2, 3))) static void disagree(struct check *c, const char *format, ...)
{
    va_list args;

    if (c->report->disagreements++ >= LINES_MAX || c->out == NULL)
        return;
    if (c->run != NULL)
        fprintf(c->out, "run %s: ", c->run->id);
    if (c->series != NULL)
        fprintf(c->out, "%s/%s (%s): ", c->series->stage, c->series->name, kind_name(form_kind(c->series->shape.form)));
    va_start(args, format);
    vfprintf(c->out, format, args);
    va_end(args);
    fputc('\n', c->out);
}

/* Which window a row is of, for a sentence. */
struct place {
    char text[96];
};

static struct place place_of(const struct rollup_row *row)
{
    struct place place;

    if (row->level == 0)
        snprintf(place.text, sizeof place.text, "epoch %" PRId64, row->epoch);
    else
        snprintf(place.text, sizeof place.text, "epoch %" PRId64 ", steps %" PRId64 " to %" PRId64, row->epoch,
                 rollup_bucket_first(row->bucket, (int)row->level), rollup_bucket_last(row->bucket, (int)row->level));
    return place;
}

/* ---- one row ---- */

static void compare_int(struct check *c, const struct rollup_row *row, const char *what, int64_t stored,
                        int64_t counted)
{
    if (stored != counted)
        disagree(c, "%s: %s is %" PRId64 ", its batches say %" PRId64, place_of(row).text, what, stored, counted);
}

static void compare_double(struct check *c, const struct rollup_row *row, const char *what, double stored,
                           double counted)
{
    if (stored != counted && !(isnan(stored) && isnan(counted)))
        disagree(c, "%s: %s is %.17g, its batches say %.17g", place_of(row).text, what, stored, counted);
}

static void compare_ranks(struct check *c, const struct rollup_row *stored)
{
    static const uint8_t nothing[1];
    uint8_t small[256], *packed = small;
    size_t size = rank_set_pack(&c->ranks, NULL, 0);

    if (size > sizeof small)
        packed = malloc(size);
    if (packed == NULL) {
        disagree(c, "%s: no memory to check the ranks", place_of(stored).text);
        return;
    }
    rank_set_pack(&c->ranks, packed, size);
    if (size != stored->ranks_size || memcmp(packed, size > 0 ? stored->ranks : nothing, size) != 0)
        disagree(c, "%s: its ranks are not those of its batches", place_of(stored).text);
    if (packed != small)
        free(packed);
}

static void compare_rows(struct check *c, const struct rollup_row *stored, const struct rollup_row *counted)
{
    compare_int(c, counted, "batches", stored->batches, counted->batches);
    compare_int(c, counted, "samples", stored->samples, counted->samples);
    compare_int(c, counted, "correct", stored->correct, counted->correct);
    compare_int(c, counted, "steps", stored->steps, counted->steps);
    compare_int(c, counted, "first_step", stored->first_step, counted->first_step);
    compare_int(c, counted, "last_step", stored->last_step, counted->last_step);
    compare_int(c, counted, "first_time", stored->first_time, counted->first_time);
    compare_double(c, counted, "primary_min", stored->primary_min, counted->primary_min);
    compare_double(c, counted, "primary_max", stored->primary_max, counted->primary_max);
    if (packed_verify(stored->state, stored->state_size) != OK)
        disagree(c, "%s: its state is damaged", place_of(counted).text);
    else if (stored->state_size != counted->state_size ||
             memcmp(stored->state, counted->state, counted->state_size) != 0)
        disagree(c, "%s: its state is not the sum of its batches", place_of(counted).text);
    if (stored->revision > c->run->revision || stored->steady_since > c->run->revision)
        disagree(c, "%s: it is of a revision that the run has not reached", place_of(counted).text);
    if (counted->level > 0)
        return;
    compare_ranks(c, stored);
    if (stored->closed < 0 || stored->closed % (INT64_C(1) << ROLLUP_LEVEL_FINEST) != 0)
        disagree(c, "%s: closed is %" PRId64 ", which is no end of a bucket", place_of(counted).text, stored->closed);
}

/* A window whose sum is complete: its stored row, if it should have one. */
static int check_window(struct check *c, const struct rollup_row *counted)
{
    struct rollup_row stored;
    bool found = false;
    bool expected = counted->level == 0 || rollup_bucket_last(counted->bucket, (int)counted->level) < c->closed;
    int status = store_rollup_get(c->conn, c->series->run, c->series->series, counted->epoch, counted->level,
                                  counted->bucket, &stored, &found, c->p);

    if (status != OK)
        return status;
    c->rollups += expected && found;
    if (expected && !found)
        disagree(c, "%s: it has batches, and no sum", place_of(counted).text);
    else if (expected)
        compare_rows(c, &stored, counted);
    return OK;
}

/* ---- windows in windows ---- */

static int level_of(int i)
{
    return i == N_LEVELS ? 0 : ROLLUP_LEVEL_FINEST + i * ROLLUP_LEVEL_GAP;
}

static int end_window(struct check *c, int i);

/* The window of this step, begun if it is not. */
static int turn_to(struct check *c, int i, int64_t step)
{
    int level = level_of(i);
    int64_t bucket = level > 0 ? step >> level : 0;

    if (c->begun[i] && c->windows[i].row.bucket == bucket)
        return OK;
    int status = c->begun[i] ? end_window(c, i) : OK;
    window_sum_begin(&c->windows[i], c->epoch, level, bucket);
    c->begun[i] = true;
    return status;
}

static int end_window(struct check *c, int i)
{
    struct rollup_row row;

    c->begun[i] = false;
    if (c->windows[i].sum.batches == 0)
        return OK; /* all of it was damaged */
    int status = window_sum_row(&c->windows[i], &row);
    if (status != OK)
        return problem_from_status(c->p, status);
    status = check_window(c, &row);
    if (status != OK || i == N_LEVELS)
        return status;
    status = turn_to(c, i + 1, row.first_step);
    if (status != OK)
        return status;
    status = window_sum_merge(&c->windows[i + 1], &row);
    if (status == ERR_MEMORY)
        return problem_from_status(c->p, status);
    if (status != OK)
        disagree(c, "%s: it cannot be added to the sums above it", place_of(&row).text);
    return OK;
}

static int end_epoch(struct check *c)
{
    int status = OK;

    for (int i = 0; i < N_WINDOWS && status == OK; i++)
        if (c->begun[i])
            status = end_window(c, i);
    return status;
}

static int begin_epoch(struct check *c, int64_t epoch)
{
    struct rollup_row row;
    bool found = false;
    int status = end_epoch(c);

    if (status == OK)
        status = store_rollup_get(c->conn, c->series->run, c->series->series, epoch, 0, 0, &row, &found, c->p);
    if (status != OK)
        return status;
    c->epoch = epoch;
    c->closed = found ? row.closed : 0;
    c->counted.epochs++;
    rank_set_clear(&c->ranks);
    return OK;
}

/* ---- a series ---- */

static int check_batch(void *context, const struct batch_row *b)
{
    struct check *c = context;
    int status = OK;

    if (c->counted.batches == 0 || b->key.epoch != c->epoch)
        status = begin_epoch(c, b->key.epoch);
    if (status == OK)
        status = turn_to(c, 0, b->key.step);
    if (status != OK)
        return status;
    c->counted.batches++;
    c->counted.last_epoch = b->key.epoch;
    c->counted.last_step = b->key.step;
    if (__builtin_add_overflow(c->counted.samples, b->samples, &c->counted.samples))
        c->counted.samples = INT64_MAX;
    if (b->key.rank >= 0 && b->key.rank <= RANK_MAX)
        rank_set_add(&c->ranks, b->key.rank);
    else
        status = ERR_CORRUPT;

    int64_t correct = window_correct(&c->windows[0].sum);
    if (status == OK)
        status = packed_verify(b->state, b->state_size);
    if (status == OK)
        status = window_sum_next(&c->windows[0], b);
    if (status == ERR_MEMORY)
        return problem_from_status(c->p, status);
    if (status != OK)
        disagree(c, "epoch %" PRId64 ", step %" PRId64 ", rank %" PRId64 ": the batch is damaged", b->key.epoch,
                 b->key.step, b->key.rank);
    else if (window_correct(&c->windows[0].sum) - correct != b->correct)
        disagree(c, "epoch %" PRId64 ", step %" PRId64 ", rank %" PRId64 ": correct is not that of the state",
                 b->key.epoch, b->key.step, b->key.rank);
    return OK;
}

static void compare_series(struct check *c, const char *what, int64_t stored, int64_t counted)
{
    if (stored != counted)
        disagree(c, "%s is %" PRId64 ", the batches say %" PRId64, what, stored, counted);
}

static int check_series(void *context, const struct series_row *series)
{
    struct check *c = context;
    const struct batch_key from = {0}, to = {INT64_MAX, INT64_MAX, INT64_MAX};
    int64_t stored = 0;
    int status = OK;

    c->series = series;
    c->counted = (struct series_row){.last_epoch = -1, .last_step = -1};
    c->rollups = 0;
    for (int i = 0; i < N_WINDOWS && status == OK; i++)
        status = window_sum_open(&c->windows[i], series, query_memory());
    if (status != OK)
        return problem_from_status(c->p, status);
    status = store_batches_each(c->conn, series->run, series->series, &from, &to, check_batch, c, c->p);
    if (status == OK)
        status = end_epoch(c);
    if (status == OK)
        status = store_rollups_count(c->conn, series->run, series->series, &stored, c->p);
    if (status != OK)
        return status;
    if (stored != c->rollups)
        disagree(c, "%" PRId64 " sums are stored and %" PRId64 " of them belong there", stored, c->rollups);
    compare_series(c, "batches", series->batches, c->counted.batches);
    compare_series(c, "samples", series->samples, c->counted.samples);
    compare_series(c, "epochs", series->epochs, c->counted.epochs);
    compare_series(c, "last_epoch", series->last_epoch, c->counted.last_epoch);
    compare_series(c, "last_step", series->last_step, c->counted.last_step);
    c->report->series++;
    c->report->batches += c->counted.batches;
    c->report->rollups += stored;
    c->series = NULL;
    return OK;
}

static int check_run(void *context, struct run_row *run)
{
    struct check *c = context;

    c->run = run;
    c->report->runs++;
    int status = store_series_each(c->conn, run->run, check_series, c, c->p);
    c->run = NULL;
    return status;
}

static int damaged_page(void *context, int64_t page, const char *table)
{
    struct check *c = context;

    if (c->report->damaged_pages++ < LINES_MAX && c->out != NULL)
        fprintf(c->out, "page %" PRId64 " is damaged%s%s\n", page, table != NULL ? ": a part of table " : "",
                table != NULL ? table : "");
    return OK;
}

/* What the sums of the pages cannot tell, because it was written so. */
static int check_content(struct check *c)
{
    char why[256] = "";
    int64_t orphans = 0, miscounts = 0;
    int status = store_file_verify(c->conn, why, sizeof why, c->p);

    if (status == OK && why[0] != '\0')
        disagree(c, "the file is damaged: %s", why);
    if (status == OK)
        status = store_orphans(c->conn, &orphans, c->p);
    if (status == OK && orphans > 0)
        disagree(c, "%" PRId64 " series are named by batches or sums, and not there", orphans);
    if (status == OK)
        status = store_miscounts(c->conn, &miscounts, c->p);
    if (status == OK && miscounts > 0)
        disagree(c, "%" PRId64 " numbers of runs (of a project, or of all) are not how many there are", miscounts);
    if (status == OK)
        status = store_runs_each(c->conn, NULL, check_run, c, c->p);
    return status;
}

int check_store(struct store_conn *conn, FILE *out, struct check_report *report, struct problem *p)
{
    struct check *c = calloc(1, sizeof *c);
    int64_t pages = 0;

    *report = (struct check_report){.runs = 0};
    if (c == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    c->conn = conn;
    c->out = out;
    c->report = report;
    c->p = p;
    int status = store_pages_each(conn, damaged_page, c, &pages, p);
    if (status == OK && report->damaged_pages == 0)
        status = check_content(c);
    for (int i = 0; i < N_WINDOWS; i++)
        window_sum_release(&c->windows[i]);
    free(c);
    return status;
}
