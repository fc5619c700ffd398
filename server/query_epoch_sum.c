/*
 * Why: several questions are about one epoch of one series, and all choose it in the same way.  The sum
 * comes from the epoch's rollup row.  Runs on the worker thread that owns q->reader.
 */
#include "json_writer.h"
#include "query_value.h"
#include "rank_set.h"

#include "query_epoch_sum.h"

static int add_rollup(struct request *q, struct epoch_sum *e, struct problem *p)
{
    struct rollup_row row;
    bool found = false;
    int rc = store_rollup_get(q->reader, e->series->run, e->series->series, e->epoch, 0, 0, &row, &found, p);
    if (rc != OK || !found)
        return rc;
    const struct batch_key key = {e->epoch, row.last_step, 0};
    e->steps = row.steps;
    e->is_thinned = row.sealed_at != 0;
    e->ranks = (int64_t)rank_set_packed_count(row.ranks, row.ranks_size);
    e->last_step = row.last_step;
    return query_state_add(&e->state, &key, row.samples, row.batches, row.state, row.state_size, p);
}

int query_epoch_sum_of(struct request *q, const struct series_row *series, int64_t epoch, bool with_cells,
                       struct epoch_sum *out, struct problem *p)
{
    *out = (struct epoch_sum){.series = series, .epoch = epoch};
    if (series == NULL)
        return OK;
    if (epoch < 0)
        out->epoch = series->last_epoch;
    int rc = query_state_init(&out->state, series, with_cells && series->shape.form == FORM_CONFUSION, p);
    return rc == OK && out->epoch >= 0 ? add_rollup(q, out, p) : rc;
}

int query_epoch_sum(struct request *q, const struct series_row *series, bool with_cells, struct epoch_sum *out,
                    struct problem *p)
{
    int64_t epoch;
    int rc = query_int(q, "epoch", 0, QUERY_INTEGER_MAX, -1, &epoch, p);
    *out = (struct epoch_sum){.epoch = -1};
    return rc == OK ? query_epoch_sum_of(q, series, epoch, with_cells, out, p) : rc;
}

void query_epoch_sum_release(struct epoch_sum *e)
{
    state_release(&e->state);
}

void query_write_epoch(struct json_writer *w, const struct epoch_sum *e)
{
    json_key(w, "epoch");
    if (e->epoch >= 0)
        json_int(w, e->epoch);
    else
        json_null(w);
}

size_t query_class_number(const struct series_row *series, size_t index)
{
    return series->shape.task == TASK_BINARY ? 1 : index;
}

const char *query_class_name(const struct query_run *run, size_t number)
{
    const struct stage_declaration *d = &run->declaration;
    return number < d->n_class_names ? d->class_names[number] : NULL;
}
