/*
 * Target   measurements as JSON (section 15): ef_measurement_parse,
 *          ef_measurement_print, ef_measurement_is_debug.
 * Input    text | which allocation fails | a byte for fuzz_seldom, with which
 *          so many blanks follow that the text is too long, or just not. The
 *          same bytes are also printed as registers.
 * Claims   accepted is what jansson finds so: the members, their types, 96
 *          hex digits of each register, and not only zeros; the registers
 *          are those digits; what is printed parses to the same and is in
 *          canonical form; without memory all is the same, or EF_E_MEMORY.
 * Covers   ef_measurement_* pcr_only pcr_known pcr_text pcr_member pcr_set
 *          pcr_read pcr_debug
 * Seeds    vectors/measurements.txt    Dict  fuzz/dict/measurement.dict
 */
#include <jansson.h>

#include "twin.h"

static const char *const names[] = {"PCR0", "PCR1", "PCR2", "PCR8",
                                    "HashAlgorithm"};

/* --- the twin --- */

/* 96 digits of hex to a register. */
static int
digits(unsigned char out[EF_PCR_BYTES], const json_t *text)
{
    const char *s = json_string_value(text);
    size_t i;

    if (s == NULL || json_string_length(text) != 96 ||
        strspn(s, "0123456789abcdefABCDEF") != 96)
        return 0;
    for (i = 0; i < EF_PCR_BYTES; i++) {
        char two[3] = {s[2 * i], s[2 * i + 1], '\0'};

        out[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return 1;
}

static int
zeros(const unsigned char *p, size_t n)
{
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n == 0;
}

static ef_status
twin_parse(ef_measurement *m, const json_t *document)
{
    unsigned char *to[] = {m->pcr0, m->pcr1, m->pcr2, m->pcr8};
    const json_t *set = json_object_get(document, "Measurements"), *member;
    size_t i, known = 0;

    if (set == NULL)
        set = document;
    if (!json_is_object(document) || !json_is_object(set))
        return EF_E_FORMAT;
    for (i = 0; i < 5; i++) {
        member = json_object_get(set, names[i]);
        known += member != NULL;
        if (member == NULL ? i < 3
            : i < 4        ? !digits(to[i], member)
                           : !json_is_string(member) ||
                          strncmp(json_string_value(member), "Sha384", 6) != 0)
            return EF_E_FORMAT;
        if (i == 3)
            m->has_pcr8 = member != NULL;
    }
    if (json_object_size(set) != known)
        return EF_E_FORMAT;
    return zeros(m->pcr0, 48) && zeros(m->pcr1, 48) && zeros(m->pcr2, 48)
               ? EF_E_POLICY
               : EF_OK;
}

/* --- claims --- */

static void
printed(const ef_measurement *m)
{
    int debug = zeros(m->pcr0, 48) && zeros(m->pcr1, 48) && zeros(m->pcr2, 48);
    ef_measurement back = {.has_pcr8 = 0};
    ef_buf out = {0}, canonical = {0};
    ef_json doc;
    ef_status rc;

    FUZZ_ASSERT(ef_measurement_is_debug(m) == debug);
    ef_measurement_print(&out, m);
    rc = ef_measurement_parse(&back, twin_slice(out.p, out.n), NULL);
    FUZZ_ASSERT(rc == (debug ? EF_E_POLICY : EF_OK));
    FUZZ_ASSERT(debug || memcmp(m, &back, sizeof back) == 0);
    FUZZ_ASSERT(ef_json_parse(&doc, twin_slice(out.p, out.n), NULL) == EF_OK);
    FUZZ_ASSERT(ef_json_canonical(&doc, 0, &canonical, NULL) == EF_OK);
    FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), canonical.p, canonical.n));
    ef_json_free(&doc);
    ef_buf_free(&canonical);
    ef_buf_free(&out);
}

/* jansson has no room for numbers past a double or an int64, nor for a NUL in
 * a member's name: then nothing is known of the document. */
static void
compare(ef_slice text, ef_status rc, const ef_measurement *got)
{
    ef_measurement want = {.has_pcr8 = 0};
    json_error_t why;
    json_t *document;
    ef_json doc;
    ef_status parsed = ef_json_parse(&doc, text, NULL);

    ef_json_free(&doc);
    if (text.n > EF_MAX_MEASUREMENT_BYTES) {
        FUZZ_ASSERT(rc == EF_E_LIMIT);
        return;
    }
    if (parsed != EF_OK) {
        FUZZ_ASSERT(rc == parsed);
        return;
    }
    document = json_loadb((const char *)text.p, text.n,
                          JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (document != NULL) {
        FUZZ_ASSERT(rc == twin_parse(&want, document));
        FUZZ_ASSERT(rc != EF_OK || memcmp(got, &want, sizeof want) == 0);
    }
    json_decref(document);
}

static void
parse(ef_slice text, uint8_t starve)
{
    ef_measurement m = {.has_pcr8 = 0}, again = m;
    ef_err err = {0};
    ef_status rc = ef_measurement_parse(&m, text, &err), second;

    compare(text, rc, &m);
    if (rc == EF_OK)
        printed(&m);
    else
        fuzz_refused(rc, &err, text.n);
    FUZZ_ASSERT(rc == EF_OK || zeros((void *)&m, sizeof m));
    fuzz_alloc_left = starve;
    second = ef_measurement_parse(&again, text, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    FUZZ_ASSERT(second != EF_OK || memcmp(&m, &again, sizeof m) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t starve = fuzz_byte(&in);
    ef_measurement m = {.has_pcr8 = size % 2 != 0};
    void *block;
    ef_slice text;

    (void)fuzz_byte(&in); /* fuzz_seldom's */
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    memcpy(m.pcr0, text.p, text.n < 48 ? text.n : 48);
    memcpy(m.pcr2, text.p, text.n < 24 ? text.n : 24);
    if (m.has_pcr8)
        memcpy(m.pcr8, m.pcr0, 48);
    printed(&m);
    if (text.n < EF_MAX_MEASUREMENT_BYTES && fuzz_seldom(data, size))
        text = fuzz_stretch(&block, text, text.n, " ",
                            EF_MAX_MEASUREMENT_BYTES - text.n + (starve & 1));
    parse(text, starve);
    free(block);
    return 0;
}
