#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture_store.h"
#include "page_sum.h"

static uint64_t noise_state = 88172645463325252u;

static uint64_t noise(void)
{
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 7;
    return noise_state ^= noise_state << 17;
}

static void fill(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(noise() >> 40);
}

Test(page, every_flipped_bit_and_every_other_place_changes_the_sum)
{
    static uint8_t page[PAGE_SIZE];

    fill(page, sizeof page);
    uint64_t sum = page_sum(page, 7);
    for (size_t bit = 0; bit < (size_t)(PAGE_SIZE - PAGE_SUM_SIZE) * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(page_sum(page, 7), sum, "bit %zu", bit);
        page[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (int64_t number = 1; number < 100000; number++)
        if (number != 7)
            cr_assert_neq(page_sum(page, number), sum, "page %lld", (long long)number);
    page_sum_write(page, sum);
    cr_assert_eq(page_sum_read(page), sum);
    cr_assert_eq(page_sum(page, 7), sum, "the sum itself is not summed");
}

Test(page, words_that_change_places_change_the_sum)
{
    static uint8_t page[PAGE_SIZE];
    uint8_t word[8];

    fill(page, sizeof page);
    uint64_t sum = page_sum(page, 1);
    for (int i = 0; i < 20000; i++) {
        size_t a = noise() % 511 * 8, b = noise() % 511 * 8;
        if (a == b)
            continue;
        memcpy(word, page + a, 8);
        memcpy(page + a, page + b, 8);
        memcpy(page + b, word, 8);
        cr_assert_neq(page_sum(page, 1), sum, "words at %zu and %zu", a, b);
        memcpy(page + b, page + a, 8);
        memcpy(page + a, word, 8);
    }
}

/* The file format: it must not change with the program. */
Test(page, the_sum_is_the_one_that_files_have)
{
    static uint8_t page[PAGE_SIZE];

    for (size_t i = 0; i < PAGE_SIZE; i++)
        page[i] = (uint8_t)(i * 7 + i / 256);
    cr_expect_eq(page_sum(page, 1), UINT64_C(0xaca76ef370e03e4d), "%016llx", (unsigned long long)page_sum(page, 1));
    cr_expect_eq(page_sum(page, 2), UINT64_C(0x629cd3e14b8b7add), "%016llx", (unsigned long long)page_sum(page, 2));
    cr_assert_not(page_is_zero(page));
    memset(page, 0, sizeof page);
    cr_assert(page_is_zero(page));
    cr_assert_neq(page_sum(page, 1), 0, "a page that was never written has no sum");
}

Test(page, each_single_bit_of_a_frame_is_told_from_a_torn_one)
{
    static uint8_t frame[LOG_FRAME_SIZE], whole[LOG_FRAME_SIZE];

    for (int is_big = 0; is_big < 2; is_big++)
        for (size_t bit = 0; bit < LOG_FRAME_SIZE * 8; bit++) {
            bool is_summed = bit < 64 || bit >= LOG_FRAME_HEADER_SIZE * 8;
            if (bit % 512 == 0)
                fill(frame, sizeof frame);
            struct log_sum before = {(uint32_t)noise(), (uint32_t)noise()};
            struct log_sum stored = log_frame_sum(before, frame, is_big);
            memcpy(whole, frame, sizeof frame);
            frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct log_sum computed = log_frame_sum(before, frame, is_big);
            cr_assert_eq(log_sum_equal(stored, computed), !is_summed, "bit %zu", bit);
            int at = log_sum_flip_at(stored, computed, frame, 8, frame + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, is_big);
            int pair = (int)(bit < 64 ? 0 : bit / 64 * 8 - (LOG_FRAME_HEADER_SIZE - 8));
            if (!is_summed)
                cr_assert_eq(at, LOG_NO_FLIP, "bit %zu", bit);
            else
                cr_assert(at >= 0 && at <= pair, "bit %zu: %d", bit, at);
            memcpy(frame, whole, sizeof frame);
            if (bit % 16 != 0)
                continue;
            size_t sector = LOG_FRAME_HEADER_SIZE + noise() % 8 * 512;
            fill(frame + sector, 512);
            computed = log_frame_sum(before, frame, is_big);
            at = log_sum_flip_at(stored, computed, frame, 8, frame + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, is_big);
            cr_assert_eq(at, LOG_NO_FLIP, "a torn sector");
        }
    struct log_sum stored = {5, 9}, other = {5, 13};
    int at = log_sum_flip_at(stored, other, frame, 8, frame + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, false);
    cr_assert_eq(at, 8 + PAGE_SIZE, "a bit of the stored sum");
    at = log_sum_flip_at(stored, stored, frame, 8, frame + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, false);
    cr_assert_eq(at, LOG_NO_FLIP);
}

/* ---- the layer ---- */

static void send_one(struct fixture *f, const char *run, int64_t step)
{
    struct post post;

    post_init(&post, run);
    post_record(&post, "train", 0, step, 0);
    post_totals(&post, "main", 3, 4);
    cr_assert_eq(post_send(f, &post), OK);
}

static int64_t size_of_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void read_page(const char *path, int64_t number, uint8_t *page)
{
    int fd = open(path, O_RDONLY);

    cr_assert(fd >= 0 && pread(fd, page, PAGE_SIZE, (number - 1) * PAGE_SIZE) == PAGE_SIZE);
    close(fd);
}

static void flip(const char *path, int64_t at, uint8_t mask)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    cr_assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= mask;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

Test(page, every_page_of_a_database_has_its_sum)
{
    struct fixture f;
    uint8_t page[PAGE_SIZE];

    memset(&f, 0, sizeof f);
    fixture_start(&f);
    for (int64_t step = 0; step < 400; step++)
        send_one(&f, "r", step);
    fixture_stop(&f);
    int64_t pages = size_of_file(f.path) / PAGE_SIZE;
    cr_assert_gt(pages, 15);
    for (int64_t number = 1; number <= pages; number++) {
        read_page(f.path, number, page);
        cr_assert_eq(page_sum(page, number), page_sum_read(page), "page %lld", (long long)number);
    }
    fixture_remove(&f);
}

Test(page, a_damaged_page_1_or_a_page_of_another_place_is_refused_or_told)
{
    struct fixture f;
    struct problem p = {0};
    struct store *s = NULL;

    memset(&f, 0, sizeof f);
    fixture_start(&f);
    send_one(&f, "r", 0);
    fixture_stop(&f);
    static const int64_t PLACES[] = {20, 24, 50, 100, 1000, 4090};
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        flip(f.path, PLACES[i], 8); /* of byte 20: no room for sums, it then says */
        cr_assert_eq(store_open(&s, &(struct store_options){.path = f.path}, &p), PROBLEM_DAMAGED, "byte %d",
                     (int)PLACES[i]);
        cr_assert(strstr(p.detail, "page 1 of ") != NULL, "%s", p.detail);
        cr_assert_eq(store_view_open(&s, f.path, &p), PROBLEM_DAMAGED);
        flip(f.path, PLACES[i], 8);
    }

    /* the runs and the batches change places: each page is whole */
    uint8_t a[PAGE_SIZE], b[PAGE_SIZE];
    int fd = open(f.path, O_RDWR);
    cr_assert(fd >= 0 && pread(fd, a, PAGE_SIZE, 2 * PAGE_SIZE) == PAGE_SIZE &&
              pread(fd, b, PAGE_SIZE, 3 * PAGE_SIZE) == PAGE_SIZE);
    cr_assert(pwrite(fd, b, PAGE_SIZE, 2 * PAGE_SIZE) == PAGE_SIZE &&
              pwrite(fd, a, PAGE_SIZE, 3 * PAGE_SIZE) == PAGE_SIZE);
    close(fd);
    const char *where = NULL;
    struct store_conn *reader = NULL;
    struct run_row row = {0};
    bool found = false;
    int status = store_open(&s, &(struct store_options){.path = f.path}, &p);
    if (status == OK) {
        cr_assert_not(store_is_damaged(s, &where));
        cr_assert_eq(store_reader_open(s, &reader, &p), OK);
        status = store_run_find(reader, "r", &row, &found, &p);
        if (status == OK)
            run_row_release(&row);
        cr_assert_eq(store_is_damaged(s, &where), status != OK);
        if (status != OK) {
            cr_assert(store_is_read_only(s));
            cr_assert(strstr(where, "page ") != NULL, "%s", where);
            cr_assert_eq(store_begin(s, &p), PROBLEM_STORAGE);
        }
        store_reader_close(reader);
        store_close(s);
    }
    cr_assert_eq(status, PROBLEM_DAMAGED);
    fixture_remove(&f);
}

Test(page, a_transaction_that_outgrows_the_cache_reads_its_own_frames)
{
    struct fixture f;
    struct problem p = {0};

    memset(&f, 0, sizeof f);
    fixture_open(&f);
    struct run_row run = {.id = "r", .project = "p", .created_at = 1};
    char *notes = malloc(60001);
    memset(notes, 'n', 60000);
    notes[60000] = '\0';
    run.notes = notes;
    /* 16 MiB fit: pages are written early, some of them again, and read back */
    cr_assert_eq(store_begin(f.store, &p), OK);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 500; i++) {
            struct run_row found;
            bool there = false;
            snprintf(run.id, sizeof run.id, "r%d", i);
            run.run = 0;
            memset(notes, 'a' + round, 60000);
            if (round > 0) {
                cr_assert_eq(store_run_find(store_writer(f.store), run.id, &found, &there, &p), OK, "%s", p.detail);
                cr_assert(there);
                run.run = found.run;
                run_row_release(&found);
            }
            if (round < 2)
                cr_assert_eq(store_write_run(f.store, &run, &p), OK, "%s", p.detail);
        }
    cr_assert_eq(store_commit(f.store, &p), OK, "%s", p.detail);
    for (int i = 0; i < 500; i++) {
        struct run_row found;
        bool there = false;
        snprintf(run.id, sizeof run.id, "r%d", i);
        cr_assert_eq(store_run_find(f.reader, run.id, &found, &there, &p), OK, "%s", p.detail);
        cr_assert(there && found.notes[0] == 'b' && strlen(found.notes) == 60000);
        run_row_release(&found);
    }
    free(notes);
    fixture_remove(&f);
}
