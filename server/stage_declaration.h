#ifndef STAGE_DECLARATION_H
#define STAGE_DECLARATION_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "metric.h"
#include "problem.h"

/** What a run's `stages` declares of one stage: what counts cannot tell. */
struct stage_declaration {
    const char *const *class_names; /* [n_class_names], in the arena; NULL: not declared */
    size_t n_class_names;
    int64_t dataset_size; /* -1: not declared */
    int64_t world_size;   /* -1 */
    int64_t ignore_index; /* -1: none, or outside the classes */
    int64_t top_k;        /* k of the predictions that the client counted; -1: not declared, which means 1 */
};

/** stage_declaration_get(stages, stage, arena, out, p): stages is run_row.stages (NULL: nothing declared). */
int stage_declaration_get(const char *stages, const char *stage, struct arena *arena, struct stage_declaration *out,
                          struct problem *p);

/** What the metrics of the stage have to know of it; zero_division is 0, as torchmetrics has it. */
struct metric_options stage_metric_options(const struct stage_declaration *declaration);

#endif
