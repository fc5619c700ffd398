/**
 * Who calls, by token or session, and what that allows.
 *
 * Invariants, under mutex: a session's token number need not exist any more (a revoked token ends its
 * sessions: every use looks the number up); n_sessions <= AUTH_SESSIONS_MAX.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth.h"
#include "auth_hosts.h"
#include "auth_tokens.h"
#include "crypto.h"

enum { HASH = TOKEN_HASH };

static const char COOKIE[] = "tally_session";
static const char *const SCOPE_NAME[] = {[SCOPE_READ] = "read", [SCOPE_WRITE] = "write", [SCOPE_ADMIN] = "admin"};

struct session {
    uint8_t id_hash[HASH];
    int64_t token;
    int64_t expires_at; /* ms since 1970 */
};

struct auth {
    pthread_mutex_t mutex; /* guards what follows */
    struct session session[AUTH_SESSIONS_MAX];
    size_t n_sessions;

    /* constant */
    struct auth_tokens *tokens;
    struct rate_limit *rate;
    bool is_required, is_tls;
    struct hosts hosts;
};

/* ---- tokens ---- */

static int find_token(struct auth *a, const struct request *q, const char *text, struct grant *out, struct problem *p)
{
    uint8_t hash[HASH];

    if (crypto_sha256(text, strlen(text), hash) != OK)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot hash");
    if (auth_tokens_find(a->tokens, hash, q->now, out))
        return OK;
    if (rate_limit_may_fail(a->rate, q) && auth_tokens_look_again(a->tokens) &&
        auth_tokens_find(a->tokens, hash, q->now, out))
        return OK;
    int rc = rate_limit_failure(a->rate, q, p);
    return rc != OK
               ? rc
               : problem_set(p, PROBLEM_UNAUTHORIZED, NULL, "the token is not valid (unknown, revoked or expired)");
}

/* ---- sessions ---- */

/* The hash of the id in the cookie; false: none. */
static bool session_hash(const struct request *q, uint8_t hash[HASH])
{
    const char *at = q->cookie;

    while (at != NULL && *at != '\0') {
        while (*at == ' ' || *at == ';')
            at++;
        size_t size = strcspn(at, ";");
        if (size > sizeof COOKIE && strncmp(at, COOKIE, sizeof COOKIE - 1) == 0 && at[sizeof COOKIE - 1] == '=')
            return crypto_sha256(at + sizeof COOKIE, size - sizeof COOKIE, hash) == OK;
        at += size;
    }
    return false;
}

static bool find_session(struct auth *a, const struct request *q, struct grant *out)
{
    uint8_t hash[HASH];
    int64_t token = -1;

    if (!session_hash(q, hash))
        return false;
    pthread_mutex_lock(&a->mutex);
    for (size_t i = 0; i < a->n_sessions; i++)
        if (crypto_equal(a->session[i].id_hash, hash, HASH) && a->session[i].expires_at > q->now)
            token = a->session[i].token;
    pthread_mutex_unlock(&a->mutex);
    return token >= 0 && auth_tokens_find_number(a->tokens, token, q->now, out);
}

/* Called with the mutex held: a free place, or that of the session that ends first. */
static struct session *session_place(struct auth *a, int64_t now)
{
    struct session *first = &a->session[0];

    for (size_t i = 0; i < a->n_sessions; i++) {
        if (a->session[i].expires_at <= now)
            return &a->session[i];
        if (a->session[i].expires_at < first->expires_at)
            first = &a->session[i];
    }
    return a->n_sessions < AUTH_SESSIONS_MAX ? &a->session[a->n_sessions++] : first;
}

/* The token of `Bearer TOKEN`; NULL if the header is something else. */
static const char *bearer(const struct request *q)
{
    const char *text = q->authorization;

    if (text == NULL || strncasecmp(text, "Bearer", 6) != 0 || text[6] != ' ')
        return NULL;
    text += 6 + strspn(text + 6, " ");
    return *text != '\0' ? text : NULL;
}

/* A browser names the origin of its page in every POST, and it was checked against the Host.  X-Forwarded-Proto is not
   looked at: anybody can send it. */
static bool came_by_https(const struct auth *a, const struct request *q)
{
    return a->is_tls || (q->origin != NULL && strncasecmp(q->origin, "https://", 8) == 0);
}

int auth_login(struct auth *a, const struct request *q, const char *token, char *cookie, size_t size, struct problem *p)
{
    uint8_t id[HASH], hash[HASH];
    char text[2 * HASH + 1];
    struct grant grant;

    if (token == NULL)
        token = bearer(q);
    if (token == NULL)
        return problem_set(p, PROBLEM_UNAUTHORIZED, NULL,
                           "send a token: as Authorization: Bearer, or {\"token\":\"...\"}");
    int rc = find_token(a, q, token, &grant, p);
    if (rc != OK)
        return rc;
    if (crypto_random(id, sizeof id) != OK)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no random bytes");
    crypto_hex(id, sizeof id, text);
    if (crypto_sha256(text, 2 * HASH, hash) != OK)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot hash");

    pthread_mutex_lock(&a->mutex);
    struct session *s = session_place(a, q->now);
    memcpy(s->id_hash, hash, HASH);
    s->token = grant.token;
    s->expires_at = q->now + (int64_t)AUTH_SESSION_HOURS * 3600 * 1000;
    pthread_mutex_unlock(&a->mutex);
    snprintf(cookie, size, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", COOKIE, text,
             AUTH_SESSION_HOURS * 3600, came_by_https(a, q) ? "; Secure" : "");
    return OK;
}

void auth_logout(struct auth *a, const struct request *q, char *cookie, size_t size)
{
    uint8_t hash[HASH];

    snprintf(cookie, size, "%s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict%s", COOKIE,
             came_by_https(a, q) ? "; Secure" : "");
    if (!session_hash(q, hash))
        return;
    pthread_mutex_lock(&a->mutex);
    for (size_t i = 0; i < a->n_sessions; i++)
        if (crypto_equal(a->session[i].id_hash, hash, HASH)) {
            a->session[i] = a->session[--a->n_sessions];
            break;
        }
    pthread_mutex_unlock(&a->mutex);
}

/* ---- what the dispatcher asks ---- */

int auth_host(const struct auth *a, const char *host, struct problem *p)
{
    char quoted[160];

    if (host != NULL && hosts_allow(&a->hosts, host, strlen(host)))
        return OK;
    return problem_set(p, PROBLEM_HOST, NULL,
                       "this server does not answer to the host \"%s\"; start it with --allow-host NAME to allow one",
                       problem_quote(quoted, sizeof quoted, host != NULL ? host : "", host != NULL ? strlen(host) : 0));
}

bool auth_is_domain(const char *host)
{
    return hosts_is_domain(host);
}

int auth_origin(const struct request *q, struct problem *p)
{
    char quoted[160];
    bool reads = q->method == METHOD_GET || q->method == METHOD_HEAD;

    if (q->origin != NULL && (q->host == NULL || !hosts_same_origin(q->origin, q->host)))
        return problem_set(p, PROBLEM_ORIGIN, NULL, "pages of the origin \"%s\" may not call this server",
                           problem_quote(quoted, sizeof quoted, q->origin, strlen(q->origin)));
    /* another port of this host is the "same site" to a browser, and somebody else's page */
    if (!reads && q->sec_fetch_site != NULL && strcasecmp(q->sec_fetch_site, "same-origin") != 0 &&
        strcasecmp(q->sec_fetch_site, "none") != 0)
        return problem_set(p, PROBLEM_ORIGIN, NULL, "the browser says that the request comes from another page");
    return OK;
}

/* The token in the header, which is there. */
static int find_bearer(struct auth *a, const struct request *q, struct grant *out, struct problem *p)
{
    const char *text = bearer(q);

    if (text == NULL)
        return problem_set(p, PROBLEM_UNAUTHORIZED, NULL, "the Authorization header must be: Bearer TOKEN");
    return find_token(a, q, text, out, p);
}

/* What the caller may do, by its token or, for reads, its session. */
static int find_grant(struct auth *a, const struct request *q, enum scope needed, struct grant *out, struct problem *p)
{
    if (q->authorization != NULL)
        return find_bearer(a, q, out, p);
    if (needed == SCOPE_READ && find_session(a, q, out))
        return OK;
    if (needed == SCOPE_READ)
        return problem_set(p, PROBLEM_UNAUTHORIZED, NULL,
                           "send a token as Authorization: Bearer, or sign in on the page");
    return problem_set(p, PROBLEM_UNAUTHORIZED, NULL,
                       "send a token with scope %s as Authorization: Bearer; a session only reads", SCOPE_NAME[needed]);
}

int auth_scope(struct auth *a, struct request *q, const struct route *route, struct problem *p)
{
    struct grant grant;

    if (route->scope <= SCOPE_PUBLIC || !a->is_required)
        return OK;
    int rc = find_grant(a, q, route->scope, &grant, p);
    if (rc != OK)
        return rc;
    q->token = grant.token;
    if (grant.scope < route->scope && q->authorization != NULL)
        return problem_set(p, PROBLEM_FORBIDDEN, NULL, "this needs a token with scope %s; this one has %s",
                           SCOPE_NAME[route->scope], SCOPE_NAME[grant.scope]);
    if (grant.project[0] == '\0')
        return OK;
    if (route->is_server_wide)
        return problem_set(p, PROBLEM_FORBIDDEN, NULL,
                           "this is about the whole server; the token is for project %s alone", grant.project);
    q->token_project = arena_strndup(&q->arena, grant.project, strlen(grant.project));
    return q->token_project != NULL ? OK : problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

bool auth_sees(const struct request *q, const char *project)
{
    return q->token_project == NULL || strcmp(q->token_project, project) == 0;
}

int auth_project(const struct request *q, const char *named, const char *place, const char **out, struct problem *p)
{
    if (named != NULL && !auth_sees(q, named))
        return problem_set(p, PROBLEM_FORBIDDEN, place, "the token is for project %s alone", q->token_project);
    *out = named != NULL ? named : q->token_project;
    return OK;
}

bool auth_is_required(const struct auth *a)
{
    return a->is_required;
}

bool auth_has_tokens(struct auth *a)
{
    return auth_tokens_any(a->tokens);
}

bool auth_address_is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* ---- life cycle ---- */

int auth_new(struct auth **out, const struct auth_options *options, struct problem *p)
{
    struct auth *a = calloc(1, sizeof *a);
    int rc = OK;

    if (a == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    pthread_mutex_init(&a->mutex, NULL);
    a->rate = options->rate;
    a->is_tls = options->is_tls;
    a->is_required =
        !options->insecure_no_auth && (!auth_address_is_loopback(options->address) || options->n_allow_hosts > 0);
    hosts_init(&a->hosts, options->address);
    for (size_t i = 0; i < options->n_allow_hosts && rc == OK; i++)
        if (!hosts_add(&a->hosts, options->allow_hosts[i]))
            rc = problem_set(p, PROBLEM_INVALID, NULL, "--allow-host %s: not a host name, or too many",
                             options->allow_hosts[i]);
    if (rc == OK)
        rc = auth_tokens_new(&a->tokens, options->tokens_each, options->context, p);
    if (rc != OK) {
        auth_free(a);
        return rc;
    }
    *out = a;
    return OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    auth_tokens_free(a->tokens);
    pthread_mutex_destroy(&a->mutex);
    free(a);
}
