/*
 * What a body says it is.  curl's -d announces a form; the refusal tells how to do it right.
 */
#include <string.h>
#include <strings.h>

#include "content_type.h"

bool content_type_is(const char *header, const char *type)
{
    size_t n = strlen(type);
    if (header == NULL)
        return false;
    while (*header == ' ' || *header == '\t')
        header++;
    if (strncasecmp(header, type, n) != 0)
        return false;
    header += n;
    while (*header == ' ' || *header == '\t')
        header++;
    return *header == '\0' || *header == ';';
}

int content_type_refuse(const char *header, const char *accepted, struct problem *p)
{
    char got[80];
    if (header == NULL)
        return problem_set(p, PROBLEM_CONTENT_TYPE, NULL, "the request has no Content-Type; send %s (curl --json does)",
                           accepted);
    return problem_set(p, PROBLEM_CONTENT_TYPE, NULL, "the Content-Type is %s; send %s (curl --json does)",
                       problem_quote(got, sizeof got, header, strlen(header)), accepted);
}
