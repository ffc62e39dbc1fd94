/*
 * inject.c -- makes one call of encflow fail, for inject.py.
 *
 * Linked with encflow.o and -Wl,--wrap=NAME for every __wrap_NAME below, so
 * each of encflow's own calls comes through here. libcurl's allocations and
 * callbacks come here too: curl_global_init hands it allocators, and
 * curl_easy_setopt puts a function of this file before each callback. What
 * stdio writes comes here because stdout and stderr are streams of this file.
 *
 *     EF_INJECT=CALL:N:ERRNO[+]   the N-th CALL of the process and of what it
 *                                 forks fails with errno ERRNO (a number);
 *                                 with + every later one fails, too; where
 *                                 ERRNO is 0 it does a part of its work
 *     EF_INJECT=*:0:0             nothing fails; all calls are counted
 *     EF_INJECT=serve:FD          one such run per request, see serve()
 *
 * Without EF_INJECT nothing fails, so neither does anything in a program that
 * is executed: the application of `encflow run` has a clean environment.
 */
#define _GNU_SOURCE
#define CURL_DISABLE_TYPECHECK

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo

/* --- what fails, and when --- */

static struct {
    char call[40]; /* empty: nothing fails */
    long nth;
    int error;  /* 0: a part of the work is done */
    int onward; /* the later ones fail, too */
} plan;

#define CALLS 128 /* more than there are kinds */

/* Threads and forked children count together. A name is where its text is in
 * the program, which all of them have at one place. */
static struct tally {
    atomic_int fired;
    struct {
        _Atomic(const char *) name; /* NULL: from here on there are none */
        atomic_long n;
    } calls[CALLS];
} * tally;

/* One more of this kind; how many there are now. */
static long
count(const char *call)
{
    size_t i;

    for (i = 0; i < CALLS; i++) {
        const char *is = NULL;

        if (atomic_compare_exchange_strong(&tally->calls[i].name, &is, call) ||
            strcmp(is, call) == 0)
            return atomic_fetch_add(&tally->calls[i].n, 1) + 1;
    }
    abort();
}

/* Does this call fail? Then errno is set. */
static int
fails(const char *call)
{
    long n;

    if (tally == NULL || plan.call[0] == '\0')
        return 0;
    if (plan.call[0] == '*')
        (void)count(call);
    if (strcmp(plan.call, call) != 0)
        return 0;
    n = count(call);
    if (plan.onward ? n < plan.nth : n != plan.nth)
        return 0;
    atomic_store(&tally->fired, 1);
    errno = plan.error;
    return 1;
}

/* Of n bytes, those that a failing call is still to move; -1: none. */
static ssize_t
part(const char *call, size_t n)
{
    if (!fails(call))
        return (ssize_t)n;
    return plan.error != 0 ? -1 : (ssize_t)(n / 2 + n % 2);
}

/* WRAP(type, failure, NAME, parameters, arguments): the usual call. */
#define DECLARE(type, name, parameters)                                        \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters
#define WRAP(type, failure, name, parameters, arguments)                       \
    DECLARE(type, name, parameters);                                           \
    type __wrap_##name parameters                                              \
    {                                                                          \
        if (fails(#name))                                                      \
            return failure;                                                    \
        return __real_##name arguments;                                        \
    }

/* --- memory --- */

WRAP(void *, NULL, malloc, (size_t n), (n))
WRAP(void *, NULL, calloc, (size_t n, size_t m), (n, m))
WRAP(void *, NULL, realloc, (void *p, size_t n), (p, n))
WRAP(char *, NULL, strdup, (const char *s), (s))
WRAP(void *, MAP_FAILED, mmap,
     (void *p, size_t n, int prot, int flags, int fd, off_t at),
     (p, n, prot, flags, fd, at))
WRAP(int, -1, mprotect, (void *p, size_t n, int prot), (p, n, prot))
WRAP(int, -1, munmap, (void *p, size_t n), (p, n))
WRAP(int, -1, madvise, (void *p, size_t n, int advice), (p, n, advice))
WRAP(int, -1, mlock, (const void *p, size_t n), (p, n))

/* --- files --- */

#define MODE_OF(flags, last)                                                   \
    va_list ap;                                                                \
    mode_t mode = 0;                                                           \
    va_start(ap, last);                                                        \
    if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE)                 \
        mode = va_arg(ap, mode_t);                                             \
    va_end(ap)

DECLARE(int, open, (const char *path, int flags, ...));
int
__wrap_open(const char *path, int flags, ...)
{
    MODE_OF(flags, flags);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

DECLARE(int, openat, (int dir, const char *path, int flags, ...));
int
__wrap_openat(int dir, const char *path, int flags, ...)
{
    MODE_OF(flags, flags);
    return fails("openat") ? -1 : __real_openat(dir, path, flags, mode);
}

DECLARE(ssize_t, read, (int fd, void *p, size_t n));
ssize_t
__wrap_read(int fd, void *p, size_t n)
{
    ssize_t k = part("read", n);

    return k < 0 ? -1 : __real_read(fd, p, (size_t)k);
}

DECLARE(ssize_t, send, (int fd, const void *p, size_t n, int flags));
ssize_t
__wrap_send(int fd, const void *p, size_t n, int flags)
{
    ssize_t k = part("send", n);

    return k < 0 ? -1 : __real_send(fd, p, (size_t)k, flags);
}

DECLARE(ssize_t, recv, (int fd, void *p, size_t n, int flags));
ssize_t
__wrap_recv(int fd, void *p, size_t n, int flags)
{
    ssize_t k = part("recv", n);

    return k < 0 ? -1 : __real_recv(fd, p, (size_t)k, flags);
}

DECLARE(ssize_t, write, (int fd, const void *p, size_t n));
ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
    ssize_t k = part("write", n);

    return k < 0 ? -1 : __real_write(fd, p, (size_t)k);
}

DECLARE(ssize_t, pread, (int fd, void *p, size_t n, off_t at));
ssize_t
__wrap_pread(int fd, void *p, size_t n, off_t at)
{
    ssize_t k = part("pread", n);

    return k < 0 ? -1 : __real_pread(fd, p, (size_t)k, at);
}

DECLARE(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at));
ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
    ssize_t k = part("pwrite", n);

    return k < 0 ? -1 : __real_pwrite(fd, p, (size_t)k, at);
}

DECLARE(ssize_t, getrandom, (void *p, size_t n, unsigned flags));
ssize_t
__wrap_getrandom(void *p, size_t n, unsigned flags)
{
    ssize_t k = part("getrandom", n);

    return k < 0 ? -1 : __real_getrandom(p, (size_t)k, flags);
}

/* The descriptor is gone also when close reports an error. */
DECLARE(int, close, (int fd));
int
__wrap_close(int fd)
{
    int rc = __real_close(fd);

    return fails("close") ? -1 : rc;
}

WRAP(DIR *, NULL, opendir, (const char *path), (path))
WRAP(DIR *, NULL, fdopendir, (int fd), (fd))
WRAP(struct dirent *, NULL, readdir, (DIR * d), (d))
WRAP(int, -1, stat, (const char *path, struct stat *st), (path, st))
WRAP(int, -1, lstat, (const char *path, struct stat *st), (path, st))
WRAP(int, -1, fstat, (int fd, struct stat *st), (fd, st))
WRAP(int, -1, fstatat, (int dir, const char *path, struct stat *st, int flags),
     (dir, path, st, flags))
WRAP(int, -1, access, (const char *path, int mode), (path, mode))
WRAP(int, -1, faccessat, (int dir, const char *path, int mode, int flags),
     (dir, path, mode, flags))
WRAP(int, -1, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags),
     (fd, a, n, flags))
WRAP(int, -1, getsockopt, (int fd, int level, int name, void *p, socklen_t *n),
     (fd, level, name, p, n))
WRAP(int, -1, connect, (int fd, const struct sockaddr *a, socklen_t n),
     (fd, a, n))
WRAP(off_t, -1, lseek, (int fd, off_t at, int whence), (fd, at, whence))
WRAP(int, -1, ftruncate, (int fd, off_t n), (fd, n))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, fchmodat, (int dir, const char *path, mode_t mode, int flags),
     (dir, path, mode, flags))
WRAP(int, -1, linkat,
     (int dir, const char *path, int to, const char *name, int flags),
     (dir, path, to, name, flags))
WRAP(int, -1, renameat, (int dir, const char *path, int to, const char *name),
     (dir, path, to, name))
WRAP(int, -1, unlinkat, (int dir, const char *path, int flags),
     (dir, path, flags))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, rmdir, (const char *path), (path))
WRAP(ssize_t, -1, readlink, (const char *path, char *to, size_t n),
     (path, to, n))
WRAP(char *, NULL, realpath, (const char *path, char *full), (path, full))
WRAP(char *, NULL, getcwd, (char *path, size_t n), (path, n))
WRAP(int, -1, pipe2, (int fd[2], int flags), (fd, flags))
WRAP(int, -1, dup2, (int from, int to), (from, to))
WRAP(int, -1, socket, (int domain, int type, int protocol),
     (domain, type, protocol))

DECLARE(int, fcntl, (int fd, int command, ...));
int
__wrap_fcntl(int fd, int command, ...)
{
    va_list ap;
    long arg;

    va_start(ap, command);
    arg = va_arg(ap, long);
    va_end(ap);
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, arg);
}

DECLARE(int, ioctl, (int fd, unsigned long request, ...));
int
__wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    return fails("ioctl") ? -1 : __real_ioctl(fd, request, arg);
}

/* --- processes and threads --- */

WRAP(pid_t, -1, fork, (void), ())
WRAP(int, -1, execvp, (const char *path, char *const argv[]), (path, argv))
WRAP(pid_t, -1, waitpid, (pid_t pid, int *status, int flags),
     (pid, status, flags))
WRAP(int, -1, waitid, (idtype_t type, id_t id, siginfo_t *info, int flags),
     (type, id, info, flags))
WRAP(int, -1, kill, (pid_t pid, int sig), (pid, sig))
WRAP(pid_t, -1, setsid, (void), ())
WRAP(int, -1, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
WRAP(int, -1, getrlimit, (__rlimit_resource_t what, struct rlimit *limit),
     (what, limit))
WRAP(int, -1, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit),
     (what, limit))
WRAP(long, -1, sysconf, (int name), (name))
WRAP(int, -1, unshare, (int what), (what))
WRAP(int, -1, mount,
     (const char *from, const char *to, const char *type, unsigned long flags,
      const void *data),
     (from, to, type, flags, data))
WRAP(int, -1, statfs, (const char *path, struct statfs *fs), (path, fs))
WRAP(unsigned long, 0, getauxval, (unsigned long type), (type))
WRAP(int, plan.error, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *),
      void *arg),
     (thread, attr, start, arg))

DECLARE(int, prctl, (int option, ...));
int
__wrap_prctl(int option, ...)
{
    va_list ap;
    unsigned long a[4];
    int i;

    va_start(ap, option);
    for (i = 0; i < 4; i++)
        a[i] = va_arg(ap, unsigned long);
    va_end(ap);
    return fails("prctl") ? -1 : __real_prctl(option, a[0], a[1], a[2], a[3]);
}

DECLARE(long, syscall, (long number, ...));
long
__wrap_syscall(long number, ...)
{
    va_list ap;
    long a[6];
    int i;

    va_start(ap, number);
    for (i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    return fails("syscall")
               ? -1
               : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- libcurl: functions --- */

WRAP(CURL *, NULL, curl_easy_init, (void), ())
WRAP(CURLM *, NULL, curl_multi_init, (void), ())
WRAP(struct curl_slist *, NULL, curl_slist_append,
     (struct curl_slist * list, const char *text), (list, text))
WRAP(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_add_handle,
     (CURLM * multi, CURL *easy), (multi, easy))
WRAP(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_perform,
     (CURLM * multi, int *running), (multi, running))
WRAP(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_poll,
     (CURLM * multi, struct curl_waitfd *fds, unsigned n, int ms, int *ready),
     (multi, fds, n, ms, ready))

/* --- libcurl: memory --- */

/* encflow's own, but for the plain ones: those are wrapped, and would count
 * as calls of encflow. */
static curl_realloc_callback lib_own_realloc;

static void *
lib_malloc(size_t n)
{
    return fails("curl memory") ? NULL : __real_malloc(n);
}

static void *
lib_calloc(size_t n, size_t m)
{
    return fails("curl memory") ? NULL : __real_calloc(n, m);
}

static void *
lib_realloc(void *p, size_t n)
{
    return fails("curl memory") ? NULL : lib_own_realloc(p, n);
}

static char *
lib_strdup(const char *s)
{
    return fails("curl memory") ? NULL : __real_strdup(s);
}

DECLARE(CURLcode, curl_global_init_mem,
        (long flags, curl_malloc_callback m, curl_free_callback f,
         curl_realloc_callback r, curl_strdup_callback s,
         curl_calloc_callback c));
CURLcode
__wrap_curl_global_init_mem(long flags, curl_malloc_callback m,
                            curl_free_callback f, curl_realloc_callback r,
                            curl_strdup_callback s, curl_calloc_callback c)
{
    (void)m;
    (void)s;
    (void)c;
    if (fails("curl_global_init_mem"))
        return CURLE_FAILED_INIT;
    lib_own_realloc = r;
    return __real_curl_global_init_mem(flags, lib_malloc, f, lib_realloc,
                                       lib_strdup, lib_calloc);
}

/* --- libcurl: callbacks --- */

/* encflow's own; each handle gets all of them. */
static curl_write_callback real_write, real_header;
static curl_read_callback real_read;
static curl_seek_callback real_seek;
static curl_opensocket_callback real_socket;
static curl_sockopt_callback real_sockopt;
static curl_prereq_callback real_prereq;
static curl_ssl_ctx_callback real_tls;

static size_t
on_write(char *p, size_t size, size_t n, void *ctx)
{
    return fails("curl write callback") ? 0 : real_write(p, size, n, ctx);
}

static size_t
on_header(char *p, size_t size, size_t n, void *ctx)
{
    return fails("curl header callback") ? 0 : real_header(p, size, n, ctx);
}

static size_t
on_read(char *p, size_t size, size_t n, void *ctx)
{
    return fails("curl read callback") ? CURL_READFUNC_ABORT
                                       : real_read(p, size, n, ctx);
}

static int
on_seek(void *ctx, curl_off_t at, int origin)
{
    return fails("curl seek callback") ? CURL_SEEKFUNC_FAIL
                                       : real_seek(ctx, at, origin);
}

static int
on_sockopt(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    return fails("curl sockopt callback") ? CURL_SOCKOPT_ERROR
                                          : real_sockopt(ctx, fd, purpose);
}

static curl_socket_t
on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    return fails("curl socket callback") ? CURL_SOCKET_BAD
                                         : real_socket(ctx, purpose, address);
}

static int
on_prereq(void *ctx, char *ip, char *local, int port, int local_port)
{
    return fails("curl prereq callback")
               ? CURL_PREREQFUNC_ABORT
               : real_prereq(ctx, ip, local, port, local_port);
}

static CURLcode
on_tls(CURL *easy, void *tls, void *ctx)
{
    return fails("curl tls callback") ? CURLE_ABORTED_BY_CALLBACK
                                      : real_tls(easy, tls, ctx);
}

DECLARE(CURLcode, curl_easy_setopt, (CURL * easy, CURLoption option, ...));

#define CALLBACK(option, type, real, ours)                                     \
    case option:                                                               \
        real = va_arg(ap, type);                                               \
        rc = __real_curl_easy_setopt(easy, option, ours);                      \
        break

/* A callback that is not known here ends the program: it must be. */
static CURLcode
set_callback(CURL *easy, CURLoption option, va_list ap)
{
    CURLcode rc = CURLE_OK;

    switch (option) {
        CALLBACK(CURLOPT_WRITEFUNCTION, curl_write_callback, real_write,
                 on_write);
        CALLBACK(CURLOPT_SOCKOPTFUNCTION, curl_sockopt_callback, real_sockopt,
                 on_sockopt);
        CALLBACK(CURLOPT_HEADERFUNCTION, curl_write_callback, real_header,
                 on_header);
        CALLBACK(CURLOPT_READFUNCTION, curl_read_callback, real_read, on_read);
        CALLBACK(CURLOPT_SEEKFUNCTION, curl_seek_callback, real_seek, on_seek);
        CALLBACK(CURLOPT_OPENSOCKETFUNCTION, curl_opensocket_callback,
                 real_socket, on_socket);
        CALLBACK(CURLOPT_PREREQFUNCTION, curl_prereq_callback, real_prereq,
                 on_prereq);
        CALLBACK(CURLOPT_SSL_CTX_FUNCTION, curl_ssl_ctx_callback, real_tls,
                 on_tls);
    default:
        abort();
    }
    return rc;
}

CURLcode
__wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list ap;
    CURLcode rc;

    if (fails("curl_easy_setopt"))
        return CURLE_OUT_OF_MEMORY;
    va_start(ap, option);
    if (option / 10000 == CURLOPTTYPE_FUNCTIONPOINT / 10000)
        rc = set_callback(easy, option, ap);
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, long));
    else if (option / 10000 == CURLOPTTYPE_OFF_T / 10000)
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, curl_off_t));
    else
        rc = __real_curl_easy_setopt(easy, option, va_arg(ap, void *));
    va_end(ap);
    return rc;
}

DECLARE(CURLcode, curl_easy_getinfo, (CURL * easy, CURLINFO info, ...));
CURLcode
__wrap_curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list ap;
    void *to;

    va_start(ap, info);
    to = va_arg(ap, void *);
    va_end(ap);
    return fails("curl_easy_getinfo")
               ? CURLE_BAD_FUNCTION_ARGUMENT
               : __real_curl_easy_getinfo(easy, info, to);
}

/* --- stdio --- */

/* All n bytes to fd, unless the call named `call` is to fail. */
static ssize_t
print_to(const char *call, int fd, const char *p, size_t n)
{
    size_t done = 0;

    if (fails(call))
        return -1;
    while (done < n) {
        ssize_t k = __real_write(fd, p + done, n - done);

        if (k <= 0)
            return -1;
        done += (size_t)k;
    }
    return (ssize_t)done;
}

static ssize_t
print_out(void *ctx, const char *p, size_t n)
{
    (void)ctx;
    return print_to("stdout", STDOUT_FILENO, p, n);
}

static ssize_t
print_err(void *ctx, const char *p, size_t n)
{
    (void)ctx;
    return print_to("stderr", STDERR_FILENO, p, n);
}

static void
own_streams(void)
{
    stdout =
        fopencookie(NULL, "w", (cookie_io_functions_t){.write = print_out});
    stderr =
        fopencookie(NULL, "w", (cookie_io_functions_t){.write = print_err});
    if (stdout == NULL || stderr == NULL)
        abort();
    setvbuf(stderr, NULL, _IONBF, 0);
}

/* --- the start of a run, or of many --- */

/* From CALL:N:ERRNO[+]; what is none ends the program. */
static void
plan_set(const char *text)
{
    char plus = 0;

    if (sscanf(text, "%39[^:]:%ld:%d%c", plan.call, &plan.nth, &plan.error,
               &plus) < 3)
        abort();
    plan.onward = plus == '+';
    own_streams();
}

#define SERVE_MS 60000 /* a run that takes longer hangs */

/* A request and the three standard files of the run. Without: the end. */
static void
request_take(int sock, char *text, size_t size, int fd[3])
{
    char space[CMSG_SPACE(3 * sizeof(int))];
    struct iovec part = {text, size - 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = space,
                       .msg_controllen = sizeof space};
    ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

    if (n <= 0)
        _exit(0);
    text[n] = '\0';
    if (CMSG_FIRSTHDR(&m) == NULL)
        abort();
    memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), 3 * sizeof(int));
}

/* Wait for child pid, at most SERVE_MS. SIGCHLD is blocked. */
static int
run_wait(pid_t pid)
{
    struct timespec limit = {SERVE_MS / 1000, 0};
    sigset_t child;
    int status = 0;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (__real_waitpid(pid, &status, WNOHANG) == 0)
        if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN) {
            (void)__real_kill(pid, SIGKILL);
            (void)__real_waitpid(pid, &status, 0);
            return status;
        }
    return status;
}

/* End what the run left behind; 1 when there was anything. What is about to
 * end by itself has a second to do so. */
static int
run_leftover(void)
{
    char path[64], pids[256] = "";
    int i, fd;

    for (i = 0; i < 100; i++) {
        pid_t pid = __real_waitpid(-1, NULL, WNOHANG);

        if (pid < 0)
            return 0;
        if (pid == 0)
            (void)__real_poll(NULL, 0, 10);
    }
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    fd = __real_open(path, O_RDONLY);
    if (fd >= 0 && __real_read(fd, pids, sizeof pids - 1) > 0)
        (void)__real_kill(atoi(pids), SIGKILL);
    if (fd >= 0)
        __real_close(fd);
    while (__real_waitpid(-1, NULL, 0) > 0)
        ;
    return 1;
}

/* In the run: its files, its plan; main comes next. */
static void
run_begin(const char *request, const int fd[3], const sigset_t *mask)
{
    int i;

    for (i = 0; i < 3; i++)
        (void)__real_dup2(fd[i], i);
    for (i = 0; i < 3; i++)
        __real_close(fd[i]);
    sigprocmask(SIG_SETMASK, mask, NULL);
    plan_set(request);
}

/* A process that forks before main, once a request CALL:N:ERRNO[+] that comes
 * on the socket: that spares each run the start of the program. The answer
 * is the wait status, whether the fault came, whether a process was left, and
 * what was counted. The server itself leaves only by _exit. */
static void
serve(int sock)
{
    char request[80], answer[64 * CALLS];
    sigset_t child, mask;
    int fd[3], i, status, n;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &mask);
    (void)__real_prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
    for (;;) {
        pid_t pid;

        request_take(sock, request, sizeof request, fd);
        memset(tally, 0, sizeof *tally);
        pid = __real_fork();
        if (pid == 0) {
            __real_close(sock);
            run_begin(request, fd, &mask);
            return;
        }
        for (i = 0; i < 3; i++)
            __real_close(fd[i]);
        status = run_wait(pid);
        n = snprintf(answer, sizeof answer, "%d %d %d", status,
                     atomic_load(&tally->fired), run_leftover());
        for (i = 0; i < CALLS && tally->calls[i].name != NULL; i++)
            n +=
                snprintf(answer + n, sizeof answer - (size_t)n, ",%s=%ld",
                         tally->calls[i].name, atomic_load(&tally->calls[i].n));
        if (send(sock, answer, (size_t)n, MSG_NOSIGNAL) < 0)
            _exit(1);
    }
}

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("EF_INJECT");
    char copy[80];

    if (text == NULL)
        return;
    snprintf(copy, sizeof copy, "%s", text);
    (void)unsetenv("EF_INJECT");
    tally = __real_mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        abort();
    if (strncmp(copy, "serve:", 6) == 0)
        serve(atoi(copy + 6));
    else
        plan_set(copy);
}
