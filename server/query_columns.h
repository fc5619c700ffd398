#ifndef QUERY_COLUMNS_H
#define QUERY_COLUMNS_H

#include "query.h"
#include "run_view.h"

/**
 * Columns of the runs list: `stage/selector@last|best|min|max|<epoch>` (a number), or `config.path`.
 * In the place of a selector, `epoch` is the epoch's own number and `samples` its samples, both of the
 * stage's main series (else its first): what a table shows beside a value.  They win over a weighted
 * mean of the same name (then write `epoch:mean`).
 */
enum column_fact { COLUMN_VALUE /* none: the selector's value */, COLUMN_FACT_EPOCH, COLUMN_FACT_SAMPLES };
enum column_which { COLUMN_LAST, COLUMN_BEST, COLUMN_MIN, COLUMN_MAX, COLUMN_EPOCH };

struct column {
    const char *text; /* as sent: the key in answers */
    bool is_config;
    const char *path;          /* is_config: without "config." */
    char stage[STAGE_MAX + 1]; /* !is_config, as all below */
    enum column_fact fact;
    struct selector selector; /* COLUMN_VALUE */
    enum column_which which;
    int64_t epoch; /* COLUMN_EPOCH */
};

enum { COLUMNS_MAX = 64 };

/**
 * column_parse(text, length, arena, out, why, why_size): read one column.
 * Returns OK; ERR_SYNTAX with one sentence in why; ERR_MEMORY.
 */
int column_parse(const char *text, size_t length, struct arena *arena, struct column *out, char *why, size_t why_size);

/** columns_parse(q, out, n, p): the columns of ?columns=, each once; n = 0 where it was not sent.  PROBLEM_INVALID at ?columns. */
int columns_parse(struct request *q, struct column **out, size_t *n, struct problem *p);

/**
 * column_value(q, c, view, arena, out, p): a column of a run; of the row a metric needs run and stages only.
 * Nothing where the run lacks the stage,
 * the series, the epoch, or what the metric needs.  best is the greatest or smallest epoch value, as
 * the metric is better (a weighted mean: the smallest; epoch and
 * samples: the greatest).  Texts are in the arena.
 */
int column_value(struct request *q, const struct column *c, struct run_view *view, struct arena *arena,
                 struct run_value *out, struct problem *p);

#endif
