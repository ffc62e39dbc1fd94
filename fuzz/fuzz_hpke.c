/*
 * Target   HPKE (section 9): ef_hpke_seal, ef_hpke_open, ef_x25519.
 * Input    plaintext | bytes of it that are info and AAD, the bit to flip, a
 *          private key, a public key of any kind
 * Claims   what is sealed opens, here and by OpenSSL's X25519, HMAC and
 *          AES-GCM; one flipped bit of enc, info, AAD or ciphertext is
 *          refused, and leaves zeros; X25519 agrees with OpenSSL on any point,
 *          and refuses those that it refuses; too short a text is refused.
 * Covers   ef_hpke_* hpke_* ef_x25519* ec_x25519 ec_random ef_key_commitment
 * Seeds    vectors/hpke.txt vectors/x25519.txt    Dict  none
 */
#include <openssl/hmac.h>

#include "twin_key.h"

/* X25519 by OpenSSL: 0 where it refuses the result. */
static int
exchange(unsigned char out[32], const unsigned char sk[32],
         const unsigned char pk[32])
{
    EVP_PKEY *mine =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, sk, 32);
    EVP_PKEY *theirs =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, pk, 32);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(mine, NULL);
    size_t n = 32;
    int ok;

    FUZZ_ASSERT(EVP_PKEY_derive_init(c) == 1 &&
                EVP_PKEY_derive_set_peer(c, theirs) == 1);
    ok = EVP_PKEY_derive(c, out, &n) == 1 && n == 32;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(theirs);
    return ok;
}

/* HMAC of the labelled text: "HPKE-v1" | suite | label | more, which expand
 * puts between a size and a 1. */
static void
labelled(unsigned char out[32], ef_slice key, size_t expand, ef_slice suite,
         const char *label, ef_slice more)
{
    unsigned char *p = fuzz_block(NULL, 64 + more.n), *at = p;

    if (expand > 0) {
        *at++ = 0;
        *at++ = (unsigned char)expand;
    }
    memcpy(at, "HPKE-v1", 7);
    at += 7;
    memcpy(at, suite.p, suite.n);
    at += suite.n;
    memcpy(at, label, strlen(label));
    at += strlen(label);
    if (more.n > 0)
        memcpy(at, more.p, more.n);
    at += more.n;
    if (expand > 0)
        *at++ = 1;
    FUZZ_ASSERT(HMAC(EVP_sha256(), key.n > 0 ? key.p : p, (int)key.n, p,
                     (size_t)(at - p), out, NULL) != NULL);
    free(p);
}

/* The sealed text, opened by OpenSSL: pt seals to the same ct. */
static void
twin(const unsigned char *ct, const unsigned char sk[32],
     const unsigned char enc[32], ef_slice info, ef_slice aad,
     const unsigned char *pt, size_t n)
{
    static const unsigned char kem[] = "KEM\0\x20";
    static const unsigned char all[] = "HPKE\0\x20\0\x01\0\x02";
    ef_slice none = {NULL, 0}, suite = twin_slice(all, 10);
    unsigned char dh[32], prk[32], secret[32], key[32], nonce[32], tag[16];
    unsigned char context[65] = {0}, *out = fuzz_block(NULL, n + 16);

    if (n > 0)
        memcpy(out, pt, n);
    FUZZ_ASSERT(exchange(dh, sk, enc));
    memcpy(context, enc, 32);
    ef_x25519_public(context + 32, sk);
    labelled(prk, none, 0, twin_slice(kem, 5), "eae_prk", twin_slice(dh, 32));
    labelled(secret, twin_slice(prk, 32), 32, twin_slice(kem, 5),
             "shared_secret", twin_slice(context, 64));
    context[0] = 0;
    labelled(context + 1, none, 0, suite, "psk_id_hash", none);
    labelled(context + 33, none, 0, suite, "info_hash", info);
    labelled(prk, twin_slice(secret, 32), 0, suite, "secret", none);
    labelled(key, twin_slice(prk, 32), 32, suite, "key",
             twin_slice(context, 65));
    labelled(nonce, twin_slice(prk, 32), 12, suite, "base_nonce",
             twin_slice(context, 65));
    twin_seal(out, n, tag, key, nonce, aad);
    FUZZ_ASSERT(memcmp(out, ct, n) == 0 && memcmp(tag, ct + n, 16) == 0);
    free(out);
}

static void
flipped(unsigned char *ct, const unsigned char sk[32],
        const unsigned char enc[32], ef_slice info, ef_slice aad, size_t n,
        uint32_t bit)
{
    unsigned char *out = fuzz_block(NULL, n), changed[32];
    unsigned char *i = fuzz_block(info.p, info.n);
    unsigned char *a = fuzz_block(aad.p, aad.n);
    size_t total = 32 + info.n + aad.n + n + EF_TAG_BYTES, k;
    size_t at = bit / 8 % total;
    unsigned char mask = (unsigned char)(1 << bit % 8);
    ef_err err = {0};

    memcpy(changed, enc, 32);
    if (at == 31)
        mask &= 0x7f; /* X25519 ignores that bit */
    if (at < 32)
        changed[at] ^= mask;
    else if (at < 32 + info.n)
        i[at - 32] ^= mask;
    else if (at < 32 + info.n + aad.n)
        a[at - 32 - info.n] ^= mask;
    else
        ct[at - 32 - info.n - aad.n] ^= mask;
    if (mask != 0) {
        FUZZ_ASSERT(ef_hpke_open(out, sk, changed, twin_slice(i, info.n),
                                 twin_slice(a, aad.n), ct, n + EF_TAG_BYTES,
                                 &err) == EF_E_AUTH);
        fuzz_refused(EF_E_AUTH, &err, 0);
        for (k = 0; k < n; k++)
            FUZZ_ASSERT(out[k] == 0);
    }
    free(out);
    free(i);
    free(a);
}

/* Any 32 bytes as another's key: as a partner, as enc, as a receiver. */
static void
any_point(const unsigned char sk[32], const unsigned char pk[32])
{
    unsigned char got[32], want[32], enc[32], ct[17], pt[1] = {7};
    ef_slice none = {NULL, 0};
    int ok = exchange(want, sk, pk);

    FUZZ_ASSERT((ef_x25519(got, sk, pk, NULL) == EF_OK) == ok);
    FUZZ_ASSERT(!ok || memcmp(got, want, 32) == 0);
    FUZZ_ASSERT(ef_hpke_seal(enc, ct, pk, none, none, pt, 1, NULL) ==
                (ok ? EF_OK : EF_E_AUTH));
    memset(ct, 0, sizeof ct);
    FUZZ_ASSERT(ef_hpke_open(pt, sk, pk, none, none, ct, 17, NULL) ==
                EF_E_AUTH);
    FUZZ_ASSERT(ef_hpke_open(pt, sk, pk, none, none, ct, sk[0] % 16, NULL) ==
                EF_E_FORMAT);
}

static void
commitment(const unsigned char key[32])
{
    unsigned char text[64] = "encflow key commitment 1", got[32], want[32];

    memcpy(text + 32, key, 32);
    SHA256(text, sizeof text, want);
    ef_key_commitment(got, key);
    FUZZ_ASSERT(memcmp(got, want, 32) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    size_t info_n = fuzz_byte(&in), aad_n = fuzz_byte(&in);
    uint32_t bit = fuzz_u32(&in);
    unsigned char sk[32], pk[32], any[32], enc[32], *ct, *back;
    ef_slice info, aad, pt;

    fuzz_bytes(&in, sk, sizeof sk);
    fuzz_bytes(&in, any, sizeof any);
    info_n = info_n < in.n ? info_n : in.n;
    aad_n = aad_n < in.n ? aad_n : in.n;
    info = twin_slice(in.p, info_n);
    aad = twin_slice(in.p, aad_n);
    pt = twin_slice(in.p, in.n);
    ct = fuzz_block(NULL, pt.n + EF_TAG_BYTES);
    back = fuzz_block(NULL, pt.n);
    FUZZ_REACHED();
    any_point(sk, any);
    commitment(any);
    ef_x25519_public(pk, sk);
    FUZZ_ASSERT(ef_hpke_seal(enc, ct, pk, info, aad, pt.p, pt.n, NULL) ==
                EF_OK);
    twin(ct, sk, enc, info, aad, pt.p, pt.n);
    FUZZ_ASSERT(ef_hpke_open(back, sk, enc, info, aad, ct, pt.n + EF_TAG_BYTES,
                             NULL) == EF_OK);
    FUZZ_ASSERT(twin_same(pt, back, pt.n));
    flipped(ct, sk, enc, info, aad, pt.n, bit);
    free(ct);
    free(back);
    return 0;
}
