/**
 * A list of jobs and a thread that takes all of it, syncs once, and finishes them.
 *
 * Invariant, under the mutex: tail is the last link of the list from head.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ingest_sync.h"

struct syncer {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct job *head, **tail;
    bool stopping;

    struct store *store; /* constant */
    syncer_finish *finish;
    void *context;
    pthread_t thread;
};

static void *syncer_main(void *argument)
{
    struct syncer *s = argument;

    pthread_setname_np(pthread_self(), "sync");
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (s->head == NULL && !s->stopping)
            pthread_cond_wait(&s->wake, &s->mutex);
        if (s->head == NULL)
            break;
        struct job *first = s->head;
        s->head = NULL;
        s->tail = &s->head;
        pthread_mutex_unlock(&s->mutex);

        struct problem problem = {0};
        int status = store_sync(s->store, &problem);
        s->finish(s->context, first, status, &problem);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

int syncer_start(struct syncer **out, struct store *store, syncer_finish *finish, void *context, struct problem *p)
{
    struct syncer *s = calloc(1, sizeof *s);

    if (s == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no memory");
    s->tail = &s->head;
    s->store = store;
    s->finish = finish;
    s->context = context;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (pthread_create(&s->thread, NULL, syncer_main, s) != 0) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->mutex);
        free(s);
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the thread that syncs");
    }
    *out = s;
    return OK;
}

void syncer_take(struct syncer *s, struct job *first)
{
    struct job *last = first;

    while (last->next != NULL)
        last = last->next;
    pthread_mutex_lock(&s->mutex);
    *s->tail = first;
    s->tail = &last->next;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}

void syncer_stop(struct syncer *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
