/*
 * vectors.h -- the strict reader of vectors/NAME.txt.
 *
 * A file is comment lines, one "records = N", and N records, each after one
 * empty line. A record is "key = value" lines, in any order, each key once.
 * The comment line (or lines) "# fields: id source why? at:int? key:hex"
 * name every key, its type and, with '?', that it may be left out; the test
 * names the same list, and the two must agree. Types:
 *
 *   (none)  the rest of the line, not empty
 *   hex     lower-case hex digits, an even number of them, or nothing
 *   text    "..." of printable ASCII, with \n \t \" \\ and \xNN
 *   int     a decimal number
 *   status  ok, or the name of an ef_status
 *
 * Anything else is fatal and names file and line: an unknown, second or
 * missing key, odd or upper-case hex, white space at a line's end, no final
 * newline, a count other than N. A test that can't be read is a failure, not
 * a test skipped.
 */
#ifndef ENCFLOW_TESTS_VECTORS_H
#define ENCFLOW_TESTS_VECTORS_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encflow.h"

#define VEC_MAX_FIELDS 32
#define VEC_NAME_BYTES 24

enum vec_type { VEC_LINE, VEC_HEX, VEC_TEXT, VEC_INT, VEC_STATUS };

struct vec_field {
    char name[VEC_NAME_BYTES];
    enum vec_type type;
    int optional;
};

/* One value. p is a block of exactly n bytes, so that ASan sees overruns;
 * lines have a NUL after them, which n does not count. */
struct vec_value {
    int given;
    unsigned char *p;
    size_t n;
    int64_t num;
};

struct vec_rec {
    const char *path;
    unsigned line; /* of the record's first key */
    const char *id;
    const struct vec_field *fields;
    size_t count;
    struct vec_value values[VEC_MAX_FIELDS];
};

/* Where the reader is; kept for messages. */
struct vec_reader {
    const char *path;
    char *text, *next; /* next: the first line not taken yet */
    unsigned line;
    struct vec_field fields[VEC_MAX_FIELDS];
    size_t count;
};

static _Noreturn void
vec_die(const struct vec_reader *v, const char *what, const char *which)
{
    fprintf(stderr, "%s:%u: %s%s%s\n", v->path, v->line, what,
            *which ? ": " : "", which);
    fflush(stderr);
    _exit(70);
}

static void
vec_load(struct vec_reader *v, const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t cap = 1 << 16, n = 0, got;

    v->path = path;
    v->text = malloc(cap);
    if (f == NULL || v->text == NULL)
        vec_die(v, "can't be read", strerror(errno));
    while ((got = fread(v->text + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n == cap && (v->text = realloc(v->text, cap *= 2)) == NULL)
            vec_die(v, "no memory", "");
    }
    if (ferror(f))
        vec_die(v, "can't be read", strerror(errno));
    fclose(f);
    if (memchr(v->text, 0, n) != NULL)
        vec_die(v, "a NUL byte", "");
    if (n == 0 || v->text[n - 1] != '\n')
        vec_die(v, "no final newline", "");
    v->text[n] = 0; /* n < cap: the loop grew the block when it was full */
    v->next = v->text;
}

/* The next line without its newline, or NULL at the end. */
static char *
vec_line(struct vec_reader *v)
{
    char *line = v->next, *end;

    if (*line == 0)
        return NULL;
    end = strchr(line, '\n');
    *end = 0;
    v->next = end + 1;
    v->line++;
    if (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        vec_die(v, "white space at the end of a line", "");
    return line;
}

static enum vec_type
vec_type_of(const struct vec_reader *v, const char *name)
{
    static const char *const names[] = {"line", "hex", "text", "int", "status"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum vec_type)i;
    vec_die(v, "unknown type of field", name);
}

/* One word of the list of fields: NAME[:TYPE][?]. */
static void
vec_add_field(struct vec_reader *v, char *word)
{
    size_t n = strlen(word);
    struct vec_field *f = &v->fields[v->count];
    char *colon;

    if (v->count++ == VEC_MAX_FIELDS)
        vec_die(v, "more fields than VEC_MAX_FIELDS", "");
    f->optional = word[n - 1] == '?';
    if (f->optional)
        word[n - 1] = 0;
    colon = strchr(word, ':');
    if (colon != NULL)
        *colon++ = 0;
    f->type = colon == NULL ? VEC_LINE : vec_type_of(v, colon);
    if (strlen(word) >= sizeof f->name)
        vec_die(v, "a long field name", word);
    memcpy(f->name, word, strlen(word) + 1);
}

/* The header: comments, with the list of fields, and "records = N". */
static unsigned long
vec_header(struct vec_reader *v, const char *fields)
{
    char listed[1024] = "", copy[1024], *line, *end, *save = NULL;
    unsigned long n;

    while ((line = vec_line(v)) != NULL && *line == '#')
        if (strncmp(line, "# fields:", 9) == 0) {
            if (strlen(listed) + strlen(line) >= sizeof listed)
                vec_die(v, "a long list of fields", "");
            strcat(listed, line + 9 + (*listed == 0));
        }
    if (strcmp(listed, fields) != 0)
        vec_die(v, "fields are not the ones that the test reads", listed);
    if (line == NULL || strncmp(line, "records = ", 10) != 0)
        vec_die(v, "expected: records = N", "");
    n = strtoul(line + 10, &end, 10);
    if (*end != 0 || end == line + 10 || line[10] < '1' || line[10] > '9')
        vec_die(v, "not a count", line);
    memcpy(copy, listed, sizeof copy);
    for (char *w = strtok_r(copy, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save))
        vec_add_field(v, w);
    return n;
}

static int
vec_digit(const struct vec_reader *v, char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    vec_die(v, "not a lower-case hex digit", "");
}

static void
vec_hex_value(const struct vec_reader *v, struct vec_value *out, const char *s)
{
    size_t n = strlen(s);

    if (n % 2 != 0)
        vec_die(v, "an odd number of hex digits", "");
    out->p = malloc(n / 2);
    for (; out->n < n / 2; out->n++)
        out->p[out->n] = (unsigned char)(vec_digit(v, s[2 * out->n]) << 4 |
                                         vec_digit(v, s[2 * out->n + 1]));
}

/* One character of a text field at *s, which moves past it. */
static unsigned char
vec_char(const struct vec_reader *v, const char **s)
{
    const char *p = *s;
    int hi;

    *s = p + 1;
    if (*p < ' ' || *p > '~' || *p == '"')
        vec_die(v, "not printable ASCII between quotes", "");
    if (*p != '\\')
        return (unsigned char)*p;
    *s = p + 2;
    switch (p[1]) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return (unsigned char)p[1];
    case 'x':
        *s = p + 4;
        hi = vec_digit(v, p[2]);
        return (unsigned char)(hi << 4 | vec_digit(v, p[3]));
    default:
        vec_die(v, "unknown escape", "");
    }
}

static void
vec_text_value(const struct vec_reader *v, struct vec_value *out, const char *s)
{
    size_t n = strlen(s);
    const char *last = s + n - 1;
    unsigned char *all = malloc(n + 1);

    if (n < 2 || *s != '"' || *last != '"')
        vec_die(v, "no quotes around a text", "");
    for (s++; s < last;)
        all[out->n++] = vec_char(v, &s);
    if (s != last)
        vec_die(v, "no closing quote", "");
    out->p = malloc(out->n);
    if (out->n != 0)
        memcpy(out->p, all, out->n);
    free(all);
}

static void
vec_int_value(const struct vec_reader *v, struct vec_value *out, const char *s)
{
    char *end;

    errno = 0;
    out->num = strtoll(s, &end, 10);
    if (errno != 0 || *end != 0 || end == s || *s == '+' || *s == ' ' ||
        (*s == '0' && s[1] != 0))
        vec_die(v, "not a number", s);
}

/* The status that a name stands for. */
static void
vec_status_value(const struct vec_reader *v, struct vec_value *out,
                 const char *s)
{
    static const struct {
        const char *name;
        ef_status code;
    } all[] = {
        {"ok", EF_OK},
        {"EF_E_IO", EF_E_IO},
        {"EF_E_MEMORY", EF_E_MEMORY},
        {"EF_E_INTERNAL", EF_E_INTERNAL},
        {"EF_E_USAGE", EF_E_USAGE},
        {"EF_E_AUTH", EF_E_AUTH},
        {"EF_E_FORMAT", EF_E_FORMAT},
        {"EF_E_LIMIT", EF_E_LIMIT},
        {"EF_E_POLICY", EF_E_POLICY},
        {"EF_E_NETWORK", EF_E_NETWORK},
    };

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(s, all[i].name) == 0) {
            out->num = all[i].code;
            return;
        }
    vec_die(v, "not a status", s);
}

static void
vec_value(const struct vec_reader *v, struct vec_value *out, enum vec_type type,
          const char *s)
{
    switch (type) {
    case VEC_HEX:
        vec_hex_value(v, out, s);
        break;
    case VEC_TEXT:
        vec_text_value(v, out, s);
        break;
    case VEC_INT:
        vec_int_value(v, out, s);
        break;
    case VEC_STATUS:
        vec_status_value(v, out, s);
        break;
    case VEC_LINE:
        out->n = strlen(s);
        if (out->n == 0)
            vec_die(v, "an empty value", "");
        out->p = malloc(out->n + 1);
        memcpy(out->p, s, out->n + 1);
        break;
    }
}

/* "key = value", or "key =" for nothing; blanks may stand before '='. */
static void
vec_pair(struct vec_reader *v, struct vec_rec *r, char *line)
{
    char *eq = strchr(line, '='), *value;
    size_t n, i;

    if (eq == NULL || eq == line || eq[-1] != ' ' ||
        (eq[1] != 0 && eq[1] != ' '))
        vec_die(v, "expected: key = value", line);
    value = eq + 1 + (eq[1] == ' ');
    for (n = (size_t)(eq - line); line[n - 1] == ' ';)
        n--;
    line[n] = 0;
    for (i = 0; i < v->count; i++)
        if (strcmp(v->fields[i].name, line) == 0)
            break;
    if (i == v->count)
        vec_die(v, "unknown key", line);
    if (r->values[i].given)
        vec_die(v, "the same key twice", line);
    r->values[i].given = 1;
    vec_value(v, &r->values[i], v->fields[i].type, value);
}

static const struct vec_value *
vec_find(const struct vec_rec *r, const char *name, unsigned types)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->fields[i].name, name) == 0 &&
            (types >> r->fields[i].type & 1) != 0)
            return &r->values[i];
    fprintf(stderr, "%s: no field %s of that type\n", r->path, name);
    _exit(70);
}

/* 1 where the file has a field of that name. */
static int
vec_knows(const struct vec_rec *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return 1;
    return 0;
}

/* 1 where the record has the key. */
static int
vec_has(const struct vec_rec *r, const char *name)
{
    return vec_find(r, name, ~0u)->given;
}

/* A hex or text value; n 0 and p not NULL where it is empty, n 0 and p NULL
 * where it is absent. */
static ef_slice
vec_bytes(const struct vec_rec *r, const char *name)
{
    const struct vec_value *x =
        vec_find(r, name, 1u << VEC_HEX | 1u << VEC_TEXT);
    ef_slice s = {x->p, x->n};

    return s;
}

/* A text value as a C string, to be freed; NULL where it is absent. */
static char *
vec_string(const struct vec_rec *r, const char *name)
{
    const struct vec_value *x = vec_find(r, name, 1u << VEC_TEXT);
    char *s = NULL;

    if (x->given) {
        s = malloc(x->n + 1);
        if (x->n != 0)
            memcpy(s, x->p, x->n);
        s[x->n] = 0;
    }
    return s;
}

/* A line value, or NULL. */
static const char *
vec_word(const struct vec_rec *r, const char *name)
{
    return (const char *)vec_find(r, name, 1u << VEC_LINE)->p;
}

static int64_t
vec_int(const struct vec_rec *r, const char *name)
{
    return vec_find(r, name, 1u << VEC_INT)->num;
}

static ef_status
vec_status(const struct vec_rec *r, const char *name)
{
    return (ef_status)vec_find(r, name, 1u << VEC_STATUS)->num;
}

static void
vec_check_complete(struct vec_reader *v, struct vec_rec *r)
{
    for (size_t i = 0; i < v->count; i++)
        if (!r->values[i].given && !v->fields[i].optional) {
            v->line = r->line;
            vec_die(v, "a record lacks the key", v->fields[i].name);
        }
    r->id = vec_word(r, "id");
}

/*
 * vec_run -- read path and call each on every record.
 *
 * fields is what the file's "# fields:" lines must say. Returns the number
 * of records executed, and prints it.
 */
static unsigned long
vec_run(const char *path, const char *fields,
        void (*each)(const struct vec_rec *r))
{
    struct vec_reader v = {0};
    unsigned long want, done = 0;
    char *line;

    vec_load(&v, path);
    want = vec_header(&v, fields);
    for (line = vec_line(&v); line != NULL; done++) {
        struct vec_rec r = {.path = path, .fields = v.fields};

        if (*line != 0)
            vec_die(&v, "expected an empty line before a record", "");
        r.count = v.count;
        r.line = v.line + 1;
        line = vec_line(&v);
        if (line == NULL || *line == 0)
            vec_die(&v, "an empty line with no record after it", "");
        for (; line != NULL && *line != 0; line = vec_line(&v))
            vec_pair(&v, &r, line);
        vec_check_complete(&v, &r);
        each(&r);
        for (size_t i = 0; i < v.count; i++)
            free(r.values[i].p);
    }
    if (done != want) {
        char count[64];

        snprintf(count, sizeof count, "%lu, read %lu", want, done);
        vec_die(&v, "records = N is not true", count);
    }
    free(v.text);
    printf("%s: %lu records\n", path, done);
    fflush(stdout);
    return done;
}

#endif /* ENCFLOW_TESTS_VECTORS_H */
