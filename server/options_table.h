#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/**
 * Private to options: which commands and options there are, which command takes which option, which variable stands for it
 * and what it sets.  Reading and the help follow the table.
 */

/* The commands that take an option, as bits; a verb has one. */
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

/* Sets what the option says.  false: why has a sentence.  value is NULL for an option without one; borrowed for ever. */
typedef bool option_setter(struct options *o, const char *value, char *why, size_t why_size);

struct option {
    const char *name;
    const char *value;    /* what stands for its value in the help; NULL: it has none */
    const char *variable; /* NULL: none */
    unsigned commands;    /* FOR_... */
    bool is_list;         /* the variable holds several, separated by commas */
    option_setter *set;
    const char *help;
};

struct verb {
    const char *words, *arguments, *help; /* one word or two */
    enum command command;
    unsigned bit; /* FOR_...; 0: it takes no options */
};

/** option_at(i), verb_at(i): in the order of the help; NULL after the last. */
const struct option *option_at(size_t i);
const struct verb *verb_at(size_t i);

#endif
