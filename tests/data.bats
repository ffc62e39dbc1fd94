#!/usr/bin/env bats
# The data commands from the outside: keygen, enc, dec, base64, json,
# credentials, result, selftest, --help, --version and usage errors.
# How an output file comes into being is in atomic.bats.

bats_require_minimum_version 1.5.0
load common
load data

setup() { data_setup; }

# ------------------------------------------------------------------ keygen

@test "keygen prints 64 upper-case hex digits, no newline, new ones each time" {
    local i
    for i in {1..20}; do
        works keygen
        [[ $(<out) =~ ^[0-9A-F]{64}$ ]]
        [ "$(stat -c %s out)" -eq 64 ]
        echo "$(<out)" >>all
    done
    [ "$(sort -u all | wc -l)" -eq 20 ]
}

@test "with a small stack the work ends as it should" {
    plain_only "a sanitizer's frames need more"
    (ulimit -S -s 200 && "$ENCFLOW" keygen -o key)
    [ "$(stat -c %s key)" -eq 64 ]
}

@test "keygen -o makes a file of mode 0600 under any umask, and says nothing" {
    local mask
    for mask in 000 022 077 777; do
        (umask $mask && works keygen -o new.$mask && [ ! -s out ])
        mode new.$mask 600
        [[ $(<new.$mask) =~ ^[0-9A-F]{64}$ ]]
    done
}

@test "keygen never replaces a file, nor a link, without --force" {
    chmod 644 key.hex
    refused 1 key.hex -- keygen -o key.hex
    holds key.hex "$KEY"
    ln -s nowhere dangling
    refused 1 dangling -- keygen -o dangling
    [ ! -e nowhere ] && [ -L dangling ]

    works keygen -o key.hex --force
    mode key.hex 600
    [[ $(<key.hex) =~ ^[0-9A-F]{64}$ ]] && [ "$(<key.hex)" != "$KEY" ]
}

@test "keygen's key works for enc and dec" {
    works keygen -o new.hex
    echo data >plain
    works enc -K new.hex -in plain -out sealed
    works dec -K new.hex -in sealed
    same out plain
    refused 3 -- dec -K key.hex -in sealed
}

@test "nothing secret or binary goes to a terminal without --force" {
    local cmd
    echo hello >plain
    "$ENCFLOW" enc -K key.hex -in plain -out sealed
    while read -r cmd; do
        row "$cmd" tty_refuses "$cmd"
    done <<'END'
"$ENCFLOW" keygen
"$ENCFLOW" enc -K key.hex -in plain
"$ENCFLOW" dec -K key.hex -in sealed
"$ENCFLOW" credentials make --url https://h/k?a=b -K key.hex
END
    rows 4
    on_tty '"$ENCFLOW" keygen --force'
    grep -qE '[0-9A-F]{64}' screen
}

tty_refuses() {
    local code=0
    on_tty "$1" || code=$?
    if [ "$code" -eq 0 ] || grep -qaE 'hello|[0-9A-Fa-f]{64}' screen; then
        printf 'exit %s; the terminal shows:\n' "$code"
        cat -v screen
        return 1
    fi
    grep -q -- --force screen # says what to do
}

# ----------------------------------------------------- enc and dec, interop

SIZES=(0 1 15 16 17 1048575 1048576 1048577)
EDGES=(524287 524288 524289 1048575 1048577 1572864 2097151 2097152 2097153
    4194305)

@test "Python opens what enc writes, whichever way the bytes travel" {
    local n
    ref pairs key.hex . "${SIZES[@]}"
    rm ./*.ef
    for n in "${SIZES[@]}"; do
        works enc -K key.hex -in $n.plain -out $n.file.ef
        works enc -K key.hex <$n.plain
        mv out $n.stdin.ef
        cat $n.plain | works enc -K key.hex -in - -out -
        mv out $n.pipe.ef
    done
    ref check key.hex .
}

@test "dec opens what Python writes, whichever way the bytes travel" {
    local n
    ref pairs key.hex . "${SIZES[@]}"
    for n in "${SIZES[@]}"; do
        works dec -K key.hex -in $n.ef -out got
        same got $n.plain
        works dec -K key.hex <$n.ef
        same out $n.plain
        cat $n.ef | works dec -K key.hex -in - -out -
        same out $n.plain
    done
}

@test "any number of threads writes and reads the same format" {
    local n t
    ref pairs key.hex . "${EDGES[@]}"
    for n in "${EDGES[@]}"; do
        for t in 1 2 3 8; do
            row "$n bytes, dec --threads $t" opens_to $n.ef $n.plain \
                --threads $t
            works enc -K key.hex -in $n.plain -out $n.$t.ef --threads $t
        done
    done
    rows 40
    ref check key.hex .
}

opens_to() {
    local from=$1 want=$2
    shift 2
    works dec -K key.hex -in "$from" -out got "$@" && same got "$want"
}

@test "the reference's own command line works unchanged" {
    mkdir csv
    echo 'A,DESCRIPTION' >csv/conditions.csv
    works enc -K ./key.hex -in ./csv/conditions.csv -out ./conditions.csv.enc
    works dec -K ./key.hex -in ./conditions.csv.enc -out ./output.txt
    same output.txt csv/conditions.csv
    [ "$(stat -c %s conditions.csv.enc)" -eq $((14 + 28)) ]
}

@test "long and short forms, = and any order mean the same" {
    local args
    printf abc >3.plain
    while read -r args; do
        rm -f 3.*.ef
        # shellcheck disable=SC2086 # the words of the row are arguments
        row "$args" works $args && row "$args" ref check key.hex .
    done <<'END'
enc -K key.hex -in 3.plain -out 3.x.ef
enc -out 3.x.ef -in 3.plain -K key.hex
enc --key-file key.hex --in 3.plain --out 3.x.ef
enc --key-file=key.hex --in=3.plain --out=3.x.ef
enc --threads=2 -K key.hex -q -in 3.plain -out 3.x.ef
END
    rows 10
}

@test "every enc uses a nonce of its own" {
    local i
    for i in {1..200}; do
        "$ENCFLOW" enc -K key.hex </dev/null | od -An -tx1 -N 12
    done >nonces
    [ "$(sort -u nonces | grep -cE '^( [0-9a-f]{2}){12}$')" -eq 200 ]
}

@test "conditions.csv goes through Python and back" {
    need_shared data/conditions.csv
    ref seal key.hex <"$SHARED/data/conditions.csv" >sealed
    works dec -K key.hex -in sealed -out plain
    same plain "$SHARED/data/conditions.csv"
    works enc -K key.hex -in plain -out resealed
    ref open key.hex <resealed | cmp - plain
}

# ---------------------------------------------------------------- key files

@test "a key file may end in white space, be lower-case, come by a pipe" {
    local tail
    printf abc >3.plain
    for tail in '' '\n' '\r\n' ' \t\v\f\r\n\n'; do
        printf "%s$tail" "$KEY" >k
        row "ends in '$tail'" works enc -K k -in 3.plain -out 3.$TRIED.ef
    done
    printf %s "${KEY,,}" >k
    row lower-case works enc -K k -in 3.plain -out 3.lower.ef
    row pipe works enc -K <(echo "$KEY") -in 3.plain -out 3.pipe.ef
    rows 6
    ref check key.hex .
}

@test "a bad key file is refused, its fault named, its content not shown" {
    local n at
    echo data >plain
    ref seal key.hex <plain >sealed
    mkdir folder
    : >empty
    printf %s "${KEY:0:63}" >short
    printf '%s\n' "${KEY:0:63}" >short-line
    printf %s0 "$KEY" >long
    printf ' %s' "$KEY" >indented
    printf '%s %s' "${KEY:0:32}" "${KEY:32}" >split
    printf '%s\n%s\n' "$KEY" "$KEY" >twice
    printf '\xef\xbb\xbf%s' "$KEY" >bom
    printf '%s\0' "$KEY" >nul
    for at in 0 17 63; do
        printf %sg%s "${KEY:0:at}" "${KEY:at+1}" >bad$at
    done
    printf '%s\xc3\xa9%s' "${KEY:0:40}" "${KEY:42}" >bad40

    for n in enc dec; do
        for at in 0 17 40 63; do
            row "$n: digit $at" refused 4 bad$at "byte $at" -- \
                $n -K bad$at -in sealed -out new
        done
        row "$n: 63" refused 4 short 64 -- $n -K short -in sealed -out new
        row "$n: 63, line" refused 4 64 -- $n -K short-line -in sealed -out new
        row "$n: 65" refused 4 long 64 -- $n -K long -in sealed -out new
        row "$n: empty" refused 4 empty -- $n -K empty -in sealed -out new
        row "$n: blank first" refused 4 "byte 0" -- \
            $n -K indented -in sealed -out new
        row "$n: blank inside" refused 4 "byte 32" -- \
            $n -K split -in sealed -out new
        row "$n: twice" refused 4 -- $n -K twice -in sealed -out new
        row "$n: BOM" refused 4 "byte 0" -- $n -K bom -in sealed -out new
        row "$n: NUL" refused 4 -- $n -K nul -in sealed -out new
        row "$n: folder" refused 1 folder -- $n -K folder -in sealed -out new
        row "$n: missing" refused 1 absent "No such file" -- \
            $n -K absent -in sealed -out new
        row "$n: endless" refused 4 /dev/zero -- \
            $n -K /dev/zero -in sealed -out new
    done
    rows 32
    [ ! -e new ]
}

# ------------------------------------------------------ damaged dataset files

@test "a dataset file shorter than 28 bytes is refused, with its size" {
    local n
    ref pairs key.hex . 0
    for n in 0 1 11 12 16 27; do
        head -c $n 0.ef >cut
        row "$n bytes" refused 4 cut 28 -- dec -K key.hex -in cut -out new
        row "$n bytes, pipe" refused 4 28 -- dec -K key.hex < <(cat cut)
    done
    rows 12
    [ ! -e new ]
}

@test "any single bit flipped: exit 3, no output, an old one untouched" {
    plain_only "the same path 384 times"
    local copy before
    printf 'twelve bytes' >plain
    ref seal key.hex <plain >sealed
    mkdir flips
    ref flips sealed flips
    echo old >old
    before=$(stat -c '%i %y' old)
    for copy in flips/*; do
        row "$copy" refused 3 "$copy" -- dec -K key.hex -in $copy -out new
        [[ $copy != *[05] ]] ||
            row "$copy" refused 3 -- dec -K key.hex -in $copy -out old
    done
    rows 384
    [ ! -e new ]
    holds old $'old\n'
    [ "$(stat -c '%i %y' old)" = "$before" ]
    works dec -K key.hex -in sealed -out old # and the whole one does open
    same old plain
}

@test "cut, lengthened or opened with another key: exit 3" {
    ref pairs key.hex . 1000
    head -c 1027 1000.ef >cut
    head -c 28 1000.ef >cut28
    (cat 1000.ef && printf '\0') >longer
    tail -c +2 1000.ef >headless
    printf '%s%s' "${KEY:0:63}" 3 >other.hex
    local f
    for f in cut cut28 longer headless; do
        row $f refused 3 $f -- dec -K key.hex -in $f -out new
    done
    row "other key" refused 3 1000.ef -- dec -K other.hex -in 1000.ef -out new
    rows 5
    [ ! -e new ]
}

@test "no plaintext leaves dec before the tag holds, on any path" {
    local n t at
    for n in 3000000 9437184; do
        ref pairs key.hex . $n
        for at in 0 20 1500000 $((n + 11)) $((n + 27)); do
            cp $n.ef bad
            ref flip bad $at
            for t in 1 2 8; do
                row "$n, byte $at, $t threads" refused 3 -- \
                    dec -K key.hex -in bad --threads $t
                row "$n, byte $at, $t threads, pipe" refused 3 -- \
                    dec -K key.hex --threads $t < <(cat bad)
                row "$n, byte $at, $t threads, file" refused 3 -- \
                    dec -K key.hex -in bad -out new --threads $t
            done
        done
    done
    rows 90
    [ ! -e new ]
    [ -z "$(ls -A tmp)" ]
}

@test "a missing, unreadable or wrong kind of input: exit 1, no output" {
    local cmd
    mkdir folder
    for cmd in "enc -K key.hex" "dec -K key.hex" base64 "base64 -d"; do
        # shellcheck disable=SC2086
        {
            row "$cmd: missing" refused 1 absent "No such file" -- \
                $cmd -in absent -out new
            row "$cmd: folder" refused 1 folder -- $cmd -in folder -out new
            row "$cmd: through a file" refused 1 -- \
                $cmd -in key.hex/x -out new
        }
    done
    rows 12
    [ ! -e new ]
}

@test "control characters of a file name do not reach the terminal" {
    local name=$'gone\e]0;owned\a\nencflow: all is well'
    refused 1 gone -- enc -K key.hex -in "$name"
    refused 1 gone -- dec -K "$name" -in key.hex
    lacks err $'[\e\a]'
    lacks err '^encflow: all is well'
}

# ------------------------------------------------------------ memory, limits

@test "32 MiB of memory are enough for 300 MiB, file or pipe, both ways" {
    plain_only "a sanitizer has memory of its own"
    local size=$((300 << 20))
    truncate -s $size plain
    small_memory enc -K key.hex -in plain -out sealed
    [ "$(stat -c %s sealed)" -eq $((size + 28)) ]
    small_memory dec -K key.hex -in sealed -out back
    same back plain
    rm back
    cat plain | small_memory enc -K key.hex | cat >sealed
    cat sealed | small_memory dec -K key.hex | cmp - plain
    small_memory dec -K key.hex --threads 8 -in sealed -out /dev/null
}

@test "32 MiB of memory are enough for base64 of 100 MiB" {
    plain_only "a sanitizer has memory of its own"
    truncate -s 100M plain
    small_memory base64 -in plain -out text
    small_memory base64 -d -in text -out back
    same back plain
}

@test "more than 2^36 - 32 bytes are refused at once, naming the limit" {
    local most=$(((1 << 36) - 32))
    truncate -s $((most + 1)) over 2>/dev/null ||
        skip "the file system has no sparse files of 64 GiB"
    echo old >old
    over_limit enc -K key.hex -in over -out new
    over_limit enc -K key.hex -in over -out old
    over_limit enc -K key.hex <over
    truncate -s $((most + 28 + 1)) over
    over_limit dec -K key.hex -in over -out new
    [ ! -e new ]
    holds old $'old\n'
}

over_limit() {
    status=0
    timeout 20 "$ENCFLOW" "$@" >out 2>err || status=$?
    [ "$status" -ne 0 ] && [ "$status" -lt 124 ] && [ ! -s out ] &&
        grep -qE '68719476704|2\^36' err || {
        printf 'exit %s: %s\n' "$status" "$(cat err)"
        return 1
    }
}

@test "2^36 - 32 bytes themselves are not refused" {
    truncate -s $(((1 << 36) - 32)) most 2>/dev/null ||
        skip "the file system has no sparse files of 64 GiB"
    status=0
    timeout -s KILL 1 "$ENCFLOW" enc -K key.hex -in most -out /dev/null \
        2>err || status=$?
    [ "$status" -eq 137 ] # still at work when its second was over
}

@test "secrets are locked in memory and core dumps are off" {
    plain_only "a sanitizer locks no memory"
    ulimit -S -c "$(ulimit -H -c)" # where that is 0, half of this can't fail
    mkfifo feed
    "$ENCFLOW" enc -K key.hex -in feed -out sealed 3>&- &
    local pid=$! i
    exec 9<>feed
    for ((i = 0; i < 100; i++)); do
        grep -q 'core file size  *0 ' /proc/$pid/limits &&
            ! grep -q 'VmLck:[[:space:]]*0 kB' /proc/$pid/status && break
        sleep .05
    done
    grep -E 'core file size' /proc/$pid/limits
    grep VmLck /proc/$pid/status
    [ "$i" -lt 100 ]
    # not dumpable: to anyone but root its memory is root's
    [ "$(stat -c %u /proc/$pid/mem)" -eq 0 ]
    exec 9>&-
    wait $pid
}

# ------------------------------------------------------------------- base64

@test "base64 is coreutils' base64 -w0 with a final newline, and back" {
    local n
    for n in {0..66} 3071 3072 3073 49151 65535 65536 65537 98304 1048577; do
        ref pattern $n >plain
        (base64 -w0 <plain && echo) >want
        row "$n" encodes_to_want
        tr -d '\n' <want >bare
        row "$n, no newline" decodes bare
        fold -w 7 <bare | sed 's/$/\r/' >folded
        row "$n, folded" decodes folded
    done
    rows 228
}

encodes_to_want() {
    works base64 <plain && same out want &&
        works base64 -in plain -out got && same got want && decodes want
}

decodes() { works base64 -d -in "$1" && same out plain; }

@test "base64 -d is strict and names the byte" {
    local at text
    while read -r at text; do
        [ "$at" = - ] && at= # a place of its own choice
        printf '%b' "$text" >in
        row "$text" refused 4 "byte $at" -- base64 -d -in in -out new
        row "$text, pipe" refused 4 "byte $at" -- \
            base64 -d -out new < <(cat in)
    done <<'END'
3 QUJ$
3 QUJ$\n
0 $
0 -_-_
3 QUI\0
4 QU J$
4 QUI=*
4 QUI=*\n
4 QUI=Q
5 QUI=\nQ
5 QUI=\n=
0 ====
1 Q===
1 Q\xc3\xa9==
- =
- QUI=QUI=
- QU=C
- Q
- QU
- QUI
- QU=
- QUJDQ
- QR==
- QUJ=
END
    rows 48
    [ ! -e new ]
}

@test "base64 -d releases nothing of a bad text, even a long one" {
    (head -c 5000000 /dev/zero | base64 -w0 && echo '*') >in
    echo old >old
    refused 4 "byte 6666668" -- base64 -d -in in -out old
    holds old $'old\n'
}

# --------------------------------------------------------------------- json

@test "json refuses everything that is not strict JSON, naming the byte" {
    local at text deep
    while IFS= read -r text; do
        at=${text%% *} text=${text#* }
        printf '%b' "$text" >in
        [ "$at" = - ] && at=
        row "$text" refused 4 "byte $at" -- json -in in
    done <<'END'
3 nul
0 True
1 nil
3 [1,]
1 [,1]
3 [1 2]
2 [1
7 {"a":1,}
5 {"a" 1}
5 {"a":}
1 {a:1}
1 {1:1}
7 {"a":1 "b":2}
6 {"a":1
6 {"a":1]
2 [01]
3 [-01]
1 [+1]
2 [-]
2 [-a]
3 [1.]
1 [.5]
3 [1.e1]
3 [1e]
4 [1e+]
2 [0x1]
2 [1_000]
1 [NaN]
1 [Infinity]
2 [-Infinity]
1 ['a']
3 ["a
2 ["\x01"]
2 ["\n"]
2 ["\t"]
2 ["\xff"]
2 ["\xc0\xaf"]
2 ["\xe0\x80\xaf"]
2 ["\xed\xa0\x80"]
2 ["\xf4\x90\x80\x80"]
2 ["\xe2\x82"]
2 ["\x80"]
4 [1] x
3 [1][2]
3 [1],
3 [1]}
3 [1]\0
3 [1]/**/
3 [1,//c\n2]
3 [1,\x002]
0 \x0b[1]
1 [\xc2\xa01]
0 \xff\xfe[\x00]\x00
- ["\\x41"]
- ["\\a"]
- ["\\
- ["\\u12G4"]
- ["\\u123"]
- ["\\ud800"]
- ["\\udc00"]
- ["\\ud800\\u0041"]
- ["\\ud800\\ud800"]
- ["\\udfaa\\ud83d"]
1 [1e400]
1 [-1e400]
END
    rows 65
    printf '' >in
    row "nothing" refused 4 "byte 0" -- json -in in
    printf ' \n' >in
    row "only blanks" refused 4 "byte 2" -- json -in in
    deep=$(printf '[%.0s' {1..65})
    printf %s "$deep${deep//[/]}" >in
    row "depth 65" refused 4 "byte 64" 64 -- json -in in
    printf '{"a":%.0s' {1..65} >in
    row "depth 65, objects" refused 4 64 -- json -in in
    head -c 1000000 /dev/zero | tr '\0' '[' >in
    row "a million brackets" refused 4 "byte 64" -- json -in in
    rows 70
}

@test "json refuses a byte order mark by its name" {
    printf '\xef\xbb\xbf{}' >in
    refused 4 "byte 0" "byte order mark" -- json -in in
}

@test "json refuses a name used twice, also when it is spelt with escapes" {
    local at text
    while read -r at text; do
        printf %s "$text" >in
        row "$text" refused 4 "byte $at" -- json -in in
        row "$text" refused 4 "byte $at" -- json -c -in in
    done <<'END'
7 {"a":1,"a":1}
7 {"a":1,"\u0061":2}
8 {"é":1,"\u00e9":2}
12 {"\u00e9":1,"é":2}
7 {"/":1,"\/":2}
13 {"":{},"b":1,"":2}
14 [{"k":[{"b":1,"b":2}]}]
END
    rows 14
    printf '[{"a":1},{"a":1},{"A":1,"a":2}]' >in
    works json -in in
}

@test "json accepts what RFC 8259 allows" {
    local text deep
    deep=$(printf '[%.0s' {1..64})
    deep=$deep${deep//[/]}
    while IFS= read -r text; do
        printf '%b' "$text" >in
        row "$text" same_value "$text"
    done <<END
0
-0
true
null
""
[]
{}
 \t\r\n[ 1 ,\t2\r]\n
[0.1, 1e5, 1E+5, 1.5e-3, -0.0, 123456789012]
"\\\\ud83d\\\\ude02 \\\\u20ac \\\\/ \\\\b\\\\f\\\\n\\\\r\\\\t \\\\" \\\\\\\\"
"\x7f \xc2\x80 \xe2\x80\xa8 \xf4\x8f\xbf\xbf \xef\xbf\xbf"
{"": {"": {}}, "A": [], "a": [[], {}]}
$deep
END
    rows 13
}

# What `json` and `json -c` print has the value that went in.
same_value() {
    works json -in in && cp out pretty && works json -c -in in &&
        "$PYTHON" - <<'END'
import json
want, pretty, canon = (json.load(open(f)) for f in ("in", "pretty", "out"))
assert want == pretty == canon, (want, pretty, canon)
END
}

@test "json prints two blanks a level, members in order, numbers as written" {
    cat >in <<'END'
{"z":[1.50,-0,1E5,12345678901234567890,{"y":[],"x":{}}],"a":{"k":"v"},"n":null}
END
    cat >want <<'END'
{
  "z": [
    1.50,
    -0,
    1E5,
    12345678901234567890,
    {
      "y": [],
      "x": {}
    }
  ],
  "a": {
    "k": "v"
  },
  "n": null
}
END
    works json -in in
    same out want
    works json <in
    same out want
    works json ./in
    same out want
    works json want
    same out want
}

@test "json -c gives RFC 8785's and its author's published answers" {
    # cyberphone/json-canonicalization, testdata: weird, values, structures;
    # then the numbers of RFC 8785, appendix B
    printf %s '{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\u000a": "Newline",
  "1": "One",
  "\u0080": "Control\u007f",
  "\ud83d\ude02": "Smiley",
  "\u00f6": "Latin Small Letter O With Diaeresis",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "</script>": "Browser Challenge"
}' >in
    printf '{"\\n":"Newline","\\r":"Carriage Return","1":"One",' >want
    printf '"</script>":"Browser Challenge","\xc2\x80":"Control\x7f",' >>want
    printf '"ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign",' >>want
    printf '"😂":"Smiley","\xef\xac\xb3":"Hebrew Letter Dalet ' >>want
    printf 'With Dagesh"}' >>want
    works json -c -in in
    same out want

    printf %s '{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3,
              0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'"'"'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}' >in
    printf %s '{"literals":[null,true,false],"numbers":[333333333.3333333,' \
        '1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'"'"'B\"\\\\\"/"}' >want
    works json -c -in in
    same out want

    printf %s '{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { },
        "": "empty", "a": { }, "111": [ {"e": "yes","E": "no" } ], "A": { }}' \
        >in
    printf %s '{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},' \
        '"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}' >want
    works json -c -in in
    same out want

    printf %s '[-0, 5e-324, -5e-324, 1.7976931348623157e308,
        -1.7976931348623157e308, 9007199254740992, -9007199254740992,
        295147905179352830000, 9.999999999999997e22, 1e23,
        1.0000000000000001e23, 999999999999999700000, 999999999999999900000,
        1e21, 9.999999999999997e-7, 0.000001, 333333333.3333332,
        333333333.33333325, 333333333.3333333, 333333333.3333334,
        333333333.33333343, -0.0000033333333333333333,
        1424953923781206.25]' >in
    printf %s '[0,5e-324,-5e-324,1.7976931348623157e+308,' \
        '-1.7976931348623157e+308,9007199254740992,-9007199254740992,' \
        '295147905179352830000,9.999999999999997e+22,1e+23,' \
        '1.0000000000000001e+23,999999999999999700000,' \
        '999999999999999900000,1e+21,9.999999999999997e-7,0.000001,' \
        '333333333.3333332,333333333.33333325,333333333.3333333,' \
        '333333333.3333334,333333333.33333343,-0.0000033333333333333333,' \
        '1424953923781206.2]' >want
    works json -c -in in
    same out want
}

@test "json -c agrees with Python on 3,000 seeded random values" {
    local seed
    for seed in {1..6}; do
        ref documents $seed 500 >in
        ref canonical <in >want
        works json -c -in in
        cmp out want
        cp out again
        works json -c -in again # its own answer is a fixed point
        same out again
    done
}

@test "json finds what RFC 6901's pointers mean" {
    local pointer want
    cat >in <<'END'
{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4,
 "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8, "~1": 9, "é": {"01": [[], 10]}}
END
    while IFS=: read -r pointer want; do
        row "$pointer" finds "$pointer" "$want"
    done <<'END'
/foo/0:"bar"
/foo/1:"baz"
/:0
/a~1b:1
/c%d:2
/e^f:3
/g|h:4
/i\j:5
/k"l:6
/ :7
/m~0n:8
/~01:9
/é/01/1:10
END
    rows 13
    works json -c '' in # the empty pointer is the whole document
    holds out "$("$PYTHON" "$ROOT/tests/reference.py" canonical <in)"
    works json -c /foo in
    holds out '["bar","baz"]'
}

finds() {
    works json "$1" in && holds out "$2"$'\n' && works json -in in "$1" &&
        holds out "$2"$'\n' && works json "$1" <in && holds out "$2"$'\n'
}

@test "json says which pointer leads nowhere" {
    local pointer
    echo '{"a": [1, {"b": null}], "s": "text", "": {}}' >in
    for pointer in /x /a/2 /a/- /a/01 /a/+1 /a/1e0 /a/18446744073709551616 \
        /a/1/c /a/1/b/c /s/0 //x /a~ /a~2b /A; do
        row "$pointer" refused 4 "$pointer" -- json "$pointer" in
    done
    rows 14
}

@test "json -r prints a string's own bytes and a newline" {
    printf '{"stdout": "a\\u0000b\\n\\u20ac\\ud83d\\ude02\\"\\/", "n": 1}' >in
    works json -r /stdout in
    printf 'a\0b\n€😂"/\n' | cmp - out
}

@test "json checks the whole document before it answers from a part" {
    printf '{"a": "first", "b": [1,]}' >in
    refused 4 "byte 23" -- json /a in
    printf '{"a": "first", "b": [1]} x' >in
    refused 4 "byte 25" -- json -r /a in
}

# -------------------------------------------------------------- credentials

URL="https://fortanix-pocs-data.s3.amazonaws.com/conditions.csv.enc"

@test "credentials make prints the reference's JSON, key in upper case" {
    local want
    printf -v want '{"query_string": "%s", "encryption": {"key": "%s"}}\n' \
        "$(printf %s "$QUERY" | base64 -w0)" "$KEY"
    works credentials make --url "$URL?$QUERY" -K key.hex
    holds out "$want"
    works credentials make --url - -K key.hex <<<"$URL?$QUERY"
    holds out "$want"
    echo "${KEY,,}" >lower.hex
    works credentials make -K lower.hex --url="$URL?$QUERY"
    holds out "$want"
    "$PYTHON" -c 'import json, sys; json.load(open("out"))'
}

@test "credentials make: no query in the URL, an empty query_string" {
    local url
    for url in "$URL" file:///srv/data/conditions.csv.enc; do
        works credentials make --url "$url" -K key.hex
        holds out '{"query_string": "", "encryption": {"key": "'$KEY$'"}}\n'
    done
}

@test "credentials make: the query is all that follows the first ?" {
    works credentials make --url 'https://h/k?a=b?c=%3F&d' -K key.hex -o d
    works json -r /query_string d/dataset/credentials.bin
    [ "$(base64 -d <out)" = 'a=b?c=%3F&d' ]
    holds d/dataset/location.txt https://h/k
}

@test "credentials make -o writes location.txt and a 0600 credentials.bin" {
    works credentials make --url "$URL?$QUERY" -K key.hex
    mv out want
    (umask 000 && works credentials make --url "$URL?$QUERY" -K key.hex -o in)
    keeps_secret out
    [ "$(cd in && find . -type f | sort | xargs)" = \
        "./dataset/credentials.bin ./dataset/location.txt" ]
    holds in/dataset/location.txt "$URL"
    mode in/dataset/credentials.bin 600
    # the file is the printed JSON, with or without the final newline
    [ "$(<in/dataset/credentials.bin)" = "$(<want)" ]
    works credentials check in

    echo old >in/dataset/credentials.bin
    refused 1 credentials.bin -- \
        credentials make --url https://h/k?x=y -K key.hex -o in
    holds in/dataset/credentials.bin $'old\n'
    holds in/dataset/location.txt "$URL"
    works credentials make --url https://h/k?x=y -K key.hex -o in --force
    holds in/dataset/location.txt https://h/k
    mode in/dataset/credentials.bin 600
    works credentials make --url file:///srv/x -K key.hex -o local
    holds local/dataset/location.txt file:///srv/x
}

@test "credentials make refuses a URL that could smuggle something" {
    local url
    for url in $'https://h/k?a=b\nHost: x' $'https://h/k?a=\x01' \
        $'https://h/k?a=\x7f' $'https://h/\rk' 'https://h/k?a b' \
        'https://h/ k' $'https://h/k?\xff' conditions.csv ftp://h/k \
        https:///k https:// 'https://h:port/k' ''; do
        row "${url@Q}" refuses_url "$url"
    done
    rows 13
    [ ! -e d ]
}

refuses_url() {
    try credentials make --url "$1" -K key.hex -o d
    [ "$status" -eq 4 ] || [ "$status" -eq 2 ] || {
        printf 'exit %s\n' "$status"
        return 1
    }
    [ ! -s out ] && [ -s err ]
}

# creds KEY QUERY [LOCATION]: a dataset folder in in/dataset.
creds() {
    mkdir -p in/dataset
    printf '{"query_string": "%s", "encryption": {"key": "%s"}}' \
        "$(printf %b "$2" | base64 -w0)" "$1" >in/dataset/credentials.bin
    printf %s "${3-$URL}" >in/dataset/location.txt
}

@test "credentials check tells kind, expiry and the allowlist line" {
    local q4='X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE'
    q4+='%2F20990102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date='
    q4+='20990102T030405Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host'
    q4+='&X-Amz-Signature=PcpH99nszG2'
    local where='{address: fortanix-pocs-data.s3.amazonaws.com, port: 443}'
    creds $KEY "$QUERY"
    local path
    for path in in in/ in/dataset; do
        row "$path" tells $path SigV2 2100-01-01 "- $where"
    done
    creds $KEY "$q4"
    row SigV4 tells in SigV4 2099-01-03 "- $where"
    creds $KEY "" "$URL"
    row "no query" tells in "- $where"
    creds $KEY "$QUERY" https://h.example:8443/k
    row "port" tells in "{address: h.example, port: 8443}"
    rows 6
    works credentials check --json in
    keeps_secret out
    "$PYTHON" -c 'import json; json.load(open("out"))'
}

tells() {
    local path=$1 word
    shift
    works credentials check "$path" && keeps_secret out err || return 1
    for word; do
        grep -qF -e "$word" out || {
            printf 'lacks "%s":\n%s\n' "$word" "$(cat out)"
            return 1
        }
    done
}

@test "credentials check takes the credentials file alone" {
    creds $KEY "$QUERY"
    works credentials check in/dataset/credentials.bin
    keeps_secret out err
}

@test "credentials check: an expired query is exit 5, with its time" {
    local q4='X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20210219T103035Z'
    q4+='&X-Amz-Expires=3600&X-Amz-Signature=00'
    creds $KEY 'AWSAccessKeyId=A&Signature=PcpH99nszG2&Expires=1613817035'
    expired 2021-02-20
    creds $KEY "$q4"
    expired 2021-02-19
}

expired() {
    try credentials check in
    fails 5
    keeps_secret out err
    cat out err | grep -qF "$1"
}

@test "credentials check: http and file locations only where allowed" {
    creds $KEY "" http://h.example:8080/k
    try credentials check in
    fails 5 allow-http
    works credentials check --allow-http in
    grep -qF '{address: h.example, port: 8080}' out
    creds $KEY "" http://h.example/k
    works credentials check --allow-http in
    grep -qF 'port: 80}' out
    creds $KEY "" file:///srv/k
    try credentials check in
    fails 5 allow-file
    works credentials check --allow-file in
    lacks out address
}

@test "bad credentials: exit 4, the place in the JSON, nothing secret" {
    local at json q64
    q64=$(printf %s "$QUERY" | base64 -w0)
    mkdir -p in/dataset
    printf %s "$URL" >in/dataset/location.txt
    while IFS='|' read -r at json; do
        [ -n "$at" ] || continue
        json=${json//QQ/$q64} json=${json//KK/$KEY}
        printf '%s' "$json" >in/dataset/credentials.bin
        row "$json" refused 4 "$at" -- credentials check in
        row "$json" refused 4 "$at" -- credentials check \
            in/dataset/credentials.bin
    done <<END
byte 0|
byte 1|not json
byte 19|{"query_string": "a
byte|{"query_string": "QQ", "encryption": {"key": "KK"}} trailing
byte|{"query_string": "QQ", "query_string": "QQ", "encryption": {"key": "KK"}}
byte|{"query_string": "QQ", "encryption": {"key": "KK", "key": "KK"}}
byte|{"query_string": "QQ", "encryption": {"key": "KK", "k\\u0065y": "KK"}}
\$|["QQ", "KK"]
\$|"KK"
/encryption|{"query_string": "QQ"}
/encryption|{"query_string": "QQ", "Encryption": {"key": "KK"}}
/encryption|{"query_string": "QQ", "key": "KK"}
/encryption|{"query_string": "QQ", "encryption": "KK"}
/encryption|{"query_string": "QQ", "encryption": ["KK"]}
/encryption|{"query_string": "QQ", "encryption": null}
/encryption/key|{"query_string": "QQ", "encryption": {}}
/encryption/key|{"query_string": "QQ", "encryption": {"key\\u0000x": "KK"}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": 5}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": null}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": ["KK"]}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": ""}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": "${KEY:0:63}"}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": "KK0"}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": "KK\\u0000"}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": "${KEY:0:63}g"}}
/encryption/key|{"query_string": "QQ", "encryption": {"key": "${KEY:0:63}é"}}
/query_string|{"query_string": 5, "encryption": {"key": "KK"}}
/query_string|{"query_string": null, "encryption": {"key": "KK"}}
/query_string|{"query_string": ["QQ"], "encryption": {"key": "KK"}}
/query_string|{"query_string": "QQ*", "encryption": {"key": "KK"}}
/query_string|{"query_string": "${q64%??}", "encryption": {"key": "KK"}}
/query_string|{"query_string": "QQ\\u0000", "encryption": {"key": "KK"}}
/query_string|{"query_string": "a=b&c=d", "encryption": {"key": "KK"}}
END
    rows 62
}

@test "the place is said as a path and as a JSON pointer" {
    creds "${KEY:0:60}" "$QUERY"
    refused 4 '$.encryption.key' '/encryption/key' -- credentials check in
}

@test "a query string that is no query string is refused, and not shown" {
    local bad
    for bad in '\n' '\r' '\r\nHost: evil' '\0' '\x01' '\x1f' '\x7f' ' ' '\t' \
        '\xc3\xa9' '\xff' '#x'; do
        creds $KEY "${QUERY}&x=$bad"
        row "$bad" refused 4 /query_string -- credentials check in
        creds $KEY "$bad$QUERY"
        row "$bad first" refused 4 /query_string -- credentials check in
    done
    rows 24
}

@test "a location that is none is refused" {
    local bad
    for bad in '' $'https://h/k\nHost: x' $'https://h/\x01' 'https://h/a b' \
        'h/k' 'ftp://h/k' 'https://' 'https:///k' 'https://h:99999/k' \
        'https://h:0/k' 'https://h:port/k' 'https://user:pass@h/k' \
        'https://h/k#part'; do
        creds $KEY "$QUERY" "$bad"
        row "${bad@Q}" refused 4 location -- credentials check in
    done
    rows 13
}

@test "credentials without a file: exit 1, the file named" {
    mkdir -p in/dataset none
    refused 1 location.txt -- credentials check none
    printf %s "$URL" >in/dataset/location.txt
    refused 1 credentials.bin -- credentials check in
    refused 1 absent -- credentials check absent
}

# ------------------------------------------------------------------- result

# answer CODE: result.json and its sealed form result.ef from the files o, e.
answer() {
    ref result "$1" o e >result.json
    ref seal key.hex <result.json >result.ef
}

@test "result gives back stdout, stderr and the returncode, byte for byte" {
    local code want
    printf 'Dataset: x\n\0\xff\xfe\r\n no newline at the end' >o
    printf 'warning: \xc3\xa9\n' >e
    while read -r code want; do
        answer $code
        row "$code, sealed" gives $want result -K key.hex result.ef
        row "$code, plain" gives $want result result.json
        row "$code, stdin" gives $want result -K key.hex <result.ef
        row "$code, pipe" gives $want result -K key.hex - < <(cat result.ef)
    done <<'END'
0 0
1 1
3 3
255 255
-9 137
-15 143
END
    : >o && : >e
    answer 0
    row "empty" gives 0 result -K key.hex result.ef
    head -c 3000000 /dev/urandom >o && head -c 70000 /dev/urandom >e
    answer 7
    row "large" gives 7 result -K key.hex result.ef
    rows 26
}

gives() {
    local want=$1
    shift
    try "$@"
    fails "$want" && same out o && same err e
}

@test "result --json prints the document, two blanks a level, and exits 0" {
    echo table >o && echo oops >e
    answer -9
    works result --json -K key.hex result.ef
    "$PYTHON" -c 'import json
print(json.dumps(json.load(open("result.json")), indent=2))' >want
    same out want
}

@test "a damaged or foreign result: exit 3, not a byte printed" {
    echo table >o && echo oops >e
    answer 0
    mkdir flips
    ref flips result.ef flips
    local bit
    for bit in 0000 0100 0400 0$((8 * $(stat -c %s result.ef) - 1)); do
        bit=$(printf %04d "$((10#$bit))")
        row "bit $bit" refused 3 $bit -- result -K key.hex flips/$bit
    done
    printf '%s%s' "${KEY:0:63}" 3 >other.hex
    row "other key" refused 3 -- result -K other.hex result.ef
    row "json, other key" refused 3 -- result --json -K other.hex result.ef
    rows 6
}

@test "a result that is malformed: exit 4, its place, nothing printed" {
    local at json
    while IFS='|' read -r at json; do
        printf %s "$json" >r
        row "$json" refused 4 "$at" -- result r
        row "$json" refused 4 "$at" -- result --json r
        ref seal key.hex <r >r.ef
        row "$json" refused 4 "$at" -- result -K key.hex r.ef
    done <<'END'
byte 0|
byte 0|Dataset: x
byte|{"returncode": 0, "stdout": "", "stderr": ""} x
$|[0, "", ""]
/returncode|{"stdout": "", "stderr": ""}
/returncode|{"returncode": "0", "stdout": "", "stderr": ""}
/returncode|{"returncode": null, "stdout": "", "stderr": ""}
/returncode|{"returncode": true, "stdout": "", "stderr": ""}
/returncode|{"returncode": 1.5, "stdout": "", "stderr": ""}
/returncode|{"returncode": 99999999999999999999, "stdout": "", "stderr": ""}
/stdout|{"returncode": 0, "stderr": ""}
/stdout|{"returncode": 0, "stdout": null, "stderr": ""}
/stdout|{"returncode": 0, "stdout": "QQ=", "stderr": ""}
/stdout|{"returncode": 0, "stdout\u0000": "", "stderr": ""}
/stderr|{"returncode": 0, "stdout": "QUJD"}
/stderr|{"returncode": 0, "stdout": "QUJD", "stderr": 1}
/stderr|{"returncode": 0, "stdout": "QUJD", "stderr": "QU*D"}
END
    rows 51
    head -c 500 /dev/urandom >r
    refused 4 -- result r # a sealed result without its key is no JSON
    refused 1 absent -- result absent
}

# ----------------------------------------------- selftest, version and help

@test "selftest counts its checks and passes" {
    works selftest
    [[ $(tail -n 1 out) =~ ^selftest:\ [1-9][0-9]*\ checks\ passed$ ]]
    works selftest --json
    # four of each kernel; the hashes, signatures, seals, KMS's and texts once
    "$PYTHON" -c 'import json
s = json.load(open("out"))
assert s["checks"] == 4 * s["kernels"] + 13 and s["failed"] == 0, s'
}

@test "--version names the version, the libraries and the AES kernel" {
    works --version
    [[ $(head -n 1 out) =~ ^encflow\ [0-9] ]]
    grep -qi bearssl out
    grep -qi curl out
    grep -qi aes out
}

COMMANDS=(keygen enc dec base64 json credentials presign describe run result
    selftest)

@test "--help works everywhere, on stdout, and lists every command" {
    local cmd
    works --help
    cp out help
    for cmd in "${COMMANDS[@]}"; do
        row "$cmd in --help" grep -qwF -- "$cmd" help
        row "$cmd --help" helps $cmd --help
    done
    row "credentials make" helps credentials make --help
    row "credentials check" helps credentials check --help
    row "after options" helps enc -K absent --help
    # half a command: its own second words, and nobody else's
    row "release --help" works release --help
    sed -n 's/^  \([a-z]* [a-z-]*\)  .*/\1/p' out >listed
    printf 'release %s\n' keygen serve-one log | diff - listed
    rows $((2 * ${#COMMANDS[@]} + 4))
}

helps() { works "$@" && grep -qwF "$1" out && grep -q ^usage: out; }

@test "a command line that is wrong: exit 2, nothing done, a word why" {
    local args
    echo data >plain
    ls -A >before
    while read -r args; do
        # shellcheck disable=SC2086
        row "$args" refused 2 -- $args
    done <<'END'

nosuch
--nosuch
keygen --nosuch
keygen surplus
keygen -o
enc
enc -in plain -out new
enc -K
enc -K key.hex -in
enc -K key.hex -in plain -out new surplus
enc -K key.hex -in plain -out new --nosuch
enc -K key.hex -in plain -out new --threads
enc -K key.hex -in plain -out new --threads 0
enc -K key.hex -in plain -out new --threads -1
enc -K key.hex -in plain -out new --threads 2x
enc -K key.hex -in plain -out new --threads 99999999999999999999
enc -K key.hex -in plain -out new --threads=
enc -K key.hex -in plain -out new --quiet=yes
dec -in plain -out new
dec -K key.hex -in plain -out new --json
base64 -x
base64 -in plain surplus extra
json /a plain surplus
credentials
credentials nosuch
credentials make
credentials make --url https://h/k
credentials make -K key.hex
credentials check
credentials check a b
result a b
selftest surplus
END
    rows 33
    rm -f out err
    ls -A | diff before -
}

@test "a usage error shows how to get help" {
    refused 2 --help -- enc
    refused 2 --help -- nosuch
}

@test "-- ends the options" {
    mkdir dir && cd dir
    echo '{"a": 1}' >-r
    works json -c -- /a -r
    holds out 1
}

# ---------------------------------------------------------------- progress

@test "progress: on a terminal after a second, never with -q or elsewhere" {
    local run='sh ./slow | "$ENCFLOW" enc -K key.hex -out'
    echo 'head -c 3000000 /dev/zero; sleep 2.2; head -c 3000000 /dev/zero' >slow
    on_tty "$run shown"
    grep -qE '[0-9]' screen # bytes, rate
    on_tty "$run hidden -q"
    [ ! -s screen ]
    sh ./slow | works enc -K key.hex -out other # works: stderr stays empty
    on_tty '"$ENCFLOW" enc -K key.hex -in slow -out quick'
    [ ! -s screen ]
}

@test "progress: of a dataset that is added, and of an image that is measured" {
    echo kernel >k
    head -c 300000 /dev/zero >ramdisk
    "$PYTHON" "$ROOT/tests/eif.py" image k quiet ramdisk ramdisk >want
    echo 'head -c 200000 image; sleep 1.2; tail -c +200001 image' >slow
    on_tty 'sh ./slow | "$ENCFLOW" attest pcrs >registers'
    grep -qE 'KiB/s' screen
    [ "$(wc -l <registers)" -eq 3 ]
    # 32 MiB are encrypted at a time
    echo 'head -c 40000000 /dev/zero; sleep 1.2; head -c 40000000 /dev/zero' >slow
    export ENCFLOW_ID=$PWD/id.pem ENCFLOW_WORKSPACE=$PWD/ws
    works release keygen -o rel.pem
    cp out rel.pub
    works id new -q somebody
    on_tty 'sh ./slow | "$ENCFLOW" dataset add --from - --allow-file \
        --to "file://$PWD/new.enc" --release-key rel.pub new >hash'
    grep -qE 'MiB/s' screen
    [ "$(wc -c <hash)" -eq 65 ]
}

@test "progress: of a workspace and of a release log that are read" {
    need_strace
    export ENCFLOW_ID=$PWD/id.pem ENCFLOW_WORKSPACE=$PWD/ws
    local i set
    set=$(printf 'PCR%d=%096d\n' 0 1 1 1 2 1 | paste -sd ,)
    works id new -q somebody
    for i in 1 2 3 4; do
        works app add -q --image image --pcr "$set" "a$i"
    done
    echo hello >ws/README
    # slow OPTIONS RUN: system calls of it are delayed
    slow() {
        on_tty "ASAN_OPTIONS=\${ASAN_OPTIONS:+\$ASAN_OPTIONS:}detect_leaks=0 \
            strace -f -qq -o trace $1 \"\$ENCFLOW\" $2"
    }
    slow "-e inject=openat:delay_enter=200000" "app list >rows"
    grep -qE '[0-9] [Ki]*B, .*B/s' screen
    # no note stands behind it, and it is gone in the end
    grep -qE '\[Kencflow app list: note: "README" is passed over' screen ||
        grep -qE '^encflow app list: note: "README" is passed over' screen
    [ "$(grep -c . rows)" -eq 8 ]
    works release keygen -o rel.pem
    echo x | try release serve-one --release-key rel.pem --log entries
    slow "-P $PWD/entries -e inject=read:delay_enter=1200000:when=3" \
        "release log entries >rows"
    grep -qE '[0-9] B, .*B/s, [0-9]+ s left' screen
    grep -F refuse rows
}

@test "-v explains, without a secret; -q still tells of an error" {
    echo data >plain
    try enc -v -K key.hex -in plain -out sealed
    fails 0
    [ -s err ]
    keeps_secret err
    refused 1 absent -- enc -q -K key.hex -in absent -out new
}

@test "messages: a URL in the wrong place shows neither query nor password" {
    local words url=https://user:PASSWORD@h.example/x?X-Amz-Signature=SIGNED
    while read -r -a words; do
        run "$ENCFLOW" "${words[@]//URL/$url}" </dev/null
        [ "$status" -ne 0 ]
        case $output in *SIGNED* | *PASSWORD*)
            printf '%s:\n%s\n' "${words[*]}" "$output"
            return 1
            ;;
        esac
    done <<'EOF'
URL
enc -K k -in URL
enc -K URL
dec -K k -in k -out URL
json URL
describe URL
describe -c URL k
result URL
result -K URL k
credentials check URL
credentials check --url=URL
credentials make URL
credentials make --url URL -K k
presign default download s3://b k 60 --endpoint-url URL
presign default download URL k 60
run --ports URL
run --work URL --ports .
EOF
}
