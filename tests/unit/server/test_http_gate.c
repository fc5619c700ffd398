#include <criterion/criterion.h>
#include <string.h>

#include "http_gate.h"

enum { MAX = 100, N = 8 };

static struct gate_ticket ticket[N];
static int order[N], n_let_in;

static void let_in(struct gate_ticket *t)
{
    order[n_let_in++] = (int)(t - ticket);
}

Test(http_gate, who_does_not_fit_waits_and_comes_in_order)
{
    static const int64_t WEIGHT[N] = {60, 30, 30, 5, 500, 1, 1, 1};
    struct gate g;

    gate_init(&g, MAX, let_in);
    for (int i = 0; i < N; i++)
        cr_assert_eq(gate_enter(&g, &ticket[i], WEIGHT[i]), i < 2, "ticket %d", i);
    cr_assert_eq(n_let_in, 0, "nobody overtakes who waits, however small");
    gate_leave(&g, &ticket[7]);
    cr_assert_eq(n_let_in, 0, "one that waits has nothing to give back");
    gate_leave(&g, &ticket[1]);
    cr_assert_eq(n_let_in, 2, "two fit into its place");
    gate_leave(&g, &ticket[0]);
    gate_leave(&g, &ticket[2]);
    cr_assert_eq(n_let_in, 2, "a larger one than the gate waits until it is alone");
    gate_leave(&g, &ticket[3]);
    cr_assert_eq(n_let_in, 3);
    cr_assert(ticket[4].is_inside && !ticket[5].is_inside);
    gate_leave(&g, &ticket[4]);
    cr_assert_eq(n_let_in, 6);
    for (int i = 0; i < n_let_in; i++)
        cr_assert_eq(order[i], i + 2, "let in as number %d", i);
    for (int i = 5; i < N; i++)
        gate_leave(&g, &ticket[i]);
    cr_assert_eq(g.used, 0);
    gate_leave(&g, &ticket[0]);
    cr_assert_eq(g.used, 0, "leaving twice changes nothing");
    cr_assert(gate_enter(&g, &ticket[0], 1000), "one that is alone passes");
    gate_leave(&g, &ticket[0]);
    gate_release(&g);
}
