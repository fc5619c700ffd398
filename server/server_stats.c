/** A table of counters, one row a route and one for what found none, a column a status. */
#include <stdatomic.h>
#include <stddef.h>

#include "routes.h"
#include "server_stats.h"

enum { ROUTES_MAX = 64 };

static const int STATUS[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 406,
                             409, 413, 414, 415, 422, 431, 500, 501, 503};

enum { N_STATUS = sizeof STATUS / sizeof STATUS[0] };

static _Atomic int64_t counts[ROUTES_MAX + 1][N_STATUS]; /* row 0: no route */

void server_stats_add(const struct route *route, int status)
{
    size_t row = route != NULL ? (size_t)(route - route_at(0)) + 1 : 0;

    for (size_t i = 0; i < N_STATUS && row <= ROUTES_MAX; i++)
        if (STATUS[i] == status)
            atomic_fetch_add_explicit(&counts[row][i], 1, memory_order_relaxed);
}

void server_stats_each(void (*fn)(void *context, const char *method, const char *path, int status, int64_t n),
                       void *context)
{
    for (size_t row = 0; row <= ROUTES_MAX; row++) {
        const struct route *route = row > 0 ? route_at(row - 1) : NULL;
        if (row > 0 && route == NULL)
            return;
        for (size_t i = 0; i < N_STATUS; i++) {
            int64_t n = atomic_load_explicit(&counts[row][i], memory_order_relaxed);
            if (n > 0)
                fn(context, route != NULL ? method_name(route->method) : "", route != NULL ? route->path : "",
                   STATUS[i], n);
        }
    }
}
