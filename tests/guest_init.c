/* guest_init.c -- process 1 of the booted guest that guest.sh starts: the
 * stand-in for an enclave. Loads AF_VSOCK, starts guest_proxy's servers, runs
 * encflow as a user would, says PASS or FAIL for each, and powers off.
 *
 * AF_VSOCK context 1 is this same machine (vsock_loopback), so the proxy that
 * would be the parent's runs beside us. guest.sh has put into the RAM disk:
 *
 *   /encflow /guest_proxy /init     static programs
 *   /guest_nsm /nsm                 the security module's stand-in, its folder
 *   /modules                        vsock's three, cuse and, where the kernel
 *                                   has it not built in, fuse
 *   /tls                            origin.test's certificate, its authority,
 *                                   and socat, with what it needs, in /usr
 *   /store                          what the origin serves: object, large,
 *                                   object.enc (encrypted with /keys/in)
 *   /keys/in /keys/out /ports       for `run`: object.enc in, result.enc out
 *   /story                          an approved workflow of one application,
 *                                   /init ask: its folder ws, the service's
 *                                   key, its owner's, its id and PCR16
 *
 * `/init cat FILE` is the application of that run: it copies FILE to stdout.
 * `/init ask FILE` is another one: it asks the security module, and then
 * does the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#define PROXY "--proxy", "vsock://1:8000"
#define HTTP "http://localhost:8080/"
#define HTTPS "https://origin.test:8443/" /* only the proxy knows this name */
#define CA "--cacert", "/tls/ca.pem"
#define STORY                                                                  \
    "run", PROXY, "--allow-http", "--release", "vsock://1:9000", "--trust",    \
        "/story/owner.pem", "--work", "/got/story"

enum { LIMIT_SECONDS = 60 };

static int passed, failed;

/* ----- files */

/* What is in a file, NUL-terminated; "" when there is none. Never freed. */
static char *
slurp(const char *path, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    size_t size = fd >= 0 && fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
    char *text = calloc(1, size + 1);
    ssize_t got;
    for (*n = 0; *n < size; *n += (size_t)got)
        if ((got = read(fd, text + *n, size - *n)) <= 0)
            break;
    if (fd >= 0)
        close(fd);
    return text;
}

static int
same(const char *a, const char *b)
{
    size_t na, nb;
    char *ta = slurp(a, &na), *tb = slurp(b, &nb);
    int equal = na == nb && na > 0 && memcmp(ta, tb, na) == 0;
    if (!equal)
        printf("  %s (%zu bytes) and %s (%zu bytes) differ\n", a, na, b, nb);
    free(ta);
    free(tb);
    return equal;
}

static int
absent(const char *path)
{
    if (access(path, F_OK) != 0)
        return 1;
    printf("  %s is there\n", path);
    return 0;
}

/* ----- programs */

/* Start a program with its output in files; its pid. */
static pid_t
start(char *const argv[], const char *out, const char *err)
{
    static char *const env[] = {"AWS_MAX_ATTEMPTS=1", "HOME=/",
                                "PATH=/usr/bin:/", NULL};
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        alarm(LIMIT_SECONDS); /* outlives exec: a hang becomes a signal */
        execve(argv[0], argv, env);
        _exit(127);
    }
    return pid;
}

/* A server is not to end after LIMIT_SECONDS. */
static void
serve(char *const argv[], const char *log)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execv(argv[0], argv);
        _exit(127);
    }
}

/* encflow ARG..., NULL: 1 when it ends with this status and, where word is
 * not NULL, says word on stderr. /out and /err keep what it said. */
static int
encflow(int status, const char *word, ...)
{
    char *argv[32] = {"/encflow"};
    int n = 1, ended = 0, code;
    size_t size;
    char *err;
    va_list list;
    pid_t pid;
    va_start(list, word);
    while (n < 31 && (argv[n] = va_arg(list, char *)) != NULL)
        n++;
    va_end(list);
    pid = start(argv, "/out", "/err");
    waitpid(pid, &ended, 0);
    code = WIFEXITED(ended) ? WEXITSTATUS(ended) : -WTERMSIG(ended);
    err = slurp("/err", &size);
    if (code == status && (word == NULL || strstr(err, word) != NULL)) {
        free(err);
        return 1;
    }
    printf("  encflow %s: exit %d, wanted %d%s%s; it said:\n%s\n", argv[1],
           code, status, word ? " and the word " : "", word ? word : "", err);
    free(err);
    return 0;
}

/* The last standard output has word so many times. */
static int
said(const char *word, size_t times)
{
    size_t size, n = 0;
    char *out = slurp("/out", &size), *at = out;

    for (; (at = strstr(at, word)) != NULL; at++)
        n++;
    if (n != times)
        printf("  \"%s\" is there %zu times:\n%s\n", word, n, out);
    free(out);
    return n == times;
}

/* ----- what went through the proxy */

/* Since the last call, the proxy was asked for target, at least so many times,
 * and for nothing else. */
static int
asked(const char *target, size_t least)
{
    static size_t seen;
    size_t size, found = 0, other = 0;
    char *log = slurp("/proxy.log", &size), *line = log + seen, *end;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strcmp(line, target) == 0)
            found++;
        else
            other++;
    }
    seen = size;
    free(log);
    if (found >= least && other == 0)
        return 1;
    printf("  the proxy was asked %zu times for %s, %zu times for others\n",
           found, target, other);
    return 0;
}

static int
there(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_size > 0)
        return 1;
    printf("  %s is not there, or is empty\n", path);
    return 0;
}

static void
check(const char *name, int good)
{
    static struct timespec last;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%s %s (%ld ms)\n", good ? "PASS" : "FAIL", name,
           (now.tv_sec - last.tv_sec) * 1000 +
               (now.tv_nsec - last.tv_nsec) / 1000000);
    last = now;
    fflush(stdout);
    if (good)
        passed++;
    else
        failed++;
}

/* ----- the machine */

static void
must(int good, const char *what)
{
    if (good)
        return;
    printf("FAIL the guest itself: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void
load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && syscall(SYS_finit_module, fd, "", 0) == 0, path);
    close(fd);
}

static void
start_nsm(void)
{
    struct stat st;
    int i;

    if (stat("/modules/fuse.ko", &st) == 0)
        load("/modules/fuse.ko");
    load("/modules/cuse.ko");
    serve((char *[]){"/guest_nsm", "/nsm", NULL}, "/nsm.out");
    for (i = 0; i < 200 && stat("/dev/nsm", &st) != 0; i++)
        usleep(50000);
    must(stat("/dev/nsm", &st) == 0 && S_ISCHR(st.st_mode), "/dev/nsm");
    chmod("/dev/nsm", 0666); /* as the driver makes it */
}

static void
loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    must(ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo");
    close(fd);
}

/* Until somebody listens on this port of AF_VSOCK or of 127.0.0.1. */
static void
await(int vsock, unsigned port)
{
    struct sockaddr_vm v = {.svm_family = AF_VSOCK};
    struct sockaddr_in t = {.sin_family = AF_INET};
    int i, fd, up = 0;
    v.svm_cid = VMADDR_CID_LOCAL;
    v.svm_port = port;
    t.sin_port = htons((unsigned short)port);
    t.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (i = 0; i < 200 && !up; i++) {
        if (i > 0)
            usleep(50000);
        fd = socket(vsock ? AF_VSOCK : AF_INET, SOCK_STREAM, 0);
        up = connect(fd, vsock ? (struct sockaddr *)&v : (struct sockaddr *)&t,
                     vsock ? sizeof v : sizeof t) == 0;
        close(fd);
    }
    must(up, vsock ? "the proxy" : "the origin");
}

static void
set_up(void)
{
    int console;
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mkdir("/got", 0755);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    console = open("/dev/console", O_RDWR);
    dup2(console, 0);
    dup2(console, 1);
    dup2(console, 2);
    putchar('\n'); /* the firmware left the cursor somewhere */
    must(mount("proc", "/proc", "proc", 0, NULL) == 0, "/proc");
    must(mount("sys", "/sys", "sysfs", 0, NULL) == 0, "/sys");
    loopback_up();
}

static void
start_origin(void)
{
    serve((char *[]){"/guest_proxy", "origin", "8080", "/store", NULL},
          "/origin.out");
    serve((char *[]){"/usr/bin/socat",
                     "OPENSSL-LISTEN:8443,bind=127.0.0.1,fork,reuseaddr,"
                     "cert=/tls/good.pem,key=/tls/good.key,verify=0",
                     "TCP4:127.0.0.1:8080", NULL},
          "/socat.out");
    await(0, 8080);
    await(0, 8443);
}

static void
start_proxy(void)
{
    serve((char *[]){"/guest_proxy", "proxy", "8000", "/proxy.log", NULL},
          "/proxy.out");
    await(1, 8000);
}

/* ----- what is tested */

static void
without_proxy(void)
{
    check("get: a kernel without AF_VSOCK",
          encflow(6, "connect", "get", PROXY, "--allow-http", HTTP "object",
                  "/got/none", NULL) &&
              absent("/got/none"));
    load("/modules/vsock.ko");
    load("/modules/vmw_vsock_virtio_transport_common.ko");
    load("/modules/vsock_loopback.ko");
    check("get: no proxy on that port",
          encflow(6, "connect", "get", PROXY, "--allow-http", HTTP "object",
                  "/got/none", NULL) &&
              absent("/got/none"));
    check("run: no proxy on that port",
          encflow(6, "connect", "run", PROXY, "--allow-http", "--ports",
                  "/ports", "--work", "/got/in", "--", "/init", "cat", NULL) &&
              absent("/store/result.enc"));
}

static void
get_and_put(void)
{
    check("get: through the proxy",
          encflow(0, NULL, "get", PROXY, "--allow-http", HTTP "object",
                  "/got/got", NULL) &&
              same("/store/object", "/got/got") && asked("localhost:8080", 1));
    check("get: to standard output",
          encflow(0, NULL, "get", PROXY, "--allow-http", HTTP "object", "-",
                  NULL) &&
              same("/store/object", "/out") && asked("localhost:8080", 1));
    check("put: through the proxy",
          encflow(0, NULL, "put", PROXY, "--allow-http", "/store/object",
                  HTTP "stored", NULL) &&
              same("/store/object", "/store/stored") &&
              asked("localhost:8080", 1));
    check(
        "get: TLS, a name that the proxy knows",
        encflow(0, NULL, "get", PROXY, CA, HTTPS "object", "/got/tls", NULL) &&
            same("/store/object", "/got/tls") && asked("origin.test:8443", 1));
    check("put: TLS, a name that the proxy knows",
          encflow(0, NULL, "put", PROXY, CA, "/store/object",
                  HTTPS "stored-tls", NULL) &&
              same("/store/object", "/store/stored-tls") &&
              asked("origin.test:8443", 1));
    check("put -K and get -K: TLS",
          encflow(0, NULL, "put", "-K", "/keys/in", PROXY, CA, "/store/object",
                  HTTPS "sealed", NULL) &&
              encflow(0, NULL, "get", "-K", "/keys/in", PROXY, CA,
                      HTTPS "sealed", "/got/opened", NULL) &&
              same("/store/object", "/got/opened") &&
              asked("origin.test:8443", 2));
    check("get: in ranges, each through the proxy",
          encflow(0, NULL, "get", PROXY, "--allow-http", HTTP "large",
                  "/got/large", NULL) &&
              same("/store/large", "/got/large") && asked("localhost:8080", 2));
}

static void
refusals(void)
{
    check("get: a certificate that nobody vouches for",
          encflow(6, "certificate", "get", PROXY, "--cacert", "/tls/other.pem",
                  HTTPS "object", "/got/none", NULL) &&
              absent("/got/none") && asked("origin.test:8443", 1));
    check("get: a target that the proxy refuses",
          encflow(6, "403", "get", PROXY, "--allow-http",
                  "http://elsewhere.test/object", "/got/none", NULL) &&
              absent("/got/none") && asked("elsewhere.test:80", 1));
    check("get: a target where nobody listens",
          encflow(6, "502", "get", PROXY, "--allow-http",
                  "http://localhost:9/object", "/got/none", NULL) &&
              absent("/got/none") && asked("localhost:9", 1));
    check("get: http:// without --allow-http",
          encflow(5, "--allow-http", "get", PROXY, HTTP "object", "/got/none",
                  NULL) &&
              absent("/got/none") && asked("", 0));
}

static void
whole_job(void)
{
    check("credentials check --online: through the proxy",
          encflow(0, NULL, "credentials", "check", "--online", PROXY,
                  "--allow-http", "/ports/input/text", NULL) &&
              asked("localhost:8080", 1));
    check("run: inputs and result through the proxy",
          encflow(0, NULL, "run", PROXY, "--allow-http", "--ports", "/ports",
                  "--work", "/got/in", "--", "/init", "cat", NULL) &&
              asked("localhost:8080", 2) && absent("/got/in"));
    check("result: of that run", encflow(0, NULL, "result", "-K", "/keys/out",
                                         "/store/result.enc", NULL) &&
                                     same("/store/text", "/out"));
    check("run: TLS",
          encflow(0, NULL, "run", PROXY, CA, "--ports", "/ports-tls", "--work",
                  "/got/in", "--", "/init", "cat", NULL) &&
              asked("origin.test:8443", 2));
    check("result: TLS, through the proxy",
          encflow(0, NULL, "result", "-K", "/keys/out", PROXY, CA,
                  HTTPS "result-tls.enc", NULL) &&
              same("/store/text", "/out") && asked("origin.test:8443", 1));
}

/* The security module, by the driver's real system calls. */
static void
security_module(void)
{
    check("attest get: no security module",
          encflow(1, "only a Nitro enclave has it", "attest", "get", "-out",
                  "/got/none", NULL) &&
              absent("/got/none"));
    start_nsm();
    check("attest get: a document", encflow(0, NULL, "attest", "get", "--nonce",
                                            "00ff", "-out", "/got/doc", NULL) &&
                                        there("/got/doc"));
    check("attest verify: that document",
          encflow(0, NULL, "attest", "verify", "--root", "/nsm/root.pem",
                  "--nonce", "00ff", "/got/doc", NULL));
    check("attest verify: that document, by Nitro's own root",
          encflow(3, "ROOT_MISMATCH", "attest", "verify", "/got/doc", NULL));
    check("attest get: the most that a document carries",
          encflow(0, NULL, "attest", "get", "--public-key", "/keys/1024",
                  "-out", "/got/large-doc", NULL));
    check("run: the application may not ask the security module",
          encflow(0, NULL, "run", PROXY, "--allow-http", "--ports", "/ports",
                  "--work", "/got/in", "--", "/init", "ask", NULL) &&
              encflow(0, NULL, "result", "-K", "/keys/out", "/store/result.enc",
                      NULL) &&
              same("/story/asked", "/out"));
}

/* The whole story: an enclave that attests to a release service, by AF_VSOCK,
 * gets an approved configuration and its credentials, runs it, and proves it.
 * The service is encflow too, a process for each request. */
static void
attested_run(void)
{
    size_t n;
    char *id = slurp("/story/id", &n), other[65], pcr[128];
    char *argv[] = {"/usr/bin/socat", "VSOCK-LISTEN:9000,fork",
                    "EXEC:/encflow release serve-one -v"
                    " --release-key /story/release.pem"
                    " --workspace /story/ws --log /story/log"
                    " --root /nsm/root.pem",
                    NULL};

    memset(other, '0', 64);
    other[64] = '\0';
    snprintf(pcr, sizeof pcr, "16=%s", slurp("/story/pcr16", &n));
    check("run --release: nobody there",
          encflow(6, "connect", STORY, "--appconfig", id, NULL) &&
              absent("/store/story-result.enc"));
    check("run --release: this enclave is bound to another configuration",
          encflow(5, "PCR16 is bound to another configuration", STORY,
                  "--appconfig", other, NULL) &&
              absent("/store/story-result.enc"));
    serve(argv, "/release.out");
    await(1, 9000);
    check("run --release: attested, released, run, delivered",
          encflow(0, NULL, STORY, "--appconfig", id, "--receipt", NULL) &&
              asked("localhost:8080", 2) && absent("/got/story"));
    check("result: of that run, whose application was refused the module",
          encflow(0, NULL, "result", "-K", "/keys/out",
                  "/store/story-result.enc", NULL) &&
              same("/story/asked", "/out"));
    check("result --verify: its receipt",
          encflow(0, NULL, "result", "-K", "/keys/out", "--verify", "--trust",
                  "/story/owner.pem", "--workspace", "/story/ws", "--root",
                  "/nsm/root.pem", "/store/story-result.enc", NULL));
    check("result --verify: by Nitro's own root",
          encflow(3, "ROOT_MISMATCH", "result", "-K", "/keys/out", "--verify",
                  "--trust", "/story/owner.pem", "--workspace", "/story/ws",
                  "/store/story-result.enc", NULL));
    check("release log: released once, and done",
          encflow(0, NULL, "release", "log", "/story/log", NULL) &&
              said("release ", 1) && said("done ", 1));
    check("attest get: bound, and all registers are locked",
          encflow(0, NULL, "attest", "get", "-out", "/got/bound", NULL) &&
              encflow(0, NULL, "attest", "verify", "--root", "/nsm/root.pem",
                      "--pcr", pcr, "--json", "/got/bound", NULL) &&
              said("\"16\":", 1) && said("\"31\":", 1));
}

/* The application of run. */
static int
cat(const char *path)
{
    size_t n;
    char *text = slurp(path, &n);
    return fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : 1;
}

/* An application that would attest as this enclave. */
static int
ask(const char *path)
{
    static const char request[] = "\xa1\x6b"
                                  "DescribePCR\xa1\x65"
                                  "index\x10";
    static char answer[0x3000];
    uint64_t raw[4] = {(uintptr_t)request, sizeof request - 1,
                       (uintptr_t)answer, sizeof answer};
    int fd = open("/dev/nsm", O_RDONLY), rc;

    puts(fd >= 0 ? "it opens" : strerror(errno));
    rc = ioctl(fd >= 0 ? fd : 0, (int)0xC0200A00, raw);
    printf("ioctl: %s\n", rc == 0 ? "it answers" : strerror(errno));
    return fflush(stdout) == 0 ? cat(path) : 1;
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "cat") == 0)
        return cat(argv[2]);
    if (argc == 3 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2]);
    if (getpid() != 1)
        return 2;
    set_up();
    start_origin();
    without_proxy();
    start_proxy();
    get_and_put();
    refusals();
    whole_job();
    security_module();
    attested_run();
    printf("DONE %d passed, %d failed\n", passed, failed);
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
