#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

/**
 * CSV written straight into a buffer (RFC 4180): commas, CRLF, cells quoted where they need it.  Null
 * and numbers that are not finite are empty cells.  Text that a spreadsheet would run as a formula
 * (it starts with = + - @, tab or CR) gets a single quote in front; numbers never do.
 */
struct csv {
    struct buffer *out;
    bool in_row;
};

void csv_init(struct csv *c, struct buffer *out);
void csv_text(struct csv *c, const char *text); /* NULL: an empty cell */
void csv_printf(struct csv *c, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* a short text cell, cut at 511 bytes */
void csv_int(struct csv *c, int64_t value);
void csv_double(struct csv *c, double value); /* as in JSON */
void csv_empty(struct csv *c);
void csv_end_row(struct csv *c);

#endif
