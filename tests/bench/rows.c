/**
 * The same rows for everybody.  The numbers come from a generator of our own, so that every machine sends
 * the same bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rows.h"
#include "timing.h"

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A text that grows within its room; fails by stopping, as the room is made for the longest record. */
struct text {
    char *out;
    size_t size, room;
};

static void __attribute__((format(printf, 2, 3))) append(struct text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(t->out + t->size, t->room - t->size, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= t->room - t->size)
        fail("a record is longer than ROWS_TEXT_MAX");
    t->size += (size_t)n;
}

static void append_list(struct text *t, const char *name, const int *values)
{
    append(t, ",\"%s\":[", name);
    for (int i = 0; i < ROWS_CLASSES; i++)
        append(t, i == 0 ? "%d" : ",%d", values[i]);
    append(t, "]");
}

static void append_json(struct text *t, const struct row_content *r, enum rows_content content)
{
    if (content == ROWS_TOTALS) {
        append(t, ",\"correct\":%d,\"total\":%d}", r->correct, ROWS_SAMPLES);
        return;
    }
    append_list(t, "tp", r->tp);
    append_list(t, "fp", r->fp);
    append_list(t, "fn", r->fn);
    if (content == ROWS_COUNTS_LOSS)
        append(t, ",\"sums\":{\"loss\":[%.17g,%d]}", r->loss, ROWS_SAMPLES);
    append(t, "}");
}

static void append_line(struct text *t, const struct row_content *r, enum rows_content content)
{
    append(t, " ");
    if (content == ROWS_TOTALS) {
        append(t, "correct=%di,total=%di ", r->correct, ROWS_SAMPLES);
        return;
    }
    for (int i = 0; i < ROWS_CLASSES; i++)
        append(t, "%stp%d=%di,fp%d=%di,fn%d=%di", i == 0 ? "" : ",", i, r->tp[i], i, r->fp[i], i, r->fn[i]);
    if (content == ROWS_COUNTS_LOSS)
        append(t, ",loss_sum=%.17g,loss_weight=%d", r->loss, ROWS_SAMPLES);
    append(t, " ");
}

static void append_push(struct text *t, const struct row_content *r, enum rows_content content)
{
    if (content == ROWS_TOTALS) {
        append(t, "correct %d\ntotal %d\n", r->correct, ROWS_SAMPLES);
        return;
    }
    for (int i = 0; i < ROWS_CLASSES; i++)
        append(t, "tp{c=\"%d\"} %d\n", i, r->tp[i]);
    for (int i = 0; i < ROWS_CLASSES; i++)
        append(t, "fp{c=\"%d\"} %d\n", i, r->fp[i]);
    for (int i = 0; i < ROWS_CLASSES; i++)
        append(t, "fn{c=\"%d\"} %d\n", i, r->fn[i]);
}

static void make_counts(struct row_content *r, uint64_t *state)
{
    for (int i = 0; i < ROWS_SAMPLES; i++) {
        unsigned target = (unsigned)(next_random(state) % ROWS_CLASSES);
        unsigned predicted = target;
        if (next_random(state) % 5 == 0)
            predicted = (unsigned)(next_random(state) % ROWS_CLASSES);
        if (predicted == target) {
            r->tp[target]++;
            r->correct++;
        } else {
            r->fn[target]++;
            r->fp[predicted]++;
        }
    }
    r->loss = 20 + (double)(next_random(state) % 1000003) / 50021.0;
}

void rows_make(struct row_content out[ROWS_VARIANTS], enum rows_format format, enum rows_content content)
{
    uint64_t state = 20260101;

    memset(out, 0, ROWS_VARIANTS * sizeof *out);
    for (int v = 0; v < ROWS_VARIANTS; v++) {
        struct text t = {.out = out[v].text, .room = sizeof out[v].text};
        make_counts(&out[v], &state);
        if (format == ROWS_TALLY)
            append_json(&t, &out[v], content);
        else if (format == ROWS_LINE)
            append_line(&t, &out[v], content);
        else
            append_push(&t, &out[v], content);
        out[v].text_size = t.size;
    }
}

unsigned rows_variant(const struct row_place *place)
{
    return (unsigned)((uint64_t)(place->n + 7 * place->rank) % ROWS_VARIANTS);
}

static char *write_number(char *out, int64_t value)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

static char *write_text(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define LITERAL(out, text) write_text(out, text, sizeof text - 1)

size_t rows_write(char *out, const struct row_content *variants, const struct row_place *place)
{
    const struct row_content *r = &variants[rows_variant(place)];
    char *at = LITERAL(out, "{\"stage\":\"train\",\"epoch\":");

    at = write_number(at, place->n / place->steps_per_epoch);
    at = LITERAL(at, ",\"step\":");
    at = write_number(at, place->n);
    if (place->rank != 0) {
        at = LITERAL(at, ",\"rank\":");
        at = write_number(at, place->rank);
    }
    at = write_text(at, r->text, r->text_size);
    return (size_t)(at - out);
}

size_t rows_write_line(char *out, const struct row_content *variants, const struct row_place *place, const char *run,
                       int64_t first_ms)
{
    const struct row_content *r = &variants[rows_variant(place)];
    char *at = LITERAL(out, "batch,run=");

    at = write_text(at, run, strlen(run));
    at = LITERAL(at, ",stage=train,epoch=");
    at = write_number(at, place->n / place->steps_per_epoch);
    at = LITERAL(at, ",rank=");
    at = write_number(at, place->rank);
    at = write_text(at, r->text, r->text_size);
    at = write_number(at, first_ms + place->n);
    return (size_t)(at - out);
}
