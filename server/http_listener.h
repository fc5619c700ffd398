#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include "http_conn.h"
#include "server_limits.h"
#include "problem.h"

/**
 * The door: one thread that accepts connections, keeps an eye on the deadline of each (http_conn.h), and sees
 * refused uploads out (http_linger.h).
 */
struct listener;

struct listener_options {
    const char *address; /* numeric, IPv4 or IPv6 */
    uint16_t port;       /* 0: any free one */
    const struct limits *limits;
    /* A new connection; takes fd.  On the listener's thread. */
    void (*accepted)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    void *context;
};

/**
 * listener_open(out, options, p): bind and listen, raise RLIMIT_NOFILE so that limits->connections fit (or serve
 * fewer and log it), but accept nothing yet.
 * Returns  OK; PROBLEM_INVALID (not a numeric address), PROBLEM_INTERNAL (address in use, ...).
 */
int listener_open(struct listener **out, const struct listener_options *options, struct problem *p);
uint16_t listener_port(const struct listener *l);
int64_t listener_connections_max(const struct listener *l);
struct conn_list *listener_connections(const struct listener *l);

/** Begin to accept. */
int listener_start(struct listener *l, struct problem *p);
/** Take no more connections; deadlines and lingering go on.  Any thread, once or more. */
void listener_quiesce(struct listener *l);
/** Stop the thread and free.  After every conn_close().  NULL does nothing. */
void listener_close(struct listener *l);

/** listener_linger(l, c): the client may still be sending a body that was refused: see it out.  Any thread. */
void listener_linger(struct listener *l, const struct conn *c);

#endif
