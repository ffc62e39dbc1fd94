/*
 * Target   XML (section 11): ef_xml_get.
 * Input    text | one byte for fuzz_seldom | which allocation fails | a byte:
 *          which root and element are wanted; from 0xc0 on with so many blanks
 *          at the end that the text is too long, or just not
 * Claims   the status, and the value, are those of a plain twin that cuts the
 *          text up at every '<'; the value is read back from a document of its
 *          own that it is escaped for; who asks for another element of the same
 *          text gets no other status; the text up to the place of a refusal is
 *          wrong nowhere before, and the byte there makes it wrong; without
 *          memory all is the same, or EF_E_MEMORY.
 * Covers   ef_xml_get xml_*
 * Seeds    vectors/xml.txt    Dict  fuzz/dict/xml.dict
 */
#include "twin.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:"
#define SPACES " \t\r\n"

static const char *const roots[] = {"Error", "Result", "a:b", "Code"};
static const char *const names[] = {"Code", "UploadId", "x:y", "_b-c.d"};

/* --- the twin --- */

struct doc {
    const char *root, *name; /* wanted */
    const char *open[EF_MAX_XML_DEPTH];
    size_t open_n[EF_MAX_XML_DEPTH], depth;
    int begun, found, taking;
    char *value; /* room for all of the text */
    size_t n;
};

static int
is_char(uint64_t c)
{
    if (c < 0x20)
        return c == 9 || c == 10 || c == 13;
    return c <= 0x10ffff && c != 0xfffe && c != 0xffff &&
           (c < 0xd800 || c > 0xdfff);
}

static size_t
put(char *out, unsigned long c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 + c / 64);
        out[1] = (char)(0x80 + c % 64);
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 + c / 4096);
        out[1] = (char)(0x80 + c / 64 % 64);
        out[2] = (char)(0x80 + c % 64);
        return 3;
    }
    out[0] = (char)(0xf0 + c / 262144);
    out[1] = (char)(0x80 + c / 4096 % 64);
    out[2] = (char)(0x80 + c / 64 % 64);
    out[3] = (char)(0x80 + c % 64);
    return 4;
}

/* A reference, from its '&': its length, 0 where it is none. */
static size_t
reference(const char *s, unsigned long *c)
{
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;",
                                        "&apos;"};
    int hex = strncmp(s, "&#x", 3) == 0;
    const char *digits = s + (hex ? 3 : 2);
    size_t i, n;

    for (i = 0; i < 5; i++)
        if (strncmp(s, known[i], strlen(known[i])) == 0) {
            *c = (unsigned char)"<>&\"'"[i];
            return strlen(known[i]);
        }
    if (strncmp(s, "&#", 2) != 0)
        return 0;
    n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    if (n == 0 || digits[n] != ';')
        return 0;
    *c = strtoul(digits, NULL, hex ? 16 : 10); /* ULONG_MAX if too much */
    return is_char(*c) ? (size_t)(digits + n + 1 - s) : 0;
}

/* n bytes of text or of an attribute: 0 where they cannot be. They are added
 * to the value where it is taken. */
static int
decode(struct doc *d, const char *s, size_t n)
{
    const char *end = s + n;
    unsigned long c;
    size_t used;

    for (; s < end; s += used) {
        used = 1;
        c = (unsigned char)*s;
        if (c == '&' &&
            ((used = reference(s, &c)) == 0 || used > (size_t)(end - s)))
            return 0;
        if (used == 1 && !is_char(c))
            return 0;
        if (*s == '\r') {
            used += s + 1 < end && s[1] == '\n';
            c = '\n';
        }
        if (strncmp(s, "\xef\xbf\xbe", 3) == 0 ||
            strncmp(s, "\xef\xbf\xbf", 3) == 0)
            return 0;
        if (!d->taking)
            continue;
        if (*s == '&')
            d->n += put(d->value + d->n, c);
        else
            d->value[d->n++] = (char)c;
    }
    return 1;
}

/* Of a name at s: its length, 0 where there is none. */
static size_t
name_length(const char *s)
{
    size_t n = strspn(s, LETTERS "0123456789-.");

    return n > 64 || n == 0 || strchr(LETTERS, *s) == NULL ? 0 : n;
}

/* What follows a start tag's name, up to its '>': *s moves past it. 2: the
 * element ends at once. 0: it is wrong. */
static int
attributes(struct doc *d, const char **s)
{
    int taking = d->taking, good = 1;

    d->taking = 0;
    for (;;) {
        size_t n = strspn(*s, SPACES);
        const char *end;

        *s += n;
        if (**s == '>' || strncmp(*s, "/>", 2) == 0)
            break;
        good = n > 0 && (n = name_length(*s)) > 0;
        if (!good)
            break;
        *s += n;
        *s += strspn(*s, SPACES);
        good = **s == '=';
        if (!good)
            break;
        ++*s;
        *s += strspn(*s, SPACES);
        end = **s == '"' || **s == '\'' ? strchr(*s + 1, **s) : NULL;
        good = end != NULL && decode(d, *s + 1, (size_t)(end - *s) - 1) &&
               memchr(*s, '<', (size_t)(end - *s)) == NULL;
        if (!good)
            break;
        *s = end + 1;
    }
    d->taking = taking;
    if (!good)
        return 0;
    good = **s == '/' ? 2 : 1;
    *s += good;
    return good;
}

static void
close_one(struct doc *d)
{
    if (--d->depth == 1)
        d->taking = 0;
}

/* A start tag, from behind its '<'. */
static ef_status
start_tag(struct doc *d, const char **s)
{
    const char *name = *s;
    size_t n = name_length(name);
    int good;

    if (n == 0 || (d->begun && d->depth == 0) || d->taking)
        return EF_E_FORMAT;
    if (d->depth == EF_MAX_XML_DEPTH)
        return EF_E_LIMIT;
    *s += n;
    good = attributes(d, s);
    if (good == 0)
        return EF_E_FORMAT;
    d->begun = 1;
    d->open[d->depth] = name;
    d->open_n[d->depth++] = n;
    if (d->depth == 2 && !d->found && strlen(d->root) == d->open_n[0] &&
        strncmp(d->root, d->open[0], d->open_n[0]) == 0 &&
        strlen(d->name) == n && strncmp(d->name, name, n) == 0)
        d->found = d->taking = 1;
    if (good == 2)
        close_one(d);
    return EF_OK;
}

/* An end tag, from behind its "</". */
static ef_status
end_tag(struct doc *d, const char **s)
{
    size_t n = name_length(*s);

    if (n == 0 || d->depth == 0 || d->open_n[d->depth - 1] != n ||
        strncmp(d->open[d->depth - 1], *s, n) != 0)
        return EF_E_FORMAT;
    *s += n;
    *s += strspn(*s, SPACES);
    if (*(*s)++ != '>')
        return EF_E_FORMAT;
    close_one(d);
    return EF_OK;
}

/* text: all after the declaration, NUL-terminated. */
static ef_status
read_parts(struct doc *d, char *text)
{
    const char *s = text;
    ef_status rc = EF_OK;
    size_t n;

    for (;;) {
        char *next;

        n = strcspn(s, "<");
        if (d->depth == 0 ? strspn(s, SPACES) != n : !decode(d, s, n))
            return EF_E_FORMAT;
        /* "]]>" in this text? The '<' that ends it is taken out meanwhile */
        next = text + (s - text) + n;
        if (*next == '\0')
            return strstr(s, "]]>") == NULL && d->depth == 0 && d->begun
                       ? EF_OK
                       : EF_E_FORMAT;
        *next = '\0';
        if (strstr(s, "]]>") != NULL)
            return EF_E_FORMAT;
        *next = '<';
        s = next + 1;
        if (*s == '/') {
            s++;
            rc = end_tag(d, &s);
        } else {
            rc = start_tag(d, &s);
        }
        if (rc != EF_OK)
            return rc;
    }
}

static ef_status
twin_get(struct doc *d, ef_slice in)
{
    const unsigned char *end = in.p;
    char *text;
    ef_status rc;

    if (in.n > EF_MAX_XML_BYTES)
        return EF_E_LIMIT;
    if (ef_utf8_check(in, NULL) != EF_OK) /* fuzz_utf8 has its twin */
        return EF_E_FORMAT;
    if (in.n >= 6 && memcmp(in.p, "<?xml ", 6) == 0) {
        end = memmem(in.p + 6, in.n - 6, "?>", 2);
        if (end == NULL)
            return EF_E_FORMAT;
        in.n -= (size_t)(end + 2 - in.p);
        in.p = end + 2;
    }
    text = fuzz_string(in.p, in.n);
    /* a NUL ends it, and can stand nowhere */
    rc = read_parts(d, text);
    if (strlen(text) != in.n && rc == EF_OK)
        rc = EF_E_FORMAT;
    free(text);
    return rc;
}

/* --- what follows from an answer --- */

/* A document with the value in it, and no other white space than blanks. */
static void
reads_back(const ef_buf *value, const char *root, const char *name)
{
    ef_buf text = {0}, back = {0};
    char byte[16];
    size_t i;
    int found;

    snprintf(byte, sizeof byte, "<%s>", root);
    ef_buf_str(&text, byte);
    snprintf(byte, sizeof byte, "<%s>", name);
    ef_buf_str(&text, byte);
    for (i = 0; i < value->n; i++) {
        snprintf(byte, sizeof byte, "&#%u;", value->p[i]);
        if (value->p[i] != 0 && strchr("<>&\r\"\n", value->p[i]) != NULL)
            ef_buf_str(&text, byte);
        else
            ef_buf_byte(&text, value->p[i]);
    }
    snprintf(byte, sizeof byte, "</%s>", name);
    ef_buf_str(&text, byte);
    snprintf(byte, sizeof byte, "</%s>", root);
    ef_buf_str(&text, byte);
    if (text.n <= EF_MAX_XML_BYTES) {
        FUZZ_ASSERT(ef_xml_get(&back, &found, root, name,
                               twin_slice(text.p, text.n), NULL) == EF_OK);
        FUZZ_ASSERT(found == 1);
        FUZZ_ASSERT(twin_same(twin_slice(value->p, value->n), back.p, back.n));
    }
    ef_buf_free(&text);
    ef_buf_free(&back);
}

static ef_status
get(ef_slice text, const char *root, const char *name, ef_err *err)
{
    ef_buf value = {0};
    int found;
    ef_status rc = ef_xml_get(&value, &found, root, name, text, err);

    ef_buf_free(&value);
    return rc;
}

/* As fuzz_range.c has it. That a text is not UTF-8 is told before all else. */
static void
place_is_first(ef_slice text, const char *root, const char *name)
{
    ef_err err = {0}, again = {0};
    ef_status rc = get(text, root, name, &err);
    size_t at = (size_t)err.at;

    fuzz_refused(rc, &err, text.n);
    FUZZ_ASSERT(err.at != EF_NOWHERE);
    if (text.n > EF_MAX_XML_BYTES || strcmp(err.msg, "not UTF-8") == 0 ||
        ef_utf8_check(twin_slice(text.p, at < text.n ? at + 1 : at), NULL) !=
            EF_OK)
        return;
    if (get(twin_slice(text.p, at), root, name, &again) != EF_OK)
        FUZZ_ASSERT(again.at == at);
    /* three bytes that are wrong together */
    if (at < text.n && text.p[at] != ']') {
        FUZZ_ASSERT(get(twin_slice(text.p, at + 1), root, name, &again) == rc);
        FUZZ_ASSERT(again.at == at);
    }
}

static void
compare(ef_slice text, const char *root, const char *name, uint8_t starve)
{
    struct doc d = {.root = root, .name = name};
    ef_buf value = {0}, again = {0};
    int found = -1, other = -1;
    ef_status rc = ef_xml_get(&value, &found, root, name, text, NULL), second;

    d.value = fuzz_block(NULL, text.n + 1);
    FUZZ_ASSERT(rc == twin_get(&d, text));
    FUZZ_ASSERT(found == (rc == EF_OK && d.found));
    if (rc == EF_OK) {
        FUZZ_ASSERT(twin_same(twin_slice(value.p, value.n), d.value, d.n));
        FUZZ_ASSERT(found || value.n == 0);
        /* no element has no name */
        FUZZ_ASSERT(get(text, "", "", NULL) == EF_OK);
        if (found)
            reads_back(&value, root, name);
    } else {
        place_is_first(text, root, name);
    }
    fuzz_alloc_left = starve;
    second = ef_xml_get(&again, &other, root, name, text, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    FUZZ_ASSERT(second != rc || other == found);
    if (second == EF_OK)
        FUZZ_ASSERT(twin_same(twin_slice(value.p, value.n), again.p, again.n));
    ef_buf_free(&value);
    ef_buf_free(&again);
    free(d.value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t which = fuzz_byte(&in), starve = fuzz_byte(&in);
    void *block;
    ef_slice text;

    (void)fuzz_byte(&in); /* fuzz_seldom's */
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (which >= 0xc0 && text.n < EF_MAX_XML_BYTES && fuzz_seldom(data, size))
        text = fuzz_stretch(&block, text, text.n, " ",
                            EF_MAX_XML_BYTES - text.n + (which & 1));
    compare(text, roots[which / 4 % 4], names[which % 4], starve);
    free(block);
    return 0;
}
