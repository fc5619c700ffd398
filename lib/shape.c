/*
 * Shapes, their names and the place of a batch.
 */
#include <string.h>

#include "state_parts.h"

static const int64_t POSITION_MAX = (INT64_C(1) << 53) - 1;
enum { RANK_MAX = 65535 };

static const char *const TASK_NAMES[] = {
    [TASK_MULTICLASS] = "multiclass",
    [TASK_BINARY] = "binary",
    [TASK_MULTILABEL] = "multilabel",
};
enum { N_TASKS = sizeof TASK_NAMES / sizeof *TASK_NAMES };

static const char *const FORM_NAMES[] = {
    [FORM_TOTALS] = "totals", [FORM_CLASSES] = "classes",       [FORM_CONFUSION] = "confusion",
    [FORM_MEAN] = "mean",     [FORM_SCORES] = "scores",         [FORM_CALIBRATION] = "calibration",
    [FORM_EXACT] = "exact",   [FORM_REGRESSION] = "regression",
};
enum { N_FORMS = sizeof FORM_NAMES / sizeof *FORM_NAMES };

static const char *const KIND_NAMES[] = {
    [KIND_COUNTS] = "counts", [KIND_SCORES] = "scores",         [KIND_CALIBRATION] = "calibration",
    [KIND_EXACT] = "exact",   [KIND_REGRESSION] = "regression", [KIND_MEAN] = "mean",
};
enum { N_KINDS = sizeof KIND_NAMES / sizeof *KIND_NAMES };

/* ---- names and shapes ---- */

const char *task_name(enum task task)
{
    return (size_t)task < N_TASKS ? TASK_NAMES[task] : NULL;
}

const char *form_name(enum form form)
{
    return (size_t)form < N_FORMS ? FORM_NAMES[form] : NULL;
}

const char *kind_name(enum kind kind)
{
    return (size_t)kind < N_KINDS ? KIND_NAMES[kind] : NULL;
}

enum kind form_kind(enum form form)
{
    switch (form) {
    case FORM_TOTALS:
    case FORM_CLASSES:
    case FORM_CONFUSION:
        break;
    case FORM_MEAN:
        return KIND_MEAN;
    case FORM_SCORES:
        return KIND_SCORES;
    case FORM_CALIBRATION:
        return KIND_CALIBRATION;
    case FORM_EXACT:
        return KIND_EXACT;
    case FORM_REGRESSION:
        return KIND_REGRESSION;
    }
    return KIND_COUNTS;
}

static bool name_find(const char *const *names, size_t n, const char *name, size_t length, size_t *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool task_from_name(const char *name, size_t length, enum task *out)
{
    size_t i;
    if (!name_find(TASK_NAMES, N_TASKS, name, length, &i))
        return false;
    *out = (enum task)i;
    return true;
}

bool form_from_name(const char *name, size_t length, enum form *out)
{
    size_t i;
    if (!name_find(FORM_NAMES, N_FORMS, name, length, &i))
        return false;
    *out = (enum form)i;
    return true;
}

static bool counts_shape_is_valid(const struct shape *shape)
{
    if (shape->num_classes == 0)
        return shape->form == FORM_TOTALS;
    if (shape->task == TASK_BINARY)
        return shape->num_classes == 1;
    if (shape->task == TASK_MULTILABEL && shape->form == FORM_CONFUSION)
        return false; /* labels do not exclude each other: there is no one matrix */
    return shape->num_classes <= STATE_CLASSES_MAX;
}

static bool scores_shape_is_valid(const struct shape *shape)
{
    if (shape->bins < STATE_THRESHOLDS_MIN || shape->bins > STATE_THRESHOLDS_MAX)
        return false;
    if (shape->task == TASK_BINARY)
        return shape->num_classes == 1;
    return shape->num_classes >= 1 && shape->num_classes <= STATE_CLASSES_MAX &&
           (uint64_t)shape->num_classes * shape->bins <= STATE_SCORE_CELLS_MAX;
}

bool shape_is_valid(const struct shape *shape)
{
    if ((size_t)shape->form >= N_FORMS || (size_t)shape->task >= N_TASKS)
        return false;
    if (shape->form == FORM_SCORES)
        return scores_shape_is_valid(shape);
    if (shape->form == FORM_CALIBRATION)
        return shape->num_classes == 0 && shape->bins >= 1 && shape->bins <= STATE_BINS_MAX;
    if (shape->bins != 0)
        return false;
    if (form_kind(shape->form) == KIND_COUNTS)
        return counts_shape_is_valid(shape);
    return shape->task == TASK_MULTICLASS && shape->num_classes == 0;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    return a->form == b->form && a->task == b->task && a->num_classes == b->num_classes && a->bins == b->bins;
}

bool shape_has_cells(const struct shape *shape)
{
    return shape->form == FORM_CONFUSION && shape->task == TASK_MULTICLASS;
}

bool shape_has_tn(const struct shape *shape)
{
    return shape->task != TASK_MULTICLASS;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int batch_key_compare(const struct batch_key *a, const struct batch_key *b)
{
    int order = compare(a->epoch, b->epoch);
    if (order == 0)
        order = compare(a->step, b->step);
    return order != 0 ? order : compare(a->rank, b->rank);
}

bool key_is_valid(const struct batch_key *key)
{
    return key->epoch >= 0 && key->epoch <= POSITION_MAX && key->step >= 0 && key->step <= POSITION_MAX &&
           key->rank >= 0 && key->rank <= RANK_MAX;
}
