#include <criterion/criterion.h>
#include <stdlib.h>

#include "status.h"
#include "step_sizes.h"

#include "query_support.h"

enum { STEPS = 1200, SIZES = 50 };

/* The same by keeping all steps. */
static void check(const struct step_sizes *s, const int64_t *sizes, int64_t n, const char *what, uint64_t round)
{
    int64_t counts[SIZES] = {0}, common = -1, got, others, listed[STEP_SIZES_LISTED];
    size_t n_listed, n_want = 0;
    for (int64_t i = 0; i < n; i++)
        counts[sizes[i]]++;
    for (int64_t size = 0; size < SIZES; size++)
        if (counts[size] > 0 && (common < 0 || counts[size] >= counts[common]))
            common = size;
    cr_assert(step_sizes_common(s, &got, &others, listed, &n_listed) == (n > 0), "%s %llu", what,
              (unsigned long long)round);
    if (n == 0)
        return;
    cr_assert(got == common && others == n - counts[common], "%s %llu: %lld, not %lld", what, (unsigned long long)round,
              (long long)got, (long long)common);
    for (int64_t i = 0; i < n && n_want < STEP_SIZES_LISTED; i++)
        if (sizes[i] != common) {
            cr_assert(n_want < n_listed && listed[n_want] == 3 * i, "%s %llu: step %zu", what,
                      (unsigned long long)round, n_want);
            n_want++;
        }
    cr_assert_eq(n_listed, n_want);
}

Test(step_sizes, the_most_common_size_and_the_first_others_are_those_of_a_brute_force)
{
    static const struct {
        const char *what;
        uint64_t usual; /* of 100: this share has size 7 */
        uint64_t kinds; /* of the rest */
    } rows[] = {{"all alike", 100, 1},   {"a few others", 95, 3}, {"many others", 60, SIZES},
                {"no usual size", 0, 2}, {"all over", 0, SIZES},  {"late others", 101, 1}};
    uint64_t seed = 20251124;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        for (uint64_t round = 0; round < 40; round++) {
            int64_t sizes[STEPS], n = (int64_t)random_below(&seed, STEPS);
            struct step_sizes s;
            step_sizes_init(&s);
            for (int64_t i = 0; i < n; i++) {
                bool late = rows[row].usual > 100 && i > n * 9 / 10;
                sizes[i] = !late && random_below(&seed, 100) < rows[row].usual
                               ? 7
                               : (int64_t)random_below(&seed, late ? SIZES : rows[row].kinds);
                cr_assert_eq(step_sizes_add(&s, 3 * i, sizes[i]), OK);
            }
            check(&s, sizes, n, rows[row].what, round);
            step_sizes_release(&s);
        }
}

Test(step_sizes, too_many_different_sizes_are_no_answer_and_no_memory)
{
    struct step_sizes s;
    int64_t size, others, listed[STEP_SIZES_LISTED];
    size_t n_listed;
    step_sizes_init(&s);
    for (int64_t i = 0; i < STEP_SIZES_MAX; i++)
        cr_assert_eq(step_sizes_add(&s, i, i), OK);
    cr_assert(step_sizes_common(&s, &size, &others, listed, &n_listed) && size == STEP_SIZES_MAX - 1 &&
              others == STEP_SIZES_MAX - 1 && n_listed == STEP_SIZES_LISTED && listed[99] == 99);
    for (int64_t i = STEP_SIZES_MAX; i < 3 * STEP_SIZES_MAX; i++)
        cr_assert_eq(step_sizes_add(&s, i, i), OK);
    cr_assert(s.many && s.cap <= 4 * STEP_SIZES_MAX && !step_sizes_common(&s, &size, &others, listed, &n_listed));
    step_sizes_release(&s);
    step_sizes_release(&s);
}
