#ifndef CRYPTO_H
#define CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Hashes, random bytes, comparison.  Only this module (crypto*.c) includes gnutls. */
int crypto_sha256(const void *data, size_t size, uint8_t out[32]); /* OK or PROBLEM_INTERNAL */
int crypto_random(void *out, size_t size);                         /* OK or PROBLEM_INTERNAL */
bool crypto_equal(const void *a, const void *b, size_t size);      /* constant time */
void crypto_hex(const uint8_t *data, size_t size, char *out);      /* 2 * size characters and a NUL */

#endif
