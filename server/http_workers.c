/**
 * One queue, several threads.  Invariants, under the mutex: n is the length of the list head .. tail;
 * n <= n_max; a work in the list has not been run.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "http_workers.h"
#include "store.h"

struct worker {
    struct workers *all;
    struct store_conn *reader;
    pthread_t thread;
};

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct work *head, *tail;
    size_t n, n_max;
    bool stopping;

    struct worker *worker; /* constant once started */
    unsigned n_workers;
};

static struct work *next_work(struct workers *w)
{
    struct work *work;

    pthread_mutex_lock(&w->mutex);
    while (w->head == NULL && !w->stopping)
        pthread_cond_wait(&w->has_work, &w->mutex);
    work = w->head;
    if (work != NULL) {
        w->head = work->next;
        if (w->head == NULL)
            w->tail = NULL;
        w->n--;
    }
    pthread_mutex_unlock(&w->mutex);
    return work;
}

static void *work_loop(void *argument)
{
    struct worker *me = argument;

    for (struct work *work; (work = next_work(me->all)) != NULL;)
        work->run(work, me->reader);
    return NULL;
}

int workers_submit(struct workers *w, struct work *work, struct problem *p)
{
    bool accepted;

    work->next = NULL;
    pthread_mutex_lock(&w->mutex);
    accepted = !w->stopping && w->n < w->n_max;
    if (accepted) {
        if (w->tail != NULL)
            w->tail->next = work;
        else
            w->head = work;
        w->tail = work;
        w->n++;
        pthread_cond_signal(&w->has_work);
    }
    pthread_mutex_unlock(&w->mutex);
    if (accepted)
        return OK;
    problem_set(p, PROBLEM_BUSY, NULL, "%zu requests are waiting for a worker already", w->n_max);
    if (p != NULL)
        p->retry_after_s = 1;
    return PROBLEM_BUSY;
}

int workers_start(struct workers **out, struct store *store, unsigned n_threads, size_t queue_max, struct problem *p)
{
    struct workers *w = calloc(1, sizeof *w);
    int rc = OK;

    if (w == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for the workers");
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->has_work, NULL);
    w->n_max = queue_max;
    w->worker = calloc(n_threads, sizeof *w->worker);
    if (w->worker == NULL)
        rc = problem_set(p, PROBLEM_MEMORY, NULL, "no memory for the workers");
    for (; rc == OK && w->n_workers < n_threads; w->n_workers++) {
        struct worker *worker = &w->worker[w->n_workers];
        worker->all = w;
        if (store != NULL)
            rc = store_reader_open(store, &worker->reader, p);
        if (rc != OK)
            break;
        if (pthread_create(&worker->thread, NULL, work_loop, worker) != 0) {
            rc = problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start a worker thread");
            if (worker->reader != NULL)
                store_reader_close(worker->reader);
            break;
        }
    }
    if (rc != OK) {
        workers_stop(w);
        return rc;
    }
    *out = w;
    return OK;
}

void workers_stop(struct workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_broadcast(&w->has_work);
    pthread_mutex_unlock(&w->mutex);
    for (unsigned i = 0; i < w->n_workers; i++) {
        pthread_join(w->worker[i].thread, NULL);
        if (w->worker[i].reader != NULL)
            store_reader_close(w->worker[i].reader);
    }
    free(w->worker);
    pthread_cond_destroy(&w->has_work);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}
