"""locations.txt, names.txt, presigned.txt: against Python's urllib
and unicodedata, and botocore's own presigned URLs."""
import datetime
import random
import re
import unicodedata
import urllib.parse

from gen_common import need, refresh
from gen_encodings import utf8_at

PLAIN = re.compile(rb"[!$-;=?-\[\]_a-z~]*")  # and no # " < > \ ^ ` { | }


def location(url):
    """(scheme, None), or (None, at), at None where nothing is told."""
    good = PLAIN.match(url).end()
    if good < len(url):
        return None, good
    if not re.match(rb"(?:https?|file)://", url):
        return None, 0
    start = url.index(b"//") + 2
    host = re.match(rb"[^/?]*", url[start:])[0]
    if b"@" in host:
        return None, start
    if url.startswith(b"file:"):
        if host not in (b"", b"localhost"):
            return None, start
        end = start + len(host)
        return ("file", None) if url[end:end + 1] == b"/" else (None, end)
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    name = re.fullmatch(rb"([\w.-]+|\[[0-9A-Za-z:.]+\])(:[0-9]+)?", host)
    if not name or port == 0:
        return None, None
    return parts.scheme.decode(), None


def check_location(r):
    scheme, at = location(r["url"])
    if r["expect"] == "ok":
        need(scheme == r["scheme"], "it is %s" % scheme)
    else:
        need(r["expect"] == "EF_E_FORMAT" and scheme is None and
             at == r.get("at"), "%s, at %s" % (scheme, at))


def make_location():
    rnd = random.Random("locations")
    for _ in range(60):
        url = rnd.choice(("https://", "https://", "http://", "file://",
                          "ftp://", "//"))
        url += rnd.choice(("", "", "", "u@", "localhost", "x:y@"))
        url += rnd.choice(("h", "a.example", "10.0.0.1", "[::1]", "", "a_b"))
        url += rnd.choice(("", "", ":443", ":0", ":99999", ":"))
        url += rnd.choice(("/", "/", "", "?")) + "".join(
            rnd.choice("abc/?&=%._~-+:@!$'()*,;[] \t#|\"") if
            rnd.randrange(12) == 0 else rnd.choice("abc/?&=%.")
            for _ in range(rnd.randrange(9)))
        scheme, at = location(url.encode())
        yield dict(source="Python urllib", url=url.encode(), at=at,
                   scheme=scheme, expect="ok" if scheme else "EF_E_FORMAT")


def name_at(name):
    """Where a name is wrong, or None."""
    if name in (b"", b".", b".."):
        return 0
    wrong = utf8_at(name)
    text = name[:wrong].decode("utf-8")
    for i, c in enumerate(text):
        if c == "/" or unicodedata.category(c) == "Cc":
            return len(text[:i].encode())
    return wrong


def check_name(r):
    at = name_at(r["text"])
    need((at is None) == (r["expect"] == "ok") and at == r.get("at"),
         "at %s" % at)


def make_name():
    rnd = random.Random("names")
    for _ in range(40):
        text = "".join(rnd.choice("ab .-_\u00e9\u20ac\U0001f602\\:*?\"<>|%'")
                       for _ in range(rnd.randrange(1, 12)))
        if rnd.randrange(2):
            i = rnd.randrange(len(text) + 1)
            text = text[:i] + rnd.choice("/\0\n\r\t\x1b\x7f\x80\x85\x9f") + \
                text[i:]
        at = name_at(text.encode())
        yield dict(source="Python unicodedata", text=text.encode(), at=at,
                   expect="ok" if at is None else "EF_E_FORMAT")


def presigned(query):
    """(version, expires, token), or None where its dates can't be read."""
    first = {}
    for item in query.split(b"&"):
        name, _, value = item.partition(b"=")
        first.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    first = {k: v for k, v in first.items() if v}
    try:
        if "X-Amz-Signature" in first:
            date = datetime.datetime.strptime(
                first["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
            need(re.fullmatch(r"\d{8}T\d{6}Z", first["X-Amz-Date"]) and
                 re.fullmatch(r"\d{1,12}", first["X-Amz-Expires"]), "digits")
            return (4, int(date.timestamp()) + int(first["X-Amz-Expires"]),
                    int("X-Amz-Security-Token" in first))
        if "Signature" in first and "Key-Pair-Id" not in first:
            need(re.fullmatch(r"\d{1,12}", first["Expires"]), "digits")
            return (2, int(first["Expires"]),
                    int("x-amz-security-token" in first))
    except Exception:  # whatever it is, its dates can't be read
        return None
    return 0, 0, 0


def check_presigned(r):
    found = presigned(r["query"])
    if r["expect"] == "ok":
        need(found == (r["version"], r["expires"], r["token"]), found)
    else:
        need(r["expect"] == "EF_E_FORMAT" and found is None, found)


def make_presigned():
    from gen_sigv import ACCESS, SECRET, sign
    rnd = random.Random("presigned")
    for i in range(40):
        version = 2 if i % 2 else 4
        now, life = rnd.randrange(4102444800), rnd.randrange(1, 604801)
        r = dict(method=rnd.choice(("GET", "PUT")), addressing="path",
                 bucket=b"bucket", key=b"a b", region=b"us-west-2", now=now,
                 access=ACCESS.encode(), secret=SECRET.encode(),
                 expires=life)
        if rnd.randrange(3) == 0:
            r["token"] = b"IQoJb3JpZ2lu/Y2+VjE="
        query = sign(version, r)["url"].partition(b"?")[2]
        yield dict(source="botocore", expect="ok", query=query,
                   version=version, token=int("token" in r),
                   expires=now + life)


if __name__ == "__main__":
    refresh("locations.txt", check_location, make_location)
    refresh("names.txt", check_name, make_name)
    refresh("presigned.txt", check_presigned, make_presigned)
