# Shared by data.bats, atomic.bats and describe.bats, beside common.bash.

# The key of every test, and a query string: what no message may ever show.
KEY=C0FFEE112233445566778899AABBCCDDEEFF0F1E2D3C4B5A69788796A5B4C3D2
QUERY='AWSAccessKeyId=AKIDEXAMPLE&Signature=PcpH99nszG2%2Fv8%3D'
QUERY+='&Expires=4102444800'
SECRETS=(-e "${KEY:0:16}" -e "${KEY:48}" -e AKIDEXAMPLE -e PcpH99nszG2
    -e "$(printf %s "$QUERY" | base64 -w0 | cut -c 1-24)")

data_setup() {
    common_setup
    export TMPDIR=$BATS_TEST_TMPDIR/tmp # a spool file has nowhere to hide
    mkdir tmp
    printf %s "$KEY" >key.hex
    TRIED=0 BROKEN=0
}

# ref VERB ARG...: the second implementation.
ref() { "$PYTHON" "$ROOT/tests/reference.py" "$@"; }

# try ARG...: encflow with stdout kept in the file out and stderr in the file
# err; $status and $output (the messages) are as `fails` wants them.
try() {
    status=0
    "$ENCFLOW" "$@" >out 2>err || status=$?
    { output=$(<err); } 2>/dev/null # without its complaint about NULs
}

# works ARG...: exit 0 and not one word on stderr.
works() {
    try "$@"
    fails 0 && [ ! -s err ] || {
        printf 'encflow %s: %s\n' "$*" "$output"
        return 1
    }
}

# refused STATUS WORD... -- ARG...: exit STATUS, every WORD in the message,
# the message in the common form, nothing on stdout, nothing secret said.
refused() {
    local want=()
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    shift
    try "$@"
    fails "${want[@]}" || return 1
    if [ -s out ]; then
        printf 'stdout is not empty: %s\n' "$(head -c 80 out | cat -v)"
        return 1
    fi
    case $output in
    "encflow: "* | "encflow "*": "*) ;;
    *)
        printf 'not in the common form: %s\n' "$output"
        return 1
        ;;
    esac
    keeps_secret err
}

# keeps_secret FILE...: neither end of the key nor any part of the query
# string that admits its reader, in plain or base64.
keeps_secret() {
    if grep -aiF "${SECRETS[@]}" -- "$@" /dev/null; then
        echo '^^^ tells a secret'
        return 1
    fi
}

# A table of cases runs to its end: `row NAME COMMAND...` notes a failure
# with its NAME, and `rows N` fails when any row did, or fewer than N ran.
row() {
    local name=$1
    shift
    TRIED=$((TRIED + 1))
    if [ "$BROKEN" -lt 8 ]; then
        "$@" || {
            printf '^^^ case %s\n' "$name"
            BROKEN=$((BROKEN + 1))
        }
    else # enough is said
        "$@" >/dev/null 2>&1 || BROKEN=$((BROKEN + 1))
    fi
}

rows() {
    if [ "$BROKEN" -gt 0 ] || [ "$TRIED" -lt "$1" ]; then
        printf '%d of %d cases failed, at least %d expected\n' \
            "$BROKEN" "$TRIED" "$1"
        return 1
    fi
}

# holds FILE TEXT: FILE is exactly TEXT, to the last byte.
holds() { printf %s "$2" | cmp -- - "$1"; }

# lacks FILE REGEX: no line of FILE matches (a bare `! grep` in the middle of
# a test would go unnoticed).
lacks() {
    if grep -anE -e "$2" -- "$1"; then
        return 1
    fi
}

# mode FILE OCTAL
mode() {
    [ "$(stat -c %a -- "$1")" = "$2" ] || {
        printf '%s has mode %s, not %s\n' "$1" "$(stat -c %a -- "$1")" "$2"
        return 1
    }
}

# on_tty COMMAND: a shell command with a terminal as its three standard
# files; the lines the terminal showed are left in the file screen.
on_tty() {
    local code=0
    export ENCFLOW
    SHELL=/bin/sh script -qec "$1" log </dev/null >/dev/null || code=$?
    sed -e '1d' -e '/^Script done on/d' -e '/^[[:space:]]*$/d' log >screen
    return "$code"
}

# small_memory ARG...: encflow in no more than 32 MiB of resident memory.
small_memory() {
    ref peak peak "$ENCFLOW" "$@" || return 1
    [ "$(cat peak)" -le 32768 ] || {
        printf '%s KiB resident: %s\n' "$(cat peak)" "$*"
        return 1
    }
}

# by_strace OPTION... ARG...: encflow with a system call of it made to fail.
by_strace() {
    local options=()
    while [[ $1 = -* ]]; do
        options+=("$1" "$2")
        shift 2
    done
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        strace -f -qq -o trace "${options[@]}" "$ENCFLOW" "$@"
}

need_strace() {
    command -v strace >/dev/null || skip "needs strace"
    [ "$(id -u)" -eq 0 ] || skip "only root may trace what is not dumpable"
    by_strace -e trace=openat selftest >/dev/null || skip "strace is forbidden"
}
