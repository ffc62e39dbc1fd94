/*
 * Target   base64 (section 2): ef_base64_decode, ef_base64_encode.
 * Input    text, which is both decoded and, as bytes, encoded
 * Claims   what is decoded is what OpenSSL decodes and encodes to the same
 *          text, so one value has one text; decoding in place gives the same;
 *          a refusal names the place that a plain reader of the grammar names,
 *          and leaves zeros; encoding agrees with OpenSSL and decodes back.
 * Covers   ef_base64_* b64_*
 * Seeds    vectors/base64.txt    Dict  base64
 */
#include "fuzz.h"
#include "twin.h"

static int
is_data(unsigned char c)
{
    return c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                            "wxyz0123456789+/",
                            c) != NULL;
}

/* Where the grammar (data{4})*(data{4}|data{3}=|data{2}==)? can't go on. */
static size_t
grammar_end(ef_slice text)
{
    size_t data = 0, pad = 0;

    while (data < text.n && is_data(text.p[data]))
        data++;
    while (data % 4 >= 2 && data % 4 + pad < 4 && data + pad < text.n &&
           text.p[data + pad] == '=')
        pad++;
    return data + pad;
}

/* Why it can't be right: where the grammar breaks, else the text's end, else
 * the last character before the padding, whose unused bits are set. */
static size_t
wrong_at(ef_slice text)
{
    size_t end = grammar_end(text);

    if (end < text.n || text.n % 4 != 0)
        return end;
    while (text.p[end - 1] == '=')
        end--;
    return end - 1;
}

static void
decode(ef_slice text)
{
    unsigned char *want, *out = fuzz_block(NULL, text.n / 4 * 3);
    unsigned char *place = fuzz_block(text.p, text.n);
    long want_n = twin_base64(&want, text.p, text.n);
    size_t n = 1, place_n = 1, i;
    ef_err err = {0};
    ef_status rc = ef_base64_decode(out, &n, text, &err);

    FUZZ_ASSERT((rc == EF_OK) == (want_n >= 0));
    FUZZ_ASSERT(ef_base64_decode(place, &place_n, (ef_slice){place, text.n},
                                 NULL) == rc);
    FUZZ_ASSERT(n == place_n && n == (size_t)(want_n < 0 ? 0 : want_n));
    FUZZ_ASSERT(memcmp(out, place, text.n / 4 * 3 * (rc != EF_OK) + n) == 0);
    if (rc == EF_OK) {
        FUZZ_ASSERT(memcmp(out, want, n) == 0);
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(err.at == wrong_at(text));
        for (i = 0; i < text.n / 4 * 3; i++)
            FUZZ_ASSERT(out[i] == 0);
    }
    free(place);
    free(out);
    free(want);
}

static void
encode(ef_slice bytes)
{
    size_t n = EF_BASE64_BYTES(bytes.n), back_n;
    char *out = fuzz_block(NULL, n);
    unsigned char *want = fuzz_block(NULL, n + 1); /* and a NUL */
    unsigned char *back = fuzz_block(NULL, n / 4 * 3);

    ef_base64_encode(out, bytes.p, bytes.n);
    FUZZ_ASSERT(EVP_EncodeBlock(want, bytes.p, (int)bytes.n) == (int)n);
    FUZZ_ASSERT(memcmp(out, want, n) == 0);
    FUZZ_ASSERT(ef_base64_decode(back, &back_n, twin_slice(out, n), NULL) ==
                EF_OK);
    FUZZ_ASSERT(twin_same(bytes, back, back_n));
    free(back);
    free(want);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    decode(text);
    encode(text);
    free(block);
    return 0;
}
