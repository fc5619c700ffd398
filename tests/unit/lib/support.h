#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metric.h"
#include "random.h"
#include "state.h"

/* What the tests of lib/ share. */

/** An allocator that fails once ${budget} calls were made; budget < 0 never fails.  It counts live blocks. */
struct test_memory {
    long budget;
    long n_live;
};
struct memory test_memory(struct test_memory *m);
struct memory plain_memory(void);

/** Packed bytes, owned. */
struct bytes {
    uint8_t *data;
    size_t size;
};
struct bytes pack_batch(struct batch_content *content); /* asserts OK */
struct bytes pack_state(struct state *s);               /* asserts OK */
bool bytes_equal(struct bytes a, struct bytes b);
void bytes_free(struct bytes *b);

/** One batch of this content, in a new state (asserts OK); add_content() adds one more, of so many samples. */
struct state state_of(struct batch_content *content);
void add_content(struct state *s, struct batch_content *content, int64_t samples);

/** States of counts, with cells. */
struct state empty_state(enum form form, enum task task, uint32_t num_classes);
struct state state_of_matrix(uint32_t c, const int64_t *matrix); /* [c][c] */
struct state state_of_classes(enum task task, uint32_t c, const struct class_counts *counts);
struct state state_of_totals(enum task task, int64_t correct, int64_t total);

/** The one value of a selector; asserts that there is one. */
double value_of(const char *selector, struct state *s);

/** A metric by its selector text ("fbeta@2.macro"); asserts that it parses. */
struct metric_choice choice_of(const char *text);

#endif
