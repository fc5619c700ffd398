/* differential.c under libFuzzer: half of the inputs are made anew from the grammar of records, the rest are mutations. */
#include <stdlib.h>

#include "differential.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t cap, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t cap);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return atexit(differential_report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    differential_check(data, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t cap, unsigned seed)
{
    if (seed % 8 < 4 || size == 0)
        return differential_generate(seed, data, cap);
    return seed % 8 < 7 ? differential_mutate(seed, data, size, cap) : LLVMFuzzerMutate(data, size, cap);
}
