/*
 * Selectors: the text that names a value, read into choices.
 *
 * A text that is refused says what there is, because the reader of the error typed it by hand.  Only
 * characters that a selector may contain are echoed.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selector.h"

/* A piece of the text. */
struct piece {
    const char *at;
    size_t length;
};

struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 3, 4))) static int complain(const struct complaint *why, int status, const char *format,
                                                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (why->size > 0)
        vsnprintf(why->text, why->size, format, arguments);
    va_end(arguments);
    return status;
}

/* Not isalnum(): it depends on the locale. */
static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

bool series_name_is_valid(const char *name, size_t length)
{
    if (length == 0 || length > SERIES_NAME_MAX || !is_alphanumeric(name[0]))
        return false;
    for (size_t i = 1; i < length; i++) {
        if (!is_alphanumeric(name[i]) && !is_one_of(name[i], "._/-"))
            return false;
    }
    return true;
}

static size_t find_char(struct piece p, const char *set)
{
    size_t i = 0;
    while (i < p.length && !is_one_of(p.at[i], set))
        i++;
    return i;
}

static bool piece_is(struct piece p, const char *word)
{
    return strlen(word) == p.length && memcmp(p.at, word, p.length) == 0;
}

/* ---- lists for the errors ---- */

enum { LIST_MAX = 512 };

static void list_add(char list[LIST_MAX], const char *word)
{
    size_t used = strlen(list);
    snprintf(list + used, LIST_MAX - used, "%s%s", used > 0 ? ", " : "", word);
}

static int complain_metric(const struct complaint *why, struct piece name)
{
    char list[LIST_MAX] = "";
    for (size_t i = 0; i < metric_count(); i++)
        list_add(list, metric_at(i)->name);
    return complain(why, ERR_UNKNOWN, "there is no metric \"%.*s\"; there are %s", (int)name.length, name.at, list);
}

static int complain_average(const struct complaint *why, const struct metric *metric, struct piece average)
{
    if (metric->averages == AVERAGES_NO_CHOICE)
        return complain(why, ERR_UNKNOWN, "%s has one value and takes no average (\"%.*s\")", metric->name,
                        (int)average.length, average.at);
    char list[LIST_MAX] = "";
    for (unsigned i = AVERAGE_MICRO; i <= AVERAGE_NONE; i++) {
        if (metric->averages & (1U << i))
            list_add(list, average_name((enum average)i));
    }
    return complain(why, ERR_UNKNOWN, "%s has no average \"%.*s\"; it has %s", metric->name, (int)average.length,
                    average.at, list);
}

static int complain_argument(const struct complaint *why, const struct metric *metric, struct piece arg)
{
    if (metric->argument == METRIC_ARGUMENT_NONE)
        return complain(why, ERR_UNKNOWN, "%s takes no argument (\"@%.*s\")", metric->name, (int)arg.length, arg.at);
    if (metric->argument == METRIC_ARGUMENT_BETA)
        return complain(why, ERR_UNKNOWN, "%s needs a beta above 0, as in %s@2 or %s@0.5.macro", metric->name,
                        metric->name, metric->name);
    char list[LIST_MAX] = "";
    for (size_t i = 0; metric->arg_names[i] != NULL; i++)
        list_add(list, metric->arg_names[i]);
    return complain(why, ERR_UNKNOWN, "%s has no argument \"%.*s\"; it has %s", metric->name, (int)arg.length, arg.at,
                    list);
}

/* ---- parts ---- */

/* digits[.digits][e[+-]digits]: what strtod() reads beyond that (hex, inf, nan) is no beta. */
static bool beta_parse(struct piece arg, double *out)
{
    char text[32], *end;
    if (arg.length == 0 || arg.length >= sizeof text || !is_one_of(arg.at[0], "0123456789"))
        return false;
    for (size_t i = 0; i < arg.length; i++) {
        if (!is_one_of(arg.at[i], "0123456789.eE+-"))
            return false;
    }
    memcpy(text, arg.at, arg.length);
    text[arg.length] = '\0';
    double beta = strtod(text, &end);
    if (*end != '\0' || !isfinite(beta) || beta <= 0)
        return false;
    *out = beta;
    return true;
}

static bool argument_parse(struct piece arg, struct metric_choice *choice)
{
    const struct metric *metric = choice->metric;
    if (metric->argument == METRIC_ARGUMENT_BETA)
        return beta_parse(arg, &choice->beta);
    if (metric->argument == METRIC_ARGUMENT_NONE)
        return false;
    for (int i = 0; metric->arg_names[i] != NULL; i++) {
        if (piece_is(arg, metric->arg_names[i])) {
            choice->arg = i;
            return true;
        }
    }
    return false;
}

static bool is_average_of(const struct metric *metric, struct piece p, enum average *out)
{
    return average_from_name(p.at, p.length, out) && (metric->averages & (1U << *out));
}

/* What follows the metric's name: [@arg][.average], where arg may hold dots. */
static int choice_parse(const struct metric *metric, struct piece rest, struct metric_choice *out,
                        const struct complaint *why)
{
    struct metric_choice choice = {.metric = metric, .average = metric->average_default, .beta = 1};
    if (rest.length > 0 && rest.at[0] == '@') {
        struct piece arg = {rest.at + 1, rest.length - 1};
        size_t dot = arg.length;
        while (dot > 0 && arg.at[dot - 1] != '.')
            dot--;
        struct piece last = {arg.at + dot, arg.length - dot};
        /* the part after the last dot is the average, unless it is a fraction of the argument */
        if (dot > 0 && (last.length == 0 || !is_one_of(last.at[0], "0123456789"))) {
            if (!is_average_of(metric, last, &choice.average))
                return complain_average(why, metric, last);
            arg.length = dot - 1;
        }
        if (!argument_parse(arg, &choice))
            return complain_argument(why, metric, arg);
    } else {
        if (rest.length > 0) {
            struct piece average = {rest.at + 1, rest.length - 1};
            if (!is_average_of(metric, average, &choice.average))
                return complain_average(why, metric, average);
        }
        if (metric->argument == METRIC_ARGUMENT_BETA)
            return complain_argument(why, metric, (struct piece){rest.at, 0});
    }
    *out = choice;
    return OK;
}

static bool mean_field_parse(struct piece word, enum mean_field *out)
{
    static const char *const NAMES[] = {
        [MEAN_MEAN] = "mean", [MEAN_MIN] = "min", [MEAN_MAX] = "max", [MEAN_LAST] = "last", [MEAN_SUM] = "sum",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (piece_is(word, NAMES[i])) {
            *out = (enum mean_field)i;
            return true;
        }
    }
    return false;
}

/* ---- the whole ---- */

static int check_text(struct piece text, const struct complaint *why)
{
    if (text.length == 0)
        return complain(why, ERR_SYNTAX, "a selector is empty");
    if (text.length >= SELECTOR_TEXT_MAX)
        return complain(why, ERR_SYNTAX, "a selector has %zu characters, the most is %d", text.length,
                        SELECTOR_TEXT_MAX - 1);
    for (size_t i = 0; i < text.length; i++) {
        if (!is_alphanumeric(text.at[i]) && !is_one_of(text.at[i], "._/-@:+"))
            return complain(why, ERR_SYNTAX, "character %zu of a selector is none of letters, digits and . _ / - @ : +",
                            i + 1);
    }
    return OK;
}

static int complain_series(const struct complaint *why, struct piece name)
{
    return complain(
        why, ERR_SYNTAX,
        "\"%.*s\" is no series name: a letter or digit, then letters, digits and . _ / -, at most %d in all",
        (int)name.length, name.at, SERIES_NAME_MAX);
}

int selector_parse(const char *text, size_t length, struct selector *out, char *why_text, size_t why_size)
{
    const struct complaint why = {why_text, why_size};
    struct piece series = {"main", 4}, word = {text, length};
    struct selector s = {0};
    int status = check_text(word, &why);
    if (status != OK)
        return status;
    memcpy(s.text, text, length);

    size_t colon = find_char(word, ":");
    if (colon < length) {
        series = (struct piece){text, colon};
        word = (struct piece){text + colon + 1, length - colon - 1};
        if (!series_name_is_valid(series.at, series.length))
            return complain_series(&why, series);
        if (word.length == 0 || find_char(word, ":") < word.length)
            return complain(&why, ERR_SYNTAX, "\"%.*s\" is not of the form series:metric", (int)length, text);
        s.is_mean = mean_field_parse(word, &s.field);
    }
    if (!s.is_mean) {
        struct piece name = {word.at, find_char(word, "@.")};
        const struct metric *metric = metric_find(name.at, name.length);
        if (metric != NULL) {
            struct piece rest = {name.at + name.length, word.length - name.length};
            status = choice_parse(metric, rest, &s.choice, &why);
            if (status != OK)
                return status;
            if (colon == length)
                series = (struct piece){metric->series_default, strlen(metric->series_default)};
        } else if (colon < length || find_char(word, "@") < word.length) {
            return complain_metric(&why, name);
        } else {
            if (!series_name_is_valid(word.at, word.length))
                return complain_series(&why, word);
            s.is_mean = true;
            s.field = MEAN_MEAN;
            series = word;
        }
    }
    memcpy(s.series, series.at, series.length);
    *out = s;
    return OK;
}
