#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

static void fill(struct world *w)
{
    world_put(w, "r", NULL, NULL, NULL, NULL, "{\"test\":{\"class_names\":[\"cat\",\"=dog\",\"eel\"]}}");
    world_post(w, "r",
               "{\"stage\":\"test\",\"epoch\":0,\"step\":0,\"confusion\":[[1,0,0],[0,0,0],[0,0,0]]}\n"
               "{\"stage\":\"test\",\"epoch\":1,\"step\":0,\"confusion\":[[5,0,0],[0,7,0],[0,0,0]]}\n"
               "{\"stage\":\"test\",\"epoch\":1,\"step\":1,\"rank\":1,\"confusion\":[[0,2,0],[1,0,0],[0,4,0]],\"sums\":"
               "{\"loss\":[1,1]}}",
               NULL);
    world_post(
        w, "bin",
        "{\"stage\":\"m\",\"epoch\":0,\"step\":0,\"task\":\"binary\",\"confusion\":[[5,1],[2,8]]}\n"
        "{\"stage\":\"c\",\"epoch\":0,\"step\":0,\"task\":\"binary\",\"tp\":[8],\"fp\":[1],\"fn\":[2],\"tn\":[5]}\n"
        "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"correct\":1,\"total\":2}\n"
        "{\"stage\":\"p\",\"epoch\":0,\"step\":0,\"tp\":[1,0],\"fp\":[0,1],\"fn\":[1,0]}\n"
        "{\"stage\":\"l\",\"epoch\":0,\"step\":0,\"task\":\"multilabel\",\"tp\":[1,0],\"fp\":[0,1],\"fn\":[1,0],\"tn\":"
        "[2,3]}",
        NULL);
}

Test(query_classes, rows_hold_the_counts_and_ratios_of_one_epoch)
{
    struct world w;
    world_open(&w);
    fill(&w);
    struct answer a = world_get(&w, api_classes_get, "r", "");
    cr_assert_eq(number_at(a.json, "epoch"), 1, "the last one");
    cr_assert_str_eq(at(a.json, "classes|0|name")->valuestring, "cat");
    const double want[3][4] = {{7, 5, 1, 2}, {8, 7, 6, 1}, {4, 0, 0, 4}};
    static const char *const keys[] = {"support", "tp", "fp", "fn"};
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 4; k++) {
            char path[64];
            snprintf(path, sizeof path, "classes|%d|%s", c, keys[k]);
            cr_assert_eq(number_at(a.json, path), want[c][k], "%s", path);
        }
    cr_assert_eq(number_at(a.json, "classes|1|precision"), 7 / 13.0);
    cr_assert_eq(number_at(a.json, "classes|1|recall"), 7 / 8.0);
    cr_assert_eq(number_at(a.json, "classes|1|f1"), 14 / 21.0);
    answer_free(&a);
    a = world_get_as(&w, api_classes_get, "r", "epoch=0", "text/csv", NULL);
    cr_assert_str_eq(a.body, "class,name,support,tp,fp,fn,precision,recall,f1\r\n0,cat,1,1,0,0,1,1,1\r\n1,\"'=dog\",0,"
                             "0,0,0,0,0,0\r\n2,eel,0,0,0,0,0,0,0\r\n");
    answer_free(&a);
    a = world_get(&w, api_classes_get, "bin", "stage=c");
    cr_assert(cJSON_GetArraySize(at(a.json, "classes")) == 1 && number_at(a.json, "classes|0|class") == 1);
    cr_assert_eq(number_at(a.json, "classes|0|support"), 10);
    answer_free(&a);
    static const char *const empty[] = {"stage=other", "stage=test&epoch=7"};
    for (int i = 0; i < 2; i++) {
        a = world_get(&w, api_classes_get, "r", empty[i]);
        cr_assert(a.rc == OK && cJSON_GetArraySize(at(a.json, "classes")) == 0, "%s", empty[i]);
        answer_free(&a);
    }
    world_close(&w);
}

Test(query_classes, a_matrix_is_sparse_or_dense_counted_or_normalised)
{
    struct world w;
    world_open(&w);
    fill(&w);
    static const struct {
        const char *run, *args, *says;
    } rows[] = {
        {"r", "",
         "\"num_classes\":3,\"class_names\":[\"cat\",\"=dog\",\"eel\"],\"cells\":[[0,0,5],[0,1,2],[1,0,1],[1,1,7],[2,1,"
         "4]]}"},
        {"r", "form=dense", "\"matrix\":[[5,2,0],[1,7,0],[0,4,0]]}"},
        {"r", "form=dense&epoch=0&normalize=true", "\"matrix\":[[1,0,0],[0,0,0],[0,0,0]]}"},
        {"r", "normalize=true", "[1,0,0.125],[1,1,0.875],[2,1,1]]}"},
        {"r", "normalize=pred", "[[0,0,0.8333333333333334],"},
        {"r", "normalize=all&form=sparse", "[2,1,0.21052631578947367]]}"},
        {"bin", "stage=m", "\"num_classes\":2,\"class_names\":null,\"cells\":[[0,0,5],[0,1,1],[1,0,2],[1,1,8]]}"},
        {"bin", "stage=c&form=dense", "\"matrix\":[[5,1],[2,8]]}"},
        {"r", "stage=other", "\"epoch\":null,\"num_classes\":0,\"class_names\":null,\"cells\":[]}"},
        {"r", "epoch=9", "\"cells\":[]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = world_get(&w, api_confusion_get, rows[i].run, rows[i].args);
        cr_assert(a.rc == OK && strstr(a.body, rows[i].says) != NULL, "%s?%s: %s%s", rows[i].run, rows[i].args,
                  a.problem.detail, a.body);
        answer_free(&a);
    }
    struct answer a = world_get(&w, api_confusion_get, "r", "epoch=0&format=csv");
    cr_assert_str_eq(a.body, "target,predicted,count\r\n0,0,1\r\n");
    answer_free(&a);
    static const struct {
        const char *args;
        int code;
        const char *pointer, *says;
    } bad[] = {{"stage=t", PROBLEM_STATE_LACKS, "?name", "confusion"},
               {"stage=p", PROBLEM_STATE_LACKS, "?name", "cells"},
               {"stage=l", PROBLEM_STATE_LACKS, "?name", "confusion"},
               {"stage=m&normalize=rows", PROBLEM_INVALID, "?normalize", "pred"},
               {"stage=m&name=head", PROBLEM_UNKNOWN_METRIC, "?name", "main"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a = world_get(&w, api_confusion_get, "bin", bad[i].args);
        cr_assert(a.rc == bad[i].code && strstr(a.problem.detail, bad[i].says) &&
                      strcmp(a.problem.places[0].pointer, bad[i].pointer) == 0,
                  "%s: %d %s", bad[i].args, a.rc, a.problem.detail);
        answer_free(&a);
    }
    a = world_get(&w, api_classes_get, "bin", "stage=t");
    cr_assert(a.rc == PROBLEM_STATE_LACKS && strstr(a.problem.detail, "tp") != NULL, "%s", a.problem.detail);
    answer_free(&a);
    w.app.limits.dense_classes = 2;
    a = world_get(&w, api_confusion_get, "r", "form=dense");
    cr_assert(a.rc == PROBLEM_INVALID && strcmp(a.problem.places[0].pointer, "?form") == 0);
    answer_free(&a);
    world_close(&w);
}

Test(query_classes, the_catalogue_lists_every_metric)
{
    struct world w;
    world_open(&w);
    struct answer a = world_get(&w, api_metrics_get, NULL, "");
    static const char lower[] = "hamming ece perplexity mse rmse mae";
    const cJSON *item;
    int n = 0;
    cJSON_ArrayForEach(item, at(a.json, "metrics"))
    {
        const char *name = at(item, "name")->valuestring;
        cr_assert(cJSON_IsArray(at(item, "averages")) && cJSON_IsArray(at(item, "arguments")) &&
                      cJSON_GetArraySize(at(item, "range")) == 2,
                  "%s", name);
        cr_assert(strcmp(at(item, "better")->valuestring, "high") == 0 || strstr(lower, name) != NULL, "%s", name);
        if (strcmp(name, "f1") == 0)
            cr_assert_str_eq(at(item, "default")->valuestring, "micro");
        n++;
    }
    cr_assert(n >= 9);
    struct answer b = world_get_as(&w, api_metrics_get, NULL, "", NULL, a.etag);
    cr_assert_eq(b.status, 304);
    answer_free(&a);
    answer_free(&b);
    world_close(&w);
}
