#ifndef LOG_H
#define LOG_H

#include <stdint.h>

/**
 * One line of JSON an event on standard error: {"time":…,"level":…,"event":…,"detail":…}.  Client bytes
 * are escaped; no bodies, no tokens.  An error is logged once, where it stops travelling.  Any thread.
 */
enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

void log_event(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What was logged since the start, for /metrics. */
struct log_stats {
    int64_t events[LOG_ERROR + 1]; /* by level */
    char last_error[48];           /* the event of the last error; "": there was none */
    int64_t last_error_at;         /* ms since 1970 */
};

void log_stats_get(struct log_stats *out);

#endif
