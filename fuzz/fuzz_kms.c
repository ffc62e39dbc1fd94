/*
 * Target   what KMS says (section 11), a key's ARN (section 10), and the
 *          queries of credentials under a KMS key (section 14).
 * Input    an answer, an error's body, an ARN or a query | a byte: which
 * Claims   an answer is taken only where jansson finds the key's ARN in it
 *          and base64 of what comes out; a refusal adds nothing; of an error
 *          only printable ASCII is shown, nothing like a signature, and a
 *          type that passes says so; what is taken for an ARN has a region
 *          that may stand in a host's name, and is taken again from its parts;
 *          a query that was sealed opens to itself, and with any bit of it
 *          changed, or for the other part, to nothing; what was not sealed
 *          does not open.
 * Covers   kms_answer kms_member kms_answer_error kms_show ef_kms_arn_parse
 *          sig_arn_part sig_partition_suffix sig_is_word ef_query_open
 * Seeds    fuzz/seeds.py, vectors/kms_arns.txt    Dict  none
 */
#include <jansson.h>

#include "fuzz.h"

#define main encflow_main
#include "../encflow.c"

static const char arn[] = "arn:aws:kms:eu-central-1:111122223333:key/"
                          "1234abcd-12ab-34cd-56ef-1234567890ab";

/* Is out what jansson's reading of the answer has in base64? */
static void
taken(const ef_buf *out, ef_slice json)
{
    json_t *doc =
        json_loadb((const char *)json.p, json.n, JSON_ALLOW_NUL, NULL);
    json_t *key = json_object_get(doc, "KeyId");
    json_t *text = json_object_get(doc, "CiphertextForRecipient");
    char *back = fuzz_block(NULL, EF_BASE64_BYTES(out->n));

    FUZZ_ASSERT(doc != NULL && json_is_string(key) && json_is_string(text));
    FUZZ_ASSERT(strcmp(json_string_value(key), arn) == 0);
    ef_base64_encode(back, out->p, out->n);
    FUZZ_ASSERT(
        json_string_length(text) == EF_BASE64_BYTES(out->n) &&
        memcmp(json_string_value(text), back, EF_BASE64_BYTES(out->n)) == 0);
    FUZZ_ASSERT(out->n <= EF_MAX_CMS_BYTES);
    free(back);
    json_decref(doc);
}

static void
answer(ef_slice json)
{
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc = kms_answer(&out, "CiphertextForRecipient",
                              "/CiphertextForRecipient", arn, json, &err);

    if (rc == EF_OK) {
        taken(&out, json);
    } else {
        FUZZ_ASSERT(out.n == 0 && err.code == rc && err.msg != NULL);
        FUZZ_ASSERT(err.at == EF_NOWHERE || err.at <= json.n);
    }
    ef_buf_free(&out);
}

static void
error(ef_slice json)
{
    static const ef_sign_json asked;
    struct store_job job = {.json = &asked, .head = {.status = 400}};
    size_t i;

    ef_buf_add(&job.answer, json.p, json.n);
    FUZZ_ASSERT(kms_answer_error(&job) == EF_E_NETWORK && job.err.msg != NULL);
    for (i = 0; job.err.place[i] != '\0'; i++)
        FUZZ_ASSERT(job.err.place[i] >= 0x20 && job.err.place[i] < 0x7f);
    FUZZ_ASSERT(strstr(job.err.place, "X-Amz-") == NULL &&
                strstr(job.err.place, "x-amz-security-token:") == NULL &&
                strstr(job.err.place, "Signature=") == NULL);
    FUZZ_ASSERT(i == 0 || strncmp(job.err.place, "KMS says ", 9) == 0);
    if (strncmp(job.err.place, "KMS says Throttling", 19) == 0)
        FUZZ_ASSERT(job.retry);
    ef_buf_free(&job.answer);
}

static void
name(ef_slice text)
{
    ef_kms_arn one, two;
    ef_err err = {0};
    ef_buf again = {0};
    size_t i;
    ef_status rc = ef_kms_arn_parse(&one, text, &err);

    if (rc != EF_OK) {
        FUZZ_ASSERT(rc == EF_E_FORMAT && err.hint != NULL);
        return;
    }
    FUZZ_ASSERT(one.region.p > text.p && one.region.n > 0 &&
                one.region.p + one.region.n < text.p + text.n);
    for (i = 0; i < text.n; i++)
        FUZZ_ASSERT(is_alnum(text.p[i]) || strchr(":-/", text.p[i]) != NULL);
    ef_buf_str(&again, "arn:aws:kms:");
    ef_buf_add(&again, one.region.p, one.region.n);
    ef_buf_str(&again, ":000000000000:key/0");
    FUZZ_ASSERT(ef_kms_arn_parse(&two, buf_slice(&again), NULL) == EF_OK &&
                two.region.n == one.region.n);
    ef_buf_free(&again);
}

/* Does it open, as a part? What comes out otherwise is zeros. */
static ef_status
opens(ef_slice sealed, const char *part, ef_slice text)
{
    static const unsigned char key[EF_KEY_BYTES] = {7}, dataset[32] = {8};
    unsigned char *out = fuzz_block(NULL, text.n);
    ef_err err = {0};
    size_t n = 1, i;
    ef_status rc =
        ef_query_open(out, text.n, &n, part, dataset, key, sealed, &err);

    if (rc == EF_OK)
        FUZZ_ASSERT(n == text.n && (n == 0 || memcmp(out, text.p, n) == 0));
    else
        FUZZ_ASSERT(n == 0 && err.code == rc && err.msg != NULL);
    for (i = 0; rc == EF_E_AUTH && sealed.n == EF_OVERHEAD_BYTES + text.n &&
                i < text.n;
         i++)
        FUZZ_ASSERT(out[i] == 0);
    free(out);
    return rc;
}

static void
query(ef_slice text)
{
    static const unsigned char key[EF_KEY_BYTES] = {7}, dataset[32] = {8};
    ef_buf ct = {0};
    ef_err err = {0};
    size_t bit;

    FUZZ_ASSERT(opens(text, "download", text) == EF_E_AUTH);
    if (ef_query_seal(&ct, "download", dataset, key, text, &err) != EF_OK)
        abort();
    FUZZ_ASSERT(ct.n == EF_OVERHEAD_BYTES + text.n);
    FUZZ_ASSERT(opens(buf_slice(&ct), "download", text) == EF_OK);
    FUZZ_ASSERT(opens(buf_slice(&ct), "upload", text) == EF_E_AUTH);
    FUZZ_ASSERT(opens(slice(ct.p, ct.n - 1), "download", text) == EF_E_AUTH);
    bit = text.n > 0 ? text.p[0] * text.n % (8 * ct.n) : 0;
    ct.p[bit / 8] ^= (unsigned char)(1 << bit % 8);
    FUZZ_ASSERT(opens(buf_slice(&ct), "download", text) == EF_E_AUTH);
    ef_buf_free(&ct);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t which = fuzz_byte(&in) % 4;
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    if (which == 0)
        answer(text);
    else if (which == 1)
        error(text);
    else if (which == 2)
        name(text);
    else
        query(text);
    free(block);
    return 0;
}
