"""nsm.txt: requests and answers of the Nitro security module, against the
distribution's cbor2, a decoder of CBOR that recurs, and Python's hashlib."""
import hashlib
import random

import cbor2

from gen_common import need, refresh
from gen_enclave import Decoder, No

SIZE, KEY = 512, 1024
OWN = {"attest": ("Attestation", {"document"}),
       "extend": ("ExtendPCR", {"data"}),
       "describe": ("DescribePCR", {"data", "lock"})}
ERRORS = ("InvalidArgument", "InvalidIndex", "InvalidResponse",
          "ReadOnlyIndex", "InvalidOperation", "BufferTooSmall",
          "InputTooLarge", "InternalError")


def write_request(r):
    """The request's bytes, or a status."""
    ask, index, data = r["ask"], r.get("index"), r.get("data")
    if ask == "attest":
        three = {k: r.get(k) for k in ("user_data", "nonce", "public_key")}
        if any(v is not None and len(v) > (KEY if k == "public_key" else SIZE)
               for k, v in three.items()):
            return "EF_E_LIMIT"
        if three["public_key"] == b"":
            return "EF_E_FORMAT"
        return cbor2.dumps({"Attestation": three})
    if index > (32 if ask == "lock" else 31):
        return "EF_E_FORMAT"
    if ask == "lock":
        return cbor2.dumps({"LockPCRs": {"range": index}})
    if ask == "describe":
        return cbor2.dumps({"DescribePCR": {"index": index}})
    if not data:
        return "EF_E_FORMAT"
    return cbor2.dumps({"ExtendPCR": {"index": index, "data": data}}) \
        if len(data) <= SIZE else "EF_E_LIMIT"


def members(value):
    """A map as a dict; a key that is there twice, or is no text, is none."""
    need(isinstance(value, list) and value and
         all(isinstance(x, tuple) and x[0] == "map" for x in value), "a map")
    got = {k: v for _, k, v in value if isinstance(k, str)}
    need(len(got) == len(value), "keys")
    return got


def read_answer(ask, data):
    """(status, {document, pcr, locked})."""
    if len(data) > 12288:
        return "EF_E_LIMIT", {}
    d = Decoder(data)
    if d.no is not None:
        return d.no.status, {}
    need(d.end == len(data), "bytes after it")
    if ask == "lock" and d.value == "LockPCRs":
        return "ok", {}
    got = members(d.value)
    need(len(got) == 1, "one member")
    (name, value), = got.items()
    if name == "Error":
        need(isinstance(value, str), "an error's name")
        return "EF_E_POLICY" if value == "ReadOnlyIndex" else "EF_E_IO", {}
    need(ask != "lock" and name == OWN[ask][0], "of another request")
    inner = members(value)
    need(set(inner) == OWN[ask][1], "members")
    need(all(isinstance(v, bool) if k == "lock" else isinstance(v, bytes)
             for k, v in inner.items()), "types")
    need(len(inner.get("data", bytes(48))) == 48 and
         inner.get("document") != b"", "sizes")
    out = {"document": inner.get("document"), "pcr": inner.get("data")}
    if "lock" in inner:
        out["locked"] = int(inner["lock"])
    return "ok", out


def check(r):
    outs = ("document", "pcr", "locked", "request", "extended")
    if "answer" in r:
        try:
            status, got = read_answer(
                r["ask"], r["answer"] + bytes(r.get("zeros") or 0))
        except (No, Exception):  # noqa: B902: gen_common's Bad, or a bad type
            status, got = "EF_E_FORMAT", {}
    else:
        got = write_request(r)
        status, got = (got, {}) if isinstance(got, str) else \
            ("ok", {"request": got})
        if status == "ok" and r["ask"] == "extend":
            got["extended"] = hashlib.sha384(bytes(48) + r["data"]).digest()
    need(status == r["expect"], "expect: %s" % status)
    for k in outs:
        need(got.get(k) == r.get(k), "%s: %r" % (k, got.get(k)))


def item(rnd, value, depth=0):
    """A value as CBOR, maps of either form and in any order."""
    if not isinstance(value, dict):
        return cbor2.dumps(value)
    pairs = list(value.items())
    rnd.shuffle(pairs)
    body = b"".join(cbor2.dumps(k) + item(rnd, v, depth + 1)
                    for k, v in pairs)
    if rnd.randrange(2):
        return b"\xbf" + body + b"\xff"
    return bytes([0xa0 + len(pairs)]) + body


def make():
    rnd = random.Random("nsm")
    source = {"source": "cbor2"}
    for _ in range(8):
        r = {"ask": "attest"}
        for k, most in (("user_data", 40), ("nonce", 300), ("public_key", 70)):
            if rnd.randrange(3):
                r[k] = rnd.randbytes(rnd.randrange(1, most))
        yield dict(r, **source, expect="ok", request=write_request(r))
    for i in range(4):
        r = {"ask": "extend", "index": rnd.randrange(32),
             "data": rnd.randbytes((1, 23, 32, 256)[i])}
        yield dict(r, **source, expect="ok", request=write_request(r),
                   extended=hashlib.sha384(bytes(48) + r["data"]).digest())
    for i in range(16):
        pcr, locked = rnd.randbytes(48), rnd.randrange(2)
        document = rnd.randbytes(rnd.randrange(1, 400))
        ask = ("attest", "extend", "describe", "describe")[i % 4]
        value, got = {
            "attest": ({"document": document}, {"document": document}),
            "extend": ({"data": pcr}, {"pcr": pcr}),
            "describe": ({"data": pcr, "lock": locked == 1},
                         {"pcr": pcr, "locked": locked})}[ask]
        yield dict(got, **source, ask=ask, expect="ok",
                   answer=item(rnd, {OWN[ask][0]: value}))


if __name__ == "__main__":
    refresh("nsm.txt", check, make)
