/** Request targets, read strictly and once, from the bytes as they were sent. */
#include <stdbool.h>
#include <string.h>

#include "http_uri.h"
#include "utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum decoded { DECODED, DECODE_NO_MEMORY, DECODE_ESCAPE, DECODE_BYTES };

/* Decode text into the arena.  is_form: '+' is a blank. */
static enum decoded decode(struct arena *arena, const char *text, size_t size, bool is_form, const char **out)
{
    char *to = arena_alloc(arena, size + 1);
    size_t n = 0;

    if (to == NULL)
        return DECODE_NO_MEMORY;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '%') {
            int high = size - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = size - i > 2 ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return DECODE_ESCAPE;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && is_form) {
            c = ' ';
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return DECODE_BYTES;
        to[n++] = c;
    }
    to[n] = '\0';
    if (!utf8_is_valid(to, n))
        return DECODE_BYTES;
    *out = to;
    return DECODED;
}

static int decode_failed(struct problem *p, int code, enum decoded why, const char *what, const char *text, size_t size)
{
    char quoted[96];

    if (why == DECODE_NO_MEMORY)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    problem_quote(quoted, sizeof quoted, text, size);
    return problem_set(p, code, NULL, "%s \"%s\": %s", what, quoted,
                       why == DECODE_ESCAPE ? "a '%' must be followed by two hexadecimal digits"
                                            : "control characters and invalid UTF-8 are not allowed");
}

static int parse_pair(const char *text, size_t size, struct request *q, struct request_arg *arg, struct problem *p)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals != NULL ? (size_t)(equals - text) : size;
    enum decoded why = decode(&q->arena, text, name_size, true, &arg->name);

    if (why == DECODED)
        why = equals == NULL ? DECODED : decode(&q->arena, equals + 1, size - name_size - 1, true, &arg->value);
    if (why != DECODED)
        return decode_failed(p, PROBLEM_INVALID, why, "query parameter", text, size);
    if (equals == NULL)
        arg->value = "";
    return OK;
}

static int parse_query(const char *text, size_t size, struct request *q, struct problem *p)
{
    struct request_arg args[REQUEST_ARGS_MAX];
    size_t n = 0;

    for (size_t at = 0; at < size;) {
        const char *amp = memchr(text + at, '&', size - at);
        size_t length = amp != NULL ? (size_t)(amp - text) - at : size - at;
        if (length > 0) {
            if (n == REQUEST_ARGS_MAX)
                return problem_set(p, PROBLEM_INVALID, NULL, "more than %d query parameters", REQUEST_ARGS_MAX);
            int rc = parse_pair(text + at, length, q, &args[n], p);
            if (rc != OK)
                return rc;
            for (size_t i = 0; i < n; i++)
                if (strcmp(args[i].name, args[n].name) == 0) {
                    char quoted[80], pointer[96] = "?";
                    problem_quote(quoted, sizeof quoted, args[n].name, strlen(args[n].name));
                    strncat(pointer, quoted, sizeof pointer - 2);
                    return problem_set(p, PROBLEM_INVALID, pointer, "query parameter \"%s\" is repeated", quoted);
                }
            n++;
        }
        at += length + 1;
    }
    for (size_t i = 0; i < n; i++)
        q->args[i] = args[i];
    q->n_args = n;
    return OK;
}

/* An escaped '/' would be a separator for some and a letter for others. */
static bool has_escaped_slash(const char *text, size_t size)
{
    for (size_t i = 0; i + 2 < size; i++)
        if (text[i] == '%' && text[i + 1] == '2' && (text[i + 2] == 'f' || text[i + 2] == 'F'))
            return true;
    return false;
}

int uri_parse(const char *target, size_t size, struct request *q, struct problem *p)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)target[i] <= 0x20 || target[i] == 0x7f || target[i] == '#')
            return problem_set(p, PROBLEM_FRAMING, NULL, "the request target holds a byte that must be escaped");
    if (size == 0 || target[0] != '/')
        return problem_set(p, PROBLEM_FRAMING, NULL, "the request target must be a path that begins with '/'");

    const char *question = memchr(target, '?', size);
    size_t path_size = question != NULL ? (size_t)(question - target) : size;
    if (has_escaped_slash(target, path_size))
        return problem_set(p, PROBLEM_NOT_FOUND, NULL, "no path has an escaped '/'");
    enum decoded why = decode(&q->arena, target, path_size, false, &q->path);
    if (why != DECODED)
        return decode_failed(p, PROBLEM_FRAMING, why, "path", target, path_size);
    return question != NULL ? parse_query(question + 1, size - path_size - 1, q, p) : OK;
}
