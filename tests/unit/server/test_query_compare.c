#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

/* Epochs that restart at step 0, so that buckets and cells do not agree: 100 steps each, all of them right in run "a". */
static void post_run(struct world *w, const char *run, int epochs, int correct)
{
    char *body = malloc((size_t)epochs * 100 * 80), *end = body;
    for (int e = 0; e < epochs; e++)
        for (int s = 0; s < 100; s++)
            end +=
                sprintf(end, "{\"stage\":\"t\",\"epoch\":%d,\"step\":%d,\"correct\":%d,\"total\":4}\n", e, s, correct);
    world_post(w, run, body, NULL);
    free(body);
}

Test(query_compare, each_batch_is_in_exactly_one_cell)
{
    struct world w;
    world_open(&w);
    post_run(&w, "a", 3, 4);
    post_run(&w, "b", 5, 1);
    for (int points = 1; points < 600; points = points * 3 / 2 + 1) {
        char args[64];
        snprintf(args, sizeof args, "runs=a,b&points=%d", points);
        struct answer a = world_get(&w, api_compare_get, NULL, args);
        int n = cJSON_GetArraySize(at(a.json, "x"));
        int64_t width = (int64_t)number_at(a.json, "width");
        cr_assert(n >= 1 && n <= points && (width == 1 || 500 / (width / 2) + 1 > points), "%s: %d cells of %ld", args,
                  n, (long)width);
        for (int i = 0; i < n; i++) {
            const cJSON *of_a = cJSON_GetArrayItem(at(a.json, "runs|0|metrics|accuracy|value"), i);
            const cJSON *of_b = cJSON_GetArrayItem(at(a.json, "runs|1|metrics|accuracy|value"), i);
            int64_t from = (int64_t)cJSON_GetArrayItem(at(a.json, "x"), i)->valuedouble;
            cr_assert(cJSON_IsNull(of_a) ? from + width > 300 : of_a->valuedouble == 1, "%s: %ld", args, (long)from);
            cr_assert(of_b->valuedouble == 0.25, "%s: %ld", args, (long)from);
        }
        answer_free(&a);
    }
    world_close(&w);
}

Test(query_compare, runs_of_one_group_are_added)
{
    struct world w;
    world_open(&w);
    post_run(&w, "a", 2, 4);
    post_run(&w, "b", 1, 1);
    post_run(&w, "c", 1, 0);
    world_put(&w, "a", NULL, NULL, "{\"o\":{\"lr\":1}}", NULL, NULL);
    world_put(&w, "b", NULL, NULL, "{\"o\":{\"lr\":1}}", NULL, NULL);
    struct answer a = world_get(&w, api_compare_get, NULL, "runs=c,a,b&x=epoch&group=config.o.lr");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "groups")), 2);
    cr_assert_eq(number_at(a.json, "groups|0|key"), 1);
    cr_assert(is_null_at(a.json, "groups|1|key"));
    cr_assert_eq(number_at(a.json, "groups|0|metrics|accuracy|value|0"), 0.625);
    cr_assert_eq(number_at(a.json, "groups|0|metrics|accuracy|value|1"), 1);
    cr_assert_eq(number_at(a.json, "groups|1|metrics|accuracy|value|0"), 0);
    cr_assert(is_null_at(a.json, "groups|1|metrics|accuracy|value|1"));
    answer_free(&a);
    world_close(&w);
}

Test(query_compare, a_run_that_is_not_there_is_named_and_the_others_are_let_go)
{
    struct world w;
    world_open(&w);
    post_run(&w, "a", 1, 4);
    struct answer a = world_get(&w, api_compare_get, NULL, "runs=a,a,nobody");
    cr_assert(a.rc == PROBLEM_UNKNOWN_RUN && strcmp(a.problem.places[0].pointer, "?runs/1") == 0, "%s",
              a.problem.places[0].pointer);
    answer_free(&a);
    a = world_get(&w, api_compare_get, NULL, "runs=a&points=1&window=1");
    cr_assert_eq(number_at(a.json, "runs|0|metrics|accuracy|value|0"), 1);
    answer_free(&a);
    world_close(&w);
}
