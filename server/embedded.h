#ifndef SERVER_EMBEDDED_H
#define SERVER_EMBEDDED_H

#include <stddef.h>

/** The files compiled into the program: the page, its libraries, the SQL, the API document. */
struct embedded_file {
    const char *path;          /* as in the source tree: "schema/sqlite/001_initial.sql" */
    const unsigned char *data; /* followed by a NUL byte that size does not count */
    size_t size;
};

extern const struct embedded_file embedded_files[]; /* ends with a NULL path */

/** embedded_find(path): NULL if there is none.  O(files). */
const struct embedded_file *embedded_find(const char *path);

#endif
