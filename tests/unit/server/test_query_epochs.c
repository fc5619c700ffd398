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

Test(query_epochs, the_gap_of_accuracy_is_split_into_causes_that_add_up)
{
    struct world w;
    world_open(&w);
    /* docs/metrics.md, the table of the gap */
    static const struct {
        const char *golden;
        int epoch;
        double value, absent, mix, size;
    } rows[] = {
        {"catdog_unshuffled", 0, -53 / 128.0, -53 / 128.0, 0, 0},
        {"catdog_shuffled", 0, -0.001746, 0, 0, -0.001746},
        {"mc3_unshuffled", 0, -0.496528, -0.496528, 0, 0},
        {"mc10_ddp4_ragged", 0, -0.064648, -0.033333, -0.003077, -0.028238},
        {"mc3_absent_but_predicted", 0, 0.104938, 0.104938, 0, 0},
    };
    static const char *const causes[] = {"value", "absent_classes", "class_mix", "batch_size"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *records = golden_records(rows[i].golden, "t");
        world_post(&w, rows[i].golden, records, NULL);
        cJSON_free(records);
        const double want[] = {rows[i].value, rows[i].absent, rows[i].mix, rows[i].size};
        for (int again = 0; again < 2; again++) { /* the second time from memory */
            struct answer a = world_get(&w, api_epochs_get, rows[i].golden, "metric=accuracy.macro,accuracy,f1.macro");
            for (int c = 0; c < 4; c++) {
                char path[80];
                snprintf(path, sizeof path, "epochs|%d|metrics|accuracy.macro|gap|%s", rows[i].epoch, causes[c]);
                cr_assert(fabs(number_at(a.json, path) - want[c]) < 1e-6, "%s %s", rows[i].golden, path);
            }
            double micro = number_at(a.json, "epochs|0|metrics|accuracy|mean_of_steps") -
                           number_at(a.json, "epochs|0|metrics|accuracy|value");
            cr_assert(fabs(number_at(a.json, "epochs|0|metrics|accuracy|gap|value") - micro) < 1e-12);
            cr_assert(fabs(number_at(a.json, "epochs|0|metrics|accuracy|gap|batch_size") - micro) < 1e-12);
            cr_assert(at(a.json, "epochs|0|metrics|f1.macro|gap") == NULL);
            answer_free(&a);
        }
    }
    world_post(&w, "r", ranks_body, NULL);
    struct answer a = world_get(&w, api_epochs_get, "r", "metric=accuracy.macro,accuracy.weighted,accuracy.none,lr");
    cr_assert(at(a.json, "epochs|0|metrics|accuracy.weighted|gap") == NULL);
    cr_assert(at(a.json, "epochs|0|metrics|accuracy.none|gap") == NULL);
    cr_assert(is_null_at(a.json, "epochs|2|metrics|accuracy.macro|gap"), "no batch of main in epoch 3");
    answer_free(&a);
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy.macro&mean_of_steps=false");
    cr_assert(at(a.json, "epochs|0|metrics|accuracy.macro|gap") == NULL);
    answer_free(&a);
    /* the gap of one rank is that of its own steps */
    a = world_get(&w, api_epochs_get, "r", "metric=accuracy.macro&epoch=0&rank=3");
    double value = number_at(a.json, "epochs|0|metrics|accuracy.macro|value"),
           mean = number_at(a.json, "epochs|0|metrics|accuracy.macro|mean_of_steps");
    cr_assert(fabs(number_at(a.json, "epochs|0|metrics|accuracy.macro|gap|value") - (mean - value)) < 1e-12);
    answer_free(&a);
    world_close(&w);
}

/* Two steps of every kind of state; the second rank of step 1 saw nothing. */
static const char states_body[] =
    "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"confusion\":[[2,0],[0,0]],\"exact\":[3,4],\"sums\":{\"nll\":[2,2]},"
    "\"scores\":{\"thresholds\":2,\"pos\":[[1,1],[0,2]],\"neg\":[[2,0],[2,0]]},"
    "\"calibration\":{\"bins\":2,\"cells\":[[1,4,3,2]]},"
    "\"regression\":{\"n\":2,\"mean_target\":1,\"mean_prediction\":2,\"m2_target\":2,\"m2_prediction\":2,\"c\":2,"
    "\"sum_error\":-2,\"sum_abs_error\":2,\"sum_squared_error\":2}}\n"
    "{\"stage\":\"t\",\"epoch\":0,\"step\":1,\"confusion\":[[2,0],[0,0]],\"exact\":[1,4],\"sums\":{\"nll\":[0,2]},"
    "\"scores\":{\"thresholds\":2,\"pos\":[[1,1],[0,2]],\"neg\":[[0,2],[2,0]]},"
    "\"calibration\":{\"bins\":2,\"cells\":[[1,4,3,4]]},"
    "\"regression\":{\"n\":1,\"mean_target\":4,\"mean_prediction\":4,\"m2_target\":0,\"m2_prediction\":0,\"c\":0,"
    "\"sum_error\":0,\"sum_abs_error\":0,\"sum_squared_error\":0}}\n"
    "{\"stage\":\"t\",\"epoch\":0,\"step\":1,\"rank\":1,\"confusion\":[[0,0],[0,0]],\"exact\":[0,0],\"sums\":{\"nll\":["
    "0,0]},\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[]},\"calibration\":{\"bins\":2,\"cells\":[]}}";

Test(query_epochs, every_kind_of_state_answers_under_one_name_in_every_place)
{
    static const struct {
        const char *selector;
        double value, mean_of_steps;
    } rows[] = {
        {"auroc.none|1", 0.5, 0.5}, {"exact_match", 0.5, 0.5},
        {"perplexity", NAN, NAN},   /* computed below */ {"nll:perplexity", NAN, NAN},
        {"mse", 2 / 3.0, 0.5},      {"mae", 2 / 3.0, 0.5},
        {"ece", 0, 0.25},           {"ece@max", 0, 0.25},
    };
    struct world w;
    world_open(&w);
    world_post(&w, "r", states_body, NULL);
    struct answer a =
        world_get(&w, api_epochs_get, "r",
                  "metric=auroc.none,exact_match,perplexity,nll:perplexity,mse,mae,ece,ece@max,accuracy,nll");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[40], path[100];
        snprintf(name, sizeof name, "%s", rows[i].selector);
        char *index = strchr(name, '|');
        if (index != NULL)
            *index = '\0';
        double want[] = {rows[i].value, rows[i].mean_of_steps};
        if (isnan(want[0])) {
            want[0] = exp(0.5);
            want[1] = (exp(1) + exp(0)) / 2;
        }
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "epochs|0|metrics|%s|%s%s", name, k == 0 ? "value" : "mean_of_steps",
                     index != NULL ? "|1" : "");
            if (index == NULL)
                cr_assert(CLOSE(number_at(a.json, path), want[k]), "%s", path);
            else
                cr_assert(number_at(a.json, path) > 0, "%s", path);
        }
    }
    cr_assert(fabs(number_at(a.json, "epochs|0|metrics|exact_match|low") - 0.2152) < 1e-4, "4 of 8 is a proportion");
    cr_assert(is_null_at(a.json, "epochs|0|metrics|mse|low"));
    cr_assert_eq(number_at(a.json, "epochs|0|samples"), 4, "of the counts of main");
    cr_assert(at(a.json, "epochs|0|metrics|nll|mean_of_steps") == NULL);
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=exact_match,mse,rmse,perplexity,auroc.none");
    cr_assert(number_at(a.json, "metrics|exact_match|value|1") == 0.25 &&
              number_at(a.json, "metrics|mse|value|0") == 1);
    cr_assert(is_null_at(a.json, "metrics|perplexity|min|0") && is_null_at(a.json, "metrics|rmse|max|0"));
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=exact_match,mse&points=1");
    cr_assert(number_at(a.json, "metrics|exact_match|min|0") == 0.25 &&
                  number_at(a.json, "metrics|exact_match|max|0") == 0.75 &&
                  number_at(a.json, "metrics|mse|min|0") == 0 && number_at(a.json, "metrics|mse|max|0") == 1,
              "over the batches of the entry: %s", a.body);
    answer_free(&a);
    a = world_get(&w, api_runs_get, NULL,
                  "columns=t/mse@best,t/perplexity@last,t/auroc@0,t/exact_match@max,t/ece@l2@last,t/nll@last,t/"
                  "pearson@last,t/r2@last,x/mse@last&sort=-t/mse@last");
    static const char *const columns[] = {"t/mse@best",    "t/perplexity@last", "t/auroc@0",      "t/exact_match@max",
                                          "t/ece@l2@last", "t/nll@last",        "t/pearson@last", "t/r2@last"};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        cr_assert(cJSON_IsNumber(cJSON_GetObjectItem(at(a.json, "runs|0|columns"), columns[i])), "%s: %s", columns[i],
                  a.body);
    cr_assert(cJSON_IsNull(cJSON_GetObjectItem(at(a.json, "runs|0|columns"), "x/mse@last")));
    answer_free(&a);
    world_close(&w);
}

Test(query_epochs, without_counts_the_first_thing_there_is_answers)
{
    static const struct {
        const char *record, *selector;
    } rows[] = {
        {"\"exact\":[3,4]", "exact_match"},
        {"\"name\":\"head\",\"exact\":[3,4]", "head:exact_match"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[1,1]],\"neg\":[[2,0]]},\"task\":\"binary\"", "auroc"},
        {"\"calibration\":{\"bins\":2,\"cells\":[[1,4,3,4]]},\"exact\":[1,2]", "ece"},
        {"\"exact\":[3,4],\"sums\":{\"loss\":[1,2]}", "loss"},
        {"\"name\":\"b\",\"correct\":3,\"total\":4", "b:accuracy"},
        {"\"sums\":{\"perplexity\":[1,2]}", "perplexity:mean"},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char run[16], text[300];
        snprintf(run, sizeof run, "r%zu", i);
        snprintf(text, sizeof text, "{\"stage\":\"t\",\"epoch\":0,\"step\":0,%s}", rows[i].record);
        world_post(&w, run, text, NULL);
        struct answer a = world_get(&w, api_epochs_get, run, "");
        cr_assert(a.rc == OK && strcmp(at(a.json, "epochs|0|metrics")->child->string, rows[i].selector) == 0,
                  "%s: %s%s", text, a.body, a.problem.detail);
        answer_free(&a);
    }
    world_close(&w);
}

Test(query_epochs, zero_division_reaches_values_means_and_what_is_kept)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"confusion\":[[4,0,0],[0,0,0],[0,0,0]]}\n"
               "{\"stage\":\"t\",\"epoch\":0,\"step\":1,\"confusion\":[[2,2,0],[0,0,0],[0,0,0]]}",
               NULL);
    static const char *const args[] = {"metric=recall.none,accuracy.none",
                                       "metric=recall.none,accuracy.none&zero_division=1",
                                       "metric=recall.none,accuracy.none&zero_division=0"};
    char etag[3][64];
    for (int i = 0; i < 3; i++) {
        struct answer a = world_get(&w, api_epochs_get, "r", args[i]);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|value|2"), i == 1);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|mean_of_steps|2"), i == 1);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|recall.none|mean_of_steps|0"), 0.75);
        cr_assert_eq(number_at(a.json, "epochs|0|metrics|accuracy.none|value|2"), 0, "accuracy has no such rule");
        snprintf(etag[i], sizeof etag[i], "%s", a.etag);
        answer_free(&a);
        a = world_get(&w, api_steps_get, "r", args[i]);
        cr_assert_eq(number_at(a.json, "metrics|recall.none|value|1|2"), i == 1);
        answer_free(&a);
        a = world_get(&w, api_classes_get, "r", i == 1 ? "zero_division=1" : "");
        cr_assert(number_at(a.json, "classes|2|precision") == (i == 1) &&
                  number_at(a.json, "classes|2|f1") == (i == 1) && number_at(a.json, "classes|1|precision") == 0);
        answer_free(&a);
    }
    cr_assert(strcmp(etag[0], etag[1]) != 0 && strcmp(etag[1], etag[2]) != 0);
    world_close(&w);
}
