/** Bodies while they arrive: bounded each, and bounded all together. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "gzip.h"
#include "http_body.h"

Test(http_body, pieces_add_up_and_a_promise_costs_nothing)
{
    struct body_budget budget = {.max = 1 << 20};
    struct problem p = {0};
    struct body b;
    char piece[1000];

    body_init(&b, &budget);
    memset(piece, 'x', sizeof piece);
    cr_assert_eq(body_add(&b, piece, 1, UINT64_MAX, 1 << 20, &p), OK);
    cr_assert_leq(budget.used, 65536);
    for (int i = 0; i < 99; i++)
        cr_assert_eq(body_add(&b, piece, sizeof piece, 0, 1 << 20, &p), OK, "piece %d: %s", i, p.detail);
    cr_assert_eq(b.size, 99001);
    cr_assert_eq(budget.used, (int64_t)b.cap);
    for (size_t i = 0; i < b.size; i++)
        cr_assert_eq(b.data[i], 'x');
    body_release(&b);
    cr_assert_eq(budget.used, 0);
    /* a kept promise is allocated exactly */
    cr_assert_eq(body_add(&b, piece, 10, 10, 1 << 20, &p), OK);
    cr_assert_eq(b.cap, 10);
    body_release(&b);
}

Test(http_body, the_limit_and_the_budget_are_exact_and_a_refusal_gives_all_back)
{
    struct body_budget budget = {.max = 40000};
    struct problem p = {0};
    struct body a, b;
    static char piece[40000];

    body_init(&a, &budget);
    body_init(&b, &budget);
    cr_assert_eq(body_add(&a, piece, 1000, 1000, 1000, &p), OK);
    cr_assert_eq(body_add(&a, piece, 1, 0, 1000, &p), PROBLEM_TOO_LARGE);
    cr_assert_eq(a.size, 0);
    cr_assert_eq(budget.used, 0);
    cr_assert_eq(body_add(&a, piece, 39000, 39000, 40000, &p), OK);
    cr_assert_eq(body_add(&b, piece, 1001, 1001, 40000, &p), PROBLEM_BUSY);
    cr_assert_eq(budget.used, 39000);
    cr_assert_eq(body_add(&b, piece, 1000, 1000, 40000, &p), OK);
    body_release(&a);
    body_release(&b);
    cr_assert_eq(budget.used, 0);
}

Test(http_body, what_is_unpacked_counts_and_is_refused_above_the_budget)
{
    struct body_budget budget = {.max = 10000};
    struct problem p = {0};
    struct body b;
    static char plain[9000];
    char *packed = NULL;
    size_t n = 0;

    cr_assert(gzip_deflate(plain, sizeof plain, 6, &packed, &n));
    cr_assert_eq(gzip_size_told(packed, n), sizeof plain);
    cr_assert_eq(gzip_size_told(packed, 17), 0);
    body_init(&b, &budget);
    budget.used = 2000; /* of others */
    cr_assert_eq(body_add(&b, packed, n, n, 10000, &p), OK);
    cr_assert_eq(body_unpack(&b, 10000, false, &p), PROBLEM_BUSY);
    cr_assert_eq(b.size, n);
    cr_assert_eq(budget.used, (int64_t)(2000 + n));
    cr_assert_eq(body_unpack(&b, 8999, true, &p), PROBLEM_TOO_LARGE);
    cr_assert_eq(body_unpack(&b, 10000, true, &p), OK);
    cr_assert_eq(b.size, sizeof plain);
    cr_assert_eq(budget.used, (int64_t)(2000 + sizeof plain));
    body_release(&b);
    cr_assert_eq(budget.used, 2000);
    free(packed);
}
