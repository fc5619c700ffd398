/**
 * The write-ahead log before SQLite opens it.  Recovery takes frames until the first one whose sum is wrong, in silence: after
 * a power cut that is the end of what was synced, but a damaged frame in the middle would take all commits behind it with it.
 *
 * What tells the two apart.  With durability full a transaction begins only when of those before it at most
 * STORE_UNSYNCED_MAX - 1 are not synced, so a power cut can only tear the frames of that many commits and the last.  A bad
 * frame is therefore damage
 * 1. if at it or after it lie STORE_UNSYNCED_MAX commits that another frame follows each, written after that commit: its sum
 *    goes on from the commit's;
 * 2. if exactly one bit of it was changed (sums are linear: log_sum_flip_at()), where no tear explains it, or nothing but its
 *    salts.
 * What remains untold is damage of more than one bit in the last commits: it looks as if they had been torn.
 *
 * SQLite takes nothing of a log whose header is bad.  A power cut can tear it where the log starts over, which it does when
 * all of it is in the database, and the header is synced before any frame follows it.  It therefore is damage
 * 3. if what the frames say by themselves is not in the database.
 *
 * Only what is whole is believed: frames left behind by a transaction that failed, or by an earlier round of the log, do not
 * go on from the sum in front of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page_sum.h"
#include "store_sqlite.h"

enum { MAGIC = 0x377f0682, VERSION = 3007000, FRAMES_AT_ONCE = 64, SECTOR = 512 /* what a disk writes whole */ };

struct reader {
    int fd;
    uint8_t header[LOG_HEADER_SIZE];
    uint8_t *frames; /* [FRAMES_AT_ONCE * LOG_FRAME_SIZE] */
    int64_t first;   /* the number of frames[0], from 1 */
    size_t n;
    bool failed;
};

/* A frame as it is stored, and the sum that it has with what is in front of it. */
struct frame {
    const uint8_t *bytes;
    struct log_sum stored, computed;
    bool has_salts; /* those of the header */
    bool is_commit;
};

/* Up to size bytes; fewer at the end of the file; -1: it cannot be read. */
static ssize_t read_at(int fd, uint8_t *out, size_t size, int64_t at)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, out + done, size - done, at + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* The frame of this number, counted from 1; NULL: there is none, or the file cannot be read (failed).  Good until the next. */
static const uint8_t *frame_at(struct reader *r, int64_t number)
{
    if (number < r->first || number >= r->first + (int64_t)r->n) {
        ssize_t n = read_at(r->fd, r->frames, (size_t)FRAMES_AT_ONCE * LOG_FRAME_SIZE,
                            LOG_HEADER_SIZE + (number - 1) * LOG_FRAME_SIZE);
        r->failed = n < 0;
        r->first = number;
        r->n = n < 0 ? 0 : (size_t)n / LOG_FRAME_SIZE;
    }
    return r->n > 0 ? r->frames + (size_t)(number - r->first) * LOG_FRAME_SIZE : NULL;
}

static bool read_frame(struct reader *r, int64_t number, struct log_sum before, bool is_big, struct frame *out)
{
    const uint8_t *b = frame_at(r, number);

    if (b == NULL)
        return false;
    *out = (struct frame){.bytes = b,
                          .stored = log_sum_read(b + 16),
                          .computed = log_frame_sum(before, b, is_big),
                          .has_salts = memcmp(b + 8, r->header + 16, 8) == 0,
                          .is_commit = log_word(b + 4) != 0};
    return true;
}

static bool goes_on(const struct frame *f)
{
    return log_sum_equal(f->stored, f->computed) && log_word(f->bytes) != 0;
}

static bool follows(const struct frame *f)
{
    return f->has_salts && goes_on(f);
}

/* Is the number of its page alone in a sector?  What a tear leaves there, of an earlier frame or zeros, may differ in one bit:
   page 1 and no page do. */
static bool is_number_apart(int64_t number)
{
    return (LOG_HEADER_SIZE + (number - 1) * LOG_FRAME_SIZE) % SECTOR == SECTOR - 8;
}

/* Rule 2. */
static bool is_flipped(const struct frame *f, int64_t number, bool is_big)
{
    if (goes_on(f))
        return !f->has_salts;
    int at = log_sum_flip_at(f->stored, f->computed, f->bytes, 8, f->bytes + LOG_FRAME_HEADER_SIZE, PAGE_SIZE, is_big);
    return f->has_salts && at != LOG_NO_FLIP && !(at == 0 && is_number_apart(number));
}

/* Rule 1, for a bad frame of this number.  What an earlier round left behind may be long: only commits are looked at closely. */
static bool is_followed(struct reader *r, int64_t number, bool is_big)
{
    struct log_sum before = {0, 0};
    bool was_commit = false;
    int n_followed = 0;
    const uint8_t *b;

    for (; (b = frame_at(r, number)) != NULL; number++) {
        bool is_ours = memcmp(b + 8, r->header + 16, 8) == 0;
        struct frame f;
        if (is_ours && was_commit && read_frame(r, number, before, is_big, &f) && follows(&f) &&
            ++n_followed == STORE_UNSYNCED_MAX)
            return true;
        before = log_sum_read(b + 16);
        was_commit = is_ours && log_word(b + 4) != 0;
    }
    return false;
}

/* ---- the header ---- */

static bool header_holds(const uint8_t *h, bool is_big, struct log_sum *computed)
{
    *computed = log_sum_add((struct log_sum){0, 0}, h, LOG_HEADER_SIZE - LOG_SUM_SIZE, is_big);
    return log_word(h) == (uint32_t)MAGIC + is_big && log_word(h + 4) == VERSION && log_word(h + 8) == PAGE_SIZE &&
           log_sum_equal(*computed, log_sum_read(h + LOG_HEADER_SIZE - LOG_SUM_SIZE));
}

/* The last commit of the first frames that go on from each other, by their own salts. */
struct orphans {
    int64_t first, last; /* its frames; 0: there is none */
    uint32_t pages;      /* of the database after it */
};

/* stored, computed: sums of the header that there was, by what is left of it. */
static struct orphans find_orphans(struct reader *r, bool is_big, struct log_sum stored, struct log_sum computed)
{
    struct orphans out = {0};
    struct frame f;
    bool is_chain = (read_frame(r, 1, stored, is_big, &f) && goes_on(&f)) ||
                    (read_frame(r, 1, computed, is_big, &f) && goes_on(&f));
    struct log_sum before = {0, 0};
    uint8_t salts[8] = {0};
    int64_t begin = 1;
    const uint8_t *b;

    for (int64_t number = 1; (b = frame_at(r, number)) != NULL; number++) {
        bool is_next = is_chain;
        if (number > 1)
            is_next = memcmp(b + 8, salts, 8) == 0 && read_frame(r, number, before, is_big, &f) && goes_on(&f);
        if (is_chain && !is_next)
            break;
        if (is_next && !is_chain)
            begin = number - 1; /* nothing says whether it is whole, but that the next one goes on from it */
        is_chain = is_next;
        memcpy(salts, b + 8, 8);
        before = log_sum_read(b + 16);
        if (is_chain && log_word(b + 4) != 0) {
            out = (struct orphans){.first = begin, .last = number, .pages = log_word(b + 4)};
            begin = number + 1;
        }
    }
    return out;
}

/* Are these frames in the database, but for the sums of its pages? */
static bool is_stored(struct reader *r, const char *path, const struct orphans *o)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_same = fd >= 0;
    uint8_t page[PAGE_SIZE];

    for (int64_t number = o->first; number <= o->last && is_same; number++) {
        const uint8_t *b = frame_at(r, number);
        int64_t which = b != NULL ? log_word(b) : 0;
        if (which > o->pages)
            continue;
        is_same = which > 0 && read_at(fd, page, PAGE_SIZE, (which - 1) * PAGE_SIZE) == PAGE_SIZE &&
                  memcmp(page, b + LOG_FRAME_HEADER_SIZE, PAGE_SIZE - PAGE_SUM_SIZE) == 0;
    }
    if (fd >= 0)
        close(fd);
    return is_same;
}

/* Rule 2, of the header, and rule 3. */
static bool header_is_damaged(struct reader *r, const char *path)
{
    struct log_sum stored = log_sum_read(r->header + LOG_HEADER_SIZE - LOG_SUM_SIZE);

    for (int is_big = 0; is_big < 2; is_big++) {
        struct log_sum computed =
            log_sum_add((struct log_sum){0, 0}, r->header, LOG_HEADER_SIZE - LOG_SUM_SIZE, is_big);
        if (log_sum_flip_at(stored, computed, r->header, LOG_HEADER_SIZE - LOG_SUM_SIZE, NULL, 0, is_big) !=
            LOG_NO_FLIP)
            return true;
        struct orphans o = find_orphans(r, is_big, stored, computed);
        if (o.last > 0)
            return !is_stored(r, path, &o);
    }
    return false;
}

/* ---- all of it ---- */

static int damaged(struct problem *p, const char *path, int64_t frame)
{
    char quoted[200], where[64] = "its header";

    if (frame > 0)
        snprintf(where, sizeof where, "frame %lld", (long long)frame);
    return problem_set(
        p, PROBLEM_DAMAGED, NULL,
        "%s-wal is damaged (%s), and what was committed after that would be lost: nothing was changed. Restore "
        "a backup, or see \"A damaged file\" in docs/operations.md",
        problem_quote(quoted, sizeof quoted, path, strlen(path)), where);
}

static int check(struct reader *r, const char *path, bool is_lenient, struct store_log *out, struct problem *p)
{
    struct store_log found = {0}, committed = {0};
    struct log_sum sum;
    struct frame f;
    int64_t number = 1;
    bool is_big = (log_word(r->header) & 1) != 0;

    if (!header_holds(r->header, is_big, &sum))
        return header_is_damaged(r, path) ? damaged(p, path, 0) : OK;
    for (; read_frame(r, number, sum, is_big, &f) && follows(&f); number++) {
        if (log_word(f.bytes) == 1) {
            found.has_first = true;
            found.first_reserved = f.bytes[LOG_FRAME_HEADER_SIZE + PAGE_RESERVED_AT];
        }
        found.frames = number;
        if (f.is_commit)
            committed = found;
        sum = f.stored;
    }
    *out = committed;
    if (frame_at(r, number) == NULL)
        return OK;
    if (is_flipped(&f, number, is_big) || (!is_lenient && is_followed(r, number, is_big)))
        return damaged(p, path, number);
    return OK;
}

int store_log_check(const char *path, bool is_lenient, struct store_log *out, struct problem *p)
{
    struct reader r = {.fd = -1};
    char *name = NULL;
    int status = OK;

    *out = (struct store_log){0};
    if (asprintf(&name, "%s-wal", path) < 0)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    r.fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = r.fd >= 0 ? read_at(r.fd, r.header, sizeof r.header, 0) : errno == ENOENT ? 0 : -1;
    if (n == (ssize_t)sizeof r.header) {
        r.frames = malloc((size_t)FRAMES_AT_ONCE * LOG_FRAME_SIZE);
        status =
            r.frames != NULL ? check(&r, path, is_lenient, out, p) : problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    }
    if (n < 0 || r.failed) {
        char quoted[200];
        status = problem_set(p, PROBLEM_STORAGE, NULL, "cannot read %s: %s",
                             problem_quote(quoted, sizeof quoted, name, strlen(name)), strerror(errno));
    }
    if (r.fd >= 0)
        close(r.fd);
    free(r.frames);
    free(name);
    return status;
}
