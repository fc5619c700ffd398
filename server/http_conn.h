#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>

/**
 * The open connections and the deadline of each.  The HTTP library's own timeout is for inactivity only, so a
 * client that sends a byte now and then could stay for ever; here every connection has an absolute deadline,
 * and past it its socket is shut down.  The library then sees the end of the stream and cleans up as always.
 */
enum conn_phase {
    CONN_WAITING /* for a complete header: the only one that is cut for others to have room */,
    CONN_BODY,
    CONN_WORKING /* no deadline */,
    CONN_SENDING
};

struct conn; /* one connection; owned by the list from conn_open() to conn_close() */
struct conn_list;

struct conn_list *conn_list_new(void);    /* NULL: no memory */
void conn_list_free(struct conn_list *l); /* after every conn_close() */

/* ---- any thread ---- */
struct conn *conn_open(struct conn_list *l, int fd, int64_t header_deadline_s); /* NULL: no memory */
void conn_close(struct conn_list *l, struct conn *c); /* before its fd is closed; NULL does nothing */
int conn_fd(const struct conn *c);
/** The connection (NULL: nothing happens) enters a phase and must leave it within seconds (0: no deadline).  Returns when
 *  that was: us, monotonic, so that nobody who times a request by its phases reads the clock again. */
int64_t conn_phase(struct conn *c, enum conn_phase phase, int64_t seconds);
/** conn_due(c, seconds): its phase must end within seconds, or sooner where that was said before. */
void conn_due(struct conn *c, int64_t seconds);

int64_t conn_count(struct conn_list *l);
int64_t conn_cuts(struct conn_list *l); /* since the start */
void conn_cut_late(struct conn_list *l);
/** conn_cut_oldest(l): the one that has waited longest for a complete header. */
void conn_cut_oldest(struct conn_list *l);

/** conn_hurry(l, body_s, sending_s): the server stops: a body has body_s from now, an answer on its way sending_s. */
void conn_hurry(struct conn_list *l, int64_t body_s, int64_t sending_s);

#endif
