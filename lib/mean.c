/*
 * Weighted means: adding them and their bytes.
 *
 * One batch is packed without its key (the row that holds it has it); a sum of batches carries the
 * key of the batch that `last` speaks of, because merging needs it.  A batch of weight 0 saw nothing:
 * whatever its sum and range say, it is packed as 0 of 0 and adds nothing.
 */
#include <float.h>
#include <math.h>

#include "state_parts.h"

enum {
    MEAN_SUM_OF_BATCHES = 1, /* the other two bits are 0 then */
    MEAN_NONFINITE = 2,      /* nothing follows */
    MEAN_RANGE = 4           /* min and max follow */
};

/* ---- addition ---- */

/* Commutes even where two states claim the same key: then the greater value is the last. */
static bool is_later(const struct mean *a, const struct mean *b)
{
    int order = batch_key_compare(&a->last_key, &b->last_key);
    return order > 0 || (order == 0 && a->last > b->last);
}

static int mean_add(struct mean *into, const struct mean *from)
{
    struct mean sum = *into;
    int status;
    if (__builtin_add_overflow(sum.finite, from->finite, &sum.finite) ||
        __builtin_add_overflow(sum.nonfinite, from->nonfinite, &sum.nonfinite))
        return ERR_OVERFLOW;
    if ((status = exact_sum_merge(&sum.sum, &from->sum)) != OK ||
        (status = exact_sum_merge(&sum.weight, &from->weight)) != OK)
        return status;
    if (from->finite > 0) {
        bool is_first = into->finite == 0;
        if (is_first || from->min < sum.min)
            sum.min = from->min;
        if (is_first || from->max > sum.max)
            sum.max = from->max;
        if (is_first || is_later(from, into)) {
            sum.last = from->last;
            sum.last_key = from->last_key;
        }
    }
    *into = sum;
    return OK;
}

/* ---- reading ---- */

static bool key_read(struct pack_reader *r, struct batch_key *key)
{
    return varint_read_count(r, &key->epoch) && varint_read_count(r, &key->step) && varint_read_count(r, &key->rank) &&
           key_is_valid(key);
}

static bool sum_read(struct pack_reader *r, struct mean *m)
{
    if (!varint_read_count(r, &m->finite) || !varint_read_count(r, &m->nonfinite))
        return false;
    if (m->finite == 0)
        return true;
    return key_read(r, &m->last_key) && number_read(r, &m->min) && number_read(r, &m->max) && m->min <= m->max &&
           number_read(r, &m->last) && parts_read(r, &m->sum) && parts_read(r, &m->weight) &&
           exact_sum_value(&m->weight) > 0;
}

static bool batch_read(struct pack_reader *r, unsigned flags, struct mean *m)
{
    double sum, weight;
    if (flags == MEAN_NONFINITE) {
        m->nonfinite = 1;
        return true;
    }
    if (!number_read(r, &sum) || !number_read(r, &weight) || weight < 0)
        return false;
    if (weight == 0)
        return flags == 0 && sum == 0;
    double mean = sum / weight;
    m->finite = 1;
    m->min = m->max = m->last = mean;
    if (flags == MEAN_RANGE) {
        bool is_range = number_read(r, &m->min) && number_read(r, &m->max) && m->min <= m->max;
        if (!is_range || (m->min == mean && m->max == mean))
            return false;
    }
    return isfinite(mean) && exact_sum_add(&m->sum, sum) == OK && exact_sum_add(&m->weight, weight) == OK;
}

/* is_batch: its key is not among the bytes. */
static bool body_read(struct pack_reader *r, struct mean *m, bool *is_batch)
{
    uint64_t flags;
    *m = (struct mean){0};
    if (!varint_read(r, &flags))
        return false;
    *is_batch = flags != MEAN_SUM_OF_BATCHES;
    if (!*is_batch)
        return sum_read(r, m) && r->at == r->end;
    if (flags != 0 && flags != MEAN_NONFINITE && flags != MEAN_RANGE)
        return false;
    return batch_read(r, (unsigned)flags, m) && r->at == r->end;
}

static bool mean_body_check(struct pack_reader *r, const struct shape *shape)
{
    (void)shape;
    struct mean m;
    bool is_batch;
    return body_read(r, &m, &is_batch);
}

static int mean_add_body(struct state *s, const struct pack_reader *body, const struct batch_key *key, int64_t batches)
{
    struct pack_reader r = *body;
    struct mean from;
    bool is_batch;
    if (!body_read(&r, &from, &is_batch))
        return ERR_CORRUPT;
    if (from.finite > batches || from.nonfinite > batches - from.finite)
        return ERR_RANGE;
    if (is_batch && from.finite > 0 && key != NULL)
        from.last_key = *key;
    return mean_add(&s->mean, &from);
}

static int mean_merge(struct state *into, struct state *from)
{
    return mean_add(&into->mean, &from->mean);
}

/* ---- value ---- */

double mean_value(const struct mean *m)
{
    if (m->finite == 0)
        return NAN;
    double value = exact_sum_value(&m->sum) / exact_sum_value(&m->weight);
    /* a mean lies among its batches' finite means; only rounding can push it out of the doubles */
    return isfinite(value) ? value : copysign(DBL_MAX, value);
}

/* ---- writing ---- */

static int mean_batch_check(struct batch_content *content)
{
    if (content->nonfinite)
        return OK;
    if (!isfinite(content->sum) || !isfinite(content->weight) || content->weight < 0)
        return ERR_RANGE;
    if (content->has_range && !(isfinite(content->min) && isfinite(content->max) && content->min <= content->max))
        return ERR_RANGE;
    if (content->weight > 0 && !isfinite(content->sum / content->weight))
        return ERR_OVERFLOW;
    return OK;
}

static void mean_batch_write(struct pack_writer *w, const struct batch_content *content)
{
    if (content->nonfinite) {
        varint_write(w, MEAN_NONFINITE);
        return;
    }
    if (content->weight == 0) {
        varint_write(w, 0);
        number_write(w, 0);
        number_write(w, 0);
        return;
    }
    double mean = content->sum / content->weight;
    bool has_range = content->has_range && !(content->min == mean && content->max == mean);
    varint_write(w, has_range ? MEAN_RANGE : 0);
    number_write(w, content->sum);
    number_write(w, content->weight);
    if (has_range) {
        number_write(w, content->min);
        number_write(w, content->max);
    }
}

static void mean_write(struct pack_writer *w, const struct state *s)
{
    const struct mean *m = &s->mean;
    varint_write(w, MEAN_SUM_OF_BATCHES);
    varint_write(w, (uint64_t)m->finite);
    varint_write(w, (uint64_t)m->nonfinite);
    if (m->finite == 0)
        return;
    varint_write(w, (uint64_t)m->last_key.epoch);
    varint_write(w, (uint64_t)m->last_key.step);
    varint_write(w, (uint64_t)m->last_key.rank);
    number_write(w, m->min);
    number_write(w, m->max);
    number_write(w, m->last);
    parts_write(w, &m->sum);
    parts_write(w, &m->weight);
}

static bool mean_is_valid(const struct state *s)
{
    const struct mean *m = &s->mean;
    int64_t n;
    if (m->finite < 0 || m->nonfinite < 0 || __builtin_add_overflow(m->finite, m->nonfinite, &n) || n > s->batches ||
        s->samples != 0)
        return false;
    if (m->finite == 0)
        return m->sum.n_parts == 0 && m->weight.n_parts == 0;
    return m->min <= m->max && isfinite(m->min) && isfinite(m->max) && isfinite(m->last) &&
           exact_sum_value(&m->weight) > 0;
}

static void mean_clear(struct state *s)
{
    s->mean = (struct mean){0};
}

static double mean_primary(const struct state *s)
{
    return mean_value(&s->mean);
}

const struct kind_ops mean_ops = {
    .clear = mean_clear,
    .is_valid = mean_is_valid,
    .primary = mean_primary,
    .merge = mean_merge,
    .add_body = mean_add_body,
    .body_check = mean_body_check,
    .batch_check = mean_batch_check,
    .batch_write = mean_batch_write,
    .write = mean_write,
};
