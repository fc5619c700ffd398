/** What only a check asks of the database. */
#include <stdio.h>
#include <string.h>

#include "page_sum.h"
#include "store_sqlite.h"

enum { NAMED_MAX = 64 };

/* Damaged pages whose tables are known. */
struct named_pages {
    size_t n;
    int64_t pages[NAMED_MAX];
    char tables[NAMED_MAX][32];
};

static int read_int(struct sql *q, int64_t *out, struct problem *p)
{
    bool row = false;
    int64_t value = 0;
    int status = sql_step(q, &row, p);

    if (status == OK && row)
        value = sql_column_int(q, 0);
    sql_end(q);
    if (status == OK)
        *out = value;
    return status;
}

int store_rollups_count(struct store_conn *c, int64_t run, int64_t series, int64_t *out, struct problem *p)
{
    struct sql q;

    sql_begin(&q, c, "count rollups", "SELECT count(*) FROM rollup WHERE run = ?1 AND series = ?2");
    sql_int(&q, run);
    sql_int(&q, series);
    return read_int(&q, out, p);
}

int store_orphans(struct store_conn *c, int64_t *out, struct problem *p)
{
    struct sql q;

    sql_begin(
        &q, c, "look for series that are not there",
        "SELECT count(*) FROM (SELECT DISTINCT run, series FROM batch UNION SELECT DISTINCT run, series FROM rollup) "
        "AS named WHERE NOT EXISTS (SELECT 1 FROM series WHERE series.run = named.run AND series.series = "
        "named.series)");
    return read_int(&q, out, p);
}

int store_stray_seals(struct store_conn *c, int64_t *out, struct problem *p)
{
    struct sql q;

    sql_begin(
        &q, c, "compare seals with epochs",
        "SELECT (SELECT count(*) FROM seal s WHERE NOT EXISTS (SELECT 1 FROM rollup r WHERE r.run = s.run AND "
        "r.series = s.series AND r.level = 0 AND r.epoch = s.epoch AND r.sealed_at <> 0)) + "
        "(SELECT count(*) FROM rollup r WHERE r.sealed_at <> 0 AND (r.level <> 0 OR NOT EXISTS (SELECT 1 FROM seal s "
        "WHERE s.run = r.run AND s.series = r.series AND s.epoch = r.epoch))) + "
        "(SELECT count(*) FROM seal s WHERE s.thinned = 1 AND EXISTS (SELECT 1 FROM batch b WHERE b.run = s.run AND "
        "b.series = s.series AND b.epoch = s.epoch))");
    return read_int(&q, out, p);
}

int store_miscounts(struct store_conn *c, int64_t *out, struct problem *p)
{
    struct sql q;

    sql_begin(&q, c, "compare the numbers of runs",
              "SELECT (SELECT count(*) FROM project WHERE runs <> (SELECT count(*) FROM run WHERE "
              "run.project = project.project AND hidden = 0)) + "
              "(SELECT count(*) FROM generation WHERE runs <> (SELECT count(*) FROM run WHERE hidden = 0))");
    return read_int(&q, out, p);
}

int store_file_verify(struct store_conn *c, char *why, size_t why_size, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "verify the file", "PRAGMA integrity_check(1)");
    int status = sql_step_texts(&q, &row, p);
    if (status == OK && row)
        sql_column_copy(&q, 0, why, why_size);
    sql_end(&q);
    if (status == OK && strcmp(why, "ok") == 0)
        why[0] = '\0';
    return status;
}

/* ---- pages ---- */

/* SQLite's check of a table goes on behind a page that it cannot read; which one that was last, the connection knows. */
static void name_table(struct store_conn *c, const char *table, struct named_pages *named)
{
    struct problem ignored;
    struct sql q;
    bool row = true;
    int status = OK;

    store_page_forget(c->db);
    sql_begin(&q, c, "check a table", "SELECT 1 FROM pragma_integrity_check(?1)");
    sql_text(&q, table);
    while (status == OK && row)
        status = sql_step(&q, &row, &ignored);
    sql_end(&q);
    struct store_damage damage = store_page_damage(c->db);
    if (damage.kind == STORE_DAMAGE_PAGE && named->n < NAMED_MAX) {
        named->pages[named->n] = damage.number;
        snprintf(named->tables[named->n++], sizeof named->tables[0], "%s", table);
    }
}

/* Names are a help and no more: where they cannot be read, there are none. */
static void name_tables(struct store_conn *c, struct named_pages *named)
{
    struct problem ignored;
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "list the tables", "SELECT name FROM sqlite_schema WHERE type = 'table'");
    while (sql_step(&q, &row, &ignored) == OK && row) {
        char table[sizeof named->tables[0]];
        sql_column_copy(&q, 0, table, sizeof table);
        name_table(c, table, named);
    }
    sql_end(&q);
}

static const char *table_of(const struct named_pages *named, int64_t page)
{
    for (size_t i = 0; i < named->n; i++)
        if (named->pages[i] == page)
            return named->tables[i];
    return NULL;
}

static int file_of(struct store_conn *c, sqlite3_file **file, int64_t *size, struct problem *p)
{
    sqlite3_int64 bytes = 0;
    int rc = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, file);

    if (rc == SQLITE_OK)
        rc = (*file)->pMethods->xFileSize(*file, &bytes);
    *size = bytes;
    return rc == SQLITE_OK ? OK : sql_failed(c, "look at the file", rc, p);
}

int store_pages_each(struct store_conn *c, int (*fn)(void *context, int64_t page, const char *table), void *context,
                     int64_t *pages, struct problem *p)
{
    struct named_pages named = {.n = 0};
    uint8_t page[PAGE_SIZE];
    sqlite3_file *file = NULL;
    int64_t size = 0, n = 0;
    bool are_named = false;
    int status = file_of(c, &file, &size, p);

    for (; status == OK && !c->store->is_plain && n * PAGE_SIZE < size; n++) {
        int rc = file->pMethods->xRead(file, page, PAGE_SIZE, n * PAGE_SIZE);
        if (rc == SQLITE_IOERR_DATA && !page_is_zero(page)) {
            if (!are_named)
                name_tables(c, &named);
            are_named = true;
            status = fn(context, n + 1, table_of(&named, n + 1));
        } else if (rc != SQLITE_OK && rc != SQLITE_IOERR_DATA) {
            status = sql_failed(c, "read a page", rc, p);
        }
    }
    if (status == OK)
        *pages = n;
    return status == STORE_STOP ? OK : status;
}
