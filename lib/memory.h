#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/**
 * Where a state gets its memory.  lib/ calls no allocator of its own: the caller hands one in, so
 * that limits and fault injection live outside and a failed allocation is ERR_MEMORY, nothing else.
 *
 * resize(context, old, size)  like realloc: old NULL allocates, size 0 frees and returns NULL.
 *                             Called on the thread that calls lib/.
 */
struct memory {
    void *(*resize)(void *context, void *old, size_t size);
    void *context;
};

#endif
