#!/usr/bin/python3
"""`encflow presign` beside botocore, through the command line.

    presign_cases.py table TSV              every row of the table of URLs
    presign_cases.py random SEED COUNT      cases made here, URLs by botocore
    presign_cases.py botocore TSV           botocore itself on that table

Environment ENCFLOW: the binary. Exit 1 when any URL differs; the first ten
are shown. botocore makes no request: presigning needs no network, and the
clock it reads is replaced.
"""

import concurrent.futures
import datetime
import os
import random
import re
import subprocess
import sys
import tempfile
import types
import urllib.parse

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOME = tempfile.mkdtemp(dir=os.environ.get("BATS_TEST_TMPDIR"))

# --query names and what botocore calls them
PARAMETERS = {
    "versionId": "VersionId",
    "partNumber": "PartNumber",
    "uploadId": "UploadId",
    "response-content-type": "ResponseContentType",
    "response-content-disposition": "ResponseContentDisposition",
    "response-cache-control": "ResponseCacheControl",
    "response-content-encoding": "ResponseContentEncoding",
    "response-content-language": "ResponseContentLanguage",
    "response-expires": "ResponseExpires",
}


class Case(types.SimpleNamespace):
    """One URL to make: what the columns of the table say.

    label, v2, upload, bucket, key, expires, region, endpoint (or None),
    style (None: encflow's own default), now, query [(name, value)],
    access, secret, token (or None)
    """


def aws_file(case, keys, region=None, endpoint=None):
    """Write a credentials file; returns its path."""
    lines = ["# not for use", "[%s]" % case.label]
    if keys:
        lines += ["aws_access_key_id = " + case.access,
                  "aws_secret_access_key=" + case.secret]
        if case.token:
            lines.append("aws_session_token = " + case.token)
    if region:
        lines.append("region = " + region)
    if endpoint:
        lines.append("endpoint_url = " + endpoint)
    path = os.path.join(HOME, case.label)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def command(case, choice):
    """(argv, environment) that ask encflow for the case's URL.

    Whatever can be said in more than one way is said in the way that choice
    (a random.Random) picks.
    """
    environment = {"HOME": HOME, "LC_ALL": "C.UTF-8"}
    options = ["--at", choice.choice([
        str(case.now),
        timestamp(case.now, "%Y%m%dT%H%M%SZ"),
        timestamp(case.now, "%Y-%m-%dT%H:%M:%SZ"),
    ])]
    in_file = {}
    for name, value, variables in (
        ("region", case.region, ["AWS_REGION", "AWS_DEFAULT_REGION"]),
        ("endpoint-url", case.endpoint,
         ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
    ):
        way = choice.randrange(4)
        if value is None:
            pass
        elif way == 0:
            environment[choice.choice(variables)] = value
        elif way == 1:
            in_file[name.partition("-")[0]] = value
        elif way == 2:
            options += ["--" + name, value]
        else:
            options.append("--%s=%s" % (name, value))

    # A setting in a file needs a profile to stand in. A value with a line
    # break or blanks around it cannot stand in a file.
    token = case.token or ""
    profile = "default"
    if in_file or (choice.randrange(2) and token == token.strip()):
        profile = case.label
        path = aws_file(case, True, **in_file)
        environment["AWS_SHARED_CREDENTIALS_FILE"] = path
    else:
        environment["AWS_ACCESS_KEY_ID"] = case.access
        environment["AWS_SECRET_ACCESS_KEY"] = case.secret
        if case.token:
            environment["AWS_SESSION_TOKEN"] = case.token
    if case.v2:
        options.append("--sigv2")
    if case.style:
        options += ["--addressing", case.style]
    for pair in case.query:
        options += ["--query", "%s=%s" % pair]

    folder, file = choice.choice(["s3://", ""]) + case.bucket, case.key
    cuts = [m.start() for m in re.finditer("(?<=[^/])/(?=[^/])", case.key)]
    if cuts and case.key[0] != "/" and choice.randrange(2):
        cut = choice.choice(cuts)
        folder += "/" + case.key[:cut]
        file = case.key[cut + 1:]
    if "\0" in file or choice.randrange(8) == 0:
        file = urllib.parse.quote(file)  # no argument can hold a NUL
        options.append("--encoded")
    positionals = [profile, "upload" if case.upload else "download", folder,
                   file, str(case.expires)]
    if any(p.startswith("-") for p in positionals):
        argv = options + ["--"] + positionals
    else:
        argv = choice.choice([options + positionals, positionals + options])
    return [os.environ["ENCFLOW"], "presign", *argv], environment


def timestamp(seconds, form):
    epoch = datetime.datetime(1970, 1, 1)
    return (epoch + datetime.timedelta(seconds=seconds)).strftime(form)


def ask_encflow(case):
    """The URL that encflow prints, or what it did instead."""
    argv, environment = command(case, random.Random(case.label))
    done = subprocess.run(argv, env=environment, capture_output=True,
                          check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return "exit %d: %s" % (done.returncode, done.stderr.decode())
    return done.stdout.decode(errors="backslashreplace")


class Botocore:
    """botocore with a clock that stands still and no network in reach."""

    def __init__(self):
        # Where awscrt is installed (awscli brings it) botocore signs with
        # that instead, which has a clock of its own.
        os.environ["BOTO_DISABLE_CRT"] = "true"
        import botocore.auth
        import botocore.session
        import botocore.signers

        self.now = 0
        oracle = self

        class Clock(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return cls.utcfromtimestamp(oracle.now)

        botocore.auth.datetime = types.SimpleNamespace(datetime=Clock)
        botocore.auth.time = types.SimpleNamespace(time=lambda: self.now)

        # Since 1.34 addressing_style=virtual means the regional host also in
        # presigned URLs; 1.29 still has the global one there.
        decide = botocore.signers._should_use_global_endpoint
        botocore.signers._should_use_global_endpoint = lambda client: (
            client.meta.config.s3.get("addressing_style") != "virtual"
            and decide(client))

        self.library = botocore
        for name in [name for name in os.environ if name[:4] == "AWS_"]:
            del os.environ[name]
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        self.session = botocore.session.Session()
        self.clients = {}

    def client(self, *key):
        if key not in self.clients:
            region, endpoint, style, v2 = key
            self.clients[key] = self.session.create_client(
                "s3", region_name=region, endpoint_url=endpoint,
                aws_access_key_id="id", aws_secret_access_key="secret",
                config=self.library.config.Config(
                    signature_version="s3" if v2 else "s3v4",
                    s3={"addressing_style": style}))
        return self.clients[key]

    def url(self, case):
        style = case.style
        if style is None:  # encflow's own default, in botocore's words
            virtual = re.fullmatch("[a-z0-9][a-z0-9-]+[a-z0-9]", case.bucket)
            fits = virtual and len(case.bucket) <= 63 and not case.endpoint
            style = "virtual" if fits else "path"
        if case.endpoint and re.search(r"//(\[|[0-9.]+(:|/|$))", case.endpoint):
            # No name stands before an address. botocore knows, but forgets it
            # for IPv6 and for buckets with dots.
            style = "path"
        client = self.client(case.region, case.endpoint, style, case.v2)
        client._request_signer._credentials = (
            self.library.credentials.Credentials(
                case.access, case.secret, case.token))
        self.now = case.now
        parameters = {"Bucket": case.bucket, "Key": case.key}
        for name, value in case.query:
            number = name == "partNumber"
            parameters[PARAMETERS[name]] = int(value) if number else value
        operation = "get_object"
        if case.upload:
            part = "UploadId" in parameters
            operation = "upload_part" if part else "put_object"
        return client.generate_presigned_url(
            operation, Params=parameters, ExpiresIn=case.expires)


def table(path):
    """(case, expected URL) of every row that a command line can carry."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file
                if not line.startswith("#")]
    names = rows.pop(0)
    for row in rows:
        row = dict(zip(names, row))
        query = [pair.split("=", 1) for pair in row["extra"].split("&") if pair]
        case = Case(
            label=row["id"], v2=row["sigver"] == "v2",
            upload=row["method"] == "PUT", bucket=row["bucket"],
            key=bytes.fromhex(row["key_hex"]).decode(),
            expires=int(row["expires"]), region=row["region"],
            endpoint=None if row["endpoint"] == "-" else row["endpoint"],
            style=row["style"], now=int(row["now"]),
            query=[(n, urllib.parse.unquote(v)) for n, v in query],
            access=ACCESS_KEY, secret=SECRET_KEY,
            token=bytes.fromhex(row["token_hex"]).decode() or None)
        yield case, row["expected_url"]


REGIONS = """us-east-1 us-east-1 us-east-1 us-east-2 us-west-1 us-west-2
    eu-west-1 eu-central-1 eu-south-2 ap-southeast-2 sa-east-1 me-south-1
    cn-north-1 cn-northwest-1 us-gov-west-1 us-gov-east-1 us-iso-east-1
    us-iso-west-1 us-isob-east-1 xx-new-7""".split()
ENDPOINTS = """http://127.0.0.1:9000 http://localhost:9000 http://[::1]:9000
    https://minio.example.com https://minio.example.com:443
    http://minio.example.com:80 https://minio.example.com:8443
    https://s3.example.com/ https://s3.example.com/prefix
    https://s3.example.com:9000/pre/fix/ http://HOST.Example.COM:9000
    https://10.1.2.3 https://a-b.c--d.example""".split()
STYLES = [None, None, "auto", "virtual", "path"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ODD = ("/ . .. // % %20 %2F + & = ? # ; : , @ ! $ ' ( ) * [ ] { } < > | \\ ^"
       " ` ~ - _ \" \t \n \r \x01 \x7f").split(" ") + [
    " ", "  ", "é", "e\u0301", "ß", "データ", "\u200b", "\ufeff", "\ud7ff",
    "\U0001f600", "\U0010ffff", "?acl", "?versionId=1", "-", "--"]


def word(rng, letters, low, high):
    return "".join(rng.choice(letters) for _ in range(rng.randint(low, high)))


def some_text(rng, pieces):
    return "".join(
        rng.choice(ODD) if rng.random() < 0.5 else word(rng, LETTERS, 1, 9)
        for _ in range(rng.randint(1, pieces)))


def some_bucket(rng):
    inner = LETTERS + "-"
    plain = rng.choice(LETTERS) + word(rng, inner, 1, 20) + rng.choice(LETTERS)
    kind = rng.randrange(12)
    if kind == 0:
        return plain + "." + word(rng, LETTERS, 1, 8)
    if kind == 1:
        return plain + "_" + word(rng, LETTERS, 1, 8)
    if kind == 2:
        return word(rng, LETTERS, 64, 80)
    if kind == 3:
        return rng.choice(["-" + plain, plain + "-", "192.168.5.4", "a..b"])
    if kind == 4:
        return word(rng, LETTERS, 63, 63)
    return plain


def some_query(rng, upload):
    if rng.random() < 0.7:
        return []
    if upload:
        pairs = [("partNumber", str(rng.randint(1, 10000))),
                 ("uploadId", some_text(rng, 4))]
    else:
        names = [name for name in PARAMETERS
                 if name not in ("uploadId", "response-expires")]
        pairs = [(name, some_text(rng, 4))
                 for name in rng.sample(names, rng.randint(1, 3))]
        pairs = [(n, str(rng.randint(1, 10000)) if n == "partNumber" else v)
                 for n, v in pairs]
    rng.shuffle(pairs)
    return pairs


def some_case(rng, number):
    upload = rng.random() < 0.5
    base64_letters = LETTERS + LETTERS.upper() + "+/"
    key = some_text(rng, rng.choice([3, 3, 3, 12, 60])).encode()[:1024]
    endpoint = rng.choice(ENDPOINTS) if rng.random() < 0.3 else None
    return Case(
        label="r%04d" % number, v2=rng.random() < 0.4, upload=upload,
        bucket=some_bucket(rng), key=key.decode(errors="ignore"),
        expires=rng.choice([1, 60, 604800, rng.randint(1, 604800)]),
        region=rng.choice(REGIONS), endpoint=endpoint,
        style=rng.choice(STYLES), query=some_query(rng, upload),
        now=rng.choice([rng.randrange(2**31), rng.randrange(2**33),
                        951782399, 1709164800]),
        access=word(rng, LETTERS.upper(), 16, 24),
        secret=word(rng, base64_letters, 40, 40),
        token=rng.choice([None, None, word(rng, base64_letters, 20, 900) +
                          rng.choice(["", "=", "=="])]))


def known_to(botocore, case):
    """Whether this botocore's list of regions has the case's partition."""
    known = not re.match("us-isof|eu-isoe|eusc", case.region)
    if not known:
        print("# row %s left out: a region newer than botocore %s"
              % (case.label, botocore.library.__version__))
    return known


def random_pairs(botocore, seed, count):
    """count (case, botocore's URL)."""
    rng = random.Random(seed)
    for number in range(count):
        case = some_case(rng, number)
        yield case, botocore.url(case)


def compare(pairs, ask, workers):
    """Print what differs; the exit status."""
    pairs = list(pairs)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(ask, [case for case, _ in pairs]))
    wrong = [(case, want, got) for (case, want), got in zip(pairs, answers)
             if got != want + "\n"]
    for case, want, got in wrong[:10]:
        print("%s\n  want %s\n  got  %s" % (vars(case), want, got.rstrip("\n")))
    print("%d URLs, %d differ" % (len(pairs), len(wrong)))
    return 1 if wrong or not pairs else 0


def main(mode, *arguments):
    workers = os.cpu_count()
    if mode == "table":
        return compare(table(arguments[0]), ask_encflow, workers)
    botocore = Botocore()
    if mode == "botocore":
        rows = [pair for pair in table(arguments[0])
                if known_to(botocore, pair[0])]
        return compare(rows, lambda case: botocore.url(case) + "\n", 1)
    seed, count = map(int, arguments)
    return compare(random_pairs(botocore, seed, count), ask_encflow, workers)


sys.exit(main(*sys.argv[1:]))
