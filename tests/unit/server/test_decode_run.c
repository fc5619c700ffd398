#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content_type.h"
#include "decode_run.h"
#include "encode_run.h"
#include "stage_declaration.h"

static struct limits small_limits(void)
{
    struct limits l;
    limits_default(&l);
    l.classes = 3;
    return l;
}

Test(decode_run, a_whole_document_is_taken_apart)
{
    static const char body[] =
        "{\"project\":\"vision\",\"name\":\"r\\u00e9sum\\u00e9\",\"config\": {\"lr\": 0.1, \"n\":{}} ,"
        "\"tags\":[\"b\",\"a\",\"b\"],\"notes\":null,\"stages\": {\"test\":{\"class_names\":[\"cat\",\"dog\"],"
        "\"dataset_size\":10000,\"world_size\":4,\"ignore_index\":-100,\"top_k\":2},\"old\":null}}";
    struct limits l = small_limits();
    struct arena arena;
    struct run_change c;
    struct problem p = {0};
    arena_init(&arena);
    cr_assert_eq(decode_run_put(body, sizeof body - 1, &l, &arena, &c, &p), OK, "%s", p.detail);
    cr_assert_str_eq(c.project, "vision");
    cr_assert(c.has_name);
    cr_assert_str_eq(c.name, "r\xc3\xa9sum\xc3\xa9");
    cr_assert_str_eq(c.config_patch, "{\"lr\": 0.1, \"n\":{}}");
    cr_assert(c.has_tags && c.n_tags == 2);
    cr_assert_str_eq(c.tags[0], "a");
    cr_assert_str_eq(c.tags[1], "b");
    cr_assert(c.has_notes && c.notes == NULL);
    cr_assert(!c.has_status);
    cr_assert_eq(strncmp(c.stages_patch, "{\"test\":", 8), 0);
    cr_assert_str_eq(c.stages_patch + strlen(c.stages_patch) - 12, ",\"old\":null}");
    arena_release(&arena);
}

Test(decode_run, an_empty_body_is_an_empty_put_and_no_patch)
{
    struct limits l = small_limits();
    struct arena arena;
    struct run_change c;
    struct problem p = {0};
    arena_init(&arena);
    cr_assert_eq(decode_run_put(NULL, 0, &l, &arena, &c, &p), OK);
    cr_assert(c.project == NULL && !c.has_name && !c.has_notes && c.config_patch == NULL && !c.has_tags &&
              !c.has_status);
    cr_assert_eq(decode_run_patch("", 0, &l, &arena, &c, &p), PROBLEM_MALFORMED);
    cr_assert_eq(decode_run_patch("{}", 2, &l, &arena, &c, &p), OK);
    cr_assert_eq(decode_run_patch("{\"status\":\"killed\"}", 19, &l, &arena, &c, &p), OK);
    cr_assert(c.has_status && c.status == RUN_KILLED);
    arena_release(&arena);
}

Test(decode_run, bad_documents_are_refused_with_code_and_pointer)
{
    static const struct {
        const char *body;
        int code;
        const char *pointer;
    } rows[] = {
        {"[]", PROBLEM_INVALID, ""},
        {"{", PROBLEM_MALFORMED, ""},
        {"{}x", PROBLEM_MALFORMED, ""},
        {"{\"nmae\":\"x\"}", PROBLEM_UNKNOWN_FIELD, "/nmae"},
        {"{\"name\":\"x\",\"name\":\"y\"}", PROBLEM_MALFORMED, "/name"},
        {"{\"project\":null}", PROBLEM_INVALID, "/project"},
        {"{\"project\":\"\"}", PROBLEM_INVALID, "/project"},
        {"{\"project\":\"a/b\"}", PROBLEM_INVALID, "/project"},
        {"{\"name\":3}", PROBLEM_INVALID, "/name"},
        {"{\"notes\":[]}", PROBLEM_INVALID, "/notes"},
        {"{\"config\":null}", PROBLEM_INVALID, "/config"},
        {"{\"config\":[]}", PROBLEM_INVALID, "/config"},
        {"{\"config\":{\"a\":1,\"a\":2}}", PROBLEM_MALFORMED, "/config/a"},
        {"{\"config\":{\"a\":1e400}}", PROBLEM_INVALID, "/config/a"},
        {"{\"tags\":\"a\"}", PROBLEM_INVALID, "/tags"},
        {"{\"tags\":null}", PROBLEM_INVALID, "/tags"},
        {"{\"tags\":[\"a\",\"\"]}", PROBLEM_INVALID, "/tags/1"},
        {"{\"tags\":[1]}", PROBLEM_INVALID, "/tags/0"},
        {"{\"stages\":null}", PROBLEM_INVALID, "/stages"},
        {"{\"stages\":{\"a b\":{}}}", PROBLEM_INVALID, "/stages/a b"},
        {"{\"stages\":{\"t\":[]}}", PROBLEM_INVALID, "/stages/t"},
        {"{\"stages\":{\"t\":{\"class_name\":[]}}}", PROBLEM_UNKNOWN_FIELD, "/stages/t/class_name"},
        {"{\"stages\":{\"t\":{\"class_names\":[\"a\",\"\"]}}}", PROBLEM_INVALID, "/stages/t/class_names/1"},
        {"{\"stages\":{\"t\":{\"class_names\":[\"a\",\"b\",\"c\",\"d\"]}}}", PROBLEM_INVALID,
         "/stages/t/class_names/3"},
        {"{\"stages\":{\"t\":{\"class_names\":{}}}}", PROBLEM_INVALID, "/stages/t/class_names"},
        {"{\"stages\":{\"t\":{\"dataset_size\":-1}}}", PROBLEM_INVALID, "/stages/t/dataset_size"},
        {"{\"stages\":{\"t\":{\"world_size\":1.5}}}", PROBLEM_INVALID, "/stages/t/world_size"},
        {"{\"stages\":{\"t\":{\"ignore_index\":\"x\"}}}", PROBLEM_INVALID, "/stages/t/ignore_index"},
        {"{\"stages\":{\"t\":{\"top_k\":0}}}", PROBLEM_INVALID, "/stages/t/top_k"},
        {"{\"stages\":{\"t\":{},\"t\":{}}}", PROBLEM_MALFORMED, "/stages/t"},
        {"{\"status\":\"crashed\"}", PROBLEM_INVALID, "/status"},
        {"{\"status\":\"done\"}", PROBLEM_INVALID, "/status"},
        {"{\"status\":null}", PROBLEM_INVALID, "/status"},
    };
    struct limits l = small_limits();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct run_change c;
        struct problem p = {0};
        arena_init(&arena);
        cr_assert_eq(decode_run_patch(rows[i].body, strlen(rows[i].body), &l, &arena, &c, &p), rows[i].code, "%s: %s",
                     rows[i].body, p.detail);
        cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "%s: %s", rows[i].body, p.places[0].pointer);
        bool is_status = strstr(rows[i].body, "status") != NULL;
        cr_assert_eq(decode_run_put(rows[i].body, strlen(rows[i].body), &l, &arena, &c, &p),
                     is_status ? PROBLEM_UNKNOWN_FIELD : rows[i].code, "%s", rows[i].body);
        arena_release(&arena);
    }
}

Test(decode_run, texts_have_their_lengths)
{
    static const struct {
        const char *before, *after;
        size_t max;
    } rows[] = {{"{\"name\":\"", "\"}", RUN_NAME_MAX},
                {"{\"notes\":\"", "\"}", RUN_NOTES_MAX},
                {"{\"project\":\"", "\"}", PROJECT_MAX},
                {"{\"tags\":[\"", "\"]}", TAG_MAX},
                {"{\"stages\":{\"t\":{\"class_names\":[\"", "\"]}}}", CLASS_NAME_MAX},
                {"{\"stages\":{\"", "\":{}}}", STAGE_MAX},
                {"{\"config\":{\"a\":\"", "\"}}", RUN_CONFIG_MAX - 8}};
    struct limits l = small_limits();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *body = malloc(rows[i].max + 100);
        for (size_t n = rows[i].max; n <= rows[i].max + 1; n++) {
            struct arena arena;
            struct run_change c;
            struct problem p = {0};
            arena_init(&arena);
            size_t size = (size_t)sprintf(body, "%s", rows[i].before);
            memset(body + size, 'x', n);
            strcpy(body + size + n, rows[i].after);
            int rc = decode_run_patch(body, strlen(body), &l, &arena, &c, &p);
            cr_assert_eq(rc, n == rows[i].max ? OK : PROBLEM_INVALID, "%s %zu: %s", rows[i].before, n, p.detail);
            arena_release(&arena);
        }
        free(body);
    }
}

Test(decode_run, a_rewind_says_where_and_who)
{
    static const struct {
        const char *body;
        int code;
        const char *pointer;
    } rows[] = {
        {"{\"epoch\":1,\"step\":2,\"attempt\":\"a.2\",\"stage\":\"train\"}", OK, NULL},
        {"{\"step\":2,\"attempt\":\"a.2\",\"epoch\":1}", OK, NULL},
        {"{\"epoch\":1,\"step\":2}", PROBLEM_INVALID, "/attempt"},
        {"{\"epoch\":1,\"attempt\":\"a\"}", PROBLEM_INVALID, "/step"},
        {"{}", PROBLEM_INVALID, "/epoch"},
        {"{\"epoch\":-1}", PROBLEM_INVALID, "/epoch"},
        {"{\"attempt\":\"\"}", PROBLEM_INVALID, "/attempt"},
        {"{\"stage\":null}", PROBLEM_INVALID, "/stage"},
        {"{\"steps\":1}", PROBLEM_UNKNOWN_FIELD, "/steps"},
        {"[]", PROBLEM_INVALID, ""},
        {"", PROBLEM_MALFORMED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct rewind_cut cut;
        struct problem p = {0};
        arena_init(&arena);
        cr_assert_eq(decode_rewind(rows[i].body, strlen(rows[i].body), &arena, &cut, &p), rows[i].code, "%s: %s",
                     rows[i].body, p.detail);
        if (rows[i].code == OK) {
            cr_assert(cut.epoch == 1 && cut.step == 2);
            cr_assert_str_eq(cut.attempt, "a.2");
            cr_assert_eq(cut.stage == NULL, i == 1);
        } else {
            cr_assert_str_eq(p.places[0].pointer, rows[i].pointer, "%s", rows[i].body);
        }
        arena_release(&arena);
    }
}

Test(stage_declaration, what_a_run_declares_is_found)
{
    static const char stages[] = "{\"test\":{\"class_names\":[\"cat\",\"dog\"],\"dataset_size\":10,\"ignore_index\":1},"
                                 "\"val\":{\"world_size\":4,\"ignore_index\":-100,\"top_k\":5},\"far\":{\"class_"
                                 "names\":[\"a\"],\"ignore_index\":255}}";
    struct arena arena;
    struct stage_declaration d;
    arena_init(&arena);
    cr_assert_eq(stage_declaration_get(stages, "test", &arena, &d, NULL), OK);
    cr_assert(d.n_class_names == 2 && d.dataset_size == 10 && d.world_size == -1 && d.ignore_index == 1 &&
              d.top_k == -1);
    cr_assert(stage_metric_options(&d).top_k == 1 && stage_metric_options(&d).ignore_index == 1);
    cr_assert_str_eq(d.class_names[1], "dog");
    cr_assert_eq(stage_declaration_get(stages, "val", &arena, &d, NULL), OK);
    cr_assert(d.class_names == NULL && d.dataset_size == -1 && d.world_size == 4 && d.ignore_index == -1 &&
              d.top_k == 5);
    cr_assert_eq(stage_metric_options(&d).top_k, 5);
    cr_assert_eq(stage_declaration_get(stages, "far", &arena, &d, NULL), OK);
    cr_assert(d.n_class_names == 1 && d.ignore_index == -1);
    cr_assert_eq(stage_declaration_get(stages, "none", &arena, &d, NULL), OK);
    cr_assert(d.class_names == NULL && d.dataset_size == -1);
    cr_assert_eq(stage_declaration_get(NULL, "test", &arena, &d, NULL), OK);
    cr_assert(d.class_names == NULL && d.world_size == -1);
    arena_release(&arena);
}

Test(encode_run, a_document_holds_the_run_and_its_series)
{
    struct run_row run = {.id = "r1",
                          .project = "vision",
                          .name = "a \"b\"",
                          .config = "{\"lr\":0.1}",
                          .tags = "[\"x\"]",
                          .stages = "{\"test\":{\"class_names\":[\"cat\",\"dog\"]}}",
                          .status = RUN_FINISHED,
                          .created_at = 1,
                          .updated_at = 2,
                          .ended_at = 3,
                          .revision = 4};
    struct series_row series[] = {
        {.stage = "test",
         .name = "main",
         .shape = {FORM_CLASSES, TASK_MULTICLASS, 2},
         .batches = 12,
         .samples = 384,
         .epochs = 1,
         .last_epoch = 0,
         .last_step = 11},
        {.stage = "train", .name = "loss", .shape = {FORM_MEAN, TASK_MULTICLASS, 0}, .last_epoch = -1, .last_step = -1},
    };
    struct buffer b;
    struct json_writer w;
    buffer_init(&b);
    json_writer_init(&w, &b);
    encode_run_document(&w, &run, 10, series, 2);
    buffer_add(&b, "", 1);
    cr_assert_not(b.failed);
    cr_assert_str_eq(
        b.data,
        "{\"id\":\"r1\",\"project\":\"vision\",\"name\":\"a "
        "\\\"b\\\"\",\"status\":\"finished\",\"config\":{\"lr\":0.1},"
        "\"tags\":[\"x\"],\"notes\":null,\"stages\":{\"test\":{\"class_names\":[\"cat\",\"dog\"]}},\"created_at\":1,"
        "\"updated_at\":2,\"ended_at\":3,\"revision\":4,\"series\":["
        "{\"stage\":\"test\",\"name\":\"main\",\"task\":\"multiclass\",\"num_classes\":2,\"class_names\":[\"cat\","
        "\"dog\"],"
        "\"form\":\"classes\",\"bins\":null,\"epochs\":1,\"batches\":12,\"samples\":384,\"last_epoch\":0,\"last_step\":"
        "11},"
        "{\"stage\":\"train\",\"name\":\"loss\",\"task\":null,\"num_classes\":null,\"class_names\":null,"
        "\"form\":\"mean\",\"bins\":null,\"epochs\":0,\"batches\":0,\"samples\":0,\"last_epoch\":null,\"last_step\":"
        "null}]}");
    buffer_release(&b);
}

Test(content_type, parameters_and_case_do_not_matter)
{
    static const struct {
        const char *header;
        bool want;
    } rows[] = {{"application/json", true},
                {"Application/JSON; charset=utf-8", true},
                {"application/json ;x", true},
                {"application/jsonx", false},
                {"application/json-patch+json", false},
                {"", false},
                {"text/plain", false},
                {NULL, false},
                {" application/json", true},
                {"application/x-ndjson", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(content_type_is(rows[i].header, "application/json"), rows[i].want, "%zu", i);
    struct problem p = {0};
    cr_assert_eq(content_type_refuse("application/x-www-form-urlencoded", "application/json", &p),
                 PROBLEM_CONTENT_TYPE);
    cr_assert_not_null(strstr(p.detail, "curl --json"));
    cr_assert_eq(content_type_refuse(NULL, "application/json", &p), PROBLEM_CONTENT_TYPE);
}
