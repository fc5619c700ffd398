#ifndef GZIP_H
#define GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

/**
 * gzip_inflate(data, size, max, out, out_size, p): unpack a gzip body (RFC 1952; members may follow one
 * another).  The only module that includes zlib.
 *
 * max      the most bytes that may come out: a small body cannot grow without bound.
 * out      malloc'ed, the caller frees; never NULL on OK.
 * Returns  OK; PROBLEM_MALFORMED (not gzip, damaged, cut short, bytes after the end), PROBLEM_TOO_LARGE,
 *          PROBLEM_MEMORY (no memory).  Any thread.
 */
int gzip_inflate(const void *data, size_t size, size_t max, char **out, size_t *out_size, struct problem *p);

/** gzip_size_told(data, size): how many bytes a gzip body says that it unpacks to (its last member, modulo 2^32); 0: it
 *  is too short to say.  A hint: it may lie. */
size_t gzip_size_told(const void *data, size_t size);

/**
 * gzip_deflate(data, size, level, out, out_size): pack into one gzip member; the same bytes every time.
 *
 * level    1 fast .. 9 small.
 * out      malloc'ed, the caller frees.
 * Returns  false: no memory, or the result would not be smaller; nothing is given out.
 * Cost     at level 1 about 10 ms a megabyte, and 260 KB of memory meanwhile.  Any thread.
 */
bool gzip_deflate(const void *data, size_t size, int level, char **out, size_t *out_size);

#endif
