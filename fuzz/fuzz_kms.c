/*
 * Target   what KMS says (section 11), and a key's ARN (section 10).
 * Input    an answer, an error's body or an ARN | a byte: which
 * Claims   an answer is taken only where jansson finds the key's ARN in it
 *          and base64 of what comes out; a refusal adds nothing; of an error
 *          only printable ASCII is shown, nothing like a signature, and a
 *          type that passes says so; what is taken for an ARN has a region
 *          that may stand in a host's name, and is taken again from its parts.
 * Covers   kms_answer kms_answer_error kms_show kms_find ef_kms_arn_parse
 *          sig_arn_part sig_partition_suffix sig_is_word
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
    struct store_job job = {.head = {.status = 400}};
    size_t i;

    ef_buf_add(&job.answer, json.p, json.n);
    FUZZ_ASSERT(kms_answer_error(&job) == EF_E_NETWORK && job.err.msg != NULL);
    for (i = 0; job.err.place[i] != '\0'; i++)
        FUZZ_ASSERT(job.err.place[i] >= 0x20 && job.err.place[i] < 0x7f);
    FUZZ_ASSERT(strstr(job.err.place, "X-Amz-") == NULL &&
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t which = fuzz_byte(&in) % 3;
    void *block;
    ef_slice text = fuzz_rest(&in, &block);

    FUZZ_REACHED();
    if (which == 0)
        answer(text);
    else if (which == 1)
        error(text);
    else
        name(text);
    free(block);
    return 0;
}
