/*
 * Target   summaries of CSV columns (section 12): ef_describe_*.
 * Input    a CSV file | which columns, the hash's seed, how to split, which
 *          allocation fails
 * Claims   names, count, unique, top, freq, the table and the values in order
 *          are those of a slow twin, which keeps every field that ef_csv_*
 *          gives; they do not depend on the hash's seed or on how the file is
 *          split; a column of numbers, or one that is not there, is refused by
 *          name; without memory there is EF_E_MEMORY and no leak.
 * Covers   ef_describe_new ef_describe_free ef_describe_push ef_describe_end
 *          ef_describe_count ef_describe_get ef_describe_table ef_describe_top
 *          rotl64 sip_round sip_hash desc_is_missing desc_text desc_alloc
 *          desc_slot desc_grow desc_count desc_find_name desc_count_of
 *          desc_set_count desc_make_unique desc_names desc_choose desc_header
 *          desc_row desc_integer desc_is_word desc_is_float desc_bool
 *          desc_unsigned desc_infer desc_merge_bools desc_shown desc_escape
 *          desc_cut
 * Seeds    vectors/csv.txt, tables in fuzz/seeds.py
 *          Dict  fuzz/dict/describe.dict
 */
#include <errno.h>
#include <math.h>
#include <regex.h>
#include <strings.h>

#include "twin.h"

/* --- the file, every field kept --- */

struct row {
    char **field;
    size_t n;
};

struct table {
    struct row *row;
    size_t n;
};

static ef_status
keep(void *ctx, const ef_slice *fields, size_t n, uint64_t line, ef_err *err)
{
    struct table *t = ctx;
    struct row *row;
    size_t i;

    (void)line;
    (void)err;
    t->row = realloc(t->row, (t->n + 1) * sizeof *t->row);
    row = &t->row[t->n++];
    row->n = n;
    row->field = calloc(n, sizeof *row->field);
    for (i = 0; i < n; i++) {
        row->field[i] = fuzz_string(fields[i].p, fields[i].n);
        FUZZ_ASSERT(strlen(row->field[i]) == fields[i].n);
    }
    return EF_OK;
}

static ef_status
table_read(struct table *t, ef_slice text)
{
    ef_csv csv;
    ef_status rc;

    ef_csv_init(&csv, keep, t);
    rc = ef_csv_push(&csv, text, NULL);
    if (rc == EF_OK)
        rc = ef_csv_end(&csv, NULL);
    ef_csv_free(&csv);
    return rc;
}

static void
table_free(struct table *t)
{
    size_t i, k;

    for (i = 0; i < t->n; i++) {
        for (k = 0; k < t->row[i].n; k++)
            free(t->row[i].field[k]);
        free(t->row[i].field);
    }
    free(t->row);
}

/* --- names: pandas 1.5 makes them unique, those it invents last --- */

/* How often name was given away. */
static size_t *
count_of(struct table *counts, char *name)
{
    size_t i;

    for (i = 0; i < counts->n; i++)
        if (strcmp(counts->row[i].field[0], name) == 0)
            return &counts->row[i].n;
    counts->row = realloc(counts->row, (counts->n + 1) * sizeof *counts->row);
    counts->row[counts->n].field = malloc(sizeof(char *));
    counts->row[counts->n].field[0] = strdup(name);
    counts->row[counts->n].n = 0;
    return &counts->row[counts->n++].n;
}

static int
has_name(char *const *names, size_t n, const char *name)
{
    while (n > 0)
        if (strcmp(names[--n], name) == 0)
            return 1;
    return 0;
}

static void
make_unique(struct table *counts, char **names, size_t n, size_t i)
{
    char *old = names[i], *name = strdup(old);
    size_t room = strlen(old) + 32, k = *count_of(counts, old);

    while (k > 0) {
        *count_of(counts, old) = k + 1;
        name = realloc(name, room);
        snprintf(name, room, "%s.%zu", old, k);
        k = has_name(names, n, name) ? k + 1 : *count_of(counts, name);
    }
    *count_of(counts, name) = k + 1;
    names[i] = name;
    free(old);
}

/* New strings. */
static char **
column_names(const struct row *header)
{
    struct table counts = {NULL, 0};
    char **names = calloc(header->n, sizeof *names);
    size_t i;

    for (i = 0; i < header->n; i++) {
        names[i] = malloc(strlen(header->field[i]) + 40);
        if (header->field[i][0] != '\0')
            strcpy(names[i], header->field[i]);
        else
            sprintf(names[i], "Unnamed: %zu", i);
    }
    for (i = 0; i < header->n; i++)
        if (header->field[i][0] != '\0')
            make_unique(&counts, names, header->n, i);
    for (i = 0; i < header->n; i++)
        if (header->field[i][0] == '\0')
            make_unique(&counts, names, header->n, i);
    for (i = 0; i < counts.n; i++) {
        free(counts.row[i].field[0]);
        free(counts.row[i].field);
    }
    free(counts.row);
    return names;
}

/* --- types --- */

static int
is_missing(const char *v)
{
    static const char *const words[] = {
        "",     "#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN",
        "-NaN", "-nan", "1.#IND",   "1.#QNAN", "<NA>",    "N/A",
        "NA",   "NULL", "NaN",      "n/a",     "nan",     "null"};
    size_t i;

    for (i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(v, words[i]) == 0)
            return 1;
    return 0;
}

static const char *
skip_blanks(const char *v)
{
    return v + strspn(v, " \t\n\v\f\r");
}

enum integer { NONE, FITS, OVER };

/* Between -below and above? The digits decide before what follows them. */
static enum integer
integer(const char *v, unsigned long long below, unsigned long long above)
{
    unsigned long long limit = above, x;
    char *end;

    v = skip_blanks(v);
    if (*v == '+' || *v == '-')
        limit = *v++ == '-' ? below : above;
    if (!isdigit((unsigned char)*v))
        return NONE;
    errno = 0;
    x = strtoull(v, &end, 10);
    if (errno == ERANGE || x > limit)
        return OVER;
    return *skip_blanks(end) == '\0' ? FITS : NONE;
}

static enum integer
is_signed(const char *v)
{
    return integer(v, 1ull << 63, (1ull << 63) - 1);
}

#define BLANK "[ \t\n\v\f\r]*"
#define NUMBER                                                                 \
    "^" BLANK                                                                  \
    "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,17})?" BLANK "$"

/* Of the digits pandas reads 17, zeros in front and all. */
static int
is_float(const char *v)
{
    static regex_t number, infinity;
    static int made;
    char digits[64] = "";
    long exponent = 0;
    const char *e = v + strcspn(v, "eE");
    int point = 0;

    if (!made++)
        FUZZ_ASSERT(regcomp(&number, NUMBER, REG_EXTENDED) == 0 &&
                    regcomp(&infinity, "^[+-]?inf(inity)?$",
                            REG_EXTENDED | REG_ICASE) == 0);
    if (regexec(&infinity, v, 0, NULL, 0) == 0)
        return 1;
    if (regexec(&number, v, 0, NULL, 0) != 0)
        return 0;
    for (; v < e; v++) {
        point |= *v == '.';
        if (isdigit((unsigned char)*v) && strlen(digits) < 17) {
            digits[strlen(digits)] = *v;
            exponent -= point;
        } else if (isdigit((unsigned char)*v)) {
            exponent += !point;
        }
    }
    if (*e != '\0')
        exponent += strtol(e + 1, NULL, 10);
    if (exponent > 308)
        return 0;
    sprintf(digits + strlen(digits), "e%ld", exponent);
    return !isinf(strtod(digits, NULL));
}

static const char *
is_bool(const char *v)
{
    static const char *const words[][2] = {
        {"True", "True"},   {"TRUE", "True"},   {"true", "True"},
        {"False", "False"}, {"FALSE", "False"}, {"false", "False"}};
    size_t i;

    for (i = 0; i < 6; i++)
        if (strcmp(v, words[i][0]) == 0)
            return words[i][1];
    return NULL;
}

/* One column: every field of it, and what is known. */
struct column {
    const char *name;
    const char **field;
    size_t n;
    int numeric, words; /* words for "missing" are values after all */
};

/* Some integer is past int64. 1: settled, as numbers or as text. */
static int
settle_large(struct column *c)
{
    int negative = 0, large = 0, missing = 0;
    size_t i;

    for (i = 0; i < c->n; i++)
        missing |= is_missing(c->field[i]);
    for (i = 0; i < c->n; i++) {
        const char *v = skip_blanks(c->field[i]);

        if (is_missing(c->field[i]))
            continue;
        if (*v == '-') {
            negative = 1;
            continue;
        }
        switch (integer(v, 0, ~0ull)) {
        case NONE:
            return 0;
        case OVER:
            return 1;
        case FITS:
            large |= is_signed(v) == OVER;
        }
    }
    c->words = large && (negative || missing);
    c->numeric = !c->words && !negative;
    return 1;
}

/* What pandas takes the column for; where bools, fields become its own. */
static void
infer(struct column *c)
{
    enum integer all = FITS;
    int floats = 1, bools = 1, any = 0;
    size_t i;

    for (i = 0; i < c->n; i++) {
        if (is_missing(c->field[i]))
            continue;
        any = 1;
        all = all == FITS ? is_signed(c->field[i]) : all;
        floats &= is_float(c->field[i]);
        bools &= is_bool(c->field[i]) != NULL;
    }
    if (c->n == 0 || (any && all == OVER && settle_large(c)))
        return;
    c->numeric = !any || all == FITS || floats;
    for (i = 0; i < c->n && bools && !c->numeric; i++)
        if (!is_missing(c->field[i]))
            c->field[i] = is_bool(c->field[i]);
}

/* --- what is said of a column --- */

struct value {
    const char *text;
    uint64_t count;
};

static int
more_frequent(const void *a, const void *b)
{
    const struct value *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return 0;
}

/* The values in order; their number. Sorting by insertion keeps the order in
 * which equals were seen. */
static size_t
count_values(const struct column *c, struct value *list)
{
    size_t i, k, n = 0;
    struct value v;

    for (i = 0; i < c->n; i++) {
        if (is_missing(c->field[i]) && !c->words)
            continue;
        for (k = 0; k < n && strcmp(list[k].text, c->field[i]) != 0;)
            k++;
        if (k == n)
            list[n++] = (struct value){c->field[i], 0};
        list[k].count++;
    }
    for (i = 1; i < n; i++) {
        v = list[i];
        for (k = i; k > 0 && more_frequent(&v, &list[k - 1]) < 0; k--)
            list[k] = list[k - 1];
        list[k] = v;
    }
    return n;
}

static size_t
characters(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s >> 6) != 2;
    return n;
}

static char *
escaped(const char *s)
{
    char *out = malloc(2 * strlen(s) + 8), *o = out;

    for (; *s != '\0'; s++)
        if (strchr("\t\r\n", *s) != NULL) {
            *o++ = '\\';
            *o++ = *s == '\t' ? 't' : *s == '\r' ? 'r' : 'n';
        } else {
            *o++ = *s;
        }
    *o = '\0';
    return out;
}

static void
add_line(char **out, const char *label, const char *cell, size_t width)
{
    *out += sprintf(*out, "%-6s    ", label);
    for (width -= characters(cell); width > 0; width--)
        *(*out)++ = ' ';
    *out += sprintf(*out, "%s\n", cell);
}

/* The table as pandas prints it; a new string. */
static char *
render(const struct column *c, const struct value *list, size_t n)
{
    char count[32], unique[32], freq[32] = "NaN", *top, *name, *out, *p;
    uint64_t sum = 0;
    size_t i, width;

    for (i = 0; i < n; i++)
        sum += list[i].count;
    snprintf(count, sizeof count, "%llu", (unsigned long long)sum);
    snprintf(unique, sizeof unique, "%zu", n);
    if (n > 0)
        snprintf(freq, sizeof freq, "%llu", (unsigned long long)list[0].count);
    top = escaped(n > 0 ? list[0].text : "NaN");
    if (characters(top) >= 50) { /* 46, and three dots */
        for (p = top, i = 0; i < 46 || ((unsigned char)*p >> 6) == 2; p++)
            i += ((unsigned char)p[1] >> 6) != 2;
        strcpy(p, "...");
    }
    width = characters(top);
    width = strlen(count) > width ? strlen(count) : width;
    width = strlen(freq) > width ? strlen(freq) : width;
    name = escaped(c->name);
    p = out = malloc(4 * (width * 4 + 16) + strlen(name) + strlen(top) + 64);
    add_line(&p, "count", count, width);
    add_line(&p, "unique", unique, width);
    add_line(&p, "top", top, width);
    add_line(&p, "freq", freq, width);
    sprintf(p, "Name: %s, dtype: object\n", name);
    free(top);
    free(name);
    return out;
}

/* The k-th most frequent is asked for forwards and then backwards. */
static void
same_values(ef_describe *d, size_t i, const struct value *list, size_t n)
{
    ef_slice value;
    uint64_t count;
    size_t k;

    for (k = 0; k <= 2 * n; k++) {
        size_t at = k <= n ? k : 2 * n - k;
        int some = ef_describe_top(d, i, at, &value, &count);

        FUZZ_ASSERT(some == (at < n));
        if (some)
            FUZZ_ASSERT(
                twin_same(value, list[at].text, strlen(list[at].text)) &&
                count == list[at].count);
    }
}

static void
same_column(ef_describe *d, size_t i, const struct column *c)
{
    struct value *list = calloc(c->n + 1, sizeof *list);
    size_t n = count_values(c, list);
    char *text = render(c, list, n);
    ef_buf out = {0};
    ef_summary s;

    ef_describe_get(d, i, &s);
    FUZZ_ASSERT(twin_same(s.name, c->name, strlen(c->name)));
    FUZZ_ASSERT(s.numeric == c->numeric);
    if (!c->numeric) {
        FUZZ_ASSERT(s.unique == n && s.freq == list[0].count);
        ef_describe_table(d, i, &out);
        FUZZ_ASSERT(twin_same(twin_slice(out.p, out.n), text, strlen(text)));
        if (n > 0)
            FUZZ_ASSERT(twin_same(s.top, list[0].text, strlen(list[0].text)));
        if (n < 200) /* each question is a walk over the values */
            same_values(d, i, list, n);
    }
    ef_buf_free(&out);
    free(text);
    free(list);
}

/* --- both compared --- */

struct choice {
    const char *name[2]; /* columns asked for */
    size_t n;            /* 0: all */
};

static ef_status
describe(ef_describe **d, ef_slice text, const struct choice *ask,
         const unsigned char seed[16], uint32_t split, ef_err *err)
{
    ef_status rc = EF_OK;
    size_t n;

    *d = ef_describe_new(ask->name, ask->n, seed);
    if (*d == NULL)
        return EF_E_MEMORY;
    for (; rc == EF_OK && text.n > 0; text.p += n, text.n -= n) {
        n = split == 0 ? text.n : twin_step(&split, 40);
        n = n < text.n ? n : text.n;
        rc = ef_describe_push(*d, twin_slice(text.p, n), err);
    }
    return rc == EF_OK ? ef_describe_end(*d, err) : rc;
}

/* Column i of the file; free() its fields. */
static struct column
column(const struct table *t, char *const *names, size_t i)
{
    struct column c = {.name = names[i]};
    size_t k, skip = 0;

    /* surplus leading columns are pandas' index */
    if (t->n > 1 && t->row[1].n > t->row[0].n)
        skip = t->row[1].n - t->row[0].n;
    c.field = calloc(t->n, sizeof *c.field);
    for (k = 1; k < t->n; k++)
        c.field[c.n++] = t->row[k].field[i + skip];
    infer(&c);
    return c;
}

static size_t
find(char *const *names, size_t n, const char *name)
{
    size_t i;

    for (i = 0; i < n && strcmp(names[i], name) != 0;)
        i++;
    return i;
}

/* What is refused, EF_OK: nothing; and where nothing is, all is the same. */
static ef_status
compare(ef_describe *d, int good, const struct table *t, char *const *names,
        const struct choice *ask)
{
    size_t i, header = t->row[0].n, n = ask->n > 0 ? ask->n : header;
    ef_status rc = EF_OK;

    for (i = 0; i < ask->n; i++)
        if (find(names, header, ask->name[i]) == header)
            return EF_E_FORMAT;
    FUZZ_ASSERT(!good || ef_describe_count(d) == n);
    for (i = 0; i < n; i++) {
        size_t at = ask->n > 0 ? find(names, header, ask->name[i]) : i;
        struct column c = column(t, names, at);

        if (c.numeric && ask->n > 0)
            rc = EF_E_FORMAT;
        if (good)
            same_column(d, i, &c);
        free(c.field);
    }
    return rc;
}

/* Two of the columns, and perhaps a name that may be none. */
static struct choice
choose(const struct table *t, char *const *names, uint8_t which)
{
    static const char other[] = "DESCRIPTION";
    size_t n = names != NULL ? t->row[0].n : 0;
    struct choice ask = {{other, other}, which % 3u};

    if (n > 0 && which < 240)
        ask.name[0] = names[which / 3 % n];
    if (n > 0 && which < 250)
        ask.name[1] = names[which / 7 % n];
    return ask;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t which = fuzz_byte(&in), starve;
    uint32_t split = fuzz_u32(&in);
    unsigned char seed[16];
    struct table t = {NULL, 0};
    char **names = NULL;
    struct choice ask;
    ef_describe *d;
    ef_err err = {0};
    ef_status csv, rc;
    void *block;
    ef_slice text;
    size_t i, n;

    starve = fuzz_byte(&in);
    fuzz_bytes(&in, seed, sizeof seed);
    text = fuzz_rest(&in, &block);
    csv = table_read(&t, text);
    if (t.n > 0)
        names = column_names(&t.row[0]);
    n = t.n > 0 ? t.row[0].n : 0;
    ask = choose(&t, names, which);
    FUZZ_REACHED();
    for (i = 0; i < 3; i++, seed[i] ^= 0xff) { /* whole, in pieces, starved */
        fuzz_alloc_left = i == 2 ? starve : 0;
        rc = describe(&d, text, &ask, seed, (uint32_t)i * split, &err);
        fuzz_alloc_left = 0;
        if (rc != EF_OK && d != NULL)
            fuzz_refused(rc, &err, text.n);
        if (i < 2 || rc != EF_E_MEMORY) {
            FUZZ_ASSERT(csv == EF_OK || rc != EF_OK);
            if (csv == EF_OK)
                FUZZ_ASSERT(rc == compare(d, rc == EF_OK, &t, names, &ask));
            if (csv == EF_OK && rc != EF_OK)
                FUZZ_ASSERT(strlen(err.where) > 0 ||
                            twin_hidden(ask.name[0], strlen(ask.name[0])) ||
                            twin_hidden(ask.name[1], strlen(ask.name[1])));
        }
        ef_describe_free(d);
    }
    while (n > 0)
        free(names[--n]);
    free(names);
    table_free(&t);
    free(block);
    return 0;
}
