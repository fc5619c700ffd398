#ifndef RANK_SET_H
#define RANK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The distinct ranks of a window, packed into a rollup row: sorted, as varint gaps.  A set can be
 * added to, never subtracted from; a rewind rebuilds it.
 */
struct rank_set {
    uint64_t words[1024]; /* a bit a rank, 0 .. 65535 */
    uint32_t count;
};

void rank_set_clear(struct rank_set *s);
bool rank_set_add(struct rank_set *s, int64_t rank);                           /* true if it was new */
int rank_set_add_packed(struct rank_set *s, const uint8_t *data, size_t size); /* OK or ERR_CORRUPT */
size_t rank_set_pack(const struct rank_set *s, uint8_t *out, size_t cap);      /* the size; written only if <= cap */
size_t rank_set_packed_count(const uint8_t *data, size_t size);                /* how many, without unpacking */

#endif
