/*
 * Target   enclave images (section 15): ef_eif_push, ef_eif_end, and the file
 *          reader on top of them.
 * Input    bytes | what they are: an image, with its CRC, or CRC and table,
 *          put right; a signature section, a certificate in PEM, or one in
 *          DER, for an image made around it. Then a seed for the pieces it
 *          comes in, and which allocation fails.
 * Claims   in pieces of any size it is the same verdict, place and message;
 *          accepted is what a plain reader of the whole finds right, and the
 *          registers are OpenSSL's; a certificate is taken where OpenSSL's
 *          base64 and lengths say so; without memory all is the same, or
 *          EF_E_MEMORY.
 * Covers   ef_eif_* eif_* pcr_extend get_be
 * Seeds    vectors/eif.txt    Dict  fuzz/dict/eif.dict
 */
#include "fuzz.h"

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define main encflow_main
#include "../encflow.c"
#undef malloc
#undef calloc
#undef realloc
#include "twin.h"

enum { RAW, CRC_RIGHT, TABLE_RIGHT, SIGNATURE, PEM, DER };

/* --- the twin --- */

static uint64_t
number(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v * 256 + *p++;
    return v;
}

static uint32_t
crc_of(const unsigned char *p, size_t n)
{
    uint32_t c = 0xffffffff;
    size_t i;
    int k;

    for (i = 0; i < n; i++) {
        if (i == 544) /* the four bytes that hold it are not in it */
            i = 548;
        if (i >= n)
            break;
        for (c ^= p[i], k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    return ~c;
}

static void
extend(unsigned char out[48], const ef_buf *data)
{
    unsigned char both[96] = {0};

    EVP_Digest(data->p != NULL ? data->p : both, data->n, both + 48, NULL,
               EVP_sha384(), NULL);
    EVP_Digest(both, 96, out, NULL, EVP_sha384(), NULL);
}

/* 1 where the image's structure is right; m gets PCR0 to 2, *has whether it
 * is signed. */
static int
twin_image(const unsigned char *p, size_t n, ef_measurement *m, int *has)
{
    ef_buf all = {0}, boot = {0}, app = {0};
    unsigned seen[6] = {0}, version, count, i;
    size_t at = 548;
    int good = n >= 548 && memcmp(p, ".eif", 4) == 0;

    *has = 0;
    if (!good)
        return 0;
    version = (unsigned)number(p + 4, 2);
    count = (unsigned)number(p + 26, 2);
    good = version >= 2 && version <= 4 && number(p + 6, 2) <= 1 &&
           count >= 2 && count <= 32 && number(p + 544, 4) == crc_of(p, n);
    for (i = 0; good && i < count; i++) {
        uint64_t type, size;

        good = n - at >= 12;
        if (!good)
            break;
        type = number(p + at, 2);
        size = number(p + at + 4, 8);
        good = number(p + 28 + 8 * i, 8) == at &&
               number(p + 284 + 8 * i, 8) == size && size <= n - at - 12 &&
               number(p + at + 2, 2) == 0 && type >= 1 && type <= 5;
        if (!good)
            break;
        at += 12;
        good = (type == 3 || seen[type] == 0) && (type != 2 || seen[1]) &&
               (type != 3 || seen[2]) && (type != 4 || size <= 32768);
        if (type <= 3)
            ef_buf_add(&all, p + at, (size_t)size);
        if (type <= 3)
            ef_buf_add(type == 3 && seen[3] ? &app : &boot, p + at,
                       (size_t)size);
        seen[type]++;
        at += (size_t)size;
    }
    good = good && at == n && seen[1] && seen[2] && (version < 4 || seen[5]);
    *has = seen[4] > 0;
    if (good) {
        extend(m->pcr0, &all);
        extend(m->pcr1, &boot);
        extend(m->pcr2, &app);
    }
    ef_buf_free(&all);
    ef_buf_free(&boot);
    ef_buf_free(&app);
    return good;
}

/* A SEQUENCE, DER, of just these bytes. */
static int
twin_sequence(const unsigned char *der, size_t n)
{
    const unsigned char *p = der;
    long size;
    int tag, class, how = ASN1_get_object(&p, &size, &tag, &class, (long)n);

    return !(how & 0x80) && (how & 1) == 0 && tag == V_ASN1_SEQUENCE &&
           class == V_ASN1_UNIVERSAL && der[0] == 0x30 &&
           p - der + size == (long)n &&
           ASN1_object_size(1, (int)size, V_ASN1_SEQUENCE) == (int)n;
}

/* The certificate of a PEM text, into a new block; 0: it is none. */
static int
twin_pem(unsigned char **der, size_t *n, ef_slice text)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    size_t b = sizeof begin - 1, e = sizeof end - 1, i, k = 0;
    char *all = fuzz_string(text.p, text.n), *s = all, *stop;
    long size = -1;

    *der = NULL;
    if (strlen(all) == text.n) { /* a NUL can stand nowhere */
        s += strspn(s, " \t\n\v\f\r");
        for (i = strlen(s); i > 0 && strchr(" \t\n\v\f\r", s[i - 1]); i--)
            s[i - 1] = '\0';
        stop = strncmp(s, begin, b) == 0 ? strstr(s + b, end) : NULL;
        if (stop != NULL && stop[e] == '\0') {
            for (i = b; s + i < stop; i++)
                if (s[i] != '\r' && s[i] != '\n')
                    s[k++] = s[i];
            size = twin_base64(der, s, k);
        }
    }
    free(all);
    *n = (size_t)size;
    if (size > 0 && twin_sequence(*der, *n))
        return 1;
    free(*der);
    *der = NULL;
    return 0;
}

/* --- images around the input --- */

static void
put(ef_buf *b, uint64_t v, int n)
{
    while (n-- > 0)
        ef_buf_byte(b, (unsigned char)(v >> (8 * n)));
}

static void
section(ef_buf *b, unsigned type, const void *p, size_t n)
{
    put(b, type, 2);
    put(b, 0, 2);
    put(b, n, 8);
    ef_buf_add(b, p, n);
}

/* Bytes as serde has them. */
static void
numbers(ef_buf *b, ef_slice s)
{
    size_t i;

    ef_buf_byte(b, 0x9f);
    for (i = 0; i < s.n; i++) {
        if (s.p[i] >= 24)
            ef_buf_byte(b, 0x18);
        ef_buf_byte(b, s.p[i]);
    }
    ef_buf_byte(b, 0xff);
}

static void
wrap_pem(ef_buf *b, ef_slice der)
{
    char *text = (char *)fuzz_block(NULL, EF_BASE64_BYTES(der.n) + 1);

    ef_buf_str(b, "-----BEGIN CERTIFICATE-----\n");
    EVP_EncodeBlock((unsigned char *)text, der.p, (int)der.n);
    ef_buf_add(b, text, EF_BASE64_BYTES(der.n));
    ef_buf_str(b, "\n-----END CERTIFICATE-----\n");
    free(text);
}

/* The section that the input is, or has the certificate of. */
static void
signature(ef_buf *out, ef_slice in, unsigned what)
{
    ef_buf pem = {0};

    if (what == SIGNATURE) {
        ef_buf_add(out, in.p, in.n);
        return;
    }
    if (what == DER)
        wrap_pem(&pem, in);
    else
        ef_buf_add(&pem, in.p, in.n);
    ef_buf_str(out, "\x81\xa2\x73signing_certificate");
    numbers(out, twin_slice(pem.p, pem.n));
    ef_buf_str(out, "\x69signature\x80");
    ef_buf_free(&pem);
}

/* Table and count by the sections' heads, as far as they make sense. */
static void
mend_table(unsigned char *p, size_t n)
{
    size_t at = 548, i, k;

    for (i = 0; i < 32 && n - at >= 12; i++) {
        uint64_t size = number(p + at + 4, 8);

        for (k = 0; k < 8; k++) {
            p[28 + 8 * i + k] = (unsigned char)((uint64_t)at >> (56 - 8 * k));
            p[284 + 8 * i + k] = (unsigned char)(size >> (56 - 8 * k));
        }
        p[27] = (unsigned char)(i + 1);
        p[26] = 0;
        if (size > n - at - 12)
            return;
        at += 12 + (size_t)size;
    }
}

static void
make_image(ef_buf *b, ef_slice in, unsigned what)
{
    ef_buf sig = {0};
    uint32_t crc;
    int k;

    if (what <= TABLE_RIGHT) {
        ef_buf_add(b, in.p, in.n);
    } else {
        signature(&sig, in, what);
        ef_buf_add(b, ".eif\0\3\0\0", 8);
        ef_buf_add(b, (const unsigned char[540]){0}, 540);
        section(b, 1, "kernel", 6);
        section(b, 2, "cmdline", 7);
        section(b, 4, sig.p, sig.n);
        ef_buf_free(&sig);
    }
    if (b->n < 548 || what == RAW)
        return;
    if (what != CRC_RIGHT)
        mend_table(b->p, b->n);
    crc = crc_of(b->p, b->n);
    for (k = 0; k < 4; k++)
        b->p[544 + k] = (unsigned char)(crc >> (24 - 8 * k));
}

/* --- claims --- */

static ef_status
measure(ef_measurement *m, ef_slice image, uint32_t seed, size_t most,
        ef_err *err)
{
    ef_eif *e = ef_eif_new();
    ef_status rc = e != NULL ? EF_OK : EF_E_MEMORY;
    size_t at, n;

    for (at = 0; rc == EF_OK && at < image.n; at += n) {
        void *piece;

        n = twin_step(&seed, most);
        n = n < image.n - at ? n : image.n - at;
        piece = fuzz_block(image.p + at, n);
        rc = ef_eif_push(e, twin_slice(piece, n), err);
        free(piece);
    }
    if (rc == EF_OK)
        rc = ef_eif_end(e, m, err);
    ef_eif_free(e);
    return rc;
}

static int
same(const ef_measurement *a, const ef_measurement *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Through a pipe, which the short ones fit into. */
static void
from_file(ef_slice image, const ef_measurement *want, ef_status rc)
{
    ef_measurement m = {.has_pcr8 = 0};
    char path[40];
    int fd[2];

    if (image.n > 4096)
        return;
    FUZZ_ASSERT(pipe(fd) == 0);
    FUZZ_ASSERT(write(fd[1], image.p, image.n) == (ssize_t)image.n);
    close(fd[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", fd[0]);
    FUZZ_ASSERT(eif_measure_file(&m, path, NULL, NULL) == rc);
    FUZZ_ASSERT(rc != EF_OK || same(&m, want));
    close(fd[0]);
}

/* The registers, and in what was made for a certificate the verdict, too. */
static void
check(ef_slice image, ef_slice in, unsigned what, ef_status rc,
      const ef_measurement *m)
{
    ef_measurement want = {.has_pcr8 = 0};
    unsigned char *der = NULL;
    ef_buf data = {0};
    int has, good = twin_image(image.p, image.n, &want, &has);

    FUZZ_ASSERT(rc == EF_OK ? good : !good || has);
    want.has_pcr8 = has;
    if (what == PEM && good)
        FUZZ_ASSERT(twin_pem(&der, &data.n, in) == (rc == EF_OK));
    if (what == DER && good)
        FUZZ_ASSERT((in.n > 0 && twin_sequence(in.p, in.n)) == (rc == EF_OK));
    if (rc == EF_OK) {
        data.p = what == DER ? (unsigned char *)(uintptr_t)in.p : der;
        data.n = what == DER ? in.n : data.n;
        if (data.p != NULL)
            extend(want.pcr8, &data);
        else
            memcpy(want.pcr8, m->pcr8, sizeof want.pcr8);
        FUZZ_ASSERT(same(m, &want));
    }
    free(der);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned what = fuzz_byte(&in) % 6;
    uint32_t seed = fuzz_u32(&in);
    uint8_t starve = fuzz_byte(&in);
    ef_measurement m = {.has_pcr8 = 0}, again = m;
    ef_err err = {0}, other = {0};
    ef_buf image = {0};
    ef_slice text, all;
    void *block;
    ef_status rc, second;

    text = fuzz_rest(&in, &block);
    make_image(&image, text, what);
    all = twin_slice(image.p, image.n);
    FUZZ_REACHED();
    rc = measure(&m, all, 0, all.n, &err);
    if (rc != EF_OK)
        fuzz_refused(rc, &err, all.n);
    check(all, text, what, rc, &m);
    second = measure(&again, all, seed, seed % 2 ? 9 : 700, &other);
    FUZZ_ASSERT(second == rc && err.at == other.at && err.msg == other.msg);
    FUZZ_ASSERT(same(&m, &again));
    from_file(all, &m, rc);
    fuzz_alloc_left = starve;
    second = measure(&again, all, 0, all.n, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    ef_buf_free(&image);
    free(block);
    return 0;
}
