/** What every engine and every handler needs of a run's row: its memory, and its status as a word. */
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { RUN_SILENCE_MS = 5 * 60 * 1000 };

static const char *const STATUS_NAME[] = {
    [RUN_RUNNING] = "running", [RUN_FINISHED] = "finished", [RUN_FAILED] = "failed",
    [RUN_KILLED] = "killed",   [RUN_CRASHED] = "crashed",
};

void run_row_release(struct run_row *r)
{
    char **owned[] = {&r->name, &r->notes, &r->config, &r->tags, &r->stages};

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        free(*owned[i]);
        *owned[i] = NULL;
    }
}

int run_row_own(struct run_row *r, struct problem *p)
{
    char **texts[] = {&r->name, &r->notes, &r->config, &r->tags, &r->stages};
    int status = OK;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (*texts[i] == NULL)
            continue;
        *texts[i] = status == OK ? strdup(*texts[i]) : NULL;
        if (*texts[i] == NULL && status == OK)
            status = problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    }
    if (status != OK)
        run_row_release(r);
    return status;
}

enum run_status run_status_effective(const struct run_row *r, int64_t now)
{
    return r->status == RUN_RUNNING && now - r->seen_at > RUN_SILENCE_MS ? RUN_CRASHED : r->status;
}

const char *run_status_name(enum run_status s)
{
    return STATUS_NAME[s];
}

bool run_status_from_name(const char *name, enum run_status *out)
{
    for (size_t i = 0; i < sizeof STATUS_NAME / sizeof STATUS_NAME[0]; i++)
        if (strcmp(STATUS_NAME[i], name) == 0) {
            *out = (enum run_status)i;
            return true;
        }
    return false;
}
