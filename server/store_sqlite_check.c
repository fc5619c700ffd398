/** What only a check asks of the database. */
#include <string.h>

#include "store_sqlite.h"

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
