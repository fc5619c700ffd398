/**
 * The list is read under load_mutex alone, and swapped in under mutex.  A failure leaves the old one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth_tokens.h"
#include "clock.h"
#include "crypto.h"
#include "log.h"

enum { REFRESH_US = 1000 * 1000, MISSES_A_SECOND = 10, MISSES_MAX = 20, TOKENS_MAX = 100000 };

struct token_list {
    struct token_row *row;
    size_t n, cap;
};

struct auth_tokens {
    pthread_mutex_t mutex; /* guards what follows */
    struct token_list list;
    int64_t loaded_us, misses_us;
    double misses; /* what is left of the right to read the tokens again for an unknown one */

    pthread_mutex_t load_mutex; /* held while the source is read; taken before mutex */
    tokens_each_fn *each;
    void *context;
};

static int add_token(void *context, const struct token_row *row)
{
    struct token_list *l = context;

    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        if (cap > TOKENS_MAX)
            return PROBLEM_INTERNAL;
        struct token_row *grown = realloc(l->row, cap * sizeof *grown);
        if (grown == NULL)
            return PROBLEM_MEMORY;
        l->row = grown;
        l->cap = cap;
    }
    l->row[l->n++] = *row;
    return OK;
}

/* Called with load_mutex held. */
static int load(struct auth_tokens *t, struct problem *p)
{
    struct token_list fresh = {0};
    int rc = t->each == NULL ? OK : t->each(t->context, add_token, &fresh, p);

    if (rc == PROBLEM_MEMORY)
        problem_set(p, rc, NULL, "no memory for the tokens");
    else if (rc == PROBLEM_INTERNAL)
        problem_set(p, rc, NULL, "there are more than %d tokens", TOKENS_MAX);
    pthread_mutex_lock(&t->mutex);
    t->loaded_us = clock_monotonic_us();
    if (rc == OK) {
        struct token_list old = t->list;
        t->list = fresh;
        fresh = old;
    }
    pthread_mutex_unlock(&t->mutex);
    free(fresh.row);
    return rc;
}

/* Read the tokens again; wait: also when somebody is at it already.  A failure leaves the old list. */
static void reload(struct auth_tokens *t, bool wait)
{
    struct problem p = {0};

    if (wait)
        pthread_mutex_lock(&t->load_mutex);
    else if (pthread_mutex_trylock(&t->load_mutex) != 0)
        return;
    if (load(t, &p) != OK)
        log_event(LOG_ERROR, "tokens-not-read", "%s", p.detail);
    pthread_mutex_unlock(&t->load_mutex);
}

static void refresh(struct auth_tokens *t)
{
    pthread_mutex_lock(&t->mutex);
    bool is_old = clock_monotonic_us() - t->loaded_us > REFRESH_US;
    pthread_mutex_unlock(&t->mutex);
    if (is_old)
        reload(t, false);
}

/* May an unknown token have the list read again?  So a new one works at once, and guessing costs no I/O. */
static bool may_look_again(struct auth_tokens *t)
{
    int64_t now = clock_monotonic_us();

    pthread_mutex_lock(&t->mutex);
    t->misses += (double)(now - t->misses_us) * MISSES_A_SECOND / 1e6;
    if (t->misses > MISSES_MAX)
        t->misses = MISSES_MAX;
    t->misses_us = now;
    bool may = t->misses >= 1;
    if (may)
        t->misses -= 1;
    pthread_mutex_unlock(&t->mutex);
    return may;
}

static enum scope scope_of(const struct token_row *row)
{
    return strcmp(row->scope, "admin") == 0 ? SCOPE_ADMIN : strcmp(row->scope, "write") == 0 ? SCOPE_WRITE : SCOPE_READ;
}

static void grant_set(struct grant *out, const struct token_row *row)
{
    out->token = row->token;
    out->scope = scope_of(row);
    memcpy(out->project, row->project, sizeof out->project);
}

static bool is_valid(const struct token_row *row, int64_t now)
{
    return row->expires_at == 0 || row->expires_at > now;
}

bool auth_tokens_find(struct auth_tokens *t, const uint8_t hash[TOKEN_HASH], int64_t now, struct grant *out)
{
    bool found = false;

    refresh(t);
    pthread_mutex_lock(&t->mutex);
    for (size_t i = 0; i < t->list.n; i++) { /* all of them, whichever matches */
        const struct token_row *row = &t->list.row[i];
        if (crypto_equal(row->sha256, hash, TOKEN_HASH) && is_valid(row, now)) {
            found = true;
            grant_set(out, row);
        }
    }
    pthread_mutex_unlock(&t->mutex);
    return found;
}

bool auth_tokens_find_number(struct auth_tokens *t, int64_t token, int64_t now, struct grant *out)
{
    bool found = false;

    refresh(t);
    pthread_mutex_lock(&t->mutex);
    for (size_t i = 0; i < t->list.n && !found; i++)
        if (t->list.row[i].token == token && is_valid(&t->list.row[i], now)) {
            found = true;
            grant_set(out, &t->list.row[i]);
        }
    pthread_mutex_unlock(&t->mutex);
    return found;
}

bool auth_tokens_look_again(struct auth_tokens *t)
{
    if (!may_look_again(t))
        return false;
    reload(t, true);
    return true;
}

bool auth_tokens_any(struct auth_tokens *t)
{
    pthread_mutex_lock(&t->mutex);
    bool any = t->list.n > 0;
    pthread_mutex_unlock(&t->mutex);
    return any;
}

/* ---- life cycle ---- */

int auth_tokens_new(struct auth_tokens **out, tokens_each_fn *each, void *context, struct problem *p)
{
    struct auth_tokens *t = calloc(1, sizeof *t);

    if (t == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    pthread_mutex_init(&t->mutex, NULL);
    pthread_mutex_init(&t->load_mutex, NULL);
    t->each = each;
    t->context = context;
    t->misses = MISSES_MAX;
    t->misses_us = clock_monotonic_us();
    pthread_mutex_lock(&t->load_mutex);
    int rc = load(t, p);
    pthread_mutex_unlock(&t->load_mutex);
    if (rc != OK) {
        auth_tokens_free(t);
        return rc;
    }
    *out = t;
    return OK;
}

void auth_tokens_free(struct auth_tokens *t)
{
    if (t == NULL)
        return;
    free(t->list.row);
    pthread_mutex_destroy(&t->load_mutex);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}
