/**
 * The page and its files: from inside the program, under a path that names the build, so that they may be
 * cached for ever; or, for development, from the folder of --web-dir, never cached.  No path of a
 * client reaches the file system: only names of plain letters, segment by segment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "auth.h"
#include "embedded.h"
#include "routes.h"

static const char POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
static const char PLACEHOLDER[] = "%ASSETS%";

enum { FILE_MAX = 16 * 1024 * 1024 };

static const char *content_type(const char *path)
{
    static const struct {
        const char *ending, *type;
    } TYPES[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".json", "application/json"},
                 {".woff2", "font/woff2"}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(TYPES[i].ending, dot) == 0)
            return TYPES[i].type;
    return "application/octet-stream";
}

/* Segments of letters, digits, '.', '_' and '-', none of them beginning with a dot. */
static bool is_plain_path(const char *path)
{
    for (const char *at = path;; at++) {
        size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        if (n == 0 || at[0] == '.')
            return false;
        at += n;
        if (*at == '\0')
            return true;
        if (*at != '/')
            return false;
    }
}

static int read_all(int fd, struct buffer *out, struct problem *p)
{
    char piece[16384];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || out->size > FILE_MAX)
            return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot read a file of --web-dir: %s",
                               n < 0 ? strerror(errno) : "too large");
        buffer_add(out, piece, (size_t)n);
    }
    return OK;
}

/* A file of the folder; path is below it, and plain. */
static int read_file(const char *folder, const char *path, struct buffer *out, struct problem *p)
{
    char full[4096];
    struct stat info;

    if ((size_t)snprintf(full, sizeof full, "%s/%s", folder, path) >= sizeof full)
        return problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is no such file");
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is no such file");
    int rc = fstat(fd, &info) == 0 && S_ISREG(info.st_mode)
                 ? read_all(fd, out, p)
                 : problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is no such file");
    close(fd);
    return rc;
}

int api_asset_get(struct request *q, struct response *r, struct problem *p)
{
    const char *build = tally_build_id(), *path = q->tail;
    size_t size = strlen(build);

    if (strncmp(path, build, size) != 0 || path[size] != '/' || strncmp(path + size + 1, "web/", 4) != 0 ||
        !is_plain_path(path + size + 1))
        return problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is no such file in this build; reload the page");
    path += size + 1;
    r->content_type = content_type(path);
    if (q->app->web_dir != NULL) {
        response_header_add(r, "Cache-Control", "no-cache");
        return read_file(q->app->web_dir, path + strlen("web/"), &r->body, p);
    }
    const struct embedded_file *file = embedded_find(path);
    if (file == NULL)
        return problem_set(p, PROBLEM_NOT_FOUND, NULL, "there is no such file in this build; reload the page");
    response_header_add(r, "Cache-Control", "public, max-age=31536000, immutable");
    r->static_body = (const char *)file->data;
    r->static_size = file->size;
    return OK;
}

/* Copy the page with the assets' folder in the place of each placeholder. */
static void fill_in(struct buffer *out, const char *html, size_t size)
{
    const char *end = html + size;

    while (html < end) {
        const char *hit = memmem(html, (size_t)(end - html), PLACEHOLDER, sizeof PLACEHOLDER - 1);
        buffer_add(out, html, (size_t)((hit != NULL ? hit : end) - html));
        if (hit == NULL)
            return;
        buffer_printf(out, "/assets/%s/", tally_build_id());
        html = hit + sizeof PLACEHOLDER - 1;
    }
}

/* Is etag among those of If-None-Match? */
static bool is_known(const char *if_none_match, const char *etag)
{
    return if_none_match != NULL && (strstr(if_none_match, etag) != NULL || strcmp(if_none_match, "*") == 0);
}

int api_page_get(struct request *q, struct response *r, struct problem *p)
{
    const struct embedded_file *file = embedded_find("web/index.html");

    response_header_add(r, "Content-Security-Policy", POLICY);
    response_header_add(r, "Cache-Control", "no-cache");
    /* a browser keeps it for the whole host, all its ports: not for localhost or an address, where others live */
    if (q->app->is_tls && auth_is_domain(q->host))
        response_header_add(r, "Strict-Transport-Security", "max-age=15552000");
    r->content_type = "text/html; charset=utf-8";
    if (q->app->web_dir != NULL) {
        struct buffer html;
        buffer_init(&html);
        int rc = read_file(q->app->web_dir, "index.html", &html, p);
        if (rc == OK)
            fill_in(&r->body, html.data, html.size);
        if (html.failed)
            rc = problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
        buffer_release(&html);
        return rc;
    }
    if (file == NULL)
        return problem_set(p, PROBLEM_NOT_FOUND, NULL,
                           "this program was built without its page; the API is at /api/v1/");
    char etag[64];
    int n = snprintf(etag, sizeof etag, "\"%s\"", tally_build_id());
    const char *kept = arena_strndup(&q->arena, etag, (size_t)n);
    if (kept == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    response_header_add(r, "ETag", kept);
    if (is_known(q->if_none_match, etag))
        r->status = 304;
    else
        fill_in(&r->body, (const char *)file->data, file->size);
    return OK;
}
