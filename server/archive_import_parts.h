#ifndef ARCHIVE_IMPORT_PARTS_H
#define ARCHIVE_IMPORT_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "archive.h"
#include "buffer.h"
#include "ingest.h"
#include "server_limits.h"

/** Private to archive_import.c (runs, documents, records) and archive_import_sealed.c (thinned epochs). */
struct importer {
    struct store *store;
    FILE *in;
    char *line;
    size_t line_cap, line_size;
    int line_errno; /* why there was no next line; 0: the end */
    int64_t line_number;
    struct limits limits;
    bool in_run;
    bool in_sealed;        /* of that run, thinned epochs have come: no record may follow */
    struct ingest *ingest; /* NULL between runs, and once thinned epochs have come */
    struct run_row row;    /* what the run's line says: its id, times and status */
    struct attempt_row *attempts;
    size_t n_attempts;
    struct buffer page; /* records that were read and not yet written */
    int64_t n_page;
    bool ended;
    struct archive_stats *stats;
    struct problem *p;
};

/** import_at_line(m, code, what): the problem, with the number of the line that is being read.  Returns code. */
int import_at_line(struct importer *m, int code, const char *what);

/** import_next_line(m): read it into m->line.  false: the end of the input, or what import_no_more_lines() says: the problem that
 *  there is no next line where one should be. */
bool import_next_line(struct importer *m);
int import_no_more_lines(struct importer *m);

/** import_sealed(m): a thinned epoch, whose line was read, and its sums, which follow: in one transaction.  The writer has ended. */
int import_sealed(struct importer *m);

/** import_check_sums(m, row): what was not summed here must agree with itself at least.  Inside a transaction. */
int import_check_sums(struct importer *m, struct run_row *row);

#endif
