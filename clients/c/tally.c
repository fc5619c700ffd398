/*
 * The C client: from a training loop to a spool on disk and on to a tally server.
 *
 * tally_log() copies a record into a queue and returns.  One thread of each run, the sender, drains the queue into the spool a few
 * times a second, also while a request is under way, and sends what the spool holds.  What is written, read and sent is
 * in the sections below, each of which knows only those above it:
 *
 *     text      growing texts, UTF-8, writing JSON
 *     json      reading JSON that somebody else wrote
 *     batch     a record in memory: checked, encoded, decoded, added to its neighbour
 *     spool     entries on disk.  The layout is the Python client's, so either sends what the other left
 *     job       which run, rank and attempt this process is
 *     http      one request at a time
 *     delivery  what the spool holds becomes requests
 *     sender    the thread
 *     process   fork() and exit()
 *     api       tally.h
 *
 * 1. The sender alone touches struct sender and what hangs from it: spool, connection, pending entries.  All that other threads may see is
 *    in struct tally, its mutex first.  No lock is held across I/O.  Order of locks: runs_mutex, then a run's.
 * 2. An entry is in exactly one of: the queue, the sender's pending list, the spool.  It leaves the spool when the server has answered
 *    for it, or has refused it and it was written to the rejected file.
 * 3. Entries are acknowledged from the front only, so a crash at any moment leaves a spool that can be sent again.
 * 4. A record that was in a request is never added to another: it may be stored already.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <zlib.h>

#include "tally.h"

#define DEFAULT_URL "http://127.0.0.1:7070"
#define DEFAULT_SPOOL ".tally"
#define ID_MAX 128
#define TEXT_MAX 1024           /* characters of a name or a problem that are kept */
#define MEANS_MAX 1024          /* means, and values, of a record */
#define SPARSE_CLASSES 12       /* from here on a matrix is looked through for zeros */
#define DENSE_CLASSES 1024      /* the server takes no larger matrix */
#define SEGMENT_BYTES (4 << 20) /* a new spool file after so many */
#define LEVEL_FINAL 99          /* of a segment that adding up cannot make smaller */
#define FRAME_HEAD 10           /* kind, CRC-32 in hex, blank */
#define APPEND_ENTRIES 256
#define PORTION_RECORDS 2000
#define PORTION_BYTES (1 << 20)
#define GZIP_BYTES 512 /* smaller bodies go as they are */
#define ANSWER_BYTES (1 << 16)
#define WAKE_RECORDS 1000 /* so many in the queue wake the sender before its time */
#define FULL_KEYS 64      /* sums that grow at once while the queue is full */
#define DRAIN_SECONDS 0.25
#define HURRY_SECONDS 0.02
#define HEARTBEAT_SECONDS 60.0
#define BACKOFF_SECONDS 0.25
#define BACKOFF_MAX_SECONDS 30.0
#define RETRY_AFTER_MAX_SECONDS 300.0
#define STOP_SECONDS 2.0
#define WAIT_SECONDS_MAX 1e6

static double now_monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------ text */

/* Bytes that grow, always with a NUL behind them.  Once memory fails, failed stays set and nothing is added any more. */
struct text {
    char *at; /* NULL while empty */
    size_t n, room;
    bool failed;
};

static void text_release(struct text *t)
{
    free(t->at);
    memset(t, 0, sizeof *t);
}

static void text_empty(struct text *t)
{
    t->n = 0;
    t->failed = false;
}

static bool text_reserve(struct text *t, size_t n)
{
    if (t->failed || n > SIZE_MAX / 4 - t->n) {
        t->failed = true;
        return false;
    }
    if (t->n + n + 1 > t->room) {
        size_t room = 2 * (t->n + n) + 64;
        char *at = realloc(t->at, room);
        if (at == NULL) {
            t->failed = true;
            return false;
        }
        t->at = at;
        t->room = room;
    }
    return true;
}

static void text_add(struct text *t, const char *from, size_t n)
{
    if (text_reserve(t, n)) {
        if (n > 0)
            memcpy(t->at + t->n, from, n);
        t->n += n;
        t->at[t->n] = '\0';
    }
}

static void text_put(struct text *t, const char *from)
{
    text_add(t, from, strlen(from));
}

static void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_printf(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !text_reserve(t, (size_t)n)) {
        t->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(t->at + t->n, (size_t)n + 1, format, args);
    va_end(args);
    t->n += (size_t)n;
}

/* printf is most of the time of encoding a matrix */
static void text_integer(struct text *t, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--at] = '-';
    text_add(t, digits + at, sizeof digits - at);
}

/* As JSON has it: what is not finite by its name.  The sender's locale is "C", so the point is a point. */
static void text_number(struct text *t, double value)
{
    if (isfinite(value))
        text_printf(t, "%.17g", value);
    else
        text_put(t, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void text_json(struct text *t, const char *from, size_t n)
{
    text_add(t, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c == '"' || c == '\\')
            text_printf(t, "\\%c", c);
        else if (c < 0x20)
            text_printf(t, "\\u%04x", c);
        else
            text_add(t, from + i, 1);
    }
    text_add(t, "\"", 1);
}

static void text_string(struct text *t, const char *from)
{
    text_json(t, from, strlen(from));
}

/* How many bytes the UTF-8 sequence at p takes; 0 where there is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;
        return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;
        return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
    }
    return 0;
}

static bool is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        size_t n = utf8_length(p);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [A-Za-z0-9][A-Za-z0-9._-]* of at most max characters; more: a further letter that may follow the first */
static bool is_name(const char *text, size_t max, char more)
{
    if (text == NULL || !is_letter(text[0]))
        return false;
    size_t n = 1;
    while (n <= max && text[n] != '\0' && (is_letter(text[n]) || strchr("._-", text[n]) != NULL || text[n] == more))
        n++;
    return n <= max && text[n] == '\0';
}

static bool is_stage(const char *text)
{
    return is_name(text, 64, '-');
}

static bool is_series(const char *text)
{
    return is_name(text, 128, '/');
}

/* ------------------------------------------------------------------ json */

static const char *json_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

static const char *json_skip_string(const char *p)
{
    for (p++; *p != '"';) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\') {
            p += utf8_length((const unsigned char *)p) > 0 ? utf8_length((const unsigned char *)p) : 1;
            continue;
        }
        if (p[1] == 'u') {
            for (int i = 2; i < 6; i++) {
                if (!isxdigit((unsigned char)p[i]))
                    return NULL;
            }
            p += 6;
        } else if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL) {
            p += 2;
        } else {
            return NULL;
        }
    }
    return p + 1;
}

static const char *json_skip_digits(const char *p)
{
    if (*p < '0' || *p > '9')
        return NULL;
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

static const char *json_skip_number(const char *p)
{
    p += *p == '-';
    p = *p == '0' ? p + 1 : json_skip_digits(p);
    if (p != NULL && *p == '.')
        p = json_skip_digits(p + 1);
    if (p != NULL && (*p == 'e' || *p == 'E'))
        p = json_skip_digits(p + 1 + (p[1] == '+' || p[1] == '-'));
    return p;
}

/* Just behind the value at p, a text that ends with NUL.  NULL: there is no value, or it is nested deeper than the server takes. */
static const char *json_skip(const char *p, int depth)
{
    p = json_blanks(p);
    if (*p == '"')
        return json_skip_string(p);
    if (*p == '{' || *p == '[') {
        bool is_object = *p == '{';
        char end = is_object ? '}' : ']';
        if (depth >= 32)
            return NULL;
        p = json_blanks(p + 1);
        if (*p == end)
            return p + 1;
        while (p != NULL) {
            if (is_object) {
                p = *p == '"' ? json_skip_string(p) : NULL;
                p = p != NULL ? json_blanks(p) : NULL;
                p = p != NULL && *p == ':' ? p + 1 : NULL;
            }
            p = p != NULL ? json_skip(p, depth + 1) : NULL;
            p = p != NULL ? json_blanks(p) : NULL;
            if (p != NULL && *p == end)
                return p + 1;
            p = p != NULL && *p == ',' ? json_blanks(p + 1) : NULL;
        }
        return NULL;
    }
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    }
    return json_skip_number(p);
}

/* One member of an object after the other: *p is the object at first.  The name is as written, without quotes. */
static bool json_next(const char **p, const char **name, size_t *n_name, const char **value)
{
    const char *at = json_blanks(*p);
    if (*at != '{' && *at != ',')
        return false;
    at = json_blanks(at + 1);
    if (*at != '"')
        return false;
    const char *end = json_skip_string(at);
    if (end == NULL)
        return false;
    *name = at + 1;
    *n_name = (size_t)(end - at) - 2;
    at = json_blanks(end);
    if (*at != ':')
        return false;
    *value = json_blanks(at + 1);
    end = json_skip(*value, 0);
    *p = end;
    return end != NULL;
}

/* The value of a member of the object at p; NULL: none. */
static const char *json_member(const char *p, const char *key)
{
    const char *name, *value;
    size_t n;
    while (p != NULL && json_next(&p, &name, &n, &value)) {
        if (n == strlen(key) && memcmp(name, key, n) == 0)
            return value;
    }
    return NULL;
}

/* All integers at p, of lists within lists too, in order; how many there are, of which max are written. */
static size_t json_integers(const char *p, int64_t *out, size_t max)
{
    const char *end = p != NULL ? json_skip(p, 0) : NULL;
    size_t n = 0;
    while (end != NULL && p < end) {
        if (*p != '-' && !isdigit((unsigned char)*p)) {
            p++;
            continue;
        }
        char *next;
        int64_t value = strtoll(p, &next, 10);
        if (n < max)
            out[n] = value;
        n++;
        p = next;
    }
    return n;
}

static int64_t json_integer(const char *p, int64_t none)
{
    int64_t value = none;
    json_integers(p, &value, 1);
    return value;
}

static void utf8_write(struct text *t, unsigned code)
{
    char bytes[4] = {(char)code, 0, 0, 0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (n == 2) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
    } else if (n == 3) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
    }
    text_add(t, bytes, n);
}

/* The string at p in plain text; characters beyond the first 65,536 and NUL become '?'.  False: there is no string. */
static bool json_string(const char *p, struct text *out)
{
    text_empty(out);
    text_add(out, "", 0);
    const char *end = p != NULL && *p == '"' ? json_skip_string(p) : NULL;
    if (end == NULL)
        return false;
    for (p++; p < end - 1; p++) {
        if (*p != '\\') {
            text_add(out, p, 1);
        } else if (p[1] == 'u') {
            char hex[5] = {p[2], p[3], p[4], p[5], 0};
            unsigned code = (unsigned)strtoul(hex, NULL, 16);
            utf8_write(out, code == 0 || (code >= 0xd800 && code < 0xe000) ? '?' : code);
            p += 5;
        } else {
            static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
            const char *found = strchr(from, p[1]);
            text_add(out, found != NULL ? to + (found - from) : p + 1, 1);
            p++;
        }
    }
    return !out->failed;
}

/* A JSON object on one line; an error if it is none.  Line ends can only stand between its values. */
static int json_one_line(const char *object, struct text *out)
{
    if (!is_utf8(object))
        return TALLY_ERR_UTF8;
    const char *end = *json_blanks(object) == '{' ? json_skip(object, 0) : NULL;
    if (end == NULL || *json_blanks(end) != '\0')
        return TALLY_ERR_JSON;
    size_t start = out->n;
    text_add(out, object, (size_t)(end - object));
    for (size_t i = start; !out->failed && i < out->n; i++) {
        if (out->at[i] == '\n' || out->at[i] == '\r')
            out->at[i] = ' ';
    }
    return out->failed ? TALLY_ERR_MEMORY : TALLY_OK;
}

/* ------------------------------------------------------------------ batch */

enum kind { BATCH = 'b', PUT = 'u', PATCH = 'p', REWIND = 'w' };

struct mean {
    const char *name;
    double sum, weight, min, max;
    bool has_range, is_value;
};

/*
 * A record, or a call with its JSON.  One block of memory.
 * 1. counts are rows of width numbers: totals {correct, total}; per class {tp, fp, fn} or {tp, fp, fn, tn}; a row of a matrix.
 * 2. Where keys is not NULL the rows are those that are not all 0, keys rising: the class, or target * n_class + predicted and width 1.
 */
struct batch {
    struct batch *next;
    size_t bytes; /* of the block */
    enum kind kind;
    enum tally_task task;
    enum tally_form form;
    int64_t epoch, step, time_ms, samples;
    size_t n_class, n_rows, width, n_means;
    int64_t *keys, *counts;
    struct mean *means;
    const char *stage, *name, *attempt; /* attempt: NULL, or kept alive by the run or by the block */
    char *text;                         /* of a call: its JSON; else where the next string goes */
};

static struct batch *batch_new(size_t n_rows, size_t width, bool is_keyed, size_t n_means, size_t n_text)
{
    size_t numbers = n_rows * (width + is_keyed); /* at most 4096 * 4097: bounds are checked before */
    size_t bytes = sizeof(struct batch) + n_means * sizeof(struct mean) + numbers * sizeof(int64_t) + n_text;
    struct batch *b = malloc(bytes);
    if (b == NULL)
        return NULL;
    memset(b, 0, sizeof *b);
    b->bytes = bytes;
    b->kind = BATCH;
    b->n_rows = n_rows;
    b->width = width;
    b->n_means = n_means;
    b->means = (struct mean *)(b + 1);
    b->counts = (int64_t *)(b->means + n_means);
    b->keys = is_keyed ? b->counts + n_rows * width : NULL;
    b->text = (char *)(b->counts + numbers);
    return b;
}

static const char *batch_text(struct batch *b, const char *from)
{
    size_t n = strlen(from) + 1;
    char *to = b->text;
    memcpy(to, from, n);
    b->text += n;
    return to;
}

static struct batch *batch_call(enum kind kind, const struct text *json)
{
    struct batch *b = json->failed ? NULL : batch_new(0, 0, false, 0, json->n + 1);
    if (b != NULL) {
        b->kind = kind;
        memcpy(b->text, json->at, json->n + 1);
    }
    return b;
}

static void batch_free_all(struct batch *b)
{
    while (b != NULL) {
        struct batch *next = b->next;
        free(b);
        b = next;
    }
}

/* The bits above 2^53 - 1 of any of them, the sign among them. */
static uint64_t bits_beyond(const int64_t *counts, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= (uint64_t)counts[i];
    return all >> 53;
}

static bool is_count(int64_t n)
{
    return n >= 0 && n <= TALLY_COUNT_MAX;
}

/* The counts of a record as rows, before they are copied: which of the forms is the shorter. */
struct shape {
    size_t n_rows, width;
    bool is_keyed;
};

static bool is_row_empty(const struct tally_record *r, size_t i)
{
    return r->tp[i] == 0 && r->fp[i] == 0 && r->fn[i] == 0;
}

static int shape_matrix(const struct tally_record *r, struct shape *out)
{
    size_t n = r->n_class * r->n_class, n_used = 0;
    if (r->confusion == NULL)
        return TALLY_ERR_ARGUMENT;
    if (r->task == TALLY_BINARY ? r->n_class != 2 : r->task != TALLY_MULTICLASS)
        return TALLY_ERR_RANGE;
    if (bits_beyond(r->confusion, n) != 0)
        return TALLY_ERR_RANGE;
    *out = (struct shape){r->n_class, r->n_class, false};
    if (r->n_class >= SPARSE_CLASSES) {
        for (size_t i = 0; i < n; i++)
            n_used += r->confusion[i] != 0;
        if (3 * n_used < n || r->n_class > DENSE_CLASSES)
            *out = (struct shape){n_used, 1, true};
    }
    return TALLY_OK;
}

static int shape_per_class(const struct tally_record *r, struct shape *out)
{
    bool has_tn = r->task != TALLY_MULTICLASS;
    size_t n = r->n_class, n_used = 0;
    if (r->tp == NULL || r->fp == NULL || r->fn == NULL || has_tn != (r->tn != NULL))
        return TALLY_ERR_ARGUMENT;
    if (r->task == TALLY_BINARY && n != 1)
        return TALLY_ERR_RANGE;
    if (bits_beyond(r->tp, n) | bits_beyond(r->fp, n) | bits_beyond(r->fn, n) | (has_tn ? bits_beyond(r->tn, n) : 0))
        return TALLY_ERR_RANGE;
    *out = (struct shape){n, has_tn ? 4 : 3, false};
    if (n >= SPARSE_CLASSES && !has_tn) {
        for (size_t i = 0; i < n; i++)
            n_used += !is_row_empty(r, i);
        if (2 * n_used < n)
            *out = (struct shape){n_used, 3, true};
    }
    return TALLY_OK;
}

static int shape_of(const struct tally_record *r, struct shape *out)
{
    *out = (struct shape){0, 0, false};
    if (r->form == TALLY_NO_COUNTS)
        return r->n_means + r->n_values > 0 ? TALLY_OK : TALLY_ERR_EMPTY;
    if (r->task != TALLY_MULTICLASS && r->task != TALLY_BINARY && r->task != TALLY_MULTILABEL)
        return TALLY_ERR_ARGUMENT;
    if (r->form == TALLY_TOTALS) {
        *out = (struct shape){1, 2, false};
        return is_count(r->correct) && is_count(r->total) ? TALLY_OK : TALLY_ERR_RANGE;
    }
    if (r->n_class < 1 || r->n_class > TALLY_CLASS_MAX)
        return TALLY_ERR_RANGE;
    if (r->form == TALLY_CONFUSION)
        return shape_matrix(r, out);
    return r->form == TALLY_PER_CLASS ? shape_per_class(r, out) : TALLY_ERR_ARGUMENT;
}

static void fill_counts(struct batch *b, const struct tally_record *r)
{
    size_t n = r->n_class, at = 0;
    if (r->form == TALLY_TOTALS) {
        b->counts[0] = r->correct;
        b->counts[1] = r->total;
    } else if (r->form == TALLY_CONFUSION && b->keys == NULL) {
        memcpy(b->counts, r->confusion, n * n * sizeof *b->counts);
    } else if (r->form == TALLY_CONFUSION) {
        for (size_t i = 0; i < n * n; i++) {
            if (r->confusion[i] != 0) {
                b->keys[at] = (int64_t)i;
                b->counts[at++] = r->confusion[i];
            }
        }
    } else if (r->form == TALLY_PER_CLASS) {
        for (size_t i = 0; i < n; i++) {
            if (b->keys != NULL && is_row_empty(r, i))
                continue;
            if (b->keys != NULL)
                b->keys[at] = (int64_t)i;
            int64_t *row = b->counts + at++ * b->width;
            row[0] = r->tp[i];
            row[1] = r->fp[i];
            row[2] = r->fn[i];
            if (b->width == 4)
                row[3] = r->tn[i];
        }
    }
}

static int check_means(const struct tally_record *r, size_t *n_text)
{
    if (r->n_means > MEANS_MAX || r->n_values > MEANS_MAX)
        return TALLY_ERR_RANGE;
    if ((r->n_means > 0 && r->means == NULL) || (r->n_values > 0 && r->values == NULL))
        return TALLY_ERR_ARGUMENT;
    for (size_t i = 0; i < r->n_means + r->n_values; i++) {
        const char *name = i < r->n_means ? r->means[i].name : r->values[i - r->n_means].name;
        if (!is_series(name))
            return TALLY_ERR_NAME;
        *n_text += strlen(name) + 1;
    }
    return TALLY_OK;
}

static int batch_of(const struct tally_record *r, struct batch **out)
{
    if (!is_stage(r->stage) || (r->name != NULL && !is_series(r->name)))
        return TALLY_ERR_NAME;
    if (!is_count(r->epoch) || !is_count(r->step) || !is_count(r->samples) || !is_count(r->time_ms))
        return TALLY_ERR_RANGE;
    struct shape shape;
    size_t n_text = strlen(r->stage) + 1 + (r->name != NULL ? strlen(r->name) + 1 : 0);
    int error = shape_of(r, &shape);
    if (error == TALLY_OK)
        error = check_means(r, &n_text);
    if (error != TALLY_OK)
        return error;
    struct batch *b = batch_new(shape.n_rows, shape.width, shape.is_keyed, r->n_means + r->n_values, n_text);
    if (b == NULL)
        return TALLY_ERR_MEMORY;
    b->task = r->task;
    b->form = r->form;
    b->epoch = r->epoch;
    b->step = r->step;
    b->samples = r->form != TALLY_NO_COUNTS ? r->samples : 0;
    b->time_ms = r->time_ms > 0 ? r->time_ms : now_ms();
    b->n_class = r->form == TALLY_PER_CLASS || r->form == TALLY_CONFUSION ? r->n_class : 0;
    b->stage = batch_text(b, r->stage);
    b->name = r->name != NULL && strcmp(r->name, "main") != 0 ? batch_text(b, r->name) : NULL;
    for (size_t i = 0; i < r->n_means; i++) {
        const struct tally_mean *m = &r->means[i];
        b->means[i] =
            (struct mean){batch_text(b, m->name), m->sum, m->weight, m->min, m->max, m->has_range != 0, false};
    }
    for (size_t i = 0; i < r->n_values; i++) {
        double v = r->values[i].value;
        b->means[r->n_means + i] = (struct mean){batch_text(b, r->values[i].name), v, 1, v, v, true, true};
    }
    fill_counts(b, r);
    *out = b;
    return TALLY_OK;
}

static void encode_column(struct text *t, const char *field, const struct batch *b, size_t column)
{
    text_printf(t, ",\"%s\":[", field);
    for (size_t i = 0; i < b->n_rows; i++) {
        if (i > 0)
            text_add(t, ",", 1);
        text_integer(t, b->counts[i * b->width + column]);
    }
    text_add(t, "]", 1);
}

/* Rows as lists: of a matrix, or with their keys before them. */
static void encode_rows(struct text *t, const struct batch *b)
{
    for (size_t i = 0; i < b->n_rows; i++) {
        text_put(t, i > 0 ? ",[" : "[");
        if (b->keys != NULL && b->form == TALLY_CONFUSION) {
            text_integer(t, b->keys[i] / (int64_t)b->n_class);
            text_add(t, ",", 1);
            text_integer(t, b->keys[i] % (int64_t)b->n_class);
        } else if (b->keys != NULL) {
            text_integer(t, b->keys[i]);
        }
        for (size_t k = 0; k < b->width; k++) {
            if (k > 0 || b->keys != NULL)
                text_add(t, ",", 1);
            text_integer(t, b->counts[i * b->width + k]);
        }
        text_add(t, "]", 1);
    }
    text_add(t, "]", 1);
}

static void encode_counts(struct text *t, const struct batch *b)
{
    static const char *const columns[] = {"tp", "fp", "fn", "tn"};
    if (b->form == TALLY_TOTALS) {
        text_printf(t, ",\"correct\":%" PRId64 ",\"total\":%" PRId64, b->counts[0], b->counts[1]);
    } else if (b->keys != NULL) {
        text_printf(t, ",\"num_classes\":%zu,\"%s\":[", b->n_class, b->form == TALLY_CONFUSION ? "cells" : "classes");
        encode_rows(t, b);
    } else if (b->form == TALLY_CONFUSION) {
        text_put(t, ",\"confusion\":[");
        encode_rows(t, b);
    } else if (b->form == TALLY_PER_CLASS) {
        for (size_t k = 0; k < b->width; k++)
            encode_column(t, columns[k], b, k);
    }
}

static void encode_means(struct text *t, const struct batch *b, bool is_value)
{
    const char *before = is_value ? ",\"values\":{" : ",\"sums\":{";
    for (size_t i = 0; i < b->n_means; i++) {
        const struct mean *m = &b->means[i];
        if (m->is_value != is_value)
            continue;
        text_printf(t, "%s\"%s\":", before, m->name);
        if (!is_value)
            text_add(t, "[", 1);
        text_number(t, m->sum);
        for (int k = 0; !is_value && k < (m->has_range ? 3 : 1); k++) {
            text_add(t, ",", 1);
            text_number(t, k == 0 ? m->weight : k == 1 ? m->min : m->max);
        }
        if (!is_value)
            text_add(t, "]", 1);
        before = ",";
    }
    if (*before == ',' && before[1] == '\0')
        text_add(t, "}", 1);
}

/* A record as a line of NDJSON, without its end. */
static void batch_encode(struct text *t, const struct batch *b, int rank)
{
    static const char *const tasks[] = {"multiclass", "binary", "multilabel"};
    text_printf(t, "{\"stage\":\"%s\",\"epoch\":%" PRId64 ",\"step\":%" PRId64, b->stage, b->epoch, b->step);
    if (rank > 0)
        text_printf(t, ",\"rank\":%d", rank);
    if (b->name != NULL)
        text_printf(t, ",\"name\":\"%s\"", b->name);
    if (b->form != TALLY_NO_COUNTS && b->task != TALLY_MULTICLASS)
        text_printf(t, ",\"task\":\"%s\"", tasks[b->task]);
    encode_counts(t, b);
    if (b->samples > 0)
        text_printf(t, ",\"samples\":%" PRId64, b->samples);
    encode_means(t, b, false);
    encode_means(t, b, true);
    text_printf(t, ",\"time\":%" PRId64, b->time_ms);
    if (b->attempt != NULL) {
        text_put(t, ",\"attempt\":");
        text_string(t, b->attempt);
    }
    text_add(t, "}", 1);
}

static bool decode_mean(struct batch *b, struct mean *m, const char *name, size_t n_name, const char *value,
                        bool is_value)
{
    double numbers[4];
    int n = 0;
    const char *p = value + (*value == '[');
    for (char *end; n < 4; n++, p = *end == ',' ? end + 1 : end) {
        numbers[n] = strtod(p, &end);
        if (end == p)
            break;
    }
    if (is_value ? n != 1 : n != 2 && n != 4)
        return false; /* one that is not finite stands there as a string */
    memcpy(b->text, name, n_name);
    b->text[n_name] = '\0';
    m->name = b->text;
    b->text += n_name + 1;
    m->sum = numbers[0];
    m->weight = is_value ? 1 : numbers[1];
    m->has_range = is_value || n == 4;
    m->min = n == 4 ? numbers[2] : numbers[0];
    m->max = n == 4 ? numbers[3] : numbers[0];
    m->is_value = is_value;
    return true;
}

static bool decode_means(struct batch *b, const char *sums, const char *values)
{
    const char *name, *value;
    size_t n_name, at = 0;
    for (const char *p = sums; p != NULL && json_next(&p, &name, &n_name, &value);) {
        if (at >= b->n_means || !decode_mean(b, &b->means[at++], name, n_name, value, false))
            return false;
    }
    for (const char *p = values; p != NULL && json_next(&p, &name, &n_name, &value);) {
        if (at >= b->n_means || !decode_mean(b, &b->means[at++], name, n_name, value, true))
            return false;
    }
    return at == b->n_means;
}

static size_t count_members(const char *object)
{
    const char *name, *value;
    size_t n_name, n = 0;
    for (const char *p = object; p != NULL && json_next(&p, &name, &n_name, &value);)
        n++;
    return n;
}

/* Rows of numbers as they were encoded: key_width numbers of each are its key. */
static bool decode_rows(struct batch *b, const char *field, size_t key_width)
{
    size_t row = key_width + b->width, n = b->n_rows * row;
    int64_t *all = malloc((n + 1) * sizeof *all);
    bool ok = all != NULL && json_integers(field, all, n) == n;
    for (size_t i = 0; ok && i < b->n_rows; i++) {
        const int64_t *from = all + i * row;
        for (size_t k = 0; k < key_width; k++)
            ok = ok && from[k] >= 0 && from[k] < (int64_t)b->n_class;
        if (ok && key_width > 0)
            b->keys[i] = key_width == 2 ? from[0] * (int64_t)b->n_class + from[1] : from[0];
        memcpy(b->counts + i * b->width, from + key_width, b->width * sizeof *from);
    }
    free(all);
    return ok;
}

static bool decode_counts(struct batch *b, const char *line, const char *field)
{
    static const char *const columns[] = {"tp", "fp", "fn", "tn"};
    if (b->form == TALLY_TOTALS) {
        b->counts[0] = json_integer(json_member(line, "correct"), -1);
        b->counts[1] = json_integer(json_member(line, "total"), -1);
        return true;
    }
    if (b->form == TALLY_CONFUSION)
        return decode_rows(b, field, b->keys != NULL ? 2 : 0);
    if (b->form == TALLY_NO_COUNTS || b->keys != NULL)
        return b->form == TALLY_NO_COUNTS || decode_rows(b, field, 1);
    int64_t *column = malloc((b->n_rows + 1) * sizeof *column);
    bool ok = column != NULL;
    for (size_t k = 0; ok && k < b->width; k++) {
        ok = json_integers(json_member(line, columns[k]), column, b->n_rows) == b->n_rows;
        for (size_t i = 0; ok && i < b->n_rows; i++)
            b->counts[i * b->width + k] = column[i];
    }
    free(column);
    return ok;
}

/* The counts' field of a line, and their shape. */
static const char *decode_shape(const char *line, size_t *n_class, enum tally_form *form, struct shape *shape)
{
    static const char *const fields[] = {"cells", "classes", "confusion", "tp", "correct"};
    static const enum tally_form forms[] = {TALLY_CONFUSION, TALLY_PER_CLASS, TALLY_CONFUSION, TALLY_PER_CLASS,
                                            TALLY_TOTALS};
    size_t i = 0;
    const char *field = NULL;
    while (i < 5 && (field = json_member(line, fields[i])) == NULL)
        i++;
    *shape = (struct shape){0, 0, false};
    *n_class = 0;
    *form = field != NULL ? forms[i] : TALLY_NO_COUNTS;
    size_t n = json_integers(field, NULL, 0);
    if (field != NULL && i < 2) {
        *n_class = (size_t)json_integer(json_member(line, "num_classes"), 0);
        *shape = (struct shape){i == 0 ? n / 3 : n / 4, i == 0 ? 1 : 3, true};
    } else if (field != NULL && i == 2) {
        while (*n_class * *n_class < n)
            ++*n_class;
        *shape = (struct shape){*n_class, *n_class, false};
    } else if (field != NULL && i == 3) {
        *n_class = n;
        *shape = (struct shape){n, json_member(line, "tn") != NULL ? 4 : 3, false};
    } else if (field != NULL) {
        *shape = (struct shape){1, 2, false};
    }
    return field;
}

/* A string of a line in the batch's text; NULL where there is none.  The line is ours: only attempts need unquoting. */
static const char *decode_text(struct batch *b, const char *line, const char *field, struct text *scratch)
{
    const char *value = json_member(line, field);
    return value != NULL && json_string(value, scratch) ? batch_text(b, scratch->at) : NULL;
}

/* What batch_encode() wrote.  NULL: not a record that can be added to others. */
static struct batch *batch_decode(const char *line, struct text *scratch)
{
    struct shape shape;
    enum tally_form form;
    size_t n_class;
    const char *field = decode_shape(line, &n_class, &form, &shape);
    const char *sums = json_member(line, "sums"), *values = json_member(line, "values"),
               *task = json_member(line, "task");
    struct batch *b = batch_new(shape.n_rows, shape.width, shape.is_keyed, count_members(sums) + count_members(values),
                                strlen(line) + 4);
    if (b == NULL)
        return NULL;
    b->form = form;
    b->n_class = n_class;
    b->task = task == NULL ? TALLY_MULTICLASS : strncmp(task, "\"binary\"", 8) == 0 ? TALLY_BINARY : TALLY_MULTILABEL;
    b->epoch = json_integer(json_member(line, "epoch"), -1);
    b->step = json_integer(json_member(line, "step"), -1);
    b->time_ms = json_integer(json_member(line, "time"), 0);
    b->samples = json_integer(json_member(line, "samples"), 0);
    b->stage = decode_text(b, line, "stage", scratch);
    b->name = decode_text(b, line, "name", scratch);
    b->attempt = decode_text(b, line, "attempt", scratch);
    if (b->stage != NULL && is_count(b->epoch) && is_count(b->step) && is_count(b->samples) && is_count(b->time_ms) &&
        n_class <= TALLY_CLASS_MAX && decode_counts(b, line, field) && decode_means(b, sums, values) &&
        bits_beyond(b->counts, b->n_rows * b->width) == 0)
        return b;
    free(b);
    return NULL;
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

/* 0: every field of the two has a sum, or is equal. */
static int batch_compare(const struct batch *a, const struct batch *b)
{
    int c = compare_texts(a->stage, b->stage);
    c = c != 0 ? c : compare_texts(a->name, b->name);
    c = c != 0 ? c : compare_texts(a->attempt, b->attempt);
    c = c != 0 ? c : COMPARE(a->epoch, b->epoch);
    c = c != 0 ? c : COMPARE(a->form, b->form);
    c = c != 0 ? c : COMPARE(a->task, b->task);
    c = c != 0 ? c : COMPARE(a->n_class, b->n_class);
    c = c != 0 ? c : COMPARE(a->width, b->width);
    c = c != 0 ? c : COMPARE(a->keys != NULL, b->keys != NULL);
    c = c != 0 ? c : COMPARE(a->samples > 0, b->samples > 0);
    c = c != 0 ? c : COMPARE(a->n_means, b->n_means);
    for (size_t i = 0; c == 0 && i < a->n_means; i++)
        c = strcmp(a->means[i].name, b->means[i].name);
    return c;
}

/* Equal in all but the time. */
static bool batch_is_same(const struct batch *a, const struct batch *b)
{
    if (batch_compare(a, b) != 0 || a->step != b->step || a->n_rows != b->n_rows || a->samples != b->samples)
        return false;
    for (size_t i = 0; i < a->n_means; i++) {
        const struct mean *m = &a->means[i], *o = &b->means[i];
        if (m->sum != o->sum || m->weight != o->weight || m->has_range != o->has_range ||
            (m->has_range && (m->min != o->min || m->max != o->max)))
            return false;
    }
    return (a->keys == NULL || memcmp(a->keys, b->keys, a->n_rows * sizeof *a->keys) == 0) &&
           memcmp(a->counts, b->counts, a->n_rows * a->width * sizeof *a->counts) == 0;
}

/* A batch with a mean that is not finite must stay one: the server counts such batches. */
static bool batch_is_additive(const struct batch *b)
{
    for (size_t i = 0; i < b->n_means; i++) {
        const struct mean *m = &b->means[i];
        if (!isfinite(m->sum) || !isfinite(m->weight) || !(m->weight > 0) ||
            (m->has_range && (!isfinite(m->min) || !isfinite(m->max))))
            return false;
    }
    return b->kind == BATCH;
}

static bool add_rows(struct batch *out, const struct batch *a, const struct batch *b)
{
    size_t i = 0, k = 0, n = 0, w = a->width;
    while (i < a->n_rows || k < b->n_rows) {
        bool from_a = i < a->n_rows, from_b = k < b->n_rows;
        if (a->keys != NULL && from_a && from_b) {
            from_a = a->keys[i] <= b->keys[k];
            from_b = b->keys[k] <= a->keys[i];
        }
        if (a->keys != NULL)
            out->keys[n] = from_a ? a->keys[i] : b->keys[k];
        for (size_t c = 0; c < w; c++)
            out->counts[n * w + c] = (from_a ? a->counts[i * w + c] : 0) + (from_b ? b->counts[k * w + c] : 0);
        i += from_a;
        k += from_b;
        n++;
    }
    out->n_rows = n;
    return bits_beyond(out->counts, n * w) == 0;
}

static bool add_means(struct batch *out, const struct batch *a, const struct batch *b)
{
    for (size_t i = 0; i < a->n_means; i++) {
        const struct mean *m = &a->means[i], *o = &b->means[i];
        double m_mean = m->sum / m->weight, o_mean = o->sum / o->weight;
        struct mean *to = &out->means[i];
        *to = (struct mean){batch_text(out, m->name), m->sum + o->sum, m->weight + o->weight, 0, 0, true, false};
        to->min = fmin(m->has_range ? m->min : m_mean, o->has_range ? o->min : o_mean);
        to->max = fmax(m->has_range ? m->max : m_mean, o->has_range ? o->max : o_mean);
        if (!isfinite(to->sum) || !isfinite(to->weight))
            return false;
    }
    return true;
}

/* The sum of two that batch_compare() finds equal, at the position and time of the earlier step.  NULL: no memory, or a count would
 * exceed what JSON holds.  Neither is changed. */
static struct batch *batch_add(const struct batch *a, const struct batch *b)
{
    const struct batch *first = a->step <= b->step ? a : b;
    size_t n_text = strlen(a->stage) + 1 + (a->name != NULL ? strlen(a->name) + 1 : 0) +
                    (a->attempt != NULL ? strlen(a->attempt) + 1 : 0);
    for (size_t i = 0; i < a->n_means; i++)
        n_text += strlen(a->means[i].name) + 1;
    struct batch *out =
        batch_new(a->keys != NULL ? a->n_rows + b->n_rows : a->n_rows, a->width, a->keys != NULL, a->n_means, n_text);
    if (out == NULL)
        return NULL;
    out->task = a->task;
    out->form = a->form;
    out->n_class = a->n_class;
    out->epoch = a->epoch;
    out->step = first->step;
    out->time_ms = first->time_ms;
    out->samples = a->samples + b->samples;
    out->stage = batch_text(out, a->stage);
    out->name = a->name != NULL ? batch_text(out, a->name) : NULL;
    out->attempt = a->attempt != NULL ? batch_text(out, a->attempt) : NULL;
    if (add_rows(out, a, b) && add_means(out, a, b) && is_count(out->samples))
        return out;
    free(out);
    return NULL;
}

/* ------------------------------------------------------------------ spool */

/*
 * A session is one process's folder, DIR/<run>/<session>/:
 *     meta.json          where it goes: {"format":1,"url","run","project","rank","attempt","created"}; never a token
 *     000001.seg, ...    entries, one a line: kind, CRC-32 of the rest in hex, JSON.  Append only; a torn or damaged line is skipped
 *     000001-000004.seg  the same with neighbouring batches added; it replaces the segments of its range
 *     acked              how far the server has it: "segment offset"
 *     lock               held (flock) by the process that writes or sends
 * Entries keep their order.  Where the disk refuses, segments live in memory instead.
 */
struct segment {
    int low, high;     /* the numbers of its range */
    int level;         /* how often it was added up */
    int fd;            /* -1: closed */
    bool is_memory;    /* its bytes are here, and no file */
    size_t size;       /* bytes */
    int64_t n_entries; /* not acknowledged */
    struct text memory;
};

struct spool {
    char *folder; /* NULL: all in memory */
    struct segment *segments;
    size_t n_segments, room;
    size_t offset; /* in the first segment: what the server has */
    int frozen;    /* segments up to this number were in a request */
    int next;      /* number of the next segment */
    int64_t left;  /* entries that are not acknowledged */
    int failure;   /* errno of what put a segment into memory; 0: none */
    int lock_fd, ack_fd;
    size_t disk_bytes, memory_bytes, segment_bytes;
};

struct entry {
    enum kind kind;
    size_t at, n; /* JSON, in the portion's bytes; a NUL stands behind it */
};

/* Entries read from a segment, and the place behind them. */
struct portion {
    struct text bytes;
    struct entry *entries;
    size_t n, room;
    int segment;
    size_t offset;
    int64_t n_lines;
};

static void portion_release(struct portion *p)
{
    text_release(&p->bytes);
    free(p->entries);
    memset(p, 0, sizeof *p);
}

static bool portion_add(struct portion *p, struct entry entry)
{
    if (p->n == p->room) {
        size_t room = 2 * p->room + 16;
        struct entry *entries = realloc(p->entries, room * sizeof *entries);
        if (entries == NULL)
            return false;
        p->entries = entries;
        p->room = room;
    }
    p->entries[p->n++] = entry;
    return true;
}

static void frame_add(struct text *t, enum kind kind, const char *json, size_t n)
{
    unsigned char k = (unsigned char)kind;
    uLong crc = crc32(crc32(0, &k, 1), (const unsigned char *)json, (uInt)n);
    text_printf(t, "%c%08lx ", kind, crc);
    text_add(t, json, n);
    text_add(t, "\n", 1);
}

/* The entry of a line of n bytes at offset at; false: damaged. */
static bool frame_read(const struct text *t, size_t at, size_t n, struct entry *out)
{
    const char *line = t->at + at;
    if (n < FRAME_HEAD || strchr("bupw", line[0]) == NULL || line[0] == '\0' || line[9] != ' ')
        return false;
    char hex[9], *end;
    memcpy(hex, line + 1, 8);
    hex[8] = '\0';
    unsigned long said = strtoul(hex, &end, 16);
    uLong crc = crc32(crc32(0, (const unsigned char *)line, 1), (const unsigned char *)line + FRAME_HEAD,
                      (uInt)(n - FRAME_HEAD));
    *out = (struct entry){(enum kind)line[0], at + FRAME_HEAD, n - FRAME_HEAD};
    return end == hex + 8 && said == crc;
}

static void segment_path(const struct spool *s, int low, int high, struct text *out)
{
    text_empty(out);
    if (low == high)
        text_printf(out, "%s/%06d.seg", s->folder, low);
    else
        text_printf(out, "%s/%06d-%06d.seg", s->folder, low, high);
}

static void segment_close(struct segment *g)
{
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
}

static void segment_remove(struct spool *s, struct segment *g)
{
    segment_close(g);
    if (!g->is_memory && s->folder != NULL) {
        struct text path = {0};
        segment_path(s, g->low, g->high, &path);
        if (!path.failed)
            unlink(path.at);
        text_release(&path);
    }
    text_release(&g->memory);
}

static bool write_all(int fd, const char *from, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return false;
        }
        from += done;
        n -= (size_t)done;
    }
    return true;
}

/* All of it, or false (with errno) and the segment is as it was. */
static bool segment_append(struct spool *s, struct segment *g, const struct text *frames)
{
    if (g->is_memory) {
        text_add(&g->memory, frames->at, frames->n);
        if (g->memory.failed) {
            g->memory.failed = false;
            errno = ENOMEM;
            return false;
        }
    } else {
        if (g->fd < 0) {
            struct text path = {0};
            segment_path(s, g->low, g->high, &path);
            g->fd = path.failed ? -1 : open(path.at, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            text_release(&path);
            if (g->fd < 0)
                return false;
        }
        if (!write_all(g->fd, frames->at, frames->n)) {
            int saved = errno;
            if (ftruncate(g->fd, (off_t)g->size) != 0)
                segment_close(g);
            errno = saved;
            return false;
        }
    }
    g->size += frames->n;
    return true;
}

/* Up to n bytes from an offset, instead of what out held. */
static bool segment_read(const struct spool *s, const struct segment *g, size_t offset, size_t n, struct text *out)
{
    text_empty(out);
    n = offset < g->size ? (n < g->size - offset ? n : g->size - offset) : 0;
    if (!text_reserve(out, n))
        return false;
    if (g->is_memory) {
        text_add(out, g->memory.at + offset, n);
        return true;
    }
    struct text path = {0};
    segment_path(s, g->low, g->high, &path);
    int fd = path.failed ? -1 : open(path.at, O_RDONLY | O_CLOEXEC);
    text_release(&path);
    if (fd < 0)
        return false;
    ssize_t got = 1;
    while (out->n < n && got > 0) {
        got = pread(fd, out->at + out->n, n - out->n, (off_t)(offset + out->n));
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            out->n += (size_t)got;
    }
    close(fd);
    out->at[out->n] = '\0';
    return got >= 0;
}

static struct segment *spool_add_segment(struct spool *s, int low, int high, bool is_memory)
{
    if (s->n_segments == s->room) {
        size_t room = 2 * s->room + 8;
        struct segment *segments = realloc(s->segments, room * sizeof *segments);
        if (segments == NULL)
            return NULL;
        s->segments = segments;
        s->room = room;
    }
    struct segment *g = &s->segments[s->n_segments++];
    memset(g, 0, sizeof *g);
    g->low = low;
    g->high = high;
    g->fd = -1;
    g->is_memory = is_memory;
    s->next = high + 1;
    return g;
}

static void spool_take_segment(struct spool *s, size_t i)
{
    s->n_segments--;
    memmove(s->segments + i, s->segments + i + 1, (s->n_segments - i) * sizeof *s->segments);
}

/* ---- folders ---- */

static bool make_folder(char *path)
{
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
            *p = '/';
            if (!ok)
                return false;
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool write_file(const char *path, const struct text *what, int flags)
{
    int fd = what->failed ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, what->at, what->n);
    return close(fd) == 0 && ok;
}

static bool read_file(const char *path, struct text *out)
{
    text_empty(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char piece[4096];
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) > 0 && out->n < (1 << 20))
        text_add(out, piece, (size_t)got);
    close(fd);
    return got == 0 && out->n > 0 && !out->failed;
}

/* ---- life cycle ---- */

/* Small enough that the bound is reached with several: what was in a request is never made smaller. */
static size_t segment_bound(size_t bytes)
{
    return bytes / 8 < 4096 ? 4096 : bytes / 8 < SEGMENT_BYTES ? bytes / 8 : SEGMENT_BYTES;
}

static void spool_init(struct spool *s, size_t disk_bytes, size_t memory_bytes)
{
    memset(s, 0, sizeof *s);
    s->next = 1;
    s->lock_fd = s->ack_fd = -1;
    s->disk_bytes = disk_bytes;
    s->memory_bytes = memory_bytes;
    s->segment_bytes = segment_bound(disk_bytes);
}

/* 1: locked, also on a file system without locks; 0: another process holds it; -1: errno. */
static int spool_lock(struct spool *s)
{
    struct text path = {0};
    text_printf(&path, "%s/lock", s->folder);
    s->lock_fd = path.failed ? -1 : open(path.at, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    text_release(&path);
    if (s->lock_fd < 0)
        return -1;
    return flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* A new session; in memory where it cannot be made.  Takes folder. */
static void spool_create(struct spool *s, const char *root, char *folder, const struct text *meta)
{
    struct text path = {0};
    s->folder = folder;
    bool ok = folder != NULL;
    errno = ENOMEM;
    for (int i = 0; ok && i < 5; i++) { /* another rank may just remove the run's empty folder */
        if (make_folder(folder) || errno != ENOENT)
            break;
    }
    if (ok) {
        text_printf(&path, "%s/.gitignore", root);
        struct text star = {0};
        text_put(&star, "*\n");
        if (!path.failed)
            write_file(path.at, &star, O_EXCL);
        text_release(&star);
        text_empty(&path);
        text_printf(&path, "%s/meta.json", folder);
        ok = !path.failed && spool_lock(s) > 0 && write_file(path.at, meta, O_TRUNC);
    }
    if (!ok) {
        s->failure = errno != 0 ? errno : EIO;
        free(s->folder);
        s->folder = NULL;
    }
    text_release(&path);
}

static void spool_close(struct spool *s)
{
    for (size_t i = 0; i < s->n_segments; i++) {
        segment_close(&s->segments[i]);
        text_release(&s->segments[i].memory);
    }
    int ack_fd = s->ack_fd, lock_fd = s->lock_fd;
    s->ack_fd = s->lock_fd = -1; /* first: a fork may come in between */
    if (ack_fd >= 0)
        close(ack_fd);
    if (lock_fd >= 0)
        close(lock_fd);
    free(s->segments);
    free(s->folder);
    s->segments = NULL;
    s->folder = NULL;
    s->n_segments = s->room = 0;
}

/* Close it, and remove the folder if nothing is left in it. */
static void spool_finish(struct spool *s)
{
    DIR *dir = s->folder != NULL && s->left == 0 ? opendir(s->folder) : NULL;
    if (dir != NULL) {
        for (struct dirent *d; (d = readdir(dir)) != NULL;)
            unlinkat(dirfd(dir), d->d_name, 0); /* "." and ".." are folders */
        closedir(dir);
        rmdir(s->folder);
        *strrchr(s->folder, '/') = '\0';
        rmdir(s->folder); /* the run's, where this was the last session */
    }
    spool_close(s);
}

/* ---- writing ---- */

/* n entries as frames.  False: neither the disk nor the memory takes them. */
static bool spool_append(struct spool *s, const struct text *frames, int64_t n)
{
    struct segment *last = s->n_segments > 0 ? &s->segments[s->n_segments - 1] : NULL;
    size_t bound = last != NULL && last->is_memory ? segment_bound(s->memory_bytes) : s->segment_bytes;
    if (last == NULL || last->size >= bound || last->level > 0 || last->low != last->high) {
        if (last != NULL)
            segment_close(last);
        last = spool_add_segment(s, s->next, s->next, s->folder == NULL || s->failure != 0);
    }
    if (last != NULL && !segment_append(s, last, frames)) {
        if (last->is_memory)
            return false;
        s->failure = errno != 0 ? errno : EIO;
        segment_close(last);
        last = spool_add_segment(s, s->next, s->next, true);
        if (last != NULL && !segment_append(s, last, frames))
            return false;
    }
    if (last == NULL)
        return false;
    last->n_entries += n;
    s->left += n;
    return true;
}

/* ---- sending ---- */

/* Entries from an offset on: batches, or one call; is_mixed takes them all.  False: it cannot be read. */
static bool spool_take(const struct spool *s, const struct segment *g, size_t offset, size_t n_max, size_t bytes_max,
                       bool is_mixed, struct portion *out)
{
    bool reaches_end;
    out->n = 0;
    for (;; bytes_max *= 2) { /* one line may be longer */
        if (!segment_read(s, g, offset, bytes_max, &out->bytes))
            return false;
        reaches_end = offset + out->bytes.n >= g->size;
        if (reaches_end || memchr(out->bytes.at, '\n', out->bytes.n) != NULL)
            break;
    }
    size_t used = 0;
    out->n_lines = 0;
    out->segment = g->low;
    for (char *end; (end = memchr(out->bytes.at + used, '\n', out->bytes.n - used)) != NULL;) {
        struct entry entry;
        size_t n = (size_t)(end - out->bytes.at) - used;
        if (frame_read(&out->bytes, used, n, &entry)) {
            bool other = out->n > 0 && !is_mixed && (entry.kind != BATCH || out->entries[0].kind != BATCH);
            if (other || out->n >= n_max) {
                out->offset = offset + used;
                return true;
            }
            if (!portion_add(out, entry))
                return false;
        }
        *end = '\0';
        used += n + 1;
        out->n_lines++;
    }
    if (reaches_end)
        used = out->bytes.n; /* a tail torn by a crash */
    out->offset = offset + used;
    return true;
}

static void spool_drop_first(struct spool *s)
{
    s->left -= s->segments[0].n_entries;
    segment_remove(s, &s->segments[0]);
    spool_take_segment(s, 0);
    s->offset = 0;
}

/* The server has all entries before the place of a portion. */
static void spool_ack(struct spool *s, const struct portion *p)
{
    struct segment *g = &s->segments[0];
    s->offset = p->offset;
    g->n_entries -= p->n_lines;
    s->left -= p->n_lines;
    if (p->offset >= g->size) {
        spool_drop_first(s);
    } else if (!g->is_memory) {
        struct text line = {0};
        text_printf(&line, "%06d %012zu\n", g->low, p->offset);
        if (s->ack_fd < 0) {
            struct text path = {0};
            text_printf(&path, "%s/acked", s->folder);
            s->ack_fd = path.failed ? -1 : open(path.at, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            text_release(&path);
        }
        if (s->ack_fd >= 0 && !line.failed && pwrite(s->ack_fd, line.at, line.n, 0) < 0)
            errno = 0; /* then it is sent again after a crash: duplicates */
        text_release(&line);
    }
}

/* The next entries, all batches or else one call.  False: there are none.  They count as sent from now on. */
static bool spool_peek(struct spool *s, size_t n_max, size_t bytes_max, struct portion *out)
{
    while (s->n_segments > 0) {
        struct segment *g = &s->segments[0];
        if (g->high > s->frozen)
            s->frozen = g->high;
        if (!spool_take(s, g, s->offset, n_max, bytes_max, false, out)) {
            if (errno != ENOENT)
                return false;    /* no memory, or a disk that may come back: later */
            spool_drop_first(s); /* somebody removed the file */
            continue;
        }
        if (out->n > 0)
            return true;
        if (out->offset > s->offset)
            spool_ack(s, out); /* only damaged lines */
        else
            spool_drop_first(s);
    }
    return false;
}

/* ---- what another process left ---- */

struct found {
    int low, high;
};

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->low != y->low ? COMPARE(x->low, y->low) : COMPARE(x->high, y->high);
}

/* "000001.seg" or "000001-000004.seg" */
static bool parse_segment_name(const char *name, struct found *out)
{
    int n = 0;
    if (sscanf(name, "%6d.seg%n", &out->low, &n) == 1 && n == 10 && name[n] == '\0') {
        out->high = out->low;
        return true;
    }
    n = 0;
    return sscanf(name, "%6d-%6d.seg%n", &out->low, &out->high, &n) == 2 && n == 17 && name[n] == '\0';
}

static struct found *list_segments(const char *folder, size_t *n)
{
    size_t room = 64;
    struct found *list = malloc(room * sizeof *list);
    DIR *dir = list != NULL ? opendir(folder) : NULL;
    *n = 0;
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        if (*n == room) {
            struct found *more = realloc(list, 2 * room * sizeof *list);
            if (more == NULL)
                break;
            list = more;
            room *= 2;
        }
        *n += parse_segment_name(d->d_name, &list[*n]);
    }
    if (dir != NULL)
        closedir(dir);
    if (list != NULL)
        qsort(list, *n, sizeof *list, compare_found);
    return list;
}

static int64_t count_lines(const struct text *t)
{
    int64_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->at[i] == '\n';
    return n;
}

static void spool_load_segment(struct spool *s, struct found f, int acked, size_t offset)
{
    struct text path = {0}, bytes = {0};
    struct stat st;
    segment_path(s, f.low, f.high, &path);
    if (!path.failed && stat(path.at, &st) == 0) {
        struct segment *g = spool_add_segment(s, f.low, f.high, false);
        if (g != NULL) {
            g->size = (size_t)st.st_size;
            size_t from = 0;
            if (f.low == acked)
                from = s->offset = offset < g->size ? offset : g->size;
            if (segment_read(s, g, from, g->size, &bytes))
                g->n_entries = count_lines(&bytes);
            s->left += g->n_entries;
        }
    }
    text_release(&path);
    text_release(&bytes);
}

/* A session that another process left.  Takes folder.  False: a process still holds it, or it cannot be read. */
static bool spool_open(struct spool *s, char *folder)
{
    spool_init(s, SIZE_MAX, SIZE_MAX);
    s->folder = folder;
    if (spool_lock(s) <= 0) {
        spool_close(s);
        return false;
    }
    struct text text = {0};
    int acked = 0;
    size_t offset = 0, n = 0;
    text_printf(&text, "%s/acked", folder);
    char *path = text.at;
    text = (struct text){0};
    if (path != NULL && read_file(path, &text) && sscanf(text.at, "%d %zu", &acked, &offset) != 2)
        acked = 0;
    free(path);
    text_release(&text);
    struct found *list = list_segments(folder, &n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < n; k++)
            is_replaced |= k != i && list[k].low <= list[i].low && list[i].high <= list[k].high;
        if (!is_replaced && list[i].high >= acked) {
            spool_load_segment(s, list[i], acked, offset);
        } else {
            struct segment gone = {.low = list[i].low, .high = list[i].high, .fd = -1};
            segment_remove(s, &gone);
        }
    }
    free(list);
    s->frozen = s->next;
    return true;
}

/* ---- bounds ---- */

static bool spool_is_over(const struct spool *s)
{
    size_t disk = 0, memory = 0;
    for (size_t i = 0; i < s->n_segments; i++)
        *(s->segments[i].is_memory ? &memory : &disk) += s->segments[i].size;
    return disk > s->disk_bytes || memory > s->memory_bytes;
}

/* A batch of a segment with the line it came from. */
struct held {
    struct batch *batch;
    struct entry entry;
};

static int compare_held(const void *a, const void *b)
{
    const struct batch *x = ((const struct held *)a)->batch, *y = ((const struct held *)b)->batch;
    int c = batch_compare(x, y);
    return c != 0 ? c : COMPARE(x->step, y->step);
}

/*
 * Write n batches with neighbours added, two to one.  The same position twice is not added to itself: equal content is the same batch
 * and is kept once, other content is left for the server to judge.
 */
static int64_t halve(struct held *held, size_t n, const struct portion *from, int rank, struct text *scratch,
                     struct text *out)
{
    int64_t n_out = 0;
    if (n > 0)
        qsort(held, n, sizeof *held, compare_held);
    for (size_t i = 0; i < n;) {
        struct batch *a = held[i].batch, *sum = NULL;
        size_t next = i + 1;
        bool is_twin = false;
        while (next < n && batch_is_same(a, held[next].batch))
            next++;
        if (next < n && batch_compare(a, held[next].batch) == 0) {
            const struct batch *b = held[next].batch;
            is_twin = b->step == a->step || (next + 1 < n && compare_held(&held[next], &held[next + 1]) == 0);
            is_twin |= i > 0 && compare_held(&held[i - 1], &held[i]) == 0 && !batch_is_same(held[i - 1].batch, a);
            if (!is_twin)
                sum = batch_add(a, b);
        }
        if (sum != NULL) {
            text_empty(scratch);
            batch_encode(scratch, sum, rank);
            out->failed |= scratch->failed;
            frame_add(out, BATCH, scratch->at != NULL ? scratch->at : "", scratch->n);
            free(sum);
            next++;
        } else {
            frame_add(out, BATCH, from->bytes.at + held[i].entry.at, held[i].entry.n);
        }
        n_out++;
        i = next;
    }
    for (size_t i = 0; i < n; i++)
        free(held[i].batch);
    return n_out;
}

/* The entries with neighbouring batches added.  Calls keep their places, and nothing is added across them. */
static int64_t merge_entries(const struct portion *from, int rank, struct text *out)
{
    struct held *held = malloc((from->n + 1) * sizeof *held);
    struct text scratch = {0};
    size_t n_held = 0;
    int64_t n = 0;
    for (size_t i = 0; held != NULL && i < from->n; i++) {
        struct entry e = from->entries[i];
        struct batch *b = e.kind == BATCH ? batch_decode(from->bytes.at + e.at, &scratch) : NULL;
        if (b != NULL && batch_is_additive(b)) {
            held[n_held++] = (struct held){b, e};
            continue;
        }
        free(b);
        if (e.kind != BATCH) {
            n += halve(held, n_held, from, rank, &scratch, out);
            n_held = 0;
        }
        frame_add(out, e.kind, from->bytes.at + e.at, e.n);
        n++;
    }
    if (held != NULL)
        n += halve(held, n_held, from, rank, &scratch, out);
    out->failed |= held == NULL;
    text_release(&scratch);
    free(held);
    return n;
}

/* Put frames on disk in one step: whoever reads the folder finds either them or what they replace. */
static bool spool_store(struct spool *s, const struct text *frames, struct segment *chosen, size_t n_chosen)
{
    struct text path = {0}, temporary = {0};
    segment_path(s, chosen[0].low, chosen[n_chosen - 1].high, &path);
    text_printf(&temporary, "%s.tmp", path.failed ? "" : path.at);
    int fd = path.failed || temporary.failed ? -1 : open(temporary.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, frames->at, frames->n) && fsync(fd) == 0;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    for (size_t i = 0; i < n_chosen; i++)
        segment_close(&chosen[i]);
    ok = ok && rename(temporary.at, path.at) == 0;
    if (!ok)
        s->failure = errno != 0 ? errno : EIO;
    for (size_t i = 0; ok && i < n_chosen && n_chosen > 1; i++)
        segment_remove(s, &chosen[i]);
    text_release(&path);
    text_release(&temporary);
    return ok;
}

/* Replace one or two segments that were in no request by their sums; *n_added rises by what became part of a neighbour.
 * False: nothing gets smaller. */
static bool spool_shrink(struct spool *s, int rank, int64_t *n_added)
{
    size_t at = s->n_segments;
    for (size_t i = s->n_segments; i-- > 0;) {
        const struct segment *g = &s->segments[i];
        if (g->low > s->frozen && g->level < LEVEL_FINAL && (at == s->n_segments || g->level <= s->segments[at].level))
            at = i;
    }
    if (at == s->n_segments)
        return false;
    struct segment *chosen = &s->segments[at];
    size_t n =
        at + 1 < s->n_segments && chosen[1].level == chosen[0].level && chosen[1].is_memory == chosen[0].is_memory ? 2
                                                                                                                   : 1;
    struct portion all = {0}, part = {0};
    struct text merged = {0};
    bool ok = true;
    size_t before = 0;
    int64_t n_before = 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = spool_take(s, &chosen[i], 0, SIZE_MAX, chosen[i].size, true, &part);
        size_t shift = all.bytes.n;
        text_add(&all.bytes, part.bytes.at, part.bytes.n);
        for (size_t k = 0; ok && k < part.n; k++)
            ok = portion_add(&all, (struct entry){part.entries[k].kind, part.entries[k].at + shift, part.entries[k].n});
        before += chosen[i].size;
        n_before += chosen[i].n_entries;
    }
    ok = ok && !all.bytes.failed;
    int64_t n_after = ok ? merge_entries(&all, rank, &merged) : 0;
    ok = ok && !merged.failed;
    if (ok && (double)merged.n > 0.9 * (double)before) {
        for (size_t i = 0; i < n; i++)
            chosen[i].level = LEVEL_FINAL;
    } else if (ok && (chosen[0].is_memory || spool_store(s, &merged, chosen, n))) {
        struct segment sum = {
            chosen[0].low, chosen[n - 1].high, chosen[0].level + 1, -1, chosen[0].is_memory, merged.n, n_after, {0}};
        for (size_t i = 0; i < n; i++)
            text_release(&chosen[i].memory);
        if (sum.is_memory) {
            sum.memory = merged;
            merged = (struct text){0};
        }
        chosen[0] = sum;
        if (n == 2)
            spool_take_segment(s, at + 1);
        s->left += n_after - n_before;
        *n_added += n_before - n_after;
    } else {
        ok = false;
    }
    portion_release(&all);
    portion_release(&part);
    text_release(&merged);
    return ok;
}

/* The last resort where nothing can be added any more: forget the newest segment that was in no request. */
static int64_t spool_drop_newest(struct spool *s)
{
    if (s->n_segments == 0 || s->segments[s->n_segments - 1].low <= s->frozen)
        return 0;
    struct segment *g = &s->segments[s->n_segments - 1];
    int64_t n = g->n_entries;
    segment_remove(s, g);
    s->n_segments--;
    s->left -= n;
    return n;
}

/* ------------------------------------------------------------------ job */

/* SHA-256 (FIPS 180-4) in hex: ids that were cut end in it, so ranks in other languages come to the same ones. */
static void sha256_block(uint32_t h[8], const unsigned char *p)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = ROTATE(w[i - 15], 7) ^ ROTATE(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ROTATE(w[i - 2], 17) ^ ROTATE(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = ROTATE(v[4], 6) ^ ROTATE(v[4], 11) ^ ROTATE(v[4], 25),
                 s0 = ROTATE(v[0], 2) ^ ROTATE(v[0], 13) ^ ROTATE(v[0], 22);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
#undef ROTATE
}

static void sha256_hex(const char *text, char out[65])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    size_t n = strlen(text), left = n;
    unsigned char block[64];
    for (; left >= 64; text += 64, left -= 64)
        sha256_block(h, (const unsigned char *)text);
    memset(block, 0, sizeof block);
    memcpy(block, text, left);
    block[left] = 0x80;
    if (left >= 56) {
        sha256_block(h, block);
        memset(block, 0, sizeof block);
    }
    for (int i = 0; i < 8; i++)
        block[63 - i] = (unsigned char)((uint64_t)n * 8 >> 8 * i);
    sha256_block(h, block);
    for (int i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", h[i]);
}

/* The text with what ids do not allow replaced, at most limit characters, told apart by a hash where it was cut. */
static void slug(const char *text, size_t limit, char out[ID_MAX + 1])
{
    struct text clean = {0};
    for (const char *p = text; *p != '\0'; p++) {
        if (is_letter(*p) || strchr("._-", *p) != NULL)
            text_add(&clean, p, 1);
        else if (p == text || is_letter(p[-1]) || strchr("._-", p[-1]) != NULL)
            text_add(&clean, "-", 1); /* one for all in a row */
    }
    size_t start = 0, n = clean.failed ? 0 : clean.n;
    while (start < n && strchr("._-", clean.at[start]) != NULL)
        start++;
    while (n > start && strchr("._-", clean.at[n - 1]) != NULL)
        n--;
    n -= start;
    size_t kept = n > limit ? limit - 9 : n;
    if (kept > 0)
        memcpy(out, clean.at + start, kept);
    out[kept] = '\0';
    if (n > limit) {
        char hash[65];
        sha256_hex(text, hash);
        snprintf(out + kept, 10, "-%.8s", hash);
    }
    text_release(&clean);
}

static const char *variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? text : NULL;
}

/* Of the first of the variables that is a number; -1: none. */
static int64_t first_number(const char *const *names)
{
    for (; *names != NULL; names++) {
        const char *text = variable(*names);
        if (text != NULL && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text))
            return atol(text);
    }
    return -1;
}

static const char *const ranks[] = {
    "RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", NULL};
static const char *const world_sizes[] = {"WORLD_SIZE", "SLURM_NTASKS",        "OMPI_COMM_WORLD_SIZE",
                                          "PMI_SIZE",   "MV2_COMM_WORLD_SIZE", NULL};
static const char *const local_sizes[] = {"LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL};
static const char *const local_ranks[] = {"LOCAL_RANK", NULL};
static const char *const nodes[] = {"NODE_RANK", "GROUP_RANK", NULL};
static const char *const restarts[] = {"TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT", NULL};

static int64_t or_zero(int64_t n)
{
    return n > 0 ? n : 0;
}

static int64_t find_rank(void)
{
    int64_t rank = first_number(ranks);
    return rank >= 0
               ? rank
               : or_zero(first_number(local_ranks)) + or_zero(first_number(nodes)) * or_zero(first_number(local_sizes));
}

/* The same text in all ranks and after a restart, as "slurm-812.0".  False: no launcher tells. */
static bool find_job(int world_size, struct text *out)
{
    static const char *const jobs[][3] = {{"torch", "TORCHELASTIC_RUN_ID", NULL},
                                          {"slurm", "SLURM_JOB_ID", "SLURM_STEP_ID"},
                                          {"lsf", "LSB_JOBID", NULL},
                                          {"pbs", "PBS_JOBID", NULL},
                                          {"flux", "FLUX_JOB_ID", NULL},
                                          {"mpi", "PMIX_NAMESPACE", NULL},
                                          {"sge", "JOB_ID", NULL}};
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        const char *job = variable(jobs[i][1]), *step = jobs[i][2] != NULL ? variable(jobs[i][2]) : NULL;
        if (job == NULL || (i == 0 && strcmp(job, "none") == 0))
            continue;
        if (i > 0 && world_size == 1 && isatty(STDIN_FILENO))
            continue; /* one program after the other by hand inside an allocation: each is a run */
        text_printf(out, "%s-%s", jobs[i][0], job);
        if (step != NULL && strspn(step, "0123456789") == strlen(step))
            text_printf(out, ".%s", step);
        return true;
    }
    return false;
}

/* When a process began, in clock ticks of this boot; "" where the system does not tell. */
static void started_at(pid_t pid, char out[32])
{
    char path[64];
    struct text stat = {0};
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    out[0] = '\0';
    if (read_file(path, &stat)) {
        const char *p = strrchr(stat.at, ')');
        for (int field = 0; p != NULL && field < 20; field++)
            p = strchr(p + 1, ' ');
        if (p != NULL)
            snprintf(out, 32, "%.*s", (int)strcspn(p + 1, " \n"), p + 1);
    }
    text_release(&stat);
}

static void host_name(char out[256])
{
    if (gethostname(out, 255) != 0)
        out[0] = '\0';
    out[255] = '\0';
}

/* What tells this launch from the one before under the same job's id: a process alone names itself, ranks on one host share their
 * parent.  Ranks on several hosts share nothing new but what the launcher says: "". */
static void launch_mark(int world_size, char out[11])
{
    const char *n_nodes = variable("SLURM_NNODES");
    char host[256], began[32], text[400], hash[65];
    out[0] = '\0';
    if (world_size > 1 && or_zero(first_number(local_sizes)) < world_size &&
        (n_nodes == NULL || strcmp(n_nodes, "1") != 0))
        return;
    pid_t pid = world_size == 1 ? getpid() : getppid();
    host_name(host);
    started_at(pid, began);
    if (began[0] == '\0' && world_size == 1)
        snprintf(began, sizeof began, "%" PRId64, now_ms());
    snprintf(text, sizeof text, "%s %ld %s", host, (long)pid, began);
    sha256_hex(text, hash);
    snprintf(out, 11, "%.10s", hash);
}

/* What a process that made the run hands down to ranks that it starts itself: "pid base id attempt". */
static bool handed_down(const char *base, char id[ID_MAX + 1], char attempt[ID_MAX + 1])
{
    const char *text = variable("_TALLY_LAUNCH");
    char found_base[ID_MAX + 1], slugged[ID_MAX + 1];
    long pid = 0;
    int n = 0;
    slug(base, 64, slugged);
    return text != NULL && sscanf(text, "%ld %128s %128s %128s%n", &pid, found_base, id, attempt, &n) == 4 &&
           text[n] == '\0' && pid != (long)getpid() && strcmp(found_base, slugged) == 0;
}

static void random_hex(char *out, size_t n_bytes)
{
    unsigned char bytes[16];
    if (getrandom(bytes, n_bytes, GRND_NONBLOCK) != (ssize_t)n_bytes) {
        uint64_t mix = (uint64_t)now_ms() * 6364136223846793005u + (uint64_t)getpid();
        memcpy(bytes, &mix, n_bytes < sizeof mix ? n_bytes : sizeof mix);
    }
    for (size_t i = 0; i < n_bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* The run and the attempt that this process belongs to. */
struct launch {
    char id[ID_MAX + 1], attempt[ID_MAX + 1];
    char name[ID_MAX + 1]; /* of the attempts of this job: they are name.0, name.1, ... */
    int64_t restarts;
    bool is_marked; /* nothing but the attempt's own mark tells it from others */
    bool is_shared; /* false: several ranks run and nothing makes them come to the same run */
};

static void launch_find(struct launch *l, const char *base, const char *id, int rank, int world_size)
{
    char mark[11], slugged[ID_MAX + 1], handed_id[ID_MAX + 1], handed_attempt[ID_MAX + 1];
    struct text job = {0}, run = {0};
    bool has_job = find_job(world_size, &job);
    bool is_child = rank > 0 && handed_down(base, handed_id, handed_attempt);
    launch_mark(world_size, mark);
    l->restarts = or_zero(first_number(restarts));
    l->is_marked = mark[0] != '\0';
    l->is_shared = true;
    id = id != NULL ? id : variable("TALLY_RUN");
    slug(base, has_job ? 60 : 64, slugged);
    if (id != NULL) {
        text_put(&run, id);
    } else if (has_job) {
        char slugged_job[ID_MAX + 1];
        slug(job.failed ? "" : job.at, 60, slugged_job);
        text_printf(&run, "%s-%s", slugged, slugged_job);
    } else if (is_child) {
        text_put(&run, handed_id);
    } else if (world_size > 1 && l->is_marked) {
        text_printf(&run, "%s-%s", slugged, mark);
    } else {
        char when[32] = "", hex[7];
        time_t now = time(NULL);
        struct tm local;
        if (localtime_r(&now, &local) != NULL)
            strftime(when, sizeof when, "%Y%m%d-%H%M%S", &local);
        random_hex(hex, 3);
        text_printf(&run, "%s-%s-%s", slugged, when, hex);
        l->is_shared = world_size == 1;
    }
    const char *found = run.failed ? "run" : run.at;
    const char *said = variable("TALLY_ATTEMPT");
    slug(has_job && !job.failed ? job.at : found, 90, l->name);
    if (said != NULL)
        snprintf(l->attempt, sizeof l->attempt, "%s", said);
    else if (!has_job && is_child && strcmp(handed_id, found) == 0)
        snprintf(l->attempt, sizeof l->attempt, "%s", handed_attempt);
    else
        snprintf(l->attempt, sizeof l->attempt, "%.90s.%" PRId64 "%s%s", l->name, l->restarts, l->is_marked ? "-" : "",
                 mark);
    if (!is_utf8(l->attempt))
        slug(l->attempt, ID_MAX, l->attempt); /* cut within a character */
    if (is_name(found, ID_MAX, '-'))
        snprintf(l->id, sizeof l->id, "%s", found);
    else
        slug(found, ID_MAX, l->id);
    if (l->id[0] == '\0')
        snprintf(l->id, sizeof l->id, "run");
    text_release(&job);
    text_release(&run);
}

/* ------------------------------------------------------------------ the run */

enum warning {
    WARN_FULL,
    WARN_DISK,
    WARN_BOUNDS,
    WARN_LOST,
    WARN_AWAY,
    WARN_REFUSED,
    WARN_REJECTED,
    WARN_LEFT,
    WARN_SHARED
};

struct sender;

/* What all threads see of a run. */
struct tally {
    pthread_mutex_t mutex;         /* guards what follows, up to the constants */
    pthread_cond_t wake;           /* for the sender: something to do before its time */
    pthread_cond_t done;           /* for those who wait: the sender has made a round, or has ended */
    struct batch *head, *last;     /* the queue */
    struct batch *full[FULL_KEYS]; /* sums that grow while the queue is full */
    size_t queue_bytes;            /* of the queue and of what the sender took out of it and has not spooled */
    int64_t n_queued;              /* entries of these, sums included */
    const char *attempt;           /* of what is logged from now on; one of attempts */
    char **attempts;               /* all that were, until the run is freed */
    size_t n_attempts;
    char *where;   /* this process's session; NULL: none yet, or in memory */
    int n_waiting; /* in tally_flush() */
    bool is_woken;
    bool stop;      /* no request any more: bring the queue to the spool and end */
    bool is_busy;   /* the sender is in a round */
    bool is_halted; /* the server refuses us, not what we say */
    bool has_thread, has_ended;
    bool is_orphan; /* the handle is gone: the thread frees the run */
    bool is_child;  /* of the process that opened it: the run's end is not for us to tell */
    unsigned warned;
    struct tally_stats stats;
    pthread_t thread;
    struct sender *sender; /* what hangs from it is the thread's alone */

    /* constants */
    char id[ID_MAX + 1], project[ID_MAX + 1];
    int rank, world_size;
    bool has_own_id; /* given by the caller */
    char *url, *token, *root;
    size_t spool_bytes, queue_bytes_max;
    void (*on_warning)(void *context, const char *text);
    void *warning_context;

    struct tally *next; /* guarded by runs_mutex */
};

/* Told once of each kind.  Called with no lock held. */
static void warn(struct tally *run, enum warning kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void warn(struct tally *run, enum warning kind, const char *format, ...)
{
    pthread_mutex_lock(&run->mutex);
    bool is_new = !run->is_orphan && (run->warned & 1u << kind) == 0;
    run->warned |= 1u << kind;
    pthread_mutex_unlock(&run->mutex);
    if (!is_new)
        return;
    char text[2 * TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (run->on_warning != NULL)
        run->on_warning(run->warning_context, text);
    else
        fprintf(stderr, "tally: run %s: %s\n", run->id, text);
}

static void timed_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, double until)
{
    struct timespec t = {(time_t)until, (long)((until - floor(until)) * 1e9)};
    pthread_cond_timedwait(cond, mutex, &t);
}

static bool is_stopping(struct tally *run)
{
    pthread_mutex_lock(&run->mutex);
    bool stop = run->stop;
    pthread_mutex_unlock(&run->mutex);
    return stop;
}

/* ------------------------------------------------------------------ http */

struct answer {
    long status;  /* 0: none came */
    double after; /* seconds that the server asked for */
    struct text body;
    char error[CURL_ERROR_SIZE];
};

/* What is sent from one spool: this process's own, or one that was left. */
struct delivery {
    struct spool *spool;
    const char *run_id, *project;
    size_t n_max; /* records of the next request */
    struct portion portion;
};

/* The sender's own. */
struct sender {
    struct tally *run;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers, *headers_gzip, *headers_lines, *headers_lines_gzip;
    struct answer answer;
    struct text url, packed;
    struct batch *pending; /* out of the queue, not yet in the spool */
    struct text frames, json;
    struct spool spool, left; /* this process's, and one that is being sent for another */
    struct delivery own, others;
    bool has_spool;
    bool has_heartbeat;
    bool looked_for_left;
    bool was_hurried;
    int failures;
    double next_try, last_contact, next_drain;
    double not_before; /* as the server asked for */
    uint64_t random;
    struct sender *next; /* in a child: what was the parent's */
};

static void drain(struct sender *s);

static size_t on_body(char *from, size_t size, size_t n, void *to)
{
    struct text *body = to;
    if (body->n < ANSWER_BYTES)
        text_add(body, from, size * n);
    return size * n;
}

static bool add_header(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static bool make_headers(struct curl_slist **list, const char *token, bool is_lines, bool is_packed)
{
    struct text bearer = {0};
    text_printf(&bearer, "Authorization: Bearer %s", token != NULL ? token : "");
    bool ok = !bearer.failed && (token == NULL || add_header(list, bearer.at));
    text_release(&bearer);
    return ok && add_header(list, is_lines ? "Content-Type: application/x-ndjson" : "Content-Type: application/json") &&
           (!is_packed || add_header(list, "Content-Encoding: gzip")) && add_header(list, "Expect:");
}

static bool http_init(struct sender *s)
{
    const char *token = s->run->token;
    s->multi = curl_multi_init();
    s->easy = curl_easy_init();
    if (s->multi == NULL || s->easy == NULL || !make_headers(&s->headers, token, false, false) ||
        !make_headers(&s->headers_gzip, token, false, true) || !make_headers(&s->headers_lines, token, true, false) ||
        !make_headers(&s->headers_lines_gzip, token, true, true))
        return false;
    const char *authorities = variable("SSL_CERT_FILE"); /* as curl itself and Python have it */
    if (authorities != NULL)
        curl_easy_setopt(s->easy, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "tally-c");
    curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(s->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(s->easy, CURLOPT_LOW_SPEED_TIME, 15L);
    curl_easy_setopt(s->easy, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, &s->answer.body);
    curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->answer.error);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(s->easy, CURLOPT_QUICK_EXIT, 1L); /* the end waits for no name server */
#endif
    return true;
}

static void http_release(struct sender *s)
{
    curl_easy_cleanup(s->easy);
    curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->headers_gzip);
    curl_slist_free_all(s->headers_lines);
    curl_slist_free_all(s->headers_lines_gzip);
    text_release(&s->answer.body);
    text_release(&s->url);
    text_release(&s->packed);
}

/* gzip (RFC 1952) of n bytes into out; false: as it was it is good enough. */
static bool pack(const char *from, size_t n, struct text *out)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    text_empty(out);
    if (n < GZIP_BYTES || n > UINT_MAX / 2 || deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&z, (uLong)n);
    bool ok = text_reserve(out, bound);
    if (ok) {
        z.next_in = (Bytef *)(uintptr_t)from;
        z.avail_in = (uInt)n;
        z.next_out = (Bytef *)out->at;
        z.avail_out = (uInt)bound;
        ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
        out->n = bound - z.avail_out;
    }
    deflateEnd(&z);
    return ok;
}

/* Runs the transfer, and goes on bringing the queue to the spool meanwhile.  False: the run is to stop. */
static bool transfer(struct sender *s, CURLcode *result)
{
    int n_running = 1;
    *result = CURLE_FAILED_INIT;
    if (curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
        return true;
    bool go_on = true;
    while (go_on) {
        if (curl_multi_perform(s->multi, &n_running) != CURLM_OK || n_running == 0)
            break;
        curl_multi_poll(s->multi, NULL, 0, (int)(1000 * DRAIN_SECONDS), NULL);
        if (now_monotonic() >= s->next_drain)
            drain(s);
        go_on = !is_stopping(s->run);
    }
    int n_left;
    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &n_left)) != NULL;) {
        if (m->msg == CURLMSG_DONE)
            *result = m->data.result;
    }
    curl_multi_remove_handle(s->multi, s->easy);
    return go_on;
}

enum outcome { HTTP_TAKEN, HTTP_REFUSED, HTTP_AWAY };

/* One request; the answer is in s->answer.  AWAY: it may be sent again. */
static enum outcome http_call(struct sender *s, const char *method, const char *path, const char *body, size_t n,
                              bool is_lines)
{
    bool is_packed = pack(body, n, &s->packed);
    CURLcode result;
    text_empty(&s->url);
    text_printf(&s->url, "%s%s", s->run->url, path);
    text_empty(&s->answer.body);
    text_add(&s->answer.body, "", 0);
    s->answer.status = 0;
    s->answer.after = 0;
    snprintf(s->answer.error, sizeof s->answer.error, "no memory");
    if (s->url.failed || s->answer.body.failed)
        return HTTP_AWAY;
    curl_easy_setopt(s->easy, CURLOPT_URL, s->url.at);
    curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(is_packed ? s->packed.n : n));
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, is_packed ? s->packed.at : body);
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER,
                     is_lines ? (is_packed ? s->headers_lines_gzip : s->headers_lines)
                              : (is_packed ? s->headers_gzip : s->headers));
    s->answer.error[0] = '\0';
    if (!transfer(s, &result))
        return HTTP_AWAY;
    if (result != CURLE_OK) {
        if (s->answer.error[0] == '\0')
            snprintf(s->answer.error, sizeof s->answer.error, "%s", curl_easy_strerror(result));
        return HTTP_AWAY;
    }
    curl_off_t after = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->answer.status);
    curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &after);
    s->answer.after = (double)after;
    long status = s->answer.status;
    if (status >= 200 && status < 300)
        return HTTP_TAKEN;
    if (status != 429 && status != 502 && status != 503 && status != 504)
        return HTTP_REFUSED;
    snprintf(s->answer.error, sizeof s->answer.error, "the server answers %ld", status);
    return HTTP_AWAY;
}

/* ------------------------------------------------------------------ delivery */

/* A problem in words: its detail, and the first place that it names. */
static void describe_problem(const struct answer *a, struct text *out)
{
    struct text word = {0};
    const char *at = json_blanks(a->body.at);
    text_empty(out);
    text_printf(out, "%ld", a->status);
    if (json_string(json_member(at, "detail"), &word) || json_string(json_member(at, "title"), &word))
        text_printf(out, " %.*s", TEXT_MAX / 2, word.at);
    const char *errors = json_member(at, "errors");
    const char *first = errors != NULL && *errors == '[' ? json_blanks(errors + 1) : NULL;
    if (first != NULL && *first == '{' && json_string(json_member(first, "pointer"), &word))
        text_printf(out, " (%.*s)", TEXT_MAX / 4, word.at);
    text_release(&word);
}

/* Is what was sent at fault, and not the address, the token or the server? */
static bool is_about_content(const struct answer *a)
{
    const char *type = json_member(json_blanks(a->body.at), "type");
    bool status = a->status == 400 || a->status == 409 || a->status == 413 || a->status == 422;
    return status && type != NULL && strncmp(type, "\"urn:tally:", 11) == 0;
}

/* The 0-based record of a list that the first place of a problem names; -1: none. */
static int64_t record_of_problem(const struct answer *a)
{
    const char *errors = json_member(json_blanks(a->body.at), "errors");
    const char *first = errors != NULL && *errors == '[' ? json_blanks(errors + 1) : NULL;
    const char *pointer = first != NULL && *first == '{' ? json_member(first, "pointer") : NULL;
    if (pointer == NULL || strncmp(pointer, "\"/", 2) != 0 || !isdigit((unsigned char)pointer[2]))
        return -1;
    return strtoll(pointer + 2, NULL, 10);
}

/* A line {"problem", "call", "body"} in the file of what was refused.  False: it could not be written. */
static bool write_rejected(struct sender *s, const struct delivery *d, const char *call, const char *json)
{
    struct text path = {0}, line = {0};
    const char *problem = json_blanks(s->answer.body.at);
    text_put(&line, "{\"problem\":");
    if (json_member(problem, "title") == NULL || json_one_line(problem, &line) != TALLY_OK) {
        text_printf(&line, "{\"status\":%ld,\"title\":\"HTTP %ld\"}", s->answer.status, s->answer.status);
    }
    text_printf(&line, ",\"call\":\"%s\",\"body\":%s}\n", call, json);
    text_printf(&path, "%s/%s", s->run->root, d->run_id);
    bool ok = !path.failed && !line.failed && make_folder(path.at);
    text_printf(&path, "/rejected-%d.ndjson", s->run->rank);
    ok = ok && !path.failed && write_file(path.at, &line, O_APPEND);
    text_release(&line);
    text_release(&path);
    return ok;
}

static void count_answer(struct sender *s)
{
    const char *at = json_blanks(s->answer.body.at);
    struct tally *run = s->run;
    pthread_mutex_lock(&run->mutex);
    run->stats.accepted += json_integer(json_member(at, "accepted"), 0);
    run->stats.duplicates += json_integer(json_member(at, "duplicates"), 0);
    run->stats.stale += json_integer(json_member(at, "stale"), 0);
    pthread_mutex_unlock(&run->mutex);
}

static void show_left(struct sender *s)
{
    pthread_mutex_lock(&s->run->mutex);
    s->run->stats.spooled = s->has_spool ? s->spool.left : 0;
    pthread_mutex_unlock(&s->run->mutex);
}

/* The call that an entry stands for. */
static void call_of(enum kind kind, const struct delivery *d, const char **method, struct text *path)
{
    *method = kind == PUT ? "PUT" : kind == PATCH ? "PATCH" : "POST";
    text_empty(path);
    text_printf(path, "/api/v1/runs/%s%s", d->run_id, kind == BATCH ? "/batches" : kind == REWIND ? "/rewind" : "");
    if (kind == BATCH && d->project[0] != '\0')
        text_printf(path, "?project=%s", d->project);
}

static void reject(struct sender *s, struct delivery *d)
{
    static const char *const calls[] = {"POST batches", "PUT", "PATCH", "POST /rewind"};
    enum kind kind = d->portion.entries[0].kind;
    struct text problem = {0};
    bool is_kept = write_rejected(s, d,
                                  calls[kind == BATCH   ? 0
                                        : kind == PUT   ? 1
                                        : kind == PATCH ? 2
                                                        : 3],
                                  d->portion.bytes.at + d->portion.entries[0].at);
    describe_problem(&s->answer, &problem);
    pthread_mutex_lock(&s->run->mutex);
    s->run->stats.rejected++;
    pthread_mutex_unlock(&s->run->mutex);
    warn(s->run, WARN_REJECTED,
         "the server refuses a record: %s. It is kept in %s%s%s/rejected-%d.ndjson; more of them are not announced",
         problem.failed ? "" : problem.at, is_kept ? s->run->root : "no file, not even ", is_kept ? "/" : "", d->run_id,
         s->run->rank);
    text_release(&problem);
}

enum step { STEP_SENT, STEP_NONE, STEP_AWAY, STEP_HALTED };

/* Send the next portion of a spool. */
static enum step delivery_step(struct sender *s, struct delivery *d)
{
    if (!spool_peek(d->spool, d->n_max, PORTION_BYTES, &d->portion))
        return STEP_NONE;
    struct portion *p = &d->portion;
    enum kind kind = p->entries[0].kind;
    const char *method;
    struct text path = {0};
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) { /* the lines close up: what is left of their frames is overwritten */
        memmove(p->bytes.at + n, p->bytes.at + p->entries[i].at, p->entries[i].n);
        p->entries[i].at = n;
        n += p->entries[i].n;
        p->bytes.at[n++] = '\n';
    }
    call_of(kind, d, &method, &path);
    enum outcome outcome = path.failed ? HTTP_AWAY : http_call(s, method, path.at, p->bytes.at, n - 1, kind == BATCH);
    text_release(&path);
    if (outcome == HTTP_AWAY)
        return STEP_AWAY;
    if (outcome == HTTP_TAKEN) {
        if (kind == BATCH)
            count_answer(s);
        d->n_max = 2 * d->n_max < PORTION_RECORDS ? 2 * d->n_max : PORTION_RECORDS;
    } else {
        if (!is_about_content(&s->answer) && !(s->answer.status == 404 && kind != BATCH))
            return STEP_HALTED;
        if (p->n > 1) { /* find the one: what stands before it is sent first, then it alone */
            int64_t at = record_of_problem(&s->answer);
            d->n_max = at > 0 && at < (int64_t)p->n ? (size_t)at : at == 0 ? 1 : p->n / 2;
            return STEP_SENT;
        }
        p->bytes.at[p->entries[0].n] = '\0';
        reject(s, d);
    }
    spool_ack(d->spool, p);
    show_left(s);
    return STEP_SENT;
}

/* ------------------------------------------------------------------ sender */

/* A session's folder and what its meta.json says. */
struct session {
    char *folder, *url, *attempt;
    int64_t rank, created;
};

static int compare_sessions(const void *a, const void *b)
{
    const struct session *x = a, *y = b;
    return COMPARE(x->created, y->created);
}

static void free_sessions(struct session *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].folder);
        free(list[i].url);
        free(list[i].attempt);
    }
    free(list);
}

static char *string_member(const char *object, const char *key)
{
    struct text value = {0};
    if (!json_string(json_member(object, key), &value))
        text_release(&value);
    return value.at;
}

/* False: there is no session in the folder. */
static bool read_session(const char *run_folder, const char *name, struct session *out)
{
    struct text path = {0}, meta = {0};
    memset(out, 0, sizeof *out);
    text_printf(&path, "%s/%s/meta.json", run_folder, name);
    if (!path.failed && read_file(path.at, &meta) && json_skip(meta.at, 0) != NULL) {
        out->url = string_member(meta.at, "url");
        out->attempt = string_member(meta.at, "attempt");
        out->rank = json_integer(json_member(meta.at, "rank"), -1);
        out->created = json_integer(json_member(meta.at, "created"), 0);
        path.at[path.n - strlen("/meta.json")] = '\0';
        out->folder = path.at;
        path.at = NULL;
    }
    text_release(&path);
    text_release(&meta);
    return out->folder != NULL;
}

/* The sessions of a run, the oldest first. */
static struct session *list_sessions(const struct tally *run, size_t *n)
{
    struct text path = {0};
    struct session *list = NULL;
    *n = 0;
    text_printf(&path, "%s/%s", run->root, run->id);
    DIR *dir = path.failed ? NULL : opendir(path.at);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        struct session found;
        if (d->d_name[0] == '.' || !read_session(path.at, d->d_name, &found))
            continue;
        struct session *more = realloc(list, (*n + 1) * sizeof *list);
        if (more != NULL) {
            list = more;
            list[(*n)++] = found;
        } else {
            free(found.folder);
            free(found.url);
            free(found.attempt);
        }
    }
    if (dir != NULL)
        closedir(dir);
    if (*n > 0)
        qsort(list, *n, sizeof *list, compare_sessions);
    text_release(&path);
    return list;
}

static void make_spool(struct sender *s)
{
    struct tally *run = s->run;
    struct text folder = {0}, meta = {0};
    char host[256], host_slug[ID_MAX + 1], hex[7];
    host_name(host);
    slug(host, 40, host_slug);
    random_hex(hex, 3);
    text_printf(&folder, "%s/%s/r%d-%s-%ld-%s", run->root, run->id, run->rank,
                host_slug[0] != '\0' ? host_slug : "host", (long)getpid(), hex);
    text_put(&meta, "{\"format\":1,\"url\":");
    text_string(&meta, run->url);
    text_printf(&meta, ",\"run\":\"%s\",\"project\":\"%s\",\"rank\":%d,\"attempt\":", run->id, run->project, run->rank);
    pthread_mutex_lock(&run->mutex);
    text_string(&meta, run->attempt);
    pthread_mutex_unlock(&run->mutex);
    text_printf(&meta, ",\"created\":%" PRId64 "}\n", now_ms());
    if (folder.failed)
        text_release(&folder);
    spool_init(&s->spool, run->spool_bytes, run->queue_bytes_max);
    spool_create(&s->spool, run->root, folder.at, &meta);
    s->has_spool = true;
    s->own = (struct delivery){&s->spool, run->id, run->project, PORTION_RECORDS, {{0}, NULL, 0, 0, 0, 0, 0}};
    pthread_mutex_lock(&run->mutex);
    run->where = s->spool.folder != NULL ? strdup(s->spool.folder) : NULL;
    pthread_mutex_unlock(&run->mutex);
    text_release(&meta);
}

/* Bring up to 256 pending entries to the spool.  False: neither disk nor memory takes them; they stay pending. */
static bool spool_some(struct sender *s)
{
    struct tally *run = s->run;
    struct batch *b = s->pending;
    int64_t n = 0;
    size_t bytes = 0;
    /* no segment passes its bound by more than an entry: one that was in a request can never be made smaller */
    size_t frames_max = s->spool.segment_bytes < PORTION_BYTES ? s->spool.segment_bytes : PORTION_BYTES;
    text_empty(&s->frames);
    for (; b != NULL && n < APPEND_ENTRIES && s->frames.n < frames_max; b = b->next, n++) {
        if (b->kind == BATCH) {
            text_empty(&s->json);
            batch_encode(&s->json, b, run->rank);
            s->frames.failed |= s->json.failed;
            frame_add(&s->frames, BATCH, s->json.at != NULL ? s->json.at : "", s->json.n);
        } else {
            frame_add(&s->frames, b->kind, b->text, strlen(b->text));
        }
        bytes += b->bytes;
    }
    if (s->frames.failed || !spool_append(&s->spool, &s->frames, n))
        return false;
    while (s->pending != b) {
        struct batch *next = s->pending->next;
        free(s->pending);
        s->pending = next;
    }
    pthread_mutex_lock(&run->mutex);
    run->n_queued -= n;
    run->queue_bytes -= bytes;
    run->stats.spooled = s->spool.left;
    pthread_mutex_unlock(&run->mutex);
    return true;
}

static void keep_bounds(struct sender *s)
{
    struct tally *run = s->run;
    int64_t n_added = 0, n_lost = 0;
    if (s->spool.failure != 0)
        warn(run, WARN_DISK,
             "the spool cannot be written (%s): what is not sent stays in memory, and is lost if the process ends",
             strerror(s->spool.failure));
    while (spool_is_over(&s->spool)) {
        warn(run, WARN_BOUNDS,
             "too much waits for the server: neighbouring batches of an epoch are added up (totals stay exact)");
        if (spool_shrink(&s->spool, run->rank, &n_added))
            continue;
        int64_t n = spool_drop_newest(&s->spool);
        if (n == 0)
            break;
        n_lost += n;
        warn(run, WARN_LOST, "the spool is full and nothing can be added up any more: the newest records are dropped");
    }
    pthread_mutex_lock(&run->mutex);
    run->stats.added_up += n_added;
    run->stats.lost += n_lost;
    run->stats.spooled = s->spool.left;
    pthread_mutex_unlock(&run->mutex);
}

/* Bring the queue to the spool. */
static void drain(struct sender *s)
{
    struct tally *run = s->run;
    s->next_drain = now_monotonic() + DRAIN_SECONDS;
    struct batch **end = &s->pending;
    while (*end != NULL)
        end = &(*end)->next;
    pthread_mutex_lock(&run->mutex);
    if (run->head != NULL) {
        *end = run->head;
        end = &run->last->next;
    }
    run->head = run->last = NULL;
    for (size_t i = 0; i < FULL_KEYS; i++) {
        if (run->full[i] != NULL) {
            *end = run->full[i];
            end = &(*end)->next;
            run->full[i] = NULL;
        }
    }
    pthread_mutex_unlock(&run->mutex);
    if (s->pending == NULL)
        return;
    if (!s->has_spool)
        make_spool(s);
    while (s->pending != NULL && spool_some(s))
        keep_bounds(s);
}

/* Doubling, with jitter. */
static double backoff(struct sender *s, bool is_hurried)
{
    double most = is_hurried ? 1.0 : BACKOFF_MAX_SECONDS;
    double wait = BACKOFF_SECONDS * (double)(1 << (s->failures - 1 < 10 ? s->failures - 1 : 10));
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    wait = fmin(wait, most) * (0.5 + 0.5 * (double)(s->random >> 11) / 9007199254740992.0);
    return wait;
}

static const char *where(struct tally *run)
{
    pthread_mutex_lock(&run->mutex);
    const char *text = run->where != NULL ? run->where : "memory";
    pthread_mutex_unlock(&run->mutex);
    return text;
}

static void on_away(struct sender *s, bool is_hurried)
{
    s->failures++;
    s->not_before = now_monotonic() + fmin(s->answer.after, RETRY_AFTER_MAX_SECONDS);
    s->next_try = fmax(s->not_before, now_monotonic() + backoff(s, is_hurried));
    pthread_mutex_lock(&s->run->mutex);
    s->run->stats.retries++;
    pthread_mutex_unlock(&s->run->mutex);
    if (s->failures == 4)
        warn(s->run, WARN_AWAY, "%s: %s; what is logged is kept in %s and sent later", s->run->url, s->answer.error,
             where(s->run));
}

static void on_halted(struct sender *s)
{
    struct text problem = {0};
    describe_problem(&s->answer, &problem);
    pthread_mutex_lock(&s->run->mutex);
    s->run->is_halted = true;
    pthread_mutex_unlock(&s->run->mutex);
    warn(s->run, WARN_REFUSED, "the server refuses us: %s. Nothing more is sent; it is kept in %s",
         problem.failed ? "" : problem.at, where(s->run));
    text_release(&problem);
}

/* Send a spool to its end, or until something stops it. */
static enum step deliver(struct sender *s, struct delivery *d)
{
    enum step step = STEP_SENT;
    while (step == STEP_SENT && !is_stopping(s->run)) {
        step = delivery_step(s, d);
        if (step == STEP_SENT) {
            s->failures = 0;
            s->last_contact = now_monotonic();
        }
        drain(s);
    }
    show_left(s);
    return step;
}

/* What an earlier process of this rank left behind when it was killed. */
static enum step send_left(struct sender *s)
{
    struct tally *run = s->run;
    size_t n;
    struct session *list = list_sessions(run, &n);
    enum step step = STEP_NONE;
    for (size_t i = 0; i < n && step == STEP_NONE; i++) {
        struct session *found = &list[i];
        if (found->rank != run->rank || found->url == NULL || strcmp(found->url, run->url) != 0 ||
            (s->spool.folder != NULL && strcmp(found->folder, s->spool.folder) == 0))
            continue;
        char *folder = found->folder;
        found->folder = NULL;
        if (!spool_open(&s->left, folder))
            continue;
        s->others = (struct delivery){&s->left, run->id, run->project, PORTION_RECORDS, {{0}, NULL, 0, 0, 0, 0, 0}};
        step = deliver(s, &s->others);
        portion_release(&s->others.portion);
        spool_finish(&s->left);
    }
    free_sessions(list, n);
    return step;
}

static enum step send_heartbeat(struct sender *s)
{
    struct text path = {0};
    text_printf(&path, "/api/v1/runs/%s", s->run->id);
    enum outcome outcome = path.failed ? HTTP_AWAY : http_call(s, "PATCH", path.at, "{}", 2, false);
    text_release(&path);
    s->has_heartbeat = outcome != HTTP_REFUSED; /* else somebody has deleted the run */
    s->last_contact = now_monotonic();
    return outcome == HTTP_AWAY ? STEP_AWAY : STEP_NONE;
}

static void send_all(struct sender *s, bool is_hurried)
{
    struct tally *run = s->run;
    pthread_mutex_lock(&run->mutex);
    bool is_halted = run->is_halted;
    pthread_mutex_unlock(&run->mutex);
    if (!s->has_spool || is_halted || now_monotonic() < s->next_try)
        return;
    enum step step = deliver(s, &s->own);
    if (step == STEP_NONE && !s->looked_for_left) {
        step = send_left(s);
        s->looked_for_left = step == STEP_NONE;
    }
    if (step == STEP_NONE && s->has_heartbeat && now_monotonic() - s->last_contact >= HEARTBEAT_SECONDS)
        step = send_heartbeat(s);
    if (step == STEP_HALTED)
        on_halted(s);
    else if (step == STEP_AWAY && !is_stopping(run))
        on_away(s, is_hurried);
}

static void sender_free(struct sender *s)
{
    if (s == NULL)
        return;
    http_release(s);
    batch_free_all(s->pending);
    portion_release(&s->own.portion);
    text_release(&s->frames);
    text_release(&s->json);
    free(s);
}

static void run_free(struct tally *run)
{
    if (run == NULL)
        return;
    sender_free(run->sender);
    batch_free_all(run->head);
    for (size_t i = 0; i < FULL_KEYS; i++)
        free(run->full[i]);
    for (size_t i = 0; i < run->n_attempts; i++)
        free(run->attempts[i]);
    free(run->attempts);
    free(run->where);
    free(run->url);
    free(run->token);
    free(run->root);
    pthread_cond_destroy(&run->wake);
    pthread_cond_destroy(&run->done);
    pthread_mutex_destroy(&run->mutex);
    free(run);
}

static void *sender_main(void *argument)
{
    struct tally *run = argument;
    struct sender *s = run->sender;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    bool stop = false;
    pthread_mutex_lock(&run->mutex);
    while (!stop) {
        bool is_hurried = run->n_waiting > 0;
        stop = run->stop;
        run->is_woken = false;
        run->is_busy = true;
        pthread_mutex_unlock(&run->mutex);
        if (is_hurried && !s->was_hurried)
            s->next_try = fmax(s->not_before, fmin(s->next_try, now_monotonic()));
        s->was_hurried = is_hurried;
        drain(s);
        if (!stop)
            send_all(s, is_hurried);
        pthread_mutex_lock(&run->mutex);
        run->is_busy = false;
        pthread_cond_broadcast(&run->done);
        double until = now_monotonic() + (run->n_waiting > 0 ? HURRY_SECONDS : DRAIN_SECONDS);
        while (!stop && !run->stop && !run->is_woken && now_monotonic() < until)
            timed_wait(&run->wake, &run->mutex, until);
    }
    pthread_mutex_unlock(&run->mutex);
    if (s->has_spool)
        spool_finish(&s->spool);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
    pthread_mutex_lock(&run->mutex);
    run->has_ended = true;
    bool is_orphan = run->is_orphan;
    pthread_cond_broadcast(&run->done);
    pthread_mutex_unlock(&run->mutex);
    if (is_orphan)
        run_free(run);
    return NULL;
}

/* With the lock held.  False: the system gives none now; the next call tries again. */
static bool start_thread(struct tally *run)
{
    struct sender *s = calloc(1, sizeof *s);
    if (s == NULL)
        return false;
    s->run = run;
    s->spool.lock_fd = s->spool.ack_fd = s->left.lock_fd = s->left.ack_fd = -1;
    s->random = ((uint64_t)now_ms() << 20 ^ (uint64_t)getpid()) | 1;
    s->has_heartbeat = !run->is_child;
    s->last_contact = now_monotonic();
    sigset_t all, before;
    sigfillset(&all);
    run->sender = s;
    bool ok = http_init(s) && pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    if (ok) {
        ok = pthread_create(&run->thread, NULL, sender_main, run) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!ok) {
        run->sender = NULL;
        sender_free(s);
    }
    run->has_thread = ok;
    return ok;
}

/* End the thread; what is queued comes to the spool first, and *n_left says how many entries are not confirmed.  False: it hangs, and
 * frees the run when it ends if that is allowed. */
static bool stop_thread(struct tally *run, bool may_orphan, int64_t *n_left)
{
    pthread_mutex_lock(&run->mutex);
    run->stop = true;
    bool has_thread = run->has_thread;
    *n_left = run->n_queued + run->stats.spooled;
    if (!has_thread || pthread_equal(run->thread, pthread_self())) {
        pthread_mutex_unlock(&run->mutex);
        return !has_thread;
    }
    pthread_cond_signal(&run->wake);
    curl_multi_wakeup(run->sender->multi);
    double until = now_monotonic() + STOP_SECONDS;
    while (!run->has_ended && now_monotonic() < until)
        timed_wait(&run->done, &run->mutex, until);
    bool has_ended = run->has_ended;
    *n_left = run->n_queued + run->stats.spooled;
    run->is_orphan = !has_ended && may_orphan;
    if (has_ended)
        run->has_thread = false;
    pthread_t thread = run->thread;
    pthread_mutex_unlock(&run->mutex);
    if (has_ended)
        pthread_join(thread, NULL);
    else if (may_orphan)
        pthread_detach(thread);
    return has_ended;
}

/* ------------------------------------------------------------------ process */

static pthread_mutex_t runs_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct tally *runs;       /* all that are open */
static struct sender *abandoned; /* in a child: the parent's, never touched again */
static struct ended {
    struct ended *next;
    char id[ID_MAX + 1];
} * ended_runs; /* ids that this process has closed, once for each time */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void say_left(struct tally *run, int64_t n_left)
{
    if (n_left == 0)
        return;
    pthread_mutex_lock(&run->mutex);
    const char *folder = run->where;
    pthread_mutex_unlock(&run->mutex);
    if (folder != NULL)
        warn(run, WARN_LEFT,
             "%" PRId64 " records have not reached %s; they are kept, send them with: tally-client sync %s", n_left,
             run->url, folder);
    else
        warn(run, WARN_LEFT,
             "%" PRId64 " records have not reached %s; they are lost, since the spool could not be written", n_left,
             run->url);
}

static void at_exit(void)
{
    pthread_mutex_lock(&runs_mutex);
    for (struct tally *run = runs; run != NULL; run = run->next) {
        int64_t n_left;
        if (stop_thread(run, false, &n_left))
            say_left(run, n_left);
    }
    pthread_mutex_unlock(&runs_mutex);
}

static void before_fork(void)
{
    pthread_mutex_lock(&runs_mutex);
    for (struct tally *run = runs; run != NULL; run = run->next)
        pthread_mutex_lock(&run->mutex);
}

static void after_fork_in_parent(void)
{
    for (struct tally *run = runs; run != NULL; run = run->next)
        pthread_mutex_unlock(&run->mutex);
    pthread_mutex_unlock(&runs_mutex);
}

static void init_conditions(struct tally *run)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&run->wake, &monotonic);
    pthread_cond_init(&run->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* The queue, the thread and the session are the parent's.  The thread may have been anywhere, so what hangs from the sender is
 * left as it is, but for the locks of its spools: they must end with the parent. */
static void after_fork_in_child(void)
{
    for (struct tally *run = runs; run != NULL; run = run->next) {
        struct sender *s = run->sender;
        if (s != NULL && !run->has_ended) {
            const int fds[] = {s->spool.lock_fd, s->spool.ack_fd, s->left.lock_fd, s->left.ack_fd};
            for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
                if (fds[i] >= 0)
                    close(fds[i]);
            }
            s->next = abandoned;
            abandoned = s;
            run->sender = NULL;
        }
        batch_free_all(run->head);
        run->head = run->last = NULL;
        for (size_t i = 0; i < FULL_KEYS; i++) {
            free(run->full[i]);
            run->full[i] = NULL;
        }
        free(run->where);
        run->where = NULL;
        run->queue_bytes = 0;
        run->n_queued = 0;
        run->n_waiting = 0;
        run->stop = run->is_busy = run->is_halted = run->has_thread = run->has_ended = false;
        run->is_child = true;
        memset(&run->stats, 0, sizeof run->stats);
        init_conditions(run);
        pthread_mutex_unlock(&run->mutex);
    }
    pthread_mutex_unlock(&runs_mutex);
}

static void init_process(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    atexit(at_exit);
}

/* ------------------------------------------------------------------ api */

/* The queue is full: add the batch to one of its kind.  Takes it.  False: it is lost. */
static bool add_to_full(struct tally *run, struct batch *b, bool *is_taken)
{
    bool may_add = batch_is_additive(b);
    *is_taken = true;
    for (size_t i = 0; may_add && i < FULL_KEYS; i++) {
        struct batch *held = run->full[i];
        if (held == NULL) {
            run->full[i] = b;
            run->n_queued++;
            run->queue_bytes += b->bytes;
            return true;
        }
        if (batch_compare(held, b) != 0)
            continue;
        struct batch *sum = held->step != b->step ? batch_add(held, b) : NULL;
        if (sum == NULL)
            break;
        run->queue_bytes = run->queue_bytes - held->bytes + sum->bytes;
        run->stats.added_up++;
        run->full[i] = sum;
        free(held);
        free(b);
        return true;
    }
    *is_taken = false;
    if (run->queue_bytes < 2 * run->queue_bytes_max)
        return true;
    free(b);
    *is_taken = true;
    run->stats.lost++;
    return false;
}

static void wake_sender(struct tally *run)
{
    run->is_woken = true;
    pthread_cond_signal(&run->wake);
}

/* With the lock held.  Takes b.  False: it is lost. */
static bool enqueue_locked(struct tally *run, struct batch *b, bool *is_full)
{
    bool is_taken = false, ok = true;
    if (b->kind == BATCH) {
        b->attempt = run->attempt;
        *is_full = run->queue_bytes + b->bytes > run->queue_bytes_max;
        if (*is_full)
            ok = add_to_full(run, b, &is_taken);
    }
    if (!is_taken) {
        if (run->last != NULL)
            run->last->next = b;
        else
            run->head = b;
        run->last = b;
        run->n_queued++;
        run->queue_bytes += b->bytes;
    }
    if (!run->has_thread && !run->stop)
        start_thread(run);
    if (run->n_queued == WAKE_RECORDS || *is_full)
        wake_sender(run);
    return ok;
}

static int enqueue(struct tally *run, struct batch *b)
{
    bool is_full = false;
    if (b == NULL)
        return TALLY_ERR_MEMORY;
    pthread_mutex_lock(&run->mutex);
    bool ok = enqueue_locked(run, b, &is_full);
    pthread_mutex_unlock(&run->mutex);
    if (is_full)
        warn(run, WARN_FULL,
             "records come faster than they can be written: neighbouring batches of an epoch are added up (totals stay "
             "exact)");
    return ok ? TALLY_OK : TALLY_ERR_MEMORY;
}

static int enqueue_call(struct tally *run, enum kind kind, struct text *json)
{
    int error = enqueue(run, batch_call(kind, json));
    text_release(json);
    return error;
}

static int put_rewind(struct tally *run, int64_t epoch, int64_t step, const char *attempt, const char *stage)
{
    struct text json = {0};
    text_printf(&json, "{\"epoch\":%" PRId64 ",\"step\":%" PRId64 ",\"attempt\":", epoch, step);
    text_string(&json, attempt);
    if (stage != NULL)
        text_printf(&json, ",\"stage\":\"%s\"", stage);
    text_put(&json, "}");
    return enqueue_call(run, REWIND, &json);
}

/* With the lock held, or before anybody else knows the run. */
static bool set_attempt(struct tally *run, const char *attempt)
{
    char **more = realloc(run->attempts, (run->n_attempts + 1) * sizeof *more);
    if (more == NULL)
        return false;
    run->attempts = more;
    char *copy = strdup(attempt);
    if (copy == NULL)
        return false;
    run->attempts[run->n_attempts++] = copy;
    run->attempt = copy;
    return true;
}

/*
 * Training goes on from a checkpoint.  The server takes an attempt for an earlier one only if it has seen it before the cut, and it may
 * have been away.  So attempts whose spools are still here are named in a cut at the end of all positions, which removes nothing.
 */
static int put_resume(struct tally *run, const struct launch *l, int64_t epoch, int64_t step)
{
    size_t n;
    int error = TALLY_OK;
    struct session *list = list_sessions(run, &n);
    for (int64_t i = l->restarts > 20 ? l->restarts - 20 : 0; error == TALLY_OK && !l->is_marked && i < l->restarts;
         i++) {
        char earlier[ID_MAX + 32];
        snprintf(earlier, sizeof earlier, "%s.%" PRId64, l->name, i);
        error = put_rewind(run, TALLY_COUNT_MAX, TALLY_COUNT_MAX, earlier, NULL);
    }
    for (size_t i = 0; error == TALLY_OK && i < n; i++) {
        if (list[i].attempt != NULL && strcmp(list[i].attempt, l->attempt) != 0)
            error = put_rewind(run, TALLY_COUNT_MAX, TALLY_COUNT_MAX, list[i].attempt, NULL);
    }
    free_sessions(list, n);
    return error == TALLY_OK ? put_rewind(run, epoch, step, l->attempt, NULL) : error;
}

/* The path without a slash at its end, from the root of the file system on. */
static char *absolute(const char *path)
{
    struct text out = {0};
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (getcwd(here, sizeof here) != NULL)
            text_printf(&out, "%s/", here);
    }
    text_put(&out, path);
    while (!out.failed && out.n > 1 && out.at[out.n - 1] == '/')
        out.at[--out.n] = '\0';
    if (out.failed)
        text_release(&out);
    return out.at;
}

static char *without_slash(const char *url)
{
    char *copy = strdup(url);
    for (size_t n = copy != NULL ? strlen(copy) : 0; n > 0 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    return copy;
}

static const char *or_else(const char *given, const char *name, const char *otherwise)
{
    const char *said = given != NULL ? given : variable(name);
    return said != NULL ? said : otherwise;
}

/* A second run of the same job in this process is another run. */
static void tell_from_ended(struct tally *run)
{
    int n = 0;
    pthread_mutex_lock(&runs_mutex);
    for (const struct ended *e = ended_runs; e != NULL; e = e->next)
        n += strcmp(e->id, run->id) == 0;
    pthread_mutex_unlock(&runs_mutex);
    if (n > 0) {
        char next[ID_MAX + 16];
        snprintf(next, sizeof next, "%s-%d", run->id, n + 1);
        slug(next, ID_MAX, run->id);
    }
}

static int check_options(const struct tally_options *o, const char *url)
{
    const char *texts[] = {o->project, o->name, o->id, o->url, o->token, o->spool_dir};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] != NULL && !is_utf8(texts[i]))
            return TALLY_ERR_UTF8;
    }
    if (o->world_size < 0 || o->world_size > TALLY_RANK_MAX + 1 ||
        (o->world_size > 0 && (o->rank < 0 || o->rank >= o->world_size)))
        return TALLY_ERR_RANGE;
    if (o->resume && (!is_count(o->resume_epoch) || !is_count(o->resume_step)))
        return TALLY_ERR_RANGE;
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || strpbrk(url, " \t\r\n") != NULL ||
        !is_utf8(url))
        return TALLY_ERR_URL;
    return TALLY_OK;
}

/* All that does not change any more. */
static bool set_constants(struct tally *run, const struct tally_options *o, const char *url, struct launch *l)
{
    const char *token = or_else(o->token, "TALLY_TOKEN", NULL);
    int64_t rank = o->world_size > 0 ? o->rank : find_rank();
    int64_t size = o->world_size > 0 ? o->world_size : first_number(world_sizes);
    run->rank = (int)(rank < TALLY_RANK_MAX ? rank : TALLY_RANK_MAX);
    run->world_size = (int)(size > 1 ? size : 1);
    run->has_own_id = o->id != NULL;
    launch_find(l,
                o->name != NULL      ? o->name
                : o->project != NULL ? o->project
                                     : "default",
                o->id, run->rank, run->world_size);
    memcpy(run->id, l->id, sizeof run->id);
    if (!run->has_own_id)
        tell_from_ended(run);
    slug(o->project != NULL ? o->project : "default", ID_MAX, run->project);
    if (run->project[0] == '\0')
        memcpy(run->project, "default", sizeof "default");
    run->url = without_slash(url);
    run->token = token != NULL ? strdup(token) : NULL;
    run->root = absolute(or_else(o->spool_dir, "TALLY_SPOOL_DIR", DEFAULT_SPOOL));
    run->spool_bytes = o->spool_bytes > 0 ? o->spool_bytes : (size_t)256 << 20;
    run->queue_bytes_max = o->queue_bytes > 0 ? o->queue_bytes : (size_t)32 << 20;
    run->on_warning = o->on_warning;
    run->warning_context = o->warning_context;
    return run->url != NULL && run->root != NULL && (token == NULL || run->token != NULL) &&
           set_attempt(run, l->attempt);
}

static void add_to_runs(struct tally *run)
{
    pthread_mutex_lock(&runs_mutex);
    run->next = runs;
    runs = run;
    pthread_mutex_unlock(&runs_mutex);
}

static void remove_from_runs(struct tally *run)
{
    struct ended *ended = malloc(sizeof *ended);
    pthread_mutex_lock(&runs_mutex);
    for (struct tally **at = &runs; *at != NULL; at = &(*at)->next) {
        if (*at == run) {
            *at = run->next;
            break;
        }
    }
    if (ended != NULL) {
        memcpy(ended->id, run->id, sizeof ended->id);
        ended->next = ended_runs;
        ended_runs = ended;
    }
    pthread_mutex_unlock(&runs_mutex);
}

int tally_open(const struct tally_options *options, struct tally **out)
{
    if (options == NULL || out == NULL)
        return TALLY_ERR_ARGUMENT;
    *out = NULL;
    const char *url = or_else(options->url, "TALLY_URL", DEFAULT_URL);
    struct text json = {0};
    struct launch launch;
    struct tally *run = NULL;
    int error = check_options(options, url);
    if (error != TALLY_OK)
        return error;
    pthread_once(&once, init_process);
    run = calloc(1, sizeof *run);
    if (run == NULL)
        return TALLY_ERR_MEMORY;
    pthread_mutex_init(&run->mutex, NULL);
    init_conditions(run);
    error = TALLY_ERR_MEMORY;
    if (!set_constants(run, options, url, &launch))
        goto out;
    text_printf(&json, "{\"project\":\"%s\"", run->project);
    if (options->name != NULL) {
        text_put(&json, ",\"name\":");
        text_string(&json, options->name);
    }
    if (options->config != NULL) {
        text_put(&json, ",\"config\":");
        error = json_one_line(options->config, &json);
        if (error != TALLY_OK)
            goto out;
    }
    text_put(&json, "}");
    struct batch *declared = batch_call(PUT, &json);
    error = declared != NULL ? TALLY_OK : TALLY_ERR_MEMORY;
    if (declared == NULL)
        goto out;
    run->head = run->last = declared;
    run->n_queued = 1;
    run->queue_bytes = declared->bytes;
    add_to_runs(run);
    if (options->resume)
        error = put_resume(run, &launch, options->resume_epoch, options->resume_step);
    pthread_mutex_lock(&run->mutex);
    if (error == TALLY_OK && !run->has_thread && !start_thread(run))
        error = TALLY_ERR_THREAD;
    pthread_mutex_unlock(&run->mutex);
    if (error == TALLY_OK && !launch.is_shared)
        warn(
            run, WARN_SHARED,
            "nothing in the environment tells which run %d ranks share: set TALLY_RUN to the same text for all of them",
            run->world_size);
    if (error != TALLY_OK) {
        text_release(&json);
        tally_close(run, NULL, 0, NULL);
        return error;
    }
    *out = run;
out:
    text_release(&json);
    if (error != TALLY_OK)
        run_free(run);
    return error;
}

int tally_close(struct tally *run, const char *status, double seconds, int64_t *n_left)
{
    int error = TALLY_OK;
    if (n_left != NULL)
        *n_left = 0;
    if (run == NULL)
        return TALLY_OK;
    if (!(seconds >= 0) || seconds > WAIT_SECONDS_MAX) {
        error = TALLY_ERR_ARGUMENT;
        seconds = 0;
    }
    if (status != NULL && strcmp(status, "finished") != 0 && strcmp(status, "failed") != 0 &&
        strcmp(status, "killed") != 0) {
        error = TALLY_ERR_ARGUMENT;
        status = NULL;
    }
    if (status != NULL && !run->is_child && (run->rank == 0 || strcmp(status, "finished") != 0)) {
        struct text json = {0};
        text_printf(&json, "{\"status\":\"%s\"}", status);
        if (enqueue_call(run, PATCH, &json) != TALLY_OK)
            error = TALLY_ERR_MEMORY;
    }
    tally_flush(run, seconds);
    remove_from_runs(run);
    int64_t left;
    if (stop_thread(run, true, &left)) {
        say_left(run, left);
        run_free(run);
    }
    if (n_left != NULL)
        *n_left = left;
    return error;
}

int tally_log(struct tally *run, const struct tally_record *record)
{
    struct batch *b;
    if (run == NULL)
        return TALLY_OK;
    if (record == NULL)
        return TALLY_ERR_ARGUMENT;
    int error = batch_of(record, &b);
    return error == TALLY_OK ? enqueue(run, b) : error;
}

int64_t tally_count_labels(const int32_t *predictions, const int32_t *targets, size_t n, size_t n_class,
                           int32_t ignore_index, int64_t *confusion)
{
    int64_t n_right = 0;
    if ((n > 0 && (predictions == NULL || targets == NULL)) || confusion == NULL)
        return TALLY_ERR_ARGUMENT;
    if (n_class < 1 || n_class > TALLY_CLASS_MAX)
        return TALLY_ERR_RANGE;
    for (size_t i = 0; i < n; i++) {
        bool is_ignored = ignore_index != TALLY_IGNORE_NONE && targets[i] == ignore_index;
        if (!is_ignored && ((uint32_t)targets[i] >= n_class || (uint32_t)predictions[i] >= n_class))
            return TALLY_ERR_RANGE;
    }
    for (size_t i = 0; i < n; i++) {
        if (ignore_index != TALLY_IGNORE_NONE && targets[i] == ignore_index)
            continue;
        confusion[(size_t)targets[i] * n_class + (size_t)predictions[i]]++;
        n_right += targets[i] == predictions[i];
    }
    return n_right;
}

int tally_declare_stage(struct tally *run, const struct tally_stage *stage)
{
    struct text json = {0};
    int error = TALLY_OK;
    if (run == NULL)
        return TALLY_OK;
    if (stage == NULL || (stage->class_names == NULL && stage->n_class > 0))
        return TALLY_ERR_ARGUMENT;
    if (!is_stage(stage->stage))
        return TALLY_ERR_NAME;
    if (stage->n_class > TALLY_CLASS_MAX || !is_count(stage->dataset_size) || stage->top_k < 0 ||
        stage->ignore_index > TALLY_COUNT_MAX || stage->ignore_index < -TALLY_COUNT_MAX)
        return TALLY_ERR_RANGE;
    text_printf(&json, "{\"stages\":{\"%s\":{", stage->stage);
    const char *before = "";
    for (size_t i = 0; i < stage->n_class && error == TALLY_OK; i++) {
        const char *name = stage->class_names[i];
        error = name == NULL ? TALLY_ERR_ARGUMENT : is_utf8(name) ? TALLY_OK : TALLY_ERR_UTF8;
        text_put(&json, i == 0 ? "\"class_names\":[" : ",");
        if (error == TALLY_OK)
            text_string(&json, name);
        before = "],";
    }
    if (error != TALLY_OK) {
        text_release(&json);
        return error;
    }
    text_printf(&json, "%s\"world_size\":%d", before, run->world_size);
    if (stage->dataset_size > 0)
        text_printf(&json, ",\"dataset_size\":%" PRId64, stage->dataset_size);
    if (stage->has_ignore_index)
        text_printf(&json, ",\"ignore_index\":%" PRId64, stage->ignore_index);
    if (stage->top_k > 0)
        text_printf(&json, ",\"top_k\":%d", stage->top_k);
    text_put(&json, "}}}");
    return enqueue_call(run, PUT, &json);
}

int tally_config(struct tally *run, const char *config)
{
    struct text json = {0};
    if (run == NULL)
        return TALLY_OK;
    if (config == NULL)
        return TALLY_ERR_ARGUMENT;
    text_put(&json, "{\"config\":");
    int error = json_one_line(config, &json);
    if (error != TALLY_OK) {
        text_release(&json);
        return error;
    }
    text_put(&json, "}");
    return enqueue_call(run, PUT, &json);
}

int tally_rewind(struct tally *run, int64_t epoch, int64_t step, const char *stage)
{
    if (run == NULL)
        return TALLY_OK;
    if (!is_count(epoch) || !is_count(step))
        return TALLY_ERR_RANGE;
    if (stage != NULL && !is_stage(stage))
        return TALLY_ERR_NAME;
    char attempt[ID_MAX + 32];
    pthread_mutex_lock(&run->mutex);
    size_t n = strcspn(run->attempts[0], "+");
    while (n > 120 || (n > 0 && (run->attempts[0][n] & 0xc0) == 0x80)) /* not within a character */
        n--;
    snprintf(attempt, sizeof attempt, "%.*s+%zu", (int)n, run->attempts[0], run->n_attempts);
    bool ok = set_attempt(run, attempt);
    pthread_mutex_unlock(&run->mutex);
    return ok ? put_rewind(run, epoch, step, attempt, stage) : TALLY_ERR_MEMORY;
}

int64_t tally_flush(struct tally *run, double seconds)
{
    if (!(seconds >= 0) || seconds > WAIT_SECONDS_MAX)
        return TALLY_ERR_ARGUMENT;
    if (run == NULL)
        return 0;
    double until = now_monotonic() + seconds;
    pthread_mutex_lock(&run->mutex);
    run->n_waiting++;
    wake_sender(run);
    while (run->has_thread && !run->has_ended && now_monotonic() < until &&
           (run->is_busy || run->n_queued > 0 || (run->stats.spooled > 0 && !run->is_halted)))
        timed_wait(&run->done, &run->mutex, until);
    run->n_waiting--;
    int64_t left = run->n_queued + run->stats.spooled;
    pthread_mutex_unlock(&run->mutex);
    return left;
}

void tally_get_stats(struct tally *run, struct tally_stats *out)
{
    memset(out, 0, sizeof *out);
    if (run == NULL)
        return;
    pthread_mutex_lock(&run->mutex);
    *out = run->stats;
    out->queued = run->n_queued;
    pthread_mutex_unlock(&run->mutex);
}

const char *tally_id(const struct tally *run)
{
    return run != NULL ? run->id : "";
}

int tally_rank(const struct tally *run)
{
    return run != NULL ? run->rank : 0;
}

const char *tally_strerror(int error)
{
    static const char *const sentences[] = {"no error",
                                            "an argument is missing, or is none of its enum",
                                            "a number is out of its range",
                                            "not a name of a stage or series",
                                            "a text is not valid UTF-8",
                                            "a config is not one JSON object",
                                            "not the address of a server: http://host:port",
                                            "a record holds no measure",
                                            "no memory, or the queue is full",
                                            "the system gives no thread"};
    size_t i = (size_t)(error <= 0 ? -(long)error : LONG_MAX);
    return i < sizeof sentences / sizeof *sentences ? sentences[i] : "unknown error";
}
