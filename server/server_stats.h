#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdint.h>

/**
 * How many answers of each status each route has given since the start, for /metrics.  Process-wide
 * counters, added to without a lock.  Any thread.
 */
struct route;

/** server_stats_add(route, status): one answer went out.  route NULL: none was found. */
void server_stats_add(const struct route *route, int status);

/** Call fn for every pair that occurred; path "" where no route was found. */
void server_stats_each(void (*fn)(void *context, const char *method, const char *path, int status, int64_t n),
                       void *context);

#endif
