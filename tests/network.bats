#!/usr/bin/env bats
# What a network, a store and a proxy can do to put, get and run: resets,
# stalls, lies and storms (chaos.py), proxies (connect_proxy.py), signals.
# Whatever happens, the exit status says it, no part of a file, no temporary
# one and no half upload is left, and what can be mended is.
#
# Most tests are tables whose rows run side by side, each in a folder and
# against a bucket of its own.

# shellcheck disable=SC2030,SC2031 # every row is a process of its own

bats_require_minimum_version 1.5.0
load common
load servers

setup_file() {
    local ports tests=$BATS_TEST_DIRNAME
    make_certificates
    serve chaos "$PYTHON" "$tests/chaos.py" \
        "$SERVERS/tls/good.pem" "$SERVERS/tls/good.key"
    export PROXIES=$SERVERS/proxies
    mkdir "$PROXIES"
    serve proxy "$PYTHON" "$tests/connect_proxy.py" "$PROXIES"
    ports=$(port_in chaos)
    export CHAOS=http://localhost:${ports% *}
    export CHAOS_TLS=https://localhost:${ports#* }
    port_in proxy
    od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$SERVERS/key"
    head -c 100000 /dev/urandom >"$SERVERS/small"
    head -c 12 /dev/urandom >"$SERVERS/tiny"
    # 9 parts; and 4 ranges, of which the first has 64 MiB
    head -c 73400320 /dev/urandom >"$SERVERS/big"
    head -c 92274688 /dev/urandom >"$SERVERS/wide"
    ref seal "$SERVERS/key" <"$SERVERS/small" >"$SERVERS/sealed"
    ref seal "$SERVERS/key" <"$SERVERS/wide" >"$SERVERS/widesealed"
    local name
    for name in small tiny wide sealed widesealed; do
        curl -sSf -T "$SERVERS/$name" "$CHAOS/_seed/$name"
    done
}

setup() {
    common_setup
    unset AWS_MAX_ATTEMPTS # as it is by default: three
    export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SESSION_TOKEN=NEVERSHOWNTOKEN
    export AWS_SECRET_ACCESS_KEY=NEVERSHOWNSECRET
    export AWS_REGION=eu-west-1
    QUERY='AWSAccessKeyId=ID&Signature=NEVERSHOWN&Expires=4102444800'
    S3=(--allow-http --endpoint-url "$CHAOS")
    ROWS=0
    PIDS=() NAMES=()
    newrow
}

ref() { "$PYTHON" "$BATS_TEST_DIRNAME/reference.py" "$@"; }

# proxy NAME: the URL of that proxy of connect_proxy.py, over TCP.
proxy() {
    local names=(pass deny fail auth garbage flood close reset hang drip)
    local ports i
    read -r -a ports <"$SERVERS/proxy.out"
    for i in "${!names[@]}"; do
        [ "${names[i]}" != "$1" ] || echo "http://127.0.0.1:${ports[i]}"
    done
}

# ------------------------------------------------------------------- rows

# A folder and a bucket for what comes next.
newrow() {
    ROWS=$((ROWS + 1))
    BUCKET=b$BATS_TEST_NUMBER-$ROWS
    ROW=$BATS_TEST_TMPDIR/$ROWS
    export TMPDIR=$ROW/tmp # a temporary file has nowhere to hide
    mkdir -p "$ROW/out" "$TMPDIR"
    cd "$ROW" || return 1
}

# row NAME COMMAND...: in the background, some at a time.
row() {
    local name=$1
    shift
    newrow
    (trap - DEBUG && "$@" && forget) >report 2>&1 3>&- &
    PIDS+=("$!") NAMES+=("$name")
    if [ $((${#PIDS[@]} % ${LANES:-16})) -eq 0 ]; then
        wait "${PIDS[@]}" || true # the verdict is asked for later
    fi
}

# rows COUNT: the verdict on all rows, which were to be COUNT.
rows() {
    local i bad=0
    for i in "${!PIDS[@]}"; do
        wait "${PIDS[i]}" && continue
        cat "$BATS_TEST_TMPDIR/$((i + 2))/report"
        printf '^^^ row "%s"\n' "${NAMES[i]}"
        bad=$((bad + 1))
    done
    if [ "$bad" -gt 0 ] || [ "${#PIDS[@]}" -ne "$1" ]; then
        echo "$bad of ${#PIDS[@]} rows failed; $1 rows were to be"
        return 1
    fi
}

# ------------------------------------------------- the server's side of it

# plan RULE: what happens to the requests of this row's bucket, as chaos.py
# has it; without the outermost braces.
plan() {
    curl -sSf --data-binary "[{$1}]" "$CHAOS/_plan/$BUCKET"
}

# forget: what this row's bucket has, so that the server stays small.
forget() { curl -sSf -X DELETE "$CHAOS/_plan/$BUCKET"; }

log() { curl -sSf "$CHAOS/_log/$BUCKET"; }

# seen N|N-M [REGEX]: so many requests matched.
seen() {
    local count
    log >log
    count=$(grep -cE -e "${2-.}" log) || true
    if [ "$count" -lt "${1%-*}" ] || [ "$count" -gt "${1#*-}" ]; then
        printf '%s requests match "%s", not %s:\n' "$count" "${2-.}" "$1"
        cat log
        return 1
    fi
}

# logged REGEX: for `soon`
logged() { log | grep -qE -e "$1"; }

# empty FOLDER...: nothing in there, hidden or not.
empty() {
    if [ -n "$(ls -A "$@" | grep -v ':$')" ]; then
        echo "left behind:"
        ls -lAR "$@"
        return 1
    fi
}

no_uploads() {
    curl -sSf "$CHAOS/_uploads/$BUCKET" >uploads || return 1
    if [ -s uploads ]; then
        echo "uploads were left:"
        cat uploads
        log
        return 1
    fi
}

# at_store FILE [KEY]: the object KEY is FILE, whole, and nothing else is.
at_store() {
    curl -sSf -o stored "$CHAOS/_object/$BUCKET/${2-key}" || return 1
    same "$1" stored || return 1
    rm stored
    no_uploads
}

# not_at_store: nothing came to be.
not_at_store() {
    if curl -sSf -o /dev/null "$CHAOS/_object/$BUCKET/key" 2>/dev/null; then
        echo "an object came to be"
        return 1
    fi
    no_uploads
}

# ------------------------------------------------------------ our side of it

# talk ARG...: encflow; sets status and output (its messages); its standard
# output goes to the file stdout. No secret may be told, no control character
# shown.
talk() {
    status=0
    timeout -k 2 50 "$ENCFLOW" "$@" >stdout 2>said || status=$?
    output=$(<said)
    if grep -aE 'NEVERSHOWN|Signature=|Credential=|AWS4-HMAC' said; then
        echo '^^^ tells a secret'
        return 1
    fi
    if [[ ${output//$'\n'/} == *[[:cntrl:]]* ]]; then
        printf 'control characters were shown: %q\n' "$output"
        return 1
    fi
}

# fetch OBJECT PLAN [OPTION...]: get it to out/file.
fetch() {
    local object=$1
    plan "$2" || return 1
    shift 2
    talk get "${S3[@]}" "$@" "s3://$BUCKET/$object" out/file
}

# send FILE PLAN [OPTION...]: put it as key.
send() {
    local file=$1
    plan "$2" || return 1
    shift 2
    talk put "${S3[@]}" "$@" "$SERVERS/$file" "s3://$BUCKET/key"
}

# arrived FILE: the last get went well, and left this and nothing else.
arrived() {
    fails 0 || return 1
    same "$SERVERS/$1" out/file || return 1
    rm out/file
    empty out "$TMPDIR"
}

# undone STATUS WORDS: the last command failed so, and left nothing here.
undone() {
    # shellcheck disable=SC2086
    fails "$1" $2 || return 1
    empty out "$TMPDIR"
}

# The four kinds of rows. REQUESTS is N or N-M; TRIES is AWS_MAX_ATTEMPTS.

# get_heals OBJECT PLAN REQUESTS [OPTION...]
get_heals() {
    local object=$1 plan=$2 requests=$3
    export AWS_MAX_ATTEMPTS=${TRIES:-2}
    shift 3
    fetch "$object" "$plan" "$@" && arrived "$object" && seen "$requests"
}

# get_fails OBJECT PLAN REQUESTS STATUS WORDS [OPTION...]
get_fails() {
    local object=$1 plan=$2 requests=$3 want=$4 words=$5
    export AWS_MAX_ATTEMPTS=${TRIES:-1}
    shift 5
    fetch "$object" "$plan" "$@" && undone "$want" "$words" &&
        seen "$requests"
}

# put_heals FILE PLAN REQUESTS [OPTION...]
put_heals() {
    local file=$1 plan=$2 requests=$3
    export AWS_MAX_ATTEMPTS=${TRIES:-2}
    shift 3
    send "$file" "$plan" "$@" && fails 0 && at_store "$SERVERS/$file" &&
        seen "$requests" && empty out "$TMPDIR"
}

# put_fails FILE PLAN REQUESTS STATUS WORDS [OPTION...]
put_fails() {
    local file=$1 plan=$2 requests=$3 want=$4 words=$5
    export AWS_MAX_ATTEMPTS=${TRIES:-1}
    shift 5
    send "$file" "$plan" "$@" && undone "$want" "$words" && not_at_store &&
        seen "$requests"
}

# table KIND OBJECT: the rows of standard input, NAME|PLAN|REQUESTS|...: the
# arguments of KIND, the last being options, with blanks between them. A line
# that begins with four blanks belongs to the one before.
table() {
    local kind=$1 object=$2 name plan requests want words options
    while IFS='|' read -r name plan requests want words options; do
        case $kind in
        *_heals) # has no STATUS|WORDS
            # shellcheck disable=SC2086
            row "$name" "$kind" "$object" "$plan" "$requests" $want
            ;;
        *)
            # shellcheck disable=SC2086
            row "$name" "$kind" "$object" "$plan" "$requests" "$want" \
                "$words" $options
            ;;
        esac
    done < <(sed -e ':a' -e 'N' -e '$!ba' -e 's/\n    //g')
}

# soon CONDITION...: wait up to 10 s for a command to succeed.
soon() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@"; then
            return 0
        fi
        sleep 0.05
    done
    echo "did not come true: $*"
    return 1
}

# took LEAST COMMAND...: and it takes so many seconds or more, but not 15: by
# then somebody waits for what a setting or a signal should have ended (20 s
# is the longest pause between attempts, 30 s a stall), however busy the
# machine.
took() {
    local least=$1 from=${EPOCHREALTIME/./} spent
    shift
    "$@" || return 1
    spent=$(((${EPOCHREALTIME/./} - from) / 1000))
    if [ "$spent" -lt $((least * 1000)) ] || [ "$spent" -gt 15000 ]; then
        echo "took $spent ms, not $least to 15 s: $*"
        return 1
    fi
}

# ----------------------------------------------------------- one request

@test "get: a failure that passes is mended by one more request" {
    table get_heals small <<'END'
reset, no answer|"first":1,"cut":-1,"then":"reset"|2
closed, no answer|"first":1,"cut":-1|2
reset behind the head|"first":1,"cut":0,"then":"reset"|2
reset midway|"first":1,"cut":50000,"then":"reset"|2
closed midway|"first":1,"cut":50000|2
closed before the last byte|"first":1,"cut":99999|2
stall, no answer|"first":1,"cut":-1,"then":"stall"|2|--stall 1
stall midway|"first":1,"cut":50000,"then":"stall"|2|--stall 1
Content-Length too long|"first":1,"length":7,"cut":50000|2
408|"first":1,"status":408|2
429|"first":1,"error":"429 TooManyRequests"|2
500|"first":1,"error":"500 InternalError"|2
502|"first":1,"status":502,"body":"<html>bad gateway</html>"|2
503|"first":1,"error":"503 SlowDown"|2
503, a reset in the answer|"first":1,"status":503,"cut":9,"then":"reset"|2
504|"first":1,"status":504,"body":""|2
400 RequestTimeout|"first":1,"error":"400 RequestTimeout"|2
400 Throttling|"first":1,"error":"400 ThrottlingException"|2
END
    rows 18
}

@test "get: a download that broke goes on where it was, and on one version" {
    resumes() {
        get_heals small "\"first\":1,\"cut\":50000,\"then\":\"$1\"" 2 \
            --stall 1 || return 1
        local etag from
        etag=$(md5sum <"$SERVERS/small")
        # with a reset some bytes may be lost that had been on their way
        sed -nE '2s/.*=bytes=([0-9]+)-[0-9]* if-match="([^"]*)" .*/\1 \2/p' \
            log >resumed
        read -r from tag <resumed || { cat log; return 1; }
        [ "$tag" = "${etag%% *}" ] || { cat log; return 1; }
        [ "$from" -gt 0 ] && [ "$from" -le 50000 ] || { cat log; return 1; }
    }
    row reset resumes reset
    row close resumes close
    row stall resumes stall
    # twice, and each time further
    TRIES=3 row twice get_heals small '"first":2,"cut":30000' 3
    # nothing was there to go on from
    row "at once" get_heals small '"first":1,"cut":0' 2
    rows 5
}

@test "get: where it can't go on, it begins again or ends, never mixes" {
    # mixed PLAN: the first answer breaks, PLAN is for the second. What arrives
    # is the old object or the new one; or it is exit 6, and nothing
    mixed() {
        export AWS_MAX_ATTEMPTS=3
        fetch small "\"nth\":1,\"cut\":50000},{$1" --stall 1 || return 1
        either out/file || return 1
        # the same to standard output, which cannot be taken back
        plan "\"nth\":1,\"cut\":50000},{$1"
        talk get "${S3[@]}" --stall 1 "s3://$BUCKET/small" -
        either stdout
    }
    either() {
        if [ "$status" -eq 0 ]; then
            cmp -s "$SERVERS/small" "$1" || {
                curl -sSf -o now "$CHAOS/_object/$BUCKET/small"
                same now "$1" || { log; return 1; }
            }
            rm -f out/file
        else
            fails 6 || return 1
        fi
        empty out "$TMPDIR"
    }
    while IFS='|' read -r name plan; do
        row "$name" mixed "$plan"
    done <<END
changed: 412|"nth":2,"replace":"~"
changed, If-Match overlooked|"nth":2,"replace":"~","overlook":true
shorter, overlooked|"nth":2,"replace":"short","overlook":true
all of another|"nth":2,"replace":"~","overlook":true,"whole":true
a weak ETag|"headers":{"ETag":"W/\"x\""}
no ETag|"headers":{"ETag":null}
no ETag the second time|"nth":2,"headers":{"ETag":null}
no quotes|"headers":{"ETag":"abc"}
two ETags|"headers":{"ETag":["\"a\"","\"b\""]}
an ETag of 2000 bytes|"headers":{"ETag":"\"$(printf %02000d 0)\""}
Range overlooked|"nth":2,"whole":true
another range|"nth":2,"serve":"bytes=0-49999"
shifted by one|"nth":2,"serve":"bytes=49999-99998"
a shorter range|"nth":2,"serve":"bytes=50000-59999"
another range said|"nth":2,"headers":{"Content-Range":"bytes 0-49999/100000"}
another total|"nth":2,"headers":{"Content-Range":"bytes 50000-99999/200000"}
no range named|"nth":2,"headers":{"Content-Range":null}
two ranges|"nth":2,"headers":{"Content-Range":["bytes 1-2/3","bytes 0-0/2"]}
a range that is no range|"nth":2,"headers":{"Content-Range":"bytes x"}
416|"nth":2,"error":"416 InvalidRange"
206 with no body|"nth":2,"cut":0
204|"nth":2,"status":204
END
    rows 22
}

@test "get: a failure that stays ends it, exit 6, the file is not there" {
    table get_fails small <<'END'
reset, no answer|"cut":-1,"then":"reset"|1|6|small
closed, no answer|"cut":-1|1|6|small
reset midway|"cut":50000,"then":"reset"|1|6|small
half a body|"cut":50000|1|6|small
no HTTP|"headers":{"Content-Length":"x"}|1|6|small
stall, no answer|"cut":-1,"then":"stall"|1|6|stall|--stall 1
stall midway|"cut":50000,"then":"stall"|1|6|stall|--stall 1
Content-Length too long|"length":7,"cut":100000|1|6|small
400|"error":"400 InvalidRequest"|1|6|InvalidRequest
401|"status":401,"body":""|1|6|401
403|"error":"403 AccessDenied"|1|6|AccessDenied
403, no body|"status":403,"body":""|1|6|403
404|"error":"404 NoSuchKey"|1|6|NoSuchKey
404, no XML|"status":404,"body":"<html><br>nothing</html>"|1|6|404
410|"status":410,"body":"gone"|1|6|410
416|"error":"416 InvalidRange"|1-2|6|InvalidRange
429|"error":"429 TooManyRequests"|1|6|TooManyRequests
500|"error":"500 InternalError"|1|6|InternalError
501|"error":"501 NotImplemented"|1|6|NotImplemented
503|"error":"503 SlowDown Please reduce your request rate."|1|6|SlowDown
204|"status":204|1|6|small
304|"status":304|1|6|small
999|"status":999|1|6|999
garbage, no XML|"status":403,"body":"\u0001<<&&\u001b[31m\u0000"|1|6|403
XML that has no end|"status":403,"body":"<Error><Code>Access"|1|6|403
an escape|"status":403,"body":"<Error><Code>&#27;[31mRed</Code></Error>"|1|6|403
a message of two lines|"error":"403 A one\n\ntwo\u0085"|1|6|403
a DOCTYPE|"status":403,"body":"<!DOCTYPE a [<!ENTITY b \"c\">]>
    <Error><Code>&b;</Code></Error>"|1|6|403
1 MiB of headers|"padding":1048576|1|6|small
END
    # errors that are large, or say less than they promise
    local large
    large=$(head -c 100000 /dev/zero | tr '\0' x)
    row "100 kB of message" get_fails small \
        "\"error\":\"403 A $large\"" 1 6 403
    row "an error that is cut" get_fails small \
        '"error":"403 AccessDenied","cut":60' 1 6 ""
    row "an error that stalls" get_fails small \
        '"error":"403 AccessDenied","cut":60,"then":"stall"' 1 6 "" \
        --stall 1
    rows 32
}

@test "get: attempts are counted: three, or as many as AWS_MAX_ATTEMPTS says" {
    counts() { # COUNT PLAN: so many requests in all
        fetch small "$2" && undone 6 SlowDown && seen "$1"
    }
    storm='"error":"503 SlowDown"'
    now='"headers":{"Retry-After":"0"}'
    row "three" counts 3 "$storm"
    row "three, Retry-After: 0" counts 3 "$storm,$now"
    AWS_MAX_ATTEMPTS=1 row "one" counts 1 "$storm"
    AWS_MAX_ATTEMPTS=2 row "two" counts 2 "$storm"
    TRIES=3 row "what is refused is not asked for again" get_fails small \
        '"error":"403 AccessDenied"' 1 6 AccessDenied
    TRIES=3 row "nor is what is missing" get_fails none '"x":1' 1 6 NoSuchKey
    TRIES=3 row "a storm of two" get_heals small "$storm,\"first\":2" 3
    rows 7
}

@test "get: Retry-After is waited for, in seconds and as a date" {
    storm='"first":1,"error":"503 SlowDown"'
    date=$(LC_ALL=C date -u -d '+4 seconds' '+%a, %d %b %Y %H:%M:%S GMT')
    row "seconds" took 2 get_heals small \
        "$storm,\"headers\":{\"Retry-After\":\"2\"}" 2
    row "a date" took 1 get_heals small \
        "$storm,\"headers\":{\"Retry-After\":\"$date\"}" 2
    # it is no number: as if it were not there
    row "neither" took 0 get_heals small \
        "$storm,\"headers\":{\"Retry-After\":\"-1 soon\"}" 2
    row "a date that has passed" took 0 get_heals small "$storm,\
\"headers\":{\"Retry-After\":\"Sun, 06 Nov 1994 08:49:37 GMT\"}" 2
    # an hour is more than it waits for
    TRIES=2 row "an hour" took 0 get_fails small \
        "$storm,\"headers\":{\"Retry-After\":\"3600\"}" 1 6 "" --max-time 2
    rows 5
}

@test "get: a slow head or body is not a stall, and --max-time ends it" {
    # 12 bytes, one each 0.2 s: 2.4 s
    row "a slow body" took 2 get_heals tiny '"slow_body":0.2' 1 --stall 1
    row "a slow head" get_heals tiny '"slow_head":0.005' 1 --stall 1
    row "a slow body, --max-time" took 1 get_fails small \
        '"slow_body":0.2' 1 6 max-time --max-time 1 --stall 60
    row "a slow head, --max-time" took 1 get_fails tiny \
        '"slow_head":0.2' 1 6 max-time --max-time 1 --stall 60
    row "a stall, --max-time" took 1 get_fails small \
        '"cut":9,"then":"stall"' 1 6 max-time --max-time 1 --stall 60
    # and it counts over all attempts
    TRIES=10 row "a storm, --max-time" took 1 get_fails small \
        '"error":"503 SlowDown"' 1-20 6 "" --max-time 1
    row "slow put, --max-time" took 1 put_fails small \
        '"take":1,"then":"stall"' 1 6 max-time --max-time 1 --stall 60
    rows 7
}

@test "get: what S3's refusals mean is hinted at" {
    far='"headers":{"Date":"Sun, 06 Nov 1994 08:49:37 GMT"}'
    there='"headers":{"x-amz-bucket-region":"eu-west-3","Location":"'
    there+="$CHAOS/_seed/small\"},\"extra\":{\"Endpoint\":\"away.invalid\"}"
    table get_fails small <<END
clock|"error":"403 RequestTimeTooSkewed",$far|1|6|TooSkewed hint: clock
region, 301|"error":"301 PermanentRedirect",$there|1|6|hint: eu-west-3
region, 307|"error":"307 TemporaryRedirect",$there|1|6|hint: eu-west-3
region, 400|"error":"400 AuthorizationHeaderMalformed The authorization
     header is malformed; the region 'us-east-1' is wrong; expecting
     'eu-west-3'","extra":{"Region":"eu-west-3"}|1|6|hint: eu-west-3
token|"error":"400 ExpiredToken"|1|6|ExpiredToken hint: token
signature|"error":"403 SignatureDoesNotMatch"|1|6|DoesNotMatch hint:
key id|"error":"403 InvalidAccessKeyId"|1|6|InvalidAccessKeyId hint:
bucket|"error":"404 NoSuchBucket"|1|6|NoSuchBucket hint: bucket
an odd region|"error":"301 A",
    "headers":{"x-amz-bucket-region":"a\u001b[31m"}|1|6|small
END
    table put_fails small <<END
clock, put|"error":"403 RequestTimeTooSkewed",$far|1|6|hint: clock
region, put|"error":"307 TemporaryRedirect",$there|1|6|hint: eu-west-3
token, put|"error":"400 ExpiredToken"|1|6|ExpiredToken hint: token
END
    expired() { # get or put by a presigned URL whose time is over
        plan '"error":"403 AccessDenied Request has expired"'
        local url="$CHAOS/$BUCKET/small?$QUERY"
        if [ "$1" = get ]; then
            talk get --allow-http "$url" out/file
        else
            talk put --allow-http "$SERVERS/small" "$url"
        fi && undone 6 "hint: expired"
    }
    row "expired URL, get" expired get
    row "expired URL, put" expired put
    rows 14
}

@test "get: the name or the server that is not there" {
    away() { # STATUS-WORDS URL [OPTION...]
        local words=$1 url=$2
        shift 2
        export AWS_MAX_ATTEMPTS=1
        talk get --allow-http --endpoint-url "$url" "$@" s3://b/key out/file &&
            undone 6 "$words" || return 1
        talk put --allow-http --endpoint-url "$url" "$@" \
            "$SERVERS/small" s3://b/key && undone 6 "$words"
    }
    # no resolver is asked for a label of 64 bytes: it cannot be
    row "no such name" away name \
        "http://$(printf 'a%.0s' {1..64}).invalid"
    row "refused" away connect "http://localhost:$(free_port)"
    row "no TLS there" away "" "https://localhost:${CHAOS##*:}" --cacert "$CA"
    row "TLS, nobody speaks" took 1 away "" \
        "https://localhost:$(proxy hang | sed 's/.*://')" --connect-timeout 1
    row "an authority that is not ours" away ertificate "$CHAOS_TLS"
    row "another name" away ertificate "${CHAOS_TLS/localhost/127.0.0.1}" \
        --cacert "$CA"
    # with retries it takes its time, and ends all the same
    again() {
        took 0 talk get --allow-http \
            --endpoint-url "http://localhost:$(free_port)" s3://b/key out/f &&
            undone 6 connect
    }
    row "refused, three times" again
    rows 7
}

@test "get: an old file stays as it was when the new one does not come" {
    old() {
        export AWS_MAX_ATTEMPTS=1
        echo old >out/file
        fetch "$1" "$2" --force --stall 1 && fails 6 || return 1
        [ "$(cat out/file)" = old ] && [ "$(ls -A out)" = file ] &&
            empty "$TMPDIR"
    }
    row "half" old small '"cut":50000'
    row "refused" old small '"error":"403 AccessDenied"'
    row "a range is missing" old wide '"range":"=8388[0-9]*-","cut":999'
    rows 3
}

@test "put: a failure that passes is mended by one more request" {
    table put_heals small <<'END'
reset, half the body|"first":1,"take":50000,"then":"reset"|2
closed, half the body|"first":1,"take":50000|2
stall, half the body|"first":1,"take":50000,"then":"stall"|2|--stall 1
no answer, though it was done|"first":1,"cut":-1|2
reset, though it was done|"first":1,"cut":-1,"then":"reset"|2
half an answer|"first":1,"cut":0,"length":9|1-2
stall, though it was done|"first":1,"cut":-1,"then":"stall"|2|--stall 1
500|"first":1,"error":"500 InternalError"|2
503|"first":1,"error":"503 SlowDown"|2
503 before the body is read|"first":1,"error":"503 SlowDown","early":true|2
429|"first":1,"error":"429 TooManyRequests"|2
400 RequestTimeout|"first":1,"error":"400 RequestTimeout"|2
END
    # what came through a pipe is still there, too
    piped() {
        plan '"first":1,"take":50000,"then":"reset"'
        talk put "${S3[@]}" - "s3://$BUCKET/key" <"$SERVERS/small"
        fails 0 && seen 2 && at_store "$SERVERS/small"
    }
    row "from standard input" piped
    # 70 MiB in one request, by URL
    signed() {
        plan '"first":1,"take":50000000,"then":"reset"'
        talk put --allow-http "$SERVERS/big" "$CHAOS/$BUCKET/key?$QUERY"
        fails 0 && seen 2 && at_store "$SERVERS/big"
    }
    row "presigned" signed
    rows 14
}

@test "put: a failure that stays ends it, exit 6, no object is there" {
    table put_fails small <<'END'
reset|"take":50000,"then":"reset"|1|6|key
closed|"take":50000|1|6|key
stall, nothing is read|"take":0,"then":"stall"|1|6|stall|--stall 1
stall, no answer|"status":200,"cut":-1,"then":"stall"|1|6|stall|--stall 1
403|"error":"403 AccessDenied"|1|6|AccessDenied
403 before the body is read|"error":"403 AccessDenied","early":true|1|6|403
404|"error":"404 NoSuchBucket"|1|6|NoSuchBucket
411|"error":"411 MissingContentLength"|1|6|MissingContentLength
503|"error":"503 SlowDown"|1|6|SlowDown
garbage|"status":500,"body":"\u0001<<&&\u001b[31m\u0000"|1|6|500
302|"status":302,"headers":{"Location":"http://localhost/"}|1|6|redirect
1 MiB of headers|"status":200,"padding":1048576|1|6|key
END
    # an answer before all was sent is no delivery; 70 MiB by one request
    early() {
        plan '"status":200,"early":true,"headers":{"Connection":"close"}'
        talk put --allow-http --stall 1 "$SERVERS/big" \
            "$CHAOS/$BUCKET/key?$QUERY"
        undone 6 "" && not_at_store
    }
    AWS_MAX_ATTEMPTS=1 row "200 before the body is read" early
    rows 13
}

# ------------------------------------------------------ parts and ranges

@test "connections: at most eight, and used again for parts and ranges" {
    counted() { # PREFIX OF URL, [OPTION...]
        S3=(--endpoint-url "$1" --allow-http --cacert "$CA")
        shift
        truncate -s 160M sparse # 20 parts
        plan '"query":"partNumber","wait":0.1},{"method":"GET","wait":0.1'
        talk put "${S3[@]}" "$@" sparse "s3://$BUCKET/key" &&
            fails 0 && at_store sparse || return 1
        seen 22 && seen 20 'PUT .*partNumber' && seen 20 'length=8388608 '
        parallel || return 1
        plan '"method":"GET","wait":0.1'
        curl -sSf -T sparse "$CHAOS/$BUCKET/key"
        talk get "${S3[@]}" "$@" "s3://$BUCKET/key" out/file &&
            fails 0 && same sparse out/file || return 1
        rm sparse out/file
        # the first range may be larger than the others
        seen 13-21 GET && seen 12-20 'range=bytes=.* if-match="' && parallel
    }
    # parallel: by the last log, eight requests at most, more than three,
    # over eight connections at most
    parallel() {
        local peak connections
        grep -v 'length=167772160' log >ours # that was curl
        peak=$(sed 's/.*active=//' ours | sort -n | tail -n 1)
        connections=$(sed 's/.*conn=\([0-9]*\) .*/\1/' ours | sort -u | wc -l)
        if [ "$peak" -gt 8 ] || [ "$peak" -lt 4 ] ||
            [ "$connections" -gt 8 ]; then
            echo "$peak in parallel, $connections connections"
            cat ours
            return 1
        fi
    }
    LANES=2
    row http counted "$CHAOS"
    row "https, a proxy" counted "$CHAOS_TLS" --proxy "unix://$PROXIES/pass"
    rows 2
}

@test "get: ranges that fail are mended one by one" {
    LANES=4 # of two cores' work, and some waiting
    # one late range of four: one more request
    late='"range":"=8388[0-9]*-","first":1'
    table get_heals wide <<END
reset|$late,"cut":1000000,"then":"reset"|12-13
no answer|$late,"cut":-1|12-13
stall|$late,"cut":1000000,"then":"stall"|12-16|--stall 2
too long|$late,"length":7,"cut":8000000|12-13
503|$late,"error":"503 SlowDown"|12-13
the first one|"first":1,"cut":1000000|12-13
all of them once|"once":true,"error":"500 InternalError"|20-23
END
    sealed() {
        export AWS_MAX_ATTEMPTS=2
        fetch widesealed "$late,\"cut\":1000000" -K "$SERVERS/key" &&
            arrived wide && seen 12-13
    }
    row "with a key" sealed
    signed() {
        plan "$late,\"cut\":1000000"
        talk get --allow-http "$CHAOS/$BUCKET/wide?$QUERY" out/file
        arrived wide && seen 12-13
    }
    row "presigned" signed
    rows 9
}

@test "get: ranges of another version, or others than asked for: never mixed" {
    LANES=4
    late='"range":"=8388[0-9]*-"'
    says='"headers":{"Content-Range":"bytes'
    table get_fails wide <<END
changed: 412|$late,"replace":"~"|1-12|6|chang
changed, overlooked|$late,"replace":"~"},{"overlook":true|1-12|6|chang
another ETag|$late,"headers":{"ETag":"\"other\""}|1-12|6|chang
no ETag any more|$late,"headers":{"ETag":null}|1-12|6|chang
half a range|$late,"cut":1000000|1-12|6|wide
another range|$late,"serve":"bytes=0-8388607"|1-12|6|range
a shifted range|$late,"serve":"bytes=83886079-92274686"|1-12|6|range
another range said|$late,$says 83886081-92274687/92274688"}|1-12|6|range
a total that grew|$late,$says 83886080-92274687/92274689"}|1-12|6|wide
no Content-Range|$late,"headers":{"Content-Range":null}|1-12|6|range
expired|$late,"error":"403 AccessDenied Request has expired"|1-12|6|expired
404|$late,"error":"404 NoSuchKey"|1-12|6|NoSuchKey
204|$late,"status":204|1-12|6|wide
END
    # a range that is answered by all of it: either it is understood, or not
    whole() {
        export AWS_MAX_ATTEMPTS=1
        fetch wide "$1" || return 1
        if [ "$status" -eq 0 ]; then
            arrived wide
        else
            undone 6 ""
        fi
    }
    row "a late one is all" whole "$late,\"whole\":true"
    row "two Content-Ranges" whole "$late,\"headers\":{\"Content-Range\":\
[\"bytes 83886080-92274687/92274688\",\"bytes 0-8388607/92274688\"]}"
    rows 15
}

@test "get: a store without ranges or ETags is read in one go" {
    LANES=4
    row "no ranges" get_heals wide '"whole":true' 1-2
    row "no ETag" get_heals wide '"headers":{"ETag":null}' 1-11
    row "a weak ETag" get_heals wide '"headers":{"ETag":"W/\"a\""}' 1-11
    rows 3
}

@test "get -K: plaintext appears only when the tag holds" {
    tagged() { # STATUS PLAN: to a file, and to standard output
        export AWS_MAX_ATTEMPTS=1
        fetch sealed "$2" -K "$SERVERS/key" && undone "$1" "" || return 1
        plan "$2"
        talk get "${S3[@]}" -K "$SERVERS/key" "s3://$BUCKET/sealed" -
        fails "$1" && [ ! -s stdout ] && empty out "$TMPDIR"
    }
    row "changed" tagged 3 '"replace":"~"'
    row "shorter than a tag" tagged 4 '"replace":"short"'
    row "shorter" tagged 3 '"replace":"'"$(printf %050d 0)"'"'
    row "half" tagged 6 '"cut":50000'
    row "half, said to be all" tagged 6 '"length":-50000,"cut":50028'
    row "reset" tagged 6 '"cut":50000,"then":"reset"'
    heals() {
        export AWS_MAX_ATTEMPTS=2
        fetch sealed "$1" -K "$SERVERS/key" && arrived small && seen 2
    }
    row "mended" heals '"first":1,"cut":50000'
    rows 7
}

@test "put: parts that fail are mended one by one" {
    LANES=4
    part='"query":"partNumber=3(&.*)?$","first":1'
    complete='"method":"POST","query":"uploadId"'
    xml='<?xml version=\"1.0\" encoding=\"UTF-8\"?>'
    # POST uploads, nine parts, POST: 11
    table put_heals big <<END
reset|$part,"take":1000000,"then":"reset"|12
stall|$part,"take":1000000,"then":"stall"|12-15|--stall 2
no answer, though it was done|$part,"cut":-1|12
503|$part,"error":"503 SlowDown"|12
503 before the body is read|$part,"error":"503 SlowDown","early":true|12
no upload is made at first|"query":"uploads","first":1,
    "error":"503 SlowDown"|12
Complete: 503|$complete,"first":1,"error":"503 SlowDown"|12
Complete: 200 and an error|$complete,"first":1,
    "body":"$xml\n<Error><Code>InternalError</Code>
    <Message>We encountered an internal error. Please try again.</Message>
    </Error>"|12
Complete: blanks while it waits|$complete,"done":true,"slow_body":0.005,
    "body":"$xml\n\t\n\t\n\t\n<CompleteMultipartUploadResult><Key>key</Key>
    <ETag>&quot;a-9&quot;</ETag></CompleteMultipartUploadResult>"|11|--stall 1
an odd upload id|"query":"uploads","upload":"a+b/c=d&e f%2F?\u00e9"|11
END
    sealed() {
        plan "$part,\"take\":1000000"
        talk put "${S3[@]}" -K "$SERVERS/key" "$1" "s3://$BUCKET/key"
        fails 0 && no_uploads && seen 12 || return 1
        curl -sSf "$CHAOS/_object/$BUCKET/key" |
            ref open "$SERVERS/key" | cmp - "$SERVERS/big"
    }
    row "with a key" sealed "$SERVERS/big"
    piped() {
        plan "$part,\"take\":1000000"
        talk put "${S3[@]}" - "s3://$BUCKET/key" <"$SERVERS/big"
        fails 0 && seen 12 && at_store "$SERVERS/big"
    }
    row "from standard input" piped
    rows 12
}

@test "put: a Complete whose answer was lost" {
    # It was done; asked again, S3 may not know the upload any more. That is
    # no proof of either: the object itself is.
    LANES=4
    lost() {
        export AWS_MAX_ATTEMPTS=3
        send big "\"method\":\"POST\",\"query\":\"uploadId\",\"first\":1,$1" \
            --stall 1 && fails 0 && at_store "$SERVERS/big"
    }
    row "closed" lost '"cut":-1'
    row "reset" lost '"cut":-1,"then":"reset"'
    row "stall" lost '"cut":-1,"then":"stall"'
    row "half" lost '"cut":50'
    # lost, and not done either: an older object is no proof
    undone_either() {
        export AWS_MAX_ATTEMPTS=3
        local post='"method":"POST","query":"uploadId"'
        send big "$post,\"nth\":1,\"status\":200,\"cut\":-1},\
{$post,\"nth\":2,\"error\":\"404 NoSuchUpload\"" && undone 6 upload &&
            not_at_store
    }
    row "not done" undone_either
    rows 5
}

@test "put: a failure that stays aborts the upload" {
    LANES=4
    part='"query":"partNumber=3(&.*)?$"'
    complete='"method":"POST","query":"uploadId"'
    table put_fails big <<END
reset|$part,"take":1000000,"then":"reset"|3-12|6|key
stall|$part,"take":1000000,"then":"stall"|3-12|6|stall|--stall 1
403|$part,"error":"403 AccessDenied"|3-12|6|AccessDenied
403 before it is read|$part,"error":"403 AccessDenied","early":true|3-12|6|403
503|$part,"error":"503 SlowDown"|3-12|6|SlowDown
NoSuchUpload|$part,"error":"404 NoSuchUpload"|3-12|6|NoSuchUpload
no ETag of a part|$part,"headers":{"ETag":null}|3-12|6|ETag
an ETag that breaks XML|$part,"headers":{"ETag":"</ETag><&"}|3-12|6|ETag
Complete: error|$complete,"body":"<Error><Code>InternalError</Code>
    </Error>"|12|6|InternalError
Complete: refused|$complete,"error":"400 InvalidPart"|12|6|InvalidPart
Complete: garbage|$complete,"body":"<<<"|12-13|6|key
Complete: nothing|$complete,"body":""|12-13|6|key
Complete: 1 MiB of headers|$complete,"status":200,"padding":1048576|12-13|6|key
END
    # nothing can be sent where no upload was made
    begin='"query":"uploads"'
    made=InitiateMultipartUploadResult
    table put_fails big <<END
no upload|$begin,"error":"403 AccessDenied"|1|6|AccessDenied
upload: garbage|$begin,"body":"\u0001<<&&"|1|6|key
upload: another|$begin,"body":"<Other><UploadId>a</UploadId></Other>"|1|6|key
upload: no id|$begin,"body":"<$made><Key>k</Key></$made>"|1|6|key
upload: empty id|$begin,"body":"<$made><UploadId></UploadId></$made>"|1|6|key
upload: an error|$begin,"body":"<Error><Code>InternalError</Code></Error>"|1|6|
upload: half|$begin,"status":200,"body":"<$made><U","length":99,"cut":9|1|6|key
END
    rows 20
}

@test "put: the abort itself is tried again, and its failure is said" {
    LANES=4
    part='"query":"partNumber=3(&.*)?$","error":"403 AccessDenied"'
    abort='"method":"DELETE"'
    TRIES=3 row "503, then done" put_fails big \
        "$part},{$abort,\"first\":1,\"error\":\"503 SlowDown\"" \
        4-13 6 AccessDenied
    left() {
        export AWS_MAX_ATTEMPTS=1
        send big "$part},{$abort,\"error\":\"403 AccessDenied\"" &&
            fails 6 AccessDenied bort
    }
    row "refused" left
    rows 2
}

@test "put: over 5 GiB by one request is refused before it begins" {
    truncate -s 5368709121 huge
    plan ''
    run timeout 20 "$ENCFLOW" put --allow-http huge "$CHAOS/$BUCKET/key?$QUERY"
    fails 4 hint: s3://
    seen 0
    # 5 GiB itself is not, nor is more in parts
    truncate -s 5368709120 huge
    plan '"error":"403 AccessDenied","early":true'
    run timeout 20 "$ENCFLOW" put --allow-http huge "$CHAOS/$BUCKET/key?$QUERY"
    fails 6 AccessDenied
    seen 1 length=5368709120
    truncate -s 5368709121 huge
    run timeout 20 "$ENCFLOW" put "${S3[@]}" huge "s3://$BUCKET/key"
    fails 6 AccessDenied
    seen 1 'POST .* uploads'
}

# -------------------------------------------------------------------- signals

ended() { ! kill -0 "$1" 2>/dev/null; }

# ended_by SIGNAL STATUS REGEX ARG...: encflow ARG..., until a request matches
# REGEX, then SIGNAL.
ended_by() {
    local signal=$1 want=$2 regex=$3 pid
    shift 3
    # a background process of a script ignores INT, one under nohup HUP
    env --default-signal "$ENCFLOW" "$@" >stdout 2>said &
    pid=$!
    soon logged "$regex" || { cat said; kill -KILL $pid; return 1; }
    sleep 0.2 # in the middle of it
    kill -"$signal" "$pid"
    status=0
    soon ended "$pid" || kill -KILL "$pid"
    wait "$pid" 2>/dev/null || status=$?
    output=$(<said)
    fails "$want" && empty out "$TMPDIR"
}

@test "put: parts grow so that 10,000 of them suffice" {
    # sparse files: the first parts are refused, and nothing more is read
    part='"query":"partNumber","error":"403 AccessDenied","early":true'
    for size in 83886080000=8388608 83886080001=8388609 100G=10737419; do
        truncate -s "${size%=*}" huge
        plan "$part"
        run timeout 20 "$ENCFLOW" put "${S3[@]}" huge "s3://$BUCKET/key"
        fails 6 AccessDenied
        seen 1-8 "PUT .* length=${size#*=} "
        no_uploads
    done
}

@test "signals: an upload is aborted, nothing is left" {
    LANES=3
    stopped() { # SIGNAL STATUS FILE PLAN REGEX
        plan "$4"
        took 0 ended_by "$1" "$2" "$5" put "${S3[@]}" "$SERVERS/$3" \
            "s3://$BUCKET/key" && not_at_store
    }
    parts='"query":"partNumber=[3-9]","take":5000000,"then":"stall"'
    local signal
    for signal in INT:130 TERM:143 HUP:129; do
        row "$signal" stopped "${signal%:*}" "${signal#*:}" big \
            "$parts" 'PUT .*partNumber=3'
    done
    row "TERM while it completes" stopped TERM 143 big \
        '"method":"POST","query":"Id","status":200,"cut":-1,"then":"stall"' \
        'POST .* uploadId'
    row "TERM while it begins" stopped TERM 143 big \
        '"query":"uploads","status":200,"cut":-1,"then":"stall"' \
        'POST .*uploads'
    row "TERM, one request" stopped TERM 143 small \
        '"take":9,"then":"stall"' PUT
    rows 6
}

@test "put: a file that tells no size is read to its end" {
    cat /proc/version >version
    plan ''
    talk put "${S3[@]}" /proc/version "s3://$BUCKET/key"
    fails 0
    at_store version
    talk put "${S3[@]}" -K "$SERVERS/key" /proc/version "s3://$BUCKET/key"
    fails 0
    talk get "${S3[@]}" -K "$SERVERS/key" "s3://$BUCKET/key" out/file
    same out/file version
}

@test "signals: nothing is under way, and put ends at once" {
    local pid
    mkfifo silent
    exec 8<>silent
    for what in "put $SERVERS/small -" "put -K - $SERVERS/small s3://b/k"; do
        # shellcheck disable=SC2086 # words
        "$ENCFLOW" $what <silent >out.txt 2>&1 8>&- 3>&- &
        pid=$!
        sleep 0.3 # it reads by then; earlier it would end as well
        kill -TERM "$pid"
        (sleep 3 && kill -KILL "$pid") 2>/dev/null 3>&- 8>&- &
        status=0
        wait "$pid" || status=$?
        kill $! 2>/dev/null # the watcher, before pid is another's
        [ "$status" -eq 143 ]
    done
}

@test "signals: a download leaves nothing, even if it is killed" {
    LANES=4
    stopped() { # SIGNAL STATUS OBJECT PLAN [OPTION...]
        local signal=$1 want=$2 object=$3
        plan "$4"
        shift 4
        took 0 ended_by "$signal" "$want" GET get "${S3[@]}" "$@" \
            "s3://$BUCKET/$object" out/file
    }
    stall='"cut":5000,"then":"stall"'
    local signal
    for signal in INT:130 TERM:143 KILL:137; do
        row "$signal" stopped "${signal%:*}" "${signal#*:}" small "$stall"
        row "$signal, ranges" stopped "${signal%:*}" "${signal#*:}" wide \
            "\"range\":\"=8388[0-9]*-\",$stall"
        row "$signal, with a key" stopped "${signal%:*}" "${signal#*:}" \
            sealed "$stall" -K "$SERVERS/key"
        # while it waits before it tries again
        row "$signal, waiting" stopped "${signal%:*}" "${signal#*:}" small \
            '"error":"503 SlowDown","headers":{"Retry-After":"19"}'
    done
    rows 12
}

# -------------------------------------------------------------------- proxies

# through [OPTION...]: put and get small by the proxy that PROXY_LOG is of;
# BASE is the endpoint.
through() {
    S3=(--allow-http --cacert "$CA" --endpoint-url "$BASE")
    send small '' "$@" && fails 0 && at_store "$SERVERS/small" || return 1
    fetch small '' "$@" && arrived small
}

# proxied COUNT REGEX: the good proxy saw so many connections to REGEX.
proxied() {
    local count
    count=$(grep -cE -e "$2" "$PROXIES/pass.log") || true
    [ "$count" -ge "${1%-*}" ] && [ "$count" -le "${1#*-}" ] || {
        echo "the proxy saw $count of $2, not $1:"
        cat "$PROXIES/pass.log"
        return 1
    }
}

@test "proxy: http://, unix://, the environment; https, http; names it knows" {
    : >"$PROXIES/pass.log"
    : >"$PROXIES/pass.head"
    local plain=${CHAOS#*//} tls=${CHAOS_TLS#*//} pass port=${CHAOS##*:}
    pass=$(proxy pass)
    BASE=$CHAOS_TLS row "http://, https" through --proxy "$pass"
    BASE=$CHAOS_TLS row "unix://, https" through --proxy "unix://$PROXIES/pass"
    rows 2
    proxied 4 "^CONNECT $tls "
    # a name only the proxy knows
    BASE=http://unix.invalid:$port row "unix://, a name" through \
        --proxy "unix://$PROXIES/pass"
    BASE=http://tcp.invalid:$port row "http://, a name" through --proxy "$pass"
    BASE=$CHAOS row "unix://, http" through --proxy "unix://$PROXIES/pass"
    rows 5
    proxied 2 "^CONNECT unix.invalid:$port "
    proxied 2 "^CONNECT $plain "
    proxied 2 "tcp.invalid:$port" # CONNECT, or the whole URL
    # what was signed is the store's, not the proxy's
    tr -d '\r' <"$PROXIES/pass.head" | awk 'BEGIN { RS = "" } /^CONNECT/' >told
    grep -c '^CONNECT' told
    if grep -iE 'authorization|x-amz|AKIDEXAMPLE' told; then
        echo '^^^ the proxy was told'
        return 1
    fi
}

@test "proxy: the environment's, and no_proxy" {
    local deny pass tls=${CHAOS_TLS#*//}
    deny=$(proxy deny) pass=$(proxy pass)
    : >"$PROXIES/pass.log"
    BASE=$CHAOS_TLS
    https_proxy=$pass row "https_proxy" through
    rows 1
    proxied 2 "^CONNECT $tls "
    all_proxy=$pass row "all_proxy" through
    rows 2
    proxied 4 "^CONNECT $tls "
    # an option goes before the environment
    https_proxy=$deny row "--proxy, https_proxy" through --proxy "$pass"
    https_proxy=$deny row "unix, https_proxy" through \
        --proxy "unix://$PROXIES/pass"
    rows 4
    proxied 8 "^CONNECT $tls "
    # and no_proxy before either
    https_proxy=$deny no_proxy=localhost row "no_proxy" through
    https_proxy=$deny NO_PROXY=localhost row "NO_PROXY" through
    https_proxy=$deny no_proxy='*' row "no_proxy=*" through
    no_proxy=localhost row "no_proxy, --proxy" through --proxy "$deny"
    no_proxy=localhost row "no_proxy, unix" through \
        --proxy "unix://$PROXIES/deny"
    https_proxy=$pass no_proxy=localhost.elsewhere,host row \
        "no_proxy of others" through
    rows 10
    proxied 10 "^CONNECT $tls "
}

@test "proxy: one that refuses, fails, lies, leaves or hangs" {
    spoiled() { # PROXY WORDS [OPTION...]
        local proxy=$1 words=$2
        shift 2
        export AWS_MAX_ATTEMPTS=1
        S3=(--allow-http --cacert "$CA" --endpoint-url "$CHAOS_TLS"
            --proxy "$proxy")
        fetch small '' "$@" && undone 6 "$words" || return 1
        send small '' "$@" && undone 6 "$words" && not_at_store && seen 0
    }
    local mode words
    LANES=22 # they wait most of the time
    for mode in deny:403 fail:502 auth:407 garbage: flood: close: reset:; do
        words="proxy ${mode#*:}"
        mode=${mode%:*}
        [ "$mode" != flood ] || words= # it begins as an answer should
        row "$mode" spoiled "$(proxy "$mode")" "$words"
        row "$mode, unix" spoiled "unix://$PROXIES/$mode" "$words"
    done
    for mode in hang drip; do
        row "$mode" took 2 spoiled "$(proxy $mode)" "" --connect-timeout 1
        row "$mode, unix" took 2 spoiled "unix://$PROXIES/$mode" "" \
            --connect-timeout 1
    done
    row "nobody there" spoiled "http://127.0.0.1:$(free_port)" proxy
    row "no such socket" spoiled "unix://$PROXIES/none" proxy
    row "no such name" spoiled \
        "http://$(printf 'a%.0s' {1..64}).invalid:1" proxy
    row "no socket" spoiled "unix://$PROXIES/pass.log" proxy
    rows 22
}

@test "proxy: a failure that passes is mended" {
    # the proxy lets it through, the store breaks it
    mended() {
        S3=(--allow-http --cacert "$CA" --endpoint-url "$CHAOS_TLS")
        get_heals small '"first":1,"cut":50000,"then":"reset"' 2 "$@" &&
            put_heals small '"first":1,"take":50000,"then":"reset"' 2 "$@"
    }
    row "http" mended --proxy "$(proxy pass)"
    row "unix" mended --proxy "unix://$PROXIES/pass"
    rows 2
}

@test "proxy: URLs that are none" {
    wrong() {
        # were one taken for good, it would still not be connected to
        export no_proxy='*'
        talk get "${S3[@]}" --proxy "$1" s3://b/key out/file
        undone 2 proxy
    }
    local url
    for url in '' ftp://127.0.0.1:1 http:// http://127.0.0.1:99999 unix:// \
        vsock: vsock://3 vsock://x:1 vsock://3:x vsock://3: vsock://:8000 \
        vsock://4294967296:1 vsock://3:4294967296 \
        "unix:///$(printf 'a%.0s' {1..200})" localhost; do
        row "$url" wrong "$url"
    done
    rows 15
}

# ------------------------------------------------------------------------ run

# dataset PORT NAME URL
dataset() {
    mkdir -p "ports/$1/$2"
    printf %s "$3" | "$ENCFLOW" credentials make --url - -K "$SERVERS/key" \
        -o "ports/$1/$2"
}

# job PLAN [OPTION...]: the application says how its input is called by its
# checksum.
job() {
    plan "$1"
    shift
    dataset input in "$CHAOS/$BUCKET/sealed?$QUERY" &&
        dataset output out "$CHAOS/$BUCKET/key?$QUERY" || return 1
    talk run --ports ports --work "$PWD/work" --allow-http "$@" -- \
        /bin/sh -c 'sha256sum <"$1"' sh
}

# delivered: and the application had the right input.
delivered() {
    fails 0 && [ ! -e work ] || return 1
    curl -sSf "$CHAOS/_object/$BUCKET/key" | ref open "$SERVERS/key" |
        "$PYTHON" -c 'import base64, hashlib, json, sys
result = json.load(sys.stdin)
digest = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
assert base64.b64decode(result["stdout"]).decode().startswith(digest), result
' "$SERVERS/small" && empty "$TMPDIR"
}

@test "run: an input or an output that fails twice, then comes" {
    twice() { # PLAN REQUESTS
        job "\"first\":2,$1" --stall 1 && delivered && seen "$2"
    }
    local get='"method":"GET"' put='"method":"PUT"'
    row "in: 503" twice "$get,\"error\":\"503 SlowDown\"" 4
    row "in: reset" twice "$get,\"cut\":40000,\"then\":\"reset\"" 4
    row "in: closed" twice "$get,\"cut\":40000" 4
    row "in: stall" twice "$get,\"cut\":40000,\"then\":\"stall\"" 4
    row "in: no answer" twice "$get,\"cut\":-1" 4
    row "in: no ETag" twice "$get,\"cut\":40000},{\"headers\":{\"ETag\":null}" 4
    row "in: Range overlooked" twice "$get,\"cut\":40000},{\"whole\":true" 4
    row "out: 503" twice "$put,\"error\":\"503 SlowDown\"" 4
    row "out: 500 before it is read" twice \
        "$put,\"error\":\"500 InternalError\",\"early\":true" 4
    row "out: reset" twice "$put,\"take\":100,\"then\":\"reset\"" 4
    row "out: no answer" twice "$put,\"cut\":-1" 4
    row "out: stall" twice "$put,\"take\":100,\"then\":\"stall\"" 4
    resumed() {
        twice "$get,\"cut\":40000" 4 || return 1
        seen 2 'GET .* range=bytes=[1-9][0-9]*-[0-9]* if-match="[0-9a-f]{32}"'
    }
    row "in: resumes by Range and If-Match" resumed
    rows 13
}

@test "run: an input that changes or does not come: nothing runs" {
    spoiled() { # STATUS PLAN
        job "$2" --stall 1 || return 1
        [[ $status =~ ^$1$ ]] || fails "$1" || return 1
        [[ $output != *"Running script"* ]] && not_at_store &&
            [ ! -e work ] && empty "$TMPDIR"
    }
    local get='"method":"GET"' cut='"nth":1,"cut":40000'
    row "changed: 412" spoiled [36] "$cut},{\"nth\":2,\"replace\":\"~\""
    row "changed, overlooked" spoiled [36] \
        "$cut},{\"nth\":2,\"replace\":\"~\",\"overlook\":true"
    row "shifted" spoiled [36] "$cut},{\"nth\":2,\"headers\":\
{\"Content-Range\":\"bytes 0-60027/100028\"}"
    row "503 for ever" spoiled 6 "$get,\"error\":\"503 SlowDown\""
    row "never whole" spoiled 6 "$get,\"cut\":40000},{\"whole\":true"
    row "403" spoiled 6 "$get,\"error\":\"403 AccessDenied\""
    rows 6
}

@test "run, result, credentials check: by a proxy, with retries" {
    : >"$PROXIES/pass.log"
    local unix=unix://$PROXIES/pass
    job '"first":1,"error":"503 SlowDown"' --proxy "$unix"
    delivered
    proxied 1-3 "^CONNECT ${CHAOS#*//} "
    talk result -K "$SERVERS/key" --allow-http --proxy "$unix" \
        "$CHAOS/$BUCKET/key?$QUERY"
    fails 0
    grep -E '^[0-9a-f]{64}' stdout
    talk credentials check --online --allow-http --proxy "$unix" \
        ports/input/in
    fails 0
    proxied 3-5 "^CONNECT ${CHAOS#*//} "
    seen 5
    # and one that is not there is missed
    export AWS_MAX_ATTEMPTS=1
    for command in "result -K $SERVERS/key $CHAOS/$BUCKET/key?$QUERY" \
        "credentials check --online ports/input/in"; do
        # shellcheck disable=SC2086
        talk $command --allow-http --proxy "unix://$PROXIES/none"
        fails 6 proxy
    done
    seen 5
}
