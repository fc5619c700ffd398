/** A caller that waits: its thread sleeps until the job it has submitted is done. */
#include <pthread.h>
#include <stdbool.h>

#include "ingest.h"

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool done;
};

static void wake_waiters(struct job *first)
{
    for (struct job *job = first, *next; job != NULL; job = next) {
        struct waiter *w = job->context;
        next = job->next;
        pthread_mutex_lock(&w->mutex);
        w->done = true;
        pthread_cond_signal(&w->wake); /* with the mutex held: the waiter's stack is gone once it wakes */
        pthread_mutex_unlock(&w->mutex);
    }
}

int ingest_run(struct ingest *in, struct job *job)
{
    struct waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

    job->done = wake_waiters;
    job->context = &w;
    int status = ingest_submit(in, job, &job->problem);
    if (status != OK) {
        job->status = status;
        job->context = NULL;
        return status;
    }
    pthread_mutex_lock(&w.mutex);
    while (!w.done)
        pthread_cond_wait(&w.wake, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.mutex);
    job->context = NULL;
    return job->status;
}
