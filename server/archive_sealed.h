#ifndef ARCHIVE_SEALED_H
#define ARCHIVE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buffer.h"
#include "json.h"
#include "store.h"

/**
 * Thinned epochs in an export, private to archive_export.c and archive_import.c.  There are no records of them, so what is kept
 * is carried as it is stored: a line for each epoch of a series, and after it one for each of its sums, the whole epoch first.
 *
 *     {"sealed":{"stage":"train","name":"main","kind":"counts","form":"confusion","task":"multiclass","num_classes":2,"bins":0,
 *                "epoch":0,"sealed_at":1,"closed":"320","ignore_index":-1,"top_k":1,"means":{"mcc":[0.5],...},"sums":6}}
 *     {"sum":{"level":0,"bucket":0,"batches":600,"samples":"6693","correct":"4893","steps":300,"first_step":0,"last_step":299,
 *             "first_time":1,"min":0,"max":0.9,"ranks":"...","state":"..."}}
 *
 * Packed bytes are hexadecimal; what may be beyond 2^53 is a string.
 */

/**
 * archive_sealed_write(c, series, row, put, context, p): the lines of one epoch, row being its rollup row.  Inside a snapshot.
 *
 * put     takes each line, its buffer is emptied afterwards; may fail.
 * Memory  one sum.
 */
int archive_sealed_write(struct store_conn *c, const struct series_row *series, const struct rollup_row *row,
                         int (*put)(void *context, struct buffer *line), void *context, struct problem *p);

/* An epoch on its way in. */
struct sealed_epoch {
    struct series_row series; /* stage, name and shape, as said */
    int64_t epoch, sealed_at, closed;
    struct seal_row seal; /* its means lie in the arena */
    int64_t n_sums;
};

/** archive_sealed_read(v, arena, out): the value of "sealed"; false: it is not one.
 *  archive_sum_read(v, arena, out): the value of "sum": blobs in the arena. */
bool archive_sealed_read(const struct json *v, struct arena *arena, struct sealed_epoch *out);
bool archive_sum_read(const struct json *v, struct arena *arena, struct rollup_row *out);

#endif
