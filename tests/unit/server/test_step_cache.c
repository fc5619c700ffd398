#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "step_cache.h"

static struct step_cache_key key(int64_t epoch, const char *selector)
{
    return (struct step_cache_key){
        .run = 1, .series = 2, .epoch = epoch, .rank = -1, .ignore_index = -1, .selector = selector};
}

Test(step_cache, values_come_back_only_under_the_very_same_key)
{
    struct step_cache *c = step_cache_new(1 << 16);
    const double values[] = {0.5, 0.25};
    double out[2];
    struct step_cache_key k = key(7, "recall.none");
    step_cache_put(c, &k, 3, values, 2, NULL);
    cr_assert(step_cache_get(c, &k, 3, out, 2) && out[0] == 0.5 && out[1] == 0.25);
    cr_assert(!step_cache_get(c, &k, 3, out, 1), "another length");
    struct step_cache_key others[8];
    for (int i = 0; i < 8; i++)
        others[i] = k;
    others[0].run++;
    others[1].series++;
    others[2].epoch++;
    others[3].top_k++;
    others[4].rank++;
    others[5].ignore_index++;
    others[6].zero_division++;
    others[7].selector = "recall";
    for (int i = 0; i < 8; i++)
        cr_assert(!step_cache_get(c, &others[i], 3, out, 2), "key %d", i);
    cr_assert(!step_cache_get(c, &k, 2, out, 2) && !step_cache_get(c, &k, 4, out, 2), "another revision");
    step_cache_put(c, &k, 3, values, 2, NULL);
    cr_assert_eq(step_cache_entries(c), 1, "put twice is one entry");
    step_cache_put(c, &k, 2, values + 1, 2 - 1, NULL);
    cr_assert(step_cache_get(c, &k, 3, out, 2), "an older one changes nothing");
    step_cache_put(c, &k, 4, values, 2, NULL);
    cr_assert(step_cache_get(c, &k, 4, out, 2) && !step_cache_get(c, &k, 3, out, 2) && step_cache_entries(c) == 1);
    step_cache_free(c);
    cr_assert(!step_cache_get(NULL, &k, 3, out, 2));
    step_cache_put(NULL, &k, 3, values, 2, NULL);
}

Test(step_cache, it_forgets_what_was_used_longest_ago_and_stays_within_its_bytes)
{
    struct step_cache *c = step_cache_new(4096);
    double value = 1;
    struct step_cache_key first = key(0, "f1");
    step_cache_put(c, &first, 3, &value, 1, NULL);
    for (int64_t epoch = 1; epoch < 500; epoch++) {
        struct step_cache_key k = key(epoch, "f1");
        value = (double)epoch;
        step_cache_put(c, &k, 3, &value, 1, NULL);
        cr_assert(step_cache_bytes(c) <= 4096);
        cr_assert(step_cache_get(c, &first, 3, &value, 1) && value == 1, "used all the time, at %ld", (long)epoch);
    }
    size_t n = step_cache_entries(c);
    cr_assert(n > 5 && n < 100);
    for (int64_t epoch = 499; epoch > 500 - (int64_t)n; epoch--) {
        struct step_cache_key k = key(epoch, "f1");
        cr_assert(step_cache_get(c, &k, 3, &value, 1) && value == (double)epoch, "%ld", (long)epoch);
    }
    struct step_cache_key old = key(1, "f1"), large = key(600, "recall.none");
    cr_assert(!step_cache_get(c, &old, 3, &value, 1));
    double *many = calloc(1000, sizeof *many);
    step_cache_put(c, &large, 3, many, 1000, NULL);
    cr_assert(!step_cache_get(c, &large, 3, many, 1000) && step_cache_entries(c) == n,
              "too large to keep: nothing is lost for it");
    free(many);
    step_cache_free(c);
}

struct counted {
    struct step_progress base;
    int *freed;
};

static void free_counted(struct step_progress *p)
{
    ++*((struct counted *)p)->freed;
    free(p);
}

static struct step_progress *new_progress(size_t bytes, int *freed)
{
    struct counted *p = calloc(1, sizeof *p);
    p->base = (struct step_progress){bytes, free_counted};
    p->freed = freed;
    return &p->base;
}

Test(step_cache, progress_is_handed_over_once_and_freed_once)
{
    struct step_cache *c = step_cache_new(4096);
    struct step_cache_key k = key(1, "f1");
    double value = 1;
    int freed = 0;

    cr_assert_null(step_cache_take(c, &k, 0, 9));
    step_cache_put(c, &k, 5, &value, 1, new_progress(1000, &freed));
    size_t bytes = step_cache_bytes(c);
    cr_assert_gt(bytes, 1000);
    cr_assert_null(step_cache_take(c, &k, 6, 9), "something before its end has changed since");
    cr_assert_null(step_cache_take(c, &k, 0, 4), "it is of a later revision");
    struct step_progress *p = step_cache_take(c, &k, 5, 9);
    cr_assert_not_null(p);
    cr_assert_eq(step_cache_bytes(c), bytes - 1000);
    cr_assert_null(step_cache_take(c, &k, 5, 9), "it is somebody's");
    cr_assert(step_cache_get(c, &k, 5, &value, 1), "the values stay");
    step_cache_put(c, &k, 6, &value, 1, p);
    cr_assert_eq(freed, 0);
    step_cache_put(c, &k, 7, &value, 1, new_progress(1000, &freed));
    cr_assert_eq(freed, 1, "with the entry that it replaced");
    step_cache_put(c, &k, 6, &value, 1, new_progress(1000, &freed));
    cr_assert_eq(freed, 2, "too old");
    step_cache_put(c, &k, 8, &value, 1, new_progress(5000, &freed));
    cr_assert_eq(freed, 3, "too large");
    step_cache_put(NULL, &k, 8, &value, 1, new_progress(10, &freed));
    cr_assert_eq(freed, 4);
    for (int64_t epoch = 2; epoch < 100; epoch++) {
        struct step_cache_key other = key(epoch, "f1");
        step_cache_put(c, &other, 1, &value, 1, NULL);
    }
    cr_assert_eq(freed, 5, "pushed out");
    step_cache_put(c, &k, 9, &value, 1, new_progress(10, &freed));
    step_cache_free(c);
    cr_assert_eq(freed, 6);
}

static void *use(void *context)
{
    struct step_cache *c = context;
    for (int i = 0; i < 20000; i++) {
        struct step_cache_key k = key(i * 7 % 300, "f1");
        double value = (double)k.epoch, got;
        if (step_cache_get(c, &k, 3, &got, 1))
            cr_assert(got == value);
        else
            step_cache_put(c, &k, 3, &value, 1, NULL);
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
