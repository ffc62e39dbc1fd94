/*
 * ct.c -- no branch and no index depends on a secret.
 *
 * Run by tests/ct.py (`make ct`) under valgrind's memcheck. Secrets are
 * marked as undefined memory. memcheck follows undefined bits through every
 * instruction, and reports a branch or an address that depends on one. What
 * is public by design is declared so in encflow.c by EF_PUBLIC (-DEF_CT).
 *
 * Each case then looks that its result still counts as secret where it must:
 * a mark lost on the way would make the case mean nothing. And the result
 * has to be right.
 *
 * Not seen: instructions whose time depends on their operands. BearSSL's ct
 * kernels multiply 32 x 32 bits and hold that this takes constant time.
 *
 * encflow.c is included whole: the code is that of the program itself.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a ranged get writes: a real file would be asked what is defined. */
static unsigned char written[512];

static ssize_t
keep_written(int fd, const void *p, size_t n, off_t at)
{
    (void)fd;
    if (at < 0 || at > 256 || n > 256)
        return -1;
    memcpy(written + at, p, n);
    return (ssize_t)n;
}

#include <bearssl.h>
#include <valgrind/memcheck.h>

#include "encflow.h"

/* What is read comes from a private key's file: all of it is secret but the
 * lines BEGIN and END, and where lines end. */
static ssize_t
read_pem(int fd, void *p, size_t n)
{
    unsigned char *text = p;
    ssize_t got = read(fd, p, n), i;

    for (i = 28; i < got - 26; i++)
        if (text[i] != '\n')
            (void)VALGRIND_MAKE_MEM_UNDEFINED(text + i, 1);
    return got;
}

/* BearSSL's ECDSA branches on whether the number used once is in range, and
 * counts its words: what memcheck says of that is passed over. The key
 * stays undefined, so that all else that is done with it is seen. */
static size_t
quiet_sign(const br_ec_impl *impl, const br_hash_class *hash, const void *h,
           const br_ec_private_key *sk, void *sig)
{
    size_t n;

    VALGRIND_DISABLE_ERROR_REPORTING;
    n = br_ecdsa_i31_sign_raw(impl, hash, h, sk, sig);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return n;
}

/* BearSSL makes an RSA key by trying numbers until two are prime, and branches
 * on which were none. So a key is told as BearSSL tells it, but its numbers are
 * those of vectors/cms.txt. Where BearSSL counts the words of p and q it looks
 * at their first bytes, which are not marked. */
static ef_rsa_key known_rsa;

static uint32_t
known_keygen(const br_prng_class **rng, br_rsa_private_key *sk, void *own,
             br_rsa_public_key *pk, void *open, unsigned size, uint32_t e)
{
    unsigned char *p = memcpy(own, known_rsa.p, 5 * sizeof known_rsa.p);

    (void)rng;
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, 5 * sizeof known_rsa.p);
    (void)VALGRIND_MAKE_MEM_DEFINED(p, 8);
    (void)VALGRIND_MAKE_MEM_DEFINED(p + 128, 8);
    *sk = (br_rsa_private_key){.n_bitlen = size,
                               .p = p,
                               .plen = 128,
                               .q = p + 128,
                               .qlen = 128,
                               .dp = p + 256,
                               .dplen = 128,
                               .dq = p + 384,
                               .dqlen = 128,
                               .iq = p + 512,
                               .iqlen = 128};
    memcpy(open, known_rsa.n, sizeof known_rsa.n);
    *pk = (br_rsa_public_key){open, sizeof known_rsa.n, NULL, 0};
    return e;
}

static br_rsa_keygen
get_known_keygen(void)
{
    return known_keygen;
}

#define br_ecdsa_i31_sign_raw quiet_sign
#define br_rsa_keygen_get_default get_known_keygen
#define pwrite keep_written
#define read read_pem
#define main encflow_main
#include "encflow.c"
#undef main
#undef read
#undef pwrite
#undef br_rsa_keygen_get_default

#ifndef EF_CT
#error "ct.c needs -DEF_CT"
#endif

static const char *case_name, *kernel_name;
static unsigned cases;

static void
begin(const char *name)
{
    case_name = name;
    kernel_name = "";
    cases++;
}

static void
check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "ct: %s%s%s: %s\n", case_name,
            *kernel_name != '\0' ? " on " : "", kernel_name, what);
    exit(1);
}

static void
secret(void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static void public(void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(p, n);
}

/* Every byte has at least one undefined bit; without a report. */
static int
is_secret(const void *p, size_t n)
{
    const unsigned char *at = p;
    unsigned char bits;
    size_t i;

    for (i = 0; i < n; i++)
        if (VALGRIND_GET_VBITS(at + i, &bits, 1) != 1 || bits == 0)
            return 0;
    return 1;
}

/* A result: it was secret all along, and has the right bytes. */
static void
check_secret(void *p, const void *want, size_t n)
{
    check(is_secret(p, n), "the result is not secret any more");
    public(p, n);
    check(memcmp(p, want, n) == 0, "the result is wrong");
}

/* Fixed bytes, different from one another. */
static void
fill(unsigned char *p, size_t n, unsigned salt)
{
    size_t i;

    for (i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 167 + salt * 59 + i / 7);
}

/* --- text --- */

static void
test_hex(void)
{
    static const char digits[] = "00ff7f8009AFaf1234567890bcDEedCB";
    unsigned char want[16], got[16], in[32];
    char text[32], text_want[32];

    check(ef_hex_decode(want, 16, slice_str(digits), NULL) == EF_OK, "decode");
    ef_hex_encode(text_want, want, 16, 1);
    begin("ef_hex_decode");
    memcpy(in, digits, 32);
    secret(in, 32);
    check(ef_hex_decode(got, 16, slice(in, 32), NULL) == EF_OK, "refused");
    begin("ef_hex_encode");
    ef_hex_encode(text, got, 16, 1);
    check_secret(text, text_want, 32);
    begin("ef_hex_decode");
    check_secret(got, want, 16);
}

static void
test_base64_size(size_t n)
{
    unsigned char in[96], got[96];
    char text[128], want[128];
    size_t text_n = EF_BASE64_BYTES(n), got_n, pad = (3 - n % 3) % 3;

    fill(in, n, (unsigned)n);
    ef_base64_encode(want, in, n);
    begin("ef_base64_encode");
    secret(in, n);
    ef_base64_encode(text, in, n);
    public(in, n);
    check(memcmp(text + text_n - pad, "==", pad) == 0, "padding");
    check_secret(text, want, text_n - pad);
    begin("ef_base64_decode");
    secret(text, text_n);
    check(ef_base64_decode(got, &got_n, slice(text, text_n), NULL) == EF_OK,
          "refused");
    check(got_n == n, "length");
    check_secret(got, in, n);
    check(ef_base64_decode((unsigned char *)text, &got_n, slice(text, text_n),
                           NULL) == EF_OK,
          "refused in place");
    check_secret(text, in, n);
}

/* All 64 characters, with each padding. */
static void
test_base64(void)
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                              "uvwxyz0123456789+/";
    unsigned char in[64], got[48], want[48];
    size_t n;

    for (n = 1; n <= 9; n++)
        test_base64_size(n);
    test_base64_size(96);
    check(ef_base64_decode(want, &n, slice_str(all), NULL) == EF_OK, "decode");
    begin("ef_base64_decode");
    memcpy(in, all, 64);
    secret(in, 64);
    check(ef_base64_decode(got, &n, slice(in, 64), NULL) == EF_OK, "refused");
    check_secret(got, want, 48);
}

static void
test_equal(void)
{
    unsigned char a[32], b[32];
    size_t i;

    begin("ef_equal");
    fill(a, 32, 1);
    for (i = 0; i <= 32; i++) {
        memcpy(b, a, 32);
        if (i < 32)
            b[i] ^= 0x10;
        secret(a, 32);
        secret(b, 32);
        check(ef_equal(a, b, 32) == (i == 32), "the answer is wrong");
        public(a, 32);
        public(b, 32);
    }
}

/* --- AES-256-GCM --- */

#define DATA 200 /* bytes: whole blocks for each kernel's loops, and a rest */

struct known {
    unsigned char key[32], nonce[12], aad[20], plain[DATA], sealed[DATA];
    unsigned char tag[16];
};

static void
make_known(struct known *k)
{
    fill(k->key, 32, 1);
    fill(k->nonce, 12, 2);
    fill(k->aad, 20, 3);
    fill(k->plain, DATA, 4);
    check(ef_gcm_seal(k->sealed, k->tag, k->key, k->nonce, k->aad, 20, k->plain,
                      DATA, NULL, NULL) == EF_OK,
          "seal");
}

static void
test_one_shot(struct known *k, const ef_gcm_kernel *kernel)
{
    unsigned char out[DATA], tag[16];

    begin("ef_gcm_seal");
    kernel_name = ef_gcm_kernel_name(kernel);
    secret(k->key, 32);
    secret(k->plain, DATA);
    check(ef_gcm_seal(out, tag, k->key, k->nonce, k->aad, 20, k->plain, DATA,
                      kernel, NULL) == EF_OK,
          "failed");
    public(k->plain, DATA);
    check_secret(out, k->sealed, DATA);
    check_secret(tag, k->tag, 16);
    begin("ef_gcm_open");
    kernel_name = ef_gcm_kernel_name(kernel);
    check(ef_gcm_open(out, k->key, k->nonce, k->aad, 20, k->sealed, DATA,
                      k->tag, kernel, NULL) == EF_OK,
          "refused");
    check_secret(out, k->plain, DATA);
    k->tag[15] ^= 1;
    check(ef_gcm_open(out, k->key, k->nonce, k->aad, 20, k->sealed, DATA,
                      k->tag, kernel, NULL) == EF_E_AUTH,
          "a wrong tag was not refused");
    k->tag[15] ^= 1;
    public(k->key, 32);
}

/* Pieces that begin, finish and leave blocks. */
static void
test_stream(struct known *k, const ef_gcm_kernel *kernel, int seal)
{
    static const size_t pieces[] = {1, 14, 1, 5, 100, 70, 9};
    unsigned char data[DATA], tag[16];
    size_t i, at = 0;
    ef_gcm *g;

    begin(seal ? "ef_gcm_crypt, sealing" : "ef_gcm_crypt, opening");
    kernel_name = ef_gcm_kernel_name(kernel);
    memcpy(data, seal ? k->plain : k->sealed, DATA);
    secret(data, DATA);
    secret(k->key, 32);
    g = ef_gcm_new(k->key, kernel);
    public(k->key, 32);
    check(g != NULL, "no memory");
    ef_gcm_start(g, k->nonce, k->aad, 20);
    for (i = 0; i < sizeof pieces / sizeof *pieces; at += pieces[i++])
        check(ef_gcm_crypt(g, data + at, pieces[i], seal, NULL) == EF_OK,
              "failed");
    check(at == DATA, "pieces");
    ef_gcm_tag(g, tag);
    ef_gcm_free(g);
    check_secret(data, seal ? k->sealed : k->plain, DATA);
    check_secret(tag, k->tag, 16);
}

/* The file engine's way: chunks hashed by themselves, folded in order. A
 * file has no additional data. */
static void
test_chunks(struct known *k, const ef_gcm_kernel *kernel, enum gcm_work work)
{
    static const size_t chunk = 80;
    unsigned char data[DATA], want[DATA], sealed[DATA], tag[16], tag_want[16];
    unsigned char y[3][16];
    size_t i;
    ef_gcm *g;

    begin(work == GCM_SEAL ? "chunks, sealing" : "chunks, opening");
    kernel_name = ef_gcm_kernel_name(kernel);
    check(ef_gcm_seal(sealed, tag_want, k->key, k->nonce, NULL, 0, k->plain,
                      DATA, NULL, NULL) == EF_OK,
          "seal");
    memcpy(data, work == GCM_SEAL ? k->plain : sealed, DATA);
    memcpy(want, work == GCM_OPEN ? k->plain : sealed, DATA);
    secret(k->key, 32);
    secret(data, DATA);
    g = ef_gcm_new(k->key, kernel);
    public(k->key, 32);
    check(g != NULL, "no memory");
    ef_gcm_start(g, k->nonce, NULL, 0);
    for (i = 0; i < 3; i++)
        gcm_chunk(g, work, i * chunk / 16, data + i * chunk,
                  i < 2 ? chunk : DATA - 2 * chunk, y[i]);
    for (i = 0; i < 3; i++)
        gcm_fold(g, y[i], i < 2 ? chunk : DATA - 2 * chunk);
    gcm_finish(g, tag);
    ef_gcm_free(g);
    check_secret(data, want, DATA);
    check_secret(tag, tag_want, 16);
}

static void
test_open(struct known *k, const ef_gcm_kernel *kernel)
{
    unsigned char file[12 + DATA + 16], out[sizeof file];
    size_t at, n, got = 0, k_n;
    ef_open o;
    ef_gcm *g;

    begin("ef_open_push");
    kernel_name = ef_gcm_kernel_name(kernel);
    memcpy(file, k->nonce, 12);
    check(ef_gcm_seal(file + 12, file + 12 + DATA, k->key, k->nonce, NULL, 0,
                      k->plain, DATA, NULL, NULL) == EF_OK,
          "seal");
    secret(k->key, 32);
    secret(file, sizeof file);
    g = ef_gcm_new(k->key, kernel);
    public(k->key, 32);
    check(g != NULL, "no memory");
    ef_open_init(&o, g);
    for (at = 0; at < sizeof file; at += k_n) {
        k_n = sizeof file - at < 37 ? sizeof file - at : 37;
        check(ef_open_push(&o, out + got, &n, slice(file + at, k_n), NULL) ==
                  EF_OK,
              "failed");
        got += n;
    }
    check(got == DATA, "length");
    check(ef_open_end(&o, NULL) == EF_OK, "refused");
    ef_gcm_free(g);
    check_secret(out, k->plain, DATA);
}

/* An object in two ranges: each decrypted and hashed by itself, the later one
 * first. Ciphertext and tag are the store's, and so public. */
static void
test_ranges(struct known *k, int changed)
{
    unsigned char file[12 + DATA + 16], bufs[2][DATA];
    struct object_get *g = calloc(1, sizeof *g);
    size_t i, middle = 12 + 96;

    begin(changed ? "get_verify, refusing" : "get_sealed to get_verify");
    check(g != NULL, "no memory");
    memcpy(file, k->nonce, 12);
    check(ef_gcm_seal(file + 12, file + 12 + DATA, k->key, k->nonce, NULL, 0,
                      k->plain, DATA, NULL, NULL) == EF_OK,
          "seal");
    file[sizeof file - 1] ^= (unsigned char)changed;
    secret(k->key, 32);
    g->key = k->key;
    g->in.gcm = ef_gcm_new(k->key, NULL);
    public(k->key, 32);
    check(g->in.gcm != NULL, "no memory");
    g->mode = GET_RANGES;
    g->total = sizeof file;
    for (i = 0; i < 2; i++)
        g->part[i] =
            (struct get_part){.g = g, .job = &g->job[i], .buf = bufs[i]};
    check(get_sealed(&g->part[0], 0, slice(file, middle), NULL) == EF_OK,
          "failed");
    g->next = middle;
    get_range(g, &g->part[1], sizeof file);
    check(get_sealed(&g->part[1], middle,
                     slice_from(slice(file, sizeof file), middle),
                     NULL) == EF_OK,
          "failed");
    check(get_range_end(&g->part[1], NULL) == EF_OK, "failed");
    check(get_range_end(&g->part[0], NULL) == EF_OK, "failed");
    check(is_secret(g->sum, sizeof g->sum), "the sum is not secret any more");
    check(get_verify(g, NULL) == (changed ? EF_E_AUTH : EF_OK),
          "the verdict is wrong");
    check_secret(written, k->plain, DATA);
    ef_gcm_free(g->in.gcm);
    free(g);
}

static void
test_gcm(void)
{
    struct known k;
    const ef_gcm_kernel *kernel;
    unsigned i;

    make_known(&k);
    test_ranges(&k, 0);
    test_ranges(&k, 1);
    for (i = 0; (kernel = ef_gcm_kernel_at(i)) != NULL; i++) {
        test_one_shot(&k, kernel);
        test_stream(&k, kernel, 1);
        test_stream(&k, kernel, 0);
        test_chunks(&k, kernel, GCM_SEAL);
        test_chunks(&k, kernel, GCM_OPEN);
        test_chunks(&k, kernel, GCM_VERIFY);
        test_open(&k, kernel);
        printf("kernel %s\n", ef_gcm_kernel_name(kernel));
    }
}

/* --- hashes and signatures --- */

static void
test_hashes(void)
{
    unsigned char key[100], text[150], want[32], got[32];
    size_t key_n;

    fill(key, sizeof key, 1);
    fill(text, sizeof text, 2);
    begin("ef_sha256");
    ef_sha256(want, text, sizeof text);
    secret(text, sizeof text);
    ef_sha256(got, text, sizeof text);
    public(text, sizeof text);
    check_secret(got, want, 32);
    for (key_n = 20; key_n <= sizeof key; key_n += 80) { /* 100: is hashed */
        begin("ef_hmac_sha256");
        ef_hmac_sha256(want, key, key_n, text, sizeof text);
        secret(key, sizeof key);
        secret(text, sizeof text);
        ef_hmac_sha256(got, key, key_n, text, sizeof text);
        check_secret(got, want, 32);
        begin("ef_hmac_sha1");
        ef_hmac_sha1(got, key, key_n, text, sizeof text);
        public(key, sizeof key);
        public(text, sizeof text);
        ef_hmac_sha1(want, key, key_n, text, sizeof text);
        check_secret(got, want, 20);
    }
}

/* The secret key goes through the chain of HMACs; the signature leaves. */
static void
test_presign(int sigv2)
{
    char key[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    ef_presign p = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                    .secret_key = key,
                    .method = "GET",
                    .bucket = "examplebucket",
                    .region = "us-east-1",
                    .key = slice_str("test.txt"),
                    .sigv2 = sigv2,
                    .now = 1369353600,
                    .expires = 86400};
    ef_buf want = {0}, got = {0};

    check(ef_presign_url(&want, NULL, &p, NULL) == EF_OK, "refused");
    begin(sigv2 ? "ef_presign_url, SigV2" : "ef_presign_url, SigV4");
    secret(key, strlen(key));
    check(ef_presign_url(&got, NULL, &p, NULL) == EF_OK, "refused");
    check(got.n == want.n && memcmp(got.p, want.p, got.n) == 0,
          "the URL is wrong");
    ef_buf_free(&want);
    ef_buf_free(&got);
}

/* The same in a header. */
static void
test_sign_request(void)
{
    char key[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    ef_presign p = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                    .secret_key = key,
                    .token = "a-token",
                    .method = "PUT",
                    .bucket = "examplebucket",
                    .region = "us-east-1",
                    .key = slice_str("test.txt"),
                    .now = 1369353600};
    ef_buf url = {0}, want = {0}, got = {0};

    check(ef_sign_request(&url, &want, NULL, &p, NULL) == EF_OK, "refused");
    begin("ef_sign_request");
    secret(key, strlen(key));
    check(ef_sign_request(&url, &got, NULL, &p, NULL) == EF_OK, "refused");
    check(got.n == want.n && memcmp(got.p, want.p, got.n) == 0,
          "the lines are wrong");
    ef_buf_free(&url);
    ef_buf_free(&want);
    ef_buf_free(&got);
}

/* A dataset's key on its way to KMS is in the body, which is signed. */
static void
test_sign_json(void)
{
    char key[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    unsigned char body[100];
    ef_sign_json p = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                      .secret_key = key,
                      .host = "kms.us-east-1.amazonaws.com",
                      .region = "us-east-1",
                      .service = "kms",
                      .target = "TrentService.Encrypt",
                      .payload = {body, sizeof body},
                      .now = 1369353600};
    ef_buf want = {0}, got = {0};

    fill(body, sizeof body, 12);
    check(ef_sign_json_request(&want, NULL, &p, NULL) == EF_OK, "refused");
    begin("ef_sign_json_request");
    secret(key, strlen(key));
    secret(body, sizeof body);
    check(ef_sign_json_request(&got, NULL, &p, NULL) == EF_OK, "refused");
    check(got.n == want.n && memcmp(got.p, want.p, got.n) == 0,
          "the lines are wrong");
    ef_buf_free(&want);
    ef_buf_free(&got);
}

/* --- keys, credentials, results --- */

static void
test_key(void)
{
    char text[] = "00FF7f8009AFaf1234567890bcDEedCB"
                  "a0b1c2d3e4f5061728394a5b6c7d8e9f\r\n";
    unsigned char want[32], got[32];
    size_t blanks;

    check(ef_key_parse(want, slice_str(text), NULL) == EF_OK, "key");
    for (blanks = 0; blanks <= 2; blanks++) {
        begin("ef_key_parse");
        secret(text, 64);
        check(ef_key_parse(got, slice(text, 64 + blanks), NULL) == EF_OK,
              "refused");
        check_secret(got, want, 32);
        public(text, 64);
    }
}

/* The text between the quotes after `name`, for secret(). */
static ef_slice
member(const unsigned char *json, size_t n, const char *name)
{
    ef_slice text = slice(json, n);
    size_t at = slice_find_str(text, name) + strlen(name);

    check(at < n, "member");
    text = slice_from(text, at);
    return slice(text.p, slice_find(text, '"'));
}

/* Marks the text of two members. */
static void
secret_members(unsigned char *json, size_t n, const char *a, const char *b)
{
    ef_slice x = member(json, n, a), y = member(json, n, b);

    secret(json + (x.p - json), x.n);
    secret(json + (y.p - json), y.n);
}

static void
test_credentials(void)
{
    char query[] = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&"
                   "X-Amz-Signature=00112233445566778899aabbccddeeff";
    unsigned char key[32];
    const size_t query_n = sizeof query - 1;
    ef_buf json = {0}, again = {0};
    ef_credentials c;

    fill(key, 32, 9);
    ef_credentials_print(&again, key, slice(query, query_n));
    begin("ef_credentials_print");
    secret(key, 32);
    secret(query, query_n);
    ef_credentials_print(&json, key, slice(query, query_n));
    check(json.n == again.n, "length");
    public(key, 32);
    public(query, query_n);
    public(json.p, json.n);
    check(memcmp(json.p, again.p, json.n) == 0, "the text is wrong");
    begin("ef_credentials_parse");
    secret_members(json.p, json.n, "\"query_string\": \"", "\"key\": \"");
    check(ef_credentials_parse(&c, buf_slice(&json), NULL) == EF_OK, "refused");
    check(c.query_n == query_n, "length");
    check_secret(c.query, query, c.query_n);
    check_secret(c.key, key, 32);
    ef_credentials_free(&c);
    ef_buf_free(&json);
    ef_buf_free(&again);
}

/* What the application printed is plaintext too. */
static void
test_result(void)
{
    unsigned char text[1000], want[2000], json[2000];
    ef_result r = {.out = slice(text, 1000), .err = slice(text, 7)}, back;
    size_t n = (size_t)ef_result_size(&r);

    check(n <= sizeof json, "size");
    fill(text, sizeof text, 3);
    ef_result_read(&r, 0, want, n);
    begin("ef_result_read");
    secret(text, sizeof text);
    ef_result_read(&r, 0, json, 100); /* in two pieces, as it is sent */
    ef_result_read(&r, 100, json + 100, n - 100);
    public(text, sizeof text);
    public(json, n);
    check(memcmp(json, want, n) == 0, "the text is wrong");
    begin("ef_result_parse");
    secret_members(json, n, "\"stdout\": \"", "\"stderr\": \"");
    check(ef_result_parse(&back, json, n, NULL) == EF_OK, "refused");
    check(back.out.n == 1000 && back.err.n == 7, "length");
    check_secret(json + (back.out.p - json), text, 1000);
    check_secret(json + (back.err.p - json), text, 7);
}

/* The answer's hash is in the receipt beside it: it may be known by who may
 * read the receipt. The answer itself is looked at by nothing on the way. */
static void
test_receipt(void)
{
    unsigned char out[100], hash[32], id[32] = {1}, user_data[32];
    ef_result r = {.out = slice(out, 100)};
    struct cli_receipt v = {.book = {.lock = -1}};
    ef_buf text = {0};

    fill(out, sizeof out, 13);
    begin("ef_result_hash");
    secret(out, sizeof out);
    ef_result_hash(hash, &r);
    check(is_secret(hash, 32), "the hash is not secret any more");
    public(hash, 32);
    check(ef_receipt_begin(&text, user_data, id, slice_str("{}"), hash, NULL) ==
              EF_OK,
          "receipt");
    ef_buf_str(&text, ",\"document\":\"AAAA\"}");
    r.receipt = buf_slice(&text);
    begin("cli_receipt_begin");
    check(cli_receipt_begin(&v, &r, NULL) == EF_OK, "refused");
    check(memcmp(v.user_data, user_data, 32) == 0, "user_data");
    cli_receipt_free(&v);
    public(out, 1);
    out[0] ^= 1;
    secret(out, 1);
    check(cli_receipt_begin(&v, &r, NULL) == EF_E_AUTH, "accepted");
    cli_receipt_free(&v);
    ef_buf_free(&text);
}

/* --- signatures and sealing --- */

static void
test_base64url(void)
{
    unsigned char in[50];
    ef_buf text = {0}, back = {0};
    size_t n;

    for (n = 30; n <= 50; n++) {
        begin("ef_base64url_encode");
        fill(in, n, 17);
        secret(in, n);
        ef_base64url_encode(&text, slice(in, n));
        check(is_secret(text.p, text.n), "the text is not secret");
        begin("ef_base64url_decode");
        check(ef_base64url_decode(&back, buf_slice(&text), NULL) == EF_OK,
              "refused");
        public(in, n);
        check(back.n == n, "length");
        check_secret(back.p, in, n);
        ef_buf_free(&text);
        ef_buf_free(&back);
    }
}

static void
test_p256(void)
{
    unsigned char d[32], q[65], want_q[65], signature[64], want[64];

    fill(d, 32, 5);
    check(ef_p256_public(want_q, d, NULL) == EF_OK, "key");
    check(ef_p256_sign(want, d, slice("text", 4), NULL) == EF_OK, "sign");
    begin("ef_p256_public");
    secret(d, 32);
    check(ef_p256_public(q, d, NULL) == EF_OK, "refused");
    check(memcmp(q, want_q, 65) == 0, "the point is wrong");
    begin("ef_p256_sign");
    check(ef_p256_sign(signature, d, slice("text", 4), NULL) == EF_OK,
          "refused");
    check(memcmp(signature, want, 64) == 0, "the signature is wrong");
    check(is_secret(d, 32), "the key is not secret any more");
    begin("ef_p256_public of 0");
    memset(d, 0, 32);
    secret(d, 32);
    check(ef_p256_public(q, d, NULL) == EF_E_FORMAT, "accepted");
}

static void
test_x25519(void)
{
    unsigned char sk[32], pk[32], theirs[32], out[32], want[32], want_pk[32];

    fill(sk, 32, 6);
    fill(theirs, 32, 7);
    ef_x25519_public(want_pk, sk);
    check(ef_x25519(want, sk, theirs, NULL) == EF_OK, "shared");
    begin("ef_x25519_public");
    secret(sk, 32);
    ef_x25519_public(pk, sk);
    check(memcmp(pk, want_pk, 32) == 0, "the key is wrong");
    begin("ef_x25519");
    check(ef_x25519(out, sk, theirs, NULL) == EF_OK, "refused");
    check_secret(out, want, 32);
}

/* The base64 between the lines is secret; the lines themselves are not. */
static void
test_pem_kind(ef_pem_kind kind)
{
    ef_pem_key key = {.kind = kind}, back;
    ef_buf text = {0}, again = {0};
    size_t i;

    fill(key.secret, 32, 8);
    if (kind == EF_PEM_P256_PRIVATE)
        check(ef_p256_public(key.public_key, key.secret, NULL) == EF_OK, "key");
    else
        ef_x25519_public(key.public_key, key.secret);
    ef_pem_print(&text, &key);
    begin("ef_pem_parse");
    for (i = 28; i < text.n - 26; i++)
        if (text.p[i] != '\n')
            secret(text.p + i, 1);
    check(ef_pem_parse(&back, buf_slice(&text), NULL) == EF_OK, "refused");
    check(memcmp(back.public_key, key.public_key, 65) == 0, "the public key");
    begin("ef_pem_print");
    ef_pem_print(&again, &back);
    public(text.p, text.n);
    public(again.p, again.n);
    check(again.n == text.n && memcmp(again.p, text.p, text.n) == 0, "print");
    begin("ef_pem_parse");
    check_secret(back.secret, key.secret, 32);
    ef_buf_free(&text);
    ef_buf_free(&again);
}

/* key as a file, its content's place secret; its name, for who reads it. */
static int
pem_file(char name[64], const ef_pem_key *key)
{
    int fd = memfd_create("key.pem", 0);
    ef_buf text = {0};

    check(fd >= 0 && fchmod(fd, 0600) == 0, "memfd_create");
    ef_pem_print(&text, key);
    check(write(fd, text.p, text.n) == (ssize_t)text.n, "write");
    ef_buf_free(&text);
    snprintf(name, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void
test_key_files(void)
{
    struct cli c = {.argc = 0};
    struct cli_book b = {.lock = -1};
    ef_pem_key key = {.kind = EF_PEM_X25519_PRIVATE};
    unsigned char sk[32];
    char name[64];
    int fd;

    fill(key.secret, 32, 14);
    ef_x25519_public(key.public_key, key.secret);
    fd = pem_file(name, &key);
    begin("cli_read_x25519");
    check(cli_read_x25519(sk, name, NULL) == EF_OK, "refused");
    check_secret(sk, key.secret, 32);
    close(fd);
    key.kind = EF_PEM_P256_PRIVATE;
    check(ef_p256_public(key.public_key, key.secret, NULL) == EF_OK, "key");
    fd = pem_file(name, &key);
    c.value[CLI_ID] = name;
    begin("cli_book_identity");
    check(cli_book_identity(&c, &b, 1, NULL) == EF_OK, "refused");
    check(memcmp(b.q, key.public_key, 65) == 0, "the public key");
    check_secret(b.d, key.secret, 32);
    cli_book_close(&b);
    close(fd);
}

static void
test_hpke(void)
{
    unsigned char sk[32], pk[32], enc[32], pt[40], ct[56], out[40];

    fill(sk, 32, 9);
    fill(pt, 40, 10);
    ef_x25519_public(pk, sk);
    begin("ef_hpke_seal");
    secret(pt, 40);
    check(ef_hpke_seal(enc, ct, pk, slice("info", 4), slice("aad", 3), pt, 40,
                       NULL) == EF_OK,
          "refused");
    public(pt, 40);
    public(ct, 56);
    begin("ef_hpke_open");
    secret(sk, 32);
    check(ef_hpke_open(out, sk, enc, slice("info", 4), slice("aad", 3), ct, 56,
                       NULL) == EF_OK,
          "refused");
    check_secret(out, pt, 40);
    memset(out, 1, 40);
    ct[3] ^= 1;
    check(ef_hpke_open(out, sk, enc, slice("info", 4), slice("aad", 3), ct, 56,
                       NULL) == EF_E_AUTH,
          "forged");
}

static void
test_commitment(void)
{
    unsigned char key[32], out[32], want[32];

    fill(key, 32, 11);
    ef_key_commitment(want, key);
    begin("ef_key_commitment");
    secret(key, 32);
    ef_key_commitment(out, key);
    check_secret(out, want, 32);
}

/* --- what an owner seals, a service releases and an enclave opens --- */

/* One dataset and its credentials, as ef_workspace_add would keep them. */
struct scene {
    unsigned char key[32], sk[32], pk[32];
    char query[64];
    ef_slice key_text, query_text;
    ef_buf text[2];
    ef_doc doc[2], *docs[2];
    ef_workspace ws;
};

static void
make_scene(struct scene *s)
{
    unsigned char commitment[32], kid[32];
    size_t i;

    *s = (struct scene){.query = "X-Amz-Credential=a%2Fb&X-Amz-Signature=0011"};
    fill(s->key, 32, 15);
    fill(s->sk, 32, 16);
    ef_x25519_public(s->pk, s->sk);
    s->key_text = slice(s->key, 32);
    s->query_text = slice_str(s->query);
    s->ws = (ef_workspace){.docs = s->docs, .n = 2};
    for (i = 0; i < 2; i++) {
        s->docs[i] = &s->doc[i];
        s->doc[i].kind = i == 0 ? EF_DOC_DATASET : EF_DOC_CREDENTIALS;
        s->doc[i].hash[0] = (unsigned char)(i + 1);
    }
    s->doc[1].of[0] = 1;
    ef_key_commitment(commitment, s->key);
    ef_x25519_kid(kid, s->pk);
    ef_buf_str(&s->text[0], "{\"commitment\":\"");
    doc_add_hash(&s->text[0], commitment);
    ef_buf_str(&s->text[0], "\"}");
    ef_buf_str(&s->text[1], "{\"to\":\"");
    ef_base64url_encode(&s->text[1], slice(kid, 32));
    ef_buf_str(&s->text[1], "\"");
}

/* Both parts of the credentials. What a sealed text is of, it does not show:
 * it may be known by anybody. */
static void
seal_scene(struct scene *s)
{
    ef_buf *text = &s->text[1];
    size_t i, at;

    secret(s->key, 32);
    secret(s->query, s->query_text.n);
    for (i = 0; i < 2; i++) {
        begin("ef_credentials_seal");
        at = text->n;
        check(ef_credentials_seal(
                  text, i == 0 ? "key" : "download", s->doc[0].hash, s->pk,
                  i == 0 ? s->key_text : s->query_text, NULL) == EF_OK,
              "refused");
        at += slice_find_str(slice(text->p + at, text->n - at), "ct") + 5;
        check(is_secret(text->p + at, 64), "the text is not secret");
        public(text->p, text->n);
    }
    public(s->key, 32);
    public(s->query, s->query_text.n);
    ef_buf_str(text, "}");
    s->doc[0].text = buf_slice(&s->text[0]);
    s->doc[1].text = buf_slice(text);
}

static void
free_scene(struct scene *s)
{
    ef_buf_free(&s->text[0]);
    ef_buf_free(&s->text[1]);
}

static void
check_credentials(ef_credentials *c, const struct scene *s)
{
    check(c->query_n == s->query_text.n, "length");
    check_secret(c->key, s->key, 32);
    check_secret(c->query, s->query, c->query_n);
    ef_credentials_free(c);
}

static void
test_open_credentials(struct scene *s)
{
    unsigned char *commitment = s->text[0].p + 15;
    ef_credentials c;

    secret(s->sk, 32);
    begin("ef_credentials_open");
    check(ef_credentials_open(&c, &s->ws, &s->doc[0], 0, s->sk, NULL) == EF_OK,
          "refused");
    check_credentials(&c, s);
    *commitment ^= 1;
    check(ef_credentials_open(&c, &s->ws, &s->doc[0], 0, s->sk, NULL) ==
              EF_E_AUTH,
          "another key was accepted");
    *commitment ^= 1;
    ef_credentials_free(&c);
    public(s->sk, 32);
}

static void
test_nonces(struct cli_release *r, const struct scene *s)
{
    unsigned char k[32], token[32], nonce[EF_RELEASE_NONCE_BYTES];
    unsigned char random[EF_RELEASE_RANDOM_BYTES] = {7};
    struct cli_release_keys *keys = r->keys;

    ef_release_key(k, s->sk);
    ef_release_nonce_make(nonce, k, 1000, random);
    ef_release_token(token, k, nonce);
    memcpy(keys->sk, s->sk, 32);
    secret(keys->sk, 32);
    begin("ef_release_key");
    ef_release_key(keys->k, keys->sk);
    check_secret(keys->k, k, 32);
    secret(keys->k, 32);
    begin("ef_release_nonce_make");
    ef_release_nonce_make(r->line.nonce, keys->k, 1000, random);
    check_secret(r->line.nonce + 24, nonce + 24, 32);
    begin("ef_release_nonce_check");
    check(ef_release_nonce_check(keys->k, slice(nonce, 56), 1001, NULL) ==
              EF_OK,
          "refused");
    nonce[55] ^= 1;
    check(ef_release_nonce_check(keys->k, slice(nonce, 56), 1001, NULL) ==
              EF_E_AUTH,
          "accepted");
    begin("ef_release_token");
    ef_release_token(r->ask.token, keys->k, r->line.nonce);
    check_secret(r->ask.token, token, 32);
    begin("cli_release_done"); /* past the token there is no log */
    memcpy(r->ask.nonce, r->line.nonce, sizeof r->ask.nonce);
    check(cli_release_done(r, NULL) == EF_E_IO, "the token was refused");
    r->ask.token[31] ^= 1;
    check(cli_release_done(r, NULL) == EF_E_AUTH, "accepted");
}

/* What a service puts together, as JSON; what it seals; what an enclave opens
 * of it, with a key of its own. */
static void
test_answer(struct cli_release *r, struct scene *s)
{
    static const char places[] = "{\"ports\":{\"in\":{\"datasets\":{\"In\":"
                                 "{\"dataset\":\"";
    struct cli_enclave e = {.nsm = -1};
    struct cli_appconfig a = {.enclave = &e};
    ef_credentials c = {.query = NULL};
    unsigned char sk[32], pk[32];
    ef_buf config = {0}, answer = {0};
    ef_slice token;
    ef_json json;

    fill(sk, 32, 17);
    ef_x25519_public(pk, sk);
    ef_buf_str(&config, places);
    doc_add_hash(&config, s->doc[0].hash);
    ef_buf_str(&config, "\"}},\"direction\":\"input\"}}}");
    check(ef_json_parse(&r->config, buf_slice(&config), NULL) == EF_OK, "JSON");
    begin("cli_release_plain");
    check(cli_release_plain(r, NULL) == EF_OK, "refused");
    begin("ef_release_seal");
    ef_buf_str(&answer, "{\"credentials\":");
    check(ef_release_seal(&answer, pk, buf_slice(&r->plain), e.id,
                          slice(r->line.nonce, 56), NULL) == EF_OK,
          "refused");
    ef_buf_str(&answer, "}");
    public(answer.p, answer.n);
    public(r->plain.p, r->plain.n);
    check(ef_json_parse(&json, buf_slice(&answer), NULL) == EF_OK, "JSON");
    begin("ef_release_open");
    secret(sk, 32);
    check(ef_release_open(&e.plain, sk, &json, e.id, slice(r->line.nonce, 56),
                          NULL) == EF_OK,
          "refused");
    check(e.plain.n == r->plain.n, "length");
    check_secret(e.plain.p, r->plain.p, e.plain.n);
    begin("cli_enclave_credentials");
    token = member(e.plain.p, e.plain.n, "\"token\":\"");
    secret_members(e.plain.p, e.plain.n, "\"query_string\": \"", "\"key\": \"");
    secret(e.plain.p + (token.p - e.plain.p), token.n);
    check(ef_json_parse(&e.released, buf_slice(&e.plain), NULL) == EF_OK,
          "JSON");
    check(cli_enclave_credentials(&a, &c, &s->doc[0], 0, NULL) == EF_OK,
          "refused");
    check_credentials(&c, s);
    ef_json_free(&e.released);
    ef_json_free(&json);
    ef_buf_free(&e.plain);
    ef_buf_free(&answer);
    ef_json_free(&r->config);
    ef_buf_free(&config);
}

static void
test_release(void)
{
    struct cli_release_keys keys;
    struct cli_release r = {.keys = &keys, .log = -1};
    struct scene s;

    make_scene(&s);
    seal_scene(&s);
    test_open_credentials(&s);
    test_nonces(&r, &s);
    r.b.ws = s.ws;
    test_answer(&r, &s);
    ef_secret_free(r.plain.p, r.plain.max);
    free_scene(&s);
}

/* --- KMS --- */

static void
test_query(void)
{
    unsigned char key[32], hash[32] = {1}, query[40], out[40];
    ef_buf sealed = {0};
    size_t n;

    fill(key, 32, 18);
    fill(query, 40, 19);
    secret(key, 32);
    secret(query, 40);
    begin("ef_query_seal");
    check(ef_query_seal(&sealed, "upload", hash, key, slice(query, 40), NULL) ==
              EF_OK,
          "refused");
    check(is_secret(sealed.p + EF_NONCE_BYTES, 40 + EF_TAG_BYTES),
          "the text is not secret");
    public(sealed.p, sealed.n);
    public(query, 40);
    begin("ef_query_open");
    check(ef_query_open(out, 40, &n, "upload", hash, key, buf_slice(&sealed),
                        NULL) == EF_OK,
          "refused");
    check(n == 40, "length");
    check_secret(out, query, 40);
    check(ef_query_open(out, 40, &n, "download", hash, key, buf_slice(&sealed),
                        NULL) == EF_E_AUTH,
          "another part's was accepted");
    ef_buf_free(&sealed);
}

static unsigned char cms[EF_MAX_CMS_BYTES];
static size_t cms_n;

/* The bytes of the first line of vectors/cms.txt with this name. */
static size_t
first_line(unsigned char *out, size_t cap, const char *name)
{
    static unsigned char text[1 << 20];
    size_t n;
    ef_slice line;

    check(file_read_small(text, sizeof text, &n, "vectors/cms.txt", "size",
                          NULL) == EF_OK,
          "cannot read vectors/cms.txt");
    public(text, n);
    line = slice(text, n);
    n = slice_find_str(line, name);
    line = slice_from(line, n + strlen(name));
    line.n = slice_find(line, '\n');
    check(line.n > 0 && line.n / 2 <= cap, name);
    check(ef_hex_decode(out, line.n / 2, line, NULL) == EF_OK, name);
    return line.n / 2;
}

/* at: which byte is changed. It is refused, with the one reason that there
 * is; and nothing was branched on that came out of the private key. */
static void
refused_cms(const ef_rsa_key *key, const unsigned char *at)
{
    unsigned char out[32];
    ef_err err = {0};
    size_t n;

    cms[at - cms] ^= 1;
    check(ef_cms_open(out, 32, &n, key, slice(cms, cms_n), &err) == EF_E_AUTH &&
              strcmp(err.msg, "the CMS does not decrypt with our key") == 0,
          "not refused as all are");
    cms[at - cms] ^= 1;
}

static void
test_cms(void)
{
    struct cms_parts s = {.n = 0};
    struct cms_reader r;
    ef_rsa_key key;
    unsigned char out[32], want[32];
    size_t n;

    check(first_line((unsigned char *)&known_rsa, sizeof known_rsa,
                     "\nkey    = ") == sizeof known_rsa,
          "key");
    cms_n = first_line(cms, sizeof cms, "\ncms    = ");
    check(first_line(want, 32, "\ntext   = ") == 32, "text");
    begin("ef_rsa_new");
    check(ef_rsa_new(&key, NULL) == EF_OK, "refused");
    check(memcmp(key.n, known_rsa.n, sizeof key.n) == 0, "the modulus");
    check(is_secret(key.p + 8, 120) && is_secret(key.q + 8, 120) &&
              is_secret(key.dp, 3 * 128),
          "the key is not secret any more");
    begin("ef_cms_open");
    check(ef_cms_open(out, 32, &n, &key, slice(cms, cms_n), NULL) == EF_OK,
          "refused");
    check(n == 32, "length");
    check_secret(out, want, 32);
    r = (struct cms_reader){.in = {cms, cms_n}, .end = cms_n};
    check(cms_parse(&r, &key, &s) == EF_OK, "form");
    begin("ef_cms_open, OAEP's padding");
    refused_cms(&key, s.key.p + s.key.n - 1);
    begin("ef_cms_open, CBC's padding"); /* one byte of 16 is not 16 */
    refused_cms(&key, s.iv.p + s.n - 7);
}

int
main(void)
{
    if (RUNNING_ON_VALGRIND == 0) {
        fprintf(stderr, "ct: proves nothing outside valgrind\n");
        return 2;
    }
    begin("start");
    test_hex();
    test_base64();
    test_equal();
    test_gcm();
    test_hashes();
    test_presign(0);
    test_presign(1);
    test_sign_request();
    test_sign_json();
    test_key();
    test_credentials();
    test_result();
    test_receipt();
    test_base64url();
    test_p256();
    test_x25519();
    test_pem_kind(EF_PEM_P256_PRIVATE);
    test_pem_kind(EF_PEM_X25519_PRIVATE);
    test_key_files();
    test_hpke();
    test_commitment();
    test_release();
    test_query();
    test_cms();
    printf("%u cases\n", cases);
    return 0;
}
