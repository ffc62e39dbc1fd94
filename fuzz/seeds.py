#!/usr/bin/python3
"""Seeds of the fuzz targets, made from vectors/*.txt: nothing is committed.

    fuzz/seeds.py FOLDER [T...]     write FOLDER/T/ID for every (named) target
    fuzz/seeds.py --zip FOLDER      write FOLDER/fuzz_T_seed_corpus.zip

TARGETS, at the end, has one row per target: a function that yields (id,
input). An input is a text and, after it, the parameters that the harness
takes from the end: seed(text, first, second, ...) puts them there in the
order in which the harness takes them.

    seed(text, 3)               fuzz_byte(&in) == 3
    seed(text, u32(70000), 1)   fuzz_u32(&in) == 70000, then fuzz_byte == 1
    seed(text, key)             fuzz_bytes(&in, key, 32) gives key
"""
import os
import re
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "vectors"))
from gen_common import Bad, File, need  # noqa: E402

MAX_BYTES = 1 << 16  # larger inputs make every engine slow


def records(name):
    """The records of vectors/NAME as dicts, as strictly as tests/vectors.h."""
    f = File(name)
    counts = re.findall(r"^records = ([1-9][0-9]*)$", f.text, re.M)
    need(counts == [str(len(f.records))], name + ": records = N is not true")
    for r in f.records:
        for field, _, optional in f.fields:
            need(optional or field in r, "%s: %s lacks %s" % (
                name, r.get("id"), field))
    return f.records


def u32(value):
    return value.to_bytes(4, "big")


def seed(text, *params):
    taken = b"".join(bytes([p]) if isinstance(p, int) else p for p in params)
    return text + taken[::-1]


# --- one function per target ------------------------------------------------


def hex_seeds():
    for r in records("hex.txt"):
        yield r["id"], seed(r["text"], min(r["size"], 255))


def base64_seeds():
    for r in records("base64.txt"):
        yield r["id"], r["text"]


def percent_seeds():
    for r in records("percent.txt"):
        flags = 1 if r["op"] == "path" else 2
        yield r["id"], seed(r["text"], flags, 0)
        if "bytes" in r:
            yield r["id"] + "-bytes", seed(r["bytes"], flags, 0)
    yield "no-memory", seed(b"%41/" * 100, 0, 2)
    yield "no-memory-at-once", seed(b"", 0, 1)


def utf8_seeds():
    for r in records("utf8.txt"):
        yield r["id"], r["text"]
    for r in records("jcs.txt"):
        yield "jcs-" + r["id"], r["text"]


JSON_FILES = ("json_accept.txt", "json_reject.txt", "jcs.txt")


def json_seed(text, indent, budget=0, stretch=0, at=0):
    return seed(text, indent, budget, stretch, at, sum(text) & 255)


def json_seeds():
    for name in JSON_FILES:
        for i, r in enumerate(records(name)):
            yield name[:-4] + "-" + r["id"], json_seed(r["text"], i % 5)
    for i, text in enumerate((b"[]", b"[1]", b"[[1,2]]", b"[ 0]")):
        yield "stretch-%d" % i, json_seed(text, 2, 0, 255 - i, 1)
    deep = b'{"a":1,"b":[2],"c":{"d":3,"e":[],"f":{}}}'
    for budget in range(1, 6):
        yield "no-memory-%d" % budget, json_seed(deep, 2, budget)
    for budget in range(1, 4):
        yield "no-memory-array-%d" % budget, json_seed(
            b"[" + b"0," * 40 + b"0]", 0, budget)


def pointer_seeds():
    for r in records("json_pointer.txt"):
        yield r["id"], seed(r["doc"] + r["pointer"], len(r["pointer"]), 0)
    for text in (b"/a/2/1/b", b"//", b"/01/0", b"/~01", b"/~1", b"/a/9"):
        yield "fixed-" + text.hex(), seed(text, len(text), 0)
    yield "no-memory", seed(b"[]/a", 2, 1)
    yield "no-memory-object", seed(b'{"a":1}/a', 2, 1)


def jcs_seeds():
    for name in ("jcs.txt", "json_accept.txt"):
        for r in records(name):
            yield name[:-4] + "-" + r["id"], seed(r["text"], 0, bytes(8))
    for r in records("numbers.txt"):
        yield r["id"], seed(b"0", 0, r["bits"][::-1])
    for budget in range(1, 4):
        yield "no-memory-%d" % budget, seed(
            b'{"a":["%s"]}' % (b"b" * 300), budget, bytes(8))


def csv_seed(text, cut=1, budget=0, enough=0, stretch=0, at=0):
    return seed(text, u32(cut), budget, enough, stretch, at >> 8,
                at & 255, sum(text) & 255)


def csv_seeds():
    for i, r in enumerate(records("csv.txt")):
        yield r["id"], csv_seed(r["text"], cut=i % 9)
    for i in range(3):
        for at in (0, 1, 5):
            yield "stretch-%d-%d" % (i, at), csv_seed(
                b'a,b\n"c",d\n', 60, stretch=255 - i, at=at)
            yield "stretch-%d-%d-more" % (i, at), csv_seed(
                b'a,"b",e\nc,d', 0, stretch=255 - i, at=at)
    for i, r in enumerate(records("utf8.txt")):
        yield "utf8-" + r["id"], csv_seed(b"a\n" + r["text"], cut=i % 4)
    for n in range(1, 4):
        yield "no-memory-%d" % n, csv_seed(b"a,b\n" + b"c" * 300, budget=n)
        yield "wide-no-memory-%d" % n, csv_seed(b"," * 40, budget=n)
        yield "enough-%d" % n, csv_seed(b"a\nb\nc\n", enough=n)


# fuzz_ini.c's lists: a record that wants something else gets the first.
INI_SECTIONS = (b"default", b"profile upload", b"upload", b"x", b"a-b_c.d",
                b"user1", b"b", b"")
INI_NAMES = (b"region", b"aws_access_key_id", b"s3", b"k", b"x", b"n",
             b"endpoint_url", b"output")


def ini_seed(text, section, name, stretch=0):
    which = 8 * INI_SECTIONS.index(section) + INI_NAMES.index(name)
    return seed(text, which | stretch, sum(text) & 255)


def ini_seeds():
    for r in records("ini.txt"):
        yield r["id"], ini_seed(
            r["text"], r["section"] if r["section"] in INI_SECTIONS
            else INI_SECTIONS[0],
            r["name"] if r["name"] in INI_NAMES else INI_NAMES[0])
    yield "too-long", ini_seed(b"[x]\nk=v\n", b"x", b"k", 0xc0)
    yield "just-too-long", ini_seed(b"", b"x", b"k", 0xc0)


TARGETS = {
    "ini": ini_seeds,
    "csv": csv_seeds,
    "jcs": jcs_seeds,
    "pointer": pointer_seeds,
    "json": json_seeds,
    "base64": base64_seeds,
    "hex": hex_seeds,
    "percent": percent_seeds,
    "utf8": utf8_seeds,
}

# --- writing them -----------------------------------------------------------


def inputs(target):
    """id -> input. Ids become file names."""
    found = {}
    need(target in TARGETS, "fuzz/seeds.py has no row for " + target)
    for name, data in TARGETS[target]():
        need(re.fullmatch(r"[!-.0-~]+", name) and name[0] != ".",
             "no file name: %r" % name)
        need(name not in found, "%s: id twice: %s" % (target, name))
        need(len(data) <= MAX_BYTES, "%s: %s is large" % (target, name))
        found[name] = data
    need(found, target + " has no seeds")
    return found


def write_folder(folder, target):
    """The folder holds exactly the seeds, and changes only where they do."""
    found = inputs(target)
    path = os.path.join(folder, target)
    os.makedirs(path, exist_ok=True)
    for stale in set(os.listdir(path)) - set(found):
        os.remove(os.path.join(path, stale))
    for name, data in found.items():
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)


def write_zip(folder, target):
    """Seeds and past crashes, where OSS-Fuzz looks for them."""
    past = os.path.join(ROOT, "fuzz", "regress", target)
    path = os.path.join(folder, "fuzz_%s_seed_corpus.zip" % target)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in inputs(target).items():
            z.writestr(name, data)
        for name in os.listdir(past) if os.path.isdir(past) else []:
            z.write(os.path.join(past, name), "regress-" + name)


def main():
    args = sys.argv[1:]
    write = write_zip if args[:1] == ["--zip"] else write_folder
    folder, *names = args[args[:1] == ["--zip"]:]
    try:
        for target in names or sorted(TARGETS):
            write(folder, target)
    except Bad as e:
        sys.exit("fuzz/seeds.py: %s" % e)


if __name__ == "__main__":
    main()
