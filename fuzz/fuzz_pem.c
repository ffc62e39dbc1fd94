/*
 * Target   key files (section 9): ef_pem_parse, ef_pem_print.
 * Input    a PEM file, or the DER that is put into one | which of the two
 * Claims   a key that is accepted is one for OpenSSL, too, and prints as
 *          OpenSSL writes it; what is printed parses to the same key; where
 *          OpenSSL reads the DER, it reads the same key; what OpenSSL would
 *          write is accepted; a refusal leaves zeros and names a place inside.
 * Covers   ef_pem_* pem_* ef_p256_public ef_x25519_public ef_p256_check
 * Seeds    vectors/pem.txt    Dict  pem
 */
#include "twin_key.h"

static int
is_private(ef_pem_kind kind)
{
    return kind == EF_PEM_P256_PRIVATE || kind == EF_PEM_X25519_PRIVATE;
}

/* As OpenSSL writes the key. */
static BIO *
written(EVP_PKEY *key, int secret)
{
    BIO *out = BIO_new(BIO_s_mem());

    FUZZ_ASSERT(secret ? PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0,
                                                       NULL, NULL)
                       : PEM_write_bio_PUBKEY(out, key));
    return out;
}

/* OpenSSL's own reading of the file, where it has one. */
static EVP_PKEY *
read_by_openssl(ef_slice text, int secret)
{
    BIO *in = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *key = secret ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL)
                           : PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);

    BIO_free(in);
    return key;
}

static void
accepted(const ef_pem_key *k, ef_slice text)
{
    int secret = is_private(k->kind);
    EVP_PKEY *key = twin_pkey(k), *theirs = read_by_openssl(text, secret);
    ef_pem_key again;
    ef_buf out = {0};
    char *want;
    BIO *bio;
    long n;

    FUZZ_ASSERT(key != NULL);
    bio = written(key, secret);
    n = BIO_get_mem_data(bio, &want);
    ef_pem_print(&out, k);
    FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), want, (size_t)n));
    FUZZ_ASSERT(ef_pem_parse(&again, twin_slice(out.p, out.n), NULL) == EF_OK);
    FUZZ_ASSERT(again.kind == k->kind &&
                memcmp(again.secret, k->secret, sizeof k->secret) == 0 &&
                memcmp(again.public_key, k->public_key, sizeof k->public_key) ==
                    0);
    if (theirs != NULL)
        FUZZ_ASSERT(EVP_PKEY_eq(theirs, key) == 1);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(key);
    BIO_free(bio);
    ef_buf_free(&out);
}

/* Is it one of our kinds, whole, and written in the usual way? */
static int
is_ours(EVP_PKEY *key, int secret)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    char group[64] = "", form[64] = "";
    int ok = EVP_PKEY_is_a(key, "X25519");

    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
        EVP_PKEY_get_utf8_string_param(
            key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form, sizeof form,
            NULL) == 1)
        ok = strcmp(group, "prime256v1") == 0 &&
             strcmp(form, "uncompressed") == 0 &&
             (secret ? EVP_PKEY_check(c) : EVP_PKEY_public_check(c)) == 1;
    EVP_PKEY_CTX_free(c);
    return ok;
}

/* The same key, made anew of its numbers: with nothing of how the file that
 * it came from was written. */
static EVP_PKEY *
anew(EVP_PKEY *key, int secret)
{
    ef_pem_key k = {.kind = secret ? EF_PEM_P256_PRIVATE : EF_PEM_P256_PUBLIC};
    BIGNUM *d = NULL;
    size_t n = sizeof k.public_key;

    if (EVP_PKEY_is_a(key, "X25519")) {
        k.kind = secret ? EF_PEM_X25519_PRIVATE : EF_PEM_X25519_PUBLIC;
        FUZZ_ASSERT(EVP_PKEY_get_raw_public_key(key, k.public_key, &n) == 1);
        if (secret)
            FUZZ_ASSERT(EVP_PKEY_get_raw_private_key(
                            key, k.secret, &(size_t){sizeof k.secret}) == 1);
        return twin_pkey(&k);
    }
    FUZZ_ASSERT(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
                                                k.public_key, n, &n) == 1);
    if (secret)
        FUZZ_ASSERT(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) ==
                        1 &&
                    BN_bn2binpad(d, k.secret, sizeof k.secret) == 32);
    BN_clear_free(d);
    return twin_pkey(&k);
}

/* A file just as OpenSSL would write its key has to be accepted. */
static void
refused(ef_slice text)
{
    int secret;

    for (secret = 0; secret < 2; secret++) {
        EVP_PKEY *key = read_by_openssl(text, secret), *fresh;
        char *want;
        BIO *bio;
        long n;

        if (key != NULL && is_ours(key, secret)) {
            fresh = anew(key, secret);
            bio = written(fresh, secret);
            n = BIO_get_mem_data(bio, &want);
            FUZZ_ASSERT(!twin_same(text, want, (size_t)n));
            BIO_free(bio);
            EVP_PKEY_free(fresh);
        }
        EVP_PKEY_free(key);
    }
}

/* DER in the frame of a PEM file, lines of 64. */
static ef_slice
framed(void **block, ef_slice der, const char *label)
{
    size_t chars = (der.n + 2) / 3 * 4, i, n;
    unsigned char *base64 = fuzz_block(NULL, chars + 1);
    char *out = fuzz_block(NULL, chars + chars / 64 + 100);

    EVP_EncodeBlock(base64, der.p, (int)der.n);
    n = (size_t)sprintf(out, "-----BEGIN %s-----\n", label);
    for (i = 0; i < chars; i += 64)
        n += (size_t)sprintf(out + n, "%.*s\n",
                             (int)(chars - i < 64 ? chars - i : 64),
                             (char *)base64 + i);
    n += (size_t)sprintf(out + n, "-----END %s-----\n", label);
    free(base64);
    free(*block);
    *block = fuzz_block(out, n);
    free(out);
    return twin_slice(*block, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in);
    static const ef_pem_key zero;
    ef_pem_key key;
    ef_err err = {0};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    ef_status rc;

    if (how % 3 != 0)
        text =
            framed(&block, text, how % 3 == 1 ? "PRIVATE KEY" : "PUBLIC KEY");
    FUZZ_REACHED();
    rc = ef_pem_parse(&key, text, &err);
    if (rc == EF_OK) {
        accepted(&key, text);
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(memcmp(&key, &zero, sizeof key) == 0);
        refused(text);
    }
    free(block);
    return 0;
}
