/* guest_proxy.c -- the two servers of the booted guest (guest.sh): what an
 * enclave's parent would run, and the store behind it.
 *
 *   guest_proxy proxy PORT LOG      HTTP CONNECT on AF_VSOCK; each target is
 *                                   a line of LOG before it is answered
 *   guest_proxy origin PORT FOLDER  GET (one Range, If-Match) and PUT of the
 *                                   files in FOLDER, on 127.0.0.1
 *
 * A process for each connection. The proxy connects to 127.0.0.1 and nowhere
 * else; it also knows the name origin.test, which nothing else in the guest
 * can resolve. Meant for one friendly client: errors end the connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

enum { HEAD = 16384 };

static void
fatal(const char *what)
{
    perror(what);
    exit(1);
}

static int
write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done <= 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static void
say(int fd, const char *text)
{
    (void)write_all(fd, text, strlen(text));
}

/* Up to and with the empty line, not a byte further; NUL-terminated. */
static int
read_head(int fd, char head[HEAD])
{
    size_t n = 0;
    while (n < HEAD - 1 && read(fd, head + n, 1) == 1) {
        head[++n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            return 0;
    }
    return -1;
}

/* The value of a header field, "" when there is none. */
static const char *
field(const char *head, const char *name)
{
    static char value[1024];
    size_t n = strlen(name);
    const char *line = strstr(head, "\r\n");
    for (; line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
            line += 3 + n;
            line += strspn(line, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"),
                     line);
            return value;
        }
    return "";
}

/* ----- proxy */

static int
connect_here(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons((unsigned short)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

/* Both ways until both have ended. */
static void
pump(int a, int b)
{
    static char buf[65536];
    struct pollfd p[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    int open = 2, i;
    while (open > 0 && poll(p, 2, -1) > 0)
        for (i = 0; i < 2; i++) {
            int to = i == 0 ? b : a;
            ssize_t n;
            if (p[i].fd < 0 || p[i].revents == 0)
                continue;
            n = read(p[i].fd, buf, sizeof buf);
            if (n > 0 && write_all(to, buf, (size_t)n) == 0)
                continue;
            shutdown(to, SHUT_WR);
            p[i].fd = -1;
            open--;
        }
}

static void
serve_proxy(int fd, const char *log)
{
    char head[HEAD], host[256], line[300];
    int port, to, n;
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (read_head(fd, head) != 0)
        return;
    if (sscanf(head, "CONNECT %255[^: ]:%d HTTP/1.1", host, &port) != 2) {
        say(fd, "HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    n = snprintf(line, sizeof line, "%s:%d\n", host, port);
    if (write_all(file, line, (size_t)n) != 0)
        return;
    if (strcmp(host, "127.0.0.1") != 0 && strcmp(host, "localhost") != 0 &&
        strcmp(host, "origin.test") != 0) {
        say(fd, "HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if ((to = connect_here(port)) < 0) {
        say(fd, "HTTP/1.1 502 Nobody listens\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    say(fd, "HTTP/1.1 200 Connected\r\n\r\n");
    pump(fd, to);
}

/* ----- origin */

static void
answer(int fd, const char *status)
{
    char head[256];
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nContent-Length: 0\r\n"
             "Connection: close\r\n\r\n",
             status);
    say(fd, head);
}

static void
send_file(int fd, int file, long from, long n)
{
    static char buf[65536];
    lseek(file, from, SEEK_SET);
    while (n > 0) {
        size_t want = n < (long)sizeof buf ? (size_t)n : sizeof buf;
        ssize_t got = read(file, buf, want);
        if (got <= 0 || write_all(fd, buf, (size_t)got) != 0)
            return;
        n -= (long)got;
    }
}

static void
do_get(int fd, const char *head, const char *path, int body)
{
    char etag[64], reply[512], range[128] = "";
    const char *status = "200 OK";
    struct stat st;
    long first = 0, last;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &st) != 0) {
        answer(fd, "404 Not Found");
        return;
    }
    last = (long)st.st_size - 1;
    snprintf(etag, sizeof etag, "\"%lx-%lx\"", (long)st.st_size,
             (long)st.st_mtime);
    if (*field(head, "If-Match") != '\0' &&
        strcmp(field(head, "If-Match"), etag) != 0) {
        answer(fd, "412 Precondition Failed");
        return;
    }
    if (sscanf(field(head, "Range"), "bytes=%ld-%ld", &first, &last) >= 1) {
        if (first >= (long)st.st_size) {
            answer(fd, "416 Range Not Satisfiable");
            return;
        }
        if (last >= (long)st.st_size)
            last = (long)st.st_size - 1;
        status = "206 Partial Content";
        snprintf(range, sizeof range, "Content-Range: bytes %ld-%ld/%ld\r\n",
                 first, last, (long)st.st_size);
    }
    snprintf(reply, sizeof reply,
             "HTTP/1.1 %s\r\nContent-Length: %ld\r\nETag: %s\r\n%s"
             "Accept-Ranges: bytes\r\nConnection: close\r\n\r\n",
             status, last - first + 1, etag, range);
    say(fd, reply);
    if (body)
        send_file(fd, file, first, last - first + 1);
}

/* A file appears when all of it has come. */
static void
do_put(int fd, const char *head, const char *path)
{
    static char buf[65536];
    char part[520];
    long left = atol(field(head, "Content-Length"));
    int file;
    if (*field(head, "Content-Length") == '\0') {
        answer(fd, "411 Length Required");
        return;
    }
    snprintf(part, sizeof part, "%s.part", path);
    file = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (strcasecmp(field(head, "Expect"), "100-continue") == 0)
        say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    while (left > 0) {
        size_t want = left < (long)sizeof buf ? (size_t)left : sizeof buf;
        ssize_t got = read(fd, buf, want);
        if (got <= 0 || write_all(file, buf, (size_t)got) != 0)
            return;
        left -= (long)got;
    }
    if (close(file) != 0 || rename(part, path) != 0)
        answer(fd, "500 Not Stored");
    else
        answer(fd, "201 Created");
}

static void
serve_origin(int fd, const char *folder)
{
    char head[HEAD], method[16], name[256], path[512];
    if (read_head(fd, head) != 0)
        return;
    if (sscanf(head, "%15s /%255[A-Za-z0-9._-]", method, name) != 2) {
        answer(fd, "400 Bad Request");
        return;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        do_get(fd, head, path, method[0] == 'G');
    else if (strcmp(method, "PUT") == 0)
        do_put(fd, head, path);
    else
        answer(fd, "405 Method Not Allowed");
}

/* ----- both */

static int
listen_on(int vsock, int port)
{
    struct sockaddr_vm v = {.svm_family = AF_VSOCK};
    struct sockaddr_in t = {.sin_family = AF_INET};
    int one = 1;
    int fd = socket(vsock ? AF_VSOCK : AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fatal("socket");
    v.svm_cid = VMADDR_CID_ANY;
    v.svm_port = (unsigned)port;
    t.sin_port = htons((unsigned short)port);
    t.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, vsock ? (struct sockaddr *)&v : (struct sockaddr *)&t,
             vsock ? sizeof v : sizeof t) != 0 ||
        listen(fd, 64) != 0)
        fatal("listen");
    return fd;
}

int
main(int argc, char **argv)
{
    int proxy, listener, fd;
    if (argc != 4) {
        fputs("usage: guest_proxy proxy|origin PORT LOG|FOLDER\n", stderr);
        return 2;
    }
    proxy = strcmp(argv[1], "proxy") == 0;
    listener = listen_on(proxy, atoi(argv[2]));
    signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
    signal(SIGPIPE, SIG_IGN);
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (fork() == 0) {
            close(listener);
            if (proxy)
                serve_proxy(fd, argv[3]);
            else
                serve_origin(fd, argv[3]);
            _exit(0);
        }
        close(fd);
    }
    fatal("accept");
    return 1;
}
