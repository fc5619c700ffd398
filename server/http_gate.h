#ifndef HTTP_GATE_H
#define HTTP_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * The gate before decoding: a body of records becomes several times as large when it is decoded, and stays so until it
 * is committed.  Only so much passes at once; the others wait with what they have, in the order in which they came,
 * instead of being refused.
 *
 * Thread: any.
 */
struct gate_ticket {
    int64_t weight; /* bytes that it stands for while inside; 0: not inside, nor waiting */
    bool is_inside;
    struct gate_ticket *next; /* private */
};

struct gate {
    pthread_mutex_t mutex;
    int64_t used, max;
    struct gate_ticket *head, **tail; /* those that wait, the first one first */
    void (*let_in)(struct gate_ticket *ticket);
};

/** gate_init(g, max, let_in): let_in is called once for each ticket that had to wait, by a thread that calls gate_leave(). */
void gate_init(struct gate *g, int64_t max, void (*let_in)(struct gate_ticket *ticket));
void gate_release(struct gate *g);

/** gate_enter(g, ticket, weight): true: it is inside.  false: it waits, and is inside when let_in() is called.  One that
 *  is alone always passes. */
bool gate_enter(struct gate *g, struct gate_ticket *ticket, int64_t weight);

/** gate_leave(g, ticket): of one that is inside; else nothing happens. */
void gate_leave(struct gate *g, struct gate_ticket *ticket);

#endif
