#ifndef BACKUP_COMMAND_H
#define BACKUP_COMMAND_H

#include "options.h"

/** backup_command_run(o): copy o->db into the new file o->file.  Returns the exit status: 0, 1. */
int backup_command_run(const struct options *o);

#endif
