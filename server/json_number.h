#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/**
 * JSON's number grammar, and the exact values of what it reads.  No locale, no NUL terminator, no
 * allocation.
 */
#define JSON_INT_MAX INT64_C(9007199254740991) /* 2^53-1: the greatest integer every JSON reader keeps exact */

struct json_number {
    const char *text, *end;
    bool negative;
    bool is_integer;   /* written without fraction and exponent */
    uint64_t mantissa; /* the first 19 significant digits */
    int64_t exponent;  /* value = mantissa * 10^exponent, unless inexact */
    bool inexact;      /* digits other than 0 follow the first 19 */
};

/**
 * json_number_scan(text, end, out): read one number at text.
 * Returns the first byte that is wrong (out untouched), NULL if all is well (out->end follows it).
 */
const char *json_number_scan(const char *text, const char *end, struct json_number *out);

/** json_number_whole(n, out): the value if it is a whole number with |x| <= JSON_INT_MAX, in whatever
 *  notation (32, 32.0, 3.2e1).  Exact. */
bool json_number_whole(const struct json_number *n, int64_t *out);

/** json_number_double(n): the nearest double (infinite beyond the greatest). */
double json_number_double(const struct json_number *n);

#endif
