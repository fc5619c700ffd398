/**
 * Windows in windows: each is added up from those below it, which were just computed, and compared with the row that is stored of
 * it.  What belongs to one epoch is begun and ended here; nothing is kept from one to the next.
 *
 * Thread: that of the check.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check_parts.h"

/* ---- saying what is wrong ---- */

void check_disagree(struct check *c, const char *format, ...)
{
    va_list args;

    if (c->report->disagreements++ >= CHECK_LINES_MAX || c->out == NULL)
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

struct check_place check_place(const struct rollup_row *row)
{
    struct check_place place;

    if (row->level == 0)
        snprintf(place.text, sizeof place.text, "epoch %" PRId64, row->epoch);
    else
        snprintf(place.text, sizeof place.text, "epoch %" PRId64 ", steps %" PRId64 " to %" PRId64, row->epoch,
                 rollup_bucket_first(row->bucket, (int)row->level), rollup_bucket_last(row->bucket, (int)row->level));
    return place;
}

/* What the sums are made of. */
static const char *parts_of(const struct check *c)
{
    return c->is_sealed ? "buckets" : "batches";
}

/* ---- one row ---- */

static void compare_int(struct check *c, const struct rollup_row *row, const char *what, int64_t stored,
                        int64_t counted)
{
    if (stored != counted)
        check_disagree(c, "%s: %s is %" PRId64 ", its %s say %" PRId64, check_place(row).text, what, stored,
                       parts_of(c), counted);
}

static void compare_double(struct check *c, const struct rollup_row *row, const char *what, double stored,
                           double counted)
{
    if (stored != counted && !(isnan(stored) && isnan(counted)))
        check_disagree(c, "%s: %s is %.17g, its %s say %.17g", check_place(row).text, what, stored, parts_of(c),
                       counted);
}

static void compare_ranks(struct check *c, const struct rollup_row *stored)
{
    static const uint8_t nothing[1];
    uint8_t small[256], *packed = small;
    size_t size = rank_set_pack(&c->ranks, NULL, 0);

    if (size > sizeof small)
        packed = malloc(size);
    if (packed == NULL) {
        check_disagree(c, "%s: no memory to check the ranks", check_place(stored).text);
        return;
    }
    rank_set_pack(&c->ranks, packed, size);
    if (size != stored->ranks_size || memcmp(packed, size > 0 ? stored->ranks : nothing, size) != 0)
        check_disagree(c, "%s: its ranks are not those of its batches", check_place(stored).text);
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
        check_disagree(c, "%s: its state is damaged", check_place(counted).text);
    else if (stored->state_size != counted->state_size ||
             memcmp(stored->state, counted->state, counted->state_size) != 0)
        check_disagree(c, "%s: its state is not the sum of its %s", check_place(counted).text, parts_of(c));
    if (stored->revision > c->run->revision || stored->steady_since > c->run->revision)
        check_disagree(c, "%s: it is of a revision that the run has not reached", check_place(counted).text);
    if (counted->level > 0)
        return;
    compare_ranks(c, stored);
    if (stored->closed < 0 || stored->closed % (INT64_C(1) << ROLLUP_LEVEL_FINEST) != 0)
        check_disagree(c, "%s: closed is %" PRId64 ", which is no end of a bucket", check_place(counted).text,
                       stored->closed);
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
        check_disagree(c, "%s: it has batches, and no sum", check_place(counted).text);
    else if (expected)
        compare_rows(c, &stored, counted);
    return OK;
}

/* ---- windows in windows ---- */

static int level_of(int i)
{
    return i == CHECK_LEVELS ? 0 : ROLLUP_LEVEL_FINEST + i * ROLLUP_LEVEL_GAP;
}

static int end_window(struct check *c, int i);

int check_turn_to(struct check *c, int i, int64_t step)
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
    if (status != OK || i == CHECK_LEVELS)
        return status;
    status = check_turn_to(c, i + 1, row.first_step);
    if (status != OK)
        return status;
    status = window_sum_merge(&c->windows[i + 1], &row);
    if (status == ERR_MEMORY)
        return problem_from_status(c->p, status);
    if (status != OK)
        check_disagree(c, "%s: it cannot be added to the sums above it", check_place(&row).text);
    return OK;
}

int check_end_epoch(struct check *c)
{
    int status = OK;

    for (int i = 0; i < CHECK_WINDOWS && status == OK; i++)
        if (c->begun[i])
            status = end_window(c, i);
    return status;
}
