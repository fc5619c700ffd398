/** Token buckets. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "rate_table.h"

static struct rate_table *make(void)
{
    struct rate_table *t = NULL;
    struct problem p = {0};

    cr_assert_eq(rate_table_new(&t, &p), OK, "%s", p.detail);
    return t;
}

Test(rate_table, a_bucket_begins_full_and_fills_at_its_rate)
{
    struct rate_table *t = make();
    struct rate rate = {.per_s = 2, .burst = 5};
    int64_t now = 1000000;

    for (int i = 0; i < 5; i++)
        cr_assert_eq(rate_take(t, 1, &rate, 1, now, NULL), 0);
    int64_t wait = rate_take(t, 1, &rate, 1, now, NULL);
    cr_assert_eq(wait, 500001);
    cr_assert_gt(rate_take(t, 1, &rate, 1, now + wait - 2, NULL), 0);
    cr_assert_eq(rate_take(t, 1, &rate, 1, now + wait, NULL), 0, "who waits as told is let in");
    now += 3600 * INT64_C(1000000);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(rate_take(t, 1, &rate, 1, now, NULL), 0);
    cr_assert_gt(rate_take(t, 1, &rate, 1, now, NULL), 0, "an hour fills it no further than a burst");
    cr_assert_eq(rate_take(t, 2, &rate, 1, now, NULL), 0, "another key has a bucket of its own");
    rate_table_free(t);
}

Test(rate_table, what_is_charged_is_paid_before_anything_is_let_in)
{
    struct rate_table *t = make();
    struct rate rate = {.per_s = 100, .burst = 1000};
    int64_t now = 5;

    cr_assert_eq(rate_take(t, 1, &rate, 0, now, NULL), 0);
    rate_charge(t, 1, &rate, 11000, now);
    cr_assert_eq(rate_take(t, 1, &rate, 0, now, NULL), 100010001, "ten thousand and one at a hundred a second");
    cr_assert_gt(rate_take(t, 1, &rate, 0, now + 100 * 1000000, NULL), 0);
    cr_assert_eq(rate_take(t, 1, &rate, 0, now + 100010001, NULL), 0);
    rate_table_free(t);
}

Test(rate_table, running_dry_is_told_once)
{
    struct rate_table *t = make();
    struct rate rate = {.per_s = 1, .burst = 1};
    bool is_first = true;

    cr_assert_eq(rate_take(t, 1, &rate, 1, 0, &is_first), 0);
    cr_assert_not(is_first);
    cr_assert_gt(rate_take(t, 1, &rate, 0, 1, NULL), 0, "asking changes nothing");
    cr_assert_gt(rate_take(t, 1, &rate, 1, 1, &is_first), 0);
    cr_assert(is_first);
    cr_assert_gt(rate_take(t, 1, &rate, 1, 2, &is_first), 0);
    cr_assert_not(is_first);
    cr_assert_eq(rate_take(t, 1, &rate, 1, 2000000, &is_first), 0);
    cr_assert_not(is_first);
    cr_assert_gt(rate_take(t, 1, &rate, 1, 2000001, &is_first), 0);
    cr_assert(is_first);
    rate_table_free(t);
}

Test(rate_table, many_keys_take_the_place_of_those_longest_unused)
{
    struct rate_table *t = make();
    struct rate rate = {.per_s = 1, .burst = 3};
    int64_t now = 0;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(rate_take(t, 7, &rate, 1, now, NULL), 0);
    /* key 7 goes on asking and is refused throughout, however many others come */
    for (uint64_t key = 1000; key < 200000; key++) {
        cr_assert_eq(rate_take(t, key, &rate, 1, ++now / 1000, NULL), 0);
        if (key % 50 == 0)
            cr_assert_gt(rate_take(t, 7, &rate, 1, now / 1000, NULL), 0, "%d", (int)key);
    }
    rate_table_free(t);
}

struct share {
    struct rate_table *t;
    _Atomic int taken;
};

static void *take_many(void *context)
{
    struct share *s = context;
    struct rate rate = {.per_s = 1, .burst = 1000};

    for (int i = 0; i < 5000; i++)
        if (rate_take(s->t, 3, &rate, 1, 1, NULL) == 0)
            atomic_fetch_add(&s->taken, 1);
    return NULL;
}

Test(rate_table, threads_share_a_bucket)
{
    struct share s = {.t = make()};
    pthread_t thread[4];

    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, take_many, &s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(atomic_load(&s.taken), 1000);
    rate_table_free(s.t);
}
