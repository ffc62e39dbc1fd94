#!/usr/bin/env bats
# Where keys, region and endpoint come from: the table of
# credentials_cases.py, first by boto3, then by encflow; and what a table of
# requests does not show.

bats_require_minimum_version 1.5.0
load common
load servers

setup_file() {
    mkdir -p "$SERVERS"
    serve aws "$PYTHON" "$BATS_TEST_DIRNAME/credentials_cases.py" serve \
        "$SERVERS/aws.log"
    URL=http://127.0.0.1:$(port_in aws) || return 1
    export URL
}

setup() {
    common_setup
    CASES=$BATS_TEST_DIRNAME/credentials_cases.py
    export ENCFLOW
    export AWS_EC2_METADATA_SERVICE_ENDPOINT=$URL
    GET=(get s3://bucket/key - --allow-http --endpoint-url "$URL")
}

# apart COMMAND...: run it in a network of its own, from which no packet gets
# out, and which has the addresses of AWS's metadata services.
apart() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --map-root-user --net sh -c '
        ip link set lo up
        for a in 169.254.170.2/32 169.254.170.23/32 169.254.169.254/32; do
            ip address add "$a" dev lo
        done
        ip address add fd00:ec2::254/128 dev lo nodad
        exec "$@"' - "$@"
}

# Containers may not make networks. No case outside --fixed needs one; it is
# there so that not even a mistake leaves the machine.
cases() {
    if apart true 2>/dev/null; then
        apart "$PYTHON" "$CASES" "$@"
    else
        "$PYTHON" "$CASES" "$@"
    fi
}

# process TEXT: a credential_process that runs this piece of sh.
process() {
    mkdir -p .aws
    printf '#!/bin/sh\n%s\n' "$1" >process
    chmod +x process
    printf '[default]\ncredential_process = "%s/process"\n' "$PWD" \
        >.aws/config
}

KEYS='{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"SECRETWORD",
"SessionToken":"TOKENWORD"}'

@test "credentials: boto3 does what the table states" {
    cases boto3
}

@test "credentials: encflow does what the table states" {
    cases encflow
}

@test "credentials: the fixed addresses, by boto3 and by encflow" {
    apart true 2>/dev/null || skip "needs a network namespace"
    cases boto3 --fixed
    cases encflow --fixed
}

@test "credentials: a process gets its words, and nothing else of ours" {
    # no descriptor but those that this shell leaves to every command, and
    # not the standard input that is sent
    process "readlink /proc/self/fd/* >seen; cat >input; echo '$KEYS'"
    ./process </dev/null >out 2>err
    mv seen want
    printf 'the object' | "$ENCFLOW" put - s3://bucket/key --allow-http \
        --endpoint-url "$URL"
    same "$SERVERS/aws.log.body" <(printf 'the object')
    [ ! -s input ]
    [ "$(wc -l <seen)" -eq "$(wc -l <want)" ]
}

@test "credentials: a process that does not end is ended" {
    process 'echo $$ >pid; exec sleep 100'
    local start=$SECONDS
    run timeout 20 "$ENCFLOW" "${GET[@]}" --max-time 2
    [ $((SECONDS - start)) -lt 20 ]
    fails 1 credential_process
    # and it is gone, and waited for
    [ ! -e "/proc/$(<pid)" ]
}

@test "credentials: a signal does not wait for a process" {
    process 'echo $$ >pid; exec sleep 100'
    "$ENCFLOW" "${GET[@]}" 3>&- &
    local encflow=$! start=$SECONDS
    until [ -s pid ]; do
        [ $((SECONDS - start)) -lt 20 ]
        sleep 0.05
    done
    kill -TERM "$encflow"
    status=0
    wait "$encflow" || status=$?
    [ "$status" -eq 143 ]
    [ $((SECONDS - start)) -lt 20 ]
    kill "$(<pid)" 2>/dev/null || true # what it may do with it is its own
}

@test "credentials: what a process says is shown" {
    process 'echo "no card in the reader" >&2; exit 33'
    run "$ENCFLOW" "${GET[@]}"
    fails 1 'no card in the reader' credential_process 33
}

@test "credentials: -v says where keys are from, and tells none" {
    process "echo '$KEYS'"
    run "$ENCFLOW" "${GET[@]}" -v
    fails 0 AKID credential_process
    [[ $output != *SECRETWORD* ]]
    [[ $output != *TOKENWORD* ]]
}

@test "credentials: an endpoint of the settings may be http: only if allowed" {
    mkdir .aws
    printf '%s\n' '[default]' 'aws_access_key_id = AKID' \
        'aws_secret_access_key = SECRETWORD' "endpoint_url = $URL" >.aws/config
    run "$ENCFLOW" get s3://bucket/key -
    fails 5 --allow-http
    run "$ENCFLOW" get s3://bucket/key - --allow-http
    fails 0
}
