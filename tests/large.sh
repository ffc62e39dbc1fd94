#!/bin/bash
# What is too large for `make check`: 5 GiB through a pipe, in both
# directions, against Python's cryptography, in 32 MiB of memory; and files
# beyond what AES-GCM may seal under one nonce.
#
#   ENCFLOW          the binary, default ./encflow
#   EF_LARGE_BYTES   how much, default 5 GiB
#   TMPDIR           where there is room for it, default /var/tmp

set -euo pipefail
ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
ENCFLOW=$(realpath "${ENCFLOW:-$ROOT/encflow}")
BYTES=${EF_LARGE_BYTES:-$((5 << 30))}
MOST=$(((1 << 36) - 32))

ref() { /usr/bin/python3 "$ROOT/tests/reference.py" "$@"; }

fail() {
    printf 'large: FAILED: %s\n' "$*" >&2
    exit 1
}

# small FILE: the peak that `ref peak` left there is at most 32 MiB.
small() {
    [ "${EF_SANITIZED:-0}" = 1 ] && return
    [ "$(cat "$1")" -le 32768 ] || fail "$2 held $(cat "$1") KiB of memory"
}

# said WORDS: seconds since the last one, and the peak measured.
said() {
    printf 'large: %s, %d s, %d KiB\n' "$1" $((SECONDS - SINCE)) "$(cat peak)"
    SINCE=$SECONDS
}

work=$(mktemp -d "${TMPDIR:-/var/tmp}/encflow-large.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir spool
export TMPDIR=$work/spool
room=$(df --output=avail -B1 . | tail -n 1)
[ "$room" -gt $((BYTES + (1 << 30))) ] ||
    fail "needs $((BYTES >> 20)) MiB and some free in $work (set TMPDIR)"
ref peak peak "$ENCFLOW" keygen -o key.hex
SINCE=$SECONDS

# ----- encflow seals, Python opens

ref pattern "$BYTES" | ref peak peak "$ENCFLOW" enc -K key.hex |
    ref open key.hex | ref match "$BYTES" || fail "enc through a pipe"
small peak enc
said "enc of $BYTES bytes through a pipe, opened by Python"

# ----- Python seals, encflow opens

ref pattern "$BYTES" | ref seal key.hex |
    ref peak peak "$ENCFLOW" dec -K key.hex | ref match "$BYTES" ||
    fail "dec through a pipe"
small peak dec
[ -z "$(ls -A spool)" ] || fail "dec left something in TMPDIR"
said "dec of $BYTES bytes through a pipe, sealed by Python"

# ----- one bit of it changed near its end: not a byte comes out

ref pattern "$BYTES" | "$ENCFLOW" enc -K key.hex -out sealed
ref flip sealed $((BYTES - 5))
code=0
ref peak peak "$ENCFLOW" dec -K key.hex <sealed 2>err | wc -c >count || code=$?
[ "$code" -eq 3 ] || fail "one bit changed: exit $code, $(cat err)"
[ "$(cat count)" -eq 0 ] || fail "one bit changed: $(cat count) bytes came out"
small peak dec
said "dec of $BYTES bytes with one bit changed, refused"
rm sealed

# ----- more than 2^36 - 32 bytes, as a file that takes no room

# over WHAT ARG...: refused within seconds, by name of the limit, no output.
over() {
    local what=$1 code=0
    shift
    ref peak peak timeout 60 "$ENCFLOW" "$@" 2>err >out || code=$?
    { [ "$code" -ne 0 ] && [ "$code" -lt 124 ]; } || fail "$what: exit $code"
    grep -qE '68719476704|2\^36' err || fail "$what: $(cat err)"
    [ ! -e new ] && [ ! -s out ] || fail "$what: something was written"
    said "$what: $(head -n 1 err)"
}

if truncate -s $((MOST + 1)) sparse 2>err; then
    over "one byte too much, file" enc -K key.hex -in sparse -out new
    over "one byte too much, redirected" enc -K key.hex <sparse
    truncate -s $((MOST + 29)) sparse
    over "one byte too much to open" dec -K key.hex -in sparse -out new
    truncate -s $MOST sparse
    code=0
    { timeout -s KILL 3 "$ENCFLOW" enc -K key.hex -in sparse -out /dev/null; } \
        2>/dev/null || code=$?
    [ "$code" -eq 137 ] || fail "the limit itself: exit $code at once"
    printf 'large: the limit itself is begun, not refused\n'
else
    printf 'large: skipped the 64 GiB files: %s\n' "$(cat err)"
fi
printf 'large: all passed\n'
