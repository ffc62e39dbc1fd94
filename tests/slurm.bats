#!/usr/bin/env bats
# `run --shard`: an array job takes its share of the inputs. First without a
# cluster, by --shard and by each scheduler's variables; then as a job of 8
# tasks over 40 datasets in a real Slurm of one node (slurm.sh).

# shellcheck disable=SC2016 # scripts for the application's own shell

bats_require_minimum_version 1.5.0
load common

setup_file() {
    export KEYS=$BATS_FILE_TMPDIR/keys DATA=$BATS_FILE_TMPDIR/data
    mkdir "$KEYS" "$DATA"
    printf %064d 1 >"$KEYS/in"
    printf %064d 2 >"$KEYS/out"
    local i
    for i in {1..40}; do # not two of them alike, or of one length
        seq "$((i * 7))" "$((i * 11))" >"$DATA/$i.txt"
        "$ENCFLOW" enc -K "$KEYS/in" -in "$DATA/$i.txt" -out "$DATA/$i.enc"
    done
}

teardown_file() {
    bash "$BATS_TEST_DIRNAME/slurm.sh" stop "$BATS_FILE_TMPDIR/slurm"
}

setup() {
    common_setup
    unset "${!SLURM@}" "${!JOB_COMPLETION@}"
    mkdir store
}

# dataset PORT NAME LOCATION: one dataset of ./ports.
dataset() {
    local folder=ports/$1/$2/dataset key=$KEYS/in
    [ "$1" = input ] || key=$KEYS/out
    mkdir -p "$folder"
    printf %s "$3" >"$folder/location.txt"
    printf '{"query_string": "", "encryption": {"key": "%s"}}' \
        "$(<"$key")" >"$folder/credentials.bin"
}

# inputs N, outputs N: datasets in-1..in-N, out-1..out-N. By name, in-10 comes
# before in-2: the order is not that of the numbers.
inputs() {
    local i
    for ((i = 1; i <= $1; i++)); do
        dataset input "in-$i" "file://$DATA/$i.enc"
    done
}

outputs() {
    local i
    for ((i = 1; i <= $1; i++)); do
        dataset output "out-$i" "file://$PWD/store/out-$i"
    done
}

# by_name PREFIX N: PREFIX-1..PREFIX-N in the order of names.
by_name() { seq -f "$1-%g" "$2" | LC_ALL=C sort; }

# job [OPTION...] [-- COMMAND...]: sets status and output.
job() {
    run timeout 60 "$ENCFLOW" run --ports ports --work work --allow-file "$@"
}

# fetched: the inputs that the last job fetched, in its order, by name.
fetched() {
    printf '%s\n' "$output" | sed -n \
        "s;^Retrieved dataset from location: file://$DATA/\(.*\)\.enc$;in-\1;p"
}

# slice N I COUNT: what share I of COUNT has of in-1..in-N.
slice() {
    local from=$(($1 * $2 / $3)) to=$(($1 * ($2 + 1) / $3))
    by_name in "$1" | head -n "$to" | tail -n +"$((from + 1))"
}

# takes I COUNT [OPTION...]: a job of the settings around does what share I
# of COUNT has to do with 10 inputs, and fills its own output only.
takes() {
    local i=$1 count=$2 out
    shift 2
    rm -f store/*
    job "$@" -- true
    [ "$status" -eq 0 ] || {
        printf 'exit %s: %s\n' "$status" "$output"
        return 1
    }
    diff <(fetched) <(slice 10 "$i" "$count") || return 1
    out=$(by_name out "$count" | sed -n "$((i + 1))p")
    [ "$(ls store)" = "$out" ] || {
        printf 'filled %s, not %s\n' "$(ls store)" "$out"
        return 1
    }
}

# refuses WORD... [-- OPTION...]: exit 2, every WORD said, nothing was done.
refuses() {
    local words=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    rm -f store/*
    job "$@" -- true
    fails 2 "${words[@]}" || return 1
    [[ $output != *"Retrieved dataset"* && -z $(ls -A store) ]]
}

# answer FILE: what the result in FILE printed.
answer() { "$ENCFLOW" result -K "$KEYS/out" "$1"; }

# shares N: what each of N shares has of the names that are read, by name.
shares() {
    awk -v n="$1" '{ name[NR - 1] = $0 }
        END { for (i = 0; i < n; i++) {
            print "share", i
            for (k = int(NR * i / n); k < int(NR * (i + 1) / n); k++)
                print name[k]
        } }'
}

@test "shard: for N up to 45, each of 40 inputs is in one share" {
    local n i
    inputs 40
    by_name in 40 >names
    # few and many; those that divide 40 and those next to them
    for n in 1 2 3 7 8 13 39 40 41 45; do
        outputs "$n"
        for ((i = 0; i < n; i++)); do
            echo "share $i"
            "$ENCFLOW" run --ports ports --work work --allow-file \
                --shard "$i/$n" -- true
        done >out
        sed -n -e '/^share/p' -e 's;^Retrieved .*/\(.*\)\.enc$;in-\1;p' out |
            diff - <(shares "$n" <names)
        grep '^in-' <(shares "$n" <names) | LC_ALL=C sort | same names -
        diff <(LC_ALL=C ls store) <(by_name out "$n")
        rm store/*
    done
}

@test "shard: share I fills the I-th output by name" {
    inputs 10
    outputs 12 # out-1, out-10, out-11, out-12, out-2, ...
    takes 0 12 --shard 0/12
    takes 1 12 --shard 1/12
    takes 4 12 --shard=4/12
    takes 11 12 --shard 11/12
}

@test "shard: the shares' answers, in order, are the whole's" {
    local i
    inputs 10
    outputs 1
    job --shard 0/1 -- sha256sum
    [ "$status" -eq 0 ]
    answer store/out-1 | sed 's/ .*//' >whole
    rm store/out-1
    outputs 3
    for i in 0 1 2; do
        job --shard "$i/3" -- sha256sum
        [ "$status" -eq 0 ]
        answer "store/out-$((i + 1))" | sed 's/ .*//' >>gathered
    done
    same whole gathered
    by_name in 10 | sed 's/in-//' | while read -r i; do
        sha256sum <"$DATA/$i.txt" | sed 's/ .*//'
    done | same whole -
}

@test "shard: a share without inputs delivers an empty result" {
    inputs 2
    outputs 5 # shares 2 and 4 have one input each, the others none
    local i
    for i in 0 1 3; do
        job --shard "$i/5" -- sh -c 'echo ran; exit 3'
        [ "$status" -eq 0 ]
        run -0 --separate-stderr "$ENCFLOW" result --json -K "$KEYS/out" \
            "store/out-$((i + 1))"
        run -0 "$PYTHON" -c 'import json, sys
r = json.loads(sys.argv[1])
assert r["returncode"] == 0 and not r["stdout"] and not r["stderr"], r
' "$output"
    done
    [ "$(ls store)" = "$(printf 'out-%d\n' 1 2 4)" ]
    job --shard 4/5 -- sh -c 'echo ran; exit 3'
    run -3 answer store/out-5
    [ "$output" = ran ]
}

@test "shard: 0/1 and no array are all of it, with any outputs" {
    inputs 10
    outputs 2
    job --shard 0/1 -- true
    [ "$status" -eq 0 ]
    diff <(fetched) <(by_name in 10)
    [ "$(ls store)" = "$(printf 'out-%d\n' 1 2)" ]
    rm store/*
    job -- true
    [ "$status" -eq 0 ]
    diff <(fetched) <(by_name in 10)
    [ "$(ls store)" = "$(printf 'out-%d\n' 1 2)" ]
}

@test "shard: Kubernetes' Indexed Job" {
    inputs 10
    outputs 4
    export JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=4
    takes 0 4
    JOB_COMPLETION_INDEX=3 takes 3 4
    JOB_COMPLETION_INDEX=4 refuses share
    JOB_COMPLETION_INDEX=x refuses share
    JOB_COMPLETION_INDEX='' refuses share
    JOB_COMPLETIONS=0 refuses share
    # Not told how many there are: never all of it in every pod.
    unset JOB_COMPLETIONS
    refuses JOB_COMPLETIONS
}

@test "shard: AWS Batch's array job" {
    inputs 10
    outputs 4
    export AWS_BATCH_JOB_ARRAY_INDEX=0 AWS_BATCH_JOB_ARRAY_SIZE=4
    takes 0 4
    AWS_BATCH_JOB_ARRAY_INDEX=2 takes 2 4
    AWS_BATCH_JOB_ARRAY_INDEX=4 refuses share
    AWS_BATCH_JOB_ARRAY_INDEX=-1 refuses share
    unset AWS_BATCH_JOB_ARRAY_SIZE
    refuses share
}

# As `sbatch --array` sets them: 0-3; 5-8; 10-25:5; and 1,2,9.
@test "shard: Slurm's array job, by its variables" {
    inputs 10
    outputs 4
    export SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=3 \
        SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_STEP=1
    SLURM_ARRAY_TASK_ID=0 takes 0 4
    SLURM_ARRAY_TASK_ID=3 takes 3 4
    SLURM_ARRAY_TASK_ID=4 refuses share
    (
        unset SLURM_ARRAY_TASK_STEP
        SLURM_ARRAY_TASK_ID=2 takes 2 4
    )
    export SLURM_ARRAY_TASK_MIN=5 SLURM_ARRAY_TASK_MAX=8
    SLURM_ARRAY_TASK_ID=5 takes 0 4
    SLURM_ARRAY_TASK_ID=7 takes 2 4
    SLURM_ARRAY_TASK_ID=4 refuses share
    export SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_MAX=25 \
        SLURM_ARRAY_TASK_STEP=5
    SLURM_ARRAY_TASK_ID=10 takes 0 4
    SLURM_ARRAY_TASK_ID=25 takes 3 4
    SLURM_ARRAY_TASK_ID=12 refuses share
    # Numbers without an even step: which share is which cannot be told.
    export SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=9 \
        SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_STEP=1
    outputs 3
    rm -r ports/output/out-4
    SLURM_ARRAY_TASK_ID=9 refuses share
}

@test "shard: --shard wins over the environment" {
    inputs 10
    outputs 4
    export JOB_COMPLETION_INDEX=1 JOB_COMPLETIONS=4
    takes 2 4 --shard 2/4
    export SLURM_ARRAY_TASK_ID=nonsense
    takes 3 4 --shard 3/4
    rm store/*
    job --shard 0/1 -- true
    [ "$status" -eq 0 ]
    diff <(fetched) <(by_name in 10)
    diff <(ls store) <(by_name out 4)
}

@test "shard: values that are none" {
    inputs 3
    outputs 4
    local value
    for value in '' / 1 1/ /4 4/4 5/4 0/0 -1/4 +1/4 1/-4 1/4/4 ' 1/4' '1/4 ' \
        1,4 a/4 1/b 0x1/4 1.0/4 0/10001 4294967296/4294967297 \
        18446744073709551616/4; do
        refuses share -- --shard "$value" || {
            printf '^^^ --shard "%s"\n' "$value"
            return 1
        }
    done
}

@test "shard: N shares want N outputs" {
    local n
    inputs 10
    for n in 1 3 5; do
        rm -rf ports/output
        outputs "$n"
        job --shard 1/4 -- true
        fails 2 output
        [[ $output != *"Retrieved dataset"* && -z $(ls -A store) ]]
    done
}

# ----- a real array job

# slurm_up: exports SLURM_CONF; the cluster lives until teardown_file.
slurm_up() {
    local folder=$BATS_FILE_TMPDIR/slurm
    if [ ! -e "$folder/slurm.conf" ]; then
        bash "$BATS_TEST_DIRNAME/slurm.sh" start "$folder"
    fi
    export SLURM_CONF=$folder/slurm.conf
}

# array RANGE: submit ./task as an array job and wait for its end. Sets id.
# Tasks write to task.N.out; `ended` then tells how they ended.
array() {
    local i
    export ENCFLOW
    id=$(sbatch --parsable --array="$1" --output=task.%a.out task)
    for ((i = 0; i < 600; i++)); do
        [ -n "$(squeue --noheader --jobs="$id" 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    squeue
    scancel "$id"
    return 1
}

# ended: a line "NUMBER STATE STATUS" for every task, in order.
ended() {
    scontrol --oneliner show job "$id" | awk '{
        for (i = 1; i <= NF; i++) {
            at = index($i, "=")
            value[substr($i, 1, at - 1)] = substr($i, at + 1)
        }
        sub(/:.*/, "", value["ExitCode"])
        print value["ArrayTaskId"], value["JobState"], value["ExitCode"]
    }' | sort -n
}

# The task: the application prints a checksum for each of its inputs.
task() {
    cat >task <<'END'
#!/bin/bash
exec "$ENCFLOW" run --ports ports --allow-file \
    --work "work-$SLURM_ARRAY_TASK_ID" -- \
    sh -c 'for file; do sha256sum <"$file"; done' application
END
}

@test "slurm: an array of 8 over 40 datasets gathers the whole's answer" {
    local i
    slurm_up
    inputs 40
    outputs 1
    job --shard 0/1 -- sh -c 'for file; do sha256sum <"$file"; done' app
    [ "$status" -eq 0 ]
    answer store/out-1 >whole
    [ "$(wc -l <whole)" -eq 40 ]
    by_name in 40 | sed 's/in-//' | while read -r i; do
        sha256sum <"$DATA/$i.txt"
    done | same whole -
    rm store/out-1

    outputs 8
    task
    array 0-7
    grep -hEv '^(Retrieved|Writing)' task.*.out || true
    diff <(ended) <(printf '%d COMPLETED 0\n' {0..7})
    for i in {0..7}; do
        [ "$(grep -c '^Retrieved dataset' "task.$i.out")" -eq 5 ]
        answer "store/out-$((i + 1))" >"part.$i"
        [ "$(wc -l <"part.$i")" -eq 5 ]
    done
    cat part.{0..7} | same whole -
    [ -z "$(find . -maxdepth 1 -name 'work*')" ]
}

@test "slurm: an array with a step, of more tasks than inputs" {
    slurm_up
    inputs 3
    outputs 4
    task
    array 10-25:5
    grep -hEv '^(Retrieved|Writing)' task.*.out || true
    diff <(ended) <(printf '%d COMPLETED 0\n' 10 15 20 25)
    [ -z "$(answer store/out-1)" ]
    cat <(answer store/out-2) <(answer store/out-3) <(answer store/out-4) |
        same - <(for i in 1 2 3; do sha256sum <"$DATA/$i.txt"; done)
}

@test "slurm: a share that fails is a task that fails, and no other" {
    slurm_up
    inputs 8
    outputs 4
    head -c -1 "$DATA/5.enc" >spoiled
    dataset input in-5 "file://$PWD/spoiled"
    task
    array 0-3
    grep -hEv '^(Retrieved|Writing)' task.*.out || true
    diff <(ended) <(printf '%s\n' '0 COMPLETED 0' '1 COMPLETED 0' \
        '2 FAILED 3' '3 COMPLETED 0')
    diff <(ls store) <(printf 'out-%d\n' 1 2 4)
}
