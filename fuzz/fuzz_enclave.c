/*
 * Target   what an enclave and a receiver make of a release service and of a
 *          result that lie (section 16): cli_enclave_*, cli_receipt_begin,
 *          and of a socket, svc_receive.
 * Input    text, which of five readers, a size of pieces
 * Claims   documents: each that is taken has its hash as name, and its JWS
 *          verifies; credentials: none is taken whose key the dataset's
 *          document does not commit to; a token that is sent back stands
 *          in a request as the service reads one, or no text was one;
 *          receipts: one that is taken names
 *          the result's own hash; what was sealed to the enclave is opened
 *          as it was, and indexed where it is JSON; a socket: what comes
 *          is what was sent, up to the end of its first piece that ends a
 *          line.
 * Covers   cli_enclave_take cli_enclave_documents cli_enclave_member
 *          cli_enclave_credentials cli_enclave_over cli_enclave_unseal
 *          cli_receipt_begin
 *          svc_receive svc_send
 * Seeds    vectors/release_answers.txt, receipts.txt, result.txt, jws.txt
 */
#define main encflow_main
#include "../encflow.c"
#undef main

#include "fuzz.h"

/* UNTRUSTED text as the service's answer. */
static void
documents(ef_slice text)
{
    struct cli_enclave e = {.nsm = -1};
    ef_json json = {.nodes = NULL};
    ef_err err = {0};
    unsigned char hash[EF_SHA256_BYTES];
    size_t i;

    if (ef_json_parse(&json, text, NULL) == EF_OK &&
        json.nodes[0].type == EF_JSON_OBJECT &&
        doc_at(&json, "documents") != EF_JSON_NONE &&
        json.nodes[doc_at(&json, "documents")].type == EF_JSON_ARRAY &&
        cli_enclave_documents(&e, &json, &err) == EF_OK)
        for (i = 0; i < e.ws.n; i++) {
            ef_sha256(hash, e.ws.docs[i]->text.p, e.ws.docs[i]->text.n);
            FUZZ_ASSERT(memcmp(hash, e.ws.docs[i]->hash, sizeof hash) == 0);
        }
    ef_json_free(&json);
    cli_enclave_free(&e);
}

/* UNTRUSTED text as what was sealed to the enclave. The dataset commits to a
 * key of zeros. */
static void
credentials(ef_slice text)
{
    static const unsigned char zeros[EF_KEY_BYTES];
    unsigned char commitment[EF_SHA256_BYTES];
    struct cli_enclave e = {.nsm = -1};
    struct cli_appconfig a = {.enclave = &e};
    ef_credentials *c = calloc(1, sizeof *c);
    ef_buf json = {0};
    ef_doc doc = {.kind = EF_DOC_DATASET};
    ef_err err = {0};
    int upload;

    ef_key_commitment(commitment, zeros);
    ef_buf_str(&json, "{\"commitment\":\"");
    doc_add_hash(&json, commitment);
    ef_buf_str(&json, "\"}");
    doc.text = buf_slice(&json);
    if (c != NULL && ef_json_parse(&e.released, text, NULL) == EF_OK &&
        e.released.nodes[0].type == EF_JSON_OBJECT)
        for (upload = 0; upload < 2; upload++) {
            if (cli_enclave_credentials(&a, c, &doc, upload, &err) == EF_OK)
                FUZZ_ASSERT(ef_equal(c->key, zeros, sizeof zeros));
            ef_credentials_free(c);
            *c = (ef_credentials){.query = NULL};
        }
    free(c);
    ef_buf_free(&json);
    cli_enclave_free(&e);
}

/* UNTRUSTED text as what was sealed to the enclave: its token, sent back. */
static void
over(ef_slice text)
{
    struct cli_enclave e = {.nsm = -1};
    ef_json json = {.nodes = NULL};
    ef_buf request = {0};
    uint32_t is, was;

    if (ef_json_parse(&e.released, text, NULL) == EF_OK) {
        was = doc_at(&e.released, "token");
        if (!cli_enclave_over(&request, &e)) {
            FUZZ_ASSERT(was == EF_JSON_NONE ||
                        e.released.nodes[was].type != EF_JSON_STRING);
        } else {
            FUZZ_ASSERT(e.released.nodes[was].type == EF_JSON_STRING);
            FUZZ_ASSERT(!request.failed);
            FUZZ_ASSERT(ef_json_parse(&json, buf_slice(&request), NULL) ==
                        EF_OK);
            is = doc_at(&json, "token");
            FUZZ_ASSERT(
                wf_same(json_inside(&json, is), json_inside(&e.released, was)));
        }
    }
    ef_json_free(&json);
    ef_buf_free(&request);
    cli_enclave_free(&e);
}

/* UNTRUSTED text sealed to the enclave's key, by whoever knows the key. */
static void
unseal(ef_slice text)
{
    unsigned char pk[EF_X25519_BYTES], nonce[EF_RELEASE_NONCE_BYTES] = {7};
    struct cli_enclave e = {.nsm = -1, .url = ""};
    ef_json json = {.nodes = NULL}, direct = {.nodes = NULL};
    ef_buf answer = {0};
    ef_err err = {0};
    ef_status rc;

    e.sk = ef_secret_alloc(EF_X25519_BYTES, NULL);
    if (e.sk != NULL) {
        memset(e.sk, 9, EF_X25519_BYTES);
        ef_x25519_public(pk, e.sk);
        ef_buf_add(&e.nonce, nonce, sizeof nonce);
        ef_buf_str(&answer, "{\"credentials\":");
        rc = ef_release_seal(&answer, pk, text, e.id,
                             slice(nonce, sizeof nonce), &err);
        ef_buf_str(&answer, "}");
        if (rc == EF_OK && !answer.failed && !e.nonce.failed &&
            ef_json_parse(&json, buf_slice(&answer), &err) == EF_OK) {
            rc = cli_enclave_unseal(&e, &json, &err);
            FUZZ_ASSERT(rc == ef_json_parse(&direct, text, NULL) ||
                        rc == EF_E_MEMORY);
            FUZZ_ASSERT(rc != EF_OK ||
                        (e.plain.n == text.n &&
                         memcmp(e.plain.p, text.p, text.n) == 0));
        }
    }
    ef_json_free(&json);
    ef_json_free(&direct);
    ef_buf_free(&answer);
    cli_enclave_free(&e);
}

/* UNTRUSTED text as a result. */
static void
receipt(ef_slice text)
{
    struct cli_receipt v = {.book = {.lock = -1}};
    unsigned char *json = fuzz_block(text.p, text.n), is[EF_SHA256_BYTES];
    unsigned char says[EF_SHA256_BYTES];
    ef_result r;
    ef_err err = {0};

    if (ef_result_parse(&r, json, text.n, NULL) == EF_OK &&
        cli_receipt_begin(&v, &r, &err) == EF_OK) {
        ef_result_hash(is, &r);
        FUZZ_ASSERT(doc_hash_of(says, &v.json, doc_at(&v.json, "output")) &&
                    memcmp(is, says, sizeof is) == 0);
    }
    cli_receipt_free(&v);
    free(json);
}

/* UNTRUSTED text from a peer, in pieces; the other end is closed then. */
static void
receive(ef_slice text, size_t piece)
{
    struct store_opts o = {.stall_sec = 1, .connect_sec = 1};
    ef_buf answer = {0};
    ef_err err = {0};
    int pair[2];
    size_t at, n;

    if (text.n > 65536 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return;
    /* fits into the socket's buffer: nobody reads yet */
    for (at = 0; at < text.n; at += n) {
        n = text.n - at < piece ? text.n - at : piece;
        if (svc_send(pair[0], slice(text.p + at, n), &o, &err) != EF_OK)
            break;
    }
    close(pair[0]);
    FUZZ_ASSERT(svc_receive(&answer, pair[1], &o, &err) == EF_OK);
    FUZZ_ASSERT(answer.n <= text.n &&
                (answer.n == 0 || memcmp(answer.p, text.p, answer.n) == 0));
    FUZZ_ASSERT(answer.n == text.n || answer.p[answer.n - 1] == '\n');
    close(pair[1]);
    ef_buf_free(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned which = fuzz_byte(&in) % 5;
    size_t piece = 64 + 64 * (size_t)fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    if (which == 0)
        documents(text);
    else if (which == 1) {
        credentials(text);
        over(text);
    } else if (which == 2)
        receipt(text);
    else if (which == 3)
        receive(text, piece);
    else
        unseal(text);
    free(block);
    return 0;
}
