/*
 * Target   a presigned query (section 10): ef_presigned_parse.
 * Input    a query string
 * Claims   version, expiry and token are those a slow twin finds in the list
 *          of its parameters, of which the first of a name counts.
 * Covers   ef_presigned_parse sig_query_get
 * Seeds    vectors/sigv2.txt vectors/sigv4.txt    Dict  fuzz/dict/query.dict
 */
#include <time.h>

#include "twin.h"

#define LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* The value of the first parameter called name, as a new string, or NULL: a
 * list of the parameters is made for each name anew. A value with a NUL byte
 * is more than its string; none of the values that matter has one. */
static char *
value_of(ef_slice query, const char *name, size_t *n)
{
    const unsigned char *p = query.p, *stop = query.p + query.n;

    *n = 0;
    while (p < stop) {
        const unsigned char *end = p, *eq;

        while (end < stop && *end != '&')
            end++;
        for (eq = p; eq < end && *eq != '=';)
            eq++;
        if (twin_same(twin_slice(p, (size_t)(eq - p)), name, strlen(name))) {
            *n = eq < end ? (size_t)(end - eq) - 1 : 0;
            return fuzz_string(eq + (eq < end), *n);
        }
        p = end + (end < stop);
    }
    return NULL;
}

static int
present(ef_slice query, const char *name)
{
    size_t n;

    free(value_of(query, name, &n));
    return n > 0;
}

/* 1 to 12 digits, or -1. */
static int64_t
number_of(ef_slice query, const char *name)
{
    size_t n;
    char *text = value_of(query, name, &n);
    int64_t v = -1;

    if (text != NULL && n >= 1 && n <= 12 && strspn(text, "0123456789") == n)
        v = strtoll(text, NULL, 10);
    free(text);
    return v;
}

/* A time as SigV4 writes it, or -1. */
static int64_t
date_of(ef_slice query)
{
    static const char form[] = "%Y%m%dT%H%M%SZ";
    struct tm parts = {0};
    char back[64];
    size_t n;
    char *text = value_of(query, "X-Amz-Date", &n);
    time_t t = -1;

    if (n == 16 && strptime(text, form, &parts) == text + n)
        t = timegm(&parts);
    if (t < 0 || t > LAST || gmtime_r(&t, &parts) == NULL ||
        strftime(back, sizeof back, form, &parts) != n ||
        memcmp(back, text, n) != 0)
        t = -1;
    free(text);
    return t;
}

static ef_status
twin_parse(ef_presigned *out, ef_slice query)
{
    int64_t life = number_of(query, "X-Amz-Expires"), date = date_of(query);

    *out = (ef_presigned){0, 0, 0};
    if (present(query, "X-Amz-Signature")) {
        *out = (ef_presigned){4, date + life,
                              present(query, "X-Amz-Security-Token")};
        return life >= 0 && date >= 0 ? EF_OK : EF_E_FORMAT;
    }
    if (!present(query, "Signature") || present(query, "Key-Pair-Id"))
        return EF_OK;
    *out = (ef_presigned){2, number_of(query, "Expires"),
                          present(query, "x-amz-security-token")};
    return out->expires >= 0 ? EF_OK : EF_E_FORMAT;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice query = fuzz_rest(&in, &block);
    ef_presigned got, want;
    ef_err err = {0};
    ef_status rc = ef_presigned_parse(&got, query, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT(rc == twin_parse(&want, query));
    FUZZ_ASSERT(got.version == want.version && got.token == want.token);
    if (rc == EF_OK)
        FUZZ_ASSERT(got.expires == want.expires && got.expires >= 0);
    else
        fuzz_refused(rc, &err, query.n);
    free(block);
    return 0;
}
