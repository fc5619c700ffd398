#ifndef QUERY_TEXT_H
#define QUERY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "http.h"

/** Small texts of answers: opaque cursors, and the Link header that carries them. */

/** cursor_encode(arena, data, size): opaque text (hexadecimal); NULL: no memory. */
char *cursor_encode(struct arena *arena, const void *data, size_t size);
/** cursor_decode(arena, text, data, size): false if it is not one of ours. data is followed by a NUL byte. */
bool cursor_decode(struct arena *arena, const char *text, char **data, size_t *size);

/** link_next(q, r, cursor): Link: <this request with that cursor>; rel="next".  OK or PROBLEM_MEMORY. */
int link_next(struct request *q, struct response *r, const char *cursor, struct problem *p);

#endif
