/** One transaction each, committed or given up whole. */
#include "ingest_house.h"
#include "log.h"
#include "store.h"

static int end(struct store *s, int status, struct problem *p)
{
    if (status == OK)
        return store_commit(s, p);
    store_rollback(s);
    return status;
}

bool house_purge(struct store *s, int64_t limit)
{
    struct problem p;
    bool more = false;
    int status = store_begin(s, &p);

    if (status == OK)
        status = end(s, store_write_purge(s, limit, &more, &p), &p);
    if (status != OK)
        log_event(LOG_ERROR, "purge-failed", "%s", p.detail);
    return status == OK && more;
}

bool house_thin(struct store *s, int64_t limit, int64_t *removed)
{
    struct problem p;
    bool more = false;
    int64_t n = 0;
    int status = store_room(s, 0, &p);

    if (status == OK)
        status = store_begin(s, &p);
    if (status == OK)
        status = end(s, store_write_thin(s, limit, &n, &more, &p), &p);
    if (status != OK)
        log_event(LOG_ERROR, "thin-failed", "%s", p.detail);
    *removed = status == OK ? n : 0;
    return status == OK && more;
}
