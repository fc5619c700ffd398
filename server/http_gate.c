/**
 * Invariants, under the mutex: used is the sum of the weights inside; who waits has found others inside or before it,
 * so somebody is left to let it in.
 */
#include <stddef.h>

#include "http_gate.h"

void gate_init(struct gate *g, int64_t max, void (*let_in)(struct gate_ticket *ticket))
{
    pthread_mutex_init(&g->mutex, NULL);
    g->used = 0;
    g->max = max;
    g->head = NULL;
    g->tail = &g->head;
    g->let_in = let_in;
}

void gate_release(struct gate *g)
{
    pthread_mutex_destroy(&g->mutex);
}

static bool fits(const struct gate *g, int64_t weight)
{
    return g->used == 0 || weight <= g->max - g->used;
}

bool gate_enter(struct gate *g, struct gate_ticket *ticket, int64_t weight)
{
    ticket->weight = weight;
    ticket->next = NULL;
    pthread_mutex_lock(&g->mutex);
    ticket->is_inside = g->head == NULL && fits(g, weight);
    if (ticket->is_inside) {
        g->used += weight;
    } else {
        *g->tail = ticket;
        g->tail = &ticket->next;
    }
    bool is_inside = ticket->is_inside;
    pthread_mutex_unlock(&g->mutex);
    return is_inside;
}

void gate_leave(struct gate *g, struct gate_ticket *ticket)
{
    struct gate_ticket *first = NULL, **end = &first;

    if (!ticket->is_inside)
        return;
    ticket->is_inside = false;
    pthread_mutex_lock(&g->mutex);
    g->used -= ticket->weight;
    while (g->head != NULL && fits(g, g->head->weight)) {
        struct gate_ticket *next = g->head;
        g->head = next->next;
        g->used += next->weight;
        next->is_inside = true;
        next->next = NULL;
        *end = next;
        end = &next->next;
    }
    if (g->head == NULL)
        g->tail = &g->head;
    pthread_mutex_unlock(&g->mutex);
    while (first != NULL) {
        struct gate_ticket *next = first->next; /* once let in, it is somebody else's */
        g->let_in(first);
        first = next;
    }
}
