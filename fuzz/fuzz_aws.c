/*
 * Target   AWS's keys and settings (section 11): aws_load, aws_environment.
 * Input    lines: the profile's name; variables as LETTER and value, one a
 *          line, up to an empty line; then the two files, the credentials up
 *          to the first form feed, and after it the configuration
 * Claims   keys, token, region and endpoint are those that a slow twin of the
 *          precedence finds: a named profile of the credentials file, then of
 *          the configuration, then for `default`, where neither has it, the
 *          environment, an id never without its own secret; the environment's
 *          region and endpoint before the profile's; a profile that needs what
 *          is not supported is refused; secret memory is given back, wiped.
 * Covers   aws_read_file aws_value aws_refuse_roles aws_from_file aws_from_env
 *          aws_from_vars aws_env_keys aws_load aws_environment
 * Seeds    vectors/ini.txt    Dict  fuzz/dict/aws.dict
 */
#include "watch.h"

static const char *fuzz_getenv(const char *name);

/* A page: a mebibyte of secret memory an input would be slow. */
#undef EF_MAX_INI_BYTES
#define EF_MAX_INI_BYTES UINT32_C(4095)
#define getenv fuzz_getenv
#define main encflow_main
#include "../encflow.c"
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
             {0, "HOME"}};
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
look(const struct store *s, const char *section, const char *name, int *bad)
{
    ef_slice value;

    *bad |= ef_ini_get(&value, NULL, section, name, s->text, NULL) != EF_OK;
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

static int
has_unsupported(const struct store *s, const char *section, int *bad)
{
    static const char *const names[] = {"role_arn",
                                        "source_profile",
                                        "credential_source",
                                        "mfa_serial",
                                        "sso_session",
                                        "sso_start_url",
                                        "login_session",
                                        "services",
                                        "web_identity_token_file",
                                        "use_fips_endpoint",
                                        "use_dualstack_endpoint"};
    size_t i;
    int some = 0;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        some |= look(s, section, names[i], bad).p != NULL;
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

/* One file. 0: refused. */
static int
twin_file(struct aws_profile *p, const struct store *s, const char *section)
{
    int bad = 0, good = 1;

    if (has_unsupported(s, section, &bad) || bad)
        return 0;
    p->found |= has_section(s, section);
    if (p->access_key[0] == '\0') {
        good &= take(p->access_key, sizeof p->access_key,
                     look(s, section, "aws_access_key_id", &bad));
        if (p->access_key[0] != '\0') {
            good &= take(p->secret_key, sizeof p->secret_key,
                         look(s, section, "aws_secret_access_key", &bad));
            good &= take(p->token, sizeof p->token,
                         look(s, section, "aws_security_token", &bad));
            good &= take(p->token, sizeof p->token,
                         look(s, section, "aws_session_token", &bad));
            good &= p->secret_key[0] != '\0';
        }
    }
    good &= take(p->region, sizeof p->region, look(s, section, "region", &bad));
    good &= take(p->endpoint, sizeof p->endpoint,
                 look(s, section, "endpoint_url", &bad));
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

static int
twin_load(struct aws_profile *p, const char *profile)
{
    int is_default = strcmp(profile, "default") == 0;
    ef_buf section = {0};
    int good;

    memset(p, 0, sizeof *p);
    ef_buf_str(&section, is_default ? "" : "profile ");
    ef_buf_str(&section, profile);
    good = twin_file(p, &credentials, profile) &&
           twin_file(p, &config, buf_cstr(&section));
    ef_buf_free(&section);
    if (!good || !is_default || p->found)
        return good;
    return variable(p->access_key, sizeof p->access_key, "AWS_ACCESS_KEY_ID",
                    "AWS_ACCESS_KEY_ID") &&
           variable(p->secret_key, sizeof p->secret_key,
                    "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY") &&
           variable(p->token, sizeof p->token, "AWS_SECURITY_TOKEN",
                    "AWS_SESSION_TOKEN") &&
           (p->access_key[0] == '\0') == (p->secret_key[0] == '\0');
}

static int
twin_environment(struct aws_profile *p)
{
    int good = variable(p->region, sizeof p->region, "AWS_REGION",
                        "AWS_DEFAULT_REGION") &&
               variable(p->endpoint, sizeof p->endpoint, "AWS_ENDPOINT_URL_S3",
                        "AWS_ENDPOINT_URL");

    if (p->region[0] == '\0')
        strcpy(p->region, "us-east-1");
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
}

static void
load(const char *profile)
{
    struct aws_profile *p = ef_secret_alloc(sizeof *p, NULL), q;
    ef_err err = {0};
    ef_status rc = aws_load(p, profile, &err);
    int good = twin_load(&q, profile);

    FUZZ_ASSERT((rc == EF_OK) == good);
    if (rc == EF_OK) {
        same(p, &q);
        rc = aws_environment(p, &err);
        good = twin_environment(&q);
        FUZZ_ASSERT((rc == EF_OK) == good);
        if (rc == EF_OK)
            same(p, &q);
    }
    if (rc != EF_OK) {
        FUZZ_ASSERT(err.code == rc && err.msg != NULL && err.where[0] != '\0');
        FUZZ_ASSERT(q.secret_key[0] == '\0' || strlen(q.secret_key) < 8 ||
                    strstr(err.where, q.secret_key) == NULL);
    }
    ef_secret_free(p, sizeof *p);
    FUZZ_ASSERT(watch_held == 0);
}

/* Where a file's variable leads: to the file; with "~" to it by way of HOME;
 * with "-" there is no variable, and at the usual place no file. */
static void
lead(char **value, struct store *s)
{
    char how = *value != NULL ? **value : 0;
    char text[64];

    free(*value);
    *value = NULL;
    snprintf(text, sizeof text, how == '~' ? "~/%d" : "/proc/self/fd/%d",
             s->fd);
    if (how == '-')
        put(s, "none", slice(NULL, 0));
    else
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
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    size_t i, n = slice_find(text, '\n');
    char *profile = fuzz_string(text.p, n);

    text = slice_from(text, n + 1);
    environment(&text);
    n = slice_find(text, '\f');
    put(&credentials, "credentials", slice(text.p, n));
    put(&config, "config", slice_from(text, n + 1));
    lead(&values[8], &credentials);
    lead(&values[9], &config);
    values[10] = strdup("/proc/self/fd");
    FUZZ_REACHED();
    load(profile);
    for (i = 0; i < KNOWN; i++) {
        free(values[i]);
        values[i] = NULL;
    }
    free(profile);
    free(block);
    return 0;
}
