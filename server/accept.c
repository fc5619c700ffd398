/*
 * Why: one URL answers in several representations, and Accept says which.  Pure text, any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "accept.h"

/* How well a range matches: the more specific one decides, whatever its q. */
enum { NO_MATCH, MATCH_ANY, MATCH_TYPE, MATCH_EXACT };

struct liking {
    int match;
    int q; /* thousandths */
};

static const struct kind {
    enum media media;
    const char *names[3]; /* exact names */
} kinds[] = {
    {MEDIA_JSON, {"application/json"}},
    {MEDIA_CSV, {"text/csv"}},
    {MEDIA_NDJSON, {"application/x-ndjson", "application/json"}},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        (*length)--;
}

static bool same(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(text, name, length) == 0;
}

static int match_range(const char *range, size_t length, const struct kind *kind)
{
    if (same(range, length, "*/*"))
        return MATCH_ANY;
    for (size_t i = 0; i < 3 && kind->names[i] != NULL; i++) {
        if (same(range, length, kind->names[i]))
            return MATCH_EXACT;
        size_t n_type = (size_t)(strchr(kind->names[i], '/') - kind->names[i]) + 1;
        if (length == n_type + 1 && range[n_type] == '*' && strncasecmp(range, kind->names[i], n_type) == 0)
            return MATCH_TYPE;
    }
    return NO_MATCH;
}

/* "0.25" in thousandths; 1000 for what is not a qvalue, so that a sloppy client still gets an answer. */
static int read_q(const char *text, size_t length)
{
    if (length == 0 || (text[0] != '0' && text[0] != '1'))
        return 1000;
    int q = (text[0] - '0') * 1000, scale = 100;
    for (size_t i = 2; i < length && i < 5; i++, scale /= 10) {
        if (text[1] != '.' || text[i] < '0' || text[i] > '9')
            return 1000;
        q += (text[i] - '0') * scale;
    }
    return q > 1000 ? 1000 : q;
}

/* The q of one element of the header; its media range is cut out of it. */
static int split_element(const char *element, size_t length, size_t *range_length)
{
    int q = 1000;
    const char *end = element + length, *semicolon = memchr(element, ';', length);
    *range_length = semicolon != NULL ? (size_t)(semicolon - element) : length;
    while (semicolon != NULL) {
        const char *start = semicolon + 1;
        semicolon = memchr(start, ';', (size_t)(end - start));
        size_t n = (size_t)((semicolon != NULL ? semicolon : end) - start);
        trim(&start, &n);
        if (n >= 2 && (start[0] == 'q' || start[0] == 'Q') && start[1] == '=')
            q = read_q(start + 2, n - 2);
    }
    return q;
}

static struct liking like(const char *accept, const struct kind *kind)
{
    struct liking best = {NO_MATCH, 0};
    for (const char *at = accept; *at != '\0';) {
        size_t length = strcspn(at, ","), range_length;
        int q = split_element(at, length, &range_length);
        const char *range = at;
        trim(&range, &range_length);
        int match = match_range(range, range_length, kind);
        if (match > best.match || (match == best.match && q > best.q))
            best = (struct liking){match, q};
        at += length;
        if (*at == ',')
            at++;
    }
    return best;
}

enum media accept_choose(const char *accept, unsigned offered)
{
    if (accept == NULL || accept[strspn(accept, " \t,")] == '\0')
        accept = "*/*";
    enum media chosen = 0;
    struct liking best = {NO_MATCH, 0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((offered & kinds[i].media) == 0)
            continue;
        struct liking l = like(accept, &kinds[i]);
        if (l.match != NO_MATCH && l.q > 0 && (l.q > best.q || (l.q == best.q && l.match > best.match))) {
            best = l;
            chosen = kinds[i].media;
        }
    }
    return chosen;
}

bool accept_gzip(const char *accept_encoding)
{
    int gzip = -1, any = -1; /* their q; -1: not named */

    for (const char *at = accept_encoding != NULL ? accept_encoding : ""; *at != '\0';) {
        size_t length = strcspn(at, ","), name_length;
        int q = split_element(at, length, &name_length);
        const char *name = at;
        trim(&name, &name_length);
        if (same(name, name_length, "gzip") || same(name, name_length, "x-gzip"))
            gzip = q;
        else if (same(name, name_length, "*"))
            any = q;
        at += length;
        if (*at == ',')
            at++;
    }
    return gzip >= 0 ? gzip > 0 : any > 0;
}
