#ifndef JSON_READER_H
#define JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "json_keys.h"
#include "json_number.h"
#include "problem.h"

/**
 * A strict pull reader: JSON text is checked and decoded in one pass, without a tree.  The caller asks
 * for what it expects, value by value:
 *
 *     if (json_reader_object(r) != OK) return r->p->code ...
 *     while ((more = json_reader_key(r, &key)) == JSON_MORE)
 *         ... read exactly one value ...
 *
 * Strict means RFC 8259 and: one document, no key twice in an object, valid UTF-8 and no lone surrogate,
 * no \u0000, at most JSON_READER_DEPTH_MAX levels.  What breaks that is PROBLEM_MALFORMED, with the byte
 * in the detail.  A value of another type than asked for, an integer beyond 2^53-1 and a number
 * beyond the doubles are PROBLEM_INVALID.  Every problem carries the JSON Pointer of the place.
 *
 * After an error the reader must not be used again.  Slices point into the text, or into the arena
 * where an escape had to be decoded.  One thread.
 */
enum json_token {
    JSON_TOKEN_OBJECT,
    JSON_TOKEN_ARRAY,
    JSON_TOKEN_STRING,
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
    JSON_TOKEN_BAD /* none of them, or the end */
};

enum { JSON_READER_DEPTH_MAX = 32 };
enum { JSON_END = 0, JSON_MORE = 1 }; /* of the iterating calls; negative: a problem code */

struct json_frame {
    struct json_slice key; /* object: of the current member; text NULL before the first */
    int64_t index;         /* array: of the current item; -1 before the first */
    size_t keys_from;      /* object: where its keys begin in json_reader.keys */
    size_t next_field;     /* object: where the search for a known field begins, as most come in order */
    bool is_object;
    bool has_item;
};

/* Counts, in memory of the reader's arena or of the caller (cap = what there is; more is never asked). */
struct json_counts {
    int64_t *values;
    size_t n, cap;
};

struct json_reader {
    const char *body, *at, *end; /* body: where byte offsets count from */
    struct arena *arena;
    struct problem *p;
    int64_t record;        /* >= 0: "/<record>" comes first in pointers (a line of NDJSON) */
    struct json_key *keys; /* of the open objects read with json_reader_key, innermost last */
    size_t n_keys, cap_keys;
    int depth;
    struct json_frame frames[JSON_READER_DEPTH_MAX + 1]; /* [1 .. depth] */
};

/* ---- life cycle ---- */

/** Read text[size], a part of body (or body itself).  Nothing to release: memory is the arena's. */
void json_reader_init(struct json_reader *r, const char *body, const char *text, size_t size, struct arena *arena,
                      struct problem *p);
/** The next line of the same body, as a document of its own; record as in the struct. */
void json_reader_line(struct json_reader *r, const char *text, size_t size, int64_t record);
/** Nothing but white space is left. */
int json_reader_end(struct json_reader *r);

/* ---- structure ---- */

/** What comes next, without reading it. */
enum json_token json_reader_peek(struct json_reader *r);

int json_reader_object(struct json_reader *r); /* the '{' */
/** The next key (JSON_MORE; its value must be read before the next call) or the '}' (JSON_END). */
int json_reader_key(struct json_reader *r, struct json_slice *key);
/**
 * The next key of an object whose fields are known: JSON_MORE and its index in fields.  An unknown name
 * is PROBLEM_UNKNOWN_FIELD (with the one that may have been meant), a repeated one malformed.
 * seen  a bit for each field, 0 at first; n <= 64.
 */
int json_reader_field(struct json_reader *r, const struct json_field *fields, size_t n, uint64_t *seen, size_t *index);

int json_reader_array(struct json_reader *r); /* the '[' */
int json_reader_item(struct json_reader *r);  /* JSON_MORE: read one value; JSON_END: that was the ']' */

/* ---- values: each reads exactly one ---- */

int json_reader_string(struct json_reader *r, struct json_slice *out);
/** A NUL-terminated copy in the arena. */
int json_reader_text(struct json_reader *r, const char **out);
/** A whole number min .. max, in any notation (32, 32.0, 3.2e1); |min|, |max| <= JSON_INT_MAX. */
int json_reader_int(struct json_reader *r, int64_t min, int64_t max, int64_t *out);
int json_reader_double(struct json_reader *r, double *out); /* finite */
int json_reader_null(struct json_reader *r);
/** An array of at most max counts, each 0 .. JSON_INT_MAX, into out, which grows as needed.  what: their
 *  name, for the text when there are more. */
int json_reader_counts(struct json_reader *r, struct json_counts *out, size_t max, const char *what);
/** Any value, checked. */
int json_reader_skip(struct json_reader *r);
/** Any value, checked; out: its text, as sent. */
int json_reader_raw(struct json_reader *r, struct json_slice *out);

/* ---- errors ---- */

/**
 * json_reader_fail(r, code, suffix, format, ...): a problem at the current place, or below it: suffix
 * is a JSON Pointer to append ("/total"), "" for the place itself.  Returns code.
 */
int json_reader_fail(struct json_reader *r, int code, const char *suffix, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** "expected <wanted>, got a string" at the current place, or what is malformed there. */
int json_reader_wrong_type(struct json_reader *r, const char *wanted);

/** json_pointer_add(out, size, used, token): append "/token", escaped as RFC 6901 asks; cut where it does
 *  not fit.  out is NUL-terminated.  Returns the new length. */
size_t json_pointer_add(char *out, size_t size, size_t used, const char *token, size_t length);

#endif
