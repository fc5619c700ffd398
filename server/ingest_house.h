#ifndef INGEST_HOUSE_H
#define INGEST_HOUSE_H

#include <stdbool.h>
#include <stdint.h>

struct store;

/**
 * What the writer removes between groups, a small transaction at a time, so that nobody waits long.  What fails is logged and
 * left: the next start, or the next reason to look, goes on.  Thread: the writer.
 */

/** house_purge(s, limit): rows of deleted runs, up to so many.  true: more may be left. */
bool house_purge(struct store *s, int64_t limit);

/** house_thin(s, limit, removed): batches of sealed epochs, up to so many.  true: more may be left. */
bool house_thin(struct store *s, int64_t limit, int64_t *removed);

#endif
