/*
 * Target   INI (section 5): ef_ini_get, ef_ini_get_part.
 * Input    text | one byte for fuzz_seldom | a byte: which part of the value is
 *          wanted, or all | a byte: which section and name are wanted; from
 *          0xc0 on with an empty line at the end, so often that the text is
 *          too long
 * Claims   the value, or the line and the reason of a refusal, are those of a
 *          plain twin that takes the lines one by one; so is a part's, which
 *          stands below a name without a value; a value is a slice of the
 *          text; a refusal says a line.
 * Covers   ef_ini_get ef_ini_get_part ini_* ef_utf8_check
 * Seeds    vectors/ini.txt    Dict  ini
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "twin.h"

static const char *const sections[] = {
    "default", "profile upload", "upload", "x", "a-b_c.d", "user1", "b", ""};
static const char *const names[] = {
    "region", "aws_access_key_id", "s3",    "k", "x",
    "n",      "endpoint_url",      "output"};
/* NULL: the name's own value */
static const char *const subs[] = {NULL, "addressing_style", "k",
                                   "endpoint_url"};

enum kind { NOTHING, HEAD, KEY, MORE, WRONG };

/* A line: [head], name = value, or one that goes on after a name. */
struct line {
    enum kind kind;
    size_t indent;
    ef_slice body, name, value; /* trimmed; name: also of a MORE with one */
    unsigned char mark;         /* = or :, 0 where there is none */
};

static ef_slice
trimmed(ef_slice s)
{
    while (s.n > 0 && isspace(s.p[0]))
        s = twin_slice(s.p + 1, s.n - 1);
    while (s.n > 0 && isspace(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The next line of text, without its end: LF, CR LF or CR. */
static ef_slice
cut(ef_slice *text)
{
    ef_slice line = *text;
    size_t used;

    for (line.n = 0; line.n < text->n; line.n++)
        if (strchr("\r\n", text->p[line.n]) != NULL && text->p[line.n] != 0)
            break;
    used = line.n;
    if (used < text->n)
        used += text->n - used > 1 && memcmp(text->p + used, "\r\n", 2) == 0
                    ? 2
                    : 1;
    *text = twin_slice(text->p + used, text->n - used);
    return line;
}

static void
split_name(struct line *l)
{
    size_t i;

    for (i = 0; i < l->body.n && l->mark == 0; i++)
        if (l->body.p[i] == '=' || l->body.p[i] == ':') {
            l->mark = l->body.p[i];
            l->name = trimmed(twin_slice(l->body.p, i));
            l->value =
                trimmed(twin_slice(l->body.p + i + 1, l->body.n - i - 1));
        }
}

static size_t
brackets(ef_slice s)
{
    size_t i, n = 0;

    for (i = 0; i < s.n; i++)
        n += s.p[i] == ']';
    return n;
}

/* What a line is, after those before it: state is 0 before the first head,
 * 1 after a head, 2 after a key. */
static struct line
classify(ef_slice text, int *state)
{
    struct line l = {.kind = NOTHING, .body = trimmed(text)};

    if (l.body.n == 0 || l.body.p[0] == '#' || l.body.p[0] == ';')
        return l;
    l.indent = (size_t)(l.body.p - text.p);
    split_name(&l);
    if (*state == 2 && l.indent > 0) {
        l.kind = MORE;
    } else if (l.body.p[0] == '[') {
        l.kind = brackets(l.body) == 1 ? HEAD : WRONG;
        *state = 1;
    } else {
        l.kind =
            *state > 0 && l.mark != 0 && l.body.p[0] != l.mark ? KEY : WRONG;
        *state = 2;
    }
    return l;
}

static int
is_head(const struct line *l, const char *section)
{
    const unsigned char *end = memchr(l->body.p, ']', l->body.n);

    return twin_same(twin_slice(section, strlen(section)), l->body.p + 1,
                     (size_t)(end - l->body.p - 1));
}

static int
is_named(const struct line *l, const char *name)
{
    return l->mark != 0 && l->name.n == strlen(name) &&
           strncasecmp((const char *)l->name.p, name, l->name.n) == 0;
}

static int
has_comment(ef_slice value)
{
    size_t i;

    for (i = 0; i < value.n; i++)
        if ((value.p[i] == '#' || value.p[i] == ';') &&
            (i == 0 || isspace(value.p[i - 1])))
            return 1;
    return 0;
}

/* White space to Python, and to nobody else. */
static const char *const odd_blanks[] = {
    "\x1c",         "\x1d",         "\x1e",         "\x1f",
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80",
    "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
    "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9",
    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

static int
has_odd_end(ef_slice s)
{
    size_t i, n;

    for (i = 0; i < sizeof odd_blanks / sizeof *odd_blanks; i++) {
        n = strlen(odd_blanks[i]);
        if (s.n >= n && (memcmp(s.p, odd_blanks[i], n) == 0 ||
                         memcmp(s.p + s.n - n, odd_blanks[i], n) == 0))
            return 1;
    }
    return 0;
}

/* The answer so far. doubt: the line of a value that is read in different
 * ways. */
struct answer {
    ef_slice value;
    int heads, keys, values, inside, on_key;
    int in_defaults; /* Python's section for the defaults of all */
    int parted;      /* the key above has no value, and parts are wanted */
    size_t indent;   /* of the key above */
    uint64_t wrong, doubt, key_line, default_line;
};

struct wanted {
    const char *section, *name, *sub;
};

/* What was looked for, on line i. */
static void
keep(struct answer *a, const struct line *l, uint64_t i)
{
    if (a->values++ > 0) {
        a->wrong = i;
        return;
    }
    a->value = l->value;
    a->key_line = i;
    /* a doubt from a line above is now about this one */
    if (l->mark == ':' || has_comment(l->value) || has_odd_end(l->value) ||
        a->doubt != 0)
        a->doubt = i;
}

/* A key, on line i. */
static void
ask_key(struct answer *a, const struct line *l, uint64_t i,
        const struct wanted *w)
{
    a->indent = l->indent;
    if (a->in_defaults && is_named(l, w->name))
        a->default_line = i;
    a->on_key = a->inside && is_named(l, w->name);
    a->keys += a->on_key;
    if ((a->inside && has_odd_end(l->name)) || (a->on_key && a->keys > 1))
        a->wrong = i;
    if (!a->on_key || a->wrong != 0)
        return;
    a->parted = w->sub != NULL && l->value.n == 0;
    a->key_line = i;
    if (w->sub == NULL)
        keep(a, l, i);
    else if (a->doubt != 0)
        a->doubt = i;
}

/* A line that goes on below the name, indented further: as botocore has it, a
 * part in each, NAME = VALUE. */
static void
ask_part(struct answer *a, const struct line *l, uint64_t i,
         const struct wanted *w)
{
    if (!a->parted)
        return;
    if (memchr(l->body.p, '=', l->body.n) == NULL || l->body.p[0] == '=' ||
        l->body.p[0] == ':')
        a->wrong = i;
    else if (is_named(l, w->sub))
        keep(a, l, i);
}

/* Line i, from 1. */
static void
ask(struct answer *a, const struct line *l, uint64_t i, const struct wanted *w)
{
    if (l->kind == HEAD) {
        a->inside = is_head(l, w->section);
        a->in_defaults = is_head(l, "DEFAULT");
        a->heads += a->inside;
        a->on_key = 0;
        if (a->inside && a->heads > 1)
            a->wrong = i;
    } else if (l->kind == KEY) {
        ask_key(a, l, i, w);
    } else if (l->kind == MORE && w->sub != NULL && a->on_key &&
               l->indent > a->indent) {
        ask_part(a, l, i, w);
    } else if (l->kind == MORE) {
        /* the value goes on, for some; or a key or a head for others */
        if (a->on_key && a->doubt == 0)
            a->doubt = a->key_line;
        if (l->indent <= a->indent && l->body.p[0] == '[')
            a->wrong = i;
        else if (l->indent <= a->indent && a->inside && is_named(l, w->name))
            a->doubt = i;
    } else if (l->kind == WRONG) {
        a->wrong = i;
    }
}

/* Lines up to and with the one that holds the byte at. */
static uint64_t
line_of(ef_slice text, size_t at)
{
    const unsigned char *byte = text.p + at;
    uint64_t n = 0;

    while (text.n > 0 && text.p <= byte) {
        (void)cut(&text);
        n++;
    }
    return n;
}

static struct answer
twin_get(const struct wanted *w, ef_slice text)
{
    struct answer a = {.wrong = 0};
    ef_err err = {0};
    uint64_t i;
    int state = 0;

    if (ef_utf8_check(text, &err) != EF_OK) /* fuzz_utf8 has its twin */
        a.wrong = line_of(text, (size_t)err.at);
    for (i = 1; text.n > 0 && a.wrong == 0; i++) {
        struct line l = classify(cut(&text), &state);

        ask(&a, &l, i, w);
    }
    return a;
}

static void
compare(const struct answer *want, const struct wanted *w, ef_slice text)
{
    ef_slice value = {NULL, 1};
    int found = -1;
    ef_err err = {0};
    ef_status rc =
        w->sub == NULL
            ? ef_ini_get(&value, &found, w->section, w->name, text, &err)
            : ef_ini_get_part(&value, &found, w->section, w->name, w->sub, text,
                              &err);
    uint64_t line = want->wrong != 0 ? want->wrong : want->doubt;

    /* a default of some readers alone */
    if (line == 0 && want->values == 0 && want->heads > 0)
        line = want->default_line;
    if (text.n > EF_MAX_INI_BYTES) {
        FUZZ_ASSERT(rc == EF_E_LIMIT && err.at == EF_MAX_INI_BYTES);
        return;
    }
    FUZZ_ASSERT(rc == (line != 0 ? EF_E_FORMAT : EF_OK));
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(err.line == line && value.p == NULL && value.n == 0);
        return;
    }
    FUZZ_ASSERT(found == want->heads);
    FUZZ_ASSERT((value.p != NULL) == (want->values > 0));
    FUZZ_ASSERT(value.n == want->value.n);
    FUZZ_ASSERT(value.n == 0 || value.p == want->value.p);
    FUZZ_ASSERT(value.p == NULL ||
                (value.p >= text.p && value.p + value.n <= text.p + text.n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t which = fuzz_byte(&in);
    struct wanted w = {sections[which / 8 % 8], names[which % 8],
                       subs[fuzz_byte(&in) % 4]};
    void *block;
    ef_slice text;
    struct answer want;

    (void)fuzz_byte(&in); /* fuzz_seldom's */
    text = fuzz_rest(&in, &block);
    FUZZ_REACHED();
    if (which >= 0xc0 && fuzz_seldom(data, size))
        text = fuzz_stretch(&block, text, text.n, "\n", EF_MAX_INI_BYTES);
    want = twin_get(&w, text);
    compare(&want, &w, text);
    free(block);
    return 0;
}
