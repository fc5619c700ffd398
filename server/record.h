#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "server_limits.h"
#include "problem.h"
#include "state.h"
#include "store.h"

/**
 * What a POST of batches says, decoded and validated, every measure already packed.  All memory hangs
 * off the request's arena.
 */
struct measure {
    char name[129]; /* the series: "main", "loss", "parity", ... */
    struct shape shape;
    int64_t samples;      /* 0 for means */
    int64_t correct;      /* 0 for all kinds but counts */
    const uint8_t *state; /* packed */
    uint32_t state_size;
    char field[24]; /* where it came from, for pointers: "correct", "tp", "scores", "sums", ... */
};

struct record {
    char stage[STAGE_MAX + 1];
    struct batch_key key;
    int64_t time;             /* ms since 1970; -1: not said, arrival counts */
    const char *attempt;      /* NULL: none */
    struct measure *measures; /* [n_measures], n_measures >= 1; (name, kind) differs within a record */
    size_t n_measures;
    size_t index; /* 0-based place in the body */
};

struct record_list {
    struct record *records;
    size_t n_records;
    bool is_single; /* the body was one object: pointers are "/total", not "/0/total" */
    size_t bytes;   /* what it weighs in the queue */
};

/* The limit of records times this bounds all series of a request: small names must not fill the memory. */
enum { RECORD_SERIES_MEAN = 20 };

enum body_kind { BODY_JSON, BODY_NDJSON };

/**
 * decode_records(body, size, kind, limits, arena, out, p): read a body strictly: one JSON document
 * (an object or an array of objects), or one object a line (empty lines are skipped; the last line
 * needs no newline).
 *
 * Everything that the contract says of a record is checked here; what depends on stored data
 * (shapes, conflicts, overflow of sums) is ingest's.
 * body     borrowed; need not be NUL-terminated.
 * Returns  OK; PROBLEM_MALFORMED (with byte offset, and for NDJSON the record), PROBLEM_INVALID,
 *          PROBLEM_UNKNOWN_FIELD, PROBLEM_TOO_LARGE (records; or more than RECORD_SERIES_MEAN series a
 *          record, on the average of the limit), PROBLEM_COUNT_OVERFLOW,
 *          PROBLEM_MEMORY (no memory).  Each with a pointer to the first wrong place.
 * Cost     O(size).  Any thread.
 */
int decode_records(const char *body, size_t size, enum body_kind kind, const struct limits *limits, struct arena *arena,
                   struct record_list *out, struct problem *p);

/** name_is_valid(text, length, max): [A-Za-z0-9][A-Za-z0-9._-]{0,max-1}: run ids (128) and stages (64). */
bool name_is_valid(const char *text, size_t length, size_t max);

/** attempt_is_valid(text, length): 1 .. ATTEMPT_MAX bytes of UTF-8 without control characters. */
bool attempt_is_valid(const char *text, size_t length);

#endif
