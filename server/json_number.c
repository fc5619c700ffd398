/*
 * Numbers as JSON writes them, turned into exact values.  strtod reads the locale's decimal point and
 * wants a terminator; a count of a hot request needs neither, and what strtod gets here has no point.
 */
#include <stdio.h>
#include <stdlib.h>

#include "json_number.h"

enum {
    MANTISSA_DIGITS = 19,     /* 10^19 - 1 fits in 64 bits */
    DIGITS_THAT_MATTER = 800, /* halfway between two doubles takes at most 767 digits */
    EXPONENT_BOUND = 100000000
};

static bool is_digit(const char *s, const char *end)
{
    return s < end && *s >= '0' && *s <= '9';
}

/* Digits from s on into n; shift -1 for those of the fraction.  Returns what follows them. */
static const char *scan_digits(const char *s, const char *end, struct json_number *n, int *significant, bool fraction)
{
    for (; is_digit(s, end); s++) {
        unsigned digit = (unsigned)(*s - '0');
        if (*significant == MANTISSA_DIGITS) {
            n->inexact = n->inexact || digit != 0;
            n->exponent += !fraction;
            continue;
        }
        n->mantissa = n->mantissa * 10 + digit;
        *significant += n->mantissa != 0;
        n->exponent -= fraction;
    }
    return s;
}

const char *json_number_scan(const char *text, const char *end, struct json_number *out)
{
    struct json_number n = {.text = text, .is_integer = true};
    const char *s = text;
    int significant = 0;
    if (s < end && *s == '-') {
        n.negative = true;
        s++;
    }
    if (!is_digit(s, end))
        return s;
    if (*s == '0' && is_digit(s + 1, end))
        return s + 1;
    s = scan_digits(s, end, &n, &significant, false);
    if (s < end && *s == '.') {
        n.is_integer = false;
        if (!is_digit(++s, end))
            return s;
        s = scan_digits(s, end, &n, &significant, true);
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        n.is_integer = false;
        s++;
        bool down = s < end && *s == '-';
        if (s < end && (*s == '-' || *s == '+'))
            s++;
        if (!is_digit(s, end))
            return s;
        int64_t exponent = 0;
        for (; is_digit(s, end); s++)
            if (exponent < EXPONENT_BOUND)
                exponent = exponent * 10 + (*s - '0');
        n.exponent += down ? -exponent : exponent;
    }
    n.end = s;
    *out = n;
    return NULL;
}

bool json_number_whole(const struct json_number *n, int64_t *out)
{
    uint64_t value = n->mantissa;
    int64_t exponent = value == 0 ? 0 : n->exponent;
    if (n->inexact)
        return false; /* a fraction, or twenty digits and more */
    for (; exponent < 0 && value % 10 == 0; exponent++)
        value /= 10;
    if (exponent < 0)
        return false;
    for (; exponent > 0 && value <= (uint64_t)JSON_INT_MAX; exponent--)
        value *= 10;
    if (value > (uint64_t)JSON_INT_MAX)
        return false;
    *out = n->negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* More digits than a mantissa holds: the first DIGITS_THAT_MATTER as an integer, and a 1 behind them
   for all that follow. */
static double read_long(const struct json_number *n)
{
    char text[DIGITS_THAT_MATTER + 32];
    size_t size = 0;
    int64_t exponent = 0;
    bool fraction = false, rest = false;
    const char *s = n->text;
    for (; s < n->end && *s != 'e' && *s != 'E'; s++) {
        if (*s == '-')
            continue;
        if (*s == '.') {
            fraction = true;
            continue;
        }
        if (size == DIGITS_THAT_MATTER) {
            rest = rest || *s != '0';
            exponent += !fraction;
            continue;
        }
        if (size > 0 || *s != '0')
            text[size++] = *s;
        exponent -= fraction;
    }
    if (rest) {
        text[size++] = '1';
        exponent--;
    }
    int64_t written = 0;
    if (s < n->end) {
        bool down = *++s == '-';
        if (*s == '-' || *s == '+')
            s++;
        for (; s < n->end; s++)
            if (written < EXPONENT_BOUND)
                written = written * 10 + (*s - '0');
        written = down ? -written : written;
    }
    snprintf(text + size, sizeof text - size, "e%lld", (long long)(exponent + written));
    return strtod(text, NULL);
}

double json_number_double(const struct json_number *n)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double value;
    if (n->inexact) {
        value = read_long(n);
    } else if (n->mantissa <= UINT64_C(1) << 53 && n->exponent >= -22 && n->exponent <= 22) {
        /* both factors are exact doubles, so the one rounding is the right one */
        value = (double)n->mantissa;
        value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
    } else {
        char text[64];
        snprintf(text, sizeof text, "%llue%lld", (unsigned long long)n->mantissa, (long long)n->exponent);
        value = strtod(text, NULL);
    }
    return n->negative ? -value : value;
}
