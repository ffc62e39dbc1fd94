"""cms.txt, kms_arns.txt, queries.txt, sigv4_json.txt.

CMS is built here byte by byte, as KMS sends it and in many wrong ways; what
is accepted is decrypted by OpenSSL (`openssl cms`). Signatures are botocore's.
Queries are sealed by cryptography's AESGCM.
"""
import datetime
import hashlib
import hmac
import os
import random
import re
import subprocess
import tempfile

for name in list(os.environ):
    if name.startswith("AWS_"):
        del os.environ[name]
os.environ["BOTO_DISABLE_CRT"] = "true"

import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402
from cryptography.hazmat.primitives.ciphers import (  # noqa: E402
    Cipher, algorithms, modes)

from cryptography.exceptions import InvalidTag  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402

from gen_common import Bad, need, refresh  # noqa: E402

HERE = "gen_kms.py"
# An RSA-2048 key made for these vectors alone.
RSA_P = int(
    "e2ea45090b75c8d3a3ab877d4c94b515fa9ea2df3e62b387f33528be15383dd0"
    "d94cffe085ce907b9fd2edde9a87407afdf67ebedc8d2b08320eb16e368be567"
    "0a5ac7a112284384617e63bedd6e02319c719e6f3e218dad2b11a4fc6d38a40e"
    "b65d2c6515f05235fba30c0d6f10e09580a5f1536af5ec64f957a077a59be237", 16)
RSA_Q = int(
    "b6b388baed7b3a7af312f7fcc367546fd45ef1a3b653314c0912548bd99d06aa"
    "9a967cb2a3c7cd68a36d9a5291a215e9d8fcf22e689c2938fee4e11fdfe782db"
    "7f7b63e58b5d4198897b4c2b239c10376ab4b6581f58222dba96112588f32dfa"
    "172dd54526400789ab73af5984fecd930a56a3615277a10bb94aad3452d99ca3", 16)
# Another one, that everybody has: testRSA2048 of RFC 9500, 2.1.
KNOWN_P = int(
    "dd105702382f232b3681f53791e22617c7bf4e9acb81ed48daf6d6995da3eab6"
    "42839aff012d2ea628b90af279fd3e6f7c93cd80f072f01ff2443b3ee8f24ed4"
    "69a79613a41bd24020f92fd11059bd1d0f301b5ba7a9d3637ca8d65c1a981541"
    "7d8eab734b0b4f3a2c661d9a1a82f3ac734c40530669ab8e473045a58e65539d", 16)
KNOWN_Q = int(
    "ccf1e5bb90c8e9781ea75bebf10bc252e11eb023a0260f1887552a56863f4a64"
    "21e8c600bf523d6cb1b0adbdd65bfee4a88a037e3d1a415e5bb95648da5a0ca2"
    "6b54f4a63948522c3d5f89b94a72efff95134d5940ce45758f30898090895658"
    "8eef575b3e4bc4c368cfe813ee9c252c2b02e0df91f1aa01938d38685d60ba6f", 16)


def number(x, n):
    return x.to_bytes(n, "big")


def rsa_key(p, q):
    n, d = p * q, pow(65537, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
        rsa.RSAPublicNumbers(65537, n)).private_key()


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def struct(key):
    """As ef_rsa_key has it."""
    k = key.private_numbers()
    return number(k.public_numbers.n, 256) + b"".join(number(x, 128) for x in (
        k.p, k.q, k.dmp1, k.dmq1, k.iqmp))


KEY, KNOWN = rsa_key(RSA_P, RSA_Q), rsa_key(KNOWN_P, KNOWN_Q)
N = RSA_P * RSA_Q

rnd = random.Random("cms")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def mgf(seed, n, h):
    return b"".join(h(seed + number(i, 4)).digest()
                    for i in range(n // 20 + 1))[:n]


def oaep(text, label=b"", flip=None, n=N):
    """RSAES-OAEP (RFC 8017 7.1.1); flip: a bit of that byte is changed, of the
    256 that are masked and encrypted."""
    h = hashlib.sha256
    em = bytearray(b"\0" + rnd.randbytes(32) + h(label).digest() +
                   bytes(190 - len(text)) + b"\1" + text)
    if flip is not None:
        em[flip] ^= 1
    em[33:] = xor(em[33:], mgf(em[1:33], 223, h))
    em[1:33] = xor(em[1:33], mgf(em[33:], 32, h))
    return number(pow(int.from_bytes(em, "big"), 65537, n), 256)


def past_modulus(key):
    """The same, and N more, which as a remainder is the same."""
    while True:
        n = int.from_bytes(oaep(key), "big") + N
        if n < 1 << 2048:
            return number(n, 256)


def cbc(key, iv, padded):
    e = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return e.update(padded) + e.finalize()


def pad(text):
    n = 16 - len(text) % 16
    return text + bytes([n]) * n


def der(tag, body):
    n = len(body)
    head = bytes([n]) if n < 128 else (
        bytes([0x81, n]) if n < 256 else bytes([0x82]) + number(n, 2))
    return bytes([tag]) + head + body


def oid(hexes):
    return der(6, bytes.fromhex(hexes))


SHA256 = der(0x30, oid("608648016503040201") + b"\x05\x00")
OAEP = der(0x30, oid("2a864886f70d010107") + der(
    0x30, der(0xa0, SHA256) + der(0xa1, der(
        0x30, oid("2a864886f70d010108") + SHA256))))
ENVELOPED, DATA = oid("2a864886f70d010703"), oid("2a864886f70d010701")
END = b"\0\0"


class Cms:
    """The parts of one, in order; with indefinite lengths it is flat."""

    def __init__(self, text=None, key=None, wrapped=None, padded=None):
        key = key or rnd.randbytes(32)
        iv = rnd.randbytes(16)
        self.text = text
        self.ver = der(2, b"\2")
        self.rver = der(2, b"\2")
        self.ski = der(0x80, hashlib.sha256(spki(KEY)).digest())
        self.oaep = OAEP
        self.ek = der(4, wrapped or oaep(key))
        self.more = b""  # behind the first recipient
        self.oid, self.data = ENVELOPED, DATA
        self.aes = bytes.fromhex("301d060960864801650304012a0410")
        self.iv = iv
        self.ct = cbc(key, iv, pad(text) if padded is None else padded)
        self.pieces = None  # None: [0] itself; else their sizes
        self.after = b""  # behind the encrypted text
        self.tags = dict(info=0x30, ex=0xa0, env=0x30, set=0x31, one=0x30,
                         content=0x30)
        self.open = {"info", "ex", "env", "content", "text"}
        self.tail = b""

    def wrap(self, name, body):
        if name in self.open:
            return bytes([self.tags[name], 0x80]) + body + END
        return der(self.tags[name], body)

    def body(self):
        if self.pieces is None:
            return der(0x80, self.ct)
        out, at = b"", 0
        for n in self.pieces:
            out += der(4, self.ct[at:at + n])
            at += n
        out += der(4, self.ct[at:]) if at < len(self.ct) else b""
        return b"\xa0\x80" + out + END if "text" in self.open else der(
            0xa0, out)

    def recipients(self):
        return self.wrap("set", self.wrap(
            "one", self.rver + self.ski + self.oaep + self.ek) + self.more)

    def bytes(self):
        content = self.wrap("content", self.data + self.aes + self.iv +
                            self.body() + self.after)
        return self.wrap("info", self.oid + self.wrap("ex", self.wrap(
            "env", self.ver + self.recipients() + content))) + self.tail

    def at(self, name):
        """Where a part begins, of the form with open lengths outside."""
        rec = self.recipients()
        head = 4 + 4 if "set" not in self.open else 2 + 4
        if "one" in self.open:
            head -= 2
        places, at = {}, 0
        for part, size in (
                ("info", 2), ("oid", len(self.oid)), ("ex", 2), ("env", 2),
                ("ver", len(self.ver)), ("set", head // 2),
                ("one", head - head // 2), ("rver", len(self.rver)),
                ("ski", len(self.ski)), ("oaep", len(self.oaep)),
                ("ek", len(self.ek)), ("more", None), ("content", 2),
                ("data", len(self.data)), ("aes", len(self.aes)),
                ("iv", len(self.iv)), ("text", len(self.body())),
                ("after", len(self.after))):
            places[part] = at
            at = places["set"] + len(rec) if part == "more" else at + size
        return places[name]


BAD = "not a CMS EnvelopedData as KMS sends it"


def ok(c, why=None, **more):
    return dict(source=HERE, why=why, expect="ok", cms=c.bytes(), text=c.text,
                **more)


def bad(c, at, why, status="EF_E_FORMAT", msg=BAD):
    if isinstance(at, str):
        at = c.at(at)
    return dict(source=HERE, why=why, expect=status, at=at, msg=msg.encode(),
                cms=c if isinstance(c, bytes) else c.bytes())


def make_good():
    for i, n in enumerate((32, 0, 1, 15, 16, 17, 31, 300, 4096)):
        c = Cms(rnd.randbytes(n))
        yield ok(c, "a text of %d bytes" % n,
                 **({"key": struct(KEY)} if i == 0 else {}))
    for sizes in ([48], [16, 32], [1, 1, 1], [0, 47], [0, 0, 48, 0]):
        c = Cms(rnd.randbytes(32))
        c.pieces = sizes
        yield ok(c, "in pieces: %s" % sizes)
    for closed in ({"info"}, {"ex"}, {"env"}, {"content"}, {"text"},
                   {"info", "ex", "env", "content", "text"}):
        c = Cms(rnd.randbytes(32))
        c.pieces = [16]
        c.open = c.open - closed
        yield ok(c, "lengths told before: " + " ".join(sorted(closed)))
    c = Cms(rnd.randbytes(32))
    c.open |= {"set", "one"}
    yield ok(c, "recipients with indefinite lengths")


def changed(**parts):
    c = Cms(bytes(32))
    for name, value in parts.items():
        setattr(c, name, value)
    return c


def make_form():
    for name, value, why in (
            ("oid", DATA, "data, not enveloped data"),
            ("ver", der(2, b"\0"), "version 0"),
            ("ver", der(2, b"\3"), "version 3"),
            ("ver", der(2, b"\0\2"), "a version of two bytes"),
            ("rver", der(2, b"\0"), "a recipient of version 0"),
            ("ski", der(0x80, bytes(31)), "an identifier of 31 bytes"),
            ("ski", der(0x30, bytes(32)), "an issuer and serial number"),
            ("oaep", oid("2a864886f70d010101"), "PKCS#1 v1.5"),
            ("oaep", OAEP.replace(b"\4\2\1", b"\4\2\2"), "SHA-384"),
            ("oaep", OAEP.replace(b"\x0d\1\1\x08", b"\x0d\1\1\x09"),
             "no MGF1"),
            ("ek", der(4, bytes(255)), "an encrypted key of 255 bytes"),
            ("ek", der(4, bytes(257)), "an encrypted key of 257 bytes"),
            ("data", oid("2a864886f70d010702"), "signed data inside"),
            ("aes", bytes.fromhex("301d06096086480165030401020410"),
             "AES-128"),
            ("aes", bytes.fromhex("301d060960864801650304012e0410"), "GCM"),
            ("aes", bytes.fromhex("301c060960864801650304012a040f"),
             "an initialization vector of 15 bytes")):
        yield bad(changed(**{name: value}), name, why)
    for name in ("info", "ex", "env", "set", "one", "content"):
        c = Cms(bytes(32))
        c.tags[name] ^= 1
        yield bad(c, name, "another tag: " + name)
    c = Cms(bytes(32))
    c.more = der(0x30, c.rver + c.ski + c.oaep + c.ek)
    yield bad(c, c.at("set") + 4 + len(c.more), "two recipients")
    c = Cms(bytes(32))
    c.after = der(0xa1, b"")
    yield bad(c, "after", "attributes behind the text")
    c = Cms(bytes(32))
    c.pieces = [16]
    c.ct = c.ct + b""
    whole = c.bytes()
    at = c.at("text")
    yield bad(whole[:at + 2] + b"\x24" + whole[at + 3:], at + 2,
              "a piece that is itself made of pieces")
    c = Cms(bytes(32))
    yield bad(c.bytes()[:-2], len(c.bytes()) - 2, "the last end is missing")
    yield bad(b"", 0, "nothing")
    yield bad(b"\x30", 0, "one byte")
    yield bad(b"\x30\x80", 2, "two bytes")
    c = Cms(bytes(32))
    for part in ("oid", "ver", "ski", "ek", "iv", "text"):
        # the set tells its length, and it is missing
        at = c.at("set" if part in ("ski", "ek") else part)
        yield bad(c.bytes()[:c.at(part) + 1], at, "cut short: " + part)
    whole, at = c.bytes(), c.at("text")
    yield bad(whole[:at + 1] + b"\x81" + whole[at + 1:], at,
              "a length that is not the shortest")
    at = c.at("set")
    yield bad(whole[:at + 2] + b"\xff\xff" + whole[at + 4:], at,
              "a length past the end")


def make_rest():
    c = Cms(bytes(32))
    c.tail = b"\0"
    yield bad(c, len(c.bytes()) - 1, "a byte behind it",
              msg="bytes after the CMS")
    for n in (0, 1, 15, 17, 47):
        c = Cms(bytes(32))
        c.ct = c.ct[:n]
        yield bad(c, "text", "%d bytes encrypted" % n,
                  msg="an encrypted text that is not whole blocks of AES")
    c = Cms(bytes(32))
    c.ski = c.ski[:-1] + bytes([c.ski[-1] ^ 1])
    yield bad(c, c.at("ski") + 2, "another recipient", "EF_E_AUTH",
              "encrypted to another key than ours")
    yield bad(bytes(6145), 6144, "too large", "EF_E_LIMIT",
              "CMS larger than EF_MAX_CMS_BYTES (6144)")
    c = Cms(rnd.randbytes(33))
    r = bad(c, None, "more than there is room for", "EF_E_LIMIT",
            "a decrypted text of no possible length")
    yield dict(r, cap=32)
    c = Cms(rnd.randbytes(32))
    yield ok(c, "exactly as much as there is room for", cap=32)


def make_secret():
    """What only the decryption can tell: one message for all."""
    key = rnd.randbytes(32)
    # the text is encrypted with what stands where the key is looked for: only
    # what is around it is wrong
    cases = [("a key of 31 bytes", b"\1" + key[1:], oaep(key[1:])),
             ("a key of 33 bytes", key, oaep(b"\1" + key)),
             ("no key", bytes(31) + b"\1", oaep(b"")),
             ("another label", key, oaep(key, b"x")),
             ("a number past the modulus", key, past_modulus(key))]
    for at, what in ((0, "first byte"), (33, "label"), (64, "label's end"),
                     (65, "zeros"), (222, "zeros' end"), (223, "one")):
        cases.append(("OAEP's " + what, key, oaep(key, flip=at)))
    cases = [(why, Cms(bytes(32), k, wrapped)) for why, k, wrapped in cases]
    for why, wrapped in (("a number of which nothing is right",
                          number(N - 1, 256)), ("the number 0", bytes(256)),
                         ("the largest number", b"\xff" * 256),
                         ("the modulus", number(N, 256))):
        cases.append((why, Cms(bytes(32), wrapped=wrapped)))
    for why, tail in (("padding 0", b"\0"), ("padding 17", b"\x11" * 16),
                      ("padding 255", b"\xff" * 16), ("padding 3 2",
                                                      b"\3\2"),
                      ("padding 16 of which one is wrong",
                       b"\x0f" + b"\x10" * 15),
                      ("padding 2 1", b"\2\1\2")):
        cases.append((why, Cms(padded=bytes(48 - len(tail)) + tail)))
    for why, c in cases:
        yield dict(bad(c, None, why, "EF_E_AUTH",
                       "the CMS does not decrypt with our key"))
    # good padding all the same: 16 blanks of it, and one
    for tail in (b"\x10" * 16, b"\1"):
        c = Cms(padded=bytes(48 - len(tail)) + tail)
        c.text = bytes(48 - len(tail))
        yield ok(c, "padding %d" % tail[0])


def make_known():
    """`encflow selftest` has this one. SP 800-38A's text ends with its fourth
    block; a fifth has the padding."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d7781"
                        "1f352c073b6108d72d9810a30914dff4")
    c = Cms(bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"
                          "ae2d8a571e03ac9c9eb76fac45af8e51"
                          "30c81c46a35ce411e5fbc1191a0a52ef"
                          "f69f2445df4f9b17ad2b417be66c3710"),
            wrapped=oaep(key, n=KNOWN_P * KNOWN_Q))
    c.ski = der(0x80, hashlib.sha256(spki(KNOWN)).digest())
    c.iv = bytes(range(16))
    c.ct = cbc(key, c.iv, pad(c.text))
    need(c.ct.startswith(bytes.fromhex("f58c4c04d6e5f1ba779eabfb5f7bfbd6"
                                       "9cfc4e967edb808d679f777bc6702c7d"
                                       "39f23369a9d9bacfa530e26304231461"
                                       "b2eb05e2c39be9fcda6c19078c6a9d1b")),
         "SP 800-38A's ciphertext")
    yield ok(c, "RFC 9500's testRSA2048, SP 800-38A's F.2.6", key=struct(KNOWN))


def make_cms():
    for make in (make_good, make_form, make_rest, make_secret, make_known):
        yield from make()


def check_cms(r):
    """What is accepted OpenSSL decrypts, to the same text."""
    if r["expect"] != "ok":
        return
    key = KNOWN if r.get("key") == struct(KNOWN) else KEY
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/key", "wb") as f:
            f.write(key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()))
        p = subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey",
             d + "/key", "-binary"], input=r["cms"], capture_output=True,
            check=False)
    need(p.returncode == 0 and p.stdout == r["text"], "OpenSSL's text")


# --- ARNs ---

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
NO_ARN = b"not the ARN of a KMS key"
ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov|aws-iso|aws-iso-b):kms:"
                 r"([A-Za-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,128}")
SUFFIX = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn",
          "aws-us-gov": "amazonaws.com", "aws-iso": "c2s.ic.gov",
          "aws-iso-b": "sc2s.sgov.gov"}


def make_arns():
    good = "arn:aws:kms:eu-central-1:111122223333:key/" + KEY_ID
    texts = [good, good.replace(KEY_ID, "mrk-" + "0" * 32),
             good.replace("aws:", "aws-cn:").replace("eu-central", "cn-north"),
             good.replace("aws:", "aws-us-gov:"),
             good.replace("aws:", "aws-iso:"),
             good.replace("aws:", "aws-iso-b:"),
             good.replace(KEY_ID, "a" * 128), good.replace(KEY_ID, "a" * 129),
             good.replace(KEY_ID, ""), good.replace("aws:", "aws-x:"),
             good.replace("eu-central-1", ""), good.replace("eu-", "eu_"),
             good.replace("eu-central-1", "a" * 32),
             good.replace("eu-central-1", "a" * 33),
             good.replace("kms", "s3"), good.replace("arn", "ARN"),
             good.replace("3333:", "333:"), good.replace("3333:", "333x:"),
             good.replace("key/", "key:"), good + "/x", good + ":x",
             good + "\n", " " + good, good.replace("key/" + KEY_ID, "alias/a"),
             "", "arn", ":::::", "arn:aws:kms:r:111122223333:", KEY_ID,
             "alias/a", good + "\"", good.replace("eu-", "eu.x/")]
    for t in texts:
        m = ARN.fullmatch(t)
        r = dict(source=HERE, text=t.encode())
        if m:
            r.update(expect="ok", region=m[2].encode(),
                     suffix=SUFFIX[m[1]].encode())
        elif t.count(":") >= 5 and t.split(":", 5)[5].startswith("alias/"):
            r.update(expect="EF_E_FORMAT", msg=b"a KMS alias, which can be "
                     b"pointed to another key",
                     hint=b"give the key's own ARN: aws kms describe-key "
                     b"prints it")
        else:
            r.update(expect="EF_E_FORMAT", msg=NO_ARN, hint=b"its form is "
                     b"arn:aws:kms:REGION:ACCOUNT:key/ID")
        yield r


def check_arns(r):
    need(bool(ARN.fullmatch(r["text"].decode())) == (r["expect"] == "ok"),
         "is it one?")


# --- queries ---

def query_cipher(key):
    return AESGCM(hmac.new(key, b"encflow kms query 1",
                           hashlib.sha256).digest())


def query_aad(part, dataset):
    return part + b":" + dataset.hex().encode()


def make_queries():
    rand = random.Random("queries")
    failed = dict(source=HERE, expect="EF_E_AUTH",
                  msg=b"authentication failed")

    def one(n, part=b"download"):
        text = bytes(rand.choices(b"abcXYZ019-._~&=%", k=n))
        key, dataset = rand.randbytes(32), rand.randbytes(32)
        nonce = rand.randbytes(12)
        return dict(source="cryptography", expect="ok", part=part,
                    dataset=dataset, key=key, text=text,
                    sealed=nonce + query_cipher(key).encrypt(
                        nonce, text, query_aad(part, dataset)))

    for n in (0, 1, 15, 16, 17, 300, 8180, 8192):
        yield one(n, (b"download", b"upload")[n % 2])
    yield dict(one(40), cap=40, why="just the room there is")
    yield dict(one(41), cap=40, why="longer than there is room for", source=HERE,
               expect="EF_E_LIMIT", text=None,
               msg=b"a sealed text of no possible length")
    good = one(20)
    del good["text"]
    for why, name, value in (
            ("the other part", "part", b"upload"),
            ("a part that is a beginning of it", "part", b"down"),
            ("another dataset's", "dataset", bytes(32)),
            ("another key", "key", bytes(32)),
            ("nothing", "sealed", b""),
            ("27 bytes", "sealed", good["sealed"][:27]),
            ("28 bytes", "sealed", good["sealed"][:28]),
            ("without the last byte", "sealed", good["sealed"][:-1]),
            ("with a byte behind it", "sealed", good["sealed"] + b"\0")):
        yield {**good, **failed, "why": why, name: value}
    for at in (0, 11, 12, 31, 32, 47):
        sealed = bytearray(good["sealed"])
        sealed[at] ^= 0x80
        yield {**good, **failed, "why": "a bit of byte %d" % at,
               "sealed": bytes(sealed)}
    nonce = bytes(12)
    for why, under in (("under the dataset's key itself", good["key"]),
                       ("under another name's key",
                        hmac.new(good["key"], b"encflow kms query 2",
                                 hashlib.sha256).digest())):
        yield {**good, **failed, "why": why,
               "sealed": nonce + AESGCM(under).encrypt(
                   nonce, b"q=1", query_aad(b"download", good["dataset"]))}


def check_queries(r):
    sealed = r["sealed"]
    try:
        need(len(sealed) >= 28, "too short")
        text = query_cipher(r["key"]).decrypt(
            sealed[:12], sealed[12:], query_aad(r["part"], r["dataset"]))
    except (InvalidTag, Bad):
        need(r["expect"] == "EF_E_AUTH", "does not decrypt")
    else:
        if len(text) > r.get("cap", 8192):
            need(r["expect"] == "EF_E_LIMIT", "too long")
        else:
            need(r["expect"] == "ok" and text == r["text"], "the text")


# --- signed requests ---

def sign(r):
    """botocore's canonical request, string to sign, Authorization."""
    headers = {"Content-Type": "application/x-amz-json-1.1",
               "Host": r["host"].decode(), "X-Amz-Target": r["target"].decode(),
               "X-Amz-Content-SHA256":
                   hashlib.sha256(r["payload"]).hexdigest()}
    date = datetime.datetime.utcfromtimestamp(r["now"])
    headers["X-Amz-Date"] = date.strftime("%Y%m%dT%H%M%SZ")
    if r.get("token"):
        headers["X-Amz-Security-Token"] = r["token"].decode()
    request = botocore.awsrequest.AWSRequest(
        "POST", "https://%s/" % r["host"].decode(), headers=headers,
        data=r["payload"])
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(r["access"].decode(),
                                         r["secret"].decode()),
        "kms", r["region"].decode())
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    return canonical, to_sign, auth.signature(to_sign, request)


def make_json():
    rand = random.Random("json")
    for i in range(12):
        region = ("eu-central-1", "us-east-1", "cn-north-1")[i % 3]
        r = dict(source="botocore", expect="ok", access=b"AKIDEXAMPLE",
                 secret=b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                 region=region.encode(),
                 host=("127.0.0.1:%d" % (1024 + i) if i % 4 == 3 else
                       "kms.%s.amazonaws.com" % region).encode(),
                 target=(b"TrentService.Encrypt", b"TrentService.Decrypt")[i % 2],
                 now=rand.randrange(4 * 10**9),
                 payload=b"" if i == 0 else
                 b'{"Plaintext":"%d"}' % rand.getrandbits(200))
        if i % 3 == 1:
            r["token"] = b"FwoGZXIvYXdzEB/token+%d==" % i
        r["canonical"], r["to_sign"], r["signature"] = (
            x.encode() for x in sign(r))
        yield r
    for name, value in (("access", b"A B"), ("access", b""),
                        ("token", b"a\nb"), ("token", b"\xc3\xa9")):
        r = dict(source=HERE, expect="EF_E_FORMAT",
                 msg=b"an access key id or a session token with a blank, or a "
                 b"character that no header may have", access=b"AKID",
                 secret=b"s", region=b"r", host=b"h", target=b"t", now=1,
                 payload=b"")
        r[name] = value
        yield r


def check_json(r):
    if r["expect"] == "ok":
        need(tuple(x.encode() for x in sign(r)) == (
            r["canonical"], r["to_sign"], r["signature"]), "botocore's")


if __name__ == "__main__":
    refresh("cms.txt", check_cms, make_cms)
    refresh("kms_arns.txt", check_arns, make_arns)
    refresh("queries.txt", check_queries, make_queries)
    refresh("sigv4_json.txt", check_json, make_json)
