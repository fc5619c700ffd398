#ifndef TOKEN_COMMAND_H
#define TOKEN_COMMAND_H

#include "options.h"

/**
 * token_command_run(o): `tally token create | list | revoke`.  Works on the database file, also while a
 * server runs on it.  Returns the exit status: 0, or 1 with a sentence on standard error.
 */
int token_command_run(const struct options *o);

#endif
