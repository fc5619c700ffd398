/** `tally backup FILE`: beside a running server or without one; the database is only read. */
#include <inttypes.h>

#include "backup_command.h"
#include "command.h"
#include "store.h"

int backup_command_run(const struct options *o)
{
    struct problem p = {0};
    struct store *store = NULL;
    struct store_conn *reader = NULL;
    int64_t bytes = 0;

    int status = store_view_open(&store, o->db, &p);
    if (status == OK)
        status = store_reader_open(store, &reader, &p);
    if (status == OK)
        status = store_view_check(reader, false, &p);
    if (status == OK)
        status = store_backup(reader, o->file, &bytes, &p);
    store_reader_close(reader);
    store_close(store);
    if (status != OK)
        return command_fail(&p);
    printf("%s: %" PRId64 " bytes\n", o->file, bytes);
    return fflush(stdout) == 0 ? 0 : 1;
}
