/*
 * GET .../batches: the stored batches as NDJSON, page by page.
 */
#include <string.h>

#include "app.h"
#include "query_export.h"
#include "query_text.h"
#include "routes.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 10000 };

static int read_ask(struct request *q, struct export_ask *ask, struct problem *p)
{
    int rc = query_int(q, "epoch", 0, QUERY_INTEGER_MAX, -1, &ask->epoch, p);
    if (rc == OK)
        rc = query_int(q, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &ask->limit, p);
    ask->name = request_arg(q, "name");
    if (rc == OK && ask->name != NULL && !series_name_is_valid(ask->name, strlen(ask->name)))
        rc = problem_set(p, PROBLEM_INVALID, "?name",
                         "a name is 1 to %d of A-Z a-z 0-9 . _ / - and starts with a letter or digit", SERIES_NAME_MAX);
    ask->cursor = request_arg(q, "cursor");
    ask->bytes = q->app->limits.body_bytes; /* a page can be posted as it is */
    return rc;
}

int api_batches_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    struct export_ask ask = {.run = &run};
    const char *next = NULL;
    enum media media;
    int rc = query_media(q, MEDIA_NDJSON, &media, p);
    if (rc == OK)
        rc = read_ask(q, &ask, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &run, p);
    if (rc != OK || query_etag(q, r, &run.run))
        goto out;
    if (run.stage_known && ask.name != NULL && query_series(&run, ask.name) == NULL) {
        rc = problem_set(p, PROBLEM_INVALID, "?name", "stage %s has no series under this name", run.stage);
        goto out;
    }
    r->content_type = "application/x-ndjson";
    rc = query_export(q, &ask, &r->body, &next, p);
    if (rc == OK && next != NULL)
        rc = link_next(q, r, next, p);
out:
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}
