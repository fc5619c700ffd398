/**
 * A bit a rank while counting, gaps when stored.  Packed form: for each rank in rising order, the
 * LEB128 varint of rank - previous - 1 (previous starts at -1).  So 0, 1, 2, 3 are four zero bytes,
 * every byte below 0x80 ends one rank, and the empty set is no bytes at all.
 */
#include <string.h>

#include "rank_set.h"
#include "status.h"

enum { RANKS = 65536 };

void rank_set_clear(struct rank_set *s)
{
    memset(s, 0, sizeof *s);
}

bool rank_set_add(struct rank_set *s, int64_t rank)
{
    uint64_t *word = &s->words[rank >> 6], bit = UINT64_C(1) << (rank & 63);

    if (*word & bit)
        return false;
    *word |= bit;
    s->count++;
    return true;
}

/* One varint of at most three bytes (ranks have 16 bits); 0 if it is not one. */
static size_t read_gap(const uint8_t *data, size_t size, uint32_t *out)
{
    uint32_t value = 0;

    for (size_t i = 0; i < size && i < 3; i++) {
        value |= (uint32_t)(data[i] & 0x7f) << (7 * i);
        if (data[i] < 0x80) {
            if (i > 0 && data[i] == 0)
                return 0; /* the same number has a shorter form */
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

int rank_set_add_packed(struct rank_set *s, const uint8_t *data, size_t size)
{
    /* first a dry run, so that damaged bytes leave the set as it was */
    for (int pass = 0; pass < 2; pass++) {
        int64_t rank = -1;
        for (size_t at = 0; at < size;) {
            uint32_t gap = 0;
            size_t n = read_gap(data + at, size - at, &gap);
            rank += (int64_t)gap + 1;
            if (n == 0 || rank >= RANKS)
                return ERR_CORRUPT;
            if (pass == 1)
                rank_set_add(s, rank);
            at += n;
        }
    }
    return OK;
}

size_t rank_set_pack(const struct rank_set *s, uint8_t *out, size_t cap)
{
    for (int pass = 0;; pass++) {
        size_t size = 0;
        int64_t previous = -1;
        for (size_t w = 0; w < sizeof s->words / sizeof s->words[0]; w++)
            for (uint64_t bits = s->words[w]; bits != 0; bits &= bits - 1) {
                int64_t rank = (int64_t)w * 64 + __builtin_ctzll(bits);
                uint32_t gap = (uint32_t)(rank - previous - 1);
                previous = rank;
                do {
                    uint8_t byte = (uint8_t)(gap & 0x7f);
                    gap >>= 7;
                    if (pass == 1)
                        out[size] = (uint8_t)(byte | (gap > 0 ? 0x80 : 0));
                    size++;
                } while (gap > 0);
            }
        if (pass == 1 || size > cap)
            return size;
    }
}

size_t rank_set_packed_count(const uint8_t *data, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += data[i] < 0x80;
    return count;
}
