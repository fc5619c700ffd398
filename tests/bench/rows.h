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
    ROWS_TEXT_MAX = 640 /* bytes of one record in any format, newline included */
};

enum rows_format {
    ROWS_TALLY, /* JSON */
    ROWS_LINE,  /* InfluxDB's line protocol, one line and one point a batch: what VictoriaMetrics takes too */
    ROWS_PUSH   /* Prometheus text for the Pushgateway, which keeps the newest only */
};

/* How much of a batch is logged. */
enum rows_content { ROWS_COUNTS, ROWS_COUNTS_LOSS, ROWS_TOTALS };

struct row_content {
    int tp[ROWS_CLASSES], fp[ROWS_CLASSES], fn[ROWS_CLASSES];
    int correct;
    double loss;              /* the sum over the batch */
    char text[ROWS_TEXT_MAX]; /* what of a record does not depend on its place, in the format chosen */
    size_t text_size;
};

/* The n-th batch of a connection: its rank stays, its step is n. */
struct row_place {
    int64_t rank, n, steps_per_epoch;
};

/** Fill the variants.  The same on every call. */
void rows_make(struct row_content out[ROWS_VARIANTS], enum rows_format format, enum rows_content content);

/** The variant that stands at a place. */
unsigned rows_variant(const struct row_place *place);

/**
 * Write one record without a newline; returns its bytes.  out holds ROWS_TEXT_MAX and the run's name.
 * rows_write is for variants made as ROWS_TALLY, rows_write_line for ROWS_LINE: its point lies n ms after
 * first_ms.  A ROWS_PUSH record is the variant's text as it stands.
 */
size_t rows_write(char *out, const struct row_content *variants, const struct row_place *place);
size_t rows_write_line(char *out, const struct row_content *variants, const struct row_place *place, const char *run,
                       int64_t first_ms);

#endif
