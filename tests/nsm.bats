#!/usr/bin/env bats
# `encflow attest get`, by a stand-in for the security module (nsm.c) behind
# open and ioctl of the one process; the real system calls are the guest's.

bats_require_minimum_version 1.5.0
load common

setup_file() {
    make -s -C "$ROOT" build/nsm_preload.so
    export FOLDER=$BATS_FILE_TMPDIR/nsm
    "$PYTHON" "$ROOT/tests/nsm.py" "$FOLDER"
}

setup() {
    common_setup
    export FOLDER=$BATS_FILE_TMPDIR/nsm
    rm -f "$FOLDER/registers"
}

# nsm ARG...: encflow where there is a security module.
nsm() {
    NSM_DIR=$FOLDER LD_PRELOAD=$ROOT/build/nsm_preload.so \
        ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 "$ENCFLOW" "$@"
}

# said FILE: what a document carries, one line each.
said() {
    "$PYTHON" - "$1" <<'END'
import sys
import cbor2
payload = cbor2.loads(cbor2.loads(open(sys.argv[1], "rb").read())[2])
for k in ("public_key", "user_data", "nonce"):
    v = payload[k]
    print(k, "null" if v is None else v.hex() or "empty")
print("pcrs", *sorted(payload["pcrs"]))
END
}

@test "attest get: a document with what it was given, verified" {
    printf 'a key\n' >key
    nsm attest get --nonce 00fF --user-data '' --public-key key -out doc
    run -0 said doc
    [ "$output" = "public_key 61206b65790a
user_data empty
nonce 00ff
pcrs 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15" ]
    run -0 "$ENCFLOW" attest verify --root "$FOLDER/root.pem" --nonce 00ff doc
    # another root, and another nonce
    run -3 "$ENCFLOW" attest verify doc
    run -3 "$ENCFLOW" attest verify --root "$FOLDER/root.pem" --nonce 00fe doc
}

@test "attest get: nothing given, to a pipe" {
    nsm attest get | cat >doc
    run -0 said doc
    [ "${lines[0]} ${lines[1]} ${lines[2]}" = \
        "public_key null user_data null nonce null" ]
    run -0 "$ENCFLOW" attest verify --root "$FOLDER/root.pem" doc
}

@test "attest get: the most that a document carries" {
    head -c 1024 /dev/zero >key
    nsm attest get --nonce "$(printf %01024d 0)" \
        --user-data "$(printf %01024d 0)" --public-key key -out doc
    run -0 "$ENCFLOW" attest verify --root "$FOLDER/root.pem" doc
}

@test "attest get: not to a terminal, but by --force" {
    nsm attest get -out doc # that there is one
    run -2 script -qec "NSM_DIR=$FOLDER LD_PRELOAD=$ROOT/build/nsm_preload.so \
        ASAN_OPTIONS=verify_asan_link_order=0 $ENCFLOW attest get" /dev/null
    [[ $output == *"an attestation document is not written to a terminal"* ]]
    run -0 script -qec "NSM_DIR=$FOLDER LD_PRELOAD=$ROOT/build/nsm_preload.so \
        ASAN_OPTIONS=verify_asan_link_order=0 $ENCFLOW attest get --force" \
        /dev/null
}

@test "attest get: a failure leaves the file as it was" {
    echo old >doc
    export NSM_FAULT=1:5 # EIO
    run -1 nsm attest get -out doc
    [[ $output == *'"/dev/nsm": cannot ask the NSM: Input/output error'* ]]
    [ "$(<doc)" = old ]
    export NSM_FAULT="1:=a1654572726f726d496e7465726e616c4572726f72"
    run -1 nsm attest get -out doc
    [[ $output == *"the NSM itself failed (InternalError)"* ]]
    export NSM_FAULT=1:long
    run -4 nsm attest get -out doc
    [[ $output == *"larger than EF_MAX_NSM_ANSWER_BYTES (12288)"* ]]
    [ "$(<doc)" = old ]
}
