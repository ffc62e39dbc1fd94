"""Reading and writing of vector files, for the generators beside this file.

A vector file holds two kinds of records. Those whose id begins with "gen-"
are made by a generator, from a fixed seed and with a second implementation
(never with encflow itself). All others were written by hand: published
answers with their source, and cases that somebody thought of. A generator
keeps those as they are, checks them against the second implementation too,
makes its own anew, and writes the file with the right count.

    /usr/bin/python3 vectors/gen_NAME.py           rewrite the files
    /usr/bin/python3 vectors/gen_NAME.py --check   fail if that changed any
"""
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = ("line", "hex", "text", "int", "status")
STATUS = {
    "ok", "EF_E_IO", "EF_E_MEMORY", "EF_E_INTERNAL", "EF_E_USAGE",
    "EF_E_AUTH", "EF_E_FORMAT", "EF_E_LIMIT", "EF_E_POLICY", "EF_E_NETWORK",
}


class Bad(Exception):
    """A record that is malformed, or that the second implementation denies."""


def need(condition, why):
    if not condition:
        raise Bad(why)


def quote(data):
    """bytes -> the "..." form of a text field."""
    named = {0x0A: "\\n", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\"}
    return '"' + "".join(
        named.get(c) or (chr(c) if 0x20 <= c < 0x7F else "\\x%02x" % c)
        for c in data) + '"'


def unquote(text):
    """The "..." form of a text field -> bytes."""
    need(len(text) >= 2 and text[0] == '"' and text[-1] == '"', "no quotes")
    body = text[1:-1]
    need(re.fullmatch(r'(?:[ !#-\[\]-~]|\\[nt"\\]|\\x[0-9a-f]{2})*', body),
         "a text field with a character or an escape that may not stand there")

    def one(m):
        named = {"n": "\n", "t": "\t"}
        return chr(int(m[1][1:], 16)) if m[1][0] == "x" else named.get(
            m[1], m[1])
    return re.sub(r"\\(x..|.)", one, body).encode("latin-1")


def parse_value(kind, text):
    if kind == "hex":
        need(re.fullmatch(r"(?:[0-9a-f]{2})*", text), "not lower-case hex")
        return bytes.fromhex(text)
    if kind == "text":
        return unquote(text)
    if kind == "int":
        need(re.fullmatch(r"0|-?[1-9][0-9]*", text), "not a number")
        return int(text)
    if kind == "status":
        need(text in STATUS, "not a status")
    need(text != "", "empty")
    return text


def print_value(kind, value):
    if kind == "hex":
        return value.hex()
    if kind == "text":
        return quote(value)
    return str(value)


class File:
    """One vector file: its header, its fields, its records as dicts."""

    def __init__(self, name):
        self.name = name
        self.path = os.path.join(HERE, name)
        with open(self.path, encoding="ascii", newline="") as f:
            self.text = f.read()
        need(self.text.endswith("\n"), "no final newline")
        lines = self.text[:-1].split("\n")
        self.header = [x for x in lines if x.startswith("#")]
        names = " ".join(
            x[len("# fields:"):] for x in self.header
            if x.startswith("# fields:")).split()
        need(names, name + ": no '# fields:' line")
        self.fields = []  # (name, type, optional)
        for x in names:
            m = re.fullmatch(r"([a-z0-9_]+)(?::([a-z]+))?(\?)?", x)
            need(m and (m[2] or "line") in TYPES, "field " + x)
            self.fields.append((m[1], m[2] or "line", bool(m[3])))
        self.records = []
        for block in "\n".join(
                x for x in lines if not x.startswith("#")).split("\n\n"):
            if not block.startswith("records ="):
                self.records.append(self.parse(block))

    def parse(self, block):
        rec, kinds = {}, {f[0]: f[1] for f in self.fields}
        for line in block.strip("\n").split("\n"):
            m = re.fullmatch(r"([a-z0-9_]+) *= ?(.*)", line)
            need(m and m[1] in kinds, "%s: line %r" % (self.name, line))
            need(m[1] not in rec, "%s: twice: %r" % (self.name, line))
            try:
                rec[m[1]] = parse_value(kinds[m[1]], m[2])
            except Bad as e:
                raise Bad("%s: %s: %r" % (self.name, e, line))
        return rec

    def print(self, rec):
        extra = set(rec) - {f[0] for f in self.fields}
        need(not extra, "%s: unknown %s" % (rec["id"], extra))
        width, out = max(len(f[0]) for f in self.fields), []
        for name, kind, optional in self.fields:
            if rec.get(name) is None:
                need(optional, "%s: missing %s" % (rec["id"], name))
                continue
            text = print_value(kind, rec[name])
            parse_value(kind, text)
            out.append(("%-*s = %s" % (width, name, text)).rstrip(" "))
        return "\n".join(out) + "\n"


def refresh(name, check, make):
    """Keep and check what was written by hand, make the rest, write."""
    f = File(name)
    hand = [r for r in f.records if not r["id"].startswith("gen-")]
    made = []
    for i, r in enumerate(make()):
        need("source" in r, "no source")
        made.append(dict(r, id="gen-%03d" % (i + 1)))
    seen = set()
    for r in hand + made:
        need(r["id"] not in seen, "%s: id twice: %s" % (name, r["id"]))
        seen.add(r["id"])
        try:
            check(r)
        except (Bad, AssertionError) as e:
            sys.exit("%s: %s: %s" % (name, r["id"], e))
    text = "\n".join(f.header) + "\nrecords = %d\n" % len(seen)
    text += "".join("\n" + f.print(r) for r in hand + made)
    same = text == f.text
    if "--check" in sys.argv[1:]:
        if not same:
            sys.exit("vectors/%s: not what its generator writes" % name)
    elif not same:
        with open(f.path, "w", encoding="ascii", newline="") as out:
            out.write(text)
    print("vectors/%s: %d records, %d by hand, %d made%s" % (
        name, len(seen), len(hand), len(made),
        "" if same else ", rewritten"))
