/**
 * The grammar: a request line from the route table, parameters and headers that fit or nearly do, a body of the route's
 * kind in one of its codings.  Then, for some requests, a few bytes of the whole are changed.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential.h"
#include "gzip.h"
#include "routes.h"
#include "socket_script.h"

enum { BODY_CAP = 1 << 14, REQUESTS_MAX = 14, RUNS = 10 };

struct text {
    uint8_t data[BODY_CAP * 2];
    size_t size;
    bool may_close; /* a request after which the server may close, as it says it does */
};

static void put_bytes(struct text *t, const void *data, size_t size)
{
    size_t fits = size < sizeof t->data - t->size ? size : sizeof t->data - t->size;
    memcpy(t->data + t->size, data, fits);
    t->size += fits;
}

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    char piece[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    put_bytes(t, piece, n < (int)sizeof piece ? (size_t)n : sizeof piece - 1);
}

#define CHOOSE(g, list) ((list)[below(g, sizeof(list) / sizeof(list)[0])])

/* ---- parameters ---- */

static const struct {
    const char *name, *values[8];
} ARGS[] = {
    {"stage", {"train", "val-2", "test", "none"}},
    {"metric",
     {"accuracy", "accuracy.macro,loss", "f1.none", "loss:last,loss:min", "auroc", "fbeta@0.5.macro", "ece@l2",
      "x:y:z"}},
    {"epoch", {"0", "1", "3", "9007199254740991", "-1", "1e3"}},
    {"rank", {"0", "1", "65535", "65536"}},
    {"from", {"0", "5", "9007199254740991"}},
    {"to", {"0", "9", "9007199254740991"}},
    {"points", {"1", "10", "1000", "10000", "10001"}},
    {"window", {"1", "7", "9007199254740991"}},
    {"name", {"main", "loss", "parity%2F0", "nothing"}},
    {"class", {"0", "1", "70000"}},
    {"form", {"dense", "sparse"}},
    {"normalize", {"true", "pred", "all", "x"}},
    {"format", {"json", "csv", "xml"}},
    {"limit", {"1", "10", "1000", "0"}},
    {"cursor", {"00", "2d69640a6e0a72", "zz", "0a720a6e"}},
    {"sort", {"id", "-created_at", "tags,config.lr", "-train/accuracy@best", "x/y"}},
    {"columns", {"train/accuracy.macro@last", "config.lr,train/loss@3", "a/b@c", "train/f1@best,train/epoch@last"}},
    {"q", {"lr%3E0.01", "tag%3Aa+name~r", "%22two%20words%22", "status%3Drunning", "%22", "a.b.c%21%3D1"}},
    {"project", {"default", "p", "%20"}},
    {"status", {"running", "finished", "crashed", "gone"}},
    {"tag", {"a", "b", ""}},
    {"runs", {"r0,r1", "r0,r1,r2,r3,r4,r5,r6,r7", "r1,nothing", ""}},
    {"x", {"epoch", "step", "y"}},
    {"group", {"config.lr", "tag", ""}},
    {"config", {"true", "false"}},
    {"mean_of_steps", {"true", "false"}},
    {"zero_division", {"0", "1", "2"}},
};

static void put_value(struct random *g, struct text *t, const char *name)
{
    if (one_in(g, 12)) { /* anything, escaped or as it is */
        t->may_close = true;
        for (int64_t i = below(g, 12); i > 0; i--)
            put(t, one_in(g, 3) ? "%%%02x" : "%c", (unsigned)(one_in(g, 3) ? below(g, 256) : '!' + below(g, 94)));
        return;
    }
    for (size_t i = 0; i < sizeof ARGS / sizeof ARGS[0]; i++)
        if (strcmp(ARGS[i].name, name) == 0) {
            size_t n = 0;
            while (n < 8 && ARGS[i].values[n] != NULL)
                n++;
            put(t, "%s", ARGS[i].values[below(g, n)]);
            return;
        }
    put(t, "%" PRId64, below(g, 9));
}

static void put_args(struct random *g, struct text *t, const char *args)
{
    char word[32];
    char mark = '?';
    for (const char *at = args; *at != '\0';) {
        size_t n = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        at += n + (at[n] == ' ');
        if (one_in(g, 3) || (strcmp(word, "stage") == 0 && !one_in(g, 8)) ||
            (strcmp(word, "runs") == 0 && !one_in(g, 8))) {
            put(t, "%c%s=", mark, one_in(g, 60) ? "other" : word);
            put_value(g, t, word);
            mark = '&';
        }
    }
}

static void put_target(struct random *g, struct text *t, const struct route *route)
{
    static const char *const TAILS[] = {"x", "../../etc/passwd", "%2e%2e/x", "index.html", "a/b.js"};
    for (const char *at = route->path; *at != '\0';) {
        if (strncmp(at, "{run}", 5) == 0) {
            put(t, "r%" PRId64, below(g, RUNS));
            at += 5;
        } else if (strncmp(at, "{tail}", 6) == 0) {
            put(t, "%s", CHOOSE(g, TAILS));
            at += 6;
        } else {
            put(t, "%c", *at++);
        }
    }
    put_args(g, t, strcmp(route->args, "*") == 0 ? "stage x" : route->args);
}

/* ---- bodies ---- */

/* Records of few keys, so that duplicates, conflicts and other shapes are met. */
static void put_records(struct random *g, struct text *t, bool lines)
{
    int64_t n = one_in(g, 5) ? 1 + below(g, 30) : 1;
    put(t, "%s", lines || n == 1 ? "" : "[");
    for (int64_t i = 0; i < n; i++) {
        put(t, "%s{\"stage\":\"%s\",\"epoch\":%" PRId64 ",\"step\":%" PRId64 ",\"rank\":%" PRId64,
            i == 0  ? ""
            : lines ? "\n"
                    : ",",
            one_in(g, 4) ? "test" : "train", below(g, 3), below(g, 40), below(g, 2));
        if (one_in(g, 3))
            put(t, ",\"confusion\":[[%" PRId64 ",1],[2,3]]", below(g, 9));
        else if (one_in(g, 3))
            put(t, ",\"num_classes\":5,\"cells\":[[0,1,%" PRId64 "],[4,4,2]]", below(g, 9));
        else
            put(t, ",\"correct\":%" PRId64 ",\"total\":9", below(g, 10));
        if (one_in(g, 2))
            put(t, ",\"sums\":{\"loss\":[%" PRId64 ".5,9]}", below(g, 9));
        if (one_in(g, 4))
            put(t, ",\"attempt\":\"a%" PRId64 "\"", below(g, 4));
        put(t, "}");
    }
    put(t, "%s", lines || n == 1 ? "" : "]");
}

static void put_document(struct random *g, struct text *t, bool with_status)
{
    static const char *const FIELDS[] = {
        "\"name\":\"n\\u00e9\"",
        "\"notes\":null",
        "\"config\":{\"lr\":0.1,\"net\":{\"depth\":3}}",
        "\"config\":{\"lr\":null,\"a.b\":[1,{}]}",
        "\"tags\":[\"a\",\"b\"]",
        "\"tags\":[]",
        "\"stages\":{\"train\":{\"class_names\":[\"cat\",\"dog\"],\"dataset_size\":9}}",
        "\"project\":\"p\"",
        "\"stages\":{\"test\":null}"};
    static const char *const STATUSES[] = {"running", "finished", "failed", "killed"};
    put(t, "{");
    for (int64_t n = below(g, 3), i = 0; i < n; i++)
        put(t, "%s%s", i > 0 ? "," : "", CHOOSE(g, FIELDS));
    if (with_status && t->data[t->size - 1] == '{')
        put(t, "\"status\":\"%s\"", CHOOSE(g, STATUSES));
    put(t, "}");
}

static void put_body(struct random *g, struct text *t, const struct route *route, bool *lines)
{
    *lines = false;
    if (strstr(route->path, "/batches") != NULL) {
        *lines = one_in(g, 3);
        if (one_in(g, 2)) {
            put_records(g, t, *lines);
        } else {
            t->size = differential_generate(next(g), t->data, BODY_CAP);
            *lines = t->data[0] % 2 == 1;
            t->size--;
            memmove(t->data, t->data + 1, t->size);
        }
    } else if (strstr(route->path, "/rewind") != NULL) {
        put(t, "{\"epoch\":%" PRId64 ",\"step\":%" PRId64 ",\"attempt\":\"a%" PRId64 "\"%s}", below(g, 3), below(g, 40),
            below(g, 40), one_in(g, 2) ? ",\"stage\":\"train\"" : "");
    } else if (strstr(route->path, "/login") != NULL) {
        put(t, "{\"token\":\"tally_%" PRId64 "\"}", below(g, 9));
    } else if (strstr(route->path, "{run}") != NULL) {
        put_document(g, t, route->method == METHOD_PATCH);
    }
    while (t->size > 0 && one_in(g, 8)) /* inside its framing */
        t->data[below(g, t->size)] =
            (uint8_t)(one_in(g, 2) ? below(g, 256) : "{}[]\",:0123456789eE+-.\\\n"[below(g, 24)]);
}

/* The body as it goes over the wire: packed, in chunks. */
static void code_body(struct random *g, struct text *t, bool gzip, bool chunked)
{
    static _Thread_local struct text plain;
    if (gzip) {
        char *packed = NULL;
        size_t n = 0;
        if (gzip_deflate(t->data, t->size, 6, &packed, &n)) {
            if (one_in(g, 6))
                packed[below(g, n)] ^= (char)(1 << below(g, 8));
            t->size = 0;
            put_bytes(t, packed, n);
            free(packed);
        }
    }
    if (!chunked)
        return;
    plain = *t;
    t->size = 0;
    for (size_t at = 0; at < plain.size;) {
        size_t n = 1 + (size_t)below(g, one_in(g, 4) ? 8 : BODY_CAP / 4);
        n = n < plain.size - at ? n : plain.size - at;
        put(t, one_in(g, 2) ? "%zx%s\r\n" : "%zX%s\r\n", n, one_in(g, 8) ? ";a=b" : "");
        put_bytes(t, plain.data + at, n);
        put(t, "\r\n");
        at += n;
    }
    put(t, "0\r\n%s\r\n", one_in(g, 8) ? "X-Trailer: 1\r\n" : "");
}

/* ---- requests ---- */

static void put_headers(struct random *g, struct text *t)
{
    static const char *const HEADERS[] = {"Accept: text/csv",
                                          "Accept: */*;q=0.1, application/json",
                                          "Accept-Encoding: gzip",
                                          "If-None-Match: \"x\", W/\"y\"",
                                          "Origin: http://localhost",
                                          "Origin: http://evil.example",
                                          "Authorization: Bearer tally_0",
                                          "Cookie: tally_session=0",
                                          "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                          "Sec-Fetch-Site: cross-site",
                                          "Expect: 100-continue",
                                          "Connection: keep-alive",
                                          "User-Agent: f"};
    put(t, "Host: localhost\r\n");
    unsigned origins = 0;
    while (one_in(g, 3)) {
        const char *header = CHOOSE(g, HEADERS);
        origins +=
            strncmp(header, "Origin", 6) == 0 || strncmp(header, "Auth", 4) == 0 || strncmp(header, "Sec-", 4) == 0;
        put(t, "%s\r\n", header);
        t->may_close = t->may_close || strncmp(header, "Expect", 6) == 0 || origins > 1; /* repeated, perhaps */
    }
}

static void put_request(struct random *g, struct text *t)
{
    static _Thread_local struct text body;
    const struct route *route = NULL;
    size_t n = 0;
    bool lines = false;
    while (route_at(n) != NULL)
        n++;
    do
        route = route_at((size_t)below(g, n));
    while (strstr(route->path, "/backup") != NULL && !one_in(g, 2000)); /* each makes a file */
    if (one_in(g, 3))                                                   /* most of what a server gets */
        route = route_at(0);
    body.size = 0;
    bool has_body = route->method == METHOD_POST || route->method == METHOD_PUT || route->method == METHOD_PATCH;
    if (has_body)
        put_body(g, &body, route, &lines);
    bool gzip = has_body && one_in(g, 6), chunked = has_body && one_in(g, 10);
    code_body(g, &body, gzip, chunked);
    t->may_close = t->may_close || chunked;
    const char *method = method_name(route->method);
    if (route->method == METHOD_GET && one_in(g, 12))
        method = "HEAD";
    else if (one_in(g, 60))
        method = one_in(g, 2) ? "OPTIONS" : "BREW";
    put(t, "%s ", method);
    put_target(g, t, route);
    put(t, " HTTP/1.1\r\n");
    put_headers(g, t);
    if (has_body || one_in(g, 30)) {
        put(t, "Content-Type: %s\r\n",
            lines           ? "application/x-ndjson"
            : one_in(g, 40) ? "text/plain"
                            : "application/json");
        if (chunked)
            put(t, "Transfer-Encoding: chunked\r\n");
        else
            put(t, "Content-Length: %zu\r\n", body.size);
        if (gzip)
            put(t, "Content-Encoding: gzip\r\n");
    }
    put(t, "\r\n");
    put_bytes(t, body.data, body.size);
}

/* ---- changes by bytes ---- */

static void insert(struct text *t, size_t at, const void *data, size_t size)
{
    if (size > sizeof t->data - t->size)
        return;
    memmove(t->data + at + size, t->data + at, t->size - at);
    memcpy(t->data + at, data, size);
    t->size += size;
}

static void damage(struct random *g, struct text *t)
{
    static const char *const LINES[] = {"Content-Length: 3\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Transfer-Encoding: gzip, chunked\r\n",
                                        "Host: evil\r\n",
                                        " folded\r\n",
                                        "Content-Length : 5\r\n",
                                        "X: a\rb\r\n",
                                        "Content-Length: 99999999999999999999\r\n",
                                        "Content-Encoding: br\r\n",
                                        "Expect: 200-ok\r\n",
                                        "Connection: close\r\n",
                                        ":\r\n",
                                        "\r\n",
                                        "\n"};
    static const char BYTES[] = "\r\n\0%&?#/ \t:;=+0\xff\x80\"";
    size_t at = (size_t)below(g, t->size), n = 1 + (size_t)below(g, 24);
    const uint8_t *line;
    switch (below(g, 7)) {
    case 0:
        t->data[at] = (uint8_t)below(g, 256);
        break;
    case 1:
        t->data[at] = (uint8_t)BYTES[below(g, sizeof BYTES - 1)];
        break;
    case 2:
        n = n < t->size - at ? n : t->size - at - 1;
        memmove(t->data + at, t->data + at + n, t->size - at - n);
        t->size -= n;
        break;
    case 3:
        n = n < t->size - at ? n : t->size - at;
        insert(t, (size_t)below(g, t->size), memcpy((uint8_t[32]){0}, t->data + at, n), n);
        break;
    case 4:
        insert(t, at, &BYTES[below(g, sizeof BYTES - 1)], 1);
        break;
    case 5: /* a header more, behind some line */
        line = memchr(t->data + at / 4, '\n', t->size - at / 4);
        if (line != NULL) {
            const char *more = CHOOSE(g, LINES);
            insert(t, (size_t)(line + 1 - t->data), more, strlen(more));
        }
        break;
    default:
        t->size -= t->size > n ? n : 0; /* cut short: the next request begins inside it */
    }
}

static void add(struct script *s, const void *data, size_t size)
{
    memcpy(s->data + s->size, data, size);
    s->size += size;
}

void script_make(struct script *s, uint64_t seed)
{
    static const char LAST[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static _Thread_local struct text request;
    struct random g = {seed};
    int64_t damaged = one_in(&g, 3) ? 0 : 1 + below(&g, 3);
    int wanted = 1 + (int)below(&g, REQUESTS_MAX);
    s->size = 0;
    s->requests = 0;
    request.may_close = false;
    for (; s->requests < wanted; s->requests++) {
        request.size = 0;
        put_request(&g, &request);
        bool is_last = s->requests + 1 == wanted;
        if (damaged > 0 && (is_last || one_in(&g, 8)))
            for (int64_t k = 0; k < damaged && request.size > 8; k++)
                damage(&g, &request);
        if (request.size + sizeof LAST > sizeof s->data - s->size)
            break;
        add(s, request.data, request.size);
    }
    add(s, LAST, sizeof LAST - 1);
    s->is_intact = damaged == 0;
    s->must_answer = !s->is_intact ? 0 : request.may_close ? 1 : s->requests + 1;
    s->has_head = memmem(s->data, s->size, "HEAD", 4) != NULL;
}
