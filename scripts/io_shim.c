/* Let the n-th I/O call of a process go wrong. Linux, 64 bit; loaded by LD_PRELOAD.
 *
 * Counted are write, pwrite, fsync, fdatasync, ftruncate, rename and unlink on files and folders from
 * one folder down, over all threads, from 1. Environment:
 *
 *   IO_SHIM_FOLDER  absolute path of the folder; nothing is counted without it
 *   IO_SHIM_MODE    count  write every call to the report and change nothing
 *                   kill   SIGKILL instead of the n-th call
 *                   enospc, eio  the n-th call fails with that errno
 *                   full   from the n-th call on every write fails with ENOSPC; unlink still works
 *   IO_SHIM_AT      n
 *   IO_SHIM_REPORT  file that gets one line `number call path` for each call that was hit or counted
 *
 * The variables are read at each call: a process forked from one without them may set them itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls;

static void report(long number, const char *call, const char *path)
{
    const char *file = getenv("IO_SHIM_REPORT");
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
    if (file == NULL || length <= 0)
        return;
    long fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        syscall(SYS_write, fd, line, (size_t)length);
        syscall(SYS_close, fd);
    }
}

/* Count one call on `path`; return the errno it is to fail with, or 0. */
static int counted(const char *call, int grows, const char *path)
{
    const char *folder = getenv("IO_SHIM_FOLDER");
    const char *mode = getenv("IO_SHIM_MODE");
    const char *at = getenv("IO_SHIM_AT");
    size_t length = folder == NULL ? 0 : strlen(folder);
    if (length == 0 || mode == NULL || strncmp(path, folder, length) != 0)
        return 0;
    if (path[length] != '/' && path[length] != 0)
        return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (strcmp(mode, "count") == 0) {
        report(number, call, path);
        return 0;
    }
    long chosen = at == NULL ? 0 : atol(at);
    int full = strcmp(mode, "full") == 0;
    if (full ? number < chosen || !grows : number != chosen)
        return 0;
    report(number, call, path);
    if (strcmp(mode, "kill") == 0) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    return strcmp(mode, "eio") == 0 ? EIO : ENOSPC;
}

static int counted_fd(const char *call, int grows, int fd)
{
    char link[64], path[PATH_MAX];
    struct stat status;
    int before = errno, result = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (getenv("IO_SHIM_FOLDER") != NULL && fstat(fd, &status) == 0 &&
        (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            result = counted(call, grows, path);
        }
    }
    errno = before;
    return result;
}

static int counted_path(const char *call, int directory, const char *name)
{
    char path[2 * PATH_MAX], base[PATH_MAX], link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(directory == AT_FDCWD ? "/proc/self/cwd" : link, base, PATH_MAX - 1);
    base[length > 0 ? length : 0] = 0;
    snprintf(path, sizeof path, "%s/%s", name[0] == '/' ? "" : base, name);
    int result = counted(call, 0, name[0] == '/' ? name : path);
    errno = before;
    return result;
}

#define FAIL_IF(expression)       \
    do {                          \
        int code_ = (expression); \
        if (code_ != 0) {         \
            errno = code_;        \
            return -1;            \
        }                         \
    } while (0)

ssize_t write(int fd, const void *data, size_t size)
{
    FAIL_IF(counted_fd("write", 1, fd));
    return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    FAIL_IF(counted_fd("pwrite", 1, fd));
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int fsync(int fd)
{
    FAIL_IF(counted_fd("fsync", 0, fd));
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    FAIL_IF(counted_fd("fdatasync", 0, fd));
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate64(int fd, off64_t size)
{
    FAIL_IF(counted_fd("ftruncate", 1, fd));
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    FAIL_IF(counted_path("rename", to_directory, to));
    return (int)syscall(SYS_renameat, from_directory, from, to_directory, to);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int directory, const char *name, int flags)
{
    FAIL_IF(counted_path("unlink", directory, name));
    return (int)syscall(SYS_unlinkat, directory, name, flags);
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}
