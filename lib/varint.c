/*
 * Numbers as bytes: small ones short, each in one way only.  See varint.h for the encodings.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "varint.h"

enum { NUMBER_SINGLE = 1, NUMBER_DOUBLE = 3 };

static const double WHOLE_MAX = 9007199254740992.0; /* 2^53 */

struct pack_reader pack_reader(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    if (size == 0)
        data = nothing;
    return (struct pack_reader){data, data + size};
}

bool varint_read_long(struct pack_reader *r, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return false;
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        bool is_minimal = byte != 0 || shift == 0;
        bool fits = shift < 63 || byte <= 1;
        if (!is_minimal || !fits)
            return false;
        *out = value;
        return true;
    }
    return false;
}

static bool is_whole(double x)
{
    return fabs(x) <= WHOLE_MAX && x == floor(x);
}

static bool is_single(double x)
{
    return fabs(x) <= (double)FLT_MAX && (double)(float)x == x;
}

static bool bits_read(struct pack_reader *r, unsigned n_bytes, uint64_t *out)
{
    if ((size_t)(r->end - r->at) < n_bytes)
        return false;
    uint64_t bits = 0;
    for (unsigned i = 0; i < n_bytes; i++)
        bits |= (uint64_t)*r->at++ << (8 * i);
    *out = bits;
    return true;
}

static void bits_write(struct pack_writer *w, unsigned n_bytes, uint64_t bits)
{
    for (unsigned i = 0; i < n_bytes; i++)
        byte_write(w, (uint8_t)(bits >> (8 * i)));
}

bool number_read(struct pack_reader *r, double *out)
{
    uint64_t v, bits;
    double x;
    if (!varint_read(r, &v))
        return false;
    if ((v & 1) == 0) {
        uint64_t zigzag = v >> 1;
        uint64_t magnitude = (zigzag >> 1) + (zigzag & 1);
        if (magnitude > UINT64_C(1) << 53)
            return false;
        x = (zigzag & 1) ? -(double)magnitude : (double)magnitude;
    } else if (v == NUMBER_SINGLE) {
        float f;
        if (!bits_read(r, 4, &bits))
            return false;
        uint32_t bits32 = (uint32_t)bits;
        memcpy(&f, &bits32, sizeof f);
        x = (double)f;
        if (!isfinite(x) || is_whole(x))
            return false;
    } else if (v == NUMBER_DOUBLE) {
        if (!bits_read(r, 8, &bits))
            return false;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x) || is_whole(x) || is_single(x))
            return false;
    } else {
        return false;
    }
    *out = x;
    return true;
}

void byte_write(struct pack_writer *w, uint8_t byte)
{
    if (w->size < w->cap)
        w->out[w->size] = byte;
    w->size++;
}

void varint_write(struct pack_writer *w, uint64_t value)
{
    while (value > 0x7f) {
        byte_write(w, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    byte_write(w, (uint8_t)value);
}

void number_write(struct pack_writer *w, double value)
{
    if (is_whole(value)) {
        int64_t whole = (int64_t)value;
        uint64_t zigzag = whole < 0 ? ((uint64_t)(-(whole + 1)) << 1) | 1 : (uint64_t)whole << 1;
        varint_write(w, zigzag << 1);
    } else if (is_single(value)) {
        float f = (float)value;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        varint_write(w, NUMBER_SINGLE);
        bits_write(w, 4, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        varint_write(w, NUMBER_DOUBLE);
        bits_write(w, 8, bits);
    }
}
