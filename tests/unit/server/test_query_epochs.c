#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

#define CLOSE(a, b) (fabs((a) - (b)) <= 1e-12 * fmax(1, fabs(b)))

Test(query_epochs, class_sorted_cats_and_dogs_read_83_percent_where_the_mean_of_steps_reads_41)
{
    struct world w;
    world_open(&w);
    const char *const cases[] = {"catdog_unshuffled", "catdog_unshuffled_2ranks"};
    for (int i = 0; i < 2; i++) {
        char *records = golden_records(cases[i], "test");
        cr_assert(world_post(&w, cases[i], records, NULL) > 0);
        struct answer a = world_get(&w, api_epochs_get, cases[i], "metric=accuracy.macro,accuracy,kappa");
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy.macro|value"), 0.828125, "%s", cases[i]);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy.macro|mean_of_steps"), 0.4140625, "%s", cases[i]);
        cr_assert(is_null_at(a.json, "epochs|0|metrics|accuracy.macro|low"));
        cr_assert(CLOSE(number_at(a.json, "epochs|0|metrics|accuracy|low"), 0.787187619331698));
        cr_assert(CLOSE(number_at(a.json, "epochs|0|metrics|accuracy|high"), 0.862562411947201));
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|kappa|value"), 0.65625);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|kappa|mean_of_steps"), 0);
        cr_assert_eq(number_at(a.json, "epochs|0|samples"), 384);
        cr_assert_eq(number_at(a.json, "epochs|0|steps"), i == 0 ? 12 : 6);
        cr_assert_eq(number_at(a.json, "epochs|0|ranks"), 1 + i);
        cr_assert_eq(number_at(a.json, "epochs|0|batches"), 12);
        answer_free(&a);
        /* the second time from memory, and the same */
        struct answer b = world_get(&w, api_epochs_get, cases[i], "metric=accuracy.macro&mean_of_steps=true");
        cr_assert_eq(number_at(b.json, "epochs|0|metrics|accuracy.macro|mean_of_steps"), 0.4140625);
        answer_free(&b);
        cJSON_free(records);
    }
    world_close(&w);
}

Test(query_epochs, ragged_batches_bias_the_mean_of_steps_but_not_the_epoch)
{
    struct world w;
    world_open(&w);
    char *records = golden_records("binary_ragged_2epochs", "val");
    world_post(&w, "r", records, NULL);
    cJSON_free(records);
    struct answer a = world_get(&w, api_epochs_get, "r", "metric=accuracy,accuracy.none,precision.macro");
    cr_assert(CLOSE(number_at(a.json, "epochs|0|metrics|accuracy|value"), 28 / 36.0));
    cr_assert(CLOSE(number_at(a.json, "epochs|0|metrics|accuracy|mean_of_steps") - 28 / 36.0, 0.05555555555555558));
    cr_assert(cJSON_IsNumber(at(a.json, "epochs|1|metrics|accuracy.none|value")), "binary ignores the average");
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy&epoch=1&mean_of_steps=false");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "epochs")), 1);
    cr_assert_eq(number_at(a.json, "epochs|0|epoch"), 1);
    cr_assert(at(a.json, "epochs|0|metrics|accuracy|mean_of_steps") == NULL);
    answer_free(&a);
    world_close(&w);
}

/* One step is a sum of ranks; a rank by itself is asked with rank=. */
static const char ranks_body[] =
    "{\"stage\":\"t\",\"epoch\":0,\"step\":4,\"rank\":0,\"confusion\":[[3,1],[0,0]],\"sums\":{\"loss\":[4,4,0.5,2]}}\n"
    "{\"stage\":\"t\",\"epoch\":0,\"step\":4,\"rank\":3,\"confusion\":[[0,0],[2,2]],\"sums\":{\"loss\":[\"NaN\",1]}}\n"
    "{\"stage\":\"t\",\"epoch\":0,\"step\":9,\"rank\":3,\"confusion\":[[0,0],[0,0]],\"samples\":0,\"sums\":{\"loss\":["
    "3,1]}}\n"
    "{\"stage\":\"t\",\"epoch\":2,\"step\":1,\"rank\":3,\"confusion\":[[5,0],[0,0]]}\n"
    "{\"stage\":\"t\",\"epoch\":3,\"step\":0,\"values\":{\"lr\":0.5}}";

Test(query_epochs, ranks_lists_and_weighted_means_are_summed_over_what_was_asked)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", ranks_body, NULL);
    struct answer a =
        world_get(&w, api_epochs_get, "r", "metric=recall.none,loss,loss:min,loss:max,loss:last,loss:sum,lr");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "epochs")), 3);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|value|0"), 0.75);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|value|1"), 0.5);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|mean_of_steps|1"), 0.5,
                 "the empty step does not count");
    cr_assert(cJSON_IsArray(at(a.json, "epochs|0|metrics|recall.none|low")));
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss|value"), 1.4);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss|nonfinite"), 1);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss:min|value"), 0.5);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss:max|value"), 3);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss:last|value"), 3);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss:sum|value"), 7);
    cr_assert(at(a.json, "epochs|0|metrics|loss|low") == NULL);
    cr_assert(is_null_at(a.json, "epochs|0|metrics|lr|value"), "lr has no batch here");
    cr_assert(is_null_at(a.json, "epochs|2|metrics|recall.none|value"));
    cr_assert_eq(number_at(a.json, "epochs|2|samples"), 0, "main has no batch in epoch 3");
    cr_assert_eq(number_at(a.json, "epochs|2|metrics|lr|value"), 0.5);
    cr_assert_eq(number_at(a.json, "epochs|0|first_step"), 4);
    cr_assert_eq(number_at(a.json, "epochs|0|last_step"), 9);
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy,loss&rank=3");
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "epochs")), 2);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy|value"), 0.5);
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|loss|value"), 3);
    cr_assert_eq(number_at(a.json, "epochs|0|steps"), 2);
    cr_assert_eq(number_at(a.json, "epochs|0|ranks"), 1);
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy&rank=3&epoch=0&mean_of_steps=true");
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy|mean_of_steps"), 0.5);
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy&epoch=0");
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy|mean_of_steps"), 5 / 8.0,
                 "not the value kept for rank 3");
    answer_free(&a);
    world_close(&w);
}

Test(query_epochs, csv_has_a_column_for_each_number)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", ranks_body, NULL);
    struct answer a =
        world_get_as(&w, api_epochs_get, "r", "metric=accuracy,recall.none,loss&epoch=0", "text/csv", NULL);
    cr_assert_str_eq(a.content_type, "text/csv; charset=utf-8");
    static const char header[] = "epoch,steps,batches,samples,first_step,last_step,ranks,accuracy,accuracy "
                                 "low,accuracy high,accuracy mean_of_steps,"
                                 "recall.none[0],recall.none[0] mean_of_steps,recall.none[1],recall.none[1] "
                                 "mean_of_steps,loss,loss nonfinite\r\n"
                                 "0,2,3,8,4,9,2,0.625,";
    cr_assert_eq(strncmp(a.body, header, strlen(header)), 0, "%s", a.body);
    cr_assert(strstr(a.body, ",0.625,0.75,0.75,0.5,0.5,1.4,1\r\n") != NULL, "%s", a.body);
    answer_free(&a);
    world_close(&w);
}

Test(query_epochs, an_unchanged_run_is_304_and_a_crashed_one_is_not)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", ranks_body, NULL);
    struct answer a = world_get(&w, api_epochs_get, "r", "metric=accuracy");
    struct answer csv = world_get_as(&w, api_epochs_get, "r", "metric=accuracy", "text/csv", NULL);
    struct answer other = world_get(&w, api_epochs_get, "r", "metric=f1");
    cr_assert(a.etag[0] == '"' && strcmp(a.etag, csv.etag) != 0 && strcmp(a.etag, other.etag) != 0);
    char list[256];
    snprintf(list, sizeof list, "\"x\", W/%s", a.etag);
    const char *const known[] = {a.etag, list, "*"};
    for (int i = 0; i < 3; i++) {
        struct answer b = world_get_as(&w, api_epochs_get, "r", "metric=accuracy", NULL, known[i]);
        cr_assert(b.status == 304 && b.body[0] == '\0' && strcmp(b.etag, a.etag) == 0, "%s", known[i]);
        answer_free(&b);
    }
    int64_t duplicates;
    world_post(&w, "r", ranks_body, &duplicates);
    cr_assert_eq(duplicates, 5);
    struct answer same = world_get_as(&w, api_epochs_get, "r", "metric=accuracy", NULL, a.etag);
    cr_assert_eq(same.status, 304, "duplicates change nothing");
    w.now += 6 * 60 * 1000;
    struct answer crashed = world_get_as(&w, api_epochs_get, "r", "metric=accuracy", NULL, a.etag);
    cr_assert_eq(crashed.status, 200, "its status reads otherwise now");
    world_post(&w, "r", "{\"stage\":\"t\",\"epoch\":0,\"step\":5,\"rank\":0,\"confusion\":[[0,1],[0,0]]}", NULL);
    struct answer changed = world_get_as(&w, api_epochs_get, "r", "metric=accuracy&epoch=0", NULL, a.etag);
    cr_assert_eq(changed.status, 200);
    cr_assert_eq(number_at(changed.json, "epochs|0|metrics|accuracy|mean_of_steps"), (5 / 8.0 + 0) / 2,
                 "the kept mean is of another revision");
    answer_free(&a);
    answer_free(&csv);
    answer_free(&other);
    answer_free(&same);
    answer_free(&crashed);
    answer_free(&changed);
    world_close(&w);
}

Test(query_epochs, refusals_name_the_place_and_what_there_is)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", ranks_body, NULL);
    world_post(&w, "totals",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":5,\"correct\":1,\"total\":2,\"sums\":{\"accuracy\":[1,2]}}",
               NULL);
    world_post(&w, "totals", "{\"stage\":\"u\",\"epoch\":0,\"step\":5,\"sums\":{\"accuracy\":[1,2]}}", NULL);
    const struct {
        const char *run, *args;
        int code;
        const char *pointer, *says;
    } cases[] = {
        {"nobody", "", PROBLEM_UNKNOWN_RUN, NULL, "nobody"},
        {"totals", "", PROBLEM_STAGE_NEEDED, "?stage", "t, u"},
        {"totals", "stage=t&metric=f1.macro", PROBLEM_STATE_LACKS, "?metric", "tp"},
        {"totals", "stage=u&metric=accuracy", PROBLEM_STATE_LACKS, "?metric", "send correct and total"},
        {"r", "metric=auroc", PROBLEM_STATE_LACKS, "?metric", "send scores"},
        {"r", "metric=perplexity", PROBLEM_STATE_LACKS, "?metric", "send sums: {\"nll\": [sum, tokens]}"},
        {"r", "metric=main:perplexity", PROBLEM_UNKNOWN_METRIC, "?metric", "loss, lr"},
        {"r", "metric=rmse", PROBLEM_STATE_LACKS, "?metric", "send regression"},
        {"r", "metric=other:ece@l2", PROBLEM_STATE_LACKS, "?metric", "send calibration"},
        {"r", "zero_division=2", PROBLEM_INVALID, "?zero_division", "0 to 1"},
        {"r", "metric=acuracy", PROBLEM_UNKNOWN_METRIC, "?metric", "accuracy"},
        {"r", "metric=acuracy", PROBLEM_UNKNOWN_METRIC, "?metric", "loss"},
        {"r", "metric=accuracy.median", PROBLEM_UNKNOWN_AVERAGE, "?metric", "median"},
        {"r", "metric=mcc.macro", PROBLEM_UNKNOWN_AVERAGE, "?metric", "mcc"},
        {"r", "metric=fbeta@-1", PROBLEM_INVALID, "?metric", "beta"},
        {"r", "metric=accuracy,", PROBLEM_INVALID, "?metric", ""},
        {"r", "metric=parity:f1", PROBLEM_UNKNOWN_METRIC, "?metric", "parity"},
        {"r", "metric=main:last", PROBLEM_UNKNOWN_METRIC, "?metric", "counts"},
        {"r", "metric=loss:f1", PROBLEM_UNKNOWN_METRIC, "?metric", "loss"},
        {"r", "epoch=-1", PROBLEM_INVALID, "?epoch", "whole number"},
        {"r", "rank=65536", PROBLEM_INVALID, "?rank", "65535"},
        {"r", "mean_of_steps=yes", PROBLEM_INVALID, "?mean_of_steps", "true"},
        {"r", "format=xml", PROBLEM_INVALID, "?format", "csv"},
        {"r", "stage=a b", PROBLEM_INVALID, "?stage", "stage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer a = world_get(&w, api_epochs_get, cases[i].run, cases[i].args);
        cr_assert_eq(a.rc, cases[i].code, "%s?%s: %d %s", cases[i].run, cases[i].args, a.rc, a.problem.detail);
        cr_assert(strstr(a.problem.detail, cases[i].says) != NULL, "%s: %s", cases[i].args, a.problem.detail);
        if (cases[i].pointer != NULL)
            cr_assert_str_eq(a.problem.places[0].pointer, cases[i].pointer, "%s", cases[i].args);
        answer_free(&a);
    }
    struct answer a = world_get_as(&w, api_epochs_get, "r", "", "image/png", NULL);
    cr_assert_eq(a.rc, PROBLEM_NOT_ACCEPTABLE);
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "stage=nothing&metric=accuracy,whatever");
    cr_assert(a.rc == OK && cJSON_GetArraySize(at(a.json, "epochs")) == 0);
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "totals", "stage=u");
    cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy:mean|value"), 0.5, "the first weighted mean by default");
    answer_free(&a);
    world_close(&w);
}
