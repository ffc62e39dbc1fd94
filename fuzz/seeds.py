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
import base64
import hashlib
import json
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


def seldom(text, *params):
    """With a byte after the text that makes fuzz_seldom() true."""
    rest = seed(text, *params)
    return seed(text, *params, -sum(rest) & 255)


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
    return seldom(text, indent, budget, stretch, at)


def json_seeds():
    for name in JSON_FILES:
        for i, r in enumerate(records(name)):
            yield name[:-4] + "-" + r["id"], json_seed(r["text"], i % 5)
    # fuzz_json.c's stretches; the last two just within and just past a limit
    for i, text in ((255, b"[]"), (254, b"[1]"), (253, b"[0]"),
                    (253, b"[0,0]"), (252, b"0"), (252, b"0 ")):
        yield "stretch-%d-%d" % (i, len(text)), json_seed(text, 2, 0, i, 1)
    for n in (1023, 1024, 1025):
        yield "number-%d" % n, json_seed(b"0." + b"1" * (n - 2), 0)
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
    return seldom(text, u32(cut), budget, enough, stretch, at >> 8, at & 255)


def csv_seeds():
    for i, r in enumerate(records("csv.txt")):
        yield r["id"], csv_seed(r["text"], cut=i % 9)
    for i in range(3):
        for at in (0, 1, 5):
            yield "stretch-%d-%d" % (i, at), csv_seed(
                b'a,b\n"c",d\n', 60, stretch=255 - i, at=at)
            yield "stretch-%d-%d-more" % (i, at), csv_seed(
                b'a,"b",e\nc,d', 0, stretch=255 - i, at=at)
    for i, text in enumerate((b",b", b"x,b", b"", b",", b'"",')):
        yield "limit-%d" % i, csv_seed(text, stretch=253 if i in (2, 3)
                                       else 255)
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


INI_SUBS = (None, b"addressing_style", b"k", b"endpoint_url")


def ini_seed(text, section, name, stretch=0, sub=None):
    which = 8 * INI_SECTIONS.index(section) + INI_NAMES.index(name)
    return seldom(text, which | stretch, INI_SUBS.index(sub))


def part_seeds():
    """Parts of a value, below a name that has none of its own."""
    head, style = b"[x]\n", b"  addressing_style = path\n"
    for i, text in enumerate((
            b"s3 =\n" + style, b"s3=\n" + style + b"region = r\n",
            b"s3 = x\n" + style, b"s3 :\n" + style, b"s3 =\n\n#\n" + style,
            b"s3 =\n" + style + style, b"s3 =\n" + style + b"s3 =\n" + style,
            b"s3 = x\ns3 =\n" + style, b"s3 =\n  a = b\n" + style,
            b"s3 =\n  plain\n" + style, b"s3 =\n  = x\n" + style,
            b"s3 =\n  a: b\n" + style, b"s3 =\n  addressing_style: path\n",
            b"s3 =\n  addressing_style = path # x\n", b"  s3 =\n k = v\n",
            b"  s3 =\n" + style, b"  s3 =\n k = v\n s3 = x\n",
            b"  s3 =\n [x]\n", b"a =\n" + style, b" s3 = x\n s3 = y\n",
            b"s3 =\n  ADDRESSING_STYLE = path\n", b"s3 =\n  k =\n",
            b"[DEFAULT]\ns3 =\n" + style, b"s3 = x\n[DEFAULT]\ns3 = y\n")):
        yield "part-%d" % i, ini_seed(head + text, b"x", b"s3", 0,
                                      b"addressing_style")
        yield "part-%d-k" % i, ini_seed(head + text, b"x", b"s3", 0, b"k")


def ini_seeds():
    for r in records("ini.txt"):
        yield r["id"], ini_seed(
            r["text"], r["section"] if r["section"] in INI_SECTIONS
            else INI_SECTIONS[0],
            r["name"] if r["name"] in INI_NAMES else INI_NAMES[0])
    yield "too-long", ini_seed(b"[x]\nk=v\n", b"x", b"k", 0xc0)
    yield "just-too-long", ini_seed(b"", b"x", b"k", 0xc0)
    yield from part_seeds()


def gcm_seeds():
    for i, r in enumerate(records("aes256gcm.txt")):
        if "pt" in r and len(r["aad"]) < 256:
            yield r["id"], seed(r["pt"] + r["aad"], len(r["aad"]), i & 63,
                                u32(i * 7919), u32(i * 104729), r["iv"],
                                r["key"])


def container_seeds():
    for i, r in enumerate(records("container.txt")):
        key = bytes(32)
        if "pt" in r:
            key = bytes.fromhex(r["key_text"].strip().decode())
            yield r["id"], seed(r["pt"], i & 255, u32(i * 7919), u32(i),
                                r["file"][:12], key)
        elif "file" in r:
            yield r["id"], seed(r["file"], 0, u32(0), u32(i), bytes(12), key)
    for i in range(24):
        params = (0xf0 + i % 4, u32(i * 7919), u32(i), bytes(12), bytes(32))
        yield "stretched-%d" % i, seed(b"%c" % (-sum(seed(b"", *params)) & 255),
                                  *params)
        yield "ranges-%d" % i, seed(b"0123456789abcdef" * i + b"x" * (i % 3),
                                   i, u32(i), u32(i * 31), bytes(12),
                                   bytes(32))


def key_seeds():
    for r in records("container.txt"):
        yield r["id"], r["key_text"]


def credentials_seeds():
    for r in records("credentials.txt"):
        yield r["id"], r["json"]


def result_seeds():
    for i, r in enumerate(records("result.txt")):
        yield r["id"], r["json"]
        if "out" in r:
            yield r["id"] + "-streams", seed(
                r["out"] + r["err"], u32(len(r["out"])), u32(i * 104729),
                u32(i * 7), i)


def receipt_seeds():
    for r in records("receipts.txt"):
        if len(r["text"]) < 8192:
            yield r["id"], r["text"]
    for r in records("result.txt"):
        if "receipt" in r:
            yield "result-" + r["id"], r["receipt"]


def enclave_seeds():
    for r in records("release_answers.txt"):
        if len(r["json"]) < 8192:
            yield "answer-" + r["id"], seed(r["json"], 0, 0)
    for r in records("jws.txt"):
        if "jws" in r and len(r["jws"]) < 8192:
            yield "jws-" + r["id"], seed(
                b'{"documents":["' + r["jws"] + b'"]}', 0, 0)
    for key in (b"0" * 64, b"1" * 64, b"x"):
        for way in (b"download", b"upload"):
            yield "key-%s-%s" % (key[:1].decode(), way.decode()), seed(
                b'{"datasets":{"' + b"0" * 64 + b":" + way +
                b'":{"query_string":"YT1i","encryption":{"key":"' + key +
                b'"}}},"token":"t"}', 1, 0)
    for i, token in enumerate((b"1", b"[]", b'"a\\"b"')):
        yield "token-%d" % i, seed(b'{"token":' + token + b"}", 1, 0)
    for r in records("result.txt"):
        if len(r["json"]) < 8192:
            yield "result-" + r["id"], seed(r["json"], 2, 0)
    for i, text in enumerate((b"", b"{}\n", b"a" * 70 + b"\n" + b"b" * 200)):
        yield "line-%d" % i, seed(text, 3, i)
        yield "sealed-%d" % i, seed(text, 4, 0)


def location_seeds():
    for r in records("locations.txt"):
        yield r["id"], r["url"]
    for name in ("sigv2.txt", "sigv4.txt"):
        for r in records(name):
            if "url" in r:
                yield name[:-4] + "-" + r["id"], r["url"]
    for i, path in enumerate((b"a%20b", b"a%2", b"a%zz", b"a%00b", b"%2Fx")):
        yield "file-%d" % i, b"file:///" + path
    yield "long", b"https://h/" + b"a" * 9000
    yield "long-name", b"/" + b"n\n" * 300


def name_seeds():
    for r in records("names.txt"):
        yield r["id"], r["text"]
    for i, text in enumerate((b"n" * 255, b"n" * 256, b"\xe0\xa0\x80",
                              b"\xe0\x9f\x80", b"\xf4\x8f\xbf\xbf",
                              b"\xf4\x90\x80\x80", b"a\xf0\x9f\x98\x82")):
        yield "edge-%d" % i, text


def time_seeds():
    for r in records("times.txt"):
        yield r["id"], seed(r["text"], (r.get("time") or 0).to_bytes(8, "big"))


def http_date_seeds():
    for r in records("http_dates.txt"):
        at = (r.get("time") or 0) & (1 << 64) - 1
        now = r["now"] & (1 << 64) - 1
        yield r["id"], seed(r["text"], at.to_bytes(8, "big"),
                            now.to_bytes(8, "big"))


def range_seeds():
    for name in ("content_ranges.txt", "etags.txt"):
        for r in records(name):
            yield name[:-4] + "-" + r["id"], r["text"]


# fuzz_xml.c's lists: a record that wants something else gets the first.
XML_ROOTS = (b"Error", b"Result", b"a:b", b"Code")
XML_NAMES = (b"Code", b"UploadId", b"x:y", b"_b-c.d")


def xml_seed(text, root, name, starve=0, stretch=0):
    which = 4 * XML_ROOTS.index(root) + XML_NAMES.index(name)
    return seldom(text, which | stretch, starve)


def xml_seeds():
    for r in records("xml.txt"):
        root = r["root"] if r["root"] in XML_ROOTS else XML_ROOTS[0]
        name = r["name"] if r["name"] in XML_NAMES else XML_NAMES[0]
        yield r["id"], xml_seed(r["text"], root, name)
    for i, text in enumerate((b"<Error><Code>1</Code></Error>", b"<Error>",
                              b"<?xml ", b"<Error a='")):
        yield "long-%d" % i, xml_seed(text, b"Error", b"Code", 0, 0xc0)
        yield "too-long-%d" % i, xml_seed(text, b"Error", b"Code", 0, 0xd1)
    long = b"<Error><Code>" + b"v" * 700 + b"</Code></Error>"
    for n in range(1, 4):
        yield "no-memory-%d" % n, xml_seed(long, b"Error", b"Code", n)


def shard_seeds():
    for r in records("shards.txt"):
        yield r["id"], r["text"]


def query_seeds():
    for r in records("presigned.txt"):
        yield r["id"], r["query"]
    for name in ("sigv2.txt", "sigv4.txt"):
        for r in records(name):
            if "url" in r:
                yield name[:-4] + "-" + r["id"], r["url"].split(b"?", 1)[1]


def presign_seeds():
    styles = ("regional", "auto", "virtual", "path")
    methods = ("GET", "PUT", "HEAD", "POST", "DELETE")
    for name in ("sigv2.txt", "sigv4.txt", "sigv4_headers.txt"):
        for i, r in enumerate(records(name)):
            query = b"\t".join((r.get("query") or b"").splitlines())
            text = b"\n".join([r["bucket"], r.get("region") or b"",
                               r.get("endpoint") or b"", r.get("token") or b"",
                               r["access"], query, r["key"]])
            flags = ((name == "sigv2.txt") | (r["method"] == "PUT") << 1 |
                     styles.index(r["addressing"]) << 2 |
                     methods.index(r["method"]) << 4)
            now = max(r["now"], 0) >> 6 & 0xffffffff
            yield name[:-4] + "-" + r["id"], seed(
                text, flags, i % 120,
                u32(max(r.get("expires", 60), 0) % 700000), u32(now), i % 60)


def describe_seed(text, i, which=None):
    return seed(text, i % 240 if which is None else which, u32(i * 7919),
                i % 40, bytes(range(i % 200, i % 200 + 16)))


def describe_seeds():
    for i, r in enumerate(records("describe.txt")):
        yield r["id"], describe_seed(r["text"], i)
        yield r["id"] + "-all", describe_seed(r["text"], i, 0)
    for i, r in enumerate(records("csv.txt")):
        yield "csv-" + r["id"], describe_seed(r["text"], i)
    many = b"a\n" + b"".join(b"v%d\n" % (i * i % 97) for i in range(300))
    for i in range(8):
        yield "many-%d" % i, describe_seed(many, i)
    for i, v in enumerate(b"""9e308 1.7e308 1e309 99999999999999999e292 .5 5. .
            1e 1e+5 +inf -Infinity infinite 0x1 1_0 9223372036854775807
            9223372036854775808 -9223372036854775809 18446744073709551615
            18446744073709551616 123456789012345678901234567890.5 True FALSE
            NA nan <NA> #N/A""".split()):
        yield "type-%d" % i, describe_seed(b"a\n" + v + b"\n", i, 0)
        yield "type-%d-one" % i, describe_seed(b"a\n1\n" + v + b"\n", i, 0)
        yield "type-%d-no" % i, describe_seed(b"a\nNA\n" + v + b"\n", i, 0)


KEY = b'{"encryption": {"key": "' + b"0123456789abcdef" * 4 + b'"}}'
BOTH = KEY[:-1] + b', "query_string": "eD15"}'


def port_seed(text, how, starve=0):
    return seed(text, how, starve)


def ports_seeds():
    def entry(kind, name, location=b"https://h/k", credentials=BOTH):
        return kind + name + b"\x1f" + location + b"\x1f" + credentials

    for i, kind in enumerate(b"dflnDyLCospx"):
        name = chr(kind)
        yield "kind-" + name, port_seed(entry(bytes([kind]), b"one"), 7)
        yield "kind-" + name + "-2", port_seed(b"\x1e".join(
            [entry(b"d", b"two"), entry(bytes([kind]), b"one"),
             entry(b"n", b"three")]), 7)
    for i, schemes in enumerate(b"https http file".split()):
        for allowed in range(8):
            yield "scheme-%d-%d" % (i, allowed), port_seed(
                entry(b"d", b"x", schemes + b"://localhost/k\n", KEY), allowed)
    yield "query-twice", port_seed(
        entry(b"d", b"x", b"https://h/k?first-query"), 7)
    yield "query-of-file", port_seed(entry(b"d", b"x", b"file:///k"), 7)
    yield "name", port_seed(entry(b"d", b"x\x07y"), 7)
    for length in (8192, 8193):
        yield "location-%d" % length, port_seed(entry(
            b"d", b"x", b"https://h/".ljust(length, b"k"), KEY), 7)
    for i in range(4):
        yield "none-%d" % i, port_seed(b"", 7 + 8 * i)
        yield "port-%d" % i, port_seed(entry(b"d", b"x"), 7 + 8 * i)
    for i, names in enumerate((b"ab", b"ba", b"cab", b"bca", b"eabdc")):
        yield "order-%d" % i, port_seed(b"\x1e".join(
            entry(b"d", names[k:k + 1]) for k in range(len(names))), 7)
    for n in (5, 6):
        yield "many-%d" % n, port_seed(b"\x1e".join(
            entry(b"d", b"%d" % i) for i in range(n)), 7)
    for n in range(1, 40):
        yield "no-memory-%d" % n, port_seed(entry(b"d", b"x" * 200), 7, n)
    for i, r in enumerate(records("credentials.txt")):
        if len(r["json"]) < 4096:
            yield r["id"], port_seed(
                entry(b"d", b"x", b"https://h/k", r["json"]), i % 8)


HTTP_ASKS = "get probe put range keep post part begin finish".split()
HTTP_THENS = "silence whole rest other elsewhere busy".split()


def http_seed(body, ask, framing=3, status=0, missing=0, refuse=0, event=0,
              then="silence", pinned=0, attempts=1):
    return seed(body, HTTP_ASKS.index(ask) + len(HTTP_ASKS) * framing,
                event + 4 * HTTP_THENS.index(then) + 24 * pinned
                + 48 * (attempts - 1), status, missing, refuse)


def http_error(code, message, status=b"403 Forbidden", more=b""):
    body = b"<Error><Code>%s</Code><Message>%s</Message></Error>" % (
        code, message)
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status, more, len(body), body)


def http_s3_seeds():
    """What S3 answers, and what comes of an upload in parts."""
    for i, (code, message) in enumerate((
            (b"NoSuchKey", b""), (b"AccessDenied", b"Request has expired"),
            (b"SlowDown", b"x"), (b"ThrottlingX", b"x"), (b"Odd", b"x" * 300),
            (b"AuthorizationHeaderMalformed", b"the region is wrong"),
            (b"A\x1b[31m", b"Signature=abc"), (b"X-Amz-Y", b"\xc3\xa9\n"))):
        for ask in ("get", "keep", "put"):
            yield "s3-%d-%s" % (i, ask), http_seed(
                http_error(code, message), ask)
            yield "s3-200-%d-%s" % (i, ask), http_seed(
                http_error(code, message, b"200 OK"), ask)
    for i, more in enumerate((
            b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", b"Retry-After: 7\r\n",
            b"Retry-After: Sat, 06 Nov 2094 08:49:37 GMT\r\n",
            b"Retry-After: soon\r\n", b"x-amz-bucket-region: eu-west-1\r\n",
            b"x-amz-bucket-region: a b\r\n",
            b"x-amz-bucket-region: \r\n", b"ETag: W/\"x\"\r\n",
            b"ETag: x\r\n", b"Content-Range: bytes 0-1/2\r\n")):
        for status in (b"400 B", b"301 M", b"503 S", b"416 R"):
            yield "head-%d-%s" % (i, status[:3].decode()), http_seed(
                http_error(b"C", b"m", status, more), "range", attempts=2)
    region = b"<Error><Code>PermanentRedirect</Code><Region>r-1</Region>" \
        b"</Error>"
    yield "region", http_seed(b"HTTP/1.1 301 M\r\nContent-Length: %d\r\n\r\n"
                              % len(region) + region, "get")

    def ok(body, more=b"", status=b"200 OK"):
        return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (
            status, more, len(body), body)

    begun = b"<InitiateMultipartUploadResult><UploadId>%s</UploadId>" \
        b"</InitiateMultipartUploadResult>"
    done = b"<CompleteMultipartUploadResult><ETag>x</ETag>" \
        b"</CompleteMultipartUploadResult>"
    for i, text in enumerate((begun % b"id", begun % b"", begun % (b"x" * 2000),
                              done, b"", b"<a/>", begun[:40])):
        for pinned in range(2):
            yield "begin-%d-%d" % (i, pinned), http_seed(
                ok(text), "begin", pinned=pinned)
            yield "finish-%d-%d" % (i, pinned), http_seed(
                ok(text), "finish", pinned=pinned)
    gone = http_error(b"NoSuchUpload", b"m", b"404 N")
    for i, etag in enumerate((
            hashlib.md5(bytes(range(0, 256, 17)) * 2).hexdigest().encode()
            + b"-2", b"x")):
        probe = ok(b"x", b'ETag: "%s"\r\nContent-Range: bytes 0-0/5\r\n'
                   % etag, b"206 P")
        yield "finish-lost-%d" % i, http_seed(
            b"\x1e".join([http_error(b"C", b"m", b"503 S"), gone, probe]),
            "finish", attempts=3)
        yield "finish-gone-%d" % i, http_seed(
            b"\x1e".join([gone, probe]), "finish")
    yield "part", http_seed(ok(b"", b'ETag: "abc"\r\n'), "part")
    yield "part-no-etag", http_seed(ok(b""), "part")
    for i, span in enumerate((b"3-8/20", b"3-8/9", b"3-6/7", b"3-9/20",
                              b"0-5/20", b"3-8/*", b"*/20")):
        n = 6 if i != 2 else 4
        for pinned in range(2):
            yield "range-%d-%d" % (i, pinned), http_seed(ok(
                b"345678"[:n], b'ETag: "a"\r\nContent-Range: bytes %s\r\n'
                % span, b"206 P"), "range", pinned=pinned)
    for i, text in enumerate((
            ok(b"345678", b"Content-Range: bytes 0-5/20\r\n", b"206 P"),
            ok(b"345678", b"Content-Range: bytes 0-5/6\r\n", b"206 P"),
            ok(b"", b"", b"416 R") + b"\x1e" + ok(b""),
            ok(b"34567890", b'ETag: "a"\r\nContent-Range: bytes 0-5/20\r\n',
               b"206 P"), ok(b"34567890"))):
        yield "range-at-0-%d" % i, http_seed(text, "range", 3, 32, attempts=2)
    for ask in HTTP_ASKS:
        for then in HTTP_THENS:
            for pinned in range(2):
                for bit in (16, 32, 64, 96):
                    yield "how-%s-%s-%d-%d" % (ask, then, pinned, bit), \
                        http_seed(b"0123456789" * 9, ask, 0, bit,
                                  133 if bit == 16 else 0, 0, 0, then, pinned,
                                  3)
                name = "then-%s-%s-%d" % (ask, then, pinned)
                yield name, http_seed(b"0123456789" * 9, ask, 0, 0, 133, 0, 0,
                                      then, pinned, 3)
                yield name + "-busy", http_seed(
                    b"0123456789" * 9, ask, 0, 138, 0, 0, 0, then, pinned, 3)
                yield name + "-wait", http_seed(
                    b"0123456789" * 9, ask, 1, 0, 133, 255, 0, then, pinned, 2)
    lines = b"A: b\r\nContent-Length: 7\r\nLocation: x\r\n"
    tail = seed(b"", 0xf0, 0, 0, 0, 0)
    yield "head-long", lines + bytes([-sum(lines + tail) & 255]) + tail


def http_seeds():
    head = b"HTTP/1.1 %s\r\nContent-Length: 5\r\n%s\r\nhello"
    moved = b"\x1e".join([head % (b"302 Found", b"Location: %s\r\n"),
                          head % (b"200 OK", b"")])
    yield from http_s3_seeds()
    for ask in HTTP_ASKS[:5]:
        for framing in range(3):
            for status in range(16):
                yield "made-%s-%d-%d" % (ask, framing, status), http_seed(
                    b"body " * 40, ask, framing, 128 + status)
            for missing in (1, 3, 7):
                yield "cut-%s-%d-%d" % (ask, framing, missing), http_seed(
                    b"body", ask, framing, 0, 128 + missing)
            for refuse in (1, 2):
                yield "no-%s-%d-%d" % (ask, framing, refuse), http_seed(
                    b"b" * 20000, ask, framing, 0, 0, 191 + refuse)
        yield "large-" + ask, http_seed(b"b" * 45000, ask, 0)
        for status in (200, 206, 301, 304, 403, 404, 412, 503, 100):
            yield "raw-%s-%d" % (ask, status), http_seed(
                head % (b"%d X" % status, b""), ask)
        for i, to in enumerate((b"http://127.0.0.1/b", b"https://h/",
                                b"file:///etc/passwd", b"/b", b"//h/b")):
            yield "moved-%s-%d" % (ask, i), http_seed(moved % to, ask)
        for event in (1, 2):
            for i in range(4):
                for refuse in (0, 192):
                    yield "event-%s-%d-%d-%d" % (ask, event, i, refuse), \
                        http_seed(b"body" * 50, ask, i, 0, 129, refuse, event,
                                  attempts=1 + refuse % 5)
        yield "moved-often-" + ask, http_seed(
            b"\x1e".join([moved % b"/b"] * 4), ask)
        for i, text in enumerate((
                b"", b"hello", b"HTTP/1.1 200 OK\r\n",
                b"HTTP/0.9 200\r\n\r\nx",
                head % (b"200 OK", b"Content-Encoding: gzip\r\n"),
                head % (b"200 OK", b"Content-Length: 6\r\n"),
                b"HTTP/1.1 100 C\r\n\r\n" + head % (b"200 OK", b""))):
            yield "odd-%s-%d" % (ask, i), http_seed(text, ask)


def aws_seed(profile, variables, credentials, config, how=None):
    """how: 1, the profile was named; 2, it need not exist."""
    if how is None:
        how = 3 if profile == b"default" else 1
    return seed(b"\n".join([profile, *variables, b"", b""]) + (
        credentials + b"\f" + config), how)


def aws_seeds():
    some = b"aws_access_key_id = ID%d\naws_secret_access_key = SECRET%d\n"
    whole = some + (b"aws_session_token = T%d\nregion = r%d\n"
                    b"endpoint_url = e%d\n")
    env = [b"iIDE", b"sSECRETE", b"tTOKEN", b"TOTHER", b"rr3", b"Rr4",
           b"ehttp://e3", b"Ehttp://e4"]
    for profile in (b"default", b"dev"):
        a = b"[" + profile + b"]\n"
        b = b"[profile dev]\n" if profile == b"dev" else a
        files = [b"", a + whole % ((1,) * 5), a + b"region = r1\n",
                 a + b"aws_access_key_id = ID1\n", a + b"services = x\n",
                 a + some % (1, 1) + b"aws_security_token = S1\n",
                 a + some % (1, 1) + b"region = " + b"r" * 64 + b"\n",
                 a + b"region : r1\n", a + b"region = r\0s\n",
                 b"#" * 4096]
        for i, one in enumerate(files):
            for k, two in enumerate((b"", b + whole % ((2,) * 5), b"x\n")):
                name = "%s-%d-%d" % (profile.decode(), i, k)
                yield name, aws_seed(profile, [], one, two)
                yield name + "-env", aws_seed(profile, env, one, two)
        for i in range(len(env)):
            yield "%s-env-%d" % (profile.decode(), i), aws_seed(
                profile, env[i:i + 1], b"", b"")
            yield "%s-env-from-%d" % (profile.decode(), i), aws_seed(
                profile, env[i:], b"", b"")
    for i, name in enumerate(b"""role_arn source_profile credential_source
            mfa_serial sso_session sso_start_url web_identity_token_file
            login_session services use_fips_endpoint use_dualstack_endpoint
            """.split()):
        yield "unsupported-%d" % i, aws_seed(
            b"dev", env, b"[dev]\n" + name + b" = x\n", b"")
        yield "unsupported-%d-env" % i, aws_seed(
            b"dev", env, b"[dev]\n" + name + b" = x\n", b"", 0)
        yield "unsupported-%d-false" % i, aws_seed(
            b"dev", env, b"", b"[profile dev]\n" + name + b" = False\n")
        yield "unsupported-%d-part" % i, aws_seed(
            b"dev", env, b"", b"[profile dev]\ns3 =\n  " + name + b" = x\n")
    dev, keys = b"[profile dev]\n", some % (2, 2)
    for how in range(4):
        for i, (variables, config) in enumerate((
                (env, b""), ([], dev + b"s3 =\n  addressing_style = path\n"),
                ([], dev + b"credential_process = p\n" + keys),
                ([], dev + keys + b"services = s\n[services s]\ns3 =\n"
                 b"  endpoint_url = http://s\n"),
                ([], dev + b"endpoint_url = e\nservices = s\n[services s]\n"
                 b"s3 =\n  x = y\n"),
                ([], dev + b"services = s\n[services s]\ns3 =\n  x\n"),
                ([], b'[profile "dev"]\n' + keys),
                ([b"gTrue"] + env, dev + keys), (env[1:], b""), (env[2:], b""),
                ([b"wfile"], b""), ([b"uhttp://x"], b""),
                ([b"nno"], b""), ([b"iID"], dev + keys),
                ([], dev + b"services = s\n"), ([b"ftrue"] + env, b""),
                ([b"dFalse"] + env, b""), ([b"c$", b"C{"], dev + keys),
                ([], dev + dev), ([], b"[profile  'dev' ]\n" + keys),
                ([], b"[profile dev x]\n" + keys),
                ([], dev + keys + b"ignore_configured_endpoint_urls = true\n"
                 b"endpoint_url = e\n"),
                ([b"x2020-01-01T00:00:00+00:00"] + env, b""),
                ([b"x2020-01-01T00:00:00Z"] + env, b""),
                ([b"x2099-01-01T00:00:00Z"] + env, b""),
                ([], b"[DEFAULT]\nregion = r\n" + dev + keys))):
            yield "how-%d-%d" % (how, i), aws_seed(b"dev", variables, b"",
                                                   config, how)
            yield "how-%d-%d-keys" % (how, i), aws_seed(
                b"dev", variables, b"[dev]\n" + some % (1, 1), config, how)
    for where in (b"~", b"-", b"x"):
        for profile in (b"default", b"dev"):
            yield "%s-at-%d" % (profile.decode(), where[0]), aws_seed(
                profile, [b"c" + where, b"C" + where] + env,
                b"[" + profile + b"]\n" + whole % ((1,) * 5), b"[x]\n")
    yield "long", aws_seed(b"default", [b"i" + b"x" * 256], b"", b"")
    for i, r in enumerate(records("ini.txt")):
        yield r["id"], aws_seed(r["section"] if b"\n" not in r["section"]
                                else b"x", [], r["text"], r["text"])


def keys_document(token="SessionToken", **more):
    doc = {"Version": 1, "AccessKeyId": "AKIAEXAMPLE",
           "SecretAccessKey": "secret/key+x", token: "token==",
           "Expiration": "2030-01-01T00:00:00Z"}
    doc.update(more)
    return json.dumps({k: v for k, v in doc.items() if v is not None}).encode()


def keys_seeds():
    odd = (None, "", 1, [], "x" * 256, "x" * 255, "a\0b", "\u00e9\n")
    for how in range(4):
        for token in ("SessionToken", "Token"):
            yield "document-%d-%s" % (how, token), seed(
                keys_document(token), how, 0)
        yield "expired-%d" % how, seed(
            keys_document(Expiration="2020-01-01T00:00:00Z"), how, 0)
        for name in ("Version", "AccessKeyId", "SecretAccessKey",
                     "SessionToken", "Expiration"):
            for i, value in enumerate(odd):
                yield "%s-%d-%d" % (name, how, i), seed(
                    keys_document(**{name: value}), how, 0)
    for n in range(1, 12):
        yield "no-memory-%d" % n, seed(keys_document(), 2, n)
    for i, text in enumerate((
            "tool --profile x", "'a b' \"c d\"", "a\\ b", '"a\\"b"', '"a\\b"',
            "''", "a''b", '"', "'", "a\\", '"\\', "", " \t\n", "a\rb",
            "x " * 64, "x " * 65, "a#b #c", "'\\'", '"$HOME"', "role-name\n",
            "  role \nother", "../../up", "r" * 128, "r" * 129, "a/b?c#d")):
        yield "words-%d" % i, seed(text.encode(), 0, 0)


def cli_seeds():
    presign = "presign p download s3://b/p f%20g 60".split()
    lines = [
        "enc", "enc -K k", "enc -K k -in a -out b --threads 8", "dec -q -K",
        "dec --key-file=k -K j", "keygen -o f --force", "keygen x",
        "base64 -d", "json -r -c /a file", "json - -- -x", "json --raw=1",
        "credentials", "credentials make --url u -K k", "credentials -h",
        "credentials check --online d", "credentials other", "cred",
        "describe -c a -c b --top 5 --plot f g", "describe --top=9 f",
        "run --ports p --timeout 5 -- sh -c x", "run --", "run -- --help",
        "result -K k https://h/k", "selftest --json", "nothing", "--help",
        "describe --stall=", "enc --threads=0", "enc --threads=1x", "enc -x"]
    extra = ["--at 20130524T000000Z", "--at never", "--addressing path",
             "--addressing none", "--query a=b --query c=d", "--query a",
             "--sigv2 --encoded --region r", "--endpoint-url=http://h"]
    for i, line in enumerate(lines):
        yield "line-%d" % i, "\n".join(line.split(" ")).encode()
    for i, name in enumerate(("a/b.csv", "a/..", "..", "a/", "", "b%20c",
                              "%2e%2e", "a%2fb", "%00", "%zz", "x?y/z",
                              "n" * 300)):
        yield "place-%d" % i, b"get\n" + name.encode()
    lines = ["put -K k a s3://b/k", "get --profile p s3://b/k d", "put a -",
             "get - --max-time 5 --addressing path", "run --shard 1/2"]
    for i, line in enumerate(lines):
        yield "object-%d" % i, "\n".join(line.split(" ")).encode()
    for i, more in enumerate(extra):
        yield "presign-%d" % i, "\n".join(presign + more.split()).encode()
    for i, (at, text) in enumerate([
            (2, "sideways"), (2, "upload"), (3, "arn:aws:s3"), (3, "b"),
            (3, "//b/"), (4, "%"), (4, "%zz"), (5, "0"), (5, "604801")]):
        args = list(presign)
        args[at] = text
        yield "presign-arg-%d" % i, "\n".join(args).encode()
    yield "control", b"describe\n-x\x1b[31m\xc2\x9b"
    yield "long", b"describe\n" + b"x" * 9000


def base64url_seeds():
    for r in records("base64url.txt"):
        yield r["id"], seed(r["text"], 0)
        if "bytes" in r:
            yield "bytes-of-" + r["id"], seed(r["bytes"], 0)
    yield "no-memory", seed(b"A" * 400, 1)


def pem_seeds():
    for r in records("pem.txt"):
        yield r["id"], seed(b"\n" * r.get("fill", 0) + r["text"], 0)
        body = re.fullmatch(rb"\s*-----BEGIN (P[A-Z]+) KEY-----([^-]*)-----END "
                            rb"[A-Z ]+-----\s*", r["text"])
        if body and r["id"] not in ("base64-bits", "blank-inside"):
            try:
                der = base64.b64decode(body[2])
            except ValueError:
                continue
            yield "der-of-" + r["id"], seed(der, 1 if body[1] == b"PRIVATE" else 2)


def jwk_seeds():
    for r in records("jwk.txt"):
        yield r["id"], seed(r["json"], 0)
    for budget in range(1, 4):
        yield "no-memory-%d" % budget, seed(records("jwk.txt")[0]["json"],
                                            budget)


def jws_seeds():
    key = bytes(31) + b"\1"
    for r in records("jws.txt"):
        yield r["id"], seed(r["text"], 0, u32(0), 0, key)
        header = r["text"].split(b".")[0]
        if re.fullmatch(rb"[\w-]+", header) and len(header) % 4 != 1:
            yield "header-of-" + r["id"], seed(
                base64.urlsafe_b64decode(header + b"=="), 1, u32(0), 0,
                r.get("d", key))
        yield "payload-of-" + r["id"], seed(r["id"].encode(), 2,
                                         u32(len(r["text"]) * 5), 0,
                                         r.get("d", key))
    for budget in range(1, 8):
        yield "no-memory-%d" % budget, seed(records("jws.txt")[0]["text"], 0,
                                            u32(0), budget, key)
        yield "no-memory-sign-%d" % budget, seed(b"x" * 300, 2, u32(9),
                                                 budget, key)
    yield "no-key", seed(b"x", 2, u32(0), 0, bytes(32))


def hpke_seeds():
    for i, r in enumerate(records("hpke.txt")):
        yield r["id"], seed(r.get("pt", b"text"), len(r["info"]) % 7,
                            len(r["aad"]) % 5, u32(i * 37), r["sk"], r["enc"])
    for r in records("x25519.txt"):
        yield "x25519-" + r["id"], seed(b"x", 0, 1, u32(9), r["sk"], r["pk"])


def cms_seeds():
    for i, r in enumerate(records("cms.txt")):
        yield r["id"], seed(r["cms"], u32(i * 7919), 0, bytes(4))
    for i in range(64):  # each form of lengths, pieces of many sizes
        yield "made-%d" % i, seed(
            bytes(range(i)) * (1 + i % 5), u32(i * 104729), 1,
            bytes((i, (i * 7) % 23, i % 4, i % 2)))


def kms_seeds():
    arn = (b"arn:aws:kms:eu-central-1:111122223333:key/"
           b"1234abcd-12ab-34cd-56ef-1234567890ab")
    answers = [b'{"CiphertextForRecipient":"MIAG","KeyId":"%s"}' % arn,
               b'{"KeyId":"%s","CiphertextForRecipient":"MIA\\u0047"}' % arn,
               b'{"CiphertextForRecipient":"MIAG","KeyId":"other"}',
               b'{"CiphertextForRecipient":1,"KeyId":"%s"}' % arn,
               b'{"CiphertextForRecipient":"M","KeyId":"%s"}' % arn,
               b'{"KeyId":"%s"}' % arn, b"{}", b"[]", b"<html>", b"",
               b'{"CiphertextForRecipient":"%s","KeyId":"%s"}' % (
                   b"AAAA" * 2049, arn)]
    errors = [b"AccessDeniedException", b"com.amazonaws.kms#DisabledException",
              b"ThrottlingException", b"KMSInternalException", b"Strange", b"",
              b"a#b#c", b"X-Amz-Signature", b"\\u001b[2J"]
    for i, text in enumerate(answers):
        yield "answer-%d" % i, seed(text, 0)
    for i, text in enumerate(errors):
        for name in (b"message", b"Message"):
            yield "error-%d-%s" % (i, name.decode()), seed(
                b'{"__type":"%s","%s":"of \\"it\\" Signature %d"}' % (
                    text, name, i), 1)
    for r in records("kms_arns.txt"):
        yield r["id"], seed(r["text"], 2)
    for i in (0, 1, 27, 28, 29, 300):
        yield "query-%d" % i, seed(bytes(j * 31 % 256 for j in range(i)), 3)


def cbor_seeds():
    for i, r in enumerate(records("cbor.txt")):
        yield r["id"], seed(r["in"], i % 40, u32(i * 2654435761 % (1 << 32)))
    for i in range(40):  # rows of calls on what has tags, keys and both forms
        text = bytes.fromhex("d28444a1013822a0bf6161d818016162f6ff82f93c0020")
        yield "calls-%d" % i, seed(text, 60, u32(i * 7919))
    for i in range(24):
        text = bytes.fromhex("a3616101616202606161")
        yield "keys-%d" % i, seed(text, 60, u32(i * 104729))


def nsm_seeds():
    asks = ("attest", "extend", "lock", "describe")
    for i, r in enumerate(records("nsm.txt")):
        text = r.get("answer") or r.get("data") or r.get("nonce") or b""
        text += bytes(r.get("zeros") or 0)
        yield r["id"], seed(text, asks.index(r["ask"]), i % 4, u32(i * 7919),
                            0)
    for i in range(60):  # what others do while an enclave is bound
        yield "bind-%d" % i, seed(bytes([i]) * 32, 0, 3, u32(i * 104729), 0)
    for i in range(1, 16):
        yield "starve-%d" % i, seed(b"x" * 600, 0, 3, u32(i * 7919), i)
    for i in range(8):
        yield "errno-%d" % i, seed(b"", 0, 0, u32(i * 7919), 0)


def attestation_seeds():
    asks = (0, 4, 16, 64, 112 + 4, 128, 128 + 4, 2 + 8, 1 + 8, 3)
    for i, r in enumerate(records("attestations.txt")):
        if "doc" not in r:
            continue
        yield r["id"], seed(r["doc"], asks[i % len(asks)], i * 37 & 255)
        if r["expect"] == "ok" and "root" in r:
            for k in asks:
                yield "%s-%d" % (r["id"], k), seed(r["doc"], k, 100)
                yield "%s-%d-" % (r["id"], k), seed(r["doc"], k, 156)


def certificate_seeds():
    n = 0
    for r in records("attestations.txt"):
        if "certificate" in r:
            yield r["id"], r["certificate"]
        elif "root" in r and n < 12:
            # those of a document: DER of two bytes' length, behind a head
            for at in range(len(r["doc"]) - 4):
                if r["doc"][at:at + 2] == b"\x30\x82" and \
                        r["doc"][at - 3] == 0x59:
                    size = int.from_bytes(r["doc"][at + 2:at + 4], "big") + 4
                    yield "%s-%d" % (r["id"], at), r["doc"][at:at + size]
            n += 1


# what fuzz_eif.c makes of its input
EIF_RAW, EIF_CRC, EIF_TABLE, EIF_SIGNATURE, EIF_PEM, EIF_DER = range(6)


def eif_seed(text, what, starve=0, pieces=0):
    return seed(text, what, u32(pieces), starve)


def eif_seeds():
    for i, r in enumerate(records("eif.txt")):
        if r.get("zeros"):
            continue
        image = (r["head"] + r["offsets"].ljust(256, b"\0") +
                 r["sizes"].ljust(256, b"\0") + r["tail"] + r["rest"])
        if r.get("cut") is not None:
            image = image[:r["cut"]]
        if len(image) < 60000:
            yield r["id"], eif_seed(image, EIF_RAW, i % 4, i * 7919)
            if i % 4 == 0:
                yield r["id"] + "-crc", eif_seed(image, EIF_CRC, 0, i)
                yield r["id"] + "-table", eif_seed(image, EIF_TABLE, 0, i)
    body = b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n"
    numbers = b"\x98" + bytes([len(body)]) + b"".join(
        bytes([c]) if c < 24 else bytes([24, c]) for c in body)
    section = (b"\x81\xa2\x73signing_certificate" + numbers +
               b"\x69signature\x81\x01")
    yield "section", eif_seed(section, EIF_SIGNATURE)
    for n in range(1, 8):
        yield "section-no-memory-%d" % n, eif_seed(section, EIF_SIGNATURE, n)
    for k in range(0, len(section), 9):
        yield "section-cut-%d" % k, eif_seed(section[:k], EIF_SIGNATURE)
    for i, text in enumerate((body, body * 2, b" \n" + body + b"\t",
                              body[:-3], body.replace(b"\n", b"\r\n"),
                              body.replace(b"MAM", b"M*M"), body[:27], b"")):
        yield "pem-%d" % i, eif_seed(text, EIF_PEM)
    for n in (0, 3, 127, 128, 255, 256, 300):
        length = bytes([n]) if n < 128 else b"\x81" + bytes([n]) \
            if n < 256 else b"\x82" + n.to_bytes(2, "big")
        yield "length-%d" % n, eif_seed(b"0" + length + b"x" * n, EIF_DER)
        yield "length-%d-long" % n, eif_seed(b"0" + length + b"x" * n + b"x",
                                          EIF_DER)
    for i, text in enumerate((b"0", b"0\x81", b"0\x82\x01", b"0\x81\x7f" +
                              bytes(127), b"0\x82\x00\xff" + bytes(255),
                              b"0\x80\0\0", b"1\0", b"\xb0\0")):
        yield "length-bad-%d" % i, eif_seed(text, EIF_DER)


def release_seeds():
    for i, r in enumerate(records("release_requests.txt")):
        text = r["json"] + b" " * (r.get("blanks") or 0)
        if len(text) < MAX_BYTES - 2:
            yield "request-" + r["id"], seed(text, i, i % 8)
            yield "line-" + r["id"], seed(text + b"\nmore", 2 * i, 0)
    for i, r in enumerate(records("release_answers.txt")):
        yield "answer-" + r["id"], seed(r["json"], i, i % 8)
    for i, r in enumerate(records("release_nonces.txt")):
        yield "nonce-" + r["id"], seed(r["nonce"], i, i % 8)
    one = b'{"request":"n\\u006fnce","version":1}'
    for n in range(1, 12):
        yield "no-memory-%d" % n, seed(one, 0, n)
    yield "method", seed(one, 1, 64)
    yield "no-length", seed(one, 1, 32)
    yield "long", seed(b"x" * (MAX_BYTES - 2), 0, 0)


def release_log_seeds():
    for i, r in enumerate(records("release_log.txt")):
        yield r["id"], seed(r["log"] + b"\n", i, i % 8)
        yield r["id"] + "-half", seed(r["log"], i, 0)
    lines = [r["log"] for r in records("release_log.txt")
             if r["expect"] == "ok"]
    yield "many", seed(b"\n".join(lines) + b"\n", 1, 0)
    one = lines[0] + b"\n"
    yield "long", seed(one * 80, 1, 0)
    for n in range(1, 16):
        yield "no-memory-%d" % n, seed(one, 0, n)


def measurement_seeds():
    for i, r in enumerate(records("measurements.txt")):
        yield r["id"], seldom(r["json"], 0) if r.get("blanks") else seed(
            r["json"], i % 6, 0)
    one = b'{"PCR0":"%s","PCR1":"%s","PCR2":"%s"}' % ((b"0a" * 48,) * 3)
    yield "too-long", seldom(one, 1)
    yield "just-not", seldom(one, 0)
    escaped = one.replace(b"0a", b"\\u0030a", 1)
    for n in range(1, 8):
        yield "no-memory-%d" % n, seed(escaped, n, 0)


# --- fragment for fuzz/seeds.py: after the other functions ---


def markdown_seeds():
    for r in records("markdown.txt"):
        yield r["id"], seed(r["text"], 0)
    for n in range(1, 6):
        yield "no-memory-%d" % n, seed(b"- a **b** `c`\n" * 40, n)


def view_seed(text, people, apps, datasets, ports, edges, starve=0):
    """edges: (application, dataset, port; plus 128: to the application)."""
    return seed(text, starve, people, apps, datasets, ports,
                *([len(edges)] if apps and datasets and ports else []),
                *(x for e in edges for x in e))


def view_seeds():
    texts = b"|".join(r["text"].replace(b"|", b"/")
                      for r in records("markdown.txt"))
    story = ((0, 0, 128), (0, 1, 1))
    chain = tuple((a, a, 128) for a in range(8)) + tuple(
        (a, a + 1, 1) for a in range(8)) + ((7, 0, 130), (0, 8, 3))
    circle = chain + ((0, 8, 128),)
    yield "nothing", view_seed(b"", 0, 0, 0, 0, ())
    yield "story", view_seed(b"Conditions|Describe|Alice|input", 3, 1, 2, 2,
                             story)
    yield "chain", view_seed(texts[:4000], 4, 8, 9, 8, chain)
    yield "circle", view_seed(texts[4000:8000], 4, 8, 9, 8, circle)
    yield "two-makers", view_seed(b"a|b", 0, 3, 3, 2, (
        (0, 0, 1), (0, 1, 1), (1, 1, 129), (1, 0, 1), (2, 0, 129)))
    yield "unconnected", view_seed(b"a", 0, 3, 12, 0, ())
    for what in range(16):
        yield "refused-%d" % what, view_seed(b"a" * what, 1, 2, 3, 1, ())
    for n in range(1, 20):
        yield "no-memory-%d" % n, view_seed(texts[:900], 2, 3, 4, 2, story, n)


def document_seeds():
    kinds = ("identity dataset credentials app build config draft workflow "
             "approval decline cancel").split()
    for r in records("documents.txt"):
        if "part" in r:
            continue
        if r["op"] == "add":
            yield r["id"], seed(r["text"], 15, 0)
            continue
        yield r["id"], seed(r["text"], 11, 0)
        try:
            v = json.loads(r["text"])
            kind = kinds.index(v.pop("kind"))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        for name in ("by", "time"):
            v.pop(name, None)
        yield r["id"] + "-members", seed(json.dumps(v).encode(), kind, 0)
    for r in records("appconfigs.txt"):
        yield "runtime-" + r["id"], seed(r["text"], 14, 0)
    approval = [r for r in records("documents.txt") if r["id"] == "approval"]
    for n in range(1, 12):
        yield "no-memory-%d" % n, seed(approval[0]["text"], 11, n)


def workspace_seeds():
    # dataset, output, app, build, config, build's approval, a workflow, its
    # approvals: each a list of the bytes that its step takes
    base = [[1, 0], [1, 1], [3, 0], [4, 0, 0], [5, 0, 0], [8, 1, 0]]
    flow = [7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    approve, decline, cancel = [8, 0, 0], [9, 0, 0], [10, 0, 0]
    version = [7, 37, 0, 0, 0, 0, 0, 0, 0, 1, 0, 6]
    third = [7, 67, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8]
    draft = [6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    for name, steps in (
            ("datasets", base[:2]), ("base", base),
            ("pending", base + [flow]),
            ("approved", base + [flow, approve]),
            ("declined", base + [flow, approve, decline]),
            ("cancelled", base + [flow, approve, cancel]),
            ("version", base + [flow, approve, version, [8, 0, 8]]),
            ("draft", base + [draft]),
            ("rivals", base + [flow, approve, version, [8, 0, 8], version,
                               [8, 0, 10]]),
            ("line", base + [flow, approve, version, [8, 0, 8], third,
                             [8, 0, 10]]),
            ("skipped", base + [flow, approve, version, approve, third,
                                [8, 0, 10]]),
            ("circle", base + [[1, 2], [7, 0, 0, 0, 0, 0, 6, 0, 0, 6, 0]]),
            ("no-build", base[:5] + [flow, [8, 0, 5]]),
            ("domains", [[1, 0], [1, 1], [3, 4], [4, 0, 0], [5, 0, 0],
                         [8, 1, 0], flow, approve]),
            ("wrong-version", base + [flow, approve, third[:-1] + [6],
                                      [8, 0, 8]]),
            ("submit-version", base + [flow, approve,
                                       [6, 1, 0, 0, 0, 0, 0, 0, 0, 1, 6]]),
            ("submit-behind", base + [flow, approve, version, [8, 0, 8],
                                      [6, 1, 0, 0, 0, 0, 0, 0, 0, 1, 6]]),
            ("stranger", base + [flow, [136, 0, 0]]),
            ("before", [flow, draft, approve])):
        yield name, seed(b"", *[b for step in steps for b in step])


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
    "gcm": gcm_seeds,
    "container": container_seeds,
    "key": key_seeds,
    "credentials": credentials_seeds,
    "result": result_seeds,
    "location": location_seeds,
    "name": name_seeds,
    "time": time_seeds,
    "http_date": http_date_seeds,
    "range": range_seeds,
    "xml": xml_seeds,
    "shard": shard_seeds,
    "query": query_seeds,
    "presign": presign_seeds,
    "describe": describe_seeds,
    "ports": ports_seeds,
    "http": http_seeds,
    "aws": aws_seeds,
    "keys": keys_seeds,
    "cli": cli_seeds,
    "base64url": base64url_seeds,
    "pem": pem_seeds,
    "jwk": jwk_seeds,
    "jws": jws_seeds,
    "hpke": hpke_seeds,
    "attestation": attestation_seeds,
    "cms": cms_seeds,
    "kms": kms_seeds,
    "cbor": cbor_seeds,
    "nsm": nsm_seeds,
    "certificate": certificate_seeds,
    "eif": eif_seeds,
    "measurement": measurement_seeds,
    "receipt": receipt_seeds,
    "enclave": enclave_seeds,
    "release": release_seeds,
    "release_log": release_log_seeds,
    "markdown": markdown_seeds,
    "view": view_seeds,
    "document": document_seeds,
    "workspace": workspace_seeds,
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
