/*
 * jose.c -- section 9 of encflow.c as a program, for tests/jose.bats.
 *
 *   jose new p256|x25519               a private key to stdout
 *   jose public                        a key file to a public one
 *   jose jwk | unjwk | kid             a key file to a JWK; back; its kid
 *   jose sign KEYFILE TYP              a payload to a JWS
 *   jose verify TYP KID                a JWS to its payload
 *   jose seal KEYFILE INFO AAD         a text to enc and ciphertext
 *   jose open KEYFILE INFO AAD         the reverse
 *
 * All but `new` read stdin; all write stdout, and nothing else where they
 * fail, with the exit status of encflow(1).
 */
#define EF_NO_MAIN
#include "encflow.c"

static ef_buf in, out;
static ef_err err;

static _Noreturn void
fail(ef_status rc)
{
    fprintf(stderr, "jose: %s: %s\n", ef_status_name(rc),
            err.msg != NULL ? err.msg : "another typ or kid");
    exit(ef_exit_status(rc));
}

static void
must(ef_status rc)
{
    if (rc != EF_OK)
        fail(rc);
}

/* All of f, appended to b. */
static void
read_all(ef_buf *b, FILE *f)
{
    unsigned char piece[4096];
    size_t n;

    if (f == NULL)
        fail(EF_E_IO);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        ef_buf_add(b, piece, n);
    if (ferror(f) || b->failed)
        fail(EF_E_IO);
}

static ef_pem_key
key_file(const char *path)
{
    ef_buf text = {0};
    ef_pem_key key;
    FILE *f = fopen(path, "rb");

    read_all(&text, f);
    fclose(f);
    must(ef_pem_parse(&key, buf_slice(&text), &err));
    ef_buf_free(&text);
    return key;
}

static void
new_key(const char *kind)
{
    ef_pem_key key = {.kind = EF_PEM_X25519_PRIVATE};

    if (strcmp(kind, "p256") == 0) {
        key.kind = EF_PEM_P256_PRIVATE;
        must(ef_p256_new(key.secret, &err));
        must(ef_p256_public(key.public_key, key.secret, &err));
    } else {
        must(ef_x25519_new(key.secret, &err));
        ef_x25519_public(key.public_key, key.secret);
    }
    ef_pem_print(&out, &key);
}

static void
print_kid(const ef_pem_key *key)
{
    unsigned char kid[EF_KID_BYTES];

    if (pem_public_bytes(key->kind) == EF_P256_POINT_BYTES)
        ef_p256_kid(kid, key->public_key);
    else
        ef_x25519_kid(kid, key->public_key);
    ef_base64url_encode(&out, slice(kid, sizeof kid));
}

static void
convert(const char *what)
{
    ef_pem_key key;

    if (strcmp(what, "unjwk") == 0)
        must(ef_jwk_parse(&key, buf_slice(&in), &err));
    else
        must(ef_pem_parse(&key, buf_slice(&in), &err));
    if (strcmp(what, "public") == 0)
        key.kind = pem_public_bytes(key.kind) == EF_P256_POINT_BYTES
                       ? EF_PEM_P256_PUBLIC
                       : EF_PEM_X25519_PUBLIC;
    if (strcmp(what, "jwk") == 0)
        ef_jwk_print(&out, &key);
    else if (strcmp(what, "kid") == 0)
        print_kid(&key);
    else
        ef_pem_print(&out, &key);
}

static void
verify(const char *typ, const char *kid)
{
    ef_buf told = {0};
    ef_jws jws;

    must(ef_jws_parse(&jws, buf_slice(&in), &err));
    must(ef_jws_verify(&jws, buf_slice(&in), &err));
    ef_base64url_encode(&told, slice(jws.kid, sizeof jws.kid));
    if (!slice_is(jws.typ, typ) || !slice_is(buf_slice(&told), kid))
        fail(EF_E_AUTH);
    ef_buf_add(&out, jws.payload.p, jws.payload.n);
    ef_buf_free(&told);
    ef_jws_free(&jws);
}

static void
seal(const ef_pem_key *key, ef_slice info, ef_slice aad)
{
    if (!buf_room(&out, EF_HPKE_ENC_BYTES + in.n + EF_TAG_BYTES))
        fail(EF_E_MEMORY);
    must(ef_hpke_seal(out.p, out.p + EF_HPKE_ENC_BYTES, key->public_key, info,
                      aad, in.p, in.n, &err));
    out.n = EF_HPKE_ENC_BYTES + in.n + EF_TAG_BYTES;
}

static void
open_sealed(const ef_pem_key *key, ef_slice info, ef_slice aad)
{
    size_t n = in.n - EF_HPKE_ENC_BYTES;

    if (in.n < EF_HPKE_ENC_BYTES)
        fail(EF_E_FORMAT);
    if (!buf_room(&out, n + 1))
        fail(EF_E_MEMORY);
    must(ef_hpke_open(out.p, key->secret, in.p, info, aad,
                      in.p + EF_HPKE_ENC_BYTES, n, &err));
    out.n = n - EF_TAG_BYTES;
}

int
main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    ef_pem_key key = {0};

    if (strcmp(command, "new") != 0)
        read_all(&in, stdin);
    if (argc > 2 && (strcmp(command, "sign") == 0 || argc == 5))
        key = key_file(argv[2]);
    if (strcmp(command, "new") == 0 && argc == 3)
        new_key(argv[2]);
    else if (argc == 2)
        convert(command);
    else if (strcmp(command, "sign") == 0 && argc == 4)
        must(ef_jws_sign(&out, key.secret, argv[3], buf_slice(&in), &err));
    else if (strcmp(command, "verify") == 0 && argc == 4)
        verify(argv[2], argv[3]);
    else if (strcmp(command, "seal") == 0 && argc == 5)
        seal(&key, slice_str(argv[3]), slice_str(argv[4]));
    else if (strcmp(command, "open") == 0 && argc == 5)
        open_sealed(&key, slice_str(argv[3]), slice_str(argv[4]));
    else
        return 2;
    if (out.failed || fwrite(out.p, 1, out.n, stdout) != out.n)
        fail(EF_E_IO);
    ef_buf_free(&in);
    ef_buf_free(&out);
    return 0;
}
