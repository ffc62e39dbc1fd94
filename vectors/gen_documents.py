"""credentials.txt, result.txt and receipts.txt: against Python's json and
base64, used as the reference's own scripts use them."""
import base64
import binascii
import hashlib
import json
import random
import re
import string

from gen_common import need, refresh
from gen_json import verdict
from gen_workflow import canonical, file_name, hash_of


def strict_base64(text):
    data = base64.b64decode(text.encode("ascii"), validate=True)
    need(base64.b64encode(data).decode() == text, "unused bits")
    return data


def once(pairs):
    need(len(dict(pairs)) == len(pairs), "a name twice")
    return dict(pairs)


def check_at(r):
    """at is given where the text is no JSON, and then right."""
    wrong = verdict(r["json"])
    need(wrong is None or wrong[1] == r.get("at"), "at %s" % (wrong,))


def credentials(text):
    """(key, query), or an exception."""
    doc = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    need(isinstance(doc, dict) and
         set(doc) <= {"query_string", "encryption"}, "members")
    need(isinstance(doc["encryption"], dict) and
         set(doc["encryption"]) == {"key"}, "members of encryption")
    key = doc["encryption"]["key"].rstrip()
    need(len(key) == 64 and all(c in string.hexdigits for c in key), "key")
    query = strict_base64(doc.get("query_string", ""))
    need(re.fullmatch(rb"[!$-\[\]-~]*", query) and query[:1] != b"?", "query")
    return bytes.fromhex(key), query


def credentials_text(key, query):
    return json.dumps({
        "query_string": base64.b64encode(query).decode(),
        "encryption": {"key": key.hex().upper()}}).encode()


def check_credentials(r):
    try:
        key, query = credentials(r["json"])
    except (Exception, binascii.Error) as e:
        need(r["expect"] == "EF_E_FORMAT", "refused: %r" % e)
        check_at(r)
        return
    need(r["expect"] == "ok" and key == r["key"] and
         query == r.get("query", b""), "taken, or differs")
    need(r["printed"] == credentials_text(key, query), "printed")


def make_credentials():
    rnd = random.Random("credentials")
    for n in (0, 1, 2, 3, 20, 60, 61, 62, 300, 1000):
        key = rnd.randbytes(32)
        query = "".join(rnd.choice(string.ascii_letters + string.digits +
                                   "-._~%&=+/") for _ in range(n)).encode()
        text = credentials_text(key, query)
        yield dict(source="Python json.dumps", expect="ok", json=text,
                   key=key, query=query, printed=text)


def result_text(returncode, out, err, receipt=None):
    """What utils.py of the reference uploads; behind it the receipt."""
    text = json.dumps({
        "returncode": returncode,
        "stdout": base64.b64encode(out).decode("ascii"),
        "stderr": base64.b64encode(err).decode("ascii")}).encode()
    if receipt is None:
        return text
    return text[:-1] + b', "attestation": ' + receipt + b"}"


def result(text):
    doc = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    code = doc["returncode"]
    need(type(code) is int and -127 <= code <= 255, "returncode")
    return code, strict_base64(doc["stdout"]), strict_base64(doc["stderr"])


def check_result(r):
    try:
        got = result(r["json"])
    except (Exception, binascii.Error) as e:
        need(r["expect"] == "EF_E_FORMAT", "refused: %r" % e)
        check_at(r)
        return
    need(r["expect"] == "ok", "taken")
    need(got == (r["returncode"], r["out"], r["err"]), "differs")
    text = result_text(*got, r.get("receipt"))
    need((r["json"] == text) == (r["op"] == "both"), "op")
    doc = json.loads(r["json"].decode("utf-8"))
    need(("receipt" in r) == ("attestation" in doc), "receipt")
    need("receipt" not in r or json.loads(r["receipt"].decode("utf-8")) ==
         doc["attestation"], "another receipt")
    need(r["digest"] == hashlib.sha256(result_text(*got)).digest(), "digest")


def make_result():
    rnd = random.Random("result")
    for code, n, m in ((0, 0, 0), (0, 1, 0), (1, 2, 0), (2, 3, 1), (-9, 4, 2),
                       (255, 5, 3), (-15, 100, 0), (127, 0, 100),
                       (254, 50, 49), (-127, 51, 52),
                       (0, 1000, 999)):
        out, err = rnd.randbytes(n), rnd.randbytes(m)
        receipt = None if n % 2 else receipt_text(receipt_of(rnd, n % 5))
        r = dict(source="Python json.dumps", op="both", expect="ok",
                 returncode=code, out=out, err=err,
                 digest=hashlib.sha256(result_text(code, out, err)).digest(),
                 json=result_text(code, out, err, receipt))
        yield dict(r, receipt=receipt) if receipt else r


MAX_DOCUMENT = 16640  # EF_MAX_ATTESTATION_BYTES


def receipt_of(rnd, inputs, document=12):
    return {"appconfig": rnd.randbytes(32).hex(),
            "inputs": {rnd.choice(("patients", "a b", "\u00e4", '"', "x")) +
                       str(i): rnd.randbytes(32).hex() for i in range(inputs)},
            "output": rnd.randbytes(32).hex(),
            "document": base64.b64encode(rnd.randbytes(document)).decode()}


def receipt_text(receipt):
    return json.dumps(receipt, ensure_ascii=False,
                      separators=(",", ":")).encode()


def receipt(text):
    """(user_data, document), or an exception."""
    doc = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    need(isinstance(doc, dict) and set(doc) ==
         {"appconfig", "document", "inputs", "output"}, "members")
    for name in ("appconfig", "output"):
        need(hash_of(doc[name]) and doc[name].encode() in text, name)
    need(isinstance(doc["inputs"], dict) and len(doc["inputs"]) <= 1024 and
         all(file_name(k) and len(k.encode()) <= 255 and hash_of(v)
             for k, v in doc["inputs"].items()), "inputs")
    need(doc["document"].encode() in text, "escapes")
    document = strict_base64(doc.pop("document"))
    return hashlib.sha256(canonical(doc)).digest(), document


def check_receipt(r):
    try:
        user_data, document = receipt(r["text"])
    except (Exception, binascii.Error) as e:
        need(r["expect"] in ("EF_E_FORMAT", "EF_E_LIMIT"), "refused: %r" % e)
        return
    if len(document) > MAX_DOCUMENT + 2:
        need(r["expect"] == "EF_E_LIMIT", "too large")
        return
    need(r["expect"] == "ok" and r["user_data"] == user_data and
         r["document"] == document, "differs")


def make_receipt():
    rnd = random.Random("receipt")
    for inputs, n in ((0, 1), (1, 2), (2, 3), (3, 100), (5, 5000),
                      (1, MAX_DOCUMENT), (1, MAX_DOCUMENT + 3)):
        of = receipt_of(rnd, inputs, n)
        text = receipt_text(of)
        if inputs == 3:  # any JSON of it is the same
            text = json.dumps(dict(reversed(of.items())), indent=1).encode()
        if n > MAX_DOCUMENT + 2:
            yield dict(source="Python json", expect="EF_E_LIMIT", text=text,
                       place=b"$.document (JSON pointer /document)",
                       msg=b"a document larger than EF_MAX_ATTESTATION_BYTES "
                           b"(%d)" % MAX_DOCUMENT)
            continue
        user_data, document = receipt(text)
        yield dict(source="Python json", expect="ok", text=text,
                   user_data=user_data, document=document)


if __name__ == "__main__":
    refresh("credentials.txt", check_credentials, make_credentials)
    refresh("result.txt", check_result, make_result)
    refresh("receipts.txt", check_receipt, make_receipt)
