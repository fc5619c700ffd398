#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problem.h"

/**
 * The framing guard: what the HTTP library lets through and a server behind a proxy must not.  Two
 * parties that read one byte stream as different requests can be made to disagree on purpose
 * (request smuggling), so whatever has two readings is refused with 400 and the connection closed.
 *
 * The library parses in place: in the block of bytes from the method to the end of the headers it has
 * overwritten each separator (the blank after the method and before the version, ':' and line ends)
 * with NUL and nothing else.  So the guard can prove what arrived: the strings that the library
 * reports must tile the block exactly, each with the separators it must have.  A NUL sent by the
 * client, a bare LF or a folded line leaves a gap.  (Only NUL LF in the place of CR LF looks the same;
 * both readings of it are one line end.)
 */
struct guard_header {
    const char *name; /* NUL-terminated, as the library reports it, inside the block */
    size_t name_size;
    const char *value; /* without leading blanks */
    size_t value_size;
};

struct guard_head {
    const char *method;                 /* the block begins here */
    const char *target;                 /* the request target, NUL-terminated when the library has read its line */
    size_t target_size;                 /* its length before the library decoded it in place */
    const char *version;                /* "HTTP/1.1" */
    const struct guard_header *headers; /* in order of arrival */
    size_t n_headers;
    size_t size; /* bytes of the block, the empty line included; 0: unknown, which is refused */
};

/* What the headers say of the body. */
struct guard_framing {
    bool chunked;
    bool has_length;
    bool expects_continue;
    uint64_t length; /* has_length */
};

/**
 * guard_check(head, out, p): is there exactly one way to read this request?
 * Returns  OK; PROBLEM_FRAMING (the detail says what is wrong).  out is written only on OK.
 * Cost     O(bytes of the block), allocates nothing.  Any thread.
 */
int guard_check(const struct guard_head *head, struct guard_framing *out, struct problem *p);

#endif
