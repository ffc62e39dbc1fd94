/*
 * Target   transfers (section 11): store_run over libcurl, with retries and
 *          ranges; how answers are read and told; how an upload in parts begins
 *          and ends; and what `result` does with a body (section 16:
 *          cli_result_sink).
 * Input    what the server sends, connections divided by byte 1e | what to ask
 *          for and framing; what comes of a second attempt; whether the server
 *          stands still at the end or a signal comes; status, how much is
 *          missing, a piece the sink refuses. With framing 0 to 2 the input is
 *          a body, and the heads are made here.
 * Claims   a download is complete with status 200, or after a part of it with
 *          the rest of the very object, and then the sink had that object's
 *          bytes, in order; a probe takes 200 or 206, an upload 2xx and all of
 *          it sent, a range its own bytes alone; what S3 calls an error is one
 *          whatever its status; the end is told once, and only then; a sink
 *          that says no is believed; no more attempts than allowed; nothing of
 *          the query, and nothing that a terminal obeys, is in a message; the
 *          list of parts is the one sent; no descriptor is left.
 * Covers   http_on_body http_on_read http_on_socket http_on_connected
 *          http_on_header http_field http_keep_region http_retry_after
 *          http_accept http_keep http_is_bearssl http_set_range http_set_get
 *          http_set_body http_set_method http_add_header http_sign http_open
 *          http_show http_document http_error_element http_find_code
 *          http_code_passes
 *          http_say_code http_say_region http_redirect_error http_say_skew
 *          http_status_error http_answer_error http_get_end
 *          http_is_error_document http_finish http_close http_start
 *          http_backoff_ms http_can_resume http_whole http_retry http_next
 *          http_collect http_give_up http_tick http_sleep http_wait_ms
 *          store_over store_step store_turn store_complete store_run put_ask
 *          put_initiate put_list put_list_source put_etag put_is_complete
 *          put_complete put_part_end cli_result_sink cli_result_restart
 * Seeds    answers in fuzz/seeds.py    Dict  fuzz/dict/http.dict
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

static int fuzz_socket(int family, int type, int protocol);
static int fuzz_clock(clockid_t which, struct timespec *t);
static ssize_t fuzz_random(void *p, size_t n, unsigned flags);
static CURLMcode fuzz_add_handle(CURLM *multi, CURL *easy);
static CURLMcode fuzz_poll(CURLM *multi, struct curl_waitfd *fds, unsigned n,
                           int ms, int *ready);

#define socket fuzz_socket
#define clock_gettime fuzz_clock
#define getrandom fuzz_random
#define curl_multi_add_handle fuzz_add_handle
#define curl_multi_poll fuzz_poll
#define main encflow_main
#include "../encflow.c"
#undef socket
#undef clock_gettime
#undef getrandom
#undef curl_multi_add_handle
#undef curl_multi_poll
#include "twin.h"

#define URL "http://127.0.0.1/path?secret-query-of-the-url"
#define SECRET "secret-key-of-the-account"

/* --- time --- */

static uint64_t ticked;
static int64_t passed_ms; /* that were waited for, but took no time */

static int
fuzz_clock(clockid_t which, struct timespec *t)
{
    int rc = clock_gettime(which, t);

    t->tv_sec += passed_ms / 1000;
    t->tv_nsec += passed_ms % 1000 * 1000000;
    return rc;
}

/* The wait before a retry: none, or all of it. */
static uint8_t luck;

static ssize_t
fuzz_random(void *p, size_t n, unsigned flags)
{
    (void)flags;
    memset(p, luck, n);
    return luck == 0x7f ? -1 : (ssize_t)n;
}

/* All that a server has to say is there: what is not ready will never be, and
 * only time can pass. */
static CURLMcode
fuzz_poll(CURLM *multi, struct curl_waitfd *fds, unsigned n, int ms, int *ready)
{
    int some = 0;
    CURLMcode rc = curl_multi_poll(multi, fds, n, 0, &some);

    (void)ready;
    passed_ms += some == 0 ? ms : 0;
    return rc;
}

/* --- a server that has said everything before it is asked --- */

#define PEERS 24 /* three attempts, each with five redirects */
#define ANSWERS 4

static struct {
    ef_slice answer[ANSWERS]; /* of what it sends, in order; then nothing */
    ef_slice left;            /* many: in place of answer */
    int many;                 /* 1e divides it into answers */
    int peer[PEERS];          /* the server's ends */
    size_t n;
    int still; /* it never closes */
} server;

/* In place of a TCP connection: a pair, one end of which has been written to
 * and closed. 64 KiB fit. */
static int
fuzz_socket(int family, int type, int protocol)
{
    ef_slice say = {NULL, 0};
    int pair[2];

    (void)family;
    (void)protocol;
    if (server.n == PEERS ||
        socketpair(AF_UNIX, type & ~SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    if (server.many) {
        say = slice(server.left.p, slice_find(server.left, 0x1e));
        server.left = slice_from(server.left, say.n + 1);
    } else if (server.n < ANSWERS) {
        say = server.answer[server.n];
    }
    say.n = say.n < 60000 ? say.n : 60000;
    FUZZ_ASSERT(say.n == 0 || write(pair[1], say.p, say.n) == (ssize_t)say.n);
    FUZZ_ASSERT(server.still || shutdown(pair[1], SHUT_WR) == 0);
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
    int ended, asked;
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
on_restart(void *ctx, ef_err *err)
{
    struct caller *c = ctx;

    FUZZ_ASSERT(!c->ended);
    return cli_result_restart(&c->body, err);
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

/* Not yet; then twice the same, each from its beginning. */
static int
on_again(void *ctx, struct store_job *job)
{
    struct caller *c = ctx;

    job->wait_fd = c->asked % 2; /* standard input, or nothing */
    if (++c->asked == 1)
        return -1;
    if (c->asked > 3)
        return 0;
    c->ended = 0;
    return on_restart(c, &job->err) == EF_OK;
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
enum ask {
    GET,
    PROBE,
    PUT,
    RANGE,  /* six bytes */
    KEEP,   /* an answer that is not for a sink */
    POST,   /* the same, to S3, with a body */
    PART,   /* of an upload, whose ETag is kept */
    BEGIN,  /* an upload in parts */
    FINISH, /* it */
    ASKS
};
enum event { NOTHING, STILL, SIGNAL };
/* What the second connection says: nothing; the same, all of it; the rest of
 * the object; of another object; with another place; that it is busy. */
enum then { SILENCE, WHOLE, REST, OTHER, ELSEWHERE, BUSY, THENS };

struct answer {
    enum ask ask;
    enum framing framing;
    int status;
    ef_slice body;
    size_t missing; /* bytes that are announced and do not come */
    enum event event;
    enum then then;
    int pinned; /* it has an ETag */
    int once;   /* what the sink had cannot be forgotten */
    int begins; /* RANGE: the range begins with the first byte */
    int twice;  /* GET: two requests by one job */
    unsigned attempts;
    ef_buf made[ANSWERS];
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

/* From its byte at `from` on, all but the last missing ones. */
static void
make_answer(ef_buf *out, const struct answer *a, int status, size_t from,
            size_t missing, const char *etag)
{
    size_t n = a->body.n - from, sent = n < missing ? 0 : n - missing;

    buf_printf(out, "HTTP/1.1 %03d Whatever\r\nX-Seen: yes\r\n", status);
    if (etag != NULL)
        buf_printf(out, "ETag: %s\r\n", etag);
    if (status == 206)
        buf_printf(out, "Content-Range: bytes %zu-%zu/%zu\r\n", from,
                   from + n - 1, a->body.n);
    if (a->framing == LENGTH)
        buf_printf(out, "Content-Length: %zu\r\n\r\n", n);
    else if (a->framing == CHUNKED)
        ef_buf_str(out, "Transfer-Encoding: chunked\r\n\r\n");
    else
        ef_buf_str(out, "Connection: close\r\n\r\n");
    if (a->framing == CHUNKED) {
        add_chunks(out, slice_from(a->body, from));
        if (missing > 0) /* of its end, "0 CR LF CR LF"; CR LF may be amiss */
            out->n -= missing < 3 ? 2 + missing : 5;
    } else {
        ef_buf_add(out, a->body.p + from, sent);
    }
}

static void
make_answers(struct answer *a)
{
    size_t missing = a->framing == CLOSE ? 0 : a->missing, had;
    ef_buf *first = &a->made[0], *second = &a->made[1];

    if (a->framing == RAW) {
        ef_buf_add(first, a->body.p, a->body.n);
        (void)buf_cstr(first);
        return;
    }
    had = a->framing == LENGTH && missing < a->body.n ? a->body.n - missing : 0;
    make_answer(first, a, a->status, 0, missing, a->pinned ? "\"a\"" : NULL);
    if (a->then == WHOLE)
        make_answer(second, a, 200, 0, 0, a->pinned ? "\"a\"" : NULL);
    if (a->then >= REST && a->then <= ELSEWHERE && had < a->body.n)
        make_answer(second, a, 206,
                    had + (a->then == ELSEWHERE && had + 1 < a->body.n), 0,
                    a->then == OTHER ? "\"b\"" : "\"a\"");
    if (a->then == BUSY) {
        ef_buf_str(second, "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\n"
                           "Content-Length: 0\r\n\r\n");
        make_answer(&a->made[2], a, 200, 0, 0, "\"a\"");
    }
    (void)buf_cstr(first);
}

/* Somewhere in what the server sent stands a status line of lo to hi: three
 * digits behind its first blanks. */
static int
has_status(const struct answer *a, int lo, int hi)
{
    size_t i, k;

    for (k = 0; k < ANSWERS; k++)
        for (i = 0; i + 5 < a->made[k].n; i++) {
            const char *line = (const char *)a->made[k].p + i;
            size_t n = a->made[k].n - i;
            const char *blank = memchr(line, ' ', n);
            int code = 0, digits = 0;

            if (strncmp(line, "HTTP/", 5) != 0 || blank == NULL)
                continue;
            while (blank < line + n && isspace((unsigned char)*blank))
                blank++;
            for (; blank < line + n && isdigit((unsigned char)*blank) &&
                   digits < 3;
                 digits++)
                code = 10 * code + *blank++ - '0';
            if (digits > 0 && code >= lo && code <= hi)
                return 1;
        }
    return 0;
}

/* Is what is made here a whole object's answer? */
static int
is_complete(const struct answer *a)
{
    return a->framing != RAW && a->status == 200 &&
           (a->framing == CLOSE || a->missing == 0);
}

static int
can_succeed(const struct answer *a)
{
    switch (a->ask) {
    case GET:
        return is_complete(a) || a->attempts > 1 || a->framing == RAW
                   ? has_status(a, 200, 200)
                   : 0;
    case PROBE:
        return has_status(a, 200, 200) || has_status(a, 206, 206);
    case RANGE:
        return has_status(a, 206, 206) ||
               (a->begins && has_status(a, 200, 200));
    default:
        return has_status(a, 200, 299);
    }
}

/* --- what came of it --- */

/* What was sent up: a request with these bytes at its end. */
static void
uploaded(const char *method, ef_slice upload)
{
    static unsigned char got[1 << 17];
    size_t n = 0;
    ssize_t k;

    while ((k = recv(server.peer[server.n - 1], got + n, sizeof got - n,
                     MSG_DONTWAIT)) > 0)
        n += (size_t)k;
    FUZZ_ASSERT(n > upload.n && memcmp(got, method, strlen(method)) == 0);
    FUZZ_ASSERT(upload.n == 0 ||
                memcmp(got + n - upload.n, upload.p, upload.n) == 0);
    FUZZ_ASSERT(memmem(got, n - upload.n, SECRET, strlen(SECRET)) == NULL);
}

static void
succeeded(const struct store_job *job, const struct answer *a,
          const struct caller *c)
{
    FUZZ_ASSERT(c->refuse == 0 || c->pieces < c->refuse);
    FUZZ_ASSERT(c->ended == (a->ask <= RANGE && a->ask != PROBE));
    FUZZ_ASSERT(can_succeed(a));
    if (a->ask == PUT && !server.still)
        uploaded("PUT /path?secret", c->upload);
    if (a->ask == GET && a->framing != RAW)
        FUZZ_ASSERT(twin_same(a->body, c->body.p, c->body.n));
    if ((a->ask == GET && !a->twice) || a->ask == RANGE)
        FUZZ_ASSERT(c->body.n == job->got);
    if (a->ask == RANGE && job->to != 0)
        FUZZ_ASSERT(c->body.n <= 6 && c->body.n > 0);
    if (a->ask == RANGE && a->framing != RAW)
        FUZZ_ASSERT(
            c->body.n == 0 ||
            memcmp(c->body.p, a->body.p + (a->begins ? 0 : 3), c->body.n) == 0);
    if (a->ask == KEEP && is_complete(a) && server.n == 1)
        FUZZ_ASSERT(twin_same(a->body, job->answer.p, job->answer.n));
}

/* Only what may be shown, and all that is said of it. */
static void
told(const struct answer *a, const ef_err *err)
{
    size_t i;

    FUZZ_ASSERT(err->code != EF_OK && err->msg != NULL);
    FUZZ_ASSERT(strstr(err->msg, "secret-") == NULL);
    FUZZ_ASSERT(err->where[0] == '\0');
    for (i = 0; err->place[i] != '\0'; i++)
        FUZZ_ASSERT(err->place[i] >= 0x20 && err->place[i] <= 0x7e);
    FUZZ_ASSERT(strstr(err->place, "Signature=") == NULL);
    FUZZ_ASSERT(strncmp(err->place, "S3 says", 7) != 0 ||
                strstr(err->place, "X-Amz-") == NULL);
    FUZZ_ASSERT(i == 0 || strncmp(err->place, "S3 says ", 8) == 0 ||
                strncmp(err->place, "the bucket's region is ", 23) == 0);
    FUZZ_ASSERT(err->code == EF_E_NETWORK || err->code == EF_E_POLICY ||
                err->code == EF_E_LIMIT ||
                (err->code == EF_E_IO && a->event == SIGNAL));
}

static void
failed(const struct store_job *job, const struct answer *a,
       const struct caller *c)
{
    FUZZ_ASSERT(!c->ended && job->err.code == job->rc);
    told(a, &job->err);
    if (c->refuse != 0 && c->pieces == c->refuse)
        FUZZ_ASSERT(job->rc == EF_E_POLICY);
    FUZZ_ASSERT(a->ask != GET || c->refuse != 0 || a->twice ||
                a->body.n > c->body.max || a->event != NOTHING ||
                !is_complete(a));
}

/* done is all that has moved; it falls back only where something begins
 * anew. */
static void
on_tick(struct ef_progress *p, uint64_t done, uint64_t total)
{
    (void)p;
    FUZZ_ASSERT(done >= ticked || server.n >= 1);
    FUZZ_ASSERT(total == 0 || done <= total);
    ticked = done;
}

static void
check_head(const struct http_head *head)
{
    ef_slice tag;
    int weak;
    size_t i;

    FUZZ_ASSERT(head->status >= -1 && head->status <= 999);
    FUZZ_ASSERT(head->after >= -1 && head->bytes <= EF_MAX_HTTP_HEAD_BYTES);
    if (head->etag[0] != '\0')
        FUZZ_ASSERT(ef_etag_parse(&tag, &weak, slice_str(head->etag), NULL) ==
                        EF_OK &&
                    !weak && tag.n == strlen(head->etag));
    for (i = 0; head->region[i] != '\0'; i++)
        FUZZ_ASSERT(isalnum((unsigned char)head->region[i]) ||
                    head->region[i] == '-');
}

/* --- what is asked --- */

static const ef_presign s3 = {.access_key = "AKIDEXAMPLE",
                              .secret_key = SECRET,
                              .bucket = "bucket",
                              .region = "us-east-1",
                              .endpoint = "http://127.0.0.1",
                              .addressing = EF_ADDR_PATH,
                              .key = {(const unsigned char *)"key", 3}};

static void
set_job(struct store_job *job, const struct answer *a, struct caller *c)
{
    *job = (struct store_job){.url = URL, .ctx = c, .end = on_end};
    job->sink = on_piece;
    job->source = on_source;
    job->restart = a->once ? NULL : on_restart;
    if (a->ask == GET && a->twice)
        job->again = on_again;
    if (a->ask == KEEP)
        job->header = "X-Ours: yes";
    if (a->ask == PROBE || a->ask >= KEEP)
        job->end = NULL;
    if (a->ask == PROBE)
        job->probe = 1;
    if (a->ask == PUT || a->ask == POST || a->ask == PART)
        job->size = c->upload.n;
    if (a->ask == PUT || a->ask == PART)
        job->method = STORE_PUT;
    if (a->ask == RANGE) {
        job->ranged = 1;
        job->from = a->begins ? 0 : 3;
        job->to = job->from + 6;
        memcpy(job->pin, "\"a\"", a->pinned ? 4 : 0);
    }
    job->keep = a->ask == KEEP || a->ask == POST;
    if (a->ask == POST || a->ask == PART) {
        job->url = NULL;
        job->s3 = &s3;
        job->query[0] = "uploads=";
        job->query_n = 1;
    }
    if (a->ask == POST)
        job->method = a->pinned ? STORE_DELETE : STORE_POST;
    if (job->method == STORE_DELETE)
        job->size = 0;
}

/* One request and all that comes of it. */
static void
request(const struct answer *a, struct caller *c, const struct store_opts *o)
{
    struct store_job job;
    struct object_put *p = fuzz_block(NULL, sizeof *p);
    struct put_part part = {.p = p, .job = &job, .number = 1};
    ef_status rc;

    memset(p, 0, sizeof *p);
    set_job(&job, a, c);
    if (a->ask == PART) {
        job.end = put_part_end;
        job.ctx = &part;
        job.source = put_source;
        part.buf = (unsigned char *)(uintptr_t)c->upload.p;
    }
    rc = store_run(&job, 1, 1, o);
    FUZZ_ASSERT(rc == job.rc && job.easy == NULL && job.headers == NULL);
    /* once more for what has no ranges: all of it */
    FUZZ_ASSERT(job.tries <= o->attempts + (a->ask == RANGE && a->begins));
    check_head(&job.head);
    if (rc == EF_OK)
        succeeded(&job, a, c);
    else
        failed(&job, a, c);
    if (a->ask == PART && rc == EF_OK)
        FUZZ_ASSERT(strcmp(p->etag[0], job.head.etag) == 0);
    free(p->etag[0]);
    free(p);
    ef_buf_free(&job.answer);
}

/* An upload in parts begins; or it ends, with two parts. */
static void
upload(const struct answer *a, const struct store_opts *o)
{
    static const char good[] = "\"00112233445566778899aabbccddeeff\"";
    struct object_put *p = fuzz_block(NULL, sizeof *p);
    struct store_place to = {NULL, &s3};
    ef_buf list = {0};
    ef_err err = {0};
    ef_status rc;

    memset(p, 0, sizeof *p);
    p->to = &to;
    p->o = o;
    if (a->ask == BEGIN) {
        rc = put_initiate(p, &err);
        FUZZ_ASSERT((rc == EF_OK) == (p->upload.n > 0));
        FUZZ_ASSERT(rc != EF_OK ||
                    (p->upload.n == strlen(buf_cstr(&p->upload)) &&
                     p->upload.n <= 1024 &&
                     memcmp(p->upload.p, "uploadId=", 9) == 0));
    } else {
        ef_buf_str(&p->upload, "uploadId=a&b");
        p->parts = 2;
        p->etag[0] = strdup(good);
        p->etag[1] = strdup(a->pinned ? "\"<&>\"" : good);
        put_list(p, &list);
        rc = put_complete(p, &err);
        FUZZ_ASSERT(slice_find_str(buf_slice(&list), "<&>") == list.n);
        if (rc == EF_OK && server.n == 1)
            uploaded("POST /bucket/key?uploadId=a%26b ", buf_slice(&list));
    }
    if (rc != EF_OK)
        told(a, &err);
    else
        FUZZ_ASSERT(can_succeed(a));
    free(p->etag[0]);
    free(p->etag[1]);
    ef_buf_free(&p->upload);
    ef_buf_free(&list);
    free(p);
}

static void
transfer(struct answer *a, int refuse, ef_slice data)
{
    volatile sig_atomic_t stop = a->event == SIGNAL;
    struct ef_progress progress = {on_tick};
    struct store_opts o = {.schemes = EF_SCHEME_HTTPS | EF_SCHEME_HTTP,
                           .cacert = "/dev/null",
                           .stall_sec = 2,
                           .connect_sec = 2,
                           .attempts = a->attempts,
                           .stop = &stop,
                           .progress = &progress};
    struct caller c = {.refuse = refuse, .upload = data};
    int lowest = dup(0), i;

    close(lowest);
    make_answers(a);
    for (i = 0; i < ANSWERS; i++)
        server.answer[i] = buf_slice(&a->made[i]);
    server.left = buf_slice(&a->made[0]);
    server.many = a->framing == RAW;
    server.n = 0;
    server.still = a->event == STILL;
    ticked = 0;
    passed_ms = 0;
    if (a->event == STILL && refuse % 2 != 0)
        o.deadline = clock_ms() + 1000;
    c.body.max = 40000;
    if (a->ask < BEGIN)
        request(a, &c, &o);
    else
        upload(a, &o);
    while (server.n > 0)
        close(server.peer[--server.n]);
    ef_buf_free(&c.body);
    for (i = 0; i < ANSWERS; i++)
        ef_buf_free(&a->made[i]);
    FUZZ_ASSERT(dup(0) == lowest);
    close(lowest);
}

/* --- pieces of an answer by themselves --- */

/* What may be shown of text: the bytes of its first line that is not blank,
 * but for those that a terminal could obey, or nothing. */
static void
show(ef_slice text)
{
    char out[40];
    size_t i, from = 0, end, n;

    while (from < text.n && isspace(text.p[from]))
        from++;
    for (end = from; end < text.n && text.p[end] != '\n';)
        end++;
    while (end > from && isspace(text.p[end - 1]))
        end--;
    n = end - from < sizeof out - 1 ? end - from : sizeof out - 1;
    memset(out, 'x', sizeof out);
    if (!http_show(out, sizeof out, text)) {
        FUZZ_ASSERT(
            end == from ||
            memmem(text.p + from, end - from, "Signature=", 10) ||
            memmem(text.p + from, end - from, "X-Amz-", 6) ||
            memmem(text.p + from, end - from, "x-amz-security-token:", 21));
        return;
    }
    FUZZ_ASSERT(strlen(out) == n);
    for (i = 0; i < n; i++) {
        unsigned char c = text.p[from + i];

        FUZZ_ASSERT(out[i] == (isprint(c) && c != '"' ? (char)c : '?'));
    }
}

/* A head, line by line, `times` times. */
static void
head(ef_slice text, size_t times)
{
    struct store_job job = {.url = URL};
    ef_slice rest = {NULL, 0};
    int full = 0;

    job.head = (struct http_head){.after = -1, .length = EF_UNKNOWN};
    for (; times > 0 && !full; times--)
        for (rest = text; rest.n > 0 && !full;) {
            size_t n = slice_find(rest, '\n');
            char *line = fuzz_block(rest.p, n += n < rest.n);

            full = http_on_header(line, 1, n, &job) != n;
            free(line);
            rest = slice_from(rest, n);
        }
    check_head(&job.head);
    FUZZ_ASSERT(full == job.failed);
    FUZZ_ASSERT(!full || job.err.code == EF_E_NETWORK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 206, 204, 299, 301, 304, 403, 404,
                                   412, 500, 503, 999, 201, 416, 400, 429};
    static const enum event events[] = {NOTHING, STILL, SIGNAL, NOTHING};
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in), more = fuzz_byte(&in);
    uint8_t status = fuzz_byte(&in), missing = fuzz_byte(&in);
    uint8_t refuse = fuzz_byte(&in);
    struct answer a = {.ask = (enum ask)(how % ASKS),
                       .framing = (enum framing)(how / ASKS % 4)};
    static int begun;
    void *block;

    if (!begun++)
        FUZZ_ASSERT(http_init());
    a.body = fuzz_rest(&in, &block);
    if (a.body.n > 50000)
        a.body.n = 50000;
    a.event = events[more % 4];
    a.then = (enum then)(more / 4 % THENS);
    a.pinned = more / 24 % 2;
    a.attempts = 1 + more / 48 % 3u;
    luck = refuse == 255 ? 0x7f : 0;
    a.once = status / 16 % 2;
    a.begins = status / 32 % 2;
    a.twice = status / 64 % 2;
    a.status = status < 128 ? 200 : statuses[status % 16];
    a.missing = missing < 128 ? 0 : missing % 8u;
    if (a.framing == LENGTH && a.missing > a.body.n)
        a.missing = a.body.n;
    FUZZ_REACHED();
    transfer(&a, refuse < 192 || refuse == 255 ? 0 : refuse - 191,
             slice(data, size < 2000 ? size : 2000));
    show(a.body);
    head(a.body, how >= 0xf0 && fuzz_seldom(data, size) ? 2000 : 1);
    free(block);
    return 0;
}
