/*
 * Target   dataset files (section 8: ef_open_*; section 13: the input of a
 *          run, which gets its name only when it is authentic).
 * Input    plaintext | what to do to the sealed file, where, how to split,
 *          nonce, key
 * Claims   what OpenSSL seals opens in pieces of any size, all but the last 16
 *          bytes seen at once; a file with a bit flipped, cut short or made
 *          longer never opens, nor does any other text; the file of a run's
 *          input has the plaintext, or is not there, and no descriptor and no
 *          other file is left.
 * Covers   ef_open_init ef_open_push ef_open_end open_some open_too_short
 *          open_auth_failed run_input_begin run_input_sink run_input_end
 *          run_input_free
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

/* The same through a run's input, to the file WORK/NAME. */
static ef_status
open_run(const char *path, ef_slice file, uint32_t seed, ef_err *err)
{
    static unsigned char scratch[RUN_PIECE_BYTES];
    static ef_credentials cred;
    struct run_dataset set = {.cred = &cred};
    struct run_input in = {.set = &set, .scratch = scratch};
    size_t at = 0, n;
    ef_status rc = EF_OK;

    memcpy(cred.key, key, sizeof key);
    ef_buf_str(&in.path, path);
    while (rc == EF_OK && at < file.n) {
        n = twin_step(&seed, file.n - at);
        rc = run_input_sink(&in, slice(file.p + at, n), err);
        at += n;
    }
    if (rc == EF_OK && seed % 7 != 0) /* else the connection was cut */
        rc = run_input_end(&in, err);
    else
        rc = reject(err, EF_E_NETWORK, EF_NOWHERE, "cut");
    run_input_free(&in);
    ef_buf_free(&in.path);
    return rc;
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
as_input(ef_slice file, const ef_slice *plain, uint32_t seed)
{
    char folder[] = FOLDER, path[sizeof folder + 8];
    int lowest = dup(0);
    ef_err err = {0};
    ef_status rc;

    close(lowest);
    FUZZ_ASSERT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/name", folder);
    rc = open_run(path, file, seed, &err);
    if (rc == EF_OK) {
        FUZZ_ASSERT(plain != NULL);
        same_file(path, *plain);
        FUZZ_ASSERT(unlink(path) == 0);
    } else {
        fuzz_refused(rc, &err, file.n);
        FUZZ_ASSERT(access(path, F_OK) != 0);
    }
    FUZZ_ASSERT(rmdir(folder) == 0); /* nothing else was in it */
    FUZZ_ASSERT(dup(0) == lowest);
    close(lowest);
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

    fuzz_bytes(&in, nonce, sizeof nonce);
    fuzz_bytes(&in, key, sizeof key);
    FUZZ_REACHED();
    sealed(in, how, where, seed, nonce);
    memset(key, 0x5a, sizeof key); /* no seed was sealed with this one */
    must_fail(twin_slice(in.p, in.n), seed);
    return 0;
}
