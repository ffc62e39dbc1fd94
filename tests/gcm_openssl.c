/*
 * gcm_openssl.c -- every AES-256-GCM kernel of this machine against OpenSSL.
 *
 *   gcm_openssl [MESSAGES [SEED]]    100000 messages; a seed from the kernel
 *
 * A message has a random key, nonce, additional data, length and place in
 * memory. For each kernel, what it seals is what OpenSSL seals, and OpenSSL
 * opens it; what OpenSSL sealed, the kernel opens. With one bit changed a
 * kernel refuses, and leaves zeros; they take turns at that. Both directions
 * take one of three ways at random: the one-shot calls, the streaming calls in
 * random pieces, or the chunks of the file engine, each hashed by itself and
 * folded in order.
 *
 * encflow.c is included whole, because those chunks are not in the library.
 * The last line has the counts and the seed; a difference prints the message
 * and exits 1. The same seed gives the same messages.
 */
#define main encflow_main
#include "encflow.c"
#undef main

#include <inttypes.h>
#include <openssl/evp.h>

#define MAX_MESSAGE (PUMP_CHUNK + 64)
#define MAX_AAD 4096
#define MAX_ALIGN 16
#define CANARY 8

static uint64_t random_state;
static uint64_t number; /* the message under way */
static const char *kernel_name = "OpenSSL", *way_name = "EVP";

/* splitmix64, by Sebastiano Vigna (public domain). */
static uint64_t
random64(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t
below(size_t n)
{
    return (size_t)(random64() % n);
}

static void
fill(unsigned char *p, size_t n)
{
    uint64_t x;

    for (; n >= sizeof x; p += sizeof x, n -= sizeof x) {
        x = random64();
        memcpy(p, &x, sizeof x);
    }
    x = random64();
    memcpy(p, &x, n);
}

struct message {
    unsigned char key[EF_KEY_BYTES], nonce[EF_NONCE_BYTES];
    unsigned char aad[MAX_AAD], plain[MAX_MESSAGE], sealed[MAX_MESSAGE];
    unsigned char tag[EF_TAG_BYTES];
    size_t aad_n, n;
};

/* Where the kernel works: the message at `at`, canaries around it. */
struct place {
    unsigned char buf[MAX_ALIGN + CANARY + MAX_MESSAGE + CANARY];
    unsigned char *at;
};

/* Of each claim, here: does it hold? */
static void
check(int ok, const struct message *m, const char *what)
{
    if (ok)
        return;
    fprintf(stderr,
            "message %" PRIu64 " (%zu bytes, %zu of additional data), %s, "
            "%s: %s\n",
            number, m->n, m->aad_n, kernel_name, way_name, what);
    exit(1);
}

/* Few bytes mostly: there the ways differ. Then around the sizes of buffers
 * and of the file engine's chunks. */
static size_t
random_length(void)
{
    size_t pick = below(10000);

    if (pick < 6000)
        return below(65);
    if (pick < 9700)
        return below(1025);
    if (pick < 9980)
        return below(8193);
    if (pick < 9998)
        return 65536 - 40 + below(81);
    return PUMP_CHUNK - 40 + below(81);
}

static void
random_message(struct message *m)
{
    m->n = random_length();
    m->aad_n = below(3) == 0   ? 0
               : below(50) > 0 ? below(65)
                               : below(MAX_AAD + 1);
    fill(m->key, sizeof m->key);
    fill(m->nonce, sizeof m->nonce);
    fill(m->aad, m->aad_n);
    fill(m->plain, m->n);
}

static void
put(struct place *p, const unsigned char *data, size_t n)
{
    p->at = p->buf + CANARY + below(MAX_ALIGN);
    memset(p->at - CANARY, 0xa5, CANARY);
    memcpy(p->at, data, n);
    memset(p->at + n, 0xa5, CANARY);
}

static int
canaries_live(const struct place *p, size_t n)
{
    unsigned char want[CANARY];

    memset(want, 0xa5, sizeof want);
    return memcmp(p->at - CANARY, want, CANARY) == 0 &&
           memcmp(p->at + n, want, CANARY) == 0;
}

/* --- OpenSSL --- */

static EVP_CIPHER_CTX *evp;
static EVP_CIPHER *evp_cipher;

/* 1 when done; when opening, only where the tag holds. */
static int
evp_message(const struct message *m, unsigned char *out,
            const unsigned char *in, unsigned char tag[EF_TAG_BYTES], int seal)
{
    int n = 0;

    if (EVP_CipherInit_ex(evp, evp_cipher, NULL, m->key, m->nonce, seal) != 1 ||
        (m->aad_n > 0 &&
         EVP_CipherUpdate(evp, NULL, &n, m->aad, (int)m->aad_n) != 1) ||
        (m->n > 0 && EVP_CipherUpdate(evp, out, &n, in, (int)m->n) != 1))
        return 0;
    if (!seal &&
        EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_GCM_SET_TAG, EF_TAG_BYTES, tag) != 1)
        return 0;
    if (EVP_CipherFinal_ex(evp, out + m->n, &n) != 1)
        return 0;
    return !seal || EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_GCM_GET_TAG, EF_TAG_BYTES,
                                        tag) == 1;
}

/* --- encflow --- */

/* Random pieces: short ones, so that blocks are split, or long ones. */
static ef_status
in_pieces(ef_gcm *g, unsigned char *p, size_t n, int seal)
{
    size_t most = below(2) ? 40 : n + 1, at = 0, k;
    ef_status rc;

    do {
        k = below(most + 1);
        k = k < n - at ? k : n - at;
        rc = ef_gcm_crypt(g, p + at, k, seal, NULL);
        at += k;
    } while (rc == EF_OK && at < n);
    return rc;
}

/* As the file engine: chunks of one size, the last one shorter; done in any
 * order, folded from first to last. */
static void
in_chunks(ef_gcm *g, unsigned char *p, size_t n, int seal)
{
    enum gcm_work work = seal ? GCM_SEAL : GCM_OPEN;
    size_t size = 16 * (n / 16 / (1 + below(4)) + 1), k = (n + size - 1) / size;
    unsigned char y[5][16];
    size_t i, part;

    for (i = k; i-- > 0;) {
        part = i + 1 < k ? size : n - i * size;
        gcm_chunk(g, work, i * size / 16, p + i * size, part, y[i]);
    }
    for (i = 0; i < k; i++)
        gcm_fold(g, y[i], i + 1 < k ? size : n - i * size);
}

static ef_status
by_context(const struct message *m, unsigned char *p, unsigned char *tag,
           int seal, const ef_gcm_kernel *kernel, int chunks)
{
    ef_gcm *g = ef_gcm_new(m->key, kernel);
    ef_status rc = EF_OK;

    if (g == NULL)
        return EF_E_MEMORY;
    ef_gcm_start(g, m->nonce, m->aad, m->aad_n);
    if (!chunks)
        rc = in_pieces(g, p, m->n, seal);
    else
        in_chunks(g, p, m->n, seal);
    if (chunks)
        gcm_finish(g, tag);
    else
        ef_gcm_tag(g, tag);
    ef_gcm_free(g);
    return rc;
}

/* Seal or open what is at p by a random way; tag is written, or compared. */
static ef_status
by_kernel(const struct message *m, unsigned char *p, unsigned char *tag,
          int seal, const ef_gcm_kernel *kernel)
{
    static const char *const names[] = {"one-shot", "pieces", "chunks"};
    size_t way = m->aad_n == 0 ? below(3) : below(2); /* files have no AAD */
    unsigned char mine[EF_TAG_BYTES];
    ef_status rc;

    way_name = names[way];
    if (way == 0 && seal)
        return ef_gcm_seal(p, tag, m->key, m->nonce, m->aad, m->aad_n, p, m->n,
                           kernel, NULL);
    if (way == 0)
        return ef_gcm_open(p, m->key, m->nonce, m->aad, m->aad_n, p, m->n, tag,
                           kernel, NULL);
    rc = by_context(m, p, seal ? tag : mine, seal, kernel, way == 2);
    if (rc == EF_OK && !seal && !ef_equal(mine, tag, EF_TAG_BYTES))
        rc = EF_E_AUTH;
    return rc;
}

/* One bit of key, nonce, additional data, ciphertext or tag, changed. */
static void
check_refusal(struct message *m, struct place *p, const ef_gcm_kernel *kernel)
{
    struct {
        unsigned char *p;
        size_t n;
    } parts[] = {{m->key, sizeof m->key},
                 {m->nonce, sizeof m->nonce},
                 {m->tag, sizeof m->tag},
                 {m->aad, m->aad_n},
                 {p->at, m->n}};
    size_t part = below(5), bit, i;
    unsigned char *byte;
    ef_status rc;

    part = parts[part].n > 0 ? part : 2;
    put(p, m->sealed, m->n);
    parts[4].p = p->at;
    bit = below(8 * parts[part].n);
    byte = parts[part].p + bit / 8;
    *byte ^= (unsigned char)(1u << bit % 8);
    rc = ef_gcm_open(p->at, m->key, m->nonce, m->aad, m->aad_n, p->at, m->n,
                     m->tag, kernel, NULL);
    if (part != 4)
        *byte ^= (unsigned char)(1u << bit % 8);
    kernel_name = ef_gcm_kernel_name(kernel);
    way_name = "one bit changed";
    check(rc == EF_E_AUTH, m, "was not refused");
    for (i = 0; i < m->n; i++)
        check(p->at[i] == 0, m, "refused, but something was released");
}

static void
check_kernel(struct message *m, struct place *p, const ef_gcm_kernel *kernel)
{
    static unsigned char opened[MAX_MESSAGE + EVP_MAX_BLOCK_LENGTH];
    unsigned char tag[EF_TAG_BYTES];

    kernel_name = ef_gcm_kernel_name(kernel);
    put(p, m->plain, m->n);
    check(by_kernel(m, p->at, tag, 1, kernel) == EF_OK, m, "cannot seal");
    check(memcmp(p->at, m->sealed, m->n) == 0, m, "another ciphertext");
    check(memcmp(tag, m->tag, sizeof tag) == 0, m, "another tag");
    check(canaries_live(p, m->n), m, "wrote past the message");
    check(evp_message(m, opened, p->at, tag, 0) &&
              memcmp(opened, m->plain, m->n) == 0,
          m, "OpenSSL does not open what was sealed");
    put(p, m->sealed, m->n);
    check(by_kernel(m, p->at, m->tag, 0, kernel) == EF_OK, m, "cannot open");
    check(memcmp(p->at, m->plain, m->n) == 0, m, "another plaintext");
    check(canaries_live(p, m->n), m, "wrote past the message");
}

static uint64_t
argument(const char *text)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno == 0 && *end == '\0' && is_digit((unsigned char)text[0]))
        return v;
    fprintf(stderr, "usage: gcm_openssl [MESSAGES [SEED]]\n");
    exit(2);
}

int
main(int argc, char **argv)
{
    static struct message m;
    static struct place p;
    uint64_t messages = argc > 1 ? argument(argv[1]) : 100000, bytes = 0;
    uint64_t seed;
    unsigned kernels = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return 1;
    seed = argc > 2 ? argument(argv[2]) : seed >> 32;
    printf("seed %" PRIu64 ", kernels:", seed);
    for (; ef_gcm_kernel_at(kernels) != NULL; kernels++)
        printf(" %s", ef_gcm_kernel_name(ef_gcm_kernel_at(kernels)));
    printf("\n");
    fflush(stdout);
    evp = EVP_CIPHER_CTX_new();
    evp_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (evp == NULL || evp_cipher == NULL || messages == 0)
        return 1;
    random_state = seed;
    p.at = p.buf + CANARY;
    for (number = 1; number <= messages; number++) {
        random_message(&m);
        kernel_name = "OpenSSL";
        check(evp_message(&m, m.sealed, m.plain, m.tag, 1), &m, "cannot seal");
        for (unsigned i = 0; i < kernels; i++)
            check_kernel(&m, &p, ef_gcm_kernel_at(i));
        check_refusal(&m, &p, ef_gcm_kernel_at((unsigned)(number % kernels)));
        bytes += m.n;
    }
    EVP_CIPHER_free(evp_cipher);
    EVP_CIPHER_CTX_free(evp);
    printf("%u kernels agree with OpenSSL on %" PRIu64 " messages, %" PRIu64
           " bytes (seed %" PRIu64 ")\n",
           kernels, messages, bytes, seed);
    return 0;
}
