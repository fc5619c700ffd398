#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Each input that fuzzing found to reach something new is looked at again by every build: `make fuzz` goes on from them. */

int fuzz_archive(const uint8_t *data, size_t size);
int fuzz_filter(const uint8_t *data, size_t size);
int fuzz_gzip(const uint8_t *data, size_t size);
int fuzz_head(const uint8_t *data, size_t size);
int fuzz_json(const uint8_t *data, size_t size);
int fuzz_query(const uint8_t *data, size_t size);
int fuzz_record(const uint8_t *data, size_t size);
int fuzz_run(const uint8_t *data, size_t size);
int fuzz_state(const uint8_t *data, size_t size);

typedef int (*target)(const uint8_t *data, size_t size);

/* An input that fails aborts. */
static int replay(const char *name, target each)
{
    char folder[64], path[600];
    int files = 0;
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    DIR *d = opendir(folder);
    cr_assert(d != NULL, "%s", folder);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (f == NULL)
            continue;
        static uint8_t data[1 << 16];
        size_t size = fread(data, 1, sizeof data, f);
        fclose(f);
        uint8_t *exact = malloc(size > 0 ? size : 1); /* so that a byte read too far is seen */
        cr_assert(exact != NULL);
        memcpy(exact, data, size);
        each(exact, size);
        free(exact);
        files++;
    }
    closedir(d);
    return files;
}

#define REPLAYED(name)                                                                                                 \
    Test(fuzz_corpus, name##_takes_every_input_that_fuzzing_found)                                                     \
    {                                                                                                                  \
        cr_assert_geq(replay(#name, fuzz_##name), 5);                                                                  \
    }

REPLAYED(archive)
REPLAYED(filter)
REPLAYED(gzip)
REPLAYED(head)
REPLAYED(json)
REPLAYED(query)
REPLAYED(record)
REPLAYED(run)
REPLAYED(state)

static unsigned forms_seen;

static int note_form(const uint8_t *data, size_t size)
{
    struct shape shape;
    if (packed_verify(data, size) == OK && packed_shape(data, size, &shape) == OK)
        forms_seen |= 1u << shape.form;
    return 0;
}

Test(fuzz_corpus, state_holds_a_sound_state_of_every_form)
{
    replay("state", note_form);
    for (unsigned form = FORM_TOTALS; form <= FORM_REGRESSION; form++)
        cr_expect((forms_seen >> form & 1) != 0, "no packed %s", form_name((enum form)form));
}
