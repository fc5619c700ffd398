#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "http_guard.h"

/**
 * The head of a request, from the library's strings to a request that may be answered: framing, headers, target,
 * route, permission.  Everything that can be refused before the body is read is refused here.
 */
enum { HEADERS_MAX = 100, TARGET_MAX = 8192 };

struct head {
    struct guard_header header[HEADERS_MAX];
    size_t n;
    bool is_full; /* there were more */
};

enum method head_method(const char *text);

/** head_check(head, guarded, limits, framing, p): sizes and framing.  PROBLEM_URI_TOO_LONG, PROBLEM_HEADERS, PROBLEM_FRAMING. */
int head_check(const struct head *head, struct guard_head *guarded, const struct limits *limits,
               struct guard_framing *framing, struct problem *p);

/** head_take(head, q, p): the headers that somebody reads, without trailing blanks; the first of each counts. */
int head_take(const struct head *head, struct request *q, struct problem *p);

/**
 * head_admit(q, target, size, framing, allow, p): find the route and ask whether it may be taken.  q->method, the
 * headers, q->app and q->arena are set.  target: as sent.
 * Returns what uri_parse(), route_find() and route_check() do; PROBLEM_CONTENT_TYPE (a coding other than gzip),
 * PROBLEM_TOO_LARGE (Content-Length above body_bytes).
 */
int head_admit(struct request *q, const char *target, size_t size, const struct guard_framing *framing,
               const char **allow, struct problem *p);

/** head_is_gzip(q): the body must be unpacked. */
bool head_is_gzip(const struct request *q);

#endif
