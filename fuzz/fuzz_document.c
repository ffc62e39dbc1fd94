/*
 * Target   workflow documents and runtime configurations (section 14).
 * Input    a document's JSON, a file, or a kind's members; a byte that says
 *          which, one for the allocation that fails
 * Claims   what is accepted is canonical JSON of a known kind with an author
 *          and a time, its hash is that of its bytes, and reading it again
 *          says the same; members that are signed make a document that a
 *          workspace takes, under its own name and no other; a refusal has a
 *          message, and a workspace stays as it was.
 * Covers   doc_line doc_value doc_lines doc_text doc_long doc_hex doc_hash
 *          doc_pcr doc_bytes doc_kid doc_kms doc_enc doc_ciphertext
 *          doc_location doc_domain doc_direction doc_port_direction
 *          doc_item_path doc_base64 doc_check_* doc_field_of doc_identity_key
 *          doc_is_zeros
 *          doc_kind_of ef_doc_parse ef_doc_sign ef_workspace_add
 *          ef_appconfig_parse
 * Seeds    vectors/documents.txt appconfigs.txt    Dict fuzz/dict/document.dict
 */
#include "twin.h"

static const unsigned char fuzz_d[EF_P256_SCALAR_BYTES] = {7};

/* Its own canonical form, by section 3, which fuzz/fuzz_jcs.c looks at. */
static void
is_canonical(ef_slice text)
{
    ef_json doc;
    ef_buf form = {0};

    FUZZ_ASSERT(ef_json_parse(&doc, text, NULL) == EF_OK);
    FUZZ_ASSERT(ef_json_canonical(&doc, 0, &form, NULL) == EF_OK);
    FUZZ_ASSERT(twin_same(text, (const char *)form.p, form.n));
    FUZZ_ASSERT(doc.nodes[0].type == EF_JSON_OBJECT);
    ef_json_free(&doc);
    ef_buf_free(&form);
}

static void
parse_document(ef_slice text, uint8_t fails)
{
    unsigned char hash[EF_SHA256_BYTES];
    ef_doc doc, again;
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = fails;
    rc = ef_doc_parse(&doc, text, &err);
    if (fuzz_alloc_failed(fails) && rc == EF_E_MEMORY)
        return;
    ef_sha256(hash, text.p, text.n);
    FUZZ_ASSERT(memcmp(hash, doc.hash, sizeof hash) == 0);
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, text.n);
        return;
    }
    is_canonical(text);
    FUZZ_ASSERT((unsigned)doc.kind < EF_DOC_KINDS && doc.time >= 0);
    FUZZ_ASSERT(ef_doc_parse(&again, text, NULL) == EF_OK);
    FUZZ_ASSERT(again.kind == doc.kind && again.time == doc.time &&
                again.has_of == doc.has_of &&
                memcmp(again.by, doc.by, EF_KID_BYTES) == 0 &&
                memcmp(again.of, doc.of, EF_SHA256_BYTES) == 0);
}

static void
parse_config(ef_slice text, uint8_t fails)
{
    ef_json json;
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = fails;
    rc = ef_appconfig_parse(&json, text, &err);
    if (rc == EF_OK)
        is_canonical(text);
    else if (!fuzz_alloc_failed(fails))
        fuzz_refused(rc, &err, text.n);
    fuzz_alloc_left = 0;
    ef_json_free(&json);
    ef_json_free(&json);
}

static void
take_file(ef_slice jws)
{
    char name[2 * EF_SHA256_BYTES];
    ef_workspace ws = {0};
    ef_err err = {0};
    ef_status rc;

    memset(name, '0', sizeof name);
    rc = ef_workspace_add(&ws, twin_slice(name, sizeof name), jws, &err);
    fuzz_refused(rc, &err, EF_MAX_DOCUMENT_BYTES);
    FUZZ_ASSERT(rc == EF_E_FORMAT || rc == EF_E_AUTH);
    rc = ef_workspace_add(&ws, jws, jws, &err);
    FUZZ_ASSERT(rc != EF_OK && ws.n == 0);
    ef_workspace_free(&ws);
}

/* Members of any kind, signed: what could be signed is taken. */
static void
sign_members(ef_slice members, unsigned kind)
{
    unsigned char hash[EF_SHA256_BYTES];
    char name[2 * EF_SHA256_BYTES];
    ef_workspace ws = {0};
    const ef_doc *doc;
    ef_buf jws = {0};
    ef_err err = {0};
    ef_status rc =
        ef_doc_sign(&jws, hash, fuzz_d, (ef_doc_kind)kind, 1, members, &err);

    if (rc != EF_OK) {
        FUZZ_ASSERT(err.code == rc && err.msg != NULL);
    } else {
        ef_hex_encode(name, hash, sizeof hash, 0);
        FUZZ_ASSERT(ef_workspace_add(&ws, twin_slice(name, sizeof name),
                                     (ef_slice){jws.p, jws.n}, &err) == EF_OK);
        doc = ef_workspace_find(&ws, hash);
        FUZZ_ASSERT(doc != NULL && (unsigned)doc->kind == kind &&
                    doc->time == 1);
        is_canonical(doc->text);
        name[0] = name[0] == '0' ? '1' : '0';
        FUZZ_ASSERT(ef_workspace_add(&ws, twin_slice(name, sizeof name),
                                     (ef_slice){jws.p, jws.n},
                                     &err) == EF_E_AUTH);
        FUZZ_ASSERT(ws.n == 1);
    }
    ef_workspace_free(&ws);
    ef_buf_free(&jws);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t mode = fuzz_byte(&in), fails = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    if (mode % 16 < 11)
        sign_members(text, mode % 16);
    else if (mode % 16 < 14)
        parse_document(text, fails);
    else if (mode % 16 == 14)
        parse_config(text, fails);
    else
        take_file(text);
    free(block);
    return 0;
}
