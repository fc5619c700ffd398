#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static void expect_text(const char *text, const char *want)
{
    struct json_document *d = NULL;
    struct arena arena;
    struct problem p = {0};
    arena_init(&arena);
    cr_assert_eq(json_parse(text, strlen(text), &d, &p), OK, "%s: %s", text, p.detail);
    cr_assert_str_eq(json_text(json_root(d), &arena), want);
    json_free(d);
    arena_release(&arena);
}

Test(json, documents_are_printed_compact_and_exact)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {" [ 1 , 2.50 , -0 , 1e2 ] ", "[1,2.5,-0,100]"},
        {"9007199254740991", "9007199254740991"},
        {"{\"b\":1,\"a\":[{},[],\"\",null,true,false]}", "{\"b\":1,\"a\":[{},[],\"\",null,true,false]}"},
        {"\"\\u00e9\\n\\/\\ud83d\\ude00\"", "\"\xc3\xa9\\n/\xf0\x9f\x98\x80\""},
        {"{\"a\\\"b\":0.1}", "{\"a\\\"b\":0.1}"},
        {"1e300", "1e+300"},
        {"0.00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000015", "1.5e-91"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect_text(rows[i].text, rows[i].want);
        expect_text(rows[i].want, rows[i].want);
    }
}

Test(json, what_cjson_would_let_pass_is_refused)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"{\"a\":1,\"a\":2}", PROBLEM_MALFORMED},
        {"{} x", PROBLEM_MALFORMED},
        {"007", PROBLEM_MALFORMED},
        {"\"\\u0000\"", PROBLEM_MALFORMED},
        {"1e400", PROBLEM_INVALID},
        {"9007199254740993", PROBLEM_INVALID},
        {"\"\xff\"", PROBLEM_MALFORMED},
        {"[1,]", PROBLEM_MALFORMED},
        {"[{\"a\":[}]", PROBLEM_MALFORMED},
        {"", PROBLEM_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_document *d = NULL;
        struct problem p = {0};
        cr_assert_eq(json_parse(rows[i].text, strlen(rows[i].text), &d, &p), rows[i].code, "%s", rows[i].text);
        cr_assert_null(d);
        cr_assert_eq(p.code, rows[i].code);
    }
}

Test(json, values_are_looked_at_by_type_and_case)
{
    static const char text[] = "{\"Ab\":1,\"ab\":\"x\",\"t\":true,\"n\":null,\"l\":[1,2,3],\"h\":0.5,\"big\":1e17}";
    struct json_document *d = NULL;
    int64_t n = -1;
    cr_assert_eq(json_parse(text, sizeof text - 1, &d, NULL), OK);
    const struct json *root = json_root(d);
    cr_assert_eq(json_type(root), JSON_OBJECT);
    cr_assert_eq(json_length(root), 7);
    cr_assert(json_as_int(json_get(root, "Ab"), &n) && n == 1);
    cr_assert_str_eq(json_as_string(json_get(root, "ab")), "x");
    cr_assert_null(json_get(root, "AB"));
    cr_assert_null(json_get(root, "missing"));
    cr_assert(json_as_bool(json_get(root, "t")));
    cr_assert_not(json_as_bool(json_get(root, "n")));
    cr_assert_eq(json_type(json_get(root, "n")), JSON_NULL);
    cr_assert_not(json_as_int(json_get(root, "h"), &n));
    cr_assert_not(json_as_int(json_get(root, "big"), &n));
    cr_assert_not(json_as_int(json_get(root, "ab"), &n));
    cr_assert(isnan(json_as_number(json_get(root, "ab"))));
    cr_assert_null(json_as_string(json_get(root, "t")));
    double sum = 0;
    for (const struct json *v = json_child(json_get(root, "l")); v != NULL; v = json_next(v))
        sum += json_as_number(v);
    cr_assert_eq(sum, 6);
    cr_assert_str_eq(json_name(json_child(root)), "Ab");
    json_free(d);
    json_free(NULL);
}

/* RFC 7396, appendix A, and what it leaves out. */
Test(json, merge_patch_does_what_rfc_7396_shows)
{
    static const struct {
        const char *target, *patch, *want;
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {NULL, "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}"},
        {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":null,\"b\":null,\"c\":null}", "{}"},
        {"{\"a\":1}", "{\"a\":{\"x\":null,\"y\":[null]}}", "{\"a\":{\"y\":[null]}}"},
        {"{\"a\":{\"x\":1}}", "{\"a\":{}}", "{\"a\":{\"x\":1}}"},
        {"{\"A\":1}", "{\"a\":2}", "{\"A\":1,\"a\":2}"},
        {"{\"n\":9007199254740991}", "{}", "{\"n\":9007199254740991}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *out = NULL;
        struct problem p = {0};
        cr_assert_eq(json_merge_patch(rows[i].target, rows[i].patch, &out, &p), OK, "row %zu: %s", i, p.detail);
        cr_assert_str_eq(out, rows[i].want, "row %zu: %s", i, out);
        free(out);
    }
}

/* A merge twice is a merge once; large objects do not take the product of their sizes. */
Test(json, merge_patch_of_large_objects_is_quick_and_idempotent)
{
    enum { N = 40000 };
    char *target = malloc(N * 20), *patch = malloc(N * 20), *once = NULL, *twice = NULL;
    size_t a = 0, b = 0;
    a += (size_t)sprintf(target, "{");
    b += (size_t)sprintf(patch, "{");
    for (int i = 0; i < N; i++) {
        a += (size_t)sprintf(target + a, "%s\"k%d\":1", i == 0 ? "" : ",", i);
        b += (size_t)sprintf(patch + b, "%s\"k%d\":%s", i == 0 ? "" : ",", N / 2 + N - i, i % 2 ? "null" : "2");
    }
    strcpy(target + a, "}");
    strcpy(patch + b, "}");
    cr_assert_eq(json_merge_patch(target, patch, &once, NULL), OK);
    cr_assert_eq(json_merge_patch(once, patch, &twice, NULL), OK);
    struct json_document *d = NULL, *e = NULL;
    cr_assert_eq(json_parse(once, strlen(once), &d, NULL), OK);
    cr_assert_eq(json_parse(twice, strlen(twice), &e, NULL), OK);
    cr_assert_eq(json_length(json_root(d)), N / 2 + 1 + N / 2);
    cr_assert_eq(json_length(json_root(e)), json_length(json_root(d)));
    json_free(d);
    json_free(e);
    free(target);
    free(patch);
    free(once);
    free(twice);
}

Test(json, sets_of_strings_are_sorted_and_without_repeats)
{
    static const char *const add[] = {"b", "a", "\xc3\xa9", "B", "a"};
    char *out = NULL;
    cr_assert_eq(json_string_set(NULL, NULL, 0, &out, NULL), OK);
    cr_assert_str_eq(out, "[]");
    free(out);
    cr_assert_eq(json_string_set("[\"z\",\"b\"]", add, 5, &out, NULL), OK);
    cr_assert_str_eq(out, "[\"B\",\"a\",\"b\",\"z\",\"\xc3\xa9\"]");
    free(out);
    struct problem p = {0};
    cr_assert_eq(json_string_set("[", add, 5, &out, &p), PROBLEM_MALFORMED);
}
