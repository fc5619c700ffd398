/** What /proc and the limits say.  Nothing is kept between calls. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "process_stats.h"

static void read_memory(struct process_stats *out)
{
    FILE *f = fopen("/proc/self/statm", "re");
    int64_t pages, resident, page = sysconf(_SC_PAGESIZE);

    if (f == NULL)
        return;
    if (fscanf(f, "%" SCNd64 " %" SCNd64, &pages, &resident) == 2) {
        out->virtual_bytes = pages * page;
        out->resident_bytes = resident * page;
    }
    fclose(f);
}

static void count_fds(struct process_stats *out)
{
    DIR *d = opendir("/proc/self/fd");
    struct rlimit limit;

    if (d != NULL) {
        out->open_fds = -1; /* the folder's own */
        for (const struct dirent *e; (e = readdir(d)) != NULL;)
            out->open_fds += e->d_name[0] != '.';
        closedir(d);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        out->max_fds = (int64_t)limit.rlim_cur;
}

/* Field 22 of /proc/self/stat: ticks from the system's start to ours.  The name before it may hold anything but ends with ")". */
static void read_start(struct process_stats *out)
{
    FILE *f = fopen("/proc/self/stat", "re");
    char text[1024];
    struct timespec up;

    if (f == NULL)
        return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    int64_t ticks;
    if (at == NULL || sscanf(at, "%" SCNd64, &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &up) != 0)
        return;
    int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
    out->started_at = clock_now_ms() - up_ms + ticks * 1000 / sysconf(_SC_CLK_TCK);
}

void process_stats_read(struct process_stats *out)
{
    struct rusage used;

    *out = (struct process_stats){-1, -1, -1, -1, -1, -1};
    read_memory(out);
    count_fds(out);
    read_start(out);
    if (getrusage(RUSAGE_SELF, &used) == 0)
        out->cpu_us = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
                      used.ru_stime.tv_usec;
}
