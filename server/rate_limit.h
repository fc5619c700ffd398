#ifndef RATE_LIMIT_H
#define RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "problem.h"
#include "server_limits.h"

/**
 * How much one caller may ask of the server in a second: limits requests_per_s and records_per_s; 0 is none, and costs
 * nothing.  A caller is a token (with the sessions that stand for it), or where no token is asked for, an address: an IPv4
 * address, or the first half of an IPv6 address, which is what one subscriber has.  RATE_BURST_S seconds' worth may come
 * at once.
 *
 * Wrong tokens are limited by address: auth_failures_per_min.  A right token is never refused for the wrong ones that
 * came from the same address, which may be that of a proxy.
 *
 * Thread: any.  Every function takes NULL for "no limits".
 */
enum { RATE_BURST_S = 10 };

struct rate_limit;

/** rate_limit_new(out, limits, p): limits is borrowed for its life.  PROBLEM_INTERNAL. */
int rate_limit_new(struct rate_limit **out, const struct limits *limits, struct problem *p);
void rate_limit_free(struct rate_limit *r);

/** rate_limit_request(r, q, p): one request more.  PROBLEM_RATE. */
int rate_limit_request(struct rate_limit *r, const struct request *q, struct problem *p);

/** rate_limit_records(r, q, p): before records are decoded: may the caller send any?  PROBLEM_RATE. */
int rate_limit_records(struct rate_limit *r, const struct request *q, struct problem *p);
/** rate_limit_charge(r, q, n): n records were decoded.  Those of one request are never divided: what is above the limit is
 *  waited for afterwards. */
void rate_limit_charge(struct rate_limit *r, const struct request *q, size_t n);

/** rate_limit_failure(r, q, p): a token was wrong.  OK: say so; PROBLEM_RATE: the address has sent too many. */
int rate_limit_failure(struct rate_limit *r, const struct request *q, struct problem *p);
/** rate_limit_may_fail(r, q): may a wrong token of this address still cost anything? */
bool rate_limit_may_fail(struct rate_limit *r, const struct request *q);

#endif
