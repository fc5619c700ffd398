#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "selector.h"

Test(selector, metrics_read_as_written)
{
    static const struct {
        const char *text, *series, *metric;
        enum average average;
        double beta;
        int arg;
    } ROWS[] = {
        {"accuracy", "main", "accuracy", AVERAGE_MICRO, 1, 0},
        {"accuracy.macro", "main", "accuracy", AVERAGE_MACRO, 1, 0},
        {"f1.weighted", "main", "f1", AVERAGE_WEIGHTED, 1, 0},
        {"recall.none", "main", "recall", AVERAGE_NONE, 1, 0},
        {"fbeta@2", "main", "fbeta", AVERAGE_MICRO, 2, 0},
        {"fbeta@2.macro", "main", "fbeta", AVERAGE_MACRO, 2, 0},
        {"fbeta@0.5", "main", "fbeta", AVERAGE_MICRO, 0.5, 0},
        {"fbeta@0.5.macro", "main", "fbeta", AVERAGE_MACRO, 0.5, 0},
        {"fbeta@1e-1.none", "main", "fbeta", AVERAGE_NONE, 0.1, 0},
        {"kappa", "main", "kappa", AVERAGE_MICRO, 1, 0},
        {"kappa@none", "main", "kappa", AVERAGE_MICRO, 1, 0},
        {"kappa@linear", "main", "kappa", AVERAGE_MICRO, 1, 1},
        {"kappa@quadratic", "main", "kappa", AVERAGE_MICRO, 1, 2},
        {"mcc", "main", "mcc", AVERAGE_MICRO, 1, 0},
        {"balanced_accuracy", "main", "balanced_accuracy", AVERAGE_MICRO, 1, 0},
        {"parity:f1.macro", "parity", "f1", AVERAGE_MACRO, 1, 0},
        {"a/b.c-d_e:fbeta@0.5.macro", "a/b.c-d_e", "fbeta", AVERAGE_MACRO, 0.5, 0},
        {"accuracy:accuracy", "accuracy", "accuracy", AVERAGE_MICRO, 1, 0},
        {"auroc", "main", "auroc", AVERAGE_MACRO, 1, 0},
        {"auroc.none", "main", "auroc", AVERAGE_NONE, 1, 0},
        {"teacher:average_precision.weighted", "teacher", "average_precision", AVERAGE_WEIGHTED, 1, 0},
        {"ece", "main", "ece", AVERAGE_MICRO, 1, 0},
        {"ece@l2", "main", "ece", AVERAGE_MICRO, 1, 1},
        {"ece@max", "main", "ece", AVERAGE_MICRO, 1, 2},
        {"exact_match", "main", "exact_match", AVERAGE_MICRO, 1, 0},
        {"perplexity", "nll", "perplexity", AVERAGE_MICRO, 1, 0},
        {"x/nll:perplexity", "x/nll", "perplexity", AVERAGE_MICRO, 1, 0},
        {"concordance", "main", "concordance", AVERAGE_MICRO, 1, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct selector s;
        char why[512] = "untouched";
        int status = selector_parse(ROWS[i].text, strlen(ROWS[i].text), &s, why, sizeof why);
        cr_assert_eq(status, OK, "%s: %s", ROWS[i].text, why);
        cr_assert_str_eq(why, "untouched");
        cr_assert(!s.is_mean, "%s", ROWS[i].text);
        cr_assert_str_eq(s.text, ROWS[i].text);
        cr_assert_str_eq(s.series, ROWS[i].series);
        cr_assert_str_eq(s.choice.metric->name, ROWS[i].metric);
        cr_assert(s.choice.average == ROWS[i].average && s.choice.beta == ROWS[i].beta && s.choice.arg == ROWS[i].arg,
                  "%s", ROWS[i].text);
    }
}

Test(selector, other_words_are_weighted_means)
{
    static const struct {
        const char *text, *series;
        enum mean_field field;
    } ROWS[] = {
        {"loss", "loss", MEAN_MEAN},
        {"loss:mean", "loss", MEAN_MEAN},
        {"loss:min", "loss", MEAN_MIN},
        {"loss:max", "loss", MEAN_MAX},
        {"loss:last", "loss", MEAN_LAST},
        {"loss:sum", "loss", MEAN_SUM},
        {"a/loss:last", "a/loss", MEAN_LAST},
        {"loss.v2", "loss.v2", MEAN_MEAN},
        {"accuracy:mean", "accuracy", MEAN_MEAN},
        {"Accuracy", "Accuracy", MEAN_MEAN},
        {"accuracy2", "accuracy2", MEAN_MEAN},
        {"mean", "mean", MEAN_MEAN},
        {"accuracy.top5:mean", "accuracy.top5", MEAN_MEAN},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct selector s;
        char why[512] = "";
        int status = selector_parse(ROWS[i].text, strlen(ROWS[i].text), &s, why, sizeof why);
        cr_assert_eq(status, OK, "%s: %s", ROWS[i].text, why);
        cr_assert(s.is_mean && s.field == ROWS[i].field, "%s", ROWS[i].text);
        cr_assert_str_eq(s.series, ROWS[i].series);
        cr_assert_str_eq(s.text, ROWS[i].text);
    }
}

Test(selector, refusals_say_what_is_wrong_and_what_there_is)
{
    static const struct {
        const char *text;
        int status;
        const char *says;
    } ROWS[] = {
        {"", ERR_SYNTAX, "empty"},
        {"a b", ERR_SYNTAX, "character 2"},
        {"loss\xff", ERR_SYNTAX, "character 5"},
        {"accuracy,f1", ERR_SYNTAX, "character 9"},
        {".loss", ERR_SYNTAX, "no series name"},
        {"-x", ERR_SYNTAX, "no series name"},
        {":f1", ERR_SYNTAX, "no series name"},
        {"loss:", ERR_SYNTAX, "series:metric"},
        {"a:b:c", ERR_SYNTAX, "series:metric"},
        {"loss+", ERR_SYNTAX, "no series name"},
        {"x:nosuch", ERR_UNKNOWN, "no metric \"nosuch\"; there are accuracy, balanced_accuracy, precision"},
        {"nosuch@2", ERR_UNKNOWN, "no metric \"nosuch\""},
        {"accuracy.foo", ERR_UNKNOWN, "no average \"foo\"; it has micro, macro, weighted, none"},
        {"accuracy.", ERR_UNKNOWN, "no average \"\""},
        {"accuracy.macro.micro", ERR_UNKNOWN, "no average \"macro.micro\""},
        {"accuracy@2", ERR_UNKNOWN, "takes no argument"},
        {"mcc.macro", ERR_UNKNOWN, "one value"},
        {"kappa@linear.macro", ERR_UNKNOWN, "one value"},
        {"kappa@cubic", ERR_UNKNOWN, "it has none, linear, quadratic"},
        {"fbeta", ERR_UNKNOWN, "fbeta@0.5.macro"},
        {"fbeta.macro", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@0", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@-1", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@1e999", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@1e-999", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@0x2", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@inf", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@nan", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@1e", ERR_UNKNOWN, "beta above 0"},
        {"fbeta@0.5.foo", ERR_UNKNOWN, "no average \"foo\""},
        {"fbeta@2.", ERR_UNKNOWN, "no average \"\""},
        {"fbeta@.macro", ERR_UNKNOWN, "beta above 0"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct selector s = {.text = "untouched"};
        char why[512] = "";
        int status = selector_parse(ROWS[i].text, strlen(ROWS[i].text), &s, why, sizeof why);
        cr_assert_eq(status, ROWS[i].status, "%s: status %d: %s", ROWS[i].text, status, why);
        cr_assert(strstr(why, ROWS[i].says) != NULL, "%s: %s", ROWS[i].text, why);
        cr_assert_str_eq(s.text, "untouched");
        /* a small buffer, or none, is fine */
        char little[8];
        cr_assert_eq(selector_parse(ROWS[i].text, strlen(ROWS[i].text), &s, little, sizeof little), status);
        cr_assert_lt(strlen(little), sizeof little);
        cr_assert_eq(selector_parse(ROWS[i].text, strlen(ROWS[i].text), &s, NULL, 0), status);
    }
}

Test(selector, lengths_are_bounded_and_the_text_need_not_end_in_nul)
{
    char text[SELECTOR_TEXT_MAX + 1], why[512];
    struct selector s;
    memset(text, 'a', sizeof text);
    cr_assert_eq(selector_parse(text, SERIES_NAME_MAX, &s, why, sizeof why), OK);
    cr_assert_eq(strlen(s.series), (size_t)SERIES_NAME_MAX);
    cr_assert_eq(selector_parse(text, SERIES_NAME_MAX + 1, &s, why, sizeof why), ERR_SYNTAX);
    cr_assert_eq(selector_parse(text, SELECTOR_TEXT_MAX, &s, why, sizeof why), ERR_SYNTAX);
    cr_assert_eq(selector_parse("f1.macro,loss", 8, &s, why, sizeof why), OK);
    cr_assert_str_eq(s.text, "f1.macro");
    /* every metric of the catalogue reads back under every average it has */
    for (size_t i = 0; i < metric_count(); i++) {
        const struct metric *m = metric_at(i);
        for (unsigned a = AVERAGE_MICRO; a <= AVERAGE_NONE; a++) {
            int n = snprintf(text, sizeof text, "%s%s.%s", m->name, m->argument == METRIC_ARGUMENT_BETA ? "@3" : "",
                             average_name((enum average)a));
            int status = selector_parse(text, (size_t)n, &s, why, sizeof why);
            cr_assert_eq(status, m->averages & (1U << a) ? OK : ERR_UNKNOWN, "%s: %s", text, why);
        }
    }
}
