/*
 * Target   fields of a head (section 11): ef_content_range_parse,
 *          ef_etag_parse.
 * Input    text
 * Claims   what is a range of bytes, and which, is what POSIX's regular
 *          expressions and strtoull make of it, and is read back from what
 *          printf writes; what is an entity tag is told by the bytes in it, and
 *          the tag is the end of the text; where a refusal says a place, the
 *          text up to there is wrong nowhere before, and the byte there makes
 *          it wrong.
 * Covers   ef_content_range_parse ef_etag_parse http_digits http_byte
 *          http_range_total
 * Seeds    vectors/content_ranges.txt vectors/etags.txt
 * Dict     fuzz/dict/range.dict
 */
#include <regex.h>

#include "twin.h"

/* --- a range of bytes --- */

static uint64_t
number(const char *text, regmatch_t m)
{
    return strtoull(text + m.rm_so, NULL, 10);
}

/* 1 where text, which has n bytes, is a range that can be. */
static int
twin_range(ef_content_range *out, const char *text, size_t n)
{
    static regex_t some, none;
    static int ready;
    regmatch_t m[4];

    if (!ready) {
        FUZZ_ASSERT(regcomp(&some,
                            "^bytes ([0-9]{1,18})-([0-9]{1,18})/"
                            "([*]|[0-9]{1,18})$",
                            REG_EXTENDED | REG_ICASE) == 0);
        FUZZ_ASSERT(regcomp(&none, "^bytes [*]/([0-9]{1,18})$",
                            REG_EXTENDED | REG_ICASE) == 0);
        ready = 1;
    }
    if (strlen(text) != n)
        return 0;
    *out = (ef_content_range){0, 0, EF_UNKNOWN, 0};
    if (regexec(&none, text, 4, m, 0) == 0) {
        out->total = number(text, m[1]);
        return 1;
    }
    if (regexec(&some, text, 4, m, 0) != 0)
        return 0;
    out->satisfied = 1;
    out->first = number(text, m[1]);
    out->last = number(text, m[2]);
    if (text[m[3].rm_so] != '*')
        out->total = number(text, m[3]);
    return out->first <= out->last &&
           (out->total == EF_UNKNOWN || out->last < out->total);
}

static int
same_range(const ef_content_range *a, const ef_content_range *b)
{
    return a->first == b->first && a->last == b->last && a->total == b->total &&
           a->satisfied == b->satisfied;
}

static void
range_reads_back(const ef_content_range *r)
{
    char text[128], total[32] = "*";
    ef_content_range back;

    if (r->total != EF_UNKNOWN)
        snprintf(total, sizeof total, "%llu", (unsigned long long)r->total);
    if (r->satisfied)
        snprintf(text, sizeof text, "bytes %llu-%llu/%s",
                 (unsigned long long)r->first, (unsigned long long)r->last,
                 total);
    else
        snprintf(text, sizeof text, "bytes */%s", total);
    FUZZ_ASSERT(ef_content_range_parse(&back, twin_slice(text, strlen(text)),
                                       NULL) == EF_OK);
    FUZZ_ASSERT(same_range(&back, r));
}

static ef_status
parse_range(ef_slice text, ef_err *err)
{
    ef_content_range r;

    return ef_content_range_parse(&r, text, err);
}

/* --- an entity tag --- */

/* Where its quoted part begins, or -1. */
static int
twin_etag(ef_slice text)
{
    int weak = text.n >= 2 && memcmp(text.p, "W/", 2) == 0;
    size_t i, begin = weak ? 2 : 0;

    if (text.n < begin + 2 || text.p[begin] != '"' || text.p[text.n - 1] != '"')
        return -1;
    for (i = begin + 1; i < text.n - 1; i++)
        if (text.p[i] <= ' ' || text.p[i] == '"' || text.p[i] == 0x7f)
            return -1;
    return (int)begin;
}

static ef_status
parse_etag(ef_slice text, ef_err *err)
{
    ef_slice tag;
    int weak;

    return ef_etag_parse(&tag, &weak, text, err);
}

/* --- both --- */

/* The text is refused. Cut off before the place it is good, or wrong where it
 * ends; cut off after the place it is wrong there. */
static void
place_is_first(ef_status (*parse)(ef_slice text, ef_err *err), ef_slice text)
{
    ef_err err = {0}, again = {0};
    ef_status rc = parse(text, &err);
    size_t at = (size_t)err.at;

    fuzz_refused(rc, &err, text.n);
    if (rc != EF_E_FORMAT || err.at == EF_NOWHERE)
        return;
    if (parse(twin_slice(text.p, at), &again) != EF_OK)
        FUZZ_ASSERT(again.at == at || again.at == EF_NOWHERE);
    if (at < text.n) {
        FUZZ_ASSERT(parse(twin_slice(text.p, at + 1), &again) == rc);
        FUZZ_ASSERT(again.at == at);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice text = fuzz_rest(&in, &block), tag;
    char *plain = fuzz_string(text.p, text.n);
    ef_content_range range, want;
    int weak, begin;
    ef_status rc;

    FUZZ_REACHED();
    rc = ef_content_range_parse(&range, text, NULL);
    FUZZ_ASSERT((rc == EF_OK) == twin_range(&want, plain, text.n));
    if (rc == EF_OK) {
        FUZZ_ASSERT(same_range(&range, &want));
        range_reads_back(&range);
    } else {
        place_is_first(parse_range, text);
    }
    rc = ef_etag_parse(&tag, &weak, text, NULL);
    begin = twin_etag(text);
    FUZZ_ASSERT(rc == (text.n > EF_MAX_ETAG_BYTES ? EF_E_LIMIT
                       : begin < 0                ? EF_E_FORMAT
                                                  : EF_OK));
    if (rc == EF_OK)
        FUZZ_ASSERT(weak == (begin > 0) && tag.p == text.p + begin &&
                    tag.n == text.n - (size_t)begin);
    else
        place_is_first(parse_etag, text);
    free(plain);
    free(block);
    return 0;
}
