#!/usr/bin/env bats
# What is said about the program is true: man/encflow.1, encflow-workflow.1 and
# encflow-release.1 (their form, the options of each command, their examples
# and numbers, reasons), the tests that encflow.7 names, README.md's
# transcript, and the demo that it is taken from.

load common

setup() {
    common_setup
    PAGE=$ROOT/man/encflow.1 FLOW=$ROOT/man/encflow-workflow.1
    RELEASE=$ROOT/man/encflow-release.1 THREATS=$ROOT/man/encflow.7
    unset ENCFLOW_ID ENCFLOW_WORKSPACE XDG_CONFIG_HOME
    mkdir bin
    ln -s "$ENCFLOW" bin/encflow
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

# The service of an example that did not get to its end.
teardown() {
    [ -z "${service:-}" ] || kill "$service" 2>/dev/null || true
}

# page FILE: as a reader sees it; wide, so that no option is broken in two.
page() { mandoc -Tascii -Owidth=1000 "$1" | sed 's/.\x08//g'; }
pages() { page "$PAGE"; page "$FLOW"; page "$RELEASE"; }

# section HEADING [FILE]: its lines, on all pages or on one. A subsection's
# heading stands at column 4 and may name several, with commas.
section() {
    if [ $# -eq 2 ]; then page "$2"; else pages; fi | awk -v want="$1" '
        /^[^ ]/    { inside = ($0 == want); next }
        /^   [^ ]/ { inside = index(", " substr($0, 4) ",", ", " want ",")
                     next }
        inside'
}

# options <text: the options in it, one a line, each once.
options() {
    grep -oE -- '(^|[][ ,|(])--?[A-Za-z][A-Za-z0-9-]*' |
        sed 's/^[^-]//' | sort -u
}

# commands: the subsections that are about one, a line each.
commands() {
    pages | sed -n 's/^   encflow //p' | sed 's/, encflow /\n/g'
}

@test "mandoc -Tlint finds nothing to say about the pages" {
    for page in "$PAGE" "$FLOW" "$RELEASE" "$THREATS"; do
        run mandoc -Tlint "$page"
        # Where they are not installed, none finds the others.
        sed '/STYLE: referenced manual not found: Xr encflow/d' \
            <<<"$output" >said
        [ -z "$(cat said)" ] || { cat said; return 1; }
    done
}

@test "each command of --help has a section on one page, and nothing else has" {
    encflow --help |
        sed -nE '/^commands:/,/^$/s/^  ([a-z0-9]+( [a-z-]+)?)  +.*/\1/p' |
        sort >offered
    [ "$(wc -l <offered)" -gt 30 ]
    commands | sort | diff offered -
}

@test "options: --help and the pages agree for every command" {
    section 'Options of every command' | options >common
    [ -s common ]
    section 'Identity and workspace' | sed -n 's/^     \(-.*\)/\1/p' |
        options >whose
    printf '%s\n' --id --workspace | diff - whose
    page "$FLOW" >flow
    while read -r command; do
        # shellcheck disable=SC2086 # "credentials make" is two words
        encflow $command --help | options >helped
        { cat common; section "encflow $command" | options
          # All of that page have these.
          if grep -qE "^   (.*, )?encflow $command(,|$)" flow
          then cat whose; fi
        } | sort -u >paged
        diff helped paged || {
            echo "($command: < in --help only, > in the page only)"
            return 1
        }
    done < <(commands)
}

@test "the synopsis of a command has its section's options" {
    while read -r command; do
        section "encflow $command" >text
        # The first paragraph is the synopsis, the tagged list the options.
        sed '/^$/q' text | options >synopsis
        sed -n 's/^     \(-.*\)/\1/p' text | options >listed
        # A long form may stand in the list alone; nothing else may.
        comm -23 synopsis listed >unlisted
        same unlisted /dev/null || { echo "$command"; return 1; }
    done < <(commands)
}

# run_examples FILE: each command of the page's examples runs here, and prints
# what the page says.
run_examples() {
    section EXAMPLES "$1" >examples
    set -o pipefail
    count=0
    # Blocks are indented by 11. A command goes on after a line that ends in
    # \ or |; what follows, up to the next one or the block's end, is its
    # output. Written as COMMAND \002 OUTPUT \003 each.
    awk 'function text(line) {
             more = (line ~ /[\\|]$/)
             printf "%s%s", line, (more ? "\n" : "\002")
         }
         NF && !/^           / { inside = 0 }
         { line = substr($0, 12) }
         line ~ /^\$ / { if (n++) printf "\003"
                         inside = 1; text(substr(line, 3)); next }
         inside && more { text(line); next }
         inside         { print line }' examples >script
    while IFS= read -r -d $'\003' example || [ -n "$example" ]; do
        command=${example%%$'\002'*}
        want=${example#*$'\002'}
        while [ "${want%$'\n'}" != "$want" ]; do want=${want%$'\n'}; done
        eval "$command" >printed </dev/null ||
            { echo "failed: $command"; return 1; }
        [ "$(cat printed)" = "$want" ] || {
            printf '$ %s\nprinted:\n%s\nthe page says:\n%s\n' "$command" \
                "$(cat printed)" "$want"
            return 1
        }
        count=$((count + 1))
    done <script
    echo "$count examples"
    [ "$count" -ge 10 ]
    [ "$count" -eq "$(grep -c '^ *\$ ' examples)" ]
}

@test "examples: each runs and prints what the page says" {
    run_examples "$PAGE"
}

# enclave: from here on `encflow` is in one. What Amazon is elsewhere, the
# tests are here: the image's security module (nsm.c), and the root that its
# certificates lead to.
enclave() {
    local i
    make -s -C "$ROOT" build/nsm_preload.so
    printf kernel >kernel
    printf ramdisk >ramdisk
    "$PYTHON" "$ROOT/tests/eif.py" image.eif kernel cmdline ramdisk ramdisk \
        >built
    set --
    for i in 0 1 2; do
        set -- "$@" --pcr "$i=$("$ENCFLOW" json -r "/Measurements/PCR$i" built)"
    done
    "$PYTHON" "$ROOT/tests/nsm.py" nsm "$@"
    rm bin/encflow
    # Its service is started in the background, and takes a moment.
    cat >bin/encflow <<END
#!/bin/sh
export NSM_DIR='$PWD/nsm'
case "\$1 \$2 \$*" in
run*)
    until [ -S release.sock ]; do sleep 0.1; done
    LD_PRELOAD='$ROOT/build/nsm_preload.so' exec '$ENCFLOW' "\$@" ;;
'attest get'*)
    LD_PRELOAD='$ROOT/build/nsm_preload.so' exec '$ENCFLOW' "\$@" ;;
'release serve-one'* | 'attest verify'* | result*--verify*)
    exec '$ENCFLOW' "\$@" --root '$PWD/nsm/root.pem' ;;
esac
exec '$ENCFLOW' "\$@"
END
    chmod +x bin/encflow
}

@test "examples of encflow-release(1): the same, in an enclave of the test's" {
    enclave
    run_examples "$RELEASE" 3>&-
}

@test "hosting: nginx and systemd take what encflow-release(1) has for them" {
    section HOSTING "$RELEASE" | sed -n 's/^           //p' >hosting
    encflow release keygen -o release.pem >release.pub
    # The script, where the page says that it is, but for the folder.
    sed -n '/^#!/,/release\.log$/p' hosting |
        sed "s,/var/lib/encflow,$PWD," >script
    chmod +x script
    printf '{"request":"nonce","version":1}' >request
    GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST CONTENT_LENGTH=31 ./script \
        <request >answer
    head -n 1 answer | same - <(printf 'Status: 200 OK\r\n')
    tail -n 1 answer | encflow json -r /nonce >nonce
    # nginx's part, in a whole configuration
    cp /etc/nginx/fastcgi_params .
    {
        printf 'pid %s/pid; error_log stderr; events {} http {\n' "$PWD"
        printf 'access_log off; server { listen 127.0.0.1:1;\n'
        sed -n '/^location/,/^}/p' hosting
        printf '} }\n'
    } >nginx.conf
    grep -q fastcgi_pass nginx.conf
    /usr/sbin/nginx -t -q -c "$PWD/nginx.conf" -p "$PWD"
    command -v systemd-analyze || skip "no systemd to ask about the units"
    sed -n '/^\[Socket\]/,/^WantedBy/p' hosting >encflow-release.socket
    sed -n '/^\[Service\]/,/release\.log$/p' hosting |
        sed "s,/usr/local/bin,$PWD/bin," >encflow-release@.service
    grep -q '^Accept=yes' encflow-release.socket
    grep -q '^ExecStart=' encflow-release@.service
    run systemd-analyze verify ./encflow-release.socket \
        ./encflow-release@.service
    # of other units of the machine's it may complain
    if grep encflow <<<"$output"; then return 1; fi
}

@test "formats of encflow-release(1): log, answer and receipt are as it says" {
    enclave
    run_examples "$RELEASE" 3>&-
    section 'The log' "$RELEASE" >log.text
    section Receipts "$RELEASE" >receipt.text
    section PROTOCOL "$RELEASE" >protocol.text
    # The first request of the page, as it stands there.
    grep -m1 '"request"' protocol.text |
        encflow release serve-one --release-key release.pem --log release.log \
            --workspace served >answer
    encflow dec -K answer.key -in answer.enc >result
    # shellcheck disable=SC2154 # the page's
    "$PYTHON" - "$id" <<'END'
import base64, hashlib, hmac, json, re, sys
import cbor2
from cryptography.hazmat.primitives import serialization as s

def sha256(some):
    return hashlib.sha256(some).hexdigest()

def members(text):
    """The objects that the page shows, their place holders as texts."""
    blocks = re.findall(r"^ {11}(.*)", text, re.M)
    text = "\n".join(blocks).replace(":...", ":0")
    text = re.sub(r",?\.\.\.", "", text)
    text = re.sub(r"(?<=[:\[{])([A-Z][A-Z0-9_]*)", r'"\1"', text)
    at, found = 0, []
    while (at := text.find("{", at)) >= 0:
        one, n = json.JSONDecoder().raw_decode(text[at:])
        found.append(one)
        at += n
    return found

def same(real, shown, optional=()):
    assert set(shown) - set(optional) <= set(real) <= set(shown), (real, shown)

# the log: members, form, chain; the nonce's MAC
shown = {line["event"]: line for line in members(open("log.text").read())}
assert set(shown) == {"release", "done", "refused", "repaired"}
prev, seen = 64 * "0", []
key = s.load_pem_private_key(open("release.pem", "rb").read(), None)
key = key.private_bytes(s.Encoding.Raw, s.PrivateFormat.Raw, s.NoEncryption())
key = hmac.digest(key, b"encflow release nonce 1", "sha256")
for line in open("release.log", "rb").read().splitlines():
    one = json.loads(line)
    assert json.dumps(one, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode() == line
    assert one["prev"] == prev
    prev = sha256(line)
    same(one, shown[one["event"]], ("appconfig", "instance")
         if one["event"] == "refused" else ())
    if "nonce" in one:
        nonce = base64.urlsafe_b64decode(one["nonce"] + "==")
        assert len(nonce) == 56
        assert 0 <= one["time"] - int.from_bytes(nonce[:8], "big") <= 300
        assert hmac.digest(key, nonce[:24], "sha256") == nonce[24:]
    seen.append(one["event"])
assert seen == ["release", "done", "refused"], seen

# the answer to the page's first request
assert list(json.load(open("answer"))) == ["nonce"]
kinds = [sorted(o) for o in members(open("protocol.text").read())]
for want in (["request", "version"], ["nonce"],
             ["appconfig", "document", "request", "version"],
             ["credentials", "documents", "version"],
             ["appconfig", "nonce", "request", "token", "version"], ["done"],
             ["error"]):
    assert want in kinds, kinds

# the receipt, and PCR16
result = json.load(open("result"))
receipt = result.pop("attestation")
shown = members("           {" + open("receipt.text").read().split("{", 1)[1])[0]
same(receipt, shown)
document = base64.b64decode(receipt.pop("document"))
assert receipt["output"] == sha256(json.dumps(result).encode())
assert receipt["inputs"] == {"table": sha256(open("table.csv.enc", "rb").read())}
document = cbor2.loads(cbor2.loads(document)[2])
said = json.dumps(receipt, sort_keys=True, separators=(",", ":")).encode()
assert document["user_data"].hex() == sha256(said)
assert document["pcrs"][16] == hashlib.sha384(
    bytes(48) + bytes.fromhex(sys.argv[1])).digest()
END
}

@test "examples of encflow-workflow(1): the same; its program checks documents" {
    run_examples "$FLOW"
    section DOCUMENTS "$FLOW" |
        sed -n '/^           import /,$s/^           //p' >verify.py
    /usr/bin/python3 verify.py .encflow/* >verified
    find .encflow -type f ! -name '.*' | wc -l | same - <(wc -l <verified)
    cut -d' ' -f2 verified | sort -u | tr '\n' ' ' >kinds
    printf 'app approval build config credentials dataset draft %s ' \
        'identity workflow' | same - kinds
    # One that is signed as something else, and one under another name.
    for file in .encflow/*; do break; done
    mv "$file" "${file%?????}00000"
    run /usr/bin/python3 verify.py "${file%?????}00000"
    [ "$status" -eq 1 ]
    run encflow workflow list
    [ "$status" -eq 3 ]
}

@test "documents: the page has each kind, with the members that it may have" {
    run_examples "$FLOW"
    # What the examples do not have; $pcr is theirs.
    encflow dataset add -q --allow-quorum --direction between --to "file://$PWD/between" \
        --allow-file --release-key release.pub --description d --group g \
        --long-description l --label k=v between >name
    printf x >item
    encflow config add -q --app count --description d --group g --label k=v \
        --item /opt/fortanix/item=item other >name
    # shellcheck disable=SC2154
    encflow app add -q --image i --pcr "PCR0=$pcr,PCR1=$pcr,PCR2=$pcr" \
        --description d --group g --label k=v another >name
    encflow workflow new -q --need 2 --until 4000000000 --description d \
        --group g --replaces study study >name
    encflow workflow submit -q study >name
    encflow decline -q --reason r "$(cat name)"
    encflow workflow cancel -q "$(cat name)"
    section DOCUMENTS "$FLOW" >documents
    for file in .encflow/*; do
        cut -d. -f2 "$file" | tr _- /+ >text
        # base64url has no padding
        while [ $(($(wc -c <text) % 4)) -ne 1 ]; do
            printf '%s=\n' "$(cat text)" >text.new; mv text.new text
        done
        encflow base64 -d -in text >json
        kind=$(encflow json -r /kind json)
        # The kind's paragraph: from its tag to the next one.
        awk -v kind="$kind" '/^     [a-z]/ {
                 tag = substr($0, 6); sub(/  .*/, "", tag)
                 inside = index(", " tag ",", ", " kind ",") }
             inside' documents >paragraph
        [ "$kind" != workflow ] || awk '/^     draft/ { inside = 1 }
             /^     workflow/ { inside = 0 } inside' documents >>paragraph
        [ -s paragraph ]
        echo "$kind" >>kinds
        encflow json json | sed -nE 's/^  "([a-z0-9_]+)":.*/\1/p' >members
        while read -r member; do
            case $member in by | kind | time) continue ;; esac
            grep -qE "(^|[^a-z0-9_])$member([^a-z0-9_]|$)" paragraph ||
                { echo "$kind: $member"; return 1; }
        done <members
    done
    [ "$(sort -u kinds | wc -l)" -eq 11 ]
}

@test "examples: the manifest of Kubernetes is a job that finds its shares" {
    local i n args
    section EXAMPLES "$PAGE" |
        sed -n 's/^           //; /^apiVersion:/,/^$/p' >manifest
    grep -qx '  completionMode: Indexed' manifest
    n=$(sed -n 's/^  completions: //p' manifest)
    [ "$n" -eq "$(sed -nE \
        's/.*name: JOB_COMPLETIONS, value: "([0-9]+)".*/\1/p' manifest)" ]
    # What a pod runs, over two lines, with folders that are here.
    args=$(tr -d '\n' <manifest | sed -nE \
        's/.*command: \[encflow, ([^]]*)\].*/\1/p' | tr -d ,)
    args=${args/ \/ports/ ports} args=${args/ \/job/ $PWD/job}
    [[ $args = "run --ports ports "*" application" ]]
    printf %064d 1 >key
    printf 'a\n' >text
    "$ENCFLOW" enc -K key -in text -out text.enc
    encflow credentials make -K key -o ports/input/a \
        --url "file://$PWD/text.enc"
    for ((i = 0; i < n; i++)); do
        encflow credentials make -K key -o "ports/output/$i" \
            --url "file://$PWD/answer.$i"
    done
    export JOB_COMPLETIONS=$n
    for ((i = 0; i < n; i++)); do
        # shellcheck disable=SC2086 # words
        JOB_COMPLETION_INDEX=$i encflow ${args/run/run --allow-file} \
            >log
    done
    # "application" is no program here: what tells the share with an input.
    for ((i = 0; i < n; i++)); do
        if encflow result -K key "answer.$i" >said 2>&1; then echo 0
        else echo "$?"; fi
    done | sort -n | same - <(yes 0 | head -n "$((n - 1))"; echo 127)
}

@test "limits: the pages' numbers are those of encflow.h" {
    # #define EF_MAX_X VALUE: VALUE holds numbers, UINT64_C(), + - * <<, ().
    sed -nE 's/^#define (EF_MAX_[A-Z0-9_]+) +(.*)/\1 \2/p' \
        "$ROOT/encflow.h" | sed 's,/\*.*,,; s/UINT[0-9]*_C//g' |
        while read -r name value; do
            echo "$name ($((value)))"
        done | sort >header
    [ -s header ]
    section LIMITATIONS |
        sed -nE 's/^ +(EF_MAX_[A-Z0-9_]+ \([0-9]+\))( .*)?$/\1/p' |
        sort >paged
    diff header paged
}

@test "reasons: encflow-release(1) has each that the program gives, and no other" {
    # Those of messages, and those of the service's steps; SERVICE is of one
    # that has no log yet.
    {
        grep -oE '"[A-Z][A-Z0-9_]+: ' "$ROOT/encflow.c" | tr -d '": '
        tr '\n;' ' \n' <"$ROOT/encflow.c" | grep -e '->step = ' |
            sed 's/.*->step = //' | grep -oE '"[A-Z_]+"' | tr -d '"' |
            grep -vx SERVICE
    } | sort -u >given
    [ "$(wc -l <given)" -gt 50 ]
    sed -nE '/^\.Sh REASONS/,/^\.Sh ENV/s/^\.It //p' "$RELEASE" |
        sed 's/ , /\n/g' >listed
    sort -u listed | diff given -
    [ "$(wc -l <listed)" -eq "$(sort -u listed | wc -l)" ]
}

@test "threats: each promise of encflow(7) names a test that there is" {
    page "$THREATS" | sed -n '/^PROMISES/,/^SEE/p' >promises
    # A promise is a bullet; its tests stand below it, a line each.
    awk '/^     o / {
             if (n && !named) { print "no test: " what; bad = 1 }
             n++; named = 0; what = $0 }
         /^ +tests\/[a-z_]+\.(bats|c): / { named++ }
         END { if (!named) { print "no test: " what; bad = 1 }
               exit n < 15 || bad }' promises
    sed -nE 's/^ +(tests\/[a-z_]+\.(bats|c): )/\1/p' promises >named
    [ -s named ]
    while IFS= read -r line; do
        file=$ROOT/${line%%: *} name=${line#*: }
        case $file in
        *.bats) grep -qxF -- "@test \"$name\" {" "$file" ;;
        *) grep -qF -- "\"$name\"" "$file" ;;
        esac || { echo "no such test: $line"; return 1; }
    done <named
}

@test "exit status: encflow(1) gives one meaning to each of 0 to 6" {
    section 'EXIT STATUS' "$PAGE" | sed -nE 's/^     ([0-9]+)( .*)?$/\1/p' >numbers
    printf '%s\n' 0 1 2 3 4 5 6 | same - numbers
}

@test "demo: README.md's transcript is what it prints, in this order" {
    mkdir tests
    cp "$ROOT/tests/demo.sh" "$ROOT/tests/sample.awk" tests
    ENCFLOW=$BATS_TEST_TMPDIR/bin/encflow sh tests/demo.sh >demo
    sed "s,$BATS_TEST_TMPDIR,/srv/encflow,g" demo >printed
    # The first indented block that begins with a command is the transcript.
    awk '/^    \$ / { seen = 1 }
         /^    / && seen { print substr($0, 5); next }
         NF && seen { exit }
         seen { print }' "$ROOT/README.md" >transcript
    [ "$(grep -c '^\$ encflow' transcript)" -ge 3 ]
    grep -q '^Name: DESCRIPTION' transcript
    # Each line of it must come, after the one before it.
    awk 'NR == FNR { want[++n] = $0; next }
         at < n && $0 == want[at + 1] { at++ }
         END { if (at < n) { print "not printed: " want[at + 1]; exit 1 } }' \
        transcript printed
}

@test "demo: it fails when a step fails, and when the answer is wrong" {
    mkdir tests
    cp "$ROOT/tests/demo.sh" "$ROOT/tests/sample.awk" tests
    for command in dataset approve workflow run dec result; do
        # shellcheck disable=SC2016 # $@ and $1 are for the script
        printf '#!/bin/sh\n%s "$@" || exit\n[ "$1" != %s ]\n' \
            "$BATS_TEST_TMPDIR/bin/encflow" "$command" >failing
        chmod +x failing
        ENCFLOW=./failing run sh tests/demo.sh
        fails 1 'demo: '
    done
    printf '#!/bin/sh\n%s "$@" | sed "s/10000/ 9999/"\n' \
        "$BATS_TEST_TMPDIR/bin/encflow" >failing
    ENCFLOW=./failing run sh tests/demo.sh
    fails 1 'demo: awk finds 10000|44|'
    # Somebody sees the table; the application leaves it; they disagree.
    while IFS='|' read -r when what says; do
        # shellcheck disable=SC2016 # $@, $1 and $PWD are for the script
        printf '#!/bin/sh\n%s "$@" || exit\n[ "$1" != %s ] || %s\n' \
            "$BATS_TEST_TMPDIR/bin/encflow" "$when" "$what" >failing
        ENCFLOW=./failing run sh tests/demo.sh
        fails 1 "demo: $says"
    done <<'END'
run|cp ../dana/conditions.csv ../olga/|somebody besides Dana has the table
run|mkdir work|the work folder was left
run|rm -r ../paul/.encflow|dana works out another APPCONFIG_ID
END
}

@test "demo: its data is the same bytes under every awk that is here" {
    want=c4689e5749787265ef3fd32ea6ba81a384cfab23fa3d80befdc5033b0904a3af
    for awk in awk mawk gawk original-awk 'busybox awk'; do
        command -v "${awk%% *}" || continue
        # shellcheck disable=SC2086 # "busybox awk" is two words
        $awk -v seed=1 -v rows=10000 -f "$ROOT/tests/sample.awk" >data
        echo "$want  data" | sha256sum -c
    done
}
