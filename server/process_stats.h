#ifndef PROCESS_STATS_H
#define PROCESS_STATS_H

#include <stdint.h>

/** This process as the system sees it, for /metrics.  -1 where the system does not say.  Any thread; it costs some calls. */
struct process_stats {
    int64_t resident_bytes, virtual_bytes;
    int64_t open_fds, max_fds;
    int64_t cpu_us;     /* user and system time of all threads */
    int64_t started_at; /* ms since 1970 */
};

void process_stats_read(struct process_stats *out);

#endif
