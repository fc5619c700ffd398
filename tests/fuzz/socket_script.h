#ifndef SOCKET_SCRIPT_H
#define SOCKET_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What one connection sends: requests behind one another, made by the grammar of the API (every route of the server's own
 * table, every kind of body, plain, gzip and chunked), some of them then changed by bytes.  It follows from its seed alone.
 */
enum { SCRIPT_CAP = 1 << 18 };

struct script {
    uint8_t data[SCRIPT_CAP];
    size_t size;
    int requests;
    bool is_intact;  /* no byte was changed: the last request ends the connection */
    int must_answer; /* so many answers at least: 0 where bytes were changed */
    bool has_head;   /* some bytes say HEAD: an answer may have a length and no body */
};

void script_make(struct script *s, uint64_t seed);

/** answers_check(data, size, may_lack_bodies, statuses, cap, why, why_size): read a connection's answers as HTTP.
 *  statuses  of each final answer, in order; the first cap of them.
 *  Returns   their number; -1 and a sentence in why where they are not HTTP, or hold a status that is not allowed: any
 *            5xx but 501, 503 and 505.  What the end of the connection cut off is no fault.  */
int answers_check(const uint8_t *data, size_t size, bool may_lack_bodies, int *statuses, int cap, char *why,
                  size_t why_size);

#endif
