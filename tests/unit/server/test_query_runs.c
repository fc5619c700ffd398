#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "query_columns.h"
#include "routes.h"

#include "query_support.h"

static void fill(struct world *w)
{
    static const struct {
        const char *run, *project, *config, *tag;
        int correct;
    } runs[] = {{"r1", "p", "{\"net\":\"mlp\",\"lr\":0.1}", "odd", 5},
                {"r2", "p", "{\"net\":\"cnn\",\"lr\":0.01}", "even", 9},
                {"r3", "q", "{\"net\":\"mlp\"}", "odd", 7},
                {"r4", "p", "{\"net\":\"cnn\",\"lr\":0.5}", "even", -1},
                {"r5", "q", "{\"net\":\"mlp\",\"lr\":1}", "odd", 1}};
    for (size_t i = 0; i < 5; i++) {
        char body[256], name[16];
        w->now++;
        snprintf(name, sizeof name, i == 4 ? "=Run, %zu" : "Run %zu", i + 1);
        world_put(w, runs[i].run, runs[i].project, name, runs[i].config, runs[i].tag, NULL);
        for (int e = 0; e < 2 && runs[i].correct >= 0; e++) {
            snprintf(body, sizeof body,
                     "{\"stage\":\"test\",\"epoch\":%d,\"step\":0,\"confusion\":[[%d,%d],[0,10]],\"sums\":{\"loss\":[%"
                     "d,20]}}",
                     e, runs[i].correct - e, 10 - runs[i].correct + e, 20 - runs[i].correct + e);
            world_post(w, runs[i].run, body, NULL);
        }
    }
    world_status(w, "r2", RUN_FINISHED);
}

static void ids(struct world *w, const char *args, char *out)
{
    struct answer a = world_get(w, api_runs_get, NULL, args);
    const cJSON *run;
    *out = '\0';
    cr_assert_eq(a.rc, OK, "%s: %s", args, a.problem.detail);
    cJSON_ArrayForEach(run, at(a.json, "runs"))
    {
        strcat(out, *out ? "," : "");
        strcat(out, at(run, "id")->valuestring);
    }
    answer_free(&a);
}

Test(query_runs, lists_are_filtered_and_sorted)
{
    struct world w;
    world_open(&w);
    fill(&w);
    static const struct {
        const char *args, *ids;
    } rows[] = {
        {"", "r5,r4,r3,r2,r1"},
        {"project=q", "r5,r3"},
        {"project=nothing", ""},
        {"status=finished", "r2"},
        {"status=running", "r5,r4,r3,r1"},
        {"tag=even", "r4,r2"},
        {"tag=odd&project=p", "r1"},
        {"q=lr>0.05", "r5,r4,r1"},
        {"q=lr>0.05 tag:odd", "r5,r1"},
        {"q=r3", "r3"},
        {"q=run net=cnn", "r4,r2"},
        {"sort=id", "r1,r2,r3,r4,r5"},
        {"sort=-name", "r4,r3,r2,r1,r5"},
        {"sort=config.lr", "r2,r1,r4,r5,r3"},
        {"sort=-config.lr", "r5,r4,r1,r2,r3"},
        {"sort=-test/accuracy.macro@best", "r2,r3,r1,r5,r4"},
        {"sort=test/accuracy.macro@best", "r5,r1,r3,r2,r4"},
        {"sort=config.net,-id", "r4,r2,r5,r3,r1"},
        {"sort=tags,id", "r2,r4,r1,r3,r5"},
        {"sort=status,id&limit=2", "r2,r1"},
        {"sort=test/loss@last&limit=1", "r2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[200];
        ids(&w, rows[i].args, got);
        cr_assert_str_eq(got, rows[i].ids, "%s", rows[i].args);
    }
    static const struct {
        const char *args, *pointer;
    } bad[] = {{"sort=colour", "?sort"},
               {"sort=", "?sort"},
               {"status=done", "?status"},
               {"limit=0", "?limit"},
               {"limit=1001", "?limit"},
               {"cursor=garbage!", "?cursor"},
               {"cursor=00", "?cursor"},
               {"q=lr>", "?q"},
               {"columns=test/accuracy@x", "?columns"},
               {"columns=test/acuracy.macro@last", "?columns"},
               {"columns=accuracy@last", "?columns"},
               {"columns=config.", "?columns"},
               {"columns=test/recall.none@last", "?columns"},
               {"columns=", "?columns"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer a = world_get(&w, api_runs_get, NULL, bad[i].args);
        bool named = a.status == 422 && strcmp(a.problem.places[0].pointer, bad[i].pointer) == 0;
        if (a.status == 200) /* a weighted mean may bear any name */
            named =
                strstr(bad[i].args, "acuracy") == NULL || is_null_at(a.json, "runs|0|columns|test/acuracy.macro@last");
        cr_assert(named, "%s: %d %s", bad[i].args, a.status, a.problem.detail);
        answer_free(&a);
    }
    world_close(&w);
}

Test(query_runs, columns_are_exact_epoch_values_or_config)
{
    struct world w;
    world_open(&w);
    fill(&w);
    static const char columns[] =
        "columns=test/accuracy.macro@last,test/accuracy.macro@best,test/accuracy.macro@min,test/accuracy.macro@max,"
        "test/accuracy.macro@0,test/loss@best,test/loss@last,test/loss:min@max,config.lr,config.net,test/"
        "kappa@linear@last,"
        "config.lr,test/hamming@best&sort=id";
    struct answer a = world_get(&w, api_runs_get, NULL, columns);
    cr_assert_eq(a.rc, OK, "%s", a.problem.detail);
    cr_assert_eq(cJSON_GetArraySize(at(a.json, "runs|0|columns")), 12, "each once");
    const struct {
        const char *column;
        double want;
    } rows[] = {{"test/accuracy.macro@last", 0.7}, {"test/accuracy.macro@best", 0.75}, {"test/accuracy.macro@min", 0.7},
                {"test/accuracy.macro@max", 0.75}, {"test/accuracy.macro@0", 0.75},    {"test/loss@best", 0.75},
                {"test/loss@last", 0.8},           {"test/loss:min@max", 0.8},         {"config.lr", 0.1},
                {"test/hamming@best", 0.25}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[100];
        snprintf(path, sizeof path, "runs|0|columns|%s", rows[i].column);
        cr_assert(fabs(number_at(a.json, path) - rows[i].want) < 1e-12, "%s: %g", path, number_at(a.json, path));
    }
    cr_assert_str_eq(at(a.json, "runs|0|columns|config.net")->valuestring, "mlp");
    cr_assert(is_null_at(a.json, "runs|3|columns|test/accuracy.macro@last") &&
              is_null_at(a.json, "runs|2|columns|config.lr"));
    cr_assert(at(a.json, "runs|0|series") == NULL && at(a.json, "runs|0|config") == NULL);
    cr_assert(number_at(a.json, "total") == 5 && is_null_at(a.json, "next_cursor"));
    answer_free(&a);
    a = world_get_as(&w, api_runs_get, NULL, "columns=config.lr,test/accuracy@last&q=r5", "text/csv", NULL);
    cr_assert(
        strstr(a.body,
               "id,project,name,status,notes,created_at,updated_at,ended_at,revision,config.lr,test/accuracy@last\r\n"
               "r5,q,\"'=Run, 5\",running,,1763884800005,1763884800005,,") == a.body,
        "%s", a.body);
    cr_assert(strstr(a.body, ",1,0.5\r\n") != NULL, "%s", a.body);
    answer_free(&a);
    world_close(&w);
}

Test(query_runs, pages_follow_each_other_in_any_order)
{
    struct world w;
    world_open(&w);
    fill(&w);
    static const char *const orders[] = {
        "",          "sort=id", "sort=-config.lr", "project=p", "sort=config.net,-test/accuracy@best", "sort=-name",
        "sort=tags", "q=run"};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        char want[200], seen[200] = "", args[900], cursor[700] = "";
        ids(&w, orders[i], want);
        for (int page = 0;; page++) {
            char got[100];
            cr_assert(page < 4, "%s", orders[i]);
            snprintf(args, sizeof args, "%s&limit=2%s%s", orders[i], cursor[0] ? "&cursor=" : "", cursor);
            ids(&w, args, got);
            strcat(seen, *seen ? "," : "");
            strcat(seen, got);
            struct answer a = world_get(&w, api_runs_get, NULL, args);
            const cJSON *next = at(a.json, "next_cursor");
            cr_assert_eq(cJSON_IsNull(next), a.link[0] == '\0', "%s", a.link);
            snprintf(cursor, sizeof cursor, "%s", cJSON_IsNull(next) ? "" : next->valuestring);
            answer_free(&a);
            if (cursor[0] == '\0')
                break;
            if (page == 0 && i == 1) { /* what comes in between changes nothing behind it */
                world_put(&w, "a-new", "p", "New", "{}", NULL, NULL);
            }
        }
        cr_assert_str_eq(seen, want, "%s", orders[i]);
        if (i == 1) { /* a cursor of one order is none of another */
            struct answer a = world_get(&w, api_runs_get, NULL, "limit=1&sort=id"), b;
            snprintf(args, sizeof args, "sort=name&cursor=%s", at(a.json, "next_cursor")->valuestring);
            b = world_get(&w, api_runs_get, NULL, args);
            cr_assert_eq(b.status, 422);
            answer_free(&a);
            answer_free(&b);
        }
    }
    world_close(&w);
}

Test(query_runs, tags_of_lists_follow_content_and_status_not_heartbeats)
{
    struct world w;
    world_open(&w);
    fill(&w);
    struct answer list = world_get(&w, api_runs_get, NULL, "project=p"),
                  projects = world_get(&w, api_projects_get, NULL, ""), run = world_get(&w, api_run_get, "r1", "");
    cr_assert_str_eq(at(projects.json, "projects|0|name")->valuestring, "p");
    cr_assert_eq(number_at(projects.json, "projects|0|runs"), 3);
    cr_assert_str_eq(at(run.json, "series|0|name")->valuestring, "loss");
    w.now += 1000;
    world_status(&w, "r2", RUN_FINISHED); /* says nothing new */
    struct answer again[] = {world_get_as(&w, api_runs_get, NULL, "project=p", NULL, list.etag),
                             world_get_as(&w, api_projects_get, NULL, "", NULL, projects.etag),
                             world_get_as(&w, api_run_get, "r1", "", NULL, run.etag)};
    for (int i = 0; i < 3; i++) {
        cr_assert(again[i].status == 304 && again[i].body[0] == '\0', "%d", i);
        answer_free(&again[i]);
    }
    w.now += 10 * 60 * 1000;
    struct answer crashed = world_get_as(&w, api_runs_get, NULL, "project=p", NULL, list.etag);
    cr_assert(crashed.status == 200 && strcmp(at(crashed.json, "runs|0|status")->valuestring, "crashed") == 0);
    answer_free(&crashed);
    answer_free(&list);
    answer_free(&projects);
    answer_free(&run);
    world_close(&w);
}
