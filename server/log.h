#ifndef LOG_H
#define LOG_H

/**
 * One line of JSON an event on standard error: {"time":…,"level":…,"event":…,"detail":…}.  Client bytes
 * are escaped; no bodies, no tokens.  An error is logged once, where it stops travelling.  Any thread.
 */
enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

void log_event(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
