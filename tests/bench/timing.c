/** Clock, quantiles and the end of a program that cannot go on: what every program of the benchmark needs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "timing.h"

int64_t timing_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void timing_add(struct timing *t, int64_t ns)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 65536 : 2 * t->cap;
        t->ns = realloc(t->ns, t->cap * sizeof *t->ns);
        if (t->ns == NULL)
            fail("no memory");
    }
    t->ns[t->n++] = ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

double timing_quantile_us(struct timing *t, double q)
{
    if (t->n == 0)
        return 0;
    qsort(t->ns, t->n, sizeof *t->ns, compare);
    size_t at = (size_t)(q * (double)t->n);
    return (double)t->ns[at < t->n ? at : t->n - 1] / 1000;
}

void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}
