/*
 * Target   X.509 as Nitro has it (section 15): ef_cert_parse.
 * Input    DER
 * Claims   what is accepted and OpenSSL reads has the same parts in both:
 *          what is signed, names, times, key, constraints, usage; nothing
 *          that OpenSSL calls a CA or a v1 certificate passes for another;
 *          a refusal says which part.
 * Covers   ef_cert_parse cert_*
 * Seeds    vectors/attestations.txt    Dict  none
 */
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "fuzz.h"

static int
same(ef_slice a, const unsigned char *p, int n)
{
    return n >= 0 && a.n == (size_t)n && (n == 0 || memcmp(a.p, p, a.n) == 0);
}

/* A DER value of OpenSSL's, which i2d gives, as a has it. */
#define SAME_DER(a, i2d, x)                                                    \
    do {                                                                       \
        unsigned char *i2d_p = NULL;                                           \
        int i2d_n = i2d(x, &i2d_p);                                            \
        FUZZ_ASSERT(same(a, i2d_p, i2d_n));                                    \
        OPENSSL_free(i2d_p);                                                   \
    } while (0)

static int64_t
seconds(const ASN1_TIME *t)
{
    struct tm tm;

    FUZZ_ASSERT(ASN1_TIME_to_tm(t, &tm) == 1);
    return timegm(&tm);
}

static void
name(const ef_cert *c, const X509_NAME *subject)
{
    int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *text;

    FUZZ_ASSERT((i < 0) == (c->cn.p == NULL));
    if (i < 0)
        return;
    text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
    FUZZ_ASSERT(
        same(c->cn, ASN1_STRING_get0_data(text), ASN1_STRING_length(text)));
}

static void
extensions(const ef_cert *c, X509 *x)
{
    uint32_t flags = X509_get_extension_flags(x);

    if (flags & EXFLAG_INVALID)
        return;
    FUZZ_ASSERT(c->has_constraints == !!(flags & EXFLAG_BCONS));
    FUZZ_ASSERT(c->is_ca == !!(flags & EXFLAG_CA));
    FUZZ_ASSERT(c->path_len == X509_get_pathlen(x));
    FUZZ_ASSERT(c->has_usage == !!(flags & EXFLAG_KUSAGE));
    if (c->has_usage)
        FUZZ_ASSERT(c->usage == (X509_get_key_usage(x) & 0xff));
    /* of those that OpenSSL knows itself, it says nothing here */
    FUZZ_ASSERT(!(flags & EXFLAG_CRITICAL) || c->critical);
}

static void
accepted(const ef_cert *c, ef_slice der)
{
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    const ASN1_BIT_STRING *key;

    FUZZ_ASSERT(c->tbs.p > der.p && c->tbs.p + c->tbs.n < der.p + der.n);
    if (x == NULL)
        return; /* a name that it does not read, for one */
    FUZZ_ASSERT(p == der.p + der.n && X509_get_version(x) == 2);
    key = X509_get0_pubkey_bitstr(x);
    FUZZ_ASSERT(same(c->public_key, key->data, key->length));
    SAME_DER(c->tbs, i2d_re_X509_tbs, x);
    SAME_DER(c->issuer, i2d_X509_NAME, X509_get_issuer_name(x));
    SAME_DER(c->subject, i2d_X509_NAME, X509_get_subject_name(x));
    FUZZ_ASSERT(c->not_before == seconds(X509_get0_notBefore(x)));
    FUZZ_ASSERT(c->not_after == seconds(X509_get0_notAfter(x)));
    name(c, X509_get_subject_name(x));
    extensions(c, x);
    X509_free(x);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice der = fuzz_rest(&in, &block);
    ef_cert c;
    ef_err err = {0};
    ef_status rc = ef_cert_parse(&c, der, &err);

    FUZZ_REACHED();
    if (rc == EF_OK) {
        accepted(&c, der);
    } else {
        fuzz_refused(rc, &err, der.n);
        FUZZ_ASSERT(rc == EF_E_AUTH && err.place[0] != '\0');
        FUZZ_ASSERT(ef_attestation_reason(&err).n == 14);
    }
    free(block);
    return 0;
}
