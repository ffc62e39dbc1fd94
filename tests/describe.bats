#!/usr/bin/env bats
# describe of text and truth-value columns: byte for byte what
# print(df[COLUMN].describe()) of pandas 1.5 shows, in describe.py's frame.

bats_require_minimum_version 1.5.0
load common
load data

setup() {
    data_setup
    CASES=$SHARED/cases/describe
}

# framed PATH TABLE: what describe prints for one file, in the file want.
framed() {
    printf 'Dataset: %s\n\n%s\n\n' "$1" "$(<"$2")" >want
}

# says_as FILE STEM: describe of FILE prints the table STEM.expected for the
# column STEM.col names.
says_as() {
    framed "$1" "$2.expected"
    works describe -c "$(<"$2.col")" "$1" && {
        cmp -s want out || diff -u want out
    }
}

@test "every published text and truth-value case, byte for byte" {
    need_shared cases/describe
    local table
    for table in "$CASES"/*.expected; do
        grep -q ^unique "$table" || continue # else it is a numeric one
        row "${table##*/}" says_as "${table%.*}.csv" "${table%.*}"
    done
    rows 40
}

@test "random columns: byte for byte what pandas itself says of them" {
    "$PYTHON" -c 'import pandas, sys
sys.exit(not pandas.__version__.startswith("1.5."))' ||
        skip "needs python3-pandas 1.5"
    mkdir cases
    "$PYTHON" "$ROOT/tests/columns.py" cases 20211123 400
    local csv
    for csv in cases/*.csv; do
        row "$csv" says_as "$csv" "${csv%.csv}" || cat -A "$csv"
    done
    rows 400
}

@test "the reference's own data gives the reference's published answer" {
    need_shared data/conditions.csv
    cat >table <<'END'
count                           8376
unique                           129
top       Viral sinusitis (disorder)
freq                            1248
Name: DESCRIPTION, dtype: object
END
    cp "$SHARED/data/conditions.csv" cxhcfxdvl
    framed cxhcfxdvl table
    works describe cxhcfxdvl # the column is DESCRIPTION unless told
    same out want
    works describe -c DESCRIPTION "$PWD/cxhcfxdvl"
    [ "$(head -n 1 out)" = "Dataset: $PWD/cxhcfxdvl" ]
}

@test "malformed files: exit 4, the line or the byte, nothing printed" {
    need_shared cases/describe
    local name words
    while read -r name words; do
        row "$name" refused 4 "$words" "$name.csv" -- describe \
            -c "$(<"$CASES/errors/$name.col")" "$CASES/errors/$name.csv"
    done <<'END'
err_blank_only no columns
err_empty_file no columns
err_invalid_utf8_in_number_col byte 5
err_latin1 byte 9
err_latin1_header byte 3
err_missing_column NOPE
err_too_many_fields line 3
err_too_many_fields_line5 line 5
err_unterminated_quote line 2
err_utf16 byte 0
END
    rows 10
    [ "$(find "$CASES/errors" -name '*.csv' | wc -l)" -eq 10 ]
}

@test "a fault late in a large file is still found, and counted right" {
    local n=300000
    (echo A,B && yes x,y | head -n $n) >good
    (cat good && echo 1,2,3) >wide
    refused 4 "line $((n + 2))" -- describe -c A wide
    (cat good && printf 'a,\xc3\x28\n') >cut
    refused 4 "byte $(($(stat -c %s good) + 2))" -- describe -c A cut
    (cat good && printf 'a,"open\nand on\n') >open
    refused 4 "line $((n + 2))" -- describe -c A open
    works describe -c A good
    grep -qE "^count +$n\$" out
}

@test "numeric columns are refused for now, in so many words" {
    need_shared cases/describe
    local table
    for table in "$CASES"/*.expected; do
        grep -q ^mean "$table" || continue
        row "${table##*/}" refused 4 numbers -- describe \
            -c "$(<"${table%.*}.col")" "${table%.*}.csv"
    done
    rows 20
}

@test "several files and several columns come in the order given" {
    printf 'A,B\nx,p\nx,q\ny,q\n' >one.csv
    printf 'B,A\nr,z\n' >two.csv
    works describe -c A one.csv
    cp out one.a
    works describe -c A two.csv
    cat one.a out >want
    works describe -c A one.csv two.csv
    same out want
    works describe -c B -c A one.csv
    [ "$(grep -E '^(Name|Dataset):' out)" = "$(printf '%s\n' \
        'Dataset: one.csv' 'Name: B, dtype: object' \
        'Name: A, dtype: object')" ]
}

@test "--format json says the same, for a program" {
    printf 'A,B\nx,p\n"x",q\ny\U0001f602,q\n,q\n' >one.csv
    works describe -c A --format json one.csv
    "$PYTHON" - <<'END'
import json
text = open("out").read()
json.loads(text)
for number in (3, 2):           # count, and unique = freq
    assert str(number) in text
assert '"x"' in text and '"A"' in text and "one.csv" in text
END
    works describe -c A --format text one.csv
    refused 2 -- describe -c A --format yaml one.csv
}

@test "--top N lists the most frequent values" {
    printf 'A\nb\na\nb\nc\na\nb\n' >one.csv
    works describe -c A --top 2 one.csv
    grep -qE '\bb\b.*3|3.*\bb\b' out
    grep -qE '\ba\b.*2|2.*\ba\b' out
    lacks out '^ *c\b|\bc$'
}

@test "no file, a missing file, a folder" {
    refused 2 -- describe
    refused 1 absent -- describe absent
    mkdir folder
    refused 1 folder -- describe folder
}

@test "memory grows with distinct values, not with the file" {
    plain_only "a sanitizer has memory of its own"
    "$PYTHON" - <<'END'
rows = "".join("2020-01-01,p%d,%s\n" % (i, "abcdefgh"[i % 7] * 20)
               for i in range(20000))
with open("big.csv", "w") as f:
    f.write("START,PATIENT,DESCRIPTION\n" + rows * 150)
END
    small_memory describe big.csv
}

@test "names that stand in the header twice are pandas' names" {
    "$PYTHON" -c 'import pandas, sys
sys.exit(not pandas.__version__.startswith("1.5."))' ||
        skip "needs python3-pandas 1.5"
    ENCFLOW=$ENCFLOW "$PYTHON" - <<'EOF'
import io, json, os, random, subprocess, pandas
rng, words = random.Random(7), ["A", "A.1", "A.2", "B", "B.1", "A.1.1", ""]
for n in range(150):
    names = [rng.choice(words) for _ in range(rng.randrange(1, 8))]
    text = ",".join(names) + "\n" + ",".join("xyzuvwq"[:len(names)]) + "\n"
    if not text.strip("\n,"):
        continue
    want = list(pandas.read_csv(io.StringIO(text)).columns)
    done = subprocess.run(
        [os.environ["ENCFLOW"], "describe", "--all", "--format", "json", "-"],
        input=text.encode(), stdout=subprocess.PIPE, check=True, timeout=20)
    got = [c["name"] for c in json.loads(done.stdout)["columns"]]
    assert got == want, (text, got, want)
EOF
}

@test "a record has a size limit, and memory does not grow with it" {
    "$PYTHON" -c 'print("DESCRIPTION" + ",x" * 11)
print("a", *["y" * 500000] * 11, sep=",")' >wide.csv
    run "$ENCFLOW" describe wide.csv
    fails 4 "line 2" EF_MAX_CSV_RECORD_BYTES
}
