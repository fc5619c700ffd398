/** What all commands have in common: how they fail. */
#include <stdio.h>

#include "command.h"
#include "store.h"

int command_fail(const struct problem *p)
{
    fprintf(stderr, "tally: %s\n", p->detail);
    return p->code == STORE_FOREIGN ? COMMAND_FOREIGN : 1;
}
