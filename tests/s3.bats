#!/usr/bin/env bats
# Presigned URLs against a server that verifies them: s3rver, SigV2 and
# SigV4, through curl and through `encflow run`.

bats_require_minimum_version 1.5.0
load common
load servers

setup_file() { start_s3rver; }

setup() {
    common_setup
    export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
    export AWS_ENDPOINT_URL=$S3_URL
    head -c 100000 /dev/urandom >data
    KEY='dir/a b+c=é%41~.enc'
}

# sign download|upload KEY [OPTION...]: the URL alone; SIGV2 is empty or
# --sigv2
sign() {
    local direction=$1 key=$2
    shift 2
    "$ENCFLOW" presign default "$direction" s3://store "$key" 600 -q \
        ${SIGV2:+"$SIGV2"} "$@"
}

# answers STATUS CURL-ARG...: one request; its answer has that status. The
# answer's body goes to the file body.
answers() {
    local want=$1 got
    shift
    got=$(curl -sS --path-as-is -o body -w '%{http_code}' "$@")
    if [ "$got" != "$want" ]; then
        printf 'status %s, wanted %s: %s\n' "$got" "$want" "$*"
        cat body
        return 1
    fi
}

# spoil URL NAME: the last character of query parameter NAME, or of the
# path when NAME is `path`, replaced by another of its kind.
spoil() {
    "$PYTHON" - "$@" <<'EOF'
import re, sys
url, name = sys.argv[1:]
found = re.search(
    r"[^/?]+(?=\?)" if name == "path" else r"(?<=[?&]%s=)[^&]+" % name, url)
at = re.search(r"[0-9A-Za-z](?=[^0-9A-Za-z]*$)", url[:found.end()]).start()
other = "B" if url[at] == "A" else "A"
if url[at].isdigit():
    other = str((int(url[at]) + 1) % 10)
elif url[at] in "bcdef":
    other = "a"
print(url[:at] + other + url[at + 1:])
EOF
}

@test "s3: presigned PUT and GET are accepted, SigV4 and SigV2" {
    for SIGV2 in "" --sigv2; do
        answers 200 -T data "$(sign upload "$KEY")"
        answers 200 "$(sign download "$KEY")"
        same data body
        answers 200 -T /dev/null "$(sign upload "$KEY")"
    done
}

@test "s3: one changed byte anywhere is refused, SigV4 and SigV2" {
    local put get name
    answers 200 -T data "$(sign upload object)"
    put=$(sign upload object) get=$(sign download object)
    for name in path X-Amz-Signature X-Amz-Date X-Amz-Expires \
        X-Amz-Credential X-Amz-SignedHeaders; do
        answers 403 -T /dev/null "$(spoil "$put" $name)"
        answers 403 "$(spoil "$get" $name)"
    done
    answers 403 -T /dev/null "$get"
    answers 403 "$put"
    SIGV2=--sigv2
    put=$(sign upload object) get=$(sign download object)
    for name in path Signature Expires AWSAccessKeyId; do
        answers 403 -T /dev/null "$(spoil "$put" $name)"
        answers 403 "$(spoil "$get" $name)"
    done
    answers 403 -T /dev/null "$get"
    answers 403 "$put"
    # nothing of all this was written
    answers 200 "$(sign download object)"
    same data body
}

@test "s3: another secret, and a URL whose time is over, are refused" {
    answers 200 -T data "$(sign upload object)"
    for SIGV2 in "" --sigv2; do
        answers 403 "$(sign download object --at $(($(date +%s) - 700)))"
        answers 403 "$(AWS_SECRET_ACCESS_KEY=S3RVEX sign download object)"
    done
}

@test "s3: --query is signed and obeyed" {
    local type='text/x-y; name="a b"'
    answers 200 -T data "$(sign upload object)"
    for SIGV2 in "" --sigv2; do
        curl -sSf -o /dev/null -D head "$(sign download object \
            --query "response-content-type=$type" \
            --query response-cache-control=no-store)"
        grep -i "^content-type: $type" head
        grep -i '^cache-control: no-store' head
    done
}

# dataset PORT NAME URL: a dataset of ports/ from a presigned URL, with the
# program's own `credentials make`.
dataset() {
    mkdir -p "ports/$1/$2"
    printf %s "$3" | "$ENCFLOW" credentials make --url - -K key.hex \
        -o "ports/$1/$2"
}

@test "s3: run takes its inputs and puts its results by presigned URLs" {
    printf 'START,DESCRIPTION\n1,b\n2,a\n3,b\n' >table.csv
    "$ENCFLOW" keygen -o key.hex
    "$ENCFLOW" enc -K key.hex -in table.csv -out table.enc
    for SIGV2 in "" --sigv2; do
        rm -rf ports
        answers 200 -T table.enc "$(sign upload "in/$KEY")"
        dataset input conditions "$(sign download "in/$KEY")"
        dataset output one "$(sign upload "out$SIGV2")"
        dataset output two "$(sign upload "$KEY$SIGV2")"
        "$ENCFLOW" run --ports ports --work "$PWD/work" --allow-http >said
        grep -F "Writing output to location: $S3_URL/store/out$SIGV2" said
        for object in "out$SIGV2" "$KEY$SIGV2"; do
            "$ENCFLOW" result -K key.hex --allow-http \
                "$(sign download "$object")" >shown
            grep -x 'Name: DESCRIPTION, dtype: object' shown
            grep -x 'freq      2' shown
        done
    done
}

@test "s3: run with one changed byte: refused, nothing runs, nothing written" {
    "$ENCFLOW" keygen -o key.hex
    "$ENCFLOW" enc -K key.hex -in data -out data.enc
    answers 200 -T data.enc "$(sign upload spoiled-in)"

    # the input's URL: the application does not run
    dataset input quirk "$(spoil "$(sign download spoiled-in)" X-Amz-Signature)"
    dataset output b "$(sign upload spoiled-out)"
    run "$ENCFLOW" run --ports ports --work "$PWD/work" --allow-http \
        -- /bin/true
    fails 6 quirk SignatureDoesNotMatch
    [[ $output != *"Running script"* ]]
    answers 404 "$(sign download spoiled-out)"

    # the output's URL: said, exit 6, nothing there
    rm -r ports
    dataset input a "$(sign download spoiled-in)"
    dataset output quirk "$(spoil "$(sign upload spoiled-out)" X-Amz-Signature)"
    run "$ENCFLOW" run --ports ports --work "$PWD/work" --allow-http \
        -- /bin/true
    fails 6 quirk SignatureDoesNotMatch
    answers 404 "$(sign download spoiled-out)"
}
