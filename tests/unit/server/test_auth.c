/** Tokens, scopes, sessions, hosts and origins. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "auth_hosts.h"
#include "crypto.h"

/* The source of tokens: rows that a test may change. */
struct source {
    struct token_row row[4];
    size_t n;
    int reads;
    int rc;
};

static int each(void *context, int (*fn)(void *fn_context, const struct token_row *row), void *fn_context,
                struct problem *p)
{
    struct source *s = context;

    (void)p;
    s->reads++;
    for (size_t i = 0; i < s->n && s->rc == OK; i++)
        fn(fn_context, &s->row[i]);
    return s->rc;
}

static void put(struct source *s, int64_t number, const char *text, const char *scope, int64_t expires_at)
{
    struct token_row *row = &s->row[s->n++];

    memset(row, 0, sizeof *row);
    row->token = number;
    strcpy(row->scope, scope);
    row->expires_at = expires_at;
    cr_assert_eq(crypto_sha256(text, strlen(text), row->sha256), OK);
}

static struct auth *make(struct source *s, const char *address, const char *const *hosts, size_t n_hosts, bool insecure)
{
    struct auth_options options = {.address = address,
                                   .allow_hosts = hosts,
                                   .n_allow_hosts = n_hosts,
                                   .insecure_no_auth = insecure,
                                   .tokens_each = each,
                                   .context = s};
    struct auth *a = NULL;
    struct problem p = {0};

    cr_assert_eq(auth_new(&a, &options, &p), OK, "%s", p.detail);
    return a;
}

static int ask(struct auth *a, const char *authorization, const char *cookie, enum scope needed)
{
    struct request q = {.authorization = authorization, .cookie = cookie, .now = 1000};
    struct route route = {.scope = needed};
    struct problem p = {0};
    int rc = auth_scope(a, &q, &route, &p);

    cr_assert_eq(p.code, rc);
    return rc;
}

Test(auth, tokens_are_asked_for_off_loopback_and_once_hosts_are_allowed)
{
    static const char *const HOST[] = {"tally.example"};
    static const struct {
        const char *address;
        size_t n_hosts;
        bool insecure, required;
    } ROWS[] = {{"127.0.0.1", 0, false, false}, {"127.9.9.9", 0, false, false}, {"::1", 0, false, false},
                {"0.0.0.0", 0, false, true},    {"::", 0, false, true},         {"10.0.0.1", 0, false, true},
                {"127.0.0.1", 1, false, true},  {"0.0.0.0", 1, true, false}};

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct source s = {0};
        struct auth *a = make(&s, ROWS[i].address, HOST, ROWS[i].n_hosts, ROWS[i].insecure);
        cr_assert_eq(auth_is_required(a), ROWS[i].required, "row %zu", i);
        cr_assert_eq(ask(a, NULL, NULL, SCOPE_ADMIN), ROWS[i].required ? PROBLEM_UNAUTHORIZED : OK, "row %zu", i);
        cr_assert_eq(ask(a, NULL, NULL, SCOPE_PUBLIC), OK, "row %zu", i);
        auth_free(a);
    }
}

Test(auth, scopes_include_one_another_and_expired_tokens_are_refused)
{
    struct source s = {0};
    static const struct {
        const char *authorization;
        int read, write, admin;
    } ROWS[] = {
        {"Bearer r", OK, PROBLEM_FORBIDDEN, PROBLEM_FORBIDDEN},
        {"Bearer w", OK, OK, PROBLEM_FORBIDDEN},
        {"bearer  a", OK, OK, OK},
        {"Bearer old", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {"Bearer x", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {"Bearer ", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {"Bearera", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {"Basic a", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {"", PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
        {NULL, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED, PROBLEM_UNAUTHORIZED},
    };

    put(&s, 1, "r", "read", 0);
    put(&s, 2, "w", "write", 1001);
    put(&s, 3, "a", "admin", 0);
    put(&s, 4, "old", "admin", 1000);
    struct auth *a = make(&s, "0.0.0.0", NULL, 0, false);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        cr_assert_eq(ask(a, ROWS[i].authorization, NULL, SCOPE_READ), ROWS[i].read, "row %zu", i);
        cr_assert_eq(ask(a, ROWS[i].authorization, NULL, SCOPE_WRITE), ROWS[i].write, "row %zu", i);
        cr_assert_eq(ask(a, ROWS[i].authorization, NULL, SCOPE_ADMIN), ROWS[i].admin, "row %zu", i);
    }
    auth_free(a);
}

Test(auth, a_new_token_works_at_once_and_guessing_does_not_read_the_store_for_ever)
{
    struct source s = {0};
    struct auth *a = make(&s, "0.0.0.0", NULL, 0, false);

    cr_assert_not(auth_has_tokens(a));
    put(&s, 1, "new", "read", 0);
    cr_assert_eq(ask(a, "Bearer new", NULL, SCOPE_READ), OK);
    cr_assert(auth_has_tokens(a));
    int before = s.reads;
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ask(a, "Bearer guess", NULL, SCOPE_READ), PROBLEM_UNAUTHORIZED);
    cr_assert_lt(s.reads - before, 60);
    before = s.reads;
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ask(a, "Bearer new", NULL, SCOPE_READ), OK);
    cr_assert_lt(s.reads - before, 3);
    /* a store that fails leaves what is known */
    s.rc = PROBLEM_STORAGE;
    cr_assert_eq(ask(a, "Bearer new", NULL, SCOPE_READ), OK);
    auth_free(a);
}

/* The cookie header that a browser would send after Set-Cookie. */
static void browser(const char *set_cookie, char *out, size_t size)
{
    snprintf(out, size, "other=1; %.*s; more=2", (int)strcspn(set_cookie, ";"), set_cookie);
}

Test(auth, a_session_reads_only_and_ends_on_the_server)
{
    struct source s = {0};
    struct request q = {.now = 1000};
    struct problem p = {0};
    char set[256], cookie[320];

    put(&s, 1, "a", "admin", 0);
    struct auth *a = make(&s, "0.0.0.0", NULL, 0, false);
    cr_assert_eq(auth_login(a, &q, NULL, set, sizeof set, &p), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(auth_login(a, &q, "guess", set, sizeof set, &p), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(auth_login(a, &q, "a", set, sizeof set, &p), OK);
    cr_assert(strstr(set, "; HttpOnly") != NULL && strstr(set, "; SameSite=Strict") != NULL &&
                  strstr(set, "; Path=/") != NULL,
              "%s", set);
    browser(set, cookie, sizeof cookie);
    cr_assert_eq(ask(a, NULL, cookie, SCOPE_READ), OK);
    cr_assert_eq(ask(a, NULL, cookie, SCOPE_WRITE), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(ask(a, NULL, "tally_session=", SCOPE_READ), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(ask(a, NULL, "tally_session=00", SCOPE_READ), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(ask(a, NULL, "x", SCOPE_READ), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(ask(a, NULL, "", SCOPE_READ), PROBLEM_UNAUTHORIZED);
    struct request later = {.cookie = cookie, .now = 1000 + (int64_t)AUTH_SESSION_HOURS * 3600 * 1000};
    struct route route = {.scope = SCOPE_READ};
    cr_assert_eq(auth_scope(a, &later, &route, &p), PROBLEM_UNAUTHORIZED);
    q.cookie = cookie;
    auth_logout(a, &q, set, sizeof set);
    cr_assert(strstr(set, "Max-Age=0") != NULL, "%s", set);
    cr_assert_eq(ask(a, NULL, cookie, SCOPE_READ), PROBLEM_UNAUTHORIZED);
    auth_free(a);
}

Test(auth, a_page_that_came_by_https_gets_a_cookie_for_https)
{
    static const struct {
        const char *origin;
        bool is_tls, secure;
    } ROWS[] = {{NULL, false, false},
                {"http://localhost", false, false},
                {"https://tally.example", false, true},
                {"HTTPS://tally.example", false, true},
                {NULL, true, true}};

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct source s = {0};
        struct auth_options options = {
            .address = "0.0.0.0", .is_tls = ROWS[i].is_tls, .tokens_each = each, .context = &s};
        struct request q = {.now = 1000, .origin = ROWS[i].origin};
        struct problem p = {0};
        struct auth *a = NULL;
        char set[256];

        put(&s, 1, "a", "read", 0);
        cr_assert_eq(auth_new(&a, &options, &p), OK);
        cr_assert_eq(auth_login(a, &q, "a", set, sizeof set, &p), OK);
        cr_assert_eq(strstr(set, "; Secure") != NULL, ROWS[i].secure, "%zu: %s", i, set);
        auth_logout(a, &q, set, sizeof set);
        cr_assert_eq(strstr(set, "; Secure") != NULL, ROWS[i].secure, "%zu: %s", i, set);
        auth_free(a);
    }
}

Test(auth, names_are_told_from_addresses)
{
    static const char *const NAMES[] = {"tally.example", "tally.example:7070", "a", "localhost.example", "xlocalhost"};
    static const char *const OTHERS[] = {"localhost",   "LOCALHOST:7070", "a.localhost",    "127.0.0.1",
                                         "10.0.0.1:80", "[::1]",          "[fe80::a]:7070", ""};

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        cr_assert(hosts_is_domain(NAMES[i]), "%s", NAMES[i]);
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        cr_assert_not(hosts_is_domain(OTHERS[i]), "%s", OTHERS[i]);
}

Test(auth, a_revoked_token_takes_its_sessions_with_it)
{
    struct source s = {0};
    struct request q = {.now = 1000, .authorization = "Bearer r"};
    struct problem p = {0};
    char set[256], cookie[320];

    put(&s, 5, "r", "read", 0);
    struct auth *a = make(&s, "0.0.0.0", NULL, 0, false);
    cr_assert_eq(auth_login(a, &q, NULL, set, sizeof set, &p), OK);
    browser(set, cookie, sizeof cookie);
    cr_assert_eq(ask(a, NULL, cookie, SCOPE_READ), OK);
    s.n = 0;
    cr_assert_eq(ask(a, "Bearer unknown", NULL, SCOPE_READ), PROBLEM_UNAUTHORIZED); /* has the list read again */
    cr_assert_eq(ask(a, NULL, cookie, SCOPE_READ), PROBLEM_UNAUTHORIZED);
    auth_free(a);
}

Test(auth, sessions_are_bounded_and_the_oldest_goes)
{
    struct source s = {0};
    struct problem p = {0};
    char set[256], first[320], last[320];

    put(&s, 1, "r", "read", 0);
    struct auth *a = make(&s, "0.0.0.0", NULL, 0, false);
    for (int i = 0; i <= AUTH_SESSIONS_MAX; i++) {
        struct request q = {.now = 100 + i};
        cr_assert_eq(auth_login(a, &q, "r", set, sizeof set, &p), OK);
        browser(set, i == 0 ? first : last, sizeof first);
    }
    cr_assert_eq(ask(a, NULL, first, SCOPE_READ), PROBLEM_UNAUTHORIZED);
    cr_assert_eq(ask(a, NULL, last, SCOPE_READ), OK);
    auth_free(a);
}

Test(auth, hosts_are_compared_exactly)
{
    static const char *const ALLOW[] = {"Tally.Example", "proxy.example:8443"};
    static const struct {
        const char *host;
        bool ok;
    } ROWS[] = {{"localhost", true},
                {"LOCALHOST:7070", true},
                {"127.0.0.1:7070", true},
                {"[::1]", true},
                {"[::1]:7070", true},
                {"10.0.0.5:7070", true},
                {"10.0.0.5", true},
                {"tally.example", true},
                {"tally.example:7070", true},
                {"proxy.example:8443", true},
                {"proxy.example", false},
                {"proxy.example:7070", false},
                {"localhost:7071", true},
                {"localhost.", false},
                {"localhost:", false},
                {"xlocalhost", false},
                {"localhost.evil", false},
                {"10.0.0.50", false},
                {"127.0.0.1:707000", false},
                {"::1", false},
                {"", false},
                {"evil.example", false},
                {"localhost:7070:7070", false}};
    struct source s = {0};
    struct auth *a = make(&s, "10.0.0.5", ALLOW, 2, true);

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct problem p = {0};
        cr_assert_eq(auth_host(a, ROWS[i].host, &p), ROWS[i].ok ? OK : PROBLEM_HOST, "%s", ROWS[i].host);
    }
    cr_assert_eq(auth_host(a, NULL, NULL), PROBLEM_HOST);
    auth_free(a);
}

Test(auth, only_names_of_hosts_can_be_allowed)
{
    static const char *const BAD[] = {"",         "a b",  "a/b", "http://a", "a:",    "a:b",
                                      "a:123456", "[::1", "[]",  "[x]",      "a:1:2", "*"};

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct hosts h;
        hosts_init(&h, "127.0.0.1");
        cr_assert_not(hosts_add(&h, BAD[i]), "%s", BAD[i]);
    }
}

Test(auth, foreign_origins_are_refused_and_absent_ones_are_not)
{
    static const struct {
        const char *origin, *site;
        enum method method;
        bool ok;
    } ROWS[] = {{NULL, NULL, METHOD_POST, true},
                {"http://127.0.0.1:7070", NULL, METHOD_POST, true},
                {"http://localhost:7070", NULL, METHOD_POST, false},
                {"http://127.0.0.1", NULL, METHOD_POST, false},
                {"http://127.0.0.1:3000", "same-site", METHOD_POST, false},
                {"https://127.0.0.1:7070", "same-origin", METHOD_POST, true},
                {"HTTP://127.0.0.1:7070", NULL, METHOD_GET, true},
                {"null", NULL, METHOD_GET, false},
                {"http://evil.example", NULL, METHOD_GET, false},
                {"http://localhost:8080", NULL, METHOD_POST, false},
                {"ftp://localhost:7070", NULL, METHOD_GET, false},
                {"http://localhost:7070/", NULL, METHOD_GET, false},
                {"", NULL, METHOD_GET, false},
                {NULL, "cross-site", METHOD_GET, true},
                {NULL, "cross-site", METHOD_HEAD, true},
                {NULL, "cross-site", METHOD_DELETE, false},
                {NULL, "same-site", METHOD_POST, false},
                {NULL, "same-site", METHOD_GET, true},
                {NULL, "Same-Origin", METHOD_POST, true},
                {NULL, "", METHOD_POST, false},
                {NULL, "none", METHOD_PUT, true}};
    struct source s = {0};
    struct auth *a = make(&s, "127.0.0.1", NULL, 0, false);

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct request q = {.host = "127.0.0.1:7070",
                            .origin = ROWS[i].origin,
                            .sec_fetch_site = ROWS[i].site,
                            .method = ROWS[i].method};
        struct problem p = {0};
        cr_assert_eq(auth_origin(&q, &p), ROWS[i].ok ? OK : PROBLEM_ORIGIN, "row %zu", i);
    }
    auth_free(a);
}

Test(auth, a_proxy_that_passes_the_name_alone_leaves_the_port_open)
{
    cr_assert(hosts_same_origin("https://tally.example:8443", "tally.example"));
    cr_assert(hosts_same_origin("https://[::1]:8443", "[::1]"));
    cr_assert_not(hosts_same_origin("https://tally.example.evil:8443", "tally.example"));
    cr_assert_not(hosts_same_origin("https://tally.example:8443", "tally.example:8444"));
}

Test(auth, sha256_is_sha256)
{
    uint8_t hash[32];
    char hex[65];

    cr_assert_eq(crypto_sha256("abc", 3, hash), OK);
    crypto_hex(hash, 32, hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert(crypto_equal("ab", "ab", 2));
    cr_assert_not(crypto_equal("ab", "ac", 2));
}
