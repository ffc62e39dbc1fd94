#!/usr/bin/python3
"""Attestation documents of a test root, without any tool of AWS's.

    nitro.py make-root DIR
        DIR/root.pem, for --root: the root that all documents here begin with
    nitro.py document [--out FILE] [--time SECONDS] [--pcr N=HEX]...
        [--nonce HEX] [--user-data HEX] [--public-key HEX] [--module-id ID]
        [--indefinite] [--tag] [--fault NAME]
        a document, as an enclave's NSM makes it; to standard output

Without --pcr, PCR0, PCR1 and PCR2 are of three texts (DEFAULT_PCRS), and PCR4
is the instance's; --pcr adds to those or replaces them. Faults: see FAULTS.

All is deterministic: keys are hashes of their names, signatures are RFC 6979's.
P-384, DER and CBOR are written here in plain Python, from their standards, so
that nothing of encflow judges itself. vectors/gen_attestation.py and the tests
take from here what they make documents of.
"""
import argparse
import base64
import calendar
import hashlib
import hmac
import os
import sys
import time

sys.dont_write_bytecode = True

# --- P-384 (FIPS 186-4 D.1.2.4), ECDSA with RFC 6979 ------------------------

P = 2**384 - 2**128 - 2**96 + 2**32 - 1
B = int("b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656"
        "398d8a2ed19d2a85c8edd3ec2aef", 16)
N = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a"
        "0db248b0a77aecec196accc52973", 16)
G = (int("aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502"
         "f25dbf55296c3a545e3872760ab7", 16),
     int("3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60"
         "b1ce1d7e819d7a431d7c90ea0e5f", 16))


def double(p):
    """In Jacobian coordinates; None is infinity."""
    if p is None:
        return None
    x, y, z = p
    a = 3 * (x - z * z) * (x + z * z)
    s = 4 * x * y * y
    x3 = (a * a - 2 * s) % P
    return x3, (a * (s - x3) - 8 * pow(y, 4, P)) % P, 2 * y * z % P


def add(p, q):
    if p is None or q is None:
        return q if p is None else p
    zz1, zz2 = p[2] * p[2] % P, q[2] * q[2] % P
    u1, u2 = p[0] * zz2 % P, q[0] * zz1 % P
    s1, s2 = p[1] * q[2] * zz2 % P, q[1] * p[2] * zz1 % P
    if u1 == u2:
        return double(p) if s1 == s2 else None
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - s1 * hhh) % P, h * p[2] * q[2] % P


def multiply(k, point=G):
    """k times a point, affine."""
    out, base = None, (point[0], point[1], 1)
    while k:
        if k & 1:
            out = add(out, base)
        base, k = double(base), k >> 1
    inverse = pow(out[2], P - 2, P)
    return out[0] * inverse**2 % P, out[1] * inverse**3 % P


def octets48(x):
    return x.to_bytes(48, "big")


def rfc6979(d, digest):
    """The number used once: RFC 6979 3.2 with SHA-384."""
    h = octets48(int.from_bytes(digest, "big") % N)
    k, v = bytes(48), b"\1" * 48

    def mac(text):
        return hmac.new(k, text, "sha384").digest()

    for mark in (b"\0", b"\1"):
        k = mac(v + mark + octets48(d) + h)
        v = mac(v)
    while True:
        v = mac(v)
        if 0 < int.from_bytes(v, "big") < N:
            return int.from_bytes(v, "big")
        k = mac(v + b"\0")
        v = mac(v)


class Key:
    """A P-384 key that its name determines."""

    def __init__(self, name):
        self.d = int.from_bytes(hashlib.sha384(
            b"encflow test key " + name.encode()).digest(), "big") % (N - 1) + 1
        self.q = b"\4" + b"".join(map(octets48, multiply(self.d)))

    def sign(self, text, high=None):
        """(r, s); high: False or True for the small or large s."""
        digest = hashlib.sha384(text).digest()
        k = rfc6979(self.d, digest)
        r = multiply(k)[0] % N
        s = pow(k, N - 2, N) * (int.from_bytes(digest, "big") + r * self.d) % N
        if high is not None and (s > N // 2) != high:
            s = N - s
        return r, s


KEYS = {}


def key(name):
    if name not in KEYS:
        KEYS[name] = Key(name)
    return KEYS[name]


# --- DER (X.690), X.509 (RFC 5280) ------------------------------------------


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = (bytes([n]) if n < 128 else
            bytes([0x81, n]) if n < 256 else b"\x82" + n.to_bytes(2, "big"))
    return bytes([tag]) + size + body


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(x):
    return tlv(2, x.to_bytes(x.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytes([40 * first + second])
    for x in rest:
        part = [x & 127]
        while x > 127:
            x >>= 7
            part.insert(0, x & 127 | 128)
        out += bytes(part)
    return tlv(6, out)


def bits(body, unused=0):
    return tlv(3, bytes([unused]), body)


def utc(seconds):
    t = time.gmtime(seconds)
    if t.tm_year < 2050:
        return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", t).encode())
    return tlv(0x18, time.strftime("%Y%m%d%H%M%SZ", t).encode())


def name(cn, *more, tag=0x0c):
    """A distinguished name; more: (oid, tag, value)."""
    parts = [("2.5.4.6", 0x13, b"US"), ("2.5.4.10", 0x0c, b"encflow test")]
    parts += list(more)
    if cn is not None:
        parts.append(("2.5.4.3", tag, cn.encode()))
    return sequence(*(tlv(0x31, sequence(oid(o), tlv(t, v)))
                      for o, t, v in parts))


ECDSA = sequence(oid("1.2.840.10045.4.3.3"))
EC_P384 = sequence(oid("1.2.840.10045.2.1"), oid("1.3.132.0.34"))
DIGITAL, NON_REPUDIATION, CERT_SIGN, CRL_SIGN = 0x80, 0x40, 0x04, 0x02


def usage_bits(usage):
    unused = (usage & -usage).bit_length() - 1 if usage else 0
    return bits(bytes([usage]) if usage else b"", unused)


def extension(dotted, critical, value):
    return sequence(oid(dotted), tlv(1, b"\xff") if critical else b"",
                    tlv(4, value))


def certificate(subject, issuer, public, signer, not_before, not_after,
                ca=None, path_len=None, usage=None, usage_critical=True,
                extra=(), serial=0x1234567890abcdef, version=2,
                algorithm=ECDSA, outer=None, spki=None, validity=None,
                extensions=None, signature=None, after=b"", edit=None):
    """DER. subject and issuer are DER of names; the rest says itself. What is
    given as bytes (spki, validity, extensions, signature) replaces that part;
    edit changes what is signed, before it is signed."""
    if extensions is None:
        parts = []
        if ca is not None:
            parts.append(extension("2.5.29.19", True, sequence(
                tlv(1, b"\xff") if ca else b"",
                integer(path_len) if path_len is not None else b"")))
        if usage is not None:
            parts.append(extension("2.5.29.15", usage_critical,
                                   usage_bits(usage)))
        parts += list(extra)
        extensions = tlv(0xa3, sequence(*parts)) if parts else b""
    tbs = sequence(
        tlv(0xa0, integer(version)) if version is not None else b"",
        serial if isinstance(serial, bytes) else integer(serial), algorithm,
        issuer,
        validity if validity is not None else
        sequence(utc(not_before), utc(not_after)),
        subject,
        spki if spki is not None else sequence(EC_P384, bits(public)),
        extensions)
    if edit is not None:
        tbs = edit(tbs)
    if signature is None:
        r, s = signer.sign(tbs)
        signature = bits(sequence(integer(r), integer(s)))
    return sequence(tbs, algorithm if outer is None else outer, signature,
                    after)


# --- CBOR (RFC 8949) --------------------------------------------------------


def head(major, n):
    """The head of a CBOR item."""
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")


class Raw(bytes):
    """CBOR that is written as it stands."""


def cbor(value, indefinite=False):
    """bytes, str, int, None, list, dict or pairs (a tuple of tuples)."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        parts, major = [cbor(v, indefinite) for v in value], 4
    else:
        pairs = value.items() if isinstance(value, dict) else value
        parts, major = [cbor(k) + cbor(v, indefinite) for k, v in pairs], 5
    if indefinite:
        return bytes([major << 5 | 31]) + b"".join(parts) + b"\xff"
    return head(major, len(parts)) + b"".join(parts)


# --- documents --------------------------------------------------------------

TIME = calendar.timegm((2026, 3, 1, 12, 0, 0))  # when nothing else is said
MODULE_ID = "i-0123456789abcdef0-enc0123456789abcdef"
REGION = "eu-central-1"
ES384 = bytes.fromhex("a1013822")
FAULTS = {
    "expired": "certificates that ended a year before the document's time",
    "not-yet-valid": "a leaf that begins an hour after it",
    "self-made-root": "a root of the same name, with another key",
    "leaf-as-ca": "a leaf that another leaf issued",
    "ca-as-leaf": "signed by an instance's CA, which stands as the leaf",
    "bad-signature": "one bit of the signature changed",
    "changed-payload": "one bit of PCR0 changed after it was signed",
    "other-instance": "certificates of another enclave",
    "debug": "PCR0, PCR1 and PCR2 are zeros",
    "nitrotpm": "a NitroTPM's document",
    "qemu": "what QEMU's nitro-enclave machine answers",
}


def extended(data):
    return hashlib.sha384(bytes(48) + data).digest()


def default_pcrs(module_id=MODULE_ID):
    """Registers of an enclave that measures three texts."""
    out = {i: bytes(48) for i in range(16)}
    for i, text in enumerate((b"image", b"kernel", b"application")):
        out[i] = extended(hashlib.sha384(text).digest())
    out[3] = extended(b"arn:aws:iam::123456789012:role/enclave")
    out[4] = extended(module_id.split("-enc")[0].encode())
    return out


DEFAULT_PCRS = default_pcrs()


def chain(at=TIME, module_id=MODULE_ID, root="root", links=None):
    """What certificate() is given for each, the root first: dicts, of which
    links replaces some members: {index: {member: value}}. Members beside
    those of certificate(): cn, and key, a key's name."""
    day, instance = 86400, module_id.split("-enc")[0]
    whole = 0x86
    start = at - 300
    out = [
        dict(cn="aws.nitro-enclaves", key=root, ca=True, usage=whole,
             not_before=calendar.timegm((2019, 10, 28, 13, 28, 5)),
             not_after=calendar.timegm((2049, 10, 28, 14, 28, 5))),
        dict(cn="0011223344556677.%s.aws.nitro-enclaves" % REGION,
             key="regional", ca=True, path_len=2, usage=whole,
             not_before=start - 5 * day, not_after=start + 15 * day),
        dict(cn="8899aabbccddeeff.zonal.%s.aws.nitro-enclaves" % REGION,
             key="zonal", ca=True, path_len=1, usage=whole,
             not_before=start - 2 * day, not_after=start + 4 * day),
        dict(cn="%s.%s.aws.nitro-enclaves" % (instance, REGION),
             key="instance", ca=True, path_len=0, usage=CERT_SIGN,
             not_before=start - 3600, not_after=start - 3600 + day),
        dict(cn="%s.%s.aws" % (module_id, REGION), key="leaf", ca=False,
             usage=DIGITAL | NON_REPUDIATION, usage_critical=False,
             not_before=start, not_after=start + 3 * 3600 + 3),
    ]
    for i, members in (links or {}).items():
        out[i].update(members)
    return out


def issue(specs):
    """The DER of each certificate of a chain."""
    out, above = [], None
    for spec in specs:
        spec = dict(spec)
        own, cn = key(spec.pop("key")), spec.pop("cn")
        subject = spec.pop("subject", None) or name(cn)
        issuer = spec.pop("issuer", None) or (
            above[0] if above else subject)
        signer = spec.pop("signer", None) or (above[1] if above else own)
        if isinstance(signer, str):
            signer = key(signer)
        out.append(certificate(subject, issuer, own.q, signer, **spec))
        above = (subject, own)
    return out


def fields(specs, at=TIME, module_id=MODULE_ID, pcrs=None, public_key=None,
           user_data=None, nonce=None, ms=None):
    """The payload's fields, in the order that the NSM has them."""
    ders = issue(specs)
    return {"module_id": module_id, "digest": "SHA384",
            "timestamp": at * 1000 if ms is None else ms,
            "pcrs": default_pcrs(module_id) if pcrs is None else pcrs,
            "certificate": ders[-1], "cabundle": ders[:-1],
            "public_key": public_key, "user_data": user_data, "nonce": nonce}


def signed_text(payload, protected=ES384):
    return cbor(["Signature1", protected, b"", payload])


def cose(payload, signer, protected=ES384, tag=False, high=None,
         indefinite=False):
    """COSE_Sign1 around a payload."""
    r, s = signer.sign(signed_text(payload, protected), high)
    return (b"\xd2" if tag else b"") + cbor(
        [protected, {}, payload, octets48(r) + octets48(s)], indefinite)


def document(at=TIME, module_id=MODULE_ID, pcrs=None, nonce=None,
             user_data=None, public_key=None, indefinite=False, tag=False,
             fault=None, high=None):
    """A document with at most one fault of FAULTS."""
    specs = chain(at, module_id)
    if fault == "expired":
        specs = chain(at - 366 * 86400, module_id)
    elif fault == "not-yet-valid":
        specs[-1].update(not_before=at + 3600, not_after=at + 4 * 3600)
    elif fault == "self-made-root":
        specs[0]["key"] = "another root"
    elif fault == "leaf-as-ca":
        specs.append(dict(specs[-1], key="stolen"))
    elif fault == "ca-as-leaf":
        specs.pop()
    elif fault == "other-instance":
        other = "i-0fedcba9876543210-enc0fedcba987654321"
        specs = chain(at, other)
    pcrs = default_pcrs(module_id) if pcrs is None else dict(pcrs)
    if fault == "debug":
        pcrs.update({i: bytes(48) for i in range(3)})
    f = fields(specs, at, module_id, pcrs, public_key, user_data, nonce)
    if fault == "nitrotpm":
        f["module_id"] = module_id.split("-enc")[0] + "-tpm0000000000000000"
        f = {"nitrotpm_pcrs" if k == "pcrs" else k: v for k, v in f.items()}
    if fault == "qemu":
        f.update(certificate=bytes(64), cabundle=[bytes(64)])
        return cbor([bytes.fromhex("a10120"), {}, cbor(f), bytes(64)])
    doc = cose(cbor(f, indefinite), key(specs[-1]["key"]), tag=tag, high=high,
               indefinite=indefinite)
    if fault == "bad-signature":
        at = len(doc) - (2 if indefinite else 1)
        doc = doc[:at] + bytes([doc[at] ^ 1]) + doc[at + 1:]
    elif fault == "changed-payload":
        at = doc.index(f["pcrs"][0])
        doc = doc[:at] + bytes([doc[at] ^ 1]) + doc[at + 1:]
    return doc


def root_der():
    return issue(chain()[:1])[0]


def pem(der):
    text = base64.b64encode(der).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----"] + lines +
                     ["-----END CERTIFICATE-----", ""])


def main():
    top = argparse.ArgumentParser(description="Documents of a test root.")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("make-root").add_argument("dir")
    doc = commands.add_parser("document")
    doc.add_argument("--out")
    doc.add_argument("--time", type=int, default=None,
                     help="seconds since 1970 (default: now)")
    doc.add_argument("--pcr", action="append", default=[], metavar="N=HEX")
    for option in ("--nonce", "--user-data", "--public-key"):
        doc.add_argument(option, type=bytes.fromhex)
    doc.add_argument("--module-id", default=MODULE_ID)
    doc.add_argument("--indefinite", action="store_true")
    doc.add_argument("--tag", action="store_true")
    doc.add_argument("--fault", choices=sorted(FAULTS))
    given = top.parse_args()
    if given.command == "make-root":
        with open(os.path.join(given.dir, "root.pem"), "w",
                  encoding="ascii") as f:
            f.write(pem(root_der()))
        return
    pcrs = default_pcrs(given.module_id)
    for text in given.pcr:
        i, value = text.split("=")
        pcrs[int(i)] = bytes.fromhex(value)
    out = document(int(time.time()) if given.time is None else given.time,
                   given.module_id, dict(sorted(pcrs.items())), given.nonce,
                   given.user_data, given.public_key, given.indefinite,
                   given.tag, given.fault)
    if given.out:
        with open(given.out, "wb") as f:
            f.write(out)
    else:
        sys.stdout.buffer.write(out)


if __name__ == "__main__":
    main()
