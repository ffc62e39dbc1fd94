#!/usr/bin/env bats
# The release service: one request, one answer, by each of its hosts; what is
# refused and why its log says so; the log itself. tests/release.py is the
# enclave, tests/nitro.py its documents.

# shellcheck disable=SC2030,SC2031 # every test is a process of its own

bats_require_minimum_version 1.5.0
load common
load data

# The scene is made once: three people, an input, an output, an application,
# an approved workflow. Each test has a copy of it.
setup_file() {
    export SCENE=$BATS_FILE_TMPDIR/scene
    mkdir "$SCENE"
    BATS_TEST_TMPDIR=$SCENE data_setup
    export ENCFLOW_WORKSPACE=$SCENE/ws
    scene
    begin slow_request
    if [ "${EF_SANITIZED:-0}" != 1 ]; then
        begin locked_log
        begin alarm
    fi
}

teardown_file() {
    local file
    for file in "$BATS_FILE_TMPDIR"/*/pid; do
        kill -- "-$(<"$file")" 2>/dev/null || true # its process group
    done
}

setup() {
    common_setup
    enter_scene
}

teardown() { stop_hosts; }

# enter_scene: a copy of the scene, here; what serves it
enter_scene() {
    unset ENCFLOW_ID XDG_CONFIG_HOME GATEWAY_INTERFACE LISTEN_PID LISTEN_FDS
    [ ! -d "$SCENE" ] || cp -r "$SCENE/." .
    export ENCFLOW_WORKSPACE=$PWD/ws TMPDIR=$PWD/tmp
    [ ! -e id ] || ID=$(<id)
    SERVE="$ENCFLOW release serve-one --release-key rel.pem --log log"
    SERVE+=" --root root.pem"
    HOSTS=()
}

# begin FUNCTION: what waits for long does so while the file's other tests
# run, in a folder of its own. Its test asks for the verdict.
begin() {
    local place=$BATS_FILE_TMPDIR/$1
    mkdir "$place"
    set -m
    (
        trap - DEBUG ERR EXIT # bats' own
        cd "$place" && enter_scene
        set +e # or -e would not count below
        (set -e && "$1")
        echo "$?" >status
    ) >"$place/told" 2>&1 </dev/null 3>&- &
    echo "$!" >"$place/pid"
    set +m
}

# verdict FUNCTION
verdict() {
    local place=$BATS_FILE_TMPDIR/$1 i
    for ((i = 0; i < 900; i++)); do
        [ ! -s "$place/status" ] || break
        sleep 0.1
    done
    cat "$place/told"
    [ "$(<"$place/status")" -eq 0 ]
}

# e ARG...: encflow, quietly; its output's last line
e() { "$ENCFLOW" "$@" 2>>notes | tail -n 1; }

scene() {
    local p build flow digits
    "$PYTHON" "$ROOT/tests/nitro.py" make-root .
    "$ENCFLOW" release keygen -o rel.pem >rel.pub
    for p in dana olga arno; do
        ENCFLOW_ID=$PWD/$p.pem e id new "$p"
    done
    printf 'CODE,DESCRIPTION\n1,Fever\n' >c.csv
    ENCFLOW_ID=$PWD/dana.pem e dataset add --release-key rel.pub --from c.csv \
        --to "file://$PWD/c.enc" --allow-file Conditions
    ENCFLOW_ID=$PWD/olga.pem e dataset add --release-key rel.pub \
        --direction output --to "file://$PWD/r.enc" --allow-file -K key.hex \
        Result
    digits=PCR0=$(printf 'a%.0s' {1..96}),PCR1=$(printf 'b%.0s' {1..96})
    digits+=,PCR2=$(printf 'c%.0s' {1..96})
    export ENCFLOW_ID=$PWD/arno.pem
    build=$(e app add --image reg/simple:1 --pcr "$digits" describe)
    e approve "${build##* }"
    e config add --app describe default
    export ENCFLOW_ID=$PWD/dana.pem
    e workflow new study
    e workflow add-app --build describe --config default study app
    e workflow connect study Conditions app:input
    e workflow connect study app:output Result
    flow=$(e workflow submit study)
    for p in dana olga arno; do
        ENCFLOW_ID=$PWD/$p.pem e approve "$flow"
    done
    echo "$flow" >flow
    e workflow hashes study | cut -d ' ' -f 1 >id
    [ "$(wc -c <id)" -eq 65 ]
}

enclave() { "$PYTHON" "$ROOT/tests/release.py" "$@"; }

# host COMMAND...: in the background, ended with the test
host() {
    "$@" >host.out 2>&1 </dev/null 3>&- &
    HOSTS+=("$!")
}

# appears FILE: wait for it
appears() {
    local i
    for ((i = 0; i < 200; i++)); do
        [ ! -e "$1" ] || return 0
        sleep 0.05
    done
    echo "$1 did not appear"
    return 1
}

# why REASON: the log's last line is a refusal for it, and the log is whole
why() {
    "$ENCFLOW" release log log >shown || return 1
    tail -n 2 shown | head -n 1 | grep -F " refused " | grep -F "  $1" || {
        printf 'wanted %s:\n' "$1"
        tail -n 2 shown
        return 1
    }
}

# no REASON [OPTION...]: a release that is refused for it
no() {
    local said
    said=$(enclave story "exec:$SERVE" "$ID" "${@:2}") || return 1
    [ "$said" = refused ] || {
        printf 'not refused, wanted %s\n' "$1"
        return 1
    }
    why "$1"
}

# whole VIA: a story from nonce to done by that host
whole() {
    enclave story "$1" "$ID" --done >said || return 1
    tail -n 1 said | grep -x '{"done":true}' &&
        head -n 1 said | grep -F :download | grep -qF :upload
}

@test "standard input: nonce, release, done; the log says which, where, when" {
    whole "exec:$SERVE"
    "$ENCFLOW" release log log >shown
    [ "$(wc -l <shown)" -eq 3 ]
    grep -F "  release   ${ID:0:16}  app  workflow $(head -c 16 flow)" shown |
        grep -qF ' on i-'
    grep -qF "  done      ${ID:0:16}" shown
    [ "$(tail -n 1 shown)" = "head $(tail -n 1 log | head -c -1 |
        sha256sum | cut -d ' ' -f 1)" ]
    "$ENCFLOW" release log --json log | "$ENCFLOW" json >/dev/null
    # the documents are those that decide: all but the credentials, of this
    grep ^document said | cut -d ' ' -f 2 | sort >sent
    ls ws | sort >all
    [ -z "$(comm -23 sent all)" ]
    grep -qxF "$(<flow)" sent
    lacks_secrets
}

# lacks_secrets: the data key that was released is not in the log
lacks_secrets() {
    local key
    key=$("$PYTHON" -c 'import json
print(json.loads(open("said").readline())["datasets"].popitem()[1]
      ["encryption"]["key"])')
    ! grep -qiF "$key" log
}

@test "what is opened is the dataset's own key" {
    enclave story "exec:$SERVE" "$ID" >said
    "$PYTHON" - <<'PY'
import hashlib, json, glob, base64
said = json.loads(open("said").readline())["datasets"]
assert len(said) == 2
def un(t): return base64.urlsafe_b64decode(t + "=" * (-len(t) % 4))
for name, cred in said.items():
    doc = json.loads(un(open("ws/" + name[:64]).read().split(".")[1]))
    label = b"encflow key commitment 1".ljust(32, b"\0")
    key = bytes.fromhex(cred["encryption"]["key"])
    assert hashlib.sha256(label + key).hexdigest() == doc["commitment"]
PY
}

@test "socat on a unix socket" {
    host socat UNIX-LISTEN:sock,fork,max-children=4 EXEC:"$SERVE",nofork
    appears sock
    whole "unix:$PWD/sock"
}

@test "systemd's socket activation: an accepted connection on fd 3" {
    host systemd-socket-activate --accept -l "$PWD/sock" \
        -E ENCFLOW_WORKSPACE $SERVE
    appears sock
    whole "unix:$PWD/sock"
}

@test "systemd's socket activation: a listening socket on fd 3" {
    cat >activate.py <<'PY'
import os, signal, socket, sys
pid = 0
def end(*_):
    os.kill(pid, signal.SIGTERM)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
s = socket.socket(socket.AF_UNIX)
s.bind("sock.new")
s.listen(16)
os.rename("sock.new", "sock")
while True:
    pid = os.fork()
    if pid == 0:
        os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(sys.argv[1], sys.argv[1:])
    os.waitpid(pid, 0)
PY
    # shellcheck disable=SC2086 # words
    host "$PYTHON" activate.py $SERVE
    appears sock
    whole "unix:$PWD/sock"
}

@test "nginx with fcgiwrap" {
    command -v fcgiwrap >/dev/null || skip "fcgiwrap is not installed"
    printf '#!/bin/sh\ncd %s && exec %s\n' "$PWD" "$SERVE" >serve.cgi
    chmod +x serve.cgi
    host fcgiwrap -s "unix:$PWD/fcgi"
    appears fcgi
    local port
    port=$("$PYTHON" -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >nginx.conf <<CONF
daemon off; pid $PWD/nginx.pid; error_log stderr; worker_processes 1;
user root;
events {}
http {
  access_log off; client_body_temp_path $PWD/body;
  fastcgi_temp_path $PWD/ft; proxy_temp_path $PWD/pt; uwsgi_temp_path $PWD/ut;
  scgi_temp_path $PWD/st; client_max_body_size 200m;
  server {
    listen 127.0.0.1:$port;
    location / {
      fastcgi_pass unix:$PWD/fcgi;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param REQUEST_METHOD \$request_method;
      fastcgi_param CONTENT_LENGTH \$content_length;
      fastcgi_param SCRIPT_FILENAME $PWD/serve.cgi;
      fastcgi_param ENCFLOW_WORKSPACE $PWD/ws;
    }
  }
}
CONF
    host nginx -c "$PWD/nginx.conf" -p "$PWD"
    appears nginx.pid
    whole "http://127.0.0.1:$port/"
    [ "$(curl -s -o reply -w '%{http_code}' "http://127.0.0.1:$port/")" = 403 ]
    [ "$(<reply)" = '{"error":"refused"}' ]
    why REQUEST_METHOD
    head -c 104857600 /dev/zero >large
    [ "$(curl -s -o reply -w '%{http_code}' --data-binary @large \
        "http://127.0.0.1:$port/")" != 200 ]
    why REQUEST_TOO_LARGE
}

@test "a document that is replayed: its nonce was used" {
    enclave story "exec:$SERVE" "$ID" --save request --save-done done >said
    run -3 $SERVE <request
    [ "$output" = '{"error":"refused"}' ]
    why NONCE_USED
    run -0 $SERVE <done
    run -3 $SERVE <done
    why DONE_TWICE
    sed "s/$ID/$(<flow)/" done >other
    run -3 $SERVE <other
    why APPCONFIG_MISMATCH
    sed 's/"token": "./"token": "_/' done >other
    run -3 $SERVE <other
    why TOKEN_WRONG
    rm log # as if the service had another one
    run -3 $SERVE <done
    why NONCE_UNUSED
}

@test "nonces: none, another service's, an old one" {
    no NONCE_MISSING --nonce ''
    no NONCE_FOREIGN --nonce "$(printf '00%.0s' {1..56})"
    no NONCE_FOREIGN --nonce 00
    "$ENCFLOW" release keygen -o other.pem >other.pub
    enclave story "exec:${SERVE/rel.pem/other.pem}" "$ID" --save request \
        --only-save
    run -3 $SERVE <request
    why NONCE_FOREIGN
}

@test "a nonce and a document that have become old" {
    # made with the service's own key, five minutes and a second ago
    local old
    old=$("$PYTHON" - rel.pem <<'PY'
import hashlib, hmac, sys, time
from cryptography.hazmat.primitives import serialization as s
k = s.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
sk = k.private_bytes(s.Encoding.Raw, s.PrivateFormat.Raw, s.NoEncryption())
key = hmac.new(sk, b"encflow release nonce 1", hashlib.sha256).digest()
for at in (-302, 100):
    n = (int(time.time()) + at).to_bytes(8, "big") + bytes(16)
    print((n + hmac.new(key, n, hashlib.sha256).digest()).hex())
PY
)
    no NONCE_STALE --nonce "${old%%$'\n'*}"
    no NONCE_STALE --nonce "${old##*$'\n'}"
    no STALE --time -302
    no FUTURE --time 70
}

@test "another enclave: its image, its registers, its chain, its key" {
    local other
    other=$(printf '1%.0s' {1..96})
    no PCR_MISMATCH --pcr "0=$other"
    grep -qF 'at PCR0' shown
    no PCR_MISMATCH --pcr "1=$other"
    no PCR_MISMATCH --pcr "2=$other"
    grep -qF 'at PCR2' shown
    no PCR_MISMATCH --pcr "16=$other"
    grep -qF 'at PCR16' shown
    no ROOT_MISMATCH --fault self-made-root
    no CERT_EXPIRED --fault expired
    # good when it was made, but not any more
    no CERT_EXPIRED --time -100 --leaf-lasts 50
    no CERT_NOT_YET_VALID --fault not-yet-valid
    no CERT_PATHLEN --fault leaf-as-ca
    no COSE_SIGNATURE --fault bad-signature
    no COSE_SIGNATURE --fault changed-payload
    no MODULE_ID_MISMATCH --fault other-instance
    no DEBUG_MODE --fault debug
    no NOT_AN_ENCLAVE --fault nitrotpm
    no COSE_ALG --fault qemu
    no KEY_SHAPE --public-key 00
    no KEY_SHAPE --public-key "$(printf '00%.0s' {1..32})"
}

@test "user_data of another workflow" {
    no APPCONFIG_MISMATCH --user-data "$(<flow)"
    ID=$(<flow) # which is no configuration's
    no APPCONFIG_UNKNOWN
}

@test "an approval that is withdrawn by a decline" {
    export ENCFLOW_ID=$PWD/olga.pem
    "$ENCFLOW" decline -q --reason "not any more" "$(<flow)" ||
        "$ENCFLOW" workflow cancel -q "$(<flow)"
    no WORKFLOW_NOT_APPROVED
}

@test "a workspace with a forged approval, or without one" {
    # arno's approval by somebody else's key: the file's name, another author
    local f
    for f in ws/*; do
        cut -d . -f 2 "$f" | tr '_-' '/+' | base64 -d 2>/dev/null |
            grep -q '"kind":"approval"' || continue
        cp "$f" kept
        "$PYTHON" - kept "$f" <<'PY' # another first byte of the signature
import sys
head, body, sign = open(sys.argv[1]).read().split(".")
sign = ("B" if sign[0] == "A" else "A") + sign[1:]
open(sys.argv[2], "w").write(".".join((head, body, sign)))
PY
        no WORKSPACE_FORGED
        rm "$f"
        no WORKFLOW_NOT_APPROVED
        return 0
    done
    return 1
}

@test "credentials that are missing, or for another key" {
    local f
    for f in ws/*; do
        cut -d . -f 2 "$f" | tr '_-' '/+' | base64 -d 2>/dev/null |
            grep -q '"kind":"credentials"' || continue
        rm "$f"
        break
    done
    no CREDENTIALS_MISSING
}

@test "a request of 100 MiB is not read" {
    head -c 104857600 /dev/zero >large
    run -4 $SERVE <large
    [ "$output" = '{"error":"refused"}' ]
    why REQUEST_TOO_LARGE
    run -4 env GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST \
        CONTENT_LENGTH=104857600 $SERVE </dev/null
    why REQUEST_TOO_LARGE
}

@test "requests that are none" {
    local text
    for text in '' '{}' '[]' '{"request":"nonce"}' 'x' \
        '{"request":"nonce","version":2}' '{"request":"keys","version":1}' \
        '{"request":"nonce","version":1,"more":1}'; do
        run -4 $SERVE <<<"$text"
        [ "$output" = '{"error":"refused"}' ]
        why REQUEST_MALFORMED
    done
}

@test "two releases race for one nonce: one is first" {
    local i
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    for i in {1..12}; do
        $SERVE <request >"answer.$i" 2>/dev/null &
    done
    wait
    [ "$(grep -l '"credentials"' answer.* | wc -l)" -eq 1 ]
    [ "$(grep -lx '{"error":"refused"}' answer.* | wc -l)" -eq 11 ]
    "$ENCFLOW" release log log >shown
    [ "$(grep -c '  release  ' shown)" -eq 1 ]
    [ "$(grep -c 'NONCE_USED' shown)" -eq 11 ]
}

@test "the log has a lock: a release waits for who holds it" {
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    : >>log
    "$PYTHON" - <<'PY' &
import fcntl, struct, time
with open("log", "r+") as f:
    fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack(
        "hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
    open("held", "w").close()
    time.sleep(3)
    assert f.read() == ""
    open("gone", "w").close()
PY
    HOSTS+=("$!")
    appears held
    $SERVE <request >answer
    [ -e gone ]
    grep -q '^{"credentials":' answer
}

@test "a caller who does not read holds up nobody" {
    # the answer, with a long document in it, is more than a pipe of one page
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    "$PYTHON" - "$PWD/request" $SERVE <<'PY'
import fcntl, os, subprocess, sys, time
r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
p = subprocess.Popen(sys.argv[2:], stdin=open(sys.argv[1]), stdout=w)
os.close(w)
for _ in range(200):
    if os.path.exists("log") and b'"release"' in open("log", "rb").read():
        break
    time.sleep(0.05)
time.sleep(0.3)
assert p.poll() is None, "it has not stopped in the middle of its answer"
begun = time.monotonic()
other = subprocess.run(sys.argv[2:], input=b"x\n", capture_output=True,
                       timeout=20)
assert other.returncode == 4, other
assert time.monotonic() - begun < 5
answer = b""
while piece := os.read(r, 65536):
    answer += piece
assert answer.startswith(b'{"credentials":') and p.wait() == 0
PY
}

@test "a release is in the log, on the disk, before a byte of its answer" {
    command -v strace >/dev/null || skip "needs strace"
    [ "$(id -u)" -eq 0 ] || skip "only root may trace what is not dumpable"
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    # shellcheck disable=SC2086 # words
    strace -qq -s 200 -o trace -e trace=openat,open,write,fsync \
        $SERVE <request >answer || skip "strace is forbidden"
    grep -q '^{"credentials":' answer
    awk '/open.*"log"/ { log_fd = $NF }
         $0 ~ "^write\\(" log_fd "," && /release/ { said = NR }
         $0 ~ "^fsync\\(" log_fd "\\)" { safe = NR }
         /^write\(1,/ && !answer { answer = NR }
         END { exit !(said && said < safe && safe < answer) }' trace
}

# fill BYTES: a log of that size whose last line is whole
fill() {
    truncate -s "$1" log
    printf '\n{"event":"refused","prev":"%064d","reason":"x","time":0}\n' 0 >>log
}

@test "refusals fill half of the log, and releases go on" {
    fill 536870800
    run -1 --separate-stderr $SERVE <<<x
    [[ $stderr == *LOG_FULL* ]]
    local size
    size=$(stat -c %s log)
    # the lines that the nonce is looked for among must be younger than it
    enclave story "exec:$SERVE" "$ID" >said
    head -n 1 said | grep -qF :download
    [ "$(stat -c %s log)" -gt "$size" ]
    tail -n 1 log | grep -qF '"event":"release"'
}

@test "a refusal says nothing that a stranger only claims" {
    local appconfig
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    sed "s/$ID/$(<flow)/" request >other
    run -3 $SERVE <other
    why APPCONFIG_MISMATCH
    [ "$(tail -n 1 log | grep -cF '"appconfig"')" -eq 0 ]
    run -3 $SERVE <<<"{\"appconfig\":\"$ID\",\"nonce\":\"$(printf 'A%.0s' \
        {1..75})\",\"request\":\"done\",\"token\":\"$(printf 'A%.0s' \
        {1..43})\",\"version\":1}"
    why TOKEN_WRONG
    [ "$(tail -n 1 log | grep -cF '"appconfig"')" -eq 0 ]
    no PCR_MISMATCH --pcr "0=$(printf '1%.0s' {1..96})"
    tail -n 1 log | grep -qF "\"appconfig\":\"$ID\""
}

@test "a reason makes up no row" {
    printf '{"event":"refused","prev":"%064d","reason":"%s","time":0}\n' 0 \
        'x\n1970-01-01T00:00:00Z  release   app' >log
    "$ENCFLOW" release log log >shown
    [ "$(wc -l <shown)" -eq 2 ]
}

@test "a line that was taken back: what is in its place is read" {
    enclave story "exec:$SERVE" "$ID" --save request >said
    "$PYTHON" - "$PWD/request" $SERVE <<'PY'
import fcntl, hashlib, json, struct, subprocess, sys, time
used = json.loads(open("log").read())
def line(prev, **more):
    more.update(prev=hashlib.sha256(prev).hexdigest() if prev else "0" * 64,
                time=used["time"])
    return json.dumps(more, sort_keys=True, separators=(",", ":")).encode()
def refused(prev, n):
    return line(prev, event="refused", reason="x" * n)
first = refused(b"", 1)
again = line(first, **{k: used[k] for k in used if k not in ("prev", "time")})
second = refused(first, 1 + len(again) - len(refused(first, 1)))
assert len(second) == len(again)
log = open("log", "r+b", buffering=0)
log.truncate(0)
log.write(first + b"\n" + second + b"\n")
fcntl.fcntl(log, fcntl.F_OFD_SETLK, struct.pack(
    "hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
p = subprocess.Popen(sys.argv[2:], stdin=open(sys.argv[1]),
                     stdout=subprocess.PIPE)
time.sleep(2)
assert p.poll() is None
log.seek(len(first) + 1)
log.write(again + b"\n" + refused(again, 1) + b"\n")
log.close()
assert p.communicate()[0] == b'{"error":"refused"}\n'
PY
    why NONCE_USED
}

@test "half of a line that is being written is waited for" {
    printf '{"event":"refused","prev":"%064d",' 0 >log
    (sleep 0.2; printf '"reason":"x","time":0}\n' >>log) &
    "$ENCFLOW" release log log >shown
    [ "$(wc -l <shown)" -eq 2 ]
    wait
}

@test "workflow show: of very many runs the last" {
    "$PYTHON" - "$(<flow)" "$ID" 2105 <<'PY'
import base64, hashlib, json, sys
prev, at = "0" * 64, 1000
with open("log", "w") as log:
    def add(**more):
        global prev, at
        more.update(prev=prev, time=at)
        text = json.dumps(more, sort_keys=True, separators=(",", ":"))
        prev = hashlib.sha256(text.encode()).hexdigest()
        log.write(text + "\n")
        at += 1
    for n in range(int(sys.argv[3])):
        nonce = base64.urlsafe_b64encode(n.to_bytes(56, "big"))
        more = dict(appconfig=sys.argv[2], nonce=nonce.decode().rstrip("="))
        add(event="release", app="app", instance="i-%d" % n, pcr0="1" * 96,
            workflow=sys.argv[1], **more)
        if n != 2000:
            add(event="done", **more)
PY
    "$ENCFLOW" workflow show --log log study >shown
    [ "$(grep -c '^  app: ran' shown)" -eq 999 ]
    grep -qF 'app: running since 1970-01-01T01:23:20Z on i-2000' shown
    grep -qxF '  and 1105 earlier ones, which are not shown' shown
    "$ENCFLOW" workflow show --json --log log study >one.json
    [ "$(wc -l <one.json)" -eq 1 ]
    "$PYTHON" - "$(<flow)" <<'PY'
import json, sys
shown = json.load(open("one.json"))
assert shown["hash"] == sys.argv[1] and shown["left"] == 1105
runs = shown["runs"]
assert [r["instance"] for r in runs] == ["i-%d" % n for n in range(1105, 2105)]
assert [n for n, r in enumerate(runs) if "ended" not in r] == [2000 - 1105]
PY
}

# brief SECONDS: a workflow of so long a life, and a release in it. Sets ID
# and END.
brief() {
    local p flow
    END=$(($(date +%s) + $1))
    export ENCFLOW_ID=$PWD/dana.pem
    e workflow new --until "$END" "brief $1"
    e workflow add-app --build describe --config default "brief $1" app
    e workflow connect "brief $1" Conditions app:input
    e workflow connect "brief $1" app:output Result
    flow=$(e workflow submit "brief $1")
    for p in dana olga arno; do
        ENCFLOW_ID=$PWD/$p.pem e approve "$flow"
    done
    ID=$(e workflow hashes "brief $1" | cut -d ' ' -f 1)
    whole "exec:$SERVE"
}

@test "a workflow that is over" {
    brief 6 || brief 60 # where the machine took too long for it
    while [ "$(date +%s)" -lt "$END" ]; do sleep 0.2; done
    no WORKFLOW_EXPIRED
}

@test "1,000 requests at once: none lost, few processes, the chain is whole" {
    plain_only "a thousand processes"
    host socat "UNIX-LISTEN:sock,fork,max-children=8,backlog=1024" \
        EXEC:"$SERVE",nofork
    appears sock
    enclave crowd "unix:$PWD/sock" "$ID" 1000 "${HOSTS[0]}" >said
    cat said
    [[ $(<said) =~ "1000 releases; "(.*)" s; at most "([0-9]+)" processes, "([0-9]+) ]]
    [ "${BASH_REMATCH[2]}" -le 17 ] # socat's children, and theirs
    [ "${BASH_REMATCH[3]}" -lt $((17 * 32 * 1024)) ]
    "$ENCFLOW" release log log >shown
    [ "$(grep -c '  release  ' shown)" -eq 1000 ]
    [ "$(wc -l <shown)" -eq 1001 ]
}

@test "the log: a line changed, left out, cut off; half of a line" {
    local head
    whole "exec:$SERVE"
    head=$(tail -n 1 <("$ENCFLOW" release log log) | cut -d ' ' -f 2)
    whole "exec:$SERVE"
    "$ENCFLOW" release log --head "$head" log
    sed 's/"app":"app"/"app":"apq"/' log >changed
    run -3 "$ENCFLOW" release log changed
    [[ $output == *"line 2"* ]]
    sed 2d log >changed
    run -3 "$ENCFLOW" release log changed
    [[ $output == *'line 2: $.prev '* ]]
    head -n 1 log >changed
    run -3 "$ENCFLOW" release log --head "$head" changed
    [[ $output == *"head"* ]]
    printf '{"half' >>log
    run -3 "$ENCFLOW" release log log
    [[ $output == *"half of a line"* ]]
    whole "exec:$SERVE"
    "$ENCFLOW" release log log >shown
    grep -F '  repaired  ' shown | grep -qF '6 bytes'
    # what is no line of its own is not built upon
    echo '{}' >>log
    enclave story "exec:$SERVE 2>told" "$ID" >said
    [ "$(<said)" = refused ]
    [ "$(tail -n 1 log)" = '{}' ]
    grep -qF LOG_BROKEN told
}

@test "a file that is no log is not written to" {
    local other
    for other in key.hex rel.pem c.csv; do
        cp "$other" log
        run -1 --separate-stderr $SERVE <<<x
        [ "$output" = '{"error":"refused"}' ]
        [[ $stderr == *LOG_BROKEN* ]]
        cmp "$other" log
    done
    printf '\0\0\0' >log # of which a crash has kept the size alone
    run -4 $SERVE <<<x
    "$ENCFLOW" release log log | grep -F '3 bytes of a line cut off'
}

@test "workflow show: what runs since when and where, and what has ended" {
    "$ENCFLOW" workflow show --log /dev/null study >shown
    grep -qxF "  none yet" shown
    enclave story "exec:$SERVE" "$ID" >said
    "$ENCFLOW" workflow show --log log study >shown
    grep -E "^  app: running since 20[^ ]+Z on i-[0-9a-f-]+enc" shown
    whole "exec:$SERVE"
    "$ENCFLOW" workflow show --log log study >shown
    [ "$(grep -c "^  app: running since " shown)" -eq 1 ]
    grep -E "^  app: ran 20[^ ]+Z on i-[^ ]+, ended 20[^ ]+Z" shown
    "$ENCFLOW" workflow show --json --log log study >one.json
    "$ENCFLOW" json -r /runs/1/app one.json | grep -x app
    "$ENCFLOW" json /runs/1/ended one.json
    run -4 "$ENCFLOW" json /runs/0/ended one.json
    [ "$("$ENCFLOW" json -r /hash one.json)" = "$(<flow)" ]
    echo x >>log
    run -3 "$ENCFLOW" workflow show --log log study
    [[ $output == *"line 4"* ]]
}

@test "a log on a full disk: nothing is released" {
    local said
    said=$(enclave story "exec:${SERVE/--log log/--log /dev/full} 2>told" "$ID")
    [ "$said" = refused ]
    grep -qF "No space left" told
}

@test "usage, a key of another kind, no log" {
    run -2 "$ENCFLOW" release serve-one
    run -4 "$ENCFLOW" release serve-one --release-key rel.pub --log log
    run -1 "$ENCFLOW" release serve-one --release-key rel.pem --log no/log
    run -2 "$ENCFLOW" release log --head zz log
}

# ----- what takes long, and was begun with the file

slow_request() {
    local begun=$SECONDS code=0
    mkfifo slow
    exec 9<>slow
    printf '{' >&9
    $SERVE <slow 9>&- || code=$?
    [ "$code" -eq 5 ]
    why REQUEST_SLOW
    [ $((SECONDS - begun)) -ge 9 ]
    [ $((SECONDS - begun)) -lt 14 ]
}

@test "a slow request is given up after ten seconds" {
    verdict slow_request
}

locked_log() {
    local begun code=0
    enclave story "exec:$SERVE" "$ID" --save request --only-save
    "$PYTHON" - <<'PY' &
import fcntl, struct, time
with open("log", "a+") as f:
    fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack(
        "hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
    open("held", "w").close()
    time.sleep(120)
PY
    HOSTS+=("$!")
    appears held
    begun=$SECONDS
    $SERVE <request >answer 2>err || code=$?
    [ "$code" -eq 1 ]
    [ $((SECONDS - begun)) -lt 40 ]
    [ "$(<answer)" = '{"error":"refused"}' ]
    grep -F "cannot lock the release log" err
    stop_hosts
}

@test "a log that stays locked: it is waited for once, and the status is 1" {
    plain_only "it waits for half a minute"
    verdict locked_log
}

alarm() {
    mkfifo key
    "$PYTHON" - "$ENCFLOW" <<'PY'
import signal, subprocess, sys, time
def before():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
begun = time.monotonic()
p = subprocess.Popen([sys.argv[1], "release", "serve-one", "--release-key",
                      "key", "--log", "log"], stdin=subprocess.DEVNULL,
                     preexec_fn=before)
def deaf():
    return any(int(line.split()[1], 16) & 1 << signal.SIGALRM - 1
               for line in open("/proc/%d/status" % p.pid)
               if line.startswith(("SigBlk:", "SigIgn:")))
while deaf():
    assert time.monotonic() - begun < 20
    time.sleep(0.05)
assert p.wait(timeout=70) == -signal.SIGALRM
assert 58 < time.monotonic() - begun < 65
PY
}

@test "all is over after a minute, also where SIGALRM is ignored and blocked" {
    plain_only "it waits for a minute"
    verdict alarm
}
