/**
 * Puts the parts together and takes them apart.  Order of the start: store, tokens, writer, network, retention.
 * Order of the stop: no new connections; what is queued is committed and every answer goes out; retention and the writer end;
 * the store closes.
 */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "auth.h"
#include "clock.h"
#include "command.h"
#include "crypto_certificate.h"
#include "ingest.h"
#include "log.h"
#include "query_step_mean.h"
#include "rate_limit.h"
#include "retention.h"
#include "serve.h"
#include "store.h"

struct server {
    struct app app;
    struct store_conn *token_reader; /* used by auth alone, one call at a time */
    struct retention *retention;     /* NULL: batches are kept for ever */
};

static int tokens_each(void *context, int (*fn)(void *fn_context, const struct token_row *row), void *fn_context,
                       struct problem *p)
{
    struct server *s = context;

    return store_tokens_each(s->token_reader, fn, fn_context, p);
}

/* An address that others can reach needs a token, or the spelt-out wish to go without. */
static int check_tokens(const struct server *s, const struct options *o, struct problem *p)
{
    if (!auth_is_required(s->app.auth) || auth_has_tokens(s->app.auth))
        return OK;
    return problem_set(p, PROBLEM_INVALID, NULL,
                       "%s needs tokens, and %s has none. Make one first:\n  tally token create --scope write --db %s\n"
                       "or let everybody in with --insecure-no-auth",
                       auth_address_is_loopback(o->address) ? "--allow-host" : "an address other than loopback", o->db,
                       o->db);
}

static int start(struct server *s, const struct options *o, struct problem *p)
{
    struct store_options store = {.path = o->db, .durability = o->durability};
    struct auth_options auth = {.address = o->address,
                                .allow_hosts = o->allow_hosts,
                                .n_allow_hosts = o->n_allow_hosts,
                                .insecure_no_auth = o->insecure_no_auth,
                                .is_tls = s->app.is_tls,
                                .tokens_each = tokens_each,
                                .context = s};
    int rc = s->app.is_tls ? certificate_load(o->tls_cert, o->tls_key, p) : OK;

    if (rc == OK)
        rc = store_open(&s->app.store, &store, p);
    if (rc == OK)
        rc = store_reader_open(s->app.store, &s->token_reader, p);
    if (rc == OK)
        rc = rate_limit_new(&s->app.rate, &s->app.limits, p);
    auth.rate = s->app.rate;
    if (rc == OK)
        rc = auth_new(&s->app.auth, &auth, p);
    if (rc == OK)
        rc = check_tokens(s, o, p);
    if (rc == OK)
        rc = ingest_start(&s->app.ingest, s->app.store, &s->app.limits, p);
    if (rc == OK) {
        s->app.step_cache = step_cache_new(STEP_CACHE_BYTES); /* NULL: every mean is computed anew */
        struct http_options http = {
            .address = o->address, .port = o->port, .limits = &s->app.limits, .app = &s->app, .is_tls = s->app.is_tls};
        rc = http_start(&s->app.http, &http, p);
    }
    if (rc == OK && o->keep_steps_s > 0)
        rc = retention_start(&s->retention, s->app.store, s->app.ingest, o->keep_steps_s * 1000, p);
    return rc;
}

/* The network first: its requests still need the writer, which answers all that is queued.  false: something
 * hangs, and the process must end without cleaning up under its feet. */
static bool stop(struct server *s)
{
    if (s->app.http != NULL && !http_stop(s->app.http))
        return false;
    retention_stop(s->retention);
    if (s->app.ingest != NULL)
        ingest_stop(s->app.ingest);
    step_cache_free(s->app.step_cache);
    auth_free(s->app.auth);
    rate_limit_free(s->app.rate);
    if (s->token_reader != NULL)
        store_reader_close(s->token_reader);
    if (s->app.store != NULL)
        store_close(s->app.store);
    certificate_release();
    return true;
}

static void announce(const struct server *s, const struct options *o)
{
    bool is_v6 = strchr(o->address, ':') != NULL;
    char base[96];

    snprintf(base, sizeof base, "http%s://%s%s%s:%u/", s->app.is_tls ? "s" : "", is_v6 ? "[" : "", o->address,
             is_v6 ? "]" : "", (unsigned)http_port(s->app.http));
    printf("listening on %s\n", base);
    printf("try: curl --json '{\"stage\":\"train\",\"epoch\":0,\"step\":0,\"correct\":27,\"total\":32}'%s "
           "%sapi/v1/runs/first/batches\n",
           auth_is_required(s->app.auth) ? " -H \"Authorization: Bearer $TOKEN\"" : "", base);
    fflush(stdout);
}

/* ---- memory ---- */

enum { BLOCK_RETURNED = 4 << 20, TOP_KEPT = 1 << 20 };

/* A block as large as a big body goes back to the system when it is freed.  By default libc learns from the first of them
   to keep the next ones.  What a large answer took at the end of its thread's memory goes back too: malloc_trim() leaves
   that alone, and each thread would keep its largest. */
static void bound_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, BLOCK_RETURNED);
    (void)mallopt(M_TRIM_THRESHOLD, TOP_KEPT);
}

/* ---- signals ---- */

/* SIGTERM, SIGINT and, where there is something to read again, SIGHUP are blocked everywhere and taken by sigwait(). */
static void block_signals(sigset_t *set, bool with_hangup)
{
    sigemptyset(set);
    if (with_hangup)
        sigaddset(set, SIGHUP);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* While the server drains, a second signal ends it at once. */
static void unblock_signals(const sigset_t *set)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (sigismember(set, SIGHUP) == 1)
        signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* A certificate that cannot be read must not end a server that has one. */
static void reload_certificate(const struct options *o)
{
    struct problem p = {0};

    if (certificate_load(o->tls_cert, o->tls_key, &p) != OK)
        log_event(LOG_ERROR, "certificate-not-loaded", "%s; the one before is kept", p.detail);
}

int serve_run(const struct options *o)
{
    struct server s = {0};
    struct problem p = {0};
    sigset_t signals;
    int number = 0;

    bound_memory();
    s.app.limits = o->limits;
    s.app.web_dir = o->web_dir;
    s.app.db = o->db;
    s.app.backup_dir = o->backup_dir;
    s.app.started_at = clock_now_ms();
    s.app.is_tls = o->tls_cert != NULL;
    block_signals(&signals, s.app.is_tls);
    if (start(&s, o, &p) != OK) {
        int status = command_fail(&p);
        if (!stop(&s))
            _exit(status);
        return status;
    }
    announce(&s, o);
    if (o->insecure_no_auth && !auth_address_is_loopback(o->address))
        log_event(LOG_WARN, "no-auth", "everybody who reaches %s may read and write", o->address);

    while (sigwait(&signals, &number) != 0 || number == SIGHUP)
        if (number == SIGHUP)
            reload_certificate(o);
    unblock_signals(&signals);
    log_event(LOG_INFO, "stopping", "signal %d; draining", number);
    if (!stop(&s))
        _exit(1);
    return 0;
}
