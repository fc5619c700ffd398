#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_reader.h"

struct text {
    const char *text;
    size_t size;
};
#define T(literal)                                                                                                     \
    {                                                                                                                  \
        literal, sizeof literal - 1                                                                                    \
    }

/* The whole text as one document, in an exact copy, so that a byte read too far is seen by ASan. */
static int check(const char *text, size_t size, struct problem *p)
{
    struct arena arena;
    struct json_reader r;
    char *copy = malloc(size + (size == 0));
    memcpy(copy, text, size);
    arena_init(&arena);
    json_reader_init(&r, copy, copy, size, &arena, p);
    int rc = json_reader_skip(&r);
    if (rc == OK)
        rc = json_reader_end(&r);
    arena_release(&arena);
    free(copy);
    return rc;
}

Test(json_reader, accepts_what_rfc_8259_allows)
{
    static const struct text rows[] = {
        T("null"),
        T("true"),
        T("false"),
        T("0"),
        T("-0"),
        T("42"),
        T("\"\""),
        T("\"a\""),
        T("[]"),
        T("{}"),
        T(" \t\r\n[ ] \n"),
        T("[1]"),
        T("[1,2]"),
        T("[ 1 , 2 ]"),
        T("[[],{}]"),
        T("{\"a\":1}"),
        T("{ \"a\" : 1 }"),
        T("{\"a\":1,\"b\":2}"),
        T("{\"\":0}"),
        T("{\"a\":{\"a\":{\"a\":1}}}"),
        T("[{\"a\":1},{\"a\":1}]"),
        T("-1"),
        T("-0.0"),
        T("0.5"),
        T("1.5e3"),
        T("1E3"),
        T("1e+3"),
        T("1e-3"),
        T("0e0"),
        T("0E+1"),
        T("-0e-1"),
        T("1e308"),
        T("1e-400"),
        T("-1e-400"),
        T("0e999999999999"),
        T("9007199254740991"),
        T("-9007199254740991"),
        T("123456789012345678901234567890.5"),
        T("1e22"),
        T("0.1000000000000000055511151231257827021181583404541015625"),
        T("-0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
        T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        T("\"\\u0001\""),
        T("\"\\u0041\""),
        T("\"\\uD83D\\uDE00\""),
        T("\"\\ud83d\\ude00\""),
        T("\"\\uFFFF\""),
        T("\"\\u2028\""),
        T("\"\x7f\""),
        T("\"\xc2\x80\""),
        T("\"\xe2\x80\xa8\""),
        T("\"\xef\xbf\xbf\""),
        T("\"\xf0\x9f\x98\x80\""),
        T("\"\xf4\x8f\xbf\xbf\""),
        T("{\"\\u0061\":1,\"b\":2}"),
        T("\"\\\\u0000\""),
        T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p = {0};
        int rc = check(rows[i].text, rows[i].size, &p);
        cr_assert_eq(rc, OK, "%s: %s", rows[i].text, p.detail);
    }
}

Test(json_reader, refuses_what_is_no_json_or_not_strict)
{
    static const struct text rows[] = {
        T(""),
        T(" "),
        T("\xef\xbb\xbf{}"),
        T("nul"),
        T("nulll"),
        T("True"),
        T("NaN"),
        T("Infinity"),
        T("-Infinity"),
        T("-"),
        T("+1"),
        T(".5"),
        T("5."),
        T("1.e3"),
        T("01"),
        T("-01"),
        T("00"),
        T("0x10"),
        T("1e"),
        T("1e+"),
        T("1e-"),
        T("1E+-1"),
        T("--1"),
        T("1 2"),
        T("1,"),
        T("1a"),
        T("0.1.2"),
        T("1_000"),
        T("\xef\xbc\x91"),
        T("'a'"),
        T("\"a"),
        T("\""),
        T("\"\\"),
        T("\"\\\""),
        T("\"\\u\""),
        T("\"\\u12\""),
        T("\"\\u12G4\""),
        T("\"\\u 123\""),
        T("\"\\x41\""),
        T("\"\\a\""),
        T("\"\\0\""),
        T("\"\\U0041\""),
        T("\"\\\0\""),
        T("\"\\u0000\""),
        T("{\"\\u0000\":1}"),
        T("\"\0\""),
        T("\"\n\""),
        T("\"\t\""),
        T("\"\x1f\""),
        T("\"\\ud83d\""),
        T("\"\\ude00\""),
        T("\"\\ud83dx\""),
        T("\"\\ud83d\\n\""),
        T("\"\\ud83d\\u0041\""),
        T("\"\\ud83d\\ud83d\""),
        T("\"\\ude00\\ud83d\""),
        T("\"\\ud83d\\ude0\""),
        T("\"\x80\""),
        T("\"\xc0\xaf\""),
        T("\"\xc3\""),
        T("\"\xe2\x82\""),
        T("\"\xed\xa0\x80\""),
        T("\"\xf4\x90\x80\x80\""),
        T("\"\xf0\x80\x80\x80\""),
        T("\"\xff\""),
        T("\xc3\xa9"),
        T("["),
        T("]"),
        T("[1"),
        T("[1,"),
        T("[1,]"),
        T("[,1]"),
        T("[1,,2]"),
        T("[1 2]"),
        T("[1}"),
        T("[1:2]"),
        T("[\"a\":1]"),
        T("{"),
        T("}"),
        T("{\"a\""),
        T("{\"a\":"),
        T("{\"a\":1"),
        T("{\"a\":1,"),
        T("{\"a\":1,}"),
        T("{,}"),
        T("{\"a\",1}"),
        T("{\"a\" 1}"),
        T("{\"a\"::1}"),
        T("{a:1}"),
        T("{1:1}"),
        T("{null:1}"),
        T("{[]:1}"),
        T("{\"a\":1 \"b\":2}"),
        T("{\"a\":1]"),
        T("{}}"),
        T("[]]"),
        T("{}{}"),
        T("[][]"),
        T("{} x"),
        T("1\0"),
        T("\0"),
        T("[1]\f"),
        T("[\v1]"),
        T("[1]\xc2\xa0"),
        T("// c\n1"),
        T("/* c */1"),
        T("#\n1"),
        T("{\"a\":1,\"a\":1}"),
        T("{\"a\":1,\"\\u0061\":2}"),
        T("{\"a\":1,\"b\":2,\"a\":3}"),
        T("{\"x\":{\"a\":1,\"a\":1}}"),
        T("{\"\":1,\"\":2}"),
        T("{\"\xc3\xa9\":1,\"\\u00e9\":2}"),
        T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p = {0};
        int rc = check(rows[i].text, rows[i].size, &p);
        cr_assert_eq(rc, PROBLEM_MALFORMED, "row %zu %s: %d %s", i, rows[i].text, rc, p.detail);
        cr_assert_eq(p.code, rc);
        cr_assert_not_null(strstr(p.detail, " at byte "), "%s: %s", rows[i].text, p.detail);
    }
}

Test(json_reader, refuses_numbers_that_would_not_be_kept)
{
    static const struct text rows[] = {
        T("9007199254740992"),
        T("9007199254740993"),
        T("-9007199254740992"),
        T("10000000000000000"),
        T("123456789012345678901234567890"),
        T("18446744073709551617"),
        T("1e309"),
        T("1e400"),
        T("-1e400"),
        T("1.8e308"),
        T("1e99999999999999999999"),
        T("[1,{\"a\":1e400}]"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p = {0};
        cr_assert_eq(check(rows[i].text, rows[i].size, &p), PROBLEM_INVALID, "%s", rows[i].text);
    }
}

Test(json_reader, every_prefix_of_a_document_is_refused)
{
    static const char text[] = "{\"a\":[1,-2.5e-3,\"\\ud83d\\ude00 \xc3\xa9\",true,null,{\"b\":{}}],\"c\":false}";
    struct problem p = {0};
    cr_assert_eq(check(text, sizeof text - 1, &p), OK);
    for (size_t size = 0; size < sizeof text - 1; size++)
        cr_assert_eq(check(text, size, &p), PROBLEM_MALFORMED, "%.*s", (int)size, text);
}

Test(json_reader, problems_name_the_place_and_the_byte)
{
    static const struct {
        const char *text, *pointer, *detail;
        int code;
    } rows[] = {
        {"{\"a\":[1,2,x]}", "/a/2", "byte 10", PROBLEM_MALFORMED},
        {"{\"a\":[1,2,1e999]}", "/a/2", "", PROBLEM_INVALID},
        {"{\"a/b\":{\"c~d\":9007199254740992}}", "/a~1b/c~0d", "2^53-1", PROBLEM_INVALID},
        {"{\"\\u0061\":[[],{\"\":01}]}", "/a/1/", "byte 19", PROBLEM_MALFORMED},
        {"[{\"k\":1,\"k\":2}]", "/0/k", "\"k\" stands twice in its object, at byte 8", PROBLEM_MALFORMED},
        {"[1] 2", "", "byte 4", PROBLEM_MALFORMED},
        {"", "", "byte 0", PROBLEM_MALFORMED},
        {"{\"a\":1,}", "", "byte 7", PROBLEM_MALFORMED},
        {"{\"a\":1 ,x}", "", "byte 8", PROBLEM_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p = {0};
        cr_assert_eq(check(rows[i].text, strlen(rows[i].text), &p), rows[i].code, "%s", rows[i].text);
        cr_assert_eq(p.n_places, 1);
        cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "%s: %s", rows[i].text, p.places[0].pointer);
        cr_assert_not_null(strstr(p.detail, rows[i].detail), "%s: %s", rows[i].text, p.detail);
    }
}

Test(json_reader, a_repeated_key_among_many_is_found)
{
    char text[64 * 1024];
    for (int twice = -1; twice < 40; twice += 13) {
        size_t used = 1;
        struct problem p = {0};
        text[0] = '{';
        for (int i = 0; i < 40; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "\"key%d\":%d,", (i * 17) % 40, i);
        used += (size_t)snprintf(text + used, sizeof text - used, "\"key%d\":{\"key1\":1}}", twice < 0 ? 40 : twice);
        cr_assert_eq(check(text, used, &p), twice < 0 ? OK : PROBLEM_MALFORMED, "%d: %s", twice, p.detail);
        if (twice >= 0) {
            char want[16];
            snprintf(want, sizeof want, "/key%d", twice);
            cr_assert_str_eq(p.places[0].pointer, want);
        }
    }
}

Test(json_reader, strings_are_decoded)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u00e9x\\u20AC\"", "\xc3\xa9x\xe2\x82\xac"},
        {"\"a\\uD83D\\uDE00z\"", "a\xf0\x9f\x98\x80z"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct json_reader r;
        const char *got = NULL;
        arena_init(&arena);
        json_reader_init(&r, rows[i].text, rows[i].text, strlen(rows[i].text), &arena, NULL);
        cr_assert_eq(json_reader_text(&r, &got), OK);
        cr_assert_str_eq(got, rows[i].want);
        arena_release(&arena);
    }
}

Test(json_reader, numbers_are_exact)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t want;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"32", true, 32},
        {"32.0", true, 32},
        {"3.2e1", true, 32},
        {"3200e-2", true, 32},
        {"0e5", true, 0},
        {"0.000", true, 0},
        {"9007199254740991", true, 9007199254740991},
        {"-7", true, -7},
        {"9007199254740991.0000000000000000", true, 9007199254740991},
        {"90071992547409910e-1", true, 9007199254740991},
        {"9007199254740992", false, 0},
        {"9007199254740991.4", false, 0},
        {"9007199254740990.99999999999999999", false, 0},
        {"0.5", false, 0},
        {"1e16", false, 0},
        {"1e400", false, 0},
        {"1e-1", false, 0},
        {"1e999999999999", false, 0},
        {"12345678901234567890", false, 0},
        {"1e15", true, 1000000000000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_number n;
        int64_t got = -1;
        cr_assert_null(json_number_scan(rows[i].text, rows[i].text + strlen(rows[i].text), &n));
        cr_assert_eq(json_number_whole(&n, &got), rows[i].whole, "%s", rows[i].text);
        if (rows[i].whole)
            cr_assert_eq(got, rows[i].want, "%s", rows[i].text);
    }
}

/* strtod is right in the C locale, which tests run in. */
Test(json_reader, doubles_are_the_nearest)
{
    static const char *const rows[] = {
        "0.1",
        "1e22",
        "1e23",
        "8.5e22",
        "123456789.987654321",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "5e-324",
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "9007199254740993.0",
        "9007199254740993.00000000000000000000001",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758720709633028641"
        "6692"
        "88791094655554785194040263065748867150582068190890200070838367627385484581771153176447573027006985557136695962"
        "2842"
        "914819860834936475292719074168444365510704342711559699508093042880e-1",
        "1e-5000",
        "100000000000000000000000000000000000000000e-41",
        "0.00000000000000000000000000000000000000000000000000001e53",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_number n;
        cr_assert_null(json_number_scan(rows[i], rows[i] + strlen(rows[i]), &n));
        cr_assert_eq(json_number_double(&n), strtod(rows[i], NULL), "%s", rows[i]);
    }
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 50000; i++) {
        char text[64];
        struct json_number n;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(seed >> (seed % 64)),
                 (unsigned long long)(seed % 100003), (int)(seed % 640) - 330);
        cr_assert_null(json_number_scan(text, text + strlen(text), &n));
        cr_assert_eq(json_number_double(&n), strtod(text, NULL), "%s", text);
    }
    /* a thousand digits: half way between two doubles, and a last digit that decides */
    char text[2048] = "9007199254740993.";
    size_t used = strlen(text);
    memset(text + used, '0', 1500);
    text[used + 1500] = '1';
    text[used + 1501] = '\0';
    struct json_number n;
    cr_assert_null(json_number_scan(text, text + strlen(text), &n));
    cr_assert_eq(json_number_double(&n), 9007199254740994.0);
}

static int read_counts(const char *text, size_t max, struct json_counts *c, struct problem *p, struct arena *arena)
{
    struct json_reader r;
    *c = (struct json_counts){0};
    json_reader_init(&r, text, text, strlen(text), arena, p);
    int rc = json_reader_counts(&r, c, max, "classes");
    return rc == OK ? json_reader_end(&r) : rc;
}

Test(json_reader, counts_are_read_in_one_go)
{
    static const struct {
        const char *text, *pointer;
        int code;
    } bad[] = {
        {"[1,2,3,4]", "/3", PROBLEM_INVALID},
        {"[1,-1]", "/1", PROBLEM_INVALID},
        {"[1.5]", "/0", PROBLEM_INVALID},
        {"[9007199254740992]", "/0", PROBLEM_INVALID},
        {"[99999999999999999999]", "/0", PROBLEM_INVALID},
        {"[\"1\"]", "/0", PROBLEM_INVALID},
        {"[null]", "/0", PROBLEM_INVALID},
        {"[1,[2]]", "/1", PROBLEM_INVALID},
        {"7", "", PROBLEM_INVALID},
        {"{}", "", PROBLEM_INVALID},
        {"[01]", "/0", PROBLEM_MALFORMED},
        {"[1,", "/1", PROBLEM_MALFORMED},
        {"[1,]", "/0", PROBLEM_MALFORMED},
        {"[1 2]", "/0", PROBLEM_MALFORMED},
        {"[1", "/0", PROBLEM_MALFORMED},
        {"[", "", PROBLEM_MALFORMED},
        {"[,]", "/0", PROBLEM_MALFORMED},
        {"[1x]", "/0", PROBLEM_MALFORMED},
    };
    struct arena arena;
    struct json_counts c;
    struct problem p = {0};
    arena_init(&arena);
    cr_assert_eq(read_counts("[ 0,1 , 2.0,\n30e-1,9007199254740991,00e0]", 9, &c, &p, &arena), PROBLEM_MALFORMED);
    cr_assert_eq(read_counts("[ 0,1 , 2.0,\n30e-1,9007199254740991 ]", 5, &c, &p, &arena), OK, "%s", p.detail);
    cr_assert_eq(c.n, 5);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(c.values[i], i);
    cr_assert_eq(c.values[4], 9007199254740991);
    cr_assert_eq(read_counts("[]", 3, &c, &p, &arena), OK);
    cr_assert_eq(c.n, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(read_counts(bad[i].text, 3, &c, &p, &arena), bad[i].code, "%s", bad[i].text);
        cr_assert_str_eq(p.places[0].pointer, bad[i].pointer, "%s: %s", bad[i].text, p.places[0].pointer);
    }
    arena_release(&arena);
}

Test(json_reader, a_field_that_is_nearly_known_is_suggested)
{
    static const struct json_field fields[] = {JSON_FIELD("stage"), JSON_FIELD("total"), JSON_FIELD("tp"),
                                               JSON_FIELD("tn")};
    static const struct {
        const char *key, *suggestion;
    } rows[] = {{"totl", "\"total\"?"},
                {"totals", "\"total\"?"},
                {"Stage", "\"stage\"?"},
                {"stgae", "\"stage\"?"},
                {"tq", NULL},
                {"x", NULL},
                {"accuracy", NULL},
                {"tpp", "\"tp\"?"},
                {"a very long name that is none of those at all", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct json_reader r;
        struct problem p = {0};
        char text[80];
        uint64_t seen = 0;
        size_t index;
        snprintf(text, sizeof text, "{\"%s\":1}", rows[i].key);
        arena_init(&arena);
        json_reader_init(&r, text, text, strlen(text), &arena, &p);
        cr_assert_eq(json_reader_object(&r), OK);
        cr_assert_eq(json_reader_field(&r, fields, 4, &seen, &index), PROBLEM_UNKNOWN_FIELD);
        cr_assert_not_null(strstr(p.detail, rows[i].key));
        if (rows[i].suggestion != NULL)
            cr_assert_not_null(strstr(p.detail, rows[i].suggestion), "%s", p.detail);
        else
            cr_assert_not_null(strstr(p.detail, "stage, total, tp, tn"), "%s", p.detail);
        arena_release(&arena);
    }
}
