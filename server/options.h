#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server_limits.h"
#include "store.h"

/**
 * The command line and the TALLY_* environment.  The command line wins: an option given there replaces
 * what the environment says of it (limits: key by key).
 */
enum command {
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_SERVE,
    COMMAND_CHECK,
    COMMAND_BACKUP,
    COMMAND_EXPORT,
    COMMAND_IMPORT,
    COMMAND_TOKEN_CREATE,
    COMMAND_TOKEN_LIST,
    COMMAND_TOKEN_REVOKE
};

enum { OPTIONS_HOSTS_MAX = 64 };

struct kept_list;

struct options {
    enum command command;
    const char *topic; /* COMMAND_HELP: the command asked about; NULL */
    const char *db;    /* "tally.db" */
    char address[64];  /* numeric, without brackets: "127.0.0.1", "::1" */
    uint16_t port;     /* 7070; 0: any free one */
    const char *allow_hosts[OPTIONS_HOSTS_MAX];
    size_t n_allow_hosts;
    bool insecure_no_auth;
    enum store_durability durability; /* STORE_FULL */
    struct limits limits;
    int64_t keep_steps_s;           /* batches of old epochs are kept for so long; 0: for ever */
    const char *tls_cert, *tls_key; /* both or none; NULL */
    const char *web_dir;            /* NULL: the page inside the program */
    const char *backup_dir;         /* NULL: beside the database */
    const char
        *file; /* COMMAND_BACKUP, EXPORT: where to; IMPORT: where from; "-" of the last two: standard output, input */
    const char *run;           /* COMMAND_EXPORT: only this one; NULL */
    const char *token_name;    /* "" */
    const char *token_scope;   /* "write" */
    const char *token_project; /* NULL: all */
    int64_t token_expires_s;   /* from now; 0: never */
    const char *token_file;    /* COMMAND_TOKEN_CREATE: where its text is; NULL: make one */
    bool token_if_missing;
    int64_t token_id;    /* COMMAND_TOKEN_REVOKE */
    bool replaces_hosts; /* private: the command line is being read; its first host replaces those of the environment */
    struct kept_list *kept; /* private: the lists of the environment, cut up */
};

/**
 * options_parse(out, argc, argv, env, why, why_size): read them all.
 *
 * argv, env's texts  borrowed: out points into them.
 * env      like getenv().
 * why      on failure: a sentence that says what is wrong and where help is.
 * Returns  true; false: wrong usage (exit status 2).  options_release() in both cases.
 */
bool options_parse(struct options *out, int argc, char *const *argv, const char *(*env)(const char *name), char *why,
                   size_t why_size);
void options_release(struct options *o);

/** options_read_listen(text, address, address_size, port): "ADDR:PORT" or "[IPv6]:PORT", numeric ("localhost" is 127.0.0.1). */
bool options_read_listen(const char *text, char *address, size_t address_size, uint16_t *port);
/** options_read_duration(text, seconds): "90s", "15m", "12h", "30d", "8w", above 0 and at most a hundred years. */
bool options_read_duration(const char *text, int64_t *seconds);

/** options_help(topic, out): what `tally help [topic]` prints.  false: no such command (and nothing printed). */
bool options_help(const char *topic, FILE *out);

#endif
