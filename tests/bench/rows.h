#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

/**
 * The work of the benchmark: batches of 32 samples of a 10-class classifier that is right four times in
 * five.  The load generator sends them as JSON and the bare SQLite program inserts their packed states,
 * so both sides store the same rows.
 */
enum {
    ROWS_CLASSES = 10,
    ROWS_SAMPLES = 32,
    ROWS_VARIANTS = 64, /* contents that differ; they repeat after that */
    ROWS_TEXT_MAX = 320 /* bytes of one record as JSON, newline included */
};

struct row_content {
    int tp[ROWS_CLASSES], fp[ROWS_CLASSES], fn[ROWS_CLASSES];
    int correct;
    double loss; /* the sum over the batch */
    /* the record's JSON after the key: ,"tp":[...],"fp":[...],"fn":[...] and the closing brace */
    char text[ROWS_TEXT_MAX];
    size_t text_size;
};

/* The n-th batch of a connection: its rank stays, its step is n. */
struct row_place {
    int64_t rank, n, steps_per_epoch;
};

/** Fill the variants.  The same on every call.  with_loss: a weighted mean beside the counts. */
void rows_make(struct row_content out[ROWS_VARIANTS], int with_loss);

/** The variant that stands at a place. */
unsigned rows_variant(const struct row_place *place);

/** Write one record without a newline; returns its bytes.  out holds ROWS_TEXT_MAX. */
size_t rows_write(char *out, const struct row_content *variants, const struct row_place *place);

#endif
