#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

/**
 * Memory that lives as long as one request: taken piece by piece, freed at once.  Not for threads to
 * share at the same time (a request has one owner at a time).
 */
struct arena_block;

struct arena {
    struct arena_block *head;
    size_t bytes; /* taken from the system so far */
};

void arena_init(struct arena *a);
/** arena_init_in(a, room, size): what is small comes from the caller's memory (aligned for any type), which must stay
 *  until arena_release(). */
void arena_init_in(struct arena *a, void *room, size_t size);
void *arena_alloc(struct arena *a, size_t size); /* aligned for any type; NULL: no memory; never NULL for size 0 */
void *arena_grow(struct arena *a, void *old, size_t old_size,
                 size_t size); /* like realloc; in place where old was the last piece */
char *arena_strndup(struct arena *a, const char *text, size_t length); /* NUL-terminated copy */
void arena_release(struct arena *a);

#endif
