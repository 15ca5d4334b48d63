/* Makes one chosen system call on files below a folder fail: the n-th since it was armed.
 *
 * FAULT_ROOT is the folder, FAULT_CONTROL a file of four ints this library maps: which calls count (a bit each), how
 * many may still pass, the errno to give, and how many failed. The test writes the first three while the process runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, LINK = 8 };

struct control { int calls, left, error, failed; };
static struct control *control;
static const char *root;
static size_t root_length;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_CONTROL");
    root = getenv("FAULT_ROOT");
    if (!path || !root) return;
    root_length = strlen(root);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (found != MAP_FAILED) control = found;
}

static int fails(int call)
{
    if (!control || !(control->calls & call)) return 0;
    if (__sync_fetch_and_sub(&control->left, 1) != 1) return 0;
    __sync_fetch_and_add(&control->failed, 1);
    errno = control->error;
    return 1;
}

static int ours(const char *path) { return control && strncmp(path, root, root_length) == 0; }

static int ours_fd(int descriptor)
{
    char link[64], path[PATH_MAX];
    if (!control || !control->calls) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return ours(path);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define OPENING(function, name) \
    int function(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && ours(path) && fails(OPEN)) return -1; \
        return real(path, flags, mode); }
OPENING(open, "open")
OPENING(open64, "open64")

#define OPENING_AT(function, name) \
    int function(int folder, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && ours(path) && fails(OPEN)) return -1; \
        return real(folder, path, flags, mode); }
OPENING_AT(openat, "openat")
OPENING_AT(openat64, "openat64")

ssize_t write(int descriptor, const void *octets, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    return ours_fd(descriptor) && fails(WRITE) ? -1 : real(descriptor, octets, count);
}

#define WRITING_AT(function, name, offset_type) \
    ssize_t function(int descriptor, const void *octets, size_t count, offset_type offset) { \
        REAL(ssize_t, name, int, const void *, size_t, offset_type); \
        return ours_fd(descriptor) && fails(WRITE) ? -1 : real(descriptor, octets, count, offset); }
WRITING_AT(pwrite, "pwrite", off_t)
WRITING_AT(pwrite64, "pwrite64", off64_t)

#define SYNCING(function, name) \
    int function(int descriptor) { \
        REAL(int, name, int); \
        return ours_fd(descriptor) && fails(SYNC) ? -1 : real(descriptor); }
SYNCING(fsync, "fsync")
SYNCING(fdatasync, "fdatasync")

int link(const char *from, const char *to)
{
    REAL(int, "link", const char *, const char *);
    return ours(to) && fails(LINK) ? -1 : real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    REAL(int, "linkat", int, const char *, int, const char *, int);
    return ours(to) && fails(LINK) ? -1 : real(from_folder, from, to_folder, to, flags);
}
