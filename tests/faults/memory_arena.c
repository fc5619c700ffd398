/**
 * server/arena.h with an allocation for each piece, for the memory build: each can fail by itself, and the address
 * sanitizer sees who writes past its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

void arena_init(struct arena *a)
{
    a->head = NULL;
    a->bytes = 0;
}

void arena_init_in(struct arena *a, void *room, size_t size)
{
    (void)room, (void)size;
    arena_init(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *block = size < SIZE_MAX / 2 ? malloc(sizeof *block + (size > 0 ? size : 1)) : NULL;

    if (block == NULL)
        return NULL;
    block->next = a->head;
    a->head = block;
    a->bytes += size;
    return block->data;
}

void *arena_grow(struct arena *a, void *old, size_t old_size, size_t size)
{
    void *piece = old != NULL && size <= old_size ? old : arena_alloc(a, size);

    if (piece != NULL && piece != old && old != NULL)
        memcpy(piece, old, old_size);
    return piece;
}

char *arena_strndup(struct arena *a, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX / 2 ? arena_alloc(a, length + 1) : NULL;

    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void arena_release(struct arena *a)
{
    for (struct arena_block *block = a->head, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena_init(a);
}
