/*
 * Target   the release service's log (section 15, 16): its lines, its chain,
 *          its end, a nonce in it.
 * Input    a log | whether its lines are chained anew; which allocation fails
 * Claims   a line that is accepted is printed as the same bytes, and is an
 *          object of jansson's with its event's members; a log is accepted up
 *          to the first line whose prev is not OpenSSL's hash of the line
 *          before or whose time goes back, and that line is named; read from
 *          a file in pieces it is judged alike; its end, a nonce and a
 *          workflow's runs are found where a plain search finds them.
 * Covers   ef_release_line_* ef_release_log_push ef_release_event_name
 *          release_add_hex release_add_text release_line_check
 *          release_line_text release_line_read release_nonce release_text
 *          release_bytes release_hex cli_log_line cli_log_read cli_log_tail
 *          cli_log_find cli_log_look cli_log_window cli_log_collect
 *          cli_log_note cli_log_begun cli_log_ended cli_log_run_at
 *          cli_log_tail_at cli_log_time cli_log_row cli_log_trim cli_log_ours
 * Seeds    vectors/release_log.txt    Dict  fuzz/dict/release.dict
 */
#include <jansson.h>

#include "fuzz.h"

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define main encflow_main
#include "../encflow.c"
#undef malloc
#undef calloc
#undef realloc
#include "twin.h"

/* --- one line --- */

static void
members(ef_slice text, const ef_release_line *line)
{
    static const size_t least[] = {9, 4, 5, 4}, most[] = {9, 6, 5, 4};
    json_error_t why;
    json_t *o = json_loadb((const char *)text.p, text.n, JSON_ALLOW_NUL, &why);
    size_t n = json_object_size(o);

    FUZZ_ASSERT(o != NULL && n >= least[line->event] && n <= most[line->event]);
    FUZZ_ASSERT(strcmp(json_string_value(json_object_get(o, "event")),
                       ef_release_event_name(line->event)) == 0);
    FUZZ_ASSERT(json_integer_value(json_object_get(o, "time")) == line->time);
    FUZZ_ASSERT((json_object_get(o, "appconfig") != NULL) ==
                line->has_appconfig);
    FUZZ_ASSERT((json_object_get(o, "reason") != NULL &&
                 json_string_length(json_object_get(o, "reason")) > 0) ==
                (line->reason.n > 0));
    json_decref(o);
}

/* A reason may be empty in a line, and is then not printed. */
static void
one(ef_slice text, uint8_t starve)
{
    ef_release_line line, again;
    ef_err err = {0};
    ef_buf out = {0};
    ef_status rc = ef_release_line_parse(&line, text, &err), second;

    if (rc == EF_OK) {
        members(text, &line);
        ef_release_line_print(&out, &line);
        FUZZ_ASSERT(twin_same(text, out.p, out.n) ||
                    (line.event == EF_REFUSED && line.reason.n == 0));
        ef_buf_free(&out);
    } else {
        fuzz_refused(rc, &err, text.n);
    }
    fuzz_alloc_left = starve;
    second = ef_release_line_parse(&again, text, NULL);
    fuzz_alloc_left = 0;
    FUZZ_ASSERT(second == rc || second == EF_E_MEMORY);
    ef_release_line_free(&line);
    ef_release_line_free(&again);
}

/* --- a chain --- */

/* How many lines of the log hold, by OpenSSL and the lines' own words. */
static uint64_t
twin_chain(ef_slice all, unsigned char head[32], size_t *stop)
{
    int64_t last = 0;
    uint64_t count = 0;
    size_t at = 0;

    memset(head, 0, 32);
    for (*stop = 0; at < all.n; *stop = at) {
        const unsigned char *p = all.p + at;
        const unsigned char *feed = memchr(p, '\n', all.n - at);
        size_t n = feed != NULL ? (size_t)(feed - p) : all.n - at;
        ef_release_line line;
        int holds = feed != NULL && ef_release_line_parse(
                                        &line, twin_slice(p, n), NULL) == EF_OK;

        if (feed == NULL)
            return count;
        holds = holds && memcmp(line.prev, head, 32) == 0 && line.time >= last;
        if (holds) {
            last = line.time;
            EVP_Digest(p, n, head, NULL, EVP_sha256(), NULL);
            count++;
        }
        ef_release_line_free(&line);
        if (!holds)
            return count;
        at += n + 1;
    }
    return count;
}

/* The lines with each prev as it should be, so that long chains are met. */
static void
chained(ef_buf *out, ef_slice all)
{
    unsigned char head[32] = {0};
    char hex[64];
    size_t at = 0, n;

    for (; at < all.n; at += n + 1) {
        const unsigned char *p = all.p + at;
        const unsigned char *feed = memchr(p, '\n', all.n - at);
        size_t from = out->n, i;

        n = feed != NULL ? (size_t)(feed - p) : all.n - at;
        ef_buf_add(out, p, n);
        ef_hex_encode(hex, head, 32, 0);
        for (i = from; i + 72 < out->n; i++)
            if (memcmp(out->p + i, "\"prev\":\"", 8) == 0) {
                memcpy(out->p + i + 8, hex, 64);
                break;
            }
        EVP_Digest(out->p + from, n, head, NULL, EVP_sha256(), NULL);
        if (feed != NULL)
            ef_buf_byte(out, '\n');
    }
}

static void
chain(ef_slice all, int fd, uint64_t want, const unsigned char *head,
      size_t stop)
{
    struct cli_log_reader l = {.stop = UINT64_MAX};
    ef_buf shown = {0};
    ef_err err = {0};
    ef_status rc;

    l.out = &shown;
    rc = cli_log_read(&l, fd, &err);
    FUZZ_ASSERT(l.log.lines == want && memcmp(l.log.head, head, 32) == 0);
    FUZZ_ASSERT((rc == EF_OK) == (stop == all.n));
    FUZZ_ASSERT(rc == EF_OK || (rc == EF_E_AUTH && err.line == want + 1));
    ef_buf_free(&shown);
}

/* Where the log is whole, but perhaps for half of a line, its end is where it
 * should be, and each line's nonce is found; one of zeros is not. What is no
 * half of a line is refused: it may be another file. */
static void
ending(ef_slice all, int fd, const unsigned char *head, size_t stop)
{
    static const unsigned char zeros[EF_RELEASE_NONCE_BYTES];
    ef_release_log tail;
    struct cli_log_use use;
    uint64_t end = 0, size = 0;
    ef_status rc = cli_log_tail(fd, &tail, &end, &size, NULL);
    int whole =
        stop == all.n || memchr(all.p + stop, '\n', all.n - stop) == NULL;

    if (!whole || (all.n - stop >= CLI_LOG_WINDOW))
        return;
    /* half of a line begins as one does, or the disk has lost it */
    if (stop < all.n && all.p[stop] != '{' && all.p[stop] != '\0') {
        FUZZ_ASSERT(rc == EF_E_AUTH);
        return;
    }
    FUZZ_ASSERT(rc == EF_OK && end == stop && size == all.n);
    FUZZ_ASSERT(memcmp(tail.head, head, 32) == 0);
    use = (struct cli_log_use){.released = 0};
    FUZZ_ASSERT(cli_log_find(&use, fd, end, 0, zeros, NULL) == EF_OK);
    while (stop > 0) {
        size_t at = stop - 1;
        ef_release_line line;

        while (at > 0 && all.p[at - 1] != '\n')
            at--;
        if (ef_release_line_parse(&line, twin_slice(all.p + at, stop - 1 - at),
                                  NULL) == EF_OK &&
            line.event == EF_RELEASED && (int64_t)get_be(line.nonce, 8) >= 0 &&
            (int64_t)get_be(line.nonce, 8) <= line.time) {
            use = (struct cli_log_use){.released = 0};
            FUZZ_ASSERT(cli_log_find(&use, fd, end, 0, line.nonce, NULL) ==
                        EF_OK);
            FUZZ_ASSERT(use.released);
        }
        ef_release_line_free(&line);
        stop = at;
    }
}

/* The runs of the first release's workflow: as many as a count of lines finds,
 * and over where a "done" with the nonce stands behind them. */
static void
runs(ef_slice all, int fd, int whole)
{
    struct cli_log_runs l = {.head = {0}};
    ef_release_line lines[64];
    size_t n = 0, at = 0, want = 0, i, k;
    char path[32];
    ef_status rc;

    while (at < all.n && n < 64) {
        const unsigned char *p = all.p + at;
        const unsigned char *feed = memchr(p, '\n', all.n - at);
        size_t size = feed != NULL ? (size_t)(feed - p) : all.n - at;

        if (ef_release_line_parse(&lines[n++], twin_slice(p, size), NULL) !=
            EF_OK)
            lines[n - 1].event = EF_REFUSED;
        at += size + 1;
    }
    for (i = n; i-- > 0;)
        if (lines[i].event == EF_RELEASED)
            memcpy(l.workflow, lines[i].workflow, 32);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = cli_log_collect(&l, path, NULL, NULL);
    FUZZ_ASSERT((rc == EF_OK) == whole);
    for (i = 0; rc == EF_OK && at >= all.n && i < n; i++) {
        struct cli_log_run run;
        int over = 0;

        if (lines[i].event != EF_RELEASED ||
            memcmp(lines[i].workflow, l.workflow, 32) != 0)
            continue;
        run = cli_log_run_at(&l, want++);
        for (k = i + 1; k < n; k++)
            over |= lines[k].event == EF_ENDED && lines[k].time != 0 &&
                    memcmp(lines[k].nonce, run.nonce, 56) == 0 &&
                    memcmp(lines[k].appconfig, run.appconfig, 32) == 0;
        FUZZ_ASSERT(run.begun == lines[i].time);
        FUZZ_ASSERT(run.ended == 0 || over);
        FUZZ_ASSERT(twin_same(lines[i].app, l.texts.p + run.app_at, run.app_n));
    }
    FUZZ_ASSERT(rc != EF_OK || at < all.n ||
                l.runs.n == want * sizeof(struct cli_log_run));
    while (n-- > 0)
        ef_release_line_free(&lines[n]);
    ef_buf_free(&l.runs);
    ef_buf_free(&l.texts);
}

static void
whole_log(ef_slice all)
{
    unsigned char head[32];
    size_t stop;
    uint64_t want = twin_chain(all, head, &stop);
    int fd = memfd_create("log", 0);

    FUZZ_ASSERT(fd >= 0 && write(fd, all.p, all.n) == (ssize_t)all.n &&
                lseek(fd, 0, SEEK_SET) == 0);
    chain(all, fd, want, head, stop);
    ending(all, fd, head, stop);
    runs(all, fd, stop == all.n);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t anew = fuzz_byte(&in), starve = fuzz_byte(&in);
    ef_buf again = {0};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    const unsigned char *feed =
        text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;

    FUZZ_REACHED();
    one(twin_slice(text.p, feed != NULL ? (size_t)(feed - text.p) : text.n),
        starve);
    whole_log(text);
    if (anew & 1) {
        chained(&again, text);
        whole_log(twin_slice(again.p, again.n));
    }
    ef_buf_free(&again);
    free(block);
    return 0;
}
