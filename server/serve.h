#ifndef SERVE_H
#define SERVE_H

#include "options.h"

/**
 * serve_run(o): `tally serve`, from the open database to the last answer.  Returns the exit status: 0 after a
 * drained stop, 1 with a sentence on standard error if it could not start or stop cleanly.  Main thread;
 * signals are taken here: SIGTERM and SIGINT drain, a second one ends the process at once.
 */
int serve_run(const struct options *o);

#endif
