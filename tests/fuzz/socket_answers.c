/** A strict reader of answers: what a client behind a proxy must be able to rely on. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "socket_script.h"

struct answer {
    int status;
    bool has_length, is_chunked, is_ours;
    size_t length;
};

static const uint8_t *line_end(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *cr = memmem(at, (size_t)(end - at), "\r\n", 2);
    return cr;
}

/* NULL: cut off; else what comes after the empty line.  *bad: a sentence. */
static const uint8_t *read_head(const uint8_t *at, const uint8_t *end, struct answer *a, const char **bad)
{
    const uint8_t *stop = line_end(at, end);
    memset(a, 0, sizeof *a);
    if (stop == NULL) {
        size_t n = (size_t)(end - at) < 9 ? (size_t)(end - at) : 9;
        *bad = memcmp(at, "HTTP/1.1 ", n) != 0 && memcmp(at, "HTTP/1.0 ", n) != 0 ? "no status line" : NULL;
        return NULL;
    }
    if (stop - at < 12 || (memcmp(at, "HTTP/1.1 ", 9) != 0 && memcmp(at, "HTTP/1.0 ", 9) != 0) || !isdigit(at[9]) ||
        !isdigit(at[10]) || !isdigit(at[11])) {
        *bad = "no status line";
        return NULL;
    }
    a->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    for (at = stop + 2; (stop = line_end(at, end)) != NULL && stop != at; at = stop + 2) {
        const uint8_t *colon = memchr(at, ':', (size_t)(stop - at));
        if (colon == NULL || colon == at || memchr(at, ' ', (size_t)(colon - at)) != NULL ||
            memchr(at, '\n', (size_t)(stop - at)) != NULL || memchr(at, '\0', (size_t)(stop - at)) != NULL) {
            *bad = "a header line that is none";
            return NULL;
        }
        if (strncasecmp((const char *)at, "Content-Length:", 15) == 0) {
            if (a->has_length)
                *bad = "two lengths";
            a->has_length = true;
            a->length = strtoul((const char *)colon + 1, NULL, 10);
        }
        a->is_ours = a->is_ours || strncmp((const char *)at, "Server: tally", 13) == 0;
        a->is_chunked = a->is_chunked || strncasecmp((const char *)at, "Transfer-Encoding: chunked", 26) == 0;
    }
    return stop != NULL ? stop + 2 : NULL;
}

static bool is_allowed(int status)
{
    return status >= 100 && (status < 500 || status == 501 || status == 503 || status == 505);
}

int answers_check(const uint8_t *data, size_t size, bool may_lack_bodies, int *statuses, int cap, char *why,
                  size_t why_size)
{
    const uint8_t *at = data, *end = data + size;
    int n = 0;
    while (at < end) {
        struct answer a;
        const char *bad = NULL;
        const uint8_t *body = read_head(at, end, &a, &bad);
        if (bad == NULL && a.is_chunked)
            bad = "a chunked answer, and all lengths are known";
        if (bad == NULL && a.status != 0 && !is_allowed(a.status))
            bad = "a status that is not allowed";
        if (bad != NULL) {
            snprintf(why, why_size, "%s, at byte %zu of the answers: %.60s", bad, (size_t)(at - data),
                     (const char *)at);
            return -1;
        }
        if (body == NULL)
            return n;
        at = body;
        if (a.status < 200)
            continue;
        if (n < cap)
            statuses[n] = a.status;
        n++;
        if (a.status == 204 || a.status == 304)
            continue;
        /* what the library says by itself before it closes; of a length that it refuses it repeats its own header */
        if (a.status >= 400 && !a.is_ours)
            return n;
        if (!a.has_length)
            return n; /* to the end of the connection */
        if (may_lack_bodies && (at == end || ((size_t)(end - at) >= 9 && memcmp(at, "HTTP/1.1 ", 9) == 0)))
            continue;
        if (a.length > (size_t)(end - at))
            return n; /* cut off */
        at += a.length;
    }
    return n;
}
