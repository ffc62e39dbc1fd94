#!/usr/bin/env bats
# Whole command lines: every message of the sections that talk to the system,
# word for word, with its exit status (vectors/commands.txt).

bats_require_minimum_version 1.5.0
load common

setup() {
    common_setup
    export ENCFLOW
    cd "$ROOT" || return 1
}

@test "command lines say what vectors/commands.txt states" {
    "$PYTHON" tests/commands.py --faults no
}

@test "command lines with a system call made to fail do, too" {
    command -v strace >/dev/null || skip "needs strace"
    strace -qq -o "$BATS_TEST_TMPDIR/trace" true || skip "strace is forbidden"
    "$PYTHON" tests/commands.py --faults only
}
