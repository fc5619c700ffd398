/** Sums of pages and of frames.  Both are computed for every page that passes: no branch, no table, no copy. */
#include <endian.h>
#include <string.h>

#include "page_sum.h"

enum { LANES = 4, WORDS = (PAGE_SIZE - PAGE_SUM_SIZE) / 8 };

static const uint64_t FACTOR = 0x9e3779b97f4a7c15u;

static inline uint64_t mix(uint64_t h, uint64_t word)
{
    h ^= word;
    return (h << 29 | h >> 35) * FACTOR;
}

static inline uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

uint64_t page_sum(const uint8_t *page, int64_t number)
{
    uint64_t n = (uint64_t)number, h0 = n, h1 = n + 1, h2 = n + 2, h3 = n + 3;
    const uint8_t *end = page + 8 * (WORDS - WORDS % LANES);

    for (; page < end; page += 8 * LANES) { /* by name: an array would be kept in memory */
        h0 = mix(h0, word_at(page));
        h1 = mix(h1, word_at(page + 8));
        h2 = mix(h2, word_at(page + 16));
        h3 = mix(h3, word_at(page + 24));
    }
    h0 = mix(h0, word_at(page)); /* 511 words: the last lane has one less */
    h1 = mix(h1, word_at(page + 8));
    h2 = mix(h2, word_at(page + 16));
    uint64_t sum = mix(mix(mix(mix(0, h0), h1), h2), h3);
    return sum ^ sum >> 32;
}

uint64_t page_sum_read(const uint8_t *page)
{
    return word_at(page + PAGE_SIZE - PAGE_SUM_SIZE);
}

void page_sum_write(uint8_t *page, uint64_t sum)
{
    uint64_t word = htole64(sum);

    memcpy(page + PAGE_SIZE - PAGE_SUM_SIZE, &word, sizeof word);
}

bool page_is_zero(const uint8_t *page)
{
    uint64_t any = 0;

    for (size_t i = 0; i < PAGE_SIZE; i += 8)
        any |= word_at(page + i);
    return any == 0;
}

/* ---- the log ---- */

uint32_t log_word(const uint8_t *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return be32toh(word);
}

struct log_sum log_sum_read(const uint8_t *b)
{
    return (struct log_sum){log_word(b), log_word(b + 4)};
}

bool log_sum_equal(struct log_sum a, struct log_sum b)
{
    return a.s0 == b.s0 && a.s1 == b.s1;
}

static inline uint32_t summed_word(const uint8_t *bytes, bool is_big)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return is_big ? be32toh(word) : le32toh(word);
}

static inline struct log_sum add_words(struct log_sum sum, const uint8_t *data, size_t size, bool is_big)
{
    for (size_t i = 0; i < size; i += 8) {
        sum.s0 += summed_word(data + i, is_big) + sum.s1;
        sum.s1 += summed_word(data + i + 4, is_big) + sum.s0;
    }
    return sum;
}

struct log_sum log_sum_add(struct log_sum sum, const uint8_t *data, size_t size, bool is_big)
{
    return is_big ? add_words(sum, data, size, true) : add_words(sum, data, size, false);
}

struct log_sum log_frame_sum(struct log_sum before, const uint8_t *frame, bool is_big)
{
    struct log_sum sum = log_sum_add(before, frame, 8, is_big); /* the page's number, and the commit */

    return log_sum_add(sum, frame + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, is_big);
}

static bool is_one_bit(uint32_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Would changing this word by ${change} change one bit of it? */
static bool is_bit_of(const uint8_t *bytes, uint32_t change, bool is_big)
{
    uint32_t word = summed_word(bytes, is_big);

    return is_one_bit(word ^ (word + change));
}

int log_sum_flip_at(struct log_sum stored, struct log_sum computed, const uint8_t *head, size_t head_size,
                    const uint8_t *data, size_t size, bool is_big)
{
    uint32_t x0 = stored.s0 ^ computed.s0, x1 = stored.s1 ^ computed.s1;
    bool is_stored = (x0 == 0 && is_one_bit(x1)) || (x1 == 0 && is_one_bit(x0));
    int found = is_stored ? (int)(head_size + size) : LOG_NO_FLIP;

    /* What the sum lacks, taken back one pair of words after the other: a change of the first word of a pair is found in
       both halves alike, one of the second word in the second half alone. */
    uint32_t d0 = stored.s0 - computed.s0, d1 = stored.s1 - computed.s1;
    for (size_t at = head_size + size; at > 0; at -= 8) {
        const uint8_t *pair = at > head_size ? data + (at - head_size - 8) : head + at - 8;
        if ((d0 == d1 && is_bit_of(pair, d0, is_big)) || (d0 == 0 && is_bit_of(pair + 4, d1, is_big)))
            found = (int)at - 8;
        uint32_t before = 2 * d0 - d1;
        d1 -= d0;
        d0 = before;
    }
    return found;
}
