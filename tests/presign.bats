#!/usr/bin/env bats
# `encflow presign` through the command line: the published examples, every
# row of the shared table, 2,000 random cases against botocore, where keys
# and settings come from, and what is refused.

# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common

setup() {
    common_setup
    CASES=$BATS_TEST_DIRNAME/presign_cases.py
    AT=20130524T000000Z
    export ENCFLOW
}

# The key pair of AWS's own documentation, in the environment.
use_keys() {
    export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
    export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
}

# presign ARG...: sets url (stdout) and stderr; fails when encflow does.
presign() {
    run --separate-stderr "$ENCFLOW" presign "$@"
    if [ "$status" -ne 0 ]; then
        printf 'exit %s: %s\n' "$status" "$stderr"
        return 1
    fi
    url=$output
}

# has TEXT WORD...: TEXT holds every WORD.
has() {
    local text=$1 word
    shift
    for word; do
        if [[ $text != *"$word"* ]]; then
            printf 'lacks "%s":\n%s\n' "$word" "$text"
            return 1
        fi
    done
}

@test "presign: AWS's published SigV4 query example" {
    # Amazon S3 API reference, "Authenticating requests: using query
    # parameters", example
    use_keys
    presign default download s3://examplebucket test.txt 86400 --at "$AT"
    [ "$url" = "https://examplebucket.s3.amazonaws.com/test.txt\
?X-Amz-Algorithm=AWS4-HMAC-SHA256\
&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3\
%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\
&X-Amz-SignedHeaders=host&X-Amz-Signature=\
aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" ]
}

@test "presign: AWS's published SigV2 query example" {
    # Amazon S3 developer guide, "Signing and authenticating REST requests",
    # query string request authentication alternative
    use_keys
    presign default download s3://johnsmith/photos puppy.jpg 3600 --sigv2 \
        --at $((1175139620 - 3600))
    [ "$url" = "https://johnsmith.s3.amazonaws.com/photos/puppy.jpg\
?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620" ]
}

@test "presign: every row of the shared table, byte for byte" {
    need_shared cases/presign.tsv
    "$PYTHON" "$CASES" table "$SHARED/cases/presign.tsv"
}

@test "presign: the botocore installed here agrees with the shared table" {
    need_shared cases/presign.tsv
    "$PYTHON" "$CASES" botocore "$SHARED/cases/presign.tsv"
}

@test "presign: 2,000 random cases as botocore signs them" {
    "$PYTHON" "$CASES" random 20130524 2000
}

@test "presign: the reference's command lines, at the present time" {
    use_keys
    local before after date
    before=$(date +%s)
    presign default download s3://pocs-data conditions.csv.enc 86400
    after=$(date +%s)
    [[ $url == "https://pocs-data.s3.amazonaws.com/conditions.csv.enc?"* ]]
    [[ $url =~ X-Amz-Date=([0-9]{8})T([0-9]{2})([0-9]{2})([0-9]{2})Z ]]
    date=$(date -u +%s -d "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}:\
${BASH_REMATCH[3]}:${BASH_REMATCH[4]}")
    [ "$before" -le "$date" ]
    [ "$date" -le "$after" ]
    has "$url" X-Amz-Expires=86400

    # ... and in the form of its published output
    presign default upload s3://pocs-data out.enc 86400 --sigv2
    [[ $url =~ ^https://pocs-data.s3.amazonaws.com/out.enc\
'?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature='[A-Za-z0-9%]+\
'&Expires='([0-9]+)$ ]]
    [ $((BASH_REMATCH[1] - after - 86400)) -ge -2 ]
    [ $((BASH_REMATCH[1] - after - 86400)) -le 5 ]
}

@test "presign: one line on stdout; every form of --at, of S3DIR, of options" {
    use_keys
    "$ENCFLOW" presign default upload s3://bucket/a/b c.enc 60 \
        --region eu-west-1 --at "$AT" >want
    [ "$(wc -l <want)" -eq 1 ]
    [ "$(tail -c 1 want)" = "" ]
    local form forms=(
        "default upload bucket/a/b c.enc 60 --region eu-west-1 --at $AT"
        "default upload s3://bucket/a/b/ c.enc 60 --region eu-west-1 --at $AT"
        "default upload s3://bucket/a b/c.enc 60 --region=eu-west-1 --at=$AT"
        "default upload s3://bucket a/b/c.enc 60 --region eu-west-1 --at $AT"
        "--region eu-west-1 --at $AT default upload s3://bucket/a/b c.enc 60"
        "--region eu-west-1 --at $AT -- default upload bucket/a/b c.enc 60"
        "default --at $AT upload bucket/a/b --region eu-west-1 c.enc 60"
        "default upload s3://bucket/a/b c.enc 60 --region eu-west-1\
 --at 1369353600"
        "default upload s3://bucket/a/b c.enc 60 --region eu-west-1\
 --at 2013-05-24T00:00:00Z"
    )
    for form in "${forms[@]}"; do
        # shellcheck disable=SC2086
        "$ENCFLOW" presign $form >got || { echo "$form"; return 1; }
        same want got || { echo "$form"; return 1; }
    done
}

@test "presign: host and path without --addressing" {
    use_keys
    local region bucket endpoint want
    while read -r region bucket endpoint want; do
        set -- --region "$region"
        [ "$endpoint" = - ] || set -- "$@" --endpoint-url "$endpoint"
        presign default download "s3://$bucket" dir/k 60 --at "$AT" "$@"
        if [ "${url%%\?*}" != "$want" ]; then
            echo "$region $bucket $endpoint: ${url%%\?*}, wanted $want"
            return 1
        fi
    done <<'EOF'
us-east-1 bucket - https://bucket.s3.amazonaws.com/dir/k
eu-west-1 bucket - https://bucket.s3.eu-west-1.amazonaws.com/dir/k
us-west-1 a--b - https://a--b.s3.us-west-1.amazonaws.com/dir/k
cn-north-1 bucket - https://bucket.s3.cn-north-1.amazonaws.com.cn/dir/k
us-gov-west-1 bucket - https://bucket.s3.us-gov-west-1.amazonaws.com/dir/k
us-iso-east-1 bucket - https://bucket.s3.us-iso-east-1.c2s.ic.gov/dir/k
us-isof-south-1 bucket - https://bucket.s3.us-isof-south-1.csp.hci.ic.gov/dir/k
us-east-1 my.bucket - https://s3.amazonaws.com/my.bucket/dir/k
eu-west-1 my.bucket - https://s3.eu-west-1.amazonaws.com/my.bucket/dir/k
eu-west-1 under_score - https://s3.eu-west-1.amazonaws.com/under_score/dir/k
eu-west-1 -starts - https://s3.eu-west-1.amazonaws.com/-starts/dir/k
eu-west-1 bucket http://127.0.0.1:9000 http://127.0.0.1:9000/bucket/dir/k
eu-west-1 bucket https://h.example/p/ https://h.example/p/bucket/dir/k
EOF
}

# As in an image whose HOME is root's and whose user is another.
@test "presign: a HOME that may not be searched has no files" {
    local as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    [ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
    cp "$ENCFLOW" encflow # which may be in a folder of root's own
    mkdir -m 700 home && mkdir home/.aws
    printf '[default]\nregion = eu-west-1\n' >home/.aws/config
    chmod 755 "$BATS_TEST_TMPDIR" encflow
    run env HOME="$PWD/home" AWS_ACCESS_KEY_ID=AKID AWS_SECRET_ACCESS_KEY=s \
        "${as[@]}" ./encflow presign default download s3://bucket k 60
    [ "$status" -eq 0 ]
    [[ $output == https://bucket.s3.amazonaws.com/k\?* ]]
}

@test "presign: where the key pair comes from" {
    cat >credentials <<'EOF'
# two profiles
[default]
aws_access_key_id = AKIDEFAULT
aws_secret_access_key = one

[other]
aws_access_key_id=AKIOTHER
aws_secret_access_key=two
aws_session_token = tokentwo
EOF
    cat >config <<'EOF'
[profile third]
aws_access_key_id = AKITHIRD
aws_secret_access_key = three
region = eu-central-1
EOF
    local ask=(download s3://bucket k 60 --at "$AT")

    # the files named by the environment
    export AWS_SHARED_CREDENTIALS_FILE=$PWD/credentials
    export AWS_CONFIG_FILE=$PWD/config
    presign default "${ask[@]}"
    has "$url" Credential=AKIDEFAULT%2F
    presign other "${ask[@]}"
    has "$url" Credential=AKIOTHER%2F Security-Token=tokentwo
    presign third "${ask[@]}"
    has "$url" Credential=AKITHIRD%2F20130524%2Feu-central-1%2F \
        https://bucket.s3.eu-central-1.amazonaws.com/

    # the same files at their usual place
    unset AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE
    mkdir .aws
    mv credentials config .aws
    presign other "${ask[@]}"
    has "$url" Credential=AKIOTHER%2F
    presign third "${ask[@]}"
    has "$url" Credential=AKITHIRD%2F

    # a profile asked for by name beats keys in the environment
    use_keys
    presign other "${ask[@]}"
    has "$url" Credential=AKIOTHER%2F

    # no file, no such section: the environment, for `default` alone
    rm -r .aws
    presign default "${ask[@]}"
    has "$url" Credential=AKIAIOSFODNN7EXAMPLE%2F
    run "$ENCFLOW" presign other "${ask[@]}"
    [ "$status" -ne 0 ]
    has "$output" other
}

@test "presign: region and endpoint, the most particular setting wins" {
    use_keys
    mkdir .aws
    printf '%s\n' '[profile p]' 'region = ap-south-1' \
        'endpoint_url = http://profile.example' \
        'aws_access_key_id = ID' 'aws_secret_access_key = S' >.aws/config
    # each step adds a setting that beats those before it
    host() {
        presign "$@" download s3://bucket k 60 --at "$AT"
        url=${url#*//}
    }
    host default
    [[ $url == bucket.s3.amazonaws.com/*%2Fus-east-1%2F* ]]
    host p
    [[ $url == profile.example/bucket/*%2Fap-south-1%2F* ]]
    export AWS_DEFAULT_REGION=sa-east-1 AWS_ENDPOINT_URL=http://all.example
    host p
    [[ $url == all.example/bucket/*%2Fsa-east-1%2F* ]]
    export AWS_REGION=eu-west-2 AWS_ENDPOINT_URL_S3=http://s3.example
    host p
    [[ $url == s3.example/bucket/*%2Feu-west-2%2F* ]]
    host p --region us-west-2 --endpoint-url http://option.example
    [[ $url == option.example/bucket/*%2Fus-west-2%2F* ]]
}

@test "presign: --json" {
    use_keys
    export AWS_SESSION_TOKEN=tok/en==
    local flags
    for flags in "" --sigv2; do
        # shellcheck disable=SC2086
        "$ENCFLOW" presign default upload s3://bucket/x 'a b' 3601 \
            --at "$AT" $flags >url
        # shellcheck disable=SC2086
        "$ENCFLOW" presign default upload s3://bucket/x 'a b' 3601 \
            --at "$AT" --json $flags >json
        "$PYTHON" - <<'EOF'
import base64, json
url = open("url").read().rstrip("\n")
said = json.load(open("json"))
location, query = url.split("?", 1)
want = {"url": url, "location": location,
        "query_string": base64.b64encode(query.encode()).decode(),
        "expires": "2013-05-24T01:00:01Z"}
assert said == want, (said, want)
assert list(said) == list(want), list(said)
EOF
    done
}

@test "presign: what may end a URL early is said on stderr" {
    use_keys
    local ask=(default download s3://bucket k 86400 --at "$AT")
    presign "${ask[@]}"
    [ -z "$stderr" ]
    presign "${ask[@]}" --sigv2
    [[ $url == https://*Expires=1369440000 ]]
    has "$stderr" "Version 2"
    export AWS_SESSION_TOKEN=SESSIONTOKENVALUE
    presign "${ask[@]}"
    [[ $url == https://*X-Amz-Signature=* ]]
    has "$stderr" token
    [[ $stderr != *SESSIONTOKENVALUE* ]]
    presign "${ask[@]}" --quiet
    [ -z "$stderr" ]
}

@test "presign: arguments that are wrong, exit 2" {
    use_keys
    local line
    while read -r line; do
        # shellcheck disable=SC2086
        run --separate-stderr "$ENCFLOW" presign $line
        if [ "$status" -ne 2 ] || [ -n "$output" ] || [ -z "$stderr" ]; then
            printf 'presign %s: exit %s, stdout "%s", stderr "%s"\n' \
                "$line" "$status" "$output" "$stderr"
            return 1
        fi
    done <<'EOF'
default download s3://bucket k 0
default download s3://bucket k 604801
default download s3://bucket k x
default download s3://bucket k -- -1
default download s3://bucket k 1e3
default download s3://bucket k 60s
default download s3://bucket k 18446744073709551617
default download s3://bucket k
default download s3://bucket
default
default download s3://bucket k 60 surplus
default fetch s3://bucket k 60
default download s3://bucket k 60 --addressing sideways
default download s3://bucket k 60 --at yesterday
default download s3://bucket k 60 --at 2013-13-24T00:00:00Z
default download s3://bucket k 60 --query novalue
default download s3://bucket k 60 --no-such-option
default download s3://bucket k 60 --region
EOF
}

@test "presign: what cannot be signed is refused, and says what it is" {
    use_keys
    local want ask word
    while IFS='|' read -r want ask word; do
        # shellcheck disable=SC2086
        run --separate-stderr "$ENCFLOW" presign $ask --at "$AT"
        if [[ ! $status =~ ^[$want]$ ]] || [ -n "$output" ] ||
            [[ $stderr != *"$word"* ]]; then
            printf '%s: exit %s (wanted %s), stdout "%s", stderr "%s"\n' \
                "$ask" "$status" "$want" "$output" "$stderr"
            return 1
        fi
    done <<'EOF'
5|default download s3://data--use1-az5--x-s3 k 60|--x-s3
5|default download arn:aws:s3:eu-west-1:123456789012:accesspoint/p k 60|arn:
5|default download s3://arn:aws:s3:::bucket k 60|arn:
24|default download s3://buck*et k 60|buck
24|default download s3:// k 60|bucket
24|default download https://bucket k 60|https:
24|default download s3://bucket k 60 --region eu/west|eu/west
24|default download s3://bucket k 60 --endpoint-url ftp://h|ftp:
24|default download s3://bucket k 60 --endpoint-url https://h/?a=b|h/
24|default download s3://bucket k 60 --endpoint-url https://h:99999|99999
EOF
}

@test "presign: a profile that is missing or incomplete is named" {
    mkdir .aws
    cat >.aws/credentials <<'EOF'
[half]
aws_access_key_id = AKIAHALF
[role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = half
[sso]
sso_start_url = https://example.awsapps.com/start
EOF
    local profile word
    while read -r profile word; do
        run --separate-stderr \
            "$ENCFLOW" presign "$profile" download s3://bucket k 60
        if [ "$status" -eq 0 ] || [ -n "$output" ] ||
            [[ $stderr != *"$word"* ]]; then
            printf '%s: exit %s, stdout "%s", stderr "%s"\n' \
                "$profile" "$status" "$output" "$stderr"
            return 1
        fi
    done <<'EOF'
nosuch nosuch
half secret
role role_arn
sso sso_start_url
default AWS_ACCESS_KEY_ID
EOF
    # the environment, half filled
    export AWS_ACCESS_KEY_ID=AKIAHALF
    run --separate-stderr "$ENCFLOW" presign default download s3://bucket k 60
    [ "$status" -ne 0 ]
    has "$stderr" AWS_SECRET_ACCESS_KEY
}

@test "presign: a long token is signed or refused, never left out" {
    use_keys
    local size
    for size in 1000 4000 8000 20000; do
        AWS_SESSION_TOKEN=$(head -c "$size" /dev/zero | tr '\0' t)
        export AWS_SESSION_TOKEN
        run --separate-stderr \
            "$ENCFLOW" presign default download s3://bucket k 60
        if [ "$status" -eq 0 ]; then
            has "$output" "X-Amz-Security-Token=$AWS_SESSION_TOKEN&"
        else
            [ "$size" -gt 4000 ]
            has "$stderr" AWS_SESSION_TOKEN
        fi
    done
}

@test "presign: a credentials file that does not parse, by its line" {
    mkdir .aws
    local text
    for text in 'no section = here' '[default' '[default]\nno delimiter' \
        '[default]\naws_secret_access_key = SECRETWORD\n[default]' \
        '[default]\naws_access_key_id=A\naws_secret_access_key=SECRETWORD # x' \
        '[default]\naws_secret_access_key = SECRETWORD\n \xff = 1'; do
        printf "%b\n" "$text" >.aws/credentials
        run --separate-stderr "$ENCFLOW" presign default download s3://b k 60
        if [ "$status" -ne 4 ] || [ -n "$output" ] ||
            [[ ! $stderr =~ credentials.*(line|byte)\ [0-9] ]] ||
            [[ $stderr == *SECRETWORD* ]]; then
            printf '%q: exit %s, stderr "%s"\n' "$text" "$status" "$stderr"
            return 1
        fi
    done
}

@test "presign: the secret key is never printed" {
    use_keys
    run "$ENCFLOW" presign default download s3://bucket k 60 --verbose
    [ "$status" -eq 0 ]
    [[ $output != *"$AWS_SECRET_ACCESS_KEY"* ]]
    run "$ENCFLOW" presign default download s3://buck*et k 60 --verbose
    [ "$status" -ne 0 ]
    [[ $output != *"$AWS_SECRET_ACCESS_KEY"* ]]
}
