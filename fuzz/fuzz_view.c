/*
 * Target   ef_view_print (section 14): a workflow as people look at it.
 * Input    texts, '|' between them, used again when they are at an end |
 *          edges, 3 bytes each | numbers of edges, ports, datasets,
 *          applications, people, and which allocation fails
 * Claims   all four formats come out; SVG and HTML have no tag, attribute or
 *          link but ours, closed in order, SVG is well-formed XML; no format
 *          has a control or direction character; nodes in a column do not
 *          overlap, lines go from a column to the next; a number over a limit
 *          or an index that is none is refused before anything is written.
 * Covers   ef_view_print ef_view_markdown view_*
 * Seeds    fuzz/seeds.py    Dict  view
 */
#include "fuzz.h"
#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define EF_NO_MAIN
#include "../encflow.c"
#undef malloc
#undef calloc

#include "markup.h"

struct texts {
    ef_slice all;
    size_t at;
};

/* The next text of the input, from the beginning again after the last. */
static ef_slice
next(struct texts *t)
{
    ef_slice rest = slice_from(t->all, t->at);

    rest.n = slice_find(rest, '|');
    t->at += rest.n + 1;
    if (t->at >= t->all.n)
        t->at = 0;
    return rest;
}

static void
fill_dataset(ef_view_dataset *d, struct texts *t, size_t i)
{
    static ef_view_label label[2];

    label[0] = (ef_view_label){next(t), next(t)};
    label[1] = label[0];
    *d = (ef_view_dataset){
        next(t), next(t),         next(t),      next(t),
        next(t), next(t),         next(t),      next(t),
        label,   i % 3,           (int)(i % 4), (uint64_t)i << (i * 7 % 64),
        next(t), (int64_t)(i % 2)};
}

static void
fill_app(ef_view_app *a, struct texts *t, ef_view_port *ports, size_t n)
{
    static ef_slice list[2];
    size_t i;

    list[0] = next(t);
    list[1] = next(t);
    for (i = 0; i < n; i++)
        ports[i] = (ef_view_port){next(t), i % 2};
    *a = (ef_view_app){next(t), next(t), next(t), next(t), next(t),
                       next(t), next(t), list,    2,       list,
                       n % 3,   list,    1,       ports,   n};
}

/* No two slots of a column overlap; lines go one column on. */
static void
check_plan(const ef_view *v)
{
    struct view_plan p = {0};
    size_t i, r;

    FUZZ_ASSERT(view_plan_make(&p, v, NULL) == EF_OK);
    FUZZ_ASSERT(p.last <= 2 * EF_MAX_VIEW_APPS);
    for (r = 0; r <= (size_t)p.last; r++)
        for (i = p.first[r]; i + 1 < p.first[r + 1]; i++) {
            const struct view_slot *a = &p.slot[p.order[i].slot];
            const struct view_slot *b = &p.slot[p.order[i + 1].slot];

            FUZZ_ASSERT(a->rank == (int)r && b->rank == (int)r);
            FUZZ_ASSERT(a->y + a->h + VIEW_GAP_Y <= b->y + 0.001);
        }
    for (i = 0; i < p.link_n; i++)
        FUZZ_ASSERT(p.slot[p.link[i].from].rank + 1 ==
                    p.slot[p.link[i].to].rank);
    view_plan_free(&p);
}

static void
check_markup(ef_slice out, int html)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    struct markup m = {
        .tags = " html head meta title style body main div span h1 h2 h3 h4 p "
                "dl dt dd ul ol li code pre article header figure figcaption "
                "b time small strong em del blockquote br hr a svg g path "
                "rect circle text ",
        .voids = html ? " meta br hr " : " "};

    if (html) {
        FUZZ_ASSERT(markup_begins(out, doctype));
        out = markup_skip(out, strlen(doctype));
    }
    markup_check(&m, out);
}

static void
print(const ef_view *v, uint8_t starve)
{
    ef_view_format f;

    for (f = EF_VIEW_TEXT; f <= EF_VIEW_HTML; f++) {
        ef_buf out = {0};
        ef_err err = {0};
        ef_status rc;

        fuzz_alloc_left = starve;
        rc = ef_view_print(&out, v, f, &err);
        if (fuzz_alloc_failed(starve))
            FUZZ_ASSERT(rc == EF_E_MEMORY);
        else
            FUZZ_ASSERT(rc == EF_OK);
        if (rc == EF_OK)
            markup_visible(buf_slice(&out));
        if (rc == EF_OK && f >= EF_VIEW_SVG)
            check_markup(buf_slice(&out), f == EF_VIEW_HTML);
        ef_buf_free(&out);
    }
}

/* A view that can't be is refused, and nothing comes out. */
static void
refuse(ef_view v, uint8_t what)
{
    static const size_t most[] = {EF_MAX_VIEW_APPS, EF_MAX_VIEW_DATASETS,
                                  EF_MAX_VIEW_EDGES};
    ef_view_edge edge = {v.dataset_n, v.app_n, 0, what & 1};
    ef_buf out = {0};
    ef_err err = {0};
    ef_status rc;

    if (what % 4 == 0)
        v.app_n = most[0] + 1;
    else if (what % 4 == 1)
        v.dataset_n = most[1] + 1;
    else if (what % 4 == 2)
        v.edge_n = most[2] + 1;
    else
        v.edges = &edge;
    if (what % 4 == 3)
        v.edge_n = 1;
    rc = ef_view_print(&out, &v, (ef_view_format)(what / 4 % 4), &err);
    FUZZ_ASSERT(rc == (what % 4 == 3 ? EF_E_FORMAT : EF_E_LIMIT));
    fuzz_refused(rc, &err, 1);
    FUZZ_ASSERT(out.n == 0 && !out.failed);
    ef_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ef_view_app apps[12];
    static ef_view_dataset sets[24];
    static ef_view_edge edges[64];
    static ef_view_port ports[12][8];
    static ef_view_person people[4];
    struct fuzz_in in = {data, size};
    uint8_t starve = fuzz_byte(&in);
    ef_view v = {.person_n = fuzz_byte(&in) % 5,
                 .app_n = fuzz_byte(&in) % 13,
                 .dataset_n = fuzz_byte(&in) % 25};
    size_t port_n = fuzz_byte(&in) % 9, i;
    struct texts t = {{NULL, 0}, 0};
    void *block;

    v.edge_n =
        v.app_n > 0 && v.dataset_n > 0 && port_n > 0 ? fuzz_byte(&in) % 65 : 0;
    for (i = 0; i < v.edge_n; i++) {
        uint8_t a = fuzz_byte(&in), d = fuzz_byte(&in), p = fuzz_byte(&in);

        edges[i] =
            (ef_view_edge){d % v.dataset_n, a % v.app_n, p % port_n, p & 128};
    }
    t.all = fuzz_rest(&in, &block);
    for (i = 0; i < v.person_n; i++)
        people[i] = (ef_view_person){next(&t), next(&t), (int)i - 1,
                                     (int64_t)i << 40, next(&t)};
    for (i = 0; i < v.app_n; i++)
        fill_app(&apps[i], &t, ports[i], port_n);
    for (i = 0; i < v.dataset_n; i++)
        fill_dataset(&sets[i], &t, i);
    v.name = next(&t);
    v.description = next(&t);
    v.state = next(&t);
    v.detail = next(&t);
    v.time = v.until = (int64_t)port_n;
    v.people = people;
    v.apps = apps;
    v.datasets = sets;
    v.edges = edges;
    FUZZ_REACHED();
    check_plan(&v);
    print(&v, starve);
    refuse(v, (uint8_t)(starve + size));
    free(block);
    return 0;
}
