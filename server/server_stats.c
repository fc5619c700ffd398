/** A table of counters, one row a route and one for what found none, a column a status; and one of durations. */
#include <stdatomic.h>
#include <stddef.h>

#include "routes.h"
#include "server_stats.h"

enum { ROUTES_MAX = 64 };

static const int STATUS[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 406, 409, 410,
                             413, 414, 415, 422, 429, 431, 500, 501, 503, 505, 0 /* any other */};

enum { N_STATUS = sizeof STATUS / sizeof STATUS[0] };

static _Atomic int64_t counts[ROUTES_MAX + 1][N_STATUS]; /* row 0: no route */
static _Atomic int64_t durations[ROUTES_MAX + 1][HISTOGRAM_BUCKETS], duration_sums[ROUTES_MAX + 1];
static _Atomic int64_t backups_made, backups_failed, backup_at;

static void add(_Atomic int64_t *to, int64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static int64_t get(_Atomic int64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

void server_stats_add(const struct route *route, int status, int64_t us)
{
    size_t row = route != NULL ? (size_t)(route - route_at(0)) + 1 : 0, column = 0;

    if (row > ROUTES_MAX)
        return;
    while (column + 1 < N_STATUS && STATUS[column] != status)
        column++;
    add(&counts[row][column], 1);
    add(&durations[row][histogram_bucket(us)], 1);
    add(&duration_sums[row], us);
}

/* The route of a row; false: there are no more. */
static bool name_row(size_t row, const char **method, const char **path)
{
    const struct route *route = row > 0 ? route_at(row - 1) : NULL;

    *method = route != NULL ? method_name(route->method) : "";
    *path = route != NULL ? route->path : "";
    return row == 0 || route != NULL;
}

void server_stats_each(void (*fn)(void *context, const char *method, const char *path, int status, int64_t n),
                       void *context)
{
    const char *method, *path;

    for (size_t row = 0; row <= ROUTES_MAX && name_row(row, &method, &path); row++)
        for (size_t i = 0; i < N_STATUS; i++) {
            int64_t n = get(&counts[row][i]);
            if (n > 0)
                fn(context, method, path, STATUS[i], n);
        }
}

void server_stats_durations_each(void (*fn)(void *context, const char *method, const char *path,
                                            const struct histogram *h),
                                 void *context)
{
    const char *method, *path;

    for (size_t row = 0; row <= ROUTES_MAX && name_row(row, &method, &path); row++) {
        struct histogram h = {.sum_us = get(&duration_sums[row])};
        int64_t n = 0;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
            n += h.count[i] = get(&durations[row][i]);
        if (n > 0)
            fn(context, method, path, &h);
    }
}

void server_stats_backup(bool made, int64_t now)
{
    add(made ? &backups_made : &backups_failed, 1);
    if (made)
        atomic_store(&backup_at, now);
}

void server_stats_backups(struct backup_stats *out)
{
    *out = (struct backup_stats){
        .made = get(&backups_made), .failed = get(&backups_failed), .last_made_at = get(&backup_at)};
}
