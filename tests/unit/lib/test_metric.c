/*
 * Metrics beyond the golden vectors: the catalogue, what each metric needs, and the edges.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"

/* ---- the catalogue ---- */

Test(metric, the_catalogue_is_complete_and_consistent)
{
    static const char *const NAMES[] = {"accuracy",    "balanced_accuracy",
                                        "precision",   "recall",
                                        "f1",          "fbeta",
                                        "specificity", "npv",
                                        "jaccard",     "hamming",
                                        "mcc",         "kappa",
                                        "auroc",       "average_precision",
                                        "ece",         "exact_match",
                                        "perplexity",  "mse",
                                        "rmse",        "mae",
                                        "r2",          "explained_variance",
                                        "pearson",     "concordance"};
    cr_assert_eq(metric_count(), sizeof NAMES / sizeof *NAMES);
    for (size_t i = 0; i < metric_count(); i++) {
        const struct metric *m = metric_at(i);
        cr_assert_str_eq(m->name, NAMES[i]);
        cr_assert_eq(metric_find(m->name, strlen(m->name)), m);
        cr_assert(m->title[0] != '\0' && m->formula[0] != '\0' && m->low < m->high);
        cr_assert_eq(m->argument == METRIC_ARGUMENT_NAME, m->arg_names != NULL);
        cr_assert(m->averages == AVERAGES_NO_CHOICE || m->averages & (1U << m->average_default));
        cr_assert_str_eq(m->series_default, strcmp(m->name, "perplexity") == 0 ? "nll" : "main");
        cr_assert(kind_name(m->kind) != NULL && (!m->zero_division || m->kind == KIND_COUNTS));
    }
    cr_assert(metric_at(metric_count()) == NULL && metric_find("loss", 4) == NULL &&
              metric_find("f1.macro", 8) == NULL);
    for (unsigned a = AVERAGE_MICRO; a <= AVERAGE_NONE; a++) {
        enum average back;
        const char *name = average_name((enum average)a);
        cr_assert(average_from_name(name, strlen(name), &back) && back == (enum average)a);
    }
    enum average untouched = AVERAGE_WEIGHTED;
    cr_assert(!average_from_name("mean", 4, &untouched) && untouched == AVERAGE_WEIGHTED &&
              average_name((enum average)9) == NULL);
}

/* ---- needs ---- */

Test(metric, a_metric_without_its_counts_names_the_field_to_send)
{
    static const struct {
        const char *selector;
        struct shape shape;
        const char *says; /* NULL: computable */
    } ROWS[] = {
        {"accuracy", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"precision", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"recall", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"f1", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"fbeta@3", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"hamming", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, NULL},
        {"accuracy.macro", {FORM_TOTALS, TASK_BINARY, 1, 0}, NULL},
        {"hamming.none", {FORM_TOTALS, TASK_BINARY, 1, 0}, NULL},
        {"accuracy", {FORM_TOTALS, TASK_MULTILABEL, 4, 0}, NULL},
        {"hamming", {FORM_TOTALS, TASK_MULTILABEL, 4, 0}, NULL},
        {"accuracy.macro",
         {FORM_TOTALS, TASK_MULTICLASS, 9, 0},
         "accuracy.macro needs more than correct and total: send per-class counts: tp, fp, fn"},
        {"f1.none", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "tp, fp, fn"},
        {"specificity", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "tp, fp, fn"},
        {"jaccard", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "tp, fp, fn"},
        {"mcc", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "mcc needs more"},
        {"kappa", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "tp, fp, fn"},
        {"balanced_accuracy", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "tp, fp, fn"},
        {"f1", {FORM_TOTALS, TASK_BINARY, 1, 0}, "tp, fp, fn, tn"},
        {"f1.macro", {FORM_TOTALS, TASK_BINARY, 1, 0}, "f1 needs"},
        {"precision", {FORM_TOTALS, TASK_MULTILABEL, 4, 0}, "tp, fp, fn, tn"},
        {"kappa@linear", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "send confusion"},
        {"kappa@quadratic",
         {FORM_CLASSES, TASK_MULTICLASS, 9, 0},
         "kappa@quadratic needs the confusion matrix: send confusion"},
        {"kappa@quadratic", {FORM_CLASSES, TASK_MULTICLASS, 2, 0}, NULL},
        {"kappa@linear", {FORM_CLASSES, TASK_BINARY, 1, 0}, NULL},
        {"kappa@linear", {FORM_CONFUSION, TASK_MULTICLASS, 9, 0}, NULL},
        {"kappa", {FORM_CLASSES, TASK_MULTICLASS, 9, 0}, NULL},
        {"mcc", {FORM_CLASSES, TASK_MULTILABEL, 9, 0}, NULL},
        {"kappa", {FORM_CLASSES, TASK_MULTILABEL, 9, 0}, "not defined for multilabel"},
        {"balanced_accuracy", {FORM_CLASSES, TASK_MULTILABEL, 9, 0}, "not defined for multilabel"},
        {"balanced_accuracy", {FORM_CLASSES, TASK_BINARY, 1, 0}, NULL},
        {"accuracy", {FORM_MEAN, TASK_MULTICLASS, 0, 0}, "is a weighted mean: send correct and total"},
        {"accuracy", {FORM_SCORES, TASK_BINARY, 1, 11}, "send correct and total"},
        {"auroc", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "holds counts: send scores"},
        {"auroc", {FORM_SCORES, TASK_MULTICLASS, 9, 11}, NULL},
        {"auroc.micro", {FORM_SCORES, TASK_MULTICLASS, 9, 11}, "send scores with task multilabel"},
        {"auroc.micro", {FORM_SCORES, TASK_MULTILABEL, 9, 11}, NULL},
        {"average_precision.micro", {FORM_SCORES, TASK_BINARY, 1, 11}, NULL},
        {"ece@l2", {FORM_CONFUSION, TASK_MULTICLASS, 9, 0}, "send calibration"},
        {"ece", {FORM_CALIBRATION, TASK_MULTICLASS, 0, 15}, NULL},
        {"exact_match", {FORM_CLASSES, TASK_MULTILABEL, 9, 0}, "send exact"},
        {"exact_match", {FORM_EXACT, TASK_MULTICLASS, 0, 0}, NULL},
        {"pearson", {FORM_EXACT, TASK_MULTICLASS, 0, 0}, "send regression"},
        {"rmse", {FORM_REGRESSION, TASK_MULTICLASS, 0, 0}, NULL},
        {"perplexity", {FORM_TOTALS, TASK_MULTICLASS, 9, 0}, "send sums: {\"nll\": [sum, tokens]}"},
        {"perplexity", {FORM_MEAN, TASK_MULTICLASS, 0, 0}, NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[300] = "untouched";
        struct metric_choice choice = choice_of(ROWS[i].selector);
        struct state s;
        cr_assert_eq(state_init(&s, &ROWS[i].shape, true, plain_memory()), OK);
        int status = metric_check(&choice, &ROWS[i].shape, text, sizeof text);
        cr_assert_eq(status, ROWS[i].says == NULL ? OK : ERR_NEED, "row %zu, %s: %s", i, ROWS[i].selector, text);
        cr_assert(strstr(text, ROWS[i].says != NULL ? ROWS[i].says : "untouched") != NULL, "row %zu: %s", i, text);
        double value[9] = {-77};
        cr_assert_eq(metric_compute(&choice, &s, NULL, value), status);
        cr_assert_eq(value[0] == -77, status != OK);
        state_release(&s);
    }
    /* cells that were left out are missed, not invented */
    struct state s;
    struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, 9, 0};
    struct metric_choice linear = choice_of("kappa@linear");
    double value = -77;
    cr_assert_eq(state_init(&s, &shape, false, plain_memory()), OK);
    cr_assert(metric_need(&linear, &shape) == NEED_CELLS && metric_compute(&linear, &s, NULL, &value) == ERR_NEED &&
              value == -77);
    state_release(&s);
}

Test(metric, totals_give_what_micro_gives)
{
    static const int64_t MATRIX[] = {7, 1, 0, 2, 5, 3, 0, 0, 4};
    static const char *const SAME[] = {"accuracy", "precision", "recall", "f1", "fbeta@0.5", "fbeta@7"};
    struct state matrix = state_of_matrix(3, MATRIX), totals = state_of_totals(TASK_MULTICLASS, 16, 22);
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
        cr_assert_float_eq(value_of(SAME[i], &totals), 16.0 / 22, 1e-15, "%s", SAME[i]);
        cr_assert_float_eq(value_of(SAME[i], &matrix), 16.0 / 22, 1e-15, "%s", SAME[i]);
    }
    cr_assert_float_eq(value_of("hamming", &totals), 6.0 / 22, 1e-15);
    state_release(&matrix);
    state_release(&totals);
    struct state labels = state_of_totals(TASK_MULTILABEL, 3, 4), nothing = state_of_totals(TASK_MULTICLASS, 0, 0);
    cr_assert(value_of("accuracy", &labels) == 0.75 && value_of("hamming", &labels) == 0.25);
    cr_assert(value_of("accuracy", &nothing) == 0 && value_of("hamming", &nothing) == 1 &&
              isnan(state_primary(&nothing)));
    state_release(&labels);
    state_release(&nothing);
}

/* ---- values ---- */

Test(metric, fbeta_holds_at_any_beta)
{
    static const struct class_counts K = {.tp = 4, .fp = 1, .fn = 4, .tn = 1}, NO_FN = {.fp = 3, .tn = 1};
    struct state s = state_of_classes(TASK_BINARY, 1, &K), zero = state_of_classes(TASK_BINARY, 1, &NO_FN);
    cr_assert_float_eq(value_of("f1", &s), 8.0 / 13, 1e-15);
    cr_assert_eq(value_of("f1", &s), value_of("fbeta@1", &s));
    cr_assert_float_eq(value_of("fbeta@2", &s), 20.0 / (20 + 16 + 1), 1e-15);
    cr_assert_float_eq(value_of("fbeta@1e200", &s), value_of("recall", &s), 1e-15);
    cr_assert_float_eq(value_of("fbeta@1e-200", &s), value_of("precision", &s), 1e-15);
    cr_assert_eq(value_of("fbeta@1e200", &zero), 0);
    state_release(&s);
    state_release(&zero);
}

Test(metric, jaccard_drops_an_ignored_class_in_range)
{
    /* class 0 is ignored: no targets, one prediction */
    static const int64_t MATRIX[] = {0, 0, 0, 1, 3, 0, 0, 0, 4};
    struct state s = state_of_matrix(3, MATRIX);
    static const struct {
        const char *selector;
        int64_t ignore_index;
        double value;
    } ROWS[] = {
        {"jaccard", -1, 7.0 / 9},
        {"jaccard", 0, 7.0 / 8},
        {"jaccard", 3, 7.0 / 9},
        {"jaccard", -100, 7.0 / 9},
        {"jaccard.macro", -1, (0 + 0.75 + 1) / 3},
        {"jaccard.macro", 0, (0.75 + 1) / 2},
        {"jaccard.macro", 5, (0 + 0.75 + 1) / 3},
        {"jaccard.weighted", 0, (0.75 * 4 + 1 * 4) / 8},
        {"precision.macro", 0, (0 + 1 + 1) / 3.0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct metric_choice choice = choice_of(ROWS[i].selector);
        struct metric_options options = {.ignore_index = ROWS[i].ignore_index};
        double value;
        cr_assert_eq(metric_compute(&choice, &s, &options, &value), OK);
        cr_assert_float_eq(value, ROWS[i].value, 1e-15, "row %zu, %s: %.17g", i, ROWS[i].selector, value);
    }
    state_release(&s);
}

/* Whatever the counts: a value in the metric's range, or NAN. */
Test(metric, values_stay_in_their_range)
{
    uint64_t seed = 23;
    for (size_t round = 0; round < 300; round++) {
        int64_t matrix[16] = {0};
        unsigned shift = (unsigned)random_below(&seed, 60);
        for (size_t i = 0, n = random_below(&seed, 9); i < n; i++)
            matrix[random_below(&seed, 16)] = (int64_t)(random_next(&seed) >> 4 >> shift);
        struct class_counts label[4];
        for (size_t i = 0; i < 4; i++)
            label[i] = (struct class_counts){matrix[4 * i] / 4, matrix[4 * i + 1] / 4, matrix[4 * i + 2] / 4,
                                             matrix[4 * i + 3] / 4};
        for (size_t i = 0; i < 16; i++)
            matrix[i] /= 8;
        struct state states[] = {state_of_matrix(4, matrix), state_of_classes(TASK_MULTILABEL, 4, label),
                                 state_of_classes(TASK_BINARY, 1, label)};
        for (size_t i = 0; i < 3; i++) {
            for (size_t m = 0; m < metric_count(); m++) {
                struct metric_choice choice = {.metric = metric_at(m), .beta = 2};
                for (unsigned a = AVERAGE_MICRO; a <= AVERAGE_NONE; a++) {
                    double values[4];
                    choice.average = (enum average)a;
                    choice.arg = choice.metric->arg_names != NULL ? (int)random_below(&seed, 3) : 0;
                    if (metric_check(&choice, &states[i].shape, NULL, 0) != OK)
                        continue;
                    size_t n = metric_length(&choice, &states[i].shape);
                    cr_assert_eq(n,
                                 a == AVERAGE_NONE && choice.metric->averages != AVERAGES_NO_CHOICE && i < 2 ? 4 : 1);
                    cr_assert_eq(metric_compute(&choice, &states[i], NULL, values), OK);
                    for (size_t k = 0; k < n; k++)
                        cr_assert(isnan(values[k]) || (values[k] >= choice.metric->low - 1e-12 &&
                                                       values[k] <= choice.metric->high + 1e-12),
                                  "%s: %.17g", choice.metric->name, values[k]);
                }
            }
            state_release(&states[i]);
        }
    }
}

Test(metric, perplexity_is_read_off_a_weighted_mean)
{
    struct batch_content a = {.shape = {.form = FORM_MEAN}, .sum = 30, .weight = 20}, b = a, huge = a;
    b.sum = 2;
    b.weight = 12;
    huge.sum = 1e6;
    huge.weight = 1;
    struct state s = state_of(&a);
    add_content(&s, &b, 0);
    cr_assert_float_eq(value_of("perplexity", &s), exp(1), 1e-14);
    add_content(&s, &huge, 0);
    cr_assert(isnan(value_of("perplexity", &s)), "beyond the doubles");
    state_clear(&s);
    cr_assert(isnan(value_of("perplexity", &s)));
    state_release(&s);
}

Test(metric, exact_match_is_a_share_and_a_proportion)
{
    struct batch_content a = {.shape = {.form = FORM_EXACT}, .correct = 3, .total = 5};
    struct state s = state_of(&a);
    struct metric_choice choice = choice_of("exact_match");
    int64_t k, n;
    add_content(&s, &a, 0);
    cr_assert(value_of("exact_match", &s) == 0.6 && state_primary(&s) == 0.6);
    cr_assert(metric_proportion(&choice, &s, 0, &k, &n) && k == 6 && n == 10);
    state_clear(&s);
    cr_assert(value_of("exact_match", &s) == 0, "nothing: 0, as torchmetrics");
    cr_assert(metric_proportion(&choice, &s, 0, &k, &n) && k == 0 && n == 0);
    state_release(&s);
}

/* ---- proportions ---- */

Test(metric, proportions_are_known_only_where_they_are_of_samples)
{
    static const int64_t MATRIX[] = {7, 1, 0, 2, 5, 3, 0, 0, 4};
    static const struct class_counts BINARY = {.tp = 5, .fp = 1, .fn = 2, .tn = 8},
                                     LABELS[] = {{1, 2, 3, 4}, {4, 3, 2, 1}};
    struct state m = state_of_matrix(3, MATRIX), b = state_of_classes(TASK_BINARY, 1, &BINARY);
    struct state l = state_of_classes(TASK_MULTILABEL, 2, LABELS), t = state_of_totals(TASK_MULTICLASS, 16, 22);
    const struct {
        const char *selector;
        const struct state *s;
        size_t index;
        int64_t k, n; /* n = -1: none */
    } ROWS[] = {
        {"accuracy", &m, 0, 16, 22},
        {"recall", &m, 0, 16, 22},
        {"precision", &m, 0, 16, 22},
        {"f1", &m, 0, 16, 22},
        {"hamming", &m, 0, 6, 22},
        {"accuracy", &t, 0, 16, 22},
        {"f1", &t, 0, 16, 22},
        {"hamming", &t, 0, 6, 22},
        {"accuracy.macro", &t, 0, 0, -1},
        {"specificity", &m, 0, 0, -1},
        {"npv", &m, 0, 0, -1},
        {"jaccard", &m, 0, 0, -1},
        {"accuracy.macro", &m, 0, 0, -1},
        {"recall.weighted", &m, 0, 0, -1},
        {"mcc", &m, 0, 0, -1},
        {"kappa", &m, 0, 0, -1},
        {"balanced_accuracy", &m, 0, 0, -1},
        {"recall.none", &m, 1, 5, 10},
        {"accuracy.none", &m, 1, 5, 10},
        {"precision.none", &m, 2, 4, 7},
        {"specificity.none", &m, 1, 11, 12},
        {"npv.none", &m, 1, 11, 16},
        {"hamming.none", &m, 1, 5, 10},
        {"f1.none", &m, 1, 0, -1},
        {"recall.none", &m, 3, 0, -1},
        {"accuracy", &b, 0, 13, 16},
        {"accuracy.macro", &b, 0, 13, 16},
        {"precision", &b, 0, 5, 6},
        {"recall", &b, 0, 5, 7},
        {"specificity", &b, 0, 8, 9},
        {"npv", &b, 0, 8, 10},
        {"hamming", &b, 0, 3, 16},
        {"f1", &b, 0, 0, -1},
        {"accuracy", &l, 0, 0, -1},
        {"accuracy.none", &l, 1, 5, 10},
        {"recall.none", &l, 0, 1, 4},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct metric_choice choice = choice_of(ROWS[i].selector);
        int64_t k = -1, n = -1;
        bool is_known = metric_proportion(&choice, ROWS[i].s, ROWS[i].index, &k, &n);
        cr_assert(is_known == (ROWS[i].n >= 0) && n == ROWS[i].n && (!is_known || k == ROWS[i].k),
                  "row %zu, %s: %ld of %ld", i, ROWS[i].selector, (long)k, (long)n);
    }
    state_release(&m);
    state_release(&b);
    state_release(&l);
    state_release(&t);
}
