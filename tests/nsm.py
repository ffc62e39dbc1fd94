#!/usr/bin/python3
"""Makes the folder of the NSM's stand-in (nsm.c): keys, certificates, state.

    nsm.py FOLDER [--debug] [--pcr N=HEX]... [--clock SECONDS]

The certificates are as Nitro's: root, regional, zonal, instance, leaf, all
P-384, with the names, lifetimes and extensions of real ones, but from a root
of this test's own, FOLDER/root.pem. They are good from an hour ago, or from
an hour before --clock, which documents then have as their time. --debug: PCR0
to PCR2 are zeros. Needs python3-cryptography.
"""
import argparse
import datetime
import hashlib
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

INSTANCE = "i-0a1b2c3d4e5f60718"
MODULE = INSTANCE + "-enc0123456789abcdef"
REGION = "eu-central-1"
OID = x509.NameOID
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def name(cn):
    return x509.Name([
        x509.NameAttribute(OID.COUNTRY_NAME, "US"),
        x509.NameAttribute(OID.ORGANIZATION_NAME, "Amazon"),
        x509.NameAttribute(OID.ORGANIZATIONAL_UNIT_NAME, "AWS"),
        x509.NameAttribute(OID.COMMON_NAME, cn)])


def usage(*names):
    every = ("digital_signature", "content_commitment", "key_encipherment",
             "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{n: n in names for n in every})


def certificate(cn, key, issuer, issuer_key, start, life, path=None, ca=True):
    if not ca:
        use, critical = usage("digital_signature", "content_commitment"), False
    elif path == 0:
        use, critical = usage("key_cert_sign"), True
    else:
        use = usage("digital_signature", "key_cert_sign", "crl_sign")
        critical = True
    return x509.CertificateBuilder().subject_name(name(cn)).issuer_name(
        issuer).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(start).not_valid_after(
        start + life).add_extension(
        x509.BasicConstraints(ca, path), True).add_extension(
        use, critical).sign(issuer_key, hashes.SHA384())


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--debug", action="store_true")
    p.add_argument("--pcr", action="append", default=[])
    p.add_argument("--clock", type=int)
    a = p.parse_args()
    start = datetime.datetime.utcfromtimestamp(a.clock) if a.clock else \
        datetime.datetime.utcnow().replace(microsecond=0)
    start -= datetime.timedelta(hours=1)
    day = datetime.timedelta(days=1)
    levels = (("aws.nitro-enclaves", 10000 * day, None),
              ("0123456789abcdef.%s.aws.nitro-enclaves" % REGION, 20 * day, 2),
              ("fedcba9876543210.zonal.%s.aws.nitro-enclaves" % REGION,
               6 * day, 1),
              ("%s.%s.aws.nitro-enclaves" % (INSTANCE, REGION), day, 0))
    os.makedirs(os.path.join(a.folder, "chain"), exist_ok=True)
    issuer = issuer_key = None
    for i, (cn, life, path) in enumerate(levels):
        key = ec.generate_private_key(ec.SECP384R1())
        cert = certificate(cn, key, issuer or name(cn), issuer_key or key,
                           start, life, path)
        issuer, issuer_key = cert.subject, key
        write(os.path.join(a.folder, "chain/%d.der" % i),
              cert.public_bytes(DER))
        if i == 0:
            write(os.path.join(a.folder, "root.pem"), cert.public_bytes(PEM))
    key = ec.generate_private_key(ec.SECP384R1())
    cert = certificate("%s.%s.aws" % (MODULE, REGION), key, issuer, issuer_key,
                       start, 3 * datetime.timedelta(hours=1), ca=False)
    write(os.path.join(a.folder, "leaf.der"), cert.public_bytes(DER))
    write(os.path.join(a.folder, "leaf.key"), key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    pcrs = {i: bytes(48).hex() if a.debug else
            hashlib.sha384(b"pcr %d" % i).hexdigest() for i in range(3)}
    pcrs[4] = hashlib.sha384(bytes(48) + INSTANCE.encode()).hexdigest()
    for text in a.pcr:
        n, _, value = text.partition("=")
        pcrs[int(n)] = value
    lines = ["module_id " + MODULE]
    lines += ["pcr %d %s" % pcr for pcr in sorted(pcrs.items())]
    if a.clock:
        lines.append("clock %d" % (a.clock * 1000))
    write(os.path.join(a.folder, "state"),
          ("\n".join(lines) + "\n").encode())


main()
