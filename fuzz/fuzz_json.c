/*
 * Target   JSON (section 3): ef_json_parse, _print, _string, _member.
 * Input    text | one byte for fuzz_seldom | where it is stretched | stretch,
 *          see below | the n-th allocation fails (0: none) | blanks of a level
 * Claims   a text is taken where jansson takes it and no limit is passed, and
 *          means the same; a refused text was right up to the place named; a
 *          printed document is printed and read the same; members are found by
 *          name; without memory the answer is EF_E_MEMORY or the right one.
 * Covers   ef_json_parse ef_json_free ef_json_print ef_json_string
 *          ef_json_member json_peek json_space json_bad json_hex4
 *          json_is_plain json_*_scan json_digits json_double json_node_add
 *          json_scalar json_name json_next json_utf16_rank json_name_cmp
 *          json_node_name json_member_cmp json_sift json_sort json_child_count
 *          json_children json_unique json_close json_open json_after_value
 *          json_read json_name_is json_inside json_newline json_print_at
 * Seeds    vectors/json_accept.txt json_reject.txt jcs.txt    Dict  json
 */
#include "fuzz.h"
#include "json_twin.h"

/* The last values of the stretch byte put this in, so often: what no short
 * input holds. With "[0]" and "0" the last two just stay within the limit. */
static const struct {
    const char *unit;
    size_t times;
} stretches[] = {
    {"[", EF_MAX_JSON_DEPTH},
    {"1", EF_MAX_JSON_NUMBER_BYTES},
    {"0,", EF_MAX_JSON_NODES - 2},
    {" ", EF_MAX_JSON_BYTES - 1},
};

/* The longest number in a text that is JSON. */
static size_t
longest_number(ef_slice text)
{
    size_t i, run = 0, most = 0;

    for (i = 0; i < text.n; i++) {
        if (text.p[i] == '"') /* to the closing quote */
            for (i++; text.p[i] != '"'; i++)
                i += text.p[i] == '\\';
        run = strchr("+-.0123456789eE", text.p[i]) != NULL ? run + 1 : 0;
        most = run > most ? run : most;
    }
    return most;
}

/* Values in v, itself included, and how deep its containers go. */
static size_t
count(const json_t *v, size_t *depth)
{
    size_t n = 1, i, inner = 0, deepest = 0;
    const char *name;
    json_t *child;

    json_array_foreach(v, i, child)
    {
        n += count(child, &inner);
        deepest = inner > deepest ? inner : deepest;
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, child)
    {
        n += count(child, &inner);
        deepest = inner > deepest ? inner : deepest;
    }
    *depth = deepest + (json_is_array(v) || json_is_object(v));
    return n;
}

/* What encflow has to say about a text that jansson takes. */
static ef_status
expected(ef_slice text, const json_t *v)
{
    size_t depth, nodes = count(v, &depth);

    return depth > EF_MAX_JSON_DEPTH || nodes > EF_MAX_JSON_NODES ||
                   longest_number(text) > EF_MAX_JSON_NUMBER_BYTES
               ? EF_E_LIMIT
               : EF_OK;
}

/* Up to `at` the text is right: it ends too early, no more, or is whole. */
static void
refused(ef_slice text, ef_status rc, const ef_err *err)
{
    void *block = NULL;
    ef_slice before = {text.p, (size_t)err->at};
    ef_err other = {0};
    ef_json doc = {0};

    fuzz_refused(rc, err, text.n);
    FUZZ_ASSERT(err->at != EF_NOWHERE);
    before = fuzz_stretch(&block, before, 0, "", 0);
    if (text.n <= EF_MAX_JSON_BYTES &&
        ef_json_parse(&doc, before, &other) != EF_OK)
        FUZZ_ASSERT(other.code == EF_E_FORMAT && other.at == err->at);
    ef_json_free(&doc);
    free(block);
}

static void
same_nodes(const ef_json *a, const ef_json *b)
{
    uint32_t i;

    FUZZ_ASSERT(a->count == b->count);
    for (i = 0; i < a->count; i++) {
        const ef_json_node *x = &a->nodes[i], *y = &b->nodes[i];

        FUZZ_ASSERT(x->type == y->type && x->end == y->end);
        FUZZ_ASSERT(x->name_n == y->name_n &&
                    memcmp(a->text.p + x->name_at, b->text.p + y->name_at,
                           x->name_n) == 0);
        if (x->type == EF_JSON_OBJECT || x->type == EF_JSON_ARRAY)
            continue;
        FUZZ_ASSERT(x->n == y->n &&
                    memcmp(a->text.p + x->at, b->text.p + y->at, x->n) == 0);
    }
}

/* Printed with any indent it is the same document, and prints the same. */
static void
print(const ef_json *doc, unsigned indent, uint8_t budget)
{
    ef_buf out = {0}, line = {0}, again = {0};
    ef_json back;

    fuzz_alloc_left = budget;
    ef_json_print(doc, 0, indent, &out);
    FUZZ_ASSERT(fuzz_alloc_failed(budget) == out.failed);
    if (!out.failed) {
        FUZZ_ASSERT(ef_json_parse(&back, twin_slice(out.p, out.n), NULL) ==
                    EF_OK);
        same_nodes(doc, &back);
        ef_json_print(doc, 0, 0, &line);
        ef_json_print(&back, 0, 0, &again);
        FUZZ_ASSERT(twin_same(twin_slice(line.p, line.n), again.p, again.n));
        FUZZ_ASSERT(memchr(line.p, '\n', line.n) == NULL);
        ef_json_free(&back);
    }
    ef_buf_free(&again);
    ef_buf_free(&line);
    ef_buf_free(&out);
}

/* No member has a name that is longer than the text. */
static void
absent(const ef_json *doc)
{
    unsigned char *name = fuzz_block(NULL, doc->text.n + 1);

    memset(name, 'a', doc->text.n + 1);
    FUZZ_ASSERT(ef_json_member(doc, 0, twin_slice(name, doc->text.n + 1)) ==
                EF_JSON_NONE);
    free(name);
}

static void
without_memory(ef_slice text, ef_status want, uint8_t budget)
{
    ef_json doc;
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = budget;
    rc = ef_json_parse(&doc, text, &err);
    FUZZ_ASSERT(rc == (fuzz_alloc_failed(budget) ? EF_E_MEMORY : want));
    ef_json_free(&doc);
}

static void
check(ef_slice text, unsigned indent, uint8_t budget)
{
    int nul_name = 1;
    json_t *v = text.n > EF_MAX_JSON_BYTES ? NULL : json_twin(text, &nul_name);
    ef_json doc;
    ef_err err = {0};
    ef_status rc = ef_json_parse(&doc, text, &err);

    if (v != NULL)
        FUZZ_ASSERT(rc == expected(text, v));
    FUZZ_ASSERT(v != NULL || nul_name || rc != EF_OK);
    FUZZ_ASSERT(text.n <= EF_MAX_JSON_BYTES || rc == EF_E_LIMIT);
    if (rc == EF_OK) {
        FUZZ_ASSERT(v == NULL || json_twin_same(&doc, 0, v));
        absent(&doc);
        print(&doc, indent, budget);
    } else {
        refused(text, rc, &err);
    }
    ef_json_free(&doc);
    json_decref(v);
    without_memory(text, rc, budget);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t indent = fuzz_byte(&in) % 9, budget = fuzz_byte(&in);
    size_t stretch = 255u - fuzz_byte(&in), at = fuzz_byte(&in);
    void *block;
    ef_slice text;

    (void)fuzz_byte(&in); /* fuzz_seldom's */
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (stretch < sizeof stretches / sizeof *stretches &&
        fuzz_seldom(data, size))
        text = fuzz_stretch(&block, text, at, stretches[stretch].unit,
                            stretches[stretch].times);
    check(text, indent, budget);
    free(block);
    return 0;
}
