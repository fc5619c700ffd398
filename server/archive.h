#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stdint.h>
#include <stdio.h>

#include "problem.h"
#include "store.h"

/**
 * Runs as text that outlives this program: NDJSON, one value a line.
 *
 *     {"tally":"export","version":1}
 *     {"run":{"id":"r1","status":"finished","created_at":1,"updated_at":2,"ended_at":3,"seen_at":2,"attempts":[]}}
 *     {"project":"default","name":null,"config":{},"tags":[],"notes":null,"stages":{}}      the body of a PUT
 *     {"stage":"train","epoch":0,"step":0,"rank":0,...}                                      records, as GET .../batches has them
 *     {"sealed":{...}} and {"sum":{...}}                                                     thinned epochs: archive_sealed.h
 *     {"end":{"runs":1,"records":1}}                                                         and "sealed":n where there are some
 *
 * Runs are in the order of their ids, records in that of their stage, epoch, step, rank and name; so equal data give equal
 * texts.  Sums are not in it but those of thinned epochs: they follow from the batches.  Nor are revisions (of the copy they start anew), series without a
 * batch, deleted runs and tokens.  The time of a record is that of its counts.
 */
struct archive_stats {
    int64_t runs, records;
    int64_t sealed; /* thinned epochs of a series */
};

/** archive_export(c, id, out, stats, p): one run (id NULL: all) as it is at one moment, beside a server that may be writing.
 *  Returns OK; PROBLEM_UNKNOWN_RUN; PROBLEM_STORAGE also where out cannot be written; errors of the store. */
int archive_export(struct store_conn *c, const char *id, FILE *out, struct archive_stats *stats, struct problem *p);

/**
 * archive_import(s, in, stats, p): add all runs of an export, through the same door as a client's: checked, summed anew; what thinned epochs
 * say is compared with itself, as `tally check` does.
 *
 * s        open for writing, and nobody else's.
 * Returns  OK; PROBLEM_CONFLICT: a run of that id is there already; PROBLEM_MALFORMED, PROBLEM_INVALID: not an export, or it
 *          ends early; each names the line.  The run of that line is then not there; those before it are (stats.runs).
 * Memory   a thousand records.
 */
int archive_import(struct store *s, FILE *in, struct archive_stats *stats, struct problem *p);

#endif
