/*
 * Target   base64url (section 9): ef_base64url_decode, ef_base64url_encode.
 * Input    text, which is both decoded and, as bytes, encoded | the allocation
 *          that fails
 * Claims   what is decoded is what OpenSSL decodes of the same text in
 *          base64's alphabet, with padding, and encodes to the same text; a
 *          refusal names the first character that can't be right, and adds
 *          nothing; encoding agrees with OpenSSL and decodes back; what the
 *          buffer held stays.
 * Covers   ef_base64url_* b64url_*
 * Seeds    vectors/base64url.txt    Dict  base64url
 */
#include "twin.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                               "uvwxyz0123456789-_";

/* The same in base64: a character of its own where text has none of ours. */
static unsigned char *
padded(ef_slice text, size_t *n)
{
    unsigned char *p = fuzz_block(NULL, text.n + 3);
    size_t i;

    memcpy(p, text.p, text.n);
    memset(p + text.n, '=', 3);
    *n = text.n % 4 == 1 ? text.n : (text.n + 3) / 4 * 4;
    for (i = 0; i < text.n; i++)
        p[i] =
            (unsigned char)(p[i] == '-'                                ? '+'
                            : p[i] == '_'                              ? '/'
                            : p[i] == 0 || strchr("+/=", p[i]) != NULL ? '*'
                                                                       : p[i]);
    return p;
}

/* The first character that is none, or the end of a text of no possible size,
 * or the last character, whose unused bits are set. */
static size_t
wrong_at(ef_slice text)
{
    size_t i;

    for (i = 0; i < text.n; i++)
        if (text.p[i] == 0 || strchr(alphabet, text.p[i]) == NULL)
            return i;
    return text.n % 4 == 1 ? text.n : text.n - 1;
}

static void
decode(ef_slice text, uint8_t budget)
{
    size_t n;
    unsigned char *base64 = padded(text, &n), *want;
    long want_n = twin_base64(&want, base64, n);
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    ef_buf_str(&out, "kept");
    fuzz_alloc_left = budget;
    rc = ef_base64url_decode(&out, text, &err);
    if (!fuzz_alloc_failed(budget))
        FUZZ_ASSERT((rc == EF_OK) == (want_n >= 0));
    FUZZ_ASSERT(out.n >= 4 && memcmp(out.p, "kept", 4) == 0);
    if (rc == EF_OK) {
        FUZZ_ASSERT(
            twin_same(twin_slice(out.p + 4, out.n - 4), want, (size_t)want_n));
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(out.n == 4);
        FUZZ_ASSERT(rc == EF_E_MEMORY || err.at == wrong_at(text));
    }
    ef_buf_free(&out);
    free(want);
    free(base64);
}

static void
encode(ef_slice bytes)
{
    unsigned char *want = fuzz_block(NULL, bytes.n / 3 * 4 + 5);
    ef_buf text = {0}, back = {0};
    size_t i, n = (bytes.n * 4 + 2) / 3;

    EVP_EncodeBlock(want, bytes.p, (int)bytes.n);
    for (i = 0; i < n; i++)
        want[i] = (unsigned char)(want[i] == '+'   ? '-'
                                  : want[i] == '/' ? '_'
                                                   : want[i]);
    ef_base64url_encode(&text, bytes);
    FUZZ_ASSERT(twin_same(twin_slice(text.p, text.n), want, n));
    FUZZ_ASSERT(ef_base64url_decode(&back, twin_slice(text.p, text.n), NULL) ==
                EF_OK);
    FUZZ_ASSERT(twin_same(twin_slice(back.p, back.n), bytes.p, bytes.n));
    ef_buf_free(&text);
    ef_buf_free(&back);
    free(want);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t budget = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    decode(text, budget);
    encode(text);
    free(block);
    return 0;
}
