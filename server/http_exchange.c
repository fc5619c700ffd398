/**
 * Exchanges are used again: each is larger than eight kilobytes, and most requests fit into one without another allocation.
 *
 * Invariant: a network has at most SPARE_MAX spare ones, which hold nothing but themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "http_exchange.h"

struct exchange *exchange_new(struct network *n)
{
    struct exchange *x = n->spare;

    if (x != NULL) {
        n->spare = x->next_spare;
        n->n_spare--;
    } else {
        x = malloc(sizeof *x);
        if (x == NULL)
            return NULL;
    }
    memset(x, 0, offsetof(struct exchange, problem));
    x->network = n;
    arena_init_in(&x->q.arena, x->room, sizeof x->room);
    response_init(&x->r);
    body_init(&x->body, &n->http->budget);
    return x;
}

static void free_exchange(struct exchange *x)
{
    struct network *n = x->network;

    body_release(&x->body);
    response_release(&x->r);
    arena_release(&x->q.arena);
    gate_leave(&n->http->gate, &x->ticket);
    if (n->n_spare == SPARE_MAX) {
        free(x);
        return;
    }
    x->next_spare = n->spare;
    n->spare = x;
    n->n_spare++;
}

void exchange_end(struct exchange *x)
{
    struct http *h = x->network->http;
    bool counted = x->is_counted;

    free_exchange(x);
    if (counted)
        drain_leave(&h->exchanges);
}

void exchange_free_spares(struct network *n)
{
    for (struct exchange *x = n->spare, *next; x != NULL; x = next) {
        next = x->next_spare;
        free(x);
    }
    n->spare = NULL;
    n->n_spare = 0;
}
