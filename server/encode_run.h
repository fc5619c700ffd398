#ifndef ENCODE_RUN_H
#define ENCODE_RUN_H

#include "json_writer.h"
#include "store.h"

/**
 * The fields of a run inside an object that the caller has opened: id, project, name, status (the
 * effective one), [config], tags, notes, [stages], created_at, updated_at, ended_at (null while not ended), revision.
 * full  with config and stages (a run's own document); false: an item of a list.
 */
void encode_run_fields(struct json_writer *w, const struct run_row *run, int64_t now, bool full);

/** "series": [...] of a run's document; class_names from run->stages (null where not declared). */
void encode_run_series(struct json_writer *w, const struct run_row *run, const struct series_row *series, size_t n);

/**
 * encode_run_document(w, run, now, series, n): the whole document of a run, braces included: what GET,
 * PUT and PATCH of a run answer.  A weighted mean has null for task and num_classes, totals that never
 * said their classes null for num_classes; last_epoch and last_step are null while a series is empty.
 */
void encode_run_document(struct json_writer *w, const struct run_row *run, int64_t now, const struct series_row *series,
                         size_t n);

#endif
