/*
 * Target   times (section 10): ef_time_format, ef_time_parse.
 * Input    text | a time as 8 bytes
 * Claims   a time formats as strftime writes it, clamped to 1970 to 9999, and
 *          parses to the same; a text is a time where it is 1 to 12 digits
 *          within the range, or is what strftime writes for the time that
 *          strptime reads.
 * Covers   ef_time_format ef_time_parse time_is_leap time_days
 *          time_days_before_year time_month_days time_matches time_field
 *          slice_number
 * Seeds    times in fuzz/seeds.py    Dict  fuzz/dict/time.dict
 */
#include <time.h>

#include "twin.h"

#define LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M%SZ"};

/* Number, both forms: each parses to t, and the forms are strftime's. */
static void
formatted(int64_t t)
{
    int64_t back, want = t < 0 ? 0 : t > LAST ? LAST : t;
    char text[EF_TIME_BYTES], twin[64];
    struct tm parts;
    int basic;

    for (basic = 0; basic < 2; basic++) {
        ef_time_format(text, t, basic);
        FUZZ_ASSERT(gmtime_r(&want, &parts) != NULL);
        FUZZ_ASSERT(strftime(twin, sizeof twin, forms[basic], &parts) > 0);
        FUZZ_ASSERT(strcmp(text, twin) == 0);
        FUZZ_ASSERT(ef_time_parse(&back, twin_slice(text, strlen(text)),
                                  NULL) == EF_OK);
        FUZZ_ASSERT(back == want);
    }
    snprintf(twin, sizeof twin, "%lld", (long long)want);
    FUZZ_ASSERT(ef_time_parse(&back, twin_slice(twin, strlen(twin)), NULL) ==
                EF_OK);
    FUZZ_ASSERT(back == want);
}

/* Is text a number within the range? */
static int
is_number(const char *text, size_t n, int64_t *t)
{
    size_t digits = strspn(text, "0123456789");

    if (n < 1 || n > 12 || digits != n)
        return 0;
    *t = strtoll(text, NULL, 10);
    return *t <= LAST;
}

static int
is_form(const char *text, size_t n, const char *form, int64_t *t)
{
    struct tm parts = {0};
    char back[64];
    const char *end = strptime(text, form, &parts);

    if (end == NULL || (size_t)(end - text) != n)
        return 0;
    *t = timegm(&parts);
    return *t >= 0 && *t <= LAST && gmtime_r(t, &parts) != NULL &&
           strftime(back, sizeof back, form, &parts) == n &&
           memcmp(back, text, n) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint64_t t = (uint64_t)fuzz_u32(&in) << 32;
    int64_t got = 0, want = 0;
    void *block;
    ef_slice text;
    char *plain;
    ef_err err = {0};
    ef_status rc;
    int good;

    t |= fuzz_u32(&in);
    text = fuzz_rest(&in, &block);
    plain = fuzz_string(text.p, text.n);
    FUZZ_REACHED();
    formatted((int64_t)t);
    formatted((int64_t)(t % (uint64_t)LAST));
    good = is_number(plain, text.n, &want) ||
           is_form(plain, text.n, forms[0], &want) ||
           is_form(plain, text.n, forms[1], &want);
    rc = ef_time_parse(&got, text, &err);
    FUZZ_ASSERT((rc == EF_OK) == good);
    if (rc == EF_OK)
        FUZZ_ASSERT(got == want);
    else
        fuzz_refused(rc, &err, text.n);
    free(plain);
    free(block);
    return 0;
}
