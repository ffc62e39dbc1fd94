#!/usr/bin/env bats
# Every call that encflow makes fails once: inject.py does it and judges, with
# the build that has inject.c in it (`make faults` makes it and shows more).

bats_require_minimum_version 1.5.0
load common
load data

setup() {
    data_setup
    FAULTS=${EF_FAULTS:-$ROOT/build/faults}
    [ -x "$FAULTS/encflow" ] || {
        echo "$FAULTS/encflow is missing: make build/faults/encflow"
        return 1
    }
}

inject() { "$PYTHON" "$ROOT/tests/inject.py" "$@"; }

@test "no call of encflow is left out of the layer without a reason" {
    inject --calls "$FAULTS/encflow.o"
}

@test "a fault that is injected comes, at that call and once" {
    local n code
    for n in 1 2; do
        code=0
        EF_INJECT=fsync:$n:5 ASAN_OPTIONS=detect_leaks=0 "$FAULTS/encflow" \
            enc -K key.hex -in key.hex -out new 2>err || code=$?
        [ "$code" -eq 1 ]
        grep -q 'Input/output error' err
        [ $n -eq 2 ] || [ ! -e new ] # the second is the folder's
    done
    EF_INJECT=fsync:3:5 ASAN_OPTIONS=detect_leaks=0 "$FAULTS/encflow" \
        enc -K key.hex -in key.hex -out new 2>err
    [ ! -s err ]
}

@test "whichever call fails: no crash, no leak, nothing partial or wrong" {
    [ "$(id -u)" -eq 0 ] || echo "# leaks are looked for as root only" >&3
    local code=0
    inject "$FAULTS/encflow" >report || code=$?
    grep BROKEN report || true
    echo "# $(tail -n 1 report)" >&3
    return $code
}

# With SIGCHLD ignored, which a parent may hand down, waitpid tells nothing.
@test "SIGCHLD ignored: a child's failure is seen, and its end" {
    local code=0
    printf old >out
    EF_INJECT=renameat:1:5 ASAN_OPTIONS=detect_leaks=0 timeout -k 5 20 \
        env --ignore-signal=CHLD "$FAULTS/encflow" enc -K key.hex \
        -in key.hex -out out 2>err || code=$?
    [ "$code" -eq 1 ]
    [ "$(<out)" = old ]
    mkdir -p ports/{input/in,output/out}/dataset
    ref seal key.hex <key.hex >sealed
    echo "file://$PWD/sealed" >ports/input/in/dataset/location.txt
    echo "file://$PWD/result" >ports/output/out/dataset/location.txt
    printf '{"query_string": "", "encryption": {"key": "%s"}}' "$KEY" |
        tee ports/input/in/dataset/credentials.bin \
            >ports/output/out/dataset/credentials.bin
    timeout -k 5 20 env --ignore-signal=CHLD "$ENCFLOW" run --ports ports \
        --work "$PWD/work" --allow-file -- /bin/true
    [ -s result ]
}
