/**
 * The batches are the truth; all else in the database is computed from them and could be wrong.
 *
 * One pass in the order of keys, one epoch at a time.  The sums of the finest buckets are added up from the batches,
 * those of each coarser level and of the epoch from the sums below that were just computed, never from stored rows.
 * What is damaged is reported and passed over, so that one pass finds all there is.  Sealed epochs come afterwards, from their
 * finest sums.
 *
 * Thread: any one that owns the connection.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_parts.h"
#include "query_value.h"
#include "seal_means.h"

enum { RANK_MAX = 65535 };

static int begin_epoch(struct check *c, int64_t epoch)
{
    struct rollup_row row;
    bool found = false;
    int status = check_end_epoch(c);

    if (status == OK)
        status = store_rollup_get(c->conn, c->series->run, c->series->series, epoch, 0, 0, &row, &found, c->p);
    if (status != OK)
        return status;
    c->epoch = epoch;
    c->closed = found ? row.closed : 0;
    c->is_sealed = found && row.sealed_at != 0;
    c->counted.epochs += !c->is_sealed;
    rank_set_clear(&c->ranks);
    return OK;
}

/* ---- a series ---- */

static int check_batch(void *context, const struct batch_row *b)
{
    struct check *c = context;
    int status = OK;

    if (b->key.epoch != c->epoch)
        status = begin_epoch(c, b->key.epoch);
    if (status == OK && c->is_sealed)
        return OK;
    if (status == OK)
        status = check_turn_to(c, 0, b->key.step);
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
        check_disagree(c, "epoch %" PRId64 ", step %" PRId64 ", rank %" PRId64 ": the batch is damaged", b->key.epoch,
                       b->key.step, b->key.rank);
    else if (window_correct(&c->windows[0].sum) - correct != b->correct)
        check_disagree(c, "epoch %" PRId64 ", step %" PRId64 ", rank %" PRId64 ": correct is not that of the state",
                       b->key.epoch, b->key.step, b->key.rank);
    return OK;
}

/* ---- a sealed epoch ---- */

/* Into the finest window of its steps; the windows above are added up from that one, as they are from batches. */
static int add_part(void *context, const struct rollup_row *part)
{
    struct check *c = context;
    int status = check_turn_to(c, 0, part->first_step);

    if (status != OK)
        return status;
    status = packed_verify(part->state, part->state_size);
    if (status == OK)
        status = window_sum_merge(&c->windows[0], part);
    if (status == ERR_MEMORY)
        return problem_from_status(c->p, status);
    if (status != OK)
        check_disagree(c, "%s: its state is damaged", check_place(part).text);
    return OK;
}

static void check_means(struct check *c, const struct rollup_row *row, const struct seal_row *seal)
{
    struct seal_mean mean;
    size_t at = 0;

    while (seal_means_next(seal->means, seal->means_size, &at, &mean))
        continue;
    if (at != seal->means_size)
        check_disagree(c, "%s: the means of its steps are damaged", check_place(row).text);
}

static int check_sealed_sums(struct check *c, const struct rollup_row *row)
{
    bool is_one = row->first_step >> ROLLUP_LEVEL_FINEST == row->last_step >> ROLLUP_LEVEL_FINEST;

    if (!is_one && row->closed <= row->last_step)
        check_disagree(c, "%s: it is sealed, and its buckets end before its steps", check_place(row).text);
    /* where it lies in one bucket its own row is all there is */
    int status = is_one ? add_part(c, row)
                        : store_buckets_each(c->conn, row->run, row->series, ROLLUP_LEVEL_FINEST, row->epoch, 0,
                                             INT64_MAX, true, add_part, c, c->p);
    return status == OK ? check_end_epoch(c) : status;
}

static int check_sealed(void *context, const struct rollup_row *row)
{
    struct check *c = context;
    struct seal_row seal;
    bool found = false;

    if (row->sealed_at == 0)
        return OK;
    int status = store_seal_get(c->conn, row->run, row->series, row->epoch, &seal, &found, c->p);
    if (status != OK)
        return status;
    if (found)
        check_means(c, row, &seal);
    c->epoch = row->epoch;
    c->closed = row->closed;
    c->is_sealed = true;
    rank_set_clear(&c->ranks);
    if (rank_set_add_packed(&c->ranks, row->ranks, row->ranks_size) != OK)
        check_disagree(c, "%s: its ranks are damaged", check_place(row).text);
    c->counted.epochs++;
    c->counted.batches += row->batches;
    if (__builtin_add_overflow(c->counted.samples, row->samples, &c->counted.samples))
        c->counted.samples = INT64_MAX;
    if (row->epoch > c->counted.last_epoch) {
        c->counted.last_epoch = row->epoch;
        c->counted.last_step = row->last_step;
    }
    if (c->thinned.epochs++ == 0)
        c->thinned.first = row->epoch;
    c->thinned.last = row->epoch;
    c->thinned.batches += row->batches;
    return check_sealed_sums(c, row);
}

static int check_all_sealed(struct check *c)
{
    int status = store_rollups_each(c->conn, c->series->run, c->series->series, 0, 0, INT64_MAX, check_sealed, c, c->p);

    c->is_sealed = false;
    if (status != OK || c->thinned.epochs == 0)
        return status;
    c->report->thinned_epochs += c->thinned.epochs;
    c->report->thinned_batches += c->thinned.batches;
    if (c->out != NULL)
        fprintf(c->out,
                "run %s: %s/%s (%s): %" PRId64 " epochs from %" PRId64 " to %" PRId64 " are thinned, %" PRId64
                " batches were in them\n",
                c->run->id, c->series->stage, c->series->name, kind_name(form_kind(c->series->shape.form)),
                c->thinned.epochs, c->thinned.first, c->thinned.last, c->thinned.batches);
    return OK;
}

static void compare_series(struct check *c, const char *what, int64_t stored, int64_t counted)
{
    if (stored != counted)
        check_disagree(c, "%s is %" PRId64 ", the batches say %" PRId64, what, stored, counted);
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
    c->epoch = -1;
    c->is_sealed = false;
    c->thinned = (struct thinned){.epochs = 0};
    for (int i = 0; i < CHECK_WINDOWS && status == OK; i++)
        status = window_sum_open(&c->windows[i], series, query_memory());
    if (status != OK)
        return problem_from_status(c->p, status);
    status = store_batches_each(c->conn, series->run, series->series, &from, &to, check_batch, c, c->p);
    if (status == OK)
        status = check_end_epoch(c);
    if (status == OK)
        status = check_all_sealed(c);
    if (status == OK)
        status = store_rollups_count(c->conn, series->run, series->series, &stored, c->p);
    if (status != OK)
        return status;
    if (stored != c->rollups)
        check_disagree(c, "%" PRId64 " sums are stored and %" PRId64 " of them belong there", stored, c->rollups);
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

static void free_check(struct check *c)
{
    for (int i = 0; i < CHECK_WINDOWS; i++)
        window_sum_release(&c->windows[i]);
    free(c);
}

int check_one_run(struct store_conn *conn, struct run_row *run, struct check_report *report, struct problem *p)
{
    struct check *c = calloc(1, sizeof *c);

    *report = (struct check_report){.runs = 0};
    if (c == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    c->conn = conn;
    c->report = report;
    c->p = p;
    int status = check_run(c, run);
    free_check(c);
    return status;
}

static int damaged_page(void *context, int64_t page, const char *table)
{
    struct check *c = context;

    if (c->report->damaged_pages++ < CHECK_LINES_MAX && c->out != NULL)
        fprintf(c->out, "page %" PRId64 " is damaged%s%s\n", page, table != NULL ? ": a part of table " : "",
                table != NULL ? table : "");
    return OK;
}

/* What the sums of the pages cannot tell, because it was written so. */
static int check_content(struct check *c)
{
    char why[256] = "";
    int64_t orphans = 0, miscounts = 0, strays = 0;
    int status = store_file_verify(c->conn, why, sizeof why, c->p);

    if (status == OK && why[0] != '\0')
        check_disagree(c, "the file is damaged: %s", why);
    if (status == OK)
        status = store_orphans(c->conn, &orphans, c->p);
    if (status == OK && orphans > 0)
        check_disagree(c, "%" PRId64 " series are named by batches or sums, and not there", orphans);
    if (status == OK)
        status = store_miscounts(c->conn, &miscounts, c->p);
    if (status == OK && miscounts > 0)
        check_disagree(c, "%" PRId64 " numbers of runs (of a project, or of all) are not how many there are",
                       miscounts);
    if (status == OK)
        status = store_stray_seals(c->conn, &strays, c->p);
    if (status == OK && strays > 0)
        check_disagree(
            c, "%" PRId64 " seals and sealed epochs do not belong together, or batches are left of a thinned epoch",
            strays);
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
    free_check(c);
    return status;
}
