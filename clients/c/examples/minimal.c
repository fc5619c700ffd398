/* The least that a job has to do: cc minimal.c ../tally.c -I.. -lcurl -lz -lpthread -lm */
#include <stdio.h>
#include "tally.h"

int main(void)
{
    struct tally_options options = {0};
    struct tally *run;
    options.project = "minimal";
    int error = tally_open(&options, &run);
    if (error != TALLY_OK)
        fprintf(stderr, "not logged: %s\n", tally_strerror(error)); /* run is NULL, and all that follows does nothing */

    for (int step = 0; step < 100; step++) {
        struct tally_mean loss = {0};
        loss.name = "loss";
        loss.sum = 0.5 * 32; /* a mean loss of 0.5 over the 32 samples of a batch */
        loss.weight = 32;
        struct tally_record record = {0};
        record.stage = "train";
        record.step = step;
        record.form = TALLY_TOTALS;
        record.correct = 27;
        record.total = 32;
        record.means = &loss;
        record.n_means = 1;
        tally_log(run, &record);
    }
    return tally_close(run, "finished", 10, NULL) != TALLY_OK;
}
