/*
 * nsm_preload.c -- /dev/nsm for one process that has none: a library for
 * LD_PRELOAD, with nsm.c behind open and ioctl.
 *
 *   NSM_DIR=FOLDER LD_PRELOAD=build/nsm_preload.so encflow attest get
 *
 *   NSM_DIR    nsm.c's folder. Without it nothing is changed
 *   NSM_FAULT  N:WHAT: the N-th request of this process goes wrong. WHAT is
 *              an errno's number; "long", more answer than there is room; or
 *              "=HEX", these bytes as the answer. Several: "1:5,2:=f6"
 *
 *   NSM_RANDOM a file: what the process was given of random bytes, where it
 *              asked for 32 (a private key) or 48 (a generator's seed); hex
 *              digits, a line for each
 *
 * The registers are in the folder, so that a second process finds what the
 * first did to them. With gcc's ASan: ASAN_OPTIONS=verify_asan_link_order=0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nsm.h"

static char folder[512], fault[8192];
static int device = -1;
static unsigned long requests;

int open64(const char *path, int flags, ...);

/* Before main: the program may change its environment. */
__attribute__((constructor)) static void
begin(void)
{
    const char *dir = getenv("NSM_DIR"), *plan = getenv("NSM_FAULT");

    snprintf(folder, sizeof folder, "%s", dir != NULL ? dir : "");
    snprintf(fault, sizeof fault, "%s", plan != NULL ? plan : "");
}

/* What is to become of this request, or NULL. */
static const char *
planned(void)
{
    const char *p = fault;
    char *end;

    requests++;
    while (*p != '\0') {
        unsigned long n = strtoul(p, &end, 10);

        if (*end == ':' && n == requests)
            return end + 1;
        p = strchr(end, ',');
        if (p == NULL)
            break;
        p++;
    }
    return NULL;
}

static int
go_wrong(const char *what, struct nsm_raw *raw)
{
    unsigned char *answer = (unsigned char *)(uintptr_t)raw->answer;
    unsigned byte;

    if (strncmp(what, "long", 4) == 0) {
        raw->answer_n = NSM_ANSWER_MAX + 1;
        return 0;
    }
    if (*what != '=') {
        errno = atoi(what);
        return -1;
    }
    for (raw->answer_n = 0, what++; sscanf(what, "%2x", &byte) == 1; what += 2)
        answer[raw->answer_n++] = (unsigned char)byte;
    return 0;
}

static int
ask(struct nsm_raw *raw)
{
    static unsigned char answer[NSM_ANSWER_MAX];
    const char *what = planned();
    long n;

    if (what != NULL)
        return go_wrong(what, raw);
    n = nsm_answer(folder, (const unsigned char *)(uintptr_t)raw->request,
                   (size_t)raw->request_n, answer);
    if (n < 0)
        return -1;
    if ((uint64_t)n < raw->answer_n)
        raw->answer_n = (uint64_t)n; /* more is cut off, as the driver does */
    memcpy((void *)(uintptr_t)raw->answer, answer, (size_t)raw->answer_n);
    return 0;
}

static int
open_any(const char *path, int flags, mode_t mode)
{
    if (folder[0] == '\0' || strcmp(path, "/dev/nsm") != 0)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    /* something of its own: never read or written */
    device = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", flags, 0);
    return device;
}

#define WITH_MODE(flags)                                                       \
    va_list ap;                                                                \
    mode_t mode = 0;                                                           \
    va_start(ap, flags);                                                       \
    if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE)                 \
        mode = va_arg(ap, mode_t);                                             \
    va_end(ap)

int
open(const char *path, int flags, ...)
{
    WITH_MODE(flags);
    return open_any(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    WITH_MODE(flags);
    return open_any(path, flags, mode);
}

/* Written piece by piece: of the bytes no copy of ours is left. */
static void
tell_random(const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const char *path = getenv("NSM_RANDOM");
    int fd =
        path == NULL ? -1 : open_any(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    ssize_t done = 1;

    if (fd < 0)
        return;
    for (size_t i = 0; done == 1 && i < 2 * n; i++)
        done = write(fd, &digits[p[i / 2] >> (i % 2 ? 0 : 4) & 15], 1);
    if (done != 1 || write(fd, "\n", 1) != 1)
        abort();
    close(fd);
}

ssize_t
getrandom(void *p, size_t n, unsigned flags)
{
    ssize_t got = syscall(SYS_getrandom, p, n, flags);

    if (got == (ssize_t)n && (n == 32 || n == 48))
        tell_random(p, n);
    return got;
}

int
ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (folder[0] != '\0' && fd >= 0 && fd == device &&
        (unsigned)request == NSM_RAW)
        return ask(arg);
    return (int)syscall(SYS_ioctl, fd, request, arg);
}
