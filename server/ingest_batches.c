/**
 * Settling a POST of batches: accepted or refused whole.
 *
 * First every measure is looked up (the group's nodes, then the stored rows) and is new, a duplicate,
 * or the reason to refuse.  Then the new ones are added to the sums of their epochs, where only an
 * overflow can still refuse.  Whatever a refused job left is undone, so that nobody after it can be
 * its duplicate.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest_group.h"

struct settling {
    struct group *g;
    struct job *job;
    struct group_run *run;
    const struct record *record; /* the one being looked at */
    const struct measure *measure;
    size_t sum_bytes; /* what the sums of the epochs that it named first take in memory */
};

/* A few bytes may name an epoch of large histograms, whose sum takes 16 MiB to clear and to pack again.  So many
   bytes take the writer about a second; the counts of a full request stay below. */
static const size_t SUM_BYTES_MAX = (size_t)2 << 30;

/* ---- saying what is wrong ---- */

/* The place of the record, or of the field its measure came from: "/3", "/3/tp", "/sums/a~1loss". */
static void pointer_to(const struct settling *s, bool field, char *out, size_t size)
{
    const char *name = s->measure->field;
    size_t at = 0;

    if (!s->job->records->is_single)
        at = (size_t)snprintf(out, size, "/%zu", s->record->index);
    else
        out[0] = '\0';
    if (!field || name[0] == '\0')
        return;
    at += (size_t)snprintf(out + at, size - at, "/%s", name);
    if (strcmp(name, "sums") != 0 && strcmp(name, "values") != 0)
        return;
    at += (size_t)snprintf(out + at, size - at, "/");
    for (const char *c = s->measure->name; *c != '\0' && at + 3 < size; c++) {
        if (*c == '/') {
            out[at++] = '~';
            out[at++] = '1';
        } else {
            out[at++] = *c;
        }
    }
    out[at] = '\0';
}

static void describe_shape(const struct shape *shape, char *out, size_t size)
{
    static const struct {
        const char *what, *bins; /* bins NULL: it has none */
        bool has_task;
    } FORMS[] = {[FORM_TOTALS] = {"totals", NULL, true},
                 [FORM_CLASSES] = {"counts per class", NULL, true},
                 [FORM_CONFUSION] = {"a confusion matrix", NULL, true},
                 [FORM_MEAN] = {"a weighted mean", NULL, false},
                 [FORM_SCORES] = {"score histograms", "thresholds", true},
                 [FORM_CALIBRATION] = {"calibration bins", "bins", true},
                 [FORM_EXACT] = {"exact matches", NULL, false},
                 [FORM_REGRESSION] = {"regression moments", NULL, false}};
    char classes[32] = "", bins[32] = "";

    if (shape->num_classes > 0)
        snprintf(classes, sizeof classes, ", num_classes %" PRIu32, shape->num_classes);
    if (FORMS[shape->form].bins != NULL)
        snprintf(bins, sizeof bins, ", %s %" PRIu32, FORMS[shape->form].bins, shape->bins);
    if (FORMS[shape->form].has_task)
        snprintf(out, size, "%s (%s%s%s)", FORMS[shape->form].what, task_name(shape->task), classes, bins);
    else
        snprintf(out, size, "%s", FORMS[shape->form].what);
}

static int refuse_shape(const struct settling *s, const struct shape *stored)
{
    char pointer[320], is[96], was[96];

    pointer_to(s, true, pointer, sizeof pointer);
    describe_shape(&s->measure->shape, is, sizeof is);
    describe_shape(stored, was, sizeof was);
    return problem_set(&s->job->problem, PROBLEM_SHAPE, pointer, "series %s of stage %s holds %s; this record has %s",
                       s->measure->name, s->record->stage, was, is);
}

static int refuse_conflict(const struct settling *s, bool stored)
{
    enum kind kind = form_kind(s->measure->shape.form);
    char pointer[32], which[32] = "";

    if (kind != KIND_COUNTS && kind != KIND_MEAN)
        snprintf(which, sizeof which, " (%s)", kind_name(kind));
    pointer_to(s, false, pointer, sizeof pointer);
    return problem_set(&s->job->problem, PROBLEM_CONFLICT, pointer,
                       "stage %s, name %s%s, epoch %" PRId64 ", step %" PRId64 ", rank %" PRId64
                       " %s with other content",
                       s->record->stage, s->measure->name, which, s->record->key.epoch, s->record->key.step,
                       s->record->key.rank, stored ? "is stored already" : "came just before");
}

static int refuse_sealed(const struct settling *s)
{
    char pointer[32];

    pointer_to(s, false, pointer, sizeof pointer);
    return problem_set(&s->job->problem, PROBLEM_SEALED, pointer,
                       "epoch %" PRId64
                       " of series %s, stage %s, is sealed: its batches were thinned to their sums, so it "
                       "cannot be told any more whether this one was counted",
                       s->record->key.epoch, s->measure->name, s->record->stage);
}

static int refuse_sum(const struct settling *s, int status)
{
    char pointer[320];

    if (status != ERR_OVERFLOW)
        return problem_from_status(&s->job->problem, status);
    pointer_to(s, true, pointer, sizeof pointer);
    return problem_set(&s->job->problem, PROBLEM_COUNT_OVERFLOW, pointer,
                       "the sum over epoch %" PRId64 " of series %s, stage %s, would leave %s", s->record->key.epoch,
                       s->measure->name, s->record->stage,
                       s->measure->shape.form == FORM_MEAN ? "the range of doubles"
                       : s->measure->shape.form == FORM_CALIBRATION || s->measure->shape.form == FORM_REGRESSION
                           ? "64 bits or the range of doubles"
                           : "64 bits");
}

/* ---- attempts ---- */

static bool lies_after(const struct record *r, const struct attempt_row *cut)
{
    int64_t step = cut->step;

    if (cut->stage[0] != '\0' && strcmp(cut->stage, r->stage) != 0)
        return false;
    if (cut->stage[0] == '\0' && strcmp(r->stage, "train") != 0)
        step = 0; /* what is evaluated belongs to its epoch as a whole */
    return r->key.epoch > cut->epoch || (r->key.epoch == cut->epoch && r->key.step >= step);
}

/* A record of an attempt that an attempt after it has cut away.  A new attempt is noted. */
static int check_attempt(struct settling *s, bool *stale)
{
    struct group_attempt *a = NULL;

    *stale = false;
    if (s->record->attempt == NULL || s->record->attempt[0] == '\0')
        return OK;
    int status = group_find_attempt(s->g, s->run, s->record->attempt, &a, &s->job->problem);
    if (status != OK)
        return status;
    if (a == NULL) {
        char pointer[64] = "/attempt";
        if (!s->job->records->is_single)
            snprintf(pointer, sizeof pointer, "/%zu/attempt", s->record->index);
        status = group_room_for_attempt(s->g, s->run, pointer, &s->job->problem);
    }
    if (status != OK)
        return status;
    if (a == NULL)
        return group_new_attempt(s->g, s->run, s->record->attempt, &s->job->problem);
    for (const struct group_attempt *cut = s->run->cuts; cut != NULL && !*stale; cut = cut->next_cut)
        *stale = cut->row.number > a->row.number && lies_after(s->record, &cut->row);
    return OK;
}

/* ---- looking up ---- */

static bool same_content(const struct measure *m, int64_t samples, const uint8_t *state, size_t size)
{
    return m->samples == samples && m->state_size == size && memcmp(m->state, state, size) == 0;
}

static int look_up(struct settling *s, enum kind kind, struct group_series **out)
{
    return group_find_series(s->g, s->run, s->record->stage, s->measure->name, kind, out, &s->job->problem);
}

/* A selector tells a mean from all else by its name alone, so the two never share one. */
static int check_name(struct settling *s, enum kind kind)
{
    for (enum kind other = KIND_COUNTS; other <= KIND_MEAN; other++) {
        struct group_series *series = NULL;
        if ((kind == KIND_MEAN) == (other == KIND_MEAN))
            continue;
        int status = look_up(s, other, &series);
        if (status == OK && series != NULL)
            status = refuse_shape(s, &series->row.shape);
        if (status != OK)
            return status;
    }
    return OK;
}

static int find_series(struct settling *s, struct group_series **out)
{
    enum kind kind = form_kind(s->measure->shape.form);
    int status = look_up(s, kind, out);

    if (status == OK && *out == NULL) {
        char pointer[320];
        status = check_name(s, kind);
        pointer_to(s, true, pointer, sizeof pointer);
        if (status == OK)
            status = group_room_for_series(s->g, s->run, pointer, &s->job->problem);
        return status != OK ? status
                            : group_new_series(s->g, s->run, s->record->stage, s->measure, out, &s->job->problem);
    }
    if (status == OK && !shape_equal(&(*out)->row.shape, &s->measure->shape))
        return refuse_shape(s, &(*out)->row.shape);
    return status;
}

/* About what the unpacked sum takes, where that is not bounded by what was sent. */
static size_t sum_bytes(const struct shape *shape)
{
    if (shape->form == FORM_SCORES)
        return (size_t)shape->num_classes * shape->bins * sizeof(struct score_counts);
    if (shape->form == FORM_CALIBRATION)
        return ((size_t)shape->bins + 1) * sizeof(struct calibration_bin);
    return shape->num_classes * sizeof(struct class_counts);
}

static int find_epoch(struct settling *s, struct group_series *series, struct group_epoch **out)
{
    size_t n_nodes = s->g->n_nodes;
    int status = group_get_epoch(s->g, series, s->record->key.epoch, out, &s->job->problem);

    if (status != OK || s->g->n_nodes == n_nodes)
        return status;
    s->sum_bytes += sum_bytes(&s->measure->shape);
    if (s->sum_bytes <= SUM_BYTES_MAX)
        return OK;
    char pointer[320];
    pointer_to(s, true, pointer, sizeof pointer);
    return problem_set(&s->job->problem, PROBLEM_TOO_LARGE, pointer,
                       "the sums of all epochs of this request take more than %zu bytes: send fewer epochs at once",
                       SUM_BYTES_MAX);
}

/* New (a node is made), a duplicate, or a conflict. */
static int settle_measure(struct settling *s, bool *is_new)
{
    const struct batch_key *key = &s->record->key;
    struct problem *p = &s->job->problem;
    struct group_series *series = NULL;
    struct group_epoch *epoch = NULL;
    int status = find_series(s, &series);

    if (status == OK)
        status = find_epoch(s, series, &epoch);
    if (status == OK && epoch->base.sealed_at != 0)
        status = refuse_sealed(s);
    if (status != OK)
        return status;

    const struct group_batch *earlier = group_find_batch(s->g, epoch, key);
    if (earlier != NULL) {
        const struct measure *m = earlier->measure;
        return same_content(s->measure, m->samples, m->state, m->state_size) ? OK : refuse_conflict(s, false);
    }
    /* a step outside the stored ones needs no look at the table */
    if (epoch->stored && epoch_knows_batch(epoch, key) != KNOWN_ABSENT && key->step >= epoch->base.first_step &&
        key->step <= epoch->base.last_step) {
        struct batch_row row;
        bool found = false;
        status = store_batch_get(s->g->conn, series->row.run, series->row.series, key, &row, &found, p);
        if (status != OK)
            return status;
        if (found)
            return same_content(s->measure, row.samples, row.state, row.state_size) ? OK : refuse_conflict(s, true);
    }
    *is_new = true;
    return group_new_batch(s->g, epoch, key, s->measure, s->record->time >= 0 ? s->record->time : s->job->now, p);
}

static int settle_record(struct settling *s)
{
    bool stale = false, is_new = false;
    int status = check_attempt(s, &stale);

    if (status != OK)
        return status;
    if (stale) {
        s->job->stale++;
        return OK;
    }
    for (size_t i = 0; i < s->record->n_measures && status == OK; i++) {
        s->measure = &s->record->measures[i];
        status = settle_measure(s, &is_new);
    }
    if (is_new)
        s->job->accepted++;
    else
        s->job->duplicates++;
    return status;
}

/* ---- adding ---- */

/* The record that a measure belongs to: only needed to name the place of an overflow. */
static void find_place(struct settling *s, const struct measure *m)
{
    for (size_t i = 0; i < s->job->records->n_records; i++) {
        const struct record *r = &s->job->records->records[i];
        if (m >= r->measures && m < r->measures + r->n_measures) {
            s->record = r;
            s->measure = m;
        }
    }
}

static int add_to_epochs(struct settling *s, size_t first)
{
    struct group *g = s->g;

    for (size_t i = first; i < g->n_batches; i++) {
        int status = epoch_add(g, g->batches[i]);
        if (status != OK) {
            find_place(s, g->batches[i]->measure);
            return refuse_sum(s, status);
        }
    }
    for (size_t i = first; i < g->n_batches; i++)
        g->batches[i]->epoch->tainted = false;
    return OK;
}

/* The run, or room for it.  A run that came to be within this group may be written by that. */
static int find_run(struct settling *s)
{
    const struct job *job = s->job;
    int status = group_find_run(s->g, job->run, &s->run, &s->job->problem);

    if (status == OK && s->run != NULL && !group_may_touch(job, &s->run->row))
        return group_refuse_taken(s->job);
    if (status == OK && s->run == NULL)
        status = group_room_for_new_run(s->g, job->project != NULL ? job->project : "default", &s->job->problem);
    return status;
}

int group_settle_batches(struct group *g, struct job *job)
{
    struct settling s = {.g = g, .job = job};

    job->accepted = job->duplicates = job->stale = 0;
    int status = find_run(&s);
    struct group_mark mark = group_mark(g); /* a run that was found may stay: it says what is stored */
    if (status == OK && s.run == NULL)
        status = group_new_run(g, job->run, job->project, job->now, &s.run, &job->problem);
    if (status != OK) {
        group_undo(g, mark);
        return status;
    }
    /* what a refused job must not leave in a run that stays */
    bool attempts_known = s.run->attempts_known;
    int64_t last_number = s.run->last_number;
    struct group_attempt *cuts = s.run->cuts;
    bool series_known = s.run->series_known;
    int64_t n_series = s.run->n_series;

    for (size_t i = 0; i < job->records->n_records && status == OK; i++) {
        s.record = &job->records->records[i];
        status = settle_record(&s);
    }
    bool adding = status == OK;
    if (adding)
        status = add_to_epochs(&s, mark.n_batches);
    if (status != OK) {
        s.run->attempts_known = attempts_known;
        s.run->last_number = last_number;
        s.run->cuts = cuts;
        s.run->series_known = series_known;
        s.run->n_series = n_series;
        group_undo(g, mark);
        if (adding && epoch_restore(g, mark.n_batches) != OK)
            g->broken = true;
        job->accepted = job->duplicates = job->stale = 0;
        return status;
    }
    s.run->touched = true;
    s.run->changed |= g->n_batches > mark.n_batches;
    s.run->row.updated_at = s.run->row.seen_at = job->now;
    return OK;
}
