#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

/* ---- the second pair of eyes: everything by brute force over a list of batches ---- */

enum { BATCHES_MAX = 600, NONE = -1 };

struct sample {
    int64_t epoch, step, rank, time, x;
    int64_t m[2][2]; /* [target][predicted]; all zero: an empty batch */
    bool has_main, has_loss;
    double loss, low, high; /* the mean of weight 2; its range */
};

struct stage {
    struct sample b[BATCHES_MAX]; /* by (epoch, step, rank) */
    size_t n;
    bool counted;
};

struct ask {
    int64_t from, to, points, rank, window;
};

/* What an entry shows. */
struct entry {
    int64_t epoch, first, last, x, time, samples, batches;
    bool inside;
    double accuracy, macro, accuracy_min, accuracy_max, loss, loss_max, loss_min, loss_last;
};

static void place(struct stage *s)
{
    int64_t offset = 0, last = NONE;
    s->counted = false;
    for (size_t i = 0, end; i < s->n; i = end) {
        for (end = i; end < s->n && s->b[end].epoch == s->b[i].epoch;)
            end++;
        if (i > 0 && s->b[i].step <= last) {
            offset += last + 1 - s->b[i].step;
            s->counted = true;
        }
        last = s->b[end - 1].step;
        for (size_t k = i; k < end; k++)
            s->b[k].x = offset + s->b[k].step;
    }
}

static bool takes_part(const struct sample *b, const struct ask *a, bool main_asked, bool loss_asked)
{
    return (a->rank == NONE || b->rank == a->rank) && ((main_asked && b->has_main) || (loss_asked && b->has_loss));
}

static double ratio(int64_t a, int64_t b)
{
    return b == 0 ? 0 : (double)a / (double)b;
}

static double macro(int64_t m[2][2])
{
    double sum = 0;
    int live = 0;
    for (int c = 0; c < 2; c++) {
        int64_t target = m[c][0] + m[c][1], other = m[1 - c][c];
        live += target + other > 0;
        sum += ratio(m[c][c], target);
    }
    return live == 0 ? 0 : sum / live;
}

/* The values of the batches with steps from .. to of an epoch. */
static void measure(const struct stage *s, const struct ask *a, int64_t epoch, int64_t from, int64_t to,
                    struct entry *out)
{
    int64_t m[2][2] = {{0}};
    double sum = 0, weight = 0;
    bool any = false;
    out->accuracy = out->macro = out->loss = out->loss_max = out->loss_last = out->loss_min = out->accuracy_min =
        out->accuracy_max = NAN;
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *b = &s->b[i];
        if (b->epoch != epoch || b->step < from || b->step > to || (a->rank != NONE && b->rank != a->rank))
            continue;
        int64_t total = b->m[0][0] + b->m[0][1] + b->m[1][0] + b->m[1][1];
        if (b->has_main) {
            any = true;
            for (int c = 0; c < 4; c++)
                m[c / 2][c % 2] += b->m[c / 2][c % 2];
            if (total > 0) {
                double own = ratio(b->m[0][0] + b->m[1][1], total);
                out->accuracy_min = fmin(out->accuracy_min, own);
                out->accuracy_max = fmax(out->accuracy_max, own);
            }
        }
        if (b->has_loss) {
            sum += 2 * b->loss;
            weight += 2;
            out->loss_last = b->loss;
            out->loss_min = fmin(out->loss_min, b->low);
            out->loss_max = fmax(out->loss_max, b->high);
        }
    }
    if (any) {
        out->accuracy = ratio(m[0][0] + m[1][1], m[0][0] + m[0][1] + m[1][0] + m[1][1]);
        out->macro = macro(m);
    }
    if (weight > 0)
        out->loss = sum / weight;
}

/* Entries of a width; a width of 2^62 is an epoch. */
static size_t cut(const struct stage *s, const struct ask *a, bool main_asked, bool loss_asked, int level,
                  struct entry *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *b = &s->b[i];
        if (!takes_part(b, a, main_asked, loss_asked))
            continue;
        struct entry *e = &out[n > 0 ? n - 1 : 0];
        if (n == 0 || e->epoch != b->epoch || e->first >> level != b->step >> level) {
            if (n > 0 && !e->inside)
                n--; /* only cut off by the range */
            e = &out[n++];
            *e = (struct entry){.epoch = b->epoch, .first = b->step, .x = b->x, .time = b->time};
        }
        e->last = b->step;
        e->inside = e->inside || (b->x >= a->from && b->x <= a->to);
    }
    if (n > 0 && !out[n - 1].inside)
        n--;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->n; k++) {
            const struct sample *b = &s->b[k];
            if (b->epoch != out[i].epoch || b->step >> level != out[i].first >> level ||
                (a->rank != NONE && b->rank != a->rank))
                continue;
            if (b->has_main) {
                out[i].batches++;
                out[i].samples += b->m[0][0] + b->m[0][1] + b->m[1][0] + b->m[1][1];
            }
            if ((b->has_main || (loss_asked && b->has_loss)) && b->time < out[i].time)
                out[i].time = b->time;
        }
    return n;
}

static size_t expect(const struct stage *s, const struct ask *a, bool main_asked, bool loss_asked, struct entry *out,
                     int *level, bool *over)
{
    size_t n = cut(s, a, main_asked, loss_asked, 62, out);
    *over = n > (size_t)a->points;
    *level = 62;
    if (!*over)
        for (*level = 0; (n = cut(s, a, main_asked, loss_asked, *level, out)) > (size_t)a->points;)
            ++*level;
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &out[i], window;
        int64_t begin = *level == 62 ? 0 : e->first >> *level << *level,
                end = *level == 62 ? INT64_MAX : begin + (INT64_C(1) << *level) - 1;
        measure(s, a, e->epoch, begin, end, e);
        if (a->window > 0) {
            measure(s, a, e->epoch, e->last - a->window + 1, e->last, &window);
            window.accuracy_min = e->accuracy_min;
            window.accuracy_max = e->accuracy_max;
            e->accuracy = window.accuracy;
            e->macro = window.macro;
            e->loss = window.loss;
            e->loss_last = window.loss_last;
        }
    }
    return n;
}

/* ---- comparing ---- */

static bool same_number(const cJSON *json, const char *column, size_t i, double want)
{
    char path[128];
    snprintf(path, sizeof path, "%s|%zu", column, i);
    const cJSON *got = at(json, path);
    if (isnan(want))
        return cJSON_IsNull(got);
    return cJSON_IsNumber(got) && fabs(got->valuedouble - want) <= 1e-12 * fmax(1, fabs(want));
}

static void compare(struct world *w, const struct stage *s, const struct ask *a, bool main_asked, bool loss_asked,
                    const char *where)
{
    static struct entry want[BATCHES_MAX];
    int level;
    bool over;
    char args[400];
    int used = snprintf(args, sizeof args, "stage=t&metric=%s%s%s", main_asked ? "accuracy,accuracy.macro" : "",
                        main_asked && loss_asked ? "," : "", loss_asked ? "loss,loss:last" : "");
    if (a->from > 0)
        used += snprintf(args + used, sizeof args - used, "&from=%ld", (long)a->from);
    if (a->to < INT64_MAX)
        used += snprintf(args + used, sizeof args - used, "&to=%ld", (long)a->to);
    used += snprintf(args + used, sizeof args - used, "&points=%ld", (long)a->points);
    if (a->rank >= 0)
        used += snprintf(args + used, sizeof args - used, "&rank=%ld", (long)a->rank);
    if (a->window > 0)
        snprintf(args + used, sizeof args - used, "&window=%ld", (long)a->window);
    size_t n = expect(s, a, main_asked, loss_asked, want, &level, &over);
    struct answer got = world_get(w, api_steps_get, where, args);
    cr_assert_eq(got.rc, OK, "%s?%s: %s", where, args, got.problem.detail);
    cr_assert_eq(cJSON_GetArraySize(at(got.json, "x")), (int)n, "%s?%s: %d entries for %zu", where, args,
                 cJSON_GetArraySize(at(got.json, "x")), n);
    cr_assert_eq(cJSON_IsTrue(at(got.json, "over")), over, "%s?%s", where, args);
    cr_assert_str_eq(at(got.json, "x_from")->valuestring, s->counted ? "counted" : "step", "%s?%s", where, args);
    if (!over && n > 0)
        cr_assert_eq(number_at(got.json, "width"), ldexp(1, level), "%s?%s: 2^%d", where, args, level);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &want[i];
        const struct {
            const char *column;
            double want;
            bool asked;
        } columns[] = {{"x", (double)e->x, true},
                       {"epoch", (double)e->epoch, true},
                       {"step", (double)e->first, true},
                       {"time", (double)e->time, true},
                       {"samples", (double)e->samples, true},
                       {"batches", (double)e->batches, true},
                       {"metrics|accuracy|value", e->accuracy, main_asked},
                       {"metrics|accuracy|min", e->accuracy_min, main_asked},
                       {"metrics|accuracy|max", e->accuracy_max, main_asked},
                       {"metrics|accuracy.macro|value", e->macro, main_asked},
                       {"metrics|accuracy.macro|min", NAN, main_asked},
                       {"metrics|loss|value", e->loss, loss_asked},
                       {"metrics|loss|min", e->loss_min, loss_asked},
                       {"metrics|loss|max", e->loss_max, loss_asked},
                       {"metrics|loss:last|value", e->loss_last, loss_asked}};
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++)
            if (columns[c].asked)
                cr_assert(same_number(got.json, columns[c].column, i, columns[c].want), "%s?%s: %s[%zu] is not %.17g",
                          where, args, columns[c].column, i, columns[c].want);
    }
    answer_free(&got);
}

/* ---- random stages ---- */

static void make_batch(struct sample *b, uint64_t *seed)
{
    b->has_main = random_below(seed, 10) > 0;
    b->has_loss = !b->has_main || random_below(seed, 2) == 0;
    b->time = 1763884800000 + (int64_t)random_below(seed, 100000);
    if (random_below(seed, 10) > 0)
        for (int c = 0; c < 4; c++)
            b->m[c / 2][c % 2] = random_below(seed, 3) == 0 ? 0 : (int64_t)random_below(seed, 9);
    b->loss = (double)random_below(seed, 64) / 8;
    b->low = b->loss - (double)random_below(seed, 3);
    b->high = b->loss + (double)random_below(seed, 3);
}

static void make_stage(struct stage *s, int way, uint64_t *seed)
{
    static const int64_t jumps[] = {1, 1, 1, 2, 9, 100, 70000};
    int64_t step = (int64_t)random_below(seed, 40);
    int n_epochs = 1 + (int)random_below(seed, 5);
    memset(s, 0, sizeof *s);
    for (int64_t e = 0, epoch = 0; e < n_epochs; e++, epoch += 1 + (int64_t)random_below(seed, 3)) {
        if (way == 1)
            step = 0;
        else if (way == 2)
            step = (int64_t)random_below(seed, 300);
        int n_steps = 1 + (int)random_below(seed, 40);
        for (int i = 0; i < n_steps; i++) {
            for (int64_t rank = 0; rank < 3; rank++) {
                if (random_below(seed, 3) == 0)
                    continue;
                s->b[s->n] = (struct sample){.epoch = epoch, .step = step, .rank = rank};
                make_batch(&s->b[s->n++], seed);
            }
            step += jumps[random_below(seed, way == 3 ? 7 : 5)];
        }
    }
    if (s->n == 0) {
        s->b[s->n] = (struct sample){.has_main = true};
        s->n++;
    }
    place(s);
}

static void post_stage(struct world *w, const struct stage *s, const char *run, uint64_t *seed)
{
    size_t order[BATCHES_MAX];
    char *body = malloc(BATCHES_MAX * 256), *at_body = body;
    for (size_t i = 0; i < s->n; i++)
        order[i] = i;
    for (size_t i = s->n; i > 1; i--) {
        size_t k = random_below(seed, i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *b = &s->b[order[i]];
        at_body += sprintf(at_body, "{\"stage\":\"t\",\"epoch\":%ld,\"step\":%ld,\"rank\":%ld,\"time\":%ld",
                           (long)b->epoch, (long)b->step, (long)b->rank, (long)b->time);
        if (b->has_main)
            at_body += sprintf(at_body, ",\"confusion\":[[%ld,%ld],[%ld,%ld]]", (long)b->m[0][0], (long)b->m[0][1],
                               (long)b->m[1][0], (long)b->m[1][1]);
        if (b->has_loss)
            at_body += sprintf(at_body, ",\"sums\":{\"loss\":[%.17g,2,%.17g,%.17g]}", 2 * b->loss, b->low, b->high);
        at_body += sprintf(at_body, "}\n");
    }
    world_post(w, run, body, NULL);
    free(body);
}

Test(query_steps, random_runs_equal_brute_force)
{
    static struct stage s;
    struct world w;
    world_open(&w);
    uint64_t seed = 20260118;
    for (int round = 0; round < 12; round++) {
        char run[16];
        snprintf(run, sizeof run, "r%d", round);
        make_stage(&s, round % 4, &seed);
        post_stage(&w, &s, run, &seed);
        bool any_main = false, any_loss = false;
        for (size_t i = 0; i < s.n; i++) {
            any_main = any_main || s.b[i].has_main;
            any_loss = any_loss || s.b[i].has_loss;
        }
        for (int k = 0; k < 60; k++) {
            struct ask a = {.to = INT64_MAX,
                            .points = k == 0 ? 1000 : 1 + (int64_t)random_below(&seed, k % 3 == 0 ? 200 : 12),
                            .rank = NONE};
            if (k % 2 == 1) {
                a.from = s.b[random_below(&seed, s.n)].x - (int64_t)random_below(&seed, 3);
                a.to = s.b[random_below(&seed, s.n)].x + (int64_t)random_below(&seed, 3);
                if (a.from < 0)
                    a.from = 0;
                if (a.from > a.to)
                    a.to = a.from;
            }
            if (k % 5 == 2)
                a.rank = (int64_t)random_below(&seed, 4);
            if (k % 4 >= 2)
                a.window = 1 + (int64_t)random_below(&seed, k % 8 < 4 ? 10 : 100000);
            bool main_asked = any_main && k % 6 != 5, loss_asked = any_loss && (k % 6 >= 2 || !main_asked);
            compare(&w, &s, &a, main_asked, loss_asked, run);
        }
    }
    world_close(&w);
}

Test(query_steps, a_bucket_is_the_metric_of_its_summed_counts)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"correct\":1,\"total\":1}\n{\"stage\":\"t\",\"epoch\":0,"
               "\"step\":1,\"correct\":1,\"total\":99}\n"
               "{\"stage\":\"t\",\"epoch\":0,\"step\":2,\"correct\":5,\"total\":10}",
               NULL);
    struct answer a = world_get(&w, api_steps_get, "r", "points=2");
    cr_assert_eq(number_at(a.json, "width"), 2);
    cr_assert_eq(number_at(a.json, "metrics|accuracy|value|0"), 0.02);
    cr_assert_eq(number_at(a.json, "metrics|accuracy|min|0"), 1 / 99.0);
    cr_assert_eq(number_at(a.json, "metrics|accuracy|max|0"), 1);
    cr_assert_eq(number_at(a.json, "x|1"), 2);
    answer_free(&a);
    a = world_get_as(&w, api_steps_get, "r", "points=2", "text/csv", NULL);
    cr_assert(strstr(a.body, "x,epoch,step,time,samples,batches,accuracy,accuracy min,accuracy max\r\n0,0,0,") ==
                  a.body,
              "%s", a.body);
    cr_assert(strstr(a.body, ",100,2,0.02,0.010101010101010102,1\r\n") != NULL, "%s", a.body);
    answer_free(&a);
    world_close(&w);
}

Test(query_steps, what_cannot_be_charted_is_refused_and_nothing_is_an_empty_answer)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r", "{\"stage\":\"t\",\"epoch\":0,\"step\":5,\"confusion\":[[1,1],[0,2]]}", NULL);
    static const struct {
        const char *args, *pointer;
    } bad[] = {{"points=0", "?points"},  {"points=10001", "?points"},
               {"points=x", "?points"},  {"window=0", "?window"},
               {"window=-1", "?window"}, {"from=-1", "?from"},
               {"to=1.5", "?to"},        {"from=9&to=8", "?from"},
               {"rank=", "?rank"},       {"from=99999999999999999999", "?from"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer a = world_get(&w, api_steps_get, "r", bad[i].args);
        cr_assert(a.status == 422 && strcmp(a.problem.places[0].pointer, bad[i].pointer) == 0, "%s: %d", bad[i].args,
                  a.status);
        answer_free(&a);
    }
    static const char *const empty[] = {"stage=other&metric=accuracy", "from=6&metric=accuracy", "to=4&metric=accuracy",
                                        "rank=3&metric=accuracy", "rank=3&window=5&metric=accuracy"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct answer a = world_get(&w, api_steps_get, "r", empty[i]);
        cr_assert_eq(a.rc, OK, "%s: %s", empty[i], a.problem.detail);
        cr_assert(cJSON_IsArray(at(a.json, "metrics|accuracy|value")) &&
                      cJSON_GetArraySize(at(a.json, "metrics|accuracy|value")) == 0 &&
                      cJSON_GetArraySize(at(a.json, "x")) == 0,
                  "%s", empty[i]);
        answer_free(&a);
    }
    world_close(&w);
}

Test(query_steps, positions_come_from_all_series_whatever_rank_is_asked)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"correct\":1,\"total\":2}\n{\"stage\":\"t\",\"epoch\":1,"
               "\"step\":0,\"correct\":1,\"total\":2}\n"
               "{\"stage\":\"t\",\"epoch\":0,\"step\":9,\"rank\":1,\"values\":{\"lr\":1}}",
               NULL);
    struct answer a = world_get(&w, api_steps_get, "r", "metric=accuracy&rank=0");
    cr_assert_eq(number_at(a.json, "x|1"), 10);
    answer_free(&a);
    world_close(&w);
}

Test(query_steps, a_list_has_a_value_for_each_class_of_each_entry)
{
    struct world w;
    world_open(&w);
    world_post(&w, "r",
               "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"confusion\":[[3,1],[0,4]]}\n{\"stage\":\"t\",\"epoch\":0,"
               "\"step\":1,\"confusion\":[[0,2],[1,1]]}\n"
               "{\"stage\":\"t\",\"epoch\":0,\"step\":2,\"values\":{\"lr\":1}}",
               NULL);
    struct answer a = world_get(&w, api_steps_get, "r", "metric=recall.none,lr");
    cr_assert(
        strstr(
            a.body,
            "\"recall.none\":{\"value\":[[0.75,1],[0,0.5],null],\"min\":[null,null,null],\"max\":[null,null,null]}") !=
            NULL,
        "%s", a.body);
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=recall.none&window=2");
    cr_assert_eq(number_at(a.json, "metrics|recall.none|value|1|0"), 0.5);
    cr_assert(fabs(number_at(a.json, "metrics|recall.none|value|1|1") - 5 / 6.0) < 1e-15);
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=recall.none,lr&format=csv");
    cr_assert(
        strstr(a.body, "x,epoch,step,time,samples,batches,recall.none[0],recall.none[1],lr,lr min,lr max\r\n0,0,0,") ==
            a.body,
        "%s", a.body);
    cr_assert(strstr(a.body, ",8,1,0.75,1,,,\r\n") != NULL, "%s", a.body);
    answer_free(&a);
    char *text = malloc(1100 * 80);
    for (int step = 0, used = 0; step < 1100; step++)
        used += sprintf(text + used, "{\"stage\":\"huge\",\"epoch\":0,\"step\":%d,\"num_classes\":4096,\"cells\":[]}\n",
                        step);
    world_post(&w, "r", text, NULL);
    free(text);
    a = world_get(&w, api_steps_get, "r", "stage=huge&metric=recall.none&points=2000");
    cr_assert(a.rc == PROBLEM_INVALID && strcmp(a.problem.places[0].pointer, "?points") == 0);
    answer_free(&a);
    world_close(&w);
}

/* More than a cursor reads ahead, and more epochs than points. */
Test(query_steps, long_runs_are_cut_to_the_points_that_were_asked_for)
{
    struct world w;
    world_open(&w);
    enum { STEPS = 3000 };
    char *body = malloc(STEPS * 100), *end = body;
    for (int i = 0; i < STEPS; i++)
        end += sprintf(end,
                       "{\"stage\":\"t\",\"epoch\":%d,\"step\":%d,\"correct\":%d,\"total\":4,\"values\":{\"lr\":1}}\n",
                       i / 1000, i, i % 4);
    world_post(&w, "r", body, NULL);
    free(body);
    struct answer a = world_get(&w, api_steps_get, "r", "metric=accuracy,lr");
    cr_assert_eq(number_at(a.json, "width"), 4);
    int n = cJSON_GetArraySize(at(a.json, "x"));
    cr_assert(n > 500 && n <= 1000);
    double batches = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, at(a.json, "batches")) batches += item->valuedouble;
    cr_assert_eq(batches, STEPS);
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=accuracy&points=2&from=5&to=2500");
    cr_assert(cJSON_IsTrue(at(a.json, "over")) && cJSON_GetArraySize(at(a.json, "x")) == 3);
    cr_assert_eq(number_at(a.json, "batches|0"), 1000, "whole epochs");
    answer_free(&a);
    a = world_get(&w, api_steps_get, "r", "metric=lr&points=2&window=10");
    cr_assert_eq(number_at(a.json, "metrics|lr|value|2"), 1);
    answer_free(&a);
    world_close(&w);
}
