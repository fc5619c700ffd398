/** Values of options that are more than a word: where to listen, how long. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

bool options_read_listen(const char *text, char *address, size_t address_size, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    unsigned char binary[16];
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    bool is_v6 = size >= 2 && text[0] == '[' && text[size - 1] == ']';

    if (is_v6) {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof host)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (!is_v6 && strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, host, binary) != 1)
        return false;

    const char *digits = colon + 1;
    size_t n = strspn(digits, "0123456789");
    long value = n > 0 && n <= 5 && digits[n] == '\0' ? strtol(digits, NULL, 10) : -1;
    if (value < 0 || value > UINT16_MAX || strlen(host) >= address_size)
        return false;
    memcpy(address, host, strlen(host) + 1);
    *port = (uint16_t)value;
    return true;
}

bool options_read_duration(const char *text, int64_t *seconds)
{
    static const char UNITS[] = "smhdw";
    static const int64_t SIZE[] = {1, 60, 3600, 86400, 7 * 86400};
    const int64_t max = INT64_C(100) * 366 * 86400;
    size_t n = strspn(text, "0123456789");
    const char *unit = n > 0 && n <= 10 && text[n] != '\0' && text[n + 1] == '\0' ? strchr(UNITS, text[n]) : NULL;

    if (unit == NULL)
        return false;
    int64_t value = strtoll(text, NULL, 10);
    if (value <= 0 || value > max / SIZE[unit - UNITS])
        return false;
    *seconds = value * SIZE[unit - UNITS];
    return true;
}
