# Real servers for the tests, on free loopback ports, one set per .bats file.
# Load it after common. start_* belongs in setup_file; teardown_file is here:
#
#   setup_file() { start_nginx; }
#
# What start_* exports is seen by every test of the file:
#
#   start_nginx    NGINX_HTTP NGINX_HTTPS        base URLs over STORE
#                  NGINX_SELFSIGNED NGINX_WRONGHOST NGINX_EXPIRED
#                                               https, certificates that fail
#   start_faults   FAULTS_HTTP FAULTS_HTTPS     see faults.py for its paths
#   start_s3rver   S3_URL                       bucket `store`; key id and
#                                               secret are both S3RVER
#   all of them    STORE   the folder that nginx and faults.py serve; a PUT
#                          over HTTP(S) lands here (WebDAV)
#                  CA      the certificate authority, for --cacert
#                  SERVERS logs: nginx.log, faults.log (one request a line)
#
# Certificates are for the name localhost; connections go to 127.0.0.1.

SERVERS=$BATS_FILE_TMPDIR/servers
STORE=$SERVERS/store
CA=$SERVERS/tls/ca.pem
EF_NPM=${EF_NPM:-${BASH_SOURCE[0]%/*}/../build/npm}
export SERVERS STORE CA EF_NPM

# free_port: a TCP port of 127.0.0.1 that nobody listens on just now.
free_port() {
    /usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# serve NAME COMMAND...: start COMMAND in the background, note its pid. All
# of its output goes to NAME.out; bats' own descriptor 3 must not leak in.
serve() {
    local name=$1
    shift
    "$@" >"$SERVERS/$name.out" 2>&1 </dev/null 3>&- &
    echo "$!" >"$SERVERS/$name.pid"
}

# listening NAME PORT: wait until NAME listens on PORT; 1 when it has ended.
listening() {
    local pid i
    pid=$(<"$SERVERS/$1.pid")
    for ((i = 0; i < 200; i++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            return 1
        fi
        if (exec 9<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
            return 0
        fi
        sleep 0.05
    done
    return 1
}

# port_in NAME: wait for NAME's first line of output, which is its port(s).
port_in() {
    local i
    for ((i = 0; i < 400; i++)); do
        if [ -s "$SERVERS/$1.out" ]; then
            head -n 1 "$SERVERS/$1.out"
            return 0
        fi
        sleep 0.05
    done
    echo "$1 did not start" >&2
    cat "$SERVERS/$1.out" >&2
    return 1
}

# stop_server NAME: end it by its pid, and wait for it to be gone.
stop_server() {
    local pid i
    [ -e "$SERVERS/$1.pid" ] || return 0
    pid=$(<"$SERVERS/$1.pid")
    rm -f "$SERVERS/$1.pid"
    kill "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
}

stop_servers() {
    local file
    for file in "$SERVERS"/*.pid; do
        [ -e "$file" ] || continue
        file=${file##*/}
        stop_server "${file%.pid}"
    done
}

teardown_file() { stop_servers; }

# issue NAME SUBJECT DAYS: NAME.key and NAME.pem, signed by the CA.
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" &&
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
            -CAcreateserial -days "$3" -out "$1.pem" -extfile <(
                echo "subjectAltName = DNS:$2"
                echo "basicConstraints = critical, CA:false"
                echo "extendedKeyUsage = serverAuth"
            )
}

# An authority and four P-256 leaves: one good, three that must not verify.
make_certificates() {
    [ ! -e "$CA" ] || return 0
    mkdir -p "$SERVERS/tls" "$STORE" || return 1
    (
        cd "$SERVERS/tls" || exit 1
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
            -nodes -keyout ca.key -out ca.pem -days 2 -subj "/CN=test CA" \
            -addext "keyUsage = critical, keyCertSign" &&
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
                -nodes -keyout selfsigned.key -out selfsigned.pem -days 2 \
                -subj /CN=localhost \
                -addext "subjectAltName = DNS:localhost" &&
            issue good localhost 2 &&
            issue wronghost elsewhere.example 2 &&
            issue expired localhost -1
    ) >"$SERVERS/openssl.out" 2>&1 || {
        cat "$SERVERS/openssl.out" >&2
        return 1
    }
}

# tls_server CERTIFICATE PORT: one https server block over STORE.
tls_server() {
    cat <<EOF
    server {
        listen 127.0.0.1:$2 ssl;
        server_name localhost;
        ssl_certificate $SERVERS/tls/$1.pem;
        ssl_certificate_key $SERVERS/tls/$1.key;
        location / { dav_methods PUT DELETE; create_full_put_path on; }
    }
EOF
}

# nginx_conf PORT*5. Runs as whoever runs the tests: as root its worker stays
# root ("user root"), so that it can write STORE either way.
nginx_conf() {
    if [ "$(id -u)" -eq 0 ]; then
        echo "user root;"
    fi
    cat <<EOF
daemon off;
worker_processes 1;
pid $SERVERS/nginx.run;
error_log $SERVERS/nginx.err info;
events { worker_connections 256; }
http {
    log_format one '\$request_method \$uri \$status'
        ' length=\$http_content_length type=\$http_content_type'
        ' encoding=\$http_transfer_encoding query=\$args';
    access_log $SERVERS/nginx.log one;
    client_body_temp_path $SERVERS/nginx-tmp/body;
    proxy_temp_path $SERVERS/nginx-tmp/proxy;
    fastcgi_temp_path $SERVERS/nginx-tmp/fastcgi;
    uwsgi_temp_path $SERVERS/nginx-tmp/uwsgi;
    scgi_temp_path $SERVERS/nginx-tmp/scgi;
    client_max_body_size 0;
    default_type application/octet-stream;
    root $STORE;
    server {
        listen 127.0.0.1:$1;
        location / { dav_methods PUT DELETE; create_full_put_path on; }
    }
$(tls_server good "$2")
$(tls_server selfsigned "$3")
$(tls_server wronghost "$4")
$(tls_server expired "$5")
}
EOF
}

# nginx cannot choose its ports itself: pick free ones, and pick again when
# another process was quicker.
start_nginx() {
    local i ports nginx
    nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || {
        echo "needs nginx (package nginx-light)" >&2
        return 1
    }
    make_certificates || return 1
    mkdir -p "$SERVERS/nginx-tmp"
    for ((i = 0; i < 5; i++)); do
        ports=("$(free_port)" "$(free_port)" "$(free_port)" "$(free_port)"
            "$(free_port)")
        nginx_conf "${ports[@]}" >"$SERVERS/nginx.conf"
        serve nginx "$nginx" -p "$SERVERS" -c "$SERVERS/nginx.conf" \
            -e "$SERVERS/nginx.err"
        if listening nginx "${ports[0]}"; then
            : >"$SERVERS/nginx.log"
            export NGINX_HTTP=http://localhost:${ports[0]}
            export NGINX_HTTPS=https://localhost:${ports[1]}
            export NGINX_SELFSIGNED=https://localhost:${ports[2]}
            export NGINX_WRONGHOST=https://localhost:${ports[3]}
            export NGINX_EXPIRED=https://localhost:${ports[4]}
            return 0
        fi
        stop_server nginx
    done
    cat "$SERVERS/nginx.out" "$SERVERS/nginx.err" >&2
    return 1
}

start_faults() {
    local ports
    make_certificates || return 1
    serve faults /usr/bin/python3 "${BASH_SOURCE[0]%/*}/faults.py" \
        "$STORE" "$SERVERS/faults.log" \
        "$SERVERS/tls/good.pem" "$SERVERS/tls/good.key"
    ports=$(port_in faults) || return 1
    export FAULTS_HTTP=http://localhost:${ports% *}
    export FAULTS_HTTPS=https://localhost:${ports#* }
}

# s3rver verifies SigV2 and SigV4 queries. The package has no command of its
# own, so a line of JavaScript starts it; it lets the kernel pick its port.
# It asks for a newer Node.js than Debian 12's 18, but misses only toReversed.
start_s3rver() {
    local port
    mkdir -p "$SERVERS/s3" "$STORE"
    NODE_PATH=$EF_NPM/node_modules serve s3rver node -e '
        Array.prototype.toReversed ??= function () {
            return [...this].reverse();
        };
        const S3rver = require("@20minutes/s3rver");
        new S3rver({
            port: 0, address: "127.0.0.1", directory: process.argv[1],
            vhostBuckets: false, silent: true,
            configureBuckets: [{ name: "store" }],
        }).run((error, at) => console.log(error || at.port));
    ' "$SERVERS/s3"
    port=$(port_in s3rver) || return 1
    if ! [[ $port =~ ^[0-9]+$ ]]; then
        cat "$SERVERS/s3rver.out" >&2
        return 1
    fi
    export S3_URL=http://127.0.0.1:$port
}
