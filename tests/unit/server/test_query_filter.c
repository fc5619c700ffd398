#include <criterion/criterion.h>
#include <string.h>

#include "query.h"
#include "query_filter.h"
#include "query_text.h"

static bool fits(const char *text, const struct run_row *row)
{
    struct arena arena;
    struct problem p = {0};
    struct filter *f = NULL;
    struct run_view view;
    bool match = false;
    arena_init(&arena);
    cr_assert_eq(filter_parse(text, &arena, &f, &p), OK, "%s: %s", text, p.detail);
    run_view_init(&view, row, 1000);
    cr_assert_eq(filter_match(f, &view, &arena, &match, &p), OK, "%s: %s", text, p.detail);
    run_view_release(&view);
    arena_release(&arena);
    return match;
}

Test(query_filter, a_run_must_fit_every_term)
{
    const struct run_row row = {
        .id = "run-17",
        .project = "vision",
        .name = "ResNet \"big\" one",
        .notes = "try again",
        .status = RUN_RUNNING,
        .tags = "[\"baseline\",\"v2\"]",
        .created_at = 500,
        .updated_at = 600,
        .seen_at = 900,
        .revision = 4,
        .config = "{\"lr\":0.1,\"net\":{\"depth\":3,\"kind\":\"cnn\"},\"a.b\":{\"c\":7},\"amp\":true,\"seed\":null,"
                  "\"version\":\"1.10\",\"layers\":[1,2],\"name\":\"inner\"}"};
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"", true},
        {"  ", true},
        {"run-17", true},
        {"UN-1", true},
        {"resnet", true},
        {"vision", false},
        {"resnet big", true},
        {"resnet small", false},
        {"\"\\\"big\\\" one\"", true},
        {"\"big one\"", false},
        {"lr>0.01", true},
        {"lr>0.1", false},
        {"lr>=0.1", true},
        {"lr<1", true},
        {"lr<=0.1", true},
        {"lr=0.1", true},
        {"lr=0.10", true},
        {"lr=1e-1", true},
        {"lr!=0.1", false},
        {"lr:0.1", true},
        {"lr~0.1", true},
        {"lr=big", false},
        {"lr!=big", true},
        {"lr<big", false},
        {"config.lr>0.01", true},
        {"net.depth=3", true},
        {"net.kind=cnn", true},
        {"net.kind=CNN", false},
        {"net.kind~CN", true},
        {"net.kind>cat", true},
        {"a.b.c=7", true},
        {"net.width=1", false},
        {"net.width!=1", true},
        {"nothing>1", false},
        {"nothing~x", false},
        {"amp=true", true},
        {"amp=false", false},
        {"seed=1", false},
        {"seed!=1", true},
        {"version=1.10", true},
        {"version=1.1", false},
        {"layers~2", true},
        {"config.name=inner", true},
        {"tag:baseline", true},
        {"tag=v2", true},
        {"tags:v3", false},
        {"tag!=v3", true},
        {"tag!=v2", false},
        {"tag~base", true},
        {"tag:base", false},
        {"status=running", true},
        {"status:finished", false},
        {"status!=crashed", true},
        {"name~resnet", true},
        {"name=resnet", false},
        {"name=\"ResNet \\\"big\\\" one\"", true},
        {"project=vision", true},
        {"id=run-17", true},
        {"notes~AGAIN", true},
        {"created_at>499", true},
        {"created_at<500", false},
        {"ended_at>0", false},
        {"revision=4", true},
        {"lr>0.01 tag:baseline status=running name~resnet", true},
        {"lr>0.01 tag:other", false},
        {"\"net.kind\"=cnn", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(fits(rows[i].text, &row), rows[i].fits, "%s", rows[i].text);
    const struct run_row bare = {.id = "x", .project = "p", .status = RUN_RUNNING, .seen_at = 1000 - 301 * 1000};
    cr_assert(fits("status=crashed", &bare) && fits("lr!=1", &bare) && fits("tag!=a", &bare) && !fits("tag:a", &bare) &&
              !fits("name~x", &bare));
}

Test(query_filter, what_cannot_be_read_is_named)
{
    static const char *const rows[] = {"lr>",         ">3",          "lr> 3",
                                       "\"open",      "name=\"open", "lr>\"1\"x",
                                       "status=done", "tag>a",       "created_at>yesterday",
                                       "config.=1",   "\"a\"b",      "a\"b\""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct problem p = {0};
        struct filter *f = NULL;
        arena_init(&arena);
        cr_assert_eq(filter_parse(rows[i], &arena, &f, &p), PROBLEM_INVALID, "%s", rows[i]);
        cr_assert_str_eq(p.places[0].pointer, "?q", "%s", rows[i]);
        arena_release(&arena);
    }
}

Test(query_text, cursors_come_back_and_garbage_does_not)
{
    struct arena arena;
    char *data;
    size_t size;
    arena_init(&arena);
    char *text = cursor_encode(&arena, "a\0\xff\n", 4);
    cr_assert_str_eq(text, "6100ff0a");
    cr_assert(cursor_decode(&arena, text, &data, &size) && size == 4 && memcmp(data, "a\0\xff\n", 5) == 0);
    cr_assert(!cursor_decode(&arena, "garbage!", &data, &size));
    cr_assert(!cursor_decode(&arena, "abc", &data, &size));
    cr_assert(!cursor_decode(&arena, "AB", &data, &size));
    arena_release(&arena);
}

Test(query_etag, if_none_match_is_a_list_a_star_or_weak)
{
    static const struct {
        const char *header;
        bool matches;
    } rows[] = {{NULL, false},
                {"", false},
                {"\"a\"", true},
                {"W/\"a\"", true},
                {"*", true},
                {"\"b\", \"a\"", true},
                {"\"b\",W/\"a\"", true},
                {"\"b\"", false},
                {"\"aa\"", false},
                {"a", false},
                {"\"a", false},
                {"\"b\", *", true},
                {"\"b,\"a\"", false},
                {" \t\"a\"", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(etag_matches(rows[i].header, "\"a\""), rows[i].matches, "%s",
                     rows[i].header ? rows[i].header : "(null)");
}
