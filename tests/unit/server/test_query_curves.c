#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

#define CLOSE(a, b) (fabs((a) - (b)) <= 1e-12 * fmax(1, fabs(b)))

enum { CLASSES = 3, T = 5, ROUNDS = 20, TEXT = 1 << 14 };

struct histogram {
    int64_t pos[CLASSES][T], neg[CLASSES][T];
};

static void add(char *text, const char *more)
{
    cr_assert(strlen(text) + strlen(more) < TEXT);
    strcat(text, more);
}

static void add_matrix(char *text, const char *key, const int64_t m[CLASSES][T])
{
    char number[32];
    snprintf(number, sizeof number, "\"%s\":[", key);
    add(text, number);
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < T; i++) {
            snprintf(number, sizeof number, "%s%lld%s", i == 0 ? (c > 0 ? ",[" : "[") : ",", (long long)m[c][i],
                     i == T - 1 ? "]" : "");
            add(text, number);
        }
    add(text, "]");
}

/* A step of two ranks with random scores, added to sum; rarely any negatives of class 2. */
static void post_step(struct world *w, const char *task, int step, uint64_t *seed, struct histogram *sum)
{
    char *text = calloc(1, TEXT), head[200];
    for (int rank = 0; rank < 2; rank++) {
        struct histogram h = {{{0}}, {{0}}};
        for (int c = 0; c < CLASSES; c++)
            for (int i = 0; i < T; i++) {
                h.pos[c][i] = (int64_t)random_below(seed, 4);
                h.neg[c][i] = c == 2 && strcmp(task, "multilabel") == 0 ? 0 : (int64_t)random_below(seed, 5);
                sum->pos[c][i] += h.pos[c][i];
                sum->neg[c][i] += h.neg[c][i];
            }
        snprintf(head, sizeof head,
                 "{\"stage\":\"s\",\"epoch\":1,\"step\":%d,\"rank\":%d,\"samples\":9,\"task\":\"%s\",\"scores\":{"
                 "\"thresholds\":%d,",
                 step, rank, task, T);
        add(text, head);
        add_matrix(text, "pos", (const int64_t(*)[T])h.pos);
        add(text, ",");
        add_matrix(text, "neg", (const int64_t(*)[T])h.neg);
        add(text, "}}\n");
    }
    world_post(w, task, text, NULL);
    free(text);
}

/* Point i is at threshold (T - 1 - i) / (T - 1): all bins from there up are predicted positive. */
static void check_points(const cJSON *curve, const int64_t *pos, const int64_t *neg, const char *where)
{
    double positives = 0, negatives = 0, tp = 0, fp = 0;
    for (int i = 0; i < T; i++) {
        positives += (double)pos[i];
        negatives += (double)neg[i];
    }
    cr_assert(number_at(curve, "positives") == positives && number_at(curve, "negatives") == negatives, "%s", where);
    for (int i = 0; i < T; i++) {
        tp += (double)pos[T - 1 - i];
        fp += (double)neg[T - 1 - i];
        const struct {
            const char *key;
            double want;
        } values[] = {{"tpr", positives > 0 ? tp / positives : 0},
                      {"recall", positives > 0 ? tp / positives : 0},
                      {"fpr", negatives > 0 ? fp / negatives : 0},
                      {"precision", tp + fp > 0 ? tp / (tp + fp) : 0}};
        for (int v = 0; v < 4; v++) {
            char path[40];
            snprintf(path, sizeof path, "%s|%d", values[v].key, i);
            cr_assert(CLOSE(number_at(curve, path), values[v].want), "%s %s", where, path);
        }
    }
}

/* The area under the points, from the highest threshold down, without a point of its own at (0, 0). */
static double area(const cJSON *curve)
{
    double sum = 0;
    for (int i = 1; i < T; i++) {
        char at_i[24], before[24];
        snprintf(at_i, sizeof at_i, "fpr|%d", i);
        snprintf(before, sizeof before, "fpr|%d", i - 1);
        double width = number_at(curve, at_i) - number_at(curve, before);
        memcpy(at_i, "tpr", 3);
        memcpy(before, "tpr", 3);
        sum += width * (number_at(curve, at_i) + number_at(curve, before)) / 2;
    }
    return sum;
}

Test(query_curves, points_are_those_of_a_brute_force_and_their_area_is_the_metric)
{
    struct world w;
    world_open(&w);
    static const char *const tasks[] = {"multiclass", "multilabel"};
    uint64_t seed = 77;
    for (int t = 0; t < 2; t++) {
        struct histogram sum = {{{0}}, {{0}}};
        for (int step = 0; step < ROUNDS; step++)
            post_step(&w, tasks[t], step, &seed, &sum);
        struct answer a = world_get(&w, api_curves_get, tasks[t], "");
        struct answer e = world_get(&w, api_epochs_get, tasks[t], "metric=auroc.none,auroc");
        cr_assert_str_eq(at(a.json, "task")->valuestring, tasks[t]);
        cr_assert(number_at(a.json, "num_classes") == CLASSES && number_at(a.json, "epoch") == 1);
        for (int i = 0; i < T; i++) {
            char path[24];
            snprintf(path, sizeof path, "thresholds|%d", i);
            cr_assert(CLOSE(number_at(a.json, path), (T - 1 - i) / (double)(T - 1)), "%s", path);
        }
        int64_t pooled[2][T] = {{0}};
        for (int c = 0; c < CLASSES; c++) {
            char path[80];
            snprintf(path, sizeof path, "classes|%d", c);
            const cJSON *curve = at(a.json, path);
            check_points(curve, sum.pos[c], sum.neg[c], path);
            snprintf(path, sizeof path, "epochs|0|metrics|auroc.none|value|%d", c);
            bool is_defined = t == 0 || c != 2; /* no negatives there: the metric is 0 by its rule */
            cr_assert(CLOSE(number_at(e.json, path), is_defined ? area(curve) : 0), "%s %s", tasks[t], path);
            for (int i = 0; i < T; i++) {
                pooled[0][i] += sum.pos[c][i];
                pooled[1][i] += sum.neg[c][i];
            }
        }
        if (t == 1)
            check_points(at(a.json, "micro"), pooled[0], pooled[1], "micro");
        else
            cr_assert(is_null_at(a.json, "micro"));
        answer_free(&a);
        a = world_get(&w, api_curves_get, tasks[t], "class=1&epoch=1");
        cr_assert(cJSON_GetArraySize(at(a.json, "classes")) == 1 && number_at(a.json, "classes|0|class") == 1);
        check_points(at(a.json, "classes|0"), sum.pos[1], sum.neg[1], "class 1");
        answer_free(&a);
        answer_free(&e);
    }
    world_close(&w);
}

static const char states_body[] =
    "{\"stage\":\"s\",\"epoch\":0,\"step\":0,\"task\":\"binary\",\"scores\":{\"thresholds\":3,\"pos\":[[0,1,3]],"
    "\"neg\":"
    "[[2,2,0]]},\"calibration\":{\"bins\":4,\"cells\":[[1,3,1.25,1],[4,2,2,2]]}}\n"
    "{\"stage\":\"s\",\"epoch\":0,\"step\":1,\"task\":\"binary\",\"calibration\":{\"bins\":4,\"cells\":[[1,1,0.25,1],"
    "[3,5,4,5]]}}";

Test(query_curves, a_reliability_diagram_has_a_row_for_each_bin_and_one_for_certainty)
{
    struct world w;
    world_open(&w);
    world_put(&w, "r", NULL, NULL, NULL, NULL, "{\"s\":{\"class_names\":[\"no\",\"yes\"]}}");
    world_post(&w, "r", states_body, NULL);
    struct answer a = world_get(&w, api_calibration_get, "r", "");
    cr_assert_eq(number_at(a.json, "bins"), 4);
    static const double want[5][6] = {{0, 0.25, 0, 0, NAN, NAN},
                                      {0.25, 0.5, 4, 2, 0.375, 0.5},
                                      {0.5, 0.75, 0, 0, NAN, NAN},
                                      {0.75, 1, 5, 5, 0.8, 1},
                                      {1, 1, 2, 2, 1, 1}};
    static const char *const keys[] = {"low", "high", "count", "correct", "confidence", "accuracy"};
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "rows")), 5);
    for (int row = 0; row < 5; row++)
        for (int k = 0; k < 6; k++) {
            char path[40];
            snprintf(path, sizeof path, "rows|%d|%s", row, keys[k]);
            cr_assert(isnan(want[row][k]) ? is_null_at(a.json, path) : CLOSE(number_at(a.json, path), want[row][k]),
                      "%s", path);
        }
    answer_free(&a);
    a = world_get(&w, api_curves_get, "r", "class=1");
    cr_assert_str_eq(at(a.json, "classes|0|name")->valuestring, "yes", "binary has one class, number 1");
    cr_assert_eq(number_at(a.json, "classes|0|tpr|1"), 1);
    answer_free(&a);
    world_close(&w);
}

Test(query_curves, what_is_not_there_is_empty_or_named)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", states_body, NULL);
    world_post(&w, "r",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"correct\":1,\"total\":2,\"sums\":{\"loss\":[1,2]}}\n"
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"name\":\"head\",\"exact\":[1,2]}\n"
               "{\"stage\":\"many\",\"epoch\":0,\"step\":0,\"scores\":{\"thresholds\":1000,\"num_classes\":300,"
               "\"cells\":[[299,"
               "5,1,1]]}}",
               NULL);
    static const struct {
        handler get;
        const char *args, *says;
    } empty[] = {
        {api_curves_get, "stage=none",
         "\"epoch\":null,\"task\":null,\"num_classes\":0,\"thresholds\":[],\"classes\":[]"},
        {api_curves_get, "stage=s&epoch=7",
         "\"epoch\":7,\"task\":\"binary\",\"num_classes\":1,\"thresholds\":[1,0.5,0],\"classes\":[],\"micro\":null}"},
        {api_calibration_get, "stage=none", "\"epoch\":null,\"bins\":0,\"rows\":[]}"},
        {api_calibration_get, "stage=s&epoch=7", "\"epoch\":7,\"bins\":4,\"rows\":[]}"},
        {api_diagnosis_get, "stage=none", "\"epoch\":null,\"findings\":[]}"},
        {api_diagnosis_get, "stage=s&epoch=7", "\"epoch\":7,\"findings\":[]}"},
        {api_curves_get, "stage=many&class=299", "\"class\":299"},
    };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct answer a = world_get(&w, empty[i].get, "r", empty[i].args);
        cr_assert(a.rc == OK && strstr(a.body, empty[i].says) != NULL, "%s: %s%.300s", empty[i].args, a.problem.detail,
                  a.body);
        struct answer b = world_get_as(&w, empty[i].get, "r", empty[i].args, NULL, a.etag);
        cr_assert_eq(b.status, 304, "%s", empty[i].args);
        answer_free(&b);
        b = world_get_as(&w, empty[i].get, "r", empty[i].args, "text/csv", NULL);
        if (empty[i].get == api_diagnosis_get)
            cr_assert_eq(b.rc, PROBLEM_NOT_ACCEPTABLE, "%s", empty[i].args);
        else
            cr_assert(b.rc == OK && strstr(b.body, empty[i].get == api_curves_get ? "threshold" : "confidence") != NULL,
                      "%s: %s%.300s", empty[i].args, b.problem.detail, b.body);
        answer_free(&a);
        answer_free(&b);
    }
    static const struct {
        handler get;
        const char *args;
        int code;
        const char *pointer, *says;
    } bad[] = {
        {api_curves_get, "", PROBLEM_STAGE_NEEDED, "?stage", "many, s, t"},
        {api_curves_get, "stage=t", PROBLEM_STATE_LACKS, "?name", "send scores"},
        {api_curves_get, "stage=s&name=head", PROBLEM_UNKNOWN_METRIC, "?name", "main"},
        {api_curves_get, "stage=s&class=0", PROBLEM_INVALID, "?class", "1 to 1"},
        {api_curves_get, "stage=many&class=300", PROBLEM_INVALID, "?class", "0 to 299"},
        {api_curves_get, "stage=many", PROBLEM_INVALID, "?class", "1200000 numbers"},
        {api_curves_get, "stage=s&name=.x", PROBLEM_INVALID, "?name", "letter"},
        {api_calibration_get, "stage=t&name=loss", PROBLEM_UNKNOWN_METRIC, "?name", "which is taken"},
        {api_calibration_get, "stage=t&name=head", PROBLEM_STATE_LACKS, "?name", "send calibration"},
        {api_diagnosis_get, "stage=t&name=nothing", PROBLEM_UNKNOWN_METRIC, "?name", "head, loss, main"},
        {api_diagnosis_get, "stage=t&epoch=x", PROBLEM_INVALID, "?epoch", "whole"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer a = world_get(&w, bad[i].get, "r", bad[i].args);
        cr_assert(a.rc == bad[i].code && strstr(a.problem.detail, bad[i].says) != NULL &&
                      strcmp(a.problem.places[0].pointer, bad[i].pointer) == 0,
                  "%s: %d %s", bad[i].args, a.rc, a.problem.detail);
        answer_free(&a);
    }
    world_close(&w);
}
