#!/usr/bin/env bats
# `attest verify` and `attest pcrs`: real attestation documents with the
# verdicts that their list gives, and those of the test root (tests/nitro.py).

bats_require_minimum_version 1.5.0
load common

setup() {
    common_setup
    NITRO="$PYTHON $ROOT/tests/nitro.py"
    $NITRO make-root .
}

# doc OPTION...: a document of the test root, of 2026-09-21T14:13:20Z.
doc() {
    $NITRO document --time 1790000000 --out doc "$@"
}

# verify OPTION...: of doc, by the test root.
verify() {
    run --separate-stderr "$ENCFLOW" attest verify --root root.pem "$@" doc
}

# refused STATUS REASON: by the last `run`, which prints nothing.
refused() {
    [ "$status" -eq "$1" ] || fails "$1"
    case $stderr in
    *"$2: "*) ;;
    *) printf 'not %s: %s\n' "$2" "$stderr" && return 1 ;;
    esac
    [ -z "$output" ] || [ "$output" = "{\"reason\":\"$2\",\"verified\":false}" ]
}

# the real documents, as their list has them: name, verdicts, debug, hash
listed() {
    $PYTHON - "$SHARED/data/nitro/MANIFEST.json" <<'END'
import json
import sys
for d in json.load(open(sys.argv[1])):
    print(d["file"], d["cose"], d["chain"], d.get("debug"))
END
}

@test "real documents: each has the verdict that its list gives" {
    need_shared data/nitro/MANIFEST.json
    listed >list
    [ "$(wc -l <list)" -ge 8 ]
    while read -r file cose chain debug; do
        path=$SHARED/data/nitro/$file
        run --separate-stderr "$ENCFLOW" attest verify "$path"
        if [ "$cose $chain" != "OK OK" ]; then
            refused 3 COSE_SIGNATURE
        elif [ "$debug" = True ]; then
            refused 5 DEBUG_MODE
            run "$ENCFLOW" attest verify --allow-debug "$path"
            [ "$status" -eq 0 ]
            [[ "$output" == "verified: "*"in debug mode"* ]]
        else
            [ "$status" -eq 0 ]
            [[ "$output" == "verified: "* ]]
        fi
    done <list
}

@test "real documents: --json says what their list says" {
    need_shared data/nitro/MANIFEST.json
    $PYTHON - "$ENCFLOW" "$SHARED/data/nitro" <<'END'
import base64
import json
import subprocess
import sys
program, folder = sys.argv[1:]
for d in json.load(open(folder + "/MANIFEST.json")):
    if d["cose"] != "OK":
        continue
    text = subprocess.run(
        [program, "attest", "verify", "--allow-debug", "--json",
         folder + "/" + d["file"]], check=True, capture_output=True).stdout
    got = json.loads(text)
    assert text == json.dumps(got, sort_keys=True, separators=(
        ",", ":")).encode() + b"\n", d["file"]
    assert got["verified"] is True
    a = got["attestation"]
    assert a["module_id"] == d["module_id"], d["file"]
    assert a["timestamp"] == d["timestamp_ms"], d["file"]
    for n, value in d["pcrs"].items():
        assert a["pcrs"][n] == value, (d["file"], n)
    for k in ("public_key", "user_data", "nonce"):
        want = d[k] and base64.b64encode(bytes.fromhex(d[k])).decode()
        assert a.get(k) == want, (d["file"], k)
END
}

@test "real documents: expired today, and judged by --at" {
    need_shared data/nitro/evervault-2022-prod.bin
    path=$SHARED/data/nitro/evervault-2022-prod.bin
    run --separate-stderr "$ENCFLOW" attest verify --at 2026-01-01T00:00:00Z \
        "$path"
    refused 3 CERT_EXPIRED
    run --separate-stderr "$ENCFLOW" attest verify --at 2022-10-13T08:57:58Z \
        "$path"
    refused 3 CERT_NOT_YET_VALID
    run --separate-stderr "$ENCFLOW" attest verify --at 2022-10-13T08:59:00Z \
        "$path"
    [ "$status" -eq 0 ]
    [[ "$output" == *"2022-10-13T08:59:00Z, the time of --at"* ]]
    run --separate-stderr "$ENCFLOW" attest verify --max-age 60 "$path"
    refused 5 STALE
}

@test "the pinned root is the one that AWS publishes" {
    need_shared data/nitro/AWS_NitroEnclaves_Root-G1.pem
    path=$SHARED/data/nitro/evervault-2022-prod.bin
    "$ENCFLOW" attest verify "$path" >without
    "$ENCFLOW" attest verify \
        --root "$SHARED/data/nitro/AWS_NitroEnclaves_Root-G1.pem" "$path" >with
    same without with
    run --separate-stderr "$ENCFLOW" attest verify --root root.pem "$path"
    refused 3 ROOT_MISMATCH
}

@test "every kind of fault is refused, by its name" {
    while read -r code fault reason; do
        doc --fault "$fault"
        verify
        refused "$code" "$reason"
        verify --json
        refused "$code" "$reason"
        [ -n "$output" ]
    done <<'END'
3 expired CERT_EXPIRED
3 not-yet-valid CERT_NOT_YET_VALID
3 self-made-root ROOT_MISMATCH
3 leaf-as-ca CERT_PATHLEN
3 ca-as-leaf CERT_USAGE
3 bad-signature COSE_SIGNATURE
3 changed-payload COSE_SIGNATURE
3 other-instance MODULE_ID_MISMATCH
5 debug DEBUG_MODE
3 nitrotpm NOT_AN_ENCLAVE
3 qemu COSE_ALG
END
}

@test "verify: what it says, also of what was not asked" {
    doc --nonce 616263 --user-data 1b5b32 --public-key 6b
    verify
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == \
        "verified: certificates judged as of 2026-09-21T14:13:20Z, the document's own time" ]]
    [[ "$output" == *"fresh was not shown"* ]]
    [[ "$output" == *"which image it is was not asked"* ]]
    [[ "$output" == *"user_data  1b5b32  .[2"* ]]
    [[ "$output" == *"nonce      616263  abc"* ]]
    [[ "$output" == *"public_key 6b  k"* ]]
    verify --nonce 616263 --user-data 1B5B32 --pcr 8="$(printf %096d 0)"
    [ "$status" -eq 0 ]
    [[ "$output" != *"not "* ]]
    # registers that are no image's: the kernel's, the instance's
    verify --json
    pcr1=$("$ENCFLOW" json -r /attestation/pcrs/1 <<<"$output")
    verify --pcr 1="$pcr1" --nonce 616263
    [ "$status" -eq 0 ]
    [[ "$output" == *"which image it is was not asked"* ]]
    verify --nonce 616264
    refused 3 NONCE_MISMATCH
    verify --nonce ""
    refused 3 NONCE_MISMATCH
    verify --user-data 00
    refused 3 USER_DATA_MISMATCH
}

@test "verify: as much of a nonce and user_data as a document may have" {
    long=$(printf '%02048d' 7)
    doc --nonce "$long" --user-data "$long"
    verify --nonce "$long" --user-data "$long"
    [ "$status" -eq 0 ]
    verify --nonce "${long%7}8"
    refused 3 NONCE_MISMATCH
    verify --user-data "${long%7}8"
    refused 3 USER_DATA_MISMATCH
}

@test "verify: ages" {
    $NITRO document --out doc
    verify --max-age 60
    [ "$status" -eq 0 ]
    [[ "$output" != *"fresh was not shown"* ]]
    $NITRO document --time "$(($(date +%s) - 100))" --out doc
    verify --max-age 60
    refused 5 STALE
    verify
    [ "$status" -eq 0 ]
    $NITRO document --time "$(($(date +%s) + 100))" --out doc
    verify
    refused 5 FUTURE
}

@test "verify: one of several sets of PCRs must hold" {
    doc
    verify --json
    [ "$status" -eq 0 ]
    printf %s "$output" | $PYTHON -c 'import json, sys
p = json.load(sys.stdin)["attestation"]["pcrs"]
json.dump({"PCR%d" % i: p[str(i)] for i in range(3)}, open("good", "w"))
json.dump({"PCR0": p["1"], "PCR1": p["1"], "PCR2": p["2"]}, open("bad", "w"))
json.dump({"PCR0": p["0"], "PCR1": p["0"], "PCR2": p["2"]}, open("half", "w"))
print(p["0"])' >pcr0
    verify --pcrs good
    [ "$status" -eq 0 ]
    verify --pcrs bad --pcrs good
    [ "$status" -eq 0 ]
    verify --pcrs bad
    refused 5 PCR_MISMATCH
    [[ "$stderr" == *'PCR0: PCR_MISMATCH'* ]]
    # each of its registers is in one of two sets, and none has them all
    verify --pcrs bad --pcrs half
    refused 5 PCR_MISMATCH
    verify --pcrs good --pcr 5="$(printf %096d 1)"
    refused 5 PCR_MISMATCH
    [[ "$stderr" == *'PCR5: PCR_MISMATCH'* ]]
    verify --pcr 0="$(cat pcr0)"
    [ "$status" -eq 0 ]
    # --pcr takes nothing from what --pcrs asks, and may say the same
    verify --pcrs good --pcr 0="$(cat pcr0)"
    [ "$status" -eq 0 ]
    verify --pcrs bad --pcr 0="$(cat pcr0)"
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"two values for one register" ]]
    verify --pcr 16="$(cat pcr0)"
    refused 5 PCR_MISMATCH
}

@test "verify: from standard input; what is no document" {
    doc --indefinite --tag
    run "$ENCFLOW" attest verify --root root.pem - <doc
    [ "$status" -eq 0 ]
    run "$ENCFLOW" attest verify --root root.pem <doc
    [ "$status" -eq 0 ]
    head -c 1000 doc >cut
    mv cut doc
    verify
    refused 4 CBOR_MALFORMED
    grep -qx 'hint: .*REASONS.*' <<<"$stderr"
    head -c 20000 /dev/zero >doc
    verify
    refused 4 DOC_TOO_LARGE
    run --separate-stderr "$ENCFLOW" attest verify --json missing
    [ "$status" -eq 1 ] && [ -z "$output" ]
}

@test "pcrs: of an image, as its maker has them" {
    echo kernel >k
    echo first >a
    echo second >b
    $PYTHON "$ROOT/tests/eif.py" image k "quiet" a b >want
    "$ENCFLOW" attest pcrs --json image >got
    $PYTHON -c 'import json
want = json.load(open("want"))["Measurements"]
want.pop("HashAlgorithm")
assert json.load(open("got")) == want'
    run "$ENCFLOW" attest pcrs image
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == PCR0*"the image" ]]
    [ "${#lines[@]}" -eq 3 ]
    same <("$ENCFLOW" attest pcrs --json <image) got
    run "$ENCFLOW" attest pcrs k
    fails 4 "not an enclave image"
}
