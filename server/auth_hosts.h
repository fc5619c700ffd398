#ifndef AUTH_HOSTS_H
#define AUTH_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

/**
 * The exact list of host names this server answers to.  A name that an attacker points at 127.0.0.1 (DNS
 * rebinding) is not on it, so a foreign page cannot read through a visitor's browser.
 */
enum { HOSTS_MAX = 68, HOST_TEXT_MAX = 262 };

struct hosts {
    char name[HOSTS_MAX][HOST_TEXT_MAX]; /* lower case; "localhost", "[::1]", "tally.example:8443" */
    size_t n;
};

/** localhost, 127.0.0.1, [::1] and the listen address (numeric; IPv6 is put in brackets). */
void hosts_init(struct hosts *h, const char *address);
/** hosts_add(h, name): a name, perhaps with a port.  false: not a host name, or the list is full. */
bool hosts_add(struct hosts *h, const char *name);
/** hosts_allow(h, host, size): host is on the list.  A listed name without a port stands for every port of
 *  it: a tunnel or a container publishes the server under another port than its own, and the name is what
 *  DNS rebinding cannot forge. */
bool hosts_allow(const struct hosts *h, const char *host, size_t size);
/** hosts_same_origin(origin, host): the page that asks came from this very host: "http://HOST" or
 *  "https://HOST", the same port included (where the Host header that a proxy passes on names none, any
 *  port).  "null" never. */
bool hosts_same_origin(const char *origin, const char *host);
/** hosts_is_domain(host): neither localhost nor an address, with or without a port. */
bool hosts_is_domain(const char *host);

#endif
