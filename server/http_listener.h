#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "limits.h"
#include "problem.h"

/**
 * The door: one thread that accepts connections, keeps an eye on the deadline of each, and sees refused
 * uploads out.  The HTTP library's own timeout is for inactivity only, so a client that sends a byte now
 * and then could stay for ever; here every connection has an absolute deadline, and past it its socket
 * is shut down.  The library then sees the end of the stream and cleans up as always.
 */
struct listener;

/* Where a connection stands.  Only CONN_WAITING ones are cut for others to have room. */
enum conn_phase { CONN_WAITING /* for a complete header */, CONN_BODY, CONN_WORKING /* no deadline */, CONN_SENDING };

struct conn; /* one open connection; owned by the listener from conn_open() to conn_close() */

struct listener_options {
    const char *address; /* numeric, IPv4 or IPv6 */
    uint16_t port;       /* 0: any free one */
    const struct limits *limits;
    /* A new connection; takes fd.  On the listener's thread. */
    void (*accepted)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    void *context;
};

/**
 * listener_open(out, options, p): bind and listen, raise RLIMIT_NOFILE so that limits->connections fit (or
 * serve fewer and log it), but accept nothing yet.
 * Returns  OK; PROBLEM_INVALID (not a numeric address), PROBLEM_INTERNAL (address in use, ...).
 */
int listener_open(struct listener **out, const struct listener_options *options, struct problem *p);
uint16_t listener_port(const struct listener *l);
int64_t listener_connections_max(const struct listener *l);

/** Begin to accept. */
int listener_start(struct listener *l, struct problem *p);
/** Close the listening socket; deadlines and lingering go on.  Any thread, once or more. */
void listener_quiesce(struct listener *l);
/** Stop the thread and free.  After every conn_close().  NULL does nothing. */
void listener_close(struct listener *l);

void listener_counts(const struct listener *l, int64_t *open, int64_t *cut);

/* ---- any thread ---- */
struct conn *conn_open(struct listener *l, int fd);  /* NULL: no memory */
void conn_close(struct listener *l, struct conn *c); /* before its fd is closed */
/** The connection (NULL: nothing happens) enters a phase and must leave it within seconds (0: no deadline). */
void conn_phase(struct conn *c, enum conn_phase phase, int64_t seconds);
/**
 * conn_linger(l, c): the client may still be sending a body that was refused.  Keep a duplicate of its
 * socket and read the rest away for a while (bounded in time and bytes): closing it at once would make
 * the kernel send a reset, which destroys the answer before the client has read it.
 */
void conn_linger(struct listener *l, struct conn *c);

#endif
