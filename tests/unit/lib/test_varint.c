#include <float.h>
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"
#include "varint.h"

static size_t write_varint(uint64_t value, uint8_t *out)
{
    struct pack_writer w = {.out = out, .cap = 16};
    varint_write(&w, value);
    return w.size;
}

static size_t write_number(double value, uint8_t *out)
{
    struct pack_writer w = {.out = out, .cap = 16};
    number_write(&w, value);
    return w.size;
}

Test(varint, values_come_back_and_take_one_byte_per_seven_bits)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)delta, back;
            uint8_t data[16];
            size_t size = write_varint(value, data);
            struct pack_reader r = pack_reader(data, size);
            cr_assert(varint_read(&r, &back) && back == value && r.at == r.end, "2^%u%+d", bit, delta);
            size_t n_bits = value == 0 ? 1 : 64 - (size_t)__builtin_clzll(value);
            cr_assert_eq(size, (n_bits + 6) / 7);
            for (size_t cut = 0; cut < size; cut++) {
                r = pack_reader(data, cut);
                cr_assert(!varint_read(&r, &back), "2^%u%+d cut to %zu", bit, delta, cut);
            }
        }
    }
}

Test(varint, other_encodings_are_refused)
{
    static const struct {
        const char *name;
        size_t size;
        uint8_t data[12];
    } ROWS[] = {
        {"zero in two bytes", 2, {0x80, 0x00}},
        {"one in three bytes", 3, {0x81, 0x80, 0x00}},
        {"65 bits", 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}},
        {"eleven bytes", 11, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
        {"nothing", 0, {0}},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        uint64_t value = 7;
        struct pack_reader r = pack_reader(ROWS[i].data, ROWS[i].size);
        cr_assert(!varint_read(&r, &value) && value == 7, "%s", ROWS[i].name);
    }
    int64_t count = 7;
    uint8_t data[16];
    struct pack_reader r = pack_reader(data, write_varint((uint64_t)INT64_MAX + 1, data));
    cr_assert(!varint_read_count(&r, &count) && count == 7);
}

Test(varint, numbers_come_back_in_the_shortest_of_three_forms)
{
    static const struct {
        double value;
        size_t size;
    } ROWS[] = {
        {0, 1},
        {-0.0, 1},
        {31, 1},
        {-32, 1},
        {32, 2},
        {9007199254740992.0, 8},
        {-9007199254740992.0, 8},
        {0.5, 5},
        {-1.25, 5},
        {1.8446744073709552e19, 5}, /* 2^64: not whole enough, but a single */
        {0.1, 9},
        {9007199254740994.0, 9},
        {DBL_MAX, 9},
        {DBL_TRUE_MIN, 9},
        {(double)FLT_MAX, 5},
        {(double)FLT_TRUE_MIN, 5},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        uint8_t data[16];
        double back;
        size_t size = write_number(ROWS[i].value, data);
        cr_assert_eq(size, ROWS[i].size, "%.17g takes %zu", ROWS[i].value, size);
        struct pack_reader r = pack_reader(data, size);
        cr_assert(number_read(&r, &back) && back == ROWS[i].value && !signbit(back + 0.0 * (back != 0)) == !(back < 0));
        cr_assert(r.at == r.end);
    }
}

/* Whatever bytes a number is read from, writing it gives them again. */
Test(varint, a_number_has_one_encoding)
{
    uint64_t seed = 11;
    size_t n_read = 0;
    for (size_t i = 0; i < 300000; i++) {
        uint8_t data[16], again[16];
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (uint8_t)(random_next(&seed) & random_next(&seed));
        switch (random_below(&seed, 4)) { /* steer towards the three forms and their borders */
        case 0:
            data[0] = 1;
            break;
        case 1:
            data[0] = 3;
            break;
        case 2:
            for (size_t k = 0; k < 7; k++)
                data[k] |= 0x80;
            break;
        default:
            break;
        }
        double value;
        struct pack_reader r = pack_reader(data, sizeof data);
        if (!number_read(&r, &value))
            continue;
        n_read++;
        size_t size = (size_t)(r.at - data);
        cr_assert(isfinite(value));
        cr_assert(write_number(value, again) == size && memcmp(data, again, size) == 0, "%.17g", value);
    }
    cr_assert_gt(n_read, 100000);
    /* one beyond -2^53 rounds to it as a double: refused all the same */
    double value;
    uint8_t data[16];
    struct pack_reader r = pack_reader(data, write_varint((UINT64_C(1) << 55) | 2, data));
    cr_assert(!number_read(&r, &value));
}
