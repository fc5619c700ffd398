/**
 * The schema: the files schema/sqlite/NNN_<what>.sql in the binary, run in the order of their
 * numbers, one transaction each.  user_version is the number of the last one; it is written in the
 * same transaction, so a crash leaves the old schema or the new one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "store_sqlite.h"

/* The number of a migration file; 0 if it is not one. */
static int migration_number(const struct embedded_file *file)
{
    static const char folder[] = "schema/sqlite/";

    if (strncmp(file->path, folder, sizeof folder - 1) != 0)
        return 0;
    return atoi(file->path + sizeof folder - 1);
}

static const struct embedded_file *find_migration(int number)
{
    for (const struct embedded_file *f = embedded_files; f->path != NULL; f++)
        if (migration_number(f) == number)
            return f;
    return NULL;
}

int store_schema_latest(void)
{
    int latest = 0;

    for (const struct embedded_file *f = embedded_files; f->path != NULL; f++)
        if (migration_number(f) > latest)
            latest = migration_number(f);
    return latest;
}

int store_schema_check(struct store_conn *c, int *version, struct problem *p)
{
    int64_t application = 0, user = 0, tables = 0;
    int status = sql_pragma_int(c, "PRAGMA application_id", &application, p);

    if (status == OK)
        status = sql_pragma_int(c, "PRAGMA user_version", &user, p);
    if (status == OK)
        status = sql_pragma_int(c, "SELECT count(*) FROM sqlite_schema", &tables, p);
    if (status != OK)
        return status;
    bool empty = application == 0 && user == 0 && tables == 0;
    if (!empty && application != STORE_APPLICATION_ID)
        return problem_set(p, STORE_FOREIGN, NULL,
                           "the file is a SQLite database, but not one of tally: it is left alone");
    if (user > store_schema_latest())
        return problem_set(
            p, STORE_FOREIGN, NULL,
            "the database was made by a later version of tally (schema %d, this one knows %d): it is left alone",
            (int)user, store_schema_latest());
    *version = (int)user;
    return OK;
}

int store_view_check(struct store_conn *c, bool rows, struct problem *p)
{
    int version = 0;
    int status = store_schema_check(c, &version, p);

    if (status != OK || !rows || version == store_schema_latest())
        return status;
    return problem_set(
        p, PROBLEM_STORAGE, NULL,
        "the database was made by an earlier version of tally (schema %d, this one reads %d): tally serve and "
        "tally check bring it up to date",
        version, store_schema_latest());
}

static int migrate_one(struct store_conn *c, const struct embedded_file *file, int number, struct problem *p)
{
    char set_version[48];
    int status = sql_script(c, "begin a migration", "BEGIN IMMEDIATE", p);

    if (status != OK)
        return status;
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", number);
    status = sql_script(c, file->path, (const char *)file->data, p);
    if (status == OK)
        status = sql_script(c, "set the schema version", set_version, p);
    if (status == OK)
        status = sql_script(c, "commit a migration", "COMMIT", p);
    if (status != OK && !sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

int store_schema_migrate(struct store_conn *c, int from, struct problem *p)
{
    for (int number = from + 1; number <= store_schema_latest(); number++) {
        const struct embedded_file *file = find_migration(number);
        if (file == NULL)
            return problem_set(p, PROBLEM_INTERNAL, NULL, "migration %d is missing from the program", number);
        int status = migrate_one(c, file, number, p);
        if (status != OK)
            return status;
    }
    return OK;
}
