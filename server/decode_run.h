#ifndef DECODE_RUN_H
#define DECODE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "ingest.h"
#include "server_limits.h"
#include "problem.h"

/** The bodies of calls that change a run: strict, every unknown field refused by name. */
enum {
    RUN_NAME_MAX = 256,    /* bytes */
    RUN_NOTES_MAX = 65536, /* bytes */
    CLASS_NAME_MAX = 256   /* bytes */
};

/**
 * decode_run_put(body, size, limits, arena, out, p): {project, name, config, tags, notes, stages}.  An
 * empty body is {}.  decode_run_patch: the same and status; the body must be an object.
 *
 * out      its texts are in the arena; tags sorted by bytes, without repeats.
 * Returns  OK; PROBLEM_MALFORMED, PROBLEM_INVALID, PROBLEM_UNKNOWN_FIELD with a pointer; PROBLEM_MEMORY.
 */
int decode_run_put(const char *body, size_t size, const struct limits *limits, struct arena *arena,
                   struct run_change *out, struct problem *p);
int decode_run_patch(const char *body, size_t size, const struct limits *limits, struct arena *arena,
                     struct run_change *out, struct problem *p);

/* Where a run is cut. */
struct rewind_cut {
    const char *attempt; /* who cuts; needed, so that a repeated call cuts once */
    const char *stage;   /* NULL: every stage */
    int64_t epoch, step;
};

/** decode_rewind(body, size, arena, out, p): {epoch, step, attempt, stage?}.  Returns as above. */
int decode_rewind(const char *body, size_t size, struct arena *arena, struct rewind_cut *out, struct problem *p);

/** project_is_valid(text, length): 1 .. PROJECT_MAX of [A-Za-z0-9][A-Za-z0-9._-]*. */
bool project_is_valid(const char *text, size_t length);

#endif
