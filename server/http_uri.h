#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stddef.h>

#include "http.h"

/**
 * uri_parse(target, size, q, p): read a request target as sent into q->path and q->args.
 *
 * The path is percent-decoded once.  The query is `name=value` pairs separated by '&' (empty ones are
 * skipped), decoded as forms do: '+' is a blank.  Nothing is guessed: a broken escape, a NUL, a control
 * character or invalid UTF-8 is refused, and so is a name that occurs twice.
 *
 * target   borrowed; the results are in q->arena.
 * Returns  OK; PROBLEM_FRAMING (not a path, or bytes that no target may hold), PROBLEM_NOT_FOUND (an
 *          escaped '/' in the path: no path of ours has one), PROBLEM_INVALID (a bad or repeated query
 *          parameter, or more than REQUEST_ARGS_MAX), PROBLEM_MEMORY (no memory).  q->args is untouched
 *          on failure.
 */
int uri_parse(const char *target, size_t size, struct request *q, struct problem *p);

#endif
