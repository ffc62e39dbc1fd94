#!/usr/bin/env bats
# `put` and `get` against servers that verify: OpenStack Swift's S3 interface
# (swift.py), and s3rver for a second opinion; and beside other clients of
# them, awscli and s3cmd, whose objects must be ours and ours theirs. nginx is
# there for what needs no S3 but many large objects, quickly.
#
# What s3rver cannot: keys with an empty or a dotted part (they are files of
# its), lists of odd keys (escaped twice) and of multipart uploads, ETags of
# parts, regions. Those tests have Swift alone.

bats_require_minimum_version 1.5.0
load common
load servers

setup_file() {
    start_nginx
    start_s3rver
    mkdir -p "$SERVERS/swift"
    serve swift "$PYTHON" "$ROOT/tests/swift.py" "$SERVERS/swift"
    SWIFT_URL=$(port_in swift)
    [[ $SWIFT_URL =~ ^http://127.0.0.1:[0-9]+$ ]] || {
        cat "$SERVERS"/swift.out "$SERVERS"/swift/*.log >&2
        return 1
    }
    export SWIFT_URL SWIFT_LOG=$SERVERS/swift/proxy.log

    export DATA=$BATS_FILE_TMPDIR/data
    mkdir "$DATA"
    : >"$DATA/empty"
    head -c 100001 /dev/urandom >"$DATA/small"
    head -c 20000000 /dev/urandom >"$DATA/medium"   # > 8 MiB, two requests
    head -c $BIG /dev/urandom >"$DATA/big"          # > 64 MiB, in parts
    "$ENCFLOW" keygen -o "$DATA/key.hex"
    "$ENCFLOW" keygen -o "$DATA/other.hex"
}

PART=$((8 << 20)) BIG=$((80 * 1024 * 1024 + 123))
PARTS=$(((BIG + PART - 1) / PART))

setup() {
    common_setup
    export AWS_PAGER=''
    BOTH=(swift s3rver)
    on swift
}

# The copies of 70 MiB would add up.
teardown() { rm -rf "${BATS_TEST_TMPDIR:?}"/*; }

# on swift|s3rver: what follows goes there, ours and theirs.
on() {
    echo "on $1:" # for whoever reads a failure
    case $1 in
    swift)
        export AWS_ENDPOINT_URL=$SWIFT_URL AWS_REGION=eu-north-1
        export AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=testing
        ;;
    s3rver)
        export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
        export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
        ;;
    esac
}

# Whatever hangs is to fail its test, not the run of all.
put() { timeout -k 5 60 "$ENCFLOW" put --allow-http "$@"; }
get() { timeout -k 5 60 "$ENCFLOW" get --allow-http "$@"; }
ref() { "$PYTHON" "$ROOT/tests/reference.py" "$@"; }
aws() { /usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
s3cmd() {
    local host=${AWS_ENDPOINT_URL#http://}
    command s3cmd -q -c /dev/null --no-ssl --host="$host" \
        --host-bucket="$host" --region="$AWS_REGION" \
        --access_key="$AWS_ACCESS_KEY_ID" \
        --secret_key="$AWS_SECRET_ACCESS_KEY" "$@"
}

# sign download|upload KEY [OPTION...]
sign() {
    "$ENCFLOW" presign default "$1" s3://store "$2" 600 -q "${@:3}"
}

# etag KEY, listing: as awscli sees them
etag() {
    aws s3api head-object --bucket store --key "$1" --query ETag \
        --output text | tr -d '"'
}
listing() {
    aws s3api list-objects-v2 --bucket store --query 'Contents[].[Key]' \
        --output text "$@"
}

# logged COUNT METHOD KEY: that many requests for KEY (plain ASCII) in Swift's
# log, whose lines come a moment after the answers. COUNT+ is "or more".
logged() {
    local i most=${1%+}
    [ "$most" = "$1" ] || most=10000
    for ((i = 0; i < 100; i++)); do
        grep -E "^proxy-server: $2 /store/$3(%3F[^ ]*)? " "$SWIFT_LOG" >lines
        if [ "$(wc -l <lines)" -ge "${1%+}" ] &&
            [ "$(wc -l <lines)" -le "$most" ]; then
            cat lines
            return 0
        fi
        sleep 0.05
    done
    printf '%s requests wanted, but:\n' "$1"
    cat lines
    return 1
}

# parallel: at least two of the logged requests in the standard input were
# under way at the same time.
parallel() {
    sort -k 7,7 | awk '$7 < end { both++ } $8 > end { end = $8 }
        END { exit both < 1 }'
}

# lacks FILE WORD
lacks() {
    if grep -F -e "$2" "$1"; then
        return 1
    fi
}

# sums COLUMN: of logged requests
sums() { awk -v column="$1" '{ sum += $column } END { print sum }'; }

# leaves_nothing STATUS WORD... -- ARG...: get fails, and there is no file,
# not even a temporary one, where it was to write.
leaves_nothing() {
    local want=()
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    shift
    rm -rf here
    mkdir here
    run get "$@" here/out
    fails "${want[@]}"
    [ -z "$(ls -A here)" ]
}

# ------------------------------------------------------- objects and keys

@test "put and get: small, empty and medium objects, equal in every byte" {
    local name
    for server in "${BOTH[@]}"; do
        on "$server"
        for name in empty small medium; do
            put "$DATA/$name" "s3://store/plain-$name"
            get "s3://store/plain-$name" >out
            same "$DATA/$name" out
            # s3rver promises a byte, and sends none, for a range of nothing
            if [ "$server" = swift ] || [ "$name" != empty ]; then
                get "s3://store/plain-$name" out
                same "$DATA/$name" out
            fi
            rm out
        done
    done
    on swift
    [ "$(etag plain-small)" = "$(md5sum <"$DATA/small" | cut -d ' ' -f 1)" ]
    # one request each, its length said beforehand
    logged 1 PUT plain-medium >request
    grep -F Content-Length:%2020000000 request
    lacks request Transfer-Encoding
    logged 1 PUT plain-empty
}

@test "put and get: keys with every odd character arrive as they are written" {
    local key keys=('a b' 'a+b' 'é' '%41' A '~t' "q'\"q" 'x=y&z' '(x)*!,;:@$'
        'deep/er/and deeper' 'a..b' '日本' '[x]{y}|^`\' '100%' '%2F' '%'
        'e?f' 'g#h')
    for server in "${BOTH[@]}"; do
        on "$server"
        [ "$server" = s3rver ] || # whose files these would be
            keys+=('a//b' '/leading' 'a/../b' './c' '../d')
        for key in "${keys[@]}"; do
            printf '%s' "$key" >data # another content for each
            put data "s3://store/$key"
        done
        listing >list
        for key in "${keys[@]}"; do
            [ "$server" = s3rver ] || grep -Fxe "$key" list
            get "s3://store/$key" out
            printf '%s' "$key" | cmp - out
        done
    done
}

@test "put and get: the name is taken over where only a folder is given" {
    for server in "${BOTH[@]}"; do
        on "$server"
        mkdir -p folder
        cp "$DATA/small" 'na me'
        put 'na me' s3://store
        put 'na me' s3://store/up/
        listing >list
        grep -Fx 'na me' list
        grep -Fx 'up/na me' list
        get 's3://store/up/na me' folder
        same "$DATA/small" 'folder/na me'
        rm -r folder
    done
}

@test "put and get: the bucket in the host's name" {
    local there=(--endpoint-url "http://localhost:${SWIFT_URL##*:}"
        --addressing virtual)
    put "${there[@]}" "$DATA/small" s3://store/virtual
    get "${there[@]}" s3://store/virtual out
    same "$DATA/small" out
    grep '^proxy-server: PUT /virtual 200 .*Host:%20store.localhost:' \
        "$SWIFT_LOG"
    get s3://store/virtual again
    same "$DATA/small" again
}

# --------------------------------------------------------- parts and ranges

@test "over 64 MiB: up in parallel parts, down in parallel ranges" {
    local i
    for server in "${BOTH[@]}"; do
        on "$server"
        put "$DATA/big" s3://store/big
        get s3://store/big out
        same "$DATA/big" out
        rm out
    done

    on swift
    etag big | grep -Ex "[0-9a-f]{32}-$PARTS"
    logged "$PARTS" PUT big >parts
    [ "$(grep -c " 200 $PART " parts)" -eq $((PARTS - 1)) ]
    for i in $(seq "$PARTS"); do
        grep -q "partNumber%3D$i\b" parts
    done
    grep "partNumber%3D$PARTS\b.* 200 $((BIG % PART)) " parts
    parallel <parts

    logged 2+ GET big >ranges
    lacks ranges ' 200 '
    [ "$(sums 6 <ranges)" -ge "$BIG" ]
    # all but the first know which object it is
    [ "$(grep -c "If-Match:%20%22[0-9a-f]*-$PARTS%22" ranges)" -eq \
        $(($(wc -l <ranges) - 1)) ]
    parallel <ranges
}

@test "64 MiB is one request, a byte more is parts" {
    truncate -s 64M most
    put most s3://store/most
    logged 1 PUT most
    [[ $(etag most) =~ ^[0-9a-f]{32}$ ]]
    truncate -s $(((64 << 20) + 1)) more
    put more s3://store/more
    logged 9 PUT more
    [[ $(etag more) =~ ^[0-9a-f]{32}-9$ ]]
    get s3://store/most out
    same most out
    get s3://store/more out --force
    same more out
}

# -------------------------------------------------------- the key, in stream

@test "put -K seals as enc does, get -K opens what enc made" {
    local name
    for server in "${BOTH[@]}"; do
        on "$server"
        for name in empty small big; do
            put -K "$DATA/key.hex" "$DATA/$name" "s3://store/sealed-$name"
            curl -sSf -o sealed "$(sign download "sealed-$name")"
            [ "$(stat -c %s sealed)" -eq \
                $(($(stat -c %s "$DATA/$name") + 28)) ]
            ref open "$DATA/key.hex" <sealed >out
            same "$DATA/$name" out
            get -K "$DATA/key.hex" "s3://store/sealed-$name" mine
            same "$DATA/$name" mine

            "$ENCFLOW" enc -K "$DATA/key.hex" -in "$DATA/$name" -out sealed
            curl -sSf -T sealed "$(sign upload "theirs-$name")"
            get -K "$DATA/key.hex" "s3://store/theirs-$name" mine
            same "$DATA/$name" mine
            rm sealed out mine
        done
    done
    logged "$PARTS" PUT sealed-big >parts
    parallel <parts
    [ "$(sums 5 <parts)" -eq $((BIG + 28)) ]
}

@test "get -K in ranges: wherever they part the tag; one changed bit anywhere" {
    local more size at
    for more in -1 0 1 15 16 17 18; do
        echo "more: $more"
        truncate -s $(((72 << 20) - 16 + more)) plain
        "$ENCFLOW" enc -K "$DATA/key.hex" -in plain -out "$STORE/sealed"
        get -K "$DATA/key.hex" "$NGINX_HTTP/sealed" out
        same plain out
        rm out
    done
    size=$(stat -c %s "$STORE/sealed")
    for at in 0 11 12 $((64 << 20)) $(((64 << 20) + 12)) $((size - 19)) \
        $((size - 17)) $((size - 16)) $((size - 1)); do
        ref flip "$STORE/sealed" "$at"
        leaves_nothing 3 -- -K "$DATA/key.hex" "$NGINX_HTTP/sealed"
        ref flip "$STORE/sealed" "$at"
    done
    get -K "$DATA/key.hex" "$NGINX_HTTP/sealed" out
    same plain out
    rm "$STORE/sealed"
}

@test "get -K: another key or one changed byte is exit 3 and no file" {
    local name
    for name in small big; do
        "$ENCFLOW" enc -K "$DATA/key.hex" -in "$DATA/$name" -out sealed
        put sealed "s3://store/right-$name"
        ref flip sealed 5000
        put sealed "s3://store/wrong-$name"
        leaves_nothing 3 -- -K "$DATA/other.hex" "s3://store/right-$name"
        leaves_nothing 3 -- -K "$DATA/key.hex" "s3://store/wrong-$name"
        status=0
        get -K "$DATA/key.hex" "s3://store/wrong-$name" >out || status=$?
        [ "$status" -eq 3 ] && [ ! -s out ]
        rm sealed
    done
    put "$DATA/empty" s3://store/short
    leaves_nothing 4 -- -K "$DATA/key.hex" s3://store/short
}

# ------------------------------------------------------------ other clients

@test "objects of awscli and s3cmd come down, ours come down there" {
    local name names=(small big)
    for server in "${BOTH[@]}"; do
        on "$server"
        for name in "${names[@]}"; do
            aws s3 cp --quiet "$DATA/$name" "s3://store/aws-$name"
            get "s3://store/aws-$name" out
            same "$DATA/$name" out
            s3cmd put "$DATA/$name" "s3://store/s3cmd-$name"
            get "s3://store/s3cmd-$name" out --force
            same "$DATA/$name" out
            put "$DATA/$name" "s3://store/ours-$name"
            aws s3 cp --quiet "s3://store/ours-$name" out
            same "$DATA/$name" out
            s3cmd get --force "s3://store/ours-$name" out
            same "$DATA/$name" out
            rm out
        done
        names=(big) # these clients take their time
    done
}

# ------------------------------------------------- presigned URLs, failures

@test "put and get by presigned URLs, SigV4 and SigV2" {
    local v key='pre signed/é+%41'
    for server in "${BOTH[@]}"; do
        on "$server"
        for v in "" --sigv2; do
            put "$DATA/small" "$(sign upload "$key$v" $v)"
            get "$(sign download "$key$v" $v)" out
            same "$DATA/small" out
            # the URL by standard input, where no process list has it
            sign upload "$key$v" $v | put "$DATA/medium" -
            sign download "$key$v" $v | get - out --force
            same "$DATA/medium" out
            put -K "$DATA/key.hex" "$DATA/small" "$(sign upload "$key$v" $v)"
            get -K "$DATA/key.hex" "$(sign download "$key$v" $v)" mine
            same "$DATA/small" mine
            rm out mine
        done
    done
    on swift
    for v in "" --sigv2; do
        put "$DATA/big" "$(sign upload "long$v" $v)"
        logged 1 PUT "long$v" # parts would need a URL each
        get "$(sign download "long$v" $v)" out
        same "$DATA/big" out
        rm out
    done
}

@test "what the server refuses: exit 6, its code, and a hint where one helps" {
    for server in "${BOTH[@]}"; do
        on "$server"
        put "$DATA/small" s3://store/there
        AWS_SECRET_ACCESS_KEY=other run put "$DATA/small" s3://store/refused
        fails 6 s3://store/refused SignatureDoesNotMatch
        AWS_SECRET_ACCESS_KEY=other run put "$DATA/big" s3://store/refused
        fails 6 s3://store/refused SignatureDoesNotMatch
        AWS_SECRET_ACCESS_KEY=other \
            leaves_nothing 6 SignatureDoesNotMatch -- s3://store/there
        AWS_ACCESS_KEY_ID=nobody run put "$DATA/small" s3://store/refused
        fails 6 s3://store/refused
        run put "$DATA/small" s3://elsewhere/key
        fails 6 NoSuchBucket s3://elsewhere/key hint:
        run put "$DATA/big" s3://elsewhere/key
        fails 6 NoSuchBucket s3://elsewhere/key hint:
        leaves_nothing 6 NoSuchBucket hint: -- s3://elsewhere/key
        leaves_nothing 6 NoSuchKey s3://store/nothing -- \
            s3://store/nothing
        leaves_nothing 6 expired hint: -- "$(sign download there \
            --at $(($(date +%s) - 700)))"
        listing >list
        lacks list refused
    done
}

@test "another region: the hint names the right one" {
    run put --region ap-south-1 "$DATA/small" s3://store/region
    fails 6 AuthorizationHeaderMalformed
    [[ $output == *eu-north-1*hint:* ]]
    run put --region ap-south-1 "$DATA/big" s3://store/region
    fails 6 AuthorizationHeaderMalformed
    [[ $output == *eu-north-1*hint:* ]]
    AWS_REGION=ap-south-1 put --region eu-north-1 "$DATA/small" \
        s3://store/region
    AWS_REGION=ap-south-1 leaves_nothing 6 eu-north-1 -- s3://store/region
}

@test "a session token goes along, in the header and in a URL" {
    export AWS_SESSION_TOKEN='FwoGZXIvYXdzEB0aDPbO+/=='
    for server in "${BOTH[@]}"; do
        on "$server"
        put "$DATA/small" s3://store/token
        get s3://store/token out
        same "$DATA/small" out
        put "$DATA/small" "$(sign upload token-url)"
        get "$(sign download token-url)" out --force
        same "$DATA/small" out
        rm out
    done
    logged 1 PUT token >request
    grep -F X-Amz-Security-Token:%20FwoGZXIvYXdzEB0aDPbO%2B/%3D%3D request
    on swift
    put "$DATA/big" s3://store/token-big
    logged "$PARTS" PUT token-big >requests
    [ "$(grep -cF X-Amz-Security-Token requests)" -eq "$PARTS" ]
}

# ----------------------------------------------------- signals, standard files

# begin KEY ARG...: put ARG... in the background, as $pid, until the first of
# its parts is there. (bash would start it deaf to SIGINT.)
begin() {
    local i
    env --default-signal "$ENCFLOW" put --allow-http "${@:2}" \
        "s3://store/$1" <&0 2>err 3>&- &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        if grep -q "^proxy-server: PUT /store/$1%3F.* 200 " "$SWIFT_LOG"; then
            return 0
        fi
        sleep 0.05
    done
    cat err
    kill "$pid"
    return 1
}

# aborted KEY: the put that began has failed and called its upload off.
aborted() {
    status=0
    wait "$pid" || status=$?
    cat err
    [ "$status" -ne 0 ]
    logged 1 DELETE "$1" >request
    grep ' 204 ' request
}

# blobs: how many objects and parts Swift holds on its disk.
blobs() { find "$SERVERS/swift/devices" -name '*.data' | wc -l; }

@test "put that ends halfway leaves no upload, no parts, no object" {
    local before writer
    before=$(blobs)
    truncate -s 2G long # far from done at the first part
    begin gone-file long
    kill -TERM "$pid"
    aborted gone-file
    begin gone-sealed -K "$DATA/key.hex" long
    kill -INT "$pid"
    aborted gone-sealed
    mkfifo pipe
    { head -c 40000000 /dev/zero && exec sleep 60; } >pipe 3>&- &
    writer=$!
    begin gone-stdin - <pipe
    kill -HUP "$pid"
    aborted gone-stdin
    kill "$writer" || true # it may have had SIGPIPE
    # and no signal at all: the file is not what it was
    begin gone-short long
    truncate -s 0 long
    aborted gone-short
    [ "$status" -eq 1 ]

    aws s3api list-multipart-uploads --bucket store \
        --query 'Uploads[].Key' --output text >list
    lacks list gone-
    listing --prefix gone- >list
    lacks list gone-
    [ "$(blobs)" -eq "$before" ]
}

@test "put from standard input, get to standard output, with and without -K" {
    local name
    for server in "${BOTH[@]}"; do
        on "$server"
        for name in empty small medium big; do
            cat "$DATA/$name" | put - "s3://store/stdin-$name"
            get "s3://store/stdin-$name" - >out
            same "$DATA/$name" out
            cat "$DATA/$name" |
                put -K "$DATA/key.hex" - "s3://store/stdin-$name"
            get -K "$DATA/key.hex" "s3://store/stdin-$name" | cat >out
            same "$DATA/$name" out
            rm out
        done
        get s3://store/stdin-small >out
        "$ENCFLOW" dec -K "$DATA/key.hex" -in out | cmp - "$DATA/small"
    done
    # small enough is one request; each was put twice
    logged 2 PUT stdin-small
    logged $((2 * PARTS)) PUT stdin-big >parts
    parallel <parts
}

@test "nginx over TLS: up, down in ranges, sealed, and who does not verify" {
    tls() { timeout -k 5 60 "$ENCFLOW" "$1" --cacert "$CA" "${@:2}"; }
    for name in empty small medium big; do
        tls put "$DATA/$name" "$NGINX_HTTPS/tls-$name"
        same "$STORE/tls-$name" "$DATA/$name"
        tls get "$NGINX_HTTPS/tls-$name" mine
        same mine "$DATA/$name"
        tls put -K "$DATA/key.hex" "$DATA/$name" "$NGINX_HTTPS/sealed-$name"
        tls get -K "$DATA/key.hex" "$NGINX_HTTPS/sealed-$name" mine
        same mine "$DATA/$name"
        rm -f mine "$STORE"/*-"$name"
    done
    for url in "$NGINX_SELFSIGNED" "$NGINX_WRONGHOST" "$NGINX_EXPIRED"; do
        run tls get "$url/tls-small" mine
        fails 6 "does not verify" hint:
        run tls put "$DATA/small" "$url/tls-small"
        fails 6 "does not verify" hint:
        [ ! -e "$STORE/tls-small" ]
        [ ! -e mine ]
    done
}
