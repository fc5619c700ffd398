/** The limits as one table: name, default and range of each; the command line and the API read it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server_limits.h"
#include "state.h"

#define MIB (INT64_C(1) << 20)

struct limit {
    const char *name;
    size_t offset;
    int64_t initial, low, high;
};

#define LIMIT(field, initial, low, high)                                                                               \
    {                                                                                                                  \
#field, offsetof(struct limits, field), initial, low, high                                                     \
    }

static const struct limit LIMITS[] = {
    LIMIT(body_bytes, 16 * MIB, 1024, 1024 * MIB),
    LIMIT(records_per_request, 10000, 1, 1000000),
    LIMIT(classes, 4096, 1, STATE_CLASSES_MAX),
    LIMIT(dense_classes, 1024, 1, 8192),
    LIMIT(connections, 8192, 8, 1000000),
    LIMIT(header_bytes, 16 * 1024, 1024, MIB),
    LIMIT(header_deadline_s, 10, 1, 3600),
    LIMIT(request_deadline_s, 30, 1, 3600),
    LIMIT(queue_bytes, 64 * MIB, 1024, 16384 * MIB),
    LIMIT(points, 10000, 1, 1000000),
    LIMIT(requests_per_s, 0, 0, 1000000),
    LIMIT(records_per_s, 0, 0, 1000000000),
    LIMIT(auth_failures_per_min, 300, 0, 1000000),
    LIMIT(projects, 10000, 1, INT32_MAX),
    LIMIT(runs_per_project, 1000000, 1, INT32_MAX),
    LIMIT(series_per_run, 10000, 1, INT32_MAX),
    LIMIT(attempts_per_run, 10000, 1, INT32_MAX),
    LIMIT(tags_per_run, 1000, 1, INT32_MAX),
    LIMIT(config_keys, 10000, 1, INT32_MAX),
};

enum { N_LIMITS = sizeof LIMITS / sizeof LIMITS[0] };

void limits_default(struct limits *l)
{
    for (size_t i = 0; i < N_LIMITS; i++)
        memcpy((char *)l + LIMITS[i].offset, &LIMITS[i].initial, sizeof(int64_t));
}

bool limits_set(struct limits *l, const char *text, char *why, size_t why_size)
{
    const char *equals = strchr(text, '=');
    const struct limit *limit = NULL;

    if (equals == NULL) {
        snprintf(why, why_size, "a limit is KEY=VALUE");
        return false;
    }
    for (size_t i = 0; i < N_LIMITS && limit == NULL; i++)
        if (strlen(LIMITS[i].name) == (size_t)(equals - text) &&
            memcmp(LIMITS[i].name, text, (size_t)(equals - text)) == 0)
            limit = &LIMITS[i];
    if (limit == NULL) {
        int n = snprintf(why, why_size, "unknown limit; there are:");
        for (size_t i = 0; i < N_LIMITS && n >= 0 && (size_t)n < why_size; i++)
            n += snprintf(why + n, why_size - (size_t)n, " %s", LIMITS[i].name);
        return false;
    }

    char *end = NULL;
    errno = 0;
    long long value = strtoll(equals + 1, &end, 10);
    if (equals[1] < '0' || equals[1] > '9' || *end != '\0' || errno != 0 || value < limit->low || value > limit->high) {
        snprintf(why, why_size, "%s must be a whole number from %" PRId64 " to %" PRId64, limit->name, limit->low,
                 limit->high);
        return false;
    }
    int64_t number = value;
    memcpy((char *)l + limit->offset, &number, sizeof number);
    return true;
}

bool limits_at(const struct limits *l, size_t index, const char **name, int64_t *value)
{
    if (index >= N_LIMITS)
        return false;
    *name = LIMITS[index].name;
    memcpy(value, (const char *)l + LIMITS[index].offset, sizeof *value);
    return true;
}
