/**
 * One event, one line, one write(2): lines of several threads never mix.  A line that does not fit is
 * cut; a failed write to standard error has nowhere to be reported and is dropped.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { LOG_DETAIL_MAX = 1024, LOG_LINE_MAX = 8192 };

static const char *const LEVEL[] = {[LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct log_stats stats;

static void count(enum log_level level, const char *event, int64_t now)
{
    pthread_mutex_lock(&mutex);
    stats.events[level]++;
    if (level == LOG_ERROR) {
        snprintf(stats.last_error, sizeof stats.last_error, "%s", event);
        stats.last_error_at = now;
    }
    pthread_mutex_unlock(&mutex);
}

void log_stats_get(struct log_stats *out)
{
    pthread_mutex_lock(&mutex);
    *out = stats;
    pthread_mutex_unlock(&mutex);
}

/* Length of the valid UTF-8 sequence at s (NUL-terminated), 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] >= 0xc2 && s[0] <= 0xdf && (s[1] & 0xc0) == 0x80)
        return 2;
    if ((s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 && !(s[0] == 0xe0 && s[1] < 0xa0) &&
        !(s[0] == 0xed && s[1] > 0x9f))
        return 3;
    if (s[0] >= 0xf0 && s[0] <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 &&
        !(s[0] == 0xf0 && s[1] < 0x90) && !(s[0] == 0xf4 && s[1] > 0x8f))
        return 4;
    return 0;
}

/* Append text as the inside of a JSON string; returns the new end.  cap leaves room for the tail. */
static size_t escape(char *out, size_t at, size_t cap, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s != '\0' && at + 12 < cap) {
        size_t n = *s >= 0x80 ? utf8_length(s) : 1;
        if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) { /* C1 controls: a terminal may obey them */
            at += (size_t)snprintf(out + at, cap - at, "\\u%04x", (unsigned)s[1]);
            s += 2;
            continue;
        }
        if (n == 0 || *s < 0x20 || *s == 0x7f) {
            /* a byte that is not text: shown as such, in the Latin-1 place of Unicode */
            at += (size_t)snprintf(out + at, cap - at, "\\u%04x", (unsigned)*s);
            s++;
            continue;
        }
        if (*s == '"' || *s == '\\')
            out[at++] = '\\';
        while (n-- > 0)
            out[at++] = (char)*s++;
    }
    return at;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char detail[LOG_DETAIL_MAX], line[LOG_LINE_MAX];
    int64_t now = clock_now_ms();
    va_list args;

    va_start(args, format);
    if (vsnprintf(detail, sizeof detail, format, args) < 0)
        detail[0] = '\0';
    va_end(args);
    count(level, event, now);

    size_t at =
        (size_t)snprintf(line, sizeof line, "{\"time\":%" PRId64 ",\"level\":\"%s\",\"event\":\"", now, LEVEL[level]);
    at = escape(line, at, sizeof line / 2, event);
    at += (size_t)snprintf(line + at, sizeof line - at, "\",\"detail\":\"");
    at = escape(line, at, sizeof line - 4, detail);
    line[at++] = '"';
    line[at++] = '}';
    line[at++] = '\n';

    for (size_t done = 0; done < at;) {
        ssize_t n = write(STDERR_FILENO, line + done, at - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}
