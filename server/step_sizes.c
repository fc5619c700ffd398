/*
 * Why: which batches are ragged is known only once the most common size is, and the steps of a long run
 * should be neither read twice nor kept.
 *
 * Of 2 L listed steps, L at most of one size, at least L have another size than any given one; and as the
 * first ones of each size are listed, these L are the first.  Sizes are counted in an open hash table.
 */
#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "step_sizes.h"

enum { FIRST_CAP = 64 };

void step_sizes_init(struct step_sizes *s)
{
    *s = (struct step_sizes){.slots = NULL};
}

void step_sizes_release(struct step_sizes *s)
{
    free(s->slots);
    s->slots = NULL;
}

/* The slot of a size, or the empty one where it belongs. */
static struct step_size *slot_of(struct step_size *slots, size_t cap, int64_t size)
{
    size_t at = (size_t)((uint64_t)size * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (cap - 1);
    while (slots[at].steps != 0 && slots[at].size != size)
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

static int grow(struct step_sizes *s)
{
    size_t cap = s->cap > 0 ? 2 * s->cap : FIRST_CAP;
    struct step_size *slots = calloc(cap, sizeof *slots);
    if (slots == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].steps != 0)
            *slot_of(slots, cap, s->slots[i].size) = s->slots[i];
    free(s->slots);
    s->slots = slots;
    s->cap = cap;
    return OK;
}

int step_sizes_add(struct step_sizes *s, int64_t step, int64_t size)
{
    if (2 * (s->n + 1) > s->cap && grow(s) != OK)
        return ERR_MEMORY;
    s->steps++;
    struct step_size *slot = slot_of(s->slots, s->cap, size);
    if (slot->steps == 0 && s->n == STEP_SIZES_MAX)
        s->many = true;
    if (s->many)
        return OK;
    if (slot->steps++ == 0) {
        slot->size = size;
        s->n++;
    }
    if (slot->listed < STEP_SIZES_LISTED && s->n_listed < 2 * STEP_SIZES_LISTED) {
        slot->listed++;
        s->listed_step[s->n_listed] = step;
        s->listed_size[s->n_listed++] = size;
    }
    return OK;
}

bool step_sizes_common(const struct step_sizes *s, int64_t *size, int64_t *others, int64_t *steps, size_t *n_steps)
{
    if (s->many || s->steps == 0)
        return false;
    const struct step_size *common = NULL;
    for (size_t i = 0; i < s->cap; i++) {
        const struct step_size *slot = &s->slots[i];
        if (slot->steps != 0 && (common == NULL || slot->steps > common->steps ||
                                 (slot->steps == common->steps && slot->size > common->size)))
            common = slot;
    }
    if (common == NULL)
        return false;
    *size = common->size;
    *others = s->steps - common->steps;
    *n_steps = 0;
    for (size_t i = 0; i < s->n_listed && *n_steps < STEP_SIZES_LISTED; i++)
        if (s->listed_size[i] != common->size)
            steps[(*n_steps)++] = s->listed_step[i];
    return true;
}
