/*
 * Target   JWS (section 9): ef_jws_parse, ef_jws_verify, ef_jws_sign.
 * Input    a JWS; or a header, or a payload, of one that is made here | which
 *          of them, the bit to flip, the allocation that fails, a private key
 * Claims   a text that is accepted is what its parts encode to, and has the
 *          four members that jansson finds; it verifies exactly where OpenSSL
 *          says so and the kid is the thumbprint; what is signed here parses,
 *          verifies and signs to the same text, and with one bit changed does
 *          not; a refusal says where; an allocation that fails is EF_E_MEMORY.
 * Covers   ef_jws_* jws_* p256_sign p256_verify ef_p256_* p256_in_range
 *          jwk_text jwk_bytes jwk_point jwk_read jwk_document jwk_shift
 * Seeds    vectors/jws.txt    Dict  jws
 */
#include <jansson.h>

#include "twin_key.h"

/* Each part, encoded again, is what stands in the text. */
static void
same_text(const ef_jws *jws, ef_slice text)
{
    ef_buf out = {0};

    ef_base64url_encode(&out, twin_slice(jws->header.p, jws->header.n));
    ef_buf_byte(&out, '.');
    ef_base64url_encode(&out, twin_slice(jws->payload.p, jws->payload.n));
    FUZZ_ASSERT(jws->signed_n == out.n);
    ef_buf_byte(&out, '.');
    ef_base64url_encode(&out, twin_slice(jws->signature, 64));
    FUZZ_ASSERT(twin_same(text, out.p, out.n));
    ef_buf_free(&out);
}

static void
same_header(const ef_jws *jws)
{
    json_t *doc = json_loadb((const char *)jws->header.p, jws->header.n,
                             JSON_REJECT_DUPLICATES, NULL);
    const json_t *typ = json_object_get(doc, "typ");
    const json_t *jwk = json_object_get(doc, "jwk");

    FUZZ_ASSERT(json_object_size(doc) == 4 && json_object_size(jwk) == 4);
    FUZZ_ASSERT(
        strcmp(json_string_value(json_object_get(doc, "alg")), "ES256") == 0);
    FUZZ_ASSERT(
        twin_same(jws->typ, json_string_value(typ), json_string_length(typ)));
    FUZZ_ASSERT(jws->typ.n > 0 && jws->typ.n <= EF_MAX_JWS_TYP_BYTES);
    FUZZ_ASSERT(jws->typ.p > jws->header.p &&
                jws->typ.p + jws->typ.n < jws->header.p + jws->header.n);
    json_decref(doc);
}

/* EF_OK: it was parsed and verified. */
static ef_status
open_text(ef_slice text, uint8_t budget)
{
    unsigned char kid[EF_KID_BYTES];
    ef_jws jws;
    ef_err err = {0};
    ef_status rc;
    int spent;

    fuzz_alloc_left = budget;
    rc = ef_jws_parse(&jws, text, &err);
    spent = fuzz_alloc_failed(budget);
    if (rc != EF_OK) {
        FUZZ_ASSERT(rc == EF_E_FORMAT || rc == EF_E_LIMIT ||
                    (rc == EF_E_MEMORY && spent));
        fuzz_refused(rc, &err, text.n);
    } else {
        same_text(&jws, text);
        same_header(&jws);
        ef_p256_kid(kid, jws.q);
        rc = ef_jws_verify(&jws, text, &err);
        FUZZ_ASSERT((rc == EF_OK) ==
                    (memcmp(kid, jws.kid, sizeof kid) == 0 &&
                     twin_verify(jws.q, jws.signature,
                                 twin_slice(text.p, jws.signed_n))));
        FUZZ_ASSERT(rc == EF_OK || rc == EF_E_AUTH);
    }
    ef_jws_free(&jws);
    return rc;
}

/* header as it is, with some payload, signed by d. */
static void
with_header(ef_slice header, const unsigned char d[EF_P256_SCALAR_BYTES],
            uint8_t budget)
{
    unsigned char signature[EF_JWS_SIGNATURE_BYTES];
    ef_buf out = {0};
    void *block;

    ef_base64url_encode(&out, header);
    ef_buf_str(&out, ".eA");
    if (ef_p256_sign(signature, d, twin_slice(out.p, out.n), NULL) == EF_OK) {
        ef_buf_byte(&out, '.');
        ef_base64url_encode(&out, twin_slice(signature, sizeof signature));
        block = fuzz_block(out.p, out.n);
        (void)open_text(twin_slice(block, out.n), budget);
        free(block);
    }
    ef_buf_free(&out);
}

static void
with_payload(ef_slice payload, const unsigned char d[EF_P256_SCALAR_BYTES],
             uint32_t bit, uint8_t budget)
{
    ef_buf out = {0}, again = {0};
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = budget;
    rc = ef_jws_sign(&out, d, "fuzz", payload, &err);
    if (fuzz_alloc_failed(budget) && rc != EF_OK)
        FUZZ_ASSERT(rc == EF_E_MEMORY);
    if (rc == EF_OK) {
        FUZZ_ASSERT(open_text(twin_slice(out.p, out.n), 0) == EF_OK);
        FUZZ_ASSERT(ef_jws_sign(&again, d, "fuzz", payload, NULL) == EF_OK);
        FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), again.p, again.n));
        out.p[bit / 8 % out.n] ^= (unsigned char)(1 << bit % 8);
        FUZZ_ASSERT(open_text(twin_slice(out.p, out.n), 0) != EF_OK);
    } else {
        fuzz_refused(rc, &err, EF_MAX_JWS_BYTES);
    }
    ef_buf_free(&out);
    ef_buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in), budget;
    uint32_t bit = fuzz_u32(&in);
    unsigned char d[EF_P256_SCALAR_BYTES];
    void *block;
    ef_slice text;

    budget = fuzz_byte(&in);
    fuzz_bytes(&in, d, sizeof d);
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (how % 3 == 0)
        (void)open_text(text, budget);
    else if (how % 3 == 1)
        with_header(text, d, budget);
    else
        with_payload(text, d, bit, budget);
    free(block);
    return 0;
}
