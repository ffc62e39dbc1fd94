/*
 * Target   results (sections 8 and 13): ef_result_parse, ef_result_size,
 *          ef_result_read, and run_capture, which takes what the application
 *          prints.
 * Input    bytes | where they are divided into the two streams, return code,
 *          room left for output, how to read. The same bytes, parameters and
 *          all, are also parsed as a result.
 * Claims   what is captured is what was printed, up to the limit, and whether
 *          more came is told; a result reads, in pieces of any size and from
 *          any place, as jansson renders it; it parses to the same; a text is
 *          a result where jansson finds the members, the streams in strict
 *          base64 (OpenSSL's), a return code of -127 to 255. A receipt is read
 *          back as it stands; the hash of a result is OpenSSL's, of its text
 *          without one.
 * Covers   ef_result_size ef_result_read ef_result_parse res_split
 *          res_piece_size res_base64 res_returncode res_check_stream res_check
 *          res_stream res_receipt ef_result_hash run_capture
 * Seeds    vectors/result.txt    Dict  fuzz/dict/result.dict
 */
#define main encflow_main
#include "../encflow.c"
#include <jansson.h>
#include <openssl/sha.h>

#include "twin.h"

/* --- what the application prints --- */

static unsigned char captured[EF_MAX_APP_OUTPUT_BYTES];

/* Through a pipe, whose 64 KiB are enough, into a buffer with little room. */
static void
capture(ef_slice said, size_t room)
{
    struct run_app app = {.err_text = {.p = captured,
                                       .n = sizeof captured - room,
                                       .cap = sizeof captured}};
    const ef_buf *text = &app.err_text;
    size_t some = said.n < 32768 ? said.n : 32768;
    size_t want = some < room ? some : room;
    int fd[2];

    FUZZ_ASSERT(pipe(fd) == 0 && fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0);
    app.err = fd[0];
    FUZZ_ASSERT(run_capture(&app, 2)); /* none yet */
    FUZZ_ASSERT(some == 0 || write(fd[1], said.p, some) == (ssize_t)some);
    close(fd[1]);
    while (run_capture(&app, 2))
        ;
    close(fd[0]);
    FUZZ_ASSERT(app.lost == 0);
    app.err = -1; /* cannot be read */
    FUZZ_ASSERT(run_capture(&app, 2) == 0 && app.lost == EBADF);
    FUZZ_ASSERT(!text->failed && text->n == sizeof captured - room + want);
    FUZZ_ASSERT(
        twin_same(slice(said.p, want), captured + text->n - want, want));
    FUZZ_ASSERT(app.over == (some > room ? 2 : 0) && app.out_text.n == 0);
}

/* --- writing --- */

static char *
render(const ef_result *r)
{
    unsigned char *out = fuzz_block(NULL, EF_BASE64_BYTES(r->out.n) + 1);
    unsigned char *err = fuzz_block(NULL, EF_BASE64_BYTES(r->err.n) + 1);
    json_t *document;
    char *text;

    out[EVP_EncodeBlock(out, r->out.p, (int)r->out.n)] = '\0';
    err[EVP_EncodeBlock(err, r->err.p, (int)r->err.n)] = '\0';
    document = json_pack("{s:i, s:s, s:s}", "returncode", r->returncode,
                         "stdout", out, "stderr", err);
    text = json_dumps(document, JSON_PRESERVE_ORDER);
    FUZZ_ASSERT(text != NULL);
    json_decref(document);
    free(out);
    free(err);
    return text;
}

static void
read_pieces(const ef_result *r, const char *want, size_t n, uint32_t seed)
{
    size_t at = seed % (n + 1), k; /* from anywhere, to the end */

    for (; at < n; at += k) {
        unsigned char *piece;

        k = twin_step(&seed, seed % 3 == 0 ? 5 : 90);
        k = k < n - at ? k : n - at;
        piece = fuzz_block(NULL, k);
        ef_result_read(r, at, piece, k);
        FUZZ_ASSERT(memcmp(piece, want + at, k) == 0);
        free(piece);
    }
}

static void
written(const ef_result *r, uint32_t seed)
{
    char *want = render(r);
    size_t n = strlen(want);
    unsigned char *all = fuzz_block(NULL, n);
    ef_result back;

    FUZZ_ASSERT(ef_result_size(r) == n);
    ef_result_read(r, 0, all, n);
    FUZZ_ASSERT(memcmp(all, want, n) == 0);
    read_pieces(r, want, n, seed);
    FUZZ_ASSERT(ef_result_parse(&back, all, n, NULL) == EF_OK);
    FUZZ_ASSERT(back.returncode == r->returncode);
    FUZZ_ASSERT(twin_same(back.out, r->out.p, r->out.n));
    FUZZ_ASSERT(twin_same(back.err, r->err.p, r->err.n));
    free(all);
    free(want);
}

/* --- parsing --- */

/* 1 where the member is a string of strict base64 for what r has. Of r no
 * more is asked than got says. */
static int
stream_good(const json_t *member, const ef_slice *got)
{
    unsigned char *raw;
    long n;

    if (!json_is_string(member))
        return 0;
    n = twin_base64(&raw, json_string_value(member),
                    json_string_length(member));
    FUZZ_ASSERT(got == NULL || (n >= 0 && twin_same(*got, raw, (size_t)n)));
    free(raw);
    return n >= 0;
}

/* r is NULL where the text was refused. */
static int
twin_good(const json_t *document, const ef_result *r)
{
    json_t *code = json_object_get(document, "returncode");

    FUZZ_ASSERT(r == NULL || json_integer_value(code) == r->returncode);
    return json_is_integer(code) && json_integer_value(code) >= -127 &&
           json_integer_value(code) <= 255 &&
           stream_good(json_object_get(document, "stdout"),
                       r != NULL ? &r->out : NULL) &&
           stream_good(json_object_get(document, "stderr"),
                       r != NULL ? &r->err : NULL);
}

static void
parsed(ef_slice text, const json_t *document, int known)
{
    unsigned char *p = fuzz_block(text.p, text.n);
    ef_err err = {0};
    ef_result r;
    ef_status rc = ef_result_parse(&r, p, text.n, &err);

    if (rc == EF_OK) {
        FUZZ_ASSERT(!known || twin_good(document, &r));
        FUZZ_ASSERT(!known ||
                    (r.receipt.n > 0) ==
                        (json_object_get(document, "attestation") != NULL));
        r.receipt.n = 0; /* of the text itself, and not as jansson has it */
        written(&r, 0);
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(!known || !twin_good(document, NULL));
        FUZZ_ASSERT(document == NULL || err.place[0] != '\0');
    }
    free(p);
}

/* jansson has no room for numbers past a double or an int64, nor for a NUL in
 * a member's name: then nothing is known of the document, and only what holds
 * without a twin is claimed. */
static void
parse(ef_slice text)
{
    json_t *document = NULL;
    json_error_t why;
    ef_json doc;
    int known = 1;

    if (ef_json_parse(&doc, text, NULL) == EF_OK) {
        document = json_loadb((const char *)text.p, text.n,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        known = document != NULL;
        FUZZ_ASSERT(known ||
                    json_error_code(&why) == json_error_numeric_overflow ||
                    json_error_code(&why) == json_error_null_byte_in_key);
    }
    ef_json_free(&doc);
    parsed(text, document, known);
    json_decref(document);
}

/* A receipt is one member more, which is read back as it stands, and is not
 * in what it speaks of. */
static void
with_receipt(const ef_result *r, uint32_t seed)
{
    static const char *const some[] = {"{}", "{\"output\": [\"\\\"}\"]}",
                                       "null", "\"\""};
    unsigned char digest[EF_SHA256_BYTES], is[EF_SHA256_BYTES];
    ef_result with = *r, back;
    uint64_t n = ef_result_size(r);
    unsigned char *all = fuzz_block(NULL, (size_t)n);

    ef_result_read(r, 0, all, (size_t)n);
    SHA256(all, (size_t)n, digest);
    free(all);
    with.receipt = slice_str(some[seed % 4]);
    ef_result_hash(is, &with);
    FUZZ_ASSERT(memcmp(is, digest, sizeof is) == 0);
    FUZZ_ASSERT(ef_result_size(&with) == n + 17 + with.receipt.n);
    n = ef_result_size(&with);
    all = fuzz_block(NULL, (size_t)n);
    ef_result_read(&with, 0, all, (size_t)n);
    read_pieces(&with, (const char *)all, (size_t)n, seed);
    FUZZ_ASSERT(ef_result_parse(&back, all, (size_t)n, NULL) == EF_OK);
    FUZZ_ASSERT(twin_same(back.receipt, with.receipt.p, with.receipt.n));
    FUZZ_ASSERT(twin_same(back.out, r->out.p, r->out.n));
    FUZZ_ASSERT(twin_same(back.err, r->err.p, r->err.n));
    ef_result_hash(is, &back);
    FUZZ_ASSERT(memcmp(is, digest, sizeof is) == 0);
    free(all);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint32_t divide = fuzz_u32(&in), seed = fuzz_u32(&in);
    uint32_t room = fuzz_u32(&in);
    int code = fuzz_byte(&in);
    void *all, *block;
    ef_slice bytes = fuzz_rest(&in, &block);
    ef_result r = {0, bytes, {NULL, 0}, {NULL, 0}};

    r.returncode = code < 128 ? 2 * code : code < 255 ? 127 - code : 255;
    all = fuzz_block(data, size);
    r.out.n = divide % (bytes.n + 1);
    r.err = slice(bytes.p + r.out.n, bytes.n - r.out.n);
    FUZZ_REACHED();
    capture(bytes, room % (bytes.n + 9));
    written(&r, seed);
    with_receipt(&r, seed);
    parse(slice(all, size));
    free(all);
    free(block);
    return 0;
}
