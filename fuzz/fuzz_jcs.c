/*
 * Target   canonical JSON (section 3): ef_json_canonical, ef_json_number.
 * Input    text | a double, 8 bytes | the n-th allocation fails (0: none)
 * Claims   the canonical form is the one that a plain twin writes from
 *          jansson's values, and its own canonical form; a number reads back,
 *          has the fewest digits that do, the closest of these, and the layout
 *          that ECMAScript gives it; without memory, or past the buffer's
 *          limit, nothing is said to be whole.
 * Covers   ef_json_canonical json_canonical_* json_quote_cp utf8_put
 *          ef_json_number json_shortest json_digits_up json_sort json_sift
 *          json_children json_utf16_rank json_name_cmp json_member_cmp
 * Seeds    vectors/jcs.txt json_accept.txt numbers.txt    Dict  json
 */
#include <math.h>

#include "fuzz.h"
#include "json_twin.h"

/* --- numbers: RFC 8785 3.2.2.3 --- */

/* A number as digits (no zero first or last) times 10 to the power of exp. */
struct decimal {
    unsigned long long digits;
    int n, exp;
};

/* Take a number's text apart. 0 where it is not of the form D+(.D+)?(eE)? */
static int
take_apart(struct decimal *d, const char *s)
{
    int point = 0, before = 0, i = 0, last = 0;
    char *end = (char *)(uintptr_t)s;

    *d = (struct decimal){0, 0, 0};
    for (; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++) {
        point |= *s == '.';
        if (*s == '.')
            continue;
        before += !point;
        i++;
        if (*s == '0') /* perhaps only zeros follow */
            continue;
        for (; last < i; last++)
            d->digits *= 10;
        d->digits += (unsigned)(*s - '0');
    }
    if (*s == 'e')
        d->exp = (int)strtol(s + 1, &end, 10);
    d->exp += before - last;
    d->n = snprintf(NULL, 0, "%llu", d->digits);
    return *s == 'e' ? *end == '\0' : *s == '\0';
}

static double
value_of(unsigned long long digits, int exp)
{
    char text[40];

    snprintf(text, sizeof text, "%llue%d", digits, exp);
    return strtod(text, NULL);
}

static long double
distance(unsigned long long digits, int exp, double x)
{
    char text[40];

    snprintf(text, sizeof text, "%llue%d", digits, exp);
    return fabsl(strtold(text, NULL) - (long double)x);
}

/* No shorter number reads back as x, and none of this length is closer. The
 * candidates are the neighbours of x cut to so many digits. */
static void
shortest_and_closest(struct decimal d, double x)
{
    unsigned long long cut = d.digits / 10;

    if (d.n > 1) {
        FUZZ_ASSERT(value_of(cut, d.exp + 1) != x);
        FUZZ_ASSERT(value_of(cut + 1, d.exp + 1) != x);
    }
    FUZZ_ASSERT(value_of(d.digits - 1, d.exp) != x ||
                distance(d.digits - 1, d.exp, x) >=
                    distance(d.digits, d.exp, x));
    FUZZ_ASSERT(value_of(d.digits + 1, d.exp) != x ||
                distance(d.digits + 1, d.exp, x) >=
                    distance(d.digits, d.exp, x));
}

/* The layout, ECMA-262 Number::toString steps 6 to 10. */
static void
layout(const struct decimal *d, const char *s)
{
    char digits[24], want[64] = "", *p = want;
    int n = d->n + d->exp; /* where the point goes */

    snprintf(digits, sizeof digits, "%llu", d->digits);
    if (d->exp >= 0 && n <= 21) {
        p += sprintf(p, "%s", digits);
        memset(p, '0', (size_t)d->exp);
    } else if (n > 0 && n <= 21) {
        sprintf(p, "%.*s.%s", n, digits, digits + n);
    } else if (n > -6 && n <= 0) {
        p += sprintf(p, "0.");
        memset(p, '0', (size_t)-n);
        strcat(p, digits);
    } else {
        sprintf(p, "%c%s%se%+d", digits[0], d->n > 1 ? "." : "", digits + 1,
                n - 1);
    }
    FUZZ_ASSERT(strcmp(s, want) == 0);
}

static void
number(double x)
{
    char out[EF_JSON_NUMBER_BYTES];
    size_t n;
    struct decimal d;

    if (!isfinite(x))
        x = 0; /* not ef_json_number's to print */
    n = ef_json_number(out, x);
    FUZZ_ASSERT(n < sizeof out && out[n] == '\0' && strlen(out) == n);
    FUZZ_ASSERT(strtod(out, NULL) == x && (out[0] == '-') == (x < 0));
    FUZZ_ASSERT(x != 0 || strcmp(out, "0") == 0);
    if (x == 0)
        return;
    FUZZ_ASSERT(take_apart(&d, out + (x < 0)) && d.n <= 17);
    layout(&d, out + (x < 0));
    shortest_and_closest(d, fabs(x));
}

/* --- documents --- */

static void
twin_string(ef_buf *out, const char *s, size_t n)
{
    size_t i;

    ef_buf_byte(out, '"');
    for (i = 0; i < n; i++) {
        char text[8];
        const char *hit =
            s[i] != 0 ? strchr("\bb\tt\nn\ff\rr\"\"\\\\", s[i]) : NULL;

        /* the list holds pairs: what stands at an even place is escaped */
        snprintf(text, sizeof text, "\\u%04x", (unsigned)s[i] & 255);
        if (s[i] == '"' || s[i] == '\\' || (hit != NULL && s[i] < 0x20))
            snprintf(text, sizeof text, "\\%c", hit[1]);
        else if ((s[i] & 255) >= 0x20)
            snprintf(text, sizeof text, "%c", s[i]);
        ef_buf_str(out, text);
    }
    ef_buf_byte(out, '"');
}

/* Well-formed UTF-8 as UTF-16, each unit as two bytes, high one first. */
static ef_buf
utf16(const char *s, size_t n)
{
    ef_buf out = {0};
    size_t i, k;

    for (i = 0; i < n; i += k) {
        unsigned c = (unsigned)s[i] & 255, cp;

        k = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        cp = k == 1 ? c : c % (1u << (7 - k));
        for (size_t j = 1; j < k; j++)
            cp = cp * 64 + ((unsigned)s[i + j] & 63);
        if (cp > 0xffff) {
            unsigned high = 0xd800 + (cp - 0x10000) / 1024;

            ef_buf_byte(&out, (unsigned char)(high / 256));
            ef_buf_byte(&out, (unsigned char)(high % 256));
            cp = 0xdc00 + cp % 1024;
        }
        ef_buf_byte(&out, (unsigned char)(cp / 256));
        ef_buf_byte(&out, (unsigned char)(cp % 256));
    }
    return out;
}

static int
by_utf16(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    ef_buf p = utf16(*x, strlen(*x)), q = utf16(*y, strlen(*y));
    size_t n = p.n < q.n ? p.n : q.n;
    int order = n > 0 ? memcmp(p.p, q.p, n) : 0;

    order = order != 0 ? order : (p.n > q.n) - (p.n < q.n);
    ef_buf_free(&p);
    ef_buf_free(&q);
    return order;
}

static void twin_value(ef_buf *out, json_t *v);

/* jansson gives no name that holds a NUL: json_twin.h. */
static void
twin_object(ef_buf *out, json_t *v)
{
    size_t n = json_object_size(v), i = 0;
    const char **names = fuzz_block(NULL, n * sizeof *names), *name;
    json_t *child;

    json_object_foreach(v, name, child) names[i++] = name;
    qsort(names, n, sizeof *names, by_utf16);
    ef_buf_byte(out, '{');
    for (i = 0; i < n; i++) {
        if (i > 0)
            ef_buf_byte(out, ',');
        twin_string(out, names[i], strlen(names[i]));
        ef_buf_byte(out, ':');
        twin_value(out, json_object_get(v, names[i]));
    }
    ef_buf_byte(out, '}');
    free(names);
}

static void
twin_value(ef_buf *out, json_t *v)
{
    char text[EF_JSON_NUMBER_BYTES];
    size_t i;

    if (json_is_object(v)) {
        twin_object(out, v);
    } else if (json_is_array(v)) {
        for (i = 0; i < json_array_size(v); i++) {
            ef_buf_byte(out, i > 0 ? ',' : '[');
            twin_value(out, json_array_get(v, i));
        }
        ef_buf_str(out, i > 0 ? "]" : "[]");
    } else if (json_is_string(v)) {
        twin_string(out, json_string_value(v), json_string_length(v));
    } else if (json_is_number(v)) {
        number(json_number_value(v));
        ef_json_number(text, json_number_value(v));
        ef_buf_str(out, text);
    } else {
        ef_buf_str(out, json_is_null(v)   ? "null"
                        : json_is_true(v) ? "true"
                                          : "false");
    }
}

/* With a failing allocation, and into a buffer that is too small. */
static void
not_whole(const ef_json *doc, size_t n, uint8_t budget)
{
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    fuzz_alloc_left = budget;
    rc = ef_json_canonical(doc, 0, &out, &err);
    FUZZ_ASSERT(rc == (fuzz_alloc_failed(budget) ? EF_E_MEMORY : EF_OK));
    ef_buf_free(&out);
    out = (ef_buf){.max = n - 1};
    if (n > 1) /* max 0 is no limit */
        FUZZ_ASSERT(ef_json_canonical(doc, 0, &out, &err) == EF_E_MEMORY);
    ef_buf_free(&out);
}

static void
document(ef_slice text, uint8_t budget)
{
    int nul_name;
    json_t *v = json_twin(text, &nul_name);
    ef_buf out = {0}, want = {0}, again = {0};
    ef_json doc, back;

    if (ef_json_parse(&doc, text, NULL) == EF_OK) {
        FUZZ_ASSERT(ef_json_canonical(&doc, 0, &out, NULL) == EF_OK);
        if (v != NULL)
            twin_value(&want, v);
        FUZZ_ASSERT(v == NULL ||
                    twin_same(twin_slice(out.p, out.n), want.p, want.n));
        FUZZ_ASSERT(ef_json_parse(&back, twin_slice(out.p, out.n), NULL) ==
                    EF_OK);
        FUZZ_ASSERT(ef_json_canonical(&back, 0, &again, NULL) == EF_OK);
        FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), again.p, again.n));
        ef_json_free(&back);
        not_whole(&doc, out.n, budget);
    }
    ef_json_free(&doc);
    ef_buf_free(&again);
    ef_buf_free(&want);
    ef_buf_free(&out);
    json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t budget = fuzz_byte(&in);
    double x;
    void *block;
    ef_slice text;

    fuzz_bytes(&in, &x, sizeof x);
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    number(x);
    document(text, budget);
    free(block);
    return 0;
}
