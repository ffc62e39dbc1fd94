#!/usr/bin/env python3
"""ct.py BUILD FLAGS LIBS BEARSSL.A: run tests/ct.c under memcheck (make ct).

With gcc and with clang, against the system's BearSSL and the one of the
static binary: memcheck must find nothing. Then a copy of encflow.c gets a
leak in every function of LEAKS, and memcheck must name each of them; so the
test is seen to look there. FLAGS are those of the program itself, since what
an optimiser makes of the code is what counts.
"""
import os
import re
import subprocess
import sys

# A statement for the start of a function: it does no harm, but leaks. Add one
# with every function that handles secrets.
LEAKS = {
    "ef_equal": "for (size_t k = 0; k < n; k++)"
                " if (((const char *)a)[k] != ((const char *)b)[k]) break;"
                " else ct_noise++;",
    "hex_value": "if (byte >= 'a') ct_noise++;",
    "hex_digit": 'ct_noise += (unsigned)"0123456789abcdef"[v];',
    "b64_value": "ct_noise += ct_table[byte];",
    "b64_char": "if (v < 26) ct_noise++;",
    "ef_base64_decode": "if (in.n > 0 && in.p[0] == 'A') ct_noise++;",
    "ef_base64_encode": "if (n > 0 && *(const char *)secret == 0) ct_noise++;",
    "json_is_plain": "if (byte == '/' || byte == '+') ct_noise++;",
    "url_bad": 'if (strchr("\\"<>", byte) != NULL) ct_noise++;',
    "ef_key_parse": "if (text.n > 63 && text.p[63] < 'a') ct_noise++;",
    "ef_gcm_new": "if (key[31] & 1) ct_noise++;",
    "gcm_ctr": "if (n > 0 && *(char *)data == 0) ct_noise++;",
    "gcm_ghash": "ct_noise += ct_table[y[0] ^ *(const unsigned char *)data];",
    "gcm_partial": "if (n > 0 && data[0] > g->stream[0]) ct_noise++;",
    "gcm_multiply": "if (x[15] & 1) ct_noise++;",
    "gcm_fold": "if (y[0] & 1) ct_noise++;",
    "gcm_chunk": "if (n > 0 && data[n - 1] == 0) ct_noise++;",
    "get_verify": "if (g->sum[0] & 1) ct_noise++;",
    "open_some": "if (n > 0 && in[0] == 0) ct_noise++;",
    "sig_hmac": "if (key_n > 0 && *(const char *)key == 'A') ct_noise++;",
    "ef_sha256": "if (n > 0 && *(const char *)p == 0) ct_noise++;",
    "sig_length": "if (*secret == '/') ct_noise++;",
    "sig_json_canonical": "if (p->payload.p[0] == 0) ct_noise++;",
    "ef_credentials_print": "if (key[0] == 0) ct_noise++;",
    "p256_in_range": "if (x[31] & 1) ct_noise++;",
    "p256_sign": "if (d[31] & 1) ct_noise++;",
    "ec_x25519": "if (sk[0] & 8) ct_noise++;",
    "b64url_char": "if (c == '+') ct_noise++;",
    "b64url_value": "ct_noise += ct_table[byte];",
    "pem_same": "if (a.n > 0 && a.p[a.n - 1] & 1) ct_noise++;",
    "pem_is_line_end": "if (byte < 32) ct_noise++;",
    "pem_encode": "if (key->secret[0] == 0) ct_noise++;",
    "hpke_hmac": "if (n > 3 && parts[3].n > 0 && parts[3].p[0] & 1)"
                 " ct_noise++;",
    "hpke_schedule": "if (shared[0] & 1) ct_noise++;",
    "ef_key_commitment": "if (key[0] & 1) ct_noise++;",
    "credentials_key_check": "if (c->key[0] & 1) ct_noise++;",
    "ef_credentials_check": "if (c->query_n > 0 && c->query[0] == 'X')"
                            " ct_noise++;",
    "ef_credentials_seal": "if (text.n > 0 && text.p[0] & 1) ct_noise++;",
    "ef_credentials_open": "if (sk[0] & 8) ct_noise++;",
    "ws_credentials_part": "if (sk[1] & 8) ct_noise++;",
    "wf_unseal": "if (sk[2] & 8) ct_noise++;",
    "wf_query_key": "if (key[0] & 1) ct_noise++;",
    "ef_query_seal": "if (text.n > 0 && text.p[0] & 1) ct_noise++;",
    "ef_query_open": "if (key[31] & 1) ct_noise++;",
    "cms_mask": "if (seed[0] & 1) ct_noise++;",
    "cms_unwrap": "if (key->dp[64] & 1) ct_noise++;",
    "cms_padding": "if (text[n - 1] > 16) ct_noise++;",
    "cms_decrypt": "if (key->q[64] & 1) ct_noise++;",
    "rsa_number": "if (n > 0 && x[n - 1] & 2) ct_noise++;",
    "ef_release_key": "if (sk[0] & 8) ct_noise++;",
    "ef_release_nonce_make": "if (k[0] & 1) ct_noise++;",
    "ef_release_nonce_check": "if (k[1] & 1) ct_noise++;",
    "ef_release_token": "if (k[2] & 1) ct_noise++;",
    "ef_release_seal": "if (plain.p[plain.n - 5] == 'A') ct_noise++;",
    "ef_release_open": "if (sk[0] & 8) ct_noise++;",
    "cli_release_dataset": "if (r->keys->sk[0] & 8) ct_noise++;",
    "cli_release_plain": "if (r->keys->k[0] & 1) ct_noise++;",
    "cli_release_done": "if (r->keys->k[1] & 1) ct_noise++;",
    "cli_book_take": "if (key->secret[0] & 1) ct_noise++;",
    "ef_result_hash": "if (r->out.n > 0 && r->out.p[0] & 1) ct_noise++;",
    "cli_receipt_begin": "if (r->out.n > 0 && r->out.p[0] & 1) ct_noise++;",
}
# The same for the end of a function, before its last return: secrets that are
# not there earlier.
LAST = {
    "ef_rsa_new": "if (key->q[64] & 1) ct_noise++;",
    "ef_cms_open": "if (*n > 0 && out[0] & 1) ct_noise++;",
    "cli_read_pem": "if (rc == EF_OK && out->secret[0] & 1) ct_noise++;",
    "cli_read_x25519": "if (rc == EF_OK && sk[0] & 1) ct_noise++;",
    "cli_book_identity": "if (rc == EF_OK && b->d[0] & 1) ct_noise++;",
    "cli_enclave_credentials": "if (c->key[0] & 1) ct_noise++;",
}
HEAD = """
static volatile unsigned ct_noise; /* so that no leak is optimised away */
static const unsigned char ct_table[256] = {1, 2, 3};
"""
REPORT = ("Conditional jump or move depends on uninitialised value",
          "Use of uninitialised value of size")
# What memcheck 3.19 knows of debug information ends at DWARF 4. clang warns of
# options that only the linker needs.
DEBUG = ["-gdwarf-4", "-DEF_CT", "-Wno-unused-command-line-argument"]


def run(words, **more):
    return subprocess.run(words, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **more)


def compiler(words):
    done = run(words)
    if done.returncode != 0:
        sys.exit(f"ct: {words[0]} failed:\n{done.stdout}")
    return words[-1]


def build(cc, flags, source, out):
    """ct.c as an object file, with encflow.c from the folder source."""
    return compiler([cc, f"-I{source}", *flags, *DEBUG, "-c", "tests/ct.c",
                     "-o", out])


def link(cc, flags, obj, libs, out):
    return compiler([cc, *flags, obj, *libs, "-o", out])


def memcheck(program):
    return run(["valgrind", "-q", "--error-exitcode=9", "--num-callers=8",
                "--error-limit=no", program])


def leaky(folder):
    """A copy of encflow.c with every leak in it."""
    with open("encflow.c") as f:
        text = f.read()
    mark = "\n#include <bearssl.h>\n"
    if text.count(mark) != 1:
        sys.exit("ct: encflow.c does not include bearssl.h once")
    text = text.replace(mark, mark + HEAD)
    for name, leak in [*LEAKS.items(), *LAST.items()]:
        where = r"(?:.*\n)*?(?=    return [^;]*;\n}\n)" if name in LAST else ""
        body = re.compile(rf"^{name}\([^;{{]*\)\n{{\n{where}", re.M)
        if len(body.findall(text)) != 1:
            sys.exit(f"ct: no function {name} to plant a leak in")
        text = body.sub(lambda m: m.group(0) + "    " + leak + "\n", text)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "encflow.c"), "w") as f:
        f.write(text)
    return folder


def clean(program, about):
    done = memcheck(program)
    print(f"{about}: {' '.join(done.stdout.split())}" if not done.returncode
          else f"{about}:\n{done.stdout}", flush=True)
    kernels = re.findall(r"^kernel (\S+)", done.stdout, re.M)
    return done.returncode == 0 and len(kernels) >= 2


def caught(program, about):
    """Does memcheck name each function that leaks?"""
    done = memcheck(program)
    named = set()
    for part in re.split(r"==\d+== \n", done.stdout):
        if any(r in part for r in REPORT): # the innermost function of ours
            named |= set(re.findall(r"0x\w+: (\w+)\S* \(\S*encflow\.c:",
                                    part)[:1])
    planted = {*LEAKS, *LAST}
    missed = sorted(planted - named)
    for name in missed:
        print(f"{about}: the leak planted in {name} was not reported")
    if done.returncode != 9:
        print(f"{about}: exit status {done.returncode}, not 9\n{done.stdout}")
    print(f"{about}: {len(planted) - len(missed)} of {len(planted)} planted "
          "leaks reported", flush=True)
    return done.returncode == 9 and not missed


def main():
    folder, flags, libs, static = sys.argv[1:]
    flags, libs = flags.split(), libs.split()
    bad = leaky(os.path.join(folder, "leaky"))
    ok = True
    for cc in "gcc", "clang":
        name = os.path.join(folder, cc)
        obj = build(cc, flags, ".", name + ".o")
        ok &= clean(link(cc, flags, obj, libs, name),
                    f"{cc}, the system's BearSSL")
        ok &= clean(link(cc, flags, obj, [static, *libs], name + ".static"),
                    f"{cc}, the static binary's BearSSL")
        obj = build(cc, flags, bad, name + ".leaky.o")
        ok &= caught(link(cc, flags, obj, libs, name + ".leaky"),
                     f"{cc}, with leaks")
    return 0 if ok else 1


sys.exit(main())
