#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>

#include "differential.h"

/* A disagreement prints both sides and aborts.  `make fuzz-differential` does this at length. */

Test(decode_differential, the_corpus_means_to_the_decoder_what_it_means_to_the_oracle)
{
    static uint8_t data[1 << 16];
    DIR *folder = opendir("tests/fuzz/corpus/differential");
    int files = 0;
    cr_assert(folder != NULL);
    for (const struct dirent *e; (e = readdir(folder)) != NULL;) {
        char path[600];
        snprintf(path, sizeof path, "tests/fuzz/corpus/differential/%s", e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (f == NULL)
            continue;
        differential_check(data, fread(data, 1, sizeof data, f));
        fclose(f);
        files++;
    }
    closedir(folder);
    cr_assert_geq(files, 20);
    cr_assert_eq(differential_counts.inputs, files);
    cr_assert_lt(differential_counts.not_judged, files / 20);
}

Test(decode_differential, random_records_mean_the_same_to_both)
{
    static uint8_t data[4096];
    const uint64_t runs = 10000;
    for (uint64_t i = 0; i < runs; i++) {
        size_t size = differential_generate(i, data, sizeof data);
        differential_check(data, size);
        size = differential_mutate(i, data, size, sizeof data);
        differential_check(data, size);
    }
    const struct differential_counts *c = &differential_counts;
    cr_assert_eq(c->inputs, 2 * runs);
    cr_assert(c->accepted > runs * 3 / 4 && c->refused > runs / 10 && c->malformed > runs / 10,
              "%d accepted, %d refused", (int)c->accepted, (int)c->refused);
}
