/*
 * Metrics of the whole matrix: balanced accuracy, MCC and Cohen's kappa.
 *
 * All but the weighted kappas need only the diagonal and the two margins of the confusion matrix
 * (t = tp + fn, p = tp + fp), which class counts have.  Class counts that come from no matrix (their
 * fp and fn do not add up to the same) have no MCC and no kappa: NAN.
 *
 * n^2 of int64 counts fits 128 bits, and so does every sum of products here, each being at most n^2.
 * The numerators cancel: they are taken in integers and rounded once.
 */
#include <math.h>

#include "metric_parts.h"

/* ---- balanced accuracy ---- */

/* The mean recall over the classes that occur in the targets (scikit-learn), NAN without targets. */
double matrix_balanced_accuracy(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    double sum = 0;
    int64_t n = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        const struct class_counts *k = &s->counts.classes[i];
        if (k->tp + k->fn > 0) {
            sum += (double)k->tp / (double)(k->tp + k->fn);
            n++;
        }
        if (s->shape.task == TASK_BINARY && k->tn + k->fp > 0) { /* the negatives are a class as well */
            sum += (double)k->tn / (double)(k->tn + k->fp);
            n++;
        }
    }
    return n > 0 ? sum / (double)n : NAN;
}

/* ---- margins ---- */

struct margins {
    i128 n, correct;
    i128 tt, pp, tp; /* sums over classes of t^2, p^2 and t p */
    bool is_matrix;  /* targets and predictions add up to the same */
};

static struct margins margins_of(const struct state *s)
{
    i128 n = 0, n_predicted = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        n += q.tp + q.fn;
        n_predicted += q.tp + q.fp;
    }
    struct margins m = {.n = n, .correct = s->counts.correct, .is_matrix = n == n_predicted};
    for (uint32_t i = 0; i < s->shape.num_classes && m.is_matrix; i++) {
        struct quad q = quad_of_class(s, i);
        i128 t = q.tp + q.fn, p = q.tp + q.fp;
        m.tt += t * t;
        m.pp += p * p;
        m.tp += t * p;
    }
    return m;
}

/* Of a 2x2 matrix the positive class holds everything. */
static bool is_two_by_two(const struct state *s)
{
    return s->shape.task == TASK_BINARY || (s->shape.task == TASK_MULTICLASS && s->shape.num_classes == 2);
}

static struct quad positive_quad(const struct state *s)
{
    return quad_of_class(s, s->shape.task == TASK_BINARY ? 0 : 1);
}

/* ---- MCC ---- */

/*
 * The order of the rules is torchmetrics'.  Where a margin is 0 it adds a float32 epsilon to each; this
 * is the limit of that, which is not 0.
 */
static double mcc_2x2(const struct quad *q)
{
    i128 right = q->tp + q->tn, wrong = q->fp + q->fn;
    if (right + wrong == 0)
        return 0;
    if (wrong == 0)
        return 1;
    if (right == 0)
        return -1;
    i128 predicted = q->tp + q->fp, not_predicted = q->tn + q->fn;
    i128 positive = q->tp + q->fn, negative = q->tn + q->fp;
    if (predicted == 0 || not_predicted == 0 || positive == 0 || negative == 0)
        return (double)(right - wrong) / (sqrt((double)(right + wrong)) * sqrt((double)(right * wrong)));
    i128 covariance = q->tp * q->tn - q->fp * q->fn;
    return (double)covariance / (sqrt((double)(predicted * not_predicted)) * sqrt((double)(positive * negative)));
}

double matrix_mcc(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    if (s->shape.task == TASK_MULTILABEL) {
        struct quad all = quad_of_all(s);
        return mcc_2x2(&all);
    }
    struct margins m = {.is_matrix = true};
    if (s->shape.task == TASK_MULTICLASS)
        m = margins_of(s);
    if (!m.is_matrix)
        return NAN;
    if (is_two_by_two(s)) {
        struct quad q = positive_quad(s);
        return mcc_2x2(&q);
    }
    i128 spread_t = m.n * m.n - m.tt, spread_p = m.n * m.n - m.pp;
    if (spread_t == 0 || spread_p == 0)
        return 0;
    return (double)(m.correct * m.n - m.tp) / (sqrt((double)spread_t) * sqrt((double)spread_p));
}

/* ---- kappa ---- */

static double kappa_of(i128 n, i128 correct, i128 chance)
{
    i128 spread = n * n - chance;
    return spread == 0 ? NAN : (double)(correct * n - chance) / (double)spread;
}

/* All samples in one class on both sides, or no samples: chance agrees completely. */
static bool is_one_class(const struct state *s, i128 n)
{
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        if (q.tp + q.fn == n && q.tp + q.fp == n)
            return true;
    }
    return n == 0;
}

/*
 * The sum of penalty(i, j) t_i p_j over all cells in O(classes), without cancellation.
 * linear     |i - j| counts the cuts between neighbouring classes that lie between i and j.
 * quadratic  (i - j)^2 about the mean of the targets: n (Vt + Vp) - 2 Dt Dp, where Dt is 0 but for
 *            rounding.
 * Long doubles: (classes * n)^2 leaves 128 bits at counts that 64-bit sums may hold.
 */
static long double chance_penalty(const struct state *s, int weights, long double n)
{
    long double sum = 0, mean = 0;
    long double t_below = 0, p_below = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        t_below += (long double)(q.tp + q.fn);
        p_below += (long double)(q.tp + q.fp);
        sum += t_below * (n - p_below) + p_below * (n - t_below);
        mean += (long double)i * (long double)(q.tp + q.fn);
    }
    if (weights == KAPPA_LINEAR)
        return sum;
    mean /= n;
    long double spread = 0, t_shift = 0, p_shift = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        long double t = (long double)(q.tp + q.fn), p = (long double)(q.tp + q.fp);
        long double d = (long double)i - mean;
        spread += d * d * (t + p);
        t_shift += d * t;
        p_shift += d * p;
    }
    return n * spread - 2 * t_shift * p_shift;
}

static double kappa_weighted(struct state *s, int weights, int *status)
{
    const struct cell *cells;
    size_t n_cells;
    int cells_status = state_cells(s, &cells, &n_cells);
    if (cells_status != OK) {
        *status = cells_status;
        return NAN;
    }
    if (is_one_class(s, s->counts.total))
        return NAN;
    long double observed = 0;
    for (size_t i = 0; i < n_cells; i++) {
        long double distance = fabsl((long double)cells[i].target - (long double)cells[i].predicted);
        long double penalty = weights == KAPPA_LINEAR ? distance : distance * distance;
        observed += penalty * (long double)cells[i].count;
    }
    long double n = (long double)s->counts.total;
    return (double)(1 - n * observed / chance_penalty(s, weights, n));
}

double matrix_kappa(const struct metric_choice *choice, struct state *s, int *status)
{
    if (s->shape.task == TASK_BINARY) {
        struct quad q = positive_quad(s);
        i128 n = q.tp + q.fp + q.fn + q.tn;
        i128 chance = (q.tp + q.fn) * (q.tp + q.fp) + (q.tn + q.fp) * (q.tn + q.fn);
        return kappa_of(n, q.tp + q.tn, chance);
    }
    /* with two classes every penalty is 0 or 1 */
    if (choice->arg != KAPPA_NONE && s->shape.num_classes > 2)
        return kappa_weighted(s, choice->arg, status);
    struct margins m = margins_of(s);
    return m.is_matrix ? kappa_of(m.n, m.correct, m.tp) : NAN;
}
