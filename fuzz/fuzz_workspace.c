/*
 * Target   what a set of documents comes to (section 14): states, graphs,
 *          runtime configurations, pages.
 * Input    a program: each byte makes a document, whose references and names
 *          the bytes after it choose among what is there; two people write
 * Claims   the order in which documents are taken in never matters; what is
 *          approved was approved by every owner of data and declined by none,
 *          and is not cancelled; a workflow that is approved has a runtime
 *          configuration for its applications, which is read back and found
 *          by its hash, and no other has one; the documents that a workflow
 *          takes elsewhere (its closure) come to the same state there, and to
 *          the same closure; every view can be printed in every format.
 * Covers   wf_people_ask wf_people_state wf_load* wf_connect wf_check_*
 *          wf_case_open wf_was_approved wf_has_successor wf_after
 *          wf_decide wf_state wf_draft_state wf_review wf_reviewed wf_owners
 *          ef_doc_state_of ef_appconfig wf_config* ef_draft_edit
 *          ef_workspace_closure wf_speaks_of wf_mark_named ef_appconfig_find
 *          ef_draft_submit wf_before wf_view* ws_place ws_insert ws_direction
 * Seeds    programs in fuzz/seeds.py
 */
#define main encflow_main
#include "../encflow.c"
#undef main

#include "fuzz.h"

#define FUZZ_DOCS 40

struct fuzz_doc {
    ef_doc_kind kind;
    int by, of;        /* of: an approval's, decline's or cancel's */
    int input, output; /* a workflow's datasets */
    unsigned char hash[EF_SHA256_BYTES];
    ef_buf text;
};
struct fuzz_set {
    struct fuzz_doc docs[FUZZ_DOCS];
    int n;
};

/* Two people; nobody asks for their keys. */
static const unsigned char *
kid_of(int who)
{
    static const unsigned char kids[2][EF_KID_BYTES] = {{1, 2}, {3}};

    return kids[who];
}

static const char fuzz_h[] =
    "1111111111111111111111111111111111111111111111111111111111111111";

/* A document that is there, of that kind where one is near; -1: none is. */
static int
pick(const struct fuzz_set *s, struct fuzz_in *in, ef_doc_kind kind)
{
    int i, at = s->n > 0 ? fuzz_byte(in) % s->n : -1;

    for (i = 0; i < s->n; i++)
        if (s->docs[(at + i) % s->n].kind == kind)
            return (at + i) % s->n;
    return at;
}

static void
add_name(ef_buf *m, const struct fuzz_set *s, int at)
{
    if (at < 0)
        ef_buf_str(m, fuzz_h);
    else
        doc_add_hash(m, s->docs[at].hash);
}

static void
add_kids(ef_buf *m, const char *name, unsigned people)
{
    int i, n = 0;

    buf_printf(m, ",\"%s\":[", name);
    for (i = 0; i < 2; i++)
        if (people >> i & 1) {
            ef_buf_str(m, n++ > 0 ? ",\"" : "\"");
            doc_add_kid(m, kid_of(i));
            ef_buf_byte(m, '"');
        }
    ef_buf_byte(m, ']');
}

/* One or two applications, datasets, and connections that may fit or not. */
static void
add_graph(ef_buf *m, struct fuzz_doc *d, const struct fuzz_set *s,
          struct fuzz_in *in)
{
    static const char *const apps[] = {"a", "b", "c"};
    static const char *const sets[] = {"in", "out", "mid", "no"};
    static const char *const ports[] = {"i", "o", "x"};
    int i, n = 1 + fuzz_byte(in) % 2, edges = 2 + fuzz_byte(in) % 4, mid;
    uint8_t c;

    ef_buf_str(m, "\"apps\":{");
    for (i = 0; i < n; i++) {
        buf_printf(m, "%s\"%s\":{\"build\":\"", i > 0 ? "," : "", apps[i]);
        add_name(m, s, pick(s, in, EF_DOC_BUILD));
        ef_buf_str(m, "\",\"config\":\"");
        add_name(m, s, pick(s, in, EF_DOC_CONFIG));
        ef_buf_str(m, "\"}");
    }
    ef_buf_str(m, "},\"connections\":[");
    for (i = 0; i < edges; i++) {
        /* zeros make the usual: in to a:i, a:o to out */
        c = fuzz_byte(in);
        buf_printf(m, "%s{\"app\":\"%s\",\"dataset\":\"%s\",\"port\":\"%s\"}",
                   i > 0 ? "," : "", apps[c % 3], sets[(i + (c >> 2)) % 4],
                   ports[(i + (c >> 4)) % 3]);
    }
    d->input = pick(s, in, EF_DOC_DATASET);
    d->output = pick(s, in, EF_DOC_DATASET);
    ef_buf_str(m, "],\"datasets\":{\"in\":\"");
    add_name(m, s, d->input);
    ef_buf_str(m, "\",\"out\":\"");
    add_name(m, s, d->output);
    ef_buf_byte(m, '"');
    if (edges > 2 && fuzz_byte(in) % 2) {
        mid = pick(s, in, EF_DOC_DATASET);
        ef_buf_str(m, ",\"mid\":\"");
        add_name(m, s, mid);
        ef_buf_byte(m, '"');
    }
    ef_buf_str(m, "},\"name\":\"<w>\"");
}

static void
members_of(ef_buf *m, struct fuzz_doc *d, const struct fuzz_set *s,
           struct fuzz_in *in)
{
    static const char *const ways[] = {"input", "output", "between"};
    static const char *const kinds[] = {"i", "o"};
    uint8_t c = fuzz_byte(in);
    int i;

    ef_buf_byte(m, '{');
    switch (d->kind) {
    case EF_DOC_DATASET:
        buf_printf(m,
                   "\"commitment\":\"%s\",\"direction\":\"%s\",\"location\":"
                   "\"https://h/\",\"name\":\"d%u\"%s",
                   fuzz_h, ways[c % 3], (unsigned)c % 8,
                   c & 64 ? ",\"quorum\":true" : "");
        if (c % 3 == 0)
            buf_printf(m, ",\"sha256\":\"%s\",\"size\":100", fuzz_h);
        break;
    case EF_DOC_APP:
        buf_printf(m, "\"domains\":[%s],\"name\":\"p\",\"need\":1",
                   c & 4 ? "\"h\"" : "");
        add_kids(m, "approvers", 1 + c % 3u);
        break;
    case EF_DOC_BUILD:
    case EF_DOC_CONFIG:
        ef_buf_str(m, "\"app\":\"");
        add_name(m, s, pick(s, in, EF_DOC_APP));
        if (d->kind == EF_DOC_CONFIG) {
            ef_buf_str(m, "\",\"name\":\"c\",\"ports\":{");
            for (i = 0; i < 2; i++)
                buf_printf(m, "%s\"%s\":\"%s\"", i > 0 ? "," : "", kinds[i],
                           ways[i ^ (c & 1 && i == 1)]);
            ef_buf_byte(m, '}');
            break;
        }
        ef_buf_str(m, "\",\"image\":\"i\",\"measurements\":[{");
        for (i = 0; i < 3; i++)
            buf_printf(m, "%s\"PCR%d\":\"%.32s%s\"", i > 0 ? "," : "", i,
                       fuzz_h, fuzz_h);
        ef_buf_str(m, "}]");
        break;
    case EF_DOC_DRAFT:
    case EF_DOC_WORKFLOW:
        add_graph(m, d, s, in);
        if (d->kind == EF_DOC_DRAFT) {
            ef_buf_str(m, c & 1 ? ",\"version_of\":\"" : ",\"replaces\":\"");
        } else {
            add_kids(m, "participants", 1 + (c >> 1) % 3u);
            ef_buf_str(m, ",\"draft\":\"");
            add_name(m, s, pick(s, in, EF_DOC_DRAFT));
            buf_printf(m, "\",\"need\":%d,\"version\":%d",
                       c & 16 && (1 + (c >> 1) % 3) == 3 ? 2 : 1,
                       1 + (c >> 5) % 4);
            if (!(c & 1))
                break;
            ef_buf_str(m, ",\"replaces\":\"");
        }
        add_name(m, s, pick(s, in, EF_DOC_WORKFLOW));
        ef_buf_byte(m, '"');
        break;
    case EF_DOC_APPROVAL:
    case EF_DOC_DECLINE:
    case EF_DOC_CANCEL:
        d->of = pick(s, in,
                     c & 1   ? EF_DOC_BUILD
                     : c & 2 ? EF_DOC_APP
                             : EF_DOC_WORKFLOW);
        ef_buf_str(m, "\"of\":\"");
        add_name(m, s, d->of);
        ef_buf_byte(m, '"');
        break;
    case EF_DOC_IDENTITY:
    case EF_DOC_CREDENTIALS:
        buf_printf(m, "\"dataset\":\"%s\",\"to\":\"%.43s\"", fuzz_h,
                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        d->kind = EF_DOC_CREDENTIALS;
        break;
    }
    ef_buf_byte(m, '}');
}

/* What ef_doc_sign checks, without the signature: that would take all the
 * time, and fuzz_document.c has it. */
static void
step(struct fuzz_set *s, struct fuzz_in *in)
{
    struct fuzz_doc *d = &s->docs[s->n];
    uint8_t c = fuzz_byte(in);
    ef_buf m = {0};
    ef_doc doc;

    *d = (struct fuzz_doc){.kind = (ef_doc_kind)(c % EF_DOC_KINDS),
                           .by = c >> 7,
                           .of = -1,
                           .input = -1,
                           .output = -1};
    members_of(&m, d, s, in);
    if (doc_compose(&d->text, kid_of(d->by), d->kind, s->n, buf_slice(&m),
                    NULL) == EF_OK &&
        ef_doc_parse(&doc, buf_slice(&d->text), NULL) == EF_OK) {
        memcpy(d->hash, doc.hash, sizeof d->hash);
        s->n++;
    } else {
        ef_buf_free(&d->text);
    }
    ef_buf_free(&m);
}

static void
take(ef_workspace *ws, const struct fuzz_set *s, int backwards)
{
    ef_err err = {0};
    ef_doc doc;
    int i;

    for (i = 0; i < s->n; i++) {
        const struct fuzz_doc *d = &s->docs[backwards ? s->n - 1 - i : i];

        FUZZ_ASSERT(ef_doc_parse(&doc, buf_slice(&d->text), &err) == EF_OK);
        FUZZ_ASSERT(ef_workspace_find(ws, doc.hash) == NULL);
        FUZZ_ASSERT(ws_insert(ws, &doc, &err) == EF_OK);
    }
}

static int
said(const struct fuzz_set *s, int of, ef_doc_kind kind, int by)
{
    int i;

    for (i = 0; i < s->n; i++)
        if (s->docs[i].kind == kind && s->docs[i].of == of &&
            s->docs[i].by == by)
            return 1;
    return 0;
}

/* Every owner of data said yes and never no, unless he lets a quorum do. */
static void
was_approved(const struct fuzz_set *s, const ef_workspace *ws, int at)
{
    const struct fuzz_doc *d = &s->docs[at];
    int sets[] = {d->input, d->output}, i, way, quorum;

    FUZZ_ASSERT(!said(s, at, EF_DOC_CANCEL, d->by));
    for (i = 0; i < 2; i++) {
        const struct fuzz_doc *set = &s->docs[sets[i]];

        FUZZ_ASSERT(sets[i] >= 0 && set->kind == EF_DOC_DATASET);
        FUZZ_ASSERT(ws_direction(&way, &quorum,
                                 ef_workspace_find(ws, set->hash),
                                 NULL) == EF_OK);
        if (quorum)
            continue;
        FUZZ_ASSERT(said(s, at, EF_DOC_APPROVAL, set->by));
        FUZZ_ASSERT(!said(s, at, EF_DOC_DECLINE, set->by));
    }
}

/* The documents that marks has, as a workspace of their own. */
static void
take_marked(ef_workspace *some, const struct fuzz_set *s,
            const ef_workspace *ws, const unsigned char *marks)
{
    ef_err err = {0};
    ef_doc doc;
    int i;

    for (i = 0; i < s->n; i++) {
        FUZZ_ASSERT(ef_doc_parse(&doc, buf_slice(&s->docs[i].text), &err) ==
                    EF_OK);
        if (marks[ws_place(ws, doc.hash)])
            FUZZ_ASSERT(ws_insert(some, &doc, &err) == EF_OK);
    }
}

/* One application's configuration is found by its hash, and by no other. */
static void
found(const ef_workspace *ws, const ef_doc *flow, ef_slice config, int approved)
{
    unsigned char id[EF_SHA256_BYTES];
    const ef_doc *which = flow;
    ef_buf text = {0}, node = {0};
    ef_status rc;

    ef_sha256(id, config.p, config.n);
    rc = ef_appconfig_find(&text, &which, &node, ws, id, NULL);
    FUZZ_ASSERT((rc == EF_OK) == approved);
    if (approved) {
        FUZZ_ASSERT(memcmp(which->hash, flow->hash, sizeof which->hash) == 0);
        FUZZ_ASSERT(text.n == config.n &&
                    memcmp(text.p, config.p, text.n) == 0);
        FUZZ_ASSERT(node.n == 1 && node.p[0] == 'a');
    }
    text.n = node.n = 0;
    id[0] ^= 1;
    FUZZ_ASSERT(ef_appconfig_find(&text, &which, &node, ws, id, NULL) ==
                    EF_E_POLICY &&
                which == NULL);
    ef_buf_free(&text);
    ef_buf_free(&node);
}

/* What a workflow takes with it elsewhere: itself, and all that decides. It is
 * there what it was here, and takes nothing less from there. */
static void
closure(const struct fuzz_set *s, const ef_workspace *ws, int at,
        ef_doc_state state, ef_slice config)
{
    unsigned char marks[FUZZ_DOCS], again[FUZZ_DOCS];
    const ef_doc *flow = ef_workspace_find(ws, s->docs[at].hash);
    ef_workspace some = {0};
    ef_doc_state there = EF_STATE_DRAFT;
    ef_err why = {0}, err = {0};
    size_t i;

    FUZZ_ASSERT(ef_workspace_closure(marks, ws, flow, NULL) == EF_OK);
    FUZZ_ASSERT(marks[ws_place(ws, flow->hash)] == 1);
    take_marked(&some, s, ws, marks);
    flow = ef_workspace_find(&some, flow->hash);
    FUZZ_ASSERT(ef_doc_state_of(&some, flow, &there, &why, &err) == EF_OK);
    FUZZ_ASSERT(there == state);
    FUZZ_ASSERT(ef_workspace_closure(again, &some, flow, NULL) == EF_OK);
    for (i = 0; i < some.n; i++)
        FUZZ_ASSERT(again[i] == 1);
    found(ws, flow, config, state == EF_STATE_APPROVED);
    found(&some, flow, config, state == EF_STATE_APPROVED);
    ef_workspace_free(&some);
}

static void
look(const struct fuzz_set *s, const ef_workspace ws[2], int at)
{
    ef_doc_state state[2] = {EF_STATE_DRAFT, EF_STATE_DRAFT};
    ef_err why[2] = {{0}, {0}}, err = {0};
    ef_status rc[2];
    ef_buf out = {0};
    ef_json json;
    int i;

    for (i = 0; i < 2; i++)
        rc[i] =
            ef_doc_state_of(&ws[i], ef_workspace_find(&ws[i], s->docs[at].hash),
                            &state[i], &why[i], NULL);
    FUZZ_ASSERT(rc[0] == rc[1] && state[0] == state[1]);
    FUZZ_ASSERT(why[0].msg == why[1].msg &&
                strcmp(why[0].where, why[1].where) == 0);
    if (s->docs[at].kind != EF_DOC_WORKFLOW)
        return;
    rc[0] =
        ef_appconfig(&out, &ws[0], ef_workspace_find(&ws[0], s->docs[at].hash),
                     slice_str("a"), &err);
    FUZZ_ASSERT((rc[0] == EF_OK) == (state[0] == EF_STATE_APPROVED));
    if (rc[0] == EF_OK) {
        was_approved(s, &ws[0], at);
        FUZZ_ASSERT(ef_appconfig_parse(&json, buf_slice(&out), NULL) == EF_OK);
        ef_json_free(&json);
    }
    closure(s, &ws[0], at, state[0], buf_slice(&out));
    ef_buf_free(&out);
}

/* A draft that follows is a document again, unless the names are taken. */
static void
edit(ef_buf *out, const ef_doc *draft, const ef_doc *other)
{
    ef_edit e = {.app = slice_str("app"),
                 .port = slice_str("port"),
                 .dataset = slice_str("set"),
                 .build = other,
                 .config = other,
                 .set = other,
                 .connect = 1};
    ef_buf text = {0};
    ef_doc doc;

    FUZZ_ASSERT(ef_draft_edit(out, draft, &e, 1, NULL) == EF_OK);
    FUZZ_ASSERT(doc_compose(&text, draft->by, EF_DOC_DRAFT, 1, buf_slice(out),
                            NULL) == EF_OK);
    FUZZ_ASSERT(ef_doc_parse(&doc, buf_slice(&text), NULL) == EF_OK);
    FUZZ_ASSERT(memcmp(doc.of, draft->hash, sizeof doc.of) == 0);
    ef_buf_free(&text);
}

/* A page of it, in one of the formats; what would be submitted. */
static void
show(const struct fuzz_set *s, const ef_workspace *ws, int at)
{
    const ef_doc *doc = ef_workspace_find(ws, s->docs[at].hash);
    ef_graph *g = NULL;
    ef_buf out = {0};
    ef_err err = {0};
    ef_view view;
    int f;

    if (s->docs[at].kind != EF_DOC_WORKFLOW && s->docs[at].kind != EF_DOC_DRAFT)
        return;
    FUZZ_ASSERT(ef_graph_view(&g, &view, ws, doc, NULL, &err) == EF_OK);
    for (f = 0; f < 4; f++) {
        FUZZ_ASSERT(ef_view_print(&out, &view, (ef_view_format)f, &err) ==
                    EF_OK);
        /* a name's bracket is markup in the text alone */
        FUZZ_ASSERT(f == EF_VIEW_TEXT ||
                    memmem(out.p, out.n, "<w>", 3) == NULL);
        out.n = 0;
    }
    if (s->docs[at].kind == EF_DOC_DRAFT) {
        (void)ef_draft_submit(&out, ws, doc, &err);
        out.n = 0;
        edit(&out, doc, ws->docs[0]);
    }
    ef_graph_free(g);
    ef_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct fuzz_set s = {.n = 0};
    ef_workspace ws[2] = {{0}, {0}};
    int i;

    FUZZ_REACHED();
    while (in.n > 0 && s.n < FUZZ_DOCS)
        step(&s, &in);
    take(&ws[0], &s, 0);
    take(&ws[1], &s, 1);
    for (i = 0; i < s.n; i++)
        look(&s, ws, i);
    for (i = 0; i < s.n; i++)
        show(&s, &ws[0], i);
    for (i = 0; i < s.n; i++)
        ef_buf_free(&s.docs[i].text);
    ef_workspace_free(&ws[0]);
    ef_workspace_free(&ws[1]);
    return 0;
}
