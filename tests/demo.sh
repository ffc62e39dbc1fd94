#!/bin/sh
# demo.sh -- the whole story on one machine: a data owner's table goes in, and
# an answer that only its receiver can read comes out. `make demo` calls it.
#
# A folder is the store, and the table is made up (sample.awk). Each command
# is printed, then run exactly as printed. The end is checked: what the
# receiver decrypts must be what awk finds in the table that was sent.
set -eu

seed=1 rows=10000

root=$(cd "$(dirname "$0")/.." && pwd)
ENCFLOW=${ENCFLOW:-$root/encflow}
case $ENCFLOW in
/*) ;;
*) ENCFLOW=$PWD/$ENCFLOW ;;
esac
demo=$root/build/demo

title='' command='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    title=$(printf '\033[1m') command=$(printf '\033[36m')
    plain=$(printf '\033[0m')
fi

give_up() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# The encflow under test; a failure inside a pipeline is remembered.
encflow() {
    "$ENCFLOW" "$@" || {
        encflow_status=$?
        echo "$encflow_status" >>.failed
        return "$encflow_status"
    }
}

# person NAME WHAT: a heading.
person() { printf '\n%s%s%s: %s\n\n' "$title" "$1" "$plain" "$2"; }

# run COMMAND: print it, run it, and keep its output in .last.
run() {
    printf '%s$ %s%s\n' "$command" "$1" "$plain"
    eval "$1" >.last || give_up "that command ended with status $?"
    [ ! -e .failed ] || give_up "a part of that command failed"
    cat .last
}

# answer LABEL <table: the value after LABEL.
answer() { sed -n "s/^$1  *//p"; }

[ -x "$ENCFLOW" ] || give_up "no $ENCFLOW: run make first"

# The store's URL: its path as it is, or percent-encoded where that can't be.
# shellcheck disable=SC2016 # $PWD is printed like this, and expanded by eval
store='file://$PWD/store'
case $root in
*[!A-Za-z0-9/._~-]*)
    store=file://$(printf %s "$demo/store" | od -An -v -tx1 | tr -d ' \n' |
        sed 's/../%&/g; s,%2f,/,g') ;;
esac

rm -rf "$demo"
mkdir -p "$demo/owner" "$demo/receiver" "$demo/enclave" "$demo/store"
cd "$demo"

printf 'In %s, a folder each: owner, receiver, enclave, and the store\n' \
    build/demo
printf 'between them, which sees nothing but encrypted files.\n'

person 'Data owner' "encrypts a table of $rows made-up records and stores it"
run "awk -v seed=$seed -v rows=$rows -f ../../tests/sample.awk \\
      >owner/conditions.csv"
run 'head -n 3 owner/conditions.csv'
run 'encflow keygen -o owner/key.hex'
run 'encflow enc -K owner/key.hex -in owner/conditions.csv \
      -out owner/conditions.csv.enc'
run 'cp owner/conditions.csv.enc store/'
run "encflow credentials make -K owner/key.hex \\
      --url \"$store/conditions.csv.enc\" \\
      -o enclave/ports/input/conditions"

person Receiver 'makes a key and says where the answer goes'
run 'encflow keygen -o receiver/key_out.hex'
run "encflow credentials make -K receiver/key_out.hex \\
      --url \"$store/answer.enc\" \\
      -o enclave/ports/output/answer"

person Application 'fetches, decrypts, describes, encrypts, delivers'
run 'encflow run --ports enclave/ports --allow-file'
run 'ls store'

person Receiver 'reads the answer, step by step and then in one'
run 'encflow dec -K receiver/key_out.hex -in store/answer.enc | encflow json'
run 'encflow dec -K receiver/key_out.hex -in store/answer.enc |
      encflow json -r /stdout | encflow base64 -d'
cp .last .steps
run 'encflow result -K receiver/key_out.hex store/answer.enc'
cmp -s .last .steps || give_up 'the two ways to read it differ'

# The same four answers by other means. Of equals, the first seen wins.
want=$(awk -F , 'NR > 1 { if (!n[$6]++) first[++kinds] = $6 }
    END { for (i = 1; i <= kinds; i++)
              if (n[first[i]] > n[top]) top = first[i]
          print NR - 1 "|" kinds "|" top "|" n[top] }' owner/conditions.csv)
got=$(answer count <.last)\|$(answer unique <.last)
got=$got\|$(answer top <.last)\|$(answer freq <.last)
[ "$got" = "$want" ] || give_up "awk finds $want, the table says $got"
[ "${got%%|*}" = "$rows" ] || give_up "count is not $rows"
[ ! -e enclave/input ] || [ -z "$(ls -A enclave/input)" ] ||
    give_up 'plaintext was left in enclave/input'
rm -f .last .steps

printf 'Checked with awk: count, unique, top and freq are those of the table'
printf ' sent.\nThe files are in build/demo for you to look at.\n'
