/*
 * encflow.h -- the library side of encflow: every parser, cipher and signer.
 *
 * Compile encflow.c with -DEF_NO_MAIN and link BearSSL to use it from C
 * (files, HTTP, the runner and the command line are then left out). Nothing
 * declared here prints, exits, opens a socket or reads the environment; all
 * work is on memory that the caller owns, except where a comment says
 * "allocates".
 *
 * How to read a declaration. Parameters come in the order out, secret,
 * public, UNTRUSTED (bytes that an attacker may have chosen). Sizes are array
 * bounds where they are fixed, and always bytes. Every function that can fail
 * returns an ef_status and fills *err (which may be NULL); on failure outputs
 * hold nothing usable unless the comment says otherwise. No function keeps a
 * pointer after it returns, unless its comment says that it does.
 */
#ifndef ENCFLOW_H
#define ENCFLOW_H

#include <stddef.h>
#include <stdint.h>

#define EF_VERSION "0.1.0"

#if defined(__GNUC__)
#define EF_MUST_CHECK __attribute__((warn_unused_result))
#else
#define EF_MUST_CHECK
#endif

/* ----------------------------------------------------------------------- *
 * Sizes, fixed by the formats                                             *
 * ----------------------------------------------------------------------- */

#define EF_KEY_BYTES 32     /* AES-256 */
#define EF_KEY_HEX_BYTES 64 /* the same as hex digits */
#define EF_NONCE_BYTES 12   /* SP 800-38D 8.2.1: 96-bit IV */
#define EF_TAG_BYTES 16     /* SP 800-38D: the full tag */
#define EF_OVERHEAD_BYTES                                                      \
    28 /* nonce and tag: a dataset file's size minus                           \
          its plaintext's */
#define EF_SHA256_BYTES 32
#define EF_SHA1_BYTES 20

/* ----------------------------------------------------------------------- *
 * Limits. Input can drive no size, depth or count past these; the error   *
 * EF_E_LIMIT names the one that was met.                                  *
 * ----------------------------------------------------------------------- */

/* Plaintext of one dataset file: SP 800-38D 5.2.1.1, 2^39 - 256 bits. */
#define EF_MAX_PLAINTEXT_BYTES ((UINT64_C(1) << 36) - 32)
/* One JSON document: the largest result (two captured streams as base64)
 * fits, and with it in memory the program stays under 32 MiB. */
#define EF_MAX_JSON_BYTES (UINT32_C(17) << 20)
/* Nesting: enough for documents people write, far from any stack's end. */
#define EF_MAX_JSON_DEPTH 64
/* Values in one document: 24 bytes each are kept while it is checked. */
#define EF_MAX_JSON_NODES (UINT32_C(1) << 17)
/* A number's text: longer ones are JSON that nobody needs. */
#define EF_MAX_JSON_NUMBER_BYTES 1024
/* A credentials document and a location are short; larger ones are not
 * what they claim to be. */
#define EF_MAX_CREDENTIALS_BYTES (UINT32_C(1) << 16)
#define EF_MAX_LOCATION_BYTES 8192
/* A key file: 64 digits and some white space. */
#define EF_MAX_KEY_FILE_BYTES 4096
/* CSV: one field, one record, and fields in a record. */
#define EF_MAX_CSV_FIELD_BYTES (UINT32_C(1) << 20)
#define EF_MAX_CSV_RECORD_BYTES (UINT32_C(4) << 20)
#define EF_MAX_CSV_COLUMNS 16384
/* describe: distinct values of all described columns, as kept in memory. */
#define EF_MAX_DISTINCT_BYTES (UINT32_C(16) << 20)
/* Captured from the application, for stdout and stderr each. */
#define EF_MAX_APP_OUTPUT_BYTES (UINT32_C(6) << 20)
/* An AWS configuration file, and a presigned URL's key (S3's own limit). */
#define EF_MAX_INI_BYTES (UINT32_C(1) << 20)
#define EF_MAX_S3_KEY_BYTES 1024
/* S3's answers, and what of a head is read: the largest they send is far
 * below. */
#define EF_MAX_XML_BYTES (UINT32_C(1) << 16)
#define EF_MAX_XML_DEPTH 16
#define EF_MAX_ETAG_BYTES 256
#define EF_MAX_HTTP_HEAD_BYTES (UINT32_C(1) << 16)
/* S3's own: a single PUT, and the parts of an object. */
#define EF_MAX_PUT_BYTES (UINT64_C(5) << 30)
#define EF_MAX_PARTS 10000
/* Shares of an array job: what the engines allow, or less. */
#define EF_MAX_SHARES 10000
/* A dataset's name is one file name. */
#define EF_MAX_NAME_BYTES 255
/* Datasets on one port. */
#define EF_MAX_DATASETS 1024
/* SigV4's longest life of a presigned URL: seven days. */
#define EF_MAX_EXPIRES_SEC 604800

/* ----------------------------------------------------------------------- *
 * 1. Memory and errors                                                    *
 * ----------------------------------------------------------------------- */

/* What can go wrong, each with an input that causes it. */
typedef enum ef_status {
    EF_OK = 0,
    EF_E_IO,       /* a full disk */
    EF_E_MEMORY,   /* malloc returned NULL */
    EF_E_INTERNAL, /* a self-test that does not hold */
    EF_E_USAGE,    /* enc without -K */
    EF_E_AUTH,     /* a dataset file with one bit flipped */
    EF_E_FORMAT,   /* a key file of 63 digits */
    EF_E_LIMIT,    /* JSON nested 65 deep */
    EF_E_POLICY,   /* an http:// location without --allow-http */
    EF_E_NETWORK   /* HTTP 403 */
} ef_status;

/* A view of bytes that somebody else owns; not NUL-terminated. */
typedef struct ef_slice {
    const unsigned char *p;
    size_t n;
} ef_slice;

/* Why a call failed. msg and hint are constant text: nothing of the input,
 * so nothing secret, is ever in them. where names the file, dataset or JSON
 * member, with unprintable bytes escaped. */
#define EF_WHERE_BYTES 512
#define EF_NOWHERE UINT64_MAX
typedef struct ef_err {
    ef_status code;
    const char *msg;       /* NULL: no error yet */
    const char *hint;      /* what the user can do, or NULL */
    uint64_t at;           /* byte offset, or EF_NOWHERE */
    uint64_t line, column; /* from 1; 0: not known */
    int sys;               /* errno, or 0 */
    long detail;           /* a count or an HTTP status that msg speaks of */
    char place[192];       /* JSON position: "$.a.b (JSON pointer /a/b)" */
    char where[EF_WHERE_BYTES];
} ef_err;

/* The process exit status for a status, as in encflow(1). */
int ef_exit_status(ef_status code);
/* The name of a status: "EF_E_AUTH". Constant text. */
const char *ef_status_name(ef_status code);

/* Overwrite n bytes with zeros; the compiler may not leave it out. */
void ef_wipe(void *p, size_t n);

/* 1 where the n bytes are equal, else 0; time depends on n alone. */
int ef_equal(const void *a, const void *b, size_t n);

/* A growing buffer. Start from {0}. Additions that fail (no memory, past max,
 * drain said no) set failed and add nothing more, so one look at the end is
 * enough. Old storage is wiped when it moves and when it is freed.
 *
 * With drain set, contents that pass 64 KiB are handed to it and the buffer
 * begins anew: long texts then take little memory. What is left at the end is
 * the caller's to hand over. drain returns 0, or another value to fail. */
typedef struct ef_buf {
    unsigned char *p;
    size_t n, cap;
    size_t max; /* 0: no limit of its own */
    int failed;
    int (*drain)(void *ctx, const unsigned char *p, size_t n);
    void *ctx;
} ef_buf;

void ef_buf_add(ef_buf *b, const void *p, size_t n);
void ef_buf_str(ef_buf *b, const char *s);
void ef_buf_byte(ef_buf *b, unsigned char c);
void ef_buf_free(ef_buf *b);

/* Memory for secrets: its own pages, locked, left out of core dumps, zero in
 * a forked child, guard pages around. n bytes of zeros, or NULL. *locked (may
 * be NULL) becomes 0 where the system refused to lock it. */
void *ef_secret_alloc(size_t n, int *locked);
/* Wipes and unmaps what ef_secret_alloc(n) gave; NULL is allowed. */
void ef_secret_free(void *p, size_t n);

/* ----------------------------------------------------------------------- *
 * 2. Text encodings                                                       *
 * ----------------------------------------------------------------------- */

/* 2n hex digits to out, no NUL. No branch or index depends on the bytes. */
void ef_hex_encode(char *out, const void *secret, size_t n, int upper);

/*
 * ef_hex_decode -- out_n bytes from exactly 2 * out_n hex digits.
 *
 *   out   out        out_n bytes; wiped on failure
 *   in    UNTRUSTED  may be secret: time depends on its size alone, as long
 *                    as it is valid
 *
 * EF_E_FORMAT  wrong length (at = in.n) or not a hex digit (at = offset)
 */
EF_MUST_CHECK ef_status ef_hex_decode(unsigned char *out, size_t out_n,
                                      ef_slice in, ef_err *err);

/* Characters that n bytes take in base64, padding included (RFC 4648 4). */
#define EF_BASE64_BYTES(n) (((n) + 2) / 3 * 4)

/* Exactly EF_BASE64_BYTES(n) characters to out, no NUL; time depends on n
 * alone. Source: RFC 4648 section 4. */
void ef_base64_encode(char *out, const void *secret, size_t n);

/*
 * ef_base64_decode -- strict: whole quads, padding only at the end, unused
 * bits zero, nothing but the alphabet.
 *
 *   out    out        in.n / 4 * 3 bytes; may equal in.p; wiped on failure
 *   out_n  out        bytes written
 *   in     UNTRUSTED  may be secret: time depends on its size and padding
 *
 * EF_E_FORMAT  at = offset of the first wrong character, or in.n
 * Source: RFC 4648 sections 3.3, 3.5, 4. Tests: vectors/base64.txt.
 */
EF_MUST_CHECK ef_status ef_base64_decode(unsigned char *out, size_t *out_n,
                                         ef_slice in, ef_err *err);

/* Append in with every byte outside A-Z a-z 0-9 - . _ ~ (and '/' when
 * keep_slash) as %XX, upper-case: RFC 3986 2.1 as AWS signs it. */
void ef_percent_encode(ef_buf *out, ef_slice in, int keep_slash);

/* Append in with %XX decoded. EF_E_FORMAT: a '%' without two hex digits
 * (at = its offset), or %00 unless allow_nul. '+' stays a plus. */
EF_MUST_CHECK ef_status ef_percent_decode(ef_buf *out, ef_slice in,
                                          int allow_nul, ef_err *err);

/* EF_OK where in is well-formed UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing past U+10FFFF), else EF_E_FORMAT with at. */
EF_MUST_CHECK ef_status ef_utf8_check(ef_slice in, ef_err *err);

/* ----------------------------------------------------------------------- *
 * 3. JSON: RFC 8259 strict, unique names (RFC 7493), RFC 8785 canonical    *
 * ----------------------------------------------------------------------- */

typedef enum ef_json_type {
    EF_JSON_NULL,
    EF_JSON_FALSE,
    EF_JSON_TRUE,
    EF_JSON_NUMBER,
    EF_JSON_STRING,
    EF_JSON_ARRAY,
    EF_JSON_OBJECT
} ef_json_type;

/* One value of a document, in document order: a container's members follow
 * it, up to the index end. Offsets are into the text. */
typedef struct ef_json_node {
    uint32_t at, n;           /* the value's text, quotes included */
    uint32_t name_at, name_n; /* a member's name, quotes included; n 0: none */
    uint32_t end;             /* index just past this value's own nodes */
    uint8_t type;             /* ef_json_type */
    uint8_t has_escape;       /* a string with a backslash in it */
} ef_json_node;

/* A checked document. text is the caller's and must stay; nodes belong to
 * the document: ef_json_free. */
typedef struct ef_json {
    ef_slice text;
    ef_json_node *nodes;
    uint32_t count, cap;
} ef_json;

#define EF_JSON_NONE UINT32_MAX

/*
 * ef_json_parse -- check a whole document and index its values.
 *
 *   doc   out        allocates; free with ef_json_free also after failure
 *   text  UNTRUSTED  at most EF_MAX_JSON_BYTES; kept by reference
 *
 * EF_E_FORMAT  at = offset of the first byte that can't be right: grammar,
 *              UTF-8, a lone surrogate, a name used twice, a number that
 *              overflows binary64, text after the value, a byte order mark
 * EF_E_LIMIT   EF_MAX_JSON_BYTES, _DEPTH, _NODES or _NUMBER_BYTES
 * EF_E_MEMORY
 *
 * EF_E_INTERNAL  LC_NUMERIC is not "C" (setlocale was called): numbers are
 *              read by strtod
 *
 * No recursion.
 * Source: RFC 8259; RFC 7493 2.1 to 2.3.
 * Tests: vectors/json_accept.txt, vectors/json_reject.txt.
 */
EF_MUST_CHECK ef_status ef_json_parse(ef_json *doc, ef_slice text, ef_err *err);
void ef_json_free(ef_json *doc);

/* Index of member name (UTF-8, unescaped) of the object at node, or
 * EF_JSON_NONE where there is none or node is not an object. */
uint32_t ef_json_member(const ef_json *doc, uint32_t node, ef_slice name);

/*
 * ef_json_pointer -- RFC 6901: "" is the whole document.
 *
 * EF_E_FORMAT  the pointer is malformed (at = offset in it), or names
 *              nothing in doc (at = offset of the token that does not match)
 */
EF_MUST_CHECK ef_status ef_json_pointer(const ef_json *doc, uint32_t *node,
                                        ef_slice pointer, ef_err *err);

/* Append the unescaped bytes (UTF-8, may hold NUL) of the string at node. */
void ef_json_string(const ef_json *doc, uint32_t node, ef_buf *out);

/* Append the value at node with indent blanks a level (0: one line with
 * ", " and ": "). Numbers and strings keep their text. */
void ef_json_print(const ef_json *doc, uint32_t node, unsigned indent,
                   ef_buf *out);

/* Append the RFC 8785 form of the value at node. EF_E_MEMORY; where out has a
 * drain, its failure shows in out->failed alone. */
EF_MUST_CHECK ef_status ef_json_canonical(const ef_json *doc, uint32_t node,
                                          ef_buf *out, ef_err *err);

/* ECMAScript's Number::toString for a finite x, NUL-terminated; the length.
 * Source: RFC 8785 3.2.2.3. */
#define EF_JSON_NUMBER_BYTES 32
size_t ef_json_number(char out[EF_JSON_NUMBER_BYTES], double x);

/* Append s as a JSON string, quotes included, with RFC 8785's escapes. */
void ef_json_quote(ef_buf *out, ef_slice s);

/* ----------------------------------------------------------------------- *
 * 4. CSV: RFC 4180 as pandas.read_csv reads it by default                 *
 * ----------------------------------------------------------------------- */

/* Called once a record; fields are valid during the call only. line is the
 * physical line the record ends on, from 1. A status other than EF_OK stops
 * the parse and is its result. */
typedef ef_status (*ef_csv_row_fn)(void *ctx, const ef_slice *fields,
                                   size_t count, uint64_t line, ef_err *err);

/* Parser state between pieces of input; start with ef_csv_init. */
typedef struct ef_csv {
    int state;         /* see the section in encflow.c */
    ef_buf data;       /* the record's field bytes, end to end */
    ef_slice *fields;  /* the record handed to row */
    size_t *ends;      /* where each field ends in data */
    size_t count, cap; /* fields seen; room in fields and ends */
    size_t start;      /* where the field being read starts */
    size_t width;      /* fields a record may have; 0: no record yet */
    uint64_t records, line, quote_line, offset;
    uint32_t utf8;         /* bytes of a character split between pieces */
    unsigned bom, cut, cr; /* bytes of a BOM seen; a NUL cut this field;
                              the last byte was a quoted CR */
    ef_csv_row_fn row;
    void *ctx;
} ef_csv;

void ef_csv_init(ef_csv *csv, ef_csv_row_fn row, void *ctx);

/*
 * ef_csv_push -- parse the next piece; pieces may be split anywhere.
 * ef_csv_end  -- the input is over: the last record, and what was missing.
 *
 *   csv   in/out     allocates; free with ef_csv_free also after failure
 *   in    UNTRUSTED
 *
 * EF_E_FORMAT  line: not UTF-8 (at too), more fields than the record before,
 *              no closing quote, no record at all
 * EF_E_LIMIT   EF_MAX_CSV_FIELD_BYTES, _RECORD_BYTES, _COLUMNS
 *
 * Records shorter than the widest so far are padded with empty fields.
 * Tests: vectors/csv.txt.
 */
EF_MUST_CHECK ef_status ef_csv_push(ef_csv *csv, ef_slice in, ef_err *err);
EF_MUST_CHECK ef_status ef_csv_end(ef_csv *csv, ef_err *err);
void ef_csv_free(ef_csv *csv);

/* ----------------------------------------------------------------------- *
 * 5. INI: AWS shared configuration files as botocore reads them           *
 * ----------------------------------------------------------------------- */

/*
 * ef_ini_get -- the value of name in [section].
 *
 *   value    out        slice of text, trimmed; n 0 and p NULL: not there
 *   found    out        may be NULL; 1 where the section itself exists
 *   section  public     the exact text between the brackets
 *   name     public     lower-case
 *   text     UNTRUSTED  at most EF_MAX_INI_BYTES
 *
 * EF_E_FORMAT  line: a line before any section, no delimiter, no closing
 *              bracket, not UTF-8; the section or the name wanted stands
 *              there twice; or the value wanted is one that AWS's tools read
 *              in different ways (a comment, a colon, a continuation line)
 */
EF_MUST_CHECK ef_status ef_ini_get(ef_slice *value, int *found,
                                   const char *section, const char *name,
                                   ef_slice text, ef_err *err);

/* The same for a part of name's value, "sub = x" in an indented line below a
 * name that has none of its own. EF_E_FORMAT also where such a line below name
 * has no delimiter. sub NULL: ef_ini_get. */
EF_MUST_CHECK ef_status ef_ini_get_part(ef_slice *value, int *found,
                                        const char *section, const char *name,
                                        const char *sub, ef_slice text,
                                        ef_err *err);

/* ----------------------------------------------------------------------- *
 * 7. AES-256-GCM (SP 800-38D)                                             *
 * ----------------------------------------------------------------------- */

/* One way to compute AES-CTR and GHASH on this machine. */
typedef struct ef_gcm_kernel ef_gcm_kernel;

/* The i-th kernel that this processor can run, best first; NULL past the
 * last. Kernel 0 always exists. */
const ef_gcm_kernel *ef_gcm_kernel_at(unsigned i);
/* "x86ni+pclmul", "ct64+ctmul64", ... Constant text. */
const char *ef_gcm_kernel_name(const ef_gcm_kernel *kernel);

/* A keyed context. Holds round keys: wipe with ef_gcm_free. */
typedef struct ef_gcm ef_gcm;
/* In ef_secret_alloc memory. kernel NULL: the best. NULL: no memory. */
ef_gcm *ef_gcm_new(const unsigned char key[EF_KEY_BYTES],
                   const ef_gcm_kernel *kernel);
void ef_gcm_free(ef_gcm *g);

/* Start a message. aad may be NULL when aad_n is 0. */
void ef_gcm_start(ef_gcm *g, const unsigned char nonce[EF_NONCE_BYTES],
                  const void *aad, size_t aad_n);

/*
 * ef_gcm_crypt -- encrypt or decrypt the next n bytes in place, any split.
 *
 * EF_E_LIMIT  the message would pass EF_MAX_PLAINTEXT_BYTES; data untouched
 */
EF_MUST_CHECK ef_status ef_gcm_crypt(ef_gcm *g, void *data, size_t n,
                                     int encrypt, ef_err *err);

/* The tag of the message so far; the message is over. */
void ef_gcm_tag(ef_gcm *g, unsigned char tag[EF_TAG_BYTES]);

/*
 * ef_gcm_seal / ef_gcm_open -- one whole message in memory.
 *
 *   out     out        n bytes; may equal in. All zero on EF_E_AUTH
 *   key     secret
 *   nonce   public     never use one twice with a key
 *   aad     UNTRUSTED  aad_n bytes; NULL allowed when aad_n is 0
 *   in      UNTRUSTED  n bytes, at most EF_MAX_PLAINTEXT_BYTES
 *
 * EF_E_AUTH    wrong key, or nonce, aad, in or tag was changed
 * EF_E_LIMIT   n over the limit; nothing was read
 * EF_E_MEMORY  no memory for the keyed context
 * Source: SP 800-38D 7.1, 7.2. Tests: vectors/aes256gcm.txt.
 */
EF_MUST_CHECK ef_status ef_gcm_seal(unsigned char *out,
                                    unsigned char tag[EF_TAG_BYTES],
                                    const unsigned char key[EF_KEY_BYTES],
                                    const unsigned char nonce[EF_NONCE_BYTES],
                                    const void *aad, size_t aad_n,
                                    const unsigned char *in, size_t n,
                                    const ef_gcm_kernel *kernel, ef_err *err);
EF_MUST_CHECK ef_status ef_gcm_open(unsigned char *out,
                                    const unsigned char key[EF_KEY_BYTES],
                                    const unsigned char nonce[EF_NONCE_BYTES],
                                    const void *aad, size_t aad_n,
                                    const unsigned char *in, size_t n,
                                    const unsigned char tag[EF_TAG_BYTES],
                                    const ef_gcm_kernel *kernel, ef_err *err);

/* ----------------------------------------------------------------------- *
 * 8. Dataset files: nonce | ciphertext | tag, and what goes with them     *
 * ----------------------------------------------------------------------- */

/*
 * ef_key_parse -- a key file's text: 64 hex digits, then white space.
 *
 * EF_E_FORMAT  at: the first character that is no hex digit; or too few or
 *              too many digits (at = where the digits end)
 */
EF_MUST_CHECK ef_status ef_key_parse(unsigned char key[EF_KEY_BYTES],
                                     ef_slice text, ef_err *err);

/*
 * Decrypt a dataset file that arrives in pieces.
 *
 * ef_open_push: takes in, writes up to in.n bytes of plaintext to out (which
 * must not overlap in). What it writes has NOT been authenticated: hold it
 * back until ef_open_end says EF_OK. The last 16 bytes seen are kept as the
 * tag-to-be.
 *
 * EF_E_FORMAT  (end) fewer than 28 bytes: no dataset file
 * EF_E_AUTH    (end) wrong key, or the file was changed
 * EF_E_LIMIT   (push) past EF_MAX_PLAINTEXT_BYTES
 */
typedef struct ef_open {
    ef_gcm *gcm; /* the caller's */
    uint64_t seen;
    unsigned char nonce[EF_NONCE_BYTES], tail[EF_TAG_BYTES];
    unsigned tail_n;
} ef_open;

void ef_open_init(ef_open *o, ef_gcm *gcm);
EF_MUST_CHECK ef_status ef_open_push(ef_open *o, unsigned char *out,
                                     size_t *out_n, ef_slice in, ef_err *err);
EF_MUST_CHECK ef_status ef_open_end(ef_open *o, ef_err *err);

/* What a port's credentials.bin says. The caller keeps it in ef_secret_alloc
 * memory; query is in such memory too. ef_credentials_free wipes both. */
typedef struct ef_credentials {
    unsigned char key[EF_KEY_BYTES];
    unsigned char *query; /* decoded; query_n 0: the location is the URL */
    size_t query_n, query_size; /* bytes of it; bytes allocated */
} ef_credentials;

/*
 * ef_credentials_parse -- {"query_string": base64, "encryption": {"key": hex}}
 *
 *   c     out        allocates; free also after failure
 *   json  UNTRUSTED  at most EF_MAX_CREDENTIALS_BYTES
 *
 * EF_E_FORMAT  err->place names the member: not JSON, a member missing or of
 *              another type, bad base64, a bad key, a byte in the query that
 *              may not stand in a URL
 * Members that encflow does not know are refused: a misspelled one would
 * otherwise be lost in silence.
 */
EF_MUST_CHECK ef_status ef_credentials_parse(ef_credentials *c, ef_slice json,
                                             ef_err *err);
void ef_credentials_free(ef_credentials *c);

/* Append the credentials document as Python's json.dumps writes it. */
void ef_credentials_print(ef_buf *out, const unsigned char key[EF_KEY_BYTES],
                          ef_slice query);

/*
 * ef_location_check -- a location or URL: a scheme encflow knows, no byte
 * outside printable ASCII, no user or password, at most
 * EF_MAX_LOCATION_BYTES.
 */
typedef enum ef_scheme {
    EF_SCHEME_HTTPS = 1,
    EF_SCHEME_HTTP = 2,
    EF_SCHEME_FILE = 4
} ef_scheme;
EF_MUST_CHECK ef_status ef_location_check(ef_scheme *scheme, ef_slice url,
                                          ef_err *err);

/* A dataset's name must be one safe file name: not empty, ".", "..", no '/',
 * no control character, UTF-8, at most EF_MAX_NAME_BYTES. */
EF_MUST_CHECK ef_status ef_name_check(ef_slice name, ef_err *err);

/* A result: what the application left, and its JSON form. Slices view the
 * caller's bytes. */
typedef struct ef_result {
    int returncode; /* Python's, -127 to 255: minus the signal's number when
                       killed, else the exit status */
    ef_slice out, err;
} ef_result;

/* Size of the result's JSON, and n bytes of it from offset at to buf: so that
 * it can be produced in pieces, and again from the start. at + n must not
 * pass the size. */
uint64_t ef_result_size(const ef_result *r);
void ef_result_read(const ef_result *r, uint64_t at, unsigned char *buf,
                    size_t n);

/*
 * ef_result_parse -- the reverse; decodes base64 in place, so json's bytes
 * change and r's slices point into them.
 * EF_E_FORMAT  err->place names the member. Unknown members are allowed.
 */
EF_MUST_CHECK ef_status ef_result_parse(ef_result *r, unsigned char *json,
                                        size_t n, ef_err *err);

/* ----------------------------------------------------------------------- *
 * 10. AWS signing                                                         *
 * ----------------------------------------------------------------------- */

void ef_sha256(unsigned char out[EF_SHA256_BYTES], const void *p, size_t n);
void ef_hmac_sha256(unsigned char out[EF_SHA256_BYTES], const void *key,
                    size_t key_n, const void *p, size_t n);
void ef_hmac_sha1(unsigned char out[EF_SHA1_BYTES], const void *key,
                  size_t key_n, const void *p, size_t n);

typedef enum ef_addressing {
    EF_ADDR_REGIONAL, /* the regional virtual host; our default */
    EF_ADDR_AUTO,     /* these three as botocore's addressing_style */
    EF_ADDR_VIRTUAL,
    EF_ADDR_PATH
} ef_addressing;

/* What to presign. Strings are NUL-terminated UTF-8 and the caller's. */
typedef struct ef_presign {
    const char *access_key, *secret_key, *token; /* token: NULL for none */
    const char *method;                          /* "GET" or "PUT" */
    const char *bucket, *region;
    ef_slice key;         /* raw bytes, UTF-8 */
    const char *endpoint; /* NULL: AWS's own */
    ef_addressing addressing;
    int sigv2;
    int64_t now;              /* seconds since 1970, UTC */
    int64_t expires;          /* seconds, 1 to EF_MAX_EXPIRES_SEC */
    const char *const *query; /* "name=value" raw, query_n of them */
    size_t query_n;
} ef_presign;

/* The stages of a signature, for vectors and for people. Any may be NULL. */
typedef struct ef_sign_stages {
    ef_buf *canonical, *to_sign, *signature;
} ef_sign_stages;

/*
 * ef_presign_url -- append the presigned URL to url.
 *
 *   url     out     allocates; secret: it is a credential
 *   stages  out     NULL, or where to put the intermediates
 *   p       secret
 *
 * EF_E_FORMAT  a bucket, key, region, endpoint, parameter or time that can't
 *              be signed; err->where says which
 * EF_E_LIMIT   a key over EF_MAX_S3_KEY_BYTES, more than 64 parameters
 * EF_E_POLICY  a bucket kind (ARN, S3 Express) this signer does not know
 * Source: AWS Signature Version 4 query authentication (S3 rules: the path
 * is encoded once and not normalised) and Signature Version 2.
 * Tests: vectors/sigv4.txt, vectors/sigv2.txt, tests/presign.bats.
 */
EF_MUST_CHECK ef_status ef_presign_url(ef_buf *url, ef_sign_stages *stages,
                                       const ef_presign *p, ef_err *err);

/*
 * ef_sign_request -- sign one request in its headers (Signature Version 4).
 *
 *   url      out  appended: the URL, with p->query's parameters and no others
 *   headers  out  appended: lines NAME:VALUE, each ended by a line feed, to be
 *                 sent as they stand: x-amz-content-sha256, x-amz-date,
 *                 x-amz-security-token where there is a token, Authorization.
 *                 Whoever has them may send this request for 15 minutes
 *   stages        as ef_presign_url
 *   p             as ef_presign_url; expires and sigv2 are not looked at
 *
 * The payload is not signed (UNSIGNED-PAYLOAD), nor is any other header.
 *
 * EF_E_*       as ef_presign_url
 * EF_E_FORMAT  also an access key id or token that no header could carry
 * Source: AWS Signature Version 4, the Authorization header, S3's rules.
 * Tests: vectors/sigv4_headers.txt.
 */
EF_MUST_CHECK ef_status ef_sign_request(ef_buf *url, ef_buf *headers,
                                        ef_sign_stages *stages,
                                        const ef_presign *p, ef_err *err);

/* When a presigned query ends: from Expires (SigV2) or X-Amz-Date and
 * X-Amz-Expires (SigV4). version 0: the query is not presigned.
 * EF_E_FORMAT: it says it is presigned but its dates can't be read. */
typedef struct ef_presigned {
    int version;     /* 0, 2 or 4 */
    int64_t expires; /* seconds since 1970 */
    int token;       /* carries a session token, which may end earlier */
} ef_presigned;
EF_MUST_CHECK ef_status ef_presigned_parse(ef_presigned *out, ef_slice query,
                                           ef_err *err);

/* Times. format: "20130524T000000Z" (basic) or "2013-05-24T00:00:00Z". parse
 * takes both and plain seconds since 1970; years 1970 to 9999. */
#define EF_TIME_BYTES 24
void ef_time_format(char out[EF_TIME_BYTES], int64_t t, int basic);
EF_MUST_CHECK ef_status ef_time_parse(int64_t *t, ef_slice text, ef_err *err);

/*
 * ef_http_date_parse -- an HTTP date, as in Date and Retry-After.
 *
 *   t     out        seconds since 1970; negative before. Years 1 to 9999
 *   now   public     decides the century of a year of two digits
 *   text  UNTRUSTED  "Sun, 06 Nov 1994 08:49:37 GMT", or one of the two older
 *                    forms; nothing before or behind it
 *
 * EF_E_FORMAT  not one of the forms, no such date, or another day's weekday
 * Source: RFC 9110 5.6.7. Tests: vectors/http_dates.txt.
 */
EF_MUST_CHECK ef_status ef_http_date_parse(int64_t *t, ef_slice text,
                                           int64_t now, ef_err *err);

/* ----------------------------------------------------------------------- *
 * 11. What an HTTP or S3 server answers                                   *
 * ----------------------------------------------------------------------- */

#define EF_UNKNOWN UINT64_MAX /* a size that nobody told */

/* Content-Range. first and last are inclusive, and 0 unless satisfied. */
typedef struct ef_content_range {
    uint64_t first, last, total; /* total may be EF_UNKNOWN */
    int satisfied;               /* 0: no range was given, only the size */
} ef_content_range;

/* EF_E_FORMAT: not "bytes FIRST-LAST/TOTAL" (at), or a range that cannot be.
 * Source: RFC 9110 14.4. Tests: vectors/content_ranges.txt. */
EF_MUST_CHECK ef_status ef_content_range_parse(ef_content_range *out,
                                               ef_slice text, ef_err *err);

/* An entity tag: *tag is its part of text, quotes included; *weak where W/
 * stands before it. EF_E_FORMAT (at), EF_E_LIMIT EF_MAX_ETAG_BYTES.
 * Source: RFC 9110 8.8.3. Tests: vectors/etags.txt. */
EF_MUST_CHECK ef_status ef_etag_parse(ef_slice *tag, int *weak, ef_slice text,
                                      ef_err *err);

/*
 * ef_xml_get -- the text of one element of an answer of S3's.
 *
 *   value  out        appended: the text of the first element `name` directly
 *                     below the root, references decoded; UTF-8
 *   found  out        0: another root, or no such element: value is as it was
 *   root   public     the root element's name, prefix included
 *   text   UNTRUSTED  the whole document, checked whatever is asked
 *
 * EF_E_FORMAT  at: not well-formed, or markup that S3 does not use (DOCTYPE,
 *              comments, CDATA, processing instructions), or an element
 *              `name` that has elements in it
 * EF_E_LIMIT   EF_MAX_XML_BYTES, EF_MAX_XML_DEPTH
 * EF_E_MEMORY
 * Source: XML 1.0. Tests: vectors/xml.txt.
 */
EF_MUST_CHECK ef_status ef_xml_get(ef_buf *value, int *found, const char *root,
                                   const char *name, ef_slice text,
                                   ef_err *err);

/* ----------------------------------------------------------------------- *
 * 12. describe                                                            *
 * ----------------------------------------------------------------------- */

typedef struct ef_describe ef_describe;

/*
 * Summaries of chosen columns of one CSV file, as pandas 1.5's
 * Series.describe() prints them for text and bool columns.
 *
 *   columns  public  names, column_n of them; kept by reference. column_n 0:
 *                    every column
 *   seed     public  16 random bytes for the hash table: an attacker who
 *                    does not know them can't make it slow
 *
 * ef_describe_new: NULL when there is no memory. push and end as ef_csv_push
 * and ef_csv_end, and
 *
 * EF_E_FORMAT  a named column that is not there (where names it), or one
 *              that holds numbers
 * EF_E_LIMIT   EF_MAX_DISTINCT_BYTES
 */
ef_describe *ef_describe_new(const char *const *columns, size_t column_n,
                             const unsigned char seed[16]);
void ef_describe_free(ef_describe *d);
EF_MUST_CHECK ef_status ef_describe_push(ef_describe *d, ef_slice in,
                                         ef_err *err);
EF_MUST_CHECK ef_status ef_describe_end(ef_describe *d, ef_err *err);

/* After ef_describe_end: columns described, and what is known of each. */
typedef struct ef_summary {
    ef_slice name;
    uint64_t count;  /* values that are not missing */
    uint64_t unique; /* distinct ones */
    ef_slice top;    /* the most frequent, first seen of equals; n 0 where
                        there is none (no value is empty) */
    uint64_t freq;
    int numeric; /* holds numbers: nothing else here is filled in */
} ef_summary;
size_t ef_describe_count(const ef_describe *d);
void ef_describe_get(const ef_describe *d, size_t i, ef_summary *out);

/* Append the table that print(df[COLUMN].describe()) prints. */
void ef_describe_table(const ef_describe *d, size_t i, ef_buf *out);

/* The k-th most frequent value of column i (k from 0): value and count; 0
 * when there is no such value. First seen of equals first. */
int ef_describe_top(ef_describe *d, size_t i, size_t k, ef_slice *value,
                    uint64_t *count);

/* ----------------------------------------------------------------------- *
 * 13. The runner                                                          *
 * ----------------------------------------------------------------------- */

/* "I/N", a share of an array job: 0 <= *index < *count <= EF_MAX_SHARES.
 * EF_E_FORMAT, EF_E_LIMIT. Tests: vectors/shards.txt. */
EF_MUST_CHECK ef_status ef_shard_parse(uint32_t *index, uint32_t *count,
                                       ef_slice text, ef_err *err);

#endif /* ENCFLOW_H */
