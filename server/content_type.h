#ifndef CONTENT_TYPE_H
#define CONTENT_TYPE_H

#include <stdbool.h>

#include "problem.h"

/** content_type_is(header, type): the media type of a Content-Type header (NULL: none), parameters aside
 *  and in any case, is type. */
bool content_type_is(const char *header, const char *type);

/** content_type_refuse(header, accepted, p): PROBLEM_CONTENT_TYPE that names what is accepted, and how curl
 *  sends it. */
int content_type_refuse(const char *header, const char *accepted, struct problem *p);

#endif
