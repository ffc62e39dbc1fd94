#!/usr/bin/python3
"""Enclave images (EIF), and what they measure, without any tool of AWS's.

    eif.py FILE KERNEL CMDLINE RAMDISK... [--sign KEY.pem CERT.pem]

Writes an image of version 4 and prints its PCRs as `nitro-cli build-enclave`
does. KERNEL and RAMDISK are files, CMDLINE is a text. vectors/gen_enclave.py
takes from here what it makes images of. Source: the README.md of
aws-nitro-enclaves-image-format.
"""
import hashlib
import json
import sys
import zlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = range(1, 6)
METADATA_TEXT = json.dumps({
    "ImageName": "encflow", "ImageVersion": "1", "BuildMetadata": {
        "BuildTime": "2024-01-01T00:00:00Z", "BuildTool": "tests/eif.py",
        "BuildToolVersion": "1", "OperatingSystem": "Linux",
        "KernelVersion": "4.14"},
    "DockerInfo": {}, "CustomMetadata": {}}, separators=(",", ":")).encode()


def head(major, n):
    """The head of a CBOR item."""
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")


def text(s):
    return head(3, len(s)) + s.encode()


def octets(b):
    """A byte string."""
    return head(2, len(b)) + b


def numbers(b):
    """Bytes as serde has them: an array of numbers."""
    return head(4, len(b)) + b"".join(head(0, x) for x in b)


def signature_section(pem, cose):
    return (head(4, 1) + head(5, 2) + text("signing_certificate") +
            numbers(pem) + text("signature") + numbers(cose))


def sign(key, pcr0):
    """COSE_Sign1 over register 0, ES384."""
    payload = (head(5, 2) + text("register_index") + head(0, 0) +
               text("register_value") + numbers(pcr0))
    protected = bytes.fromhex("a1013822")
    signed = (head(4, 4) + text("Signature1") + octets(protected) +
              octets(b"") + octets(payload))
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(
        hashes.SHA384())))
    return (head(4, 4) + octets(protected) + head(5, 0) + octets(payload) +
            octets(r.to_bytes(48, "big") + s.to_bytes(48, "big")))


def section(kind, data, flags=0, size=None):
    return (kind.to_bytes(2, "big") + flags.to_bytes(2, "big") +
            (len(data) if size is None else size).to_bytes(8, "big") + data)


def parts(sections, version=4, flags=0, magic=b".eif", count=None,
          offsets=None, sizes=None, crc=None, reserved=0):
    """An image as a dict of its parts, each as bytes; sections are (type,
    data) or whole. Of the two tables only what is not zero at their ends."""
    raw = [section(*s) if isinstance(s, tuple) else s for s in sections]
    if offsets is None:
        offsets = [548 + sum(map(len, raw[:i])) for i in range(len(raw))]
    if sizes is None:
        sizes = [len(r) - 12 for r in raw]
    out = {
        "head": magic + version.to_bytes(2, "big") + flags.to_bytes(2, "big") +
        (1 << 30).to_bytes(8, "big") + (2).to_bytes(8, "big") +
        reserved.to_bytes(2, "big") +
        (len(raw) if count is None else count).to_bytes(2, "big"),
        "offsets": b"".join(o.to_bytes(8, "big") for o in offsets),
        "sizes": b"".join(o.to_bytes(8, "big") for o in sizes),
        "tail": bytes(8), "rest": b"".join(raw)}
    if crc is None:
        image = join(out)
        crc = zlib.crc32(image[:544] + image[548:])
    out["tail"] = bytes(4) + crc.to_bytes(4, "big")
    return out


def join(p):
    return (p["head"] + p["offsets"].ljust(256, b"\0") +
            p["sizes"].ljust(256, b"\0") + p["tail"] + p["rest"])


def pcr(data):
    digest = hashlib.sha384(data).digest()
    return hashlib.sha384(bytes(48) + digest).digest()


def measure(kernel, cmdline, ramdisks, der=None):
    boot = kernel + cmdline + b"".join(ramdisks[:1])
    app = b"".join(ramdisks[1:])
    out = {"pcr0": pcr(boot + app), "pcr1": pcr(boot), "pcr2": pcr(app)}
    if der is not None:
        out["pcr8"] = pcr(der)
    return out


def main(path, kernel, cmdline, *more):
    more, key, pem = list(more), None, None
    if "--sign" in more:
        at = more.index("--sign")
        with open(more[at + 1], "rb") as f:
            key = serialization.load_pem_private_key(f.read(), None)
        with open(more[at + 2], "rb") as f:
            pem = f.read()
        del more[at:at + 3]
    files = []
    for name in [kernel] + more:
        with open(name, "rb") as f:
            files.append(f.read())
    der = None if pem is None else x509.load_pem_x509_certificate(
        pem).public_bytes(serialization.Encoding.DER)
    found = measure(files[0], cmdline.encode(), files[1:], der)
    sections = [(KERNEL, files[0]), (CMDLINE, cmdline.encode()),
                (METADATA, METADATA_TEXT)]
    sections += [(RAMDISK, f) for f in files[1:]]
    if pem is not None:
        sections.append((SIGNATURE, signature_section(
            pem, sign(key, found["pcr0"]))))
    with open(path, "wb") as f:
        f.write(join(parts(sections)))
    print(json.dumps({"Measurements": dict(
        {"HashAlgorithm": "Sha384 { ... }"},
        **{k.upper(): v.hex() for k, v in found.items()})}, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
