#!/usr/bin/env bats
# `encflow run`: the job itself beside a second implementation
# (reference_run.py), over file, http and https; everything that can go wrong
# on the way; and what the application may and may not do.

# shellcheck disable=SC2016 # scripts for the application's own shell
# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common
load servers

setup_file() {
    export BATS_NO_PARALLELIZE_WITHIN_FILE=true # tests read the servers' logs
    start_nginx
    start_faults
    export IN_KEY OUT_KEY QUERY
    IN_KEY=$(random_key)
    OUT_KEY=$(random_key)
    QUERY='AWSAccessKeyId=ID&Signature=NEVERSHOWN%2F%3D&Expires=4102444800'
    printf %s "$IN_KEY" >"$SERVERS/in.key"
    printf %s "$OUT_KEY" >"$SERVERS/out.key"
    table >"$SERVERS/table.csv"
    ref seal "$SERVERS/in.key" <"$SERVERS/table.csv" >"$STORE/table.enc"
}

setup() {
    common_setup
    WORK=$PWD/work
    HERE=$BATS_TEST_NUMBER # this test's own folder in the store
    mkdir "$STORE/$HERE"
    OUT=$STORE/$HERE/out.enc
    NAP=$((RANDOM + 100000))$BASHPID # seconds nobody else sleeps
    : >"$SERVERS/nginx.log"
    : >"$SERVERS/faults.log"
}

teardown() { # bats removes the rest: let it
    chmod -R u+rwx "$BATS_TEST_TMPDIR" 2>/dev/null || true
}

random_key() {
    od -An -tx1 -N32 /dev/urandom | tr -d ' \n' | tr a-f A-F
}

# A small table in the published schema; the answer is not a tie.
table() {
    local i
    echo START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION
    for ((i = 0; i < 300; i++)); do
        echo "2020-01-$((i % 28 + 1)),,p$i,e$i,$((i % 7)),Finding $((i % 7))"
    done
    echo '2020-02-01,,p,e,5,"Finding, quoted"'
}

# The second implementations: of the job, and of the file it moves.
reference() { "$PYTHON" "$BATS_TEST_DIRNAME/reference_run.py" "$@"; }
ref() { "$PYTHON" "$BATS_TEST_DIRNAME/reference.py" "$@"; }

# dataset PORT NAME LOCATION [QUERY]: one dataset of ./ports.
dataset() {
    local folder=ports/$1/$2/dataset key=$IN_KEY
    [ "$1" = input ] || key=$OUT_KEY
    mkdir -p "$folder"
    printf %s "$3" >"$folder/location.txt"
    printf '{"query_string": "%s", "encryption": {"key": "%s"}}' \
        "$(printf %s "${4-}" | base64 -w 0)" "$key" >"$folder/credentials.bin"
}

# The usual ports: one input and one output, both plain files.
plain_ports() {
    dataset input in "file://$STORE/table.enc"
    dataset output out "file://$OUT"
}

# job [OPTION...] [-- COMMAND...]: the command under test, on ./ports. Sets
# status and output (stdout and stderr together).
job() {
    run timeout 120 "$ENCFLOW" run --ports ports --work "$WORK" \
        --allow-file --cacert "$CA" "$@"
}

# delivered: the last job went well, and no plaintext is left.
delivered() {
    if [ "$status" -ne 0 ] || [ -n "$(ls -A "$WORK" 2>/dev/null)" ] ||
        [[ $output != *"Execution complete" ]]; then
        printf 'exit %s; output:\n%s\n' "$status" "$output"
        return 1
    fi
    no_secret
}

# refused STATUS WORD...: the last job failed as `fails` has it, and the
# application did not run, no output came to be, no plaintext is left.
# STATUS may be a pattern such as [14].
refused() {
    local want=$1
    shift
    if [[ ! $status =~ ^$want$ ]]; then
        printf 'exit status %s, wanted %s:\n%s\n' "$status" "$want" "$output"
        return 1
    fi
    fails "$status" "$@" || return 1
    if [[ $output == *"Running script"* ]]; then
        printf 'the application ran:\n%s\n' "$output"
        return 1
    fi
    if [ -n "$(ls -A "$STORE/$HERE")" ] || [ -e "$WORK" ]; then
        ls -lA "$STORE/$HERE" "$WORK"
        return 1
    fi
    no_secret
}

# no_secret: no key, no query string in what was said; no control characters
# either, but for line ends.
no_secret() {
    local secret
    for secret in "${IN_KEY:0:32}" "${OUT_KEY:0:32}" NEVERSHOWN; do
        if [[ ${output^^} == *"$secret"* ]]; then
            echo "a secret was printed: $output"
            return 1
        fi
    done
    if [[ ${output//$'\n'/} == *[[:cntrl:]]* ]]; then
        printf 'control characters were printed: %q\n' "$output"
        return 1
    fi
}

# holds CASE COMMAND...: COMMAND's verdict on one of many cases; the others
# are tried all the same. all_held COUNT: the verdict on all of them.
held=0 broken=0
holds() {
    local name=$1
    shift
    if "$@"; then
        held=$((held + 1))
    else
        broken=$((broken + 1))
        printf '^^^ case %q\n' "$name"
    fi
}

all_held() {
    if [ "$held" -ne "$1" ] || [ "$broken" -ne 0 ]; then
        echo "$held cases held, $broken did not; $1 were to hold"
        return 1
    fi
}

no_requests() {
    if [ -s "$SERVERS/nginx.log" ] || [ -s "$SERVERS/faults.log" ]; then
        echo "requests were made:"
        cat "$SERVERS/nginx.log" "$SERVERS/faults.log"
        return 1
    fi
}

# take_result: sets returncode, out and err (Python's repr of bytes) from
# the delivered result.
take_result() {
    local lines
    ref open "$SERVERS/out.key" <"$OUT" >result.json || return 1
    reference show result.json >shown || return 1
    mapfile -t lines <shown
    returncode=${lines[0]} out=${lines[1]} err=${lines[2]}
}

# app_said SCRIPT [OPTION...]: run SCRIPT by /bin/sh as the application, get
# its result; `said` holds what it wrote to stdout, as text.
app_said() {
    local script=$1
    shift
    rm -rf "$OUT"
    job "$@" -- /bin/sh -c "$script" sh
    delivered || return 1
    take_result || return 1
    if [ "$err" != "b''" ]; then
        echo "stderr: $err"
    fi
    said=$("$PYTHON" -c 'import ast, sys
sys.stdout.buffer.write(ast.literal_eval(sys.argv[1]))' "$out" | tr '\0' @)
}

# alive NUMBER: whether a process `sleep NUMBER` exists.
alive() {
    local file argv
    for file in /proc/[0-9]*/cmdline; do
        argv=()
        mapfile -d '' -t argv 2>/dev/null <"$file" || continue
        if [[ ${argv[0]-} == *sleep && ${argv[1]-} == "$1" ]]; then
            return 0
        fi
    done 2>/dev/null
    return 1
}

# gone NUMBER: fails when `sleep NUMBER` is there, and ends it.
gone() {
    local file argv
    if ! alive "$1"; then
        return 0
    fi
    echo "sleep $1 outlived the run"
    for file in /proc/[0-9]*/cmdline; do
        argv=()
        mapfile -d '' -t argv 2>/dev/null <"$file" || continue
        if [[ ${argv[0]-} == *sleep && ${argv[1]-} == "$1" ]]; then
            file=${file#/proc/}
            kill -KILL "${file%/*}"
        fi
    done 2>/dev/null
    return 1
}

# soon CONDITION...: wait up to 20 s for a command to succeed.
soon() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@"; then
            return 0
        fi
        sleep 0.1
    done
    echo "did not come true: $*"
    return 1
}

need_landlock() {
    "$PYTHON" -c 'import ctypes, sys
libc = ctypes.CDLL(None)
sys.exit(libc.syscall(444, None, 0, 1) < 1)' ||
        skip "this kernel has no Landlock"
}

# ---------------------------------------------------------------- the job

# as_reference [COMMAND...]: reference and encflow on the same ports folder
# and WORK path say the same and leave the same three results.
as_reference() {
    local scheme
    reference run ports "$WORK" "$@" >want
    for scheme in file http https; do
        ref open "$SERVERS/out.key" <"$STORE/$HERE/$scheme" >"want.$scheme"
        rm "$STORE/$HERE/$scheme"
    done
    "$ENCFLOW" run --ports ports --work "$WORK" --allow-http --allow-file \
        --cacert "$CA" ${1+--} "$@" >said
    same want said
    for scheme in file http https; do
        ref open "$SERVERS/out.key" <"$STORE/$HERE/$scheme" >"got.$scheme"
        same "want.$scheme" "got.$scheme"
    done
    [ ! -e "$WORK" ]
}

three_outputs() {
    dataset output y "file://$STORE/$HERE/file"
    dataset output x "$NGINX_HTTP/$HERE/http" "$QUERY"
    dataset output Z "$NGINX_HTTPS/$HERE/https" "$QUERY"
}

@test "run: three schemes in and out, built-in describe, as the reference" {
    dataset input b "file://$STORE/table.enc"
    dataset input a "$NGINX_HTTP/table.enc" "$QUERY"
    dataset input C "$NGINX_HTTPS/table.enc" "$QUERY"
    three_outputs
    as_reference
    grep -F "Retrieved dataset from location: $NGINX_HTTP/table.enc" said
}

@test "run: any COMMAND, its bytes and exit status, as the reference" {
    local name
    for name in 9 10 é ' a b' .hidden -rf '*' "\$(x)" ... ..x a..b Z; do
        dataset input "$name" "$NGINX_HTTPS/table.enc" "$QUERY"
    done
    three_outputs
    as_reference /bin/sh -c 'printf "%s\n" "$0" "$@"
        cat "$@" | sha256sum
        printf "\377\000\r\n\\\\\"\303\251\001"
        printf "to stderr\r\n\200" >&2
        exit 3' name
}

@test "run: an application that says nothing, and one ended by a signal" {
    dataset input a "file://$STORE/table.enc"
    three_outputs
    as_reference /bin/true
    as_reference /bin/sh -c 'kill -SEGV $$'
    as_reference /bin/sh -c 'kill -TERM $$'
}

@test "run: the published example gives the published answer" {
    need_shared data/conditions.csv
    need_shared reference/nitro-workflow.txt
    local rw=$PWD/opt/fortanix/enclave-os/app-config/rw
    ref seal "$SERVERS/in.key" <"$SHARED/data/conditions.csv" \
        >"$STORE/$HERE/conditions.csv.enc"
    dataset input cxhcfxdvl "$NGINX_HTTPS/$HERE/conditions.csv.enc" "$QUERY"
    dataset output conditions_output "$NGINX_HTTPS/$HERE/out.enc" "$QUERY"
    mkdir -p "${rw%/*}"
    mv ports "$rw"
    # without --work: beside DIR, as in the reference
    "$ENCFLOW" run --ports "$rw" --cacert "$CA" >said
    [ ! -e "${rw%/*}/input" ]
    grep -oE '"stdout": "[A-Za-z0-9+/=]+"' \
        "$SHARED/reference/nitro-workflow.txt" | cut -d '"' -f 4 |
        base64 -d | sed "s|/opt/|$PWD/opt/|" >want
    grep -q 'Viral sinusitis' want
    printf 'Dataset: %s/input/cxhcfxdvl\n\n%s\n\n' "${rw%/*}" \
        'count                           8376
unique                           129
top       Viral sinusitis (disorder)
freq                            1248
Name: DESCRIPTION, dtype: object' >table
    ref open "$SERVERS/out.key" <"$OUT" >result.json
    "$PYTHON" -c 'import base64, json
result = json.load(open("result.json"))
assert result["returncode"] == 0 and result["stderr"] == "", result
open("stdout", "wb").write(base64.b64decode(result["stdout"]))'
    same want stdout
    same table stdout
}

@test "run: --input and --output name other ports" {
    plain_ports
    mv ports/input ports/left
    mv ports/output ports/right
    job --input left --output right -- /bin/cat
    delivered
    take_result
    [ "$returncode" = 0 ]
    [[ $out == "b'START,"* ]]
}

@test "run: a relative WORK is an absolute one for the application" {
    plain_ports
    run "$ENCFLOW" run --ports ports --work area --allow-file -- /bin/sh -c \
        'cd / && cat "$1" >/dev/null && echo "$TMPDIR $1"' sh
    delivered
    take_result
    [ "$out" = "b'$PWD/area $PWD/area/in\\n'" ]
    [ ! -e area ]
}

@test "run: entries that are no datasets are passed over" {
    plain_ports
    mkdir ports/input/empty ports/output/empty
    echo text >ports/input/README
    job -- /bin/sh -c 'echo $#' sh
    delivered
    take_result
    [ "$out" = "b'1\\n'" ]
}

@test "run: WORK ends as it was: absent, or there and empty" {
    plain_ports
    mkdir work
    app_said 'dirname "$1"; touch "${1%/*}/more"'
    [ "$said" = "$WORK" ]
    [ -d work ]
    rmdir work
    app_said 'dirname "$1"'
    [ "$said" = "$WORK" ]
    [ ! -e work ]
}

@test "run: a PUT has a length, no type, and the query as given" {
    dataset input in "file://$STORE/table.enc"
    dataset output out "$NGINX_HTTPS/$HERE/out.enc" "$QUERY"
    job -- /bin/true
    delivered
    grep -x "PUT /$HERE/out.enc 20[14] length=[0-9]* type=- encoding=-\
 query=$QUERY" "$SERVERS/nginx.log"
}

@test "run: paths go out as they are, dot segments and all" {
    local path=/file/../file/./a%2Fb+c%20d%C3%A9//x
    dataset input in "$FAULTS_HTTP$path" 'q=%2e%2E/..&r=+'
    dataset output out "file://$OUT"
    job --allow-http -- /bin/true
    [ "$status" -eq 6 ] # there is no such file
    grep -Fx "GET $path?q=%2e%2E/..&r=+ length=-" "$SERVERS/faults.log"
}

@test "run: an empty or absent query_string means LOCATION is the URL" {
    plain_ports
    dataset input in "$FAULTS_HTTP/file/table.enc?Signature=NEVERSHOWN"
    job --allow-http -- /bin/true
    delivered
    printf '{"encryption": {"key": "%s"}}' "$IN_KEY" \
        >ports/input/in/dataset/credentials.bin
    job --allow-http -- /bin/true
    delivered
    [ "$(grep -cFx 'GET /file/table.enc?Signature=NEVERSHOWN length=-' \
        "$SERVERS/faults.log")" -eq 2 ]
}

@test "run: inputs are fetched side by side" {
    local name
    for name in a b c d e f; do
        dataset input $name "$FAULTS_HTTP/slow/150/table.enc" # 2.4 s each
    done
    dataset output out "file://$OUT"
    SECONDS=0
    job --allow-http -- /bin/true
    delivered
    [ "$SECONDS" -lt 10 ]
}

@test "run: a slow transfer is not a stalled one" {
    dataset input in "$FAULTS_HTTP/slow/300/table.enc" # 4.8 s in all
    dataset output out "file://$OUT"
    job --allow-http --stall 2 -- /bin/true
    delivered
}

@test "run: memory does not grow with the input" {
    plain_only "a sanitizer has memory of its own"
    head -c 300000000 /dev/zero >big
    ref seal "$SERVERS/in.key" <big >"$STORE/$HERE/big.enc"
    rm big
    dataset input a "file://$STORE/$HERE/big.enc"
    dataset input b "$NGINX_HTTPS/$HERE/big.enc"
    dataset output out "file://$OUT"
    ref peak peak "$ENCFLOW" run --ports ports --work "$WORK" --allow-file \
        --cacert "$CA" -- /usr/bin/wc -c
    [ "$(<peak)" -le 32768 ]
    take_result
    [[ $out == *600000000\ total* ]]
    rm "$STORE/$HERE/big.enc"
}

# ------------------------------------------- refused before anything moves

@test "run: a port without datasets is refused before anything is fetched" {
    local lack
    for lack in ports ports/input ports/input/in ports/input/in/dataset \
        ports/output ports/output/out ports/output/out/dataset; do
        dataset input in "$NGINX_HTTPS/table.enc"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc"
        rm -r $lack
        job -- /bin/true
        case $lack in
        *output*) refused 4 output ;;
        *input*) refused 4 input ;;
        *) refused [14] ports ;;
        esac
        no_requests
    done
}

@test "run: malformed credentials of one dataset: named, nothing fetched" {
    local place text
    while IFS='|' read -r place text; do
        dataset input good "$NGINX_HTTPS/table.enc" "$QUERY"
        dataset input broken "$NGINX_HTTPS/table.enc" "$QUERY"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc" "$QUERY"
        text=${text//KEY/$IN_KEY}
        printf %b "$text" >ports/input/broken/dataset/credentials.bin
        job -- /bin/true
        holds "input credentials $text" refused 4 broken "$place"
        # the same among the outputs
        mv ports/input/broken ports/output/broken
        job -- /bin/true
        holds "output credentials $text" refused 4 broken "$place"
        rm -r ports
    done <<'EOF'
byte|
byte|KEY
byte|not json
byte|{"query_string": "", "encryption": {"key": "KEY"}
byte|{"query_string": "", "encryption": {"key": "KEY"}} x
byte|{"query_string": "", "query_string": "", "encryption": {"key": "KEY"}}
byte|{"query_string": "\0377", "encryption": {"key": "KEY"}}
|["KEY"]
encryption|{"query_string": ""}
encryption|{"query_string": "", "encryption": "KEY"}
/encryption/key|{"query_string": "", "encryption": {"key": "KEYA"}}
/encryption/key|{"query_string": "", "encryption": {"key": "AKEY"}}
/encryption/key|{"query_string": "", "encryption": {"key": "xKEY"}}
/encryption/key|{"query_string": "", "encryption": {"key": ""}}
/encryption/key|{"query_string": "", "encryption": {"key": 12}}
/encryption/key|{"query_string": "", "encryption": {"key": "KEYKEY"}}
/query_string|{"query_string": 5, "encryption": {"key": "KEY"}}
/query_string|{"query_string": "YQ", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "Y=Q=", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "YQ==YQ==", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "YQpi", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "YQ1i", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "AA==", "encryption": {"key": "KEY"}}
/query_string|{"query_string": "/w==", "encryption": {"key": "KEY"}}
EOF
    no_requests
    all_held 48
}

@test "run: credentials or location missing, a folder, too big" {
    local spoil
    for spoil in 'rm credentials.bin' 'rm location.txt' \
        'rm credentials.bin; mkdir credentials.bin' \
        'rm location.txt; mkdir location.txt' \
        'truncate -s 1G credentials.bin' 'truncate -s 1G location.txt' \
        'rm credentials.bin; mkfifo credentials.bin' \
        'rm location.txt; mkfifo location.txt'; do
        dataset input good "$NGINX_HTTPS/table.enc"
        dataset input broken "$NGINX_HTTPS/table.enc"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc"
        (cd ports/input/broken/dataset && eval "$spoil")
        run timeout -k 1 10 "$ENCFLOW" run --ports ports --work "$WORK" \
            --cacert "$CA" -- /bin/true
        holds "$spoil" refused [14] broken
        rm -r ports
    done
    no_requests
    all_held 8
}

@test "run: malformed locations: named, nothing fetched" {
    local location
    for location in '' / table.enc //localhost/x https: https:// https:///x \
        'https://localhost/a b' $'https://localhost/a\nb' \
        $'https://localhost/\e[1m' $'https://localhost/\xc3\xa9' \
        https://user:pass@localhost/x https://localhost:99999/x \
        https://localhost:x/ ftp://localhost/x gopher://localhost/x \
        "https://localhost/$(head -c 9000 /dev/zero | tr '\0' a)" \
        file://elsewhere/x file:x 'file:///a%zz'; do
        dataset input good "$NGINX_HTTPS/table.enc"
        dataset input broken "$location"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc"
        job -- /bin/true
        holds "location ${location:0:100}" refused 4 broken
        rm -r ports
    done
    no_requests
    all_held 20
}

@test "run: dataset names with control characters are refused, escaped" {
    local name
    for name in $'a\nb' $'\e[31mred' $'tab\t' $'del\x7f' $'latin\xe9' \
        $'c1\xc2\x9bm'; do
        dataset input good "$NGINX_HTTPS/table.enc"
        dataset input "$name" "$NGINX_HTTPS/table.enc"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc"
        job -- /bin/true
        holds "name $name" refused 4 input
        rm -r ports
    done
    no_requests
    all_held 6
}

@test "run: http without --allow-http, file without --allow-file: exit 5" {
    local case
    for case in \
        "http input $NGINX_HTTP/table.enc" \
        "http output $NGINX_HTTP/$HERE/out.enc" \
        "file input file://$STORE/table.enc" \
        "file output file://$OUT"; do
        # shellcheck disable=SC2086
        set -- $case
        dataset input good "$NGINX_HTTPS/table.enc"
        dataset output fine "$NGINX_HTTPS/$HERE/fine.enc"
        dataset "$2" quirk "$3"
        run "$ENCFLOW" run --ports ports --work "$WORK" --cacert "$CA" \
            -- /bin/true
        holds "$case" refused 5 quirk "allow-$1"
        # --allow-http does not allow files, nor the other way round
        job="--allow-http"
        [ "$1" = file ] || job="--allow-file"
        run "$ENCFLOW" run --ports ports --work "$WORK" --cacert "$CA" \
            "$job" -- /bin/true
        holds "$case, $job" refused 5 quirk "allow-$1"
        rm -r ports
    done
    no_requests
    all_held 8
}

@test "run: a WORK with something in it is left alone" {
    dataset input in "$NGINX_HTTPS/table.enc"
    dataset output out "$NGINX_HTTPS/$HERE/out.enc"
    mkdir work
    echo mine >work/file
    job -- /bin/true
    fails 1 work
    [ "$(cat work/file)" = mine ]
    no_requests
    rm -r work
    echo mine >work
    job -- /bin/true
    fails 1 work
    [ "$(cat work)" = mine ]
    no_requests
}

@test "run: options that are wrong, exit 2" {
    local options
    plain_ports
    for options in --nonsense "--timeout x" "--timeout -1" "--stall 0s" \
        "surplus" "--timeout" "--"; do
        # shellcheck disable=SC2086
        job $options
        holds "$options" refused 2
    done
    all_held 7
}

# -------------------------------------------------- inputs that go wrong

@test "run: what a server can do to an input" {
    local base want path word
    while read -r want path word; do
        for base in "$FAULTS_HTTPS" "$FAULTS_HTTP"; do
            dataset input good "$NGINX_HTTPS/table.enc" "$QUERY"
            dataset input quirk "$base$path" "$QUERY"
            dataset output out "file://$OUT"
            SECONDS=0
            job --allow-http --stall 2
            # shellcheck disable=SC2086
            holds "$base$path" refused "$want" quirk $word
            holds "$base$path in time" [ "$SECONDS" -lt 15 ]
        done
    done <<'EOF'
6 /status/403/x 403
6 /status/404/x 404
6 /status/410/x 410
6 /status/500/x 500
6 /status/503/x 503
6 /status/204/x
6 /cut/0/table.enc
6 /cut/20/table.enc
6 /cut/5000/table.enc
6 /cutchunk/5000/table.enc
6 /reset/5000/table.enc
6 /stall/5000/table.enc
6 /mute/x
6 /garbage/x
6 /headers/2000
6 /loop/x
3 /short/5000/table.enc
4 /short/27/table.enc
4 /short/0/table.enc
EOF
    all_held 76
}

@test "run: nobody listens" {
    dataset input quirk "https://localhost:$(free_port)/x" "$QUERY"
    dataset output out "file://$OUT"
    job
    refused 6 quirk
}

@test "run: a redirect to http is not followed" {
    local code target=${NGINX_HTTP//:/%3A}/table.enc
    for code in 301 302 303 307 308; do
        dataset input quirk "$FAULTS_HTTPS/redirect/$code/${target//\//%2F}" \
            "$QUERY"
        dataset output out "file://$OUT"
        job
        holds "$code" refused [56] quirk
        [ ! -s "$SERVERS/nginx.log" ]
    done
    all_held 5
}

@test "run: a redirect never reaches a file" {
    local target=file://$STORE/table.enc
    target=${target//:/%3A}
    dataset input quirk "$FAULTS_HTTPS/redirect/302/${target//\//%2F}"
    dataset output out "file://$OUT"
    job --allow-http
    refused [56] quirk
}

@test "run: certificates that do not verify" {
    local base
    for base in "$NGINX_SELFSIGNED" "$NGINX_WRONGHOST" "$NGINX_EXPIRED" \
        "${NGINX_HTTPS/localhost/127.0.0.1}"; do
        # an input, and an output
        dataset input quirk "$base/table.enc" "$QUERY"
        dataset output out "$NGINX_HTTPS/$HERE/out.enc"
        job
        refused 6 quirk ertificate
        dataset input quirk "file://$STORE/table.enc"
        dataset output out "$base/$HERE/out.enc" "$QUERY"
        job -- /bin/true
        fails 6 out ertificate
        no_secret
        [ ! -e "$OUT" ]
        [ ! -e "$WORK" ]
    done
    # the good one, without the authority
    dataset input quirk "$NGINX_HTTPS/table.enc" "$QUERY"
    run "$ENCFLOW" run --ports ports --work "$WORK" -- /bin/true
    refused 6 quirk ertificate
    # and no request was made to any of them
    no_requests
}

@test "run: a tampered input, exit 3, nothing runs" {
    local size at
    size=$(stat -c %s "$STORE/table.enc")
    dataset input good "file://$STORE/table.enc"
    dataset input quirk "file://$PWD/odd.enc"
    dataset output out "file://$OUT"
    for at in 0 11 12 5000 $((size - 17)) $((size - 16)) $((size - 1)); do
        cp "$STORE/table.enc" odd.enc
        ref flip odd.enc "$at"
        job -- /bin/true
        holds "byte $at" refused 3 quirk
    done
    all_held 7
    # another key
    ref seal "$SERVERS/out.key" <"$SERVERS/table.csv" >odd.enc
    job -- /bin/true
    refused 3 quirk
}

@test "run: an empty dataset is a dataset" {
    : >nothing
    ref seal "$SERVERS/in.key" <nothing >nothing.enc
    dataset input in "file://$PWD/nothing.enc"
    dataset output out "file://$OUT"
    app_said 'wc -c <"$1"'
    [ "$said" = 0 ]
}

@test "run: a file input that is missing, or no plain file" {
    local path
    mkfifo pipe
    ulimit -f 100000 # /dev/zero does not end
    for path in "$PWD/nosuch" "$PWD" /dev/zero "$PWD/pipe"; do
        dataset input quirk "file://$path"
        dataset output out "file://$OUT"
        run timeout -k 1 10 "$ENCFLOW" run --ports ports --work "$WORK" \
            --allow-file --stall 2
        holds "$path" refused [16] quirk
        rm -rf "$WORK"
    done
    all_held 4
}

@test "run: WORK on a full disk, exit 1" {
    unshare -rm true 2>/dev/null || skip "needs a mount namespace"
    head -c 3000000 /dev/zero >big
    ref seal "$SERVERS/in.key" <big >big.enc
    dataset input in "file://$PWD/big.enc"
    dataset output out "file://$OUT"
    mkdir small
    run unshare -rm sh -c 'mount -t tmpfs -o size=1m none small && shift 0 &&
        "$@"; status=$?; ls -A small/work 2>/dev/null; exit $status' sh \
        "$ENCFLOW" run --ports ports --work "$PWD/small/work" --allow-file \
        -- /bin/true
    refused 1 space
}

# ------------------------------------------------- outputs that go wrong

@test "run: what a server can do to an output; the others get theirs" {
    local base path word
    dataset input in "file://$STORE/table.enc"
    dataset output a "file://$STORE/$HERE/a"
    dataset output z "file://$STORE/$HERE/z"
    while read -r path word; do
        for base in "$FAULTS_HTTPS" "$FAULTS_HTTP"; do
            rm -f "$STORE/$HERE"/*
            dataset output quirk "$base$path" "$QUERY"
            job --allow-http --stall 2 -- /bin/sh -c \
                'head -c 2000000 /dev/zero' sh
            # shellcheck disable=SC2086
            holds "$base$path" fails 6 quirk $word
            [[ $output != *"Execution complete"* ]]
            no_secret
            [ ! -e "$WORK" ]
            ref open "$SERVERS/out.key" <"$STORE/$HERE/a" >a
            ref open "$SERVERS/out.key" <"$STORE/$HERE/z" >z
            same a z
        done
    done <<'EOF'
/status/403/x 403
/status/404/x 404
/status/500/x 500
/status/302/x 302
/drop/1000
/drop/0
/choke/x
/mute/x
EOF
    all_held 16
}

@test "run: an output folder that cannot be written" {
    local path
    for path in "$PWD/nosuch/out.enc" /proc/encflow.out "$PWD"; do
        dataset input in "file://$STORE/table.enc"
        dataset output quirk "file://$path"
        job -- /bin/true
        [[ $status =~ ^[16]$ ]]
        holds "$path" fails "$status" quirk
        no_secret
        [ ! -e "$WORK" ]
    done
    all_held 3
}

@test "run: an output file is whole, keeps its mode, leaves no stray file" {
    plain_ports
    job -- /bin/true
    delivered
    [ "$(ls -A "$STORE/$HERE")" = out.enc ]
    chmod 640 "$OUT"
    job -- /bin/echo again
    delivered
    [ "$(ls -A "$STORE/$HERE")" = out.enc ]
    [ "$(stat -c %a "$OUT")" = 640 ]
    take_result
    [ "$returncode" = 0 ]
}

# ------------------------------------------------ applications that fail

@test "run: an application that is missing or cannot be started" {
    # no exit status of the run's own: the receiver learns it, as by a shell
    plain_ports
    printf '#!/nosuch/interpreter\n' >badscript
    chmod +x badscript
    echo 'not a program' >notexecutable
    local want command
    while read -r want command; do
        job -- "$command"
        delivered
        take_result
        holds "$command" [ "$returncode $out" = "$want b''" ]
        [[ $err == *"$command"* ]]
    done <<EOF
127 /nosuch/app
127 nosuchapp
127 $PWD/badscript
126 $PWD/notexecutable
126 $PWD
EOF
    all_held 5
}

@test "run: an application that fails or crashes still has its result" {
    plain_ports
    local script want
    while read -r want script; do
        job -- /bin/sh -c "echo before; $script" sh
        delivered
        take_result
        holds "$script" [ "$returncode $out" = "$want b'before\\n'" ]
    done <<'EOF'
0 exit 0
1 exit 1
255 exit 255
-6 kill -ABRT $$
-9 kill -KILL $$
-11 kill -SEGV $$
-15 kill -TERM $$
-2 kill -INT $$
EOF
    all_held 8
}

@test "run: 1 GiB to stdout or stderr is cut at the named limit" {
    plain_ports
    local limit=6291456
    # stdout
    SECONDS=0
    job -- /bin/sh -c 'yes 0123456 | head -c 1073741824' sh
    delivered
    [ "$SECONDS" -lt 30 ]
    ref open "$SERVERS/out.key" <"$OUT" >result.json
    "$PYTHON" - $limit <<'EOF'
import base64, json, sys
limit = int(sys.argv[1])
result = json.load(open("result.json"))
out, err = (base64.b64decode(result[n]) for n in ("stdout", "stderr"))
assert result["returncode"] == -9, result["returncode"]
assert out == (b"0123456\n" * (limit // 8))[:limit], len(out)
assert str(limit).encode() in err.splitlines()[-1], err
assert err.endswith(b"\n"), err
EOF
    # stderr: the captured part, and the limit named after it
    job -- /bin/sh -c 'echo ok; yes 0123456 | head -c 1073741824 >&2' sh
    delivered
    ref open "$SERVERS/out.key" <"$OUT" >result.json
    "$PYTHON" - $limit <<'EOF'
import base64, json, sys
limit = int(sys.argv[1])
result = json.load(open("result.json"))
out, err = (base64.b64decode(result[n]) for n in ("stdout", "stderr"))
assert result["returncode"] == -9, result["returncode"]
assert out == b"ok\n", out
lines = err.splitlines()
assert str(limit).encode() in lines[-1], lines[-1]
assert limit - 100 <= len(err) <= limit + 300, len(err)
assert set(lines[:-2]) == {b"0123456"}, set(lines[:-2])
EOF
}

@test "run: one byte over the limit, and the application ends by itself" {
    plain_ports
    local try
    for try in 1 2 3 4 5; do
        job -- /usr/bin/head -c 6291457 /dev/zero
        delivered
        take_result
        holds "try $try" [ "$returncode" = -9 ]
        [[ $err == *6291456* ]]
    done
    all_held 5
}

@test "run: output of exactly the limit passes, both streams at once" {
    plain_ports
    job -- "$PYTHON" -c 'import os, sys
for start in range(0, 6291456, 65536):
    for descriptor in 1, 2:
        data = b"x" * 65536
        while data:
            data = data[os.write(descriptor, data):]' 
    delivered
    ref open "$SERVERS/out.key" <"$OUT" >result.json
    "$PYTHON" -c 'import base64, json
result = json.load(open("result.json"))
assert result["returncode"] == 0, result["returncode"]
for name in "stdout", "stderr":
    data = base64.b64decode(result[name])
    assert data == b"x" * 6291456, (name, len(data))'
}

@test "run: --timeout ends an application that does not end" {
    plain_ports
    SECONDS=0
    job --timeout 2 -- /bin/sh -c 'echo begun; trap "" TERM INT HUP
        sleep '"$NAP"'.1 & sleep '"$NAP"'.2; echo more' sh
    delivered
    [ "$SECONDS" -ge 2 ]
    [ "$SECONDS" -le 12 ]
    take_result
    [ "$returncode" = -9 ]
    [ "$out" = "b'begun\\n'" ]
    [[ $err == *2* ]]
    gone "$NAP.1"
    gone "$NAP.2"
}

@test "run: an application that closes its streams is waited for" {
    plain_ports
    SECONDS=0
    job -- /bin/sh -c 'echo early; exec >&- 2>&- <&-; sleep 2; exit 7' sh
    delivered
    [ "$SECONDS" -ge 2 ]
    take_result
    [ "$returncode" = 7 ]
    [ "$out" = "b'early\\n'" ]
}

@test "run: nothing that the application started outlives it" {
    plain_ports
    SECONDS=0
    job -- "$PYTHON" -c 'import os, sys
def nap(number, *leave):
    """A child that sleeps for very long, after trying to get away."""
    if os.fork() == 0:
        for way in leave:
            try:
                way()
            except OSError:
                pass
        os.execv("/bin/sleep", ["/bin/sleep", sys.argv[1] + "." + number])
def orphan():
    if os.fork() > 0:
        os._exit(0)
def quiet():
    for descriptor in 0, 1, 2:
        os.close(descriptor)
nap("1")                        # holds stdout
nap("2", os.setsid, quiet)
nap("3", os.setsid, orphan, quiet)
nap("4", lambda: os.setpgid(0, 0), orphan)
nap("5", lambda: os.setpgid(0, int(open("/proc/1/stat").read().split()[4])))
nap("6", lambda: os.unshare(os.CLONE_NEWPID) if hasattr(os, "unshare") else 0,
    orphan, os.setsid, orphan)
os.write(1, b"left\n")
os._exit(5)' "$NAP"
    delivered
    [ "$SECONDS" -lt 20 ]
    take_result
    [ "$returncode" = 5 ]
    [ "$out" = "b'left\\n'" ]
    local number
    for number in 1 2 3 4 5 6; do
        gone "$NAP.$number"
    done
}

# -------------------------------------------------------------- signals

# ended_by SIGNAL STATUS CONDITION...: start the job in the background, wait
# for CONDITION, send SIGNAL; it ends, and WORK is gone.
ended_by() {
    local signal=$1 want=$2 pid
    shift 2
    # a background process of a script ignores INT unless told otherwise
    env --default-signal="$signal" "$ENCFLOW" run --ports ports \
        --work "$WORK" --allow-file --allow-http --cacert "$CA" \
        "${command[@]}" >said 2>&1 3>&- &
    pid=$!
    soon "$@" || { cat said; return 1; }
    [ -e "$WORK" ] || { echo "no $WORK while running"; return 1; }
    kill -"$signal" "$pid"
    status=0
    wait "$pid" || status=$?
    output=$(<said)
    if [ "$status" -ne "$want" ]; then
        echo "SIG$signal: exit status $status, wanted $want; said: $output"
        return 1
    fi
    if [ -e "$WORK" ] || [ -n "$(ls -A "$STORE/$HERE")" ]; then
        echo "left behind after SIG$signal:"
        ls -lAR "$WORK" "$STORE/$HERE"
        return 1
    fi
    no_secret
}

@test "run: ended by a signal while the application runs: nothing is left" {
    plain_ports
    command=(-- /bin/sh -c 'trap "" TERM INT HUP QUIT; sleep '"$NAP"'.1 &
        sleep '"$NAP"'.2' sh)
    local signal
    for signal in TERM:143 INT:130 HUP:129 QUIT:131; do
        holds "$signal" ended_by "${signal%:*}" "${signal#*:}" alive "$NAP.2"
        holds "$signal" gone "$NAP.1"
        holds "$signal" gone "$NAP.2"
        rm -rf "$WORK"
    done
    all_held 12
}

@test "run: ended by a signal while an input arrives: nothing is left" {
    dataset input a "file://$STORE/table.enc"
    dataset input b "$FAULTS_HTTP/stall/5000/table.enc" "$QUERY"
    dataset output out "file://$OUT"
    command=(-- /bin/true)
    local signal
    for signal in TERM:143 INT:130; do
        : >"$SERVERS/faults.log"
        ended_by "${signal%:*}" "${signal#*:}" test -s "$SERVERS/faults.log"
    done
}

@test "run: ended by a signal while the result is sent: not complete" {
    dataset input a "file://$STORE/table.enc"
    dataset output out "$FAULTS_HTTP/choke/x" "$QUERY"
    command=(-- /usr/bin/head -c 5000000 /dev/zero)
    ended_by TERM 143 grep -q "PUT /choke" "$SERVERS/faults.log"
    [[ $output != *"Execution complete"* ]]
    [[ $output == *"stopped by a signal"* ]]
}

@test "run: an answer before the result was sent is no delivery" {
    dataset input a "file://$STORE/table.enc"
    dataset output out "$FAULTS_HTTP/early/x" "$QUERY"
    job --allow-http -- /usr/bin/head -c 6000000 /dev/zero
    fails 6 out
    [[ $output != *"Execution complete"* ]]
}

@test "run: children it already had are not waited for" {
    plain_ports
    local began=$SECONDS
    run timeout 60 /bin/sh -c 'sleep 20 >&- 2>&- & exec "$@"' sh "$ENCFLOW" \
        run --ports ports --work "$WORK" --allow-file -- /bin/true
    delivered
    [ $((SECONDS - began)) -lt 15 ]
}

@test "run: programs that make sessions and groups work in the cage" {
    plain_ports
    app_said 'timeout 1 sleep 30; echo "timeout $?"
        /usr/bin/python3 -c "import subprocess
print(subprocess.run([\"echo\", \"hi\"], start_new_session=True,
    capture_output=True).stdout)"
        echo a b | sort | tr a c'
    [ "$said" = "timeout 124
b'hi\\n'
c b" ]
}

@test "run: a dataset that may not be read is not passed over" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
    plain_ports
    dataset input z "file://$STORE/table.enc"
    chmod 755 "$BATS_TEST_TMPDIR" && chmod -R a+rX ports
    chmod 000 ports/input/z
    setpriv --reuid=65534 --regid=65534 --clear-groups test -r ports/input ||
        skip "another user can't reach $BATS_TEST_TMPDIR"
    run setpriv --reuid=65534 --regid=65534 --clear-groups "$ENCFLOW" run \
        --ports ports --work "$WORK" --allow-file -- /bin/true
    fails 1 ports/input/z "Permission denied"
}

# As an emptyDir of Kubernetes is: writable, but another's.
@test "run: a WORK of somebody else's, whose mode cannot be set" {
    local as=(setpriv --reuid=65534 --regid=65534 --clear-groups) place
    [ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
    place=$(mktemp -d) # bats' own folders are closed to others
    chmod 755 "$place" && mkdir "$place"/{work,answers}
    chmod 1777 "$place"/{work,answers}
    cp "$ENCFLOW" "$place/encflow" && cp "$STORE/table.enc" "$place"
    dataset input in "file://$place/table.enc"
    dataset output out "file://$place/answers/out.enc"
    cp -r ports "$place" && chmod -R a+rX "$place/ports" "$place/table.enc"
    run timeout 120 "${as[@]}" "$place/encflow" run --ports "$place/ports" \
        --work "$place/work" --allow-file -- /bin/cat
    ls -A "$place/work" "$place/answers" >left
    stat -c %a "$place/work" >mode
    rm -r "$place"
    printf 'exit %s; output:\n%s\n' "$status" "$output"
    [ "$status" -eq 0 ]
    [ "$(<mode)" = 1777 ]
    [ "$(<left)" = "$place/answers:
out.enc

$place/work:" ]
}

@test "run: whatever the application leaves in WORK is removed, no more" {
    mkdir -m 755 outside
    echo keep >outside/file
    plain_ports
    app_said 'cd "${1%/*}" && mkdir -p deep/er/still locked &&
        echo plain >deep/er/still/file && echo x >locked/file &&
        chmod 0 locked deep/er && ln -s "'"$PWD"'/outside" link &&
        mkfifo pipe && chmod 500 . && echo done'
    [ "$said" = "done" ]
    [ "$(cat outside/file)" = keep ]
    [ "$(stat -c %a outside)" = 755 ]
}

@test "run: folders nested deeper than descriptors last are removed" {
    plain_ports
    ulimit -Sn 256
    job -- "$PYTHON" -c 'import os, sys
os.chdir(os.path.dirname(sys.argv[1]))
for level in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.open("plaintext", os.O_CREAT | os.O_WRONLY)'
    ulimit -Sn "$(ulimit -Hn)"
    delivered
    [ ! -e work ]
}

# ------------------------------------------- what the application may do

@test "run: the application's environment is clean, its stdin is empty" {
    plain_ports
    export AWS_ACCESS_KEY_ID=AKIDLEAK AWS_SECRET_ACCESS_KEY=SECRETLEAK
    export AWS_SESSION_TOKEN=TOKENLEAK EF_ANYTHING=LEAK LD_LIBRARY_PATH=/leak
    export PYTHONPATH=/leak
    app_said 'env; cat' <<<"LEAK from stdin"
    [ -n "$said" ]
    grep ^PATH= <<<"$said"
    if grep -iE 'aws_|leak' <<<"$said"; then
        return 1
    fi
}

@test "run: the application has no descriptor but 0, 1 and 2" {
    plain_ports
    exec 7<"$STORE/table.enc" 8>other
    app_said 'ls /proc/$$/fd'
    [ "$said" = "0
1
2" ]
}

@test "run: the application has no privileges and can gain none" {
    plain_ports
    app_said 'cat /proc/self/status'
    grep -x 'NoNewPrivs:	1' <<<"$said"
    grep -x 'Seccomp:	2' <<<"$said"
    local name
    for name in CapInh CapPrm CapEff CapAmb; do
        grep -x "$name:	0000000000000000" <<<"$said"
    done
    # a clean start: no signal blocked, a process group of its own
    grep -x 'SigBlk:	0000000000000000' <<<"$said"
    app_said 'cut -d " " -f 1,5 /proc/self/stat; echo $$'
    [[ $said =~ ^[0-9]+\ ([0-9]+)$'\n'([0-9]+)$ ]]
    [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
    # in a user namespace of its own it would be root there
    app_said 'unshare --user true 2>/dev/null && echo could; echo end'
    [ "$said" = end ]
}

@test "run: the application may not ask the security module" {
    plain_ports
    local option
    # by the type of the number, on any descriptor; 0x5401 is a terminal's
    for option in '' --allow-net; do
        job $option -- "$PYTHON" -c "import fcntl, errno
for number in (0xC0200A00, 0xC0200A01, 0x0A00, 0x40080AFF, 0x5401, 0xA0):
    try:
        fcntl.ioctl(0, number, bytes(32))
        print(hex(number), 'could')
    except OSError as e:
        print(hex(number), errno.errorcode[e.errno])"
        delivered
        rm -rf "$WORK"
        take_result
        [ "$returncode" = 0 ]
        [ "$out" = "b'0xc0200a00 EPERM\n0xc0200a01 EPERM\n0xa00 EPERM\n0x40080aff EPERM\n0x5401 ENOTTY\n0xa0 ENOTTY\n'" ]
    done
}

@test "run: the application cannot end or cripple its runner" {
    plain_ports
    local script
    while IFS= read -r script; do
        job -- "$PYTHON" -c "import os, resource, signal, sys
runner = os.getppid()
try:
    $script
    print('could')
except OSError:
    print('denied')"
        holds "$script" delivered
        rm -rf "$WORK"
        take_result
        holds "$script: $out $err" [ "$returncode $out" = "0 b'denied\\n'" ]
    done <<'EOF'
os.kill(runner, signal.SIGKILL)
os.kill(runner, signal.SIGSTOP)
os.kill(-1, 0)
os.kill(-os.getpgid(runner), 0)
os.pidfd_open(runner)
os.setpriority(os.PRIO_PROCESS, runner, 19)
os.sched_setaffinity(runner, {0})
resource.prlimit(runner, resource.RLIMIT_FSIZE, (0, 0))
resource.prlimit(runner, resource.RLIMIT_NOFILE, (3, 3))
EOF
    all_held 18
}

# The call is about all of a user's processes: here about those of a PID
# namespace, so that nobody else is touched where the cage fails. The runner
# has no capabilities: the kernel would protect one that has more than us.
@test "run: the application cannot slow down all of its user's processes" {
    local namespace=(unshare -p --fork --kill-child)
    [ "$(id -u)" = 0 ] || namespace+=(-r)
    namespace+=(setpriv --bounding-set=-all --inh-caps=-all)
    "${namespace[@]}" true 2>/dev/null || skip "needs a PID namespace"
    plain_ports
    run timeout 120 "${namespace[@]}" "$ENCFLOW" run --ports ports \
        --work "$WORK" --allow-file -- "$PYTHON" -c "import os
try:
    os.setpriority(os.PRIO_USER, 0, 19)
    print('could')
except PermissionError:
    print('denied')"
    delivered
    take_result
    [ "$returncode $out" = "0 b'denied\\n'" ]
}

@test "run: a work folder that was there keeps its owner's mode" {
    plain_ports
    mkdir -m 750 "$WORK"
    job -- sh -c "chmod 777 '$WORK'"
    delivered
    [ "$(stat -c %a "$WORK")" = 750 ]
}

@test "run: the application leaves no System V memory behind" {
    plain_ports
    local key=$((RANDOM * 32768 + RANDOM + 1))
    local get="import ctypes, sys
libc = ctypes.CDLL(None)
segment = libc.shmget($key, 4096, int(sys.argv[1], 8))
if sys.argv[2:] == ['remove'] and segment >= 0:
    libc.shmctl(segment, 0, None)
print('there' if segment >= 0 else 'none')"
    job -- "$PYTHON" -c "$get" 1600
    delivered
    [ "$("$PYTHON" -c "$get" 0 remove)" = none ]
}

# What opens a socket, by name: the usual calls, and ways around a filter
# that knows only those (the 32-bit entry, the x32 numbers, io_uring).
sockets_probe() {
    cat <<'EOF'
import ctypes, mmap, os, platform, socket, sys

def attempt(name, call):
    try:
        result = call()
    except OSError as error:
        result = -error.errno
    print(name, "denied" if result is not None and result < 0 else "OPEN")

def opened(*arguments):
    return socket.socket(*arguments).fileno()

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
attempt("tcp4", lambda: opened(socket.AF_INET, socket.SOCK_STREAM))
attempt("udp4", lambda: opened(socket.AF_INET, socket.SOCK_DGRAM))
attempt("tcp6", lambda: opened(socket.AF_INET6, socket.SOCK_STREAM))
attempt("raw", lambda: opened(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: opened(socket.AF_PACKET, socket.SOCK_RAW, 0))
attempt("netlink", lambda: opened(socket.AF_NETLINK, socket.SOCK_RAW, 0))
space = ctypes.create_string_buffer(256)
attempt("uring", lambda: libc.syscall(425, 4, space))
if platform.machine() == "x86_64":
    attempt("x32", lambda: libc.syscall(0x40000000 | 41, 2, 1, 0))
    # mov eax,359; mov ebx,2; mov ecx,1; xor edx,edx; int 0x80
    code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")
    if os.fork() == 0:  # killed is denied, too
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE
                         | mmap.PROT_EXEC)
        page.write(code)
        enter = ctypes.CFUNCTYPE(ctypes.c_int)(
            ctypes.addressof(ctypes.c_char.from_buffer(page)))
        os._exit(0 if enter() >= 0 else 1)
    attempt("int80", lambda: -1 if os.wait()[1] else 0)
sys.stdout.flush()
EOF
}

@test "run: no network by default, by no way in" {
    plain_ports
    job -- "$PYTHON" -c "$(sockets_probe)"
    delivered
    take_result
    [[ $out == *denied* ]]
    if [[ $out == *OPEN* || $returncode != 0 ]]; then
        echo "$returncode $out $err"
        return 1
    fi
    job -- /usr/bin/curl -sS -m 5 "$NGINX_HTTP/table.enc"
    delivered
    take_result
    [ "$returncode" -ne 0 ]
    no_requests
}

@test "run: --allow-net gives the application the network, nothing else" {
    plain_ports
    app_said "curl -sS -m 5 -o /dev/null -w '%{http_code} '\
        $NGINX_HTTP/table.enc; cat /proc/self/status" --allow-net
    [[ $said == "200 "* ]]
    grep '^GET /table.enc 200' "$SERVERS/nginx.log"
    grep -x 'NoNewPrivs:	1' <<<"$said"
    grep -x 'CapEff:	0000000000000000' <<<"$said"
}

@test "run: the application writes under WORK and nowhere else" {
    need_landlock
    plain_ports
    mkdir outside
    echo old >outside/file
    app_said 'cd "${1%/*}"
        try() { if (eval "$1") 2>/dev/null; then echo "could: $1"; fi; }
        out="'"$PWD"'/outside" ports="'"$PWD"'/ports"
        echo mine >mine && mkdir folder && mv mine folder && cat folder/mine
        echo changed >"$1" && rm "$1" && echo inside
        try "echo new >$out/new"
        try "echo new >$out/file"
        try "echo new >>$out/file"
        try "rm $out/file"
        try "mkdir $out/folder"
        try "mv $out/file $out/other"
        try "ln $out/file ./linked"
        try "mv $out/file ."
        try "truncate -s 0 $out/file"
        try "mkfifo $out/fifo"
        try "ln -s x $out/link"
        try "echo x >$ports/output/out/dataset/location.txt"
        try "echo x >'"$STORE/$HERE"'/x"
        try "echo x >/tmp/encflow-was-here"
        try "echo x >/var/tmp/encflow-was-here"
        try "echo x >/dev/shm/encflow-was-here"
        echo end'
    rm -f /tmp/encflow-was-here /var/tmp/encflow-was-here \
        /dev/shm/encflow-was-here
    [ "$said" = "mine
inside
end" ]
    [ "$(ls outside)" = file ]
    [ "$(cat outside/file)" = old ]
}

@test "run: a kernel with an old Landlock, or none, is said to be one" {
    command -v strace >/dev/null || skip "needs strace"
    [ "$(id -u)" -eq 0 ] || skip "only root may trace what is not dumpable"
    need_landlock
    plain_ports
    echo keep >outside
    local runner=("$ENCFLOW" run --ports ports --work "$WORK" --allow-file)
    export ASAN_OPTIONS=detect_leaks=0 # the leak checker would trace, too
    run strace -qq -o trace -e trace=landlock_create_ruleset \
        -e inject=landlock_create_ruleset:retval=2:when=1 "${runner[@]}" -- \
        "$PYTHON" -c "import os
for flags in (os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC):
    try:
        os.open('$PWD/outside', flags)
    except OSError:
        print('denied')
try:
    os.truncate('$PWD/outside', 0)
except OSError:
    print('denied')"
    grep -q INJECTED trace || skip "strace is forbidden"
    fails 0 "Landlock is an old one, or none"
    take_result
    [ "$out" = "b'denied\\ndenied\\ndenied\\n'" ]
    [ "$(<outside)" = keep ]
    run strace -qq -o trace -e trace=landlock_create_ruleset \
        -e inject=landlock_create_ruleset:error=ENOSYS "${runner[@]}" -- \
        "$PYTHON" -c "import fcntl
try:
    fcntl.ioctl(0, 0xC0200A00, bytes(32)) # the security module's
except PermissionError:
    print('denied')"
    fails 0 "no Landlock" "Execution complete"
    take_result
    [ "$out" = "b'denied\\n'" ]
}

@test "run: the application reads no credentials and nothing of its runner" {
    need_landlock
    plain_ports
    app_said 'ports="'"$PWD"'/ports"
        for file in "$ports"/*/*/dataset/* /proc/$PPID/environ \
            /proc/$PPID/mem /proc/$PPID/maps /proc/$PPID/fd/0; do
            if head -c 1 "$file" >/dev/null 2>&1; then echo "read: $file"; fi
        done
        for file in "'"$PWD"'/ports" /proc/$PPID/fd; do
            if ls "$file"/* >/dev/null 2>&1; then echo "list: $file"; fi
        done
        cat "$1" | wc -l; cat /etc/passwd | wc -l'
    [[ $said =~ ^302$'\n'[0-9]+$ ]]
}

@test "run: WORK and what is in it are for its owner alone" {
    plain_ports
    umask 022
    app_said 'stat -c %a "${1%/*}" "$1"'
    [[ $said =~ ^[0-7]00$'\n'[0-7]00$ ]]
}

@test "run: result prints what the application left, and ends as it did" {
    dataset input in "file://$STORE/table.enc"
    dataset output out "$NGINX_HTTPS/$HERE/out.enc" "$QUERY"
    local want script
    while read -r want script; do
        job -- /bin/sh -c "printf 'a\\0b\\n'; echo oops >&2; $script" sh
        delivered
        status=0
        "$ENCFLOW" result -K "$SERVERS/out.key" --cacert "$CA" \
            "$NGINX_HTTPS/$HERE/out.enc?$QUERY" >got.out 2>got.err || status=$?
        [ "$status" -eq "$want" ]
        printf 'a\0b\n' >want.out
        same want.out got.out
        [ "$(<got.err)" = oops ]
    done <<'EOF'
0 exit 0
3 exit 3
139 kill -SEGV $$
EOF
}
