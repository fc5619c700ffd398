/**
 * The same rows for everybody.  The numbers come from a generator of our own, so that every machine sends
 * the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "rows.h"

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static size_t append_list(char *out, size_t room, const char *name, const int *values)
{
    size_t size = (size_t)snprintf(out, room, ",\"%s\":[", name);

    for (int i = 0; i < ROWS_CLASSES; i++)
        size += (size_t)snprintf(out + size, room - size, i == 0 ? "%d" : ",%d", values[i]);
    return size + (size_t)snprintf(out + size, room - size, "]");
}

void rows_make(struct row_content out[ROWS_VARIANTS], int with_loss)
{
    uint64_t state = 20260101;

    memset(out, 0, ROWS_VARIANTS * sizeof *out);
    for (int v = 0; v < ROWS_VARIANTS; v++) {
        struct row_content *r = &out[v];
        for (int i = 0; i < ROWS_SAMPLES; i++) {
            unsigned target = (unsigned)(next_random(&state) % ROWS_CLASSES);
            unsigned predicted = target;
            if (next_random(&state) % 5 == 0)
                predicted = (unsigned)(next_random(&state) % ROWS_CLASSES);
            if (predicted == target) {
                r->tp[target]++;
                r->correct++;
            } else {
                r->fn[target]++;
                r->fp[predicted]++;
            }
        }
        r->loss = 20 + (double)(next_random(&state) % 1000003) / 50021.0;

        char *text = r->text;
        size_t size = append_list(text, sizeof r->text, "tp", r->tp);
        size += append_list(text + size, sizeof r->text - size, "fp", r->fp);
        size += append_list(text + size, sizeof r->text - size, "fn", r->fn);
        if (with_loss)
            size += (size_t)snprintf(text + size, sizeof r->text - size, ",\"sums\":{\"loss\":[%.17g,%d]}", r->loss,
                                     ROWS_SAMPLES);
        size += (size_t)snprintf(text + size, sizeof r->text - size, "}");
        r->text_size = size;
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
