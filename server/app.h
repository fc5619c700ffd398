#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stdint.h>

#include "server_limits.h"

struct auth;
struct http;
struct ingest;
struct rate_limit;
struct step_cache;
struct store;

/**
 * What the handlers share: made by serve.c, constant while the server runs.
 */
struct app {
    struct limits limits;
    struct store *store;
    struct ingest *ingest;
    struct auth *auth;
    struct rate_limit *rate; /* NULL: no limits */
    struct http *http;
    struct step_cache *step_cache; /* mean_of_steps values already computed (query_step_mean.h) */
    bool is_tls;                   /* the server itself speaks https */
    const char *web_dir;           /* --web-dir: serve the page from there instead of the binary; NULL */
    const char *db;                /* the database's path, and --backup-dir (NULL: beside it): where a backup goes */
    const char *backup_dir;
    int64_t started_at;
};

/** The program's version and the id of this build (a hash of its sources), for ETags and asset paths. */
const char *tally_version(void);
const char *tally_build_id(void);

#endif
