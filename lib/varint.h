#ifndef VARINT_H
#define VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The numbers of the packed format.  Private to lib/.
 *
 * Every number has exactly one encoding; readers refuse all others, so that equal content means equal
 * bytes.
 *
 * varint   unsigned, 7 bits a byte, least significant first, top bit set on all but the last byte;
 *          no trailing zero byte (1 to 10 bytes).
 * number   a finite double, never -0.  A varint v says what it is:
 *            v even  a whole number in -2^53 .. 2^53; v / 2 is its zigzag code;
 *            v = 1   4 bytes follow: an IEEE single, little-endian, where that is exact;
 *            v = 3   8 bytes follow: an IEEE double.
 *          The first of these that fits is the one.
 */
struct pack_reader {
    const uint8_t *at, *end;
};

struct pack_reader pack_reader(const uint8_t *data, size_t size); /* data may be NULL where size is 0 */

/* Counts all bytes, writes those below cap: cap 0 measures. */
struct pack_writer {
    uint8_t *out;
    size_t cap;
    size_t size;
};

/** The readers return false, and leave ${out} alone, at bytes that no writer here would write. */
static inline bool varint_read(struct pack_reader *r, uint64_t *out);
static inline bool varint_read_count(struct pack_reader *r, int64_t *out); /* 0 .. INT64_MAX */
bool number_read(struct pack_reader *r, double *out);

void byte_write(struct pack_writer *w, uint8_t byte);
void varint_write(struct pack_writer *w, uint64_t value);
void number_write(struct pack_writer *w, double value); /* finite */

/* Most numbers are one byte, and every stored batch passes through here. */
bool varint_read_long(struct pack_reader *r, uint64_t *out);

static inline bool varint_read(struct pack_reader *r, uint64_t *out)
{
    if (r->at == r->end || *r->at > 0x7f)
        return varint_read_long(r, out);
    *out = *r->at++;
    return true;
}

static inline bool varint_read_count(struct pack_reader *r, int64_t *out)
{
    uint64_t value;
    if (!varint_read(r, &value) || value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

#endif
