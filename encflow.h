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
#define EF_SHA384_BYTES 48
#define EF_PCR_BYTES 48 /* SHA-384 */
#define EF_P384_SCALAR_BYTES 48
#define EF_P384_POINT_BYTES 97     /* 04 || x || y */
#define EF_P384_SIGNATURE_BYTES 96 /* r || s */

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
/* A key as PEM has some 250 bytes; a signed document is a page of text, and
 * its header 350 bytes. */
#define EF_MAX_PEM_BYTES 8192
#define EF_MAX_JWS_BYTES (UINT32_C(256) << 10)
#define EF_MAX_JWS_HEADER_BYTES 1024
#define EF_MAX_JWS_TYP_BYTES 64
/* One document's JSON, all documents' together, and how many: with those of
 * a workspace in memory the program stays under 32 MiB. */
#define EF_MAX_DOCUMENT_BYTES (UINT32_C(128) << 10)
#define EF_MAX_WORKSPACE_BYTES (UINT32_C(12) << 20)
#define EF_MAX_DOCUMENTS 16384
/* Texts of a document: a name or a line; a description; a long one. */
#define EF_MAX_LINE_BYTES 255
#define EF_MAX_TEXT_BYTES 4096
#define EF_MAX_LONG_TEXT_BYTES (UINT32_C(64) << 10)
/* A runtime configuration: a document's files, and where 1024 datasets are. */
#define EF_MAX_APPCONFIG_BYTES (UINT32_C(2) << 20)
/* Entries of one list or map of a document. */
#define EF_MAX_ENTRIES 1024
/* CBOR: arrays and maps inside one another; known documents have 3. */
#define EF_MAX_CBOR_DEPTH 8
/* An enclave image; the format's own of sections, and AWS's of what a
 * signature section may have. */
#define EF_MAX_EIF_BYTES (UINT64_C(1) << 36)
#define EF_MAX_EIF_SECTIONS 32
#define EF_MAX_EIF_SIGNATURE_BYTES 32768
/* What nitro-cli prints of an image, its metadata included. */
#define EF_MAX_MEASUREMENT_BYTES (UINT32_C(1) << 20)
/* Attestation: a Nitro document (a payload of 16 KiB and what is around it),
 * the certificates of its cabundle, and each of them (real ones: 4, and 814
 * bytes; AWS's own limit). */
#define EF_MAX_ATTESTATION_BYTES 16640
#define EF_MAX_CABUNDLE 16
#define EF_MAX_CERTIFICATE_BYTES 1024
#define EF_PCRS 32
/* The NSM's own: a request and its answer; what a document may carry, and
 * what a register is extended with. */
#define EF_MAX_NSM_REQUEST_BYTES 4096
#define EF_MAX_NSM_ANSWER_BYTES 12288
#define EF_MAX_NSM_DATA_BYTES 512 /* user_data, nonce; of extending */
#define EF_MAX_NSM_KEY_BYTES 1024 /* public_key */
/* KMS: a ciphertext, and a CMS answer that carries a key. */
#define EF_MAX_CMS_BYTES 6144
/* Release: a request, its answer, a line of the log and the whole of it; how
 * long a nonce may be used, in seconds; runs of it that are shown. */
#define EF_MAX_RELEASE_REQUEST_BYTES (UINT32_C(64) << 10)
#define EF_MAX_RELEASE_ANSWER_BYTES (UINT32_C(8) << 20)
#define EF_MAX_RELEASE_LINE_BYTES 4096
#define EF_MAX_RELEASE_LOG_BYTES (UINT64_C(1) << 30)
#define EF_MAX_SHOWN_RUNS 1000
#define EF_RELEASE_NONCE_SEC 300

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
    char place[512];       /* "$.a.b (JSON pointer /a/b)"; what a server said */
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
 * 6. CBOR: RFC 8949, strict, one item at a time                           *
 * ----------------------------------------------------------------------- */

/* The first six are RFC 8949's major types. */
typedef enum ef_cbor_type {
    EF_CBOR_UINT,     /* value */
    EF_CBOR_NEGATIVE, /* -1 - value, down to -2^64 */
    EF_CBOR_BYTES,    /* bytes */
    EF_CBOR_TEXT,     /* bytes, UTF-8 */
    EF_CBOR_ARRAY,    /* value: items, unless indefinite */
    EF_CBOR_MAP,      /* value: pairs, unless indefinite */
    EF_CBOR_SIMPLE,   /* value: 20 false, 21 true, 22 null, 23 undefined */
    EF_CBOR_FLOAT,    /* bytes: 2, 4 or 8, IEEE 754 big-endian; value: those */
    EF_CBOR_END       /* the innermost open array or map ends here */
} ef_cbor_type;

#define EF_CBOR_NULL 22

typedef struct ef_cbor_item {
    ef_cbor_type type;
    int indefinite; /* of arrays and maps: value is 0, an end will come */
    uint64_t value;
    ef_slice bytes; /* inside the input */
    size_t at;      /* its offset */
} ef_cbor_item;

/* Where a reader stands; start with ef_cbor_init. Keeps in by reference; has
 * nothing to free. depth and at may be looked at. */
typedef struct ef_cbor {
    ef_slice in;
    size_t at;      /* the next byte */
    unsigned depth; /* arrays and maps that are open */
    int tagged;     /* ef_cbor_tag took a tag, whose item comes next */
    struct ef_cbor_level {
        uint64_t left; /* items to come; or, see the section */
        int map, indefinite;
    } level[EF_MAX_CBOR_DEPTH + 1];
} ef_cbor;

/*
 * A document is one item. Its parts come in the order of its bytes, and each
 * array or map, of definite or indefinite length, is closed by EF_CBOR_END:
 *
 *     ef_cbor_init(&c, in);
 *     rc = ef_cbor_take(&c, &item, EF_CBOR_MAP, err);
 *     while (rc == EF_OK) {
 *         rc = ef_cbor_key(&c, &which, &seen, names, n, err);
 *         if (rc != EF_OK || which == n)
 *             break;                       // which == n: the map's end
 *         rc = ...                         // take or skip the value
 *     }
 *     if (rc == EF_OK)
 *         rc = ef_cbor_end(&c, err);
 *
 * ef_cbor_next   the next item, or end; after the document, ends alone
 * ef_cbor_take   the same, where it must be of this type
 * ef_cbor_skip   past the next item and all that is in it
 * ef_cbor_tag    past this tag, where it comes next (*found 1). Nowhere else
 *                may a tag stand
 * ef_cbor_key    the next key of a map, a text of names[]: its index goes to
 *                *which, its bit to *seen (0 at the start; n <= 32). At the
 *                map's end *which is n
 * ef_cbor_end    the document is over: nothing is left in what is open, and
 *                no byte follows
 *
 * in is UNTRUSTED. ef_cbor_next and ef_cbor_tag leave c as it was where they
 * fail; after a failure of the others nothing more may be read.
 *
 * EF_E_FORMAT  at: not well-formed; a head longer than need be, a string in
 *              pieces, a tag not asked for, text that is not UTF-8; or not
 *              what a call says must be there
 * EF_E_LIMIT   EF_MAX_CBOR_DEPTH
 *
 * No allocation, no recursion. Source: RFC 8949. Tests: vectors/cbor.txt.
 */
void ef_cbor_init(ef_cbor *c, ef_slice in);
EF_MUST_CHECK ef_status ef_cbor_next(ef_cbor *c, ef_cbor_item *item,
                                     ef_err *err);
EF_MUST_CHECK ef_status ef_cbor_take(ef_cbor *c, ef_cbor_item *item,
                                     ef_cbor_type type, ef_err *err);
EF_MUST_CHECK ef_status ef_cbor_skip(ef_cbor *c, ef_err *err);
EF_MUST_CHECK ef_status ef_cbor_tag(ef_cbor *c, uint64_t tag, int *found,
                                    ef_err *err);
EF_MUST_CHECK ef_status ef_cbor_key(ef_cbor *c, size_t *which, uint32_t *seen,
                                    const char *const *names, size_t n,
                                    ef_err *err);
EF_MUST_CHECK ef_status ef_cbor_end(ef_cbor *c, ef_err *err);

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
    ef_slice receipt; /* JSON: member "attestation"; n 0: there is none */
} ef_result;

/* Size of the result's JSON, and n bytes of it from offset at to buf: so that
 * it can be produced in pieces, and again from the start. at + n must not
 * pass the size. */
uint64_t ef_result_size(const ef_result *r);
void ef_result_read(const ef_result *r, uint64_t at, unsigned char *buf,
                    size_t n);

/* SHA-256 of the result's JSON without its receipt. */
void ef_result_hash(unsigned char out[EF_SHA256_BYTES], const ef_result *r);

/*
 * ef_result_parse -- the reverse; decodes base64 in place, so json's bytes
 * change and r's slices point into them.
 * r->receipt is the member as it stands. Other members are let pass.
 * EF_E_FORMAT  err->place names the member.
 */
EF_MUST_CHECK ef_status ef_result_parse(ef_result *r, unsigned char *json,
                                        size_t n, ef_err *err);

/* ----------------------------------------------------------------------- *
 * 9. Signatures and sealing: P-256, X25519, PEM, JWK, JWS, HPKE           *
 * ----------------------------------------------------------------------- */

#define EF_P256_SCALAR_BYTES 32   /* a private key */
#define EF_P256_POINT_BYTES 65    /* a public key: 04 || x || y */
#define EF_X25519_BYTES 32        /* a private or a public key */
#define EF_KID_BYTES 32           /* RFC 7638 thumbprint: SHA-256 */
#define EF_JWS_SIGNATURE_BYTES 64 /* r || s */
#define EF_HPKE_ENC_BYTES 32      /* the sender's public key */

/* A private key: from the kernel's random bytes, all keys alike. EF_E_IO: the
 * kernel gave none; then it is wiped. */
EF_MUST_CHECK ef_status ef_p256_new(unsigned char d[EF_P256_SCALAR_BYTES],
                                    ef_err *err);
EF_MUST_CHECK ef_status ef_x25519_new(unsigned char sk[EF_X25519_BYTES],
                                      ef_err *err);

/* The public key of a private one. EF_E_FORMAT: d is 0, or not below the
 * order of P-256. X25519 has no such keys. */
EF_MUST_CHECK ef_status
ef_p256_public(unsigned char q[EF_P256_POINT_BYTES],
               const unsigned char d[EF_P256_SCALAR_BYTES], ef_err *err);
void ef_x25519_public(unsigned char pk[EF_X25519_BYTES],
                      const unsigned char sk[EF_X25519_BYTES]);

/* UNTRUSTED: q. EF_E_FORMAT: not a point of P-256, or not written as
 * 04 || x || y. */
EF_MUST_CHECK ef_status
ef_p256_check(const unsigned char q[EF_P256_POINT_BYTES], ef_err *err);

/* What a key is called: its JWK's thumbprint. Source: RFC 7638, RFC 8037. */
void ef_p256_kid(unsigned char kid[EF_KID_BYTES],
                 const unsigned char q[EF_P256_POINT_BYTES]);
void ef_x25519_kid(unsigned char kid[EF_KID_BYTES],
                   const unsigned char pk[EF_X25519_BYTES]);

/*
 * ef_p256_sign / ef_p256_verify -- ECDSA over a text's SHA-256.
 *
 *   signature  out        r || s; the same for the same key and text
 *   d          secret
 *   q          UNTRUSTED  the public key
 *
 * EF_E_FORMAT  (sign) d is no private key
 * EF_E_AUTH    (verify) not this key's signature of this text. One whose s is
 *              above half of the order is a signature, too
 * Source: FIPS 186-4 6, RFC 6979. Tests: vectors/p256.txt.
 */
EF_MUST_CHECK ef_status ef_p256_sign(
    unsigned char signature[EF_JWS_SIGNATURE_BYTES],
    const unsigned char d[EF_P256_SCALAR_BYTES], ef_slice text, ef_err *err);
EF_MUST_CHECK ef_status
ef_p256_verify(const unsigned char q[EF_P256_POINT_BYTES],
               const unsigned char signature[EF_JWS_SIGNATURE_BYTES],
               ef_slice text, ef_err *err);

/* The secret that sk shares with pk's owner; use it through a hash alone.
 * UNTRUSTED: pk. EF_E_AUTH: pk has a small order, and the secret would be
 * zero. Source: RFC 7748 6.1. Tests: vectors/x25519.txt. */
EF_MUST_CHECK ef_status ef_x25519(unsigned char out[EF_X25519_BYTES],
                                  const unsigned char sk[EF_X25519_BYTES],
                                  const unsigned char pk[EF_X25519_BYTES],
                                  ef_err *err);

/* Append in as base64url without padding; time depends on in.n alone. out
 * may have no drain. Source: RFC 4648 5, RFC 7515 2. */
void ef_base64url_encode(ef_buf *out, ef_slice in);

/*
 * ef_base64url_decode -- append what in encodes. Strict: no padding, unused
 * bits zero, nothing but the alphabet.
 *
 *   in  UNTRUSTED  may be secret: time depends on its size
 *
 * EF_E_FORMAT  at = offset of the first wrong character, or in.n
 * EF_E_MEMORY
 * Tests: vectors/base64url.txt.
 */
EF_MUST_CHECK ef_status ef_base64url_decode(ef_buf *out, ef_slice in,
                                            ef_err *err);

/* One key, and which of four kinds of file it stands in. */
typedef enum ef_pem_kind {
    EF_PEM_P256_PRIVATE = 1,
    EF_PEM_P256_PUBLIC,
    EF_PEM_X25519_PRIVATE,
    EF_PEM_X25519_PUBLIC
} ef_pem_kind;
typedef struct ef_pem_key {
    ef_pem_kind kind;
    unsigned char secret[32];                      /* zero in a public key */
    unsigned char public_key[EF_P256_POINT_BYTES]; /* 65, or the first 32 */
} ef_pem_key;

/*
 * ef_pem_parse -- a PRIVATE KEY (PKCS#8) or PUBLIC KEY, of P-256 or X25519.
 *
 *   out   out        secret: keep it in ef_secret_alloc memory; zero on
 *                    failure. The public key of a private one is worked out
 *   text  UNTRUSTED  and secret; white space may stand around it
 *
 * EF_E_FORMAT  no PEM (at), another kind of key, encrypted or in an older
 *              form (hint), DER that is not strict, no point of P-256, or a
 *              public key that is not the private key's
 * EF_E_LIMIT   EF_MAX_PEM_BYTES
 * Source: RFC 7468, 5280, 5915, 5958, 8410. Tests: vectors/pem.txt.
 */
EF_MUST_CHECK ef_status ef_pem_parse(ef_pem_key *out, ef_slice text,
                                     ef_err *err);

/* Append key as `openssl pkey` writes it (also -pubout: set the kind). out is
 * as secret as key is. */
void ef_pem_print(ef_buf *out, const ef_pem_key *key);

/*
 * ef_jwk_parse -- a public key of P-256 or X25519 as a JSON object.
 *
 *   out   out        its kind is a public one; zero on failure
 *   json  UNTRUSTED  members that do not make the key are ignored
 *
 * EF_E_FORMAT  err->place names the member: not JSON, a member missing, not
 *              32 bytes, another kind of key, no point; or a private key (d)
 * EF_E_LIMIT, EF_E_MEMORY  as ef_json_parse
 * Source: RFC 7517, 7518 6.2, 8037. Tests: vectors/jwk.txt.
 */
EF_MUST_CHECK ef_status ef_jwk_parse(ef_pem_key *out, ef_slice json,
                                     ef_err *err);

/* Append the public half of key as canonical JSON: what its kid hashes. */
void ef_jwk_print(ef_buf *out, const ef_pem_key *key);

/* A signed text. header and payload are decoded; typ lies in header. */
typedef struct ef_jws {
    ef_slice typ;                         /* kind of statement */
    unsigned char q[EF_P256_POINT_BYTES]; /* whose it says to be */
    unsigned char kid[EF_KID_BYTES];
    unsigned char signature[EF_JWS_SIGNATURE_BYTES];
    size_t signed_n; /* how much of the text is signed */
    ef_buf header, payload;
} ef_jws;

/*
 * ef_jws_sign -- append a JWS in its compact form, alg ES256, whose header
 * holds alg, jwk, kid and typ, in this order (RFC 8785).
 *
 *   d        secret
 *   typ      public     1 to EF_MAX_JWS_TYP_BYTES of a-z 0-9 - + .
 *   payload  public     any bytes
 *
 * EF_E_FORMAT  typ, or d is no private key
 * EF_E_LIMIT   the JWS would pass EF_MAX_JWS_BYTES
 * EF_E_MEMORY
 * Source: RFC 7515 7.1, RFC 7518 3.4. Tests: vectors/jws.txt.
 */
EF_MUST_CHECK ef_status ef_jws_sign(ef_buf *out,
                                    const unsigned char d[EF_P256_SCALAR_BYTES],
                                    const char *typ, ef_slice payload,
                                    ef_err *err);

/*
 * ef_jws_parse -- take such a JWS apart. Nothing is verified: for that is
 * ef_jws_verify, so that a half-written file can be told from a forged one.
 *
 *   out   out        allocates; ef_jws_free also after failure
 *   text  UNTRUSTED  all of it: no white space around it
 *
 * EF_E_FORMAT  not three parts of base64url, a header that is not exactly
 *              alg, jwk, kid, typ (in any order), a signature not of 64
 *              bytes. at is in text; with err->place, in the decoded header
 * EF_E_LIMIT   EF_MAX_JWS_BYTES, EF_MAX_JWS_HEADER_BYTES
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_jws_parse(ef_jws *out, ef_slice text, ef_err *err);

/* UNTRUSTED: text, the one that was parsed into jws. EF_E_AUTH: the kid is
 * not q's, or q's owner has not signed this. Who q is, the caller knows. */
EF_MUST_CHECK ef_status ef_jws_verify(const ef_jws *jws, ef_slice text,
                                      ef_err *err);
void ef_jws_free(ef_jws *jws);

/*
 * ef_hpke_seal / ef_hpke_open -- one message to an X25519 key: HPKE in base
 * mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
 *
 *   enc   UNTRUSTED  goes with ct (out, when sealing)
 *   ct    UNTRUSTED  n + EF_TAG_BYTES bytes of n (out, when sealing)
 *   pt    out        n - EF_TAG_BYTES bytes of n; zero unless EF_OK. May be
 *                    the same as ct
 *   sk    secret     the receiver's, pk its public key
 *   info, aad        UNTRUSTED; what the message is for: both sides' own
 *
 * EF_E_FORMAT  (open) n is less than EF_TAG_BYTES; pt is not written
 * EF_E_AUTH    another key, or enc, info, aad or ct was changed; or a key of
 *              small order, which nobody's private key belongs to
 * EF_E_IO      (seal) no random bytes
 * EF_E_LIMIT, EF_E_MEMORY  as ef_gcm_seal
 * Source: RFC 9180. Tests: vectors/hpke.txt.
 */
EF_MUST_CHECK ef_status ef_hpke_seal(unsigned char enc[EF_HPKE_ENC_BYTES],
                                     unsigned char *ct,
                                     const unsigned char pk[EF_X25519_BYTES],
                                     ef_slice info, ef_slice aad,
                                     const unsigned char *pt, size_t n,
                                     ef_err *err);
EF_MUST_CHECK ef_status ef_hpke_open(unsigned char *pt,
                                     const unsigned char sk[EF_X25519_BYTES],
                                     const unsigned char enc[EF_HPKE_ENC_BYTES],
                                     ef_slice info, ef_slice aad,
                                     const unsigned char *ct, size_t n,
                                     ef_err *err);

/* SHA-256 of "encflow key commitment 1", zeros to 32 bytes, and the key. */
void ef_key_commitment(unsigned char out[EF_SHA256_BYTES],
                       const unsigned char key[EF_KEY_BYTES]);

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

/* The ARN of a KMS key, arn:PARTITION:kms:REGION:ACCOUNT:key/ID, taken apart:
 * region views the text; suffix is what its partition's hosts end in. */
typedef struct ef_kms_arn {
    ef_slice region;
    const char *suffix;
} ef_kms_arn;

/* UNTRUSTED: text. EF_E_FORMAT: not the ARN of a key; an alias is refused, as
 * it can be pointed to another key. Tests: vectors/kms_arns.txt. */
EF_MUST_CHECK ef_status ef_kms_arn_parse(ef_kms_arn *out, ef_slice text,
                                         ef_err *err);

/* A POST of a JSON body to "/" of an AWS service. Strings are NUL-terminated,
 * the caller's, and of a form that a header takes. */
typedef struct ef_sign_json {
    const char *access_key, *secret_key, *token;  /* token: NULL for none */
    const char *host, *region, *service, *target; /* host with its port where
                                                     that is unusual */
    int64_t now;                                  /* seconds since 1970, UTC */
    ef_slice payload;
} ef_sign_json;

/*
 * ef_sign_json_request -- sign such a request in its headers (Signature
 * Version 4), the payload with them.
 *
 *   headers  out  appended: lines NAME:VALUE, each ended by a line feed:
 *                 Content-Type, the x-amz- ones, Authorization; no Host
 *   stages        as ef_presign_url
 *   p             secret
 *
 * EF_E_FORMAT  an access key id or token that no header could carry
 * EF_E_MEMORY
 * Tests: vectors/sigv4_json.txt.
 */
EF_MUST_CHECK ef_status ef_sign_json_request(ef_buf *headers,
                                             ef_sign_stages *stages,
                                             const ef_sign_json *p,
                                             ef_err *err);

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

/* /proc/self/mountinfo, in text, to what is mounted, in place: "name\0...\0\0".
 * text has room for n + 1 bytes. Source: proc(5). */
void ef_mount_names(char *text, size_t n);

/* ----------------------------------------------------------------------- *
 * 14. Workflow documents                                                  *
 * ----------------------------------------------------------------------- */

/* What a document states. The JWS's typ is "encflow-" and this name. */
typedef enum ef_doc_kind {
    EF_DOC_IDENTITY,    /* this public key is known by this name */
    EF_DOC_DATASET,     /* where data is, and a commitment to its key */
    EF_DOC_CREDENTIALS, /* a dataset's query and key, sealed */
    EF_DOC_APP,         /* an application, its domains and approvers */
    EF_DOC_BUILD,       /* an image of it, and its measurements */
    EF_DOC_CONFIG,      /* its ports, command and files */
    EF_DOC_DRAFT,       /* a workflow that may still be changed */
    EF_DOC_WORKFLOW,    /* one that was submitted */
    EF_DOC_APPROVAL,    /* of an application's domains, a build, a workflow */
    EF_DOC_DECLINE,
    EF_DOC_CANCEL /* of a draft or workflow, by who made it */
} ef_doc_kind;
#define EF_DOC_KINDS 11
/* "identity", "dataset", ... Constant text; "?" for any other value. */
const char *ef_doc_kind_name(ef_doc_kind kind);

/* One document: canonical JSON, named by its SHA-256. by is its author's JWK
 * thumbprint; of is the document that it speaks of, where it does, and of an
 * identity the thumbprint of its key; draft is what a workflow was submitted
 * from. The workspace owns it. */
typedef struct ef_doc {
    ef_doc_kind kind;
    int has_of;
    unsigned char hash[EF_SHA256_BYTES], by[EF_KID_BYTES], of[EF_SHA256_BYTES];
    unsigned char draft[EF_SHA256_BYTES];
    int64_t time; /* what its author's clock said: seconds since 1970 */
    ef_slice text;
} ef_doc;

/* A set of documents that were all verified. Start from {0}. */
typedef struct ef_workspace {
    ef_doc **docs; /* in the order of their hashes */
    size_t n, cap;
    size_t bytes; /* of all texts: EF_MAX_WORKSPACE_BYTES */
} ef_workspace;
void ef_workspace_free(ef_workspace *ws);

/*
 * ef_doc_parse -- a document from its canonical JSON.
 *
 *   out   out        out->text is text, kept by reference; out->hash is set
 *                    whatever is returned
 *   text  UNTRUSTED
 *
 * EF_E_FORMAT  not canonical JSON, no kind that is known, or a member that is
 *              missing, unknown or wrong: err->place
 * EF_E_LIMIT   EF_MAX_DOCUMENT_BYTES, and those of the members
 * EF_E_MEMORY
 * Source: RFC 8785. Tests: vectors/documents.txt.
 */
EF_MUST_CHECK ef_status ef_doc_parse(ef_doc *out, ef_slice text, ef_err *err);

/*
 * ef_doc_sign -- make a document and sign it.
 *
 *   jws      out     appended: a JWS in compact form
 *   hash     out     the document's name
 *   d        secret  the author's P-256 key
 *   kind, time       time in seconds since 1970
 *   members          a JSON object: what the kind has but by, kind and time
 *
 * EF_E_FORMAT  a member that is missing, unknown or wrong: err->place
 * EF_E_LIMIT   EF_MAX_DOCUMENT_BYTES, and those of the members
 * Source: RFC 8785, RFC 7515. Tests: vectors/documents.txt.
 */
EF_MUST_CHECK ef_status ef_doc_sign(ef_buf *jws,
                                    unsigned char hash[EF_SHA256_BYTES],
                                    const unsigned char d[EF_P256_SCALAR_BYTES],
                                    ef_doc_kind kind, int64_t time,
                                    ef_slice members, ef_err *err);

/*
 * ef_workspace_add -- verify a document and take it in. One that is there
 * already is left alone.
 *
 *   name  UNTRUSTED  its file's name: 64 hex digits
 *   jws   UNTRUSTED  the file
 *
 * EF_E_FORMAT  no document, or half of one, or one that says what no document
 *              may: to be passed over
 * EF_E_AUTH    a bad signature, another author, or another document's name:
 *              forged
 * EF_E_LIMIT   a full workspace: EF_MAX_DOCUMENTS, EF_MAX_WORKSPACE_BYTES
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_workspace_add(ef_workspace *ws, ef_slice name,
                                         ef_slice jws, ef_err *err);

/* The document of that hash, or NULL. */
const ef_doc *ef_workspace_find(const ef_workspace *ws,
                                const unsigned char hash[EF_SHA256_BYTES]);

/* What a draft, a workflow, a build or an application's domains have come
 * to. It is worked out from the set of documents alone: two copies of a
 * workspace with the same documents say the same. */
typedef enum ef_doc_state {
    EF_STATE_DRAFT,
    EF_STATE_PENDING,
    EF_STATE_APPROVED,
    EF_STATE_REJECTED,
    EF_STATE_CANCELLED
} ef_doc_state;
/* "draft", "pending", ... Constant text. */
const char *ef_doc_state_name(ef_doc_state state);

/*
 * ef_doc_state_of -- the state of doc, and why it is not another one.
 *
 *   why  out  msg and where; msg NULL where there is nothing to say
 *
 * EF_E_FORMAT  doc is of a kind that has no state
 * EF_E_MEMORY
 * Tests: vectors/states.txt, tests/merge.c.
 */
EF_MUST_CHECK ef_status ef_doc_state_of(const ef_workspace *ws,
                                        const ef_doc *doc, ef_doc_state *state,
                                        ef_err *why, ef_err *err);

/*
 * ef_appconfig -- append the runtime configuration of one application of an
 * approved workflow: canonical JSON. Its SHA-256 is the APPCONFIG_ID.
 *
 *   node  the application's name in the workflow
 *
 * EF_E_POLICY  the workflow is not approved: err says why
 * EF_E_FORMAT  no such application
 */
EF_MUST_CHECK ef_status ef_appconfig(ef_buf *out, const ef_workspace *ws,
                                     const ef_doc *workflow, ef_slice node,
                                     ef_err *err);

/* Mark (1) the documents that decide about a workflow, of ws->n: what it
 * refers to, at any distance, and the answers, builds and later versions of
 * that. No credentials. A set of those alone comes to the same state and the
 * same runtime configurations. EF_E_INTERNAL: workflow is not one of ws.
 * Tests: tests/merge.c. */
EF_MUST_CHECK ef_status ef_workspace_closure(unsigned char *marks,
                                             const ef_workspace *ws,
                                             const ef_doc *workflow,
                                             ef_err *err);

/*
 * ef_appconfig_find -- the approved workflow and application whose runtime
 * configuration has this hash.
 *
 *   text      out  appended: the configuration
 *   workflow  out  NULL where no document comes to that hash
 *   node      out  appended: the application's name in it
 *
 * EF_E_POLICY  nothing comes to id, or the workflow is not approved (any
 *              more): err says why
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_appconfig_find(
    ef_buf *text, const ef_doc **workflow, ef_buf *node, const ef_workspace *ws,
    const unsigned char id[EF_SHA256_BYTES], ef_err *err);

/* A runtime configuration's text, checked and indexed: ef_json_free, also
 * after failure. UNTRUSTED: text, kept by reference. EF_E_FORMAT, EF_E_LIMIT
 * (err->place), EF_E_MEMORY. Tests: vectors/appconfigs.txt. */
EF_MUST_CHECK ef_status ef_appconfig_parse(ef_json *json, ef_slice text,
                                           ef_err *err);

/*
 * ef_credentials_seal -- append ,"part":{"ct":...,"enc":...}: a secret of a
 * dataset's, sealed. part is "key", "download" or "upload".
 *
 *   dataset  the hash of its document
 *   pk       the release service's X25519 key
 *   text     secret
 *
 * EF_E_AUTH for a key of all zeros, EF_E_IO without random bytes, EF_E_MEMORY.
 * Source: RFC 9180, base mode; info "encflow credentials 1", AAD "part:hash".
 */
EF_MUST_CHECK ef_status ef_credentials_seal(
    ef_buf *out, const char *part, const unsigned char dataset[EF_SHA256_BYTES],
    const unsigned char pk[EF_X25519_BYTES], ef_slice text, ef_err *err);

/*
 * ef_credentials_open -- a dataset's credentials, as its owner sealed them
 * last, opened by the release service's key.
 *
 *   c       out     in ef_secret_alloc memory; ef_credentials_free, also
 *                   after failure
 *   sk      secret
 *   upload          1: for writing to it, 0: for reading it
 *
 * EF_E_AUTH    not sealed for this dataset, or not the key that its document
 *              commits to
 * EF_E_POLICY  no credentials of its owner's are sealed to this key
 * EF_E_FORMAT  a query that is none
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_credentials_open(
    ef_credentials *c, const ef_workspace *ws, const ef_doc *dataset,
    int upload, const unsigned char sk[EF_X25519_BYTES], ef_err *err);

/* Are these the credentials of dataset? EF_E_AUTH: not the key that its
 * document commits to. EF_E_FORMAT: a query that is none. EF_E_MEMORY. */
EF_MUST_CHECK ef_status ef_credentials_check(const ef_credentials *c,
                                             const ef_doc *dataset,
                                             ef_err *err);

/*
 * ef_credentials_kms -- a part of a dataset's credentials, as its owner
 * encrypted it last under a KMS key.
 *
 *   arn, ct  out  appended: the key's ARN, the ciphertext
 *   part          "key", "download" or "upload"
 *
 * EF_E_POLICY  there is none of its owner's
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_credentials_kms(ef_buf *arn, ef_buf *ct,
                                           const ef_workspace *ws,
                                           const ef_doc *dataset,
                                           const char *part, ef_err *err);

/*
 * ef_query_seal -- append nonce || ciphertext || tag: a query string, sealed
 * under its dataset's key, as credentials under a KMS key have it.
 *
 *   part     "download" or "upload"
 *   dataset  the hash of its document
 *   key      secret  the dataset's
 *   text     secret
 *
 * EF_E_IO without random bytes, EF_E_MEMORY.
 * AES-256-GCM under HMAC-SHA256(key, "encflow kms query 1"), AAD "part:hash".
 */
EF_MUST_CHECK ef_status ef_query_seal(
    ef_buf *out, const char *part, const unsigned char dataset[EF_SHA256_BYTES],
    const unsigned char key[EF_KEY_BYTES], ef_slice text, ef_err *err);

/*
 * ef_query_open -- and open it: *n bytes to out, of cap.
 *
 *   sealed  UNTRUSTED
 *
 * EF_E_AUTH    not sealed under this key for this dataset and part
 * EF_E_LIMIT   longer than cap
 * EF_E_MEMORY
 * Tests: vectors/queries.txt.
 */
EF_MUST_CHECK ef_status ef_query_open(
    unsigned char *out, size_t cap, size_t *n, const char *part,
    const unsigned char dataset[EF_SHA256_BYTES],
    const unsigned char key[EF_KEY_BYTES], ef_slice sealed, ef_err *err);

/* Append the encryption context that such a part was encrypted with, as JSON:
 * {"encflow:dataset":HASH,"encflow:part":part}. */
void ef_credentials_context(ef_buf *out,
                            const unsigned char dataset[EF_SHA256_BYTES],
                            const char *part);

/* What changes from one draft to the next. What is not set changes nothing. */
typedef struct ef_edit {
    ef_slice app, port, dataset;        /* names in the graph */
    const ef_doc *build, *config, *set; /* build and config: for app, a new
                                           one; set: for dataset, a new one */
    int connect;                        /* app's port and dataset */
} ef_edit;

/* Append the members of the draft that follows old by n edits, for
 * ef_doc_sign. Whether the graph allows the changes is not looked at.
 * EF_E_MEMORY. */
EF_MUST_CHECK ef_status ef_draft_edit(ef_buf *out, const ef_doc *old,
                                      const ef_edit *edits, size_t n,
                                      ef_err *err);

/*
 * ef_draft_submit -- append the members of the workflow that draft becomes,
 * for ef_doc_sign.
 *
 * EF_E_FORMAT  the graph is not whole: err->where
 * EF_E_POLICY  a build or domain is not approved, or the workflow that it
 *              would replace was replaced or cancelled
 * EF_E_MEMORY
 */
EF_MUST_CHECK ef_status ef_draft_submit(ef_buf *out, const ef_workspace *ws,
                                        const ef_doc *draft, ef_err *err);

/* A view of a workflow. Indices in edges are checked; so are these limits. */
#define EF_MAX_VIEW_APPS 64
#define EF_MAX_VIEW_DATASETS 1024
#define EF_MAX_VIEW_EDGES 4096
/* Ports of all applications together. */
#define EF_MAX_VIEW_PORTS 4096

typedef struct ef_view_label {
    ef_slice name, value;
} ef_view_label;

/* A participant: an owner of a dataset or of an application. */
typedef struct ef_view_person {
    ef_slice name; /* as the viewer knows them; may be empty */
    ef_slice kid;  /* thumbprint of the key, base64url */
    int state;     /* 0 has not answered, 1 approved, 2 declined */
    int64_t time;  /* of the answer, seconds since 1970 */
    ef_slice reason;
} ef_view_person;

typedef struct ef_view_port {
    ef_slice name;
    int output;
} ef_view_port;

typedef struct ef_view_app {
    ef_slice name, image, app, build, config; /* the last two: hashes */
    ef_slice owner;                           /* a person's name or kid */
    ef_slice appconfig; /* APPCONFIG_ID; empty while not approved */
    const ef_slice *command;
    size_t command_n;
    const ef_slice *domains;
    size_t domain_n;
    const ef_slice *pcr0;
    size_t pcr0_n;
    const ef_view_port *ports;
    size_t port_n;
} ef_view_app;

typedef struct ef_view_dataset {
    ef_slice name, node, description, long_description, group, location, hash,
        owner;
    const ef_view_label *labels;
    size_t label_n;
    int direction; /* 1 input, 2 output, 3 between applications */
    uint64_t size; /* 0: not known */
    ef_slice sha256;
    int64_t expires; /* of its credentials; 0: not known */
} ef_view_dataset;

/* One connection; dataset, app and port are indices, to_app its direction. */
typedef struct ef_view_edge {
    size_t dataset, app, port;
    int to_app;
} ef_view_edge;

typedef struct ef_view {
    ef_slice name, description, group, hash;
    ef_slice state; /* draft, pending, approved, rejected, cancelled */
    ef_slice detail, submitter;
    int64_t time;  /* of its submission; 0: not known */
    int64_t until; /* when it is over; 0: never */
    uint32_t version;
    size_t need; /* approvals needed */
    const ef_view_person *people;
    size_t person_n;
    const ef_view_app *apps;
    size_t app_n;
    const ef_view_dataset *datasets;
    size_t dataset_n;
    const ef_view_edge *edges;
    size_t edge_n;
} ef_view;

typedef enum ef_view_format {
    EF_VIEW_TEXT, /* for a terminal */
    EF_VIEW_DOT,  /* for Graphviz */
    EF_VIEW_SVG,  /* the drawing alone */
    EF_VIEW_HTML  /* one page: no script, no network */
} ef_view_format;

/* A workflow's graph, with the texts that a view of it needs. */
typedef struct ef_graph ef_graph;
void ef_graph_free(ef_graph *g);

/*
 * ef_graph_view -- everything that a page shows of a draft or workflow.
 *
 *   g     out  allocates; view is good until ef_graph_free(*g), which is to
 *              be called also after failure
 *   me         whose names for people are used: a thumbprint, or NULL
 *
 * A workflow that is not whole is shown as far as it goes, and view->detail
 * says what is wrong. EF_E_FORMAT: another kind of document; EF_E_MEMORY.
 */
EF_MUST_CHECK ef_status ef_graph_view(ef_graph **g, ef_view *view,
                                      const ef_workspace *ws, const ef_doc *doc,
                                      const unsigned char *me, ef_err *err);

/*
 * ef_view_print -- append a workflow, as people look at it.
 *
 *   out   out        may drain; what was added before a failure stays
 *   view  UNTRUSTED  every text may be anything at all: it stays text, and no
 *                    control or direction character of it gets through
 *
 * EF_E_LIMIT   more applications, datasets, edges or ports than EF_MAX_VIEW_*;
 *              nothing was added
 * EF_E_FORMAT  an edge's index is out of range; nothing was added
 * EF_E_MEMORY  also where out->max is met or its drain said no
 */
EF_MUST_CHECK ef_status ef_view_print(ef_buf *out, const ef_view *view,
                                      ef_view_format format, ef_err *err);

/*
 * ef_view_markdown -- append text, GitHub-flavoured Markdown, as HTML.
 *
 *   text  UNTRUSTED  paragraphs, headings, lists, block quotes, emphasis,
 *                    strike-through, code, https and mailto links; all else,
 *                    HTML too, stays text
 *
 * Elements: p h4 strong em del code pre ul ol li blockquote hr br a small.
 * Time grows with the text's size alone. A failure shows in out->failed.
 */
void ef_view_markdown(ef_buf *out, ef_slice text);

/* ----------------------------------------------------------------------- *
 * 15. Attestation and release: measurements of enclave images             *
 * ----------------------------------------------------------------------- */

/* The registers that say which image runs. pcr8 counts where has_pcr8. */
typedef struct ef_measurement {
    unsigned char pcr0[EF_PCR_BYTES]; /* the image */
    unsigned char pcr1[EF_PCR_BYTES]; /* kernel and bootstrap: AWS's stock */
    unsigned char pcr2[EF_PCR_BYTES]; /* the application */
    unsigned char pcr8[EF_PCR_BYTES]; /* who signed the image */
    int has_pcr8;
} ef_measurement;

/*
 * The measurement of an enclave image file (EIF) that comes in pieces.
 *
 *   in  UNTRUSTED  any piece of it; nothing is kept by reference
 *
 * ef_eif_new: NULL when there is no memory. After a failure of push only
 * ef_eif_free may follow. ef_eif_end writes *out on EF_OK alone.
 *
 * EF_E_FORMAT  at: not an EIF of version 2, 3 or 4, or not as all builders
 *              write it; cut short, damaged (CRC), bytes after it; a
 *              signature whose certificate can't be read
 * EF_E_LIMIT   EF_MAX_EIF_BYTES, _SECTIONS, _SIGNATURE_BYTES
 * EF_E_MEMORY
 * Source: aws-nitro-enclaves-image-format. Tests: vectors/eif.txt.
 */
typedef struct ef_eif ef_eif;
ef_eif *ef_eif_new(void);
void ef_eif_free(ef_eif *e);
EF_MUST_CHECK ef_status ef_eif_push(ef_eif *e, ef_slice in, ef_err *err);
EF_MUST_CHECK ef_status ef_eif_end(const ef_eif *e, ef_measurement *out,
                                   ef_err *err);

/*
 * ef_measurement_parse -- what nitro-cli build-enclave or describe-eif prints
 * ({"Measurements": {"PCR0": hex, ...}, ...}), or the inner object alone.
 *
 *   out   out        written on EF_OK alone
 *   json  UNTRUSTED  at most EF_MAX_MEASUREMENT_BYTES
 *
 * PCR0, PCR1 and PCR2 must be there, PCR8 may be: 96 hex digits of either
 * case. Beside "Measurements" other members are let pass, inside they are
 * not.
 *
 * EF_E_FORMAT  err->place names the member
 * EF_E_POLICY  zeros in all three: a debug-mode enclave
 * EF_E_LIMIT, EF_E_MEMORY
 * Tests: vectors/measurements.txt.
 */
EF_MUST_CHECK ef_status ef_measurement_parse(ef_measurement *out, ef_slice json,
                                             ef_err *err);
/* 1 where PCR0, PCR1 and PCR2 are all zeros. */
int ef_measurement_is_debug(const ef_measurement *m);
/* Append {"PCR0":"...",...} in RFC 8785's form, lower-case. */
void ef_measurement_print(ef_buf *out, const ef_measurement *m);

/* --- KMS's answer to an enclave --- */

#define EF_RSA_BYTES 256      /* RSA-2048: the modulus, and what is encrypted */
#define EF_RSA_SPKI_BYTES 294 /* SubjectPublicKeyInfo, e = 65537 */

/* A key pair, numbers with the highest byte first. Secret, but for n: keep it
 * in ef_secret_alloc memory, which wipes it. */
typedef struct ef_rsa_key {
    unsigned char n[EF_RSA_BYTES];
    unsigned char p[EF_RSA_BYTES / 2], q[EF_RSA_BYTES / 2];
    unsigned char dp[EF_RSA_BYTES / 2], dq[EF_RSA_BYTES / 2];
    unsigned char iq[EF_RSA_BYTES / 2]; /* 1 / q, modulo p */
} ef_rsa_key;

/* A fresh key pair. EF_E_IO: the kernel gave no random bytes. */
EF_MUST_CHECK ef_status ef_rsa_new(ef_rsa_key *key, ef_err *err);

/* The public key as a document's public_key (DER). Looks at n alone. */
void ef_rsa_spki(unsigned char out[EF_RSA_SPKI_BYTES], const ef_rsa_key *key);

/*
 * ef_cms_open -- decrypt KMS's CiphertextForRecipient: CMS EnvelopedData, one
 * recipient, RSAES-OAEP with SHA-256, AES-256-CBC, DER or BER.
 *
 *   out   out        secret; *n bytes of at most cap. EF_MAX_CMS_BYTES are
 *                    always enough
 *   n     out        0 unless EF_OK
 *   key   secret
 *   cms   UNTRUSTED
 *
 * What comes out is NOT authenticated: anyone who knows the public key can
 * make such a CMS.
 *
 * EF_E_LIMIT   EF_MAX_CMS_BYTES, or more than cap bytes
 * EF_E_FORMAT  another form than KMS's, at
 * EF_E_AUTH    another recipient; or it does not decrypt (one message, and no
 *              time that would tell why)
 * Source: RFC 5652, RFC 8017. Tests: vectors/cms.txt.
 */
EF_MUST_CHECK ef_status ef_cms_open(unsigned char *out, size_t cap, size_t *n,
                                    const ef_rsa_key *key, ef_slice cms,
                                    ef_err *err);

/* --- certificates --- */

/* An X.509 certificate of the kind that Nitro's are, taken apart. Slices view
 * the caller's bytes. Nothing in it is verified. */
typedef struct ef_cert {
    ef_slice tbs;                  /* what is signed, its head included */
    ef_slice issuer, subject;      /* DER, heads included */
    ef_slice cn;                   /* the subject's commonName, or p NULL */
    int64_t not_before, not_after; /* both included; seconds since 1970 */
    ef_slice public_key;           /* EF_P384_POINT_BYTES */
    unsigned char signature[EF_P384_SIGNATURE_BYTES]; /* r || s */
    int has_constraints, is_ca, path_len;             /* path_len -1: any */
    int has_usage;
    unsigned usage; /* 0x80 digitalSignature, 0x04 keyCertSign, ... */
    int critical;   /* a critical extension that is neither of the two */
} ef_cert;

/*
 * ef_cert_parse -- a v3 certificate, in DER, of a key on P-384, signed by ECDSA
 * with SHA-384.
 *
 *   out  out        views der
 *   der  UNTRUSTED
 *
 * EF_E_AUTH  CERT_MALFORMED: anything else (err->place: which part)
 * Source: RFC 5280 4. Tests: vectors/attestations.txt.
 */
EF_MUST_CHECK ef_status ef_cert_parse(ef_cert *out, ef_slice der, ef_err *err);

/* --- attestation documents --- */

/* A Nitro attestation document, taken apart. All slices view the caller's
 * bytes; an optional field that is absent or null has p NULL. */
typedef struct ef_attestation {
    ef_slice payload, signature;        /* as received; 96 bytes, r || s */
    ef_slice module_id;                 /* "i-...-enc..." */
    uint64_t timestamp;                 /* ms since 1970 */
    uint32_t pcr_mask;                  /* bit i: PCR i is there */
    ef_slice pcr[EF_PCRS];              /* EF_PCR_BYTES each */
    ef_slice certificate;               /* DER */
    ef_slice cabundle[EF_MAX_CABUNDLE]; /* the root first */
    size_t cabundle_n;
    ef_slice public_key, user_data, nonce;
} ef_attestation;

/*
 * ef_attestation_parse -- COSE_Sign1 and the payload's form; nothing is
 * verified.
 *
 *   out  out        views doc
 *   doc  UNTRUSTED
 *
 * err->msg begins with the reason's name and a colon: ef_attestation_reason.
 * EF_E_LIMIT   DOC_TOO_LARGE
 * EF_E_FORMAT  CBOR_MALFORMED, CBOR_TRAILING, CBOR_DUPLICATE_KEY, COSE_SHAPE,
 *              FIELD_MISSING, FIELD_TYPE, FIELD_RANGE (err->place: the field)
 * EF_E_AUTH    COSE_ALG, NOT_AN_ENCLAVE (a look-alike)
 * Source: RFC 9052, AWS's attestation_process.md. Tests:
 * vectors/attestations.txt.
 */
EF_MUST_CHECK ef_status ef_attestation_parse(ef_attestation *out, ef_slice doc,
                                             ef_err *err);

/* Values that registers must have: those of mask's bits. */
typedef struct ef_pcr_set {
    uint32_t mask;
    unsigned char pcr[EF_PCRS][EF_PCR_BYTES];
} ef_pcr_set;

/* What is asked of a document. Zeros ask for no more than a good chain and
 * signature, at the document's own time, of no debug-mode enclave. */
typedef struct ef_attestation_policy {
    ef_slice root;          /* DER of the root; n 0: Nitro's G1 */
    int64_t at;             /* seconds since 1970; 0: the document's time */
    int64_t now, max_age;   /* max_age 0: any age. Seconds */
    const ef_pcr_set *sets; /* one of them must hold; set_n 0: any */
    size_t set_n;
    ef_slice nonce, user_data; /* what they must be; p NULL: anything */
    int allow_debug;
} ef_attestation_policy;

/*
 * ef_attestation_verify -- chain, signature, cross-checks, policy, in the
 * order of the reference.
 *
 *   a       UNTRUSTED  ef_attestation_parse's
 *
 * EF_E_AUTH    ROOT_MISMATCH, CERT_MALFORMED, CHAIN_NAME, CHAIN_SIG,
 *              CERT_EXPIRED, CERT_NOT_YET_VALID, CERT_CA, CERT_PATHLEN,
 *              CERT_USAGE, CERT_CRITICAL (err->place: "chain[3]", 0 the
 *              root), CHAIN_INVALID (BearSSL's engine refuses it; err->detail
 *              is its number), COSE_SIGNATURE,
 *              MODULE_ID_MISMATCH, PCR4_MISMATCH, NONCE_MISMATCH,
 *              USER_DATA_MISMATCH
 * EF_E_POLICY  DEBUG_MODE, PCR_MISMATCH (err->place: "PCR3"), STALE, FUTURE
 * Tests: vectors/attestations.txt, tests/attest.bats.
 */
EF_MUST_CHECK ef_status ef_attestation_verify(
    const ef_attestation *a, const ef_attestation_policy *policy, ef_err *err);

/* Append what a document says: canonical JSON (json 1; bytes as base64, what is
 * absent left out), or a page for people, in printable ASCII. Whether it was
 * verified is the caller's to say. */
void ef_attestation_print(ef_buf *out, const ef_attestation *a, int json);

/* The reason's name in a message of the two: "CERT_EXPIRED"; empty where
 * there is none. */
ef_slice ef_attestation_reason(const ef_err *err);

/* The value of a register of zeros that was extended with data once. */
void ef_pcr_extended(unsigned char pcr[EF_PCR_BYTES], ef_slice data);

/* --- the NSM --- */

/*
 * Requests to the Nitro security module, in the bytes that its driver takes.
 * Each appends one to out.
 *
 * ef_nsm_attest    a document with these three; p NULL: without it. Of
 *                  user_data and nonce EF_MAX_NSM_DATA_BYTES at most, of
 *                  public_key, which may not be empty, EF_MAX_NSM_KEY_BYTES
 * ef_nsm_extend    PCR index with data: 1 to EF_MAX_NSM_DATA_BYTES
 * ef_nsm_lock      PCRs 0 to n - 1, for good
 * ef_nsm_describe  what PCR index holds, and whether it is locked
 *
 * EF_E_FORMAT  no such register; nothing to extend with; an empty key
 * EF_E_LIMIT   EF_MAX_NSM_DATA_BYTES, EF_MAX_NSM_KEY_BYTES
 * EF_E_MEMORY
 * Source: aws-nitro-enclaves-nsm-api. Tests: vectors/nsm.txt.
 */
EF_MUST_CHECK ef_status ef_nsm_attest(ef_buf *out, ef_slice user_data,
                                      ef_slice nonce, ef_slice public_key,
                                      ef_err *err);
EF_MUST_CHECK ef_status ef_nsm_extend(ef_buf *out, uint32_t index,
                                      ef_slice data, ef_err *err);
EF_MUST_CHECK ef_status ef_nsm_lock(ef_buf *out, uint32_t n, ef_err *err);
EF_MUST_CHECK ef_status ef_nsm_describe(ef_buf *out, uint32_t index,
                                        ef_err *err);

/* Which of the four was asked. */
typedef enum ef_nsm_request {
    EF_NSM_ATTEST,
    EF_NSM_EXTEND,
    EF_NSM_LOCK,
    EF_NSM_DESCRIBE
} ef_nsm_request;

typedef struct ef_nsm_answer {
    ef_slice document; /* EF_NSM_ATTEST: not looked into */
    ef_slice pcr;      /* EF_NSM_EXTEND and _DESCRIBE: EF_PCR_BYTES */
    int locked;        /* EF_NSM_DESCRIBE */
} ef_nsm_answer;

/*
 * ef_nsm_answer_parse -- what the NSM says to a request.
 *
 *   out     out        views answer; written on EF_OK alone
 *   answer  UNTRUSTED
 *
 * EF_E_IO      the NSM names an error, which err->msg explains
 * EF_E_POLICY  that error is ReadOnlyIndex: the register is locked
 * EF_E_FORMAT  not an answer to that request: err->at
 * EF_E_LIMIT   EF_MAX_NSM_ANSWER_BYTES
 * Source: aws-nitro-enclaves-nsm-api. Tests: vectors/nsm.txt.
 */
EF_MUST_CHECK ef_status ef_nsm_answer_parse(ef_nsm_answer *out, ef_slice answer,
                                            ef_nsm_request request,
                                            ef_err *err);

/* --- what a configuration asks of an enclave, and what that answers --- */

/*
 * ef_appconfig_pcrs -- what the registers of an enclave that runs config must
 * hold: one set for each approved measurement, PCR16 in each.
 *
 *   sets    out  allocates: free(), also after failure
 *   config       ef_appconfig_parse's
 *   id           its SHA-256, the APPCONFIG_ID
 *
 * EF_E_MEMORY.
 */
EF_MUST_CHECK ef_status
ef_appconfig_pcrs(ef_pcr_set **sets, size_t *n, const ef_json *config,
                  const unsigned char id[EF_SHA256_BYTES], ef_err *err);

/*
 * ef_receipt_begin -- append a receipt up to its document; the caller appends
 * ,"document":"<base64>"} with one whose user_data is user_data.
 *
 *   user_data  out
 *   inputs          JSON: an object, each input's name and the SHA-256 of its
 *                   encrypted file in hex
 *   output          ef_result_hash's
 *
 * EF_E_FORMAT inputs is no JSON. EF_E_MEMORY.
 */
EF_MUST_CHECK ef_status
ef_receipt_begin(ef_buf *out, unsigned char user_data[EF_SHA256_BYTES],
                 const unsigned char id[EF_SHA256_BYTES], ef_slice inputs,
                 const unsigned char output[EF_SHA256_BYTES], ef_err *err);

/*
 * ef_receipt_parse -- a result's receipt, taken apart; nothing is verified.
 *
 *   json       out        ef_json_free, also after failure
 *   doc        out        appended: its attestation document
 *   user_data  out        what that document must say
 *   text       UNTRUSTED  kept by reference
 *
 * EF_E_FORMAT, EF_E_LIMIT (err->place), EF_E_MEMORY.
 * Tests: vectors/receipts.txt.
 */
EF_MUST_CHECK ef_status ef_receipt_parse(
    ef_json *json, ef_buf *doc, unsigned char user_data[EF_SHA256_BYTES],
    ef_slice text, ef_err *err);

/* --- release --- */

#define EF_RELEASE_NONCE_BYTES 56 /* time, random bytes, MAC */
#define EF_RELEASE_RANDOM_BYTES 16

/* What is asked of the release service. */
typedef enum ef_release_kind {
    EF_RELEASE_NONCE = 1, /* a nonce, for a document */
    EF_RELEASE_KEYS,      /* the credentials, for a document ("release") */
    EF_RELEASE_DONE       /* the run is over */
} ef_release_kind;
typedef struct ef_release_request {
    ef_release_kind kind;
    unsigned char appconfig[EF_SHA256_BYTES];    /* of the last two */
    unsigned char nonce[EF_RELEASE_NONCE_BYTES]; /* of EF_RELEASE_DONE */
    unsigned char token[EF_SHA256_BYTES];
    ef_buf document; /* of EF_RELEASE_KEYS: the attestation, as it came */
} ef_release_request;

/*
 * ef_release_request_parse -- a request, taken apart; nothing is verified.
 *
 *   out   out        free its document (ef_buf_free), also after failure
 *   json  UNTRUSTED
 *
 * EF_E_LIMIT   EF_MAX_RELEASE_REQUEST_BYTES
 * EF_E_FORMAT  not JSON, no request that is known, or a member that is
 *              missing, unknown or wrong: err->place
 * EF_E_MEMORY
 * Tests: vectors/release_requests.txt.
 */
EF_MUST_CHECK ef_status ef_release_request_parse(ef_release_request *out,
                                                 ef_slice json, ef_err *err);

/* What the service's nonces and tokens are made with: from its X25519 key.
 * Secret: both. */
void ef_release_key(unsigned char k[EF_SHA256_BYTES],
                    const unsigned char sk[EF_X25519_BYTES]);
/* now (8 bytes, big-endian) || random || HMAC-SHA256(k, those). */
void ef_release_nonce_make(unsigned char nonce[EF_RELEASE_NONCE_BYTES],
                           const unsigned char k[EF_SHA256_BYTES], int64_t now,
                           const unsigned char random[EF_RELEASE_RANDOM_BYTES]);
/*
 * ef_release_nonce_check -- is it one of ours, and still good? That it is used
 * once is for the log to say.
 *
 *   k      secret
 *   nonce  UNTRUSTED
 *
 * EF_E_AUTH    NONCE_MISSING, NONCE_FOREIGN
 * EF_E_POLICY  NONCE_STALE: older than EF_RELEASE_NONCE_SEC, or of a time that
 *              is still to come
 * Tests: vectors/release_nonces.txt.
 */
EF_MUST_CHECK ef_status
ef_release_nonce_check(const unsigned char k[EF_SHA256_BYTES], ef_slice nonce,
                       int64_t now, ef_err *err);
/* HMAC-SHA256(k, "done" || nonce): shows that it is the enclave to which the
 * credentials went that says "done". */
void ef_release_token(unsigned char token[EF_SHA256_BYTES],
                      const unsigned char k[EF_SHA256_BYTES],
                      const unsigned char nonce[EF_RELEASE_NONCE_BYTES]);

/*
 * ef_release_seal -- append {"ct":...,"enc":...}: what an answer has as
 * "credentials".
 *
 *   pk     the attested X25519 key
 *   plain  secret
 *   id     the APPCONFIG_ID
 *
 * EF_E_AUTH for a key of small order, EF_E_IO without random bytes,
 * EF_E_LIMIT, EF_E_MEMORY.
 * Source: RFC 9180, base mode; info "encflow release 1", AAD "id:nonce".
 */
EF_MUST_CHECK ef_status ef_release_seal(ef_buf *out,
                                        const unsigned char pk[EF_X25519_BYTES],
                                        ef_slice plain,
                                        const unsigned char id[EF_SHA256_BYTES],
                                        ef_slice nonce, ef_err *err);
/*
 * ef_release_open -- the reverse, for the enclave that holds sk.
 *
 *   plain   out        secret; must be empty, without a drain; ef_buf_free,
 *                      also after failure
 *   sk      secret
 *   answer  UNTRUSTED  ef_release_answer_parse's
 *
 * EF_E_AUTH    not sealed to this key, for this id and nonce
 * EF_E_FORMAT  an answer without credentials
 * EF_E_MEMORY
 * Tests: vectors/release_answers.txt.
 */
EF_MUST_CHECK ef_status ef_release_open(ef_buf *plain,
                                        const unsigned char sk[EF_X25519_BYTES],
                                        const ef_json *answer,
                                        const unsigned char id[EF_SHA256_BYTES],
                                        ef_slice nonce, ef_err *err);

/*
 * ef_release_answer_parse -- one of the service's answers, checked and
 * indexed: {"nonce"}, {"credentials","documents","version"} or {"done"}.
 * Which one it is, ef_json_member tells.
 *
 *   json  out        ef_json_free, also after failure
 *   text  UNTRUSTED  kept by reference
 *
 * EF_E_POLICY  {"error":"refused"}
 * EF_E_LIMIT   EF_MAX_RELEASE_ANSWER_BYTES
 * EF_E_FORMAT  none of them: err->place. EF_E_MEMORY
 * Tests: vectors/release_answers.txt.
 */
EF_MUST_CHECK ef_status ef_release_answer_parse(ef_json *json, ef_slice text,
                                                ef_err *err);

/* A line of the service's log. */
typedef enum ef_release_event {
    EF_RELEASED, /* credentials went to an enclave: "release" */
    EF_REFUSED,  /* or did not: "refused" */
    EF_ENDED,    /* an enclave says that its run is over: "done" */
    EF_REPAIRED  /* the half of a line that a crash had left was cut off */
} ef_release_event;
typedef struct ef_release_line {
    ef_release_event event;
    int64_t time; /* seconds since 1970 */
    unsigned char prev[EF_SHA256_BYTES];
    int has_appconfig; /* always, but of EF_REFUSED and EF_REPAIRED */
    unsigned char appconfig[EF_SHA256_BYTES];
    /* of EF_RELEASED; nonce of EF_ENDED, too */
    unsigned char workflow[EF_SHA256_BYTES], pcr0[EF_PCR_BYTES];
    unsigned char nonce[EF_RELEASE_NONCE_BYTES];
    ef_slice app, instance, reason; /* n 0: not there */
    uint64_t cut;                   /* of EF_REPAIRED: bytes */
    ef_buf texts;                   /* of a line that was parsed: theirs */
} ef_release_line;
/* "release", "refused", "done", "repaired". Constant text. */
const char *ef_release_event_name(ef_release_event event);
/* Append the line, canonical JSON without a line feed. */
void ef_release_line_print(ef_buf *out, const ef_release_line *line);
/*
 * ef_release_line_parse -- the reverse.
 *
 *   out   out        ef_release_line_free, also after failure
 *   text  UNTRUSTED  without the line feed
 *
 * EF_E_LIMIT   EF_MAX_RELEASE_LINE_BYTES
 * EF_E_FORMAT  not canonical, or no event that is known, or a member that is
 *              missing, unknown or wrong: err->place
 * EF_E_MEMORY
 * Tests: vectors/release_log.txt.
 */
EF_MUST_CHECK ef_status ef_release_line_parse(ef_release_line *out,
                                              ef_slice text, ef_err *err);
void ef_release_line_free(ef_release_line *line);

/* Where the reader of a log stands; start from {0}. */
typedef struct ef_release_log {
    unsigned char head[EF_SHA256_BYTES]; /* SHA-256 of the last line */
    int64_t time;                        /* its time */
    uint64_t lines;
} ef_release_log;
/*
 * ef_release_log_push -- the next line of a log: parsed, and held to those
 * before it.
 *
 *   log   in/out     unchanged on failure
 *   out   out        ef_release_line_free, also after failure
 *   text  UNTRUSTED  without the line feed
 *
 * EF_E_AUTH    no line of a log, another line before it, or a time that goes
 *              back: err->line says which
 * EF_E_MEMORY
 * Tests: vectors/release_log.txt.
 */
EF_MUST_CHECK ef_status ef_release_log_push(ef_release_log *log,
                                            ef_release_line *out, ef_slice text,
                                            ef_err *err);

#endif /* ENCFLOW_H */
