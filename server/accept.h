#ifndef ACCEPT_H
#define ACCEPT_H

#include <stdbool.h>

/** The representations that an answer can have, as bits. */
enum media { MEDIA_JSON = 1, MEDIA_CSV = 2, MEDIA_NDJSON = 4 };

/**
 * accept_choose(accept, offered): the representation that an Accept header (RFC 9110, 12.5.1) likes best.
 *
 * accept   the header; NULL or "" allows everything.
 * offered  bits of enum media.
 * Returns  one enum media; 0 if the header allows none of those offered.
 *          The greater q wins, then the more specific range ("text/csv" over a star), then the order
 *          of the enum.  A range that cannot be read is skipped.  NDJSON also answers application/json:
 *          each of its lines is that.
 */
enum media accept_choose(const char *accept, unsigned offered);

/** accept_gzip(accept_encoding): does an Accept-Encoding header ask for gzip?  NULL: no. */
bool accept_gzip(const char *accept_encoding);

#endif
