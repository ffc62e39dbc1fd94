#!/bin/bash -eu
# Every fuzz target for OSS-Fuzz's engines, from the repository's root, with
# what their images set: CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE OUT. Makes
# in $OUT, for each fuzz/fuzz_T.c: fuzz_T, fuzz_T_seed_corpus.zip and, where
# there is one, fuzz_T.dict. `make fuzz-oss` runs it here, three ways.
#
# The image that runs the targets has no libraries but libc's: BearSSL, jansson
# and OpenSSL are linked in. curl's own libraries are not all to be had as
# archives, so for the targets that hold all of encflow.c it goes, with what it
# needs, to $OUT/lib; by RPATH, not RUNPATH, so that these find each other there.
obj=$(mktemp -d)
trap 'rm -rf "$obj"' EXIT
flags="-std=c11 -D_GNU_SOURCE -I. -isystem /usr/include/bearssl"
archives="-l:libbearssl.a -l:libjansson.a"
system='^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+))\.so'

# encflow's own allocations go through fuzz.h's, which can fail.
$CC $CFLAGS $flags -DEF_NO_MAIN -Dmalloc=fuzz_malloc -Dcalloc=fuzz_calloc \
    -Drealloc=fuzz_realloc -c encflow.c -o "$obj/encflow.o"

for source in fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    $CC $CFLAGS $flags -c "$source" -o "$obj/$name.o"
    if grep -q '#include "../encflow.c"' "$source"; then
        parts="-lcurl -lcrypto -Wl,--disable-new-dtags,-rpath,\$ORIGIN/lib"
    else
        parts="$obj/encflow.o -l:libcrypto.a"
    fi
    $CXX $CXXFLAGS "$obj/$name.o" $parts $LIB_FUZZING_ENGINE $archives \
        -ldl -lpthread -lm -o "$OUT/$name"
    ldd "$OUT/$name" | awk '/=> \// { print $3 }' | while read -r library; do
        if ! basename "$library" | grep -Eq "$system"; then
            mkdir -p "$OUT/lib"
            cp -L "$library" "$OUT/lib/"
        fi
    done
    if [ -e "fuzz/dict/${name#fuzz_}.dict" ]; then
        cp "fuzz/dict/${name#fuzz_}.dict" "$OUT/$name.dict"
    fi
done
python3 fuzz/seeds.py --zip "$OUT"
