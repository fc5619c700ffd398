#ifndef CRYPTO_CERTIFICATE_H
#define CRYPTO_CERTIFICATE_H

#include "problem.h"

/**
 * The certificate that the server shows, and its key.  One for the process: the library that calls back for it says for
 * no more than a connection.  It can be replaced while the server runs: connections that are open keep what they have,
 * handshakes from then on get the new one.
 */

/**
 * certificate_load(cert, key, p): read and check both files, then show them.
 *
 * cert     PEM: the server's certificate, then those between it and a root, if any.
 * key      PEM: its private key, without a password, in a file that others may neither read nor write.
 * Returns  OK; PROBLEM_MEMORY; PROBLEM_INVALID with a sentence for the operator: a file that cannot be read or is something else, a key
 *          that others may read, that has a password, or that is not the certificate's.  Then what was shown before
 *          still is.  A certificate that is out of its dates, or soon will be, is logged, and shown.
 * Thread   one at a time.
 */
int certificate_load(const char *cert, const char *key, struct problem *p);

/** certificate_callback(): what the HTTP library takes to ask for it (a gnutls_certificate_retrieve_function2).  Any thread. */
typedef void certificate_fn(void);
certificate_fn *certificate_callback(void);

/** The protocol versions and ciphers that are spoken, as the library wants to be told. */
extern const char CERTIFICATE_PRIORITIES[];

/** certificate_release(): nothing is shown any more.  After the last connection. */
void certificate_release(void);

#endif
