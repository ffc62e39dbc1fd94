"""cbor.txt, eif.txt, measurements.txt: against a decoder of CBOR that recurs,
the distribution's cbor2, and Python's hashlib, zlib, json and cryptography."""
import base64
import datetime
import json
import math
import os
import random
import re
import sys
import zlib

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gen_common import HERE, need, refresh

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests"))
import eif  # noqa: E402

# --- CBOR -------------------------------------------------------------------

MAX_DEPTH = 8
CUT = "CBOR ends before it is complete"


class No(Exception):
    """A refusal: message, offset, status."""

    def __init__(self, msg, at, status="EF_E_FORMAT"):
        super().__init__(msg)
        self.msg, self.at, self.status = msg, at, status


class Decoder:
    """All of a document at once: self.tokens is (kind, text, at, end) of what
    could be read, self.no the refusal that ended it, or None; self.value what
    cbor2 should make of it, and self.end the first byte after it."""

    def __init__(self, data):
        self.data, self.at, self.tokens = data, 0, []
        self.no = self.value = None
        try:
            self.value = self.item(0)
        except No as e:
            self.no = e
        self.end = self.at

    def take(self, n):
        if len(self.data) - self.at < n:
            raise No(CUT, len(self.data))
        self.at += n
        return self.data[self.at - n:self.at]

    def put(self, kind, text, at):
        self.tokens.append((kind, text, at, self.at))

    def head(self):
        at = self.at
        first = self.take(1)[0]
        major, info = divmod(first, 32)
        if info < 24:
            return at, major, info, info
        if info == 31 and major in (2, 3, 4, 5, 7):
            return at, major, info, None
        if info > 27:
            raise No("a byte that begins no item", at)
        size = 1 << info - 24
        value = int.from_bytes(self.take(size), "big")
        least = 24 if size == 1 else 1 << 8 * (size // 2)
        if major == 7:
            least = 32 if size == 1 else 0
        if value < least:
            raise No("a number that is not in its shortest form", at)
        return at, major, info, value

    def item(self, depth, may_break=False, tagged=False):
        at, major, info, value = self.head()
        if major == 7 and info == 31:
            if may_break and not tagged:
                self.put("end", "]", at)
                return StopIteration
            raise No("a break that ends nothing", at)
        if major == 0:
            self.put("uint", str(value), at)
            return value
        if major == 1:
            self.put("neg", "~%d" % value, at)
            return -1 - value
        if major in (2, 3):
            return self.string(at, major, value)
        if major in (4, 5):
            return self.container(at, major, value, depth)
        if major == 6:
            self.put("tag", value, at)
            inner = self.item(depth, may_break, True)
            return ("tag", value, inner)
        if info > 24:
            raw = self.data[at + 1:self.at]
            self.put("float", "f'%s'" % raw.hex(), at)
            return cbor2.loads(self.data[at:self.at])
        self.put("simple", "s%d" % value, at)
        return {20: False, 21: True, 22: None, 23: cbor2.undefined}.get(
            value, ("simple", value))

    def string(self, at, major, n):
        if n is None:
            raise No("a string in pieces", at)
        start = self.at
        raw = self.take(n)
        if major == 2:
            self.put("bytes", "h'%s'" % raw.hex(), at)
            return raw
        try:
            value = raw.decode()
        except UnicodeDecodeError as e:
            raise No("not UTF-8", start + e.start)
        self.put("text", "t'%s'" % raw.hex(), at)
        return value

    def container(self, at, major, n, depth):
        if depth == MAX_DEPTH:
            raise No("nested deeper than EF_MAX_CBOR_DEPTH (8)", at,
                     "EF_E_LIMIT")
        if n is not None and n > len(self.data) - self.at:
            raise No(CUT, len(self.data))
        self.put("map" if major == 5 else "array", "[{"[major - 4] + (
            "_" if n is None else str(n)), at)
        items, want = [], None if n is None else n * (major - 3)
        while want is None or len(items) < want:
            key_next = major == 4 or len(items) % 2 == 0
            got = self.item(depth + 1, want is None and key_next)
            if got is StopIteration:
                break
            items.append(got)
        if want is not None:
            self.put("end", "]", self.at)
        if major == 4:
            return items
        return [("map", k, v) for k, v in zip(items[::2], items[1::2])]


class Asker:
    """Asks a decoded document as the field ask says."""

    def __init__(self, data):
        self.d = Decoder(data)
        self.i, self.depth, self.started, self.tagged = 0, 0, False, False
        self.pos, self.out, self.seen = 0, [], set()

    def peek(self):
        over = self.started and self.depth == 0
        if over:
            return ("end", "]", self.pos, self.pos)
        if self.i < len(self.d.tokens):
            return self.d.tokens[self.i]
        raise self.d.no

    def move(self, token):
        self.i += 1
        self.pos = token[3]

    def next(self):
        t = self.peek()
        if t[0] == "tag":
            raise No("a tag that is not expected", t[2])
        if not (self.started and self.depth == 0):
            self.move(t)
        self.started, self.tagged = True, False
        self.depth += t[0] in ("array", "map")
        self.depth -= t[0] == "end" and self.depth > 0
        return t

    def tag(self, n):
        t = self.peek()
        found = t[0] == "tag" and t[1] == n and not self.tagged
        if found:
            self.move(t)
            self.tagged = True
        self.out.append("tag+" if found else "tag-")

    def skip(self):
        depth = self.depth
        self.next()
        while self.depth > depth:
            self.next()
        self.out.append("skip")

    def key(self, names):
        t = self.next()
        if t[0] == "end":
            self.out.append("key-")
            return
        name = t[0] == "text" and bytes.fromhex(t[1][2:-1]).decode()
        if name not in names:
            raise No("a key that is not expected", t[2])
        if name in self.seen:
            raise No("a key that is there twice", t[2])
        self.seen.add(name)
        self.out.append("key%d" % names.index(name))

    def close(self):
        while self.depth > 0 or not self.started:
            t = self.next()
            if t[0] != "end":
                raise No("an item more than is expected", t[2])
        if self.pos < len(self.d.data):
            raise No("bytes after the CBOR item", self.pos)
        self.out.append("close")

    def all(self):
        while True:
            t = self.next()
            self.out.append(t[1])
            if self.depth == 0:
                return

    def ask(self, words):
        for w in words.split():
            if w in ("all", "skip", "close"):
                getattr(self, w)()
            elif w.startswith("tag"):
                self.tag(int(w[3:]))
            elif w.startswith("key:"):
                self.key(w[4:].split(","))
            else:
                t = self.next()
                if t[0] != w:
                    raise No("an item of another type than is expected", t[2])
                self.out.append(t[1])
        return " ".join(self.out)


def plain(x):
    """What cbor2 decodes, in the form of Decoder's values."""
    if isinstance(x, cbor2.CBORSimpleValue):
        return ("simple", x.value)
    if isinstance(x, cbor2.CBORTag):
        return ("tag", x.tag, plain(x.value))
    if isinstance(x, dict):
        return [("map", plain(k), plain(v)) for k, v in x.items()]
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return "nan" if isinstance(x, float) and math.isnan(x) else x


def thaw(x):
    if isinstance(x, list):
        return [thaw(v) for v in x]
    if isinstance(x, tuple) and x[0] == "map":
        return ("map", thaw(x[1]), thaw(x[2]))
    return "nan" if isinstance(x, float) and math.isnan(x) else x


def twice(x):
    """A key is there twice somewhere: cbor2 keeps the last."""
    if isinstance(x, tuple) and x[0] == "map":
        return twice(x[2])
    if not isinstance(x, list):
        return False
    keys = [repr(v[1]) for v in x if isinstance(v, tuple) and v[0] == "map"]
    return len(keys) != len(set(keys)) or any(map(twice, x))


def check_cbor(r):
    words = (r.get("ask") or b"all close").decode()
    a = Asker(r["in"])
    try:
        got = ("ok", a.ask(words), None, None)
    except No as e:
        got = (e.status, None, e.at, e.msg)
    out = r.get("out")
    need(got[0] == r["expect"], "expect: %r" % (got,))
    need(got[1] == (out.decode() if out is not None else None),
         "out: %r" % (got,))
    need(got[2] == r.get("at"), "at: %r" % (got,))
    need(r.get("msg") is None or got[3] == r["msg"].decode(), "msg: %r" %
         (got,))
    if a.d.no is None and not any(t[0] == "tag" for t in a.d.tokens) and \
            not twice(a.d.value):
        need(plain(cbor2.loads(r["in"])) == thaw(a.d.value), "not cbor2's")


def cbor_random(rnd, depth=0):
    kind = rnd.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return eif.head(kind, rnd.choice((
            rnd.randrange(40), rnd.randrange(1 << 16), rnd.getrandbits(64))))
    if kind == 2:
        return eif.octets(rnd.randbytes(rnd.randrange(30)))
    if kind == 3:
        s = "".join(rnd.choice("ab\u00e9\u6c34\U0001f602")
                    for _ in range(rnd.randrange(9))).encode()
        return eif.head(3, len(s)) + s
    if kind == 4:
        return rnd.choice((b"\xf4", b"\xf6", b"\xf7", b"\xf9\x3c\x00",
                           b"\xfb" + rnd.randbytes(8), b"\xf8\xff"))
    n = rnd.randrange(4)
    if kind == 5:
        items = [cbor_random(rnd, depth + 1) for _ in range(n)]
    else:
        items = [x for i in range(n) for x in (
            eif.text("k%d" % i), cbor_random(rnd, depth + 1))]
    major = 4 if kind == 5 else 5
    if rnd.randrange(2):
        return bytes([major << 5 | 31]) + b"".join(items) + b"\xff"
    return eif.head(major, n) + b"".join(items)


def make_cbor():
    rnd = random.Random("cbor")
    for i in range(120):
        data = cbor_random(rnd)
        while len(data) < 4:
            data = cbor_random(rnd)
        if i % 3 == 1:
            k = rnd.randrange(len(data))
            data = data[:k] + bytes([data[k] ^ 1 << rnd.randrange(8)]) + \
                data[k + 1:]
        elif i % 9 == 2:
            data = data[:rnd.randrange(1, len(data))]
        r = {"source": "a decoder in Python, and cbor2", "in": data}
        try:
            out = Asker(data).ask("all close").encode()
            yield dict(r, expect="ok", out=out)
        except No as e:
            yield dict(r, expect=e.status, at=e.at)


# --- enclave images ---------------------------------------------------------

PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----[\r\n]+([A-Za-z0-9+/=\r\n]*)"
                 rb"[\r\n]-----END CERTIFICATE-----\s*\Z")


def base64_strict(text):
    text = text.replace(b"\r", b"").replace(b"\n", b"")
    try:
        der = base64.b64decode(text, validate=True)
    except ValueError:
        need(False, "signature: base64")
    need(base64.b64encode(der) == text, "signature: base64")
    return der


def read_signature(data):
    """The DER of the signing certificate."""
    d = Decoder(data)
    need(d.no is None and d.end == len(data), "signature: CBOR")
    v = d.value
    need(isinstance(v, list) and len(v) == 1 and isinstance(v[0], list),
         "signature: shape")
    got = {k: x for _, k, x in v[0]}
    need(set(got) == {"signing_certificate", "signature"} and
         len(v[0]) == 2, "signature: members")
    need(isinstance(got["signing_certificate"], list), "signature: bytes")
    m = PEM.match(bytes(got["signing_certificate"]))
    need(m, "signature: PEM")
    der = base64_strict(m[1])
    need(der[:1] == b"\x30" and der_length(der), "signature: DER")
    return der


def der_length(der):
    """Is all after the tag a length in DER's form, and so many bytes?"""
    for size, least in ((0, 0), (1, 128), (2, 256)):
        n = len(der) - 2 - size
        head = bytes([n & 127]) if size == 0 else \
            bytes([0x80 + size]) + (n & 0xffff).to_bytes(2, "big")[-size:]
        if least <= n < (128, 256, 65536)[size] and der[1:2 + size] == head:
            return True
    return False


def read_eif(image):
    """Its PCRs, or Bad: the whole image at once, by slices."""
    need(len(image) >= 548 and image[:4] == b".eif", "header")
    u = [int.from_bytes(image[a:b], "big") for a, b in (
        (4, 6), (6, 8), (26, 28), (544, 548))]
    version, flags, count, crc = u
    need(2 <= version <= 4 and flags < 2 and 2 <= count <= 32, "header")
    at, found = 548, []
    for i in range(count):
        offset, size = (int.from_bytes(image[k + 8 * i:k + 8 * i + 8], "big")
                        for k in (28, 284))
        need(offset == at and at + 12 + size <= len(image), "table")
        head = image[at:at + 12]
        need(head[2:] == bytes(2) + size.to_bytes(8, "big"), "section")
        found.append((head[1] if head[0] == 0 else 0,
                      image[at + 12:at + 12 + size]))
        at += 12 + size
    need(at == len(image), "after it")
    need(zlib.crc32(image[:544] + image[548:]) == crc, "crc")
    kinds = "".join(str(k) for k, _ in found)
    need(re.fullmatch("123*", re.sub("[45]", "", kinds)), "order")
    need(kinds.count("4") < 2 and kinds.count("5") < 2, "twice")
    need(version < 4 or "5" in kinds, "metadata")
    data = {k: [d for kind, d in found if kind == k] for k in range(1, 6)}
    der = None
    for s in data[4]:
        need(len(s) <= 32768, "signature")
        der = read_signature(s)
    return eif.measure(data[1][0], data[2][0], data[3], der)


def eif_image(r):
    image = eif.join(r) + bytes(r.get("zeros") or 0)
    return image[:r["cut"]] if r.get("cut") is not None else image


def check_eif(r):
    try:
        got = read_eif(eif_image(r))
    except Exception as e:  # noqa: B902: gen_common's Bad, or a bad slice
        need(r["expect"] != "ok", "refused: %s" % e)
        got = {}
    need(bool(got) == (r["expect"] == "ok"), "accepted")
    for k in ("pcr0", "pcr1", "pcr2", "pcr8"):
        need(got.get(k) == r.get(k), k)


def certificate(seed):
    """A certificate that is the same each time: Ed25519 has no randomness."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    day = datetime.datetime(2024, 1, 1)
    return x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(
        1 + seed[0]).not_valid_before(day).not_valid_after(
        day.replace(year=2034)).sign(key, None)


def make_eif():
    rnd = random.Random("eif")
    for i in range(16):
        data = [rnd.randbytes(rnd.randrange(40)) for _ in range(6)]
        disks, version = data[2:2 + rnd.randrange(5)], rnd.choice((2, 3, 4))
        sections = [(1, data[0]), (2, data[1])] + [(3, d) for d in disks]
        if version == 4 or rnd.randrange(2):
            sections.insert(rnd.randrange(len(sections) + 1), (5, b"{}"))
        der = None
        if i % 4 == 0:
            cert = certificate(rnd.randbytes(32))
            der, pem = (cert.public_bytes(e) for e in (
                serialization.Encoding.DER, serialization.Encoding.PEM))
            sections.insert(rnd.choice((0, len(sections))), (
                4, eif.signature_section(pem, rnd.randbytes(8))))
        r = dict(eif.parts(sections, version, rnd.randrange(2)),
                 source="Python hashlib, zlib, cryptography", expect="ok",
                 **eif.measure(data[0], data[1], disks, der))
        if i % 4 == 3:
            r["rest"] = r["rest"][:-1] + bytes([r["rest"][-1] ^ 1])
            if sections[-1][1]:
                yield dict(
                    {k: v for k, v in r.items() if k[:3] != "pcr"},
                    expect="EF_E_FORMAT", at=544,
                    hint=b"the copy is damaged: copy it again")
            continue
        yield r


# --- measurements -----------------------------------------------------------

NAMES = ("PCR0", "PCR1", "PCR2", "PCR8")


def unique(pairs):
    need(len(dict(pairs)) == len(pairs), "a name twice")
    return dict(pairs)


def read_measurement(text):
    need(len(text) <= 1 << 20, "large")
    doc = json.loads(text.decode(), object_pairs_hook=unique)
    need(isinstance(doc, dict), "no object")
    doc = doc.get("Measurements", doc)
    need(isinstance(doc, dict) and set(doc) <= {"HashAlgorithm", *NAMES} and
         set(doc) >= set(NAMES[:3]), "members")
    need(all(isinstance(v, str) for v in doc.values()), "no text")
    need(doc.pop("HashAlgorithm", "Sha384").startswith("Sha384"), "hash")
    need(all(re.fullmatch("[0-9a-fA-F]{96}", v) for v in doc.values()), "hex")
    need(any(int(doc[k], 16) for k in NAMES[:3]), "debug")
    return {k: v.lower() for k, v in doc.items()}


def check_measurement(r):
    try:
        got = read_measurement(r["json"] + b" " * (r.get("blanks") or 0))
    except Exception as e:  # noqa: B902: Bad, or json's
        need(r["expect"] != "ok", "refused: %s" % e)
        need("printed" not in r, "printed")
        return
    need(r["expect"] == "ok", "accepted")
    need(r.get("printed") == json.dumps(
        got, sort_keys=True, separators=(",", ":")).encode(), "printed")


def make_measurement():
    rnd = random.Random("measurements")
    for i in range(12):
        doc = {k: rnd.randbytes(48).hex() for k in NAMES[:3 + i % 2]}
        printed = json.dumps(doc, sort_keys=True, separators=(",", ":"))
        doc = {k: rnd.choice((v, v.upper())) for k, v in doc.items()}
        names = list(doc)
        rnd.shuffle(names)
        doc = {k: doc[k] for k in names}
        if i % 3:
            doc = {"Measurements": dict(doc, HashAlgorithm="Sha384 { ... }")}
        if i % 3 == 2:
            doc = {"EifVersion": 4, **doc, "IsSigned": i % 2 == 1,
                   "CheckCRC": True, "ImageName": "app",
                   "Metadata": {"DockerInfo": {"a": [1, None]}}}
        yield dict(source="Python json", expect="ok",
                   json=json.dumps(doc, indent=i % 4 or None).encode(),
                   printed=printed.encode())


if __name__ == "__main__":
    refresh("cbor.txt", check_cbor, make_cbor)
    refresh("eif.txt", check_eif, make_eif)
    refresh("measurements.txt", check_measurement, make_measurement)
