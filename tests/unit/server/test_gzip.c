/** Unpacking bodies: exact, bounded, and strict about what comes after the end. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gzip.h"

static size_t pack(const void *data, size_t size, unsigned char *out, size_t cap)
{
    z_stream z = {0};

    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

Test(gzip, what_was_packed_comes_out_whatever_its_size)
{
    static char text[100000];
    static unsigned char packed[120000];
    size_t sizes[] = {0, 1, 16383, 16384, 16385, 65536, 100000};

    srand(7);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(rand() % 7 + '0');
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *out = NULL;
        size_t n = 77, size = pack(text, sizes[i], packed, sizeof packed);
        struct problem p = {0};
        cr_assert_eq(gzip_inflate(packed, size, sizes[i], &out, &n, &p), OK, "%zu: %s", sizes[i], p.detail);
        cr_assert_eq(n, sizes[i]);
        cr_assert_not_null(out);
        cr_assert_eq(memcmp(out, text, n), 0, "%zu", sizes[i]);
        free(out);
        if (sizes[i] == 0)
            continue;
        out = NULL;
        cr_assert_eq(gzip_inflate(packed, size, sizes[i] - 1, &out, &n, &p), PROBLEM_TOO_LARGE, "%zu", sizes[i]);
        cr_assert_null(out);
    }
}

Test(gzip, members_may_follow_one_another_but_nothing_else_may)
{
    unsigned char packed[256];
    char *out = NULL;
    size_t n = 0, size = pack("hello, ", 7, packed, sizeof packed);
    struct problem p = {0};

    size += pack("world", 5, packed + size, sizeof packed - size);
    cr_assert_eq(gzip_inflate(packed, size, 100, &out, &n, &p), OK);
    cr_assert_eq(n, 12);
    cr_assert_eq(memcmp(out, "hello, world", 12), 0);
    free(out);
    for (int junk = 0; junk < 256; junk++) {
        packed[size] = (unsigned char)junk;
        cr_assert_eq(gzip_inflate(packed, size + 1, 100, &out, &n, &p), PROBLEM_MALFORMED, "junk %d", junk);
    }
}

Test(gzip, cut_or_damaged_anywhere_is_refused)
{
    unsigned char packed[256], bad[256];
    size_t size = pack("some text, some text, some more text", 36, packed, sizeof packed);

    for (size_t i = 0; i < size; i++) {
        char *out = NULL;
        size_t n = 0;
        struct problem p = {0};
        cr_assert_eq(gzip_inflate(packed, i, 1000, &out, &n, &p), PROBLEM_MALFORMED, "cut at %zu", i);
        memcpy(bad, packed, size);
        bad[i] ^= 0x55;
        int rc = gzip_inflate(bad, size, 1000, &out, &n, &p);
        /* time, flags and system of the header say nothing of the content */
        cr_assert(rc != OK || (i >= 4 && i < 10), "damaged at %zu", i);
        if (rc == OK)
            free(out);
    }
}

Test(gzip, what_is_packed_is_smaller_and_comes_out_again)
{
    static char text[100000];
    size_t sizes[] = {1024, 4096, sizeof text};

    srand(8);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(rand() % 7 + '0');
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int level = 1; level <= 9; level += 8) {
            char *packed = NULL, *out = NULL;
            size_t size = 0, n = 0;
            struct problem p = {0};
            cr_assert(gzip_deflate(text, sizes[i], level, &packed, &size) && size < sizes[i] / 2);
            cr_assert_eq(gzip_inflate(packed, size, sizes[i], &out, &n, &p), OK, "%s", p.detail);
            cr_assert(n == sizes[i] && memcmp(out, text, n) == 0);
            free(packed);
            free(out);
        }
}

Test(gzip, what_does_not_get_smaller_is_not_packed)
{
    static char noise[5000];
    char *packed = NULL;
    size_t size = 0;

    srand(9);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)rand();
    for (size_t n = 0; n < 30; n++)
        cr_assert_not(gzip_deflate(noise, n, 9, &packed, &size));
    cr_assert_not(gzip_deflate(noise, sizeof noise, 9, &packed, &size));
    cr_assert(packed == NULL && size == 0);
}
