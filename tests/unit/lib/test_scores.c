/*
 * Score histograms: areas and curves against their definitions, and the edges.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "curve.h"
#include "support.h"

enum { T = 11, C = 4 };

/* Dense pos and neg of one class, as [T][2]. */
static struct state binary_state(uint32_t n_thresholds, const int64_t (*bins)[2])
{
    struct score_entry entries[T];
    for (uint32_t i = 0; i < n_thresholds; i++)
        entries[i] = (struct score_entry){0, i, bins[i][0], bins[i][1]};
    struct batch_content content = {
        .shape = {FORM_SCORES, TASK_BINARY, 1, n_thresholds}, .scores = entries, .n_scores = n_thresholds};
    return state_of(&content);
}

/* docs/metrics.md, section 5: scores 1, 1, .2, .1 with targets 1, 0, 1, 0. */
Test(scores, no_point_is_added_at_the_origin)
{
    static const int64_t BINS[5][2] = {{1, 1}, {0, 0}, {0, 0}, {0, 0}, {1, 1}};
    struct state s = binary_state(5, BINS);
    cr_assert_float_eq(value_of("auroc", &s), 0.375, 1e-15);
    cr_assert_float_eq(value_of("average_precision", &s), 0.5, 1e-15);
    state_release(&s);
}

Test(scores, classes_without_positives_or_negatives_have_no_area)
{
    static const struct {
        int64_t bins[3][2];
        double auroc, average_precision;
    } ROWS[] = {
        {{{0, 0}, {0, 0}, {0, 0}}, 0, 0},
        {{{3, 0}, {2, 0}, {0, 0}}, 0, 1},
        {{{0, 5}, {0, 0}, {0, 1}}, 0, 0},
        {{{0, 4}, {4, 0}, {0, 0}}, 1, 1},
        {{{4, 0}, {0, 4}, {0, 0}}, 0, 0.5},
        {{{INT64_C(1) << 60, INT64_C(1) << 60}, {INT64_C(1) << 60, INT64_C(1) << 60}, {0, 0}}, 0.5, 0.5},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct state s = binary_state(3, ROWS[i].bins);
        cr_assert_float_eq(value_of("auroc", &s), ROWS[i].auroc, 1e-15, "row %zu", i);
        cr_assert_float_eq(value_of("average_precision", &s), ROWS[i].average_precision, 1e-15, "row %zu", i);
        state_release(&s);
    }
}

/* ---- against the definitions, sample by sample ---- */

struct sample {
    uint32_t bin;
    bool is_positive;
};

struct slow {
    double tpr[T], fpr[T], precision[T], recall[T], auroc, average_precision;
    int64_t positives, negatives;
};

static struct slow slow_curve(const struct sample *samples, size_t n)
{
    struct slow c = {.positives = 0};
    for (size_t i = 0; i < n; i++)
        *(samples[i].is_positive ? &c.positives : &c.negatives) += 1;
    for (uint32_t i = 0; i < T; i++) {
        double tp = 0, fp = 0;
        for (size_t k = 0; k < n; k++) {
            if (samples[k].bin >= T - 1 - i)
                *(samples[k].is_positive ? &tp : &fp) += 1;
        }
        c.tpr[i] = c.recall[i] = c.positives > 0 ? tp / (double)c.positives : 0;
        c.fpr[i] = c.negatives > 0 ? fp / (double)c.negatives : 0;
        c.precision[i] = tp + fp > 0 ? tp / (tp + fp) : 0;
        c.auroc += i > 0 ? (c.fpr[i] - c.fpr[i - 1]) * (c.tpr[i] + c.tpr[i - 1]) / 2 : 0;
        c.average_precision += (c.recall[i] - (i > 0 ? c.recall[i - 1] : 0)) * c.precision[i];
    }
    return c;
}

static void compare_curve(const struct state *s, uint32_t index, const struct slow *want)
{
    double fpr[T], tpr[T], precision[T], recall[T];
    struct curve c = {.fpr = fpr, .tpr = tpr, .precision = precision, .recall = recall}, empty = {.fpr = NULL};
    cr_assert_eq(curve_points(s, index, &c), OK);
    cr_assert(c.positives == want->positives && c.negatives == want->negatives);
    cr_assert(curve_points(s, index, &empty) == OK && empty.positives == c.positives);
    for (uint32_t i = 0; i < T; i++)
        cr_assert(fpr[i] == want->fpr[i] && tpr[i] == want->tpr[i] && precision[i] == want->precision[i] &&
                      recall[i] == want->recall[i],
                  "class %u, point %u", index, i);
}

Test(scores, areas_and_curves_are_those_of_their_samples)
{
    enum { N = 60 };
    uint64_t seed = 51;
    for (size_t round = 0; round < 200; round++) {
        struct sample samples[C + 1][N * C];
        struct state s;
        struct shape shape = {FORM_SCORES, round % 2 ? TASK_MULTILABEL : TASK_MULTICLASS, C, T};
        struct score_entry entries[C * T] = {{0}};
        size_t n = random_below(&seed, N), n_all = 0;
        for (uint32_t i = 0; i < C * T; i++)
            entries[i] = (struct score_entry){i / T, i % T, 0, 0};
        for (size_t k = 0; k < C; k++) {
            for (size_t i = 0; i < n; i++) {
                struct sample one = {(uint32_t)random_below(&seed, T), random_below(&seed, 3) < k};
                samples[k][i] = samples[C][n_all++] = one;
                struct score_entry *e = &entries[k * T + one.bin];
                *(one.is_positive ? &e->pos : &e->neg) += 1;
            }
        }
        struct batch_content content = {.shape = shape, .scores = entries, .n_scores = C * T};
        s = state_of(&content);
        double macro[2] = {0}, weighted[2] = {0}, none[2][C], positives = 0;
        struct metric_choice each[] = {choice_of("auroc.none"), choice_of("average_precision.none")};
        cr_assert_eq(metric_compute(&each[0], &s, NULL, none[0]), OK);
        cr_assert_eq(metric_compute(&each[1], &s, NULL, none[1]), OK);
        for (uint32_t k = 0; k < C; k++) {
            struct slow want = slow_curve(samples[k], n);
            compare_curve(&s, k, &want);
            cr_assert_float_eq(none[0][k], want.positives > 0 && want.negatives > 0 ? want.auroc : 0, 1e-12);
            cr_assert_float_eq(none[1][k], want.average_precision, 1e-12);
            for (size_t m = 0; m < 2; m++) {
                macro[m] += none[m][k] / C;
                weighted[m] += none[m][k] * (double)want.positives;
            }
            positives += (double)want.positives;
        }
        cr_assert_float_eq(value_of("auroc", &s), macro[0], 1e-12);
        cr_assert_float_eq(value_of("average_precision", &s), macro[1], 1e-12);
        cr_assert_float_eq(value_of("auroc.weighted", &s), positives > 0 ? weighted[0] / positives : 0, 1e-12);
        if (shape.task == TASK_MULTILABEL) {
            struct slow want = slow_curve(samples[C], n_all);
            compare_curve(&s, CURVE_MICRO, &want);
            cr_assert_float_eq(value_of("average_precision.micro", &s), want.average_precision, 1e-12);
        }
        state_release(&s);
    }
}

Test(scores, curves_of_what_is_not_there_are_refused)
{
    struct shape scores = {FORM_SCORES, TASK_MULTICLASS, 3, 5}, totals = {FORM_TOTALS, TASK_MULTICLASS, 3, 0};
    struct state s, other;
    struct curve c = {.positives = 77};
    cr_assert_eq(state_init(&s, &scores, false, plain_memory()), OK);
    cr_assert_eq(state_init(&other, &totals, false, plain_memory()), OK);
    cr_assert_eq(curve_points(&s, 3, &c), ERR_RANGE);
    cr_assert_eq(curve_points(&s, CURVE_MICRO, &c), ERR_RANGE);
    cr_assert_eq(curve_points(&other, 0, &c), ERR_NEED);
    cr_assert_eq(c.positives, 77);
    cr_assert(curve_points(&s, 2, &c) == OK && c.positives == 0);
    cr_assert(curve_threshold(5, 0) == 1 && curve_threshold(5, 1) == 0.75 && curve_threshold(5, 4) == 0);
    state_release(&s);
    state_release(&other);
}

/* ---- bytes ---- */

struct seen {
    struct score_entry entries[8];
    size_t n, stop_at;
};

static int see(void *context, const struct score_entry *entry)
{
    struct seen *seen = context;
    if (seen->n == seen->stop_at)
        return ERR_FULL;
    seen->entries[seen->n++] = *entry;
    return OK;
}

Test(scores, packed_entries_come_back_in_order)
{
    struct score_entry entries[] = {{2, 10, 5, 0}, {0, 3, 0, 7}, {1, 0, 0, 0}, {0, 0, 300, 1}};
    static const struct score_entry WANT[] = {{0, 0, 300, 1}, {0, 3, 0, 7}, {2, 10, 5, 0}};
    struct batch_content content = {.shape = {FORM_SCORES, TASK_MULTICLASS, 3, T}, .scores = entries, .n_scores = 4};
    struct bytes packed = pack_batch(&content);
    struct seen seen = {.stop_at = 8};
    cr_assert_eq(packed_scores(packed.data, packed.size, see, &seen), OK);
    cr_assert(seen.n == 3 && memcmp(seen.entries, WANT, sizeof WANT) == 0);
    seen = (struct seen){.stop_at = 2};
    cr_assert(packed_scores(packed.data, packed.size, see, &seen) == ERR_FULL && seen.n == 2);
    seen = (struct seen){.stop_at = 8};
    cr_assert(packed_scores(packed.data, packed.size - 1, see, &seen) == ERR_CORRUPT && seen.n == 0);
    cr_assert_eq(packed_calibration(packed.data, packed.size, NULL, NULL), ERR_SHAPE);
    bytes_free(&packed);
}

Test(scores, what_is_no_histogram_is_refused)
{
    struct score_entry outside[] = {{3, 0, 1, 1}}, beyond[] = {{0, T, 1, 1}}, negative[] = {{0, 0, -1, 1}},
                       negative_neg[] = {{0, 0, 1, -1}}, twice[] = {{1, 2, 1, 1}, {0, 0, 1, 1}, {1, 2, 0, 0}},
                       too_much[] = {{0, 0, INT64_MAX, 0}, {1, 0, 0, 1}};
    const struct {
        const char *name;
        struct score_entry *entries;
        size_t n;
        int status;
    } ROWS[] = {
        {"class outside", outside, 1, ERR_RANGE}, {"bin outside", beyond, 1, ERR_RANGE},
        {"negative pos", negative, 1, ERR_RANGE}, {"negative neg", negative_neg, 1, ERR_RANGE},
        {"a bin twice", twice, 3, ERR_RANGE},     {"sums overflow", too_much, 2, ERR_OVERFLOW},
        {"no entries at all", NULL, 0, OK},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct batch_content content = {
            .shape = {FORM_SCORES, TASK_MULTICLASS, 3, T}, .scores = ROWS[i].entries, .n_scores = ROWS[i].n};
        uint8_t out[64];
        size_t size;
        cr_assert_eq(batch_pack(&content, out, sizeof out, &size), ROWS[i].status, "%s", ROWS[i].name);
    }
}
