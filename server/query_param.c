/*
 * Why: query parameters are checked in one way, and every refusal names the parameter.  The dispatcher
 * has refused unknown and repeated ones already.  Pure; any thread.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"

static const char *place(const char *name, char *out, size_t size)
{
    snprintf(out, size, "?%s", name);
    return out;
}

int query_no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for this answer");
}

int query_int(const struct request *q, const char *name, int64_t low, int64_t high, int64_t missing, int64_t *out,
              struct problem *p)
{
    const char *text = request_arg(q, name);
    if (text == NULL) {
        *out = missing;
        return OK;
    }
    char *end = NULL;
    errno = 0;
    long long value = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || value < low || value > high) {
        char pointer[40];
        return problem_set(p, PROBLEM_INVALID, place(name, pointer, sizeof pointer),
                           "%s must be a whole number from %" PRId64 " to %" PRId64, name, low, high);
    }
    *out = value;
    return OK;
}

int query_word(const struct request *q, const char *name, const char *const *words, int missing, int *out,
               struct problem *p)
{
    const char *text = request_arg(q, name);
    if (text == NULL) {
        *out = missing;
        return OK;
    }
    char list[160] = "";
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    char pointer[40];
    return problem_set(p, PROBLEM_INVALID, place(name, pointer, sizeof pointer), "%s must be one of: %s", name, list);
}

int query_bool(const struct request *q, const char *name, bool missing, bool *out, struct problem *p)
{
    static const char *const words[] = {"false", "true", NULL};
    int index;
    int rc = query_word(q, name, words, missing, &index, p);
    if (rc == OK)
        *out = index == 1;
    return rc;
}

int query_zero_division(const struct request *q, struct metric_options *options, struct problem *p)
{
    int64_t value;
    int rc = query_int(q, "zero_division", 0, 1, 0, &value, p);
    if (rc == OK)
        options->zero_division = (double)value;
    return rc;
}

int query_name(const struct request *q, const char **out, struct problem *p)
{
    *out = request_arg(q, "name");
    if (*out == NULL || series_name_is_valid(*out, strlen(*out)))
        return OK;
    return problem_set(p, PROBLEM_INVALID, "?name",
                       "a name is 1 to %d of A-Z a-z 0-9 . _ / - and starts with a letter or digit", SERIES_NAME_MAX);
}

int query_media(const struct request *q, unsigned offered, enum media *out, struct problem *p)
{
    static const char *const words[] = {"json", "csv", NULL};
    static const enum media medias[] = {MEDIA_JSON, MEDIA_CSV};
    int index;
    int rc = query_word(q, "format", words, -1, &index, p);
    if (rc != OK)
        return rc;
    enum media media = index >= 0 ? medias[index] : accept_choose(q->accept, offered);
    if ((media & offered) == 0) {
        const char *is = offered == MEDIA_NDJSON ? "application/x-ndjson"
                         : offered == MEDIA_JSON ? "application/json"
                                                 : "application/json or text/csv";
        return problem_set(p, PROBLEM_NOT_ACCEPTABLE, NULL, "this answer comes as %s only", is);
    }
    *out = media;
    return OK;
}
