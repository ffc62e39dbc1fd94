#!/usr/bin/env bats
# An output appears whole or not at all: whatever kills the process or fails
# beneath it, the old file stays as it was and no stray name is left.

bats_require_minimum_version 1.5.0
load common
load data

setup() {
    data_setup
    mkdir place # outputs go here, so that a listing shows every stray
    ref pairs key.hex . 3000000
    mv 3000000.plain plain
    mv 3000000.ef sealed
}

# old NAME: a file to be replaced, and its looks.
old() {
    printf 'what stood here before\n' >"$1"
    chmod 640 "$1"
    LOOKS=$(stat -c '%i %a %s %y' "$1")
}

# still_old NAME: nothing has touched it.
still_old() {
    holds "$1" $'what stood here before\n' &&
        [ "$(stat -c '%i %a %s %y' "$1")" = "$LOOKS" ]
}

# only NAME...: place has these names, TMPDIR none.
only() {
    local names
    names=$(ls -A place | xargs)
    [ "$names" = "$*" ] && [ -z "$(ls -A tmp)" ] || {
        printf 'place: %s; tmp: %s\n' "$names" "$(ls -A tmp | xargs)"
        return 1
    }
}

# sealed_plain FILE: Python opens it to plain.
sealed_plain() { ref open key.hex <"$1" | cmp - plain; }

# A file system without unnamed files can't promise what a killed process
# leaves.
need_tmpfile() {
    "$PYTHON" -c 'import os; os.open(".", os.O_TMPFILE | os.O_RDWR)' ||
        skip "this file system has no O_TMPFILE"
}

# ------------------------------------------------------------------ killed

@test "kill -9 at 200 random moments of enc: the old file or the whole new" {
    plain_only "two hundred processes, and none ends by itself"
    need_tmpfile
    ref pairs key.hex . 12000000
    mv 12000000.plain plain
    mv 12000000.ef sealed
    "$PYTHON" "$ROOT/tests/killer.py" 1 200 enc "$ENCFLOW" key.hex .
}

@test "kill -9 at 200 random moments of dec: the same, no plaintext left" {
    plain_only "two hundred processes, and none ends by itself"
    need_tmpfile
    ref pairs key.hex . 12000000
    mv 12000000.plain plain
    mv 12000000.ef sealed
    "$PYTHON" "$ROOT/tests/killer.py" 2 200 dec "$ENCFLOW" key.hex .
}

@test "a signal while the input is still coming leaves nothing behind" {
    need_tmpfile
    local verb sig
    mkfifo feed
    for verb in enc dec; do
        for sig in TERM INT HUP KILL; do
            old place/old
            row "$verb SIG$sig, new" stopped $verb $sig place/new
            row "$verb SIG$sig, over an old file" stopped $verb $sig place/old
            still_old place/old
        done
    done
    rows 16
}

# stopped VERB SIGNAL OUT: the process has read two thirds of its input.
stopped() {
    local pid from code=0
    env --default-signal "$ENCFLOW" $1 -K key.hex -in feed -out "$3" 3>&- &
    pid=$!
    exec 9<>feed
    [ $1 = enc ] && from=plain || from=sealed
    timeout 20 head -c 2000000 $from >&9
    kill -$2 $pid
    exec 9>&-
    wait $pid || code=$?
    [ "$code" -ne 0 ] && only old
}

# The second openat under place is the one that asks for an unnamed file.
NAMED=(-P place -e inject=openat:error=EOPNOTSUPP:when=2)

@test "killed while a file is replaced: whole new, nothing hidden" {
    need_strace
    need_tmpfile
    local code=0
    old place/file
    # the parent dies as it waits for the child that links and renames
    by_strace -e inject=wait4:signal=KILL:when=1 \
        dec -K key.hex -in sealed -out place/file 2>err || code=$?
    [ "$code" -eq 137 ]
    sleep 1
    same place/file plain
    only file
}

@test "without O_TMPFILE: whole, and nothing left by a failure or a signal" {
    need_strace
    cp sealed bad && ref flip bad 100
    local pid code
    old place/old
    by_strace "${NAMED[@]}" enc -K key.hex -in plain -out place/new
    grep -q O_TMPFILE.*INJECTED trace # the right call failed
    sealed_plain place/new
    only new old
    by_strace "${NAMED[@]}" dec -K key.hex -in sealed -out place/new
    same place/new plain
    code=0
    by_strace "${NAMED[@]}" dec -K key.hex -in bad -out place/old || code=$?
    [ "$code" -eq 3 ]
    only new old
    still_old place/old

    mkfifo feed
    by_strace "${NAMED[@]}" enc -K key.hex -in feed -out place/old 3>&- &
    exec 9<>feed
    timeout 20 head -c 2000000 plain >&9
    read -r pid _ <trace
    kill -TERM "$pid"
    wait $! || code=$?
    exec 9>&-
    [ "$code" -ne 0 ]
    only new old
    still_old place/old
}

@test "without O_TMPFILE: two at once onto one name, never a part of one" {
    need_strace
    local first second
    mkfifo a b
    by_strace "${NAMED[@]}" enc -K key.hex -in a -out place/new 3>&- &
    first=$!
    exec 8<>a
    timeout 20 head -c 2000000 plain >&8
    by_strace "${NAMED[@]}" enc -K key.hex -in b -out place/new 3>&- 8>&- &
    second=$!
    exec 9<>b
    timeout 20 head -c 2000000 plain >&9
    tail -c +2000001 plain >&8
    exec 8>&- # the first is complete while the second is under way
    wait $first
    sealed_plain place/new
    exec 9>&-
    wait $second || true
}

# --------------------------------------------------------- every other failure

@test "whatever fails, no new file, and the old one untouched" {
    local out
    old place/old
    cp sealed bad && ref flip bad 2999999
    head -c 20 sealed >short
    printf 'no key' >bad.hex
    printf '%s%s' "${KEY:0:63}" 9 >other.hex
    for out in place/new place/old; do
        row "bad tag" refused 3 -- dec -K key.hex -in bad -out $out
        row "bad tag, pipe" refused 3 -- dec -K key.hex -out $out < <(cat bad)
        row "other key" refused 3 -- dec -K other.hex -in sealed -out $out
        row "short" refused 4 -- dec -K key.hex -in short -out $out
        row "bad key" refused 4 -- enc -K bad.hex -in plain -out $out
        row "bad key" refused 4 -- dec -K bad.hex -in sealed -out $out
        row "no key" refused 1 -- enc -K absent -in plain -out $out
        row "no input" refused 1 -- enc -K key.hex -in absent -out $out
        row "no input" refused 1 -- dec -K key.hex -in absent -out $out
        row "folder" refused 1 -- enc -K key.hex -in tmp -out $out
        row "usage" refused 2 -- enc -K key.hex -in plain -out $out --nosuch
        row "base64" refused 4 -- base64 -d -in plain -out $out
        row "file size limit" too_large enc plain $out
        row "file size limit" too_large dec sealed $out
    done
    rows 28
    only old
    still_old place/old
}

# too_large VERB IN OUT: the process may write 1 MiB to a file, and no more.
too_large() {
    (ulimit -f 1024 && try $1 -K key.hex -in $2 -out $3 && [ $status -ne 0 ])
}

# in_tmpfs OPTIONS SCRIPT: SCRIPT with a private tmpfs mounted on ./place.
in_tmpfs() {
    local user=-r
    [ "$(id -u)" -ne 0 ] || user=
    # shellcheck disable=SC2086
    unshare -m $user true 2>/dev/null ||
        skip "mounting needs root or user namespaces"
    export ENCFLOW
    # shellcheck disable=SC2086
    unshare -m $user bash -euc \
        'mount -t tmpfs -o "$1" none place && eval "$2"' - "$1" "$2"
}

@test "disk full: exit 1, the old file untouched, nothing else there" {
    local verb from
    while read -r verb from; do
        row "$verb" in_tmpfs size=2m '
            printf old >place/old
            for out in new old; do
                code=0
                "$ENCFLOW" '"$verb -K key.hex -in $from"' -out place/$out \
                    2>err || code=$?
                [ $code -eq 1 ]
                grep -q "No space left" err
                grep -q "place/$out" err
                [ "$(ls -A place)" = old ]
                [ "$(cat place/old)" = old ]
            done
            [ "$(df --output=used place | tail -n 1)" -lt 100 ]
            # and what fits still gets through
            head -c 100000 plain >part
            "$ENCFLOW" enc -K key.hex -in part -out place/old
            [ "$(stat -c %s place/old)" -eq 100028 ]'
    done <<'END'
enc plain
dec sealed
END
    rows 2
}

@test "disk full where dec spools a pipe: exit 1, nothing released" {
    in_tmpfs size=1m '
        code=0
        cat sealed | TMPDIR=$PWD/place "$ENCFLOW" dec -K key.hex >out \
            2>err || code=$?
        [ -z "$(ls -A place)" ]
        # either it had no need of the folder, or it failed whole
        if [ $code -eq 0 ]; then cmp out plain; else
            [ $code -eq 1 ] && [ ! -s out ] && grep -q "No space left" err
        fi'
}

@test "read-only file system: exit 1, the folder's file untouched" {
    in_tmpfs size=9m '
        printf old >place/old
        mount -o remount,bind,ro place
        for out in new old; do
            code=0
            "$ENCFLOW" enc -K key.hex -in plain -out place/$out 2>err ||
                code=$?
            [ $code -eq 1 ]
            grep -q "place/$out" err
        done
        [ "$(ls -A place)" = old ]
        [ "$(cat place/old)" = old ]'
}

@test "folder not writable: exit 1, its file untouched" {
    old place/old
    chmod 555 place
    local mortal=() out
    [ "$(id -u)" -ne 0 ] ||
        mortal=(setpriv --bounding-set -dac_override,-dac_read_search)
    for out in new old; do
        run "${mortal[@]}" "$ENCFLOW" enc -K key.hex -in plain -out place/$out
        fails 1 "place/$out"
        run "${mortal[@]}" "$ENCFLOW" dec -K key.hex -in sealed -out place/$out
        fails 1 "place/$out"
        run "${mortal[@]}" "$ENCFLOW" keygen -o place/key
        fails 1 place/key
    done
    chmod 755 place
    only old
    still_old place/old
}

@test "no folder, or a folder in the output's place: exit 1" {
    mkdir place/folder
    refused 1 place/absent/out -- enc -K key.hex -in plain -out place/absent/out
    refused 1 place/folder -- enc -K key.hex -in plain -out place/folder
    refused 1 -- enc -K key.hex -in plain -out place/
    refused 1 -- enc -K key.hex -in plain -out key.hex/out
    refused 1 -- dec -K key.hex -in sealed -out place/folder
    only folder
    [ -z "$(ls -A place/folder)" ]
}

# ------------------------------------------------------- the output's nature

@test "modes: enc's new file follows umask, dec's is 0600, an old one's stays" {
    local mask m
    for mask in 022:644 077:600 027:640 000:666; do
        m=${mask#*:}
        rm -f place/*
        (umask ${mask%:*} && works enc -K key.hex -in plain -out place/ef)
        row "enc, umask $mask" mode place/ef $m
        (umask ${mask%:*} && works dec -K key.hex -in sealed -out place/pt)
        row "dec, umask $mask" mode place/pt 600
        chmod 604 place/pt place/ef
        (umask ${mask%:*} && works enc -K key.hex -in plain -out place/ef)
        row "enc over 604" mode place/ef 604
        (umask ${mask%:*} && works dec -K key.hex -in sealed -out place/pt)
        row "dec over 604" mode place/pt 604
    done
    rows 16
    only ef pt
}

@test "output and input the same file, by any name: whole, or refused" {
    local verb name
    for verb in enc dec; do
        for name in place/it ./place/../place/it place/link; do
            rm -f place/*
            [ $verb = enc ] && cp plain place/it || cp sealed place/it
            ln -s it place/link
            row "$verb to $name" turned $verb place/it $name
            only it link
            [ -L place/link ]
        done
    done
    rows 6
}

# turned VERB IN OUT: either IN became the other form of itself, or the
# command refused and IN is what it was.
turned() {
    cp "$2" was
    try $1 -K key.hex -in "$2" -out "$3"
    if [ "$status" -ne 0 ]; then
        cmp "$2" was
    elif [ $1 = enc ]; then
        sealed_plain "$2"
    else
        cmp "$2" plain
    fi
}

@test "output is a link: what it names is replaced whole, or not at all" {
    mkdir place/far
    old place/far/file
    ln -s far/file place/link
    cp sealed bad && ref flip bad 100
    refused 3 -- dec -K key.hex -in bad -out place/link
    still_old place/far/file
    [ "$(readlink place/link)" = far/file ]
    works dec -K key.hex -in sealed -out place/link
    same place/link plain
    [ "$(readlink place/link)" = far/file ]
    same place/far/file plain
    mode place/far/file 640
    only far link
    [ "$(ls -A place/far)" = file ]
}

@test "output is a link to nothing yet, or to itself" {
    ln -s later place/link
    cp sealed bad && ref flip bad 100
    try dec -K key.hex -in bad -out place/link
    [ "$status" -ne 0 ]
    only link
    # refusing to make a file by way of a link is as good as making it whole
    try dec -K key.hex -in sealed -out place/link
    if [ "$status" -eq 0 ]; then
        same place/link plain
        only later link
    else
        fails 1 place/link
        only link
    fi
    rm -r place && mkdir place
    ln -s loop place/loop
    refused 1 place/loop -- dec -K key.hex -in sealed -out place/loop
    only loop
}

@test "output is another name of a file: only the name given changes" {
    cp plain place/one
    ln place/one place/two
    works enc -K key.hex -in plain -out place/two
    same place/one plain
    sealed_plain place/two
    only one two
}

@test "output is a fifo: it stays one, and a bad tag sends nothing through" {
    mkfifo place/fifo
    cp sealed bad && ref flip bad 2999999
    timeout 20 cat place/fifo >got 3>&- &
    works enc -K key.hex -in plain -out place/fifo
    wait $!
    sealed_plain got
    timeout 20 cat place/fifo >got 3>&- &
    works dec -K key.hex -in sealed -out place/fifo
    wait $!
    same got plain
    timeout 20 cat place/fifo >got 3>&- &
    local reader=$!
    try dec -K key.hex -in bad -out place/fifo
    [ "$status" -eq 3 ]
    # where it never opened the fifo, the reader still waits
    { : >place/fifo; } 3>&- &
    wait $reader
    kill $! 2>/dev/null || true
    [ ! -s got ]
    [ -p place/fifo ]
    only fifo
}

@test "output is /dev/stdout: a pipe and a redirected file both get it" {
    "$ENCFLOW" enc -K key.hex -in plain -out /dev/stdout | cat >got
    sealed_plain got
    "$ENCFLOW" dec -K key.hex -in sealed -out /dev/stdout >place/got
    same place/got plain
    cp sealed bad && ref flip bad 2999999
    status=0
    "$ENCFLOW" dec -K key.hex -in bad -out /dev/stdout >place/none \
        2>err || status=$?
    fails 3
    [ ! -s place/none ]
    only got none
}

@test "output is a device: it stays a device" {
    if [ "$(id -u)" -eq 0 ]; then
        mknod place/null c 1 3 || skip "no device may be made here"
        : >place/null || skip "no device may be used here"
        works enc -K key.hex -in plain -out place/null
        works dec -K key.hex -in sealed -out place/null
        [ -c place/null ]
        only null
    else
        works enc -K key.hex -in plain -out /dev/null
        works dec -K key.hex -in sealed -out /dev/null
        [ -c /dev/null ]
    fi
}

@test "a full, closed or deaf standard output is an error" {
    local cmd
    while read -r cmd; do
        # shellcheck disable=SC2086
        {
            row "$cmd, full" loses full $cmd
            row "$cmd, closed" loses closed $cmd
        }
    done <<'END'
enc -K key.hex -in plain
dec -K key.hex -in sealed
base64 -in plain
keygen
selftest
--version
enc --help
END
    row "enc, deaf" loses deaf enc -K key.hex -in plain
    row "dec, deaf" loses deaf dec -K key.hex -in sealed
    rows 16
}

loses() {
    local code=0
    case $1 in
    full) "$ENCFLOW" "${@:2}" >/dev/full 2>err || code=$? ;;
    closed) "$ENCFLOW" "${@:2}" >&- 2>err || code=$? ;;
    deaf)
        { "$ENCFLOW" "${@:2}" 2>err || echo $? >code; } | head -c 5 >five
        [ ! -e code ] || code=$(cat code)
        rm -f code
        # by the usual signal, or as a failure to write
        [ "$code" -ne 141 ] || return 0
        ;;
    esac
    [ "$code" -eq 1 ] && [ -s err ] || {
        printf 'exit %s: %s\n' "$code" "$(cat err)"
        return 1
    }
}

@test "closed standard files never end up inside an output" {
    local code
    for code in 0 1 2; do
        rm -f place/*
        row "enc without $code" closed $code enc plain place/new
        row "enc without $code" sealed_plain place/new
        rm -f place/*
        row "dec without $code" closed $code dec sealed place/new
        row "dec without $code" same place/new plain
        only new
    done
    rows 12
    "$ENCFLOW" enc -v -K key.hex -in plain -out place/new <&- >&- 2>&-
    sealed_plain place/new
}

closed() {
    case $1 in
    0) "$ENCFLOW" $2 -v -K key.hex -in $3 -out $4 <&- 2>/dev/null ;;
    1) "$ENCFLOW" $2 -v -K key.hex -in $3 -out $4 >&- 2>/dev/null ;;
    2) "$ENCFLOW" $2 -v -K key.hex -in $3 -out $4 2>&- ;;
    esac
}

@test "two at once onto one name: one of them whole" {
    local i first
    for i in {1..25}; do
        "$ENCFLOW" enc -K key.hex -in plain -out place/new 3>&- &
        first=$!
        "$ENCFLOW" enc -K key.hex -in plain -out place/new
        wait $first
        sealed_plain place/new
    done
    only new
}

# Twelve bytes of nonce first, then the ciphertext, then the tag.
@test "dec to a pipe: another nonce before the second pass releases nothing" {
    need_strace
    local pid code=0
    cp sealed moved
    by_strace -e inject=lseek:delay_exit=3000000:when=4 \
        dec -K key.hex -in moved >out 2>err &
    pid=$!
    sleep 1.5
    printf 'other nonce!' | dd of=moved conv=notrunc 2>/dev/null
    wait "$pid" || code=$?
    cat err
    [ "$code" -eq 3 ]
    [ ! -s out ]
}

@test "dec to a pipe: a file that changes under it gives a true prefix" {
    local code=0 size
    head -c 8000000 /dev/urandom >long
    "$ENCFLOW" enc -K key.hex -in long -out long.enc
    mkfifo pipe
    "$ENCFLOW" dec -K key.hex --threads 1 -in long.enc >pipe 2>err &
    exec 5<pipe
    head -c 1 <&5 >out # the first pass is over; the second waits for a reader
    ref flip long.enc 6000000
    cat <&5 >>out
    wait $! || code=$?
    cat err
    [ "$code" -eq 3 ]
    size=$(stat -c %s out)
    [ "$size" -gt 0 ] && [ "$size" -lt 6000000 ]
    cmp -n "$size" out long
}

# -------------------------------------------------------------- workspaces

# A workspace in place/ws: whole documents, and the lock. What is there is
# looked at by Python's cryptography, which knows nothing of ours.
book_setup() {
    export ENCFLOW_WORKSPACE=$PWD/place/ws ENCFLOW_ID=$PWD/id.pem
    "$ENCFLOW" id new -q dana >/dev/null
    "$ENCFLOW" release keygen -o rel.pem >rel.pub
    head -c 300000 plain >some
    printf '{"query_string": "", "encryption": {"key": "%s"}}' "$KEY" >cred.json
    ref seal key.hex <some >store.enc
}

# whole_book: prints the kinds of the documents; fails for any other name, for
# one that is not whole, and for a dataset without credentials.
whole_book() {
    "$PYTHON" - place/ws <<'END'
import base64, hashlib, json, os, re, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

def decoded(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))

kinds, datasets, sealed = [], set(), set()
for name in os.listdir(sys.argv[1]):
    if name == ".lock":
        continue
    assert re.fullmatch("[0-9a-f]{64}", name), f"stray: {name}"
    head, body, mark = open(f"{sys.argv[1]}/{name}", "rb").read().split(b".")
    jwk = json.loads(decoded(head))["jwk"]
    x, y = (int.from_bytes(decoded(jwk[i].encode()), "big") for i in "xy")
    r, s = (int.from_bytes(decoded(mark)[i:i + 32], "big") for i in (0, 32))
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        utils.encode_dss_signature(r, s), head + b"." + body,
        ec.ECDSA(hashes.SHA256()))
    assert hashlib.sha256(decoded(body)).hexdigest() == name
    text = json.loads(decoded(body))
    kinds.append(text["kind"])
    if text["kind"] == "dataset":
        datasets.add(name)
    if text["kind"] == "credentials":
        sealed.add(text["dataset"])
assert datasets <= sealed, "a dataset without credentials"
print(*sorted(kinds))
END
}

# Each writes to the workspace; N makes its names new.
book_command() {
    case $1 in
    new) set -- workflow new "w$2" ;;
    import) set -- id import "p$2" pub.pem ;;
    add) set -- dataset add --release-key rel.pub --credentials cred.json \
        --allow-file --location "file://$PWD/store.enc" "d$2" ;;
    app) set -- app add --image i --pcr "$SET" "a$2" ;;
    esac
    exec "$ENCFLOW" "$@"
}

@test "kill -9 while a workspace is written: whole documents, no lock left" {
    plain_only "its processes are killed"
    need_tmpfile
    local n=0 verb pid killed=0 code
    book_setup
    "$ENCFLOW" id show --format pem >pub.pem
    SET=$(printf 'PCR%d=%096d,' 0 1 1 1 2 1)
    SET=${SET%,}
    for ((n = 0; n < 60; n++)); do
        for verb in new import add app; do
            (book_command $verb $n) >out 2>err 3>&- &
            pid=$!
            sleep "0.0$((RANDOM % 4))$((RANDOM % 10))"
            kill -KILL $pid 2>/dev/null || true
            code=0
            wait $pid || code=$?
            [ $code -ne 137 ] || killed=$((killed + 1))
            [ $code -eq 137 ] || [ $code -eq 0 ] || { cat err && false; }
        done
        ((n % 10)) || whole_book >/dev/null
    done
    [ "$killed" -ge 40 ] # the moments were such that the test could fail
    # the lock died with its holder, and nothing is in the way
    timeout 9 "$ENCFLOW" workflow new after >/dev/null
    whole_book >kinds
    grep -q draft kinds
    only ws
}

@test "disk full: a workspace has whole documents, and the key is told" {
    in_tmpfs size=64k '
        export ENCFLOW_WORKSPACE=$PWD/place/ws ENCFLOW_ID=$PWD/id.pem
        "$ENCFLOW" id new -q dana >/dev/null
        code=0
        for ((n = 0; n < 100 && code == 0; n++)); do
            "$ENCFLOW" workflow new "w$n" >out 2>err || code=$?
        done
        [ $code -eq 1 ]
        grep -q "No space left" err
        [ ! -s out ]
        count=$(ls place/ws | wc -l)
        [ "$count" -eq "$n" ] # the identity, and all but the last
        "$ENCFLOW" workflow list >list 2>err
        [ ! -s err ]
        [ "$(wc -l <list)" -eq $((n - 1)) ]
        # nobody is announced, so no key is kept
        code=0
        "$ENCFLOW" id new -q --id other.pem olga >out 2>err || code=$?
        [ $code -eq 1 ] && [ ! -e other.pem ] && [ ! -s out ]'
}

@test "without O_TMPFILE: a document is whole, its folder has no other name" {
    need_strace
    book_setup
    # the fourth: after reading the folder twice, and opening it to write
    by_strace -P place/ws -e inject=openat:error=EOPNOTSUPP:when=4 \
        workflow new study >hash
    grep -q O_TMPFILE.*INJECTED trace
    whole_book >kinds
    [ "$(<kinds)" = "draft identity" ]
}
