#!/usr/bin/env bats
# What a process still has of its secrets when its work is done: nothing.
# image.py searches the whole image of a process; every test also says what
# it must find there while the command works, so that the search is known to
# see. tests/data.bats has the rest: VmLck, RLIMIT_CORE and dumpable.

bats_require_minimum_version 1.5.0
load common
load servers

# What the input holds, the query string that admits its reader, and what
# AWS knows an account by: long enough to be found in pieces. Of a column,
# describe shows the first 50 characters.
PLAIN='Finding that nobody but its owner may know 77317'
SIGN='AWSAccessKeyId=AKIDEXAMPLE&Signature=9zQpH99nszG2Kf8dW3mTb5vYx'
SIGN+='&Expires=4102444800'
ACCOUNT='uQ7xv2LpZr8Nw4Ky/Tj6Hs1Bd3Fg5Mc9Xa0Ve+Ro'
TOKEN='FwoGZXIvYXdzEJr4mPq8sT2vK6nB1cD5xL7hW3yZ9gQ0uE+tOaRiVjSkMf/NbXd'

setup_file() {
    start_nginx
    make -s -C "$ROOT" build/nsm_preload.so
}

setup() {
    common_setup
    export TMPDIR=$PWD
    "$ENCFLOW" keygen -o in.key
    "$ENCFLOW" keygen -o out.key
    {
        echo 'PATIENT,DESCRIPTION'
        for ((i = 0; i < 400; i++)); do
            echo "$i,$PLAIN"
        done
    } >table.csv
    "$ENCFLOW" enc -K in.key -in table.csv -out table.enc
    HOSTS=()
}

teardown() { stop_hosts; }

# host FILE COMMAND...: in the background, until the test's end; FILE says that
# it is ready
host() {
    local i
    "${@:2}" >host.out 2>&1 </dev/null 3>&- &
    HOSTS+=("$!")
    for ((i = 0; i < 400; i++)); do
        [ ! -e "$1" ] || return 0
        sleep .05
    done
    cat host.out
    return 1
}

# Names of what a search must find while the command works.
KEYS=(--sees key --sees round --sees ghash)

# image OPTION... -- COMMAND...: nothing left; the reason where there is.
image() { "$PYTHON" "$BATS_TEST_DIRNAME/image.py" "$@"; }

# big: a table of 3 MiB, which two threads share.
big() {
    for ((i = 0; i < 150; i++)); do
        cat table.csv
    done >big.csv
    [ "$(stat -c %s big.csv)" -gt 3145728 ]
}

# dataset PORT NAME LOCATION KEYFILE: one dataset of ./ports, with a query.
dataset() {
    mkdir -p "ports/$1/$2/dataset"
    printf %s "$3" >"ports/$1/$2/dataset/location.txt"
    printf '{"query_string": "%s", "encryption": {"key": "%s"}}' \
        "$(printf %s "${5-}" | base64 -w 0)" "$(<"$4")" \
        >"ports/$1/$2/dataset/credentials.bin"
}

# ------------------------------------------------------- the search itself

@test "image: finds what a careless program leaves, and only that" {
    # a script that reads a key and a text, and keeps them in its heap
    cat >careless.py <<'PY'
import ctypes, sys
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) # work begins
keep = open("in.key", "rb").read(), open("note").read()
key = bytearray.fromhex(keep[0].decode())
open("/dev/null").close()
if sys.argv[1] == "wipes":
    key[:] = bytes(32)
    ctypes.memset(id(keep[0]) + 32, 0, 64)
    ctypes.memset(id(keep[1]) + 48, 0, len(keep[1]))
PY
    printf %s "$PLAIN" >note
    run image --key in.key --text "plain=$PLAIN" --sees plain --sees hex -- \
        "$PYTHON" -S -E careless.py keeps
    fails 1 'left at the end: hex' 'left at the end: key' \
        'left at the end: plain'
    run image --key out.key --text plain="another text, which nobody has" \
        --sees plain --sees key -- "$PYTHON" -S -E careless.py keeps
    fails 1 'never seen: key' 'never seen: plain'
    [[ $output != *left* ]]
    run image --status 3 --key in.key -- "$PYTHON" -S -E careless.py keeps
    fails 2 'wait status'
}

# ---------------------------------------------------------------- commands

@test "keygen keeps nothing of the key" {
    image --key new.key --sees key -- "$ENCFLOW" keygen -o new.key
}

@test "enc keeps nothing, with one thread and with two" {
    big
    image --guarded --key in.key --text "plain=$PLAIN" "${KEYS[@]}" \
        --sees hex --sees plain -- \
        "$ENCFLOW" enc -K in.key --threads 1 -in big.csv -out sealed
    image --key in.key --text "plain=$PLAIN" "${KEYS[@]}" --sees plain -- \
        "$ENCFLOW" enc -K in.key --threads 2 -in big.csv -out sealed
    image --key in.key --text "plain=$PLAIN" "${KEYS[@]}" --sees plain \
        --stdin big.csv --stdout sealed -- "$ENCFLOW" enc -K in.key
}

@test "dec keeps nothing, to a file, to a stream, from a pipe" {
    big
    "$ENCFLOW" enc -K in.key -in big.csv -out sealed
    image --guarded --key in.key --text "plain=$PLAIN" "${KEYS[@]}" \
        --sees plain -- \
        "$ENCFLOW" dec -K in.key --threads 1 -in sealed -out opened
    same big.csv opened
    mkfifo pipe
    image --key in.key --text "plain=$PLAIN" "${KEYS[@]}" --sees plain \
        --stdin pipe --stdout /dev/null -- "$ENCFLOW" dec -K in.key &
    cat sealed >pipe
    wait $!
}

@test "dec keeps nothing of a file that does not open" {
    printf x >>table.enc
    image --status 3 --key in.key --text "plain=$PLAIN" "${KEYS[@]}" \
        --sees plain -- "$ENCFLOW" dec -K in.key -in table.enc -out opened
    image --status 3 --key out.key --text "plain=$PLAIN" "${KEYS[@]}" -- \
        "$ENCFLOW" dec -K out.key -in table.enc -out opened
}

@test "base64 keeps nothing, either way" {
    image --text "plain=$PLAIN" --sees plain -- \
        "$ENCFLOW" base64 -in table.csv -out table.64
    image --text "plain=$PLAIN" --sees plain -- \
        "$ENCFLOW" base64 -d -in table.64 -out table.again
    same table.csv table.again
}

@test "json keeps nothing of credentials" {
    dataset input in file:///x in.key "$SIGN"
    image --key in.key --text "query=$SIGN" --sees hex --sees query \
        --stdout key.out -- "$ENCFLOW" json -r /encryption/key \
        ports/input/in/dataset/credentials.bin
    [ "$(<key.out)" = "$(<in.key)" ]
    image --key in.key --text "query=$SIGN" --sees hex --stdout all.out -- \
        "$ENCFLOW" json -c ports/input/in/dataset/credentials.bin
}

@test "credentials make and check keep nothing" {
    printf 'https://bucket.example/key?%s' "$SIGN" >url
    image --guarded --key in.key --text "query=$SIGN" --sees key --sees hex \
        --sees query --stdin url -- \
        "$ENCFLOW" credentials make --url - -K in.key -o made
    image --key in.key --text "query=$SIGN" --sees key --sees query \
        --stdin url --stdout made.json -- \
        "$ENCFLOW" credentials make --url - -K in.key
    image --guarded --key in.key --text "query=$SIGN" --sees key \
        --sees query --stdout /dev/null -- "$ENCFLOW" credentials check made
}

@test "presign keeps nothing of the account, nor of what it made" {
    local sigv2
    printf '[p]\naws_access_key_id = AKIDEXAMPLE\n' >aws
    printf 'aws_secret_access_key = %s\nregion = eu-west-1\n' "$ACCOUNT" >>aws
    export AWS_SHARED_CREDENTIALS_FILE=$PWD/aws AWS_CONFIG_FILE=/dev/null
    for sigv2 in '' --sigv2; do
        "$ENCFLOW" presign p download s3://bucket/ file 60 $sigv2 \
            --at 2026-01-01T00:00:00Z >want
        image --text "account=$ACCOUNT" --sees account --sees url \
            --text "url=$(grep -oE 'Signature=.*' want)" --stdout got -- \
            "$ENCFLOW" presign p download s3://bucket/ file 60 $sigv2 \
            --at 2026-01-01T00:00:00Z
        same want got
    done
}

@test "describe keeps nothing of the table" {
    image --text "plain=$PLAIN" --sees plain --stdout /dev/null -- \
        "$ENCFLOW" describe table.csv
    image --text "plain=$PLAIN" --sees plain --stdout /dev/null -- \
        "$ENCFLOW" describe --all --top 3 --format json table.csv
}

@test "run keeps nothing, of files" {
    dataset input in "file://$PWD/table.enc" in.key
    dataset output out "file://$PWD/out.enc" out.key
    image --key in.key --key out.key --text "plain=$PLAIN" "${KEYS[@]}" \
        --sees plain -- "$ENCFLOW" run --allow-file --ports ports \
        --work "$PWD/work"
    image --key out.key --text "plain=$PLAIN" --sees key --sees plain \
        --stdout /dev/null -- "$ENCFLOW" result -K out.key out.enc
}

@test "run keeps nothing, over HTTP and HTTPS" {
    local at
    cp table.enc "$STORE/secrets.enc"
    for at in "$NGINX_HTTP" "$NGINX_HTTPS"; do
        dataset input in "$at/secrets.enc" in.key "$SIGN"
        dataset output out "$at/secrets-out.enc" out.key "$SIGN"
        image --key in.key --key out.key --text "plain=$PLAIN" "${KEYS[@]}" \
            --text "query=$SIGN" --sees plain --sees query -- \
            "$ENCFLOW" run --allow-http --ports ports --work "$PWD/work" \
            --cacert "$CA"
        image --key out.key --text "plain=$PLAIN" --text "query=$SIGN" \
            --sees key --sees plain --stdout /dev/null -- \
            "$ENCFLOW" result -K out.key --allow-http --cacert "$CA" \
            "$at/secrets-out.enc"
    done
}

# account: keys for AWS in a file, as a process's environment stays in its
# image; nginx serves and stores objects by their paths, and asks for none.
account() {
    printf '[default]\naws_access_key_id = AKIDEXAMPLE\n' >aws
    printf 'aws_secret_access_key = %s\n' "$ACCOUNT" >>aws
    printf 'aws_session_token = %s\nregion = eu-west-1\n' "$TOKEN" >>aws
    export AWS_SHARED_CREDENTIALS_FILE=$PWD/aws AWS_CONFIG_FILE=/dev/null
    S3=(--allow-http --endpoint-url "$NGINX_HTTP" --addressing path)
    OURS=(--key in.key --text "plain=$PLAIN" --text "account=$ACCOUNT"
        --text "token=$TOKEN" --sees account --sees token)
}

@test "put keeps nothing, of the file, of its key, of the account" {
    local object=$STORE/bucket/object
    account
    # what is sealed is plaintext between two system calls, and never seen
    image "${OURS[@]}" "${KEYS[@]}" -- "$ENCFLOW" put \
        "${S3[@]}" -K in.key table.csv s3://bucket/object
    "$ENCFLOW" dec -K in.key -in "$object" -out opened
    same table.csv opened
    image "${OURS[@]}" "${KEYS[@]}" --stdin table.csv -- \
        "$ENCFLOW" put "${S3[@]}" -K in.key - s3://bucket/object
    "$ENCFLOW" dec -K in.key -in "$object" -out opened
    same table.csv opened
    image "${OURS[@]}" --sees plain -- "$ENCFLOW" put "${S3[@]}" table.csv \
        s3://bucket/object
    same table.csv "$object"
    printf %s "$NGINX_HTTPS/bucket/object?$SIGN" >url
    image --key in.key --text "plain=$PLAIN" --text "query=$SIGN" \
        "${KEYS[@]}" --sees query --stdin url -- \
        "$ENCFLOW" put --cacert "$CA" -K in.key table.csv -
}

@test "get keeps nothing, to a file, to a stream, of what does not open" {
    account
    mkdir -p "$STORE/bucket"
    cp table.enc "$STORE/bucket/sealed"
    cp table.csv "$STORE/bucket/plain"
    image "${OURS[@]}" "${KEYS[@]}" --sees plain -- "$ENCFLOW" get \
        "${S3[@]}" -K in.key s3://bucket/sealed opened
    same table.csv opened
    image "${OURS[@]}" "${KEYS[@]}" --sees plain --stdout opened -- \
        "$ENCFLOW" get "${S3[@]}" -K in.key s3://bucket/sealed
    same table.csv opened
    image "${OURS[@]}" --sees plain -- "$ENCFLOW" get "${S3[@]}" \
        s3://bucket/plain opened
    same table.csv opened
    image "${OURS[@]}" --sees plain --stdout opened -- \
        "$ENCFLOW" get "${S3[@]}" s3://bucket/plain
    same table.csv opened
    printf x >>"$STORE/bucket/sealed"
    image --status 3 "${OURS[@]}" "${KEYS[@]}" --sees plain -- \
        "$ENCFLOW" get "${S3[@]}" -K in.key s3://bucket/sealed other
    [ ! -e other ]
    image --status 6 "${OURS[@]}" --sees key -- "$ENCFLOW" get "${S3[@]}" \
        -K in.key s3://bucket/none other
    cp table.enc "$STORE/bucket/sealed"
    printf %s "$NGINX_HTTPS/bucket/sealed?$SIGN" >url
    image --key in.key --text "plain=$PLAIN" --text "query=$SIGN" \
        "${KEYS[@]}" --sees plain --sees query --stdin url -- \
        "$ENCFLOW" get --cacert "$CA" -K in.key - opened
}

@test "get in ranges keeps nothing" {
    account
    # past 64 MiB; not a whole number of blocks
    big
    for ((i = 0; i < 24; i++)); do
        cat big.csv
    done >large.csv
    [ "$(stat -c %s large.csv)" -gt $((66 << 20)) ]
    mkdir -p "$STORE/bucket"
    "$ENCFLOW" enc -K in.key -in large.csv -out "$STORE/bucket/large"
    image "${OURS[@]}" "${KEYS[@]}" --sees plain -- "$ENCFLOW" get \
        "${S3[@]}" -K in.key s3://bucket/large opened
    same large.csv opened
    rm -f "$STORE/bucket/large" large.csv opened
}

@test "keys that a program prints are gone as well" {
    printf '[profile p]\nregion = eu-west-1\n' >config
    printf 'credential_process = /bin/cat keys.json\n' >>config
    printf '{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", ' >keys.json
    printf '"SecretAccessKey": "%s", "SessionToken": "%s"}' "$ACCOUNT" \
        "$TOKEN" >>keys.json
    export AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_CONFIG_FILE=$PWD/config
    "$ENCFLOW" presign p download s3://bucket/ file 60 --sigv2 \
        --at 2026-01-01T00:00:00Z >want
    image --text "account=$ACCOUNT" --text "token=$TOKEN" --sees account \
        --sees token --stdout got -- "$ENCFLOW" presign p download \
        s3://bucket/ file 60 --sigv2 --at 2026-01-01T00:00:00Z
    same want got
}

@test "selftest keeps no round key, of any kernel" {
    # the key of the GCM paper's test cases 15 and 16, and that of the long
    # text; each kernel's have to be seen, and be gone before the next begins
    local sees=(--sees ct64 --sees ct --sees ghash)
    ! "$ENCFLOW" selftest | grep -q x86ni || sees+=(--sees round)
    image --steps --rounds \
        feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308 \
        --rounds \
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
        "${sees[@]}" --stdout /dev/null -- "$ENCFLOW" selftest
}

# ---------------------------------------------------------------- workflows

# hex_of PEM: the private key of a PEM file, as image.py takes keys.
hex_of() {
    "$PYTHON" -c '
import sys
from cryptography.hazmat.primitives import serialization as s
der = s.load_pem_private_key(open(sys.argv[1], "rb").read(), None) \
    .private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())
at = der.find(b"\x04\x20") # the inner octet string of 32 bytes
print(der[at + 2:at + 34].hex(), end="")' "$1"
}

# story: one person, a release key, an input and an output with a query each,
# an approved workflow, its runtime configuration.
story() {
    export ENCFLOW_WORKSPACE=$PWD/ws ENCFLOW_ID=$PWD/id.pem
    "$ENCFLOW" id new -q dana >/dev/null
    "$ENCFLOW" release keygen -o rel.pem >rel.pub
    hex_of id.pem >id.hex
    hex_of rel.pem >rel.hex
    TRUST=$("$ENCFLOW" id show | cut -d ' ' -f 1)
    FIVE=$(printf '5a%.0s' {1..48}) # a register
    cp table.enc "$STORE/flow.enc"
    credentials in.key >in.json
    credentials out.key >out.json
    GIVEN=(--release-key rel.pub --allow-http --credentials in.json
        --location "$NGINX_HTTP/flow.enc")
    OWNER=(--key id.hex --key in.key --text "query=$SIGN")
}

# credentials KEYFILE: with the query, as they are given.
credentials() {
    printf '{"query_string": "%s", "encryption": {"key": "%s"}}' \
        "$(printf %s "$SIGN" | base64 -w 0)" "$(<"$1")"
}

@test "id new and release keygen keep nothing of the private key" {
    export ENCFLOW_WORKSPACE=$PWD/ws
    image --key id.pem --sees key --stdout hash -- \
        "$ENCFLOW" id new -q --id id.pem dana
    image --key rel.pem --sees key --stdout rel.pub -- \
        "$ENCFLOW" release keygen -o rel.pem
    openssl pkey -in rel.pem -pubout | same rel.pub -
}

# The scalar comes from a file: it is there before a document is signed. What
# is found only between two system calls cannot be asked for with --sees.
@test "dataset add and renew keep nothing of the owner, the key, the query" {
    story
    image --guarded "${OWNER[@]}" --sees key --sees query --stdout hash -- \
        "$ENCFLOW" dataset add "${GIVEN[@]}" In
    image "${OWNER[@]}" --sees key --sees query -- "$ENCFLOW" dataset renew \
        --release-key rel.pub --credentials in.json In
    image "${OWNER[@]}" --text "plain=$PLAIN" "${KEYS[@]}" --stdout hash -- \
        "$ENCFLOW" dataset add --release-key rel.pub --allow-file -K in.key \
        --from table.csv --to "file://$PWD/made.enc" Made
    "$ENCFLOW" dec -K in.key -in made.enc -out opened
    same table.csv opened
    nowhere ws
}

# nowhere FOLDER: none of its files tells a secret, in any of the forms that
# image.py knows.
nowhere() {
    "$PYTHON" - "$SIGN" "$PLAIN" "$@" <<'END'
import base64, os, re, sys
secrets = [s.encode() for s in sys.argv[1:3]]
for name in "id.hex", "rel.hex", "in.key", "out.key":
    text = open(name).read().strip()
    secrets += [bytes.fromhex(text), text.lower().encode()]
files = 0
for top, _, names in os.walk(sys.argv[3]):
    for name in names:
        files += 1
        data = open(os.path.join(top, name), "rb").read()
        forms = [data, data.lower()]
        for part in data.split(b"."):
            try:
                forms.append(base64.urlsafe_b64decode(
                    part + b"=" * (-len(part) % 4)))
            except ValueError:
                pass
        for s in secrets:
            for form in forms:
                assert s not in form, f"{name} tells a secret"
                for shift in range(3):
                    coded = base64.b64encode(bytes(shift) + s)[4:-4]
                    assert coded not in form, f"{name} tells a secret"
                    coded = base64.urlsafe_b64encode(bytes(shift) + s)[4:-4]
                    assert coded not in form, f"{name} tells a secret"
assert files > 0
END
}

# study HOW...: In to Out, each option of HOW for the datasets' credentials;
# ID is the approved workflow's APPCONFIG_ID, which is in ./cfg, too.
study() {
    local hash task
    "$ENCFLOW" dataset add "$@" --allow-http --credentials in.json \
        --location "$NGINX_HTTP/flow.enc" In >/dev/null
    "$ENCFLOW" dataset add "$@" --allow-http --direction output \
        --credentials out.json --location "$NGINX_HTTP/flow-out.enc" Out \
        >/dev/null
    "$ENCFLOW" app add --image i --pcr "PCR0=$FIVE,PCR1=$FIVE,PCR2=$FIVE" \
        describe >/dev/null
    "$ENCFLOW" config add --app describe default >/dev/null
    "$ENCFLOW" workflow new study >/dev/null
    "$ENCFLOW" workflow add-app --build describe --config default study a \
        >/dev/null
    "$ENCFLOW" workflow connect study In a:input >/dev/null
    "$ENCFLOW" workflow connect study a:output Out >/dev/null
    task=$("$ENCFLOW" task list -q | awk '{print $2}')
    image --guarded --key id.hex --sees key -- "$ENCFLOW" approve -q "$task"
    hash=$("$ENCFLOW" workflow submit study)
    image --key id.hex --sees key -- "$ENCFLOW" approve -q "$hash"
    ID=$("$ENCFLOW" workflow hashes -o cfg study | cut -d ' ' -f 1)
}

# enclave COMMAND...: where there is a security module, just started
enclave() {
    [ -e nsm ] || "$PYTHON" "$ROOT/tests/nsm.py" nsm --pcr "0=$FIVE" \
        --pcr "1=$FIVE" --pcr "2=$FIVE"
    rm -f nsm/registers
    NSM_DIR=$PWD/nsm NSM_RANDOM=$PWD/random \
        LD_PRELOAD=$ROOT/build/nsm_preload.so "$@"
}

# delivered: what was put is the input's description
delivered() {
    [ ! -e work ]
    "$ENCFLOW" result -K out.key "$STORE/flow-out.enc" | grep -q "$PLAIN"
    nowhere ws
    nowhere cfg
}

# verifies: the answer's reader keeps nothing of it
verifies() {
    image --key out.key --text "plain=$PLAIN" --sees key --sees plain \
        --stdout shown -- "$ENCFLOW" result --verify -K out.key \
        --root nsm/root.pem --trust "$TRUST" "$STORE/flow-out.enc"
    grep -q "$PLAIN" shown
}

@test "approve, and run with a runtime configuration, keep nothing" {
    story
    study --release-key rel.pub
    image --key rel.hex --key in.key --key out.key --text "query=$SIGN" \
        --text "plain=$PLAIN" "${KEYS[@]}" --sees query --sees plain -- \
        "$ENCFLOW" run --appconfig-file cfg/*.json --release-key rel.pem \
        --work "$PWD/work" --allow-http
    delivered
}

# What a service works out of its key: mac makes nonces; a token is mac's, of
# the nonce that a request's document has. done is the request with it.
derived() {
    "$PYTHON" - "$ID" <<'END'
import base64, hmac, json, sys
def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
def b64u(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
with open("rel.hex") as f:
    mac = hmac.digest(bytes.fromhex(f.read()), b"encflow release nonce 1",
                      "sha256")
with open("request") as f:
    document = unb64u(json.load(f)["document"])
at = document.index(b"enonce\x58\x38") + 8 # CBOR: "nonce", 56 bytes
nonce = document[at:at + 56]
token = hmac.digest(mac, b"done" + nonce, "sha256")
for name, text in (("mac.hex", mac.hex()), ("token.hex", token.hex()),
                   ("done", json.dumps({
                       "appconfig": sys.argv[1], "nonce": b64u(nonce),
                       "request": "done", "token": b64u(token),
                       "version": 1}))):
    with open(name, "w") as f:
        f.write(text)
END
}

@test "release serve-one keeps nothing: of its key, of what it releases" {
    local serve ours=(--key rel.hex --bytes mac=mac.hex)
    story
    study --release-key rel.pub
    serve=("$ENCFLOW" release serve-one --release-key rel.pem --log log/log
        --root root.pem)
    mkdir log
    "$PYTHON" "$BATS_TEST_DIRNAME/nitro.py" make-root .
    "$PYTHON" "$BATS_TEST_DIRNAME/release.py" story "exec:${serve[*]}" "$ID" \
        --pcr "0=$FIVE" --pcr "1=$FIVE" --pcr "2=$FIVE" \
        --save request --only-save
    derived
    echo '{"request":"nonce","version":1}' >nonce
    image --guarded "${ours[@]}" --sees key --sees mac --stdin nonce \
        --stdout answer -- "${serve[@]}"
    grep -q '^{"nonce":' answer
    ours+=(--bytes token=token.hex --key in.key --key out.key
        --text "query=$SIGN")
    image --guarded "${ours[@]}" --sees key --sees hex --sees query --sees mac \
        --sees token --stdin request --stdout answer -- "${serve[@]}"
    grep -q '^{"credentials":' answer
    cp answer log/
    # the nonce was used: it is refused when the log is looked at
    image --status 3 "${ours[@]}" --sees key --sees mac --stdin request \
        --stdout answer -- "${serve[@]}"
    image "${ours[@]}" --sees mac --sees token --stdin done --stdout answer -- \
        "${serve[@]}"
    [ "$(<answer)" = '{"done":true}' ]
    nowhere log
}

@test "a run in an enclave keeps nothing of what was released to it" {
    story
    study --release-key rel.pub
    # the service, which writes down the token that an enclave ends with
    cat >serve <<END
#!/bin/bash
read -r line
if [[ \$line =~ '"token":"'([^'"']*) ]]; then
    echo "\${BASH_REMATCH[1]}=" | tr _- /+ | base64 -d | xxd -p -c 99 >token.hex
fi
"$ENCFLOW" release serve-one --release-key rel.pem --log log \\
    --root nsm/root.pem <<<"\$line"
END
    chmod +x serve
    host rel.sock socat UNIX-LISTEN:rel.sock,fork EXEC:./serve,nofork
    enclave image --key in.key --key out.key --text "query=$SIGN" \
        --text "plain=$PLAIN" --bytes token=token.hex --random random \
        "${KEYS[@]}" --sees hex --sees query --sees plain --sees token \
        --sees made -- "$ENCFLOW" run \
        --appconfig "$ID" --release "unix://$PWD/rel.sock" --trust "$TRUST" \
        --work "$PWD/work" --allow-http --receipt
    delivered
    verifies
}

@test "with AWS KMS nothing is kept: of the account, the key, a query" {
    local arn=arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab
    arn+=-34cd-56ef-1234567890ab
    story
    mkdir kms
    enclave true
    host kms/url "$PYTHON" "$ROOT/tests/kms_server.py" kms nsm/root.pem
    AWS_ENDPOINT_URL_KMS=$(<kms/url)
    printf '[default]\naws_access_key_id = AKIDKMS\n' >aws
    printf 'aws_secret_access_key = secret/kms+key\n' >>aws
    export AWS_ENDPOINT_URL_KMS AWS_SHARED_CREDENTIALS_FILE=$PWD/aws
    export AWS_CONFIG_FILE=/dev/null
    OWNER+=(--text "account=secret/kms+key")
    image "${OWNER[@]}" --sees key --sees base64 --sees query --sees account \
        --stdout hash -- "$ENCFLOW" dataset add --kms-key "$arn" --allow-http \
        --credentials in.json --location "$NGINX_HTTP/flow.enc" First
    image "${OWNER[@]}" --sees key --sees base64 --sees query --sees account \
        -- "$ENCFLOW" dataset renew --kms-key "$arn" --allow-http \
        --credentials in.json First
    study --kms-key "$arn"
    enclave image --key in.key --key out.key --text "query=$SIGN" \
        --text "account=secret/kms+key" --text "plain=$PLAIN" \
        --random random "${KEYS[@]}" --sees query --sees plain --sees account \
        --sees rsa -- "$ENCFLOW" run \
        --appconfig "$ID" --kms --trust "$TRUST" --work "$PWD/work" \
        --allow-http --receipt
    delivered
    verifies
}

# ---------------------------------------------------------- locked memory

# A user without rights, and without a byte of memory to lock.
@test "where no memory may be locked, a warning, and the work is done" {
    local as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set=-ipc_lock
        --inh-caps=-ipc_lock --)
    "$ENCFLOW" enc -K in.key -in table.csv -out sealed 2>err
    [ ! -s err ]
    prlimit --memlock=0:0 -- "${as[@]}" \
        "$ENCFLOW" dec -K in.key -in sealed -out opened 2>err
    same table.csv opened
    grep -qx 'encflow: warning: secrets could not be locked.*' err
    grep -q '^hint: .*ulimit -l' err
    prlimit --memlock=0:0 -- "${as[@]}" "$ENCFLOW" keygen -o third.key 2>err
    [ "$(stat -c %s third.key)" -eq 64 ]
    grep -q 'could not be locked' err
}

# Root owns the /proc files of a process that is not dumpable, and of its own
# processes anyway: so it has to be another user's. AS makes it one; feed is
# what it waits for; closed PID: once it has secrets, nobody can look at them.
another() {
    AS=()
    cp "$ENCFLOW" encflow # which may be in a folder of root's own
    chmod 755 "$BATS_TEST_TMPDIR" encflow
    [ "$(id -u)" -ne 0 ] ||
        AS=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    mkfifo -m 666 feed
}

closed() {
    local i
    for ((i = 0; i < 100; i++)); do
        ! grep -q 'VmLck:[[:space:]]*0 kB' "/proc/$1/status" && break
        sleep .05
    done
    [ "$i" -lt 100 ]
    grep -qE '^Uid:.*(65534|'"$(id -u)"')' "/proc/$1/status"
    [ "$(stat -c %u "/proc/$1/status" "/proc/$1/mem" | tr '\n' ' ')" = "0 0 " ]
    if "${AS[@]}" head -c 1 "/proc/$1/environ"; then
        echo 'its environment was read'
        return 1
    fi
    grep -q 'core file size  *0  *0 ' "/proc/$1/limits"
}

@test "no process of the same user can look into it, nor take its core" {
    local pid
    another
    chmod 644 in.key
    "${AS[@]}" ./encflow enc -K in.key -in feed -out /dev/null 3>&- &
    pid=$!
    exec 9<>feed
    closed $pid
    exec 9>&-
    wait $pid
}

@test "nor into a release service, with its key" {
    local pid status=0
    another
    ./encflow release keygen -o rel.pem >rel.pub
    touch log
    chmod 666 rel.pem log
    "${AS[@]}" ./encflow release serve-one --release-key rel.pem --log log \
        <feed >answer 3>&- &
    pid=$!
    exec 9<>feed
    closed $pid
    exec 9>&-
    wait $pid || status=$?
    [ "$status" -eq 4 ]
    [ "$(<answer)" = '{"error":"refused"}' ]
}

@test "nor into a run in an enclave, with the key that it attests" {
    local pid status=0
    another
    "$PYTHON" "$ROOT/tests/nsm.py" nsm
    cp "$ROOT/build/nsm_preload.so" .
    chmod -R a+rwX nsm nsm_preload.so
    # a service that says nothing, until feed ends
    host rel.sock socat -t 9 UNIX-LISTEN:rel.sock,mode=666 OPEN:feed,rdonly
    # another user cannot come here from above
    NSM_DIR=nsm LD_PRELOAD=./nsm_preload.so "${AS[@]}" ./encflow run \
        --appconfig "$(printf '5a%.0s' {1..32})" --work work \
        --trust "$(printf 'A%.0s' {1..43})" \
        --release unix:///proc/self/cwd/rel.sock 3>&- &
    pid=$!
    exec 9<>feed
    closed $pid
    kill -KILL $pid
    exec 9>&-
    wait $pid || status=$?
    [ "$status" -eq 137 ]
}
