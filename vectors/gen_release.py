"""release_requests, release_nonces, release_answers and release_log (.txt):
Python's json, hmac and hashlib; HPKE by gen_signing.py."""
import base64
import hashlib
import hmac
import json
import random
import re

from gen_common import Bad, need, refresh
from gen_signing import hpke_open, hpke_seal, x_public

HERE = "gen_release.py"
HASH = r"[0-9a-f]{64}"
# by their names, what each event's line must have, and what it may
EVENTS = {
    "release": ({"app", "appconfig", "event", "instance", "nonce", "pcr0",
                 "prev", "time", "workflow"}, set()),
    "refused": ({"event", "prev", "reason", "time"},
                {"appconfig", "instance"}),
    "done": ({"appconfig", "event", "nonce", "prev", "time"}, set()),
    "repaired": ({"cut", "event", "prev", "time"}, set()),
}


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text, n=None):
    """Strict: what it decodes to encodes to it again."""
    need(isinstance(text, str), "a text")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as e:
        raise Bad(str(e))
    need(b64u(data) == text and n in (None, len(data)), "base64url")
    return data


def unhex(text, n=32):
    need(isinstance(text, str) and
         re.fullmatch("[0-9a-f]{%d}" % (2 * n), text), "hex")
    return bytes.fromhex(text)


def once(pairs):
    need(len({k for k, _ in pairs}) == len(pairs), "a name twice")
    return dict(pairs)


def load(data):
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=once,
                          parse_constant=lambda x: need(False, x))
    except ValueError as e:
        raise Bad(str(e))


def status_of(function, *args):
    try:
        return "ok", function(*args)
    except Bad as e:
        said = str(e)
        return said if said.startswith("EF_E_") else "EF_E_FORMAT", None


def line_text(text, most=255):
    need(isinstance(text, str) and text, "a line")
    need(not re.search("[\0-\x1f\x7f-\x9f]", text), "control")
    need(len(text.encode()) <= most, "EF_E_LIMIT")


# --- requests ---


def read_request(data):
    need(len(data) <= 65536, "EF_E_LIMIT")
    r = load(data)
    need(isinstance(r, dict), "an object")
    kind = r.get("request")
    want = {"nonce": {"request", "version"},
            "release": {"appconfig", "document", "request", "version"},
            "done": {"appconfig", "nonce", "request", "token", "version"}}
    need(isinstance(kind, str) and set(r) == want.get(kind), "members")
    need(re.search(rb'"version"\s*:\s*0*1\s*[,}]', data) and
         r["version"] is not True, "version")
    out = {"kind": kind}
    if kind != "nonce":
        out["appconfig"] = unhex(r["appconfig"])
    if kind == "release":
        out["document"] = unb64u(r["document"])
    if kind == "done":
        out["nonce"] = unb64u(r["nonce"], 56)
        out["token"] = unb64u(r["token"], 32)
    return out


def check_request(r):
    status, out = status_of(read_request,
                            r["json"] + b" " * (r.get("blanks") or 0))
    need(status == r["expect"], "expect " + status)
    for k in ("kind", "appconfig", "document", "nonce", "token"):
        need((out or {}).get(k) == r.get(k), k)


def make_requests():
    rnd = random.Random("release requests")
    for i in range(12):
        own = {"kind": ("nonce", "release", "done")[i % 3]}
        if own["kind"] != "nonce":
            own["appconfig"] = rnd.randbytes(32)
        if own["kind"] == "release":
            own["document"] = rnd.randbytes(rnd.randrange(200))
        if own["kind"] == "done":
            own["nonce"], own["token"] = rnd.randbytes(56), rnd.randbytes(32)
        members = [(k, v.hex() if k == "appconfig" else b64u(v))
                   for k, v in own.items() if k != "kind"]
        members += [("request", own["kind"]), ("version", 1)]
        rnd.shuffle(members)
        yield dict(own, source=HERE, expect="ok", json=json.dumps(
            dict(members), indent=rnd.choice((None, 1))).encode())


# --- nonces ---


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def check_nonce(r):
    key = mac(r["sk"], b"encflow release nonce 1")
    n = r["nonce"]
    if len(n) != 56 or mac(key, n[:24]) != n[24:]:
        status = "EF_E_AUTH"
    else:
        age = r["now"] - int.from_bytes(n[:8], "big")
        status = "ok" if 0 <= age <= 300 else "EF_E_POLICY"
    need(status == r["expect"], "expect " + status)
    need(r["key"] == key, "key")
    if status == "ok":
        need(r["token"] == mac(key, b"done" + n), "token")
    else:
        need("token" not in r, "a token")


def make_nonces():
    rnd = random.Random("release nonces")
    for i in range(12):
        sk, at = rnd.randbytes(32), rnd.randrange(1 << 33)
        key = mac(sk, b"encflow release nonce 1")
        n = at.to_bytes(8, "big") + rnd.randbytes(16)
        n += mac(key, n)
        age = (0, 1, 299, 300, 301, -1)[i % 6]
        r = dict(source=HERE, sk=sk, key=key, now=at + age)
        if i > 6:  # one bit of it is another
            bit = rnd.randrange(len(n) * 8)
            n = bytearray(n)
            n[bit // 8] ^= 1 << bit % 8
            yield dict(r, expect="EF_E_AUTH", nonce=bytes(n))
        elif 0 <= age <= 300:
            yield dict(r, expect="ok", nonce=n, token=mac(key, b"done" + n))
        else:
            yield dict(r, expect="EF_E_POLICY", nonce=n)


# --- answers ---


def read_answer(data):
    need(len(data) <= 8 << 20, "EF_E_LIMIT")
    a = load(data)
    need(isinstance(a, dict), "an object")
    if "credentials" in a:
        need(set(a) == {"credentials", "documents", "version"}, "members")
        need(isinstance(a["credentials"], dict) and
             set(a["credentials"]) == {"ct", "enc"}, "sealed")
        unb64u(a["credentials"]["ct"])
        unb64u(a["credentials"]["enc"], 32)
        need(isinstance(a["documents"], list) and a["documents"] and
             all(isinstance(x, str) for x in a["documents"]), "documents")
        need(all(len(x.encode()) <= 262144 for x in a["documents"]),
             "EF_E_LIMIT")
        need(a["version"] == 1 and a["version"] is not True, "version")
    elif "nonce" in a:
        need(set(a) == {"nonce"}, "members")
        unb64u(a["nonce"], 56)
    elif "done" in a:
        need(a == {"done": True} and a["done"] is True, "done")
    else:
        need(set(a) == {"error"}, "members")
        line_text(a["error"])
        need(a["error"] == "refused", "an error")
        raise Bad("EF_E_POLICY")
    return a


def open_answer(r, a):
    need("credentials" in a, "none")
    sealed = a["credentials"]
    ct = unb64u(sealed["ct"])
    need(len(ct) >= 16, "a tag")
    pt = hpke_open(r["sk"], unb64u(sealed["enc"]), b"encflow release 1",
                   r["appconfig"].hex().encode() + b":" +
                   b64u(r["nonce"]).encode(), ct)
    need(pt is not None, "EF_E_AUTH")
    return pt


def check_answer(r):
    text = r["json"].replace(b"*", b"x" * (r.get("fill") or 1))
    status, a = status_of(read_answer, text + b" " * (r.get("blanks") or 0))
    if r["op"] == "open":
        need(status == "ok", "parses: " + status)
        status, pt = status_of(open_answer, r, a)
        need(pt == r.get("plain"), "another plaintext")
    need(status == r["expect"], "expect " + status)


def sealed_answer(rnd, plain, config, n, sk):
    enc, ct = hpke_seal(rnd.randbytes(32), x_public(sk), b"encflow release 1",
                        config.hex().encode() + b":" + b64u(n).encode(),
                        plain)
    return {"credentials": {"ct": b64u(ct), "enc": b64u(enc)},
            "documents": ["a.b.c", "d.e.f"], "version": 1}


def make_answers():
    rnd = random.Random("release answers")
    for i in range(10):
        sk, config, n = rnd.randbytes(32), rnd.randbytes(32), rnd.randbytes(56)
        plain = rnd.randbytes(rnd.randrange(200))
        r = dict(source=HERE, op="open", expect="ok", sk=sk, appconfig=config,
                 nonce=n, plain=plain, json=json.dumps(sealed_answer(
                     rnd, plain, config, n, sk)).encode())
        if i >= 5:  # another key, configuration or nonce
            name = ("sk", "appconfig", "nonce")[i % 3]
            r[name] = rnd.randbytes(len(r[name]))
            r.update(expect="EF_E_AUTH", why="another " + name)
            del r["plain"]
        yield r


# --- the log ---


def read_line(data):
    need(len(data) <= 4096, "EF_E_LIMIT")
    a = load(data)
    need(isinstance(a, dict) and isinstance(a.get("event"), str) and
         a["event"] in EVENTS, "an event")
    must, may = EVENTS[a["event"]]
    need(must <= set(a) <= must | may, "members")
    for k in ("appconfig", "prev", "workflow"):
        if k in a:
            unhex(a[k])
    if "pcr0" in a:
        unhex(a["pcr0"], 48)
    if "nonce" in a:
        unb64u(a["nonce"], 56)
    for k in ("app", "instance"):
        if k in a:
            line_text(a[k])
    if "reason" in a:
        need(isinstance(a["reason"], str) and not re.search(
            "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", a["reason"]), "reason")
    for k, least, most in (("time", 0, 253402300799), ("cut", 1, 1 << 30)):
        if k in a:
            need(type(a[k]) is int and least <= a[k] <= most, k)
    # RFC 8785, for what stands in these
    form = json.dumps(a, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).replace("\x7f", "\x7f").encode()
    need(form == data, "canonical")
    return a


def read_log(r):
    head, last, count, a = bytes(32), 0, 0, None
    for line in r["log"].split(b"\n"):
        status, a = status_of(read_line, line)
        need(status == "ok" and a["prev"] == head.hex() and a["time"] >= last,
             "EF_E_AUTH line %d" % (count + 1))
        head, last, count = hashlib.sha256(line).digest(), a["time"], count + 1
    return head, count, a


def check_log(r):
    status, out = status_of(read_log, r)
    status, _, where = status.partition(" line ")
    need(status == r["expect"], "expect " + status)
    if out is None:
        need(int(where) == r["line"], "line " + where)
        return
    head, count, a = out
    need(head == r["head"] and count == r["lines"], "head")
    need(a["event"] == r["event"], "event")
    for k in ("app", "instance", "reason"):
        need(a.get(k, "").encode() == (r.get(k) or b""), k)


def make_log():
    rnd = random.Random("release log")
    for i in range(8):
        head, at, lines = bytes(32), rnd.randrange(1 << 31), []
        for _ in range(1 + i):
            at += rnd.randrange(3)
            event = rnd.choice(sorted(EVENTS))
            a = dict(event=event, prev=head.hex(), time=at)
            if event in ("release", "done"):
                a.update(appconfig=rnd.randbytes(32).hex(),
                         nonce=b64u(rnd.randbytes(56)))
            if event == "release":
                a.update(app=rnd.choice(("describe", "a \"b\"", "\u00e9t\u00e9")),
                         instance="i-%016x-enc%016x" % (
                             rnd.getrandbits(64), rnd.getrandbits(64)),
                         pcr0=rnd.randbytes(48).hex(),
                         workflow=rnd.randbytes(32).hex())
            elif event == "refused":
                a.update(reason="NONCE_USED: \\ \"x\"\n\u20ac")
                if rnd.randrange(2):
                    a.update(appconfig=rnd.randbytes(32).hex(), instance="i")
            elif event == "repaired":
                a.update(cut=rnd.randrange(1, 5000))
            lines.append(json.dumps(a, sort_keys=True, ensure_ascii=False,
                                    separators=(",", ":")).encode())
            head = hashlib.sha256(lines[-1]).digest()
        r = dict(source=HERE, expect="ok", log=b"\n".join(lines), head=head,
                 lines=len(lines), event=a["event"])
        for k in ("app", "instance", "reason"):
            if k in a:
                r[k] = a[k].encode()
        yield r
        if i > 2:
            del lines[1]
            yield dict(source=HERE, expect="EF_E_AUTH", line=2,
                       why="the second line was taken out",
                       place=b"$.prev (JSON pointer /prev)",
                       log=b"\n".join(lines))


if __name__ == "__main__":
    refresh("release_requests.txt", check_request, make_requests)
    refresh("release_nonces.txt", check_nonce, make_nonces)
    refresh("release_answers.txt", check_answer, make_answers)
    refresh("release_log.txt", check_log, make_log)
