/*
 * Target   receipts of results (section 15): ef_receipt_parse,
 *          ef_receipt_begin.
 * Input    text
 * Claims   accepted is what jansson finds so: the four members and no more,
 *          hashes of 64 lower-case digits, inputs whose names ef_name_check
 *          takes, a document in strict base64 (OpenSSL's); the hash that the
 *          document has to say is OpenSSL's of jansson's sorted text of the
 *          other members; what ef_receipt_begin makes of those parses to the
 *          same; whatever the text is, as inputs it is taken or refused.
 * Covers   ef_receipt_parse ef_receipt_begin receipt_document receipt_hash
 * Seeds    vectors/receipts.txt, result.txt    Dict  fuzz/dict/receipt.dict
 */
#include <jansson.h>
#include <openssl/sha.h>

#include "twin.h"

/* What jansson makes of a text, or NULL. */
struct twin {
    const json_t *id, *document, *inputs, *output;
};

static int
hash_good(const json_t *text)
{
    const char *s = json_string_value(text);

    return s != NULL && json_string_length(text) == 64 &&
           strspn(s, "0123456789abcdef") == 64;
}

static int
inputs_good(const json_t *inputs)
{
    json_t *member;
    const char *name;

    if (!json_is_object(inputs) || json_object_size(inputs) > EF_MAX_DATASETS)
        return 0;
    json_object_foreach(
        (json_t *)(uintptr_t)inputs, name,
        member) if (ef_name_check(twin_slice(name, strlen(name)), NULL) !=
                        EF_OK ||
                    !hash_good(member)) return 0;
    return 1;
}

static int
document_good(const json_t *text)
{
    unsigned char *raw = NULL;
    long n = -1;

    if (json_is_string(text) &&
        json_string_length(text) <= EF_BASE64_BYTES(EF_MAX_ATTESTATION_BYTES))
        n = twin_base64(&raw, json_string_value(text),
                        json_string_length(text));
    free(raw);
    return n >= 0;
}

static int
twin_good(struct twin *t, const json_t *all)
{
    t->id = json_object_get(all, "appconfig");
    t->document = json_object_get(all, "document");
    t->inputs = json_object_get(all, "inputs");
    t->output = json_object_get(all, "output");
    return json_is_object(all) && json_object_size(all) == 4 &&
           hash_good(t->id) && hash_good(t->output) && inputs_good(t->inputs) &&
           document_good(t->document);
}

/* RFC 8785 sorts by UTF-16, jansson by bytes: the same for names without
 * characters of four bytes. */
static int
four_bytes(ef_slice text)
{
    size_t i;

    for (i = 0; i < text.n; i++)
        if (text.p[i] >= 0xf0 || text.p[i] == '\\')
            return 1;
    return 0;
}

static void
said(const struct twin *t, const unsigned char user_data[EF_SHA256_BYTES])
{
    unsigned char digest[EF_SHA256_BYTES];
    json_t *three = json_pack("{s:O, s:O, s:O}", "appconfig", t->id, "inputs",
                              t->inputs, "output", t->output);
    char *text = json_dumps(three, JSON_SORT_KEYS | JSON_COMPACT);

    FUZZ_ASSERT(text != NULL);
    SHA256((const unsigned char *)text, strlen(text), digest);
    FUZZ_ASSERT(memcmp(digest, user_data, sizeof digest) == 0);
    free(text);
    json_decref(three);
}

/* The same receipt, as an enclave begins it and its caller ends it. */
static void
written(const struct twin *t, ef_slice document,
        const unsigned char user_data[EF_SHA256_BYTES])
{
    unsigned char id[EF_SHA256_BYTES], output[EF_SHA256_BYTES];
    unsigned char is[EF_SHA256_BYTES];
    char *inputs = json_dumps(t->inputs, JSON_PRESERVE_ORDER);
    ef_buf out = {0}, doc = {0};
    ef_json json;

    FUZZ_ASSERT(ef_hex_decode(id, sizeof id,
                              twin_slice(json_string_value(t->id), 64),
                              NULL) == EF_OK);
    FUZZ_ASSERT(ef_hex_decode(output, sizeof output,
                              twin_slice(json_string_value(t->output), 64),
                              NULL) == EF_OK);
    FUZZ_ASSERT(ef_receipt_begin(&out, is, id,
                                 twin_slice(inputs, strlen(inputs)), output,
                                 NULL) == EF_OK);
    FUZZ_ASSERT(memcmp(is, user_data, sizeof is) == 0);
    ef_buf_str(&out, ",\"document\":\"");
    ef_buf_str(&out, json_string_value(t->document));
    ef_buf_str(&out, "\"}");
    FUZZ_ASSERT(ef_receipt_parse(&json, &doc, is, twin_slice(out.p, out.n),
                                 NULL) == EF_OK);
    FUZZ_ASSERT(memcmp(is, user_data, sizeof is) == 0);
    FUZZ_ASSERT(twin_same(document, doc.p, doc.n));
    ef_json_free(&json);
    ef_buf_free(&out);
    ef_buf_free(&doc);
    free(inputs);
}

static void
parsed(ef_slice text, const json_t *all)
{
    unsigned char user_data[EF_SHA256_BYTES];
    struct twin t;
    ef_json json;
    ef_buf doc = {0};
    ef_err err = {0};
    ef_status rc = ef_receipt_parse(&json, &doc, user_data, text, &err);
    int good = all != NULL && twin_good(&t, all);
    unsigned char *raw;
    long n;

    if (rc == EF_OK) {
        FUZZ_ASSERT(good);
        n = twin_base64(&raw, json_string_value(t.document),
                        json_string_length(t.document));
        FUZZ_ASSERT(n >= 0 &&
                    twin_same(twin_slice(doc.p, doc.n), raw, (size_t)n));
        free(raw);
        if (!four_bytes(text))
            said(&t, user_data);
        written(&t, twin_slice(doc.p, doc.n), user_data);
    } else {
        fuzz_refused(rc, &err, text.n);
        /* a hash with escapes is none here, and is one for jansson */
        FUZZ_ASSERT(!good || memchr(text.p, '\\', text.n) != NULL);
    }
    ef_json_free(&json);
    ef_buf_free(&doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char none[EF_SHA256_BYTES];
    unsigned char hash[EF_SHA256_BYTES];
    struct fuzz_in in = {data, size};
    json_error_t why;
    json_t *all;
    ef_buf out = {0};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    ef_status rc;

    FUZZ_REACHED();
    all = json_loadb((const char *)text.p, text.n,
                     JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    parsed(text, all);
    rc = ef_receipt_begin(&out, hash, none, text, none, NULL);
    FUZZ_ASSERT(rc == EF_OK || rc == EF_E_FORMAT || rc == EF_E_LIMIT);
    ef_buf_free(&out);
    json_decref(all);
    free(block);
    return 0;
}
