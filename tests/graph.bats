#!/usr/bin/env bats
# What `workflow graph` shows: text, DOT, SVG and the page, of views that
# tests/graph.c makes; judged by xmllint, Graphviz and a browser.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_TEST_DIRNAME/.." || return 1
    "${CC:-cc}" -O1 -g -std=c11 -D_GNU_SOURCE -DEF_NO_MAIN -I. \
        -isystem /usr/include/bearssl tests/graph.c encflow.c \
        -o "$BATS_FILE_TMPDIR/graph" -lbearssl
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    SAMPLES="small medium hostile circle empty large"
}

# graph SAMPLE FORMAT [SEED]
graph() {
    "$BATS_FILE_TMPDIR/graph" "$@"
}

# seen PAGE: what the browser finds there, in seen.json.
seen() {
    node "$BATS_TEST_DIRNAME/graph.mjs" "$1" >seen.json
}

# field NAME: of seen.json, one value a line.
field() {
    python3 -c 'import json, sys
v = json.load(open("seen.json"))[sys.argv[1]]
print("\n".join(map(str, v)) if isinstance(v, list) else v)' "$1"
}

@test "text: state, marks and times, what is run, connections in order" {
    graph small text >out
    cat >want <<'END'
Workflow      Conditions study
About         What do patients have, and how often? Only the counts leave the enclave.
State         pending
Approvals     2 of 3, waits for Carol
Group         Research
Submitted by  Alice
Submitted     2021-02-13 09:00:00 UTC
Until         2026-01-01 00:00:00 UTC
Hash          b274190466ff8904395e944f718f960a72903692921574f80cc2aa945569b4da

Participants
  ✓ Alice  NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs  approved 2021-02-13 09:10:00 UTC
  ✓ Bob  cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s  approved 2021-02-13 10:11:05 UTC
  … Carol  oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U  has not answered

Applications
  Describe
    Image         example/describe:1.4
    PCR0          b0d319fa64f9c2c9d7e9187bc21001ddacfab4077e737957fa1b8b97cc993bed43a79019aebfd40ee5f6f213147909f8
    Command       /usr/bin/python3
                  /demo/describe.py
    Domains       describe.example.com

Connections
  Conditions Data -> Describe:input
  Describe:output -> Conditions processing output
END
    diff -u want out
}

@test "text, DOT, SVG and page: no control or direction character" {
    local sample format
    for sample in $SAMPLES; do
        for format in text dot svg html; do
            graph "$sample" "$format" >out
            python3 -c 'import sys, unicodedata
text = open("out", encoding="utf-8", newline="").read().replace("\n", "")
bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
       and c not in "\u200c\u200d"]
sys.exit("%s %s: %r" % (*sys.argv[1:], bad[:9]) if bad else 0)' \
                "$sample" "$format"
        done
    done
}

@test "the SVG is well-formed, and of SVG's elements alone" {
    local sample
    for sample in $SAMPLES; do
        graph "$sample" svg >out.svg
        xmllint --noout out.svg
        python3 -c 'import sys, xml.etree.ElementTree as E
for e in E.parse("out.svg").iter():
    name = e.tag.replace("{http://www.w3.org/2000/svg}", "")
    assert name in "svg title style g path rect circle text".split(), e.tag
    assert not [a for a in e.attrib if a.startswith("on") or "href" in a]'
    done
}

@test "Graphviz takes the DOT, and shows every name as it is" {
    local sample
    for sample in small medium hostile circle empty; do
        graph "$sample" dot >out.dot
        dot -Tsvg out.dot >dot.svg 2>err
        [ ! -s err ]
        dot -Tjson out.dot >dot.json
    done
    graph hostile dot | dot -Tsvg >dot.svg
    python3 -c 'import xml.etree.ElementTree as E
text = ["".join(e.itertext()) for e in E.parse("dot.svg").iter()
        if e.tag.endswith("}text")]
for name in ("<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>",
             "&lt;b&gt; &#60;script&#62; &amp;", "javascript:alert(6)",
             "]]></style></title><script>alert(4)</script>"):
    assert name in text, (name, text)
# two nodes of one name stay two; all lines are there
assert sum(t == "javascript:alert(6)" for t in text) == 2, text'
    [ "$(graph medium dot | grep -c -- '->')" = 10 ]
}

@test "the page in a browser: nothing but ours, light, dark, narrow" {
    local sample
    for sample in small medium hostile circle empty; do
        graph "$sample" html >page.html
        seen page.html
    done
}

@test "the page says what the view says" {
    graph small html >page.html
    seen page.html
    [ "$(field title)" = "Conditions study" ]
    [ "$(field h1)" = "Conditions study" ]
    [ "$(field state)" = pending ]
    [ "$(field people)" = $'Alice\nBob\nCarol' ]
    [ "$(field marks)" = $'✓\n✓\n…' ]
    [ "$(field h3)" = $'Conditions Data\nConditions processing output\nDescribe' ]
    field codes | grep -qx b274190466ff8904395e944f718f960a72903692921574f80cc2aa945569b4da
    [ "$(field pages)" -le 3 ]
}

@test "hostile names stay text, letter by letter" {
    graph hostile html >page.html
    seen page.html
    [ "$(field h1)" = "]]></style></title><script>alert(4)</script>" ]
    [ "$(field title)" = "]]></style></title><script>alert(4)</script>" ]
    [ "$(field state)" = "<script>alert(1)</script>" ]
    field h3 | head -n 3 | diff - <(printf '%s\n' \
        '<script>alert(1)</script>' '"><img src=x onerror=alert(2)>' \
        "' onmouseover='alert(3)")
    field boxes | grep -qxF '"><img src=x onerror=alert(2)>'
    field h3 | grep -qxF '�gnp.exe� approved ✓'
}

@test "no box overlaps another, no line crosses one: random graphs" {
    local seed
    for seed in 1 19 1000 5555 9090 12345 19998 21001 20003 21599; do
        graph random html "$seed" >page.html
        seen page.html
    done
}

@test "the largest view takes seconds, and less than 32 MiB" {
    python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, timeout=60, stdout=open("out.svg", "w"))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
sys.exit("%d KiB" % peak if peak > 32 << 10 else 0)' \
        "$BATS_FILE_TMPDIR/graph" large svg
    [ "$(grep -c '^<g class="g-e' out.svg)" = 1024 ]
}
