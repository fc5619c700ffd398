/**
 * The load generator: POSTs of new batches on kept-alive connections, from one thread.
 *     load -p PORT [-c CONNECTIONS] [-r RECORDS] [-R RUNS] [-e STEPS_PER_EPOCH] [-n TOTAL | -s SECONDS]
 *          [-P RUN_PREFIX] [-l | -t] [-o] [-S] [-k] [-a] [-T TARGET]
 *          [-F line|push] [-B FIRST_MS]
 * Each connection always has one request under way.  Connection c is rank c / RUNS of run c % RUNS; its n-th
 * record is step n.  With -S the connections of a run send its steps together, all of rank 0.  One record goes as
 * JSON, several as NDJSON.  -l adds a loss to each record, -t logs correct and total only, -o makes each request a run of its own, -T posts to
 * another path (%s: the run).  It ends after SECONDS, or when TOTAL records were sent; the answers still under
 * way are waited for.  With -k the server may be killed: the first connection that it closes ends the program.
 * With -a the batches may be there already.
 *
 * Every answer must be 200 and say that all its records were accepted, none of them a duplicate; anything else
 * ends the program with status 1, except 503, which is counted and sent again after a moment.  Prints one line of JSON:
 * rates over the time until the last request was sent, latencies, and what was acknowledged for each run, so
 * that it can be compared with what the server says is stored.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rows.h"
#include "timing.h"

enum { HEAD_MAX = 512, ANSWER_MAX = 16384, CONNECTIONS_MAX = 4096, RUN_MAX = 64, EVENTS = 256, RETRY_MS = 20 };

struct connection {
    int fd;
    int run;          /* which of the runs */
    bool is_waiting;  /* a request is under way, or refused and to be sent again */
    int64_t retry_at; /* 0: it was not refused */
    bool wants_out;   /* epoll watches for room to send */
    struct row_place place;
    int64_t correct; /* of the request under way */
    char *body;      /* [record max * records] */
    size_t body_size;
    char *out; /* the request under way */
    size_t out_size, out_sent;
    char answer[ANSWER_MAX];
    size_t answer_size;
    int64_t sent_at;
};

struct run_totals {
    int64_t batches, correct;
    int64_t next_step; /* -S */
};

static struct {
    int port, n_connections, records, runs, one_run_each, share_steps, may_die, may_repeat;
    int64_t steps_per_epoch, total, first_ms;
    enum rows_format format;
    enum rows_content content;
    double seconds;
    const char *prefix, *target;
} options = {.n_connections = 1,
             .records = 1,
             .runs = 1,
             .steps_per_epoch = 10000,
             .seconds = 2,
             .prefix = "bench",
             .target = "/api/v1/runs/%s/batches"};

static struct row_content variants[ROWS_VARIANTS];
static struct run_totals *totals; /* [runs] */
static struct timing latencies;
static int epoll_fd;
static int64_t end_at; /* no request is sent after it */
static int64_t last_sent_at;
static int64_t retries; /* connections that wait to send again */
static bool is_dead;    /* the server is gone, with -k */
static int64_t records_sent, requests, records, requests_in_time, refused, next_run;

/* ---- requests ---- */

static void make_body(struct connection *c, const char *run)
{
    c->body_size = 0;
    c->correct = 0;
    if (options.share_steps) {
        c->place.n = totals[c->run].next_step;
        totals[c->run].next_step += options.records;
    }
    for (int i = 0; i < options.records; i++, c->place.n++) {
        const struct row_content *r = &variants[rows_variant(&c->place)];
        char *out = c->body + c->body_size;
        c->correct += r->correct;
        if (options.format == ROWS_TALLY) {
            c->body_size += rows_write(out, variants, &c->place);
        } else if (options.format == ROWS_LINE) {
            c->body_size += rows_write_line(out, variants, &c->place, run, options.first_ms);
        } else {
            memcpy(out, r->text, r->text_size);
            c->body_size += r->text_size;
        }
        if (options.records > 1)
            c->body[c->body_size++] = '\n';
    }
}

static void make_request(struct connection *c)
{
    const char *type = options.format != ROWS_TALLY ? "text/plain"
                       : options.records > 1        ? "application/x-ndjson"
                                                    : "application/json";
    char run[RUN_MAX], target[256];

    if (options.one_run_each)
        snprintf(run, sizeof run, "%s-%lld", options.prefix, (long long)next_run++);
    else
        snprintf(run, sizeof run, "%s-%d", options.prefix, c->run);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(target, sizeof target, options.target, run);
#pragma GCC diagnostic pop
    make_body(c, run);
    c->out_size = (size_t)snprintf(
        c->out, HEAD_MAX, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
        target, options.port, type, c->body_size);
    memcpy(c->out + c->out_size, c->body, c->body_size);
    c->out_size += c->body_size;
}

static void watch(struct connection *c, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};

    if (out != c->wants_out && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event) != 0)
        fail("epoll_ctl: %s", strerror(errno));
    c->wants_out = out;
}

static void send_more(struct connection *c)
{
    while (c->out_sent < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, true);
            return;
        }
        if (n < 0 && options.may_die) {
            is_dead = true;
            return;
        }
        if (n < 0)
            fail("send: %s", strerror(errno));
        c->out_sent += (size_t)n;
    }
    watch(c, false);
}

static void send_request(struct connection *c)
{
    c->out_sent = 0;
    c->answer_size = 0;
    c->is_waiting = true;
    c->sent_at = last_sent_at = timing_now();
    send_more(c);
}

/* The next request, unless the time or the records are used up. */
static bool send_next(struct connection *c)
{
    c->is_waiting = false;
    if (options.total > 0 ? records_sent >= options.total : timing_now() >= end_at)
        return false;
    records_sent += options.records;
    make_request(c);
    send_request(c);
    return true;
}

/* ---- answers ---- */

static const char *find_header(const char *head, const char *name)
{
    size_t size = strlen(name);

    for (const char *line = head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, size) == 0)
            return line + size;
    }
    return NULL;
}

/* The body of the answer, zero-terminated, once all of it is here; else NULL. */
static const char *whole_answer(struct connection *c, int *status)
{
    c->answer[c->answer_size] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return NULL;
    const char *length = find_header(c->answer, "content-length:");
    *status = atoi(c->answer + 9);
    if (length == NULL && *status != 204)
        fail("an answer without a length: %s", c->answer);
    size_t size = length == NULL ? 0 : strtoul(length, NULL, 10);
    if (c->answer_size < (size_t)(end + 4 - c->answer) + size)
        return NULL;
    return end + 4;
}

static void take_answer(struct connection *c, int status, const char *body)
{
    int64_t now = timing_now();

    if (status == 503) {
        refused++;
        retries++;
        c->retry_at = now + RETRY_MS * 1000000;
        return;
    }
    if (status == 200 && options.format == ROWS_TALLY) {
        const char *accepted = strstr(body, "\"accepted\":");
        const char *duplicates = strstr(body, "\"duplicates\":");
        if (options.may_repeat) /* nothing to say */
            ;
        else if (accepted == NULL || atoll(accepted + 11) != options.records || duplicates == NULL ||
                 atoll(duplicates + 13) != 0)
            fail("not all of %d records were accepted: %s", options.records, body);
    } else if (status != 204 && (status != 200 || options.format == ROWS_TALLY)) {
        fail("status %d: %s", status, body);
    }
    timing_add(&latencies, now - c->sent_at);
    totals[c->run].batches += options.records;
    totals[c->run].correct += c->correct;
    requests++;
    records += options.records;
    if (options.total > 0 || now <= end_at)
        requests_in_time++;
    send_next(c);
}

static void receive(struct connection *c)
{
    int status = 0;
    ssize_t n = recv(c->fd, c->answer + c->answer_size, ANSWER_MAX - 1 - c->answer_size, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 && options.may_die) {
        is_dead = true;
        return;
    }
    if (n <= 0)
        fail("the server closed a connection");
    c->answer_size += (size_t)n;
    const char *body = whole_answer(c, &status);
    if (body != NULL)
        take_answer(c, status, body);
    else if (c->answer_size == ANSWER_MAX - 1)
        fail("an answer is too long");
}

/* ---- the run ---- */

static void open_connection(struct connection *c, int index)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)options.port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;

    c->run = index % options.runs;
    c->place = (struct row_place){.rank = options.share_steps ? 0 : index / options.runs,
                                  .steps_per_epoch = options.steps_per_epoch};
    size_t room = (size_t)options.records * (ROWS_TEXT_MAX + RUN_MAX);
    c->body = malloc(room);
    c->out = malloc(room + HEAD_MAX);
    if (c->body == NULL || c->out == NULL)
        fail("no memory");
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("cannot watch a connection: %s", strerror(errno));
}

static int count_waiting(const struct connection *all)
{
    int n = 0;

    for (int i = 0; i < options.n_connections; i++)
        n += all[i].is_waiting;
    return n;
}

static void send_again(struct connection *all)
{
    int64_t now = timing_now();

    for (int i = 0; i < options.n_connections; i++)
        if (all[i].retry_at != 0 && all[i].retry_at <= now) {
            all[i].retry_at = 0;
            retries--;
            send_request(&all[i]);
        }
}

static void exchange(struct connection *all)
{
    struct epoll_event events[EVENTS];

    for (int i = 0; i < options.n_connections; i++)
        send_next(&all[i]);
    while (!is_dead && count_waiting(all) > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS, retries > 0 ? RETRY_MS / 4 : 30000);
        if (n == 0 && retries == 0)
            fail("no answer for 30 seconds");
        if (retries > 0)
            send_again(all);
        for (int i = 0; i < n; i++) {
            if (events[i].events & EPOLLOUT)
                send_more(events[i].data.ptr);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(events[i].data.ptr);
        }
    }
}

static void report(int64_t begin)
{
    int64_t end = options.total > 0 || is_dead ? timing_now() : end_at;
    double seconds = (double)(end - begin) / 1e9;

    printf("{\"requests\":%lld,\"records\":%lld,\"seconds\":%.3f,\"requests_per_s\":%.1f,\"records_per_s\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"refused\":%lld,\"runs\":[",
           (long long)requests, (long long)records, seconds, (double)requests_in_time / seconds,
           (double)requests_in_time * options.records / seconds, timing_quantile_us(&latencies, 0.5),
           timing_quantile_us(&latencies, 0.99), (long long)refused);
    for (int i = 0; i < options.runs && !options.one_run_each; i++)
        printf("%s{\"run\":\"%s-%d\",\"batches\":%lld,\"samples\":%lld,\"correct\":%lld}", i == 0 ? "" : ",",
               options.prefix, i, (long long)totals[i].batches, (long long)totals[i].batches * ROWS_SAMPLES,
               (long long)totals[i].correct);
    printf("]}\n");
}

static void parse(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "p:c:r:R:e:n:s:P:T:F:B:ltoSka")) != -1;)
        switch (c) {
        case 'p':
            options.port = atoi(optarg);
            break;
        case 'c':
            options.n_connections = atoi(optarg);
            break;
        case 'r':
            options.records = atoi(optarg);
            break;
        case 'R':
            options.runs = atoi(optarg);
            break;
        case 'e':
            options.steps_per_epoch = atoll(optarg);
            break;
        case 'n':
            options.total = atoll(optarg);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'P':
            options.prefix = optarg;
            break;
        case 'T':
            options.target = optarg;
            break;
        case 'l':
            options.content = ROWS_COUNTS_LOSS;
            break;
        case 't':
            options.content = ROWS_TOTALS;
            break;
        case 'F':
            options.format = strcmp(optarg, "line") == 0 ? ROWS_LINE : ROWS_PUSH;
            break;
        case 'B':
            options.first_ms = atoll(optarg);
            break;
        case 'o':
            options.one_run_each = 1;
            break;
        case 'a':
            options.may_repeat = 1;
            break;
        case 'k':
            options.may_die = 1;
            break;
        case 'S':
            options.share_steps = 1;
            break;
        default:
            fail("see the head of load.c for the options");
        }
    if (options.port <= 0 || strlen(options.prefix) > RUN_MAX / 2 || options.n_connections < 1 ||
        options.n_connections > CONNECTIONS_MAX || options.records < 1 || options.runs < 1 ||
        options.steps_per_epoch < 1)
        fail("see the head of load.c for the options");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    rows_make(variants, options.format, options.content);
    struct connection *all = calloc((size_t)options.n_connections, sizeof *all);
    totals = calloc((size_t)options.runs, sizeof *totals);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (all == NULL || totals == NULL || epoll_fd < 0)
        fail("no memory");
    for (int i = 0; i < options.n_connections; i++)
        open_connection(&all[i], i);
    int64_t begin = timing_now();
    end_at = begin + (int64_t)(options.seconds * 1e9);
    exchange(all);
    report(begin);
    return 0;
}
