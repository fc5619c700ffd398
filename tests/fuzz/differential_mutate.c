/*
 * One thing wrong with a body: a number, a token, or a few bytes.
 */
#include <stdbool.h>
#include <string.h>

#include "differential.h"

/* What a number may be taken for. */
static const char *const NUMBERS[] = {"9007199254740991",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9007199254740991.4",
                                      "0.99999999999999999999",
                                      "1.00000000000000000001",
                                      "1e400",
                                      "-1",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "-",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "1e15",
                                      "9.007199254740991e15",
                                      "90071992547409910e-1",
                                      "1e-400",
                                      "0e-400",
                                      "-0",
                                      "-0.0",
                                      "64",
                                      "65",
                                      "65536",
                                      "10001",
                                      "\"1\"",
                                      "null",
                                      "true",
                                      "[]",
                                      "{}",
                                      "0.5",
                                      "3",
                                      "18446744073709551616",
                                      "10000000000000000000000e-21",
                                      "1.0000000000000000000000000000000000000000000000000000000000000000000"};

/* What may stand where it should not. */
static const char *const TOKENS[] = {"\"tp\":[1],",
                                     "\"correct\":1,",
                                     "\"total\":2,",
                                     "\"samples\":9,",
                                     "\"task\":\"binary\",",
                                     "\"name\":\"main\",",
                                     "\"name\":\"loss0\",",
                                     "\"num_classes\":3,",
                                     "\"cells\":[],",
                                     "\"classes\":[],",
                                     "\"confusion\":[[1]],",
                                     "\"exact\":[1,2],",
                                     "\"values\":{\"loss0\":1},",
                                     "\"stage\":\"\\u0000\",",
                                     "\"attempt\":\"\\ud800\",",
                                     "\"attempt\":\"\xed\xa0\x80\",",
                                     "\"attempt\":\"\xc2\x80\",",
                                     "\"epoch\":1,",
                                     "/*c*/",
                                     "\xef\xbb\xbf",
                                     "\v",
                                     "\f",
                                     ",",
                                     "]",
                                     "}",
                                     "[",
                                     "{",
                                     "\"",
                                     "\\",
                                     " ",
                                     "\n",
                                     "\r\n",
                                     "1",
                                     "0",
                                     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                                     "\\u00e9",
                                     "\\x",
                                     "\t",
                                     "\x01",
                                     "\xff",
                                     "\xc0\xaf",
                                     "\xf4\x90\x80\x80"};

static bool is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '.' || c == 'e' || c == '+';
}

/* Put text in the place of data[at .. at + old). */
static size_t splice(uint8_t *data, size_t size, size_t cap, size_t at, size_t old, const char *text, size_t length)
{
    if (size - old + length > cap)
        return size;
    memmove(data + at + length, data + at + old, size - at - old);
    memcpy(data + at, text, length);
    return size - old + length;
}

static size_t other_number(struct random *g, uint8_t *data, size_t size, size_t cap, size_t at)
{
    const char *number = NUMBERS[below(g, sizeof NUMBERS / sizeof *NUMBERS)];
    size_t length = 0;
    for (size_t i = 0; i < size && !is_number((char)data[at]); i++)
        at = at + 1 < size ? at + 1 : 1;
    for (; at > 1 && is_number((char)data[at - 1]); at--)
        ;
    for (; at + length < size && is_number((char)data[at + length]); length++)
        ;
    return length == 0 ? size : splice(data, size, cap, at, length, number, strlen(number));
}

/* Most often where a field may begin. */
static size_t add_token(struct random *g, uint8_t *data, size_t size, size_t cap, size_t at)
{
    const char *token = TOKENS[below(g, sizeof TOKENS / sizeof *TOKENS)];
    for (size_t i = 0; i < size && !one_in(g, 64) && data[at - 1] != ',' && data[at - 1] != '{'; i++)
        at = at + 1 < size ? at + 1 : 1;
    return splice(data, size, cap, at, 0, token, strlen(token));
}

size_t differential_mutate(uint64_t seed, uint8_t *data, size_t size, size_t cap)
{
    struct random g = {.state = seed};
    if (size < 2)
        return size;
    size_t at = 1 + (size_t)below(&g, size - 1), length = 1 + (size_t)below(&g, 8);
    switch (below(&g, 8)) {
    case 0:
    case 1:
    case 2:
        return other_number(&g, data, size, cap, at);
    case 3:
        return add_token(&g, data, size, cap, at);
    case 4: /* some bytes less */
        length = length < size - at ? length : size - at;
        return splice(data, size, cap, at, length, "", 0);
    case 5: { /* some bytes twice */
        char copy[8];
        length = length < size - at ? length : size - at;
        memcpy(copy, data + at, length);
        return splice(data, size, cap, at, 0, copy, length);
    }
    case 6: /* another digit, or bit */
        data[at] = data[at] >= '0' && data[at] <= '9' ? (uint8_t)('0' + below(&g, 10))
                                                      : data[at] ^ (uint8_t)(1 << below(&g, 8));
        return size;
    default: /* cut off */
        return one_in(&g, 4) ? at : splice(data, size, cap, size, 0, one_in(&g, 2) ? " " : "x", 1);
    }
}
