/**
 * Preloaded into the server: what the disk is asked to do, recorded or refused.
 *
 * It sees the files that begin with $FAULT_DB (the database, its WAL, its journal, its shared memory, the copy that takes its place) and their folder.
 * $FAULT_STATE is a file of struct state that the test maps too: the number of operations so far, and which of them
 * shall fail with which errno, or kill the process; and the same of the statements that SQLite runs.  $FAULT_LOG, if set, gets a record of every operation and the bytes that
 * reached the disk.
 * An operation, its number and its record are one step under a mutex, so the log has the order of the disk.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FDS = 65536, DIE = 9999 };
enum op { OP_WRITE = 1, OP_SYNC, OP_TRUNCATE, OP_CREATE, OP_UNLINK, OP_REFUSED, OP_RENAME };
enum file { FILE_NONE, FILE_DB, FILE_WAL, FILE_JOURNAL, FILE_SHM, FILE_FOLDER, FILE_COPY };

/* 64-bit fields in the machine's order: faults.py maps it. */
struct state {
    uint64_t operations; /* done so far; a refused one counts */
    uint64_t fail_from;  /* the first that fails; UINT64_MAX: none */
    uint64_t fail_count; /* how many fail, from there on */
    uint64_t
        error; /* errno; DIE: the process is killed instead, before the operation (after it, where a name is made or removed) */
    uint64_t refused;     /* how many did */
    uint64_t refused_ops; /* which: bits, 1 << enum op */
    uint64_t statements;  /* of SQL, begun so far, those of triggers too */
    uint64_t die_at;      /* the statement at whose begin the process is killed; UINT64_MAX: none */
};

struct record {
    uint8_t op, file;
    uint16_t unused;
    uint32_t size; /* of the bytes that follow */
    uint64_t offset;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct state *state;
static int log_fd = -1;
static char db[4096], folder[4096];
static uint8_t files[FDS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static __attribute__((constructor)) void start(void)
{
    const char *path = getenv("FAULT_STATE"), *log = getenv("FAULT_LOG"), *name = getenv("FAULT_DB");

    if (path == NULL || name == NULL)
        return;
    snprintf(db, sizeof db, "%s", name);
    snprintf(folder, sizeof folder, "%s", name);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (log != NULL)
        log_fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (map == MAP_FAILED || (log != NULL && log_fd < 0)) {
        fprintf(stderr, "shim: cannot start\n");
        _exit(70);
    }
    close(fd);
    state = map;
}

static enum file file_of(const char *path)
{
    size_t n = strlen(db);

    if (state == NULL)
        return FILE_NONE;
    if (strcmp(path, folder) == 0)
        return FILE_FOLDER;
    if (strncmp(path, db, n) != 0)
        return FILE_NONE;
    return path[n] == '\0'                     ? FILE_DB
           : strcmp(path + n, "-wal") == 0     ? FILE_WAL
           : strcmp(path + n, "-journal") == 0 ? FILE_JOURNAL
           : strcmp(path + n, "-shm") == 0     ? FILE_SHM
           : strcmp(path + n, ".summing") == 0 ? FILE_COPY
                                               : FILE_NONE;
}

static enum file file_at(int fd)
{
    return fd >= 0 && fd < FDS ? files[fd] : FILE_NONE;
}

/* With the mutex held. */
static bool is_next(void)
{
    uint64_t number = state->operations;

    return number >= state->fail_from && number - state->fail_from < state->fail_count;
}

/* With the mutex held, after the operation was done. */
static void note(enum op op, enum file file, uint64_t offset, const void *data, size_t size)
{
    struct record r = {.op = (uint8_t)op, .file = (uint8_t)file, .size = (uint32_t)size, .offset = offset};
    int saved = errno;

    if (state->error == DIE && is_next()) /* a name made or removed */
        kill(getpid(), SIGKILL);
    if (log_fd >= 0) {
        if (REAL(write)(log_fd, &r, sizeof r) != (ssize_t)sizeof r ||
            (size > 0 && REAL(write)(log_fd, data, size) != (ssize_t)size)) {
            fprintf(stderr, "shim: cannot record\n");
            _exit(70);
        }
    }
    state->operations++;
    errno = saved;
}

/* With the mutex held.  true: this operation fails, errno is set. */
static bool refuse(enum op op, enum file file)
{
    if (!is_next())
        return false;
    if (state->error == DIE)
        kill(getpid(), SIGKILL);
    state->refused++;
    state->refused_ops |= UINT64_C(1) << op;
    note(OP_REFUSED, file, op, NULL, 0);
    errno = (int)state->error;
    return true;
}

/* ---- which descriptors ---- */

static int opened(int fd, const char *path, bool existed)
{
    enum file file = fd >= 0 && fd < FDS ? file_of(path) : FILE_NONE;

    if (file == FILE_NONE)
        return fd;
    pthread_mutex_lock(&mutex);
    files[fd] = (uint8_t)file;
    if (!existed && file != FILE_FOLDER)
        note(OP_CREATE, file, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;                                               \
        va_end(args);                                                                                                  \
        bool existed = (flags & O_CREAT) == 0 || access(path, F_OK) == 0;                                              \
        return opened(REAL(name)(path, flags, mode), path, existed);                                                   \
    }
OPEN(open)
OPEN(open64)

int close(int fd)
{
    if (file_at(fd) != FILE_NONE)
        files[fd] = FILE_NONE;
    return REAL(close)(fd);
}

/* ---- what they do ---- */

#define WRITE(name, offset_type)                                                                                       \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset)                                            \
    {                                                                                                                  \
        enum file file = file_at(fd);                                                                                  \
        if (file == FILE_NONE)                                                                                         \
            return REAL(name)(fd, data, size, offset);                                                                 \
        pthread_mutex_lock(&mutex);                                                                                    \
        ssize_t n = refuse(OP_WRITE, file) ? -1 : REAL(name)(fd, data, size, offset);                                  \
        if (n > 0)                                                                                                     \
            note(OP_WRITE, file, (uint64_t)offset, data, (size_t)n);                                                   \
        pthread_mutex_unlock(&mutex);                                                                                  \
        return n;                                                                                                      \
    }
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)

#define SYNC(name)                                                                                                     \
    int name(int fd)                                                                                                   \
    {                                                                                                                  \
        enum file file = file_at(fd);                                                                                  \
        if (file == FILE_NONE)                                                                                         \
            return REAL(name)(fd);                                                                                     \
        pthread_mutex_lock(&mutex);                                                                                    \
        bool refused = refuse(OP_SYNC, file);                                                                          \
        int rc = refused ? -1 : REAL(name)(fd);                                                                        \
        if (rc == 0)                                                                                                   \
            note(OP_SYNC, file, 0, NULL, 0);                                                                           \
        pthread_mutex_unlock(&mutex);                                                                                  \
        return rc;                                                                                                     \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset_type)                                                                                    \
    int name(int fd, offset_type size)                                                                                 \
    {                                                                                                                  \
        enum file file = file_at(fd);                                                                                  \
        if (file == FILE_NONE)                                                                                         \
            return REAL(name)(fd, size);                                                                               \
        pthread_mutex_lock(&mutex);                                                                                    \
        int rc = refuse(OP_TRUNCATE, file) ? -1 : REAL(name)(fd, size);                                                \
        if (rc == 0)                                                                                                   \
            note(OP_TRUNCATE, file, (uint64_t)size, NULL, 0);                                                          \
        pthread_mutex_unlock(&mutex);                                                                                  \
        return rc;                                                                                                     \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int unlink(const char *path)
{
    enum file file = file_of(path);

    if (file == FILE_NONE)
        return REAL(unlink)(path);
    pthread_mutex_lock(&mutex);
    int rc = REAL(unlink)(path);
    if (rc == 0)
        note(OP_UNLINK, file, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return rc;
}

/* Only the copy gets another name, and only that of the database. */
int rename(const char *from, const char *to)
{
    if (file_of(from) != FILE_COPY)
        return REAL(rename)(from, to);
    pthread_mutex_lock(&mutex);
    int rc = refuse(OP_RENAME, FILE_COPY) ? -1 : REAL(rename)(from, to);
    if (rc == 0)
        note(OP_RENAME, FILE_COPY, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return rc;
}

/* ---- statements: each connection is traced from its opening on ---- */

static int on_statement(unsigned what, void *context, void *statement, void *text)
{
    (void)what, (void)context, (void)statement, (void)text;
    pthread_mutex_lock(&mutex);
    if (state->statements == state->die_at)
        kill(getpid(), SIGKILL);
    state->statements++;
    pthread_mutex_unlock(&mutex);
    return 0;
}

/* As in sqlite3.h, which a library that is preloaded into every program does without. */
struct sqlite3;
int sqlite3_open_v2(const char *path, struct sqlite3 **db, int flags, const char *vfs);
int sqlite3_trace_v2(struct sqlite3 *db, unsigned mask, int (*on)(unsigned, void *, void *, void *), void *context);
#define SQLITE_TRACE_STMT 1

int sqlite3_open_v2(const char *path, struct sqlite3 **db, int flags, const char *vfs)
{
    int rc = REAL(sqlite3_open_v2)(path, db, flags, vfs);

    if (rc == 0 && state != NULL)
        REAL(sqlite3_trace_v2)(*db, SQLITE_TRACE_STMT, on_statement, NULL);
    return rc;
}

/* ---- another file system than there is: $FAULT_FS its magic number, $FAULT_MOUNTS a table of mounts ---- */

int statfs(const char *path, struct statfs *out)
{
    const char *magic = getenv("FAULT_FS");
    int rc = REAL(statfs)(path, out);

    if (rc == 0 && magic != NULL)
        out->f_type = (__typeof__(out->f_type))strtoll(magic, NULL, 16);
    return rc;
}

FILE *fopen(const char *path, const char *mode)
{
    const char *mounts = getenv("FAULT_MOUNTS");

    return REAL(fopen)(mounts != NULL && strcmp(path, "/proc/self/mounts") == 0 ? mounts : path, mode);
}
