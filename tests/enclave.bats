#!/usr/bin/env bats
# An attested run as the enclave sees it: by a stand-in for the security
# module (nsm.c), with the real release service, one that lies (rogue.py), and
# a store that logs what is fetched. Then the receipt, as its reader sees it.

# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common
load data
load servers

# The scene is made once: three people; a study of one application, others
# that fail, hang, or read what another has written. A test has a copy of it.
setup_file() {
    start_nginx
    make -s -C "$ROOT" build/nsm_preload.so
    export SCENE=$BATS_FILE_TMPDIR/scene
    mkdir "$SCENE"
    BATS_TEST_TMPDIR=$SCENE data_setup
    export ENCFLOW_WORKSPACE=$SCENE/ws
    scene
}

setup() {
    common_setup
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    unset ENCFLOW_ID XDG_CONFIG_HOME GATEWAY_INTERFACE LISTEN_PID LISTEN_FDS
    cp -r "$SCENE/." .
    export ENCFLOW_WORKSPACE=$PWD/ws
    cp conditions.enc "$STORE/conditions.enc"
    rm -f "$STORE/answer.enc" "$SERVERS/middle.enc"
    : >"$SERVERS/nginx.log"
    # shellcheck disable=SC2034 # rows count in them
    TRIED=0 BROKEN=0
    HOSTS=()
    SERVE=("$ENCFLOW" release serve-one --release-key "$PWD/rel.pem"
        --workspace "$PWD/ws" --log "$PWD/log" --root "$PWD/nsm/root.pem")
    TRUST=(--trust dana.pub --trust "$(<olga.kid)" --trust paul.pub)
    ID=$(<study.id)
}

teardown() { stop_hosts; }

# e ARG...: encflow, quietly; its output's last line
e() {
    "$ENCFLOW" "$@" >e.out 2>e.err || {
        cat e.err >&2
        return 1
    }
    tail -n 1 e.out
}
as() { export ENCFLOW_ID=$PWD/$1.pem; }

# study NAME CONFIG INPUT OUTPUT [OPTION...]: approved; its hash
study() {
    local p flow
    as dana
    e workflow new "${@:5}" "$1"
    e workflow add-app --build app --config "$2" "$1" app
    e workflow connect "$1" "$3" app:input
    e workflow connect "$1" app:output "$4"
    flow=$(e workflow submit "$1")
    approved "$flow"
    "$ENCFLOW" workflow hashes "$1" | cut -d ' ' -f 1 >"$1.id"
    [ "$(wc -c <"$1.id")" -eq 65 ] && echo "$flow" >"$1.flow"
}

approved() {
    local p
    for p in dana olga paul; do
        as "$p"
        e approve "$1"
    done
}

# place NAME: of a dataset on the store, with a query that admits to it
place() {
    "$ENCFLOW" credentials make -K key.hex \
        --url "$NGINX_HTTP/$1.enc?$QUERY" >"$1.cred" 2>e.err
    e dataset add --release-key rel.pub --allow-http --credentials "$1.cred" \
        --location "$NGINX_HTTP/$1.enc" "${@:2}" "$1"
}

scene() {
    local p pcrs
    "$PYTHON" "$ROOT/tests/nsm.py" nsm
    pcrs=$(sed -n 's/^pcr \([012]\) /PCR\1=/p' nsm/state | paste -sd ,)
    "$ENCFLOW" release keygen -o rel.pem >rel.pub
    for p in dana olga paul; do
        as "$p"
        e id new "$p"
        "$ENCFLOW" id show --format pem >"$p.pub"
        "$ENCFLOW" id show | cut -d ' ' -f 1 >"$p.kid"
    done
    {
        echo CODE,DESCRIPTION
        for ((p = 0; p < 400; p++)); do
            echo "$p,A finding that only its owner may know"
        done
    } >c.csv
    "$ENCFLOW" enc -K key.hex -in c.csv -out conditions.enc
    as dana
    place conditions --encrypted conditions.enc
    as olga
    place answer --direction output
    e dataset add --release-key rel.pub --direction between \
        --to "file://$SERVERS/middle.enc" --allow-file middle
    as paul
    p=$(e app add --image reg/app:1 --pcr "$pcrs" app)
    e approve "${p##* }"
    e config add --app app default
    e config add --app app fails -- /bin/sh -c 'echo out; echo no >&2; exit 7'
    e config add --app app hangs -- /bin/sh -c 'sleep 30'
    e config add --app app first -- /bin/sh -c 'printf "DESCRIPTION\nB\nA\n"'
    e config add --app app second -- /bin/cat
    study study default conditions answer
    study failing fails conditions answer
    study hanging hangs conditions answer
    as dana
    e workflow new chain
    e workflow add-app --build app --config first chain one
    e workflow add-app --build app --config second chain two
    e workflow connect chain conditions one:input
    e workflow connect --via middle chain one:output two:input
    e workflow connect chain two:output answer
    approved "$(e workflow submit chain)"
    "$ENCFLOW" workflow hashes chain >chain.ids
    [ "$(wc -l <chain.ids)" -eq 2 ]
    # olga's mind is changed, in a copy; another people's workspace
    cp -r ws ws.declined
    as olga
    ENCFLOW_WORKSPACE=$PWD/ws.declined e decline --reason no \
        "$(<study.flow)"
    mkdir mallory ws.mallory
    (
        export ENCFLOW_WORKSPACE=$PWD/ws.mallory
        p=$PWD/mallory/id.pem
        ENCFLOW_ID=$p e id new mallory
        ENCFLOW_ID=$p e app add --image reg/app:1 --pcr "$pcrs" app
    )
}

# host COMMAND...: in the background, ended with the test
host() {
    "$@" >host.out 2>&1 </dev/null 3>&- &
    HOSTS+=("$!")
}

# appears FILE: wait for it
appears() {
    local i
    for ((i = 0; i < 400; i++)); do
        [ ! -e "$1" ] || return 0
        sleep 0.02
    done
    echo "$1 did not appear"
    cat host.out
    return 1
}

# service: the real one, on a unix socket; liar: the one that lies
service() {
    host socat "UNIX-LISTEN:$PWD/rel.sock,fork,max-children=8" \
        EXEC:"${SERVE[*]}",nofork
    appears rel.sock
    URL=unix://$PWD/rel.sock
}
liar() {
    host "$PYTHON" "$ROOT/tests/rogue.py" unix rel.sock lie asked "${SERVE[@]}"
    appears rel.sock
    URL=unix://$PWD/rel.sock
}

# enclave COMMAND ARG...: where there is a security module, just started
enclave() {
    rm -f nsm/registers
    again "$@"
}
# again COMMAND ARG...: in the enclave that there was
again() {
    NSM_DIR=$PWD/nsm LD_PRELOAD=$ROOT/build/nsm_preload.so \
        ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 "$@"
}

# attested [OPTION...]: RUN, the arguments of a run of ID by the service
attested() {
    RUN=(run --appconfig "$ID" --release "$URL" --work "$PWD/work"
        --allow-http "$@")
}

# runs [OPTION...]: it does, and only delivers
runs() {
    attested -q "${TRUST[@]}" --receipt "$@"
    enclave works "${RUN[@]}" && [ ! -e work ]
}

# not_run STATUS WORD... -- [OPTION...]: nothing is delivered
not_run() {
    local want=()
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    shift
    attested "$@"
    "${ENCLAVE:-enclave}" refused "${want[@]}" -- "${RUN[@]}" || return 1
    if [ -e work ] || [ -e "$STORE/answer.enc" ] ||
        grep ^PUT "$SERVERS/nginx.log"; then
        echo "^^^ something is left, or delivered"
        return 1
    fi
}

# stops STATUS WORD... -- [OPTION...]: and nothing is fetched: what needs its
# input, as every application does, cannot have begun
stops() {
    not_run "$@" || return 1
    if [ -s "$SERVERS/nginx.log" ]; then
        cat "$SERVERS/nginx.log"
        return 1
    fi
}

# lies LIE STATUS WORD...: the service does, and nothing is run
lies() {
    printf %s "$1" >lie
    rm -f asked
    stops "${@:2}" -- "${TRUST[@]}"
}

# is TEXT COMMAND...: what it prints is TEXT
is() {
    local said
    said=$("${@:2}") || true
    [ "$said" = "$1" ] || {
        printf '%s: %s\nwanted: %s\n' "${*:2}" "$said" "$1"
        return 1
    }
}

# answer [OPTION...]: what was delivered
answer() { works result -K key.hex "$@" "$STORE/answer.enc"; }

# --- it runs ---

@test "attested, released, run, delivered, verified; both logs say so" {
    service
    runs
    same "$SERVERS/nginx.log" <(grep -e 'GET /conditions.enc 200' \
        -e 'PUT /answer.enc 20' "$SERVERS/nginx.log")
    works release log log
    is 3 grep -c . out
    grep -F "  release   ${ID:0:16}  app  workflow $(head -c 16 study.flow)" out
    grep -F "  done      ${ID:0:16}" out
    answer
    grep -F 'A finding that only its owner' out
    cp out plainly
    status=0
    "$ENCFLOW" result --verify "${TRUST[@]}" --root nsm/root.pem -K key.hex \
        "$STORE/answer.enc" >out 2>err
    same plainly out
    grep -F "verified: made by image reg/app:1 (PCR0 $(
        sed -n 's/^pcr 0 \(.\{16\}\).*/\1/p' nsm/state)...)" err
    grep -E 'in i-[0-9a-f]*-enc[0-9a-f]* at 20[0-9TZ:-]*$' err
    grep -F "as application app of workflow study version 1, $(<study.flow)" err
    grep -F "from input conditions, SHA-256 $(
        sha256sum conditions.enc | cut -d ' ' -f 1)" err
    is 4 grep -c . err
    # the receipt is a member more: everything else reads the result as ever
    answer --json
    is "$ID" "$ENCFLOW" json -r /attestation/appconfig out
    is "$(sha256sum conditions.enc | cut -d ' ' -f 1)" \
        "$ENCFLOW" json -r /attestation/inputs/conditions out
    "$ENCFLOW" json -r /attestation/document out | base64 -d >doc
    works attest verify --root nsm/root.pem --pcr "16=$("$PYTHON" -c '
import hashlib, sys
print(hashlib.sha384(bytes(48) + bytes.fromhex(sys.argv[1])).hexdigest())' \
        "$ID")" doc
}

@test "over HTTP, by CGI" {
    host "$PYTHON" "$ROOT/tests/rogue.py" http port lie asked "${SERVE[@]}"
    appears port
    URL=http://127.0.0.1:$(<port)/release
    runs
    works result -q --verify "${TRUST[@]}" --root nsm/root.pem -K key.hex \
        "$STORE/answer.enc"
    is $'nonce\nrelease\ndone' cat asked
    rm "$STORE/answer.enc"
    : >"$SERVERS/nginx.log"
    row refused lies refuse 5 "the release service refused" "release log"
    row nonsense lies nonsense 4 "$URL"
    row much lies much 4 "EF_MAX_RELEASE_ANSWER_BYTES"
    row status lies status 6 500
    row hangup lies hangup 6 "$URL"
    rows 5
}

@test "without --receipt there is none" {
    service
    attested -q "${TRUST[@]}"
    enclave works "${RUN[@]}"
    answer --json
    fails 0
    refused 3 "the result has no receipt" "--receipt" -- result --verify "${TRUST[@]}" \
        --root nsm/root.pem -K key.hex "$STORE/answer.enc"
}

@test "an application that fails, and one that does not end, deliver that" {
    service
    ID=$(<failing.id)
    runs
    try result --verify "${TRUST[@]}" --root nsm/root.pem -K key.hex "$STORE/answer.enc"
    [ "$status" -eq 7 ]
    is out cat out
    grep -x no err
    grep -F 'application app of workflow failing' err
    ID=$(<hanging.id)
    runs --timeout 1
    try result --verify "${TRUST[@]}" --root nsm/root.pem -K key.hex "$STORE/answer.enc"
    fails 137
    grep -F 'application app of workflow hanging' err
    works release log log
    is 2 grep -c '  done  ' out
}

@test "two applications: one reads what the other has delivered" {
    service
    local one two
    one=$(awk '$2 == "one" { print $1 }' chain.ids)
    two=$(awk '$2 == "two" { print $1 }' chain.ids)
    ID=$two
    not_run 6 middle -- "${TRUST[@]}" --allow-file
    ID=$one
    runs --allow-file
    [ -e "$SERVERS/middle.enc" ]
    ID=$two
    runs --allow-file
    works result -q --verify "${TRUST[@]}" --root nsm/root.pem -K key.hex \
        "$STORE/answer.enc"
}

# --- a service that lies ---

@test "a service that refuses, says something else, or nothing" {
    liar
    local is=unix://$PWD/rel.sock
    row refuse lies refuse 5 "$is" "the release service refused" "log"
    row nonsense lies nonsense 4 "$is"
    row array lies array 4 "$is"
    row nothing lies nothing 4 "$is"
    row much lies much 4 "larger than EF_MAX_RELEASE_ANSWER_BYTES (8388608)"
    row hangup lies hangup 4 "$is"
    row first-refuse lies nonce-refuse 5 "the release service refused"
    row first-nonsense lies nonce-nonsense 4 "$is"
    row first-nothing lies nonce-nothing 4 "$is"
    row again lies nonce-again 5 "the release service refused"
    row no-documents lies no-documents 4 "$is"
    row no-credentials lies no-credentials 4 "$is"
    rows 12
}

@test "a service that hangs, at once or byte by byte, or is not there" {
    liar
    local begun=$SECONDS
    row hang hangs hang --stall 1
    row first hangs nonce-hang --stall 1
    row slow hangs slow --max-time 2
    [ $((SECONDS - begun)) -lt 60 ] # without: two minutes each
    URL=unix://$PWD/none
    row none stops 6 "$URL" "cannot connect" -- "${TRUST[@]}"
    URL=http://127.0.0.1:1/
    row none-http stops 6 "$URL" -- "${TRUST[@]}"
    URL=https://127.0.0.1:1/
    row none-https stops 6 "$URL" -- "${TRUST[@]}"
    rows 6
}
hangs() {
    printf %s "$1" >lie
    stops 6 "the service does not answer in time" -- "${TRUST[@]}" \
        "${@:2}"
}

@test "an answer that is lost: asked again, from the start" {
    liar
    printf once-hang >lie
    rm -f asked
    runs --stall 1
    is $'nonce\nrelease\nnonce\nrelease\ndone' cat asked
    # it has tried three times, and no more
    rm "$STORE/answer.enc"
    : >"$SERVERS/nginx.log"
    rm asked
    hangs hang --stall 1
    is 6 grep -c . asked
    host "$PYTHON" "$ROOT/tests/rogue.py" http port lie asked "${SERVE[@]}"
    appears port
    URL=http://127.0.0.1:$(<port)/release
    printf nonce-once-hangup >lie
    rm asked
    runs
    is $'nonce\nnonce\nrelease\ndone' cat asked
    # the real one answers, and the answer is lost: that nonce was used
    rm "$STORE/answer.enc"
    printf once-lose >lie
    rm asked
    runs
    is $'nonce\nrelease\nnonce\nrelease\ndone' cat asked
    works release log log
    is 4 grep -c '  release  ' out
}

@test "a signal, a stop, and a service that is slow with the last word" {
    liar
    local begun pid
    attested -q "${TRUST[@]}" --receipt
    # begun in the background; pid. It waits for its answer
    waits() {
        printf %s "$1" >lie
        rm -f asked nsm/registers
        NSM_DIR=$PWD/nsm LD_PRELOAD=$ROOT/build/nsm_preload.so \
            ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
            "$ENCFLOW" "${RUN[@]}" >out 2>err 3>&- &
        pid=$!
        until grep -q release asked 2>/dev/null; do sleep 0.05; done
        sleep 0.3
    }
    waits late
    kill -STOP "$pid"
    sleep 0.2
    kill -CONT "$pid"
    wait "$pid"
    [ -e "$STORE/answer.enc" ]
    rm "$STORE/answer.enc"
    waits hang
    begun=$SECONDS
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" -eq 143 ]
    [ $((SECONDS - begun)) -lt 15 ]
    [ ! -e work ]
    # ten seconds for the word that it is over, and the result stays
    printf done-slow >lie
    attested "${TRUST[@]}"
    try_enclave
    fails 0
    grep -F "note: the release service's log does not say" err
    grep -F "does not answer in time" err
    [ -e "$STORE/answer.enc" ]
}
try_enclave() {
    status=0
    enclave "$ENCFLOW" "${RUN[@]}" >out 2>err || status=$?
}

@test "documents that are forged, another workflow's, or not all" {
    liar
    row forged lies forge 3 "a document from the service"
    row none lies unparsed 4 "a document from the service"
    row other lies "other $PWD/ws.mallory" 5 \
        "no workflow comes to this APPCONFIG_ID"
    row approvals lies "drop approval" 5 \
        "not all participants have approved"
    row declined lies "add $PWD/ws.declined" 5 "a participant has declined"
    row datasets lies "drop dataset" 5 "no workflow comes"
    row builds lies "drop build" 5 "no workflow comes"
    row apps lies "drop app" 5 "no workflow comes"
    rows 8
    # names are nobody's; more documents than need be do no harm
    printf 'drop identity' >lie
    runs
    printf 'add %s' "$PWD/ws.mallory" >lie
    runs
}

@test "credentials that are others'" {
    liar
    row key lies key 3 "the key is not the one that was approved"
    row query lies query 4 conditions "may not stand in a URL"
    row id lies id 3 "$URL"
    row nonce lies nonce 3 "$URL"
    row flip lies flip 3 "$URL"
    row withhold lies withhold 5 \
        "the release service did not release its credentials"
    # it is told that this is all, if it has said by what
    is $'nonce\nrelease\ndone' cat asked
    row cut lies cut 4 "JSON ends before it is complete"
    is $'nonce\nrelease' cat asked
    rows 7
}

@test "a token that is none: the run is over all the same" {
    liar
    local token
    for token in 1 '""' '[]' '{"a":1}' null true '"a\"b"'; do
        printf 'token ["%s","%s",%s]' "$KEY" "$QUERY" "$token" >lie
        rm -f asked "$STORE/answer.enc"
        attested "${TRUST[@]}"
        try_enclave
        fails 0
        [ -e "$STORE/answer.enc" ]
        echo "$token"
        if [ "${token::1}" = '"' ]; then
            # the service's own word, back to it, who does not know it
            is $'nonce\nrelease\ndone' cat asked
            grep -F "note: the release service's log does not say" err
        else
            is $'nonce\nrelease' cat asked
        fi
    done
}

# --- an enclave that was asked for something else ---

@test "a participant whose key is not trusted" {
    service
    local all=(dana olga paul) i
    for i in 0 1 2; do
        row "${all[i]}" stops 5 "not all participants' keys are trusted" \
            "\"$(<"${all[i]}.kid")\"" -- --trust "${all[(i + 1) % 3]}.pub" \
            --trust "${all[(i + 2) % 3]}.pub"
    done
    # all of them at once
    row two stops 5 "not all participants' keys are trusted" \
        "$(<dana.kid)" "$(<olga.kid)" -- --trust paul.pub
    rows 4
    # the service has released it every time: the enclave alone refuses, and
    # says that this is all
    works release log log
    is 4 grep -c '  done  ' out
    is 4 grep -c '  release  ' out
}

@test "another image: the service refuses it, and knows why" {
    service
    sed -i 's/^pcr 0 ./pcr 0 f/' nsm/state
    grep -q 'pcr 0 f' nsm/state
    sed -i 's/^pcr 0 ../pcr 0 00/' nsm/state
    stops 5 "the release service refused" -- "${TRUST[@]}"
    works release log log
    grep -F PCR_MISMATCH out
}

@test "an APPCONFIG_ID of nothing, and what is none" {
    service
    ID=$(<study.flow)
    stops 5 "the release service refused" -- "${TRUST[@]}"
    works release log log
    grep -F APPCONFIG_UNKNOWN out
    ID=${ID:1}
    row short stops 2 "64 hex digits" "$ID" -- "${TRUST[@]}"
    ID=xy$ID
    row hex stops 2 "64 hex digits" -- "${TRUST[@]}"
    ID=$(<study.id)
    row trust stops 1 none -- "${TRUST[@]}" --trust none
    row private stops 4 dana.pem "not a public key of P-256" -- \
        --trust dana.pem
    row text stops 4 c.csv -- --trust c.csv
    rows 5
}

@test "an enclave is bound to one configuration, for ever" {
    service
    runs
    rm "$STORE/answer.enc"
    : >"$SERVERS/nginx.log"
    ENCLAVE=again
    # the same one is no other
    attested -q "${TRUST[@]}"
    again works "${RUN[@]}"
    rm "$STORE/answer.enc"
    : >"$SERVERS/nginx.log"
    ID=$(<failing.id)
    stops 5 "another configuration" -- "${TRUST[@]}"
    # nor after a run that came to nothing
    ENCLAVE=enclave
    ID=$(<study.id)
    stops 5 "keys are trusted" -- --trust dana.pub
    ENCLAVE=again
    ID=$(<failing.id)
    stops 5 "another configuration" -- "${TRUST[@]}"
}

@test "outside an enclave nobody is asked for anything" {
    liar
    ENCLAVE="env"
    [ ! -e /dev/nsm ] || skip "this is an enclave"
    attested "${TRUST[@]}"
    refused 1 "only a Nitro enclave has it" -- "${RUN[@]}"
    [ ! -e asked ]
    [ ! -e work ]
    # nor is a folder made, where none is named
    command -v strace >/dev/null || skip "needs strace"
    RUN=(run --appconfig "$ID" --release "$URL" "${TRUST[@]}")
    status=0
    ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f -qq -o trace \
        -e trace=mkdir,mkdirat -e inject=mkdir,mkdirat:error=EROFS \
        "$ENCFLOW" "${RUN[@]}" >out 2>err || status=$?
    is "" cat trace
    grep -F "only a Nitro enclave has it" err
}

@test "a security module that fails: nothing is asked, or delivered" {
    liar
    local n
    for n in 1 2 3 4; do
        NSM_FAULT=$n:5 row "request $n" stops 1 "/dev/nsm" -- "${TRUST[@]}"
    done
    # the last one is for the receipt: everything was done
    for ((n = 5; n < 40; n++)); do
        rm -f asked
        NSM_FAULT=$n:5 not_run 1 "/dev/nsm" -- "${TRUST[@]}" --receipt ||
            break
        : >"$SERVERS/nginx.log"
    done
    echo "$n requests"
    rows 4
}

@test "after --until nothing is released, nor run" {
    local end=$(($(date +%s) + 8))
    study brief default conditions answer --until "$end"
    ID=$(<brief.id)
    liar
    while [ "$(date +%s)" -le "$end" ]; do sleep 0.2; done
    stops 5 "the release service refused" -- "${TRUST[@]}"
}

@test "what is over is judged by the security module's clock" {
    # the service's own clock is before its end, the module's behind it
    local now
    now=$(date +%s)
    study brief default conditions answer --until "$((now + 40))"
    ID=$(<brief.id)
    service
    echo "clock $(((now + 50) * 1000))" >>nsm/state
    stops 5 "what was approved has expired" -- "${TRUST[@]}"
    works release log log
    is 1 grep -c '  release  ' out
}

@test "what is over before its inputs have come is not run" {
    local now pid
    now=$(date +%s)
    study brief default conditions answer --until "$((now + 40))"
    ID=$(<brief.id)
    liar
    printf late >lie
    rm -f asked
    attested "${TRUST[@]}"
    enclave "$ENCFLOW" "${RUN[@]}" >out 2>err 3>&- &
    pid=$!
    until grep -q release asked 2>/dev/null; do sleep 0.05; done
    # it has attested, and waits for the answer meanwhile
    echo "clock $(((now + 50) * 1000))" >>nsm/state
    status=0
    wait "$pid" || status=$?
    fails 5
    grep -F "what was approved has expired" err
    grep -F "GET /conditions.enc" "$SERVERS/nginx.log"
    lacks out "Running script"
    [ ! -e "$STORE/answer.enc" ]
    [ ! -e work ]
}

@test "an array job's variables: all inputs are run, in every task" {
    service
    JOB_COMPLETION_INDEX=1 JOB_COMPLETIONS=4 runs
    answer
    grep -F 'A finding that only its owner' out
    rm "$STORE/answer.enc"
    AWS_BATCH_JOB_ARRAY_INDEX=x runs
}

@test "without Landlock the application writes nothing that others run" {
    command -v strace >/dev/null || skip "needs strace"
    unshare -m true 2>/dev/null || skip "only root may mount"
    export OUTSIDE=$PWD/outside # an application's command names it
    echo old >outside
    as paul
    # shellcheck disable=SC2016 # for its own shell
    e config add --app app writes -- /bin/sh -c '
        for f in /proc/sys/kernel/core_pattern "$0" \
            /dev/shm/encflow-was-here; do
            if (: >>"$f") 2>/dev/null; then echo "could: $f"; fi
        done
        echo mine >"${1%/*}/mine" && mkdir "${1%/*}/f" && cat "${1%/*}/mine"
        echo x >/dev/null && wc -l <"$1"' "$OUTSIDE"
    study writing writes conditions answer
    ID=$(<writing.id)
    service
    attested "${TRUST[@]}" --receipt
    # AWS's kernels have no Landlock, and 4.14 nothing of this
    local new=landlock_create_ruleset,rseq,clone3,close_range,openat2
    new+=,faccessat2,pidfd_open,pidfd_send_signal,mount_setattr,?fchmodat2
    local traced=(-f -qq -o trace -e trace="$new" -e inject="$new:error=ENOSYS")
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
    fenced() {
        rm -f nsm/registers
        NSM_DIR=$PWD/nsm strace -E LD_PRELOAD="$ROOT/build/nsm_preload.so" \
            -E ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" \
            "${traced[@]}" "$ENCFLOW" "${RUN[@]}"
    }
    fenced 2>err
    grep -q INJECTED trace || skip "strace is forbidden"
    is 1 grep -c 'an old one, or none: ' err
    [ ! -e work ]
    answer
    is $'mine\n401' cat out
    # a kernel that cannot do that runs nothing
    rm "$STORE/answer.enc"
    traced=(-f -qq -o trace -e trace=landlock_create_ruleset,unshare
        -e inject=landlock_create_ruleset,unshare:error=EPERM)
    status=0
    fenced >out 2>err || status=$?
    fails 1
    grep -F "cage could not be closed" err
    [ ! -e "$STORE/answer.enc" ]
    [ ! -e work ]
}

@test "an input that was replaced at the store" {
    service
    cp conditions.enc good
    "$ENCFLOW" enc -K key.hex -in c.csv -out "$STORE/conditions.enc"
    row same-text replaced
    sed 's/only/even/' c.csv >d.csv
    "$ENCFLOW" enc -K key.hex -in d.csv -out "$STORE/conditions.enc"
    row same-size replaced
    head -c -1 good >"$STORE/conditions.enc"
    row shorter replaced
    (cat good && printf x) >"$STORE/conditions.enc"
    row longer replaced
    rm "$STORE/conditions.enc"
    row gone not_run 6 conditions 404 -- "${TRUST[@]}"
    rows 5
}
replaced() {
    not_run 3 conditions "not the encrypted file that was approved" -- \
        "${TRUST[@]}"
}

# --- receipts ---

# delivered: an answer with a receipt, in answer.json
delivered() {
    service
    runs
    "$ENCFLOW" dec -q -K key.hex -in "$STORE/answer.enc" -out answer.json
    works result -q --verify "${TRUST[@]}" --root nsm/root.pem answer.json
}

# edited PYTHON: edited.json is answer.json with r, the result, or a, its
# attestation, changed
edited() {
    "$PYTHON" - "$1" <<'PY'
import base64, hashlib, json, sys
r = json.load(open("answer.json"))
a = r["attestation"]
def document(path):
    a["document"] = base64.b64encode(open(path, "rb").read()).decode()
exec(sys.argv[1])
json.dump(r, open("edited.json", "w"))
PY
}

# user_data: what the document of answer.json has to say
user_data() {
    "$PYTHON" - <<'PY'
import hashlib, json
a = json.load(open("answer.json"))["attestation"]
del a["document"]
print(hashlib.sha256(json.dumps(a, sort_keys=True,
                                separators=(",", ":")).encode()).hexdigest())
PY
}

# believed STATUS WORD... -- PYTHON: it is not
believed() {
    local want=()
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    edited "$2" || return 1
    refused "${want[@]}" -- result --verify "${TRUST[@]}" --root nsm/root.pem edited.json
}

@test "a receipt that was edited, or is another result's" {
    delivered
    edited pass
    works result -q --verify "${TRUST[@]}" --root nsm/root.pem edited.json
    row none believed 3 "the result has no receipt" -- 'del r["attestation"]'
    row stdout believed 3 "the receipt is another result's" -- \
        'r["stdout"] = base64.b64encode(b"all is well\n").decode()'
    row code believed 3 "the receipt is another result's" -- \
        'r["returncode"] = 1'
    row output believed 3 "USER_DATA_MISMATCH" -- \
        'r["returncode"] = 1
del r["attestation"]
a["output"] = hashlib.sha256(json.dumps(r).encode()).hexdigest()
r["attestation"] = a'
    row input believed 3 "USER_DATA_MISMATCH" -- \
        'a["inputs"]["conditions"] = "ab" * 32'
    row fewer believed 3 "USER_DATA_MISMATCH" -- 'a["inputs"] = {}'
    row more believed 3 "USER_DATA_MISMATCH" -- 'a["inputs"]["x"] = "ab" * 32'
    row id believed 5 "no workflow comes" -- 'a["appconfig"] = "ab" * 32'
    row other-id believed 5 MISMATCH -- \
        "a['appconfig'] = '$(<failing.id)'"
    row document believed 4 "the receipt" -- 'a["document"] = "AAAA"'
    row base64 believed 4 "/document" -- 'a["document"] = "="'
    row long believed 4 "EF_MAX_ATTESTATION_BYTES (16640)" -- \
        'a["document"] = "A" * 40000'
    row member believed 4 "the receipt" -- 'a["more"] = 1'
    row missing believed 4 "the receipt" -- 'del a["inputs"]'
    row flipped believed 3 "COSE_SIGNATURE" -- \
        'd = bytearray(base64.b64decode(a["document"])); d[-1] ^= 1
a["document"] = base64.b64encode(d).decode()'
    rows 15
}

@test "a receipt by another enclave" {
    delivered
    local said
    said=$(user_data)
    # by whatever FOLDER is: said FOLDER, with the registers of the run
    by() {
        cp nsm/registers "$1/" 2>/dev/null || true
        NSM_DIR=$PWD/$1 LD_PRELOAD=$ROOT/build/nsm_preload.so \
            ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 \
            "$ENCFLOW" attest get --user-data "$said" -out doc --force
    }
    by nsm
    edited 'document("doc")'
    works result -q --verify "${TRUST[@]}" --root nsm/root.pem edited.json
    # the world's root, and another's
    row root refused 3 ROOT_MISMATCH -- result --verify "${TRUST[@]}" answer.json
    "$PYTHON" "$ROOT/tests/nsm.py" elsewhere
    by elsewhere
    row elsewhere believed 3 ROOT_MISMATCH -- 'document("doc")'
    row both refused 3 ROOT_MISMATCH -- result --verify "${TRUST[@]}" \
        --root elsewhere/root.pem answer.json
    # one that was bound to nothing, or is another image, or can be read
    cp -r nsm unbound
    rm -f nsm/registers.none unbound/registers
    NSM_DIR=$PWD/unbound LD_PRELOAD=$ROOT/build/nsm_preload.so \
            ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 \
        "$ENCFLOW" attest get --user-data "$said" -out doc --force
    row unbound believed 5 PCR_MISMATCH PCR16 -- 'document("doc")'
    cp -r nsm image
    sed -i 's/^pcr 1 ...../pcr 1 01234/' image/state
    by image
    row image believed 5 PCR_MISMATCH PCR1 -- 'document("doc")'
    cp -r nsm debug
    sed -i "s/^pcr \([012]\) .*/pcr \1 $(printf '0%.0s' {1..96})/" debug/state
    by debug
    row debug believed 5 DEBUG_MODE -- 'document("doc")'
    rows 6
}

@test "a receipt for a workflow that was not approved here" {
    delivered
    local v=(result --verify "${TRUST[@]}" --root nsm/root.pem answer.json --workspace)
    row declined refused 5 "a participant has declined" -- \
        "${v[@]}" ws.declined
    row others refused 5 "no workflow comes to this APPCONFIG_ID" -- \
        "${v[@]}" ws.mallory
    row empty refused 5 "no workflow comes" -- "${v[@]}" none
    rows 3
}

# --- secrets ---

@test "nothing secret is on a disk, in the log or in a message" {
    liar
    attested -v "${TRUST[@]}" --receipt
    enclave "$ENCFLOW" "${RUN[@]}" >said 2>&1
    [ -e "$STORE/answer.enc" ]
    row said keeps_secret said log asked ws/*
    row bound grep -qF "PCR16 is bound to $ID, all registers are locked" said
    row whose grep -qF "workflow $(<study.flow): approved, and each " said
    row plain eval '! grep -rqF "A finding that only its" said log tmp ws'
    is "" find tmp -type f
    [ ! -e work ]
    rows 4
}
