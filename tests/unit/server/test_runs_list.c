#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest.h"
#include "routes.h"

#include "query_support.h"

/* The same order asked for in a way that sorts all runs: what the newest-first pages are compared with. */
#define BY_HAND "&sort=-created_at,id&limit=1000"
#define COLUMNS "columns=t/accuracy@last,t/loss@best,config.lr"

enum { RUNS = 30 };

static void change_run(struct world *w, enum job_kind kind, const char *run, const struct run_change *change)
{
    struct job job = {.kind = kind, .change = change, .now = w->now, .bytes = 100};
    snprintf(job.run, sizeof job.run, "%s", run);
    ingest_run(w->app.ingest, &job); /* an unknown run is refused, which is fine */
}

/* One random change of the runs; several happen at the same time. */
static void random_change(struct world *w, uint64_t *seed, int step)
{
    static const char *const projects[] = {"p", "q", "only-now-and-then"};
    char run[16], text[160];
    const char *project = projects[random_below(seed, 3)];
    snprintf(run, sizeof run, "r%d", (int)random_below(seed, RUNS));
    w->now += random_below(seed, 3) == 0;
    switch (random_below(seed, 8)) {
    case 0:
    case 1:
        change_run(w, JOB_RUN_PUT, run, &(struct run_change){.project = project});
        break;
    case 2:
        snprintf(text, sizeof text,
                 "{\"stage\":\"t\",\"epoch\":%d,\"step\":%d,\"correct\":%d,\"total\":9,\"values\":{\"loss\":%d}}",
                 step / 50, step, (int)random_below(seed, 9), (int)random_below(seed, 9));
        world_post(w, run, text, NULL);
        break;
    case 3:
        change_run(w, JOB_RUN_DELETE, run, NULL);
        break;
    case 4:
        change_run(w, JOB_RUN_PATCH, run, &(struct run_change){.project = project});
        break;
    case 5:
        change_run(w, JOB_RUN_PATCH, run, &(struct run_change){.has_status = true, .status = RUN_FINISHED});
        break;
    case 6:
        snprintf(text, sizeof text, "{\"lr\":%d}", (int)random_below(seed, 3));
        change_run(w, JOB_RUN_PATCH, run, &(struct run_change){.config_patch = text});
        break;
    default:
        change_run(w, JOB_RUN_PATCH, run, &(struct run_change){0}); /* a sign of life */
        w->now += random_below(seed, 20) == 0 ? 6 * 60 * 1000 : 0;
    }
}

static void add_ids(const struct answer *a, char *out)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, at(a->json, "runs"))
    {
        strcat(out, at(run, "id")->valuestring);
        strcat(out, " ");
    }
}

/* All pages of a list against the list that was sorted by hand. */
static void check_pages(struct world *w, const char *filter, int limit, int step)
{
    char args[1200], seen[RUNS * 8] = "", want[RUNS * 8] = "", cursor[400] = "";
    snprintf(args, sizeof args, "%s" BY_HAND, filter);
    struct answer all = world_get(w, api_runs_get, NULL, args);
    add_ids(&all, want);
    do {
        snprintf(args, sizeof args, "%s&limit=%d%s%s", filter, limit, cursor[0] ? "&cursor=" : "", cursor);
        struct answer page = world_get(w, api_runs_get, NULL, args);
        cr_assert_eq(page.status, 200, "%s", page.body);
        cr_assert(cJSON_GetArraySize(at(page.json, "runs")) <= limit);
        cr_assert_eq(number_at(page.json, "total"), number_at(all.json, "total"), "step %d: %s", step, args);
        add_ids(&page, seen);
        const cJSON *next = at(page.json, "next_cursor");
        snprintf(cursor, sizeof cursor, "%s", cJSON_IsNull(next) ? "" : next->valuestring);
        answer_free(&page);
    } while (cursor[0] != '\0');
    cr_assert_str_eq(seen, want, "step %d: %s", step, filter);
    answer_free(&all);
}

/* projects against the list of all runs */
static void check_projects(struct world *w, int step)
{
    struct answer runs = world_get(w, api_runs_get, NULL, "x=" BY_HAND);
    struct answer projects = world_get(w, api_projects_get, NULL, "");
    const cJSON *run, *project;
    int total = 0;
    cJSON_ArrayForEach(project, at(projects.json, "projects"))
    {
        int n = 0;
        cJSON_ArrayForEach(run, at(runs.json, "runs"))
        {
            n += strcmp(at(run, "project")->valuestring, at(project, "name")->valuestring) == 0;
        }
        cr_assert_eq(number_at(project, "runs"), n, "step %d: %s", step, projects.body);
        cr_assert_gt(n, 0);
        total += n;
    }
    cr_assert_eq(total, number_at(runs.json, "total"), "step %d", step);
    answer_free(&runs);
    answer_free(&projects);
}

/* A page as a client sees it, without what a heartbeat moves. */
static char *seen_by_client(const struct answer *a)
{
    cJSON *run;
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(a->json, "runs"))
    {
        cJSON_DeleteItemFromObject(run, "updated_at");
    }
    return cJSON_PrintUnformatted(a->json);
}

Test(runs_list, pages_and_tags_follow_random_changes_as_a_full_sort_does)
{
    static const char *const lists[] = {"limit=4&" COLUMNS, "project=q&limit=3&" COLUMNS,
                                        "limit=5&sort=t/accuracy@last&" COLUMNS, "limit=4&q=lr>0"};
    enum { LISTS = sizeof lists / sizeof lists[0] };
    char *before[LISTS] = {NULL}, tags[LISTS][64] = {{0}};
    int changed = 0, same = 0;
    uint64_t seed = 20;
    struct world w;
    world_open(&w);
    for (int step = 0; step < 400; step++) {
        random_change(&w, &seed, step);
        for (int i = 0; i < LISTS; i++) {
            struct answer now = world_get(&w, api_runs_get, NULL, lists[i]);
            cr_assert_eq(now.status, 200, "%s", now.body);
            struct answer again = world_get_as(&w, api_runs_get, NULL, lists[i], NULL, tags[i]);
            char *text = seen_by_client(&now);
            bool is_same = before[i] != NULL && strcmp(before[i], text) == 0;
            cr_assert(is_same || strcmp(tags[i], now.etag) != 0, "step %d, %s: %s\n%s", step, lists[i], before[i],
                      text);
            cr_assert_eq(again.status, strcmp(tags[i], now.etag) == 0 ? 304 : 200);
            changed += !is_same;
            same += again.status == 304;
            snprintf(tags[i], sizeof tags[i], "%s", now.etag);
            cJSON_free(before[i]);
            before[i] = text;
            answer_free(&now);
            answer_free(&again);
        }
        if (step % 8 == 0) {
            check_pages(&w, "x=", 1 + (int)random_below(&seed, 7), step);
            check_pages(&w, "project=q", 1 + (int)random_below(&seed, 7), step);
            check_projects(&w, step);
        }
    }
    cr_assert(changed > 200 && same > 200, "%d changed, %d same", changed, same);
    for (int i = 0; i < LISTS; i++)
        cJSON_free(before[i]);
    world_close(&w);
}

Test(runs_list, a_change_outside_the_page_moves_its_tag_only_where_it_moves_the_page)
{
    struct world w;
    world_open(&w);
    for (int i = 0; i < 6; i++) {
        char run[8];
        snprintf(run, sizeof run, "r%d", i);
        w.now++;
        world_put(&w, run, "p", NULL, NULL, NULL, NULL);
    }
    struct answer page = world_get(&w, api_runs_get, NULL, "limit=3"), again;
    world_post(&w, "r1", "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"values\":{\"loss\":1}}", NULL);
    again = world_get_as(&w, api_runs_get, NULL, "limit=3", NULL, page.etag);
    cr_assert_eq(again.status, 304, "what is not shown does not matter");
    answer_free(&again);
    change_run(&w, JOB_RUN_DELETE, "r1", NULL);
    again = world_get_as(&w, api_runs_get, NULL, "limit=3", NULL, page.etag);
    cr_assert(again.status == 200 && number_at(again.json, "total") == 5, "the total is shown");
    answer_free(&again);
    world_post(&w, "r5", "{\"stage\":\"t\",\"epoch\":0,\"step\":0,\"values\":{\"loss\":1}}", NULL);
    struct answer later = world_get(&w, api_runs_get, NULL, "limit=3");
    cr_assert_str_neq(later.etag, page.etag);
    answer_free(&later);
    answer_free(&page);
    world_close(&w);
}

Test(runs_list, a_cursor_goes_on_where_its_run_was_deleted_and_one_made_by_hand_is_refused)
{
    struct world w;
    char args[400], cursor[300];
    world_open(&w);
    for (int i = 0; i < 5; i++) {
        char run[8];
        snprintf(run, sizeof run, "r%d", i);
        world_put(&w, run, "p", NULL, NULL, NULL, NULL); /* all at the same time: by id */
    }
    struct answer page = world_get(&w, api_runs_get, NULL, "limit=2");
    cr_assert_str_eq(at(page.json, "runs|1|id")->valuestring, "r1");
    snprintf(cursor, sizeof cursor, "%s", at(page.json, "next_cursor")->valuestring);
    answer_free(&page);
    change_run(&w, JOB_RUN_DELETE, "r1", NULL);
    change_run(&w, JOB_RUN_DELETE, "r2", NULL);
    snprintf(args, sizeof args, "limit=2&cursor=%s", cursor);
    page = world_get(&w, api_runs_get, NULL, args);
    cr_assert_str_eq(at(page.json, "runs|0|id")->valuestring, "r3");
    cr_assert(is_null_at(page.json, "next_cursor"));
    answer_free(&page);

    /* "\nd<bits>\n<id>" in hexadecimal; a time that is none */
    static const char *const bad[] = {
        "0a6e0a7231", "0a74313a780a7231", "0a646e616e0a7231", "0a642d310a7231", "0a64316533300a7231", "0a64", "zz", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(args, sizeof args, "cursor=%s", bad[i]);
        page = world_get(&w, api_runs_get, NULL, args);
        cr_assert_eq(page.status, 422, "%s: %s", bad[i], page.body);
        answer_free(&page);
    }
    world_close(&w);
}
