/** `tally check`: alone with the database, which it brings up to date first as a server would. */
#include <inttypes.h>
#include <unistd.h>

#include "check.h"
#include "command.h"
#include "options.h"

static int check_open_store(struct store *s)
{
    struct problem p = {0};
    struct check_report report;
    struct store_conn *reader = NULL;
    int status = store_reader_open(s, &reader, &p);

    if (status == OK)
        status = check_store(reader, stdout, &report, &p);
    store_reader_close(reader);
    if (status != OK)
        return command_fail(&p);
    if (report.damaged_pages > 0) {
        printf("%" PRId64 " damaged pages: nothing else was looked at\n", report.damaged_pages);
        fflush(stdout);
        return 1;
    }
    printf("%" PRId64 " runs, %" PRId64 " series, %" PRId64 " batches, %" PRId64 " sums", report.runs, report.series,
           report.batches, report.rollups);
    if (report.thinned_epochs > 0)
        printf(", %" PRId64 " thinned epochs", report.thinned_epochs);
    printf(": ");
    if (report.disagreements == 0)
        printf("all agree\n");
    else
        printf("%" PRId64 " disagreements\n", report.disagreements);
    return fflush(stdout) == 0 && report.disagreements == 0 ? 0 : 1;
}

int check_command_run(const struct options *o)
{
    const struct store_options options = {.path = o->db, .durability = STORE_FULL};
    struct problem p = {0};
    struct store *store = NULL;

    if (access(o->db, F_OK) != 0) {
        fprintf(stderr, "tally: there is no database at %s\n", o->db);
        return 1;
    }
    if (store_open(&store, &options, &p) != OK)
        return command_fail(&p);
    /* all of it into one file, the log's frames being compared on the way */
    int exit_status = store_checkpoint(store, true, &p) == OK ? check_open_store(store) : command_fail(&p);
    store_close(store);
    return exit_status;
}
