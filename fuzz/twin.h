/*
 * twin.h -- the slow, plain twins that several fuzz targets compare with,
 * made from OpenSSL and the C library.
 */
#ifndef ENCFLOW_TWIN_H
#define ENCFLOW_TWIN_H

#include <ctype.h>
#include <openssl/evp.h>

#include "fuzz.h"

static inline ef_slice
twin_slice(const void *p, size_t n)
{
    return (ef_slice){p, n};
}

static inline int
twin_same(ef_slice a, const void *p, size_t n)
{
    return a.n == n && (n == 0 || memcmp(a.p, p, n) == 0);
}

/* Strict base64: what OpenSSL decodes and then encodes to the same text. The
 * bytes go to a new block; their number, or -1. */
static inline long
twin_base64(unsigned char **out, const void *text, size_t n)
{
    unsigned char *back = fuzz_block(NULL, n / 4 * 4 + 1);
    const char *p = text;
    long size;

    *out = fuzz_block(NULL, n / 4 * 3 + 1);
    size = n == 0 ? 0 : EVP_DecodeBlock(*out, text, (int)n);
    if (size > 0 && n % 4 == 0) /* it counts what padding stands for */
        size -= (p[n - 1] == '=') + (p[n - 2] == '=');
    if (n % 4 != 0 || size < 0 ||
        EVP_EncodeBlock(back, *out, (int)size) != (int)n ||
        memcmp(back, text, n) != 0)
        size = -1;
    free(back);
    return size;
}

/* A key file's text: 64 hex digits, then white space. at: how many digits the
 * text begins with. */
static inline int
twin_key(unsigned char key[EF_KEY_BYTES], ef_slice text, size_t *at)
{
    size_t i;

    for (*at = 0; *at < text.n && isxdigit(text.p[*at]);)
        (*at)++;
    for (i = *at; i < text.n && isspace(text.p[i]); i++)
        ;
    if (*at != EF_KEY_HEX_BYTES || i != text.n)
        return 0;
    for (i = 0; i < EF_KEY_BYTES; i++) {
        char digits[3] = {(char)text.p[2 * i], (char)text.p[2 * i + 1], 0};

        key[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return 1;
}

/* AES-256-GCM by OpenSSL, in place; the tag to tag. */
static inline void
twin_seal(unsigned char *data, size_t n, unsigned char tag[EF_TAG_BYTES],
          const unsigned char key[EF_KEY_BYTES],
          const unsigned char nonce[EF_NONCE_BYTES], ef_slice aad)
{
    static EVP_CIPHER_CTX *c;
    int k;

    if (c == NULL)
        c = EVP_CIPHER_CTX_new();
    FUZZ_ASSERT(
        EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
        EVP_EncryptUpdate(c, NULL, &k, aad.p, (int)aad.n) == 1 &&
        EVP_EncryptUpdate(c, data, &k, data, (int)n) == 1 &&
        EVP_EncryptFinal_ex(c, data + n, &k) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, EF_TAG_BYTES, tag) == 1);
}

/* Of a URL nothing is named from its query on: does s begin like one? */
static inline int
twin_hidden(const char *s, size_t n)
{
    return (n >= 1 && s[0] == '?') ||
           (n >= 6 && strncmp(s, "X-Amz-", 6) == 0) ||
           (n >= 10 && strncmp(s, "Signature=", 10) == 0);
}

/* The next of a row of sizes, 1 to at most `most`, from a seed. */
static inline size_t
twin_step(uint32_t *seed, size_t most)
{
    *seed = *seed * 1664525 + 1013904223;
    return most > 0 ? (*seed >> 8) % most + 1 : 0;
}

/* Python's shlex in its POSIX mode with whitespace_split, without comments:
 * one state a character, as the module has it. Words go to out, each with a
 * NUL. Their number; -1: a quote or a backslash has no end. */
static inline int
twin_words(const char *text, char *out)
{
    enum { OUTSIDE, INSIDE, SINGLE, DOUBLE } state = OUTSIDE;
    int n = 0;

    for (; *text != '\0'; text++) {
        int blank = strchr(" \t\r\n", *text) != NULL, opens = state == OUTSIDE;

        if (state == SINGLE || state == DOUBLE) {
            if (*text == (state == SINGLE ? '\'' : '"')) {
                state = INSIDE;
                continue;
            }
            if (state == DOUBLE && *text == '\\') {
                if (text[1] == '\0')
                    return -1;
                if (text[1] != '"' && text[1] != '\\')
                    *out++ = '\\';
                text++;
            }
            *out++ = *text;
            continue;
        }
        if (blank) {
            if (!opens)
                *out++ = '\0';
            state = OUTSIDE;
            continue;
        }
        n += opens;
        state = *text == '\'' ? SINGLE : *text == '"' ? DOUBLE : INSIDE;
        if (*text == '\\') {
            if (text[1] == '\0')
                return -1;
            *out++ = *++text;
        } else if (state == INSIDE) {
            *out++ = *text;
        }
    }
    *out = '\0';
    return state == SINGLE || state == DOUBLE ? -1 : n;
}

#endif /* ENCFLOW_TWIN_H */
