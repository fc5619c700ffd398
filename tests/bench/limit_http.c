/**
 * What libmicrohttpd can do at most: read a POST, answer fixed bytes.
 *     limit_http bare  HEADER...
 *     limit_http group FILE HEADER...
 *     limit_http ring  FILE HEADER...
 * bare answers at once.  group suspends each connection; one thread appends the bodies of all that wait to
 * FILE, calls fdatasync once, and resumes them: a durable server without parsing and without a database.
 * ring does the same in a file of 16 MiB that exists already and is overwritten from the start again, as a
 * recycled write-ahead log is.  HEADER is "Name: value", sent with every answer.
 * Prints "port N", runs until standard input ends.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "timing.h"

enum { POOL = 2, RING_BYTES = 16 << 20, GROUP_BYTES = 1 << 20 };

static const char BODY[] = "{\"accepted\":1,\"duplicates\":0,\"stale\":0}";

struct request {
    struct MHD_Connection *connection;
    struct request *next;
    char *body;
    size_t size, cap;
    bool is_read, is_durable;
};

static struct MHD_Response *response;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t has_requests;
    struct request *head; /* the newest first */
    int fd;               /* -1: answer at once */
    bool is_ring;
} group = {.mutex = PTHREAD_MUTEX_INITIALIZER, .has_requests = PTHREAD_COND_INITIALIZER, .fd = -1};

/* One group at a time: copy the bodies together, write, fdatasync, wake. */
static void *commit_groups(void *unused)
{
    static char data[GROUP_BYTES];
    off_t at = 0;

    (void)unused;
    for (;;) {
        size_t size = 0;
        pthread_mutex_lock(&group.mutex);
        while (group.head == NULL)
            pthread_cond_wait(&group.has_requests, &group.mutex);
        struct request *all = group.head;
        group.head = NULL;
        pthread_mutex_unlock(&group.mutex);

        for (struct request *r = all; r != NULL; r = r->next) {
            if (size + r->size > sizeof data)
                fail("the group is larger than the buffer");
            memcpy(data + size, r->body, r->size);
            size += r->size;
        }
        if (group.is_ring && at + (off_t)size > RING_BYTES)
            at = 0;
        if (pwrite(group.fd, data, size, at) != (ssize_t)size || fdatasync(group.fd) != 0)
            fail("cannot write");
        at += (off_t)size;
        for (struct request *r = all, *next; r != NULL; r = next) {
            next = r->next;
            r->is_durable = true;
            MHD_resume_connection(r->connection);
        }
    }
    return NULL;
}

static void take_body(struct request *r, const char *data, size_t size)
{
    if (r->size + size > r->cap) {
        r->cap = r->size + size + 256;
        r->body = realloc(r->body, r->cap);
        if (r->body == NULL)
            fail("no memory");
    }
    memcpy(r->body + r->size, data, size);
    r->size += size;
}

static enum MHD_Result on_call(void *unused, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **context)
{
    struct request *r = *context;

    (void)unused, (void)url, (void)method, (void)version;
    if (r == NULL) {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return MHD_NO;
        r->connection = connection;
        *context = r;
        return MHD_YES;
    }
    if (*size > 0) {
        take_body(r, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (group.fd < 0 || r->is_durable)
        return MHD_queue_response(connection, MHD_HTTP_OK, response);
    if (r->is_read)
        return MHD_YES;
    r->is_read = true;
    MHD_suspend_connection(connection);
    pthread_mutex_lock(&group.mutex);
    r->next = group.head;
    group.head = r;
    if (r->next == NULL)
        pthread_cond_signal(&group.has_requests);
    pthread_mutex_unlock(&group.mutex);
    return MHD_YES;
}

static void on_completed(void *unused, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct request *r = *context;

    (void)unused, (void)connection, (void)why;
    if (r != NULL)
        free(r->body);
    free(r);
    *context = NULL;
}

static void open_file(const char *path)
{
    static char zeros[1 << 16];

    group.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (group.fd < 0)
        fail("cannot open %s", path);
    for (off_t at = 0; group.is_ring && at < RING_BYTES; at += (off_t)sizeof zeros)
        if (pwrite(group.fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros)
            fail("cannot write %s", path);
    if (fsync(group.fd) != 0)
        fail("cannot write %s", path);
}

static void add_header(char *header)
{
    char *colon = strstr(header, ": ");

    if (colon == NULL)
        fail("a header is \"Name: value\"");
    *colon = '\0';
    if (MHD_add_response_header(response, header, colon + 2) != MHD_YES)
        fail("libmicrohttpd refuses the header %s", header);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int first = 2;
    pthread_t thread;

    if (argc < 2)
        fail("usage: limit_http bare|group|ring [FILE] HEADER...");
    response = MHD_create_response_from_buffer(sizeof BODY - 1, (void *)(uintptr_t)BODY, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        fail("no memory");
    if (strcmp(argv[1], "bare") != 0) {
        if (argc < 3)
            fail("a group needs a file");
        group.is_ring = strcmp(argv[1], "ring") == 0;
        open_file(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        add_header(argv[i]);
    if (group.fd >= 0 && pthread_create(&thread, NULL, commit_groups, NULL) != 0)
        fail("cannot start a thread");

    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | (group.fd >= 0 ? MHD_ALLOW_SUSPEND_RESUME : 0), 0, NULL, NULL,
                         on_call, NULL, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)POOL, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (daemon == NULL)
        fail("cannot start libmicrohttpd");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL)
        fail("no port");
    printf("port %u\n", (unsigned)info->port);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    _exit(0); /* connections may be suspended, and stopping libmicrohttpd then aborts */
}
