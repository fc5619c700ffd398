#ifndef TIMING_H
#define TIMING_H

#include <stddef.h>
#include <stdint.h>

/** Nanoseconds of a clock that only moves forward. */
int64_t timing_now(void);

/** Durations in order of arrival.  Zeroed is empty; grows without bound. */
struct timing {
    int64_t *ns;
    size_t n, cap;
};

void timing_add(struct timing *t, int64_t ns);
/** The quantile q (0 .. 1) in microseconds; sorts.  0 if empty. */
double timing_quantile_us(struct timing *t, double q);

/** Print a message to standard error and exit 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
