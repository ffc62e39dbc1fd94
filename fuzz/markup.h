/*
 * markup.h -- is this HTML, or XML, of ours and no one else's?
 *
 * Everything that begins with '<' must be a tag on the target's list, closed
 * in order; attributes are quoted, none is a handler, links lead to cards of
 * the page, or are https or mailto; '&' begins one of five escapes; and no
 * control or direction character is in it.
 */
#ifndef ENCFLOW_MARKUP_H
#define ENCFLOW_MARKUP_H

#include "fuzz.h"

#define MARKUP_DEPTH 64

struct markup {
    const char *tags;   /* " p em " */
    const char *voids;  /* " br hr ": they have no end */
    const char *blocks; /* " p ul ": not inside of others than nests */
    const char *nests;  /* " li blockquote " */
    ef_slice open[MARKUP_DEPTH];
    size_t depth;
};

/* Is the word in the list, whose words have a blank on both sides? */
static inline int
markup_in(const char *list, ef_slice word)
{
    char text[40] = " ";

    if (word.n == 0 || word.n > sizeof text - 3)
        return 0;
    memcpy(text + 1, word.p, word.n);
    text[word.n + 1] = ' ';
    return strstr(list, text) != NULL;
}

static inline int
markup_begins(ef_slice in, const char *s)
{
    return in.n >= strlen(s) && memcmp(in.p, s, strlen(s)) == 0;
}

static inline ef_slice
markup_skip(ef_slice in, size_t n)
{
    return (ef_slice){in.p + n, in.n - n};
}

/* Bytes up to one of the stops, all of which must be there. */
static inline size_t
markup_until(ef_slice in, const char *stops)
{
    size_t n = 0;

    while (n < in.n && (in.p[n] == 0 || strchr(stops, in.p[n]) == NULL))
        n++;
    FUZZ_ASSERT(n < in.n);
    return n;
}

static inline void
markup_escape(ef_slice in)
{
    FUZZ_ASSERT(markup_begins(in, "&amp;") || markup_begins(in, "&lt;") ||
                markup_begins(in, "&gt;") || markup_begins(in, "&#34;") ||
                markup_begins(in, "&#39;"));
}

/* name="value"; what is behind it. */
static inline ef_slice
markup_attribute(ef_slice in)
{
    size_t n = markup_until(in, "=<>\" "), i;
    ef_slice name = {in.p, n}, value = markup_skip(in, n);

    FUZZ_ASSERT(n > 0 && !markup_begins(name, "on"));
    FUZZ_ASSERT(markup_begins(value, "=\""));
    value = markup_skip(value, 2);
    in = value;
    value.n = markup_until(in, "\"<>");
    FUZZ_ASSERT(in.p[value.n] == '"');
    for (i = 0; i < value.n; i++)
        if (value.p[i] == '&')
            markup_escape(markup_skip(value, i));
    if (markup_begins(name, "href"))
        FUZZ_ASSERT(markup_begins(value, "#a") || markup_begins(value, "#d") ||
                    markup_begins(value, "https://") ||
                    markup_begins(value, "mailto:"));
    return markup_skip(in, value.n + 1);
}

/* A block stands in a block that nests, or in none. */
static inline void
markup_push(struct markup *m, ef_slice name)
{
    if (m->blocks != NULL && markup_in(m->blocks, name) && m->depth > 0)
        FUZZ_ASSERT(markup_in(m->nests, m->open[m->depth - 1]));
    if (markup_in(m->voids, name))
        return;
    FUZZ_ASSERT(m->depth < MARKUP_DEPTH);
    m->open[m->depth++] = name;
}

/* One tag; what is behind it. */
static inline ef_slice
markup_tag(struct markup *m, ef_slice in)
{
    int end = in.n > 1 && in.p[1] == '/';
    ef_slice name = markup_skip(in, end ? 2 : 1), top;

    in = name;
    name.n = markup_until(in, " />");
    FUZZ_ASSERT(markup_in(m->tags, name));
    in = markup_skip(in, name.n);
    if (end) {
        FUZZ_ASSERT(m->depth > 0 && in.p[0] == '>');
        top = m->open[--m->depth];
        FUZZ_ASSERT(top.n == name.n && memcmp(top.p, name.p, name.n) == 0);
        return markup_skip(in, 1);
    }
    while (in.n > 0 && in.p[0] == ' ')
        in = markup_attribute(markup_skip(in, 1));
    markup_push(m, name);
    if (markup_begins(in, "/")) {
        FUZZ_ASSERT(m->depth > 0);
        m->depth--;
        in = markup_skip(in, 1);
    }
    FUZZ_ASSERT(markup_begins(in, ">"));
    return markup_skip(in, 1);
}

/* No character that is not seen, but a line's end. */
static inline void
markup_visible(ef_slice in)
{
    size_t i;

    FUZZ_ASSERT(ef_utf8_check(in, NULL) == EF_OK);
    for (i = 0; i < in.n; i++) {
        ef_slice at = markup_skip(in, i);

        FUZZ_ASSERT(in.p[i] >= 0x20 || in.p[i] == '\n');
        FUZZ_ASSERT(in.p[i] != 0x7f);
        if (in.p[i] == 0xc2)
            FUZZ_ASSERT(at.p[1] >= 0xa0 && at.p[1] != 0xad);
        if (in.p[i] == 0xe2)
            FUZZ_ASSERT(
                !(at.p[1] == 0x80 &&
                  (at.p[2] == 0x8b || at.p[2] == 0x8e || at.p[2] == 0x8f ||
                   (at.p[2] >= 0xa8 && at.p[2] <= 0xae))) &&
                !(at.p[1] == 0x81 && at.p[2] >= 0xa0 && at.p[2] <= 0xaf));
        if (in.p[i] == 0xef)
            FUZZ_ASSERT(!markup_begins(at, "\xef\xbb\xbf") &&
                        !markup_begins(at, "\xef\xbf\xbe") &&
                        !markup_begins(at, "\xef\xbf\xbf"));
    }
}

/* All of it. m has the lists, and nothing open. */
static inline void
markup_check(struct markup *m, ef_slice in)
{
    markup_visible(in);
    while (in.n > 0)
        if (in.p[0] == '<') {
            in = markup_tag(m, in);
        } else {
            if (in.p[0] == '&')
                markup_escape(in);
            in = markup_skip(in, 1);
        }
    FUZZ_ASSERT(m->depth == 0);
}

#endif /* ENCFLOW_MARKUP_H */
