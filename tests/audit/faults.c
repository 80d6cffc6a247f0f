/* Makes the nth write, sync, truncation or rename below a directory fail once, as a full or broken disk does.
   Preloaded into a Python process, which arms it through ctypes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char directory[4096];
static long countdown;
static long width;
static long seen;
static int failure;

void faults_arm(const char *below, long nth, long how_many, int error) {
    strncpy(directory, below, sizeof directory - 1);
    seen = 0;
    countdown = nth;
    width = how_many;
    failure = error;
}

long faults_seen(void) { return seen; }

static int concerned(int fd) {
    char link[64], path[4096];
    if (!directory[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, directory, strlen(directory)) == 0;
}

static int fails(void) {
    seen++;
    if (countdown > 0 && seen >= countdown && seen < countdown + width) {
        errno = failure;
        return 1;
    }
    return 0;
}

#define NEXT(type, name, parameters) static type (*next) parameters; if (!next) next = dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    NEXT(ssize_t, "pwrite64", (int, const void *, size_t, off64_t));
    return concerned(fd) && fails() ? -1 : next(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    NEXT(ssize_t, "pwrite", (int, const void *, size_t, off_t));
    return concerned(fd) && fails() ? -1 : next(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
    NEXT(ssize_t, "write", (int, const void *, size_t));
    return concerned(fd) && fails() ? -1 : next(fd, data, length);
}

int fsync(int fd) {
    NEXT(int, "fsync", (int));
    return concerned(fd) && fails() ? -1 : next(fd);
}

int fdatasync(int fd) {
    NEXT(int, "fdatasync", (int));
    return concerned(fd) && fails() ? -1 : next(fd);
}

int ftruncate64(int fd, off64_t length) {
    NEXT(int, "ftruncate64", (int, off64_t));
    return concerned(fd) && fails() ? -1 : next(fd, length);
}

int ftruncate(int fd, off_t length) {
    NEXT(int, "ftruncate", (int, off_t));
    return concerned(fd) && fails() ? -1 : next(fd, length);
}

int rename(const char *from, const char *to) {
    NEXT(int, "rename", (const char *, const char *));
    return directory[0] && strncmp(to, directory, strlen(directory)) == 0 && fails() ? -1 : next(from, to);
}
