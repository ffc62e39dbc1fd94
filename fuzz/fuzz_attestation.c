/*
 * Target   Nitro attestation documents (section 15): ef_attestation_parse,
 *          ef_attestation_verify, ef_attestation_print, ef_attestation_reason.
 * Input    document | what is asked of it, a time's distance
 * Claims   what is accepted has the fields that a plain reader finds, which
 *          knows no error and recurs; it is printed as canonical JSON, and as
 *          printable ASCII; what is verified (by the root that the document
 *          itself begins with) OpenSSL verifies, too: each link, and the
 *          signature over the bytes of the payload as they came; a refusal
 *          has a reason's name.
 * Covers   ef_attestation_* att_* p384_verify sha384 ef_pcr_extended
 * Seeds    vectors/attestations.txt
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "fuzz.h"

/* --- the plain reader: of what was accepted --- */

struct plain {
    const unsigned char *p;
    size_t n, at;
};

/* A head: the major type; *v is its number, or UINT64_MAX for 31. */
static unsigned
head(struct plain *c, uint64_t *v)
{
    unsigned first = c->p[c->at++], info = first & 31, k;

    *v = info == 31 ? UINT64_MAX : info;
    if (info >= 24 && info < 28)
        for (*v = 0, k = 1u << (info - 24); k > 0; k--)
            *v = *v * 256 + c->p[c->at++];
    FUZZ_ASSERT(c->at <= c->n);
    return first / 32;
}

static ef_slice
string(struct plain *c)
{
    uint64_t n;
    ef_slice s;

    (void)head(c, &n);
    FUZZ_ASSERT(n <= c->n - c->at);
    s = (ef_slice){c->p + c->at, (size_t)n};
    c->at += (size_t)n;
    return s;
}

/* 1 where a container of n items has an i-th; ff ends one of no length. */
static int
more(struct plain *c, uint64_t n, uint64_t i)
{
    if (n != UINT64_MAX)
        return i < n;
    if (c->p[c->at] != 0xff)
        return 1;
    c->at++;
    return 0;
}

static void
pass(struct plain *c)
{
    uint64_t n, i;
    unsigned major = head(c, &n);

    if (major == 2 || major == 3)
        c->at += (size_t)n;
    if (major == 4 || major == 5)
        for (i = 0; more(c, n, i); i++) {
            pass(c);
            if (major == 5)
                pass(c);
        }
}

static int
is(ef_slice s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static int
same(ef_slice a, ef_slice b)
{
    return a.p == b.p && a.n == b.n;
}

static void
value(struct plain *c, const ef_attestation *a, ef_slice name)
{
    uint64_t n, i, v;

    if (is(name, "module_id")) {
        FUZZ_ASSERT(same(string(c), a->module_id));
    } else if (is(name, "timestamp")) {
        (void)head(c, &v);
        FUZZ_ASSERT(v == a->timestamp);
    } else if (is(name, "certificate")) {
        FUZZ_ASSERT(same(string(c), a->certificate));
    } else if (is(name, "cabundle")) {
        (void)head(c, &n);
        for (i = 0; more(c, n, i); i++)
            FUZZ_ASSERT(same(string(c), a->cabundle[i]));
        FUZZ_ASSERT(i == a->cabundle_n);
    } else if (is(name, "pcrs")) {
        uint32_t mask = 0;

        (void)head(c, &n);
        for (i = 0; more(c, n, i); i++) {
            (void)head(c, &v);
            FUZZ_ASSERT(v < EF_PCRS && same(string(c), a->pcr[v]));
            mask |= UINT32_C(1) << v;
        }
        FUZZ_ASSERT(mask == a->pcr_mask);
    } else if (is(name, "public_key") || is(name, "user_data") ||
               is(name, "nonce")) {
        ef_slice want = name.n == 5             ? a->nonce
                        : is(name, "user_data") ? a->user_data
                                                : a->public_key;

        FUZZ_ASSERT((c->p[c->at] == 0xf6) == (want.p == NULL));
        if (want.p == NULL)
            c->at++;
        else
            FUZZ_ASSERT(same(string(c), want));
    } else {
        pass(c);
    }
}

static void
fields(ef_slice doc, const ef_attestation *a)
{
    struct plain c = {doc.p, doc.n, doc.p[0] == 0xd2}, in;
    uint64_t n, i;

    (void)head(&c, &n);
    FUZZ_ASSERT(string(&c).n == 4);
    pass(&c);
    FUZZ_ASSERT(same(string(&c), a->payload));
    FUZZ_ASSERT(same(string(&c), a->signature));
    in = (struct plain){a->payload.p, a->payload.n, 0};
    (void)head(&in, &n);
    for (i = 0; more(&in, n, i); i++)
        value(&in, a, string(&in));
    FUZZ_ASSERT(in.at == in.n);
}

/* --- what is printed --- */

static void
printed(const ef_attestation *a)
{
    ef_buf json = {0}, again = {0}, page = {0};
    ef_json doc;
    size_t i;

    ef_attestation_print(&json, a, 1);
    FUZZ_ASSERT(ef_json_parse(&doc, (ef_slice){json.p, json.n}, NULL) == EF_OK);
    FUZZ_ASSERT(ef_json_canonical(&doc, 0, &again, NULL) == EF_OK);
    FUZZ_ASSERT(again.n == json.n && memcmp(again.p, json.p, json.n) == 0);
    ef_json_free(&doc);
    ef_attestation_print(&page, a, 0);
    for (i = 0; i < page.n; i++)
        FUZZ_ASSERT(page.p[i] == '\n' ||
                    (page.p[i] >= 0x20 && page.p[i] < 0x7f));
    ef_buf_free(&json);
    ef_buf_free(&again);
    ef_buf_free(&page);
}

/* --- what is verified --- */

static X509 *
certificate(ef_slice der)
{
    const unsigned char *p = der.p;

    return d2i_X509(NULL, &p, (long)der.n);
}

/* Sig_structure, put together as RFC 9052 4.4 has it, and OpenSSL's word. */
static void
signature(const ef_attestation *a, EVP_PKEY *key)
{
    static const unsigned char start[] = "\x84jSignature1D\xa1\x01\x38\x22@";
    size_t n = a->payload.n;
    unsigned char *text = fuzz_block(NULL, sizeof start + 2 + n), *der = NULL;
    unsigned char *p = text + sizeof start - 1;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int der_n;

    memcpy(text, start, sizeof start - 1);
    if (n >= 256) {
        *p++ = 0x59;
        *p++ = (unsigned char)(n / 256);
    } else {
        *p++ = 0x58;
    }
    *p++ = (unsigned char)(n % 256);
    memcpy(p, a->payload.p, n);
    ECDSA_SIG_set0(sig, BN_bin2bn(a->signature.p, 48, NULL),
                   BN_bin2bn(a->signature.p + 48, 48, NULL));
    der_n = i2d_ECDSA_SIG(sig, &der);
    FUZZ_ASSERT(der_n > 0);
    FUZZ_ASSERT(EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, key) == 1);
    FUZZ_ASSERT(EVP_DigestVerify(ctx, der, (size_t)der_n, text,
                                 (size_t)(p - text) + n) == 1);
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG_free(sig);
    OPENSSL_free(der);
    free(text);
}

/* OpenSSL on each link, from the root to the leaf, and on the document. */
static void
verified(const ef_attestation *a)
{
    X509 *up = certificate(a->cabundle[0]), *c;
    size_t i;

    for (i = 1; i <= a->cabundle_n; i++) {
        c = certificate(i < a->cabundle_n ? a->cabundle[i] : a->certificate);
        if (up != NULL && c != NULL)
            FUZZ_ASSERT(X509_verify(c, X509_get0_pubkey(up)) == 1);
        X509_free(up);
        up = c;
    }
    if (up != NULL)
        signature(a, X509_get0_pubkey(up));
    X509_free(up);
}

/* Reasons that are told only once chain and signature were found good. */
static int
is_late(const ef_err *err)
{
    static const char *const late[] = {"MODULE_ID_MISMATCH",
                                       "PCR4_MISMATCH",
                                       "DEBUG_MODE",
                                       "PCR_MISMATCH",
                                       "NONCE_MISMATCH",
                                       "STALE",
                                       "FUTURE",
                                       "USER_DATA_MISMATCH",
                                       NULL};
    ef_slice reason = ef_attestation_reason(err);
    size_t i = 0;

    while (late[i] != NULL && !is(reason, late[i]))
        i++;
    return late[i] != NULL;
}

static void
judged(const ef_attestation *a, uint8_t asked, int64_t off)
{
    static const unsigned char x[] = "x";
    ef_pcr_set sets[2];
    int64_t made = (int64_t)(a->timestamp / 1000);
    ef_attestation_policy p = {.root = a->cabundle[0],
                               .sets = sets,
                               .set_n = asked & 3,
                               .allow_debug = asked >> 2 & 1};
    ef_err err = {0};
    ef_status rc;
    unsigned i;

    memset(sets, 0, sizeof sets);
    p.set_n = p.set_n > 2 ? 2 : p.set_n;
    for (i = 0; i < EF_PCRS; i++)
        if (a->pcr_mask >> i & 1) {
            memcpy(sets[0].pcr[i], a->pcr[i].p, EF_PCR_BYTES);
            sets[0].mask |= UINT32_C(1) << i;
        }
    sets[1] = sets[0];
    sets[0].pcr[asked & 7][0] ^= asked >> 3 & 1;
    if (asked & 16)
        p.nonce = asked & 32 ? a->nonce : (ef_slice){x, 1};
    if (asked & 64)
        p.user_data = asked & 32 ? a->user_data : (ef_slice){x, 1};
    if (asked & 128) {
        p.at = made;
        p.now = made + off;
        p.max_age = 60;
    }
    rc = ef_attestation_verify(a, &p, &err);
    if (rc != EF_OK)
        FUZZ_ASSERT(ef_attestation_reason(&err).n > 0 && err.code == rc);
    if (rc == EF_OK || is_late(&err))
        verified(a);
    p.root = (ef_slice){NULL, 0};
    FUZZ_ASSERT(ef_attestation_verify(a, &p, &err) != EF_OK ||
                a->cabundle[0].n == 533); /* Nitro's own */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t asked = fuzz_byte(&in);
    int64_t off = (int8_t)fuzz_byte(&in);
    void *block;
    ef_slice doc = fuzz_rest(&in, &block);
    ef_attestation a;
    ef_err err = {0};
    ef_status rc = ef_attestation_parse(&a, doc, &err);

    FUZZ_REACHED();
    if (rc == EF_OK) {
        fields(doc, &a);
        printed(&a);
        judged(&a, asked, off);
    } else {
        fuzz_refused(rc, &err, doc.n);
        FUZZ_ASSERT(ef_attestation_reason(&err).n > 0);
        FUZZ_ASSERT(a.payload.p == NULL && a.pcr_mask == 0);
    }
    free(block);
    return 0;
}
