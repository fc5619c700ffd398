#ifndef SERVER_JSON_H
#define SERVER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "problem.h"

/**
 * JSON documents (a run's config, tags, stages; request bodies that are not records).  The only module
 * that includes cJSON.  Every document is first checked strictly (json_reader.h: one document, no
 * repeated keys, valid UTF-8, no \u0000, depth <= 32, integers exact to 2^53-1), so what cJSON would
 * accept or round never reaches it.  Texts written here are compact, numbers as json_format_double
 * prints them.
 */
struct json_writer;
struct json; /* a parsed value; borrowed from its document */
struct json_document;

/** json_parse(text, size, out, p): PROBLEM_MALFORMED or PROBLEM_INVALID with a pointer.  Free with json_free(). */
int json_parse(const char *text, size_t size, struct json_document **out, struct problem *p);
const struct json *json_root(const struct json_document *d);
void json_free(struct json_document *d);

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_type json_type(const struct json *v);
const char *json_as_string(const struct json *v);     /* UTF-8, NUL-terminated; NULL if not a string */
bool json_as_bool(const struct json *v);              /* false if not a bool */
double json_as_number(const struct json *v);          /* NAN if not a number */
bool json_as_int(const struct json *v, int64_t *out); /* integral, |x| <= 2^53-1 */
size_t json_length(const struct json *v);             /* items of an array or object */
const struct json *json_child(const struct json *v);  /* first item; NULL */
const struct json *json_next(const struct json *v);   /* next sibling; NULL */
const char *json_name(const struct json *v);          /* the key of an object's item */
const struct json *json_get(const struct json *object, const char *key); /* case-sensitive; NULL */
/** A value as compact JSON text: into an answer. */
void json_write(struct json_writer *w, const struct json *v);
/** A value as compact JSON text, in the arena; NULL: no memory. */
char *json_text(const struct json *v, struct arena *arena);

/**
 * json_merge_patch(target, patch, out, p): RFC 7396, both JSON texts (target NULL: {}).
 * out  malloc'ed text, the caller frees.  PROBLEM_MEMORY: no memory.
 */
int json_merge_patch(const char *target, const char *patch, char **out, struct problem *p);

/** json_string_set(text, add, n_add, out, p): the union of a JSON array of strings (NULL: []) and add,
 *  sorted by bytes, without repeats; malloc'ed JSON text. */
int json_string_set(const char *text, const char *const *add, size_t n_add, char **out, struct problem *p);

#endif
