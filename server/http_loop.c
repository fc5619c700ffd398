/**
 * One thread, one file to watch, one box for mail.
 *
 * Invariants:
 * 1. box is a stack of the letters that were posted and not yet taken, the newest first; the loop takes all at once;
 * 2. the loop sleeps only after it has set asleep and then found the box empty, and who posts looks at asleep after
 *    posting: so a letter is never slept upon.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "http_loop.h"

struct loop {
    struct loop_options options;
    _Atomic(struct loop_mail *) box;
    _Atomic bool asleep, stopping;
    int wake_fd;
    bool started;
    pthread_t thread;
};

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);

    (void)n; /* EAGAIN: it is awake already */
}

void loop_post(struct loop *l, struct loop_mail *mail)
{
    loop_post_all(l, mail, mail);
}

void loop_post_all(struct loop *l, struct loop_mail *newest, struct loop_mail *oldest)
{
    struct loop_mail *head = atomic_load_explicit(&l->box, memory_order_relaxed);

    do
        oldest->next = head;
    while (!atomic_compare_exchange_weak(&l->box, &head, newest));
    /* from here on the letters are the loop's */
    if (atomic_load(&l->asleep) && atomic_exchange(&l->asleep, false))
        wake(l);
}

static void open_mail(struct loop *l)
{
    struct loop_mail *mail = atomic_exchange(&l->box, NULL), *in_order = NULL;

    while (mail != NULL) {
        struct loop_mail *next = mail->next;
        mail->next = in_order;
        in_order = mail;
        mail = next;
    }
    while (in_order != NULL) {
        struct loop_mail *next = in_order->next; /* what is opened may be gone */
        in_order->open(in_order);
        in_order = next;
    }
}

static void sleep_until_needed(struct loop *l)
{
    int ms = l->options.wait_ms(l->options.context);

    if (ms == 0)
        return;
    atomic_store(&l->asleep, true);
    if (atomic_load(&l->box) == NULL && !atomic_load(&l->stopping)) {
        struct pollfd fds[] = {{.fd = l->options.fd, .events = POLLIN}, {.fd = l->wake_fd, .events = POLLIN}};
        int n = poll(fds, 2, ms);
        if (n > 0 && (fds[1].revents & POLLIN) != 0) {
            uint64_t count;
            ssize_t size = read(l->wake_fd, &count, sizeof count);
            (void)size;
        }
    }
    atomic_store(&l->asleep, false);
}

static void *loop_main(void *argument)
{
    struct loop *l = argument;

    pthread_setname_np(pthread_self(), "network");
    while (!atomic_load(&l->stopping)) {
        sleep_until_needed(l);
        open_mail(l);
        l->options.run(l->options.context);
    }
    return NULL;
}

int loop_start(struct loop **out, const struct loop_options *options, struct problem *p)
{
    struct loop *l = calloc(1, sizeof *l);
    int rc = OK;

    if (l == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for a network thread");
    l->options = *options;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0)
        rc = problem_set(p, PROBLEM_INTERNAL, NULL, "no file for a network thread: %s", strerror(errno));
    else if (pthread_create(&l->thread, NULL, loop_main, l) != 0)
        rc = problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start a network thread");
    else
        l->started = true;
    if (rc != OK) {
        loop_free(l);
        return rc;
    }
    *out = l;
    return OK;
}

void loop_stop(struct loop *l)
{
    if (!l->started)
        return;
    atomic_store(&l->stopping, true);
    wake(l);
    pthread_join(l->thread, NULL);
    l->started = false;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    loop_stop(l);
    open_mail(l);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    free(l);
}
