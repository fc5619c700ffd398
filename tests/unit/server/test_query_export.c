#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#include "query_support.h"

/* Every shape, and what is awkward about it. */
static const char shapes[] =
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":0,\"correct\":3,\"total\":5,\"samples\":6,\"sums\":{\"loss\":[0.1,3]}}"
    "\n"
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":0,\"name\":\"sized\",\"correct\":3,\"total\":5,\"num_classes\":7}\n"
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":0,\"name\":\"binary\",\"task\":\"binary\",\"correct\":3,\"total\":5}\n"
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":1,\"rank\":2,\"values\":{\"lr\":0.30000000000000004},\"sums\":{"
    "\"loss\":[\"NaN\",4],\"nll\":[1e300,0.5,1e299,3e300]}}\n"
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":2,\"correct\":0,\"total\":0,\"sums\":{\"loss\":[0,0],\"nll\":[-5e-324,"
    "1]}}\n"
    "{\"stage\":\"totals\",\"epoch\":0,\"step\":9007199254740991,\"rank\":65535,\"correct\":9007199254740991,\"total\":"
    "9007199254740991}\n"
    "{\"stage\":\"classes\",\"epoch\":0,\"step\":0,\"tp\":[5,0,7],\"fp\":[0,1,2],\"fn\":[2,1,0],\"samples\":20}\n"
    "{\"stage\":\"classes\",\"epoch\":0,\"step\":1,\"num_classes\":3,\"classes\":[[2,4,1,1],[0,0,1,1]]}\n"
    "{\"stage\":\"classes\",\"epoch\":0,\"step\":2,\"tp\":[0,0,0],\"fp\":[0,0,0],\"fn\":[0,0,0]}\n"
    "{\"stage\":\"classes\",\"epoch\":0,\"step\":3,\"tp\":[9007199254740991,9007199254740991,9007199254740991],\"fp\":["
    "0,0,0],\"fn\":[0,0,0]}\n"
    "{\"stage\":\"binary\",\"epoch\":0,\"step\":0,\"task\":\"binary\",\"tp\":[8],\"fp\":[1],\"fn\":[2],\"tn\":[5]}\n"
    "{\"stage\":\"binary\",\"epoch\":0,\"step\":1,\"task\":\"binary\",\"tp\":[9007199254740991],\"fp\":[1],\"fn\":[2],"
    "\"tn\":[9007199254740991]}\n"
    "{\"stage\":\"binary\",\"epoch\":0,\"step\":0,\"name\":\"matrix\",\"task\":\"binary\",\"confusion\":[[5,1],[2,8]]}"
    "\n"
    "{\"stage\":\"labels\",\"epoch\":0,\"step\":0,\"task\":\"multilabel\",\"tp\":[1,0],\"fp\":[0,1],\"fn\":[1,0],"
    "\"tn\":[2,3]}\n"
    "{\"stage\":\"labels\",\"epoch\":0,\"step\":1,\"task\":\"multilabel\",\"tp\":[1,0],\"fp\":[0,1],\"fn\":[1,0],"
    "\"tn\":[2,7],\"samples\":9}\n"
    "{\"stage\":\"labels\",\"epoch\":0,\"step\":2,\"task\":\"multilabel\",\"tp\":[0,0],\"fp\":[0,0],\"fn\":[0,0],"
    "\"tn\":[0,0]}\n"
    "{\"stage\":\"matrix\",\"epoch\":0,\"step\":0,\"confusion\":[[5,2,0],[1,7,0],[0,4,0]],\"sums\":{\"a/"
    "loss\":[2,1,2,2.5]},\"time\":5}\n"
    "{\"stage\":\"matrix\",\"epoch\":0,\"step\":1,\"num_classes\":3,\"cells\":[]}\n"
    "{\"stage\":\"matrix\",\"epoch\":0,\"step\":1,\"name\":\"huge\",\"num_classes\":4000,\"cells\":[[3999,0,1],[0,3999,"
    "2]]}\n"
    "{\"stage\":\"states\",\"epoch\":0,\"step\":0,\"confusion\":[[5,2],[1,7]],\"scores\":{\"thresholds\":3,\"pos\":[[0,"
    "1,6],[2,0,6]],\"neg\":[[8,0,0],[7,0,0]]},"
    "\"calibration\":{\"bins\":2,\"count\":[5,9,1],\"confidence\":[0.1,7.300000000000001,1],\"correct\":[0,9,1]},"
    "\"exact\":[3,4],\"sums\":{\"nll\":[3.5,15]}}\n"
    "{\"stage\":\"states\",\"epoch\":0,\"step\":1,\"regression\":{\"n\":9007199254740991,\"mean_target\":0."
    "30000000000000004,\"mean_prediction\":-1e-300,"
    "\"m2_target\":5e-324,\"m2_prediction\":1e17,\"c\":-0.0,\"sum_error\":-123456789.125,\"sum_abs_error\":1e22,\"sum_"
    "squared_error\":0.1}}\n"
    "{\"stage\":\"states\",\"epoch\":0,\"step\":2,\"name\":\"b\",\"task\":\"binary\",\"scores\":{\"thresholds\":10001,"
    "\"cells\":[[0,10000,1,9007199254740991]]},"
    "\"calibration\":{\"bins\":15,\"cells\":[]},\"regression\":{\"n\":0,\"mean_target\":0,\"mean_prediction\":0,\"m2_"
    "target\":0,\"m2_prediction\":0,\"c\":0,"
    "\"sum_error\":0,\"sum_abs_error\":0,\"sum_squared_error\":0}}\n"
    "{\"stage\":\"states\",\"epoch\":0,\"step\":3,\"name\":\"l\",\"task\":\"multilabel\",\"scores\":{\"thresholds\":2,"
    "\"pos\":[[0,1],[1,0]],\"neg\":[[1,0],[1,0]]},"
    "\"exact\":[0,0],\"values\":{\"lr\":0.5}}\n"
    "{\"stage\":\"states\",\"epoch\":0,\"step\":4,\"scores\":{\"thresholds\":3,\"num_classes\":2,\"cells\":[]},"
    "\"samples\":0}\n";

static const char *const stages[] = {"totals", "classes", "binary", "labels", "matrix", "states"};

/* All pages of an export, one after the other; each must be postable by itself. */
static char *export_all(struct world *w, const char *run, const char *args, int limit, int *n_pages)
{
    char *all = calloc(1, 1 << 20), cursor[1024] = "", full[1400];
    for (*n_pages = 1;; ++*n_pages) {
        snprintf(full, sizeof full, "%s&limit=%d%s%s", args, limit, cursor[0] ? "&cursor=" : "", cursor);
        struct answer a = world_get(w, api_batches_get, run, full);
        cr_assert_eq(a.rc, OK, "%s: %s", full, a.problem.detail);
        cr_assert_str_eq(a.content_type, "application/x-ndjson");
        strcat(all, a.body);
        bool more = a.link[0] != '\0';
        if (more) {
            const char *at_cursor = strstr(a.link, "cursor=");
            cr_assert(a.link[0] == '<' && at_cursor != NULL && strstr(at_cursor, ">; rel=\"next\"") != NULL, "%s",
                      a.link);
            snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(at_cursor + 7, ">"), at_cursor + 7);
        }
        answer_free(&a);
        if (!more)
            return all;
    }
}

Test(query_export, posted_into_another_run_it_gives_the_same_export_and_into_its_own_only_duplicates)
{
    struct world w;
    world_open(&w);
    int64_t n_posted = world_post(&w, "a", shapes, NULL), n_lines = 0;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        char args[64];
        int pages;
        snprintf(args, sizeof args, "stage=%s", stages[i]);
        char *whole = export_all(&w, "a", args, 1000, &pages), *in_pages = export_all(&w, "a", args, 1, &pages);
        cr_assert_str_eq(whole, in_pages, "%s", stages[i]);
        int lines = 0;
        for (const char *c = whole; *c; c++)
            lines += *c == '\n';
        cr_assert_eq(pages, lines, "%s", stages[i]);
        n_lines += lines;
        int64_t duplicates;
        cr_assert_eq(world_post(&w, "a", whole, &duplicates), 0, "%s", whole);
        cr_assert_eq(duplicates, lines);
        cr_assert_eq(world_post(&w, "b", whole, NULL), lines);
        char *again = export_all(&w, "b", args, 1000, &pages);
        cr_assert_str_eq(again, whole, "%s", stages[i]);
        free(whole);
        free(in_pages);
        free(again);
    }
    cr_assert_eq(n_lines, n_posted + 1, "a record is a line; means beside another name stand alone");
    static const char *const answers[] = {
        "stage=totals&metric=accuracy,loss,loss:last,nll,nll:min,nll:max,lr,sized:accuracy,binary:accuracy",
        "stage=classes&metric=f1.macro,accuracy,jaccard.weighted", "stage=binary&metric=f1,mcc,matrix:f1",
        "stage=labels&metric=accuracy.none,f1.macro", "stage=matrix&metric=kappa@quadratic,a/loss:max,huge:f1.macro"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct answer a = world_get(&w, api_epochs_get, "a", answers[i]),
                      b = world_get(&w, api_epochs_get, "b", answers[i]);
        cr_assert(a.rc == OK && b.rc == OK, "%s: %s", answers[i], a.problem.detail);
        cr_assert_str_eq(strstr(a.body, "\"epochs\""), strstr(b.body, "\"epochs\""));
        answer_free(&a);
        answer_free(&b);
    }
    world_close(&w);
}

Test(query_export, records_are_in_order_with_sums_beside_main_and_names_apart)
{
    struct world w;
    world_open(&w);
    world_post(
        &w, "r",
        "{\"stage\":\"t\",\"epoch\":4,\"step\":1,\"confusion\":[[5,2],[1,0]],\"sums\":{\"loss\":[1,2]},\"time\":1000}\n"
        "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"num_classes\":2,\"cells\":[[1,0,4],[0,0,1]],\"time\":"
        "2000}\n"
        "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":0,\"values\":{\"lr\":0.5},\"time\":3000}\n"
        "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"correct\":1,\"total\":1,\"name\":\"head\",\"time\":2000}"
        "\n"
        "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"correct\":1,\"total\":1,\"name\":\"about\",\"time\":2000}"
        "\n"
        "{\"stage\":\"t\",\"epoch\":2,\"step\":0,\"rank\":1,\"correct\":1,\"total\":1,\"name\":\"head\",\"time\":7}",
        NULL);
    static const struct {
        const char *args, *body;
    } rows[] = {
        {"", "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":0,\"sums\":{\"lr\":[0.5,1]},\"time\":3000}\n"
             "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"num_classes\":2,\"cells\":[[0,0,1],[1,0,4]],"
             "\"samples\":5,\"time\":2000}\n"
             "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"name\":\"about\",\"correct\":1,\"total\":1,"
             "\"samples\":1,\"time\":2000}\n"
             "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"name\":\"head\",\"correct\":1,\"total\":1,"
             "\"samples\":1,\"time\":2000}\n"
             "{\"stage\":\"t\",\"epoch\":4,\"step\":1,\"rank\":0,\"num_classes\":2,\"cells\":[[0,0,5],[0,1,2],[1,0,1]],"
             "\"samples\":8,"
             "\"sums\":{\"loss\":[1,2]},\"time\":1000}\n"},
        {"epoch=2", "{\"stage\":\"t\",\"epoch\":2,\"step\":0,\"rank\":1,\"name\":\"head\",\"correct\":1,\"total\":1,"
                    "\"samples\":1,\"time\":7}\n"},
        {"name=head&epoch=4", "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":1,\"name\":\"head\",\"correct\":1,"
                              "\"total\":1,\"samples\":1,\"time\":2000}\n"},
        {"name=lr", "{\"stage\":\"t\",\"epoch\":4,\"step\":0,\"rank\":0,\"sums\":{\"lr\":[0.5,1]},\"time\":3000}\n"},
        {"epoch=3", ""},
        {"stage=other", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = world_get(&w, api_batches_get, "r", rows[i].args);
        cr_assert_eq(a.rc, OK, "%s: %s", rows[i].args, a.problem.detail);
        cr_assert_str_eq(a.body, rows[i].body, "%s", rows[i].args);
        answer_free(&a);
    }
    static const struct {
        const char *args, *pointer;
    } bad[] = {{"limit=0", "?limit"},
               {"limit=10001", "?limit"},
               {"cursor=garbage!", "?cursor"},
               {"cursor=00", "?cursor"},
               {"name=foo", "?name"},
               {"name=-", "?name"},
               {"epoch=4&cursor=31203220332030206d61696e", "?cursor"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer a = world_get(&w, api_batches_get, "r", bad[i].args);
        cr_assert(a.status == 422 && strcmp(a.problem.places[0].pointer, bad[i].pointer) == 0, "%s: %d", bad[i].args,
                  a.status);
        answer_free(&a);
    }
    struct answer a = world_get_as(&w, api_batches_get, "r", "", "text/csv", NULL);
    cr_assert_eq(a.status, 406);
    answer_free(&a);
    w.app.limits.body_bytes = 150;
    int pages;
    char *all = export_all(&w, "r", "epoch=4", 1000, &pages);
    cr_assert_str_eq(all, rows[0].body, "a page is cut before it is too large to be posted");
    cr_assert_eq(pages, 5);
    free(all);
    world_close(&w);
}

/* More than the cursors read ahead. */
Test(query_export, pages_hold_everything_once)
{
    struct world w;
    world_open(&w);
    enum { STEPS = 1300 };
    char *body = malloc(STEPS * 120), *end = body;
    for (int i = 0; i < STEPS; i++)
        end += sprintf(end, "{\"stage\":\"t\",\"epoch\":0,\"step\":%d,\"correct\":1,\"total\":2%s}\n", i,
                       i % 3 == 0 ? ",\"sums\":{\"loss\":[1,2]}" : "");
    world_post(&w, "r", body, NULL);
    int pages;
    char *all = export_all(&w, "r", "stage=t", 300, &pages);
    cr_assert_eq(pages, 5);
    int step = 0;
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n"), step++) {
        char want[64];
        snprintf(want, sizeof want, "{\"stage\":\"t\",\"epoch\":0,\"step\":%d,", step);
        cr_assert(strncmp(line, want, strlen(want)) == 0 && (strstr(line, "loss") != NULL) == (step % 3 == 0), "%s",
                  line);
    }
    cr_assert_eq(step, STEPS);
    free(all);
    free(body);
    world_close(&w);
}

/* Kinds of a name that came apart, and disagree in what a record says once, go apart again. */
Test(query_export, kinds_share_a_record_where_they_agree)
{
    struct world w;
    world_open(&w);
#define AT "{\"stage\":\"t\",\"epoch\":0,\"step\":0,"
    world_post(
        &w, "r",
        AT
        "\"exact\":[1,2],\"samples\":9,\"time\":1}\n" AT
        "\"correct\":3,\"total\":5,\"num_classes\":2,\"sums\":{\"loss\":[1,2]},\"time\":2}\n" AT
        "\"scores\":{\"thresholds\":2,\"num_classes\":3,\"cells\":[[2,1,5,0]]},\"time\":3}\n" AT
        "\"calibration\":{\"bins\":1,\"cells\":[[0,5,0.25,5]]},\"task\":\"multilabel\",\"time\":4}\n" AT
        "\"regression\":{\"n\":5,\"mean_target\":1,\"mean_prediction\":2,\"m2_target\":0,\"m2_prediction\":0.5,\"c\":0,"
        "\"sum_error\":5,\"sum_abs_error\":5,\"sum_squared_error\":5.5},\"time\":5}\n",
        NULL);
    static const char *const lines[] = {
        AT "\"rank\":0,\"correct\":3,\"total\":5,\"num_classes\":2,\"regression\":{\"n\":5,\"mean_target\":1,\"mean_"
           "prediction\":2,"
           "\"m2_target\":0,\"m2_prediction\":0.5,\"c\":0,\"sum_error\":5,\"sum_abs_error\":5,\"sum_squared_error\":5."
           "5},\"samples\":5,"
           "\"sums\":{\"loss\":[1,2]},\"time\":2}\n",
        AT
        "\"rank\":0,\"scores\":{\"thresholds\":2,\"num_classes\":3,\"cells\":[[2,1,5,0]]},\"samples\":5,\"time\":3}\n",
        AT "\"rank\":0,\"task\":\"multilabel\",\"calibration\":{\"bins\":1,\"cells\":[[0,5,0.25,5]]},\"samples\":5,"
           "\"time\":4}\n",
        AT "\"rank\":0,\"exact\":[1,2],\"samples\":9,\"time\":1}\n"};
#undef AT
    char wanted[2048] = "";
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        strcat(wanted, lines[i]);
    for (int limit = 1; limit <= 5; limit++) {
        int pages;
        char *all = export_all(&w, "r", "stage=t", limit, &pages);
        cr_assert_str_eq(all, wanted, "limit %d: %s", limit, all);
        cr_assert_eq(pages, (4 + limit - 1) / limit);
        int64_t duplicates;
        cr_assert_eq(world_post(&w, "r", all, &duplicates), 0);
        cr_assert_eq(duplicates, 4);
        free(all);
    }
    /* "0 0 0 4 main": a page that begins at the regression moments holds them, whatever has joined their record since */
    struct answer a = world_get(&w, api_batches_get, "r", "stage=t&cursor=30203020302034206d61696e");
    cr_assert_eq(a.rc, OK);
    cr_assert_str_eq(a.body, lines[0]);
    answer_free(&a);
    world_close(&w);
}
