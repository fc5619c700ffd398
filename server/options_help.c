/** `tally help`, from the tables. */
#include <inttypes.h>
#include <string.h>

#include "options_table.h"

static void help_options(unsigned bit, FILE *out)
{
    const struct option *o;

    for (size_t i = 0; (o = option_at(i)) != NULL; i++) {
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
    const struct verb *verb;
    bool found = false;

    if (topic == NULL) {
        fprintf(out, "tally: an experiment tracker that stores counts, not averages\n\n");
        for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
            char left[48];
            snprintf(left, sizeof left, "tally %s%s", verb->words, verb->arguments);
            fprintf(out, "  %-24s  %s\n", left, verb->help);
        }
        fprintf(out, "\ntally help COMMAND prints the options of a command.\n");
        return true;
    }
    for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
        size_t size = strlen(topic);
        if (strncmp(verb->words, topic, size) != 0 || (verb->words[size] != '\0' && verb->words[size] != ' '))
            continue;
        fprintf(out, "%stally %s%s: %s\n", found ? "\n" : "", verb->words, verb->arguments, verb->help);
        help_options(verb->bit, out);
        if (verb->command == COMMAND_SERVE)
            help_limits(out);
        found = true;
    }
    return found;
}
