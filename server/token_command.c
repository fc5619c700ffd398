/** Tokens from the command line.  A token is shown once, when it is made; only its hash is stored. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "crypto.h"
#include "store.h"
#include "token_command.h"

enum { SECRET = 32, TEXT_MIN = 32, TEXT_MAX = 256 };

static const char PREFIX[] = "tally_"; /* so that scanners for leaked secrets recognise it */

/* A token that nobody has used yet. */
static bool make_text(char *text, size_t size)
{
    uint8_t secret[SECRET];

    if (size < sizeof PREFIX + 2 * SECRET || crypto_random(secret, sizeof secret) != OK) {
        fprintf(stderr, "tally: no random bytes\n");
        return false;
    }
    memcpy(text, PREFIX, sizeof PREFIX - 1);
    crypto_hex(secret, sizeof secret, text + sizeof PREFIX - 1);
    return true;
}

/* The first line of a file: long enough not to be guessed, and such that a header can carry it. */
static bool read_text(const char *path, char *text, size_t size)
{
    FILE *in = fopen(path, "r");
    bool read = in != NULL && fgets(text, (int)size, in) != NULL;

    if (in != NULL)
        fclose(in);
    if (!read) {
        fprintf(stderr, "tally: cannot read a token from %s\n", path);
        return false;
    }
    size_t n = strcspn(text, "\r\n");
    bool fits = n + 1 < size;
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        fits = fits && text[i] > 0x20 && text[i] < 0x7f;
    if (fits && n >= TEXT_MIN)
        return true;
    fprintf(stderr, "tally: the token in %s must be %d to %zu printable characters without blanks\n", path, TEXT_MIN,
            size - 2);
    return false;
}

struct search {
    const uint8_t *sha256;
    bool found;
};

static int compare_token(void *context, const struct token_row *row)
{
    struct search *search = context;

    search->found = search->found || crypto_equal(row->sha256, search->sha256, sizeof row->sha256);
    return OK;
}

static int create_token(const struct options *o)
{
    struct problem p = {0};
    struct token_row row = {.created_at = clock_now_ms()};
    struct search search = {row.sha256, false};
    char text[TEXT_MAX];

    if (o->token_file != NULL ? !read_text(o->token_file, text, sizeof text) : !make_text(text, sizeof text))
        return 1;
    if (crypto_sha256(text, strlen(text), row.sha256) != OK) {
        fprintf(stderr, "tally: cannot hash\n");
        return 1;
    }
    snprintf(row.name, sizeof row.name, "%s", o->token_name);
    snprintf(row.scope, sizeof row.scope, "%s", o->token_scope);
    snprintf(row.project, sizeof row.project, "%s", o->token_project != NULL ? o->token_project : "");
    if (o->token_expires_s > 0)
        row.expires_at = row.created_at + o->token_expires_s * 1000;
    if (o->token_file != NULL && access(o->db, F_OK) == 0 && store_token_list(o->db, compare_token, &search, &p) != OK)
        return command_fail(&p);
    if (search.found && o->token_if_missing)
        return 0;
    if (search.found) {
        fprintf(stderr, "tally: this token is there already\n");
        return 1;
    }
    if (store_token_create(o->db, &row, &p) != OK)
        return command_fail(&p);
    /* the token alone on standard output: TOKEN=$(tally token create) */
    if (o->token_file == NULL)
        printf("%s\n", text);
    fprintf(stderr, "token %" PRId64 ", scope %s%s%s%s\n", row.token, row.scope,
            row.project[0] != '\0' ? ", project " : "", row.project,
            o->token_file == NULL ? "; it is not shown again" : "");
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
    printf("%-16s  %s%s\n", row->project[0] != '\0' ? row->project : "(all)", row->name,
           row->expires_at != 0 && row->expires_at <= clock_now_ms() ? " (expired)" : "");
    return OK;
}

static int list_tokens(const struct options *o)
{
    struct problem p = {0};

    printf("  id  scope  created               expires               project           name\n");
    return store_token_list(o->db, put_token, NULL, &p) == OK ? 0 : command_fail(&p);
}

static int revoke_token(const struct options *o)
{
    struct problem p = {0};
    bool found = false;

    if (store_token_revoke(o->db, o->token_id, &found, &p) != OK)
        return command_fail(&p);
    if (found)
        return 0;
    fprintf(stderr, "tally: there is no token %" PRId64 "; see: tally token list\n", o->token_id);
    return 1;
}

int token_command_run(const struct options *o)
{
    switch (o->command) {
    case COMMAND_TOKEN_CREATE:
        return create_token(o);
    case COMMAND_TOKEN_LIST:
        return list_tokens(o);
    default:
        return revoke_token(o);
    }
}
