#ifndef COMMAND_H
#define COMMAND_H

#include "problem.h"

/**
 * How commands end.  0: done; 1: it failed; 2: the command line is not understood; COMMAND_FOREIGN: the file is not one of
 * this program (another program's, or made by a later version) and was left as it is.
 */
enum { COMMAND_FOREIGN = 3 };

/** command_fail(p): say on standard error what went wrong, and return what the process ends with: 1 or COMMAND_FOREIGN. */
int command_fail(const struct problem *p);

#endif
