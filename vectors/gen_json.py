"""json_accept.txt, json_reject.txt, jcs.txt, json_pointer.txt.

Whether a text is JSON is asked of Python's json as well; where it is wrong,
of the checker below, which knows nothing of encflow: one byte after the
other, an error is at the first byte that no valid document could have there.
"""
import json
import random
import re

from gen_common import Bad, need, refresh

DEPTH = 64
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.S)


class Refused(Exception):
    pass


class Checker:
    """RFC 8259 with RFC 7493's rules, over bytes."""

    def __init__(self, text):
        self.text, self.i, self.depth = text, 0, 0

    def fail(self, at=None, status="EF_E_FORMAT"):
        raise Refused(status, self.i if at is None else at)

    def peek(self):
        """The next byte, -1 at the end."""
        return self.text[self.i] if self.i < len(self.text) else -1

    def blanks(self):
        while self.peek() in list(b" \t\r\n"):
            self.i += 1

    def take(self, wanted):
        if self.peek() not in list(wanted):
            self.fail()
        self.i += 1
        return self.text[self.i - 1]

    def document(self):
        if self.text.startswith(b"\xef\xbb\xbf"):
            self.fail(0)
        self.value()
        self.blanks()
        if self.peek() >= 0:
            self.fail()

    def value(self):
        self.blanks()
        c = self.peek()
        words = {0x74: b"true", 0x66: b"false", 0x6E: b"null"}
        if c in (0x5B, 0x7B):
            if self.depth == DEPTH:
                self.fail(status="EF_E_LIMIT")
            self.depth += 1
            self.i += 1
            self.array() if c == 0x5B else self.object()
            self.depth -= 1
        elif c == 0x22:
            self.string()
        elif c in words:
            for w in words[c]:
                self.take([w])
        else:
            self.number()

    def array(self):
        self.blanks()
        if self.peek() == 0x5D:
            self.i += 1
            return
        while True:
            self.value()
            self.blanks()
            if self.take(b",]") == 0x5D:
                return

    def object(self):
        names = set()
        self.blanks()
        if self.peek() == 0x7D:
            self.i += 1
            return
        while True:
            self.blanks()
            at = self.i
            if self.peek() != 0x22:
                self.fail()
            name = self.string()
            if name in names:
                self.fail(at)
            names.add(name)
            self.blanks()
            self.take(b":")
            self.value()
            self.blanks()
            if self.take(b",}") == 0x7D:
                return

    def string(self):
        out = bytearray()
        self.i += 1
        while True:
            c = self.peek()
            if c == 0x22:
                self.i += 1
                return bytes(out)
            if c == 0x5C:
                out += self.escape()
            elif c < 0x20:  # the end too
                self.fail()
            else:
                out += self.character()

    def character(self):
        for n in range(1, 5):
            piece = self.text[self.i:self.i + n]
            try:
                if len(piece) == n:
                    piece.decode("utf-8")
                    self.i += n
                    return piece
            except UnicodeDecodeError:
                pass
        self.fail()

    def escape(self):
        start = self.i
        self.i += 1
        short = {0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9}
        c = self.take(b'"\\/bfnrtu')
        if c != 0x75:
            return bytes([short.get(c, c)])
        unit = self.four()
        if 0xDC00 <= unit < 0xE000:
            self.fail(start)
        if 0xD800 <= unit < 0xDC00:
            for wanted in b"\\u":
                if self.peek() != wanted:
                    self.fail(None if self.peek() < 0 else start)
                self.i += 1
            low = self.four()
            if not 0xDC00 <= low < 0xE000:
                self.fail(start)
            unit = 0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00
        return chr(unit).encode()

    def four(self):
        return int(bytes(self.take(b"0123456789abcdefABCDEF")
                         for _ in range(4)), 16)

    def digits(self):
        self.take(b"0123456789")
        while self.peek() in list(b"0123456789"):
            self.i += 1

    def number(self):
        start = self.i
        if self.peek() == 0x2D:
            self.i += 1
        if self.peek() == 0x30:
            self.i += 1
        else:
            self.digits()
        if self.peek() == 0x2E:
            self.i += 1
            self.digits()
        if self.peek() in (0x45, 0x65):
            self.i += 1
            if self.peek() in (0x2B, 0x2D):
                self.i += 1
            self.digits()
        if float(self.text[start:self.i]) in (float("inf"), -float("inf")):
            self.fail(start)


def verdict(text):
    """None, or (status, at)."""
    try:
        Checker(text).document()
    except Refused as e:
        return e.args
    return None


def python_accepts(text):
    """Python's json, made as strict as it can be made."""
    def pairs(items):
        need(len(dict(items)) == len(items), "a name twice")
        return dict(items)

    def number(s):
        need(abs(float(s)) != float("inf"), "overflow")
        return float(s)

    def constant(s):
        raise Bad(s)
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=pairs,
                           parse_float=number, parse_constant=constant,
                           parse_int=number)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # surrogates
    except (Bad, ValueError, RecursionError):
        return False
    return True


def layout(text, indent):
    """text with Python's own layout for json.dumps(indent=...), tokens kept;
    None: one line."""
    def line(d):
        return b"" if indent is None else b"\n" + b" " * (indent * d)
    tokens, out, depth = TOKEN.findall(text), b"", 0
    for i, t in enumerate(tokens):
        if t in (b"]", b"}") and tokens[i - 1] not in (b"[", b"{"):
            out += line(depth - 1)
        out += t
        depth += (t in (b"[", b"{")) - (t in (b"]", b"}"))
        if t in (b"[", b"{") and tokens[i + 1] not in (b"]", b"}"):
            out += line(depth)
        if t == b",":
            out += b" " if indent is None else line(depth)
        if t == b":":
            out += b" "
    return out


def check_accept(r):
    need(verdict(r["text"]) is None, "refused: %s %s" % (
        verdict(r["text"]) or ("", "")))
    need(python_accepts(r["text"]), "refused by Python")
    need(r["line"] == layout(r["text"], None), "line")
    need(r["pretty"] == layout(r["text"], 2), "pretty")
    for form in ("line", "pretty"):
        need(json.loads(r[form]) == json.loads(r["text"]), form)
    if r["source"] == "Python json.dumps":
        value = json.loads(r["text"])
        need(r["line"] == json.dumps(value).encode(), "dumps")
        need(r["pretty"] == json.dumps(value, indent=2).encode(), "dumps")


BLANKS = (b"", b"", b"", b" ", b"\n", b"\t", b"\r\n", b"  ")
WORDS = ("", "a", "key", "A b", "\u00e9", "\u20ac", "\U0001f602", "\ufb33",
         "/", "~", "\\", '"', "\x00", "\x1f", "\x7f", "\u0080", "\u2028",
         "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff")


def string_text(rnd, s):
    """One of the ways to write s."""
    out = ""
    for c in s:
        way = rnd.randrange(3)
        if way == 0 and ord(c) >= 0x20 and c not in '"\\':
            out += c
        elif way == 1 or c in '"\\':
            out += json.dumps(c)[1:-1]
        else:
            for u in re.findall("....", c.encode("utf-16-be").hex()):
                out += "\\u" + rnd.choice((u, u.upper()))
    return ('"%s"' % out).encode()


def number_text(rnd):
    return rnd.choice((
        lambda: "%d" % rnd.randrange(-20, 20),
        lambda: "%d" % rnd.getrandbits(70),
        lambda: repr(rnd.uniform(-1000, 1000)),
        lambda: "%.*e" % (rnd.randrange(20), rnd.uniform(-9, 9) * 10.0 **
                          rnd.randrange(-300, 300)),
        lambda: "-0", lambda: "0.0", lambda: "-0e-7", lambda: "1e-400",
        lambda: "%dE%+d" % (rnd.randrange(1, 99), rnd.randrange(-320, 300)),
    ))().encode()


def some_json(rnd, depth):
    """A random document's text, white space and escapes at random."""
    def gap():
        return rnd.choice(BLANKS)
    kind = rnd.randrange(4 if depth == 0 else 7)
    if kind == 0:
        return rnd.choice((b"null", b"true", b"false"))
    if kind == 1:
        return number_text(rnd)
    if kind < 4:
        return string_text(rnd, "".join(
            rnd.choice(WORDS) for _ in range(rnd.randrange(4))))
    items = [gap() + some_json(rnd, depth - 1) + gap()
             for _ in range(rnd.randrange(4))]
    if kind == 4:
        return b"[" + (b",".join(items) or gap()) + b"]"
    names = rnd.sample(range(1000), len(items))
    items = [gap() + string_text(rnd, "%d%s" % (k, rnd.choice(WORDS))) +
             gap() + b":" + v for k, v in zip(names, items)]
    return b"{" + (b",".join(items) or gap()) + b"}"


def some_value(rnd, depth):
    """A random value that json.dumps writes as ASCII."""
    kind = rnd.randrange(5 if depth else 3)
    if kind == 0:
        return rnd.choice((None, True, False, 0, -1, 2 ** 63, 1.5, 1e300))
    if kind < 3:
        return "".join(rnd.choice(WORDS) for _ in range(rnd.randrange(3)))
    if kind == 3:
        return [some_value(rnd, depth - 1) for _ in range(rnd.randrange(4))]
    return {rnd.choice(WORDS) + str(i): some_value(rnd, depth - 1)
            for i in range(rnd.randrange(4))}


def make_accept():
    rnd = random.Random("json accept")
    for i in range(30):
        text = some_json(rnd, 4)
        yield dict(source="Python, seeded", text=text,
                   line=layout(text, None), pretty=layout(text, 2))
    for i in range(10):
        value = some_value(rnd, 4)
        yield dict(source="Python json.dumps",
                   text=json.dumps(value, separators=(",", ":")).encode(),
                   line=json.dumps(value).encode(),
                   pretty=json.dumps(value, indent=2).encode())


def check_reject(r):
    need(verdict(r["text"]) == (r["expect"], r["at"]),
         "%s" % (verdict(r["text"]),))
    if r["expect"] == "EF_E_FORMAT":
        need(not python_accepts(r["text"]) or r["at"] == 0 and
             r["text"].startswith(b"\xef\xbb\xbf"), "Python takes it")
    # What stands before the error is the start of some document.
    before = verdict(r["text"][:r["at"]])
    need(before in (None, ("EF_E_FORMAT", r["at"])), "prefix")


def make_reject():
    """Documents with one byte changed, dropped, put in, or all cut off."""
    rnd, seen = random.Random("json reject"), set()
    while len(seen) < 80:
        text = bytearray(some_json(rnd, 3))
        at = rnd.randrange(len(text))
        way = ("changed", "dropped", "put in", "cut")[len(seen) % 4]
        byte = rnd.choice(b'\x00\x1f "\\,:[]{}+-.0179eEtfnu/'
                          b'\x7f\x80\xc0\xed\xff')
        if way == "changed":
            text[at] = byte
        elif way == "put in":
            text.insert(at, byte)
        else:
            del text[at:at + 1 if way == "dropped" else len(text)]
        text, wrong = bytes(text), verdict(bytes(text))
        if wrong is None or text in seen:
            continue
        # A document cut inside a character is a matter of taste: leave out.
        if wrong[1] < len(text) and text[wrong[1]] >= 0xC2 and \
                len(text) - wrong[1] < 4:
            continue
        seen.add(text)
        yield dict(source="Python, one byte " + way if way != "cut" else
                   "Python, cut off", expect=wrong[0], at=wrong[1], text=text)


def es6_number(x):
    """ECMAScript's Number::toString, from Python's shortest digits."""
    if x == 0:
        return "0"
    if x < 0:
        return "-" + es6_number(-x)
    m = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:e([-+]\d+))?", repr(x))
    digits = m[1] + (m[2] or "")
    point = len(m[1]) + int(m[3] or 0)  # the decimal point is after so many
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    k = len(digits)
    if k <= point <= 21:
        return digits + "0" * (point - k)
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    return "%s%se%+d" % (digits[0], "." + digits[1:] if k > 1 else "",
                         point - 1)


def canonical(value):
    """RFC 8785."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return es6_number(value)
    if isinstance(value, str):
        named = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
        return '"%s"' % "".join(
            "\\" + named[ord(c)] if ord(c) in named else
            "\\u%04x" % ord(c) if ord(c) < 0x20 else c for c in value)
    if isinstance(value, list):
        return "[%s]" % ",".join(map(canonical, value))
    return "{%s}" % ",".join(
        canonical(k) + ":" + canonical(value[k])
        for k in sorted(value, key=lambda k: k.encode("utf-16-be")))


def check_jcs(r):
    value = json.loads(r["text"], parse_int=float)
    need(canonical(value).encode() == r["out"], canonical(value))
    again = json.loads(r["out"], parse_int=float)
    need(canonical(again).encode() == r["out"], "no fixed point")


def make_jcs():
    # Powers of two whose shortest digits are not the rounded ones: the gap
    # to the next double below is half of the one above.
    odd = [x for x in (2.0 ** e for e in range(-1074, 1024))
           if float("%.*e" % (len(repr(x).split("e")[0].replace(
               ".", "").strip("0")) - 1, x)) != x]
    yield dict(source="Python repr", why="the upper neighbour is shortest",
               text=json.dumps(odd).encode(), out=canonical(odd).encode())
    for first in range(-1074, 1024, 100):
        two = [2.0 ** e for e in range(first, min(first + 100, 1024))]
        yield dict(source="Python repr", why="powers of two from 2^%d" % first,
                   text=json.dumps(two).encode(), out=canonical(two).encode())
    rnd = random.Random("jcs")
    for _ in range(40):
        text = some_json(rnd, 4)
        yield dict(source="Python, seeded", text=text, out=canonical(
            json.loads(text, parse_int=float)).encode())


def resolve(text, pointer):
    """RFC 6901: the value, or the offset of what is wrong."""
    value = json.loads(text)
    if pointer and pointer[:1] != b"/":
        return None, 0
    for m in re.finditer(rb"~(?![01])", pointer):
        return None, m.start()
    for m in re.finditer(rb"/([^/]*)", pointer):
        token = m[1].replace(b"~1", b"/").replace(b"~0", b"~").decode()
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and \
                re.fullmatch("0|[1-9][0-9]*", token) and \
                int(token) < len(value):
            value = value[int(token)]
        else:
            return None, m.start(1)
    return value, None


def check_pointer(r):
    value, at = resolve(r["doc"], r["pointer"])
    if r["expect"] == "ok":
        need(at is None and json.loads(r["value"]) == value, "value")
        need(r["value"] in r["doc"], "not the text in doc")
    else:
        need(r["expect"] == "EF_E_FORMAT" and at == r["at"], "at %s" % at)


def make_pointer():
    """Every value of a document, by the pointer that names it."""
    def walk(value, pointer):
        yield pointer, value
        items = (value.items() if isinstance(value, dict) else
                 enumerate(value) if isinstance(value, list) else ())
        for k, v in items:
            token = str(k).replace("~", "~0").replace("/", "~1")
            yield from walk(v, pointer + "/" + token)
    rnd = random.Random("json pointer")
    for _ in range(6):
        value = {"a/b~c": [some_value(rnd, 3) for _ in range(3)]}
        text = json.dumps(value, ensure_ascii=False).encode()
        for pointer, v in list(walk(value, ""))[:10]:
            yield dict(source="Python, seeded", doc=text, expect="ok",
                       pointer=pointer.encode(),
                       value=json.dumps(v, ensure_ascii=False).encode())


if __name__ == "__main__":
    refresh("json_accept.txt", check_accept, make_accept)
    refresh("json_reject.txt", check_reject, make_reject)
    refresh("jcs.txt", check_jcs, make_jcs)
    refresh("json_pointer.txt", check_pointer, make_pointer)
