/*
 * Target   HTTP dates (section 10): ef_http_date_parse.
 * Input    text | now as 8 bytes | a time as 8 bytes
 * Claims   a text is a date, and which, where the C library reads it, and the
 *          date that it has read is written in the same way; a time of a year
 *          from 1 to 9999 is read back from each form, from RFC 850's where
 *          it is within 49 years of now; a refusal says no place.
 * Covers   ef_http_date_parse time_weekday time_matches time_name time_form_of
 *          time_century
 * Seeds    vectors/http_dates.txt    Dict  fuzz/dict/http_date.dict
 */
#include <time.h>

#include "twin.h"

#define FIRST (-INT64_C(62135596800)) /* 0001-01-01T00:00:00Z */
#define LAST INT64_C(253402300799)    /* 9999-12-31T23:59:59Z */

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum form { IMF, RFC850, ASCTIME, FORMS };

static const char *const reading[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                      "%a, %d-%b-%y %H:%M:%S GMT",
                                      "%a %b %d %H:%M:%S %Y"};

static void
write_date(char out[64], enum form form, const struct tm *t)
{
    const char *day = days[t->tm_wday], *month = months[t->tm_mon];
    int year = t->tm_year + 1900;
    char clock[32];

    snprintf(clock, sizeof clock, "%02d:%02d:%02d", t->tm_hour, t->tm_min,
             t->tm_sec);
    if (form == IMF)
        snprintf(out, 64, "%.3s, %02d %s %04d %s GMT", day, t->tm_mday, month,
                 year, clock);
    else if (form == RFC850)
        snprintf(out, 64, "%s, %02d-%s-%02d %s GMT", day, t->tm_mday, month,
                 year % 100, clock);
    else
        snprintf(out, 64, "%.3s %s %2d %s %04d", day, month, t->tm_mday, clock,
                 year);
}

static int
year_of(int64_t t)
{
    struct tm parts;

    t = t < 0 ? 0 : t > LAST ? LAST : t;
    FUZZ_ASSERT(gmtime_r(&t, &parts) != NULL);
    return parts.tm_year + 1900;
}

/* The year that two digits mean. */
static int
full_year(int digits, int64_t now)
{
    int this = year_of(now), year = this - this % 100 + digits;

    return year > this + 50 ? year - 100 : year;
}

/* strptime is lenient: only what is written in the same way counts. */
static int
twin_read(const char *text, size_t n, enum form form, int64_t now, int64_t *t)
{
    struct tm parts = {0}, back;
    char again[64];
    const char *end = strptime(text, reading[form], &parts);
    int leap = parts.tm_sec == 60;

    if (end == NULL || (size_t)(end - text) != n)
        return 0;
    if (form == RFC850)
        parts.tm_year = full_year(parts.tm_year % 100, now) - 1900;
    if (parts.tm_year < 1 - 1900)
        return 0;
    parts.tm_sec -= leap;
    *t = timegm(&parts);
    FUZZ_ASSERT(gmtime_r(t, &back) != NULL);
    back.tm_sec += leap;
    *t += leap;
    write_date(again, form, &back);
    /* asctime's day may have a zero in place of the blank */
    if (form == ASCTIME && again[8] == ' ' && n > 8 && text[8] == '0')
        again[8] = '0';
    return strlen(again) == n && memcmp(again, text, n) == 0;
}

static void
reads_back(int64_t t, int64_t now, enum form form)
{
    struct tm parts;
    char text[64];
    int64_t back;

    FUZZ_ASSERT(gmtime_r(&t, &parts) != NULL);
    write_date(text, form, &parts);
    FUZZ_ASSERT(ef_http_date_parse(&back, twin_slice(text, strlen(text)), now,
                                   NULL) == EF_OK);
    FUZZ_ASSERT(back == t);
}

/* A time within 49 years of now, which is taken for one from 1970 to 9999;
 * but not of the next century: two digits mean this one or the one before. */
static void
reads_back_near(int64_t t, int64_t now)
{
    t = t % (INT64_C(49) * 365 * 86400);
    t += now < 0 ? 0 : now > LAST ? LAST : now;
    if (t >= 0 && t <= LAST && year_of(t) / 100 <= year_of(now) / 100)
        reads_back(t, now, RFC850);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint64_t t = (uint64_t)fuzz_u32(&in) << 32, past = fuzz_u32(&in);
    uint64_t now = (uint64_t)fuzz_u32(&in) << 32;
    int64_t got = 0, want = 0;
    int form, good = 0;
    void *block;
    ef_slice text;
    char *plain;
    ef_err err = {0};
    ef_status rc;

    t |= past;
    now |= fuzz_u32(&in);
    text = fuzz_rest(&in, &block);
    plain = fuzz_string(text.p, text.n);
    FUZZ_REACHED();
    past = t % (uint64_t)(LAST - FIRST + 1);
    reads_back(FIRST + (int64_t)past, (int64_t)now, IMF);
    reads_back(FIRST + (int64_t)past, (int64_t)now, ASCTIME);
    reads_back_near((int64_t)t, (int64_t)now);
    for (form = 0; form < FORMS && !good; form++)
        good = twin_read(plain, text.n, (enum form)form, (int64_t)now, &want);
    rc = ef_http_date_parse(&got, text, (int64_t)now, &err);
    FUZZ_ASSERT((rc == EF_OK) == good);
    if (rc == EF_OK) {
        FUZZ_ASSERT(got == want);
    } else {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(rc == EF_E_FORMAT && err.at == EF_NOWHERE);
    }
    free(plain);
    free(block);
    return 0;
}
