#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture_store.h"

static int open_again(const char *path, struct problem *p)
{
    struct store *s = NULL;
    int status = store_open(&s, &(struct store_options){.path = path}, p);

    store_close(s);
    return status;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    cr_assert(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

Test(store, files_are_private_and_survive_a_restart)
{
    struct fixture f;
    struct stat st;
    static const char *const SUFFIX[] = {"", "-wal", "-shm", ".lock"};
    char name[128];

    umask(0);
    memset(&f, 0, sizeof f);
    fixture_start(&f);
    struct post post;
    post_init(&post, "r1");
    post_record(&post, "train", 0, 0, 0);
    post_totals(&post, "main", 3, 4);
    cr_assert_eq(post_send(&f, &post), OK);
    for (size_t i = 0; i < sizeof SUFFIX / sizeof SUFFIX[0]; i++) {
        snprintf(name, sizeof name, "%s%s", f.path, SUFFIX[i]);
        cr_assert_eq(stat(name, &st), 0, "%s", name);
        cr_assert_eq(st.st_mode & 0777, 0600, "%s", name);
    }
    fixture_restart(&f);
    cr_assert_eq(revision_of(&f, "r1"), 1);
    check_rollups(&f, "r1", "after a restart");
    fixture_stop(&f);
    snprintf(name, sizeof name, "%s-wal", f.path);
    cr_assert_neq(stat(name, &st), 0, "a clean stop leaves no WAL");
    fixture_remove(&f);
}

Test(store, a_second_server_is_refused_by_any_name_of_the_file)
{
    struct fixture f;
    struct problem p = {0};
    char link_path[128];

    fixture_open(&f);
    cr_assert_eq(open_again(f.path, &p), PROBLEM_STORAGE);
    cr_assert(strstr(p.detail, "another tally server") != NULL, "%s", p.detail);
    snprintf(link_path, sizeof link_path, "%s/link.db", f.dir);
    cr_assert_eq(symlink(f.path, link_path), 0);
    cr_assert_eq(open_again(link_path, &p), PROBLEM_STORAGE);
    unlink(link_path);

    pid_t child = fork();
    if (child == 0)
        _exit(open_again(f.path, &p) == PROBLEM_STORAGE ? 0 : 1);
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);

    /* the refused ones did not disturb the first */
    int64_t runs = -1;
    cr_assert_eq(store_runs_count(f.reader, NULL, &runs, &p), OK);
    fixture_stop(&f);
    cr_assert_eq(open_again(f.path, &p), OK, "%s", p.detail);
    fixture_remove(&f);
}

Test(store, what_is_not_ours_or_newer_is_left_alone)
{
    struct fixture f;
    struct problem p = {0};
    char lock[128], command[256];
    struct stat before, after;

    fixture_folder(&f);
    snprintf(lock, sizeof lock, "%s.lock", f.path);

    char text[200];
    memset(text, 'x', sizeof text);
    write_file(f.path, text, sizeof text);
    cr_assert_eq(open_again(f.path, &p), STORE_FOREIGN);
    cr_assert(strstr(p.detail, "not a database") != NULL, "%s", p.detail);
    cr_assert_neq(access(lock, F_OK), 0, "no lock file beside a foreign file");
    unlink(f.path);

    /* an empty SQLite database with another application id: only its header matters */
    uint8_t page[4096] = "SQLite format 3";
    page[68] = 1;
    write_file(f.path, page, sizeof page);
    cr_assert_eq(open_again(f.path, &p), STORE_FOREIGN);
    cr_assert(strstr(p.detail, "not one of tally") != NULL, "%s", p.detail);
    unlink(f.path);

    cr_assert_eq(open_again(f.path, &p), OK, "%s", p.detail);
    FILE *file = fopen(f.path, "r+b");
    uint8_t version[4] = {0, 0, 0, 200};
    cr_assert(file != NULL && fseek(file, 60, SEEK_SET) == 0 && fwrite(version, 1, 4, file) == 4 && fclose(file) == 0);
    cr_assert_eq(stat(f.path, &before), 0);
    cr_assert_eq(open_again(f.path, &p), STORE_FOREIGN);
    cr_assert(strstr(p.detail, "later version") != NULL, "%s", p.detail);
    cr_assert_eq(store_token_list(f.path, NULL, NULL, &p), STORE_FOREIGN);
    cr_assert_eq(stat(f.path, &after), 0);
    cr_assert(before.st_size == after.st_size && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);

    snprintf(command, sizeof command, "%s/none/t.db", f.dir);
    cr_assert_eq(open_again(command, &p), PROBLEM_STORAGE, "a folder that is not there");
    fixture_remove(&f);
}

static int count_token(void *context, const struct token_row *row)
{
    (void)row;
    ++*(int *)context;
    return OK;
}

Test(store, tokens_are_made_and_revoked_beside_a_running_server)
{
    struct fixture f;
    struct problem p = {0};
    struct token_row token = {.name = "ci", .scope = "write", .created_at = 1};
    bool found = true;
    int n = 0;

    fixture_folder(&f);
    cr_assert_eq(store_token_list(f.path, count_token, &n, &p), PROBLEM_STORAGE, "listing makes no database");
    cr_assert_eq(store_token_create(f.path, &token, &p), OK, "before the first server: %s", p.detail);
    cr_assert_eq(token.token, 1);

    fixture_start(&f);
    for (int i = 0; i < 20; i++) {
        struct post post;
        post_init(&post, "r");
        post_record(&post, "train", 0, i, 0);
        post_totals(&post, "main", 1, 2);
        cr_assert_eq(post_send(&f, &post), OK);
        token.sha256[0] = (uint8_t)(i + 1);
        cr_assert_eq(store_token_create(f.path, &token, &p), OK, "%s", p.detail);
    }
    cr_assert_eq(store_tokens_each(f.reader, count_token, &n, &p), OK);
    cr_assert_eq(n, 21);
    cr_assert_eq(store_token_revoke(f.path, 5, &found, &p), OK);
    cr_assert(found);
    cr_assert_eq(store_token_revoke(f.path, 5, &found, &p), OK);
    cr_assert_not(found);
    n = 0;
    cr_assert_eq(store_token_list(f.path, count_token, &n, &p), OK);
    cr_assert_eq(n, 20);
    fixture_restart(&f);
    n = 0;
    cr_assert_eq(store_tokens_each(f.reader, count_token, &n, &p), OK);
    cr_assert_eq(n, 20);
    check_rollups(&f, "r", "beside tokens");
    fixture_remove(&f);
}

Test(store, rows_come_back_as_they_were_written)
{
    struct fixture f;
    struct problem p = {0};
    struct run_row run = {.id = "r1",
                          .project = "vision",
                          .name = "first \xc3\xa4",
                          .config = "{\"lr\":0.1}",
                          .tags = "[\"a\",\"b \\\"c\\\"\"]",
                          .created_at = 7,
                          .updated_at = 8,
                          .seen_at = 9,
                          .revision = 3};
    struct run_row read = {0};
    bool found = false;

    fixture_open(&f);
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_run(f.store, &run, &p), OK, "%s", p.detail);
    struct series_row series = {.run = run.run, .stage = "test", .name = "a/loss", .shape = {.form = FORM_MEAN}};
    cr_assert_eq(store_write_series(f.store, &series, &p), OK, "%s", p.detail);
    cr_assert_eq(series.series, 1);
    struct rollup_row rollup = {.run = run.run,
                                .series = 1,
                                .epoch = 4,
                                .batches = INT64_MAX,
                                .primary_min = NAN,
                                .primary_max = 0.1,
                                .ranks = (const uint8_t *)"\0",
                                .ranks_size = 1,
                                .state = (const uint8_t *)"abc",
                                .state_size = 3};
    cr_assert_eq(store_write_rollup(f.store, &rollup, &p), OK, "%s", p.detail);
    cr_assert_eq(store_run_find(f.reader, "r1", &read, &found, &p), OK);
    cr_assert_not(found, "not before the commit");
    cr_assert_eq(store_commit(f.store, &p), OK, "%s", p.detail);

    cr_assert_eq(store_run_find(f.reader, "r1", &read, &found, &p), OK);
    cr_assert(found);
    cr_assert_str_eq(read.project, "vision");
    cr_assert_str_eq(read.name, run.name);
    cr_assert_str_eq(read.config, run.config);
    cr_assert_str_eq(read.tags, run.tags);
    cr_assert_null(read.notes);
    cr_assert_eq(read.revision, 3);
    cr_assert_eq(read.incarnation, run.run);
    run_row_release(&read);

    struct rollup_row back;
    cr_assert_eq(store_rollup_get(f.reader, run.run, 1, 4, 0, 0, &back, &found, &p), OK);
    cr_assert(found && back.batches == INT64_MAX && isnan(back.primary_min) && back.primary_max == 0.1);
    cr_assert(back.state_size == 3 && memcmp(back.state, "abc", 3) == 0 && back.ranks_size == 1);
    cr_assert_eq(store_rollup_get(f.reader, run.run, 1, 5, 0, 0, &back, &found, &p), OK);
    cr_assert_not(found);
    fixture_remove(&f);
}

static int count_run(void *context, struct run_row *row)
{
    char *ids = context;

    strcat(ids, row->id);
    return strlen(ids) >= 4 ? STORE_STOP : OK;
}

static int add_project(void *context, const char *project, int64_t runs)
{
    char *list = context;

    sprintf(list + strlen(list), "%s=%ld ", project, (long)runs);
    return OK;
}

Test(store, lists_show_visible_runs_newest_first)
{
    struct fixture f;
    struct problem p = {0};
    char list[200] = "";
    int64_t hidden = 0;
    bool more = true;

    fixture_open(&f);
    for (int i = 0; i < 4; i++) {
        struct run_row run = {.created_at = i / 2};
        snprintf(run.id, sizeof run.id, "%c", 'a' + i);
        snprintf(run.project, sizeof run.project, "%s", i == 3 ? "other" : "one");
        cr_assert_eq(store_begin(f.store, &p), OK);
        cr_assert_eq(store_write_run(f.store, &run, &p), OK);
        if (i == 1)
            hidden = run.run;
        cr_assert_eq(store_commit(f.store, &p), OK);
    }
    cr_assert_eq(store_runs_each(f.reader, NULL, count_run, list, &p), OK);
    cr_assert_str_eq(list, "cdab");
    list[0] = '\0';
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_run_hide(f.store, hidden, &p), OK);
    cr_assert_eq(store_commit(f.store, &p), OK);
    cr_assert_eq(store_runs_each(f.reader, "one", count_run, list, &p), OK);
    cr_assert_str_eq(list, "ca");
    list[0] = '\0';
    cr_assert_eq(store_projects_each(f.reader, add_project, list, &p), OK);
    cr_assert_str_eq(list, "one=2 other=1 ");

    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_purge(f.store, 10, &more, &p), OK, "%s", p.detail);
    cr_assert_eq(store_commit(f.store, &p), OK);
    cr_assert_not(more);
    fixture_remove(&f);
}

Test(store, a_rollback_leaves_nothing_and_writing_outside_a_transaction_is_refused)
{
    struct fixture f;
    struct problem p = {0};
    struct run_row run = {.id = "r", .project = "p"};
    bool found = true;

    fixture_open(&f);
    cr_assert_eq(store_write_run(f.store, &run, &p), PROBLEM_STORAGE);
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_run(f.store, &run, &p), OK);
    store_rollback(f.store);
    struct run_row read;
    cr_assert_eq(store_run_find(f.reader, "r", &read, &found, &p), OK);
    cr_assert_not(found);
    cr_assert_eq(store_begin(f.store, &p), OK, "the gate is free again");
    store_rollback(f.store);
    fixture_remove(&f);
}

Test(store, a_snapshot_does_not_see_later_commits)
{
    struct fixture f;
    struct problem p = {0};
    int64_t a = 0, b = 0;

    fixture_open(&f);
    cr_assert_eq(store_snapshot_begin(f.reader, &p), OK);
    cr_assert_eq(store_runs_count(f.reader, NULL, &a, &p), OK);
    struct run_row run = {.id = "r", .project = "p"};
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(store_write_run(f.store, &run, &p), OK);
    cr_assert_eq(store_commit(f.store, &p), OK);
    cr_assert_eq(store_checkpoint(f.store, true, &p), OK, "a reader in the way is no error");
    cr_assert_eq(store_runs_count(f.reader, NULL, &b, &p), OK);
    cr_assert_eq(a, b);
    store_snapshot_end(f.reader);
    cr_assert_eq(store_runs_count(f.reader, NULL, &b, &p), OK);
    cr_assert_gt(b, a);
    fixture_remove(&f);
}

/* Rows (1, 1, 0, step, 0) for each step of a list. */
struct steps_source {
    const int64_t *step;
    size_t n, i_next;
};

static bool next_step(void *context, struct batch_row *out)
{
    static const uint8_t STATE[] = {0, 0, 1, 2};
    struct steps_source *s = context;

    if (s->i_next == s->n)
        return false;
    *out = (struct batch_row){.run = 1,
                              .series = 1,
                              .key = {.step = s->step[s->i_next++]},
                              .samples = 2,
                              .correct = 1,
                              .logged_at = 7,
                              .state = STATE,
                              .state_size = sizeof STATE};
    return true;
}

static int insert_steps(struct fixture *f, const int64_t *step, size_t n, struct problem *p)
{
    struct steps_source steps = {step, n, 0};

    return store_write_batches(f->store, &(struct batch_source){next_step, &steps}, p);
}

static int count_rows(void *context, const struct batch_row *row)
{
    (void)row;
    ++*(int *)context;
    return OK;
}

static int stored_rows(struct fixture *f)
{
    struct batch_key from = {0}, to = {.epoch = INT64_MAX, .step = INT64_MAX, .rank = INT64_MAX};
    struct problem p = {0};
    int n = 0;

    cr_assert_eq(store_batches_each(f->reader, 1, 1, &from, &to, count_rows, &n, &p), OK, "%s", p.detail);
    return n;
}

Test(store, batches_go_in_together_or_the_transaction_is_given_up)
{
    static const int64_t STEPS[] = {1, 2, 3, 900}, REPEATED[] = {4, 5, 2, 6};
    struct fixture f;
    struct problem p = {0};

    fixture_open(&f);
    cr_assert_eq(insert_steps(&f, STEPS, 4, &p), PROBLEM_STORAGE, "outside a transaction");
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(store_begin(f.store, &p), OK);
        cr_assert_eq(insert_steps(&f, STEPS, 0, &p), OK, "none is no failure");
        cr_assert_eq(insert_steps(&f, STEPS, 4, &p), OK, "%s", p.detail);
        if (round == 0)
            store_rollback(f.store);
        else
            cr_assert_eq(store_commit(f.store, &p), OK);
        cr_assert_eq(stored_rows(&f), round == 0 ? 0 : 4);
    }
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(insert_steps(&f, REPEATED, 4, &p), PROBLEM_INTERNAL, "a key that is there is a defect");
    store_rollback(f.store);
    cr_assert_eq(stored_rows(&f), 4);
    cr_assert_eq(store_begin(f.store, &p), OK);
    cr_assert_eq(insert_steps(&f, REPEATED, 2, &p), OK, "and harms nobody after it: %s", p.detail);
    cr_assert_eq(store_commit(f.store, &p), OK);
    cr_assert_eq(stored_rows(&f), 6);
    fixture_remove(&f);
}

Test(store, room_is_refused_where_the_disk_could_not_hold_the_rows)
{
    struct fixture f;
    struct problem p = {0};

    fixture_open(&f);
    cr_assert_eq(store_room(f.store, 1, &p), OK, "%s", p.detail);
    cr_assert_not(store_is_full(f.store));
    /* a page for each: more than any disk has */
    cr_assert_eq(store_room(f.store, (size_t)1 << 48, &p), PROBLEM_STORAGE_FULL);
    cr_assert_gt(p.retry_after_s, 0);
    cr_assert(store_is_full(f.store));
    cr_assert_not(store_is_read_only(f.store), "full is not failed");
    cr_assert_eq(store_room(f.store, 0, &p), OK, "%s", p.detail);
    cr_assert_not(store_is_full(f.store));
    fixture_remove(&f);
}

/* As a process leaves them that is killed at this moment. */
static void copy_file(const char *from, const char *to)
{
    static char data[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n = 0;

    cr_assert(in != NULL && out != NULL, "%s", from);
    while ((n = fread(data, 1, sizeof data, in)) > 0)
        cr_assert_eq(fwrite(data, 1, n, out), n);
    cr_assert(fclose(in) == 0 && fclose(out) == 0);
}

Test(store, every_commit_is_in_the_files_at_once_small_or_large_and_when_the_log_starts_over)
{
    static const size_t ROWS[] = {1, 3, 20000, 1, 60000, 2, 200000, 1, 5};
    static int64_t step[200000];
    struct fixture f, copy = {0};
    struct problem p = {0};
    int64_t next = 0;
    char from[128], to[128];

    fixture_folder(&f);
    fixture_folder(&copy);
    cr_assert_eq(store_open(&f.store, &(struct store_options){.path = f.path, .durability = STORE_FULL}, &p), OK);
    snprintf(from, sizeof from, "%s-wal", f.path);
    snprintf(to, sizeof to, "%s-wal", copy.path);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        for (size_t k = 0; k < ROWS[i]; k++)
            step[k] = next++;
        cr_assert_eq(store_begin(f.store, &p), OK);
        cr_assert_eq(insert_steps(&f, step, ROWS[i], &p), OK, "%s", p.detail);
        cr_assert_eq(store_commit(f.store, &p), OK, "%s", p.detail);
        copy_file(f.path, copy.path);
        copy_file(from, to);
        cr_assert_eq(store_open(&copy.store, &(struct store_options){.path = copy.path}, &p), OK, "%s", p.detail);
        cr_assert_eq(store_reader_open(copy.store, &copy.reader, &p), OK);
        cr_assert_eq(stored_rows(&copy), (int)next, "commit %zu", i);
        fixture_stop(&copy);
        cr_assert_eq(store_checkpoint(f.store, i % 2 == 1, &p), OK, "%s", p.detail);
    }
    fixture_remove(&f);
    fixture_remove(&copy);
}
