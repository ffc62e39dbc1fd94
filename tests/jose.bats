#!/usr/bin/env bats
# Signatures, key files and sealed texts, to and from programs that nobody
# here wrote: jose, @hpke/core (both JavaScript), OpenSSL.

bats_require_minimum_version 1.5.0
load common

setup_file() {
    [ -d "$ROOT/build/npm/node_modules/jose" ] || return 0
    # imports are looked for beside the script
    cp "$ROOT/tests/jose.mjs" "$BATS_FILE_TMPDIR/"
    ln -s "$ROOT/build/npm/node_modules" "$BATS_FILE_TMPDIR/node_modules"
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -O0 -g -fsanitize=address,undefined \
        -fno-sanitize-recover=all -Wno-unused-function \
        -isystem /usr/include/bearssl -I"$ROOT" "$ROOT/tests/jose.c" \
        -o "$BATS_FILE_TMPDIR/jose" -lbearssl -lpthread
}

setup() {
    common_setup
    [ -x "$BATS_FILE_TMPDIR/jose" ] || skip "needs: make npm"
    node=$BATS_FILE_TMPDIR/jose.mjs
    PATH=$BATS_FILE_TMPDIR:$PATH
    head -c 70000 /dev/urandom >data
}

# payload N: the N-th text to sign: no byte, one, many.
payload() { head -c $((($1 * $1 * 7) % 900)) data; }

@test "jose: what we sign, jose verifies, in the header's form" {
    for i in 0 1 2 3 4 5 6 7; do
        jose new p256 >key.pem
        payload $i >text
        jose sign key.pem "encflow-test-$i+jws" <text >signed
        node "$node" verify <signed >got
        same text got
        jose verify "encflow-test-$i+jws" "$(node "$node" kid key.pem)" \
            <signed >got
        same text got
    done
}

@test "jose: what jose signs, we verify, whatever the order of members" {
    i=0
    for order in alg,jwk,kid,typ typ,kid,jwk,alg kid,alg,typ,jwk; do
        for key in ours theirs; do
            if [ $key = ours ]; then
                jose new p256 >key.pem
            else
                node "$node" key >key.pem
            fi
            i=$((i + 1))
            payload $i >text
            node "$node" sign key.pem some-text $order <text >signed
            jose verify some-text "$(jose kid <key.pem)" <signed >got
            same text got
        done
    done
}

@test "jose: both name a key by the same thumbprint" {
    jose new p256 >p256.pem
    jose new x25519 >x25519.pem
    for key in p256 x25519; do
        [ "$(jose kid <$key.pem)" = "$(node "$node" kid $key.pem)" ]
    done
}

@test "jose: what is changed or unsigned is refused" {
    jose new p256 >key.pem
    jose sign key.pem some-text <key.pem >signed
    kid=$(jose kid <key.pem)
    for how in none:4 typ:3 crit:4 payload:3 newline:4; do
        node "$node" forge ${how%:*} <signed >forged
        run -"${how#*:}" jose verify some-text "$kid" <forged
    done
    run -3 jose verify another-text "$kid" <signed
    jose new p256 >other.pem
    run -3 jose verify some-text "$(jose kid <other.pem)" <signed
}

@test "hpke: what we seal, @hpke/core opens" {
    for i in 0 1 2 3 4 5; do
        jose new x25519 >key.pem
        jose public <key.pem >public.pem
        payload $i >text
        jose seal public.pem "info $i" "aad $i" <text >sealed
        node "$node" open key.pem "info $i" "aad $i" <sealed >got
        same text got
    done
}

@test "hpke: what @hpke/core seals, we open, and nothing else" {
    for i in 0 1 2 3 4 5; do
        openssl genpkey -algorithm X25519 -out key.pem
        jose jwk <key.pem >key.jwk
        payload $i >text
        node "$node" seal key.jwk "info $i" "aad $i" <text >sealed
        jose open key.pem "info $i" "aad $i" <sealed >got
        same text got
        run -3 jose open key.pem "info" "aad $i" <sealed
        run -3 jose open key.pem "info $i" "aad" <sealed
    done
    head -c 40 sealed >short
    run -4 jose open key.pem "info 5" "aad 5" <short
    jose new x25519 >other.pem
    run -3 jose open other.pem "info 5" "aad 5" <sealed
}

@test "pem: OpenSSL reads our key files, and prints the same" {
    for kind in p256 x25519; do
        jose new $kind >key.pem
        openssl pkey -in key.pem >got
        same key.pem got
        jose public <key.pem >public.pem
        openssl pkey -in key.pem -pubout >got
        same public.pem got
        openssl pkey -pubin -in public.pem >got
        same public.pem got
    done
}

@test "pem: we read what OpenSSL writes, in any form that pkcs8 gives" {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
        -out p256.pem
    openssl genpkey -algorithm X25519 -out x25519.pem
    openssl ecparam -name prime256v1 -genkey -noout -out older.pem
    openssl pkcs8 -topk8 -nocrypt -in older.pem -out converted.pem
    openssl pkey -in p256.pem -out short.pem -ec_conv_form compressed \
        -pubout
    for key in p256 x25519 converted; do
        jose public <$key.pem >got
        openssl pkey -in $key.pem -pubout | same - got
        node "$node" public $key.pem | same - got
        jose jwk <$key.pem | jose unjwk | same - got
    done
    run -4 jose public <older.pem
    run -4 jose public <short.pem
    openssl pkey -pubin -in short.pem -ec_conv_form uncompressed -pubout |
        jose public >got
    openssl pkey -in p256.pem -pubout | same - got
    openssl pkcs8 -topk8 -in p256.pem -passout pass:x -out encrypted.pem
    run -4 jose public <encrypted.pem
    for other in "EC -pkeyopt ec_paramgen_curve:P-384" ED25519 \
        "RSA -pkeyopt rsa_keygen_bits:1024"; do
        # shellcheck disable=SC2086
        openssl genpkey -quiet -algorithm $other >other.pem 2>errors ||
            openssl genpkey -algorithm $other >other.pem
        run -4 jose public <other.pem
    done
}

@test "jws: OpenSSL verifies our signature, and we the one it makes" {
    jose new p256 >key.pem
    openssl pkey -in key.pem -pubout >public.pem
    jose sign key.pem some-text <data >signed 2>errors
    # r and s, as two INTEGERs
    /usr/bin/python3 - <<'END'
import base64
from cryptography.hazmat.primitives.asymmetric.utils import (
    encode_dss_signature)

text, _, signature = open("signed").read().rpartition(".")
raw = base64.urlsafe_b64decode(signature + "==")
open("text", "w").write(text)
open("der", "wb").write(encode_dss_signature(
    int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")))
END
    openssl dgst -sha256 -verify public.pem -signature der text
    openssl dgst -sha256 -sign key.pem -out der text
    /usr/bin/python3 - <<'END'
import base64
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature)

raw = b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(
    open("der", "rb").read()))
open("theirs", "w").write(open("text").read() + "." +
    base64.urlsafe_b64encode(raw).decode().rstrip("="))
END
    jose verify some-text "$(jose kid <key.pem)" <theirs >got
    same data got
}
