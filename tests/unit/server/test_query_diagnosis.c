#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

static const cJSON *finding(const struct answer *a, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, at(a->json, "findings"))
    {
        if (strcmp(at(item, "id")->valuestring, id) == 0)
            return item;
    }
    return NULL;
}

static void check(const struct answer *a, const char *id, const char *level, double count, double of, int n_steps,
                  const char *says)
{
    const cJSON *f = finding(a, id);
    cr_assert(f != NULL, "%s is not among %s", id, a->body);
    const char *text = at(f, "text")->valuestring;
    cr_assert_str_eq(at(f, "level")->valuestring, level, "%s: %s", id, text);
    cr_assert(number_at(f, "count") == count && number_at(f, "of") == of, "%s: %s", id, text);
    cr_assert_eq(cJSON_GetArraySize(at(f, "steps")), n_steps, "%s: %s", id, text);
    cr_assert(strstr(text, says) != NULL && text[strlen(text) - 1] == '.', "%s: %s", id, text);
}

static void check_absent(const struct answer *a, const char *id)
{
    cr_assert(finding(a, id) == NULL, "%s: %s", id, a->body);
}

Test(query_diagnosis, sorted_test_data_is_found_and_what_it_costs_is_said)
{
    struct world w;
    world_open(&w);
    char *records = golden_records("catdog_unshuffled", "test");
    world_post(&w, "sorted", records, NULL);
    cJSON_free(records);
    struct answer a = world_get(&w, api_diagnosis_get, "sorted", "");
    check(&a, "single-class-steps", "warning", 12, 12, 12,
          "would give none: the data is not shuffled. Macro accuracy is "
          "0.4141 as the mean of the steps and 0.8281 for the epoch");
    check(&a, "absent-classes", "warning", 12, 12, 12, "a gap of -0.4141, of which -0.4141 comes from this");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "findings")), 2, "%s", a.body);
    answer_free(&a);
    records = golden_records("catdog_shuffled", "test");
    world_post(&w, "shuffled", records, NULL);
    cJSON_free(records);
    a = world_get(&w, api_diagnosis_get, "shuffled", "");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "findings")), 0, "%s", a.body);
    answer_free(&a);
    records = golden_records("binary_unshuffled", "test");
    world_post(&w, "binary", records, NULL);
    cJSON_free(records);
    a = world_get(&w, api_diagnosis_get, "binary", "");
    cr_assert(finding(&a, "single-class-steps") != NULL, "%s", a.body);
    check_absent(&a, "absent-classes");
    answer_free(&a);
    world_close(&w);
}

Test(query_diagnosis, steps_of_one_sample_are_of_one_class_by_chance)
{
    struct world w;
    world_open(&w);
    for (int step = 0; step < 30; step++) {
        char text[200];
        int right = step % 3 != 0, class = step / 2 % 2;
        snprintf(text, sizeof text, "{\"stage\":\"t\",\"epoch\":0,\"step\":%d,\"num_classes\":2,\"cells\":[[%d,%d,1]]}",
                 step, class, right ? class : 1 - class);
        world_post(&w, "r", text, NULL);
    }
    struct answer a = world_get(&w, api_diagnosis_get, "r", "");
    check(&a, "single-class-steps", "info", 30, 30, 30, "about 30, so this is chance");
    check(&a, "absent-classes", "info", 10, 30, 10, "10 of 30 steps");
    check_absent(&a, "ragged-batches");
    answer_free(&a);
    world_close(&w);
}

/* n steps of one rank each, the last of another size; a single class in all: nothing to shuffle. */
static void post_sizes(struct world *w, const char *run, int n_steps, int n_ranks, int size, int last)
{
    char text[240];
    for (int step = 0; step < n_steps; step++)
        for (int rank = 0; rank < n_ranks; rank++) {
            int own = step == n_steps - 1 ? last : size;
            snprintf(text, sizeof text,
                     "{\"stage\":\"t\",\"epoch\":2,\"step\":%d,\"rank\":%d,\"confusion\":[[%d,0],[0,0]]}", step, rank,
                     own);
            world_post(w, run, text, NULL);
        }
}

Test(query_diagnosis, ragged_batches_name_the_usual_size_and_the_last)
{
    struct world w;
    world_open(&w);
    post_sizes(&w, "last", 5, 2, 8, 3);
    struct answer a = world_get(&w, api_diagnosis_get, "last", "epoch=2");
    check(&a, "ragged-batches", "info", 1, 5, 1, "The last of 5 steps has 6 decisions, all others 16.");
    cr_assert_eq(number_at(finding(&a, "ragged-batches"), "steps|0"), 4);
    check_absent(&a, "single-class-steps");
    answer_free(&a);
    char *records = golden_records("binary_ragged_2epochs", "t");
    world_post(&w, "golden", records, NULL);
    cJSON_free(records);
    a = world_get(&w, api_diagnosis_get, "golden", "epoch=0");
    check(&a, "ragged-batches", "warning", 1, 3, 1, "a gap of +0.0556");
    answer_free(&a);
    post_sizes(&w, "some", 6, 1, 8, 8);
    world_post(&w, "some", "{\"stage\":\"t\",\"epoch\":2,\"step\":7,\"confusion\":[[0,3],[0,0]]}", NULL);
    world_post(&w, "some", "{\"stage\":\"t\",\"epoch\":2,\"step\":8,\"confusion\":[[0,0],[0,0]],\"samples\":0}", NULL);
    world_post(&w, "some", "{\"stage\":\"t\",\"epoch\":2,\"step\":9,\"confusion\":[[1,1],[0,0]]}", NULL);
    a = world_get(&w, api_diagnosis_get, "some", "");
    check(&a, "ragged-batches", "warning", 2, 8, 2, "which have 8. The last has 2.");
    answer_free(&a);
    world_close(&w);
}

Test(query_diagnosis, ranks_that_are_missing_are_counted_by_step)
{
    struct world w;
    world_open(&w);
    post_sizes(&w, "r", 4, 3, 8, 8);
    world_post(&w, "r", "{\"stage\":\"t\",\"epoch\":2,\"step\":4,\"rank\":1,\"confusion\":[[24,0],[0,0]]}", NULL);
    struct answer a = world_get(&w, api_diagnosis_get, "r", "");
    check(&a, "missing-ranks", "info", 1, 5, 1, "The last step has 1 of 3 ranks so far.");
    answer_free(&a);
    world_status(&w, "r", RUN_FINISHED);
    a = world_get(&w, api_diagnosis_get, "r", "");
    check(&a, "missing-ranks", "warning", 1, 5, 1, "1 of 5 steps have fewer than the 3 ranks of the epoch.");
    cr_assert_eq(number_at(finding(&a, "missing-ranks"), "steps|0"), 4);
    answer_free(&a);
    world_put(&w, "r", NULL, NULL, NULL, NULL, "{\"t\":{\"world_size\":4}}");
    a = world_get(&w, api_diagnosis_get, "r", "");
    check(&a, "missing-ranks", "warning", 5, 5, 5, "world_size is declared as 4");
    answer_free(&a);
    world_close(&w);
}

Test(query_diagnosis, samples_are_held_against_the_declared_size)
{
    static const struct {
        int steps, ranks, size, last, declared;
        const char *level, *says, *repeats; /* NULL: none */
        int n_steps;
    } rows[] = {
        {4, 4, 5, 4, 74, "warning", "counted 76 samples, dataset_size is declared as 74: 2 too many", "74 over 4 ranks",
         1},
        {4, 1, 5, 5, 17, "warning", "3 too many", "fill the last step up to 5", 1},
        {4, 2, 5, 5, 20, "warning", "20 too many", "counted 2 times, once by each rank", 0},
        {4, 1, 5, 5, 10, "warning", "10 too many", "counted 2 times. Drop", 0},
        {4, 2, 5, 3, 29, "warning", "7 too many", NULL, 0},
        {4, 1, 5, 5, 23, "info", "3 fewer, less than a step", NULL, 0},
        {4, 1, 5, 5, 100, "warning", "80 fewer.", NULL, 0},
        {4, 1, 5, 5, 0, "warning", "20 too many", NULL, 0},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char run[16], stages[80];
        snprintf(run, sizeof run, "r%zu", i);
        snprintf(stages, sizeof stages, "{\"t\":{\"dataset_size\":%d}}", rows[i].declared);
        post_sizes(&w, run, rows[i].steps, rows[i].ranks, rows[i].size, rows[i].last);
        struct answer a = world_get(&w, api_diagnosis_get, run, "");
        check_absent(&a, "dataset-size");
        answer_free(&a);
        world_put(&w, run, NULL, NULL, NULL, NULL, stages);
        world_status(&w, run, RUN_FINISHED);
        int seen = ((rows[i].steps - 1) * rows[i].size + rows[i].last) * rows[i].ranks;
        a = world_get(&w, api_diagnosis_get, run, "");
        check(&a, "dataset-size", rows[i].level, abs(seen - rows[i].declared), rows[i].declared, 0, rows[i].says);
        if (rows[i].repeats != NULL)
            check(&a, "duplicates", "warning", seen - rows[i].declared, seen, rows[i].n_steps, rows[i].repeats);
        else
            check_absent(&a, "duplicates");
        answer_free(&a);
    }
    world_put(&w, "r0", NULL, NULL, NULL, NULL, "{\"t\":{\"dataset_size\":90}}");
    world_status(&w, "r0", RUN_RUNNING);
    struct answer a = world_get(&w, api_diagnosis_get, "r0", "");
    check(&a, "dataset-size", "info", 14, 90, 0, "14 to come.");
    answer_free(&a);
    world_put(&w, "r0", NULL, NULL, NULL, NULL, "{\"t\":{\"dataset_size\":76}}");
    a = world_get(&w, api_diagnosis_get, "r0", "");
    check_absent(&a, "dataset-size");
    answer_free(&a);
    world_close(&w);
}

Test(query_diagnosis, losses_that_are_not_finite_are_listed_by_name)
{
    struct world w;
    world_open(&w);
    for (int step = 0; step < 250; step++) {
        char text[200];
        snprintf(text, sizeof text,
                 "{\"stage\":\"t\",\"epoch\":0,\"step\":%d,\"sums\":{\"loss\":[%s,1],\"b/"
                 "loss\":[\"NaN\",1],\"fine\":[1,1]}}",
                 step, step % 2 == 1 ? "\"Infinity\"" : "1");
        world_post(&w, "r", text, NULL);
    }
    struct answer a = world_get(&w, api_diagnosis_get, "r", "");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "findings")), 2, "%s", a.body);
    cr_assert_str_eq(at(a.json, "findings|0|name")->valuestring, "b/loss");
    check(&a, "nonfinite", "error", 250, 250, 100,
          "b/loss was not finite (NaN or infinite) in 250 of 250 batches, first in step 0");
    cr_assert_str_eq(at(a.json, "findings|1|name")->valuestring, "loss");
    cr_assert_str_eq(at(a.json, "findings|1|level")->valuestring, "warning");
    cr_assert(number_at(a.json, "findings|1|count") == 125 && number_at(a.json, "findings|1|steps|99") == 199);
    struct answer b = world_get_as(&w, api_diagnosis_get, "r", "", NULL, a.etag);
    cr_assert_eq(b.status, 304);
    answer_free(&a);
    answer_free(&b);
    a = world_get(&w, api_diagnosis_get, "r", "name=fine");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "findings")), 2);
    answer_free(&a);
    world_close(&w);
}

Test(query_diagnosis, other_kinds_of_series_have_sizes_and_ranks_too)
{
    static const char *const states[] = {
        "\"correct\":1,\"total\":%d",
        "\"task\":\"multilabel\",\"tp\":[1],\"fp\":[0],\"fn\":[0],\"tn\":[%d]",
        "\"exact\":[0,%d]",
        "\"calibration\":{\"bins\":2,\"count\":[%d,0,0],\"confidence\":[0.5,0,0],\"correct\":[0,0,0]}",
        "\"scores\":{\"thresholds\":2,\"pos\":[[%d,0]],\"neg\":[[0,0]]},\"task\":\"binary\"",
        "\"regression\":{\"n\":%d,\"mean_target\":0,\"mean_prediction\":0,\"m2_target\":0,\"m2_prediction\":0,\"c\":0,"
        "\"sum_error\":0,\"sum_abs_error\":0,\"sum_squared_error\":0}",
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        char run[16], state[300], text[400];
        snprintf(run, sizeof run, "r%zu", i);
        for (int step = 0; step < 4; step++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(state, sizeof state, states[i], step == 2 ? 5 : 9);
#pragma GCC diagnostic pop
            snprintf(text, sizeof text, "{\"stage\":\"t\",\"name\":\"head\",\"epoch\":0,\"step\":%d,\"rank\":%d,%s}",
                     step, step == 3, state);
            world_post(&w, run, text, NULL);
        }
        struct answer a = world_get(&w, api_diagnosis_get, run, "");
        const cJSON *ragged = finding(&a, "ragged-batches"), *ranks = finding(&a, "missing-ranks");
        cr_assert(ragged != NULL && number_at(ragged, "steps|0") == 2 && number_at(ragged, "count") == 1, "%s: %s",
                  states[i], a.body);
        cr_assert(ranks != NULL && number_at(ranks, "count") == 4, "%s: %s", states[i], a.body);
        answer_free(&a);
    }
    world_close(&w);
}
