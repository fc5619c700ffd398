/**
 * Linked into a server of its own (tests.mk: the memory build): the allocator fails when it is told to.
 *
 * What is defined here stands in front of the allocator of libc, or of the address sanitizer, for the program and every
 * library that it uses.  $MEMORY_STATE is a file of struct state that the test maps too: how many allocations there were,
 * and which of them shall fail.  Without it nothing ever fails.  $MEMORY_TRACE=1 writes where an allocation failed.
 *
 * Counting begins when main() does: the libraries have set themselves up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sqlite3.h>

/* 64-bit fields in the machine's order: test_memory.py maps it. */
struct state {
    _Atomic uint64_t allocations; /* so far, or since the test set it to 0; one that failed counts */
    _Atomic uint64_t fail_from;   /* the first that fails; UINT64_MAX: none */
    _Atomic uint64_t fail_count;  /* how many fail, from there on */
    _Atomic uint64_t failed;      /* how many did */
};

enum { FRAMES = 24 };

static struct state *state;
static bool trace;
static __thread bool is_exempt;

/* The next definition of name after ours.  A union, for ISO C has no cast from an object to a function. */
#define NEXT(name)                                                                                                     \
    static __typeof__(&name) next;                                                                                     \
    if (next == NULL) {                                                                                                \
        union {                                                                                                        \
            void *object;                                                                                              \
            __typeof__(&name) function;                                                                                \
        } found = {.object = dlsym(RTLD_NEXT, #name)};                                                                 \
        next = found.function;                                                                                         \
    }

static bool fails(void)
{
    if (state == NULL || is_exempt)
        return false;
    uint64_t number = atomic_fetch_add(&state->allocations, 1), from = atomic_load(&state->fail_from);
    if (number < from || number - from >= atomic_load(&state->fail_count))
        return false;
    atomic_fetch_add(&state->failed, 1);
    if (trace) {
        void *frames[FRAMES];
        dprintf(STDERR_FILENO, "memory: allocation %llu fails\n", (unsigned long long)number);
        backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    NEXT(malloc)
    return fails() ? NULL : next(size);
}

void *calloc(size_t n, size_t size)
{
    NEXT(calloc)
    return fails() ? NULL : next(n, size);
}

void *realloc(void *old, size_t size)
{
    NEXT(realloc)
    return fails() ? NULL : next(old, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    NEXT(posix_memalign)
    return fails() ? ENOMEM : next(out, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    NEXT(aligned_alloc)
    return fails() ? NULL : next(alignment, size);
}

/* The sanitizer's own would not come by. */
char *strndup(const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    char *copy = malloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    return strndup(text, SIZE_MAX);
}

/* The sanitizer asks for it at the start of a thread, and ends the process if it cannot be told. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    NEXT(pthread_getattr_np)
    is_exempt = true;
    int rc = next(thread, attributes);
    is_exempt = false;
    return rc;
}

static __attribute__((constructor)) void start(void)
{
    const char *path = getenv("MEMORY_STATE"), *wish = getenv("MEMORY_TRACE");
    void *frame;

    if (path == NULL)
        return;
    trace = wish != NULL && *wish == '1';
    if (trace)
        backtrace(&frame, 1); /* the first one allocates */
    /* small pieces shall come from the allocator too, not from the room that each connection has for them */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        dprintf(STDERR_FILENO, "memory: cannot start\n");
        _exit(70);
    }
    close(fd);
    state = map;
}
