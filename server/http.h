#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buffer.h"
#include "server_limits.h"
#include "problem.h"

/**
 * The only module that knows libmicrohttpd.  It listens, guards the framing, reads a whole request
 * into a struct request, gives it to the dispatcher (routes.h), and sends the struct response.
 *
 * Threads.  A small pool of epoll threads reads and writes sockets; a pool of workers, each with its
 * own read connection to the store, runs the handlers that may wait (ROUTE_WORKER) while the
 * connection is suspended.  A handler therefore never blocks the network.
 */
enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_REFUSED, /* OPTIONS, TRACE, CONNECT: known, and 405 everywhere */
    METHOD_OTHER    /* 501 */
};

enum { REQUEST_ARGS_MAX = 64, RESPONSE_HEADERS_MAX = 8 };

struct app;
struct route;
struct store_conn;

struct request_arg {
    const char *name;  /* decoded, NUL-terminated, valid UTF-8 */
    const char *value; /* decoded; "" where there was no '=' */
};

struct request {
    struct app *app;
    const struct route *route; /* NULL before routing */
    enum method method;
    const char *path; /* decoded path, without the query */
    const char *run;  /* what {run} captured; a valid run id; NULL if the route has none */
    const char *tail; /* what {tail} captured (assets); NULL */
    struct request_arg args[REQUEST_ARGS_MAX];
    size_t n_args;

    /* headers that somebody reads; NULL if absent */
    const char *host, *origin, *authorization, *cookie, *sec_fetch_site;
    const char *content_type, *content_encoding, *accept, *accept_encoding, *if_none_match;
    int64_t token;             /* the number of the caller's; 0: none is asked for, or not known yet */
    const char *token_project; /* the only project that the caller may see and touch; NULL: all */

    const char *body; /* whole, decompressed; borrowed from the request */
    size_t body_size;

    int64_t now;                  /* arrival, ms since 1970 */
    struct arena arena;           /* everything of this request; freed when the answer is out */
    struct store_conn *reader;    /* ROUTE_WORKER: the worker's read connection; else NULL */
    void *pending;                /* ROUTE_ASYNC: the handler's own */
    struct request *next_resumed; /* see http_resume() */
    void *http;                   /* private to http */
};

struct response_header {
    const char *name;
    const char *value; /* in the request's arena, or static */
};

struct response {
    int status;               /* 200 by default */
    const char *content_type; /* "application/json" by default */
    struct buffer body;
    const char *static_body; /* if not NULL, sent instead of body: lives as long as the process */
    size_t static_size;
    struct response_header headers[RESPONSE_HEADERS_MAX];
    size_t n_headers;
};

/** response_header_add(r, name, value): beyond RESPONSE_HEADERS_MAX is a defect (assert). */
void response_header_add(struct response *r, const char *name, const char *value);

/** request_arg(q, name): the value of a query parameter, NULL if it was not sent. */
const char *request_arg(const struct request *q, const char *name);

/** request_remote(q, address): who is at the other end of the connection; IPv4 as ::ffff:a.b.c.d.  Zeros: unknown. */
void request_remote(const struct request *q, uint8_t address[16]);

/** request_body_done(q): the body was read and is not needed any more; its memory is given back. */
void request_body_done(struct request *q);

struct http;

struct http_options {
    const char *address; /* "127.0.0.1", "::1", "0.0.0.0", ... */
    uint16_t port;       /* 0: any free one */
    const struct limits *limits;
    struct app *app;
    unsigned n_network_threads, n_workers; /* 0: chosen from the cores */
    bool is_tls;                           /* with what certificate_load() has read */
};

/** http_start(out, options, p): listen and answer.  out is set before the first request is read, since its
 *  handler may look at it; NULL again on failure.  The problem's text is for the operator. */
int http_start(struct http **out, const struct http_options *options, struct problem *p);
uint16_t http_port(const struct http *h);

/** http_resume(first): asynchronous requests are done, this one and those linked behind it by next_resumed; their routes'
 *  finish() will be called and the answers sent.  One wake-up a network thread, however many they are.  Any thread. */
void http_resume(struct request *first);

/* What /metrics says of the network side. */
struct http_stats {
    int64_t connections;     /* now */
    int64_t connections_cut; /* since start: past a deadline, or oldest without a header under pressure */
    int64_t requests;        /* now: between the header's arrival and the end of the answer */
    int64_t body_bytes;      /* now: bodies held in memory */
};

void http_stats_get(struct http *h, struct http_stats *out);

/** http_quiesce(h): take no new connections; new requests on open ones get 503 stopping. */
void http_quiesce(struct http *h);
/**
 * http_stop(h): quiesce, wait (bounded) until every request is answered, then stop and free.  A handler that does not
 * come back within the bound is logged; then false is returned, and threads still use h and the store: exit without cleaning up.
 */
bool http_stop(struct http *h);

#endif
