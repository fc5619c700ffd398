#ifndef ROUTES_H
#define ROUTES_H

#include <stdbool.h>

#include "http.h"

/**
 * The route table: method, path, who may call it, which query parameters it knows, which handler.  The
 * dispatcher refuses what the table does not allow: unknown paths (404), methods (405 with Allow),
 * query parameters that are unknown or repeated (422, naming those there are), a missing or too weak
 * token, a foreign host or origin.  Handlers see only what is left.
 */
enum route_kind {
    ROUTE_INLINE, /* run() on the network thread: must not wait or touch the store */
    ROUTE_WORKER, /* run() on a worker, with q->reader */
    ROUTE_ASYNC   /* start() on the network thread; after http_resume() finish(), there too */
};

enum scope {
    SCOPE_OPEN /* no token, no host check */,
    SCOPE_PUBLIC /* no token */,
    SCOPE_READ,
    SCOPE_WRITE,
    SCOPE_ADMIN
};

struct route {
    enum method method;
    const char *path; /* "/api/v1/runs/{run}/epochs" */
    enum scope scope;
    enum route_kind kind;
    const char *args; /* "stage metric epoch rank": the query parameters, separated by blanks; "" none */
    /* Handlers return OK with r filled, or a problem code with p filled. */
    int (*run)(struct request *q, struct response *r, struct problem *p);
    int (*start)(struct request *q, struct problem *p);                      /* ROUTE_ASYNC */
    int (*finish)(struct request *q, struct response *r, struct problem *p); /* ROUTE_ASYNC */
    bool is_server_wide; /* about the whole server: not for a token of one project */
};

const struct route *route_at(size_t index);  /* NULL past the end */
const char *method_name(enum method method); /* "GET", ...; "" for those that no route has */

/** route_find(method, q, allow, p): the route of q->path, with q->run and q->tail set; NULL and a 404, 405 or 501
 *  in p (422 where a run would be made under an id that no run can have).  allow: for 405 (and OPTIONS), the
 *  methods of the path, in the arena. */
const struct route *route_find(enum method method, struct request *q, const char **allow, struct problem *p);

/** route_check(q, p): host, origin, token, rate, query parameters, in this order.  Called once the headers are in. */
int route_check(struct request *q, struct problem *p);

/** route_run(q, r, p): the handler.  Where it finds that what is stored cannot be right, the store takes nothing more. */
int route_run(struct request *q, struct response *r, struct problem *p);

/* ---- handlers, one file a noun ---- */
int api_batches_post_start(struct request *q, struct problem *p);
int api_batches_post_finish(struct request *q, struct response *r, struct problem *p);
int api_batches_get(struct request *q, struct response *r, struct problem *p);
int api_run_put(struct request *q, struct response *r, struct problem *p);
int api_run_get(struct request *q, struct response *r, struct problem *p);
int api_run_patch(struct request *q, struct response *r, struct problem *p);
int api_run_delete(struct request *q, struct response *r, struct problem *p);
int api_run_rewind(struct request *q, struct response *r, struct problem *p);
int api_runs_get(struct request *q, struct response *r, struct problem *p);
int api_compare_get(struct request *q, struct response *r, struct problem *p);
int api_projects_get(struct request *q, struct response *r, struct problem *p);
int api_metrics_get(struct request *q, struct response *r, struct problem *p);
int api_epochs_get(struct request *q, struct response *r, struct problem *p);
int api_steps_get(struct request *q, struct response *r, struct problem *p);
int api_classes_get(struct request *q, struct response *r, struct problem *p);
int api_confusion_get(struct request *q, struct response *r, struct problem *p);
int api_curves_get(struct request *q, struct response *r, struct problem *p);
int api_calibration_get(struct request *q, struct response *r, struct problem *p);
int api_diagnosis_get(struct request *q, struct response *r, struct problem *p);
int api_limits_get(struct request *q, struct response *r, struct problem *p);
int api_openapi_get(struct request *q, struct response *r, struct problem *p);
int api_login_post(struct request *q, struct response *r, struct problem *p);
int api_login_delete(struct request *q, struct response *r, struct problem *p);
int api_healthz_get(struct request *q, struct response *r, struct problem *p);
int api_readyz_get(struct request *q, struct response *r, struct problem *p);
int api_server_metrics_get(struct request *q, struct response *r, struct problem *p);
int api_backup_post(struct request *q, struct response *r, struct problem *p);
int api_page_get(struct request *q, struct response *r, struct problem *p);  /* "/" */
int api_asset_get(struct request *q, struct response *r, struct problem *p); /* "/assets/{tail}" */

#endif
