/**
 * Certificates in memory.
 *
 * Invariant: what was shown once stays until certificate_release(), for a handshake may be at it; a certificate is a few
 * kilobytes, and is replaced every few weeks.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto_certificate.h"
#include "log.h"

enum { CHAIN_MAX = 16, FILE_MAX = 1 << 20, WARN_DAYS = 14, KEY_ID_MAX = 64 };

struct certificate {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned n_chain;
    gnutls_privkey_t key;
    struct certificate *older;
};

static _Atomic(struct certificate *) shown;

/* TLS 1.2 and 1.3; keys that are made anew for each connection; ciphers that authenticate what they hide.  X25519 is what
   clients offer a share of: with another group first each handshake would take a round trip more. */
const char CERTIFICATE_PRIORITIES[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"
    "+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE";

/* ---- files ---- */

/* Who may read the key may be the server: on Debian a group shares keys, others never do. */
static int check_mode(const char *path, const struct stat *info, struct problem *p)
{
    if ((info->st_mode & (S_IRWXO | S_IWGRP)) == 0)
        return OK;
    return problem_set(
        p, PROBLEM_INVALID, NULL,
        "--tls-key %s: others may read or write it (mode %04o): chmod 600, or 640 with a group of its own", path,
        (unsigned)(info->st_mode & 07777));
}

static int read_file(const char *option, const char *path, bool is_key, gnutls_datum_t *out, struct problem *p)
{
    struct stat info;
    int rc = OK, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t at = 0;

    *out = (gnutls_datum_t){0};
    if (fd < 0 || fstat(fd, &info) != 0)
        rc = problem_set(p, PROBLEM_INVALID, NULL, "%s %s: %s", option, path, strerror(errno));
    else if (!S_ISREG(info.st_mode) || info.st_size > FILE_MAX)
        rc = problem_set(p, PROBLEM_INVALID, NULL, "%s %s: not a file of PEM text", option, path);
    if (rc == OK && is_key)
        rc = check_mode(path, &info, p);
    if (rc == OK && (out->data = malloc((size_t)info.st_size + 1)) == NULL)
        rc = problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    while (rc == OK && at < (size_t)info.st_size) {
        ssize_t n = read(fd, out->data + at, (size_t)info.st_size - at);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            rc = problem_set(p, PROBLEM_INVALID, NULL, "%s %s: %s", option, path, strerror(errno));
        at += n > 0 ? (size_t)n : 0;
    }
    out->size = (unsigned)at;
    if (fd >= 0)
        close(fd);
    return rc;
}

static void forget_file(gnutls_datum_t *file)
{
    if (file->data != NULL)
        gnutls_memset(file->data, 0, file->size);
    free(file->data);
    file->data = NULL;
}

/* ---- what is in them ---- */

static void certificate_free(struct certificate *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < c->n_chain; i++)
        gnutls_pcert_deinit(&c->chain[i]);
    if (c->key != NULL)
        gnutls_privkey_deinit(c->key);
    free(c);
}

static int take_chain(struct certificate *c, const char *path, const gnutls_datum_t *pem, struct problem *p)
{
    unsigned n = CHAIN_MAX;
    int rc = gnutls_pcert_list_import_x509_raw(c->chain, &n, pem, GNUTLS_X509_FMT_PEM, 0);

    if (rc < 0 || n == 0)
        return problem_set(p, PROBLEM_INVALID, NULL, "--tls-cert %s: no certificate in PEM text (%s)", path,
                           rc < 0 ? gnutls_strerror(rc) : "it is empty");
    c->n_chain = n;
    return OK;
}

static int take_key(struct certificate *c, const char *path, const gnutls_datum_t *pem, struct problem *p)
{
    int rc = gnutls_privkey_init(&c->key);

    if (rc < 0) {
        c->key = NULL;
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for a key");
    }
    rc = gnutls_privkey_import_x509_raw(c->key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return problem_set(p, PROBLEM_INVALID, NULL, "--tls-key %s: it has a password; give one without", path);
    if (rc < 0)
        return problem_set(p, PROBLEM_INVALID, NULL, "--tls-key %s: no private key in PEM text (%s)", path,
                           gnutls_strerror(rc));
    return OK;
}

static int check_pair(const struct certificate *c, const char *cert, const char *key, struct problem *p)
{
    unsigned char of_key[KEY_ID_MAX], of_cert[KEY_ID_MAX];
    size_t key_size = sizeof of_key, cert_size = sizeof of_cert;
    gnutls_pubkey_t public_key = NULL;
    int rc = gnutls_pubkey_init(&public_key);

    if (rc >= 0)
        rc = gnutls_pubkey_import_privkey(public_key, c->key, 0, 0);
    if (rc >= 0)
        rc = gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size);
    if (rc >= 0)
        rc = gnutls_pubkey_get_key_id(c->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_size);
    if (public_key != NULL)
        gnutls_pubkey_deinit(public_key);
    if (rc >= 0 && key_size == cert_size && memcmp(of_key, of_cert, key_size) == 0)
        return OK;
    return problem_set(p, PROBLEM_INVALID, NULL, "--tls-key %s: it is not the key of the certificate in %s", key, cert);
}

static void log_dates(const struct certificate *c, const char *path)
{
    gnutls_x509_crt_t crt = NULL;
    time_t now = time(NULL), from = 0, until = 0;
    struct tm parts;
    char text[32] = "";

    if (gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &c->chain[0].cert, GNUTLS_X509_FMT_DER) >= 0) {
        from = gnutls_x509_crt_get_activation_time(crt);
        until = gnutls_x509_crt_get_expiration_time(crt);
    }
    gnutls_x509_crt_deinit(crt);
    if (gmtime_r(&until, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (until <= now)
        log_event(LOG_WARN, "certificate-expired", "%s ended on %s: clients will refuse it", path, text);
    else if (from > now)
        log_event(LOG_WARN, "certificate-not-yet-valid", "%s is for later: clients will refuse it", path);
    else if (until - now < (time_t)WARN_DAYS * 86400)
        log_event(LOG_WARN, "certificate-expires", "%s ends on %s", path, text);
    else
        log_event(LOG_INFO, "certificate-loaded", "%s, good until %s", path, text);
}

int certificate_load(const char *cert, const char *key, struct problem *p)
{
    gnutls_datum_t cert_file = {0}, key_file = {0};
    struct certificate *c = calloc(1, sizeof *c);
    int rc = c != NULL ? OK : problem_set(p, PROBLEM_MEMORY, NULL, "no memory");

    if (rc == OK)
        rc = read_file("--tls-cert", cert, false, &cert_file, p);
    if (rc == OK)
        rc = read_file("--tls-key", key, true, &key_file, p);
    if (rc == OK)
        rc = take_chain(c, cert, &cert_file, p);
    if (rc == OK)
        rc = take_key(c, key, &key_file, p);
    if (rc == OK)
        rc = check_pair(c, cert, key, p);
    forget_file(&cert_file);
    forget_file(&key_file);
    if (rc != OK) {
        certificate_free(c);
        return rc;
    }
    log_dates(c, cert);
    c->older = atomic_load(&shown);
    atomic_store(&shown, c);
    return OK;
}

/* ---- showing it ---- */

static int retrieve(gnutls_session_t session, const gnutls_datum_t *issuers, int n_issuers,
                    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain,
                    unsigned *n_chain, gnutls_privkey_t *key)
{
    struct certificate *c = atomic_load(&shown);

    (void)session, (void)issuers, (void)n_issuers, (void)algorithms, (void)n_algorithms;
    if (c == NULL)
        return -1;
    *chain = c->chain;
    *n_chain = c->n_chain;
    *key = c->key;
    return 0;
}

certificate_fn *certificate_callback(void)
{
    gnutls_certificate_retrieve_function2 *callback = retrieve;

    return (certificate_fn *)callback;
}

void certificate_release(void)
{
    for (struct certificate *c = atomic_exchange(&shown, NULL), *older; c != NULL; c = older) {
        older = c->older;
        certificate_free(c);
    }
}
