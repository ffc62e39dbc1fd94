"""aes256gcm.txt and container.txt: against Python's cryptography (OpenSSL)."""
import random
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gen_common import need, refresh

MADE = "Python cryptography"


def check_gcm(r):
    need(len(r["key"]) == 32 and len(r["iv"]) == 12 and len(r["tag"]) == 16,
         "sizes")
    try:
        pt = AESGCM(r["key"]).decrypt(r["iv"], r["ct"] + r["tag"], r["aad"])
    except InvalidTag:
        need(r["expect"] == "EF_E_AUTH", "tag is wrong")
    else:
        need(r["expect"] == "ok" and pt == r["pt"], "plaintext differs")


def make_gcm():
    """Lengths around every boundary of the kernels (blocks of 16, groups of
    4 and 8 blocks), then some at random; some with one thing changed."""
    rnd = random.Random("aes256gcm")
    sizes = [(0, n) for n in (1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64,
                              65, 79, 80, 81, 111, 112, 113, 127, 128, 129,
                              143, 144, 145, 255, 256, 257, 511, 512, 513)]
    sizes += [(n, 0) for n in (1, 15, 16, 17, 63, 64, 65, 128, 129)]
    sizes += [(n, 33) for n in (1, 15, 16, 17, 63, 64, 65, 127)]
    sizes += [(rnd.randrange(40), rnd.randrange(600)) for _ in range(15)]
    sizes += [(0, 4096), (13, 1500), (0, 1025)]
    for aad_n, n in sizes:
        key, iv = rnd.randbytes(32), rnd.randbytes(12)
        aad, pt = rnd.randbytes(aad_n), rnd.randbytes(n)
        out = AESGCM(key).encrypt(iv, pt, aad)
        yield dict(source=MADE, expect="ok", key=key, iv=iv, aad=aad, pt=pt,
                   ct=out[:-16], tag=out[-16:])
    for iv in (b"\0" * 8 + b"\xff" * 4, b"\xff" * 12):
        out = AESGCM(b"\xff" * 32).encrypt(iv, b"\xff" * 80, b"\xff" * 16)
        yield dict(source=MADE, expect="ok", key=b"\xff" * 32, iv=iv,
                   aad=b"\xff" * 16, pt=b"\xff" * 80, ct=out[:-16],
                   tag=out[-16:])
    for what in ("key", "iv", "aad", "ct", "tag") * 3:
        m = dict(key=rnd.randbytes(32), iv=rnd.randbytes(12),
                 aad=rnd.randbytes(20), pt=rnd.randbytes(60))
        out = AESGCM(m["key"]).encrypt(m["iv"], m.pop("pt"), m["aad"])
        m.update(ct=out[:-16], tag=out[-16:])
        bit = rnd.randrange(len(m[what]) * 8)
        changed = bytearray(m[what])
        changed[bit // 8] ^= 1 << bit % 8
        m[what] = bytes(changed)
        yield dict(m, source=MADE, expect="EF_E_AUTH",
                   why="bit %d of %s is flipped" % (bit, what))


def key_at(text):
    """Where the digits of a key file's text end, if it is wrong, or None."""
    if re.fullmatch(rb"[0-9A-Fa-f]{64}[ \t\r\n\v\f]*", text):
        return None
    return len(re.match(rb"[0-9A-Fa-f]*", text)[0])


def check_container(r):
    at = key_at(r["key_text"])
    if "file" not in r:
        need(r["expect"] == "EF_E_FORMAT" and at == r["at"], "at %s" % at)
        return
    need(at is None and "at" not in r, "key is wrong at %s" % at)
    key, data = bytes.fromhex(r["key_text"].decode().rstrip()), r["file"]
    if len(data) < 28:
        need(r["expect"] == "EF_E_FORMAT", "too short")
        return
    try:
        pt = AESGCM(key).decrypt(data[:12], data[12:], None)
    except InvalidTag:
        need(r["expect"] == "EF_E_AUTH", "tag is wrong")
    else:
        need(r["expect"] == "ok" and pt == r["pt"], "plaintext differs")


def make_container():
    rnd = random.Random("container")
    for n in (0, 1, 2, 11, 12, 13, 15, 16, 17, 27, 28, 29, 31, 32, 33, 48, 63,
              64, 65, 100, 127, 128, 129, 255, 256, 257):
        key, nonce, pt = rnd.randbytes(32), rnd.randbytes(12), rnd.randbytes(n)
        yield dict(source=MADE, expect="ok", key_text=key.hex().encode(),
                   file=nonce + AESGCM(key).encrypt(nonce, pt, None), pt=pt)
    for _ in range(16):
        key = bytearray(rnd.randbytes(32).hex().encode() + b"\n")
        at = rnd.randrange(64)
        key[at] = rnd.choice([c for c in range(256)
                              if not chr(c) in "0123456789abcdefABCDEF"])
        yield dict(source="Python, one digit replaced", key_text=bytes(key),
                   expect="EF_E_FORMAT", at=at)


if __name__ == "__main__":
    refresh("aes256gcm.txt", check_gcm, make_gcm)
    refresh("container.txt", check_container, make_container)
