/** Reads the command line and runs one command. */
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "archive_command.h"
#include "backup_command.h"
#include "check.h"
#include "options.h"
#include "serve.h"
#include "token_command.h"

static const char *environment(const char *name)
{
    return getenv(name);
}

static int run(const struct options *o)
{
    switch (o->command) {
    case COMMAND_HELP:
        if (options_help(o->topic, stdout))
            return 0;
        fprintf(stderr, "tally: no command %s; see: tally help\n", o->topic);
        return 2;
    case COMMAND_VERSION:
        printf("tally %s (build %s)\n", tally_version(), tally_build_id());
        return 0;
    case COMMAND_SERVE:
        return serve_run(o);
    case COMMAND_CHECK:
        return check_command_run(o);
    case COMMAND_BACKUP:
        return backup_command_run(o);
    case COMMAND_EXPORT:
        return export_command_run(o);
    case COMMAND_IMPORT:
        return import_command_run(o);
    default:
        return token_command_run(o);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    char why[480];
    int status = 2;

    if (options_parse(&options, argc, argv, environment, why, sizeof why))
        status = run(&options);
    else
        fprintf(stderr, "tally: %s\n", why);
    options_release(&options);
    return status;
}
