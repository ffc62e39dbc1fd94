"""sigv4.txt, sigv2.txt, sigv4_headers.txt: against botocore, which is asked for
the whole URL, or to sign a request's headers, and watched while it signs.

encflow's own default (addressing = regional) is botocore's virtual style
where the bucket's name can be a host label, else its path style; path style
too where an endpoint is given.
"""
import datetime
import os
import random
import re
from urllib.parse import quote

for name in list(os.environ):
    if name.startswith("AWS_"):
        del os.environ[name]
# botocore's own signers, which can be watched: not awscrt's, where it is there
os.environ.update(AWS_CONFIG_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true",
                  AWS_SHARED_CREDENTIALS_FILE="/dev/null",
                  BOTO_DISABLE_CRT="true")

import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402
import botocore.session  # noqa: E402
import botocore.signers  # noqa: E402
from botocore.config import Config  # noqa: E402

from gen_common import need, refresh  # noqa: E402

ACCESS = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
NAMES = {"partNumber": "PartNumber", "uploadId": "UploadId",
         "versionId": "VersionId",
         "response-content-type": "ResponseContentType",
         "response-content-disposition": "ResponseContentDisposition",
         "response-content-encoding": "ResponseContentEncoding",
         "response-content-language": "ResponseContentLanguage",
         "response-cache-control": "ResponseCacheControl",
         "response-expires": "ResponseExpires"}
clock = [0]  # what botocore takes for the time
seen = {}  # what it made on the way
clients = {}


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return cls.utcfromtimestamp(clock[0])


class Time:
    time = staticmethod(lambda: clock[0])


class Datetime:
    datetime = Clock


def watch(cls, method, key):
    inner = getattr(cls, method)

    def outer(self, *args, **kwargs):
        seen[key] = inner(self, *args, **kwargs)
        return seen[key]
    setattr(cls, method, outer)


global_host = botocore.signers._should_use_global_endpoint


def use_global_host(client):
    """In virtual style botocore 1.29 presigns for the global host, 1.43 for
    the region's: so it is here."""
    style = client.meta.config.s3["addressing_style"]
    return style != "virtual" and global_host(client)


botocore.signers._should_use_global_endpoint = use_global_host
botocore.auth.datetime = Datetime
botocore.auth.time = Time
watch(botocore.auth.SigV4Auth, "canonical_request", "canonical")
watch(botocore.auth.SigV4Auth, "string_to_sign", "to_sign")
watch(botocore.auth.SigV4Auth, "signature", "signature")
watch(botocore.auth.HmacV1Auth, "canonical_string", "to_sign")
watch(botocore.auth.HmacV1Auth, "sign_string", "signature")


def client(version, region, endpoint, style, access, secret, token):
    key = (version, region, endpoint, style, access, secret, token)
    if key not in clients:
        clients[key] = botocore.session.Session().create_client(
            "s3", region_name=region, endpoint_url=endpoint,
            aws_access_key_id=access, aws_secret_access_key=secret,
            aws_session_token=token, config=Config(
                signature_version="s3v4" if version == 4 else "s3",
                s3={"addressing_style": style}))
    return clients[key]


def sign(version, r):
    """botocore's URL and intermediates for the record."""
    def text(name):
        return r[name].decode() if r.get(name) is not None else None
    bucket, style = text("bucket"), r["addressing"]
    if style == "regional":
        style = "virtual" if LABEL.fullmatch(bucket) and \
            text("endpoint") is None else "path"
    params = {"Bucket": bucket, "Key": text("key")}
    for item in (text("query") or "").splitlines():
        name, value = item.split("=", 1)
        params[NAMES[name]] = int(value) if name == "partNumber" else value
    method = {"GET": "get_object", "PUT": "put_object"}[r["method"]]
    if "PartNumber" in params and r["method"] == "PUT":
        method = "upload_part"
    clock[0] = r["now"]
    seen.clear()
    url = client(version, text("region") or "us-east-1", text("endpoint"),
                 style, text("access"), text("secret"),
                 text("token")).generate_presigned_url(
                     method, Params=params, ExpiresIn=r["expires"])
    out = {k: v.encode() for k, v in seen.items()}
    out["url"] = url.encode()
    return out


def sign_any(version, r):
    """The same for parameters that are none of botocore's operations: its
    signer is given the URL. encflow writes "acl=" where botocore writes
    "acl", and SigV2 signs "acl" for both, as the stores do."""
    url = sign(version, dict(r, query=None))["url"].decode()
    place, _, own = url.partition("?")
    given = "&".join("=".join(quote(x, "-._~") for x in item.split("=", 1))
                     for item in r["query"].decode().splitlines())
    keys = botocore.credentials.Credentials(
        r["access"].decode(), r["secret"].decode())
    seen.clear()
    if version == 2:
        signer = botocore.auth.HmacV1QueryAuth(keys, r["expires"])
        bare = re.sub("=(?=&|$)", "", given)
        request = botocore.awsrequest.AWSRequest(
            r["method"], url=place + "?" + bare,
            auth_path="/%s/%s" % (r["bucket"].decode(), r["key"].decode()))
        signer.add_auth(request)
        url = request.url.replace("?" + bare, "?" + given)
    else:
        signer = botocore.auth.S3SigV4QueryAuth(
            keys, "s3", r["region"].decode(), r["expires"])
        request = botocore.awsrequest.AWSRequest(
            r["method"], url="%s?%s&%s" % (
                place, given, own.partition("&X-Amz-Signature=")[0]))
        request.context["timestamp"] = Clock.utcnow().strftime(
            botocore.auth.SIGV4_TIMESTAMP)
        signer.signature(signer.string_to_sign(
            request, signer.canonical_request(request)), request)
        url = request.url + "&X-Amz-Signature=" + seen["signature"]
    return dict({k: v.encode() for k, v in seen.items()}, url=url.encode())


HEADERS = ("x-amz-content-sha256", "x-amz-date", "x-amz-security-token",
           "Authorization")


def sign_headers(r):
    """botocore's signature in headers, of the place that it presigns for; the
    parameters stay in their order in the URL, and are sorted to be signed."""
    place = sign(4, dict(r, method="GET", query=None, expires=60))["url"]
    place = place.decode().partition("?")[0]
    given = "&".join("=".join(quote(x, "-._~") for x in item.split("=", 1))
                     for item in (r.get("query") or b"").decode().splitlines())
    url = place + ("?" + given if given else "")
    signer = botocore.auth.S3SigV4Auth(
        botocore.credentials.Credentials(
            r["access"].decode(), r["secret"].decode(),
            r["token"].decode() if r.get("token") else None),
        "s3", r["region"].decode())
    request = botocore.awsrequest.AWSRequest(r["method"], url=url)
    request.context["client_config"] = Config(
        s3={"payload_signing_enabled": False})
    seen.clear()
    signer.add_auth(request)
    lines = "".join("%s:%s\n" % (name, request.headers[name])
                    for name in HEADERS if name in request.headers)
    return dict({k: v.encode() for k, v in seen.items()}, url=url.encode(),
                headers=lines.encode())


def known(r):
    """Are all parameters those of an operation that sign() asks for?"""
    return all(item.split("=")[0] in NAMES
               for item in (r.get("query") or b"").decode().splitlines())


def check(version):
    def one(r):
        if r["expect"] != "ok":
            need(r["expect"] in ("EF_E_FORMAT", "EF_E_LIMIT",
                                 "EF_E_POLICY"), "expect")
            return
        got = (sign if known(r) else sign_any)(version, r)
        for name in ("canonical", "to_sign", "signature", "url"):
            if r.get(name) is not None:
                need(got[name] == r[name], "%s is %r" % (name, got[name]))
            else:
                need(version == 2 and name == "canonical", "lacks " + name)
    return one


def check_headers(r):
    if r["expect"] != "ok":
        need(r["expect"] in ("EF_E_FORMAT", "EF_E_LIMIT", "EF_E_POLICY"),
             "expect")
        return
    got = sign_headers(r)
    for name in ("canonical", "to_sign", "signature", "url", "headers"):
        need(got[name] == r[name], "%s is %r" % (name, got[name]))


KEYS = ("test.txt", "a b", "a+b", "100%", "a%20b", "~a~", "a//b", "a/../b",
        "./a", "a/", "=&?#", "[]{}|\\^`\"<>", "!'()*", ":@$,;", "\u00e9.csv",
        "\u65e5\u672c/\U0001f602", "e\u0301", "conditions.csv.enc",
        "x" * 300, "\x7f", "a\tb", "\u00a0")
BUCKETS = ("examplebucket", "my-bucket", "abc", "a1b2c3", "x" * 63)
ODD = ("my.bucket", "www.example.com", "under_score", "Upper", "a.b",
       "trailing-.x", "192.168.5.4")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1",
           "ap-southeast-2", "sa-east-1", "cn-north-1", "us-gov-west-1")
ENDPOINTS = ("http://127.0.0.1:9000", "https://s3.example.com",
             "http://localhost:9000/", "https://store.example.com:8443",
             "http://[::1]:9000", "https://s3.example.com:443")


def query(rnd, method):
    if method == "PUT":
        return ("partNumber=%d\nuploadId=%s" % (
            rnd.randrange(1, 10001), rnd.choice(("x.y_z-~", "VXBs/A+=")))
                if rnd.randrange(3) == 0 else None)
    items = [
        "versionId=" + rnd.choice(("null", "3/L4kqt+JlcpXroDTDmJ=")),
        "response-content-type=text/csv; charset=utf-8",
        "response-content-disposition=attachment; filename=\"a b.csv\"",
        "response-content-language=de",
        "response-cache-control=no-cache, max-age=0",
        "partNumber=7"]
    picked = rnd.sample(items, rnd.randrange(len(items)))
    # botocore writes them in its own model's order.
    model = client(4, "us-east-1", None, "auto", ACCESS, SECRET, None).meta \
        .service_model.operation_model("GetObject").input_shape.members
    picked.sort(key=lambda x: list(model).index(NAMES[x.split("=")[0]]))
    return "\n".join(picked) or None


def make(version):
    def some():
        rnd = random.Random("sigv%d" % version)
        for i in range(60):
            r = dict(source="botocore", expect="ok", addressing="regional",
                     method=rnd.choice(("GET", "PUT")), access=ACCESS,
                     secret=SECRET, bucket=rnd.choice(BUCKETS),
                     key=KEYS[i % len(KEYS)], region=rnd.choice(REGIONS),
                     now=rnd.randrange(0, 4102444800),
                     expires=rnd.choice((1, 60, 3600, 86400, 604800)))
            if i % 5 == 1:
                r["token"] = "IQoJb3JpZ2lu/Y2+VjE=" * rnd.randrange(1, 4)
            if i % 5 == 2:
                r["endpoint"] = rnd.choice(ENDPOINTS)
            if i % 5 == 3:
                r["bucket"] = rnd.choice(ODD[:5])
            if i % 3 == 0:
                r["query"] = query(rnd, r["method"])
            if i % 4 == 3:
                r["addressing"] = rnd.choice(("auto", "virtual", "path"))
            if i % 7 == 6:
                r["access"] = "AKIDEXAMPLE"
                r["secret"] = "%032x/+=" % rnd.getrandbits(128)
            for name in ("access", "secret", "token", "bucket", "key",
                         "region", "endpoint", "query"):
                if r.get(name) is not None:
                    r[name] = r[name].encode()
            r.update(sign(version, r))
            yield r
    return some


REQUESTS = (("GET", None), ("HEAD", None), ("PUT", None),
            ("POST", "uploads="), ("PUT", "partNumber=%d\nuploadId=%s"),
            ("PUT", "uploadId=%s\npartNumber=%d"), ("POST", "uploadId=%s"),
            ("DELETE", "uploadId=%s"), ("GET", "versionId=%s"))


def make_headers():
    """What an upload in parts and a download ask for."""
    rnd = random.Random("sigv4 headers")
    for i in range(60):
        method, text = REQUESTS[i % len(REQUESTS)]
        values = {"%s": rnd.choice(("x.y_z-~", "VXBs/A+=", "2~abc", "a b")),
                  "%d": str(rnd.randrange(1, 10001))}
        r = dict(source="botocore", expect="ok", method=method, access=ACCESS,
                 secret=SECRET, addressing=rnd.choice(("regional", "path")),
                 bucket=rnd.choice(BUCKETS), key=KEYS[i % len(KEYS)],
                 region=rnd.choice(REGIONS), now=rnd.randrange(0, 4102444800))
        if text is not None:
            r["query"] = re.sub("%[sd]", lambda m: values[m[0]], text)
        if i % 4 == 1:
            r["token"] = "IQoJb3JpZ2lu/Y2+VjE=" * rnd.randrange(1, 4)
        if i % 5 == 2:
            r["endpoint"] = rnd.choice(ENDPOINTS)
        if i % 5 == 3:
            r["bucket"] = rnd.choice(ODD[:5])
        if i % 7 == 3:
            r["addressing"] = rnd.choice(("auto", "virtual"))
        if i % 7 == 6:
            r["access"] = "AKIDEXAMPLE"
            r["secret"] = "%032x/+=" % rnd.getrandbits(128)
        for name in ("access", "secret", "token", "bucket", "key", "region",
                     "endpoint", "query"):
            if r.get(name) is not None:
                r[name] = r[name].encode()
        r.update(sign_headers(r))
        yield r


if __name__ == "__main__":
    refresh("sigv4.txt", check(4), make(4))
    refresh("sigv2.txt", check(2), make(2))
    refresh("sigv4_headers.txt", check_headers, make_headers)
