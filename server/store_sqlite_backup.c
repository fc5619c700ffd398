/**
 * A copy of the whole database as one file, made by a connection that only reads, beside a server that may be writing.
 *
 * Guarantees: the copy is one moment of the database, complete and on disk before it gets its name; a file that is
 * there already is never touched; a copy that failed leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_sqlite.h"

static int backup_problem(struct problem *p, const char *what, const char *path)
{
    char quoted[200];
    int error = errno;

    problem_quote(quoted, sizeof quoted, path, strlen(path));
    if (error == ENOSPC || error == EDQUOT)
        return store_full(p, "back up");
    return problem_set(p, error == EEXIST ? PROBLEM_INVALID : PROBLEM_STORAGE, NULL, "cannot %s %s: %s", what, quoted,
                       error == EEXIST ? "it is there already, and is left alone" : strerror(error));
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return rc;
}

/* The copy in a file that nobody knows yet, synced. */
static int copy_into(struct store_conn *c, const char *temporary, struct problem *p)
{
    struct sql q;

    sql_begin(&q, c, "back up", "VACUUM INTO ?1");
    sql_text(&q, temporary);
    int status = sql_run(&q, p);
    if (status == OK && sync_path(temporary, O_RDWR) != 0)
        status = backup_problem(p, "sync", temporary);
    return status;
}

/* Under its name at last, and the name on disk too. */
static int publish(const char *temporary, const char *path, struct problem *p)
{
    char *copy = strdup(path);

    if (copy == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int status = OK;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        status = backup_problem(p, "create", path);
    else if (sync_path(dirname(copy), O_RDONLY | O_DIRECTORY) != 0)
        status = backup_problem(p, "sync the folder of", path);
    free(copy);
    return status;
}

static int back_up(struct store_conn *c, const char *path, char *temporary, struct problem *p)
{
    struct stat st;

    if (lstat(path, &st) == 0) {
        errno = EEXIST; /* said before the work rather than after it; renameat2 decides */
        return backup_problem(p, "create", path);
    }
    int fd = mkstemp(temporary); /* 0600, and empty: SQLite takes it so */
    if (fd < 0)
        return backup_problem(p, "create", temporary);
    close(fd);
    int status =
        store_has_room(temporary, store_database_bytes(c)) ? copy_into(c, temporary, p) : store_full(p, "back up");
    if (status == OK)
        status = publish(temporary, path, p);
    if (status != OK)
        unlink(temporary); /* gone already where only the folder's sync failed */
    return status;
}

int store_backup(struct store_conn *reader, const char *path, int64_t *bytes, struct problem *p)
{
    char *resolved = NULL, *temporary = NULL;
    struct stat st;
    int status = store_file_resolve(path, &resolved, p);

    if (status == OK && asprintf(&temporary, "%s.partial-XXXXXX", resolved) < 0) {
        temporary = NULL;
        status = problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    }
    if (status == OK)
        status = back_up(reader, resolved, temporary, p);
    if (status == OK)
        *bytes = stat(resolved, &st) == 0 ? (int64_t)st.st_size : 0;
    free(temporary);
    free(resolved);
    return status;
}
