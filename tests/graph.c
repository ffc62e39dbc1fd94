/*
 * graph.c -- views to look at: graph SAMPLE text|dot|svg|html [SEED]
 *
 * tests/graph.bats and tests/graph.mjs judge what comes out. Samples:
 *
 *   small     one input, one application, one output, three people
 *   medium    three applications, eight datasets, one between them
 *   hostile   every text is an attack on its place; the names to find are
 *             on standard error with -n
 *   circle    a draft whose connections go round
 *   empty     nothing at all
 *   large     as much as the limits allow, every text long
 *   random    as SEED says
 *
 * Links with encflow.c, compiled with -DEF_NO_MAIN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encflow.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static ef_slice
text(const char *s)
{
    return (ef_slice){(const unsigned char *)s, strlen(s)};
}

static void *
array(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    if (p == NULL)
        abort();
    return p;
}

static char hashes[64][65];

/* 64 digits that look like a hash; the same for the same k. */
static ef_slice
hash(unsigned k)
{
    uint32_t x = k * 2654435761u + 12345;
    size_t i;

    for (i = 0; i < 64; i++, x = x * 1664525 + 1013904223)
        hashes[k % 64][i] = "0123456789abcdef"[x >> 28];
    return text(hashes[k % 64]);
}

/* --- the story: a data owner, an application's owner, a receiver --- */

static const ef_view_person people[] = {
    {.name = {(const unsigned char *)"Alice", 5},
     .kid =
         {(const unsigned char *)"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
          43},
     .state = 1,
     .time = 1613207400},
    {.name = {(const unsigned char *)"Bob", 3},
     .kid =
         {(const unsigned char *)"cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
          43},
     .state = 1,
     .time = 1613211065},
    {.name = {(const unsigned char *)"Carol", 5},
     .kid =
         {(const unsigned char *)"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
          43}},
};

static ef_view
small(void)
{
    static ef_view_label from[2], to[1];
    static ef_view_port ports[2];
    static ef_slice command[2], domains[1], pcr0[1];
    static ef_view_app app;
    static ef_view_dataset set[2];
    static const ef_view_edge edge[] = {{0, 0, 0, 1}, {1, 0, 1, 0}};

    from[0] = (ef_view_label){text("Location"), text("East US")};
    from[1] = (ef_view_label){text("Rows"), text("8376")};
    to[0] = (ef_view_label){text("Location"), text("East US")};
    ports[0] = (ef_view_port){text("input"), 0};
    ports[1] = (ef_view_port){text("output"), 1};
    command[0] = text("/usr/bin/python3");
    command[1] = text("/demo/describe.py");
    domains[0] = text("describe.example.com");
    pcr0[0] = text("b0d319fa64f9c2c9d7e9187bc21001ddacfab4077e737957fa1b8b97cc9"
                   "93bed43a79019aebfd40ee5f6f213147909f8");
    app = (ef_view_app){.name = text("Describe"),
                        .image = text("example/describe:1.4"),
                        .app = text("Python describe"),
                        .build = hash(1),
                        .config = hash(2),
                        .owner = text("Bob"),
                        .command = command,
                        .command_n = 2,
                        .domains = domains,
                        .domain_n = 1,
                        .pcr0 = pcr0,
                        .pcr0_n = 1,
                        .ports = ports,
                        .port_n = 2};
    set[0] = (ef_view_dataset){
        .name = text("Conditions Data"),
        .description = text("Patients with associated conditions"),
        .long_description = text(
            "### About this dataset\n\nSynthetic patients, as [Synthea]"
            "(https://synthea.mitre.org/downloads) makes them. **One row per "
            "condition**, *not* per patient; `START` and `STOP` are dates.\n\n"
            "- no real person is in it\n- ~~Allergies~~ are in another file\n\n"
            "> Please cite the source.\n"),
        .group = text("Research"),
        .location = text("https://example-data.s3.amazonaws.com/"
                         "conditions.csv.enc"),
        .hash = hash(3),
        .owner = text("Alice"),
        .labels = from,
        .label_n = 2,
        .direction = 1,
        .size = 1164926,
        .sha256 = hash(4),
        .expires = 1613817035};
    set[1] = (ef_view_dataset){.name = text("Conditions processing output"),
                               .description = text("Counts and frequencies"),
                               .group = text("Research"),
                               .location =
                                   text("https://example-data.s3.amazonaws.com/"
                                        "conditions_output.csv.enc"),
                               .hash = hash(5),
                               .owner = text("Carol"),
                               .labels = to,
                               .label_n = 1,
                               .direction = 2,
                               .expires = 1613817880};
    return (ef_view){.name = text("Conditions study"),
                     .description = text("What do patients have, and how often?"
                                         " Only the counts leave the enclave."),
                     .group = text("Research"),
                     .hash = hash(6),
                     .state = text("pending"),
                     .detail = text("waits for Carol"),
                     .submitter = text("Alice"),
                     .time = 1613206800,
                     .until = 1767225600,
                     .version = 1,
                     .need = 3,
                     .people = people,
                     .person_n = 3,
                     .apps = &app,
                     .app_n = 1,
                     .datasets = set,
                     .dataset_n = 2,
                     .edges = edge,
                     .edge_n = 2};
}

/* --- several applications --- */

static ef_view
medium(void)
{
    static const char *const names[] = {"Conditions",       "Patients",
                                        "Medications",      "Linked records",
                                        "Cohort selection", "Risk thresholds",
                                        "Survival curves",  "Audit report"};
    static const int direction[] = {1, 1, 1, 3, 3, 1, 2, 2};
    static const ef_view_edge edge[] = {
        {0, 0, 0, 1}, {1, 0, 1, 1}, {3, 0, 2, 0}, {3, 1, 0, 1}, {2, 1, 1, 1},
        {4, 1, 2, 0}, {4, 2, 0, 1}, {5, 2, 1, 1}, {6, 2, 2, 0}, {7, 0, 3, 0}};
    static ef_view_port ports[3][4];
    static ef_view_app app[3];
    static ef_view_dataset set[8];
    static ef_view_person who[4];
    ef_view v = small();
    size_t i;

    for (i = 0; i < 8; i++) {
        set[i] = v.datasets[direction[i] == 2];
        set[i].name = text(names[i]);
        set[i].direction = direction[i];
        set[i].hash = hash((unsigned)i + 10);
        set[i].owner = text(i % 3 == 0   ? "Alice"
                            : i % 3 == 1 ? "Bob"
                                         : "Carol");
        if (i > 0)
            set[i].long_description = text("");
    }
    for (i = 0; i < 3; i++) {
        app[i] = v.apps[0];
        app[i].name = text(i == 0 ? "Link" : i == 1 ? "Select" : "Estimate");
        app[i].image =
            text(i == 2 ? "example/estimate:0.9" : "example/cohort:2");
        app[i].appconfig = hash((unsigned)i + 20);
        app[i].ports = ports[i];
        app[i].port_n = i == 0 ? 4 : 3;
        ports[i][0] = (ef_view_port){text(i == 0 ? "conditions" : "input"), 0};
        ports[i][1] = (ef_view_port){text(i == 0 ? "patients" : "extra"), 0};
        ports[i][2] = (ef_view_port){text("output"), 1};
        ports[i][3] = (ef_view_port){text("audit"), 1};
    }
    for (i = 0; i < 3; i++) {
        who[i] = people[i];
        who[i].state = 1;
        who[i].time = 1613207400 + (int64_t)i * 3600;
    }
    v.name = text("Cohort survival, three hospitals");
    v.state = text("approved");
    v.detail = text("");
    v.people = who;
    v.apps = app;
    v.app_n = 3;
    v.datasets = set;
    v.dataset_n = 8;
    v.edges = edge;
    v.edge_n = COUNT(edge);
    return v;
}

/* --- texts that attack --- */

static const char *const attacks[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover='alert(3)",
    "]]></style></title><script>alert(4)</script>",
    "\xe2\x80\xaegnp.exe\xe2\x81\xa9 approved \xe2\x9c\x93",
    "\x1b[31mred\x07 \x7f \xc2\x9b"
    "31m",
    "&lt;b&gt; &#60;script&#62; &amp;",
    "</svg><foreignObject><body onload=alert(5)>",
    "line one\nline two\r\tapproved",
    "Z\xcd\xa5\xcc\xbe\xcd\x9b\xcd\x91\xcd\x8a\xcd\x90\xcc\x93\xcc\x81\xcd\x86"
    "\xcc\x90\xcc\x9a\xcc\x83\xcd\xa5\xcc\xbe\xcd\x9b\xcd\x91\xcd\x8a\xcd\x90"
    "\xcc\x93\xcc\x81\xcd\x86\xcc\x90\xcc\x9a"
    "algo",
    "javascript:alert(6)",
    "\"];\n  evil [label=\"\\\" \\N \\G",
    "\xe6\x82\xa3\xe8\x80\x85\xe3\x81\xae\xe7\x97\x85\xe6\xb0\x97\xe3\x83\x87"
    "\xe3\x83\xbc\xe3\x82\xbf\xe3\x82\xbb\xe3\x83\x83\xe3\x83\x88\xe5\x85\xa8"
    "\xe4\xbd\x93 \xf0\x9f\x98\x80\xf0\x9f\x98\x80",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "{{constructor.constructor('alert(7)')()}} ${alert(8)} %s%n %25",
    "\xff\xfe not UTF-8 \xc3",
};

static const char hostile_markdown[] =
    "<script>alert(9)</script>\n\n<img src=x onerror=alert(10)>\n\n"
    "[a](javascript:alert(11)) [b](data:text/html,x) [c](//evil.example)\n"
    "[bank.example](https://evil.example/bank.example) "
    "[d](https://bank.example@evil.example/) "
    "[e](https://evil.example/\" onclick=\"alert(12)) "
    "[*f](https://ok.example/*) g* **h [i** j](https://ok.example)\n\n"
    "![k](https://evil.example/pixel.png)\n\n"
    "```\n</code></pre><script>alert(13)</script>\n```\n\n"
    "> > > > > > > deep\n\n- a\n  - b\n    - c\n      - d\n        - e\n\n"
    "\xe2\x80\xaetxet desrever **bold ~~struck *both** x~~ y*\n\n"
    "<https://evil.example> &lt;b&gt; &#x3c;\n\n`<b>` ``a ` b``";

static ef_slice
attack(size_t k)
{
    return text(attacks[k % COUNT(attacks)]);
}

/* Fill a view of small's shape, or medium's, with attacks. */
static ef_view
hostile(void)
{
    static ef_view_dataset set[8];
    static ef_view_app app[3];
    static ef_view_port ports[3][4];
    static ef_view_person who[4];
    static ef_view_label label[3];
    static ef_slice list[3];
    ef_view v = medium();
    size_t i, k;

    for (i = 0; i < 3; i++) {
        label[i] = (ef_view_label){attack(i), attack(i + 3)};
        list[i] = attack(i + 6);
    }
    for (i = 0; i < 8; i++)
        set[i] = (ef_view_dataset){attack(i),
                                   attack(i + 1),
                                   attack(i + 2),
                                   text(hostile_markdown),
                                   attack(i + 3),
                                   attack(i + 4),
                                   attack(i + 5),
                                   attack(i + 6),
                                   label,
                                   3,
                                   v.datasets[i].direction,
                                   UINT64_MAX,
                                   attack(i + 7),
                                   INT64_MAX};
    for (i = 0; i < 3; i++) {
        for (k = 0; k < v.apps[i].port_n; k++)
            ports[i][k] =
                (ef_view_port){attack(i + k + 5), v.apps[i].ports[k].output};
        app[i] = (ef_view_app){attack(i + 8),
                               attack(i + 9),
                               attack(i + 10),
                               attack(i + 11),
                               attack(i + 12),
                               attack(i + 13),
                               attack(i + 14),
                               list,
                               3,
                               list,
                               3,
                               list,
                               3,
                               ports[i],
                               v.apps[i].port_n};
    }
    for (i = 0; i < 4; i++)
        who[i] =
            (ef_view_person){attack(i + 4), attack(i), (int)i - 1,
                             i % 2 == 0 ? INT64_MIN : INT64_MAX, attack(i + 2)};
    v.name = attack(3);
    v.description = attack(1);
    v.group = attack(2);
    v.hash = attack(4);
    v.state = attack(0);
    v.detail = attack(5);
    v.submitter = attack(6);
    v.people = who;
    v.person_n = 4;
    v.apps = app;
    v.datasets = set;
    return v;
}

/* --- shapes --- */

static ef_view
circle(void)
{
    static ef_view_edge edge[12];
    ef_view v = medium();

    memcpy(edge, v.edges, v.edge_n * sizeof *edge);
    edge[v.edge_n] =
        (ef_view_edge){6, 0, 0, 1}; /* the last output to the first */
    v.edges = edge;
    v.edge_n++;
    v.state = text("draft");
    return v;
}

/* A graph of these counts. Every third dataset is an input; the others are
 * made by one application, and read by later ones only: no circle. */
static ef_view
shape(uint32_t seed, size_t apps, size_t datasets, size_t edges, size_t ports,
      int wild)
{
    ef_view_app *app = array(apps, sizeof *app);
    ef_view_dataset *set = array(datasets, sizeof *set);
    ef_view_edge *edge = array(edges, sizeof *edge);
    ef_view_port *port = array(2 * ports, sizeof *port);
    ef_view v = small();
    size_t i, a, d, maker;

    for (i = 0; i < 2 * ports; i++)
        port[i] = (ef_view_port){wild ? attack(i) : text("port"), i >= ports};
    for (i = 0; i < apps; i++) {
        app[i] = v.apps[0];
        app[i].name = wild ? attack(seed + i) : text("Application");
        app[i].ports = port;
        app[i].port_n = 2 * ports;
    }
    for (i = 0; i < datasets; i++) {
        set[i] = v.datasets[0];
        set[i].name = wild ? attack(seed + i + 5) : text("Dataset");
        set[i].long_description = text("");
        set[i].direction = 1 + (int)(i % 3);
    }
    if (apps == 0 || datasets == 0 || ports == 0)
        edges = 0;
    for (i = 0; i < edges; i++) {
        seed = seed * 1664525 + 1013904223;
        a = (seed >> 8) % apps;
        d = i < datasets ? i : (seed >> 16) % datasets;
        maker = d % 3 == 0 ? apps : (d * 7 + d / 5) % apps;
        edge[i] = (ef_view_edge){d, a, (seed >> 4) % ports, 1};
        if (maker < apps && (i < datasets || maker + 1 == apps))
            edge[i] = (ef_view_edge){d, maker, ports + (seed >> 4) % ports, 0};
        else if (maker < apps)
            edge[i].app = maker + 1 + a % (apps - maker - 1);
    }
    v.apps = app;
    v.app_n = apps;
    v.datasets = set;
    v.dataset_n = datasets;
    v.edges = edge;
    v.edge_n = edges;
    return v;
}

/* The longest chain, and as many lanes as can be. */
static ef_view
large(void)
{
    ef_view v = shape(7, EF_MAX_VIEW_APPS, EF_MAX_VIEW_DATASETS,
                      EF_MAX_VIEW_EDGES, EF_MAX_VIEW_PORTS / 128, 1);
    ef_view_edge *edge = array(v.edge_n, sizeof *edge);
    size_t i, n = 0;

    for (i = 0; i + 1 < v.app_n; i++) {
        edge[n++] = (ef_view_edge){i, i, 32, 0};
        edge[n++] = (ef_view_edge){i, i + 1, 0, 1};
    }
    for (i = 64; i < v.dataset_n; i++) {
        edge[n++] = (ef_view_edge){i, 0, 1, 1};
        edge[n++] = (ef_view_edge){i, 63, i % 32, 1};
    }
    v.edges = edge;
    v.edge_n = n;
    return v;
}

static int
write_out(void *ctx, const unsigned char *p, size_t n)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) != n;
}

static int
print(const char *sample, const char *format, uint32_t seed)
{
    static const char *const formats[] = {"text", "dot", "svg", "html"};
    ef_view v = {.name = text("")};
    ef_buf out = {.drain = write_out};
    ef_err err = {0};
    size_t f = 0;

    if (strcmp(sample, "small") == 0)
        v = small();
    else if (strcmp(sample, "medium") == 0)
        v = medium();
    else if (strcmp(sample, "hostile") == 0)
        v = hostile();
    else if (strcmp(sample, "circle") == 0)
        v = circle();
    else if (strcmp(sample, "large") == 0)
        v = large();
    else if (strcmp(sample, "random") == 0)
        v = shape(seed, seed % 12, seed / 12 % 30, seed / 360 % 60,
                  seed / 7 % 5, seed % 2 == 0);
    else if (strcmp(sample, "empty") != 0)
        return 2;
    while (f < COUNT(formats) && strcmp(format, formats[f]) != 0)
        f++;
    if (f == COUNT(formats))
        return 2;
    if (ef_view_print(&out, &v, (ef_view_format)f, &err) != EF_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    if (fwrite(out.p, 1, out.n, stdout) != out.n)
        return 1;
    ef_buf_free(&out);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    return print(argv[1], argv[2],
                 argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1);
}
