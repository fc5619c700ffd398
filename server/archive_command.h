#ifndef ARCHIVE_COMMAND_H
#define ARCHIVE_COMMAND_H

#include "options.h"

/** `tally export [--run R] FILE|-` and `tally import FILE|-`.  They return the exit status: 0, 1. */
int export_command_run(const struct options *o);
int import_command_run(const struct options *o);

#endif
