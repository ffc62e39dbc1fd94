"""p256, x25519, base64url, pem, jwk, jws, hpke and commitments (.txt).

Points and RFC 6979 are worked out here with Python's integers; signatures,
X25519, key files and AES-GCM are python3-cryptography's (OpenSSL's).
"""
import base64
import hashlib
import hmac
import json
import random

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gen_common import need, refresh

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
HERE = "Python integers, python3-cryptography"


def i2b(n):
    return n.to_bytes(32, "big")


def b2i(b):
    return int.from_bytes(b, "big")


# --- P-256 ---

def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        m = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        m = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (m * m - a[0] - b[0]) % P
    return x, (m * (a[0] - x) - a[1]) % P


def times(k, point):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point, k = add(point, point), k >> 1
    return total


def public(d):
    """04 || x || y, or None where d is no private key."""
    k = b2i(d)
    if not 0 < k < N:
        return None
    x, y = times(k, G)
    return b"\x04" + i2b(x) + i2b(y)


def on_curve(q):
    x, y = b2i(q[1:33]), b2i(q[33:])
    return (len(q) == 65 and q[0] == 4 and x < P and y < P and
            (y * y - x * x * x + 3 * x - B) % P == 0)


def sign(d, text):
    """RFC 6979 3.2 for SHA-256 and P-256."""
    h = hashlib.sha256(text).digest()
    seed = d + i2b(b2i(h) % N)
    k, v = b"\0" * 32, b"\1" * 32
    for mark in (b"\0", b"\1"):
        k = hmac.new(k, v + mark + seed, "sha256").digest()
        v = hmac.new(k, v, "sha256").digest()
    while True:
        v = hmac.new(k, v, "sha256").digest()
        n = b2i(v)
        if 0 < n < N:
            r = times(n, G)[0] % N
            s = pow(n, -1, N) * (b2i(h) + r * b2i(d)) % N
            if r and s:
                return i2b(r) + i2b(s)
        k = hmac.new(k, v + b"\0", "sha256").digest()
        v = hmac.new(k, v, "sha256").digest()


def verifies(q, text, signature):
    if not on_curve(q):
        return False
    r, s = b2i(signature[:32]), b2i(signature[32:])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), q)
    try:
        key.verify(utils.encode_dss_signature(r, s), text,
                   ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def check_p256(r):
    ok = r["expect"] == "ok"
    if r["op"] == "public":
        q = public(r["d"])
        need((q is not None) == ok and q == r.get("q"), "another public key")
    elif r["op"] == "check":
        need(on_curve(r["q"]) == ok, "on the curve?")
    elif r["op"] == "sign":
        need((public(r["d"]) is not None) == ok, "a private key?")
        if ok:
            need(sign(r["d"], r["text"]) == r["signature"], "signature")
            need(verifies(public(r["d"]), r["text"], r["signature"]), "verify")
    else:
        need(verifies(r["q"], r["text"], r["signature"]) == ok, "verify")


def make_p256():
    rnd = random.Random("p256")
    for i in range(8):
        d, text = i2b(rnd.randrange(1, N)), rnd.randbytes(i * 31)
        q, signature = public(d), sign(d, text)
        yield dict(source=HERE, op="public", expect="ok", d=d, q=q)
        yield dict(source=HERE, op="sign", expect="ok", d=d, text=text,
                   signature=signature)
        r, s = signature[:32], signature[32:]
        yield dict(source=HERE, op="verify", expect="ok", q=q, text=text,
                   signature=r + i2b(N - b2i(s)), why="the other s")
        yield dict(source=HERE, op="verify", expect="EF_E_AUTH", q=q,
                   text=text + b"x", signature=signature, why="another text")


# --- X25519 ---

def exchange(sk, pk):
    """The shared secret; zeros where OpenSSL refuses them."""
    key = x25519.X25519PrivateKey.from_private_bytes(sk)
    try:
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(pk))
    except ValueError:
        return bytes(32)


def x_public(sk):
    return exchange(sk, b"\x09" + bytes(31))


def check_x25519(r):
    shared = exchange(r["sk"], r["pk"])
    need((shared != bytes(32)) == (r["expect"] == "ok"), "small order?")
    if r["expect"] == "ok":
        need(shared == r["shared"], "another secret")


def make_x25519():
    rnd = random.Random("x25519")
    for _ in range(8):
        sk, pk = rnd.randbytes(32), rnd.randbytes(32)
        yield dict(source=HERE, expect="ok", sk=sk, pk=pk,
                   shared=exchange(sk, pk))


# --- base64url ---

def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unb64u(text):
    """The bytes, or None: only what encodes to the same text is right."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", True)
    except ValueError:
        return None
    return data if b64u(data) == text else None


def check_base64url(r):
    data = unb64u(r["text"])
    need((data is not None) == (r["expect"] == "ok"), "strict?")
    need(data == r.get("bytes"), "other bytes")


def make_base64url():
    rnd = random.Random("base64url")
    for n in list(range(1, 10)) + [31, 32, 33, 47, 48, 49, 64, 65, 100]:
        data = rnd.randbytes(n)
        yield dict(source="Python base64", expect="ok", text=b64u(data),
                   bytes=data)


# --- PEM ---

KINDS = ("p256-private", "p256-public", "x25519-private", "x25519-public")


def load(kind, secret, q):
    """The key as cryptography has it."""
    if kind == "p256-private":
        return ec.derive_private_key(b2i(secret), ec.SECP256R1())
    if kind == "p256-public":
        return ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), q)
    if kind == "x25519-private":
        return x25519.X25519PrivateKey.from_private_bytes(secret)
    return x25519.X25519PublicKey.from_public_bytes(q)


def pem_of(kind, secret, q):
    key = load(kind, secret, q)
    if kind.endswith("private"):
        return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8,
                                 ser.NoEncryption())
    return key.public_bytes(ser.Encoding.PEM,
                            ser.PublicFormat.SubjectPublicKeyInfo)


def public_of(kind, secret):
    return public(secret) if kind == "p256-private" else x_public(secret)


def check_pem(r):
    if r["expect"] != "ok":
        need("kind" not in r and "public" not in r, "a key of a refused file")
        return
    kind = r["kind"]
    need(kind in KINDS and kind.endswith("private") == ("secret" in r),
         "kind")
    if "secret" in r:
        need(public_of(kind, r["secret"]) == r["public"], "public key")
    want = pem_of(kind, r.get("secret"), r["public"])
    need(r.get("printed", r["text"]) == want, "OpenSSL prints it differently")
    if r.get("printed") is None:
        key = ser.load_pem_private_key(r["text"], None) if "secret" in r \
            else ser.load_pem_public_key(r["text"])
        need(type(key) is type(load(kind, r.get("secret"), r["public"])),
             "OpenSSL reads it as another key")


def make_pem():
    rnd = random.Random("pem")
    for i in range(12):
        kind = KINDS[i % 4]
        secret = i2b(rnd.randrange(1, N))
        q = public_of(kind.replace("public", "private"), secret)
        r = dict(source="OpenSSL, by python3-cryptography", expect="ok",
                 kind=kind, text=pem_of(kind, secret, q), public=q)
        if kind.endswith("private"):
            r["secret"] = secret
        yield r


# --- JWK ---

def jwk_of(q):
    if len(q) == 65:
        return {"crv": "P-256", "kty": "EC", "x": b64u(q[1:33]).decode(),
                "y": b64u(q[33:]).decode()}
    return {"crv": "X25519", "kty": "OKP", "x": b64u(q).decode()}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def kid_of(q):
    return hashlib.sha256(canonical(jwk_of(q))).digest()


def check_jwk(r):
    if r["expect"] != "ok":
        return
    got = json.loads(r["json"])
    need(all(got[k] == v for k, v in jwk_of(r["public"]).items()), "members")
    need(len(r["public"]) == 32 or on_curve(r["public"]), "no point")
    need(r["kid"] == kid_of(r["public"]), "thumbprint")
    need(r["printed"] == canonical(jwk_of(r["public"])), "canonical form")


def make_jwk():
    rnd = random.Random("jwk")
    for i in range(8):
        d = i2b(rnd.randrange(1, N))
        q = public(d) if i % 2 else x_public(d)
        members = list(jwk_of(q).items()) + [
            ("kid", "x"), ("use", "sig"), ("alg", "ES256"), ("key_ops", [])]
        rnd.shuffle(members)
        yield dict(source=HERE, expect="ok", json=json.dumps(
            dict(members), indent=i % 3 or None).encode(), public=q,
            kid=kid_of(q), printed=canonical(jwk_of(q)))


# --- JWS ---

def jws_of(d, typ, payload, header=None):
    q = public(d)
    if header is None:
        header = canonical({"alg": "ES256", "jwk": jwk_of(q),
                            "kid": b64u(kid_of(q)).decode(), "typ": typ})
    signed = b64u(header) + b"." + b64u(payload)
    return signed + b"." + b64u(sign(d, signed))


def check_jws(r):
    if r["expect"] not in ("ok", "EF_E_AUTH"):
        need("typ" not in r, "what of a refused text?")
        return
    parts = [unb64u(x) for x in r["text"].split(b".")]
    need(len(parts) == 3 and None not in parts, "parts")
    header, payload, signature = parts
    header = json.loads(header)
    need(set(header) == {"alg", "jwk", "kid", "typ"}, "header")
    need(header["jwk"] == jwk_of(r["q"]) and payload == r["payload"] and
         header["typ"] == r["typ"].decode() and len(signature) == 64, "members")
    signed = r["text"].rsplit(b".", 1)[0]
    good = header["kid"] == b64u(kid_of(r["q"])).decode() and \
        verifies(r["q"], signed, signature)
    need(good == (r["expect"] == "ok"), "verify")
    if "d" in r:
        need(jws_of(r["d"], r["typ"].decode(), payload) == r["text"],
             "signed anew")


def flip(text, i):
    """The text with its i-th bit changed, of what it decodes to."""
    parts = [bytearray(unb64u(x)) for x in text.split(b".")]
    for part in parts:
        if i < 8 * len(part):
            part[i // 8] ^= 1 << i % 8
            break
        i -= 8 * len(part)
    return b".".join(b64u(x) for x in parts)


def make_jws():
    rnd = random.Random("jws")
    for i in range(6):
        d, payload = i2b(rnd.randrange(1, N)), rnd.randbytes(i * 17)
        typ = "encflow-" + "abcdef"[i] * (i + 1) + "+jws"
        text = jws_of(d, typ, payload)
        good = dict(source=HERE, typ=typ.encode(), payload=payload,
                    q=public(d))
        yield dict(good, expect="ok", text=text, d=d)
        bad = dict(good, expect="EF_E_AUTH")
        first = len(unb64u(text.split(b".")[0])) * 8
        bits = first + len(payload) * 8
        for k in (bits + rnd.randrange(256), bits + 256 + rnd.randrange(256)):
            yield dict(bad, text=flip(text, k),
                       why="a bit of the signature changed")
        if payload:
            changed = flip(text, first + rnd.randrange(len(payload) * 8))
            yield dict(bad, text=changed, why="a bit of the payload changed",
                       payload=unb64u(changed.split(b".")[1]))


# --- HPKE (RFC 9180), base mode, 0x0020, 0x0001, 0x0002, first message ---

def extract(suite, salt, label, ikm):
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm,
                    "sha256").digest()


def expand(suite, prk, label, info, n):
    return hmac.new(prk, n.to_bytes(2, "big") + b"HPKE-v1" + suite + label +
                    info + b"\1", "sha256").digest()[:n]


def hpke_keys(dh, enc, pk, info):
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret",
                    enc + pk, 32)
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(
        suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    return (expand(suite, secret, b"key", context, 32),
            expand(suite, secret, b"base_nonce", context, 12))


def hpke_seal(ske, pk, info, aad, pt):
    enc = x_public(ske)
    key, nonce = hpke_keys(exchange(ske, pk), enc, pk, info)
    return enc, AESGCM(key).encrypt(nonce, pt, aad)


def hpke_open(sk, enc, info, aad, ct):
    dh = exchange(sk, enc)
    if dh == bytes(32):
        return None
    key, nonce = hpke_keys(dh, enc, x_public(sk), info)
    try:
        return AESGCM(key).decrypt(nonce, ct, aad)
    except Exception:  # of several classes
        return None


def check_hpke(r):
    pt = hpke_open(r["sk"], r["enc"], r["info"], r["aad"], r["ct"])
    need(pt == r.get("pt"), "another plaintext")
    need((pt is not None) == (r["expect"] == "ok"), "opens?")


def make_hpke():
    rnd = random.Random("hpke")
    for n in (0, 1, 15, 16, 17, 32, 64, 100, 333):
        sk, ske = rnd.randbytes(32), rnd.randbytes(32)
        info, aad, pt = (rnd.randbytes(k) for k in (n % 40, n % 23, n))
        enc, ct = hpke_seal(ske, x_public(sk), info, aad, pt)
        r = dict(source=HERE, expect="ok", sk=sk, enc=enc, info=info, aad=aad,
                 ct=ct, pt=pt)
        yield r
        name = ("sk", "enc", "info", "aad", "ct")[n % 5]
        if r[name]:
            bit = rnd.randrange(3, len(r[name]) * 8 - 3)
            changed = bytearray(r[name])
            changed[bit // 8] ^= 1 << bit % 8
            r = dict(r, expect="EF_E_AUTH", why="a bit of %s changed" % name)
            r[name] = bytes(changed)
            del r["pt"]
            yield r


# --- commitments ---

def commitment(key):
    return hashlib.sha256(b"encflow key commitment 1".ljust(32, b"\0") +
                          key).digest()


def check_commitment(r):
    need(commitment(r["key"]) == r["commitment"], "another hash")


def make_commitments():
    rnd = random.Random("commitments")
    for _ in range(4):
        key = rnd.randbytes(32)
        yield dict(source="Python hashlib", key=key,
                   commitment=commitment(key))


if __name__ == "__main__":
    refresh("p256.txt", check_p256, make_p256)
    refresh("x25519.txt", check_x25519, make_x25519)
    refresh("base64url.txt", check_base64url, make_base64url)
    refresh("pem.txt", check_pem, make_pem)
    refresh("jwk.txt", check_jwk, make_jwk)
    refresh("jws.txt", check_jws, make_jws)
    refresh("hpke.txt", check_hpke, make_hpke)
    refresh("commitments.txt", check_commitment, make_commitments)
