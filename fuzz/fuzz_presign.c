/*
 * Target   presigned URLs and signed requests (section 10): ef_presign_url,
 *          ef_sign_request.
 * Input    lines: bucket, region, endpoint, token, access key, parameters with
 *          tabs between them; then the object's key, to the end | flags (with
 *          the request's method), how long the secret is, expiry, time, which
 *          allocation fails
 * Claims   a server that has the URL, the secret and its own bucket's name
 *          alone (OpenSSL's SHA-256 and HMAC) finds the signature right, SigV4
 *          and SigV2, and the time, expiry, token, key and parameters that were
 *          asked for; ef_presigned_parse reads version and expiry back;
 *          ef_location_check accepts the URL, unless it is too long; the
 *          secret is not in it; a refusal says of what; without memory the URL
 *          is the same or EF_E_MEMORY. Where a parameter bears a name that the
 *          signature has itself, the store judges, and what is read back is
 *          not claimed. In headers: the same of the URL, which has the caller's
 *          parameters alone, and the lines are those that such a server wants,
 *          of visible characters and line ends; whatever the expiry and the
 *          version are.
 * Covers   ef_presign_url ef_sign_request ef_sha256 ef_hmac_sha256
 *          ef_hmac_sha1 sig_hmac sig_place_free sig_is_label sig_is_virtual
 *          sig_check_bucket sig_suffix sig_in_aws sig_place_aws sig_is_address
 *          sig_place_endpoint sig_query_free sig_query_add sig_query_str
 *          sig_query_extra sig_buf_cmp sig_pair_cmp sig_query_print
 *          sig_work_free sig_work_failed sig_hex sig_v4_canonical sig_v4_sign
 *          sig_v4_finish sig_v4 sig_v4_headers sig_v2_append_resources sig_v2
 *          sig_check sig_stage sig_begin sig_end sig_is_visible
 * Seeds    vectors/sigv4.txt vectors/sigv2.txt vectors/sigv4_headers.txt
 * Dict     fuzz/dict/presign.dict
 */
#include <openssl/hmac.h>
#include <strings.h>
#include <time.h>

#include "twin.h"

#define PARAMETERS 70 /* more than may be signed */
#define TEXT_BYTES 16384

/* --- a text that grows, and is never longer than TEXT_BYTES here --- */

struct text {
    char s[TEXT_BYTES];
    size_t n;
};

static void
add(struct text *t, const void *p, size_t n)
{
    FUZZ_ASSERT(n < sizeof t->s - t->n);
    memcpy(t->s + t->n, p, n);
    t->n += n;
    t->s[t->n] = '\0';
}

static void
add_str(struct text *t, const char *s)
{
    add(t, s, strlen(s));
}

static char *
decoded(const char *s, size_t n)
{
    char *out = fuzz_string(s, n), *o = out;
    unsigned v;
    size_t i;

    for (i = 0; i < n; i++)
        if (s[i] == '%') {
            FUZZ_ASSERT(sscanf(s + i + 1, "%2x", &v) == 1);
            *o++ = (char)v;
            i += 2;
        } else {
            *o++ = s[i];
        }
    *o = '\0';
    return out;
}

/* S3's encoding of a key: all but unreserved characters and slashes. */
static void
add_encoded(struct text *t, ef_slice key)
{
    char byte[4];
    size_t i;

    for (i = 0; i < key.n; i++) {
        int plain = isalnum(key.p[i]) ||
                    (key.p[i] != 0 && strchr("-._~/", key.p[i]) != NULL);

        snprintf(byte, sizeof byte, plain ? "%c" : "%%%02X", key.p[i]);
        add_str(t, byte);
    }
}

/* --- the server: the URL taken apart --- */

struct request {
    int tls;
    char *host, *path; /* host: without a default port, in lower case */
    char *pair[PARAMETERS + 8]; /* name=value, as they stand in the URL */
    size_t n;
    char *text; /* what all of this points into */
};

/* The part of s before c, which becomes its end; the rest after c. */
static char *
cut(char **s, int c)
{
    char *begin = *s, *end = strchr(begin, c);

    *s = end != NULL ? end + 1 : begin + strlen(begin);
    if (end != NULL)
        *end = '\0';
    return begin;
}

static void
take_apart(struct request *r, ef_slice url)
{
    char *rest = r->text = fuzz_string(url.p, url.n), *query, *c, *port;

    r->tls = strcmp(cut(&rest, ':'), "https") == 0;
    FUZZ_ASSERT(rest[0] == '/' && rest[1] == '/' && strlen(rest) > 2);
    rest += 2; /* "//" */
    query = rest + strcspn(rest, "?");
    if (*query != '\0')
        *query++ = '\0';
    r->path = strchr(rest, '/');
    FUZZ_ASSERT(r->path != NULL);
    r->host = memmove(rest - 1, rest, (size_t)(r->path - rest));
    r->path[-1] = '\0';
    for (c = r->host; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    port = strrchr(r->host, ':');
    if (port != NULL && strchr(port, ']') == NULL) {
        long number = strtol(port + 1, NULL, 10);

        *port = '\0';
        if (number != (r->tls ? 443 : 80))
            sprintf(port, ":%ld", number);
    }
    for (r->n = 0; *query != '\0';) {
        FUZZ_ASSERT(r->n < PARAMETERS + 8);
        r->pair[r->n++] = cut(&query, '&');
    }
}

/* The value of the only parameter called name, decoded, or NULL. */
static char *
only(const struct request *r, const char *name)
{
    size_t i, n = strlen(name);
    char *value = NULL;

    for (i = 0; i < r->n; i++)
        if (strncmp(r->pair[i], name, n) == 0 && r->pair[i][n] == '=') {
            FUZZ_ASSERT(value == NULL);
            value = decoded(r->pair[i] + n + 1, strlen(r->pair[i] + n + 1));
        }
    return value;
}

static void
only_is(const struct request *r, const char *name, const char *want)
{
    char *value = only(r, name);

    FUZZ_ASSERT(want == NULL ? value == NULL
                             : value != NULL && strcmp(value, want) == 0);
    free(value);
}

/* By name, then by value: the = between them is not compared. */
static int
by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t m = strcspn(x, "="), n = strcspn(y, "=");
    int order = memcmp(x, y, m < n ? m : n);

    if (order == 0 && m != n)
        order = m < n ? -1 : 1;
    return order != 0 ? order : strcmp(x + m + 1, y + n + 1);
}

static void
stamp(char out[32], int64_t t)
{
    struct tm parts;
    time_t when = t;

    FUZZ_ASSERT(gmtime_r(&when, &parts) != NULL);
    FUZZ_ASSERT(strftime(out, 32, "%Y%m%dT%H%M%SZ", &parts) == 16);
}

static void
hmac(unsigned char out[32], const void *key, size_t n, const char *text)
{
    FUZZ_ASSERT(HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text,
                     strlen(text), out, NULL) != NULL);
}

static void
add_hex(struct text *t, const unsigned char *p, size_t n)
{
    char digits[3];

    while (n-- > 0) {
        snprintf(digits, sizeof digits, "%02x", *p++);
        add_str(t, digits);
    }
}

/* --- Signature Version 4 --- */

/* headers: besides the host's; names: of those that are signed. */
static void
v4_canonical(struct text *t, const struct request *r, const char *method,
             const char *headers, const char *names)
{
    int in_query = strcmp(names, "host") == 0;
    char *sorted[PARAMETERS + 8];
    size_t i, n = 0;

    for (i = 0; i < r->n; i++)
        if (!in_query || strncmp(r->pair[i], "X-Amz-Signature=", 16) != 0)
            sorted[n++] = r->pair[i];
    qsort(sorted, n, sizeof sorted[0], by_name);
    add_str(t, method);
    add_str(t, "\n");
    add_str(t, r->path);
    add_str(t, "\n");
    for (i = 0; i < n; i++) {
        add_str(t, i == 0 ? "" : "&");
        add_str(t, sorted[i]);
    }
    add_str(t, "\nhost:");
    add_str(t, r->host);
    add_str(t, "\n");
    add_str(t, headers);
    add_str(t, "\n");
    add_str(t, names);
    add_str(t, "\nUNSIGNED-PAYLOAD");
}

/* The signature of a canonical request, in hex. */
static void
v4_signature(struct text *hex, const struct text *canonical,
             const ef_presign *p, const char *scope)
{
    static struct text sign;
    unsigned char key[32];
    char date[32], text[512];

    sign.n = hex->n = 0;
    EVP_Digest(canonical->s, canonical->n, key, NULL, EVP_sha256(), NULL);
    stamp(date, p->now);
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n", date, scope);
    add_str(&sign, text);
    add_hex(&sign, key, 32);
    snprintf(text, sizeof text, "AWS4%s", p->secret_key);
    date[8] = '\0';
    hmac(key, text, strlen(text), date);
    hmac(key, key, 32, p->region);
    hmac(key, key, 32, "s3");
    hmac(key, key, 32, "aws4_request");
    hmac(key, key, 32, sign.s);
    add_hex(hex, key, 32);
}

static void
v4_verify(const struct request *r, const ef_presign *p, ef_slice canonical)
{
    static struct text t, hex;
    char date[32], scope[512], text[32];

    t.n = 0;
    v4_canonical(&t, r, p->method, "", "host");
    FUZZ_ASSERT(twin_same(canonical, t.s, t.n));
    stamp(date, p->now);
    snprintf(scope, sizeof scope, "%.8s/%s/s3/aws4_request", date, p->region);
    v4_signature(&hex, &t, p, scope);
    only_is(r, "X-Amz-Signature", hex.s);
    only_is(r, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    only_is(r, "X-Amz-Date", date);
    snprintf(text, sizeof text, "%lld", (long long)p->expires);
    only_is(r, "X-Amz-Expires", text);
    only_is(r, "X-Amz-SignedHeaders", "host");
    only_is(r, "X-Amz-Security-Token", p->token);
    t.n = 0;
    add_str(&t, p->access_key);
    add_str(&t, "/");
    add_str(&t, scope);
    only_is(r, "X-Amz-Credential", t.s);
}

/* The lines that a server wants to have. */
static void
v4_verify_headers(const struct request *r, const ef_presign *p,
                  ef_slice canonical, ef_slice headers)
{
    static struct text t, hex, lines;
    const char *names = p->token == NULL
                            ? "host;x-amz-content-sha256;x-amz-date"
                            : "host;x-amz-content-sha256;x-amz-date;"
                              "x-amz-security-token";
    char date[32], scope[512];

    t.n = lines.n = 0;
    stamp(date, p->now);
    snprintf(scope, sizeof scope, "%.8s/%s/s3/aws4_request", date, p->region);
    add_str(&lines, "x-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:");
    add_str(&lines, date);
    add_str(&lines, "\n");
    if (p->token != NULL) {
        add_str(&lines, "x-amz-security-token:");
        add_str(&lines, p->token);
        add_str(&lines, "\n");
    }
    v4_canonical(&t, r, p->method, lines.s, names);
    FUZZ_ASSERT(twin_same(canonical, t.s, t.n));
    v4_signature(&hex, &t, p, scope);
    add_str(&lines, "Authorization:AWS4-HMAC-SHA256 Credential=");
    add_str(&lines, p->access_key);
    add_str(&lines, "/");
    add_str(&lines, scope);
    add_str(&lines, ", SignedHeaders=");
    add_str(&lines, names);
    add_str(&lines, ", Signature=");
    add_str(&lines, hex.s);
    add_str(&lines, "\n");
    FUZZ_ASSERT(twin_same(headers, lines.s, lines.n));
}

/* --- Signature Version 2 --- */

static const char *const resources[] = {"accelerate",
                                        "acl",
                                        "analytics",
                                        "cors",
                                        "defaultObjectAcl",
                                        "delete",
                                        "inventory",
                                        "lifecycle",
                                        "location",
                                        "logging",
                                        "metrics",
                                        "notification",
                                        "object-lock",
                                        "partNumber",
                                        "policy",
                                        "replication",
                                        "requestPayment",
                                        "response-cache-control",
                                        "response-content-disposition",
                                        "response-content-encoding",
                                        "response-content-language",
                                        "response-content-type",
                                        "response-expires",
                                        "restore",
                                        "select",
                                        "select-type",
                                        "storageClass",
                                        "tagging",
                                        "torrent",
                                        "uploadId",
                                        "uploads",
                                        "versionId",
                                        "versioning",
                                        "versions",
                                        "website"};

/* The parameters that are part of the resource, sorted by name, values
 * decoded; one without a value is named alone. */
static void
v2_resources(struct text *t, const struct request *r)
{
    size_t i, k, n;
    const char *mark = "?";

    for (k = 0; k < sizeof resources / sizeof resources[0]; k++)
        for (i = 0; i < r->n; i++) {
            char *value;

            n = strlen(resources[k]);
            if (strncmp(r->pair[i], resources[k], n) != 0 ||
                r->pair[i][n] != '=')
                continue;
            value = decoded(r->pair[i] + n + 1, strlen(r->pair[i] + n + 1));
            add_str(t, mark);
            add_str(t, resources[k]);
            if (value[0] != '\0')
                add_str(t, "=");
            add_str(t, value);
            mark = "&";
            free(value);
        }
}

static void
v2_verify(const struct request *r, const ef_presign *p)
{
    static struct text t;
    unsigned char mac[20], base64[32];
    char expires[32];

    t.n = 0;
    snprintf(expires, sizeof expires, "%lld", (long long)(p->now + p->expires));
    add_str(&t, p->method);
    add_str(&t, "\n\n\n");
    add_str(&t, expires);
    add_str(&t, "\n");
    if (p->token != NULL) {
        add_str(&t, "x-amz-security-token:");
        add_str(&t, p->token);
        add_str(&t, "\n");
    }
    add_str(&t, "/");
    add_str(&t, p->bucket);
    add_str(&t, "/");
    add_encoded(&t, p->key);
    v2_resources(&t, r);
    HMAC(EVP_sha1(), p->secret_key, (int)strlen(p->secret_key),
         (const unsigned char *)t.s, t.n, mac, NULL);
    EVP_EncodeBlock(base64, mac, sizeof mac);
    only_is(r, "Signature", (char *)base64);
    only_is(r, "AWSAccessKeyId", p->access_key);
    only_is(r, "Expires", expires);
    only_is(r, "x-amz-security-token", p->token);
}

/* --- what both have in common --- */

/* The path ends with the key, after the bucket's name where the host does not
 * begin with it. */
static void
verify_path(const struct request *r, const ef_presign *p)
{
    static struct text key, both;
    size_t n = strlen(r->path), bucket = strlen(p->bucket);

    key.n = both.n = 0;
    add_str(&key, "/");
    add_encoded(&key, p->key);
    add_str(&both, "/");
    add_str(&both, p->bucket);
    add_str(&both, key.s);
    FUZZ_ASSERT(n >= key.n && strcmp(r->path + n - key.n, key.s) == 0);
    if (n < both.n || strcmp(r->path + n - both.n, both.s) != 0)
        FUZZ_ASSERT(strncasecmp(r->host, p->bucket, bucket) == 0 &&
                    r->host[bucket] == '.');
    if (p->endpoint == NULL)
        FUZZ_ASSERT(strcmp(r->path, key.s) == 0 ||
                    strcmp(r->path, both.s) == 0);
}

/* The caller's parameters come first, in their order. */
static void
verify_parameters(const struct request *r, const ef_presign *p)
{
    size_t i;

    FUZZ_ASSERT(r->n >= p->query_n);
    for (i = 0; i < p->query_n; i++) {
        char *pair = decoded(r->pair[i], strlen(r->pair[i]));

        FUZZ_ASSERT(strcmp(pair, p->query[i]) == 0);
        free(pair);
    }
}

/* Is a parameter called as one of the signature's own? */
static int
has_own(const ef_presign *p)
{
    static const char *const names[] = {
        "X-Amz-Algorithm=", "X-Amz-Credential=",     "X-Amz-Date=",
        "X-Amz-Expires=",   "X-Amz-SignedHeaders=",  "X-Amz-Security-Token=",
        "X-Amz-Signature=", "AWSAccessKeyId=",       "Signature=",
        "Expires=",         "x-amz-security-token=", "Key-Pair-Id="};
    size_t i, k;

    for (i = 0; i < p->query_n; i++)
        for (k = 0; k < sizeof names / sizeof names[0]; k++)
            if (strncmp(p->query[i], names[k], strlen(names[k])) == 0)
                return 1;
    return 0;
}

static void
read_back(const char *query, const ef_presign *p)
{
    ef_presigned back;

    FUZZ_ASSERT(ef_presigned_parse(&back, twin_slice(query, strlen(query)),
                                   NULL) == EF_OK);
    FUZZ_ASSERT(back.version == (p->sigv2 ? 2 : 4));
    FUZZ_ASSERT(back.expires == p->now + p->expires);
    FUZZ_ASSERT(back.token == (p->token != NULL));
}

static void
verify(ef_slice url, const ef_presign *p, ef_slice canonical)
{
    char *text = fuzz_string(url.p, url.n);
    struct request r = {0};
    ef_scheme scheme;
    ef_status rc = ef_location_check(&scheme, url, NULL);

    FUZZ_ASSERT(rc == (url.n > EF_MAX_LOCATION_BYTES ? EF_E_LIMIT : EF_OK));
    FUZZ_ASSERT(strlen(text) == url.n && strchr(text, '?') != NULL);
    take_apart(&r, url);
    verify_path(&r, p);
    verify_parameters(&r, p);
    if (!has_own(p)) {
        if (p->sigv2)
            v2_verify(&r, p);
        else
            v4_verify(&r, p, canonical);
        read_back(strchr(text, '?') + 1, p);
    }
    if (strlen(p->secret_key) >= 16)
        FUZZ_ASSERT(strstr(text, p->secret_key) == NULL);
    free(text);
    free(r.text);
}

/* The URL, its lines, and that nothing in them can end a line or a value. */
static void
verify_request(ef_slice url, ef_slice headers, const ef_presign *p,
               ef_slice canonical)
{
    char *text = fuzz_string(url.p, url.n);
    struct request r = {0};
    ef_scheme scheme;
    ef_status rc = ef_location_check(&scheme, url, NULL);
    size_t i;

    FUZZ_ASSERT(rc == (url.n > EF_MAX_LOCATION_BYTES ? EF_E_LIMIT : EF_OK));
    FUZZ_ASSERT(strlen(text) == url.n);
    FUZZ_ASSERT((strchr(text, '?') != NULL) == (p->query_n > 0));
    take_apart(&r, url);
    FUZZ_ASSERT(r.n == p->query_n);
    verify_path(&r, p);
    verify_parameters(&r, p);
    v4_verify_headers(&r, p, canonical, headers);
    for (i = 0; i < headers.n; i++)
        FUZZ_ASSERT(headers.p[i] == '\n' ||
                    (headers.p[i] >= ' ' && headers.p[i] < 0x7f));
    if (strlen(p->secret_key) >= 16)
        FUZZ_ASSERT(strstr(text, p->secret_key) == NULL &&
                    memmem(headers.p, headers.n, p->secret_key,
                           strlen(p->secret_key)) == NULL);
    free(text);
    free(r.text);
}

static int
is_nameless(const char *s, size_t n)
{
    return n == 0 || s[0] == '\0' || twin_hidden(s, n);
}

/* Is what is wrong perhaps of no name? Of a number the message says which it
 * is. */
static int
has_nameless(const ef_presign *p)
{
    size_t i;
    int some = p->query_n > 64 || p->expires < 1 ||
               p->expires > EF_MAX_EXPIRES_SEC ||
               p->now > INT64_C(253402300799) - EF_MAX_EXPIRES_SEC ||
               is_nameless(p->bucket, strlen(p->bucket)) ||
               (p->endpoint != NULL &&
                is_nameless(p->endpoint, strlen(p->endpoint))) ||
               is_nameless(p->region, strlen(p->region)) ||
               is_nameless((const char *)p->key.p, p->key.n);

    for (i = 0; i < p->query_n; i++)
        some |= is_nameless(p->query[i], strlen(p->query[i]));
    return some;
}

static void
presign(const ef_presign *p, unsigned long starve)
{
    ef_buf url = {0}, again = {0}, canonical = {0}, sign = {0}, hex = {0};
    ef_sign_stages stages = {&canonical, &sign, &hex};
    ef_err err = {0};
    ef_status rc = ef_presign_url(&url, &stages, p, &err), other;

    if (rc == EF_OK) {
        verify(twin_slice(url.p, url.n), p,
               twin_slice(canonical.p, canonical.n));
    } else {
        fuzz_refused(rc, &err, TEXT_BYTES);
        FUZZ_ASSERT(url.n == 0);
        FUZZ_ASSERT(err.where[0] != '\0' || has_nameless(p));
    }
    fuzz_alloc_left = starve;
    other = ef_presign_url(&again, NULL, p, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(other == rc || other == EF_E_MEMORY);
    if (other == EF_OK)
        FUZZ_ASSERT(twin_same(twin_slice(url.p, url.n), again.p, again.n));
    ef_buf_free(&url);
    ef_buf_free(&again);
    ef_buf_free(&canonical);
    ef_buf_free(&sign);
    ef_buf_free(&hex);
}

static int
is_visible(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0' && isgraph((unsigned char)s[n]))
        n++;
    return n > 0 && s[n] == '\0';
}

static void
sign_request(const ef_presign *p, unsigned long starve)
{
    ef_buf url = {0}, headers = {0}, canonical = {0}, sign = {0}, hex = {0};
    ef_buf again = {0}, lines = {0};
    ef_sign_stages stages = {&canonical, &sign, &hex};
    ef_presign last = *p;
    ef_err err = {0};
    ef_status rc = ef_sign_request(&url, &headers, &stages, p, &err), other;
    int visible =
        is_visible(p->access_key) && (p->token == NULL || is_visible(p->token));

    if (rc == EF_OK) {
        FUZZ_ASSERT(visible);
        verify_request(twin_slice(url.p, url.n),
                       twin_slice(headers.p, headers.n), p,
                       twin_slice(canonical.p, canonical.n));
    } else {
        fuzz_refused(rc, &err, TEXT_BYTES);
        FUZZ_ASSERT(url.n == 0 && headers.n == 0);
        FUZZ_ASSERT(err.where[0] != '\0' || has_nameless(p) || !visible);
    }
    last.expires = -p->expires;
    last.sigv2 = !p->sigv2;
    ef_buf_str(&lines, "a:b\n");
    fuzz_alloc_left = starve;
    other = ef_sign_request(&again, &lines, NULL, &last, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(other == rc || other == EF_E_MEMORY);
    if (other == EF_OK) {
        FUZZ_ASSERT(twin_same(twin_slice(url.p, url.n), again.p, again.n));
        FUZZ_ASSERT(twin_same(twin_slice(headers.p, headers.n), lines.p + 4,
                              lines.n - 4));
    }
    ef_buf_free(&url);
    ef_buf_free(&headers);
    ef_buf_free(&again);
    ef_buf_free(&lines);
    ef_buf_free(&canonical);
    ef_buf_free(&sign);
    ef_buf_free(&hex);
}

/* Digits that no input holds by chance; as many as asked for. */
static void
make_secret(char out[256], const uint8_t *data, size_t size, size_t n)
{
    unsigned char hash[32];
    size_t i;

    EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL);
    for (i = 0; i < n; i++)
        snprintf(out + i, 2, "%x", hash[i / 2 % 32] >> (i % 2 * 4) & 15);
    out[n] = '\0';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "PUT", "HEAD", "POST",
                                          "DELETE"};
    const char *parameters[PARAMETERS];
    struct fuzz_in in = {data, size};
    uint8_t flags = fuzz_byte(&in), secret_n = fuzz_byte(&in);
    uint32_t expires = fuzz_u32(&in), now = fuzz_u32(&in);
    uint8_t starve = fuzz_byte(&in);
    size_t n = in.n < 2000 ? in.n : 2000;
    char *text = fuzz_string(in.p, n), *rest = text, *list, secret[256];
    ef_presign p = {.secret_key = secret, .query = parameters};

    make_secret(secret, data, size, secret_n);
    p.bucket = cut(&rest, '\n');
    p.region = cut(&rest, '\n');
    p.endpoint = cut(&rest, '\n');
    p.token = cut(&rest, '\n');
    p.access_key = cut(&rest, '\n');
    p.endpoint = p.endpoint[0] != '\0' ? p.endpoint : NULL;
    p.token = p.token[0] != '\0' ? p.token : NULL;
    for (list = cut(&rest, '\n'); *list != '\0' && p.query_n < PARAMETERS;)
        parameters[p.query_n++] = cut(&list, '\t');
    p.key = twin_slice(rest, n - (size_t)(rest - text));
    p.sigv2 = flags & 1;
    p.method = methods[flags >> 1 & 1];
    p.addressing = (ef_addressing)(flags >> 2 & 3);
    p.expires = expires % 700000;
    p.now = (int64_t)now << 6 | (starve & 63);
    FUZZ_REACHED();
    presign(&p, starve);
    p.method = methods[(flags >> 4) % 5];
    sign_request(&p, starve);
    free(text);
    return 0;
}
