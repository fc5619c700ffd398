#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "selector.h"
#include "support.h"

static void *counting_resize(void *context, void *old, size_t size)
{
    struct test_memory *m = context;
    if (size == 0) {
        m->n_live -= old != NULL;
        free(old);
        return NULL;
    }
    if (m->budget == 0)
        return NULL;
    if (m->budget > 0)
        m->budget--;
    m->n_live += old == NULL;
    return realloc(old, size);
}

struct memory test_memory(struct test_memory *m)
{
    return (struct memory){counting_resize, m};
}

struct memory plain_memory(void)
{
    static struct test_memory forever = {.budget = -1};
    return test_memory(&forever);
}

struct bytes pack_batch(struct batch_content *content)
{
    struct bytes b = {0};
    int status = batch_pack(content, NULL, 0, &b.size);
    cr_assert_eq(status, ERR_FULL, "measuring a batch: status %d", status);
    b.data = malloc(b.size);
    cr_assert_not_null(b.data);
    cr_assert_eq(batch_pack(content, b.data, b.size, &b.size), OK);
    return b;
}

struct bytes pack_state(struct state *s)
{
    struct bytes b = {0};
    int status = state_pack(s, NULL, 0, &b.size);
    cr_assert_eq(status, ERR_FULL, "measuring a state: status %d", status);
    b.data = malloc(b.size);
    cr_assert_not_null(b.data);
    cr_assert_eq(state_pack(s, b.data, b.size, &b.size), OK);
    return b;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

struct metric_choice choice_of(const char *text)
{
    struct selector s;
    char why[512] = "";
    int status = selector_parse(text, strlen(text), &s, why, sizeof why);
    cr_assert(status == OK && !s.is_mean, "%s: %s", text, why);
    return s.choice;
}

struct state state_of(struct batch_content *content)
{
    struct state s;
    cr_assert_eq(state_init(&s, &content->shape, true, plain_memory()), OK);
    add_content(&s, content, 0);
    return s;
}

void add_content(struct state *s, struct batch_content *content, int64_t samples)
{
    struct bytes packed = pack_batch(content);
    cr_assert_eq(state_add_packed(s, NULL, samples, 1, packed.data, packed.size), OK);
    bytes_free(&packed);
}

double value_of(const char *selector, struct state *s)
{
    double value = -77;
    struct metric_choice choice = choice_of(selector);
    cr_assert_eq(metric_length(&choice, &s->shape), 1);
    cr_assert_eq(metric_compute(&choice, s, NULL, &value), OK, "%s", selector);
    return value;
}

struct state empty_state(enum form form, enum task task, uint32_t num_classes)
{
    struct state s;
    struct shape shape = {form, task, num_classes, 0};
    cr_assert_eq(state_init(&s, &shape, true, plain_memory()), OK);
    return s;
}

struct state state_of_matrix(uint32_t c, const int64_t *matrix)
{
    struct state s = empty_state(FORM_CONFUSION, TASK_MULTICLASS, c);
    struct cell *cells = calloc((size_t)c * c, sizeof *cells);
    for (uint32_t i = 0; i < c * c; i++)
        cells[i] = (struct cell){i / c, i % c, matrix[i]};
    struct batch_content content = {.shape = s.shape, .cells = cells, .n_cells = (size_t)c * c};
    add_content(&s, &content, 0);
    free(cells);
    return s;
}

struct state state_of_classes(enum task task, uint32_t c, const struct class_counts *counts)
{
    struct state s = empty_state(FORM_CLASSES, task, c);
    struct class_entry *entries = calloc(c, sizeof *entries);
    for (uint32_t i = 0; i < c; i++)
        entries[i] = (struct class_entry){i, counts[i]};
    struct batch_content content = {.shape = s.shape, .entries = entries, .n_entries = c};
    add_content(&s, &content, 0);
    free(entries);
    return s;
}

struct state state_of_totals(enum task task, int64_t correct, int64_t total)
{
    struct state s = empty_state(FORM_TOTALS, task, 0);
    struct batch_content content = {.shape = s.shape, .correct = correct, .total = total};
    add_content(&s, &content, 0);
    return s;
}
