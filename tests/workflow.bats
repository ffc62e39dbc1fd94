#!/usr/bin/env bats
# Workflows through the command line: people, datasets, applications,
# configurations, drafts, approvals, hashes and runs in a folder of signed
# documents. A second implementation (Python's cryptography, see CHECK) reads
# what we write, writes what we read, and works the runtime configurations out
# by itself.

# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common
load data
load servers

setup_file() {
    export BATS_NO_PARALLELIZE_WITHIN_FILE=true # tests read the servers' logs
    start_nginx
    start_s3rver
    export CHECK=$BATS_FILE_TMPDIR/check.py
    checker | sed "s;@ROOT@;$ROOT;" >"$CHECK"
}

setup() {
    data_setup
    unset ENCFLOW_ID ENCFLOW_WORKSPACE XDG_CONFIG_HOME
    export ENCFLOW_WORKSPACE=$PWD/ws
    SET=$(measurements a b c)
    [ "$BATS_TEST_NUMBER" -gt 0 ] && mkdir -p "$STORE/$BATS_TEST_NUMBER"
}

# The second implementation:
#   verify DIR             every document: hash, signature, typ, kid, form
#   sign KEY KIND MEMBERS DIR [NAME=VALUE...]
#                          a document by that PEM key; its hash. typ, alg and
#                          name are the header's and the file's, and may lie
#   config DIR FLOW APP    that application's runtime configuration
#   kid KEY                the thumbprint of a PEM key, public or private
#   commitment KEYFILE     what a dataset's document says of its key
#   lock DIR SECONDS       holds the folder's lock
#   tell DIR... -- TEXT... which files have one of the texts, as they are, in
#                          base64 or base64url, at any offset; a text of 64
#                          hex digits also as bytes
#   eif ID                 an image of vectors/eif.txt
checker() {
    cat <<'EOF'
import base64, fcntl, hashlib, json, os, struct, sys, time
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

ROOT = "@ROOT@"

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert b64(data) == text, "another spelling of base64url"
    return data

def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode()

def jwk(public):
    n = public.public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": b64(n.x.to_bytes(32, "big")),
            "y": b64(n.y.to_bytes(32, "big"))}

def thumbprint(key):
    return b64(hashlib.sha256(canonical(key)).digest())

def load(path):
    data = open(path, "rb").read()
    if b"PRIVATE" in data:
        return serialization.load_pem_private_key(data, None)
    return serialization.load_pem_public_key(data)

def documents(folder):
    """{hash: document}, every one of them verified."""
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):
            continue
        text = open(os.path.join(folder, name), "rb").read().decode("ascii")
        head, payload, signature = text.split(".")
        header, body = json.loads(unb64(head)), unb64(payload)
        doc, raw = json.loads(body), unb64(signature)
        assert hashlib.sha256(body).hexdigest() == name, "name"
        assert canonical(doc) == body, "payload not canonical"
        assert header["alg"] == "ES256" and len(raw) == 64, "algorithm"
        assert header["typ"] == "encflow-" + doc["kind"], "typ"
        key = header["jwk"]
        assert sorted(key) == ["crv", "kty", "x", "y"], "jwk"
        assert header["kid"] == doc["by"] == thumbprint(key), "kid"
        ec.EllipticCurvePublicNumbers(
            int.from_bytes(unb64(key["x"]), "big"),
            int.from_bytes(unb64(key["y"]), "big"), ec.SECP256R1()
        ).public_key().verify(
            utils.encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                       int.from_bytes(raw[32:], "big")),
            (head + "." + payload).encode(), ec.ECDSA(hashes.SHA256()))
        out[name] = doc
    return out

def verify(folder):
    docs = documents(folder)
    kinds = {}
    for doc in docs.values():
        kinds[doc["kind"]] = kinds.get(doc["kind"], 0) + 1
    print(" ".join("%s=%d" % k for k in sorted(kinds.items())))

def sign(path, kind, members, folder, *lies):
    key = load(path)
    public = jwk(key.public_key())
    doc = dict({"by": thumbprint(public), "kind": kind,
                "time": int(time.time())}, **json.loads(members))
    lies = dict(lie.split("=", 1) for lie in lies)
    body = canonical(doc)
    header = {"alg": lies.get("alg", "ES256"), "jwk": public,
              "kid": thumbprint(public),
              "typ": lies.get("typ", "encflow-" + kind)}
    text = b64(canonical(header)) + "." + b64(body)
    r, s = utils.decode_dss_signature(
        key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    text += "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    name = lies.get("name", hashlib.sha256(body).hexdigest())
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)
    print(name)

def config(folder, flow, app):
    docs = documents(folder)
    flow_doc = docs[flow]
    node = flow_doc["apps"][app]
    build, conf = docs[node["build"]], docs[node["config"]]
    out = {"app": app, "build": node["build"], "config": node["config"],
           "workflow": flow, "version": 1, "image": build["image"],
           "measurements": build["measurements"],
           "domains": docs[build["app"]]["domains"]}
    for name, doc in (("command", conf), ("items", conf), ("labels", conf),
                      ("expires", flow_doc)):
        if name in doc:
            out[name] = doc[name]
    out["ports"] = {}
    for port, way in conf["ports"].items():
        sets = {}
        for edge in flow_doc["connections"]:
            if edge["app"] == app and edge["port"] == port:
                d = flow_doc["datasets"][edge["dataset"]]
                sets[edge["dataset"]] = dict(
                    {k: docs[d][k] for k in ("commitment", "location",
                                             "sha256", "size")
                     if k in docs[d]}, dataset=d)
        out["ports"][port] = {"direction": way, "datasets": sets}
    sys.stdout.buffer.write(canonical(out))

def kid(path):
    key = load(path)
    print(thumbprint(jwk(getattr(key, "public_key", lambda: key)())))

def commitment(path):
    key = bytes.fromhex(open(path).read().strip())
    label = b"encflow key commitment 1".ljust(32, b"\0")
    print(hashlib.sha256(label + key).hexdigest())

def lock(folder, seconds):
    fd = os.open(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
    print("locked", flush=True)
    time.sleep(float(seconds))

def tell(*args):
    at = args.index("--")
    want = set()
    for text in args[at + 1:]:
        for t in {text.encode(), text.lower().encode()}:
            want.add(t.lower())
            forms = [t]
            if len(text) == 64 and not text.strip("0123456789abcdefABCDEF"):
                forms.append(bytes.fromhex(text))
                want.add(forms[-1])
            for f in forms:
                for k in range(3):  # what stands before it in its group
                    for enc in base64.b64encode, base64.urlsafe_b64encode:
                        coded = enc(b"\0" * k + f).rstrip(b"=")
                        inner = coded[4 if k else 0:-2]
                        if len(inner) >= 8:  # fewer come by chance
                            want.add(inner)
    found = 0
    for top in args[:at]:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                data = open(path, "rb").read()
                if any(w in data or w in data.lower() for w in want):
                    print("tells a secret:", path)
                    found = 1
    sys.exit(found)

def eif(name):
    sys.path.insert(0, ROOT + "/vectors")
    os.chdir(ROOT)
    from gen_common import File
    r = next(r for r in File("eif.txt").records
             if r["id"] in (name, name.encode()))
    sys.stdout.buffer.write(
        r["head"] + r["offsets"].ljust(256, b"\0") +
        r["sizes"].ljust(256, b"\0") + r["tail"] + r["rest"])

globals()[sys.argv[1]](*sys.argv[2:])
EOF
}

check() { "$PYTHON" "$CHECK" "$@"; }

# as NAME: who says what follows
as() { export ENCFLOW_ID=$PWD/$1.pem; }

# quiet ARG...: works, without the notes of -q; what it printed is in out
quiet() {
    local words=2 # of the command's name
    case $1 in approve | decline | run) words=1 ;; esac
    works "${@:1:words}" -q "${@:words + 1}"
}

# measurements DIGIT*3: a set for --pcr
measurements() {
    local i=0 digit sep=
    for digit; do
        printf '%sPCR%d=%s' "$sep" "$i" "$(printf "$digit%.0s" {1..96})"
        i=$((i + 1)) sep=,
    done
}

# field COMMAND... POINTER: of what --json prints of a document
field() {
    "$ENCFLOW" "${@:1:$#-1}" --json >one.json &&
        "$ENCFLOW" json -r "${@: -1}" one.json
}

# is TEXT COMMAND...: COMMAND prints exactly TEXT
is() {
    local got
    got=$("${@:2}") || return 1
    [ "$got" = "$1" ] || {
        printf 'got "%s", wanted "%s"\n' "$got" "$1"
        return 1
    }
}

count() { find ws -type f ! -name '.*' | wc -l; }

# unchanged COMMAND...: it adds no document
unchanged() {
    local before
    before=$(count)
    "$@" || return 1
    [ "$(count)" -eq "$before" ] || {
        echo "a document was added"
        return 1
    }
}

# no STATUS WORD... -- ARG...: refused, and nothing was signed
no() { unchanged refused "$@"; }

people() {
    local p
    for p; do
        as "$p"
        quiet id new "$p"
    done
}

release() {
    works release keygen -o rel.pem
    mv out rel.pub
}

table() {
    local i
    echo CODE,DESCRIPTION
    for ((i = 0; i < 50; i++)); do
        echo "$i,Finding $((i % 7))"
    done
}

# credentials KEYFILE URL: as somebody has them already
credentials() { "$ENCFLOW" credentials make -q -K "$1" --url "$2"; }

# input NAME [OPTION...], output NAME [OPTION...], between ...: datasets of
# whoever it is, in files here
input() {
    quiet dataset add --release-key rel.pub --from c.csv \
        --to "file://$PWD/$1.enc" --allow-file "$@"
}
output() {
    quiet dataset add --release-key rel.pub --direction output \
        --to "file://$PWD/$1.enc" --allow-file -K key.hex "$@"
}
between() {
    quiet dataset add --release-key rel.pub --direction between \
        --to "file://$PWD/$1.enc" --allow-file "$@"
}

# on_s3: people, a table, and the keys of the S3 server's account
on_s3() {
    release
    people dana olga arno
    table >c.csv
    export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
    export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
}

# described: arno's application, an approved build of it, a configuration
described() {
    as arno
    quiet app add --image reg/simple:1 --pcr "$SET" describe
    read -r _ BUILD < <(tail -n 1 out)
    quiet approve "$BUILD"
    quiet config add --app describe default
}

# An input of dana's, an output of olga's, an application of arno's with an
# approved build and a configuration.
cast() {
    release
    people dana olga arno
    table >c.csv
    as dana
    input Conditions
    as olga
    output Result
    described
}

# draft [OPTION...]: dana's, called study
draft() {
    as dana
    quiet workflow new "$@" study
    quiet workflow add-app --build describe --config default study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study app:output Result
}

# submitted [OPTION...]: FLOW is its hash
submitted() {
    draft "$@"
    quiet workflow submit study
    FLOW=$(<out)
}

# all_approve HASH [NAME...]
all_approve() {
    local p hash=$1
    shift
    [ $# -gt 0 ] || set -- dana olga arno
    for p; do
        as "$p"
        quiet approve "$hash"
    done
}

# state NAME|HASH: of a workflow
state() { field workflow show "$1" /state; }

# configured: the runtime configurations, in ./cfg; ID is the last
configured() {
    works workflow hashes -o cfg study
    ID=$(tail -n 1 out | cut -d ' ' -f 1)
}

# approved: from nothing to a runtime configuration
approved() {
    cast
    submitted "$@"
    all_approve "$FLOW"
    configured
}

# job [OPTION...]: runs configuration ID
job() {
    works run -q --appconfig-file "cfg/$ID.json" --release-key rel.pem \
        --work "$PWD/work" --allow-file "$@"
}
no_job() {
    local want=()
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    shift
    refused "${want[@]}" -- run -q --appconfig-file "cfg/$ID.json" \
        --release-key rel.pem --work "$PWD/work" --allow-file "$@" &&
        [ ! -e work ]
}

# --- people ---

@test "id new: a PKCS#8 key that openssl reads, 0600, with a warning" {
    try id new --id dana.pem Dana
    fails 0 "no passphrase protects" dana.pem "keep its mode 0600"
    [[ $(<out) =~ ^[0-9a-f]{64}$ ]]
    [ -e "ws/$(<out)" ]
    mode dana.pem 600
    is "-----BEGIN PRIVATE KEY-----" head -n 1 dana.pem
    openssl pkey -in dana.pem -noout -text >text
    grep -F "ASN1 OID: prime256v1" text
    openssl pkey -in dana.pem -check -noout
    # the public half is the same
    openssl pkey -in dana.pem -pubout -out want
    works id show --id dana.pem --format pem
    same out want
    lacks ws/* "$(sed -n 2p dana.pem)"
}

@test "id new: an existing file stays, unless --force says otherwise" {
    works id new -q --id dana.pem Dana
    cp dana.pem before
    no 1 dana.pem "there is an identity already" "id import" -- \
        id new -q --id dana.pem Dana
    same dana.pem before
    works id new -q --force --id dana.pem Dana
    lacks dana.pem "$(sed -n 2p before)"
    # a name that cannot be: no file
    no 4 "an empty text" -- id new --id other.pem ''
    no 4 "control character" -- id new --id other.pem $'a\nb'
    [ ! -e other.pem ]
}

@test "id new makes the folders of its default places" {
    unset ENCFLOW_WORKSPACE
    works id new -q Dana
    mode .config/encflow/id.pem 600
    [ -e ".encflow/$(<out)" ]
    XDG_CONFIG_HOME=$PWD/xdg works id new -q Dana
    mode xdg/encflow/id.pem 600
    ENCFLOW_ID=$PWD/env.pem works id new -q Dana
    mode env.pem 600
    ENCFLOW_ID=$PWD/env.pem works id new -q --id option.pem Dana
    mode option.pem 600
    HOME='' refused 2 "no place for an identity is known" "--id FILE" -- \
        id new Dana
}

@test "id show: the thumbprint, PEM and JWK" {
    people dana
    works id show
    is "$(check kid dana.pem)  dana ($(check kid dana.pem | cut -c 1-12))" \
        cat out
    works id show --format jwk
    "$PYTHON" -c 'import hashlib, base64, json, sys
text = json.dumps(json.load(open("out")), sort_keys=True,
                  separators=(",", ":"))
print(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
      .decode().rstrip("="))' >kid
    is "$(check kid dana.pem)" cat kid
    refused 2 "--format takes text, pem or jwk" -- id show --format der
    refused 2 "there is no identity" "encflow id new NAME" -- \
        id show --id none.pem
    release
    refused 4 rel.pem "not a private key of P-256" -- id show --id rel.pem
    works id show --format pem
    cp out dana.pub
    refused 4 dana.pub "not a private key of P-256" -- id show --id dana.pub
}

@test "a key that others may read is used, with a warning" {
    people dana
    chmod 640 dana.pem
    try id show
    fails 0 "warning: others may use" dana.pem "chmod 600"
    chmod 600 dana.pem
    works id show
}

@test "id import: PEM and JWK; one's own name goes before the other's" {
    people dana olga
    works id show --format pem
    cp out olga.pub
    works id show --format jwk
    cp out olga.jwk
    local kid
    kid=$(check kid olga.pem)
    as dana
    works id list
    grep -Fxe "$kid  olga  (as it calls itself)" out
    works id import "Olga of accounting" olga.pub
    works id list
    grep -Fxe "$kid  Olga of accounting  (your name for it)" out
    grep -Fxe "$(check kid dana.pem)  dana  (you)" out
    # only in dana's eyes, and whichever was said first
    local i
    for i in 1 2 3 4; do
        as olga
        quiet workflow new "flow $i"
        works id import "olga $i" olga.pub
        as dana
        works workflow list
        is "$i" grep -cF "by Olga of accounting (" out
    done
    as olga
    works id list
    grep -Fe "$kid  Olga of accounting  (as called by dana (" out
    works id show
    grep -Fe "$kid  olga 4 (" out
    people eve
    works id import "Olga by eve" olga.jwk
    works id list
    grep -Fxe "$kid  Olga by eve  (your name for it)" out
    # people of Python's, too
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 |
        openssl pkey -pubout -out other.pub
    works id import other other.pub
    works id list
    grep -Fe "$(check kid other.pub)  other  (your name for it)" out
    is 'draft=4 identity=10' check verify ws
}

@test "id import takes no private key, and nothing but a key of P-256" {
    people dana
    release
    openssl ecparam -name secp384r1 -genkey -noout -out p384.pem
    openssl pkey -in p384.pem -pubout -out p384.pub 2>/dev/null
    echo '{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}' >bad.jwk
    head -c 10000 /dev/zero >large
    no 4 dana.pem "not a public key of P-256" -- id import x dana.pem
    no 4 rel.pub "not a public key of P-256" -- id import x rel.pub
    no 4 p384.pub -- id import x p384.pub
    no 4 bad.jwk -- id import x bad.jwk
    no 4 large "EF_MAX_PEM_BYTES (8192)" -- id import x large
    no 1 none "cannot open" -- id import x none
    no 2 -- id import x
}

@test "release keygen: X25519 that openssl reads; the public one is printed" {
    release
    mode rel.pem 600
    openssl pkey -in rel.pem -noout -text | grep X25519
    openssl pkey -in rel.pem -pubout | cmp - rel.pub
    cp rel.pem before
    refused 1 rel.pem "not overwritten" -- release keygen -o rel.pem
    same rel.pem before
    works release keygen --force -o rel.pem
    lacks rel.pem "$(sed -n 2p before)"
    openssl pkey -in rel.pem -pubout | cmp - out
    refused 2 "-o FILE" -- release keygen
    refused 2 "-o FILE" -- release keygen -o -
}

# --- documents ---

@test "every document is a JWS that Python's cryptography verifies" {
    approved --description "A study" --group g
    as dana
    quiet workflow new other
    quiet workflow cancel other
    as olga
    quiet dataset renew --release-key rel.pub --allow-file \
        --to "file://$PWD/Result.enc" Result
    as arno
    quiet app add --image reg/simple:2 --pcr "$SET" --new-build describe
    read -r _ build < <(tail -n 1 out)
    quiet decline --reason "No" "$build"
    is "app=1 approval=4 build=2 cancel=1 config=1 credentials=3 dataset=2 \
decline=1 draft=5 identity=3 workflow=1" check verify ws
}

@test "documents that Python's cryptography signed are ours, too" {
    cast
    submitted
    check sign dana.pem approval "{\"of\":\"$FLOW\"}" ws
    check sign olga.pem approval "{\"of\":\"$FLOW\"}" ws
    is pending state study
    check sign arno.pem approval "{\"of\":\"$FLOW\"}" ws
    is approved state study
    # a decline counts whenever it was made
    check sign arno.pem decline "{\"of\":\"$FLOW\",\"time\":5}" ws
    is rejected state study
}

@test "forged documents are refused, whatever the command" {
    cast
    submitted
    local hash other
    refuses() { # WORD
        row "$1 (list)" refused 3 "$1" "remove it, and ask" -- dataset list
        row "$1 (write)" refused 3 "$1" -- workflow new again
    }
    # a document under another's name
    other=$(printf %064d 7)
    cp "ws/$FLOW" "ws/$other"
    refuses "$other"
    rm "ws/$other"
    # a signature that was changed: its first and its last bit
    "$PYTHON" - "ws/$FLOW" <<'EOF'
import sys
path = sys.argv[1]
text = open(path).read()
open("saved", "w").write(text)
at = text.rindex(".") + 1
open(path, "w").write(
    text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1:])
EOF
    refuses "$FLOW"
    cp saved "ws/$FLOW"
    works dataset list
    # the typ of another kind: an approval that says it is a decline
    hash=$(check sign olga.pem approval "{\"of\":\"$FLOW\"}" ws \
        typ=encflow-decline)
    refuses "$hash"
    rm "ws/$hash"
    # of a key that it is not by
    hash=$(check sign olga.pem approval \
        "{\"of\":\"$FLOW\",\"by\":\"$(check kid dana.pem)\"}" ws)
    refuses "$hash"
    rm "ws/$hash"
    hash=$(check sign olga.pem approval "{\"of\":\"$FLOW\"}" ws alg=none)
    try dataset list # no signature at all is no document
    fails 0 "note: \"$hash\" is passed over: \$.alg (JSON pointer /alg): byte 8: the algorithm is not ES256"
    rm "ws/$hash"
    works dataset list
    rows 8
}

@test "half-written and foreign files are named and passed over" {
    cast
    local half
    half=$(find ws -name '[0-9a-f]*' -printf '%f\n' | sort | head -n 1)
    head -c 100 "ws/$half" >"ws/$(printf %064d 1)"
    echo hello >ws/README
    mkdir ws/folder
    : >"ws/$(printf %064d 2)"
    head -c 300000 /dev/zero >ws/large
    mkfifo ws/pipe
    cp "ws/$half" ws/.hidden
    try dataset list
    fails 0 "note: \"$(printf %064d 1)\" is passed over" \
        "note: \"README\" is passed over" "note: \"folder\"" \
        "note: \"pipe\"" "note: \"$(printf %064d 2)\"" "note: \"large\""
    is 6 grep -c note err
    is 2 grep -c . out
    # a name that would move the terminal is shown escaped
    : >"ws/"$'a\033b'
    try dataset list
    fails 0 'a\x1bb'
    # -q, and writing goes on
    works dataset list -q
    as dana
    quiet workflow new study
    # a copied one, by its name, with an end that a copy cut off, is not there
    cp "ws/$half" saved
    head -c -1 saved >"ws/$half"
    try dataset list
    fails 0 "note: \"$half\" is passed over"
    cp saved "ws/$half"
    works dataset list -q
}

@test "a folder that cannot be read or made" {
    people dana
    echo >file
    refused 1 "cannot open the workspace" file -- \
        dataset list --workspace file
    refused 1 "file" -- workflow new --workspace file x
    refused 1 "cannot make the workspace" none/ws -- \
        workflow new --workspace none/ws x
    # none is there: nothing is known, and reading makes none
    try dataset list --workspace nowhere
    fails 0 'note: there is no workspace "nowhere" yet'
    [ ! -s out ]
    [ ! -e nowhere ]
    refused 2 "nothing of this name" -- dataset show --workspace nowhere x
    # nobody: nothing is made
    refused 2 "there is no identity" -- \
        workflow new --id none.pem --workspace nowhere x
    [ ! -e nowhere ]
}

# take_lock, drop_lock: another process has the workspace's lock.
take_lock() {
    local i
    "$PYTHON" "$CHECK" lock ws 60 >locked 3>&- &
    LOCKER=$!
    for ((i = 0; i < 100; i++)); do
        [ ! -s locked ] || return 0
        sleep 0.1
    done
    return 1
}

drop_lock() {
    kill "$LOCKER"
    wait "$LOCKER" || true
}

@test "two commands at once: the second waits for the lock" {
    people dana
    take_lock
    works workflow list # reading needs no lock
    "$ENCFLOW" workflow new -q study >hash 3>&- &
    local second=$!
    sleep 0.5
    [ ! -s hash ]
    drop_lock
    wait "$second"
    [ -s hash ]
    # many at once, and none is lost
    for i in 1 2 3 4 5 6 7 8; do
        "$ENCFLOW" workflow new -q "study $i" >/dev/null &
    done
    wait
    works workflow list
    is 9 grep -c draft out
    is "draft=9 identity=1" check verify ws
}

@test "a lock that is held for longer than ten seconds" {
    people dana
    take_lock
    no 1 "another command works in this workspace" .lock -- \
        workflow new study
    drop_lock
    quiet workflow new study
}

# --- datasets ---

@test "dataset add: every field; commitment, size and SHA-256 of the file" {
    release
    people dana
    table >c.csv
    works dataset add --release-key rel.pub --from c.csv \
        --to "file://$PWD/c.enc" --allow-file -K key.hex \
        --description "All patients" --group oncology \
        --label Location="East US" --label Rows=50 --label empty= \
        --label 'a=b=c' --long-description $'# Title\n\ntext' Conditions
    local hash
    hash=$(<out)
    works dataset show --json Conditions
    # the object's members, one by one
    is "$hash" "$ENCFLOW" json -r /hash out
    is "All patients" "$ENCFLOW" json -r /document/description out
    is oncology "$ENCFLOW" json -r /document/group out
    is '{"Location":"East US","Rows":"50","a":"b=c","empty":""}' \
        "$ENCFLOW" json -c /document/labels out
    is $'# Title\n\ntext' "$ENCFLOW" json -r /document/long_description out
    is input "$ENCFLOW" json -r /document/direction out
    is "file://$PWD/c.enc" "$ENCFLOW" json -r /document/location out
    is "$(check kid dana.pem)" "$ENCFLOW" json -r /document/by out
    is "$(stat -c %s c.enc)" "$ENCFLOW" json -r /document/size out
    is "$(sha256sum <c.enc | cut -d ' ' -f 1)" \
        "$ENCFLOW" json -r /document/sha256 out
    is "$(check commitment key.hex)" \
        "$ENCFLOW" json -r /document/commitment out
    # what was stored is what the key opens
    "$ENCFLOW" dec -K key.hex -in c.enc | cmp - c.csv
    # by the digits of its hash; not by fewer than eight
    works dataset show "${hash:0:8}"
    works dataset show "$hash"
    refused 2 "nothing of this name" -- dataset show "${hash:0:7}"
    works dataset list
    grep -E "^${hash:0:12}  dataset   input      Conditions  by dana \(" out
    works dataset list --json
    is Conditions "$ENCFLOW" json -r /0/document/name out
}

@test "dataset add: a long description from a file or by https" {
    release
    people dana
    table >c.csv
    printf '# From a file\n' >long.md
    printf '# By https\n' >"$STORE/$BATS_TEST_NUMBER/long.md"
    head -c 65536 /dev/zero | tr '\0' x >most.md
    (cat most.md && echo) >large.md
    local https=$NGINX_HTTPS/$BATS_TEST_NUMBER/long.md
    input one --long-description-file long.md
    is "# From a file" field dataset show one /document/long_description
    input two --cacert "$CA" --long-description-url "$https"
    is "# By https" field dataset show two /document/long_description
    input three --long-description-file most.md
    add() { # STATUS WORD... -- OPTION...
        local want=()
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        no "${want[@]}" -- dataset add --release-key rel.pub --from c.csv \
            --to "file://$PWD/x.enc" --allow-file "$@" x && [ ! -e x.enc ]
    }
    row http add 5 http:// -- --long-description-url \
        "$NGINX_HTTP/$BATS_TEST_NUMBER/long.md"
    row untrusted add 6 -- --long-description-url "$https"
    row missing add 6 404 -- --cacert "$CA" --long-description-url "$https.no"
    row scheme add 4 -- --long-description-url ftp://localhost/x
    row nofile add 1 "cannot open" -- --long-description-file none
    row large add 4 "EF_MAX_LONG_TEXT_BYTES (65536)" -- \
        --long-description-file large.md
    row two add 2 "one long description" -- --long-description x \
        --long-description-file long.md
    rows 7
    quiet dataset add --release-key rel.pub --from c.csv \
        --to "file://$PWD/y.enc" --allow-file --allow-http \
        --long-description-url "$NGINX_HTTP/$BATS_TEST_NUMBER/long.md" y
}

@test "dataset add: credentials that one has, the file fetched or shown" {
    release
    people dana
    table >c.csv
    "$ENCFLOW" enc -K key.hex -in c.csv -out "$STORE/$BATS_TEST_NUMBER/c.enc"
    cp "$STORE/$BATS_TEST_NUMBER/c.enc" c.enc
    local url=$NGINX_HTTPS/$BATS_TEST_NUMBER/c.enc
    credentials key.hex "$url?$QUERY" >cred
    : >"$SERVERS/nginx.log"
    quiet dataset add --release-key rel.pub --credentials cred \
        --location "$url" --cacert "$CA" fetched
    grep -F "GET /$BATS_TEST_NUMBER/c.enc 20" "$SERVERS/nginx.log"
    grep -F "Signature=PcpH99nszG2" "$SERVERS/nginx.log"
    : >"$SERVERS/nginx.log"
    quiet dataset add --release-key rel.pub --credentials cred \
        --location "$url" --encrypted c.enc shown
    [ ! -s "$SERVERS/nginx.log" ]
    local name
    for name in fetched shown; do
        is "$(stat -c %s c.enc)" field dataset show "$name" /document/size
        is "$(sha256sum <c.enc | cut -d ' ' -f 1)" \
            field dataset show "$name" /document/sha256
        is "$url" field dataset show "$name" /document/location
        is "$(check commitment key.hex)" \
            field dataset show "$name" /document/commitment
    done
    check tell ws tmp -- "$KEY" "$QUERY" PcpH99nszG2 AKIDEXAMPLE
    # the wrong key: nothing is signed
    "$ENCFLOW" keygen -q -o other.key
    credentials other.key "$url?$QUERY" >bad
    row key no 3 -- dataset add --release-key rel.pub --credentials bad \
        --location "$url" --encrypted c.enc x
    row "key, fetched" no 3 -- dataset add --release-key rel.pub \
        --credentials bad --location "$url" --cacert "$CA" x
    head -c 20 c.enc >short
    row short no 4 -- dataset add --release-key rel.pub --credentials cred \
        --location "$url" --encrypted short x
    row missing no 6 404 -- dataset add --release-key rel.pub \
        --credentials cred --location "$url.no" --cacert "$CA" x
    row http no 5 http:// -- dataset add --release-key rel.pub \
        --credentials cred \
        --location "$NGINX_HTTP/$BATS_TEST_NUMBER/c.enc" x
    row query no 2 "a location with a query" -- dataset add \
        --release-key rel.pub --credentials cred --location "$url?a=b" \
        --encrypted c.enc x
    row nocred no 1 none -- dataset add --release-key rel.pub \
        --credentials none --location "$url" x
    row notcred no 4 c.csv -- dataset add --release-key rel.pub \
        --credentials c.csv --location "$url" x
    rows 8
}

@test "dataset add: options that do not go together, and what is missing" {
    release
    people dana olga
    as dana
    table >c.csv
    credentials key.hex "file://$PWD/x.enc" >cred
    input Conditions
    add() { # NAME STATUS WORD... -- OPTION...
        local want=() name=$1
        shift
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        row "$name" no "${want[@]}" -- dataset add --allow-file "$@"
        [ ! -e x.enc ]
    }
    local to=(--to "file://$PWD/x.enc") from=(--from c.csv)
    local key=(--release-key rel.pub)
    add nothing 2 "--credentials FILE and --location URL" -- "${key[@]}" x
    add both 2 "either" -- "${key[@]}" "${to[@]}" --credentials cred x
    add nolocation 2 "--location URL" -- "${key[@]}" --credentials cred x
    add nofrom 2 "--from FILE" -- "${key[@]}" "${to[@]}" x
    add from 2 "--from FILE" -- "${key[@]}" "${to[@]}" "${from[@]}" \
        --direction output -K key.hex x
    add norelease 2 "--release-key FILE" "release keygen" -- \
        "${to[@]}" "${from[@]}" x
    add private 4 rel.pem "not a public key of X25519" -- \
        --release-key rel.pem "${to[@]}" "${from[@]}" x
    add p256 4 dana.pem "not a public key of X25519" -- \
        --release-key dana.pem "${to[@]}" "${from[@]}" x
    add direction 2 "input, output or between" -- "${key[@]}" "${to[@]}" \
        --direction up x
    add outputkey 2 "its receiver's key" -- "${key[@]}" "${to[@]}" \
        --direction output x
    add between 2 "one query string is not enough" -- "${key[@]}" \
        --credentials cred --location "file://$PWD/x.enc" \
        --direction between x
    add http 2 "--to takes" -- "${key[@]}" --to http://localhost/x \
        "${from[@]}" x
    add label 2 KEY=VALUE -- "${key[@]}" "${to[@]}" "${from[@]}" --label a x
    add taken 2 "you have one of this name" "dataset renew" -- "${key[@]}" \
        "${to[@]}" "${from[@]}" Conditions
    add nofile 1 none -- "${key[@]}" "${to[@]}" --from none x
    add noname 2 -- "${key[@]}" "${to[@]}" "${from[@]}"
    add expires 2 --expires -- "${key[@]}" "${to[@]}" "${from[@]}" \
        --expires 0 x
    row file no 5 "file:// is not allowed" -- dataset add "${key[@]}" \
        "${to[@]}" "${from[@]}" x
    rows 18
    # another may have the name; one's own is meant then, and for others the
    # hash says which
    as olga
    input Conditions
    is "$(check kid olga.pem)" field dataset show Conditions /document/by
    ENCFLOW_ID=none refused 2 "several documents have this name" \
        "first eight digits" -- dataset show Conditions
}

@test "dataset add: no command, and no file, shows the credentials again" {
    release
    people dana
    table >c.csv
    export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
    export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
    local s3=(--release-key rel.pub --allow-http -K key.hex)
    quiet dataset add "${s3[@]}" --from c.csv \
        --to "s3://store/$BATS_TEST_NUMBER-in" Conditions
    quiet dataset add "${s3[@]}" --direction output \
        --to "s3://store/$BATS_TEST_NUMBER-out" Result
    quiet dataset add --release-key rel.pub --allow-http \
        --direction between --to "s3://store/$BATS_TEST_NUMBER-mid" Middle
    rm key.hex
    mkdir shown
    local i=0 command
    for command in "dataset list" "dataset list --json" \
        "dataset show Conditions" "dataset show Result --json" \
        "dataset show Middle" "dataset list -v" "task list" "id list --json"; do
        # shellcheck disable=SC2086 # words
        "$ENCFLOW" $command >"shown/$i" 2>&1
        i=$((i + 1))
    done
    check tell . -- "$KEY" S3RVER/ AWSAccessKeyId Signature= X-Amz-
    check verify ws
}

@test "dataset add: what is made on S3 can be read and written there" {
    local at=$BATS_TEST_NUMBER s3=(--release-key rel.pub --allow-http)
    on_s3
    as dana
    quiet dataset add "${s3[@]}" --from c.csv --to "s3://store/$at in.enc" \
        --expires 600 Conditions
    as olga
    quiet dataset add "${s3[@]}" --direction output -K key.hex \
        --to "s3://store/$at-out.enc" --expires 600 Result
    described
    submitted
    all_approve "$FLOW"
    configured
    # the object is what the document says
    "$ENCFLOW" get -q --allow-http "s3://store/$at in.enc" got
    is "$(stat -c %s got)" field dataset show Conditions /document/size
    is "$(sha256sum <got | cut -d ' ' -f 1)" \
        field dataset show Conditions /document/sha256
    # the run has nothing but the presigned URLs
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL
    local url
    url=$(field dataset show Result /document/location)
    is 404 curl -s -o body -w '%{http_code}' "$url" # it is not there yet
    job --allow-http
    export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
    AWS_ENDPOINT_URL=$S3_URL "$ENCFLOW" get -q --allow-http \
        "s3://store/$at-out.enc" result.enc
    works result -K key.hex result.enc
    grep -E "^top +Finding 0$" out
}

@test "dataset renew: expired credentials, and what was approved stays" {
    local at=$BATS_TEST_NUMBER s3=(--release-key rel.pub --allow-http)
    on_s3
    as dana
    quiet dataset add "${s3[@]}" --from c.csv --to "s3://store/$at-in" \
        --expires 1 Conditions
    as olga
    output Result
    described
    submitted
    all_approve "$FLOW"
    configured
    local id=$ID document
    document=$(field dataset show Conditions /hash)
    sleep 3
    no_job 6 -- --allow-http
    as dana
    works dataset renew "${s3[@]}" --to "s3://store/$at-in" --expires 600 \
        Conditions
    is approved state study
    is "$document" field dataset show Conditions /hash
    configured
    [ "$ID" = "$id" ]
    job --allow-http
    works result -K key.hex Result.enc
    grep -E "^top +Finding 0$" out
}

@test "dataset add and renew: the options for a store, a proxy and a stall" {
    local at=$BATS_TEST_NUMBER proxies=$PWD/proxies ports start
    mkdir proxies
    serve proxy "$PYTHON" "$ROOT/tests/connect_proxy.py" "$proxies"
    read -r -a ports <<<"$(port_in proxy)"
    on_s3
    unset AWS_ENDPOINT_URL AWS_REGION
    as dana
    local s3=(--release-key rel.pub --allow-http --endpoint-url "$S3_URL"
        --region us-east-1 --addressing path) to=(--to "s3://store/$at-p")
    local pass=(--proxy "http://127.0.0.1:${ports[0]}")
    local hang=(--proxy "http://127.0.0.1:${ports[8]}" --stall 1)
    quiet dataset add "${s3[@]}" "${pass[@]}" --from c.csv "${to[@]}" \
        -K key.hex Proxied
    grep -E "^(CONNECT|PUT) .*${S3_URL#http://}" proxies/pass.log
    start=$SECONDS
    row hang no 6 -- dataset add "${s3[@]}" "${hang[@]}" --from c.csv \
        --to "s3://store/$at-h" Hung
    [ -s proxies/hang.log ]
    # what is put under a KMS key is sealed over there
    : >proxies/hang.log
    row kms no 6 -- dataset renew --kms-key \
        arn:aws:kms:eu-west-1:111122223333:key/1 -K key.hex "${s3[@]:2}" \
        "${to[@]}" "${hang[@]}" Proxied
    grep -F kms.eu-west-1 proxies/hang.log
    # --stall was 1 both times, and not the 60 that it is otherwise
    [ "$((SECONDS - start))" -lt 30 ]
    row unknown no 2 "nothing of this name" -- dataset show Hung
    # a new query is made here: for the very place, or not at all
    works dataset renew "${s3[@]}" "${to[@]}" Proxied
    row endpoint no 5 "another location" -- dataset renew \
        "${s3[@]/127.0.0.1/localhost}" "${to[@]}" Proxied
    "$ENCFLOW" enc -K key.hex -in c.csv -out c.enc
    to=(--to "s3://store/$at")
    credentials key.hex "https://store.s3.eu-west-1.amazonaws.com/$at?$QUERY" \
        >cred
    quiet dataset add --release-key rel.pub --credentials cred --encrypted \
        c.enc --location "https://store.s3.eu-west-1.amazonaws.com/$at" Aws
    printf '[profile there]\nregion = eu-west-1\n' >config
    export AWS_CONFIG_FILE=$PWD/config
    printf '[there]\naws_access_key_id = A\naws_secret_access_key = B\n' >keys
    export AWS_SHARED_CREDENTIALS_FILE=$PWD/keys
    local aws=(dataset renew --release-key rel.pub "${to[@]}")
    works "${aws[@]}" --region eu-west-1 Aws
    works "${aws[@]}" --profile there Aws
    row region no 5 "another location" -- "${aws[@]}" --region us-east-1 Aws
    row addressing no 5 "another location" -- "${aws[@]}" \
        --region eu-west-1 --addressing path Aws
    rows 6
    stop_server proxy
}

@test "dataset renew: who, where and with which key" {
    cast
    works release keygen -o rel2.pem
    cp out rel2.pub
    as dana
    quiet dataset add --release-key rel.pub --from c.csv -K key.hex \
        --to "file://$PWD/Known.enc" --allow-file Known
    "$ENCFLOW" keygen -q -o other.key
    credentials key.hex "file://$PWD/Known.enc" >cred
    credentials other.key "file://$PWD/Known.enc" >wrong
    renew() { # NAME STATUS WORD... -- OPTION...
        local want=() name=$1
        shift
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        row "$name" no "${want[@]}" -- dataset renew --allow-file "$@"
    }
    local to=(--to "file://$PWD/Known.enc") key=(--release-key rel.pub)
    renew wrong-key 3 Known "not the key that the dataset commits to" -- \
        "${key[@]}" "${to[@]}" -K other.key Known
    renew wrong-credentials 3 "commits to" -- "${key[@]}" \
        --credentials wrong Known
    renew location 5 "another location" -- "${key[@]}" \
        --to "file://$PWD/other.enc" Known
    renew another-release-key 5 "not sealed to this release key" \
        "-K KEYFILE" -- --release-key rel2.pub "${to[@]}" Known
    renew nothing 2 "either --credentials FILE or --to PLACE" -- \
        "${key[@]}" Known
    renew both 2 either -- "${key[@]}" "${to[@]}" --credentials cred Known
    renew unknown 2 "nothing of this name" -- "${key[@]}" "${to[@]}" none
    renew norelease 2 "--release-key FILE" -- "${to[@]}" Known
    as olga
    renew another 5 "only its owner renews" -- "${key[@]}" "${to[@]}" Known
    rows 9
    as dana
    works dataset renew --allow-file "${key[@]}" "${to[@]}" Known
    works dataset renew --allow-file "${key[@]}" --credentials cred Known
    # with the key it can be sealed for another release service
    works dataset renew --allow-file --release-key rel2.pub "${to[@]}" \
        -K key.hex Known
    cmp Known.enc <(cat Known.enc)
    "$ENCFLOW" dec -K key.hex -in Known.enc | cmp - c.csv
}

# --- applications and configurations ---

@test "app add: several sets of measurements, from everywhere" {
    people arno
    cat >build.json <<EOF
{
  "Measurements": {
    "HashAlgorithm": "Sha384 { ... }",
    "PCR0": "$(printf '1%.0s' {1..96})",
    "PCR1": "$(printf '2%.0s' {1..96})",
    "PCR2": "$(printf '3%.0s' {1..96})"
  }
}
EOF
    check eif plain >image.eif
    quiet app add --image registry/simple:latest --pcrs build.json \
        --eif image.eif --pcr "$SET" --pcr "$(measurements d e f)$(
            printf ',PCR8=%s' "$(printf '8%.0s' {1..96})"
        )" --domain kms.us-east-1.amazonaws.com --domain localhost:8443 \
        --description "A description" --group g --label a=b describe
    read -r _ app <out
    read -r _ build < <(tail -n 1 out)
    works app show --json "$build"
    is registry/simple:latest "$ENCFLOW" json -r /document/image out
    is "$app" "$ENCFLOW" json -r /document/app out
    is pending "$ENCFLOW" json -r /state out
    is "$(printf '2%.0s' {1..96})" \
        "$ENCFLOW" json -r /document/measurements/0/PCR1 out
    is b84608a845de45e8a35f9db575c02f951d81ca668ab44cdf65b103e9b9ca499c\
492905a60a7fd53a8fcb859f6c59227f \
        "$ENCFLOW" json -r /document/measurements/1/PCR0 out
    is "$(printf 'c%.0s' {1..96})" \
        "$ENCFLOW" json -r /document/measurements/2/PCR2 out
    is "$(printf '8%.0s' {1..96})" \
        "$ENCFLOW" json -r /document/measurements/3/PCR8 out
    works app show --json "$app"
    is '["kms.us-east-1.amazonaws.com","localhost:8443"]' \
        "$ENCFLOW" json -c /document/domains out
    is "[\"$(check kid arno.pem)\"]" "$ENCFLOW" json -c /document/approvers out
    is 1 "$ENCFLOW" json -r /document/need out
    is b "$ENCFLOW" json -r /document/labels/a out
    works app list
    is 2 grep -c pending out
    # with no domain to approve, there is nothing to approve
    quiet app add --image i --pcr "$SET" plain
    read -r _ app <out
    is approved field app show "$app" /state
}

@test "app add: what is refused; nothing is signed" {
    people arno dana
    as arno
    quiet app add --image i --pcr "$SET" describe
    echo '{"PCR0": 1}' >bad.json
    head -c 1100000 /dev/zero >large
    add() {
        local want=() name=$1
        shift
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        row "$name" no "${want[@]}" -- app add "$@"
    }
    add noimage 2 "--image NAME" -- --pcr "$SET" x
    add nopcr 2 "--pcrs FILE, --eif FILE or --pcr SET" nitro-cli -- \
        --image i x
    add zeros 5 --pcr debug-mode -- --image i --pcr "$(measurements 0 0 0)" x
    "$PYTHON" -c 'print("{%s}" % ",".join("\"PCR%d\":\"%s\"" % (i, "0" * 96)
                                          for i in range(3)))' >zeros.json
    add zeros-json 5 zeros.json debug-mode -- --image i --pcrs zeros.json x
    add good-and-zeros 5 debug-mode -- --image i --pcr "$SET" \
        --pcrs zeros.json x
    add short 2 --pcr PCR0 "hex digits" -- --image i --pcr PCR0=12 x
    add two 2 --pcr -- --image i --pcr "$(measurements a b)" x
    add nonsense 2 --pcr -- --image i --pcr x x
    add empty 2 --pcr -- --image i --pcr '' x
    add json 4 bad.json -- --image i --pcrs bad.json x
    add large 4 "EF_MAX_MEASUREMENT_BYTES" -- --image i --pcrs large x
    add nofile 1 none -- --image i --pcrs none x
    add noeif 1 none -- --image i --eif none x
    add eif 4 bad.json "not an enclave image" -- --image i --eif bad.json x
    add taken 2 "you have one of this name" --new-build -- --image i \
        --pcr "$SET" describe
    add domain 2 "host's name" -- --image i --pcr "$SET" --domain 'a b' x
    add name 4 "dataset name" -- --image i --pcr "$SET" a/b
    add nobody 2 nobody "nobody of this name is known" -- --image i \
        --pcr "$SET" --approver nobody x
    add twice 2 "given twice" -- --image i --pcr "$SET" \
        --approver dana --approver dana x
    add twice-in-two-ways 4 "the same person twice" -- --image i \
        --pcr "$SET" --approver dana --approver "$(check kid dana.pem)" x
    add need 4 "more approvals than there are people" -- --image i \
        --pcr "$SET" --approver dana --need 2 x
    add new 2 "nothing of this name" -- --image i --pcr "$SET" --new-build x
    as dana
    add another 5 "only its owner adds a build" -- --image j --pcr "$SET" \
        --new-build describe
    rows 23
}

@test "app add --new-build: another build of the same application" {
    cast
    as arno
    quiet app add --image reg/simple:2 --pcr "$(measurements 1 2 3)" \
        --new-build describe
    read -r _ first <out
    read -r _ second < <(tail -n 1 out)
    is "$first" field app show "$second" /document/app
    is "$first" field app show "$BUILD" /document/app
    is approved field app show "$BUILD" /state
    is pending field app show "$second" /state
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config default study new
    quiet workflow add-app --build "$BUILD" --config default study old
    is "$second" field workflow show study /document/apps/new/build
    is "$BUILD" field workflow show study /document/apps/old/build
}

# Documents are met in the order of their hashes, which anybody can choose: of
# eight of mallory's builds some stand on either side of arno's, and each is
# newer than the one before.
@test "a name that two people use means neither, whatever stands between" {
    people dana arno mallory
    described
    as mallory
    quiet app add --image evil --pcr "$SET" describe
    local i
    for i in 1 2 3 4 5 6 7; do
        quiet app add --new-build --image "evil$i" --pcr "$SET" describe
    done
    as dana
    quiet workflow new study
    no 2 "several documents have this name" describe -- workflow add-app \
        --build describe --config default study a
    no 2 "several documents have this name" describe -- app show describe
    quiet workflow add-app --build "$BUILD" --config default study a
}

@test "app add --approver --need: two of three have to approve" {
    people a b c arno eve
    as arno
    try app add --image i --pcr "$SET" --domain localhost \
        --approver a --approver b --approver "$(check kid c.pem)" --need 2 x
    # also with -q: whose word counts depends on it
    fails 0 "is a name that its owner has chosen: compare the thumbprint"
    read -r _ app <out
    read -r _ build < <(tail -n 1 out)
    as arno # the owner is none of them
    no 5 "you are not asked" -- approve "$build"
    works task list -q
    [ ! -s out ]
    as a
    works task list -q
    is 2 grep -c . out
    grep -Fx "build     $build  x  by arno ($(
        check kid arno.pem | cut -c 1-12))" out
    grep -F "domains   $app  x" out
    quiet approve "$build"
    is pending field app show "$build" /state
    # the same again is the same
    unchanged quiet approve "$build"
    is pending field app show "$build" /state
    as c
    quiet approve "$build"
    is approved field app show "$build" /state
    # what is decided waits for nobody
    as b
    works task list -q
    is 1 grep -c . out
    # two declines of three: it cannot be any more
    quiet decline "$app"
    is pending field app show "$app" /state
    as a
    quiet decline --reason "No outside" "$app"
    is rejected field app show "$app" /state
}

@test "config add: ports, command and files; each thing once and in place" {
    cast
    as arno
    printf 'a\0b' >file
    quiet config add --app describe --input left --input right --output out \
        --item /opt/fortanix/enclave-os/app-config/rw/x.ini=file \
        --item /opt/fortanix/y=file --label a=b --description d --group g \
        full -- python3 -c 'print("hello")' ''
    works config show --json full
    is '{"left":"input","out":"output","right":"input"}' \
        "$ENCFLOW" json -c /document/ports out
    is '["python3","-c","print(\"hello\")",""]' \
        "$ENCFLOW" json -c /document/command out
    is YQBi "$ENCFLOW" json -r \
        /document/items/~1opt~1fortanix~1enclave-os~1app-config~1rw~1x.ini out
    is d "$ENCFLOW" json -r /document/description out
    works config show --json default
    is '{"input":"input","output":"output"}' \
        "$ENCFLOW" json -c /document/ports out
    works config list
    is 2 grep -c . out
    add() {
        local want=() name=$1
        shift
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        row "$name" no "${want[@]}" -- config add "$@"
    }
    local app=(--app describe)
    local below="below /opt/fortanix/" part="no file's name"
    add noapp 2 "--app APP" -- x
    add unknown 2 none "nothing of this name" -- --app none x
    add taken 2 "you have one of this name" -- "${app[@]}" default
    add etc 4 "$below" -- "${app[@]}" --item /etc/passwd=file x
    add prefix 4 "$below" -- "${app[@]}" --item /opt/fortanixx/a=file x
    add relative 4 "$below" -- "${app[@]}" --item opt/fortanix/a=file x
    add root 4 "$below" -- "${app[@]}" --item /opt/fortanix/=file x
    add out 4 "$part" -- "${app[@]}" --item /opt/fortanix/../a=file x
    add dot 4 "$part" -- "${app[@]}" --item /opt/fortanix/./a=file x
    add double 4 "$part" -- "${app[@]}" --item /opt/fortanix//a=file x
    add end 4 "$part" -- "${app[@]}" --item /opt/fortanix/a/=file x
    add later 4 "$part" -- "${app[@]}" --item /opt/fortanix/a/../../b=file x
    add nofile 1 none -- "${app[@]}" --item /opt/fortanix/a=none x
    add noequal 2 PATH=FILE -- "${app[@]}" --item /opt/fortanix/a x
    add port 4 -- "${app[@]}" --input a/b x
    add twice 2 "given twice" -- "${app[@]}" --input a --input a x
    add both 2 "given twice" -- "${app[@]}" --input a --output a x
    add nothing 2 "a command should follow --" -- "${app[@]}" x --
    head -c 131073 /dev/zero >large
    add large 4 EF_MAX_DOCUMENT_BYTES -- "${app[@]}" \
        --item /opt/fortanix/a=large x
    rows 19
}

# --- workflows ---

@test "workflow connect: in either direction, --as, --via" {
    cast
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config default study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study Result app:output
    is Result field workflow show study /document/connections/1/dataset
    is input field workflow show study /document/connections/0/port
    quiet workflow new turned
    quiet workflow add-app --build describe --config default turned app
    quiet workflow connect --as first turned app:input Conditions
    quiet workflow connect --as second turned app:output Result
    is "$(field dataset show Conditions /hash)" \
        field workflow show turned /document/datasets/first
    is "$(field dataset show Result /hash)" \
        field workflow show turned /document/datasets/second
    as arno
    between Middle
    as dana
    quiet workflow new chain
    quiet workflow add-app --build describe --config default chain a
    quiet workflow add-app --build describe --config default chain b
    quiet workflow connect chain Conditions a:input
    quiet workflow connect --via Middle chain a:output b:input
    quiet workflow connect chain b:output Result
    is 4 "$PYTHON" -c 'import json, sys
print(len(json.load(sys.stdin)["document"]["connections"]))' \
        < <("$ENCFLOW" workflow show --json chain)
    quiet workflow submit chain
}

@test "workflow: each mistake is refused, with its place" {
    cast
    as arno
    quiet app add --image i --pcr "$SET" other
    quiet config add --app other elsewhere
    between Middle
    as dana
    input More
    quiet workflow new study
    flow() {
        local want=() name=$1
        shift
        while [ "$1" != -- ]; do
            want+=("$1")
            shift
        done
        shift
        row "$name" no "${want[@]}" -- workflow "$@"
    }
    flow taken 2 '"study"' "you have one of this name" -- new study
    flow noapp 2 "no port of an application" "add-app" -- \
        connect study Conditions app:input
    flow nobuild 2 "--build BUILD and --config CONFIG" -- \
        add-app --config default study app
    flow unknown-build 2 '"none"' "nothing of this name" -- \
        add-app --build none --config default study app
    flow unknown-config 2 '"none"' -- \
        add-app --build describe --config none study app
    flow unknown-draft 2 '"none"' -- \
        add-app --build describe --config default none app
    flow other-config 4 '"app"' "another application's" -- \
        add-app --build describe --config elsewhere study app
    quiet workflow add-app --build describe --config default study app
    flow name-taken 4 '"app"' "something of this name" -- \
        add-app --build describe --config default study app
    flow to-output 4 '"app:output"' \
        "an output port cannot write to an input dataset" -- \
        connect study Conditions app:output
    flow to-output-turned 4 '"app:output"' -- \
        connect study app:output Conditions
    flow from-output 4 '"app:input"' \
        "an input port cannot read an output dataset" -- \
        connect study Result app:input
    flow port 4 '"app:nope"' "no such port" -- \
        connect study Conditions app:nope
    flow app 2 -- connect study Conditions nope:input
    flow dataset 2 '"nope"' "nothing of this name" -- \
        connect study nope app:input
    flow two-ports 2 -- connect study app:input app:output
    flow via 2 "APP:PORT APP:PORT" -- \
        connect --via Middle study Conditions app:input
    quiet workflow connect study Conditions app:input
    flow twice 4 '"app:input"' "connected to this port already" -- \
        connect study Conditions app:input
    flow as-taken 4 '"Conditions"' "something of this name" --as -- \
        connect --as Conditions study More app:input
    flow as-app 4 '"app"' "something of this name" -- \
        connect --as app study More app:input
    flow open 4 '"app:output"' "connected" -- submit study
    # a cycle: through one application, and through two
    flow self 4 '"app"' "in a circle" -- \
        connect --via Middle study app:output app:input
    quiet workflow add-app --build describe --config default study next
    as arno
    between Back
    as dana
    quiet workflow connect --via Middle study app:output next:input
    flow cycle 4 '"app"' "in a circle" -- \
        connect --via Back study next:output app:input
    flow writers 4 "another port writes to this dataset" -- \
        connect study next:output Middle
    quiet workflow connect study next:output Result
    quiet workflow submit study
    flow submitted 5 "not changed any more" --replaces -- \
        add-app --build describe --config default study third
    flow again 5 "not changed any more" -- submit study
    flow until 2 --until -- new --until tomorrow x
    flow need 2 --need -- new --need 0 x
    flow empty 4 -- new ''
    rows 27
}

@test "workflow submit: builds and domains must be approved, nothing open" {
    cast
    as arno
    quiet app add --image i --pcr "$SET" --domain localhost web
    read -r _ app <out
    read -r _ build < <(tail -n 1 out)
    quiet config add --app web webconf
    as dana
    quiet workflow new empty
    no 4 -- workflow submit empty
    quiet workflow new study
    quiet workflow add-app --build web --config webconf study app
    quiet workflow connect study Conditions app:input
    no 4 '"app:output"' -- workflow submit study
    quiet workflow connect study app:output Result
    no 5 '"app"' "its build is not approved" "task list" -- \
        workflow submit study
    as arno
    quiet approve "$build"
    as dana
    no 5 '"app"' "its domains are not approved" -- workflow submit study
    as arno
    quiet approve "$app"
    as dana
    quiet workflow submit study
    is "$(for p in dana olga arno; do check kid $p.pem; done | sort)" eval \
        'field workflow show study /document/participants |
            grep -oE "[A-Za-z0-9_-]{43}" | sort'
    is 3 field workflow show study /document/need
    # one that is declined later takes the approval back
    all_approve "$(field workflow show study /hash)"
    is approved state study
    as arno
    quiet decline "$build"
    is pending state study
    refused 5 "its build is not approved" -- workflow hashes study
}

@test "task list, approve: the whole hash, who is asked, once" {
    cast
    submitted
    people eve
    no 5 "you are not asked about this document" -- approve "$FLOW"
    no 5 "you are not asked" -- decline "$FLOW"
    try task list
    fails 0 "nothing waits for you"
    [ ! -s out ]
    as olga
    try task list
    fails 0 "hint: encflow approve HASH"
    grep -Fx "workflow  $FLOW  study  by dana ($(
        check kid dana.pem | cut -c 1-12))" out
    works task list -q --json
    is "$FLOW" "$ENCFLOW" json -r /0/hash out
    is workflow "$ENCFLOW" json -r /0/task out
    is study "$ENCFLOW" json -r /0/name out
    is "$(check kid dana.pem)" "$ENCFLOW" json -r /0/by out
    no 2 "not all 64 digits" "task list" -- approve "${FLOW:0:63}"
    no 2 "not all 64 digits" -- approve study
    no 2 "no such document" -- approve "$(printf %064d 0)"
    no 5 "you are not asked" -- \
        approve "$(field dataset show Result /hash)"
    try approve "$FLOW"
    fails 0 'approved: workflow "study"'
    unchanged try approve "$FLOW"
    fails 0 'approved before: workflow "study"'
    works task list -q --json
    is '[]' cat out
    is pending state study
    refused 5 "not all participants have approved" "workflow show" -- \
        workflow hashes study
    all_approve "$FLOW" dana arno
    is approved state study
    is "approval=4" grep -o 'approval=4' <(check verify ws)
}

@test "decline: with its reason, signed; final" {
    cast
    submitted
    as olga
    quiet approve "$FLOW"
    try decline --reason "Not with my data" "$FLOW"
    fails 0 'declined: workflow "study"'
    unchanged try decline "$FLOW"
    fails 0 'declined before'
    no 5 "you have declined it, which is final" "new version" -- \
        approve "$FLOW"
    is rejected state study
    all_approve "$FLOW" dana arno
    is rejected state study
    refused 5 "a participant has declined" -- workflow hashes study
    works workflow show study
    grep -F "Not with my data" out
    grep -F rejected out
    # it is a document like any other
    check verify ws | grep -F decline=1
    "$PYTHON" - <<'EOF'
import base64, glob, json
for path in glob.glob("ws/*"):
    body = open(path).read().split(".")[1]
    doc = json.loads(base64.urlsafe_b64decode(body + "=="))
    if doc["kind"] == "decline":
        assert doc["reason"] == "Not with my data", doc
EOF
    # whoever is not asked any more has nothing to do
    works task list -q
    [ ! -s out ]
}

@test "workflow cancel: by its author, pending or approved" {
    cast
    submitted
    as olga
    no 5 "only who made it cancels it" "encflow decline" -- \
        workflow cancel "$FLOW"
    all_approve "$FLOW"
    is approved state "$FLOW"
    as dana
    quiet workflow cancel study
    is cancelled state "$FLOW"
    unchanged quiet workflow cancel "$FLOW"
    refused 5 "cancelled by its author" -- workflow hashes "$FLOW"
    as olga
    no 5 "cancelled by its author" -- approve "$FLOW"
    works task list -q
    [ ! -s out ]
    # a cancel that another has signed does not count
    submitted
    check sign olga.pem cancel "{\"of\":\"$FLOW\"}" ws
    is pending state "$FLOW"
    # the name of a cancelled one is free; a draft goes the same way
    as dana
    quiet workflow new draft
    quiet workflow cancel draft
    refused 2 "nothing of this name" cancelled -- workflow show draft
    no 2 -- workflow submit draft
}

@test "workflow new --replaces: a new version, and the old one is over" {
    cast
    submitted
    local first=$FLOW old
    all_approve "$first"
    as dana
    quiet workflow new --replaces study study
    old=$(<out)
    is "$first" field workflow show "$old" /document/version_of
    is Conditions field workflow show "$old" \
        /document/connections/0/dataset
    # until it is approved the old one counts
    quiet workflow submit study
    local second
    second=$(<out)
    is 2 field workflow show "$second" /document/version
    is "$first" field workflow show "$second" /document/replaces
    works workflow show "$second"
    grep -Fx "Version       2" out
    is approved state "$first"
    all_approve "$second" dana arno
    is approved state "$first"
    is pending state "$second"
    all_approve "$second" olga
    is approved state "$second"
    is cancelled state "$first"
    refused 5 "replaced by a newer version" -- workflow hashes "$first"
    works workflow hashes study
    # nobody goes back behind it: not with a draft, not with an old answer
    as dana
    quiet workflow new --replaces "$first" again
    no 5 "replaced or cancelled already" "newest version" -- \
        workflow submit again
    as olga
    no 5 "replaced by a newer version" -- approve "$first"
    as dana
    # an older draft is over, too
    no 5 "replaced, submitted or cancelled" -- workflow submit "$old"
    # and when the new one is cancelled, the old one does not come back
    quiet workflow cancel "$second"
    is cancelled state "$second"
    is cancelled state "$first"
}

@test "workflow new --need: K of N, but the owners of data must approve" {
    cast
    as arno # a second application's owner is another
    people tom
    quiet app add --image i --pcr "$SET" second
    read -r _ build < <(tail -n 1 out)
    quiet approve "$build"
    quiet config add --app second --input input only
    submitted --need 3
    is 3 field workflow show study /document/need
    no 5 "not changed any more" -- workflow add-app --build second \
        --config only study more
    quiet workflow cancel study
    quiet workflow new --need 3 study
    quiet workflow add-app --build describe --config default study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study app:output Result
    quiet workflow add-app --build second --config only study more
    quiet workflow connect study Conditions more:input
    quiet workflow submit study
    FLOW=$(<out)
    is 4 eval 'field workflow show study /document/participants |
        grep -c "\""'
    # one application's owner is not needed; a decline of his is no end
    all_approve "$FLOW" dana arno
    is pending state "$FLOW"
    as tom
    quiet decline --reason "no" "$FLOW"
    is pending state "$FLOW"
    all_approve "$FLOW" olga
    is approved state "$FLOW"
    # the owner of data is, whatever need says
    as dana
    quiet workflow new --replaces study --need 1 study
    quiet workflow submit study
    FLOW=$(<out)
    all_approve "$FLOW" arno tom
    is pending state "$FLOW"
    as olga
    quiet decline "$FLOW"
    is rejected state "$FLOW"
}

# --- hashes and runs ---

@test "workflow hashes: the SHA-256 of what an independent program makes" {
    cast
    as arno
    printf 'a\0b' >file
    quiet config add --app describe --item /opt/fortanix/x/a=file \
        --label 'é=ü' other -- /bin/echo 'a "b" é'
    as dana
    quiet workflow new --until 2100-01-01T00:00:00Z study
    quiet workflow add-app --build describe --config other study 'the app'
    quiet workflow connect --as 'in é' study Conditions 'the app:input'
    quiet workflow connect study 'the app:output' Result
    quiet workflow submit study
    FLOW=$(<out)
    all_approve "$FLOW"
    works workflow hashes -o cfg study
    [[ $(<out) =~ ^[0-9a-f]{64}"  the app"$ ]]
    ID=$(cut -d ' ' -f 1 out)
    is "$ID" sha256sum_of "cfg/$ID.json"
    check config ws "$FLOW" 'the app' >want
    same "cfg/$ID.json" want
    is 4102444800 "$ENCFLOW" json -r /expires want
    is 1 eval 'ls cfg | wc -l'
    # it is the same wherever it is worked out, without any identity
    cp -r ws copy
    ENCFLOW_ID=none works workflow hashes --workspace copy "$FLOW"
    grep -Fe "$ID" out
    check tell cfg -- "$KEY" "$(sed -n 2p dana.pem)" "$(sed -n 2p rel.pem)"
    refused 2 "nothing of this name" "workflow submit" -- workflow hashes none
}

sha256sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

@test "run --appconfig-file: the whole story, decoded" {
    approved
    try run --appconfig-file "cfg/$ID.json" --release-key rel.pem \
        --work "$PWD/work" --allow-file
    fails 0
    grep -Fx "Execution complete" out
    works result -K key.hex Result.enc
    grep -E "^count +50$" out
    grep -E "^top +Finding 0$" out
    # the work folder has no plaintext any more
    [ -z "$(ls -A work 2>/dev/null)" ]
    # the key of the input was made on the spot: nobody has it
    check tell ws cfg tmp -- "$KEY"
}

@test "run --appconfig-file: command and files are the configuration's" {
    cast
    as arno
    printf 'from the item' >file
    quiet config add --app describe --item /opt/fortanix/x/y.txt=file own \
        -- /bin/sh -c 'cat "$1"; cat rel.pem; cat "$2"; ls; echo done' sh \
        "$PWD/root/opt/fortanix/x/y.txt" "$PWD/rel.pem"
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config own study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study app:output Result
    quiet workflow submit study
    all_approve "$(<out)"
    configured
    job --root "$PWD/root"
    is "from the item" cat root/opt/fortanix/x/y.txt
    try result -K key.hex Result.enc
    grep -F 'done' out
    # where there is Landlock the application sees nothing of the key
    lacks out "$(sed -n 2p rel.pem)"
}

@test "run --appconfig-file: options that would change what was approved" {
    approved
    local r=(run --appconfig-file "cfg/$ID.json" --allow-file)
    local key=(--release-key rel.pem) work=(--work "$PWD/work")
    row ports refused 2 "no --ports" -- "${r[@]}" "${key[@]}" "${work[@]}" \
        --ports ports
    row input refused 2 "no --ports" -- "${r[@]}" "${key[@]}" "${work[@]}" \
        --input x
    row output refused 2 "no --ports" -- "${r[@]}" "${key[@]}" "${work[@]}" \
        --output x
    row command refused 2 "none after --" -- "${r[@]}" "${key[@]}" \
        "${work[@]}" -- true
    row nokey refused 2 "--release-key" -- "${r[@]}" "${work[@]}"
    row nowork refused 2 "--work DIR" -- "${r[@]}" "${key[@]}"
    row public refused 4 rel.pub "not a private key of X25519" -- \
        "${r[@]}" --release-key rel.pub "${work[@]}"
    row p256 refused 4 dana.pem "not a private key of X25519" -- \
        "${r[@]}" --release-key dana.pem "${work[@]}"
    row nofile refused 1 none -- "${r[@]}" --release-key none "${work[@]}"
    row file refused 5 "file:// is not allowed" -- run --appconfig-file \
        "cfg/$ID.json" "${key[@]}" "${work[@]}"
    works release keygen -o rel2.pem
    row another refused 5 Conditions "sealed to this key" "dataset renew" -- \
        "${r[@]}" --release-key rel2.pem "${work[@]}"
    row empty refused 5 "cfg/$ID.json" "is not in the workspace" -- "${r[@]}" \
        "${key[@]}" "${work[@]}" --workspace none
    tr '{' '[' <"cfg/$ID.json" >bad.json
    row malformed refused 4 bad.json -- run --appconfig-file bad.json \
        "${key[@]}" "${work[@]}"
    sed 's/{/{ /' "cfg/$ID.json" >bad.json
    row canonical refused 4 bad.json -- run --appconfig-file bad.json \
        "${key[@]}" "${work[@]}"
    rows 14
    [ ! -e work ]
    [ ! -e Result.enc ]
}

@test "run --appconfig-file: not the file that was approved, or too late" {
    approved
    cp Conditions.enc good
    spoiled() { # nothing is delivered
        no_job 3 Conditions "not the encrypted file that was approved" -- &&
            [ ! -e Result.enc ]
    }
    head -c -1 good >Conditions.enc
    row shorter spoiled
    (cat good && printf x) >Conditions.enc
    row longer spoiled
    (printf x && tail -c +2 good) >Conditions.enc
    row changed spoiled
    # another, of the same text and size
    as dana
    input Other
    cp Other.enc Conditions.enc
    row another spoiled
    rm Conditions.enc
    row missing no_job 6 Conditions "cannot open" --
    rows 5
    cp good Conditions.enc
    job
    [ -e Result.enc ]
}

@test "run --appconfig-file: after --until nothing runs" {
    cast
    submitted --until "$(($(date +%s) + 4))"
    all_approve "$FLOW"
    configured
    local i
    for ((i = 0; i < 60; i++)); do
        [ "$(date +%s)" -lt "$("$ENCFLOW" json -r /expires "cfg/$ID.json")" ] ||
            break
        sleep 0.2
    done
    no_job 5 "cfg/$ID.json" "what was approved has expired" --
    [ ! -e Result.enc ]
}

@test "two applications: one reads what the other has written" {
    cast
    as arno
    # the first writes a table, the second reads what came of it
    quiet config add --app describe first -- /bin/sh -c \
        'printf "DESCRIPTION\nB\nA\nB\n"'
    quiet config add --app describe second -- /bin/cat
    as olga
    between Middle
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config first study one
    quiet workflow add-app --build describe --config second study two
    quiet workflow connect study Conditions one:input
    quiet workflow connect --via Middle study one:output two:input
    quiet workflow connect study two:output Result
    quiet workflow submit study
    FLOW=$(<out)
    all_approve "$FLOW"
    works workflow hashes -o cfg study
    local one two
    one=$(awk '$2 == "one" { print $1 }' out)
    two=$(awk '$2 == "two" { print $1 }' out)
    is 2 grep -c . out
    check config ws "$FLOW" one | cmp - "cfg/$one.json"
    check config ws "$FLOW" two | cmp - "cfg/$two.json"
    # the second finds nothing before the first has run
    ID=$two
    no_job 6 Middle "cannot open" --
    ID=$one job
    [ -e Middle.enc ]
    ID=$two job
    works result -K key.hex Result.enc
    # what the first delivered is a result, and the second reads it as one
    is 0 "$ENCFLOW" json /returncode out
    is $'DESCRIPTION\nB\nA\nB' eval \
        '"$ENCFLOW" json -r /stdout out | base64 -d'
    # its key was made on the spot: neither has a file of it
    check tell ws cfg tmp -- "$KEY"
}

# --- sharing ---

@test "two copies of a workspace: cp both ways, and both say the same" {
    cast
    submitted
    cp -r ws theirs
    as dana
    quiet approve "$FLOW"
    as olga
    quiet approve --workspace theirs "$FLOW"
    quiet dataset add --workspace theirs --release-key rel.pub \
        --from c.csv --to "file://$PWD/x.enc" --allow-file More
    as arno
    quiet approve --workspace theirs "$FLOW"
    quiet app add --image i --pcr "$SET" other
    is pending state study
    cp -n ws/* theirs/
    cp -n theirs/* ws/
    is "" diff -r -x .lock ws theirs
    local copy command
    for command in "workflow list" "workflow show study" "dataset list" \
        "app list" "workflow hashes study" "id list"; do
        for copy in ws theirs; do
            # shellcheck disable=SC2086 # words
            works $command --workspace $copy
            mv out "$copy.out"
        done
        same ws.out theirs.out
    done
    is approved state study
    # duplicates do no harm
    cp theirs/* ws/
    is approved state study
}

@test "workflow list, show and graph" {
    approved --description "A study of <b>patients</b>" --until 4102444800
    works workflow list
    is "${FLOW:0:12}  workflow  approved   study  by dana ($(
        check kid dana.pem | cut -c 1-12))" cat out
    works workflow list --json
    is approved "$ENCFLOW" json -r /0/state out
    works workflow show study
    grep -Fe "$FLOW" out
    grep -F "Conditions -> app:input" out
    grep -F "app:output -> Result" out
    # what one is asked to approve: what runs, of what image, until when
    grep -Fx "Until         2100-01-01 00:00:00 UTC" out
    grep -Fx "    Image         reg/simple:1" out
    grep -Fx "    PCR0          $(printf 'a%.0s' {1..96})" out
    grep -Fx "    APPCONFIG_ID  $ID" out
    local format
    for format in text dot svg html; do
        works workflow graph --format "$format" study
        [ -s out ]
        cp out "out.$format"
        works workflow graph --format "$format" -out file study
        same file "out.$format"
    done
    lacks out.html '<b>patients'
    grep -F '&lt;b&gt;patients' out.html
    "$PYTHON" -c 'import xml.dom.minidom as m; m.parse("out.svg")'
    grep -Fe "$FLOW" out.html
    grep -Fe "$ID" out.html
    grep -F '<dt>Until</dt>' out.html
    refused 2 "text, dot, svg or html" -- workflow graph --format pdf study
    refused 1 none/x -- workflow graph -out none/x study
}
