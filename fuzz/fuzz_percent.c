/*
 * Target   percent-encoding (section 2): ef_percent_encode, _decode.
 * Input    text | the n-th allocation fails (0: none) | flags: 1 the slash
 *          stays, 2 %00 is allowed
 * Claims   both agree with a plain twin made of sprintf and sscanf, and append
 *          to what the buffer held; what is encoded decodes back; a refusal
 *          names the first percent sign that is wrong; without memory nothing
 *          is said to be whole.
 * Covers   ef_percent_encode ef_percent_decode percent_is_plain
 * Seeds    vectors/percent.txt    Dict  percent
 */
#include <ctype.h>

#include "fuzz.h"
#include "twin.h"

/* The encoding of in after "x", to be freed. RFC 3986 2.3: what stays. */
static char *
encoded(ef_slice in, int keep_slash)
{
    char *out = fuzz_block(NULL, 3 * in.n + 2), *p = out + sprintf(out, "x");
    size_t i;

    for (i = 0; i < in.n; i++) {
        int plain = isalnum(in.p[i]) ||
                    (in.p[i] != 0 && strchr("-._~", in.p[i]) != NULL) ||
                    (in.p[i] == '/' && keep_slash);

        p += sprintf(p, plain ? "%c" : "%%%02X", in.p[i]);
    }
    return out;
}

/* What in stands for, after an "x"; *n its bytes. The first percent sign that
 * is wrong, or in.n. */
static size_t
decoded(unsigned char *out, size_t *n, ef_slice in, int allow_nul)
{
    size_t i;
    unsigned v;

    *n = 1;
    out[0] = 'x';
    for (i = 0; i < in.n; i++) {
        v = in.p[i];
        if (v == '%') {
            char digits[3] = {0};

            memcpy(digits, in.p + i + 1, in.n - i > 2 ? 2 : in.n - i - 1);
            if (!isxdigit(digits[0] & 255) || !isxdigit(digits[1] & 255))
                return i;
            FUZZ_ASSERT(sscanf(digits, "%x", &v) == 1);
            if (v == 0 && !allow_nul)
                return i;
            i += 2;
        }
        out[(*n)++] = (unsigned char)v;
    }
    return in.n;
}

static void
encode(ef_slice text, int keep_slash, uint8_t budget)
{
    char *want = encoded(text, keep_slash);
    ef_buf out = {0}, back = {0};

    fuzz_alloc_left = budget;
    ef_buf_byte(&out, 'x');
    ef_percent_encode(&out, text, keep_slash);
    FUZZ_ASSERT(fuzz_alloc_failed(budget) == out.failed);
    if (!out.failed) {
        FUZZ_ASSERT(twin_same(twin_slice(want, strlen(want)), out.p, out.n));
        FUZZ_ASSERT(ef_percent_decode(&back, twin_slice(out.p + 1, out.n - 1),
                                      1, NULL) == EF_OK);
        FUZZ_ASSERT(twin_same(text, back.p, back.n));
    }
    ef_buf_free(&back);
    ef_buf_free(&out);
    free(want);
}

static void
decode(ef_slice text, int allow_nul, uint8_t budget)
{
    unsigned char *want = fuzz_block(NULL, text.n + 1);
    size_t n, at = decoded(want, &n, text, allow_nul);
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = budget;
    ef_buf_byte(&out, 'x');
    rc = ef_percent_decode(&out, text, allow_nul, &err);
    if (rc != EF_OK)
        fuzz_refused(rc, &err, text.n);
    if (fuzz_alloc_failed(budget)) {
        FUZZ_ASSERT(rc == (at < text.n ? EF_E_FORMAT : EF_E_MEMORY));
    } else {
        FUZZ_ASSERT(rc == (at < text.n ? EF_E_FORMAT : EF_OK));
        FUZZ_ASSERT(rc != EF_OK ||
                    twin_same(twin_slice(want, n), out.p, out.n));
    }
    FUZZ_ASSERT(rc != EF_E_FORMAT || err.at == at);
    ef_buf_free(&out);
    free(want);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t flags = fuzz_byte(&in), budget = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    encode(text, flags & 1, budget);
    decode(text, flags & 2, budget);
    free(block);
    return 0;
}
