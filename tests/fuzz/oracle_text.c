/*
 * The text of a document: what cJSON lets pass, looked for byte by byte, and the digits of its numbers, which cJSON
 * does not keep.
 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

enum { NUMBER_MAX = 63, LEVELS_MAX = 32 };

struct scan {
    const unsigned char *at, *end;
    bool strict, judged;
    struct oracle_number *numbers;
    size_t n;
};

/* A code point and its size by the definition: shortest form, no surrogates, nothing above U+10FFFF. */
static size_t utf8_size(const unsigned char *s, size_t left)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = s[0] < 0x80             ? 1
                  : (s[0] & 0xe0) == 0xc0 ? 2
                  : (s[0] & 0xf0) == 0xe0 ? 3
                  : (s[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (size == 0 || size > left)
        return 0;
    unsigned code = size == 1 ? s[0] : s[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

/* Behind the opening quote; cJSON has found the closing one. */
static void scan_string(struct scan *s)
{
    while (s->at < s->end && *s->at != '"') {
        if (*s->at == '\\') {
            size_t n = 0;
            while (s->end - s->at > 2 + (ptrdiff_t)n && n < 4 && isxdigit(s->at[2 + n]))
                n++;
            if (s->at[1] == 'u' && (n < 4 || memcmp(s->at + 2, "0000", 4) == 0))
                s->strict = false;
            s->at += 2;
            continue;
        }
        size_t size = *s->at < 0x20 ? 0 : utf8_size(s->at, (size_t)(s->end - s->at));
        if (size == 0)
            s->strict = false;
        s->at += size == 0 ? 1 : size;
    }
    s->at++;
}

static const char *digits(const char *s, const char *end)
{
    while (s < end && *s >= '0' && *s <= '9')
        s++;
    return s;
}

/* number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ("e" / "E") [ "-" / "+" ] 1*DIGIT ] */
static bool is_number(const char *s, const char *end)
{
    s += s < end && *s == '-';
    const char *next = digits(s, end);
    if (next == s || (*s == '0' && next != s + 1))
        return false;
    s = next;
    if (s < end && *s == '.') {
        next = digits(++s, end);
        if (next == s)
            return false;
        s = next;
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        s++;
        s += s < end && (*s == '-' || *s == '+');
        next = digits(s, end);
        if (next == s)
            return false;
        s = next;
    }
    return s == end;
}

static void scan_number(struct scan *s)
{
    const char *text = (const char *)s->at;
    while (s->at < s->end && *s->at != '\0' && strchr("0123456789+-.eE", *s->at) != NULL)
        s->at++;
    size_t size = (size_t)((const char *)s->at - text);
    s->strict = s->strict && is_number(text, text + size);
    s->judged = s->judged && size <= NUMBER_MAX;
    s->numbers[s->n++] = (struct oracle_number){text, size};
}

static void scan(struct scan *s)
{
    while (s->at < s->end) {
        unsigned char c = *s->at;
        if (c == '-' || (c >= '0' && c <= '9')) {
            scan_number(s);
            continue;
        }
        s->at++;
        if (c == '"')
            scan_string(s);
        else if (c <= ' ' && c != ' ' && c != '\t' && c != '\n' && c != '\r')
            s->strict = false;
    }
}

/* Number the numbers in their order, and look for what only the tree shows. */
static bool walk(cJSON *item, int level, size_t *n)
{
    bool fine = level <= LEVELS_MAX || !(cJSON_IsArray(item) || cJSON_IsObject(item));
    if (cJSON_IsNumber(item))
        item->valueint = (int)(*n)++;
    for (cJSON *child = item->child; child != NULL; child = child->next) {
        for (cJSON *other = item->child; cJSON_IsObject(item) && other != child; other = other->next)
            fine = fine && strcmp(other->string, child->string) != 0;
        fine = walk(child, level + 1, n) && fine;
    }
    return fine;
}

struct oracle_text oracle_parse(const char *text, size_t size, struct arena *arena)
{
    struct oracle_text out = {.judged = true};
    const char *end = NULL;
    struct scan s = {.at = (const unsigned char *)text, .end = (const unsigned char *)text + size, .strict = true};
    s.judged = true;
    s.numbers = arena_alloc(arena, (size + 1) * sizeof *s.numbers);
    if (s.numbers == NULL)
        abort();
    out.root = size > 0 ? cJSON_ParseWithLengthOpts(text, size, &end, false) : NULL;
    scan(&s);
    out.judged = s.judged;
    out.numbers = s.numbers;
    if (out.root == NULL)
        return out;
    while (end < text + size && (*end == ' ' || *end == '\t' || *end == '\n' || *end == '\r'))
        end++;
    size_t n = 0;
    out.strict = walk(out.root, 1, &n) && s.strict && end == text + size && (unsigned char)text[0] != 0xef;
    return out;
}

bool oracle_whole(const struct oracle_number *number, int64_t max, int64_t *out)
{
    char kept[NUMBER_MAX + 1];
    size_t n = 0;
    long exponent = 0, value = 0;
    bool fraction = false, negative = false;
    const char *s = number->text, *end = s + number->size;
    for (; s < end && *s != 'e' && *s != 'E'; s++) {
        negative = negative || *s == '-';
        fraction = fraction || *s == '.';
        if (*s < '0' || *s > '9')
            continue;
        exponent -= fraction;
        if (n > 0 || *s != '0')
            kept[n++] = *s;
    }
    if (s < end) {
        char power[NUMBER_MAX + 1] = "";
        memcpy(power, s + 1, (size_t)(end - s - 1));
        long said = strtol(power, NULL, 10);
        exponent += said > 100000 ? 100000 : said < -100000 ? -100000 : said;
    }
    for (; n > 0 && kept[n - 1] == '0'; n--)
        exponent++;
    if (n > 0) {
        if (negative || exponent < 0 || (long)n + exponent > 16)
            return false;
        kept[n] = '\0';
        value = strtol(kept, NULL, 10);
        for (; exponent > 0; exponent--)
            value *= 10;
    }
    *out = value;
    return value <= max;
}
