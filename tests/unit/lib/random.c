#include <math.h>
#include <string.h>

#include "random.h"

uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    return random_next(seed) % bound;
}

void shuffle(size_t *index, size_t n, uint64_t *seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below(seed, i);
        size_t swap = index[i - 1];
        index[i - 1] = index[j];
        index[j] = swap;
    }
}

int64_t random_count(uint64_t *seed, uint64_t bound)
{
    return (int64_t)random_below(seed, random_below(seed, 4) == 0 ? bound : bound < 4 ? bound : 4);
}

/* Doubles of all sizes, some of them short. */
static double random_double(uint64_t *seed)
{
    double x = ldexp((double)(random_next(seed) >> 11), -52 - (int)random_below(seed, 30));
    return random_below(seed, 3) == 0 ? floor(x * 64) / 64 : x;
}

static double random_signed(uint64_t *seed)
{
    double x = random_double(seed);
    return random_next(seed) & 1 ? x : -x;
}

static void random_entries(struct random_batch *b, const struct shape *shape, uint64_t *seed)
{
    struct class_entry *entries = b->entries;
    size_t n = 0;
    uint32_t index = (uint32_t)random_below(seed, shape->num_classes);
    while (n < RANDOM_ENTRIES && index < shape->num_classes) {
        struct class_counts k = {(int64_t)random_below(seed, 5), 0, (int64_t)random_below(seed, 3), 0};
        if (shape->task != TASK_MULTICLASS) {
            k.fp = (int64_t)random_below(seed, 300);
            k.tn = (int64_t)random_below(seed, 4);
        }
        entries[n++] = (struct class_entry){index, k};
        index += 1 + (uint32_t)random_below(seed, 1 + shape->num_classes / 8);
    }
    /* each wrong sample of one class is a false positive of another */
    for (size_t i = 0; n > 1 && shape->task == TASK_MULTICLASS && i < n; i++)
        entries[(i + 1) % n].counts.fp += entries[i].counts.fn;
    b->content.entries = entries;
    b->content.n_entries = n;
}

static void random_cells(struct random_batch *b, const struct shape *shape, uint64_t *seed)
{
    size_t n = 0, most = shape->num_classes < 8 ? 2 + 3 * shape->num_classes : RANDOM_CELLS;
    for (size_t i = 0; i < most; i++) {
        struct cell cell = {(uint32_t)random_below(seed, shape->num_classes),
                            (uint32_t)random_below(seed, shape->num_classes), (int64_t)random_below(seed, 4)};
        int is_new = 1;
        for (size_t k = 0; k < n; k++)
            is_new &= b->cells[k].target != cell.target || b->cells[k].predicted != cell.predicted;
        if (is_new)
            b->cells[n++] = cell;
    }
    b->content.cells = b->cells;
    b->content.n_cells = n;
}

static void random_mean(struct batch_content *content, uint64_t *seed)
{
    static const double WEIGHTS[] = {0, 1, 32, 0.25, 31.7, 1e-3};
    double loss = random_double(seed);
    content->weight = WEIGHTS[random_below(seed, 6)];
    content->sum = loss * content->weight;
    content->has_range = random_below(seed, 2) == 0;
    content->min = loss / 2;
    content->max = loss * 3;
    content->nonfinite = random_below(seed, 8) == 0;
}

/* Rising places with gaps, then out of order: batch_pack() sorts. */
static size_t random_places(uint32_t *place, size_t most, uint64_t n_places, uint64_t *seed)
{
    size_t n = 0;
    uint64_t at = random_below(seed, n_places);
    while (n < most && at < n_places) {
        place[n++] = (uint32_t)at;
        at += 1 + random_below(seed, 1 + n_places / 4);
    }
    for (size_t i = 0; i + 1 < n; i += 2 + random_below(seed, 3)) {
        uint32_t swap = place[i];
        place[i] = place[i + 1];
        place[i + 1] = swap;
    }
    return n;
}

static void random_scores(struct random_batch *b, const struct shape *shape, uint64_t *seed)
{
    uint32_t place[RANDOM_ENTRIES];
    size_t n = random_places(place, RANDOM_ENTRIES, (uint64_t)shape->num_classes * shape->bins, seed);
    for (size_t i = 0; i < n; i++)
        b->scores[i] = (struct score_entry){place[i] / shape->bins, place[i] % shape->bins, random_count(seed, 1000),
                                            random_count(seed, 1000000)};
    b->content.scores = b->scores;
    b->content.n_scores = n;
}

static void random_calibration(struct random_batch *b, const struct shape *shape, uint64_t *seed)
{
    uint32_t place[RANDOM_ENTRIES];
    size_t n = random_places(place, RANDOM_ENTRIES, (uint64_t)shape->bins + 1, seed);
    for (size_t i = 0; i < n; i++) {
        struct calibration_entry e = {.bin = place[i], .count = random_count(seed, 200)};
        e.correct = (int64_t)random_below(seed, (uint64_t)e.count + 1);
        e.confidence = random_double(seed) / 2 * (double)e.count;
        b->calibration[i] = e;
    }
    b->content.calibration = b->calibration;
    b->content.n_calibration = n;
}

static void random_regression(struct regression_content *c, uint64_t *seed)
{
    static const double OFFSETS[] = {0, 0, 1, 1e4, -1e8, 1e15};
    double offset = OFFSETS[random_below(seed, 6)];
    *c = (struct regression_content){.n = random_count(seed, 100000)};
    c->mean_target = random_signed(seed) + offset;
    c->mean_prediction = random_signed(seed) + offset;
    c->m2_target = random_double(seed) * (double)c->n;
    c->m2_prediction = random_double(seed) * (double)c->n;
    c->c = random_signed(seed) * sqrt(c->m2_target) * sqrt(c->m2_prediction) / 2;
    c->sum_error = random_signed(seed) * (double)c->n;
    c->sum_abs_error = random_double(seed) * (double)c->n;
    c->sum_squared_error = random_double(seed) * (double)c->n;
}

void random_batch(struct random_batch *out, const struct shape *shape, uint64_t *seed)
{
    struct batch_content *content = &out->content;
    memset(content, 0, sizeof *content);
    content->shape = *shape;
    switch (shape->form) {
    case FORM_TOTALS:
    case FORM_EXACT:
        content->total = random_count(seed, 1000);
        content->correct = (int64_t)random_below(seed, (uint64_t)content->total + 1);
        break;
    case FORM_CLASSES:
        random_entries(out, shape, seed);
        break;
    case FORM_CONFUSION:
        if (shape->task == TASK_MULTICLASS)
            random_cells(out, shape, seed);
        else
            random_entries(out, shape, seed);
        break;
    case FORM_MEAN:
        random_mean(content, seed);
        break;
    case FORM_SCORES:
        random_scores(out, shape, seed);
        break;
    case FORM_CALIBRATION:
        random_calibration(out, shape, seed);
        break;
    case FORM_REGRESSION:
        random_regression(&content->regression, seed);
        break;
    }
}
