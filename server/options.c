/**
 * Reading the environment and then the command line, by the table of options_table.c: once, on the main thread, before
 * anything else runs.
 */
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

/* A list of the environment, cut up at its commas. */
struct kept_list {
    struct kept_list *next;
    char text[];
};

static const struct option *find_option(const char *text, size_t size)
{
    const struct option *option;

    for (size_t i = 0; (option = option_at(i)) != NULL; i++)
        if (strlen(option->name) == size && memcmp(option->name, text, size) == 0)
            break;
    return option;
}

/* The verb that argv begins with, and how many words it has; NULL: none. */
static const struct verb *find_verb(int argc, char *const *argv, int *n_words)
{
    const struct verb *verb;

    for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
        const char *blank = strchr(verb->words, ' ');
        size_t first = blank != NULL ? (size_t)(blank - verb->words) : strlen(verb->words);
        if (strlen(argv[0]) != first || memcmp(argv[0], verb->words, first) != 0)
            continue;
        *n_words = blank != NULL ? 2 : 1;
        if (blank == NULL || (argc > 1 && strcmp(argv[1], blank + 1) == 0))
            break;
    }
    return verb;
}

static bool set_each(struct options *o, const struct option *option, const char *list, char *why, size_t why_size)
{
    size_t size = strlen(list) + 1;
    struct kept_list *copy = malloc(sizeof *copy + size);

    if (copy == NULL) {
        snprintf(why, why_size, "no memory");
        return false;
    }
    copy->next = o->kept;
    o->kept = copy;
    memcpy(copy->text, list, size);
    for (char *rest = copy->text, *item; (item = strsep(&rest, ",")) != NULL;)
        if (item[0] != '\0' && !option->set(o, item, why, why_size))
            return false;
    return true;
}

static bool from_environment(struct options *o, const struct verb *verb, const char *(*env)(const char *name),
                             char *why, size_t why_size)
{
    const struct option *option;

    for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
        const char *value =
            option->variable != NULL && (option->commands & verb->bit) != 0 ? env(option->variable) : NULL;
        if (value == NULL || (value[0] == '\0' && option->value != NULL))
            continue;
        if (!(option->is_list ? set_each(o, option, value, why, why_size) : option->set(o, value, why, why_size)))
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
    o->replaces_hosts = true;
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
        if (!option->set(o, value, why, why_size))
            return false;
    }
    return true;
}

/* What must be there, or be there together. */
static bool check_whole(const struct options *o, const struct verb *verb, char *why, size_t why_size)
{
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

static void set_defaults(struct options *o)
{
    memset(o, 0, sizeof *o);
    o->db = "tally.db";
    strcpy(o->address, "127.0.0.1");
    o->port = 7070;
    o->durability = STORE_FULL;
    o->token_name = "";
    o->token_scope = "write";
    limits_default(&o->limits);
}

bool options_parse(struct options *out, int argc, char *const *argv, const char *(*env)(const char *name), char *why,
                   size_t why_size)
{
    int n_words = 1;

    set_defaults(out);
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
           from_arguments(out, verb, argc - 1 - n_words, argv + 1 + n_words, why, why_size) &&
           check_whole(out, verb, why, why_size);
}

void options_release(struct options *o)
{
    while (o->kept != NULL) {
        struct kept_list *next = o->kept->next;
        free(o->kept);
        o->kept = next;
    }
}
