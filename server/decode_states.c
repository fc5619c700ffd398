/*
 * "calibration", "exact" and "regression".  All are judged as they are read: of the rest of the record
 * they only need the task.
 */
#include <stdio.h>

#include "decode_record.h"

/* ---- calibration: reading ---- */

enum calibration_field { BINS, COUNT, CONFIDENCE, CORRECT, CELLS, CALIBRATION_FIELDS };

static const struct json_field CALIBRATION[CALIBRATION_FIELDS] = {
    [BINS] = JSON_FIELD("bins"),       [COUNT] = JSON_FIELD("count"), [CONFIDENCE] = JSON_FIELD("confidence"),
    [CORRECT] = JSON_FIELD("correct"), [CELLS] = JSON_FIELD("cells"),
};

static bool has(const struct calibration_read *c, enum calibration_field field)
{
    return (c->seen >> field & 1) != 0;
}

static int read_confidences(struct decoder *d)
{
    struct calibration_read *c = &d->calibration;
    int rc = json_reader_array(&d->r), more;
    c->n_confidence = 0;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        if (c->n_confidence > STATE_BINS_MAX)
            return json_reader_fail(&d->r, PROBLEM_INVALID, "", "more than %d bins", STATE_BINS_MAX + 1);
        double *room = decoder_room(d, c->confidence, &c->cap_confidence, c->n_confidence, sizeof *room);
        if (room == NULL)
            return decoder_no_memory(d);
        c->confidence = room;
        if ((rc = json_reader_double(&d->r, &room[c->n_confidence++])) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

static int add_cell(struct decoder *d, const struct calibration_entry *cell)
{
    struct calibration_read *c = &d->calibration;
    struct calibration_entry *cells = decoder_room(d, c->cells, &c->cap_cells, c->n_cells, sizeof *cells);
    if (cells == NULL)
        return decoder_no_memory(d);
    c->cells = cells;
    cells[c->n_cells++] = *cell;
    return OK;
}

/* [bin, count, confidence, correct] */
static int read_cell(struct decoder *d, struct calibration_entry *cell)
{
    static const char *const wanted = "expected [bin, count, confidence, correct]";
    struct json_reader *r = &d->r;
    int64_t bin = 0;
    int n = 0, rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (n == 4)
            return json_reader_fail(r, PROBLEM_INVALID, "", "%s", wanted);
        rc = n == 0   ? json_reader_int(r, 0, STATE_BINS_MAX, &bin)
             : n == 1 ? json_reader_int(r, 0, JSON_INT_MAX, &cell->count)
             : n == 2 ? json_reader_double(r, &cell->confidence)
                      : json_reader_int(r, 0, JSON_INT_MAX, &cell->correct);
        if (rc != OK)
            return rc;
        n++;
    }
    cell->bin = (uint32_t)bin;
    return more != JSON_END ? more : n == 4 ? OK : json_reader_fail(r, PROBLEM_INVALID, "", "%s", wanted);
}

static int read_calibration_cells(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        struct calibration_entry cell = {0};
        if ((rc = read_cell(d, &cell)) != OK || (rc = add_cell(d, &cell)) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

static int read_calibration_field(struct decoder *d, enum calibration_field field)
{
    struct calibration_read *c = &d->calibration;
    switch (field) {
    case BINS:
        return json_reader_int(&d->r, 1, STATE_BINS_MAX, &c->bins);
    case COUNT:
        return json_reader_counts(&d->r, &c->count, STATE_BINS_MAX + 1, "bins");
    case CORRECT:
        return json_reader_counts(&d->r, &c->correct, STATE_BINS_MAX + 1, "bins");
    case CONFIDENCE:
        return read_confidences(d);
    case CELLS:
        return read_calibration_cells(d);
    case CALIBRATION_FIELDS:
        break;
    }
    return decoder_no_memory(d); /* not reached: json_reader_field knows no other */
}

/* ---- calibration: judging; the place is the object ---- */

/* The three lists into cells. */
static int join_lists(struct decoder *d)
{
    struct calibration_read *c = &d->calibration;
    const size_t n = (size_t)c->bins + 1;
    const struct {
        enum calibration_field field;
        size_t n;
        const char *pointer;
    } lists[] = {{COUNT, c->count.n, "/count"},
                 {CONFIDENCE, c->n_confidence, "/confidence"},
                 {CORRECT, c->correct.n, "/correct"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (!has(c, lists[i].field))
            return json_reader_fail(&d->r, PROBLEM_INVALID, lists[i].pointer,
                                    "missing: send count, confidence and correct, or cells");
        if (lists[i].n != n)
            return json_reader_fail(&d->r, PROBLEM_INVALID, lists[i].pointer,
                                    "%zu numbers, expected %zu (bins + 1: the last is for a confidence of 1)",
                                    lists[i].n, n);
    }
    for (size_t i = 0; i < n; i++) {
        struct calibration_entry cell = {(uint32_t)i, c->count.values[i], c->correct.values[i], c->confidence[i]};
        int rc = add_cell(d, &cell);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* A number of cell i, in the form in which it was sent. */
static int refuse_cell(struct decoder *d, size_t i, enum calibration_field field, const char *text)
{
    static const int places[CALIBRATION_FIELDS] = {[BINS] = 0, [COUNT] = 1, [CONFIDENCE] = 2, [CORRECT] = 3};
    char pointer[64];
    if (has(&d->calibration, CELLS))
        snprintf(pointer, sizeof pointer, "/cells/%zu/%d", i, places[field]);
    else
        snprintf(pointer, sizeof pointer, "/%s/%zu", CALIBRATION[field].name, i);
    return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "%s", text);
}

static int check_cells(struct decoder *d)
{
    const struct calibration_read *c = &d->calibration;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct calibration_entry *cell = &c->cells[i];
        if (cell->bin > c->bins)
            return refuse_cell(d, i, BINS, "a bin above bins, which is the one for a confidence of 1");
        if (cell->correct > cell->count)
            return refuse_cell(d, i, CORRECT, "more than the count");
        if (cell->confidence < 0)
            return refuse_cell(d, i, CONFIDENCE, "a sum of confidences is 0 or more");
        if (cell->confidence > (double)cell->count)
            return refuse_cell(d, i, CONFIDENCE, "above the count; each confidence is at most 1");
    }
    return OK;
}

static int check_distinct(struct decoder *d)
{
    const struct calibration_read *c = &d->calibration;
    bool rising = true;
    for (size_t i = 1; i < c->n_cells; i++)
        rising = rising && c->cells[i - 1].bin < c->cells[i].bin;
    if (rising)
        return OK;
    uint64_t *keys = arena_alloc(&d->scratch, c->n_cells * sizeof *keys);
    if (keys == NULL)
        return decoder_no_memory(d);
    for (size_t i = 0; i < c->n_cells; i++)
        keys[i] = c->cells[i].bin;
    size_t place = 0;
    int rc = decoder_repeated(d, keys, c->n_cells, &place);
    return rc != OK || place == 0 ? rc : refuse_cell(d, place, BINS, "this bin is given twice");
}

int read_calibration(struct decoder *d)
{
    struct calibration_read *c = &d->calibration;
    size_t field = 0;
    int rc = json_reader_object(&d->r), more;
    c->seen = 0;
    c->n_cells = 0;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(&d->r, CALIBRATION, CALIBRATION_FIELDS, &c->seen, &field)) == JSON_MORE)
        if ((rc = read_calibration_field(d, (enum calibration_field)field)) != OK)
            return rc;
    if (more != JSON_END)
        return more;
    if (!has(c, BINS))
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/bins", "missing: how many bins, from 0 to 1");
    if (has(c, CELLS) && (has(c, COUNT) || has(c, CONFIDENCE) || has(c, CORRECT)))
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/cells",
                                "the bins are given twice: count, confidence and correct, or cells");
    rc = has(c, CELLS) ? OK : join_lists(d);
    if (rc == OK)
        rc = check_cells(d);
    return rc == OK ? check_distinct(d) : rc;
}

int finish_calibration(struct decoder *d, struct batch_content *content, int64_t *samples)
{
    const struct calibration_read *c = &d->calibration;
    content->shape = (struct shape){.form = FORM_CALIBRATION, .task = d->task, .bins = (uint32_t)c->bins};
    content->calibration = c->cells;
    content->n_calibration = c->n_cells;
    *samples = 0;
    for (size_t i = 0; i < c->n_cells; i++)
        if (__builtin_add_overflow(*samples, c->cells[i].count, samples))
            return decoder_overflow(d, FIELD_CALIBRATION);
    return OK;
}

/* ---- exact match ---- */

int read_exact(struct decoder *d)
{
    struct json_counts pair = {.values = d->exact, .cap = 2};
    int rc = json_reader_counts(&d->r, &pair, 2, "numbers: [correct, total]");
    if (rc != OK)
        return rc;
    if (pair.n != 2)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "", "expected [correct, total]");
    if (d->exact[0] > d->exact[1])
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/0", "%lld of %lld", (long long)d->exact[0],
                                (long long)d->exact[1]);
    return OK;
}

int finish_exact(struct decoder *d, struct batch_content *content, int64_t *samples)
{
    content->shape = (struct shape){.form = FORM_EXACT};
    content->correct = d->exact[0];
    content->total = d->exact[1];
    *samples = d->exact[1];
    return OK;
}

/* ---- regression ---- */

/* n, then the doubles in the order of struct regression_content. */
enum { N_DOUBLES = 8, REGRESSION_FIELDS = N_DOUBLES + 1 };

static const struct json_field REGRESSION[REGRESSION_FIELDS] = {
    JSON_FIELD("n"),         JSON_FIELD("mean_target"),   JSON_FIELD("mean_prediction"),
    JSON_FIELD("m2_target"), JSON_FIELD("m2_prediction"), JSON_FIELD("c"),
    JSON_FIELD("sum_error"), JSON_FIELD("sum_abs_error"), JSON_FIELD("sum_squared_error"),
};

/* Which of the doubles are sums of squares or of absolute values. */
static const bool NOT_NEGATIVE[N_DOUBLES] = {false, false, true, true, false, false, true, true};

static int check_moment(struct decoder *d, size_t i, int64_t n, double number)
{
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/%s", REGRESSION[i + 1].name);
    if (NOT_NEGATIVE[i] && number < 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "a sum of squares or of absolute errors is 0 or more");
    if (n == 0 && number != 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "of nothing (n 0) it is 0");
    return OK;
}

int read_regression(struct decoder *d)
{
    double v[N_DOUBLES] = {0};
    uint64_t seen = 0;
    int64_t n = 0;
    size_t field = 0;
    int rc = json_reader_object(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(&d->r, REGRESSION, REGRESSION_FIELDS, &seen, &field)) == JSON_MORE) {
        rc = field == 0 ? json_reader_int(&d->r, 0, JSON_INT_MAX, &n) : json_reader_double(&d->r, &v[field - 1]);
        if (rc != OK)
            return rc;
    }
    if (more != JSON_END)
        return more;
    for (size_t i = 0; i < REGRESSION_FIELDS; i++) {
        if ((seen >> i & 1) == 0) {
            char pointer[32];
            snprintf(pointer, sizeof pointer, "/%s", REGRESSION[i].name);
            return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "missing: regression has all of its nine numbers");
        }
        if (i > 0 && (rc = check_moment(d, i - 1, n, v[i - 1])) != OK)
            return rc;
    }
    d->regression = (struct regression_content){n, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
    return OK;
}

int finish_regression(struct decoder *d, struct batch_content *content, int64_t *samples)
{
    content->shape = (struct shape){.form = FORM_REGRESSION};
    content->regression = d->regression;
    *samples = d->regression.n;
    return OK;
}
