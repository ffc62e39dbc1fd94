/*
 * Target   KMS's answer to an enclave (section 15): ef_cms_open.
 * Input    a CMS, or a text to make one of | four bytes: which lengths are
 *          told at the end, sizes of pieces | a byte: odd: make one | u32:
 *          where to cut
 * Claims   what is taken OpenSSL's CMS_decrypt takes too, for the same text;
 *          it is refused with a byte more, cut short anywhere, and with one
 *          byte less of room; a CMS of a text, in any of the forms, opens to
 *          that text; a refusal hands out nothing.
 * Covers   ef_cms_open cms_* ef_rsa_spki rsa_private
 * Seeds    vectors/cms.txt    Dict  none
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "fuzz.h"

/* The key of vectors/cms.txt: gen_kms.py's primes. */
static const char prime_p[] =
    "e2ea45090b75c8d3a3ab877d4c94b515fa9ea2df3e62b387f33528be15383dd0"
    "d94cffe085ce907b9fd2edde9a87407afdf67ebedc8d2b08320eb16e368be567"
    "0a5ac7a112284384617e63bedd6e02319c719e6f3e218dad2b11a4fc6d38a40e"
    "b65d2c6515f05235fba30c0d6f10e09580a5f1536af5ec64f957a077a59be237";
static const char prime_q[] =
    "b6b388baed7b3a7af312f7fcc367546fd45ef1a3b653314c0912548bd99d06aa"
    "9a967cb2a3c7cd68a36d9a5291a215e9d8fcf22e689c2938fee4e11fdfe782db"
    "7f7b63e58b5d4198897b4c2b239c10376ab4b6581f58222dba96112588f32dfa"
    "172dd54526400789ab73af5984fecd930a56a3615277a10bb94aad3452d99ca3";

static ef_rsa_key key;
static EVP_PKEY *openssl_key;

static void
number(unsigned char *out, const BIGNUM *x, int n)
{
    FUZZ_ASSERT(BN_bn2binpad(x, out, n) == n);
}

/* Both forms of the key, from the primes. */
static void
make_key(void)
{
    BN_CTX *c = BN_CTX_new();
    BIGNUM *p = NULL, *q = NULL, *e = BN_new(), *n = BN_new(), *d, *iq;
    BIGNUM *p1 = BN_new(), *q1 = BN_new(), *phi = BN_new();
    BIGNUM *dp = BN_new(), *dq = BN_new();
    RSA *rsa = RSA_new();

    FUZZ_ASSERT(BN_hex2bn(&p, prime_p) && BN_hex2bn(&q, prime_q) &&
                BN_set_word(e, 65537) && BN_mul(n, p, q, c) &&
                BN_sub(p1, p, BN_value_one()) &&
                BN_sub(q1, q, BN_value_one()) && BN_mul(phi, p1, q1, c));
    d = BN_mod_inverse(NULL, e, phi, c);
    iq = BN_mod_inverse(NULL, q, p, c);
    FUZZ_ASSERT(BN_mod(dp, d, p1, c) && BN_mod(dq, d, q1, c));
    number(key.n, n, 256);
    number(key.p, p, 128);
    number(key.q, q, 128);
    number(key.dp, dp, 128);
    number(key.dq, dq, 128);
    number(key.iq, iq, 128);
    FUZZ_ASSERT(RSA_set0_key(rsa, n, e, d) && RSA_set0_factors(rsa, p, q) &&
                RSA_set0_crt_params(rsa, dp, dq, iq));
    openssl_key = EVP_PKEY_new();
    FUZZ_ASSERT(EVP_PKEY_assign_RSA(openssl_key, rsa));
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    BN_CTX_free(c);
}

/* What ef_cms_open has taken, OpenSSL has to take as well. */
static void
same_as_openssl(ef_slice in, const unsigned char *out, size_t n)
{
    const unsigned char *p = in.p;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)in.n);
    BIO *text = BIO_new(BIO_s_mem());
    char *got;

    FUZZ_ASSERT(cms != NULL && p == in.p + in.n);
    FUZZ_ASSERT(CMS_decrypt(cms, openssl_key, NULL, NULL, text, CMS_BINARY));
    FUZZ_ASSERT((size_t)BIO_get_mem_data(text, &got) == n);
    FUZZ_ASSERT(n == 0 || memcmp(got, out, n) == 0);
    BIO_free(text);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
}

/* Refused, and nothing is handed out. */
static void
no(ef_slice in, size_t cap)
{
    unsigned char *out = fuzz_block(NULL, cap);
    size_t n = 1, i;
    ef_err err = {0};
    ef_status rc;

    memset(out, 0, cap);
    rc = ef_cms_open(out, cap, &n, &key, in, &err);
    FUZZ_ASSERT(rc != EF_OK && n == 0);
    for (i = 0; i < cap; i++)
        FUZZ_ASSERT(out[i] == 0);
    free(out);
}

static void
no_slice(const void *p, size_t n, size_t cap)
{
    void *block = fuzz_block(p, n);

    no((ef_slice){block, n}, cap);
    free(block);
}

/* in is one: 1 where it was taken, and then its text is in *out. */
static int
open_one(ef_slice in, unsigned char **out, size_t *n, uint32_t cut)
{
    unsigned char *more;
    ef_err err = {0};
    ef_status rc;

    memset(*out = fuzz_block(NULL, EF_MAX_CMS_BYTES), 0, EF_MAX_CMS_BYTES);
    rc = ef_cms_open(*out, EF_MAX_CMS_BYTES, n, &key, in, &err);
    if (rc != EF_OK) {
        FUZZ_ASSERT(*n == 0 && err.code == rc && err.msg != NULL);
        FUZZ_ASSERT(err.at == EF_NOWHERE || err.at <= in.n);
        FUZZ_ASSERT(rc == EF_E_FORMAT || rc == EF_E_AUTH || rc == EF_E_LIMIT);
        return 0;
    }
    same_as_openssl(in, *out, *n);
    if (*n > 0)
        no_slice(in.p, in.n, *n - 1);
    no_slice(in.p, cut % in.n, *n);
    more = malloc(in.n + 1);
    FUZZ_ASSERT(more != NULL);
    memcpy(more, in.p, in.n);
    more[in.n] = 0;
    no_slice(more, in.n + 1, *n);
    free(more);
    return 1;
}

/* --- a CMS of a text --- */

/* Put a head before what is in b from `from` on; its end, where it is open. */
static void
wrap(ef_buf *b, size_t from, unsigned tag, int open)
{
    size_t n = b->n - from;
    unsigned char head[4] = {(unsigned char)tag, 0x80};
    ef_buf whole = {0};
    size_t h = 2;

    if (!open && n < 0x80) {
        head[1] = (unsigned char)n;
    } else if (!open && n < 0x100) {
        head[1] = 0x81;
        head[h++] = (unsigned char)n;
    } else if (!open) {
        head[1] = 0x82;
        head[h++] = (unsigned char)(n >> 8);
        head[h++] = (unsigned char)n;
    }
    ef_buf_add(&whole, head, h);
    ef_buf_add(&whole, b->p + from, n);
    if (open)
        ef_buf_add(&whole, "\0\0", 2);
    b->n = from;
    ef_buf_add(b, whole.p, whole.n);
    ef_buf_free(&whole);
}

static void
add_hex(ef_buf *b, const char *hex)
{
    unsigned v;

    for (; *hex != '\0'; hex += 2) {
        FUZZ_ASSERT(sscanf(hex, "%2x", &v) == 1);
        ef_buf_byte(b, (unsigned char)v);
    }
}

static void
add_recipient(ef_buf *b, const unsigned char cek[32], int set, int one)
{
    unsigned char spki[EF_RSA_SPKI_BYTES], id[32], ek[256];
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(openssl_key, NULL);
    size_t at = b->n, from, n = sizeof ek;

    FUZZ_ASSERT(EVP_PKEY_encrypt_init(c) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) == 1 &&
                EVP_PKEY_encrypt(c, ek, &n, cek, 32) == 1 && n == sizeof ek);
    EVP_PKEY_CTX_free(c);
    ef_rsa_spki(spki, &key);
    SHA256(spki, sizeof spki, id);
    add_hex(b, "0201028020");
    ef_buf_add(b, id, sizeof id);
    add_hex(b,
            "303c06092a864886f70d010107302fa00f300d060960864801650304020105"
            "00a11c301a06092a864886f70d010108300d06096086480165030402010500");
    from = b->n;
    ef_buf_add(b, ek, sizeof ek);
    wrap(b, from, 0x04, 0);
    wrap(b, at, 0x30, one);
    wrap(b, at, 0x31, set);
}

static void
add_text(ef_buf *b, const unsigned char *ct, size_t n, const uint8_t form[4])
{
    size_t at = b->n, from, i, k;

    if (form[1] == 0) {
        ef_buf_add(b, ct, n);
        wrap(b, at, 0x80, 0);
        return;
    }
    for (i = 0; i < n; i += k) {
        k = (size_t)form[1] * (1 + (i & form[2]));
        k = k < n - i ? k : n - i;
        from = b->n;
        ef_buf_add(b, ct + i, k);
        wrap(b, from, 0x04, 0);
    }
    wrap(b, at, 0xa0, form[3] & 1);
}

/* A CMS of text; form[0]'s bits say which lengths are open. */
static void
make(ef_buf *b, ef_slice text, const uint8_t form[4])
{
    static const unsigned char cek[32] = "a key of this test's own, always";
    unsigned char iv[16] = {form[0], form[1]};
    unsigned char *ct = malloc(text.n + 16);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    size_t at;
    int n, last;

    FUZZ_ASSERT(EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, cek, iv) &&
                EVP_EncryptUpdate(c, ct, &n, text.p, (int)text.n) &&
                EVP_EncryptFinal_ex(c, ct + n, &last));
    EVP_CIPHER_CTX_free(c);
    add_hex(b, "020102");
    add_recipient(b, cek, form[0] & 1, form[0] & 2);
    at = b->n;
    add_hex(b, "06092a864886f70d010701301d060960864801650304012a0410");
    ef_buf_add(b, iv, sizeof iv);
    add_text(b, ct, (size_t)(n + last), form);
    wrap(b, at, 0x30, form[0] & 4);
    wrap(b, 0, 0x30, form[0] & 8);
    wrap(b, 0, 0xa0, form[0] & 16);
    {
        ef_buf whole = {0};

        add_hex(&whole, "06092a864886f70d010703");
        ef_buf_add(&whole, b->p, b->n);
        wrap(&whole, 0, 0x30, form[0] & 32);
        ef_buf_free(b);
        *b = whole;
    }
    free(ct);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint32_t cut = fuzz_u32(&in);
    uint8_t made = fuzz_byte(&in), form[4];
    unsigned char *out;
    ef_buf cms = {0};
    ef_slice text;
    void *block;
    size_t n;

    fuzz_bytes(&in, form, sizeof form);
    if (openssl_key == NULL)
        make_key();
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    /* the most that KMS encrypts */
    if (made & 1 && text.n <= 4096) {
        make(&cms, text, form);
        FUZZ_ASSERT(!cms.failed);
        if (cms.n <= EF_MAX_CMS_BYTES) {
            void *exact = fuzz_block(cms.p, cms.n);

            FUZZ_ASSERT(open_one((ef_slice){exact, cms.n}, &out, &n, cut));
            FUZZ_ASSERT(n == text.n && (n == 0 || !memcmp(out, text.p, n)));
            free(exact);
            free(out);
        }
        ef_buf_free(&cms);
    } else {
        (void)open_one(text, &out, &n, cut);
        free(out);
    }
    free(block);
    return 0;
}
