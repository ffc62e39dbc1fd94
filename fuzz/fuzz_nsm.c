/*
 * Target   the Nitro security module (section 15): its requests, its answers,
 *          and binding an enclave by them.
 * Input    bytes | the request that they answer; how the device behaves, of
 *          which a seed for what happens between two requests; which
 *          allocation fails.
 * Claims   an answer is accepted where it is, byte for byte, one of the few
 *          forms that such an answer can have, in either kind of map and any
 *          order, and what it says is what stands there; an error has its
 *          status; the same through the device, where nothing but what was
 *          accepted gets out. A request is what a plain writer makes of its
 *          parameters. Binding succeeds only where the register in the end
 *          is locked and has the one right value, whatever others did
 *          meanwhile, and never locks one that had another value at first.
 * Covers   ef_nsm_* nsm_head nsm_text nsm_begin nsm_bytes nsm_number nsm_index
 *          nsm_refused nsm_member nsm_members nsm_map nsm_failed nsm_call
 *          nsm_bound nsm_extend nsm_lock nsm_other nsm_bind nsm_document
 * Seeds    vectors/nsm.txt    Dict  fuzz/dict/nsm.dict
 */
#include "fuzz.h"

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define main encflow_main
#define ioctl fuzz_ioctl
#include "../encflow.c"
#undef malloc
#undef calloc
#undef realloc
#include "twin.h"

/* 0 to n - 1. */
static size_t
pick(uint32_t *seed, size_t n)
{
    return twin_step(seed, n) - 1;
}

/* --- the twin of the parser --- */

struct scan {
    ef_slice in;
    size_t at;
};

static int
literal(struct scan *s, const void *p, size_t n)
{
    if (s->in.n - s->at < n || memcmp(s->in.p + s->at, p, n) != 0)
        return 0;
    s->at += n;
    return 1;
}

/* A text of less than 24 bytes. */
static int
word(struct scan *s, const char *text)
{
    unsigned char head = (unsigned char)(0x60 + strlen(text));

    size_t at = s->at;

    if (literal(s, &head, 1) && literal(s, text, strlen(text)))
        return 1;
    s->at = at;
    return 0;
}

/* A map of n begins; *open: it has no length. */
static int
map(struct scan *s, unsigned n, int *open)
{
    unsigned char head = (unsigned char)(0xa0 + n);

    *open = literal(s, "\xbf", 1);
    return *open || literal(s, &head, 1);
}

static int
over(struct scan *s, int open)
{
    return !open || literal(s, "\xff", 1);
}

/* A string of this major type, its length in the shortest form. */
static int
string(struct scan *s, unsigned major, ef_slice *out)
{
    const unsigned char *p = s->in.p + s->at;
    size_t left = s->in.n - s->at, n, head;

    if (left == 0 || p[0] / 32 != major)
        return 0;
    n = p[0] % 32;
    head = n < 24 ? 1 : n == 24 ? 2 : n == 25 ? 3 : 0;
    if (head == 0 || left < head)
        return 0;
    if (head == 2 && (n = p[1]) < 24)
        return 0;
    if (head == 3 && (n = (size_t)p[1] * 256 + p[2]) < 256)
        return 0;
    if (left - head < n)
        return 0;
    *out = twin_slice(p + head, n);
    s->at += head + n;
    return 1;
}

static int
locked(struct scan *s, ef_nsm_answer *a)
{
    a->locked = literal(s, "\xf5", 1);
    return a->locked || literal(s, "\xf4", 1);
}

static int
members(struct scan *s, ef_nsm_request kind, ef_nsm_answer *a)
{
    int open, first;

    if (kind == EF_NSM_ATTEST)
        return map(s, 1, &open) && word(s, "document") &&
               string(s, 2, &a->document) && a->document.n > 0 && over(s, open);
    if (!map(s, kind == EF_NSM_EXTEND ? 1 : 2, &open))
        return 0;
    first = kind == EF_NSM_DESCRIBE && word(s, "lock");
    if (first && !locked(s, a))
        return 0;
    if (!word(s, "data") || !string(s, 2, &a->pcr) || a->pcr.n != 48)
        return 0;
    if (kind == EF_NSM_DESCRIBE && !first &&
        (!word(s, "lock") || !locked(s, a)))
        return 0;
    return over(s, open);
}

static int
is_error(ef_slice in, ef_slice *name)
{
    struct scan s = {in, 0};
    int open;

    return map(&s, 1, &open) && word(&s, "Error") && string(&s, 3, name) &&
           ef_utf8_check(*name, NULL) == EF_OK && over(&s, open) &&
           s.at == in.n;
}

static int
is_answer(ef_slice in, ef_nsm_request kind, ef_nsm_answer *a)
{
    static const char *const names[] = {"Attestation", "ExtendPCR", "LockPCRs",
                                        "DescribePCR"};
    struct scan s = {in, 0};
    int open;

    if (kind == EF_NSM_LOCK)
        return word(&s, names[kind]) && s.at == in.n;
    return map(&s, 1, &open) && word(&s, names[kind]) && members(&s, kind, a) &&
           over(&s, open) && s.at == in.n;
}

static ef_status
verdict(ef_slice in, ef_nsm_request kind, ef_nsm_answer *a)
{
    ef_slice name;

    if (in.n > 12288)
        return EF_E_LIMIT;
    if (is_error(in, &name))
        return twin_same(name, "ReadOnlyIndex", 13) ? EF_E_POLICY : EF_E_IO;
    return is_answer(in, kind, a) ? EF_OK : EF_E_FORMAT;
}

static void
parse(ef_slice in, ef_nsm_request kind)
{
    ef_nsm_answer want = {.locked = 0}, got;
    ef_err err = {0};
    ef_status twin = verdict(in, kind, &want);
    ef_status rc = ef_nsm_answer_parse(&got, in, kind, &err);

    FUZZ_ASSERT(rc == twin ||
                /* nested too deep */
                (twin == EF_E_FORMAT && rc == EF_E_LIMIT && in.n <= 12288));
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, in.n);
        return;
    }
    FUZZ_ASSERT(got.document.p == want.document.p &&
                got.document.n == want.document.n);
    FUZZ_ASSERT(got.pcr.p == want.pcr.p && got.pcr.n == want.pcr.n);
    FUZZ_ASSERT(got.locked == want.locked);
}

/* --- the twin of the writer --- */

static size_t
put(unsigned char *to, size_t at, unsigned major, const void *p, size_t n)
{
    if (n > 255) {
        to[at++] = (unsigned char)(major * 32 + 25);
        to[at++] = (unsigned char)(n / 256);
    } else if (n > 23) {
        to[at++] = (unsigned char)(major * 32 + 24);
    }
    to[at] = (unsigned char)(n > 23 ? n % 256 : major * 32 + n);
    at++;
    if (p != NULL && n > 0)
        memcpy(to + at, p, n);
    return p != NULL ? at + n : at;
}

static size_t
put_name(unsigned char *to, size_t at, const char *name)
{
    return put(to, at, 3, name, strlen(name));
}

/* A document's parameters, each a piece of in or nothing. */
static void
attest(ef_slice in, uint32_t seed)
{
    static const char *const names[] = {"user_data", "nonce", "public_key"};
    static const size_t most[] = {512, 512, 1024};
    unsigned char want[4096];
    ef_slice three[3];
    size_t at, k, n;
    ef_status right = EF_OK, rc;
    ef_buf out = {0};

    for (k = 0; k < 3; k++) {
        n = in.n > 0 ? pick(&seed, 1100) % (in.n + 1) : 0;
        three[k] =
            pick(&seed, 4) == 0 ? twin_slice(NULL, 0) : twin_slice(in.p, n);
        if (n > most[k] && three[k].p != NULL)
            right = EF_E_LIMIT;
    }
    if (right == EF_OK && three[2].p != NULL && three[2].n == 0)
        right = EF_E_FORMAT;
    rc = ef_nsm_attest(&out, three[0], three[1], three[2], NULL);
    FUZZ_ASSERT(rc == right || rc == EF_E_MEMORY);
    if (rc == EF_OK) {
        at = put(want, 0, 5, NULL, 1);
        at = put_name(want, at, "Attestation");
        at = put(want, at, 5, NULL, 3);
        for (k = 0; k < 3; k++) {
            at = put_name(want, at, names[k]);
            if (three[k].p == NULL)
                want[at++] = 0xf6;
            else
                at = put(want, at, 2, three[k].p, three[k].n);
        }
        FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), want, at));
    }
    ef_buf_free(&out);
}

/* The others, of any register. */
static void
small(ef_slice in, uint32_t index)
{
    static const char *const names[] = {"ExtendPCR", "LockPCRs", "DescribePCR"};
    unsigned char want[1024];
    size_t at, k;

    for (k = 0; k < 3; k++) {
        ef_buf out = {0};
        ef_status rc, right = index < (k == 1 ? 33 : 32) ? EF_OK : EF_E_FORMAT;

        if (k == 0 && right == EF_OK)
            right = in.n == 0 ? EF_E_FORMAT : in.n > 512 ? EF_E_LIMIT : EF_OK;
        rc = k == 0   ? ef_nsm_extend(&out, index, in, NULL)
             : k == 1 ? ef_nsm_lock(&out, index, NULL)
                      : ef_nsm_describe(&out, index, NULL);
        FUZZ_ASSERT(rc == right || rc == EF_E_MEMORY);
        if (rc == EF_OK) {
            at = put(want, 0, 5, NULL, 1);
            at = put_name(want, at, names[k]);
            at = put(want, at, 5, NULL, k == 0 ? 2 : 1);
            at = put_name(want, at, k == 1 ? "range" : "index");
            at = put(want, at, 0, NULL, index);
            if (k == 0) {
                at = put_name(want, at, "data");
                at = put(want, at, 2, in.p, in.n);
            }
            FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), want, at));
        }
        ef_buf_free(&out);
    }
}

/* --- the device --- */

enum { NO_DEVICE, GIVES_INPUT, LIES, ACTS };

static int
zero_register(const unsigned char pcr[48])
{
    static const unsigned char zeros[48];

    return memcmp(pcr, zeros, 48) == 0;
}

static struct {
    int how;
    ef_slice text;            /* GIVES_INPUT */
    uint32_t seed;            /* ACTS: what others do */
    unsigned char pcr[48];    /* of PCR16 */
    int locked, locked_by_us; /* locked_by_us: by a request */
} device;

static size_t
describe(unsigned char *to)
{
    size_t at = put(to, 0, 5, NULL, 1);

    at = put_name(to, at, "DescribePCR");
    at = put(to, at, 5, NULL, 2);
    at = put_name(to, at, "data");
    at = put(to, at, 2, device.pcr, 48);
    at = put_name(to, at, "lock");
    to[at++] = device.locked ? 0xf5 : 0xf4;
    return at;
}

/* SHA-384 of what the register holds and data. */
static void
extended(const void *data, size_t n)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();

    FUZZ_ASSERT(EVP_DigestInit_ex(h, EVP_sha384(), NULL) == 1 &&
                EVP_DigestUpdate(h, device.pcr, 48) == 1 &&
                EVP_DigestUpdate(h, data, n) == 1 &&
                EVP_DigestFinal_ex(h, device.pcr, NULL) == 1);
    EVP_MD_CTX_free(h);
}

static size_t
extend(unsigned char *to, const unsigned char *request, size_t n)
{
    size_t at = put(to, 0, 5, NULL, 1);

    if (device.locked) {
        at = put_name(to, at, "Error");
        return put_name(to, at, "ReadOnlyIndex");
    }
    extended(request + n - 32, 32);
    at = put_name(to, at, "ExtendPCR");
    at = put(to, at, 5, NULL, 1);
    at = put_name(to, at, "data");
    return put(to, at, 2, device.pcr, 48);
}

static size_t
act(unsigned char *to, const unsigned char *request, size_t n)
{
    size_t what = pick(&device.seed, 12);

    if (what == 0 && !device.locked) /* somebody else extends or locks it */
        extended("other", 5);
    if (what == 1)
        device.locked = 1;
    if (n > 2 && request[2] == 'D')
        return describe(to);
    if (n > 2 && request[2] == 'E')
        return extend(to, request, n);
    if (what != 2) /* else it says so, and does not */
        device.locked = device.locked_by_us = 1;
    return put_name(to, 0, "LockPCRs");
}

int
fuzz_ioctl(int fd, unsigned long number, ...)
{
    struct nsm_raw *raw;
    va_list ap;

    va_start(ap, number);
    raw = va_arg(ap, struct nsm_raw *);
    va_end(ap);
    (void)fd;
    FUZZ_ASSERT(number == 0xC0200A00UL && raw->answer_n == 12288);
    if (device.how == NO_DEVICE) {
        static const int errors[] = {EINVAL, ENOTTY, ETIMEDOUT, EPERM, EIO};

        errno = errors[pick(&device.seed, 5)];
        return -1;
    }
    if (device.how == ACTS) {
        raw->answer_n = act((unsigned char *)(uintptr_t)raw->answer,
                            (const unsigned char *)(uintptr_t)raw->request,
                            (size_t)raw->request_n);
        return 0;
    }
    raw->answer_n = device.how == LIES      ? 12289
                    : device.text.n < 12288 ? device.text.n
                                            : 12288;
    if (device.how != LIES && raw->answer_n > 0)
        memcpy((void *)(uintptr_t)raw->answer, device.text.p,
               (size_t)raw->answer_n);
    return 0;
}

/* A document through the device: what the parser gives. */
static void
document(void)
{
    ef_slice text = twin_slice(device.text.p,
                               device.text.n < 12288 ? device.text.n : 12288);
    ef_nsm_answer want = {.locked = 0};
    ef_status right = device.how == NO_DEVICE ? EF_E_IO
                      : device.how == LIES    ? EF_E_LIMIT
                      : device.how == ACTS
                          ? EF_E_FORMAT /* it has none */
                          : verdict(text, EF_NSM_ATTEST, &want);
    ef_slice none = {NULL, 0};
    ef_buf doc = {0};
    ef_err err = {0};
    ef_status rc = nsm_document(3, &doc, none, none, none, &err);

    FUZZ_ASSERT(rc == right || rc == EF_E_MEMORY ||
                (right == EF_E_FORMAT && rc == EF_E_LIMIT));
    FUZZ_ASSERT(rc != EF_OK || twin_same(twin_slice(doc.p, doc.n),
                                         want.document.p, want.document.n));
    FUZZ_ASSERT(rc == EF_OK || (doc.n == 0 && err.msg != NULL));
    FUZZ_ASSERT(rc == EF_OK || rc == EF_E_MEMORY ||
                strcmp(err.where, "/dev/nsm") == 0);
    ef_buf_free(&doc);
}

static void
bind_to(ef_slice text, uint32_t seed)
{
    unsigned char id[32] = {1}, want[48], first[48];
    ef_err err = {0};
    ef_status rc;
    int zeros;

    memcpy(id, text.p, text.n < 32 ? text.n : 32);
    memset(device.pcr, 0, 48);
    extended(id, 32);
    memcpy(want, device.pcr, 48);
    device.seed = seed;
    device.locked_by_us = 0;
    device.locked = pick(&device.seed, 4) == 0;
    switch (pick(&device.seed, 4)) {
    case 0: /* as another run of ours left it */
        break;
    case 1:
        extended("other", 5);
        break;
    default:
        memset(device.pcr, 0, 48);
    }
    zeros = zero_register(device.pcr);
    memcpy(first, device.pcr, 48);
    rc = nsm_bind(3, id, &err);
    if (device.how == ACTS && rc == EF_OK)
        FUZZ_ASSERT(device.locked && memcmp(device.pcr, want, 48) == 0);
    if (device.how == ACTS && !zeros && memcmp(first, want, 48) != 0)
        FUZZ_ASSERT(rc != EF_OK && !device.locked_by_us);
    if (device.how == ACTS && rc != EF_OK)
        FUZZ_ASSERT(rc == EF_E_POLICY || rc == EF_E_MEMORY);
    if (rc != EF_OK)
        FUZZ_ASSERT(err.msg != NULL);
    else
        FUZZ_ASSERT(device.how == ACTS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t kind = fuzz_byte(&in) % 4, how = fuzz_byte(&in) % 4;
    uint32_t seed = fuzz_u32(&in);
    uint8_t starve = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    parse(text, (ef_nsm_request)kind);
    fuzz_alloc_left = starve;
    attest(text, seed);
    small(text, seed % 40);
    device.how = how;
    device.text = text;
    device.seed = seed;
    document();
    bind_to(text, seed);
    fuzz_alloc_left = 0;
    free(block);
    return 0;
}
