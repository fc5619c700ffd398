#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

#define AT "\"stage\":\"test\",\"epoch\":1,\"step\":2,"
#define MOMENTS                                                                                                        \
    "\"mean_target\":1.5,\"mean_prediction\":-2,\"m2_target\":4,\"m2_prediction\":0.25,\"c\":-0.5,"                    \
    "\"sum_error\":-10.5,\"sum_abs_error\":12,\"sum_squared_error\":40"
#define ZEROS                                                                                                          \
    "\"mean_target\":0,\"mean_prediction\":0,\"m2_target\":0,\"m2_prediction\":0,\"c\":0,\"sum_error\":0,"             \
    "\"sum_abs_error\":0,\"sum_squared_error\":0"

static struct limits small_limits(void)
{
    struct limits l;
    limits_default(&l);
    l.classes = 200;
    l.records_per_request = 5;
    return l;
}

/* In an exact copy, so that a byte read too far is seen by ASan. */
static int decode(const char *fields, struct arena *arena, struct record_list *out, struct problem *p)
{
    struct limits l = small_limits();
    size_t size = strlen(fields) + sizeof("{" AT "}") - 1;
    char *text = malloc(size + 1), *copy = malloc(size);
    snprintf(text, size + 1, "{" AT "%s}", fields);
    memcpy(copy, text, size);
    memset(p, 0, sizeof *p);
    memset(out, 0, sizeof *out);
    int rc = decode_records(copy, size, BODY_JSON, &l, arena, out, p);
    free(text);
    free(copy);
    return rc;
}

Test(decode_states, bad_states_are_refused_with_code_and_pointer)
{
    static const struct {
        const char *fields;
        int code;
        const char *pointer;
    } rows[] = {
        /* scores, dense */
        {"\"scores\":[]", PROBLEM_INVALID, "/scores"},
        {"\"scores\":{}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"thresholds\":2}", PROBLEM_INVALID, "/scores/pos"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]]}", PROBLEM_INVALID, "/scores/neg"},
        {"\"scores\":{\"thresholds\":2,\"neg\":[[0,1]]}", PROBLEM_INVALID, "/scores/pos"},
        {"\"scores\":{\"pos\":[[0,1]],\"neg\":[[0,1]]}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"thresholds\":1}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"thresholds\":10002}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"thresholds\":2.5}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"tresholds\":2}", PROBLEM_UNKNOWN_FIELD, "/scores/tresholds"},
        {"\"scores\":{\"thresholds\":2,\"thresholds\":2}", PROBLEM_MALFORMED, "/scores/thresholds"},
        {"\"scores\":{\"thresholds\":3,\"pos\":[[0,1]],\"neg\":[[0,1]]}", PROBLEM_INVALID, "/scores/pos/0"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]],\"neg\":[[0,1,2]]}", PROBLEM_INVALID, "/scores/neg/0"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1],[2]],\"neg\":[[0,1]]}", PROBLEM_INVALID, "/scores/pos/1"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1],[2,3]],\"neg\":[[0,1]]}", PROBLEM_INVALID, "/scores/neg"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[]}", PROBLEM_INVALID, "/scores/pos"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[1]}", PROBLEM_INVALID, "/scores/pos/0"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1],[0,-1]]}", PROBLEM_INVALID, "/scores/pos/1/1"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1.5]]}", PROBLEM_INVALID, "/scores/pos/0/1"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,9007199254740992]]}", PROBLEM_INVALID, "/scores/pos/0/1"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]],\"neg\":[[0,1]],\"num_classes\":2}", PROBLEM_INVALID,
         "/scores/num_classes"},
        {"\"num_classes\":2,\"scores\":{\"thresholds\":2,\"pos\":[[0,1]],\"neg\":[[0,1]]}", PROBLEM_INVALID,
         "/num_classes"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1],[0,1]],\"neg\":[[0,1],[1,0]]},\"task\":\"binary\"",
         PROBLEM_INVALID, "/scores/pos"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]],\"neg\":[[0,1]]},\"task\":\"binary\",\"num_classes\":3",
         PROBLEM_INVALID, "/num_classes"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]],\"neg\":[[0,1]],\"cells\":[]}", PROBLEM_INVALID,
         "/scores/cells"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,1]", PROBLEM_MALFORMED, "/scores/pos/0"},
        /* scores, sparse */
        {"\"scores\":{\"thresholds\":2,\"cells\":[]}", PROBLEM_INVALID, "/scores/num_classes"},
        {"\"scores\":{\"num_classes\":2,\"cells\":[]}", PROBLEM_INVALID, "/scores/thresholds"},
        {"\"scores\":{\"num_classes\":201}", PROBLEM_INVALID, "/scores/num_classes"},
        {"\"num_classes\":3,\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[]}", PROBLEM_INVALID,
         "/num_classes"},
        {"\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[[0,1,1,0],[1,1,1]]}", PROBLEM_INVALID,
         "/scores/cells/1"},
        {"\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[[0,1,1,0,0]]}", PROBLEM_INVALID,
         "/scores/cells/0/4"},
        {"\"scores\":{\"cells\":[[0,1,1,0],[2,1,1,0]],\"thresholds\":2,\"num_classes\":2}", PROBLEM_INVALID,
         "/scores/cells/1/0"},
        {"\"scores\":{\"cells\":[[0,1,1,0],[1,2,1,0]],\"thresholds\":2,\"num_classes\":2}", PROBLEM_INVALID,
         "/scores/cells/1/1"},
        {"\"scores\":{\"cells\":[[0,10001,1,0]]}", PROBLEM_INVALID, "/scores/cells/0/1"},
        {"\"scores\":{\"cells\":[[200,0,1,0]]}", PROBLEM_INVALID, "/scores/cells/0/0"},
        {"\"scores\":{\"cells\":[[1,1,1,0],[0,1,1,0],[1,1,0,0]],\"thresholds\":2,\"num_classes\":2}", PROBLEM_INVALID,
         "/scores/cells/2"},
        {"\"task\":\"binary\",\"scores\":{\"thresholds\":2,\"cells\":[[1,0,1,0]]}", PROBLEM_INVALID,
         "/scores/cells/0/0"},
        {"\"task\":\"binary\",\"scores\":{\"thresholds\":2,\"num_classes\":3,\"cells\":[]}", PROBLEM_INVALID,
         "/scores/num_classes"},
        {"\"scores\":{\"thresholds\":10001,\"num_classes\":105,\"cells\":[]}", PROBLEM_INVALID, "/scores"},
        /* calibration */
        {"\"calibration\":7", PROBLEM_INVALID, "/calibration"},
        {"\"calibration\":{}", PROBLEM_INVALID, "/calibration/bins"},
        {"\"calibration\":{\"bins\":0}", PROBLEM_INVALID, "/calibration/bins"},
        {"\"calibration\":{\"bins\":10001}", PROBLEM_INVALID, "/calibration/bins"},
        {"\"calibration\":{\"bins\":1,\"accuracy\":[]}", PROBLEM_UNKNOWN_FIELD, "/calibration/accuracy"},
        {"\"calibration\":{\"bins\":1}", PROBLEM_INVALID, "/calibration/count"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1]}", PROBLEM_INVALID, "/calibration/confidence"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[0.5,1]}", PROBLEM_INVALID,
         "/calibration/correct"},
        {"\"calibration\":{\"bins\":1,\"count\":[1],\"confidence\":[0.5],\"correct\":[1]}", PROBLEM_INVALID,
         "/calibration/count"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[0.5],\"correct\":[1,1]}", PROBLEM_INVALID,
         "/calibration/confidence"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[0.5,1],\"correct\":[1,1,0]}", PROBLEM_INVALID,
         "/calibration/correct"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[0.5,1],\"correct\":[1,2]}", PROBLEM_INVALID,
         "/calibration/correct/1"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,-1]}", PROBLEM_INVALID, "/calibration/count/1"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[0.5,1.0000001],\"correct\":[1,1]}",
         PROBLEM_INVALID, "/calibration/confidence/1"},
        {"\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[-0.1,1],\"correct\":[1,1]}", PROBLEM_INVALID,
         "/calibration/confidence/0"},
        {"\"calibration\":{\"bins\":1,\"count\":[0,1],\"confidence\":[0.1,1],\"correct\":[0,1]}", PROBLEM_INVALID,
         "/calibration/confidence/0"},
        {"\"calibration\":{\"bins\":1,\"confidence\":[\"NaN\",1]}", PROBLEM_INVALID, "/calibration/confidence/0"},
        {"\"calibration\":{\"bins\":1,\"confidence\":[1e400]}", PROBLEM_INVALID, "/calibration/confidence/0"},
        {"\"calibration\":{\"bins\":1,\"confidence\":[null]}", PROBLEM_INVALID, "/calibration/confidence/0"},
        {"\"calibration\":{\"bins\":1,\"cells\":[],\"correct\":[1,1]}", PROBLEM_INVALID, "/calibration/cells"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[0,1,0.5]]}", PROBLEM_INVALID, "/calibration/cells/0"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[0,1,0.5,1,1]]}", PROBLEM_INVALID, "/calibration/cells/0/4"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[2,1,0.5,1]]}", PROBLEM_INVALID, "/calibration/cells/0/0"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[10001,1,0.5,1]]}", PROBLEM_INVALID, "/calibration/cells/0/0"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,1,0.5,1],[0,1.5,0.5,1]]}", PROBLEM_INVALID,
         "/calibration/cells/1/1"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,1,1.5,1]]}", PROBLEM_INVALID, "/calibration/cells/0/2"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,1,\"Infinity\",1]]}", PROBLEM_INVALID, "/calibration/cells/0/2"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,1,1,2]]}", PROBLEM_INVALID, "/calibration/cells/0/3"},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,1,1,1],[0,1,0.5,1],[1,1,1,1]]}", PROBLEM_INVALID,
         "/calibration/cells/2/0"},
        /* exact match */
        {"\"exact\":{}", PROBLEM_INVALID, "/exact"},
        {"\"exact\":[]", PROBLEM_INVALID, "/exact"},
        {"\"exact\":[1]", PROBLEM_INVALID, "/exact"},
        {"\"exact\":[1,2,3]", PROBLEM_INVALID, "/exact/2"},
        {"\"exact\":[3,2]", PROBLEM_INVALID, "/exact/0"},
        {"\"exact\":[1,-2]", PROBLEM_INVALID, "/exact/1"},
        {"\"exact\":[0.5,2]", PROBLEM_INVALID, "/exact/0"},
        /* regression */
        {"\"regression\":[]", PROBLEM_INVALID, "/regression"},
        {"\"regression\":{}", PROBLEM_INVALID, "/regression/n"},
        {"\"regression\":{" MOMENTS "}", PROBLEM_INVALID, "/regression/n"},
        {"\"regression\":{\"n\":3,\"mean_target\":1}", PROBLEM_INVALID, "/regression/mean_prediction"},
        {"\"regression\":{\"n\":3.5," MOMENTS "}", PROBLEM_INVALID, "/regression/n"},
        {"\"regression\":{\"n\":-3," MOMENTS "}", PROBLEM_INVALID, "/regression/n"},
        {"\"regression\":{\"n\":0," MOMENTS "}", PROBLEM_INVALID, "/regression/mean_target"},
        {"\"regression\":{\"n\":3," MOMENTS ",\"r2\":1}", PROBLEM_UNKNOWN_FIELD, "/regression/r2"},
        {"\"regression\":{\"n\":3,\"mean_target\":\"NaN\"}", PROBLEM_INVALID, "/regression/mean_target"},
        {"\"regression\":{\"n\":3,\"c\":\"-Infinity\"}", PROBLEM_INVALID, "/regression/c"},
        {"\"regression\":{\"n\":3,\"c\":-1e999}", PROBLEM_INVALID, "/regression/c"},
        {"\"regression\":{\"n\":3,\"mean_target\":1,\"mean_prediction\":1,\"m2_target\":-1}", PROBLEM_INVALID,
         "/regression/m2_target"},
        {"\"regression\":{\"n\":3,\"mean_target\":1,\"mean_prediction\":1,\"m2_target\":1,\"m2_prediction\":-1e-9}",
         PROBLEM_INVALID, "/regression/m2_prediction"},
        {"\"regression\":{\"n\":3,\"mean_target\":1,\"mean_prediction\":1,\"m2_target\":1,\"m2_prediction\":1,\"c\":0,"
         "\"sum_error\":-1,\"sum_abs_error\":-1,\"sum_squared_error\":1}",
         PROBLEM_INVALID, "/regression/sum_abs_error"},
        {"\"regression\":{\"n\":3,\"mean_target\":1,\"mean_prediction\":1,\"m2_target\":1,\"m2_prediction\":1,\"c\":0,"
         "\"sum_error\":-1,\"sum_abs_error\":1,\"sum_squared_error\":-1}",
         PROBLEM_INVALID, "/regression/sum_squared_error"},
        {"\"regression\":{\"n\":3,\"mean_target\":1e200,\"mean_prediction\":1,\"m2_target\":1,\"m2_prediction\":1,"
         "\"c\":0,\"sum_error\":1,\"sum_abs_error\":1,\"sum_squared_error\":1}",
         PROBLEM_COUNT_OVERFLOW, "/regression"},
        /* beside others */
        {"\"exact\":[1,2],\"sums\":{\"main\":[1,2]}", PROBLEM_INVALID, "/sums/main"},
        {"\"exact\":[1,2],\"name\":\"a\",\"values\":{\"a\":1}", PROBLEM_INVALID, "/values/a"},
        {"\"exact\":[1,2],\"correct\":1", PROBLEM_INVALID, "/total"},
        {"\"exact\":[1,2],\"correct\":1,\"total\":4,\"samples\":3", PROBLEM_INVALID, "/samples"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out;
        struct problem p;
        arena_init(&arena);
        int rc = decode(rows[i].fields, &arena, &out, &p);
        cr_assert_eq(rc, rows[i].code, "%s: %d %s", rows[i].fields, rc, p.detail);
        cr_assert_eq(p.n_places, 1, "%s", rows[i].fields);
        cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "%s: %s %s", rows[i].fields, p.places[0].pointer,
                         p.detail);
        arena_release(&arena);
    }
}

Test(decode_states, pointers_name_the_record)
{
    struct limits l = small_limits();
    static const struct {
        const char *body, *pointer;
    } rows[] = {
        {"[{" AT "\"exact\":[1,1]},{" AT "\"scores\":{\"thresholds\":3,\"pos\":[[0,0,0],[0,0,-1]]}}]",
         "/1/scores/pos/1/2"},
        {"[{" AT "\"exact\":[1,1]},{" AT "\"scores\":{\"thresholds\":3,\"num_classes\":1,\"cells\":[[1,0,0,0]]}}]",
         "/1/scores/cells/0/0"},
        {"[{" AT "\"calibration\":{\"bins\":1,\"count\":[1,1],\"confidence\":[1,1],\"correct\":[1,2]}}]",
         "/0/calibration/correct/1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out = {0};
        struct problem p = {0};
        arena_init(&arena);
        cr_assert_eq(decode_records(rows[i].body, strlen(rows[i].body), BODY_JSON, &l, &arena, &out, &p),
                     PROBLEM_INVALID);
        cr_assert_str_eq(p.places[0].pointer, rows[i].pointer);
        arena_release(&arena);
    }
}

/* What a measure holds, as text. */
struct printer {
    char text[512];
    size_t used;
};

static int print_score(void *context, const struct score_entry *e)
{
    struct printer *p = context;
    p->used += (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "[%u,%u,%lld,%lld]", e->class, e->bin,
                                (long long)e->pos, (long long)e->neg);
    return OK;
}

static int print_bin(void *context, const struct calibration_entry *e)
{
    struct printer *p = context;
    p->used += (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "[%u,%lld,%g,%lld]", e->bin,
                                (long long)e->count, e->confidence, (long long)e->correct);
    return OK;
}

static void print(const struct measure *m, struct printer *p)
{
    struct regression_content r;
    memset(p, 0, sizeof *p);
    cr_assert_eq(packed_verify(m->state, m->state_size), OK);
    struct shape shape;
    cr_assert(packed_shape(m->state, m->state_size, &shape) == OK && shape_equal(&shape, &m->shape));
    p->used = (size_t)snprintf(p->text, sizeof p->text, "%s %s %s %u %u samples %lld ", m->name, form_name(shape.form),
                               task_name(shape.task), shape.num_classes, shape.bins, (long long)m->samples);
    cr_assert(m->correct == 0 || form_kind(shape.form) == KIND_COUNTS);
    if (shape.form == FORM_SCORES) {
        cr_assert_eq(packed_scores(m->state, m->state_size, print_score, p), OK);
    } else if (shape.form == FORM_CALIBRATION) {
        cr_assert_eq(packed_calibration(m->state, m->state_size, print_bin, p), OK);
    } else if (shape.form == FORM_REGRESSION) {
        cr_assert_eq(packed_regression(m->state, m->state_size, &r), OK);
        snprintf(p->text + p->used, sizeof p->text - p->used, "%lld %g %g %g %g %g %g %g %g", (long long)r.n,
                 r.mean_target, r.mean_prediction, r.m2_target, r.m2_prediction, r.c, r.sum_error, r.sum_abs_error,
                 r.sum_squared_error);
    }
}

Test(decode_states, every_form_says_what_was_sent)
{
    static const struct {
        const char *fields, *field, *text;
    } rows[] = {
        {"\"scores\":{\"thresholds\":3,\"pos\":[[0,1,2],[0,0,0]],\"neg\":[[3,1,0],[5,0,2]]}", "scores",
         "main scores multiclass 2 3 samples 7 [0,0,0,3][0,1,1,1][0,2,2,0][1,0,0,5][1,2,0,2]"},
        {"\"scores\":{\"neg\":[[3,1,0],[5,0,2]],\"pos\":[[0,1,2],[0,0,0]],\"thresholds\":3,\"num_classes\":2},"
         "\"num_classes\":2",
         "scores", "main scores multiclass 2 3 samples 7 [0,0,0,3][0,1,1,1][0,2,2,0][1,0,0,5][1,2,0,2]"},
        {"\"scores\":{\"thresholds\":3,\"num_classes\":2,\"cells\":[[1,2,0,2],[0,0,0,3],[0,2,2,0],[1,1,0,0],[0,1,1,1],"
         "[1,0,0,5]]}",
         "scores", "main scores multiclass 2 3 samples 7 [0,0,0,3][0,1,1,1][0,2,2,0][1,0,0,5][1,2,0,2]"},
        {"\"num_classes\":2,\"scores\":{\"thresholds\":3,\"cells\":[[1,1,4,0]]},\"samples\":9", "scores",
         "main scores multiclass 2 3 samples 9 [1,1,4,0]"},
        {"\"scores\":{\"thresholds\":2,\"pos\":[[0,0]],\"neg\":[[0,0]]}", "scores",
         "main scores multiclass 1 2 samples 0 "},
        {"\"scores\":{\"thresholds\":10001,\"num_classes\":104,\"cells\":[[103,10000,1,9007199254740991]]}", "scores",
         "main scores multiclass 104 10001 samples 9007199254740992 [103,10000,1,9007199254740991]"},
        {"\"task\":\"binary\",\"name\":\"a/b\",\"scores\":{\"thresholds\":2,\"cells\":[[0,1,3,1]]}", "scores",
         "a/b scores binary 1 2 samples 4 [0,1,3,1]"},
        {"\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[[0,1,3,1]]},\"num_classes\":1,\"task\":\"binary\"",
         "scores", "main scores binary 1 2 samples 4 [0,1,3,1]"},
        {"\"task\":\"multilabel\",\"scores\":{\"thresholds\":2,\"pos\":[[0,1],[1,0]],\"neg\":[[1,0],[1,0]]}", "scores",
         "main scores multilabel 2 2 samples 2 [0,0,0,1][0,1,1,0][1,0,1,1]"},
        {"\"calibration\":{\"bins\":2,\"count\":[4,0,3],\"confidence\":[1.5,0,3],\"correct\":[1,0,3]}", "calibration",
         "main calibration multiclass 0 2 samples 7 [0,4,1.5,1][2,3,3,3]"},
        {"\"calibration\":{\"cells\":[[2,3,3,3],[1,0,0,0],[0,4,1.5,1]],\"bins\":2},\"task\":\"multilabel\"",
         "calibration", "main calibration multilabel 0 2 samples 7 [0,4,1.5,1][2,3,3,3]"},
        {"\"calibration\":{\"bins\":10000,\"cells\":[[10000,1,1,0]]},\"samples\":0", "calibration",
         "main calibration multiclass 0 10000 samples 0 [10000,1,1,0]"},
        {"\"exact\":[3,8]", "exact", "main exact multiclass 0 0 samples 8 "},
        {"\"exact\":[0,0],\"task\":\"multilabel\",\"num_classes\":5", "exact", "main exact multiclass 0 0 samples 0 "},
        {"\"regression\":{\"n\":7," MOMENTS "}", "regression",
         "main regression multiclass 0 0 samples 7 7 1.5 -2 4 0.25 -0.5 -10.5 12 40"},
        {"\"regression\":{" ZEROS ",\"n\":0}", "regression",
         "main regression multiclass 0 0 samples 0 0 0 0 0 0 0 0 0 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out;
        struct problem p;
        struct printer got;
        arena_init(&arena);
        cr_assert_eq(decode(rows[i].fields, &arena, &out, &p), OK, "%s: %s", rows[i].fields, p.detail);
        cr_assert_eq(out.records[0].n_measures, 1);
        print(&out.records[0].measures[0], &got);
        cr_assert_str_eq(got.text, rows[i].text, "%s: %s", rows[i].fields, got.text);
        cr_assert_str_eq(out.records[0].measures[0].field, rows[i].field);
        arena_release(&arena);
    }
}

Test(decode_states, the_samples_of_a_record_hold_for_all_its_kinds)
{
#define STATES                                                                                                         \
    "\"scores\":{\"thresholds\":2,\"num_classes\":2,\"cells\":[[1,0,3,1]]},\"calibration\":{\"bins\":1,\"cells\":"     \
    "[[0,5,1,1]]},\"exact\":[1,6],\"regression\":{\"n\":7," MOMENTS "}"
    static const struct {
        const char *fields;
        size_t n;
        int64_t samples;
    } rows[] = {
        {STATES, 4, 6},
        {STATES ",\"samples\":12", 4, 12},
        {STATES ",\"correct\":8,\"total\":9", 5, 9},
        {"\"confusion\":[[1,2],[3,4]],\"samples\":11," STATES, 5, 11},
        {"\"task\":\"multilabel\",\"tp\":[1,1],\"fp\":[0,1],\"fn\":[1,1],\"tn\":[1,0]," STATES, 5, 3},
        {"\"regression\":{\"n\":7," MOMENTS "},\"calibration\":{\"bins\":1,\"cells\":[]}", 2, 7},
        {"\"calibration\":{\"bins\":1,\"cells\":[[1,4,4,0]]},\"scores\":{\"thresholds\":2,\"num_classes\":1,\"cells\":"
         "[]}",
         2, 4},
    };
#undef STATES
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct record_list out;
        struct problem p;
        char fields[1024];
        arena_init(&arena);
        snprintf(fields, sizeof fields, "%s,\"sums\":{\"loss\":[1,2]}", rows[i].fields);
        cr_assert_eq(decode(fields, &arena, &out, &p), OK, "%s: %s", fields, p.detail);
        const struct record *r = &out.records[0];
        cr_assert_eq(r->n_measures, rows[i].n + 1, "%s: %zu", fields, r->n_measures);
        uint64_t kinds = 0;
        for (size_t k = 0; k < r->n_measures; k++) {
            const struct measure *m = &r->measures[k];
            bool is_mean = m->shape.form == FORM_MEAN;
            cr_assert_str_eq(m->name, is_mean ? "loss" : "main");
            cr_assert_eq(m->samples, is_mean ? 0 : rows[i].samples, "%s: %s %lld", fields, m->field,
                         (long long)m->samples);
            kinds |= UINT64_C(1) << form_kind(m->shape.form);
        }
        cr_assert_eq(__builtin_popcountll(kinds), (int)rows[i].n + 1, "each kind once");
        arena_release(&arena);
    }
}

Test(decode_states, dense_and_sparse_are_the_same_bytes)
{
    static const char *const pairs[][2] = {
        {"\"scores\":{\"thresholds\":3,\"pos\":[[0,1,2],[7,0,0]],\"neg\":[[3,1,0],[5,0,2]]}",
         "\"scores\":{\"thresholds\":3,\"num_classes\":2,\"cells\":[[1,2,0,2],[1,0,7,5],[0,0,0,3],[0,2,2,0],[0,1,1,1]]"
         "}"},
        {"\"calibration\":{\"bins\":2,\"count\":[4,0,3],\"confidence\":[1.5,0,3],\"correct\":[1,0,3]}",
         "\"calibration\":{\"bins\":2,\"cells\":[[2,3,3.0,3],[0,4,15e-1,1]]}"},
        {"\"regression\":{\"n\":7," MOMENTS "}", "\"regression\":{" MOMENTS ",\"n\":7.0}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct arena arena;
        struct record_list out[2];
        struct problem p;
        arena_init(&arena);
        for (size_t k = 0; k < 2; k++)
            cr_assert_eq(decode(pairs[i][k], &arena, &out[k], &p), OK, "%s: %s", pairs[i][k], p.detail);
        const struct measure *a = out[0].records[0].measures, *b = out[1].records[0].measures;
        cr_assert(a->samples == b->samples && a->state_size == b->state_size &&
                      memcmp(a->state, b->state, a->state_size) == 0,
                  "%s", pairs[i][0]);
        arena_release(&arena);
    }
}

/* "[r,r,..,r]" of n rows, each "[v,v,..,v]" of width numbers. */
static char *put_matrix(char *out, int n, int width, const char *value)
{
    for (int i = 0; i < n; i++) {
        *out++ = i == 0 ? '[' : ',';
        for (int k = 0; k < width; k++)
            out += sprintf(out, "%c%s", k == 0 ? '[' : ',', value);
        *out++ = ']';
    }
    *out++ = ']';
    *out = '\0';
    return out;
}

Test(decode_states, sizes_are_bounded_and_sums_do_not_wrap)
{
    static const struct {
        int rows, width;
        const char *value;
        int code;
        const char *pointer;
    } scores[] = {{104, 10001, "1", OK, NULL},
                  {105, 10001, "1", PROBLEM_INVALID, "/scores/pos/104"},
                  {1, 10002, "0", PROBLEM_INVALID, "/scores/pos/0/10001"},
                  {201, 2, "0", PROBLEM_INVALID, "/scores/pos/200"},
                  {1, 1100, "9007199254740991", PROBLEM_COUNT_OVERFLOW, "/scores"},
                  {120, 10, "9007199254740991", PROBLEM_COUNT_OVERFLOW, "/scores"}};
    char *fields = malloc(8 << 20);
    struct arena arena;
    struct record_list out;
    struct problem p;
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        char *end = fields + sprintf(fields, "\"scores\":{\"thresholds\":%d,\"pos\":",
                                     scores[i].width > 10001 ? 10001 : scores[i].width);
        end = put_matrix(end, scores[i].rows, scores[i].width, scores[i].value);
        end = put_matrix(end + sprintf(end, ",\"neg\":"), scores[i].rows, scores[i].width, "1");
        strcpy(end, "}");
        arena_init(&arena);
        int rc = decode(fields, &arena, &out, &p);
        cr_assert_eq(rc, scores[i].code, "row %zu: %d %s", i, rc, p.detail);
        cr_assert(rc == OK || strcmp(p.places[0].pointer, scores[i].pointer) == 0, "row %zu: %s", i,
                  p.places[0].pointer);
        arena_release(&arena);
    }
    char *end = fields + sprintf(fields, "\"calibration\":{\"bins\":1023,\"cells\":[");
    for (int i = 0; i < 1024; i++)
        end += sprintf(end, "%s[%d,9007199254740991,1,1]", i == 0 ? "" : ",", i);
    strcpy(end, "]}");
    arena_init(&arena);
    cr_assert_eq(decode(fields, &arena, &out, &p), OK, "%s", p.detail);
    strcpy(strstr(fields, "1023"), "1024");
    strcpy(fields + strlen("\"calibration\":{\"bins\":1024"), ",\"cells\":[");
    end = fields + strlen(fields);
    for (int i = 0; i < 1025; i++)
        end += sprintf(end, "%s[%d,9007199254740991,1,1]", i == 0 ? "" : ",", i);
    strcpy(end, "]}");
    cr_assert_eq(decode(fields, &arena, &out, &p), PROBLEM_COUNT_OVERFLOW, "%s", p.detail);
    cr_assert_str_eq(p.places[0].pointer, "/calibration");
    arena_release(&arena);
    free(fields);
}
