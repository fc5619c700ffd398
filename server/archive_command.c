/**
 * Exports and imports from the command line.  An export only reads, beside a server or without one, and never overwrites a
 * file; an import needs the database for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "archive_command.h"
#include "command.h"

static int fail_file(const char *what, const char *file)
{
    fprintf(stderr, "tally: cannot %s %s: %s\n", what, file, strerror(errno));
    return 1;
}

static int export_to(const struct options *o, FILE *out, struct archive_stats *stats, struct problem *p)
{
    struct store *store = NULL;
    struct store_conn *reader = NULL;

    int status = store_view_open(&store, o->db, p);
    if (status == OK)
        status = store_reader_open(store, &reader, p);
    if (status == OK)
        status = store_view_check(reader, true, p);
    if (status == OK)
        status = archive_export(reader, o->run, out, stats, p);
    store_reader_close(reader);
    store_close(store);
    return status;
}

int export_command_run(const struct options *o)
{
    struct archive_stats stats = {0};
    struct problem p = {0};
    bool is_stdout = strcmp(o->file, "-") == 0;
    int fd = is_stdout ? STDOUT_FILENO : open(o->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return fail_file("create", o->file);
    FILE *out = is_stdout ? stdout : fdopen(fd, "w");
    if (out == NULL) {
        int failed = fail_file("write", o->file);
        if (!is_stdout) {
            close(fd);
            unlink(o->file);
        }
        return failed;
    }
    int status = export_to(o, out, &stats, &p);
    bool written = status == OK && (is_stdout || fsync(fd) == 0);
    if (!is_stdout && fclose(out) != 0)
        written = false;
    if (!written && !is_stdout)
        unlink(o->file); /* ours: it was not there before */
    if (status != OK)
        return command_fail(&p);
    if (!written)
        return fail_file("write", o->file);
    fprintf(stderr, "%" PRId64 " runs, %" PRId64 " records", stats.runs, stats.records);
    if (stats.sealed > 0)
        fprintf(stderr, ", and the sums of %" PRId64 " thinned epochs of a series, whose records are gone",
                stats.sealed);
    fputc('\n', stderr);
    return 0;
}

int import_command_run(const struct options *o)
{
    const struct store_options options = {.path = o->db, .durability = STORE_FULL};
    struct archive_stats stats = {0};
    struct problem p = {0};
    struct store *store = NULL;
    bool is_stdin = strcmp(o->file, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(o->file, "re");

    if (in == NULL)
        return fail_file("read", o->file);
    int status = store_open(&store, &options, &p);
    if (status == OK)
        status = archive_import(store, in, &stats, &p);
    store_close(store);
    if (!is_stdin)
        fclose(in);
    fprintf(stderr, "%" PRId64 " runs%s\n", stats.runs, status == OK ? "" : " were imported");
    return status == OK ? 0 : command_fail(&p);
}
