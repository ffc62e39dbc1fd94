/*
 * Target   AWS keys that somebody else keeps (section 11): aws_keys and what
 *          is around it.
 * Input    what a program prints, or a service answers; also a command line,
 *          and a role's name | a byte: the token's name, and how an expiry
 *          compares with now | a byte: which allocation fails
 * Claims   keys are taken only from JSON that has an id and a secret, both
 *          texts that are not empty and have no NUL, and no expiry in the
 *          past; then they are the document's, whole; words are those that a
 *          plain twin of Python's shlex.split finds, and lie in the text; a
 *          role's path is one more part of the path, whatever the name has in
 *          it; of keys nothing is in a message.
 * Covers   aws_member aws_keys aws_check_expiry aws_keep aws_words
 *          aws_process_version aws_instance_role
 * Seeds    documents in fuzz/seeds.py    Dict  fuzz/dict/keys.dict
 */
#include <jansson.h>

#include "fuzz.h"

#define main encflow_main
#include "../encflow.c"
#include "twin.h"

/* --- keys --- */

/* A member that is a text, as jansson has it, or NULL. */
static json_t *
member(json_t *doc, const char *name)
{
    json_t *v = json_object_get(doc, name);

    return json_is_string(v) ? v : NULL;
}

/* Does out have all of the text, and is there room for it? */
static int
whole(json_t *text, const char *out, size_t cap)
{
    if (text == NULL)
        return out[0] == '\0';
    return json_string_length(text) < cap &&
           strlen(json_string_value(text)) == json_string_length(text) &&
           strcmp(json_string_value(text), out) == 0;
}

static void
taken(const struct aws_profile *p, const char *token, ef_slice json,
      int64_t now)
{
    /* what jansson takes and ef_json_parse does not is not asked here */
    json_t *doc = json_loadb((const char *)json.p, json.n,
                             JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *expires = member(doc, "Expiration");
    int64_t end;

    /* or jansson cannot: a number of its own limits, a depth */
    if (doc == NULL)
        return;
    FUZZ_ASSERT(json_is_object(doc));
    FUZZ_ASSERT(p->access_key[0] != '\0' && p->secret_key[0] != '\0');
    FUZZ_ASSERT(
        whole(member(doc, "AccessKeyId"), p->access_key, sizeof p->access_key));
    FUZZ_ASSERT(whole(member(doc, "SecretAccessKey"), p->secret_key,
                      sizeof p->secret_key));
    FUZZ_ASSERT(whole(member(doc, token), p->token, sizeof p->token));
    /* what ends with "+00:00" is fuzz_aws.c's */
    FUZZ_ASSERT(expires == NULL ||
                ef_time_parse(&end, slice_str(json_string_value(expires)),
                              NULL) != EF_OK ||
                end > now);
    json_decref(doc);
}

static void
keys(ef_slice json, uint8_t how, uint8_t starve)
{
    static struct aws_profile p;
    const char *token = how & 1 ? "Token" : "SessionToken";
    int64_t now = how & 2 ? 1700000000 : INT64_C(4000000000);
    ef_err err = {0};
    ef_status rc;
    int failed;

    fuzz_alloc_left = starve;
    rc = aws_keys(&p, token, json, now, &err);
    failed = fuzz_alloc_failed(starve);
    if (rc == EF_OK) {
        taken(&p, token, json, now);
    } else {
        FUZZ_ASSERT(rc == EF_E_FORMAT || rc == EF_E_LIMIT ||
                    rc == EF_E_POLICY || (rc == EF_E_MEMORY && failed));
        FUZZ_ASSERT(err.code == rc && err.msg != NULL && err.place[0] == '\0');
        FUZZ_ASSERT(err.where[0] == '\0' || strcmp(err.where, token) == 0 ||
                    strcmp(err.where, "AccessKeyId") == 0 ||
                    strcmp(err.where, "SecretAccessKey") == 0 ||
                    strcmp(err.where, "Expiration") == 0);
    }
    fuzz_alloc_left = starve;
    rc = aws_process_version(json, &err);
    failed = fuzz_alloc_failed(starve);
    if (rc == EF_OK) {
        json_t *doc = json_loadb((const char *)json.p, json.n,
                                 JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        FUZZ_ASSERT(doc == NULL ||
                    json_integer_value(json_object_get(doc, "Version")) == 1);
        json_decref(doc);
    }
    FUZZ_ASSERT(rc != EF_E_MEMORY || failed);
}

/* --- words --- */

static void
words(const char *text)
{
    size_t n = strlen(text);
    char *mine = fuzz_string(text, n), *want = fuzz_string(text, n);
    const char *p = want;
    char *word[AWS_MAX_WORDS + 1];
    ef_err err = {0};
    ef_status rc = aws_words(mine, word, &err);
    int i, count = twin_words(text, want);

    if (rc != EF_OK) {
        FUZZ_ASSERT(rc == EF_E_FORMAT && err.msg != NULL && !err.where[0]);
        FUZZ_ASSERT(count < 1 || count > AWS_MAX_WORDS);
    } else {
        FUZZ_ASSERT(count >= 1 && count <= AWS_MAX_WORDS);
        for (i = 0; i < count; i++) {
            FUZZ_ASSERT(word[i] >= mine && word[i] <= mine + n);
            FUZZ_ASSERT(strcmp(word[i], p) == 0);
            p += strlen(p) + 1;
        }
        FUZZ_ASSERT(word[count] == NULL);
    }
    free(mine);
    free(want);
}

/* --- a role --- */

static void
role(ef_slice name)
{
    static const char head[] = "/latest/meta-data/iam/security-credentials/";
    ef_buf path = {0}, back = {0};
    size_t i, n = sizeof head - 1;
    ef_slice rest;
    int ok = aws_instance_role(&path, name);

    FUZZ_ASSERT(path.n >= n && memcmp(path.p, head, n) == 0);
    rest = slice_from(buf_slice(&path), n);
    for (i = 0; i < rest.n; i++)
        FUZZ_ASSERT(isalnum(rest.p[i]) || strchr("-._~%", rest.p[i]) != NULL);
    /* a NUL can be encoded, but nobody decodes it */
    if (slice_find_str(rest, "%00") == rest.n) {
        FUZZ_ASSERT(ef_percent_decode(&back, rest, 0, NULL) == EF_OK);
        FUZZ_ASSERT(slice_find(buf_slice(&back), '\n') == back.n);
        FUZZ_ASSERT(!ok || (back.n >= 1 && back.n <= 128));
        FUZZ_ASSERT(back.n == 0 ||
                    memmem(name.p, name.n, back.p, back.n) != NULL);
    }
    ef_buf_free(&path);
    ef_buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in), starve = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    char *line = fuzz_string(text.p, text.n);

    FUZZ_REACHED();
    keys(text, how, starve);
    words(line);
    role(text);
    free(line);
    free(block);
    return 0;
}
