#!/usr/bin/env bats
# AWS KMS in place of the release service, against a stand-in (kms_server.py)
# that works out signatures with botocore, verifies attestation documents by
# itself, and applies the key policy that `workflow kms-policy` prints. The
# enclave's security module is nsm.c, in the process.

# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common
load data

ARN=arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab

setup_file() {
    make -s -C "$ROOT" build/nsm_preload.so
    "$PYTHON" "$ROOT/tests/nsm.py" "$BATS_FILE_TMPDIR/nsm" \
        --pcr "0=$(printf 'a%.0s' {1..96})" \
        --pcr "1=$(printf 'b%.0s' {1..96})" \
        --pcr "2=$(printf 'c%.0s' {1..96})"
}

setup() {
    data_setup
    unset ENCFLOW_ID ENCFLOW_WORKSPACE XDG_CONFIG_HOME
    export ENCFLOW_WORKSPACE=$PWD/ws
    export NSM=$BATS_FILE_TMPDIR/nsm KMS=$PWD/kms
    export AWS_ACCESS_KEY_ID=AKIDKMS AWS_SECRET_ACCESS_KEY=secret/kms+key
    rm -f "$NSM/registers"
    mkdir kms
    "$PYTHON" "$ROOT/tests/kms_server.py" "$KMS" "$NSM/root.pem" \
        >kms.out 2>&1 </dev/null 3>&- &
    SERVER=$!
    for _ in {1..200}; do
        [ ! -e kms/url ] || break
        sleep 0.05
    done
    AWS_ENDPOINT_URL_KMS=$(<kms/url)
    export AWS_ENDPOINT_URL_KMS
}

teardown() {
    kill "$SERVER"
    wait "$SERVER" || true
}

as() { export ENCFLOW_ID=$PWD/$1.pem; }

# quiet ARG...: works, without the notes of -q; what it printed is in out
quiet() {
    local words=2 # of the command's name
    case $1 in approve | decline | run) words=1 ;; esac
    works "${@:1:words}" -q "${@:words + 1}"
}

measurements() {
    local i=0 digit sep=
    for digit; do
        printf '%sPCR%d=%s' "$sep" "$i" "$(printf "$digit%.0s" {1..96})"
        i=$((i + 1)) sep=,
    done
}

people() {
    local p
    for p; do
        as "$p"
        quiet id new "$p"
    done
}

input() {
    quiet dataset add --kms-key "$ARN" --from c.csv --allow-http \
        --to "file://$PWD/$1.enc" --allow-file "$@"
}

output() {
    quiet dataset add --kms-key "$ARN" --direction output --allow-http \
        --to "file://$PWD/$1.enc" --allow-file -K key.hex "$@"
}

# cast [SET...]: dana's input, olga's output, arno's application
cast() {
    local set sets=()
    [ $# -gt 0 ] || set -- "$(measurements a b c)"
    for set; do sets+=(--pcr "$set"); done
    people dana olga arno
    printf 'CODE,DESCRIPTION\n1,One\n2,Two\n3,Two\n' >c.csv
    as dana
    input Conditions
    as olga
    output Result
    as arno
    quiet app add --image reg/simple:1 "${sets[@]}" describe
    read -r _ BUILD < <(tail -n 1 out)
    quiet approve "$BUILD"
    quiet config add --app describe default
}

# approved [SET...]: and an approved workflow; ID is the APPCONFIG_ID
approved() {
    local p
    cast "$@"
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config default study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study app:output Result
    quiet workflow submit study
    FLOW=$(<out)
    for p in dana olga arno; do
        as "$p"
        quiet approve "$FLOW"
    done
    works workflow hashes study
    ID=$(cut -d ' ' -f 1 out)
    works workflow kms-policy study
    cp out policy.json
}

# again NAME STATEMENTS: the dataset's credentials, as its owner makes them anew
# with other members; over those of `good`. d and other are the two datasets'.
again() {
    rm -rf ws "$NSM/registers"
    cp -r good ws
    "$PYTHON" "$ROOT/tests/kms_resign.py" ws "$1" olga.pem key.hex "$2"
}

# forget: no credentials at all
forget() {
    "$PYTHON" - <<'END'
import base64, json, os
for name in os.listdir("ws"):
    if len(name) == 64:
        text = open("ws/" + name).read().split(".")[1]
        if json.loads(base64.urlsafe_b64decode(text + "=="))["kind"] == \
                "credentials":
            os.unlink("ws/" + name)
END
}

# enclave ARG...: run in it, as `try` does
enclave() {
    local trust=() p
    for p in dana olga arno; do
        openssl pkey -in "$p.pem" -pubout -out "$p.pub"
        trust+=(--trust "$PWD/$p.pub")
    done
    status=0
    NSM_DIR=$NSM LD_PRELOAD=$ROOT/build/nsm_preload.so \
        ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
        "$ENCFLOW" run --appconfig "$ID" --kms --workspace ws --allow-http \
        --allow-file --work "$PWD/work" "${trust[@]}" "$@" >out 2>err ||
        status=$?
    output=$(<err)
}

@test "dataset add --kms-key: the key by KMS, queries under it, no secret kept" {
    people dana
    printf 'CODE\n1\n' >c.csv
    as dana
    input Conditions
    HASH=$(<out)
    [ "$(<kms/log)" = "Encrypt ok" ]
    # what was written: kms and no to, ct and no enc
    run -0 "$PYTHON" - "$HASH" "$ARN" <<'END'
import base64, json, os, sys
sys.dont_write_bytecode = True
seen = 0
for name in os.listdir("ws"):
    if len(name) != 64:
        continue
    text = open("ws/" + name).read().split(".")[1]
    d = json.loads(base64.urlsafe_b64decode(text + "=="))
    if d["kind"] == "credentials":
        seen += 1
        assert d["kms"] == sys.argv[2] and "to" not in d, d
        assert list(d["key"]) == ["ct"] and list(d["download"]) == ["ct"], d
        assert d["dataset"] == sys.argv[1] and "upload" not in d
        # a query of no bytes: nonce and tag alone
        assert len(base64.urlsafe_b64decode(d["download"]["ct"] + "==")) == 28
assert seen == 1
END
    keeps_secret -r ws
    # without one of the two it says that there are two
    refused 2 "--release-key FILE, or --kms-key ARN" -- dataset add \
        --from c.csv --to "file://$PWD/D.enc" --allow-file D
}

@test "dataset add --kms-key: what KMS and its settings can say" {
    people dana
    printf 'CODE\n1\n' >c.csv
    as dana
    ADD=(dataset add --from c.csv --to "file://$PWD/C.enc" --allow-file C)
    refused 2 "either --release-key or --kms-key" -- \
        "${ADD[@]}" --kms-key "$ARN" --release-key x
    refused 2 "alias" "describe-key" -- \
        "${ADD[@]}" --kms-key arn:aws:kms:eu-central-1:111122223333:alias/a
    refused 2 "not the ARN of a KMS key" -- "${ADD[@]}" --kms-key abcd
    # plain http has to be allowed
    refused 5 "--allow-http" -- "${ADD[@]}" --kms-key "$ARN"
    ADD+=(--allow-http --kms-key "$ARN")
    AWS_ENDPOINT_URL_KMS=$AWS_ENDPOINT_URL_KMS/x refused 4 \
        AWS_ENDPOINT_URL_KMS -- "${ADD[@]}"
    AWS_ENDPOINT_URL_KMS=file:///x refused 4 \
        '"AWS_ENDPOINT_URL_KMS": not an endpoint of KMS' -- "${ADD[@]}"
    AWS_ENDPOINT_URL_KMS='' AWS_ENDPOINT_URL=file:///x refused 4 \
        '"AWS_ENDPOINT_URL": not an endpoint of KMS' -- "${ADD[@]}"
    AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' refused 2 "no AWS keys" -- "${ADD[@]}"
    AWS_ACCESS_KEY_ID='A B' refused 4 "a blank" -- "${ADD[@]}"
    AWS_SECRET_ACCESS_KEY=wrong refused 6 "the signature does not match" \
        "KMS says InvalidSignatureException (The request signature we" -- \
        "${ADD[@]}"
    AWS_ACCESS_KEY_ID=AKIDOTHER refused 6 "KMS does not know these keys" -- \
        "${ADD[@]}"
    while IFS='|' read -r fault message; do
        echo "$fault" >kms/fault
        refused 6 "$message" "KMS says $fault (as the test asked for)" -- \
            "${ADD[@]}"
    done <<'END'
AccessDeniedException|KMS refuses it
DisabledException|the KMS key is disabled
KMSInvalidStateException|the KMS key cannot be used now
NotFoundException|there is no such KMS key
InvalidKeyUsageException|it is not a KMS key for encryption
ExpiredTokenException|the session token has expired
ValidationException|KMS does not take the request
KeyUnavailableException|the KMS key cannot be reached
DependencyTimeoutException|KMS failed
KMSInternalException|KMS failed
ThrottlingException|KMS asks to slow down
StrangeException|HTTP status 400
END
    echo other-key >kms/fault
    refused 3 "KMS answers for another key" -- "${ADD[@]}"
    echo not-json >kms/fault
    refused 4 -- "${ADD[@]}"
    echo no-ciphertext >kms/fault
    refused 4 "this member is missing" CiphertextBlob -- "${ADD[@]}"
    # nothing of all this was signed; what passes is tried again
    [ -z "$(find ws -type f -name '[0-9a-f]*' -newer c.csv)" ]
    echo throttle-once >kms/fault
    AWS_MAX_ATTEMPTS=3 works "${ADD[@]}" -q
    # JSON has two ways to write a slash
    echo escaped >kms/fault
    quiet dataset add --from c.csv --to "file://$PWD/E.enc" --allow-file \
        --allow-http --kms-key "$ARN" E
    rm kms/fault
    # a session token goes along, signed
    AWS_SESSION_TOKEN=token/of+sts== quiet dataset add --from c.csv \
        --to "file://$PWD/D.enc" --allow-file --allow-http --kms-key "$ARN" D
}

@test "dataset renew --kms-key: the key is needed, and asked for" {
    people olga
    as olga
    output Result
    RENEW=(dataset renew --kms-key "$ARN" --allow-http --allow-file
        --to "file://$PWD/Result.enc")
    refused 2 "sealed by the dataset's key" "-K KEYFILE" -- "${RENEW[@]}" Result
    quiet "${RENEW[@]}" -K key.hex Result
    [ "$(<kms/log)" = "Encrypt ok
Encrypt ok" ]
}

@test "workflow kms-policy: a statement for each measurement, with PCR16" {
    approved "$(measurements a b c)" "$(measurements d e f)"
    run -0 "$PYTHON" - "$ID" <<'END'
import hashlib, json, sys
p = json.load(open("policy.json"))
assert p["Version"] == "2012-10-17" and len(p["Statement"]) == 2
pcr16 = hashlib.sha384(bytes(48) + bytes.fromhex(sys.argv[1])).hexdigest()
assert len({s["Sid"] for s in p["Statement"]}) == 2
for s, digits in zip(p["Statement"], ("abc", "def")):
    assert s["Sid"].isalnum() and s["Effect"] == "Allow", s
    assert s["Action"] == "kms:Decrypt"
    c = s["Condition"]["StringEqualsIgnoreCase"]
    want = {"kms:RecipientAttestation:PCR%d" % i: d * 96
            for i, d in enumerate(digits)}
    want["kms:RecipientAttestation:PCR16"] = pcr16
    assert c == want, c
    e = s["Condition"]["StringEquals"]
    assert len(e["kms:EncryptionContext:encflow:dataset"]) == 2
END
}

@test "workflow kms-policy: not of what is not approved" {
    cast
    as dana
    quiet workflow new study
    quiet workflow add-app --build describe --config default study app
    quiet workflow connect study Conditions app:input
    quiet workflow connect study app:output Result
    quiet workflow submit study
    refused 5 "workflow show" -- workflow kms-policy study
}

@test "workflow kms-policy: a note where nothing is under a KMS key" {
    approved
    works workflow kms-policy study
    [ ! -s err ]
    forget
    try workflow kms-policy study
    fails 0 "note: none of this workflow's datasets is under a KMS key"
    cmp out policy.json
    works workflow kms-policy -q study
    [ ! -s err ]
}

@test "run --kms: the policy lets this enclave in, and the result is right" {
    approved
    cp policy.json kms/policy.json
    enclave
    fails 0
    run -0 "$ENCFLOW" result -K key.hex Result.enc
    [[ $output == *"top"*"Two"* ]]
    # one request for each dataset, and no more
    [ "$(grep -c '^Encrypt ok$' kms/log)" = 2 ]
    [ "$(grep -c '^Decrypt ok$' kms/log)" = 2 ]
    ! grep -v ' ok$' kms/log
}

@test "run --kms: what an attacker can do is refused" {
    approved
    # a policy of another configuration: PCR16 differs
    sed -E '/PCR16/s/"[0-9a-f]{96}"/"'"$(printf '0%.0s' {1..96})"'"/' \
        policy.json >kms/policy.json
    enclave
    fails 6 "KMS says AccessDeniedException" "kms-policy"
    # another image
    sed 's/aaaaaaaa/aaaaaaab/' policy.json >kms/policy.json
    rm -f "$NSM/registers"
    enclave
    fails 6 "KMS says AccessDeniedException"
    # a key of the attacker's, encrypted for this very enclave
    cp policy.json kms/policy.json
    echo forged >kms/fault
    rm -f "$NSM/registers"
    enclave
    fails 3 "KMS's answer has not the key that was approved"
    # what does not decrypt, or is no CMS: the very same words
    for fault in forged-short forged-padding forged-form; do
        cp err before
        echo "$fault" >kms/fault
        rm -f "$NSM/registers"
        enclave
        fails 3 "KMS's answer has not the key that was approved"
        cmp before err
    done
    # an answer that names another key
    echo other-key >kms/fault
    rm -f "$NSM/registers"
    enclave
    fails 3 "KMS answers for another key"
    [ ! -e work/Conditions ]
}

@test "run --kms: parts that were exchanged are refused" {
    approved
    cp -r ws good
    # by their own owners: documents whose signatures are good
    # the ciphertext of another dataset's key: KMS's context is another
    again Result 'd["key"] = other["key"]'
    enclave
    fails 6 "KMS says InvalidCiphertextException"
    # the key's ciphertext as the query, which once came back from KMS
    again Result 'd["upload"] = d["key"]'
    enclave
    fails 3 "authentication failed"
    again Result 'd["upload"] = other["download"]'
    enclave
    fails 3 "authentication failed"
    # what was sealed for reading is not for writing
    again Result 'd["upload"] = seal("download")'
    enclave
    fails 3 "authentication failed"
    again Result 'd["upload"] = {"ct": "A" * 27}'
    enclave
    fails 3 "authentication failed"
    [ ! -e work/Result ]
    # and so it is sealed right
    again Result 'd["upload"] = seal("upload")'
    enclave
    fails 0
}

@test "run --kms: the context is the dataset's, also where KMS is asked for others" {
    approved
    # one policy lets this enclave in for all datasets of its workflow; a
    # ciphertext of one, asked for as the other's, does not decrypt
    echo swap-context >kms/fault
    enclave
    fails 6 "KMS says InvalidCiphertextException"
    # nor for a dataset that the workflow does not have
    "$PYTHON" - <<'END'
import json
p = json.load(open("policy.json"))
for s in p["Statement"]:
    e = s["Condition"]["StringEquals"]
    e["kms:EncryptionContext:encflow:dataset"] = ["0" * 64]
json.dump(p, open("kms/policy.json", "w"))
END
    rm -f "$NSM/registers" kms/fault
    enclave
    fails 6 "KMS says AccessDeniedException"
}

@test "run --kms: credentials that are not under a KMS key are not there" {
    approved
    forget
    # the release service's are another thing
    works release keygen -o rel.pem
    mv out rel.pub
    as olga
    quiet dataset renew --release-key rel.pub --allow-file -K key.hex \
        --to "file://$PWD/Result.enc" Result
    enclave
    fails 5 "no credentials of its owner's under a KMS key" "--kms-key"
    # and the other way round
    quiet dataset renew --kms-key "$ARN" --allow-http --allow-file \
        -K key.hex --to "file://$PWD/Result.enc" Result
    works release keygen -o other.pem
    mv out other.pub
    refused 5 "was not sealed to this release key" -- dataset renew \
        --release-key other.pub --allow-file --to "file://$PWD/Result.enc" Result
}

@test "AWS's own answers: decrypted with the key that they are for" {
    need_shared data/kms
    cat >open.c <<'END'
#include <stdio.h>
#include "encflow.h"
int
main(int argc, char **argv)
{
    static unsigned char cms[EF_MAX_CMS_BYTES], out[EF_MAX_CMS_BYTES];
    static ef_rsa_key key;
    ef_err err = {0};
    size_t n, m;
    FILE *f = fopen(argv[1], "rb");
    if (argc != 3 || fread(&key, 1, sizeof key, f) != sizeof key)
        return 9;
    fclose(f);
    f = fopen(argv[2], "rb");
    n = fread(cms, 1, sizeof cms, f);
    fclose(f);
    if (ef_cms_open(out, sizeof out, &m, &key, (ef_slice){cms, n}, &err)) {
        printf("%s at %llu\n", err.msg, (unsigned long long)err.at);
        return (int)err.code;
    }
    fwrite(out, 1, m, stdout);
    return 0;
}
END
    gcc -O1 -isystem /usr/include/bearssl -I"$ROOT" -DEF_NO_MAIN open.c \
        "$ROOT/encflow.c" -o open -lbearssl -lpthread
    "$PYTHON" - "$SHARED/data/kms/kms-cfr-edgebit.key.pem" <<'END'
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
k = load_pem_private_key(open(sys.argv[1], "rb").read(), None)
k = k.private_numbers()
with open("key", "wb") as f:
    f.write(k.public_numbers.n.to_bytes(256, "big"))
    for x in (k.p, k.q, k.dmp1, k.dmq1, k.iqmp):
        f.write(x.to_bytes(128, "big"))
END
    ./open key "$SHARED/data/kms/kms-cfr-edgebit.ber" >plain
    same plain "$SHARED/data/kms/kms-cfr-edgebit.plain"
    # the two of AWS's own tests are for other keys: read up to there
    for f in aws-sdkc-1 aws-sdkc-2-ctx; do
        run -5 ./open key "$SHARED/data/kms/kms-cfr-$f.ber"
        [ "$output" = "encrypted to another key than ours at 33" ]
    done
}
