/** The framing guard and request targets: whatever has two readings is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_guard.h"
#include "http_uri.h"
#include "library_head.h"

static int check(const char *raw, size_t size, struct guard_framing *out)
{
    struct library_head m;
    struct problem p = {0};
    int rc = PROBLEM_FRAMING;

    if (library_head_read(&m, raw, size)) {
        m.guarded.headers = m.head.header;
        m.guarded.n_headers = m.head.n;
        rc = guard_check(&m.guarded, out, &p);
    }
    library_head_release(&m);
    return rc;
}

#define REQUEST(text) text, sizeof text - 1

Test(guard, honest_requests_pass_and_say_how_long_their_body_is)
{
    static const struct {
        const char *text;
        size_t size;
        bool chunked, has_length, expects;
        uint64_t length;
    } ROWS[] = {
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false, false, false, 0},
        {REQUEST("GET / HTTP/1.0\r\n\r\n"), false, false, false, 0},
        {REQUEST("GET /a?b=c HTTP/1.1\r\nHost:x\r\nA: \t b c \r\nEmpty:\r\n\r\n"), false, false, false, 0},
        {REQUEST("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0012\r\n\r\n"), false, true, false, 12},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n"), false, true, false,
         UINT64_MAX},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n"), true,
         false, true, 0},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\nName: \xc3\xa9\r\n\r\n"), false, false, false,
         0},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct guard_framing f;
        cr_assert_eq(check(ROWS[i].text, ROWS[i].size, &f), OK, "%s", ROWS[i].text);
        cr_assert_eq(f.chunked, ROWS[i].chunked, "%s", ROWS[i].text);
        cr_assert_eq(f.has_length, ROWS[i].has_length, "%s", ROWS[i].text);
        cr_assert_eq(f.expects_continue, ROWS[i].expects, "%s", ROWS[i].text);
        cr_assert_eq(f.length, ROWS[i].length, "%s", ROWS[i].text);
    }
}

Test(guard, whatever_has_two_readings_is_refused)
{
    static const struct {
        const char *text;
        size_t size;
    } ROWS[] = {
        {REQUEST("GET / HTTP/1.1\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked \r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n")},
        {REQUEST("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 \r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1,1\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n")},
        {REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\0\0C: d\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\n\0\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\n\0A: b\r\n\r\n")},
        {REQUEST("GET /\0a HTTP/1.1\r\nHost: x\r\n\r\n")},
        {REQUEST("GE\0T / HTTP/1.1\r\nHost: x\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\nHost: x\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\n\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\n Host: x\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost : x\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n")},
        {REQUEST("GET / HTTP/1.1\r\nHost: x\r\nX-\xc3\xa9: n\r\n\r\n")},
        {REQUEST("GET  / HTTP/1.1\r\nHost: x\r\n\r\n")},
        {REQUEST("G(T / HTTP/1.1\r\nHost: x\r\n\r\n")},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct guard_framing f = {.length = 77};
        cr_assert_eq(check(ROWS[i].text, ROWS[i].size, &f), PROBLEM_FRAMING, "row %zu: %s", i, ROWS[i].text);
        cr_assert_eq(f.length, 77, "row %zu wrote its result", i);
    }
}

static int read_target(const char *target, struct request *q, struct problem *p)
{
    memset(q, 0, sizeof *q);
    arena_init(&q->arena);
    return uri_parse(target, strlen(target), q, p);
}

Test(uri, targets_are_decoded_once_and_arguments_as_forms_do)
{
    static const struct {
        const char *target, *path;
        size_t n;
        const char *name, *value;
    } ROWS[] = {
        {"/", "/", 0, NULL, NULL},
        {"/?", "/", 0, NULL, NULL},
        {"/a%20b+c", "/a b+c", 0, NULL, NULL},
        {"/x?a=1", "/x", 1, "a", "1"},
        {"/x?&a=1&&", "/x", 1, "a", "1"},
        {"/x?a", "/x", 1, "a", ""},
        {"/x?a=b=c", "/x", 1, "a", "b=c"},
        {"/x?m=f1%2Bx+y", "/x", 1, "m", "f1+x y"},
        {"/x?%61=%C3%A9%2F?", "/x", 1, "a", "\xc3\xa9/?"},
        {"/x?=1", "/x", 1, "", "1"},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct request q;
        struct problem p = {0};
        cr_assert_eq(read_target(ROWS[i].target, &q, &p), OK, "%s: %s", ROWS[i].target, p.detail);
        cr_assert_str_eq(q.path, ROWS[i].path);
        cr_assert_eq(q.n_args, ROWS[i].n, "%s", ROWS[i].target);
        if (ROWS[i].n > 0) {
            cr_assert_str_eq(q.args[0].name, ROWS[i].name);
            cr_assert_str_eq(q.args[0].value, ROWS[i].value);
            cr_assert_str_eq(request_arg(&q, ROWS[i].name), ROWS[i].value);
        }
        cr_assert_null(request_arg(&q, "never sent"));
        arena_release(&q.arena);
    }
}

Test(uri, nothing_is_guessed)
{
    static const struct {
        const char *target;
        int code;
    } ROWS[] = {
        {"", PROBLEM_FRAMING},
        {"*", PROBLEM_FRAMING},
        {"http://x/", PROBLEM_FRAMING},
        {"/a b", PROBLEM_FRAMING},
        {"/a#b", PROBLEM_FRAMING},
        {"/a\x01", PROBLEM_FRAMING},
        {"/%", PROBLEM_FRAMING},
        {"/%4", PROBLEM_FRAMING},
        {"/%zz", PROBLEM_FRAMING},
        {"/%00", PROBLEM_FRAMING},
        {"/%ff", PROBLEM_FRAMING},
        {"/%0a", PROBLEM_FRAMING},
        {"/\xff", PROBLEM_FRAMING},
        {"/a%2Fb", PROBLEM_NOT_FOUND},
        {"/a%2fb", PROBLEM_NOT_FOUND},
        {"/?a=%", PROBLEM_INVALID},
        {"/?a=%4", PROBLEM_INVALID},
        {"/?a=%zz", PROBLEM_INVALID},
        {"/?a=%00", PROBLEM_INVALID},
        {"/?a=%c0%80", PROBLEM_INVALID},
        {"/?a=%ed%a0%80", PROBLEM_INVALID},
        {"/?%=1", PROBLEM_INVALID},
        {"/?a=1&a=2", PROBLEM_INVALID},
        {"/?a=1&%61=2", PROBLEM_INVALID},
        {"/?a=1&b=2&a", PROBLEM_INVALID},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct request q;
        struct problem p = {0};
        cr_assert_eq(read_target(ROWS[i].target, &q, &p), ROWS[i].code, "%s", ROWS[i].target);
        cr_assert_eq(p.code, ROWS[i].code, "%s", ROWS[i].target);
        cr_assert_eq(q.n_args, 0, "%s", ROWS[i].target);
        arena_release(&q.arena);
    }
}

Test(uri, more_arguments_than_a_request_holds_are_refused)
{
    char target[1024] = "/?";
    struct request q;
    struct problem p = {0};

    for (int i = 0; i < REQUEST_ARGS_MAX; i++)
        sprintf(target + strlen(target), "a%d=%d&", i, i);
    cr_assert_eq(read_target(target, &q, &p), OK);
    cr_assert_eq(q.n_args, REQUEST_ARGS_MAX);
    cr_assert_str_eq(request_arg(&q, "a63"), "63");
    arena_release(&q.arena);
    strcat(target, "one=more");
    cr_assert_eq(read_target(target, &q, &p), PROBLEM_INVALID);
    arena_release(&q.arena);
}
