#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include "problem.h"

/**
 * A network thread: it waits for sockets, or for mail, and lets the HTTP library do what there is to do.
 *
 * Mail is how other threads reach what belongs to this one.  Under load many letters are opened at one wake-up, and
 * none wakes a thread that is awake.
 */
struct loop;

/* A letter: part of what it is about, which must stay until it is opened. */
struct loop_mail {
    void (*open)(struct loop_mail *mail); /* on the loop's thread */
    struct loop_mail *next;               /* private to the loop once it is posted */
};

struct loop_options {
    int fd;                        /* readable when there is something to do for run() */
    int (*wait_ms)(void *context); /* how long it may sleep: 0 not at all, -1 for ever */
    void (*run)(void *context);    /* all that there is to do, without waiting */
    void *context;
};

/** The three functions are called on the new thread, until loop_stop(). */
int loop_start(struct loop **out, const struct loop_options *options, struct problem *p);

/** loop_post(l, mail): have it opened, in the order of posting.  Any thread; never waits. */
void loop_post(struct loop *l, struct loop_mail *mail);
/** loop_post_all(l, newest, oldest): letters that are linked by next, each to the one before it. */
void loop_post_all(struct loop *l, struct loop_mail *newest, struct loop_mail *oldest);

/** loop_stop(l): end the thread.  Mail may still be posted. */
void loop_stop(struct loop *l);
/** loop_free(l): after loop_stop(), and when nobody posts any more; mail that is left is opened here.  NULL does nothing. */
void loop_free(struct loop *l);

#endif
