/*
 * Inputs for the decoder of records: bodies from the grammar of the contract, whose numbers agree with each other because
 * they come from one small matrix; in all forms and notations, and sometimes with one thing wrong.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "differential.h"

enum { CLASSES_MAX = 5 };

struct gen {
    struct random random;
    char *out;
    size_t n, cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct gen *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(g->out + g->n, g->cap - g->n, format, args);
    va_end(args);
    g->n = n < 0 || (size_t)n >= g->cap - g->n ? g->cap - 1 : g->n + (size_t)n;
}

/* ---- values ---- */

static void space(struct gen *g)
{
    static const char *const some[] = {" ", "\t", "  ", "\r"};
    if (one_in(&g->random, 24))
        put(g, "%s", some[below(&g->random, 4)]);
}

/* A count, in whatever notation. */
static void integer(struct gen *g, int64_t v)
{
    space(g);
    switch (below(&g->random, 24)) {
    case 0:
        put(g, "%" PRId64 ".0", v);
        break;
    case 1:
        put(g, "%" PRId64 "e0", v);
        break;
    case 2:
        put(g, "%" PRId64 "e-2", v * 100);
        break;
    case 3:
        put(g, "%" PRId64 ".%" PRId64 "E+1", v / 10, v % 10);
        break;
    case 4:
        put(g, v == 0 ? "-0" : "%" PRId64, v);
        break;
    default:
        put(g, "%" PRId64, v);
    }
    space(g);
}

static int64_t small(struct gen *g)
{
    switch (below(&g->random, 32)) {
    case 0:
        return INT64_C(9007199254740991) - below(&g->random, 3);
    case 1:
        return below(&g->random, UINT64_C(9007199254740992));
    default:
        return below(&g->random, one_in(&g->random, 3) ? 1000 : 6);
    }
}

static void real(struct gen *g, double v)
{
    static const char *const odd[] = {"1e-400",
                                      "-0.0",
                                      "5e-324",
                                      "2.2250738585072011e-308",
                                      "1.7976931348623157e308",
                                      "0e999999999",
                                      "1E+2",
                                      "0.1e-5",
                                      "100000000000000000000000000000000000000000000000001"};
    if (one_in(&g->random, 30))
        put(g, "%s", odd[below(&g->random, sizeof odd / sizeof *odd)]);
    else
        put(g, one_in(&g->random, 2) ? "%.17g" : "%.3f", v);
}

static double number(struct gen *g)
{
    return (double)(below(&g->random, 2000001) - 1000000) / (double)(1 + below(&g->random, 1000));
}

/* A key or a word; sometimes a letter as an escape. */
static void word(struct gen *g, const char *text)
{
    put(g, "\"");
    for (; *text != '\0'; text++)
        put(g, one_in(&g->random, 200) ? "\\u%04x" : "%c", (unsigned char)*text);
    put(g, "\"");
}

/* ---- the fields of a record, in a random order ---- */

struct truth {
    int task; /* 0 multiclass, 1 binary, 2 multilabel */
    int classes;
    int64_t m[CLASSES_MAX][CLASSES_MAX]; /* multiclass: [target][predicted]; else m[class] = tp, fp, fn, tn */
    int64_t tp[CLASSES_MAX], fp[CLASSES_MAX], fn[CLASSES_MAX], tn[CLASSES_MAX];
    int64_t correct, total;
    int form;
};

static void make_truth(struct gen *g, struct truth *t)
{
    memset(t, 0, sizeof *t);
    t->task = one_in(&g->random, 2) ? 0 : (int)below(&g->random, 3);
    t->classes = t->task == 1 ? 1 : 1 + (int)below(&g->random, CLASSES_MAX);
    int64_t each = t->task == 2 ? below(&g->random, 200) : small(g);
    for (int i = 0; i < t->classes; i++) {
        if (t->task != 0) {
            t->tp[i] = each > 0 ? below(&g->random, (uint64_t)each + 1) : 0;
            t->fp[i] = below(&g->random, (uint64_t)(each - t->tp[i]) + 1);
            t->fn[i] = below(&g->random, (uint64_t)(each - t->tp[i] - t->fp[i]) + 1);
            t->tn[i] = each - t->tp[i] - t->fp[i] - t->fn[i];
            t->correct += t->tp[i] + t->tn[i];
            t->total += each;
            continue;
        }
        for (int k = 0; k < t->classes; k++) {
            int64_t n = one_in(&g->random, 2) ? 0 : small(g);
            t->m[i][k] = n;
            t->total += n;
            t->correct += i == k ? n : 0;
            *(i == k ? &t->tp[i] : &t->fn[i]) += n;
            t->fp[k] += i == k ? 0 : n;
        }
    }
    for (int i = 0; i < t->classes && t->task == 0; i++)
        t->tn[i] = t->total - t->tp[i] - t->fp[i] - t->fn[i];
    t->form = (int)below(&g->random, t->task == 2 ? 3 : 5); /* totals, lists, classes, confusion, cells */
}

static void list(struct gen *g, const char *name, const int64_t *v, int n)
{
    word(g, name);
    put(g, ":[");
    for (int i = 0; i < n; i++) {
        put(g, "%s", i > 0 ? "," : "");
        integer(g, v[i]);
    }
    put(g, "],");
}

static void tuple(struct gen *g, bool *first, int n, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t v[] = {a, b, c, d};
    put(g, *first ? "[" : ",[");
    *first = false;
    for (int i = 0; i < n; i++) {
        put(g, "%s", i > 0 ? "," : "");
        integer(g, v[i]);
    }
    put(g, "]");
}

static void matrix(struct gen *g, const struct truth *t)
{
    int64_t folded[2][2] = {{t->tn[0], t->fp[0]}, {t->fn[0], t->tp[0]}};
    int n = t->task == 1 ? 2 : t->classes;
    bool dense = t->form == 3, first = true, backwards = one_in(&g->random, 3);
    put(g, dense ? "\"confusion\":[" : "\"cells\":[");
    for (int i = 0; i < n; i++) {
        put(g, "%s", dense ? i > 0 ? ",[" : "[" : "");
        for (int k = 0; k < n; k++) {
            int target = backwards && !dense ? n - 1 - i : i;
            int64_t v = t->task == 1 ? folded[target][k] : t->m[target][k];
            if (dense) {
                put(g, "%s", k > 0 ? "," : "");
                integer(g, v);
            } else if (v != 0 || one_in(&g->random, 6)) {
                tuple(g, &first, 3, target, k, v, 0);
            }
        }
        put(g, "%s", dense ? "]" : "");
    }
    put(g, "],");
}

static void counts(struct gen *g, const struct truth *t)
{
    bool first = true, needs_classes = t->form == 2 || t->form == 4, totals = t->form == 0 || one_in(&g->random, 4);
    if (t->form == 1) {
        list(g, "tp", t->tp, t->classes);
        list(g, "fn", t->fn, t->classes);
        list(g, "fp", t->fp, t->classes);
        if (t->task != 0 || one_in(&g->random, 5))
            list(g, "tn", t->tn, t->classes);
    } else if (t->form == 2) {
        put(g, "\"classes\":[");
        for (int i = 0; i < t->classes; i++)
            if (t->tp[i] + t->fp[i] + t->fn[i] > 0 || one_in(&g->random, 4))
                tuple(g, &first, 4, i, t->tp[i], t->fp[i], t->fn[i]);
        put(g, "],");
        totals = totals || t->task != 0;
    } else if (t->form >= 3) {
        matrix(g, t);
    }
    if ((needs_classes && t->task != 1) || one_in(&g->random, 4))
        put(g, "\"num_classes\":%d,", t->task == 1 && one_in(&g->random, 2) ? 2 : t->classes);
    if (totals)
        put(g, "\"total\":%" PRId64 ",", t->total);
    if (t->form == 0 || one_in(&g->random, 8))
        put(g, "\"correct\":%" PRId64 ",", t->correct);
    if (one_in(&g->random, 4) || (t->task == 2 && t->form == 0))
        put(g, "\"samples\":%" PRId64 ",", t->total + (t->total < 1000 ? below(&g->random, 3) : 0));
}

static void scores(struct gen *g, const struct truth *t)
{
    int bins = 2 + (int)below(&g->random, 4);
    bool first = true;
    put(g, "\"scores\":{\"thresholds\":%d,", bins);
    if (one_in(&g->random, 2)) {
        for (int side = 0; side < 2; side++) {
            put(g, side ? "],\"neg\":[" : "\"pos\":[");
            for (int i = 0; i < t->classes; i++)
                for (int b = 0; b < bins; b++) {
                    put(g, b > 0 ? "," : i > 0 ? "],[" : "[");
                    integer(g, one_in(&g->random, 2) ? 0 : small(g));
                }
            put(g, "]");
        }
    } else {
        put(g, "\"num_classes\":%d,\"cells\":[", t->classes);
        for (int i = t->classes - 1; i >= 0; i--)
            for (int b = 0; b < bins; b++)
                if (one_in(&g->random, 3))
                    tuple(g, &first, 4, i, b, small(g), small(g));
    }
    put(g, "]},");
}

static void calibration(struct gen *g)
{
    int bins = 1 + (int)below(&g->random, 4);
    int64_t count[8], correct[8];
    put(g, "\"calibration\":{\"bins\":%d,", bins);
    for (int i = 0; i <= bins; i++) {
        count[i] = below(&g->random, 30);
        correct[i] = below(&g->random, (uint64_t)count[i] + 1);
    }
    bool cells = one_in(&g->random, 2), first = true;
    if (!cells) {
        list(g, "count", count, bins + 1);
        list(g, "correct", correct, bins + 1);
    }
    put(g, cells ? "\"cells\":[" : "\"confidence\":[");
    for (int i = bins; i >= 0; i--) {
        if (cells && one_in(&g->random, 3))
            continue;
        put(g, first ? "" : ",");
        first = false;
        int b = cells ? i : bins - i;
        if (cells)
            put(g, "[%d,%" PRId64 ",", b, count[b]);
        put(g, "%.3f", (double)count[b] * (double)below(&g->random, 1001) / 1000);
        if (cells)
            put(g, ",%" PRId64 "]", correct[b]);
    }
    put(g, "]},");
}

static void regression(struct gen *g)
{
    static const char *const names[] = {"mean_target", "mean_prediction", "m2_target",     "m2_prediction",
                                        "c",           "sum_error",       "sum_abs_error", "sum_squared_error"};
    bool none = one_in(&g->random, 8);
    put(g, "\"regression\":{\"n\":%" PRId64, none ? 0 : 1 + below(&g->random, 99));
    for (int i = 0; i < 8; i++) {
        double v = none ? 0 : number(g);
        put(g, ",\"%s\":", names[i]);
        put(g, "%.17g", (i == 2 || i == 3 || i > 5) && v < 0 ? -v : v);
    }
    put(g, "},");
}

static void sums(struct gen *g)
{
    static const char *const words[] = {"\"NaN\"", "\"Infinity\"", "\"-Infinity\""};
    int n = 1 + (int)below(&g->random, one_in(&g->random, 40) ? 20 : 3);
    put(g, "\"sums\":{");
    for (int i = 0; i < n; i++) {
        put(g, "%s\"loss%d\":[", i > 0 ? "," : "", i);
        bool nothing = one_in(&g->random, 8);
        if (one_in(&g->random, 12))
            put(g, "%s", words[below(&g->random, 3)]);
        else
            real(g, nothing ? 0 : number(g));
        put(g, ",%" PRId64, nothing ? 0 : 1 + below(&g->random, 64));
        double low = number(g);
        if (one_in(&g->random, 3))
            put(g, ",%.17g,%.17g", low, one_in(&g->random, 8) ? low : low + 1000);
        put(g, "]");
    }
    put(g, "},");
}

static void values(struct gen *g)
{
    int n = 1 + (int)below(&g->random, one_in(&g->random, 40) ? 20 : 3);
    put(g, "\"values\":{");
    for (int i = 0; i < n; i++) {
        put(g, "%s\"%c/lr.%d\":", i > 0 ? "," : "", (int)('a' + below(&g->random, 3)), i);
        if (one_in(&g->random, 12))
            put(g, one_in(&g->random, 2) ? "\"NaN\"" : "\"-Infinity\"");
        else
            real(g, number(g));
    }
    put(g, "},");
}

static void record(struct gen *g)
{
    static const char *const tasks[] = {"multiclass", "binary", "multilabel"};
    static const char *const attempts[] = {"job-7.1", "\\u00e9t\\u00e9", "\xc3\xa9", "\\ud83d\\ude00", "a b", "x\\/y"};
    struct truth t;
    make_truth(g, &t);
    bool counted = !one_in(&g->random, 6), task_matters = t.task != 0;
    int states = one_in(&g->random, 3) ? (int)below(&g->random, 16) : 0;
    put(g, "{");
    if (one_in(&g->random, 2)) {
        word(g, "stage");
        put(g, ":\"train\",");
    }
    bool stage_last = g->out[g->n - 1] == '{';
    if (counted)
        counts(g, &t);
    if (states & 1)
        scores(g, &t);
    if (states & 2)
        calibration(g);
    if (states & 4)
        put(g, "\"exact\":[%" PRId64 ",%" PRId64 "],", t.correct, t.total);
    if (states & 8)
        regression(g);
    if (one_in(&g->random, 3))
        sums(g);
    if (one_in(&g->random, 4) || (!counted && states == 0))
        values(g);
    if (counted || states != 0) {
        if (task_matters || one_in(&g->random, 8))
            put(g, "\"task\":\"%s\",", tasks[t.task]);
        if (one_in(&g->random, 6))
            put(g, "\"name\":\"parity/%d\",", (int)below(&g->random, 3));
    }
    if (one_in(&g->random, 5))
        put(g, "\"rank\":%d,", (int)below(&g->random, 65536));
    if (one_in(&g->random, 6))
        put(g, "\"attempt\":\"%s\",", attempts[below(&g->random, 6)]);
    if (one_in(&g->random, 6))
        put(g, "\"time\":%" PRId64 ",", 1763884800000 + below(&g->random, 1000));
    put(g, "\"epoch\":");
    integer(g, small(g));
    put(g, ",\"step\":");
    integer(g, small(g));
    put(g, "%s}", stage_last ? ",\"stage\":\"val-2\"" : "");
}

size_t differential_generate(uint64_t seed, uint8_t *data, size_t cap)
{
    if (cap < 64)
        return 0;
    struct gen g = {.random = {seed}, .out = (char *)data, .n = 1, .cap = cap};
    int n = one_in(&g.random, 4) ? 1 + (int)below(&g.random, 4) : 1;
    bool lines = one_in(&g.random, 3), array = !lines && (n > 1 || one_in(&g.random, 6));
    data[0] = lines ? 'l' - ('l' % 2 == 0) : 'j' - ('j' % 2 == 1);
    put(&g, "%s", array ? "[" : "");
    for (int i = 0; i < n; i++) {
        put(&g, "%s", i == 0 ? "" : array ? "," : "\n");
        record(&g);
    }
    put(&g, "%s", array ? "]" : lines && one_in(&g.random, 2) ? "\n" : "");
    return one_in(&g.random, 5) ? differential_mutate(next(&g.random), data, g.n, cap) : g.n;
}
