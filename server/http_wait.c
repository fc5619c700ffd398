/**
 * Exchanges that wait: for whoever answers them, for the gate before large bodies, or for the library to call once more.
 *
 * Invariants:
 * 1. an exchange belongs to its network thread, but while it is parked or suspended to whoever will answer it; only its
 *    state, its connection and its place among the parked stay the thread's;
 * 2. n_parked of a network is the number of its exchanges that are parked;
 * 3. its mail is on its way once at most: it waits for one thing at a time, and whoever ends the wait posts it;
 * 4. a connection that was suspended is resumed by that mail, on its own network thread, and by nothing else.
 */
#include <stddef.h>

#include "http_exchange.h"
#include "routes.h"

enum {
    PARKED_MAX = 256, /* of one network thread: each costs a call in each pass */
    PARKED_US = 50000 /* a commit takes less */
};

/* ---- the end of a wait ---- */

static struct exchange *of_mail(struct loop_mail *mail)
{
    return (struct exchange *)(void *)((char *)mail - offsetof(struct exchange, mail));
}

/* The handler is done with it: the library, which runs after the mail was opened, will ask for the answer. */
static void take_back(struct loop_mail *mail)
{
    struct exchange *x = of_mail(mail);

    if (x->state == EXCHANGE_ABANDONED) {
        exchange_end(x);
        return;
    }
    if (x->state == EXCHANGE_PARKED)
        x->network->n_parked--;
    else
        MHD_resume_connection(x->mhd);
    x->state = EXCHANGE_DONE;
}

static void resume(struct loop_mail *mail)
{
    MHD_resume_connection(of_mail(mail)->mhd);
}

void http_resume(struct request *first)
{
    struct http *h = ((struct exchange *)first->http)->network->http;
    struct loop_mail *newest[NETWORKS_MAX] = {NULL}, *oldest[NETWORKS_MAX] = {NULL};

    for (struct request *q = first; q != NULL; q = q->next_resumed) {
        struct exchange *x = q->http;
        size_t i = (size_t)(x->network - h->network);
        x->mail.open = take_back;
        x->mail.next = newest[i];
        if (newest[i] == NULL)
            oldest[i] = &x->mail;
        newest[i] = &x->mail;
    }
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (newest[i] != NULL)
            loop_post_all(h->network[i].loop, newest[i], oldest[i]);
}

/* The gate let it in: on its network thread it is dispatched again. */
void http_let_in(struct gate_ticket *ticket)
{
    struct exchange *x = (struct exchange *)(void *)((char *)ticket - offsetof(struct exchange, ticket));

    x->mail.open = resume;
    loop_post(x->network->loop, &x->mail);
}

/* ---- its beginning ---- */

/* From the submission on the exchange is somebody else's: nothing of it may be touched after a success. */
static enum MHD_Result suspend(struct exchange *x)
{
    const struct route *route = x->q.route;
    struct problem p;

    x->state = EXCHANGE_SUSPENDED;
    MHD_suspend_connection(x->mhd);
    int rc =
        route->kind == ROUTE_WORKER ? workers_submit(x->network->http->workers, &x->work, &p) : route->start(&x->q, &p);
    if (rc != OK) {
        x->problem = p;
        x->rc = rc;
        http_resume(&x->q);
    }
    return MHD_YES;
}

static enum MHD_Result park(struct exchange *x)
{
    struct network *n = x->network;
    struct problem p;

    x->state = EXCHANGE_PARKED;
    x->parked_at = n->pass_at;
    n->n_parked++;
    int rc = x->q.route->start(&x->q, &p);
    if (rc == OK)
        return MHD_YES;
    n->n_parked--;
    x->state = EXCHANGE_DONE;
    x->problem = p;
    x->rc = rc;
    return http_answer(x);
}

enum MHD_Result http_stay_parked(struct exchange *x)
{
    struct network *n = x->network;

    if (n->pass_at - x->parked_at > PARKED_US) {
        n->n_parked--;
        x->state = EXCHANGE_SUSPENDED;
        MHD_suspend_connection(x->mhd);
    }
    return MHD_YES;
}

enum MHD_Result http_wait_for_answer(struct exchange *x)
{
    conn_phase(x->conn, CONN_WORKING, 0);
    return x->q.route->kind == ROUTE_ASYNC && x->network->n_parked < PARKED_MAX ? park(x) : suspend(x);
}

void http_abandon(struct exchange *x)
{
    x->state = EXCHANGE_ABANDONED;
    x->network->n_parked--;
}

void http_wait_for_gate(struct exchange *x)
{
    conn_phase(x->conn, CONN_WORKING, 0);
    MHD_suspend_connection(x->mhd); /* whoever lets it in posts to this very thread, so that comes later */
}

enum MHD_Result http_wait_for_call(struct exchange *x)
{
    MHD_suspend_connection(x->mhd);
    x->mail.open = resume;
    loop_post(x->network->loop, &x->mail);
    return MHD_YES;
}
