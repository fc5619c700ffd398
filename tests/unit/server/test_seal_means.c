#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "seal_means.h"

static struct series_row counts_series(enum task task, enum form form, uint32_t num_classes)
{
    struct series_row row = {.name = "main", .shape = {.form = form, .task = task, .num_classes = num_classes}};
    return row;
}

static struct query_metric metric_of(const struct series_row *series, const char *text)
{
    struct query_metric m = {.series = series, .length = 1};
    char why[200];
    cr_assert_eq(selector_parse(text, strlen(text), &m.selector, why, sizeof why), OK, "%s: %s", text, why);
    return m;
}

static bool lists(const struct query_metric *metrics, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(metrics[i].selector.text, key) == 0)
            return true;
    return false;
}

Test(seal_means, every_average_that_is_one_number_is_kept_of_what_the_series_can_give)
{
    struct query_metric metrics[SEAL_MEANS_MAX];
    struct series_row matrix = counts_series(TASK_MULTICLASS, FORM_CONFUSION, 3);
    size_t n = seal_means_list(&matrix, metrics);
    static const char *const KEYS[] = {"accuracy.micro",
                                       "accuracy.macro",
                                       "accuracy.weighted",
                                       "balanced_accuracy",
                                       "precision.macro",
                                       "recall.weighted",
                                       "f1.micro",
                                       "mcc",
                                       "kappa"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        cr_assert(lists(metrics, n, KEYS[i]), "%s", KEYS[i]);
    cr_assert_not(lists(metrics, n, "accuracy.none"));
    cr_assert_not(lists(metrics, n, "specificity.macro"));

    struct series_row totals = counts_series(TASK_MULTICLASS, FORM_TOTALS, 0);
    n = seal_means_list(&totals, metrics);
    cr_assert(lists(metrics, n, "accuracy.micro"));
    cr_assert_not(lists(metrics, n, "accuracy.macro"), "totals cannot give it");

    struct series_row binary = counts_series(TASK_BINARY, FORM_CLASSES, 1);
    n = seal_means_list(&binary, metrics);
    cr_assert(lists(metrics, n, "f1"));
    cr_assert_not(lists(metrics, n, "f1.macro"), "binary has one value");
}

Test(seal_means, what_is_added_comes_back_and_is_found_under_every_way_to_say_it)
{
    struct series_row matrix = counts_series(TASK_MULTICLASS, FORM_CONFUSION, 3),
                      binary = counts_series(TASK_BINARY, FORM_CLASSES, 1);
    const struct metric_options options = {.ignore_index = -1, .top_k = 1};
    struct seal_mean gap = {.key = "accuracy.micro", .value = 0.1, .has_gap = true, .gap = {1e-300, -0.5, NAN, 3}},
                     f1 = {.key = "f1.macro", .value = NAN}, plain = {.key = "f1", .value = -0.0}, out;
    struct buffer b;
    buffer_init(&b);
    seal_means_add(&b, &gap);
    seal_means_add(&b, &f1);
    seal_means_add(&b, &plain);
    struct seal_row seal = {.ignore_index = -1, .top_k = 1, .means = (const uint8_t *)b.data, .means_size = b.size};

    struct query_metric m = metric_of(&matrix, "accuracy");
    cr_assert(seal_means_find(&seal, &m, &options, &out));
    cr_assert(out.value == 0.1 && out.has_gap && out.gap.value == 1e-300 && out.gap.absent_classes == -0.5 &&
              isnan(out.gap.class_mix) && out.gap.batch_size == 3);
    m = metric_of(&matrix, "accuracy.micro");
    cr_assert(seal_means_find(&seal, &m, &options, &out));
    m = metric_of(&matrix, "f1.macro");
    cr_assert(seal_means_find(&seal, &m, &options, &out) && isnan(out.value) && !out.has_gap);
    m = metric_of(&binary, "f1.weighted");
    cr_assert(seal_means_find(&seal, &m, &options, &out) && out.value == 0 && signbit(out.value));
    static const char *const NOT[] = {"f1.none",       "f1.weighted",  "recall.macro",
                                      "fbeta@1.macro", "kappa@linear", "loss"};
    for (size_t i = 0; i < sizeof NOT / sizeof NOT[0]; i++) {
        m = metric_of(&matrix, NOT[i]);
        cr_assert_not(seal_means_find(&seal, &m, &options, &out), "%s", NOT[i]);
    }
    buffer_release(&b);
}

Test(seal_means, other_options_than_those_of_the_seal_find_nothing)
{
    struct series_row matrix = counts_series(TASK_MULTICLASS, FORM_CONFUSION, 3);
    struct seal_mean accuracy = {.key = "accuracy.macro", .value = 1},
                     precision = {.key = "precision.macro", .value = 1}, out;
    struct buffer b;
    buffer_init(&b);
    seal_means_add(&b, &accuracy);
    seal_means_add(&b, &precision);
    struct seal_row seal = {.ignore_index = 2, .top_k = 5, .means = (const uint8_t *)b.data, .means_size = b.size};
    struct query_metric a = metric_of(&matrix, "accuracy.macro"), p = metric_of(&matrix, "precision.macro");
    struct metric_options options = {.ignore_index = 2, .top_k = 5};
    cr_assert(seal_means_find(&seal, &a, &options, &out) && seal_means_find(&seal, &p, &options, &out));
    options.zero_division = 1;
    cr_assert(seal_means_find(&seal, &a, &options, &out), "it has no such rule");
    cr_assert_not(seal_means_find(&seal, &p, &options, &out));
    options = (struct metric_options){.ignore_index = -1, .top_k = 5};
    cr_assert_not(seal_means_find(&seal, &a, &options, &out));
    options = (struct metric_options){.ignore_index = 2, .top_k = 1};
    cr_assert_not(seal_means_find(&seal, &a, &options, &out));
    buffer_release(&b);
}

Test(seal_means, damaged_bytes_end_the_list_and_are_not_read_past)
{
    struct seal_mean gap = {.key = "accuracy.micro", .value = 1, .has_gap = true}, out;
    struct buffer b;
    buffer_init(&b);
    seal_means_add(&b, &gap);
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *copy = malloc(size + 1); /* under the address sanitizer one byte too far shows */
        size_t at = 0;
        memcpy(copy, b.data, size);
        uint8_t *exact = realloc(copy, size > 0 ? size : 1);
        cr_assert_not(seal_means_next(exact, size, &at, &out), "%zu bytes", size);
        cr_assert(at == 0);
        free(exact);
    }
    b.data[0] = 2;
    size_t at = 0;
    cr_assert_not(seal_means_next((const uint8_t *)b.data, b.size, &at, &out), "there are 1 or 5 doubles");
    buffer_release(&b);
}
