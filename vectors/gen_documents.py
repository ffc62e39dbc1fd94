"""credentials.txt and result.txt: against Python's json and base64, used as
the reference's own scripts use them."""
import base64
import binascii
import json
import random
import re
import string

from gen_common import need, refresh
from gen_json import verdict


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


def result_text(returncode, out, err):
    """What utils.py of the reference uploads."""
    return json.dumps({
        "returncode": returncode,
        "stdout": base64.b64encode(out).decode("ascii"),
        "stderr": base64.b64encode(err).decode("ascii")}).encode()


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
    need((r["json"] == result_text(*got)) == (r["op"] == "both"), "op")


def make_result():
    rnd = random.Random("result")
    for code, n, m in ((0, 0, 0), (0, 1, 0), (1, 2, 0), (2, 3, 1), (-9, 4, 2),
                       (255, 5, 3), (-15, 100, 0), (127, 0, 100),
                       (254, 50, 49), (-127, 51, 52),
                       (0, 1000, 999)):
        out, err = rnd.randbytes(n), rnd.randbytes(m)
        yield dict(source="Python json.dumps", op="both", expect="ok",
                   returncode=code, out=out, err=err,
                   json=result_text(code, out, err))


if __name__ == "__main__":
    refresh("credentials.txt", check_credentials, make_credentials)
    refresh("result.txt", check_result, make_result)
