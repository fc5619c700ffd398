/*
 * The decoder of records beside the oracle: both refuse, or both accept and found the same.  What is strict JSON must
 * never be called malformed, and what is not must never be accepted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential.h"
#include "oracle.h"

struct differential_counts differential_counts;

static const char *const VERDICTS[] = {
    [ORACLE_MALFORMED] = "not strict JSON", [ORACLE_REFUSED] = "refused", [ORACLE_ACCEPTED] = "accepted"};

struct decoded {
    int rc;
    struct problem problem;
    struct record_list list;
};

__attribute__((noreturn)) static void disagree(const char *body, size_t size, const struct decoded *d,
                                               enum oracle_verdict verdict, const char *what)
{
    fprintf(stderr, "DISAGREEMENT: %s\n  decoder: %d %s at %s\n  oracle: %s\n  body (%zu bytes):\n", what, d->rc,
            d->rc == OK ? "accepted" : d->problem.detail, d->problem.places[0].pointer, VERDICTS[verdict], size);
    fwrite(body, 1, size, stderr);
    fputc('\n', stderr);
    for (size_t i = 0; i < size; i++)
        fprintf(stderr, "%02x", (unsigned char)body[i]);
    fputc('\n', stderr);
    abort();
}

static bool same_measure(const struct measure *a, const struct measure *b)
{
    return strcmp(a->name, b->name) == 0 && a->shape.form == b->shape.form && a->shape.task == b->shape.task &&
           a->shape.num_classes == b->shape.num_classes && a->shape.bins == b->shape.bins && a->samples == b->samples &&
           a->correct == b->correct && a->state_size == b->state_size && memcmp(a->state, b->state, a->state_size) == 0;
}

/* Measures in any order: no two of a record are the same. */
static bool same_record(const struct record *a, const struct record *b)
{
    if (strcmp(a->stage, b->stage) != 0 || a->key.epoch != b->key.epoch || a->key.step != b->key.step ||
        a->key.rank != b->key.rank || a->time != b->time || a->n_measures != b->n_measures ||
        (a->attempt == NULL) != (b->attempt == NULL) || (a->attempt != NULL && strcmp(a->attempt, b->attempt) != 0))
        return false;
    for (size_t i = 0; i < a->n_measures; i++) {
        size_t k = 0;
        while (k < b->n_measures && !same_measure(&a->measures[i], &b->measures[k]))
            k++;
        if (k == b->n_measures)
            return false;
    }
    return true;
}

static void compare(const char *body, size_t size, const struct decoded *d, enum oracle_verdict verdict,
                    const struct record_list *want)
{
    if ((d->rc == OK) != (verdict == ORACLE_ACCEPTED))
        disagree(body, size, d, verdict, "one accepts what the other refuses");
    if (verdict == ORACLE_REFUSED && d->rc == PROBLEM_MALFORMED)
        disagree(body, size, d, verdict, "strict JSON is called malformed");
    if (verdict != ORACLE_ACCEPTED)
        return;
    if (d->list.n_records != want->n_records || d->list.is_single != want->is_single)
        disagree(body, size, d, verdict, "another number of records");
    for (size_t i = 0; i < want->n_records; i++)
        if (!same_record(&want->records[i], &d->list.records[i]) || d->list.records[i].index != i)
            disagree(body, size, d, verdict, "a record has other content");
}

void differential_check(const uint8_t *data, size_t size)
{
    struct limits limits;
    struct arena arena;
    struct decoded d = {.rc = OK};
    struct record_list want;
    limits_default(&limits);
    limits.classes = 64;
    limits.dense_classes = 8;
    limits.records_per_request = 6;
    if (size == 0)
        return;
    enum body_kind kind = data[0] % 2 == 1 ? BODY_NDJSON : BODY_JSON;
    /* in a copy of its own, so that a sanitizer sees a byte read too far */
    char *body = malloc(size);
    if (body == NULL)
        abort();
    memcpy(body, data + 1, size - 1);
    arena_init(&arena);
    d.rc = decode_records(body, size - 1, kind, &limits, &arena, &d.list, &d.problem);
    if (d.rc == PROBLEM_INTERNAL || d.rc != d.problem.code)
        disagree(body, size - 1, &d, ORACLE_REFUSED, "a defect");
    enum oracle_verdict verdict = oracle_judge(body, size - 1, kind, &limits, &arena, &want);
    if (verdict != ORACLE_NOT_JUDGED)
        compare(body, size - 1, &d, verdict, &want);
    differential_counts.inputs++;
    differential_counts.accepted += verdict == ORACLE_ACCEPTED;
    differential_counts.refused += verdict == ORACLE_REFUSED;
    differential_counts.malformed += verdict == ORACLE_MALFORMED;
    differential_counts.not_judged += verdict == ORACLE_NOT_JUDGED;
    arena_release(&arena);
    free(body);
}

void differential_report(void)
{
    const struct differential_counts *c = &differential_counts;
    double all = c->inputs > 0 ? (double)c->inputs / 100 : 1;
    printf("%" PRIu64
           " inputs, 0 disagreements: %.1f %% accepted, %.1f %% refused, %.1f %% not strict JSON, %.1f %% not judged\n",
           c->inputs, (double)c->accepted / all, (double)c->refused / all, (double)c->malformed / all,
           (double)c->not_judged / all);
}
