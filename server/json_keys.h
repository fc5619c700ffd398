#ifndef JSON_KEYS_H
#define JSON_KEYS_H

#include <stddef.h>

/* Bytes of UTF-8, not NUL-terminated. */
struct json_slice {
    const char *text;
    size_t size;
};

struct json_key {
    struct json_slice slice;
    const char *at; /* where it stands in the text */
};

/* A name that an object may have. */
struct json_field {
    const char *name;
    size_t size;
};
#define JSON_FIELD(text)                                                                                               \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }

/** json_keys_repeated(keys, n): a key that is there twice (its later place), or NULL.  Sorts when there
 *  are many: O(n log n), so that no object is slow. */
const struct json_key *json_keys_repeated(struct json_key *keys, size_t n);

/** json_field_meant(fields, n, key): the one name within two edits of key; NULL if none is, or several
 *  are equally near. */
const char *json_field_meant(const struct json_field *fields, size_t n, struct json_slice key);

#endif
