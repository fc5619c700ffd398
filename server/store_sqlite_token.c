/**
 * Tokens.  They are made by the command line beside a running server: a connection of its own, one
 * short transaction under the gate, no checkpoint (not even when it closes).
 */
#include <string.h>

#include "store_sqlite.h"

int store_tokens_each(struct store_conn *c, int (*fn)(void *context, const struct token_row *row), void *context,
                      struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read the tokens",
              "SELECT token, name, scope, sha256, created_at, expires_at, project FROM token ORDER BY token");
    while ((status = sql_step_texts(&q, &more, p)) == OK && more && answer == OK) {
        struct token_row row;
        size_t size = 0;
        memset(&row, 0, sizeof row);
        row.token = sql_column_int(&q, 0);
        sql_column_copy(&q, 1, row.name, sizeof row.name);
        sql_column_copy(&q, 2, row.scope, sizeof row.scope);
        const uint8_t *hash = sql_column_blob(&q, 3, &size);
        row.created_at = sql_column_int(&q, 4);
        row.expires_at = sql_column_int(&q, 5);
        sql_column_copy(&q, 6, row.project, sizeof row.project);
        if (size != sizeof row.sha256)
            continue; /* edited by hand: nothing can match it */
        memcpy(row.sha256, hash, size);
        answer = fn(context, &row);
    }
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

static int insert_token(struct store *s, struct token_row *row, struct problem *p)
{
    struct sql q;
    int status = store_begin(s, p);

    if (status != OK)
        return status;
    sql_begin(
        &q, &s->writer, "create a token",
        "INSERT INTO token (name, scope, sha256, created_at, expires_at, project) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    sql_text(&q, row->name);
    sql_text(&q, row->scope);
    sql_blob(&q, row->sha256, sizeof row->sha256);
    sql_int(&q, row->created_at);
    sql_int(&q, row->expires_at);
    sql_text(&q, row->project[0] != '\0' ? row->project : NULL);
    status = sql_run(&q, p);
    int64_t number = sqlite3_last_insert_rowid(s->writer.db);
    if (status == OK)
        status = store_commit(s, p);
    if (status == OK)
        row->token = number;
    return status;
}

int store_token_create(const char *path, struct token_row *row, struct problem *p)
{
    struct store *s = NULL;
    int status = store_guest_open(&s, path, true, p);

    if (status == OK)
        status = insert_token(s, row, p);
    store_close(s);
    return status;
}

int store_token_revoke(const char *path, int64_t token, bool *found, struct problem *p)
{
    struct store *s = NULL;
    struct sql q;
    int64_t removed = 0;
    int status = store_guest_open(&s, path, false, p);

    if (status == OK)
        status = store_begin(s, p);
    if (status == OK) {
        sql_begin(&q, &s->writer, "revoke a token", "DELETE FROM token WHERE token = ?1");
        sql_int(&q, token);
        status = sql_run(&q, p);
        removed = sqlite3_changes64(s->writer.db);
    }
    if (status == OK)
        status = store_commit(s, p);
    if (status == OK)
        *found = removed > 0;
    store_close(s);
    return status;
}

int store_token_list(const char *path, int (*fn)(void *context, const struct token_row *row), void *context,
                     struct problem *p)
{
    struct store *s = NULL;
    int status = store_guest_open(&s, path, false, p);

    if (status == OK)
        status = store_tokens_each(&s->writer, fn, context, p);
    store_close(s);
    return status;
}
