#ifndef METRIC_H
#define METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

/**
 * The catalogue: every metric as one row of one table.  The HTTP catalogue, the documentation's list
 * and the page's menu are made from it.
 */
enum average { AVERAGE_MICRO = 0, AVERAGE_MACRO = 1, AVERAGE_WEIGHTED = 2, AVERAGE_NONE = 3 };
enum { AVERAGES_ALL = 0xf, AVERAGES_NO_CHOICE = 0 }; /* bit 1 << enum average */

enum metric_argument {
    METRIC_ARGUMENT_NONE, /* no @arg */
    METRIC_ARGUMENT_BETA, /* @ a finite number > 0 (needed) */
    METRIC_ARGUMENT_NAME  /* @ one of arg_names (optional) */
};

/* What a metric reads of a state of its kind.  Other kinds than counts are read whole: NEED_TOTALS.  Each need includes those that the form of a state satisfies:
   totals: NEED_TOTALS; classes: that and NEED_CLASSES; confusion: that and NEED_CELLS. */
enum metric_need { NEED_TOTALS, NEED_CLASSES, NEED_CELLS };

struct metric_options {
    int64_t ignore_index; /* -1: none.  Only jaccard needs it at compute time. */
    double zero_division; /* the value of a 0/0 where the metric has the rule; 0 by default */
    int64_t top_k;        /* k of the predictions that the client counted; 0 and 1 mean the same.  Above 1 the
                             multiclass macro mean of accuracy, precision, recall and npv is over the
                             classes with targets, as torchmetrics has it. */
};

struct metric {
    const char *name;  /* torchmetrics' word, snake_case */
    const char *title; /* for people: "F1 score" */
    enum metric_argument argument;
    const char *const *arg_names; /* METRIC_ARGUMENT_NAME: NULL-terminated */
    unsigned averages;            /* bits of enum average; AVERAGES_NO_CHOICE: the metric has one value */
    enum average average_default;
    double low, high; /* the range of its values; infinities where open */
    bool higher_is_better;
    bool proportion;            /* micro (or a class's) value is a proportion of samples: has an interval */
    const char *formula;        /* one line for people */
    enum kind kind;             /* of the series it reads: KIND_COUNTS for most */
    const char *series_default; /* the series a selector means that names none: "main" */
    bool zero_division;         /* 0/0 is options.zero_division */
};

size_t metric_count(void);
const struct metric *metric_at(size_t index); /* NULL past the end; the table's order is the menu's order */
const struct metric *metric_find(const char *name, size_t length); /* NULL if there is none */

const char *average_name(enum average average); /* "micro", ... */
bool average_from_name(const char *name, size_t length, enum average *out);

/* A metric with its choices made: what a selector names. */
struct metric_choice {
    const struct metric *metric;
    enum average average; /* the default if the metric has no choice */
    double beta;          /* METRIC_ARGUMENT_BETA */
    int arg;              /* METRIC_ARGUMENT_NAME: index into arg_names, 0 by default */
};

/**
 * metric_need(choice, shape): what the metric reads of a state of this shape.  accuracy needs only
 * totals where the average is micro (or the task binary).
 */
enum metric_need metric_need(const struct metric_choice *choice, const struct shape *shape);

/**
 * metric_check(choice, shape, text, text_size): can a state of this shape give this metric?
 *
 * shape    of any kind: another than the metric's is refused.
 * text     on failure: one sentence that names the field a client would have to send.
 * Returns  OK; ERR_NEED.
 */
int metric_check(const struct metric_choice *choice, const struct shape *shape, char *text, size_t text_size);

/** kind_noun(kind), kind_field(kind): for sentences: "score histograms", and what a client sends to have them:
 *  "scores (thresholds, pos and neg)". */
const char *kind_noun(enum kind kind);
const char *kind_field(enum kind kind);

/**
 * metric_length(choice, shape): how many values metric_compute writes: num_classes for AVERAGE_NONE
 * of a multiclass or multilabel state, else 1 (binary ignores the average).
 */
size_t metric_length(const struct metric_choice *choice, const struct shape *shape);

/**
 * metric_compute(choice, s, options, out): the metric of a state.
 *
 * s        of the metric's kind; with cells where metric_need() says NEED_CELLS.  Cells settle.
 * options  NULL for the defaults.
 * out      double[metric_length()].  NAN where the metric is undefined, or where it leaves
 *          the doubles (perplexity, explained variance); never elsewhere, and never infinite.
 * Returns  OK; ERR_NEED; ERR_MEMORY.
 * Formulas docs/metrics.md, section 3; they are those of torchmetrics 1.9.0, with its edge rules.
 * Merging  Exact: computed once from summed counts.
 * Cost     O(num_classes), or O(cells) for NEED_CELLS; O(num_classes * bins) for scores and calibration; no
 *          allocation but for cells settling.
 */
int metric_compute(const struct metric_choice *choice, struct state *s, const struct metric_options *options,
                   double *out);

/**
 * metric_proportion(choice, s, index, k, n): the proportion behind a value, for its interval.
 * Micro accuracy (and hamming, precision, recall, f1, which equal it or its complement, only where
 * that is a proportion of samples), or one class's (index) precision, recall, specificity, npv,
 * accuracy under AVERAGE_NONE; binary likewise; exact_match.
 * Returns  true and sets k <= n; false where no interval is known to be right (macro, weighted, F1
 *          of classes, MCC, ...).
 */
bool metric_proportion(const struct metric_choice *choice, const struct state *s, size_t index, int64_t *k, int64_t *n);

#endif
