#ifndef INGEST_SYNC_H
#define INGEST_SYNC_H

#include "ingest.h"
#include "problem.h"
#include "store.h"

/**
 * Private to ingest.  The second half of a commit: jobs whose transaction is committed, but perhaps not on the disk yet,
 * wait here for one sync of the log, made by a thread of its own.  The writer goes on with the next group meanwhile, and
 * what it commits during one sync is synced together by the next.
 */
struct syncer;

/* Called on the syncer's thread: the jobs of some transactions are on disk, or status and p say why that is not known.
   It owns them. */
typedef void syncer_finish(void *context, struct job *first, int status, struct problem *p);

int syncer_start(struct syncer **out, struct store *store, syncer_finish *finish, void *context, struct problem *p);

/** syncer_take(s, first): the jobs of one transaction that store_commit_unsynced() committed.  Never waits. */
void syncer_take(struct syncer *s, struct job *first);

/** syncer_stop(s): finish all that was taken, join the thread, free.  NULL does nothing. */
void syncer_stop(struct syncer *s);

#endif
