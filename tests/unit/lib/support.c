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
