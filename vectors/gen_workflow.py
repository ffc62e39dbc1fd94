"""documents.txt, states.txt, appconfigs.txt: by json, hashlib and cryptography.

Written from the manual page's chapter DOCUMENTS: what a document of each kind
may hold, what a set of them comes to, and what one application is run with.
"""
import base64
import hashlib
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    encode_dss_signature)

from gen_common import Bad, need, refresh


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64(data) == text, "another spelling of base64url")
    return data


def canonical(value):
    """RFC 8785 for what documents hold: whole numbers, names in ASCII or of
    the basic plane, where Python's order of names is that of UTF-16."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode()


def private_key(who):
    """The people of the stories: a scalar that is the hash of a name."""
    digest = hashlib.sha256(b"person " + who.encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest, "big"),
                                 ec.SECP256R1())


def jwk(who):
    n = private_key(who).public_key().public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": b64(n.x.to_bytes(32, "big")),
            "y": b64(n.y.to_bytes(32, "big"))}


def kid(who, known={}):
    if who not in known:
        known[who] = b64(hashlib.sha256(canonical(jwk(who))).digest())
    return known[who]


# --- what may stand in a document ---------------------------------------------


def unique(pairs):
    names = [name for name, _ in pairs]
    need(len(set(names)) == len(names), "a name twice")
    return dict(pairs)


def load(text):
    value = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    need(canonical(value) == text, "not canonical")
    return value


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def is_text(v, most, bad, least=0):
    return (isinstance(v, str) and least <= len(v.encode()) <= most and
            not bad.search(v))


def line(v):
    return is_text(v, 255, CONTROL, 1)


def value_text(v):
    return is_text(v, 255, CONTROL)


def text_of(v):
    return is_text(v, 4096, HIDDEN)


def long_text(v):
    return is_text(v, 65536, HIDDEN)


def file_name(v):
    return line(v) and v not in (".", "..") and "/" not in v


def digits(n):
    return lambda v: isinstance(v, str) and re.fullmatch(
        "[0-9a-f]{%d}" % n, v) is not None


hash_of, pcr = digits(64), digits(96)


def coded(least, most):
    def ok(v):
        try:
            return isinstance(v, str) and least <= len(unb64(v)) <= most
        except (Bad, ValueError):
            return False
    return ok


def number(lo, hi):
    return lambda v: type(v) is int and lo <= v <= hi


def one_of(*words):
    return lambda v: v in words


def location(v):
    return (isinstance(v, str) and len(v) <= 8192 and re.fullmatch(
        r"(https?://[A-Za-z0-9.-]+(:[0-9]+)?/|file:///)[!-~]*", v) is not None
        and not re.search(r"[?#]", v))


def domain(v):
    m = re.fullmatch(r"([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?", v) if (
        isinstance(v, str)) else None
    return m is not None and 1 <= int(m[2] or 1) <= 65535


def item_path(v):
    return (isinstance(v, str) and v.startswith("/opt/fortanix/") and
            len(v.encode()) <= 4096 and
            all(file_name(part) for part in v.split("/")[3:]))


def item(v):
    try:
        return isinstance(v, str) and base64.b64encode(
            base64.b64decode(v, validate=True)).decode() == v
    except ValueError:
        return False


def many(rule, lo, hi):
    return lambda v: (isinstance(v, list) and lo <= len(v) <= hi and
                      all(map(rule, v)))


def named(name, rule, lo, hi):
    return lambda v: (isinstance(v, dict) and lo <= len(v) <= hi and
                      all(map(name, v)) and all(map(rule, v.values())))


def record(**rules):
    """Members whose name ends in _ may be left out."""
    rules = {k: v for k, v in rules.items()}

    def ok(v):
        if not isinstance(v, dict):
            return False
        for name, rule in rules.items():
            plain = name.rstrip("_")
            if plain in v and not rule(v[plain]):
                return False
            if plain not in v and plain == name:
                return False
        return set(v) <= {name.rstrip("_") for name in rules}
    return ok


def any_key(v):
    return v in [jwk(who) for who in "ABCDEF"]


TIME = number(0, 253402300799)
NEED = number(1, 1024)
KID = coded(32, 32)
SEALED = record(ct=coded(16, 8192 + 16), enc_=coded(32, 32))
KMS = re.compile(
    r"arn:(?:aws|aws-cn|aws-us-gov|aws-iso|aws-iso-b):kms:[A-Za-z0-9-]{1,32}"
    r":[0-9]{12}:key/[A-Za-z0-9-]{1,128}")
PEOPLE = many(KID, 1, 1024)
LABELS = named(line, value_text, 0, 1024)
MEASUREMENTS = many(record(PCR0=pcr, PCR1=pcr, PCR2=pcr, PCR8_=pcr), 1, 64)
COMMAND = many(text_of, 1, 1024)
DOMAINS = many(domain, 0, 1024)
ITEMS = named(item_path, item, 0, 1024)
SIZE = number(28, (1 << 36) - 32 + 28)
GRAPH = dict(
    apps=named(file_name, record(build=hash_of, config=hash_of), 0, 64),
    connections=many(record(app=file_name, dataset=file_name,
                            port=file_name), 0, 4096),
    datasets=named(file_name, hash_of, 0, 1024),
    description_=text_of, expires_=TIME, group_=line, name=line,
    replaces_=hash_of)
KINDS = dict(
    identity=dict(key=any_key, name=line),
    dataset=dict(commitment=hash_of, description_=text_of,
                 direction=one_of("input", "output", "between"), group_=line,
                 labels_=LABELS, location=location, long_description_=long_text,
                 name=file_name, quorum_=lambda v: v is True,
                 sha256_=hash_of, size_=SIZE),
    credentials=dict(dataset=hash_of, download_=SEALED, expires_=TIME,
                     key_=SEALED, to_=KID, upload_=SEALED,
                     kms_=lambda v: isinstance(v, str) and bool(
                         KMS.fullmatch(v))),
    app=dict(approvers=PEOPLE, description_=text_of, domains=DOMAINS,
             group_=line, labels_=LABELS, name=file_name, need=NEED),
    build=dict(app=hash_of, image=line, measurements=MEASUREMENTS),
    config=dict(app=hash_of, command_=COMMAND, description_=text_of,
                group_=line, items_=ITEMS, labels_=LABELS, name=file_name,
                ports=named(file_name, one_of("input", "output"), 1, 1024)),
    draft=dict(GRAPH, need_=NEED, version_of_=hash_of),
    workflow=dict(GRAPH, draft=hash_of, need=NEED, participants=PEOPLE,
                  version=number(1, 1000000000)),
    approval=dict(of=hash_of), cancel=dict(of=hash_of),
    decline=dict(of=hash_of, reason_=text_of))


def document(text):
    """The value of a document that may be one."""
    need(len(text) <= 131072, "large")
    v = load(text)
    need(isinstance(v, dict) and v.get("kind") in KINDS, "no kind")
    ok = record(by=KID, kind=line, time=TIME, **KINDS[v["kind"]])
    need(ok(v), "a member is wrong")
    if v["kind"] == "config":
        paths = v.get("items", {})
        need(not any(a + "/" == b[:len(a) + 1] for a in paths for b in paths),
             "a file in a file")
    if v["kind"] == "build":
        need(all(set(m["PCR0"] + m["PCR1"] + m["PCR2"]) != {"0"}
                 for m in v["measurements"]), "a debug-mode enclave's zeros")
    if v["kind"] == "credentials":
        need(("to" in v) != ("kms" in v), "for one or the other")
        need(all(("enc" in v[p]) == ("to" in v)
                 for p in ("download", "key", "upload") if p in v),
             "enc where it is for a release key")
    if v["kind"] == "dataset":
        need(("size" in v) == ("sha256" in v) == (v["direction"] == "input"),
             "a size or none")
    people = v.get("approvers", v.get("participants"))
    if people is not None:
        need(len(set(people)) == len(people) >= v["need"], "people")
    return v


def verified(name, jws):
    """The document in a file that is what it says."""
    need(re.fullmatch("[0-9a-f]{64}", name), "no name")
    head, body, sig = jws.decode("ascii").split(".")
    header, payload, sig = json.loads(unb64(head)), unb64(body), unb64(sig)
    need(len(sig) == 64 and header["alg"] == "ES256", "another algorithm")
    key = header["jwk"]
    x, y = (int.from_bytes(unb64(key[c]), "big") for c in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(int.from_bytes(sig[:32], "big"),
                                       int.from_bytes(sig[32:], "big")),
                  ("%s.%s" % (head, body)).encode(), ec.ECDSA(hashes.SHA256()))
    v = document(payload)
    by = b64(hashlib.sha256(canonical(
        {k: key[k] for k in ("crv", "kty", "x", "y")})).digest())
    need(v["by"] == by == header["kid"], "another author")
    need(header["typ"] == "encflow-" + v["kind"], "another kind")
    need(hashlib.sha256(payload).hexdigest() == name, "another name")
    return v


def whole_text(r):
    """The record's text, with what was left out of a long one."""
    front, mark, back = r["text"].partition(b"<*>")
    if not mark:
        return r["text"]
    return front + b"".join(r["part"].replace(b"%u", b"%d" % i)
                            for i in range(r["times"])) + back


def check_document(r):
    text = whole_text(r)
    try:
        if r["op"] == "parse":
            need(hashlib.sha256(text).digest() == r["hash"], "its hash")
            document(text)
        else:
            verified(r["name"].decode(), text)
        good = True
    except (Bad, ValueError, KeyError, InvalidSignature, RecursionError) as e:
        good = False
        need(r["expect"] != "ok", "refused: %r" % e)
    need(good == (r["expect"] == "ok"), "taken")


# --- what a set of documents comes to -----------------------------------------


class Story:
    """A script's documents. `setup` is what all later ones begin with."""

    setup = ""

    def __init__(self, script):
        self.docs, self.lets, self.out, count = {}, {}, set(), 0
        for row in (Story.setup + script).splitlines():
            word, _, rest = row.partition(" ")
            if word == "let":
                name, _, rest = rest.partition(" ")
                self.lets[name] = self.fill(rest)
            elif word == "forget":
                self.out.add(rest)
            else:
                kind, who, *rest = rest.split(" ", 2)
                count += 1
                text = "{%s}" % self.fill(rest[0] if rest else "")
                v = dict(json.loads(text, object_pairs_hook=unique),
                         by=kid(who), kind=kind, time=1000 + count)
                if kind == "identity" and "key" not in v:
                    v["key"] = jwk(who)
                document(canonical(v))
                self.docs[word] = v
        self.at = {self.hash(name): v for name, v in self.docs.items()
                   if name not in self.out}

    def hash(self, name):
        return hashlib.sha256(canonical(self.docs[name])).hexdigest()

    def fill(self, text):
        text = re.sub(r"%([A-Za-z0-9]+)", lambda m: self.lets[m[1]], text)
        text = re.sub(r"\$([A-Za-z0-9]+)", lambda m: self.hash(m[1]), text)
        return re.sub(r"@([A-Z])", lambda m: kid(m[1]), text)

    def get(self, digest, kind):
        v = self.at.get(digest)
        return v if v is not None and v["kind"] == kind else None

    def said(self, digest, kind):
        return {v["by"] for v in self.at.values()
                if v["kind"] == kind and v["of"] == digest}

    def cancelled(self, digest):
        return self.at[digest]["by"] in self.said(digest, "cancel")


def answer(yes, no, people, k, must=()):
    """All said it, or k of them; or so many are against it that it can't be.
    Nothing is done without those who must."""
    no = set(people) & no
    yes = set(people) & yes - no
    if len(people) - len(no) < k or no & set(must):
        return "rejected"
    return "approved" if len(yes) >= k and yes >= set(must) else "pending"


def review(s, digest):
    v = s.at[digest]
    app = v if v["kind"] == "app" else s.get(v["app"], "app")
    if app is None or app["by"] != v["by"]:
        return "pending"
    if v is app and not v["domains"]:
        return "approved"
    return answer(s.said(digest, "approval"), s.said(digest, "decline"),
                  app["approvers"], app["need"])


def graph(s, v):
    """The parts of a graph that is whole, or None."""
    apps, sets = {}, {}
    for node, a in v["apps"].items():
        build, config = s.get(a["build"], "build"), s.get(a["config"],
                                                          "config")
        if build is None or config is None or build["app"] != config["app"]:
            return None
        app = s.get(build["app"], "app")
        if app is None or app["by"] != build["by"]:
            return None
        apps[node] = (app, build, config)
    if len(set(v["datasets"].values())) != len(v["datasets"]):
        return None
    for node, digest in v["datasets"].items():
        sets[node] = s.get(digest, "dataset")
        if sets[node] is None:
            return None
    reads, writes = set(), {}
    for e in v["connections"]:
        if e["app"] not in apps or e["dataset"] not in sets:
            return None
        way = apps[e["app"]][2]["ports"].get(e["port"])
        is_a = sets[e["dataset"]]["direction"]
        key = (e["app"], e["port"], e["dataset"])
        if way is None or is_a not in (way, "between"):
            return None
        if way == "output" and e["dataset"] in writes or key in reads:
            return None
        if way == "output":
            writes[e["dataset"]] = key
        else:
            reads.add(key)
    if ordered(apps, reads, writes) is False or not apps:
        return None
    used = {k[:2] for k in reads} | {k[:2] for k in writes.values()}
    if used != {(n, p) for n in apps for p in apps[n][2]["ports"]}:
        return None
    for node, d in sets.items():
        if d["direction"] != "output" and node not in {k[2] for k in reads}:
            return None
        if d["direction"] != "input" and node not in writes:
            return None
    return apps, sets


def ordered(apps, reads, writes):
    """Can they run one after another?"""
    left = set(apps)
    while left:
        free = {n for n in left if not any(
            k[0] == n and k[2] in writes and writes[k[2]][0] in left
            for k in reads)}
        if not free:
            return False
        left -= free
    return True


def before(s, v):
    return s.get(v["replaces"], "workflow") if "replaces" in v else None


def whole(s, digest):
    v = s.at[digest]
    g, old = graph(s, v), before(s, v)
    if g is None or ("replaces" in v) != (old is not None):
        return False
    if v["version"] != (old["version"] + 1 if old else 1):
        return False
    owners = {a[0]["by"] for a in g[0].values()} | {
        d["by"] for d in g[1].values()}
    return owners | set(old["participants"] if old else ()) == set(
        v["participants"])


def enough(s, digest, yes, no):
    """The participants', and those of the version before. Owners of data are
    asked in any case, unless they said that a quorum may do."""
    v = s.at[digest]
    old = before(s, v)
    must = {d["by"] for d in graph(s, v)[1].values() if "quorum" not in d}
    mine = answer(yes, no, v["participants"], v["need"], must)
    if mine != "approved" or old is None:
        return mine
    return ("approved" if len(set(old["participants"]) & yes - no) >=
            old["need"] else "pending")


def line_of(s, digest):
    """What this one replaces, what that replaces, and so on."""
    out = []
    while digest is not None and "replaces" in s.at[digest]:
        digest = s.at[digest]["replaces"]
        out.append(digest)
        if s.get(digest, "workflow") is None:
            break
    return out


def successors(s, digest):
    """Later versions that were approved at some time, also by this one's
    people."""
    old, out = s.at[digest], []
    for h, v in s.at.items():
        if v["kind"] != "workflow" or digest not in line_of(s, h):
            continue
        yes = s.said(h, "approval")
        if (whole(s, h) and enough(s, h, yes, set()) == "approved" and
                len(set(old["participants"]) & yes) >= old["need"]):
            out.append(h)
    return out


def state(s, digest):
    v = s.at[digest]
    if v["kind"] == "draft":
        return "cancelled" if s.cancelled(digest) else "draft"
    if v["kind"] != "workflow":
        return review(s, digest)
    if s.cancelled(digest) or successors(s, digest):
        return "cancelled"
    yes, no = s.said(digest, "approval"), s.said(digest, "decline")
    if not whole(s, digest):
        mine = answer(yes, no, v["participants"], v["need"])
        return "rejected" if mine == "rejected" else "pending"
    is_now = enough(s, digest, yes, no)
    if is_now != "approved":
        return is_now
    for old in line_of(s, digest):
        w = s.get(old, "workflow")
        if w is None or len(set(w["participants"]) & yes - no) < w["need"] \
                or any(h != digest and not s.cancelled(h) and
                       h not in line_of(s, digest) and
                       digest not in line_of(s, h)
                       for h in successors(s, old)):
            return "pending"
    for a in v["apps"].values():
        build = s.at[a["build"]]
        if {review(s, a["build"]), review(s, build["app"])} != {"approved"}:
            return "pending"
    return "approved"


def appconfig(s, digest, node):
    """What one application is run with, from the documents."""
    v = s.at[digest]
    apps, sets = graph(s, v)
    app, build, config = apps[node]
    out = dict(app=node, build=v["apps"][node]["build"],
               config=v["apps"][node]["config"], workflow=digest, version=1,
               image=build["image"], measurements=build["measurements"],
               domains=app["domains"], ports={})
    out.update({k: config[k] for k in ("command", "items", "labels")
                if k in config})
    if "expires" in v:
        out["expires"] = v["expires"]
    for port, way in config["ports"].items():
        datasets = {}
        for e in v["connections"]:
            if (e["app"], e["port"]) == (node, port):
                d = sets[e["dataset"]]
                datasets[e["dataset"]] = dict(
                    {k: d[k] for k in ("commitment", "location", "sha256",
                                       "size") if k in d},
                    dataset=v["datasets"][e["dataset"]])
        out["ports"][port] = dict(datasets=datasets, direction=way)
    return canonical(out)


def submitted(s, digest):
    """The workflow that a draft becomes, by A at 5000."""
    d = s.at[digest]
    apps, sets = graph(s, d)
    old = s.at[d["version_of"]] if "version_of" in d else None
    people = {a[0]["by"] for a in apps.values()} | {
        x["by"] for x in sets.values()} | set(
            old["participants"] if old else ())
    out = {k: d[k] for k in ("apps", "connections", "datasets", "description",
                             "expires", "group", "name") if k in d}
    out.update(by=kid("A"), draft=digest, kind="workflow", time=5000,
               participants=sorted(people, key=unb64),
               need=d.get("need", len(people)),
               version=old["version"] + 1 if old else 1)
    if old:
        out["replaces"] = d["version_of"]
    return canonical(out)


def check_state(r):
    if "setup" in r:
        Story.setup = r["setup"].decode()
        return
    s = Story(r["script"].decode())
    if "states" in r:
        for row in r["states"].decode().splitlines():
            name, word = row.split(" ")
            need(state(s, s.hash(name)) == word, "%s is %s" % (
                name, state(s, s.hash(name))))
    if "id256" not in r:
        return
    digest = s.hash(r["of"])
    if r["op"] == "appconfig":
        need(state(s, digest) == "approved", "not approved")
        text = appconfig(s, digest, r["node"].decode())
        need(text == r["text"], text)
    else:
        text = submitted(s, digest)
    need(hashlib.sha256(text).digest() == r["id256"], "its hash")


PORT = record(
    datasets=named(file_name, record(
        commitment=hash_of, dataset=hash_of, location=location,
        sha256_=hash_of, size_=SIZE), 1, 1024),
    direction=one_of("input", "output"))
CONFIG = record(
    app=file_name, build=hash_of, command_=COMMAND, config=hash_of,
    domains=DOMAINS, expires_=TIME, image=line, items_=ITEMS, labels_=LABELS,
    measurements=MEASUREMENTS, ports=named(file_name, PORT, 1, 1024),
    version=number(1, 1), workflow=hash_of)


def check_appconfig(r):
    try:
        good = CONFIG(load(r["text"]))
    except (Bad, ValueError, RecursionError):
        good = False
    need(good == (r["expect"] == "ok"), "taken" if good else "refused")


def nothing():
    return ()


if __name__ == "__main__":
    refresh("documents.txt", check_document, nothing)
    refresh("states.txt", check_state, nothing)
    refresh("appconfigs.txt", check_appconfig, nothing)
