/*
 * Target   dataset files (section 8: ef_open_*; section 11: an object on its
 *          way to a file, in order or in ranges side by side, which gets its
 *          name only when it is authentic).
 * Input    plaintext | what to do to the sealed file, where, how to split,
 *          nonce, key; where the first is 0xf0 or more, the plaintext may be
 *          made longer
 * Claims   what OpenSSL seals opens in pieces of any size, all but the last 16
 *          bytes seen at once, and also where its ranges come in any order,
 *          begin anew or interleave; a file with a bit flipped, cut short or
 *          made longer never opens, nor does any other text; the object's file
 *          has the plaintext, or is not there, and no descriptor and no other
 *          file is left. An object comes in ranges only where it is large, has
 *          an ETag, and its file takes bytes anywhere.
 * Covers   ef_open_init ef_open_push ef_open_end open_some open_too_short
 *          open_auth_failed store_input_begin store_input_sink
 *          store_input_restart store_input_end store_input_free get_decide
 *          get_sink get_sealed get_flush get_write get_range get_range_end
 *          get_restart get_verify get_finish
 * Seeds    vectors/container.txt    Dict  none
 */
#define main encflow_main
#include "../encflow.c"
#include "twin.h"

#define FOLDER "/dev/shm/encflow-fuzz-container-XXXXXX"

static unsigned char key[EF_KEY_BYTES];

/* Push file in pieces; the plaintext goes to out, which has room for all. */
static ef_status
open_pieces(ef_slice file, unsigned char *out, size_t *out_n, uint32_t seed,
            ef_err *err)
{
    ef_gcm *g = ef_gcm_new(key, NULL);
    size_t most = seed % 5 == 0 ? 3 : 70, at = 0, n, got;
    ef_open o;
    ef_status rc;

    *out_n = 0;
    ef_open_init(&o, g);
    while (at < file.n) {
        unsigned char *piece, *plain;

        n = twin_step(&seed, most) - 1; /* 0, too */
        n = n < file.n - at ? n : file.n - at;
        piece = fuzz_block(file.p + at, n);
        plain = fuzz_block(NULL, n);
        FUZZ_ASSERT(ef_open_push(&o, plain, &got, twin_slice(piece, n), err) ==
                    EF_OK);
        memcpy(out + *out_n, plain, got);
        at += n;
        *out_n += got;
        FUZZ_ASSERT(*out_n ==
                    (at > EF_OVERHEAD_BYTES ? at - EF_OVERHEAD_BYTES : 0));
        free(piece);
        free(plain);
    }
    rc = ef_open_end(&o, err);
    ef_gcm_free(g);
    return rc;
}

/* --- an object, as `get` and `run` have it --- */

/* What of it comes, and how. */
struct arrival {
    const char *path;
    ef_slice file;
    uint32_t seed;
    enum way { RUN, ORDER, RANGES, PLAIN_ORDER, PLAIN_RANGES } way;
};

static unsigned char bufs[HTTP_MAX_PARALLEL * GET_BUFFER_BYTES];

static void
object_begin(struct object_get *g, const struct arrival *a,
             struct store_net *net)
{
    size_t i;

    *g = (struct object_get){.key = a->way < PLAIN_ORDER ? key : NULL,
                             .net = net};
    g->in.key = key;
    g->in.scratch = bufs;
    ef_buf_str(&g->in.path, a->path);
    (void)buf_cstr(&g->in.path);
    for (i = 0; i < HTTP_MAX_PARALLEL; i++) {
        g->part[i] = (struct get_part){
            .g = g, .job = &g->job[i], .buf = bufs + i * GET_BUFFER_BYTES};
        g->job[i] = (struct store_job){.ctx = &g->part[i]};
    }
}

/* A piece of 1 to `most` bytes to the part's sink, in a block of its own. */
static ef_status
push(struct get_part *part, ef_slice file, uint32_t *seed, size_t most,
     ef_err *err)
{
    struct store_job *job = part->job;
    size_t at = (size_t)(job->from + job->got), n = twin_step(seed, most);
    unsigned char *piece;
    ef_status rc;

    n = n < job->to - at ? n : (size_t)(job->to - at);
    piece = fuzz_block(file.p + at, n);
    rc = get_sink(part, slice(piece, n), err);
    job->got += n;
    free(piece);
    return rc;
}

/* In order, as the input of a run. */
static ef_status
as_run(struct object_get *g, const struct arrival *a, ef_err *err)
{
    uint32_t seed = a->seed;
    ef_status rc = EF_OK;
    size_t at, n;

    for (at = 0; rc == EF_OK && at < a->file.n; at += n) {
        n = twin_step(&seed, a->file.n - at);
        rc = store_input_sink(&g->in, slice(a->file.p + at, n), err);
    }
    return rc;
}

/* In order, as a get; half way it may come again from its first byte. */
static ef_status
in_order(struct object_get *g, const struct arrival *a, ef_err *err)
{
    struct get_part *part = &g->part[0];
    uint32_t seed = a->seed;
    size_t again = seed % 3 == 0 ? a->file.n / 2 : a->file.n;
    ef_status rc = EF_OK;

    part->job->to = a->file.n;
    part->job->total = EF_UNKNOWN;
    while (rc == EF_OK && part->job->got < a->file.n) {
        rc = push(part, a->file, &seed, a->file.n, err);
        FUZZ_ASSERT(g->mode == GET_STREAM);
        if (rc != EF_OK || part->job->got < again)
            continue;
        if (again < a->file.n) {
            part->job->got = 0;
            rc = get_restart(part, err);
            FUZZ_ASSERT(g->mode == GET_UNKNOWN);
        }
        again = a->file.n;
    }
    return rc;
}

/* The next of all ranges for part: the first is the nonce and some blocks, as
 * get_again would set it up. 0: there is none. */
static int
next_range(struct object_get *g, struct get_part *part, uint32_t *seed)
{
    uint64_t blocks = twin_step(seed, g->total > 60000  ? 6000
                                      : g->total > 1000 ? 40
                                                        : 5) -
                      1;

    if (g->next >= g->total)
        return 0;
    part->job->got = 0;
    if (g->next > 0) {
        get_range(g, part, 16 * (blocks + 1));
        FUZZ_ASSERT(part->job->from % 16 == get_head(g));
        return 1;
    }
    g->next = get_head(g) + 16 * (blocks + (g->key == NULL));
    if (g->next > g->total || g->total - g->next <= EF_TAG_BYTES)
        g->next = g->total;
    part->job->to = g->next;
    return 1;
}

/* Ranges side by side. Which moves next is the seed's choice; the others wait
 * for the nonce, as get_again has it. */
static ef_status
in_ranges(struct object_get *g, const struct arrival *a, ef_err *err)
{
    uint32_t seed = a->seed;
    ef_status rc = EF_OK;
    int busy[HTTP_MAX_PARALLEL] = {1}, left = 1;

    g->mode = GET_RANGES;
    g->total = a->file.n;
    (void)next_range(g, &g->part[0], &seed);
    while (rc == EF_OK && (left > 0 || g->next < g->total)) {
        size_t i = twin_step(&seed, HTTP_MAX_PARALLEL) - 1;
        struct store_job *job = &g->job[i];

        if (g->key != NULL && g->job[0].from + g->job[0].got < EF_NONCE_BYTES) {
            rc = push(&g->part[0], a->file, &seed, 300, err);
        } else if (!busy[i]) {
            busy[i] = next_range(g, &g->part[i], &seed);
            left += busy[i];
        } else if (job->got < job->to - job->from) {
            rc = push(&g->part[i], a->file, &seed, 300, err);
        } else {
            rc = get_range_end(&g->part[i], err);
            busy[i] = 0;
            left--;
        }
    }
    return rc;
}

/* To the file, or to nothing. */
static ef_status
open_object(const struct arrival *a, ef_err *err)
{
    struct object_get *g = fuzz_block(NULL, sizeof *g);
    struct store_net net = {.multi = NULL};
    int spool = -1;
    ef_status rc;

    object_begin(g, a, &net);
    if (a->way == RUN)
        rc = as_run(g, a, err);
    else if ((rc = store_input_begin(&g->in, err)) == EF_OK)
        rc = a->way == ORDER || a->way == PLAIN_ORDER ? in_order(g, a, err)
                                                      : in_ranges(g, a, err);
    if (rc == EF_OK && a->seed % 7 == 0)
        rc = reject(err, EF_E_NETWORK, EF_NOWHERE, "cut");
    if (rc == EF_OK && a->seed % 7 == 1 && g->in.begun) {
        rc = get_finish(g, &spool, err); /* as it is, for somebody else */
        FUZZ_ASSERT(rc == EF_OK && lseek(spool, 0, SEEK_CUR) == 0);
        close(spool);
        rc = reject(err, EF_E_NETWORK, EF_NOWHERE, "not for us");
    }
    if (rc == EF_OK)
        rc = get_finish(g, NULL, err);
    store_input_free(&g->in);
    ef_buf_free(&g->in.path);
    free(g);
    return rc;
}

/* When does an object come in ranges? */
static void
decide(uint32_t a, uint32_t b)
{
    struct object_get g = {.key = b % 2 != 0 ? key : NULL};
    struct store_net net = {.multi = NULL};
    uint64_t edge = UINT64_C(64) << 20;
    struct store_job job = {.to = b % 8 < 6 ? edge / 8 : 0,
                            .total = edge - 2 + a % 5};
    ef_err err = {0};

    if (a % 7 == 0)
        job.total = a % 2 ? EF_UNKNOWN : a >> 8;
    if (b % 5 != 0)
        memcpy(job.pin, "\"a\"", 4);
    g.net = &net;
    g.stream = b % 11 == 0;
    get_decide(&g, &job);
    FUZZ_ASSERT((g.mode == GET_RANGES) ==
                (job.total != EF_UNKNOWN && job.total > edge && b % 5 != 0 &&
                 !g.stream && job.to != 0));
    FUZZ_ASSERT(strcmp(g.pin, job.pin) == 0);
    FUZZ_ASSERT(g.mode == GET_STREAM || g.next == job.to);
    /* what a pipe has is gone; and what GCM has no room for is refused */
    FUZZ_ASSERT(!g.stream ||
                get_restart(&(struct get_part){.g = &g}, &err) == EF_E_NETWORK);
    g.mode = GET_RANGES;
    g.total = EF_MAX_PLAINTEXT_BYTES + EF_OVERHEAD_BYTES + 1 + a;
    FUZZ_ASSERT(g.key == NULL ||
                get_sink(&(struct get_part){.g = &g, .job = &job},
                         slice(key, 1), &err) == EF_E_LIMIT);
}

static void
same_file(const char *path, ef_slice want)
{
    unsigned char *got = fuzz_block(NULL, want.n + 1);
    FILE *f = fopen(path, "rb");

    FUZZ_ASSERT(f != NULL && fread(got, 1, want.n + 1, f) == want.n);
    FUZZ_ASSERT(want.n == 0 || memcmp(got, want.p, want.n) == 0);
    fclose(f);
    free(got);
}

/* plain: NULL where the file must not open. */
static void
as_object(ef_slice file, const ef_slice *plain, uint32_t seed, enum way way)
{
    struct arrival a = {.file = file, .seed = seed, .way = way};
    char folder[] = FOLDER, path[sizeof folder + 8];
    int lowest = dup(0);
    ef_err err = {0};
    ef_status rc;

    close(lowest);
    FUZZ_ASSERT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/name", folder);
    a.path = path;
    rc = open_object(&a, &err);
    if (rc == EF_OK) {
        FUZZ_ASSERT(plain != NULL);
        same_file(path, *plain);
        FUZZ_ASSERT(unlink(path) == 0);
    } else {
        FUZZ_ASSERT(plain == NULL || seed % 7 < 2);
        fuzz_refused(rc, &err, file.n);
        FUZZ_ASSERT(access(path, F_OK) != 0);
    }
    FUZZ_ASSERT(rmdir(folder) == 0); /* nothing else was in it */
    FUZZ_ASSERT(dup(0) == lowest);
    close(lowest);
}

/* All ways; ranges want at least the nonce and the tag. */
static void
as_input(ef_slice file, const ef_slice *plain, uint32_t seed)
{
    as_object(file, plain, seed, RUN);
    as_object(file, plain, seed, ORDER);
    if (file.n >= EF_OVERHEAD_BYTES)
        as_object(file, plain, seed, RANGES);
    as_object(file, &file, seed, PLAIN_ORDER);
    if (file.n > 0)
        as_object(file, &file, seed, PLAIN_RANGES);
}

/* Must not open: how is EF_E_AUTH, or EF_E_FORMAT for less than 28 bytes. */
static void
must_fail(ef_slice file, uint32_t seed)
{
    unsigned char *out = fuzz_block(NULL, file.n + 1);
    ef_err err = {0};
    size_t n;
    ef_status rc = open_pieces(file, out, &n, seed, &err);

    FUZZ_ASSERT(rc == (file.n < EF_OVERHEAD_BYTES ? EF_E_FORMAT : EF_E_AUTH));
    fuzz_refused(rc, &err, file.n);
    FUZZ_ASSERT(err.hint != NULL);
    as_input(file, NULL, seed);
    free(out);
}

/* Flip a bit, take bytes away, or add some, at either end; never nothing. */
static ef_slice
change(const unsigned char *file, size_t n, uint8_t how, uint32_t where,
       void **block)
{
    size_t k = where % (n + 1);
    unsigned char *p = *block = fuzz_block(NULL, n + k + 1);

    memcpy(p + (how % 4 == 3 ? k + 1 : 0), file, n);
    if (how % 4 == 0)
        p[where / 8 % n] ^= (unsigned char)(1 << where % 8);
    else if (how % 4 == 1)
        n -= k > 0 ? k : 1;
    else {
        memset(p + (how % 4 == 3 ? 0 : n), how >> 2, k + 1);
        n += k + 1;
    }
    return twin_slice(p, n);
}

static void
sealed(struct fuzz_in in, uint8_t how, uint32_t where, uint32_t seed,
       const unsigned char nonce[EF_NONCE_BYTES])
{
    size_t n = in.n + EF_OVERHEAD_BYTES, out_n;
    unsigned char *file = fuzz_block(NULL, n), *out = fuzz_block(NULL, n);
    ef_slice plain = twin_slice(in.p, in.n);
    void *block;

    memcpy(file, nonce, EF_NONCE_BYTES);
    if (in.n > 0)
        memcpy(file + EF_NONCE_BYTES, in.p, in.n);
    twin_seal(file + EF_NONCE_BYTES, in.n, file + EF_NONCE_BYTES + in.n, key,
              nonce, twin_slice(NULL, 0));
    FUZZ_ASSERT(open_pieces(twin_slice(file, n), out, &out_n, seed, NULL) ==
                EF_OK);
    FUZZ_ASSERT(twin_same(plain, out, out_n));
    as_input(twin_slice(file, n), &plain, seed);
    must_fail(change(file, n, how, where, &block), seed);
    free(block);
    free(file);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in);
    uint32_t where = fuzz_u32(&in), seed = fuzz_u32(&in);
    unsigned char nonce[EF_NONCE_BYTES];
    void *block;
    ef_slice rest;

    fuzz_bytes(&in, nonce, sizeof nonce);
    fuzz_bytes(&in, key, sizeof key);
    rest = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (how >= 0xf0 && fuzz_seldom(data, size)) /* past a part's buffer */
        rest = fuzz_stretch(&block, rest, 0, "stretch", 10000);
    in.p = rest.p;
    in.n = rest.n;
    decide(where, seed);
    sealed(in, how, where, seed, nonce);
    memset(key, 0x5a, sizeof key); /* no seed was sealed with this one */
    must_fail(twin_slice(in.p, in.n), seed);
    free(block);
    return 0;
}
