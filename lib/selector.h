#ifndef SELECTOR_H
#define SELECTOR_H

#include <stddef.h>

#include "metric.h"

/**
 * A selector names one value to ask for: `metric[@arg][.average]` of the metric's default series (main; for
 * perplexity nll), `name:metric...` of another series of the metric's kind, or a weighted mean `loss`, `loss:min|max|last|sum|mean`.
 * The catalogue wins over a weighted mean of the same name.
 */
enum mean_field { MEAN_MEAN, MEAN_MIN, MEAN_MAX, MEAN_LAST, MEAN_SUM };

enum { SERIES_NAME_MAX = 128, SELECTOR_TEXT_MAX = 320 };

struct selector {
    char text[SELECTOR_TEXT_MAX];     /* as sent, NUL-terminated: the key in answers */
    char series[SERIES_NAME_MAX + 1]; /* the metric's default where none was named */
    bool is_mean;
    struct metric_choice choice; /* !is_mean */
    enum mean_field field;       /* is_mean */
};

/**
 * selector_parse(text, length, out, why, why_size): read one selector.
 *
 * A word that is in the catalogue is a metric of main; `x:word` is the field of a weighted mean if
 * word is min, max, last, sum or mean, else a metric of the series x; any other single word that is a
 * legal series name is a weighted mean (whether it exists is for the caller to find out).
 * The average is the last dotted part: fbeta@0.5.macro.
 * why      one sentence on failure: what is wrong and what there is.
 * Returns  OK; ERR_SYNTAX (empty, too long, illegal character); ERR_UNKNOWN (x:word with an unknown
 *          metric; an average or argument that the metric lacks or needs; `accuracy.foo`).
 */
int selector_parse(const char *text, size_t length, struct selector *out, char *why, size_t why_size);

/** series_name_is_valid(name, length): [A-Za-z0-9][A-Za-z0-9._/-]{0,127}. */
bool series_name_is_valid(const char *name, size_t length);

#endif
