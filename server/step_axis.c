/*
 * Why: charts need positions that rise over epochs whose steps may start again, and buckets whose
 * borders never move as data arrives.  Pure; any thread.
 */
#include "step_axis.h"

int step_axis_place(struct axis_epoch *epochs, size_t n, bool *counted)
{
    bool moved = false;
    int64_t offset = 0, end;
    for (size_t i = 0; i < n; i++) {
        struct axis_epoch *e = &epochs[i];
        if (i > 0 && e->first_step <= e[-1].last_step) {
            /* right after the previous one: offset + first = offset(previous) + last + 1 */
            if (__builtin_add_overflow(offset, e[-1].last_step + 1 - e->first_step, &offset))
                return ERR_OVERFLOW;
            moved = true;
        }
        if (__builtin_add_overflow(offset, e->last_step, &end))
            return ERR_OVERFLOW;
        e->offset = offset;
    }
    *counted = moved;
    return OK;
}

void step_axis_range(const struct axis_epoch *epochs, size_t n, int64_t from, int64_t to, struct axis_range *out)
{
    *out = (struct axis_range){.empty = true};
    size_t first = 0, end = n;
    while (first < n && epochs[first].offset + epochs[first].last_step < from)
        first++;
    while (end > first && epochs[end - 1].offset + epochs[end - 1].first_step > to)
        end--;
    if (first == end)
        return;
    const struct axis_epoch *a = &epochs[first], *b = &epochs[end - 1];
    out->first = first;
    out->last = end - 1;
    out->from_step = a->offset + a->first_step >= from ? a->first_step : from - a->offset;
    out->to_step = b->offset + b->last_step <= to ? b->last_step : to - b->offset;
    out->empty = first == end - 1 && out->from_step > out->to_step;
}

bool axis_range_has(const struct axis_range *range, const struct axis_epoch *epochs, int64_t epoch, int64_t step)
{
    if (range->empty)
        return false;
    const struct axis_epoch *a = &epochs[range->first], *b = &epochs[range->last];
    if (epoch < a->epoch || (epoch == a->epoch && step < range->from_step))
        return false;
    return epoch < b->epoch || (epoch == b->epoch && step <= range->to_step);
}

static int bits(int64_t value)
{
    return value == 0 ? 0 : 64 - __builtin_clzll((unsigned long long)value);
}

void step_widths_init(struct step_widths *w)
{
    *w = (struct step_widths){.last_epoch = -1, .last_step = -1};
}

void step_widths_add(struct step_widths *w, int64_t epoch, int64_t step)
{
    if (epoch != w->last_epoch)
        w->epochs++;
    else if (step != w->last_step)
        w->apart[bits(w->last_step ^ step) - 1]++;
    w->last_epoch = epoch;
    w->last_step = step;
}

void step_widths_add_run(struct step_widths *w, int64_t epoch, int64_t first, int64_t last)
{
    if (epoch == w->last_epoch && first <= w->last_step)
        first = w->last_step;
    if (last < first)
        return;
    step_widths_add(w, epoch, first);
    /* j - 1 and j differ in the bits up to the lowest one of j: count the j of each lowest bit */
    for (int bit = 0; first >> bit != last >> bit; bit++)
        w->apart[bit] += (last >> bit) - (first >> bit) - ((last >> (bit + 1)) - (first >> (bit + 1)));
    w->last_step = last;
}

int64_t step_widths_entries(const struct step_widths *w, int level)
{
    int64_t n = w->epochs;
    for (int bit = level; bit < STEP_LEVELS; bit++)
        n += w->apart[bit];
    return n;
}

int step_widths_level(const struct step_widths *w, int finest, int64_t points)
{
    for (int level = finest; level < STEP_LEVELS; level++)
        if (step_widths_entries(w, level) <= points)
            return level;
    return -1;
}

int step_axis_whole_level(const struct axis_epoch *epochs, size_t first, size_t last)
{
    int level = 0;
    for (size_t i = first; i <= last; i++) {
        int own = bits(epochs[i].first_step ^ epochs[i].last_step);
        if (own > level)
            level = own;
    }
    return level;
}
