/*
 * Target   UTF-8 (section 2) and ef_json_quote (section 3), which mends it.
 * Input    text
 * Claims   a character is well-formed where its code point, written anew by a
 *          plain twin, gives the same bytes and is no surrogate; a refusal
 *          names the first character that is not; what ef_json_quote writes is
 *          a JSON string to jansson, holds the text with U+FFFD for each byte
 *          that is no UTF-8, and escapes no more than RFC 8785 does.
 * Covers   ef_utf8_check utf8_step utf8_len utf8_get utf8_put ef_json_quote
 *          json_quote_cp
 * Seeds    vectors/utf8.txt    Dict  utf8
 */
#include <jansson.h>

#include "fuzz.h"
#include "twin.h"

/* The code point that n bytes would stand for, whatever else they are. */
static uint32_t
code_point(const unsigned char *p, size_t n)
{
    uint32_t cp = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    size_t i;

    for (i = 1; i < n; i++)
        cp = cp * 64 + p[i] % 64;
    return cp;
}

/* RFC 3629 section 3: cp, of at most 21 bits, as bytes; how many. */
static size_t
write_utf8(unsigned char out[4], uint32_t cp)
{
    static const uint32_t first[] = {0x80, 0x800, 0x10000, 0x200000};
    size_t n = 1, i;

    while (cp >= first[n - 1])
        n++;
    for (i = n - 1; i > 0; i--, cp /= 64)
        out[i] = (unsigned char)(0x80 + cp % 64);
    out[0] = (unsigned char)(n == 1 ? cp : (0xf00u >> n) % 256 + cp);
    return n;
}

/* Bytes of the character at i, or 0. */
static size_t
character(ef_slice text, size_t i)
{
    unsigned char again[4];
    size_t n;
    uint32_t cp;

    for (n = 1; n <= 4 && n <= text.n - i; n++) {
        cp = code_point(text.p + i, n);
        if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
            continue;
        if (write_utf8(again, cp) == n && memcmp(again, text.p + i, n) == 0)
            return n;
    }
    return 0;
}

/* The text with U+FFFD for what is none, to be freed; *bad where that is. */
static unsigned char *
mended(ef_slice text, size_t *n, size_t *bad)
{
    unsigned char *out = fuzz_block(NULL, 3 * text.n);
    size_t i, k;

    *bad = text.n;
    for (i = *n = 0; i<text.n; i += k> 0 ? k : 1) {
        k = character(text, i);
        if (k == 0 && *bad == text.n)
            *bad = i;
        memcpy(out + *n, k > 0 ? text.p + i : (const void *)"\xef\xbf\xbd",
               k > 0 ? k : 3);
        *n += k > 0 ? k : 3;
    }
    return out;
}

/* Bytes of s as RFC 8785 3.2.2.2 writes it, quotes included. */
static size_t
quoted_size(const unsigned char *s, size_t n)
{
    size_t i, size = 2;

    for (i = 0; i < n; i++)
        if (s[i] != 0 && strchr("\b\t\n\f\r\"\\", s[i]) != NULL)
            size += 2;
        else
            size += s[i] < 0x20 ? 6 : 1;
    return size;
}

static void
quote(ef_slice text, const unsigned char *want, size_t n)
{
    ef_buf out = {0};
    json_t *v;

    ef_json_quote(&out, text);
    v = json_loadb((const char *)out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                   NULL);
    FUZZ_ASSERT(v != NULL && json_is_string(v));
    FUZZ_ASSERT(twin_same(twin_slice(want, n), json_string_value(v),
                          json_string_length(v)));
    FUZZ_ASSERT(out.n == quoted_size(want, n));
    json_decref(v);
    ef_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    size_t n, bad;
    unsigned char *want = mended(text, &n, &bad);
    ef_err err = {0};
    ef_status rc = ef_utf8_check(text, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT(rc == (bad < text.n ? EF_E_FORMAT : EF_OK));
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(err.at == bad);
    }
    quote(text, want, n);
    free(want);
    free(block);
    return 0;
}
