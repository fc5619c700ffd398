/** What a caller may ask in a second: three kinds of bucket in one table, told apart by their keys. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "rate_limit.h"
#include "rate_table.h"

enum { OF_REQUESTS = 1, OF_RECORDS, OF_FAILURES };

struct rate_limit {
    struct rate_table *table;
    const struct limits *limits;
};

int rate_limit_new(struct rate_limit **out, const struct limits *limits, struct problem *p)
{
    struct rate_limit *r = calloc(1, sizeof *r);

    if (r == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int rc = rate_table_new(&r->table, p);
    if (rc != OK) {
        free(r);
        return rc;
    }
    r->limits = limits;
    *out = r;
    return OK;
}

void rate_limit_free(struct rate_limit *r)
{
    if (r == NULL)
        return;
    rate_table_free(r->table);
    free(r);
}

/* ---- who ---- */

/* An IPv4 address whole, of an IPv6 address the first half. */
static uint64_t key_of_address(const struct request *q)
{
    static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint8_t address[16];
    uint64_t key = 0;

    request_remote(q, address);
    memcpy(&key, memcmp(address, MAPPED, sizeof MAPPED) == 0 ? address + 8 : address, sizeof key);
    return key;
}

static uint64_t key_of(const struct request *q, unsigned kind)
{
    uint64_t who = q->token != 0 && kind != OF_FAILURES ? (uint64_t)q->token * 2 : key_of_address(q) * 2 + 1;

    return who * 4 + kind;
}

static void name_caller(const struct request *q, char *out, size_t size)
{
    if (q->token != 0)
        snprintf(out, size, "token %" PRId64, q->token);
    else
        snprintf(out, size, "this address");
}

/* ---- limits ---- */

static struct rate rate_of(int64_t per_s)
{
    return (struct rate){.per_s = (double)per_s, .burst = (double)per_s * RATE_BURST_S};
}

static void set_wait(struct problem *p, int64_t wait_us)
{
    if (p != NULL)
        p->retry_after_s = wait_us < INT64_C(3600) * 1000000 ? (int)((wait_us + 999999) / 1000000) : 3600;
}

static int refuse(const struct request *q, const char *what, const char *limit, int64_t per_s, int64_t wait_us,
                  struct problem *p)
{
    char who[48];

    name_caller(q, who, sizeof who);
    int rc = problem_set(p, PROBLEM_RATE, NULL,
                         "%s may send %" PRId64 " %s a second (limit %s), %" PRId64
                         " at once; nothing was stored, send it again in %" PRId64 " s",
                         who, per_s, what, limit, per_s * RATE_BURST_S, (wait_us + 999999) / 1000000);
    set_wait(p, wait_us);
    return rc;
}

int rate_limit_request(struct rate_limit *r, const struct request *q, struct problem *p)
{
    if (r == NULL || r->limits->requests_per_s == 0)
        return OK;
    struct rate rate = rate_of(r->limits->requests_per_s);
    int64_t wait_us = rate_take(r->table, key_of(q, OF_REQUESTS), &rate, 1, clock_monotonic_us(), NULL);
    return wait_us == 0 ? OK : refuse(q, "requests", "requests_per_s", r->limits->requests_per_s, wait_us, p);
}

int rate_limit_records(struct rate_limit *r, const struct request *q, struct problem *p)
{
    if (r == NULL || r->limits->records_per_s == 0)
        return OK;
    struct rate rate = rate_of(r->limits->records_per_s);
    int64_t wait_us = rate_take(r->table, key_of(q, OF_RECORDS), &rate, 0, clock_monotonic_us(), NULL);
    return wait_us == 0 ? OK : refuse(q, "records", "records_per_s", r->limits->records_per_s, wait_us, p);
}

void rate_limit_charge(struct rate_limit *r, const struct request *q, size_t n)
{
    if (r == NULL || r->limits->records_per_s == 0)
        return;
    struct rate rate = rate_of(r->limits->records_per_s);
    rate_charge(r->table, key_of(q, OF_RECORDS), &rate, (double)n, clock_monotonic_us());
}

/* ---- wrong tokens ---- */

static struct rate rate_of_failures(const struct rate_limit *r)
{
    double per_min = (double)r->limits->auth_failures_per_min;

    return (struct rate){.per_s = per_min / 60, .burst = per_min};
}

/* Once for each time that an address runs out of it: the log is no place for guesses. */
static void log_guesses(const struct rate_limit *r, const struct request *q)
{
    char text[INET6_ADDRSTRLEN] = "";
    uint8_t address[16];

    request_remote(q, address);
    inet_ntop(AF_INET6, address, text, sizeof text);
    log_event(LOG_WARN, "auth-failures", "%s sends more than %" PRId64 " wrong tokens a minute",
              strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text, r->limits->auth_failures_per_min);
}

int rate_limit_failure(struct rate_limit *r, const struct request *q, struct problem *p)
{
    bool is_first = false;

    if (r == NULL || r->limits->auth_failures_per_min == 0)
        return OK;
    struct rate rate = rate_of_failures(r);
    int64_t wait_us = rate_take(r->table, key_of(q, OF_FAILURES), &rate, 1, clock_monotonic_us(), &is_first);
    if (wait_us == 0)
        return OK;
    if (is_first)
        log_guesses(r, q);
    int rc = problem_set(p, PROBLEM_RATE, NULL,
                         "more than %" PRId64 " wrong tokens a minute from this address (limit auth_failures_per_min)",
                         r->limits->auth_failures_per_min);
    set_wait(p, wait_us);
    return rc;
}

bool rate_limit_may_fail(struct rate_limit *r, const struct request *q)
{
    if (r == NULL || r->limits->auth_failures_per_min == 0)
        return true;
    struct rate rate = rate_of_failures(r);
    return rate_take(r->table, key_of(q, OF_FAILURES), &rate, 0, clock_monotonic_us(), NULL) == 0;
}
