#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ingest.h"
#include "query_step_mean.h"
#include "routes.h"

#include "query_support.h"

/* Runs long enough to have buckets of several levels.  All batches are of rank 0, so what is read from sums must be
   what rank=0 reads from the batches, to the last digit. */

static void rewind_to(struct world *w, int64_t epoch, int64_t step)
{
    struct job job = {.kind = JOB_REWIND, .epoch = epoch, .step = step, .now = w->now, .bytes = 100};
    snprintf(job.run, sizeof job.run, "r");
    cr_assert_eq(ingest_run(w->app.ingest, &job), OK, "%s", job.problem.detail);
}

/* n steps from one on, this far apart; some have no loss.  What is there already stays: the content follows from the key. */
static void post_steps(struct world *w, int epoch, int64_t step, int64_t gap, int n)
{
    char *body = malloc((size_t)n * 200), *end = body;
    for (int i = 0; i < n; i++, step += gap) {
        int a = (int)(step * 7 % 5), b = (int)(step % 4);
        end += sprintf(
            end,
            "{\"stage\":\"t\",\"epoch\":%d,\"step\":%ld,\"tp\":[%d,%d,0],\"fp\":[%d,0,1],\"fn\":[0,1,%d],\"time\":%ld",
            epoch, (long)step, a, b, b % 2, b % 2, 1000000 + (long)(step * 31 % 1000));
        end += sprintf(end, step % 3 ? ",\"sums\":{\"loss\":[%ld.1,%d]}}\n" : "}\n", (long)(step % 11), 1 + b);
    }
    world_post(w, "r", body, NULL);
    free(body);
}

static void grow(struct world *w, uint64_t *seed, int64_t *at, int epoch)
{
    static const int64_t GAPS[] = {1, 1, 1, 10, 100};
    int64_t gap = GAPS[random_below(seed, 5)], step = *at;
    int n = 1 + (int)random_below(seed, random_below(seed, 2) ? 8 : 1500);
    if (random_below(seed, 6) == 0)
        step = (int64_t)random_below(seed, (uint64_t)*at + 1);
    post_steps(w, epoch, step, gap, n);
    if (step + n * gap > *at)
        *at = step + n * gap;
    if (random_below(seed, 8) == 0)
        *at += (int64_t)random_below(seed, 5000);
}

static void compare_charts(struct world *w, uint64_t *seed, int64_t x_max, const char *when)
{
    static const char *const METRICS[] = {"accuracy", "accuracy.macro,loss", "loss:last", "loss,loss:min,accuracy",
                                          "recall.none,loss:sum"};
    for (int i = 0; i < 12; i++) {
        static const int POINTS[] = {1, 2, 5, 17, 100, 1000, 5000};
        char args[200], of_rank[220];
        size_t n =
            (size_t)sprintf(args, "metric=%s&points=%d", METRICS[random_below(seed, 5)], POINTS[random_below(seed, 7)]);
        int64_t from = (int64_t)random_below(seed, (uint64_t)x_max + 1);
        int64_t to = from + (int64_t)random_below(seed, random_below(seed, 2) ? 100 : (uint64_t)x_max + 1);
        if (random_below(seed, 3) > 0)
            n += (size_t)sprintf(args + n, "&from=%ld&to=%ld", (long)from, (long)to);
        if (random_below(seed, 4) == 0)
            sprintf(args + n, "&window=%ld", 1 + (long)random_below(seed, random_below(seed, 2) ? 10 : 3000));
        snprintf(of_rank, sizeof of_rank, "%s&rank=0", args);
        struct answer a = world_get(w, api_steps_get, "r", args), b = world_get(w, api_steps_get, "r", of_rank);
        cr_assert_eq(a.rc, OK, "%s: %s: %s", when, args, a.problem.detail);
        cr_assert_str_eq(a.body, b.body, "%s: %s", when, args);
        answer_free(&a);
        answer_free(&b);
    }
}

/* The cache goes on from what it has; without one everything is scanned. */
static void compare_means(struct world *w, const char *when)
{
    static const char ARGS[] = "metric=accuracy,accuracy.macro,f1.none,mcc";
    struct step_cache *cache = w->app.step_cache;
    struct answer a = world_get(w, api_epochs_get, "r", ARGS);
    w->app.step_cache = NULL;
    struct answer b = world_get(w, api_epochs_get, "r", ARGS);
    w->app.step_cache = cache;
    cr_assert_eq(a.rc, OK, "%s: %s", when, a.problem.detail);
    cr_assert_str_eq(a.body, b.body, "%s", when);
    answer_free(&a);
    answer_free(&b);
}

Test(step_cover, sums_of_buckets_answer_as_the_batches_do)
{
    uint64_t first = (uint64_t)clock_now_ms();
    for (int run = 0; run < 4; run++) {
        uint64_t seed = first + (uint64_t)run;
        struct world w;
        int64_t at = 0, x_max = 0;
        int epoch = 0;
        char when[100];
        world_open(&w);
        post_steps(&w, 0, 1, 1, 1); /* has a loss: a chart may ask for it from the first round on */
        for (int round = 0; round < 25; round++) {
            snprintf(when, sizeof when, "seed %lu, round %d", (unsigned long)(first + (uint64_t)run), round);
            uint64_t what = random_below(&seed, 12);
            if (what == 0 && round > 0) {
                at = (int64_t)random_below(&seed, (uint64_t)at + 1);
                rewind_to(&w, epoch, at);
            } else if (what < 3) {
                epoch++;
                at = random_below(&seed, 2) ? at : 0;
            }
            grow(&w, &seed, &at, epoch);
            if (random_below(&seed, 5) == 0 && epoch > 0)
                post_steps(&w, epoch - 1, (int64_t)random_below(&seed, (uint64_t)at + 1), 1, 3);
            x_max = x_max > at * (epoch + 1) ? x_max : at * (epoch + 1);
            compare_means(&w, when);
            if (round % 3 == 0)
                compare_charts(&w, &seed, x_max, when);
        }
        world_close(&w);
    }
}
