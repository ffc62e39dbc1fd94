/*
 * Target   the release service (section 15, 16): requests, as a host hands
 *          them over, nonces, answers.
 * Input    text | flags: by CGI, a nonce's changes; which allocation fails.
 *          The text is a request, an answer, a nonce, and what is sealed.
 * Claims   a request is accepted where jansson and a plain reader of
 *          base64url find its members, and says what stands there, the same
 *          from a file as from memory, up to its line feed; a nonce is good
 *          where it was made with this key, and no bit of it changed; what is
 *          sealed opens for the same key, configuration and nonce alone;
 *          without memory all is the same, or EF_E_MEMORY.
 * Covers   ef_release_request_parse ef_release_key ef_release_nonce_*
 *          ef_release_token ef_release_seal ef_release_open
 *          ef_release_answer_parse release_base64url release_nonce
 *          release_jws release_text release_bytes release_hex release_ask
 *          release_answer cli_release_take cli_release_read
 * Seeds    vectors/release_requests.txt vectors/release_answers.txt
 *          Dict  fuzz/dict/release.dict
 */
#include <jansson.h>

#include "fuzz.h"

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define main encflow_main
#include "../encflow.c"
#undef malloc
#undef calloc
#undef realloc
#include "twin.h"

/* --- the twin --- */

/* Strict base64url, n bytes (or any number: -1); NULL: it is none. */
static unsigned char *
url_bytes(const json_t *text, long n, size_t *size)
{
    const char *s = json_string_value(text);
    size_t len = s != NULL ? json_string_length(text) : 0, i;
    char *plain = fuzz_block(NULL, len + 4);
    unsigned char *out = NULL;
    long got = -1;

    if (s != NULL && len % 4 != 1) {
        for (i = 0; i < len; i++)
            plain[i] = s[i] == '-'                                 ? '+'
                       : s[i] == '_'                               ? '/'
                       : s[i] == '+' || s[i] == '/' || s[i] == '=' ? '!'
                                                                   : s[i];
        for (; i % 4 != 0; i++)
            plain[i] = '=';
        got = twin_base64(&out, plain, i);
    }
    free(plain);
    if (got < 0 || (n >= 0 && got != n)) {
        free(out);
        return NULL;
    }
    *size = (size_t)got;
    return out;
}

/* 1 where member name is n bytes of base64url, which are compared. */
static int
same_url(const json_t *o, const char *name, long n, const unsigned char *p,
         size_t size, int accepted)
{
    size_t got = 0;
    unsigned char *bytes = url_bytes(json_object_get(o, name), n, &got);

    if (bytes == NULL)
        return 0;
    if (accepted)
        FUZZ_ASSERT(got == size && memcmp(bytes, p, got) == 0);
    free(bytes);
    return 1;
}

/* 1 where member name is 64 lower-case digits. */
static int
hash_is(const json_t *o, const char *name)
{
    const json_t *m = json_object_get(o, name);

    return m != NULL && json_is_string(m) && json_string_length(m) == 64 &&
           strspn(json_string_value(m), "0123456789abcdef") == 64;
}

/* Would this object be taken for a request? Where it was, q has its values. */
static int
twin_request(const json_t *o, const ef_release_request *q, int accepted)
{
    const char *kind = json_string_value(json_object_get(o, "request"));
    const json_t *version = json_object_get(o, "version");

    if (kind == NULL ||
        strlen(kind) != json_string_length(json_object_get(o, "request")) ||
        !json_is_integer(version) || json_integer_value(version) != 1)
        return 0;
    if (strcmp(kind, "nonce") == 0)
        return json_object_size(o) == 2;
    if (!hash_is(o, "appconfig"))
        return 0;
    if (strcmp(kind, "release") == 0)
        return json_object_size(o) == 4 &&
               same_url(o, "document", -1, q->document.p, q->document.n,
                        accepted);
    return strcmp(kind, "done") == 0 && json_object_size(o) == 5 &&
           same_url(o, "nonce", 56, q->nonce, 56, accepted) &&
           same_url(o, "token", 32, q->token, 32, accepted);
}

/* --- claims --- */

/* jansson knows no number past an int64, and reads "1" of 01 or 1e0 in its own
 * way: what it does not read says nothing, and a version is 1 as written. */
static void
compare(ef_slice text, ef_status rc, const ef_release_request *q)
{
    json_error_t why;
    json_t *o = json_loadb((const char *)text.p, text.n,
                           JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);

    if (o == NULL) {
        FUZZ_ASSERT(rc != EF_OK);
        return;
    }
    if (rc == EF_OK)
        FUZZ_ASSERT(twin_request(o, q, 1));
    else
        FUZZ_ASSERT(rc == EF_E_LIMIT || rc == EF_E_MEMORY ||
                    !json_is_object(o) || !twin_request(o, q, 0));
    json_decref(o);
}

static void
request(ef_slice text, uint8_t starve)
{
    ef_release_request q, again;
    ef_err err = {0};
    ef_status rc = ef_release_request_parse(&q, text, &err), second;

    if (rc != EF_OK)
        fuzz_refused(rc, &err, text.n);
    compare(text, rc, &q);
    fuzz_alloc_left = starve;
    second = ef_release_request_parse(&again, text, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    if (second == EF_OK)
        FUZZ_ASSERT(memcmp(q.token, again.token, 32) == 0 &&
                    twin_same(twin_slice(q.document.p, q.document.n),
                              again.document.p, again.document.n));
    ef_buf_free(&q.document);
    ef_buf_free(&again.document);
}

/* The same from a descriptor: to the first line feed, or by its told size. */
static void
from_host(ef_slice text, int cgi, uint8_t starve)
{
    struct cli_release r = {.log = -1, .b = {.lock = -1}, .cgi = cgi};
    ef_release_request q;
    const unsigned char *feed =
        text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    size_t n = feed != NULL && !cgi ? (size_t)(feed - text.p) : text.n;
    char size[24];
    ef_err err = {0};
    ef_status rc, want;

    snprintf(size, sizeof size, "%zu", text.n);
    (void)setenv("REQUEST_METHOD", starve & 64 ? "GET" : "POST", 1);
    (void)setenv("CONTENT_LENGTH", starve & 32 ? "x" : size, 1);
    r.in = memfd_create("request", 0);
    FUZZ_ASSERT(r.in >= 0 && write(r.in, text.p, text.n) == (ssize_t)text.n &&
                lseek(r.in, 0, SEEK_SET) == 0);
    rc = cli_release_read(&r, &err);
    want = ef_release_request_parse(&q, twin_slice(text.p, n), NULL);
    if (cgi && starve & (64 | 32))
        FUZZ_ASSERT(rc == EF_E_FORMAT);
    else
        FUZZ_ASSERT(rc == want);
    close(r.in);
    ef_buf_free(&q.document);
    ef_buf_free(&r.request);
    ef_buf_free(&r.ask.document);
}

static void
nonce(ef_slice text, uint8_t flags)
{
    unsigned char sk[32] = {flags}, k[32], random[16] = {0}, made[56];
    int64_t now = 1700000000 + flags;
    ef_err err = {0};

    memcpy(random, text.p, text.n < 16 ? text.n : 16);
    ef_release_key(k, sk);
    if (ef_release_nonce_check(k, text, now, &err) != EF_OK)
        fuzz_refused(err.code, &err, text.n);
    else
        FUZZ_ASSERT(text.n == 56); /* and somebody has found a MAC */
    ef_release_nonce_make(made, k, now - flags, random);
    FUZZ_ASSERT(ef_release_nonce_check(k, twin_slice(made, 56), now, NULL) ==
                EF_OK);
    FUZZ_ASSERT(ef_release_nonce_check(k, twin_slice(made, 56),
                                       now - flags + 301, NULL) == EF_E_POLICY);
    FUZZ_ASSERT(ef_release_nonce_check(k, twin_slice(made, 56), now - flags - 1,
                                       NULL) == EF_E_POLICY);
    made[flags % 56] ^= (unsigned char)(1 << flags % 8);
    FUZZ_ASSERT(ef_release_nonce_check(k, twin_slice(made, 56), now, NULL) ==
                EF_E_AUTH);
}

/* text sealed, and opened by whom it is for; one thing changed, by nobody. */
static void
sealed(ef_slice text, uint8_t flags, uint8_t starve)
{
    unsigned char sk[32] = {1}, pk[32], id[32] = {2}, n[56] = {3};
    ef_buf answer = {0}, plain = {0};
    ef_json json = {.nodes = NULL};
    ef_status rc;

    ef_x25519_public(pk, sk);
    ef_buf_str(&answer, "{\"credentials\":");
    FUZZ_ASSERT(ef_release_seal(&answer, pk, text, id, twin_slice(n, 56),
                                NULL) == EF_OK);
    ef_buf_str(&answer, ",\"documents\":[\"x\"],\"version\":1}");
    FUZZ_ASSERT(ef_release_answer_parse(&json, twin_slice(answer.p, answer.n),
                                        NULL) == EF_OK);
    fuzz_alloc_left = starve;
    rc = ef_release_open(&plain, sk, &json, id, twin_slice(n, 56), NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(rc == EF_OK || (rc == EF_E_MEMORY && starve > 0));
    FUZZ_ASSERT(twin_same(text, plain.p, plain.n) || rc != EF_OK);
    ef_buf_free(&plain);
    plain = (ef_buf){0};
    sk[0] ^= flags % 3 == 0 ? 8 : 0;
    id[flags % 32] ^= flags % 3 == 1;
    n[flags % 56] ^= flags % 3 == 2;
    FUZZ_ASSERT(ef_release_open(&plain, sk, &json, id, twin_slice(n, 56),
                                NULL) == EF_E_AUTH &&
                plain.n == 0);
    ef_json_free(&json);
    ef_buf_free(&plain);
    ef_buf_free(&answer);
}

/* What is accepted as an answer has one of three members, and opens at most
 * for its own key. */
static void
answer(ef_slice text, uint8_t starve)
{
    static const unsigned char zeros[56];
    ef_json json, again;
    ef_buf plain = {0};
    ef_err err = {0};
    ef_status rc = ef_release_answer_parse(&json, text, &err), second;

    if (rc != EF_OK) {
        fuzz_refused(rc, &err, text.n);
    } else {
        rc = ef_release_open(&plain, zeros, &json, zeros, twin_slice(zeros, 56),
                             NULL);
        FUZZ_ASSERT(rc == EF_E_AUTH || rc == EF_E_FORMAT);
        FUZZ_ASSERT(plain.n == 0);
        rc = EF_OK;
    }
    fuzz_alloc_left = starve;
    second = ef_release_answer_parse(&again, text, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    ef_json_free(&json);
    ef_json_free(&again);
    ef_buf_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t flags = fuzz_byte(&in), starve = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    request(text, starve);
    from_host(text, flags & 1, starve);
    nonce(text, flags);
    answer(text, starve);
    sealed(text, flags, starve);
    free(block);
    return 0;
}
