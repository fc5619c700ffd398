#ifndef RETENTION_H
#define RETENTION_H

#include <stdint.h>

#include "problem.h"

struct ingest;
struct store;

/**
 * Keeping the batches of old epochs for so long only: `--keep-steps`.
 *
 * A thread of its own looks for epochs of a stage whose last batch, of whatever series, came longer ago than that by the
 * server's clock (the client's `time` says nothing about when a repeat may come), computes what is to outlive the batches
 * with a connection that only reads, and hands it to the writer, which seals the epoch and removes its batches (ingest.h).
 * The last epoch of a stage is left alone while the run is running.
 */
struct retention;

/** retention_start(out, store, ingest, keep_ms, p): begin to look.  It looks again after a tenth of keep_ms, at least every
 *  ten minutes. */
int retention_start(struct retention **out, struct store *store, struct ingest *ingest, int64_t keep_ms,
                    struct problem *p);

/** retention_stop(r): what is being computed is dropped; join and free.  NULL is fine.  Before ingest_stop(). */
void retention_stop(struct retention *r);

#endif
