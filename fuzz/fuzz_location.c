/*
 * Target   locations (section 8: ef_location_check) and what of them is shown
 *          (sections 1, 11: slice_public, with_where, store_public).
 * Input    a location, or any name
 * Claims   accepted is what a regular expression says, with a port of 1 to
 *          65535; what is accepted, libcurl parses to the same scheme, host,
 *          port, path and query, and finds no user and no password in it; a
 *          file location's path is libcurl's decoding of it. What libcurl
 *          refuses is not accepted, except brackets around what is no
 *          address, which it then refuses when it is to connect, and a file's
 *          path that begins like a drive (/c:/), which it is never asked for.
 *          Of what looks like a URL nothing is shown from its query on, and
 *          nothing of a user or password; nothing that a terminal would obey
 *          is shown.
 * Covers   ef_location_check location_authority url_authority url_span
 *          url_bad slice_public with_where store_public store_file_path
 *          ef_percent_decode store_check_scheme
 * Seeds    locations in fuzz/seeds.py    Dict  fuzz/dict/location.dict
 */
#define main encflow_main
#include "../encflow.c"
#include <arpa/inet.h>
#include <regex.h>

#include "twin.h"

static char *
part(CURLU *u, CURLUPart which, unsigned flags)
{
    char *text = NULL;

    (void)curl_url_get(u, which, &text, flags);
    return text;
}

static void
no_part(CURLU *u, CURLUPart which)
{
    char *text = part(u, which, 0);

    FUZZ_ASSERT(text == NULL);
}

#define CHARACTERS "[]A-Za-z0-9._~:/?[@!$&'()*+,;=%-]*$"
#define HOST "([A-Za-z0-9._-]+|\\[[A-Za-z0-9:.]*\\])"

/* A location, as one expression tells it. */
static int
twin_good(ef_slice url)
{
    static const char web[] = "^https?://" HOST "(:([0-9]{1,12}))?"
                              "($|[/?]" CHARACTERS ")";
    static const char plain[] = "^file://(localhost)?/" CHARACTERS;
    static regex_t expression[2];
    static int made;
    char *text = fuzz_string(url.p, url.n);
    regmatch_t part[4];
    long long port = 1;
    int good;

    if (!made++)
        FUZZ_ASSERT(regcomp(&expression[0], web, REG_EXTENDED) == 0 &&
                    regcomp(&expression[1], plain, REG_EXTENDED) == 0);
    good = strlen(text) == url.n && url.n <= EF_MAX_LOCATION_BYTES;
    if (good && regexec(&expression[0], text, 4, part, 0) == 0)
        port = part[3].rm_so >= 0 ? strtoll(text + part[3].rm_so, NULL, 10) : 1;
    else
        good = good && regexec(&expression[1], text, 0, NULL, 0) == 0;
    free(text);
    return good && port >= 1 && port <= 65535;
}

/* The authority as we see it: up to the path or the query. */
static void
split(ef_slice url, ef_slice *authority, ef_slice *path, ef_slice *query)
{
    size_t n;

    *authority = slice_from(url, slice_find_str(url, "://") + 3);
    for (n = 0; n < authority->n && strchr("/?", authority->p[n]) == NULL;)
        n++;
    *path = slice_from(*authority, n);
    *authority = slice(authority->p, n);
    n = slice_find(*path, '?');
    *query = slice_from(*path, n + 1);
    *path = slice(path->p, n);
}

/* libcurl writes numbers as a dotted address: then that is all it may do. */
static void
same_host(CURLU *u, ef_slice host)
{
    char *got = part(u, CURLUPART_HOST, 0);
    unsigned char address[16];
    size_t last = host.n;

    FUZZ_ASSERT(got != NULL);
    while (last > 0 && host.p[last - 1] != '.')
        last--;
    if (host.p[0] == '[') { /* it may write IPv6 in its shortest form */
        FUZZ_ASSERT(got[0] == '[' && got[strlen(got) - 1] == ']');
    } else if (strlen(got) != host.n ||
               strncasecmp(got, (const char *)host.p, host.n) != 0) {
        FUZZ_ASSERT(inet_pton(AF_INET, got, address) == 1);
        FUZZ_ASSERT(last == host.n || isdigit(host.p[last]));
    }
    curl_free(got);
}

static void
same_port(CURLU *u, ef_slice port, ef_scheme scheme)
{
    char *got = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *text = fuzz_string(port.p, port.n);
    long want = scheme == EF_SCHEME_HTTPS ? 443 : 80;

    if (port.n > 0)
        want = strtol(text, NULL, 10);
    FUZZ_ASSERT(got != NULL && strtol(got, NULL, 10) == want);
    free(text);
    curl_free(got);
}

static void
same_text(CURLU *u, CURLUPart which, ef_slice want, const char *none)
{
    char *got = part(u, which, 0);

    if (want.n == 0)
        FUZZ_ASSERT(got == NULL || strcmp(got, none) == 0);
    else
        FUZZ_ASSERT(got != NULL && twin_same(want, got, strlen(got)));
    curl_free(got);
}

static void
web(CURLU *u, ef_slice url, ef_scheme scheme)
{
    ef_slice authority, path, query;
    size_t n;

    split(url, &authority, &path, &query);
    n = authority.p[0] == '[' ? slice_find(authority, ']') + 1
                              : slice_find(authority, ':');
    same_host(u, slice(authority.p, n));
    same_port(u, slice_from(authority, n + 1), scheme);
    same_text(u, CURLUPART_PATH, path, "/");
    same_text(u, CURLUPART_QUERY, query, "");
}

/* The whole rest of a file location is its path, decoded. */
static void
file(ef_slice url)
{
    ef_slice authority, path, query;
    char *text = fuzz_string(url.p, url.n), *want;
    ef_buf got = {0};
    ef_err err = {0};
    ef_status rc = store_file_path(&got, text, &err);
    size_t rest;
    int n;

    split(url, &authority, &path, &query);
    rest = (size_t)(path.p - url.p);
    want = curl_easy_unescape(NULL, text + rest, (int)(url.n - rest), &n);
    FUZZ_ASSERT(want != NULL);
    if (rc == EF_OK) {
        FUZZ_ASSERT(twin_same(buf_slice(&got), want, (size_t)n));
        FUZZ_ASSERT(got.p[0] == '/' && strlen((char *)got.p) == got.n);
    } else {
        fuzz_refused(rc, &err, url.n);
    }
    curl_free(want);
    ef_buf_free(&got);
    free(text);
}

/* The two forms that libcurl refuses and we do not. */
static int
is_known_difference(ef_slice url, ef_scheme scheme)
{
    ef_slice authority, path, query;

    split(url, &authority, &path, &query);
    if (scheme != EF_SCHEME_FILE)
        return authority.n > 0 && authority.p[0] == '[';
    return path.n > 2 && isalpha(path.p[1]) && path.p[2] == ':';
}

static void
accepted(ef_slice url, ef_scheme scheme)
{
    static const char *const names[] = {
        [EF_SCHEME_HTTPS] = "https",
        [EF_SCHEME_HTTP] = "http",
        [EF_SCHEME_FILE] = "file",
    };
    CURLU *u = curl_url();
    char *text = fuzz_string(url.p, url.n), *got;
    CURLUcode code = curl_url_set(u, CURLUPART_URL, text, CURLU_PATH_AS_IS);

    FUZZ_ASSERT(strlen(text) == url.n && url.n <= EF_MAX_LOCATION_BYTES);
    if (code == CURLUE_OK) {
        got = part(u, CURLUPART_SCHEME, 0);
        FUZZ_ASSERT(got != NULL && strcmp(got, names[scheme]) == 0);
        curl_free(got);
        no_part(u, CURLUPART_USER);
        no_part(u, CURLUPART_PASSWORD);
        no_part(u, CURLUPART_FRAGMENT);
        if (scheme != EF_SCHEME_FILE)
            web(u, url, scheme);
    } else {
        FUZZ_ASSERT(is_known_difference(url, scheme));
    }
    if (scheme == EF_SCHEME_FILE)
        file(url);
    curl_url_cleanup(u);
    free(text);
}

/* --- what is shown --- */

/* What where says, \xNN undone; 1 where it was cut ("..."). */
static size_t
unescape(unsigned char *out, const char *where)
{
    size_t n = 0;
    unsigned v;

    for (; *where != '\0'; n++) {
        FUZZ_ASSERT((unsigned char)*where >= 0x20 && *where != 0x7f &&
                    *where != '"');
        if (*where == '\\') {
            FUZZ_ASSERT(sscanf(where, "\\x%2x", &v) == 1);
            out[n] = (unsigned char)v;
            where += 4;
        } else {
            out[n] = (unsigned char)*where++;
        }
    }
    return n;
}

/* How much of a name may be shown. A twin of slice_public on strings; the
 * name's NUL bytes, which end no string here, are made another byte. */
static size_t
may_show(ef_slice name)
{
    char *text = fuzz_string(name.p, name.n), *end;
    size_t i, n = name.n;

    for (i = 0; i < name.n; i++)
        text[i] = text[i] == '\0' ? 1 : text[i];
    if (strstr(text, "://") != NULL || strstr(text, "X-Amz-") != NULL ||
        strstr(text, "Signature=") != NULL) {
        static const char *const ends[] = {"?", "X-Amz-", "Signature="};

        for (i = 0; i < 3; i++) {
            end = strstr(text, ends[i]);
            if (end != NULL)
                *end = '\0';
        }
        n = strlen(text);
        end = strstr(text, "://");
        if (end != NULL && strchr(end, '@') != NULL)
            n = (size_t)(end - text) + 3;
    }
    free(text);
    return n;
}

static void
shown(ef_slice name)
{
    unsigned char text[EF_WHERE_BYTES];
    ef_err err = {.where = ""};
    size_t n, most = may_show(name);

    FUZZ_ASSERT(slice_public(name).n == most);
    FUZZ_ASSERT(
        store_public(name).n ==
        (memchr(name.p, '?', name.n) != NULL
             ? (size_t)((const unsigned char *)memchr(name.p, '?', name.n) -
                        name.p)
             : name.n));
    (void)with_where(&err, EF_E_FORMAT, name);
    n = unescape(text, err.where);
    if (n >= 3 && n - 3 <= most && memcmp(text + n - 3, "...", 3) == 0 &&
        strlen(err.where) + 12 > sizeof err.where)
        n -= 3; /* cut, because it is long */
    else
        FUZZ_ASSERT(n == most);
    FUZZ_ASSERT(n <= most && memcmp(text, name.p, n) == 0);
    for (n = 0; err.where[n] != '\0'; n++)
        FUZZ_ASSERT(!is_c1(slice(err.where + n, strlen(err.where + n))));
}

static void
schemes(ef_scheme scheme, int allowed)
{
    ef_err err = {0};
    ef_status rc = store_check_scheme(scheme, allowed, &err);

    FUZZ_ASSERT((rc == EF_OK) == (((int)scheme & allowed) != 0));
    if (rc != EF_OK)
        FUZZ_ASSERT(rc == EF_E_POLICY && err.hint != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice url = fuzz_rest(&in, &block);
    ef_err err = {0};
    ef_scheme scheme;
    ef_status rc = ef_location_check(&scheme, url, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT((rc == EF_OK) == twin_good(url));
    shown(url);
    if (rc == EF_OK) {
        accepted(url, scheme);
        schemes(scheme, EF_SCHEME_HTTPS);
        schemes(scheme, EF_SCHEME_HTTP | EF_SCHEME_FILE);
    } else {
        fuzz_refused(rc, &err, url.n);
    }
    free(block);
    return 0;
}
