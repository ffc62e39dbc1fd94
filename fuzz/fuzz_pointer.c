/*
 * Target   JSON pointers (section 3): ef_json_pointer.
 * Input    document | pointer | the n-th allocation fails (0: none) | how long
 *          the pointer is; where the document is no JSON, a fixed one
 * Claims   a plain twin of RFC 6901 over jansson's values comes to the same
 *          value, or refuses at the same place; without memory the answer is
 *          EF_E_MEMORY or the right one.
 * Covers   ef_json_pointer ef_json_member json_token json_element json_name_is
 * Seeds    vectors/json_pointer.txt    Dict  pointer
 */
#include <ctype.h>

#include "fuzz.h"
#include "json_twin.h"

static const char fixed[] =
    "{\"a\": [0, 1, [2, {\"b\": 3}]], \"\": {\"\": 4}, \"a/b\": 5, \"~\": 6,"
    " \"\\u00e9\": 7, \"~1\": 8, \"0\": 9, \"01\": [10], \"\\ud83d\\ude00\": "
    "1}";

/* RFC 6901 section 4 undone: the token up to the next slash, without escapes.
 * The offset of a wrong tilde, or where the token ends. */
static size_t
unescaped(char *out, size_t *n, ef_slice pointer, size_t at, int *good)
{
    for (*n = 0, *good = 1; at < pointer.n && pointer.p[at] != '/'; at++) {
        char c = (char)pointer.p[at];

        if (c == '~') {
            c = at + 1 < pointer.n ? (char)pointer.p[at + 1] : 'x';
            *good = c == '0' || c == '1';
            if (!*good)
                return at;
            c = c == '0' ? '~' : '/';
            at++;
        }
        out[(*n)++] = c;
    }
    return at;
}

/* An array's element: "0", or digits that do not begin with one. */
static const json_t *
element(const json_t *array, const char *token, size_t n)
{
    size_t i, want = 0;

    if (n == 0 || (token[0] == '0' && n > 1))
        return NULL;
    for (i = 0; i < n; i++) {
        if (!isdigit(token[i] & 255) || want > json_array_size(array))
            return NULL;
        want = want * 10 + (size_t)(token[i] - '0');
    }
    return json_array_get(array, want);
}

/* The value, or NULL and *at. token has room for the whole pointer. */
static const json_t *
walk(const json_t *v, ef_slice pointer, char *token, size_t *at)
{
    size_t end = 0, n;
    int good;

    while (v != NULL && end < pointer.n) {
        *at = end;
        if (pointer.p[end] != '/')
            return NULL;
        *at = end + 1;
        end = unescaped(token, &n, pointer, end + 1, &good);
        if (!good) {
            *at = end;
            return NULL;
        }
        if (json_is_array(v)) /* its tokens have no escapes to resolve */
            v = n == end - *at ? element(v, token, n) : NULL;
        else
            v = json_object_getn(v, token, n);
    }
    return v;
}

static void
check(const ef_json *doc, const json_t *v, ef_slice pointer, uint8_t budget)
{
    char *token = fuzz_block(NULL, pointer.n + 1);
    size_t at = 0;
    const json_t *want = walk(v, pointer, token, &at);
    uint32_t node = EF_JSON_NONE;
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = budget;
    rc = ef_json_pointer(doc, &node, pointer, &err);
    if (rc != EF_OK)
        fuzz_refused(rc, &err, pointer.n);
    FUZZ_ASSERT(fuzz_alloc_failed(budget) ? rc != EF_OK : rc != EF_E_MEMORY);
    if (rc != EF_E_MEMORY) {
        FUZZ_ASSERT((rc == EF_OK) == (want != NULL));
        if (rc == EF_OK)
            FUZZ_ASSERT(json_twin_same(doc, node, want));
        else
            FUZZ_ASSERT(rc == EF_E_FORMAT && err.at == at);
    }
    free(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    size_t n = fuzz_byte(&in);
    uint8_t budget = fuzz_byte(&in);
    void *block, *pointer;
    ef_slice text;
    ef_json doc;
    json_t *v;
    int nul_name;

    n = n < in.n ? n : in.n;
    in.n -= n;
    pointer = fuzz_block(in.p + in.n, n);
    text = fuzz_rest(&in, &block);
    v = json_twin(text, &nul_name);
    if (v == NULL || ef_json_parse(&doc, text, NULL) != EF_OK) {
        json_decref(v);
        if (v != NULL)
            ef_json_free(&doc);
        text = twin_slice(fixed, strlen(fixed));
        v = json_twin(text, &nul_name);
        FUZZ_ASSERT(ef_json_parse(&doc, text, NULL) == EF_OK);
    }
    FUZZ_REACHED();
    check(&doc, v, twin_slice(pointer, n), budget);
    ef_json_free(&doc);
    json_decref(v);
    free(block);
    free(pointer);
    return 0;
}
