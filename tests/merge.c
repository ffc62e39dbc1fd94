/*
 * merge.c -- two copies of a workspace, merged by copying files, are equal.
 *
 * merge [RUNS [SEED [FOLDER]]]   10000 runs, seed 1, in /dev/shm
 *
 * In every run two people with two folders add documents, approve, decline,
 * cancel and submit new versions in an order of chance. Between that files
 * are copied from one folder to the other, in any order: some copies stop
 * half way and leave a file cut off, under its name or under that of a
 * temporary file; some writers are killed before the file has its name. In
 * the end all is copied both ways, and then
 *   - both folders hold the same files, byte for byte;
 *   - both say the same of every document: state, why, where,
 *     runtime configurations;
 *   - what is approved was approved, and what was approved by all is: counted
 *     from a list of who did what, which the test itself keeps.
 * A failure prints the seed of its run: merge 1 SEED shows it again.
 *
 * encflow.c is included whole: the code is that of the program itself, but for
 * the arithmetic of signatures, which would take all the time. Something that
 * is quickly worked out stands in for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bearssl.h>

static size_t merge_sign(const br_ec_impl *impl, const br_hash_class *hf,
                         const void *hash, const br_ec_private_key *sk,
                         void *sig);
static uint32_t merge_verify(const br_ec_impl *impl, const void *hash, size_t n,
                             const br_ec_public_key *pk, const void *sig,
                             size_t sig_n);
static int merge_linkat(int from, const char *a, int to, const char *b,
                        int flags);

static br_ec_impl merge_ec; /* BearSSL's own, but for three calls */

#define br_ecdsa_i31_sign_raw merge_sign
#define br_ecdsa_i31_vrfy_raw merge_verify
#define linkat merge_linkat
#define br_ec_p256_m31 merge_ec
#define main encflow_main
#include "encflow.c"
#undef main
#undef linkat
#undef br_ec_p256_m31
#undef br_ecdsa_i31_sign_raw
#undef br_ecdsa_i31_vrfy_raw

/* --- chance, and failing --- */

static uint64_t run_seed, chance;
static unsigned long run_number;

static uint64_t
next64(void)
{
    uint64_t z = chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t
below(size_t n)
{
    return (size_t)(next64() % n);
}

static int
one_in(size_t n)
{
    return below(n) == 0;
}

static _Noreturn void
die(int line, const char *what, const char *more)
{
    fprintf(stderr, "tests/merge.c:%d: run %lu: %s: %s\nagain: merge 1 %llu\n",
            line, run_number, what, more != NULL ? more : "",
            (unsigned long long)run_seed);
    exit(1);
}
#define CHECK(cond, more) ((cond) ? (void)0 : die(__LINE__, #cond, more))

/* --- keys, each worked out once, and signatures --- */

#define MEMO 64
struct memo {
    unsigned char key[32];
    unsigned char sig[64];
    uint32_t state; /* 0 free; 1 + the answer */
};

/* The place for a key, or where it is. A full table starts anew. */
static struct memo *
memo_at(struct memo *table, const void *a, size_t a_n, const void *b,
        size_t b_n, const void *c, size_t c_n)
{
    br_sha256_context h;
    unsigned char key[32];
    size_t i, tries;

    br_sha256_init(&h);
    br_sha256_update(&h, a, a_n);
    br_sha256_update(&h, b, b_n);
    br_sha256_update(&h, c, c_n);
    br_sha256_out(&h, key);
    memcpy(&i, key, sizeof i);
    for (tries = 0; tries < 64; tries++, i++) {
        struct memo *m = &table[i % MEMO];

        if (m->state == 0)
            memcpy(m->key, key, sizeof key);
        if (memcmp(m->key, key, sizeof key) == 0)
            return m;
    }
    memset(table, 0, MEMO * sizeof *table);
    memcpy(table[i % MEMO].key, key, sizeof key);
    return &table[i % MEMO];
}

/* What each document's key is asked: is it a point (times one), and
 * which is a private key's? */
static uint32_t
merge_mul(unsigned char *point, size_t n, const unsigned char *x, size_t x_n,
          int curve)
{
    static struct memo points[MEMO];
    struct memo *m = memo_at(points, point, n, x, x_n, "", 0);

    if (m->state == 0) {
        m->state = 1 + br_ec_p256_m31.mul(point, n, x, x_n, curve);
        memcpy(m->sig, point + 1, 64);
    }
    memcpy(point + 1, m->sig, 64);
    return m->state - 1;
}

static size_t
merge_mulgen(unsigned char *point, const unsigned char *x, size_t x_n,
             int curve)
{
    static struct memo points[MEMO];
    struct memo *m = memo_at(points, x, x_n, "", 0, "", 0);

    if (m->state == 0) {
        CHECK(br_ec_p256_m31.mulgen(point, x, x_n, curve) == 65, NULL);
        m->state = 1;
        memcpy(m->sig, point + 1, 64);
    }
    point[0] = 4;
    memcpy(point + 1, m->sig, 64);
    return 65;
}

/* In place of a signature: what anybody could work out from the key and the
 * hash. Nobody forges here, and tests/unit.c has what is forged. */
static void
stand_in(unsigned char sig[64], const unsigned char point[65], const void *hash)
{
    br_sha256_context h;
    unsigned char c;

    for (c = 0; c < 2; c++, sig += 32) {
        br_sha256_init(&h);
        br_sha256_update(&h, &c, 1);
        br_sha256_update(&h, point, 65);
        br_sha256_update(&h, hash, 32);
        br_sha256_out(&h, sig);
        sig[0] &= 0x7f; /* below the order */
    }
}

static size_t
merge_sign(const br_ec_impl *impl, const br_hash_class *hf, const void *hash,
           const br_ec_private_key *sk, void *sig)
{
    unsigned char point[65];

    (void)hf;
    (void)impl->mulgen(point, sk->x, sk->xlen, sk->curve);
    stand_in(sig, point, hash);
    return 64;
}

static uint32_t
merge_verify(const br_ec_impl *impl, const void *hash, size_t n,
             const br_ec_public_key *pk, const void *sig, size_t sig_n)
{
    unsigned char want[64];

    (void)impl;
    CHECK(n == 32 && sig_n == 64 && pk->qlen == 65, NULL);
    stand_in(want, pk->q, hash);
    return memcmp(want, sig, 64) == 0;
}

/* --- a writer that is killed before the file has its name --- */

static int killed; /* the next file's writer is, in a process of its own */

static int
merge_linkat(int from, const char *a, int to, const char *b, int flags)
{
    if (killed)
        _exit(9);
    return linkat(from, a, to, b, flags);
}

/* --- people, folders, and what was done --- */

static char folder[2][300];
static unsigned char secret[2][EF_P256_SCALAR_BYTES], kid[2][EF_KID_BYTES];
static ef_workspace ws[2];
static int64_t now;

enum op {
    OP_DATASET,
    OP_APP,
    OP_BUILD,
    OP_CONFIG,
    OP_DRAFT,
    OP_SUBMIT,
    OP_VERSION,
    OP_CRAFTED,
    OP_APPROVE,
    OP_DECLINE,
    OP_CANCEL,
    OP_KILLED,
    OP_COPY,
    OP_COPY_CUT,
    OP_FOREIGN,
    OP_REFUSED,
    OP_HALF,
    OPS
};
static const char *const op_names[OPS] = {
    "dataset", "app",          "build",        "config",  "draft",    "submit",
    "version", "crafted",      "approve",      "decline", "cancel",   "killed",
    "copy",    "copy cut off", "foreign file", "refused", "half file"};
static unsigned long op_count[OPS], state_count[5], replaced_count,
    closure_count;

/* What the test knows of a document that somebody published. people are bits:
 * whose dataset or application it is, whom it asks. */
#define MAX_DONE 96
struct done {
    ef_doc_kind kind;
    int by;
    unsigned char hash[EF_SHA256_BYTES];
    int of, app, build, config, input, output; /* in done[], -1: none */
    unsigned people;                           /* asked */
    unsigned need;
    int reviewed; /* an application: it has domains */
    int exact;    /* a workflow: asks whom it has to, and its version fits */
    int version;
};
static struct done done[MAX_DONE];
static int done_n;

static int
bits(unsigned people)
{
    return (int)(people & 1) + (int)(people >> 1 & 1);
}

static void
hex_of(ef_buf *out, int at)
{
    doc_add_hash(out, done[at].hash);
}

/* A document of chance among those that p's folder has, of that kind; -1:
 * there is none. */
static int
some(int p, unsigned kinds)
{
    int i, n = 0, found = -1;

    for (i = 0; i < done_n; i++)
        if (kinds >> done[i].kind & 1 &&
            ef_workspace_find(&ws[p], done[i].hash) != NULL &&
            one_in((size_t)++n))
            found = i;
    return found;
}
#define KIND(k) (1u << (k))

static void
no_note(const char *name, struct ef_progress *progress, const ef_err *err)
{
    (void)progress;
    CHECK(err->code == EF_E_FORMAT, name);
}

static void
reread(int p)
{
    ef_err err = {0};

    ef_workspace_free(&ws[p]);
    CHECK(ws_read(&ws[p], folder[p], no_note, NULL, &err) == EF_OK, err.msg);
}

static void
spit(const char *dir, const char *dot, const char *name, const void *p,
     size_t n)
{
    char path[400];
    int fd;

    snprintf(path, sizeof path, "%s/%s%s", dir, dot, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n, path);
    close(fd);
}

/* Sign and write, as a command does. 1: it is done. */
static int
publish(int p, ef_doc_kind kind, ef_buf *members, const struct done *what)
{
    struct done *d = &done[done_n];
    ef_buf jws = {0};
    ef_err err = {0};
    int fd = -1;
    ef_status rc;

    CHECK(done_n < MAX_DONE && !members->failed, NULL);
    *d = *what;
    d->kind = kind;
    d->by = p;
    CHECK(ws_lock(&fd, folder[p], ".lock", 200, &err) == EF_OK, err.msg);
    rc = ef_doc_sign(&jws, d->hash, secret[p], kind, ++now, buf_slice(members),
                     &err);
    CHECK(rc == EF_OK, err.place);
    if (one_in(40)) { /* somebody's half file has its name already */
        ef_buf name = {0};

        doc_add_hash(&name, d->hash);
        spit(folder[p], "", buf_cstr(&name), jws.p, below(jws.n));
        ef_buf_free(&name);
        op_count[OP_HALF]++;
    }
    if (one_in(300)) { /* killed before the end, in a process of its own */
        pid_t child = fork();
        int status;

        if (child == 0) {
            killed = 1;
            (void)ws_publish(&ws[p], folder[p], d->hash, buf_slice(&jws), &err);
            _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child, NULL);
        op_count[OP_KILLED] += WIFEXITED(status) && WEXITSTATUS(status) == 9;
        rc = EF_E_IO;
        /* half of them try again */
        if (one_in(2))
            rc = ws_publish(&ws[p], folder[p], d->hash, buf_slice(&jws), &err);
    } else {
        rc = ws_publish(&ws[p], folder[p], d->hash, buf_slice(&jws), &err);
        CHECK(rc == EF_OK, err.msg);
    }
    close(fd);
    done_n += rc == EF_OK;
    ef_buf_free(&jws);
    ef_buf_free(members);
    return rc == EF_OK;
}

static void
add_people(ef_buf *m, const char *name, unsigned people)
{
    int i, n = 0;

    buf_printf(m, "\"%s\":[", name);
    for (i = 0; i < 2; i++)
        if (people >> i & 1) {
            ef_buf_str(m, n++ > 0 ? ",\"" : "\"");
            doc_add_kid(m, kid[i]);
            ef_buf_byte(m, '"');
        }
    ef_buf_str(m, "]");
}

static const char digits64[] =
    "1111111111111111111111111111111111111111111111111111111111111111";

static void
do_dataset(int p, int output)
{
    ef_buf m = {0};

    buf_printf(&m,
               "{\"commitment\":\"%s\",\"direction\":\"%s\",\"location\":"
               "\"https://h/%d\",\"name\":\"d\"",
               digits64, output ? "output" : "input", (int)below(4));
    if (!output)
        buf_printf(&m, ",\"sha256\":\"%s\",\"size\":1000", digits64);
    ef_buf_byte(&m, '}');
    op_count[OP_DATASET] +=
        (unsigned)publish(p, EF_DOC_DATASET, &m, &(struct done){.of = output});
}

static void
do_app(int p)
{
    struct done d = {.people = 1 + (unsigned)below(3), .reviewed = one_in(3)};
    ef_buf m = {0};

    d.need = 1 + (unsigned)below((size_t)bits(d.people));
    ef_buf_byte(&m, '{');
    add_people(&m, "approvers", d.people);
    buf_printf(&m, ",\"domains\":[%s],\"name\":\"app\",\"need\":%u}",
               d.reviewed ? "\"h\"" : "", d.need);
    op_count[OP_APP] += (unsigned)publish(p, EF_DOC_APP, &m, &d);
}

/* Anybody's application: a build of another's never counts. */
static void
do_build(int p)
{
    int app = some(p, KIND(EF_DOC_APP)), i;
    ef_buf m = {0};
    char pcr[97] = {0};

    if (app < 0)
        return;
    memset(pcr, 'a' + (int)below(3), 96);
    ef_buf_str(&m, "{\"app\":\"");
    hex_of(&m, app);
    ef_buf_str(&m, "\",\"image\":\"i\",\"measurements\":[{");
    for (i = 0; i < 3; i++)
        buf_printf(&m, "%s\"PCR%d\":\"%s\"", i > 0 ? "," : "", i, pcr);
    ef_buf_str(&m, "}]}");
    op_count[OP_BUILD] +=
        (unsigned)publish(p, EF_DOC_BUILD, &m, &(struct done){.app = app});
}

static void
do_config(int p)
{
    int app = some(p, KIND(EF_DOC_APP));
    ef_buf m = {0};

    if (app < 0)
        return;
    ef_buf_str(&m, "{\"app\":\"");
    hex_of(&m, app);
    ef_buf_str(&m, "\",\"name\":\"c\",\"ports\":{\"i\":\"input\","
                   "\"o\":\"output\"}}");
    op_count[OP_CONFIG] +=
        (unsigned)publish(p, EF_DOC_CONFIG, &m, &(struct done){.app = app});
}

/* Whom the graph of d concerns; 0 where it does not fit. */
static unsigned
owners(const struct done *d)
{
    int app = done[d->build].app;

    if (done[d->config].app != app || done[d->build].by != done[app].by ||
        done[d->input].of || !done[d->output].of)
        return 0;
    return 1u << done[app].by | 1u << done[d->input].by |
           1u << done[d->output].by;
}

/* A graph of what is there. It may be one that does not fit. 0: not enough. */
static int
graph(int p, ef_buf *m, struct done *d)
{
    int tries;

    d->build = some(p, KIND(EF_DOC_BUILD));
    d->config = some(p, KIND(EF_DOC_CONFIG));
    d->input = some(p, KIND(EF_DOC_DATASET));
    d->output = some(p, KIND(EF_DOC_DATASET));
    for (tries = 0; tries < 8 && d->output >= 0 && !done[d->output].of; tries++)
        d->output = some(p, KIND(EF_DOC_DATASET));
    for (tries = 0; tries < 8 && d->input >= 0 && done[d->input].of; tries++)
        d->input = some(p, KIND(EF_DOC_DATASET));
    if (d->build < 0 || d->config < 0 || d->input < 0)
        return 0;
    for (tries = 0; tries < 8 && owners(d) == 0; tries++) {
        d->build = some(p, KIND(EF_DOC_BUILD));
        d->config = some(p, KIND(EF_DOC_CONFIG));
    }
    ef_buf_str(m, "\"apps\":{\"a\":{\"build\":\"");
    hex_of(m, d->build);
    ef_buf_str(m, "\",\"config\":\"");
    hex_of(m, d->config);
    ef_buf_str(m, "\"}},\"connections\":[{\"app\":\"a\",\"dataset\":\"in\","
                  "\"port\":\"i\"},{\"app\":\"a\",\"dataset\":\"out\","
                  "\"port\":\"o\"}],\"datasets\":{\"in\":\"");
    hex_of(m, d->input);
    ef_buf_str(m, "\",\"out\":\"");
    hex_of(m, d->output);
    ef_buf_str(m, "\"},\"name\":\"w\"");
    return 1;
}

static void
do_draft(int p)
{
    struct done d = {.of = -1};
    ef_buf m = {0};

    ef_buf_byte(&m, '{');
    if (!graph(p, &m, &d)) {
        ef_buf_free(&m);
        return;
    }
    if (one_in(3))
        d.of = some(p, KIND(EF_DOC_WORKFLOW));
    if (d.of >= 0) {
        ef_buf_str(&m, ",\"version_of\":\"");
        hex_of(&m, d.of);
        ef_buf_byte(&m, '"');
    }
    if (one_in(4))
        ef_buf_str(&m, ",\"need\":1");
    d.need = m.p != NULL && memmem(m.p, m.n, "\"need\"", 6) != NULL;
    ef_buf_byte(&m, '}');
    op_count[OP_DRAFT] += (unsigned)publish(p, EF_DOC_DRAFT, &m, &d);
}

static void
do_submit(int p)
{
    int draft = some(p, KIND(EF_DOC_DRAFT));
    struct done d;
    ef_buf m = {0};
    ef_err err = {0};

    if (draft < 0)
        return;
    d = done[draft];
    if (ef_draft_submit(&m, &ws[p], ef_workspace_find(&ws[p], done[draft].hash),
                        &err) != EF_OK) {
        op_count[OP_REFUSED]++;
        ef_buf_free(&m);
        return;
    }
    d.people = owners(&d);
    CHECK(d.people != 0, "a draft that does not fit was submitted");
    d.version = 1;
    if (d.of >= 0) {
        d.people |= done[d.of].people;
        d.version = done[d.of].version + 1;
    }
    d.need = d.need ? 1 : (unsigned)bits(d.people);
    d.exact = 1;
    op_count[d.of >= 0 ? OP_VERSION : OP_SUBMIT] +=
        (unsigned)publish(p, EF_DOC_WORKFLOW, &m, &d);
}

/* A workflow that no command would make: whom it asks, what it replaces and
 * how many must approve are of chance. */
static void
do_crafted(int p)
{
    struct done d = {.of = some(p, KIND(EF_DOC_WORKFLOW)),
                     .people = 1 + (unsigned)below(3),
                     .version = 1 + (int)below(3)};
    ef_buf m = {0};
    unsigned should;

    ef_buf_byte(&m, '{');
    if (!graph(p, &m, &d)) {
        ef_buf_free(&m);
        return;
    }
    if (one_in(2))
        d.of = -1;
    if (d.of >= 0) {
        ef_buf_str(&m, ",\"replaces\":\"");
        hex_of(&m, d.of);
        ef_buf_byte(&m, '"');
    }
    d.need = 1 + (unsigned)below((size_t)bits(d.people));
    ef_buf_byte(&m, ',');
    add_people(&m, "participants", d.people);
    buf_printf(&m, ",\"draft\":\"%s\",\"need\":%u,\"version\":%d}", digits64,
               d.need, d.version);
    should = owners(&d);
    if (should != 0 && d.of >= 0)
        should |= done[d.of].people;
    d.exact = should == d.people &&
              d.version == (d.of >= 0 ? done[d.of].version + 1 : 1);
    op_count[OP_CRAFTED] += (unsigned)publish(p, EF_DOC_WORKFLOW, &m, &d);
}

static void
do_say(int p, ef_doc_kind kind, enum op op)
{
    unsigned kinds =
        KIND(EF_DOC_WORKFLOW) | (kind == EF_DOC_CANCEL || one_in(2)
                                     ? 0
                                     : KIND(EF_DOC_APP) | KIND(EF_DOC_BUILD));
    int of = some(p, kinds);
    ef_buf m = {0};

    if (of < 0)
        return;
    ef_buf_str(&m, "{\"of\":\"");
    hex_of(&m, of);
    ef_buf_str(&m, "\"}");
    op_count[op] += (unsigned)publish(p, kind, &m, &(struct done){.of = of});
}

/* Answer all that p has not answered yet, as somebody does who works through
 * his list of tasks. */
static void
do_tasks(int p)
{
    int i, k, n = done_n;

    for (i = 0; i < n && done_n < MAX_DONE - 2; i++) {
        ef_buf m = {0};

        if (!((KIND(EF_DOC_WORKFLOW) | KIND(EF_DOC_APP) | KIND(EF_DOC_BUILD)) >>
                  done[i].kind &
              1) ||
            ef_workspace_find(&ws[p], done[i].hash) == NULL)
            continue;
        for (k = 0; k < n; k++)
            if (done[k].by == p && done[k].of == i &&
                (done[k].kind == EF_DOC_APPROVAL ||
                 done[k].kind == EF_DOC_DECLINE))
                break;
        if (k < n || one_in(6))
            continue;
        ef_buf_str(&m, "{\"of\":\"");
        hex_of(&m, i);
        ef_buf_str(&m, "\"}");
        op_count[OP_APPROVE] +=
            (unsigned)publish(p, EF_DOC_APPROVAL, &m, &(struct done){.of = i});
    }
}

/* --- copying --- */

#define MAX_FILES 256
struct listing {
    char name[MAX_FILES][72];
    size_t n;
};

static void
list(struct listing *l, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    l->n = 0;
    CHECK(d != NULL, dir);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.') {
            CHECK(l->n < MAX_FILES && strlen(e->d_name) < 72, NULL);
            strcpy(l->name[l->n++], e->d_name);
        }
    closedir(d);
}

static size_t
slurp(const char *dir, const char *name, unsigned char *buf, size_t cap)
{
    char path[400];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY);
    if (fd >= 0)
        n = read(fd, buf, cap);
    if (fd >= 0)
        close(fd);
    return n < 0 ? 0 : (size_t)n;
}

/* Files that are not there, or shorter there, in an order of chance. cut: it
 * stops in the middle of one of them. */
static void
copy_files(int from, int to, int cut)
{
    static unsigned char a[1 << 16], b[1 << 16];
    static struct listing l;
    size_t i, k, n, stop;
    char t[72];

    list(&l, folder[from]);
    for (i = l.n; i > 1; i--) {
        k = below(i);
        memcpy(t, l.name[k], sizeof t);
        memcpy(l.name[k], l.name[i - 1], sizeof t);
        memcpy(l.name[i - 1], t, sizeof t);
    }
    stop = cut && l.n > 0 ? below(l.n) : l.n;
    for (i = 0; i < l.n; i++) {
        n = slurp(folder[from], l.name[i], a, sizeof a);
        if (slurp(folder[to], l.name[i], b, sizeof b) >= n && !one_in(20))
            continue;
        if (slurp(folder[to], l.name[i], b, sizeof b) > n)
            continue;
        if (i >= stop) {
            spit(folder[to], one_in(2) ? "." : "", l.name[i], a, below(n + 1));
            break;
        }
        spit(folder[to], "", l.name[i], a, n);
    }
    op_count[cut ? OP_COPY_CUT : OP_COPY]++;
}

/* --- what the list of deeds says --- */

/* Who said so of it: bits. */
static unsigned
said(int of, ef_doc_kind kind)
{
    unsigned people = 0;
    int i;

    for (i = 0; i < done_n; i++)
        if (done[i].kind == kind && done[i].of == of)
            people |= 1u << done[i].by;
    return people;
}

static int
reviewed(int what, int app)
{
    unsigned no = said(what, EF_DOC_DECLINE) & done[app].people;
    unsigned yes = said(what, EF_DOC_APPROVAL) & done[app].people & ~no;

    return bits(yes) >= (int)done[app].need &&
           bits(done[app].people) - bits(no) >= (int)done[app].need;
}

/* Is v one of the versions after w? */
static int
comes_after(int v, int w)
{
    for (v = done[v].of; v >= 0; v = done[v].of)
        if (v == w)
            return 1;
    return 0;
}

/* All approved that must, nobody took it back, and nothing is missing. */
static int
may_be_approved(int w)
{
    const struct done *d = &done[w];
    unsigned no = said(w, EF_DOC_DECLINE), yes = said(w, EF_DOC_APPROVAL) & ~no;
    unsigned must = 1u << done[d->input].by | 1u << done[d->output].by;
    int app = done[d->build].app;

    if (!d->exact || owners(d) == 0 || said(w, EF_DOC_CANCEL) >> d->by & 1)
        return 0;
    if ((yes & must) != must || bits(yes & d->people) < (int)d->need ||
        bits(d->people) - bits(no & d->people) < (int)d->need)
        return 0;
    if (d->of >= 0 && bits(yes & done[d->of].people) < (int)done[d->of].need)
        return 0;
    return reviewed(d->build, app) &&
           (!done[app].reviewed || reviewed(app, app));
}

/* Is there another version that might stand in w's way? */
static int
has_kin(int w)
{
    int i;

    for (i = 0; i < done_n; i++)
        if (i != w && done[i].kind == EF_DOC_WORKFLOW &&
            (comes_after(i, w) ||
             (done[w].of >= 0 && comes_after(i, done[w].of))))
            return 1;
    return 0;
}

static void
check_workflow(int w, ef_doc_state state)
{
    unsigned yes,
        must = 1u << done[done[w].input].by | 1u << done[done[w].output].by;
    int v, approved = state == EF_STATE_APPROVED;

    if (done[w].exact && owners(&done[w]) != 0 &&
        (said(w, EF_DOC_DECLINE) & must) != 0)
        CHECK(state == EF_STATE_REJECTED || state == EF_STATE_CANCELLED,
              "declined, and not rejected");
    if (bits(done[w].people) - bits(said(w, EF_DOC_DECLINE) & done[w].people) <
        (int)done[w].need)
        CHECK(state == EF_STATE_REJECTED || state == EF_STATE_CANCELLED,
              "too many declined, and not rejected");

    if (approved)
        CHECK(may_be_approved(w), "approved, and should not be");
    else if (may_be_approved(w))
        CHECK(has_kin(w), "not approved, and should be");
    for (v = 0; approved && v < done_n; v++) {
        /* a later one that this one's people approved, too, ended it */
        if (done[v].kind != EF_DOC_WORKFLOW || !comes_after(v, w))
            continue;
        yes = said(v, EF_DOC_APPROVAL);
        CHECK(!may_be_approved(v) ||
                  bits(yes & done[w].people) < (int)done[w].need,
              "two versions at once");
    }
}

/* --- the end of a run --- */

static void
same_folders(void)
{
    static unsigned char a[1 << 16], b[1 << 16];
    static struct listing l[2];
    size_t i, n;

    list(&l[0], folder[0]);
    list(&l[1], folder[1]);
    CHECK(l[0].n == l[1].n, "number of files");
    for (i = 0; i < l[0].n; i++) {
        n = slurp(folder[0], l[0].name[i], a, sizeof a);
        CHECK(n == slurp(folder[1], l[0].name[i], b, sizeof b) &&
                  memcmp(a, b, n) == 0,
              l[0].name[i]);
    }
}

static void
same_configurations(const ef_doc *const doc[2])
{
    ef_buf text[2] = {{0}, {0}};
    ef_status rc[2];
    int p;

    for (p = 0; p < 2; p++)
        rc[p] = ef_appconfig(&text[p], &ws[p], doc[p], slice_str("a"), NULL);
    CHECK(rc[0] == rc[1] && text[0].n == text[1].n &&
              (text[0].n == 0 || memcmp(text[0].p, text[1].p, text[0].n) == 0),
          "APPCONFIG");
    ef_buf_free(&text[0]);
    ef_buf_free(&text[1]);
}

/* The documents that decide about a workflow say the same without the others:
 * that is what an enclave is sent. Its configuration is found by its hash. */
static void
same_alone(const ef_doc *doc, ef_doc_state whole, const ef_err *whole_why)
{
    ef_workspace few = {malloc(ws[0].n * sizeof *few.docs), 0, 0, 0};
    unsigned char *marks = calloc(ws[0].n, 1), id[EF_SHA256_BYTES];
    ef_buf text[2] = {{0}, {0}}, node = {0};
    const ef_doc *found = NULL;
    ef_doc_state state;
    ef_err why;
    size_t i;

    CHECK(ef_workspace_closure(marks, &ws[0], doc, NULL) == EF_OK, "closure");
    for (i = 0; i < ws[0].n; i++)
        if (marks[i])
            few.docs[few.n++] = ws[0].docs[i];
    closure_count += few.n;
    CHECK(ef_doc_state_of(&few, doc, &state, &why, NULL) == EF_OK &&
              state == whole && why.msg == whole_why->msg,
          "the documents that decide do not decide");
    if (state == EF_STATE_APPROVED) {
        CHECK(ef_appconfig(&text[0], &ws[0], doc, slice_str("a"), NULL) ==
                  EF_OK,
              "approved");
        ef_sha256(id, text[0].p, text[0].n);
        CHECK(ef_appconfig_find(&text[1], &found, &node, &few, id, NULL) ==
                      EF_OK &&
                  found == doc && wf_same(buf_slice(&node), slice_str("a")) &&
                  wf_same(buf_slice(&text[0]), buf_slice(&text[1])),
              "found by its hash");
    }
    ef_buf_free(&text[0]);
    ef_buf_free(&text[1]);
    ef_buf_free(&node);
    free(few.docs);
    free(marks);
}

static void
same_states(void)
{
    int i, p;

    CHECK(ws[0].n == ws[1].n && ws[0].n == (size_t)done_n, "documents");
    for (i = 0; i < done_n; i++) {
        ef_doc_state state[2] = {EF_STATE_DRAFT, EF_STATE_DRAFT};
        ef_err why[2] = {{0}, {0}};
        const ef_doc *doc[2];
        ef_status rc[2];

        for (p = 0; p < 2; p++) {
            doc[p] = ef_workspace_find(&ws[p], done[i].hash);
            CHECK(doc[p] != NULL, "a document is lost");
            rc[p] = ef_doc_state_of(&ws[p], doc[p], &state[p], &why[p], NULL);
        }
        CHECK(rc[0] == rc[1] && state[0] == state[1], "states");
        CHECK(why[0].msg == why[1].msg &&
                  strcmp(why[0].where, why[1].where) == 0,
              "why");
        if (done[i].kind != EF_DOC_WORKFLOW)
            continue;
        state_count[state[0]]++;
        replaced_count +=
            why[0].msg != NULL && strstr(why[0].msg, "newer version") != NULL;
        check_workflow(i, state[0]);
        same_configurations(doc);
        same_alone(doc[0], state[0], &why[0]);
    }
}

static void
empty(const char *dir)
{
    char path[700];
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(path);
    }
    if (d != NULL)
        closedir(d);
}

static void
step(void)
{
    int p = (int)below(2);
    size_t what = below(32);

    if (what < 5)
        do_say(p, EF_DOC_APPROVAL, OP_APPROVE);
    else if (what < 9)
        do_tasks(p);
    else if (what == 9)
        do_say(p, EF_DOC_DECLINE, OP_DECLINE);
    else if (what == 10)
        do_say(p, EF_DOC_CANCEL, OP_CANCEL);
    else if (what < 13)
        do_dataset(p, (int)below(2));
    else if (what == 13)
        do_app(p);
    else if (what == 14)
        do_build(p);
    else if (what == 15)
        do_config(p);
    else if (what < 19)
        do_draft(p);
    else if (what < 22)
        do_submit(p);
    else if (what == 22)
        do_crafted(p);
    else if (what < 26)
        copy_files(p, !p, 1);
    else if (what < 29)
        copy_files(p, !p, 0);
    else if (what == 29) {
        spit(folder[p], "", "notes.txt", "notes", 5);
        op_count[OP_FOREIGN]++;
    } else
        reread(p);
}

/* What a workflow needs, so that most runs get to approvals. */
static void
begin(void)
{
    int p;

    do_dataset((int)below(2), 0);
    reread(0);
    do_dataset((int)below(2), 1);
    do_app(p = (int)below(2));
    do_build(p);
    do_config(p);
    if (one_in(2))
        copy_files(p, !p, 0);
    reread(!p);
    if (one_in(3))
        return;
    reread(p);
    do_tasks(p);
    do_tasks(!p);
    copy_files(!p, p, 0);
    copy_files(p, !p, 0);
    reread(0);
    reread(1);
    do_draft(p);
    do_submit(p);
    copy_files(p, !p, 0);
    reread(!p);
    do_tasks(!p);
}

static void
run(void)
{
    size_t i, steps = 12 + below(28);
    int p;

    done_n = 0;
    now = 1000 * (int64_t)below(4);
    for (p = 0; p < 2; p++) {
        empty(folder[p]);
        ef_workspace_free(&ws[p]);
    }
    if (!one_in(8))
        begin();
    for (i = 0; i < steps && done_n < MAX_DONE - 1; i++)
        step();
    for (p = 0; p < 2; p++)
        copy_files(p, !p, 0);
    copy_files(0, 1, 0);
    reread(0);
    reread(1);
    same_folders();
    same_states();
}

int
main(int argc, char **argv)
{
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    char top[200];
    int p;
    size_t i;

    merge_ec = br_ec_p256_m31;
    merge_ec.mul = merge_mul;
    merge_ec.mulgen = merge_mulgen;
    snprintf(top, sizeof top, "%s/merge.XXXXXX",
             argc > 3 ? argv[3] : "/dev/shm");
    CHECK(mkdtemp(top) != NULL, top);
    for (p = 0; p < 2; p++) {
        unsigned char q[EF_P256_POINT_BYTES];

        snprintf(folder[p], sizeof folder[p], "%s/%d", top, p);
        CHECK(mkdir(folder[p], 0700) == 0, folder[p]);
        memset(secret[p], 7 + p, sizeof secret[p]);
        CHECK(ef_p256_public(q, secret[p], NULL) == EF_OK, NULL);
        ef_p256_kid(kid[p], q);
    }
    for (run_number = 0; run_number < runs; run_number++) {
        run_seed = chance = seed + run_number;
        run();
    }
    for (p = 0; p < 2; p++) {
        empty(folder[p]);
        rmdir(folder[p]);
        ef_workspace_free(&ws[p]);
    }
    rmdir(top);
    printf("%lu runs from seed %llu:", runs, (unsigned long long)seed);
    for (i = 0; i < OPS; i++)
        printf("%s %lu %s", i > 0 ? "," : "", op_count[i], op_names[i]);
    printf("\nworkflows:");
    for (i = 0; i < 5; i++)
        printf(" %lu %s,", state_count[i], ef_doc_state_name((ef_doc_state)i));
    printf(" %lu replaced; %lu documents decided about them\n", replaced_count,
           closure_count);
    for (i = 0; i < OPS; i++)
        CHECK(runs < 1000 || op_count[i] > 0, op_names[i]);
    CHECK(runs < 1000 ||
              (state_count[EF_STATE_APPROVED] > runs / 100 &&
               state_count[EF_STATE_REJECTED] > 0 && replaced_count > 0),
          "too little happened");
    return 0;
}
