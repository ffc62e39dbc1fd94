/*
 * Target   CBOR (section 6): ef_cbor_next and all that asks through it.
 * Input    bytes | how many calls of a row of them, a seed for which
 * Claims   the status, the place and every item are those of a plain decoder
 *          that recurs; the items of what is accepted, written anew in the
 *          shortest form, are the bytes that were read; skipping finds what
 *          walking finds; any row of calls stays inside the bytes, ends, and
 *          a call for one item that fails changes nothing.
 * Covers   ef_cbor_* cbor_*
 * Seeds    vectors/cbor.txt
 */
#include "twin.h"

/* --- the twin --- */

struct twin {
    const unsigned char *p;
    size_t n, at, bad; /* bad: where it is wrong */
    ef_status why;
    size_t items; /* without ends */
};

static int
no(struct twin *t, ef_status why, size_t at)
{
    t->why = why;
    t->bad = at;
    return 0;
}

/* The argument of the head at t->at, which moves past it; 0: it is wrong. */
static int
argument(struct twin *t, unsigned *major, unsigned *info, uint64_t *v)
{
    size_t at = t->at, k, n;

    if (at == t->n)
        return no(t, EF_E_FORMAT, t->n);
    *major = t->p[at] / 32;
    *info = t->p[at] % 32;
    *v = *info;
    t->at++;
    if (*info == 31)
        return (*major >= 2 && *major != 6) || no(t, EF_E_FORMAT, at);
    if (*info >= 28)
        return no(t, EF_E_FORMAT, at);
    if (*info < 24)
        return 1;
    n = *info == 24 ? 1 : *info == 25 ? 2 : *info == 26 ? 4 : 8;
    if (t->n - t->at < n)
        return no(t, EF_E_FORMAT, t->n);
    for (k = 0, *v = 0; k < n; k++)
        *v = *v * 256 + t->p[t->at++];
    if (*major == 7 ? n == 1 && *v < 32
                    : *v <= (n == 1   ? 23
                             : n == 2 ? UINT8_MAX
                             : n == 4 ? UINT16_MAX
                                      : UINT32_MAX))
        return no(t, EF_E_FORMAT, at);
    return 1;
}

/* One item and what is in it. 2: it was a break, which may_break allows. */
static int
item(struct twin *t, unsigned depth, int may_break)
{
    size_t at = t->at, text;
    unsigned major, info;
    uint64_t v, i, want;
    int got;

    if (!argument(t, &major, &info, &v))
        return 0;
    if (major == 7 && info == 31)
        return may_break ? 2 : no(t, EF_E_FORMAT, at);
    if (major == 6)
        return no(t, EF_E_FORMAT, at);
    t->items++;
    if (major == 2 || major == 3) {
        if (info == 31)
            return no(t, EF_E_FORMAT, at);
        if (v > t->n - t->at)
            return no(t, EF_E_FORMAT, t->n);
        text = t->at;
        t->at += (size_t)v;
        for (i = 0; major == 3 && i < v; i++) { /* fuzz_utf8 has its twin */
            ef_err err = {0};

            if (ef_utf8_check(twin_slice(t->p + text, (size_t)v), &err) ==
                EF_OK)
                break;
            return no(t, EF_E_FORMAT, text + (size_t)err.at);
        }
    }
    if (major != 4 && major != 5)
        return 1;
    if (depth == EF_MAX_CBOR_DEPTH)
        return no(t, EF_E_LIMIT, at);
    if (info != 31 && v > t->n - t->at)
        return no(t, EF_E_FORMAT, t->n);
    want = info == 31 ? UINT64_MAX : major == 5 ? 2 * v : v;
    for (i = 0; i < want; i++) {
        got = item(t, depth + 1, info == 31 && (major == 4 || i % 2 == 0));
        if (got != 1)
            return got == 2;
    }
    return 1;
}

/* --- what was read, written anew --- */

static void
put_head(ef_buf *out, unsigned major, uint64_t v)
{
    int n = v < 24 ? 0 : v < 256 ? 1 : v < 65536 ? 2 : v >> 32 == 0 ? 4 : 8;

    ef_buf_byte(out, (unsigned char)(major * 32 + (n == 0   ? (unsigned)v
                                                   : n == 1 ? 24
                                                   : n == 2 ? 25
                                                   : n == 4 ? 26
                                                            : 27)));
    while (n-- > 0)
        ef_buf_byte(out, (unsigned char)(v >> (8 * n)));
}

/* forms: of each open array or map, was it indefinite? */
static void
write_item(ef_buf *out, const ef_cbor_item *x, int *forms, unsigned depth)
{
    switch (x->type) {
    case EF_CBOR_END:
        if (forms[depth])
            ef_buf_byte(out, 0xff);
        return;
    case EF_CBOR_SIMPLE:
        put_head(out, 7, x->value);
        return;
    case EF_CBOR_FLOAT:
        ef_buf_byte(out, x->bytes.n == 2   ? 0xf9
                         : x->bytes.n == 4 ? 0xfa
                                           : 0xfb);
        ef_buf_add(out, x->bytes.p, x->bytes.n);
        return;
    case EF_CBOR_ARRAY:
    case EF_CBOR_MAP:
        forms[depth - 1] = x->indefinite;
        if (x->indefinite) {
            ef_buf_byte(out, (unsigned char)((unsigned)x->type * 32 + 31));
            return;
        }
        break;
    case EF_CBOR_UINT:
    case EF_CBOR_NEGATIVE:
        FUZZ_ASSERT(x->bytes.n == 0);
        break;
    case EF_CBOR_BYTES:
    case EF_CBOR_TEXT:
        FUZZ_ASSERT(x->bytes.n == x->value);
        break;
    }
    put_head(out, (unsigned)x->type, x->value);
    ef_buf_add(out, x->bytes.p, x->bytes.n);
}

static void
inside(ef_slice in, const ef_cbor *c, const ef_cbor_item *x)
{
    FUZZ_ASSERT(c->at <= in.n && c->depth <= EF_MAX_CBOR_DEPTH);
    FUZZ_ASSERT(x->at <= c->at);
    FUZZ_ASSERT(x->bytes.n == 0 ||
                (x->bytes.p >= in.p && x->bytes.p + x->bytes.n <= in.p + in.n));
}

static void
walk(ef_slice in, struct twin *t)
{
    ef_cbor c, other;
    ef_cbor_item x;
    ef_buf anew = {0};
    ef_err err = {0};
    int forms[EF_MAX_CBOR_DEPTH + 1] = {0};
    size_t items = 0;
    ef_status rc;

    ef_cbor_init(&c, in);
    do {
        rc = ef_cbor_next(&c, &x, &err);
        if (rc != EF_OK)
            break;
        inside(in, &c, &x);
        items += x.type != EF_CBOR_END;
        write_item(&anew, &x, forms, c.depth);
    } while (c.depth > 0);
    FUZZ_ASSERT(items == t->items || rc != EF_OK);
    FUZZ_ASSERT(rc == t->why);
    ef_cbor_init(&other, in);
    FUZZ_ASSERT(ef_cbor_skip(&other, NULL) == rc);
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, in.n);
        FUZZ_ASSERT(err.at == t->bad);
    } else {
        FUZZ_ASSERT(c.at == t->at && other.at == t->at);
        FUZZ_ASSERT(twin_same(twin_slice(in.p, c.at), anew.p, anew.n));
        rc = ef_cbor_end(&c, NULL);
        FUZZ_ASSERT(rc == (c.at == in.n ? EF_OK : EF_E_FORMAT));
    }
    ef_buf_free(&anew);
}

/* --- any row of calls --- */

static int
same_place(const ef_cbor *a, const ef_cbor *b)
{
    return a->at == b->at && a->depth == b->depth && a->tagged == b->tagged &&
           memcmp(a->level, b->level, sizeof a->level) == 0;
}

static void
calls(ef_slice in, uint32_t seed, unsigned n)
{
    static const char *const names[] = {"a", "b", "", "k0"};
    ef_cbor c, before;
    uint32_t seen = 0;
    ef_status rc = EF_OK;

    ef_cbor_init(&c, in);
    for (; n > 0 && rc == EF_OK; n--) {
        ef_cbor_item x = {.type = EF_CBOR_END};
        size_t how = twin_step(&seed, 8), arg = twin_step(&seed, 32), which;
        uint32_t had = seen;
        ef_err err = {0};
        int found = 9, several = 0;

        before = c;
        if (how <= 2) {
            rc = ef_cbor_tag(&c, arg, &found, &err);
            FUZZ_ASSERT(found == (c.at > before.at));
        } else if (how == 3) {
            rc = ef_cbor_key(&c, &which, &seen, names, 4, &err);
            FUZZ_ASSERT(rc != EF_OK || which == 4 ||
                        seen == (had | 1u << which));
            several = 1;
        } else if (how == 4) {
            rc = ef_cbor_skip(&c, &err);
            FUZZ_ASSERT(rc != EF_OK || c.depth <= before.depth);
            several = 1;
        } else if (how == 5) {
            rc = ef_cbor_take(&c, &x, (ef_cbor_type)(arg % 9), &err);
            several = 1;
        } else if (how == 6) {
            rc = ef_cbor_end(&c, &err);
            FUZZ_ASSERT(rc != EF_OK || (c.depth == 0 && c.at == in.n));
            several = 1;
        } else {
            rc = ef_cbor_next(&c, &x, &err);
        }
        inside(in, &c, &x);
        if (rc != EF_OK)
            fuzz_refused(rc, &err, in.n);
        FUZZ_ASSERT(rc == EF_OK || several || same_place(&c, &before));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t n = fuzz_byte(&in);
    uint32_t seed = fuzz_u32(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    struct twin t = {text.p, text.n, 0, 0, EF_OK, 0};

    FUZZ_REACHED();
    FUZZ_ASSERT(item(&t, 0, 0) == (t.why == EF_OK));
    walk(text, &t);
    calls(text, seed, n);
    free(block);
    return 0;
}
