/*
 * twin_key.h -- the keys of section 9 as OpenSSL has them.
 */
#ifndef ENCFLOW_TWIN_KEY_H
#define ENCFLOW_TWIN_KEY_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "twin.h"

static inline int
twin_is_p256(ef_pem_kind kind)
{
    return kind == EF_PEM_P256_PRIVATE || kind == EF_PEM_P256_PUBLIC;
}

/* A P-256 key; d NULL: a public one. NULL where OpenSSL denies the point. */
static inline EVP_PKEY *
twin_p256(const unsigned char *d, const unsigned char *q)
{
    OSSL_PARAM_BLD *list = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *number = d != NULL ? BN_bin2bn(d, EF_P256_SCALAR_BYTES, NULL) : 0;
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;

    FUZZ_ASSERT(OSSL_PARAM_BLD_push_utf8_string(
        list, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0));
    FUZZ_ASSERT(OSSL_PARAM_BLD_push_octet_string(list, OSSL_PKEY_PARAM_PUB_KEY,
                                                 q, EF_P256_POINT_BYTES));
    if (d != NULL)
        FUZZ_ASSERT(
            OSSL_PARAM_BLD_push_BN(list, OSSL_PKEY_PARAM_PRIV_KEY, number));
    params = OSSL_PARAM_BLD_to_param(list);
    FUZZ_ASSERT(EVP_PKEY_fromdata_init(c) == 1);
    if (EVP_PKEY_fromdata(c, &key,
                          d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(list);
    BN_clear_free(number);
    EVP_PKEY_CTX_free(c);
    return key;
}

/* A key that was parsed; never NULL for a good one. */
static inline EVP_PKEY *
twin_pkey(const ef_pem_key *k)
{
    switch (k->kind) {
    case EF_PEM_P256_PRIVATE:
        return twin_p256(k->secret, k->public_key);
    case EF_PEM_P256_PUBLIC:
        return twin_p256(NULL, k->public_key);
    case EF_PEM_X25519_PRIVATE:
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, k->secret,
                                            EF_X25519_BYTES);
    case EF_PEM_X25519_PUBLIC:
        break;
    }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, k->public_key,
                                       EF_X25519_BYTES);
}

/* 1 where r || s signs text. */
static inline int
twin_verify(const unsigned char q[EF_P256_POINT_BYTES],
            const unsigned char signature[EF_JWS_SIGNATURE_BYTES],
            ef_slice text)
{
    EVP_PKEY *key = twin_p256(NULL, q);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *der = NULL;
    int n, ok = 0;

    FUZZ_ASSERT(ECDSA_SIG_set0(sig, BN_bin2bn(signature, 32, NULL),
                               BN_bin2bn(signature + 32, 32, NULL)) == 1);
    n = i2d_ECDSA_SIG(sig, &der);
    if (key != NULL &&
        EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1)
        ok = EVP_DigestVerify(c, der, (size_t)n, text.p, text.n) == 1;
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    return ok;
}

#endif /* ENCFLOW_TWIN_KEY_H */
