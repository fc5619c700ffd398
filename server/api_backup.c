/** A backup while the server runs.  Where it goes and what it is called is the operator's and ours: no path comes from a client. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "json_writer.h"
#include "routes.h"
#include "server_stats.h"
#include "store.h"

/* tally.db -> DIR/tally.db.20261124T080910.123Z.backup; false: no memory. */
static bool name_backup(struct request *q, const char **out)
{
    const struct app *app = q->app;
    const char *slash = strrchr(app->db, '/'), *base = slash != NULL ? slash + 1 : app->db;
    time_t seconds = (time_t)(q->now / 1000);
    struct tm parts;
    char stamp[32] = "";

    if (gmtime_r(&seconds, &parts) != NULL)
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &parts);
    size_t size = strlen(app->db) + (app->backup_dir != NULL ? strlen(app->backup_dir) : 0) + 64;
    char *name = arena_alloc(&q->arena, size);
    if (name == NULL)
        return false;
    if (app->backup_dir != NULL)
        snprintf(name, size, "%s/%s.%s.%03dZ.backup", app->backup_dir, base, stamp, (int)(q->now % 1000));
    else
        snprintf(name, size, "%s.%s.%03dZ.backup", app->db, stamp, (int)(q->now % 1000));
    *out = name;
    return true;
}

int api_backup_post(struct request *q, struct response *r, struct problem *p)
{
    const char *path = NULL;
    struct json_writer w;
    int64_t bytes = 0;

    if (q->body_size > 0)
        return problem_set(p, PROBLEM_INVALID, "", "a backup takes no body: the server chooses where it goes");
    if (!name_backup(q, &path))
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int status = store_backup(q->reader, path, &bytes, p);
    server_stats_backup(status == OK, q->now);
    if (status == PROBLEM_INVALID) { /* two in one millisecond */
        p->retry_after_s = 1;
        return p->code = PROBLEM_BUSY;
    }
    if (status != OK)
        return status;
    r->status = 201;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "file");
    json_string(&w, path);
    json_key(&w, "bytes");
    json_int(&w, bytes);
    json_object_end(&w);
    buffer_text(&r->body, "\n");
    return OK;
}
