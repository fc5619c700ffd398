/**
 * The database as a file: where it is, whose it is, and who may use it.
 *
 * Locks are open file description locks on a file of their own, because POSIX locks on the database
 * itself are SQLite's, and closing any descriptor of it would drop them.  Byte 0 is held by a server
 * as long as it lives; byte 1 is the write gate: whoever commits or checkpoints holds it.  Both
 * vanish with the process, however it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "store_sqlite.h"

static int file_problem(struct problem *p, const char *what, const char *path)
{
    char quoted[200];

    return problem_set(p, PROBLEM_STORAGE, NULL, "cannot %s %s: %s", what,
                       problem_quote(quoted, sizeof quoted, path, strlen(path)), strerror(errno));
}

/* The name of a file beside the database, malloc'ed; NULL: no memory. */
static char *beside(const char *path, const char *suffix)
{
    char *name = NULL;

    return asprintf(&name, "%s%s", path, suffix) < 0 ? NULL : name;
}

/* The folder part of a path, malloc'ed: "." where it names none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int store_file_resolve(const char *path, char **out, struct problem *p)
{
    char *real = realpath(path, NULL);
    int status = OK;

    if (real != NULL) {
        *out = real;
        return OK;
    }
    if (errno != ENOENT)
        return file_problem(p, "open", path);

    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    char *joined = NULL;
    char *folder = folder_of(path);
    real = folder != NULL ? realpath(folder, NULL) : NULL;
    if (real == NULL || *base == '\0')
        status = file_problem(p, "open", path);
    else if (asprintf(&joined, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base) < 0)
        status = problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    else
        *out = joined;
    free(real);
    free(folder);
    return status;
}

/* Locks and shared memory do not work between machines: a WAL there ends in a damaged database. */
static const char *network_name(const char *folder)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } NETWORK[] = {
        {NFS_SUPER_MAGIC, "NFS"},     {SMB_SUPER_MAGIC, "SMB"}, {CIFS_SUPER_MAGIC, "CIFS"},
        {SMB2_SUPER_MAGIC, "SMB2"},   {AFS_SUPER_MAGIC, "AFS"}, {AFS_FS_MAGIC, "AFS"},
        {CODA_SUPER_MAGIC, "Coda"},   {NCP_SUPER_MAGIC, "NCP"}, {CEPH_SUPER_MAGIC, "Ceph"},
        {OCFS2_SUPER_MAGIC, "OCFS2"}, {0x0bd00bd0, "Lustre"},   {0x47504653, "GPFS"},
        {0x01161970, "GFS2"},         {0x19830326, "BeeGFS"},   {0xaad7aaea, "PanFS"},
    };
    struct statfs fs;

    if (statfs(folder, &fs) != 0)
        return NULL; /* a folder that is not there is reported when the file is opened */
    for (size_t i = 0; i < sizeof NETWORK / sizeof NETWORK[0]; i++)
        if ((unsigned long)fs.f_type == NETWORK[i].magic)
            return NETWORK[i].name;
    return NULL;
}

/* A FUSE file system may be local (ntfs-3g) or not (sshfs): the mount table names the program. */
static const char *remote_fuse_name(const char *path)
{
    static const char *const REMOTE[] = {"fuse.sshfs",     "fuse.s3fs",   "fuse.rclone", "fuse.gcsfuse",
                                         "fuse.glusterfs", "fuse.ceph",   "fuse.davfs2", "fuse.curlftpfs",
                                         "fuse.blobfuse",  "fuse.juicefs"};
    const char *found = NULL;
    size_t best = 0;
    char *line = NULL;
    size_t cap = 0;
    FILE *mounts = fopen("/proc/self/mounts", "re");

    if (mounts == NULL)
        return NULL;
    while (getline(&line, &cap, mounts) > 0) {
        char *save = NULL;
        strtok_r(line, " ", &save);
        const char *point = strtok_r(NULL, " ", &save), *type = strtok_r(NULL, " ", &save);
        if (point == NULL || type == NULL)
            continue;
        size_t n = strlen(point);
        bool covers = strncmp(path, point, n) == 0 && (n == 1 || path[n] == '/');
        if (!covers || n < best)
            continue;
        best = n; /* the longest mount point that covers the path, and the last of equals, wins */
        found = NULL;
        for (size_t i = 0; i < sizeof REMOTE / sizeof REMOTE[0]; i++)
            if (strcmp(type, REMOTE[i]) == 0)
                found = REMOTE[i];
    }
    free(line);
    fclose(mounts);
    return found;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The first 100 bytes say what a SQLite file is, without SQLite creating anything beside it. */
static int check_header(const char *path, const uint8_t *header, size_t size, struct problem *p)
{
    char quoted[200];

    problem_quote(quoted, sizeof quoted, path, strlen(path));
    if (size < 100 || memcmp(header, "SQLite format 3", 16) != 0)
        return problem_set(p, STORE_FOREIGN, NULL, "%s is not a database: it is left alone", quoted);
    if (big_endian(header + 68) != STORE_APPLICATION_ID)
        return problem_set(p, STORE_FOREIGN, NULL, "%s is a SQLite database, but not one of tally: it is left alone",
                           quoted);
    if (big_endian(header + 60) > (uint32_t)store_schema_latest())
        return problem_set(p, STORE_FOREIGN, NULL,
                           "%s was made by a later version of tally (schema %u, this one knows %d): it is left alone",
                           quoted, (unsigned)big_endian(header + 60), store_schema_latest());
    return OK;
}

/* Does the header say whose file it is?  Ours does from the end of its first transaction on. */
static bool names_owner(const uint8_t *header, size_t size)
{
    return size >= 100 && memcmp(header, "SQLite format 3", 16) == 0 && big_endian(header + 68) != 0;
}

int store_file_check_local(const char *path, struct problem *p)
{
    char quoted[200];
    char *folder = folder_of(path);

    if (folder == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    const char *network = network_name(folder);
    free(folder);
    if (network == NULL)
        network = remote_fuse_name(path);
    if (network == NULL)
        return OK;
    return problem_set(p, PROBLEM_STORAGE, NULL,
                       "%s lies on a network file system (%s), where locks cannot be trusted: use a local disk",
                       problem_quote(quoted, sizeof quoted, path, strlen(path)), network);
}

int store_file_check(const char *path, bool *fresh, struct problem *p)
{
    uint8_t header[100];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *fresh = true;
        return OK;
    }
    if (fd < 0)
        return file_problem(p, "open", path);
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, header, sizeof header, 0) : -1;
    int saved = errno;
    close(fd);
    if (n < 0) {
        errno = saved != 0 ? saved : EINVAL;
        return file_problem(p, "read", path);
    }
    *fresh = n == 0;
    if (n == 0)
        return OK;

    /* a crash while it was made: SQLite first undoes what the journal holds, then the schema is checked; but not in
       a file that says already that it is another's */
    char *journal = beside(path, "-journal");
    if (journal == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    bool hot = access(journal, F_OK) == 0;
    free(journal);
    return hot && !names_owner(header, (size_t)n) ? OK : check_header(path, header, (size_t)n, p);
}

int store_file_create(const char *path, struct problem *p)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return file_problem(p, "create", path);
    /* SQLite gives -wal and -shm the mode of the database */
    int status = fchmod(fd, 0600) == 0 ? OK : file_problem(p, "set the mode of", path);
    close(fd);
    return status;
}

int store_file_sync_names(const char *path, struct problem *p)
{
    char *copy = strdup(path);

    if (copy == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd >= 0 && fsync(fd) == 0 ? OK : file_problem(p, "sync the folder of", path);
    if (fd >= 0)
        close(fd);
    free(copy);
    return status;
}

int store_file_give(const char *path, const char *like, struct problem *p)
{
    struct stat mine, other;

    if (stat(path, &mine) != 0 || stat(like, &other) != 0)
        return file_problem(p, "look at", path);
    bool same = mine.st_uid == other.st_uid && mine.st_gid == other.st_gid;
    return same || lchown(path, other.st_uid, other.st_gid) == 0 ? OK : file_problem(p, "set the owner of", path);
}

bool store_log_exists(const char *path)
{
    struct stat st;
    char *name = beside(path, "-wal");
    bool exists = name == NULL || (stat(name, &st) == 0 && st.st_size > 0);

    free(name);
    return exists;
}

int store_file_sync(const char *path, struct problem *p)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int status = fd >= 0 && fsync(fd) == 0 ? OK : file_problem(p, "sync", path);

    if (fd >= 0)
        close(fd);
    return status;
}

bool store_lock_exists(const char *path)
{
    char *name = beside(path, ".lock");
    bool exists = name == NULL || access(name, F_OK) == 0;

    free(name);
    return exists;
}

int store_lock_open(const char *path, int *fd, struct problem *p)
{
    char *name = beside(path, ".lock");
    int status = OK;

    if (name == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        status = file_problem(p, "open", name);
    free(name);
    return status;
}

static bool set_lock(int fd, enum store_lock lock, short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = lock, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

bool store_lock_take(int fd, enum store_lock lock, int wait_ms)
{
    /* held for milliseconds by others, so short sleeps; a bound, so that a stopped process cannot hang us */
    for (int waited = 0;; waited++) {
        if (set_lock(fd, lock, F_WRLCK))
            return true;
        if (waited >= wait_ms)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

void store_lock_drop(int fd, enum store_lock lock)
{
    set_lock(fd, lock, F_UNLCK);
}

static const char LENIENT[] = "normal\n";

bool store_lenient_get(int fd)
{
    char text[sizeof LENIENT];

    return pread(fd, text, sizeof text, 0) == sizeof LENIENT - 1 && memcmp(text, LENIENT, sizeof LENIENT - 1) == 0;
}

int store_lenient_set(int fd, bool on, struct problem *p)
{
    ssize_t size = on ? (ssize_t)sizeof LENIENT - 1 : 0;

    if ((on && pwrite(fd, LENIENT, (size_t)size, 0) != size) || ftruncate(fd, size) != 0 || fsync(fd) != 0)
        return problem_set(p, PROBLEM_STORAGE, NULL, "cannot write the lock file: %s", strerror(errno));
    return OK;
}
