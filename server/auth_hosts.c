/** Host names compared letter by letter, without looking anything up.  Constant after start: any thread. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth_hosts.h"

/* A name of letters, digits, '-', '.', '_', or an IPv6 address in brackets; then perhaps ":port". */
static bool is_host(const char *text, size_t size)
{
    size_t at = 0;

    if (size > 0 && text[0] == '[') {
        for (at = 1; at < size && text[at] != ']'; at++)
            if (!isxdigit((unsigned char)text[at]) && text[at] != ':' && text[at] != '.')
                return false;
        if (at == size || at == 1)
            return false;
        at++;
    } else {
        while (at < size && (isalnum((unsigned char)text[at]) || strchr("-._", text[at]) != NULL))
            at++;
        if (at == 0)
            return false;
    }
    if (at == size)
        return true;
    if (text[at] != ':' || size - at < 2 || size - at > 6)
        return false;
    for (at++; at < size; at++)
        if (!isdigit((unsigned char)text[at]))
            return false;
    return true;
}

bool hosts_add(struct hosts *h, const char *name)
{
    size_t size = strlen(name);

    if (h->n == HOSTS_MAX || size >= HOST_TEXT_MAX || !is_host(name, size))
        return false;
    for (size_t i = 0; i <= size; i++)
        h->name[h->n][i] = (char)tolower((unsigned char)name[i]);
    h->n++;
    return true;
}

void hosts_init(struct hosts *h, const char *address)
{
    char bracketed[64];

    h->n = 0;
    hosts_add(h, "localhost");
    hosts_add(h, "127.0.0.1");
    hosts_add(h, "[::1]");
    snprintf(bracketed, sizeof bracketed, strchr(address, ':') != NULL ? "[%s]" : "%s", address);
    hosts_add(h, bracketed);
}

static bool has_port(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon != NULL && strchr(colon, ']') == NULL;
}

/* Where the port begins, or the end. */
static size_t name_length(const char *host, size_t size)
{
    for (size_t i = size; i > 0 && host[i - 1] != ']'; i--)
        if (host[i - 1] == ':')
            return i - 1;
    return size;
}

bool hosts_allow(const struct hosts *h, const char *host, size_t size)
{
    if (!is_host(host, size))
        return false;
    for (size_t i = 0; i < h->n; i++) {
        size_t compared = has_port(h->name[i]) ? size : name_length(host, size);
        if (compared == strlen(h->name[i]) && strncasecmp(host, h->name[i], compared) == 0)
            return true;
    }
    return false;
}

bool hosts_same_origin(const char *origin, const char *host)
{
    size_t scheme = strncasecmp(origin, "http://", 7) == 0 ? 7 : strncasecmp(origin, "https://", 8) == 0 ? 8 : 0;

    if (scheme == 0)
        return false;
    const char *from = origin + scheme;
    size_t compared = has_port(host) ? strlen(from) : name_length(from, strlen(from));
    return is_host(from, strlen(from)) && compared == strlen(host) && strncasecmp(from, host, compared) == 0;
}

bool hosts_is_domain(const char *host)
{
    size_t size = name_length(host, strlen(host));
    bool has_letter = false;

    for (size_t i = 0; i < size; i++)
        has_letter = has_letter || isalpha((unsigned char)host[i]);
    bool is_local = (size == 9 && strncasecmp(host, "localhost", 9) == 0) ||
                    (size > 10 && strncasecmp(host + size - 10, ".localhost", 10) == 0);
    return has_letter && host[0] != '[' && !is_local;
}
