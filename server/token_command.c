/** Tokens from the command line.  A token is shown once, when it is made; only its hash is stored. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "crypto.h"
#include "store.h"
#include "token_command.h"

enum { SECRET = 32 };

static const char PREFIX[] = "tally_"; /* so that scanners for leaked secrets recognise it */

static int fail(const struct problem *p)
{
    fprintf(stderr, "tally: %s\n", p->detail);
    return 1;
}

static int create(const struct options *o)
{
    struct problem p = {0};
    struct token_row row = {.created_at = clock_now_ms()};
    uint8_t secret[SECRET];
    char text[sizeof PREFIX + 2 * SECRET];

    if (crypto_random(secret, sizeof secret) != OK) {
        fprintf(stderr, "tally: no random bytes\n");
        return 1;
    }
    memcpy(text, PREFIX, sizeof PREFIX - 1);
    crypto_hex(secret, sizeof secret, text + sizeof PREFIX - 1);
    if (crypto_sha256(text, strlen(text), row.sha256) != OK) {
        fprintf(stderr, "tally: cannot hash\n");
        return 1;
    }
    snprintf(row.name, sizeof row.name, "%s", o->token_name);
    snprintf(row.scope, sizeof row.scope, "%s", o->token_scope);
    if (o->token_expires_s > 0)
        row.expires_at = row.created_at + o->token_expires_s * 1000;
    if (store_token_create(o->db, &row, &p) != OK)
        return fail(&p);
    /* the token alone on standard output: TOKEN=$(tally token create) */
    printf("%s\n", text);
    fprintf(stderr, "token %" PRId64 ", scope %s; it is not shown again\n", row.token, row.scope);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void put_time(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[32] = "never";

    if (ms != 0 && gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    printf("%-20s  ", text);
}

static int put_token(void *context, const struct token_row *row)
{
    (void)context;
    printf("%4" PRId64 "  %-5s  ", row->token, row->scope);
    put_time(row->created_at);
    put_time(row->expires_at);
    printf("%s%s\n", row->name, row->expires_at != 0 && row->expires_at <= clock_now_ms() ? " (expired)" : "");
    return OK;
}

static int list(const struct options *o)
{
    struct problem p = {0};

    printf("  id  scope  created               expires               name\n");
    return store_token_list(o->db, put_token, NULL, &p) == OK ? 0 : fail(&p);
}

static int revoke(const struct options *o)
{
    struct problem p = {0};
    bool found = false;

    if (store_token_revoke(o->db, o->token_id, &found, &p) != OK)
        return fail(&p);
    if (found)
        return 0;
    fprintf(stderr, "tally: there is no token %" PRId64 "; see: tally token list\n", o->token_id);
    return 1;
}

int token_command_run(const struct options *o)
{
    switch (o->command) {
    case COMMAND_TOKEN_CREATE:
        return create(o);
    case COMMAND_TOKEN_LIST:
        return list(o);
    default:
        return revoke(o);
    }
}
