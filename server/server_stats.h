#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/**
 * What the server has done since the start, for /metrics: answers of each status and how long they took, by route, and
 * backups.  Process-wide counters, added to without a lock.  Any thread.
 */
struct route;

/** server_stats_add(route, status, us): one answer went out, so long after its header was in.  route NULL: none was found. */
void server_stats_add(const struct route *route, int status, int64_t us);

/** Call fn for every pair that occurred; path "" where no route was found, status 0 for those that have no column. */
void server_stats_each(void (*fn)(void *context, const char *method, const char *path, int status, int64_t n),
                       void *context);
/** Call fn for every route that answered. */
void server_stats_durations_each(void (*fn)(void *context, const char *method, const char *path,
                                            const struct histogram *h),
                                 void *context);

/** A backup over HTTP was made, or failed, at this time (ms since 1970). */
void server_stats_backup(bool made, int64_t now);

struct backup_stats {
    int64_t made, failed;
    int64_t last_made_at; /* ms since 1970; 0: none */
};

void server_stats_backups(struct backup_stats *out);

#endif
