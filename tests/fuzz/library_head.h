#ifndef LIBRARY_HEAD_H
#define LIBRARY_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "http_head.h"

/**
 * What the HTTP library makes of the bytes of a request's head, in place (libmicrohttpd 0.9.75, connection.c), so that the
 * guard can be tested without a socket: leniencies included, such as a bare line feed, several blanks before the target,
 * a folded line.
 */
struct library_head {
    char *block;               /* the bytes, separators overwritten by NUL */
    struct head head;          /* its headers */
    struct guard_head guarded; /* without the headers: head_check() sets them */
    char *target_copy;         /* as sent: http.c copies it before the library decodes it */
};

/** library_head_read(h, raw, size): false: the library itself refuses it, or wants more.  library_head_release() after any result. */
bool library_head_read(struct library_head *h, const char *raw, size_t size);
void library_head_release(struct library_head *h);

#endif
