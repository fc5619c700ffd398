/** Names, not numbers, tell the metrics: a catalogue of a later version may have another order.  Pure but for the buffer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "seal_means.h"

enum { N_CAUSES = 4 };

static bool is_kept(const struct metric *metric)
{
    static const char *const COUNTS[] = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "kappa"};

    if (metric->kind != KIND_COUNTS)
        return metric->argument != METRIC_ARGUMENT_BETA;
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++)
        if (strcmp(metric->name, COUNTS[i]) == 0)
            return true;
    return false;
}

bool seal_means_key(const struct query_metric *m, char *out)
{
    const struct metric_choice *choice = &m->selector.choice;
    bool has_average = choice->metric != NULL && choice->metric->averages != AVERAGES_NO_CHOICE &&
                       m->series->shape.task != TASK_BINARY;

    if (m->selector.is_mean || !is_kept(choice->metric) || choice->arg != 0 ||
        (has_average && choice->average == AVERAGE_NONE))
        return false;
    snprintf(out, SEAL_KEY_MAX, "%s%s%s", choice->metric->name, has_average ? "." : "",
             has_average ? average_name(choice->average) : "");
    return true;
}

static void add_metric(const struct series_row *series, const struct metric *metric, enum average average,
                       struct query_metric *out, size_t *n)
{
    struct query_metric m = {.series = series, .length = 1};

    m.selector.choice = (struct metric_choice){.metric = metric, .average = average, .beta = 1};
    if (*n == SEAL_MEANS_MAX || metric_check(&m.selector.choice, &series->shape, NULL, 0) != OK ||
        !seal_means_key(&m, m.selector.text))
        return;
    out[(*n)++] = m;
}

size_t seal_means_list(const struct series_row *series, struct query_metric *out)
{
    bool is_binary = series->shape.task == TASK_BINARY;
    size_t n = 0;

    for (size_t i = 0; i < metric_count(); i++) {
        const struct metric *metric = metric_at(i);
        if (metric->kind != form_kind(series->shape.form))
            continue;
        if (metric->averages == AVERAGES_NO_CHOICE || is_binary) {
            add_metric(series, metric, metric->average_default, out, &n);
            continue;
        }
        for (int average = AVERAGE_MICRO; average < AVERAGE_NONE; average++)
            if ((metric->averages & (1U << average)) != 0)
                add_metric(series, metric, (enum average)average, out, &n);
    }
    return n;
}

/* ---- packed ---- */

static void add_double(struct buffer *out, double value)
{
    uint8_t bytes[8];
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    buffer_add(out, bytes, sizeof bytes);
}

static double get_double(const uint8_t *bytes)
{
    uint64_t bits = 0;
    double value;

    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    memcpy(&value, &bits, sizeof value);
    return value;
}

void seal_means_add(struct buffer *out, const struct seal_mean *mean)
{
    const double values[1 + N_CAUSES] = {mean->value, mean->gap.value, mean->gap.absent_classes, mean->gap.class_mix,
                                         mean->gap.batch_size};
    uint8_t n = mean->has_gap ? 1 + N_CAUSES : 1;

    buffer_add(out, &n, 1);
    buffer_add(out, mean->key, strlen(mean->key) + 1);
    for (uint8_t i = 0; i < n; i++)
        add_double(out, values[i]);
}

bool seal_means_next(const uint8_t *data, size_t size, size_t *at, struct seal_mean *out)
{
    if (*at >= size)
        return false;
    size_t n = data[*at], left = size - *at - 1;
    const uint8_t *key = data + *at + 1, *end = memchr(key, 0, left < SEAL_KEY_MAX ? left : SEAL_KEY_MAX);
    if ((n != 1 && n != 1 + N_CAUSES) || end == NULL || left - (size_t)(end + 1 - key) < 8 * n)
        return false;
    const uint8_t *values = end + 1;
    memset(out, 0, sizeof *out);
    memcpy(out->key, key, (size_t)(end - key));
    out->value = get_double(values);
    out->has_gap = n > 1;
    if (out->has_gap)
        out->gap = (struct gap_causes){.value = get_double(values + 8),
                                       .absent_classes = get_double(values + 16),
                                       .class_mix = get_double(values + 24),
                                       .batch_size = get_double(values + 32)};
    *at = (size_t)(values - data) + 8 * n;
    return true;
}

bool seal_means_find(const struct seal_row *seal, const struct query_metric *m, const struct metric_options *options,
                     struct seal_mean *out)
{
    char key[SEAL_KEY_MAX];
    size_t at = 0;

    /* other options would have given other values of the steps */
    if (!seal_means_key(m, key) || seal->ignore_index != options->ignore_index || seal->top_k != options->top_k ||
        (options->zero_division != 0 && m->selector.choice.metric->zero_division))
        return false;
    while (seal_means_next(seal->means, seal->means_size, &at, out))
        if (strcmp(out->key, key) == 0)
            return true;
    return false;
}
