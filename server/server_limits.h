#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The limits that GET /api/v1/limits shows under these names and --limit KEY=VALUE sets. */
struct limits {
    int64_t body_bytes;          /* 16 MiB, also of a body after decompression */
    int64_t records_per_request; /* 10,000 */
    int64_t classes;             /* 4,096 */
    int64_t dense_classes;       /* 1,024: a dense matrix */
    int64_t connections;         /* 8,192 */
    int64_t header_bytes;        /* 16 KiB */
    int64_t header_deadline_s;   /* 10 */
    int64_t request_deadline_s;  /* 30 */
    int64_t queue_bytes;         /* 64 MiB */
    int64_t points;              /* 10,000 */
    /* of one caller (rate_limit.h); 0: none */
    int64_t requests_per_s;        /* 0 */
    int64_t records_per_s;         /* 0 */
    int64_t auth_failures_per_min; /* 300 */
    /* how many there may be; beyond it PROBLEM_LIMIT */
    int64_t projects;         /* 10,000: with a run in them */
    int64_t runs_per_project; /* 1,000,000 */
    int64_t series_per_run;   /* 10,000 */
    int64_t attempts_per_run; /* 10,000 */
    int64_t tags_per_run;     /* 1,000 */
    int64_t config_keys;      /* 10,000: of a run's config, at every depth */
};

void limits_default(struct limits *l);
/** limits_set(l, text): "KEY=VALUE".  false, and why says it, for an unknown key or a value out of its range. */
bool limits_set(struct limits *l, const char *text, char *why, size_t why_size);
/** The name and value of each limit in order; false past the end. */
bool limits_at(const struct limits *l, size_t index, const char **name, int64_t *value);

#endif
