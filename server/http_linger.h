#ifndef HTTP_LINGER_H
#define HTTP_LINGER_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Clients that were refused while they were still sending.  Closing such a socket at once makes the kernel
 * send a reset, which destroys the answer before the client has read it; so a duplicate of the socket is
 * kept, and what still comes is read away for a while, bounded in time and bytes.
 */
enum { LINGER_MAX = 64 };

struct lingering {
    int fd;
    int64_t until_us, bytes_left;
};

struct linger_list {
    pthread_mutex_t mutex; /* guards the arriving */
    struct lingering arriving[LINGER_MAX];
    size_t n_arriving;

    struct lingering active[LINGER_MAX]; /* the listener's thread alone */
    size_t n_active;
};

void linger_init(struct linger_list *l);
void linger_release(struct linger_list *l); /* closes all */

/** linger_add(l, fd): duplicate fd and read the rest away.  Any thread; without effect when there is no room.  true: added. */
bool linger_add(struct linger_list *l, int fd);

/* ---- the listener's thread ---- */
/** linger_poll(l, fds): what to wait for; fds: struct pollfd[LINGER_MAX].  Returns how many. */
size_t linger_poll(const struct linger_list *l, struct pollfd *fds);
/** linger_round(l): read what there is; let go of those that are done or out of time. */
void linger_round(struct linger_list *l);

#endif
