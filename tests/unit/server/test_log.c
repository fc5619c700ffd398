/** The log: a line of JSON an event, whatever bytes are in it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "log.h"

/* What an event writes to standard error. */
static size_t capture(const char *detail, char *out, size_t size)
{
    int ends[2], kept = dup(STDERR_FILENO);

    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_event(LOG_WARN, "test", "%s", detail);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t n = read(ends[0], out, size - 1);
    close(ends[0]);
    cr_assert_gt(n, 0);
    out[n] = '\0';
    return (size_t)n;
}

/* Exactly one line; its detail as JSON reads it, NULL where that is not text. */
static void check_line(const char *line, size_t size, const char *want)
{
    struct json_document *document = NULL;
    struct problem p = {0};

    cr_assert_eq(memchr(line, '\n', size), line + size - 1, "%s", line);
    for (size_t i = 0; i + 1 < size; i++)
        cr_assert((unsigned char)line[i] >= 0x20 && line[i] != 0x7f, "%s", line);
    cr_assert_eq(json_parse(line, size, &document, &p), OK, "%s: %s", line, p.detail);
    const char *detail = json_as_string(json_get(json_root(document), "detail"));
    cr_assert_not_null(detail);
    if (want != NULL)
        cr_assert_str_eq(detail, want);
    json_free(document);
}

Test(log, bytes_of_clients_are_escaped)
{
    static const struct {
        const char *detail, *want; /* want NULL: some text */
    } ROWS[] = {{"plain", "plain"},
                {"\"}\n{\"time\":0", "\"}\n{\"time\":0"},
                {"back\\slash", "back\\slash"},
                {"\r\n\t\x01\x1b[31m\x7f", "\r\n\t\x01\x1b[31m\x7f"},
                {"gr\u00fc\u00dfe \u4e16 \U0001f600", "gr\u00fc\u00dfe \u4e16 \U0001f600"},
                {"\xc2\x9b"
                 "31m",
                 "\xc2\x9b"
                 "31m"},
                {"\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", NULL},
                {"cut \xe4\xb8", NULL}};
    char line[8192];

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        size_t n = capture(ROWS[i].detail, line, sizeof line);
        check_line(line, n, ROWS[i].want);
        cr_assert_null(strstr(line, "\xc2\x9b"), "row %zu", i);
    }
}

Test(log, a_long_event_is_cut_and_still_one_line)
{
    static char detail[20000], line[16384];

    memset(detail, '\n', sizeof detail - 1);
    check_line(line, capture(detail, line, sizeof line), NULL);
    for (size_t i = 0; i + 4 < sizeof detail; i += 3)
        memcpy(detail + i, "\u4e16", 3);
    size_t n = capture(detail, line, sizeof line);
    cr_assert_eq(memchr(line, '\n', n), line + n - 1);
}
