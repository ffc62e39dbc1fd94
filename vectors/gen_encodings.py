"""hex.txt, base64.txt, percent.txt, utf8.txt: against Python's binascii,
urllib and decoder."""
import base64
import binascii
import random
import urllib.parse

from gen_common import need, refresh

B64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def hex_at(text, size):
    """Where hex digits are wrong, or None."""
    if len(text) != 2 * size:
        return len(text)
    return next((i for i, c in enumerate(text)
                 if c not in b"0123456789abcdefABCDEF"), None)


def check_hex(r):
    at = hex_at(r["text"], r["size"])
    if r["expect"] == "ok":
        need(at is None and binascii.unhexlify(r["text"]) == r["bytes"],
             "does not decode to bytes")
    else:
        need(r["expect"] == "EF_E_FORMAT" and at == r["at"], "at %s" % at)


def make_hex():
    rnd = random.Random("hex")
    for n in (1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65):
        data = rnd.randbytes(n)
        text = "".join(rnd.choice((c, c.upper())) for c in data.hex())
        yield dict(source="Python binascii, cases of letters at random",
                   expect="ok", size=n, text=text.encode(), bytes=data)
    for _ in range(24):
        n = rnd.randrange(1, 40)
        text = bytearray(rnd.randbytes(n).hex().encode())
        bad = rnd.choice([c for c in range(256)
                          if c not in b"0123456789abcdefABCDEF"])
        at = rnd.randrange(len(text))
        text[at] = bad
        yield dict(source="Python, one digit replaced", size=n,
                   expect="EF_E_FORMAT", at=at, text=bytes(text))


def base64_at(text):
    """The first character that can't be right, the one with unused bits that
    are not zero, or the length; None where all is well."""
    pads = 0  # padding still wanted; -1: the end was reached
    for i, c in enumerate(text):
        if pads == -1 or (pads == 1 and c != 0x3D):
            return i
        if c == 0x3D and pads == 0:
            if i % 4 < 2:
                return i
            unused = 0x0F if i % 4 == 2 else 0x03
            if B64.index(text[i - 1]) & unused:
                return i - 1
            pads = 1 if i % 4 == 2 else -1
        elif c == 0x3D:
            pads = -1
        elif c not in B64:
            return i
    return len(text) if len(text) % 4 else None


def check_base64(r):
    at = base64_at(r["text"])
    try:
        data = base64.b64decode(r["text"], validate=True)
        need(base64.b64encode(data) == r["text"], "not the only encoding")
    except (binascii.Error, Exception) as e:
        need(r["expect"] != "ok", "denied by Python: %s" % e)
        need(r["expect"] == "EF_E_FORMAT" and at == r["at"], "at %s" % at)
    else:
        need(r["expect"] == "ok" and data == r["bytes"] and at is None,
             "Python decodes it to something else")


def make_base64():
    rnd = random.Random("base64")
    for n in range(1, 34):
        data = rnd.randbytes(n)
        yield dict(source="Python base64", expect="ok",
                   text=base64.b64encode(data), bytes=data)
    for _ in range(40):
        data = rnd.randbytes(rnd.randrange(1, 40))
        text = bytearray(base64.b64encode(data))
        at = rnd.randrange(len(text))
        text[at] = rnd.choice([c for c in range(256)
                               if c not in B64 and c != 0x3D])
        yield dict(source="Python base64, one character replaced",
                   expect="EF_E_FORMAT", at=base64_at(text),
                   text=bytes(text))


def check_percent(r):
    text = r["text"]
    if r["expect"] == "ok":
        need(urllib.parse.unquote_to_bytes(text) == r["bytes"], "unquote")
        need(r["op"] in ("all", "path", "decode"), "op")
        if r["op"] != "decode":
            safe = "/~" if r["op"] == "path" else "~"
            need(urllib.parse.quote(r["bytes"], safe=safe).encode() == text,
                 "quote")
        return
    digits, i = b"0123456789abcdefABCDEF", 0
    while i < len(text):
        if text[i] == 0x25:
            two = text[i + 1:i + 3]
            if len(two) < 2 or any(c not in digits for c in two) or \
                    two == b"00":
                break
            i += 2
        i += 1
    need(i < len(text) and i == r["at"], "at %d" % i)


def make_percent():
    rnd = random.Random("percent")
    for i in range(20):
        data = bytes(rnd.choice(range(1, 256))
                     for _ in range(rnd.randrange(1, 40)))
        op = ("all", "path")[i % 2]
        yield dict(
            source="Python urllib.parse.quote", op=op, expect="ok",
            text=urllib.parse.quote(
                data, safe="/~" if op == "path" else "~").encode(),
            bytes=data)


def utf8_at(text):
    """The first byte of the first character that is ill-formed, or None."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as e:
        return e.start
    return None


def check_utf8(r):
    at = utf8_at(r["text"])
    need((at is None) == (r["expect"] == "ok") and at == r.get("at"),
         "at %s" % at)


def make_utf8():
    rnd = random.Random("utf8")
    edges = (0x00, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000,
             0x10FFFF, 0x20AC, 0x1F602)
    for i in range(60):
        text = bytearray("".join(chr(rnd.choice(edges)) for _ in range(
            rnd.randrange(1, 9))).encode())
        if i % 3:
            text[rnd.randrange(len(text))] = rnd.randrange(256)
        at = utf8_at(text)
        yield dict(source="Python's decoder", text=bytes(text), at=at,
                   expect="ok" if at is None else "EF_E_FORMAT")


if __name__ == "__main__":
    refresh("hex.txt", check_hex, make_hex)
    refresh("base64.txt", check_base64, make_base64)
    refresh("percent.txt", check_percent, make_percent)
    refresh("utf8.txt", check_utf8, make_utf8)
