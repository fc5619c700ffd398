/**
 * A running server against bytes from strangers, over real sockets.
 *     socket_fuzz PORT SECONDS SEED [THREADS]     prints the seed, what was sent and what came back; 0: every invariant held
 *     socket_fuzz PORT one SEED                   one conversation again, shown
 *
 * Invariants: the server answers or closes within DEADLINE_S of the last byte; what it sends is HTTP; no 5xx but 501, 503
 * and 505; where no byte was changed, every request is answered; and beside it all
 * /healthz answers and the run `keep` has the value that it had (SOCKET_KEEP in the environment: its accuracy, as text).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "differential.h"
#include "socket_script.h"

enum { DEADLINE_S = 20, IDLE_MS = 30, ANSWERS_CAP = 1 << 23, THREADS_MAX = 64, FAILURES_SHOWN = 5 };

static int port;
static _Atomic bool stopping;
static _Atomic uint64_t conversations, requests, answers, failures, by_status[600];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* From one of many addresses, so that ports do not run out. */
static int dial(uint64_t salt)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl((uint32_t)(0x7f000001 + salt % 250));
    to.sin_addr.s_addr = htonl(0x7f000001);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void hang_up(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* ---- one conversation ---- */

struct talk {
    struct script script;
    uint8_t answers[ANSWERS_CAP];
    size_t size;
    bool timed_out, is_closed;
};

/* false: nothing more will come. */
static bool take(struct talk *t, int fd)
{
    if (t->size == ANSWERS_CAP)
        t->size = 0; /* only in a defect */
    ssize_t n = recv(fd, t->answers + t->size, ANSWERS_CAP - t->size, 0);
    if (n > 0)
        t->size += (size_t)n;
    t->is_closed = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    return !t->is_closed;
}

/* Send in pieces cut at random places, reading what comes meanwhile; then wait for the end of the connection. */
static void converse(struct talk *t, int fd, struct random *g, bool reads)
{
    const struct script *s = &t->script;
    bool drips = one_in(g, 100);
    size_t sent = 0, pieces = drips ? s->size : 1 + (size_t)below(g, 6);
    double deadline = now() + DEADLINE_S;
    t->size = 0;
    t->timed_out = t->is_closed = false;
    while (sent < s->size && !t->is_closed) {
        size_t left = s->size - sent, n = pieces <= 1 ? left : drips ? 1 : 1 + (size_t)below(g, left);
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        if (poll(&p, 1, DEADLINE_S * 1000) <= 0 || now() > deadline) {
            t->timed_out = true;
            return;
        }
        if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !take(t, fd))
            return;
        if ((p.revents & POLLOUT) == 0)
            continue;
        ssize_t went = send(fd, s->data + sent, n, MSG_NOSIGNAL);
        if (went < 0 && errno != EAGAIN)
            break; /* what was answered before is still there to be read */
        sent += went > 0 ? (size_t)went : 0;
        pieces -= pieces > 1;
        if (!drips && one_in(g, 16))
            usleep((useconds_t)below(g, 300));
        if (drips && sent > 300)
            drips = false, pieces = 1;
    }
    if (!reads)
        return;
    /* a connection that waits for the rest of a request is ended by this side; the library drops answers that are not
       ready by then, so only where nothing is promised */
    bool may_wait = s->must_answer == 0;
    for (deadline = now() + DEADLINE_S; !t->is_closed;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, may_wait ? IDLE_MS : DEADLINE_S * 1000);
        if (n == 0 && may_wait) {
            shutdown(fd, SHUT_WR);
            may_wait = false;
        } else if (n <= 0 || now() > deadline) {
            t->timed_out = true;
            return;
        } else {
            take(t, fd);
        }
    }
}

static void complain(const struct talk *t, uint64_t seed, const char *why)
{
    if (atomic_fetch_add(&failures, 1) >= FAILURES_SHOWN)
        return;
    flockfile(stdout);
    printf("conversation %" PRIu64 ": %s\n---- sent\n%.*s\n---- answered\n%.*s\n----\n", seed, why, (int)t->script.size,
           (const char *)t->script.data, t->size < 4000 ? (int)t->size : 4000, (const char *)t->answers);
    fflush(stdout);
    funlockfile(stdout);
}

static void check(struct talk *t, uint64_t seed)
{
    int statuses[64];
    char why[200];
    if (t->timed_out) {
        snprintf(why, sizeof why, "no end within %d s", DEADLINE_S);
        complain(t, seed, why);
        return;
    }
    int n = answers_check(t->answers, t->size, t->script.has_head, statuses, 64, why, sizeof why);
    if (n < 0) {
        complain(t, seed, why);
        return;
    }
    atomic_fetch_add(&answers, (uint64_t)n);
    for (int i = 0; i < n && i < 64; i++)
        if (statuses[i] < 600)
            atomic_fetch_add(&by_status[statuses[i]], 1);
    if (n < t->script.must_answer) {
        snprintf(why, sizeof why, "%d sound requests, %d answers", t->script.must_answer, n);
        complain(t, seed, why);
    }
}

static void one_conversation(struct talk *t, uint64_t seed)
{
    struct random g = {seed ^ UINT64_C(0x5bd1e995)};
    script_make(&t->script, seed);
    bool reads = !one_in(&g, 50);
    int fd = dial(seed);
    if (fd < 0) {
        complain(t, seed, strerror(errno));
        usleep(100000);
        return;
    }
    converse(t, fd, &g, reads);
    hang_up(fd);
    if (reads)
        check(t, seed);
    atomic_fetch_add(&conversations, 1);
    atomic_fetch_add(&requests, (uint64_t)t->script.requests);
}

struct worker {
    pthread_t thread;
    uint64_t seed;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    struct random seeds = {w->seed};
    struct talk *t = malloc(sizeof *t);
    if (t == NULL)
        abort();
    while (!atomic_load(&stopping))
        one_conversation(t, next(&seeds));
    free(t);
    return NULL;
}

/* ---- what honest clients see meanwhile ---- */

static bool ask(struct talk *t, const char *target, const char *want)
{
    int fd = dial(0);
    struct random g = {1};
    if (fd < 0)
        return false;
    t->script.must_answer = 1;
    t->script.size = (size_t)snprintf((char *)t->script.data, SCRIPT_CAP,
                                      "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    converse(t, fd, &g, true);
    hang_up(fd);
    return !t->timed_out && memmem(t->answers, t->size, "HTTP/1.1 200 ", 13) != NULL &&
           memmem(t->answers, t->size, want, strlen(want)) != NULL;
}

static void look(struct talk *t, const char *keep)
{
    if (!ask(t, "/healthz", "ok"))
        complain(t, 0, "/healthz does not answer");
    if (keep != NULL && !ask(t, "/api/v1/runs/keep/epochs?stage=train&metric=accuracy", keep))
        complain(t, 0, "the run that nobody writes to has another value");
}

static int show_one(struct talk *t, uint64_t seed)
{
    one_conversation(t, seed);
    printf("---- sent\n%.*s\n---- answered\n%.*s\n----\n", (int)t->script.size, (const char *)t->script.data,
           (int)t->size, (const char *)t->answers);
    return failures > 0;
}

int main(int argc, char **argv)
{
    struct talk *t = malloc(sizeof *t);
    if (argc < 4 || t == NULL) {
        fprintf(stderr, "socket_fuzz PORT SECONDS|one SEED [THREADS]\n");
        return 2;
    }
    port = atoi(argv[1]);
    uint64_t seed = strtoull(argv[3], NULL, 10);
    if (strcmp(argv[2], "one") == 0) {
        int code = show_one(t, seed);
        free(t);
        return code;
    }
    struct worker workers[THREADS_MAX];
    int n = argc > 4 ? atoi(argv[4]) : 32;
    n = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
    double start = now(), seconds = atof(argv[2]);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    for (int i = 0; i < n; i++) {
        workers[i].seed = seed * 1000003 + (uint64_t)i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    while (now() - start < seconds && failures < FAILURES_SHOWN) {
        usleep(250000);
        look(t, getenv("SOCKET_KEEP"));
    }
    atomic_store(&stopping, true);
    for (int i = 0; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    look(t, getenv("SOCKET_KEEP"));
    double took = now() - start;
    printf("%" PRIu64 " connections, %" PRIu64 " requests sent, %" PRIu64 " answers (%.0f/s), %" PRIu64
           " failures; by status:",
           conversations, requests, answers, (double)answers / took, failures);
    for (int i = 0; i < 600; i++)
        if (by_status[i] > 0)
            printf(" %d:%" PRIu64, i, by_status[i]);
    printf("\n");
    free(t);
    return failures > 0;
}
