/*
 * Target   JWK (section 9): ef_jwk_parse, ef_jwk_print, the thumbprints.
 * Input    a JSON text | the allocation that fails
 * Claims   a key that is accepted has the members that jansson finds, is a
 *          point for OpenSSL, too, and prints to a JWK that parses to the
 *          same; its thumbprint is the SHA-256 of what is printed; what jansson
 *          finds complete, without escapes, is accepted; a refusal leaves
 *          zeros and says where; an allocation that fails is EF_E_MEMORY.
 * Covers   ef_jwk_* jwk_* ef_p256_kid ef_x25519_kid ef_p256_check
 * Seeds    vectors/jwk.txt    Dict  jwk
 */
#include <jansson.h>

#include "twin_key.h"

/* A member of 32 bytes as base64url: 1, and the bytes. */
static int
member(unsigned char out[32], const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    char text[44];
    unsigned char *bytes;
    size_t i;
    long n;

    if (!json_is_string(value) || json_string_length(value) != 43 ||
        strpbrk(json_string_value(value), "+/=") != NULL)
        return 0;
    for (i = 0; i < 43; i++) {
        char c = json_string_value(value)[i];

        text[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    text[43] = '=';
    n = twin_base64(&bytes, text, 44);
    if (n == 32)
        memcpy(out, bytes, 32);
    free(bytes);
    return n == 32;
}

static int
is(const json_t *object, const char *name, const char *text)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) && json_string_length(value) == strlen(text) &&
           strcmp(json_string_value(value), text) == 0;
}

/* The kind, 0 where there is no key in the text. */
static ef_pem_kind
twin(unsigned char q[EF_P256_POINT_BYTES], ef_slice text)
{
    json_t *doc = json_loadb(
        (const char *)text.p, text.n,
        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ef_pem_kind kind = (ef_pem_kind)0;
    EVP_PKEY *key = NULL;

    memset(q, 0, EF_P256_POINT_BYTES);
    if (json_is_object(doc) && json_object_get(doc, "d") == NULL) {
        if (is(doc, "kty", "EC") && is(doc, "crv", "P-256") &&
            member(q + 1, doc, "x") && member(q + 33, doc, "y")) {
            q[0] = 4;
            key = twin_p256(NULL, q);
            kind = key != NULL ? EF_PEM_P256_PUBLIC : (ef_pem_kind)0;
        } else if (is(doc, "kty", "OKP") && is(doc, "crv", "X25519") &&
                   member(q, doc, "x")) {
            kind = EF_PEM_X25519_PUBLIC;
        }
    }
    EVP_PKEY_free(key);
    json_decref(doc);
    return kind;
}

static void
accepted(const ef_pem_key *key)
{
    unsigned char kid[EF_KID_BYTES], want[EF_KID_BYTES];
    ef_pem_key again;
    ef_buf out = {0};

    ef_jwk_print(&out, key);
    FUZZ_ASSERT(ef_jwk_parse(&again, twin_slice(out.p, out.n), NULL) == EF_OK);
    FUZZ_ASSERT(
        again.kind == key->kind &&
        memcmp(again.public_key, key->public_key, sizeof key->public_key) == 0);
    if (twin_is_p256(key->kind))
        ef_p256_kid(kid, key->public_key);
    else
        ef_x25519_kid(kid, key->public_key);
    SHA256(out.p, out.n, want);
    FUZZ_ASSERT(memcmp(kid, want, sizeof kid) == 0);
    ef_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t budget = fuzz_byte(&in);
    unsigned char q[EF_P256_POINT_BYTES];
    static const ef_pem_key zero;
    ef_pem_key key;
    ef_err err = {0};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    ef_pem_kind kind = twin(q, text);
    ef_status rc;
    int spent;

    FUZZ_REACHED();
    fuzz_alloc_left = budget;
    rc = ef_jwk_parse(&key, text, &err);
    spent = fuzz_alloc_failed(budget);
    if (rc == EF_OK) {
        FUZZ_ASSERT(key.kind == kind &&
                    memcmp(key.public_key, q, sizeof q) == 0);
        accepted(&key);
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(memcmp(&key, &zero, sizeof key) == 0);
        FUZZ_ASSERT(rc != EF_E_MEMORY || spent);
        /* what json.c tests: depth, numbers, names that jansson takes */
        FUZZ_ASSERT(kind == 0 || spent || rc == EF_E_LIMIT ||
                    err.place[0] == '\0' || memchr(text.p, '\\', text.n) ||
                    strstr(err.place, "(JSON pointer \"\")") != NULL);
    }
    free(block);
    return 0;
}
