#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "step_cache.h"

static struct step_cache_key key(int64_t epoch, const char *selector)
{
    return (struct step_cache_key){
        .run = 1, .series = 2, .epoch = epoch, .revision = 3, .rank = -1, .ignore_index = -1, .selector = selector};
}

Test(step_cache, values_come_back_only_under_the_very_same_key)
{
    struct step_cache *c = step_cache_new(1 << 16);
    const double values[] = {0.5, 0.25};
    double out[2];
    struct step_cache_key k = key(7, "recall.none");
    step_cache_put(c, &k, values, 2);
    cr_assert(step_cache_get(c, &k, out, 2) && out[0] == 0.5 && out[1] == 0.25);
    cr_assert(!step_cache_get(c, &k, out, 1), "another length");
    struct step_cache_key others[8];
    for (int i = 0; i < 8; i++)
        others[i] = k;
    others[0].run++;
    others[1].series++;
    others[2].epoch++;
    others[3].revision++;
    others[4].rank++;
    others[5].ignore_index++;
    others[6].zero_division++;
    others[7].selector = "recall";
    for (int i = 0; i < 8; i++)
        cr_assert(!step_cache_get(c, &others[i], out, 2), "key %d", i);
    step_cache_put(c, &k, values, 2);
    cr_assert_eq(step_cache_entries(c), 1, "put twice is one entry");
    step_cache_free(c);
    cr_assert(!step_cache_get(NULL, &k, out, 2));
    step_cache_put(NULL, &k, values, 2);
}

Test(step_cache, it_forgets_what_was_used_longest_ago_and_stays_within_its_bytes)
{
    struct step_cache *c = step_cache_new(4096);
    double value = 1;
    struct step_cache_key first = key(0, "f1");
    step_cache_put(c, &first, &value, 1);
    for (int64_t epoch = 1; epoch < 500; epoch++) {
        struct step_cache_key k = key(epoch, "f1");
        value = (double)epoch;
        step_cache_put(c, &k, &value, 1);
        cr_assert(step_cache_bytes(c) <= 4096);
        cr_assert(step_cache_get(c, &first, &value, 1) && value == 1, "used all the time, at %ld", (long)epoch);
    }
    size_t n = step_cache_entries(c);
    cr_assert(n > 5 && n < 100);
    for (int64_t epoch = 499; epoch > 500 - (int64_t)n; epoch--) {
        struct step_cache_key k = key(epoch, "f1");
        cr_assert(step_cache_get(c, &k, &value, 1) && value == (double)epoch, "%ld", (long)epoch);
    }
    struct step_cache_key old = key(1, "f1"), large = key(600, "recall.none");
    cr_assert(!step_cache_get(c, &old, &value, 1));
    double *many = calloc(1000, sizeof *many);
    step_cache_put(c, &large, many, 1000);
    cr_assert(!step_cache_get(c, &large, many, 1000) && step_cache_entries(c) == n,
              "too large to keep: nothing is lost for it");
    free(many);
    step_cache_free(c);
}

static void *use(void *context)
{
    struct step_cache *c = context;
    for (int i = 0; i < 20000; i++) {
        struct step_cache_key k = key(i * 7 % 300, "f1");
        double value = (double)k.epoch, got;
        if (step_cache_get(c, &k, &got, 1))
            cr_assert(got == value);
        else
            step_cache_put(c, &k, &value, 1);
    }
    return NULL;
}

Test(step_cache, threads_share_it)
{
    struct step_cache *c = step_cache_new(8192);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use, c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert(step_cache_bytes(c) <= 8192);
    step_cache_free(c);
}
