/*
 * What may stand between two quotes: UTF-8 without control characters, and escapes.  A lone half of a
 * surrogate pair and \u0000 are refused: neither can be stored as text and given back.
 */
#include <string.h>

#include "json_string.h"
#include "utf8.h"

static int hex4(const char *s, const char *end)
{
    int value = 0;
    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The escape at s (the backslash): its size and code point; 0 and why if it is wrong. */
static size_t read_escape(const char *s, const char *end, unsigned *code, const char **why)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    *why = "not an escape of JSON";
    if (end - s < 2)
        return 0;
    if (s[1] != 'u') {
        const char *letter = s[1] == '\0' ? NULL : strchr(letters, s[1]);
        if (letter == NULL)
            return 0;
        *code = (unsigned char)values[letter - letters];
        return 2;
    }
    int first = hex4(s + 2, end);
    if (first < 0) {
        *why = "\\u needs four hexadecimal digits";
        return 0;
    }
    *code = (unsigned)first;
    if (first == 0) {
        *why = "\\u0000 is not allowed";
        return 0;
    }
    if (first < 0xd800 || first > 0xdfff)
        return 6;
    *why = "half of a surrogate pair";
    if (first > 0xdbff || end - s < 8 || s[6] != '\\' || s[7] != 'u')
        return 0;
    int second = hex4(s + 8, end);
    if (second < 0xdc00 || second > 0xdfff)
        return 0;
    *code = 0x10000 + (((unsigned)first - 0xd800) << 10) + ((unsigned)second - 0xdc00);
    return 12;
}

const char *json_string_scan(const char *text, const char *end, size_t *size, bool *escaped, const char **why)
{
    const char *s = text;
    bool found = false;
    for (;;) {
        if (s == end) {
            *why = "the text ends within a string,";
            return s;
        }
        unsigned char c = (unsigned char)*s;
        if (c == '"')
            break;
        if (c == '\\') {
            unsigned code;
            size_t length = read_escape(s, end, &code, why);
            if (length == 0)
                return s;
            found = true;
            s += length;
        } else if (c < 0x20) {
            *why = "a control character within a string";
            return s;
        } else if (c < 0x80) {
            s++;
        } else {
            size_t length = utf8_sequence(s, (size_t)(end - s));
            if (length == 0) {
                *why = "not valid UTF-8";
                return s;
            }
            s += length;
        }
    }
    *size = (size_t)(s - text);
    *escaped = found;
    return NULL;
}

size_t json_string_decode(const char *text, size_t size, char *out)
{
    const char *s = text, *end = text + size;
    size_t used = 0;
    while (s < end) {
        if (*s != '\\') {
            out[used++] = *s++;
            continue;
        }
        unsigned code = 0;
        const char *why;
        s += read_escape(s, end, &code, &why);
        used += utf8_put(code, out + used);
    }
    return used;
}
