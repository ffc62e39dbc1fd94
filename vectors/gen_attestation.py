"""attestations.txt: documents of the test root that tests/nitro.py makes, whole
and broken, against the distribution's cbor2 and cryptography."""
import json
import os
import sys

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gen_common import HERE, need, refresh

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests"))
import nitro  # noqa: E402
from nitro import cbor, Raw  # noqa: E402

AT = nitro.TIME
SOURCE = "tests/nitro.py"
MALFORMED = "CBOR_MALFORMED: this is not well-formed"
TRAILING = "CBOR_TRAILING: bytes after the end"
TWICE = "CBOR_DUPLICATE_KEY: a key that is there twice"
SHAPE = ("COSE_SHAPE: not a COSE_Sign1 with an empty unprotected header and a "
         "signature of 96 bytes")
ALG = "COSE_ALG: not signed with ES384 alone"
TYPE = "FIELD_TYPE: a field of another type than it must have"
SIZE = "FIELD_RANGE: a field that is too short or too long"
MISSING = "FIELD_MISSING: a field that must be there"
LARGE = ("DOC_TOO_LARGE: more than EF_MAX_ATTESTATION_BYTES (16640), or a "
         "payload of more than 16384")
CERT = "CERT_MALFORMED: not a v3 certificate of an ECDSA key on P-384"
USAGE_CA = "CERT_USAGE: an issuer that may not sign certificates"
USAGE_LEAF = "CERT_USAGE: the leaf is a CA, or may not sign"


# --- what is only parsed: no certificates are needed --------------------------

def small(**changes):
    """Fields of a document whose certificates are one byte each."""
    f = {"module_id": "i-0-enc0", "digest": "SHA384", "timestamp": 1,
         "pcrs": {0: bytes(48)}, "certificate": b"l", "cabundle": [b"r"],
         "public_key": None, "user_data": None, "nonce": None}
    f.update(changes)
    return {k: v for k, v in f.items() if v is not ...}


def wrap(payload):
    return cbor([nitro.ES384, {}, payload, b"s" * 96])


def parse_cases():
    """(why, document, status, msg, place, marker): the refusal is told at the
    marker's first place in the document; an int is that place itself."""
    def field(why, msg, place, marker, status="EF_E_FORMAT", **changes):
        return (why, wrap(cbor(small(**changes))), status, msg, place, marker)

    def fine(why, **changes):
        return field(why, None, None, None, "ok", **changes)

    good = wrap(cbor(small()))
    yield fine("the least that a document has")
    yield ("tag 18", b"\xd2" + good, "ok", None, None, None)
    yield ("indefinite, all of it",
           cbor([nitro.ES384, {}, cbor(small(), True), b"s" * 96], True),
           "ok", None, None, None)
    yield fine("a field that is not known", extra={"a": [1]})
    yield fine("public_key of 1024", public_key=b"k" * 1024)
    yield fine("user_data of 1024", user_data=b"k" * 1024)
    yield fine("nonce of 1024, user_data of none", nonce=b"k" * 1024,
               user_data=b"")
    yield fine("optional fields that are not there", public_key=..., nonce=...,
               user_data=...)
    yield fine("all 32 PCRs", pcrs={i: bytes([i]) * 48 for i in range(32)})
    yield fine("16 issuers", cabundle=[b"r"] * 16)
    yield fine("certificates of 1024", cabundle=[b"r" * 1024],
               certificate=b"l" * 1024)
    yield fine("the last millisecond of 9999", timestamp=253402300799999)
    yield fine("8 unknown fields", **{"x%d" % i: i for i in range(8)})
    yield ("fields in another order",
           wrap(cbor(dict(reversed(small().items())))), "ok", None, None, None)

    yield ("nothing", b"", "EF_E_FORMAT", MALFORMED,
           "CBOR ends before it is complete", 0)
    yield ("cut", good[:-1], "EF_E_FORMAT", MALFORMED,
           "CBOR ends before it is complete", len(good) - 1)
    yield ("a byte after it", good + b"\0", "EF_E_FORMAT", TRAILING, None,
           len(good))
    yield ("another tag", b"\xd1" + good, "EF_E_FORMAT", MALFORMED,
           "a tag that is not expected", 0)
    yield ("tag 18 twice", b"\xd2\xd2" + good, "EF_E_FORMAT", MALFORMED,
           "a tag that is not expected", 1)
    yield ("a payload in pieces", b"\x84" + cbor(nitro.ES384) + b"\xa0\x5f",
           "EF_E_FORMAT", MALFORMED, "a string in pieces", 7)
    yield ("larger than any", good + bytes(16641 - len(good)), "EF_E_LIMIT",
           LARGE, None, 16640)
    yield ("a payload larger than any", wrap(bytes(16385)), "EF_E_LIMIT",
           LARGE, None, None)
    yield ("a payload of the largest size, of zeros", wrap(bytes(16384)),
           "EF_E_FORMAT", TRAILING, None, 11)
    yield ("a byte after the payload's map", wrap(cbor(small()) + b"\0"),
           "EF_E_FORMAT", TRAILING, None, len(good) - 98)
    yield ("the payload's map is cut", wrap(cbor(small())[:-1]), "EF_E_FORMAT",
           MALFORMED, "CBOR ends before it is complete", len(good) - 99)

    yield ("no array", cbor({}), "EF_E_FORMAT", SHAPE, None, 0)
    yield ("a header that is no byte string", cbor([{}, {}, b"", b""]),
           "EF_E_FORMAT", SHAPE, None, 0)
    yield ("ES256", cbor([bytes.fromhex("a10126"), {}, b"", b"s" * 64]),
           "EF_E_AUTH", ALG, None, 1)
    yield ("QEMU's imitation", nitro.document(fault="qemu"), "EF_E_AUTH", ALG,
           None, 1)
    yield ("more in the header", cbor([bytes.fromhex("a20138220440"), {}, b"",
                                       b"s" * 96]), "EF_E_AUTH", ALG, None, 1)
    for why, doc in (
            ("an unprotected header", [nitro.ES384, {1: 1}, b"", b"s" * 96]),
            ("three parts", [nitro.ES384, {}, b""]),
            ("five parts", [nitro.ES384, {}, b"", b"s" * 96, 1]),
            ("a payload of null", [nitro.ES384, {}, None, b"s" * 96]),
            ("a signature of 95", [nitro.ES384, {}, b"", b"s" * 95]),
            ("a signature of 97", [nitro.ES384, {}, b"", b"s" * 97])):
        yield (why, cbor(doc), "EF_E_FORMAT", SHAPE, None, 0)
    yield ("a payload that is no map", wrap(cbor([])), "EF_E_FORMAT",
           "FIELD_TYPE: the payload is not a map", None, 8)
    yield ("a field's name is a number", wrap(cbor({1: 2})), "EF_E_FORMAT",
           "FIELD_TYPE: a field's name is not text", None, 9)
    f = tuple(small().items())
    yield ("a field twice", wrap(cbor(f + (("nonce", b"again"),))),
           "EF_E_FORMAT", TWICE, None, (b"\x65nonce\x45again", 0))
    yield ("an unknown field twice",
           wrap(cbor(f + (("x", 1), ("x", 2)))), "EF_E_FORMAT", TWICE, None,
           (b"\x61x\x02", 0))
    yield field("9 unknown fields",
                "FIELD_RANGE: more than 8 fields that are not known", None,
                (b"\x62x8", 0), **{"x%d" % i: i for i in range(9)})
    yield field("nested five deep",
                "CBOR_MALFORMED: nested deeper than 4 levels", None,
                (b"\x61x\x81\x81\x81\x80", 5), x=[[[[]]]])
    yield fine("nested four deep", x=[[[]]])

    for k in small():
        if k in ("public_key", "user_data", "nonce", "pcrs"):
            continue
        yield field("no " + k, MISSING, k, None, **{k: ...})
    for k in ("module_id", "digest", "timestamp", "pcrs", "certificate",
              "cabundle"):
        n = bytes([0x60 + len(k)]) + k.encode()
        yield field("null as " + k, TYPE, k, (n, len(n)), **{k: None})
    for k in ("public_key", "user_data", "nonce"):
        n = bytes([0x60 + len(k)]) + k.encode()
        yield field("text as " + k, TYPE, k, (n, len(n)), **{k: "text"})
        yield field("%s of 1025" % k, SIZE, k, (n, len(n)), **{k: bytes(1025)})
    at = (b"\x6apublic_key", 11)
    yield field("an empty public_key", SIZE, "public_key", at, public_key=b"")
    at = (b"\x69module_id", 10)
    yield field("an empty module_id", SIZE, "module_id", at, module_id="")
    yield field("a module_id of 256", SIZE, "module_id", at,
                module_id="i-0-enc" + "0" * 249)
    yield field("SHA512", "FIELD_RANGE: the digest is not SHA384", "digest",
                (b"\x66SHA512", 0), digest="SHA512")
    at = (b"\x69timestamp", 10)
    for t in (0, 253402300800000, 2**64 - 1):
        yield field("a timestamp of %d" % t,
                    "FIELD_RANGE: not a time from 1970 to 9999", "timestamp",
                    at, timestamp=t)
    at = (b"\x6bcertificate", 12)
    yield field("an empty certificate", SIZE, "certificate", at,
                certificate=b"")
    yield field("a certificate of 1025", SIZE, "certificate", at,
                certificate=bytes(1025))
    at = (b"\x68cabundle", 9)
    yield field("no issuer", "FIELD_RANGE: no certificate of an issuer",
                "cabundle", at, cabundle=[])
    at = (at[0], 10)
    yield field("an empty issuer", SIZE, "cabundle", at, cabundle=[b""])
    yield field("an issuer of 1025", SIZE, "cabundle", at,
                cabundle=[bytes(1025)])
    yield field("an issuer that is text", TYPE, "cabundle", at, cabundle=["r"])
    yield field("17 issuers", "FIELD_RANGE: more certificates than "
                "EF_MAX_CABUNDLE (16)", "cabundle", (at[0], 42),
                cabundle=[b"r"] * 17)
    at = (b"\x64pcrs", 5)
    yield field("no PCR", "FIELD_RANGE: no PCR at all", "pcrs", at, pcrs={})
    at = (b"\x64pcrs", 6)
    yield field("PCR32", "FIELD_RANGE: a PCR's index is not 0 to 31", "pcrs",
                at, pcrs={32: bytes(48)})
    yield field("PCR-1", TYPE, "pcrs", at, pcrs={-1: bytes(48)})
    yield field("a PCR's name is text", TYPE, "pcrs", at,
                pcrs={"0": bytes(48)})
    yield field("a PCR that is text", TYPE, "pcrs", (at[0], 7),
                pcrs={0: "0" * 48})
    for n in (0, 32, 47, 49, 64):
        yield field("a PCR of %d bytes" % n,
                    "FIELD_RANGE: a PCR is not a SHA-384, of 48 bytes",
                    "pcrs", (at[0], 7), pcrs={0: bytes(n)})
    yield field("a PCR twice", TWICE, None, (b"\x01\x58\x30" + b"b" * 48, 0),
                pcrs=((1, b"a" * 48), (1, b"b" * 48)))
    yield field("no pcrs", "NOT_AN_ENCLAVE: a document without PCRs", None,
                None, "EF_E_AUTH", pcrs=...)
    yield field("both kinds of PCRs", "NOT_AN_ENCLAVE: a NitroTPM's document",
                None, (b"\x6dnitrotpm_pcrs", 0), "EF_E_AUTH",
                nitrotpm_pcrs={})
    yield field("a NitroTPM's module with pcrs",
                "NOT_AN_ENCLAVE: the module is not an enclave", None, None,
                "EF_E_AUTH", module_id="i-0-tpm0000000000000000")


# --- what is verified ---------------------------------------------------------

def whole(links=None, keep=None, signer=None, specs=None, policy=None,
          indefinite=False, high=None, tag=False, ders=None, **changes):
    """A document and the policy that it is judged by."""
    specs = nitro.chain(links=links) if specs is None else specs
    if keep is not None:
        specs = [specs[i] for i in keep]
    f = nitro.fields(specs)
    if ders is not None:
        f.update(cabundle=ders[:-1], certificate=ders[-1])
    f.update(changes)
    doc = nitro.cose(cbor(f, indefinite),
                     nitro.key(signer or specs[-1]["key"]), tag=tag, high=high,
                     indefinite=indefinite)
    return doc, dict(policy or {})


def flip(doc, marker):
    at = doc.index(marker)
    return doc[:at] + bytes([doc[at] ^ 1]) + doc[at + 1:]


def pcr_set(pcrs):
    mask = sum(1 << i for i in pcrs)
    return mask.to_bytes(4, "big") + b"".join(
        v for _, v in sorted(pcrs.items()))


def verify_cases():
    """(why, (document, policy), status, msg, place, detail)"""
    def bad(why, made, msg, place=None, status="EF_E_AUTH", detail=None):
        return why, made, status, msg, place, detail

    def fine(why, made):
        return why, made, "ok", None, None, None

    yield fine("as the NSM makes it", whole())
    yield fine("as it makes it now: indefinite lengths",
               whole(indefinite=True))
    yield fine("tagged", whole(tag=True))
    yield fine("a small s", whole(high=False))
    yield fine("a large s", whole(high=True))
    yield fine("a payload of all fields", whole(
        nonce=b"n" * 32, user_data=b"u" * 64, public_key=b"k" * 32,
        policy=dict(nonce=b"n" * 32, user_data=b"u" * 64)))
    end = nitro.chain()[-1]["not_after"]
    yield fine("the leaf's last second", whole(policy=dict(at_time=end)))
    yield fine("the leaf's first second",
               whole(policy=dict(at_time=nitro.chain()[-1]["not_before"])))
    yield bad("a second after the leaf", whole(policy=dict(at_time=end + 1)),
              "CERT_EXPIRED: no longer valid at that time", "chain[4]")
    yield bad("a second before the leaf", whole(policy=dict(
        at_time=nitro.chain()[-1]["not_before"] - 1)),
              "CERT_NOT_YET_VALID: not yet valid at that time", "chain[4]")
    yield bad("a root that ended", whole(policy=dict(
        at_time=nitro.chain()[0]["not_after"] + 1)),
              "CERT_EXPIRED: no longer valid at that time", "chain[0]")
    yield bad("a self-made root", (nitro.document(fault="self-made-root"), {}),
              "ROOT_MISMATCH: another root than the one that is trusted")
    doc = nitro.issue(nitro.chain())
    other = nitro.issue(nitro.chain(root="another root"))
    yield bad("the real root before a self-made chain",
              whole(ders=doc[:1] + other[1:]),
              "CHAIN_SIG: the signature of the one above it does not verify",
              "chain[1]")
    yield bad("a certificate left out", whole(ders=doc[:2] + doc[3:]),
              "CHAIN_NAME: not issued by the one above it", "chain[2]")
    yield bad("a bit of a certificate", whole(
        ders=doc[:4] + [flip(doc[4], b"\x12\x34\x56\x78")]),
        "CHAIN_SIG: the signature of the one above it does not verify",
        "chain[4]")
    yield bad("a leaf that issues",
              (nitro.document(fault="leaf-as-ca"), {}),
              "CERT_PATHLEN: more CAs follow than this one may have",
              "chain[1]")
    yield bad("an issuer that says it is none", whole({2: dict(
        ca=False, path_len=None)}), "CERT_CA: an issuer that is not a CA",
              "chain[2]")
    yield bad("an issuer that does not say", whole({3: dict(
        ca=None)}), "CERT_CA: an issuer that is not a CA", "chain[3]")
    yield bad("too many CAs", whole({1: dict(path_len=1)}),
              "CERT_PATHLEN: more CAs follow than this one may have",
              "chain[1]")
    yield bad("an issuer that may not sign certificates",
              whole({2: dict(usage=0x82)}), USAGE_CA, "chain[2]")
    yield bad("an issuer whose usage is not said",
              whole({2: dict(usage=None)}), USAGE_CA, "chain[2]")
    yield bad("a critical extension", whole({3: dict(extra=[nitro.extension(
        "2.5.29.30", True, nitro.sequence())])}),
              "CERT_CRITICAL: a critical extension that is not known",
              "chain[3]")
    yield fine("the same, not critical", whole({3: dict(extra=[
        nitro.extension("2.5.29.30", False, nitro.sequence())])}))
    yield bad("a CA as leaf", (nitro.document(fault="ca-as-leaf"), {}),
              USAGE_LEAF, "chain[3]")
    yield bad("a leaf that is also a CA", whole({4: dict(ca=True)}),
              USAGE_LEAF, "chain[4]")
    yield bad("a leaf that may not sign", whole({4: dict(usage=0x40)}),
              USAGE_LEAF, "chain[4]")
    yield bad("a leaf whose usage is not said", whole({4: dict(usage=None)}),
              USAGE_LEAF, "chain[4]")
    yield fine("a leaf without constraints", whole({4: dict(ca=None)}))
    yield bad("a tag in a name that BearSSL does not know", whole({4: dict(
        subject=nitro.name(nitro.MODULE_ID + ".a",
                           ("2.5.4.11", 0x5e, b"x")))}),
              "CHAIN_INVALID: BearSSL refuses the chain: its error", None,
              detail=37)
    yield bad("a bit of the signature",
              (nitro.document(fault="bad-signature"), {}),
              "COSE_SIGNATURE: the document's signature does not verify")
    yield bad("a bit of PCR0", (nitro.document(fault="changed-payload"), {}),
              "COSE_SIGNATURE: the document's signature does not verify")
    doc, policy = whole()
    for why, r, s in (("r and s of zeros", 0, 0),
                      ("r of zeros", 0, 1), ("s of zeros", 1, 0),
                      ("r of the order", nitro.N, 1)):
        yield bad(why, (doc[:-96] + nitro.octets48(r) + nitro.octets48(s),
                        policy),
                  "COSE_SIGNATURE: the document's signature does not verify")
    yield bad("signed by the instance", whole(signer="instance"),
              "COSE_SIGNATURE: the document's signature does not verify")
    another = "MODULE_ID_MISMATCH: the certificates are of another enclave or " \
              "instance"
    yield bad("another enclave's certificate",
              (nitro.document(fault="other-instance"), {}), another)
    yield bad("another instance's CA", whole({3: dict(cn="i-1.aws")}), another)
    yield bad("a leaf without a name", whole({4: dict(subject=nitro.name(
        None))}), another)
    pcrs = nitro.default_pcrs()
    yield bad("another PCR4", whole(pcrs=dict(pcrs, **{}) | {4: bytes(48)}),
              "PCR4_MISMATCH: PCR4 is of another instance")
    yield bad("no PCR4", whole(pcrs={i: v for i, v in pcrs.items() if i != 4}),
              "PCR4_MISMATCH: PCR4 is of another instance")
    debug = ("DEBUG_MODE: PCR0, PCR1 and PCR2 are zeros: an enclave that "
             "anyone may look into")
    zeros = pcrs | {i: bytes(48) for i in range(3)}
    yield bad("debug mode", whole(pcrs=zeros), debug, status="EF_E_POLICY")
    yield bad("no PCR0 to PCR2", whole(pcrs={4: pcrs[4]}), debug,
              status="EF_E_POLICY")
    yield fine("debug mode, allowed", whole(pcrs=zeros,
                                            policy=dict(allow_debug=1)))
    yield fine("only PCR2 is none of zeros",
               whole(pcrs=zeros | {2: pcrs[2]}))
    x = b"x" * 48
    not_approved = "PCR_MISMATCH: not a value that is approved"
    for why, sets, place in (
            ("another PCR0", [{0: x}], "PCR0"),
            ("PCR31 is not there", [{0: pcrs[0], 31: x}], "PCR31"),
            ("the closest of three sets is told",
             [{0: x, 1: x}, {0: pcrs[0], 1: pcrs[1], 2: x}, {1: x, 2: x}],
             "PCR2"),
            ("a set that asks for nothing", [{}], "PCR0")):
        yield bad(why, whole(policy=dict(sets=b"".join(map(pcr_set, sets)))),
                  not_approved, place, "EF_E_POLICY")
    yield fine("the second of two sets holds", whole(policy=dict(
        sets=pcr_set({0: x}) + pcr_set({0: pcrs[0], 2: pcrs[2]}))))
    nonce = "NONCE_MISMATCH: not the nonce that was asked for"
    for why, has in (("another nonce", b"m"), ("a longer nonce", b"nn"),
                     ("no nonce", None), ("an empty nonce", b"")):
        yield bad(why, whole(nonce=has, policy=dict(nonce=b"n")), nonce)
    yield fine("an empty nonce, as asked", whole(nonce=b"",
                                                 policy=dict(nonce=b"")))
    yield bad("user_data of another workflow",
              whole(user_data=b"w", policy=dict(user_data=b"v")),
              "USER_DATA_MISMATCH: not the user_data that was asked for")
    yield fine("as old as is allowed", whole(policy=dict(now=AT + 60,
                                                         max_age=60)))
    yield bad("a second older", whole(policy=dict(now=AT + 61, max_age=60)),
              "STALE: older than is allowed", status="EF_E_POLICY")
    yield fine("a minute from the future", whole(policy=dict(now=AT - 60,
                                                             max_age=1)))
    yield bad("a second more", whole(policy=dict(now=AT - 61)),
              "FUTURE: made later than now, by more than 60 seconds",
              status="EF_E_POLICY")
    yield from certificate_cases(bad)


def certificate_cases(bad):
    """Leaves that are not of the profile, each by one thing."""
    s, integer, oid = nitro.sequence, nitro.integer, nitro.oid
    good = nitro.issue(nitro.chain())[-1]
    own = nitro.key("leaf")
    r, v = own.sign(b"")

    def signature(*parts):
        return dict(signature=nitro.bits(s(*parts)))

    def ext(*parts):
        return dict(extensions=nitro.tlv(0xa3, s(*parts)))

    def times(a, b):
        return dict(validity=s(a, b))

    begin, end = nitro.utc(AT), nitro.utc(AT + 9999)
    spki = s(nitro.EC_P384, nitro.bits(own.q))
    true, false = nitro.tlv(1, b"\xff"), nitro.tlv(1, b"\0")
    for part, why, spec in (
            ("version", "v1", dict(version=None)),
            ("version", "v2", dict(version=1)),
            ("serial number", "negative", dict(serial=nitro.tlv(2, b"\x80"))),
            ("serial number", "empty", dict(serial=nitro.tlv(2))),
            ("serial number", "not shortest",
             dict(serial=nitro.tlv(2, b"\0\x7f"))),
            ("signature algorithm", "SHA-256", dict(
                algorithm=s(oid("1.2.840.10045.4.3.2")))),
            ("signature algorithm", "not the inner one",
             dict(outer=s(oid("1.2.840.10045.4.3.2")))),
            ("validity", "one time", dict(validity=s(begin))),
            ("validity", "three", dict(validity=s(begin, end, end))),
            ("validity", "no seconds",
             times(nitro.tlv(0x17, b"2603011200Z"), end)),
            ("validity", "no such day",
             times(nitro.tlv(0x17, b"260230120000Z"), end)),
            ("validity", "no zone",
             times(nitro.tlv(0x17, b"2603011200000"), end)),
            ("validity", "a long year before 2050",
             times(begin, nitro.tlv(0x18, b"20491231235959Z"))),
            ("subject", "two names", dict(subject=nitro.name(
                "a", ("2.5.4.3", 0x0c, b"b")))),
            ("subject", "a name that is no text", dict(
                subject=nitro.name("a", tag=0x30))),
            ("subject", "an empty set", dict(subject=s(nitro.tlv(0x31)))),
            ("subject", "a type without a value", dict(subject=s(nitro.tlv(
                0x31, s(oid("2.5.4.6")))))),
            ("public key", "another curve", dict(spki=s(
                s(oid("1.2.840.10045.2.1"), oid("1.3.132.0.35")),
                nitro.bits(own.q)))),
            ("public key", "a compressed point", dict(
                spki=spki[:-97] + b"\3" + own.q[1:])),
            ("extensions", "a unique id", dict(
                spki=spki + nitro.tlv(0x81, b"\0x"))),
            ("extensions", "basicConstraints twice", ext(
                *2 * [nitro.extension("2.5.29.19", True, s())])),
            ("extensions", "keyUsage twice", ext(
                *2 * [nitro.extension("2.5.29.15", True,
                                      nitro.usage_bits(0x80))])),
            ("extensions", "FALSE written out", ext(
                nitro.extension("2.5.29.19", True, s(false)))),
            ("extensions", "a length without a CA", ext(
                nitro.extension("2.5.29.19", True, s(integer(1))))),
            ("extensions", "a length of two bytes", ext(
                nitro.extension("2.5.29.19", True, s(true, integer(200))))),
            ("extensions", "a usage of no bits", ext(
                nitro.extension("2.5.29.15", True, nitro.bits(b"")))),
            ("extensions", "a usage whose unused bits are set", ext(
                nitro.extension("2.5.29.15", True, nitro.bits(b"\xff", 1)))),
            ("extensions", "not a list",
             dict(extensions=nitro.tlv(0xa3, integer(1)))),
            ("extensions", "one without a value",
             ext(s(oid("2.5.29.30"), true))),
            ("signature", "one number", signature(integer(r))),
            ("signature", "three", signature(integer(r), integer(v),
                                             integer(1))),
            ("signature", "r of zero", signature(integer(0), integer(v))),
            ("signature", "s that is negative",
             signature(integer(r), nitro.tlv(2, b"\xff"))),
            ("signature", "s that is too long",
             signature(integer(r), integer(1 << 384))),
            ("signature", "an unused bit", dict(signature=nitro.bits(
                s(integer(r), integer(v)), 1))),
            ("signature", "more behind it", dict(after=integer(1)))):
        # the message is the parser's: nothing has been verified yet
        specs = nitro.chain()
        specs[-1].update(spec)
        # a signature like others, cheaply
        specs[-1].setdefault("signature", nitro.bits(s(integer(r),
                                                       integer(v))))
        yield bad("%s: %s" % (part, why), dict(
            certificate=nitro.issue(specs)[-1]), CERT, part)
    for why, der in (("cut", good[:-1]), ("more behind it", good + b"\0"),
                     ("a length that is not shortest",
                      b"\x30\x83\0" + good[2:]), ("empty", b"")):
        yield bad("frame: " + why, dict(certificate=der), CERT, "frame")


# --- records ------------------------------------------------------------------

def printed(doc):
    """What ef_attestation_print has to say, from cbor2 and cryptography."""
    f = cbor2.loads(cbor2.loads(doc[1:] if doc[0] == 0xd2 else doc)[2])
    certificates = []
    for der in f["cabundle"] + [f["certificate"]]:
        try:
            c = x509.load_der_x509_certificate(der)
        except ValueError:
            certificates.append({})
            continue
        cn = c.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        certificates.append({
            "subject": cn[0].value if cn else "",
            "not_before": c.not_valid_before.isoformat() + "Z",
            "not_after": c.not_valid_after.isoformat() + "Z"})
    out = {"certificates": certificates, "digest": "SHA384",
           "module_id": f["module_id"], "timestamp": f["timestamp"],
           "pcrs": {str(k): v.hex() for k, v in f["pcrs"].items()}}
    for k in ("public_key", "user_data", "nonce"):
        if f.get(k) is not None:
            import base64
            out[k] = base64.b64encode(f[k]).decode()
    return json.dumps(out, sort_keys=True, separators=(",", ":")).encode()


def signatures_hold(doc):
    """Do all signatures of a document verify? The root's is not asked."""
    protected, _, payload, signature = cbor2.loads(
        doc[1:] if doc[0] == 0xd2 else doc)
    f = cbor2.loads(payload)
    chain = [x509.load_der_x509_certificate(d)
             for d in f["cabundle"] + [f["certificate"]]]
    algorithm = ec.ECDSA(hashes.SHA384())
    try:
        for up, c in zip(chain, chain[1:]):
            up.public_key().verify(c.signature, c.tbs_certificate_bytes,
                                   algorithm)
        chain[-1].public_key().verify(
            utils.encode_dss_signature(int.from_bytes(signature[:48], "big"),
                                       int.from_bytes(signature[48:], "big")),
            cbor2.dumps(["Signature1", protected, b"", payload]), algorithm)
    except InvalidSignature:
        return False
    return True


def check(r):
    if r["expect"] == "ok":
        need(r["json"] == printed(r["doc"]), "json")
    if "root" in r and r["msg"] is None:
        need(signatures_hold(r["doc"]), "a signature")
    if r.get("msg") and "SIG" in r["msg"].decode().split(":")[0]:
        need(not signatures_hold(r["doc"]), "the signatures hold")
    elif r.get("msg") and "root" in r and "CHAIN_NAME" not in str(r["msg"]):
        need(signatures_hold(r["doc"]), "a signature")


def make():
    for why, doc, status, msg, place, marker in parse_cases():
        at = marker
        if isinstance(marker, tuple):
            at = doc.index(marker[0]) + marker[1]
        yield dict(source=SOURCE, why=why, expect=status,
                   msg=msg and msg.encode(), place=place and place.encode(),
                   at=at, doc=doc,
                   json=printed(doc) if status == "ok" else None)
    root = nitro.root_der()
    for why, made, status, msg, place, detail in verify_cases():
        r = dict(source=SOURCE, why=why, expect=status,
                 msg=msg and msg.encode(), place=place and place.encode(),
                 detail=detail)
        if isinstance(made, dict):
            r.update(made)
        else:
            r.update(doc=made[0], root=root, **made[1])
            if status == "ok":
                r["json"] = printed(made[0])
        yield r


if __name__ == "__main__":
    refresh("attestations.txt", check, make)
