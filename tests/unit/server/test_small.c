#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buffer.h"
#include "server_limits.h"
#include "problem.h"
#include "rank_set.h"
#include "store.h"

Test(rank_set, packs_and_unpacks_any_set)
{
    static struct rank_set a, b;
    static uint8_t packed[1 << 18];
    static const int64_t EDGES[] = {0, 1, 2, 63, 64, 127, 128, 129, 300, 16383, 16600, 65534, 65535};

    rank_set_clear(&a);
    cr_assert_eq(rank_set_pack(&a, packed, 0), 0, "the empty set");
    for (size_t i = 0; i < sizeof EDGES / sizeof EDGES[0]; i++) {
        cr_assert(rank_set_add(&a, EDGES[i]));
        cr_assert_not(rank_set_add(&a, EDGES[i]));
        size_t size = rank_set_pack(&a, packed, sizeof packed);
        cr_assert_eq(rank_set_packed_count(packed, size), i + 1);
        rank_set_clear(&b);
        cr_assert_eq(rank_set_add_packed(&b, packed, size), OK);
        cr_assert(memcmp(&a, &b, sizeof a) == 0, "up to %ld", (long)EDGES[i]);
    }
    rank_set_clear(&a);
    for (int64_t rank = 0; rank < 65536; rank++)
        rank_set_add(&a, rank);
    cr_assert_eq(rank_set_pack(&a, packed, sizeof packed), 65536);
}

Test(rank_set, damaged_bytes_are_refused_and_change_nothing)
{
    static struct rank_set s;
    static const struct {
        uint8_t data[6];
        size_t size;
    } BAD[] = {{{0x80}, 1},
               {{0x80, 0x00}, 2},
               {{0xff, 0xff, 0x03, 0x00}, 4},
               {{0xff, 0xff, 0x7f}, 3},
               {{0x00, 0x80, 0x80, 0x80, 0x01}, 5}};

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        rank_set_clear(&s);
        cr_assert_eq(rank_set_add_packed(&s, BAD[i].data, BAD[i].size), ERR_CORRUPT, "row %zu", i);
        cr_assert_eq(s.count, 0, "row %zu", i);
    }
}

Test(problem, every_code_has_a_status_a_name_and_a_title)
{
    for (int code = PROBLEM_MALFORMED; code >= PROBLEM_LAST; code--) {
        const struct problem_kind *k = problem_kind(code);
        cr_assert_eq(k->code, code);
        cr_assert(k->http_status >= 400 && k->http_status < 600 && k->name[0] != '\0' && k->title[0] != '\0');
    }
    cr_assert_eq(problem_kind(12345)->code, PROBLEM_INTERNAL);
    size_t n = 0;
    while (problem_kind_at(n) != NULL)
        n++;
    cr_assert_eq(n, (size_t)(PROBLEM_MALFORMED - PROBLEM_LAST + 1));
}

Test(problem, texts_are_cut_at_characters_and_pointers_prefixed)
{
    struct problem p;
    char longer[2000] = "";

    for (size_t i = 0; i + 3 < sizeof longer; i += 2)
        strcpy(longer + i, "\xc3\xa4");
    for (int shift = 0; shift < 2; shift++) {
        cr_assert_eq(problem_set(&p, PROBLEM_INVALID, "/total", "%s%s", shift ? "x" : "", longer), PROBLEM_INVALID);
        cr_assert_eq((strlen(p.detail) - (size_t)shift) % 2, 0, "half a character is left");
        cr_assert_geq(strlen(p.detail), sizeof p.detail - 3);
    }
    problem_add_place(&p, "?metric", "no such metric");
    problem_prefix(&p, "/3");
    cr_assert_str_eq(p.places[0].pointer, "/3/total");
    cr_assert_str_eq(p.places[1].pointer, "?metric");
    for (int i = 0; i < 20; i++)
        problem_add_place(&p, "", "x");
    cr_assert_eq(p.n_places, PROBLEM_PLACES_MAX);
    cr_assert_eq(problem_set(NULL, PROBLEM_BUSY, "", "x"), PROBLEM_BUSY);
}

Test(problem, quoted_bytes_are_printable_and_bounded)
{
    static const struct {
        char in[16];
        size_t length;
        const char *out;
    } ROW[] = {
        {"plain", 5, "plain"},         {"a\nb", 3, "a\\x0ab"}, {"\xff", 1, "\\xff"},
        {"\xc3\xa4", 2, "\xc3\xa4"},   {"\xc3", 1, "\\xc3"},   {"\xe2\x82\xac", 3, "\xe2\x82\xac"},
        {"\xc2\x85", 2, "\\xc2\\x85"}, {"x\0y", 3, "x\\x00y"}, {"0123456789abcd", 14, "012345678\xe2\x80\xa6"},
    };
    char out[13];

    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        cr_assert_str_eq(problem_quote(out, sizeof out, ROW[i].in, ROW[i].length), ROW[i].out, "row %zu: %s", i, out);
}

Test(arena, pieces_are_aligned_apart_and_grow_in_place)
{
    struct arena a;
    unsigned char *piece[200];

    arena_init(&a);
    for (size_t i = 0; i < 200; i++) {
        piece[i] = arena_alloc(&a, i * 37);
        cr_assert(piece[i] != NULL && (uintptr_t)piece[i] % _Alignof(max_align_t) == 0);
        memset(piece[i], (int)i, i * 37);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 37; k++)
            cr_assert_eq(piece[i][k], i);
    char *text = arena_strndup(&a, "hello", 4);
    cr_assert_str_eq(text, "hell");
    char *grown = arena_grow(&a, text, 5, 9);
    cr_assert_eq(grown, text, "the last piece grows in place");
    char *moved = arena_grow(&a, grown, 9, 1 << 20);
    cr_assert_str_eq(moved, "hell");
    cr_assert_null(arena_alloc(&a, SIZE_MAX - 3));
    arena_release(&a);
    cr_assert_eq(a.bytes, 0);
}

Test(arena, small_pieces_come_from_the_room_that_was_given)
{
    static max_align_t room[64];
    unsigned char *const begin = (unsigned char *)room, *const end = begin + sizeof room;
    struct arena a;

    arena_init_in(&a, room, sizeof room);
    for (int round = 0; round < 2; round++) {
        unsigned char *first = arena_alloc(&a, 100), *large = arena_alloc(&a, sizeof room);
        cr_assert(first >= begin && first + 100 <= end);
        cr_assert(large + sizeof room <= begin || large >= end, "what does not fit lies elsewhere");
        memset(first, 1, 100);
        memset(large, 2, sizeof room);
        cr_assert(first[99] == 1 && a.bytes > sizeof room);
        arena_release(&a);
        arena_init_in(&a, room, sizeof room);
        cr_assert_eq(a.bytes, 0);
    }
    arena_init_in(&a, room, 8);
    cr_assert_not_null(arena_alloc(&a, 100), "room for nothing is no harm");
    arena_release(&a);
}

Test(buffer, grows_and_is_taken)
{
    struct buffer b;
    size_t size = 1;
    char longer[3000];

    buffer_init(&b);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    buffer_text(&b, "a");
    buffer_printf(&b, "%d%s", 42, longer);
    buffer_add(&b, "", 0);
    char *text = buffer_take(&b, &size);
    cr_assert_eq(size, 3 + 2999);
    cr_assert(memcmp(text, "a42x", 4) == 0);
    free(text);
    text = buffer_take(&b, &size);
    cr_assert(text != NULL && size == 0, "an empty answer is not a failed one");
    free(text);
    buffer_release(&b);
}

Test(limits, are_set_by_name_within_their_range)
{
    struct limits l;
    char why[200] = "";
    const char *name = NULL;
    int64_t value = 0;
    size_t n = 0;
    static const char *const BAD[] = {"points",    "points=",   "points=0", "points=-1",
                                      "points=1x", "points= 5", "point=5",  "points=99999999999999999999",
                                      "=5"};

    limits_default(&l);
    cr_assert(l.body_bytes == 16 << 20 && l.queue_bytes == 64 << 20 && l.points == 10000 && l.dense_classes == 1024);
    cr_assert(limits_set(&l, "points=500", why, sizeof why));
    cr_assert_eq(l.points, 500);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        why[0] = '\0';
        cr_assert_not(limits_set(&l, BAD[i], why, sizeof why), "%s", BAD[i]);
        cr_assert_neq(why[0], '\0');
    }
    bool seen = false;
    for (; limits_at(&l, n, &name, &value); n++)
        seen = seen || (strcmp(name, "points") == 0 && value == 500);
    cr_assert_eq(n, 19);
    cr_assert(seen);
    cr_assert(limits_set(&l, "requests_per_s=0", why, sizeof why), "none");
}

Test(run_row, a_silent_running_run_reads_crashed)
{
    struct run_row r = {.status = RUN_RUNNING, .seen_at = 1000};
    enum run_status s = RUN_KILLED;

    cr_assert_eq(run_status_effective(&r, 1000 + 300000), RUN_RUNNING);
    cr_assert_eq(run_status_effective(&r, 1001 + 300000), RUN_CRASHED);
    r.status = RUN_FINISHED;
    cr_assert_eq(run_status_effective(&r, 1 << 30), RUN_FINISHED);
    cr_assert(run_status_from_name("failed", &s) && s == RUN_FAILED);
    cr_assert_not(run_status_from_name("done", &s));
    cr_assert_str_eq(run_status_name(RUN_CRASHED), "crashed");
}
