#ifndef QUERY_SUPPORT_H
#define QUERY_SUPPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "http.h"
#include "problem.h"
#include "store.h"

/* A real store with a real writer in a folder of its own, and handlers called by hand. */
struct world {
    char dir[64];
    struct app app;
    struct store_conn *reader;
    int64_t now;
};

void world_open(struct world *w);
void world_close(struct world *w);

/** Post records (one JSON document, or NDJSON lines); asserts success.  How many were accepted; *duplicates may be NULL. */
int64_t world_post(struct world *w, const char *run, const char *body, int64_t *duplicates);
/** PUT a run: the fields are JSON texts or NULL. */
void world_put(struct world *w, const char *run, const char *project, const char *name, const char *config,
               const char *tag, const char *stages);
void world_status(struct world *w, const char *run, enum run_status status);

struct answer {
    int rc; /* OK or the problem's code */
    struct problem problem;
    int status;
    char *body; /* NUL-terminated */
    char content_type[64];
    char etag[64];
    char link[2048]; /* "" */
    cJSON *json;     /* NULL if the body is not JSON */
};

typedef int (*handler)(struct request *, struct response *, struct problem *);

/** Call a handler.  args: "stage=test&metric=accuracy", not decoded.  accept and if_none_match may be NULL. */
struct answer world_get_as(struct world *w, handler h, const char *run, const char *args, const char *accept,
                           const char *if_none_match);
struct answer world_get(struct world *w, handler h, const char *run, const char *args);
void answer_free(struct answer *a);

/** The text of a golden case's batches as records of a stage. */
char *golden_records(const char *name, const char *stage);

/** A value by path: "epochs|0|metrics|accuracy|value"; NULL if there is none. */
const cJSON *at(const cJSON *json, const char *path);
double number_at(const cJSON *json, const char *path); /* asserts that it is a number */
bool is_null_at(const cJSON *json, const char *path);

uint64_t random_next(uint64_t *seed);
uint64_t random_below(uint64_t *seed, uint64_t bound);

#endif
