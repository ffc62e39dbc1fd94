/*
 * Target   credentials (section 8): ef_credentials_parse, _print, _free.
 * Input    a credentials document
 * Claims   accepted exactly where jansson finds the members of the format, and
 *          no others, with strict base64 (OpenSSL's), a key of 64 digits and a
 *          query that may stand in a URL; the same twice; what is printed is
 *          jansson's form, and parses to the same; the input, taken as a query,
 *          prints to what parses to it, where it may stand in a URL; a refusal
 *          that is not about the JSON names the member; an allocation that
 *          fails gives EF_E_MEMORY and no leak.
 * Covers   ef_credentials_parse ef_credentials_print ef_credentials_free
 *          cred_text cred_member cred_query_check cred_query cred_key cred_only
 *          url_span
 * Seeds    vectors/credentials.txt    Dict  fuzz/dict/credentials.dict
 */
#include <jansson.h>

#include "twin.h"

struct twin {
    unsigned char key[EF_KEY_BYTES], *query;
    size_t query_n;
};

/* RFC 3986: what may stand before a fragment. A leading ? is not part of it. */
static int
query_good(ef_slice query)
{
    size_t i;

    for (i = 0; i < query.n; i++)
        if (!isalnum(query.p[i]) &&
            (query.p[i] == 0 ||
             strchr("-._~:/?[]@!$&'()*+,;=%", query.p[i]) == NULL))
            return 0;
    return query.n == 0 || query.p[0] != '?';
}

static ef_slice
text_of(const json_t *string)
{
    return twin_slice(json_string_value(string), json_string_length(string));
}

static int
twin_query(struct twin *t, const json_t *member)
{
    ef_slice text = text_of(member);
    long n;

    if (member == NULL) {
        t->query = fuzz_block(NULL, 1);
        return 1;
    }
    if (!json_is_string(member))
        return 0;
    n = twin_base64(&t->query, text.p, text.n);
    t->query_n = n > 0 ? (size_t)n : 0;
    return n >= 0 && query_good(twin_slice(t->query, t->query_n));
}

/* 1 where document is what the format says. */
static int
twin_parse(struct twin *t, const json_t *document)
{
    json_t *query = json_object_get(document, "query_string");
    json_t *encryption = json_object_get(document, "encryption");
    json_t *key = json_object_get(encryption, "key");
    size_t at;

    return json_object_size(document) == (query != NULL ? 2 : 1) &&
           json_object_size(encryption) == 1 && json_is_string(key) &&
           twin_key(t->key, text_of(key), &at) && twin_query(t, query);
}

/* What Python's json.dumps writes; jansson writes the same. */
static char *
twin_print(const unsigned char key[EF_KEY_BYTES], ef_slice query)
{
    char hex[EF_KEY_HEX_BYTES + 1], *printed;
    unsigned char *base64 = fuzz_block(NULL, EF_BASE64_BYTES(query.n) + 1);
    json_t *document;
    int i;

    for (i = 0; i < EF_KEY_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02X", key[i]);
    base64[EVP_EncodeBlock(base64, query.p, (int)query.n)] = '\0';
    document = json_pack("{s:s, s:{s:s}}", "query_string", base64, "encryption",
                         "key", hex);
    printed = json_dumps(document, JSON_PRESERVE_ORDER);
    FUZZ_ASSERT(printed != NULL);
    json_decref(document);
    free(base64);
    return printed;
}

/* Print, compare with the twin, and parse again: accepted where good. */
static void
print(const unsigned char key[EF_KEY_BYTES], ef_slice query, int good)
{
    char *want = twin_print(key, query);
    ef_credentials c;
    ef_buf out = {0};
    ef_status rc;

    ef_credentials_print(&out, key, query);
    FUZZ_ASSERT(!out.failed);
    FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), want, strlen(want)));
    rc = ef_credentials_parse(&c, twin_slice(out.p, out.n), NULL);
    FUZZ_ASSERT((rc == EF_OK) == (good && out.n <= EF_MAX_CREDENTIALS_BYTES));
    if (rc == EF_OK) {
        FUZZ_ASSERT(memcmp(c.key, key, sizeof c.key) == 0);
        FUZZ_ASSERT(twin_same(query, c.query, c.query_n));
    }
    ef_credentials_free(&c);
    FUZZ_ASSERT(c.query == NULL && c.query_n == 0);
    ef_buf_free(&out);
    free(want);
}

/* Some allocation fails: never a wrong result, and nothing is left behind. */
static void
starved(ef_slice json, ef_status want)
{
    unsigned long n;

    for (n = 1; n < 12; n++) {
        ef_credentials c;
        ef_status rc;

        fuzz_alloc_left = n;
        rc = ef_credentials_parse(&c, json, NULL);
        fuzz_alloc_left = 0;
        FUZZ_ASSERT(rc == want || rc == EF_E_MEMORY);
        ef_credentials_free(&c);
    }
}

static ef_status
parse(ef_slice json, const json_t *document)
{
    struct twin t = {.query = NULL};
    int good = twin_parse(&t, document);
    ef_credentials c, again;
    ef_err err = {0};
    ef_status rc = ef_credentials_parse(&c, json, &err);

    FUZZ_ASSERT(ef_credentials_parse(&again, json, NULL) == rc);
    if (rc == EF_OK) {
        FUZZ_ASSERT(good && json.n <= EF_MAX_CREDENTIALS_BYTES);
        FUZZ_ASSERT(memcmp(c.key, t.key, sizeof c.key) == 0);
        FUZZ_ASSERT(memcmp(c.key, again.key, sizeof c.key) == 0);
        FUZZ_ASSERT(
            twin_same(twin_slice(t.query, t.query_n), c.query, c.query_n));
        print(c.key, twin_slice(c.query, c.query_n), 1);
    } else {
        fuzz_refused(rc, &err, json.n);
        FUZZ_ASSERT(!good || json.n > EF_MAX_CREDENTIALS_BYTES);
        FUZZ_ASSERT(document == NULL || json.n > EF_MAX_CREDENTIALS_BYTES ||
                    err.place[0] != '\0');
    }
    ef_credentials_free(&c);
    ef_credentials_free(&again);
    free(t.query);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned char key[EF_KEY_BYTES] = {0};
    void *block;
    ef_slice json = fuzz_rest(&in, &block);
    json_t *document = NULL;
    ef_json doc;

    /* Whether it is JSON at all is fuzz_json's claim. Numbers that jansson
     * has no room for never stand in credentials. */
    if (ef_json_parse(&doc, json, NULL) == EF_OK)
        document = json_loadb((const char *)json.p, json.n,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ef_json_free(&doc);
    FUZZ_REACHED();
    starved(json, parse(json, document));
    json_decref(document);
    memcpy(key, json.p, json.n < sizeof key ? json.n : sizeof key);
    print(key, json, query_good(json));
    free(block);
    return 0;
}
