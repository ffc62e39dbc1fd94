/*
 * Target   AWS's keys and settings (section 11): aws_load.
 * Input    lines: the profile's name; variables as LETTER and value, one a
 *          line, up to an empty line; then the two files, the credentials up
 *          to the first form feed, and after it the configuration | a byte:
 *          was the name given, need it exist
 * Claims   keys, token, region, endpoint and the rest are those that a slow
 *          twin of botocore's precedence finds: the environment, unless the
 *          profile was named; the credentials file; the configuration; an id
 *          never without its own secret, never another file's; a program that
 *          prints keys only where the credentials file has none; a profile
 *          that needs what is not supported is refused; secret memory is given
 *          back, wiped.
 * Covers   aws_read_file aws_keep aws_value aws_refuse aws_refuse_roles
 *          aws_refuse_hosts aws_settings aws_from_file aws_from_env
 *          aws_from_vars aws_env_keys aws_sections aws_service
 *          aws_refuse_identity aws_refuse_host_vars aws_check_expiry
 *          aws_is_section aws_expand aws_find_keys aws_environment aws_load
 * Seeds    vectors/ini.txt    Dict  fuzz/dict/aws.dict
 */
#include <curl/curl.h>

#include "watch.h"

static const char *fuzz_getenv(const char *name);

/* No program is started, and nobody is asked: both are told in time. */
static int processes, requests;
#define fork() (processes++, errno = EAGAIN, -1)
#define curl_multi_init() (requests++, (CURLM *)NULL)

/* A page: a mebibyte of secret memory an input would be slow. */
#undef EF_MAX_INI_BYTES
#define EF_MAX_INI_BYTES UINT32_C(4095)
#define getenv fuzz_getenv
#define main encflow_main
#include "../encflow.c"
#undef fork
#include "twin.h"

/* --- the environment, and two files that are in memory alone --- */

static const struct {
    char letter;
    const char *name;
} known[] = {{'i', "AWS_ACCESS_KEY_ID"},
             {'s', "AWS_SECRET_ACCESS_KEY"},
             {'t', "AWS_SESSION_TOKEN"},
             {'T', "AWS_SECURITY_TOKEN"},
             {'r', "AWS_DEFAULT_REGION"},
             {'R', "AWS_REGION"},
             {'e', "AWS_ENDPOINT_URL"},
             {'E', "AWS_ENDPOINT_URL_S3"},
             {'c', "AWS_SHARED_CREDENTIALS_FILE"},
             {'C', "AWS_CONFIG_FILE"},
             {0, "HOME"},
             {'w', "AWS_WEB_IDENTITY_TOKEN_FILE"},
             {'g', "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
             {'n', "AWS_EC2_METADATA_DISABLED"},
             {'u', "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
             {'f', "AWS_USE_FIPS_ENDPOINT"},
             {'d', "AWS_USE_DUALSTACK_ENDPOINT"},
             {'x', "AWS_CREDENTIAL_EXPIRATION"}};
#define KNOWN (sizeof known / sizeof known[0])

static char *values[KNOWN];

static const char *
fuzz_getenv(const char *name)
{
    size_t i;

    for (i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            return values[i];
    return NULL;
}

/* A variable that counts: set, and not empty. */
static const char *
set(const char *name)
{
    const char *value = fuzz_getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

struct store {
    int fd;
    ef_slice text;
};

static struct store credentials = {-1, {NULL, 0}};
static struct store config = {-1, {NULL, 0}};

static void
put(struct store *s, const char *name, ef_slice text)
{
    if (s->fd < 0)
        s->fd = memfd_create(name, MFD_CLOEXEC);
    FUZZ_ASSERT(ftruncate(s->fd, 0) == 0);
    FUZZ_ASSERT(pwrite(s->fd, text.p, text.n, 0) == (ssize_t)text.n);
    s->text = text;
}

/* --- the twin --- */

/* In one section of a file: its value, or one with p NULL. *bad where the
 * file, or what it says of name, is no good; that is fuzz_ini's claim. */
static ef_slice
look(const struct store *s, const char *section, const char *name,
     const char *sub, int *bad)
{
    ef_slice value;

    *bad |= ef_ini_get_part(&value, NULL, section, name, sub, s->text, NULL) !=
            EF_OK;
    return value;
}

static int
has_section(const struct store *s, const char *section)
{
    ef_slice value;
    int found = 0;

    return ef_ini_get(&value, &found, section, "region", s->text, NULL) ==
               EF_OK &&
           found;
}

/* One of names that says more than "false". */
static int
has_any(const struct store *s, const char *section, const char *names, int *bad)
{
    char list[300], *name, *rest = NULL;
    int some = 0;

    snprintf(list, sizeof list, "%s", names);
    for (name = strtok_r(list, " ", &rest); name != NULL;
         name = strtok_r(NULL, " ", &rest)) {
        const char *sub = strncmp(name, "s3.", 3) == 0 ? name + 3 : NULL;
        ef_slice v = look(s, section, sub != NULL ? "s3" : name, sub, bad);

        some |= v.p != NULL &&
                (v.n != 5 || strncasecmp((const char *)v.p, "false", 5) != 0);
    }
    return some;
}

/* Take value, if nothing was taken yet; 0 where it does not fit. */
static int
take(char *out, size_t cap, ef_slice value)
{
    if (out[0] != '\0' || value.n == 0)
        return 1;
    if (value.n >= cap || memchr(value.p, 0, value.n) != NULL)
        return 0;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    return 1;
}

/* One file's settings. 0: refused. */
static int
twin_settings(struct aws_profile *p, const struct store *s, const char *section)
{
    int bad = 0, good;

    good = !has_any(s, section,
                    "use_fips_endpoint use_dualstack_endpoint "
                    "s3.use_dualstack_endpoint s3.use_accelerate_endpoint",
                    &bad);
    p->found |= has_section(s, section);
    good &= take(p->region, sizeof p->region,
                 look(s, section, "region", NULL, &bad));
    good &= take(p->endpoint, sizeof p->endpoint,
                 look(s, section, "endpoint_url", NULL, &bad));
    good &= take(p->addressing, sizeof p->addressing,
                 look(s, section, "s3", "addressing_style", &bad));
    good &= take(p->process, sizeof p->process,
                 look(s, section, "credential_process", NULL, &bad));
    good &= take(p->services, sizeof p->services,
                 look(s, section, "services", NULL, &bad));
    good &=
        take(p->ignore, sizeof p->ignore,
             look(s, section, "ignore_configured_endpoint_urls", NULL, &bad));
    good &= take(p->instance, sizeof p->instance,
                 look(s, section, "ec2_metadata_service_endpoint", NULL, &bad));
    return good && !bad;
}

/* One file's keys. 0: refused. */
static int
twin_keys(struct aws_profile *p, const struct store *s, const char *section)
{
    int bad = 0, good;

    good = take(p->access_key, sizeof p->access_key,
                look(s, section, "aws_access_key_id", NULL, &bad));
    if (good && p->access_key[0] != '\0') {
        good &= take(p->secret_key, sizeof p->secret_key,
                     look(s, section, "aws_secret_access_key", NULL, &bad));
        good &= take(p->token, sizeof p->token,
                     look(s, section, "aws_security_token", NULL, &bad));
        good &= take(p->token, sizeof p->token,
                     look(s, section, "aws_session_token", NULL, &bad));
        good &= p->secret_key[0] != '\0';
    }
    return good && !bad;
}

/* The first variable of two that is set; "" when none is. 0: too long. */
static int
variable(char *out, size_t cap, const char *first, const char *second)
{
    const char *a = set(first), *b = set(second);

    if ((a != NULL && strlen(a) >= cap) || (b != NULL && strlen(b) >= cap))
        return 0;
    if (a != NULL || b != NULL)
        snprintf(out, cap, "%s", a != NULL ? a : b);
    return 1;
}

/* A time in the past, in the form of RFC 3339 with "Z" or "+00:00" at its
 * end. */
static int
expired(const char *text)
{
    size_t n = text != NULL ? strlen(text) : 0;
    char *t = fuzz_string(text, n);
    int64_t end;
    ef_status rc;

    if (n > 6 && n < 64 && strcmp(t + n - 6, "+00:00") == 0)
        strcpy(t + n - 6, "Z");
    rc = ef_time_parse(&end, slice_str(t), NULL);
    free(t);
    return rc == EF_OK && end <= (int64_t)time(NULL);
}

/* Keys of the environment. 0: refused, half a pair. */
static int
twin_variables(struct aws_profile *p)
{
    if (!variable(p->access_key, sizeof p->access_key, "AWS_ACCESS_KEY_ID",
                  "AWS_ACCESS_KEY_ID") ||
        !variable(p->secret_key, sizeof p->secret_key, "AWS_SECRET_ACCESS_KEY",
                  "AWS_SECRET_ACCESS_KEY") ||
        !variable(p->token, sizeof p->token, "AWS_SECURITY_TOKEN",
                  "AWS_SESSION_TOKEN"))
        return 0;
    if (p->access_key[0] == '\0')
        p->token[0] = '\0';
    else if (expired(set("AWS_CREDENTIAL_EXPIRATION")))
        return 0;
    return (p->access_key[0] == '\0') == (p->secret_key[0] == '\0');
}

/* Settings of [services NAME], of the configuration alone. */
static int
twin_service(struct aws_profile *p)
{
    ef_buf section = {0};
    ef_slice own;
    int bad = 0, good = 1;

    if (p->services[0] == '\0')
        return 1;
    buf_printf(&section, "services %s", p->services);
    own = look(&config, buf_cstr(&section), "s3", "endpoint_url", &bad);
    good = has_section(&config, buf_cstr(&section));
    if (own.n > 0) {
        p->endpoint[0] = '\0';
        good &= take(p->endpoint, sizeof p->endpoint, own);
    }
    ef_buf_free(&section);
    return good && !bad;
}

static int
twin_environment(struct aws_profile *p)
{
    const char *ignore = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    int good = variable(p->ignore, sizeof p->ignore, ignore, ignore) &&
               variable(p->region, sizeof p->region, "AWS_REGION",
                        "AWS_DEFAULT_REGION") &&
               variable(p->endpoint, sizeof p->endpoint, "AWS_ENDPOINT_URL_S3",
                        "AWS_ENDPOINT_URL");

    if (p->region[0] == '\0')
        strcpy(p->region, "us-east-1");
    if (strcasecmp(p->ignore, "true") == 0)
        p->endpoint[0] = '\0';
    return good;
}

static int
host_vars(void)
{
    const char *a = set("AWS_USE_FIPS_ENDPOINT");
    const char *b = set("AWS_USE_DUALSTACK_ENDPOINT");

    return (a != NULL && strcasecmp(a, "false") != 0) ||
           (b != NULL && strcasecmp(b, "false") != 0);
}

/* Where keys come from after the settings are known. 0: refused; here that is
 * also where a program or a service would be asked. */
static int
twin_find(struct aws_profile *p, const struct aws_choice *choice,
          const char *const section[2])
{
    const char *roles = "role_arn source_profile credential_source mfa_serial "
                        "sso_session sso_start_url web_identity_token_file "
                        "login_session";
    int bad = 0;

    if (!choice->named || (choice->optional && !p->found)) {
        if (!twin_variables(p))
            return 0;
        if (p->access_key[0] != '\0')
            return 1;
    }
    if (has_any(&credentials, section[0], roles, &bad) ||
        has_any(&config, section[1], roles, &bad) || bad)
        return 0;
    if ((!choice->named || (choice->optional && !p->found)) &&
        set("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL)
        return 0;
    if (!twin_keys(p, &credentials, section[0]))
        return 0;
    if (p->access_key[0] != '\0')
        return 1;
    if (p->process[0] != '\0' || !twin_keys(p, &config, section[1]))
        return 0;
    return p->access_key[0] != '\0' ||
           set("AWS_CONTAINER_CREDENTIALS_FULL_URI") == NULL;
}

/* Is this line the head of profile's section in the configuration? */
static int
heads(const char *line, size_t n, const char *profile, ef_buf *name)
{
    char *text, *words, *end;
    int is;

    while (n > 0 && isspace((unsigned char)line[0])) {
        line++;
        n--;
    }
    if (n == 0 || line[0] != '[' || memchr(line, 0, n) != NULL)
        return 0;
    text = fuzz_string(line + 1, n - 1);
    end = strchr(text, ']');
    if (end == NULL) /* then a blank at its end is none of the name */
        for (end = text + n - 1; end > text && isspace((unsigned char)end[-1]);
             end--)
            ;
    *end = '\0';
    words = fuzz_string(text, strlen(text));
    is = strncmp(text, "profile", 7) == 0 && strlen(text) < 512 &&
         twin_words(text, words) == 2 && strcmp(words, "profile") == 0 &&
         strcmp(words + 8, profile) == 0;
    is |= strcmp(text, "default") == 0 && strcmp(profile, "default") == 0;
    if (is) {
        name->n = 0;
        ef_buf_str(name, text);
    }
    free(words);
    free(text);
    return is;
}

/* How many sections of the configuration are profile's; the last one's name. */
static int
find_section(const char *profile, ef_buf *name)
{
    ef_slice rest = config.text;
    int n = 0;

    ef_buf_str(name, "]");
    while (rest.n > 0) {
        size_t k = 0;

        while (k < rest.n && rest.p[k] != '\n' && rest.p[k] != '\r')
            k++;
        n += heads((const char *)rest.p, k, profile, name);
        rest = slice_from(rest, k + 1);
    }
    return n;
}

static int
twin_load(struct aws_profile *p, const struct aws_choice *choice)
{
    ef_buf name = {0};
    const char *section[2] = {choice->name, NULL};
    int good, bad;

    memset(p, 0, sizeof *p);
    bad = find_section(choice->name, &name) > 1;
    section[1] = buf_cstr(&name);
    good = !bad && twin_settings(p, &credentials, section[0]) &&
           twin_settings(p, &config, section[1]) && twin_service(p) &&
           (p->found || choice->optional) && !host_vars() &&
           twin_find(p, choice, section) && twin_environment(p);
    ef_buf_free(&name);
    return good;
}

/* --- both --- */

static void
same(const struct aws_profile *p, const struct aws_profile *q)
{
    FUZZ_ASSERT(strcmp(p->access_key, q->access_key) == 0);
    FUZZ_ASSERT(strcmp(p->secret_key, q->secret_key) == 0);
    FUZZ_ASSERT(strcmp(p->token, q->token) == 0);
    FUZZ_ASSERT(strcmp(p->region, q->region) == 0);
    FUZZ_ASSERT(strcmp(p->endpoint, q->endpoint) == 0);
    FUZZ_ASSERT(strcmp(p->addressing, q->addressing) == 0);
    FUZZ_ASSERT(p->found == q->found);
    FUZZ_ASSERT((p->access_key[0] != '\0') == (p->secret_key[0] != '\0'));
    FUZZ_ASSERT(p->access_key[0] == '\0' || p->from != NULL);
}

static void
load(const struct aws_choice *choice)
{
    struct aws_profile *p = ef_secret_alloc(sizeof *p, NULL), q;
    struct store_opts o = {.attempts = 1};
    ef_err err = {0};
    ef_status rc = aws_load(p, choice, &o, &err);
    int good = twin_load(&q, choice);

    FUZZ_ASSERT((rc == EF_OK) == good);
    if (rc == EF_OK) {
        same(p, &q);
        FUZZ_ASSERT(processes == 0);
        FUZZ_ASSERT(requests == 0 || p->access_key[0] == '\0');
    } else {
        FUZZ_ASSERT(err.code == rc && err.msg != NULL);
        FUZZ_ASSERT(err.where[0] != '\0' || choice->name[0] == '\0' ||
                    twin_hidden(choice->name, strlen(choice->name)));
        FUZZ_ASSERT(q.secret_key[0] == '\0' || strlen(q.secret_key) < 8 ||
                    strstr(err.where, q.secret_key) == NULL);
    }
    ef_secret_free(p, sizeof *p);
    FUZZ_ASSERT(watch_held == 0);
}

/* Where a file's variable leads: to the file; with "~" or "$" to it by way of
 * HOME; with "{" to no file; with "-" there is no variable, and at the usual
 * place no file. */
static void
lead(char **value, struct store *s)
{
    char how = *value != NULL ? **value : 0;
    char text[64];

    free(*value);
    *value = NULL;
    snprintf(text, sizeof text,
             how == '~'   ? "~/%d"
             : how == '$' ? "$HOME/%d"
             : how == '{' ? "${HOME}/../${NOT SET}/%d"
                          : "/proc/self/fd/%d",
             s->fd);
    if (how == '-' || how == '{')
        put(s, "none", slice(NULL, 0));
    if (how != '-')
        *value = strdup(text);
}

/* The variables that lines tell. */
static void
environment(ef_slice *text)
{
    size_t i, n;

    while (text->n > 0) {
        n = slice_find(*text, '\n');
        for (i = 0; i < KNOWN && n > 0; i++)
            if (known[i].letter == (char)text->p[0] && values[i] == NULL &&
                known[i].letter != 0)
                values[i] = fuzz_string(text->p + 1, n - 1);
        *text = slice_from(*text, n + 1);
        if (n == 0)
            break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    size_t i, n = slice_find(text, '\n');
    char *profile = fuzz_string(text.p, n);
    struct aws_choice choice = {profile, how & 1, how >> 1 & 1};

    processes = requests = 0;
    text = slice_from(text, n + 1);
    environment(&text);
    n = slice_find(text, '\f');
    put(&credentials, "credentials", slice(text.p, n));
    put(&config, "config", slice_from(text, n + 1));
    lead(&values[8], &credentials);
    lead(&values[9], &config);
    values[10] = strdup("/proc/self/fd");
    FUZZ_REACHED();
    load(&choice);
    for (i = 0; i < KNOWN; i++) {
        free(values[i]);
        values[i] = NULL;
    }
    free(profile);
    free(block);
    return 0;
}
