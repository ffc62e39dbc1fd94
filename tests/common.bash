# Shared by every .bats file: which binary is under test, where it works,
# and how a test says that it cannot run here.

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
ENCFLOW=${ENCFLOW:-$ROOT/encflow}
SHARED=${SHARED:-$ROOT/../shared}
PYTHON=/usr/bin/python3 # Debian's: another one may come first in PATH

# A fresh folder per test, on a disk (not a small tmpfs), gone afterwards.
# No setting of the machine's own may reach a test.
common_setup() {
    unset "${!AWS_@}" http_proxy https_proxy all_proxy no_proxy
    export HOME=$BATS_TEST_TMPDIR LC_ALL=C.UTF-8 TZ=UTC
    # Nothing is asked of an instance's service, and a failure is told at
    # once: tests of either say so themselves.
    export AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=1
    cd "$BATS_TEST_TMPDIR" || return 1
}

# need_shared PATH: skip where the shared test material is absent.
need_shared() {
    [ -e "$SHARED/$1" ] ||
        skip "needs ../shared/$1, which is not beside this checkout"
}

# plain_only WHY: skip where the binary under test has sanitizers in it.
plain_only() {
    [ "${EF_SANITIZED:-0}" != 1 ] || skip "done with the plain build: $1"
}

# fails STATUS WORD...: the last `run` ended with STATUS and its output has
# every WORD (fixed strings). Shows the output when it does not.
fails() {
    local want=$1 word
    shift
    if [ "$status" -ne "$want" ]; then
        printf 'exit status %s, wanted %s; output:\n%s\n' \
            "$status" "$want" "$output"
        return 1
    fi
    for word; do
        case $output in
        *"$word"*) ;;
        *)
            printf 'output lacks "%s":\n%s\n' "$word" "$output"
            return 1
            ;;
        esac
    done
}

# What a test has put into HOSTS, process ids, is over after this.
stop_hosts() {
    local pid
    for pid in "${HOSTS[@]}"; do
        kill "$pid" 2>/dev/null && wait "$pid" || true
    done
}

# same FILE FILE: equal bytes, said with the first difference.
same() { cmp -- "$1" "$2"; }
