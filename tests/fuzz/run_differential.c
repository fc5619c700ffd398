/**
 * differential.c without libFuzzer, for any compiler.
 *     run_differential FILE...           replay a corpus
 *     run_differential -n RUNS [SEED]    as many inputs from the generator, some of them mutated; prints the seed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "differential.h"

enum { INPUT_MAX = 4096 };

static void replay(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    differential_check(data, fread(data, 1, sizeof data, f));
    fclose(f);
}

static void run(uint64_t runs, uint64_t seed)
{
    static uint8_t data[INPUT_MAX];
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t one = seed * UINT64_C(0x9e3779b97f4a7c15) + i;
        size_t size = differential_generate(one, data, sizeof data);
        for (uint64_t k = 0; k < i % 8 && i % 8 < 4; k++)
            size = differential_mutate(one + k, data, size, sizeof data);
        differential_check(data, size);
    }
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "-n") == 0)
        run(strtoull(argv[2], NULL, 10), argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL));
    else
        for (int i = 1; i < argc; i++)
            replay(argv[i]);
    differential_report();
    return 0;
}
