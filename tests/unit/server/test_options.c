/** The command line and the environment. */
#include <criterion/criterion.h>
#include <string.h>

#include "options.h"

/* An environment of "NAME=VALUE" rows. */
static const char *const *rows;

static const char *from_rows(const char *name)
{
    for (size_t i = 0; rows != NULL && rows[i] != NULL; i++) {
        size_t size = strlen(name);
        if (strncmp(rows[i], name, size) == 0 && rows[i][size] == '=')
            return rows[i] + size + 1;
    }
    return NULL;
}

/* line is cut at blanks, in place. */
static bool parse(struct options *o, char *line, char *why, size_t why_size)
{
    char *argv[32] = {"tally"};
    int argc = 1;

    for (char *word = strtok(line, " "); word != NULL && argc < 31; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(o, argc, argv, from_rows, why, why_size);
}

Test(options, defaults_listen_on_loopback_with_full_durability)
{
    struct options o;
    char line[] = "serve", why[480] = "";

    rows = NULL;
    cr_assert(parse(&o, line, why, sizeof why), "%s", why);
    cr_assert_eq(o.command, COMMAND_SERVE);
    cr_assert_str_eq(o.db, "tally.db");
    cr_assert_str_eq(o.address, "127.0.0.1");
    cr_assert_eq(o.port, 7070);
    cr_assert_eq(o.durability, STORE_FULL);
    cr_assert_eq(o.keep_steps_s, 0, "batches are kept for ever");
    cr_assert_eq(o.n_allow_hosts, 0);
    cr_assert_not(o.insecure_no_auth);
    cr_assert_null(o.web_dir);
    cr_assert_eq(o.limits.body_bytes, 16 << 20);
    options_release(&o);
}

Test(options, the_command_line_wins_over_the_environment)
{
    static const char *const ENV[] = {
        "TALLY_DB=env.db",          "TALLY_LISTEN=[::1]:1",    "TALLY_ALLOW_HOST=a,b:2,,c",
        "TALLY_INSECURE_NO_AUTH=1", "TALLY_DURABILITY=normal", "TALLY_LIMIT=points=5,classes=6",
        "TALLY_WEB_DIR=",           "TALLY_KEEP_STEPS=2d",     NULL};
    struct options o;
    char alone[] = "serve",
         with[] = "serve --db=x.db --listen 0.0.0.0:0 --allow-host d --limit points=7 --durability full --web-dir w";
    char why[480] = "";

    rows = ENV;
    cr_assert(parse(&o, alone, why, sizeof why), "%s", why);
    cr_assert_str_eq(o.db, "env.db");
    cr_assert_str_eq(o.address, "::1");
    cr_assert_eq(o.port, 1);
    cr_assert_eq(o.n_allow_hosts, 3);
    cr_assert_str_eq(o.allow_hosts[1], "b:2");
    cr_assert_str_eq(o.allow_hosts[2], "c");
    cr_assert(o.insecure_no_auth);
    cr_assert_eq(o.durability, STORE_NORMAL);
    cr_assert_eq(o.keep_steps_s, 2 * 86400);
    cr_assert_eq(o.limits.points, 5);
    cr_assert_eq(o.limits.classes, 6);
    cr_assert_null(o.web_dir);
    options_release(&o);

    cr_assert(parse(&o, with, why, sizeof why), "%s", why);
    cr_assert_str_eq(o.db, "x.db");
    cr_assert_str_eq(o.address, "0.0.0.0");
    cr_assert_eq(o.port, 0);
    cr_assert_eq(o.n_allow_hosts, 1);
    cr_assert_str_eq(o.allow_hosts[0], "d");
    cr_assert_eq(o.limits.points, 7);
    cr_assert_eq(o.limits.classes, 6);
    cr_assert_eq(o.durability, STORE_FULL);
    cr_assert_str_eq(o.web_dir, "w");
    options_release(&o);
}

Test(options, commands_are_read_with_their_own_options)
{
    struct options o;
    char create[] = "token create --name me --scope admin --expires 30d --db t.db", list[] = "token list",
         revoke[] = "token revoke 12", of_one[] = "token create --project pets";
    char help[] = "help token create", asked[] = "serve --help", version[] = "--version", why[480] = "";

    rows = NULL;
    cr_assert(parse(&o, create, why, sizeof why), "%s", why);
    cr_assert_eq(o.command, COMMAND_TOKEN_CREATE);
    cr_assert_str_eq(o.token_name, "me");
    cr_assert_str_eq(o.token_scope, "admin");
    cr_assert_eq(o.token_expires_s, 30 * 86400);
    cr_assert_null(o.token_project);
    cr_assert(parse(&o, of_one, why, sizeof why), "%s", why);
    cr_assert_str_eq(o.token_project, "pets");
    cr_assert(parse(&o, list, why, sizeof why));
    cr_assert_eq(o.command, COMMAND_TOKEN_LIST);
    cr_assert_str_eq(o.token_scope, "write");
    cr_assert(parse(&o, revoke, why, sizeof why));
    cr_assert_eq(o.token_id, 12);
    cr_assert(parse(&o, help, why, sizeof why));
    cr_assert_eq(o.command, COMMAND_HELP);
    cr_assert_str_eq(o.topic, "token");
    cr_assert(parse(&o, asked, why, sizeof why));
    cr_assert_eq(o.command, COMMAND_HELP);
    cr_assert_str_eq(o.topic, "serve");
    cr_assert(parse(&o, version, why, sizeof why));
    cr_assert_eq(o.command, COMMAND_VERSION);
}

Test(options, wrong_usage_is_refused_with_a_hint)
{
    static const char *const LINES[] = {"",
                                        "bogus",
                                        "token",
                                        "token bogus",
                                        "serve extra",
                                        "serve --bogus",
                                        "serve --db",
                                        "serve --db=",
                                        "serve --listen 7070",
                                        "serve --listen localhost:",
                                        "serve --listen example.com:80",
                                        "serve --listen 127.0.0.1:65536",
                                        "serve --listen ::1:80",
                                        "serve --durability maybe",
                                        "serve --keep-steps 30",
                                        "serve --keep-steps 0d",
                                        "check --keep-steps 30d",
                                        "serve --limit points",
                                        "serve --limit bogus=1",
                                        "serve --limit points=0",
                                        "serve --insecure-no-auth=1",
                                        "serve --tls-cert a.pem",
                                        "serve --tls-key a.pem",
                                        "serve --tls-cert= --tls-key=k",
                                        "serve --scope read",
                                        "token create --scope root",
                                        "token create --expires 30",
                                        "token create --project a/b",
                                        "token list --project a",
                                        "token create --expires 0d",
                                        "token create --listen 127.0.0.1:1",
                                        "token revoke",
                                        "token revoke x",
                                        "token revoke 1 2",
                                        "version --db x"};

    rows = NULL;
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        struct options o;
        char line[128], why[480] = "";
        strcpy(line, LINES[i]);
        cr_assert_not(parse(&o, line, why, sizeof why), "%s", LINES[i]);
        cr_assert(strlen(why) > 10, "%s: no hint", LINES[i]);
        options_release(&o);
    }
}

Test(options, every_option_and_limit_is_in_the_help)
{
    static const char *const WORDS[] = {"--db",
                                        "--listen",
                                        "--allow-host",
                                        "--insecure-no-auth",
                                        "--durability",
                                        "--limit",
                                        "--web-dir",
                                        "TALLY_DB",
                                        "TALLY_LISTEN",
                                        "TALLY_ALLOW_HOST",
                                        "TALLY_INSECURE_NO_AUTH",
                                        "TALLY_DURABILITY",
                                        "TALLY_LIMIT",
                                        "TALLY_WEB_DIR",
                                        "request_deadline_s",
                                        "body_bytes"};
    static char text[16384];
    FILE *out = fmemopen(text, sizeof text, "w");

    cr_assert(options_help("serve", out));
    fclose(out);
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        cr_assert(strstr(text, WORDS[i]) != NULL, "%s", WORDS[i]);
    out = fmemopen(text, sizeof text, "w");
    cr_assert(options_help(NULL, out));
    cr_assert(options_help("token", out));
    cr_assert_not(options_help("bogus", out));
    fclose(out);
    cr_assert(strstr(text, "tally token revoke ID") != NULL);
}

Test(options, commands_that_work_on_a_file_need_one)
{
    static const struct {
        const char *line;
        bool ok;
    } TABLE[] = {
        {"backup copy.db", true},
        {"backup --db a.db copy.db", true},
        {"backup", false},
        {"backup -", false},
        {"backup a b", false},
        {"export -", true},
        {"export --run r x", true},
        {"export --run=", false},
        {"export", false},
        {"import -", true},
        {"import --run r x", false},
        {"import x --db y", true},
        {"check x", false},
        {"serve x", false},
        {"serve --backup-dir=", false},
    };

    rows = NULL;
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        struct options o;
        char line[64], why[480] = "";
        snprintf(line, sizeof line, "%s", TABLE[i].line);
        cr_assert_eq(parse(&o, line, why, sizeof why), TABLE[i].ok, "%s: %s", TABLE[i].line, why);
        cr_assert_eq(why[0] == '\0', TABLE[i].ok, "%s", TABLE[i].line);
        options_release(&o);
    }
}
