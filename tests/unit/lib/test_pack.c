/*
 * The packed form: small, one form for one content, and nothing read that was not written here.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "support.h"

static struct bytes pack_entries(struct shape shape, const struct class_entry *entries, size_t n)
{
    struct batch_content content = {.shape = shape, .entries = entries, .n_entries = n};
    return pack_batch(&content);
}

static struct bytes pack_cells(uint32_t num_classes, struct cell *cells, size_t n)
{
    struct batch_content content = {
        .shape = {FORM_CONFUSION, TASK_MULTICLASS, num_classes, 0}, .cells = cells, .n_cells = n};
    return pack_batch(&content);
}

static struct bytes pack_mean(double sum, double weight)
{
    struct batch_content content = {.shape = {.form = FORM_MEAN}, .sum = sum, .weight = weight};
    return pack_batch(&content);
}

static struct bytes pack_range(double sum, double weight, double min, double max)
{
    struct batch_content content = {
        .shape = {.form = FORM_MEAN}, .sum = sum, .weight = weight, .has_range = true, .min = min, .max = max};
    return pack_batch(&content);
}

/* Compares and frees. */
static bool take_equal(struct bytes a, struct bytes b)
{
    bool is_equal = bytes_equal(a, b);
    bytes_free(&a);
    bytes_free(&b);
    return is_equal;
}

Test(pack, the_same_content_has_the_same_bytes)
{
    static const struct class_entry DENSE[] = {{0, {0}}, {1, {3, 1, 0, 0}}, {2, {0}}, {3, {0, 0, 1, 0}}};
    static const struct class_entry SPARSE[] = {{1, {3, 1, 0, 0}}, {3, {0, 0, 1, 0}}};
    struct shape classes = {FORM_CLASSES, TASK_MULTICLASS, 4, 0};
    cr_assert(take_equal(pack_entries(classes, DENSE, 4), pack_entries(classes, SPARSE, 2)));

    struct cell rows[] = {{0, 0, 5}, {0, 1, 0}, {1, 0, 2}, {1, 1, 7}}, shuffled[] = {{1, 1, 7}, {0, 0, 5}, {1, 0, 2}};
    cr_assert(take_equal(pack_cells(2, rows, 4), pack_cells(2, shuffled, 3)));

    cr_assert(take_equal(pack_mean(10, 4), pack_range(10, 4, 2.5, 2.5)));
    cr_assert(!take_equal(pack_mean(10, 4), pack_range(10, 4, 2.5, 3)));
    cr_assert(!take_equal(pack_mean(10, 4), pack_range(10, 4, 1, 2.5)));
    cr_assert(!take_equal(pack_mean(10, 4), pack_mean(10, 5)));
    cr_assert(take_equal(pack_mean(-0.0, 4), pack_mean(0, 4)));
    cr_assert(take_equal(pack_range(1, 1, -0.0, 3), pack_range(1, 1, 0, 3)));
    cr_assert(take_equal(pack_mean(0, 0), pack_range(3, 0, 1, 2)), "a batch without weight says nothing");
}

Test(pack, batches_are_small)
{
    struct class_entry entries[10];
    struct cell cells[100];
    uint64_t seed = 1;
    size_t n_cells = 0, largest_classes = 0, largest_cells = 0;
    for (size_t round = 0; round < 200; round++) {
        memset(cells, 0, sizeof cells);
        for (uint32_t i = 0; i < 10; i++)
            entries[i] = (struct class_entry){i, {0}};
        for (size_t i = 0; i < 32; i++) {
            uint32_t t = (uint32_t)random_below(&seed, 10),
                     p = random_below(&seed, 10) < 8 ? t : (uint32_t)random_below(&seed, 10);
            cells[10 * t + p] = (struct cell){t, p, cells[10 * t + p].count + 1};
            entries[t].counts.tp += t == p;
            entries[t].counts.fn += t != p;
            entries[p].counts.fp += t != p;
        }
        n_cells = 0;
        struct cell sparse[100];
        for (size_t i = 0; i < 100; i++) {
            if (cells[i].count > 0)
                sparse[n_cells++] = cells[i];
        }
        struct bytes a = pack_entries((struct shape){FORM_CLASSES, TASK_MULTICLASS, 10, 0}, entries, 10);
        struct bytes b = pack_cells(10, sparse, n_cells);
        largest_classes = a.size > largest_classes ? a.size : largest_classes;
        largest_cells = b.size > largest_cells ? b.size : largest_cells;
        bytes_free(&a);
        bytes_free(&b);
    }
    cr_assert_leq(largest_classes, 43, "%zu", largest_classes);
    cr_assert_leq(largest_cells, 50, "%zu", largest_cells);
    struct bytes loss = pack_mean(41.25372, 32), rate = pack_mean(0.001, 1), range = pack_range(41.25, 32, 0.5, 2.5);
    cr_assert(loss.size <= 13 && rate.size <= 12 && range.size <= 19, "%zu %zu %zu", loss.size, rate.size, range.size);
    bytes_free(&loss);
    bytes_free(&rate);
    bytes_free(&range);
}

Test(pack, what_is_no_batch_is_refused)
{
    static const struct class_entry NEGATIVE = {0, {.tp = -1}}, OUTSIDE = {4, {.tp = 1}}, LONELY_FP = {1, {.fp = 1}};
    static const struct class_entry HAS_TN = {1, {.tp = 1, .tn = 1}};
    static const struct class_entry TWICE[] = {{1, {.tp = 1}}, {1, {.tp = 1}}},
                                    FALLING[] = {{2, {.tp = 1}}, {1, {.tp = 1}}};
    static const struct class_entry TOO_MUCH[] = {{1, {.tp = INT64_MAX}}, {2, {.fn = 1}}};
    struct shape c4 = {FORM_CLASSES, TASK_MULTICLASS, 4, 0}, labels = {FORM_CLASSES, TASK_MULTILABEL, 4, 0};
    struct shape m4 = {FORM_CONFUSION, TASK_MULTICLASS, 4, 0}, totals = {FORM_TOTALS, TASK_MULTICLASS, 0, 0},
                 mean = {.form = FORM_MEAN};
    struct cell negative[] = {{0, 0, -1}}, row[] = {{4, 0, 1}}, column[] = {{0, 4, 1}};
    struct cell twice[] = {{1, 1, 1}, {0, 0, 1}, {1, 1, 0}}, too_much[] = {{0, 0, INT64_MAX}, {0, 1, 1}};
    const struct {
        const char *name;
        struct batch_content content;
        int status;
    } ROWS[] = {
        {"negative count", {.shape = c4, .entries = &NEGATIVE, .n_entries = 1}, ERR_RANGE},
        {"class outside", {.shape = c4, .entries = &OUTSIDE, .n_entries = 1}, ERR_RANGE},
        {"class twice", {.shape = c4, .entries = TWICE, .n_entries = 2}, ERR_RANGE},
        {"classes falling", {.shape = c4, .entries = FALLING, .n_entries = 2}, ERR_RANGE},
        {"more predictions than samples", {.shape = c4, .entries = &LONELY_FP, .n_entries = 1}, ERR_RANGE},
        {"tn of multiclass", {.shape = c4, .entries = &HAS_TN, .n_entries = 1}, ERR_RANGE},
        {"fp of a label", {.shape = labels, .entries = &LONELY_FP, .n_entries = 1}, OK},
        {"total overflows", {.shape = c4, .entries = TOO_MUCH, .n_entries = 2}, ERR_OVERFLOW},
        {"negative cell", {.shape = m4, .cells = negative, .n_cells = 1}, ERR_RANGE},
        {"row outside", {.shape = m4, .cells = row, .n_cells = 1}, ERR_RANGE},
        {"column outside", {.shape = m4, .cells = column, .n_cells = 1}, ERR_RANGE},
        {"cell twice", {.shape = m4, .cells = twice, .n_cells = 3}, ERR_RANGE},
        {"cells overflow", {.shape = m4, .cells = too_much, .n_cells = 2}, ERR_OVERFLOW},
        {"more correct than total", {.shape = totals, .correct = 3, .total = 2}, ERR_RANGE},
        {"correct negative", {.shape = totals, .correct = -1, .total = 2}, ERR_RANGE},
        {"totals", {.shape = totals, .correct = INT64_MAX, .total = INT64_MAX}, OK},
        {"bad shape", {.shape = {FORM_CLASSES, TASK_BINARY, 2, 0}}, ERR_RANGE},
        {"NaN sum", {.shape = mean, .sum = NAN, .weight = 1}, ERR_RANGE},
        {"infinite weight", {.shape = mean, .sum = 1, .weight = INFINITY}, ERR_RANGE},
        {"negative weight", {.shape = mean, .sum = 1, .weight = -1}, ERR_RANGE},
        {"min above max", {.shape = mean, .sum = 1, .weight = 1, .has_range = true, .min = 2, .max = 1}, ERR_RANGE},
        {"NaN min", {.shape = mean, .sum = 1, .weight = 1, .has_range = true, .min = NAN, .max = 1}, ERR_RANGE},
        {"mean overflows", {.shape = mean, .sum = 1e300, .weight = 1e-300}, ERR_OVERFLOW},
        {"nonfinite", {.shape = mean, .sum = NAN, .weight = NAN, .nonfinite = true}, OK},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct batch_content content = ROWS[i].content;
        uint8_t out[64] = {42};
        size_t size = 99;
        int status = batch_pack(&content, out, sizeof out, &size);
        cr_assert_eq(status, ROWS[i].status, "%s: %d", ROWS[i].name, status);
        if (status != OK)
            cr_assert(out[0] == 42 && size == 99, "%s", ROWS[i].name);
    }
}

Test(pack, a_small_buffer_is_told_the_size_and_left_alone)
{
    static const struct class_entry ENTRIES[] = {{0, {300, 1, 1, 0}}, {9, {1, 1, 1, 0}}};
    struct batch_content content = {
        .shape = {FORM_CLASSES, TASK_MULTICLASS, 10, 0}, .entries = ENTRIES, .n_entries = 2};
    size_t size, needed;
    cr_assert_eq(batch_pack(&content, NULL, 0, &needed), ERR_FULL);
    uint8_t *out = malloc(needed);
    for (size_t cap = 0; cap < needed; cap++) {
        memset(out, 42, needed);
        cr_assert_eq(batch_pack(&content, out, cap, &size), ERR_FULL);
        cr_assert_eq(size, needed);
        for (size_t i = 0; i < needed; i++)
            cr_assert_eq(out[i], 42);
    }
    cr_assert(batch_pack(&content, out, needed, &size) == OK && size == needed);
    free(out);
}

Test(pack, within_the_bound_the_bytes_are_those_that_were_measured)
{
    static const struct shape SHAPES[] = {
        {FORM_TOTALS, TASK_MULTICLASS, 0, 0},       {FORM_CLASSES, TASK_MULTICLASS, 100, 0},
        {FORM_CLASSES, TASK_MULTILABEL, 65536, 0},  {FORM_CONFUSION, TASK_BINARY, 1, 0},
        {FORM_CONFUSION, TASK_MULTICLASS, 1000, 0}, {FORM_MEAN, TASK_MULTICLASS, 0, 0},
        {FORM_SCORES, TASK_MULTICLASS, 3, 1000},    {FORM_CALIBRATION, TASK_MULTICLASS, 0, 10000},
        {FORM_EXACT, TASK_MULTICLASS, 0, 0},        {FORM_REGRESSION, TASK_MULTICLASS, 0, 0}};
    static uint8_t room[4096];
    uint64_t seed = 11;
    for (size_t i = 0; i < 200 * sizeof SHAPES / sizeof SHAPES[0]; i++) {
        struct random_batch batch = {0};
        size_t size = 0;
        random_batch(&batch, &SHAPES[i / 200], &seed);
        struct bytes measured = pack_batch(&batch.content);
        size_t bound = batch_pack_bound(&batch.content);
        cr_assert(measured.size <= bound && bound <= sizeof room, "row %zu: %zu, bound %zu", i / 200, measured.size,
                  bound);
        cr_assert_eq(batch_pack(&batch.content, room, bound, &size), OK);
        cr_assert(bytes_equal(measured, (struct bytes){room, size}), "row %zu", i / 200);
        bytes_free(&measured);
    }
}

Test(pack, the_widest_batch_fits_into_the_bound)
{
    static uint8_t room[4096];
    static const struct class_entry ENTRIES[] = {{65535, {INT64_MAX / 4, INT64_MAX / 4, INT64_MAX / 4, INT64_MAX / 4}}};
    struct batch_content wide[] = {
        {.shape = {FORM_CLASSES, TASK_MULTILABEL, 65536, 0}, .entries = ENTRIES, .n_entries = 1},
        {.shape = {FORM_MEAN, TASK_MULTICLASS, 0, 0},
         .sum = 1e300 / 3,
         .weight = 1.1,
         .min = -0.1,
         .max = 1e300 / 7,
         .has_range = true},
        {.shape = {FORM_REGRESSION, TASK_MULTICLASS, 0, 0},
         .regression = {(int64_t)1 << 53, -0.1, -0.3, 0.7, 0.9, -0.7, -0.3, 0.1, 1.1}}};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        size_t size = 0, bound = batch_pack_bound(&wide[i]);
        cr_assert_eq(batch_pack(&wide[i], room, bound, &size), OK, "row %zu", i);
        cr_assert(size <= bound && packed_verify(room, size) == OK, "row %zu", i);
    }
}

/* ---- reading ---- */

/* One packed thing of each kind; a batch of counts and a sum of counts have one form. */
enum { N_SAMPLES = 16 };

/* Of the kinds that are no counts and no means. */
static void more_samples(struct bytes out[7])
{
    struct score_entry scores[] = {{0, 3, 5, 300}, {2, 0, 0, 1}, {2, 4, 7, 0}};
    struct calibration_entry bins[] = {{0, 5, 1, 0.3}, {3, 2, 0, 1.5}, {10, 300, 300, 300}}, tiny = {3, 1, 0, 1e-30};
    struct regression_content moments = {7, 0.1, -3, 2.5, 4, 1.25, -0.5, 3, 40};
    struct batch_content exact = {.shape = {.form = FORM_EXACT}, .correct = 27, .total = 320};
    struct batch_content histogram = {.shape = {FORM_SCORES, TASK_MULTILABEL, 3, 5}, .scores = scores, .n_scores = 3};
    struct batch_content calibration = {
        .shape = {FORM_CALIBRATION, TASK_BINARY, 0, 10}, .calibration = bins, .n_calibration = 3};
    struct batch_content regression = {.shape = {.form = FORM_REGRESSION}, .regression = moments};
    struct batch_content none = {.shape = {.form = FORM_REGRESSION}};
    out[0] = pack_batch(&exact);
    out[1] = pack_batch(&histogram);
    out[2] = pack_batch(&calibration);
    out[3] = pack_batch(&regression);
    out[4] = pack_batch(&none);
    struct state s = state_of(&regression);
    out[5] = pack_state(&s);
    state_release(&s);
    s = state_of(&calibration);
    calibration.calibration = &tiny;
    calibration.n_calibration = 1;
    add_content(&s, &calibration, 0);
    out[6] = pack_state(&s);
    state_release(&s);
}

static void samples(struct bytes out[N_SAMPLES])
{
    static const struct class_entry CLASSES[] = {{0, {300, 1, 2, 0}}, {3, {1, 2, 1, 0}}, {9, {7, 0, 0, 0}}};
    static const struct class_entry LABELS[] = {{1, {1, 2, 3, 400}}, {4, {0, 0, 0, 9}}}, BINARY = {0, {5, 6, 7, 8}};
    struct cell cells[] = {{0, 0, 5}, {1, 9, 300}, {9, 9, 1}};
    struct batch_content totals = {.shape = {FORM_TOTALS, TASK_MULTICLASS, 0, 0}, .correct = 27, .total = 320};
    struct batch_content broken = {.shape = {.form = FORM_MEAN}, .nonfinite = true};
    out[0] = pack_batch(&totals);
    out[1] = pack_entries((struct shape){FORM_CLASSES, TASK_MULTICLASS, 10, 0}, CLASSES, 3);
    out[2] = pack_entries((struct shape){FORM_CLASSES, TASK_MULTILABEL, 5, 0}, LABELS, 2);
    out[3] = pack_entries((struct shape){FORM_CONFUSION, TASK_BINARY, 1, 0}, &BINARY, 1);
    out[4] = pack_cells(10, cells, 3);
    out[5] = pack_mean(41.2537, 32);
    out[6] = pack_range(41.2537, 32.5, 0.1, 1.5);
    out[7] = pack_batch(&broken);
    struct state s;
    struct shape mean = {.form = FORM_MEAN};
    struct batch_key key = {3, 1000, 2};
    cr_assert_eq(state_init(&s, &mean, false, plain_memory()), OK);
    for (size_t i = 5; i < 8; i++)
        cr_assert_eq(state_add_packed(&s, &key, 0, 1, out[i].data, out[i].size), OK);
    struct bytes tiny = pack_mean(1e-30, 1);
    cr_assert_eq(state_add_packed(&s, &key, 0, 1, tiny.data, tiny.size), OK);
    bytes_free(&tiny);
    out[8] = pack_state(&s);
    state_release(&s);
    more_samples(out + 9);
}

/* The content of a mean batch, read through a state, written again. */
static struct bytes repack_mean_batch(const struct state *s)
{
    const struct mean *m = &s->mean;
    struct batch_content content = {.shape = s->shape, .nonfinite = m->nonfinite > 0};
    content.sum = exact_sum_value(&m->sum);
    content.weight = exact_sum_value(&m->weight);
    content.has_range = m->finite > 0;
    content.min = m->min;
    content.max = m->max;
    return pack_batch(&content);
}

static struct bytes repack_regression_batch(const uint8_t *data, size_t size)
{
    struct batch_content content = {.shape = {.form = FORM_REGRESSION}};
    cr_assert_eq(packed_regression(data, size, &content.regression), OK);
    return pack_batch(&content);
}

/* If it verifies, it unpacks, and packs to the same bytes. */
static bool is_stable(const uint8_t *data, size_t size)
{
    struct shape shape;
    if (packed_verify(data, size) != OK)
        return false;
    struct state s;
    struct batch_key key = {0, 0, 0};
    cr_assert_eq(packed_shape(data, size, &shape), OK);
    cr_assert_eq(state_init(&s, &shape, true, plain_memory()), OK);
    cr_assert_eq(state_add_packed(&s, &key, 1, INT64_MAX, data, size), OK);
    cr_assert(state_is_valid(&s));
    struct bytes given = {(uint8_t *)data, size}, again = pack_state(&s);
    bool is_same = bytes_equal(given, again);
    if (!is_same && (shape.form == FORM_MEAN || shape.form == FORM_REGRESSION)) {
        bytes_free(&again);
        again = shape.form == FORM_MEAN ? repack_mean_batch(&s) : repack_regression_batch(data, size);
        is_same = bytes_equal(given, again);
    }
    cr_assert(is_same, "form %d: other bytes for the same content", (int)shape.form);
    bytes_free(&again);
    state_release(&s);
    return true;
}

Test(pack, every_kind_comes_back)
{
    struct bytes all[N_SAMPLES];
    samples(all);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        cr_assert(is_stable(all[i].data, all[i].size), "sample %zu", i);
        bytes_free(&all[i]);
    }
}

/* Damage is refused, or it is another state in its own one form. */
Test(pack, changed_bytes_are_refused_or_another_state)
{
    struct bytes all[N_SAMPLES];
    size_t n_refused = 0, n_other = 0;
    samples(all);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        uint8_t *data = malloc(all[i].size + 1);
        for (size_t cut = 0; cut < all[i].size; cut++)
            cr_assert_eq(packed_verify(all[i].data, cut), ERR_CORRUPT, "sample %zu cut to %zu", i, cut);
        memcpy(data, all[i].data, all[i].size);
        for (unsigned extra = 0; extra < 256; extra++) {
            data[all[i].size] = (uint8_t)extra;
            cr_assert_eq(packed_verify(data, all[i].size + 1), ERR_CORRUPT, "sample %zu with a byte more", i);
        }
        for (size_t at = 0; at < all[i].size; at++) {
            for (unsigned value = 0; value < 256; value++) {
                data[at] = (uint8_t)value;
                if (is_stable(data, all[i].size))
                    n_other++;
                else
                    n_refused++;
            }
            data[at] = all[i].data[at];
        }
        free(data);
        bytes_free(&all[i]);
    }
    cr_assert(n_refused > 5000 && n_other > 5000, "%zu refused, %zu other", n_refused, n_other);
}

Test(pack, random_bytes_do_no_harm)
{
    uint64_t seed = 31;
    size_t n_states = 0;
    for (size_t i = 0; i < 200000; i++) {
        uint8_t data[24];
        size_t size = random_below(&seed, sizeof data + 1);
        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)(random_next(&seed) & random_next(&seed) & (i % 2 == 0 ? 0x0f : 0xff));
        n_states += is_stable(data, size);
    }
    cr_assert_gt(n_states, 1000);
}

Test(pack, other_encodings_are_refused)
{
    static const struct {
        const char *name;
        size_t size;
        uint8_t data[24];
    } ROWS[] = {
        {"nothing", 0, {0}},
        {"a later version", 4, {0x40, 0, 1, 2}},
        {"an unknown form", 4, {0x08, 0, 1, 2}},
        {"an unknown task", 4, {0x30, 0, 1, 2}},
        {"a mean with a task", 4, {0x13, 0, 2, 4}},
        {"num_classes in two bytes", 5, {0x00, 0x80, 0, 1, 2}},
        {"too many classes", 7, {0x01, 0x81, 0x80, 0x04, 1, 1, 1}},
        {"more correct than total", 4, {0x00, 0, 3, 2}},
        {"a class without counts", 4, {0x01, 4, 1, 0}},
        {"a count of 0", 5, {0x01, 4, 1, 1, 0}},
        {"a class outside", 5, {0x01, 4, 1, 4 << 3 | 1, 5}},
        {"fewer classes than said", 5, {0x01, 4, 2, 1, 5}},
        {"fp without samples", 5, {0x01, 4, 1, 2, 5}},
        {"a cell of 0", 5, {0x02, 2, 1, 0, 0}},
        {"a cell outside", 5, {0x02, 2, 1, 4, 1}},
        {"mean: unknown flags", 4, {0x03, 8, 2, 4}},
        {"mean: negative weight", 4, {0x03, 0, 2, 2}},
        {"mean: a sum without weight", 4, {0x03, 0, 4, 0}},
        {"mean: a range that says nothing", 6, {0x03, 4, 4, 4, 4, 4}},
        {"mean: min above max", 6, {0x03, 4, 4, 4, 12, 8}},
        {"sum: parts that are not canonical", 15, {0x03, 1, 1, 0, 0, 0, 0, 4, 4, 4, 2, 4, 4, 1, 4}},
        {"scores: one threshold", 4, {0x04, 1, 1, 0}},
        {"scores: too many thresholds", 5, {0x04, 1, 0x92, 0x4e, 0}},
        {"scores: too many cells", 7, {0x04, 0x80, 0x80, 0x04, 0x80, 0x01, 0}},
        {"scores: an entry without counts", 5, {0x04, 3, 5, 1, 0}},
        {"scores: a count of 0", 6, {0x04, 3, 5, 1, 1, 0}},
        {"scores: a cell outside", 6, {0x04, 3, 5, 1, 15 << 2 | 1, 1}},
        {"scores: binary with two classes", 4, {0x14, 2, 5, 0}},
        {"calibration: no bins", 3, {0x05, 0, 0}},
        {"calibration: too many bins", 4, {0x05, 0x91, 0x4e, 0}},
        {"calibration: no samples", 6, {0x05, 3, 1, 0, 0, 0}},
        {"calibration: more correct than samples", 7, {0x05, 3, 1, 1, 1, 2, 0}},
        {"calibration: a bin outside", 6, {0x05, 3, 1, 4 << 2, 1, 0}},
        {"calibration: negative confidence", 6, {0x05, 3, 1, 0, 1, 2}},
        {"calibration: one part said to be several", 7, {0x05, 3, 1, 2, 1, 1, 4}},
        {"calibration: no parts", 6, {0x05, 3, 1, 2, 1, 0}},
        {"exact: more correct than total", 3, {0x06, 3, 2}},
        {"exact: with a task", 3, {0x16, 1, 2}},
        {"regression: unknown flags", 3, {0x07, 2, 0}},
        {"regression: numbers of nothing", 11, {0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"regression: a number missing", 10, {0x07, 0, 1, 0, 0, 0, 0, 0, 0, 0}},
        {"regression: negative m2", 11, {0x07, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0}},
        {"regression: parts of nothing", 11, {0x07, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"regression: negative squares", 12, {0x07, 1, 1, 0, 0, 1, 2, 0, 0, 0, 0, 0}},
        {"sum: no weight", 12, {0x03, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"sum: rank out of range", 15, {0x03, 1, 1, 0, 0, 0, 0x80, 0x80, 0x04, 4, 4, 4, 0, 1, 4}},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct shape shape = {FORM_MEAN, TASK_BINARY, 77, 0};
        cr_assert_eq(packed_verify(ROWS[i].data, ROWS[i].size), ERR_CORRUPT, "%s", ROWS[i].name);
        if (packed_shape(ROWS[i].data, ROWS[i].size, &shape) != OK)
            cr_assert_eq(shape.num_classes, 77);
    }
    static const uint8_t GOOD[] = {0x03, 1, 1, 0, 0, 0, 0, 4, 4, 4, 1, 4, 1, 4};
    cr_assert_eq(packed_verify(GOOD, sizeof GOOD), OK);
}
