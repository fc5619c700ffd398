#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "problem.h"
#include "routes.h"
#include "store.h"

/**
 * The tokens that the store holds, in memory: read again at most once a second, so that new and revoked ones are noticed
 * while the server runs.  Nothing that the network threads wait for is held across I/O.  Thread: any.
 */
enum { TOKEN_HASH = 32 };

struct auth_tokens;

/* Calls fn for each token there is. */
typedef int tokens_each_fn(void *context, int (*fn)(void *fn_context, const struct token_row *row), void *fn_context,
                           struct problem *p);

/* What a token gives. */
struct grant {
    int64_t token;
    enum scope scope;
    char project[PROJECT_MAX + 1]; /* "": all */
};

/** auth_tokens_new(out, each, context, p): reads them once.  each NULL: there are none.  Errors of each; PROBLEM_MEMORY;
 *  PROBLEM_INTERNAL: there are too many. */
int auth_tokens_new(struct auth_tokens **out, tokens_each_fn *each, void *context, struct problem *p);
void auth_tokens_free(struct auth_tokens *t); /* NULL does nothing */

bool auth_tokens_any(struct auth_tokens *t);

/** The token of this hash or number, if it is there and not expired.  The time taken says nothing about which hash matched. */
bool auth_tokens_find(struct auth_tokens *t, const uint8_t hash[TOKEN_HASH], int64_t now, struct grant *out);
bool auth_tokens_find_number(struct auth_tokens *t, int64_t token, int64_t now, struct grant *out);

/** auth_tokens_look_again(t): read them at once, for one that was not found; false: that was done too often of late, a
 *  few times a second, so that guessing costs no I/O. */
bool auth_tokens_look_again(struct auth_tokens *t);

#endif
