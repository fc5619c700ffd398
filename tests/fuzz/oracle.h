#ifndef ORACLE_H
#define ORACLE_H

#include "arena.h"
#include "record.h"

/**
 * What a body of records means, found the slow way: cJSON parses it, and plain rules written from the
 * contract judge the tree.  It shares no code with the decoder; only the packing of what was found is
 * that of lib/.
 *
 * cJSON takes more than the contract does.  Where it does, the text is not strict (oracle_text.c looks
 * for each by itself), and the decoder must refuse what cJSON accepts:
 *   1. bytes after the document, and a byte order mark before it;
 *   2. a key that stands twice in its object;
 *   3. white space other than blank, tab, newline and carriage return (cJSON skips every byte below 33, NUL included);
 *   4. control characters in strings;
 *   5. strings that are not UTF-8;
 *   6. \u0000, and \u without four hexadecimal digits (lone halves of surrogate pairs cJSON refuses too);
 *   7. numbers that JSON's grammar does not know: leading zeros, "1.", "-.5" (NaN, Infinity and comments cJSON refuses too);
 *   8. more than 32 levels;
 *   9. numbers beyond the doubles, which cJSON reads as infinite: not by the text but where a number is judged;
 *  10. integers beyond 2^53-1, also where any number may stand, and what is whole only once it is rounded (0.99999999999999999999): likewise.
 * One thing cJSON does not take: a number of more than 63 bytes.  Such a text is not judged.
 */
enum oracle_verdict {
    ORACLE_MALFORMED, /* not one strict JSON text (or line) */
    ORACLE_REFUSED,   /* strict JSON that breaks a rule of the contract */
    ORACLE_ACCEPTED,
    ORACLE_NOT_JUDGED
};

/** oracle_judge(body, size, kind, limits, arena, out): out, in the arena, only where it is accepted. */
enum oracle_verdict oracle_judge(const char *body, size_t size, enum body_kind kind, const struct limits *limits,
                                 struct arena *arena, struct record_list *out);

/* ---- shared by oracle*.c ---- */

#define ORACLE_WHOLE_MAX INT64_C(9007199254740991)

struct cJSON;

struct oracle_number {
    const char *text;
    size_t size;
};

struct oracle_text {
    struct cJSON *root; /* NULL: cJSON refuses it */
    bool strict, judged;
    struct oracle_number *numbers; /* item->valueint of a number is its place here */
};

/** Parse one document.  cJSON_Delete(root) is the caller's. */
struct oracle_text oracle_parse(const char *text, size_t size, struct arena *arena);

/** oracle_whole(number, max, out): the digits say a whole number in 0 .. max. */
bool oracle_whole(const struct oracle_number *number, int64_t max, int64_t *out);

struct oracle {
    const struct limits *limits;
    struct arena *arena;
    const struct oracle_number *numbers;
    const struct cJSON *fields; /* the record */
    enum task task;
    struct record *record;
    size_t cap_measures, n_measures; /* n_measures: of the whole body */
};

void *oracle_room(struct oracle *o, size_t n, size_t size); /* zeroed */
const struct cJSON *oracle_get(const struct cJSON *object, const char *key);
bool oracle_int(struct oracle *o, const struct cJSON *item, int64_t max, int64_t *out);
/** A finite number; one that is written as an integer is at most 2^53-1 either way. */
bool oracle_double(struct oracle *o, const struct cJSON *item, double *out);
/** A list of counts; exactly want of them where want >= 0. */
bool oracle_counts(struct oracle *o, const struct cJSON *item, int want, int64_t **out, size_t *n);
/** Pack it; false: these numbers cannot be added up. */
bool oracle_add(struct oracle *o, const char *name, struct batch_content *content, int64_t samples, int64_t correct);
/** The counts of a record that has some. */
bool oracle_counted(struct oracle *o, const char *name, int64_t *samples);
/** The states beside counts; samples -1: nobody said. */
bool oracle_states(struct oracle *o, const char *name, int64_t samples);
bool oracle_known(const struct cJSON *object, const char *const *names); /* it has no other key */

#endif
