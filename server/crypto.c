/** The only door to gnutls.  No state: every function may be called by any thread. */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "crypto.h"
#include "problem.h"

int crypto_sha256(const void *data, size_t size, uint8_t out[32])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, out) == GNUTLS_E_SUCCESS ? OK : PROBLEM_INTERNAL;
}

int crypto_random(void *out, size_t size)
{
    return gnutls_rnd(GNUTLS_RND_KEY, out, size) == GNUTLS_E_SUCCESS ? OK : PROBLEM_INTERNAL;
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
    return gnutls_memcmp(a, b, size) == 0;
}

void crypto_hex(const uint8_t *data, size_t size, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *out++ = DIGITS[data[i] >> 4];
        *out++ = DIGITS[data[i] & 15];
    }
    *out = '\0';
}
