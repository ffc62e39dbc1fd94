/*
 * Target   hex digits (section 2): ef_hex_decode, ef_hex_encode.
 * Input    text | last byte: how many bytes are asked for
 * Claims   decoding agrees with sscanf("%2x") digit by digit; what is decoded
 *          encodes to the same text, case aside; a refusal names the first
 *          wrong character, or the length, and leaves zeros.
 * Covers   ef_hex_decode ef_hex_encode hex_span hex_value hex_digit
 * Seeds    vectors/hex.txt    Dict  none
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"

/* The first character that is no digit, or n. */
static size_t
digits(ef_slice text)
{
    size_t i;

    for (i = 0; i < text.n && isxdigit(text.p[i]); i++)
        ;
    return i;
}

static void
accepted(ef_slice text, const unsigned char *out, size_t n)
{
    char *plain = fuzz_string(text.p, text.n);
    char *back = fuzz_block(NULL, 2 * n);
    unsigned v;
    size_t i;

    for (i = 0; i < n; i++)
        FUZZ_ASSERT(sscanf(plain + 2 * i, "%2x", &v) == 1 && v == out[i]);
    ef_hex_encode(back, out, n, 1);
    FUZZ_ASSERT(strncasecmp(plain, back, 2 * n) == 0);
    free(back);
    free(plain);
}

static void
refused(ef_slice text, const unsigned char *out, size_t n, ef_status rc,
        const ef_err *err)
{
    size_t i;

    fuzz_refused(rc, err, text.n);
    FUZZ_ASSERT(err->at == (text.n == 2 * n ? digits(text) : text.n));
    for (i = 0; i < n; i++)
        FUZZ_ASSERT(out[i] == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t ask = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    size_t n = ask < 0xf0 ? text.n / 2 : ask; /* most often what fits */
    unsigned char *out = fuzz_block(NULL, n);
    ef_err err = {0};
    ef_status rc = ef_hex_decode(out, n, text, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT((rc == EF_OK) == (text.n == 2 * n && digits(text) == text.n));
    if (rc == EF_OK)
        accepted(text, out, n);
    else
        refused(text, out, n, rc, &err);
    free(out);
    free(block);
    return 0;
}
