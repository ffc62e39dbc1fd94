#!/bin/sh
# demo.sh -- the whole story on one machine: three people who trust one
# another with nothing but what they have approved get an answer out of a
# table that only one of them may see. `make demo` calls it.
#
# Each person has a folder: an identity, and a copy of the workspace, which is
# nothing but signed documents. They send one another copies, here through the
# folder share. Another folder is the store, and the table is made up
# (sample.awk). Each command is printed, then run exactly as printed.
#
# The end is checked: what the output's owner decrypts must be what awk finds
# in the table, all copies must come to the same state, and nobody else may
# have seen the table.
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
        echo "$encflow_status" >>"$demo/.failed"
        return "$encflow_status"
    }
}

# person FOLDER WHO WHAT: a heading; what follows happens in that folder.
person() {
    printf '\n%s%s%s, in %s/: %s\n\n' "$title" "$2" "$plain" "$1" "$3"
    cd "$demo/$1"
}

# run COMMAND: print it, run it, and keep its output in .last.
run() {
    printf '%s$ %s%s\n' "$command" "$1" "$plain"
    eval "$1" >"$demo/.last" || give_up "that command ended with status $?"
    [ ! -e "$demo/.failed" ] || give_up "a part of that command failed"
    cat "$demo/.last"
}

# answer LABEL <table: the value after LABEL.
answer() { sed -n "s/^$1  *//p"; }

[ -x "$ENCFLOW" ] || give_up "no $ENCFLOW: run make first"

rm -rf "$demo"
mkdir -p "$demo/dana" "$demo/olga" "$demo/paul" "$demo/enclave" \
    "$demo/share" "$demo/store"
cd "$demo"

# The store's URL: its path as it is, or percent-encoded where that can't be.
# shellcheck disable=SC2016 # $PWD is printed like this, and expanded by eval
store='file://$PWD/store'
case $root in
*[!A-Za-z0-9/._~-]*)
    store=file://$(printf %s "$demo/store" | od -An -v -tx1 | tr -d ' \n' |
        sed 's/../%&/g; s,%2f,/,g') ;;
esac
unset ENCFLOW_WORKSPACE

# shellcheck disable=SC2016 # all commands below: expanded by eval
story() {
    printf 'In build/demo, a folder each: for Dana, Olga and Paul, for the\n'
    printf 'enclave, for what they share, which is signed and says nothing\n'
    printf 'secret, and for the store, which sees only encrypted files.\n\n'
    run "store=$store"
    run 'export ENCFLOW_ID=id.pem'

    person enclave 'The enclave' 'its key, to which credentials are sealed'
    run 'encflow release keygen -o release.pem >release.pub'

    person paul 'Paul, owner of the application' 'what may run, and how'
    run 'encflow id new -q Paul'
    run 'pcr=$(printf %096d 1) # nitro-cli build-enclave prints real ones'
    run 'encflow app add --image registry.example/describe:1 \
      --pcr PCR0=$pcr,PCR1=$pcr,PCR2=$pcr describe'
    run 'encflow config add --app describe default'
    run 'encflow task list'
    run 'encflow approve $(encflow task list -q | awk '"'"'{ print $2 }'"'"')'
    run 'cp .encflow/* ../share/'

    person dana 'Dana, owner of the data' "a table of $rows made-up records"
    run "awk -v seed=$seed -v rows=$rows -f ../../../tests/sample.awk \\
      >conditions.csv"
    run 'head -n 3 conditions.csv'
    run 'encflow id new -q Dana'
    run 'encflow dataset add --from conditions.csv \
      --to $store/conditions.csv.enc --allow-file \
      --release-key ../enclave/release.pub \
      --description "Conditions of patients" --label Location="East US" \
      conditions'
    run 'cp .encflow/* ../share/'

    person olga 'Olga, owner of the output' 'where the answer goes'
    run 'encflow id new -q Olga'
    run 'encflow keygen -o answer.key'
    run 'encflow dataset add --direction output -K answer.key \
      --to $store/answer.enc --allow-file \
      --release-key ../enclave/release.pub answer'
    run 'cp .encflow/* ../share/'

    person dana 'Dana' 'connects all three, and asks for approval'
    run 'cp ../share/* .encflow/'
    run 'encflow workflow new study'
    run 'encflow workflow add-app --build describe --config default study app'
    run 'encflow workflow connect study conditions app:input'
    run 'encflow workflow connect study app:output answer'
    run 'study=$(encflow workflow submit study)'
    run 'encflow approve $study'
    run 'cp .encflow/* ../share/'

    person olga 'Olga' 'looks at what she is asked, and approves it'
    run 'cp ../share/* .encflow/'
    run 'encflow task list'
    run 'encflow workflow show study'
    run 'encflow approve $study'
    run 'cp .encflow/* ../share/'

    person paul 'Paul' 'does the same; now all three have'
    run 'cp ../share/* .encflow/'
    run 'encflow task list'
    run 'encflow approve $study'
    run 'encflow workflow hashes study'
    run 'encflow workflow graph --format html -out ../workflow.html study'
    run 'cp .encflow/* ../share/'

    person enclave 'The enclave' 'runs exactly what was approved'
    run 'cp -r ../share .encflow'
    run 'encflow workflow hashes -o configs study'
    run 'encflow run --appconfig-file configs/*.json \
      --release-key release.pem --work work --allow-file'

    person olga 'Olga' 'reads the answer, step by step and then in one'
    run 'encflow dec -K answer.key -in ../store/answer.enc | encflow json'
    run 'encflow dec -K answer.key -in ../store/answer.enc |
      encflow json -r /stdout | encflow base64 -d'
    cp "$demo/.last" "$demo/.steps"
    run 'encflow result -K answer.key ../store/answer.enc'
}
ids() { (cd "$demo/$1" && encflow workflow hashes study); }

story
cd "$demo"
cmp -s .last .steps || give_up 'the two ways to read it differ'

# The same four answers by other means. Of equals, the first seen wins.
want=$(awk -F , 'NR > 1 { if (!n[$6]++) first[++kinds] = $6 }
    END { for (i = 1; i <= kinds; i++)
              if (n[first[i]] > n[top]) top = first[i]
          print NR - 1 "|" kinds "|" top "|" n[top] }' dana/conditions.csv)
got=$(answer count <.last)\|$(answer unique <.last)
got=$got\|$(answer top <.last)\|$(answer freq <.last)
[ "$got" = "$want" ] || give_up "awk finds $want, the table says $got"
[ "${got%%|*}" = "$rows" ] || give_up "count is not $rows"

# One line of the table: whoever has it has seen more than he may.
line=$(sed -n 2p dana/conditions.csv)
! grep -rqF "$line" olga paul enclave share store ||
    give_up 'somebody besides Dana has the table'
[ ! -e enclave/work ] || give_up 'the work folder was left'

# Whoever has the documents works out the same, by himself.
cp share/* dana/.encflow/
cp share/* olga/.encflow/
for name in dana olga enclave; do
    [ "$(ids "$name")" = "$(ids paul)" ] ||
        give_up "$name works out another APPCONFIG_ID than Paul"
done
rm -f .last .steps

printf '\nChecked with awk: count, unique, top and freq are those of the table'
printf '.\nNobody but Dana has the table, and all have worked out one '
printf 'APPCONFIG_ID.\nA page about the workflow: build/demo/workflow.html\n'
