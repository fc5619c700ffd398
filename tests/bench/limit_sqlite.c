/**
 * SQLite alone: the rows that the load generator makes the server store, inserted from one thread.
 *     limit_sqlite FILE SECONDS FIRST_RUN
 * The table, durability and order are the server's: a WITHOUT ROWID table of packed states, WAL with
 * synchronous=FULL, 4,000 rows a transaction, which are 1,000 of each of four of eight runs in turn.
 * States are packed beforehand.  Prints {"rows":n,"seconds":..,"rows_per_s":..}.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "rows.h"
#include "state.h"
#include "timing.h"

enum { RUNS = 8, BLOCK = 1000, BLOCKS_A_TRANSACTION = 4, STATE_MAX = 256, STEPS_PER_EPOCH = 10000 };

struct packed {
    uint8_t bytes[STATE_MAX];
    size_t size;
};

static void run_sql(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail("%s: %s", sql, why);
}

static void pack_all(struct packed *out, const struct row_content *variants)
{
    for (int v = 0; v < ROWS_VARIANTS; v++) {
        struct class_entry entries[ROWS_CLASSES];
        struct batch_content content = {
            .shape = {.form = FORM_CLASSES, .task = TASK_MULTICLASS, .num_classes = ROWS_CLASSES},
            .correct = variants[v].correct,
            .total = ROWS_SAMPLES,
            .entries = entries,
            .n_entries = ROWS_CLASSES};
        for (int c = 0; c < ROWS_CLASSES; c++)
            entries[c] = (struct class_entry){
                .index = (uint32_t)c,
                .counts = {.tp = variants[v].tp[c], .fp = variants[v].fp[c], .fn = variants[v].fn[c]}};
        if (batch_pack(&content, out[v].bytes, sizeof out[v].bytes, &out[v].size) != OK)
            fail("a batch does not pack");
    }
}

static void insert_block(sqlite3_stmt *insert, int64_t run, int64_t first, const struct packed *packed,
                         const struct row_content *variants)
{
    for (int64_t n = first; n < first + BLOCK; n++) {
        struct row_place place = {.n = n, .steps_per_epoch = STEPS_PER_EPOCH};
        unsigned v = rows_variant(&place);
        sqlite3_bind_int64(insert, 1, run);
        sqlite3_bind_int64(insert, 2, 1);
        sqlite3_bind_int64(insert, 3, n / STEPS_PER_EPOCH);
        sqlite3_bind_int64(insert, 4, n);
        sqlite3_bind_int64(insert, 5, 0);
        sqlite3_bind_int64(insert, 6, ROWS_SAMPLES);
        sqlite3_bind_int64(insert, 7, variants[v].correct);
        sqlite3_bind_int64(insert, 8, 1763884800000 + n);
        sqlite3_bind_blob(insert, 9, packed[v].bytes, (int)packed[v].size, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail("insert: %s", sqlite3_errmsg(sqlite3_db_handle(insert)));
        sqlite3_reset(insert);
    }
}

int main(int argc, char **argv)
{
    static struct row_content variants[ROWS_VARIANTS];
    static struct packed packed[ROWS_VARIANTS];
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    int64_t next[RUNS] = {0}, rows = 0;

    if (argc != 4)
        fail("usage: limit_sqlite FILE SECONDS FIRST_RUN");
    rows_make(variants, ROWS_TALLY, ROWS_COUNTS);
    pack_all(packed, variants);
    if (sqlite3_open(argv[1], &db) != SQLITE_OK)
        fail("cannot open %s", argv[1]);
    run_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
                "PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;"
                "CREATE TABLE IF NOT EXISTS batch (run INTEGER NOT NULL, series INTEGER NOT NULL, epoch INTEGER NOT "
                "NULL, step INTEGER NOT NULL, rank INTEGER NOT NULL, samples INTEGER NOT NULL, correct INTEGER NOT "
                "NULL, logged_at INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (run, series, epoch, step, "
                "rank)) STRICT, WITHOUT ROWID;");
    if (sqlite3_prepare_v2(db, "INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", -1, &insert, NULL) !=
        SQLITE_OK)
        fail("prepare: %s", sqlite3_errmsg(db));

    int64_t first_run = atoll(argv[3]), begin = timing_now(), end = begin + (int64_t)(atof(argv[2]) * 1e9), now = begin;
    for (int turn = 0; now < end; now = timing_now()) {
        run_sql(db, "BEGIN IMMEDIATE");
        for (int b = 0; b < BLOCKS_A_TRANSACTION; b++, turn = (turn + 1) % RUNS) {
            insert_block(insert, first_run + turn, next[turn], packed, variants);
            next[turn] += BLOCK;
            rows += BLOCK;
        }
        run_sql(db, "COMMIT");
    }
    double seconds = (double)(now - begin) / 1e9;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    printf("{\"rows\":%lld,\"seconds\":%.3f,\"rows_per_s\":%.0f}\n", (long long)rows, seconds, (double)rows / seconds);
    return 0;
}
