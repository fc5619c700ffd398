#ifndef AUTH_HOSTS_H
#define AUTH_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/** hosts_allow(h, host, size, port): host is on the list as it stands, or with ":port" (not 0) after a name that has none. */
bool hosts_allow(const struct hosts *h, const char *host, size_t size, uint16_t port);
/** hosts_allow_origin(h, origin, port): "http://HOST" or "https://HOST" with such a host; "null" never. */
bool hosts_allow_origin(const struct hosts *h, const char *origin, uint16_t port);

#endif
