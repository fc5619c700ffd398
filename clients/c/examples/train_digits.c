/*
 * Train a real classifier on real data, and log every batch to tally.
 *
 *     train_digits DATA [EPOCHS]
 *
 * Softmax regression on 1,797 images of handwritten digits, 8 x 8 pixels (tests/data/README.md names their source).  Three stages: train
 * and val over shuffled data, test over data sorted by class, as a folder of images per class would give it.  As one of
 * several ranks (RANK, WORLD_SIZE) it takes every WORLD_SIZE-th sample of each stage, and trains on its own.
 *
 * At the end it prints what it counted itself, one line a stage and epoch: stage, epoch, right, samples.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tally.h"

enum { CLASSES = 10, PIXELS = 64, INPUTS = PIXELS + 1, SAMPLES_MAX = 2000, BATCH = 32 };
static const double RATE = 0.5;

struct sample {
    double x[INPUTS]; /* the last is 1: the bias */
    int32_t digit;
};

struct model {
    double weights[CLASSES][INPUTS];
};

static uint32_t random_below(uint32_t n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

static void shuffle(struct sample *samples, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = random_below((uint32_t)i);
        struct sample held = samples[i - 1];
        samples[i - 1] = samples[k];
        samples[k] = held;
    }
}

static int by_digit(const void *a, const void *b)
{
    return ((const struct sample *)a)->digit - ((const struct sample *)b)->digit;
}

static size_t read_digits(const char *path, struct sample *samples)
{
    char line[1024];
    size_t n = 0;
    gzFile file = gzopen(path, "rb");
    while (file != NULL && n < SAMPLES_MAX && gzgets(file, line, sizeof line) != NULL) {
        char *at = line;
        for (int i = 0; i < PIXELS; i++, at += *at == ',')
            samples[n].x[i] = strtod(at, &at) / 16;
        samples[n].x[PIXELS] = 1;
        samples[n++].digit = (int32_t)strtod(at, NULL);
    }
    if (file != NULL)
        gzclose(file);
    return n;
}

/* The probabilities of the classes; returns the best. */
static int32_t predict(const struct model *m, const double *x, double p[CLASSES])
{
    int32_t best = 0;
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) {
        p[c] = 0;
        for (int i = 0; i < INPUTS; i++)
            p[c] += m->weights[c][i] * x[i];
        if (p[c] > p[best])
            best = c;
    }
    double top = p[best];
    for (int c = 0; c < CLASSES; c++)
        sum += p[c] = exp(p[c] - top);
    for (int c = 0; c < CLASSES; c++)
        p[c] /= sum;
    return best;
}

/* One batch: its predictions and the sum of its losses, and one step of gradient descent after them where rate is not 0. */
static double batch(struct model *m, const struct sample *samples, size_t n, double rate, int32_t *predictions,
                    int32_t *targets)
{
    static double gradient[CLASSES][INPUTS];
    double loss = 0, p[CLASSES];
    memset(gradient, 0, sizeof gradient);
    for (size_t i = 0; i < n; i++) {
        predictions[i] = predict(m, samples[i].x, p);
        targets[i] = samples[i].digit;
        loss -= log(fmax(p[targets[i]], 1e-12));
        p[targets[i]] -= 1;
        for (int c = 0; c < CLASSES; c++) {
            for (int k = 0; k < INPUTS; k++)
                gradient[c][k] += p[c] * samples[i].x[k];
        }
    }
    for (int c = 0; c < CLASSES && rate > 0; c++) {
        for (int k = 0; k < INPUTS; k++)
            m->weights[c][k] -= rate / (double)n * gradient[c][k];
    }
    return loss;
}

/* Log a batch: its confusion matrix, and its loss as a sum and how many it is the sum of. */
static int64_t log_batch(struct tally *run, const char *stage, int64_t epoch, int64_t step, const int32_t *predictions,
                         const int32_t *targets, size_t n, double loss_sum)
{
    int64_t confusion[CLASSES * CLASSES] = {0};
    int64_t n_right = tally_count_labels(predictions, targets, n, CLASSES, TALLY_IGNORE_NONE, confusion);
    struct tally_mean loss = {0};
    loss.name = "loss";
    loss.sum = loss_sum;
    loss.weight = (double)n;
    struct tally_record record = {0};
    record.stage = stage;
    record.epoch = epoch;
    record.step = step;
    record.form = TALLY_CONFUSION;
    record.n_class = CLASSES;
    record.confusion = confusion;
    record.means = &loss;
    record.n_means = 1;
    tally_log(run, &record);
    return n_right;
}

struct set {
    const char *stage;
    struct sample *samples;
    size_t n;
    int64_t step; /* of the next batch; val and test start again in each epoch */
};

static void run_epoch(struct tally *run, struct model *m, struct set *set, int64_t epoch)
{
    int is_training = strcmp(set->stage, "train") == 0;
    int32_t predictions[BATCH], targets[BATCH];
    int64_t n_right = 0, step = is_training ? set->step : 0;
    if (is_training)
        shuffle(set->samples, set->n);
    for (size_t at = 0; at < set->n; at += BATCH, step++) {
        size_t n = set->n - at < BATCH ? set->n - at : BATCH; /* the last one is smaller */
        double loss = batch(m, set->samples + at, n, is_training ? RATE : 0, predictions, targets);
        n_right += log_batch(run, set->stage, epoch, step, predictions, targets, n, loss);
    }
    set->step = step;
    printf("%s %lld %lld %zu\n", set->stage, (long long)epoch, (long long)n_right, set->n);
}

static void declare(struct tally *run, const char *stage, size_t dataset_size)
{
    static const char *const names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    struct tally_stage declared = {0};
    declared.stage = stage;
    declared.class_names = names;
    declared.n_class = CLASSES;
    declared.dataset_size = (int64_t)dataset_size;
    tally_declare_stage(run, &declared);
}

/* The samples of this rank: every size-th. */
static size_t keep_own(struct sample *samples, size_t n, size_t rank, size_t size)
{
    size_t kept = 0;
    for (size_t i = rank; i < n; i += size)
        samples[kept++] = samples[i];
    return kept;
}

int main(int argc, char **argv)
{
    static struct sample samples[SAMPLES_MAX];
    static struct model model;
    const char *size = getenv("WORLD_SIZE");
    int64_t epochs = argc > 2 ? atoll(argv[2]) : 5;
    size_t n = argc > 1 ? read_digits(argv[1], samples) : 0;
    if (n < 1500) {
        fprintf(stderr, "usage: train_digits tests/data/digits.csv.gz [EPOCHS]\n");
        return 2;
    }
    shuffle(samples, n);
    struct set sets[] = {
        {"train", samples, 1100, 0}, {"val", samples + 1100, 300, 0}, {"test", samples + 1400, n - 1400, 0}};
    qsort(sets[2].samples, sets[2].n, sizeof *samples, by_digit); /* this is what makes the mean of the batches wrong */

    struct tally_options options = {0};
    struct tally *run;
    options.project = "digits";
    options.name = "softmax regression in C";
    options.config = "{\"model\":\"softmax\",\"lr\":0.5,\"batch\":32}";
    int error = tally_open(&options, &run);
    if (error != TALLY_OK)
        fprintf(stderr, "not logged: %s\n", tally_strerror(error));
    for (size_t i = 0; i < 3; i++) {
        declare(run, sets[i].stage, sets[i].n);
        sets[i].n =
            keep_own(sets[i].samples, sets[i].n, (size_t)tally_rank(run), size != NULL ? (size_t)atoi(size) : 1);
    }
    for (int64_t epoch = 0; epoch < epochs; epoch++) {
        for (size_t i = 0; i < 3; i++)
            run_epoch(run, &model, &sets[i], epoch);
    }
    int64_t n_left;
    error = tally_close(run, "finished", 10, &n_left);
    return error != TALLY_OK || n_left > 0;
}
