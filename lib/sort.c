/*
 * Sorting in place.  Heapsort, because qsort() may allocate, and lib/ calls no allocator but the caller's.
 */
#include <assert.h>
#include <string.h>

#include "state_parts.h"

static void sift_down(char *items, size_t i, size_t n, size_t size, item_compare *compare)
{
    char item[ITEM_SIZE_MAX];
    memcpy(item, items + i * size, size);
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && compare(items + child * size, items + (child + 1) * size) < 0)
            child++;
        if (compare(item, items + child * size) >= 0)
            break;
        memcpy(items + i * size, items + child * size, size);
        i = child;
    }
    memcpy(items + i * size, item, size);
}

void items_sort(void *items, size_t n, size_t size, item_compare *compare)
{
    assert(size <= ITEM_SIZE_MAX);
    char *first = items;
    size_t i_first = 1;
    while (i_first < n && compare(first + (i_first - 1) * size, first + i_first * size) <= 0)
        i_first++;
    if (i_first >= n) /* the usual case: clients send rows in order */
        return;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(first, i, n, size, compare);
    for (size_t i = n - 1; i > 0; i--) {
        char top[ITEM_SIZE_MAX];
        memcpy(top, first, size);
        memcpy(first, first + i * size, size);
        memcpy(first + i * size, top, size);
        sift_down(first, 0, i, size, compare);
    }
}
