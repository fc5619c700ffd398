/*
 * Metrics of the whole matrix: balanced accuracy, MCC and kappa, their edges and their large products.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"

Test(metric_matrix, balanced_accuracy_averages_over_target_classes_only)
{
    /* class 2 was never a target and once a prediction */
    static const int64_t MATRIX[] = {3, 1, 0, 0, 1, 1, 0, 0, 0};
    struct state s = state_of_matrix(3, MATRIX);
    cr_assert_eq(value_of("balanced_accuracy", &s), (0.75 + 0.5) / 2);
    cr_assert_float_eq(value_of("accuracy.macro", &s), (0.75 + 0.5 + 0) / 3, 1e-15);
    state_release(&s);
    static const struct class_counts BINARY = {.tp = 3, .fn = 1, .tn = 1, .fp = 1}, POSITIVE = {.tp = 3, .fn = 1};
    s = state_of_classes(TASK_BINARY, 1, &BINARY);
    cr_assert_eq(value_of("balanced_accuracy", &s), (0.75 + 0.5) / 2);
    state_release(&s);
    s = state_of_classes(TASK_BINARY, 1, &POSITIVE);
    cr_assert_eq(value_of("balanced_accuracy", &s), 0.75);
    state_release(&s);
    s = empty_state(FORM_CLASSES, TASK_BINARY, 1);
    cr_assert(isnan(value_of("balanced_accuracy", &s)));
    state_release(&s);
}

Test(metric_matrix, mcc_follows_its_edge_rules)
{
    static const struct {
        struct class_counts counts;
        double mcc, kappa;
    } ROWS[] = {
        {{0}, 0, NAN},
        {{.tp = 4}, 1, NAN},
        {{.tp = 2, .tn = 3}, 1, 1},
        {{.fp = 2, .fn = 3}, -1, -12.0 / 13},
        {{.fn = 3}, -1, 0},
        {{.tp = 90, .fp = 10}, 80 / (sqrt(100) * sqrt(900)), 0}, /* 0.2667: one class predicted */
        {{.tn = 50, .fn = 50}, 0, 0},
        {{.tp = 6, .fp = 1, .fn = 2, .tn = 3},
         (18.0 - 2) / sqrt(7.0 * 8 * 4 * 5),
         1 - 2 * (3.0 * 12) / (2 * 144 - 2 * (7.0 * 8 + 4 * 5))},
        {{.tp = INT64_MAX / 4, .fp = INT64_MAX / 4, .fn = INT64_MAX / 4, .tn = INT64_MAX / 4}, 0, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const struct class_counts *k = &ROWS[i].counts;
        const struct class_counts two[] = {{.tp = k->tn, .fp = k->fn, .fn = k->fp},
                                           {.tp = k->tp, .fp = k->fp, .fn = k->fn}};
        struct state binary = state_of_classes(TASK_BINARY, 1, k),
                     multiclass = state_of_classes(TASK_MULTICLASS, 2, two);
        struct state *both[] = {&binary, &multiclass};
        for (size_t n = 0; n < 2; n++) {
            double mcc = value_of("mcc", both[n]), kappa = value_of("kappa", both[n]);
            cr_assert_float_eq(mcc, ROWS[i].mcc, 1e-15, "row %zu: mcc %.17g", i, mcc);
            cr_assert(isnan(ROWS[i].kappa) ? isnan(kappa) : fabs(kappa - ROWS[i].kappa) < 1e-15, "row %zu: kappa %.17g",
                      i, kappa);
            cr_assert(isnan(kappa) || kappa == value_of("kappa@linear", both[n]));
            state_release(both[n]);
        }
    }
}

Test(metric_matrix, products_of_large_counts_are_exact)
{
    static const struct {
        int64_t n;
        double mcc;
    } ROWS[] = {{1000000000, 0.7205766894830871}, {1000000000000, 0.7205766921202523}};
    for (size_t i = 0; i < 2; i++) {
        const int64_t matrix[] = {ROWS[i].n, 3, 1, 2, 5, 0, 1, 0, 4};
        struct state s = state_of_matrix(3, matrix);
        double mcc = value_of("mcc", &s);
        cr_assert_float_eq(mcc, ROWS[i].mcc, 1e-14, "%.17g", mcc);
        state_release(&s);
    }
    /* at the end of the counts nothing overflows */
    const int64_t most = INT64_MAX / 9;
    const int64_t even[] = {most, most, most, most, most, most, most, most, most};
    struct state s = state_of_matrix(3, even);
    static const char *const ZERO[] = {"mcc", "kappa", "kappa@linear", "kappa@quadratic"};
    for (size_t i = 0; i < sizeof ZERO / sizeof *ZERO; i++)
        cr_assert_float_eq(value_of(ZERO[i], &s), 0, 1e-15, "%s", ZERO[i]);
    cr_assert_float_eq(value_of("f1.macro", &s), 1.0 / 3, 1e-15);
    cr_assert_float_eq(value_of("specificity", &s), 2.0 / 3, 1e-15);
    state_release(&s);
}

/* The weighted kappas against their definition, cell by cell. */
Test(metric_matrix, weighted_kappa_equals_its_definition)
{
    uint64_t seed = 17;
    for (size_t round = 0; round < 200; round++) {
        uint32_t c = 3 + (uint32_t)random_below(&seed, 6);
        int64_t matrix[64] = {0};
        for (size_t i = 0; i < 20; i++)
            matrix[random_below(&seed, c * c)] += (int64_t)random_below(&seed, 50);
        double t[8] = {0}, p[8] = {0}, n = 0;
        for (uint32_t i = 0; i < c * c; i++) {
            t[i / c] += (double)matrix[i];
            p[i % c] += (double)matrix[i];
            n += (double)matrix[i];
        }
        struct state s = state_of_matrix(c, matrix);
        for (int power = 0; power <= 2; power++) {
            double observed = 0, chance = 0;
            for (uint32_t i = 0; i < c; i++) {
                for (uint32_t j = 0; j < c; j++) {
                    double w = power == 0 ? i != j : pow(fabs((double)i - j), power);
                    observed += w * (double)matrix[i * c + j];
                    chance += w * t[i] * p[j];
                }
            }
            double got = value_of(power == 0 ? "kappa" : power == 1 ? "kappa@linear" : "kappa@quadratic", &s);
            cr_assert_float_eq(got, 1 - n * observed / chance, 1e-12, "round %zu power %d: %.17g", round, power, got);
        }
        state_release(&s);
    }
    int64_t one_class[9] = {0, 0, 0, 0, 8, 0, 0, 0, 0};
    struct state s = state_of_matrix(3, one_class);
    cr_assert(isnan(value_of("kappa", &s)) && isnan(value_of("kappa@linear", &s)) &&
              isnan(value_of("kappa@quadratic", &s)));
    state_release(&s);
}

Test(metric_matrix, class_counts_of_no_matrix_have_no_mcc_and_no_kappa)
{
    /* samples without a prediction: fn without fp */
    static const struct class_counts COUNTS[] = {{.tp = 3, .fn = 2}, {.tp = 4, .fn = 1}, {.tp = 5, .fp = 1}};
    struct state s = state_of_classes(TASK_MULTICLASS, 3, COUNTS);
    cr_assert(isnan(value_of("mcc", &s)) && isnan(value_of("kappa", &s)));
    cr_assert_eq(value_of("recall", &s), 12.0 / 15);
    cr_assert_eq(value_of("precision", &s), 12.0 / 13);
    int64_t k, n;
    struct metric_choice f1 = choice_of("f1"), accuracy = choice_of("accuracy");
    cr_assert(!metric_proportion(&f1, &s, 0, &k, &n));
    cr_assert(metric_proportion(&accuracy, &s, 0, &k, &n) && k == 12 && n == 15);
    state_release(&s);
}
