#!/usr/bin/python3
"""A stand-in for AWS KMS, on a port of 127.0.0.1 that it picks.

    kms_server.py DIR [ROOT.pem]

Encrypt, and Decrypt with Recipient, as AWS answers them. It writes DIR/url
when it listens, and a line to DIR/log for each request. botocore works each
request's signature out again; the attestation document is verified with
cbor2 and cryptography up to ROOT.pem; DIR/policy.json, where it is there, is
the key's policy, of which Decrypt needs a statement whose conditions hold;
CiphertextForRecipient is BER, as AWS sends it, in one of its two shapes.

DIR/fault makes it misbehave: an error's type ("AccessDeniedException"), or
"other-key" (the answer names another key), "not-json", "forged" (the text is
a key of the server's own, well encrypted; "forged-short" is of 31 bytes,
"forged-padding" has a bit of its last block changed, "forged-form" is cut
short), "swap-context" (decrypts as if another dataset had been asked for),
"throttle-once", "escaped" (a slash is written as JSON also allows).
"""
import base64
import datetime
import hashlib
import http.server
import itertools
import json
import os
import sys

import cbor2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DIR = sys.argv[1]
ROOT = sys.argv[2] if len(sys.argv) > 2 else None
KEYS = {"AKIDKMS": "secret/kms+key"}
TURN = itertools.count()
MASTER = AESGCM(hashlib.sha256(b"the stand-in's master key").digest())


class Refused(Exception):
    def __init__(self, kind, text, status=400):
        super().__init__(text)
        self.kind, self.status = kind, status


def read(name):
    path = os.path.join(DIR, name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


# --- CMS as AWS writes it ---

def der(tag, body):
    n = len(body)
    head = bytes([n]) if n < 128 else (
        bytes([0x81, n]) if n < 256 else bytes([0x82]) + n.to_bytes(2, "big"))
    return bytes([tag]) + head + body


OAEP = bytes.fromhex("303c06092a864886f70d010107302fa00f300d0609608648016503"
                     "04020105 00a11c301a06092a864886f70d010108300d0609608648"
                     "01650304020105 00")
END = b"\0\0"


def cms(public, text, pieces=True):
    spki = public.public_bytes(serialization.Encoding.DER,
                               serialization.PublicFormat.SubjectPublicKeyInfo)
    key, iv = os.urandom(32), os.urandom(16)
    pad = padding.PKCS7(128).padder()
    e = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    ct = e.update(pad.update(text) + pad.finalize()) + e.finalize()
    wrapped = public.encrypt(key, rsa_padding.OAEP(
        rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    recipient = der(0x31, der(0x30, der(2, b"\2") + der(
        0x80, hashlib.sha256(spki).digest()) + OAEP + der(4, wrapped)))
    content = b"\x30\x80" + bytes.fromhex("06092a864886f70d010701") + der(
        0x30, bytes.fromhex("060960864801650304012a") + der(4, iv))
    if pieces:
        content += b"\xa0\x80" + b"".join(
            der(4, ct[i:i + 1000]) for i in range(0, len(ct), 1000)) + END
    else:
        content += der(0x80, ct)
    return (b"\x30\x80" + bytes.fromhex("06092a864886f70d010703") + b"\xa0\x80"
            b"\x30\x80" + der(2, b"\2") + recipient + content + END * 4)


# --- the attestation document ---

def verify(document):
    """The payload of a document that ROOT vouches for."""
    protected, _, payload, signature = cbor2.loads(document)[0:4] \
        if document[0] != 0xd2 else cbor2.loads(document).value
    p = cbor2.loads(payload)
    chain = [x509.load_der_x509_certificate(c)
             for c in p["cabundle"] + [p["certificate"]]]
    with open(ROOT, "rb") as f:
        root = x509.load_pem_x509_certificate(f.read())
    if chain[0] != root:
        raise Refused("ValidationException", "not a Nitro root")
    now = datetime.datetime.utcnow()
    for above, cert in zip(chain, chain[1:]):
        above.public_key().verify(
            cert.signature, cert.tbs_certificate_bytes,
            ec.ECDSA(cert.signature_hash_algorithm))
        if not cert.not_valid_before <= now <= cert.not_valid_after:
            raise Refused("ValidationException", "an expired certificate")
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    half = len(signature) // 2
    chain[-1].public_key().verify(utils.encode_dss_signature(
        int.from_bytes(signature[:half], "big"),
        int.from_bytes(signature[half:], "big")), signed,
        ec.ECDSA(hashes.SHA384()))
    return p


def allowed(payload, context):
    """Does a statement of the policy hold for this document and context?"""
    text = read("policy.json")
    if text is None:
        return True
    have = {"kms:RecipientAttestation:PCR%d" % i: v.hex()
            for i, v in payload["pcrs"].items()}
    have.update(("kms:EncryptionContext:" + k, v) for k, v in context.items())
    for statement in json.loads(text)["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == "kms:Decrypt"
        good = True
        for operator, tests in statement["Condition"].items():
            assert operator in ("StringEquals", "StringEqualsIgnoreCase")
            fold = str.lower if "Ignore" in operator else str
            for name, want in tests.items():
                want = [want] if isinstance(want, str) else want
                good &= fold(have.get(name, "")) in [fold(w) for w in want]
        if good:
            return True
    return False


# --- requests ---

def check_signature(request, body):
    """botocore's signature of the same request must be the same."""
    auth = request.headers["Authorization"]
    fields = dict(f.strip().split("=", 1)
                  for f in auth.split(" ", 1)[1].split(","))
    key, scope = fields["Credential"].split("/", 1)
    if key not in KEYS:
        raise Refused("UnrecognizedClientException",
                      "The security token included in the request is invalid.")
    region = scope.split("/")[1]
    names = fields["SignedHeaders"].split(";")
    for needed in ("content-type", "host", "x-amz-content-sha256",
                   "x-amz-date", "x-amz-target"):
        assert needed in names, needed
    again = AWSRequest(
        "POST", "http://%s/" % request.headers["Host"], data=body,
        headers={n: request.headers[n] for n in names if n != "host"})
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(key, KEYS[key]), "kms", region)
    want = signer.signature(signer.string_to_sign(
        again, signer.canonical_request(again)), again)
    if want != fields["Signature"] or hashlib.sha256(
            body).hexdigest() != request.headers["x-amz-content-sha256"]:
        raise Refused("InvalidSignatureException", "The request signature we "
                      "calculated does not match the signature you provided.")


def aad(arn, context):
    return json.dumps([arn, sorted(context.items())]).encode()


def encrypt(q):
    text = base64.b64decode(q["Plaintext"], validate=True)
    if not 1 <= len(text) <= 4096:
        raise Refused("ValidationException", "1 validation error detected")
    nonce = os.urandom(12)
    ct = q["KeyId"].encode() + b"\0" + nonce + MASTER.encrypt(
        nonce, text, aad(q["KeyId"], q["EncryptionContext"]))
    return {"CiphertextBlob": base64.b64encode(ct).decode(),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyId": q["KeyId"]}


def decrypt(q):
    ct = base64.b64decode(q["CiphertextBlob"], validate=True)
    arn, _, rest = ct.partition(b"\0")
    context = q["EncryptionContext"]
    if arn.decode("latin-1") != q["KeyId"]:
        raise Refused("IncorrectKeyException", "The key ID in the request "
                      "does not identify a CMK that can perform this "
                      "operation.")
    assert q["Recipient"]["KeyEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
    payload = verify(base64.b64decode(
        q["Recipient"]["AttestationDocument"], validate=True))
    if not allowed(payload, context):
        raise Refused("AccessDeniedException", "User: enclave is not "
                      "authorized to perform: kms:Decrypt")
    if read("fault") == "swap-context":
        context = dict(context, **{"encflow:dataset": "0" * 64})
    try:
        text = MASTER.decrypt(rest[:12], rest[12:], aad(q["KeyId"], context))
    except Exception:
        raise Refused("InvalidCiphertextException", "") from None
    fault = read("fault") or ""
    if fault.startswith("forged"):
        text = b"\x42" * (len(text) - (fault == "forged-short"))
    public = serialization.load_der_public_key(payload["public_key"])
    assert isinstance(public, rsa.RSAPublicKey) and public.key_size == 2048
    answer = cms(public, text, pieces=next(TURN) % 2 == 0)
    if fault == "forged-padding":  # in the text's last block
        at = answer.rindex(END * 4) - (3 if answer[-10:-8] == END else 1)
        answer = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1:]
    if fault == "forged-form":
        answer = answer[:-1]
    return {"CiphertextForRecipient": base64.b64encode(answer).decode(),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyId": q["KeyId"],
            "KeyOrigin": "AWS_KMS"}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, value):
        body = value if isinstance(value, bytes) else json.dumps(
            value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def act(self, body):
        fault = read("fault")
        if fault and fault.endswith("Exception"):
            raise Refused(fault, "as the test asked for")
        if fault == "throttle-once":
            os.unlink(os.path.join(DIR, "fault"))
            raise Refused("ThrottlingException", "Rate exceeded")
        assert self.path == "/"
        assert self.headers["Content-Type"] == "application/x-amz-json-1.1"
        check_signature(self, body)
        q = json.loads(body)
        op = self.headers["X-Amz-Target"]
        if op == "TrentService.Encrypt":
            out = encrypt(q)
        elif op == "TrentService.Decrypt":
            out = decrypt(q)
        else:
            raise Refused("UnknownOperationException", "")
        if fault == "other-key":
            out["KeyId"] = out["KeyId"][:-1] + "f"
        if fault == "no-ciphertext":
            out = {"KeyId": out["KeyId"]}
        if fault == "escaped":
            return json.dumps(out).replace("/", "\\/").encode()
        return b"<html>" if fault == "not-json" else out

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        op = self.headers.get("X-Amz-Target", "?").split(".")[-1]
        try:
            status, out, what = 200, self.act(body), "ok"
        except Refused as e:
            status, what = e.status, e.kind
            out = {"__type": e.kind, "message": str(e)}
        except Exception as e:  # a request that AWS would not take, either
            status, what = 500, repr(e)
            out = {"__type": "KMSInternalException", "message": ""}
        with open(os.path.join(DIR, "log"), "a", encoding="utf-8") as f:
            f.write("%s %s\n" % (op, what))
        self.answer(status, out)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(DIR, "url.new"), "w", encoding="utf-8") as f:
    f.write("http://127.0.0.1:%d" % server.server_address[1])
os.rename(os.path.join(DIR, "url.new"), os.path.join(DIR, "url"))
server.serve_forever()
