/*
 * Target   AES-256-GCM (section 7): ef_gcm_seal, ef_gcm_open, ef_gcm_crypt.
 * Input    plaintext | bytes of it that are AAD, kernels, bit to flip, how to
 *          split, nonce, key
 * Claims   all kernels seal as OpenSSL does, whatever the alignment; what one
 *          seals another opens; any split gives the same text and tag; one
 *          flipped bit of key, nonce, AAD, text or tag is refused, and leaves
 *          zeros; a message past the limit is refused unread; a context that
 *          gets no memory gives EF_E_MEMORY.
 * Covers   ef_gcm_kernel_at ef_gcm_kernel_name ef_gcm_new ef_gcm_free
 *          ef_gcm_start ef_gcm_crypt ef_gcm_tag ef_gcm_seal ef_gcm_open
 *          gcm_list_make gcm_ctr gcm_ghash gcm_room gcm_partial gcm_finish
 *          gcm_once
 * Seeds    vectors/aes256gcm.txt    Dict  none
 */
#include "twin.h"

/* One message and its sealed form, as OpenSSL has it. The parts stand one
 * after the other, so that a bit's number tells the part. */
struct message {
    unsigned char *all; /* key, nonce, tag, AAD, text: total bytes */
    unsigned char *key, *nonce, *tag, *aad, *ct;
    size_t aad_n, n, total;
    const unsigned char *pt;
};

static void
parts(struct message *m)
{
    m->key = m->all;
    m->nonce = m->key + EF_KEY_BYTES;
    m->tag = m->nonce + EF_NONCE_BYTES;
    m->aad = m->tag + EF_TAG_BYTES;
    m->ct = m->aad + m->aad_n;
}

static const ef_gcm_kernel *
kernel(unsigned i)
{
    unsigned n = 0;

    while (ef_gcm_kernel_at(n) != NULL)
        n++;
    FUZZ_ASSERT(n > 0 && strlen(ef_gcm_kernel_name(ef_gcm_kernel_at(0))) > 0);
    return ef_gcm_kernel_at(i % (n + 1)); /* NULL, too: the best */
}

static void
whole(const struct message *m, const ef_gcm_kernel *seal,
      const ef_gcm_kernel *open)
{
    unsigned char tag[EF_TAG_BYTES], *out = fuzz_block(m->pt, m->n);

    FUZZ_ASSERT(ef_gcm_seal(out, tag, m->key, m->nonce, m->aad, m->aad_n,
                            m->n % 2 == 0 ? out : m->pt, m->n, seal,
                            NULL) == EF_OK);
    FUZZ_ASSERT(memcmp(out, m->ct, m->n) == 0);
    FUZZ_ASSERT(memcmp(tag, m->tag, sizeof tag) == 0);
    memset(out, 0xa5, m->n);
    FUZZ_ASSERT(ef_gcm_open(out, m->key, m->nonce, m->aad, m->aad_n, m->ct,
                            m->n, m->tag, open, NULL) == EF_OK);
    FUZZ_ASSERT(memcmp(out, m->pt, m->n) == 0);
    free(out);
}

/* In pieces, at an address that is a little past an aligned one. */
static void
pieces(const struct message *m, const ef_gcm_kernel *k, uint32_t seed, int seal)
{
    size_t skip = seed % 16, at, n;
    unsigned char tag[EF_TAG_BYTES], *block = fuzz_block(NULL, skip + m->n);
    unsigned char *p = block + skip;
    ef_gcm *g = ef_gcm_new(m->key, k);

    memcpy(p, seal ? m->pt : m->ct, m->n);
    ef_gcm_start(g, m->nonce, m->aad, m->aad_n);
    for (at = 0; at < m->n; at += n) {
        n = twin_step(&seed, seed % 3 == 0 ? 5 : 80) - 1; /* 0, too */
        n = n < m->n - at ? n : m->n - at;
        FUZZ_ASSERT(ef_gcm_crypt(g, p + at, n, seal, NULL) == EF_OK);
    }
    ef_gcm_tag(g, tag);
    ef_gcm_free(g);
    FUZZ_ASSERT(memcmp(p, seal ? m->ct : m->pt, m->n) == 0);
    FUZZ_ASSERT(memcmp(tag, m->tag, sizeof tag) == 0);
    free(block);
}

static void
flipped(struct message m, const ef_gcm_kernel *k, uint32_t bit)
{
    unsigned char *out = fuzz_block(m.pt, m.n);
    ef_err err = {0};
    size_t i;

    m.all = fuzz_block(m.all, m.total);
    m.all[bit / 8 % m.total] ^= (unsigned char)(1 << bit % 8);
    parts(&m);
    FUZZ_ASSERT(ef_gcm_open(out, m.key, m.nonce, m.aad, m.aad_n, m.ct, m.n,
                            m.tag, k, &err) == EF_E_AUTH);
    fuzz_refused(EF_E_AUTH, &err, 0);
    for (i = 0; i < m.n; i++)
        FUZZ_ASSERT(out[i] == 0);
    free(m.all);
    free(out);
}

static void
refused(const struct message *m, uint32_t more)
{
    size_t large = (size_t)EF_MAX_PLAINTEXT_BYTES + 1 + more;
    unsigned char none[1], tag[EF_TAG_BYTES];
    ef_err err = {0};

    FUZZ_ASSERT(ef_gcm_seal(none, tag, m->key, m->nonce, NULL, 0, none, large,
                            NULL, &err) == EF_E_LIMIT);
    FUZZ_ASSERT(ef_gcm_open(none, m->key, m->nonce, NULL, 0, none, large, tag,
                            NULL, &err) == EF_E_LIMIT);
    fuzz_refused(EF_E_LIMIT, &err, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    size_t aad_n = fuzz_byte(&in);
    uint8_t kernels = fuzz_byte(&in);
    uint32_t bit = fuzz_u32(&in), split = fuzz_u32(&in);
    unsigned char nonce[EF_NONCE_BYTES], key[EF_KEY_BYTES];
    struct message m = {0};

    fuzz_bytes(&in, nonce, sizeof nonce);
    fuzz_bytes(&in, key, sizeof key);
    m.aad_n = aad_n < in.n ? aad_n : in.n;
    m.n = in.n - m.aad_n;
    m.pt = in.p;
    m.total = EF_KEY_BYTES + EF_NONCE_BYTES + EF_TAG_BYTES + in.n;
    m.all = fuzz_block(NULL, m.total);
    parts(&m);
    memcpy(m.key, key, sizeof key);
    memcpy(m.nonce, nonce, sizeof nonce);
    if (in.n > 0) {
        memcpy(m.aad, in.p + m.n, m.aad_n);
        memcpy(m.ct, m.pt, m.n);
    }
    twin_seal(m.ct, m.n, m.tag, key, nonce, twin_slice(m.aad, m.aad_n));
    FUZZ_REACHED();
    whole(&m, kernel(kernels % 8), kernel(kernels / 8));
    pieces(&m, kernel(kernels % 8), split, 1);
    pieces(&m, kernel(kernels / 8), split, 0);
    flipped(m, kernel(kernels / 8), bit);
    refused(&m, split);
    free(m.all);
    return 0;
}
