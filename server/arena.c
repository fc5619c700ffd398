/**
 * Bump allocation for what lives as long as one request.  Blocks are never moved, so pointers stay
 * good until arena_release(); a piece larger than a block gets a block of its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

enum { ARENA_BLOCK_MIN = 4096, ARENA_BLOCK_MAX = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    bool is_given; /* the caller's memory */
    size_t used, cap;
    max_align_t data[];
};

static size_t round_up(size_t size)
{
    size_t unit = sizeof(max_align_t);

    return (size + unit - 1) / unit * unit;
}

void arena_init(struct arena *a)
{
    a->head = NULL;
    a->bytes = 0;
}

void arena_init_in(struct arena *a, void *room, size_t size)
{
    struct arena_block *block = room;

    arena_init(a);
    if (size <= sizeof *block)
        return;
    block->next = NULL;
    block->is_given = true;
    block->used = 0;
    block->cap = (size - sizeof *block) / sizeof(max_align_t) * sizeof(max_align_t);
    a->head = block;
}

/* Blocks double with what was taken so far: few calls for large bodies, little waste for small ones. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t cap = a->bytes;

    if (cap < ARENA_BLOCK_MIN)
        cap = ARENA_BLOCK_MIN;
    if (cap > ARENA_BLOCK_MAX)
        cap = ARENA_BLOCK_MAX;
    if (cap < need)
        cap = need;
    struct arena_block *block = malloc(sizeof *block + cap);
    if (block == NULL)
        return NULL;
    block->is_given = false;
    block->used = 0;
    block->cap = cap;
    block->next = a->head;
    a->head = block;
    a->bytes += sizeof *block + cap;
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t need = round_up(size > 0 ? size : 1);
    struct arena_block *block = a->head;
    if (block == NULL || block->cap - block->used < need) {
        block = add_block(a, need);
        if (block == NULL)
            return NULL;
    }
    void *piece = (char *)block->data + block->used;
    block->used += need;
    return piece;
}

void *arena_grow(struct arena *a, void *old, size_t old_size, size_t size)
{
    if (old == NULL)
        return arena_alloc(a, size);
    if (size <= old_size)
        return old;
    if (size > SIZE_MAX / 2)
        return NULL;

    struct arena_block *block = a->head;
    size_t old_need = round_up(old_size > 0 ? old_size : 1);
    char *top = (char *)block->data + block->used;
    if ((char *)old + old_need == top && block->cap - block->used >= round_up(size) - old_need) {
        block->used += round_up(size) - old_need;
        return old;
    }
    void *piece = arena_alloc(a, size);
    if (piece != NULL)
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
    struct arena_block *block = a->head;

    while (block != NULL) {
        struct arena_block *next = block->next;
        if (!block->is_given)
            free(block);
        block = next;
    }
    arena_init(a);
}
