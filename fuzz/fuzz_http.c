/*
 * Target   transfers (section 11): store_run over libcurl, and what callers
 *          do with a body (section 16: cli_result_sink).
 * Input    what the server sends, connections divided by byte 1e | what to ask
 *          for, framing, and whether the server stands still at the end or a
 *          signal comes; status, how much is missing, a piece the sink refuses.
 *          With framing 0 to 2 the input is a body, and the head is made here.
 * Claims   no download is complete but with status 200, no probe but with 200
 *          or 206, no upload but with 2xx and all of it sent; an answer that is
 *          made here is complete where nothing of it is missing, and its body
 *          is what the sink gets, in order; the end is told once, and only
 *          then; a sink that says no is believed; nothing of the query or of
 *          the answer is in a message; no descriptor is left.
 * Covers   http_on_body http_on_discard http_on_read http_on_socket
 *          http_on_header http_is_bearssl http_set_put http_set_get http_open
 *          http_status_error http_curl_error http_finish http_close http_start
 *          http_collect http_give_up http_tick store_complete
 *          store_run cli_result_sink
 * Seeds    answers in fuzz/seeds.py    Dict  fuzz/dict/http.dict
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

static int fuzz_socket(int family, int type, int protocol);
static uint64_t ticked;
static CURLMcode fuzz_add_handle(CURLM *multi, CURL *easy);

#define socket fuzz_socket
#define curl_multi_add_handle fuzz_add_handle
#define main encflow_main
#include "../encflow.c"
#undef socket
#undef curl_multi_add_handle
#include "twin.h"

#define URL "http://127.0.0.1/path?secret-query-of-the-url"

/* --- a server that has said everything before it is asked --- */

#define PEERS 8 /* a redirect needs another; there are 5 at most */

static struct {
    ef_slice left;   /* of what it sends */
    int many;        /* 1e divides it into answers */
    int peer[PEERS]; /* the server's ends */
    size_t n;
    int still; /* it never closes */
} server;

/* In place of a TCP connection: a pair, one end of which has been written to
 * and closed. 64 KiB fit. */
static int
fuzz_socket(int family, int type, int protocol)
{
    size_t n = server.many ? slice_find(server.left, 0x1e) : server.left.n;
    int pair[2];

    (void)family;
    (void)protocol;
    if (server.n == PEERS ||
        socketpair(AF_UNIX, type & ~SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    if (n > 60000)
        n = 60000;
    FUZZ_ASSERT(write(pair[1], server.left.p, n) == (ssize_t)n);
    FUZZ_ASSERT(server.still || shutdown(pair[1], SHUT_WR) == 0);
    server.left = slice_from(server.left, n + 1);
    server.peer[server.n++] = pair[1];
    return pair[0];
}

/* libcurl's call, too, comes here: the pair is connected. */
int
connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t n)
{
    (void)fd;
    (void)address;
    (void)n;
    return 0;
}

/* Nothing is resolved or connected to, whatever a redirect names. */
static CURLMcode
fuzz_add_handle(CURLM *multi, CURL *easy)
{
    static struct curl_slist *here;

    if (here == NULL)
        here = curl_slist_append(NULL, "::127.0.0.1:80");
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, here);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return curl_multi_add_handle(multi, easy);
}

/* --- what the caller does --- */

struct caller {
    ef_buf body;
    int pieces, refuse; /* refuse the n-th piece; 0: none */
    int ended;
    ef_slice upload;
};

static ef_status
on_piece(void *ctx, ef_slice piece, ef_err *err)
{
    struct caller *c = ctx;

    FUZZ_ASSERT(!c->ended);
    if (++c->pieces == c->refuse)
        return reject(err, EF_E_POLICY, 0, "the sink says no");
    return cli_result_sink(&c->body, piece, err);
}

static ef_status
on_end(void *ctx, ef_err *err)
{
    struct caller *c = ctx;

    (void)err;
    FUZZ_ASSERT(!c->ended);
    c->ended = 1;
    return EF_OK;
}

static ef_status
on_source(void *ctx, uint64_t at, unsigned char *buf, size_t n, ef_err *err)
{
    struct caller *c = ctx;

    FUZZ_ASSERT(at <= c->upload.n && n <= c->upload.n - at && !c->ended);
    if (++c->pieces == c->refuse)
        return reject(err, EF_E_POLICY, 0, "the source says no");
    memcpy(buf, c->upload.p + at, n);
    return EF_OK;
}

/* --- answers --- */

enum framing { LENGTH, CHUNKED, CLOSE, RAW };
enum ask { GET, PROBE, PUT };
enum event { NOTHING, STILL, SIGNAL };

struct answer {
    enum framing framing;
    int status;
    ef_slice body;
    size_t missing; /* bytes that are announced and do not come */
    enum event event;
};

static void
add_chunks(ef_buf *out, ef_slice body)
{
    size_t n;

    for (; body.n > 0; body = slice_from(body, n)) {
        n = body.n < 100 ? body.n : 100;
        buf_printf(out, "%zx\r\n", n);
        ef_buf_add(out, body.p, n);
        ef_buf_str(out, "\r\n");
    }
    ef_buf_str(out, "0\r\n\r\n");
}

static void
make_answer(ef_buf *out, const struct answer *a)
{
    if (a->framing == RAW) {
        ef_buf_add(out, a->body.p, a->body.n);
        return;
    }
    buf_printf(out, "HTTP/1.1 %03d Whatever\r\nX-Seen: yes\r\n", a->status);
    if (a->framing == LENGTH)
        buf_printf(out, "Content-Length: %zu\r\n\r\n", a->body.n + a->missing);
    else if (a->framing == CHUNKED)
        ef_buf_str(out, "Transfer-Encoding: chunked\r\n\r\n");
    else
        ef_buf_str(out, "Connection: close\r\n\r\n");
    if (a->framing != CHUNKED) {
        ef_buf_add(out, a->body.p, a->body.n);
        return;
    }
    add_chunks(out, a->body);
    if (a->missing > 0) /* of its end, "0 CR LF CR LF"; CR LF may be amiss */
        out->n -= a->missing < 3 ? 2 + a->missing : 5;
}

/* Somewhere in what the server sent stands a status line of lo to hi. A line
 * that begins as one and is none, libcurl takes for 200 (HTTP/1.0, old NCSA
 * servers). */
static int
has_status(const ef_buf *sent, int lo, int hi)
{
    size_t i;
    int code;

    for (i = 0; i < sent->n; i++) {
        const char *line = (const char *)sent->p + i;

        if (strncasecmp(line, "HTTP/", 5) != 0)
            continue;
        if (sscanf(line, "HTTP/%*1d.%*1d%*c%3d", &code) != 1 &&
            sscanf(line, "HTTP/%*1[23]%*1[ ]%d", &code) != 1)
            code = 200;
        if (code >= lo && code <= hi)
            return 1;
    }
    return 0;
}

static int
can_succeed(enum ask ask, const struct answer *a, const ef_buf *sent)
{
    int lo = 200, hi = ask == PUT ? 299 : ask == PROBE ? 206 : 200;

    if (a->framing == RAW)
        return has_status(sent, lo, hi);
    if (ask == PROBE)
        return a->status == 200 || a->status == 206;
    return a->status >= lo && a->status <= hi &&
           (ask == PUT || a->framing == CLOSE || a->missing == 0);
}

/* What was sent up: a request with the source's bytes at its end. */
static void
uploaded(ef_slice upload)
{
    static unsigned char got[1 << 17];
    size_t n = 0;
    ssize_t k;

    while ((k = recv(server.peer[server.n - 1], got + n, sizeof got - n,
                     MSG_DONTWAIT)) > 0)
        n += (size_t)k;
    FUZZ_ASSERT(n > upload.n && memcmp(got, "PUT /path?secret", 16) == 0);
    FUZZ_ASSERT(memcmp(got + n - upload.n, upload.p, upload.n) == 0);
}

static void
succeeded(enum ask ask, const struct answer *a, const struct caller *c)
{
    FUZZ_ASSERT(c->refuse == 0 || c->pieces < c->refuse);
    FUZZ_ASSERT(c->ended == 1);
    if (ask == PUT)
        uploaded(c->upload);
    if (ask == GET && a->framing != RAW)
        FUZZ_ASSERT(twin_same(a->body, c->body.p, c->body.n));
}

static void
failed(const struct store_job *job, const struct answer *a,
       const struct caller *c)
{
    const ef_err *err = &job->err;

    FUZZ_ASSERT(!c->ended && err->code == job->rc && err->msg != NULL);
    FUZZ_ASSERT(strstr(err->msg, "secret-query") == NULL);
    FUZZ_ASSERT(err->where[0] == '\0' && err->place[0] == '\0');
    FUZZ_ASSERT(job->rc == EF_E_NETWORK || job->rc == EF_E_POLICY ||
                job->rc == EF_E_LIMIT ||
                (job->rc == EF_E_IO && a->event == SIGNAL));
    if (c->refuse != 0 && c->pieces == c->refuse)
        FUZZ_ASSERT(job->rc == EF_E_POLICY);
}

/* done is all that has moved, and never runs backwards. */
static void
on_tick(struct ef_progress *p, uint64_t done, uint64_t total)
{
    (void)p;
    FUZZ_ASSERT(done >= ticked && (total == 0 || done <= total));
    ticked = done;
}

static void
transfer(enum ask ask, const struct answer *a, int refuse, ef_slice upload)
{
    volatile sig_atomic_t stop = a->event == SIGNAL;
    struct ef_progress progress = {on_tick};
    struct store_opts o = {.schemes = EF_SCHEME_HTTPS | EF_SCHEME_HTTP,
                           .cacert = "/dev/null",
                           .stall_sec = a->event == STILL ? 0 : 1,
                           .stop = &stop,
                           .progress = &progress};
    struct caller c = {.refuse = refuse, .upload = upload};
    struct store_job job = {.url = URL, .ctx = &c, .end = on_end};
    int lowest = dup(0);
    ef_buf sent = {0};
    ef_status rc;

    close(lowest);
    make_answer(&sent, a);
    (void)buf_cstr(&sent);
    server.left = buf_slice(&sent);
    server.many = a->framing == RAW;
    server.n = 0;
    server.still = a->event == STILL;
    ticked = 0;
    c.body.max = 40000;
    job.probe = ask == PROBE;
    job.put = ask == PUT;
    job.sink = on_piece;
    job.source = on_source;
    job.size = ask == PUT ? upload.n : 0;
    if (ask == PROBE)
        job.end = NULL;
    rc = store_run(&job, 1, 1, &o);
    FUZZ_ASSERT(rc == job.rc);
    if (ask == PROBE && rc == EF_OK)
        c.ended = 1;
    if (rc == EF_OK) {
        FUZZ_ASSERT(can_succeed(ask, a, &sent));
        succeeded(ask, a, &c);
    } else {
        failed(&job, a, &c);
        FUZZ_ASSERT(ask != GET || a->framing == RAW || refuse != 0 ||
                    a->event != NOTHING || a->body.n > c.body.max ||
                    !can_succeed(ask, a, &sent));
    }
    while (server.n > 0)
        close(server.peer[--server.n]);
    ef_buf_free(&c.body);
    ef_buf_free(&sent);
    FUZZ_ASSERT(dup(0) == lowest);
    close(lowest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 206, 204, 299, 301, 304, 403, 404,
                                   412, 500, 503, 999, 201, 226, 600, 0};
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in), status = fuzz_byte(&in);
    uint8_t missing = fuzz_byte(&in), refuse = fuzz_byte(&in);
    struct answer a = {.framing = (enum framing)(how / 3 % 4)};
    static const enum event events[] = {NOTHING, STILL, SIGNAL, NOTHING};
    static int begun;
    void *block;

    if (!begun++)
        FUZZ_ASSERT(http_init());
    a.body = fuzz_rest(&in, &block);
    if (a.body.n > 50000)
        a.body.n = 50000;
    a.event = events[how / 12 % 4];
    a.status = status < 128 ? 200 : statuses[status % 16];
    a.missing = missing < 128 ? 0 : missing % 8u;
    FUZZ_REACHED();
    transfer((enum ask)(how % 3), &a, refuse < 192 ? 0 : refuse - 191,
             slice(data, size < 2000 ? size : 2000));
    free(block);
    return 0;
}
