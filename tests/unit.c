/*
 * unit.c -- the library's unit tests: every vector file, and properties.
 *
 * Run from the repository's root, where vectors/ is. A failed check prints
 * where it stands and, for a vector, the record's file, line and id; the test
 * goes on, so that one run shows all of them, and fails at its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <bearssl.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "encflow.h"
#include "vectors.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNIT_ASAN 1
#endif
#endif

/* ----------------------------------------------------------------------- *
 * Checks                                                                  *
 * ----------------------------------------------------------------------- */

#define MAX_SHOWN 20 /* failures printed per test */

static unsigned long failures;    /* of the test under way */
static const struct vec_rec *rec; /* the record under way, or NULL */
static char about[128];           /* more about what is under way */

static void
failed(int line)
{
    if (failures++ >= MAX_SHOWN)
        return;
    fprintf(stderr, "tests/unit.c:%d: ", line);
    if (rec != NULL)
        fprintf(stderr, "%s:%u: %s: ", rec->path, rec->line, rec->id);
    if (*about != 0)
        fprintf(stderr, "(%s) ", about);
}

static int
check(int ok, const char *text, int line)
{
    if (!ok) {
        failed(line);
        if (failures <= MAX_SHOWN)
            fprintf(stderr, "does not hold: %s\n", text);
    }
    return ok;
}
#define CHECK(cond) check((cond) != 0, #cond, __LINE__)

static int
check_int(int64_t got, int64_t want, const char *text, int line)
{
    if (got != want) {
        failed(line);
        if (failures <= MAX_SHOWN)
            fprintf(stderr, "%s is %" PRId64 ", not %" PRId64 "\n", text, got,
                    want);
    }
    return got == want;
}
#define CHECK_INT(got, want)                                                   \
    check_int((int64_t)(got), (int64_t)(want), #got, __LINE__)

static void
show(const char *what, const unsigned char *p, size_t n)
{
    fprintf(stderr, "  %s %zu bytes \"", what, n);
    for (size_t i = 0; i < n && i < 400; i++)
        if (p[i] >= ' ' && p[i] <= '~')
            fputc(p[i], stderr);
        else
            fprintf(stderr, "\\x%02x", p[i]);
    fputs("\"\n", stderr);
}

static int
check_bytes(const void *got, size_t n, ef_slice want, const char *text,
            int line)
{
    if (n == want.n && (n == 0 || memcmp(got, want.p, n) == 0))
        return 1;
    failed(line);
    if (failures <= MAX_SHOWN) {
        fprintf(stderr, "%s differs\n", text);
        show("got   ", got, n);
        show("wanted", want.p, want.n);
    }
    return 0;
}
#define CHECK_BYTES(got, n, want) check_bytes(got, n, want, #got, __LINE__)
#define CHECK_BUF(buf, want) check_bytes((buf).p, (buf).n, want, #buf, __LINE__)

/* The status wanted; a failure must also be told in err. */
static int
check_status(ef_status got, ef_status want, const ef_err *err, int line)
{
    if (got != want) {
        failed(line);
        if (failures <= MAX_SHOWN)
            fprintf(stderr, "%s, not %s%s%s\n", ef_status_name(got),
                    ef_status_name(want), got == EF_OK ? "" : ": ",
                    got == EF_OK || err->msg == NULL ? "" : err->msg);
        return 0;
    }
    if (got != EF_OK && (err->code != got || err->msg == NULL)) {
        failed(line);
        if (failures <= MAX_SHOWN)
            fprintf(stderr, "err does not tell of %s\n", ef_status_name(got));
        return 0;
    }
    return 1;
}
#define CHECK_STATUS(got, want, err) check_status(got, want, err, __LINE__)

/* A number that err tells, or does not: the record states it, or does not. */
static void
check_stated(const struct vec_rec *r, const char *name, int told, uint64_t n,
             int line)
{
    int stated = vec_knows(r, name) && vec_has(r, name);

    if (stated && told) {
        check_int((int64_t)n, vec_int(r, name), name, line);
    } else if (stated || told) {
        failed(line);
        if (failures <= MAX_SHOWN)
            fprintf(stderr, "%s is %s\n", name,
                    told ? "told, but not stated" : "stated, but not told");
    }
}

/* The same of a text, "" where err does not tell it. */
static void
check_words(const struct vec_rec *r, const char *name, const char *told,
            int line)
{
    ef_slice stated = {NULL, 0};

    if (vec_knows(r, name))
        stated = vec_bytes(r, name);
    check_bytes(told, strlen(told), stated, name, line);
}

/* The record was refused, as it says it is: it must also say where, and what
 * to do, as err does and no more. In which words only where a person wrote
 * the record: a generator knows nothing of encflow. */
static void
check_refusal(const struct vec_rec *r, const ef_err *err, int line)
{
    if (vec_has(r, "msg") || strncmp(r->id, "gen-", 4) != 0)
        check_words(r, "msg", err->msg, line);
    check_words(r, "hint", err->hint != NULL ? err->hint : "", line);
    check_words(r, "where", err->where, line);
    check_words(r, "place", err->place, line);
    check_stated(r, "at", err->at != EF_NOWHERE, err->at, line);
    check_stated(r, "line", err->line != 0, err->line, line);
    check_stated(r, "detail", err->detail != 0, (size_t)err->detail, line);
}
#define CHECK_REFUSAL(r, err) check_refusal(r, err, __LINE__)

/* Every test's last line. */
static void
done(void)
{
    unsigned long n = failures;

    failures = 0;
    rec = NULL;
    *about = 0;
    if (n != 0)
        fail_msg("%lu checks failed", n);
}

static int
all_zero(const void *p, size_t n)
{
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++)
        if (b[i] != 0)
            return 0;
    return 1;
}

static ef_slice
slice(const void *p, size_t n)
{
    ef_slice s = {p, n};

    return s;
}

static ef_slice
text(const char *s)
{
    return slice(s, strlen(s));
}

/* A block of exactly n bytes, so that ASan sees overruns, filled with a
 * pattern that is neither zero nor text. */
static unsigned char *
block(size_t n)
{
    unsigned char *p = malloc(n);

    assert_non_null(p);
    if (n != 0)
        memset(p, 0xa5, n);
    return p;
}

static unsigned char *
copy(ef_slice s)
{
    unsigned char *p = block(s.n);

    if (s.n != 0)
        memcpy(p, s.p, s.n);
    return p;
}

/* A text of many equal parts: front, part times n, back. */
static ef_slice
many(const char *front, const char *part, size_t n, const char *back)
{
    size_t a = strlen(front), b = strlen(part), c = strlen(back);
    unsigned char *p = block(a + b * n + c);

    memcpy(p, front, a);
    for (size_t i = 0; i < n; i++)
        memcpy(p + a + i * b, part, b);
    memcpy(p + a + n * b, back, c);
    return slice(p, a + b * n + c);
}

/* A small generator: the same numbers in every run. */
static uint64_t seed_state;

static void
seed(uint64_t n)
{
    seed_state = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint64_t
next64(void)
{
    uint64_t z = seed_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t
below(size_t n)
{
    return (size_t)(next64() % n);
}

static void
fill(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)p)[i] = (unsigned char)next64();
}

/* ----------------------------------------------------------------------- *
 * Vectors: text encodings                                                 *
 * ----------------------------------------------------------------------- */

static void
each_hex(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), want = vec_bytes(r, "bytes");
    size_t n = (size_t)vec_int(r, "size");
    unsigned char *out = block(n);
    char *digits;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_hex_decode(out, n, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK(all_zero(out, n));
            CHECK_INT(ef_hex_decode(out, n, in, NULL), rc);
        } else {
            CHECK_BYTES(out, n, want);
            for (int upper = 0; upper < 2; upper++) {
                digits = (char *)block(2 * n);
                ef_hex_encode(digits, out, n, upper);
                for (size_t i = 0; i < 2 * n; i++)
                    CHECK_INT(digits[i],
                              upper ? toupper(in.p[i]) : tolower(in.p[i]));
                free(digits);
            }
        }
    }
    free(out);
}

static void
test_hex(void **state)
{
    (void)state;
    vec_run("vectors/hex.txt",
            "id source why? expect:status at:int? msg:text? size:int text:text "
            "bytes:hex?",
            each_hex);
    done();
}

static void
each_base64(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), want = vec_bytes(r, "bytes");
    size_t room = in.n / 4 * 3, n = 99, n2 = 99;
    unsigned char *out = block(room), *place = copy(in);
    ef_err err = {0}, err2 = {0};
    ef_status rc;
    char *chars;

    rec = r;
    rc = ef_base64_decode(out, &n, in, &err);
    CHECK_INT(ef_base64_decode(place, &n2, slice(place, in.n), &err2), rc);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_REFUSAL(r, &err2);
            CHECK(all_zero(out, room));
            CHECK(all_zero(place, room));
            CHECK_INT(ef_base64_decode(out, &n, in, NULL), rc);
        } else {
            CHECK_BYTES(out, n, want);
            CHECK_BYTES(place, n2, want);
            chars = (char *)block(EF_BASE64_BYTES(n));
            ef_base64_encode(chars, out, n);
            CHECK_BYTES(chars, EF_BASE64_BYTES(n), in);
            free(chars);
        }
    }
    free(out);
    free(place);
}

static const char base64_fields[] =
    "id source why? expect:status at:int? msg:text? text:text bytes:hex?";

static void
test_base64(void **state)
{
    (void)state;
    vec_run("vectors/base64.txt", base64_fields, each_base64);
    done();
}

static void
each_percent(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), want = vec_bytes(r, "bytes");
    int path = strcmp(vec_word(r, "op"), "path") == 0;
    ef_buf out = {0}, back = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_percent_decode(&out, in, 0, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_INT(ef_percent_decode(&back, in, 0, NULL), rc);
        } else {
            CHECK_BUF(out, want);
            if (strcmp(vec_word(r, "op"), "decode") != 0) {
                ef_percent_encode(&back, want, path);
                CHECK(!back.failed);
                CHECK_BUF(back, in);
            }
        }
    }
    ef_buf_free(&out);
    ef_buf_free(&back);
}

static const char percent_fields[] =
    "id source why? op expect:status at:int? msg:text? text:text "
    "bytes:text?";

static void
test_percent(void **state)
{
    ef_buf out = {0};
    ef_err err = {0};

    (void)state;
    CHECK_STATUS(ef_percent_decode(&out, text("a%00b"), 1, &err), EF_OK, &err);
    CHECK_BUF(out, slice("a\0b", 3));
    ef_buf_free(&out);
    vec_run("vectors/percent.txt", percent_fields, each_percent);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: JSON                                                           *
 * ----------------------------------------------------------------------- */

/* What encflow.h promises of the nodes of a document. */
static void
check_nodes(const ef_json *doc)
{
    CHECK(doc->count >= 1);
    CHECK_INT(doc->nodes[0].end, doc->count);
    for (uint32_t i = 0; i < doc->count; i++) {
        const ef_json_node *d = &doc->nodes[i];

        CHECK(d->n >= 1 && (size_t)d->at + d->n <= doc->text.n);
        CHECK(d->end > i && d->end <= doc->count);
        if (d->name_n != 0)
            CHECK(d->name_n >= 2 && doc->text.p[d->name_at] == '"' &&
                  d->name_at + d->name_n < d->at);
        if (d->type != EF_JSON_ARRAY && d->type != EF_JSON_OBJECT)
            CHECK_INT(d->end, i + 1);
    }
}

/* text, printed with indent, is want; and so is that, printed again. */
static void
check_print(ef_slice in, unsigned indent, ef_slice want)
{
    for (int again = 0; again < 2; again++) {
        unsigned char *p = copy(again ? want : in);
        ef_json doc = {0};
        ef_buf out = {0};
        ef_err err = {0};
        ef_status rc;

        rc = ef_json_parse(&doc, slice(p, again ? want.n : in.n), &err);
        if (CHECK_STATUS(rc, EF_OK, &err)) {
            check_nodes(&doc);
            ef_json_print(&doc, 0, indent, &out);
            CHECK(!out.failed);
            CHECK_BUF(out, want);
        }
        ef_json_free(&doc);
        ef_buf_free(&out);
        free(p);
    }
}

static void
each_json_accept(const struct vec_rec *r)
{
    rec = r;
    check_print(vec_bytes(r, "text"), 0, vec_bytes(r, "line"));
    check_print(vec_bytes(r, "text"), 2, vec_bytes(r, "pretty"));
}

static void
test_json_accept(void **state)
{
    (void)state;
    vec_run("vectors/json_accept.txt",
            "id source why? text:text line:text pretty:text", each_json_accept);
    check_print(text("[1,{\"a\":[]}]"), 1,
                text("[\n 1,\n {\n  \"a\": []\n }\n]"));
    done();
}

static void
each_json_reject(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    ef_json doc = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_json_parse(&doc, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        CHECK_REFUSAL(r, &err);
    ef_json_free(&doc);
    memset(&doc, 0, sizeof doc);
    CHECK_INT(ef_json_parse(&doc, in, NULL), rc);
    ef_json_free(&doc);
}

static const char json_reject_fields[] =
    "id source why? expect:status at:int msg:text? text:text";

static void
test_json_reject(void **state)
{
    (void)state;
    vec_run("vectors/json_reject.txt", json_reject_fields, each_json_reject);
    done();
}

static void
each_jcs(const struct vec_rec *r)
{
    ef_slice want = vec_bytes(r, "out");

    rec = r;
    for (int again = 0; again < 2; again++) {
        ef_json doc = {0};
        ef_buf out = {0};
        ef_err err = {0};
        ef_status rc;

        rc = ef_json_parse(&doc, again ? want : vec_bytes(r, "text"), &err);
        if (CHECK_STATUS(rc, EF_OK, &err)) {
            rc = ef_json_canonical(&doc, 0, &out, &err);
            CHECK_STATUS(rc, EF_OK, &err);
            CHECK_BUF(out, want);
        }
        ef_json_free(&doc);
        ef_buf_free(&out);
    }
}

static void
test_jcs(void **state)
{
    (void)state;
    vec_run("vectors/jcs.txt", "id source why? text:text out:text", each_jcs);
    done();
}

static void
each_json_pointer(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "doc"), pointer = vec_bytes(r, "pointer");
    uint32_t node = EF_JSON_NONE;
    ef_json doc = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_json_parse(&doc, in, &err);
    if (CHECK_STATUS(rc, EF_OK, &err)) {
        rc = ef_json_pointer(&doc, &node, pointer, &err);
        if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
            if (rc != EF_OK)
                CHECK_REFUSAL(r, &err);
            else if (CHECK(node < doc.count))
                CHECK_BYTES(in.p + doc.nodes[node].at, doc.nodes[node].n,
                            vec_bytes(r, "value"));
        }
    }
    ef_json_free(&doc);
}

static void
test_json_pointer(void **state)
{
    (void)state;
    vec_run(
        "vectors/json_pointer.txt",
        "id source why? doc:text pointer:text expect:status at:int? msg:text? "
        "value:text?",
        each_json_pointer);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: CSV, INI                                                       *
 * ----------------------------------------------------------------------- */

/* Records as csv.txt writes them: LINE <field> <field>. */
static ef_status
dump_row(void *ctx, const ef_slice *fields, size_t count, uint64_t line,
         ef_err *err)
{
    ef_buf *out = ctx;
    char number[24];

    (void)err;
    snprintf(number, sizeof number, "%" PRIu64, line);
    ef_buf_str(out, number);
    for (size_t i = 0; i < count; i++) {
        ef_buf_str(out, " <");
        for (size_t j = 0; j < fields[i].n; j++) {
            if (strchr("\\<>", fields[i].p[j]) != NULL && fields[i].p[j])
                ef_buf_byte(out, '\\');
            ef_buf_byte(out, fields[i].p[j]);
        }
        ef_buf_byte(out, '>');
    }
    ef_buf_byte(out, '\n');
    return EF_OK;
}

/* Parse in pieces of size bytes, each in a block of its own. */
static ef_status
csv_pieces(ef_slice in, size_t size, ef_buf *rows, ef_err *err)
{
    ef_status rc = EF_OK;
    ef_csv csv;

    ef_csv_init(&csv, dump_row, rows);
    for (size_t i = 0; i < in.n && rc == EF_OK; i += size) {
        size_t n = in.n - i < size ? in.n - i : size;
        unsigned char *piece = copy(slice(in.p + i, n));

        rc = ef_csv_push(&csv, slice(piece, n), err);
        memset(piece, 0x5a, n); /* nothing may refer to it any more */
        free(piece);
    }
    if (rc == EF_OK)
        rc = ef_csv_end(&csv, err);
    ef_csv_free(&csv);
    return rc;
}

static void
each_csv(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), want = vec_bytes(r, "rows");

    rec = r;
    for (size_t size = 0; size <= 17; size++) {
        ef_buf rows = {0};
        ef_err err = {0};
        ef_status rc;

        snprintf(about, sizeof about, "pieces of %zu", size);
        rc = csv_pieces(in, size == 0 ? in.n + 1 : size, &rows, &err);
        if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
            CHECK_REFUSAL(r, &err);
        if (vec_has(r, "rows"))
            CHECK_BUF(rows, want);
        ef_buf_free(&rows);
    }
    *about = 0;
}

static const char csv_fields[] =
    "id source why? expect:status line:int? at:int? detail:int? msg:text? "
    "text:text rows:text?";

static void
test_csv(void **state)
{
    (void)state;
    vec_run("vectors/csv.txt", csv_fields, each_csv);
    done();
}

static void
each_ini(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), value = {NULL, 0};
    char *section = vec_string(r, "section"), *name = vec_string(r, "name");
    char *part = vec_has(r, "part") ? vec_string(r, "part") : NULL;
    int found = 7;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = part != NULL
             ? ef_ini_get_part(&value, &found, section, name, part, in, &err)
             : ef_ini_get(&value, &found, section, name, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_INT(
                ef_ini_get_part(&value, NULL, section, name, part, in, NULL),
                rc);
        } else {
            CHECK_INT(found, vec_int(r, "found"));
            CHECK_INT(value.p != NULL, vec_has(r, "value"));
            CHECK_BYTES(value.p, value.n, vec_bytes(r, "value"));
            if (value.p != NULL)
                CHECK(value.p >= in.p && value.p + value.n <= in.p + in.n);
        }
    }
    free(section);
    free(name);
    free(part);
}

static const char ini_fields[] =
    "id source why? expect:status line:int? msg:text? section:text "
    "name:text part:text? found:int? value:text? text:text";

static void
test_ini(void **state)
{
    (void)state;
    vec_run("vectors/ini.txt", ini_fields, each_ini);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: AES-256-GCM and dataset files                                  *
 * ----------------------------------------------------------------------- */

/* One AEAD record and one kernel. */
struct gcm_case {
    const unsigned char *key, *iv, *tag;
    ef_slice aad, pt, ct;
    const ef_gcm_kernel *kernel;
    ef_status expect;
    const struct vec_rec *rec;
};

static void
gcm_one_shot(const struct gcm_case *c)
{
    unsigned char *out = block(c->ct.n), tag[EF_TAG_BYTES];
    const void *aad = c->aad.n == 0 ? NULL : c->aad.p;
    ef_err err = {0};
    ef_status rc;

    rc = ef_gcm_open(out, c->key, c->iv, aad, c->aad.n, c->ct.p, c->ct.n,
                     c->tag, c->kernel, &err);
    CHECK_STATUS(rc, c->expect, &err);
    if (c->expect != EF_OK) {
        CHECK_REFUSAL(c->rec, &err);
        CHECK(all_zero(out, c->ct.n));
    } else {
        CHECK_BYTES(out, c->ct.n, c->pt);
        memset(tag, 0, sizeof tag);
        if (c->ct.n != 0)
            memset(out, 0xa5, c->ct.n);
        rc = ef_gcm_seal(out, tag, c->key, c->iv, aad, c->aad.n, c->pt.p,
                         c->pt.n, c->kernel, &err);
        CHECK_STATUS(rc, EF_OK, &err);
        CHECK_BYTES(out, c->ct.n, c->ct);
        CHECK_BYTES(tag, sizeof tag, slice(c->tag, sizeof tag));
    }
    free(out);
}

static void
gcm_in_place(const struct gcm_case *c)
{
    unsigned char *p = copy(c->ct), tag[EF_TAG_BYTES];
    ef_err err = {0};
    ef_status rc;

    rc = ef_gcm_open(p, c->key, c->iv, c->aad.p, c->aad.n, p, c->ct.n, c->tag,
                     c->kernel, &err);
    CHECK_STATUS(rc, c->expect, &err);
    if (c->expect != EF_OK) {
        CHECK(all_zero(p, c->ct.n));
    } else {
        CHECK_BYTES(p, c->ct.n, c->pt);
        rc = ef_gcm_seal(p, tag, c->key, c->iv, c->aad.p, c->aad.n, p, c->pt.n,
                         c->kernel, &err);
        CHECK_STATUS(rc, EF_OK, &err);
        CHECK_BYTES(p, c->ct.n, c->ct);
        CHECK_BYTES(tag, sizeof tag, slice(c->tag, sizeof tag));
    }
    free(p);
}

/* Each bit of the tag flipped: refused, and nothing but zeros comes out. */
static void
gcm_tag_bits(const struct gcm_case *c)
{
    for (unsigned bit = 0; bit < 8 * EF_TAG_BYTES; bit++) {
        unsigned char *out = block(c->ct.n), tag[EF_TAG_BYTES];
        ef_err err = {0};
        ef_status rc;

        memcpy(tag, c->tag, sizeof tag);
        tag[bit / 8] ^= (unsigned char)(1u << bit % 8);
        rc = ef_gcm_open(out, c->key, c->iv, c->aad.p, c->aad.n, c->ct.p,
                         c->ct.n, tag, c->kernel, &err);
        CHECK_STATUS(rc, EF_E_AUTH, &err);
        CHECK(all_zero(out, c->ct.n));
        free(out);
    }
}

/* The streaming calls, in pieces of size bytes, the first one of first. The
 * data begins align bytes past the start of a block. */
static void
gcm_stream(const struct gcm_case *c, ef_gcm *g, size_t first, size_t size,
           size_t align)
{
    for (int encrypt = 0; encrypt < 2; encrypt++) {
        ef_slice in = encrypt ? c->pt : c->ct;
        ef_slice want = encrypt ? c->ct : c->pt;
        unsigned char *p = block(align + in.n), tag[EF_TAG_BYTES];
        ef_err err = {0};
        size_t i = 0, n = first < in.n ? first : in.n;

        if (in.n != 0)
            memcpy(p + align, in.p, in.n);
        ef_gcm_start(g, c->iv, c->aad.n == 0 ? NULL : c->aad.p, c->aad.n);
        do {
            CHECK_STATUS(ef_gcm_crypt(g, p + align + i, n, encrypt, &err),
                         EF_OK, &err);
            i += n;
            n = in.n - i < size ? in.n - i : size;
        } while (i < in.n);
        ef_gcm_tag(g, tag);
        CHECK_BYTES(p + align, in.n, want);
        CHECK_BYTES(tag, sizeof tag, slice(c->tag, sizeof tag));
        free(p);
    }
}

static void
gcm_streams(const struct gcm_case *c)
{
    static const size_t sizes[] = {1,  2,  3,  7,  13, 15, 16,  17,  31,
                                   32, 33, 48, 63, 64, 65, 128, 4096};
    ef_gcm *g = ef_gcm_new(c->key, c->kernel);

    assert_non_null(g);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        gcm_stream(c, g, sizes[i], sizes[i], 0);
    for (size_t align = 0; align <= 16; align++)
        gcm_stream(c, g, SIZE_MAX, SIZE_MAX, align);
    for (size_t split = 0; split <= c->ct.n && split <= 144; split++)
        gcm_stream(c, g, split, SIZE_MAX, 0);
    ef_gcm_free(g);
}

static void
each_gcm(const struct vec_rec *r)
{
    struct gcm_case c = {
        .key = vec_bytes(r, "key").p,
        .iv = vec_bytes(r, "iv").p,
        .tag = vec_bytes(r, "tag").p,
        .aad = vec_bytes(r, "aad"),
        .pt = vec_bytes(r, "pt"),
        .ct = vec_bytes(r, "ct"),
        .expect = vec_status(r, "expect"),
        .rec = r,
    };

    rec = r;
    for (unsigned i = 0; (c.kernel = ef_gcm_kernel_at(i)) != NULL; i++) {
        snprintf(about, sizeof about, "%s", ef_gcm_kernel_name(c.kernel));
        gcm_one_shot(&c);
        gcm_in_place(&c);
        if (c.expect == EF_OK) {
            gcm_tag_bits(&c);
            gcm_streams(&c);
        }
    }
    c.kernel = NULL; /* the best */
    gcm_one_shot(&c);
    *about = 0;
}

static void
test_gcm(void **state)
{
    (void)state;
    CHECK(ef_gcm_kernel_at(0) != NULL);
#if defined(__x86_64__)
    CHECK_INT(strcmp(ef_gcm_kernel_name(ef_gcm_kernel_at(0)), "x86ni+pclmul") ==
                  0,
              __builtin_cpu_supports("aes") != 0 &&
                  __builtin_cpu_supports("pclmul") != 0);
#endif
    vec_run(
        "vectors/aes256gcm.txt",
        "id source why? expect:status msg:text? key:hex iv:hex aad:hex pt:hex? "
        "ct:hex tag:hex",
        each_gcm);
    for (unsigned i = 0; ef_gcm_kernel_at(i) != NULL; i++)
        printf("    kernel %u: %s\n", i,
               ef_gcm_kernel_name(ef_gcm_kernel_at(i)));
    done();
}

/* Open a dataset file in pieces: first, then size bytes each. */
static ef_status
open_pieces(ef_gcm *g, ef_slice in, size_t first, size_t size, ef_buf *out,
            ef_err *err)
{
    ef_status rc = EF_OK;
    ef_open o;

    ef_open_init(&o, g);
    for (size_t i = 0, n = first; i < in.n && rc == EF_OK; i += n, n = size) {
        unsigned char *piece, *plain;
        size_t got = 0;

        if (n > in.n - i)
            n = in.n - i;
        piece = copy(slice(in.p + i, n));
        plain = block(n);
        rc = ef_open_push(&o, plain, &got, slice(piece, n), err);
        if (CHECK(got <= n))
            ef_buf_add(out, plain, got);
        free(piece);
        free(plain);
        if (n == 0)
            n = size; /* an empty first piece: go on from the start */
        if (first == 0) {
            first = 1;
            n = 0;
        }
    }
    if (rc == EF_OK) { /* nothing at all, which may have no address */
        unsigned char *plain = block(0);
        size_t got = 7;

        rc = ef_open_push(&o, plain, &got, slice(NULL, 0), err);
        CHECK_INT(got, 0);
        free(plain);
    }
    if (rc == EF_OK)
        rc = ef_open_end(&o, err);
    return rc;
}

static void
check_open(const struct vec_rec *r, ef_gcm *g, size_t first, size_t size)
{
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    snprintf(about, sizeof about, "%zu, then pieces of %zu", first, size);
    rc = open_pieces(g, vec_bytes(r, "file"), first, size, &out, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    if (rc == EF_OK)
        CHECK_BUF(out, vec_bytes(r, "pt"));
    ef_buf_free(&out);
    *about = 0;
}

static void
each_container(const struct vec_rec *r)
{
    unsigned char *key = block(EF_KEY_BYTES);
    ef_slice file = vec_bytes(r, "file");
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_key_parse(key, vec_bytes(r, "key_text"), &err);
    if (!vec_has(r, "file")) {
        if (CHECK_STATUS(rc, vec_status(r, "expect"), &err))
            CHECK_REFUSAL(r, &err);
        CHECK(key[0] == 0 ? all_zero(key, EF_KEY_BYTES)
                          : key[0] == 0xa5 && key[EF_KEY_BYTES - 1] == 0xa5);
        CHECK_INT(ef_key_parse(key, vec_bytes(r, "key_text"), NULL), rc);
    } else if (CHECK_STATUS(rc, EF_OK, &err)) {
        for (unsigned i = 0; ef_gcm_kernel_at(i) != NULL; i++) {
            ef_gcm *g = ef_gcm_new(key, ef_gcm_kernel_at(i));

            assert_non_null(g);
            check_open(r, g, file.n, 1);
            for (size_t size = 1; size <= 48; size++)
                check_open(r, g, size, size);
            for (size_t split = 0; split <= file.n; split++)
                check_open(r, g, split, file.n + 1);
            ef_gcm_free(g);
        }
    }
    free(key);
}

static const char container_fields[] =
    "id source why? expect:status at:int? msg:text? hint:text? "
    "key_text:text file:hex? pt:hex?";

static void
test_container(void **state)
{
    (void)state;
    vec_run("vectors/container.txt", container_fields, each_container);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: credentials, results                                           *
 * ----------------------------------------------------------------------- */

static void
each_credentials(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "json"), key = vec_bytes(r, "key");
    ef_credentials *c = ef_secret_alloc(sizeof *c, NULL);
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    assert_non_null(c);
    rc = ef_credentials_parse(c, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
        } else {
            CHECK_BYTES(c->key, sizeof c->key, key);
            CHECK_BYTES(c->query, c->query_n, vec_bytes(r, "query"));
            ef_credentials_print(&out, c->key, slice(c->query, c->query_n));
            CHECK_BUF(out, vec_bytes(r, "printed"));
        }
    }
    ef_credentials_free(c);
    ef_secret_free(c, sizeof *c);
    ef_buf_free(&out);
}

static const char credentials_fields[] =
    "id source why? expect:status place:text? at:int? msg:text? json:text "
    "key:hex? query:text? printed:text?";

static void
test_credentials(void **state)
{
    (void)state;
    vec_run("vectors/credentials.txt", credentials_fields, each_credentials);
    done();
}

/* The result's JSON in random pieces is want. */
static void
check_result_pieces(const ef_result *res, ef_slice want)
{
    unsigned char *all = block(want.n);

    CHECK_INT(ef_result_size(res), want.n);
    if (ef_result_size(res) == want.n) {
        ef_result_read(res, 0, all, want.n);
        CHECK_BYTES(all, want.n, want);
        for (size_t i = 0; i < 200; i++) {
            size_t at = below(want.n + 1), n = below(want.n - at + 1);
            unsigned char *piece;

            if (i % 2 == 0 && n > 9)
                n = below(9);
            piece = block(n);
            ef_result_read(res, at, piece, n);
            CHECK_BYTES(piece, n, slice(want.p + at, n));
            free(piece);
        }
    }
    free(all);
}

static void
each_result(const struct vec_rec *r)
{
    unsigned char *json = copy(vec_bytes(r, "json"));
    unsigned char hash[EF_SHA256_BYTES];
    size_t n = vec_bytes(r, "json").n;
    ef_result res = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_result_parse(&res, json, n, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
        } else {
            CHECK_INT(res.returncode, vec_int(r, "returncode"));
            CHECK_BYTES(res.out.p, res.out.n, vec_bytes(r, "out"));
            CHECK_BYTES(res.err.p, res.err.n, vec_bytes(r, "err"));
            CHECK_BYTES(res.receipt.p, res.receipt.n, vec_bytes(r, "receipt"));
            ef_result_hash(hash, &res);
            CHECK_BYTES(hash, sizeof hash, vec_bytes(r, "digest"));
            if (strcmp(vec_word(r, "op"), "both") == 0)
                check_result_pieces(&res, vec_bytes(r, "json"));
        }
    }
    free(json);
}

static const char result_fields[] =
    "id source why? op expect:status place:text? at:int? msg:text? "
    "returncode:int? out:hex? err:hex? receipt:text? digest:hex? json:text";

static void
test_result(void **state)
{
    (void)state;
    seed(1);
    vec_run("vectors/result.txt", result_fields, each_result);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: hashes, signatures                                             *
 * ----------------------------------------------------------------------- */

static void
each_sha256(const struct vec_rec *r)
{
    ef_slice msg = vec_bytes(r, "msg");
    size_t times = vec_has(r, "repeat") ? (size_t)vec_int(r, "repeat") : 1;
    unsigned char *all = block(msg.n * times), out[EF_SHA256_BYTES];

    rec = r;
    for (size_t i = 0; i < times && msg.n != 0; i++)
        memcpy(all + i * msg.n, msg.p, msg.n);
    ef_sha256(out, all, msg.n * times);
    CHECK_BYTES(out, sizeof out, vec_bytes(r, "digest"));
    free(all);
}

static void
test_sha256(void **state)
{
    (void)state;
    vec_run("vectors/sha256.txt",
            "id source why? repeat:int? msg:hex digest:hex", each_sha256);
    done();
}

static void
each_hmac_sha256(const struct vec_rec *r)
{
    ef_slice key = vec_bytes(r, "key"), msg = vec_bytes(r, "msg");
    ef_slice mac = vec_bytes(r, "mac");
    unsigned char out[EF_SHA256_BYTES];

    rec = r;
    ef_hmac_sha256(out, key.p, key.n, msg.p, msg.n);
    if (CHECK(mac.n >= 10 && mac.n <= sizeof out))
        CHECK_BYTES(out, mac.n, mac);
}

static void
each_hmac_sha1(const struct vec_rec *r)
{
    ef_slice key = vec_bytes(r, "key"), msg = vec_bytes(r, "msg");
    ef_slice mac = vec_bytes(r, "mac");
    unsigned char out[EF_SHA1_BYTES];

    rec = r;
    ef_hmac_sha1(out, key.p, key.n, msg.p, msg.n);
    if (CHECK(mac.n >= 10 && mac.n <= sizeof out))
        CHECK_BYTES(out, mac.n, mac);
}

static void
test_hmac(void **state)
{
    static const char fields[] = "id source why? key:hex msg:hex mac:hex";

    (void)state;
    vec_run("vectors/hmac_sha256.txt", fields, each_hmac_sha256);
    vec_run("vectors/hmac_sha1.txt", fields, each_hmac_sha1);
    done();
}

static ef_addressing
addressing(const char *word)
{
    static const struct {
        const char *word;
        ef_addressing value;
    } all[] = {
        {"regional", EF_ADDR_REGIONAL},
        {"auto", EF_ADDR_AUTO},
        {"virtual", EF_ADDR_VIRTUAL},
        {"path", EF_ADDR_PATH},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(word, all[i].word) == 0)
            return all[i].value;
    fail_msg("addressing = %s", word);
    return EF_ADDR_REGIONAL;
}

/* The lines of s, which is cut up, to list; how many. */
static size_t
lines_of(char *s, const char **list, size_t max)
{
    size_t n = 0;
    char *save = NULL;

    if (s == NULL)
        return 0;
    for (char *p = strtok_r(s, "\n", &save); p != NULL && n < max;
         p = strtok_r(NULL, "\n", &save))
        list[n++] = p;
    return n;
}

static void
check_presign(const struct vec_rec *r, const ef_presign *p)
{
    ef_buf url = {0}, canonical = {0}, to_sign = {0}, signature = {0};
    ef_buf again = {0};
    ef_sign_stages stages = {&canonical, &to_sign, &signature};
    ef_err err = {0};
    ef_status rc;

    rc = ef_presign_url(&url, &stages, p, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        CHECK_INT(ef_presign_url(&again, NULL, p, NULL), rc);
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
        } else {
            if (vec_has(r, "canonical"))
                CHECK_BUF(canonical, vec_bytes(r, "canonical"));
            CHECK_BUF(to_sign, vec_bytes(r, "to_sign"));
            CHECK_BUF(signature, vec_bytes(r, "signature"));
            CHECK_BUF(url, vec_bytes(r, "url"));
            CHECK_BUF(again, vec_bytes(r, "url"));
        }
    }
    ef_buf_free(&url);
    ef_buf_free(&again);
    ef_buf_free(&canonical);
    ef_buf_free(&to_sign);
    ef_buf_free(&signature);
}

/* In headers. How long a presigned URL lives, and which version, are not
 * looked at; what the caller's buffers hold already stays. */
static void
check_request(const struct vec_rec *r, const ef_presign *p)
{
    ef_buf url = {0}, headers = {0}, canonical = {0}, to_sign = {0};
    ef_buf signature = {0}, more = {0}, lines = {0};
    ef_sign_stages stages = {&canonical, &to_sign, &signature};
    ef_presign other = *p;
    ef_err err = {0};
    ef_status rc;

    other.sigv2 = 1;
    other.expires = -1;
    ef_buf_str(&more, "u");
    ef_buf_str(&lines, "h:1\n");
    rc = ef_sign_request(&url, &headers, &stages, p, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        CHECK_INT(ef_sign_request(&more, &lines, NULL, &other, NULL), rc);
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
        } else {
            CHECK_BUF(canonical, vec_bytes(r, "canonical"));
            CHECK_BUF(to_sign, vec_bytes(r, "to_sign"));
            CHECK_BUF(signature, vec_bytes(r, "signature"));
            CHECK_BUF(url, vec_bytes(r, "url"));
            CHECK_BUF(headers, vec_bytes(r, "headers"));
            CHECK_BYTES(more.p + 1, more.n - 1, vec_bytes(r, "url"));
            CHECK_BYTES(lines.p + 4, lines.n - 4, vec_bytes(r, "headers"));
        }
    }
    ef_buf_free(&url);
    ef_buf_free(&headers);
    ef_buf_free(&canonical);
    ef_buf_free(&to_sign);
    ef_buf_free(&signature);
    ef_buf_free(&more);
    ef_buf_free(&lines);
}

static void
each_sigv(const struct vec_rec *r)
{
    static const char *const names[] = {"access", "secret",   "token", "bucket",
                                        "region", "endpoint", "query"};
    char *s[sizeof names / sizeof *names];
    const char *query[80];
    ef_presign p = {0};

    rec = r;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        s[i] = vec_string(r, names[i]);
    p.access_key = s[0];
    p.secret_key = s[1];
    p.token = s[2];
    p.bucket = s[3];
    p.key = vec_bytes(r, "key");
    p.region = s[4];
    p.endpoint = s[5];
    p.query = query;
    p.query_n = lines_of(s[6], query, sizeof query / sizeof *query);
    p.method = vec_word(r, "method");
    p.addressing = addressing(vec_word(r, "addressing"));
    p.sigv2 = strstr(r->path, "sigv2") != NULL;
    p.now = vec_int(r, "now");
    if (vec_knows(r, "expires")) {
        p.expires = vec_int(r, "expires");
        check_presign(r, &p);
    } else {
        check_request(r, &p);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        free(s[i]);
}

static const char sigv_fields[] =
    "id source why? expect:status at:int? where:text? msg:text? method "
    "bucket:text key:text region:text? endpoint:text? addressing "
    "access:text secret:text token:text? now:int expires:int query:text? "
    "canonical:text? to_sign:text? signature:text? url:text?";

static void
test_sigv4(void **state)
{
    (void)state;
    vec_run("vectors/sigv4.txt", sigv_fields, each_sigv);
    done();
}

static void
test_sigv2(void **state)
{
    (void)state;
    vec_run("vectors/sigv2.txt", sigv_fields, each_sigv);
    done();
}

static const char request_fields[] =
    "id source why? expect:status at:int? where:text? msg:text? method "
    "bucket:text key:text region:text? endpoint:text? addressing "
    "access:text secret:text token:text? now:int query:text? "
    "canonical:text? to_sign:text? signature:text? url:text? headers:text?";

static void
test_sigv4_headers(void **state)
{
    (void)state;
    vec_run("vectors/sigv4_headers.txt", request_fields, each_sigv);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: UTF-8, names, locations, presigned queries, times, numbers     *
 * ----------------------------------------------------------------------- */

static void
each_utf8(const struct vec_rec *r)
{
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_utf8_check(vec_bytes(r, "text"), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    CHECK_INT(ef_utf8_check(vec_bytes(r, "text"), NULL), rc);
}

static const char text_fields[] =
    "id source why? expect:status at:int? msg:text? text:text";

static void
test_utf8_vectors(void **state)
{
    (void)state;
    vec_run("vectors/utf8.txt", text_fields, each_utf8);
    done();
}

static void
each_name(const struct vec_rec *r)
{
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_name_check(vec_bytes(r, "text"), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    CHECK_INT(ef_name_check(vec_bytes(r, "text"), NULL), rc);
}

static void
test_names(void **state)
{
    (void)state;
    vec_run("vectors/names.txt", text_fields, each_name);
    done();
}

static void
each_location(const struct vec_rec *r)
{
    static const struct {
        const char *name;
        ef_scheme scheme;
    } all[] = {{"https", EF_SCHEME_HTTPS},
               {"http", EF_SCHEME_HTTP},
               {"file", EF_SCHEME_FILE}};
    ef_scheme scheme = (ef_scheme)0;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_location_check(&scheme, vec_bytes(r, "url"), &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_location_check(&scheme, vec_bytes(r, "url"), NULL), rc);
        return;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHECK_INT(scheme == all[i].scheme,
                  strcmp(vec_word(r, "scheme"), all[i].name) == 0);
}

static const char location_fields[] =
    "id source why? expect:status at:int? msg:text? scheme? url:text";

static void
test_locations(void **state)
{
    (void)state;
    vec_run("vectors/locations.txt", location_fields, each_location);
    done();
}

static void
each_presigned(const struct vec_rec *r)
{
    ef_presigned out = {9, 9, 9};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_presigned_parse(&out, vec_bytes(r, "query"), &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_presigned_parse(&out, vec_bytes(r, "query"), NULL), rc);
        return;
    }
    CHECK_INT(out.version, vec_int(r, "version"));
    CHECK_INT(out.token, vec_int(r, "token"));
    CHECK_INT(out.expires, vec_int(r, "expires"));
}

static const char presigned_fields[] =
    "id source why? expect:status msg:text? version:int? expires:int? "
    "token:int? query:text";

static void
test_presigned(void **state)
{
    (void)state;
    vec_run("vectors/presigned.txt", presigned_fields, each_presigned);
    done();
}

static void
each_time(const struct vec_rec *r)
{
    char out[EF_TIME_BYTES];
    int64_t t = -7;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_time_parse(&t, vec_bytes(r, "text"), &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_time_parse(&t, vec_bytes(r, "text"), NULL), rc);
        return;
    }
    CHECK_INT(t, vec_int(r, "time"));
    ef_time_format(out, t, 1);
    CHECK_BYTES(out, strlen(out), vec_bytes(r, "basic"));
    ef_time_format(out, t, 0);
    CHECK_BYTES(out, strlen(out), vec_bytes(r, "extended"));
}

static const char time_fields[] =
    "id source why? expect:status at:int? msg:text? text:text time:int? "
    "basic:text? extended:text?";

static void
test_times(void **state)
{
    (void)state;
    vec_run("vectors/times.txt", time_fields, each_time);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: what a server answers, and an array job's shares               *
 * ----------------------------------------------------------------------- */

static void
each_http_date(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    int64_t t = -7, now = vec_int(r, "now");
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_http_date_parse(&t, in, now, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc == EF_OK) {
        CHECK_INT(t, vec_int(r, "time"));
    } else {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_http_date_parse(&t, in, now, NULL), rc);
    }
}

static const char http_date_fields[] =
    "id source why? expect:status msg:text? text:text now:int time:int?";

static void
test_http_dates(void **state)
{
    (void)state;
    vec_run("vectors/http_dates.txt", http_date_fields, each_http_date);
    done();
}

static void
each_content_range(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    ef_content_range out = {9, 9, 9, 9};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_content_range_parse(&out, in, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_content_range_parse(&out, in, NULL), rc);
        return;
    }
    CHECK_INT(out.satisfied, vec_int(r, "satisfied"));
    CHECK_INT(vec_has(r, "first") && vec_has(r, "last"), out.satisfied);
    CHECK_INT(out.first, vec_int(r, "first")); /* 0 where it is not given */
    CHECK_INT(out.last, vec_int(r, "last"));
    CHECK_INT(out.total != EF_UNKNOWN, vec_has(r, "total"));
    if (vec_has(r, "total"))
        CHECK_INT(out.total, vec_int(r, "total"));
}

static const char content_range_fields[] =
    "id source why? expect:status at:int? msg:text? text:text "
    "satisfied:int? first:int? last:int? total:int?";

static void
test_content_ranges(void **state)
{
    (void)state;
    vec_run("vectors/content_ranges.txt", content_range_fields,
            each_content_range);
    done();
}

static void
each_etag(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text"), tag = {NULL, 9};
    int weak = 9;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_etag_parse(&tag, &weak, in, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_etag_parse(&tag, &weak, in, NULL), rc);
        return;
    }
    CHECK_INT(weak, vec_int(r, "weak"));
    CHECK_BYTES(tag.p, tag.n, vec_bytes(r, "tag"));
    CHECK(tag.p >= in.p && tag.p + tag.n == in.p + in.n);
}

static const char etag_fields[] =
    "id source why? expect:status at:int? msg:text? text:text tag:text? "
    "weak:int?";

static void
test_etags(void **state)
{
    (void)state;
    vec_run("vectors/etags.txt", etag_fields, each_etag);
    done();
}

/* The value is appended: what value held stays before it. */
static void
check_xml(const struct vec_rec *r, const char *root, const char *name,
          ef_slice in)
{
    ef_buf value = {0}, again = {0};
    int found = 9;
    ef_err err = {0};
    ef_status rc;

    ef_buf_str(&again, "before");
    rc = ef_xml_get(&value, &found, root, name, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        CHECK_INT(ef_xml_get(&again, &found, root, name, in, NULL), rc);
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_INT(found, 0);
        } else {
            CHECK_INT(found, vec_int(r, "found"));
            CHECK_INT(found, vec_has(r, "value"));
            CHECK_BUF(value, vec_bytes(r, "value"));
            CHECK_BYTES(again.p, 6, text("before"));
            CHECK_BYTES(again.p + 6, again.n - 6, vec_bytes(r, "value"));
        }
    }
    ef_buf_free(&value);
    ef_buf_free(&again);
}

static void
each_xml(const struct vec_rec *r)
{
    char *root = vec_string(r, "root"), *name = vec_string(r, "name");
    ef_slice in = vec_bytes(r, "text");
    size_t blanks = (size_t)vec_int(r, "blanks");
    unsigned char *all = block(in.n + blanks);

    rec = r;
    if (in.n > 0)
        memcpy(all, in.p, in.n);
    memset(all + in.n, ' ', blanks);
    check_xml(r, root, name, slice(all, in.n + blanks));
    free(all);
    free(root);
    free(name);
}

static const char xml_fields[] =
    "id source why? expect:status at:int? msg:text? root:text name:text "
    "found:int? value:text? blanks:int? text:text";

static void
test_xml(void **state)
{
    (void)state;
    vec_run("vectors/xml.txt", xml_fields, each_xml);
    done();
}

static void
each_shard(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    uint32_t index = 9, count = 9;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_shard_parse(&index, &count, in, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_shard_parse(&index, &count, in, NULL), rc);
        return;
    }
    CHECK_INT(index, vec_int(r, "index"));
    CHECK_INT(count, vec_int(r, "count"));
}

static const char shard_fields[] =
    "id source why? expect:status msg:text? text:text index:int? count:int?";

static void
test_shards(void **state)
{
    (void)state;
    vec_run("vectors/shards.txt", shard_fields, each_shard);
    done();
}

/* An empty slice may have no address. */
static void
test_no_answer(void **state)
{
    ef_slice none = {NULL, 0}, tag;
    ef_content_range range;
    ef_buf value = {0};
    uint32_t index, count;
    int64_t t;
    int found;

    (void)state;
    CHECK_INT(ef_http_date_parse(&t, none, 0, NULL), EF_E_FORMAT);
    CHECK_INT(ef_content_range_parse(&range, none, NULL), EF_E_FORMAT);
    CHECK_INT(ef_etag_parse(&tag, &found, none, NULL), EF_E_FORMAT);
    CHECK_INT(ef_xml_get(&value, &found, "a", "b", none, NULL), EF_E_FORMAT);
    CHECK_INT(ef_shard_parse(&index, &count, none, NULL), EF_E_FORMAT);
    CHECK_INT(value.n, 0);
    done();
}

static void
each_number(const struct vec_rec *r)
{
    ef_slice want = vec_bytes(r, "out"), bits = vec_bytes(r, "bits");
    char out[EF_JSON_NUMBER_BYTES];
    uint64_t u = 0;
    double x;

    rec = r;
    if (!CHECK_INT(bits.n, sizeof u))
        return;
    for (size_t i = 0; i < bits.n; i++)
        u = u << 8 | bits.p[i];
    memcpy(&x, &u, sizeof x);
    CHECK_INT(ef_json_number(out, x), want.n);
    CHECK_BYTES(out, strlen(out), want);
}

static void
test_numbers(void **state)
{
    (void)state;
    vec_run("vectors/numbers.txt", "id source why? bits:hex out:text",
            each_number);
    done();
}

static void
each_status(const struct vec_rec *r)
{
    ef_status code = vec_status(r, "status");
    const char *name = ef_status_name(code);

    rec = r;
    CHECK_INT(ef_exit_status(code), vec_int(r, "exit"));
    CHECK_BYTES(name, strlen(name), vec_bytes(r, "name"));
}

static void
test_statuses(void **state)
{
    (void)state;
    vec_run("vectors/statuses.txt",
            "id source why? status:status name:text "
            "exit:int",
            each_status);
    done();
}

/* ----------------------------------------------------------------------- *
 * Vectors: describe, limits                                               *
 * ----------------------------------------------------------------------- */

/* The tables of the columns named, or of all those of text, in pieces. */
static ef_status
describe_pieces(const char *const *columns, size_t n, ef_slice in, size_t size,
                ef_buf *tables, ef_err *err)
{
    static const unsigned char seeds[16] = {9, 8, 7};
    ef_describe *d = ef_describe_new(columns, n, seeds);
    ef_status rc = EF_OK;

    assert_non_null(d);
    for (size_t i = 0; i < in.n && rc == EF_OK; i += size) {
        ef_slice part = slice(in.p + i, in.n - i < size ? in.n - i : size);
        unsigned char *piece = copy(part);

        rc = ef_describe_push(d, slice(piece, part.n), err);
        free(piece);
    }
    if (rc == EF_OK)
        rc = ef_describe_end(d, err);
    for (size_t i = 0; rc == EF_OK && i < ef_describe_count(d); i++) {
        ef_summary sum = {0};

        ef_describe_get(d, i, &sum);
        if (!sum.numeric)
            ef_describe_table(d, i, tables);
    }
    ef_describe_free(d);
    return rc;
}

static void
each_describe(const struct vec_rec *r)
{
    static const size_t sizes[] = {1, 3, 16, 1 << 20};
    ef_slice in = vec_bytes(r, "text");
    const char *columns[8];
    char *names = vec_string(r, "columns");
    size_t n = lines_of(names, columns, sizeof columns / sizeof *columns);

    rec = r;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ef_buf tables = {0};
        ef_err err = {0};
        ef_status rc;

        snprintf(about, sizeof about, "pieces of %zu", sizes[i]);
        rc = describe_pieces(columns, n, in, sizes[i], &tables, &err);
        if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
            if (rc != EF_OK)
                CHECK_REFUSAL(r, &err);
            else
                CHECK_BUF(tables, vec_bytes(r, "tables"));
        }
        ef_buf_free(&tables);
    }
    *about = 0;
    free(names);
}

static const char describe_fields[] =
    "id source why? expect:status line:int? at:int? detail:int? where:text? "
    "msg:text? hint:text? columns:text text:text tables:text?";

static void
test_describe(void **state)
{
    (void)state;
    vec_run("vectors/describe.txt", describe_fields, each_describe);
    done();
}

/* In place of the C library's: what the decimal point of the process is. */
static char decimal_point[] = ".";

struct lconv *
localeconv(void)
{
    static struct lconv conv = {.decimal_point = decimal_point};

    return &conv;
}

static ef_status
limit_json(ef_slice in, ef_err *err)
{
    ef_json doc = {0};
    ef_status rc = ef_json_parse(&doc, in, err);

    ef_json_free(&doc);
    return rc;
}

static ef_status
limit_comma(ef_slice in, ef_err *err)
{
    ef_status rc;

    *decimal_point = ',';
    rc = limit_json(in, err);
    *decimal_point = '.';
    return rc;
}

static ef_status
ignore_row(void *ctx, const ef_slice *fields, size_t count, uint64_t line,
           ef_err *err)
{
    (void)ctx;
    (void)fields;
    (void)count;
    (void)line;
    (void)err;
    return EF_OK;
}

static ef_status
limit_csv(ef_slice in, ef_err *err)
{
    ef_status rc;
    ef_csv csv;

    ef_csv_init(&csv, ignore_row, NULL);
    rc = ef_csv_push(&csv, in, err);
    if (rc == EF_OK)
        rc = ef_csv_end(&csv, err);
    ef_csv_free(&csv);
    return rc;
}

static ef_status
limit_ini(ef_slice in, ef_err *err)
{
    ef_slice value;

    return ef_ini_get(&value, NULL, "a", "k", in, err);
}

static ef_status
limit_credentials(ef_slice in, ef_err *err)
{
    ef_credentials *c = ef_secret_alloc(sizeof *c, NULL);
    ef_status rc;

    assert_non_null(c);
    rc = ef_credentials_parse(c, in, err);
    ef_credentials_free(c);
    ef_secret_free(c, sizeof *c);
    return rc;
}

static ef_status
limit_location(ef_slice in, ef_err *err)
{
    ef_scheme scheme;

    return ef_location_check(&scheme, in, err);
}

static ef_status
limit_distinct(ef_slice in, ef_err *err)
{
    static const char *const a[] = {"a"};
    ef_buf tables = {0};
    ef_status rc = describe_pieces(a, 1, in, 1 << 20, &tables, err);

    ef_buf_free(&tables);
    return rc;
}

/* A signature for object, with one query parameter a line. */
static ef_status
limit_presign(ef_slice object, ef_slice query, ef_err *err)
{
    const char *lines[80];
    char *all = (char *)block(query.n + 1);
    ef_presign p = {.access_key = "A",
                    .secret_key = "S",
                    .method = "GET",
                    .bucket = "bucket",
                    .region = "us-east-1",
                    .key = object,
                    .expires = 1,
                    .query = lines};
    ef_buf url = {0};
    ef_status rc;

    memcpy(all, query.p, query.n);
    all[query.n] = 0;
    p.query_n = lines_of(all, lines, sizeof lines / sizeof *lines);
    rc = ef_presign_url(&url, NULL, &p, err);
    ef_buf_free(&url);
    free(all);
    return rc;
}

static ef_status
limit_object(ef_slice in, ef_err *err)
{
    return limit_presign(in, text(""), err);
}

static ef_status
limit_query(ef_slice in, ef_err *err)
{
    return limit_presign(text("k"), in, err);
}

/* Only the size is looked at: nobody has that much. */
static ef_status
limit_plaintext(ef_slice in, ef_err *err)
{
    static const unsigned char key[EF_KEY_BYTES], nonce[EF_NONCE_BYTES];
    unsigned char byte = 0, tag[EF_TAG_BYTES] = {0};
    ef_status rc;

    rc = ef_gcm_seal(&byte, tag, key, nonce, NULL, 0, &byte, in.n, NULL, err);
    CHECK_INT(
        ef_gcm_open(&byte, key, nonce, NULL, 0, &byte, in.n, tag, NULL, NULL),
        rc);
    return rc;
}

/* front, times parts and back; %u in part becomes the number of the part. */
static ef_slice
limit_text(const struct vec_rec *r)
{
    ef_slice part = vec_bytes(r, "part"), front = vec_bytes(r, "front"), back;
    size_t times = (size_t)vec_int(r, "times"), at = part.n;
    ef_buf all = {0};

    for (size_t i = 0; i + 1 < part.n; i++)
        if (part.p[i] == '%' && part.p[i + 1] == 'u')
            at = i;
    ef_buf_add(&all, front.p, front.n);
    for (size_t i = 0; i < times; i++) {
        char number[24] = "";

        ef_buf_add(&all, part.p, at);
        if (at == part.n)
            continue;
        snprintf(number, sizeof number, "%zu", i);
        ef_buf_str(&all, number);
        ef_buf_add(&all, part.p + at + 2, part.n - at - 2);
    }
    back = vec_bytes(r, "back");
    ef_buf_add(&all, back.p, back.n);
    assert_false(all.failed);
    back = slice(copy(slice(all.p, all.n)), all.n);
    ef_buf_free(&all);
    return back;
}

static void
each_limit(const struct vec_rec *r)
{
    static const struct {
        const char *what;
        ef_status (*run)(ef_slice in, ef_err *err);
    } all[] = {{"json", limit_json},
               {"json-comma", limit_comma},
               {"csv", limit_csv},
               {"ini", limit_ini},
               {"credentials", limit_credentials},
               {"location", limit_location},
               {"name", ef_name_check},
               {"object", limit_object},
               {"query", limit_query},
               {"distinct", limit_distinct},
               {"plaintext", limit_plaintext}};
    unsigned found = 0;

    rec = r;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int huge = all[i].run == limit_plaintext;
        ef_slice in = {NULL, (size_t)vec_int(r, "times")};
        ef_err err = {0};
        ef_status rc;

        if (strcmp(vec_word(r, "what"), all[i].what) != 0)
            continue;
        found++;
        if (!huge)
            in = limit_text(r);
        rc = all[i].run(in, &err);
        if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
            CHECK_REFUSAL(r, &err);
        free((void *)(uintptr_t)in.p);
    }
    CHECK_INT(found, 1);
}

static void
test_limits(void **state)
{
    (void)state;
    vec_run("vectors/limits.txt",
            "id source why? what expect:status at:int? line:int? where:text? "
            "msg:text? hint:text? front:text part:text times:int back:text",
            each_limit);
    done();
}

/* ----------------------------------------------------------------------- *
 * The reader of vectors itself: what it must refuse                       *
 * ----------------------------------------------------------------------- */

#define READER_FIELDS "id at:int? key:hex? word? text:text? expect:status?"
#define READER_HEAD "# a comment\n# fields: " READER_FIELDS "\n"

static unsigned long reader_ids;

static void
each_nothing(const struct vec_rec *r)
{
    reader_ids += strlen(r->id);
}

/* Run the reader on content in a child: its exit status and its message. */
static int
run_reader(const char *content, char *message, size_t room)
{
    char path[] = "/tmp/encflow-unit-XXXXXX";
    int fd = mkstemp(path), ends[2], status = -1;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_true(fd >= 0 && pipe(ends) == 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        dup2(open("/dev/null", O_WRONLY), 1);
        vec_run(path, READER_FIELDS, each_nothing);
        _exit(0);
    }
    close(ends[1]);
    while (n + 1 < room && (got = read(ends[0], message + n, room - 1 - n)) > 0)
        n += (size_t)got;
    message[n] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_reader(void **state)
{
    static const struct {
        const char *body; /* after the header */
        int line;         /* 0: accepted */
        const char *says;
    } cases[] = {
        {"records = 1\n\nid = a\n", 0, ""},
        {"records = 2\n\nid = a\nat   = -5\n\nkey =\nid = b\n", 0, ""},
        {"records = 1\n\nid = a\ntext = \"\\n\\t\\\"\\\\\\xff\"\n", 0, ""},
        {"records = 1\n\nid = a", 0 + 4, "no final newline"},
        {"records = 2\n\nid = a\n", 5, "records = N is not true"},
        {"records = 1\n\nid = a\n\nid = b\n", 7, "records = N is not true"},
        {"records = 0\n", 3, "not a count"},
        {"records = one\n", 3, "not a count"},
        {"record = 1\n", 3, "records = N"},
        {"records = 1\nid = a\n", 4, "empty line before a record"},
        {"records = 1\n\n\nid = a\n", 5, "no record after it"},
        {"records = 1\n\nid = a\n\n", 6, "no record after it"},
        {"records = 1\n\nid = a\nnope = 1\n", 6, "unknown key: nope"},
        {"records = 1\n\nid = a\nat = 1\nat = 1\n", 7, "twice: at"},
        {"records = 1\n\nat = 1\n", 5, "lacks the key: id"},
        {"records = 1\n\nid = a\nkey = abc\n", 6, "odd number"},
        {"records = 1\n\nid = a\nkey = AB\n", 6, "lower-case hex"},
        {"records = 1\n\nid = a\nkey = 0g\n", 6, "lower-case hex"},
        {"records = 1\n\nid = a\nkey = ab \n", 6, "white space at the end"},
        {"records = 1\n\nid = a\nkey =  ab\n", 6, "odd number"},
        {"records = 1\n\nid = a\nkey=ab\n", 6, "expected: key = value"},
        {"records = 1\n\nid = a\nkey\n", 6, "expected: key = value"},
        {"records = 1\n\nid =\n", 5, "an empty value"},
        {"records = 1\n\nid = a\ntext = x\n", 6, "no quotes"},
        {"records = 1\n\nid = a\ntext = \"\n", 6, "no quotes"},
        {"records = 1\n\nid = a\ntext = \"x\"y\"\n", 6, "not printable"},
        {"records = 1\n\nid = a\ntext = \"x\\\"\n", 6, "no closing quote"},
        {"records = 1\n\nid = a\ntext = \"\\r\"\n", 6, "unknown escape"},
        {"records = 1\n\nid = a\ntext = \"\\xAB\"\n", 6, "lower-case hex"},
        {"records = 1\n\nid = a\ntext = \"\\x1\"\n", 6, "lower-case hex"},
        {"records = 1\n\nid = a\ntext = \"\xc3\xa9\"\n", 6, "not printable"},
        {"records = 1\n\nid = a\nat = 1x\n", 6, "not a number"},
        {"records = 1\n\nid = a\nat = 01\n", 6, "not a number"},
        {"records = 1\n\nid = a\nat = +1\n", 6, "not a number"},
        {"records = 1\n\nid = a\nat = 99999999999999999999\n", 6,
         "not a number"},
        {"records = 1\n\nid = a\nexpect = OK\n", 6, "not a status"},
        {"records = 1\n\n# c\nid = a\n", 5, "expected: key = value"},
    };
    char content[512], message[512], want[32];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc, line = cases[i].line;

        snprintf(content, sizeof content, READER_HEAD "%s", cases[i].body);
        snprintf(about, sizeof about, "case %zu", i);
        rc = run_reader(content, message, sizeof message);
        CHECK_INT(rc, line == 0 ? 0 : 70);
        /* A missing final newline is found before any line is read. */
        snprintf(want, sizeof want, ":%d:",
                 strcmp(cases[i].says, "no final newline") == 0 ? 0 : line);
        if (line != 0 && (!CHECK(strstr(message, want) != NULL) ||
                          !CHECK(strstr(message, cases[i].says) != NULL)))
            fprintf(stderr, "  it said: %s", message);
    }
    CHECK_INT(run_reader("# fields: id\nrecords = 1\n\nid = a\n", message,
                         sizeof message),
              70);
    CHECK(strstr(message, "not the ones that the test reads") != NULL);
    done();
}

/* ----------------------------------------------------------------------- *
 * Memory and errors                                                       *
 * ----------------------------------------------------------------------- */

static void
test_equal_and_wipe(void **state)
{
    unsigned char a[65], b[65];

    (void)state;
    seed(2);
    CHECK(ef_equal(NULL, NULL, 0) == 1);
    for (size_t n = 0; n <= 64; n++) {
        fill(a, sizeof a);
        memcpy(b, a, sizeof b);
        b[n] ^= 1; /* just past the end */
        CHECK(ef_equal(a, b, n) == 1);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            b[bit / 8] ^= (unsigned char)(1u << bit % 8);
            CHECK(ef_equal(a, b, n) == 0);
            b[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        memset(b, 0xa5, sizeof b);
        ef_wipe(b, n);
        CHECK(all_zero(b, n) && b[n] == 0xa5);
    }
    ef_wipe(NULL, 0);
    done();
}

static int
collect(void *ctx, const unsigned char *p, size_t n)
{
    ef_buf_add(ctx, p, n);
    return 0;
}

static int
refuse(void *ctx, const unsigned char *p, size_t n)
{
    (void)p;
    *(size_t *)ctx += n != 0;
    return 1;
}

static void
test_buf(void **state)
{
    ef_buf b = {0}, all = {0};
    ef_slice one;
    size_t refused = 0;
    char byte;

    (void)state;
    one = many("", "x", 200000, "");
    ef_buf_add(&b, NULL, 0);
    ef_buf_str(&b, "");
    CHECK(b.n == 0 && !b.failed);
    for (unsigned i = 0; i < 5000; i++)
        ef_buf_byte(&b, (unsigned char)i);
    CHECK(b.n == 5000 && !b.failed && b.cap >= b.n);
    for (unsigned i = 0; i < 5000 && b.n == 5000; i++)
        CHECK_INT(b.p[i], i & 0xff);
    ef_buf_free(&b);
    CHECK(b.p == NULL && b.n == 0 && b.cap == 0);

    memset(&b, 0, sizeof b); /* up to max, and not past it */
    b.max = 10;
    ef_buf_str(&b, "0123456789");
    CHECK(b.n == 10 && !b.failed);
    ef_buf_byte(&b, 'x');
    CHECK(b.n == 10 && b.failed);
    ef_buf_free(&b);
    memset(&b, 0, sizeof b); /* what fails adds nothing, nor does the next */
    b.max = 10;
    ef_buf_str(&b, "01234567");
    ef_buf_str(&b, "89a");
    CHECK(b.n == 8 && b.failed);
    ef_buf_byte(&b, '8');
    CHECK(b.n == 8 && b.failed);
    CHECK_BUF(b, text("01234567"));
    ef_buf_free(&b);
    memset(&b, 0, sizeof b); /* a size that would wrap around */
    ef_buf_byte(&b, 'x');
    ef_buf_add(&b, "x", SIZE_MAX);
    CHECK(b.n == 1 && b.failed);
    ef_buf_free(&b);

    memset(&b, 0, sizeof b); /* drained: all of it, in order */
    b.drain = collect;
    b.ctx = &all;
    for (unsigned i = 0; i < 300000; i++) {
        byte = (char)(i * 7 >> 3);
        ef_buf_add(&b, &byte, 1);
        CHECK(b.n <= 1 << 17);
    }
    CHECK(!b.failed && all.n != 0);
    ef_buf_add(&all, b.p, b.n);
    CHECK_INT(all.n, 300000);
    for (unsigned i = 0; i < all.n; i++)
        CHECK_INT(all.p[i], (i * 7 >> 3) & 0xff);
    ef_buf_free(&b);
    ef_buf_free(&all);
    memset(&all, 0, sizeof all);
    memset(&b, 0, sizeof b); /* a piece larger than what is held */
    b.drain = collect;
    b.ctx = &all;
    ef_buf_str(&b, "begin");
    ef_buf_add(&b, one.p, one.n);
    ef_buf_str(&b, "end");
    ef_buf_add(&all, b.p, b.n);
    CHECK_INT(all.n, 5 + one.n + 3);
    CHECK(all.n > 8 && memcmp(all.p, "beginx", 6) == 0 &&
          memcmp(all.p + all.n - 4, "xend", 4) == 0);
    ef_buf_free(&b);
    ef_buf_free(&all);
    memset(&b, 0, sizeof b); /* a drain that says no */
    b.drain = refuse;
    b.ctx = &refused;
    for (unsigned i = 0; i < 300000; i++)
        ef_buf_byte(&b, 'x');
    CHECK(b.failed);
    CHECK_INT(refused, 1);
    ef_buf_free(&b);
    free((void *)(uintptr_t)one.p);
    done();
}

/* The flags that the kernel keeps for the pages at p ("VmFlags: rd wr …"). */
static void
page_flags(const void *p, char *flags, size_t room)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    uintptr_t at = (uintptr_t)p, from, to;
    int here = 0;

    *flags = 0;
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            here = at >= from && at < to;
        if (here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, room, "%.*s ", (int)strcspn(line + 8, "\n"),
                     line + 8);
    }
    fclose(f);
}

/* How a child ends that runs fn(p): 0, its exit status, or 128 + signal. */
static int
in_child(void (*fn)(unsigned char *p), unsigned char *p)
{
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int quiet = open("/dev/null", O_WRONLY);

        dup2(quiet, 2); /* a sanitizer tells of the fault that is wanted */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        fn(p);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
child_expects_zeros(unsigned char *p)
{
    if (!all_zero(p, 100))
        _exit(5);
}

static void
child_reads(unsigned char *p)
{
    if (*(volatile unsigned char *)p == 77)
        _exit(0);
}

static void
test_secret(void **state)
{
    static const size_t sizes[] = {1, 32, 100, 4095, 4096, 4097, 70000};
    char flags[256];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        int locked = 7;
        unsigned char *p = ef_secret_alloc(n, &locked);

        snprintf(about, sizeof about, "%zu bytes", n);
        assert_non_null(p);
        CHECK(locked == 0 || locked == 1);
        CHECK(all_zero(p, n));
        CHECK((uintptr_t)p % 16 == 0);
        memset(p, 0xa5, n);
        page_flags(p, flags, sizeof flags);
        if (*flags != 0) {
            CHECK(strstr(flags, " dd ") != NULL); /* left out of dumps */
            CHECK(strstr(flags, " wf ") != NULL); /* zero after a fork */
#ifndef UNIT_ASAN /* which makes mlock do nothing */
            CHECK_INT(strstr(flags, " lo ") != NULL, locked);
#endif
        }
        if (n >= 100)
            CHECK_INT(in_child(child_expects_zeros, p), 0);
        CHECK(p[0] == 0xa5 && p[n - 1] == 0xa5); /* the parent's stays */
        /* A page before and a page after are out of bounds. */
        CHECK_INT(
            in_child(child_reads,
                     (unsigned char *)((uintptr_t)p & ~(uintptr_t)4095) - 1),
            128 + SIGSEGV);
        CHECK_INT(
            in_child(child_reads, (unsigned char *)(((uintptr_t)p + n + 4095) &
                                                    ~(uintptr_t)4095)),
            128 + SIGSEGV);
        ef_secret_free(p, n);
        CHECK_INT(in_child(child_reads, p), 128 + SIGSEGV);
    }
    ef_secret_free(NULL, 0);
    ef_secret_free(NULL, 32);
    CHECK(ef_secret_alloc(SIZE_MAX, NULL) == NULL);
    CHECK(ef_secret_alloc(SIZE_MAX - 4096, NULL) == NULL);
    done();
}

/* ----------------------------------------------------------------------- *
 * Properties of the text encodings                                        *
 * ----------------------------------------------------------------------- */

static void
test_encodings_round_trip(void **state)
{
    (void)state;
    seed(3);
    for (size_t n = 0; n <= 300; n++) {
        unsigned char *data = block(n), *back = block(n);
        size_t chars_n = EF_BASE64_BYTES(n), got = 0;
        char *digits = (char *)block(2 * n), *chars = (char *)block(chars_n);
        unsigned char *decoded = block(chars_n / 4 * 3);
        ef_err err = {0};

        snprintf(about, sizeof about, "%zu bytes", n);
        fill(data, n);
        for (int upper = 0; upper < 2; upper++) {
            ef_hex_encode(digits, data, n, upper);
            CHECK_STATUS(ef_hex_decode(back, n, slice(digits, 2 * n), &err),
                         EF_OK, &err);
            CHECK_BYTES(back, n, slice(data, n));
        }
        ef_base64_encode(chars, data, n);
        CHECK_STATUS(
            ef_base64_decode(decoded, &got, slice(chars, chars_n), &err), EF_OK,
            &err);
        CHECK_BYTES(decoded, got, slice(data, n));
        free(data);
        free(back);
        free(digits);
        free(chars);
        free(decoded);
    }
    done();
}

/* Every byte at every place of a short text: digits and no others. */
static void
test_alphabets(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                   "pqrstuvwxyz0123456789+/";
    unsigned char in[8], out[6];
    size_t n;
    ef_err err = {0};

    (void)state;
    for (int c = 0; c < 256; c++)
        for (size_t i = 0; i < sizeof in; i++) {
            ef_status rc;

            memset(in, '0', sizeof in);
            in[i] = (unsigned char)c;
            rc = ef_hex_decode(out, 4, slice(in, sizeof in), &err);
            CHECK_STATUS(rc, isxdigit(c) ? EF_OK : EF_E_FORMAT, &err);
            if (rc != EF_OK)
                CHECK_INT(err.at, i);
            memset(in, 'A', sizeof in);
            in[i] = (unsigned char)c;
            rc = ef_base64_decode(out, &n, slice(in, sizeof in), &err);
            CHECK_STATUS(rc,
                         (c != 0 && strchr(alphabet, c) != NULL) ||
                                 (c == '=' && i == 7)
                             ? EF_OK
                             : EF_E_FORMAT,
                         &err);
            if (rc != EF_OK && c != '=')
                CHECK_INT(err.at, i);
        }
    done();
}

/* RFC 3629 section 4, as a table: bounds of the second byte per lead byte. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char from, to, low, high, length;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*p < rows[i].from || *p > rows[i].to)
            continue;
        if (rows[i].length > n)
            return 0;
        for (size_t j = 1; j < rows[i].length; j++)
            if (p[j] < (j == 1 ? rows[i].low : 0x80) ||
                p[j] > (j == 1 ? rows[i].high : 0xbf))
                return 0;
        return rows[i].length;
    }
    return 0;
}

static void
check_utf8(const unsigned char *p, size_t n)
{
    size_t i = 0, k = 1;
    ef_err err = {0};
    ef_status rc = ef_utf8_check(slice(p, n), &err);

    while (i < n && (k = utf8_length(p + i, n - i)) != 0)
        i += k;
    if (rc != (k != 0 ? EF_OK : EF_E_FORMAT) || (rc != EF_OK && err.at != i)) {
        show("the text", p, n);
        CHECK_STATUS(rc, k != 0 ? EF_OK : EF_E_FORMAT, &err);
        CHECK_INT(err.at, i);
    }
}

static void
test_utf8(void **state)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    unsigned char p[9] = {0};

    (void)state;
    check_utf8(p, 0);
    for (unsigned a = 0; a < 0x10000; a++) { /* all of one and two bytes */
        p[0] = (unsigned char)(a >> 8);
        p[1] = (unsigned char)a;
        check_utf8(p, 1);
        check_utf8(p, 2);
    }
    for (unsigned a = 0xe0; a <= 0xff; a++) /* lead bytes of three and four */
        for (unsigned b = 0; b < 0x100; b++)
            for (size_t c = 0; c < sizeof edges; c++)
                for (size_t d = 0; d < sizeof edges; d++) {
                    p[0] = (unsigned char)a;
                    p[1] = (unsigned char)b;
                    p[2] = edges[c];
                    p[3] = edges[d];
                    check_utf8(p, 3);
                    check_utf8(p, 4);
                }
    seed(4); /* longer, with every offset of the fault */
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = below(sizeof p + 1);

        for (size_t j = 0; j < n; j++)
            p[j] = below(2) ? edges[below(sizeof edges)]
                            : (unsigned char)below(256);
        check_utf8(p, n);
    }
    done();
}

/* ----------------------------------------------------------------------- *
 * Properties of JSON                                                      *
 * ----------------------------------------------------------------------- */

/* The published test numbers of RFC 8785 (cyberphone/json-canonicalization,
 * testdata/README.md): 168 fixed ones, 2,000 after the least normal double,
 * then doubles out of a chain of SHA-256. */
static const uint64_t es6_fixed[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001,
    0x8000000000000001, 0xc46696695dbd1cc3, 0xc43211ede4974a35,
    0xc3fce97ca0f21056, 0xc3c7213080c1a6ac, 0xc39280f39a348556,
    0xc35d9b1f5d20d557, 0xc327af4c4a80aaac, 0xc2f2f2a36ecd5556,
    0xc2be51057e155558, 0xc28840d131aaaaac, 0xc253670dc1555557,
    0xc21f0b4935555557, 0xc1e8d5d42aaaaaac, 0xc1b3de4355555556,
    0xc17fca0555555556, 0xc1496e6aaaaaaaab, 0xc114585555555555,
    0xc0e046aaaaaaaaab, 0xc0aa0aaaaaaaaaaa, 0xc074d55555555555,
    0xc040aaaaaaaaaaab, 0xc00aaaaaaaaaaaab, 0xbfd5555555555555,
    0xbfa1111111111111, 0xbf6b4e81b4e81b4f, 0xbf35d867c3ece2a5,
    0xbf0179ec9cbd821e, 0xbecbf647612f3696, 0xbe965e9f80f29212,
    0xbe61e54c672874db, 0xbe2ca213d840baf8, 0xbdf6e80fe033c8c6,
    0xbdc2533fe68fd3d2, 0xbd8d51ffd74c861c, 0xbd5774ccac3d3817,
    0xbd22c3d6f030f9ac, 0xbcee0624b3818f79, 0xbcb804ea293472c7,
    0xbc833721ba905bd3, 0xbc4ebe9c5db3c61e, 0xbc18987d17c304e5,
    0xbbe3ad30dfcf371d, 0xbbaf7b816618582f, 0xbb792f9ab81379bf,
    0xbb442615600f9499, 0xbb101e77800c76e1, 0xbad9ca58cce0be35,
    0xbaa4a1e0a3e6fe90, 0xba708180831f320d, 0xba3a68cd9e985016,
    0x446696695dbd1cc3, 0x443211ede4974a35, 0x43fce97ca0f21056,
    0x43c7213080c1a6ac, 0x439280f39a348556, 0x435d9b1f5d20d557,
    0x4327af4c4a80aaac, 0x42f2f2a36ecd5556, 0x42be51057e155558,
    0x428840d131aaaaac, 0x4253670dc1555557, 0x421f0b4935555557,
    0x41e8d5d42aaaaaac, 0x41b3de4355555556, 0x417fca0555555556,
    0x41496e6aaaaaaaab, 0x4114585555555555, 0x40e046aaaaaaaaab,
    0x40aa0aaaaaaaaaaa, 0x4074d55555555555, 0x4040aaaaaaaaaaab,
    0x400aaaaaaaaaaaab, 0x3fd5555555555555, 0x3fa1111111111111,
    0x3f6b4e81b4e81b4f, 0x3f35d867c3ece2a5, 0x3f0179ec9cbd821e,
    0x3ecbf647612f3696, 0x3e965e9f80f29212, 0x3e61e54c672874db,
    0x3e2ca213d840baf8, 0x3df6e80fe033c8c6, 0x3dc2533fe68fd3d2,
    0x3d8d51ffd74c861c, 0x3d5774ccac3d3817, 0x3d22c3d6f030f9ac,
    0x3cee0624b3818f79, 0x3cb804ea293472c7, 0x3c833721ba905bd3,
    0x3c4ebe9c5db3c61e, 0x3c18987d17c304e5, 0x3be3ad30dfcf371d,
    0x3baf7b816618582f, 0x3b792f9ab81379bf, 0x3b442615600f9499,
    0x3b101e77800c76e1, 0x3ad9ca58cce0be35, 0x3aa4a1e0a3e6fe90,
    0x3a708180831f320d, 0x3a3a68cd9e985016, 0x4024000000000000,
    0x4014000000000000, 0x3fe0000000000000, 0x3fa999999999999a,
    0x3f747ae147ae147b, 0x3f40624dd2f1a9fc, 0x3f0a36e2eb1c432d,
    0x3ed4f8b588e368f1, 0x3ea0c6f7a0b5ed8d, 0x3e6ad7f29abcaf48,
    0x3e35798ee2308c3a, 0x3ed539223589fa95, 0x3ed4ff26cd5a7781,
    0x3ed4f95a762283ff, 0x3ed4f8c60703520c, 0x3ed4f8b72f19cd0d,
    0x3ed4f8b5b31c0c8d, 0x3ed4f8b58d1c461a, 0x3ed4f8b5894f7f0e,
    0x3ed4f8b588ee37f3, 0x3ed4f8b588e47da4, 0x3ed4f8b588e3849c,
    0x3ed4f8b588e36bb5, 0x3ed4f8b588e36937, 0x3ed4f8b588e368f8,
    0x3ed4f8b588e368f1, 0x3ff0000000000000, 0xbff0000000000000,
    0xbfeffffffffffffa, 0xbfeffffffffffffb, 0x3feffffffffffffa,
    0x3feffffffffffffb, 0x3feffffffffffffc, 0x3feffffffffffffe,
    0xbfefffffffffffff, 0xbfefffffffffffff, 0x3fefffffffffffff,
    0x3fefffffffffffff, 0x3fd3333333333332, 0x3fd3333333333333,
    0x3fd3333333333334, 0x0010000000000000, 0x000ffffffffffffd,
    0x000fffffffffffff, 0x7fefffffffffffff, 0xffefffffffffffff,
    0x4340000000000000, 0xc340000000000000, 0x4430000000000000,
    0x44b52d02c7e14af5, 0x44b52d02c7e14af6, 0x44b52d02c7e14af7,
    0x444b1ae4d6e2ef4e, 0x444b1ae4d6e2ef4f, 0x444b1ae4d6e2ef50,
    0x3eb0c6f7a0b5ed8c, 0x3eb0c6f7a0b5ed8d, 0x41b3de4355555553,
    0x41b3de4355555554, 0x41b3de4355555555, 0x41b3de4355555556,
    0x41b3de4355555557, 0xbecbf647612f3696, 0x43143ff3c1cb0959,
};

struct es6 {
    size_t index;
    unsigned char block[32];
    size_t left; /* doubles of block not used yet */
};

static double
es6_next(struct es6 *s)
{
    size_t fixed = sizeof es6_fixed / sizeof *es6_fixed, i = s->index++;
    uint64_t bits = 0;
    double x = 0;

    if (i < fixed + 2000) {
        bits = i < fixed ? es6_fixed[i]
                         : UINT64_C(0x0010000000000000) + (i - fixed);
        memcpy(&x, &bits, sizeof x);
        return x;
    }
    while (x == 0 || !isfinite(x)) {
        if (s->left == 0) {
            br_sha256_context sha;

            br_sha256_init(&sha);
            br_sha256_update(&sha, s->block, sizeof s->block);
            br_sha256_out(&sha, s->block);
            s->left = 4;
        }
        bits = 0;
        for (size_t k = 8; k-- > 0;)
            bits = bits << 8 | s->block[8 * (4 - s->left) + k];
        s->left--;
        memcpy(&x, &bits, sizeof x);
    }
    return x;
}

static void
test_json_number(void **state)
{
    static const struct {
        unsigned lines;
        const char *sha256;
    } sums[] = {
        {1000,
         "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"},
        {10000,
         "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"},
        {100000,
         "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"},
    };
    struct es6 s = {0};
    br_sha256_context sha;

    (void)state;
    br_sha256_init(&sha);
    for (unsigned i = 0, k = 0; k < 3; i++) {
        char number[EF_JSON_NUMBER_BYTES + 1], line[64], hex[65];
        unsigned char digest[32];
        uint64_t bits;
        double x;
        size_t n;

        if (i == sums[k].lines) {
            br_sha256_out(&sha, digest);
            for (size_t j = 0; j < 32; j++)
                snprintf(hex + 2 * j, 3, "%02x", digest[j]);
            CHECK_BYTES(hex, 64, text(sums[k].sha256));
            printf("    %u numbers of the published sequence\n", i);
            k++;
        }
        x = es6_next(&s);
        memcpy(&bits, &x, sizeof bits);
        number[EF_JSON_NUMBER_BYTES] = 'x';
        n = ef_json_number(number, x);
        CHECK(number[EF_JSON_NUMBER_BYTES] == 'x');
        if (!CHECK(n < EF_JSON_NUMBER_BYTES && n == strlen(number)))
            break;
        snprintf(line, sizeof line, "%" PRIx64 ",%s\n", bits, number);
        br_sha256_update(&sha, line, strlen(line));
    }
    done();
}

/* Many names: each is found, a second one of each is refused, in little
 * time whatever they are. */
static void
test_json_names(void **state)
{
    ef_buf b = {0};
    ef_json doc = {0};
    ef_err err = {0};
    char name[32];
    uint64_t at;

    (void)state;
    ef_buf_byte(&b, '{');
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(name, sizeof name, "%s\"k%u\":%u", i == 0 ? "" : ",", i, i);
        ef_buf_str(&b, name);
    }
    ef_buf_byte(&b, '}');
    assert_false(b.failed);
    CHECK_STATUS(ef_json_parse(&doc, slice(b.p, b.n), &err), EF_OK, &err);
    if (doc.count == 40001)
        for (unsigned i = 0; i < 40000; i += 997) {
            snprintf(name, sizeof name, "k%u", i);
            CHECK_INT(ef_json_member(&doc, 0, text(name)), i + 1);
        }
    CHECK_INT(doc.count, 40001);
    CHECK_INT(ef_json_member(&doc, 0, text("k")), EF_JSON_NONE);
    CHECK_INT(ef_json_member(&doc, 0, text("k40000")), EF_JSON_NONE);
    CHECK_INT(ef_json_member(&doc, 1, text("k1")), EF_JSON_NONE);
    ef_json_free(&doc);
    b.p[b.n - 1] = ',';
    at = b.n;
    ef_buf_str(&b, "\"k31234\":0}");
    memset(&doc, 0, sizeof doc);
    CHECK_STATUS(ef_json_parse(&doc, slice(b.p, b.n), &err), EF_E_FORMAT, &err);
    CHECK_INT(err.at, at);
    ef_json_free(&doc);
    ef_buf_free(&b);
    done();
}

static void
test_json_strings(void **state)
{
    static const char in[] = "{\"\\u0061\\n\":[\"\\u0000\\ud83d\\ude02\","
                             "\"\",\"\xc3\xa9\\/\"],\"x\":1}";
    static const char *const want[] = {"\0\xf0\x9f\x98\x82", "", "\xc3\xa9/"};
    static const size_t want_n[] = {5, 0, 3};
    ef_json doc = {0};
    ef_err err = {0};
    ef_buf out = {0}, again = {0};
    uint32_t node;

    (void)state;
    CHECK_STATUS(ef_json_parse(&doc, text(in), &err), EF_OK, &err);
    CHECK_INT(doc.count, 6);
    node = ef_json_member(&doc, 0, text("a\n"));
    CHECK_INT(node, 1);
    CHECK_INT(ef_json_member(&doc, 0, text("x")), 5);
    CHECK_INT(ef_json_member(&doc, 1, text("x")), EF_JSON_NONE);
    CHECK_INT(ef_json_member(&doc, 0, text("\\u0061\\n")), EF_JSON_NONE);
    CHECK_INT(ef_json_member(&doc, 0, text("a")), EF_JSON_NONE);
    for (uint32_t i = 0; i < 3 && doc.count == 6; i++) {
        ef_json_string(&doc, 2 + i, &out);
        CHECK_BUF(out, slice(want[i], want_n[i]));
        CHECK_INT(doc.nodes[2 + i].has_escape, i != 1);
        ef_buf_free(&out);
    }
    ef_json_free(&doc);

    /* Every character up to U+07FF: quoted, read back, the same. */
    memset(&out, 0, sizeof out);
    for (unsigned c = 0; c < 0x800; c++) {
        if (c >= 0x80)
            ef_buf_byte(&out, (unsigned char)(0xc0 | c >> 6));
        ef_buf_byte(&out, (unsigned char)(c < 0x80 ? c : 0x80 | (c & 0x3f)));
    }
    ef_json_quote(&again, slice(out.p, out.n));
    memset(&doc, 0, sizeof doc);
    CHECK_STATUS(ef_json_parse(&doc, slice(again.p, again.n), &err), EF_OK,
                 &err);
    if (doc.count == 1) {
        ef_buf back = {0};

        ef_json_string(&doc, 0, &back);
        CHECK_BUF(back, slice(out.p, out.n));
        ef_buf_free(&back);
        CHECK_STATUS(ef_json_canonical(&doc, 0, &back, &err), EF_OK, &err);
        CHECK_BUF(back, slice(again.p, again.n));
        ef_buf_free(&back);
    }
    ef_json_free(&doc);
    ef_buf_free(&out);
    ef_buf_free(&again);
    done();
}

/* ----------------------------------------------------------------------- *
 * Properties of CSV, INI, describe                                        *
 * ----------------------------------------------------------------------- */

static ef_status
stop_at_two(void *ctx, const ef_slice *fields, size_t count, uint64_t line,
            ef_err *err)
{
    (void)fields;
    (void)count;
    (void)err;
    ++*(unsigned *)ctx;
    return line == 2 ? EF_E_POLICY : EF_OK;
}

static void
test_csv_stops(void **state)
{
    unsigned rows = 0;
    ef_err err = {0};
    ef_csv csv;

    (void)state;
    ef_csv_init(&csv, stop_at_two, &rows); /* a row that says no stops it */
    CHECK_INT(ef_csv_push(&csv, text("a\nb\nc\nd\n"), &err), EF_E_POLICY);
    CHECK_INT(rows, 2);
    ef_csv_free(&csv);
    ef_csv_init(&csv, stop_at_two, &rows);
    ef_csv_free(&csv); /* nothing pushed */
    ef_csv_init(&csv, stop_at_two, &rows);
    CHECK_STATUS(ef_csv_end(&csv, &err), EF_E_FORMAT, &err);
    ef_csv_free(&csv);
    done();
}

/* What is mounted: the fifth field of each line, without its escapes. */
static void
test_mount_names(void **state)
{
    static const struct {
        const char *in, *want; /* '|' for a NUL */
    } cases[] = {
        {"", "|"},
        {"36 35 98:0 /mnt1 /mnt2 rw,noatime - ext3 /dev/root rw\n", "/mnt2||"},
        {"1 0 0:2 / / rw - rootfs none rw\n2 1 0:5 / /a\\040b rw - t t rw\n",
         "/|/a b||"},
        {"1 0 0:2 / /\\134\\012 rw\n", "/\\\n||"},
        {"1 0 0:2 / /no-more", "/no-more||"},
        {"1 0 0:2 / /cut\\04", "/cut\\04||"},
        {"1 0 0:2 /\n\n2 1 0:5 / /b rw\n", "/b||"},
        {"1 0 0:2 /  rw\n2 1 0:5 / /b rw\n", "/b||"},
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].in), want = strlen(cases[i].want);

        snprintf(text, sizeof text, "%s", cases[i].in);
        ef_mount_names(text, n);
        for (size_t k = 0; k < want; k++)
            text[k] = text[k] == '\0' ? '|' : text[k];
        check_bytes(text, want, slice(cases[i].want, strlen(cases[i].want)),
                    cases[i].in, __LINE__);
    }
    done();
}

/* The published columns, by pieces: what was counted does not depend on how
 * the file arrives. */
static void
test_describe_pieces(void **state)
{
    static const char in[] = "A,DESCRIPTION\n1,x\n2,\"y, z\"\n3,x\n\n4,\n"
                             "5,NA\n6,x\n7,\xc3\xa9\n";
    static const char want[] = "count     5\nunique    3\ntop       x\n"
                               "freq      3\n"
                               "Name: DESCRIPTION, dtype: object";
    static const char *const columns[] = {"DESCRIPTION"};
    static const unsigned char seeds[16] = {1, 2, 3};

    (void)state;
    for (size_t size = 1; size <= sizeof in; size++) {
        ef_describe *d = ef_describe_new(columns, 1, seeds);
        ef_summary sum = {0};
        ef_buf table = {0};
        ef_slice value;
        ef_err err = {0};
        uint64_t count;

        snprintf(about, sizeof about, "pieces of %zu", size);
        assert_non_null(d);
        for (size_t i = 0; i < sizeof in - 1; i += size) {
            size_t n = sizeof in - 1 - i < size ? sizeof in - 1 - i : size;
            unsigned char *piece = copy(slice(in + i, n));

            CHECK_STATUS(ef_describe_push(d, slice(piece, n), &err), EF_OK,
                         &err);
            free(piece);
        }
        CHECK_STATUS(ef_describe_end(d, &err), EF_OK, &err);
        CHECK_INT(ef_describe_count(d), 1);
        ef_describe_get(d, 0, &sum);
        CHECK_BYTES(sum.name.p, sum.name.n, text("DESCRIPTION"));
        CHECK_BYTES(sum.top.p, sum.top.n, text("x"));
        CHECK(sum.count == 5 && sum.unique == 3 && sum.freq == 3);
        ef_describe_table(d, 0, &table);
        while (table.n != 0 && table.p[table.n - 1] == '\n')
            table.n--;
        CHECK_BUF(table, text(want));
        CHECK(ef_describe_top(d, 0, 1, &value, &count) == 1);
        CHECK_BYTES(value.p, value.n, text("y, z"));
        CHECK_INT(count, 1);
        CHECK(ef_describe_top(d, 0, 2, &value, &count) == 1);
        CHECK_BYTES(value.p, value.n, text("\xc3\xa9"));
        CHECK(ef_describe_top(d, 0, 3, &value, &count) == 0);
        ef_buf_free(&table);
        ef_describe_free(d);
    }
    done();
}

/* ----------------------------------------------------------------------- *
 * Properties of AES-256-GCM and results                                   *
 * ----------------------------------------------------------------------- */

/* Random messages: every kernel seals to the same bytes as the first, and
 * opens what the first has sealed, whatever the split. */
static void
test_gcm_kernels_agree(void **state)
{
    (void)state;
    seed(5);
    for (unsigned i = 0; i < 400; i++) {
        size_t n = below(i % 10 == 0 ? 5000 : 300), aad_n = below(70);
        unsigned char key[32], iv[12], tag[16], tag2[16];
        unsigned char *pt = block(n), *ct = block(n), *p = block(n);
        unsigned char *aad = block(aad_n);
        const ef_gcm_kernel *kernel;
        ef_err err = {0};

        fill(key, sizeof key);
        fill(iv, sizeof iv);
        fill(pt, n);
        fill(aad, aad_n);
        CHECK_STATUS(ef_gcm_seal(ct, tag, key, iv, aad, aad_n, pt, n,
                                 ef_gcm_kernel_at(0), &err),
                     EF_OK, &err);
        for (unsigned k = 0; (kernel = ef_gcm_kernel_at(k)) != NULL; k++) {
            ef_gcm *g = ef_gcm_new(key, kernel);

            assert_non_null(g);
            for (int encrypt = 0; encrypt < 2; encrypt++) {
                if (n != 0)
                    memcpy(p, encrypt ? pt : ct, n);
                ef_gcm_start(g, iv, aad, aad_n);
                for (size_t at = 0, m; at < n; at += m) {
                    m = below(below(2) ? 20 : n + 1);
                    m = m > n - at ? n - at : m;
                    CHECK_STATUS(ef_gcm_crypt(g, p + at, m, encrypt, &err),
                                 EF_OK, &err);
                }
                ef_gcm_tag(g, tag2);
                CHECK_BYTES(p, n, slice(encrypt ? ct : pt, n));
                CHECK_BYTES(tag2, sizeof tag2, slice(tag, sizeof tag));
            }
            ef_gcm_free(g);
        }
        free(pt);
        free(ct);
        free(p);
        free(aad);
    }
    done();
}

/* One bit changed anywhere: key, nonce, additional data, ciphertext. */
static void
test_gcm_every_bit(void **state)
{
    unsigned char key[32], iv[12], aad[5], pt[21], ct[21], out[21], tag[16];
    const struct {
        unsigned char *p;
        size_t n;
    } parts[] = {{key, sizeof key},
                 {iv, sizeof iv},
                 {aad, sizeof aad},
                 {ct, sizeof ct},
                 {tag, sizeof tag}};
    ef_err err = {0};

    (void)state;
    seed(6);
    fill(key, sizeof key);
    fill(iv, sizeof iv);
    fill(aad, sizeof aad);
    fill(pt, sizeof pt);
    CHECK_STATUS(ef_gcm_seal(ct, tag, key, iv, aad, sizeof aad, pt, sizeof pt,
                             NULL, &err),
                 EF_OK, &err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t bit = 0; bit < 8 * parts[i].n; bit++) {
            parts[i].p[bit / 8] ^= (unsigned char)(1u << bit % 8);
            memset(out, 0xa5, sizeof out);
            CHECK_STATUS(ef_gcm_open(out, key, iv, aad, sizeof aad, ct,
                                     sizeof ct, tag, NULL, &err),
                         EF_E_AUTH, &err);
            CHECK(all_zero(out, sizeof out));
            parts[i].p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    CHECK_STATUS(ef_gcm_open(out, key, iv, aad, sizeof aad, ct, sizeof ct, tag,
                             NULL, &err),
                 EF_OK, &err);
    CHECK_STATUS(ef_gcm_open(out, key, iv, aad, sizeof aad - 1, ct, sizeof ct,
                             tag, NULL, &err),
                 EF_E_AUTH, &err);
    CHECK_STATUS(
        ef_gcm_open(out, key, iv, NULL, 0, ct, sizeof ct, tag, NULL, &err),
        EF_E_AUTH, &err);
    done();
}

static void
test_gcm_limit(void **state)
{
    static unsigned char key[32], iv[12], tag[16];
    unsigned char one[1] = {0xa5};
    const size_t over = (size_t)EF_MAX_PLAINTEXT_BYTES + 1;
    ef_gcm *g = ef_gcm_new(key, NULL);
    ef_err err = {0};

    (void)state;
    assert_non_null(g);
    CHECK_STATUS(ef_gcm_seal(one, tag, key, iv, NULL, 0, one, over, NULL, &err),
                 EF_E_LIMIT, &err);
    CHECK_STATUS(ef_gcm_open(one, key, iv, NULL, 0, one, over, tag, NULL, &err),
                 EF_E_LIMIT, &err);
    ef_gcm_start(g, iv, NULL, 0);
    CHECK_STATUS(ef_gcm_crypt(g, one, over, 1, &err), EF_E_LIMIT, &err);
    CHECK(one[0] == 0xa5);
    CHECK_STATUS(ef_gcm_crypt(g, one, 1, 1, &err), EF_OK, &err);
    one[0] = 0xa5;
    CHECK_STATUS(ef_gcm_crypt(g, one, over - 1, 1, &err), EF_E_LIMIT, &err);
    CHECK(one[0] == 0xa5);
    ef_gcm_free(g);
    ef_gcm_free(NULL);
    done();
}

/* Results of every small size, in pieces; and read back. */
static void
test_result_pieces(void **state)
{
    (void)state;
    seed(7);
    for (size_t n = 0; n < 60; n++) {
        unsigned char *out = block(n), *err_bytes = block(n * 7 % 13);
        ef_result res = {n % 3 == 0 ? 0 : (int)(next64() % 256),
                         slice(out, n),
                         slice(err_bytes, n * 7 % 13),
                         {NULL, 0}};
        size_t size = (size_t)ef_result_size(&res);
        unsigned char *json = block(size), *again;
        ef_result back = {0};
        ef_err err = {0};

        if (n % 3 == 2)
            res.returncode = -(int)n;
        free(json);
        size = (size_t)ef_result_size(&res);
        json = block(size);
        fill(out, n);
        fill(err_bytes, n * 7 % 13);
        ef_result_read(&res, 0, json, size);
        for (size_t at = 0; at < size; at++) { /* one byte at a time */
            unsigned char *c = block(1);

            ef_result_read(&res, at, c, 1);
            CHECK_INT(*c, json[at]);
            free(c);
        }
        check_result_pieces(&res, slice(json, size));
        again = copy(slice(json, size));
        CHECK_STATUS(ef_result_parse(&back, again, size, &err), EF_OK, &err);
        CHECK_INT(back.returncode, res.returncode);
        CHECK_BYTES(back.out.p, back.out.n, res.out);
        CHECK_BYTES(back.err.p, back.err.n, res.err);
        free(out);
        free(err_bytes);
        free(json);
        free(again);
    }
    done();
}

/* A receipt is behind the streams, and is not in what it speaks of. */
static void
test_result_receipt(void **state)
{
    static const char receipt[] = "{\"a\": \"}\"}";
    unsigned char with[EF_SHA256_BYTES], without[EF_SHA256_BYTES];
    unsigned char digest[EF_SHA256_BYTES], *json, *again;

    (void)state;
    seed(9);
    for (size_t n = 0; n < 40; n++) {
        unsigned char *bytes = block(2 * n);
        ef_result res = {0, {NULL, 0}, {NULL, 0}, {NULL, 0}};
        ef_result back;
        size_t size;

        fill(bytes, 2 * n);
        res.returncode = (int)n;
        res.out = slice(bytes, n);
        res.err = slice(bytes + n, n);
        ef_result_hash(without, &res);
        size = (size_t)ef_result_size(&res);
        json = block(size);
        ef_result_read(&res, 0, json, size);
        ef_sha256(digest, json, size);
        CHECK_BYTES(digest, sizeof digest, slice(without, sizeof without));
        free(json);
        res.receipt = text(receipt);
        ef_result_hash(with, &res);
        CHECK_BYTES(with, sizeof with, slice(without, sizeof without));
        CHECK_INT(ef_result_size(&res), size + strlen(receipt) + 17);
        size = (size_t)ef_result_size(&res);
        json = block(size);
        ef_result_read(&res, 0, json, size);
        check_result_pieces(&res, slice(json, size));
        again = copy(slice(json, size));
        CHECK_INT(ef_result_parse(&back, again, size, NULL), EF_OK);
        CHECK_BYTES(back.receipt.p, back.receipt.n, text(receipt));
        CHECK_BYTES(back.out.p, back.out.n, res.out);
        CHECK_BYTES(back.err.p, back.err.n, res.err);
        ef_result_hash(with, &back);
        CHECK_BYTES(with, sizeof with, slice(without, sizeof without));
        free(json);
        free(again);
        free(bytes);
    }
    done();
}

/* ----------------------------------------------------------------------- *
 * Memory of credentials, times                                            *
 * ----------------------------------------------------------------------- */

/* Every time is read back as it was written, in both forms. */
static void
test_time(void **state)
{
    (void)state;
    seed(8);
    for (unsigned i = 0; i < 20000; i++) {
        int64_t t = (int64_t)(next64() % (i % 2 ? 5000000000 : 253402300800));

        for (int basic = 0; basic < 2; basic++) {
            char out[EF_TIME_BYTES];
            int64_t back = -7;
            ef_err err = {0};

            ef_time_format(out, t, basic);
            CHECK_STATUS(ef_time_parse(&back, text(out), &err), EF_OK, &err);
            CHECK_INT(back, t);
        }
    }
    done();
}

/* Pages from p on that are mapped, of n bytes. */
static size_t
pages_mapped(unsigned char *p, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped = 0;
    unsigned char resident;

    for (size_t i = 0; i < n; i += page)
        mapped += mincore(p + i, page, &resident) == 0;
    return mapped;
}

/* Query strings around the sizes where a page more is needed: all of it is
 * given back, whatever the decoded size. */
static void
test_credentials_freed(void **state)
{
    static const char key[] =
        "63F0E4C07666126226D795027862ACC5848E939881C3CFE8CB3EB47DD7B3D24A";
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    for (size_t n = 1; n<6000; n += n> 3060 && n < 4110 ? 1 : 29) {
        ef_credentials *c = ef_secret_alloc(sizeof *c, NULL);
        unsigned char *query = block(n), raw[EF_KEY_BYTES], *base;
        ef_buf json = {0};
        ef_err err = {0};

        snprintf(about, sizeof about, "%zu bytes", n);
        assert_non_null(c);
        memset(query, 'q', n);
        CHECK_STATUS(ef_hex_decode(raw, sizeof raw, text(key), &err), EF_OK,
                     &err);
        ef_credentials_print(&json, raw, slice(query, n));
        CHECK_STATUS(ef_credentials_parse(c, slice(json.p, json.n), &err),
                     EF_OK, &err);
        CHECK_BYTES(c->query, c->query_n, slice(query, n));
        base = c->query;
        ef_credentials_free(c);
        CHECK(all_zero(c, sizeof *c));
        CHECK_INT(pages_mapped(base, EF_BASE64_BYTES(n) + page), 0);
        ef_secret_free(c, sizeof *c);
        ef_buf_free(&json);
        free(query);
    }
    done();
}

/* ----------------------------------------------------------------------- *
 * Guard pages: no parser reads outside its input, with or without ASan    *
 * ----------------------------------------------------------------------- */

#define GUARD_PAGES 16 /* usable, between two that may not be touched */

static unsigned char *guard_base;
static size_t guard_size;

static void
guard_open(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    guard_size = GUARD_PAGES * page;
    guard_base = mmap(NULL, guard_size + 2 * page, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guard_base != MAP_FAILED);
    guard_base += page;
    assert_int_equal(mprotect(guard_base, guard_size, PROT_READ | PROT_WRITE),
                     0);
}

static void
guard_close(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    munmap(guard_base - page, guard_size + 2 * page);
}

/* in, so that its last byte is the last before the upper page, or its first
 * byte the first after the lower one. */
static ef_slice
guarded(ef_slice in, int upper)
{
    unsigned char *p = upper ? guard_base + guard_size - in.n : guard_base;

    if (in.n != 0)
        memmove(p, in.p, in.n);
    return slice(p, in.n);
}

static void
feed_json(ef_slice in)
{
    ef_json doc = {0};
    ef_buf out = {0};
    ef_err err = {0};
    uint32_t node;

    if (ef_json_parse(&doc, in, &err) == EF_OK) {
        ef_json_print(&doc, 0, 2, &out);
        if (ef_json_canonical(&doc, 0, &out, &err) == EF_OK)
            (void)ef_json_member(&doc, 0, text("a"));
        for (uint32_t i = 0; i < doc.count; i++)
            if (doc.nodes[i].type == EF_JSON_STRING)
                ef_json_string(&doc, i, &out);
        if (ef_json_pointer(&doc, &node, text("/a/0"), &err) != EF_OK)
            node = 0;
    }
    ef_json_free(&doc);
    ef_buf_free(&out);
}

static void
feed_csv(ef_slice in)
{
    ef_buf rows = {0};
    ef_err err = {0};
    ef_csv csv;

    ef_csv_init(&csv, dump_row, &rows);
    if (ef_csv_push(&csv, in, &err) == EF_OK && ef_csv_end(&csv, &err) != EF_OK)
        rows.failed = 1;
    ef_csv_free(&csv);
    ef_buf_free(&rows);
}

static void
feed_text(ef_slice in)
{
    unsigned char *out = block(in.n), key[EF_KEY_BYTES];
    ef_buf b = {0};
    ef_slice value;
    ef_scheme scheme;
    ef_presigned presigned;
    ef_err err = {0};
    int64_t t;
    size_t n;
    unsigned ok = 0; /* what they say is tested elsewhere */

    ok += ef_base64_decode(out, &n, in, &err) == EF_OK;
    ok += ef_hex_decode(out, in.n / 2, in, &err) == EF_OK;
    ok += ef_percent_decode(&b, in, 0, &err) == EF_OK;
    ef_percent_encode(&b, in, 0);
    ef_json_quote(&b, in);
    ok += ef_utf8_check(in, &err) == EF_OK;
    ok += ef_ini_get(&value, NULL, "default", "region", in, &err) == EF_OK;
    ok += ef_key_parse(key, in, &err) == EF_OK;
    ok += ef_location_check(&scheme, in, &err) == EF_OK;
    ok += ef_name_check(in, &err) == EF_OK;
    ok += ef_presigned_parse(&presigned, in, &err) == EF_OK;
    ok += ef_time_parse(&t, in, &err) == EF_OK;
    CHECK(ok <= 10);
    ef_buf_free(&b);
    free(out);
}

static void
feed_documents(ef_slice in)
{
    ef_credentials *c = ef_secret_alloc(sizeof *c, NULL);
    ef_result res;
    ef_err err = {0};
    unsigned ok = 0;

    assert_non_null(c);
    ok += ef_credentials_parse(c, in, &err) == EF_OK;
    ef_credentials_free(c);
    ef_secret_free(c, sizeof *c);
    ok += ef_result_parse(&res, (unsigned char *)(uintptr_t)in.p, in.n, &err) ==
          EF_OK;
    CHECK(ok <= 2);
}

static void
feed_answers(ef_slice in)
{
    ef_content_range range;
    ef_buf value = {0};
    ef_slice tag;
    uint32_t index, count;
    int64_t t;
    int found;
    ef_err err = {0};
    unsigned ok = 0;

    ok += ef_http_date_parse(&t, in, 0, &err) == EF_OK;
    ok += ef_content_range_parse(&range, in, &err) == EF_OK;
    ok += ef_etag_parse(&tag, &found, in, &err) == EF_OK;
    ok += ef_shard_parse(&index, &count, in, &err) == EF_OK;
    ok += ef_xml_get(&value, &found, "Error", "Code", in, &err) == EF_OK;
    ef_buf_free(&value);
    CHECK(ok <= 1);
}

static unsigned long guard_inputs;
static void (*guard_feed)(ef_slice in);

/* Every text of the record, whole and cut off after every byte. */
static void
each_guarded(const struct vec_rec *r)
{
    rec = r;
    for (size_t i = 0; i < r->count; i++) {
        ef_slice in = {r->values[i].p, r->values[i].n};

        if (r->fields[i].type != VEC_TEXT || !r->values[i].given ||
            in.n > guard_size)
            continue;
        for (size_t n = 0; n <= in.n && n <= 300; n++) {
            guard_feed(guarded(slice(in.p, n), 1));
            guard_inputs++;
        }
        guard_feed(guarded(in, 1));
        guard_feed(guarded(in, 0));
    }
}

static void
guard_run(const char *path, const char *fields, void (*feed)(ef_slice in))
{
    guard_feed = feed;
    vec_run(path, fields, each_guarded);
}

/* ----------------------------------------------------------------------- *
 * Vectors: signatures and sealing                                         *
 * ----------------------------------------------------------------------- */

static void
check_p256_public(const struct vec_rec *r)
{
    unsigned char q[EF_P256_POINT_BYTES];
    ef_err err = {0};
    ef_status rc = ef_p256_public(q, vec_bytes(r, "d").p, &err);

    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        return;
    }
    CHECK_BYTES(q, sizeof q, vec_bytes(r, "q"));
    CHECK_INT(ef_p256_check(q, NULL), EF_OK);
}

static void
check_p256_sign(const struct vec_rec *r)
{
    unsigned char q[EF_P256_POINT_BYTES], out[EF_JWS_SIGNATURE_BYTES];
    ef_slice d = vec_bytes(r, "d"), in = vec_bytes(r, "text");
    ef_err err = {0};
    ef_status rc = ef_p256_sign(out, d.p, in, &err);

    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        return;
    }
    CHECK_BYTES(out, sizeof out, vec_bytes(r, "signature"));
    CHECK_INT(ef_p256_public(q, d.p, NULL), EF_OK);
    CHECK_INT(ef_p256_verify(q, out, in, NULL), EF_OK);
}

static void
each_p256(const struct vec_rec *r)
{
    const char *op = vec_word(r, "op");
    ef_slice q = vec_bytes(r, "q");
    ef_err err = {0};
    ef_status rc;

    rec = r;
    if (strcmp(op, "public") == 0) {
        check_p256_public(r);
        return;
    }
    if (strcmp(op, "sign") == 0) {
        check_p256_sign(r);
        return;
    }
    CHECK_INT(q.n, EF_P256_POINT_BYTES);
    if (strcmp(op, "check") == 0) {
        rc = ef_p256_check(q.p, &err);
    } else {
        CHECK(strcmp(op, "verify") == 0);
        CHECK_INT(vec_bytes(r, "signature").n, EF_JWS_SIGNATURE_BYTES);
        rc = ef_p256_verify(q.p, vec_bytes(r, "signature").p,
                            vec_bytes(r, "text"), &err);
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
}

static void
test_p256(void **state)
{
    (void)state;
    vec_run("vectors/p256.txt",
            "id source why? op expect:status msg:text? d:hex? q:hex? "
            "text:hex? signature:hex?",
            each_p256);
    done();
}

static void
each_x25519(const struct vec_rec *r)
{
    static const unsigned char nine[EF_X25519_BYTES] = {9};
    ef_slice sk = vec_bytes(r, "sk"), pk = vec_bytes(r, "pk");
    unsigned char out[EF_X25519_BYTES];
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_x25519(out, sk.p, pk.p, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK(all_zero(out, sizeof out));
        return;
    }
    CHECK_BYTES(out, sizeof out, vec_bytes(r, "shared"));
    if (memcmp(pk.p, nine, sizeof nine) == 0) {
        ef_x25519_public(out, sk.p);
        CHECK_BYTES(out, sizeof out, vec_bytes(r, "shared"));
    }
}

static void
test_x25519(void **state)
{
    /* RFC 7748 5.2: k and u, a thousand times */
    static const unsigned char want[EF_X25519_BYTES] = {
        0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55, 0x28, 0x00, 0xef,
        0x56, 0x6f, 0x2f, 0x4d, 0x3c, 0x1c, 0x38, 0x87, 0xc4, 0x93, 0x60,
        0xe3, 0x87, 0x5f, 0x2e, 0xb9, 0x4d, 0x99, 0x53, 0x2c, 0x51};
    unsigned char k[EF_X25519_BYTES] = {9}, u[EF_X25519_BYTES] = {9};
    unsigned char out[EF_X25519_BYTES];

    (void)state;
    vec_run("vectors/x25519.txt",
            "id source why? expect:status msg:text? sk:hex pk:hex shared:hex?",
            each_x25519);
    rec = NULL;
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(ef_x25519(out, k, u, NULL), EF_OK);
        memcpy(u, k, sizeof u);
        memcpy(k, out, sizeof k);
    }
    CHECK_BYTES(k, sizeof k, slice(want, sizeof want));
    done();
}

static void
each_base64url(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    ef_buf out = {0}, back = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    ef_buf_str(&out, "before");
    ef_buf_str(&back, "before");
    rc = ef_base64url_decode(&out, in, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        CHECK(out.n >= 6 && memcmp(out.p, "before", 6) == 0);
        CHECK_BYTES(out.p + 6, out.n - 6, vec_bytes(r, "bytes"));
    }
    if (rc == EF_OK) {
        ef_base64url_encode(&back, vec_bytes(r, "bytes"));
        CHECK_BYTES(back.p + 6, back.n - 6, in);
    } else {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_base64url_decode(&back, in, NULL), rc);
        CHECK_INT(back.n, 6);
        CHECK(all_zero(out.p + 6, in.n)); /* nothing is left of it */
    }
    ef_buf_free(&out);
    ef_buf_free(&back);
}

static const char base64url_fields[] =
    "id source why? expect:status at:int? msg:text? text:text bytes:hex?";

static void
test_base64url(void **state)
{
    ef_buf b = {.max = 3};
    ef_err err = {0};

    (void)state;
    vec_run("vectors/base64url.txt", base64url_fields, each_base64url);
    rec = NULL;
    /* no room: nothing is added, and it is told */
    CHECK_STATUS(ef_base64url_decode(&b, text("AAAA"), &err), EF_E_MEMORY,
                 &err);
    CHECK_INT(b.n, 0);
    ef_base64url_encode(&b, text("abc"));
    CHECK(b.failed && b.n == 0);
    ef_buf_free(&b);
    done();
}

static const char *
pem_kind_name(ef_pem_kind kind)
{
    static const char *const names[] = {"none", "p256-private", "p256-public",
                                        "x25519-private", "x25519-public"};

    return names[kind];
}

/* The record's text behind fill times unit, in a block of its own. */
static ef_slice
filled(const struct vec_rec *r, const char *unit)
{
    ef_slice in = vec_bytes(r, "text");
    size_t n = vec_has(r, "fill") ? (size_t)vec_int(r, "fill") : 0;
    unsigned char *p = block(n + in.n);

    memset(p, unit[0], n);
    if (in.n != 0)
        memcpy(p + n, in.p, in.n);
    return slice(p, n + in.n);
}

/* The key is what the record says, and prints to its printed, or text. */
static void
check_pem_key(const struct vec_rec *r, const ef_pem_key *key)
{
    ef_slice secret = vec_bytes(r, "secret"), pub = vec_bytes(r, "public");
    ef_buf out = {0};

    CHECK(strcmp(pem_kind_name(key->kind), vec_word(r, "kind")) == 0);
    if (vec_has(r, "secret"))
        CHECK_BYTES(key->secret, sizeof key->secret, secret);
    else
        CHECK(all_zero(key->secret, sizeof key->secret));
    CHECK_BYTES(key->public_key, pub.n, pub);
    CHECK(all_zero(key->public_key + pub.n, sizeof key->public_key - pub.n));
    ef_pem_print(&out, key);
    CHECK(!out.failed);
    CHECK_BUF(out, vec_bytes(r, vec_has(r, "printed") ? "printed" : "text"));
    ef_buf_free(&out);
}

static void
each_pem(const struct vec_rec *r)
{
    ef_slice in = filled(r, "\n");
    ef_pem_key key;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    memset(&key, 0xa5, sizeof key);
    rc = ef_pem_parse(&key, in, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        free((void *)(uintptr_t)in.p);
        return;
    }
    if (rc == EF_OK) {
        check_pem_key(r, &key);
    } else {
        CHECK_REFUSAL(r, &err);
        CHECK(all_zero(&key, sizeof key));
        CHECK_INT(ef_pem_parse(&key, in, NULL), rc);
    }
    free((void *)(uintptr_t)in.p);
}

static const char pem_fields[] =
    "id source why? expect:status at:int? msg:text? hint:text? kind? "
    "fill:int? text:text printed:text? secret:hex? public:hex?";

static void
test_pem(void **state)
{
    (void)state;
    vec_run("vectors/pem.txt", pem_fields, each_pem);
    done();
}

static void
each_jwk(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "json"), pub = vec_bytes(r, "public");
    unsigned char kid[EF_KID_BYTES];
    ef_pem_key key;
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    memset(&key, 0xa5, sizeof key);
    rc = ef_jwk_parse(&key, in, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK(all_zero(&key, sizeof key));
        CHECK_INT(ef_jwk_parse(&key, in, NULL), rc);
        return;
    }
    CHECK_INT(key.kind, pub.n == EF_P256_POINT_BYTES ? EF_PEM_P256_PUBLIC
                                                     : EF_PEM_X25519_PUBLIC);
    CHECK(all_zero(key.secret, sizeof key.secret));
    CHECK_BYTES(key.public_key, pub.n, pub);
    ef_jwk_print(&out, &key);
    CHECK_BUF(out, vec_bytes(r, "printed"));
    if (pub.n == EF_P256_POINT_BYTES)
        ef_p256_kid(kid, pub.p);
    else
        ef_x25519_kid(kid, pub.p);
    CHECK_BYTES(kid, sizeof kid, vec_bytes(r, "kid"));
    ef_buf_free(&out);
}

static const char jwk_fields[] =
    "id source why? expect:status at:int? msg:text? place:text? json:text "
    "printed:text? public:hex? kid:hex?";

static void
test_jwk(void **state)
{
    (void)state;
    vec_run("vectors/jwk.txt", jwk_fields, each_jwk);
    done();
}

/* The parsed JWS is what the record says; signing again gives the text. */
static void
check_jws(const struct vec_rec *r, const ef_jws *jws, ef_slice in)
{
    char *typ = vec_string(r, "typ");
    ef_buf out = {0};

    CHECK_BYTES(jws->typ.p, jws->typ.n, vec_bytes(r, "typ"));
    CHECK_BYTES(jws->q, sizeof jws->q, vec_bytes(r, "q"));
    CHECK_BUF(jws->payload, vec_bytes(r, "payload"));
    if (vec_has(r, "d")) {
        ef_buf_str(&out, "before");
        CHECK_INT(ef_jws_sign(&out, vec_bytes(r, "d").p, typ,
                              vec_bytes(r, "payload"), NULL),
                  EF_OK);
        CHECK_BYTES(out.p + 6, out.n - 6, in);
    }
    ef_buf_free(&out);
    free(typ);
}

static void
each_jws(const struct vec_rec *r)
{
    ef_slice in = filled(r, "A");
    ef_jws jws;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_jws_parse(&jws, in, &err);
    CHECK(rc != EF_E_AUTH);
    if (rc == EF_OK) {
        check_jws(r, &jws, in);
        rc = ef_jws_verify(&jws, in, &err);
        CHECK_INT(ef_jws_verify(&jws, in, NULL), rc);
        CHECK(rc == EF_OK || rc == EF_E_AUTH);
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    ef_jws_free(&jws);
    ef_jws_free(&jws);
    CHECK(ef_jws_parse(&jws, in, NULL) == rc || rc == EF_E_AUTH);
    ef_jws_free(&jws);
    free((void *)(uintptr_t)in.p);
}

static const char jws_fields[] =
    "id source why? expect:status at:int? msg:text? place:text? fill:int? "
    "text:text typ:text? payload:hex? q:hex? d:hex?";

/* What can't be signed, and the largest that can. */
static void
test_jws_sign(void **state)
{
    static const unsigned char zero[EF_P256_SCALAR_BYTES],
        d[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7,
               8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5};
    unsigned char *payload = block(EF_MAX_JWS_BYTES);
    size_t fits;
    ef_buf out = {0};
    ef_err err = {0};
    ef_jws jws;

    (void)state;
    CHECK_STATUS(ef_jws_sign(&out, d, "A", text(""), &err), EF_E_FORMAT, &err);
    CHECK_INT(err.at, 0);
    CHECK_STATUS(ef_jws_sign(&out, d, "", text(""), &err), EF_E_FORMAT, &err);
    CHECK_STATUS(ef_jws_sign(&out, zero, "a", text(""), &err), EF_E_FORMAT,
                 &err);
    CHECK_INT(ef_jws_sign(&out, d, "a", text(""), &err), EF_OK);
    fits = ((size_t)EF_MAX_JWS_BYTES - out.n) * 3 / 4;
    ef_buf_free(&out);
    CHECK_STATUS(ef_jws_sign(&out, d, "a", slice(payload, fits + 1), &err),
                 EF_E_LIMIT, &err);
    CHECK_INT(err.at, EF_MAX_JWS_BYTES);
    CHECK_INT(out.n, 0);
    CHECK_INT(ef_jws_sign(&out, d, "a", slice(payload, fits), &err), EF_OK);
    CHECK(out.n <= EF_MAX_JWS_BYTES && out.n + 4 > EF_MAX_JWS_BYTES);
    CHECK_INT(ef_jws_parse(&jws, slice(out.p, out.n), &err), EF_OK);
    CHECK_INT(ef_jws_verify(&jws, slice(out.p, out.n), &err), EF_OK);
    CHECK_BUF(jws.payload, slice(payload, fits));
    ef_jws_free(&jws);
    free(payload);
    ef_buf_free(&out);
    done();
}

/* Each bit of a text changed: parse or verify says no. */
static void
test_jws_every_bit(void **state)
{
    static const unsigned char d[EF_P256_SCALAR_BYTES] = {7};
    ef_buf out = {0};
    ef_jws jws;
    unsigned refused = 0;
    size_t i;

    (void)state;
    CHECK_INT(ef_jws_sign(&out, d, "t", text("yes"), NULL), EF_OK);
    for (i = 0; i < 8 * out.n; i += i < 8 * (out.n - 90) ? 7 : 3) {
        out.p[i / 8] ^= (unsigned char)(1 << i % 8);
        refused += ef_jws_parse(&jws, slice(out.p, out.n), NULL) != EF_OK ||
                   ef_jws_verify(&jws, slice(out.p, out.n), NULL) != EF_OK;
        ef_jws_free(&jws);
        out.p[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    CHECK(refused > 400);
    for (i = 0; i < out.n; i++) { /* and each beginning of it */
        CHECK(ef_jws_parse(&jws, slice(out.p, i), NULL) == EF_E_FORMAT);
        ef_jws_free(&jws);
    }
    ef_buf_free(&out);
    done();
}

static void
test_jws(void **state)
{
    (void)state;
    vec_run("vectors/jws.txt", jws_fields, each_jws);
    done();
}

static void
each_hpke(const struct vec_rec *r)
{
    ef_slice ct = vec_bytes(r, "ct"), pt = vec_bytes(r, "pt");
    size_t n = ct.n > EF_TAG_BYTES ? ct.n - EF_TAG_BYTES : 0;
    unsigned char *out = block(n), *place = copy(ct);
    ef_slice info = vec_bytes(r, "info"), aad = vec_bytes(r, "aad");
    ef_err err = {0};
    ef_status rc;

    rec = r;
    CHECK_INT(vec_bytes(r, "sk").n, EF_X25519_BYTES);
    CHECK_INT(vec_bytes(r, "enc").n, EF_HPKE_ENC_BYTES);
    rc = ef_hpke_open(out, vec_bytes(r, "sk").p, vec_bytes(r, "enc").p, info,
                      aad, ct.p, ct.n, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK)
            CHECK_BYTES(out, n, pt);
        else
            CHECK_REFUSAL(r, &err);
        if (rc != EF_OK)
            CHECK(all_zero(out, n));
    }
    CHECK_INT(ef_hpke_open(place, vec_bytes(r, "sk").p, vec_bytes(r, "enc").p,
                           info, aad, place, ct.n, NULL),
              rc);
    CHECK(memcmp(place, out, n) == 0);
    free(out);
    free(place);
}

/* What is sealed here opens here, and with one bit of it changed does not. */
static void
check_hpke_round(size_t n)
{
    unsigned char sk[EF_X25519_BYTES], pk[EF_X25519_BYTES];
    unsigned char enc[EF_HPKE_ENC_BYTES], *pt = block(n), *out = block(n);
    unsigned char *ct = block(n + EF_TAG_BYTES);
    ef_slice info = slice("info", n % 5), aad = slice("aad", n % 4);

    CHECK_INT(ef_x25519_new(sk, NULL), EF_OK);
    ef_x25519_public(pk, sk);
    CHECK_INT(ef_hpke_seal(enc, ct, pk, info, aad, pt, n, NULL), EF_OK);
    CHECK_INT(ef_hpke_open(out, sk, enc, info, aad, ct, n + EF_TAG_BYTES, NULL),
              EF_OK);
    CHECK(memcmp(out, pt, n) == 0);
    for (size_t i = 0; i < 8 * (n + EF_TAG_BYTES); i += 13) {
        ct[i / 8] ^= (unsigned char)(1 << i % 8);
        CHECK_INT(
            ef_hpke_open(out, sk, enc, info, aad, ct, n + EF_TAG_BYTES, NULL),
            EF_E_AUTH);
        CHECK(all_zero(out, n));
        ct[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    free(pt);
    free(out);
    free(ct);
}

static void
test_hpke(void **state)
{
    static const unsigned char zero[EF_X25519_BYTES];
    unsigned char enc[EF_HPKE_ENC_BYTES], ct[EF_TAG_BYTES + 4] = "text";
    ef_err err = {0};

    (void)state;
    vec_run("vectors/hpke.txt",
            "id source why? expect:status at:int? msg:text? sk:hex enc:hex "
            "info:hex aad:hex ct:hex pt:hex?",
            each_hpke);
    rec = NULL;
    for (size_t n = 0; n <= 48; n += 12)
        check_hpke_round(n);
    CHECK_STATUS(ef_hpke_seal(enc, ct, zero, text(""), text(""), ct, 4, &err),
                 EF_E_AUTH, &err);
    CHECK_STATUS(ef_hpke_seal(enc, ct, (const unsigned char[32]){9}, text(""),
                              text(""), ct, (size_t)EF_MAX_PLAINTEXT_BYTES + 1,
                              &err),
                 EF_E_LIMIT, &err);
    done();
}

/* --- KMS: keys, answers, requests --- */

static ef_rsa_key cms_key; /* of the records that follow the one with it */

static void
each_cms(const struct vec_rec *r)
{
    ef_slice cms = vec_bytes(r, "cms");
    size_t cap = vec_has(r, "cap") ? (size_t)vec_int(r, "cap")
                                   : (size_t)EF_MAX_CMS_BYTES;
    unsigned char *out = block(cap), *in = copy(cms);
    size_t n = 1;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    if (vec_has(r, "key")) {
        CHECK_INT(vec_bytes(r, "key").n, sizeof cms_key);
        memcpy(&cms_key, vec_bytes(r, "key").p, sizeof cms_key);
    }
    rc = ef_cms_open(out, cap, &n, &cms_key, slice(in, cms.n), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK)
            CHECK_BYTES(out, n, vec_bytes(r, "text"));
        else
            CHECK_REFUSAL(r, &err);
        if (rc != EF_OK)
            CHECK_INT(n, 0);
    }
    CHECK(memcmp(in, cms.p, cms.n) == 0);
    free(out);
    free(in);
}

static void
test_cms(void **state)
{
    (void)state;
    vec_run("vectors/cms.txt",
            "id source why? expect:status at:int? msg:text? key:hex? cap:int? "
            "cms:hex text:hex?",
            each_cms);
    done();
}

/* Two keys are not the same, and have numbers of full size; in tests/kms.bats
 * Python encrypts to one. */
static void
test_rsa(void **state)
{
    static ef_rsa_key a, b;
    unsigned char spki[EF_RSA_SPKI_BYTES];

    (void)state;
    CHECK_INT(ef_rsa_new(&a, NULL), EF_OK);
    CHECK_INT(ef_rsa_new(&b, NULL), EF_OK);
    CHECK(memcmp(a.n, b.n, sizeof a.n) != 0);
    CHECK(a.n[0] >= 0x80 && a.p[0] >= 0xc0 && a.q[0] >= 0xc0);
    ef_rsa_spki(spki, &a);
    CHECK(memcmp(spki + 33, a.n, sizeof a.n) == 0);
    CHECK(memcmp(spki + 289, "\2\3\1\0\1", 5) == 0);
    done();
}

static void
each_kms_arn(const struct vec_rec *r)
{
    ef_slice text = vec_bytes(r, "text");
    ef_kms_arn arn;
    ef_err err = {0};
    ef_status rc = ef_kms_arn_parse(&arn, text, &err);

    rec = r;
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        return;
    }
    CHECK_BYTES(arn.region.p, arn.region.n, vec_bytes(r, "region"));
    CHECK_BYTES(arn.suffix, strlen(arn.suffix), vec_bytes(r, "suffix"));
}

static void
test_kms_arns(void **state)
{
    (void)state;
    vec_run("vectors/kms_arns.txt",
            "id source why? expect:status msg:text? hint:text? text:text "
            "region:text? suffix:text?",
            each_kms_arn);
    done();
}

/* From the records' key comes what they say; and what is sealed here opens, and
 * is another text each time. */
static void
each_query(const struct vec_rec *r)
{
    ef_slice part = vec_bytes(r, "part"), sealed = vec_bytes(r, "sealed");
    size_t cap = vec_has(r, "cap") ? (size_t)vec_int(r, "cap")
                                   : (size_t)EF_MAX_LOCATION_BYTES;
    const unsigned char *dataset = vec_bytes(r, "dataset").p;
    const unsigned char *key = vec_bytes(r, "key").p;
    unsigned char *out = block(cap), *in = copy(sealed);
    char name[16] = "";
    size_t n = 1;
    ef_buf two[2] = {{0}, {0}};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    memcpy(name, part.p, part.n);
    rc = ef_query_open(out, cap, &n, name, dataset, key, slice(in, sealed.n),
                       &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc == EF_OK)
        CHECK_BYTES(out, n, vec_bytes(r, "text"));
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(n, 0);
    }
    for (size_t i = 0; rc == EF_OK && i < 2; i++) {
        CHECK_INT(
            ef_query_seal(&two[i], name, dataset, key, slice(out, n), NULL),
            EF_OK);
        CHECK_INT(ef_query_open(in, n, &n, name, dataset, key,
                                (ef_slice){two[i].p, two[i].n}, NULL),
                  EF_OK);
        CHECK_BYTES(in, n, vec_bytes(r, "text"));
    }
    if (rc == EF_OK)
        CHECK(memcmp(two[0].p, two[1].p, EF_NONCE_BYTES) != 0);
    ef_buf_free(&two[0]);
    ef_buf_free(&two[1]);
    free(out);
    free(in);
}

static void
test_queries(void **state)
{
    (void)state;
    vec_run("vectors/queries.txt",
            "id source why? expect:status msg:text? part:text dataset:hex "
            "key:hex cap:int? sealed:hex text:text?",
            each_query);
    done();
}

static void
check_json_headers(const struct vec_rec *r, ef_slice headers)
{
    char *text = malloc(headers.n + 1);
    char *signature = vec_string(r, "signature");

    memcpy(text, headers.p, headers.n);
    text[headers.n] = 0;
    CHECK(strstr(text, "host:") == NULL);
    CHECK(strncmp(text, "content-type:application/x-amz-json-1.1\n", 40) == 0);
    CHECK(strstr(text, signature) != NULL);
    CHECK(text[headers.n - 1] == '\n');
    free(text);
    free(signature);
}

static void
each_sigv4_json(const struct vec_rec *r)
{
    static const char *const names[] = {"access", "secret", "token",
                                        "region", "host",   "target"};
    char *s[sizeof names / sizeof *names];
    ef_buf canonical = {0}, to_sign = {0}, signature = {0}, headers = {0};
    ef_sign_stages stages = {&canonical, &to_sign, &signature};
    ef_sign_json p = {.service = "kms"};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        s[i] = vec_string(r, names[i]);
    p.access_key = s[0];
    p.secret_key = s[1];
    p.token = s[2];
    p.region = s[3];
    p.host = s[4];
    p.target = s[5];
    p.now = vec_int(r, "now");
    p.payload = vec_bytes(r, "payload");
    rc = ef_sign_json_request(&headers, &stages, &p, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc == EF_OK) {
        CHECK_BYTES(canonical.p, canonical.n, vec_bytes(r, "canonical"));
        CHECK_BYTES(to_sign.p, to_sign.n, vec_bytes(r, "to_sign"));
        CHECK_BYTES(signature.p, signature.n, vec_bytes(r, "signature"));
        check_json_headers(r, (ef_slice){headers.p, headers.n});
    } else if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        free(s[i]);
    ef_buf_free(&canonical);
    ef_buf_free(&to_sign);
    ef_buf_free(&signature);
    ef_buf_free(&headers);
}

static void
test_sigv4_json(void **state)
{
    (void)state;
    vec_run("vectors/sigv4_json.txt",
            "id source why? expect:status msg:text? access:text secret:text "
            "token:text? region:text host:text target:text now:int "
            "payload:text canonical:text? to_sign:text? signature:text?",
            each_sigv4_json);
    done();
}

static void
each_commitment(const struct vec_rec *r)
{
    unsigned char out[EF_SHA256_BYTES];

    rec = r;
    CHECK_INT(vec_bytes(r, "key").n, EF_KEY_BYTES);
    ef_key_commitment(out, vec_bytes(r, "key").p);
    CHECK_BYTES(out, sizeof out, vec_bytes(r, "commitment"));
}

static void
test_commitments(void **state)
{
    (void)state;
    vec_run("vectors/commitments.txt", "id source why? key:hex commitment:hex",
            each_commitment);
    done();
}

/* New keys are good ones, and no two are the same. */
static void
test_new_keys(void **state)
{
    unsigned char d[8][EF_P256_SCALAR_BYTES], sk[8][EF_X25519_BYTES];
    unsigned char q[EF_P256_POINT_BYTES];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        CHECK_INT(ef_p256_new(d[i], NULL), EF_OK);
        CHECK_INT(ef_p256_public(q, d[i], NULL), EF_OK);
        CHECK_INT(ef_x25519_new(sk[i], NULL), EF_OK);
        CHECK(memcmp(d[i], sk[i], EF_X25519_BYTES) != 0);
        for (unsigned k = 0; k < i; k++)
            CHECK(memcmp(d[i], d[k], EF_P256_SCALAR_BYTES) != 0 &&
                  memcmp(sk[i], sk[k], EF_X25519_BYTES) != 0);
    }
    done();
}

/* In a child without getrandom(2), as under an old kernel: no key is made. */
static int
no_random(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {sizeof rules / sizeof rules[0], rules};
    unsigned char d[EF_P256_SCALAR_BYTES], sk[EF_X25519_BYTES], ct[16];
    unsigned char enc[EF_HPKE_ENC_BYTES];
    ef_err err = {0};

    memset(d, 0xa5, sizeof d);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return 2;
    return ef_p256_new(d, &err) != EF_E_IO || !all_zero(d, sizeof d) ||
           strcmp(err.msg, "the kernel gave no random bytes") != 0 ||
           ef_x25519_new(sk, NULL) != EF_E_IO ||
           ef_hpke_seal(enc, ct, (const unsigned char[32]){9}, text(""),
                        text(""), NULL, 0, NULL) != EF_E_IO;
}

static void
test_no_random(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        int failure = no_random();

        exit(failure); /* so that coverage is written */
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    done();
}

static void
feed_keys(ef_slice in)
{
    ef_pem_key key;
    ef_jws jws;
    ef_buf out = {0};
    ef_err err = {0};
    unsigned ok = 0;

    ok += ef_pem_parse(&key, in, &err) == EF_OK;
    ok += ef_jwk_parse(&key, in, &err) == EF_OK;
    ok += ef_base64url_decode(&out, in, &err) == EF_OK;
    if (ef_jws_parse(&jws, in, &err) == EF_OK)
        ok += ef_jws_verify(&jws, in, &err) == EF_OK;
    ef_jws_free(&jws);
    ef_buf_free(&out);
    CHECK(ok <= 1);
}

/* ----------------------------------------------------------------------- *
 * CBOR                                                                    *
 * ----------------------------------------------------------------------- */

static void
hex_to(ef_buf *out, const char *before, ef_slice s, const char *after)
{
    char *digits = (char *)block(2 * s.n);

    ef_hex_encode(digits, s.p, s.n, 0);
    ef_buf_str(out, before);
    ef_buf_add(out, digits, 2 * s.n);
    ef_buf_str(out, after);
    free(digits);
}

/* An item as the records write it. */
static void
cbor_print(ef_buf *out, const ef_cbor_item *item)
{
    char number[32];

    snprintf(number, sizeof number, "%" PRIu64, item->value);
    switch (item->type) {
    case EF_CBOR_NEGATIVE:
        ef_buf_str(out, "~");
        break;
    case EF_CBOR_BYTES:
        hex_to(out, "h'", item->bytes, "'");
        return;
    case EF_CBOR_TEXT:
        hex_to(out, "t'", item->bytes, "'");
        return;
    case EF_CBOR_FLOAT:
        hex_to(out, "f'", item->bytes, "'");
        return;
    case EF_CBOR_ARRAY:
    case EF_CBOR_MAP:
        ef_buf_str(out, item->type == EF_CBOR_ARRAY ? "[" : "{");
        if (item->indefinite)
            snprintf(number, sizeof number, "_");
        break;
    case EF_CBOR_SIMPLE:
        ef_buf_str(out, "s");
        break;
    case EF_CBOR_END:
        ef_buf_str(out, "]");
        return;
    case EF_CBOR_UINT:
        break;
    }
    ef_buf_str(out, number);
}

static ef_status
cbor_all(ef_cbor *c, ef_buf *out, ef_err *err)
{
    ef_cbor_item item;
    ef_status rc;

    do {
        rc = ef_cbor_next(c, &item, err);
        if (rc != EF_OK)
            return rc;
        CHECK(item.at <= c->at && c->at <= c->in.n);
        if (out->n > 0)
            ef_buf_str(out, " ");
        cbor_print(out, &item);
    } while (c->depth > 0);
    return EF_OK;
}

/* key:a,b */
static ef_status
cbor_ask_key(ef_cbor *c, ef_buf *out, uint32_t *seen, const char *word,
             ef_err *err)
{
    char list[64], *names[8], *rest = list;
    size_t n = 0, which = 99;
    ef_status rc;

    snprintf(list, sizeof list, "%s", word);
    while (n < 8 && (names[n] = strsep(&rest, ",")) != NULL)
        n++;
    rc = ef_cbor_key(c, &which, seen, (const char *const *)names, n, err);
    if (rc != EF_OK)
        return rc;
    snprintf(list, sizeof list, which == n ? "key-" : "key%zu", which);
    ef_buf_str(out, list);
    return EF_OK;
}

static ef_status
cbor_ask_type(ef_cbor *c, ef_buf *out, const char *word, ef_err *err)
{
    static const char *const types[] = {"uint",   "neg",   "bytes",
                                        "text",   "array", "map",
                                        "simple", "float", "end"};
    ef_cbor_item item;
    ef_status rc;
    size_t k = 0;

    while (k < 8 && strcmp(word, types[k]) != 0)
        k++;
    CHECK(strcmp(word, types[k]) == 0);
    rc = ef_cbor_take(c, &item, (ef_cbor_type)k, err);
    if (rc == EF_OK)
        cbor_print(out, &item);
    return rc;
}

static ef_status
cbor_ask(ef_cbor *c, ef_buf *out, uint32_t *seen, const char *word, ef_err *err)
{
    ef_status rc;
    int found = 9;

    if (strcmp(word, "all") == 0)
        return cbor_all(c, out, err);
    if (out->n > 0)
        ef_buf_str(out, " ");
    if (strncmp(word, "tag", 3) == 0) {
        rc = ef_cbor_tag(c, strtoull(word + 3, NULL, 10), &found, err);
        ef_buf_str(out, found ? "tag+" : "tag-");
        return rc;
    }
    if (strncmp(word, "key:", 4) == 0)
        return cbor_ask_key(c, out, seen, word + 4, err);
    if (strcmp(word, "skip") == 0 || strcmp(word, "close") == 0) {
        ef_buf_str(out, word);
        return *word == 's' ? ef_cbor_skip(c, err) : ef_cbor_end(c, err);
    }
    return cbor_ask_type(c, out, word, err);
}

/* A call that fails leaves the reader as it was: asked again, it says the
 * same, also to who gives no err. ef_cbor_skip and ef_cbor_end have read some
 * of it by then. */
static void
cbor_again(const ef_cbor *before, const ef_cbor *after, ef_status rc)
{
    ef_cbor c = *before;
    ef_cbor_item item;

    CHECK(memcmp(before->level, after->level, sizeof c.level) == 0);
    CHECK(before->at == after->at && before->depth == after->depth);
    CHECK_INT(ef_cbor_next(&c, &item, NULL), rc);
}

static void
each_cbor(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "in");
    char *ask = vec_has(r, "ask") ? vec_string(r, "ask") : strdup("all close");
    char *rest = ask, *word;
    ef_buf out = {0};
    ef_cbor c, before;
    uint32_t seen = 0;
    ef_err err = {0};
    ef_status rc = EF_OK;

    rec = r;
    ef_cbor_init(&c, in);
    before = c;
    while (rc == EF_OK && (word = strsep(&rest, " ")) != NULL) {
        before = c;
        rc = cbor_ask(&c, &out, &seen, word, &err);
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK)
            CHECK_BUF(out, vec_bytes(r, "out"));
        else
            CHECK_REFUSAL(r, &err);
    }
    /* a plain walk: what fails, fails again */
    ef_cbor_init(&c, in);
    do {
        ef_cbor_item item;

        before = c;
        rc = ef_cbor_next(&c, &item, NULL);
    } while (rc == EF_OK && c.depth > 0);
    if (rc != EF_OK)
        cbor_again(&before, &c, rc);
    ef_buf_free(&out);
    free(ask);
}

static const char cbor_fields[] =
    "id source why? expect:status at:int? msg:text? ask:text? in:hex out:text?";

static void
test_cbor(void **state)
{
    (void)state;
    vec_run("vectors/cbor.txt", cbor_fields, each_cbor);
    done();
}

/* ----------------------------------------------------------------------- *
 * The NSM                                                                 *
 * ----------------------------------------------------------------------- */

static ef_nsm_request
nsm_ask(const struct vec_rec *r)
{
    static const char *const asks[] = {"attest", "extend", "lock", "describe"};
    const char *ask = vec_word(r, "ask");
    size_t k = 0;

    while (k < 3 && strcmp(ask, asks[k]) != 0)
        k++;
    CHECK(strcmp(ask, asks[k]) == 0);
    return (ef_nsm_request)k;
}

/* A field's bytes, p NULL where the record has none. */
static ef_slice
nsm_given(const struct vec_rec *r, const char *name)
{
    return vec_has(r, name) ? vec_bytes(r, name) : slice(NULL, 0);
}

static ef_status
nsm_write(ef_buf *out, const struct vec_rec *r, ef_err *err)
{
    uint32_t index = (uint32_t)vec_int(r, "index");

    switch (nsm_ask(r)) {
    case EF_NSM_ATTEST:
        return ef_nsm_attest(out, nsm_given(r, "user_data"),
                             nsm_given(r, "nonce"), nsm_given(r, "public_key"),
                             err);
    case EF_NSM_EXTEND:
        return ef_nsm_extend(out, index, vec_bytes(r, "data"), err);
    case EF_NSM_LOCK:
        return ef_nsm_lock(out, index, err);
    case EF_NSM_DESCRIBE:
        break;
    }
    return ef_nsm_describe(out, index, err);
}

static void
nsm_written(const struct vec_rec *r)
{
    unsigned char pcr[EF_PCR_BYTES];
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc = nsm_write(&out, r, &err);

    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK) {
            CHECK_BUF(out, vec_bytes(r, "request"));
            CHECK(out.n <= EF_MAX_NSM_REQUEST_BYTES);
        } else {
            CHECK_REFUSAL(r, &err);
            CHECK(out.n == 0);
            CHECK_INT(nsm_write(&out, r, NULL), rc);
        }
    }
    if (vec_has(r, "extended")) {
        ef_pcr_extended(pcr, vec_bytes(r, "data"));
        CHECK_BYTES(pcr, sizeof pcr, vec_bytes(r, "extended"));
    }
    ef_buf_free(&out);
}

static void
each_nsm(const struct vec_rec *r)
{
    ef_slice answer = vec_bytes(r, "answer");
    size_t n = answer.n + (size_t)vec_int(r, "zeros");
    unsigned char *p = block(n);
    ef_nsm_answer a, untouched;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    if (!vec_has(r, "answer")) {
        free(p);
        nsm_written(r);
        return;
    }
    memset(p, 0, n);
    if (answer.n > 0)
        memcpy(p, answer.p, answer.n);
    memset(&a, 0xa5, sizeof a);
    untouched = a;
    rc = ef_nsm_answer_parse(&a, slice(p, n), nsm_ask(r), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK) {
            CHECK_BYTES(a.document.p, a.document.n, vec_bytes(r, "document"));
            CHECK_BYTES(a.pcr.p, a.pcr.n, vec_bytes(r, "pcr"));
            CHECK_INT(a.locked, vec_int(r, "locked"));
        } else {
            CHECK_REFUSAL(r, &err);
            CHECK(memcmp(&a, &untouched, sizeof a) == 0);
            CHECK_INT(ef_nsm_answer_parse(&a, slice(p, n), nsm_ask(r), NULL),
                      rc);
        }
    }
    free(p);
}

static const char nsm_fields[] =
    "id source why? ask expect:status at:int? msg:text? index:int? "
    "user_data:hex? nonce:hex? public_key:hex? data:hex? request:hex? "
    "extended:hex? answer:hex? zeros:int? document:hex? pcr:hex? locked:int?";

static void
test_nsm(void **state)
{
    (void)state;
    vec_run("vectors/nsm.txt", nsm_fields, each_nsm);
    done();
}

/* for test_guard_pages */
static void
feed_nsm(ef_slice in)
{
    ef_nsm_answer a;
    ef_err err = {0};
    int k, ok = 0;

    for (k = 0; k < 4; k++)
        ok += ef_nsm_answer_parse(&a, in, (ef_nsm_request)k, &err) == EF_OK;
    CHECK(ok <= 1);
}

/* ----------------------------------------------------------------------- *
 * The release service                                                     *
 * ----------------------------------------------------------------------- */

/* The record's json with its blanks and fill, in an exact block. */
static ef_slice
release_given(const struct vec_rec *r, int may_fill, unsigned char **all)
{
    ef_slice json = vec_bytes(r, "json");
    size_t blanks = (size_t)vec_int(r, "blanks");
    const unsigned char *star = json.n > 0 ? memchr(json.p, '*', json.n) : NULL;
    size_t fill =
        may_fill && vec_has(r, "fill") ? (size_t)vec_int(r, "fill") : 1;
    size_t at = star != NULL ? (size_t)(star - json.p) : json.n;
    size_t rest = json.n - at;

    if (star == NULL || fill == 1) {
        fill = 0;
    } else {
        rest--;
    }
    *all = block(at + fill + rest + blanks);
    if (at > 0)
        memcpy(*all, json.p, at);
    memset(*all + at, 'x', fill);
    if (rest > 0)
        memcpy(*all + at + fill, json.p + json.n - rest, rest);
    memset(*all + at + fill + rest, ' ', blanks);
    return slice(*all, at + fill + rest + blanks);
}

/* What a field says, or nothing. */
static ef_slice
release_field(const struct vec_rec *r, const char *name)
{
    return vec_has(r, name) ? vec_bytes(r, name) : slice(NULL, 0);
}

static void
each_release_request(const struct vec_rec *r)
{
    static const char *const kinds[] = {"?", "nonce", "release", "done"};
    ef_release_request q;
    unsigned char *all;
    ef_err err = {0};
    ef_slice json;
    ef_status rc;

    rec = r;
    json = release_given(r, 0, &all);
    rc = ef_release_request_parse(&q, json, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK) {
            CHECK(strcmp(kinds[q.kind], vec_word(r, "kind")) == 0);
            CHECK_BUF(q.document, release_field(r, "document"));
            if (q.kind != EF_RELEASE_NONCE)
                CHECK_BYTES(q.appconfig, 32, vec_bytes(r, "appconfig"));
            if (q.kind == EF_RELEASE_DONE) {
                CHECK_BYTES(q.nonce, 56, vec_bytes(r, "nonce"));
                CHECK_BYTES(q.token, 32, vec_bytes(r, "token"));
            }
        } else {
            ef_release_request again;

            CHECK_REFUSAL(r, &err);
            CHECK_INT(ef_release_request_parse(&again, json, NULL), rc);
            ef_buf_free(&again.document);
        }
    }
    ef_buf_free(&q.document);
    free(all);
}

static const char release_request_fields[] =
    "id source why? expect:status place:text? at:int? msg:text? json:text "
    "blanks:int? kind? appconfig:hex? document:hex? nonce:hex? token:hex?";

static void
test_release_requests(void **state)
{
    (void)state;
    vec_run("vectors/release_requests.txt", release_request_fields,
            each_release_request);
    done();
}

static void
feed_release_request(ef_slice in)
{
    ef_release_request q;

    CHECK(ef_release_request_parse(&q, in, NULL) != EF_E_MEMORY);
    ef_buf_free(&q.document);
}

static void
each_release_nonce(const struct vec_rec *r)
{
    unsigned char k[EF_SHA256_BYTES], token[EF_SHA256_BYTES];
    unsigned char made[EF_RELEASE_NONCE_BYTES];
    ef_slice nonce = vec_bytes(r, "nonce");
    int64_t now = vec_int(r, "now"), at = 0;
    ef_err err = {0};
    ef_status rc;
    size_t i;

    rec = r;
    ef_release_key(k, vec_bytes(r, "sk").p);
    CHECK_BYTES(k, sizeof k, vec_bytes(r, "key"));
    rc = ef_release_nonce_check(k, nonce, now, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc != EF_OK) {
        CHECK_REFUSAL(r, &err);
        CHECK_INT(ef_release_nonce_check(k, nonce, now, NULL), rc);
        return;
    }
    for (i = 0; i < 8; i++)
        at = at << 8 | nonce.p[i];
    ef_release_nonce_make(made, k, at, nonce.p + 8);
    CHECK_BYTES(made, sizeof made, nonce);
    ef_release_token(token, k, nonce.p);
    CHECK_BYTES(token, sizeof token, vec_bytes(r, "token"));
}

static void
test_release_nonces(void **state)
{
    (void)state;
    vec_run("vectors/release_nonces.txt",
            "id source why? expect:status msg:text? sk:hex key:hex nonce:hex "
            "now:int token:hex?",
            each_release_nonce);
    done();
}

/* What was opened is sealed again, to the same key; that opens to it. */
static void
release_again(const struct vec_rec *r, ef_slice plain)
{
    unsigned char pk[EF_X25519_BYTES];
    ef_buf sealed = {0}, back = {0};
    ef_json json = {.nodes = NULL};
    ef_err err = {0};

    ef_x25519_public(pk, vec_bytes(r, "sk").p);
    ef_buf_str(&sealed, "{\"credentials\":");
    CHECK_INT(ef_release_seal(&sealed, pk, plain, vec_bytes(r, "appconfig").p,
                              vec_bytes(r, "nonce"), &err),
              EF_OK);
    ef_buf_str(&sealed, ",\"documents\":[\"a\"],\"version\":1}");
    CHECK_INT(ef_release_answer_parse(&json, slice(sealed.p, sealed.n), &err),
              EF_OK);
    CHECK_INT(ef_release_open(&back, vec_bytes(r, "sk").p, &json,
                              vec_bytes(r, "appconfig").p,
                              vec_bytes(r, "nonce"), &err),
              EF_OK);
    CHECK_BUF(back, plain);
    ef_json_free(&json);
    ef_buf_free(&sealed);
    ef_buf_free(&back);
}

static void
each_release_answer(const struct vec_rec *r)
{
    int opens = strcmp(vec_word(r, "op"), "open") == 0;
    ef_buf plain = {0};
    unsigned char *all;
    ef_json json;
    ef_err err = {0};
    ef_slice text;
    ef_status rc;

    rec = r;
    text = release_given(r, 1, &all);
    rc = ef_release_answer_parse(&json, text, &err);
    if (opens) {
        CHECK_INT(rc, EF_OK);
        rc = ef_release_open(&plain, vec_bytes(r, "sk").p, &json,
                             vec_bytes(r, "appconfig").p, vec_bytes(r, "nonce"),
                             &err);
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_INT(plain.n, 0);
        } else if (opens) {
            CHECK_BUF(plain, vec_bytes(r, "plain"));
            release_again(r, vec_bytes(r, "plain"));
        }
    }
    ef_json_free(&json);
    ef_buf_free(&plain);
    free(all);
}

static const char release_answer_fields[] =
    "id source why? op expect:status place:text? at:int? msg:text? json:text "
    "blanks:int? fill:int? sk:hex? appconfig:hex? nonce:hex? plain:text?";

static void
test_release_answers(void **state)
{
    static const unsigned char zeros[32];
    size_t n = EF_MAX_RELEASE_ANSWER_BYTES / 4 * 3 + 1;
    unsigned char *large = block(n);
    ef_buf out = {0};
    ef_err err = {0};

    (void)state;
    vec_run("vectors/release_answers.txt", release_answer_fields,
            each_release_answer);
    rec = NULL;
    memset(large, 0, n);
    CHECK_INT(ef_release_seal(&out, zeros, slice(large, n), zeros,
                              slice(zeros, 32), &err),
              EF_E_LIMIT);
    CHECK_INT(ef_release_seal(&out, zeros, slice(large, 1), zeros,
                              slice(zeros, 32), &err),
              EF_E_AUTH);
    CHECK_INT(out.n, 0);
    ef_buf_free(&out);
    free(large);
    done();
}

static void
feed_release_answer(ef_slice in)
{
    ef_json json;

    CHECK(ef_release_answer_parse(&json, in, NULL) != EF_E_MEMORY);
    ef_json_free(&json);
}

/* A line printed again is the same bytes. */
static void
release_printed(const ef_release_line *line, ef_slice want)
{
    ef_buf out = {0};

    ef_release_line_print(&out, line);
    CHECK_BUF(out, want);
    ef_buf_free(&out);
}

static void
each_release_log(const struct vec_rec *r)
{
    ef_slice all = vec_bytes(r, "log"), line;
    ef_release_log log = {.lines = 0};
    ef_release_line out = {.time = 0};
    ef_err err = {0};
    ef_status rc = EF_OK;
    size_t at = 0, n;

    rec = r;
    while (rc == EF_OK && at <= all.n) {
        unsigned char *exact;

        for (n = 0; at + n < all.n && all.p[at + n] != '\n';)
            n++;
        exact = block(n);
        if (n > 0)
            memcpy(exact, all.p + at, n);
        line = slice(exact, n);
        ef_release_line_free(&out);
        rc = ef_release_log_push(&log, &out, line, &err);
        if (rc == EF_OK)
            release_printed(&out, line);
        free(exact);
        at += n + 1;
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK) {
            CHECK_BYTES(log.head, sizeof log.head, vec_bytes(r, "head"));
            CHECK_INT(log.lines, vec_int(r, "lines"));
            CHECK(strcmp(ef_release_event_name(out.event),
                         vec_word(r, "event")) == 0);
            CHECK_BYTES(out.app.p, out.app.n, release_field(r, "app"));
            CHECK_BYTES(out.instance.p, out.instance.n,
                        release_field(r, "instance"));
            CHECK_BYTES(out.reason.p, out.reason.n, release_field(r, "reason"));
        } else {
            CHECK_REFUSAL(r, &err);
        }
    }
    ef_release_line_free(&out);
}

static const char release_log_fields[] =
    "id source why? expect:status place:text? at:int? line:int? msg:text? "
    "log:text head:hex? lines:int? event? app:text? instance:text? "
    "reason:text?";

static void
test_release_log(void **state)
{
    (void)state;
    vec_run("vectors/release_log.txt", release_log_fields, each_release_log);
    rec = NULL;
    CHECK(strcmp(ef_release_event_name((ef_release_event)4), "?") == 0);
    done();
}

static void
feed_release_log(ef_slice in)
{
    ef_release_line line;

    CHECK(ef_release_line_parse(&line, in, NULL) != EF_E_MEMORY);
    ef_release_line_free(&line);
}

/* ----------------------------------------------------------------------- *
 * Enclave images and measurements                                         *
 * ----------------------------------------------------------------------- */

/* The image of a record, in a block of its own of *n bytes. */
static unsigned char *
eif_image(const struct vec_rec *r, size_t *n)
{
    static const struct {
        const char *name;
        size_t at;
    } parts[] = {{"head", 0},
                 {"offsets", 28},
                 {"sizes", 284},
                 {"tail", 540},
                 {"rest", 548}};
    size_t all = 548 + vec_bytes(r, "rest").n + (size_t)vec_int(r, "zeros"), i;
    unsigned char *p = block(all), *image;

    memset(p, 0, all);
    for (i = 0; i < 5; i++) {
        ef_slice part = vec_bytes(r, parts[i].name);

        if (part.n > 0)
            memcpy(p + parts[i].at, part.p, part.n);
    }
    *n = vec_has(r, "cut") ? (size_t)vec_int(r, "cut") : all;
    image = block(*n);
    memcpy(image, p, *n < all ? *n : all);
    free(p);
    return image;
}

/* The image in pieces of so many bytes. */
static ef_status
eif_pieces(ef_measurement *out, ef_slice image, size_t piece, ef_err *err)
{
    ef_eif *e = ef_eif_new();
    ef_status rc = EF_OK;
    size_t at, n;

    assert_non_null(e);
    for (at = 0; rc == EF_OK && at < image.n; at += n) {
        unsigned char *p;

        n = piece < image.n - at ? piece : image.n - at;
        p = block(n);
        memcpy(p, image.p + at, n);
        rc = ef_eif_push(e, slice(p, n), err);
        free(p);
    }
    if (rc == EF_OK)
        rc = ef_eif_push(e, slice(NULL, 0), err);
    if (rc == EF_OK)
        rc = ef_eif_end(e, out, err);
    ef_eif_free(e);
    return rc;
}

static void
check_pcrs(const struct vec_rec *r, const ef_measurement *m)
{
    CHECK_BYTES(m->pcr0, EF_PCR_BYTES, vec_bytes(r, "pcr0"));
    CHECK_BYTES(m->pcr1, EF_PCR_BYTES, vec_bytes(r, "pcr1"));
    CHECK_BYTES(m->pcr2, EF_PCR_BYTES, vec_bytes(r, "pcr2"));
    CHECK_INT(m->has_pcr8, vec_has(r, "pcr8"));
    if (m->has_pcr8)
        CHECK_BYTES(m->pcr8, EF_PCR_BYTES, vec_bytes(r, "pcr8"));
    else
        CHECK(all_zero(m->pcr8, EF_PCR_BYTES));
}

static void
each_eif(const struct vec_rec *r)
{
    static const size_t pieces[] = {SIZE_MAX, 1, 7, 547, 548, 549};
    size_t n, i;
    unsigned char *image = eif_image(r, &n);

    rec = r;
    for (i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        ef_measurement m, untouched;
        ef_err err = {0};
        ef_status rc;

        snprintf(about, sizeof about, "pieces of %zu", pieces[i]);
        memset(&m, 0xa5, sizeof m);
        untouched = m;
        rc = eif_pieces(&m, slice(image, n), pieces[i], &err);
        if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
            continue;
        if (rc == EF_OK) {
            check_pcrs(r, &m);
            continue;
        }
        CHECK_REFUSAL(r, &err);
        CHECK(memcmp(&m, &untouched, sizeof m) == 0);
        CHECK_INT(eif_pieces(&m, slice(image, n), pieces[i], NULL), rc);
    }
    *about = 0;
    free(image);
}

static const char eif_fields[] =
    "id source why? expect:status at:int? msg:text? hint:text? cut:int? "
    "zeros:int? head:hex offsets:hex sizes:hex tail:hex rest:hex pcr0:hex? "
    "pcr1:hex? pcr2:hex? pcr8:hex?";

static void
test_eif(void **state)
{
    (void)state;
    ef_eif_free(NULL);
    vec_run("vectors/eif.txt", eif_fields, each_eif);
    done();
}

/* What is printed is parsed to the same again. */
static void
check_printed(const ef_measurement *m, ef_slice want)
{
    ef_measurement back;
    ef_buf out = {0};
    ef_err err = {0};

    ef_measurement_print(&out, m);
    CHECK_BUF(out, want);
    if (CHECK_STATUS(ef_measurement_parse(&back, want, &err), EF_OK, &err))
        CHECK(memcmp(&back, m, sizeof back) == 0);
    ef_buf_free(&out);
}

static void
each_measurement(const struct vec_rec *r)
{
    ef_slice json = vec_bytes(r, "json");
    size_t blanks = (size_t)vec_int(r, "blanks");
    unsigned char *all = block(json.n + blanks);
    ef_measurement m, untouched;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    if (json.n > 0)
        memcpy(all, json.p, json.n);
    memset(all + json.n, ' ', blanks);
    json = slice(all, json.n + blanks);
    memset(&m, 0xa5, sizeof m);
    untouched = m;
    rc = ef_measurement_parse(&m, json, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc == EF_OK) {
            check_printed(&m, vec_bytes(r, "printed"));
            CHECK_INT(ef_measurement_is_debug(&m), 0);
        } else {
            CHECK_REFUSAL(r, &err);
            CHECK(memcmp(&m, &untouched, sizeof m) == 0);
            CHECK_INT(ef_measurement_parse(&m, json, NULL), rc);
        }
    }
    free(all);
}

static const char measurement_fields[] =
    "id source why? expect:status place:text? at:int? msg:text? hint:text? "
    "json:text blanks:int? printed:text?";

static void
test_measurements(void **state)
{
    ef_measurement zeros = {.has_pcr8 = 0};

    (void)state;
    vec_run("vectors/measurements.txt", measurement_fields, each_measurement);
    CHECK_INT(ef_measurement_is_debug(&zeros), 1);
    zeros.pcr8[0] = 1;
    CHECK_INT(ef_measurement_is_debug(&zeros), 1);
    zeros.pcr2[47] = 1;
    CHECK_INT(ef_measurement_is_debug(&zeros), 0);
    done();
}

/* The record's sets of registers, one after the other: how many. */
static size_t
attestation_sets(ef_pcr_set sets[8], ef_slice in)
{
    size_t n = 0;

    memset(sets, 0, 8 * sizeof *sets);
    for (; in.n >= 4 && n < 8; n++) {
        for (unsigned i = 0; i < 4; i++)
            sets[n].mask = sets[n].mask << 8 | in.p[i];
        in = slice(in.p + 4, in.n - 4);
        for (unsigned i = 0; i < EF_PCRS; i++)
            if (sets[n].mask >> i & 1) {
                memcpy(sets[n].pcr[i], in.p, EF_PCR_BYTES);
                in = slice(in.p + EF_PCR_BYTES, in.n - EF_PCR_BYTES);
            }
    }
    return n;
}

static ef_slice
given_bytes(const struct vec_rec *r, const char *name)
{
    return vec_has(r, name) ? vec_bytes(r, name) : slice(NULL, 0);
}

static int64_t
given_int(const struct vec_rec *r, const char *name)
{
    return vec_has(r, name) ? vec_int(r, name) : 0;
}

static ef_status
judge(const struct vec_rec *r, ef_attestation *a, ef_err *err)
{
    ef_pcr_set sets[8];
    ef_attestation_policy p = {.root = given_bytes(r, "root"),
                               .at = given_int(r, "at_time"),
                               .now = given_int(r, "now"),
                               .max_age = given_int(r, "max_age"),
                               .sets = sets,
                               .nonce = given_bytes(r, "nonce"),
                               .user_data = given_bytes(r, "user_data"),
                               .allow_debug = (int)given_int(r, "allow_debug")};

    p.set_n = attestation_sets(sets, given_bytes(r, "sets"));
    return ef_attestation_verify(a, &p, err);
}

/* A page has printable ASCII alone. */
static void
check_page(const ef_attestation *a)
{
    ef_buf page = {0};

    ef_attestation_print(&page, a, 0);
    CHECK(!page.failed && page.n > 0);
    for (size_t i = 0; i < page.n; i++)
        CHECK(page.p[i] == '\n' || (page.p[i] >= 0x20 && page.p[i] < 0x7f));
    ef_buf_free(&page);
}

static void
each_attestation(const struct vec_rec *r)
{
    int is_doc = vec_has(r, "doc");
    ef_slice in = vec_bytes(r, is_doc ? "doc" : "certificate"), reason;
    ef_attestation a;
    ef_cert cert;
    ef_buf json = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = is_doc ? ef_attestation_parse(&a, in, &err)
                : ef_cert_parse(&cert, in, &err);
    if (rc == EF_OK && vec_has(r, "root"))
        rc = judge(r, &a, &err);
    if (!CHECK_STATUS(rc, vec_status(r, "expect"), &err))
        return;
    if (rc == EF_OK) {
        ef_attestation_print(&json, &a, 1);
        CHECK_BYTES(json.p, json.n, vec_bytes(r, "json"));
        check_page(&a);
        CHECK_INT(ef_attestation_reason(&err).n, 0);
    } else {
        CHECK_REFUSAL(r, &err);
        reason = ef_attestation_reason(&err);
        CHECK(reason.n > 0 && reason.p[reason.n] == ':');
        CHECK_INT(is_doc ? ef_attestation_parse(&a, in, NULL) == EF_OK &&
                               judge(r, &a, NULL) == EF_OK
                         : ef_cert_parse(&cert, in, NULL) == EF_OK,
                  0);
    }
    ef_buf_free(&json);
}

static const char attestation_fields[] =
    "id source why? expect:status msg:text? place:text? at:int? detail:int? "
    "at_time:int? now:int? max_age:int? nonce:hex? user_data:hex? "
    "allow_debug:int? sets:hex? root:hex? json:text? doc:hex? "
    "certificate:hex?";

static void
test_attestations(void **state)
{
    ef_err err = {.msg = "out of memory"};

    (void)state;
    vec_run("vectors/attestations.txt", attestation_fields, each_attestation);
    CHECK_INT(ef_attestation_reason(&err).n, 0);
    err.msg = NULL;
    CHECK_INT(ef_attestation_reason(&err).n, 0);
    done();
}

/* for test_guard_pages, beside the other feed_ functions */
static void
feed_measurement(ef_slice in)
{
    ef_measurement m;
    ef_cbor c;
    ef_eif *e = ef_eif_new();
    ef_err err = {0};
    unsigned ok = 0;

    assert_non_null(e);
    ok += ef_measurement_parse(&m, in, &err) == EF_OK;
    ef_cbor_init(&c, in);
    ok += ef_cbor_skip(&c, &err) == EF_OK;
    ok += ef_eif_push(e, in, &err) == EF_OK && ef_eif_end(e, &m, &err) == EF_OK;
    ef_eif_free(e);
    CHECK(ok <= 2);
}

/* --- views --- */

static void
each_markdown(const struct vec_rec *r)
{
    ef_slice in = vec_bytes(r, "text");
    ef_buf out = {0};

    rec = r;
    ef_buf_str(&out, "before"); /* it is appended to */
    ef_view_markdown(&out, in);
    CHECK(!out.failed && out.n >= 6 && memcmp(out.p, "before", 6) == 0);
    CHECK_BYTES(out.p + 6, out.n - 6, vec_bytes(r, "html"));
    ef_buf_free(&out);
    out.max = 3; /* what does not fit is a failure */
    ef_view_markdown(&out, in);
    CHECK_INT(out.failed, vec_bytes(r, "html").n > 3);
    ef_buf_free(&out);
}

static const char markdown_fields[] = "id source text:text html:text";

static void
test_markdown(void **state)
{
    (void)state;
    vec_run("vectors/markdown.txt", markdown_fields, each_markdown);
    done();
}

/* The view that a record describes; free apps, datasets, edges and ports. */
static ef_view
view_made(const struct vec_rec *r, ef_view_port **ports)
{
    size_t apps = (size_t)vec_int(r, "apps");
    size_t datasets = (size_t)vec_int(r, "datasets");
    size_t edges = (size_t)vec_int(r, "edges");
    size_t port_n = (size_t)vec_int(r, "ports");
    ef_view_app *app = calloc(apps + 1, sizeof *app);
    ef_view_dataset *set = calloc(datasets + 1, sizeof *set);
    ef_view_edge *edge = calloc(edges + 1, sizeof *edge), one = {0, 0, 0, 1};
    int given = vec_has(r, "edge");

    *ports = calloc(port_n + 1, sizeof **ports);
    assert_true(app && set && edge && *ports);
    if (given)
        assert_int_equal(sscanf(vec_word(r, "edge"), "%zu %zu %zu",
                                &one.dataset, &one.app, &one.port),
                         3);
    for (size_t i = 0; i < apps; i++)
        app[i] = (ef_view_app){.ports = *ports, .port_n = port_n};
    for (size_t i = 0; i < edges; i++) {
        edge[i] = one;
        if (!given && datasets > 0)
            edge[i].dataset = i % datasets;
    }
    return (ef_view){.apps = app,
                     .app_n = apps,
                     .datasets = set,
                     .dataset_n = datasets,
                     .edges = edge,
                     .edge_n = edges};
}

/* A drain that says no. */
static int
view_refused(void *ctx, const unsigned char *p, size_t n)
{
    (void)ctx;
    (void)p;
    (void)n;
    return -1;
}

static void
each_view(const struct vec_rec *r)
{
    ef_view_port *ports;
    ef_view v = view_made(r, &ports);

    rec = r;
    for (int f = EF_VIEW_TEXT; f <= EF_VIEW_HTML; f++) {
        ef_buf out = {0}, full = {.max = 1};
        ef_err err = {0};
        ef_status rc = ef_view_print(&out, &v, (ef_view_format)f, &err);

        CHECK_STATUS(rc, vec_status(r, "expect"), &err);
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
            CHECK_INT(out.n, 0);
            CHECK_INT(ef_view_print(&out, &v, (ef_view_format)f, NULL), rc);
        } else {
            CHECK(out.n > 0);
            CHECK_INT(ef_view_print(&full, &v, (ef_view_format)f, NULL),
                      EF_E_MEMORY);
            if (out.n > 65536) {
                ef_buf drained = {.drain = view_refused};

                CHECK_INT(ef_view_print(&drained, &v, (ef_view_format)f, NULL),
                          EF_E_MEMORY);
                ef_buf_free(&drained);
            }
        }
        ef_buf_free(&out);
        ef_buf_free(&full);
    }
    free((void *)(uintptr_t)v.apps);
    free((void *)(uintptr_t)v.datasets);
    free((void *)(uintptr_t)v.edges);
    free(ports);
}

static const char view_fields[] =
    "id source why? expect:status at:int? msg:text? apps:int ports:int "
    "datasets:int edges:int edge:line?";

static void
test_views(void **state)
{
    (void)state;
    vec_run("vectors/view.txt", view_fields, each_view);
    done();
}

/* Doubling the text about doubles the time: 1 MiB of what a slow reader would
 * look at again and again is read in a moment. */
static void
test_markdown_linear(void **state)
{
    static const char *const unit[] = {"*a ",
                                       "**a _b ",
                                       "[a](",
                                       "[",
                                       "`a``b```c",
                                       "> ",
                                       "- a\n  ",
                                       "~~a ",
                                       "a\\",
                                       "_a*",
                                       "](https://a.b/",
                                       "```\n",
                                       "1. ",
                                       "[a](https://b.c) *",
                                       "*_~~",
                                       "\t- "};
    const size_t size = (size_t)1 << 20;
    unsigned char *p = block(size);
    clock_t begun = clock();

    (void)state;
    for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++) {
        ef_buf out = {0};

        for (size_t k = 0; k < size; k++)
            p[k] = (unsigned char)unit[i][k % strlen(unit[i])];
        ef_view_markdown(&out, slice(p, size));
        CHECK(!out.failed && out.n > 0);
        ef_buf_free(&out);
    }
    CHECK(clock() - begun < 60 * CLOCKS_PER_SEC);
    free(p);
    done();
}

static void
feed_markdown(ef_slice in)
{
    ef_buf out = {0};

    ef_view_markdown(&out, in);
    CHECK(!out.failed);
    ef_buf_free(&out);
}

/* ----------------------------------------------------------------------- *
 * Vectors: workflow documents                                             *
 * ----------------------------------------------------------------------- */

/* A story: documents that a script makes, for vectors/states.txt. A line is
 *   let NAME TEXT              %NAME in what follows means TEXT
 *   NAME KIND PERSON MEMBERS   a document, signed by a person, A to Z
 *   forget NAME                it is not in the workspace
 * where $NAME means a document's hash and @PERSON a thumbprint. */
#define STORY_MAX 64
struct story_doc {
    char name[16];
    unsigned char hash[EF_SHA256_BYTES];
    ef_buf jws;
    int forgotten;
};
struct story {
    struct story_doc docs[STORY_MAX];
    size_t n;
    struct {
        char name[16];
        ef_buf text;
    } lets[STORY_MAX];
    size_t let_n;
};

/* A person's key: the hash of a name, as in vectors/gen_workflow.py. */
static void
story_key(unsigned char d[EF_P256_SCALAR_BYTES], char who)
{
    char name[] = "person ?";

    name[7] = who;
    ef_sha256(d, name, 8);
}

static void
story_kid(ef_buf *out, char who)
{
    unsigned char d[EF_P256_SCALAR_BYTES], q[EF_P256_POINT_BYTES];
    unsigned char kid[EF_KID_BYTES];

    story_key(d, who);
    assert_int_equal(ef_p256_public(q, d, NULL), EF_OK);
    ef_p256_kid(kid, q);
    ef_base64url_encode(out, slice(kid, sizeof kid));
}

/* The document of that name: the last, since a story may say it anew. */
static struct story_doc *
story_find(struct story *s, const char *name, size_t n)
{
    for (size_t i = s->n; i-- > 0;)
        if (strlen(s->docs[i].name) == n &&
            memcmp(s->docs[i].name, name, n) == 0)
            return &s->docs[i];
    fail_msg("the story has no document %.*s", (int)n, name);
    return NULL;
}

static ef_buf *
story_let(struct story *s, const char *name, size_t n)
{
    for (size_t i = s->let_n; i-- > 0;)
        if (strlen(s->lets[i].name) == n &&
            memcmp(s->lets[i].name, name, n) == 0)
            return &s->lets[i].text;
    fail_msg("the story has no text %.*s", (int)n, name);
    return NULL;
}

static void
story_fill(struct story *s, ef_buf *out, const char *p, const char *end)
{
    while (p < end) {
        const char *word = p + 1;
        size_t n = 0;
        char hex[2 * EF_SHA256_BYTES];

        if (*p != '%' && *p != '$' && *p != '@') {
            ef_buf_byte(out, (unsigned char)*p++);
            continue;
        }
        while (word + n < end && isalnum((unsigned char)word[n]))
            n++;
        if (*p == '%') {
            ef_buf *let = story_let(s, word, n);

            ef_buf_add(out, let->p, let->n);
        } else if (*p == '$') {
            ef_hex_encode(hex, story_find(s, word, n)->hash, EF_SHA256_BYTES,
                          0);
            ef_buf_add(out, hex, sizeof hex);
        } else {
            n = 1;
            story_kid(out, *word);
        }
        p = word + n;
    }
}

static ef_doc_kind
story_kind(const char *name, size_t n)
{
    unsigned k = 0;

    while (k < EF_DOC_KINDS &&
           (strlen(ef_doc_kind_name((ef_doc_kind)k)) != n ||
            memcmp(ef_doc_kind_name((ef_doc_kind)k), name, n) != 0))
        k++;
    return (ef_doc_kind)k;
}

/* "NAME KIND PERSON MEMBERS", up to end. */
static void
story_document(struct story *s, const char *p, const char *end)
{
    struct story_doc *doc = &s->docs[s->n];
    size_t n = strcspn(p, " "), k = strcspn(p + n + 1, " ");
    ef_doc_kind kind = story_kind(p + n + 1, k);
    const char *who = p + n + k + 2;
    unsigned char d[EF_P256_SCALAR_BYTES];
    ef_buf members = {0};
    ef_err err = {0};

    assert_true(s->n < STORY_MAX && n < sizeof doc->name);
    memset(doc, 0, sizeof *doc);
    memcpy(doc->name, p, n);
    ef_buf_byte(&members, '{');
    if (who + 2 < end)
        story_fill(s, &members, who + 2, end);
    ef_buf_byte(&members, '}');
    story_key(d, *who);
    if (ef_doc_sign(&doc->jws, doc->hash, d, kind, 1001 + (int64_t)s->n,
                    slice(members.p, members.n), &err) != EF_OK)
        fail_msg("%s: %s %s", doc->name, err.msg, err.place);
    ef_buf_free(&members);
    s->n++;
}

static void
story_read(struct story *s, ef_slice script)
{
    const char *p = (const char *)script.p, *stop = p + script.n, *end;

    for (; p < stop; p = end + 1) {
        size_t n = strcspn(p, " ");

        end = memchr(p, '\n', (size_t)(stop - p));
        if (strncmp(p, "let ", 4) == 0) {
            p += 4;
            n = strcspn(p, " ");
            assert_true(s->let_n < STORY_MAX && n < 16);
            memset(&s->lets[s->let_n], 0, sizeof s->lets[0]);
            memcpy(s->lets[s->let_n].name, p, n);
            story_fill(s, &s->lets[s->let_n].text, p + n + 1, end);
            s->let_n++;
        } else if (strncmp(p, "forget ", 7) == 0) {
            story_find(s, p + 7, (size_t)(end - p - 7))->forgotten = 1;
        } else {
            story_document(s, p, end);
        }
    }
}

/* Give back what came after the first n documents and let_n texts. */
static void
story_cut(struct story *s, size_t n, size_t let_n)
{
    while (s->n > n)
        ef_buf_free(&s->docs[--s->n].jws);
    while (s->let_n > let_n)
        ef_buf_free(&s->lets[--s->let_n].text);
    for (size_t i = 0; i < n; i++)
        s->docs[i].forgotten = 0;
}

/* All documents that are not forgotten, in an order of chance, one twice. */
static void
story_workspace(struct story *s, ef_workspace *ws)
{
    size_t order[STORY_MAX], i, k, t;
    char hex[2 * EF_SHA256_BYTES];
    ef_err err = {0};

    for (i = 0; i < s->n; i++)
        order[i] = i;
    for (i = s->n; i > 1; i--) {
        k = below(i);
        t = order[k];
        order[k] = order[i - 1];
        order[i - 1] = t;
    }
    for (i = 0; i <= s->n; i++) {
        const struct story_doc *doc = &s->docs[order[i < s->n ? i : 0]];

        if (doc->forgotten)
            continue;
        ef_hex_encode(hex, doc->hash, EF_SHA256_BYTES, 0);
        if (ef_workspace_add(ws, slice(hex, sizeof hex),
                             slice(doc->jws.p, doc->jws.n), &err) != EF_OK)
            fail_msg("%s: %s", doc->name, err.msg);
    }
}

static const char document_fields[] =
    "id source why? op expect:status place:text? at:int? msg:text? "
    "where:text? hint:text? name:text? text:text part:text? times:int? "
    "hash:hex?";

/* The record's text; <*> in it stands for part, times over, and %u there for
 * its number. free() its p. */
static ef_slice
document_text(const struct vec_rec *r)
{
    ef_slice t = vec_bytes(r, "text"), part = vec_bytes(r, "part");
    const unsigned char *mark = memmem(t.p, t.n, "<*>", 3);
    const unsigned char *number =
        part.n > 0 ? memmem(part.p, part.n, "%u", 2) : NULL;
    ef_buf out = {0};
    ef_slice whole;

    if (mark == NULL)
        return slice(copy(t), t.n);
    ef_buf_add(&out, t.p, (size_t)(mark - t.p));
    for (int64_t i = 0; i < vec_int(r, "times"); i++) {
        size_t n = number != NULL ? (size_t)(number - part.p) : part.n;
        char digits[24];

        ef_buf_add(&out, part.p, n);
        if (number == NULL)
            continue;
        snprintf(digits, sizeof digits, "%d", (int)i);
        ef_buf_str(&out, digits);
        ef_buf_add(&out, number + 2, part.n - n - 2);
    }
    ef_buf_add(&out, mark + 3, t.n - (size_t)(mark - t.p) - 3);
    CHECK(!out.failed);
    whole = slice(copy(slice(out.p, out.n)), out.n);
    ef_buf_free(&out);
    return whole;
}

static void
each_document(const struct vec_rec *r)
{
    ef_slice t = document_text(r);
    int parse = strcmp(vec_word(r, "op"), "parse") == 0;
    ef_workspace ws = {0};
    ef_doc doc;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = parse ? ef_doc_parse(&doc, t, &err)
               : ef_workspace_add(&ws, vec_bytes(r, "name"), t, &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    if (parse) {
        CHECK_BYTES(doc.hash, sizeof doc.hash, vec_bytes(r, "hash"));
        CHECK_INT(ef_doc_parse(&doc, t, NULL), rc);
    } else {
        CHECK_INT(ws.n, rc == EF_OK);
        CHECK_INT(ef_workspace_add(&ws, vec_bytes(r, "name"), t, NULL), rc);
        CHECK_INT(ws.n, rc == EF_OK);
    }
    ef_workspace_free(&ws);
    ef_workspace_free(&ws);
    free((void *)(uintptr_t)t.p);
}

/* No beginning of a file is a document, none is taken for a forged one; and
 * no bit of it can be another. */
static void
document_pieces(ef_slice name, ef_slice jws)
{
    ef_workspace ws = {0};

    for (size_t n = 0; n < jws.n; n++) {
        unsigned char *p = copy(slice(jws.p, n));

        CHECK_INT(ef_workspace_add(&ws, name, slice(p, n), NULL), EF_E_FORMAT);
        free(p);
    }
    for (size_t bit = 0; bit < 8 * jws.n; bit++) {
        unsigned char *p = copy(jws);
        ef_status rc;

        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        rc = ef_workspace_add(&ws, name, slice(p, jws.n), NULL);
        CHECK(rc == EF_E_FORMAT || rc == EF_E_AUTH);
        free(p);
    }
    CHECK_INT(ws.n, 0);
}

static void
test_documents(void **state)
{
    unsigned char d[EF_P256_SCALAR_BYTES], hash[EF_SHA256_BYTES];
    char hex[2 * EF_SHA256_BYTES];
    ef_buf jws = {0}, members = {0};
    ef_err err = {0};

    (void)state;
    vec_run("vectors/documents.txt", document_fields, each_document);
    rec = NULL;
    for (unsigned k = 0; k < EF_DOC_KINDS; k++)
        CHECK_INT(story_kind(ef_doc_kind_name((ef_doc_kind)k),
                             strlen(ef_doc_kind_name((ef_doc_kind)k))),
                  k);
    CHECK(strcmp(ef_doc_kind_name((ef_doc_kind)EF_DOC_KINDS), "?") == 0);
    CHECK(strcmp(ef_doc_state_name((ef_doc_state)9), "?") == 0);
    story_key(d, 'A');
    ef_buf_str(&members, "{\"of\":\"");
    for (int i = 0; i < 64; i++)
        ef_buf_byte(&members, '9');
    ef_buf_str(&members, "\"}");
    CHECK_INT(ef_doc_sign(&jws, hash, d, EF_DOC_APPROVAL, 7,
                          slice(members.p, members.n), &err),
              EF_OK);
    ef_hex_encode(hex, hash, sizeof hash, 0);
    document_pieces(slice(hex, sizeof hex), slice(jws.p, jws.n));
    /* members that are none, and members of two documents */
    CHECK(ef_doc_sign(&jws, hash, d, EF_DOC_APPROVAL, 7, text("{}"), NULL) ==
          EF_E_FORMAT);
    CHECK(ef_doc_sign(&jws, hash, d, EF_DOC_APPROVAL, 7, text("[]"), NULL) ==
          EF_E_FORMAT);
    CHECK(ef_doc_sign(&jws, hash, d, EF_DOC_APPROVAL, 7, text(""), NULL) ==
          EF_E_FORMAT);
    CHECK(ef_doc_sign(&jws, hash, d, EF_DOC_APPROVAL, 7, text("{\"by\":\"x\"}"),
                      NULL) == EF_E_FORMAT);
    ef_buf_free(&jws);
    ef_buf_free(&members);
    done();
}

static const char state_fields[] =
    "id source why? setup:text? script:text? states:text? op? of? "
    "node:text? expect:status? msg:text? where:text? hint:text? "
    "text:text? id256:hex?";

static struct story story;          /* what setup says, then the record's own */
static size_t story_n, story_let_n; /* of setup */

/* "NAME STATE" a line. */
static void
check_states(const ef_workspace *ws, ef_slice rows)
{
    const char *p = (const char *)rows.p;
    const char *stop = rows.n > 0 ? p + rows.n : p;

    while (rows.n > 0 && p < stop) {
        size_t n = strcspn(p, " "), k = strcspn(p + n + 1, "\n");
        const ef_doc *doc =
            ef_workspace_find(ws, story_find(&story, p, n)->hash);
        ef_doc_state state = EF_STATE_DRAFT;
        ef_err why, err = {0};

        snprintf(about, sizeof about, "%.*s", (int)n, p);
        if (CHECK(doc != NULL) &&
            CHECK_STATUS(ef_doc_state_of(ws, doc, &state, &why, &err), EF_OK,
                         &err))
            CHECK_BYTES(ef_doc_state_name(state),
                        strlen(ef_doc_state_name(state)), slice(p + n + 1, k));
        p += n + k + 2;
    }
    *about = 0;
}

/* What the record asks about its document `of`. */
static void
check_question(const struct vec_rec *r, const ef_workspace *ws)
{
    const char *of = vec_word(r, "of"), *op = vec_word(r, "op");
    const ef_doc *doc =
        ef_workspace_find(ws, story_find(&story, of, strlen(of))->hash);
    unsigned char d[EF_P256_SCALAR_BYTES], hash[EF_SHA256_BYTES];
    ef_buf out = {0}, jws = {0};
    ef_doc_state state;
    ef_err err = {0}, why = {0};
    ef_status rc;

    if (!CHECK(doc != NULL))
        return;
    if (strcmp(op, "why") == 0) {
        rc = ef_doc_state_of(ws, doc, &state, &why, &err);
        if (rc == EF_OK) { /* what is told of a state is told as a refusal */
            check_words(r, "msg", why.msg != NULL ? why.msg : "", __LINE__);
            check_words(r, "where", why.where, __LINE__);
        }
    } else if (strcmp(op, "appconfig") == 0) {
        rc = ef_appconfig(&out, ws, doc, vec_bytes(r, "node"), &err);
        if (rc == EF_OK && CHECK_BUF(out, vec_bytes(r, "text"))) {
            ef_sha256(hash, out.p, out.n);
            CHECK_BYTES(hash, sizeof hash, vec_bytes(r, "id256"));
        }
    } else {
        CHECK(strcmp(op, "submit") == 0);
        rc = ef_draft_submit(&out, ws, doc, &err);
        story_key(d, 'A');
        if (rc == EF_OK &&
            CHECK_STATUS(ef_doc_sign(&jws, hash, d, EF_DOC_WORKFLOW, 5000,
                                     slice(out.p, out.n), &err),
                         EF_OK, &err))
            CHECK_BYTES(hash, sizeof hash, vec_bytes(r, "id256"));
    }
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    ef_buf_free(&out);
    ef_buf_free(&jws);
}

static void
each_state(const struct vec_rec *r)
{
    rec = r;
    if (vec_has(r, "setup")) {
        story_cut(&story, 0, 0);
        story_read(&story, vec_bytes(r, "setup"));
        story_n = story.n;
        story_let_n = story.let_n;
        return;
    }
    story_read(&story, vec_bytes(r, "script"));
    for (int i = 0; i < 3; i++) {
        ef_workspace ws = {0};

        story_workspace(&story, &ws);
        check_states(&ws, vec_bytes(r, "states"));
        if (vec_has(r, "op"))
            check_question(r, &ws);
        ef_workspace_free(&ws);
    }
    story_cut(&story, story_n, story_let_n);
}

static void
test_states(void **state)
{
    (void)state;
    seed(14);
    vec_run("vectors/states.txt", state_fields, each_state);
    story_cut(&story, 0, 0);
    done();
}

static const char appconfig_fields[] =
    "id source why? expect:status place:text? at:int? msg:text? "
    "where:text? hint:text? text:text";

static void
each_appconfig(const struct vec_rec *r)
{
    ef_slice t = vec_bytes(r, "text");
    unsigned char *p = copy(t);
    ef_json json;
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_appconfig_parse(&json, slice(p, t.n), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err) && rc != EF_OK)
        CHECK_REFUSAL(r, &err);
    ef_json_free(&json);
    ef_json_free(&json);
    CHECK_INT(ef_appconfig_parse(&json, slice(p, t.n), NULL), rc);
    ef_json_free(&json);
    free(p);
}

static void
test_appconfigs(void **state)
{
    (void)state;
    vec_run("vectors/appconfigs.txt", appconfig_fields, each_appconfig);
    done();
}

/* What is parsed is what ef_receipt_begin writes, and its caller's end. */
static void
check_receipt_begin(const ef_json *json, ef_slice doc,
                    const unsigned char user_data[EF_SHA256_BYTES])
{
    unsigned char id[EF_SHA256_BYTES], is[EF_SHA256_BYTES];
    unsigned char output[EF_SHA256_BYTES], said[EF_SHA256_BYTES];
    unsigned char *base64 = block(EF_BASE64_BYTES(doc.n));
    ef_slice inputs = {0};
    ef_json again;
    ef_buf out = {0}, bytes = {0};
    ef_err err = {0};
    uint32_t i;

    for (i = 1; i < json->nodes[0].end; i = json->nodes[i].end) {
        const ef_json_node *node = &json->nodes[i];
        ef_slice value = slice(json->text.p + node->at, node->n);

        if (node->type == EF_JSON_OBJECT)
            inputs = value;
        else if (ef_json_member(json, 0, text("appconfig")) == i)
            CHECK_INT(
                ef_hex_decode(id, sizeof id, slice(value.p + 1, 64), NULL),
                EF_OK);
        else if (ef_json_member(json, 0, text("output")) == i)
            CHECK_INT(ef_hex_decode(output, sizeof output,
                                    slice(value.p + 1, 64), NULL),
                      EF_OK);
    }
    CHECK_STATUS(ef_receipt_begin(&out, is, id, inputs, output, &err), EF_OK,
                 &err);
    CHECK_BYTES(is, sizeof is, slice(user_data, EF_SHA256_BYTES));
    ef_base64_encode((char *)base64, doc.p, doc.n);
    ef_buf_str(&out, ",\"document\":\"");
    ef_buf_add(&out, base64, EF_BASE64_BYTES(doc.n));
    ef_buf_str(&out, "\"}");
    CHECK_STATUS(
        ef_receipt_parse(&again, &bytes, said, slice(out.p, out.n), &err),
        EF_OK, &err);
    CHECK_BYTES(said, sizeof said, slice(user_data, EF_SHA256_BYTES));
    CHECK_BYTES(bytes.p, bytes.n, doc);
    ef_json_free(&again);
    ef_buf_free(&out);
    ef_buf_free(&bytes);
    free(base64);
}

static void
each_receipt(const struct vec_rec *r)
{
    ef_slice t = vec_bytes(r, "text");
    unsigned char *p = copy(t), user_data[EF_SHA256_BYTES];
    ef_json json;
    ef_buf doc = {0};
    ef_err err = {0};
    ef_status rc;

    rec = r;
    rc = ef_receipt_parse(&json, &doc, user_data, slice(p, t.n), &err);
    if (CHECK_STATUS(rc, vec_status(r, "expect"), &err)) {
        if (rc != EF_OK) {
            CHECK_REFUSAL(r, &err);
        } else {
            CHECK_BYTES(user_data, sizeof user_data, vec_bytes(r, "user_data"));
            CHECK_BYTES(doc.p, doc.n, vec_bytes(r, "document"));
            check_receipt_begin(&json, slice(doc.p, doc.n), user_data);
        }
    }
    ef_json_free(&json);
    ef_json_free(&json);
    CHECK_INT(ef_receipt_parse(&json, &doc, user_data, slice(p, t.n), NULL),
              rc);
    ef_json_free(&json);
    ef_buf_free(&doc);
    free(p);
}

static void
test_receipts(void **state)
{
    static const unsigned char id[EF_SHA256_BYTES] = {1};
    unsigned char user_data[EF_SHA256_BYTES];
    ef_buf out = {0};

    (void)state;
    vec_run("vectors/receipts.txt",
            "id source why? expect:status place:text? at:int? msg:text? "
            "user_data:hex? document:hex? text:text",
            each_receipt);
    rec = NULL;
    CHECK_INT(ef_receipt_begin(&out, user_data, id, text("{"), id, NULL),
              EF_E_FORMAT);
    ef_buf_free(&out);
    done();
}

/* A document that is none of the workspace's is a caller's mistake. */
static void
test_workspace_closure(void **state)
{
    ef_workspace ws = {0};
    ef_err err = {0};
    unsigned char marks[1] = {1};
    ef_doc doc;

    (void)state;
    memset(&doc, 0, sizeof doc);
    CHECK_STATUS(ef_workspace_closure(marks, &ws, &doc, &err), EF_E_INTERNAL,
                 &err);
    ef_workspace_free(&ws);
    done();
}

/* Each approved measurement with the PCR16 of this very configuration. */
static void
test_appconfig_pcrs(void **state)
{
    unsigned char id[EF_SHA256_BYTES], bound[EF_PCR_BYTES];
    ef_buf config = {0};
    ef_pcr_set *sets;
    ef_json json;
    size_t n, k;

    (void)state;
    memset(id, 0x5a, sizeof id);
    ef_pcr_extended(bound, slice(id, sizeof id));
    ef_buf_str(&config, "{\"measurements\":[");
    for (k = 0; k < 3; k++) {
        ef_buf_str(&config, k > 0 ? ",{" : "{");
        for (int pcr = 0; pcr < 3 + (int)k % 2; pcr++) {
            char digit = (char)('a' + (int)k + pcr);
            char name[16];

            /* k = 1 has PCR8, too */
            snprintf(name, sizeof name, "%s\"PCR%d\":\"", pcr > 0 ? "," : "",
                     pcr == 3 ? 8 : pcr);
            ef_buf_str(&config, name);
            for (int i = 0; i < 2 * EF_PCR_BYTES; i++)
                ef_buf_byte(&config, (unsigned char)digit);
            ef_buf_byte(&config, '"');
        }
        ef_buf_byte(&config, '}');
    }
    ef_buf_str(&config, "]}");
    assert_int_equal(ef_json_parse(&json, slice(config.p, config.n), NULL),
                     EF_OK);
    assert_int_equal(ef_appconfig_pcrs(&sets, &n, &json, id, NULL), EF_OK);
    CHECK_INT(n, 3);
    for (k = 0; k < n; k++) {
        CHECK_INT(sets[k].mask, k == 1 ? 0x10107 : 0x10007);
        CHECK_INT(sets[k].pcr[0][0], 0x11 * (0xa + k));
        CHECK_INT(sets[k].pcr[2][47], 0x11 * (0xc + k));
        CHECK_BYTES(sets[k].pcr[16], EF_PCR_BYTES, slice(bound, sizeof bound));
    }
    free(sets);
    ef_json_free(&json);
    ef_buf_free(&config);
    done();
}

/* For test_guard_pages. */
static void
feed_workflow(ef_slice in)
{
    static const char name[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    ef_workspace ws = {0};
    unsigned char user_data[EF_SHA256_BYTES];
    ef_buf out = {0};
    ef_json json;
    ef_doc doc;
    ef_err err = {0};
    unsigned ok = 0;

    ok += ef_doc_parse(&doc, in, &err) == EF_OK;
    ok += ef_appconfig_parse(&json, in, &err) == EF_OK;
    ef_json_free(&json);
    ok += ef_receipt_parse(&json, &out, user_data, in, &err) == EF_OK;
    ef_json_free(&json);
    ef_buf_free(&out);
    ok +=
        ef_workspace_add(&ws, slice(name, sizeof name - 1), in, &err) == EF_OK;
    ok += ef_workspace_add(&ws, in, in, &err) == EF_OK;
    ef_workspace_free(&ws);
    CHECK(ok <= 1);
}

/* --- what only many or large documents meet --- */

#define HASH_ONES                                                              \
    "1111111111111111111111111111111111111111111111111111111111111111"

/* Signs a document by the key of 32 bytes 7, takes it in, and gives its name
 * in digits. */
static void
wf_made(ef_workspace *ws, char hex[65], ef_doc_kind kind, int64_t time,
        const char *members)
{
    unsigned char d[EF_P256_SCALAR_BYTES], hash[EF_SHA256_BYTES];
    ef_buf jws = {0};

    memset(d, 7, sizeof d);
    CHECK_INT(ef_doc_sign(&jws, hash, d, kind, time,
                          slice(members, strlen(members)), NULL),
              EF_OK);
    ef_hex_encode(hex, hash, sizeof hash, 0);
    hex[64] = '\0';
    CHECK_INT(ef_workspace_add(ws, slice(hex, 64), slice(jws.p, jws.n), NULL),
              EF_OK);
    ef_buf_free(&jws);
}

/* The thumbprint of that key. */
static void
wf_me(char text[44])
{
    unsigned char d[EF_P256_SCALAR_BYTES], q[EF_P256_POINT_BYTES];
    unsigned char kid[EF_KID_BYTES];
    ef_buf out = {0};

    memset(d, 7, sizeof d);
    CHECK_INT(ef_p256_public(q, d, NULL), EF_OK);
    ef_p256_kid(kid, q);
    ef_base64url_encode(&out, slice(kid, sizeof kid));
    memcpy(text, out.p, 43);
    text[43] = '\0';
    ef_buf_free(&out);
}

/* A workspace that is full says so, by either limit. */
static void
test_workspace_full(void **state)
{
    ef_workspace ws = {0}, full;
    unsigned char d[EF_P256_SCALAR_BYTES], hash[EF_SHA256_BYTES];
    static const char members[] = "{\"of\":\"" HASH_ONES "\"}";
    ef_buf jws = {0};
    char hex[65];
    ef_err err;
    size_t i;

    (void)state;
    memset(d, 7, sizeof d);
    wf_made(&ws, hex, EF_DOC_CANCEL, 1, members);
    CHECK_INT(ef_doc_sign(&jws, hash, d, EF_DOC_CANCEL, 2,
                          slice(members, sizeof members - 1), NULL),
              EF_OK);
    ef_hex_encode(hex, hash, sizeof hash, 0);
    /* 16384 times the same one: it is only counted */
    full = (ef_workspace){calloc(EF_MAX_DOCUMENTS, sizeof *full.docs),
                          EF_MAX_DOCUMENTS, EF_MAX_DOCUMENTS, 0};
    assert_non_null(full.docs);
    for (i = 0; i < EF_MAX_DOCUMENTS; i++)
        full.docs[i] = ws.docs[0];
    CHECK_INT(
        ef_workspace_add(&full, slice(hex, 64), slice(jws.p, jws.n), &err),
        EF_E_LIMIT);
    CHECK(strcmp(err.msg, "more documents than EF_MAX_DOCUMENTS (16384)") == 0);
    full.n = 1;
    full.bytes = EF_MAX_WORKSPACE_BYTES;
    CHECK_INT(
        ef_workspace_add(&full, slice(hex, 64), slice(jws.p, jws.n), &err),
        EF_E_LIMIT);
    CHECK(strcmp(err.msg, "documents of more than EF_MAX_WORKSPACE_BYTES "
                          "(12582912) together") == 0);
    free((void *)full.docs);
    ef_buf_free(&jws);
    ef_workspace_free(&ws);
    done();
}

/* 280 inputs with long locations: more than a runner reads. */
static void
test_appconfig_large(void **state)
{
    ef_workspace ws = {0};
    char hex[65], app[65], build[65], config[65], me[44], text[9000];
    char where[7900];
    unsigned char hash[EF_SHA256_BYTES];
    ef_buf sets = {0}, edges = {0}, out = {0};
    ef_err err;
    int i;

    (void)state;
    wf_me(me);
    memset(where, 'a', sizeof where);
    where[sizeof where - 1] = '\0';
    for (i = 0; i < 280; i++) {
        snprintf(text, sizeof text,
                 "{\"commitment\":\"" HASH_ONES "\",\"direction\":\"%s\","
                 "\"location\":\"https://h/%s\",\"name\":\"d%d\"%s}",
                 i > 0 ? "input" : "output", where, i,
                 i > 0 ? ",\"size\":28,\"sha256\":\"" HASH_ONES "\"" : "");
        wf_made(&ws, hex, EF_DOC_DATASET, i, text);
        snprintf(text, sizeof text, "%s\"d%d\":\"%s\"", i > 0 ? "," : "", i,
                 hex);
        ef_buf_str(&sets, text);
        snprintf(text, sizeof text,
                 "%s{\"app\":\"a\",\"dataset\":\"d%d\",\"port\":\"%s\"}",
                 i > 0 ? "," : "", i, i > 0 ? "in" : "out");
        ef_buf_str(&edges, text);
    }
    snprintf(text, sizeof text,
             "{\"approvers\":[\"%s\"],\"domains\":[],\"name\":\"app\","
             "\"need\":1}",
             me);
    wf_made(&ws, app, EF_DOC_APP, 1, text);
    snprintf(text, sizeof text,
             "{\"app\":\"%s\",\"image\":\"i\",\"measurements\":[{\"PCR0\":\"%s"
             "\",\"PCR1\":\"%s\",\"PCR2\":\"%s\"}]}",
             app, HASH_ONES "11111111111111111111111111111111",
             HASH_ONES "11111111111111111111111111111111",
             HASH_ONES "11111111111111111111111111111111");
    wf_made(&ws, build, EF_DOC_BUILD, 1, text);
    snprintf(text, sizeof text,
             "{\"app\":\"%s\",\"name\":\"c\",\"ports\":{\"in\":\"input\","
             "\"out\":\"output\"}}",
             app);
    wf_made(&ws, config, EF_DOC_CONFIG, 1, text);
    snprintf(text, sizeof text, "{\"of\":\"%s\"}", build);
    wf_made(&ws, hex, EF_DOC_APPROVAL, 1, text);
    snprintf(text, sizeof text,
             "{\"apps\":{\"a\":{\"build\":\"%s\",\"config\":\"%s\"}},"
             "\"draft\":\"" HASH_ONES "\",\"name\":\"w\",\"need\":1,"
             "\"participants\":[\"%s\"],\"version\":1,\"connections\":[",
             build, config, me);
    ef_buf_str(&out, text);
    ef_buf_add(&out, edges.p, edges.n);
    ef_buf_str(&out, "],\"datasets\":{");
    ef_buf_add(&out, sets.p, sets.n);
    ef_buf_str(&out, "}}");
    ef_buf_byte(&out, 0);
    wf_made(&ws, hex, EF_DOC_WORKFLOW, 1, (const char *)out.p);
    CHECK_INT(ef_hex_decode(hash, sizeof hash, slice(hex, 64), NULL), EF_OK);
    snprintf(text, sizeof text, "{\"of\":\"%s\"}", hex);
    wf_made(&ws, hex, EF_DOC_APPROVAL, 1, text);
    out.n = 0;
    CHECK_INT(ef_appconfig(&out, &ws, ef_workspace_find(&ws, hash),
                           slice("a", 1), &err),
              EF_E_LIMIT);
    CHECK(strcmp(err.msg, "a runtime configuration larger than "
                          "EF_MAX_APPCONFIG_BYTES (2097152)") == 0);
    ef_buf_free(&sets);
    ef_buf_free(&edges);
    ef_buf_free(&out);
    ef_workspace_free(&ws);
    done();
}

/* Credentials whose sealed key has n bytes of 9, for a dataset that commits to
 * 32 bytes of `key`. */
static void
wf_open(size_t n, int key, ef_status want, const char *msg)
{
    unsigned char sk[EF_X25519_BYTES], pk[EF_X25519_BYTES], kid[EF_KID_BYTES];
    unsigned char bytes[40], hash[EF_SHA256_BYTES], commitment[EF_SHA256_BYTES];
    ef_workspace ws = {0};
    ef_credentials c;
    ef_buf m = {0};
    char hex[65], text[1000];
    ef_err err = {0};

    memset(sk, 3, sizeof sk);
    ef_x25519_public(pk, sk);
    ef_x25519_kid(kid, pk);
    memset(bytes, key, sizeof bytes);
    ef_key_commitment(commitment, bytes);
    ef_hex_encode(hex, commitment, sizeof commitment, 0);
    hex[64] = '\0';
    snprintf(text, sizeof text,
             "{\"commitment\":\"%s\",\"direction\":\"output\",\"location\":"
             "\"https://h/o\",\"name\":\"d\"}",
             hex);
    wf_made(&ws, hex, EF_DOC_DATASET, 1, text);
    CHECK_INT(ef_hex_decode(hash, sizeof hash, slice(hex, 64), NULL), EF_OK);
    ef_buf_str(&m, "{\"dataset\":\"");
    ef_buf_str(&m, hex);
    ef_buf_str(&m, "\",\"to\":\"");
    ef_base64url_encode(&m, slice(kid, sizeof kid));
    ef_buf_byte(&m, '"');
    memset(bytes, 9, sizeof bytes);
    CHECK_INT(ef_credentials_seal(&m, "key", hash, pk, slice(bytes, n), NULL),
              EF_OK);
    CHECK_INT(
        ef_credentials_seal(&m, "upload", hash, pk, slice("a=b", 3), NULL),
        EF_OK);
    ef_buf_str(&m, "}");
    ef_buf_byte(&m, 0);
    wf_made(&ws, hex, EF_DOC_CREDENTIALS, 1, (const char *)m.p);
    CHECK_INT(
        ef_credentials_open(&c, &ws, ef_workspace_find(&ws, hash), 1, sk, &err),
        want);
    CHECK(msg == NULL || strcmp(err.msg, msg) == 0);
    if (want == EF_OK)
        CHECK(c.query_n == 3 && memcmp(c.query, "a=b", 3) == 0 &&
              memcmp(c.key, bytes, 32) == 0);
    ef_credentials_free(&c);
    ef_buf_free(&m);
    ef_workspace_free(&ws);
}

/* A key is opened only for the dataset that commits to it. */
static void
test_credentials_open(void **state)
{
    (void)state;
    wf_open(32, 9, EF_OK, NULL);
    wf_open(32, 8, EF_E_AUTH, "the key is not the one that was approved");
    wf_open(31, 9, EF_E_AUTH, "a sealed key of another size");
    wf_open(33, 9, EF_E_LIMIT, "a sealed text of no possible length");
    done();
}

static void
test_guard_pages(void **state)
{
    (void)state;
    guard_open();
    guard_run("vectors/json_accept.txt",
              "id source why? text:text line:text pretty:text", feed_json);
    guard_run("vectors/json_reject.txt", json_reject_fields, feed_json);
    guard_run("vectors/csv.txt", csv_fields, feed_csv);
    guard_run("vectors/base64.txt", base64_fields, feed_text);
    guard_run("vectors/percent.txt", percent_fields, feed_text);
    guard_run("vectors/ini.txt", ini_fields, feed_text);
    guard_run("vectors/container.txt", container_fields, feed_text);
    guard_run("vectors/sigv4.txt", sigv_fields, feed_text);
    guard_run("vectors/utf8.txt", text_fields, feed_text);
    guard_run("vectors/names.txt", text_fields, feed_text);
    guard_run("vectors/locations.txt", location_fields, feed_text);
    guard_run("vectors/presigned.txt", presigned_fields, feed_text);
    guard_run("vectors/times.txt", time_fields, feed_text);
    guard_run("vectors/describe.txt", describe_fields, feed_csv);
    guard_run("vectors/credentials.txt", credentials_fields, feed_documents);
    guard_run("vectors/result.txt", result_fields, feed_documents);
    guard_run("vectors/http_dates.txt", http_date_fields, feed_answers);
    guard_run("vectors/content_ranges.txt", content_range_fields, feed_answers);
    guard_run("vectors/etags.txt", etag_fields, feed_answers);
    guard_run("vectors/xml.txt", xml_fields, feed_answers);
    guard_run("vectors/shards.txt", shard_fields, feed_answers);
    guard_run("vectors/base64url.txt", base64url_fields, feed_keys);
    guard_run("vectors/pem.txt", pem_fields, feed_keys);
    guard_run("vectors/jwk.txt", jwk_fields, feed_keys);
    guard_run("vectors/jws.txt", jws_fields, feed_keys);
    guard_run("vectors/nsm.txt", nsm_fields, feed_nsm);
    guard_run("vectors/release_requests.txt", release_request_fields,
              feed_release_request);
    guard_run("vectors/release_answers.txt", release_answer_fields,
              feed_release_answer);
    guard_run("vectors/release_log.txt", release_log_fields, feed_release_log);
    guard_run("vectors/measurements.txt", measurement_fields, feed_measurement);
    guard_run("vectors/markdown.txt", markdown_fields, feed_markdown);
    guard_run("vectors/appconfigs.txt", appconfig_fields, feed_workflow);
    guard_run("vectors/documents.txt", document_fields, feed_workflow);
    guard_close();
    printf("    %lu inputs before a guard page\n", guard_inputs);
    done();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_encodings_round_trip),
        cmocka_unit_test(test_alphabets),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_json_accept),
        cmocka_unit_test(test_json_reject),
        cmocka_unit_test(test_jcs),
        cmocka_unit_test(test_json_pointer),
        cmocka_unit_test(test_json_number),
        cmocka_unit_test(test_json_names),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_stops),
        cmocka_unit_test(test_ini),
        cmocka_unit_test(test_describe_pieces),
        cmocka_unit_test(test_gcm),
        cmocka_unit_test(test_gcm_kernels_agree),
        cmocka_unit_test(test_gcm_every_bit),
        cmocka_unit_test(test_gcm_limit),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_credentials_freed),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_result_pieces),
        cmocka_unit_test(test_result_receipt),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_sigv4),
        cmocka_unit_test(test_sigv2),
        cmocka_unit_test(test_sigv4_headers),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_utf8_vectors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_presigned),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_http_dates),
        cmocka_unit_test(test_content_ranges),
        cmocka_unit_test(test_etags),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_p256),
        cmocka_unit_test(test_x25519),
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_jwk),
        cmocka_unit_test(test_jws),
        cmocka_unit_test(test_jws_sign),
        cmocka_unit_test(test_jws_every_bit),
        cmocka_unit_test(test_hpke),
        cmocka_unit_test(test_cms),
        cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_kms_arns),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_sigv4_json),
        cmocka_unit_test(test_commitments),
        cmocka_unit_test(test_new_keys),
        cmocka_unit_test(test_no_random),
        cmocka_unit_test(test_cbor),
        cmocka_unit_test(test_nsm),
        cmocka_unit_test(test_release_requests),
        cmocka_unit_test(test_release_nonces),
        cmocka_unit_test(test_release_answers),
        cmocka_unit_test(test_release_log),
        cmocka_unit_test(test_eif),
        cmocka_unit_test(test_measurements),
        cmocka_unit_test(test_attestations),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_markdown_linear),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_appconfigs),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_workspace_closure),
        cmocka_unit_test(test_appconfig_pcrs),
        cmocka_unit_test(test_workspace_full),
        cmocka_unit_test(test_appconfig_large),
        cmocka_unit_test(test_credentials_open),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_mount_names),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_guard_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
