#ifndef PROBLEM_H
#define PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

/**
 * Every error that can reach a client: one table (problem.c) maps each to its HTTP status, its stable
 * type `urn:tally:problem:<code>` and its fixed title.  A struct problem travels up beside the
 * status, untouched on success, and is logged once, where it stops travelling.
 */
enum problem_code {
    PROBLEM_MALFORMED = STATUS_SERVER,          /* 400 malformed-json: not one JSON text, or not strict */
    PROBLEM_FRAMING = STATUS_SERVER - 1,        /* 400 bad-framing: HTTP framing or a header refused */
    PROBLEM_UNAUTHORIZED = STATUS_SERVER - 2,   /* 401 unauthorized: no token, or not a valid one */
    PROBLEM_FORBIDDEN = STATUS_SERVER - 3,      /* 403 forbidden: the token's scope does not allow it */
    PROBLEM_HOST = STATUS_SERVER - 4,           /* 403 host-not-allowed */
    PROBLEM_ORIGIN = STATUS_SERVER - 5,         /* 403 origin-not-allowed */
    PROBLEM_NOT_FOUND = STATUS_SERVER - 6,      /* 404 not-found: no such path */
    PROBLEM_UNKNOWN_RUN = STATUS_SERVER - 7,    /* 404 unknown-run */
    PROBLEM_METHOD = STATUS_SERVER - 8,         /* 405 method-not-allowed, with Allow */
    PROBLEM_NOT_ACCEPTABLE = STATUS_SERVER - 9, /* 406 not-acceptable */
    PROBLEM_CONFLICT = STATUS_SERVER - 10,      /* 409 conflicting-content: this batch is stored with other content */
    PROBLEM_SHAPE = STATUS_SERVER - 11,         /* 409 conflicting-shape: the series has another shape */
    PROBLEM_PROJECT = STATUS_SERVER - 12,       /* 409 conflicting-project: the run belongs to another project */
    PROBLEM_TOO_LARGE = STATUS_SERVER - 13,     /* 413 too-large: bytes or records above a limit */
    PROBLEM_CONTENT_TYPE = STATUS_SERVER - 14,  /* 415 unsupported-content-type (or Content-Encoding) */
    PROBLEM_INVALID = STATUS_SERVER - 15, /* 422 invalid-value: valid JSON with a bad value, a bad query parameter */
    PROBLEM_UNKNOWN_FIELD = STATUS_SERVER - 16,   /* 422 unknown-field: a field that the contract does not know */
    PROBLEM_COUNT_OVERFLOW = STATUS_SERVER - 17,  /* 422 count-overflow: a sum would leave 64 bits */
    PROBLEM_UNKNOWN_METRIC = STATUS_SERVER - 18,  /* 422 unknown-metric: detail names what there is */
    PROBLEM_UNKNOWN_AVERAGE = STATUS_SERVER - 19, /* 422 unknown-average */
    PROBLEM_STATE_LACKS =
        STATUS_SERVER - 20, /* 422 state-lacks: the stored state cannot give it; detail names the field to send */
    PROBLEM_STAGE_NEEDED = STATUS_SERVER - 21,   /* 422 stage-needed: the run has several stages */
    PROBLEM_URI_TOO_LONG = STATUS_SERVER - 22,   /* 414 uri-too-long */
    PROBLEM_HEADERS = STATUS_SERVER - 23,        /* 431 headers-too-large */
    PROBLEM_INTERNAL = STATUS_SERVER - 24,       /* 500 internal: a defect; logged */
    PROBLEM_UNKNOWN_METHOD = STATUS_SERVER - 25, /* 501 unknown-method */
    PROBLEM_BUSY = STATUS_SERVER - 26,           /* 503 busy: the queue is full; Retry-After */
    PROBLEM_STORAGE = STATUS_SERVER - 27,        /* 503 storage-failed: the disk refused; the store is read-only */
    PROBLEM_STOPPING = STATUS_SERVER - 28,       /* 503 stopping: the server drains */
    PROBLEM_STORAGE_FULL = STATUS_SERVER - 29,   /* 503 storage-full: the disk has too little room; Retry-After */
    PROBLEM_MEMORY = STATUS_SERVER - 30,         /* 503 out-of-memory: Retry-After; a write may have been stored */
    PROBLEM_RATE = STATUS_SERVER - 31,           /* 429 too-many-requests: of this caller; Retry-After */
    PROBLEM_LIMIT =
        STATUS_SERVER - 32, /* 422 limit-reached: so many runs, series, ... are allowed; detail names the limit */
    PROBLEM_DAMAGED = STATUS_SERVER - 33, /* 500 storage-damaged: what is stored is not what was written; logged */
    PROBLEM_SEALED = STATUS_SERVER - 34,  /* 409 epoch-sealed: its batches were thinned, none can be added or cut */
    PROBLEM_THINNED =
        STATUS_SERVER - 35, /* 410 thinned: the batches that were asked for are gone, their sums are not */
    PROBLEM_LAST = STATUS_SERVER - 35
};

enum { PROBLEM_PLACES_MAX = 8 };

/* One place in the request that is wrong. */
struct problem_place {
    char pointer[160]; /* JSON Pointer (RFC 6901); "" is the whole body; "?name" a query parameter */
    char detail[240];
};

struct problem {
    int code;         /* 0: none; else an enum problem_code */
    bool is_known;    /* to the operator: it was logged where it arose, or is no event at all; not to be logged again */
    char detail[480]; /* for people; UTF-8; client bytes only after problem_quote() */
    size_t n_places;
    struct problem_place places[PROBLEM_PLACES_MAX];
    int retry_after_s; /* 0: no Retry-After */
};

/* The fixed part of a problem. */
struct problem_kind {
    int code;
    int http_status;
    const char *name; /* "unknown-run"; type is urn:tally:problem:<name> */
    const char *title;
};

const struct problem_kind *problem_kind(int code);        /* PROBLEM_INTERNAL's for a value it does not know */
const struct problem_kind *problem_kind_at(size_t index); /* NULL past the end; for docs tests */

/**
 * problem_set(p, code, pointer, format, ...): fill p (if not NULL) and return code, so that calls
 * chain with return.  retry_after_s is 1 for PROBLEM_MEMORY, else 0.  pointer NULL: no place.  Texts that do not fit are cut at a UTF-8 boundary.
 */
int problem_set(struct problem *p, int code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** problem_add_place(p, pointer, format, ...): one more place; dropped beyond PROBLEM_PLACES_MAX. */
void problem_add_place(struct problem *p, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** problem_prefix(p, prefix): put a JSON Pointer prefix ("/3") in front of every place that is a pointer. */
void problem_prefix(struct problem *p, const char *prefix);

/** problem_from_status(p, status): a status of lib/ as a problem (OVERFLOW: count-overflow; CORRUPT:
 *  storage-damaged; MEMORY: out-of-memory; ...), for where nothing better is known.  Returns p->code. */
int problem_from_status(struct problem *p, int status);

/** problem_quote(out, size, text, length): client bytes made printable for a detail: control and
 *  invalid bytes as \xNN, cut with "…" when too long.  Returns out. */
char *problem_quote(char *out, size_t size, const char *text, size_t length);

#endif
