/*
 * "scores": histograms of scores per class, dense (two matrices) or as cells.  Most bins of most classes
 * are empty, so the matrices are taken apart into cells as they are read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "decode_record.h"

enum scores_field { THRESHOLDS, NUM_CLASSES, POS, NEG, CELLS, SCORES_FIELDS };

static const struct json_field SCORES[SCORES_FIELDS] = {
    [THRESHOLDS] = JSON_FIELD("thresholds"),
    [NUM_CLASSES] = JSON_FIELD("num_classes"),
    [POS] = JSON_FIELD("pos"),
    [NEG] = JSON_FIELD("neg"),
    [CELLS] = JSON_FIELD("cells"),
};

static bool has(const struct scores_read *s, enum scores_field field)
{
    return (s->seen >> field & 1) != 0;
}

/* ---- reading ---- */

/* A row of a matrix, the numbers of one class: its zeros are dropped. */
static int add_row(struct decoder *d, struct score_matrix *m)
{
    const struct json_counts *row = &d->scores.row;
    for (size_t i = 0; i < row->n; i++) {
        if (row->values[i] == 0)
            continue;
        struct score_entry *entries = decoder_room(d, m->entries, &m->cap, m->n, sizeof *entries);
        if (entries == NULL)
            return decoder_no_memory(d);
        m->entries = entries;
        entries[m->n++] = (struct score_entry){(uint32_t)m->n_rows, (uint32_t)i, row->values[i], 0};
    }
    m->n_rows++;
    return OK;
}

static int read_matrix(struct decoder *d, struct score_matrix *m)
{
    struct json_reader *r = &d->r;
    struct json_counts *row = &d->scores.row;
    int rc = json_reader_array(r), more;
    m->n = m->n_rows = m->width = 0;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        if (m->n_rows == (size_t)d->limits->classes)
            return json_reader_fail(r, PROBLEM_INVALID, "", "more than %zu classes", m->n_rows);
        if ((rc = json_reader_counts(r, row, STATE_THRESHOLDS_MAX, "thresholds")) != OK)
            return rc;
        if (m->n_rows == 0)
            m->width = row->n;
        if (row->n != m->width)
            return json_reader_fail(r, PROBLEM_INVALID, "", "%zu numbers, but the first class has %zu", row->n,
                                    m->width);
        if ((m->n_rows + 1) * m->width > SCORE_CELLS_MAX)
            return json_reader_fail(r, PROBLEM_INVALID, "", "more than %d classes times thresholds", SCORE_CELLS_MAX);
        if ((rc = add_row(d, m)) != OK)
            return rc;
    }
    if (more == JSON_END && m->n_rows == 0)
        return json_reader_fail(r, PROBLEM_INVALID, "", "at least one class");
    return more == JSON_END ? OK : more;
}

static int add_cell(struct decoder *d, const struct score_entry *cell)
{
    struct scores_read *s = &d->scores;
    struct score_entry *cells = decoder_room(d, s->cells, &s->cap_cells, s->n_cells, sizeof *cells);
    if (cells == NULL)
        return decoder_no_memory(d);
    s->cells = cells;
    cells[s->n_cells++] = *cell;
    return OK;
}

static int read_score_cells(struct decoder *d)
{
    int rc = json_reader_array(&d->r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(&d->r)) == JSON_MORE) {
        int64_t v[4];
        if ((rc = decoder_tuple(d, "numbers: [class, bin, pos, neg]", 4, 1, v)) != OK)
            return rc;
        if (v[1] >= STATE_THRESHOLDS_MAX)
            return json_reader_fail(&d->r, PROBLEM_INVALID, "/1", "bins are counted from 0 and end below %d",
                                    STATE_THRESHOLDS_MAX);
        struct score_entry cell = {(uint32_t)v[0], (uint32_t)v[1], v[2], v[3]};
        if ((rc = add_cell(d, &cell)) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

static int read_scores_field(struct decoder *d, enum scores_field field)
{
    struct scores_read *s = &d->scores;
    switch (field) {
    case THRESHOLDS:
        return json_reader_int(&d->r, STATE_THRESHOLDS_MIN, STATE_THRESHOLDS_MAX, &s->thresholds);
    case NUM_CLASSES:
        return json_reader_int(&d->r, 1, d->limits->classes, &s->num_classes);
    case POS:
        return read_matrix(d, &s->pos);
    case NEG:
        return read_matrix(d, &s->neg);
    case CELLS:
        return read_score_cells(d);
    case SCORES_FIELDS:
        break;
    }
    return decoder_no_memory(d); /* not reached: json_reader_field knows no other */
}

/* ---- what the object alone says: the place is the object ---- */

/* Two sorted lists into one. */
static int join_matrices(struct decoder *d)
{
    const struct score_matrix *pos = &d->scores.pos, *neg = &d->scores.neg;
    for (size_t i = 0, j = 0; i < pos->n || j < neg->n;) {
        const struct score_entry *p = i < pos->n ? &pos->entries[i] : NULL;
        const struct score_entry *q = j < neg->n ? &neg->entries[j] : NULL;
        bool p_first = p != NULL && (q == NULL || p->class < q->class || (p->class == q->class && p->bin <= q->bin));
        bool q_first = q != NULL && (p == NULL || q->class < p->class || (q->class == p->class && q->bin <= p->bin));
        struct score_entry cell = p_first ? *p : (struct score_entry){q->class, q->bin, 0, 0};
        cell.neg = q_first ? q->pos : 0;
        int rc = add_cell(d, &cell);
        if (rc != OK)
            return rc;
        i += p_first;
        j += q_first;
    }
    return OK;
}

static int check_matrices(struct decoder *d)
{
    struct scores_read *s = &d->scores;
    struct json_reader *r = &d->r;
    if (!has(s, POS) || !has(s, NEG))
        return json_reader_fail(r, PROBLEM_INVALID, has(s, POS) ? "/neg" : "/pos",
                                "missing: send pos and neg, or num_classes and cells");
    if (s->pos.width != (size_t)s->thresholds)
        return json_reader_fail(r, PROBLEM_INVALID, "/pos/0", "%zu numbers, expected %lld (thresholds)", s->pos.width,
                                (long long)s->thresholds);
    if (s->neg.width != s->pos.width)
        return json_reader_fail(r, PROBLEM_INVALID, "/neg/0", "%zu numbers, expected %lld (thresholds)", s->neg.width,
                                (long long)s->thresholds);
    if (s->neg.n_rows != s->pos.n_rows)
        return json_reader_fail(r, PROBLEM_INVALID, "/neg", "%zu classes, but pos has %zu", s->neg.n_rows,
                                s->pos.n_rows);
    return join_matrices(d);
}

static int check_bins(struct decoder *d)
{
    const struct scores_read *s = &d->scores;
    for (size_t i = 0; i < s->n_cells; i++) {
        if (s->cells[i].bin >= s->thresholds) {
            char pointer[48];
            snprintf(pointer, sizeof pointer, "/cells/%zu/1", i);
            return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "a bin at or above thresholds");
        }
    }
    return OK;
}

int read_scores(struct decoder *d)
{
    struct scores_read *s = &d->scores;
    size_t field = 0;
    int rc = json_reader_object(&d->r), more;
    s->seen = 0;
    s->n_cells = 0;
    if (rc != OK)
        return rc;
    while ((more = json_reader_field(&d->r, SCORES, SCORES_FIELDS, &s->seen, &field)) == JSON_MORE)
        if ((rc = read_scores_field(d, (enum scores_field)field)) != OK)
            return rc;
    if (more != JSON_END)
        return more;
    if (!has(s, THRESHOLDS))
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/thresholds", "missing: how many thresholds, from 0 to 1");
    if (!has(s, CELLS))
        return check_matrices(d);
    if (has(s, POS) || has(s, NEG))
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/cells",
                                "the histograms are given twice: pos and neg, or cells");
    return check_bins(d);
}

/* ---- what it says within its record ---- */

/* From the matrices, from either num_classes, and from the task; all that speak must agree. */
static int find_classes(struct decoder *d, uint32_t *out)
{
    const struct scores_read *s = &d->scores;
    const struct {
        bool said;
        int64_t number;
        const char *pointer;
    } sources[] = {{!has(s, CELLS), (int64_t)s->pos.n_rows, "/scores/pos"},
                   {has(s, NUM_CLASSES), s->num_classes, "/scores/num_classes"},
                   {has_field(d, FIELD_NUM_CLASSES), d->num_classes, "/num_classes"}};
    bool binary = d->task == TASK_BINARY;
    int64_t classes = binary ? 1 : 0;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int64_t n = sources[i].number;
        if (!sources[i].said || (binary && i > 0 && n == DECODER_BINARY_CLASSES))
            continue;
        if (binary && n != 1)
            return json_reader_fail(&d->r, PROBLEM_INVALID, sources[i].pointer,
                                    "%lld classes; a binary task has one: the scores of the positive class",
                                    (long long)n);
        if (classes != 0 && n != classes)
            return json_reader_fail(&d->r, PROBLEM_INVALID, sources[i].pointer,
                                    "%lld, but the scores are of %lld classes", (long long)n, (long long)classes);
        classes = n;
    }
    if (classes == 0)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/scores/num_classes",
                                "missing: cells do not tell how many classes there are");
    if (classes * s->thresholds > SCORE_CELLS_MAX)
        return json_reader_fail(&d->r, PROBLEM_INVALID, "/scores", "more than %d classes times thresholds",
                                SCORE_CELLS_MAX);
    *out = (uint32_t)classes;
    return OK;
}

static uint64_t cell_key(const struct score_entry *c)
{
    return (uint64_t)c->class << 32 | c->bin;
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x = cell_key(a), y = cell_key(b);
    return x < y ? -1 : x > y;
}

static int refuse_cell(struct decoder *d, size_t i, const char *inner, const char *text)
{
    char pointer[48];
    snprintf(pointer, sizeof pointer, "/scores/cells/%zu%s", i, inner);
    return json_reader_fail(&d->r, PROBLEM_INVALID, pointer, "%s", text);
}

/* Every cell once, and in order. */
static int sort_cells(struct decoder *d, uint32_t classes)
{
    struct scores_read *s = &d->scores;
    bool rising = true;
    for (size_t i = 0; i < s->n_cells; i++) {
        if (s->cells[i].class >= classes)
            return refuse_cell(d, i, "/0", "a class at or above num_classes");
        rising = rising && (i == 0 || cell_key(&s->cells[i - 1]) < cell_key(&s->cells[i]));
    }
    if (rising)
        return OK;
    uint64_t *keys = arena_alloc(&d->scratch, s->n_cells * sizeof *keys);
    if (keys == NULL)
        return decoder_no_memory(d);
    for (size_t i = 0; i < s->n_cells; i++)
        keys[i] = cell_key(&s->cells[i]);
    size_t place = 0;
    int rc = decoder_repeated(d, keys, s->n_cells, &place);
    if (rc != OK)
        return rc;
    if (place != 0)
        return refuse_cell(d, place, "", "this cell is given twice");
    qsort(s->cells, s->n_cells, sizeof *s->cells, compare_cells);
    return OK;
}

/* Every sample has a score for every class; where some were left out, the class that has the most tells. */
static int count_samples(struct decoder *d, int64_t *samples)
{
    const struct scores_read *s = &d->scores;
    int64_t of_class = 0;
    *samples = 0;
    for (size_t i = 0; i < s->n_cells; i++) {
        const struct score_entry *c = &s->cells[i];
        if (i > 0 && c->class != c[-1].class)
            of_class = 0;
        if (__builtin_add_overflow(of_class, c->pos + c->neg, &of_class)) /* each below 2^53 */
            return decoder_overflow(d, FIELD_SCORES);
        if (of_class > *samples)
            *samples = of_class;
    }
    return OK;
}

int finish_scores(struct decoder *d, struct batch_content *content, int64_t *samples)
{
    struct scores_read *s = &d->scores;
    content->shape = (struct shape){.form = FORM_SCORES, .task = d->task, .bins = (uint32_t)s->thresholds};
    int rc = find_classes(d, &content->shape.num_classes);
    if (rc == OK)
        rc = sort_cells(d, content->shape.num_classes);
    if (rc == OK)
        rc = count_samples(d, samples);
    content->scores = s->cells;
    content->n_scores = s->n_cells;
    return rc;
}
