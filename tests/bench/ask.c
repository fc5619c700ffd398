/**
 * One question again and again on one kept-alive connection.
 *     ask PORT PATH SECONDS [PAUSE_US [ETAG]]
 * Every answer must be 200; with ETAG, which is sent as If-None-Match, 304.  PAUSE_US waits between an answer and the
 * next question.
 * Prints {"asks":n,"p50_us":..,"p99_us":..,"max_us":..,"bytes":size of the last answer's body}.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "timing.h"

enum { ANSWER_MAX = 64 << 20 };

static char answer[ANSWER_MAX];

static const char *find_header(const char *name)
{
    size_t size = strlen(name);

    for (const char *line = answer; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, size) == 0)
            return line + size;
    }
    return NULL;
}

static void read_more(int fd, size_t *size)
{
    ssize_t n = recv(fd, answer + *size, sizeof answer - 1 - *size, 0);

    if (n <= 0)
        fail("the server closed the connection, or its answer is too long");
    *size += (size_t)n;
    answer[*size] = '\0';
}

/* One answer; returns the bytes of its body.  Chunked answers end where the last chunk does: nothing was asked after it. */
static size_t receive(int fd, const char *status)
{
    size_t size = 0;
    const char *end = NULL;

    while (size < 12 || (end = strstr(answer, "\r\n\r\n")) == NULL)
        read_more(fd, &size);
    size_t head = (size_t)(end + 4 - answer);
    const char *length = find_header("content-length:");
    if (strncmp(answer + 9, status, 3) != 0)
        fail("%.600s", answer);
    if (strcmp(status, "304") == 0)
        return 0;
    if (length != NULL) {
        size_t want = strtoul(length, NULL, 10);
        while (size < head + want)
            read_more(fd, &size);
        return want;
    }
    if (find_header("transfer-encoding:") == NULL)
        fail("an answer without a length");
    while (size < head + 5 || memcmp(answer + size - 5, "0\r\n\r\n", 5) != 0)
        read_more(fd, &size);
    return size - head;
}

int main(int argc, char **argv)
{
    char request[4096];
    struct timing t = {0};
    int one = 1;
    size_t bytes = 0;

    if (argc < 4)
        fail("usage: ask PORT PATH SECONDS [PAUSE_US [ETAG]]");
    const char *etag = argc > 5 ? argv[5] : NULL;
    unsigned pause = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(argv[1]))};
    int size =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s%s%s\r\n", argv[2], argv[1],
                 etag != NULL ? "If-None-Match: " : "", etag != NULL ? etag : "", etag != NULL ? "\r\n" : "");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (size >= (int)sizeof request || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);

    int64_t end = timing_now() + (int64_t)(atof(argv[3]) * 1e9);
    do {
        int64_t begin = timing_now();
        if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
            fail("cannot send");
        bytes = receive(fd, etag != NULL ? "304" : "200");
        timing_add(&t, timing_now() - begin);
        if (pause > 0)
            usleep(pause);
    } while (timing_now() < end);
    printf("{\"asks\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"bytes\":%zu}\n", t.n,
           timing_quantile_us(&t, 0.5), timing_quantile_us(&t, 0.99), timing_quantile_us(&t, 1), bytes);
    return 0;
}
