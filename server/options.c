/**
 * One table of options: which command takes it, which variable stands for it, what it sets.  Reading is
 * done once, on the main thread, before anything else runs.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"
#include "record.h"

enum {
    FOR_SERVE = 1,
    FOR_CREATE = 2,
    FOR_LIST = 4,
    FOR_REVOKE = 8,
    FOR_CHECK = 16,
    FOR_BACKUP = 32,
    FOR_EXPORT = 64,
    FOR_IMPORT = 128,
    FOR_FILE = FOR_BACKUP | FOR_EXPORT | FOR_IMPORT,
    FOR_TOKEN = FOR_CREATE | FOR_LIST | FOR_REVOKE
};

/* A list of the environment, cut up at its commas. */
struct kept_list {
    struct kept_list *next;
    char text[];
};

typedef bool setter(struct options *o, const char *value, char *why, size_t why_size);

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

static const struct option {
    const char *name, *value, *variable;
    unsigned commands;
    bool is_list; /* the variable holds several, separated by commas */
    setter *set;
    const char *help;
} OPTIONS[] = {
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

static const struct verb {
    const char *words, *arguments, *help;
    enum command command;
    unsigned bit;
} VERBS[] = {
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

/* ---- reading ---- */

static const struct option *find_option(const char *text, size_t size)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == size && memcmp(OPTIONS[i].name, text, size) == 0)
            return &OPTIONS[i];
    return NULL;
}

/* The verb that argv begins with, and how many words it has; NULL: none. */
static const struct verb *find_verb(int argc, char *const *argv, int *n_words)
{
    for (size_t i = 0; i < N_VERBS; i++) {
        const char *blank = strchr(VERBS[i].words, ' ');
        size_t first = blank != NULL ? (size_t)(blank - VERBS[i].words) : strlen(VERBS[i].words);
        if (strlen(argv[0]) != first || memcmp(argv[0], VERBS[i].words, first) != 0)
            continue;
        *n_words = blank != NULL ? 2 : 1;
        if (blank == NULL || (argc > 1 && strcmp(argv[1], blank + 1) == 0))
            return &VERBS[i];
    }
    return NULL;
}

static bool from_environment(struct options *o, const struct verb *verb, const char *(*env)(const char *name),
                             char *why, size_t why_size)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *option = &OPTIONS[i];
        const char *value =
            option->variable != NULL && (option->commands & verb->bit) != 0 ? env(option->variable) : NULL;
        if (value == NULL || (value[0] == '\0' && option->value != NULL))
            continue;
        if (!option->is_list) {
            if (!option->set(o, value, why, why_size))
                return false;
            continue;
        }
        size_t size = strlen(value) + 1;
        struct kept_list *copy = malloc(sizeof *copy + size);
        if (copy == NULL) {
            snprintf(why, why_size, "no memory");
            return false;
        }
        copy->next = o->kept;
        o->kept = copy;
        memcpy(copy->text, value, size);
        for (char *rest = copy->text, *item; (item = strsep(&rest, ",")) != NULL;)
            if (item[0] != '\0' && !option->set(o, item, why, why_size))
                return false;
    }
    return true;
}

/* A word that is no option.  false: the command takes none, or not this one. */
static bool take_word(struct options *o, const struct verb *verb, const char *text)
{
    char *end = NULL;

    switch (verb->command) {
    case COMMAND_TOKEN_REVOKE:
        if (o->token_id != 0)
            return false;
        o->token_id = strtoll(text, &end, 10);
        return o->token_id > 0 && *end == '\0';
    case COMMAND_HELP:
        if (o->topic == NULL)
            o->topic = text;
        return true; /* the second word of "token create" is not needed */
    case COMMAND_BACKUP:
    case COMMAND_EXPORT:
    case COMMAND_IMPORT:
        if (o->file != NULL || (text[0] == '-' && verb->command == COMMAND_BACKUP))
            return false;
        o->file = text;
        return true;
    default:
        return false;
    }
}

static bool from_arguments(struct options *o, const struct verb *verb, int argc, char *const *argv, char *why,
                           size_t why_size)
{
    bool hosts_given = false;

    for (int i = 0; i < argc; i++) {
        const char *text = argv[i], *equals = strchr(text, '=');
        if (text[0] != '-' || text[1] == '\0') {
            if (take_word(o, verb, text))
                continue;
            snprintf(why, why_size, "%s: not understood here; see: tally help %s", text, verb->words);
            return false;
        }
        const struct option *option = find_option(text, equals != NULL ? (size_t)(equals - text) : strlen(text));
        if (option == NULL || (option->commands & verb->bit) == 0) {
            snprintf(why, why_size, "unknown option %s; see: tally help %s", text, verb->words);
            return false;
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (option->value != NULL && value == NULL && ++i < argc)
            value = argv[i];
        if ((option->value == NULL) != (value == NULL)) {
            snprintf(why, why_size, option->value != NULL ? "%s needs a value: %s" : "%s takes no value", option->name,
                     option->value != NULL ? option->value : "");
            return false;
        }
        if (option->set == set_allow_host && !hosts_given) {
            o->n_allow_hosts = 0; /* those of the environment are replaced */
            hosts_given = true;
        }
        if (!option->set(o, value, why, why_size))
            return false;
    }
    if (verb->command == COMMAND_TOKEN_REVOKE && o->token_id == 0) {
        snprintf(why, why_size, "token revoke needs the token's number; see: tally token list");
        return false;
    }
    if ((verb->bit & FOR_FILE) != 0 && o->file == NULL) {
        snprintf(why, why_size, "%s needs a file; see: tally help %s", verb->words, verb->words);
        return false;
    }
    if ((o->tls_cert == NULL) != (o->tls_key == NULL)) {
        snprintf(why, why_size, "--tls-cert and --tls-key go together: %s is missing",
                 o->tls_cert == NULL ? "--tls-cert" : "--tls-key");
        return false;
    }
    return true;
}

bool options_parse(struct options *out, int argc, char *const *argv, const char *(*env)(const char *name), char *why,
                   size_t why_size)
{
    int n_words = 1;

    memset(out, 0, sizeof *out);
    out->db = "tally.db";
    strcpy(out->address, "127.0.0.1");
    out->port = 7070;
    out->durability = STORE_FULL;
    out->token_name = "";
    out->token_scope = "write";
    limits_default(&out->limits);
    if (argc < 2) {
        snprintf(why, why_size, "a command is needed; see: tally help");
        return false;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        out->command = COMMAND_HELP;
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        out->command = COMMAND_VERSION;
        return true;
    }
    const struct verb *verb = find_verb(argc - 1, argv + 1, &n_words);
    if (verb == NULL) {
        snprintf(why, why_size, "unknown command %s%s%s; see: tally help", argv[1], n_words == 2 && argc > 2 ? " " : "",
                 n_words == 2 && argc > 2 ? argv[2] : "");
        return false;
    }
    out->command = verb->command;
    for (int i = 1 + n_words; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            out->command = COMMAND_HELP;
            out->topic = argv[1];
            return true;
        }
    return from_environment(out, verb, env, why, why_size) &&
           from_arguments(out, verb, argc - 1 - n_words, argv + 1 + n_words, why, why_size);
}

void options_release(struct options *o)
{
    while (o->kept != NULL) {
        struct kept_list *next = o->kept->next;
        free(o->kept);
        o->kept = next;
    }
}

/* ---- help ---- */

static void help_options(unsigned bit, FILE *out)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &OPTIONS[i];
        char left[48];
        if ((o->commands & bit) == 0)
            continue;
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        fprintf(out, "  %-24s  %s\n", left, o->help);
        if (o->variable != NULL)
            fprintf(out, "  %-24s  also: %s\n", "", o->variable);
    }
}

static void help_limits(FILE *out)
{
    struct limits defaults;
    const char *name;
    int64_t value;

    limits_default(&defaults);
    fprintf(out, "\nLimits (--limit KEY=VALUE) and their defaults:\n");
    for (size_t i = 0; limits_at(&defaults, i, &name, &value); i++)
        fprintf(out, "  %-24s  %" PRId64 "\n", name, value);
}

bool options_help(const char *topic, FILE *out)
{
    bool found = false;

    if (topic == NULL) {
        fprintf(out, "tally: an experiment tracker that stores counts, not averages\n\n");
        for (size_t i = 0; i < N_VERBS; i++) {
            char left[48];
            snprintf(left, sizeof left, "tally %s%s", VERBS[i].words, VERBS[i].arguments);
            fprintf(out, "  %-24s  %s\n", left, VERBS[i].help);
        }
        fprintf(out, "\ntally help COMMAND prints the options of a command.\n");
        return true;
    }
    for (size_t i = 0; i < N_VERBS; i++) {
        size_t size = strlen(topic);
        if (strncmp(VERBS[i].words, topic, size) != 0 || (VERBS[i].words[size] != '\0' && VERBS[i].words[size] != ' '))
            continue;
        fprintf(out, "%stally %s%s: %s\n", found ? "\n" : "", VERBS[i].words, VERBS[i].arguments, VERBS[i].help);
        help_options(VERBS[i].bit, out);
        if (VERBS[i].command == COMMAND_SERVE)
            help_limits(out);
        found = true;
    }
    return found;
}
