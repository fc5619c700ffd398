/** The one table of options and that of commands, and what each option sets. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "options_table.h"
#include "record.h"

static bool set_db(struct options *o, const char *value, char *why, size_t why_size)
{
    o->db = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--db needs a file name"), false);
}

static bool set_listen(struct options *o, const char *value, char *why, size_t why_size)
{
    return options_read_listen(value, o->address, sizeof o->address, &o->port) ||
           (snprintf(why, why_size,
                     "--listen %s: must be ADDR:PORT with a numeric address, like 127.0.0.1:7070 or [::1]:7070", value),
            false);
}

static bool set_allow_host(struct options *o, const char *value, char *why, size_t why_size)
{
    if (o->replaces_hosts)
        o->n_allow_hosts = 0;
    o->replaces_hosts = false;
    if (value[0] == '\0' || o->n_allow_hosts == OPTIONS_HOSTS_MAX) {
        snprintf(why, why_size, "--allow-host needs a name, at most %d times", OPTIONS_HOSTS_MAX);
        return false;
    }
    o->allow_hosts[o->n_allow_hosts++] = value;
    return true;
}

static bool set_insecure(struct options *o, const char *value, char *why, size_t why_size)
{
    bool on =
        value == NULL || strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0;
    bool off = value != NULL && (value[0] == '\0' || strcmp(value, "0") == 0 || strcasecmp(value, "false") == 0 ||
                                 strcasecmp(value, "no") == 0);

    o->insecure_no_auth = on;
    return on || off || (snprintf(why, why_size, "TALLY_INSECURE_NO_AUTH must be 1 or 0"), false);
}

static bool set_durability(struct options *o, const char *value, char *why, size_t why_size)
{
    if (strcmp(value, "full") != 0 && strcmp(value, "normal") != 0) {
        snprintf(why, why_size, "--durability %s: must be full or normal", value);
        return false;
    }
    o->durability = strcmp(value, "full") == 0 ? STORE_FULL : STORE_NORMAL;
    return true;
}

static bool set_limit(struct options *o, const char *value, char *why, size_t why_size)
{
    char detail[320];

    if (limits_set(&o->limits, value, detail, sizeof detail))
        return true;
    snprintf(why, why_size, "--limit %s: %s", value, detail);
    return false;
}

static bool set_tls_cert(struct options *o, const char *value, char *why, size_t why_size)
{
    o->tls_cert = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--tls-cert needs a file name"), false);
}

static bool set_tls_key(struct options *o, const char *value, char *why, size_t why_size)
{
    o->tls_key = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--tls-key needs a file name"), false);
}

static bool set_keep_steps(struct options *o, const char *value, char *why, size_t why_size)
{
    return options_read_duration(value, &o->keep_steps_s) ||
           (snprintf(why, why_size, "--keep-steps %s: must be a number and s, m, h, d or w, like 30d", value), false);
}

static bool set_web_dir(struct options *o, const char *value, char *why, size_t why_size)
{
    o->web_dir = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--web-dir needs a folder"), false);
}

static bool set_backup_dir(struct options *o, const char *value, char *why, size_t why_size)
{
    o->backup_dir = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--backup-dir needs a folder"), false);
}

static bool set_run(struct options *o, const char *value, char *why, size_t why_size)
{
    o->run = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--run needs the id of a run"), false);
}

static bool set_name(struct options *o, const char *value, char *why, size_t why_size)
{
    o->token_name = value;
    return strlen(value) < sizeof((struct token_row *)0)->name ||
           (snprintf(why, why_size, "--name: at most 64 bytes"), false);
}

static bool set_scope(struct options *o, const char *value, char *why, size_t why_size)
{
    o->token_scope = value;
    return strcmp(value, "read") == 0 || strcmp(value, "write") == 0 || strcmp(value, "admin") == 0 ||
           (snprintf(why, why_size, "--scope %s: must be read, write or admin", value), false);
}

static bool set_project(struct options *o, const char *value, char *why, size_t why_size)
{
    o->token_project = value;
    return name_is_valid(value, strlen(value), PROJECT_MAX) ||
           (snprintf(why, why_size,
                     "--project: must be the name of a project, 1 to %d of A-Z a-z 0-9 . _ -, a letter or digit first",
                     PROJECT_MAX),
            false);
}

static bool set_expires(struct options *o, const char *value, char *why, size_t why_size)
{
    return options_read_duration(value, &o->token_expires_s) ||
           (snprintf(why, why_size, "--expires %s: must be a number and s, m, h, d or w, like 30d", value), false);
}

static bool set_token_file(struct options *o, const char *value, char *why, size_t why_size)
{
    o->token_file = value;
    return value[0] != '\0' || (snprintf(why, why_size, "--token-file needs a file name"), false);
}

static bool set_if_missing(struct options *o, const char *value, char *why, size_t why_size)
{
    (void)value, (void)why, (void)why_size;
    o->token_if_missing = true;
    return true;
}

static const struct option OPTIONS[] = {
    {"--db", "FILE", "TALLY_DB", FOR_SERVE | FOR_TOKEN | FOR_CHECK | FOR_FILE, false, set_db,
     "the database (tally.db)"},
    {"--listen", "ADDR:PORT", "TALLY_LISTEN", FOR_SERVE, false, set_listen,
     "where to listen (127.0.0.1:7070); port 0: any free one"},
    {"--allow-host", "NAME", "TALLY_ALLOW_HOST", FOR_SERVE, true, set_allow_host,
     "answer to this host name too (repeatable; variable: separated by commas); tokens are then needed"},
    {"--tls-cert", "FILE", "TALLY_TLS_CERT", FOR_SERVE, false, set_tls_cert,
     "speak https with this certificate (PEM, the chain behind it); read again on SIGHUP"},
    {"--tls-key", "FILE", "TALLY_TLS_KEY", FOR_SERVE, false, set_tls_key,
     "the private key of the certificate (PEM), which others may not read"},
    {"--insecure-no-auth", NULL, "TALLY_INSECURE_NO_AUTH", FOR_SERVE, false, set_insecure, "ask nobody for a token"},
    {"--durability", "full|normal", "TALLY_DURABILITY", FOR_SERVE, false, set_durability,
     "full: what was answered is on disk (default); normal: a power cut may lose the last seconds"},
    {"--limit", "KEY=VALUE", "TALLY_LIMIT", FOR_SERVE, true, set_limit,
     "change a limit (repeatable; variable: separated by commas)"},
    {"--backup-dir", "DIR", "TALLY_BACKUP_DIR", FOR_SERVE, false, set_backup_dir,
     "where POST /api/v1/backup puts its files (beside the database)"},
    {"--keep-steps", "30d", "TALLY_KEEP_STEPS", FOR_SERVE, false, set_keep_steps,
     "thin the batches of epochs that were last written so long ago: a number and s, m, h, d or w (keep all)"},
    {"--web-dir", "DIR", "TALLY_WEB_DIR", FOR_SERVE, false, set_web_dir,
     "serve the page from this folder (for working on it)"},
    {"--run", "ID", NULL, FOR_EXPORT, false, set_run, "only this run (all)"},
    {"--name", "NAME", NULL, FOR_CREATE, false, set_name, "a label for `tally token list`"},
    {"--scope", "read|write|admin", NULL, FOR_CREATE, false, set_scope,
     "what it allows (write); each includes those before it"},
    {"--project", "NAME", NULL, FOR_CREATE, false, set_project, "only this project and its runs (all)"},
    {"--expires", "30d", NULL, FOR_CREATE, false, set_expires, "when it ends: a number and s, m, h, d or w (never)"},
    {"--token-file", "FILE", NULL, FOR_CREATE, false, set_token_file,
     "take the token's text from a file (a container's secret) instead of making one"},
    {"--if-missing", NULL, NULL, FOR_CREATE, false, set_if_missing,
     "with --token-file: no error if it is there already"},
};

enum { N_OPTIONS = sizeof OPTIONS / sizeof OPTIONS[0] };

static const struct verb VERBS[] = {
    {"serve", "", "run the server", COMMAND_SERVE, FOR_SERVE},
    {"token create", "", "make a token and print it, once", COMMAND_TOKEN_CREATE, FOR_CREATE},
    {"token list", "", "list the tokens (not their secrets)", COMMAND_TOKEN_LIST, FOR_LIST},
    {"token revoke", " ID", "revoke a token by its number in the list", COMMAND_TOKEN_REVOKE, FOR_REVOKE},
    {"check", "", "compute every stored sum again and compare (without a server)", COMMAND_CHECK, FOR_CHECK},
    {"backup", " FILE", "copy the database into a new file, while a server runs or not", COMMAND_BACKUP, FOR_BACKUP},
    {"export", " FILE|-", "write all runs as NDJSON, while a server runs or not", COMMAND_EXPORT, FOR_EXPORT},
    {"import", " FILE|-", "add the runs of an export (without a server)", COMMAND_IMPORT, FOR_IMPORT},
    {"version", "", "print version and build", COMMAND_VERSION, 0},
    {"help", " [COMMAND]", "print this, or what one command takes", COMMAND_HELP, 0},
};

enum { N_VERBS = sizeof VERBS / sizeof VERBS[0] };

const struct option *option_at(size_t i)
{
    return i < N_OPTIONS ? &OPTIONS[i] : NULL;
}

const struct verb *verb_at(size_t i)
{
    return i < N_VERBS ? &VERBS[i] : NULL;
}
