/*
 * nsm.c -- the Nitro security module's stand-in: answers requests as the
 * module does, and signs documents with a test's own keys (OpenSSL).
 * nsm_preload.c puts it behind open and ioctl of one process, guest_nsm.c
 * behind a real device of the booted guest.
 *
 * Its folder, which tests/nsm.py makes:
 *
 *   state          lines: "module_id ID", "pcr N HEX" (N below 16; zeros where
 *                  there is none), "clock MS" (without it the machine's),
 *                  "form definite" (older firmware's documents)
 *   leaf.key       P-384, PEM; leaf.der is its certificate
 *   chain/N.der    the cabundle: 0 is the root
 *   registers      what became of PCR16 to PCR31: lines "N HEX 0|1", 1:
 *                  locked. Written by this; removed, it is a new enclave
 *
 * Written from the module's documentation, with a CBOR reader of its own; it
 * shares no code with encflow. Meant for one caller at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "nsm.h"

enum { PCRS = 32, PCR_BYTES = 48, DER_MAX = 1024, CHAIN_MAX = 8 };

struct nsm {
    const char *folder;
    char module_id[128];
    unsigned char pcr[PCRS][PCR_BYTES];
    int locked[PCRS];
    int definite;
    uint64_t clock; /* ms */
};

/* ----- bytes that are written */

struct out {
    unsigned char *p;
    size_t n, max;
};

static void
put(struct out *o, const void *p, size_t n)
{
    if (n > o->max - o->n)
        n = o->max - o->n; /* the caller made room: does not happen */
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void
put_byte(struct out *o, unsigned c)
{
    unsigned char byte = (unsigned char)c;

    put(o, &byte, 1);
}

static void
put_head(struct out *o, unsigned major, uint64_t v)
{
    if (v < 24) {
        put_byte(o, major * 32 + (unsigned)v);
    } else if (v < 256) {
        put_byte(o, major * 32 + 24);
        put_byte(o, (unsigned)v);
    } else {
        put_byte(o, major * 32 + 25);
        put_byte(o, (unsigned)(v >> 8));
        put_byte(o, (unsigned)(v & 255));
    }
}

static void
put_text(struct out *o, const char *s)
{
    put_head(o, 3, strlen(s));
    put(o, s, strlen(s));
}

static void
put_bytes(struct out *o, const unsigned char *p, size_t n)
{
    if (p == NULL) {
        put_byte(o, 0xf6); /* null */
        return;
    }
    put_head(o, 2, n);
    put(o, p, n);
}

/* ----- the folder */

static FILE *
folder_open(const struct nsm *m, const char *name, const char *mode)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", m->folder, name);
    return fopen(path, mode);
}

/* The size, 0 where there is no such file. */
static size_t
folder_read(const struct nsm *m, const char *name, unsigned char *p, size_t max)
{
    FILE *f = folder_open(m, name, "rb");
    size_t n = f != NULL ? fread(p, 1, max, f) : 0;

    if (f != NULL)
        fclose(f);
    return n;
}

static int
unhex(unsigned char pcr[PCR_BYTES], const char *hex)
{
    size_t i;
    unsigned byte;

    for (i = 0; i < PCR_BYTES; i++)
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return 0;
        else
            pcr[i] = (unsigned char)byte;
    return 1;
}

static int
load(struct nsm *m)
{
    char line[512], hex[128];
    unsigned i, locked;
    struct timespec now;
    FILE *f = folder_open(m, "state", "r");

    clock_gettime(CLOCK_REALTIME, &now);
    m->clock =
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / UINT64_C(1000000);
    for (i = 0; i < 16; i++)
        m->locked[i] = 1; /* by the hypervisor, before anything runs */
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "pcr %u %127s", &i, hex) == 2 && i < 16)
            unhex(m->pcr[i], hex);
        sscanf(line, "clock %lu", &m->clock);
        sscanf(line, "module_id %127s", m->module_id);
        if (strcmp(line, "form definite\n") == 0)
            m->definite = 1;
    }
    fclose(f);
    if ((f = folder_open(m, "registers", "r")) == NULL)
        return 1;
    while (fscanf(f, "%u %127s %u", &i, hex, &locked) == 3)
        if (i >= 16 && i < PCRS && unhex(m->pcr[i], hex))
            m->locked[i] = locked != 0;
    fclose(f);
    return 1;
}

static int
store(const struct nsm *m)
{
    FILE *f = folder_open(m, "registers", "w");
    size_t i, k;

    if (f == NULL)
        return 0;
    for (i = 16; i < PCRS; i++) {
        fprintf(f, "%zu ", i);
        for (k = 0; k < PCR_BYTES; k++)
            fprintf(f, "%02x", m->pcr[i][k]);
        fprintf(f, " %d\n", m->locked[i]);
    }
    return fclose(f) == 0;
}

/* ----- a request, taken apart */

struct in {
    const unsigned char *p;
    size_t n, at;
};

struct bytes {
    const unsigned char *p; /* NULL: null, or not there */
    size_t n;
};

struct request {
    char name[32];
    struct bytes user_data, nonce, public_key, data;
    uint64_t index, range;
    unsigned has; /* a bit for each of fields[] */
};

static const char *const fields[] = {"user_data", "nonce", "public_key",
                                     "data",      "index", "range"};
enum { FIELDS = 6 };

/* The head of the next item: its major type, or -1. */
static int
get_head(struct in *in, uint64_t *v)
{
    unsigned c, i, n;

    if (in->at >= in->n)
        return -1;
    c = in->p[in->at++];
    *v = c % 32;
    if (*v < 24)
        return (int)(c / 32);
    if (*v > 26)
        return -1;
    n = 1u << (*v - 24);
    if (in->n - in->at < n)
        return -1;
    for (i = 0, *v = 0; i < n; i++)
        *v = *v * 256 + in->p[in->at++];
    return (int)(c / 32);
}

/* A string of this major type. */
static int
get_string(struct in *in, int major, struct bytes *s)
{
    uint64_t n;

    if (get_head(in, &n) != major || n > in->n - in->at)
        return 0;
    s->p = in->p + in->at;
    s->n = (size_t)n;
    in->at += (size_t)n;
    return 1;
}

static int
get_field(struct in *in, struct request *r)
{
    struct bytes *strings[] = {&r->user_data, &r->nonce, &r->public_key,
                               &r->data};
    struct bytes name;
    size_t k = 0;

    if (!get_string(in, 3, &name))
        return 0;
    while (k < FIELDS && (strlen(fields[k]) != name.n ||
                          memcmp(fields[k], name.p, name.n) != 0))
        k++;
    if (k == FIELDS || (r->has >> k & 1) != 0)
        return 0;
    r->has |= 1u << k;
    if (k >= 4)
        return get_head(in, k == 4 ? &r->index : &r->range) == 0;
    if (in->at < in->n && in->p[in->at] == 0xf6) {
        in->at++;
        return k < 3;
    }
    return get_string(in, 2, strings[k]);
}

static int
get_request(struct in *in, struct request *r)
{
    struct bytes name;
    uint64_t n;

    if (get_head(in, &n) != 5 || n != 1 || !get_string(in, 3, &name) ||
        name.n >= sizeof r->name || get_head(in, &n) != 5)
        return 0;
    memcpy(r->name, name.p, name.n);
    for (; n > 0; n--)
        if (!get_field(in, r))
            return 0;
    return in->at == in->n;
}

/* ----- answers */

static void
error(struct out *o, const char *name)
{
    put_head(o, 5, 1);
    put_text(o, "Error");
    put_text(o, name);
}

static void
begin(struct out *o, const char *name, size_t n)
{
    put_head(o, 5, 1);
    put_text(o, name);
    put_head(o, 5, n);
}

static void
describe(const struct nsm *m, struct out *o, const struct request *r)
{
    if (r->index >= PCRS) {
        error(o, "InvalidIndex");
        return;
    }
    begin(o, "DescribePCR", 2);
    put_text(o, "lock");
    put_byte(o, m->locked[r->index] ? 0xf5 : 0xf4);
    put_text(o, "data");
    put_bytes(o, m->pcr[r->index], PCR_BYTES);
}

static void
extend(struct nsm *m, struct out *o, const struct request *r)
{
    unsigned char both[PCR_BYTES + 512];

    if (r->index >= PCRS) {
        error(o, "InvalidIndex");
    } else if (r->data.n == 0 || r->data.n > 512) {
        error(o, "InvalidArgument");
    } else if (m->locked[r->index]) {
        error(o, "ReadOnlyIndex");
    } else {
        memcpy(both, m->pcr[r->index], PCR_BYTES);
        memcpy(both + PCR_BYTES, r->data.p, r->data.n);
        SHA384(both, PCR_BYTES + r->data.n, m->pcr[r->index]);
        begin(o, "ExtendPCR", 1);
        put_text(o, "data");
        put_bytes(o, m->pcr[r->index], PCR_BYTES);
    }
}

static void
lock(struct nsm *m, struct out *o, const struct request *r)
{
    uint64_t i;

    if (r->range > PCRS) {
        error(o, "InvalidIndex");
        return;
    }
    for (i = 0; i < r->range; i++)
        m->locked[i] = 1;
    put_text(o, "LockPCRs");
}

/* What is signed. */
static int
payload(const struct nsm *m, struct out *o, const struct request *r)
{
    unsigned char der[DER_MAX];
    char name[32];
    size_t n, i, count = 0;
    int shift;

    put_byte(o, m->definite ? 0xa9 : 0xbf);
    put_text(o, "module_id");
    put_text(o, m->module_id);
    put_text(o, "digest");
    put_text(o, "SHA384");
    put_text(o, "timestamp");
    put_byte(o, 0x1b);
    for (shift = 56; shift >= 0; shift -= 8)
        put_byte(o, (unsigned)(m->clock >> shift & 255));
    put_text(o, "pcrs");
    for (i = 0; i < PCRS; i++)
        count += m->locked[i] != 0;
    put_head(o, 5, count);
    for (i = 0; i < PCRS; i++)
        if (m->locked[i]) {
            put_head(o, 0, i);
            put_bytes(o, m->pcr[i], PCR_BYTES);
        }
    put_text(o, "certificate");
    n = folder_read(m, "leaf.der", der, sizeof der);
    put_bytes(o, der, n);
    put_text(o, "cabundle");
    for (count = 0; count < CHAIN_MAX; count++) {
        snprintf(name, sizeof name, "chain/%zu.der", count);
        if (folder_read(m, name, der, sizeof der) == 0)
            break;
    }
    put_head(o, 4, count);
    for (i = 0; i < count; i++) {
        snprintf(name, sizeof name, "chain/%zu.der", i);
        put_bytes(o, der, folder_read(m, name, der, sizeof der));
    }
    put_text(o, "public_key");
    put_bytes(o, r->public_key.p, r->public_key.n);
    put_text(o, "user_data");
    put_bytes(o, r->user_data.p, r->user_data.n);
    put_text(o, "nonce");
    put_bytes(o, r->nonce.p, r->nonce.n);
    if (!m->definite)
        put_byte(o, 0xff);
    return n > 0 && count > 0;
}

/* r and s of 48 bytes each, over what OpenSSL hashes by SHA-384. */
static int
sign(const struct nsm *m, unsigned char rs[96], const struct out *what)
{
    unsigned char der[160];
    const unsigned char *p = der;
    size_t n = sizeof der;
    FILE *f = folder_open(m, "leaf.key", "r");
    EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig = NULL;
    int good = key != NULL &&
               EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
               EVP_DigestSign(ctx, der, &n, what->p, what->n) == 1 &&
               (sig = d2i_ECDSA_SIG(NULL, &p, (long)n)) != NULL &&
               BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, 48) == 48 &&
               BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + 48, 48) == 48;

    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    if (f != NULL)
        fclose(f);
    return good;
}

/* COSE_Sign1 around the payload (RFC 9052). 0: the folder is at fault. */
static int
attest(const struct nsm *m, struct out *o, const struct request *r)
{
    static const unsigned char protected[] = {0x44, 0xa1, 0x01, 0x38, 0x22};
    unsigned char body[8192], tbs[8300], doc[8400], rs[96];
    struct out b = {body, 0, sizeof body}, t = {tbs, 0, sizeof tbs};
    struct out d = {doc, 0, sizeof doc};

    if (r->user_data.n > 1024 || r->nonce.n > 1024 || r->public_key.n > 1024) {
        error(o, "InputTooLarge");
        return 1;
    }
    put_head(&t, 4, 4);
    put_text(&t, "Signature1");
    put(&t, protected, sizeof protected);
    put_head(&t, 2, 0);
    put_head(&d, 4, 4);
    put(&d, protected, sizeof protected);
    put_head(&d, 5, 0);
    if (!payload(m, &b, r))
        return 0;
    put_bytes(&t, b.p, b.n);
    put_bytes(&d, b.p, b.n);
    if (!sign(m, rs, &t))
        return 0;
    put_bytes(&d, rs, sizeof rs);
    begin(o, "Attestation", 1);
    put_text(o, "document");
    put_bytes(o, d.p, d.n);
    return 1;
}

long
nsm_answer(const char *folder, const unsigned char *request, size_t n,
           unsigned char answer[NSM_ANSWER_MAX])
{
    struct nsm m = {.folder = folder};
    struct in in = {request, n, 0};
    struct request r = {.has = 0};
    struct out o = {answer, 0, NSM_ANSWER_MAX};
    int good = 1;

    if (n > NSM_REQUEST_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (!load(&m)) {
        fprintf(stderr, "nsm: no folder \"%s\"\n", folder);
        errno = EIO;
        return -1;
    }
    if (!get_request(&in, &r))
        error(&o, "InvalidArgument");
    else if (strcmp(r.name, "DescribePCR") == 0 && r.has == 1u << 4)
        describe(&m, &o, &r);
    else if (strcmp(r.name, "ExtendPCR") == 0 && r.has == 3u << 3)
        extend(&m, &o, &r);
    else if (strcmp(r.name, "LockPCRs") == 0 && r.has == 1u << 5)
        lock(&m, &o, &r);
    else if (strcmp(r.name, "Attestation") == 0 && r.has == 7)
        good = attest(&m, &o, &r);
    else
        error(&o, "InvalidOperation");
    if (!good || ((strcmp(r.name, "ExtendPCR") == 0 ||
                   strcmp(r.name, "LockPCRs") == 0) &&
                  !store(&m))) {
        fprintf(stderr, "nsm: something is wrong with \"%s\"\n", folder);
        errno = EIO;
        return -1;
    }
    return (long)o.n;
}
