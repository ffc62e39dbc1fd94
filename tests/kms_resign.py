#!/usr/bin/python3
"""Credentials under a KMS key, signed again with other members.

    kms_resign.py FOLDER DATASET IDENTITY.pem KEY.hex STATEMENTS

The document of the dataset of that name becomes what STATEMENTS make of it, as
its owner would sign it who has another program: d is it, other is another
dataset's, seal(part) is its query of no bytes, sealed for that part.
"""
import base64
import hashlib
import hmac
import json
import os
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

folder, name, identity, key, statements = sys.argv[1:]


def b64u(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


files, credentials, dataset = {}, {}, None
for file in os.listdir(folder):
    if len(file) != 64:
        continue
    with open(os.path.join(folder, file), encoding="ascii") as f:
        head, payload, _ = f.read().strip().split(".")
    doc = json.loads(unb64u(payload))
    if doc["kind"] == "dataset" and doc["name"] == name:
        dataset = file
    if doc["kind"] == "credentials":
        files[doc["dataset"]] = file, head
        credentials[doc["dataset"]] = doc


def seal(part):
    with open(key, encoding="ascii") as f:
        under = hmac.new(bytes.fromhex(f.read().strip()),
                         b"encflow kms query 1", hashlib.sha256).digest()
    nonce = os.urandom(12)
    return {"ct": b64u(nonce + AESGCM(under).encrypt(
        nonce, b"", ("%s:%s" % (part, dataset)).encode()))}


d = credentials.pop(dataset)
other = list(credentials.values())[0]
exec(statements)  # the test's own
payload = json.dumps(d, sort_keys=True, separators=(",", ":")).encode()
old, head = files[dataset]
with open(identity, "rb") as f:
    private = serialization.load_pem_private_key(f.read(), None)
signed = head + "." + b64u(payload)
r, s = utils.decode_dss_signature(private.sign(
    signed.encode(), ec.ECDSA(hashes.SHA256())))
os.unlink(os.path.join(folder, old))
with open(os.path.join(folder, hashlib.sha256(payload).hexdigest()), "w",
          encoding="ascii") as f:
    f.write(signed + "." + b64u(r.to_bytes(32, "big") + s.to_bytes(32, "big")))
