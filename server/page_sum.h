#ifndef PAGE_SUM_H
#define PAGE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The arithmetic behind noticing damage: our sum of a database page, and SQLite's own sum of a frame of its write-ahead
 * log.  Nothing here reads or writes a file.
 */
enum {
    PAGE_SIZE = 4096,
    PAGE_SUM_SIZE = 8,    /* at the end of each page, little-endian: what SQLite calls reserved bytes */
    PAGE_RESERVED_AT = 20 /* the byte of page 1 that says how many they are */
};

/**
 * page_sum(page, number): of all bytes of a page but its last PAGE_SUM_SIZE, and of its number, so that a page at another
 * place is noticed too.
 *
 * page     uint8_t[PAGE_SIZE], any alignment.
 * number   from 1, as SQLite counts them.
 * Formula  four lanes of 64 bits, h[i] begins as number + i; the word w of 8 bytes number k goes into lane k % 4 by
 *          h = rotate_left(h ^ w, 29) * 0x9e3779b97f4a7c15; then over the lanes s = rotate_left(s ^ h[i], 29) * the same,
 *          s beginning as 0; at last s ^ (s >> 32).  Each step is a bijection of h for a given w and of w for a given h: two
 *          pages that differ in one word never have one sum; others do with a chance of about 2^-64.
 * Cost     about 0.3 us.  Any thread.
 */
uint64_t page_sum(const uint8_t *page, int64_t number);

/** The sum at the end of a page, and how to put it there. */
uint64_t page_sum_read(const uint8_t *page);
void page_sum_write(uint8_t *page, uint64_t sum);

/** page_is_zero(page): never written: a hole of the file. */
bool page_is_zero(const uint8_t *page);

/* ---- the write-ahead log, as https://www.sqlite.org/walformat.html has it ---- */

enum {
    LOG_HEADER_SIZE = 32,
    LOG_FRAME_HEADER_SIZE = 24,
    LOG_SUM_SIZE = 8,
    LOG_FRAME_SIZE = LOG_FRAME_HEADER_SIZE + PAGE_SIZE
};

/* The order of the bytes of a word, of a log that this machine writes. */
enum { LOG_NATIVE_IS_BIG = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };

/* The two halves of a running sum. */
struct log_sum {
    uint32_t s0, s1;
};

uint32_t log_word(const uint8_t *bytes);       /* the numbers of a log are big-endian */
struct log_sum log_sum_read(const uint8_t *b); /* the 8 bytes in which one is stored */
bool log_sum_equal(struct log_sum a, struct log_sum b);

/** log_sum_add(sum, data, size, is_big): go on with size bytes, a multiple of 8; is_big: of a log whose sums are of
 *  big-endian words (the last bit of its first word). */
struct log_sum log_sum_add(struct log_sum sum, const uint8_t *data, size_t size, bool is_big);

/** log_frame_sum(before, frame, is_big): of a whole frame, after that of the frame (or header) in front of it. */
struct log_sum log_frame_sum(struct log_sum before, const uint8_t *frame, bool is_big);

enum { LOG_NO_FLIP = -1 };

/**
 * log_sum_flip_at(stored, computed, head, head_size, data, size, is_big): do the two differ because exactly one bit of the
 * summed bytes, or of the stored sum, is not what it was?  Sums are linear, so the bit can be told; a high one may be
 * one of several.  What was torn by a power cut passes for that with a chance of about 2^-48, unless what a tear left differs in
 * one bit itself.
 *
 * head, data  the bytes that were summed, one after the other; sizes are multiples of 8.
 * Returns     where the foremost of the 8 bytes begin that hold the bit; head_size + size: in the stored sum; LOG_NO_FLIP.
 */
int log_sum_flip_at(struct log_sum stored, struct log_sum computed, const uint8_t *head, size_t head_size,
                    const uint8_t *data, size_t size, bool is_big);

#endif
