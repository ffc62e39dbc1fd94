/*
 * Target   the command line (section 16): which command, its options, their
 *          values; and what messages print.
 * Input    arguments, one a line, from the command's name on
 * Claims   a slow twin finds the same command and, with the table of options,
 *          the same arguments, values and columns, and refuses the same; a
 *          number option takes what strtol reads, within its range; a key is
 *          the folder's prefix and the name; what `get` puts into a folder has
 *          the object's last name, which is one file's; no message or help has
 *          a byte of an argument that a terminal would obey; nothing is run.
 * Covers   cli_prefix cli_print_err cli_fail cli_usage cli_number cli_size
 *          cli_has_control cli_find_option cli_take_option cli_parse
 *          cli_find_command cli_no_command cli_help_option cli_help_command
 *          cli_presign_fields cli_presign_key cli_read_url cli_last_part
 *          cli_get_path
 * Seeds    command lines in fuzz/seeds.py    Dict  fuzz/dict/cli.dict
 */
#include <stdio.h>

#include "fuzz.h"

/* All that is printed goes to a stream in memory. */
static FILE *printed;
static char printed_text[1 << 16];

#undef stdout
#undef stderr
#define stdout printed
#define stderr printed
#define printf(...) fprintf(printed, __VA_ARGS__)
#define main encflow_main
#include "../encflow.c"
#undef stderr
#include "twin.h"

#define ARGUMENTS 64

static void
hush(void)
{
    if (printed == NULL)
        printed = fmemopen(printed_text, sizeof printed_text, "w");
    rewind(printed);
}

/* Status and message belong together; what was said is harmless. */
static void
heard(int failed)
{
    long n = ftell(printed), i;

    FUZZ_ASSERT(n >= 0 && n < (long)sizeof printed_text && (n > 0) == failed);
    fflush(printed);
    for (i = 0; i < n; i++)
        FUZZ_ASSERT((unsigned char)printed_text[i] >= 0x20 ||
                    printed_text[i] == '\n');
    FUZZ_ASSERT(!cli_has_control((unsigned char *)printed_text, (size_t)n));
}

/* --- the twin --- */

/* "credentials make" is two arguments. */
static const struct cli_command *
twin_command(int argc, char **argv, int *words)
{
    char two[64];
    size_t i;

    snprintf(two, sizeof two, "%.20s %.20s", argv[1], argc > 2 ? argv[2] : "?");
    for (i = 0; i < CLI_COMMANDS; i++) {
        *words = strchr(cli_commands[i].name, ' ') != NULL ? 2 : 1;
        if (strcmp(cli_commands[i].name, *words == 2 ? two : argv[1]) == 0)
            return &cli_commands[i];
    }
    return NULL;
}

/* Does the command take it, under either spelling? *value: what follows its
 * "=", or NULL. Brief forms have none. */
static int
takes(const struct cli_command *cmd, int o, const char *text,
      const char **value)
{
    size_t i, n = strlen(cli_spellings[o].name);
    int has = o == CLI_HELP || o == CLI_QUIET || o == CLI_VERBOSE;

    for (i = 0; i < sizeof cmd->options; i++)
        has |= cmd->options[i] == o && o != CLI_END;
    *value = strncmp(text, cli_spellings[o].name, n) == 0 && text[n] == '='
                 ? text + n + 1
                 : NULL;
    return has && (*value != NULL || strcmp(text, cli_spellings[o].name) == 0 ||
                   strcmp(text, cli_spellings[o].brief) == 0);
}

/* One option at argv[*i] into c; 0: refused. */
static int
twin_option(struct cli *c, int argc, char **argv, int *i)
{
    const char *value = NULL;
    int o = CLI_END + 1;

    while (o < CLI_OPTIONS && !takes(c->command, o, argv[*i], &value))
        o++;
    if (o == CLI_OPTIONS)
        return 0;
    if (cli_spellings[o].value == NULL) {
        c->value[o] = "";
        return value == NULL;
    }
    if (value == NULL && ++*i == argc)
        return 0;
    value = value != NULL ? value : argv[*i];
    if (o == CLI_COLUMN)
        c->columns[c->column_n++] = value;
    else if (o == CLI_QUERY)
        c->queries[c->query_n++] = value;
    else if (c->value[o] != NULL)
        return 0;
    c->value[o] = value;
    return 1;
}

/* argv after the command's name. */
static int
twin_parse(struct cli *c, int argc, char **argv)
{
    int i, options = 1;

    for (i = 0; i < argc; i++)
        if (options && strcmp(argv[i], "--") == 0) {
            options = 0;
            if (strcmp(c->command->name, "run") == 0) {
                c->after = argv + i + 1;
                break;
            }
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!twin_option(c, argc, argv, &i))
                return 0;
        } else {
            c->args[c->argc++] = argv[i];
        }
    return 1;
}

/* --- both --- */

static void
same(const struct cli *a, const struct cli *b)
{
    int i;

    FUZZ_ASSERT(a->argc == b->argc && a->after == b->after);
    FUZZ_ASSERT(a->column_n == b->column_n && a->query_n == b->query_n);
    for (i = 0; i < a->argc; i++)
        FUZZ_ASSERT(a->args[i] == b->args[i]);
    for (i = 0; i < CLI_OPTIONS; i++)
        FUZZ_ASSERT(
            (a->value[i] == NULL) == (b->value[i] == NULL) &&
            (a->value[i] == NULL || strcmp(a->value[i], b->value[i]) == 0));
    for (i = 0; i < (int)a->column_n; i++)
        FUZZ_ASSERT(a->columns[i] == b->columns[i]);
    for (i = 0; i < (int)a->query_n; i++)
        FUZZ_ASSERT(a->queries[i] == b->queries[i]);
}

/* Every option as if it were a number of 1 to 8. */
static void
numbers(const struct cli *c)
{
    long got, want;
    char *end;
    int o, good;

    for (o = CLI_END + 1; o < CLI_OPTIONS; o++) {
        const char *text = c->value[o];

        hush();
        good = cli_number(c, (enum cli_option)o, 1, 8, -7, &got);
        heard(!good);
        want = text != NULL ? strtol(text, &end, 10) : -7;
        if (text != NULL && !isdigit((unsigned char)text[0]))
            want = 0;
        FUZZ_ASSERT(good ==
                    (text == NULL || (want >= 1 && want <= 8 && *end == '\0' &&
                                      strlen(text) <= 12)));
        FUZZ_ASSERT(!good || got == want);
    }
}

/* The key in S3DIR called FILE. */
static void
key(const char *folder, const char *file, int encoded)
{
    ef_buf bucket = {0}, got = {0};
    ef_err err = {0};
    ef_status rc =
        cli_presign_key(folder, slice_str(file), encoded, &bucket, &got, &err);
    const char *path = folder, *slash;
    size_t n;
    int length = 0;
    char *name;

    path += strncmp(path, "s3:", 3) == 0 ? 3 : 0;
    path += strncmp(path, "//", 2) == 0 ? 2 : 0;
    slash = strncmp(path, "arn:", 4) == 0 ? NULL : strchr(path, '/');
    n = slash != NULL ? (size_t)(slash - path) : strlen(path);
    FUZZ_ASSERT(twin_same(buf_slice(&bucket), path, n));
    path += slash != NULL ? n + 1 : n;
    name = encoded ? curl_easy_unescape(NULL, file, 0, &length) : NULL;
    if (rc == EF_OK) {
        n = strlen(path);
        FUZZ_ASSERT(got.n >= n && (n == 0 || memcmp(got.p, path, n) == 0));
        if (n > 0 && path[n - 1] != '/')
            FUZZ_ASSERT(got.p[n++] == '/');
        FUZZ_ASSERT(twin_same(slice_from(buf_slice(&got), n),
                              encoded ? name : file,
                              encoded ? (size_t)length : strlen(file)));
    } else {
        FUZZ_ASSERT(encoded && strchr(file, '%') != NULL);
        hush();
        FUZZ_ASSERT(cli_fail(&err) == 4);
        heard(1);
    }
    curl_free(name);
    ef_buf_free(&bucket);
    ef_buf_free(&got);
}

/* presign's arguments: download or upload, 1 to 604800 seconds. */
static void
presign(struct cli *c)
{
    ef_presign p = {0};
    ef_err err = {0};
    int status;

    hush();
    status = cli_presign_fields(c, &p, &err);
    heard(status != 0);
    if (status == 0) {
        FUZZ_ASSERT(strcmp(c->args[1], strcmp(p.method, "GET") == 0
                                           ? "download"
                                           : "upload") == 0);
        FUZZ_ASSERT(p.expires == atol(c->args[4]) && p.expires >= 1 &&
                    p.expires <= EF_MAX_EXPIRES_SEC);
        FUZZ_ASSERT(p.query_n == c->query_n);
    }
    key(c->args[2], c->args[3], 0);
    key(c->args[2], c->args[3], 1);
}

/* Where `get` puts an object of this name: by a URL, where the query is none
 * of it, or by a key. */
static void
place(const char *text, int by_url)
{
    struct cli_object t = {.aws = NULL};
    ef_buf url = {0}, path = {0}, name = {0};
    const char *last, *end;
    ef_err err = {0};
    ef_status rc;

    ef_buf_str(&url, by_url ? "https://h/" : "folder/");
    ef_buf_str(&url, text);
    last = buf_cstr(&url);
    end = by_url ? last + strcspn(last, "?") : last + strlen(last);
    t.place.url = by_url ? last : NULL;
    t.key = url;
    while (memchr(last, '/', (size_t)(end - last)) != NULL)
        last++;
    FUZZ_ASSERT(cli_get_path(&path, &t, "/dev/null", NULL) == EF_OK &&
                strcmp((char *)path.p, "/dev/null") == 0);
    path.n = 0;
    rc = cli_get_path(&path, &t, "/dev", &err);
    if (rc == EF_OK) {
        FUZZ_ASSERT(path.n > 5 && memcmp(path.p, "/dev/", 5) == 0);
        if (by_url)
            FUZZ_ASSERT(
                ef_percent_decode(&name, twin_slice(last, (size_t)(end - last)),
                                  0, NULL) == EF_OK);
        else
            ef_buf_add(&name, last, (size_t)(end - last));
        FUZZ_ASSERT(twin_same(slice_from(buf_slice(&path), 5), name.p, name.n));
        FUZZ_ASSERT(strlen((char *)path.p) == path.n);
        FUZZ_ASSERT(slice_find(buf_slice(&name), '/') == name.n);
        FUZZ_ASSERT(strcmp((char *)path.p + 5, ".") != 0 &&
                    strcmp((char *)path.p + 5, "..") != 0);
    } else {
        FUZZ_ASSERT(rc == EF_E_FORMAT);
        hush();
        FUZZ_ASSERT(cli_fail(&err) == 4);
        heard(1);
    }
    ef_buf_free(&url);
    ef_buf_free(&path);
    ef_buf_free(&name);
}

/* What every message has room for: any argument, as a name and in usage. */
static void
messages(const struct cli_command *cmd, const char *text)
{
    unsigned char url[EF_MAX_LOCATION_BYTES + 1];
    ef_err err = {0};
    ef_slice got;
    ef_status rc = strcmp(text, "-") == 0 || text[0] == '\0'
                       ? EF_OK
                       : cli_read_url(url, &got, text, &err);
    char size[16];

    hush();
    FUZZ_ASSERT(cli_usage("not this:", text) == 2);
    heard(1);
    rc = rc != EF_OK ? rc : reject(&err, EF_E_FORMAT, strlen(text), "no");
    err.sys = (int)strlen(text) % 30;
    err.line = err.at;
    err.detail = 1;
    (void)with_where(&err, rc, slice_str(text));
    (void)with_hint(&err, rc, "a hint");
    hush();
    FUZZ_ASSERT(cli_fail(&err) == 4);
    heard(1);
    hush();
    FUZZ_ASSERT(cli_help_command(cmd) == 0);
    heard(1);
    FUZZ_ASSERT(strstr(printed_text, cmd->name) != NULL);
    FUZZ_ASSERT(strtod(cli_size(size, (double)strlen(text)), NULL) >= 0);
}

static void
command(int argc, char **argv)
{
    char *args[ARGUMENTS], *twin_args[ARGUMENTS];
    const char *columns[ARGUMENTS], *queries[ARGUMENTS];
    const char *twin_columns[ARGUMENTS], *twin_queries[ARGUMENTS];
    struct cli c = {.args = args, .columns = columns, .queries = queries};
    struct cli t = {
        .args = twin_args, .columns = twin_columns, .queries = twin_queries};
    int words, twin_words, status;

    c.command = cli_find_command(argc, argv, &words);
    t.command = twin_command(argc, argv, &twin_words);
    FUZZ_ASSERT(c.command == t.command);
    if (c.command == NULL) {
        hush();
        FUZZ_ASSERT(cli_no_command(argc, argv) % 2 == 0);
        heard(1);
        return;
    }
    FUZZ_ASSERT(words == twin_words);
    cli_name = c.command->name;
    hush();
    status = cli_parse(&c, argv + 1 + words, argc - 1 - words);
    heard(status != 0);
    FUZZ_ASSERT((status == 0) ==
                twin_parse(&t, argc - 1 - words, argv + 1 + words));
    if (status == 0) {
        same(&c, &t);
        numbers(&c);
        if (c.argc == 5)
            presign(&c);
    }
    messages(c.command, argv[argc - 1]);
    place(argv[argc - 1], 0);
    place(argv[argc - 1], 1);
    cli_name = "";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    char name[] = "encflow", *argv[ARGUMENTS] = {name}, *text, *rest;
    int argc = 1;

    text = rest = fuzz_string(in.p, in.n);
    do {
        argv[argc++] = rest;
        rest = strchr(rest, '\n');
        if (rest != NULL)
            *rest++ = '\0';
    } while (rest != NULL && argc < ARGUMENTS - 1);
    FUZZ_REACHED();
    command(argc, argv);
    free(text);
    return 0;
}
