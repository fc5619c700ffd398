#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth_tokens.h"
#include "http.h"
#include "rate_limit.h"
#include "routes.h"
#include "store.h"

/**
 * Who may call: tokens, the page's sessions, host names and origins.
 *
 * Scopes include one another: admin > write > read.  A token is sent as `Authorization: Bearer`; the
 * page's cookie stands for a token in reads only.  A token may be for one project: then the runs of all others
 * are to the caller as if they did not exist, but that their ids are taken.  Tokens are random and stored as SHA-256; they are
 * kept in memory and read from the store again at most once a second, and at most ten times a second
 * for a token that is not known.  All functions may be called by any thread.
 */
enum { AUTH_SESSION_HOURS = 12, AUTH_SESSIONS_MAX = 1024 };

struct auth;

struct auth_options {
    const char *address;            /* the listen address, numeric */
    const char *const *allow_hosts; /* [n_allow_hosts]: --allow-host, "NAME" or "NAME:PORT" */
    size_t n_allow_hosts;
    bool insecure_no_auth;
    bool is_tls; /* the server itself speaks https */
    /* Where tokens come from: calls fn for each.  NULL: there are none. */
    tokens_each_fn *tokens_each;
    void *context;
    struct rate_limit *rate; /* of wrong tokens; NULL: none */
};

/** auth_new(out, options, p): reads the tokens once.  PROBLEM_STORAGE, PROBLEM_MEMORY, PROBLEM_INTERNAL, PROBLEM_INVALID (a bad host). */
int auth_new(struct auth **out, const struct auth_options *options, struct problem *p);
void auth_free(struct auth *a);

/** Are tokens asked for?  Yes on any address but loopback and once hosts are allowed; no with insecure_no_auth. */
bool auth_is_required(const struct auth *a);
bool auth_has_tokens(struct auth *a);

/** auth_address_is_loopback(address): 127.0.0.0/8 or ::1, numeric. */
bool auth_address_is_loopback(const char *address);

/** auth_host(a, host, p): is the Host header (NULL: none) one of ours?  PROBLEM_HOST. */
int auth_host(const struct auth *a, const char *host, struct problem *p);
/** auth_is_domain(host): a Host that is neither localhost nor an address. */
bool auth_is_domain(const char *host);
/** auth_origin(q, p): no Origin, or ours; and no write that a browser says comes from another origin's page.  PROBLEM_ORIGIN. */
int auth_origin(const struct request *q, struct problem *p);
/** auth_scope(a, q, route, p): does the caller's token (or, for reads, session) allow it?  Sets q->token and
 *  q->token_project.  PROBLEM_UNAUTHORIZED, PROBLEM_FORBIDDEN, PROBLEM_RATE (too many wrong tokens), PROBLEM_INTERNAL. */
int auth_scope(struct auth *a, struct request *q, const struct route *route, struct problem *p);
/** auth_sees(q, project): may this caller know of the runs of the project? */
bool auth_sees(const struct request *q, const char *project);
/** auth_project(q, named, place, out, p): the project that a run made by this caller belongs to, given the one that it
 *  named (NULL: none).  out: NULL where neither says.  PROBLEM_FORBIDDEN: not that of its token. */
int auth_project(const struct request *q, const char *named, const char *place, const char **out, struct problem *p);

/**
 * auth_login(a, q, token, cookie, size, p): begin a session for the token (NULL: the Bearer of q).
 * cookie  the value of a Set-Cookie header; Secure where the page came by https: the server speaks it, or the browser
 *         says so in its Origin (behind a proxy).
 * Returns OK; PROBLEM_UNAUTHORIZED; PROBLEM_RATE; PROBLEM_MEMORY, PROBLEM_INTERNAL.  The oldest session goes when there are too many.
 */
int auth_login(struct auth *a, const struct request *q, const char *token, char *cookie, size_t size,
               struct problem *p);
/** auth_logout(a, q, cookie, size): forget the session of q, if there is one; cookie: one that clears it. */
void auth_logout(struct auth *a, const struct request *q, char *cookie, size_t size);

#endif
