#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "http.h"

/**
 * Answers as data: what a problem looks like on the wire and which headers every answer carries.  Pure;
 * http_answer.c turns the result into bytes.
 */

/** response_init(r): 200, application/json, empty. */
void response_init(struct response *r);
void response_release(struct response *r);

/**
 * response_problem(r, p): make r the problem document of p (RFC 9457): type, title, status, detail, errors,
 * and Retry-After, WWW-Authenticate where they belong.  What r held is released.  allow: the methods for
 * a 405, else NULL.  Texts are kept in the arena.
 */
void response_problem(struct response *r, const struct problem *p, const char *allow, struct arena *arena);

/**
 * response_common(r, fn, context): call fn for each header that every answer carries (nosniff, caching,
 * referrer and resource policies), where r does not set it itself.
 */
void response_common(const struct response *r, void (*fn)(void *context, const char *name, const char *value),
                     void *context);

#endif
