/*
 * Why: what a chart costs must not depend on how long the run is, so steps are read from the sums of
 * buckets wherever one bucket of the chart holds them whole.  Runs on the worker thread that owns q->reader.
 */
#include "rollup_levels.h"
#include "step_cover.h"
#include "steps_scan.h"

struct reading {
    const struct steps_work *w;
    const struct steps_reader *reader;
    struct step_cover cover;
    struct batch_key from, to;
};

void steps_range(const struct steps_work *w, struct batch_key *from, struct batch_key *to)
{
    *from = (struct batch_key){.epoch = w->axis.epochs[w->range.first].epoch, .step = w->range.from_step};
    *to = (struct batch_key){w->axis.epochs[w->range.last].epoch, w->range.to_step, INT64_MAX};
}

void steps_whole_range(const struct steps_work *w, struct batch_key *from, struct batch_key *to)
{
    steps_range(w, from, to);
    from->step = from->step >> w->level << w->level;
    to->step |= (INT64_C(1) << w->level) - 1;
}

static int read_batch(void *context, const struct batch_row *batch)
{
    const struct reading *r = context;
    if (r->w->ask->rank >= 0 && batch->key.rank != r->w->ask->rank)
        return OK;
    return r->reader->batch(r->reader->context, batch);
}

static int read_row(void *context, const struct rollup_row *row)
{
    const struct reading *r = context;
    return r->reader->row(r->reader->context, row);
}

static int read_epoch(void *context, const struct rollup_row *epoch)
{
    const struct reading *r = context;
    struct step_cover cover = r->cover;
    int64_t from = epoch->epoch == r->from.epoch ? r->from.step : 0;
    int64_t to = epoch->epoch == r->to.epoch ? r->to.step : INT64_MAX;
    if (epoch->sealed_at != 0) { /* there are no batches: whole buckets of the finest kind at least */
        cover.level = rollup_level_kept(cover.level);
        from = from >> ROLLUP_LEVEL_FINEST << ROLLUP_LEVEL_FINEST;
        to |= rollup_bucket_last(0, ROLLUP_LEVEL_FINEST);
    }
    bool whole = from <= epoch->first_step && epoch->last_step <= to;
    if (whole && epoch->first_step >> cover.level == epoch->last_step >> cover.level)
        return r->reader->row(r->reader->context, epoch);
    if (from < epoch->first_step)
        from = epoch->first_step >> cover.level << cover.level;
    return step_cover(&cover, epoch->epoch, epoch->closed, from, to);
}

/* Of one rank: sums hold all ranks, so a thinned epoch has nothing to tell. */
static int read_rank(void *context, const struct rollup_row *epoch)
{
    struct reading *r = context;
    const struct batch_key from = {epoch->epoch, epoch->epoch == r->from.epoch ? r->from.step : 0, 0},
                           to = {epoch->epoch, epoch->epoch == r->to.epoch ? r->to.step : INT64_MAX, INT64_MAX};
    if (epoch->sealed_at != 0)
        return OK;
    return store_batches_each(r->cover.conn, epoch->run, epoch->series, &from, &to, read_batch, r, r->cover.p);
}

int steps_read(const struct steps_work *w, const struct series_row *series, const struct batch_key *from,
               const struct batch_key *to, const struct steps_reader *reader)
{
    struct reading r = {.w = w, .reader = reader, .from = *from, .to = *to};
    struct store_conn *conn = w->q->reader;
    r.cover = (struct step_cover){.conn = conn,
                                  .series = series,
                                  .level = reader->level,
                                  .with_state = reader->with_state,
                                  .row = read_row,
                                  .batch = read_batch,
                                  .context = &r,
                                  .p = w->p};
    return store_rollups_each(conn, series->run, series->series, 0, from->epoch, to->epoch,
                              w->ask->rank >= 0 ? read_rank : read_epoch, &r, w->p);
}
