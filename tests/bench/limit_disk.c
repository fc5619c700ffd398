/**
 * The disk alone: append 4 KB, fdatasync, again.
 *     limit_disk FILE SECONDS
 * Prints {"syncs":n,"p50_us":..,"p99_us":..}.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "timing.h"

int main(int argc, char **argv)
{
    static char block[4096] = "x";
    struct timing t = {0};

    if (argc != 3)
        fail("usage: limit_disk FILE SECONDS");
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        fail("cannot open %s", argv[1]);
    int64_t begin = timing_now(), end = begin + (int64_t)(atof(argv[2]) * 1e9);
    while (begin < end) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            fail("cannot write %s", argv[1]);
        int64_t now = timing_now();
        timing_add(&t, now - begin);
        begin = now;
    }
    close(fd);
    unlink(argv[1]);
    printf("{\"syncs\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", t.n, timing_quantile_us(&t, 0.5),
           timing_quantile_us(&t, 0.99));
    return 0;
}
