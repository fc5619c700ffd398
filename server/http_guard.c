/**
 * Refuses every request whose framing has two readings.  Pure: it looks at the bytes that the HTTP
 * library left behind and at what the library made of them.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "http_guard.h"

/* tchar of RFC 9110, section 5.6.2 */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_token_char((unsigned char)text[i]))
            return false;
    return size > 0;
}

static int refuse(struct problem *p, const char *why)
{
    return problem_set(p, PROBLEM_FRAMING, NULL, "%s", why);
}

static int check_request_line(const struct guard_head *h, struct problem *p)
{
    size_t method_size = strlen(h->method);

    if (!is_token(h->method, method_size))
        return refuse(p, "the method is not a token");
    if (h->target != h->method + method_size + 1 || h->version != h->target + h->target_size + 1)
        return refuse(p, "the request line must be: method, one blank, target, one blank, version");
    /* the target itself was decoded in place; http_uri.c reads the copy made before that */
    return OK;
}

/* The strings of the headers tile the block from the end of the request line to its last byte. */
static int check_tiling(const struct guard_head *h, struct problem *p)
{
    static const char GAP[] = "a NUL byte, a bare line feed, a folded line or a blank in a header's name";
    const char *end = h->method + h->size;
    const char *at = h->version + strlen(h->version);

    if (h->size == 0 || at > end)
        return refuse(p, "the size of the header block is not known");
    for (size_t i = 0; i <= h->n_headers; i++) {
        /* the end of the line before: CR LF, now two NULs */
        if (end - at < 2 || at[0] != '\0' || at[1] != '\0')
            return refuse(p, GAP);
        at += 2;
        if (i == h->n_headers)
            break;
        const struct guard_header *f = &h->headers[i];
        if (f->name != at || f->name_size >= (size_t)(end - at) || !is_token(f->name, f->name_size))
            return refuse(p, GAP);
        at += f->name_size + 1; /* the colon */
        if (f->value < at || f->value > end || f->value_size > (size_t)(end - f->value))
            return refuse(p, GAP);
        for (; at < f->value; at++)
            if (*at != ' ' && *at != '\t')
                return refuse(p, GAP);
        for (; at < f->value + f->value_size; at++)
            if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
                return refuse(p, "a control character (a bare carriage return, say) in a header's value");
    }
    /* the empty line */
    if (end - at != 2 || at[0] != '\0' || at[1] != '\0')
        return refuse(p, GAP);
    return OK;
}

static bool is_named(const struct guard_header *f, const char *name)
{
    return strlen(name) == f->name_size && strncasecmp(f->name, name, f->name_size) == 0;
}

/* Plain digits and nothing else; the library stops at 64 bits, so do we. */
static bool read_length(const struct guard_header *f, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < f->value_size; i++) {
        unsigned digit = (unsigned)(unsigned char)f->value[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return f->value_size > 0;
}

/* Headers that must not be repeated: two of them are two readings. */
static const char *const ONCE[] = {"Host",   "Content-Length",   "Transfer-Encoding", "Content-Type",
                                   "Origin", "Content-Encoding", "Authorization",     "Sec-Fetch-Site"};

enum { N_ONCE = sizeof ONCE / sizeof ONCE[0] };

static int check_repeats(const struct guard_head *h, struct problem *p)
{
    unsigned seen = 0;

    for (size_t i = 0; i < h->n_headers; i++)
        for (unsigned k = 0; k < N_ONCE; k++) {
            if (!is_named(&h->headers[i], ONCE[k]))
                continue;
            if ((seen & (1u << k)) != 0)
                return problem_set(p, PROBLEM_FRAMING, NULL, "%s is repeated", ONCE[k]);
            seen |= 1u << k;
        }
    return OK;
}

static int check_framing_headers(const struct guard_head *h, struct guard_framing *out, struct problem *p)
{
    bool is_1_0 = strcmp(h->version, "HTTP/1.0") == 0, has_host = false, has_coding = false;

    for (size_t i = 0; i < h->n_headers; i++) {
        const struct guard_header *f = &h->headers[i];
        if (is_named(f, "Host")) {
            has_host = true;
        } else if (is_named(f, "Content-Length")) {
            if (!read_length(f, &out->length))
                return refuse(p, "Content-Length is not plain digits");
            out->has_length = true;
        } else if (is_named(f, "Transfer-Encoding")) {
            /* to the byte: the library compares without trimming, and reads anything else up to the
               end of the connection */
            if (f->value_size != strlen("chunked") || strncasecmp(f->value, "chunked", f->value_size) != 0)
                return refuse(p, "the only Transfer-Encoding understood is chunked");
            has_coding = true;
        } else if (is_named(f, "Expect")) {
            out->expects_continue = true;
        }
    }
    out->chunked = has_coding;
    if (has_coding && out->has_length)
        return refuse(p, "Transfer-Encoding and Content-Length together");
    if (has_coding && is_1_0)
        return refuse(p, "HTTP/1.0 has no Transfer-Encoding");
    if (!has_host && !is_1_0)
        return refuse(p, "Host is missing");
    return OK;
}

int guard_check(const struct guard_head *head, struct guard_framing *out, struct problem *p)
{
    struct guard_framing framing = {0};
    int rc = check_request_line(head, p);

    if (rc == OK)
        rc = check_tiling(head, p);
    if (rc == OK)
        rc = check_repeats(head, p);
    if (rc == OK)
        rc = check_framing_headers(head, &framing, p);
    if (rc == OK)
        *out = framing;
    return rc;
}
