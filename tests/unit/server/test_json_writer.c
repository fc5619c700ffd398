#include <criterion/criterion.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_writer.h"
#include "utf8.h"

static void expect_buffer(struct buffer *b, const char *want)
{
    cr_assert_not(b->failed);
    cr_assert_eq(b->size, strlen(want), "got %.*s want %s", (int)b->size, b->data, want);
    cr_assert_eq(memcmp(b->data, want, b->size), 0, "got %.*s want %s", (int)b->size, b->data, want);
    buffer_release(b);
}

Test(json_writer, commas_and_colons_come_by_themselves)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "a");
    json_array_begin(&w);
    json_int(&w, INT64_MIN);
    json_int(&w, INT64_MAX);
    json_array_begin(&w);
    json_array_end(&w);
    json_bool(&w, true);
    json_array_end(&w);
    json_key(&w, "b");
    json_object_begin(&w);
    json_object_end(&w);
    json_key(&w, "c");
    json_raw(&w, "{\"x\":1}");
    json_key(&w, "d");
    json_raw(&w, NULL);
    json_key(&w, "e");
    json_string(&w, NULL);
    json_key(&w, "f");
    json_double(&w, NAN);
    json_object_end(&w);
    expect_buffer(&b, "{\"a\":[-9223372036854775808,9223372036854775807,[],true],\"b\":{},\"c\":{\"x\":1},"
                      "\"d\":null,\"e\":null,\"f\":null}");
}

Test(json_writer, text_is_escaped_and_invalid_bytes_replaced)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"a\xe2\x80\xa8z\xe2\x80\xa9", "\"a\\u2028z\\u2029\""},
        {"\xff\xc3", "\"\\ufffd\\ufffd\""},
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},
        {"x\xed\xa0\x80y", "\"x\\ufffd\\ufffd\\ufffdy\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer b;
        struct json_writer w;
        buffer_init(&b);
        json_writer_init(&w, &b);
        json_string(&w, rows[i].text);
        expect_buffer(&b, rows[i].want);
    }
}

Test(json_writer, doubles_are_short_and_read_back_the_same)
{
    static const struct {
        double value;
        const char *want;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-27, "-27"},
        {0.1, "0.1"},
        {0.828125, "0.828125"},
        {1e21, "1e+21"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740992.0, "9007199254740992.0"},
        {-9470400719254704.0, "-9470400719254704.0"},
        {1e16, "1e+16"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = json_format_double(rows[i].value, text);
        cr_assert_str_eq(text, rows[i].want);
        cr_assert_eq(size, strlen(text));
    }
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double value;
        memcpy(&value, &seed, sizeof value);
        if (!isfinite(value))
            continue;
        cr_assert_lt(json_format_double(value, text), sizeof text);
        cr_assert_eq(strtod(text, NULL), value, "%s", text);
    }
}

Test(json_writer, doubles_do_not_depend_on_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8", "C.UTF-8"};
    char text[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_NUMERIC, names[i]) == NULL)
            continue; /* not installed here */
        json_format_double(0.5, text);
        cr_assert_str_eq(text, "0.5");
        json_format_double(-1.25e-300, text);
        cr_assert_str_eq(text, "-1.25e-300");
    }
}

Test(utf8, only_the_sequences_of_the_standard_are_valid)
{
    static const struct {
        const char *text;
        size_t want;
    } rows[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xc2\x41", 0},
        {"\xe0\x9f\x80", 0},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xe2\x82", 0},
        {"\xf0\x8f\x80\x80", 0},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xf0\x90\x80", 0},
        {"\xff", 0},
        {"\xe2\x28\xa1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(utf8_sequence(rows[i].text, strlen(rows[i].text)), rows[i].want, "row %zu", i);
    cr_assert_eq(utf8_sequence("", 0), 0);

    for (unsigned c = 0; c <= 0x10ffff; c++) {
        char out[4];
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t size = utf8_put(c, out);
        cr_assert_eq(utf8_sequence(out, size), size, "U+%04X", c);
    }
}
