/*
 * The gap between the mean of the steps and the epoch: its terms, and that they add up to it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "gap.h"
#include "golden_case.h"

/* The states of each step of an epoch that a case has, added to a gap; the epoch's own goes to epoch. */
static struct gap_causes gap_of(struct golden *g, int64_t epoch, enum series series, const char *selector, double *mean)
{
    struct metric_choice choice = choice_of(selector);
    struct gap gap;
    struct window w;
    struct gap_causes causes;
    double value;
    window_of(g, epoch, -1, &w);
    cr_assert_eq(gap_init(&gap, &choice, &w.state[series].shape, plain_memory()), OK);
    gap.options.top_k = g->top_k;
    cr_assert_eq(gap_finish(&gap, &w.state[series], &causes), ERR_RANGE);
    const cJSON *steps = cJSON_GetObjectItem(cJSON_GetObjectItem(g->root, "expected"), "steps"), *step;
    cJSON_ArrayForEach(step, steps)
    {
        struct window of_step;
        if ((int64_t)json_number(step, "epoch") != epoch)
            continue;
        window_of(g, epoch, (int64_t)json_number(step, "step"), &of_step);
        cr_assert_eq(gap_add_step(&gap, &of_step.state[series]), OK);
        window_release(&of_step);
    }
    cr_assert_eq(gap_finish(&gap, &w.state[series], &causes), OK);
    cr_assert_eq(metric_compute(&choice, &w.state[series], &gap.options, &value), OK);
    *mean = causes.value + value;
    double sum = causes.absent_classes + causes.class_mix + causes.batch_size;
    cr_assert(fabs(sum - causes.value) < 1e-12, "%s: %s: %.17g is not %.17g", g->name, selector, sum, causes.value);
    gap_release(&gap);
    gap_release(&gap);
    window_release(&w);
    return causes;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

/* The terms are those of tests/golden/reference.py --gap, which computes them in fractions. */
Test(gap, macro_splits_into_three_causes)
{
    static const struct {
        const char *file;
        int64_t epoch;
        double mean_of_steps, value, absent_classes, class_mix, batch_size;
    } ROWS[] = {
        {"catdog_unshuffled.json", 0, 53.0 / 128, 53.0 / 64, -53.0 / 128, 0, 0},
        {"catdog_shuffled.json", 0, 0.82637911856661861, 0.828125, 0, 0, -0.0017458814333814333},
        {"mc3_unshuffled.json", 0, 0.3263888888888889, 0.82291666666666663, -0.49652777777777779, 0, 0},
        {"mc10_ddp4_ragged.json", 0, 0.71330627705627703, 0.77795454545454545, -1.0 / 30, -0.0030765993265993268,
         -0.02823833573833574},
        {"mc10_ddp4_ragged.json", 1, 0.8526785714285714, 0.80194444444444446, 0, 0, 0.050734126984126986},
        {"mc3_absent_but_predicted.json", 0, 0.67460317460317465, 0.56966490299823636, 0.10493827160493827, 0, 0},
        {"mc3_empty_step.json", 0, 0.79861111111111116, 0.84006734006734007, 0, 0, -0.041456228956228955},
        {"mc10_zipf.json", 0, 0.52901234567901234, 0.62142857142857144, -0.086543209876543209, -0.030952380952380953,
         0.02507936507936508},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct golden g = golden_read(ROWS[i].file);
        for (enum series series = SERIES_CLASSES; series <= SERIES_CONFUSION; series++) {
            double mean;
            struct gap_causes c = gap_of(&g, ROWS[i].epoch, series, "accuracy.macro", &mean);
            cr_assert(near(mean, ROWS[i].mean_of_steps) && near(c.value, ROWS[i].mean_of_steps - ROWS[i].value) &&
                          near(c.absent_classes, ROWS[i].absent_classes) && near(c.class_mix, ROWS[i].class_mix) &&
                          near(c.batch_size, ROWS[i].batch_size),
                      "%s: %.17g = %.17g %.17g %.17g", ROWS[i].file, c.value, c.absent_classes, c.class_mix,
                      c.batch_size);
        }
        golden_free(&g);
    }
}

Test(gap, micro_and_binary_are_a_matter_of_batch_size)
{
    static const struct {
        const char *file, *selector;
        enum series series;
        double gap;
    } ROWS[] = {
        {"binary_ragged_2epochs.json", "accuracy", SERIES_CLASSES, 5.0 / 6 - 7.0 / 9},
        {"binary_ragged_2epochs.json", "accuracy.macro", SERIES_CONFUSION, 5.0 / 6 - 7.0 / 9},
        {"binary_ragged_2epochs.json", "accuracy", SERIES_TOTALS, 5.0 / 6 - 7.0 / 9},
        {"catdog_unshuffled.json", "accuracy.micro", SERIES_TOTALS, 0},
        {"mc3_unshuffled.json", "accuracy", SERIES_CLASSES, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct golden g = golden_read(ROWS[i].file);
        double mean;
        struct gap_causes c = gap_of(&g, 0, ROWS[i].series, ROWS[i].selector, &mean);
        cr_assert(near(c.value, ROWS[i].gap) && near(c.batch_size, ROWS[i].gap), "row %zu: %.17g", i, c.value);
        cr_assert(c.absent_classes == 0 && c.class_mix == 0);
        golden_free(&g);
    }
}

/* Wherever the files say what the mean of the steps is. */
Test(gap, the_terms_add_up_in_every_golden_case)
{
    cJSON *index = golden_json("INDEX.json"), *item;
    size_t n = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(index, "cases"))
    {
        struct golden g = golden_read(cJSON_GetObjectItem(item, "file")->valuestring);
        const cJSON *row;
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(cJSON_GetObjectItem(g.root, "expected"), "naive_mean_of_steps"))
        {
            static const char *const KEYS[][2] = {
                {"accuracy_macro", "accuracy.macro"}, {"accuracy_micro", "accuracy.micro"}, {"accuracy", "accuracy"}};
            for (size_t i = 0; i < 3; i++) {
                const cJSON *want = cJSON_GetObjectItem(row, KEYS[i][0]);
                double mean;
                if (want == NULL || !g.has_counts)
                    continue;
                (void)gap_of(&g, (int64_t)json_number(row, "epoch"), SERIES_CLASSES, KEYS[i][1], &mean);
                cr_assert(fabs(mean - json_number(want, "unweighted")) < 1e-9, "%s: %s", g.name, KEYS[i][0]);
                n++;
            }
        }
        golden_free(&g);
    }
    cJSON_Delete(index);
    cr_assert_geq(n, 40, "%zu", n);
}

static void add_random(struct state *s, uint64_t *seed)
{
    struct random_batch random;
    random_batch(&random, &s->shape, seed);
    add_content(s, &random.content, 1 + (int64_t)random_below(seed, 9));
}

/* Also where a step holds only ignored samples: it has no class, and scores 0. */
Test(gap, the_terms_add_up_over_many_random_steps)
{
    static const struct shape SHAPES[] = {{FORM_CLASSES, TASK_MULTICLASS, 7, 0},
                                          {FORM_CONFUSION, TASK_MULTICLASS, 4, 0},
                                          {FORM_CLASSES, TASK_MULTILABEL, 5, 0},
                                          {FORM_CLASSES, TASK_BINARY, 1, 0},
                                          {FORM_CLASSES, TASK_MULTICLASS, 40000, 0}};
    struct metric_choice macro = choice_of("accuracy.macro");
    uint64_t seed = 41;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        size_t n_steps = SHAPES[i].num_classes > 100 ? 50 : 20000;
        struct state step, epoch;
        struct gap gap;
        struct gap_causes c;
        double mean = 0, value;
        cr_assert_eq(state_init(&step, &SHAPES[i], false, plain_memory()), OK);
        cr_assert_eq(state_init(&epoch, &SHAPES[i], false, plain_memory()), OK);
        cr_assert_eq(gap_init(&gap, &macro, &SHAPES[i], plain_memory()), OK);
        cr_assert_eq(gap_add_step(&gap, &step), OK); /* nothing seen: no step */
        for (size_t k = 0; k < n_steps; k++) {
            state_clear(&step);
            add_random(&step, &seed);
            cr_assert_eq(gap_add_step(&gap, &step), OK);
            cr_assert_eq(metric_compute(&macro, &step, NULL, &value), OK);
            mean += value / (double)n_steps;
            cr_assert_eq(state_merge(&epoch, &step), OK);
        }
        cr_assert_eq(gap.n_steps, (int64_t)n_steps);
        cr_assert_eq(gap_finish(&gap, &epoch, &c), OK);
        cr_assert_eq(metric_compute(&macro, &epoch, NULL, &value), OK);
        cr_assert(fabs(c.value - (mean - value)) < 1e-11);
        cr_assert(near(c.absent_classes + c.class_mix + c.batch_size, c.value), "shape %zu", i);
        gap_release(&gap);
        state_release(&step);
        state_release(&epoch);
    }
}

Test(gap, what_has_no_gap_is_refused)
{
    struct shape classes = {FORM_CLASSES, TASK_MULTICLASS, 3, 0}, totals = {FORM_TOTALS, TASK_MULTICLASS, 3, 0};
    struct metric_choice macro = choice_of("accuracy.macro"), f1 = choice_of("f1"),
                         weighted = choice_of("accuracy.weighted");
    struct test_memory none = {.budget = 0};
    struct gap gap;
    struct state s;
    cr_assert_eq(gap_init(&gap, &f1, &classes, plain_memory()), ERR_NEED);
    cr_assert_eq(gap_init(&gap, &weighted, &classes, plain_memory()), ERR_NEED);
    cr_assert_eq(gap_init(&gap, &macro, &totals, plain_memory()), ERR_NEED);
    cr_assert_eq(gap_init(&gap, &macro, &classes, test_memory(&none)), ERR_MEMORY);
    cr_assert_eq(gap_init(&gap, &macro, &classes, plain_memory()), OK);
    cr_assert_eq(state_init(&s, &totals, false, plain_memory()), OK);
    cr_assert_eq(gap_add_step(&gap, &s), ERR_SHAPE);
    gap_release(&gap);
    state_release(&s);
}
