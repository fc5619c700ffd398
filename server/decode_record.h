#ifndef DECODE_RECORD_H
#define DECODE_RECORD_H

#include "decode_states.h"
#include "json_reader.h"
#include "server_limits.h"
#include "record.h"
#include "state.h"

enum { DECODER_BINARY_CLASSES = 2 /* of a binary matrix: 0 negative, 1 positive */ };

/**
 * Private to the decoding of records (decode_*.c but decode_run.c): what one record said, as it was
 * read.  Fields come in any order, so nothing is judged before the record ends
 * but what a field tells by itself.
 */
enum record_field {
    FIELD_STAGE,
    FIELD_EPOCH,
    FIELD_STEP,
    FIELD_RANK,
    FIELD_CORRECT,
    FIELD_TOTAL,
    FIELD_TP,
    FIELD_FP,
    FIELD_FN,
    FIELD_TN,
    FIELD_CONFUSION,
    FIELD_NUM_CLASSES,
    FIELD_CELLS,
    FIELD_CLASSES,
    FIELD_SAMPLES,
    FIELD_TASK,
    FIELD_NAME,
    FIELD_SCORES,
    FIELD_CALIBRATION,
    FIELD_EXACT,
    FIELD_REGRESSION,
    FIELD_SUMS,
    FIELD_VALUES,
    FIELD_ATTEMPT,
    FIELD_TIME,
    RECORD_FIELDS
};

/* An entry of sums or values. */
struct scalar {
    struct json_slice name;
    bool is_value; /* of values, not of sums */
    bool nonfinite, has_range;
    double sum, weight, min, max;
};

/**
 * Memory: what outlives the decoding is in arena, all else in scratch, which is kept from record to
 * record and given back at the end.
 */
struct decoder {
    struct json_reader r; /* its arena is scratch */
    const struct limits *limits;
    struct arena *arena;
    struct arena scratch;

    /* the record being read: a bit for each field it has, and their values */
    uint64_t seen;
    struct json_slice stage, name, attempt;
    struct batch_key key;
    int64_t time;
    enum task task;
    int64_t correct, total, samples, num_classes;
    struct json_counts lists[4]; /* tp, fp, fn, tn */
    struct json_counts row;      /* of a dense matrix */
    size_t n_rows;
    struct cell *cells; /* as sent; of a dense matrix only those that are not 0 */
    size_t n_cells, cap_cells;
    struct class_entry *entries; /* as sent */
    size_t n_entries, cap_entries;
    struct scores_read scores;
    struct calibration_read calibration;
    int64_t exact[2]; /* correct, total */
    struct regression_content regression;
    struct scalar *scalars;
    size_t n_scalars, cap_scalars;

    uint32_t *places; /* of each class in entries, valid for this record: see classes_are_distinct() */
    size_t cap_places;
    uint8_t *packed;
    size_t cap_packed;

    struct record *records;
    size_t n_records, cap_records;
    size_t n_measures, bytes; /* of all records so far */
};

/** The name of a field, with its slash: "/tp". */
const char *record_field_pointer(enum record_field field);

static inline bool has_field(const struct decoder *d, enum record_field field)
{
    return (d->seen >> field & 1) != 0;
}

/** decoder_room(d, array, cap, n, size): the array (in scratch, cap elements of size), with room for element
 *  n.  NULL: no memory, the old one is as it was. */
void *decoder_room(struct decoder *d, void *array, size_t *cap, size_t n, size_t size);
int decoder_no_memory(struct decoder *d);

/* ---- decode_list.c ---- */

/** decoder_tuple(d, what, n, n_indices, out): an item of n counts of which the first n_indices are classes. */
int decoder_tuple(struct decoder *d, const char *what, size_t n, size_t n_indices, int64_t *out);
/** decoder_repeated(d, keys, n, place): where a key stands that stood before; 0: nowhere. */
int decoder_repeated(struct decoder *d, const uint64_t *keys, size_t n, size_t *place);

/* Problems of the record as a whole; the place is the field's, or below it: "/cells/3/1". */
int decoder_missing(struct decoder *d, enum record_field field, const char *why);
int decoder_invalid_item(struct decoder *d, enum record_field field, size_t i, const char *inner, const char *text);
int decoder_overflow(struct decoder *d, enum record_field field);

/* ---- decode_matrix.c, decode_classes.c ---- */

int read_confusion(struct decoder *d);
int read_cells(struct decoder *d);
int read_classes(struct decoder *d);
int finish_matrix(struct decoder *d, struct batch_content *content, enum record_field field);
int finish_lists(struct decoder *d, struct batch_content *content);
int finish_classes(struct decoder *d, struct batch_content *content);
bool decoder_put_entry(struct decoder *d, size_t place, uint32_t index, struct class_counts counts);

/* ---- decode_counts.c ---- */

/** Does the record have counts, or, without any state, a field that speaks of them? */
bool has_counts(const struct decoder *d);
/** Does it have a state beside or instead of them? */
bool has_states(const struct decoder *d);
/** counts_classes(d, seen, shape): num_classes, from what the data say (0: nothing), what the record says, and
 *  the task. */
int counts_classes(struct decoder *d, size_t seen, struct shape *shape);
/** Judge the counts at the end of the record.  content borrows from scratch; field: where they came from. */
int finish_counts(struct decoder *d, struct batch_content *content, int64_t *samples, enum record_field *field);

/* ---- decode_scalars.c ---- */

int read_sums(struct decoder *d);
int read_values(struct decoder *d);
/** No two series of the record have the same name.  counts: that of the counts and states; text NULL: none. */
int scalars_are_distinct(struct decoder *d, struct json_slice counts);

/* ---- decode_measures.c ---- */

void decoder_copy_name(char *out, struct json_slice name); /* its length was checked */
int keep_measures(struct decoder *d, struct record *record);

#endif
