/** A reading of libmicrohttpd 0.9.75's connection.c: as lenient as that, and no more. */
#include <stdlib.h>
#include <string.h>

#include "library_head.h"

static char *next_line(char *at, char *end, size_t *length)
{
    for (char *c = at; c < end; c++) {
        if (*c == '\n' || (*c == '\r' && c + 1 < end && c[1] == '\n')) {
            *length = (size_t)(c - at);
            if (*c == '\r')
                *c++ = '\0';
            *c++ = '\0';
            return c;
        }
    }
    return NULL;
}

static bool read_request_line(struct library_head *h, size_t length)
{
    char *target = memchr(h->block, ' ', length);
    if (target == NULL)
        return false;
    *target++ = '\0';
    while (*target == ' ')
        target++;
    char *version = length > 0 ? h->block + length - 1 : h->block;
    while (version > target && *version != ' ')
        version--;
    if (h->block + length - version != 9 || version <= target)
        return false;
    *version++ = '\0';
    h->guarded.method = h->block;
    h->guarded.target = target;
    h->guarded.target_size = strlen(target);
    h->guarded.version = version;
    h->target_copy = strdup(target);
    return h->target_copy != NULL;
}

/* false: no header. */
static bool read_header(struct library_head *h, char *line)
{
    struct guard_header *field = &h->head.header[h->head.n];
    if ((line[0] == ' ' || line[0] == '\t') && h->head.n > 0) {
        field[-1].name = "moved"; /* the library joins the lines in other memory */
        field[-1].name_size = strlen(field[-1].name);
        return true;
    }
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return false;
    if (h->head.n == HEADERS_MAX) {
        h->head.is_full = true;
        return true;
    }
    *colon++ = '\0';
    colon += strspn(colon, " \t");
    *field = (struct guard_header){line, strlen(line), colon, strlen(colon)};
    h->head.n++;
    return true;
}

bool library_head_read(struct library_head *h, const char *raw, size_t size)
{
    size_t length = 0;

    h->head.n = 0; /* its headers are large, and set as they come */
    h->head.is_full = false;
    h->target_copy = NULL;
    memset(&h->guarded, 0, sizeof h->guarded);
    h->block = malloc(size + 1);
    if (h->block == NULL)
        return false;
    memcpy(h->block, raw, size);
    h->block[size] = '\0';
    char *end = h->block + size, *at = next_line(h->block, end, &length), *line = at;
    if (at == NULL || !read_request_line(h, length))
        return false;
    for (at = next_line(at, end, &length); at != NULL; line = at, at = next_line(at, end, &length)) {
        if (line[0] == '\0') {
            h->guarded.size = (size_t)(at - h->block);
            return true;
        }
        if (!read_header(h, line))
            return false;
    }
    return false;
}

void library_head_release(struct library_head *h)
{
    free(h->target_copy);
    free(h->block);
}
