/*
 * What every state must keep, whatever its kind: merging commutes and associates, any split into batches
 * or ranks gives the same bytes, order does not matter, and what fails changes nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"

static const struct sample {
    const char *name;
    struct shape shape;
} KINDS[] = {
    {"totals", {FORM_TOTALS, TASK_MULTICLASS, 0, 0}},
    {"binary totals", {FORM_TOTALS, TASK_BINARY, 1, 0}},
    {"classes", {FORM_CLASSES, TASK_MULTICLASS, 7, 0}},
    {"two classes", {FORM_CLASSES, TASK_MULTICLASS, 2, 0}},
    {"many classes", {FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}},
    {"binary", {FORM_CLASSES, TASK_BINARY, 1, 0}},
    {"labels", {FORM_CLASSES, TASK_MULTILABEL, 5, 0}},
    {"confusion", {FORM_CONFUSION, TASK_MULTICLASS, 6, 0}},
    {"large confusion", {FORM_CONFUSION, TASK_MULTICLASS, 3000, 0}},
    {"largest confusion", {FORM_CONFUSION, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}},
    {"binary confusion", {FORM_CONFUSION, TASK_BINARY, 1, 0}},
    {"mean", {FORM_MEAN, TASK_MULTICLASS, 0, 0}},
    {"scores", {FORM_SCORES, TASK_MULTICLASS, 3, 11}},
    {"binary scores", {FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX}},
    {"scores of labels", {FORM_SCORES, TASK_MULTILABEL, 20, 201}},
    {"calibration", {FORM_CALIBRATION, TASK_MULTICLASS, 0, 10}},
    {"one bin", {FORM_CALIBRATION, TASK_BINARY, 0, 1}},
    {"exact match", {FORM_EXACT, TASK_MULTICLASS, 0, 0}},
    {"regression", {FORM_REGRESSION, TASK_MULTICLASS, 0, 0}},
};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS, N_BATCHES = 40 };

/* A batch with its place. */
struct batch {
    struct batch_key key;
    int64_t samples;
    struct bytes packed;
};

static struct batch batch_at(const struct shape *shape, size_t i, uint64_t *seed)
{
    struct batch b = {.key = {(int64_t)(i / 20), (int64_t)(i / 4), (int64_t)(i % 4)}};
    struct random_batch random;
    random_batch(&random, shape, seed);
    b.samples = shape->form == FORM_MEAN ? 0 : (int64_t)random_below(seed, 100);
    b.packed = pack_batch(&random.content);
    return b;
}

static void new_state(struct state *s, const struct shape *shape)
{
    cr_assert_eq(state_init(s, shape, true, plain_memory()), OK);
}

static void add(struct state *s, const struct batch *b)
{
    cr_assert_eq(state_add_packed(s, &b->key, b->samples, 1, b->packed.data, b->packed.size), OK);
}

/* Same bytes and the same columns beside them. */
static bool same(struct state *a, struct state *b)
{
    struct bytes x = pack_state(a), y = pack_state(b);
    bool is_same = bytes_equal(x, y) && a->batches == b->batches && a->samples == b->samples;
    is_same = is_same && packed_verify(x.data, x.size) == OK && state_is_valid(a) && state_is_valid(b);
    double p = state_primary(a), q = state_primary(b);
    is_same = is_same && (p == q || (isnan(p) && isnan(q)));
    bytes_free(&x);
    bytes_free(&y);
    return is_same;
}

static void copy(struct state *out, struct state *s)
{
    new_state(out, &s->shape);
    cr_assert_eq(state_merge(out, s), OK);
}

/* ---- the properties ---- */

static void random_batches(const struct shape *shape, struct batch *batches, uint64_t *seed)
{
    for (size_t i = 0; i < N_BATCHES; i++)
        batches[i] = batch_at(shape, i, seed);
}

static void free_batches(struct batch *batches)
{
    for (size_t i = 0; i < N_BATCHES; i++)
        bytes_free(&batches[i].packed);
}

Test(state, merge_commutes_and_associates)
{
    uint64_t seed = 1;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        struct state a, b, c, ab, ba, bc;
        new_state(&a, &KINDS[kind].shape);
        new_state(&b, &KINDS[kind].shape);
        new_state(&c, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(i % 3 == 0 ? &a : i % 3 == 1 ? &b : &c, &batches[i]);
        copy(&ab, &a);
        copy(&ba, &b);
        cr_assert(state_merge(&ab, &b) == OK && state_merge(&ba, &a) == OK);
        cr_assert(same(&ab, &ba), "%s: a + b != b + a", KINDS[kind].name);
        copy(&bc, &b);
        cr_assert(state_merge(&bc, &c) == OK && state_merge(&ab, &c) == OK && state_merge(&a, &bc) == OK);
        cr_assert(same(&ab, &a), "%s: (a + b) + c != a + (b + c)", KINDS[kind].name);
        free_batches(batches);
        struct state *all[] = {&a, &b, &c, &ab, &ba, &bc};
        for (size_t i = 0; i < 6; i++)
            state_release(all[i]);
    }
}

Test(state, any_split_in_any_order_gives_the_same_bytes)
{
    uint64_t seed = 2;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        struct state in_order;
        random_batches(&KINDS[kind].shape, batches, &seed);
        new_state(&in_order, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(&in_order, &batches[i]);
        for (size_t n_parts = 1; n_parts <= 8; n_parts++) {
            struct state part[8], merged, unpacked;
            size_t index[N_BATCHES];
            new_state(&merged, &KINDS[kind].shape);
            new_state(&unpacked, &KINDS[kind].shape);
            for (size_t i = 0; i < n_parts; i++)
                new_state(&part[i], &KINDS[kind].shape);
            for (size_t i = 0; i < N_BATCHES; i++)
                index[i] = i;
            shuffle(index, N_BATCHES, &seed);
            for (size_t i = 0; i < N_BATCHES; i++)
                add(&part[random_below(&seed, n_parts)], &batches[index[i]]);
            for (size_t i = n_parts; i-- > 0;) {
                struct bytes packed = pack_state(&part[i]);
                cr_assert_eq(state_merge(&merged, &part[i]), OK);
                cr_assert_eq(
                    state_add_packed(&unpacked, NULL, part[i].samples, part[i].batches, packed.data, packed.size), OK);
                bytes_free(&packed);
                state_release(&part[i]);
            }
            cr_assert(same(&merged, &in_order), "%s in %zu parts, merged", KINDS[kind].name, n_parts);
            cr_assert(same(&unpacked, &in_order), "%s in %zu parts, packed", KINDS[kind].name, n_parts);
            state_release(&merged);
            state_release(&unpacked);
        }
        free_batches(batches);
        state_release(&in_order);
    }
}

Test(state, a_cleared_state_is_as_new)
{
    uint64_t seed = 4;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        struct state used, fresh;
        new_state(&used, &KINDS[kind].shape);
        new_state(&fresh, &KINDS[kind].shape);
        for (size_t i = 0; i < N_BATCHES; i++)
            add(&used, &batches[i]);
        state_clear(&used);
        cr_assert(same(&used, &fresh), "%s", KINDS[kind].name);
        cr_assert(isnan(state_primary(&fresh)));
        add(&used, &batches[0]);
        add(&fresh, &batches[0]);
        cr_assert(same(&used, &fresh), "%s", KINDS[kind].name);
        free_batches(batches);
        state_release(&used);
        state_release(&fresh);
        state_release(&fresh);
    }
}

/*
 * The case this project exists for.  The same samples, sorted by class or shuffled, in batches of 32: one
 * sum, one macro accuracy; only the mean of the batches' values tells them apart.
 */
Test(state, class_sorted_and_shuffled_batches_add_up_to_the_same)
{
    enum { N = 4000, C = 5, BATCH = 32 };
    static uint32_t target[N], predicted[N];
    static size_t index[N];
    uint64_t seed = 6;
    for (size_t i = 0; i < N; i++) {
        target[i] = (uint32_t)(i * C / N);
        predicted[i] = random_below(&seed, 10) < 8 ? target[i] : (uint32_t)random_below(&seed, C);
        index[i] = i;
    }
    struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, C, 0};
    struct metric_choice macro = choice_of("accuracy.macro");
    struct state sum[2], batch;
    double value[2], mean_of_batches[2] = {0, 0};
    new_state(&batch, &shape);
    for (size_t order = 0; order < 2; order++) {
        new_state(&sum[order], &shape);
        for (size_t first = 0; first < N; first += BATCH) {
            struct cell cells[C * C];
            for (uint32_t k = 0; k < C * C; k++)
                cells[k] = (struct cell){k / C, k % C, 0};
            for (size_t i = first; i < first + BATCH && i < N; i++)
                cells[target[index[i]] * C + predicted[index[i]]].count++;
            struct batch_content content = {.shape = shape, .cells = cells, .n_cells = C * C};
            struct batch b = {.key = {0, (int64_t)first, 0}, .samples = BATCH, .packed = pack_batch(&content)};
            state_clear(&batch);
            add(&batch, &b);
            add(&sum[order], &b);
            double v;
            cr_assert_eq(metric_compute(&macro, &batch, NULL, &v), OK);
            mean_of_batches[order] += v / (N / BATCH);
            bytes_free(&b.packed);
        }
        cr_assert_eq(metric_compute(&macro, &sum[order], NULL, &value[order]), OK);
        shuffle(index, N, &seed);
    }
    cr_assert(same(&sum[0], &sum[1]));
    cr_assert_eq(value[0], value[1]);
    cr_assert(value[0] > 0.8 && mean_of_batches[0] < 0.4 && fabs(mean_of_batches[1] - value[1]) < 0.02, "%g %g %g",
              value[0], mean_of_batches[0], mean_of_batches[1]);
    state_release(&sum[0]);
    state_release(&sum[1]);
    state_release(&batch);
}

/* Without cells a confusion series has the class counts of the same cells. */
Test(state, cells_may_be_left_out)
{
    uint64_t seed = 7;
    struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, 6, 0};
    struct batch batches[N_BATCHES];
    random_batches(&shape, batches, &seed);
    struct state with, without;
    new_state(&with, &shape);
    cr_assert_eq(state_init(&without, &shape, false, plain_memory()), OK);
    for (size_t i = 0; i < N_BATCHES; i++) {
        add(&with, &batches[i]);
        add(&without, &batches[i]);
    }
    const struct cell *cells;
    size_t n;
    cr_assert_eq(memcmp(with.counts.classes, without.counts.classes, 6 * sizeof *with.counts.classes), 0);
    cr_assert(with.counts.correct == without.counts.correct && with.counts.total == without.counts.total);
    cr_assert(state_is_valid(&without) && without.counts.cells == NULL);
    cr_assert_eq(state_cells(&without, &cells, &n), ERR_NEED);
    cr_assert_eq(state_pack(&without, NULL, 0, &n), ERR_NEED);
    cr_assert_eq(state_merge(&with, &without), ERR_SHAPE);
    cr_assert_eq(state_merge(&without, &with), OK);
    cr_assert_eq(without.counts.total, 2 * with.counts.total);
    free_batches(batches);
    state_release(&with);
    state_release(&without);
}

/* Many batches of few cells, few batches of many, against a plain matrix. */
Test(state, cells_come_out_sorted_and_complete)
{
    uint64_t seed = 8;
    for (uint32_t c = 3; c < 400; c = c * 2 + 1) {
        struct shape shape = {FORM_CONFUSION, TASK_MULTICLASS, c, 0};
        int64_t *matrix = calloc((size_t)c * c, sizeof *matrix);
        struct state s;
        new_state(&s, &shape);
        for (size_t i = 0; i < 300; i++) {
            struct batch b = {.key = {0, 0, 0}};
            struct cell cells[3];
            size_t n = 0;
            if (i % 100 == 99) { /* reading in between settles */
                const struct cell *out;
                cr_assert_eq(state_cells(&s, &out, &n), OK);
                n = 0;
            }
            uint32_t t = (uint32_t)random_below(&seed, c), p = (uint32_t)random_below(&seed, c);
            cells[n++] = (struct cell){t, p, 1 + (int64_t)random_below(&seed, 9)};
            cells[n++] = (struct cell){t, (p + 1) % c, 2};
            cells[n++] = (struct cell){(t + 1) % c, p, 0};
            for (size_t k = 0; k < n; k++)
                matrix[(size_t)cells[k].target * c + cells[k].predicted] += cells[k].count;
            struct batch_content content = {.shape = shape, .cells = cells, .n_cells = n};
            b.packed = pack_batch(&content);
            add(&s, &b);
            bytes_free(&b.packed);
        }
        const struct cell *cells;
        size_t n, k = 0;
        cr_assert_eq(state_cells(&s, &cells, &n), OK);
        for (uint32_t t = 0; t < c; t++) {
            for (uint32_t p = 0; p < c; p++) {
                int64_t count = matrix[(size_t)t * c + p];
                if (count != 0)
                    cr_assert(k < n && cells[k].target == t && cells[k].predicted == p && cells[k].count == count);
                k += count != 0;
            }
        }
        cr_assert(k == n && state_is_valid(&s), "%u classes: %zu of %zu cells", c, k, n);
        free(matrix);
        state_release(&s);
    }
}

Test(state, binary_states_have_their_four_cells)
{
    static const enum form FORMS[] = {FORM_CLASSES, FORM_CONFUSION};
    for (size_t i = 0; i < 2; i++) {
        struct class_entry entry = {0, {.tp = 5, .fp = 0, .fn = 2, .tn = 9}};
        struct batch_content content = {.shape = {FORMS[i], TASK_BINARY, 1, 0}, .entries = &entry, .n_entries = 1};
        struct batch b = {.packed = pack_batch(&content), .samples = 16};
        struct state s;
        const struct cell *cells;
        size_t n;
        new_state(&s, &content.shape);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 0);
        add(&s, &b);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 3);
        static const struct cell WANT[] = {{0, 0, 9}, {1, 0, 2}, {1, 1, 5}};
        for (size_t k = 0; k < n; k++)
            cr_assert(cells[k].target == WANT[k].target && cells[k].predicted == WANT[k].predicted &&
                      cells[k].count == WANT[k].count);
        add(&s, &b);
        cr_assert(state_cells(&s, &cells, &n) == OK && n == 3 && cells[0].count == 18);
        bytes_free(&b.packed);
        state_release(&s);
    }
}

/* ---- means ---- */

static struct bytes mean_batch(double sum, double weight)
{
    struct batch_content content = {.shape = {.form = FORM_MEAN}, .sum = sum, .weight = weight};
    return pack_batch(&content);
}

Test(state, last_is_the_mean_of_the_greatest_key)
{
    static const struct batch_key KEYS[] = {{0, 5, 0}, {1, 0, 0}, {0, 9, 65535}, {1, 0, 1}, {0, 0, 3}};
    uint64_t seed = 10;
    for (size_t round = 0; round < 20; round++) {
        size_t index[] = {0, 1, 2, 3, 4};
        struct state s, parts[2];
        struct shape shape = {.form = FORM_MEAN};
        new_state(&s, &shape);
        new_state(&parts[0], &shape);
        new_state(&parts[1], &shape);
        shuffle(index, 5, &seed);
        for (size_t i = 0; i < 5; i++) {
            struct batch b = {.key = KEYS[index[i]], .packed = mean_batch((double)index[i] * 2, 2)};
            add(&s, &b);
            add(&parts[i % 2], &b);
            bytes_free(&b.packed);
        }
        /* empty or broken batches after it change nothing */
        struct batch late = {.key = {2, 0, 0}, .packed = mean_batch(5, 0)};
        add(&s, &late);
        bytes_free(&late.packed);
        cr_assert_eq(state_merge(&parts[0], &parts[1]), OK);
        cr_assert(s.mean.last == 3 && batch_key_compare(&s.mean.last_key, &KEYS[3]) == 0);
        cr_assert(parts[0].mean.last == 3 && batch_key_compare(&parts[0].mean.last_key, &KEYS[3]) == 0);
        cr_assert(s.batches == 6 && s.mean.finite == 5 && s.mean.nonfinite == 0 && s.samples == 0);
        cr_assert(s.mean.min == 0 && s.mean.max == 4 && mean_value(&s.mean) == 2);
        state_release(&s);
        state_release(&parts[0]);
        state_release(&parts[1]);
    }
}

Test(state, batches_without_weight_or_not_finite_only_count)
{
    struct shape shape = {.form = FORM_MEAN};
    struct state s;
    new_state(&s, &shape);
    struct batch_content broken = {.shape = shape, .nonfinite = true, .sum = NAN};
    struct batch b = {.key = {0, 1, 0}, .packed = pack_batch(&broken)};
    struct batch empty = {.key = {0, 2, 0}, .packed = mean_batch(7, 0)};
    add(&s, &b);
    add(&s, &empty);
    cr_assert(s.batches == 2 && s.mean.nonfinite == 1 && s.mean.finite == 0 && isnan(mean_value(&s.mean)));
    cr_assert(isnan(state_primary(&s)) && state_is_valid(&s));
    struct bytes packed = pack_state(&s);
    struct state again;
    new_state(&again, &shape);
    cr_assert_eq(state_add_packed(&again, NULL, 0, 1, packed.data, packed.size), OK);
    cr_assert_eq(again.mean.nonfinite, 1);
    cr_assert_eq(state_add_packed(&again, NULL, 0, 0, packed.data, packed.size), ERR_RANGE);
    struct batch_key bad = {0, 0, 65536};
    cr_assert_eq(state_add_packed(&again, &bad, 0, 1, b.packed.data, b.packed.size), ERR_RANGE);
    cr_assert_eq(again.batches, 1);
    bytes_free(&packed);
    bytes_free(&b.packed);
    bytes_free(&empty.packed);
    state_release(&s);
    state_release(&again);
}

/* ---- failure ---- */

static struct batch huge_batch(const struct shape *shape, int64_t count)
{
    struct score_entry score = {.class = 0, .bin = 1, .pos = count};
    struct calibration_entry bin = {.bin = 1, .count = count, .confidence = 0.5};
    struct class_entry entry = {shape->num_classes - 1, {.tp = count}};
    struct cell cell = {0, 0, count};
    struct batch_content content = {.shape = *shape, .correct = count, .total = count};
    content.entries = &entry;
    content.n_entries = 1;
    content.cells = &cell;
    content.n_cells = 1;
    content.sum = content.weight = 1.5e308;
    content.scores = &score;
    content.n_scores = 1;
    content.calibration = &bin;
    content.n_calibration = 1;
    content.regression = (struct regression_content){.n = 1, .sum_squared_error = 1.5e308};
    return (struct batch){.packed = pack_batch(&content), .samples = 1};
}

Test(state, overflow_changes_nothing)
{
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        const struct shape *shape = &KINDS[kind].shape;
        struct state a, b, before;
        new_state(&a, shape);
        new_state(&b, shape);
        struct batch most = huge_batch(shape, INT64_MAX), one = huge_batch(shape, 1);
        add(&a, &most);
        add(&b, &one);
        copy(&before, &a);
        cr_assert_eq(state_merge(&a, &b), ERR_OVERFLOW, "%s", KINDS[kind].name);
        cr_assert(same(&a, &before), "%s: merge", KINDS[kind].name);
        cr_assert_eq(state_add_packed(&a, &one.key, 1, 1, one.packed.data, one.packed.size), ERR_OVERFLOW);
        cr_assert(same(&a, &before), "%s: add", KINDS[kind].name);
        /* the columns beside it overflow too */
        b.batches = INT64_MAX;
        cr_assert_eq(state_merge(&b, &a), ERR_OVERFLOW);
        if (shape->form != FORM_MEAN) {
            cr_assert_eq(state_add_packed(&before, NULL, INT64_MAX, 1, one.packed.data, one.packed.size), ERR_OVERFLOW);
            cr_assert_eq(state_add_packed(&before, NULL, -1, 1, one.packed.data, one.packed.size), ERR_RANGE);
        }
        cr_assert_eq(state_add_packed(&before, &one.key, 0, -1, one.packed.data, one.packed.size), ERR_RANGE);
        cr_assert(same(&a, &before), "%s: columns", KINDS[kind].name);
        bytes_free(&most.packed);
        bytes_free(&one.packed);
        state_release(&a);
        state_release(&b);
        state_release(&before);
    }
}

Test(state, other_shapes_and_bad_bytes_change_nothing)
{
    uint64_t seed = 12;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct state s, before;
        struct batch b = batch_at(&KINDS[kind].shape, 0, &seed);
        new_state(&s, &KINDS[kind].shape);
        add(&s, &b);
        copy(&before, &s);
        for (size_t other = 0; other < N_KINDS; other++) {
            if (other == kind)
                continue;
            struct batch foreign = batch_at(&KINDS[other].shape, 0, &seed);
            struct state foreign_state;
            new_state(&foreign_state, &KINDS[other].shape);
            cr_assert_eq(state_add_packed(&s, &b.key, 1, 1, foreign.packed.data, foreign.packed.size), ERR_SHAPE);
            cr_assert_eq(state_merge(&s, &foreign_state), ERR_SHAPE);
            bytes_free(&foreign.packed);
            state_release(&foreign_state);
        }
        for (size_t cut = 0; cut < b.packed.size; cut++)
            cr_assert_neq(state_add_packed(&s, &b.key, 1, 1, b.packed.data, cut), OK, "%s cut to %zu", KINDS[kind].name,
                          cut);
        cr_assert(same(&s, &before), "%s", KINDS[kind].name);
        bytes_free(&b.packed);
        state_release(&s);
        state_release(&before);
    }
}

Test(state, without_memory_nothing_changes_and_nothing_leaks)
{
    uint64_t seed = 13;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        bool is_done = false;
        struct batch batches[N_BATCHES];
        random_batches(&KINDS[kind].shape, batches, &seed);
        for (long budget = 0; !is_done; budget++) {
            struct test_memory memory = {.budget = budget};
            struct state s, plain;
            int status = state_init(&s, &KINDS[kind].shape, true, test_memory(&memory));
            if (status == OK) {
                new_state(&plain, &KINDS[kind].shape);
                is_done = true;
                for (size_t i = 0; i < N_BATCHES; i++) {
                    const struct batch *b = &batches[i];
                    status = state_add_packed(&s, &b->key, b->samples, 1, b->packed.data, b->packed.size);
                    if (status == OK)
                        add(&plain, b);
                    is_done = is_done && status == OK;
                    cr_assert(status == OK || status == ERR_MEMORY);
                }
                cr_assert(same(&s, &plain), "%s with %ld allocations", KINDS[kind].name, budget);
                state_release(&plain);
                state_release(&s);
            } else {
                cr_assert_eq(status, ERR_MEMORY);
            }
            cr_assert_eq(memory.n_live, 0);
        }
        free_batches(batches);
    }
}

/* ---- shapes, names and keys ---- */

Test(state, shapes_are_checked)
{
    static const struct {
        struct shape shape;
        bool is_valid;
    } ROWS[] = {
        {{FORM_TOTALS, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_TOTALS, TASK_MULTILABEL, 3, 0}, true},
        {{FORM_TOTALS, TASK_BINARY, 0, 0}, true},
        {{FORM_TOTALS, TASK_BINARY, 2, 0}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, 0, 0}, false},
        {{FORM_CLASSES, TASK_BINARY, 1, 0}, true},
        {{FORM_CLASSES, TASK_BINARY, 2, 0}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX, 0}, true},
        {{FORM_CLASSES, TASK_MULTICLASS, STATE_CLASSES_MAX + 1, 0}, false},
        {{FORM_CONFUSION, TASK_MULTILABEL, 3, 0}, false},
        {{FORM_CONFUSION, TASK_BINARY, 1, 0}, true},
        {{FORM_MEAN, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_MEAN, TASK_BINARY, 0, 0}, false},
        {{FORM_MEAN, TASK_MULTICLASS, 1, 0}, false},
        {{FORM_MEAN, TASK_MULTICLASS, 0, 1}, false},
        {{FORM_CLASSES, TASK_MULTICLASS, 3, 1}, false},
        {{FORM_SCORES, TASK_MULTICLASS, 3, 2}, true},
        {{FORM_SCORES, TASK_MULTICLASS, 3, 1}, false},
        {{FORM_SCORES, TASK_MULTICLASS, 0, 11}, false},
        {{FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX}, true},
        {{FORM_SCORES, TASK_BINARY, 1, STATE_THRESHOLDS_MAX + 1}, false},
        {{FORM_SCORES, TASK_BINARY, 2, 11}, false},
        {{FORM_SCORES, TASK_MULTILABEL, 4096, 1024}, true},
        {{FORM_SCORES, TASK_MULTILABEL, 4096, 1025}, false},
        {{FORM_CALIBRATION, TASK_MULTILABEL, 0, STATE_BINS_MAX}, true},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 0, STATE_BINS_MAX + 1}, false},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 0, 0}, false},
        {{FORM_CALIBRATION, TASK_MULTICLASS, 3, 10}, false},
        {{FORM_EXACT, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_EXACT, TASK_MULTILABEL, 0, 0}, false},
        {{FORM_REGRESSION, TASK_MULTICLASS, 0, 0}, true},
        {{FORM_REGRESSION, TASK_MULTICLASS, 0, 5}, false},
        {{(enum form)8, TASK_MULTICLASS, 3, 0}, false},
        {{FORM_CLASSES, (enum task)3, 3, 0}, false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct state s;
        cr_assert_eq(shape_is_valid(&ROWS[i].shape), ROWS[i].is_valid, "row %zu", i);
        int status = state_init(&s, &ROWS[i].shape, false, plain_memory());
        cr_assert_eq(status, ROWS[i].is_valid ? OK : ERR_RANGE);
        if (status == OK)
            state_release(&s);
    }
    for (enum task task = TASK_MULTICLASS; task <= TASK_MULTILABEL; task++) {
        enum task back;
        cr_assert(task_from_name(task_name(task), strlen(task_name(task)), &back) && back == task);
    }
    for (enum form form = FORM_TOTALS; form <= FORM_REGRESSION; form++) {
        enum form back;
        cr_assert(form_from_name(form_name(form), strlen(form_name(form)), &back) && back == form);
    }
    for (enum form form = FORM_SCORES; form <= FORM_REGRESSION; form++)
        cr_assert_str_eq(kind_name(form_kind(form)), form_name(form));
    cr_assert(form_kind(FORM_TOTALS) == KIND_COUNTS && form_kind(FORM_CONFUSION) == KIND_COUNTS &&
              form_kind(FORM_MEAN) == KIND_MEAN);
    enum task task = TASK_BINARY;
    cr_assert(!task_from_name("multi", 5, &task) && !task_from_name("", 0, &task) && task == TASK_BINARY);
    cr_assert(task_name((enum task)7) == NULL && form_name((enum form)8) == NULL && kind_name((enum kind)6) == NULL);
}

Test(state, keys_order_by_epoch_step_rank)
{
    static const struct batch_key RISING[] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 7, 9}, {1, 0, 0}, {1, 0, 2}};
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            int order = batch_key_compare(&RISING[i], &RISING[k]);
            cr_assert((order > 0) == (i > k) && (order < 0) == (i < k));
        }
    }
}
