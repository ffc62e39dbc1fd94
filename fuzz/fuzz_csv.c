/*
 * Target   CSV (section 4): ef_csv_push, ef_csv_end.
 * Input    text | one byte for fuzz_seldom | where it is stretched (2 bytes) |
 *          stretch, see below | the row that the caller does not take (0: none)
 *          | the n-th allocation fails (0: none) | 4 bytes: how the text is cut
 * Claims   rows, their lines and the error are those of a plain twin that has
 *          the whole text before it and looks ahead; however the text is cut;
 *          without memory the rows are the first of these.
 * Covers   ef_csv_* csv_* utf8_step
 * Seeds    vectors/csv.txt    Dict  csv
 */
#include "fuzz.h"
#include "twin.h"

#define TEN "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* The last values of the stretch byte put this in, so often: what no short
 * input holds. */
static const struct {
    const char *unit;
    size_t times;
} stretches[] = {
    {"x", EF_MAX_CSV_FIELD_BYTES},
    {HUNDRED HUNDRED HUNDRED ",", EF_MAX_CSV_RECORD_BYTES / 300 + 1},
    {",", EF_MAX_CSV_COLUMNS - 1},
    {"x,x\n", 1},
};

/* encflow's own buffer may lack memory here; this one may not. */
struct bytes {
    unsigned char *p;
    size_t n, cap;
};

static void
put(struct bytes *b, const void *p, size_t n)
{
    if (n > b->cap - b->n) {
        b->cap = (b->cap + n) * 2;
        b->p = realloc(b->p, b->cap);
        FUZZ_ASSERT(b->p != NULL);
    }
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* What a reading came to. rows: of each its line, and its fields' lengths and
 * bytes, end to end. */
struct reading {
    struct bytes rows;
    uint64_t count;
    unsigned enough; /* the row that the caller does not take */
    ef_status rc;
    uint64_t line, at;
};

static ef_status
take_row(void *ctx, const ef_slice *fields, size_t count, uint64_t line,
         ef_err *err)
{
    struct reading *r = ctx;
    size_t i;

    put(&r->rows, &line, sizeof line);
    put(&r->rows, &count, sizeof count);
    for (i = 0; i < count; i++) {
        put(&r->rows, &fields[i].n, sizeof fields[i].n);
        put(&r->rows, fields[i].p, fields[i].n);
    }
    if (++r->count != r->enough)
        return EF_OK;
    *err = (ef_err){.code = EF_E_AUTH, .msg = "enough", .at = EF_NOWHERE};
    return EF_E_AUTH;
}

/* --- the twin --- */

static struct twin {
    ef_slice text;
    size_t i, end;     /* where it reads; what is UTF-8 so far */
    size_t bad;        /* the character that is none, or text.n */
    uint64_t line;     /* from 1 */
    struct bytes data; /* the record's fields end to end */
    size_t ends[EF_MAX_CSV_COLUMNS], count, width;
    ef_slice fields[EF_MAX_CSV_COLUMNS];
    struct reading *r;
} twin;

/* Bytes at p that a character may begin with, up to the whole of it: *whole
 * bytes. By what the code point may still become. */
static size_t
begin(const unsigned char *p, size_t n, size_t *whole)
{
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned long low, high;
    size_t i, k = 1;

    while (p[0] >= 0xc0 && k < 4 && (p[0] & (0x80 >> k)) != 0)
        k++;
    *whole = k;
    low = high = k > 1 ? p[0] & (0x7fu >> k) : p[0];
    for (i = 1; i < k; i++)
        low = low * 64, high = high * 64 + 63;
    for (i = 0; i < k && i < n; i++) {
        unsigned long room = 1ul << 6 * (k - 1 - i);

        if (i > 0 && p[i] / 64 != 2)
            return i;
        if (i > 0) {
            low += p[i] % 64 * room;
            high = low + room - 1;
        }
        if (high < least[k] || low > 0x10ffff || p[0] > 0xf7 ||
            (k == 1 && p[0] > 0x7f) || (low >= 0xd800 && high < 0xe000))
            return i;
    }
    return i;
}

/* Fills bad and end. */
static void
find_bad(struct twin *t)
{
    size_t n, whole;

    for (t->bad = 0; t->bad < t->text.n; t->bad += whole) {
        n = begin(t->text.p + t->bad, t->text.n - t->bad, &whole);
        t->end = t->bad + n;
        if (n < whole)
            return;
    }
    t->end = t->text.n;
}

static int
stop(struct twin *t, ef_status rc, uint64_t line)
{
    t->r->rc = rc;
    t->r->line = line;
    return 0;
}

/* At the end of what can be read: 1 where it is the text's. */
static int
is_whole(struct twin *t)
{
    if (t->bad == t->text.n)
        return 1;
    t->r->at = t->bad;
    return stop(t, EF_E_FORMAT, t->line);
}

static int
at_line_end(const struct twin *t)
{
    return t->i < t->end &&
           (t->text.p[t->i] == '\n' || t->text.p[t->i] == '\r');
}

/* CR LF is one line's end. */
static void
skip_line_end(struct twin *t)
{
    int two = t->text.p[t->i] == '\r' && t->i + 1 < t->end &&
              t->text.p[t->i + 1] == '\n';

    t->i += two ? 2 : 1;
    t->line++;
}

/* The next n bytes are the field's, up to a NUL; *cut: there was one. */
static int
take(struct twin *t, size_t n, int *cut)
{
    size_t start = t->count > 0 ? t->ends[t->count - 1] : 0;
    const unsigned char *p = t->text.p + t->i, *nul = memchr(p, 0, n);

    t->i += n;
    if (!*cut)
        put(&t->data, p, nul != NULL ? (size_t)(nul - p) : n);
    *cut |= nul != NULL;
    if (t->data.n - start > EF_MAX_CSV_FIELD_BYTES ||
        t->data.n > EF_MAX_CSV_RECORD_BYTES)
        return stop(t, EF_E_LIMIT, t->line);
    return 1;
}

/* From after the opening quote to after the closing one. */
static int
quoted(struct twin *t, int *cut)
{
    uint64_t opened = t->line;

    while (t->i < t->end) {
        unsigned char c = t->text.p[t->i], before = t->text.p[t->i - 1];

        if (c == '"' && (++t->i == t->end || t->text.p[t->i] != '"'))
            return 1;
        /* the LF of a CR LF does not count again */
        t->line += c == '\r' || (c == '\n' && before != '\r');
        if (!take(t, 1, cut))
            return 0;
    }
    return is_whole(t) && stop(t, EF_E_FORMAT, opened);
}

/* Bytes up to what ends an unquoted field. */
static size_t
plain(const struct twin *t)
{
    size_t i = t->i;

    while (i < t->end && t->text.p[i] != ',' && t->text.p[i] != '\n' &&
           t->text.p[i] != '\r')
        i++;
    return i - t->i;
}

/* A field, to its comma or the line's end. A quote opens it only where it
 * comes first; after the closing one the field goes on, quotes and all. */
static int
field(struct twin *t, int may_quote)
{
    int cut = 0;

    if (may_quote && t->i < t->end && t->text.p[t->i] == '"') {
        t->i++;
        if (!quoted(t, &cut))
            return 0;
    }
    if (!take(t, plain(t), &cut) || (t->i == t->end && !is_whole(t)))
        return 0;
    if (t->count == EF_MAX_CSV_COLUMNS)
        return stop(t, EF_E_LIMIT, t->line);
    t->ends[t->count++] = t->data.n;
    return 1;
}

/* The header sets the width, the second row may widen it. */
static int
give_row(struct twin *t)
{
    size_t i, start = 0;
    ef_err err;
    ef_status rc;

    if (t->r->count < 2 && t->count > t->width)
        t->width = t->count;
    if (t->count > t->width)
        return stop(t, EF_E_FORMAT, t->line);
    for (i = 0; i < t->width; i++) {
        size_t end = i < t->count ? t->ends[i] : start;

        t->fields[i] = (ef_slice){t->data.p, end - start};
        if (start > 0) /* data.p may be NULL */
            t->fields[i].p += start;
        start = end;
    }
    rc = take_row(t->r, t->fields, t->width, t->line, &err);
    return rc == EF_OK || stop(t, rc, 0);
}

/* The next line that is not blank, as far as quotes take it. */
static int
record(struct twin *t)
{
    size_t start = t->i;

    t->data.n = t->count = 0;
    while (t->i < t->end && (t->text.p[t->i] == ' ' || t->text.p[t->i] == '\t'))
        t->i++;
    if (t->i == t->end)
        return is_whole(t);
    if (!at_line_end(t)) {
        int may_quote = t->i == start;

        t->i = start;
        while (field(t, may_quote) && t->i < t->end && t->text.p[t->i] == ',') {
            may_quote = 1;
            t->i++;
        }
        if (t->r->rc != EF_OK || !give_row(t))
            return 0;
    }
    if (t->i < t->end)
        skip_line_end(t);
    return 1;
}

static void
twin_read(struct reading *r, ef_slice text)
{
    struct twin *t = &twin;
    int more = 1;

    t->text = text;
    t->line = 1;
    t->width = 0;
    t->r = r;
    find_bad(t);
    t->i = t->end >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (more && t->i < t->end)
        more = record(t);
    if (more && is_whole(t) && r->count == 0)
        stop(t, EF_E_FORMAT, 1);
}

/* --- encflow --- */

/* seed 0: in one piece. Short texts in blocks of their own. */
static void
read_csv(struct reading *r, ef_slice text, uint32_t seed, uint8_t budget)
{
    size_t most = seed != 0 ? seed % 61 + 1 : text.n, n;
    ef_err err = {0};
    ef_csv csv;

    ef_csv_init(&csv, take_row, r);
    fuzz_alloc_left = budget;
    for (; text.n > 0 && r->rc == EF_OK; text.p += n, text.n -= n) {
        n = seed != 0 ? twin_step(&seed, most) : text.n;
        n = n < text.n ? n : text.n;
        if (text.n < 65536) {
            void *piece = fuzz_block(text.p, n);

            r->rc = ef_csv_push(&csv, twin_slice(piece, n), &err);
            free(piece);
        } else {
            r->rc = ef_csv_push(&csv, twin_slice(text.p, n), &err);
        }
    }
    if (r->rc == EF_OK)
        r->rc = ef_csv_end(&csv, &err);
    ef_csv_free(&csv);
    r->line = err.line;
    r->at = r->rc == EF_OK ? EF_NOWHERE : err.at;
    if (r->rc != EF_OK)
        FUZZ_ASSERT(err.code == r->rc && err.msg != NULL);
}

static void
compare(const struct reading *want, ef_slice text, uint32_t seed,
        uint8_t budget)
{
    struct reading got = {.enough = want->enough};

    read_csv(&got, text, seed, budget);
    if (fuzz_alloc_failed(budget)) {
        FUZZ_ASSERT(got.rc == EF_E_MEMORY && got.rows.n <= want->rows.n);
    } else {
        FUZZ_ASSERT(got.rc == want->rc && got.rows.n == want->rows.n);
        FUZZ_ASSERT(got.line == want->line && got.at == want->at);
    }
    FUZZ_ASSERT(got.rows.n == 0 ||
                memcmp(got.rows.p, want->rows.p, got.rows.n) == 0);
    free(got.rows.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint32_t seed = fuzz_u32(&in);
    uint8_t budget = fuzz_byte(&in);
    struct reading want = {.enough = fuzz_byte(&in), .at = EF_NOWHERE};
    size_t stretch = 255u - fuzz_byte(&in), at = fuzz_byte(&in) * 256u;
    void *block;
    ef_slice text;

    at += fuzz_byte(&in);
    (void)fuzz_byte(&in); /* fuzz_seldom's */
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (stretch < sizeof stretches / sizeof *stretches &&
        fuzz_seldom(data, size))
        text = fuzz_stretch(&block, text, at, stretches[stretch].unit,
                            stretches[stretch].times);
    twin_read(&want, text);
    compare(&want, text, 0, 0);
    compare(&want, text, seed, budget);
    free(want.rows.p);
    free(block);
    return 0;
}
