/*
 * encflow.c -- a confidential data workflow, from a data owner's CSV file to
 * a result that only its receiver can read. encflow(1) is the manual,
 * encflow.h the library's interface; this file is all of the program.
 *
 * Copyright (c) 2026 the encflow authors. SPDX-License-Identifier: MIT
 *
 * HOW TO READ IT. From top to bottom: every name is defined above its use.
 * Each section opens with a card that says what comes in, what it trusts,
 * where secrets live and which tests and vectors hold it to its word.
 *
 *    1  MEMORY AND ERRORS     6  (kept for CBOR)
 *    2  TEXT ENCODINGS        7  AES-256-GCM          11  HTTP AND STORAGE
 *    3  JSON                  8  DATASET FILES        12  DESCRIBE
 *    4  CSV                   9  (kept for sealing)   13  RUNNER
 *    5  INI                  10  AWS SIGNING          16  COMMAND LINE
 *
 * `grep -n '^ \* [0-9]*\. [A-Z]' encflow.c` lists the sections.
 * `grep -n UNTRUSTED encflow.c` shows where hostile bytes come in.
 * `grep -n 'reject(' encflow.c` lists every rule that the parsers enforce.
 * `grep -n 's\.' encflow.c` and ef_secret_alloc show where secrets live.
 *
 * RULES. A section calls only upward. Only section 16 prints and exits. Only
 * sections 11, 13 and 16 know of processes, sockets and the environment (but
 * for the child that file_replace in section 8 explains). A
 * function that can fail returns an ef_status; rc starts as a failure and is
 * set to EF_OK in one place; the label is always `out`.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "encflow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h> /* isinf, a macro: nothing to link */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bearssl.h>

/* EF_PUBLIC(x) marks where something that was worked out from a secret may be
 * known by anyone: whether a tag is right, whether a text is valid, a
 * signature. It does nothing but under -DEF_CT, which tests/ct.c alone sets:
 * memcheck, which has been told that secrets are undefined, is then told that
 * x is not one. What may leak is what `grep EF_PUBLIC` finds. */
#ifdef EF_CT
#include <valgrind/memcheck.h>
#define EF_PUBLIC(x) ((void)VALGRIND_MAKE_MEM_DEFINED(&(x), sizeof(x)))
#else
#define EF_PUBLIC(x) ((void)0)
#endif

/* ======================================================================= *
 * 1. MEMORY AND ERRORS    what every later section stands on        (ef_) *
 *                                                                         *
 *   In       sizes and texts of our own                                   *
 *   Secret   whatever callers put into ef_secret_alloc and ef_buf         *
 *   Needs    the C library                                                *
 *   Tests    tests/unit.c vectors/statuses.txt                            *
 * ======================================================================= */

/* A parser says no with reject(), which fills *err and returns the
 * status. On the way out with_hint, with_where and with_member add what
 * their level knows; the first to name something wins, so the innermost
 * name stays. Messages are constants: nothing of the input gets into
 * them, and `where` holds names only, escaped for a terminal.
 *
 * An ef_buf remembers failure instead of reporting each call:
 * afterwards additions do nothing, and who owns the buffer looks once,
 * at the end, with buf_status. It grows by copy, wipe and free, never
 * by realloc, which may leave the old bytes on the heap. Its pages are
 * not locked: keys belong into ef_secret_alloc, whole pages between two
 * that fault, locked, in no core dump, zero in a forked child. Where
 * mlock is refused the program goes on, and main says so at its end. */

/* A view of n bytes at p. Nothing is copied: it is good for as long as p's
 * owner keeps the bytes. p may be NULL when n is 0. */
static ef_slice
slice(const void *p, size_t n)
{
    return (ef_slice){p, n};
}

/* The bytes of a C string, its NUL left out. */
static ef_slice
slice_str(const char *s)
{
    return slice(s, strlen(s));
}

/* 1 where a holds exactly the bytes of s. Time depends on the contents:
 * never for a key or a tag, which go through ef_equal. */
static int
slice_is(ef_slice a, const char *s)
{
    size_t n = strlen(s);

    return a.n == n && memcmp(a.p, s, n) == 0;
}

/* The same for names in ASCII whose case has no meaning: header fields. */
static int
slice_is_name(ef_slice a, const char *s)
{
    return a.n == strlen(s) && strncasecmp((const char *)a.p, s, a.n) == 0;
}

/* 1 where a begins with s. Like slice_is, not for secrets. */
static int
slice_has_prefix(ef_slice a, const char *s)
{
    size_t n = strlen(s);

    return a.n >= n && memcmp(a.p, s, n) == 0;
}

/* a without its first `at` bytes; empty where it has no more, so never
 * past its end. */
static ef_slice
slice_from(ef_slice a, size_t at)
{
    return at < a.n ? slice(a.p + at, a.n - at) : slice(a.p, 0);
}

/* Offset of c in a, or a.n. An empty slice may have no address, and memchr
 * must not be given NULL even for no bytes. */
static size_t
slice_find(ef_slice a, int c)
{
    const unsigned char *hit = a.n > 0 ? memchr(a.p, c, a.n) : NULL;

    return hit != NULL ? (size_t)(hit - a.p) : a.n;
}

/* All ones when lo <= c <= hi, else 0, for values below 2^31. Where c is out
 * of the range one of the differences is negative: its highest bit, spread
 * over the word by a multiplication, is the answer turned around.
 *
 * Secret: c may be a digit of a key: no branch, no table. Tests: tests/ct.c. */
static uint32_t
ct_within(uint32_t c, uint32_t lo, uint32_t hi)
{
    return ~((((c - lo) | (hi - c)) >> 31) * UINT32_MAX);
}

/* isspace(3) in the C locale, whatever locale the process has: "\t\n\v\f\r",
 * which follow one another, and the blank.
 *
 * Secret: byte may be a key's last digit; only whether it is blank shows. */
static int
is_blank_byte(unsigned char byte)
{
    uint32_t blank = ct_within(byte, '\t', '\r') | ct_within(byte, ' ', ' ');

    EF_PUBLIC(blank);
    return blank != 0;
}

/* a without the white space at its end: what a key file may have after its
 * digits. The result lies inside a. */
static ef_slice
slice_trim_end(ef_slice a)
{
    while (a.n > 0 && is_blank_byte(a.p[a.n - 1]))
        a.n--;
    return a;
}

/* a without white space at both ends. The result lies inside a, so that its
 * offset in a can be had by subtraction (ini_step does). */
static ef_slice
slice_trim(ef_slice a)
{
    a = slice_trim_end(a);
    while (a.n > 0 && is_blank_byte(a.p[0]))
        a = slice_from(a, 1);
    return a;
}

/* isdigit(3), but never by a locale: '0' to '9' in ASCII. */
static int
is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* isalnum(3) in the C locale: also for bytes above 0x7f, which are none. */
static int
is_alnum(unsigned char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A decimal number of 1 to 12 digits; -1 when text is none. No sign, no
 * blanks, leading zeros allowed: "007" is 7, "+7", "" and " 7" are -1. No
 * caller's range holds -1, so that a bound check says no to all of these.
 *
 * UNTRUSTED: text (a port in a URL, X-Amz-Expires, an option's value).
 * Fuzz: fuzz/fuzz_time.c, fuzz/fuzz_query.c. Tests: vectors/times.txt,
 * vectors/presigned.txt, vectors/locations.txt. */
static int64_t
slice_number(ef_slice text)
{
    int64_t v = 0;
    size_t i;

    if (text.n == 0 || text.n > 12)
        return -1;
    for (i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]))
            return -1;
        /* at most 10^12 - 1: cannot overflow */
        v = v * 10 + (text.p[i] - '0');
    }
    return v;
}

/* The numbers that encflow(1) promises. There is no default label, so that
 * the compiler names a status that was forgotten here; a value outside the
 * enum counts as an internal failure. Tests: vectors/statuses.txt. */
int
ef_exit_status(ef_status code)
{
    switch (code) {
    case EF_OK:
        return 0;
    case EF_E_USAGE:
        return 2;
    case EF_E_AUTH:
        return 3;
    case EF_E_FORMAT:
    /* to the user both are a bad input */
    case EF_E_LIMIT:
        return 4;
    case EF_E_POLICY:
        return 5;
    case EF_E_NETWORK:
        return 6;
    /* a failure of the machine or of the program, not of the input */
    case EF_E_IO:
    case EF_E_MEMORY:
    case EF_E_INTERNAL:
        break;
    }
    return 1;
}

/* The names stand in the enum's order. Any other value gives "?", so that no
 * index leaves the table. Tests: vectors/statuses.txt. */
const char *
ef_status_name(ef_status code)
{
    static const char *const names[] = {
        "EF_OK",       "EF_E_IO",     "EF_E_MEMORY", "EF_E_INTERNAL",
        "EF_E_USAGE",  "EF_E_AUTH",   "EF_E_FORMAT", "EF_E_LIMIT",
        "EF_E_POLICY", "EF_E_NETWORK"};

    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "?";
}

/* The one way to say no: fills *err with a constant text and an offset, and
 * returns the status. It hides no return of the caller's. All of *err is
 * replaced, so that no hint or place of an earlier error stays behind.
 *
 * Pre: msg is constant text; err may be NULL; at is an offset into the input
 * at hand, or EF_NOWHERE. */
static ef_status
reject(ef_err *err, ef_status code, uint64_t at, const char *msg)
{
    if (err != NULL)
        *err = (ef_err){.code = code, .msg = msg, .at = at};
    return code;
}

/* reject() with a line and a column (from 1; 0: not known) in place of the
 * offset, for formats that people edit by line. */
static ef_status
reject_line(ef_err *err, ef_status code, uint64_t line, uint64_t column,
            const char *msg)
{
    ef_status rc = reject(err, code, EF_NOWHERE, msg);

    if (err != NULL) {
        err->line = line;
        err->column = column;
    }
    return rc;
}

/* EF_E_MEMORY has one message: where it ran out is of no use to anybody. */
static ef_status
reject_memory(ef_err *err)
{
    return reject(err, EF_E_MEMORY, EF_NOWHERE, "out of memory");
}

/* Add what the user can do. Returns rc, so that it can close a return. Does
 * nothing on EF_OK, nor where a level further in has given a hint. */
static ef_status
with_hint(ef_err *err, ef_status rc, const char *hint)
{
    if (err != NULL && rc != EF_OK && err->hint == NULL)
        err->hint = hint;
    return rc;
}

/* Offset of s in a, or a.n. Time is a.n times the length of s: for names and
 * URLs, whose size is limited, and for constant s. */
static size_t
slice_find_str(ef_slice a, const char *s)
{
    size_t i;

    for (i = 0; i < a.n; i++)
        if (slice_has_prefix(slice_from(a, i), s))
            return i;
    return a.n;
}

/* The part of a name that may be shown: what looks like a URL ends before
 * its query, and before a user's name and password. A file's name may hold a
 * '?', so that a name which does not look like a URL is shown whole.
 * What has no scheme but the marks of a presigned query ends before them.
 *
 *   https://b.s3.amazonaws.com/k?X-Amz-Signature=0f -> up to the '?'
 *   https://user:word@host/k                        -> https://
 *
 * UNTRUSTED: a (a location, a file's name). Post: a prefix of a.
 * Fuzz: fuzz/fuzz_location.c. Tests: tests/data.bats, "messages: a URL in
 * the wrong place shows neither query nor password". */
static ef_slice
slice_public(ef_slice a)
{
    size_t scheme = slice_find_str(a, "://"), query = slice_find(a, '?');
    size_t v4 = slice_find_str(a, "X-Amz-");
    size_t v2 = slice_find_str(a, "Signature=");

    if (scheme == a.n && v4 == a.n && v2 == a.n)
        return a;
    query = v4 < query ? v4 : query; /* a query by itself has no '?' */
    a.n = v2 < query ? v2 : query;
    if (scheme < a.n && slice_find(slice_from(a, scheme), '@') < a.n - scheme)
        /* an '@' in the path is taken for a user's, too: less is shown */
        a.n = scheme + 3;
    return a;
}

/* A C1 control character (U+0080 to U+009F): some terminals obey them. In
 * UTF-8 it is C2 and the character's number. */
static int
is_c1(ef_slice a)
{
    return a.n > 1 && a.p[0] == 0xc2 && a.p[1] >= 0x80 && a.p[1] < 0xa0;
}

/* Say which file, dataset or member err speaks of; the innermost name given
 * first stays. Bytes that a terminal would obey are escaped, and so are '"'
 * and '\', since names are shown in quotes: a newline is shown as \x0a.
 *
 * UNTRUSTED: name (a file's, a dataset's, a column's, a location).
 * Post: err->where is NUL-terminated and ends in "..." when it was cut.
 * Fuzz: fuzz/fuzz_location.c, fuzz/fuzz_ports.c. Tests: tests/data.bats,
 * "control characters of a file name do not reach the terminal". */
static ef_status
with_where(ef_err *err, ef_status rc, ef_slice name)
{
    size_t i, n = 0;

    if (err == NULL || rc == EF_OK || err->where[0] != '\0')
        return rc;
    name = slice_public(name);
    /* 8: one more escape (4), the "..." (3) and the NUL */
    for (i = 0; i < name.n && n + 8 < sizeof err->where; i++) {
        unsigned char c = name.p[i];

        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' ||
            is_c1(slice_from(name, i)) ||
            /* the second byte of a C1 character: both are escaped */
            (i > 0 && is_c1(slice_from(name, i - 1))))
            n += (size_t)snprintf(err->where + n, 5, "\\x%02x", c);
        else
            err->where[n++] = (char)c;
    }
    if (i < name.n) {
        memcpy(err->where + n, "...", 3);
        n += 3;
    }
    err->where[n] = '\0';
    return rc;
}

/* A JSON position in both notations; members is like "/encryption/key",
 * which gives "$.encryption.key (JSON pointer /encryption/key)". The whole
 * document is "$" and the pointer "". The innermost position given first
 * stays.
 * Pre: members is our own constant, of names without ~ and shorter than 64.
 * Tests: tests/data.bats, "the place is said as a path and as a JSON
 * pointer". */
static ef_status
with_member(ef_err *err, ef_status rc, const char *members)
{
    char dotted[64];
    size_t i;

    if (err == NULL || rc == EF_OK || err->place[0] != '\0')
        return rc;
    for (i = 0; members[i] != '\0' && i + 1 < sizeof dotted; i++)
        dotted[i] = members[i] == '/' ? '.' : members[i];
    dotted[i] = '\0';
    snprintf(err->place, sizeof err->place, "$%s (JSON pointer %s)", dotted,
             members[0] != '\0' ? members : "\"\"");
    return rc;
}

/* memset alone may be left out by the compiler where p is not used again.
 * The empty asm claims to read the memory at p, so that the zeros must be
 * there.
 * Tests: tests/unit.c (test_equal_and_wipe). */
void
ef_wipe(void *p, size_t n)
{
    /* p may be NULL then, which memset must not see */
    if (n == 0)
        return;
    memset(p, 0, n);
    __asm__ __volatile__("" : : "r"(p) : "memory"); /* p is looked at */
}

/* What copies or encrypts many bytes at once leaves the last of them in
 * vector registers: keys and plaintext. They are cleared all together, but
 * for the low halves of v8 to v15 on aarch64, which are the caller's to have
 * back. zmm16 and above are taken by no code of ours, so they need not be named
 * as changed; but by the C library's where the processor has them. */
static void
burn_registers(void)
{
#if defined(__x86_64__)
    __asm__ __volatile__("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\t"
                         "pxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
                         "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
                         "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
                         "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\t"
                         "pxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
                         "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\t"
                         "pxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15"
                         :
                         :
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                           "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                           "xmm12", "xmm13", "xmm14", "xmm15");
    if (__builtin_cpu_supports("avx"))
        __asm__ __volatile__("vzeroall" ::
                                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                                   "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                                   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                                   "xmm15");
    if (__builtin_cpu_supports("avx512f"))
        __asm__ __volatile__("vpxord %zmm16, %zmm16, %zmm16\n\t"
                             "vpxord %zmm17, %zmm17, %zmm17\n\t"
                             "vpxord %zmm18, %zmm18, %zmm18\n\t"
                             "vpxord %zmm19, %zmm19, %zmm19\n\t"
                             "vpxord %zmm20, %zmm20, %zmm20\n\t"
                             "vpxord %zmm21, %zmm21, %zmm21\n\t"
                             "vpxord %zmm22, %zmm22, %zmm22\n\t"
                             "vpxord %zmm23, %zmm23, %zmm23\n\t"
                             "vpxord %zmm24, %zmm24, %zmm24\n\t"
                             "vpxord %zmm25, %zmm25, %zmm25\n\t"
                             "vpxord %zmm26, %zmm26, %zmm26\n\t"
                             "vpxord %zmm27, %zmm27, %zmm27\n\t"
                             "vpxord %zmm28, %zmm28, %zmm28\n\t"
                             "vpxord %zmm29, %zmm29, %zmm29\n\t"
                             "vpxord %zmm30, %zmm30, %zmm30\n\t"
                             "vpxord %zmm31, %zmm31, %zmm31");
#elif defined(__aarch64__)
    __asm__ __volatile__(
        "movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\t"
        "movi v3.2d, #0\n\tmovi v4.2d, #0\n\tmovi v5.2d, #0\n\t"
        "movi v6.2d, #0\n\tmovi v7.2d, #0\n\tmovi v8.2d, #0\n\t"
        "movi v9.2d, #0\n\tmovi v10.2d, #0\n\tmovi v11.2d, #0\n\t"
        "movi v12.2d, #0\n\tmovi v13.2d, #0\n\tmovi v14.2d, #0\n\t"
        "movi v15.2d, #0\n\tmovi v16.2d, #0\n\tmovi v17.2d, #0\n\t"
        "movi v18.2d, #0\n\tmovi v19.2d, #0\n\tmovi v20.2d, #0\n\t"
        "movi v21.2d, #0\n\tmovi v22.2d, #0\n\tmovi v23.2d, #0\n\t"
        "movi v24.2d, #0\n\tmovi v25.2d, #0\n\tmovi v26.2d, #0\n\t"
        "movi v27.2d, #0\n\tmovi v28.2d, #0\n\tmovi v29.2d, #0\n\t"
        "movi v30.2d, #0\n\tmovi v31.2d, #0"
        :
        :
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
          "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
          "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
          "v31");
#endif
}

/* BearSSL wipes nothing: round keys and hash states stay in the stack frames
 * it used. This one is put over them and wiped; the registers, too.
 *
 * Pre: called from about the depth that BearSSL was called from; noinline,
 * so that the frame is below the caller's, where BearSSL's were. */
static void __attribute__((noinline)) burn_stack(void)
{
    unsigned char frame[8192];

    ef_wipe(frame, sizeof frame);
    burn_registers();
}

/* No branch and no index depends on the bytes: the differences of all pairs
 * are ORed together, and the result is 0 only where each is.
 * Tests: tests/unit.c (test_equal_and_wipe), tests/ct.c. */
int
ef_equal(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    uint32_t diff = 0;
    size_t i;

    for (i = 0; i < n; i++)
        diff |= (uint32_t)(x[i] ^ y[i]);
    diff = (diff - 1) >> 31; /* 1 for 0, since diff < 256 */
    EF_PUBLIC(diff);
    return (int)diff;
}

/* Make room for n more bytes; 0 when that can't be, and b has failed then.
 * The capacity doubles, so that adding byte by byte takes linear time.
 *
 * Secret: the old contents may be one: they are copied, wiped and freed.
 * Pre: b->n <= b->max where max is set. Post: on 1, b->p is not NULL and n
 * bytes fit after b->n. Limits: b->max. Tests: tests/unit.c (test_buf). */
static int
buf_room(ef_buf *b, size_t n)
{
    size_t max = b->max != 0 ? b->max : SIZE_MAX / 2;
    size_t cap = b->cap != 0 ? b->cap : 256;
    unsigned char *p;

    /* written so that no n, not even SIZE_MAX, wraps around */
    if (b->failed || n > max - b->n) {
        b->failed = 1;
        return 0;
    }
    if (b->cap - b->n >= n && b->p != NULL)
        return 1;
    /* ends: b->n + n <= max, and cap gets to max at the latest */
    while (cap < b->n + n)
        cap = cap > max / 2 ? max : cap * 2;
    p = malloc(cap);
    if (p == NULL) {
        b->failed = 1;
        return 0;
    }
    if (b->p != NULL) {
        memcpy(p, b->p, b->n);
        ef_wipe(b->p, b->cap); /* realloc would leave a copy behind */
    }
    free(b->p);
    b->p = p;
    b->cap = cap;
    return 1;
}

/* What a buffer with a drain holds back: much to a system call, little
 * beside the 32 MiB that the program may take. */
#define BUF_DRAIN_BYTES ((size_t)64 << 10)

/* Append n bytes. With drain set, a piece larger than BUF_DRAIN_BYTES goes
 * to it as it is, after what the buffer held. So the buffer itself never
 * holds more, whatever the size of the text. After a failure nothing is
 * added or drained.
 * Pre: p is not part of b (it may move). Tests: tests/unit.c (test_buf). */
void
ef_buf_add(ef_buf *b, const void *p, size_t n)
{
    if (b->drain != NULL && b->n + n > BUF_DRAIN_BYTES && !b->failed) {
        b->failed = b->drain(b->ctx, b->p, b->n) != 0;
        b->n = 0;
        if (n > BUF_DRAIN_BYTES && !b->failed) {
            b->failed = b->drain(b->ctx, p, n) != 0;
            return;
        }
    }
    /* p may be NULL when n is 0, which memcpy must not see */
    if (!buf_room(b, n) || n == 0)
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void
ef_buf_str(ef_buf *b, const char *s)
{
    ef_buf_add(b, s, strlen(s));
}

void
ef_buf_byte(ef_buf *b, unsigned char c)
{
    ef_buf_add(b, &c, 1);
}

/* cap bytes are wiped, not n: a drained or shortened buffer holds old bytes
 * past n. failed, max and drain stay as they are. Free again does nothing. */
void
ef_buf_free(ef_buf *b)
{
    if (b->p != NULL)
        ef_wipe(b->p, b->cap);
    free(b->p);
    /* so that a second free, or another use, finds an empty buffer */
    b->p = NULL;
    b->n = b->cap = 0;
}

/* A view: good until b grows, drains or is freed. */
static ef_slice
buf_slice(const ef_buf *b)
{
    return slice(b->p, b->n);
}

/* EF_OK when everything went in; for buffers of our own making, where the
 * only reason to fail is memory. Where a max or a drain can say no as well,
 * the owner asks for that reason first. */
static ef_status
buf_status(const ef_buf *b, ef_err *err)
{
    return b->failed ? reject_memory(err) : EF_OK;
}

/* A NUL-terminated view; "" when memory ran out. The NUL is not counted, so
 * that the next addition goes over it. The view ends with that addition.
 * Pre: no NUL in the contents (a path would be cut there); no drain. */
static const char *
buf_cstr(ef_buf *b)
{
    ef_buf_byte(b, 0);
    if (b->failed)
        return "";
    b->n--;
    return (const char *)b->p;
}

/* printf into a buffer; the texts are short (numbers, dates, names). What
 * does not fit into 512 bytes is a failure, never cut. text is not wiped: no
 * secret may go through here. */
static void __attribute__((format(printf, 2, 3)))
buf_printf(ef_buf *b, const char *format, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        b->failed = 1;
    else
        ef_buf_add(b, text, (size_t)n);
}

/* 4096 is for a sysconf that fails, which Linux's does not. */
static size_t
page_bytes(void)
{
    long n = sysconf(_SC_PAGESIZE);

    return n > 0 ? (size_t)n : 4096;
}

/* Bytes of the pages that hold n: ef_secret_free works out again from n what
 * ef_secret_alloc mapped. Pre: n <= SIZE_MAX / 2, so that the sum can't
 * wrap. */
static size_t
page_round(size_t n)
{
    size_t page = page_bytes();

    return (n + page - 1) / page * page;
}

/* Some secret memory could not be locked: main tells the user. Only ever
 * set, so it does not matter which thread does. A run goes on without the
 * lock, because many machines let a process lock little. */
static volatile sig_atomic_t secret_unlocked;

/* One mapping: guard page | body, whole pages | guard page. The guards fault
 * on any access: no overrun from elsewhere gets in, and none from here past
 * the last page. Fresh pages are zeros.
 *
 * Secret: whatever the caller puts there; ef_secret_free wipes it.
 * Fails: NULL for n 0, for n over SIZE_MAX / 2, where mmap or mprotect
 * fails. A refused mlock is no failure: secret_unlocked is set and *locked
 * is 0.
 * Tests: tests/unit.c (test_secret), tests/data.bats ("secrets are locked in
 * memory and core dumps are off"). */
void *
ef_secret_alloc(size_t n, int *locked)
{
    size_t page = page_bytes(), body = n <= SIZE_MAX / 2 ? page_round(n) : 0;
    unsigned char *base;

    if (locked != NULL)
        *locked = 0;
    if (body == 0)
        return NULL; /* no bytes, or more than there can be */
    /* at most SIZE_MAX / 2 and three pages: cannot wrap */
    base = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (mprotect(base + page, body, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, body + 2 * page);
        return NULL;
    }
    /* Not fatal where an old kernel lacks one of these: main also turns core
     * dumps off, and the one child that does not exec (file_replace) only
     * links, renames and ends. */
    (void)madvise(base + page, body, MADV_DONTDUMP);
#ifdef MADV_WIPEONFORK
    (void)madvise(base + page, body, MADV_WIPEONFORK);
#endif
    if (mlock(base + page, body) != 0)
        secret_unlocked = 1;
    else if (locked != NULL)
        *locked = 1;
    return base + page;
}

/* The whole body is wiped, also what lies past n, while it is still locked;
 * munmap ends the lock. Pre: n is what ef_secret_alloc was given.
 * Tests: tests/unit.c (test_secret). */
void
ef_secret_free(void *p, size_t n)
{
    size_t page = page_bytes(), body = page_round(n);

    if (p == NULL)
        return;
    ef_wipe(p, body);
    munmap((unsigned char *)p - page, body + 2 * page);
}

/* x to p, highest byte first, on any machine. */
static void
put_be32(unsigned char *p, uint32_t x)
{
    p[0] = (unsigned char)(x >> 24);
    p[1] = (unsigned char)(x >> 16);
    p[2] = (unsigned char)(x >> 8);
    p[3] = (unsigned char)x;
}

/* Highest byte first: the lengths in GHASH's last block (SP 800-38D 7.1,
 * step 5). */
static void
put_be64(unsigned char *p, uint64_t x)
{
    put_be32(p, (uint32_t)(x >> 32));
    put_be32(p + 4, (uint32_t)x);
}

/* Lowest byte first, from any address: the words that SipHash reads. */
static uint64_t
get_le64(const unsigned char *p)
{
    uint64_t x = 0;
    int i;

    for (i = 7; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

/* ======================================================================= *
 * 2. TEXT ENCODINGS    hex, base64, percent-encoding, UTF-8   (hex_, b64_,*
 *                                                       percent_, utf8_)  *
 *   In       key files, credentials, URLs                     UNTRUSTED   *
 *   Secret   hex and base64 carry keys: no branch and no index depends on *
 *            a digit's value, only on whether the whole is valid          *
 *   Needs    1                                                            *
 *   Spec     RFC 4648 sections 4, 8; RFC 3986 section 2.1; RFC 3629       *
 *   Tests    vectors/hex.txt vectors/base64.txt vectors/percent.txt       *
 *            vectors/utf8.txt tests/ct.c                                  *
 *   Fuzz     fuzz/fuzz_hex.c fuzz/fuzz_base64.c fuzz/fuzz_percent.c       *
 *            fuzz/fuzz_utf8.c                                             *
 * ======================================================================= */

/* Hex and base64 carry keys, so a digit's value is worked out with
 * masks (ct_within), not looked up, and a decoder ORs the faults of all
 * digits together before it branches once. Only a text that is known to
 * be wrong is searched for the place: then there is no key in it to
 * leak. Length and padding are public.
 *
 * Base64 is strict, so that one value has one text: no blanks, no line
 * ends, no missing padding, unused bits zero. All of it is checked
 * before the first byte is written, so that decoding in place is safe.
 * UTF-8 is a machine of one byte a step (RFC 3629), because the CSV
 * parser sees characters split between pieces. */

/* 0..15, or 256 for a byte that is no hex digit: so that ORing the values of
 * all digits together keeps the mark of a bad one. Either case is a digit.
 *
 * UNTRUSTED: byte.
 * Secret: byte may be of a key.
 * Fuzz: fuzz/fuzz_hex.c. Source: RFC 4648 section 8.
 * Tests: tests/unit.c (test_alphabets: all 256 bytes), tests/ct.c. */
static uint32_t
hex_value(unsigned char byte)
{
    uint32_t c = byte, digit = ct_within(c, '0', '9');
    uint32_t upper = ct_within(c, 'A', 'F'), lower = ct_within(c, 'a', 'f');

    return (digit & (c - '0')) | (upper & (c - 'A' + 10)) |
           (lower & (c - 'a' + 10)) | (~(digit | upper | lower) & 256);
}

/* v is 0 to 15, perhaps of a key: arithmetic, because a table's index would
 * show in the cache. skip is the gap in ASCII between '9' and the letters. */
static char
hex_digit(uint32_t v, int upper)
{
    uint32_t letter = ct_within(v, 10, 15);
    uint32_t skip = upper ? 'A' - '0' - 10 : 'a' - '0' - 10;

    return (char)(v + '0' + (letter & skip));
}

/* Each byte gives its high digit first. No allocation and no NUL, so that
 * the digits of a key are nowhere but in the caller's (secret) memory.
 * Tests: vectors/hex.txt, tests/ct.c. */
void
ef_hex_encode(char *out, const void *secret, size_t n, int upper)
{
    const unsigned char *p = secret;
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = hex_digit(p[i] >> 4, upper);
        out[2 * i + 1] = hex_digit(p[i] & 15, upper);
    }
}

/* Where the first byte stands that is no hex digit. Only for text already
 * known to be invalid, or not secret: time depends on the contents.
 * UNTRUSTED: in.
 * Fuzz: fuzz/fuzz_hex.c. */
static size_t
hex_span(ef_slice in)
{
    size_t i = 0;

    while (i < in.n && hex_value(in.p[i]) < 16)
        i++;
    return i;
}

/* All digits are worked out before bad is looked at: the one branch says
 * whether the text is valid, nothing of what is in it.
 *
 * Secret: out, wiped on failure; bad and the loop's values are one digit.
 * Fails: EF_E_FORMAT for "0", "0g", or 63 digits where a key wants 64.
 * Fuzz: fuzz/fuzz_hex.c. Tests: vectors/hex.txt, tests/ct.c. */
ef_status
ef_hex_decode(unsigned char *out, size_t out_n, ef_slice in, ef_err *err)
{
    uint32_t bad = 0;
    size_t i;

    /* not 2 * out_n, which could wrap around */
    if (in.n % 2 != 0 || in.n / 2 != out_n) {
        ef_wipe(out, out_n);
        return reject(err, EF_E_FORMAT, in.n, "wrong number of hex digits");
    }
    for (i = 0; i < out_n; i++) {
        uint32_t hi = hex_value(in.p[2 * i]), lo = hex_value(in.p[2 * i + 1]);

        bad |= hi | lo;
        out[i] = (unsigned char)(hi << 4 | (lo & 15));
    }
    bad &= 256;
    EF_PUBLIC(bad);
    if (bad == 0)
        return EF_OK;
    ef_wipe(out, out_n);
    /* no key is in this text: it may be searched */
    return reject(err, EF_E_FORMAT, hex_span(in), "not a hex digit");
}

/* The character for 0..63, by masks: v may be six bits of a key. Exactly one
 * of the five ranges gives all ones. Source: RFC 4648 table 1. */
static char
b64_char(uint32_t v)
{
    uint32_t upper = ct_within(v, 0, 25), lower = ct_within(v, 26, 51);
    uint32_t digit = ct_within(v, 52, 61);

    return (char)((upper & (v + 'A')) | (lower & (v - 26 + 'a')) |
                  (digit & (v - 52 + '0')) | (ct_within(v, 62, 62) & '+') |
                  (ct_within(v, 63, 63) & '/'));
}

/* 0..63, or 256 for a byte outside the alphabet; '=' is outside. The
 * URL-safe alphabet ('-' and '_') is not accepted: one value has one text.
 *
 * UNTRUSTED: byte.
 * Secret: byte may be of a key.
 * Fuzz: fuzz/fuzz_base64.c. Source: RFC 4648 table 1.
 * Tests: tests/unit.c (test_alphabets: all 256 bytes), tests/ct.c. */
static uint32_t
b64_value(unsigned char byte)
{
    uint32_t c = byte, upper = ct_within(c, 'A', 'Z');
    uint32_t lower = ct_within(c, 'a', 'z'), digit = ct_within(c, '0', '9');
    uint32_t plus = ct_within(c, '+', '+'), slash = ct_within(c, '/', '/');

    return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
           (digit & (c - '0' + 52)) | (plus & 62) | (slash & 63) |
           (~(upper | lower | digit | plus | slash) & 256);
}

/* Three bytes make four characters; one or two bytes at the end are filled
 * up with zero bits and '='. The branches are on the size alone.
 *
 *   "f" -> "Zg=="    "fo" -> "Zm8="    "foo" -> "Zm9v"
 *
 * Source: RFC 4648 sections 4, 10. Tests: vectors/base64.txt, tests/ct.c. */
void
ef_base64_encode(char *out, const void *secret, size_t n)
{
    const unsigned char *p = secret;
    size_t i, o = 0;

    for (i = 0; i < n; i += 3, o += 4) {
        uint32_t b1 = i + 1 < n ? p[i + 1] : 0, b2 = i + 2 < n ? p[i + 2] : 0;
        uint32_t v = (uint32_t)p[i] << 16 | b1 << 8 | b2;

        out[o] = b64_char(v >> 18);
        out[o + 1] = b64_char(v >> 12 & 63);
        out[o + 2] = i + 1 < n ? b64_char(v >> 6 & 63) : '=';
        out[o + 3] = i + 2 < n ? b64_char(v & 63) : '=';
    }
}

/* The text is wrong: find the first byte that can't be right. A '=' may
 * stand third or fourth in a group, and only '=' after it, to the end.
 *
 * UNTRUSTED: in. Pre: b64_is_valid(in) is 0, and out has not been written.
 * Fails: always EF_E_FORMAT:
 *   "Zm9*" at 3   "Z===" at 1   not a base64 character
 *   "Zg==Zg==" at 4, "Zg=g" at 3   goes on after its padding
 *   "Zm9vZ" at 5   ends in the middle of a group
 *   "Zh==" at 1    unused bits are not zero (RFC 4648 section 3.5)
 * Fuzz: fuzz/fuzz_base64.c. Tests: vectors/base64.txt. */
static ef_status
b64_reject(ef_slice in, ef_err *err)
{
    size_t i = 0, end;

    while (i < in.n && b64_value(in.p[i]) < 64)
        i++;
    if (i < in.n && (in.p[i] != '=' || i % 4 < 2))
        return reject(err, EF_E_FORMAT, i, "not a base64 character");
    end = (i + 3) / 4 * 4; /* of the group that the padding completes */
    while (i < in.n && i < end && in.p[i] == '=')
        i++;
    if (i < in.n)
        return reject(err, EF_E_FORMAT, i, "base64 goes on after its padding");
    if (in.n % 4 != 0)
        return reject(err, EF_E_FORMAT, in.n,
                      "base64 ends in the middle of a group of four");
    /* All else is right, so it is the last data character, and there is one: a
     * text without any is empty, which is valid. */
    while (in.p[i - 1] == '=')
        i--;
    return reject(err, EF_E_FORMAT, i - 1, "base64's unused bits are not zero");
}

/* Characters of padding that in ends with: 0 to 2. A third '=' is left to be
 * refused as data.
 * UNTRUSTED: in.
 * Secret: in, but for whether a character is '=': that is the size.
 * Fuzz: fuzz/fuzz_base64.c. */
static size_t
b64_padding(ef_slice in)
{
    size_t pad = 0;
    uint32_t is_pad;

    for (; pad < 2 && pad < in.n; pad++) {
        is_pad = ct_within(in.p[in.n - 1 - pad], '=', '=');
        EF_PUBLIC(is_pad);
        if (!is_pad)
            break;
    }
    return pad;
}

/* 1 or 0; time depends on the size and the padding alone.
 * UNTRUSTED: in.
 * Secret: in may be a key or a query; one bit comes out.
 * Fuzz: fuzz/fuzz_base64.c. Source: RFC 4648 sections 3.3, 3.5.
 * Tests: vectors/base64.txt, tests/ct.c. */
static int
b64_is_valid(ef_slice in)
{
    size_t pad = b64_padding(in), data = in.n - pad, i;
    /* values are below 64; each fault sets a bit above those */
    uint32_t bad = in.n % 4 != 0 ? 256 : 0;

    for (i = 0; i < data; i++)
        bad |= b64_value(in.p[i]);
    if (pad > 0 && data > 0) /* 2 or 4 bits of the last one are left over */
        bad |= (b64_value(in.p[data - 1]) & (pad == 1 ? 3u : 15u)) << 8;
    bad &= ~UINT32_C(63);
    EF_PUBLIC(bad);
    return bad == 0;
}

/* Valid texts only get to the loop, so it needs no checks of its own. acc
 * keeps more than the last four characters; only its low bits are used.
 *
 * UNTRUSTED: in.
 * Secret: in and out; out is wiped on failure.
 * Post: o never passes i, so that decoding in place reads what it has not
 * written over.
 * Fuzz: fuzz/fuzz_base64.c. Tests: vectors/base64.txt,
 * vectors/credentials.txt, vectors/result.txt, tests/ct.c. */
ef_status
ef_base64_decode(unsigned char *out, size_t *out_n, ef_slice in, ef_err *err)
{
    size_t data = in.n - b64_padding(in), i, o = 0;
    uint32_t acc = 0;
    ef_status rc;

    *out_n = 0;
    if (!b64_is_valid(in)) { /* before anything is written: out may be in */
        /* it reads in, which may be out: before the wipe */
        rc = b64_reject(in, err);
        ef_wipe(out, in.n / 4 * 3);
        return rc;
    }
    for (i = 0; i < data; i++) {
        acc = acc << 6 | b64_value(in.p[i]);
        if (i % 4 != 0)
            out[o++] = (unsigned char)(acc >> (6 - 2 * (i % 4)));
    }
    *out_n = o;
    return EF_OK;
}

/* RFC 3986 section 2.3's unreserved characters: AWS signs these as they are. */
static int
percent_is_plain(unsigned char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/*   "a b/c" -> "a%20b%2Fc", or "a%20b/c" with keep_slash
 *
 * in is bytes, not characters: UTF-8 gives one %XX for each byte. A failure
 * shows in out->failed alone.
 * UNTRUSTED: in.
 * Fuzz: fuzz/fuzz_percent.c. Tests: vectors/percent.txt. */
void
ef_percent_encode(ef_buf *out, ef_slice in, int keep_slash)
{
    char escaped[3] = {'%', 0, 0};
    size_t i;

    for (i = 0; i < in.n; i++) {
        if (percent_is_plain(in.p[i]) || (keep_slash && in.p[i] == '/')) {
            ef_buf_byte(out, in.p[i]);
            continue;
        }
        ef_hex_encode(escaped + 1, in.p + i, 1, 1);
        ef_buf_add(out, escaped, 3);
    }
}

/* Decoded once: "%2541" gives "%41". What comes out may hold a '/' or
 * control characters, which callers check after decoding, not before.
 *
 * UNTRUSTED: in.
 * Fails: EF_E_FORMAT for "%4", "%zz" and, unless allow_nul, "%00", which
 * would cut a path short; EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_percent.c, fuzz/fuzz_location.c.
 * Tests: vectors/percent.txt. */
ef_status
ef_percent_decode(ef_buf *out, ef_slice in, int allow_nul, ef_err *err)
{
    unsigned char byte[1];
    size_t i;

    for (i = 0; i < in.n; i++) {
        /* also '+': that it means a blank is HTML's rule, not the URL's */
        if (in.p[i] != '%') {
            ef_buf_byte(out, in.p[i]);
            continue;
        }
        if (in.n - i < 3 ||
            ef_hex_decode(byte, 1, slice(in.p + i + 1, 2), NULL) != EF_OK)
            return reject(err, EF_E_FORMAT, i,
                          "a % must be followed by two hex digits");
        if (byte[0] == 0 && !allow_nul)
            return reject(err, EF_E_FORMAT, i, "%00 is not allowed");
        ef_buf_byte(out, byte[0]);
        i += 2;
    }
    return buf_status(out, err);
}

/* What the next byte of a character may be. need 0: between characters. Four
 * bytes, so that a CSV parser keeps it in one word between pieces. */
struct utf8_state {
    unsigned char need, lo, hi, seen; /* to come; range of the next */
};

/* Take one byte; 0 when it can't stand here. RFC 3629 section 4: only the
 * second byte's range depends on the first, all later ones are 80 to BF.
 * After a 0 the state is of no use.
 * UNTRUSTED: c.
 * Fuzz: fuzz/fuzz_utf8.c, fuzz/fuzz_csv.c.
 * Tests: vectors/utf8.txt, tests/unit.c (test_utf8). */
static int
utf8_step(struct utf8_state *u, unsigned char c)
{
    if (u->need > 0) {
        if (c < u->lo || c > u->hi)
            return 0;
        *u = (struct utf8_state){(unsigned char)(u->need - 1), 0x80, 0xbf,
                                 (unsigned char)(u->seen + 1)};
        return 1;
    }
    *u = (struct utf8_state){0, 0x80, 0xbf, 1};
    if (c < 0x80)
        return 1;
    /* 80 to BF only follow; C0 and C1 begin what is shorter otherwise */
    if (c < 0xc2 || c > 0xf4)
        return 0;
    u->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c == 0xe0)
        u->lo = 0xa0; /* shorter forms exist */
    if (c == 0xed)
        u->hi = 0x9f; /* surrogates */
    if (c == 0xf0)
        u->lo = 0x90;
    if (c == 0xf4)
        u->hi = 0x8f; /* past U+10FFFF */
    return 1;
}

/* Bytes of the character at in.p, or 0 when it is malformed or cut short. At
 * most four bytes are read, none past in.
 * UNTRUSTED: in.
 * Fuzz: fuzz/fuzz_utf8.c, fuzz/fuzz_json.c. */
static size_t
utf8_len(ef_slice in)
{
    struct utf8_state u = {0, 0, 0, 0};
    size_t i;

    for (i = 0; i < in.n; i++) {
        if (!utf8_step(&u, in.p[i]))
            return 0;
        if (u.need == 0)
            return i + 1;
    }
    return 0;
}

/* The offset in an error is that of the character's first byte, not of the
 * byte that could not follow. U+FEFF and non-characters are let through:
 * they are well-formed.
 * Fuzz: fuzz/fuzz_utf8.c, fuzz/fuzz_name.c.
 * Tests: vectors/utf8.txt. */
ef_status
ef_utf8_check(ef_slice in, ef_err *err)
{
    size_t i = 0, n;

    while (i < in.n) {
        n = in.p[i] < 0x80 ? 1 : utf8_len(slice_from(in, i));
        if (n == 0)
            return reject(err, EF_E_FORMAT, i, "not UTF-8");
        i += n;
    }
    return EF_OK;
}

/* The code point at in.p; *n its bytes. Pre: in begins with a well-formed
 * character (utf8_len says so, or the whole text was checked): the first
 * byte alone decides how many are read. */
static uint32_t
utf8_get(ef_slice in, size_t *n)
{
    unsigned char c = in.p[0];
    uint32_t cp;
    size_t i;

    *n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (*n == 1)
        return c;
    cp = c & (0x7fu >> *n);
    for (i = 1; i < *n; i++)
        cp = cp << 6 | (in.p[i] & 0x3fu);
    return cp;
}

/* Append cp as UTF-8. cp is a scalar value: what utf8_get and, on checked
 * text, json_next give. No surrogate gets here, nor anything past U+10FFFF:
 * both would make ill-formed text. Tests: tests/unit.c (test_utf8). */
static void
utf8_put(ef_buf *out, uint32_t cp)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    unsigned n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

    ef_buf_byte(out, (unsigned char)(lead[n] | cp >> (6 * (n - 1))));
    while (--n > 0)
        ef_buf_byte(out, (unsigned char)(0x80 | (cp >> (6 * (n - 1)) & 0x3f)));
}

/* Characters (code points) in well-formed text: all bytes but those that
 * only follow. pandas measures width so, whatever a terminal makes of it. */
static size_t
utf8_count(ef_slice in)
{
    size_t i, n = 0;

    for (i = 0; i < in.n; i++)
        n += (in.p[i] & 0xc0) != 0x80;
    return n;
}

/* ======================================================================= *
 * 3. JSON    check, index, print; the canonical form               (json_)*
 *                                                                         *
 *   In       credentials, results, any file the user names    UNTRUSTED   *
 *   Out      offsets into the text; every one lies inside it              *
 *   Secret   the text may hold keys: errors carry offsets, never content  *
 *   Needs    1, 2                                                         *
 *   Spec     RFC 8259 strict; RFC 7493 2.1 to 2.3; RFC 8785; RFC 6901     *
 *   Tests    vectors/json_accept.txt vectors/json_reject.txt              *
 *            vectors/json_pointer.txt vectors/jcs.txt                     *
 *            vectors/numbers.txt vectors/limits.txt                       *
 *   Fuzz     fuzz/fuzz_json.c fuzz/fuzz_jcs.c fuzz/fuzz_pointer.c         *
 * ======================================================================= */

/* The parser keeps no tree. Each value is a node in one array, in
 * document order, and `end` is the index just past all that is inside
 * it: the first child of i is i + 1, the next sibling of k is
 * nodes[k].end. Offsets point into the text, so nothing is copied or
 * unescaped until somebody asks. The open containers are a stack of
 * EF_MAX_JSON_DEPTH indexes, so no document can drive recursion.
 * Printing does recurse, over what was checked, so at most that deep.
 *
 * Duplicate names (RFC 7493 2.3) are found when an object closes: its
 * members' indexes are heap-sorted by name, escapes resolved, and equal
 * neighbours are refused. Heapsort, because its time is n log n
 * whatever an attacker writes. The order is UTF-16's (RFC 8785 3.2.3),
 * so that the canonical form sorts with the same function. A member is
 * looked up by walking the siblings: there is no hash of names to
 * attack. */

/* All that is known between two bytes of the text. It lives in ef_json_parse
 * and holds no bytes of the text, only places in it. */
struct json_reader {
    ef_json *doc;
    ef_slice in;
    size_t at;                        /* the next byte to look at */
    uint32_t open[EF_MAX_JSON_DEPTH]; /* nodes of the open containers */
    unsigned depth;                   /* entries of open in use */
    uint32_t name_at, name_n;         /* of the member whose value comes next */
    ef_err *err;
};

/* The byte at r->at, or -1 at the end of the text. No rule accepts -1, so
 * none needs a check of its own for the end.
 * UNTRUSTED: the byte.
 * Fuzz: fuzz/fuzz_json.c. */
static int
json_peek(const struct json_reader *r)
{
    return r->at < r->in.n ? r->in.p[r->at] : -1;
}

/* RFC 8259 section 2: these four and no other white space. */
static void
json_space(struct json_reader *r)
{
    int c = json_peek(r);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        r->at++;
        c = json_peek(r);
    }
}

/* A byte that the grammar does not allow at `at`. At the text's end the
 * message is always the same: the text is not complete. So a cut document
 * (`{"a":[1,`) is told from a wrong one (`{"a":[1,]`).
 * Tests: vectors/json_reject.txt (every message, with its offset). */
static ef_status
json_bad(struct json_reader *r, size_t at, const char *msg)
{
    if (at >= r->in.n)
        return reject(r->err, EF_E_FORMAT, r->in.n,
                      "JSON ends before it is complete");
    return reject(r->err, EF_E_FORMAT, at, msg);
}

/* Four hex digits at `*at`, as a number up to 0xffff; -1 when one is not,
 * *at then tells which. On success *at is past them. Either case is a digit.
 *
 * UNTRUSTED: in.
 * Fuzz: fuzz/fuzz_json.c. */
static int32_t
json_hex4(ef_slice in, size_t *at)
{
    int32_t v = 0;
    int i;

    for (i = 0; i < 4; i++, ++*at) {
        /* the text may end here; by value, without a table, as for keys */
        uint32_t d = *at < in.n ? hex_value(in.p[*at]) : 256;

        if (d > 15)
            return -1;
        v = v << 4 | (int32_t)d;
    }
    return v;
}

/* The escape at r->at, which is on the backslash; r->at gets past it, for a
 * surrogate pair past both halves.
 *
 * UNTRUSTED: the text. Post: json_next can decode it without a check.
 * Fails: EF_E_FORMAT
 *   "\x"            at the x: the eight letters of RFC 8259 section 7 only
 *   "\u12g4"        at the g
 *   "\udc00"        at the backslash: a low half comes first
 *   "\ud800\u0041"  at the first backslash: no low half follows
 * Fuzz: fuzz/fuzz_json.c. Source: RFC 8259 sections 7, 8.2; RFC 7493 2.1.
 * Tests: vectors/json_reject.txt. */
static ef_status
json_escape_scan(struct json_reader *r)
{
    size_t start = r->at++, at;
    int c = json_peek(r);
    int32_t high, low;

    /* not 0: strchr would find the NUL at the set's end */
    if (c > 0 && strchr("\"\\/bfnrt", c) != NULL) {
        r->at++;
        return EF_OK;
    }
    if (c != 'u')
        return json_bad(r, r->at, "unknown escape in a JSON string");
    at = r->at + 1;
    if ((high = json_hex4(r->in, &at)) < 0)
        return json_bad(r, at, "\\u needs four hex digits");
    r->at = at;
    /* not half of a pair: complete */
    if (high < 0xd800 || high > 0xdfff)
        return EF_OK;
    /* cut where the other half may still come */
    if (high < 0xdc00 &&
        (at == r->in.n || slice_is(slice_from(r->in, at), "\\")))
        return json_bad(r, r->in.n, "half a surrogate pair in a JSON string");
    /* only a high half may begin a pair */
    if (high < 0xdc00 && slice_has_prefix(slice_from(r->in, at), "\\u")) {
        at += 2;
        if ((low = json_hex4(r->in, &at)) < 0)
            return json_bad(r, at, "\\u needs four hex digits");
        r->at = at;
        if (low >= 0xdc00 && low <= 0xdfff)
            return EF_OK;
    }
    return reject(r->err, EF_E_FORMAT, start,
                  "half a surrogate pair in a JSON string");
}

/* 1 for ASCII that stands for itself inside a string: no quote, no backslash,
 * no control character. DEL is allowed by RFC 8259.
 *
 * UNTRUSTED: byte.
 * Secret: byte may be a digit of a key in credentials, or of a result's
 * base64: no branch, no table, and only this answer shows.
 * Fuzz: fuzz/fuzz_json.c. Tests: tests/ct.c. */
static int
json_is_plain(unsigned char byte)
{
    uint32_t plain = ct_within(byte, 0x20, 0x7f) & ~ct_within(byte, '"', '"') &
                     ~ct_within(byte, '\\', '\\');

    EF_PUBLIC(plain);
    return plain != 0;
}

/* A string, from its opening quote to past its closing one: names, too.
 *
 * UNTRUSTED: the text. Pre: r->at is on the quote.
 * Post: *has_escape says whether ef_json_string has to decode. The inside is
 * well-formed UTF-8 with valid escapes, so that json_next and utf8_get can
 * read it without checks.
 * Fails: EF_E_FORMAT for a raw control character (a tab, too), a wrong
 * escape, bytes that are no UTF-8, no closing quote.
 * Fuzz: fuzz/fuzz_json.c. Source: RFC 8259 section 7.
 * Tests: vectors/json_accept.txt, vectors/json_reject.txt. */
static ef_status
json_string_scan(struct json_reader *r, uint8_t *has_escape)
{
    size_t n;
    int c;

    *has_escape = 0;
    r->at++;
    for (;;) {
        /* what a key is written in never gets past this loop */
        while (r->at < r->in.n && json_is_plain(r->in.p[r->at]))
            r->at++;
        c = json_peek(r);
        if (c == '"') {
            r->at++;
            return EF_OK;
        }
        /* also -1, the text's end */
        if (c < 0x20)
            return json_bad(r, r->at, "control character in a JSON string");
        if (c == '\\') {
            ef_status rc = json_escape_scan(r);

            *has_escape = 1;
            if (rc != EF_OK)
                return rc;
            continue;
        }
        n = utf8_len(slice_from(r->in, r->at));
        /* a character that is cut by the text's end is said to be no UTF-8 */
        if (n == 0)
            return json_bad(r, r->at, "not UTF-8");
        r->at += n;
    }
}

/* Skip digits; returns how many. Where none is not allowed, the caller
 * says so. */
static size_t
json_digits(struct json_reader *r)
{
    size_t start = r->at;

    while (r->at < r->in.n && is_digit(r->in.p[r->at]))
        r->at++;
    return r->at - start;
}

/* The value of a number's text, which has been checked. The program never
 * calls setlocale, so strtod's decimal point is a point; ef_json_parse has
 * asked, for programs that use the library.
 * Pre: 1 to EF_MAX_JSON_NUMBER_BYTES bytes that json_number_scan accepts. */
static double
json_double(ef_slice text)
{
    char copy[EF_MAX_JSON_NUMBER_BYTES + 1];

    memcpy(copy, text.p, text.n);
    /* strtod needs an end: the text is a view without one */
    copy[text.n] = '\0';
    return strtod(copy, NULL);
}

/* RFC 8259 section 6. EF_E_LIMIT past EF_MAX_JSON_NUMBER_BYTES, before
 * strtod sees a byte; EF_E_FORMAT where the value overflows binary64 (RFC
 * 7493 2.2). Underflow is allowed. A number too precise for a double is,
 * too: its text is kept, only the canonical form rounds it.
 *
 * UNTRUSTED: the text. Post: r->at is on the first byte that is not of it.
 * Fails: "-", "1.", "1e", "-.5" at the byte where a digit should stand;
 * "1e400" at its first byte; "+1" and "NaN" do not get here.
 * Fuzz: fuzz/fuzz_json.c.
 * Tests: vectors/json_accept.txt, vectors/json_reject.txt,
 * vectors/limits.txt. */
static ef_status
json_number_scan(struct json_reader *r)
{
    size_t start = r->at;
    int c;

    if (json_peek(r) == '-')
        r->at++;
    if (json_peek(r) == '0')
        r->at++; /* and no digit after it: the caller sees what follows */
    else if (json_digits(r) == 0)
        return json_bad(r, r->at, "a digit is missing in a JSON number");
    if (json_peek(r) == '.') {
        r->at++;
        if (json_digits(r) == 0)
            return json_bad(r, r->at, "a digit is missing in a JSON number");
    }
    c = json_peek(r);
    if (c == 'e' || c == 'E') {
        r->at++;
        c = json_peek(r);
        if (c == '+' || c == '-')
            r->at++;
        if (json_digits(r) == 0)
            return json_bad(r, r->at, "a digit is missing in a JSON number");
    }
    /* json_double's copy has this size */
    if (r->at - start > EF_MAX_JSON_NUMBER_BYTES)
        return reject(r->err, EF_E_LIMIT, start,
                      "a JSON number longer than EF_MAX_JSON_NUMBER_BYTES "
                      "(1024)");
    if (isinf(json_double(slice(r->in.p + start, r->at - start))))
        return reject(r->err, EF_E_FORMAT, start,
                      "JSON number too large for a double");
    return EF_OK;
}

/* word is true, false or null; the error's offset is the first byte that
 * differs from it: "nul]" is wrong at its ']'. What follows ("nullx") is the
 * caller's to refuse.
 * UNTRUSTED: the text.
 * Fuzz: fuzz/fuzz_json.c. */
static ef_status
json_literal_scan(struct json_reader *r, const char *word)
{
    for (; *word != '\0'; word++, r->at++)
        if (json_peek(r) != *word)
            return json_bad(r, r->at, "not a JSON value");
    return EF_OK;
}

/* A new node whose text starts at r->at. It takes the name that json_name
 * left, so that an element of an array after it has none.
 *
 * Post: n, end and has_escape are 0 until the value is complete. Pointers
 * into doc->nodes are void: it may have moved.
 * Fails: EF_E_MEMORY. Limits: EF_MAX_JSON_NODES, asked before the work.
 * Tests: vectors/limits.txt. */
static ef_status
json_node_add(struct json_reader *r, ef_json_type type)
{
    ef_json *doc = r->doc;

    if (doc->count == EF_MAX_JSON_NODES)
        return reject(r->err, EF_E_LIMIT, r->at,
                      "more JSON values than EF_MAX_JSON_NODES (131072)");
    if (doc->count == doc->cap) {
        /* 16 doubled meets EF_MAX_JSON_NODES, 2^17, exactly: 3 MiB */
        uint32_t cap = doc->cap != 0 ? doc->cap * 2 : 16;
        ef_json_node *p = realloc(doc->nodes, cap * sizeof *p);

        /* doc->nodes is still valid, and ef_json_free's */
        if (p == NULL)
            return reject_memory(r->err);
        doc->nodes = p;
        doc->cap = cap;
    }
    /* offsets fit: EF_MAX_JSON_BYTES is far below 2^32 */
    doc->nodes[doc->count++] = (ef_json_node){.at = (uint32_t)r->at,
                                              .name_at = r->name_at,
                                              .name_n = r->name_n,
                                              .type = (uint8_t)type};
    r->name_n = 0;
    return EF_OK;
}

/* A value that has no values in it; c is its first byte, or -1.
 *
 * UNTRUSTED: the text. Post: its node is complete, r->at past its text.
 * Fails: as the scan of its type; EF_E_FORMAT where no value begins with c.
 * Fuzz: fuzz/fuzz_json.c. Source: RFC 8259 section 3. */
static ef_status
json_scalar(struct json_reader *r, int c)
{
    ef_json_type type = c == '"'   ? EF_JSON_STRING
                        : c == 't' ? EF_JSON_TRUE
                        : c == 'f' ? EF_JSON_FALSE
                        : c == 'n' ? EF_JSON_NULL
                                   : EF_JSON_NUMBER;
    ef_status rc;
    ef_json_node *node;
    uint8_t has_escape = 0;

    /* whatever is left over came here as a number; so does the end */
    if (type == EF_JSON_NUMBER && c != '-' && !(c >= '0' && c <= '9'))
        return json_bad(r, r->at, "not a JSON value");
    rc = json_node_add(r, type);
    if (rc != EF_OK)
        return rc;
    if (type == EF_JSON_STRING)
        rc = json_string_scan(r, &has_escape);
    else if (type == EF_JSON_NUMBER)
        rc = json_number_scan(r);
    else
        rc = json_literal_scan(r, c == 't'   ? "true"
                                  : c == 'f' ? "false"
                                             : "null");
    if (rc != EF_OK)
        return rc;
    node = &r->doc->nodes[r->doc->count - 1];
    node->n = (uint32_t)r->at - node->at;
    node->end = r->doc->count;
    node->has_escape = has_escape;
    return EF_OK;
}

/* A member's name and colon, into r->name_*, which the next node takes.
 *
 * UNTRUSTED: the text.
 * Fails: EF_E_FORMAT for `{a:1}`, `{,}`, `{"a" 1}`, and for `{"a":1,}`,
 * whose last comma promises a name.
 * Fuzz: fuzz/fuzz_json.c. Source: RFC 8259 section 4. */
static ef_status
json_name(struct json_reader *r)
{
    size_t start = r->at;
    uint8_t has_escape;
    ef_status rc;

    if (json_peek(r) != '"')
        return json_bad(r, r->at, "a member name in quotes is missing");
    rc = json_string_scan(r, &has_escape);
    if (rc != EF_OK)
        return rc;
    /* quotes included; a name's text is at least "" */
    r->name_at = (uint32_t)start;
    r->name_n = (uint32_t)(r->at - start);
    json_space(r);
    if (json_peek(r) != ':')
        return json_bad(r, r->at, "a colon is missing after a member name");
    r->at++;
    return EF_OK;
}

/* The next code point of a string's inside, escapes resolved; s moves on. A
 * surrogate pair is one code point: "\ud83d\ude00" gives 0x1f600.
 * Pre: s is not empty, and json_string_scan has accepted it: nothing is
 * checked here. */
static uint32_t
json_next(ef_slice *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t cp, low;
    size_t n;

    if (s->p[0] != '\\') {
        cp = utf8_get(*s, &n);
        *s = slice_from(*s, n);
        return cp;
    }
    /* one of the eight letters: strchr finds it */
    if (s->p[1] != 'u') {
        cp = (unsigned char)to[strchr(from, s->p[1]) - from];
        *s = slice_from(*s, 2);
        return cp;
    }
    n = 2;
    cp = (uint32_t)json_hex4(*s, &n);
    *s = slice_from(*s, n);
    if (cp < 0xd800 || cp > 0xdfff)
        return cp;
    n = 2;
    low = (uint32_t)json_hex4(*s, &n);
    *s = slice_from(*s, n);
    /* RFC 8259 section 7, Unicode's formula: at most 0x10ffff */
    return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
}

/* Order of code points as UTF-16 code units: those above U+FFFF are written
 * with surrogates (D800 to DFFF), so they come before U+E000. E000 to FFFF
 * are lifted over all others instead. */
static uint32_t
json_utf16_rank(uint32_t cp)
{
    return cp >= 0xe000 && cp < 0x10000 ? cp + 0x200000 : cp;
}

/* Names in RFC 8785 3.2.3 order; both slices are the inside of the quotes. 0
 * where they are the same name, however it is spelt: "a" and "\u0061".
 *
 * UNTRUSTED: a and b. Time is at most that of the shorter name.
 * Fuzz: fuzz/fuzz_json.c, fuzz/fuzz_jcs.c.
 * Tests: vectors/jcs.txt, vectors/json_reject.txt. */
static int
json_name_cmp(ef_slice a, ef_slice b)
{
    size_t same = 0; /* plain characters in common need no decoding */

    while (same < a.n && same < b.n && a.p[same] == b.p[same] &&
           a.p[same] < 0x80 && a.p[same] != '\\')
        same++;
    a = slice_from(a, same);
    b = slice_from(b, same);
    while (a.n > 0 && b.n > 0) {
        uint32_t x = json_utf16_rank(json_next(&a));
        uint32_t y = json_utf16_rank(json_next(&b));

        if (x != y)
            return x < y ? -1 : 1;
    }
    /* one is the beginning of the other: the shorter comes first */
    return (a.n > 0) - (b.n > 0);
}

/* The inside of the quotes, escapes not resolved. i is a member of an
 * object: only those have names, and a name has two quotes at least. */
static ef_slice
json_node_name(const ef_json *doc, uint32_t i)
{
    const ef_json_node *node = &doc->nodes[i];

    return slice(doc->text.p + node->name_at + 1, node->name_n - 2);
}

/* Order by name, then by place in the document, so that no two members are
 * equal and json_unique can tell the second from the first. That also makes
 * heapsort, which is not stable, give one order only. */
static int
json_member_cmp(const ef_json *doc, uint32_t a, uint32_t b)
{
    int order = json_name_cmp(json_node_name(doc, a), json_node_name(doc, b));

    /* nodes are in document order, so the index tells the place */
    return order != 0 ? order : (a > b) - (a < b);
}

/* Heap order below root in v[0..n): no value comes before one of its
 * children, the largest is at v[0]. Pre: both subtrees of root are heaps. */
static void
json_sift(const ef_json *doc, uint32_t *v, size_t root, size_t n)
{
    size_t child;
    uint32_t swap;

    /* n is at most EF_MAX_JSON_NODES: 2 * root + 2 cannot overflow */
    while ((child = 2 * root + 1) < n) {
        if (child + 1 < n && json_member_cmp(doc, v[child], v[child + 1]) < 0)
            child++;
        if (json_member_cmp(doc, v[root], v[child]) >= 0)
            return;
        swap = v[root];
        v[root] = v[child];
        v[child] = swap;
        root = child;
    }
}

/* Heapsort: n log n whatever the input, and no memory of its own. Quicksort
 * would let an attacker choose names that take n^2.
 * Tests: tests/unit.c (test_json_names), vectors/jcs.txt. */
static void
json_sort(const ef_json *doc, uint32_t *v, size_t n)
{
    size_t i;
    uint32_t swap;

    for (i = n / 2; i-- > 0;)
        json_sift(doc, v, i, n);
    /* the largest of v[0..i] goes to its end */
    for (i = n; i-- > 1;) {
        swap = v[0];
        v[0] = v[i];
        v[i] = swap;
        json_sift(doc, v, 0, i);
    }
}

/* Values directly inside parent: each step jumps over a child and all that
 * is in it. */
static uint32_t
json_child_count(const ef_json *doc, uint32_t parent)
{
    uint32_t i, n = 0;

    for (i = parent + 1; i < doc->nodes[parent].end; i = doc->nodes[i].end)
        n++;
    return n;
}

/* The values in a container, an object's sorted by name: malloc'd, *n of
 * them. NULL when there is none, or no memory: *n tells which. The caller
 * frees. Only indexes are in it: nothing to wipe. */
static uint32_t *
json_children(const ef_json *doc, uint32_t parent, uint32_t *n)
{
    uint32_t i, k = 0, *v;

    *n = json_child_count(doc, parent);
    /* at most EF_MAX_JSON_NODES of them */
    v = *n > 0 ? calloc(*n, sizeof *v) : NULL;
    if (v == NULL)
        return NULL;
    /* the same walk as json_child_count's: it gives *n of them */
    for (i = parent + 1; i < doc->nodes[parent].end; i = doc->nodes[i].end)
        v[k++] = i;
    if (doc->nodes[parent].type == EF_JSON_OBJECT)
        json_sort(doc, v, *n);
    return v;
}

/* RFC 7493 2.3: no name twice, compared after escapes are resolved. Two
 * readers of one document could otherwise take different values from it.
 *
 * Pre: the object is complete.
 * Fails: EF_E_FORMAT at the name that comes the second time, the first such
 * in the object; EF_E_MEMORY.
 * Tests: vectors/json_reject.txt, tests/data.bats ("json refuses a name used
 * twice, also when it is spelt with escapes"). */
static ef_status
json_unique(struct json_reader *r, uint32_t object)
{
    uint32_t i, n, second = UINT32_MAX, *v;

    /* no memory for the many small objects */
    if (json_child_count(r->doc, object) < 2)
        return EF_OK;
    v = json_children(r->doc, object, &n);
    if (v == NULL)
        return reject_memory(r->err);
    /* of equal names the first in the document is first in v */
    for (i = 1; i < n; i++)
        if (json_name_cmp(json_node_name(r->doc, v[i - 1]),
                          json_node_name(r->doc, v[i])) == 0 &&
            v[i] < second)
            second = v[i];
    free(v);
    /* EF_MAX_JSON_NODES keeps every index below that */
    if (second == UINT32_MAX)
        return EF_OK;
    return reject(r->err, EF_E_FORMAT, r->doc->nodes[second].name_at,
                  "a JSON object has this member name twice");
}

/* r->at is on the closing bracket. An object's names are compared here,
 * once, when all of them are there: each name of a document is sorted once.
 * Post: the node is complete and off the stack, r->at past the bracket. */
static ef_status
json_close(struct json_reader *r)
{
    /* json_open has just added one, or json_after_value saw one */
    uint32_t i = r->open[--r->depth];
    ef_json_node *node = &r->doc->nodes[i];

    r->at++;
    node->n = (uint32_t)r->at - node->at;
    node->end = r->doc->count;
    return node->type == EF_JSON_OBJECT ? json_unique(r, i) : EF_OK;
}

/* Open a container; *empty when it closes at once. Else r->at is where the
 * first value begins, an object's after its name and colon.
 *
 * UNTRUSTED: the text.
 * Fails: EF_E_LIMIT for the 65th open container; as json_name. Limits:
 * EF_MAX_JSON_DEPTH, asked before the stack is written.
 * Fuzz: fuzz/fuzz_json.c. Tests: vectors/limits.txt. */
static ef_status
json_open(struct json_reader *r, int c, int *empty)
{
    ef_status rc;

    if (r->depth == EF_MAX_JSON_DEPTH)
        return reject(r->err, EF_E_LIMIT, r->at,
                      "JSON nested deeper than EF_MAX_JSON_DEPTH (64)");
    rc = json_node_add(r, c == '{' ? EF_JSON_OBJECT : EF_JSON_ARRAY);
    if (rc != EF_OK)
        return rc;
    /* an index, not a pointer: nodes may move */
    r->open[r->depth++] = r->doc->count - 1;
    r->at++;
    json_space(r);
    *empty = json_peek(r) == (c == '{' ? '}' : ']');
    /* by json_close, too, so that there is one way to end a container */
    if (*empty)
        return json_close(r);
    return c == '{' ? json_name(r) : EF_OK;
}

/* After a value: close what ends here, and get to the next value. *done when
 * the outermost value is complete. The loop ends: each turn takes a
 * container off the stack.
 *
 * UNTRUSTED: the text.
 * Fails: EF_E_FORMAT for `[1 2]`, `[1}`, `{"a":1]`, `[1`; as json_name and
 * json_unique.
 * Fuzz: fuzz/fuzz_json.c. */
static ef_status
json_after_value(struct json_reader *r, int *done)
{
    ef_status rc;

    for (*done = 0; r->depth > 0;) {
        int object =
            r->doc->nodes[r->open[r->depth - 1]].type == EF_JSON_OBJECT;
        int c;

        json_space(r);
        c = json_peek(r);
        if (c == ',') {
            r->at++;
            json_space(r);
            /* `[1,]` is refused by json_scalar: no value begins with ']' */
            return object ? json_name(r) : EF_OK;
        }
        if (c != (object ? '}' : ']'))
            return json_bad(r, r->at, "a comma or closing bracket is missing");
        rc = json_close(r);
        if (rc != EF_OK)
            return rc;
    }
    *done = 1;
    return EF_OK;
}

/* UNTRUSTED: the whole text. One turn of the loop is one value: it opens a
 * container and goes on inside it, or reads a scalar and closes all that
 * ends with it. Each turn adds a node, so EF_MAX_JSON_NODES bounds the
 * turns.
 *
 * Fails: EF_E_FORMAT for an empty text, and for anything but white space
 * after the value; as the functions above.
 * Fuzz: fuzz/fuzz_json.c. Source: RFC 8259 section 2. */
static ef_status
json_read(struct json_reader *r)
{
    ef_status rc = EF_OK;
    int c, done = 0, empty = 0;

    /* here a value must come: at the start, after '[', ',' or a colon */
    while (rc == EF_OK && !done) {
        json_space(r);
        c = json_peek(r);
        if (c == '{' || c == '[') {
            rc = json_open(r, c, &empty);
            if (rc != EF_OK || !empty)
                continue; /* the loop ends, or reads the first value */
        } else {
            rc = json_scalar(r, c);
            if (rc != EF_OK)
                continue;
        }
        rc = json_after_value(r, &done);
    }
    if (rc != EF_OK)
        return rc;
    json_space(r);
    if (r->at < r->in.n)
        return reject(r->err, EF_E_FORMAT, r->at, "text after the JSON value");
    return EF_OK;
}

/* What concerns the whole text is asked here; json_read does the rest. After
 * a failure doc holds nodes of what was read so far: ef_json_free only.
 *
 * UNTRUSTED: text.
 * Secret: text may be a credentials document: nothing of it gets into err or
 * the nodes, only offsets.
 * Fails: also EF_E_INTERNAL where the decimal point is not '.': strtod would
 * stop at it and take 1.5 for 1.
 * Fuzz: fuzz/fuzz_json.c, fuzz/fuzz_credentials.c, fuzz/fuzz_result.c.
 * Tests: vectors/limits.txt besides those that encflow.h names. */
ef_status
ef_json_parse(ef_json *doc, ef_slice text, ef_err *err)
{
    struct json_reader r = {.doc = doc, .in = text, .err = err};

    /* before any return: ef_json_free is allowed after all of them */
    *doc = (ef_json){.text = text};
    if (strcmp(localeconv()->decimal_point, ".") != 0)
        return reject(err, EF_E_INTERNAL, EF_NOWHERE,
                      "LC_NUMERIC must be \"C\" to read numbers");
    if (text.n > EF_MAX_JSON_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_JSON_BYTES,
                      "JSON larger than EF_MAX_JSON_BYTES (17825792)");
    /* RFC 8259 8.1 forbids to write one; this has its own message */
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        return reject(err, EF_E_FORMAT, 0,
                      "JSON must not begin with a byte order mark");
    return json_read(&r);
}

/* The text is the caller's, and so is wiping it. Free again does nothing. */
void
ef_json_free(ef_json *doc)
{
    free(doc->nodes); /* offsets only: nothing to wipe */
    *doc = (ef_json){0};
}

/* Is name, unescaped, that of member i, however the document spells it?
 *
 * UNTRUSTED: name may be (a pointer's token); where it is not UTF-8 it
 * equals no member's name.
 * Fuzz: fuzz/fuzz_pointer.c. */
static int
json_name_is(const ef_json *doc, uint32_t i, ef_slice name)
{
    ef_slice s = json_node_name(doc, i);
    size_t n;

    while (s.n > 0 && name.n > 0) {
        /* utf8_get may read only what utf8_len has found well-formed */
        if (utf8_len(name) == 0 || json_next(&s) != utf8_get(name, &n))
            return 0;
        name = slice_from(name, n);
    }
    return s.n == 0 && name.n == 0;
}

/* Walks the members, jumping over what is inside them: time is their number,
 * and an attacker can make it no worse. There is one answer at most: names
 * are unique. Tests: tests/unit.c (test_json_names). */
uint32_t
ef_json_member(const ef_json *doc, uint32_t node, ef_slice name)
{
    uint32_t i;

    if (doc->nodes[node].type != EF_JSON_OBJECT)
        return EF_JSON_NONE;
    for (i = node + 1; i < doc->nodes[node].end; i = doc->nodes[i].end)
        if (json_name_is(doc, i, name))
            return i;
    return EF_JSON_NONE;
}

/* The element of an array that a pointer's token names, or EF_JSON_NONE. RFC
 * 6901 section 4: digits without a leading zero. "-", the place after the
 * last one, names nothing that can be read.
 *
 * UNTRUSTED: token.
 * Fuzz: fuzz/fuzz_pointer.c.
 * Tests: vectors/json_pointer.txt. */
static uint32_t
json_element(const ef_json *doc, uint32_t array, ef_slice token)
{
    uint32_t want = 0, i = array + 1;
    size_t k;

    if (token.n == 0 || token.n > 9 || (token.n > 1 && token.p[0] == '0'))
        return EF_JSON_NONE;
    for (k = 0; k < token.n; k++) {
        if (!is_digit(token.p[k]))
            return EF_JSON_NONE;
        /* nine digits, below 10^9: cannot overflow, and no array is as long */
        want = want * 10 + (uint32_t)(token.p[k] - '0');
    }
    while (i < doc->nodes[array].end && want-- > 0)
        i = doc->nodes[i].end;
    return i < doc->nodes[array].end ? i : EF_JSON_NONE;
}

/* Append token unescaped: ~1 is '/', ~0 is '~', anything else after '~' is
 * wrong. One pass: "~01" gives "~1", as RFC 6901 section 4 warns.
 *
 * UNTRUSTED: token. at is its offset in the pointer, for err.
 * Fails: EF_E_FORMAT for "~", "~2"; EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_pointer.c.
 * Tests: vectors/json_pointer.txt. */
static ef_status
json_token(ef_buf *out, ef_slice token, size_t at, ef_err *err)
{
    size_t i;

    for (i = 0; i < token.n; i++) {
        if (token.p[i] != '~') {
            ef_buf_byte(out, token.p[i]);
            continue;
        }
        if (i + 1 == token.n ||
            (token.p[i + 1] != '0' && token.p[i + 1] != '1'))
            return reject(err, EF_E_FORMAT, at + i,
                          "a ~ in a JSON pointer must be ~0 or ~1");
        ef_buf_byte(out, token.p[++i] == '0' ? '~' : '/');
    }
    return buf_status(out, err);
}

/* One turn is one token, split at '/' before it is unescaped: "~1" is never
 * a separator. A token into a scalar names nothing.
 *
 * UNTRUSTED: pointer.
 * Fails: EF_E_FORMAT for "a" (no '/' first) and for what is not there: a
 * missing member, "01" or "-" as an index; EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_pointer.c. Source: RFC 6901 sections 3 to 5.
 * Tests: vectors/json_pointer.txt. */
ef_status
ef_json_pointer(const ef_json *doc, uint32_t *node, ef_slice pointer,
                ef_err *err)
{
    uint32_t at_node = 0, next;
    size_t at = 0, n;
    ef_status rc;

    while (at < pointer.n) {
        ef_buf name = {0};
        ef_slice token = slice_from(pointer, at + 1);

        /* at 0 only: a token ends at a '/' or at the end */
        if (pointer.p[at] != '/')
            return reject(err, EF_E_FORMAT, at,
                          "a JSON pointer must begin with /");
        n = slice_find(token, '/');
        token.n = n;
        rc = json_token(&name, token, at + 1, err);
        if (rc == EF_OK && doc->nodes[at_node].type == EF_JSON_ARRAY)
            /* the token as it stands: digits have no escapes */
            next = json_element(doc, at_node, token);
        else if (rc == EF_OK)
            next = ef_json_member(doc, at_node, buf_slice(&name));
        else
            next = EF_JSON_NONE;
        ef_buf_free(&name);
        if (rc != EF_OK)
            return rc;
        if (next == EF_JSON_NONE)
            return reject(err, EF_E_FORMAT, at + 1,
                          "the JSON pointer names nothing in the document");
        at_node = next;
        at += 1 + n;
    }
    *node = at_node;
    return EF_OK;
}

/* The inside of the string at node, escapes not resolved.
 * Pre: the node is an EF_JSON_STRING, so that it has its two quotes. */
static ef_slice
json_inside(const ef_json *doc, uint32_t node)
{
    const ef_json_node *v = &doc->nodes[node];

    return slice(doc->text.p + v->at + 1, v->n - 2);
}

/* Pre: node is an EF_JSON_STRING. Without escapes the text itself is copied.
 * Secret: perhaps, in out (a buffer wipes what it frees).
 * Tests: tests/unit.c (test_json_strings). */
void
ef_json_string(const ef_json *doc, uint32_t node, ef_buf *out)
{
    ef_slice s = json_inside(doc, node);

    if (!doc->nodes[node].has_escape) {
        ef_buf_add(out, s.p, s.n);
        return;
    }
    while (s.n > 0)
        utf8_put(out, json_next(&s));
}

/* A new line, and the blanks in front of a value at this depth. At most
 * indent * EF_MAX_JSON_DEPTH of them. */
static void
json_newline(ef_buf *out, unsigned indent, unsigned depth)
{
    unsigned i;

    ef_buf_byte(out, '\n');
    for (i = 0; i < indent * depth; i++)
        ef_buf_byte(out, ' ');
}

/* The value at node, itself at depth. Numbers, strings and names are copied
 * as they stand, so that nothing is lost that a double could not hold.
 * Recursion ends at EF_MAX_JSON_DEPTH, which ef_json_parse enforced.
 * Fuzz: fuzz/fuzz_json.c. Tests: vectors/json_accept.txt. */
static void /* NOLINTNEXTLINE(misc-no-recursion) */
json_print_at(const ef_json *doc, uint32_t node, unsigned indent,
              unsigned depth, ef_buf *out)
{
    const ef_json_node *v = &doc->nodes[node];
    int object = v->type == EF_JSON_OBJECT;
    uint32_t i;

    /* a scalar: nothing is inside it */
    if (v->end == node + 1 && !object && v->type != EF_JSON_ARRAY) {
        ef_buf_add(out, doc->text.p + v->at, v->n);
        return;
    }
    ef_buf_byte(out, object ? '{' : '[');
    for (i = node + 1; i < v->end; i = doc->nodes[i].end) {
        if (i > node + 1)
            ef_buf_str(out, indent > 0 ? "," : ", ");
        if (indent > 0)
            json_newline(out, indent, depth + 1);
        if (object) {
            ef_buf_add(out, doc->text.p + doc->nodes[i].name_at,
                       doc->nodes[i].name_n);
            ef_buf_str(out, ": ");
        }
        json_print_at(doc, i, indent, depth + 1, out);
    }
    /* an empty container stays on one line: [] or {} */
    if (indent > 0 && v->end > node + 1)
        json_newline(out, indent, depth);
    ef_buf_byte(out, object ? '}' : ']');
}

/* A failure (memory, or a drain that says no) shows in out->failed alone. */
void
ef_json_print(const ef_json *doc, uint32_t node, unsigned indent, ef_buf *out)
{
    json_print_at(doc, node, indent, 0, out);
}

/* One code point as RFC 8785 3.2.2.2 writes it: two-character escapes where
 * there is one, \u00xx in lower case for other control characters, all else
 * as it is, '/' and DEL included. */
static void
json_quote_cp(ef_buf *out, uint32_t cp)
{
    static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";
    /* strchr would find the NUL at the set's end */
    const char *hit = cp != 0 && cp < 0x80 ? strchr(from, (int)cp) : NULL;

    if (hit != NULL) {
        ef_buf_byte(out, '\\');
        ef_buf_byte(out, (unsigned char)to[hit - from]);
    } else if (cp < 0x20) {
        buf_printf(out, "\\u%04x", (unsigned)cp);
    } else {
        utf8_put(out, cp);
    }
}

/* For bytes that nobody has checked (file names, describe's values).
 *
 * UNTRUSTED: s. Post: what is appended is a JSON string, whatever s holds.
 * Fuzz: fuzz/fuzz_utf8.c. Tests: tests/unit.c (test_json_strings). */
void
ef_json_quote(ef_buf *out, ef_slice s)
{
    uint32_t cp;
    size_t n;

    ef_buf_byte(out, '"');
    while (s.n > 0) {
        cp = 0xfffd; /* for a byte that is no UTF-8: output stays JSON */
        n = 1;
        if (utf8_len(s) > 0)
            cp = utf8_get(s, &n);
        json_quote_cp(out, cp);
        s = slice_from(s, n);
    }
    ef_buf_byte(out, '"');
}

/* Add one unit in the last place of n decimal digits. 0 when it carries out
 * of the first: the neighbour has another exponent and is not wanted (it is
 * a power of ten, which one digit can say). */
static int
json_digits_up(char *digits, size_t n)
{
    while (n-- > 0) {
        if (digits[n] != '9') {
            digits[n]++;
            return 1;
        }
        digits[n] = '0';
    }
    return 0;
}

/* The fewest digits that read back as x (> 0), the closest where there is a
 * choice; *point is where the decimal point goes: 0.ddd * 10^*point. At a
 * power of two the gap above is twice the one below, so that the rounded
 * digits may fail where their upper neighbour succeeds: both are tried. The
 * lower neighbour is not: it is further away, on the side of the small gap.
 *
 * Pre: x is finite. Time: 34 attempts at most. The C library's printf and
 * strtod round correctly.
 * Source: ECMA-262 Number::toString, step 5. Tests: vectors/numbers.txt,
 * tests/unit.c (test_json_number: 100,000 numbers of a published sequence). */
static size_t
json_shortest(char digits[20], int *point, double x)
{
    char text[40];
    int n, try;

    for (n = 1; n <= 17; n++) {
        for (try = 0; try < 2; try++) {
            snprintf(text, sizeof text, "%.*e", n - 1, x);
            digits[0] = text[0];
            if (n > 1)
                memcpy(digits + 1, text + 2, (size_t)n - 1);
            /* d.ddd e N is 0.dddd e N+1 */
            *point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
            if (try == 1 && !json_digits_up(digits, (size_t)n))
                break;
            /* digits has no NUL: the precision ends it */
            snprintf(text, sizeof text, "0.%.*se%d", n, digits, *point);
            if (strtod(text, NULL) != x)
                continue;
            /* a carry may leave zeros at the end, which say nothing */
            while (n > 1 && digits[n - 1] == '0')
                n--;
            return (size_t)n;
        }
    }
    return 17; /* not reached: 17 digits always read back */
}

/* d holds k digits, point says where the decimal point goes. At most 25
 * characters and a NUL are written: -0.00000 and 17 digits.
 *
 *   1e21 -> "1e+21"   123456789012345680000 -> itself   1e-7 -> "1e-7"
 *   0.000001 -> itself   -0.0 -> "0"
 *
 * Pre: x is finite: no JSON number is anything else.
 * Tests: vectors/numbers.txt, vectors/jcs.txt. */
size_t
ef_json_number(char out[EF_JSON_NUMBER_BYTES], double x)
{
    char d[20];
    int k, point, n = 0;

    /* minus zero, too: RFC 8785 writes both as 0 */
    if (x == 0) {
        memcpy(out, "0", 2);
        return 1;
    }
    if (x < 0) {
        out[n++] = '-';
        x = -x;
    }
    k = (int)json_shortest(d, &point, x);
    /* ECMA-262 Number::toString, steps 6 to 10 */
    /* step 6: 12300, digits and zeros */
    if (k <= point && point <= 21)
        n += sprintf(out + n, "%.*s%.*s", k, d, point - k,
                     "000000000000000000000");
    /* step 7: 12.3 */
    else if (0 < point && point < k)
        n += sprintf(out + n, "%.*s.%.*s", point, d, k - point, d + point);
    /* step 8: 0.00123 */
    else if (-6 < point && point <= 0)
        n += sprintf(out + n, "0.%.*s%.*s", -point, "000000", k, d);
    /* step 9: 1e+21, one digit has no point */
    else if (k == 1)
        n += sprintf(out + n, "%ce%+d", d[0], point - 1);
    else
        n += sprintf(out + n, "%c.%.*se%+d", d[0], k - 1, d + 1, point - 1);
    return (size_t)n;
}

/* inside: checked text between quotes. Escapes are resolved and written
 * anew, the fewest that RFC 8785 3.2.2.2 allows: "\u0041\/" gives "A/". */
static void
json_canonical_string(ef_buf *out, ef_slice inside)
{
    ef_buf_byte(out, '"');
    while (inside.n > 0)
        json_quote_cp(out, json_next(&inside));
    ef_buf_byte(out, '"');
}

/* RFC 8785 3.2.2: strings escaped anew, numbers by way of a double, the
 * three literals as they stand. */
static void
json_canonical_scalar(const ef_json *doc, uint32_t node, ef_buf *out)
{
    const ef_json_node *v = &doc->nodes[node];
    ef_slice text = slice(doc->text.p + v->at, v->n);
    char number[EF_JSON_NUMBER_BYTES];

    if (v->type == EF_JSON_STRING)
        json_canonical_string(out, json_inside(doc, node));
    /* finite: json_number_scan has refused what overflows */
    else if (v->type == EF_JSON_NUMBER)
        ef_buf_add(out, number, ef_json_number(number, json_double(text)));
    else
        ef_buf_add(out, text.p, text.n);
}

/* Members in the order of their names' UTF-16 form (RFC 8785 3.2.3), no
 * white space. Recursion ends at EF_MAX_JSON_DEPTH, which ef_json_parse
 * enforced; the lists of children that are alive at once are of one path, so
 * they have at most EF_MAX_JSON_NODES entries together.
 *
 * Fails: EF_E_MEMORY. v is freed on every path.
 * Fuzz: fuzz/fuzz_jcs.c. */
static ef_status /* NOLINTNEXTLINE(misc-no-recursion) */
json_canonical_at(const ef_json *doc, uint32_t node, ef_buf *out, ef_err *err)
{
    int object = doc->nodes[node].type == EF_JSON_OBJECT;
    uint32_t i, n, *v;
    ef_status rc = EF_OK;

    if (!object && doc->nodes[node].type != EF_JSON_ARRAY) {
        json_canonical_scalar(doc, node, out);
        return EF_OK;
    }
    v = json_children(doc, node, &n);
    /* n 0 with NULL is an empty container */
    if (n > 0 && v == NULL)
        return reject_memory(err);
    ef_buf_byte(out, object ? '{' : '[');
    for (i = 0; i < n && rc == EF_OK; i++) {
        if (i > 0)
            ef_buf_byte(out, ',');
        if (object) {
            json_canonical_string(out, json_node_name(doc, v[i]));
            ef_buf_byte(out, ':');
        }
        rc = json_canonical_at(doc, v[i], out, err);
    }
    ef_buf_byte(out, object ? '}' : ']');
    free(v);
    return rc;
}

/* The form that is hashed and signed: equal documents give equal bytes, and
 * the form of a form is itself. Where the exact number matters it must fit a
 * double: 9007199254740993 becomes 9007199254740992.
 * Fuzz: fuzz/fuzz_jcs.c. Tests: vectors/jcs.txt, tests/data.bats. */
ef_status
ef_json_canonical(const ef_json *doc, uint32_t node, ef_buf *out, ef_err *err)
{
    ef_status rc = json_canonical_at(doc, node, out, err);

    /* a drain that failed has its own reason, which its owner knows */
    return rc == EF_OK && out->drain == NULL ? buf_status(out, err) : rc;
}

/* ======================================================================= *
 * 4. CSV    records from pieces, as pandas.read_csv reads them       (csv_)*
 *                                                                         *
 *   In       decrypted datasets, split anywhere               UNTRUSTED   *
 *   Out      one callback a record, its fields in our memory              *
 *   Secret   the record being read; wiped when the parser is freed        *
 *   Needs    1, 2                                                         *
 *   Spec     RFC 4180; where it is silent, pandas 1.5's C tokenizer with  *
 *            its defaults (encflow(1), describe)                          *
 *   Tests    vectors/csv.txt vectors/limits.txt tests/describe.bats       *
 *   Fuzz     fuzz/fuzz_csv.c                                              *
 * ======================================================================= */

/* Bytes come in pieces split anywhere; all that is known lies in
 * ef_csv. A record's field bytes stand end to end in `data`, and `ends`
 * has where each field ends. Slices are made when the record is
 * complete, because data moves while it grows; row sees them and they
 * end.
 *
 * The first record is the header and sets the width, the second may
 * widen it (pandas takes the surplus on the left for an index), later
 * ones may only fall short and are padded. Limits hold for a field's
 * bytes, a record's bytes and a record's fields. Every
 * byte goes through the UTF-8 machine, except the runs of plain ASCII
 * inside a field that csv_run finds. Deliberately not done: other
 * delimiters or quotes, comments, other encodings, types. */

/* States of the parser. Only CSV_RECORD, CSV_BLANKS and CSV_AFTER_CR have no
 * field begun: at the input's end they leave no record. */
enum {
    CSV_RECORD,  /* between records */
    CSV_BLANKS,  /* only blanks so far: perhaps a blank line */
    CSV_FIELD,   /* at a field's first character */
    CSV_PLAIN,   /* inside a field, quotes are literal */
    CSV_QUOTED,  /* between quotes */
    CSV_QUOTE,   /* just after a quote inside quotes */
    CSV_AFTER_CR /* a CR ended a line: an LF belongs to it */
};

/* data.max is one more line of defence: csv_add asks before it is met. Lines
 * count from 1, as editors do. */
void
ef_csv_init(ef_csv *csv, ef_csv_row_fn row, void *ctx)
{
    *csv = (ef_csv){.state = CSV_RECORD, .row = row, .ctx = ctx, .line = 1};
    csv->data.max = EF_MAX_CSV_RECORD_BYTES;
}

/* Secret: data holds bytes of the dataset: ef_buf_free wipes them. fields
 * and ends are places only. Free again does nothing. */
void
ef_csv_free(ef_csv *csv)
{
    ef_buf_free(&csv->data);
    free(csv->fields);
    free(csv->ends);
    csv->fields = NULL;
    csv->ends = NULL;
    csv->cap = 0;
}

/* Room for want fields, in fields and in ends. On EF_E_MEMORY one of the two
 * may have grown: cap tells what both have, and ef_csv_free frees them.
 *
 * Fails: EF_E_LIMIT for the 16385th field of a record; EF_E_MEMORY.
 * Limits: EF_MAX_CSV_COLUMNS, before the work. Tests: vectors/limits.txt. */
static ef_status
csv_grow(ef_csv *csv, size_t want, ef_err *err)
{
    size_t cap = csv->cap != 0 ? csv->cap : 16;
    ef_slice *fields;
    size_t *ends;

    if (want <= csv->cap)
        return EF_OK;
    if (want > EF_MAX_CSV_COLUMNS)
        return reject_line(err, EF_E_LIMIT, csv->line, 0,
                           "more fields than EF_MAX_CSV_COLUMNS (16384)");
    /* 16 doubled meets EF_MAX_CSV_COLUMNS, 2^14, exactly */
    while (cap < want)
        cap *= 2;
    fields = realloc(csv->fields, cap * sizeof *fields);
    if (fields != NULL)
        csv->fields = fields;
    ends = realloc(csv->ends, cap * sizeof *ends);
    if (ends != NULL)
        csv->ends = ends;
    if (fields == NULL || ends == NULL)
        return reject_memory(err);
    csv->cap = cap;
    return EF_OK;
}

/* The field ends here. Notes an offset and makes no slice yet: data moves
 * while it grows. csv_end_record makes all of them. */
static ef_status
csv_end_field(ef_csv *csv, ef_err *err)
{
    ef_status rc = csv_grow(csv, csv->count + 1, err);

    if (rc != EF_OK)
        return rc;
    csv->ends[csv->count++] = csv->data.n;
    csv->start = csv->data.n;
    /* a NUL cuts off the rest of its own field only */
    csv->cut = 0;
    return EF_OK;
}

/* Where empty fields point: an address that is good, so that callers may
 * hand it to memcmp and memcpy, also before data has any memory. */
static const unsigned char csv_nothing[1];

/* A record is complete. The first (the header) sets the width, the second
 * may widen it (pandas: surplus leading columns are an index), later ones
 * may only fall short. Missing fields are handed over as empty ones:
 *
 *   a,b,c      -> [a] [b] [c]
 *   1,2        -> [1] [2] []
 *   1,2,3,4    -> EF_E_FORMAT, as the third record or later
 *
 * Post: row has seen slices into data, which end with its return.
 * Fails: as row; EF_E_FORMAT with the count in err->detail; as csv_grow.
 * Tests: vectors/csv.txt, tests/unit.c (test_csv_stops). */
static ef_status
csv_end_record(ef_csv *csv, ef_err *err)
{
    size_t i, start = 0, width = csv->count;
    ef_status rc;

    if (csv->records >= 2 && csv->count > csv->width) {
        rc = reject_line(err, EF_E_FORMAT, csv->line, 0,
                         "more fields than the lines before; this one has");
        if (err != NULL)
            err->detail = (long)csv->count;
        return rc;
    }
    /* width 0 is before the header: nothing to pad to */
    if (csv->records >= 1 && width < csv->width)
        width = csv->width;
    /* there is room: each of the fields was ended in some record */
    for (i = 0; i < width; i++) {
        size_t end = i < csv->count ? csv->ends[i] : start;

        csv->fields[i] =
            slice(end > start ? csv->data.p + start : csv_nothing, end - start);
        start = end;
    }
    csv->width = width;
    csv->records++;
    csv->count = 0;
    rc = csv->row(csv->ctx, csv->fields, width, csv->line, err);
    /* what row did not copy is gone; the memory is used again */
    csv->data.n = csv->start = 0;
    return rc;
}

/* Into the current field. EF_E_LIMIT past EF_MAX_CSV_FIELD_BYTES or, all
 * fields of the record together, EF_MAX_CSV_RECORD_BYTES; dropped in silence
 * where a NUL has cut the field off. Tests: vectors/limits.txt. */
static ef_status
csv_add(ef_csv *csv, const unsigned char *p, size_t n, ef_err *err)
{
    if (csv->cut)
        return EF_OK;
    /* n is part of a piece in memory: the sums cannot wrap */
    if (csv->data.n - csv->start + n > EF_MAX_CSV_FIELD_BYTES)
        return reject_line(err, EF_E_LIMIT, csv->line, 0,
                           "a field larger than EF_MAX_CSV_FIELD_BYTES "
                           "(1048576)");
    if (csv->data.n + n > EF_MAX_CSV_RECORD_BYTES)
        return reject_line(err, EF_E_LIMIT, csv->line, 0,
                           "a record larger than EF_MAX_CSV_RECORD_BYTES "
                           "(4194304)");
    ef_buf_add(&csv->data, p, n);
    return buf_status(&csv->data, err);
}

/* Characters that may go into the field as a run, in this state: plain ASCII
 * that neither ends the field nor a line, nor cuts. A quote may be in a run
 * of CSV_PLAIN, where it is literal.
 *
 * UNTRUSTED: in. Post: no line end, NUL, or part of a character is in a run.
 * Fuzz: fuzz/fuzz_csv.c. */
static size_t
csv_run(const ef_csv *csv, ef_slice in)
{
    size_t i = 0;

    if (csv->state == CSV_QUOTED)
        while (i < in.n && in.p[i] != '"' && in.p[i] >= 0x20 && in.p[i] < 0x80)
            i++;
    else if (csv->state == CSV_PLAIN)
        while (i < in.n && in.p[i] != ',' && in.p[i] >= 0x20 && in.p[i] < 0x80)
            i++;
    return i;
}

/* A character that belongs to the field. A NUL cuts the rest of it off, as
 * pandas' C strings do: "a\0b" is "a", the next field is whole again. */
static ef_status
csv_literal(ef_csv *csv, unsigned char c, ef_err *err)
{
    if (c == '\0')
        csv->cut = 1;
    return csv_add(csv, &c, 1, err);
}

/* c ends a line, outside quotes; fields: there is a record to end, else the
 * line was blank and what blanks it had are dropped. */
static ef_status
csv_end_line(ef_csv *csv, unsigned char c, int fields, ef_err *err)
{
    ef_status rc = fields ? csv_end_field(csv, err) : EF_OK;

    if (rc == EF_OK && fields)
        rc = csv_end_record(csv, err);
    csv->data.n = csv->start = 0;
    csv->line++;
    /* an LF after a CR is part of this line end */
    csv->state = c == '\r' ? CSV_AFTER_CR : CSV_RECORD;
    return rc;
}

/* At the start of a line, or after blanks there. 1 when c was used up; else
 * the state says how c is to be taken. Blanks are kept, because a line that
 * goes on after them has them in its first field.
 *
 * UNTRUSTED: c.
 * Fuzz: fuzz/fuzz_csv.c. */
static int
csv_line_start(ef_csv *csv, unsigned char c, ef_status *rc, ef_err *err)
{
    if (csv->state == CSV_AFTER_CR) {
        csv->state = CSV_RECORD;
        if (c == '\n')
            return 1;
    }
    /* a blank line is no record, but a quoted empty field ("") is one */
    if (c == '\n' || c == '\r') {
        *rc = csv_end_line(csv, c, 0, err);
        return 1;
    }
    if (c == ' ' || c == '\t') {
        csv->state = CSV_BLANKS;
        *rc = csv_literal(csv, c, err);
        return 1;
    }
    /* Not a blank line: blanks seen are the first field's beginning. */
    csv->state = csv->state == CSV_BLANKS ? CSV_PLAIN : CSV_FIELD;
    return 0;
}

/* UNTRUSTED: one byte of checked UTF-8. RFC 4180, and beyond it as pandas:
 * CR, LF and CR LF end a line, a quote inside an unquoted field is literal,
 * and text after a closing quote goes on unquoted.
 *
 *   "a""b"  -> a"b      quote doubled between quotes
 *   a"b"    -> a"b"     not at the field's start: literal
 *   "a"b    -> ab       goes on after the closing quote
 *   _"a"    -> _"a"     a blank (_) before it: literal
 *
 * Fuzz: fuzz/fuzz_csv.c. Source: RFC 4180 section 2, rules 1 to 7.
 * Tests: vectors/csv.txt, tests/describe.bats. */
static ef_status
csv_step(ef_csv *csv, unsigned char c, ef_err *err)
{
    ef_status rc = EF_OK;

    if ((csv->state == CSV_RECORD || csv->state == CSV_BLANKS ||
         csv->state == CSV_AFTER_CR) &&
        csv_line_start(csv, c, &rc, err))
        return rc;
    if (csv->state == CSV_QUOTED) {
        if (c == '"') {
            csv->state = CSV_QUOTE;
            csv->cr = 0;
            return EF_OK;
        }
        if (c == '\r' || (c == '\n' && !csv->cr))
            csv->line++; /* CR LF is one line end, also inside quotes */
        csv->cr = c == '\r';
        return csv_literal(csv, c, err);
    }
    /* CSV_FIELD, CSV_PLAIN or CSV_QUOTE from here on */
    if (c == '\n' || c == '\r')
        return csv_end_line(csv, c, 1, err);
    if (c == ',') {
        csv->state = CSV_FIELD;
        return csv_end_field(csv, err);
    }
    if (c == '"' && csv->state == CSV_FIELD) {
        csv->state = CSV_QUOTED;
        csv->cr = 0;
        csv->quote_line = csv->line;
        return EF_OK;
    }
    /* a quote after a quote was one quote, written twice */
    csv->state = c == '"' && csv->state == CSV_QUOTE ? CSV_QUOTED : CSV_PLAIN;
    return csv_literal(csv, c, err);
}

/* UNTRUSTED. The whole input is checked for UTF-8, skipped lines included. A
 * character may be split between two pieces: its state is packed into one
 * word of ef_csv, whose lowest byte is 0 between characters.
 *
 * Fails: EF_E_FORMAT; at is the offset of the character's first byte in the
 * whole input.
 * Fuzz: fuzz/fuzz_csv.c. Tests: vectors/csv.txt. */
static ef_status
csv_utf8(ef_csv *csv, unsigned char c, ef_err *err)
{
    struct utf8_state u = {
        (unsigned char)csv->utf8, (unsigned char)(csv->utf8 >> 8),
        (unsigned char)(csv->utf8 >> 16), (unsigned char)(csv->utf8 >> 24)};
    unsigned seen = u.need > 0 ? u.seen : 0;
    ef_status rc;

    if (utf8_step(&u, c)) {
        csv->utf8 = (uint32_t)u.need | (uint32_t)u.lo << 8 |
                    (uint32_t)u.hi << 16 | (uint32_t)u.seen << 24;
        return EF_OK;
    }
    rc = reject_line(err, EF_E_FORMAT, csv->line, 0, "not UTF-8");
    if (err != NULL)
        err->at = csv->offset - seen;
    return rc;
}

/* One byte, known to be UTF-8 so far. A byte order mark at the very start is
 * dropped; what only began like one is given back first: EF BB BC is a
 * character of the first field. bom equals offset only while all bytes so
 * far were the mark's.
 * UNTRUSTED: c.
 * Fuzz: fuzz/fuzz_csv.c. */
static ef_status
csv_byte(ef_csv *csv, unsigned char c, ef_err *err)
{
    static const unsigned char bom[] = {0xef, 0xbb, 0xbf};
    ef_status rc = EF_OK;
    unsigned i;

    if (csv->bom == csv->offset && csv->bom < 3 && c == bom[csv->bom]) {
        csv->bom++;
        return EF_OK;
    }
    if (csv->bom < 3 && csv->bom == csv->offset)
        for (i = 0; i < csv->bom && i < sizeof bom && rc == EF_OK; i++)
            rc = csv_step(csv, bom[i], err);
    return rc == EF_OK ? csv_step(csv, c, err) : rc;
}

/* Runs inside a field skip the state machine. They are ASCII and start
 * between characters, so they need no UTF-8 check. The result does not
 * depend on where pieces are split: all state is in csv.
 *
 * After a failure csv may only be freed.
 * Fuzz: fuzz/fuzz_csv.c.
 * Tests: vectors/csv.txt (each record whole and in pieces of 1 to 17 bytes). */
ef_status
ef_csv_push(ef_csv *csv, ef_slice in, ef_err *err)
{
    ef_status rc = EF_OK;
    size_t i = 0, n;

    while (i < in.n && rc == EF_OK) {
        /* inside a character an ASCII byte is an error, not a run */
        n = csv->utf8 % 256 == 0 ? csv_run(csv, slice_from(in, i)) : 0;
        if (n > 0) {
            /* a run has no CR in it */
            csv->cr = 0;
            rc = csv_add(csv, in.p + i, n, err);
        } else {
            n = 1;
            rc = csv_utf8(csv, in.p[i], err);
            if (rc == EF_OK)
                rc = csv_byte(csv, in.p[i], err);
        }
        i += n;
        csv->offset += n;
    }
    return rc;
}

/* The last record needs no line end. A quote that is still open is reported
 * at the line where it began: the end would be of no help. A file of blank
 * lines, or of nothing, has no columns and is refused.
 * Fuzz: fuzz/fuzz_csv.c. Tests: vectors/csv.txt. */
ef_status
ef_csv_end(ef_csv *csv, ef_err *err)
{
    ef_status rc = EF_OK;

    if (csv->utf8 % 256 != 0) {
        rc = reject_line(err, EF_E_FORMAT, csv->line, 0, "not UTF-8");
        if (err != NULL)
            err->at = csv->offset - (csv->utf8 >> 24);
        return rc;
    }
    if (csv->state == CSV_QUOTED)
        return reject_line(err, EF_E_FORMAT, csv->quote_line, 0,
                           "a quoted field is not closed");
    if (csv->state == CSV_FIELD || csv->state == CSV_PLAIN ||
        csv->state == CSV_QUOTE)
        rc = csv_end_line(csv, '\n', 1, err);
    if (rc == EF_OK && csv->records == 0)
        return reject_line(err, EF_E_FORMAT, 1, 0, "no columns in the file");
    return rc;
}

/* ======================================================================= *
 * 5. INI    AWS shared configuration and credentials files         (ini_) *
 *                                                                         *
 *   In       the user's own files                             UNTRUSTED   *
 *   Out      a slice of the text                                          *
 *   Secret   the text holds access keys: errors carry lines, not content  *
 *   Needs    1, 2                                                         *
 *   Spec     what botocore (Python's RawConfigParser) and the AWS SDKs    *
 *            agree on; where they read the wanted value in two ways, it   *
 *            is refused                                                   *
 *   Tests    vectors/ini.txt vectors/limits.txt                           *
 *   Fuzz     fuzz/fuzz_ini.c                                              *
 * ======================================================================= */

/* Each call reads the whole text, checks the form of every line, and
 * keeps the one value that was asked for, as a slice of the text. The
 * files are small and few values are wanted, so nothing is indexed.
 *
 * AWS's readers do not agree on these files: some join indented lines,
 * take a colon for a delimiter, or cut comments off a value, others do
 * not. Where the wanted value is written so, signing with what one of
 * them reads would be a guess: it is refused, with its line. Elsewhere
 * such lines do no harm and are passed over. There is no interpolation.
 * A name without a value may have parts, in indented lines below it. */

struct ini_reader {
    const char *section, *name; /* wanted */
    const char *sub;            /* wanted below name; NULL: name's own value */
    ef_slice value;
    uint64_t line, value_line; /* from 1 */
    int begun, in_wanted, sections, in_key, wanted_key, seen, nested, ambiguous;
    /* a section stands above; it is the wanted one; how often that began;
     * a key stands above; it is the wanted one; that one stood somewhere
     * above; it has parts; the value is read in different ways */
    size_t indent; /* of the last key, in blanks */
    /* in Python's section for the defaults of all; the wanted name there */
    int in_defaults;
    uint64_t default_line;
    ef_err *err;
};

/* Cut the next line off text. LF, CR LF and CR end lines; the last may have
 * no end. Pre: text is not empty, so that each call makes it shorter.
 * UNTRUSTED: text.
 * Fuzz: fuzz/fuzz_ini.c. */
static ef_slice
ini_line(ef_slice *text)
{
    size_t n = 0;
    ef_slice line;

    while (n < text->n && text->p[n] != '\n' && text->p[n] != '\r')
        n++;
    line = slice(text->p, n);
    if (n + 1 < text->n && text->p[n] == '\r' && text->p[n + 1] == '\n')
        n++;
    *text = slice_from(*text, n + 1);
    return line;
}

/* line begins with '['. "[profile a]" is the section "profile a": blanks
 * inside are kept. Text after the closing bracket is ignored. Only the
 * wanted section is refused when it comes twice: the others do not matter.
 *
 * UNTRUSTED: line.
 * Fails: EF_E_FORMAT for "[a" and for a second "[wanted]".
 * Fuzz: fuzz/fuzz_ini.c. Tests: vectors/ini.txt. */
static ef_status
ini_section(struct ini_reader *r, ef_slice line)
{
    size_t n = slice_find(line, ']');

    if (n == line.n)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "a section has no closing bracket");
    if (slice_find(slice_from(line, n + 1), ']') < line.n - n - 1)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "a section has two closing brackets");
    r->begun = 1;
    r->in_wanted = slice_is(slice(line.p + 1, n - 1), r->section);
    r->in_defaults = slice_is(slice(line.p + 1, n - 1), "DEFAULT");
    r->in_key = r->wanted_key = 0;
    if (r->in_wanted && r->sections++ > 0)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "this section stands in the file twice");
    return EF_OK;
}

/* A blank before # or ; starts a comment for some readers, not for others. A
 * secret key may have a '#' inside, which is no comment to any of them. */
static int
ini_has_comment(ef_slice value)
{
    size_t i;

    for (i = 0; i < value.n; i++)
        if ((value.p[i] == '#' || value.p[i] == ';') &&
            (i == 0 || is_blank_byte(value.p[i - 1])))
            return 1;
    return 0;
}

/* Where the name in "name = value" ends; line.n when there is no = or :. */
static size_t
ini_name_end(ef_slice line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] != '=' && line.p[n] != ':')
        n++;
    return n;
}

/* Is this the name that is looked for, in its section? Case does not matter,
 * nor do blanks around it. Pre: r->name is lower-case ASCII without NUL. */
static int
ini_is_wanted(const struct ini_reader *r, ef_slice name)
{
    name = slice_trim(name);
    return r->in_wanted && name.n == strlen(r->name) &&
           strncasecmp((const char *)name.p, r->name, name.n) == 0;
}

/* White space that Python's strip() takes off and that of ASCII is not. */
static int
ini_is_odd_blank(uint32_t c)
{
    return (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Is there such a blank at either end of a, which is UTF-8? */
static int
ini_has_odd_end(ef_slice a)
{
    size_t last = a.n, n;

    if (a.n == 0)
        return 0;
    do
        last--;
    while (last > 0 && (a.p[last] & 0xc0) == 0x80);
    return ini_is_odd_blank(utf8_get(a, &n)) ||
           ini_is_odd_blank(utf8_get(slice_from(a, last), &n));
}

/* UNTRUSTED: line, "name = value" whose delimiter is at n: it is what is
 * looked for. Post: value is a slice of the text, never with p NULL.
 * Fails: EF_E_FORMAT where it was there before. Fuzz: fuzz/fuzz_ini.c. */
static ef_status
ini_keep(struct ini_reader *r, ef_slice line, size_t n)
{
    if (r->value.p != NULL)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "this name stands in the section twice");
    r->value = slice_trim(slice_from(line, n + 1));
    r->value_line = r->line;
    r->ambiguous |= line.p[n] == ':' || ini_has_comment(r->value) ||
                    ini_has_odd_end(r->value);
    return EF_OK;
}

/* UNTRUSTED: body, an indented line below the wanted name: one of its parts,
 * where that name has no value of its own. botocore divides parts at '=' alone
 * and refuses a line without one.
 * Fuzz: fuzz/fuzz_ini.c. Tests: vectors/ini.txt. */
static ef_status
ini_nested(struct ini_reader *r, ef_slice body)
{
    size_t n = ini_name_end(body);
    ef_slice name = slice_trim(slice(body.p, n));

    if (!r->nested)
        return EF_OK;
    if (slice_find(body, '=') == body.n || n == 0)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "a part is written NAME = VALUE");
    return slice_is_name(name, r->sub) ? ini_keep(r, body, n) : EF_OK;
}

/* A line that begins with blanks after a key. Python takes it as more of the
 * value only where it is indented further than the key; other readers always
 * do. Either may concern the name that is looked for: then the value is
 * ambiguous, else the line does no harm.
 *
 *   key = a      key with two lines for all: refused where key is wanted
 *     b = c      the same; where b is wanted, no reader finds it
 *
 * UNTRUSTED: body.
 * Fuzz: fuzz/fuzz_ini.c. Tests: vectors/ini.txt. */
static ef_status
ini_continuation(struct ini_reader *r, ef_slice body, size_t indent)
{
    size_t n = ini_name_end(body);

    if (r->sub != NULL && r->wanted_key && indent > r->indent)
        return ini_nested(r, body);
    r->ambiguous |= r->wanted_key;
    if (indent > r->indent || n == body.n ||
        !ini_is_wanted(r, slice(body.p, n)))
        return EF_OK;
    r->ambiguous = 1;
    r->value_line = r->line;
    return EF_OK;
}

/* The first = or : divides, names are compared without case, as by
 * RawConfigParser. A colon before the wanted value makes it ambiguous. Other
 * keys are checked for their form alone.
 *
 * UNTRUSTED: line.
 * Fails: EF_E_FORMAT for "abc", for "= x", and for the wanted name twice.
 * Fuzz: fuzz/fuzz_ini.c. Tests: vectors/ini.txt. */
static ef_status
ini_key(struct ini_reader *r, ef_slice line)
{
    size_t n = ini_name_end(line);

    /* no delimiter, or nothing before it */
    if (n == line.n || n == 0)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "neither a section, a comment nor name = value");
    if (r->in_wanted && ini_has_odd_end(slice_trim(slice(line.p, n))))
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "a name begins or ends with a blank that is not "
                           "trimmed by all readers");
    /* what is indented below belongs to this name from here on */
    r->in_key = 1;
    if (r->in_defaults && slice_is_name(slice_trim(slice(line.p, n)), r->name))
        r->default_line = r->line;
    r->wanted_key = ini_is_wanted(r, slice(line.p, n));
    if (!r->wanted_key)
        return EF_OK;
    /* a name that has parts is met once, with no value of its own */
    if (r->sub == NULL)
        return ini_keep(r, line, n);
    if (r->seen)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "this name stands in the section twice");
    r->seen = 1;
    /* until a part is found: a doubt about all of them is about this line */
    r->value_line = r->line;
    r->nested = slice_trim(slice_from(line, n + 1)).n == 0;
    return EF_OK;
}

/* UNTRUSTED: one line. Blank lines and comments may stand anywhere; an
 * indented line after a key is ini_continuation's. Errors have the line's
 * number and nothing of what is in it.
 * Fuzz: fuzz/fuzz_ini.c. */
static ef_status
ini_step(struct ini_reader *r, ef_slice line)
{
    ef_slice body = slice_trim(line);
    size_t indent = body.n > 0 ? (size_t)(body.p - line.p) : 0;

    if (body.n == 0 || body.p[0] == '#' || body.p[0] == ';')
        return EF_OK;
    if (r->in_key && indent > 0) {
        if (indent <= r->indent && body.p[0] == '[')
            return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                               "AWS's own tools read a section that is "
                               "indented in different ways");
        return ini_continuation(r, body, indent);
    }
    r->indent = indent;
    if (body.p[0] == '[')
        return ini_section(r, body);
    if (!r->begun)
        return reject_line(r->err, EF_E_FORMAT, r->line, 0,
                           "a line stands before the first section");
    return ini_key(r, body);
}

/* Like ef_utf8_check, but an error says the line: the one that the first
 * wrong byte is in.
 * UNTRUSTED: text.
 * Fuzz: fuzz/fuzz_ini.c. */
static ef_status
ini_utf8_check(ef_slice text, ef_err *err)
{
    ef_err where = {0};
    uint64_t line = 0;
    ef_slice before;

    if (ef_utf8_check(text, &where) == EF_OK)
        return EF_OK;
    before = slice(text.p, (size_t)where.at + 1);
    while (before.n > 0) {
        (void)ini_line(&before);
        line++;
    }
    return reject_line(err, EF_E_FORMAT, line, 0, where.msg);
}

/* UNTRUSTED: text. The whole of it is read, also past the value: a later
 * second one, or a line that is malformed, is still refused.
 *
 * Secret: text and value are perhaps the user's keys; no copy is made.
 * Fails: also EF_E_LIMIT past EF_MAX_INI_BYTES, asked first.
 * Fuzz: fuzz/fuzz_ini.c. Tests: vectors/ini.txt, vectors/limits.txt. */
ef_status
ef_ini_get_part(ef_slice *value, int *found, const char *section,
                const char *name, const char *sub, ef_slice text, ef_err *err)
{
    struct ini_reader r = {
        .section = section, .name = name, .sub = sub, .err = err};
    ef_status rc;

    *value = (ef_slice){NULL, 0};
    if (text.n > EF_MAX_INI_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_INI_BYTES,
                      "file larger than EF_MAX_INI_BYTES (1048576)");
    rc = ini_utf8_check(text, err);
    /* an error ends it; a value that was found does not */
    while (rc == EF_OK && text.n > 0) {
        r.line++;
        rc = ini_step(&r, ini_line(&text));
    }
    if (rc == EF_OK && r.ambiguous)
        rc = reject_line(err, EF_E_FORMAT, r.value_line, 0,
                         "AWS's own tools read this value in different ways "
                         "(a comment, a colon, a second line, or a blank at "
                         "an end that not all of them trim)");
    if (rc == EF_OK && r.value.p == NULL && r.sections > 0 &&
        r.default_line > 0)
        rc = reject_line(err, EF_E_FORMAT, r.default_line, 0,
                         "only some of AWS's own tools read [DEFAULT] as "
                         "defaults of all sections");
    if (rc != EF_OK)
        return rc;
    *value = r.value;
    if (found != NULL)
        *found = r.sections > 0;
    return EF_OK;
}

/* The name's own value. */
ef_status
ef_ini_get(ef_slice *value, int *found, const char *section, const char *name,
           ef_slice text, ef_err *err)
{
    return ef_ini_get_part(value, found, section, name, NULL, text, err);
}

/* ======================================================================= *
 * 7. AES-256-GCM    one message at a time, on the best kernel      (gcm_) *
 *                                                                         *
 *   In       ciphertext and tags from storage                 UNTRUSTED   *
 *   Secret   key, AES round keys, GHASH key: all in struct ef_gcm, which  *
 *            lives in ef_secret_alloc memory and is wiped by ef_gcm_free  *
 *   Needs    1; BearSSL's AES-CTR and GHASH kernels, constant-time ones   *
 *            only (its table-based "big" and "small" are never used)      *
 *   Spec     NIST SP 800-38D sections 6.4, 6.5, 7.1, 7.2                  *
 *   Tests    vectors/aes256gcm.txt (every record on every kernel)         *
 *            tests/gcm_openssl.c tests/ct.c                               *
 *   Fuzz     fuzz/fuzz_gcm.c                                              *
 * ======================================================================= */

/* Counter mode and GHASH are BearSSL's; the mode is put together here,
 * so that a kernel is a pair of functions and every vector can be run
 * on every pair. The processor chooses: AES and carry-less multiply
 * instructions where it has them, else constant-time C.
 *
 * y is GHASH of the AAD and all whole blocks so far. A message comes in
 * pieces of any size: a begun block has its key stream in `stream` and
 * its ciphertext in `cipher`, which ef_gcm_tag hashes, padded with
 * zeros, if it stays unfinished. gcm_room refuses a message of more
 * than 2^36 - 32 bytes before any byte past that is worked on: up to
 * there the 32-bit counter, which is 2 for the first block, does not
 * wrap. What ef_gcm_crypt decrypts is not authenticated yet, and its
 * caller must hold it back. ef_gcm_open wipes it on failure. */

/* One way to compute: a pair of BearSSL's functions. All pairs give the same
 * bytes, which tests/unit.c and fuzz/fuzz_gcm.c hold them to. */
struct ef_gcm_kernel {
    const char *name;
    const br_block_ctr_class *ctr;
    br_ghash ghash;
};

/* A key, and the message under way.
 * Secret: all of it but kernel, nonce and the lengths; whole, in
 * ef_secret_alloc memory, wiped by ef_gcm_free. */
struct ef_gcm {
    ef_gcm_kernel kernel;
    br_aes_gen_ctr_keys aes; /* round keys, room for any kernel's */
    unsigned char h[16];     /* GHASH key: E(K, 0) */
    unsigned char y[16];     /* GHASH so far */
    unsigned char nonce[EF_NONCE_BYTES];
    uint64_t aad_n, n;        /* bytes of AAD and of message so far */
    unsigned char stream[16]; /* key stream of an unfinished block */
    unsigned char cipher[16]; /* its ciphertext: first n % 16 bytes */
    unsigned char mark[16];   /* H^(blocks of a chunk), see gcm_fold */
    size_t mark_n;            /* bytes of that chunk; 0: not computed */
};

#define GCM_KERNELS 4

/* Ask the processor which kernels it can run: the fastest first, the
 * portable ones always there and last. BearSSL looks at the CPU at run time
 * and gives NULL or 0 for what the machine, or the compiler, does not have. */
static unsigned
gcm_kernels(ef_gcm_kernel list[GCM_KERNELS])
{
    unsigned n = 0;

    if (br_aes_x86ni_ctr_get_vtable() != NULL && br_ghash_pclmul_get() != 0)
        list[n++] =
            (ef_gcm_kernel){"x86ni+pclmul", br_aes_x86ni_ctr_get_vtable(),
                            br_ghash_pclmul_get()};
    if (br_aes_pwr8_ctr_get_vtable() != NULL && br_ghash_pwr8_get() != 0)
        list[n++] = (ef_gcm_kernel){"pwr8+pwr8", br_aes_pwr8_ctr_get_vtable(),
                                    br_ghash_pwr8_get()};
    /* bitsliced AES: no table that a cache could tell of */
    list[n++] = (ef_gcm_kernel){"ct64+ctmul64", &br_aes_ct64_ctr_vtable,
                                br_ghash_ctmul64};
    list[n++] =
        (ef_gcm_kernel){"ct+ctmul32", &br_aes_ct_ctr_vtable, br_ghash_ctmul32};
    return n;
}

static ef_gcm_kernel gcm_list[GCM_KERNELS];
static unsigned gcm_list_n;
static pthread_once_t gcm_list_once = PTHREAD_ONCE_INIT;

/* pthread_once's: the list is the same for all threads, and never changes. */
static void
gcm_list_make(void)
{
    gcm_list_n = gcm_kernels(gcm_list);
}

const ef_gcm_kernel *
ef_gcm_kernel_at(unsigned i)
{
    (void)pthread_once(&gcm_list_once, gcm_list_make);
    return i < gcm_list_n ? &gcm_list[i] : NULL;
}

const char *
ef_gcm_kernel_name(const ef_gcm_kernel *kernel)
{
    return kernel != NULL ? kernel->name : "none";
}

/* XOR the key stream from block on into data: block 0 is the tag's, the
 * message begins at block 1 (the counter starts at 1, SP 800-38D 7.1).
 * Pre: only the last call for a message has an n that is no multiple of 16:
 * the rest of a block's key stream is thrown away. gcm_room has been asked,
 * so that block + 1 fits into 32 bits. Source: SP 800-38D 6.5. */
static void
gcm_ctr(const ef_gcm *g, uint64_t block, void *data, size_t n)
{
    (void)g->kernel.ctr->run(&g->aes.vtable, g->nonce, (uint32_t)(block + 1),
                             data, n);
}

/* y goes on from where it is. The last block is padded with zeros: only the
 * last piece of AAD or message may be a partial block.
 * Secret: y, until it is encrypted: with the ciphertext it gives H away, and
 * with H tags can be forged.
 * Source: SP 800-38D 6.4. */
static void
gcm_ghash(const ef_gcm *g, unsigned char y[16], const void *data, size_t n)
{
    g->kernel.ghash(y, g->h, data, n);
}

/* Secret: key is the caller's; the round keys and H stay in g alone, and
 * what BearSSL leaves on the stack goes with ef_gcm_free's burn_stack.
 * Tests: vectors/aes256gcm.txt, tests/ct.c. */
ef_gcm *
ef_gcm_new(const unsigned char key[EF_KEY_BYTES], const ef_gcm_kernel *kernel)
{
    ef_gcm *g = ef_secret_alloc(sizeof *g, NULL);

    if (g == NULL)
        return NULL;
    g->kernel = kernel != NULL ? *kernel : *ef_gcm_kernel_at(0);
    g->kernel.ctr->init(&g->aes.vtable, key, EF_KEY_BYTES);
    /* H is the encrypted zero block; CTR with a zero IV and counter gives it */
    (void)g->kernel.ctr->run(&g->aes.vtable, g->nonce, 0, g->h, 16);
    return g;
}

/* NULL is allowed. The stack is burnt also then: the caller may be on its
 * way out of an error. */
void
ef_gcm_free(ef_gcm *g)
{
    ef_secret_free(g, sizeof *g);
    burn_stack();
}

/* What the last message left in stream and cipher needs no wiping here: both
 * are written anew before they are read. mark depends on the key alone and
 * stays. Pre: the nonce is new for this key (SP 800-38D 8): the caller's
 * duty.
 * UNTRUSTED: nonce and aad, when opening.
 * Fuzz: fuzz/fuzz_gcm.c. */
void
ef_gcm_start(ef_gcm *g, const unsigned char nonce[EF_NONCE_BYTES],
             const void *aad, size_t aad_n)
{
    memcpy(g->nonce, nonce, EF_NONCE_BYTES);
    memset(g->y, 0, sizeof g->y);
    g->aad_n = aad_n;
    g->n = 0;
    if (aad_n > 0)
        gcm_ghash(g, g->y, aad, aad_n);
}

/* SP 800-38D 5.2.1.1, asked before any byte is touched: within the limit the
 * 32-bit counter cannot wrap and reuse key stream. 2^36 - 32 bytes are two
 * blocks less than 2^32, and their counters 2 to 2^32 - 1.
 * Pre: have <= EF_MAX_PLAINTEXT_BYTES: every call before was asked about.
 * Tests: tests/unit.c (test_gcm_limit), vectors/limits.txt. */
static ef_status
gcm_room(uint64_t have, uint64_t n, ef_err *err)
{
    if (n > EF_MAX_PLAINTEXT_BYTES - have)
        return reject(err, EF_E_LIMIT, EF_NOWHERE,
                      "more than EF_MAX_PLAINTEXT_BYTES (68719476704, "
                      "AES-GCM's limit for one message)");
    return EF_OK;
}

/* Bytes of the block that is begun or unfinished; n stays inside it. The
 * same bytes in any split give the same result.
 * Secret: stream, which is kept for the block's next bytes; wiped with g.
 * UNTRUSTED: data, when decrypting.
 * Fuzz: fuzz/fuzz_gcm.c. */
static void
gcm_partial(ef_gcm *g, unsigned char *data, size_t n, int encrypt)
{
    size_t at = g->n % 16, i;

    if (at == 0) {
        memset(g->stream, 0, 16);
        gcm_ctr(g, g->n / 16 + 1, g->stream, 16);
    }
    for (i = 0; i < n; i++) {
        unsigned char out = data[i] ^ g->stream[at + i];

        g->cipher[at + i] = encrypt ? out : data[i];
        data[i] = out;
    }
    g->n += n;
    /* whole now; else ef_gcm_tag hashes it, or the next call goes on */
    if (at + n == 16)
        gcm_ghash(g, g->y, g->cipher, 16);
}

/* Finishes the block that the last call began, does whole blocks, begins
 * another. GHASH is over ciphertext (SP 800-38D 7.1, 7.2): before CTR when
 * decrypting, after it when encrypting.
 * Pre: encrypt is the same for all pieces of a message.
 * UNTRUSTED: data, when decrypting; what comes out is not authenticated
 * before the tag was compared.
 * Fuzz: fuzz/fuzz_gcm.c, fuzz/fuzz_container.c.
 * Tests: vectors/aes256gcm.txt (one byte at a time, all splits, in place). */
ef_status
ef_gcm_crypt(ef_gcm *g, void *data, size_t n, int encrypt, ef_err *err)
{
    unsigned char *p = data;
    size_t head = (16 - g->n % 16) % 16, body;
    ef_status rc = gcm_room(g->n, n, err);

    if (rc != EF_OK || n == 0)
        return rc;
    head = head < n ? head : n;
    if (head > 0)
        gcm_partial(g, p, head, encrypt);
    body = (n - head) / 16 * 16;
    if (body > 0) {
        if (!encrypt)
            gcm_ghash(g, g->y, p + head, body);
        gcm_ctr(g, g->n / 16 + 1, p + head, body);
        if (encrypt)
            gcm_ghash(g, g->y, p + head, body);
        g->n += body;
    }
    if (head + body < n)
        gcm_partial(g, p + head + body, n - head - body, encrypt);
    return EF_OK;
}

/* Hash the lengths, encrypt the hash: the message is over. Between the last
 * two lines tag holds GHASH as it is, a secret, and is then encrypted in
 * place. Source: SP 800-38D 7.1, steps 5 and 6. */
static void
gcm_finish(ef_gcm *g, unsigned char tag[EF_TAG_BYTES])
{
    unsigned char lengths[16];

    /* in bits; AAD lies in memory, so that * 8 cannot wrap */
    put_be64(lengths, g->aad_n * 8);
    put_be64(lengths + 8, g->n * 8);
    gcm_ghash(g, g->y, lengths, 16);
    memcpy(tag, g->y, 16);
    gcm_ctr(g, 0, tag, 16);
}

/* Pre: once for a message: y has the lengths in it afterwards, and only
 * ef_gcm_start makes g good for another. */
void
ef_gcm_tag(ef_gcm *g, unsigned char tag[EF_TAG_BYTES])
{
    if (g->n % 16 != 0)
        gcm_ghash(g, g->y, g->cipher, g->n % 16); /* pads with zeros */
    gcm_finish(g, tag);
}

/* A whole message in place, with a context of its own; its tag to tag.
 * Secret: the context, which ends here on every path.
 * Fails: EF_E_MEMORY, with data untouched and no tag; the limit was asked. */
static ef_status
gcm_once(unsigned char *data, unsigned char tag[EF_TAG_BYTES],
         const unsigned char key[EF_KEY_BYTES],
         const unsigned char nonce[EF_NONCE_BYTES], ef_slice aad, size_t n,
         int encrypt, const ef_gcm_kernel *kernel, ef_err *err)
{
    ef_gcm *g = ef_gcm_new(key, kernel);
    ef_status rc;

    if (g == NULL)
        return reject_memory(err);
    ef_gcm_start(g, nonce, aad.p, aad.n);
    rc = ef_gcm_crypt(g, data, n, encrypt, err);
    ef_gcm_tag(g, tag);
    ef_gcm_free(g);
    return rc;
}

/* in is moved to out first, so that all work is in place and out may overlap
 * in. Both may be NULL when n is 0. Where it fails the plaintext that was
 * moved is wiped.
 * Source: SP 800-38D 7.1.
 * Fuzz: fuzz/fuzz_gcm.c. */
ef_status
ef_gcm_seal(unsigned char *out, unsigned char tag[EF_TAG_BYTES],
            const unsigned char key[EF_KEY_BYTES],
            const unsigned char nonce[EF_NONCE_BYTES], const void *aad,
            size_t aad_n, const unsigned char *in, size_t n,
            const ef_gcm_kernel *kernel, ef_err *err)
{
    ef_status rc = gcm_room(0, n, err);

    if (rc != EF_OK)
        return rc; /* no secret exists yet */
    if (n > 0 && out != in)
        memmove(out, in, n);
    rc = gcm_once(out, tag, key, nonce, slice(aad, aad_n), n, 1, kernel, err);
    if (rc != EF_OK)
        ef_wipe(out, n); /* still the plaintext */
    return rc;
}

/* Decrypts before the tag is known, in the caller's memory, and takes it
 * back where the tag is wrong: out is never left with unauthenticated bytes.
 * UNTRUSTED: nonce, aad, in and tag.
 * Secret: out; and want, which would be a valid tag for a forged message: it
 * is compared in constant time and wiped.
 * Fails: EF_E_AUTH for one flipped bit anywhere. Source: SP 800-38D 7.2.
 * Fuzz: fuzz/fuzz_gcm.c. Tests: vectors/aes256gcm.txt, tests/unit.c
 * (test_gcm_every_bit), tests/ct.c. */
ef_status
ef_gcm_open(unsigned char *out, const unsigned char key[EF_KEY_BYTES],
            const unsigned char nonce[EF_NONCE_BYTES], const void *aad,
            size_t aad_n, const unsigned char *in, size_t n,
            const unsigned char tag[EF_TAG_BYTES], const ef_gcm_kernel *kernel,
            ef_err *err)
{
    unsigned char want[EF_TAG_BYTES];
    ef_status rc = gcm_room(0, n, err);

    if (rc != EF_OK)
        return rc; /* no secret exists yet */
    if (n > 0 && out != in)
        memmove(out, in, n);
    rc = gcm_once(out, want, key, nonce, slice(aad, aad_n), n, 0, kernel, err);
    if (rc == EF_OK && !ef_equal(want, tag, EF_TAG_BYTES))
        rc = reject(err, EF_E_AUTH, EF_NOWHERE, "authentication failed");
    if (rc != EF_OK)
        ef_wipe(out, n); /* never release unauthenticated bytes */
    ef_wipe(want, sizeof want);
    return rc;
}

/* ======================================================================= *
 * 8. DATASET FILES    keys, files, credentials, results    (key_, file_,  *
 *                                                    pump_, cred_, res_)  *
 *   In       dataset files, key files, credentials, results   UNTRUSTED   *
 *   Out      plaintext, to a name only after its tag verified, and to a   *
 *            stream only in a second pass over what verified              *
 *   Secret   keys and the I/O buffers: ef_secret_alloc memory             *
 *   Needs    1, 2, 3, 7                                                   *
 *   Spec     nonce(12) | ciphertext | tag(16), AES-256-GCM, no AAD;       *
 *            Python's json.dumps for credentials and results              *
 *   Tests    vectors/container.txt vectors/credentials.txt                *
 *            vectors/result.txt vectors/locations.txt vectors/names.txt   *
 *            vectors/limits.txt vectors/commands.txt tests/data.bats      *
 *            tests/atomic.bats tests/inject.bats                          *
 *   Fuzz     fuzz/fuzz_key.c fuzz/fuzz_container.c                        *
 *            fuzz/fuzz_credentials.c fuzz/fuzz_result.c                   *
 *            fuzz/fuzz_location.c fuzz/fuzz_name.c                        *
 * ======================================================================= */

/* Plaintext gets no name that was asked for and reaches no stream
 * before its tag has verified. To a file: one pass into an unnamed file
 * (O_TMPFILE), which gets its name after the tag. To a stream: a first
 * pass checks the tag and records GHASH after each chunk, a mark; the
 * second writes a chunk only when nonce and mark are the same, so what
 * changed in between is noticed first. Input that can't be read
 * twice is spooled to TMPDIR, still encrypted.
 * Threads hash chunks of 512 KiB from zero. GHASH is a polynomial in H,
 * so gcm_fold puts them in order: y = y * H^m + y_chunk, m its blocks.
 * Windows that remain: a new file that replaces another is named
 * ".encflow-" and 16 digits until rename, by a child that outlives a
 * SIGKILL of its parent; power loss just there leaves it, whole.
 * Without O_TMPFILE that is its name, mode 0600, while it is written:
 * signals remove it, SIGKILL does not. */

/* UNTRUSTED: text. Trailing white space is let pass because editors and
 * echo(1) add it; leading white space is not, nor are digits in groups.
 * 64 characters go to ef_hex_decode, whose time does not depend on them.
 * Only a text that cannot be a key is searched for its fault with hex_span,
 * so the search never walks over a whole key.
 * Secret:  key, wiped on every failure; text is the caller's to wipe.
 * Fuzz: fuzz/fuzz_key.c. Tests: vectors/container.txt, tests/data.bats. */
ef_status
ef_key_parse(unsigned char key[EF_KEY_BYTES], ef_slice text, ef_err *err)
{
    ef_slice hex = slice_trim_end(text);
    size_t n;

    if (hex.n == EF_KEY_HEX_BYTES)
        return ef_hex_decode(key, EF_KEY_BYTES, hex, err);
    ef_wipe(key, EF_KEY_BYTES);
    if (hex.n == 0)
        return reject(err, EF_E_FORMAT, 0, "empty where a key should be");
    /* a wrong character inside the first 64 is worth more to the user
     * than the count, which is wrong as well */
    n = hex_span(hex);
    return reject(err, EF_E_FORMAT, n,
                  n < hex.n && n < EF_KEY_HEX_BYTES
                      ? "not a hex digit"
                      : "a key has 64 hex digits, not more and not fewer");
}

/* --- decrypting what arrives in pieces --- */

/* gcm stays the caller's, and may be used for one stream at a time.
 * Nothing is allocated: there is nothing to free. */
void
ef_open_init(ef_open *o, ef_gcm *gcm)
{
    *o = (ef_open){.gcm = gcm};
}

/* Append the plaintext of n bytes at in to out + *out_n, and count them.
 * Pre:     out has room for them; in does not overlap it.
 * Post:    they are NOT authenticated.
 * Fails:   EF_E_LIMIT past EF_MAX_PLAINTEXT_BYTES: ef_gcm_crypt touches
 * nothing then, and out holds ciphertext, which nobody may use.
 * Never called with in NULL and n > 0, and memcpy is spared NULL. */
static ef_status
open_some(ef_open *o, unsigned char *out, size_t *out_n,
          const unsigned char *in, size_t n, ef_err *err)
{
    if (n == 0)
        return EF_OK;
    memcpy(out + *out_n, in, n);
    *out_n += n;
    return ef_gcm_crypt(o->gcm, out + *out_n - n, n, 0, err);
}

/* UNTRUSTED: in. The format has no length, so any 16 bytes may turn out to
 * be the tag: they wait in o->tail, and only what is older is decrypted.
 * Example, after the nonce: 20 bytes come, 4 are released and 16 stay; 3
 * more come, the 3 oldest of the tail are released and the 3 join it.
 * Secret:  out is plaintext without a verdict; callers keep it in a file
 * without a name (store_input_sink) until ef_open_end.
 * Fuzz: fuzz/fuzz_container.c. Tests: vectors/container.txt. */
ef_status
ef_open_push(ef_open *o, unsigned char *out, size_t *out_n, ef_slice in,
             ef_err *err)
{
    size_t release, old;
    ef_status rc;

    *out_n = 0;
    while (o->seen < EF_NONCE_BYTES && in.n > 0) {
        o->nonce[o->seen++] = in.p[0];
        in = slice_from(in, 1);
        if (o->seen == EF_NONCE_BYTES)
            ef_gcm_start(o->gcm, o->nonce, NULL, 0);
    }
    /* seen <= 2^36 before a refusal, so it cannot wrap; what in still has
     * follows the nonce */
    o->seen += in.n;
    if (o->tail_n + in.n <= EF_TAG_BYTES) {
        if (in.n > 0)
            memcpy(o->tail + o->tail_n, in.p, in.n);
        o->tail_n += (unsigned)in.n;
        return EF_OK;
    }
    /* All but the last 16 bytes of tail and in together is ciphertext.
     * The branch above left more than 16, so release is at least 1. */
    release = o->tail_n + in.n - EF_TAG_BYTES;
    /* first the released part of the tail, which is older than in */
    old = release < o->tail_n ? release : o->tail_n;
    rc = open_some(o, out, out_n, o->tail, old, err);
    memmove(o->tail, o->tail + old, o->tail_n - old);
    o->tail_n -= (unsigned)old;
    if (rc == EF_OK)
        rc = open_some(o, out, out_n, in.p, release - old, err);
    /* in's rest and the tail's rest are 16 bytes together; they are kept
     * also after a failure, so that the state stays consistent */
    in = slice(in.p + (release - old), in.n - (release - old));
    memcpy(o->tail + o->tail_n, in.p, in.n);
    o->tail_n += (unsigned)in.n;
    return rc;
}

/* EF_E_FORMAT: not even a nonce and a tag, so there is nothing to
 * authenticate. One wording for all who open: streams, files and results. */
static ef_status
open_too_short(ef_err *err)
{
    return with_hint(err,
                     reject(err, EF_E_FORMAT, EF_NOWHERE,
                            "shorter than 28 bytes: no dataset file"),
                     "a dataset file is made by `encflow enc`; was the copy "
                     "cut short?");
}

/* EF_E_AUTH. A tag cannot tell a wrong key from a changed byte or a lost
 * end, so the hint names all three. */
static ef_status
open_auth_failed(ef_err *err)
{
    return with_hint(
        err, reject(err, EF_E_AUTH, EF_NOWHERE, "authentication failed"),
        "another key was used, or the file was changed or cut "
        "short");
}

/* The one verdict on all that ef_open_push gave out. Both tags are compared
 * in constant time, so that nothing tells how much of a forged one is right.
 * Secret:  the computed tag, wiped: it would authenticate a forgery. */
ef_status
ef_open_end(ef_open *o, ef_err *err)
{
    unsigned char tag[EF_TAG_BYTES];
    int same;

    /* tail may be half filled: nothing in it is a tag yet */
    if (o->seen < EF_OVERHEAD_BYTES)
        return open_too_short(err);
    ef_gcm_tag(o->gcm, tag);
    same = ef_equal(tag, o->tail, EF_TAG_BYTES);
    ef_wipe(tag, sizeof tag);
    return same ? EF_OK : open_auth_failed(err);
}

#ifndef EF_NO_MAIN /* the library has no use for files, 11, 13 and 16 */

/* A name is complete: buf_cstr will give it whole. Its NUL may need room, too,
 * and a name that became "" or was cut would be another's. */
static ef_status
file_end_name(ef_buf *b, ef_err *err)
{
    (void)buf_cstr(b);
    return buf_status(b, err);
}

/* --- files --- */

/* A system call failed: reject() that keeps errno in err->sys.
 * Pre:     errno is of that call: nothing was called since. */
static ef_status
reject_sys(ef_err *err, ef_status code, const char *msg)
{
    int saved = errno;
    ef_status rc = reject(err, code, EF_NOWHERE, msg);

    if (err != NULL)
        err->sys = saved;
    return rc;
}

/* with_where for a path; NULL, a standard stream, is told as "-". The
 * innermost name stays, so outer levels may name theirs without asking. */
static ef_status
with_file(ef_err *err, ef_status rc, const char *path)
{
    return with_where(err, rc, slice_str(path != NULL ? path : "-"));
}

/* After a read or write that failed: is it worth another try? EINTR is, at
 * once. EAGAIN is after a wait: whoever shares our terminal or pipe may have
 * made the descriptor non-blocking, and that is no error of the data.
 * Pre:     errno is of the failed call. Waits without a limit, as the
 * blocking call would have. */
static int
file_wait(int fd, short events)
{
    struct pollfd p = {fd, events, 0};

    if (errno == EAGAIN)
        return poll(&p, 1, -1) > 0 || errno == EINTR;
    return errno == EINTR;
}

/* Up to n bytes; fewer only at the end of the file. -1: errno. So callers
 * may take a short count for the end, which read(2) alone does not say of a
 * pipe. Bytes read before an error are lost to the caller: all give up then. */
static ssize_t
file_read_full(int fd, void *p, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t k = read(fd, (char *)p + got, n - got);

        if (k < 0 && file_wait(fd, POLLIN))
            continue;
        if (k < 0)
            return -1;
        if (k == 0)
            break;
        got += (size_t)k;
    }
    return (ssize_t)got;
}

/* All n bytes, through short writes and EINTR, or EF_E_IO with errno.
 * SIGPIPE is ignored by cli_harden, so a closed pipe comes here as EPIPE.
 * Fails:   a full disk (ENOSPC), a reader that went away (EPIPE).
 * Tests: tests/atomic.bats ("a full, closed or deaf standard output"). */
static ef_status
file_write_full(int fd, const void *p, size_t n, ef_err *err)
{
    size_t done = 0;

    while (done < n) {
        ssize_t k = write(fd, (const char *)p + done, n - done);

        if (k < 0 && file_wait(fd, POLLOUT))
            continue;
        if (k < 0)
            return reject_sys(err, EF_E_IO, "cannot write");
        done += (size_t)k;
    }
    return EF_OK;
}

/* No name or "-": standard input or output. A file of that name is ./-. */
static int
file_is_std(const char *path)
{
    return path == NULL || strcmp(path, "-") == 0;
}

/* Open for reading; "-" or NULL is standard input. The caller closes it
 * (file_close leaves standard input alone). Any kind of file will do, also a
 * pipe or a device: its bytes are judged by who parses them. A folder is
 * refused here, where it can be named, not at the first read.
 * Fails:   EF_E_IO, *fd is -1 then (also for a folder on standard input). */
static ef_status
file_open(int *fd, const char *path, ef_err *err)
{
    struct stat st;

    *fd = file_is_std(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return with_file(err, reject_sys(err, EF_E_IO, "cannot open"), path);
    if (fstat(*fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!file_is_std(path))
            close(*fd);
        *fd = -1;
        errno = EISDIR;
        return with_file(err, reject_sys(err, EF_E_IO, "cannot read"), path);
    }
    return EF_OK;
}

/* Open what must be a plain file: nobody waits for a pipe's other end, and
 * no device is read for ever. For files whose place somebody else fills:
 * ports folders and file:// locations.
 * Post:    O_NONBLOCK stays set, which means nothing to a plain file.
 * Fails:   EF_E_IO for a folder, fifo, socket or device, or none at all. */
static ef_status
file_open_regular(int *fd, const char *path, ef_err *err)
{
    struct stat st;

    /* the kind is asked of the descriptor, not of the name, which may
     * mean something else a moment later; O_NONBLOCK lets a fifo open */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return with_file(err, reject_sys(err, EF_E_IO, "cannot open"), path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        return EF_OK;
    close(*fd);
    *fd = -1;
    return with_file(err, reject(err, EF_E_IO, EF_NOWHERE, "not a plain file"),
                     path);
}

/* Leaves -1 and the standard streams alone, so that error paths call it
 * whatever they have. close(2)'s result is not looked at: what was written
 * is synced by then, or thrown away. */
static void
file_close(int fd)
{
    if (fd > STDERR_FILENO)
        close(fd);
}

/* All of fd, at most cap - 1 bytes, into buf; closes it. limit is the
 * message when there is more: the last byte of buf is there to notice that.
 * Post:    *n is 0 on failure, but buf may hold bytes: callers wipe it.
 * Fails:   EF_E_IO; EF_E_LIMIT with the first offset too many. */
static ef_status
file_read_fd(unsigned char *buf, size_t cap, size_t *n, int fd,
             const char *path, const char *limit, ef_err *err)
{
    ef_status rc = EF_OK;
    ssize_t got;

    *n = 0;
    /* cap bytes are one more than may come: a full buffer is too much */
    got = file_read_full(fd, buf, cap);
    if (got < 0)
        rc = reject_sys(err, EF_E_IO, "cannot read");
    else if ((size_t)got == cap)
        rc = reject(err, EF_E_LIMIT, cap - 1, limit);
    else
        *n = (size_t)got;
    file_close(fd);
    return with_file(err, rc, path);
}

/* A whole file into buf, as file_read_fd has it; for documents. Sizes are
 * never asked of the file beforehand: a pipe has none, and one may change. */
static ef_status
file_read_small(unsigned char *buf, size_t cap, size_t *n, const char *path,
                const char *limit, ef_err *err)
{
    int fd;
    ef_status rc = file_open(&fd, path, err);

    *n = 0;
    return rc != EF_OK ? rc : file_read_fd(buf, cap, n, fd, path, limit, err);
}

/* key: EF_KEY_BYTES in ef_secret_alloc memory. path "-" is standard input.
 * Secret:  the file's text is in secret memory too, wiped before return; it
 * never passes through a stdio buffer. Messages tell where, never what.
 * Fails:   EF_E_FORMAT, EF_E_LIMIT (no key, and a hint how to make one),
 * EF_E_IO, EF_E_MEMORY. key is zero or untouched then, never half a key.
 * Limits:  EF_MAX_KEY_FILE_BYTES. Tests: tests/data.bats ("a bad key file"). */
static ef_status
file_read_key(unsigned char key[EF_KEY_BYTES], const char *path, ef_err *err)
{
    size_t n;
    unsigned char *text = ef_secret_alloc(EF_MAX_KEY_FILE_BYTES + 1, NULL);
    ef_status rc;

    if (text == NULL)
        return reject_memory(err);
    rc = file_read_small(text, EF_MAX_KEY_FILE_BYTES + 1, &n, path,
                         "key file larger than EF_MAX_KEY_FILE_BYTES (4096)",
                         err);
    if (rc == EF_OK)
        rc = with_file(err, ef_key_parse(key, slice(text, n), err), path);
    /* not for a file that is missing: its name may be the mistake */
    if (rc == EF_E_FORMAT || rc == EF_E_LIMIT)
        with_hint(err, rc, "make a key with: encflow keygen -o FILE");
    ef_secret_free(text, EF_MAX_KEY_FILE_BYTES + 1);
    return rc;
}

#define FILE_TEMP_BYTES 32 /* ".encflow-" and 16 hex digits */

/* An output that appears whole or not at all. Begun by file_out_begin, ended
 * by file_out_commit or file_out_abort, whichever comes first. At most one
 * of three kinds: a stream, an unnamed file, or a file named temp. Both
 * names are relative to dir, so a folder that is renamed meanwhile still
 * gets the file, and no link in the path is followed a second time. stray
 * is set exactly while named is, so that a signal handler can remove temp. */
struct file_out {
    /* the descriptors are this struct's to close, but for standard output */
    int dir, fd; /* its folder, itself; -1: not open */
    int stream;  /* a pipe, a terminal, a device: written as it is */
    int replace; /* an existing file may be replaced */
    int named;   /* fd has the name temp: no O_TMPFILE here */
    mode_t mode; /* given at the end; 0600 until then */
    struct file_stray *stray; /* where temp is noted, or NULL */
    char name[NAME_MAX + 1];
    char temp[FILE_TEMP_BYTES];
};

/* Temporary names now on a disk, for a signal handler to remove: only where
 * O_TMPFILE is missing. (What file_replace names needs no note: its child
 * finishes the moment whatever happens to us.) A fixed table, because a
 * handler may not allocate. section 11 writes HTTP_MAX_PARALLEL at most. */
#define FILE_STRAYS 16 /* more than are ever written at once */

static struct file_stray {
    /* the slot is in use; written last when it is taken, first looked at */
    volatile sig_atomic_t on; /* there is such a name */
    int dir;
    char temp[FILE_TEMP_BYTES];
} file_strays[FILE_STRAYS];

/* on is set last: the handler may come at any moment, in another thread too,
 * and must never see a slot that is half filled.
 * Pre:     signals are blocked in this thread, and no other writes files.
 * Post:    o->stray is the slot. The last slot is shared if all are taken,
 * which HTTP_MAX_PARALLEL < FILE_STRAYS rules out. */
static void
file_stray_set(struct file_out *o)
{
    size_t i = 0;

    while (i + 1 < FILE_STRAYS && file_strays[i].on)
        i++;
    file_strays[i].dir = o->dir;
    memcpy(file_strays[i].temp, o->temp, sizeof o->temp);
    file_strays[i].on = 1;
    o->stray = &file_strays[i];
}

/* Async-signal-safe, like the function after it: unlinkat and two stores.
 * A name that is gone already is no error; the slot is free afterwards.
 * Only the process that wrote the name looks here: file_replace's child
 * leaves by _exit and runs no handler. */
static void
file_stray_remove(struct file_stray *stray)
{
    if (stray != NULL && stray->on) {
        (void)unlinkat(stray->dir, stray->temp, 0);
        stray->on = 0;
    }
}

/* For cli_on_signal_now, just before the signal ends the process. */
static void
file_strays_remove(void)
{
    size_t i;

    for (i = 0; i < FILE_STRAYS; i++)
        file_stray_remove(&file_strays[i]);
}

/* How an output may come into being; a command ORs what it needs. enc has
 * none of the first three, dec FILE_PRIVATE, a key file and credentials.bin
 * FILE_SECRET and, without --force, FILE_KEEP. */
enum file_flags {
    FILE_PRIVATE = 1, /* a new file is 0600, whatever the umask */
    FILE_KEEP = 2,    /* an existing file is never replaced */
    FILE_SECRET = 4,  /* 0600 also where a file with another mode stood */
    FILE_BINARY = 8   /* not to a terminal: a key, too */
};

/* The folder and last name of path, symbolic links followed to their end, so
 * that a link's target is replaced and not the link. Post: o->dir is open
 * and o->name has no slash. Example: "a/b" -> dir a, name b; "b" -> dir ".".
 * Fails:   EF_E_IO: a dangling link, "" or "dir/", a name over NAME_MAX, no
 * such folder. o->dir may be open then; file_out_abort closes it.
 * Tests: tests/atomic.bats ("output is a link ..."). */
static ef_status
file_split(struct file_out *o, const char *path, ef_err *err)
{
    struct stat st;
    char full[PATH_MAX], *slash;
    size_t n = strlen(path);
    int found = lstat(path, &st) == 0;

    /* it may be a link, which must not be replaced itself */
    if (!found && errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
        return reject_sys(err, EF_E_IO, "cannot write there");
    /* A link in an earlier part of the path needs no care: open(2) on the
     * folder follows it. */
    if (found && S_ISLNK(st.st_mode)) {
        /* PATH_MAX bytes, as realpath(3) asks for */
        if (realpath(path, full) == NULL)
            return reject_sys(err, EF_E_IO, "cannot follow this link");
    } else if (n == 0 || n >= sizeof full) {
        errno = n == 0 ? ENOENT : ENAMETOOLONG;
        return reject_sys(err, EF_E_IO, "cannot write there");
    } else {
        memcpy(full, path, n + 1);
    }
    slash = strrchr(full, '/');
    n = strlen(slash != NULL ? slash + 1 : full);
    if (n == 0 || n >= sizeof o->name) {
        errno = n == 0 ? EISDIR : ENAMETOOLONG;
        return reject_sys(err, EF_E_IO, "cannot write there");
    }
    memcpy(o->name, slash != NULL ? slash + 1 : full, n + 1);
    if (slash == NULL)
        memcpy(full, ".", 2);
    else
        /* "/name": the folder is "/", so its slash stays */
        slash[slash == full] = '\0';
    /* all later calls are relative to it: openat, linkat, renameat */
    o->dir = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dir < 0) /* one may be allowed to write there, but not to list */
        o->dir = open(full, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (o->dir < 0)
        return reject_sys(err, EF_E_IO, "cannot open its folder");
    return EF_OK;
}

/* o->temp becomes a name nobody else has: what bears it later was made by
 * this process, so removing it can harm nobody. 64 random bits: another
 * process does not guess it, and O_EXCL or link(2) refuses what exists.
 * Also used by run_lift. Fails: EF_E_IO where getrandom gives nothing. */
static ef_status
file_temp_name(struct file_out *o, ef_err *err)
{
    unsigned char random[8];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return reject_sys(err, EF_E_IO, "the kernel gave no random bytes");
    memcpy(o->temp, ".encflow-", 9);
    ef_hex_encode(o->temp + 9, random, sizeof random, 0);
    o->temp[9 + 2 * sizeof random] = '\0';
    return EF_OK;
}

/* Give the unnamed file fd a name that is free. 0, or -1 with errno; EEXIST
 * where the name is taken, and nothing has changed. link(2) never replaces,
 * which is what makes "no --force" safe against a race.
 * Pre:     fd was opened with O_TMPFILE and without O_EXCL, which would keep
 * it from ever having a name. */
static int
file_link(int fd, int dir, const char *name)
{
    char proc[40];

    /* needs CAP_DAC_READ_SEARCH on older kernels, but no /proc */
    if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno == EEXIST)
        return -1;
    /* 14 characters and at most 11 of the number: fits in 40 */
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW);
}

/* Could an unnamed file get a name later? Without /proc that takes a right
 * which older kernels keep for few: it is tried, on an empty file, before
 * hours of work depend on it. Signals wait, so that the trial's name cannot
 * stay behind.
 * 1 or 0. Tests: tests/atomic.bats, where neither way is there.
 * Pre:     o->dir is open and o->temp is a fresh name. */
static int
file_can_link(const struct file_out *o)
{
    sigset_t all, before;
    int fd, can;

    if (access("/proc/self/fd", X_OK) == 0)
        return 1;
    fd = openat(o->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    can = fd >= 0 && file_link(fd, o->dir, o->temp) == 0;
    if (can)
        (void)unlinkat(o->dir, o->temp, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    file_close(fd);
    return can;
}

/* Create o->temp, noted for the signal handler before any signal comes.
 * 0, or -1 with errno. O_EXCL and O_NOFOLLOW: a name that somebody put there
 * is never written through. Mode 0600 until file_out_commit.
 * Tests: tests/atomic.bats ("without O_TMPFILE: ..."). */
static int
file_named(struct file_out *o)
{
    sigset_t all, before;
    int saved;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    o->fd = openat(o->dir, o->temp,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    saved = errno;
    /* before signals come again, or one could leave the name behind */
    o->named = o->fd >= 0;
    if (o->named)
        file_stray_set(o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return o->named ? 0 : -1;
}

/* An unnamed file in the folder; where the file system has none, or nothing
 * could give it a name later, one named temp. An unnamed file goes with its
 * last descriptor, so SIGKILL and a crash leave nothing.
 * Mode 0600 in either case: nobody else reads what has no verdict yet.
 * Fails:   EF_E_IO: no right to write in the folder, a read-only disk. */
static ef_status
file_temp(struct file_out *o, ef_err *err)
{
    ef_status rc = file_temp_name(o, err);

    if (rc != EF_OK)
        return rc;
    o->fd = -1;
    if (file_can_link(o))
        o->fd = openat(o->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    /* EOPNOTSUPP on NFS and old overlays; any other error shows again here */
    if (o->fd < 0 && file_named(o) != 0)
        return reject_sys(err, EF_E_IO, "cannot write in its folder");
    return EF_OK;
}

/* Closes all and removes the temporary name remembered; an unnamed file
 * goes with its descriptor. Safe twice, and after a commit: everything it
 * closes is set to -1. Standard output stays open. */
static void
file_out_abort(struct file_out *o)
{
    /* by name in a folder that is still open: first this, then the closing */
    file_stray_remove(o->stray);
    o->stray = NULL;
    file_close(o->fd);
    if (o->dir >= 0)
        close(o->dir);
    o->fd = o->dir = -1;
    o->named = 0;
}

/* A device, pipe or terminal at path is written to as it is. 1 when it is,
 * with the outcome in *rc, which is left alone otherwise. O_NOCTTY: opening
 * a terminal must not make it ours. A path that does not exist is 0.
 * Fails:   EF_E_USAGE for binary data to a terminal, EF_E_IO. */
static int
file_is_stream(struct file_out *o, const char *path, int flags, ef_status *rc,
               ef_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return 0;
    o->stream = 1;
    /* a fifo waits here for its reader, as with any other program */
    o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        *rc = reject_sys(err, EF_E_IO, "cannot open");
    else if ((flags & FILE_BINARY) && isatty(o->fd))
        *rc = with_hint(err,
                        reject(err, EF_E_USAGE, EF_NOWHERE,
                               "a key or binary data is not written to a "
                               "terminal"),
                        "say --force");
    return 1;
}

/* What stands at the name already decides: a folder is refused, a file will
 * be replaced, or not. Asked now so that a wrong name costs no work; asked
 * again, in effect, by link(2) in file_place, where it counts.
 * Post:    o->mode is the old file's, without set-user-ID bits, or stays.
 * Fails:   EF_E_IO with EISDIR, EEXIST (FILE_KEEP), EACCES, or whatever keeps
 * it from being asked. */
static ef_status
file_existing(struct file_out *o, int flags, ef_err *err)
{
    struct stat st;

    if (fstatat(o->dir, o->name, &st, 0) != 0) {
        if (errno == ENOENT)
            return EF_OK;
        /* it may be there: its mode, and --force, must not be missed */
        return reject_sys(err, EF_E_IO, "cannot write there");
    }
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return reject_sys(err, EF_E_IO, "cannot write there");
    }
    if (flags & FILE_KEEP) {
        errno = EEXIST;
        return with_hint(err, reject_sys(err, EF_E_IO, "not overwritten"),
                         "choose another name, or say --force");
    }
    /* rename(2) would replace a read-only file, which nobody expects */
    if (faccessat(o->dir, o->name, W_OK, AT_EACCESS) != 0)
        return reject_sys(err, EF_E_IO, "cannot write");
    if (!(flags & FILE_SECRET))
        o->mode = st.st_mode & 0777; /* no set-user-ID on a new inode */
    return EF_OK;
}

/* On EF_OK the caller writes to o->fd, then ends it with file_out_commit
 * or file_out_abort. On failure nothing is left open, and abort is harmless.
 * path NULL or "-" is standard output; flags are of enum file_flags.
 * umask(2) is read by setting it: no thread may create a file meanwhile.
 * That holds: pump's helpers do not run yet, and section 11 has one thread.
 * Fails:   EF_E_IO, EF_E_USAGE. Tests: tests/atomic.bats. */
static ef_status
file_out_begin(struct file_out *o, const char *path, int flags, ef_err *err)
{
    mode_t mask = umask(0);
    ef_status rc;

    (void)umask(mask);
    *o = (struct file_out){.dir = -1, .fd = -1};
    if (file_is_std(path)) {
        o->fd = STDOUT_FILENO;
        o->stream = 1;
        return EF_OK;
    }
    /* of a new file; file_existing puts an old file's mode in its place */
    o->mode = flags & (FILE_PRIVATE | FILE_SECRET) ? 0600 : 0666 & ~mask;
    o->replace = !(flags & FILE_KEEP);
    rc = EF_OK;
    if (!file_is_stream(o, path, flags, &rc, err)) {
        rc = file_split(o, path, err);
        if (rc == EF_OK)
            rc = file_existing(o, flags, err);
        if (rc == EF_OK)
            rc = file_temp(o, err);
    }
    if (rc != EF_OK)
        file_out_abort(o);
    return with_file(err, rc, path);
}

/* Link the unnamed file to temp and rename it over the old one. 0 or errno,
 * which fits an exit status: file_replace carries it home that way. */
static int
file_swap(const struct file_out *o)
{
    int saved;

    if (file_link(o->fd, o->dir, o->temp) != 0)
        return errno;
    /* atomic: whoever opens the name gets the old file or the new one */
    if (renameat(o->dir, o->temp, o->dir, o->name) == 0)
        return 0;
    /* the old file stands; only the name we just gave has to go */
    saved = errno;
    (void)unlinkat(o->dir, o->temp, 0);
    return saved;
}

/* No system call replaces a file by an unnamed one, so it has a name of its
 * own for a moment. A child does that, with signals blocked: it lives on
 * when SIGKILL ends this process, and the moment ends all the same. 0, or -1
 * with errno.
 * Pre:     signals are blocked (file_out_commit); the child inherits that.
 * The child makes system calls and one snprintf, then _exit: no buffer is
 * flushed twice, and secret memory is zero in it (MADV_WIPEONFORK).
 * Tests: tests/atomic.bats ("killed while a file is replaced"). */
static int
file_replace(const struct file_out *o)
{
    pid_t pid = fork();
    int status = -1; /* until it is told: no exit */

    if (pid == 0)
        _exit(file_swap(o));
    /* no process to be had: the same without its protection */
    if (pid < 0) {
        errno = file_swap(o);
        return errno == 0 ? 0 : -1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    /* a child that was killed may have left temp, and says nothing */
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return errno == 0 ? 0 : -1;
}

/* Put the complete file in its place; signals wait meanwhile. 0, or -1 with
 * errno. One of four ways: link the unnamed file to a free name; link and
 * rename it over an old one; and the same two for a file named temp.
 * Fails:   EEXIST where FILE_KEEP was said and the name came up meanwhile. */
static int
file_place(struct file_out *o)
{
    int rc;

    /* the usual way: nothing was there, and the file appears in one step */
    if (!o->named && file_link(o->fd, o->dir, o->name) == 0)
        return 0;
    if (!o->named)
        return errno == EEXIST && o->replace ? file_replace(o) : -1;
    /* link and not rename: it refuses a name that came up meanwhile */
    if (!o->replace)
        return linkat(o->dir, o->temp, o->dir, o->name, 0);
    rc = renameat(o->dir, o->temp, o->dir, o->name);
    if (rc == 0)
        o->stray->on = 0;
    return rc; /* a name that stays behind goes with file_out_abort */
}

/* The output is complete: make it durable, then visible. The order is the
 * point: mode and data reach the disk before the name does, so that a crash
 * leaves the old file or the whole new one. o is closed in every case.
 * Fails:   EF_E_IO, with the old file untouched; only if the last fsync, of
 * the folder, fails does the new file stand although we say no.
 * Tests: tests/atomic.bats (kill -9, full disk), tests/killer.py. */
static ef_status
file_out_commit(struct file_out *o, const char *path, ef_err *err)
{
    sigset_t all, before;
    ef_status rc = EF_OK;

    if (o->stream) {
        /* a network file system may tell of a lost write only now */
        if (o->fd > STDERR_FILENO && close(o->fd) != 0)
            rc = reject_sys(err, EF_E_IO, "cannot write");
        o->fd = -1;
        file_out_abort(o);
        return with_file(err, rc, path);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    /* each step only after the one before it: an || chain in this order */
    if (fchmod(o->fd, o->mode) != 0 || fsync(o->fd) != 0 ||
        file_place(o) != 0 ||
        (fsync(o->dir) != 0 && errno != EBADF)) /* opened with O_PATH */
        rc = reject_sys(err, EF_E_IO, "cannot write");
    file_out_abort(o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return with_file(err, rc, path);
}

/* A small output in one go: key files, credentials, locations.
 * Fails:   EF_E_IO, and then the old file is untouched. Secret: data may be
 * one; it goes to the kernel from where it is. */
static ef_status
file_write(const char *path, int flags, ef_slice data, ef_err *err)
{
    struct file_out o;
    ef_status rc = file_out_begin(&o, path, flags, err);

    if (rc != EF_OK)
        return rc;
    rc = with_file(err, file_write_full(o.fd, data.p, data.n, err), path);
    if (rc == EF_OK)
        return file_out_commit(&o, path, err);
    file_out_abort(&o);
    return rc;
}

/* --- GCM in chunks that can be done at the same time --- */

/* What to do with a chunk that stands by itself, so that several can be done
 * at once: its GHASH starts from zero and is put in its place by gcm_fold.
 * Counter mode needs no such care: a block's key stream depends on its
 * number alone. */
enum gcm_work {
    GCM_SEAL,  /* encrypt, hash the ciphertext */
    GCM_OPEN,  /* hash the ciphertext, decrypt */
    GCM_VERIFY /* hash only */
};

/* y becomes the chunk's own GHASH; block is its first block, from 0 in the
 * message. g is only read, so threads share it. data is changed in place,
 * but for GCM_VERIFY. GHASH is over ciphertext in all three.
 * Pre:     n is whole blocks, or the chunk is the message's last: the hash
 * pads with zeros.
 * Tests: tests/gcm_openssl.c folds chunks in order, against OpenSSL. */
static void
gcm_chunk(const ef_gcm *g, enum gcm_work work, uint64_t block,
          unsigned char *data, size_t n, unsigned char y[16])
{
    memset(y, 0, 16);
    /* before decrypting, since GHASH is over ciphertext */
    if (work != GCM_SEAL)
        gcm_ghash(g, y, data, n);
    /* block 0 of the cipher is the tag's, so the message's 0 is its 1 */
    if (work != GCM_VERIFY)
        gcm_ctr(g, block + 1, data, n);
    if (work == GCM_SEAL)
        gcm_ghash(g, y, data, n);
}

/* x = x * z in GHASH's field: GHASH with key z over one zero block. x and z
 * may be the same: BearSSL's kernels read both before they write x.
 * Tests: tests/ct.c: no branch and no index depends on x or z. */
static void
gcm_multiply(const ef_gcm *g, unsigned char x[16], const unsigned char z[16])
{
    static const unsigned char zero[16];

    g->kernel.ghash(x, z, zero, 16);
}

/* power = H^blocks, by squaring; the exponent is public, so branching on
 * its bits tells nothing. Secret: H and its powers; square is wiped, power
 * is g's own. */
static void
gcm_power(const ef_gcm *g, unsigned char power[16], uint64_t blocks)
{
    unsigned char square[16];

    memcpy(square, g->h, 16);
    memset(power, 0, 16);
    power[0] = 0x80; /* one, in GCM's bit order */
    /* 16 rounds for a full chunk of 2^15 blocks */
    for (; blocks > 0; blocks >>= 1) {
        if (blocks & 1)
            gcm_multiply(g, power, square);
        gcm_multiply(g, square, square);
    }
    ef_wipe(square, sizeof square);
}

/* Append a chunk of n bytes whose own GHASH is y: g->y = g->y * H^m + y,
 * where m is the chunk's blocks. Chunks but the last are a whole number of
 * blocks; the message so far must be too.
 * H^m is kept in g->mark for the size it was made for: all chunks but a
 * message's last have PUMP_CHUNK bytes, so it is computed twice at most.
 * Source: SP 800-38D section 6.4. Tests: tests/gcm_openssl.c. */
static void
gcm_fold(ef_gcm *g, const unsigned char y[16], size_t n)
{
    unsigned i;

    if (g->mark_n != n) {
        gcm_power(g, g->mark, (n + 15) / 16);
        g->mark_n = n;
    }
    gcm_multiply(g, g->y, g->mark);
    for (i = 0; i < 16; i++)
        g->y[i] ^= y[i];
    g->n += n;
}

/* --- whole dataset files, in constant memory --- */

/* Told how far long work has come; total 0 when it is not known. Section 16
 * puts a struct of its own around it. Called by the main thread, once a
 * batch, never from a signal handler. */
struct ef_progress {
    void (*tick)(struct ef_progress *p, uint64_t done, uint64_t total);
};

/* 512 KiB: large enough that locking costs nothing, small enough that eight
 * of them leave most of 32 MiB free. A multiple of 16, as gcm_fold needs. */
#define PUMP_CHUNK ((size_t)512 << 10) /* a thread's share of a batch */
#define PUMP_MAX_THREADS 8

/* A thread's piece of the batch. p points into pump's buf. */
struct pump_chunk {
    unsigned char *p;
    size_t n;
    uint64_t block;      /* its first; the message's first is 0 */
    unsigned char y[16]; /* its own GHASH, from zero */
};

/* Read, work on and write batches of up to `threads` chunks. The main thread
 * alone reads, folds, writes and touches gcm's state; helpers only run
 * gcm_chunk. What they share is from lock on, and read or written under it.
 * The whole struct is wiped by crypt_file. */
struct pump {
    ef_gcm *gcm;
    enum gcm_work work;
    int in, out;          /* descriptors */
    const char *out_name; /* for messages; NULL: stdout */
    unsigned threads;     /* this one and the helpers */
    uint64_t done, total; /* bytes; total 0: not known */
    struct ef_progress *progress;
    /* GHASH after each chunk: recorded by GCM_VERIFY, compared before a
     * chunk is written by GCM_OPEN, so that only what was verified gets out
     * even where the file changes between the passes. 2 MiB for 64 GiB. */
    ef_buf *marks;
    uint64_t mark_total;                 /* plaintext bytes of the first pass */
    unsigned char nonce[EF_NONCE_BYTES]; /* of the verified pass */
    unsigned char *buf;                  /* a batch and a tag: secret memory */
    size_t buf_n;
    unsigned char tag[EF_TAG_BYTES]; /* the last 16 bytes of the input */
    /* the batch, shared with the helpers under lock */
    pthread_mutex_t lock;
    pthread_cond_t go, idle; /* a batch is there; none is busy */
    pthread_t helper[PUMP_MAX_THREADS];
    unsigned helpers; /* started: perhaps fewer than asked */
    struct pump_chunk chunk[PUMP_MAX_THREADS];
    unsigned chunks, next, busy; /* in the batch; begun; being done */
    int stop;                    /* helpers: end */
};

/* Do chunks until none is left. lock is held on entry and on return, and
 * given up while a chunk is worked on. A chunk belongs to who took its
 * number, so nobody else looks at it until busy is 0. */
static void
pump_work(struct pump *p)
{
    while (p->next < p->chunks) {
        struct pump_chunk *c = &p->chunk[p->next++];

        p->busy++;
        pthread_mutex_unlock(&p->lock);
        gcm_chunk(p->gcm, p->work, c->block, c->p, c->n, c->y);
        pthread_mutex_lock(&p->lock);
        p->busy--;
    }
}

/* A helper's life: do chunks, wake the pump when none is being done, wait
 * for the next batch; ends when stop is set. A wake-up for nothing is
 * harmless: pump_work finds no chunk. It burns its own stack, where BearSSL
 * left key stream. */
static void *
pump_helper(void *arg)
{
    struct pump *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        pump_work(p);
        if (p->busy == 0)
            pthread_cond_signal(&p->idle);
        if (!p->stop)
            pthread_cond_wait(&p->go, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    burn_stack();
    return NULL;
}

/* Work on n bytes of the buffer, all threads together; returns when the last
 * chunk is done. n 0 is a batch without chunks.
 * Pre:     n <= threads * PUMP_CHUNK, so chunk[] has room; nobody is busy.
 * Post:    every chunk's y is set, and p->busy is 0. */
static void
pump_batch(struct pump *p, size_t n)
{
    uint64_t at = p->gcm->n;
    size_t off;
    unsigned k = 0;

    pthread_mutex_lock(&p->lock);
    for (off = 0; off < n; off += PUMP_CHUNK, k++) {
        p->chunk[k].p = p->buf + off;
        p->chunk[k].n = n - off < PUMP_CHUNK ? n - off : PUMP_CHUNK;
        p->chunk[k].block = (at + off) / 16;
    }
    p->chunks = k;
    p->next = 0;
    /* one chunk is done here sooner than a helper wakes */
    if (k > 1)
        pthread_cond_broadcast(&p->go);
    pump_work(p);
    /* all are taken now; the others' last ones may still be under way */
    while (p->busy > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* EF_E_AUTH between the two passes of crypt_open_stream. */
static ef_status
open_changed(ef_err *err)
{
    return reject(err, EF_E_AUTH, EF_NOWHERE,
                  "the file changed while it was read");
}

/* Put chunk c's hash in its place; check or record the mark. GHASH after a
 * chunk depends on every byte up to there, so an equal mark means that this
 * prefix is the one that was verified. It is asked before the chunk's
 * plaintext is written.
 * Secret:  a mark tells about the GHASH key; marks live in an ef_buf, which
 * is wiped when it grows and when it is freed.
 * Fails:   EF_E_AUTH where the file changed or grew between the passes;
 * EF_E_MEMORY for the marks. Tests: tests/atomic.bats ("a file that changes
 * under it gives a true prefix"). */
static ef_status
pump_fold(struct pump *p, const struct pump_chunk *c, ef_err *err)
{
    /* of this chunk's mark; every chunk before it was a full one */
    size_t at = p->gcm->n / PUMP_CHUNK * 16;

    gcm_fold(p->gcm, c->y, c->n);
    if (p->marks == NULL || p->work == GCM_SEAL)
        return EF_OK;
    if (p->work == GCM_VERIFY) {
        ef_buf_add(p->marks, p->gcm->y, 16);
        return buf_status(p->marks, err);
    }
    /* more chunks than there were; longer; shorter in its last chunk; or
     * other bytes. A full chunk that is now the last keeps its mark: the
     * tag, which comes too early then, refuses it. */
    if (at + 16 > p->marks->n || p->gcm->n > p->mark_total ||
        (c->n < PUMP_CHUNK && p->gcm->n != p->mark_total) ||
        !ef_equal(p->marks->p + at, p->gcm->y, 16))
        return open_changed(err);
    return EF_OK;
}

/* Names the output in err, so that crypt_file does not blame the input for
 * it.
 * p->out is a file without a verdict, or a stream that pump_fold guards. */
static ef_status
pump_put(struct pump *p, const void *data, size_t n, ef_err *err)
{
    return with_file(err, file_write_full(p->out, data, n, err), p->out_name);
}

/* Fold and write one batch that pump_batch has worked on, in the order of
 * the message. Stops at the first chunk that does not hold: no later byte of
 * the batch is written. */
static ef_status
pump_write(struct pump *p, ef_err *err)
{
    ef_status rc = EF_OK;
    unsigned k;

    /* hashes were made in any order, and are folded in the message's */
    for (k = 0; k < p->chunks && rc == EF_OK; k++) {
        rc = pump_fold(p, &p->chunk[k], err);
        if (rc == EF_OK && p->work != GCM_VERIFY)
            rc = pump_put(p, p->chunk[k].p, p->chunk[k].n, err);
    }
    return rc;
}

/* Each batch but the last is whole chunks, as gcm_fold needs. When
 * opening, the last 16 bytes read always stay behind: they are the tag if
 * the input ends. Limits are asked before work, writes come after
 * pump_fold.
 * Post:    p->tag holds the file's tag after EF_OK, unless sealing.
 * Fails:   EF_E_IO, EF_E_LIMIT (gcm_room), EF_E_FORMAT (no room for a tag),
 * and what pump_write says. */
static ef_status
pump_loop(struct pump *p, ef_err *err)
{
    size_t hold = p->work == GCM_SEAL ? 0 : EF_TAG_BYTES;
    size_t batch = p->threads * PUMP_CHUNK, have = 0, use;
    ef_status rc = EF_OK;
    ssize_t got;
    int eof = 0;

    while (!eof && rc == EF_OK) {
        /* have is 0 or hold here, so this fills the buffer exactly */
        got = file_read_full(p->in, p->buf + have, batch + hold - have);
        if (got < 0)
            return reject_sys(err, EF_E_IO, "cannot read");
        have += (size_t)got;
        /* an input that ends just here shows it in the next round, as an
         * empty batch */
        eof = have < batch + hold;
        if (have < hold)
            return open_too_short(err);
        use = eof ? have - hold : batch;
        /* a pipe may turn out longer than GCM allows; the batch that would pass
         * the limit is not begun */
        rc = gcm_room(p->gcm->n, use, err);
        if (rc != EF_OK)
            return rc;
        pump_batch(p, use);
        rc = pump_write(p, err);
        /* the tag-to-be goes to the front; what is behind it is written over
         * or wiped with the buffer */
        have -= use;
        memmove(p->buf, p->buf + use, have);
        p->done += use;
        if (p->progress != NULL)
            p->progress->tick(p->progress, p->done, p->total);
    }
    if (rc == EF_OK && hold > 0)
        memcpy(p->tag, p->buf, EF_TAG_BYTES);
    return rc;
}

/* Start the helpers, pump everything, stop them. On return no thread is left
 * and the buffer is wiped, however it went.
 * Secret:  p->buf has plaintext: ef_secret_alloc, at most 4 MiB + 16 bytes.
 * Pre:     p->gcm is started; p->threads is 1 to PUMP_MAX_THREADS.
 * Fails:   EF_E_MEMORY, or as pump_loop. */
static ef_status
pump_run(struct pump *p, ef_err *err)
{
    ef_status rc;
    unsigned i;

    p->buf_n = p->threads * PUMP_CHUNK + EF_TAG_BYTES;
    p->buf = ef_secret_alloc(p->buf_n, NULL);
    if (p->buf == NULL)
        return reject_memory(err);
    p->done = 0;
    p->stop = 0;
    p->helpers = 0;
    p->chunks = p->next = p->busy = 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->go, NULL);
    pthread_cond_init(&p->idle, NULL);
    /* threads counts this one, so helper[] has a place to spare */
    while (p->helpers + 1 < p->threads &&
           pthread_create(&p->helper[p->helpers], NULL, pump_helper, p) == 0)
        p->helpers++; /* fewer threads than asked for do the same work */
    rc = pump_loop(p, err);
    /* also after a failure: a helper may wait for a batch that never comes */
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->go);
    pthread_mutex_unlock(&p->lock);
    for (i = 0; i < p->helpers; i++)
        pthread_join(p->helper[i], NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->go);
    pthread_mutex_destroy(&p->lock);
    ef_secret_free(p->buf, p->buf_n);
    p->buf = NULL;
    return rc;
}

/* One enc or dec: what the command line asks of crypt_file. */
struct crypt_job {
    const char *in, *out;         /* paths; NULL or "-": standard streams */
    int fd;                       /* in, open already, and closed here; or -1 */
    int flags;                    /* FILE_BINARY: not to a terminal */
    const unsigned char *key;     /* EF_KEY_BYTES */
    const char *tmpdir;           /* for a ciphertext that can't be re-read */
    unsigned threads;             /* 1 to PUMP_MAX_THREADS */
    struct ef_progress *progress; /* or NULL */
};

/* Bytes left in a regular file, or UINT64_MAX for anything else. Counted
 * from the present offset: `<file` may have been read from already. Only for
 * progress and early refusal; what is read in the end decides.
 * Example: 100 bytes, 12 of them read already -> 88. */
static uint64_t
file_remaining(int fd)
{
    struct stat st;
    off_t at;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return UINT64_MAX;
    at = lseek(fd, 0, SEEK_CUR);
    if (at < 0)
        return UINT64_MAX;
    return st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
}

/* 96 random bits (SP 800-38D 8.2.2); section 8.3 then allows 2^32 messages
 * a key. Never anything else where the kernel has none: a nonce used twice
 * would give away the hash key.
 * A nonce is public: nothing is wiped. */
static ef_status
crypt_nonce(unsigned char nonce[EF_NONCE_BYTES], ef_err *err)
{
    /* up to 256 bytes come whole or not at all, once the pool is ready */
    if (getrandom(nonce, EF_NONCE_BYTES, 0) != EF_NONCE_BYTES)
        return reject_sys(err, EF_E_IO, "the kernel gave no random bytes");
    return EF_OK;
}

/* Nonce, ciphertext, tag from p->in to p->out. To a stream the nonce goes
 * out first; after a failure a reader has a file that does not open.
 * Fails:   EF_E_IO, EF_E_MEMORY, EF_E_LIMIT. Tests: tests/data.bats. */
static ef_status
crypt_seal_stream(struct pump *p, ef_err *err)
{
    unsigned char nonce[EF_NONCE_BYTES], tag[EF_TAG_BYTES];
    ef_status rc = crypt_nonce(nonce, err);

    if (rc != EF_OK)
        return rc;
    ef_gcm_start(p->gcm, nonce, NULL, 0);
    rc = pump_put(p, nonce, sizeof nonce, err);
    if (rc == EF_OK)
        rc = pump_run(p, err);
    if (rc != EF_OK)
        return rc;
    /* chunks were hashed with their padding: no unfinished block is left */
    gcm_finish(p->gcm, tag);
    return pump_put(p, tag, sizeof tag, err);
}

/* One pass over a dataset file: decrypting (GCM_OPEN) or only checking. The
 * file is whatever somebody stored, and reaches no parser: 12 bytes are the
 * nonce, 16 the tag, all between is ciphertext.
 * Post:    EF_OK: the tag of this pass holds. Until then p->out has
 * plaintext only where it bears no name that was asked for, or where marks
 * covered it.
 * Secret:  the computed tag, wiped.
 * Fails:   EF_E_FORMAT, EF_E_AUTH, EF_E_LIMIT, EF_E_IO, EF_E_MEMORY.
 * Tests: tests/data.bats ("any single bit flipped"). */
static ef_status
crypt_open_pass(struct pump *p, enum gcm_work work, ef_err *err)
{
    unsigned char nonce[EF_NONCE_BYTES], tag[EF_TAG_BYTES];
    ssize_t got = file_read_full(p->in, nonce, sizeof nonce);
    int second = p->marks != NULL && work == GCM_OPEN;
    ef_status rc;

    if (got < 0)
        return reject_sys(err, EF_E_IO, "cannot read");
    if (got < (ssize_t)sizeof nonce)
        return open_too_short(err);
    /* another nonce would turn verified ciphertext into other plaintext */
    if (second && memcmp(nonce, p->nonce, sizeof nonce) != 0)
        return open_changed(err); /* the marks do not cover the nonce */
    memcpy(p->nonce, nonce, sizeof nonce);
    p->work = work;
    ef_gcm_start(p->gcm, nonce, NULL, 0);
    rc = pump_run(p, err);
    if (rc != EF_OK)
        return rc;
    gcm_finish(p->gcm, tag);
    if (!ef_equal(tag, p->tag, sizeof tag))
        rc = open_auth_failed(err);
    ef_wipe(tag, sizeof tag);
    return rc;
}

/* Copy what can't be read twice into an unnamed file in tmpdir, and make
 * that the input. It is ciphertext, so neither the disk nor this stack
 * learns a secret. *fd is replaced, and positioned at its start, on EF_OK
 * alone.
 * Fails:   EF_E_IO (no room, or tmpdir has no O_TMPFILE), EF_E_LIMIT.
 * Limits:  EF_MAX_PLAINTEXT_BYTES and what a dataset file adds to it.
 * Tests: tests/atomic.bats ("disk full where dec spools a pipe"). */
static ef_status
crypt_spool(int *fd, const char *tmpdir, ef_err *err)
{
    unsigned char buf[65536];
    uint64_t n = 0;
    ef_status rc = EF_OK;
    ssize_t got;
    int temp = open(tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (temp < 0)
        return with_hint(err,
                         reject_sys(err, EF_E_IO,
                                    "no room to keep the input until its tag "
                                    "is checked"),
                         "name the input file with -in, write to a file with "
                         "-out, or set TMPDIR");
    while (rc == EF_OK && (got = file_read_full(*fd, buf, sizeof buf)) != 0) {
        /* no dataset file is larger; without this, an endless pipe would fill
         * the disk. gcm_room has the message, and refuses every such n. */
        if (got < 0)
            rc = reject_sys(err, EF_E_IO, "cannot read");
        else if (n > EF_MAX_PLAINTEXT_BYTES + EF_OVERHEAD_BYTES)
            rc = gcm_room(0, n, err);
        else
            rc = with_file(err, file_write_full(temp, buf, (size_t)got, err),
                           tmpdir);
        n += (uint64_t)got;
    }
    if (rc == EF_OK && lseek(temp, 0, SEEK_SET) != 0)
        rc = reject_sys(err, EF_E_IO, "cannot read");
    if (rc != EF_OK) {
        close(temp);
        return rc;
    }
    file_close(*fd);
    *fd = temp;
    return EF_OK;
}

/* Decrypt to a pipe or terminal: verify all of it first, then release. The
 * second pass trusts nothing: its nonce is compared, each chunk's mark is,
 * and its tag is checked again.
 * Fails:   EF_E_AUTH before any byte where the file is false; after a true
 * prefix where it changes between the passes.
 * Tests: tests/data.bats ("no plaintext leaves dec before the tag holds"). */
static ef_status
crypt_open_stream(struct pump *p, const char *tmpdir, ef_err *err)
{
    ef_buf marks = {0};
    ef_status rc = EF_OK;
    off_t start;

    if (file_remaining(p->in) == UINT64_MAX)
        rc = crypt_spool(&p->in, tmpdir, err);
    if (rc != EF_OK)
        return rc;
    /* not 0 where standard input was read from before us */
    start = lseek(p->in, 0, SEEK_CUR);
    p->marks = &marks;
    if (start >= 0)
        rc = crypt_open_pass(p, GCM_VERIFY, err);
    p->mark_total = p->gcm->n;
    /* nothing has been written up to here */
    if (rc == EF_OK && (start < 0 || lseek(p->in, start, SEEK_SET) != start))
        rc = reject_sys(err, EF_E_IO, "cannot read");
    if (rc == EF_OK)
        rc = crypt_open_pass(p, GCM_OPEN, err);
    p->marks = NULL;
    ef_buf_free(&marks);
    return rc;
}

/* enc (seal) and dec. Nothing is written before the input is known to fit;
 * no plaintext gets out before its tag has verified.
 * Secret:  job->key is the caller's; round keys and chunks go with p.gcm and
 * pump_run. Output of dec is 0600 where it is new.
 * Fails:   as its parts; err names the file whose fault it is.
 * Tests: tests/data.bats, tests/atomic.bats, tests/large.sh. */
static ef_status
crypt_file(const struct crypt_job *job, int seal, ef_err *err)
{
    struct pump p = {.work = seal ? GCM_SEAL : GCM_OPEN,
                     .threads = job->threads,
                     .out_name = job->out,
                     .progress = job->progress};
    struct file_out out;
    uint64_t left;
    ef_status rc = EF_OK;

    p.in = job->fd;
    if (job->fd < 0)
        rc = file_open(&p.in, job->in, err);

    if (rc != EF_OK)
        return rc;
    left = file_remaining(p.in);
    p.total = left != UINT64_MAX ? left : 0;
    p.gcm = ef_gcm_new(job->key, NULL);
    /* a file over the limit is refused before its output is begun */
    if (p.gcm == NULL)
        rc = reject_memory(err);
    else if (left != UINT64_MAX)
        rc = with_file(err,
                       gcm_room(0,
                                seal || left < EF_OVERHEAD_BYTES
                                    ? left
                                    : left - EF_OVERHEAD_BYTES,
                                err),
                       job->in);
    if (rc != EF_OK)
        goto out;
    rc = file_out_begin(&out, job->out, job->flags | (seal ? 0 : FILE_PRIVATE),
                        err);
    if (rc != EF_OK)
        goto out;
    p.out = out.fd;
    /* a file bears no name that was asked for until it is committed, so
     * one pass is enough */
    if (seal)
        rc = crypt_seal_stream(&p, err);
    else if (out.stream)
        rc = crypt_open_stream(&p, job->tmpdir, err);
    else
        rc = crypt_open_pass(&p, GCM_OPEN, err);
    if (rc != EF_OK)
        file_out_abort(&out);
    else
        rc = file_out_commit(&out, job->out, err);
    with_file(err, rc, job->in); /* failed writes have named theirs */
out:
    ef_gcm_free(p.gcm);
    file_close(p.in);
    ef_wipe(&p, sizeof p); /* chunk hashes tell about the GHASH key */
    return rc;
}

#endif /* EF_NO_MAIN */

/* --- credentials, locations, names --- */

/* The string at node, unescaped: a view where it has no escapes (the usual
 * case, which leaves no copy), else into tmp. Either way it is good until
 * the document or tmp goes.
 * Secret:  a key or a query, perhaps in tmp: on the heap, wiped by
 * ef_buf_free. Pre: node is a string. Memory that ran out shows in
 * tmp->failed alone, with a text that is cut. */
static ef_slice
cred_text(const ef_json *doc, uint32_t node, ef_buf *tmp)
{
    if (!doc->nodes[node].has_escape)
        return json_inside(doc, node);
    ef_json_string(doc, node, tmp);
    return buf_slice(tmp);
}

/* UNTRUSTED: doc. Member name of object, of the given type; place is its
 * JSON pointer, which err gets. Shared by credentials and results.
 * Post:    on EF_OK *node is an index into doc->nodes.
 * Fails:   EF_E_FORMAT: {"encryption": []} has the wrong type, {} lacks it.
 * Fuzz: fuzz/fuzz_credentials.c. Tests: vectors/credentials.txt. */
static ef_status
cred_member(const ef_json *doc, uint32_t object, const char *name,
            ef_json_type type, const char *place, uint32_t *node, ef_err *err)
{
    *node = ef_json_member(doc, object, slice_str(name));
    if (*node == EF_JSON_NONE)
        return with_member(
            err, reject(err, EF_E_FORMAT, EF_NOWHERE, "this member is missing"),
            place);
    if (doc->nodes[*node].type != type)
        return with_member(err,
                           reject(err, EF_E_FORMAT, doc->nodes[*node].at,
                                  "this member has the wrong type"),
                           place);
    return EF_OK;
}

/* 1 for a byte that no part of a URL before the fragment may have (RFC 3986
 * appendix A): blanks, controls, what is not ASCII, and "#<>\^`{|} of the
 * rest. '%' is let pass: what it encodes is the server's affair, and is
 * signed.
 *
 * UNTRUSTED: byte.
 * Secret: byte may be of a signature: no branch, no table, and only this
 * answer shows. Fuzz: fuzz/fuzz_location.c. Tests: tests/ct.c. */
static int
url_bad(unsigned char byte)
{
    uint32_t bad = ~ct_within(byte, '!', '~') | ct_within(byte, '"', '#') |
                   ct_within(byte, '<', '<') | ct_within(byte, '>', '>') |
                   ct_within(byte, '\\', '\\') | ct_within(byte, '^', '^') |
                   ct_within(byte, '`', '`') | ct_within(byte, '{', '}');

    EF_PUBLIC(bad);
    return bad != 0;
}

/* Where the first such byte stands, or url.n: so nothing can end a request
 * line or a header early. "a b" -> 1; "https://h/%20?x=1" -> its length. */
static size_t
url_span(ef_slice url)
{
    size_t i = 0;

    while (i < url.n && !url_bad(url.p[i]))
        i++;
    return i;
}

/* UNTRUSTED: query becomes part of a URL, after '?'. Its parameters are not
 * looked at: a store of any kind may have made them.
 * Fails:   EF_E_FORMAT with the offset in the decoded query: a blank, a line
 * end, '#'; or a leading '?', which would be doubled.
 * Fuzz: fuzz/fuzz_credentials.c. Tests: vectors/credentials.txt. */
static ef_status
cred_query_check(ef_slice query, ef_err *err)
{
    uint32_t mark = query.n > 0 ? ct_within(query.p[0], '?', '?') : 0;

    EF_PUBLIC(mark);
    if (url_span(query) < query.n)
        return reject(err, EF_E_FORMAT, url_span(query),
                      "the decoded query string has a byte that may not "
                      "stand in a URL");
    if (mark)
        return reject(err, EF_E_FORMAT, 0,
                      "the decoded query string begins with a ?, which is "
                      "not part of it");
    return EF_OK;
}

/* Decodes into secret memory, which ef_credentials_free frees also after
 * failure. EF_OK with query_n 0 where the member is missing or empty.
 * Secret:  the query is a credential, because it holds a signature. Its
 * base64 may pass through tmp, wiped here.
 * Fails:   EF_E_FORMAT (no string, no base64, not fit for a URL),
 * EF_E_MEMORY. Offsets of base64 are into its unescaped text. */
static ef_status
cred_query(ef_credentials *c, const ef_json *doc, ef_err *err)
{
    uint32_t node = ef_json_member(doc, 0, slice_str("query_string"));
    ef_buf tmp = {0};
    ef_slice text;
    ef_status rc;

    if (node == EF_JSON_NONE)
        return EF_OK; /* the location is the whole URL */
    rc = cred_member(doc, 0, "query_string", EF_JSON_STRING, "/query_string",
                     &node, err);
    if (rc != EF_OK)
        return rc;
    text = cred_text(doc, node, &tmp);
    /* at least 1, because ef_secret_alloc(0) gives nothing; base64's
     * bytes are fewer than its characters */
    c->query_size = text.n + 1;
    c->query = ef_secret_alloc(c->query_size, NULL);
    /* before decoding: a text cut for want of memory may be valid base64 */
    rc = c->query != NULL ? buf_status(&tmp, err) : reject_memory(err);
    if (rc == EF_OK)
        rc = ef_base64_decode(c->query, &c->query_n, text, err);
    if (rc == EF_OK)
        rc = cred_query_check(slice(c->query, c->query_n), err);
    ef_buf_free(&tmp);
    return with_member(err, rc, "/query_string");
}

/* White space after the digits is accepted, as in a key file. On failure
 * c->key holds no key: it was zero, and ef_key_parse wipes what it began.
 * Secret:  digits with escapes in them pass through tmp, wiped here.
 * Fails:   EF_E_FORMAT: no "encryption" object, no "key" string in it, or a
 * text that ef_key_parse refuses, told at /encryption/key. */
static ef_status
cred_key(ef_credentials *c, const ef_json *doc, ef_err *err)
{
    uint32_t encryption, node;
    ef_buf tmp = {0};
    ef_slice text;
    ef_status rc = cred_member(doc, 0, "encryption", EF_JSON_OBJECT,
                               "/encryption", &encryption, err);

    if (rc == EF_OK)
        rc = cred_member(doc, encryption, "key", EF_JSON_STRING,
                         "/encryption/key", &node, err);
    if (rc != EF_OK)
        return rc;
    text = cred_text(doc, node, &tmp);
    rc = buf_status(&tmp, err);
    if (rc == EF_OK)
        rc = ef_key_parse(c->key, text, err);
    ef_buf_free(&tmp);
    return with_member(err, rc, "/encryption/key");
}

/* Only the members of the format: a misspelled one must not be lost. With
 * "query-string" for "query_string" the location alone would be asked, and
 * the error would come from the store, far from its cause.
 * Pre:     object is an object of doc. b NULL: one name alone.
 * Fails:   EF_E_FORMAT with the offset of the name. */
static ef_status
cred_only(const ef_json *doc, uint32_t object, const char *a, const char *b,
          const char *place, ef_err *err)
{
    uint32_t i;

    for (i = object + 1; i < doc->nodes[object].end; i = doc->nodes[i].end)
        if (!json_name_is(doc, i, slice_str(a)) &&
            (b == NULL || !json_name_is(doc, i, slice_str(b))))
            return with_member(err,
                               reject(err, EF_E_FORMAT, doc->nodes[i].name_at,
                                      "a member that credentials do not have"),
                               place);
    return EF_OK;
}

/* UNTRUSTED: json. The whole text is checked by section 3 before a member is
 * looked at. Members are taken first and unknown ones refused last: of a
 * misspelled "encryption" it is said that it is missing.
 * Secret:  c gets the key and the query; callers keep c and json in
 * ef_secret_alloc memory. doc has offsets, not bytes.
 * Fuzz: fuzz/fuzz_credentials.c. Tests: vectors/credentials.txt,
 * tests/data.bats ("bad credentials: exit 4, ..."). */
ef_status
ef_credentials_parse(ef_credentials *c, ef_slice json, ef_err *err)
{
    ef_json doc;
    ef_status rc;

    *c = (ef_credentials){.query = NULL};
    if (json.n > EF_MAX_CREDENTIALS_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_CREDENTIALS_BYTES,
                      "larger than EF_MAX_CREDENTIALS_BYTES (65536)");
    rc = ef_json_parse(&doc, json, err);
    /* EF_OK: there is a value. NOLINTNEXTLINE(clang-analyzer-core.*) */
    if (rc == EF_OK && doc.nodes[0].type != EF_JSON_OBJECT)
        rc = with_member(err,
                         reject(err, EF_E_FORMAT, doc.nodes[0].at,
                                "credentials are not a JSON object"),
                         "");
    if (rc == EF_OK)
        rc = cred_query(c, &doc, err);
    if (rc == EF_OK)
        rc = cred_key(c, &doc, err);
    if (rc == EF_OK)
        rc = cred_only(&doc, 0, "query_string", "encryption", "", err);
    if (rc == EF_OK)
        rc = cred_only(&doc, ef_json_member(&doc, 0, slice_str("encryption")),
                       "key", NULL, "/encryption", err);
    ef_json_free(&doc);
    return rc;
}

/* Safe twice, and on all zeros: the struct is zero afterwards.
 * The struct itself stays the caller's, as does the memory it is in. */
void
ef_credentials_free(ef_credentials *c)
{
    ef_secret_free(c->query, c->query_size);
    ef_wipe(c, sizeof *c);
}

/* The member order, blanks and upper-case digits are the reference's, so
 * that a byte-wise comparison of two documents means something. Base64 and
 * hex need no JSON escapes.
 * Secret:  out gets the key. s is wiped; buf_room makes room before the
 * query is encoded, straight into out, so no copy of it is left.
 * Tests: tests/data.bats ("credentials make prints the reference's JSON"). */
void
ef_credentials_print(ef_buf *out, const unsigned char key[EF_KEY_BYTES],
                     ef_slice query)
{
    struct {
        char hex[EF_KEY_HEX_BYTES];
    } s;

    ef_buf_str(out, "{\"query_string\": \"");
    /* no room leaves out->failed set, which the caller looks at */
    if (query.n > 0 && buf_room(out, EF_BASE64_BYTES(query.n))) {
        ef_base64_encode((char *)out->p + out->n, query.p, query.n);
        out->n += EF_BASE64_BYTES(query.n);
    }
    ef_buf_str(out, "\", \"encryption\": {\"key\": \"");
    ef_hex_encode(s.hex, key, EF_KEY_BYTES, 1);
    ef_buf_add(out, s.hex, sizeof s.hex);
    ef_buf_str(out, "\"}}");
    ef_wipe(&s, sizeof s);
}

/* UNTRUSTED: text. host[:port] of a URL; port 0 when none is given. The host
 * is a name, an address, or an address in brackets (RFC 3986 3.2.2); libcurl
 * resolves it, so only its characters are checked. Example:
 * "[::1]:9000" -> host "[::1]", port 9000. '_' is let pass: names inside
 * container networks have it.
 * Post:    host is a slice of text, at least one byte.
 * Fails:   EF_E_FORMAT: "", "[::1", "a b", "h:0", "h:", "h:65536".
 * Fuzz: fuzz/fuzz_location.c. Tests: vectors/locations.txt. */
static ef_status
url_authority(ef_slice text, ef_slice *host, int64_t *port, ef_err *err)
{
    int bracket = text.n > 0 && text.p[0] == '[';
    size_t end = bracket ? slice_find(text, ']') + 1 : slice_find(text, ':'), i;

    /* without ']' end is text.n + 1, and the next line refuses it */
    *host = slice(text.p, end < text.n ? end : text.n);
    *port = 0;
    if (host->n == 0 || (bracket && host->p[host->n - 1] != ']'))
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "the URL names no host");
    for (i = bracket ? 1 : 0; i < host->n - (bracket ? 1 : 0); i++)
        if (!is_alnum(host->p[i]) &&
            (bracket
                 ? host->p[i] != ':' && host->p[i] != '.'
                 : host->p[i] != '-' && host->p[i] != '.' && host->p[i] != '_'))
            return reject(err, EF_E_FORMAT, EF_NOWHERE,
                          "a character that a host's name cannot have");
    if (end >= text.n)
        return EF_OK;
    *port = text.p[end] == ':' ? slice_number(slice_from(text, end + 1)) : 0;
    if (*port < 1 || *port > 65535)
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "a port is 1 to 65535");
    return EF_OK;
}

/* UNTRUSTED: url, from offset at, behind "://". The authority ends at '/',
 * '?' or the end; it may not name a user, since that would be a secret where
 * none is expected, and the usual way to make a host look like another
 * ("https://s3.amazonaws.com@evil.example/").
 * file: its authority is empty or "localhost" (RFC 8089 section 2), and a
 * path must follow.
 * Fails:   EF_E_FORMAT. Fuzz: fuzz/fuzz_location.c.
 * Tests: vectors/locations.txt. */
static ef_status
location_authority(ef_slice url, size_t at, int file, ef_err *err)
{
    ef_slice host;
    int64_t port;
    size_t end = at;

    while (end < url.n && url.p[end] != '/' && url.p[end] != '?')
        end++;
    if (slice_find(slice(url.p + at, end - at), '@') < end - at)
        return reject(err, EF_E_FORMAT, at,
                      "a user name or password in the location");
    if (file && end > at && !slice_is(slice(url.p + at, end - at), "localhost"))
        return reject(err, EF_E_FORMAT, at,
                      "a file location names another machine");
    if (!file)
        return url_authority(slice(url.p + at, end - at), &host, &port, err);
    if (end == url.n || url.p[end] != '/')
        return reject(err, EF_E_FORMAT, end,
                      "a file location needs an absolute path");
    return EF_OK;
}

/* UNTRUSTED: url. The scheme is matched in lower case only: nobody writes
 * HTTPS://, and store_run tells file: apart by the same bytes. Whether the
 * scheme is allowed is store_check_scheme's question, not this one's.
 * Limits:  EF_MAX_LOCATION_BYTES. Fuzz: fuzz/fuzz_location.c.
 * Tests: vectors/locations.txt. */
ef_status
ef_location_check(ef_scheme *scheme, ef_slice url, ef_err *err)
{
    static const struct {
        const char *prefix;
        ef_scheme scheme;
    } known[] = {{"https://", EF_SCHEME_HTTPS},
                 {"http://", EF_SCHEME_HTTP},
                 {"file://", EF_SCHEME_FILE}};
    size_t i;

    if (url.n > EF_MAX_LOCATION_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_LOCATION_BYTES,
                      "longer than EF_MAX_LOCATION_BYTES (8192)");
    /* before anything is parsed: from here on all bytes are printable ASCII */
    if (url_span(url) < url.n)
        return reject(err, EF_E_FORMAT, url_span(url),
                      "the location has a byte that may not stand in a URL");
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_has_prefix(url, known[i].prefix)) {
            *scheme = known[i].scheme;
            return location_authority(url, strlen(known[i].prefix),
                                      known[i].scheme == EF_SCHEME_FILE, err);
        }
    return reject(err, EF_E_FORMAT, 0,
                  "a location begins with https://, http:// or file://");
}

/* UNTRUSTED: name. It becomes a file's name in WORK and an argument of the
 * application, and it is printed; so no slash, and nothing that a terminal
 * obeys, C1 controls included. A leading '-' is harmless: the application
 * gets a whole path. UTF-8 comes last, so that a control is told as such.
 * Limits:  EF_MAX_NAME_BYTES. Fuzz: fuzz/fuzz_name.c.
 * Tests: vectors/names.txt, tests/run.bats. */
ef_status
ef_name_check(ef_slice name, ef_err *err)
{
    size_t i;

    if (name.n == 0 || slice_is(name, ".") || slice_is(name, ".."))
        return reject(err, EF_E_FORMAT, 0, "not a dataset name");
    if (name.n > EF_MAX_NAME_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_NAME_BYTES,
                      "a dataset name longer than EF_MAX_NAME_BYTES (255)");
    for (i = 0; i < name.n; i++)
        if (name.p[i] == '/' || name.p[i] < 0x20 || name.p[i] == 0x7f ||
            is_c1(slice_from(name, i)))
            return reject(err, EF_E_FORMAT, i,
                          "a slash or control character in a dataset name");
    return ef_utf8_check(name, err);
}

/* --- results --- */

/* The pieces of a result's JSON; a stream's piece is its base64. "hi" on
 * stdout and nothing on stderr is made of five:
 * {"returncode": 0, "stdout": "  aGk=  ", "stderr": "  (nothing)  "}
 * So a result is never put together in memory: with two streams at their
 * limit it has 16 MiB. */
struct res_pieces {
    /* 28 constant bytes, at most 11 of the number, a NUL: fits */
    char head[48];
    ef_slice text[5]; /* in [1] and [3] raw bytes, to be encoded */
};

/* The pieces point into r and into s->head: *s must not be copied, and
 * neither may go before it. */
static void
res_split(struct res_pieces *s, const ef_result *r)
{
    snprintf(s->head, sizeof s->head, "{\"returncode\": %d, \"stdout\": \"",
             r->returncode);
    s->text[0] = slice_str(s->head);
    s->text[1] = r->out;
    s->text[2] = slice_str("\", \"stderr\": \"");
    s->text[3] = r->err;
    s->text[4] = slice_str("\"}");
}

/* Bytes of piece i in the JSON, where 1 and 3 stand as base64.
 * Example: 2 bytes raw are 4 in the JSON; an empty stream is 0. */
static size_t
res_piece_size(const struct res_pieces *s, unsigned i)
{
    size_t n = s->text[i].n;

    return i % 2 == 1 ? EF_BASE64_BYTES(n) : n;
}

/* Nothing is encoded for it: the size of base64 depends on its input's size. */
uint64_t
ef_result_size(const ef_result *r)
{
    struct res_pieces s = {.head = ""};
    uint64_t n = 0;
    unsigned i;

    res_split(&s, r);
    for (i = 0; i < 5; i++)
        n += res_piece_size(&s, i);
    return n;
}

/* n characters from offset at of raw's base64, into out. Whole groups of
 * four are encoded where they go; a group that is cut at either end goes
 * through quad. Three bytes make a group, so any offset can be reached
 * without what is before it.
 * Pre:     at + n <= EF_BASE64_BYTES(raw.n): so first < raw.n while n > 0.
 * Secret:  quad has output of the application, 4 characters at a time. */
static void
res_base64(unsigned char *out, ef_slice raw, size_t at, size_t n)
{
    while (n > 0) {
        size_t first = at / 4 * 3, skip = at % 4, k;
        char quad[4];

        if (skip == 0 && n >= 4) {
            /* all bytes that fill whole groups, or the rest, padded at the end
             */
            k = n / 4 * 3 < raw.n - first ? n / 4 * 3 : raw.n - first;
            ef_base64_encode((char *)out, raw.p + first, k);
            k = EF_BASE64_BYTES(k);
        } else {
            k = raw.n - first < 3 ? raw.n - first : 3;
            ef_base64_encode(quad, raw.p + first, k);
            k = 4 - skip < n ? 4 - skip : n;
            memcpy(out, quad + skip, k);
        }
        out += k;
        at += k;
        n -= k;
    }
}

/* Called again and again with a rising offset while a result is sent, and
 * from 0 when libcurl repeats a request: it keeps no state, and gives the
 * same bytes for the same offset. That is what lets one nonce seal it twice.
 * Tests: tests/unit.c (test_result_pieces), vectors/result.txt. */
void
ef_result_read(const ef_result *r, uint64_t at, unsigned char *buf, size_t n)
{
    struct res_pieces s = {.head = ""};
    unsigned i;

    res_split(&s, r);
    for (i = 0; i < 5 && n > 0; i++) {
        size_t size = res_piece_size(&s, i), k;

        if (at >= size) {
            at -= size;
            continue;
        }
        k = size - at < n ? (size_t)(size - at) : n;
        if (i % 2 == 1)
            res_base64(buf, s.text[i], (size_t)at, k);
        else
            memcpy(buf, s.text[i].p + at, k);
        buf += k;
        n -= k;
        /* further pieces are read from their beginnings */
        at = 0;
    }
}

/* UNTRUSTED: text. An exit status, or minus a signal's number: -127 to 255,
 * an integer. "-0" is 0; "1e2", "1.0" and 256 are refused, as no subprocess
 * ends so. text is a JSON number, so signs and leading zeros were checked.
 * Fails:   EF_E_FORMAT. Fuzz: fuzz/fuzz_result.c.
 * Tests: vectors/result.txt. */
static ef_status
res_returncode(int *code, ef_slice text, ef_err *err)
{
    int negative = text.p[0] == '-';
    /* -1 until a digit was seen; a text of a sign alone is no JSON */
    int64_t v = negative ? 0 : -1, digit;
    size_t i;

    for (i = negative ? 1 : 0; i < text.n && i < 5; i++) {
        digit = text.p[i] - '0';
        /* at most five characters: v stays below 10^10. A byte that is no
         * digit makes v too large, and further digits only larger. */
        v = is_digit(text.p[i]) ? (v < 0 ? 0 : v) * 10 + digit : 999999;
    }
    if (v < 0 || v > (negative ? 127 : 255) || i < text.n)
        return with_member(err,
                           reject(err, EF_E_FORMAT, EF_NOWHERE,
                                  "not a return code, which is an "
                                  "integer from -127 to 255"),
                           "/returncode");
    *code = (int)(negative ? -v : v);
    return EF_OK;
}

/* UNTRUSTED: doc. A stream's member as it stands: its base64, checked but
 * not decoded.
 * Fails:   EF_E_FORMAT at place; EF_E_MEMORY for a text with escapes.
 * Fuzz: fuzz/fuzz_result.c. Tests: vectors/result.txt. */
static ef_status
res_check_stream(const ef_json *doc, const char *name, const char *place,
                 ef_err *err)
{
    uint32_t node;
    ef_buf tmp = {0};
    ef_slice text;
    ef_status rc = cred_member(doc, 0, name, EF_JSON_STRING, place, &node, err);

    if (rc != EF_OK)
        return rc;
    text = cred_text(doc, node, &tmp);
    rc = buf_status(&tmp, err);
    if (rc == EF_OK && !b64_is_valid(text))
        rc = b64_reject(text, err);
    ef_buf_free(&tmp);
    return with_member(err, rc, place);
}

/* UNTRUSTED: doc. Is it a result? Its return code goes to code. All three
 * members are checked before either stream is decoded, since decoding in
 * place destroys the text that an error would speak of.
 * Fuzz: fuzz/fuzz_result.c. Tests: vectors/result.txt. */
static ef_status
res_check(const ef_json *doc, int *code, ef_err *err)
{
    uint32_t node;
    ef_status rc = cred_member(doc, 0, "returncode", EF_JSON_NUMBER,
                               "/returncode", &node, err);

    if (rc == EF_OK)
        rc = res_returncode(
            code, slice(doc->text.p + doc->nodes[node].at, doc->nodes[node].n),
            err);
    if (rc == EF_OK)
        rc = res_check_stream(doc, "stdout", "/stdout", err);
    if (rc == EF_OK)
        rc = res_check_stream(doc, "stderr", "/stderr", err);
    return rc;
}

/* UNTRUSTED: doc. A stream's member: decode its base64 where it stands, so
 * that a large result needs no second buffer.
 * Pre:     res_check was content; json is doc's text, and may be written.
 * Post:    *out is inside json. Base64 has fewer bytes than characters, and
 * an escape more characters than what it means: nothing past this string's
 * own text is touched, so other members and names can still be found.
 * Fuzz: fuzz/fuzz_result.c. Tests: vectors/result.txt. */
static ef_status
res_stream(const ef_json *doc, const char *name, const char *place,
           unsigned char *json, ef_slice *out, ef_err *err)
{
    uint32_t node;
    ef_buf tmp = {0};
    ef_slice text;
    unsigned char *p;
    size_t n = 0;
    ef_status rc = cred_member(doc, 0, name, EF_JSON_STRING, place, &node, err);

    if (rc != EF_OK)
        return rc;
    /* behind the opening quote */
    p = json + doc->nodes[node].at + 1;
    text = cred_text(doc, node, &tmp);
    rc = buf_status(&tmp, err);
    if (rc == EF_OK)
        rc = ef_base64_decode(p, &n, text, err);
    ef_buf_free(&tmp);
    *out = slice(p, n);
    return with_member(err, rc, place);
}

/* UNTRUSTED: json. Usually it has passed a tag, but whoever holds the key
 * may have sealed anything; and `result` without -K takes plain text.
 * Unknown members are let pass: a receipt may come to stand there.
 * Secret:  both streams, in json, which is the caller's to wipe.
 * Fuzz: fuzz/fuzz_result.c. Tests: vectors/result.txt, tests/data.bats. */
ef_status
ef_result_parse(ef_result *r, unsigned char *json, size_t n, ef_err *err)
{
    ef_json doc;
    ef_status rc = ef_json_parse(&doc, slice(json, n), err);

    *r = (ef_result){0, {json, 0}, {json, 0}};
    if (rc == EF_OK)
        rc = res_check(&doc, &r->returncode, err);
    if (rc == EF_OK)
        rc = res_stream(&doc, "stdout", "/stdout", json, &r->out, err);
    if (rc == EF_OK)
        rc = res_stream(&doc, "stderr", "/stderr", json, &r->err, err);
    ef_json_free(&doc);
    return rc;
}

/* ======================================================================= *
 * 10. AWS SIGNING    hashes, times, presigned URLs          (time_, sig_) *
 *                                                                         *
 *   In       bucket, key, region, endpoint from the user; presigned       *
 *            queries from credentials                         UNTRUSTED   *
 *   Out      a URL, which is itself a credential                          *
 *   Secret   the secret key and what is derived from it: struct s, wiped  *
 *   Needs    1, 2; BearSSL's SHA-1, SHA-256, HMAC                         *
 *   Spec     AWS Signature Version 4, query and headers, with S3's rules  *
 *            (the path is encoded once and never normalised); Signature   *
 *            Version 2, query; endpoints as botocore resolves them        *
 *   Tests    vectors/sigv4.txt vectors/sigv4_headers.txt                  *
 *            vectors/sigv2.txt vectors/sha256.txt                         *
 *            vectors/hmac_sha1.txt vectors/hmac_sha256.txt                *
 *            vectors/presigned.txt vectors/times.txt                      *
 *            vectors/http_dates.txt tests/presign.bats                    *
 *   Fuzz     fuzz/fuzz_presign.c fuzz/fuzz_query.c fuzz/fuzz_time.c       *
 *            fuzz/fuzz_http_date.c                                        *
 * ======================================================================= */

/* ef_presign_url goes one way: check all inputs, settle where the
 * bucket is (origin for the URL, host as it is signed, path), collect
 * the query, sign, print. In SigV4 path and query are percent-encoded
 * once, and the same bytes are signed and printed: two encodings that
 * differ are how signatures fail. A sorted copy of the pairs goes into
 * the canonical request. S3's rules hold: the path is never normalised,
 * the payload is unsigned. SigV2 signs /bucket/key whatever the URL
 * looks like.
 *
 * The default host is the regional one: the global host redirects young
 * buckets, and a redirect breaks the signature. Deliberately not done:
 * signing payloads, ARNs, S3 Express, dual-stack and accelerated hosts.
 * The clock is the caller's, so that vectors can set it. */

/* BearSSL's context is wiped because it keeps the last block of its input.
 * Source: FIPS 180-4. Tests: vectors/sha256.txt, `encflow selftest`. */
void
ef_sha256(unsigned char out[EF_SHA256_BYTES], const void *p, size_t n)
{
    br_sha256_context c;

    br_sha256_init(&c);
    br_sha256_update(&c, p, n);
    br_sha256_out(&c, out);
    ef_wipe(&c, sizeof c);
}

/* HMAC with either hash; out has room for the hash's size. A key longer than
 * a block (64 bytes) is hashed first, as RFC 2104 section 2 has it.
 * The tag-length argument 0 of br_hmac_init means the hash's full size.
 * Secret:  key, and p where it is a key's derivation; both contexts depend
 * on the key and are wiped. ef_presign_url burns BearSSL's stack frames. */
static void
sig_hmac(const br_hash_class *hash, unsigned char *out, const void *key,
         size_t key_n, const void *p, size_t n)
{
    struct {
        br_hmac_key_context key;
        br_hmac_context c;
    } s;

    br_hmac_key_init(&s.key, hash, key, key_n);
    br_hmac_init(&s.c, &s.key, 0);
    br_hmac_update(&s.c, p, n);
    br_hmac_out(&s.c, out);
    ef_wipe(&s, sizeof s);
}

/* Source: RFC 2104, RFC 4231. Tests: vectors/hmac_sha256.txt. */
void
ef_hmac_sha256(unsigned char out[EF_SHA256_BYTES], const void *key,
               size_t key_n, const void *p, size_t n)
{
    sig_hmac(&br_sha256_vtable, out, key, key_n, p, n);
}

/* Only for SigV2. HMAC does not need SHA-1 to resist collisions.
 * Source: RFC 2104, RFC 2202. Tests: vectors/hmac_sha1.txt. */
void
ef_hmac_sha1(unsigned char out[EF_SHA1_BYTES], const void *key, size_t key_n,
             const void *p, size_t n)
{
    sig_hmac(&br_sha1_vtable, out, key, key_n, p, n);
}

/* --- times, in the proleptic Gregorian calendar, UTC, no leap seconds --- */

/* The last time that four digits of a year can say. */
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Gregorian rule: every fourth year, no century but every fourth of them.
 * 2000 is one, 1900 and 2100 are none. */
static int
time_is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01 to the first of January of y, for y >= 1: full years
 * at 365 and the leap days among them, less those before 1970 (719162).
 * Example: 1970 -> 0, 1971 -> 365, 2000 -> 10957.
 * y is at most 10000 here: far from any overflow. */
static int64_t
time_days_before_year(int64_t y) /* since 1970-01-01 */
{
    y--;
    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* Example: 2000, 2 -> 29.
 * Pre: month is 1 to 12; the table is not asked for another. */
static int
time_month_days(int64_t y, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && time_is_leap(y));
}

/* Days from 1970-01-01 to a date that is one: time_month_days has been asked.
 * Example: 2000, 3, 1 -> 11017. */
static int64_t
time_days(int y, int month, int day)
{
    int64_t days = time_days_before_year(y) + day - 1;

    /* the months before this one; January has none */
    while (--month > 0)
        days += time_month_days(y, month);
    return days;
}

/* Not by gmtime_r(3), which may read the machine's time zone files and,
 * where they say so, count leap seconds.
 * day / 366 years never overshoot, and fall short by at most 17 years up
 * to 9999: the loop is short. A time out of range becomes the nearest that
 * can be said, so out is always NUL-terminated and whole.
 * Examples: 0 -> 1970-01-01T00:00:00Z, or 19700101T000000Z where basic.
 * Tests: tests/unit.c (test_time), vectors/times.txt. */
void
ef_time_format(char out[EF_TIME_BYTES], int64_t t, int basic)
{
    int64_t y, day;
    int month = 1, sec;

    /* below, nothing is negative and a year has four digits */
    t = t < 0 ? 0 : t > TIME_MAX ? TIME_MAX : t;
    day = t / 86400;
    sec = (int)(t % 86400);
    for (y = 1970 + day / 366; time_days_before_year(y + 1) <= day;)
        y++;
    day -= time_days_before_year(y);
    while (day >= time_month_days(y, month))
        day -= time_month_days(y, month++);
    /* % 10000 and % 100 change nothing: they show the compiler that no
     * field is wider than its place */
    snprintf(out, EF_TIME_BYTES,
             basic ? "%04u%02u%02uT%02u%02u%02uZ"
                   : "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)y % 10000, (unsigned)month % 100,
             (unsigned)(day + 1) % 100, (unsigned)sec / 3600 % 100,
             (unsigned)sec / 60 % 60, (unsigned)sec % 60);
}

/* UNTRUSTED: text. Its characters against pattern, in which '0' stands for a
 * digit, 'A' for a letter, 'b' for a digit or a blank (asctime's days), and
 * the rest for itself. 1 where every character fits and the lengths are equal.
 * "20130524T000000Z" matches time_basic; "20130524t000000z" does not. */
static int
time_matches(ef_slice text, const char *pattern)
{
    size_t i;

    if (text.n != strlen(pattern))
        return 0;
    /* lengths are equal: no byte is read past either end */
    for (i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        int letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        int fits = pattern[i] == '0'   ? is_digit(c)
                   : pattern[i] == 'A' ? letter
                   : pattern[i] == 'b' ? is_digit(c) || c == ' '
                                       : c == pattern[i];

        if (!fits)
            return 0;
    }
    return 1;
}

/* ISO 8601 without marks, in UTC: the 'Z' is required, other zones are not
 * known here */
static const char time_basic[] = "00000000T000000Z"; /* as in X-Amz-Date */

/* n digits, at most 4, that time_matches has seen to be digits: below 10000.
 * Example: "20130524", at 4, n 2 -> 5. */
static int
time_field(ef_slice digits, size_t at, size_t n)
{
    int v = 0;

    while (n-- > 0)
        v = v * 10 + (digits.p[at++] - '0');
    return v;
}

/* UNTRUSTED: text. Three forms, told apart by their characters: digits alone
 * are seconds. Both dates have 14 digits in one order, so they are read from
 * the digits alone once the marks are known to be right.
 * Fails:   EF_E_FORMAT: "2013-05-24", a zone other than Z, the 30th of
 * February, second 60 (a leap second has no number of its own), 1969.
 * Fuzz: fuzz/fuzz_time.c. Tests: vectors/times.txt. */
ef_status
ef_time_parse(int64_t *t, ef_slice text, ef_err *err)
{
    unsigned char d[14] = {0};
    size_t i, k = 0;
    int y, month, day, hour, min, sec;
    ef_slice digits = {d, sizeof d};

    /* 12 digits at most, so no overflow; a number past TIME_MAX fits no
     * pattern and is refused below */
    *t = slice_number(text);
    if (*t >= 0 && *t <= TIME_MAX)
        return EF_OK;
    if (!time_matches(text, time_basic) &&
        !time_matches(text, "0000-00-00T00:00:00Z"))
        return reject(err, EF_E_FORMAT, 0,
                      "not a time (seconds since 1970, 20130524T000000Z or "
                      "2013-05-24T00:00:00Z)");
    for (i = 0; i < text.n; i++)
        if (is_digit(text.p[i]))
            /* 14 in either pattern: d is filled exactly */
            d[k++] = text.p[i];
    y = time_field(digits, 0, 4);
    month = time_field(digits, 4, 2);
    day = time_field(digits, 6, 2);
    hour = time_field(digits, 8, 2);
    min = time_field(digits, 10, 2);
    sec = time_field(digits, 12, 2);
    /* month is judged before time_month_days uses it as an index */
    if (y < 1970 || month < 1 || month > 12 || day < 1 ||
        day > time_month_days(y, month) || hour > 23 || min > 59 || sec > 59)
        return reject(err, EF_E_FORMAT, 0, "no such time");
    *t = ((time_days(y, month, day) * 24 + hour) * 60 + min) * 60 + sec;
    return EF_OK;
}

/* A day of the week, from a count of days since 1970-01-01, a Thursday.
 * 0 is Sunday. days may be negative: the remainder is made positive.
 * 0 -> 4 (Thursday), -1 -> 3, 3 -> 0 (Sunday). */
static int
time_weekday(int64_t days)
{
    return (int)(((days + 4) % 7 + 7) % 7);
}

/* One way to write an HTTP date. day and the rest are where its parts stand;
 * pattern has '0' for a digit, 'A' for a letter and 'b' for a digit or a
 * blank. The weekday stands before it, in full where `full` says so. */
static const struct time_form {
    const char *pattern;
    int full; /* "Sunday" and two digits of a year; else "Sun" and four */
    unsigned char day, month, year, clock;
} time_forms[] = {
    {", 00 AAA 0000 00:00:00 GMT", 0, 2, 5, 9, 14},
    {", 00-AAA-00 00:00:00 GMT", 1, 2, 5, 9, 12},
    {" AAA b0 00:00:00 0000", 0, 5, 1, 17, 8},
};

/* Which of names text begins with, -1 for none.
 * Names are compared with their case: RFC 9110 has them so. The first that
 * fits is the answer: none is the beginning of another. */
static int
time_name(ef_slice text, const char *const *names, int n)
{
    int i;

    for (i = 0; i < n; i++)
        if (slice_has_prefix(text, names[i]))
            return i;
    return -1;
}

/* The form that text has; its weekday, 0 for Sunday, and *rest behind it.
 * NULL where there is none. UNTRUSTED: text.
 * Post:    where a form is returned, all its digits are digits and every field
 * may be read at its place.
 * Fuzz: fuzz/fuzz_http_date.c. Tests: vectors/http_dates.txt. */
static const struct time_form *
time_form_of(ef_slice text, int *weekday, ef_slice *rest)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                       "Thu", "Fri", "Sat"};
    static const char *const full[] = {"Sunday",    "Monday",   "Tuesday",
                                       "Wednesday", "Thursday", "Friday",
                                       "Saturday"};
    size_t i;

    /* "Sunday" begins with "Sun": what follows the short name tells them
     * apart, as no pattern begins with a letter */
    for (i = 0; i < sizeof time_forms / sizeof time_forms[0]; i++) {
        const char *const *names = time_forms[i].full ? full : days;

        *weekday = time_name(text, names, 7);
        if (*weekday < 0)
            continue;
        *rest = slice_from(text, strlen(names[*weekday]));
        if (time_matches(*rest, time_forms[i].pattern))
            return &time_forms[i];
    }
    return NULL;
}

/* Two digits of a year: of the century of now, or the one before where that
 * is more than 50 years ahead. RFC 9110 section 5.6.7. The year of now is
 * read from its text, which has the years 1970 to 9999.
 * Example, in 2026: 94 -> 1994, 70 -> 2070, 77 -> 1977. */
static int
time_century(int yy, int64_t now)
{
    char text[EF_TIME_BYTES];
    int this, y;

    ef_time_format(text, now, 1);
    this = time_field(slice_str(text), 0, 4);
    y = this / 100 * 100 + yy;
    return y > this + 50 ? y - 100 : y;
}

/* UNTRUSTED: text. The weekday must be the date's own: it is said twice, and
 * one of the two is wrong otherwise.
 * Source: RFC 9110 section 5.6.7: IMF-fixdate and two obsolete forms, which
 * a recipient has to read. Second 60 is the next minute's first.
 * Fuzz: fuzz/fuzz_http_date.c. Tests: vectors/http_dates.txt. */
ef_status
ef_http_date_parse(int64_t *t, ef_slice text, int64_t now, ef_err *err)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    const struct time_form *form;
    ef_slice rest;
    int weekday, y, month, day, hour, min, sec;

    form = time_form_of(text, &weekday, &rest);
    if (form == NULL)
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "not an HTTP date");
    /* every field below is digits: time_matches has seen to that */
    y = time_field(rest, form->year, form->full ? 2 : 4);
    if (form->full)
        y = time_century(y, now);
    month = time_name(slice_from(rest, form->month), months, 12) + 1;
    /* asctime writes a blank before a day of one digit */
    day = rest.p[form->day] == ' ' ? time_field(rest, form->day + 1u, 1)
                                   : time_field(rest, form->day, 2);
    hour = time_field(rest, form->clock, 2);
    min = time_field(rest, form->clock + 3u, 2);
    sec = time_field(rest, form->clock + 6u, 2);
    /* month is judged before time_month_days uses it as an index */
    if (y < 1 || month < 1 || day < 1 || day > time_month_days(y, month) ||
        hour > 23 || min > 59 || sec > 60)
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "no such date");
    *t = time_days(y, month, day);
    if (weekday != time_weekday(*t))
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "the weekday is another day's");
    *t = ((*t * 24 + hour) * 60 + min) * 60 + sec;
    return EF_OK;
}

/* --- where a bucket lives --- */

/* Where a bucket is: scheme, authority and path prefix of the URL, and what
 * is signed as Host: in lower case and without a default port, as botocore
 * signs it, whatever the URL has. */
struct sig_place {
    ef_buf origin; /* "https://bucket.s3.amazonaws.com" */
    ef_buf host;   /* lower-case, default port dropped */
    ef_buf path;   /* endpoint prefix, "/bucket" in path style */
};

/* Bucket and host are no secrets; wiping them costs nothing.
 * Safe on zeros, and twice. */
static void
sig_place_free(struct sig_place *w)
{
    ef_buf_free(&w->origin);
    ef_buf_free(&w->host);
    ef_buf_free(&w->path);
}

/* RFC 1123 label: 1 to 63 of A-Z a-z 0-9 -, no hyphen at either end. 1 or 0.
 * Also what a region has to look like, as it becomes part of a host's name.
 * "eu-west-1" is one; "", "-a", "a." and "a_b" are none. */
static int
sig_is_label(const char *s)
{
    size_t i, n = strlen(s);

    if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
        return 0;
    for (i = 0; i < n; i++)
        if (!is_alnum((unsigned char)s[i]) && s[i] != '-')
            return 0;
    return 1;
}

/* A bucket that can be the first label of a host name: 3 to 63 of a-z 0-9 -
 * (no dots: the wildcard certificate covers one label). Upper case is for
 * old buckets of us-east-1; DNS would lose it.
 * "my-data" is one; "ab", "my.data" and "Data" are none. */
static int
sig_is_virtual(const char *bucket)
{
    const char *c;

    for (c = bucket; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            return 0;
    /* c is at the NUL: the length */
    return sig_is_label(bucket) && c - bucket >= 3;
}

/* UNTRUSTED: bucket. Old buckets may have 255 characters and '_', so this is
 * wider than today's rules for new ones; what matters is that none of them
 * can end a host, a path segment or a line.
 * "my_data.2013" is let pass; "a b", "a%2fb" and "a/b" are not.
 * Fails:   EF_E_POLICY for kinds that are signed in another way: "arn:...",
 * "name--usw2-az1--x-s3". EF_E_FORMAT for "" and "a/b".
 * Fuzz: fuzz/fuzz_presign.c. Tests: tests/presign.bats. */
static ef_status
sig_check_bucket(const char *bucket, ef_err *err)
{
    size_t i, n = strlen(bucket);

    /* told by name: "a character that cannot be" would help nobody */
    if (strncmp(bucket, "arn:", 4) == 0)
        return reject(err, EF_E_POLICY, EF_NOWHERE,
                      "bucket ARNs (access points) are not supported");
    if (n >= 6 && strcmp(bucket + n - 6, "--x-s3") == 0)
        return reject(err, EF_E_POLICY, EF_NOWHERE,
                      "S3 Express directory buckets are not supported");
    if (n < 1 || n > 255)
        return reject(err, EF_E_FORMAT, n, "a bucket has 1 to 255 characters");
    for (i = 0; i < n; i++)
        if (!is_alnum((unsigned char)bucket[i]) && bucket[i] != '.' &&
            bucket[i] != '-' && bucket[i] != '_')
            return reject(err, EF_E_FORMAT, i,
                          "a character that a bucket's name cannot have");
    return EF_OK;
}

/* The DNS suffix of a region's partition, from AWS's public list (botocore's
 * endpoints data). cn-north-1 -> amazonaws.com.cn; a region nobody knows ->
 * amazonaws.com, so that new ones work.
 * Limits of the table: a new partition needs a row here, or --endpoint-url. */
static const char *
sig_suffix(const char *region)
{
    static const struct {
        const char *prefix, *suffix;
    } known[] = {{"cn-", "amazonaws.com.cn"},    {"us-iso-", "c2s.ic.gov"},
                 {"us-isob-", "sc2s.sgov.gov"},  {"us-isof-", "csp.hci.ic.gov"},
                 {"eu-isoe-", "cloud.adc-e.uk"}, {"eusc-", "amazonaws.eu"}};
    size_t i;

    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(region, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].suffix;
    return "amazonaws.com";
}

/* us-gov shares the suffix of the aws partition, but not its global host.
 * Only there a global host exists that takes any region's buckets. */
static int
sig_in_aws(const char *region)
{
    return strcmp(sig_suffix(region), "amazonaws.com") == 0 &&
           strncmp(region, "us-gov-", 7) != 0;
}

/* Host names are the same in either case; the canonical request has them in
 * lower case, as botocore signs them. */
static void
sig_lower(ef_buf *host)
{
    size_t i;

    for (i = 0; i < host->n; i++)
        if (host->p[i] >= 'A' && host->p[i] <= 'Z')
            host->p[i] = (unsigned char)(host->p[i] + 32);
}

/* AWS's own endpoints. botocore's `auto` signs for the global host.
 * Examples, bucket "b-1" unless said otherwise:
 * us-east-1             b-1.s3.amazonaws.com
 * eu-west-1             b-1.s3.eu-west-1.amazonaws.com
 * eu-west-1, auto       b-1.s3.amazonaws.com
 * eu-west-1, path       s3.eu-west-1.amazonaws.com/b-1
 * eu-west-1, "my.data"  s3.eu-west-1.amazonaws.com/my.data
 * Pre:     sig_check was content: bucket and region are safe as they are.
 * Tests: tests/presign.bats (the shared table, 2,000 random cases). */
static void
sig_place_aws(struct sig_place *w, const ef_presign *p)
{
    int virtual_ok = sig_is_virtual(p->bucket) && p->addressing != EF_ADDR_PATH;
    /* there the global host is the regional one: no redirect */
    int global = strcmp(p->region, "us-east-1") == 0;

    /* botocore's own default, for those who compare URLs with boto3's */
    if (p->addressing == EF_ADDR_AUTO && sig_in_aws(p->region) &&
        sig_is_label(p->bucket))
        global = 1;
    /* botocore's `virtual` with a bucket that DNS cannot carry */
    if (p->addressing == EF_ADDR_VIRTUAL && sig_in_aws(p->region) &&
        sig_is_label(p->bucket) && !virtual_ok)
        global = 1;
    /* "bucket." in front of the host, or "/bucket" before the key */
    if (virtual_ok)
        buf_printf(&w->host, "%s.", p->bucket);
    else
        buf_printf(&w->path, "/%s", p->bucket);
    ef_buf_str(&w->host, "s3.");
    if (!global)
        buf_printf(&w->host, "%s.", p->region);
    ef_buf_str(&w->host, sig_suffix(p->region));
    ef_buf_str(&w->origin, "https://");
    ef_buf_add(&w->origin, w->host.p, w->host.n);
    sig_lower(&w->host); /* the region's spelling is the user's */
}

/* An IP literal can't carry a bucket in front of it. Digits and dots alone
 * are taken for IPv4: no top-level domain is a number.
 * "127.0.0.1" and "[::1]" are one; "s3.example" is none.
 * Pre:     host has at least one byte, as url_authority says. */
static int
sig_is_address(ef_slice host)
{
    size_t i, digits = 0;

    if (host.p[0] == '[')
        return 1;
    for (i = 0; i < host.n; i++)
        digits += is_digit(host.p[i]) || host.p[i] == '.';
    return digits == host.n;
}

/* UNTRUSTED: p->endpoint, from an option or a configuration file. With
 * "https://Minio.example:443/s3/", bucket b, and no `virtual`:
 * origin "https://Minio.example:443", host "minio.example", path "/s3/b".
 * Post:    on EF_OK host and origin name the same place, and path begins
 * with '/' or is empty.
 * Fails:   EF_E_FORMAT: another scheme, a query, a fragment, a user, a
 * blank, or what url_authority refuses. Memory that ran out shows in w.
 * Fuzz: fuzz/fuzz_presign.c. Tests: tests/presign.bats. */
static ef_status
sig_place_endpoint(struct sig_place *w, const ef_presign *p, ef_err *err)
{
    ef_slice url = slice_str(p->endpoint), rest, host;
    int tls = slice_has_prefix(url, "https://"), in_host;
    size_t n, i;
    int64_t port;
    ef_status rc;

    if (!tls && !slice_has_prefix(url, "http://"))
        return reject(err, EF_E_FORMAT, 0,
                      "an endpoint begins with https:// or http://");
    /* no byte that a URL cannot have, or that begins a query: the rest of
     * the URL is ours to write */
    for (i = 0; i < url.n; i++)
        if (url_bad(url.p[i]) || url.p[i] == '?' || url.p[i] == '@')
            return reject(err, EF_E_FORMAT, i,
                          "a character that an endpoint cannot have");
    rest = slice_from(url, tls ? 8 : 7);
    n = slice_find(rest, '/');
    rc = url_authority(slice(rest.p, n), &host, &port, err);
    if (rc != EF_OK)
        return rc;
    /* servers of one's own seldom have a wildcard name: only when asked */
    in_host = p->addressing == EF_ADDR_VIRTUAL && sig_is_virtual(p->bucket) &&
              !sig_is_address(host);
    ef_buf_str(&w->origin, tls ? "https://" : "http://");
    if (in_host) {
        buf_printf(&w->origin, "%s.", p->bucket);
        buf_printf(&w->host, "%s.", p->bucket);
    }
    /* host and port in the user's spelling; the canonical one is in w->host */
    ef_buf_add(&w->origin, rest.p, n);
    ef_buf_add(&w->host, host.p, host.n);
    sig_lower(&w->host);
    /* a client leaves the default port out of Host (RFC 9110 section 7.2) */
    if (port != 0 && port != (tls ? 443 : 80))
        buf_printf(&w->host, ":%d", (int)port);
    /* the path, without the slashes at its end: the bucket's own follows */
    rest = slice_from(rest, n);
    while (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    ef_buf_add(&w->path, rest.p, rest.n);
    if (!in_host)
        buf_printf(&w->path, "/%s", p->bucket);
    return EF_OK;
}

/* --- the query --- */

/* One parameter. It is encoded when it is added and never again. */
struct sig_pair {
    ef_buf name, value; /* both as they stand in the URL */
};

/* More than any request of S3 takes. */
#define SIG_MAX_QUERY 64 /* pairs a user may add */

/* In the order of the URL: the user's first, then the signature's. */
struct sig_query {
    struct sig_pair pair[SIG_MAX_QUERY + 8]; /* 8: the signature's */
    size_t n;
};

/* The values are the token and the signature: ef_buf_free wipes them. */
static void
sig_query_free(struct sig_query *q)
{
    while (q->n > 0) {
        q->n--;
        ef_buf_free(&q->pair[q->n].name);
        ef_buf_free(&q->pair[q->n].value);
    }
}

/* Encoded here, once; the pair's buffers are sig_query_free's. No bound is
 * checked: SIG_MAX_QUERY pairs of the user's and at most 7 of ours fit.
 * '/' is encoded too: the credential scope "AKID/20130524/..." needs that.
 * Pre:     name and value are not this query's own buffers. */
static void
sig_query_add(struct sig_query *q, ef_slice name, ef_slice value)
{
    struct sig_pair *pair = &q->pair[q->n++];

    *pair = (struct sig_pair){0};
    ef_percent_encode(&pair->name, name, 0);
    ef_percent_encode(&pair->value, value, 0);
}

/* sig_query_add for texts of our own, and for the token. */
static void
sig_query_str(struct sig_query *q, const char *name, const char *value)
{
    sig_query_add(q, slice_str(name), slice_str(value));
}

/* UNTRUSTED: the user's own "name=value" parameters, raw. Names that the
 * signature itself uses are not kept out; the store judges such a URL.
 * "versionId=a b" is kept as versionId=a%20b.
 * Fails:   EF_E_LIMIT past SIG_MAX_QUERY; EF_E_FORMAT for "name" or "=x".
 * "name=" is allowed, an empty value.
 * Fuzz: fuzz/fuzz_presign.c. Tests: tests/presign.bats. */
static ef_status
sig_query_extra(struct sig_query *q, const ef_presign *p, ef_err *err)
{
    size_t i, n;

    if (p->query_n > SIG_MAX_QUERY)
        return reject(err, EF_E_LIMIT, EF_NOWHERE,
                      "more than 64 query parameters");
    for (i = 0; i < p->query_n; i++) {
        ef_slice text = slice_str(p->query[i]);

        n = slice_find(text, '=');
        /* the first '=' divides; later ones belong to the value */
        if (n == 0 || n == text.n)
            return with_where(err,
                              reject(err, EF_E_FORMAT, EF_NOWHERE,
                                     "a query parameter is NAME=VALUE"),
                              text);
        sig_query_add(q, slice(text.p, n), slice_from(text, n + 1));
    }
    return EF_OK;
}

/* Byte order; of two where one begins the other, the shorter first. As
 * memcmp(3): less than, equal to or greater than 0.
 * memcmp is not called with a NULL that an empty buffer has. */
static int
sig_buf_cmp(const ef_buf *a, const ef_buf *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n > 0 ? memcmp(a->p, b->p, n) : 0;

    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

/* SigV4 sorts by encoded name, then by encoded value. Sorting the raw bytes
 * would differ: '{' stands after 'z', its %7B before '0'.
 * Pairs that are equal in both may come in either order: the text is one. */
static int
sig_pair_cmp(const void *a, const void *b)
{
    const struct sig_pair *x = a, *y = b;
    int order = sig_buf_cmp(&x->name, &y->name);

    return order != 0 ? order : sig_buf_cmp(&x->value, &y->value);
}

/* name=value&name=value, as encoded; '=' also where the value is empty.
 * Nothing is encoded here: that was done when the pair was added. */
static void
sig_query_print(ef_buf *out, const struct sig_query *q)
{
    size_t i;

    for (i = 0; i < q->n; i++) {
        if (i > 0)
            ef_buf_byte(out, '&');
        ef_buf_add(out, q->pair[i].name.p, q->pair[i].name.n);
        ef_buf_byte(out, '=');
        ef_buf_add(out, q->pair[i].value.p, q->pair[i].value.n);
    }
}

/* One signature being made. All of it is wiped when it is done. On the heap
 * because the query alone takes kilobytes; secrets of their own, the keys,
 * are only in the struct s of sig_v4_sign and sig_hmac. */
struct sig_work {
    struct sig_place place;
    struct sig_query query;
    ef_buf canonical, to_sign, signature; /* no canonical in SigV2 */
};

/* Safe on zeros, and on work that was left half way.
 * Wiped are: the query with token and signature, the string to sign, the
 * canonical request. */
static void
sig_work_free(struct sig_work *w)
{
    sig_place_free(&w->place);
    sig_query_free(&w->query);
    ef_buf_free(&w->canonical);
    ef_buf_free(&w->to_sign);
    ef_buf_free(&w->signature);
}

/* Did memory run out anywhere? A URL with a part missing is worse than none:
 * it would be signed, and for another object. Asked once, at the end.
 * Each buffer remembers a failure of its own, and stays cut after it. */
static int
sig_work_failed(const struct sig_work *w)
{
    int failed = w->place.origin.failed | w->place.host.failed |
                 w->place.path.failed | w->canonical.failed |
                 w->to_sign.failed | w->signature.failed;
    size_t i;

    for (i = 0; i < w->query.n; i++)
        failed |= w->query.pair[i].name.failed | w->query.pair[i].value.failed;
    return failed;
}

/* Append lower-case hex; out->failed tells when there was no memory.
 * Pre:     p is not out's own storage, which may move. */
static void
sig_hex(ef_buf *out, const unsigned char *p, size_t n)
{
    if (!buf_room(out, 2 * n))
        return;
    ef_hex_encode((char *)out->p + out->n, p, n, 0);
    out->n += 2 * n;
}

/* --- Signature Version 4 --- */

/* The canonical request. The payload is not signed: nobody has it yet. Only
 * here is the query sorted; the URL keeps the order in which it was made.
 * Lines: method, path, query, "host:" and the host, more's, an empty one, the
 * signed headers' names, and UNSIGNED-PAYLOAD. A presigned URL has no other
 * header than host: more is "" then, and names "host".
 * Example of its end: "host:b.s3.amazonaws.com", "", "host",
 * "UNSIGNED-PAYLOAD".
 * Pre:     the query is complete but for the signature; more's lines are in
 * the order of names, and each ends with a line feed.
 * Tests: vectors/sigv4.txt and vectors/sigv4_headers.txt have this text for
 * every record. */
static void
sig_v4_canonical(struct sig_work *w, const ef_presign *p, ef_slice more,
                 const char *names)
{
    /* 8 KiB of the stack, with pointers in it and no secret bytes */
    struct sig_query sorted = w->query; /* the pairs' buffers are shared */

    qsort(sorted.pair, sorted.n, sizeof sorted.pair[0], sig_pair_cmp);
    ef_buf_str(&w->canonical, p->method);
    ef_buf_byte(&w->canonical, '\n');
    ef_buf_add(&w->canonical, w->place.path.p, w->place.path.n);
    ef_buf_byte(&w->canonical, '\n');
    sig_query_print(&w->canonical, &sorted);
    ef_buf_str(&w->canonical, "\nhost:");
    ef_buf_add(&w->canonical, w->place.host.p, w->place.host.n);
    ef_buf_byte(&w->canonical, '\n');
    ef_buf_add(&w->canonical, more.p, more.n);
    ef_buf_byte(&w->canonical, '\n');
    ef_buf_str(&w->canonical, names);
    ef_buf_str(&w->canonical, "\nUNSIGNED-PAYLOAD");
}

/* strlen(3) of a secret: only where it ends shows. The C library's own would
 * do, but reads words past the end, which memcheck cannot follow. */
static size_t
sig_length(const char *secret)
{
    size_t n = 0;
    uint32_t end = 0;

    for (;; n++) {
        end = ct_within((unsigned char)secret[n], 0, 0);
        EF_PUBLIC(end);
        if (end)
            return n;
    }
}

/* AWS4 + secret -> date -> region -> service -> aws4_request -> signature
 * Each arrow is HMAC-SHA-256, keyed with what is left of it. date is
 * "20130524T000000Z", of which the first 8 characters count.
 * to_sign is no secret; the signature becomes part of the URL.
 * Secret:  the derived keys sign for a day, a region and S3: they are in s,
 * wiped. "AWS4" and the secret key are joined on the heap, wiped. */
static void
sig_v4_sign(struct sig_work *w, const ef_presign *p, const char *date)
{
    struct {
        ef_buf secret;
        unsigned char key[EF_SHA256_BYTES], mac[EF_SHA256_BYTES];
    } s = {.secret = {0}};
    ef_slice steps[4] = {slice(date, 8), slice_str(p->region), slice_str("s3"),
                         slice_str("aws4_request")};
    size_t i;

    ef_buf_str(&s.secret, "AWS4");
    ef_buf_add(&s.secret, p->secret_key, sig_length(p->secret_key));
    /* half a key would sign, and nobody could tell why it is refused */
    if (s.secret.failed)
        w->signature.failed = 1;
    /* also after a failure, with an empty key: sig_work_failed keeps the
     * result from getting out */
    ef_hmac_sha256(s.key, s.secret.p, s.secret.n, steps[0].p, steps[0].n);
    for (i = 1; i < 4; i++)
        /* in place: the key is taken in before out is written */
        ef_hmac_sha256(s.key, s.key, sizeof s.key, steps[i].p, steps[i].n);
    ef_hmac_sha256(s.mac, s.key, sizeof s.key, w->to_sign.p, w->to_sign.n);
    EF_PUBLIC(s.mac);
    sig_hex(&w->signature, s.mac, sizeof s.mac);
    ef_buf_free(&s.secret);
    ef_wipe(&s, sizeof s);
}

/* The canonical request, the string to sign, the signature: w has all three
 * afterwards. The string to sign is the algorithm, the time, the scope, and
 * the hash of the canonical request, a line each. more and names are
 * sig_v4_canonical's.
 * Pre:     the query is complete but for a signature in it.
 * Source: AWS Signature Version 4.
 * Example of a string to sign: "AWS4-HMAC-SHA256", "20130524T000000Z",
 * "20130524/us-east-1/s3/aws4_request", 64 hex digits.
 * Secret:  w->signature; the keys on the way to it are sig_v4_sign's.
 * Tests: vectors/sigv4.txt, vectors/sigv4_headers.txt. */
static void
sig_v4_finish(struct sig_work *w, const ef_presign *p, const char *date,
              ef_slice more, const char *names)
{
    unsigned char hash[EF_SHA256_BYTES];

    sig_v4_canonical(w, p, more, names);
    ef_sha256(hash, w->canonical.p, w->canonical.n);
    buf_printf(&w->to_sign, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n",
               date, date, p->region);
    sig_hex(&w->to_sign, hash, sizeof hash);
    sig_v4_sign(w, p, date);
}

/* w->place is complete. Adds the X-Amz-* parameters, the session token
 * among them, signs all of the query so far, and adds the signature.
 * The string to sign is the algorithm, the time, the scope, and the hash of
 * the canonical request, a line each.
 * Example of a credential: AKID%2F20130524%2Fus-east-1%2Fs3%2Faws4_request.
 * Source: AWS Signature Version 4, authenticating requests by query.
 * Tests: vectors/sigv4.txt, tests/presign.bats. */
static void
sig_v4(struct sig_work *w, const ef_presign *p)
{
    char date[EF_TIME_BYTES];
    ef_buf text = {0};

    ef_time_format(date, p->now, 1);
    sig_query_str(&w->query, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    /* the scope: a day, a region, the service; a label of 63 at most fits */
    buf_printf(&text, "/%.8s/%s/s3/aws4_request", date, p->region);
    {
        ef_buf credential = {0};

        ef_buf_str(&credential, p->access_key);
        ef_buf_add(&credential, text.p, text.n);
        sig_query_add(&w->query, slice_str("X-Amz-Credential"),
                      buf_slice(&credential));
        w->signature.failed |= credential.failed;
        ef_buf_free(&credential);
    }
    sig_query_str(&w->query, "X-Amz-Date", date);
    text.n = 0;
    buf_printf(&text, "%lld", (long long)p->expires);
    sig_query_str(&w->query, "X-Amz-Expires", buf_cstr(&text));
    sig_query_str(&w->query, "X-Amz-SignedHeaders", "host");
    if (p->token != NULL)
        /* before signing: S3 wants the token signed like any parameter */
        sig_query_str(&w->query, "X-Amz-Security-Token", p->token);
    /* the query is complete now, but for what this computes */
    sig_v4_finish(w, p, date, slice("", 0), "host");
    sig_query_add(&w->query, slice_str("X-Amz-Signature"),
                  buf_slice(&w->signature));
    /* text is gone before sig_work_failed looks */
    w->signature.failed |= text.failed;
    ef_buf_free(&text);
}

/* The same in headers: what is signed besides the host stands in lines, and
 * the signature is a line of its own, so that the URL is no credential. The
 * lines are both canonical headers and, as they stand, headers to send: names
 * in lower case and in order, values without blanks around them.
 * Secret:  headers: who has them may send this request for some minutes.
 * Source: AWS Signature Version 4, authenticating requests by the
 * Authorization header. Tests: vectors/sigv4_headers.txt.
 * Post:    headers' own failure is asked by ef_sign_request, w's by sig_end.
 * Example: "Authorization:AWS4-HMAC-SHA256 Credential=AKID/20130524/...". */
static void
sig_v4_headers(struct sig_work *w, const ef_presign *p, ef_buf *headers)
{
    const char *names =
        p->token != NULL
            ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
            : "host;x-amz-content-sha256;x-amz-date";
    char date[EF_TIME_BYTES];
    size_t start = headers->n; /* what the caller has there is not signed */

    ef_time_format(date, p->now, 1);
    ef_buf_str(headers, "x-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:");
    ef_buf_str(headers, date);
    ef_buf_byte(headers, '\n');
    if (p->token != NULL) {
        ef_buf_str(headers, "x-amz-security-token:");
        ef_buf_str(headers, p->token);
        ef_buf_byte(headers, '\n');
    }
    sig_v4_finish(w, p, date, slice_from(buf_slice(headers), start), names);
    ef_buf_str(headers, "Authorization:AWS4-HMAC-SHA256 Credential=");
    ef_buf_str(headers, p->access_key);
    buf_printf(headers, "/%.8s/%s/s3/aws4_request, SignedHeaders=%s, ", date,
               p->region, names);
    ef_buf_str(headers, "Signature=");
    ef_buf_add(headers, w->signature.p, w->signature.n);
    ef_buf_byte(headers, '\n');
}

/* --- Signature Version 2 --- */

/* Query parameters that are part of the resource, in byte order: those that
 * botocore knows (HmacV1Auth.QSAOfInterest). A parameter that is not here
 * goes out unsigned: so SigV2 is. */
static const char *const sig_v2_resources[] = {"accelerate",
                                               "acl",
                                               "analytics",
                                               "cors",
                                               "defaultObjectAcl",
                                               "delete",
                                               "inventory",
                                               "lifecycle",
                                               "location",
                                               "logging",
                                               "metrics",
                                               "notification",
                                               "object-lock",
                                               "partNumber",
                                               "policy",
                                               "replication",
                                               "requestPayment",
                                               "response-cache-control",
                                               "response-content-disposition",
                                               "response-content-encoding",
                                               "response-content-language",
                                               "response-content-type",
                                               "response-expires",
                                               "restore",
                                               "select",
                                               "select-type",
                                               "storageClass",
                                               "tagging",
                                               "torrent",
                                               "uploadId",
                                               "uploads",
                                               "versionId",
                                               "versioning",
                                               "versions",
                                               "website"};

/* Append those of the user's parameters, values raw, in the table's order.
 * "acl=" is signed as "acl". A parameter given twice is signed twice, in the
 * order given.
 * Example: "?acl&versionId=3", for the parameters versionId=3, acl= and x=1. */
static void
sig_v2_append_resources(ef_buf *out, const ef_presign *p)
{
    size_t i, k, n;
    char mark = '?';

    /* 35 times 64 comparisons at most */
    for (i = 0; i < sizeof sig_v2_resources / sizeof sig_v2_resources[0]; i++)
        for (k = 0; k < p->query_n; k++) {
            ef_slice text = slice_str(p->query[k]);

            n = slice_find(text, '=');
            if (!slice_is(slice(text.p, n), sig_v2_resources[i]))
                continue;
            ef_buf_byte(out, (unsigned char)mark);
            /* a parameter without a value is named alone */
            ef_buf_add(out, text.p, n + 1 < text.n ? text.n : n);
            mark = '&';
        }
}

/* Signature Version 2, query form: HMAC-SHA1 over method, expiry, token
 * header and resource. The resource is /bucket/key and its subresources,
 * however the URL addresses the bucket. Some stores know nothing else,
 * and the reference's own example uses it.
 * Example of what is signed: "GET\n\n\n1141889120\n/bucket/photos/cat.jpg".
 * SigV2 signs no region and no scope: only a method, an object and a time.
 * Secret:  the secret key is used where it stands; sig_hmac wipes its copy.
 * Source: AWS Signature Version 2. Tests: vectors/sigv2.txt. */
static void
sig_v2(struct sig_work *w, const ef_presign *p)
{
    unsigned char mac[EF_SHA1_BYTES];
    char base64[EF_BASE64_BYTES(EF_SHA1_BYTES)];
    ef_buf expires = {0};

    /* the moment it ends, not its length as in SigV4; sig_check bounds both */
    buf_printf(&expires, "%lld", (long long)(p->now + p->expires));
    ef_buf_str(&w->to_sign, p->method);
    ef_buf_str(&w->to_sign, "\n\n\n"); /* no Content-MD5, no Content-Type */
    ef_buf_add(&w->to_sign, expires.p, expires.n);
    ef_buf_byte(&w->to_sign, '\n');
    if (p->token != NULL) {
        ef_buf_str(&w->to_sign, "x-amz-security-token:");
        ef_buf_str(&w->to_sign, p->token);
        ef_buf_byte(&w->to_sign, '\n');
    }
    /* as S3 names it to itself; 255 characters at most fit */
    buf_printf(&w->to_sign, "/%s/", p->bucket);
    ef_percent_encode(&w->to_sign, p->key, 1);
    sig_v2_append_resources(&w->to_sign, p);
    ef_hmac_sha1(mac, p->secret_key, sig_length(p->secret_key), w->to_sign.p,
                 w->to_sign.n);
    EF_PUBLIC(mac);
    /* 28 characters; '+', '/' and '=' are encoded with the query */
    ef_base64_encode(base64, mac, sizeof mac);
    ef_buf_add(&w->signature, base64, sizeof base64);
    sig_query_str(&w->query, "AWSAccessKeyId", p->access_key);
    sig_query_add(&w->query, slice_str("Signature"), buf_slice(&w->signature));
    if (p->token != NULL)
        sig_query_str(&w->query, "x-amz-security-token", p->token);
    sig_query_add(&w->query, slice_str("Expires"), buf_slice(&expires));
    w->signature.failed |= expires.failed;
    ef_buf_free(&expires);
}

/* UNTRUSTED: everything in *p but the keys. The endpoint has a check of its
 * own. Post: what goes into a host's name unencoded can do no harm there,
 * and now + expires is a time that four digits of a year can say.
 * Not checked: the method, which section 16 sets, and the profile's keys,
 * which are percent-encoded or only hashed.
 * Fails:   EF_E_FORMAT, EF_E_LIMIT (the key), EF_E_POLICY (the bucket).
 * Limits:  EF_MAX_S3_KEY_BYTES, EF_MAX_EXPIRES_SEC.
 * Fuzz: fuzz/fuzz_presign.c. Tests: tests/presign.bats. */
static ef_status
sig_check(const ef_presign *p, ef_err *err)
{
    ef_status rc = sig_check_bucket(p->bucket, err);
    size_t n = p->key.n;

    if (rc != EF_OK)
        return with_where(err, rc, slice_str(p->bucket));
    if (n == 0 || n > EF_MAX_S3_KEY_BYTES)
        rc = reject(err, n == 0 ? EF_E_FORMAT : EF_E_LIMIT, n,
                    "an object's key has 1 to EF_MAX_S3_KEY_BYTES (1024) "
                    "bytes");
    if (rc == EF_OK)
        /* S3 takes keys for UTF-8; other bytes could be signed, and never found
         */
        rc = ef_utf8_check(p->key, err);
    if (rc != EF_OK)
        return with_where(err, rc, p->key);
    /* it becomes part of a host's name and of the scope */
    if (!sig_is_label(p->region))
        return with_where(
            err, reject(err, EF_E_FORMAT, EF_NOWHERE, "not a region's name"),
            slice_str(p->region));
    if (p->expires < 1 || p->expires > EF_MAX_EXPIRES_SEC)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "a presigned URL lives 1 to EF_MAX_EXPIRES_SEC "
                      "(604800, seven days) seconds");
    if (p->now < 0 || p->now > TIME_MAX - EF_MAX_EXPIRES_SEC)
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "no such time");
    return EF_OK;
}

/* Hand an intermediate to who asked for it. out's own failure is out's.
 * Only vectors and people who compare stages ask for one. */
static void
sig_stage(ef_buf *out, const ef_buf *in)
{
    if (out != NULL)
        ef_buf_add(out, in->p, in->n);
}

/* Where the object is, and the query so far: all that both forms of signing
 * begin with. w is zeros before, and holds what there is afterwards, also
 * after a failure: sig_work_free.
 * Fails:   as sig_place_endpoint and sig_query_extra.
 * Post:    on EF_OK place.path is complete, and query has the user's pairs in
 * the order given, each encoded once. */
static ef_status
sig_begin(struct sig_work *w, const ef_presign *p, ef_err *err)
{
    ef_status rc = EF_OK;

    if (p->endpoint != NULL)
        rc = with_where(err, sig_place_endpoint(&w->place, p, err),
                        slice_str(p->endpoint));
    else
        sig_place_aws(&w->place, p);
    if (rc == EF_OK)
        rc = sig_query_extra(&w->query, p, err);
    /* "/key" in virtual style, "/bucket/key" in path style; slashes of the
     * key stay, and "//" or ".." in it is neither resolved nor refused */
    ef_buf_byte(&w->place.path, '/');
    ef_percent_encode(&w->place.path, p->key, 1);
    return rc;
}

/* The URL is put together from the very bytes that were signed. Encoding
 * twice, or once more for the URL, is how signatures fail. Hands stages to
 * who asked for them, frees w, and burns BearSSL's hash states off the stack.
 * Secret:  w is freed wiped on every path; url stays the caller's, and may
 * hold a part after a failure.
 * Fails:   rc, where something failed before; EF_E_MEMORY.
 * Order:   the URL first, since a stage may be asked for by vectors that look
 * at it; the stack last, when nothing more is computed. */
static ef_status
sig_end(struct sig_work *w, ef_buf *url, ef_sign_stages *stages, ef_status rc,
        ef_err *err)
{
    /* after a failure nothing is handed out, but all of it is freed */
    if (rc == EF_OK) {
        ef_buf_add(url, w->place.origin.p, w->place.origin.n);
        ef_buf_add(url, w->place.path.p, w->place.path.n);
        if (w->query.n > 0)
            ef_buf_byte(url, '?');
        sig_query_print(url, &w->query);
        if (stages != NULL) {
            sig_stage(stages->canonical, &w->canonical);
            sig_stage(stages->to_sign, &w->to_sign);
            sig_stage(stages->signature, &w->signature);
        }
        rc = sig_work_failed(w) ? reject_memory(err) : buf_status(url, err);
    }
    sig_work_free(w);
    free(w);
    burn_stack();
    return rc;
}

/* The signature is in the query: who has the URL may use it until it expires.
 * Fails:   as sig_check and sig_begin; EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_presign.c. */
ef_status
ef_presign_url(ef_buf *url, ef_sign_stages *stages, const ef_presign *p,
               ef_err *err)
{
    struct sig_work *w;
    ef_status rc = sig_check(p, err);

    if (rc != EF_OK)
        return rc;
    /* zeros are empty buffers: sig_work_free may come at any time */
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return reject_memory(err);
    rc = sig_begin(w, p, err);
    if (rc == EF_OK && p->sigv2)
        sig_v2(w, p);
    else if (rc == EF_OK)
        sig_v4(w, p);
    return sig_end(w, url, stages, rc, err);
}

/* Visible ASCII alone, and some of it. Which byte is wrong of a session token
 * may show: it is sent with every request.
 * "AKIAIOSFODNN7EXAMPLE" is; "a b", "", "a\n" and what is not ASCII are not. */
static int
sig_is_visible(const char *s)
{
    size_t i;

    for (i = 0; s[i] > 0x20 && s[i] < 0x7f; i++)
        ;
    return i > 0 && s[i] == '\0';
}

/* A request has no life that anybody sets: S3 takes it for a quarter of an
 * hour. Where it cannot be signed the reasons are a presigned URL's.
 * Secret:  headers, which the caller frees, also after a failure.
 * Fails:   as ef_presign_url. Fuzz: fuzz/fuzz_presign.c. */
ef_status
ef_sign_request(ef_buf *url, ef_buf *headers, ef_sign_stages *stages,
                const ef_presign *p, ef_err *err)
{
    ef_presign request = *p;
    struct sig_work *w;
    ef_status rc;

    request.expires = 1; /* any that sig_check takes: it is not signed */
    rc = sig_check(&request, err);
    /* they would be header lines of their own, or end one */
    if (rc == EF_OK && (!sig_is_visible(p->access_key) ||
                        (p->token != NULL && !sig_is_visible(p->token))))
        rc = reject(err, EF_E_FORMAT, EF_NOWHERE,
                    "an access key id or a session token with a blank, or a "
                    "character that no header may have");
    if (rc != EF_OK)
        return rc;
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return reject_memory(err);
    rc = sig_begin(w, p, err);
    if (rc == EF_OK)
        sig_v4_headers(w, p, headers);
    rc = sig_end(w, url, stages, rc, err);
    return rc == EF_OK ? buf_status(headers, err) : rc;
}

/* --- reading a presigned query back --- */

/* UNTRUSTED: query. The value of name in it, still encoded; n 0: not there,
 * or empty. The first of several counts. Names are compared as they stand:
 * stores accept no %XX in these.
 * "a=1&b=2&a=3", a -> "1".
 * Fuzz: fuzz/fuzz_query.c. Tests: vectors/presigned.txt. */
static ef_slice
sig_query_get(ef_slice query, const char *name)
{
    while (query.n > 0) {
        size_t n = slice_find(query, '&');
        ef_slice pair = slice(query.p, n);
        /* eq is pair.n where there is no '=': the value is empty then */
        size_t eq = slice_find(pair, '=');

        if (slice_is(slice(pair.p, eq), name))
            return slice_from(pair, eq + 1);
        query = slice_from(query, n + 1);
    }
    return slice(query.p, 0);
}

/* UNTRUSTED: query. Only for telling people when it ends: the store is the
 * one who judges it, and no signature is checked here. Which version is told
 * by the signature's name. CloudFront has Signature and Expires as well, and
 * is told by Key-Pair-Id.
 * Fails:   EF_E_FORMAT; out->version tells by then which kind it is.
 * "X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&..." -> 1369353660.
 * Fuzz: fuzz/fuzz_query.c. Tests: vectors/presigned.txt. */
ef_status
ef_presigned_parse(ef_presigned *out, ef_slice query, ef_err *err)
{
    ef_slice v4 = sig_query_get(query, "X-Amz-Signature");
    ef_slice v2 = sig_query_get(query, "Signature"), date;
    int64_t life;

    *out = (ef_presigned){0, 0, 0};
    /* a query with both signatures is judged by the newer one, as S3 does not
     * accept both at once */
    if (v4.n > 0) {
        out->version = 4;
        out->token = sig_query_get(query, "X-Amz-Security-Token").n > 0;
        life = slice_number(sig_query_get(query, "X-Amz-Expires"));
        date = sig_query_get(query, "X-Amz-Date");
        /* X-Amz-Date has this form alone; ef_time_parse takes others, too */
        if (life < 0 || !time_matches(date, time_basic) ||
            ef_time_parse(&out->expires, date, NULL) != EF_OK)
            return reject(err, EF_E_FORMAT, EF_NOWHERE,
                          "a SigV4 query without a valid X-Amz-Date and "
                          "X-Amz-Expires");
        /* at most TIME_MAX and 12 digits: cannot overflow */
        out->expires += life;
        return EF_OK;
    }
    if (v2.n == 0 || sig_query_get(query, "Key-Pair-Id").n > 0)
        return EF_OK; /* not presigned, or by CloudFront's scheme */
    out->version = 2;
    out->token = sig_query_get(query, "x-amz-security-token").n > 0;
    out->expires = slice_number(sig_query_get(query, "Expires"));
    if (out->expires < 0)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "a SigV2 query without a valid Expires");
    return EF_OK;
}

/* ======================================================================= *
 * 11. HTTP AND STORAGE    objects, parts, keys     (http_, xml_, store_,  *
 *                                                   get_, put_, aws_)     *
 *                                                                         *
 *   In       response bodies and heads, certificates; what services and   *
 *            programs say that give keys; configuration files             *
 *                                                             UNTRUSTED   *
 *   Out      bytes to a callback, a file, an object; a status             *
 *   Secret   URLs with presigned queries, AWS keys: ef_secret_alloc       *
 *            memory here; libcurl keeps copies of its own until the       *
 *            handle is closed. Plaintext on its way: secret memory        *
 *   Needs    1, 2, 3, 5, 7, 8, 10; libcurl (with any TLS library it was   *
 *            built with); fork for credential_process                     *
 *   Spec     RFC 9110, 9112 through libcurl; S3's requests: no            *
 *            Content-Type, the path as it was signed; XML 1.0 as far as   *
 *            S3 uses it; AWS's standard retry mode; the order in which    *
 *            botocore looks for keys                                      *
 *   Tests    tests/run.bats tests/s3.bats tests/static.bats               *
 *            tests/storage.bats tests/network.bats tests/credentials.bats *
 *            vectors/commands.txt vectors/content_ranges.txt              *
 *            vectors/etags.txt vectors/xml.txt                            *
 *   Fuzz     fuzz/fuzz_http.c fuzz/fuzz_aws.c fuzz/fuzz_range.c           *
 *            fuzz/fuzz_xml.c fuzz/fuzz_keys.c fuzz/fuzz_container.c       *
 * ======================================================================= */

/* In this order: what a server answers, as pure functions (the library has
 * them too); the engine; whole objects; where AWS keeps its keys.
 *
 * A store_job is one transfer with callbacks, or several in turn (again);
 * store_run drives up to 8 at once through libcurl's multi interface in
 * one thread, so callbacks need no locks. file:// jobs are done in their
 * turn. With all_or_nothing the first failure ends the others (inputs,
 * parts); without, each job ends by itself (outputs), with its own err.
 * The loop sleeps in curl_multi_poll, which sockets wake. While a
 * connection is being made that is 1 ms at most, because libcurl's
 * BearSSL backend names no direction that a handshake waits for; later
 * up to 100 ms, after which o->stop is looked at.
 *
 * TLS is 1.2 or later and always verified. Status 200 completes a whole
 * download, 206 the very range that was asked for, of the object that was
 * begun with (If-Match, and its ETag again); `end`, where the tag is checked,
 * is called after that alone. What may pass is tried again, as AWS's standard
 * mode has it; a download goes on where it was cut. A transfer that stands
 * still for stall_sec is given up, a connection after 30 s or sooner, and all
 * of it at the deadline.
 *
 * A large object comes in ranges and goes in parts, 8 side by side. Sealed
 * ranges are decrypted each by itself: counter mode needs no order, and GHASH
 * is a polynomial whose pieces are put together at the end (get_range_end).
 * Sealed parts are made in order, since a retry must send the very bytes: they
 * wait in memory. Nothing bears a name before its tag has been seen; no part
 * stays at the store when an upload fails. */

/* --- fields of an answer's head --- */

/* Three fields decide what may be done with an answer: Content-Range says
 * which bytes it is, ETag of which object, and Date (section 10) whether the
 * clocks agree. Each is read whole or not at all: a field that is almost
 * right counts as missing to http_field, and what needs it is refused then. */

/* UNTRUSTED: text. Decimal digits from *at on, 1 to 18 of them, so that no
 * sum of two overflows; *at is behind them afterwards. 0: there are none, or
 * too many.
 * Fuzz: fuzz/fuzz_range.c.
 * "007-" -> 7, at behind it; "-" and "" -> 0; of 19 digits 18 are read, and
 * what should follow them is not there. */
static int
http_digits(ef_slice text, size_t *at, uint64_t *out)
{
    size_t start = *at;

    for (*out = 0; *at < text.n && is_digit(text.p[*at]) && *at - start < 18;
         ++*at)
        *out = *out * 10 + (uint64_t)(text.p[*at] - '0');
    return *at > start;
}

/* UNTRUSTED: text at *at. One byte, c. Fuzz: fuzz/fuzz_range.c. */
static int
http_byte(ef_slice text, size_t *at, char c)
{
    if (*at >= text.n || text.p[*at] != (unsigned char)c)
        return 0;
    ++*at;
    return 1;
}

/* UNTRUSTED: text. The size after the slash. An unknown one is '*', but not
 * where the range is unknown as well: that would say nothing.
 * Fuzz: fuzz/fuzz_range.c.
 * "1234" -> 1234; "*" -> EF_UNKNOWN where a range stands before it. */
static int
http_range_total(ef_content_range *out, ef_slice text, size_t *at)
{
    out->total = EF_UNKNOWN;
    if (out->satisfied && http_byte(text, at, '*'))
        return 1;
    return http_digits(text, at, &out->total);
}

/* UNTRUSTED: text. "bytes 0-99/1234", "bytes 0-99/" and an asterisk for a
 * size that is not known, or with an asterisk for the range where none could
 * be given. Other units are refused: nobody asked for them.
 * Source: RFC 9110 section 14.4.
 * Fuzz: fuzz/fuzz_range.c. Tests: vectors/content_ranges.txt.
 * Numbers have no sign and no blank; leading zeros are digits like others.
 * Post:    first <= last < total, so that last + 1 - first is a size. */
ef_status
ef_content_range_parse(ef_content_range *out, ef_slice text, ef_err *err)
{
    size_t at = 6;
    int ok;

    /* "bytes" and its blank are not more than this; at is behind them */
    *out = (ef_content_range){0, 0, EF_UNKNOWN, 0};
    if (text.n < 6 || strncasecmp((const char *)text.p, "bytes ", 6) != 0)
        return reject(err, EF_E_FORMAT, 0, "not a range of bytes");
    out->satisfied = !http_byte(text, &at, '*');
    ok = !out->satisfied ||
         (http_digits(text, &at, &out->first) && http_byte(text, &at, '-') &&
          http_digits(text, &at, &out->last));
    ok = ok && http_byte(text, &at, '/') && http_range_total(out, text, &at);
    if (!ok || at != text.n)
        return reject(err, EF_E_FORMAT, at, "not a range of bytes");
    /* total is EF_UNKNOWN, more than any last, where it is not known */
    if (out->satisfied && (out->first > out->last || out->last >= out->total))
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "no such range");
    return EF_OK;
}

/* UNTRUSTED: text. Only a strong tag says that bytes are the same, and may be
 * sent in If-Match.
 * Post:    *tag is a part of text: a quote, bytes that no header misreads, a
 * quote.
 * Source: RFC 9110 section 8.8.3.
 * Fuzz: fuzz/fuzz_range.c. Tests: vectors/etags.txt.
 * Bytes from 0x80 on are let pass: HTTP has them in tags (obs-text). */
ef_status
ef_etag_parse(ef_slice *tag, int *weak, ef_slice text, ef_err *err)
{
    size_t at;

    *tag = (ef_slice){NULL, 0};
    *weak = slice_has_prefix(text, "W/");
    if (text.n > EF_MAX_ETAG_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_ETAG_BYTES,
                      "an ETag of more than EF_MAX_ETAG_BYTES (256)");
    /* a lower-case w/ is no mark at all, and no tag begins with it */
    at = *weak ? 2 : 0;
    if (!http_byte(text, &at, '"'))
        return reject(err, EF_E_FORMAT, at, "not an ETag");
    while (at < text.n && text.p[at] > 0x20 && text.p[at] != '"' &&
           text.p[at] != 0x7f)
        at++;
    /* the closing quote is the last byte */
    if (!http_byte(text, &at, '"') || at != text.n)
        return reject(err, EF_E_FORMAT, at, "not an ETag");
    *tag = slice_from(text, *weak ? 2 : 0);
    return EF_OK;
}

/* --- XML, as much of it as S3 writes --- */

/* Three documents are read: Error, InitiateMultipartUploadResult,
 * CompleteMultipartUploadResult; of each one or two elements directly below
 * the root. */

/* A document is walked once, byte by byte, with the names of its open
 * elements on a stack. Only what S3 sends is read: elements, attributes that
 * nobody asks for, text with references. A DOCTYPE could define references of
 * its own, and comments and CDATA could hide text from one reader or another:
 * all are refused. */
#define XML_NAME_BYTES 64

struct xml_reader {
    /* all offsets are into text, and so are the names on the stack: nothing is
     * copied but the value that was asked for */
    ef_slice text;
    size_t at;
    ef_slice open[EF_MAX_XML_DEPTH]; /* names, the root's first */
    size_t depth;
    const char *root, *name; /* wanted */
    ef_buf *value;
    int begun, found, taking; /* the root was there; the element was; is */
    ef_err *err;
};

/* Every refusal of the reader: where it stands is where it is wrong.
 * No text of the document gets into a message: who wrote it is a store, or
 * somebody in its place. */
static ef_status
xml_reject(struct xml_reader *r, const char *msg)
{
    return reject(r->err, EF_E_FORMAT, r->at, msg);
}

/* The byte at the reader's place; 0 at the end. A NUL is in no document. */
static unsigned char
xml_peek(const struct xml_reader *r)
{
    return r->at < r->text.n ? r->text.p[r->at] : 0;
}

/* White space of XML, which is_blank_byte has more of. */
static int
xml_is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
xml_skip_space(struct xml_reader *r)
{
    while (xml_is_space(xml_peek(r)))
        r->at++;
}

/* Goes past text where it stands next; 0 where it does not.
 * "<" is also the beginning of "</": who asks for both asks for the longer one
 * first. */
static int
xml_take(struct xml_reader *r, const char *text)
{
    if (!slice_has_prefix(slice_from(r->text, r->at), text))
        return 0;
    r->at += strlen(text);
    return 1;
}

/* UNTRUSTED: a name of ASCII: S3 has no others. A prefix is part of it.
 * Fuzz: fuzz/fuzz_xml.c.
 * Post:    *name is 1 to XML_NAME_BYTES of the text.
 * "Error", "s3:Code", "_x" are names; "1a", "-a" and "" are none. */
static ef_status
xml_name(struct xml_reader *r, ef_slice *name)
{
    size_t start = r->at;
    unsigned char c = xml_peek(r);

    /* ASCII alone: a byte of another character ends the name, and what follows
     * a name is looked at by who asked for it */
    while (is_alnum(c) || c == '_' || c == ':' ||
           (r->at > start && (c == '-' || c == '.'))) {
        /* a name begins with no digit */
        if (r->at == start && is_digit(c))
            break;
        if (r->at - start == XML_NAME_BYTES)
            return xml_reject(r, "a name of more than 64 bytes");
        r->at++;
        c = xml_peek(r);
    }
    *name = slice(r->text.p + start, r->at - start);
    if (name->n == 0)
        return xml_reject(r, "not a name, or markup that S3 does not use "
                             "(a DOCTYPE, a comment, CDATA)");
    return EF_OK;
}

/* XML's Char: no control character but three, no surrogate, and two that are
 * no characters at all. */
static int
xml_is_char(uint32_t cp)
{
    return cp == '\t' || cp == '\n' || cp == '\r' ||
           (cp >= 0x20 && cp < 0xd800) || (cp >= 0xe000 && cp <= 0xfffd) ||
           (cp >= 0x10000 && cp <= 0x10ffff);
}

/* UNTRUSTED: digits of a character reference, and the ';' behind them.
 * Fuzz: fuzz/fuzz_xml.c.
 * "#65;" and "#x41;" are both A. Digits of any count: zeros in front change
 * nothing. */
static ef_status
xml_number(struct xml_reader *r, uint32_t base, uint32_t *cp)
{
    size_t start = r->at;
    uint32_t digit;

    for (*cp = 0; (digit = hex_value(xml_peek(r))) < base; r->at++)
        /* stops growing past the last code point: no overflow */
        *cp = *cp <= 0x10ffff ? *cp * base + digit : *cp;
    if (r->at == start || !xml_take(r, ";") || !xml_is_char(*cp))
        return xml_reject(r, "no such character");
    return EF_OK;
}

/* UNTRUSTED: "&lt;", "&#38;" and the like; the reader is behind the '&'.
 * Fuzz: fuzz/fuzz_xml.c.
 * Others than the five would have to be declared, in a DOCTYPE. */
static ef_status
xml_reference(struct xml_reader *r, uint32_t *cp)
{
    static const struct {
        const char *name;
        unsigned char c;
    } known[] = {{"lt;", '<'},
                 {"gt;", '>'},
                 {"amp;", '&'},
                 {"quot;", '"'},
                 {"apos;", '\''}};
    size_t i;

    if (xml_take(r, "#x"))
        return xml_number(r, 16, cp);
    if (xml_take(r, "#"))
        return xml_number(r, 10, cp);
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (xml_take(r, known[i].name)) {
            *cp = known[i].c;
            return EF_OK;
        }
    return xml_reject(r, "not a reference that XML has by itself");
}

/* UNTRUSTED: one character of text or of an attribute, as it is meant: a
 * reference is decoded, and CR and CR LF are a line feed (XML 1.0, 2.11).
 * Pre:     the reader is not at the end; the text is UTF-8.
 * Fuzz: fuzz/fuzz_xml.c. */
static ef_status
xml_char(struct xml_reader *r, uint32_t *cp)
{
    size_t n;

    if (xml_take(r, "&"))
        return xml_reference(r, cp);
    *cp = utf8_get(slice_from(r->text, r->at), &n);
    if (!xml_is_char(*cp))
        return xml_reject(r, "no such character");
    r->at += n;
    if (*cp == '\r') {
        (void)xml_take(r, "\n");
        *cp = '\n';
    }
    return EF_OK;
}

/* UNTRUSTED: attributes up to the end of a tag. Checked, and not kept.
 * Fuzz: fuzz/fuzz_xml.c.
 * Their names may repeat: nobody asks for one, so nobody is misled.
 * Post:    on EF_OK the reader stands at '>' or '/', or at what is neither. */
static ef_status
xml_attributes(struct xml_reader *r)
{
    ef_status rc = EF_OK;
    ef_slice name;
    uint32_t cp;
    char quote[2] = {0, 0};

    while (rc == EF_OK && xml_is_space(xml_peek(r))) {
        /* blanks may stand before the end of the tag, too */
        xml_skip_space(r);
        if (xml_peek(r) == '>' || xml_peek(r) == '/')
            return EF_OK;
        rc = xml_name(r, &name);
        xml_skip_space(r);
        if (rc == EF_OK && !xml_take(r, "="))
            rc = xml_reject(r, "an attribute without a value");
        xml_skip_space(r);
        quote[0] = (char)xml_peek(r);
        if (rc == EF_OK && quote[0] != '"' && quote[0] != '\'')
            rc = xml_reject(r, "an attribute without a value");
        /* past the opening quote; a failure stays where it was found */
        r->at += rc == EF_OK;
        /* references in it are checked like those of text */
        while (rc == EF_OK && !xml_take(r, quote))
            rc = r->at == r->text.n || xml_peek(r) == '<'
                     ? xml_reject(r, "an attribute does not end")
                     : xml_char(r, &cp);
    }
    return rc;
}

/* An element's end, by its end tag or at once ("<a/>").
 * Pre:     an element is open.
 * What is below the wanted element cannot be open while it is taken. */
static void
xml_close(struct xml_reader *r)
{
    r->depth--;
    r->taking = r->taking && r->depth >= 2;
}

/* UNTRUSTED: a start tag; the reader is behind the '<'. The wanted element
 * is the first of its name directly below the root; text is taken from here
 * to its end. Fuzz: fuzz/fuzz_xml.c.
 * Post:    its name is on the stack, or it is closed already.
 * Limits:  EF_MAX_XML_DEPTH, asked before the name is kept. */
static ef_status
xml_start_tag(struct xml_reader *r)
{
    ef_slice name;
    ef_status rc = xml_name(r, &name);

    if (rc == EF_OK && r->depth == 0 && r->begun)
        rc = xml_reject(r, "something follows the document");
    if (rc == EF_OK && r->taking)
        rc = xml_reject(r, "this element should have text alone");
    if (rc == EF_OK && r->depth == EF_MAX_XML_DEPTH)
        rc = reject(r->err, EF_E_LIMIT, r->at,
                    "nested deeper than EF_MAX_XML_DEPTH (16)");
    if (rc == EF_OK)
        rc = xml_attributes(r);
    if (rc != EF_OK)
        return rc;
    r->begun = 1;
    r->open[r->depth++] = name;
    /* the second of its name, or one further down, is not what was asked for:
     * S3 has <Code> of parts in some answers */
    if (r->depth == 2 && !r->found && slice_is(r->open[0], r->root) &&
        slice_is(name, r->name))
        r->found = r->taking = 1;
    if (xml_take(r, "/>"))
        xml_close(r);
    else if (!xml_take(r, ">"))
        return xml_reject(r, "a tag does not end");
    return EF_OK;
}

/* UNTRUSTED: an end tag; the reader is behind the "</".
 * Fuzz: fuzz/fuzz_xml.c.
 * Names are compared as they are written, prefix and case included. */
static ef_status
xml_end_tag(struct xml_reader *r)
{
    ef_slice name, open;
    ef_status rc = xml_name(r, &name);

    if (rc != EF_OK)
        return rc;
    if (r->depth == 0)
        return xml_reject(r, "an end without a beginning");
    /* depth is one at least, as asked above */
    open = r->open[r->depth - 1];
    if (name.n != open.n || memcmp(name.p, open.p, name.n) != 0)
        return xml_reject(r, "another element is open");
    xml_skip_space(r);
    if (!xml_take(r, ">"))
        return xml_reject(r, "a tag does not end");
    xml_close(r);
    return EF_OK;
}

/* UNTRUSTED: one character outside of tags. Fuzz: fuzz/fuzz_xml.c.
 * Outside of the root only white space may stand: there it is passed over. */
static ef_status
xml_text(struct xml_reader *r)
{
    uint32_t cp;
    ef_status rc;

    if (r->depth == 0 && !xml_is_space(xml_peek(r)))
        return xml_reject(r, "text outside of the document");
    if (slice_has_prefix(slice_from(r->text, r->at), "]]>"))
        return xml_reject(r, "\"]]>\" stands in no text");
    rc = xml_char(r, &cp);
    if (rc == EF_OK && r->taking)
        utf8_put(r->value, cp);
    return rc;
}

/* UNTRUSTED: text. Its declaration is passed over: UTF-8 is what is read,
 * whatever it says. Fuzz: fuzz/fuzz_xml.c.
 * It stands at the very beginning or not at all: behind white space "<?" is
 * refused like any other processing instruction. */
static ef_status
xml_declaration(struct xml_reader *r)
{
    size_t n;

    if (!xml_take(r, "<?xml "))
        return EF_OK;
    n = slice_find_str(slice_from(r->text, r->at), "?>");
    r->at += n;
    if (!xml_take(r, "?>"))
        return xml_reject(r, "the declaration does not end");
    return EF_OK;
}

/* UNTRUSTED: text. Source: XML 1.0, fifth edition, without what S3's answers
 * do not use. Fuzz: fuzz/fuzz_xml.c. Tests: vectors/xml.txt.
 * The walk does not stop at the value: what follows may show that the document
 * was cut, and a cut answer is none.
 * Time: once over the text. Memory: what value takes. */
ef_status
ef_xml_get(ef_buf *value, int *found, const char *root, const char *name,
           ef_slice text, ef_err *err)
{
    struct xml_reader r = {
        .text = text, .root = root, .name = name, .value = value, .err = err};
    ef_status rc;

    *found = 0;
    if (text.n > EF_MAX_XML_BYTES)
        return reject(err, EF_E_LIMIT, EF_MAX_XML_BYTES,
                      "more than EF_MAX_XML_BYTES (65536)");
    rc = ef_utf8_check(text, err);
    if (rc == EF_OK)
        rc = xml_declaration(&r);
    /* each turn moves on by a byte at least, or fails */
    while (rc == EF_OK && r.at < text.n)
        rc = xml_take(&r, "</")  ? xml_end_tag(&r)
             : xml_take(&r, "<") ? xml_start_tag(&r)
                                 : xml_text(&r);
    if (rc == EF_OK && (r.depth > 0 || !r.begun))
        rc = xml_reject(&r, "the document is not complete");
    if (rc != EF_OK)
        return rc;
    *found = r.found;
    return buf_status(value, err);
}

#ifndef EF_NO_MAIN

#include <arpa/inet.h>
#include <curl/curl.h>
#include <linux/vm_sockets.h> /* AF_VSOCK's address */
#include <malloc.h> /* malloc_usable_size, which glibc and musl have */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* libcurl copies URLs, with the signatures in their queries, and buffers what
 * comes and goes. So it gets its memory here, where what it gives back is
 * wiped. Of what a TLS library allocates by itself nothing is known.
 * Tests: tests/secrets.bats ("run keeps nothing, over HTTP and HTTPS"). */
static void __attribute__((noinline)) http_free(void *p)
{
    ef_wipe(p, p != NULL ? malloc_usable_size(p) : 0);
    free(p);
}

/* As realloc(3), which might leave the old bytes on the heap. */
static void *
http_realloc(void *p, size_t n)
{
    size_t old = p != NULL ? malloc_usable_size(p) : 0;
    void *q = malloc(n);

    if (q != NULL && p != NULL) {
        memcpy(q, p, old < n ? old : n);
        http_free(p);
    }
    return q;
}

/* Once in a process, before any other thread. 0 where libcurl cannot begin. */
static int
http_init(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, http_free,
                                http_realloc, strdup, calloc) == CURLE_OK;
}

/* As many as botocore and the AWS command line keep in flight, about: more
 * connections to one store gain little, and each input under way holds a key
 * schedule and an open file. */
#define HTTP_MAX_PARALLEL 8 /* transfers under way at once */
_Static_assert(HTTP_MAX_PARALLEL < FILE_STRAYS, "a name for each output");
/* A shorter --stall shortens this too. */
#define HTTP_CONNECT_SEC 30L /* to a TCP and TLS connection */
#define HTTP_MAX_REDIRECTS 5L
/* What libcurl reads and sends at a time: fewer system calls for large
 * objects, and 4 MiB for all transfers together. */
#define HTTP_BUFFER_BYTES (256L << 10)

/* AWS's standard retry mode. Attempts of one request; seconds that the wait
 * before one may last; tokens that a command has, what a retry costs, and
 * what one after a time-out costs. */
#define HTTP_ATTEMPTS 3
#define HTTP_MAX_ATTEMPTS 10
#define HTTP_MAX_BACKOFF_MS 20000
#define HTTP_QUOTA 500
#define HTTP_RETRY_COST 5
#define HTTP_TIMEOUT_COST 10
/* S3 takes a request that is signed within a quarter of an hour of its own
 * clock; this much off, it is worth a hint. */
#define HTTP_CLOCK_SKEW_SEC 300

/* Milliseconds of a clock that nobody sets: stalls and --timeout must not
 * depend on somebody correcting the time. Only differences mean anything. */
static int64_t
clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What a command's calls of store_run share: connections that are kept, and
 * what is left of the tokens for retries. Zeros to begin with; ended by
 * store_end. */
struct store_net {
    /* it owns the connections: a job's handle borrows one */
    CURLM *multi; /* NULL: none yet */
    /* grows by a retry's cost, and falls by that, or by one, with each success
     * of a job that goes on */
    unsigned spent; /* of HTTP_QUOTA */
    int soon;       /* a job may go on at once: no sleep before it is asked */
    uint64_t total; /* bytes that the progress line counts up to; 0: the sum
                       of what is put */
};

/* The way to the network, through another host or the parent instance. */
struct http_proxy {
    const char *url; /* what libcurl is told */
    /* family AF_UNSPEC: url is a proxy's own; else the socket's address,
     * where its CONNECT is spoken */
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_vm vm;
    } to;
    socklen_t to_n;
    struct curl_sockaddr *instead; /* what is to become `to`; or NULL */
};
_Static_assert(sizeof(struct sockaddr_un) <= sizeof(struct sockaddr_storage),
               "libcurl has room for it");

/* libcurl's name for the proxy behind a socket that is no TCP: an address
 * that no host has (class E), so that http_on_socket knows it again. */
#define HTTP_SOCKET_PROXY "http://240.0.0.1:1"
#define HTTP_SOCKET_PROXY_IP 0xf0000001u

/* What every transfer of a command has in common. The caller's, unchanged
 * while store_run works; but *stop is set by a signal handler, and *net
 * changes. */
struct store_opts {
    int schemes;        /* allowed ef_scheme bits */
    const char *cacert; /* NULL: the system's */
    /* its callbacks write to it: store_run's copy is what they see */
    struct http_proxy proxy;     /* url NULL: what the environment says */
    int direct;                  /* no proxy, whatever anybody says */
    long stall_sec, connect_sec; /* without a byte; to connect: given up */
    int64_t deadline;            /* of all, clock_ms; 0: none */
    unsigned attempts;           /* of one request; 0: HTTP_ATTEMPTS */
    volatile sig_atomic_t *stop; /* set by a signal; or NULL */
    struct ef_progress *progress;
    struct store_net *net; /* or NULL: store_run has its own */
};

/* What a request does. */
enum store_method { STORE_GET, STORE_PUT, STORE_POST, STORE_DELETE };
static const char *const store_methods[] = {"GET", "PUT", "POST", "DELETE"};

/* What an answer's head says, as far as anybody asks. UNTRUSTED, all of it. */
struct http_head {
    long status;     /* of the last status line */
    size_t bytes;    /* of all lines, of all heads of an attempt */
    uint64_t length; /* Content-Length, or EF_UNKNOWN */
    ef_content_range range;
    /* a second one, or one that cannot be read, takes it back */
    int has_range;       /* range is what a Content-Range said */
    int chunked;         /* the body says where it ends */
    int redirected;      /* saw a Location */
    int64_t date, after; /* Date, or 0; Retry-After in seconds, or -1 */
    char etag[EF_MAX_ETAG_BYTES + 1]; /* a strong one, or "" */
    char region[64];                  /* x-amz-bucket-region, or "" */
};

/* Where a job stands. */
enum store_state {
    JOB_NEW,     /* nothing was tried */
    JOB_WAITING, /* until not_before, or until again() has something */
    JOB_OPEN,    /* easy is under way */
    JOB_OVER     /* rc says how it ended */
};

/* One object to get or put, or one request to a store. The caller fills in
 * the first part, zeros the rest, and reads rc, err and head after
 * store_run. Callbacks run in the thread of store_run, never two at once. */
struct store_job {
    const char *url;      /* location and query: secret; NULL: s3 */
    const ef_presign *s3; /* an object: each attempt is signed anew */
    /* raw: ef_sign_request encodes them */
    const char *query[2]; /* s3: parameters, "uploadId=..." */
    size_t query_n;
    const char *header; /* one more header line; NULL: none */
    enum store_method method;
    int probe;     /* get: one byte is enough, to see it is there */
    int ranged;    /* get: ask for from to `to`, even from 0 */
    int keep;      /* a good answer's body goes to answer, not to sink */
    int sized;     /* get: it must be told how much comes: no tag would tell */
    uint64_t from; /* get: the first byte */
    uint64_t to;   /* get: one past the last; 0: the end */
    char pin[EF_MAX_ETAG_BYTES + 1]; /* the ETag it must have; "": any */
    /* get: called with each piece; a failure ends the transfer */
    ef_status (*sink)(void *ctx, ef_slice piece, ef_err *err);
    /* get: called once when all has come; or NULL */
    ef_status (*end)(void *ctx, ef_err *err);
    /* get: what came is to be forgotten, it begins anew; NULL: impossible */
    ef_status (*restart)(void *ctx, ef_err *err);
    /* put: fill buf with the n bytes at offset at; calls come in order, but
     * may start again from 0 */
    ef_status (*source)(void *ctx, uint64_t at, unsigned char *buf, size_t n,
                        ef_err *err);
    /* asked before the first request and after each that went well: 1, the
     * job is set up for another; 0, there is none; -1, not yet, ask again
     * (soon, or when wait_fd can be read). NULL: one request, as it is */
    int (*again)(void *ctx, struct store_job *job);
    int wait_fd; /* what a -1 waits for; 0: nothing */
    void *ctx;
    uint64_t size, at; /* put: all bytes, and sent so far */
    ef_buf answer;     /* UNTRUSTED: a body that is no data; store_free */
    /* while it runs; http_close frees the first three */
    /* JOB_NEW and JOB_WAITING jobs are begun by store_step, JOB_OPEN ones end
     * by http_collect or http_give_up; nothing leaves JOB_OVER */
    enum store_state state;
    CURL *easy;
    struct curl_slist *headers;
    /* of this attempt: the next one has another time, and another signature */
    ef_buf signed_url, signed_lines;
    struct http_head head;
    int connecting;     /* not up yet */
    int accepted;       /* get: the head was looked at, and is good */
    int unpinned;       /* get: a range, but no ETag to ask for the others */
    int failed;         /* our own sink or source said no: err tells */
    int retry, timeout; /* the failure may pass; it was a time-out */
    unsigned tries;     /* of this request so far */
    unsigned held;      /* what its last retry cost */
    /* 0 where again() is to be asked, or at once */
    int64_t not_before; /* JOB_WAITING: clock_ms */
    int64_t moved;      /* when the last byte came or went, clock_ms */
    uint64_t got;       /* get: bytes that sink has had */
    uint64_t total;     /* get: the object's size, or EF_UNKNOWN */
    uint64_t done;      /* bytes of the requests before this one */
    /* afterwards */
    ef_status rc;
    ef_err err;
};

/* The part of a URL that may be shown: before the query, which in a
 * presigned URL is a credential. What is said of a location goes through
 * here, or through slice_public.
 * "https://h/o?X-Amz-..." -> "https://h/o"; without '?' all of it. */
static ef_slice
store_public(ef_slice url)
{
    return slice(url.p, slice_find(url, '?'));
}

/* Is this scheme allowed? The hint says which flag would allow it. http has
 * no one to vouch for it, and file could name any file that this process may
 * read: both only where the user says so, whatever a location asks.
 * Fails:   EF_E_POLICY. Tests: tests/run.bats ("http without --allow-http"). */
static ef_status
store_check_scheme(ef_scheme scheme, int schemes, ef_err *err)
{
    if ((int)scheme & schemes)
        return EF_OK;
    if (scheme == EF_SCHEME_HTTP)
        return with_hint(err,
                         reject(err, EF_E_POLICY, EF_NOWHERE,
                                "plain http:// is not allowed"),
                         "use https://, or say --allow-http");
    return with_hint(
        err, reject(err, EF_E_POLICY, EF_NOWHERE, "file:// is not allowed"),
        "say --allow-file to read and write local files");
}

/* --- proxies --- */

/* An enclave has no network card: what it reaches it reaches through the
 * parent instance, over AF_VSOCK, where a proxy takes HTTP's CONNECT. So do
 * AF_UNIX sockets in tests and in containers without a network. libcurl
 * speaks CONNECT, but knows neither family: it is told of a proxy at an
 * address that cannot be, and when it makes the socket for that address it
 * gets one of the right kind, and the right address to connect to. All that
 * is different between the two is a sockaddr; TLS, certificates, names and
 * time limits are libcurl's own all the way, and the proxy resolves names. */

/* A number up to 2^32 - 1 behind "vsock://": *at is behind it afterwards.
 * Fuzz and limits are http_digits': 18 digits, which 2^32 - 1 is below. */
static int
http_proxy_number(ef_slice text, size_t *at, unsigned *out)
{
    uint64_t v;
    int ok = http_digits(text, at, &v) && v <= UINT32_MAX;

    *out = (unsigned)v;
    return ok;
}

/* "vsock://3:8000": the parent instance is CID 3.
 * CID and port have 32 bits; -1U is VMADDR_CID_ANY, which no connect takes. */
static int
http_proxy_vsock(struct http_proxy *proxy, ef_slice text)
{
    size_t at = 8;
    int ok;

    /* the rest stays zero, as connect(2) wants it */
    proxy->to.vm = (struct sockaddr_vm){.svm_family = AF_VSOCK};
    /* both numbers and nothing else: "vsock://3:8000/" is refused */
    ok = http_proxy_number(text, &at, &proxy->to.vm.svm_cid) &&
         http_byte(text, &at, ':') &&
         http_proxy_number(text, &at, &proxy->to.vm.svm_port);
    proxy->to_n = sizeof proxy->to.vm;
    return ok && at == text.n;
}

/* "unix:///run/proxy.sock": a path of 1 to 107 bytes.
 * Pre:     text begins with "unix://". What follows is a path as it stands:
 * nothing in it is decoded. An abstract name cannot be written. */
static int
http_proxy_unix(struct http_proxy *proxy, ef_slice text)
{
    size_t n = text.n - 7;

    /* one byte stays for the NUL */
    proxy->to.local = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n == 0 || n >= sizeof proxy->to.local.sun_path)
        return 0;
    memcpy(proxy->to.local.sun_path, text.p + 7, n);
    proxy->to_n = sizeof proxy->to.local;
    return 1;
}

/* --proxy's value, which proxy keeps. The socket behind unix: and vsock: is
 * all that is different between them.
 * Fails:   EF_E_USAGE. Tests: tests/network.bats, tests/guest.sh.
 * No user and no password: arguments can be seen by others. The variable
 * https_proxy may have them.
 * Examples: http://proxy:3128, unix:///run/vsock-proxy.sock, vsock://3:8000. */
static ef_status
http_proxy_parse(struct http_proxy *proxy, const char *text, ef_err *err)
{
    ef_slice s = slice_str(text), host = {NULL, 0};
    int64_t port = 0;
    int ok = 0;

    /* to_n stays 0 for http://: then libcurl's own sockets do */
    *proxy = (struct http_proxy){.url = HTTP_SOCKET_PROXY};
    if (slice_has_prefix(s, "vsock://"))
        ok = http_proxy_vsock(proxy, s);
    else if (slice_has_prefix(s, "unix://"))
        ok = http_proxy_unix(proxy, s);
    else if (slice_has_prefix(s, "http://")) {
        proxy->url = text;
        /* without a port libcurl would take 1080, which nobody expects */
        ok = url_authority(slice_from(s, 7), &host, &port, NULL) == EF_OK &&
             port != 0;
    }
    if (ok)
        return EF_OK;
    return with_where(err,
                      reject(err, EF_E_USAGE, EF_NOWHERE,
                             "not a proxy: http://HOST:PORT, unix://PATH or "
                             "vsock://CID:PORT"),
                      s);
}

/* --- callbacks --- */

/* What libcurl calls while a transfer runs, in the order in which it
 * happens: a socket is made, the connection is up, the request's body is
 * read, the head comes in lines, the body comes in pieces. Each gets the job
 * it works for. A callback that says no leaves why in job->err and
 * job->failed, and libcurl ends the transfer; http_finish then tells that
 * reason and not libcurl's. */

/* Everything has come, or has been sent. For an input this is where its tag
 * is checked (store_input_end).
 * A put has no end of its own: its status was the answer. */
static ef_status
store_complete(struct store_job *job)
{
    return job->end != NULL ? job->end(job->ctx, &job->err) : EF_OK;
}

/* UNTRUSTED: a header line's value. Nothing but a name of its own kind goes
 * into a message. Fuzz: fuzz/fuzz_http.c.
 * "eu-west-3" is kept; "a region", "" and what has 64 bytes are not. */
static void
http_keep_region(struct http_head *head, ef_slice value)
{
    size_t i;

    if (value.n == 0 || value.n >= sizeof head->region)
        return;
    for (i = 0; i < value.n; i++)
        if (!is_alnum(value.p[i]) && value.p[i] != '-')
            return;
    memcpy(head->region, value.p, value.n);
    head->region[value.n] = '\0';
}

/* UNTRUSTED: a header line's value: seconds, or a date. What is neither says
 * nothing. Source: RFC 9110 section 10.2.3. Fuzz: fuzz/fuzz_http.c.
 * "120" -> 120; a date in the past -> 0; "soon" -> -1. */
static int64_t
http_retry_after(ef_slice value)
{
    int64_t now = (int64_t)time(NULL), t, sec = slice_number(value);

    /* a date far ahead is cut by http_backoff_ms like a number of seconds */
    if (sec < 0 && ef_http_date_parse(&t, value, now, NULL) == EF_OK)
        sec = t > now ? t - now : 0;
    return sec;
}

/* UNTRUSTED: a field of an answer's head. What cannot be read counts as not
 * there; an ETag that is weak does not tell whether bytes are the same.
 * Names of fields are case-insensitive (RFC 9110 section 5.1).
 * Fuzz: fuzz/fuzz_http.c.
 * Post:    what is kept is bounded: an ETag by EF_MAX_ETAG_BYTES, a region by
 * its array, numbers by their types.
 * A field that comes twice counts as it came last. */
static void
http_field(struct http_head *head, ef_slice name, ef_slice value)
{
    ef_slice tag;
    int weak;
    int64_t n;

    if (slice_is_name(name, "etag")) {
        /* the last of several counts, and a bad one is none */
        head->etag[0] = '\0';
        if (ef_etag_parse(&tag, &weak, value, NULL) == EF_OK && !weak) {
            memcpy(head->etag, tag.p, tag.n);
            head->etag[tag.n] = '\0';
        }
    } else if (slice_is_name(name, "content-range")) {
        head->has_range =
            ef_content_range_parse(&head->range, value, NULL) == EF_OK;
    } else if (slice_is_name(name, "content-length")) {
        /* up to 12 digits: more than any object has */
        n = slice_number(value);
        head->length = n < 0 ? EF_UNKNOWN : (uint64_t)n;
    } else if (slice_is_name(name, "date")) {
        if (ef_http_date_parse(&n, value, (int64_t)time(NULL), NULL) == EF_OK)
            head->date = n;
    } else if (slice_is_name(name, "retry-after")) {
        head->after = http_retry_after(value);
    } else if (slice_is_name(name, "x-amz-bucket-region")) {
        http_keep_region(head, value);
    } else if (slice_is_name(name, "transfer-encoding")) {
        head->chunked = 1;
    } else if (slice_is_name(name, "location")) {
        head->redirected = 1;
    }
}

/* UNTRUSTED: p, one header line, not NUL-terminated. A status line begins a
 * head: of several (100, a redirect's) the last counts.
 * Limits:  EF_MAX_HTTP_HEAD_BYTES; libcurl's own is 100 KiB a line.
 * Fuzz: fuzz/fuzz_http.c. Tests: tests/run.bats ("a redirect to http").
 * Each line counts for --stall as a byte does: a slow head is not a stalled
 * one; --max-time bounds it.
 * Fails:   CURLE_WRITE_ERROR by a return of 0; job->failed says why. */
static size_t
http_on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct store_job *job = ctx;
    struct http_head *head = &job->head;
    ef_slice line = slice(p, n * size);
    size_t bytes = head->bytes + line.n, colon;

    if (bytes > EF_MAX_HTTP_HEAD_BYTES) {
        job->failed = 1;
        (void)reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                     "the answer's head has more than "
                     "EF_MAX_HTTP_HEAD_BYTES (65536)");
        return 0;
    }
    if (slice_has_prefix(line, "HTTP/")) {
        /* of all heads of an attempt this alone is remembered */
        int redirected = head->redirected;

        *head = (struct http_head){
            .after = -1, .length = EF_UNKNOWN, .redirected = redirected};
        /* "HTTP/1.1 206 Partial Content": three digits behind the blank */
        line = slice_trim(slice_from(line, slice_find(line, ' ')));
        head->status = (long)slice_number(slice(line.p, line.n < 3 ? 0 : 3));
    } else {
        /* the empty line at the end has none: its name is all of it, "" */
        colon = slice_find(line, ':');
        http_field(head, slice(line.p, colon),
                   slice_trim(slice_from(line, colon + 1)));
    }
    head->bytes = bytes;
    job->moved = clock_ms();
    return n * size;
}

/* A get's answer begins, and its head is known: is it what was asked for? A
 * whole object, or the very range, of the object that was begun with.
 * Post:    job->total, and job->pin where the store gave an ETag.
 * Fails:   EF_E_NETWORK, what a message is for; the caller notes it.
 * UNTRUSTED: the head. Fuzz: fuzz/fuzz_http.c. Tests: tests/network.bats.
 * In order: the object itself (its ETag), the status, the very range.
 * A store that ignores ranges sends all: taken where nothing was had yet, and
 * where what was had can be forgotten; an error in the middle. */
static ef_status
http_accept(struct store_job *job)
{
    const struct http_head *head = &job->head;
    uint64_t start = job->from + job->got, total = head->length, last;
    int asked = job->ranged || start > 0;

    /* a part that does not say what it is a part of could be of anything; a
     * whole object begins anew below */
    if (job->pin[0] != '\0' && strcmp(job->pin, head->etag) != 0 &&
        (head->etag[0] != '\0' || head->status == 206))
        return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                      "the object changed on the way");
    if (head->status != 200 && !(asked && head->status == 206)) {
        (void)reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                     "the server answered with HTTP status");
        job->err.detail = head->status;
        return EF_E_NETWORK;
    }
    /* a range from the start, and a store that knows no ranges: all of it */
    if (head->status == 200 && start == 0) {
        job->to = 0;
    } else if (head->status == 200 && job->restart != NULL && job->to == 0) {
        /* it knows no ranges after all: what was had comes again */
        job->got = 0;
        if (job->restart(job->ctx, &job->err) != EF_OK)
            return job->err.code;
    } else if (job->ranged && head->status == 206 && start == 0 &&
               head->has_range &&
               (head->range.total == EF_UNKNOWN ||
                (head->etag[0] == '\0' &&
                 head->range.last + 1 < head->range.total))) {
        /* its other ranges could be another object's: it is asked for whole */
        job->unpinned = 1;
        return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                      "the server gives no ETag for a range");
    } else if (head->status != 206) {
        return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                      "the server sends the whole object for a part of it");
    } else {
        total = head->range.total;
        last = total != EF_UNKNOWN && (job->to == 0 || job->to > total)
                   ? total - 1
                   : job->to - 1;
        /* to is 0 and the total unknown: last is EF_UNKNOWN, and refused */
        if (!head->has_range || !head->range.satisfied ||
            head->range.first != start || head->range.last != last ||
            (job->total != EF_UNKNOWN && job->total != total))
            return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                          "the server sends another range than was asked for");
    }
    if (job->sized && total == EF_UNKNOWN && !head->chunked)
        return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                      "the server does not say how much comes: a cut could "
                      "not be told from the end");
    job->total = total;
    /* "" where it has none, or a weak one: then nothing is pinned */
    if (job->pin[0] == '\0')
        memcpy(job->pin, head->etag, sizeof job->pin);
    return EF_OK;
}

/* UNTRUSTED: p, a piece of an answer that is no data: a store's account of
 * an error, or what a request gives. What is too long is cut, and does not
 * parse then. Fuzz: fuzz/fuzz_http.c.
 * Post:    job->answer has EF_MAX_XML_BYTES at most. */
static size_t
http_keep(struct store_job *job, ef_slice piece)
{
    /* a failed addition leaves it cut, which no reader takes for whole */
    if (piece.n > EF_MAX_XML_BYTES - job->answer.n)
        job->answer.failed = 1; /* nothing more is added */
    ef_buf_add(&job->answer, piece.p, piece.n);
    return piece.n;
}

/* UNTRUSTED: p, a piece of the body. Returning less than n ends the transfer
 * with CURLE_WRITE_ERROR. Only the body of a status that http_accept takes
 * goes to a sink, and no more of it than was asked for.
 * size is 1, and libcurl hands over 16 KiB at most, so n * size is small.
 * Fuzz: fuzz/fuzz_http.c. Tests: tests/run.bats ("what a server can do"). */
static size_t
http_on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct store_job *job = ctx;

    /* size * n bytes; libcurl documents size as 1 */
    n *= size;
    job->moved = clock_ms();
    /* of an error the store's account; of a PUT what nobody asks for, which
     * libcurl would print otherwise */
    if (job->head.status / 100 != 2 || job->keep || job->method != STORE_GET)
        return http_keep(job, slice(p, n));
    if (job->probe)
        return 0; /* seen enough: http_finish knows */
    if (!job->accepted)
        job->failed = http_accept(job) != EF_OK;
    job->accepted = 1;
    /* a length that is longer than its own range: got stays within */
    if (!job->failed && job->to != 0 && n > job->to - job->from - job->got)
        job->failed =
            reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                   "the server sends more than was asked for") != EF_OK;
    if (!job->failed)
        job->failed = job->sink(job->ctx, slice(p, n), &job->err) != EF_OK;
    /* got counts what the sink has taken: a retry asks for the rest */
    job->got += job->failed ? 0 : n;
    return job->failed ? 0 : n;
}

/* The next bytes of an upload, at most size * n; 0 ends it. When the
 * source fails, its own error stays in job.
 * CURL_READFUNC_ABORT ends it as CURLE_ABORTED_BY_CALLBACK.
 * Post:    job->at is past what was handed over; it never passes job->size. */
static size_t
http_on_read(char *p, size_t size, size_t n, void *ctx)
{
    struct store_job *job = ctx;
    /* at never passes size, so this cannot wrap */
    uint64_t left = job->size - job->at;

    n = n * size < left ? n * size : (size_t)left;
    /* the source is not asked for nothing: at 0 it would begin anew */
    if (n == 0)
        return 0;
    job->failed = job->source(job->ctx, job->at, (unsigned char *)p, n,
                              &job->err) != EF_OK;
    if (job->failed)
        return CURL_READFUNC_ABORT;
    job->at += n;
    job->moved = clock_ms();
    return n;
}

/* libcurl sends a request again after a kept connection died: from its
 * start only, which the source allows. What seals then takes another nonce, so
 * that one never covers two messages. 0, or an answer that makes libcurl give
 * the transfer up. */
static int
http_on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct store_job *job = ctx;

    if (origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    job->at = 0;
    return CURL_SEEKFUNC_OK;
}

/* A connection begins: until it is up the loop must look often, because
 * libcurl's BearSSL backend names no direction to wait for in between.
 * SOCK_CLOEXEC: no application inherits a connection with our credentials.
 * A failure (-1) is CURL_SOCKET_BAD: libcurl tries the next address. */
static curl_socket_t
http_on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct store_job *job = ctx;

    (void)purpose;
    job->connecting = 1;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* The same where the way leads through a proxy's socket of a kind that libcurl
 * does not know. For the proxy's made-up address a socket of that kind is
 * made; http_on_sockopt comes next, and gives the address that it is connected
 * to. Others go where they lead (NO_PROXY).
 * One thread makes all connections, so that to is of this one.
 * Fails:   -1, CURL_SOCKET_BAD, where the kernel has no such sockets.
 * Tests: tests/network.bats (unix), tests/guest.sh (vsock).
 * Copied, since it is declared as another type. */
static curl_socket_t
http_on_proxy_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct http_proxy *proxy = ctx;
    struct sockaddr_in in;

    (void)purpose;
    memcpy(&in, &a->addr, sizeof in);
    proxy->instead = NULL;
    if (a->family != AF_INET ||
        in.sin_addr.s_addr != htonl(HTTP_SOCKET_PROXY_IP))
        return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    proxy->instead = a;
    /* connected by libcurl itself, so that its time limits hold */
    return socket(proxy->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The address that libcurl connects to, in its place: it prints an address
 * before it calls this, and knows no other kind than its own to print. There
 * is room: libcurl keeps a sockaddr_storage. It could be told that the socket
 * is connected already, but libcurl 7.88 does not listen.
 * Tests: as http_on_proxy_socket's. */
static int
http_on_sockopt(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    struct http_proxy *proxy = ctx;

    (void)fd;
    (void)purpose;
    if (proxy->instead != NULL) {
        memcpy(&proxy->instead->addr, &proxy->to, proxy->to_n);
        proxy->instead->addrlen = proxy->to_n;
    }
    return CURL_SOCKOPT_OK;
}

/* The connection is up, TLS included, and the request goes out. Also for a
 * connection that was kept. From here on --stall counts.
 * CURL_PREREQFUNC_OK lets it go on; the addresses are not looked at, since
 * TLS says who the other end is. */
static int
http_on_connected(void *ctx, char *ip, char *local, int port, int local_port)
{
    struct store_job *job = ctx;

    (void)ip;
    (void)local;
    (void)port;
    (void)local_port;
    job->connecting = 0;
    job->moved = clock_ms();
    return CURL_PREREQFUNC_OK;
}

/* BearSSL seeds its generator from RDRAND alone, or where the processor has
 * none from /dev/urandom, which an empty chroot lacks: then no handshake
 * would begin. The kernel's randomness is added either way.
 * libcurl calls this for each handshake, before it begins.
 * Secret:  seed, wiped. Fails: CURLE_FAILED_INIT, no handshake is made.
 * Tests: tests/static.bats ("run over HTTPS in an empty chroot"). */
static CURLcode
http_on_tls(CURL *easy, void *tls, void *nothing)
{
    br_ssl_client_context *client = tls;
    unsigned char seed[32];

    (void)easy;
    (void)nothing;
    /* no handshake with a generator that may be poorly seeded */
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return CURLE_FAILED_INIT;
    br_ssl_engine_inject_entropy(&client->eng, seed, sizeof seed);
    ef_wipe(seed, sizeof seed);
    return CURLE_OK;
}

/* In the static build; Debian's libcurl has another TLS library. Asked at
 * run time, because the library may be a shared one.
 * The text is libcurl's own, such as "BearSSL" or "OpenSSL/3.0.11". */
static int
http_is_bearssl(void)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

    return v->ssl_version != NULL && strncmp(v->ssl_version, "BearSSL", 7) == 0;
}

/* BearSSL prefers ChaCha20; with AES instructions AES-GCM is five times as
 * fast. Other TLS libraries choose well by themselves. All six suites have
 * forward secrecy and authenticate what they encrypt.
 * Tests: tests/static.bats ("50 handshakes"). */
static unsigned
http_set_bearssl(CURL *easy)
{
    unsigned bad = 0;

    if (!http_is_bearssl())
        return 0;
    bad |=
        (unsigned)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, http_on_tls);
    /* without AES instructions ChaCha20 is the faster one, and stays first */
    if (br_aes_x86ni_ctr_get_vtable() == NULL)
        return bad;
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST,
                                      "ECDHE-ECDSA-AES256-GCM-SHA384:"
                                      "ECDHE-RSA-AES256-GCM-SHA384:"
                                      "ECDHE-ECDSA-AES128-GCM-SHA256:"
                                      "ECDHE-RSA-AES128-GCM-SHA256:"
                                      "ECDHE-ECDSA-CHACHA20-POLY1305:"
                                      "ECDHE-RSA-CHACHA20-POLY1305");
    return bad;
}

/* --- what an answer means --- */

/* From the most particular to the least: S3's own error code, an HTTP
 * status, what libcurl says. Each has a message of ours, constant text; of
 * the store's own words the code and the message are shown beside it, after
 * http_show has made sure that they can do no harm on a terminal or in a
 * log. Whether a failure may pass is decided here and nowhere else
 * (job->retry). */

/* A failure that may pass: the network's, or a store under load.
 * What passes is tried again by http_retry, as often as it may. */
static ef_status
http_passing(struct store_job *job, ef_status rc)
{
    job->retry = 1;
    return rc;
}

/* UNTRUSTED: text (an error's code or message), of which this is shown: no
 * control character, and nothing that could be a signature.
 * 1: text is in out, cut where it is too long. Fuzz: fuzz/fuzz_http.c.
 * Bytes outside of ASCII become '?': a terminal might take them for something
 * else, and S3 has none in codes and few in messages. */
static int
http_show(char *out, size_t cap, ef_slice text)
{
    size_t i, n = text.n < cap ? text.n : cap - 1;

    /* a store may repeat the request, with its signature, in its answer */
    if (n == 0 || slice_find_str(text, "Signature=") < text.n ||
        slice_find_str(text, "X-Amz-") < text.n)
        return 0;
    for (i = 0; i < n; i++)
        out[i] = text.p[i] < 0x20 || text.p[i] > 0x7e || text.p[i] == '"'
                     ? '?'
                     : (char)text.p[i];
    out[n] = '\0';
    return 1;
}

/* UNTRUSTED: what a store said. S3 sends blanks before a document that it has
 * to think about, so that the connection stays up. Fuzz: fuzz/fuzz_http.c. */
static ef_slice
http_document(const struct store_job *job)
{
    return slice_trim(buf_slice(&job->answer));
}

/* UNTRUSTED: job->answer. One of an error's elements, cut to cap; "" where
 * there is none, or it is no error that S3 wrote. Fuzz: fuzz/fuzz_http.c.
 * An answer that is no XML, or another document than an error, is no account:
 * the status alone speaks then. */
static void
http_error_element(const struct store_job *job, const char *name, char *out,
                   size_t cap)
{
    ef_buf value = {0};
    int found;

    /* found or not: an empty value shows nothing */
    out[0] = '\0';
    if (ef_xml_get(&value, &found, "Error", name, http_document(job), NULL) ==
        EF_OK)
        (void)http_show(out, cap, buf_slice(&value));
    ef_buf_free(&value);
}

/* What S3's error codes mean to people, and whether it passes. A row with
 * text is for messages that have it: S3 has one code for many things. */
static const struct http_known {
    const char *code, *text, *msg, *hint;
    int retry;
} http_known[] = {
    {"NoSuchKey", "", "there is no such object", NULL, 0},
    {"NoSuchBucket", "", "there is no such bucket",
     "look at its name, and at --endpoint-url", 0},
    {"NoSuchUpload", "", "the upload is not known any more",
     "somebody else, or a rule of the bucket, ended it: begin again", 0},
    {"AccessDenied", "expired", "the URL has expired", "presign again", 0},
    {"AccessDenied", "not yet valid", "the URL is not valid yet",
     "the clock of the machine that signed it is ahead", 0},
    {"ExpiredToken", "", "the session token has expired",
     "get new keys, and sign again", 0},
    {"TokenRefreshRequired", "", "the session token has expired",
     "get new keys, and sign again", 0},
    {"InvalidAccessKeyId", "", "the store does not know this access key id",
     "its keys are another account's, or were removed", 0},
    {"SignatureDoesNotMatch", "", "the signature does not match",
     "the secret key is another's, or the URL was signed for the other "
     "direction (download or upload)",
     0},
    {"RequestTimeTooSkewed", "", "this machine's clock is wrong",
     "set it: the store takes requests within 15 minutes of its own", 0},
    {"AuthorizationHeaderMalformed", "region",
     "the request was signed for another region",
     "name the bucket's own with --region", 0},
    {"AuthorizationHeaderMalformed", "expecting",
     "the request was signed for another region",
     "name the bucket's own with --region", 0},
    {"AuthorizationQueryParametersError", "region",
     "the request was signed for another region",
     "presign again with the bucket's own --region", 0},
    {"EntityTooLarge", "", "the object is too large for one PUT",
     "put to s3://BUCKET/KEY, which sends parts", 0},
    {"SlowDown", "", "the store asks to slow down", "try again later", 1},
    {"RequestTimeout", "", "the store waited too long for the data",
     "try again", 1},
    {"InternalError", "", "the store failed", "try again later", 1},
};

/* UNTRUSTED: code and message, already fit to be shown. NULL: a code that
 * nothing is known of. Fuzz: fuzz/fuzz_http.c.
 * Codes are compared whole, messages by a part of them: S3's own words change
 * from time to time, their gist does not. */
static const struct http_known *
http_find_code(const char *code, const char *message)
{
    size_t i;

    /* rows with a text stand before none of the same code: the order has no
     * meaning */
    for (i = 0; i < sizeof http_known / sizeof http_known[0]; i++)
        if (strcmp(http_known[i].code, code) == 0 &&
            strstr(message, http_known[i].text) != NULL)
            return &http_known[i];
    return NULL;
}

/* Does a code that http_known does not have pass? botocore's list, by what
 * its names have in common. Source: AWS's standard retry mode. */
static int
http_code_passes(const char *code)
{
    static const char *const some[] = {
        "Throttl",       "SlowDown",       "TooManyRequests",
        "LimitExceeded", "RequestTimeout", "PriorRequestNotComplete"};
    size_t i;

    for (i = 0; i < sizeof some / sizeof some[0]; i++)
        if (strstr(code, some[i]) != NULL)
            return 1;
    return 0;
}

/* Where the message begins: what the store says, in its own words.
 * "S3 says NoSuchKey (The specified key does not exist.)"
 * Pre:     reject has been called: it clears what stood in place.
 * place has room for both, cut to 48 and 120 characters. */
static void
http_say_code(struct store_job *job, const char *code, const char *message)
{
    if (code[0] == '\0')
        return;
    snprintf(job->err.place, sizeof job->err.place,
             message[0] != '\0' ? "S3 says %.48s (%.120s)" : "S3 says %.48s",
             code, message);
}

/* Where the bucket is, if the store says so: in a header, or in its answer.
 * That says more than its message. UNTRUSTED: both, of a region's form.
 * Tests: tests/network.bats, tests/storage.bats ("another region"). */
static void
http_say_region(struct store_job *job, const char *code)
{
    char region[64] = "";

    http_error_element(job, "Region", region, sizeof region);
    if (job->head.region[0] == '\0')
        http_keep_region(&job->head, slice_str(region));
    if (job->head.region[0] == '\0')
        return;
    snprintf(job->err.place, sizeof job->err.place,
             code[0] != '\0' ? "S3 says %.48s, the bucket's region is %s"
                             : "%sthe bucket's region is %s",
             code, job->head.region);
}

/* The bucket is elsewhere: a signature is for one region, and nothing is sent
 * there unasked. */
static ef_status
http_redirect_error(struct store_job *job, const char *code)
{
    (void)with_hint(&job->err,
                    reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                           "the server redirects elsewhere"),
                    "a signed request is never redirected: sign for the "
                    "bucket's own region");
    http_say_code(job, code, "");
    http_say_region(job, "");
    return EF_E_NETWORK;
}

/* The clocks differ by more than S3 takes, and the request was refused: most
 * likely that is why, whatever the store called it.
 * UNTRUSTED: the head's Date.
 * A head without a Date, or with one that cannot be read, tells nothing. */
static int
http_is_skewed(const struct http_head *head)
{
    /* years 1 to 9999 on either side: no overflow */
    int64_t off = head->date - (int64_t)time(NULL);

    return (head->status == 403 || head->status == 400) && head->date != 0 &&
           (off > HTTP_CLOCK_SKEW_SEC || off < -HTTP_CLOCK_SKEW_SEC);
}

/* A status that says no, where S3's own account of it is not known.
 * Post:    job->retry where it may pass: 408, 429, 500, 502, 503, 504.
 * Source: AWS's standard retry mode for which those are. */
static ef_status
http_status_error(struct store_job *job)
{
    static const struct {
        long status;
        const char *msg, *hint;
        int retry;
    } known[] = {
        {403, "the server refused it (HTTP 403)",
         "a presigned URL may have expired, be for the other direction "
         "(download or upload), or belong to other keys; look at it with: "
         "encflow credentials check",
         0},
        {404, "there is no such object (HTTP 404)", NULL, 0},
        {412, "the object changed (HTTP 412)", NULL, 0},
        {500, "the server failed (HTTP 500)", "try again later", 1},
        {502, "a gateway failed (HTTP 502)", "try again later", 1},
        {503, "the server is overloaded (HTTP 503)", "try again later", 1},
        {504, "a gateway waited too long (HTTP 504)", "try again later", 1},
        {429, "too many requests (HTTP 429)", "try again later", 1},
        {408, "the server waited too long (HTTP 408)", "try again", 1},
    };
    size_t i;

    /* what people meet; the rest is told by its number */
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == job->head.status) {
            job->retry |= known[i].retry;
            return with_hint(
                &job->err,
                reject(&job->err, EF_E_NETWORK, EF_NOWHERE, known[i].msg),
                known[i].hint);
        }
    /* 206 for a part that nobody asked for, 204, 400, 411: the number is
     * all that is known */
    (void)reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                 "the server answered with HTTP status");
    job->err.detail = job->head.status;
    return EF_E_NETWORK;
}

/* EF_E_NETWORK for an answer that is no success, in the store's own words
 * where those are S3's. job->answer is UNTRUSTED: code and message go through
 * http_show.
 * Pre:     job->head is complete. Fuzz: fuzz/fuzz_http.c.
 * Tests: tests/run.bats ("what a server can do"), tests/network.bats. */
static ef_status
http_answer_error(struct store_job *job)
{
    char code[64], message[160];
    const struct http_known *known;
    ef_status rc;

    http_error_element(job, "Code", code, sizeof code);
    http_error_element(job, "Message", message, sizeof message);
    if (job->head.status / 100 == 3)
        return http_redirect_error(job, code);
    job->retry |= http_code_passes(code);
    /* a code says more than a status: 400 is many things */
    known = http_find_code(code, message);
    if (known == NULL) {
        rc = http_status_error(job);
    } else {
        job->retry |= known->retry;
        rc = with_hint(&job->err,
                       reject(&job->err, EF_E_NETWORK, EF_NOWHERE, known->msg),
                       known->hint);
    }
    http_say_code(job, code, message);
    http_say_region(job, code);
    if (http_is_skewed(&job->head))
        job->err.hint = "this machine's clock and the server's differ by more "
                        "than 5 minutes: set it";
    return rc;
}

/* The proxy refused to connect, or its own head was none. 4xx is its last
 * word.
 * The proxy's body is not read: libcurl keeps it to itself. */
static ef_status
http_proxy_error(struct store_job *job, long status)
{
    /* 407 wants a name and password: https_proxy may have them */
    job->retry = status >= 500;
    (void)with_hint(&job->err,
                    reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                           "the proxy refused the connection, with HTTP "
                           "status"),
                    "is the host on the proxy's list? For vsock-proxy see: "
                    "encflow credentials check");
    job->err.detail = status;
    return EF_E_NETWORK;
}

/* Before a connection is up: nobody is there, or whoever it is does not speak
 * HTTP, or says nothing.
 * CURLE_COULDNT_RESOLVE_PROXY has a message of its own. */
static int
http_is_cut(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR ||
           code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
           code == CURLE_OPERATION_TIMEDOUT;
}

/* A message for what libcurl says; its own texts are constant too, so
 * nothing of the server's, and no URL, gets into them.
 * CURLE_OPERATION_TIMEDOUT can only be the connection: no other of libcurl's
 * time limits is set.
 * Fails:   EF_E_NETWORK; EF_E_POLICY where a redirect leads to a scheme that
 * CURLOPT_REDIR_PROTOCOLS_STR keeps out. */
static ef_status
http_curl_error(struct store_job *job, CURLcode code,
                const struct store_opts *o)
{
    static const struct {
        const char *msg, *hint;
        CURLcode code;
        int retry;
    } known[] = {
        {"the host's name is not known", NULL, CURLE_COULDNT_RESOLVE_HOST, 1},
        {"the proxy's name is not known", NULL, CURLE_COULDNT_RESOLVE_PROXY, 1},
        {"cannot connect", NULL, CURLE_COULDNT_CONNECT, 1},
        {"the connection was cut in the middle", NULL, CURLE_PARTIAL_FILE, 1},
        {"the connection was cut", NULL, CURLE_RECV_ERROR, 1},
        {"the connection was cut", NULL, CURLE_SEND_ERROR, 1},
        {"the server closed without an answer", NULL, CURLE_GOT_NOTHING, 1},
        {"no connection in time", NULL, CURLE_OPERATION_TIMEDOUT, 1},
        {"the server's certificate does not verify",
         "--cacert FILE names the authority to trust; the name in the URL "
         "must be the certificate's",
         CURLE_PEER_FAILED_VERIFICATION, 0},
        {"the TLS handshake failed", NULL, CURLE_SSL_CONNECT_ERROR, 1},
        {"the CA file cannot be used", "--cacert FILE names another",
         CURLE_SSL_CACERT_BADFILE, 0},
        {"too many redirects", NULL, CURLE_TOO_MANY_REDIRECTS, 0},
    };
    long connect = 0;
    size_t i;

    /* our own URLs have a scheme that libcurl was built with */
    if (code == CURLE_OUT_OF_MEMORY)
        return reject_memory(&job->err);
    if (code == CURLE_UNSUPPORTED_PROTOCOL && job->head.redirected)
        return reject(&job->err, EF_E_POLICY, EF_NOWHERE,
                      "the server redirects to plain http://, or to "
                      "something that is no web address");
    /* 0 where no proxy was asked; 200 where it did connect */
    curl_easy_getinfo(job->easy, CURLINFO_HTTP_CONNECTCODE, &connect);
    if (connect >= 300)
        return http_proxy_error(job, connect);
    /* a time-out costs more of the quota */
    job->timeout = code == CURLE_OPERATION_TIMEDOUT;
    if (o->proxy.url != NULL && job->connecting && http_is_cut(code))
        return http_passing(job, reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                                        "no connection through the proxy"));
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == code) {
            job->retry = known[i].retry;
            return with_hint(
                &job->err,
                reject(&job->err, EF_E_NETWORK, EF_NOWHERE, known[i].msg),
                known[i].hint);
        }
    return reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                  curl_easy_strerror(code));
}

/* A get is over by libcurl's account: was it all? A body of no bytes never
 * came to http_on_body.
 * A server may close without a word: with a Content-Length libcurl tells, in a
 * chunked answer too; where neither is there, no one can know.
 * An empty body: its head was not looked at yet. */
static ef_status
http_get_end(struct store_job *job)
{
    uint64_t want;

    if (!job->accepted && http_accept(job) != EF_OK)
        return job->err.code;
    /* how much a range has is known from its head; EF_UNKNOWN: a store that
     * tells no size, whose connection's end has to do */
    want = job->to != 0 && job->to < job->total ? job->to : job->total;
    if (want != EF_UNKNOWN && job->from + job->got != want)
        return http_passing(job,
                            reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                                   "the connection was cut in the middle"));
    return store_complete(job);
}

/* A body that answers a request with 200 may still be an error: S3 begins its
 * answer to CompleteMultipartUpload before it knows.
 * Only a document whose root is Error has a Code: a result's is another. */
static int
http_is_error_document(const struct store_job *job)
{
    char code[64];

    http_error_element(job, "Code", code, sizeof code);
    return code[0] != '\0';
}

/* The transfer is over; what became of it, in job->rc. The order matters: a
 * callback's own failure explains the CURLE_WRITE_ERROR that it caused, and
 * no success is seen before all ways to fail are ruled out.
 * A range past the end of an empty object is no failure: it is asked for as
 * a whole then (http_whole).
 * Post:    rc is not EF_E_INTERNAL any more, unless a callback said so.
 * Tests: tests/run.bats ("what a server can do to an input", "an answer
 * before the result was sent is no delivery"). */
static void
http_finish(struct store_job *job, CURLcode code, const struct store_opts *o)
{
    curl_off_t sent = 0;
    long status = job->head.status;

    curl_easy_getinfo(job->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    /* 206 answers a probe's Range; a server that knows no ranges says 200.
     * An upload takes any 2xx, but only when every byte was sent. */
    /* our own refusal, of what came or of what was to go */
    if (job->failed)
        job->rc = job->err.code;
    else if (job->probe && (status == 200 || status == 206) &&
             (code == CURLE_OK || code == CURLE_WRITE_ERROR))
        job->rc = EF_OK;
    else if (code != CURLE_OK)
        job->rc = http_curl_error(job, code, o);
    else if (status / 100 != 2)
        job->rc = http_answer_error(job);
    else if (job->keep)
        job->rc = http_is_error_document(job) ? http_answer_error(job) : EF_OK;
    else if (job->method == STORE_GET)
        job->rc = http_get_end(job);
    else if ((uint64_t)sent != job->size)
        job->rc = http_passing(
            job, reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                        "the server answered before it had everything"));
    else
        job->rc = store_complete(job);
}

/* --- a request begins --- */

/* A handle is made for each attempt and thrown away after it; what is kept
 * is the connection, by the multi handle. All options of libcurl that are
 * used are in the functions below, so that one reading of them shows what
 * can be sent and what can be followed. Their results are collected in one
 * number: there is no memory, or all of them are set. */

/* Add a header line of ours; http_close frees them. 0: no memory.
 * line is copied. "Name:" alone takes a header away that libcurl would send. */
static int
http_add_header(struct store_job *job, const char *line)
{
    /* NULL leaves the list as it is: it is still freed */
    struct curl_slist *all = curl_slist_append(job->headers, line);

    if (all == NULL)
        return 0;
    job->headers = all;
    return 1;
}

/* A request to an object is signed as it goes out, so that a retry has the
 * time of its own. The signature's lines become headers.
 * Secret:  signed_url is none; signed_lines is, and wiped with the job.
 * Fails:   as ef_sign_request.
 * The clock is the machine's. A wrong one is told by the store, and hinted at
 * by http_is_skewed.
 * Post:    job->headers has the lines; signed_url is NUL-terminated. */
static ef_status
http_sign(struct store_job *job)
{
    ef_presign p = *job->s3;
    ef_slice rest;
    ef_status rc;

    /* the caller's place, and this request's own method, time and query */
    p.method = store_methods[job->method];
    p.now = (int64_t)time(NULL);
    p.query = job->query;
    p.query_n = job->query_n;
    /* their memory is used again */
    job->signed_url.n = job->signed_lines.n = 0;
    rc = ef_sign_request(&job->signed_url, &job->signed_lines, NULL, &p,
                         &job->err);
    rest = buf_slice(&job->signed_lines);
    /* four lines or five, each ended by a line feed */
    while (rc == EF_OK && rest.n > 0) {
        size_t n = slice_find(rest, '\n');
        char *line = (char *)(uintptr_t)rest.p;

        /* the line feed becomes the end of a C string */
        line[n] = '\0';
        if (!http_add_header(job, line))
            rc = reject_memory(&job->err);
        rest = slice_from(rest, n + 1);
    }
    (void)buf_cstr(&job->signed_url);
    return rc == EF_OK ? buf_status(&job->signed_url, &job->err) : rc;
}

/* No redirect is followed: the signature is for one host.
 * A Content-Type would break a SigV2 signature, which covers an empty one.
 * Tests: tests/run.bats ("a PUT has a length, no type, and the query").
 * CURLOPT_UPLOAD makes a PUT of it; http_set_method names POST. The length is
 * always told: S3 takes no chunks. */
static unsigned
http_set_body(struct store_job *job)
{
    CURL *e = job->easy;
    unsigned bad = 0;

    /* libcurl adds these by itself; no wait for 100 Continue */
    bad |= !http_add_header(job, "Content-Type:");
    bad |= !http_add_header(job, "Expect:");
    /* a PUT, also of no bytes; the method of a POST is named afterwards */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE,
                                      (curl_off_t)job->size);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE,
                                      HTTP_BUFFER_BYTES);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_READFUNCTION, http_on_read);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_READDATA, job);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, http_on_seek);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SEEKDATA, job);
    return bad;
}

/* The range that is still missing, of the object that was begun with.
 * bytes=0-0 is a probe's: enough to see that it is there.
 * "If-Match" makes the store refuse (412) what is not the object that was
 * begun with; http_accept looks again, at what comes. */
static unsigned
http_set_range(struct store_job *job)
{
    uint64_t start = job->from + job->got;
    /* "If-Match: " and a tag, or two numbers of 20 digits */
    char text[EF_MAX_ETAG_BYTES + 64];
    unsigned bad = 0;

    if (job->probe || job->ranged || start > 0) {
        if (job->probe)
            snprintf(text, sizeof text, "0-0");
        else if (job->to != 0)
            snprintf(text, sizeof text, "%llu-%llu", (unsigned long long)start,
                     (unsigned long long)job->to - 1);
        else
            snprintf(text, sizeof text, "%llu-", (unsigned long long)start);
        bad |= (unsigned)curl_easy_setopt(job->easy, CURLOPT_RANGE, text);
    }
    if (job->pin[0] != '\0') {
        snprintf(text, sizeof text, "If-Match: %s", job->pin);
        bad |= !http_add_header(job, text);
    }
    return bad;
}

/* tls: the URL is https, and no redirect may leave that. A redirect never
 * leads to file://, whatever is allowed. Of the request's query nothing goes
 * along but what the redirecting store writes into its answer; what is signed
 * in headers, or asks for keys, follows none.
 * Limits:  HTTP_MAX_REDIRECTS.
 * Tests: tests/run.bats ("a redirect to http is not followed", "a redirect
 * never reaches a file").
 * A signature in headers would go along. */
static unsigned
http_set_get(struct store_job *job, int schemes, int tls)
{
    CURL *e = job->easy;
    unsigned bad = http_set_range(job);

    if (job->s3 != NULL || job->keep)
        return bad;
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_MAXREDIRS, HTTP_MAX_REDIRECTS);
    /* never from https down to http */
    bad |= (unsigned)curl_easy_setopt(
        e, CURLOPT_REDIR_PROTOCOLS_STR,
        !tls && (schemes & EF_SCHEME_HTTP) ? "http,https" : "https");
    return bad;
}

/* A body goes with PUT, and with POST where there is one; POST without one
 * still has a length, 0.
 * DELETE has neither body nor length.
 * What carries a body, or says that it has none. */
static unsigned
http_set_method(struct store_job *job, const struct store_opts *o, int tls)
{
    CURL *e = job->easy;
    unsigned bad = 0;

    if (job->method == STORE_GET)
        return http_set_get(job, o->schemes, tls);
    if (job->method != STORE_DELETE)
        bad |= http_set_body(job);
    /* CURLOPT_UPLOAD alone means PUT */
    if (job->method != STORE_PUT)
        bad |= (unsigned)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST,
                                          store_methods[job->method]);
    return bad;
}

/* Through which host, if any. HTTP's own way to use a proxy shows it the
 * requests: a socket of another kind always gets a tunnel, and so does TLS.
 * What libcurl finds in the environment counts where nothing was said; and
 * NO_PROXY everywhere but where all is direct.
 * proxy is written to by its callbacks, one connection at a time.
 * Tests: tests/network.bats ("proxy: ..."). */
static unsigned
http_set_proxy(struct store_job *job, const struct store_opts *o)
{
    CURL *e = job->easy;
    struct http_proxy *proxy = (struct http_proxy *)(uintptr_t)&o->proxy;
    unsigned bad = 0;

    /* keys are asked for nearby: no proxy is to see them */
    if (o->direct)
        return (unsigned)curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* https_proxy and the like are libcurl's to read */
    if (o->proxy.url == NULL)
        return bad;
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_PROXY, o->proxy.url);
    if (o->proxy.to_n == 0)
        return bad;
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION,
                                      http_on_proxy_socket);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, proxy);
    bad |=
        (unsigned)curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, http_on_sockopt);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, proxy);
    return bad;
}

/* What every request has, whatever it asks for.
 * CURLOPT_SSL_VERIFYPEER and _VERIFYHOST are on by default, and nothing in
 * this program turns them off. */
static unsigned
http_set_common(struct store_job *job, const struct store_opts *o, int tls)
{
    CURL *e = job->easy;
    unsigned bad = 0; /* a CURLcode was not CURLE_OK */

    /* the scheme that was checked, and no other that libcurl may know */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR,
                                      tls ? "https" : "http");
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_PATH_AS_IS,
                                      1L); /* as it was signed */
    /* a connection a transfer: what one does cannot stall the others */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                                      (long)CURL_HTTP_VERSION_1_1);
    /* the least; TLS 1.3 where the library has it */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SSLVERSION,
                                      (long)CURL_SSLVERSION_TLSv1_2);
    /* libcurl 7.88 frees a session's name twice when memory ran out while it
     * was being kept; and what is not kept cannot be found later */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    bad |=
        (unsigned)curl_easy_setopt(e, CURLOPT_USERAGENT, "encflow/" EF_VERSION);
    /* signals are ours: SIGALRM ends a run in order */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, HTTP_BUFFER_BYTES);
    /* a name server that does not answer keeps nobody past his time */
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    bad |= (unsigned)curl_easy_setopt(
        e, CURLOPT_CONNECTTIMEOUT,
        o->connect_sec < o->stall_sec ? o->connect_sec : o->stall_sec);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION,
                                      http_on_socket);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, job);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION,
                                      http_on_connected);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_PREREQDATA, job);
    bad |=
        (unsigned)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, http_on_header);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_HEADERDATA, job);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_on_body);
    bad |= (unsigned)curl_easy_setopt(e, CURLOPT_WRITEDATA, job);
    /* in place of the system's authorities where it was given */
    if (o->cacert != NULL)
        bad |= (unsigned)curl_easy_setopt(e, CURLOPT_CAINFO, o->cacert);
    return bad | http_set_bearssl(e);
}

/* A handle for job, all options set.
 * Pre:     ef_location_check has seen the URL: http or https, no user.
 * Secret:  job->url; libcurl copies it, until curl_easy_cleanup.
 * Fails:   as http_sign; EF_E_MEMORY where libcurl has none.
 * Tests: tests/run.bats ("certificates that do not verify", "paths go out as
 * they are, dot segments and all").
 * job->header is the caller's one line, such as a service's token. */
static ef_status
http_open(struct store_job *job, const struct store_opts *o)
{
    const char *url = job->url;
    unsigned bad = 0;
    ef_status rc = EF_OK;
    int tls;

    job->easy = curl_easy_init();
    if (job->easy == NULL)
        return reject_memory(&job->err);
    job->connecting = 1;
    job->moved = clock_ms();
    if (job->s3 != NULL) {
        rc = http_sign(job);
        url = buf_cstr(&job->signed_url);
    }
    /* one of the two is there: a job without either is none */
    if (rc != EF_OK || url == NULL)
        return rc != EF_OK ? rc : reject_memory(&job->err);
    /* an endpoint may be http://: section 16 has asked for --allow-http */
    tls = strncmp(url, "https:", 6) == 0;
    bad |= (unsigned)curl_easy_setopt(job->easy, CURLOPT_URL, url);
    bad |= http_set_common(job, o, tls);
    bad |= http_set_proxy(job, o);
    bad |= http_set_method(job, o, tls);
    if (job->header != NULL)
        bad |= !http_add_header(job, job->header);
    bad |=
        (unsigned)curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->headers);
    return bad == 0 ? EF_OK : reject_memory(&job->err);
}

/* Also for a job that never began or is over: easy is NULL then. libcurl's
 * copies of the URL are given back here, to http_free, which wipes them.
 * A transfer that is under way ends here, in the middle. */
static void
http_close(CURLM *multi, struct store_job *job)
{
    /* before the lists that it points to are freed */
    if (job->easy != NULL) {
        curl_multi_remove_handle(multi, job->easy);
        curl_easy_cleanup(job->easy);
    }
    curl_slist_free_all(job->headers);
    ef_buf_free(&job->signed_url);
    ef_buf_free(&job->signed_lines);
    job->easy = NULL;
    job->headers = NULL;
}

/* How a job ended. Nothing of it is open any more.
 * Safe for a job that never began: then nothing is open. */
static void
store_over(CURLM *multi, struct store_job *job, ef_status rc)
{
    job->rc = rc;
    job->state = JOB_OVER;
    http_close(multi, job);
    /* the caller's to free, where it was asked for */
    if (rc != EF_OK || !job->keep)
        ef_buf_free(&job->answer);
}

/* One attempt, from a clean slate: what an earlier one left is forgotten,
 * but for the bytes that a get has already handed over.
 * The transfer begins with the next curl_multi_perform.
 * Fails:   into job->rc, by store_over: a job that cannot begin is over. */
static void
http_start(CURLM *multi, struct store_job *job, const struct store_opts *o)
{
    ef_status rc;

    /* head, err and flags are of an attempt; got, pin and total of the job */
    job->head = (struct http_head){.after = -1, .length = EF_UNKNOWN};
    job->err = (ef_err){0};
    job->accepted = job->failed = job->retry = job->timeout = 0;
    job->at = 0;
    job->answer.n = 0;
    job->answer.failed = 0;
    /* an object that is pinned has its size already */
    if (job->got == 0 && job->pin[0] == '\0')
        job->total = EF_UNKNOWN;
    job->tries++;
    job->state = JOB_OPEN;
    rc = http_open(job, o);
    if (rc == EF_OK && curl_multi_add_handle(multi, job->easy) != CURLM_OK)
        rc = reject_memory(&job->err);
    if (rc != EF_OK)
        store_over(multi, job, rc);
}

/* --- retries --- */

/* AWS's standard mode: three attempts, a random wait that doubles, 20 s at
 * most, and a bucket of tokens that all requests of a command share, so that
 * a store in trouble is not kept there by its clients. A download goes on at
 * the byte where it was cut, when the store can be asked for the rest of the
 * very same object; an upload begins again. What a user said no to (a full
 * disk, a wrong certificate, a refused key) is never tried again. */

/* The wait before a job's next attempt: some part of 1, 2, 4 ... s, which
 * nobody can foretell, so that clients that failed together do not come back
 * together; or what the store asked for. Source: AWS's standard mode.
 * Example: before the third attempt 0 to 2 s, at random; 20 s at most,
 * whatever a store asks for. */
static int64_t
http_backoff_ms(const struct store_job *job)
{
    int64_t most = (int64_t)1000 << (job->tries - 1), wait;
    uint32_t r = 0;

    most = most < HTTP_MAX_BACKOFF_MS ? most : HTTP_MAX_BACKOFF_MS;
    /* without random bytes all of it is waited for */
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        r = UINT32_MAX;
    /* r / 2^32 of it: most is below 2^15, so this fits */
    wait = (int64_t)((uint64_t)most * r >> 32);
    if (job->head.after > 0 && wait < job->head.after * 1000)
        wait = job->head.after * 1000;
    return wait < HTTP_MAX_BACKOFF_MS ? wait : HTTP_MAX_BACKOFF_MS;
}

/* May what a get handed over stay, and the rest be asked for? Only of the
 * very object, which an ETag proves; else all is forgotten, where that can
 * be.
 * A put always begins again: its source can. */
static int
http_can_resume(struct store_job *job)
{
    if (job->method != STORE_GET || job->got == 0 || job->pin[0] != '\0')
        return 1;
    /* without an ETag the rest could be another object's */
    if (job->restart == NULL || job->restart(job->ctx, NULL) != EF_OK)
        return 0;
    job->got = 0;
    return 1;
}

/* A get of a range may meet an object with nothing in it: no range of that
 * can be given, and it is asked for as it is.
 * Also where the store gives a range but no ETag: the next range could be of
 * another object. Counts as no attempt: nothing has failed. */
static int
http_whole(struct store_job *job)
{
    if (job->method != STORE_GET || !job->ranged || job->from + job->got > 0 ||
        (job->head.status != 416 && !job->unpinned))
        return 0;
    job->ranged = job->unpinned = 0;
    job->to = 0;
    job->not_before = 0;
    return 1;
}

/* The job has failed: again, or is that how it ends? 1: it waits. Tokens are
 * spent by the command's jobs together, so that a store in trouble is not
 * kept there.
 * A sink's or source's own failure (job->failed) is never tried again: the
 * disk is not the network. */
static int
http_retry(CURLM *multi, struct store_job *job, const struct store_opts *o)
{
    unsigned cost = job->timeout ? HTTP_TIMEOUT_COST : HTTP_RETRY_COST;
    unsigned most = o->attempts != 0 ? o->attempts : HTTP_ATTEMPTS;

    /* an empty object, or one without an ETag: not a failure */
    if (!http_whole(job)) {
        if (!job->retry || job->failed || job->tries >= most ||
            o->net->spent + cost > HTTP_QUOTA || !http_can_resume(job))
            return 0;
        /* spent by all jobs of the command together */
        o->net->spent += cost;
        job->held = cost;
        job->not_before = clock_ms() + http_backoff_ms(job);
    }
    /* its handle is gone, its connection kept where it is still good */
    http_close(multi, job);
    job->state = JOB_WAITING;
    return 1;
}

/* An attempt is over, with job->rc. A job that has more to do begins anew;
 * each success gives a token back.
 * Pre:     the attempt has ended, and job->rc says how.
 * Post:    the job waits, is new again, or is over. */
static void
http_next(CURLM *multi, struct store_job *job, const struct store_opts *o)
{
    unsigned back;

    /* what is over makes room, and others may have waited for it */
    o->net->soon = 1;
    if (job->rc != EF_OK && http_retry(multi, job, o))
        return;
    /* one request, or the last of several, or a failure that stays */
    if (job->rc != EF_OK || job->again == NULL) {
        store_over(multi, job, job->rc);
        return;
    }
    /* as botocore: what its retry cost, or one */
    back = job->held != 0 ? job->held : 1;
    o->net->spent -= o->net->spent < back ? o->net->spent : back;
    job->held = 0;
    /* the connection stays with multi, for the next piece */
    http_close(multi, job);
    /* for the progress line, which counts over all pieces */
    job->done += job->method == STORE_GET ? job->got : job->size;
    job->got = job->at = job->size = 0;
    job->tries = 0;
    job->not_before = 0;
    job->state = JOB_NEW;
}

/* --- the loop --- */

/* One thread does all of it: it begins what may begin, lets libcurl work,
 * sees what has ended or stood still, and sleeps until a socket, a pipe, a
 * retry's time or a tenth of a second wakes it. There is no lock and no
 * other thread that could see a job half changed. */

/* Take what finished off the list.
 * Callbacks are called from here too: `end`, where the tag is checked.
 * Pre:     every open job's handle is in multi. */
static void
http_collect(CURLM *multi, struct store_job *jobs, size_t n,
             const struct store_opts *o)
{
    CURLMsg *msg;
    size_t i;
    int left;

    while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
        CURLcode code = msg->data.result; /* msg dies with the handle */

        for (i = 0; i < n && jobs[i].easy != msg->easy_handle; i++)
            ;
        if (i < n) { /* as it is: nobody else has handles in multi */
            http_finish(&jobs[i], code, o);
            http_next(multi, &jobs[i], o);
        }
    }
}

/* End transfers that have not moved a byte for too long, and all of them
 * when the time is over. libcurl's own limit works on an average speed, which
 * takes its time to fall. While connecting CURLOPT_CONNECTTIMEOUT counts
 * instead.
 * Fails:   EF_E_NETWORK in the job. Downloads of other jobs go on, unless
 * all_or_nothing.
 * Tests: tests/run.bats ("a slow transfer is not a stalled one"). */
static void
http_give_up(CURLM *multi, struct store_job *jobs, size_t n,
             const struct store_opts *o)
{
    int64_t now = clock_ms();
    size_t i;

    for (i = 0; i < n; i++) {
        struct store_job *job = &jobs[i];

        if (job->state != JOB_OVER && o->deadline != 0 && now >= o->deadline) {
            store_over(multi, job,
                       reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                              "not done within --max-time"));
            continue;
        }
        /* stall_sec is 86400 at most: no overflow in milliseconds */
        if (job->state != JOB_OPEN || job->connecting ||
            now - job->moved < o->stall_sec * 1000)
            continue;
        /* nobody knows whether it would have come: another attempt may tell */
        job->timeout = 1;
        job->rc = http_passing(
            job, reject(&job->err, EF_E_NETWORK, EF_NOWHERE,
                        "the server stopped: no byte for as long as "
                        "--stall allows"));
        http_next(multi, job, o);
    }
}

/* How long the loop may sleep when no socket wakes it: with BearSSL 1 ms
 * while any connection is being made (see http_on_socket), else 100 ms,
 * after which o->stop is looked at; or until the next retry.
 * curl_multi_poll may return sooner, and may sleep less on its own account.
 * Tests: tests/static.bats ("50 handshakes", "10 runs of two handshakes"). */
static int
http_wait_ms(const struct store_job *jobs, size_t n)
{
    int64_t now = clock_ms(), wait = 100, left;
    size_t i;

    for (i = 0; i < n; i++) {
        /* only looked at where a time was set */
        left = jobs[i].not_before - now;
        if (jobs[i].state == JOB_WAITING && jobs[i].not_before != 0 &&
            left < wait)
            wait = left > 1 ? left : 1;
        if (jobs[i].state == JOB_OPEN && jobs[i].connecting &&
            http_is_bearssl())
            return 1;
    }
    return (int)wait;
}

/* Sleep until something can be done: a socket moves, or what a job waits for
 * can be read.
 * At most one job waits for a descriptor: the one whose part is being filled.
 */
static void
http_sleep(CURLM *multi, const struct store_job *jobs, size_t n)
{
    struct curl_waitfd more = {.fd = -1, .events = CURL_WAIT_POLLIN};
    size_t i;

    for (i = 0; i < n; i++)
        if (jobs[i].state == JOB_WAITING && jobs[i].wait_fd > 0)
            more.fd = jobs[i].wait_fd - 1;
    /* a libcurl without a socket of its own still sleeps: the wait is bounded
     */
    curl_multi_poll(multi, &more, more.fd >= 0 ? 1 : 0, http_wait_ms(jobs, n),
                    NULL);
}

/* Bytes of all jobs together. A get's size is not known here: a total of 0
 * says so, unless the caller knows better.
 * So uploads have a total, and downloads only count up.
 * Called once a turn: what is shown is section 16's to decide. */
static void
http_tick(const struct store_job *jobs, size_t n, const struct store_opts *o)
{
    uint64_t done = 0, total = o->net->total;
    size_t i;

    /* at may fall back to 0 where a request is repeated: so may done */
    for (i = 0; i < n; i++) {
        if (jobs[i].state == JOB_OVER && jobs[i].again != NULL)
            done += jobs[i].done;
        else
            done += jobs[i].done +
                    (jobs[i].method == STORE_GET ? jobs[i].got : jobs[i].at);
        total += o->net->total == 0 ? jobs[i].size : 0;
    }
    if (o->progress != NULL)
        o->progress->tick(o->progress, done, total);
}

/* --- file:// --- */

/* UNTRUSTED: url. The path of a file:// URL, decoded and NUL-terminated:
 * "file://localhost/a%20b" -> "/a b". %00 is refused, so the path that is
 * opened is the one that was written; ".." is not: file:// is allowed only
 * by who may name any file.
 * Pre:     ef_location_check: there is a '/' after the authority.
 * Fails:   EF_E_FORMAT, EF_E_MEMORY. Fuzz: fuzz/fuzz_location.c. */
static ef_status
store_file_path(ef_buf *path, const char *url, ef_err *err)
{
    /* behind "file://"; then to the '/' that ends "localhost", or at once */
    ef_slice rest = slice_from(slice_str(url), 7);
    ef_status rc = ef_percent_decode(
        path, slice_from(rest, slice_find(rest, '/')), 0, err);

    /* puts the NUL behind it, which n does not count */
    (void)buf_cstr(path);
    return rc == EF_OK ? buf_status(path, err) : rc;
}

/* Long work that store_run's loop does not come by in: has a signal or the
 * end of the time ended it? Fails: EF_E_IO, EF_E_NETWORK. */
static ef_status
store_ended(const struct store_opts *o, ef_err *err)
{
    if (o->stop != NULL && *o->stop)
        return reject(err, EF_E_IO, EF_NOWHERE, "stopped by a signal");
    if (o->deadline != 0 && clock_ms() >= o->deadline)
        return reject(err, EF_E_NETWORK, EF_NOWHERE,
                      "not done within --max-time");
    return EF_OK;
}

/* The sink sees each piece as over HTTP. A probe only opens the file; its
 * contents are not read. The stack buffer has what is stored, which is
 * ciphertext for all but `result` without a key.
 * Pre:     path is decoded and absolute. A stop is looked at after each
 * 16 KiB.
 * Fails:   EF_E_IO, which store_file turns into EF_E_NETWORK; as the sink. */
static ef_status
store_file_get(struct store_job *job, const char *path,
               const struct store_opts *o)
{
    unsigned char buf[16384];
    ssize_t n = 0;
    int fd;
    ef_status rc = file_open_regular(&fd, path, &job->err);

    while (rc == EF_OK && !job->probe &&
           (n = file_read_full(fd, buf, sizeof buf)) > 0) {
        rc = job->sink(job->ctx, slice(buf, (size_t)n), &job->err);
        job->got += (uint64_t)n;
        if (rc == EF_OK)
            rc = store_ended(o, &job->err);
        /* it was not the file */
        job->failed = rc != EF_OK;
    }
    /* n stays 0 for a probe */
    if (rc == EF_OK && n < 0)
        rc = reject_sys(&job->err, EF_E_IO, "cannot read");
    file_close(fd);
    return rc == EF_OK ? store_complete(job) : rc;
}

/* A file appears whole or not at all, and an old one stays until then. A new
 * one's mode follows the umask: what is written is sealed.
 * Fails:   EF_E_IO (store_file makes it EF_E_NETWORK), or as the source.
 * Tests: tests/run.bats ("an output file is whole, keeps its mode"). */
static ef_status
store_file_put(struct store_job *job, const char *path,
               const struct store_opts *o)
{
    unsigned char buf[16384];
    struct file_out out;
    ef_status rc = file_out_begin(&out, path, 0, &job->err);

    if (rc != EF_OK)
        return rc;
    while (rc == EF_OK && job->at < job->size) {
        size_t n = job->size - job->at < sizeof buf
                       ? (size_t)(job->size - job->at)
                       : sizeof buf;

        rc = store_ended(o, &job->err);
        job->failed = rc != EF_OK;
        if (rc != EF_OK)
            break;
        /* sealed in place: the buffer has ciphertext when this returns */
        rc = job->source(job->ctx, job->at, buf, n, &job->err);
        if (rc == EF_OK)
            rc = file_write_full(out.fd, buf, n, &job->err);
        job->at += n;
    }
    if (rc == EF_OK)
        return file_out_commit(&out, path, &job->err);
    file_out_abort(&out);
    return rc;
}

/* One file:// job from beginning to end. What goes wrong with a location's
 * file is the storage's failure: EF_E_NETWORK, exit 6, as over HTTP. A
 * sink's own failure (a full disk under WORK) stays EF_E_IO.
 * Secret:  path holds no credential: run_url refuses a query beside it. */
static void
store_file(struct store_job *job, const struct store_opts *o)
{
    ef_buf path = {0};

    job->rc = store_file_path(&path, job->url, &job->err);
    if (job->rc == EF_OK)
        job->rc = job->method == STORE_PUT
                      ? store_file_put(job, (const char *)path.p, o)
                      : store_file_get(job, (const char *)path.p, o);
    /* job->failed: the sink, or a signal, not the file */
    if (job->rc == EF_E_IO && !job->failed)
        job->rc = job->err.code = EF_E_NETWORK;
    ef_buf_free(&path);
}

/* Connections that were kept are closed. Safe on zeros, and twice. */
static void
store_end(struct store_net *net)
{
    if (net->multi != NULL)
        curl_multi_cleanup(net->multi);
    net->multi = NULL;
}

/* A job that is not under way: is it its turn? Asks what is next, or waits,
 * or begins.
 * Fails:   into the job. A file:// job is over when this returns.
 * -1 from again is no state of its own: it is asked again at the next turn. */
static void
store_step(CURLM *multi, struct store_job *job, const struct store_opts *o)
{
    int more = 1;

    /* a retry is the same request: nothing is asked */
    if (job->again != NULL && job->tries == 0) {
        job->state = JOB_WAITING;
        job->not_before = 0;
        more = job->again(job->ctx, job);
        /* whose turn it was is decided: the others may be asked again */
        o->net->soon |= more >= 0;
    }
    /* again() says what went wrong in err */
    if (more == 0)
        store_over(multi, job, job->err.msg != NULL ? job->err.code : EF_OK);
    if (more <= 0 || clock_ms() < job->not_before)
        return;
    if (job->url != NULL && strncmp(job->url, "file:", 5) == 0) {
        store_file(job, o);
        store_over(multi, job, job->rc);
    } else {
        http_start(multi, job, o);
    }
}

/* One turn: begin what may begin, let libcurl work, see what is over. 1 when
 * there is nothing left to do: all is over, or the first failure is and ends
 * the rest.
 * All jobs are looked at, in their order: there are EF_MAX_DATASETS of them at
 * most, and 8 for an object. */
static int
store_turn(struct store_job *jobs, size_t n, int all_or_nothing,
           const struct store_opts *o)
{
    CURLM *multi = o->net->multi;
    size_t i, active = 0, over = 0;
    int running, failed = 0;

    o->net->soon = 0;
    for (i = 0; i < n; i++)
        active += jobs[i].state == JOB_OPEN || jobs[i].state == JOB_WAITING;
    for (i = 0; i < n; i++) {
        int fresh = jobs[i].state == JOB_NEW;

        if (jobs[i].state == JOB_OPEN || jobs[i].state == JOB_OVER ||
            (fresh && active >= HTTP_MAX_PARALLEL))
            continue;
        store_step(multi, &jobs[i], o);
        /* a job that waited was counted before */
        active += fresh && jobs[i].state != JOB_OVER;
    }
    /* its result is not needed: what fails shows in a job, or as a stall */
    /* callbacks run in here: sinks, sources, heads */
    curl_multi_perform(multi, &running);
    http_collect(multi, jobs, n, o);
    http_give_up(multi, jobs, n, o);
    http_tick(jobs, n, o);
    for (i = 0; i < n; i++) {
        over += jobs[i].state == JOB_OVER;
        failed |= jobs[i].state == JOB_OVER && jobs[i].rc != EF_OK;
    }
    /* with all_or_nothing the others end where they are */
    return over == n || (failed && all_or_nothing);
}

/* Run n transfers, a few at a time. With all_or_nothing the first failure
 * ends the rest. Every job has its own rc and err afterwards; the result is
 * the first failure in the order of jobs, or EF_OK.
 *
 * EF_E_INTERNAL is left in a job that has no outcome of its own: it was not
 * tried, or not to its end. A handle is open exactly while its job is under
 * way; all are closed on return, and connections are kept in o->net.
 * Pre:     jobs are JOB_NEW; URLs passed ef_location_check and their scheme
 * store_check_scheme. cli_main called http_init.
 * Fails:   as http_finish and store_file; EF_E_IO after a signal.
 * Limits:  HTTP_MAX_PARALLEL. Tests: tests/run.bats ("side by side", "the
 * others get theirs", "ended by a signal while an input arrives"). */
static ef_status
store_run(struct store_job *jobs, size_t n, int all_or_nothing,
          const struct store_opts *opts)
{
    struct store_net own = {.multi = NULL};
    struct store_opts o = *opts;
    size_t i;
    int stopped = 0;

    /* who has no use for kept connections gets new ones, closed here */
    o.net = o.net != NULL ? o.net : &own;
    if (o.net->multi == NULL)
        o.net->multi = curl_multi_init();
    while (o.net->multi != NULL && n > 0 && !stopped &&
           !store_turn(jobs, n, all_or_nothing, &o)) {
        if (!o.net->soon)
            http_sleep(o.net->multi, jobs, n);
        stopped = o.stop != NULL && *o.stop;
    }
    for (i = 0; i < n; i++) {
        if (jobs[i].state == JOB_OVER)
            continue;
        /* an earlier attempt's account is no account of how it ended */
        jobs[i].err = (ef_err){0};
        store_over(o.net->multi, &jobs[i],
                   o.net->multi == NULL ? reject_memory(&jobs[i].err)
                   : stopped ? reject(&jobs[i].err, EF_E_IO, EF_NOWHERE,
                                      "stopped by a signal")
                             : reject(&jobs[i].err, EF_E_INTERNAL, EF_NOWHERE,
                                      "not tried, because of the other "
                                      "failure"));
    }
    store_end(&own);
    for (i = 0; i < n; i++) /* a real failure goes before "not tried" */
        if (jobs[i].rc != EF_OK && jobs[i].rc != EF_E_INTERNAL)
            return jobs[i].rc;
    for (i = 0; i < n; i++)
        if (jobs[i].rc != EF_OK)
            return jobs[i].rc;
    return EF_OK;
}

/* Which of n jobs tells of rc, the status store_run chose: the first that has
 * it. n: none, since all went well. Its err becomes the caller's (err may be
 * NULL): each job kept one of its own, so that none hides another. */
static size_t
store_first(const struct store_job *jobs, size_t n, ef_status rc, ef_err *err)
{
    size_t i = 0;

    while (i < n && (rc == EF_OK || jobs[i].rc != rc))
        i++;
    if (i < n && err != NULL)
        *err = jobs[i].err;
    return i;
}

/* The one failure that a command tells of jobs that all worked at the same
 * thing. Their position in the list decides, not when they failed. */
static ef_status
store_first_error(const struct store_job *jobs, size_t n, ef_status rc,
                  ef_err *err)
{
    (void)store_first(jobs, n, rc, err);
    return rc;
}

/* --- a sealed object, on its way to a file --- */

/* For what comes in order, by one connection: the inputs of run, and objects
 * of get that are not large. */

/* What libcurl hands over at most; larger pieces are taken in parts. */
#define STORE_PIECE_BYTES 16384

/* One input on its way: decrypted as it arrives, named when its tag holds.
 * begun tells whether there is something to undo. */
struct store_input {
    /* the caller's, who keeps both until it is over */
    const unsigned char *key; /* EF_KEY_BYTES, secret */
    ef_buf path;              /* where it will stand, with a NUL */
    int flags;                /* of enum file_flags */
    unsigned char *scratch; /* STORE_PIECE_BYTES, shared: one piece at a time */
    ef_gcm *gcm;
    ef_open open;
    struct file_out out;
    int begun; /* gcm, open and out are in use */
};

/* At the first byte, so that only transfers under way hold a key schedule
 * and a file. store_input_free undoes it, also when it failed half way.
 * Secret:  round keys, in in->gcm. The file is 0600 and has no name yet. */
static ef_status
store_input_begin(struct store_input *in, ef_err *err)
{
    /* without a key the bytes stay as they are (object_get) */
    if (in->key != NULL) {
        in->gcm = ef_gcm_new(in->key, NULL);
        if (in->gcm == NULL)
            return reject_memory(err);
    }
    ef_open_init(&in->open, in->gcm);
    /* before the file: a failed begin leaves out closed, and safe to abort */
    in->begun = 1;
    return file_out_begin(&in->out, buf_cstr(&in->path), in->flags, err);
}

/* UNTRUSTED: ciphertext. The file it goes to has no name yet, so what is
 * written here before its tag is seen can be read by nobody else.
 * Secret:  plaintext in scratch, one for all inputs: it is written out
 * before the next piece comes, and wiped by who owns it.
 * Fails:   EF_E_IO (a full disk), EF_E_LIMIT, EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_container.c. Tests: tests/run.bats. */
static ef_status
store_input_sink(void *ctx, ef_slice piece, ef_err *err)
{
    struct store_input *in = ctx;
    ef_status rc = in->begun ? EF_OK : store_input_begin(in, err);
    size_t n, out_n;

    while (rc == EF_OK && piece.n > 0) {
        /* scratch has room for as many bytes as are pushed: ef_open_push gives
         * out no more than it takes in, tail included */
        n = piece.n < STORE_PIECE_BYTES ? piece.n : STORE_PIECE_BYTES;
        rc = ef_open_push(&in->open, in->scratch, &out_n, slice(piece.p, n),
                          err);
        if (rc == EF_OK)
            rc = with_file(err,
                           file_write_full(in->out.fd, in->scratch, out_n, err),
                           buf_cstr(&in->path));
        piece = slice_from(piece, n);
    }
    return rc;
}

/* The object comes once more, from its first byte: what was written is
 * forgotten. Fails: EF_E_IO.
 * Pre:     out is a regular file: run's inputs and get's files are. */
static ef_status
store_input_restart(void *ctx, ef_err *err)
{
    struct store_input *in = ctx;

    if (!in->begun)
        return EF_OK;
    ef_open_init(&in->open, in->gcm);
    if (ftruncate(in->out.fd, 0) != 0 || lseek(in->out.fd, 0, SEEK_SET) != 0)
        return reject_sys(err, EF_E_IO, "cannot write");
    return EF_OK;
}

/* An output that has no name yet vanishes; round keys are wiped. Safe at
 * any time, and twice.
 * Post:    in->begun is 0; path and scratch are the caller's. */
static void
store_input_free(struct store_input *in)
{
    if (in->begun)
        file_out_abort(&in->out);
    ef_gcm_free(in->gcm);
    in->gcm = NULL;
    in->begun = 0;
}

/* All has come. The one place where an input gets its name, and only after
 * its tag has verified.
 * Post:    the key schedule is gone in any case.
 * Fails:   EF_E_AUTH, EF_E_FORMAT (fewer than 28 bytes), EF_E_IO.
 * Tests: tests/run.bats ("a tampered input, exit 3, nothing runs"). */
static ef_status
store_input_end(void *ctx, ef_err *err)
{
    struct store_input *in = ctx;
    /* a body of no bytes never came to the sink */
    ef_status rc = in->begun ? EF_OK : store_input_begin(in, err);

    if (rc == EF_OK)
        rc = ef_open_end(&in->open, err);
    if (rc == EF_OK) {
        rc = file_out_commit(&in->out, buf_cstr(&in->path), err);
        /* commit has closed out, also when it failed */
        in->begun = 0;
    }
    store_input_free(in);
    return rc;
}

/* --- sealing what is sent --- */

/* The dataset file is made while it is sent, so that neither plaintext nor
 * ciphertext needs a place on a disk. Its size is known beforehand: 28 bytes
 * more than the text. */

/* A dataset file made as it is sent: the nonce, text_n bytes of what read
 * gives, the tag. Each time it is asked from 0 it is another message, under a
 * nonce of its own: so the same nonce never covers two, even where the text
 * changes in between.
 * Secret:  round keys, in gcm, which is the caller's. */
struct store_seal {
    ef_status (*read)(void *ctx, uint64_t at, unsigned char *buf, size_t n,
                      ef_err *err);
    void *ctx;
    uint64_t text_n;
    ef_gcm *gcm;
    unsigned char nonce[EF_NONCE_BYTES], tag[EF_TAG_BYTES];
};

/* n bytes of the dataset file from at: a job's source. Asked in order; from
 * 0 again when the request is repeated.
 * Nonce, text and tag may each be cut anywhere by n.
 * Secret:  buf has plaintext for a moment, before it is encrypted in place.
 * Fails:   as read, and EF_E_INTERNAL without random bytes for the nonce.
 * Tests: tests/run.bats, tests/storage.bats ("put -K seals as enc does"). */
static ef_status
store_seal_source(void *ctx, uint64_t at, unsigned char *buf, size_t n,
                  ef_err *err)
{
    struct store_seal *s = ctx;
    uint64_t body_end = EF_NONCE_BYTES + s->text_n;
    ef_status rc = EF_OK;

    if (at == 0) {
        /* another one each time: what was sent before may be known, and the
         * text may have changed */
        rc = crypt_nonce(s->nonce, err);
        ef_gcm_start(s->gcm, s->nonce, NULL, 0);
    }
    /* nothing is sealed under a nonce that is none */
    if (rc != EF_OK)
        return rc;
    for (; n > 0 && at < EF_NONCE_BYTES; at++, n--)
        *buf++ = s->nonce[at];
    if (n > 0 && at < body_end) {
        size_t k = body_end - at < n ? (size_t)(body_end - at) : n;

        /* at is past the nonce: no underflow */
        rc = s->read(s->ctx, at - EF_NONCE_BYTES, buf, k, err);
        if (rc == EF_OK)
            rc = ef_gcm_crypt(s->gcm, buf, k, 1, err);
        /* what could not be sealed is plaintext */
        if (rc != EF_OK)
            ef_wipe(buf, k);
        at += k;
        buf += k;
        n -= k;
    }
    /* all of the text is sealed; the tag stays for the calls that follow */
    if (n > 0 && at == body_end)
        ef_gcm_tag(s->gcm, s->tag);
    for (; n > 0 && at < body_end + EF_TAG_BYTES; at++, n--)
        *buf++ = s->tag[at - body_end];
    return rc;
}

/* --- get: one object to a file --- */

/* The first request asks for the first 8 MiB, and its answer tells the rest:
 * a store that knows no ranges sends all of it, which is taken as it comes;
 * a small object is over with it, or with one more range; a large one comes
 * in ranges by up to 8 connections, each of the very object that was begun
 * with. All bytes go to a file that has no name, at their place in it, and
 * it gets its name when all of them are there.
 *
 * With a key the ranges are decrypted where they are. Counter mode needs
 * only a block's number. GHASH, which the tag is made from, is the value of
 * a polynomial in H whose coefficients are the blocks: each range's own
 * value is multiplied by the power of H that its place has in the whole, and
 * the sum is compared once. Until then the file has plaintext that nobody
 * has vouched for, and no name. */

/* More than this goes in parts, each of STORE_PART_BYTES, as AWS's own tools
 * have it (theirs begin at 8 MiB; one request is quicker than several where
 * it takes less than a second). */
#define STORE_WHOLE_BYTES (UINT64_C(64) << 20)
#define STORE_PART_BYTES (UINT64_C(8) << 20)
_Static_assert(STORE_PART_BYTES % 16 == 0, "parts are whole blocks");

/* Plaintext of one range at a time: whole blocks. */
#define GET_BUFFER_BYTES ((size_t)64 << 10)

/* Where an object is: a URL, or what a request for it is signed with.
 * Secret: both. The texts are the caller's. */
struct store_place {
    const char *url;      /* https, http or file; NULL: s3 */
    const ef_presign *s3; /* NULL: url */
};

/* What is known of the object, from the first answer's head on. */
enum get_mode {
    GET_UNKNOWN,
    GET_STREAM, /* its bytes come in order, by one connection */
    GET_RANGES  /* its ranges come side by side */
};

struct object_get;

/* One connection's share of the work: a range at a time. */
struct get_part {
    struct object_get *g;
    struct store_job *job;
    /* GET_RANGES, with a key: what is not decrypted yet */
    unsigned char *buf;  /* GET_BUFFER_BYTES, secret */
    size_t n;            /* in buf: ciphertext */
    uint64_t block;      /* of the message: buf begins with it */
    unsigned char y[16]; /* GHASH of the range so far, from zero */
};

/* One `get`. key NULL: the object's bytes as they are. What comes is written
 * to a file without a name, which gets its name when all of it is there and,
 * with a key, authentic. */
struct object_get {
    /* in order: what the caller says, the output, what the first answer said,
     * the message's own, the connections */
    const unsigned char *key;
    struct store_input in; /* the file; with a key, what decrypts in order */
    struct store_net *net;
    enum get_mode mode;
    int stream;           /* the output takes bytes in order alone */
    uint64_t total, next; /* GET_RANGES: its size; what was not asked for */
    char pin[EF_MAX_ETAG_BYTES + 1];
    unsigned char nonce[EF_NONCE_BYTES], tag[EF_TAG_BYTES];
    unsigned char sum[16]; /* GHASH of the ranges that are complete */
    unsigned char *bufs;   /* all parts' */
    struct get_part part[HTTP_MAX_PARALLEL];
    struct store_job job[HTTP_MAX_PARALLEL];
};

/* Bytes of a dataset file before its ciphertext; none without a key.
 * The nonce's 12, or 0. */
static uint64_t
get_head(const struct object_get *g)
{
    return g->key != NULL ? EF_NONCE_BYTES : 0;
}

/* The first range: a part, a whole number of blocks behind the nonce. Its
 * answer says how large the object is: what is not large comes with one more
 * request, or with none.
 * 8 MiB, or 8 MiB and 12 bytes. */
static uint64_t
get_first(const struct object_get *g)
{
    return STORE_PART_BYTES + get_head(g);
}

/* n bytes to the output's file at offset at.
 * pwrite, since ranges come in any order. The file has no name yet.
 * Fails:   EF_E_IO. */
static ef_status
get_write(struct object_get *g, const unsigned char *p, size_t n, uint64_t at,
          ef_err *err)
{
    while (n > 0) {
        /* a short write is followed by the error, or by the rest */
        ssize_t k = pwrite(g->in.out.fd, p, n, (off_t)at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return with_file(err, reject_sys(err, EF_E_IO, "cannot write"),
                             buf_cstr(&g->in.path));
        p += k;
        n -= (size_t)k;
        at += (uint64_t)k;
    }
    return EF_OK;
}

/* Decrypt what the part has, and write it to its place in the file without a
 * name. Each range has a GHASH of its own, which get_range_end puts in place.
 * Secret:  buf: plaintext from here on, until the next bytes come.
 * Pre:     n is whole blocks, or the range is the last: GHASH pads. */
static ef_status
get_flush(struct get_part *part, ef_err *err)
{
    struct object_get *g = part->g;
    /* the file has plaintext alone: its offsets are the message's */
    uint64_t at = part->block * 16;
    size_t n = part->n;

    /* over ciphertext, so before it is decrypted */
    gcm_ghash(g->in.gcm, part->y, part->buf, n);
    gcm_ctr(g->in.gcm, part->block + 1, part->buf, n);
    part->block += (n + 15) / 16;
    part->n = 0;
    return get_write(g, part->buf, n, at, err);
}

/* UNTRUSTED: one piece of a sealed object's range, at offset at of it. Nonce
 * and tag are kept, the rest is decrypted by whole blocks.
 * Pre:     no range but the first has bytes of the nonce, none but the last
 * bytes of the tag, and the nonce was there before another range began.
 * Fuzz: fuzz/fuzz_container.c. Tests: tests/storage.bats. */
static ef_status
get_sealed(struct get_part *part, uint64_t at, ef_slice piece, ef_err *err)
{
    struct object_get *g = part->g;
    uint64_t end = g->total - EF_TAG_BYTES;
    ef_status rc = EF_OK;

    /* the first range alone begins here */
    for (; piece.n > 0 && at < EF_NONCE_BYTES; at++) {
        g->nonce[at] = piece.p[0];
        piece = slice_from(piece, 1);
        if (at == EF_NONCE_BYTES - 1)
            ef_gcm_start(g->in.gcm, g->nonce, NULL, 0);
    }
    while (rc == EF_OK && piece.n > 0 && at < end) {
        size_t n = GET_BUFFER_BYTES - part->n;

        /* as much as fits, as came, as is ciphertext */
        n = n < piece.n ? n : piece.n;
        n = n < end - at ? n : (size_t)(end - at);
        memcpy(part->buf + part->n, piece.p, n);
        part->n += n;
        at += n;
        piece = slice_from(piece, n);
        if (part->n == GET_BUFFER_BYTES)
            rc = get_flush(part, err);
    }
    /* what is left is of the tag; the store sends no more (http_on_body) */
    /* and not where a full disk ended it before */
    for (; rc == EF_OK && piece.n > 0 && at < g->total; at++) {
        g->tag[at - end] = piece.p[0];
        piece = slice_from(piece, 1);
    }
    return rc;
}

/* The first piece has come: how shall the rest come? Side by side, where it
 * is large, can be pinned, and can be written anywhere.
 * Pre:     the head was accepted: job->to, ->total and ->pin say what came.
 * total is also what the progress line counts up to.
 * The other connections wait for this. */
static void
get_decide(struct object_get *g, const struct store_job *job)
{
    int known = job->total != EF_UNKNOWN && job->pin[0] != '\0';

    g->net->soon = 1;
    g->net->total = job->total != EF_UNKNOWN ? job->total : 0;
    g->total = job->total;
    /* unless all of what follows holds */
    g->mode = GET_STREAM;
    g->next = job->to != 0 && job->to < job->total ? job->to : job->total;
    memcpy(g->pin, job->pin, sizeof g->pin);
    if (g->stream || !known || job->to == 0 || job->total <= STORE_WHOLE_BYTES)
        return;
    g->mode = GET_RANGES;
}

/* UNTRUSTED: a piece of the object. The first decides what becomes of all.
 * Fuzz: fuzz/fuzz_container.c. Tests: tests/storage.bats, tests/network.bats.
 * Pre:     called by one thread: mode changes once, before any other range is
 * asked for.
 * Fails:   as get_sealed, store_input_sink, get_write; EF_E_LIMIT past GCM's
 * own limit, before anything is decrypted under a counter that wrapped. */
static ef_status
get_sink(void *ctx, ef_slice piece, ef_err *err)
{
    struct get_part *part = ctx;
    struct object_get *g = part->g;
    uint64_t at = part->job->from + part->job->got;

    if (g->mode == GET_UNKNOWN)
        get_decide(g, part->job);
    if (g->mode == GET_RANGES && g->key != NULL) {
        /* ef_open_push has this check for what comes in order */
        if (g->total - EF_OVERHEAD_BYTES > EF_MAX_PLAINTEXT_BYTES)
            return gcm_room(0, g->total - EF_OVERHEAD_BYTES, err);
        return get_sealed(part, at, piece, err);
    }
    /* in order, by one connection: as run takes its inputs */
    if (g->key != NULL)
        return store_input_sink(&g->in, piece, err);
    if (!g->stream)
        return get_write(g, piece.p, piece.n, at, err);
    return with_file(err, file_write_full(g->in.out.fd, piece.p, piece.n, err),
                     buf_cstr(&g->in.path));
}

/* The object comes again from its first byte. What a pipe has is gone.
 * Ranges that are pinned are never begun anew: only the first request is. */
static ef_status
get_restart(void *ctx, ef_err *err)
{
    struct get_part *part = ctx;
    struct object_get *g = part->g;

    if (g->stream)
        return reject(err, EF_E_NETWORK, EF_NOWHERE,
                      "the connection was cut, and the output cannot begin "
                      "anew");
    /* its next answer decides anew: it may be another object by now */
    g->mode = GET_UNKNOWN;
    return store_input_restart(&g->in, err);
}

/* A range is complete: its GHASH, times H to the power of the blocks that
 * follow it, is its share of the whole. The shares may come in any order.
 * Source: SP 800-38D section 6.4: GHASH is a polynomial in H.
 * Secret:  powers of H; wiped. y is of no use without H. */
static ef_status
get_range_end(void *ctx, ef_err *err)
{
    struct get_part *part = ctx;
    struct object_get *g = part->g;
    unsigned char power[16];
    ef_status rc = EF_OK;
    uint64_t blocks;
    size_t i;

    if (g->mode != GET_RANGES || g->key == NULL)
        return EF_OK;
    if (part->n > 0)
        rc = get_flush(part, err);
    /* of the whole message; part->block is now one past the range's last */
    blocks = (g->total - EF_OVERHEAD_BYTES + 15) / 16;
    gcm_power(g->in.gcm, power, blocks - part->block);
    gcm_multiply(g->in.gcm, part->y, power);
    for (i = 0; i < 16; i++)
        g->sum[i] ^= part->y[i];
    ef_wipe(power, sizeof power);
    return rc;
}

/* The next range of g->total, for part. What would leave less than a tag
 * behind it takes the rest as well, so that no tag is cut.
 * Pre:     g->next < g->total. Post: g->next has moved past it. */
static void
get_range(struct object_get *g, struct get_part *part, uint64_t most)
{
    struct store_job *job = part->job;

    job->from = g->next;
    /* without an overflow, where most is all there is */
    job->to = most < g->total - g->next ? g->next + most : g->total;
    /* at most 16 bytes more than a part: still one request */
    if (job->to > g->total || g->total - job->to <= EF_TAG_BYTES)
        job->to = g->total;
    job->ranged = 1;
    job->total = g->total;
    memcpy(job->pin, g->pin, sizeof job->pin);
    g->next = job->to;
    part->n = 0;
    part->block = (job->from - get_head(g)) / 16;
    memset(part->y, 0, sizeof part->y);
}

/* store_job's again: what a connection asks for next. The first begins with
 * the first range, or all where the output takes no ranges; the others wait
 * for what its answer says.
 * Example for 100 MiB: 0 to 8 by the first connection; 8 to 16, 16 to 24 and so
 * on by the others, and by the first when it is done. For 20 MiB: 0 to 8 and
 * 8 to 20 by the first. */
static int
get_again(void *ctx, struct store_job *job)
{
    struct get_part *part = ctx;
    struct object_get *g = part->g;

    if (job == &g->job[0] && g->mode == GET_UNKNOWN) {
        /* an object of no bytes had no piece: it is over */
        if (job->head.status != 0) {
            g->mode = GET_STREAM;
            return 0;
        }
        job->ranged = !g->stream;
        job->to = g->stream ? 0 : get_first(g);
        return 1;
    }
    /* no range before the nonce is there: get_sealed starts the cipher by it */
    if (g->mode == GET_UNKNOWN ||
        (g->mode == GET_RANGES && g->key != NULL && g->next > 0 &&
         g->job[0].done + g->job[0].got < EF_NONCE_BYTES))
        return -1;
    if (g->next >= g->total || (g->mode == GET_STREAM && job != &g->job[0]))
        return 0;
    get_range(g, part, g->mode == GET_STREAM ? g->total : STORE_PART_BYTES);
    return 1;
}

/* All ranges are there: is the message authentic? The sum of all GHASHes
 * takes the place of the one that was never computed in order.
 * Secret:  the computed tag, wiped. Fails: EF_E_AUTH.
 * Pre:     every range has ended well: sum has all of them. */
static ef_status
get_verify(struct object_get *g, ef_err *err)
{
    unsigned char tag[EF_TAG_BYTES];
    int same;

    /* as if the message had come in order */
    memcpy(g->in.gcm->y, g->sum, sizeof g->sum);
    g->in.gcm->n = g->total - EF_OVERHEAD_BYTES;
    /* ranges were hashed with their padding: no unfinished block is left */
    gcm_finish(g->in.gcm, tag);
    same = ef_equal(tag, g->tag, sizeof tag);
    ef_wipe(tag, sizeof tag);
    return same ? EF_OK : open_auth_failed(err);
}

/* All has come: the verdict, and the name; or the file goes to the caller.
 * spool: the caller's, to close. Fails: as file_out_commit, and EF_E_AUTH. */
static ef_status
get_finish(struct object_get *g, int *spool, ef_err *err)
{
    ef_status rc = EF_OK;

    /* ciphertext: it is for crypt_file to judge, from its start */
    if (spool != NULL) {
        if (lseek(g->in.out.fd, 0, SEEK_SET) != 0)
            return reject_sys(err, EF_E_IO, "cannot read");
        *spool = g->in.out.fd;
        g->in.out.fd = -1;
        return EF_OK;
    }
    if (g->key != NULL && g->mode != GET_RANGES)
        return store_input_end(&g->in, err);
    if (g->key != NULL)
        rc = get_verify(g, err);
    if (rc == EF_OK) {
        rc = file_out_commit(&g->in.out, buf_cstr(&g->in.path), err);
        g->in.begun = 0;
    }
    return rc;
}

/* Standard output cannot take back what it got: a sealed object goes to a file
 * without a name in folder first, as it is. It is ciphertext.
 * Fails:   EF_E_IO, where folder has no O_TMPFILE or no room. */
static ef_status
get_spool(struct object_get *g, const char *folder, ef_err *err)
{
    g->in.out = (struct file_out){.dir = -1};
    /* store_input_free closes it, unless get_finish gives it away */
    g->in.begun = 1;
    g->in.out.fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (g->in.out.fd < 0)
        return with_hint(
            err,
            with_file(err,
                      reject_sys(err, EF_E_IO,
                                 "no room to keep the input until its tag "
                                 "is checked"),
                      folder),
            "name a file for the output, or set TMPDIR");
    return EF_OK;
}

/* Everything a get needs before its first request. Post: object_get_free may
 * come, whatever this gives.
 * Secret:  bufs, and in.gcm where there is a key.
 * Fails:   EF_E_MEMORY; as file_out_begin: nothing was asked of anyone then. */
static ef_status
get_begin(struct object_get *g, const struct store_place *from, int spool,
          ef_err *err)
{
    size_t i, parts = HTTP_MAX_PARALLEL;
    ef_status rc;

    g->in.key = g->key;
    g->bufs = ef_secret_alloc(parts * GET_BUFFER_BYTES, NULL);
    if (g->bufs == NULL)
        return reject_memory(err);
    g->in.scratch = g->bufs;
    rc = spool ? get_spool(g, buf_cstr(&g->in.path), err)
               : store_input_begin(&g->in, err);
    g->stream = rc == EF_OK && g->in.out.stream;
    /* all of them: who has nothing to do is told so by get_again */
    for (i = 0; i < parts; i++) {
        g->part[i] = (struct get_part){
            .g = g, .job = &g->job[i], .buf = g->bufs + i * GET_BUFFER_BYTES};
        g->job[i] = (struct store_job){.url = from->url,
                                       .s3 = from->s3,
                                       .sink = get_sink,
                                       .end = get_range_end,
                                       .again = get_again,
                                       .sized = g->key == NULL && !spool,
                                       .ctx = &g->part[i]};
    }
    /* the others have a pin from their first request on */
    g->job[0].restart = get_restart;
    return rc;
}

/* One object to path (NULL: standard output; no key then), whole or not at
 * all; or to a file without a name in the folder path, which *spool becomes.
 * Secret: key. path is a name as file_out_begin takes it.
 * Fails:   as store_run; EF_E_AUTH; EF_E_IO.
 * Tests: tests/storage.bats, tests/network.bats.
 * Memory: a megabyte, whatever the object's size. Post: *spool is open where
 * EF_OK is returned, and only there. */
static ef_status
object_get(const char *path, int flags, int *spool, const unsigned char *key,
           const struct store_place *from, const struct store_opts *o,
           ef_err *err)
{
    struct object_get *g = calloc(1, sizeof *g);
    size_t n = HTTP_MAX_PARALLEL;
    ef_status rc;

    if (g == NULL)
        return reject_memory(err);
    g->key = key;
    g->net = o->net;
    g->in.flags = flags;
    ef_buf_str(&g->in.path, path != NULL ? path : "-");
    rc = file_end_name(&g->in.path, err);
    if (rc == EF_OK)
        rc = get_begin(g, from, spool != NULL, err);
    /* a file comes in one piece, by nobody's connection: store_file has no use
     * for ranges */
    if (from->url != NULL && strncmp(from->url, "file:", 5) == 0) {
        g->job[0].again = NULL;
        n = 1;
    }
    if (rc == EF_OK) {
        rc = store_run(g->job, n, 1, o);
        rc = store_first_error(g->job, n, rc, err);
    }
    if (rc == EF_OK)
        rc = get_finish(g, spool, err);
    /* does nothing where the file has its name, or went to the caller */
    store_input_free(&g->in);
    ef_secret_free(g->bufs, HTTP_MAX_PARALLEL * GET_BUFFER_BYTES);
    ef_buf_free(&g->in.path);
    free(g);
    return rc;
}

/* --- put: a file, or what a pipe gives, to an object --- */

/* Four ways, by what is known. A small file, or one for a URL, is one
 * request; sealed, it is sealed as it is sent, and again, under another
 * nonce, where it is sent again. A large file is sent in parts that are read
 * from it, 8 side by side. A large file that is sealed is read in order,
 * into four buffers of ciphertext: a part that is sent again must be the
 * very bytes, since its neighbours are of the same message. And so is a
 * pipe, whose end nobody knows before it comes.
 *
 * An upload in parts has a name at the store from its first request on.
 * Whatever ends it, a failure, a signal or the end of its time, also ends
 * that name: parts that nobody puts together are stored, and billed, and
 * seen by no one. */

/* Parts that are sent from memory, side by side: what cannot be read twice.
 * Half of 64 MiB, which is all that a command may take. */
#define PUT_BUFFERS 4
/* What a URL takes from a pipe: it needs the size before the first byte. */
#define PUT_PIPE_BYTES (UINT64_C(32) << 20)
#define PUT_SCRATCH_BYTES ((size_t)64 << 10)

struct object_put;

/* One connection's share of the work: a part at a time. */
struct put_part {
    struct object_put *p;
    struct store_job *job;
    unsigned number;    /* from 1, as S3 counts */
    unsigned char *buf; /* what is sent, or NULL: from the file */
    size_t n;           /* of buf */
    uint64_t at;        /* in the file, where buf is NULL */
    char text[32];      /* "partNumber=1" */
};

/* One `put`. Either the size is known and the file can be read anywhere, or
 * it comes in order, sealed on its way, into buffers of a part's size. */
struct object_put {
    int fd;
    const char *name; /* the file's, for messages */
    int seekable;     /* a regular file */
    uint64_t text_n;  /* its size, where seekable */
    struct stat before;
    const unsigned char *key; /* NULL: as it is */
    const struct store_place *to;
    const struct store_opts *o;
    uint64_t part_bytes;
    ef_buf upload; /* "uploadId=...", with a NUL; "": no parts */
    /* by number less one, since parts end in any order */
    char *etag[EF_MAX_PARTS]; /* of the parts that are there; ours to free */
    unsigned parts;           /* given out so far */
    uint64_t next;            /* seekable: the file's next byte */
    /* what comes in order */
    ef_gcm *gcm;
    struct store_seal seal;
    unsigned char *scratch; /* PUT_SCRATCH_BYTES, secret */
    unsigned char *bufs;    /* PUT_BUFFERS of STORE_PART_BYTES: ciphertext, or
                               what is sent as it is */
    size_t bufs_n;
    /* a pipe is read in order, so there is one at a time */
    struct put_part *filler; /* whose buffer is being filled; or NULL */
    int begun, over;         /* the nonce is out; the tag as well */
    unsigned tail;           /* bytes of the tag that are out */
    struct put_part part[HTTP_MAX_PARALLEL];
    struct store_job job[HTTP_MAX_PARALLEL];
};

/* n bytes of the file at offset at, which it must still have.
 * Fails: EF_E_IO, also where the file has become shorter.
 * Pre:     the file is a regular one. A store_seal's read, too. */
static ef_status
put_read(void *ctx, uint64_t at, unsigned char *buf, size_t n, ef_err *err)
{
    struct object_put *p = ctx;

    while (n > 0) {
        ssize_t k = pread(p->fd, buf, n, (off_t)at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return with_file(err, reject_sys(err, EF_E_IO, "cannot read"),
                             p->name);
        /* its size is in the request's head already */
        if (k == 0)
            return with_file(err,
                             reject(err, EF_E_IO, EF_NOWHERE,
                                    "the file became shorter while it was "
                                    "sent"),
                             p->name);
        buf += k;
        n -= (size_t)k;
        at += (uint64_t)k;
    }
    return EF_OK;
}

/* A job's source: a part of the file, or of its buffer.
 * Pre:     at + n is within the part: http_on_read sees to that. */
static ef_status
put_source(void *ctx, uint64_t at, unsigned char *buf, size_t n, ef_err *err)
{
    struct put_part *part = ctx;

    if (part->buf == NULL)
        return put_read(part->p, part->at + at, buf, n, err);
    memcpy(buf, part->buf + at, n);
    return EF_OK;
}

/* Is the file still what it was? What was sent could be half of each.
 * Fails: EF_E_IO. Tests: tests/network.bats.
 * The time of the last change has the file system's own grain: a change within
 * it that keeps the size is not seen. */
static ef_status
put_unchanged(const struct object_put *p, ef_err *err)
{
    struct stat now;

    if (!p->seekable)
        return EF_OK;
    if (fstat(p->fd, &now) != 0)
        return with_file(err, reject_sys(err, EF_E_IO, "cannot read"), p->name);
    /* the descriptor's own file, whatever its name means by now */
    if (now.st_size == p->before.st_size &&
        now.st_mtim.tv_sec == p->before.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == p->before.st_mtim.tv_nsec)
        return EF_OK;
    return with_file(
        err,
        reject(err, EF_E_IO, EF_NOWHERE, "the file changed while it was sent"),
        p->name);
}

/* --- what comes in order --- */

/* The reader behind the buffers: the nonce, the text in pieces of 64 KiB,
 * the tag, wherever the ends of parts fall. Without a key there is only the
 * text. It never waits by itself: what is not there yet is asked for again
 * by the loop, which has other parts to send meanwhile. */

/* Can something be read at once? A pipe's writer may take its time, and other
 * parts are under way.
 * An end, an error and a hang-up are "ready": read tells which. */
static int
put_is_ready(const struct object_put *p)
{
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};

    return p->seekable || poll(&wait, 1, 0) != 0;
}

/* Up to PUT_SCRATCH_BYTES of the file go into the part's buffer, sealed where
 * there is a key. Nothing more to read: p->over.
 * Secret:  scratch. Fails: EF_E_IO, EF_E_LIMIT past GCM's.
 * Pre:     room in the part's buffer. One read: a pipe gives what it has. */
static ef_status
put_fill_some(struct object_put *p, struct put_part *part, ef_err *err)
{
    size_t room = STORE_PART_BYTES - part->n;
    ef_status rc = EF_OK;
    ssize_t k;

    /* plaintext stays in scratch, which is secret memory; the buffers are not,
     * and get ciphertext */
    room = room < PUT_SCRATCH_BYTES ? room : PUT_SCRATCH_BYTES;
    do
        k = read(p->fd, p->scratch, room);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return with_file(err, reject_sys(err, EF_E_IO, "cannot read"), p->name);
    if (k == 0)
        p->over = 1;
    else if (p->key != NULL)
        rc = ef_gcm_crypt(p->gcm, p->scratch, (size_t)k, 1, err);
    if (rc == EF_OK) {
        memcpy(part->buf + part->n, p->scratch, (size_t)k);
        part->n += (size_t)k;
    }
    return rc;
}

/* The nonce goes first, and the tag last; the tag may stand across the end of
 * a part.
 * Pre:     the part's buffer is empty: it is the first. */
static void
put_add_nonce(struct object_put *p, struct put_part *part)
{
    memcpy(part->buf, p->seal.nonce, EF_NONCE_BYTES);
    part->n = EF_NONCE_BYTES;
    ef_gcm_start(p->gcm, p->seal.nonce, NULL, 0);
}

/* As put_add_nonce. p->tail counts what is out.
 * Pre:     all of the text is sealed. */
static void
put_add_tag(struct object_put *p, struct put_part *part)
{
    if (p->tail == 0 && part->n < STORE_PART_BYTES)
        ef_gcm_tag(p->gcm, p->seal.tag);
    while (p->tail < EF_TAG_BYTES && part->n < STORE_PART_BYTES)
        part->buf[part->n++] = p->seal.tag[p->tail++];
}

/* Fill the part's buffer as far as can be. *full: it is, or all is in it.
 * Fails:   as put_fill_some; EF_E_INTERNAL without random bytes.
 * Post:    *full: part->n bytes are to be sent. 0: nothing more can be read
 * just now, and what is there stays. */
static ef_status
put_fill(struct object_put *p, struct put_part *part, int *full, ef_err *err)
{
    ef_status rc = EF_OK;

    if (!p->begun && p->key != NULL) {
        rc = crypt_nonce(p->seal.nonce, err);
        put_add_nonce(p, part);
    }
    /* without a key there is nothing to begin with */
    p->begun = 1;
    while (rc == EF_OK && !p->over && part->n < STORE_PART_BYTES) {
        if (!put_is_ready(p)) {
            *full = 0;
            return EF_OK;
        }
        rc = put_fill_some(p, part, err);
    }
    if (rc == EF_OK && p->over && p->key != NULL)
        put_add_tag(p, part);
    *full = 1;
    return rc;
}

/* Is there anything left for another part?
 * With a key the tag counts: it may be all of the last part. */
static int
put_is_over(const struct object_put *p)
{
    return p->over && (p->key == NULL || p->tail == EF_TAG_BYTES);
}

/* --- parts --- */

/* Numbers are given out in the order of the text; parts end in any order,
 * and each leaves its ETag under its number. A part that fails is tried
 * again by itself, by store_run. One that fails for good ends the others
 * (all_or_nothing). */

/* A part is stored; its ETag is what the object is put together from.
 * Fails:   EF_E_NETWORK without one, EF_E_MEMORY. UNTRUSTED: the ETag, which
 * ef_etag_parse has seen. Fuzz: fuzz/fuzz_http.c.
 * A part that was sent twice has one ETag: the last one's. */
static ef_status
put_part_end(void *ctx, ef_err *err)
{
    struct put_part *part = ctx;
    char **etag = &part->p->etag[part->number - 1];

    if (part->job->head.etag[0] == '\0')
        return reject(err, EF_E_NETWORK, EF_NOWHERE,
                      "the store gave a part no ETag");
    free(*etag);
    *etag = strdup(part->job->head.etag);
    return *etag != NULL ? EF_OK : reject_memory(err);
}

/* The part has its bytes: number it, and set the request up.
 * 0: no more parts, job->err says why. The same number is kept over retries:
 * S3 takes the last part of a number. */
static int
put_number(struct object_put *p, struct put_part *part, uint64_t n)
{
    struct store_job *job = part->job;

    if (p->parts == EF_MAX_PARTS) {
        (void)with_hint(&job->err,
                        reject(&job->err, EF_E_LIMIT, EF_NOWHERE,
                               "more than EF_MAX_PARTS (10000) parts of 8 "
                               "MiB come through the pipe"),
                        "put a file instead: its size is known, and its parts "
                        "may be larger");
        return 0;
    }
    /* given out here, in the order of the text; never twice */
    part->number = ++p->parts;
    snprintf(part->text, sizeof part->text, "partNumber=%u", part->number);
    /* in this order they are also sorted, as the signature wants them */
    job->query[0] = part->text;
    job->query[1] = buf_cstr(&p->upload);
    job->query_n = 2;
    job->size = n;
    return 1;
}

/* store_job's again, for parts of a file that can be read anywhere.
 * Parts are given out in order; they may end in any. */
static int
put_again_file(void *ctx, struct store_job *job)
{
    struct put_part *part = ctx;
    struct object_put *p = part->p;
    uint64_t n = p->text_n - p->next;

    (void)job;
    /* the last part is what is left */
    n = n < p->part_bytes ? n : p->part_bytes;
    if (n == 0)
        return 0;
    part->at = p->next;
    p->next += n;
    return put_number(p, part, n);
}

/* The same for what comes in order: one part at a time is filled, the others
 * wait for it.
 * Only one part is filled at a time, since bytes come in order; up to three
 * others are under way meanwhile.
 * A failure to read ends all: over and tail say that nothing more comes. */
static int
put_again_order(void *ctx, struct store_job *job)
{
    struct put_part *part = ctx;
    struct object_put *p = part->p;
    int full = 0;

    job->wait_fd = 0;
    /* another one's turn; it is asked again when that part is on its way */
    if (p->filler != NULL && p->filler != part)
        return -1;
    if (p->filler == NULL) {
        if (put_is_over(p))
            return 0;
        part->n = 0;
        p->filler = part;
    }
    /* as far as it can be without waiting */
    if (put_fill(p, part, &full, &job->err) != EF_OK) {
        p->filler = NULL;
        p->over = 1;
        p->tail = EF_TAG_BYTES;
        return 0;
    }
    job->wait_fd = full ? 0 : p->fd + 1;
    /* what is there stays in the buffer until the pipe gives more */
    if (!full)
        return -1;
    p->filler = NULL;
    return part->n > 0 ? put_number(p, part, part->n) : 0;
}

/* One request about the upload: its beginning, its end. job->answer has what
 * the store said.
 * Fails:   as store_run. job->answer is the caller's to free. */
static ef_status
put_ask(struct object_put *p, struct store_job *job, const struct store_opts *o,
        ef_err *err)
{
    ef_status rc;

    /* the answer is wanted, of success and of failure */
    job->s3 = p->to->s3;
    job->keep = 1;
    rc = store_run(job, 1, 1, o);
    return store_first_error(job, 1, rc, err);
}

/* UNTRUSTED: the answer. An upload begins with a name that the store gives
 * it. Fails: EF_E_NETWORK. Fuzz: fuzz/fuzz_http.c.
 * Post:    p->upload has the parameter, or nothing: then there is nothing to
 * abort.
 * Retries: an answer that was lost leaves an upload that nobody knows the name
 * of; a rule of the bucket's (AbortIncompleteMultipartUpload) ends such. */
static ef_status
put_initiate(struct object_put *p, ef_err *err)
{
    struct store_job job = {.method = STORE_POST, .query = {"uploads="}};
    int found = 0;
    ef_status rc;

    job.query_n = 1;
    rc = put_ask(p, &job, p->o, err);
    /* raw: it is encoded with the query each time */
    ef_buf_str(&p->upload, "uploadId=");
    if (rc == EF_OK &&
        (ef_xml_get(&p->upload, &found, "InitiateMultipartUploadResult",
                    "UploadId", http_document(&job), NULL) != EF_OK ||
         !found || p->upload.n == sizeof "uploadId=" - 1 || p->upload.n > 1024))
        rc = reject(err, EF_E_NETWORK, EF_NOWHERE,
                    "the store's answer cannot be read: no UploadId");
    (void)buf_cstr(&p->upload);
    if (rc == EF_OK)
        rc = buf_status(&p->upload, err);
    /* nothing that could be aborted */
    if (rc != EF_OK)
        p->upload.n = 0;
    ef_buf_free(&job.answer);
    return rc;
}

/* A job's source: the list of parts.
 * Pre:     at + n is within the list. */
static ef_status
put_list_source(void *ctx, uint64_t at, unsigned char *buf, size_t n,
                ef_err *err)
{
    const ef_buf *list = ctx;

    (void)err;
    memcpy(buf, list->p + at, n);
    return EF_OK;
}

/* The list that puts the object together, in the order of numbers.
 * 10,000 parts take about 1 MB. list->failed tells where memory ended. */
static void
put_list(const struct object_put *p, ef_buf *list)
{
    unsigned i, k;

    ef_buf_str(list, "<CompleteMultipartUpload>");
    for (i = 0; i < p->parts; i++) {
        buf_printf(list, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        /* what XML has other uses for; ef_etag_parse lets them pass */
        for (k = 0; p->etag[i][k] != '\0'; k++)
            if (strchr("<>&", p->etag[i][k]) != NULL)
                buf_printf(list, "&#%d;", p->etag[i][k]);
            else
                ef_buf_byte(list, (unsigned char)p->etag[i][k]);
        ef_buf_str(list, "</ETag></Part>");
    }
    ef_buf_str(list, "</CompleteMultipartUpload>");
}

/* The ETag that S3 gives to an object of these parts: the MD5 of their MD5s,
 * a dash, and how many they are. 0: a part's ETag is no MD5 (its store
 * encrypts), and nothing can be foretold.
 * UNTRUSTED: the parts' ETags. Fuzz: fuzz/fuzz_http.c. */
static int
put_etag(const struct object_put *p, char etag[64])
{
    br_md5_context md5;
    unsigned char sum[br_md5_SIZE];
    unsigned i;

    /* no secret and no proof against an attacker: it tells the store's own
     * objects apart */
    br_md5_init(&md5);
    for (i = 0; i < p->parts; i++) {
        ef_slice tag = slice_str(p->etag[i]);

        /* between the quotes, 32 digits */
        if (tag.n < 2 ||
            ef_hex_decode(sum, sizeof sum, slice(tag.p + 1, tag.n - 2), NULL) !=
                EF_OK)
            return 0;
        br_md5_update(&md5, sum, sizeof sum);
    }
    br_md5_out(&md5, sum);
    etag[0] = '"';
    ef_hex_encode(etag + 1, sum, sizeof sum, 0);
    snprintf(etag + 1 + 2 * sizeof sum, 16, "-%u\"", p->parts);
    return 1;
}

/* Was the upload put together after all? The answer may have been lost, and
 * the second request found nothing left to do. An object that is there could
 * be an older one: its ETag must be of these very parts.
 * One request for one byte; what it says is only compared. */
static int
put_is_complete(struct object_put *p)
{
    struct store_job job = {.s3 = p->to->s3, .probe = 1};
    char etag[64];

    return put_etag(p, etag) && store_run(&job, 1, 1, p->o) == EF_OK &&
           strcmp(job.head.etag, etag) == 0;
}

/* UNTRUSTED: the answer, which may be an error although its status is 200.
 * Fails:   EF_E_NETWORK. Fuzz: fuzz/fuzz_http.c. Tests: tests/network.bats.
 * Retries: S3 may answer that there is no such upload where its first answer
 * was lost: put_is_complete decides then. */
static ef_status
put_complete(struct object_put *p, ef_err *err)
{
    ef_buf list = {0}, etag = {0};
    struct store_job job = {.method = STORE_POST,
                            .source = put_list_source,
                            .ctx = &list,
                            .query_n = 1};
    int found = 0;
    ef_status rc;

    /* the size must be known before the request begins */
    job.query[0] = buf_cstr(&p->upload);
    put_list(p, &list);
    job.size = list.n;
    rc = buf_status(&list, err);
    if (rc == EF_OK)
        rc = put_ask(p, &job, p->o, err);
    if (rc == EF_OK &&
        (ef_xml_get(&etag, &found, "CompleteMultipartUploadResult", "ETag",
                    http_document(&job), NULL) != EF_OK ||
         !found))
        rc = reject(err, EF_E_NETWORK, EF_NOWHERE,
                    "the store's answer cannot be read: is the object there?");
    /* its answer was lost, or is none: the object itself may be there. What
     * S3 says of its own accord is no such answer. */
    if (rc == EF_E_NETWORK &&
        (job.head.status == 404 ||
         (job.head.status == 200 && err->place[0] == '\0')))
        rc = put_is_complete(p)
                 ? EF_OK
                 : with_hint(err, rc,
                             "an answer may have been lost: look whether the "
                             "object is there");
    ef_buf_free(&job.answer);
    ef_buf_free(&list);
    ef_buf_free(&etag);
    return rc;
}

/* Parts that are not put together would be stored, and billed, for ever. The
 * signal or the time limit that ended the upload does not end this.
 * err: what ended the upload; its hint is replaced where parts stay.
 * A 404 says that there is nothing left to abort.
 * A signal that is pending still ends the process, after this. */
static void
put_abort(struct object_put *p, ef_err *err)
{
    struct store_job job = {.method = STORE_DELETE, .query_n = 1};
    struct store_opts o = *p->o;

    o.stop = NULL;
    o.progress = NULL;
    o.deadline = clock_ms() + HTTP_CONNECT_SEC * 1000;
    job.query[0] = buf_cstr(&p->upload);
    if (put_ask(p, &job, &o, NULL) != EF_OK && job.head.status != 404 &&
        err != NULL)
        err->hint = "parts that were sent are still stored: end the upload "
                    "with aws s3api abort-multipart-upload, or try again";
    ef_buf_free(&job.answer);
}

/* In parts: begun, sent, put together; or aborted.
 * Fails:   as store_run. Tests: tests/storage.bats, tests/network.bats.
 * Order:   the file is looked at again before the parts become an object, so
 * that a file that changed leaves nothing. */
static ef_status
put_parts(struct object_put *p, ef_err *err)
{
    size_t i, n = p->bufs != NULL ? PUT_BUFFERS : HTTP_MAX_PARALLEL;
    ef_status rc = put_initiate(p, err);

    if (rc != EF_OK)
        return rc;
    /* what was read before (put_pipe) is in the first part's buffer still */
    for (i = 0; i < n; i++) {
        p->part[i].p = p;
        p->part[i].job = &p->job[i];
        if (p->bufs != NULL)
            p->part[i].buf = p->bufs + i * STORE_PART_BYTES;
        p->job[i] = (struct store_job){
            .s3 = p->to->s3,
            .method = STORE_PUT,
            .source = put_source,
            .end = put_part_end,
            .again = p->bufs != NULL ? put_again_order : put_again_file,
            .ctx = &p->part[i]};
    }
    rc = store_run(p->job, n, 1, p->o);
    rc = store_first_error(p->job, n, rc, err);
    /* before the parts become an object */
    if (rc == EF_OK)
        rc = put_unchanged(p, err);
    if (rc == EF_OK)
        rc = put_complete(p, err);
    if (rc != EF_OK)
        put_abort(p, err);
    return rc;
}

/* --- one request --- */

/* No name at the store, and so nothing to undo: an object that is not whole
 * never becomes one, since its length is told in the request's head. */

/* In one PUT of n bytes from source.
 * Fails:   as store_run.
 * A file that changed is told, though the object is there. */
static ef_status
put_whole(struct object_put *p,
          ef_status (*source)(void *, uint64_t, unsigned char *, size_t,
                              ef_err *),
          void *ctx, uint64_t n, ef_err *err)
{
    struct store_job *job = &p->job[0];
    ef_status rc;

    /* the other jobs of p are for parts, and stay zero */
    *job = (struct store_job){.url = p->to->url,
                              .s3 = p->to->s3,
                              .method = STORE_PUT,
                              .source = source,
                              .ctx = ctx,
                              .size = n};
    rc = store_run(job, 1, 1, p->o);
    rc = store_first_error(job, 1, rc, err);
    return rc == EF_OK ? put_unchanged(p, err) : rc;
}

/* A file whose size is known: one request where it is small enough, or where
 * its place takes no other.
 * Limits:  EF_MAX_PUT_BYTES for http: and https: URLs. */
static ef_status
put_file(struct object_put *p, ef_err *err)
{
    uint64_t n = p->text_n + (p->key != NULL ? EF_OVERHEAD_BYTES : 0);
    struct put_part *part = &p->part[0];

    p->o->net->total = n;
    if (p->to->url != NULL && strncmp(p->to->url, "http", 4) == 0 &&
        n > EF_MAX_PUT_BYTES)
        return with_hint(
            err,
            with_file(
                err,
                reject(err, EF_E_LIMIT, EF_NOWHERE,
                       "larger than EF_MAX_PUT_BYTES (5368709120), which one "
                       "request may have"),
                p->name),
            "put it to s3://BUCKET/KEY, with keys: that sends parts");
    part->p = p;
    /* a URL is signed for one request: no part could be sent to it */
    if (p->to->s3 != NULL && n > STORE_WHOLE_BYTES)
        return put_parts(p, err);
    /* read again from the start where the request is repeated */
    p->seal.read = put_read;
    p->seal.ctx = p;
    p->seal.text_n = p->text_n;
    p->seal.gcm = p->gcm;
    return p->key != NULL ? put_whole(p, store_seal_source, &p->seal, n, err)
                          : put_whole(p, put_source, part, n, err);
}

/* Nothing is under way: wait for the pipe's writer, a signal or the end of the
 * time. Fails: EF_E_IO, EF_E_NETWORK.
 * Wakes ten times a second, to look at both. */
static ef_status
put_wait(const struct object_put *p, ef_err *err)
{
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};

    (void)poll(&wait, 1, 100);
    return store_ended(p->o, err);
}

/* What a pipe gives: the first part is read before anything is sent. It may
 * be all there is. A URL needs to know that it is: all the buffers are filled
 * for it.
 * Fails:   EF_E_LIMIT where a URL would need more.
 * Memory: the buffers, 32 MiB, however long the pipe gives. */
static ef_status
put_pipe(struct object_put *p, ef_err *err)
{
    struct put_part *part = &p->part[0];
    size_t i, n = 0;
    int full;
    ef_status rc = EF_OK;

    /* one buffer where parts can follow, all of them where they cannot */
    for (i = 0; i < PUT_BUFFERS && rc == EF_OK && !put_is_over(p) &&
                (i == 0 || p->to->s3 == NULL);
         i++) {
        p->part[i].p = p;
        p->part[i].buf = p->bufs + i * STORE_PART_BYTES;
        for (full = 0; rc == EF_OK && !full;) {
            rc = put_fill(p, &p->part[i], &full, err);
            if (rc == EF_OK && !full)
                rc = put_wait(p, err);
        }
        n += p->part[i].n;
    }
    if (rc != EF_OK)
        return rc;
    if (put_is_over(p))
        /* the buffers stand side by side: they are one */
        return put_whole(p, put_source, part, n, err);
    if (p->to->s3 == NULL)
        return with_hint(err,
                         reject(err, EF_E_LIMIT, EF_NOWHERE,
                                "a URL takes less than 32 MiB from a "
                                "pipe: its size must be known"),
                         "put a file, or put to s3://BUCKET/KEY, with keys");
    /* the part is full: put_again_order gives it a number first */
    p->filler = part;
    return put_parts(p, err);
}

/* What a put needs for its kind of input. A file that standard input is at
 * the middle of is read on from there, as a pipe is.
 * Fails:   EF_E_IO, EF_E_MEMORY, EF_E_LIMIT past GCM's. */
static ef_status
put_begin(struct object_put *p, ef_err *err)
{
    uint64_t n;
    int large;

    if (fstat(p->fd, &p->before) != 0)
        return with_file(err, reject_sys(err, EF_E_IO, "cannot read"), p->name);
    /* a device or a pipe has no size that one could rely on, and a size of 0
     * may be none at all (/proc): such a file is read to its end, as a pipe */
    p->seekable = S_ISREG(p->before.st_mode) && p->before.st_size > 0;
    p->text_n = p->seekable ? (uint64_t)p->before.st_size : 0;
    /* half open pipes of a terminal's aside, a file may be at its middle */
    if (p->seekable && lseek(p->fd, 0, SEEK_CUR) != 0)
        p->seekable = 0;
    /* rounded up, so that EF_MAX_PARTS are enough: from 78 GiB on a part is
     * larger than 8 MiB. A sealed file never is that large. */
    n = (p->text_n + EF_MAX_PARTS - 1) / EF_MAX_PARTS;
    p->part_bytes = n > STORE_PART_BYTES ? n : STORE_PART_BYTES;
    large = p->text_n > STORE_WHOLE_BYTES - EF_OVERHEAD_BYTES;
    if (p->key != NULL) {
        if (p->text_n > EF_MAX_PLAINTEXT_BYTES)
            return with_file(err, gcm_room(0, p->text_n, err), p->name);
        p->gcm = ef_gcm_new(p->key, NULL);
        if (p->gcm == NULL)
            return reject_memory(err);
    }
    if (p->seekable && (p->key == NULL || !large || p->to->s3 == NULL))
        return EF_OK;
    p->bufs_n = PUT_BUFFERS * STORE_PART_BYTES;
    p->bufs = malloc(p->bufs_n);
    p->scratch = ef_secret_alloc(PUT_SCRATCH_BYTES, NULL);
    return p->bufs != NULL && p->scratch != NULL ? EF_OK : reject_memory(err);
}

/* fd's bytes become one object, whole or not at all; name is for messages.
 * key NULL: as they are; else as a dataset file.
 * Secret:  key; the file's text, in scratch.
 * Fails:   as store_run; EF_E_IO, EF_E_LIMIT.
 * Tests: tests/storage.bats, tests/network.bats.
 * Memory: 32 MiB where parts are sent from buffers, else what libcurl takes. */
static ef_status
object_put(const struct store_place *to, int fd, const char *name,
           const unsigned char *key, const struct store_opts *o, ef_err *err)
{
    struct object_put *p = calloc(1, sizeof *p);
    size_t i;
    ef_status rc;

    if (p == NULL)
        return reject_memory(err);
    p->fd = fd;
    p->name = name;
    p->key = key;
    p->to = to;
    p->o = o;
    rc = put_begin(p, err);
    if (rc == EF_OK)
        rc = p->seekable ? put_file(p, err) : put_pipe(p, err);
    /* of parts that failed it is NULL */
    for (i = 0; i < p->parts; i++)
        free(p->etag[i]);
    ef_gcm_free(p->gcm);
    ef_secret_free(p->scratch, PUT_SCRATCH_BYTES);
    if (p->bufs != NULL)
        ef_wipe(p->bufs, p->bufs_n);
    free(p->bufs);
    ef_buf_free(&p->upload);
    /* seal and the jobs' errors: nothing secret is known to be left in it */
    ef_wipe(p, sizeof *p);
    free(p);
    return rc;
}

/* --- where AWS keeps keys and settings --- */

/* In the order of botocore: a profile that is named; else keys in the
 * environment; a profile's keys in the credentials file, those that a program
 * prints (credential_process), those in the configuration file; a container's;
 * the instance's. Keys that are got by assuming a role or by signing on are
 * another tool's business: where a profile asks for them nothing else is
 * taken. */

/* A token has no published limit; those of STS have 1 to 4 KiB. A longer one
 * is refused, never cut. */
#define AWS_TEXT_BYTES                                                         \
    ((size_t)8192) /* one value; session tokens are the longest */
/* What a program or a server gives: three values and some names. */
#define AWS_ANSWER_BYTES (4 * AWS_TEXT_BYTES)
#define AWS_PROCESS_MS 60000 /* for the program */
#define AWS_MAX_WORDS 64     /* of its command line */

/* Keys and settings of one profile, NUL-terminated, no more than one value
 * each. In ef_secret_alloc memory. An empty string: not there. */
struct aws_profile {
    char access_key[256], secret_key[256], token[AWS_TEXT_BYTES];
    char region[64], endpoint[1024], addressing[16];
    char process[4096];  /* credential_process */
    char services[256];  /* the section with endpoints of its own */
    char ignore[8];      /* ignore_configured_endpoint_urls */
    char instance[1024]; /* ec2_metadata_service_endpoint */
    const char *from;    /* where the keys are from, for -v; NULL: none */
    int found;           /* a file has the profile */
};

/* A variable of the environment, and where its value goes: cap bytes at out,
 * the NUL included. */
struct aws_variable {
    char *out;
    size_t cap;
    const char *name;
};

/* One of the two files: its text, in secret memory, and its name. section is
 * the profile's in it. */
struct aws_file {
    unsigned char *text;
    size_t n;
    ef_buf path, section;
};

/* text with $NAME and ${NAME} of the environment put in, as AWS's CLI does; one
 * that is not set stays as it is.
 * "$HOME/a", "${HOME}/a" -> "/root/a"; "$nope/a" and "$" stay as they are.
 * A failure is out's own, which file_end_name asks for. */
static void
aws_expand(ef_buf *out, const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                  "pqrstuvwxyz0123456789_";

    while (*text != '\0') {
        size_t brace = text[0] == '$' && text[1] == '{';
        size_t n = text[0] != '$' ? 0
                   : brace        ? strcspn(text + 2, "}")
                                  : strspn(text + 1, letters);
        char name[128];
        const char *value = NULL;

        /* "$", "${" and a name that is too long are taken as they stand */
        if (n > 0 && n < sizeof name && (!brace || text[2 + n] == '}')) {
            memcpy(name, text + 1 + brace, n);
            name[n] = '\0';
            value = getenv(name);
        }
        if (value != NULL)
            ef_buf_str(out, value);
        else
            ef_buf_add(out, text, 1);
        /* past the whole name, or the one byte that was copied */
        text += value != NULL ? 1 + n + 2 * brace : 1;
    }
}

/* A configuration file, named by a variable or at its usual place. Missing
 * is empty, and so is one below a folder that may not be searched: AWS's
 * tools see it the same way. path becomes its name, for messages.
 * text: EF_MAX_INI_BYTES + 1 bytes of secret memory.
 * "~/x" in the variable means HOME, as AWS's tools take it; "~user" is not
 * known here.
 * Fails:   EF_E_IO, EF_E_LIMIT. Tests: tests/presign.bats ("where the key
 * pair comes from"). */
static ef_status
aws_read_file(struct aws_file *f, const char *variable, const char *usual,
              ef_err *err)
{
    const char *name = getenv(variable), *home = getenv("HOME");

    if (name != NULL && name[0] == '~' && (name[1] == '/' || !name[1])) {
        ef_buf_str(&f->path, home != NULL ? home : "~");
        aws_expand(&f->path, name + 1);
    } else if (name != NULL && name[0] != '\0') {
        aws_expand(&f->path, name);
    } else if (home != NULL) {
        ef_buf_str(&f->path, home);
        ef_buf_str(&f->path, usual);
    }
    /* with neither the variable nor HOME path is "", which is no file */
    if (file_end_name(&f->path, err) != EF_OK)
        return EF_E_MEMORY;
    /* missing is usual, and EACCES is a folder on the way; where it can't be
     * told for another reason, opening it says why */
    if (access(buf_cstr(&f->path), F_OK) != 0 &&
        (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return EF_OK;
    return file_read_small(f->text, EF_MAX_INI_BYTES + 1, &f->n,
                           buf_cstr(&f->path),
                           "larger than EF_MAX_INI_BYTES (1048576)", err);
}

/* UNTRUSTED: value. It becomes out, a C string of less than cap bytes.
 * Secret:  out is in the caller's secret memory, as is value.
 * Fails:   EF_E_LIMIT for a value of cap bytes or more: a cut key would sign
 * something else. EF_E_FORMAT for a NUL. Fuzz: fuzz/fuzz_aws.c.
 * "" is kept as well: it says that there is nothing. */
static ef_status
aws_keep(char *out, size_t cap, ef_slice value, ef_err *err)
{
    if (value.n >= cap)
        return reject(err, EF_E_LIMIT, EF_NOWHERE, "a value is too long");
    /* it would end there, as a C string, and be another's */
    if (slice_find(value, 0) < value.n)
        return reject(err, EF_E_FORMAT, EF_NOWHERE, "a value has a NUL byte");
    /* value.n < cap, so there is room for the NUL */
    if (value.n > 0)
        memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    return EF_OK;
}

/* UNTRUSTED: text. name of [section] into out, or its part sub, unless out
 * has a value already; *found where the section exists.
 * Fails:   as aws_keep and ef_ini_get.
 * Fuzz: fuzz/fuzz_aws.c. Tests: vectors/ini.txt, tests/credentials.bats.
 * sub NULL: name's own value. */
static ef_status
aws_value(char *out, size_t cap, int *found, const char *section,
          const char *name, const char *sub, ef_slice text, ef_err *err)
{
    ef_slice value;
    int here = 0;
    ef_status rc =
        ef_ini_get_part(&value, &here, section, name, sub, text, err);

    *found |= here;
    if (rc != EF_OK || out[0] != '\0' || value.p == NULL)
        return rc;
    return aws_keep(out, cap, value, err);
}

/* UNTRUSTED: text. Any of names in the section, which encflow does not follow
 * and may not ignore. Values of "false" say that a thing is off.
 * Fails:   EF_E_USAGE naming the setting. Fuzz: fuzz/fuzz_aws.c.
 * Tests: tests/presign.bats ("a profile that is missing or incomplete").
 * sub_of: names are parts of that name's value, not names themselves. */
static ef_status
aws_refuse(const char *section, const char *const *names, size_t n,
           const char *sub_of, const char *hint, ef_slice text, ef_err *err)
{
    ef_slice value;
    ef_status rc = EF_OK;
    size_t i;

    /* the first that is there is told; there may be more */
    for (i = 0; i < n && rc == EF_OK; i++) {
        rc = ef_ini_get_part(&value, NULL, section,
                             sub_of != NULL ? sub_of : names[i],
                             sub_of != NULL ? names[i] : NULL, text, err);
        if (rc == EF_OK && value.p != NULL && !slice_is_name(value, "false"))
            rc = with_hint(err,
                           with_where(err,
                                      reject(err, EF_E_USAGE, EF_NOWHERE,
                                             "this setting of the profile is "
                                             "not supported, and it would "
                                             "change what is signed"),
                                      slice_str(names[i])),
                           hint);
    }
    return rc;
}

/* UNTRUSTED: text. Settings that decide about the keys: signing with other
 * keys than AWS's tools would is worse than not at all.
 * Fuzz: fuzz/fuzz_aws.c.
 * Looked for where the keys would come from this profile alone: keys of the
 * environment go before a role, as with botocore. */
static ef_status
aws_refuse_roles(const char *section, ef_slice text, ef_err *err)
{
    static const char *const names[] = {"role_arn",
                                        "source_profile",
                                        "credential_source",
                                        "mfa_serial",
                                        "sso_session",
                                        "sso_start_url",
                                        "web_identity_token_file",
                                        "login_session"};

    return aws_refuse(section, names, sizeof names / sizeof names[0], NULL,
                      "put keys into the environment with: aws configure "
                      "export-credentials --format env",
                      text, err);
}

/* UNTRUSTED: text. Settings that change the host, and so what is signed.
 * Fuzz: fuzz/fuzz_aws.c.
 * Looked for in any case: with keys from the environment, too. */
static ef_status
aws_refuse_hosts(const char *section, ef_slice text, ef_err *err)
{
    static const char *const names[] = {"use_fips_endpoint",
                                        "use_dualstack_endpoint"};
    static const char *const parts[] = {"use_accelerate_endpoint",
                                        "use_dualstack_endpoint"};
    static const char hint[] = "name the host instead: --endpoint-url URL";
    ef_status rc = aws_refuse(section, names, 2, NULL, hint, text, err);

    return rc == EF_OK ? aws_refuse(section, parts, 2, "s3", hint, text, err)
                       : rc;
}

/* UNTRUSTED: text. One file's settings; what an earlier one set stays. A
 * services section is named here, and read by aws_service.
 * Fuzz: fuzz/fuzz_aws.c. Tests: tests/credentials.bats.
 * The credentials file comes first, so that its settings win. */
static ef_status
aws_settings(struct aws_profile *p, const char *section, ef_slice text,
             ef_err *err)
{
    const struct {
        char *out;
        size_t cap;
        const char *name, *sub;
    } list[] = {
        {p->region, sizeof p->region, "region", NULL},
        {p->endpoint, sizeof p->endpoint, "endpoint_url", NULL},
        {p->addressing, sizeof p->addressing, "s3", "addressing_style"},
        {p->process, sizeof p->process, "credential_process", NULL},
        {p->services, sizeof p->services, "services", NULL},
        {p->ignore, sizeof p->ignore, "ignore_configured_endpoint_urls", NULL},
        {p->instance, sizeof p->instance, "ec2_metadata_service_endpoint",
         NULL}};
    ef_status rc = aws_refuse_hosts(section, text, err);
    size_t i;

    /* p->found becomes 1 with the first of them where the section exists */
    for (i = 0; i < sizeof list / sizeof list[0] && rc == EF_OK; i++)
        rc = aws_value(list[i].out, list[i].cap, &p->found, section,
                       list[i].name, list[i].sub, text, err);
    return rc;
}

/* UNTRUSTED: text. One file's keys, never mixed with another file's: an id
 * and its secret, both there, or neither. Of a token's two names the old one
 * wins, as in botocore.
 * Fails:   EF_E_FORMAT for an id without its secret, and as its parts.
 * Secret:  p, which is the caller's.
 * Fuzz: fuzz/fuzz_aws.c. Tests: tests/presign.bats. */
static ef_status
aws_from_file(struct aws_profile *p, const char *section, ef_slice text,
              ef_err *err)
{
    int found = 0;
    ef_status rc;

    /* found is not asked: aws_settings has told that the profile is there */
    rc = aws_value(p->access_key, sizeof p->access_key, &found, section,
                   "aws_access_key_id", NULL, text, err);
    /* secret and token come from the file that the id comes from */
    if (rc != EF_OK || p->access_key[0] == '\0')
        return rc;
    rc = aws_value(p->secret_key, sizeof p->secret_key, &found, section,
                   "aws_secret_access_key", NULL, text, err);
    if (rc == EF_OK)
        rc = aws_value(p->token, sizeof p->token, &found, section,
                       "aws_security_token", NULL, text, err);
    if (rc == EF_OK)
        rc = aws_value(p->token, sizeof p->token, &found, section,
                       "aws_session_token", NULL, text, err);
    if (rc == EF_OK && p->secret_key[0] == '\0')
        rc = reject(err, EF_E_FORMAT, EF_NOWHERE,
                    "this profile has an access key id without its secret");
    return rc;
}

/* A variable's value, where it is set and not empty. The environment is the
 * user's own, so only its length is checked.
 * out keeps what it has where the variable is missing or empty.
 * Fails:   EF_E_LIMIT, naming the variable: never cut. */
static ef_status
aws_from_env(char *out, size_t cap, const char *name, ef_err *err)
{
    const char *value = getenv(name);

    if (value == NULL || value[0] == '\0')
        return EF_OK;
    if (strlen(value) >= cap)
        return with_where(err,
                          reject(err, EF_E_LIMIT, EF_NOWHERE,
                                 "this variable's value is too long"),
                          slice_str(name));
    memcpy(out, value, strlen(value) + 1);
    return EF_OK;
}

/* The variables of list, in order; a later one goes before an earlier.
 * Example: AWS_ENDPOINT_URL_S3 goes before AWS_ENDPOINT_URL. */
static ef_status
aws_from_vars(const struct aws_variable *list, size_t n, ef_err *err)
{
    ef_status rc = EF_OK;
    size_t i;

    for (i = 0; i < n && rc == EF_OK; i++)
        rc = aws_from_env(list[i].out, list[i].cap, list[i].name, err);
    return rc;
}

/* UNTRUSTED: text, NULL or when keys expire. A time of another form than
 * RFC 3339's is the store's to judge. Fails: EF_E_POLICY.
 * "2026-11-26T12:00:00Z" and "2026-11-26T12:00:00+00:00" are one time.
 * The form of `aws configure export-credentials`. */
static ef_status
aws_check_expiry(const char *text, int64_t now, ef_err *err)
{
    ef_slice t = slice_str(text != NULL ? text : "");
    char utc[64];
    int64_t end;

    if (t.n > 6 && t.n < sizeof utc && strcmp(text + t.n - 6, "+00:00") == 0) {
        memcpy(utc, text, t.n - 6);
        utc[t.n - 6] = 'Z';
        t = slice((unsigned char *)utc, t.n - 5);
    }
    if (ef_time_parse(&end, t, NULL) == EF_OK && end <= now)
        return reject(err, EF_E_POLICY, EF_NOWHERE, "the keys have expired");
    return EF_OK;
}

/* Keys from the environment: an id and its secret, or neither. Half a pair
 * is refused: the other half would come from nowhere.
 * Secret:  the environment stays readable to the same user's processes;
 * AWS's tools take keys that way, and nothing is added to it here.
 * Fails:   EF_E_USAGE naming the variable that is missing; EF_E_LIMIT. */
static ef_status
aws_env_keys(struct aws_profile *p, ef_err *err)
{
    const struct aws_variable list[] = {
        {p->access_key, sizeof p->access_key, "AWS_ACCESS_KEY_ID"},
        {p->secret_key, sizeof p->secret_key, "AWS_SECRET_ACCESS_KEY"},
        {p->token, sizeof p->token, "AWS_SESSION_TOKEN"},
        {p->token, sizeof p->token, "AWS_SECURITY_TOKEN"}};
    ef_status rc = aws_from_vars(list, 4, err);

    if (rc == EF_OK && (p->access_key[0] == '\0') != (p->secret_key[0] == '\0'))
        rc = with_where(err,
                        reject(err, EF_E_USAGE, EF_NOWHERE,
                               "this variable is not set, but the other "
                               "half of the key is"),
                        slice_str(p->access_key[0] == '\0'
                                      ? "AWS_ACCESS_KEY_ID"
                                      : "AWS_SECRET_ACCESS_KEY"));
    if (rc == EF_OK && p->access_key[0] != '\0')
        rc = with_where(err,
                        aws_check_expiry(getenv("AWS_CREDENTIAL_EXPIRATION"),
                                         (int64_t)time(NULL), err),
                        slice_str("AWS_CREDENTIAL_EXPIRATION"));
    /* a token by itself belongs to keys from elsewhere */
    if (rc == EF_OK && p->access_key[0] == '\0')
        p->token[0] = '\0';
    return rc;
}

/* --- keys that somebody else keeps --- */

/* A program, a container's service or an instance's: all three answer with a
 * JSON object of nearly the same members. None of them is asked where a file
 * or the environment has keys. The services are asked without a proxy and
 * without redirects, and only near (aws_container_check): whoever can answer
 * chooses the keys that data is signed with. */

/* UNTRUSTED: doc. A member that is a text, into out; missing is "".
 * Fails:   as aws_keep. Fuzz: fuzz/fuzz_keys.c.
 * A member of another type counts as missing: its value could not be used. */
static ef_status
aws_member(const ef_json *doc, const char *name, char *out, size_t cap,
           ef_err *err)
{
    uint32_t node = ef_json_member(doc, 0, slice_str(name));
    ef_buf text = {0};
    ef_status rc;

    out[0] = '\0';
    if (node == EF_JSON_NONE || doc->nodes[node].type != EF_JSON_STRING)
        return EF_OK;
    /* unescaped on the heap, and wiped there when it is freed */
    ef_json_string(doc, node, &text);
    rc = buf_status(&text, err);
    if (rc == EF_OK)
        rc = aws_keep(out, cap, buf_slice(&text), err);
    ef_buf_free(&text);
    return with_where(err, rc, slice_str(name));
}

/* UNTRUSTED: json: what a program, a container's or an instance's service
 * says. token is that one's name for the session token. What has expired is
 * refused; an expiry that is written in another way is the store's to judge.
 * Secret:  p, the caller's; json, the caller's to wipe.
 * Fails:   EF_E_FORMAT for no JSON and for keys that are not there,
 * EF_E_POLICY for keys that have expired.
 * Fuzz: fuzz/fuzz_keys.c. Tests: tests/credentials.bats.
 * Post:    on EF_OK p has a whole pair; token "" where there is none. */
static ef_status
aws_keys(struct aws_profile *p, const char *token, ef_slice json, int64_t now,
         ef_err *err)
{
    char expires[64];
    ef_json doc;
    ef_status rc = ef_json_parse(&doc, json, err);

    /* other members (Code, Type, LastUpdated) have no meaning here */
    if (rc == EF_OK)
        rc = aws_member(&doc, "AccessKeyId", p->access_key,
                        sizeof p->access_key, err);
    if (rc == EF_OK)
        rc = aws_member(&doc, "SecretAccessKey", p->secret_key,
                        sizeof p->secret_key, err);
    if (rc == EF_OK)
        rc = aws_member(&doc, token, p->token, sizeof p->token, err);
    if (rc == EF_OK)
        rc = aws_member(&doc, "Expiration", expires, sizeof expires, err);
    /* its text is the caller's, and still there */
    ef_json_free(&doc);
    if (rc != EF_OK)
        return rc;
    if (p->access_key[0] == '\0' || p->secret_key[0] == '\0')
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "there is no AccessKeyId with a SecretAccessKey in it");
    return aws_check_expiry(expires, now, err);
}

/* UNTRUSTED: text, the user's own, and changed in place. Words as a shell
 * takes them: quotes, and a backslash; nothing is expanded. word has room for
 * AWS_MAX_WORDS and a NULL.
 * Fails:   EF_E_FORMAT. Fuzz: fuzz/fuzz_keys.c.
 * a "b c" -> a, b c; a\ b -> one word; '' -> an empty one.
 * Post:    words are pieces of text, each shorter than what it was made from.
 */
static ef_status
aws_words(char *text, char **word, ef_err *err)
{
    char *in = text, *out = text, quote = '\0';
    size_t n = 0;
    int open = 0; /* a word has begun, perhaps an empty one */

    for (; *in != '\0'; in++) {
        char c = *in;

        if (quote == '\0' && strchr(" \t\r\n", c) != NULL) {
            if (open)
                *out++ = '\0';
            open = 0;
            continue;
        }
        /* word has one place more, for the NULL */
        if (!open && n == AWS_MAX_WORDS)
            return reject(err, EF_E_FORMAT, EF_NOWHERE,
                          "credential_process has more than 64 words");
        if (!open)
            word[n++] = out;
        open = 1;
        if (c == quote)
            quote = '\0';
        else if (quote == '\0' && (c == '"' || c == '\''))
            quote = c;
        else if (c == '\\' && in[1] == '\0')
            quote = c; /* nothing is behind it that it could quote */
        else if (c == '\\' &&
                 (quote == '\0' ||
                  (quote == '"' && (in[1] == '"' || in[1] == '\\'))))
            *out++ = *++in;
        else
            *out++ = c;
    }
    *out = '\0';
    word[n] = NULL;
    if (quote != '\0' || n == 0)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "credential_process is empty, or a quote or backslash "
                      "does not end");
    return EF_OK;
}

/* In the child: the program, with its output in the pipe and nothing to read:
 * standard input may be data. Signals are as they were for us at first.
 * Only calls that are safe after a fork. 127: there is no such program, as a
 * shell says it. */
static void
aws_process_child(char **word, int out)
{
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    /* cli_harden has it ignored, and exec would hand that down */
    (void)signal(SIGPIPE, SIG_DFL);
    /* a signal that ends us ends it: nobody would read what it prints */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (in >= 0 && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execvp(word[0], word);
    _exit(127);
}

/* All that comes through the pipe, up to AWS_ANSWER_BYTES, in time.
 * Secret:  buf. Fails: EF_E_IO, EF_E_LIMIT.
 */
static ef_status
aws_process_read(int fd, unsigned char *buf, size_t *n, int64_t end,
                 ef_err *err)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t k = 1;

    for (*n = 0; k != 0;) {
        int64_t left = end - clock_ms();

        if (left <= 0)
            return reject(err, EF_E_IO, EF_NOWHERE,
                          "the program did not end in time");
        if (poll(&wait, 1, (int)left) <= 0)
            continue;
        k = read(fd, buf + *n, AWS_ANSWER_BYTES - *n);
        if (k < 0 && errno != EINTR)
            return reject_sys(err, EF_E_IO, "cannot read");
        *n += k > 0 ? (size_t)k : 0;
        if (*n == AWS_ANSWER_BYTES)
            return reject(err, EF_E_LIMIT, EF_NOWHERE,
                          "the program prints more than 32768 bytes");
    }
    return EF_OK;
}

/* It has closed its output: wait for its end, no longer than it may take. rc
 * is how it went so far; where that is a failure the program is ended.
 * Post:    the child is gone in any case. */
static ef_status
aws_process_wait(pid_t pid, int *status, ef_status rc, int64_t end, ef_err *err)
{
    while (rc == EF_OK && waitpid(pid, status, WNOHANG) == 0) {
        /* it may have closed its output and go on */
        if (clock_ms() >= end)
            rc = reject(err, EF_E_IO, EF_NOWHERE,
                        "the program did not end in time");
        else
            (void)poll(NULL, 0, 2);
    }
    if (rc == EF_OK)
        return rc;
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

/* Run it, and take what it prints. Its stderr is ours. It is ended where it
 * takes too long or prints too much.
 * Fails:   EF_E_IO: it failed, as its own message should tell.
 * Secret:  what it prints, in buf. Post: both ends of the pipe are closed. */
static ef_status
aws_process_run(char **word, unsigned char *buf, size_t *n, int64_t end,
                ef_err *err)
{
    int pipe_fd[2], status = 0;
    ef_status rc;
    pid_t pid;

    /* dup2 makes the child's copy of the writing end outlive exec */
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return reject_sys(err, EF_E_IO, "cannot start a program");
    pid = fork();
    if (pid == 0)
        aws_process_child(word, pipe_fd[1]);
    rc = pid < 0 ? reject_sys(err, EF_E_IO, "cannot start a program") : EF_OK;
    close(pipe_fd[1]);
    if (rc == EF_OK)
        rc = aws_process_read(pipe_fd[0], buf, n, end, err);
    close(pipe_fd[0]);
    if (pid > 0)
        rc = aws_process_wait(pid, &status, rc, end, err);
    if (rc != EF_OK || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return rc;
    (void)reject(err, EF_E_IO, EF_NOWHERE,
                 "the program failed, with exit status");
    err->detail =
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return EF_E_IO;
}

/* UNTRUSTED: json, what the program printed: a document of version 1.
 * Fails:   EF_E_FORMAT. Fuzz: fuzz/fuzz_keys.c.
 * Versions are numbers: "1" in quotes is none. */
static ef_status
aws_process_version(ef_slice json, ef_err *err)
{
    ef_json doc;
    uint32_t node;
    ef_status rc = ef_json_parse(&doc, json, err);

    if (rc == EF_OK) {
        /* of an array or a number there are no members: EF_JSON_NONE */
        node = ef_json_member(&doc, 0, slice_str("Version"));
        if (node == EF_JSON_NONE || doc.nodes[node].type != EF_JSON_NUMBER ||
            !slice_is(slice(json.p + doc.nodes[node].at, doc.nodes[node].n),
                      "1"))
            rc = reject(err, EF_E_FORMAT, EF_NOWHERE,
                        "credential_process did not print a document of "
                        "Version 1");
    }
    ef_json_free(&doc);
    return rc;
}

/* p->process prints the keys.
 * Fails:   as its parts, naming the setting. Tests: tests/credentials.bats.
 * Limits:  AWS_PROCESS_MS, --max-time, AWS_ANSWER_BYTES, AWS_MAX_WORDS. */
static ef_status
aws_from_process(struct aws_profile *p, const struct store_opts *o, ef_err *err)
{
    char *word[AWS_MAX_WORDS + 1], text[sizeof p->process];
    unsigned char *buf = ef_secret_alloc(AWS_ANSWER_BYTES, NULL);
    int64_t end = clock_ms() + AWS_PROCESS_MS;
    size_t n = 0;
    ef_status rc;

    /* a child finds zeros in secret memory; a command's line is none */
    memcpy(text, p->process, sizeof text);
    rc = buf == NULL ? reject_memory(err) : aws_words(text, word, err);
    if (o->deadline != 0 && o->deadline < end)
        end = o->deadline;
    if (rc == EF_OK)
        rc = aws_process_run(word, buf, &n, end, err);
    if (rc == EF_OK)
        rc = aws_process_version(slice(buf, n), err);
    if (rc == EF_OK)
        rc = aws_keys(p, "SessionToken", slice(buf, n), (int64_t)time(NULL),
                      err);
    ef_secret_free(buf, AWS_ANSWER_BYTES);
    p->from = "credential_process";
    return with_where(err, rc, slice_str("credential_process"));
}

/* One request to a service that gives keys, near and without a proxy.
 * Secret:  the answer, in job->answer, the caller's to free.
 * sec: to connect, and without a byte. Redirects are not followed (keep). */
static ef_status
aws_ask(struct store_job *job, const struct store_opts *opts, long sec,
        unsigned attempts, ef_err *err)
{
    struct store_opts o = *opts;
    ef_status rc;

    /* the command's own limits are for objects; its deadline stays */
    o.direct = 1;
    o.connect_sec = o.stall_sec = sec;
    o.attempts = attempts;
    o.progress = NULL;
    job->keep = 1;
    rc = store_run(job, 1, 1, &o);
    (void)store_first_error(job, 1, rc, err);
    /* hints are about objects and URLs: none of them helps here */
    if (rc != EF_OK && err != NULL)
        err->hint = NULL;
    return rc;
}

/* A container's service may be on this machine, or at one of AWS's own
 * addresses; elsewhere its token would not be safe over plain http.
 * Fails:   EF_E_POLICY, and as ef_location_check.
 * https: its certificate says who answers; any host may. */
static ef_status
aws_container_check(ef_slice url, ef_err *err)
{
    static const char *const near[] = {"localhost",      "127.0.0.1",
                                       "[::1]",          "169.254.170.2",
                                       "169.254.170.23", "[fd00:ec2::23]"};
    ef_scheme scheme;
    ef_slice host;
    int64_t port;
    size_t i;
    ef_status rc = ef_location_check(&scheme, url, err);

    if (rc != EF_OK || scheme == EF_SCHEME_HTTPS)
        return rc;
    /* behind "http://" or "file://", up to the path */
    url = slice_from(url, 7);
    url.n = slice_find(store_public(url), '/');
    for (i = 0; i < sizeof near / sizeof near[0]; i++)
        if (scheme == EF_SCHEME_HTTP &&
            url_authority(url, &host, &port, NULL) == EF_OK &&
            slice_is_name(host, near[i]))
            return EF_OK;
    return reject(err, EF_E_POLICY, EF_NOWHERE,
                  "keys are asked for over http:// on this machine or at "
                  "AWS's own addresses alone");
}

/* The token that the service wants to see, from a file or a variable: line
 * becomes a header line, or "".
 * Secret:  line. Fails: EF_E_IO, EF_E_LIMIT, EF_E_FORMAT.
 * The file goes before the variable. White space at its end is no part of it:
 * editors leave a line feed there. */
static ef_status
aws_container_token(char *line, size_t cap, ef_err *err)
{
    static const char head[] = "Authorization: ";
    const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    size_t n = 0, skip = sizeof head - 1;
    ef_status rc = EF_OK;

    /* the value is read to where it will stand; the name is put before it
     * only when there is a value */
    line[0] = line[skip] = '\0';
    if (file != NULL && file[0] != '\0')
        rc = file_read_small((unsigned char *)line + skip, cap - skip - 1, &n,
                             file, "the token is too long", err);
    else
        rc = aws_from_env(line + skip, cap - skip,
                          "AWS_CONTAINER_AUTHORIZATION_TOKEN", err);
    if (rc != EF_OK)
        return rc;
    /* a file gives a number of bytes, a variable a C string */
    n = n > 0 ? n : strlen(line + skip);
    n = slice_trim_end(slice(line + skip, n)).n;
    line[skip + n] = '\0';
    /* blanks are usual ("Bearer x"), line ends would begin another header */
    if (strpbrk(line + skip, "\r\n") != NULL)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "the container's token has more than one line");
    if (n > 0)
        memcpy(line, head, skip);
    return EF_OK;
}

/* What ECS or EKS gives to a container; nothing where its variables are not
 * set.
 * Fails:   EF_E_NETWORK where the service does not answer.
 * Tests: tests/credentials.bats.
 * The relative form is ECS's, at its own address; the other EKS's. */
static ef_status
aws_from_container(struct aws_profile *p, const struct store_opts *o,
                   ef_err *err)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char *line = ef_secret_alloc(AWS_TEXT_BYTES, NULL);
    struct store_job job = {.method = STORE_GET};
    ef_buf url = {0};
    ef_status rc = line == NULL ? reject_memory(err) : EF_OK;

    /* both set: the relative one counts, as with botocore */
    if (relative != NULL && relative[0] != '\0') {
        ef_buf_str(&url, "http://169.254.170.2");
        ef_buf_str(&url, relative);
    } else if (full != NULL) {
        ef_buf_str(&url, full);
    }
    if (rc == EF_OK && url.n > 0) {
        job.url = buf_cstr(&url);
        rc = file_end_name(&url, err);
        if (rc == EF_OK)
            rc = aws_container_check(buf_slice(&url), err);
        if (rc == EF_OK)
            rc = aws_container_token(line, AWS_TEXT_BYTES, err);
        job.header = rc == EF_OK && line[0] != '\0' ? line : NULL;
        if (rc == EF_OK)
            rc = aws_ask(&job, o, 2, 0, err);
        if (rc == EF_OK)
            rc = aws_keys(p, "Token", buf_slice(&job.answer),
                          (int64_t)time(NULL), err);
        p->from = "the container's service";
    }
    with_where(err, rc,
               slice_str(relative != NULL && relative[0] != '\0'
                             ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                             : "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    ef_buf_free(&job.answer);
    ef_buf_free(&url);
    ef_secret_free(line, AWS_TEXT_BYTES);
    return rc;
}

/* base is the instance's service. 0: it is off, or no address at all.
 * Without the slashes at its end. https is not spoken there. */
static int
aws_instance_base(ef_buf *base, const struct aws_profile *p)
{
    const char *off = getenv("AWS_EC2_METADATA_DISABLED");
    const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *set = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");

    /* as botocore: any spelling of true */
    if (off != NULL && strcasecmp(off, "true") == 0)
        return 0;
    if (set != NULL && set[0] != '\0')
        ef_buf_str(base, set);
    else if (p->instance[0] != '\0')
        ef_buf_str(base, p->instance);
    else if (mode != NULL && strcasecmp(mode, "ipv6") == 0)
        ef_buf_str(base, "http://[fd00:ec2::254]");
    else
        ef_buf_str(base, "http://169.254.169.254");
    while (base->n > 0 && base->p[base->n - 1] == '/')
        base->n--;
    return slice_has_prefix(buf_slice(base), "http://");
}

/* Ask the instance's service for path; job->answer has it. Its token goes in
 * a header, as version 2 wants it. Version 1, which has none, is not used:
 * any program that can be made to fetch a URL could read it.
 * A second and one attempt by default, as botocore's: where there is no such
 * service nobody should wait for it. */
static ef_status
aws_instance_ask(struct store_job *job, const ef_buf *base, ef_slice path,
                 const struct store_opts *o, ef_err *err)
{
    const char *text = getenv("AWS_METADATA_SERVICE_TIMEOUT");
    const char *tries = getenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS");
    int64_t sec = slice_number(slice_str(text != NULL ? text : "1"));
    int64_t most = slice_number(slice_str(tries != NULL ? tries : "1"));
    ef_buf url = {0};
    ef_status rc;

    /* base ends without a slash, path begins with one */
    ef_buf_add(&url, base->p, base->n);
    ef_buf_add(&url, path.p, path.n);
    rc = file_end_name(&url, err);
    job->url = buf_cstr(&url);
    if (rc == EF_OK)
        rc = aws_ask(
            job, o, sec >= 1 && sec <= 60 ? (long)sec : 1,
            most >= 1 && most <= HTTP_MAX_ATTEMPTS ? (unsigned)most : 1, err);
    ef_buf_free(&url);
    return rc;
}

/* UNTRUSTED: name, the first line of what the service lists: a role's name.
 * path gets where its keys are. 0: it is none. Fuzz: fuzz/fuzz_keys.c.
 * "my-role\n" -> ".../security-credentials/my-role". */
static int
aws_instance_role(ef_buf *path, ef_slice name)
{
    name = slice_trim(slice(name.p, slice_find(name, '\n')));
    ef_buf_str(path, "/latest/meta-data/iam/security-credentials/");
    ef_percent_encode(path, name, 0);
    return name.n > 0 && name.n <= 128;
}

/* The keys of the instance's role, by version 2 of its metadata service. Where
 * nobody answers, or there is no role, there are none; what answers with
 * something else than keys is an error.
 * Secret:  token and answers, wiped. Tests: tests/credentials.bats. */
static ef_status
aws_from_instance(struct aws_profile *p, const struct store_opts *o,
                  ef_err *err)
{
    struct store_job ask = {.method = STORE_PUT,
                            .header = "x-aws-ec2-metadata-token-ttl-seconds:"
                                      "21600"};
    struct store_job list = {.method = STORE_GET}, keys = {.method = STORE_GET};
    ef_buf base = {0}, line = {0}, role = {0};
    ef_status rc = EF_OK;
    int ok = aws_instance_base(&base, p) &&
             aws_instance_ask(&ask, &base, slice_str("/latest/api/token"), o,
                              NULL) == EF_OK;

    /* wiped with the buffer: who has it may ask for the keys */
    ef_buf_str(&line, "x-aws-ec2-metadata-token: ");
    ef_buf_add(&line, ask.answer.p, ask.answer.n);
    list.header = keys.header = buf_cstr(&line);
    /* a token is one word: what is not would add headers */
    ok = ok && !line.failed && ask.answer.n > 0 &&
         sig_is_visible(list.header + 26) &&
         aws_instance_ask(&list, &base,
                          slice_str("/latest/meta-data/iam/"
                                    "security-credentials/"),
                          o, NULL) == EF_OK;
    /* a role without keys is an error, no role at all is none */
    if (ok && aws_instance_role(&role, buf_slice(&list.answer)) &&
        aws_instance_ask(&keys, &base, buf_slice(&role), o, NULL) == EF_OK) {
        rc = aws_keys(p, "Token", buf_slice(&keys.answer), (int64_t)time(NULL),
                      err);
        p->from = "the instance's service";
    }
    with_where(err, rc, slice_str("EC2 instance metadata"));
    ef_buf_free(&ask.answer);
    ef_buf_free(&list.answer);
    ef_buf_free(&keys.answer);
    ef_buf_free(&base);
    ef_buf_free(&line);
    ef_buf_free(&role);
    return rc;
}

/* --- all of them --- */

/* botocore's chain, link by link; the table in tests/credentials_cases.py
 * has what botocore says for each case, and for the few that are decided
 * otherwise here, why. */

/* Which profile, and whether its name was given: then the environment's keys
 * do not count. */
struct aws_choice {
    const char *name;
    int named;    /* by an option or argument */
    int optional; /* it need not exist: "default" */
};

/* UNTRUSTED: line of the configuration file. Does profile's section begin
 * with it? *name becomes what is in the brackets. [profile NAME] has two words
 * as a shell takes them, so that quotes and more blanks make no difference;
 * the default profile is also [default].
 * Fuzz: fuzz/fuzz_aws.c. Tests: tests/credentials.bats.
 * [profile p], [profile "p"], [profile  p]: one section. [p] is none here. */
static int
aws_is_section(ef_slice line, const char *profile, ef_slice *name)
{
    char text[512], *word[AWS_MAX_WORDS + 1];

    if (line.n == 0 || line.p[0] != '[' || slice_find(line, 0) < line.n)
        return 0;
    /* ini_section has refused, or will refuse, one without its end */
    *name = slice(line.p + 1, slice_find(line, ']') - 1);
    if (strcmp(profile, "default") == 0 && slice_is(*name, profile))
        return 1;
    if (name->n >= sizeof text || !slice_has_prefix(*name, "profile"))
        return 0;
    memcpy(text, name->p, name->n);
    text[name->n] = '\0';
    return aws_words(text, word, NULL) == EF_OK && word[1] != NULL &&
           word[2] == NULL && strcmp(word[0], "profile") == 0 &&
           strcmp(word[1], profile) == 0;
}

/* The section of a profile in the credentials file is [NAME]; in the
 * configuration file it is looked for, and may stand there once: of two
 * spellings botocore takes the last, other readers the first.
 * Fails:   EF_E_FORMAT with the second one's line.
 * Post:    section is "]", which no section can be called, where the
 * configuration file does not have the profile. */
static ef_status
aws_sections(struct aws_file f[2], const char *profile, ef_err *err)
{
    ef_slice rest = slice(f[1].text, f[1].n), name, first = {NULL, 0};
    uint64_t line;

    /* by lines, as ef_ini_get reads it; its errors are that one's to tell */
    for (line = 1; rest.n > 0; line++) {
        if (!aws_is_section(slice_trim(ini_line(&rest)), profile, &name))
            continue;
        if (first.p != NULL)
            return with_where(
                err,
                reject_line(err, EF_E_FORMAT, line, 0,
                            "this profile stands in the file twice"),
                buf_slice(&f[1].path));
        first = name;
    }
    ef_buf_str(&f[0].section, profile);
    if (first.p != NULL)
        ef_buf_add(&f[1].section, first.p, first.n);
    else
        ef_buf_str(&f[1].section, "]"); /* no section's name */
    if (file_end_name(&f[0].section, err) != EF_OK ||
        file_end_name(&f[1].section, err) != EF_OK)
        return EF_E_MEMORY;
    return EF_OK;
}

/* Settings that have a section of their own: [services NAME], in it the part
 * endpoint_url of s3. It goes before the profile's endpoint_url.
 * Post:    the profile's own endpoint stays where the section has none. */
static ef_status
aws_service(struct aws_profile *p, const struct aws_file *f, ef_err *err)
{
    ef_buf section = {0};
    char own[sizeof p->endpoint] = "";
    int found = 0;
    ef_status rc;

    if (p->services[0] == '\0')
        return EF_OK;
    ef_buf_str(&section, "services ");
    ef_buf_str(&section, p->services);
    rc = file_end_name(&section, err);
    if (rc == EF_OK)
        rc = aws_value(own, sizeof own, &found, buf_cstr(&section), "s3",
                       "endpoint_url", slice(f->text, f->n), err);
    /* botocore reads on without it: a name that is misspelt would send the
     * data to AWS itself */
    if (rc == EF_OK && !found)
        rc = reject(err, EF_E_USAGE, EF_NOWHERE,
                    "the profile's services section is not there");
    /* it goes before the profile's own */
    if (own[0] != '\0')
        memcpy(p->endpoint, own, sizeof own);
    ef_buf_free(&section);
    return with_where(err, rc, buf_slice(&f->path));
}

/* Web identity in the environment is a role's: it is asked for before any
 * file. Fails: EF_E_USAGE.
 * AWS_ROLE_ARN without it asks for nothing. */
static ef_status
aws_refuse_identity(ef_err *err)
{
    const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");

    if (file == NULL || file[0] == '\0')
        return EF_OK;
    return with_hint(err,
                     with_where(err,
                                reject(err, EF_E_USAGE, EF_NOWHERE,
                                       "this way to get keys is not "
                                       "supported"),
                                slice_str("AWS_WEB_IDENTITY_TOKEN_FILE")),
                     "put keys into the environment with: aws configure "
                     "export-credentials --format env");
}

/* The variables of settings that change the host. Fails: EF_E_USAGE.
 * "false" and "" say that it is off. */
static ef_status
aws_refuse_host_vars(ef_err *err)
{
    static const char *const names[] = {"AWS_USE_FIPS_ENDPOINT",
                                        "AWS_USE_DUALSTACK_ENDPOINT"};
    size_t i;

    /* the environment goes before the profile here, too */
    for (i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0' &&
            strcasecmp(value, "false") != 0)
            return with_hint(
                err,
                with_where(err,
                           reject(err, EF_E_USAGE, EF_NOWHERE,
                                  "this is not supported, and it would change "
                                  "what is signed"),
                           slice_str(names[i])),
                "name the host instead: --endpoint-url URL");
    }
    return EF_OK;
}

/* The keys, from the first place that has any. Both files are read, and their
 * settings are in p.
 * Fails:   as the places. Tests: tests/credentials.bats.
 * p->from is a constant, for -v. */
static ef_status
aws_find_keys(struct aws_profile *p, const struct aws_choice *choice,
              struct aws_file f[2], const struct store_opts *o, ef_err *err)
{
    ef_status rc = EF_OK;
    size_t i;

    if (!choice->named || (choice->optional && !p->found))
        rc = aws_env_keys(p, err);
    /* keys that are there end the search, whatever the files say of roles */
    if (rc != EF_OK || p->access_key[0] != '\0') {
        p->from = "the environment";
        return rc;
    }
    /* a role in either file stands before keys in either */
    for (i = 0; i < 2 && rc == EF_OK; i++)
        rc = with_where(err,
                        aws_refuse_roles(buf_cstr(&f[i].section),
                                         slice(f[i].text, f[i].n), err),
                        buf_slice(&f[i].path));
    if (rc == EF_OK && (!choice->named || (choice->optional && !p->found)))
        rc = aws_refuse_identity(err);
    /* what comes below is told by p->from where it is something else */
    p->from = "a file";
    for (i = 0; i < 2 && rc == EF_OK && p->access_key[0] == '\0'; i++) {
        /* between the two files: botocore's order */
        if (i == 1 && p->process[0] != '\0')
            return aws_from_process(p, o, err);
        rc = with_where(err,
                        aws_from_file(p, buf_cstr(&f[i].section),
                                      slice(f[i].text, f[i].n), err),
                        buf_slice(&f[i].path));
    }
    if (rc == EF_OK && p->access_key[0] == '\0')
        /* both give nothing where they are not there */
        rc = aws_from_container(p, o, err);
    if (rc == EF_OK && p->access_key[0] == '\0')
        rc = aws_from_instance(p, o, err);
    return rc;
}

/* The environment's settings go before the profile's; of two variables the
 * more particular one wins. us-east-1 where nobody says: the reference's own
 * URLs are of that region.
 * Fails:   EF_E_LIMIT. The region's form is sig_check's to judge.
 * Tests: tests/presign.bats ("region and endpoint, the most particular"). */
static ef_status
aws_environment(struct aws_profile *p, ef_err *err)
{
    const struct aws_variable list[] = {
        {p->ignore, sizeof p->ignore, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
        {p->region, sizeof p->region, "AWS_DEFAULT_REGION"},
        {p->region, sizeof p->region, "AWS_REGION"},
        {p->endpoint, sizeof p->endpoint, "AWS_ENDPOINT_URL"},
        {p->endpoint, sizeof p->endpoint, "AWS_ENDPOINT_URL_S3"}};
    ef_status rc = aws_from_vars(list, 5, err);

    /* "us-east-1" and its NUL */
    if (p->region[0] == '\0')
        memcpy(p->region, "us-east-1", 10);
    if (strcasecmp(p->ignore, "true") == 0)
        p->endpoint[0] = '\0';
    return rc;
}

/* The keys and settings that choice means.
 * Secret:  both files pass through text, wiped; path and section have none.
 * Post:    p has a whole pair, or none: section 16 says so to the user.
 * Fails:   as its parts. EF_E_USAGE for a profile that is nowhere.
 * Tests: tests/credentials.bats, tests/presign.bats ("where the key pair
 * comes from", "a credentials file that does not parse"). */
static ef_status
aws_load(struct aws_profile *p, const struct aws_choice *choice,
         const struct store_opts *o, ef_err *err)
{
    struct aws_file f[2] = {{0}, {0}};
    size_t i, text_n = EF_MAX_INI_BYTES + 1;
    ef_status rc;

    memset(p, 0, sizeof *p);
    /* one byte more than is allowed, so that too much can be seen */
    f[0].text = ef_secret_alloc(text_n, NULL);
    f[1].text = ef_secret_alloc(text_n, NULL);
    rc = f[0].text == NULL || f[1].text == NULL ? reject_memory(err) : EF_OK;
    if (rc == EF_OK)
        rc = aws_read_file(&f[0], "AWS_SHARED_CREDENTIALS_FILE",
                           "/.aws/credentials", err);
    if (rc == EF_OK)
        rc = aws_read_file(&f[1], "AWS_CONFIG_FILE", "/.aws/config", err);
    if (rc == EF_OK)
        rc = aws_sections(f, choice->name, err);
    for (i = 0; i < 2 && rc == EF_OK; i++)
        rc = with_where(err,
                        aws_settings(p, buf_cstr(&f[i].section),
                                     slice(f[i].text, f[i].n), err),
                        buf_slice(&f[i].path));
    if (rc == EF_OK)
        rc = aws_service(p, &f[1], err);
    if (rc == EF_OK && !p->found && !choice->optional)
        rc = with_hint(err,
                       with_where(err,
                                  reject(err, EF_E_USAGE, EF_NOWHERE,
                                         "there is no such profile"),
                                  slice_str(choice->name)),
                       "~/.aws/credentials or ~/.aws/config should have it");
    if (rc == EF_OK)
        rc = aws_refuse_host_vars(err);
    if (rc == EF_OK)
        rc = aws_find_keys(p, choice, f, o, err);
    if (rc == EF_OK)
        rc = aws_environment(p, err);
    for (i = 0; i < 2; i++) {
        ef_secret_free(f[i].text, text_n);
        ef_buf_free(&f[i].path);
        ef_buf_free(&f[i].section);
    }
    return rc;
}

#endif /* EF_NO_MAIN */

/* ======================================================================= *
 * 12. DESCRIBE    count, unique, top, freq of CSV columns          (desc_)*
 *                                                                         *
 *   In       decrypted datasets                               UNTRUSTED   *
 *   Out      the text of pandas' describe()                               *
 *   Secret   the distinct values; wiped when freed                        *
 *   Needs    1, 2, 4                                                      *
 *   Spec     pandas 1.5 read_csv, infer and describe for text and bool    *
 *            columns; of equal frequencies the value seen first is top    *
 *   Tests    vectors/describe.txt tests/describe.bats                     *
 *   Fuzz     fuzz/fuzz_describe.c                                         *
 * ======================================================================= */

/* One pass, and memory for distinct values only. A column has a hash
 * table of the texts it has seen, with their counts; the texts lie in
 * an arena that all columns share, linked in order of appearance.
 * Tables and arena together stay within EF_MAX_DISTINCT_BYTES. The hash
 * is keyed SipHash: who writes the file can't make it slow.
 *
 * The type is inferred at the end, from the distinct texts alone, since
 * how often one occurs does not matter to pandas. Tried in turn:
 * nothing but missing values, int64, uint64, floats, bools; else text.
 * Numbers are told by pandas' rules, not strtod's, because a single
 * text that is none makes text of the column. count, unique, top and
 * freq are then one walk over the list, in which the first of equals is
 * the first in the file. Numbers are not summarised: a column of them,
 * if named, is refused. */

/* A distinct value; its bytes follow it in the arena. It never moves: a
 * column's list and table point to it until ef_describe_free. */
struct desc_value {
    struct desc_value *next; /* in order of first appearance */
    uint64_t count;          /* fields that had it */
    uint32_t hash, n;        /* low half of its SipHash; bytes */
    unsigned char missing;   /* one of pandas' words for "no value" */
};

/* What the arena asks of malloc at a time: few calls, and what is left over
 * in the last block is a small part of EF_MAX_DISTINCT_BYTES. */
#define DESC_BLOCK_BYTES ((size_t)64 << 10)

/* A block of the arena; its bytes follow it. Values of all columns stand in
 * it in the order in which they came. */
struct desc_block {
    struct desc_block *next;
    size_t cap, used; /* of the bytes that follow */
};

/* What pandas makes of a column: object, bool, a numeric dtype; no rows.
 * Bools with missing values among them are object to pandas, and still shown
 * as bools. */
enum desc_kind { DESC_TEXT, DESC_BOOL, DESC_NUMBER, DESC_EMPTY };

/* A column that is described. It owns its name and its table; the values are
 * the arena's. kind and keep_missing are set by ef_describe_end. */
struct desc_column {
    ef_buf name;
    size_t index; /* field of a record, the index columns in */
    struct desc_value *first, *last; /* in the order they came */
    struct desc_value **table;       /* open addressing, a power of two */
    size_t slots, values;            /* of table; in it */
    enum desc_kind kind;
    int keep_missing;            /* their words count as values after all */
    size_t cursor;               /* ef_describe_top's place */
    const struct desc_value *at; /* what it gave last */
};

/* One file's summary.
 * Secret: the dataset's values, in blocks and in csv. */
struct ef_describe {
    ef_csv csv;
    const char *const *wanted;   /* the caller's, kept */
    size_t wanted_n;             /* 0: every column */
    uint64_t key[2];             /* SipHash's, from seed */
    struct desc_column *columns; /* NULL: no header yet */
    size_t column_n, header_n;   /* described; in the header */
    uint64_t rows;               /* records after the header */
    struct desc_block *blocks;   /* the arena, newest first */
    size_t used;                 /* of EF_MAX_DISTINCT_BYTES */
};

/* n is 1 to 63: a shift by 64 is not defined. */
static uint64_t
rotl64(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

/* SipHash's SipRound: additions, rotations and XORs of four words. */
static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl64(v[1], 13) ^ v[0];
    v[0] = rotl64(v[0], 32);
    v[2] += v[3];
    v[3] = rotl64(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl64(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl64(v[1], 17) ^ v[2];
    v[2] = rotl64(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012): short, and no collisions for those
 * who do not know the key. The input's last word holds what is left over
 * and, on top, its size modulo 256, so that no two inputs are padded alike.
 *
 * UNTRUSTED: in.
 * Secret: none worth wiping: key is random for each run and only keeps an
 * attacker from choosing collisions.
 * Fuzz: fuzz/fuzz_describe.c. */
static uint64_t
sip_hash(const uint64_t key[2], ef_slice in)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575),
                     key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261),
                     key[1] ^ UINT64_C(0x7465646279746573)};
    unsigned char last[8] = {0};
    uint64_t m;
    size_t i, whole = in.n / 8 * 8;

    /* from any address: get_le64 reads bytes */
    for (i = 0; i < whole; i += 8) {
        m = get_le64(in.p + i);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    if (in.n > whole)
        memcpy(last, in.p + whole, in.n - whole);
    last[7] = (unsigned char)in.n;
    m = get_le64(last);
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    /* three rounds to finish; one for each word above */
    v[2] ^= 0xff;
    for (i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* pandas' words for a missing value; exact, quoted or not: "nan" is one,
 * "Nan" and " nan" are not.
 * UNTRUSTED: v.
 * Fuzz: fuzz/fuzz_describe.c.
 * Source: pandas 1.5, read_csv's na_values. Tests: tests/describe.bats. */
static int
desc_is_missing(ef_slice v)
{
    static const char *const words[] = {
        "",     "#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN",
        "-NaN", "-nan", "1.#IND",   "1.#QNAN", "<NA>",    "N/A",
        "NA",   "NULL", "NaN",      "n/a",     "nan",     "null"};
    size_t i;

    /* longer than the longest word: most values end here */
    if (v.n > 9)
        return 0;
    for (i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_is(v, words[i]))
            return 1;
    return 0;
}

/* A value's bytes, which follow it in the arena. Good until
 * ef_describe_free. */
static ef_slice
desc_text(const struct desc_value *v)
{
    return slice(v + 1, v->n);
}

/* Asked before each allocation that values cause, all columns together.
 * EF_E_LIMIT past EF_MAX_DISTINCT_BYTES; nothing is given back. What the
 * tables and the arena's blocks take is counted, not what lies in them.
 * Tests: vectors/limits.txt, tests/describe.bats ("memory grows with
 * distinct values, not with the file"). */
static ef_status
desc_charge(ef_describe *d, size_t n, ef_err *err)
{
    /* used never passes the limit: the difference is not negative */
    if (n > EF_MAX_DISTINCT_BYTES - d->used)
        return with_hint(err,
                         reject(err, EF_E_LIMIT, EF_NOWHERE,
                                "distinct values take more than "
                                "EF_MAX_DISTINCT_BYTES (16777216)"),
                         "describe fewer columns, or ones whose values "
                         "repeat");
    d->used += n;
    return EF_OK;
}

/* n bytes of the arena, aligned; NULL with *rc set. They stay where they
 * are, so that tables and lists may point to them. A value that does not fit
 * into the newest block begins another; a large one has a block of its own
 * size.
 * Secret: the bytes are the dataset's; ef_describe_free wipes each block.
 * Fails: EF_E_LIMIT as desc_charge; EF_E_MEMORY. */
static void *
desc_alloc(ef_describe *d, size_t n, ef_status *rc, ef_err *err)
{
    struct desc_block *b = d->blocks;
    size_t cap;
    void *p;

    /* every piece begins where a struct desc_value may stand */
    n = (n + 7) / 8 * 8;
    if (b == NULL || b->cap - b->used < n) {
        /* what is free in the block before is given up */
        cap = n > DESC_BLOCK_BYTES ? n : DESC_BLOCK_BYTES;
        *rc = desc_charge(d, cap + sizeof *b, err);
        b = *rc == EF_OK ? malloc(sizeof *b + cap) : NULL;
        if (b == NULL) {
            if (*rc == EF_OK)
                *rc = reject_memory(err);
            return NULL;
        }
        *b = (struct desc_block){d->blocks, cap, 0};
        d->blocks = b;
    }
    p = (unsigned char *)(b + 1) + b->used;
    b->used += n;
    return p;
}

/* The slot of a value, or the empty one where it would go. The hash is
 * compared first: bytes are looked at only where all 32 bits of it agree.
 *
 * UNTRUSTED: v. Pre: slots is a power of two, and one slot is empty, so that
 * the search ends.
 * Fuzz: fuzz/fuzz_describe.c. */
static struct desc_value **
desc_slot(struct desc_value **table, size_t slots, uint32_t hash, ef_slice v)
{
    size_t i = hash & (slots - 1);

    while (table[i] != NULL &&
           (table[i]->hash != hash || table[i]->n != v.n ||
            (v.n > 0 && memcmp(table[i] + 1, v.p, v.n) != 0)))
        /* another value's: the next slot, from the last to the first */
        i = (i + 1) & (slots - 1);
    return &table[i];
}

/* Keeps a slot free and the table at most half full, so that desc_slot ends
 * soon. The values themselves do not move: only the table is made again,
 * from the list, with the hashes that were kept.
 *
 * Fails: EF_E_LIMIT as desc_charge; EF_E_MEMORY. Then the old table stands.
 * Time: doubling, so a value is moved about once on average. */
static ef_status
desc_grow(ef_describe *d, struct desc_column *c, ef_err *err)
{
    size_t slots = c->slots != 0 ? c->slots * 2 : 64;
    struct desc_value **table, *v;
    ef_status rc;

    if (c->values * 2 < c->slots)
        return EF_OK;
    /* the old table's share is charged already, and is freed below */
    rc = desc_charge(d, (slots - c->slots) * sizeof *table, err);
    if (rc != EF_OK)
        return rc;
    table = calloc(slots, sizeof *table);
    if (table == NULL)
        return reject_memory(err);
    for (v = c->first; v != NULL; v = v->next)
        *desc_slot(table, slots, v->hash, desc_text(v)) = v;
    free(c->table);
    c->table = table;
    c->slots = slots;
    return EF_OK;
}

/* UNTRUSTED: one field. A text seen before costs one look-up; a new one is
 * copied into the arena and put at the end of the list.
 *
 * Secret: text is of the dataset.
 * Fails: EF_E_LIMIT, EF_E_MEMORY; then text is not counted, and d may only
 * be freed.
 * Fuzz: fuzz/fuzz_describe.c.
 * Tests: vectors/describe.txt, tests/unit.c (test_describe_pieces). */
static ef_status
desc_count(ef_describe *d, struct desc_column *c, ef_slice text, ef_err *err)
{
    uint32_t hash = (uint32_t)sip_hash(d->key, text);
    struct desc_value **slot, *v;
    ef_status rc = desc_grow(d, c, err);

    if (rc != EF_OK)
        return rc;
    /* after desc_grow, which may have moved all slots */
    slot = desc_slot(c->table, c->slots, hash, text);
    if (*slot != NULL) {
        (*slot)->count++;
        return EF_OK;
    }
    v = desc_alloc(d, sizeof *v + text.n, &rc, err);
    if (v == NULL)
        return rc;
    *v = (struct desc_value){.count = 1,
                             .hash = hash,
                             /* at most EF_MAX_CSV_FIELD_BYTES */
                             .n = (uint32_t)text.n,
                             .missing = (unsigned char)desc_is_missing(text)};
    if (text.n > 0)
        memcpy(v + 1, text.p, text.n);
    /* order of first appearance decides between equal frequencies */
    if (c->last != NULL)
        c->last->next = v;
    else
        c->first = v;
    c->last = v;
    c->values++;
    *slot = v;
    return EF_OK;
}

/* --- the header --- */

/* A column's name, or a name that has been counted; hash is of text. As
 * both, it ends with desc_header, which wipes and frees the text. */
struct desc_name {
    ef_buf text;
    uint64_t hash;
    uint64_t seen;
};

/* The entry of this text among n, or NULL. One by one, but by hash: a header
 * has at most EF_MAX_CSV_COLUMNS names, and is read once.
 * UNTRUSTED: text and names.
 * Fuzz: fuzz/fuzz_describe.c. */
static struct desc_name *
desc_find_name(struct desc_name *names, size_t n, uint64_t hash, ef_slice text)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (names[i].hash == hash && names[i].text.n == text.n &&
            (text.n == 0 || memcmp(names[i].text.p, text.p, text.n) == 0))
            return &names[i];
    return NULL;
}

/* A header's names while they are made unique. counts has room for n: a name
 * is added to it once for each field, and pandas' loop adds no other. A text
 * that memory cut short must not get in: it would be one too many. */
struct desc_header {
    struct desc_name *names, *counts; /* n names; count_n of those counted */
    size_t n, count_n;
    const uint64_t *key;
};

/* How often name has been given so far; 0 where it has not. */
static uint64_t
desc_count_of(struct desc_header *h, ef_slice name)
{
    struct desc_name *hit =
        desc_find_name(h->counts, h->count_n, sip_hash(h->key, name), name);

    return hit != NULL ? hit->seen : 0;
}

/* Makes a new entry where name has none.
 * Fails: EF_E_MEMORY.
 * Pre: there is room: only names that a field ends up with are new here. */
static ef_status
desc_set_count(struct desc_header *h, ef_slice name, uint64_t seen, ef_err *err)
{
    uint64_t hash = sip_hash(h->key, name);
    struct desc_name *hit = desc_find_name(h->counts, h->count_n, hash, name);

    if (hit == NULL) {
        hit = &h->counts[h->count_n++];
        ef_buf_add(&hit->text, name.p, name.n);
        hit->hash = hash;
    }
    hit->seen = seen;
    return buf_status(&hit->text, err);
}

/* "A", "A" becomes "A", "A.1", and a number that the header has already is
 * passed over: the loop is pandas 1.5's, which ends because every turn
 * raises the count of a name or meets another name of the header. So A, A,
 * A.1 gives A, A.2, A.1.
 *
 * UNTRUSTED: the names.
 * Fails: EF_E_MEMORY; base is freed on every path.
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/describe.bats ("names that stand
 * in the header twice are pandas' names"). */
static ef_status
desc_make_unique(struct desc_header *h, size_t i, ef_err *err)
{
    struct desc_name *name = &h->names[i];
    ef_buf base = {0};
    uint64_t k = desc_count_of(h, buf_slice(&name->text));
    ef_status rc;

    ef_buf_add(&base, name->text.p, name->text.n);
    rc = base.failed ? reject_memory(err) : buf_status(&name->text, err);
    /* k: the number to try next; 0: the name is new */
    while (k > 0 && rc == EF_OK) {
        rc = desc_set_count(h, buf_slice(&base), k + 1, err);
        /* begun anew each turn: "A.1", "A.2", never "A.1.2" */
        name->text.n = 0;
        ef_buf_add(&name->text, base.p, base.n);
        buf_printf(&name->text, ".%llu", (unsigned long long)k);
        if (rc == EF_OK)
            rc = buf_status(&name->text, err);
        name->hash = 0; /* not in the header while it is looked for */
        if (desc_find_name(h->names, h->n,
                           sip_hash(h->key, buf_slice(&name->text)),
                           buf_slice(&name->text)) != NULL)
            k++;
        else
            k = desc_count_of(h, buf_slice(&name->text));
    }
    /* from here on it is a name of the header */
    name->hash = sip_hash(h->key, buf_slice(&name->text));
    if (rc == EF_OK)
        rc = desc_set_count(h, buf_slice(&name->text), k + 1, err);
    ef_buf_free(&base);
    return rc;
}

/* Unique names for n fields; empty ones become "Unnamed: 3", after the
 * others have got theirs, so that a column really called so keeps its name.
 *
 * UNTRUSTED: fields.
 * Fails: EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_describe.c. */
static ef_status
desc_names(struct desc_header *h, const ef_slice *fields, ef_err *err)
{
    ef_status rc = EF_OK;
    size_t i, pass;

    for (i = 0; i < h->n; i++) {
        if (fields[i].n > 0)
            ef_buf_add(&h->names[i].text, fields[i].p, fields[i].n);
        else
            buf_printf(&h->names[i].text, "Unnamed: %zu", i);
        h->names[i].hash = sip_hash(h->key, buf_slice(&h->names[i].text));
    }
    /* first the names that the file has, then the invented ones */
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < h->n && rc == EF_OK; i++)
            if ((fields[i].n == 0) == (pass == 1))
                rc = desc_make_unique(h, i, err);
    return rc;
}

/* Sets d->columns: the wanted names in the caller's order, or all of them.
 * ef_describe_free frees it also after failure. A name may be wanted twice.
 *
 * UNTRUSTED: names.
 * Fails: EF_E_FORMAT for a name that is not there, with the name in
 * err->where: the user's own word, not one of the file's; EF_E_MEMORY.
 * Fuzz: fuzz/fuzz_describe.c. Tests: vectors/describe.txt. */
static ef_status
desc_choose(ef_describe *d, struct desc_name *names, size_t n, ef_err *err)
{
    size_t i;

    d->column_n = d->wanted_n > 0 ? d->wanted_n : n;
    d->columns = calloc(d->column_n, sizeof *d->columns);
    if (d->columns == NULL)
        return reject_memory(err);
    for (i = 0; i < d->column_n; i++) {
        struct desc_name *hit = &names[i];

        if (d->wanted_n > 0) {
            ef_slice want = slice_str(d->wanted[i]);

            hit = desc_find_name(names, n, sip_hash(d->key, want), want);
            if (hit == NULL)
                return with_hint(err,
                                 with_where(err,
                                            reject(err, EF_E_FORMAT, EF_NOWHERE,
                                                   "no such column"),
                                            want),
                                 "-c COLUMN names one of the file's columns, "
                                 "--all takes them all");
        }
        /* desc_row adds the index columns when it knows of them */
        d->columns[i].index = (size_t)(hit - names);
        ef_buf_add(&d->columns[i].name, hit->text.p, hit->text.n);
        if (d->columns[i].name.failed)
            return reject_memory(err);
    }
    return EF_OK;
}

/* UNTRUSTED: the first record. The chosen columns keep copies of their
 * names; names itself ends here, on every path. n is 1 at least: a record
 * has a field.
 *
 * Fails: as desc_choose; EF_E_MEMORY. Limits: EF_MAX_CSV_COLUMNS, by the CSV
 * parser; so the search among names takes at most n^2 short steps.
 * Fuzz: fuzz/fuzz_describe.c. */
static ef_status
desc_header(ef_describe *d, const ef_slice *fields, size_t n, ef_err *err)
{
    struct desc_header h = {.n = n, .key = d->key};
    ef_status rc;
    size_t i;

    /* zeros: an ef_buf starts as {0}, and may be freed so */
    h.names = calloc(n, sizeof *h.names);
    h.counts = calloc(n, sizeof *h.counts);
    rc = h.names == NULL || h.counts == NULL ? reject_memory(err)
                                             : desc_names(&h, fields, err);
    if (rc == EF_OK)
        rc = desc_choose(d, h.names, n, err);
    for (i = 0; h.names != NULL && i < n; i++)
        ef_buf_free(&h.names[i].text);
    for (i = 0; i < h.count_n; i++)
        ef_buf_free(&h.counts[i].text);
    free(h.names);
    free(h.counts);
    d->header_n = n;
    return rc;
}

/* UNTRUSTED: one record; the first is the header. Called by the CSV parser,
 * whose status it becomes.
 * Fails: as desc_header; as desc_count, with the line.
 *
 * Post: each column's index is inside the record: records are padded to the
 * width, and the width changes with the first row or never.
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/describe.bats. */
static ef_status
desc_row(void *ctx, const ef_slice *fields, size_t n, uint64_t line,
         ef_err *err)
{
    ef_describe *d = ctx;
    ef_status rc = EF_OK;
    size_t i;

    if (d->columns == NULL)
        return desc_header(d, fields, n, err);
    /* The first record may be longer than the header: the surplus leading
     * columns are pandas' index, and the named ones stand behind them. */
    if (d->rows++ == 0)
        for (i = 0; i < d->column_n; i++)
            d->columns[i].index += n > d->header_n ? n - d->header_n : 0;
    /* a field that is missing in a short record is counted as "" */
    for (i = 0; i < d->column_n && rc == EF_OK; i++)
        rc = desc_count(d, &d->columns[i], fields[d->columns[i].index], err);
    if (rc != EF_OK && err != NULL)
        err->line = line;
    return rc;
}

/* Nothing is allocated for columns before the header has been read. The CSV
 * parser's callback is desc_row, with d itself: d must not move. */
ef_describe *
ef_describe_new(const char *const *columns, size_t column_n,
                const unsigned char seed[16])
{
    ef_describe *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    d->wanted = columns;
    d->wanted_n = column_n;
    d->key[0] = get_le64(seed);
    d->key[1] = get_le64(seed + 8);
    ef_csv_init(&d->csv, desc_row, d);
    return d;
}

/* Also after any failure, half-made columns included: calloc made them
 * zeros.
 * Secret: the distinct values, the record being read, the columns' names:
 * all wiped. The tables hold addresses only. */
void
ef_describe_free(ef_describe *d)
{
    size_t i;

    if (d == NULL)
        return;
    for (i = 0; d->columns != NULL && i < d->column_n; i++) {
        ef_buf_free(&d->columns[i].name);
        free(d->columns[i].table);
    }
    /* only what was used holds anything */
    while (d->blocks != NULL) {
        struct desc_block *b = d->blocks;

        d->blocks = b->next;
        ef_wipe(b + 1, b->used);
        free(b);
    }
    ef_csv_free(&d->csv);
    free(d->columns);
    free(d);
}

/* After a failure only ef_describe_free is allowed.
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/unit.c (test_describe_pieces). */
ef_status
ef_describe_push(ef_describe *d, ef_slice in, ef_err *err)
{
    return ef_csv_push(&d->csv, in, err);
}

/* --- what type pandas gives a column --- */

/* No integer; one in range; one that is past it. */
enum desc_int { DESC_NOT_INT, DESC_INT, DESC_OVER };

/* Is v an integer within the limits? Negatives down to -max - 1 when signed.
 * Over is said as soon as the digits pass the range, whatever follows: as in
 * pandas, 99999999999999999999x is over, not text. Blanks around it, a sign
 * and leading zeros are allowed.
 *
 * UNTRUSTED: v.
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/describe.bats. */
static enum desc_int
desc_integer(ef_slice v, int is_signed)
{
    uint64_t max = is_signed ? INT64_MAX : UINT64_MAX, x = 0;
    size_t i = 0, digits;
    int negative = 0;

    while (i < v.n && is_blank_byte(v.p[i]))
        i++;
    if (i < v.n && (v.p[i] == '+' || v.p[i] == '-'))
        negative = v.p[i++] == '-';
    if (negative)
        max = is_signed ? max + 1 : 0;
    for (digits = i; i < v.n && is_digit(v.p[i]); i++) {
        uint64_t digit = (uint64_t)(v.p[i] - '0');

        /* x * 10 + digit > max, without overflow; max may be 0 ("-1"), where
         * max - digit wraps and the second test decides */
        if (x > (max - digit) / 10 || digit > max)
            return DESC_OVER;
        x = x * 10 + digit;
    }
    if (i == digits)
        return DESC_NOT_INT;
    while (i < v.n && is_blank_byte(v.p[i]))
        i++;
    return i == v.n ? DESC_INT : DESC_NOT_INT;
}

/* One of n words? Letters in either case. Pre: words are ASCII without NUL. */
static int
desc_is_word(ef_slice v, const char *const *words, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (v.n == strlen(words[i]) &&
            strncasecmp((const char *)v.p, words[i], v.n) == 0)
            return 1;
    return 0;
}

/* Is v a finite number, or an infinity spelled out? pandas drops digits past
 * the 17th and counts what that does to the exponent; past 308 it is text.
 *
 *   yes  .5  5.  1e3  +1.5  " 1.5 "  inf  -Infinity
 *   no   .  e3  1e  1e400  0x10  1_000  " inf"  1,5
 *
 * The kept digits go to strtod with an exponent and no decimal point, so
 * that no locale matters; what it gives is looked at for infinity alone.
 *
 * UNTRUSTED: v.
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/describe.bats (the published
 * cases, and random columns compared with pandas). */
static int
desc_is_float(ef_slice v)
{
    static const char *const inf[] = {"inf",      "+inf",      "-inf",
                                      "infinity", "+infinity", "-infinity"};
    size_t i, digits = 0;
    long ex = 0, e = 0;
    char text[64];
    int k, negative;

    if (desc_is_word(v, inf, 6))
        return 1;
    /* numbers may have blanks around them, infinities may not */
    v = slice_trim(v);
    i = v.n > 0 && (v.p[0] == '+' || v.p[0] == '-');
    text[0] = '0';
    /* leading zeros count as digits, as they do for pandas */
    for (; i < v.n && is_digit(v.p[i]); i++)
        if (digits < 17)
            text[1 + digits++] = (char)v.p[i];
        else
            ex++;
    /* past the 17th digit these change nothing, not even the exponent */
    if (i < v.n && v.p[i] == '.')
        for (i++; i < v.n && is_digit(v.p[i]); i++)
            if (digits < 17) {
                text[1 + digits++] = (char)v.p[i];
                ex--;
            }
    if (digits == 0)
        return 0;
    if (i < v.n && (v.p[i] == 'e' || v.p[i] == 'E')) {
        i++;
        negative = i < v.n && v.p[i] == '-';
        if (i < v.n && (v.p[i] == '+' || v.p[i] == '-'))
            i++;
        for (k = 0; k < 17 && i < v.n && is_digit(v.p[i]); k++, i++)
            /* stays below 10^6: far past any double, and cannot overflow */
            e = e < 100000 ? e * 10 + (v.p[i] - '0') : e;
        /* an e without digits: "1e", "1e+" */
        if (k == 0)
            return 0;
        ex += negative ? -e : e;
    }
    /* something follows the number; or pandas' own bound */
    if (i != v.n || ex > 308)
        return 0;
    /* 18 digits at most before it, of 64 bytes */
    snprintf(text + 1 + digits, sizeof text - 1 - digits, "e%ld", ex);
    return !isinf(strtod(text, NULL));
}

/* 'T' or 'F' for pandas' spellings of a bool, else 0: three of each, no
 * blank around them, and no "yes", "1" or "tRUE". */
static int
desc_bool(ef_slice v)
{
    if (slice_is(v, "True") || slice_is(v, "TRUE") || slice_is(v, "true"))
        return 'T';
    if (slice_is(v, "False") || slice_is(v, "FALSE") || slice_is(v, "false"))
        return 'F';
    return 0;
}

/* Some integer passes int64: the column is uint64, text, or not integers
 * after all (then the other types are still to be tried, and 0 is returned).
 *
 *   big                     uint64: numbers
 *   big and negative ones   text, the missing words count as values
 *   big and missing         the same
 *   past uint64             text, missing values are missing
 *   negative past int64     the same
 *
 * big: above INT64_MAX, within UINT64_MAX. These are pandas' accidents, kept
 * because describe shows what pandas shows.
 * Source: pandas 1.5, _try_int64 and _try_uint64. Tests:
 * tests/describe.bats. */
static int
desc_unsigned(const struct desc_column *c, enum desc_kind *kind,
              int *keep_missing)
{
    const struct desc_value *v;
    int negative = 0, big = 0, missing = 0, broken = 0, over = 0;

    for (v = c->first; v != NULL; v = v->next) {
        ef_slice text = desc_text(v);
        enum desc_int is;

        missing |= v->missing;
        /* pandas stops at the first; only missing is asked of all */
        if (v->missing || broken || over)
            continue;
        /* desc_integer would skip them, but the sign is asked here */
        while (text.n > 0 && is_blank_byte(text.p[0]))
            text = slice_from(text, 1);
        if (text.n > 0 && text.p[0] == '-') {
            negative = 1;
            continue;
        }
        is = desc_integer(text, 0);
        over = is == DESC_OVER;
        broken = is == DESC_NOT_INT;
        big |= is == DESC_INT && desc_integer(text, 1) == DESC_OVER;
    }
    /* "1x" among them: floats, bools and text are still to be tried */
    if (broken)
        return 0;
    *keep_missing = !over && big && (negative || missing);
    *kind = !over && !*keep_missing && !negative ? DESC_NUMBER : DESC_TEXT;
    return 1;
}

/* The type depends on the distinct values alone, in their first order, and
 * is tried in pandas' order. A missing value fits each type.
 *
 *   1, 2        numbers      1, x        text       True, false   bool
 *   1, ""       numbers      1.5, inf    numbers    True, 1       text
 *   no rows     DESC_EMPTY   all missing numbers (pandas: float64)
 *
 * Post: *keep_missing is 1 where pandas takes "NA" for a text like others.
 * Tests: vectors/describe.txt, tests/describe.bats. */
static enum desc_kind
desc_infer(const struct desc_column *c, int *keep_missing)
{
    const struct desc_value *v;
    enum desc_int is = DESC_INT;
    enum desc_kind kind;
    int floats = 1, bools = 1, any = 0;

    *keep_missing = 0;
    if (c->first == NULL)
        return DESC_EMPTY;
    for (v = c->first; v != NULL; v = v->next) {
        ef_slice text = desc_text(v);

        if (v->missing)
            continue;
        any = 1;
        /* the first that is none decides: later ones are not asked */
        if (is == DESC_INT)
            is = desc_integer(text, 1);
        floats = floats && desc_is_float(text);
        bools = bools && desc_bool(text) != 0;
    }
    /* with missing values pandas makes float64 of it: numbers still */
    if (!any || is == DESC_INT)
        return DESC_NUMBER;
    if (is == DESC_OVER && desc_unsigned(c, &kind, keep_missing))
        return kind;
    return floats ? DESC_NUMBER : bools ? DESC_BOOL : DESC_TEXT;
}

/* Spellings of one bool become one value, in the place of the first: "True"
 * twice and "TRUE" once is True three times. The merged ones leave the list;
 * the table still has them, but nothing is counted any more. */
static void
desc_merge_bools(struct desc_column *c)
{
    struct desc_value *seen[2] = {NULL, NULL}, **link = &c->first, *v;

    while ((v = *link) != NULL) {
        int which = desc_bool(desc_text(v)) == 'T';

        if (!v->missing && seen[which] != NULL) {
            seen[which]->count += v->count;
            /* link stays: the next one may go, too */
            *link = v->next;
            continue;
        }
        if (!v->missing)
            seen[which] = v;
        link = &v->next;
    }
}

/* Types are known only now: a last line can make text of numbers. A numeric
 * column is an error where the user named it; else it is left to the caller,
 * who sees it in ef_summary.
 *
 * Fails: as ef_csv_end; EF_E_FORMAT "this column holds numbers".
 * Fuzz: fuzz/fuzz_describe.c. Tests: tests/describe.bats ("numeric columns
 * are refused for now, in so many words"). */
ef_status
ef_describe_end(ef_describe *d, ef_err *err)
{
    ef_status rc = ef_csv_end(&d->csv, err);
    size_t i;

    for (i = 0; i < d->column_n && rc == EF_OK; i++) {
        struct desc_column *c = &d->columns[i];

        c->kind = desc_infer(c, &c->keep_missing);
        if (c->kind == DESC_BOOL)
            desc_merge_bools(c);
        if (c->kind == DESC_NUMBER && d->wanted_n > 0)
            rc = with_hint(err,
                           with_where(err,
                                      reject(err, EF_E_FORMAT, EF_NOWHERE,
                                             "this column holds numbers"),
                                      buf_slice(&c->name)),
                           "describe summarises columns of text");
    }
    return rc;
}

/* Pre: ef_describe_end gave EF_OK; before the header it is 0. */
size_t
ef_describe_count(const ef_describe *d)
{
    return d->column_n;
}

/* The bytes a value is shown as: bools in Python's spelling. A view: of the
 * arena, or of a constant. */
static ef_slice
desc_shown(const struct desc_column *c, const struct desc_value *v)
{
    if (c->kind != DESC_BOOL)
        return desc_text(v);
    return slice_str(desc_bool(desc_text(v)) == 'T' ? "True" : "False");
}

/* One walk over the distinct values. Only more than the best so far is
 * better, so that of equals the first in the file wins.
 * Pre: i < ef_describe_count. Post: slices are good until ef_describe_free.
 * Tests: vectors/describe.txt. */
void
ef_describe_get(const ef_describe *d, size_t i, ef_summary *out)
{
    const struct desc_column *c = &d->columns[i];
    const struct desc_value *v;

    *out = (ef_summary){.name = buf_slice(&c->name),
                        .numeric = c->kind == DESC_NUMBER};
    for (v = c->first; v != NULL && !out->numeric; v = v->next) {
        /* they are not counted: describe's count is of values that are there */
        if (v->missing && !c->keep_missing)
            continue;
        out->count += v->count;
        out->unique++;
        if (v->count > out->freq) {
            out->freq = v->count;
            out->top = desc_shown(c, v);
        }
    }
}

/* pandas shows these three as escapes. Other control characters and
 * backslashes go through as they are, as in pandas' own text: whether they
 * may go to a terminal is the command line's business.
 * UNTRUSTED: text.
 * Fuzz: fuzz/fuzz_describe.c. */
static void
desc_escape(ef_buf *out, ef_slice text)
{
    size_t i;

    for (i = 0; i < text.n; i++)
        if (text.p[i] == '\t' || text.p[i] == '\r' || text.p[i] == '\n') {
            ef_buf_byte(out, '\\');
            ef_buf_byte(out, text.p[i] == '\t'   ? 't'
                             : text.p[i] == '\r' ? 'r'
                                                 : 'n');
        } else {
            ef_buf_byte(out, text.p[i]);
        }
}

/* Cut to at most 50 columns, one of them a leading blank: 50 characters and
 * more become 46 and "...". Counted are characters after escaping, as pandas
 * does (display.max_colwidth).
 * Pre: text is well-formed UTF-8: the CSV parser checked it. */
static void
desc_cut(ef_buf *text)
{
    size_t n, at = 0;

    if (utf8_count(buf_slice(text)) < 50)
        return;
    /* there are 50 at least, so the walk stays inside */
    for (n = 0; n < 46; n++) {
        size_t k;

        (void)utf8_get(slice_from(buf_slice(text), at), &k);
        at += k;
    }
    text->n = at;
    ef_buf_str(text, "...");
}

/* Four rows: a label of six characters, four blanks, the value set to the
 * right in the width of the widest. Without values top and freq are NaN.
 *
 * Pre: the column is not numeric.
 * Secret: the cells show values; they are wiped. A failure of a cell becomes
 * one of out.
 * Source: pandas 1.5, Series.describe and to_string.
 * Fuzz: fuzz/fuzz_describe.c. Tests: vectors/describe.txt,
 * tests/describe.bats. */
void
ef_describe_table(const ef_describe *d, size_t i, ef_buf *out)
{
    static const char *const label[] = {"count ", "unique", "top   ", "freq  "};
    ef_summary s;
    ef_buf cell[4] = {{0}, {0}, {0}, {0}};
    size_t k, n, width = 0;

    ef_describe_get(d, i, &s);
    buf_printf(&cell[0], "%llu", (unsigned long long)s.count);
    buf_printf(&cell[1], "%llu", (unsigned long long)s.unique);
    /* no rows, or none but missing ones among texts */
    if (s.count == 0) {
        ef_buf_str(&cell[2], "NaN");
        ef_buf_str(&cell[3], "NaN");
    } else {
        desc_escape(&cell[2], s.top);
        desc_cut(&cell[2]);
        buf_printf(&cell[3], "%llu", (unsigned long long)s.freq);
    }
    for (k = 0; k < 4; k++) {
        n = utf8_count(buf_slice(&cell[k]));
        width = n > width ? n : width;
    }
    for (k = 0; k < 4; k++) {
        ef_buf_str(out, label[k]);
        ef_buf_str(out, "    ");
        for (n = utf8_count(buf_slice(&cell[k])); n < width; n++)
            ef_buf_byte(out, ' ');
        ef_buf_add(out, cell[k].p, cell[k].n);
        ef_buf_byte(out, '\n');
        out->failed |= cell[k].failed;
        ef_buf_free(&cell[k]);
    }
    /* the column's name is escaped as values are, but never cut */
    ef_buf_str(out, "Name: ");
    desc_escape(out, s.name);
    ef_buf_str(out, ", dtype: object\n");
}

/* No sorted copy is made: asked for k = 0, 1, 2 in turn, each answer is one
 * walk over the values, after the last one given. An earlier k begins anew.
 *
 * Pre: ef_describe_end gave EF_OK. Post: *value is a view until d is freed.
 * Tests: tests/describe.bats ("--top N lists the most frequent values"). */
int
ef_describe_top(ef_describe *d, size_t i, size_t k, ef_slice *value,
                uint64_t *count)
{
    struct desc_column *c = &d->columns[i];
    const struct desc_value *v, *best;
    int after;

    if (k == 0 || k < c->cursor) {
        c->cursor = 0;
        c->at = NULL;
    }
    for (; c->cursor <= k; c->cursor++) {
        best = NULL;
        after = 0; /* v stands after the last one given, in first order */
        for (v = c->first; v != NULL; v = v->next) {
            /* not given yet: less frequent, or as frequent and later in the
             * file */
            int left = c->at == NULL || v->count < c->at->count ||
                       (v->count == c->at->count && after);

            after |= v == c->at;
            if (left && (!v->missing || c->keep_missing) &&
                (best == NULL || v->count > best->count))
                best = v;
        }
        if (best == NULL)
            return 0;
        c->at = best;
    }
    *value = desc_shown(c, c->at);
    *count = c->at->count;
    return 1;
}

/* ======================================================================= *
 * 13. RUNNER    fetch, open, run, seal, put                  (run_, cage_)*
 *                                                                         *
 *   In       the ports folder, datasets, what the application prints      *
 *                                                             UNTRUSTED   *
 *   Out      one sealed result an output dataset                          *
 *   Secret   credentials (ef_secret_alloc); plaintext inputs in WORK,     *
 *            removed when the run ends; captured output, wiped            *
 *   Needs    1 to 3, 7, 8, 11; fork, seccomp, Landlock                    *
 *   Spec     the ports folder of an enclave OS: DIR/PORT/NAME/dataset/    *
 *            {location.txt,credentials.bin}                               *
 *   Tests    tests/run.bats tests/static.bats tests/inject.bats           *
 *            vectors/commands.txt                                         *
 *   Fuzz     fuzz/fuzz_ports.c                                            *
 * ======================================================================= */

/* In order: read both ports whole, see that WORK is empty, fetch all
 * inputs or none, build the cage, run, seal the result to each output,
 * empty WORK. Nothing is fetched when a document is wrong, nothing runs
 * unless all inputs are authentic. The cage, as it closes:
 *   no_new_privs  set-user-ID programs; the next layers need it
 *   Landlock      writing but to WORK and three devices, reading ports;
 *                 from ABI 6 signals and abstract sockets to outside
 *   capabilities  what root could do in spite of the others
 *   seccomp       sockets, System V IPC, io_uring, new namespaces,
 *                 others' memory, limits and scheduling, leaving the
 *                 group, signals to the runner and to groups
 * seccomp refuses a list (--allow-net takes sockets off it) and allows
 * the rest: applications are not known here. Without Landlock there is
 * a note; if another layer fails, nothing is run. Killing the group
 * ends all in it. Memory is not limited: that is the enclave's. SIGKILL
 * of the runner leaves WORK. */

/* UNTRUSTED: text. "I/N", I from 0. Blanks, signs and leading "+" are no
 * digits. Fuzz: fuzz/fuzz_shard.c. Tests: vectors/shards.txt.
 * "0/1" is all; "3/8" the fourth of eight. "8/8", "1", "-1/8", "1/0" are none.
 */
ef_status
ef_shard_parse(uint32_t *index, uint32_t *count, ef_slice text, ef_err *err)
{
    size_t slash = slice_find(text, '/');
    /* -1 for what is no number, or has more than 12 digits */
    int64_t i = slice_number(slice(text.p, slash));
    int64_t n = slice_number(slice_from(text, slash + 1));

    if (i < 0 || n < 1)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "a share is I/N: the I-th of N, from 0");
    if (n > EF_MAX_SHARES)
        return reject(err, EF_E_LIMIT, EF_NOWHERE,
                      "more shares than EF_MAX_SHARES (10000)");
    if (i >= n)
        return reject(err, EF_E_FORMAT, EF_NOWHERE,
                      "no such share: I is from 0 to N - 1");
    *index = (uint32_t)i;
    *count = (uint32_t)n;
    return EF_OK;
}

#ifndef EF_NO_MAIN

#include <dirent.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* --- the ports folder --- */

/* One dataset of a port. name and url are owned here, as are cred and what
 * location holds: run_port_free. The order of the members has no meaning. */
struct run_dataset {
    char *name;
    ef_credentials *cred; /* ef_secret_alloc */
    char *url;            /* the same; location and query, if there is one */
    /* without the NUL; ef_secret_free needs the size */
    size_t url_n;
    ef_buf location; /* a query in it is secret */
    ef_scheme scheme;
};

/* All datasets of one port, in byte order of their names. */
struct run_port {
    struct run_dataset *set;
    size_t n;
};

/* Say which dataset err speaks of, before what it says already: its name,
 * and the place of it that failed, or its location. Example:
 * "patients, /ports/input/patients/dataset/location.txt". Memory that runs
 * out here shortens the message and changes nothing else. */
static ef_status
run_named(ef_err *err, ef_status rc, const struct run_dataset *d)
{
    ef_buf where = {0};

    if (rc == EF_OK || err == NULL)
        return rc;
    ef_buf_str(&where, d->name);
    ef_buf_str(&where, ", ");
    if (err->where[0] != '\0')
        ef_buf_str(&where, err->where);
    else
        /* never the query: it may hold a signature */
        ef_buf_add(&where, d->location.p,
                   store_public(buf_slice(&d->location)).n);
    err->where[0] = '\0';
    with_where(err, rc, buf_slice(&where));
    ef_buf_free(&where);
    return rc;
}

/* Wipes as it frees. What a dataset does not have yet is NULL.
 * Safe on zeros. */
static void
run_dataset_free(struct run_dataset *d)
{
    if (d->cred != NULL)
        ef_credentials_free(d->cred);
    /* ef_credentials_free wiped what it held; this gives the pages back */
    ef_secret_free(d->cred, sizeof *d->cred);
    ef_secret_free(d->url, d->url_n + 1);
    ef_buf_free(&d->location);
    free(d->name);
}

/* Also for a port that was read half. The port is empty afterwards.
 * Safe on zeros, and twice. */
static void
run_port_free(struct run_port *port)
{
    size_t i;

    for (i = 0; i < port->n; i++)
        run_dataset_free(&port->set[i]);
    free(port->set);
    *port = (struct run_port){NULL, 0};
}

/* Byte order, which is the order of the application's arguments; for
 * qsort(3). Names are unique, since they are a folder's entries.
 * "B" stands before "a", and "a" before "a.csv". */
static int
run_by_name(const void *a, const void *b)
{
    const struct run_dataset *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* location, '?' and the query, in secret memory. Both were checked: neither
 * has a byte that ends a request line. One of them may have a query, not
 * both: the reference joins them with '?', and what a store would make of
 * two is anybody's guess.
 * Fails:   EF_E_FORMAT, EF_E_MEMORY. d->url is run_port_free's.
 * Tests: tests/run.bats ("an empty or absent query_string"). */
static ef_status
run_url(struct run_dataset *d, ef_err *err)
{
    ef_slice location = buf_slice(&d->location);
    size_t query_n = d->cred->query_n;

    if (query_n > 0 && d->scheme == EF_SCHEME_FILE)
        return with_member(err,
                           reject(err, EF_E_FORMAT, EF_NOWHERE,
                                  "a file location has no query string"),
                           "/query_string");
    /* at: where the location's own query begins */
    if (query_n > 0 && slice_find(location, '?') < location.n)
        return reject(err, EF_E_FORMAT, slice_find(location, '?'),
                      "the location has a query, and so have the credentials");
    /* 8 KiB and less than 64 KiB: no overflow */
    d->url_n = location.n + (query_n > 0 ? 1 + query_n : 0);
    d->url = ef_secret_alloc(d->url_n + 1, NULL);
    if (d->url == NULL)
        return reject_memory(err);
    memcpy(d->url, location.p, location.n);
    if (query_n > 0) {
        d->url[location.n] = '?';
        memcpy(d->url + location.n + 1, d->cred->query, query_n);
    }
    return EF_OK;
}

/* Open one file of a dataset's folder, a plain one; path becomes its name.
 * Fails:   EF_E_IO, EF_E_MEMORY, and *fd is -1; the caller's err names
 * path. */
static ef_status
run_open(int *fd, ef_buf *path, const char *folder, const char *file,
         ef_err *err)
{
    ef_status rc;

    *fd = -1;
    ef_buf_str(path, folder);
    ef_buf_str(path, file);
    rc = file_end_name(path, err);
    return rc == EF_OK ? file_open_regular(fd, buf_cstr(path), err) : rc;
}

/* UNTRUSTED: location.txt, white space around it left out: editors end a
 * file with a newline. A location may have a query of its own, and then is a
 * secret: text is wiped, d->location too when it is freed.
 * Fails:   EF_E_IO (missing, a folder, a fifo), EF_E_LIMIT, EF_E_FORMAT.
 * Limits:  EF_MAX_LOCATION_BYTES, white space included.
 * Fuzz: fuzz/fuzz_ports.c. Tests: tests/run.bats ("malformed locations"). */
static ef_status
run_read_location(struct run_dataset *d, const char *folder, ef_err *err)
{
    unsigned char text[EF_MAX_LOCATION_BYTES + 1];
    ef_buf path = {0};
    ef_slice location;
    size_t n;
    int fd;
    ef_status rc = run_open(&fd, &path, folder, "/location.txt", err);

    if (rc == EF_OK)
        rc = file_read_fd(text, sizeof text, &n, fd, (const char *)path.p,
                          "longer than EF_MAX_LOCATION_BYTES (8192)", err);
    if (rc == EF_OK) {
        /* its bytes are checked before they are kept */
        location = slice_trim(slice(text, n));
        rc = ef_location_check(&d->scheme, location, err);
        ef_buf_add(&d->location, location.p, location.n);
    }
    ef_wipe(text, sizeof text); /* it may be a whole presigned URL */
    if (rc == EF_OK)
        rc = buf_status(&d->location, err);
    with_where(err, rc, buf_slice(&path));
    ef_buf_free(&path);
    return rc;
}

/* UNTRUSTED: credentials.bin, open at fd, which is closed. d->cred is
 * run_port_free's to free, also after failure.
 * Secret:  the whole text, in secret memory, wiped before return.
 * Fails:   EF_E_IO, EF_E_LIMIT, EF_E_MEMORY, as ef_credentials_parse.
 * Fuzz: fuzz/fuzz_ports.c. Tests: tests/run.bats ("malformed credentials"). */
static ef_status
run_read_credentials(struct run_dataset *d, int fd, const char *path,
                     ef_err *err)
{
    size_t n;
    unsigned char *text = ef_secret_alloc(EF_MAX_CREDENTIALS_BYTES + 1, NULL);
    ef_status rc;

    d->cred = ef_secret_alloc(sizeof *d->cred, NULL);
    /* d->cred stays for run_port_free, which takes NULL too */
    if (text == NULL || d->cred == NULL) {
        file_close(fd);
        ef_secret_free(text, EF_MAX_CREDENTIALS_BYTES + 1);
        return reject_memory(err);
    }
    rc = file_read_fd(text, EF_MAX_CREDENTIALS_BYTES + 1, &n, fd, path,
                      "larger than EF_MAX_CREDENTIALS_BYTES (65536)", err);
    if (rc == EF_OK)
        rc = ef_credentials_parse(d->cred, slice(text, n), err);
    ef_secret_free(text, EF_MAX_CREDENTIALS_BYTES + 1);
    return with_file(err, rc, path);
}

/* The credentials in a dataset's folder, which must be a plain file.
 * Pre:     d->cred is NULL: each dataset is read once.
 * Fails:   as run_open and run_read_credentials. */
static ef_status
run_folder_credentials(struct run_dataset *d, const char *folder, ef_err *err)
{
    ef_buf path = {0};
    ef_status rc;
    int fd;

    rc = run_open(&fd, &path, folder, "/credentials.bin", err);
    if (rc == EF_OK)
        rc = run_read_credentials(d, fd, (const char *)path.p, err);
    ef_buf_free(&path);
    return rc;
}

/* Everything about the dataset in folder (".../NAME/dataset"). The location
 * comes first: run_url needs its scheme.
 * Fails:   as its parts. `credentials check` reads a folder with it too. */
static ef_status
run_dataset_read(struct run_dataset *d, const char *folder, ef_err *err)
{
    ef_status rc = run_read_location(d, folder, err);

    if (rc == EF_OK)
        rc = run_folder_credentials(d, folder, err);
    if (rc == EF_OK)
        rc = run_url(d, err);
    return rc;
}

/* A new dataset called name, when the port has room and the name is safe.
 * *added is the port's, until the next is added: realloc may move all.
 * Fails:   EF_E_FORMAT and EF_E_LIMIT as ef_name_check, EF_E_LIMIT past
 * EF_MAX_DATASETS, EF_E_MEMORY. The port stays whole in all cases. */
static ef_status
run_port_add(struct run_port *port, struct run_dataset **added,
             const char *name, ef_err *err)
{
    struct run_dataset *set;
    ef_status rc = ef_name_check(slice_str(name), err);

    if (rc == EF_OK && port->n == EF_MAX_DATASETS)
        rc = reject(err, EF_E_LIMIT, EF_NOWHERE,
                    "more datasets on one port than EF_MAX_DATASETS (1024)");
    if (rc != EF_OK)
        return rc;
    /* realloc may leave a copy behind: there are pointers and sizes in it,
     * and an ef_buf, but no secret bytes */
    set = realloc(port->set, (port->n + 1) * sizeof *set);
    if (set == NULL)
        return reject_memory(err);
    port->set = set;
    set[port->n] = (struct run_dataset){.name = strdup(name)};
    if (set[port->n].name == NULL)
        return reject_memory(err);
    *added = &set[port->n++];
    return EF_OK;
}

/* UNTRUSTED: name, an entry of a port's folder; like the reference, those
 * without a dataset folder are passed over. One that is there but cannot be
 * looked into is an error: an input must not be missing in silence.
 * "." and ".." are no entries; any other name must be one that
 * ef_name_check accepts, if it has a dataset.
 * Fails:   EF_E_IO, EF_E_POLICY, and as its parts; where names the dataset.
 * Fuzz: fuzz/fuzz_ports.c. Tests: tests/run.bats ("entries that are no
 * datasets", "a dataset that may not be read is not passed over"). */
static ef_status
run_port_entry(struct run_port *port, const char *folder, const char *name,
               int schemes, ef_err *err)
{
    struct run_dataset *d = NULL;
    ef_buf path = {0};
    struct stat st;
    ef_status rc;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return EF_OK;
    ef_buf_str(&path, folder);
    ef_buf_str(&path, "/");
    ef_buf_str(&path, name);
    ef_buf_str(&path, "/dataset");
    /* "" would look like an entry without a dataset, and be passed over */
    rc = file_end_name(&path, err);
    if (rc != EF_OK) {
        ef_buf_free(&path);
        return rc;
    }
    /* follows links: whoever fills the ports folder may keep datasets
     * elsewhere */
    if (stat(buf_cstr(&path), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            rc = with_where(err, reject_sys(err, EF_E_IO, "cannot open"),
                            buf_slice(&path));
    } else {
        rc = run_port_add(port, &d, name, err);
        if (rc == EF_OK)
            rc = run_dataset_read(d, buf_cstr(&path), err);
        if (rc == EF_OK) /* d is set. NOLINTNEXTLINE(clang-analyzer-core.*) */
            rc = run_named(err, store_check_scheme(d->scheme, schemes, err), d);
        with_where(err, rc, buf_slice(&path));
    }
    ef_buf_free(&path);
    return rc;
}

/* All datasets of DIR/PORT, in the order of their names. Nothing is fetched
 * yet: a fault in the last document stops a run before its first request.
 * A port's folder that is missing counts as one without datasets.
 * schemes are the ones that options allow: a location that may not be used
 * is refused here too, before any request.
 * Fails:   EF_E_FORMAT (none), EF_E_IO, and as run_port_entry. What was read
 * is run_port_free's, also after failure.
 * Tests: tests/run.bats ("a port without datasets is refused"). */
static ef_status
run_port_read(struct run_port *port, const char *dir, const char *name,
              int schemes, ef_err *err)
{
    ef_buf path = {0};
    struct dirent *e;
    DIR *d;
    ef_status rc;

    ef_buf_str(&path, dir);
    ef_buf_str(&path, "/");
    ef_buf_str(&path, name);
    /* a name that memory cut short would lead elsewhere, or to nothing */
    rc = file_end_name(&path, err);
    d = rc == EF_OK ? opendir(buf_cstr(&path)) : NULL;
    if (rc == EF_OK && d == NULL && errno != ENOENT)
        rc = reject_sys(err, EF_E_IO, "cannot open this port's folder");
    /* NULL means the end or a failure; errno tells which */
    while (d != NULL && rc == EF_OK && (errno = 0, e = readdir(d)) != NULL)
        rc =
            run_port_entry(port, (const char *)path.p, e->d_name, schemes, err);
    if (rc == EF_OK && d != NULL && errno != 0)
        rc = reject_sys(err, EF_E_IO, "cannot read this port's folder");
    if (d != NULL)
        closedir(d);
    if (rc == EF_OK && port->n == 0)
        rc = with_hint(
            err,
            reject(err, EF_E_FORMAT, EF_NOWHERE, "no dataset on this port"),
            "a port's folder has "
            "NAME/dataset/{location.txt,credentials.bin}; make it "
            "with: encflow credentials make -o DIR/PORT/NAME");
    with_where(err, rc, buf_slice(&path));
    if (port->n > 0)
        qsort(port->set, port->n, sizeof port->set[0], run_by_name);
    ef_buf_free(&path);
    return rc;
}

/* The folder called name in dir, no link, made accessible to its owner: a
 * descriptor, or -1. With only_mode nothing is opened. The application may
 * have taken our rights from a folder of its own to keep it.
 * What is no folder is left to unlinkat. Tests: tests/run.bats ("whatever
 * the application leaves in WORK"). */
static int
run_open_folder(int dir, const char *name, int only_mode)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode) ||
        ((st.st_mode & 0700) != 0700 && fchmodat(dir, name, 0700, 0) != 0) ||
        only_mode)
        return -1;
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* UNTRUSTED: the tree in fd, which the application built, perhaps to be hard
 * to remove. Move what is in the folder fd up into the folder top, under
 * names of our own, since two folders may have entries of one name; and
 * remove what is no folder: then fd's folder can be removed. Deep trees come
 * up a level at a time, with two descriptors whatever their depth. fd is
 * closed. What fails shows in run_empty: the folder stays, and is counted.
 * Fuzz: fuzz/fuzz_ports.c.
 * Tests: tests/run.bats ("folders nested deeper than descriptors last"). */
static void
run_lift(int top, int fd)
{
    struct file_out name = {.dir = top};
    struct dirent *e;
    DIR *d = fdopendir(fd);

    if (d == NULL) {
        close(fd);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            unlinkat(dirfd(d), e->d_name, 0) == 0)
            continue;
        /* a folder can be moved to another parent only by who may write it */
        (void)run_open_folder(dirfd(d), e->d_name, 1);
        if (file_temp_name(&name, NULL) == EF_OK)
            (void)renameat(dirfd(d), e->d_name, top, name.temp);
    }
    closedir(d);
}

/* UNTRUSTED: the tree in fd. Remove everything in it; links are not
 * followed. 0, or -1 with errno when something is left. No recursion, since the
 * application chose the depth: a round removes plain files and lifts what is
 * in folders one level, until a round finds nothing, or can remove nothing.
 * A folder is not removed by its path, which may be too long for any call.
 * Pre:     the application is dead: nobody adds while we remove.
 * Fuzz: fuzz/fuzz_ports.c. Tests: tests/run.bats ("whatever the application
 * leaves in WORK is removed, no more"). */
static int
run_empty(DIR *d)
{
    int fd = dirfd(d), sub, left = 1, removed = 1, why = 0;
    struct dirent *e;

    while (left > 0 && removed > 0) { /* a round without progress ends it */
        left = removed = 0;
        rewinddir(d);
        while ((errno = 0, e = readdir(d)) != NULL) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            left++;
            if (unlinkat(fd, e->d_name, 0) == 0) {
                removed++;
                continue;
            }
            /* no link: O_NOFOLLOW keeps this inside WORK */
            sub = run_open_folder(fd, e->d_name, 0);
            if (sub >= 0)
                run_lift(fd, sub); /* closes sub */
            if (unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0)
                removed++;
            else
                why = errno;
        }
        if (errno != 0) /* there may be more */
            return -1;
    }
    errno = why;
    return left == 0 ? 0 : -1;
}

/* The work folder. It is known by its descriptor from begin to end: the
 * application may rename it or put another in its place, and removing what
 * lies in it needs no other, which might not be had. */
struct run_work {
    const char *path; /* as given; the caller's */
    int made;         /* we made the folder */
    DIR *dir;         /* the folder, whatever its name means later; or NULL */
    int emptied;      /* nothing is left in it */
    mode_t mode;      /* what it had, for its owner to have again */
};

/* The folder at w->path, and whether there is something in it. 0, or -1 with
 * errno. */
static int
run_work_open(struct run_work *w, int *extra)
{
    struct stat st;
    struct dirent *e;
    int fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    w->dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (w->dir == NULL) {
        file_close(fd);
        return -1;
    }
    if (fstat(fd, &st) != 0)
        return -1;
    w->mode = st.st_mode & 07777;
    *extra = 0;
    while ((errno = 0, e = readdir(w->dir)) != NULL)
        *extra += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    return errno == 0 ? 0 : -1;
}

/* Without it, and without the folder where we made it. */
static void
run_work_refuse(struct run_work *w)
{
    if (w->dir != NULL)
        closedir(w->dir);
    w->dir = NULL;
    if (w->made)
        (void)rmdir(w->path);
}

/* It must be empty: what is in it afterwards is removed. A new one has mode
 * 0700; one that was there keeps the mode it has.
 * WORK's parent must exist: a mistyped path makes no tree of folders.
 * Fails:   EF_E_IO; nothing is left of it then.
 * Tests: tests/run.bats ("a WORK with something in it is left alone"). */
static ef_status
run_work_begin(struct run_work *w, ef_err *err)
{
    int extra = 0;
    ef_status rc;

    /* EEXIST is the usual case; anything else shows when it is opened */
    w->made = mkdir(w->path, 0700) == 0;
    if (run_work_open(w, &extra) != 0)
        rc = with_hint(err,
                       reject_sys(err, EF_E_IO, "cannot use this work folder"),
                       "--work DIR names another; its parent must exist");
    else if (extra > 0)
        rc = with_hint(
            err,
            reject(err, EF_E_IO, EF_NOWHERE, "the work folder is not empty"),
            "a run removes all that is in its work folder: empty it "
            "yourself, or name another with --work");
    else
        return EF_OK;
    run_work_refuse(w);
    return with_file(err, rc, w->path);
}

/* Is the folder at w->path still ours, fd's? 1, 0, or -1: it can't be told. */
static int
run_work_is_there(const struct run_work *w, int fd)
{
    struct stat now, then;

    if (fstat(fd, &then) != 0)
        return -1;
    if (stat(w->path, &now) != 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    return now.st_dev == then.st_dev && now.st_ino == then.st_ino;
}

/* Only for a folder that run_work_begin accepted. Removes all in it, and
 * it too where we made it. EF_E_IO: w->emptied tells whether plaintext is
 * left. Nothing is overwritten first: on a file system that copies on write
 * that is no use. Tests: tests/run.bats ("WORK ends as it was: absent, or there
 * and empty"). */
static ef_status
run_work_end(struct run_work *w, ef_err *err)
{
    int fd, there, changed;
    ef_status rc = EF_OK;

    if (w->dir == NULL)
        return EF_OK;
    fd = dirfd(w->dir);
    /* the application may have taken our own rights to it; where they can't
     * be had again, because it is another's, removing shows whether it does
     * without */
    changed = fchmod(fd, 0700) == 0;
    w->emptied = run_empty(w->dir) == 0;
    if (!w->emptied) {
        rc = reject_sys(err, EF_E_IO,
                        "plaintext could not be removed from the work folder");
    } else if (w->made) {
        /* the name may mean another folder by now: that one is not touched */
        there = run_work_is_there(w, fd);
        if (there < 0 || (there > 0 && rmdir(w->path) != 0))
            rc = reject_sys(err, EF_E_IO,
                            "no plaintext is left, but the work folder could "
                            "not be removed");
    } else if (changed && fchmod(fd, w->mode) != 0) {
        /* 0700 was for the removal; the application may have set others */
        rc = reject_sys(err, EF_E_IO,
                        "no plaintext is left, but the work folder's mode "
                        "could not be restored");
    }
    closedir(w->dir);
    w->dir = NULL;
    return with_file(err, rc, w->path);
}

/* --- inputs --- */

/* The failure of one of jobs that is to be told, with its location: the
 * first that has rc, the status store_run chose.
 * EF_OK is passed through. */
static ef_status
run_first_error(const struct store_job *jobs, size_t n, ef_status rc,
                const struct run_port *port, ef_err *err)
{
    size_t i = store_first(jobs, n, rc, err);

    return i < n ? run_named(err, rc, &port->set[i]) : rc;
}

/* Fetch all inputs to WORK, or none: one that fails ends the others. Those
 * that are complete have their names by then, and go with WORK.
 * Secret:  scratch, in secret memory; each input's round keys, freed as it
 * ends, and here where it did not.
 * Post:    on EF_OK every inputs[i].path exists and is authentic. The paths
 * are the caller's to free in any case.
 * Fails:   as store_run; err names the dataset. Tests: tests/run.bats
 * ("what a server can do to an input", "inputs are fetched side by side"). */
static ef_status
run_fetch(const struct run_port *port, struct store_input *inputs,
          const char *work, const struct store_opts *o, ef_err *err)
{
    struct store_job *jobs = calloc(port->n + 1, sizeof *jobs);
    unsigned char *scratch = ef_secret_alloc(STORE_PIECE_BYTES, NULL);
    ef_status rc = EF_OK;
    size_t i;

    if (jobs == NULL || scratch == NULL)
        rc = reject_memory(err);
    for (i = 0; i < port->n && rc == EF_OK; i++) {
        inputs[i].key = port->set[i].cred->key;
        /* WORK was empty and names are unique: nothing is replaced */
        inputs[i].flags = FILE_PRIVATE;
        inputs[i].scratch = scratch;
        ef_buf_str(&inputs[i].path, work);
        ef_buf_str(&inputs[i].path, "/");
        ef_buf_str(&inputs[i].path, port->set[i].name);
        /* the NUL that file_out_begin and execvp need */
        (void)buf_cstr(&inputs[i].path);
        rc = buf_status(&inputs[i].path, err);
        jobs[i].url = port->set[i].url;
        jobs[i].sink = store_input_sink;
        jobs[i].end = store_input_end;
        jobs[i].restart = store_input_restart;
        jobs[i].ctx = &inputs[i];
    }
    if (rc == EF_OK) {
        /* 1: all or nothing */
        rc = store_run(jobs, port->n, 1, o);
        rc = run_first_error(jobs, port->n, rc, port, err);
    }
    for (i = 0; i < port->n; i++)
        store_input_free(&inputs[i]);
    ef_secret_free(scratch, STORE_PIECE_BYTES);
    free(jobs);
    return rc;
}

/* --- the application's cage --- */

/* Newer Landlock than the build's headers may know; the kernel says at run
 * time how much of it there is (its ABI). */
struct cage_ruleset_attr {
    uint64_t fs, net, scoped; /* landlock_ruleset_attr's, in its order */
};
/* Rights that a ruleset handles are refused wherever no rule allows them,
 * so each new ABI's right is added, or it would stay open. */
#define CAGE_FS_ABI1 UINT64_C(0x1fff)         /* execute .. make_sym */
#define CAGE_FS_REFER (UINT64_C(1) << 13)     /* ABI 2 */
#define CAGE_FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define CAGE_FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define CAGE_SCOPED UINT64_C(3) /* ABI 6: abstract sockets, signals */
#define CAGE_FS_LOOK                                                           \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |               \
     LANDLOCK_ACCESS_FS_READ_DIR)
/* What a rule for a file may allow; the rest is about folders. */
#define CAGE_FS_FILE                                                           \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |               \
     LANDLOCK_ACCESS_FS_WRITE_FILE | CAGE_FS_TRUNCATE | CAGE_FS_IOCTL_DEV)

#define CAGE_IOPRIO_USER 3 /* IOPRIO_WHO_USER of linux/ioprio.h */

/* The longest filter has 189: x86-64, an old Landlock, no --allow-net. */
#define CAGE_MAX_FILTER 192 /* seccomp instructions; a full one is refused */

/* What is prepared before the fork, so that the child needs system calls
 * alone. Same for every application but for WORK, ports and --allow-net. */
struct cage {
    int ruleset;      /* Landlock; -1 where the kernel has none */
    uint64_t handled; /* rights that need a rule */
    long abi;         /* Landlock's; 0 where the kernel has none */
    struct sock_filter filter[CAGE_MAX_FILTER]; /* made before the fork */
    unsigned short filter_n;
};

/* Allow access beneath what fd (closed afterwards) is. 0, or -1 with errno.
 * The kernel refuses a rule with rights that the ruleset does not handle, or
 * folders' rights for a file: both are masked out. A link gets no rule: its
 * target has one of its own. */
static int
cage_allow_fd(struct cage *c, int fd, uint64_t access)
{
    struct landlock_path_beneath_attr rule;
    struct stat st;
    long rc;

    if (fd < 0 || fstat(fd, &st) != 0) {
        file_close(fd);
        return -1;
    }
    if (S_ISLNK(st.st_mode)) {
        file_close(fd);
        return 0;
    }
    /* EINVAL otherwise: the kernel takes no folders' rights for a file */
    if (!S_ISDIR(st.st_mode))
        access &= CAGE_FS_FILE;
    rule.allowed_access = access & c->handled;
    rule.parent_fd = fd;
    rc = syscall(SYS_landlock_add_rule, c->ruleset, LANDLOCK_RULE_PATH_BENEATH,
                 &rule, 0);
    file_close(fd);
    return rc == 0 ? 0 : -1;
}

/* The entry called name of the folder fd may be looked at. One that cannot
 * be opened (gone meanwhile, no right, a dead mount) gets no rule, and stays
 * closed.
 * Fails:   -1 for want of memory or descriptors, or where the kernel refuses
 * a rule as such: the application would miss what it may have. */
static int
cage_allow_entry(struct cage *c, int fd, const char *name)
{
    /* O_PATH opens what may not be read, and asks nothing of a device */
    int sub = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (sub >= 0 && cage_allow_fd(c, sub, CAGE_FS_LOOK) == 0)
        return 0;
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == EINVAL || errno == EPERM
               ? -1
               : 0;
}

/* Everything in the folder fd may be looked at, except the entry called
 * without.
 * Fails:   -1 as cage_allow_entry, or where the folder cannot be listed.
 * Where we may not list it, the application may not either. */
static int
cage_allow_siblings(struct cage *c, int fd, const char *without)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    int failed = 0, saved;

    if (d == NULL) { /* what we can't list, the application can't look into */
        file_close(copy);
        return errno == EACCES ? 0 : -1;
    }
    /* NULL means the end or a failure; errno tells which */
    while (failed == 0 && (errno = 0, e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, without) != 0)
            failed = cage_allow_entry(c, fd, e->d_name);
    saved = errno;
    failed = failed != 0 || saved != 0 ? -1 : 0;
    closedir(d);
    errno = saved;
    return failed;
}

/* Everything may be looked at, but what is below the folder hidden. Rules
 * only allow, so each folder on the way down allows all the others.
 * Example: hidden "/a/b" allows all in / but a, and all in /a but b. The
 * folders on the way cannot be listed by the application, only passed.
 * What appears in them after this stays closed.
 * The kernel follows no path again later: a rule is about the inode.
 * Fails:   -1 where hidden is not there or a folder cannot be listed. */
static int
cage_hide(struct cage *c, const char *hidden)
{
    char path[PATH_MAX], *name, *save = NULL;
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next;

    if (realpath(hidden, path) == NULL || fd < 0) {
        file_close(fd);
        return -1;
    }
    for (name = strtok_r(path, "/", &save); name != NULL;
         name = strtok_r(NULL, "/", &save)) {
        /* name stays set, and that is how the end tells it */
        if (cage_allow_siblings(c, fd, name) != 0)
            break;
        /* realpath left no link in it */
        next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        file_close(fd);
        fd = next;
        if (fd < 0)
            return -1;
    }
    file_close(fd);
    return name == NULL ? 0 : -1;
}

/* Writing only beneath work, reading everywhere but beneath ports. EF_OK
 * with c->ruleset -1 where the kernel has no Landlock: seccomp and the lost
 * capabilities remain, and the user is told.
 * Rights are the kernel's for its ABI; one that is newer than what is known
 * here keeps its new rights open.
 * Fails:   EF_E_INTERNAL: the application is not run.
 * Limits: what was opened before the cage closed is not judged by it; but
 * for the three streams nothing stays open at exec.
 * Source: landlock(7). Tests: tests/run.bats ("writes under WORK and nowhere
 * else", "reads no credentials", "a kernel with an old Landlock, or none"). */
static ef_status
cage_landlock(struct cage *c, const char *work, const char *ports, ef_err *err)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero",
                                          "/dev/full"};
    struct cage_ruleset_attr attr = {CAGE_FS_ABI1, 0, 0};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
                       LANDLOCK_CREATE_RULESET_VERSION);
    size_t i;

    c->ruleset = -1;
    c->abi = abi > 0 ? abi : 0;
    /* not built into the kernel, or not enabled at boot */
    if (abi < 1)
        return EF_OK;
    /* moving files between folders; before ABI 2 it is always refused */
    attr.fs |= abi >= 2 ? CAGE_FS_REFER : 0;
    /* before ABI 3 Landlock does not see it: cage_seccomp does */
    attr.fs |= abi >= 3 ? CAGE_FS_TRUNCATE : 0;
    attr.fs |= abi >= 5 ? CAGE_FS_IOCTL_DEV : 0;
    attr.scoped = abi >= 6 ? CAGE_SCOPED : 0;
    c->handled = attr.fs;
    /* the struct as this ABI knows it: older kernels refuse longer ones
     * unless the rest is zero */
    c->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
                              abi >= 6   ? 24
                              : abi >= 4 ? 16
                                         : 8,
                              0);
    if (c->ruleset < 0)
        return reject_sys(err, EF_E_INTERNAL, "Landlock refuses our rules");
    /* one that is missing (an empty chroot has none) is no failure */
    for (i = 0; i < sizeof devices / sizeof devices[0]; i++)
        (void)cage_allow_fd(c, open(devices[i], O_PATH | O_CLOEXEC),
                            LANDLOCK_ACCESS_FS_READ_FILE |
                                LANDLOCK_ACCESS_FS_WRITE_FILE |
                                CAGE_FS_TRUNCATE);
    /* these two must hold: without them the application could not work, or
     * could read the credentials */
    if (cage_allow_fd(c, open(work, O_PATH | O_DIRECTORY | O_CLOEXEC),
                      attr.fs) != 0 ||
        cage_hide(c, ports) != 0)
        return reject_sys(err, EF_E_INTERNAL,
                          "the application's cage could not be built");
    return EF_OK;
}

/* One more instruction. A table that got full is refused by run_middle, so
 * none is ever lost in silence. jt and jf count instructions to skip.
 * A skip counts from the next instruction: 0 goes on, 1 leaves one out. */
static void
cage_op(struct cage *c, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    if (c->filter_n < CAGE_MAX_FILTER)
        c->filter[c->filter_n++] = (struct sock_filter){code, jt, jf, k};
}

/* End the filter with this verdict.
 * SECCOMP_RET_ALLOW, an errno, or the end of the process. */
static void
cage_return(struct cage *c, uint32_t action)
{
    cage_op(c, BPF_RET | BPF_K, action, 0, 0);
}

/* An error, not a signal: a program that tries and goes on without is
 * common, and should not die of it. */
#define CAGE_REFUSE (SECCOMP_RET_ERRNO | EPERM)

/* Refuse the system call nr altogether. The accumulator holds the call's
 * number here, and before every test: each block leaves it so.
 * action is CAGE_REFUSE, or an errno that libraries know a way around. */
static void
cage_refuse(struct cage *c, long nr, uint32_t action)
{
    cage_op(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
    cage_return(c, action);
}

/* Refuse nr where the low word of its argument arg is value (mask 0), or has
 * a bit of mask. The kernel takes these arguments as int, so the high word
 * does not count. args is little-endian on both architectures: the low word
 * is at 8 * arg. Five instructions, of which another call skips four; the
 * last loads the number again.
 * Example: (SYS_kill, 0, self, 0) refuses any signal to the runner. */
static void
cage_refuse_if(struct cage *c, long nr, unsigned arg, uint32_t value,
               uint32_t mask)
{
    uint16_t test = mask != 0 ? BPF_JSET : BPF_JEQ;

    cage_op(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4);
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg, 0, 0);
    cage_op(c, (uint16_t)(BPF_JMP | test | BPF_K), mask != 0 ? mask : value, 0,
            1);
    cage_return(c, CAGE_REFUSE);
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
}

/* Refuse to open nr's file for reading with O_TRUNC: it would be emptied by
 * one who may not write it. Opening for writing is Landlock's to refuse.
 * openat2 has its flags behind a pointer, which no filter sees: it is told
 * not to exist where this is needed. */
static void
cage_refuse_trunc(struct cage *c, long nr, unsigned arg)
{
    cage_op(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 5);
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg, 0, 0);
    cage_op(c, BPF_ALU | BPF_AND | BPF_K, O_TRUNC | O_ACCMODE, 0, 0);
    cage_op(c, BPF_JMP | BPF_JEQ | BPF_K, O_TRUNC | O_RDONLY, 0, 1);
    cage_return(c, CAGE_REFUSE);
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
}

#if defined(__x86_64__)
/* the architecture whose numbers <sys/syscall.h> has here */
#define CAGE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CAGE_ARCH AUDIT_ARCH_AARCH64
#else
#error "section 13 knows the system calls of x86-64 and aarch64 only"
#endif

/* What no application needs, and some could use to reach other processes'
 * memory, other namespaces, the kernel, or to leave something behind: System
 * V memory and message queues outlive who made them.
 * io_uring makes system calls that no filter sees. Tests: tests/run.bats
 * ("can gain none", "leaves no System V memory behind"). */
static void
cage_seccomp_always(struct cage *c)
{
    /* By group: other processes' memory and state; other namespaces and views
     * of the file system; programs in the kernel; calls that no filter sees;
     * key rings, which outlive a process; others' descriptors, and signals by
     * other names; what System V keeps; others' pages. */
    static const long refused[] = {SYS_ptrace,
                                   SYS_process_vm_readv,
                                   SYS_process_vm_writev,
                                   SYS_kcmp,
                                   SYS_unshare,
                                   SYS_setns,
                                   SYS_mount,
                                   SYS_umount2,
                                   SYS_pivot_root,
                                   SYS_bpf,
                                   SYS_perf_event_open,
                                   SYS_userfaultfd,
                                   SYS_io_uring_setup,
                                   SYS_io_uring_enter,
                                   SYS_io_uring_register,
                                   SYS_add_key,
                                   SYS_request_key,
                                   SYS_keyctl,
                                   SYS_pidfd_getfd,
                                   SYS_pidfd_send_signal,
                                   SYS_pidfd_open,
                                   SYS_rt_sigqueueinfo,
                                   SYS_rt_tgsigqueueinfo,
                                   SYS_shmget,
                                   SYS_semget,
                                   SYS_msgget,
                                   SYS_mq_open,
                                   SYS_move_pages,
                                   SYS_migrate_pages};
    size_t i;

    for (i = 0; i < sizeof refused / sizeof refused[0]; i++)
        cage_refuse(c, refused[i], CAGE_REFUSE);
    /* clone3 hides its flags behind a pointer; libc falls back to clone
     * when it is told that there is none */
    cage_refuse(c, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    /* a user namespace gives capabilities back; the others need one */
    cage_refuse_if(c, SYS_clone, 0, 0, CLONE_NEWUSER);
}

/* No signal to the runner or to groups, and nobody leaves the group: so one
 * kill ends everything, and only we send it.
 * Example: timeout(1) calls setpgid, is told that all went well, and stays.
 * Pre:     called by the runner itself: getpid is the process to protect.
 * Tests: tests/run.bats ("nothing that the application started outlives it",
 * "the application cannot end or cripple its runner"). */
static void
cage_seccomp_signals(struct cage *c)
{
    /* would let a file descriptor send signals: fcntl's, and the ioctls
     * FIOSETOWN and SIOCSPGRP */
    static const uint32_t owners[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    static const uint32_t socket_owners[] = {0x8901, 0x8902};
    uint32_t self = (uint32_t)getpid();
    size_t i;

    /* Leaving the group does nothing and is called a success: programs such
     * as timeout(1) go on. Their kill(0) must not end the whole group then. */
    cage_refuse(c, SYS_setsid, SECCOMP_RET_ERRNO | 0);
    cage_refuse(c, SYS_setpgid, SECCOMP_RET_ERRNO | 0);
    /* 0 is the own group, a negative number another, or everybody (-1) */
    cage_refuse_if(c, SYS_kill, 0, 0, 0);
    cage_refuse_if(c, SYS_kill, 0, 0, UINT32_C(1) << 31); /* other groups */
    cage_refuse_if(c, SYS_kill, 0, self, 0);
    cage_refuse_if(c, SYS_tkill, 0, self, 0);
    cage_refuse_if(c, SYS_tgkill, 0, self, 0);
    for (i = 0; i < sizeof owners / sizeof owners[0]; i++)
        cage_refuse_if(c, SYS_fcntl, 1, owners[i], 0);
    for (i = 0; i < sizeof socket_owners / sizeof socket_owners[0]; i++)
        cage_refuse_if(c, SYS_ioctl, 1, socket_owners[i], 0);
}

/* Limits and scheduling of other processes: these calls are about another
 * one when the argument is not 0; for a user, 0 is all of one's own.
 * Tests: tests/run.bats ("cannot end or cripple its runner"). */
static void
cage_seccomp_others(struct cage *c)
{
    static const struct {
        long nr;
        unsigned arg;
    } own_only[] = {{SYS_prlimit64, 0},          {SYS_sched_setaffinity, 0},
                    {SYS_sched_setscheduler, 0}, {SYS_sched_setparam, 0},
                    {SYS_sched_setattr, 0},      {SYS_setpriority, 1},
                    {SYS_ioprio_set, 1}};
    size_t i;

    for (i = 0; i < sizeof own_only / sizeof own_only[0]; i++)
        cage_refuse_if(c, own_only[i].nr, own_only[i].arg, 0, UINT32_MAX);
    cage_refuse_if(c, SYS_setpriority, 0, PRIO_USER, 0);
    cage_refuse_if(c, SYS_ioprio_set, 0, CAGE_IOPRIO_USER, 0);
}

/* The filter: a list of what is refused; the rest is allowed. It judges the
 * number of the call, so first of all the numbers must be this
 * architecture's: a 32-bit call is the end of the process, and one of x32,
 * which has other numbers for the same calls, is refused.
 * The list is long rather than clever, so that it can be read.
 * Pre:     cage_landlock set c->abi. Source: seccomp(2).
 * Tests: tests/run.bats ("no network by default, by no way in"). */
static void
cage_seccomp(struct cage *c, int allow_net)
{
    c->filter_n = 0;
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
    /* ours: skip the verdict */
    cage_op(c, BPF_JMP | BPF_JEQ | BPF_K, CAGE_ARCH, 1, 0);
    cage_return(c, SECCOMP_RET_KILL_PROCESS);
    cage_op(c, BPF_LD | BPF_W | BPF_ABS,
            (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
#if defined(__x86_64__)
    cage_op(c, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1); /* x32 */
    cage_return(c, CAGE_REFUSE);
#endif
    /* the lists are tried in turn; the first block that fits decides */
    cage_seccomp_always(c);
    cage_seccomp_signals(c);
    cage_seccomp_others(c);
    if (c->abi < 3) { /* before that Landlock does not see truncation */
        cage_refuse(c, SYS_truncate, CAGE_REFUSE);
        cage_refuse(c, SYS_openat2, SECCOMP_RET_ERRNO | ENOSYS);
        cage_refuse_trunc(c, SYS_openat, 2);
#ifdef SYS_open
        cage_refuse_trunc(c, SYS_open, 1);
#endif
    }
    /* socketpair(2) is let pass: it reaches nobody else */
    if (!allow_net)
        cage_refuse(c, SYS_socket, CAGE_REFUSE);
    cage_return(c, SECCOMP_RET_ALLOW);
}

/* In the child: no capability, now or after any exec. The bounding set needs
 * a capability to be emptied; where it is missing there is none to gain, and
 * no_new_privs holds anyway. capset decides, and may always give up rights.
 * Source: capabilities(7). Tests: tests/run.bats ("has no privileges"). */
static int
cage_drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];
    unsigned long cap;

    memset(none, 0, sizeof none);
    /* one that the kernel does not know is refused, and nothing is lost */
    for (cap = 0; cap < 64; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return (int)syscall(SYS_capset, &header, none);
}

/* In the child, between fork and exec: system calls only. 0, or -1 with
 * errno, and then nothing is run. no_new_privs is first, because Landlock
 * and seccomp ask for it; seccomp is last, when getppid, exec and a write are
 * all that is left to do.
 * Post:    on 0 neither this process nor its children can undo any of it.
 * Tests: tests/run.bats ("the application has no privileges"). */
static int
cage_enter(const struct cage *c)
{
    struct sock_fprog program = {c->filter_n,
                                 (struct sock_filter *)(uintptr_t)c->filter};
    struct rlimit no_core = {0, 0};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        setrlimit(RLIMIT_CORE, &no_core) != 0)
        return -1;
    /* -1: the kernel has none, as the note said */
    if (c->ruleset >= 0 &&
        syscall(SYS_landlock_restrict_self, c->ruleset, 0) != 0)
        return -1;
    /* Landlock needed none: no_new_privs is enough for it */
    if (cage_drop_capabilities() != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* --- the application --- */

/* One application: what to run, and what became of it. */
struct run_app {
    char **argv, **envp; /* NULL-terminated; the caller's */
    struct cage cage;
    long timeout_sec; /* 0: none */
    volatile sig_atomic_t *stop;
    pid_t pid;                  /* and its process group */
    int out, err, status_pipe;  /* read ends */
    ef_buf out_text, err_text;  /* err_text: our last words too */
    int over;                   /* 1: stdout, 2: stderr passed its limit */
    int lost;                   /* errno: something it said was not read */
    int timed_out, wait_status; /* wait_status: waitpid's */
};

/* What the child says when it can't become the application. It crosses a
 * pipe that exec closes: no bytes mean that the application runs. 8 bytes
 * are written at once (PIPE_BUF), so never a part of it. */
struct run_trouble {
    int stage; /* 1: the cage, 2: exec */
    int error; /* errno */
};

/* In the child. Everything but the three streams closes at exec:
 * close_range(2), or one by one before Linux 5.11. The pipes are not 0 to
 * 2: cli_harden has filled those.
 * Fails:   -1 with errno: what the application prints would go where the
 * runner's own words go. Tests: tests/run.bats ("has no descriptor but 0, 1
 * and 2"). */
static int
run_child_fds(int in, int out, int err)
{
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0)
        return -1;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOEXEC */) == 0)
        return 0;
#endif
    /* numbers are given out from below, and the runner has few */
    for (in = 3; in < 65536; in++)
        (void)fcntl(in, F_SETFD, FD_CLOEXEC);
    return 0;
}

/* In the child; never returns. No call here allocates or takes a lock:
 * libcurl resolves names in threads, and one may have held it at the fork.
 * Exit 127 without a word means that the runner is gone already.
 * Secret:  what the runner's heap holds is in this copy until exec, which
 * starts with an address space of its own. */
static void
run_child(const struct run_app *app, int in, int out, int err, int status,
          pid_t parent)
{
    struct run_trouble t = {1, 0};
    sigset_t none;
    int sig;

    /* an ignored signal (SIGPIPE) would stay ignored through exec */
    for (sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* cannot fail: a fresh child leads no group */
    (void)setsid(); /* a group, and no terminal */
    /* SIGKILL of the runner ends the application's first process, and with it
     * what the rest was started by; encflow(1) tells what may stay */
    if (run_child_fds(in, out, err) == 0 &&
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
        cage_enter(&app->cage) == 0) {
        if (getppid() != parent) /* it died before that call */
            _exit(127);
        t.stage = 2;
        /* execvp looks for the program by this PATH, not by the runner's */
        environ = app->envp;
        execvp(app->argv[0], app->argv);
    }
    t.error = errno;
    /* 126 when even the word is lost; the runner then has this alone */
    if (write(status, &t, sizeof t) < 0)
        _exit(126);
    _exit(127);
}

/* Both ends of a pipe, or what there is of them.
 * -1 where one was never opened. */
static void
run_close_pair(int pair[2])
{
    file_close(pair[0]);
    file_close(pair[1]);
}

/* Fork, and set up the streams; whether the application started is known
 * when status_pipe ends. stdout and stderr are pipes, stdin is empty.
 * Post:    app->pid and the read ends are set on EF_OK.
 * Fails:   EF_E_IO, nothing is left open. Secret memory is zero in the child
 * (MADV_WIPEONFORK), and gone at exec.
 * Tests: tests/run.bats ("its stdin is empty"). */
static ef_status
run_spawn(struct run_app *app, ef_err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, er[2] = {-1, -1};
    int status[2] = {-1, -1};
    pid_t parent = getpid();

    /* O_CLOEXEC on all: the child's own copies come from dup2, which
     * clears it; status is meant to close at exec */
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        pipe2(er, O_CLOEXEC) != 0 || pipe2(status, O_CLOEXEC) != 0)
        goto failed;
    close(in[1]); /* the application's input is empty */
    in[1] = -1;
    app->pid = fork();
    /* goes the way of the pipes: nothing of it is left */
    if (app->pid < 0)
        goto failed;
    if (app->pid == 0)
        run_child(app, in[0], out[1], er[1], status[1], parent);
    close(in[0]);
    close(out[1]);
    close(er[1]);
    close(status[1]);
    app->out = out[0];
    app->err = er[0];
    app->status_pipe = status[0];
    return EF_OK;
failed:
    reject_sys(err, EF_E_IO, "cannot start a process");
    run_close_pair(in);
    run_close_pair(out);
    run_close_pair(er);
    run_close_pair(status);
    return EF_E_IO;
}

/* SIGKILL twice does no more than once; errors mean that it is gone.
 * Pre:     app->pid was not waited for: its number is still taken. */
static void
run_kill(const struct run_app *app)
{
    (void)kill(-app->pid, SIGKILL); /* its group: nobody can leave it */
    (void)kill(app->pid, SIGKILL);  /* before setsid there is no group */
}

/* UNTRUSTED: what the application prints. 0 at the end of the stream. Bytes
 * are never looked at, only counted; base64 carries them.
 * Interrupted or not ready is not the end: poll comes again.
 * Secret:  they may be anything the inputs say: piece is wiped, text when it
 * is freed.
 * Limits:  EF_MAX_APP_OUTPUT_BYTES; past it which, 1 for stdout and 2 for
 * stderr, is set in app->over.
 * Fails:   app->lost is why it could not be read.
 * Fuzz: fuzz/fuzz_result.c. Tests: tests/run.bats ("1 GiB to stdout"). */
static int
run_capture(struct run_app *app, int which)
{
    unsigned char piece[16384];
    ef_buf *text = which == 1 ? &app->out_text : &app->err_text;
    ssize_t n = read(which == 1 ? app->out : app->err, piece, sizeof piece);
    /* text->n never passes the limit: no underflow */
    size_t room = EF_MAX_APP_OUTPUT_BYTES - text->n;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n < 0) {
        app->lost = errno;
        return 0;
    }
    if ((size_t)n > room)
        app->over |= which;
    /* what is past the limit is read and dropped, so that nothing blocks
     * until the group is dead */
    ef_buf_add(text, piece, (size_t)n < room ? (size_t)n : room);
    ef_wipe(piece, (size_t)n);
    return n > 0;
}

/* It has ended, but still holds its process number (WNOWAIT): so the group
 * of that number can be killed, and cannot be somebody else's yet.
 * si_pid stays 0 while it runs: WNOHANG returns at once. */
static int
run_has_ended(const struct run_app *app)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)app->pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid == app->pid;
}

/* Read both streams until they end. The group is killed when the application
 * itself has ended, runs too long or says too much, so they do end.
 * Nobody is asked politely: what may be ended is ended with SIGKILL, since
 * another signal could be ignored.
 * Pre:     run_spawn succeeded. Post: no process of the group is left, and
 * app->wait_status is the application's own.
 * Tests: tests/run.bats ("--timeout ends an application", "an application
 * that closes its streams is waited for", "outlives it"). */
static void
run_watch(struct run_app *app)
{
    struct pollfd fds[2] = {{app->out, POLLIN, 0}, {app->err, POLLIN, 0}};
    int64_t end = clock_ms() + app->timeout_sec * 1000;
    int reaped = 0, tries;

    while (fds[0].fd >= 0 || fds[1].fd >= 0 || !reaped) {
        /* 20 ms: how late a timeout, a stop or the end may be seen. A closed
         * stream is fd -1, which poll passes over. */
        (void)poll(fds, 2, 20);
        if (fds[0].fd >= 0 && fds[0].revents != 0 && !run_capture(app, 1))
            fds[0].fd = -1;
        if (fds[1].fd >= 0 && fds[1].revents != 0 && !run_capture(app, 2))
            fds[1].fd = -1;
        /* also where the application ended in this very moment: its result
         * would be one that came too late */
        if (app->timeout_sec > 0 && clock_ms() >= end && !reaped)
            app->timed_out = 1;
        /* again in every round until it is gone, which does no harm */
        if (!reaped && (app->over || app->timed_out || app->lost || *app->stop))
            run_kill(app);
        if (!reaped && run_has_ended(app)) {
            run_kill(app); /* whatever it left behind; then its number */
            /* returns at once: run_has_ended has seen it end */
            reaped = waitpid(app->pid, &app->wait_status, 0) == app->pid;
        }
    }
    /* Orphans of the group came to us (subreaper); those that were there
     * before are none of ours. A killed process may take a moment to go. */
    for (tries = 0; tries < 500 && kill(-app->pid, SIGKILL) == 0; tries++)
        if (waitpid(-app->pid, NULL, WNOHANG) <= 0)
            (void)poll(NULL, 0, 10);
}

/* The application did not start. A missing program is the application's
 * failure: the receiver gets 127 or 126 as from a shell, and words on
 * stderr. A cage that did not close is ours: no result at all.
 * Post:    wait_status is as if a shell had failed to start it.
 * Fails:   EF_E_INTERNAL. Tests: tests/run.bats ("missing or cannot be
 * started"). */
static ef_status
run_trouble(struct run_app *app, const struct run_trouble *t, ef_err *err)
{
    char text[64];

    if (t->stage == 1) {
        errno = t->error;
        return reject_sys(err, EF_E_INTERNAL,
                          "the application's cage could not be closed, so it "
                          "was not run");
    }
    /* as waitpid would have told of such an exit */
    app->wait_status = (t->error == ENOENT ? 127 : 126) << 8;
    ef_buf_str(&app->err_text, "encflow: cannot run ");
    ef_buf_str(&app->err_text, app->argv[0]);
    snprintf(text, sizeof text, ": %s\n",
             t->error == ENOENT   ? "no such program"
             : t->error == EACCES ? "not executable"
                                  : "the kernel refuses it");
    ef_buf_str(&app->err_text, text);
    return buf_status(&app->err_text, err);
}

/* Why the application was ended, for the receiver to see. Behind its own
 * words on stderr, past the limit that those have.
 * Both may stand there. stdout is named where both streams passed. */
static void
run_epitaph(struct run_app *app)
{
    if (app->over & 3)
        buf_printf(&app->err_text,
                   "encflow: application ended: more than %u bytes on %s "
                   "(EF_MAX_APP_OUTPUT_BYTES)\n",
                   (unsigned)EF_MAX_APP_OUTPUT_BYTES,
                   app->over & 1 ? "stdout" : "stderr");
    if (app->timed_out)
        buf_printf(&app->err_text,
                   "encflow: application ended: still running after %ld s "
                   "(--timeout)\n",
                   app->timeout_sec);
}

/* Run it to its end. EF_OK also when the application fails: its returncode
 * is part of the result.
 * Post:    no process of the application is left, whatever is returned but
 * the failure of run_spawn.
 * Fails:   EF_E_IO (no process, or a signal to us), EF_E_INTERNAL (the
 * cage), EF_E_MEMORY. Pre: signals only set *app->stop. */
static ef_status
run_application(struct run_app *app, ef_err *err)
{
    struct run_trouble t;
    ssize_t n;
    ef_status rc;

    /* orphans of the application become ours, so run_watch can wait for them */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    rc = run_spawn(app, err);
    if (rc != EF_OK)
        return rc;
    /* ends at exec, which closes the child's end; nothing is printed before */
    n = file_read_full(app->status_pipe, &t, sizeof t);
    app->lost = n < 0 ? errno : 0;
    run_watch(app);
    close(app->out);
    close(app->err);
    close(app->status_pipe);
    if (*app->stop)
        return reject(err, EF_E_IO, EF_NOWHERE, "stopped by a signal");
    if (app->lost != 0) { /* half an answer would pass for a whole one */
        errno = app->lost;
        return reject_sys(err, EF_E_IO,
                          "cannot read what the application says");
    }
    /* the child has ended by now; run_watch took it in */
    if (n == (ssize_t)sizeof t)
        return run_trouble(app, &t, err);
    /* the receiver sees -9, whatever it said of itself */
    if (app->over || app->timed_out) /* also where it ended by itself first */
        app->wait_status = SIGKILL;
    run_epitaph(app);
    if (app->out_text.failed || app->err_text.failed)
        return reject_memory(err);
    return EF_OK;
}

/* As Python's subprocess: minus the signal's number when killed.
 * Examples: 0, 3, -9 (SIGKILL), -11 (a crash). */
static int
run_returncode(const struct run_app *app)
{
    return WIFSIGNALED(app->wait_status) ? -WTERMSIG(app->wait_status)
                                         : WEXITSTATUS(app->wait_status);
}

/* --- outputs --- */

/* One store_seal for each output dataset, with its own key and nonce; the
 * result's text is made as it is read, and never stands anywhere as a whole. */

/* n bytes of the result's text from at: what store_seal seals.
 * Never fails: the result is in memory. */
static ef_status
run_output_read(void *ctx, uint64_t at, unsigned char *buf, size_t n,
                ef_err *err)
{
    (void)err;
    ef_result_read(ctx, at, buf, n);
    return EF_OK;
}

/* Seal the result to every output and put it; one failure does not keep the
 * others from theirs.
 * Secret:  round keys, in outs[i].gcm, freed on every path.
 * Fails:   as store_run, naming the first dataset that did not get its own.
 * Tests: tests/run.bats ("the others get theirs", "a PUT has a length"). */
static ef_status
run_deliver(const struct run_port *port, const ef_result *result,
            const struct store_opts *o, ef_err *err)
{
    /* one more than there are: calloc of nothing may be NULL */
    struct store_job *jobs = calloc(port->n + 1, sizeof *jobs);
    struct store_seal *outs = calloc(port->n + 1, sizeof *outs);
    ef_status rc = jobs == NULL || outs == NULL ? reject_memory(err) : EF_OK;
    size_t i;

    for (i = 0; i < port->n && rc == EF_OK; i++) {
        outs[i].read = run_output_read;
        outs[i].ctx = (void *)(uintptr_t)result;
        outs[i].text_n = ef_result_size(result);
        /* all at once, so that memory runs out before anything is sent */
        outs[i].gcm = ef_gcm_new(port->set[i].cred->key, NULL);
        if (outs[i].gcm == NULL)
            rc = reject_memory(err);
        jobs[i].url = port->set[i].url;
        jobs[i].method = STORE_PUT;
        jobs[i].source = store_seal_source;
        jobs[i].ctx = &outs[i];
        /* known beforehand, so that a PUT has a Content-Length */
        jobs[i].size = outs[i].text_n + EF_OVERHEAD_BYTES;
    }
    if (rc == EF_OK) {
        /* 0: each for itself */
        rc = store_run(jobs, port->n, 0, o);
        rc = run_first_error(jobs, port->n, rc, port, err);
    }
    for (i = 0; outs != NULL && i < port->n; i++)
        ef_gcm_free(outs[i].gcm);
    free(outs);
    free(jobs);
    return rc;
}

/* --- the whole run --- */

/* What a run tells on its way; section 16 has the words, which are the
 * reference's where that has any. */
enum run_event {
    RUN_RETRIEVED, /* detail: location */
    RUN_STARTING,
    RUN_WRITING, /* detail: location */
    RUN_COMPLETE,
    RUN_NO_INPUTS, /* in this share */
    RUN_NO_LANDLOCK,
    RUN_OLD_LANDLOCK,
    RUN_LEFT_PLAINTEXT /* detail: work folder; the run failed as well */
};

/* One `run`, as the command line has it. work is an absolute path, because
 * the application gets paths below it. input and output passed
 * ef_name_check. */
struct run_job {
    const char *ports, *input, *output, *work; /* paths; two names */
    char **command;   /* NULL-terminated; NULL: our own describe */
    const char *self; /* path of this program */
    long timeout_sec; /* 0: none */
    int allow_net;
    uint32_t shard, shards; /* the share, from 0; of how many: 1, all */
    struct store_opts store;
    void (*note)(enum run_event event, ef_slice detail);
};

/* argv: COMMAND, or our own describe, then the inputs' paths. NULL: no
 * memory. The array is the caller's to free; the texts are not its own.
 * Example: ["/bin/encflow", "describe", "-c", "DESCRIPTION", "/job/a", 0].
 * A path that begins with '-' cannot be: WORK is absolute. */
static char **
run_argv(const struct run_job *job, const struct store_input *inputs, size_t n)
{
    static const char *const own[] = {"describe", "-c", "DESCRIPTION", NULL};
    size_t k = 0, i, head = 4;
    char **argv;

    for (i = 0; job->command != NULL && job->command[i] != NULL; i++)
        head = i + 1 > head ? i + 1 : head;
    /* head is 4 for our own, or COMMAND's words; one more for the NULL */
    argv = calloc(head + n + 1, sizeof *argv);
    if (argv == NULL)
        return NULL;
    if (job->command == NULL)
        argv[k++] = (char *)(uintptr_t)job->self;
    for (i = 0; job->command == NULL && own[i] != NULL; i++)
        argv[k++] = (char *)(uintptr_t)own[i];
    for (i = 0; job->command != NULL && job->command[i] != NULL; i++)
        argv[k++] = job->command[i];
    for (i = 0; i < n; i++)
        argv[k++] = (char *)inputs[i].path.p;
    return argv;
}

/* Run the application on inputs that are in place; fill its buffers. Its
 * environment is PATH, LANG, HOME and TMPDIR, and nothing of ours: no AWS
 * key, no LD_PRELOAD.
 * Post:    argv and envp are gone; out_text, err_text and wait_status stay.
 * Fails:   EF_E_MEMORY, EF_E_INTERNAL (the cage), as run_application.
 * Tests: tests/run.bats ("the application's environment is clean"). */
static ef_status
run_middle(struct run_app *app, const struct run_job *job,
           const struct store_input *inputs, size_t n, ef_err *err)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                         "/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C.UTF-8";
    ef_buf home = {0}, temp = {0};
    char *envp[5] = {path, lang, NULL, NULL, NULL};
    ef_status rc;

    ef_buf_str(&home, "HOME=");
    ef_buf_str(&home, job->work);
    ef_buf_str(&temp, "TMPDIR=");
    ef_buf_str(&temp, job->work);
    envp[2] = (char *)(uintptr_t)buf_cstr(&home);
    envp[3] = (char *)(uintptr_t)buf_cstr(&temp);
    app->envp = envp;
    app->timeout_sec = job->timeout_sec;
    app->stop = job->store.stop;
    app->argv = run_argv(job, inputs, n);
    /* the cage is built here and closed by the child: opening folders and
     * allocating are done before the fork */
    rc = app->argv == NULL || home.failed || temp.failed
             ? reject_memory(err)
             : cage_landlock(&app->cage, job->work, job->ports, err);
    if (rc == EF_OK && app->cage.abi < 6)
        job->note(app->cage.abi == 0 ? RUN_NO_LANDLOCK : RUN_OLD_LANDLOCK,
                  slice("", 0));
    if (rc == EF_OK) {
        cage_seccomp(&app->cage, job->allow_net);
        /* full, so perhaps cut: the last rule allows, and could be missing */
        if (app->cage.filter_n == CAGE_MAX_FILTER)
            rc = reject(err, EF_E_INTERNAL, EF_NOWHERE,
                        "the application's cage has too many rules");
    }
    if (rc == EF_OK) {
        job->note(RUN_STARTING, slice("", 0));
        rc = run_application(app, err);
    }
    file_close(app->cage.ruleset);
    free(app->argv);
    app->argv = app->envp = NULL;
    ef_buf_free(&home);
    ef_buf_free(&temp);
    return rc;
}

/* Fetch, run, deliver; the work folder is there and empty. WORK keeps its
 * plaintext on return: run_job empties it, whatever the outcome.
 * Secret:  the application's output, wiped with its buffers.
 * Fails:   as its parts; nothing is delivered unless the application ran. */
static ef_status
run_datasets(const struct run_job *job, const struct run_port *in,
             const struct run_port *out, ef_err *err)
{
    /* one more, as in run_deliver: a share may have no inputs */
    struct store_input *inputs = calloc(in->n + 1, sizeof *inputs);
    struct run_app app = {.cage = {.ruleset = -1}};
    ef_result result = {0, {NULL, 0}, {NULL, 0}};
    ef_status rc = inputs == NULL
                       ? reject_memory(err)
                       : run_fetch(in, inputs, job->work, &job->store, err);
    size_t i;

    for (i = 0; i < in->n && rc == EF_OK; i++)
        job->note(RUN_RETRIEVED, store_public(buf_slice(&in->set[i].location)));
    /* no inputs, nothing to do: the receiver is told so all the same */
    if (rc == EF_OK && in->n == 0)
        job->note(RUN_NO_INPUTS, slice("", 0));
    else if (rc == EF_OK)
        rc = run_middle(&app, job, inputs, in->n, err);
    if (rc == EF_OK) {
        /* views: the buffers stay until every output is delivered */
        if (in->n > 0)
            result = (ef_result){run_returncode(&app), buf_slice(&app.out_text),
                                 buf_slice(&app.err_text)};
        for (i = 0; i < out->n; i++)
            job->note(RUN_WRITING,
                      store_public(buf_slice(&out->set[i].location)));
        rc = run_deliver(out, &result, &job->store, err);
    }
    for (i = 0; inputs != NULL && i < in->n; i++)
        ef_buf_free(&inputs[i].path);
    free(inputs);
    ef_buf_free(&app.out_text);
    ef_buf_free(&app.err_text);
    return rc;
}

/* Of port's datasets those from lo to hi - 1 stay; the others' credentials go
 * at once.
 * Pre:     lo <= hi <= port->n. The order stays. */
static void
run_port_keep(struct run_port *port, size_t lo, size_t hi)
{
    struct run_port rest = {port->set + hi, port->n - hi};
    size_t i;

    for (i = 0; i < lo; i++)
        run_dataset_free(&port->set[i]);
    for (i = 0; i < rest.n; i++)
        run_dataset_free(&rest.set[i]);
    memmove(port->set, port->set + lo, (hi - lo) * sizeof *port->set);
    port->n = hi - lo;
}

/* The job's share: a run of the inputs in the order of their names, and the
 * output of its number. Shares differ by one input at most, and each input is
 * in exactly one: the bounds of the I-th are n * I / N and n * (I + 1) / N.
 * Example: 5 inputs in 3 shares are 1, 2 and 2.
 * Fails:   EF_E_USAGE where there is not an output for each share: two would
 * write over one another. Tests: tests/slurm.bats. */
static ef_status
run_share(const struct run_job *job, struct run_port *in, struct run_port *out,
          ef_err *err)
{
    /* 1024 datasets and 10000 shares at most: no overflow */
    size_t i = job->shard, n = job->shards;

    /* all inputs to all outputs, as without shares */
    if (n <= 1)
        return EF_OK;
    if (out->n != n) {
        (void)with_hint(err,
                        reject(err, EF_E_USAGE, EF_NOWHERE,
                               "each share needs an output dataset of its "
                               "own, and there are"),
                        "make as many as there are shares; or --shard 0/1 "
                        "takes all inputs to all outputs");
        err->detail = (long)out->n;
        return EF_E_USAGE;
    }
    /* both ports are sorted by name, so that all tasks agree */
    run_port_keep(in, in->n * i / n, in->n * (i + 1) / n);
    run_port_keep(out, i, i + 1);
    return EF_OK;
}

/* The command `run`: everything is checked before anything is fetched, and
 * the plaintext is removed however it ends. A signal only sets a flag, which
 * store_run and run_watch see, so this path is taken then too.
 * Secret:  all credentials live from run_port_read to the end, because the
 * outputs' keys are needed last.
 * Fails:   as its parts. The run's own failure is told first; plaintext that
 * is left is told beside it, by RUN_LEFT_PLAINTEXT.
 * Post:    EF_OK only when every output was delivered and WORK is clean.
 * Tests: tests/run.bats, tests/static.bats. */
static ef_status
run_job(const struct run_job *job, ef_err *err)
{
    struct run_port in = {NULL, 0}, out = {NULL, 0};
    struct run_work work = {.path = job->work};
    ef_err end_err = {0};
    ef_status rc, end;

    rc = run_port_read(&in, job->ports, job->input, job->store.schemes, err);
    if (rc == EF_OK)
        rc = run_port_read(&out, job->ports, job->output, job->store.schemes,
                           err);
    if (rc == EF_OK)
        rc = run_share(job, &in, &out, err);
    if (rc == EF_OK)
        rc = run_work_begin(&work, err);
    if (rc == EF_OK)
        rc = run_datasets(job, &in, &out, err);
    /* does nothing where run_work_begin refused the folder */
    end = run_work_end(&work, &end_err);
    /* a run that failed keeps its own message; this one comes as a note */
    if (rc == EF_OK && end != EF_OK) {
        rc = end;
        *err = end_err;
    } else if (end != EF_OK && !work.emptied) {
        job->note(RUN_LEFT_PLAINTEXT, slice_str(job->work));
    }
    if (rc == EF_OK)
        job->note(RUN_COMPLETE, slice("", 0));
    run_port_free(&in);
    run_port_free(&out);
    return rc;
}

#endif /* EF_NO_MAIN */

/* ======================================================================= *
 * 16. COMMAND LINE    options, messages, the commands               (cli_)*
 *                                                                         *
 *   In       arguments, the environment, files the user names             *
 *   Out      stdout, stderr, an exit status (encflow(1), EXIT STATUS)     *
 *   Secret   keys and profiles in ef_secret_alloc memory; nothing secret  *
 *            is printed but where that is the command's purpose           *
 *   Needs    everything above                                             *
 *   Tests    tests/data.bats tests/presign.bats tests/run.bats            *
 *            tests/man.bats tests/secrets.bats vectors/commands.txt       *
 *   Fuzz     fuzz/fuzz_cli.c                                              *
 * ======================================================================= */

/* cli_spellings has every option, cli_commands every command with the
 * options it takes; parsing and --help come from these two tables. A
 * command is a function from struct cli to an exit status. It checks
 * its options before it reads a secret.
 *
 * Only here is anything printed. Long results go through an ef_buf that
 * drains to stdout; a write that fails gives an exit status like any
 * failure. Without --force no terminal gets a key, what enc, dec and
 * base64 -d give, or a result or raw JSON string with control
 * characters. Signals that ask for it end a command at once, after a
 * temporary name is removed; `run` only notes them, cleans up, and
 * raises the signal again. Of the environment AWS's settings, HOME and
 * TMPDIR are read; libcurl looks for proxies. */

#ifndef EF_NO_MAIN

#include <sys/auxv.h>

/* What the static build was made from; the system build asks the library. */
#ifndef EF_BUILD_INFO
#define EF_BUILD_INFO ""
#endif

/* Every option there is. A command's row lists those it takes. Two may have
 * one brief form (-c, -o): no command takes both. */
enum cli_option {
    /* 0: what ends a row's list, and "no such option" */
    CLI_END,
    /* these three are every command's (cli_find_option) */
    CLI_HELP,
    CLI_QUIET,
    CLI_VERBOSE,
    /* what it forces differs by command: --help and encflow(1) tell */
    CLI_FORCE,
    CLI_JSON,
    /* enc, dec, base64, keygen, json, credentials, result */
    CLI_KEY,
    CLI_IN,
    CLI_OUT,
    CLI_THREADS,
    CLI_KEY_OUT,
    CLI_DECODE,
    CLI_RAW,
    CLI_CANONICAL,
    CLI_URL,
    CLI_FOLDER,
    /* what may be reached, and how */
    CLI_ONLINE,
    CLI_CACERT,
    CLI_PROXY,
    CLI_STALL,
    CLI_CONNECT,
    CLI_MAX_TIME,
    CLI_ALLOW_HTTP,
    CLI_ALLOW_FILE,
    CLI_ALLOW_NET,
    /* presign's */
    CLI_SIGV2,
    CLI_PROFILE,
    CLI_REGION,
    CLI_ENDPOINT,
    CLI_ADDRESSING,
    CLI_QUERY,
    CLI_ENCODED,
    CLI_AT,
    /* describe's */
    CLI_COLUMN,
    CLI_ALL,
    CLI_TOP,
    CLI_PLOT,
    CLI_FORMAT,
    /* run's */
    CLI_PORTS,
    CLI_INPUT,
    CLI_OUTPUT,
    CLI_WORK,
    CLI_TIMEOUT,
    CLI_SHARD,
    /* how many there are: the size of the tables */
    CLI_OPTIONS
};

/* How each option is spelt and explained. --help prints help as it stands,
 * and tests/man.bats holds the manual to the same options.
 * brief is "" where there is none: no argument that reaches cli_find_option
 * is empty. */
static const struct cli_spelling {
    const char *brief, *name, *value, *help; /* value NULL: a flag */
} cli_spellings[CLI_OPTIONS] = {
    [CLI_HELP] = {"-h", "--help", NULL, "print this and exit"},
    [CLI_QUIET] = {"-q", "--quiet", NULL, "no progress, no notes"},
    [CLI_VERBOSE] = {"-v", "--verbose", NULL, "say what is done"},
    /* No brief form: it is to be typed on purpose. */
    [CLI_FORCE] = {"", "--force", NULL,
                   "overwrite a key; write secrets or binary to a terminal"},
    [CLI_JSON] = {"", "--json", NULL, "report as JSON"},
    /* No option takes the key itself: other users see arguments. */
    [CLI_KEY] = {"-K", "--key-file", "KEYFILE",
                 "the key: 64 hex digits in a file"},
    /* One dash and a word, as the reference's command lines have it.
     * Letters are never clustered, so it can't be read as -i -n. */
    [CLI_IN] = {"-in", "--in", "FILE", "read FILE instead of standard input"},
    [CLI_OUT] = {"-out", "--out", "FILE",
                 "write FILE instead of standard output"},
    /* The file is of the same format for any N. */
    [CLI_THREADS] = {"", "--threads", "N",
                     "use N threads, 1 to 8 (default: one a processor)"},
    /* Not -out: a key file is not replaced without --force. */
    [CLI_KEY_OUT] = {"-o", "--out-file", "FILE",
                     "write the key to FILE, mode 0600"},
    /* As base64(1) has it. */
    [CLI_DECODE] = {"-d", "--decode", NULL, "decode instead of encode"},
    /* A control character in it is then itself: see cli_drain. */
    [CLI_RAW] = {"-r", "--raw", NULL, "print a string without quotes"},
    [CLI_CANONICAL] = {"-c", "--canonical", NULL,
                       "print the canonical form (RFC 8785)"},
    /* A presigned URL is a credential: hence "-". */
    [CLI_URL] = {"", "--url", "URL",
                 "the presigned URL; - reads it from standard input"},
    /* DIR is a dataset of a port: ports/input/NAME, for example. */
    [CLI_FOLDER] = {"-o", "--out-dir", "DIR",
                    "write DIR/dataset/{location.txt,credentials.bin}"},
    /* The one thing that `credentials check` sends. */
    [CLI_ONLINE] = {"", "--online", NULL, "also ask the storage for a byte"},
    /* Instead of the system's authorities, not besides them. */
    [CLI_CACERT] = {"", "--cacert", "FILE",
                    "trust the certificate authorities in FILE (PEM)"},
    /* Bytes in either direction count; a slow transfer is not given up. */
    [CLI_STALL] = {"", "--stall", "S",
                   "give a transfer up after S seconds without a byte "
                   "(default 60)"},
    /* unix and vsock are sockets on which a proxy speaks CONNECT. */
    [CLI_PROXY] = {"", "--proxy", "URL",
                   "go through http://HOST:PORT, unix://PATH or "
                   "vsock://CID:PORT"},
    [CLI_CONNECT] = {"", "--connect-timeout", "S",
                     "give a connection up after S seconds (default 30)"},
    /* Retries and waits count, too. */
    [CLI_MAX_TIME] = {"", "--max-time", "S",
                      "give everything up after S seconds (default: never)"},
    /* What is off by default is switched on one by one: there is no option
     * that means all three. */
    [CLI_ALLOW_HTTP] = {"", "--allow-http", NULL,
                        "allow http:// locations, unencrypted"},
    [CLI_ALLOW_FILE] = {"", "--allow-file", NULL,
                        "allow file:// locations on this machine"},
    [CLI_ALLOW_NET] = {"", "--allow-net", NULL,
                       "let the application use the network"},
    /* Version 4 is the default, whatever the region. */
    [CLI_SIGV2] = {"", "--sigv2", NULL,
                   "sign with Signature Version 2, as old regions accept it"},
    /* Goes before keys in the environment, as with AWS's tools. */
    [CLI_PROFILE] = {"", "--profile", "NAME",
                     "whose keys (default: AWS_PROFILE, default)"},
    /* Part of what is signed: a wrong one is refused by the store only. */
    [CLI_REGION] = {"", "--region", "REGION",
                    "the bucket's region (default: AWS_REGION, the profile, "
                    "us-east-1)"},
    /* As botocore's endpoint_url. */
    [CLI_ENDPOINT] = {"", "--endpoint-url", "URL",
                      "an S3 server other than AWS's"},
    /* Decides the host name, and so what Version 4 signs. */
    [CLI_ADDRESSING] = {"", "--addressing", "virtual|path|auto",
                        "where the bucket goes, as botocore's "
                        "addressing_style (default: the regional host)"},
    /* May be repeated; sig_query_extra has the limit, 64. */
    [CLI_QUERY] = {"", "--query", "NAME=VALUE",
                   "sign another query parameter, VALUE as it is"},
    /* It is decoded before anything else: a '%' in a name is %25. */
    [CLI_ENCODED] = {"", "--encoded", NULL,
                     "FILE is percent-encoded, for names no shell can type"},
    /* For tests, and for URLs whose life begins later. */
    [CLI_AT] = {"", "--at", "TIME",
                "sign as of TIME: seconds since 1970, 20130524T000000Z or "
                "2013-05-24T00:00:00Z"},
    /* A name as pandas makes it: the second A is A.1. */
    [CLI_COLUMN] = {"-c", "--column", "COLUMN",
                    "describe COLUMN; may be repeated (default DESCRIPTION)"},
    [CLI_ALL] = {"", "--all", NULL, "describe every column of text"},
    /* At most 100000. */
    [CLI_TOP] = {"", "--top", "N", "also list the N most frequent values"},
    [CLI_PLOT] = {"", "--plot", NULL, "draw their frequencies as bars"},
    /* --json means the same as --format json. */
    [CLI_FORMAT] = {"", "--format", "text|json", "how to print (default text)"},
    /* The default is where the reference's platform puts it. */
    [CLI_PORTS] = {"", "--ports", "DIR",
                   "the ports folder (default "
                   "/opt/fortanix/enclave-os/app-config/rw)"},
    /* One folder's name each: cli_run checks. */
    [CLI_INPUT] = {"", "--input", "PORT", "the inputs' port (default input)"},
    [CLI_OUTPUT] = {"", "--output", "PORT",
                    "the outputs' port (default output)"},
    /* Made where it is missing; what has something in it is refused. */
    [CLI_WORK] = {"", "--work", "DIR",
                  "where the application finds its inputs; must be empty "
                  "(default: input beside the ports folder)"},
    /* Of the application alone; a transfer has --stall. */
    [CLI_TIMEOUT] = {"", "--timeout", "S",
                     "end the application after S seconds (default: never)"},
    /* For array jobs; the engines' own variables do the same. */
    [CLI_SHARD] = {"", "--shard", "I/N",
                   "take the I-th of N shares of the inputs, I from 0 "
                   "(default: the array job's own)"},
};

/* What a command line says. All texts are argv's, which outlives it; the
 * arrays are cli_dispatch's. A command reads its options here and nowhere
 * else, so no global holds one (cli_run_quiet excepted, which a callback
 * needs). */
struct cli {
    const struct cli_command *command;
    const char *value[CLI_OPTIONS];  /* "" for a flag, NULL where not given */
    const char **columns, **queries; /* repeatable ones, in order */
    size_t column_n, query_n;
    char **args; /* the rest */
    int argc;
    char **after; /* what follows "--", NULL where there is no "--" */
};

/* One row of cli_commands. name is one word or two; synopsis and about are
 * for --help and for messages. run gets a command line with as many
 * arguments as the row allows, and returns the exit status. */
struct cli_command {
    const char *name, *synopsis, *about;
    int (*run)(struct cli *c);
    int min_args, max_args;
    unsigned char options[20]; /* enum cli_option, CLI_END at the end */
};

/* Written by cli_on_signal, for `run` alone. Transfers and the application's
 * watch look at it between two steps. */
static volatile sig_atomic_t cli_stop; /* a signal that asks us to end */
static const char *cli_name = "";      /* the command, for messages */

/* --- messages --- */

/* What every message begins with, as in "encflow enc: ". Before a command is
 * known it is "encflow: ". cli_name is the table's text, not argv's. */
static void
cli_prefix(void)
{
    fprintf(stderr, "encflow%s%s: ", cli_name[0] != '\0' ? " " : "", cli_name);
}

/* where, then the position, then what, then why: the parts that err has. The
 * format of every failure: tests/commands.py compares it word for word.
 * encflow json: "-": byte 3: not a JSON value
 * where was escaped by with_where; msg, hint and strerror's text are
 * constants. So neither a secret nor a control character can be in it.
 * Fuzz: fuzz/fuzz_cli.c. Tests: vectors/commands.txt. */
static void
cli_print_err(const ef_err *err)
{
    cli_prefix();
    /* the file, dataset, option or setting */
    if (err->where[0] != '\0')
        fprintf(stderr, "\"%s\": ", err->where);
    /* a JSON member, or when a query expired */
    if (err->place[0] != '\0')
        fprintf(stderr, "%s: ", err->place);
    if (err->line != 0)
        fprintf(stderr, "line %llu: ", (unsigned long long)err->line);
    if (err->at != EF_NOWHERE)
        fprintf(stderr, "byte %llu: ", (unsigned long long)err->at);
    /* a constant, always: no text of the input */
    fputs(err->msg != NULL ? err->msg : "failed", stderr);
    /* a count or an HTTP status that msg speaks of */
    if (err->detail != 0)
        fprintf(stderr, " %ld", err->detail);
    if (err->sys != 0)
        fprintf(stderr, ": %s", strerror(err->sys));
    fputc('\n', stderr);
    /* a line of its own, last: what the user can do */
    if (err->hint != NULL)
        fprintf(stderr, "hint: %s\n", err->hint);
}

/* Report a failure; the exit status. A command that fails says so here,
 * once, as its last act.
 * Pre: err was filled by reject() or one of its kind. */
static int
cli_fail(const ef_err *err)
{
    cli_print_err(err);
    return ef_exit_status(err->code);
}

/* Says msg, then what (escaped, in quotes) unless it is NULL, and how to get
 * help; returns the exit status, 2.
 * UNTRUSTED: what (an argument). Of a URL in the wrong place its query and
 * password are not shown: with_where sees to it.
 * Fuzz: fuzz/fuzz_cli.c. Tests: tests/data.bats ("a command line that is
 * wrong", "a URL in the wrong place"). */
static int
cli_usage(const char *msg, const char *what)
{
    cli_prefix();
    fputs(msg, stderr);
    if (what != NULL) {
        /* only for its escaping: no error is reported by it */
        ef_err e = {0};

        with_where(&e, EF_E_USAGE, slice_str(what));
        fprintf(stderr, " \"%s\"", e.where);
    }
    /* the command's own help, where it is known which */
    fprintf(stderr, "\nhint: encflow %s%s--help\n", cli_name,
            cli_name[0] != '\0' ? " " : "");
    return ef_exit_status(EF_E_USAGE);
}

/* What -v tells, on stderr. What goes in is public: paths, a profile's name,
 * an access key id; never a key, a query or plaintext.
 * Tests: tests/data.bats ("-v explains, without a secret"). */
static void __attribute__((format(printf, 2, 3)))
cli_say(const struct cli *c, const char *format, ...)
{
    char text[EF_WHERE_BYTES];
    ef_err e = {0};
    va_list ap;

    if (c->value[CLI_VERBOSE] == NULL)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    /* names may hold what a terminal obeys: only for its escaping */
    with_where(&e, EF_E_USAGE, slice_str(text));
    cli_prefix();
    fprintf(stderr, "%s\n", e.where);
}

/* A number option's value, or fallback. 0 (and a message) when it is bad: no
 * number, or not from lo to hi. The caller then returns 2.
 * UNTRUSTED: the value. "8" and "008" are 8; "+8", " 8", "8s" and 13 digits
 * are bad, since slice_number says -1 and lo is never below 0.
 * Fuzz: fuzz/fuzz_cli.c. Tests: vectors/commands.txt (enc-threads,
 * describe-top, run-timeout). */
static int
cli_number(const struct cli *c, enum cli_option o, long lo, long hi,
           long fallback, long *out)
{
    const char *text = c->value[o];
    int64_t v;

    *out = fallback;
    if (text == NULL)
        return 1;
    /* -1 for what is no number: below any lo */
    v = slice_number(slice_str(text));
    if (v < lo || v > hi) {
        cli_prefix();
        fprintf(stderr, "%s takes a number from %ld to %ld\n",
                cli_spellings[o].name, lo, hi);
        return 0;
    }
    /* between lo and hi, so it fits a long of any size */
    *out = (long)v;
    return 1;
}

/* --- signals --- */

/* `run` alone: note the signal and go on. Async-signal-safe. store_run,
 * run_watch and run_application look at the flag, end what is under way, and
 * the work folder is emptied. Of two signals the later is raised at the end. */
static void
cli_on_signal(int sig)
{
    cli_stop = sig;
}

/* A signal's wish is granted where the work can be undone first (run); else
 * the process just ends, after a temporary name is gone. Async-signal-safe.
 * Memory is the kernel's to clear.
 * Tests: tests/atomic.bats ("a signal while the input is still coming leaves
 * nothing behind"). */
static void
cli_on_signal_now(int sig)
{
    file_strays_remove();
    /* so that the parent sees the signal itself, not a status */
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

/* Handlers for the signals that are sent to end a process. orderly: `run`,
 * which has plaintext to remove first, and `put` while it sends: its parts are
 * stored somewhere else. Otherwise the handler raises the signal again while it
 * runs: SA_NODEFER. SIGKILL cannot be caught; encflow(1) tells what it leaves.
 * Tests: tests/run.bats ("ended by a signal while the application runs"),
 * tests/atomic.bats. */
static void
cli_signals(int orderly)
{
    static const int wanted[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGALRM,
                                 SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
    struct sigaction old;
    struct sigaction act = {.sa_handler =
                                orderly ? cli_on_signal : cli_on_signal_now};
    size_t i;

    /* a parent may hand down that it is ignored: then no child's status would
     * be told, neither that an output was replaced nor how it ended */
    (void)signal(SIGCHLD, SIG_DFL);
    if (!orderly)
        /* so that raise ends it within the handler, not after it */
        act.sa_flags = SA_NODEFER;
    /* not SIGPIPE, which cli_harden ignores, nor faults: those are bugs,
     * and end us as they are */
    for (i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (sigaction(wanted[i], NULL, &old) == 0 &&
            old.sa_handler != SIG_IGN) /* as nohup asks */
            (void)sigaction(wanted[i], &act, NULL);
}

/* --- progress --- */

/* One line on a terminal for one piece of long work. base comes first:
 * cli_tick gets its address and knows the rest behind it. */
struct cli_progress {
    struct ef_progress base;
    int64_t start, last; /* clock_ms; 0: not begun */
    int wanted, shown;   /* may be shown; has been */
};

/* n bytes as a person reads them; returns text, which is the caller's.
 * 1023 -> "1023 B", 1536 -> "1.5 KiB". TiB is the last unit, so that what is
 * larger has more digits instead; 2^64 is "16777216.0 TiB", which still
 * fits.
 * Fuzz: fuzz/fuzz_cli.c. */
static const char *
cli_size(char text[16], double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;

    while (n >= 1024 && i < 4) {
        n /= 1024;
        i++;
    }
    snprintf(text, 16, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
    return text;
}

/* Nothing in the first second; then a line that is written over, five times
 * a second at most. What is quick shows nothing at all.
 * Pre: base is the first member of a struct cli_progress, which the cast
 * takes it for. total is 0 where it is not known.
 * Tests: tests/data.bats ("progress: on a terminal after a second"). */
static void
cli_tick(struct ef_progress *base, uint64_t done, uint64_t total)
{
    struct cli_progress *p = (struct cli_progress *)base;
    int64_t now = clock_ms();
    double rate;
    char a[16], b[16];

    /* the clock starts with the first bytes, not with the options */
    if (p->start == 0)
        p->start = p->last = now;
    /* milliseconds of a clock that only goes forward */
    if (now - p->start < 1000 || now - p->last < 200)
        return;
    p->last = now;
    p->shown = 1;
    /* at least a second has passed: no division by 0 */
    rate = (double)done / ((double)(now - p->start) / 1000);
    fprintf(stderr, "\r%s, %s/s", cli_size(a, (double)done), cli_size(b, rate));
    /* without a total nobody knows what is left; 0 bytes a second is for
     * ever */
    if (total > done && rate > 0)
        fprintf(stderr, ", %.0f s left", (double)(total - done) / rate);
    /* over what a longer line before has left */
    fputs("   ", stderr);
}

/* A progress line where there is a terminal and nobody said -q; else NULL,
 * which pumps and transfers take for "tell nobody". stdout does not matter:
 * progress is on stderr.
 * Post: p is good for cli_progress_at and cli_progress_end either way. */
static struct ef_progress *
cli_progress(struct cli_progress *p, const struct cli *c)
{
    *p = (struct cli_progress){.base = {cli_tick}};
    p->wanted = isatty(STDERR_FILENO) && c->value[CLI_QUIET] == NULL;
    return p->wanted ? &p->base : NULL;
}

/* For the loops of this section, which have no pointer that may be NULL. */
static void
cli_progress_at(struct cli_progress *p, uint64_t done, uint64_t total)
{
    if (p->wanted)
        cli_tick(&p->base, done, total);
}

/* Clears the line (ECMA-48 EL), before a message or the shell's prompt is
 * written over it. Nothing was shown: nothing is written. */
static void
cli_progress_end(const struct cli_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

/* --- output --- */

/* Standard output is a terminal and nobody said --force. A terminal shows a
 * secret to whoever stands behind, keeps it in its scrollback, and obeys
 * control characters. */
static int
cli_guarded(const struct cli *c)
{
    return isatty(STDOUT_FILENO) && c->value[CLI_FORCE] == NULL;
}

/* what: the thing that is secret or binary. Returns the exit status, 2.
 * Nothing has been written then, but for text that came before a control
 * character (cli_drain).
 * Tests: tests/data.bats ("nothing secret or binary goes to a terminal
 * without --force"). */
static int
cli_refuse_terminal(const char *what)
{
    cli_prefix();
    fprintf(stderr,
            "%s is not written to a terminal\n"
            "hint: name a file, use a pipe, or say --force\n",
            what);
    return ef_exit_status(EF_E_USAGE);
}

/* Bytes that a terminal would obey: C0 but for blanks, DEL, and C1 (which is
 * C2 80 to C2 9F in UTF-8). A sequence such as ESC ] could otherwise rewrite
 * what is on the screen, or type into it.
 * UNTRUSTED: p (an application's output, a JSON string, a table's values).
 * Fuzz: fuzz/fuzz_cli.c. Tests: vectors/commands.txt (json-terminal,
 * result-terminal). */
static int
cli_has_control(const unsigned char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        /* line ends and tabs move the cursor, no more */
        if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t' && p[i] != '\r') ||
            p[i] == 0x7f || is_c1(slice(p + i, n - i)))
            return 1;
    return 0;
}

/* Standard output as a buffer's drain; why it failed, for cli_stdout_end.
 * guarded: it is a terminal without --force. refused: a control character
 * was met, and err says nothing. */
struct cli_sink {
    int guarded, refused;
    unsigned char last; /* byte of the piece before */
    ef_err err;
};

/* One is enough: a command has one standard output. Static, because the
 * buffer that points to it is returned by value. */
static struct cli_sink cli_sink;

/* ef_buf's drain to standard output; not 0: it failed, and the sink knows
 * why. A piece for a terminal is looked at before a byte of it is written.
 * Fails: a control character on a terminal; a write that failed. ef_buf then
 * adds and drains no more. */
static int
cli_drain(void *ctx, const unsigned char *p, size_t n)
{
    struct cli_sink *sink = ctx;
    unsigned char seam[2] = {sink->last, n > 0 ? p[0] : 0};

    /* a character may stand across the end of the piece before */
    sink->refused = sink->guarded &&
                    (cli_has_control(p, n) || is_c1(slice(seam, sizeof seam)));
    sink->last = n > 0 ? p[n - 1] : sink->last;
    return sink->refused ||
           file_write_full(STDOUT_FILENO, p, n, &sink->err) != EF_OK;
}

/* A buffer whose contents go to standard output as they come; what a
 * terminal would obey does not go to one. It holds 64 KiB at most, however
 * long the text.
 * Post: cli_stdout_end or ef_buf_free ends it; only the former writes what
 * is left. Two at a time would share a sink. */
static ef_buf
cli_stdout(const struct cli *c)
{
    cli_sink = (struct cli_sink){.guarded = cli_guarded(c)};
    return (ef_buf){.drain = cli_drain, .ctx = &cli_sink};
}

/* Write the rest and free it; the exit status. The text may hold plaintext
 * or a URL: ef_buf_free wipes it.
 * Fails: 2 for a control character, 1 for a write that failed or no memory.
 * Tests: tests/atomic.bats ("a full, closed or deaf standard output"). */
static int
cli_stdout_end(ef_buf *b)
{
    /* a short text has not been drained at all yet */
    int failed = b->failed || (b->n > 0 && b->drain(b->ctx, b->p, b->n) != 0);

    ef_buf_free(b);
    if (!failed)
        return 0;
    /* a byte of it may stand behind 64 KiB that were harmless */
    if (cli_sink.refused)
        return cli_refuse_terminal("text with control characters");
    /* the buffer failed, not its drain: that is memory */
    if (cli_sink.err.msg == NULL)
        (void)reject_memory(&cli_sink.err);
    with_file(&cli_sink.err, cli_sink.err.code, NULL);
    return cli_fail(&cli_sink.err);
}

/* Seconds since 1970, UTC. The machine's clock is believed: what ends by it
 * is the store's to judge in the end. */
static int64_t
cli_now(void)
{
    return (int64_t)time(NULL);
}

/* --- keygen, enc, dec --- */

/* The key is in secret memory and nowhere else but where it is written. A
 * file is 0600 and replaces no other without --force.
 * In order: the terminal, memory, the kernel's random bytes, the file. A
 * failure leaves no file and an older one untouched (file_write).
 * Secret: s, key and hex digits, freed on every path. The digits are written
 * by file_write itself, past stdio, whose buffer nobody wipes.
 * Fails: 2 for a terminal; 1 without random bytes, memory, or a place to
 * write to, and where the file exists.
 * Tests: tests/data.bats (keygen), tests/secrets.bats ("keygen keeps nothing
 * of the key"). */
static int
cli_keygen(struct cli *c)
{
    struct keygen_secret {
        unsigned char key[EF_KEY_BYTES];
        char hex[EF_KEY_HEX_BYTES];
    } *s = ef_secret_alloc(sizeof *s, NULL);
    ef_err err = {0};
    ef_status rc = EF_OK;
    int flags = FILE_SECRET |
                (c->value[CLI_FORCE] != NULL ? 0 : FILE_KEEP | FILE_BINARY);

    if (file_is_std(c->value[CLI_KEY_OUT]) && cli_guarded(c)) {
        ef_secret_free(s, sizeof *s);
        return cli_refuse_terminal("a key");
    }
    if (s == NULL)
        rc = reject_memory(&err);
    /* flags 0: waits at boot until the kernel's generator is seeded */
    else if (getrandom(s->key, sizeof s->key, 0) != (ssize_t)sizeof s->key)
        rc = reject_sys(&err, EF_E_IO, "the kernel gave no random bytes");
    if (rc == EF_OK) {
        /* upper case, as the reference writes keys; no newline either */
        ef_hex_encode(s->hex, s->key, sizeof s->key, 1);
        rc = file_write(c->value[CLI_KEY_OUT], flags,
                        slice(s->hex, sizeof s->hex), &err);
    }
    ef_secret_free(s, sizeof *s);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* enc (seal) and dec. Options are checked before the key is read, so that a
 * wrong command line touches no secret and no file.
 * In order: --threads, -K, the terminal, standard input twice; then the key;
 * then crypt_file opens the files.
 * Secret: key, read here and freed here; crypt_file takes round keys of it.
 * Post: the output is complete, or as it was before. A stream (a pipe, a
 * terminal) has had nothing of a dec that failed, or a true prefix where the
 * file changed meanwhile.
 * Fails: 2 as above; 1, 3, 4 as file_read_key and crypt_file.
 * Tests: tests/data.bats, tests/atomic.bats, vectors/commands.txt. */
static int
cli_crypt(struct cli *c, int seal)
{
    struct cli_progress progress;
    struct crypt_job job = {
        .in = c->value[CLI_IN], .out = c->value[CLI_OUT], .fd = -1};
    unsigned char *key;
    const char *tmpdir = getenv("TMPDIR");
    long threads, cores = sysconf(_SC_NPROCESSORS_ONLN);
    ef_err err = {0};
    ef_status rc;

    /* sysconf may say -1; more than 8 threads wait for the disk */
    cores = cores < 1 ? 1 : cores > PUMP_MAX_THREADS ? PUMP_MAX_THREADS : cores;
    /* it has said why */
    if (!cli_number(c, CLI_THREADS, 1, PUMP_MAX_THREADS, cores, &threads))
        return ef_exit_status(EF_E_USAGE);
    if (c->value[CLI_KEY] == NULL)
        return cli_usage("a key is needed: -K KEYFILE", NULL);
    /* a terminal that has a name is file_is_stream's to refuse */
    if (file_is_std(job.out) && cli_guarded(c))
        return cli_refuse_terminal(seal ? "ciphertext" : "plaintext");
    /* the first reader would take the other's bytes */
    if (file_is_std(c->value[CLI_KEY]) && file_is_std(job.in))
        return cli_usage("the key and the data can't both come from standard "
                         "input",
                         NULL);
    key = ef_secret_alloc(EF_KEY_BYTES, NULL);
    job.key = key;
    job.threads = (unsigned)threads;
    job.flags = c->value[CLI_FORCE] != NULL ? 0 : FILE_BINARY;
    /* for ciphertext only (crypt_spool), so any folder will do */
    job.tmpdir = tmpdir != NULL && tmpdir[0] != '\0' ? tmpdir : "/tmp";
    job.progress = cli_progress(&progress, c);
    /* before any output is begun: a bad key leaves nothing to undo */
    rc = key == NULL ? reject_memory(&err)
                     : file_read_key(key, c->value[CLI_KEY], &err);
    cli_say(c, "AES-256-GCM on %s, %ld threads",
            ef_gcm_kernel_name(ef_gcm_kernel_at(0)), threads);
    if (rc == EF_OK)
        rc = crypt_file(&job, seal, &err);
    /* the line goes before a message is printed over it */
    cli_progress_end(&progress);
    ef_secret_free(key, EF_KEY_BYTES);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* Encrypts. A dataset file does not say which file it is, so a key is best
 * used for one (encflow(1), SECURITY CONSIDERATIONS). */
static int
cli_enc(struct cli *c)
{
    return cli_crypt(c, 1);
}

/* Verifies and decrypts. */
static int
cli_dec(struct cli *c)
{
    return cli_crypt(c, 0);
}

/* --- base64 --- */

#define CLI_BASE64_PIECE 49152 /* a multiple of 3 and of 4 */

/* One line without wrapping, and a newline. "foobar" -> "Zm9vYmFy\n"; no
 * input -> "\n". Every piece but the last is a multiple of 3 bytes, so that
 * padding stands at the end alone (RFC 4648 section 4).
 * Secret: perhaps, in raw and text: static, because they are large, and
 * wiped at the end.
 * Fails: EF_E_IO, reading (err names from) or writing (err names nothing).
 * Tests: tests/data.bats ("base64 is coreutils' base64 -w0"),
 * tests/secrets.bats. */
static ef_status
cli_base64_encode(int in, const char *from, int out, struct cli_progress *p,
                  ef_err *err)
{
    static unsigned char raw[CLI_BASE64_PIECE];
    static char text[EF_BASE64_BYTES(CLI_BASE64_PIECE)];
    uint64_t done = 0;
    ef_status rc = EF_OK;
    ssize_t n;

    while (rc == EF_OK && (n = file_read_full(in, raw, sizeof raw)) != 0) {
        if (n < 0) {
            rc = with_file(err, reject_sys(err, EF_E_IO, "cannot read"), from);
            break;
        }
        ef_base64_encode(text, raw, (size_t)n);
        rc = file_write_full(out, text, EF_BASE64_BYTES((size_t)n), err);
        /* n is short only at the end: file_read_full fills a piece */
        cli_progress_at(p, done += (uint64_t)n, 0);
    }
    ef_wipe(raw, sizeof raw);
    ef_wipe(text, sizeof text);
    return rc == EF_OK ? file_write_full(out, "\n", 1, err) : rc;
}

/* Decoding a stream: quads may be split by blanks and by pieces. text has
 * the characters without blanks, those held from the piece before first; at
 * most three are, hence + 4.
 * Secret: perhaps, in raw and text; cli_base64_decode wipes all of it. */
struct cli_base64 {
    unsigned char raw[CLI_BASE64_PIECE], text[CLI_BASE64_PIECE + 4];
    uint64_t where[4]; /* offsets in the input of the characters held */
    size_t held;       /* characters of an unfinished quad in text */
    uint64_t seen;     /* bytes read before raw */
    int ended;         /* padding was seen: nothing may follow */
};

/* Offset in the input of the k-th character that is in text; raw has n
 * bytes. Blanks were dropped on the way there, so that it is found by
 * counting again: only for a message, and for the three characters that are
 * held.
 * "Zg=\n=": k 3 -> 4. k behind the last character -> the input's size so
 * far.
 * Pre: raw, where and held are still those of this piece. */
static uint64_t
cli_base64_where(const struct cli_base64 *b, size_t n, size_t k)
{
    size_t i, left = k - b->held;

    /* left wraps around here, and is not used */
    if (k < b->held)
        return b->where[k];
    for (i = 0; i < n; i++)
        /* ends at n where k is behind the last: the offset of the end */
        if (!is_blank_byte(b->raw[i]) && left-- == 0)
            break;
    return b->seen + i;
}

/* Decode what raw's n bytes complete, and write it; last: there are no more.
 * raw comes from anybody, but only ef_base64_decode judges it
 * (fuzz/fuzz_base64.c).
 * Pre: n <= sizeof raw; held <= 3: text has room for both.
 * Post: fewer than four characters are held, with their offsets.
 * Fails: EF_E_FORMAT at the offset in the input; EF_E_IO. What decoded
 * before a bad character in the same piece is not written.
 * Tests: tests/data.bats ("base64 -d is strict and names the byte"),
 * vectors/commands.txt (base64-goes-on). */
static ef_status
cli_base64_piece(struct cli_base64 *b, size_t n, int last, int out, ef_err *err)
{
    size_t i, have = b->held, use, done = 0;
    uint64_t where[4];
    ef_status rc = EF_OK;

    for (i = 0; i < n; i++)
        if (!is_blank_byte(b->raw[i]))
            b->text[have++] = b->raw[i];
    /* at the end an unfinished quad is an error for the decoder to find */
    use = last ? have : have / 4 * 4;
    /* also where padding ended the piece before: there is nothing to
     * decode that would notice */
    if (b->ended && have > 0)
        rc = reject(err, EF_E_FORMAT, 0, "base64 goes on after its padding");
    else if (use > 0)
        rc = ef_base64_decode(b->text, &done, slice(b->text, use), err);
    /* from an offset in text to one in the input */
    if (rc != EF_OK && err->at != EF_NOWHERE)
        err->at = cli_base64_where(b, n, (size_t)err->at);
    if (rc != EF_OK)
        return rc;
    /* fewer bytes than three a quad: there was padding */
    b->ended |= done < use / 4 * 3;
    rc = file_write_full(out, b->text, done, err);
    for (i = use; i < have; i++)
        /* worked out before text moves; into b->where only then, since it is
         * read */
        where[i - use] = cli_base64_where(b, n, i);
    memmove(b->text, b->text + use, have - use); /* fewer than four */
    memcpy(b->where, where, (have - use) * sizeof where[0]);
    b->held = have - use;
    b->seen += n;
    return rc;
}

/* The whole stream, a piece at a time, then a piece of none, which tells
 * cli_base64_piece that it was the last.
 * Secret: b may hold some, and is wiped; static, because it is large.
 * Fails: EF_E_FORMAT, EF_E_IO as cli_base64_piece. What was decoded before
 * has been written to out: the caller takes it back where it can. */
static ef_status
cli_base64_decode(int in, const char *from, int out, struct cli_progress *p,
                  ef_err *err)
{
    static struct cli_base64 b;
    ef_status rc = EF_OK;
    ssize_t n = 1;

    while (rc == EF_OK && n > 0) {
        n = file_read_full(in, b.raw, sizeof b.raw);
        if (n < 0)
            rc = with_file(err, reject_sys(err, EF_E_IO, "cannot read"), from);
        else
            rc = cli_base64_piece(&b, (size_t)n, n == 0, out, err);
        cli_progress_at(p, b.seen, 0);
    }
    /* also what a failure left in it */
    ef_wipe(&b, sizeof b);
    return rc;
}

/* Encode, or decode with -d. When decoding fails half way, a file is left as
 * it was; a pipe has had what came before.
 * In order: the terminal, the input, the output. The output is begun only
 * after the input was opened, so a missing file creates nothing.
 * Fails: 2 for decoded bytes to a terminal; 1 for I/O; 4 for what is no
 * base64.
 * Tests: tests/data.bats (base64), vectors/commands.txt (base64-*). */
static int
cli_base64(struct cli *c)
{
    int decode = c->value[CLI_DECODE] != NULL, in;
    const char *from = c->value[CLI_IN], *to = c->value[CLI_OUT];
    struct cli_progress progress;
    struct file_out out;
    ef_err err = {0};
    ef_status rc;

    if (decode && file_is_std(to) && cli_guarded(c))
        return cli_refuse_terminal("decoded base64");
    rc = file_open(&in, from, &err);
    if (rc != EF_OK)
        return cli_fail(&err);
    /* a new file's mode is the umask's, as for any text */
    rc = file_out_begin(&out, to,
                        decode && c->value[CLI_FORCE] == NULL ? FILE_BINARY : 0,
                        &err);
    if (rc == EF_OK) {
        /* the pointer is for pumps; here cli_progress_at asks p itself */
        (void)cli_progress(&progress, c);
        rc = decode ? cli_base64_decode(in, from, out.fd, &progress, &err)
                    : cli_base64_encode(in, from, out.fd, &progress, &err);
        cli_progress_end(&progress);
        if (rc == EF_OK)
            rc = file_out_commit(&out, to, &err);
        else
            file_out_abort(&out);
    }
    /* a read that failed has named its file; what is left is a write, or
     * the input's text */
    with_file(&err, rc, err.code == EF_E_IO ? to : from);
    /* standard input stays open: main closes nothing */
    file_close(in);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* --- json --- */

/* The value at node, as the options say: -c before -r, -r for strings only.
 * The canonical form has no newline at its end: it is made to be hashed and
 * signed (RFC 8785).
 * Fails: EF_E_MEMORY; a write that fails shows in out->failed. */
static ef_status
cli_json_print(const ef_json *doc, uint32_t node, const struct cli *c,
               ef_buf *out, ef_err *err)
{
    if (c->value[CLI_CANONICAL] != NULL)
        return ef_json_canonical(doc, node, out, err);
    if (c->value[CLI_RAW] != NULL && doc->nodes[node].type == EF_JSON_STRING)
        /* its own bytes, for a shell to take */
        ef_json_string(doc, node, out);
    else
        /* text of numbers and order of members stay as they are */
        ef_json_print(doc, node, 2, out);
    ef_buf_byte(out, '\n');
    return EF_OK;
}

/* A lone argument is a pointer when it is empty or begins with '/', else a
 * file; of two, the pointer comes first. So "a/b" is a file, and one whose
 * name begins with '/' is named after -in.
 * The document comes from anybody. It is read whole, then checked whole,
 * also where a part is wanted; only ef_json_parse looks into it
 * (fuzz/fuzz_json.c). text is wiped: it may be credentials.
 * Fails: 2 for two files, or a control character to a terminal (-r); 4 for
 * what is no JSON, too large, or has nothing at the pointer; 1 for I/O.
 * Limits: EF_MAX_JSON_BYTES; one more byte is read, to notice. Tests:
 * tests/data.bats (json), tests/secrets.bats ("json keeps nothing"). */
static int
cli_json(struct cli *c)
{
    const char *pointer = "", *file = c->value[CLI_IN];
    unsigned char *text = malloc(EF_MAX_JSON_BYTES + 1);
    size_t n = 0;
    ef_json doc = {0};
    ef_buf out = cli_stdout(c);
    ef_err err = {0};
    uint32_t node = 0;
    ef_status rc;

    /* -in takes the file's place: what is left may be a pointer only */
    if (file != NULL &&
        (c->argc == 2 ||
         (c->argc == 1 && c->args[0][0] != '/' && c->args[0][0] != '\0'))) {
        free(text);
        return cli_usage("two files are named: one with -in, and",
                         c->args[c->argc - 1]);
    }
    if (c->argc == 2 ||
        (c->argc == 1 && (c->args[0][0] == '/' || c->args[0][0] == '\0')))
        /* malformed ones are ef_json_pointer's to refuse */
        pointer = c->args[0];
    if (c->argc == 2 || (c->argc == 1 && pointer != c->args[0]))
        file = c->args[c->argc - 1];
    rc =
        text == NULL
            ? reject_memory(&err)
            : file_read_small(text, EF_MAX_JSON_BYTES + 1, &n, file,
                              "larger than EF_MAX_JSON_BYTES (17825792)", &err);
    if (rc == EF_OK)
        rc = ef_json_parse(&doc, slice(text, n), &err);
    if (rc == EF_OK) {
        /* "", the default, is the whole document (RFC 6901) */
        rc = ef_json_pointer(&doc, &node, slice_str(pointer), &err);
        /* goes before the file's name: the offset is in the pointer */
        with_where(&err, rc, slice_str(pointer));
    }
    if (rc == EF_OK)
        rc = cli_json_print(&doc, node, c, &out, &err);
    with_file(&err, rc, file);
    ef_json_free(&doc);
    /* the nodes are offsets into text: the document goes first */
    if (text != NULL)
        ef_wipe(text, n);
    free(text);
    if (rc == EF_OK)
        return cli_stdout_end(&out);
    ef_buf_free(&out);
    return cli_fail(&err);
}

/* --- credentials --- */

/* The URL given, or read from standard input, where "-" is its name: into
 * buf, trimmed. url is a slice of buf.
 * UNTRUSTED: arg, and what is read. Nothing but the length is checked here.
 * Secret: the URL. buf is the caller's secret memory. An argument stays
 * visible in argv, which is why there is "-".
 * Pre: buf has EF_MAX_LOCATION_BYTES + 1 bytes.
 * Fails: EF_E_LIMIT, EF_E_IO; then url is empty. Fuzz: fuzz/fuzz_cli.c.
 * Tests: vectors/commands.txt (make-url-long, make-url-read-long). */
static ef_status
cli_read_url(unsigned char *buf, ef_slice *url, const char *arg, ef_err *err)
{
    size_t n = strlen(arg);
    ef_status rc = EF_OK;

    if (file_is_std(arg))
        /* white space at its end counts here, as in location.txt */
        rc = file_read_small(buf, EF_MAX_LOCATION_BYTES + 1, &n, NULL,
                             "longer than EF_MAX_LOCATION_BYTES (8192)", err);
    else if (n <= EF_MAX_LOCATION_BYTES)
        memcpy(buf, arg, n);
    else
        rc = reject(err, EF_E_LIMIT, EF_MAX_LOCATION_BYTES,
                    "longer than EF_MAX_LOCATION_BYTES (8192)");
    *url = rc == EF_OK ? slice_trim(slice(buf, n)) : slice(buf, 0);
    return rc;
}

/* mkdir -p; folders of credentials are the owner's alone. "a/b" makes "a",
 * then "a/b". What exists stays as it is, its mode too.
 * Fails: EF_E_USAGE for "" or a name longer than a path can be; EF_E_IO,
 * naming the folder that could not be made. Those made before it stay.
 * Tests: vectors/commands.txt (make-folder-long, make-folder-file). */
static ef_status
cli_make_folder(const char *path, ef_err *err)
{
    char part[PATH_MAX];
    size_t i, n = strlen(path);

    if (n == 0 || n >= sizeof part)
        return with_file(
            err, reject(err, EF_E_USAGE, EF_NOWHERE, "not a folder's name"),
            path);
    /* from 1: the root need not be made */
    for (i = 1; i <= n; i++) {
        /* at each '/', and at the end */
        if (path[i] != '/' && path[i] != '\0')
            continue;
        /* i <= n < sizeof part: the NUL fits */
        memcpy(part, path, i);
        part[i] = '\0';
        /* a file of that name is EEXIST, too: the next step meets it as
         * ENOTDIR */
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return with_file(
                err, reject_sys(err, EF_E_IO, "cannot make this folder"), part);
    }
    return EF_OK;
}

/* folder/dataset with its two files. credentials.bin goes first: where it
 * may not be replaced, location.txt is not touched either. Each appears
 * whole or not at all; a failure between them leaves the first.
 * Secret: json, the key and the query; credentials.bin is 0600 from its
 * first byte. location.txt has the umask's mode: it is public.
 * Fails: EF_E_USAGE, EF_E_IO as cli_make_folder and file_write.
 * Tests: tests/data.bats ("credentials make -o writes location.txt"). */
static ef_status
cli_write_dataset(const char *folder, ef_slice location, ef_slice json,
                  int flags, ef_err *err)
{
    ef_buf path = {0};
    size_t n;
    ef_status rc;

    ef_buf_str(&path, folder);
    ef_buf_str(&path, "/dataset");
    /* where the two names begin to differ; room for the longer one at once,
     * so that memory cannot run out between the files */
    n = path.n;
    ef_buf_str(&path, "/credentials.bin");
    rc = file_end_name(&path, err);
    path.n = n;
    if (rc == EF_OK)
        rc = cli_make_folder(buf_cstr(&path), err);
    ef_buf_str(&path, "/credentials.bin");
    if (rc == EF_OK)
        rc = file_write(buf_cstr(&path), FILE_SECRET | flags, json, err);
    path.n = n;
    ef_buf_str(&path, "/location.txt");
    if (rc == EF_OK)
        /* replaced also without --force: with no credentials.bin beside it,
         * an old one belonged to nothing */
        rc = file_write(buf_cstr(&path), 0, location, err);
    ef_buf_free(&path);
    return rc;
}

/* Check, then write or print; key and url are secret. A URL is cut at its
 * first '?': what stands before is the location, what follows the query. A
 * file has no query, so that its name may have a '?'.
 * https://b.s3.amazonaws.com/k?X-Amz-... -> location
 * "https://b.s3.amazonaws.com/k", query_string "X-Amz-..." in base64
 * Secret: json holds both; it is wiped when freed.
 * Fails: EF_E_FORMAT, EF_E_LIMIT naming --url, never its text; EF_E_IO,
 * EF_E_MEMORY. Tests: tests/data.bats ("refuses a URL that could smuggle
 * something"). */
static ef_status
cli_make(const struct cli *c, const unsigned char *key, ef_slice url,
         ef_err *err)
{
    ef_slice location =
        slice_has_prefix(url, "file:") ? url : store_public(url);
    /* empty where there is no '?': never past the end */
    ef_slice query = slice_from(url, location.n + 1);
    ef_buf json = {0};
    ef_scheme scheme;
    ef_status rc = ef_location_check(&scheme, location, err);

    if (rc == EF_OK)
        rc = cred_query_check(query, err);
    /* not the URL: it is a credential */
    with_where(err, rc, slice_str("--url"));
    if (rc != EF_OK)
        return rc;
    ef_credentials_print(&json, key, query);
    rc = buf_status(&json, err);
    /* to files the document goes as json.dumps has it: no newline */
    if (rc == EF_OK && c->value[CLI_FOLDER] != NULL) {
        rc =
            cli_write_dataset(c->value[CLI_FOLDER], location, buf_slice(&json),
                              c->value[CLI_FORCE] != NULL ? 0 : FILE_KEEP, err);
    } else if (rc == EF_OK) {
        ef_buf_byte(&json, '\n');
        /* past stdio: its buffer would keep a copy */
        rc = file_write_full(STDOUT_FILENO, json.p, json.n, err);
    }
    ef_buf_free(&json);
    return rc;
}

/* In order: both options are there, not both from standard input, the
 * terminal; then the key, then the URL; nothing is written before all of it
 * was found good.
 * Key and URL are secret. Other users of the machine can see an argument;
 * what --url - reads they cannot.
 * Secret: s, freed on every path behind its allocation.
 * Fails: 2 as above; 4 for a bad key or URL; 1 for I/O.
 * Tests: tests/data.bats (credentials make), tests/secrets.bats. */
static int
cli_credentials_make(struct cli *c)
{
    struct make_secret {
        unsigned char key[EF_KEY_BYTES], url[EF_MAX_LOCATION_BYTES + 1];
    } * s;
    ef_slice url;
    ef_err err = {0};
    ef_status rc;

    if (c->value[CLI_URL] == NULL || c->value[CLI_KEY] == NULL)
        return cli_usage("both are needed: --url URL and -K KEYFILE", NULL);
    if (file_is_std(c->value[CLI_URL]) && file_is_std(c->value[CLI_KEY]))
        return cli_usage("the key and the URL can't both come from standard "
                         "input",
                         NULL);
    /* the document has the key in it */
    if (c->value[CLI_FOLDER] == NULL && cli_guarded(c))
        return cli_refuse_terminal("a key");
    s = ef_secret_alloc(sizeof *s, NULL);
    rc = s == NULL ? reject_memory(&err)
                   : file_read_key(s->key, c->value[CLI_KEY], &err);
    if (rc == EF_OK)
        /* behind the key: no URL is asked of a terminal for a bad key file */
        rc = cli_read_url(s->url, &url, c->value[CLI_URL], &err);
    if (rc == EF_OK)
        rc = cli_make(c, s->key, url, &err);
    ef_secret_free(s, sizeof *s);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* The dataset at path: a credentials file, or a folder that has one (with or
 * without "dataset" in between), which also knows its location. DIR/dataset
 * is tried first, so that what `credentials make -o DIR` wrote is found as
 * DIR.
 * Secret: d->cred and d->url, which are run_port_free's, also after failure.
 * Fails: EF_E_IO, and what run_dataset_read or run_read_credentials refuses;
 * their bytes come from anybody, and fuzz/fuzz_ports.c and
 * fuzz/fuzz_credentials.c reach what looks into them.
 * Tests: tests/data.bats ("credentials check takes the credentials file
 * alone"). */
static ef_status
cli_load_dataset(struct run_dataset *d, const char *path, int *has_location,
                 ef_err *err)
{
    struct stat st;
    ef_buf folder = {0};
    ef_status rc;

    /* what is missing is taken for a file, and file_open tells why it
     * fails */
    *has_location = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    ef_buf_str(&folder, path);
    if (!*has_location) {
        int fd;

        /* not file_open_regular: here a pipe is what the user asked for */
        rc = file_open(&fd, path, err);
        if (rc == EF_OK)
            rc = run_read_credentials(d, fd, path, err);
    } else {
        ef_buf_str(&folder, "/dataset");
        if (stat(buf_cstr(&folder), &st) != 0 && !folder.failed)
            folder.n -= strlen("/dataset");
        rc = buf_status(&folder, err);
        /* the same rules as in `run`, so that its answer is the same */
        if (rc == EF_OK)
            rc = run_dataset_read(d, buf_cstr(&folder), err);
    }
    /* where nothing further in has named a file */
    with_where(err, rc, buf_slice(&folder));
    ef_buf_free(&folder);
    return rc;
}

/* Connections of this process, closed by cli_main. */
static struct store_net cli_net;

/* How often a request may be tried: AWS's own variable. 0 (and a message)
 * where it is no such number; unset is the default.
 * "3", "03" are 3; "20" is 10; "0", "three" are refused. */
static int
cli_attempts(unsigned *out)
{
    const char *text = getenv("AWS_MAX_ATTEMPTS");
    int64_t n = text != NULL && text[0] != '\0' ? slice_number(slice_str(text))
                                                : HTTP_ATTEMPTS;

    /* more would wait for minutes; AWS's tools take any number */
    *out = n < HTTP_MAX_ATTEMPTS ? (unsigned)n : HTTP_MAX_ATTEMPTS;
    if (n >= 1)
        return 1;
    (void)cli_usage("AWS_MAX_ATTEMPTS takes a number from 1 on, not", text);
    return 0;
}

/* What transfers may do: https always; http and file only where their
 * options say so. A signal ends a transfer through cli_stop. 0, or an exit
 * status after a message.
 * Pre: c outlives *o, which points to --cacert's and --proxy's values.
 * Fails:   2. Nothing is opened: the proxy's address is only kept.
 * Tests: vectors/commands.txt, tests/network.bats. */
static int
cli_store_opts(const struct cli *c, struct store_opts *o)
{
    ef_err err = {0};
    long max;

    *o = (struct store_opts){.schemes = EF_SCHEME_HTTPS,
                             .cacert = c->value[CLI_CACERT],
                             .net = &cli_net,
                             .stop = &cli_stop};
    /* NULL, too, for commands that do not take the option */
    if (c->value[CLI_ALLOW_HTTP] != NULL)
        o->schemes |= EF_SCHEME_HTTP;
    if (c->value[CLI_ALLOW_FILE] != NULL)
        o->schemes |= EF_SCHEME_FILE;
    if (!cli_number(c, CLI_STALL, 1, 86400, 60, &o->stall_sec) ||
        !cli_number(c, CLI_CONNECT, 1, 86400, HTTP_CONNECT_SEC,
                    &o->connect_sec) ||
        !cli_number(c, CLI_MAX_TIME, 1, 31536000, 0, &max) ||
        !cli_attempts(&o->attempts))
        return ef_exit_status(EF_E_USAGE);
    /* from now on: keys that are asked for count, too */
    o->deadline = max > 0 ? clock_ms() + max * 1000 : 0;
    if (c->value[CLI_PROXY] != NULL &&
        http_proxy_parse(&o->proxy, c->value[CLI_PROXY], &err) != EF_OK)
        return cli_fail(&err);
    return 0;
}

/* Ask for one byte of the object: does the storage accept the URL? An HTTP
 * status of failure is the answer no. For a URL that uploads this fails even
 * where it is good: it was signed for another method.
 * Secret: d->url, which store_run sends and does not show.
 * Fails: EF_E_NETWORK, EF_E_POLICY (a redirect), EF_E_IO.
 * Tests: vectors/commands.txt (check-online-file), tests/data.bats. */
static ef_status
cli_try_online(const struct store_opts *o, const struct run_dataset *d,
               ef_err *err)
{
    struct store_job job = {.url = d->url, .probe = 1};
    ef_status rc = store_run(&job, 1, 1, o);

    (void)store_first_error(&job, 1, rc, err);
    return with_where(err, rc, store_public(buf_slice(&d->location)));
}

/* Host and port of an https or http location, for vsock-proxy's list.
 * Nothing for a file, which needs no proxy.
 * https://b.s3.amazonaws.com/k -> - {address: b.s3.amazonaws.com, port: 443}
 * The location has passed ef_location_check: its host has no character that
 * would end the line or the braces. */
static void
cli_allowlist(ef_buf *out, const struct run_dataset *d)
{
    ef_slice url = buf_slice(&d->location), host;
    int64_t port;

    /* behind "https://" or "http://" */
    url = slice_from(url, d->scheme == EF_SCHEME_HTTPS ? 8 : 7);
    if (d->scheme == EF_SCHEME_FILE ||
        /* up to the path, or the query of a URL without one */
        url_authority(slice(url.p, slice_find(store_public(url), '/')), &host,
                      &port, NULL) != EF_OK)
        /* out stays empty: there will be no line */
        return;
    ef_buf_str(out, "- {address: ");
    if (host.n > 2 && host.p[0] == '[') { /* IPv6: YAML has uses for [ and : */
        ef_buf_byte(out, '"');
        ef_buf_add(out, host.p + 1, host.n - 2);
        ef_buf_byte(out, '"');
    } else {
        ef_buf_add(out, host.p, host.n);
    }
    /* 0: none was named, so it is the scheme's own */
    buf_printf(out, ", port: %d}",
               port != 0                      ? (int)port
               : d->scheme == EF_SCHEME_HTTPS ? 443
                                              : 80);
}

/* What is known, a line each. allow.n 0: no line for it. Of key and query
 * only size, kind and date are shown, never contents.
 * Through stdio: nothing in it is secret or foreign. expires is a date; a
 * location's host has no control character.
 * Tests: tests/data.bats ("credentials check tells kind, expiry and the
 * allowlist line"). */
static void
cli_check_text(const struct run_dataset *d, const ef_presigned *signature,
               const char *expires, ef_slice allow, int online)
{
    printf("key: %d bytes\n", EF_KEY_BYTES);
    if (d->cred->query_n == 0)
        printf("query_string: none, the location is the whole URL\n");
    else
        printf("query_string: %zu bytes, %s\n", d->cred->query_n,
               signature->version == 4   ? "SigV4"
               : signature->version == 2 ? "SigV2"
                                         : "not presigned");
    /* only what is presigned has an end */
    if (signature->version != 0)
        printf("expires: %s%s\n", expires,
               signature->token
                   ? ", or earlier: with the session token it carries"
                   : "");
    if (allow.n > 0)
        printf("allowlist: %.*s\n", (int)allow.n, (const char *)allow.p);
    if (online)
        printf("online: the storage delivers it\n");
}

/* What cli_check_text says, null where there is nothing to say. Returns the
 * exit status. The members are always there, so that a program need not ask
 * for them. */
static int
cli_check_json(const struct cli *c, const struct run_dataset *d,
               const ef_presigned *signature, const char *expires,
               ef_slice allow, int online)
{
    ef_buf out = cli_stdout(c);

    buf_printf(&out,
               "{\"key_bytes\": %d, \"query_bytes\": %zu, "
               "\"signature_version\": %d, \"expires\": ",
               EF_KEY_BYTES, d->cred->query_n, signature->version);
    if (signature->version != 0)
        ef_json_quote(&out, slice_str(expires));
    else
        ef_buf_str(&out, "null");
    buf_printf(&out, ", \"session_token\": %s, \"allowlist\": ",
               signature->token ? "true" : "false");
    if (allow.n > 0)
        ef_json_quote(&out, allow);
    else
        ef_buf_str(&out, "null");
    /* never false: a storage that says no is a failure */
    buf_printf(&out, ", \"online\": %s}\n", online ? "true" : "null");
    return cli_stdout_end(&out);
}

/* The query that will be sent: the credentials', or the location's own.
 * run_url refuses a dataset that has both.
 * Secret: it is a credential: a view into secret memory or d->location. */
static ef_slice
cli_query_of(const struct run_dataset *d)
{
    ef_slice url = buf_slice(&d->location);

    if (d->cred->query_n > 0)
        return slice(d->cred->query, d->cred->query_n);
    return slice_from(url, store_public(url).n + 1);
}

/* In order: the documents themselves, --online without a folder, the query's
 * dates, the scheme, whether it has expired, and last the storage: an
 * expired query is told without asking anybody.
 * A port of one dataset, so that run_port_free wipes it.
 * Secret: d->cred, d->url, d->location: in port until the end.
 * Fails: 1 for files, 2 for --online, 4 for documents and dates, 5 for an
 * expired query or a scheme, 6 for the storage. All is checked before
 * anything is printed.
 * Tests: tests/data.bats (credentials check), vectors/commands.txt
 * (check-*). */
static int
cli_credentials_check(struct cli *c)
{
    struct run_port port = {NULL, 1};
    struct run_dataset *d;
    struct store_opts o;
    ef_presigned signature = {0, 0, 0};
    char expires[EF_TIME_BYTES] = "";
    ef_buf allow = {0};
    ef_err err = {0};
    ef_status rc;
    int has_location = 0, online = c->value[CLI_ONLINE] != NULL;
    int status = cli_store_opts(c, &o);

    if (status != 0)
        return status;
    d = port.set = calloc(1, sizeof *port.set);
    if (d == NULL)
        /* run_port_free then finds nothing to free */
        port.n = 0;
    rc = d == NULL ? reject_memory(&err)
                   : cli_load_dataset(d, c->args[0], &has_location, &err);
    if (rc == EF_OK && online && !has_location)
        rc = with_file(&err,
                       reject(&err, EF_E_USAGE, EF_NOWHERE,
                              "--online needs the dataset's folder, "
                              "which has its location"),
                       c->args[0]);
    if (rc == EF_OK)
        /* d->location is empty for a file alone: then the query is, too */
        rc = ef_presigned_parse(&signature, cli_query_of(d), &err);
    ef_time_format(expires, signature.expires, 0);
    if (rc == EF_OK && has_location)
        rc = store_check_scheme(d->scheme, o.schemes, &err);
    if (rc == EF_OK && signature.version != 0 &&
        signature.expires <= cli_now()) {
        rc = with_hint(&err,
                       reject(&err, EF_E_POLICY, EF_NOWHERE,
                              "the presigned query has expired"),
                       "presign again, and make the credentials again");
        /* shown before the message, where a position would stand */
        snprintf(err.place, sizeof err.place, "expired %s", expires);
    }
    /* last: nothing is sent for what is known to be bad */
    if (rc == EF_OK && online)
        rc = cli_try_online(&o, d, &err);
    if (rc == EF_OK && has_location) {
        cli_allowlist(&allow, d);
        rc = buf_status(&allow, &err);
    }
    with_file(&err, rc, c->args[0]);
    if (rc == EF_OK) {
        if (c->value[CLI_JSON] != NULL)
            status = cli_check_json(c, d, &signature, expires,
                                    buf_slice(&allow), online);
        else
            cli_check_text(d, &signature, expires, buf_slice(&allow), online);
    } else {
        status = cli_fail(&err);
    }
    ef_buf_free(&allow);
    run_port_free(&port);
    return status;
}

/* --- presign --- */

/* botocore's addressing_style; NULL is our own default, the regional host. 0:
 * there is no such style, and *out is the default.
 * "path" -> EF_ADDR_PATH; NULL -> EF_ADDR_REGIONAL, and 1; "dns" -> 0. */
static int
cli_addressing(const char *style, ef_addressing *out)
{
    /* in the order of ef_addressing; "" is our default and has no name */
    static const char *const styles[] = {"", "auto", "virtual", "path"};
    size_t i;

    *out = EF_ADDR_REGIONAL;
    for (i = 1; style != NULL && i < 4; i++)
        if (strcmp(style, styles[i]) == 0)
            *out = (ef_addressing)i;
    return style == NULL || *out != EF_ADDR_REGIONAL;
}

/* What the arguments say, into *p: method, life, time, addressing, extra
 * parameters. 0, or an exit status after a message. Nothing secret is read
 * yet.
 * UNTRUSTED: the arguments, as far as a script hands them on.
 * Pre: c has five arguments (cli_commands). Post: p->query is c's array.
 * Fails: 2, naming the value: "get", 604801 seconds, --at tomorrow,
 * --addressing dns, --query NAME.
 * Limits: EF_MAX_EXPIRES_SEC, S3's own; ef_presign_url has the rest.
 * Fuzz: fuzz/fuzz_cli.c. Tests: tests/presign.bats ("arguments that are
 * wrong, exit 2"), vectors/commands.txt (presign-*). */
static int
cli_presign_fields(struct cli *c, ef_presign *p, ef_err *err)
{
    const char *style = c->value[CLI_ADDRESSING];
    int64_t seconds = slice_number(slice_str(c->args[4]));
    size_t i;

    p->method = strcmp(c->args[1], "download") == 0 ? "GET"
                : strcmp(c->args[1], "upload") == 0 ? "PUT"
                                                    : NULL;
    if (p->method == NULL)
        return cli_usage("the second argument is download or upload, not",
                         c->args[1]);
    if (seconds < 1 || seconds > EF_MAX_EXPIRES_SEC)
        return cli_usage("SECONDS is 1 to 604800 (seven days), not",
                         c->args[4]);
    /* of life, from now on; ef_presign_url works out the rest */
    p->expires = seconds;
    /* one time for the whole URL: date, scope and expiry agree */
    p->now = cli_now();
    if (c->value[CLI_AT] != NULL &&
        ef_time_parse(&p->now, slice_str(c->value[CLI_AT]), err) != EF_OK)
        return cli_usage("--at takes seconds since 1970, 20130524T000000Z or "
                         "2013-05-24T00:00:00Z, not",
                         c->value[CLI_AT]);
    if (!cli_addressing(style, &p->addressing))
        return cli_usage("--addressing takes virtual, path or auto, not",
                         style);
    for (i = 0; i < c->query_n; i++)
        /* VALUE may be empty, and have a '=' of its own; NAME ends at the
         * first */
        if (strchr(c->queries[i], '=') == NULL)
            return cli_usage("--query takes NAME=VALUE, not", c->queries[i]);
    p->sigv2 = c->value[CLI_SIGV2] != NULL;
    p->query = c->queries;
    p->query_n = c->query_n;
    return 0;
}

/* "s3://bucket/prefix" (the "s3:" and slashes may be missing) and a name,
 * percent-encoded or as it is: bucket gets the first part, key prefix and
 * name with one '/' between.
 * s3://b/2024, table.csv -> b, 2024/table.csv; b, a%2Fb with --encoded -> b,
 * a/b. Dots and doubled slashes stay: S3 keys are no paths.
 * UNTRUSTED: folder and name. ef_presign_url judges both when all is there.
 * Fails: EF_E_FORMAT for a '%' without two digits, naming FILE; EF_E_MEMORY.
 * bucket is asked for memory by the caller.
 * Fuzz: fuzz/fuzz_cli.c. Tests: tests/presign.bats ("every form of --at, of
 * S3DIR, of options"). */
static ef_status
cli_presign_key(const char *folder, ef_slice name, int encoded, ef_buf *bucket,
                ef_buf *key, ef_err *err)
{
    ef_slice dir = slice_str(folder), prefix;
    size_t n;

    /* "s3://b", "s3:b", "//b" and "b" are one bucket */
    if (slice_has_prefix(dir, "s3:"))
        dir = slice_from(dir, 3);
    if (slice_has_prefix(dir, "//"))
        dir = slice_from(dir, 2);
    if (slice_has_prefix(dir, "arn:"))
        n = dir.n; /* refused later, whole */
    else
        n = slice_find(dir, '/');
    ef_buf_add(bucket, dir.p, n);
    /* behind the '/'; empty where there is none */
    prefix = slice_from(dir, n + 1);
    ef_buf_add(key, prefix.p, prefix.n);
    /* "b/" and "b" mean the same; "b/2024/" gets no second '/' */
    if (prefix.n > 0 && prefix.p[prefix.n - 1] != '/')
        ef_buf_byte(key, '/');
    if (encoded)
        return with_where(err, ef_percent_decode(key, name, 1, err), name);
    ef_buf_add(key, name.p, name.n);
    return buf_status(key, err);
}

/* On stderr, unless -q: why the URL may end early or be refused. Nothing
 * here is a failure. stdout has the URL alone, so that it can be piped.
 * Tests: tests/presign.bats ("what may end a URL early is said on stderr"). */
static void
cli_presign_notes(const struct cli *c, const ef_presign *p)
{
    if (c->value[CLI_QUIET] != NULL)
        return;
    /* its end is not in it: nobody but AWS knows when that is */
    if (p->token != NULL)
        fprintf(stderr,
                "encflow presign: note: signed with a session token; the URL "
                "ends when the token does, however long it was asked for\n");
    if (p->sigv2)
        fprintf(stderr,
                "encflow presign: note: Signature Version 2 is old: AWS "
                "refuses it for buckets made after June 2020 and in newer "
                "regions\n");
}

/* The URL is a credential, and printing it is the purpose. --json also gives
 * it in two, location and base64 query, as credentials have it.
 * Secret: url, query and base64; each buffer is wiped when freed. A terminal
 * gets the URL without --force: to be handed on is what it is made for.
 * Returns the exit status. Tests: tests/presign.bats ("--json"). */
static int
cli_presign_print(const struct cli *c, const ef_presign *p, const ef_buf *url)
{
    ef_slice location = store_public(buf_slice(url));
    ef_slice query = slice_from(buf_slice(url), location.n + 1);
    char expires[EF_TIME_BYTES];
    ef_buf out = cli_stdout(c), base64 = {0};

    /* one line, for $() and pipes */
    if (c->value[CLI_JSON] == NULL) {
        ef_buf_add(&out, url->p, url->n);
        ef_buf_byte(&out, '\n');
        return cli_stdout_end(&out);
    }
    /* years up to 9999 and seven days: cannot overflow */
    ef_time_format(expires, p->now + p->expires, 0);
    /* ef_base64_encode writes to memory, not to a buffer */
    if (buf_room(&base64, EF_BASE64_BYTES(query.n))) {
        ef_base64_encode((char *)base64.p, query.p, query.n);
        base64.n = EF_BASE64_BYTES(query.n);
    }
    /* no memory for a part is a failure of the whole */
    out.failed |= base64.failed;
    ef_buf_str(&out, "{\"url\": ");
    ef_json_quote(&out, buf_slice(url));
    ef_buf_str(&out, ", \"location\": ");
    ef_json_quote(&out, location);
    ef_buf_str(&out, ", \"query_string\": ");
    ef_json_quote(&out, buf_slice(&base64));
    ef_buf_str(&out, ", \"expires\": ");
    ef_json_quote(&out, slice_str(expires));
    ef_buf_str(&out, "}\n");
    ef_buf_free(&base64);
    return cli_stdout_end(&out);
}

/* Keys and settings into s and p: options before the environment before the
 * profile, as AWS's tools have it. No key at all is told here, since only
 * here it is known where all was looked for.
 * Secret: s, the caller's secret memory. p gets pointers into it.
 * Fails: EF_E_USAGE without keys or with a setting like role_arn;
 * EF_E_FORMAT, EF_E_LIMIT, EF_E_IO for the files. Their text is
 * aws_from_file's to distrust (fuzz/fuzz_aws.c).
 * Tests: tests/credentials.bats, tests/presign.bats ("where the key pair comes
 * from", "region and endpoint, the most particular setting wins"). */
static ef_status
cli_profile(struct cli *c, const struct aws_choice *choice,
            const struct store_opts *o, struct aws_profile *s, ef_presign *p,
            ef_err *err)
{
    ef_status rc = aws_load(s, choice, o, err);

    /* a file with an id has its secret, too (aws_from_file) */
    if (rc == EF_OK && s->access_key[0] == '\0')
        rc = with_hint(err,
                       with_where(err,
                                  reject(err, EF_E_USAGE, EF_NOWHERE,
                                         "no access key for this profile"),
                                  slice_str(choice->name)),
                       "~/.aws/credentials or ~/.aws/config needs it; for "
                       "`default`, AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY will do");
    p->access_key = s->access_key;
    p->secret_key = s->secret_key;
    /* an empty token would be signed as one */
    p->token = s->token[0] != '\0' ? s->token : NULL;
    /* never NULL: aws_environment has a last resort */
    p->region = c->value[CLI_REGION] != NULL ? c->value[CLI_REGION] : s->region;
    p->endpoint = c->value[CLI_ENDPOINT] != NULL ? c->value[CLI_ENDPOINT]
                  : s->endpoint[0] != '\0'       ? s->endpoint
                                                 : NULL;
    /* an option goes before the profile */
    if (rc == EF_OK && p->addressing == EF_ADDR_REGIONAL &&
        s->addressing[0] != '\0' &&
        !cli_addressing(s->addressing, &p->addressing))
        rc = with_where(err,
                        reject(err, EF_E_USAGE, EF_NOWHERE,
                               "this setting is virtual, path or auto"),
                        slice_str("addressing_style"));
    if (rc == EF_OK)
        /* the id goes with every request; the secret is nowhere */
        cli_say(c, "keys of profile %s from %s, access key id %s, region %s",
                choice->name, s->from, p->access_key, p->region);
    return rc;
}

/* In order: the arguments, the profile, bucket and key, the signature; then
 * it prints. Nothing is sent, but where a container's or an instance's service
 * has the keys; no clock but the machine's is asked.
 * s has the AWS keys, in secret memory; p points into it until the URL is
 * printed.
 * Secret: s and url. On stderr, with -v, goes the key's id, never the key.
 * Fails: 2 for arguments and keys; 4 for what cannot be signed; 5 for a
 * bucket's kind; 1 and 4 for files; 1 where the URL could not be written.
 * Nothing is on stdout in the other cases.
 * Tests: tests/presign.bats, tests/s3.bats, tests/secrets.bats ("presign
 * keeps nothing of the account, nor of what it made"). */
static int
cli_presign(struct cli *c)
{
    struct aws_profile *s;
    ef_presign p = {0};
    ef_buf url = {0}, bucket = {0}, key = {0};
    ef_err err = {0};
    ef_status rc;
    struct store_opts o;
    struct aws_choice choice = {c->args[0], 1,
                                strcmp(c->args[0], "default") == 0};
    int status = cli_presign_fields(c, &p, &err);

    if (status == 0)
        status = cli_store_opts(c, &o);
    if (status != 0)
        return status;
    s = ef_secret_alloc(sizeof *s, NULL);
    rc = s == NULL ? reject_memory(&err)
                   : cli_profile(c, &choice, &o, s, &p, &err);
    if (rc == EF_OK)
        rc =
            cli_presign_key(c->args[2], slice_str(c->args[3]),
                            c->value[CLI_ENCODED] != NULL, &bucket, &key, &err);
    /* "" where memory ran out, which is asked below */
    p.bucket = buf_cstr(&bucket);
    p.key = buf_slice(&key);
    if (rc == EF_OK)
        rc = bucket.failed ? reject_memory(&err)
                           : ef_presign_url(&url, NULL, &p, &err);
    if (rc == EF_OK) {
        cli_presign_notes(c, &p);
        status = cli_presign_print(c, &p, &url);
    } else {
        status = cli_fail(&err);
    }
    ef_buf_free(&url);
    ef_buf_free(&bucket);
    ef_buf_free(&key);
    /* p points into it: p is not used behind this line */
    ef_secret_free(s, sizeof *s);
    return status;
}

/* --- put and get --- */

/* Both take a place and a file, in the order of cp(1). What the place is
 * shows in its first characters; a URL may also come by standard input,
 * since other users of the machine can see arguments. Neither prints
 * anything but progress, with -v whose keys were used, and what went wrong. */

/* What put and get share: where the object is, and the keys for it. Everything
 * that place points to is owned here; cli_object_free. */
struct cli_object {
    struct store_opts o;
    struct store_place place;
    struct aws_profile *aws; /* secret memory; NULL: a URL */
    ef_presign s3;
    ef_buf bucket, key;
    unsigned char *url;      /* EF_MAX_LOCATION_BYTES + 2, secret memory */
    unsigned char *data_key; /* EF_KEY_BYTES, secret memory; NULL: no -K */
};

/* Safe on zeros.
 * Secret:  all of it is wiped: AWS keys, a presigned URL, the data's key. */
static void
cli_object_free(struct cli_object *t)
{
    ef_secret_free(t->aws, sizeof *t->aws);
    ef_secret_free(t->url, EF_MAX_LOCATION_BYTES + 2);
    ef_secret_free(t->data_key, EF_KEY_BYTES);
    ef_buf_free(&t->bucket);
    ef_buf_free(&t->key);
}

/* The last part of a path or key: "a/b.csv" -> "b.csv".
 * "b.csv" -> "b.csv", "a/" -> "". */
static ef_slice
cli_last_part(ef_slice path)
{
    size_t i = path.n;

    while (i > 0 && path.p[i - 1] != '/')
        i--;
    return slice_from(path, i);
}

/* arg is s3://BUCKET/KEY. A key that is a folder's, or none, gets the name of
 * the file that is put.
 * Fails: EF_E_USAGE. Tests: tests/storage.bats.
 * s3://b/k -> b, k; s3://b and s3://b/d/ with file x/y.csv -> b, y.csv and b,
 * d/y.csv. "//" in a key stays. */
static ef_status
cli_object_key(struct cli_object *t, const char *arg, const char *file,
               ef_err *err)
{
    ef_slice rest = slice_from(slice_str(arg), 5), name = {NULL, 0};
    size_t n = slice_find(rest, '/');

    /* behind "s3://"; without a slash all of it is the bucket */
    ef_buf_add(&t->bucket, rest.p, n);
    rest = slice_from(rest, n + 1);
    ef_buf_add(&t->key, rest.p, rest.n);
    /* as cp(1) and AWS's own tools have it */
    if (rest.n == 0 || rest.p[rest.n - 1] == '/') {
        if (file != NULL && !file_is_std(file))
            name = cli_last_part(slice_str(file));
        if (name.n == 0)
            return with_where(err,
                              reject(err, EF_E_USAGE, EF_NOWHERE,
                                     "an object's key is missing"),
                              slice_str(arg));
        ef_buf_add(&t->key, name.p, name.n);
    }
    if (file_end_name(&t->bucket, err) != EF_OK)
        return EF_E_MEMORY;
    return buf_status(&t->key, err);
}

/* An object of S3's: the keys for it, and whether its host may be reached.
 * Post:    t->place.s3 is ready to be signed.
 * Secret:  t->aws. */
static ef_status
cli_object_s3(struct cli *c, struct cli_object *t, const char *arg,
              const char *file, ef_err *err)
{
    const char *named = c->value[CLI_PROFILE];
    const char *old = getenv("AWS_DEFAULT_PROFILE");
    const char *env = getenv("AWS_PROFILE");
    struct aws_choice choice = {"default", named != NULL, 0};
    ef_status rc = cli_object_key(t, arg, file, err);

    if (rc != EF_OK)
        return rc;
    /* botocore's order: the older name first */
    env = old != NULL && old[0] != '\0' ? old : env;
    if (named != NULL)
        choice.name = named;
    else if (env != NULL && env[0] != '\0')
        choice.name = env;
    else
        choice.optional = 1;
    /* freed by cli_object_free, with what was read into it */
    t->aws = ef_secret_alloc(sizeof *t->aws, NULL);
    if (t->aws == NULL)
        return reject_memory(err);
    rc = cli_profile(c, &choice, &t->o, t->aws, &t->s3, err);
    if (rc != EF_OK)
        return rc;
    t->s3.bucket = buf_cstr(&t->bucket);
    t->s3.key = buf_slice(&t->key);
    t->place.s3 = &t->s3;
    if (t->s3.endpoint != NULL && strncmp(t->s3.endpoint, "http:", 5) == 0)
        rc = with_where(err,
                        store_check_scheme(EF_SCHEME_HTTP, t->o.schemes, err),
                        slice_str(t->s3.endpoint));
    return rc;
}

/* A URL, from the command line or from standard input: what is presigned is
 * better not in the list of arguments.
 * Fails: EF_E_USAGE for what is neither; as ef_location_check.
 * Post:    t->url is the URL alone, NUL-terminated, without blanks around. */
static ef_status
cli_object_url(struct cli_object *t, const char *arg, ef_err *err)
{
    ef_slice url;
    ef_scheme scheme;
    ef_status rc;

    if (!file_is_std(arg) && strstr(arg, "://") == NULL)
        return with_where(err,
                          reject(err, EF_E_USAGE, EF_NOWHERE,
                                 "neither s3://BUCKET/KEY, https:// nor "
                                 "file://"),
                          slice_str(arg));
    t->url = ef_secret_alloc(EF_MAX_LOCATION_BYTES + 2, NULL);
    if (t->url == NULL)
        return reject_memory(err);
    rc = cli_read_url(t->url, &url, arg, err);
    if (rc == EF_OK)
        rc = ef_location_check(&scheme, url, err);
    if (rc == EF_OK)
        rc = store_check_scheme(scheme, t->o.schemes, err);
    if (rc == EF_OK) {
        /* blanks in front are gone; there is a byte for the NUL */
        memmove(t->url, url.p, url.n);
        t->url[url.n] = '\0';
        t->place.url = (const char *)t->url;
    }
    return with_where(err, rc, store_public(url));
}

/* Where arg is, and all that a transfer needs. file: the other argument. 0,
 * or an exit status after a message.
 * Secret: t. Fails: as its parts; nothing is sent, but for keys.
 * Order:   options, the data's key, the place: what is asked of the network
 * comes last. */
static int
cli_object_open(struct cli *c, struct cli_object *t, const char *arg,
                const char *file)
{
    ef_err err = {0};
    ef_status rc = EF_OK;
    int status = cli_store_opts(c, &t->o);

    if (status != 0)
        return status;
    /* wrong options are told before a key is read */
    if (!cli_addressing(c->value[CLI_ADDRESSING], &t->s3.addressing))
        return cli_usage("--addressing takes virtual, path or auto, not",
                         c->value[CLI_ADDRESSING]);
    if (c->value[CLI_KEY] != NULL) {
        t->data_key = ef_secret_alloc(EF_KEY_BYTES, NULL);
        rc = t->data_key == NULL
                 ? reject_memory(&err)
                 : file_read_key(t->data_key, c->value[CLI_KEY], &err);
    }
    /* s3:// is no scheme that could be fetched: it names bucket and key */
    if (rc == EF_OK)
        rc = strncmp(arg, "s3://", 5) == 0
                 ? cli_object_s3(c, t, arg, file, &err)
                 : cli_object_url(t, arg, &err);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* The object's name, for messages: what the user wrote, without a query. */
static ef_slice
cli_object_name(const struct cli_object *t, const char *arg)
{
    if (t->place.url != NULL)
        return store_public(slice_str(t->place.url));
    return slice_str(arg);
}

/* Upload a file, or standard input.
 * In order: options, the key, the keys for S3, the file; then it is sent.
 * Secret: t; what is read, while it is sealed.
 * Fails: 1 for the file, 2 for options and keys, 4 for what is too large, 5
 * for a scheme, 6 for the storage. Nothing is stored then; of an upload in
 * parts none stays. Where a file changed while it was sent in one request,
 * the object is there, and this says that it is not the file.
 * Tests: tests/storage.bats, tests/network.bats. */
static int
cli_put(struct cli *c)
{
    struct cli_progress progress;
    struct cli_object t = {.aws = NULL};
    const char *file = c->args[0], *to = c->args[1];
    ef_err err = {0};
    ef_status rc;
    int fd = -1, status;

    if (file_is_std(file) && file_is_std(to))
        return cli_usage("the URL and the data can't both come from standard "
                         "input",
                         NULL);
    if (c->value[CLI_KEY] != NULL && file_is_std(c->value[CLI_KEY]) &&
        (file_is_std(file) || file_is_std(to)))
        return cli_usage("the key and the data can't both come from standard "
                         "input",
                         NULL);
    /* the file comes last: it may be a pipe that somebody has to fill */
    status = cli_object_open(c, &t, to, file);
    if (status == 0) {
        /* after the keys: a password prompt of a program comes first */
        rc = file_open(&fd, file, &err);
        t.o.progress = cli_progress(&progress, c);
        /* from here on there may be parts to take back; up to here nothing */
        cli_signals(1);
        if (rc == EF_OK)
            rc = object_put(&t.place, fd, file, t.data_key, &t.o, &err);
        cli_progress_end(&progress);
        with_where(&err, rc, cli_object_name(&t, to));
        file_close(fd);
        status = rc == EF_OK ? 0 : cli_fail(&err);
    }
    cli_object_free(&t);
    return status;
}

/* Where the object is to stand: in a folder under its own name.
 * UNTRUSTED: the name, where the URL came from somebody else: it is one
 * file's, and cannot climb. Fails: EF_E_FORMAT. Fuzz: fuzz/fuzz_cli.c.
 * URL .../a/b%20c.csv, DST a folder -> folder/b c.csv. */
static ef_status
cli_get_path(ef_buf *path, const struct cli_object *t, const char *to,
             ef_err *err)
{
    struct stat st;
    ef_slice name;
    size_t n;
    ef_status rc = EF_OK;

    ef_buf_str(path, to);
    if (stat(to, &st) != 0 || !S_ISDIR(st.st_mode))
        return file_end_name(path, err);
    /* where the name begins, which is what is checked */
    ef_buf_byte(path, '/');
    n = path->n;
    if (t->place.url != NULL)
        rc = ef_percent_decode(
            path, cli_last_part(store_public(slice_str(t->place.url))), 0, err);
    else {
        name = cli_last_part(buf_slice(&t->key));
        ef_buf_add(path, name.p, name.n);
    }
    if (rc == EF_OK)
        rc = file_end_name(path, err);
    if (rc == EF_OK &&
        ef_name_check(slice_from(buf_slice(path), n), NULL) != EF_OK)
        rc = with_hint(err,
                       reject(err, EF_E_FORMAT, EF_NOWHERE,
                              "the object's name is no file's"),
                       "name the file, not its folder");
    return with_where(err, rc, buf_slice(path));
}

/* To standard output, or what else takes bytes in order alone: a sealed
 * object is kept as it is until its tag has been seen (crypt_open_stream).
 * Fails:   as object_get; as crypt_file, whose 3 comes before any byte. */
static ef_status
cli_get_stream(struct cli *c, struct cli_object *t, const char *to, ef_err *err)
{
    const char *tmpdir = getenv("TMPDIR");
    struct crypt_job job = {
        .out = to, .key = t->data_key, .fd = -1, .threads = 1};
    int flags = c->value[CLI_FORCE] != NULL ? 0 : FILE_BINARY;
    ef_status rc;

    /* bytes as they are: they may go out as they come */
    if (t->data_key == NULL)
        return object_get(to, flags, NULL, NULL, &t->place, &t->o, err);
    job.flags = flags;
    job.tmpdir = tmpdir != NULL && tmpdir[0] != '\0' ? tmpdir : "/tmp";
    /* no key here: what is kept is what came */
    rc = object_get(job.tmpdir, 0, &job.fd, NULL, &t->place, &t->o, err);
    return rc == EF_OK ? crypt_file(&job, 0, err) : rc;
}

/* Is to something that is not replaced, but written to?
 * /dev/null and a named pipe are; a missing file is none. */
static int
cli_is_stream(const char *to)
{
    struct stat st;

    return file_is_std(to) ||
           (stat(to, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

/* Download an object to a file, or to standard output.
 * In order: options, the key, the keys for S3, the file's place; then it
 * comes.
 * Secret: t; with -K what comes, from when it is decrypted.
 * Fails: as cli_put, and 3 for a tag. No file is there then, and an older one
 * is untouched; to standard output nothing was written with -K.
 * Tests: tests/storage.bats, tests/network.bats. */
static int
cli_get(struct cli *c)
{
    struct cli_progress progress;
    struct cli_object t = {.aws = NULL};
    const char *from = c->args[0], *to = c->argc > 1 ? c->args[1] : "-";
    int flags = c->value[CLI_KEY] != NULL ? FILE_PRIVATE : 0;
    ef_buf path = {0};
    ef_err err = {0};
    ef_status rc;
    int status;

    if (c->value[CLI_KEY] != NULL && file_is_std(c->value[CLI_KEY]) &&
        file_is_std(from))
        return cli_usage("the key and the URL can't both come from standard "
                         "input",
                         NULL);
    if (file_is_std(to) && cli_guarded(c))
        return cli_refuse_terminal("an object");
    /* options, keys, place: what can be wrong is told before anything comes */
    status = cli_object_open(c, &t, from, NULL);
    if (status == 0) {
        t.o.progress = cli_progress(&progress, c);
        /* what is no regular file is written to, not replaced */
        if (cli_is_stream(to)) {
            rc = cli_get_stream(c, &t, to, &err);
        } else {
            rc = cli_get_path(&path, &t, to, &err);
            if (rc == EF_OK)
                rc = object_get(buf_cstr(&path), flags, NULL, t.data_key,
                                &t.place, &t.o, &err);
        }
        cli_progress_end(&progress);
        with_where(&err, rc, cli_object_name(&t, from));
        status = rc == EF_OK ? 0 : cli_fail(&err);
    }
    ef_buf_free(&path);
    cli_object_free(&t);
    return status;
}

/* --- describe --- */

/* describe's options, as numbers. */
struct cli_describe {
    long top; /* values to list; 0: none */
    int plot, json, all, quiet;
};

/* Pass all of path ("-": standard input) to d, in pieces of 64 KiB: memory
 * grows with distinct values, not with the file. The total is known for a
 * file only, not for a pipe.
 * Secret: buf holds plaintext and is wiped; the rest is d's.
 * Fails: EF_E_IO, EF_E_MEMORY, and as ef_describe_push and ef_describe_end,
 * which alone look into the bytes (fuzz/fuzz_describe.c). A fault in the
 * last record is found like one in the first. */
static ef_status
cli_describe_read(ef_describe *d, const char *path, struct cli_progress *p,
                  ef_err *err)
{
    unsigned char *buf = malloc(65536);
    uint64_t done = 0, total;
    ef_status rc = EF_OK;
    ssize_t n = 0;
    int fd = -1;

    if (buf == NULL)
        return reject_memory(err);
    rc = file_open(&fd, path, err);
    /* fd is -1 where the open failed: then nothing is read */
    total = file_remaining(fd);
    while (rc == EF_OK && (n = file_read_full(fd, buf, 65536)) > 0) {
        rc = ef_describe_push(d, slice(buf, (size_t)n), err);
        done += (uint64_t)n;
        cli_progress_at(p, done, total != UINT64_MAX ? total : 0);
    }
    if (rc == EF_OK && n < 0)
        rc = reject_sys(err, EF_E_IO, "cannot read");
    if (rc == EF_OK)
        /* here columns that are missing or hold numbers are told */
        rc = ef_describe_end(d, err);
    file_close(fd);
    ef_wipe(buf, 65536);
    free(buf);
    return rc;
}

/* The most frequent values, under the table: a count, a bar with --plot, and
 * the value with its tabs and line ends escaped. Most frequent first, of
 * equals the one seen first. A bar has 40 columns for the first value; the
 * others' are in proportion, rounded down.
 * Example: "         3  Cough". */
static void
cli_describe_top(ef_describe *d, size_t i, const struct cli_describe *o,
                 ef_buf *out)
{
    static const char bar[] = "########################################";
    uint64_t n, most = 1;
    ef_slice value;
    long k;

    for (k = 0; k < o->top && ef_describe_top(d, i, (size_t)k, &value, &n);
         k++) {
        /* the first has the most, and every value occurs: never 0 */
        most = k == 0 ? n : most;
        buf_printf(out, "%10llu  ", (unsigned long long)n);
        if (o->plot)
            buf_printf(out, "%-40.*s  ", (int)(n * 40 / most), bar);
        desc_escape(out, value);
        ef_buf_byte(out, '\n');
    }
}

/* describe.py's frame: "Dataset: PATH", a blank line, the table, a blank
 * line. Columns of numbers are left out with a note; one that was asked for
 * by name has been refused before (ef_describe_end).
 * path and values come from outside: out keeps control characters from a
 * terminal (cli_drain).
 * Tests: tests/describe.bats ("the reference's own data gives the
 * reference's published answer"). */
static void
cli_describe_text(ef_describe *d, const char *path,
                  const struct cli_describe *o, ef_buf *out)
{
    size_t i;
    ef_summary s;

    ef_buf_str(out, "Dataset: ");
    ef_buf_str(out, path);
    ef_buf_str(out, "\n\n");
    for (i = 0; i < ef_describe_count(d); i++) {
        ef_describe_get(d, i, &s);
        if (s.numeric) {
            /* a note, not a failure: --all asked for what can be described */
            if (!o->quiet)
                fprintf(stderr,
                        "encflow describe: note: column %zu holds numbers and "
                        "is left out\n",
                        i + 1);
            continue;
        }
        ef_describe_table(d, i, out);
        cli_describe_top(d, i, o, out);
        ef_buf_byte(out, '\n');
    }
}

/* One column as an object: name and counts, or name and "numeric": true. top
 * is null where no value is there. "values" is there only with --top, and
 * where there is a value.
 * Values are whole here, not cut to 50 columns as in the table.
 * Tests: tests/describe.bats ("--format json says the same, for a program"). */
static void
cli_describe_json_column(ef_describe *d, size_t i, const struct cli_describe *o,
                         ef_buf *out)
{
    ef_summary s;
    ef_slice value;
    uint64_t n;
    long k;

    ef_describe_get(d, i, &s);
    ef_buf_str(out, "{\"name\": ");
    ef_json_quote(out, s.name);
    /* nothing else of s is filled in then */
    if (s.numeric) {
        ef_buf_str(out, ", \"numeric\": true}");
        return;
    }
    buf_printf(out, ", \"count\": %llu, \"unique\": %llu, \"top\": ",
               (unsigned long long)s.count, (unsigned long long)s.unique);
    /* all values are missing: pandas has NaN there, JSON null */
    if (s.count > 0)
        ef_json_quote(out, s.top);
    else
        ef_buf_str(out, "null");
    buf_printf(out, ", \"freq\": %llu", (unsigned long long)s.freq);
    for (k = 0; k < o->top && ef_describe_top(d, i, (size_t)k, &value, &n);
         k++) {
        ef_buf_str(out, k == 0 ? ", \"values\": [" : ", ");
        ef_buf_str(out, "{\"value\": ");
        ef_json_quote(out, value);
        buf_printf(out, ", \"count\": %llu}", (unsigned long long)n);
    }
    /* k counts the values that were printed: closes what the first
     * opened */
    ef_buf_str(out, k > 0 ? "]}" : "}");
}

/* One line a file: {"dataset": PATH, "columns": [...]}. A path that is no
 * UTF-8 has U+FFFD in it: ef_json_quote sees to it. */
static void
cli_describe_json(ef_describe *d, const char *path,
                  const struct cli_describe *o, ef_buf *out)
{
    size_t i;

    ef_buf_str(out, "{\"dataset\": ");
    /* as it was typed: not made absolute, links not followed */
    ef_json_quote(out, slice_str(path));
    ef_buf_str(out, ", \"columns\": [");
    for (i = 0; i < ef_describe_count(d); i++) {
        if (i > 0)
            ef_buf_str(out, ", ");
        cli_describe_json_column(d, i, o, out);
    }
    ef_buf_str(out, "]}\n");
}

/* One file, whole: nothing goes to out before its last byte was read and
 * found good.
 * A fresh seed each time: what hurt the hash table once is no use again.
 * Secret: d holds the distinct values; ef_describe_free wipes them.
 * Fails: EF_E_IO, EF_E_MEMORY, EF_E_FORMAT, EF_E_LIMIT; where names a column
 * at most, and the caller puts the file's name before it. */
static ef_status
cli_describe_file(struct cli *c, const char *path, const struct cli_describe *o,
                  ef_buf *out, ef_err *err)
{
    static const char *const usual[] = {"DESCRIPTION"};
    struct cli_progress progress;
    unsigned char seed[16];
    ef_describe *d;
    ef_status rc;

    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return reject_sys(err, EF_E_IO, "the kernel gave no random bytes");
    d = ef_describe_new(c->column_n > 0 ? c->columns : usual,
                        /* none named: all of them */
                        o->all            ? 0
                        : c->column_n > 0 ? c->column_n
                                          : 1,
                        seed);
    if (d == NULL)
        return reject_memory(err);
    /* a line for each file */
    (void)cli_progress(&progress, c);
    rc = cli_describe_read(d, path, &progress, err);
    cli_progress_end(&progress);
    if (rc == EF_OK && o->json)
        cli_describe_json(d, path, o, out);
    else if (rc == EF_OK)
        cli_describe_text(d, path, o, out);
    ef_describe_free(d);
    return rc;
}

/* In order: --top, --format, --all with -c; then the files. Each is read
 * once, in the order given. The first failure ends it; what was said of the
 * files before is still printed.
 * Fails: 2 as above, before any file is opened; 1, 4 as cli_describe_file; 2
 * for a control character to a terminal.
 * Tests: tests/describe.bats, tests/secrets.bats ("describe keeps nothing"). */
static int
cli_describe(struct cli *c)
{
    struct cli_describe o = {.plot = c->value[CLI_PLOT] != NULL,
                             .all = c->value[CLI_ALL] != NULL,
                             .quiet = c->value[CLI_QUIET] != NULL};
    const char *format = c->value[CLI_FORMAT];
    ef_buf out = cli_stdout(c);
    ef_err err = {0};
    int i;

    /* without --top, --plot lists ten; else none are listed */
    if (!cli_number(c, CLI_TOP, 0, 100000, o.plot ? 10 : 0, &o.top))
        return ef_exit_status(EF_E_USAGE);
    if (format != NULL && strcmp(format, "text") != 0 &&
        strcmp(format, "json") != 0)
        /* out has no memory yet: nothing to free */
        return cli_usage("--format takes text or json, not", format);
    if (o.all && c->column_n > 0)
        return cli_usage("--all takes every column: no -c with it", NULL);
    o.json = c->value[CLI_JSON] != NULL ||
             (format != NULL && strcmp(format, "json") == 0);
    for (i = 0; i < c->argc; i++) {
        ef_status rc = cli_describe_file(c, c->args[i], &o, &out, &err);

        if (rc != EF_OK) {
            ef_buf path = {0};

            /* the innermost name is the column's: put the file's before it */
            ef_buf_str(&path, c->args[i]);
            if (err.where[0] != '\0' && strcmp(err.where, c->args[i]) != 0) {
                ef_buf_str(&path, ", ");
                ef_buf_str(&path, err.where);
            }
            /* with_where keeps what is there */
            err.where[0] = '\0';
            with_where(&err, rc, buf_slice(&path));
            ef_buf_free(&path);
            /* what was said of the files before stands */
            (void)cli_stdout_end(&out);
            return cli_fail(&err);
        }
    }
    return cli_stdout_end(&out);
}

/* --- run --- */

/* -q, for cli_run_note: run_job has no struct cli to hand it. */
static int cli_run_quiet;

/* What run_job tells, in words. Those on stdout are the reference's, a line
 * each, flushed: whoever watches a log sees a step when it begins.
 * That there is no Landlock, or that plaintext was left, is said even with
 * -q: secrets are less safe than the user may think.
 * Pre: detail is a public location (store_public) or the work folder.
 * Tests: tests/run.bats ("as the reference", "a kernel with an old Landlock,
 * or none"), vectors/commands.txt (run-landlock-*). */
static void
cli_run_note(enum run_event event, ef_slice detail)
{
    static const char *const text[] = {
        [RUN_RETRIEVED] = "Retrieved dataset from location: ",
        [RUN_STARTING] = "Running script",
        [RUN_WRITING] = "Writing output to location: ",
        [RUN_NO_INPUTS] = "No inputs in this share",
        [RUN_COMPLETE] = "Execution complete"};
    ef_err shown = {0}; /* only for its escaping */

    if (event == RUN_NO_LANDLOCK) {
        fprintf(stderr,
                "encflow run: note: this kernel has no Landlock: the "
                "application may read and write all files that this user "
                "may\n");
        return;
    }
    if (event == RUN_OLD_LANDLOCK) {
        if (!cli_run_quiet)
            fprintf(stderr,
                    "encflow run: note: this kernel's Landlock is an old one: "
                    "the application may signal other processes of this "
                    "user\n");
        return;
    }
    if (event == RUN_LEFT_PLAINTEXT) {
        with_where(&shown, EF_E_IO, detail);
        fprintf(stderr,
                "encflow run: warning: plaintext is left in %s: remove it\n",
                shown.where);
        return;
    }
    /* the rest are steps: one line on stdout each */
    if (cli_run_quiet)
        return;
    /* a location is printable ASCII (ef_location_check), and short */
    printf("%s%.*s\n", text[event], (int)detail.n, (const char *)detail.p);
    /* a step that can't be told is no failure: the exit status says whether
     * the outputs have their results */
    (void)fflush(stdout);
}

/* Where this program's file is: for the application's default, `describe`.
 * NUL-terminated; path is the room for it. /proc knows best. Without it (a
 * bare chroot) the name that the kernel was given for it, AT_EXECFN, will
 * do.
 * Tests: tests/static.bats ("run over HTTPS in an empty chroot"). */
static const char *
cli_self(char path[PATH_MAX])
{
    /* readlink adds no NUL: one byte is left for it */
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    const char *execfn = (const char *)(uintptr_t)getauxval(AT_EXECFN);

    if (n > 0) {
        path[n] = '\0';
        return path;
    }
    return execfn != NULL ? execfn : "encflow"; /* without /proc */
}

/* path from the root: the application may change its folder. It need not
 * exist yet, so that realpath(3) will not do; dots and links stay in it.
 * "w" in /home/u -> "/home/u/w". Post: out is NUL-terminated.
 * Fails: EF_E_IO where the present folder was removed or may not be named,
 * EF_E_MEMORY. Tests: tests/run.bats ("a relative WORK is an absolute one
 * for the application"), vectors/commands.txt (run-cwd). */
static ef_status
cli_absolute(ef_buf *out, const char *path, ef_err *err)
{
    char here[PATH_MAX];

    if (path[0] != '/') {
        if (getcwd(here, sizeof here) == NULL)
            return with_file(
                err, reject_sys(err, EF_E_IO, "this folder has no path"), path);
        ef_buf_str(out, here);
        ef_buf_byte(out, '/');
    }
    ef_buf_str(out, path);
    /* writes the NUL that callers take out->p for */
    (void)buf_cstr(out);
    return buf_status(out, err);
}

/* DIR's parent + "/input": /a/app-config/rw -> /a/app-config/input, where
 * the reference has it. Links are followed first, so that the parent is that
 * of the folder itself.
 * Post: work is NUL-terminated. Fails: EF_E_IO for a ports folder that is
 * not there, which most likely was never named: hence the hint.
 * Tests: vectors/commands.txt (run-no-ports). */
static ef_status
cli_default_work(ef_buf *work, const char *ports, ef_err *err)
{
    char full[PATH_MAX], *slash;

    if (realpath(ports, full) == NULL)
        return with_hint(
            err,
            with_file(err,
                      reject_sys(err, EF_E_IO, "cannot open the ports folder"),
                      ports),
            "--ports DIR names it");
    slash = strrchr(full, '/');
    /* realpath's result begins with '/'; of "/" itself "" stays, and
     * "/input" is right */
    *slash = '\0';
    ef_buf_str(work, full);
    ef_buf_str(work, "/input");
    (void)buf_cstr(work);
    return buf_status(work, err);
}

/* An array job's variables: which task this is, where they begin and end, by
 * which step they go on, and how many there are. NULL: not told; they begin
 * at 0 then, and the step is 1. */
static const struct cli_array {
    const char *index, *first, *last, *step, *count;
} cli_arrays[] = {
    /* a Kubernetes Indexed Job; the second is the manifest's to set */
    {"JOB_COMPLETION_INDEX", NULL, NULL, NULL, "JOB_COMPLETIONS"},
    {"AWS_BATCH_JOB_ARRAY_INDEX", NULL, NULL, NULL, "AWS_BATCH_JOB_ARRAY_SIZE"},
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX",
     "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT"},
};

/* A variable's number, or fallback where it has no name or is not set; -1 for
 * what is no number.
 * "" is no number: -1. */
static int64_t
cli_env_number(const char *name, int64_t fallback)
{
    const char *text = name != NULL ? getenv(name) : NULL;

    return text == NULL ? fallback : slice_number(slice_str(text));
}

/* The share that an engine's variables say. A task that cannot know its share
 * must not take all: the others would, too. 0, or 2 after a message.
 * Source: the engines' manuals. Tests: tests/slurm.bats.
 * Examples: JOB_COMPLETION_INDEX=2 with JOB_COMPLETIONS=8 -> 2/8;
 * SLURM_ARRAY_TASK_ID=20 of 10-25:5 -> 2/4.
 * Fails:   2, naming the variable. Limits: EF_MAX_SHARES. */
static int
cli_array_share(const struct cli_array *a, struct run_job *job)
{
    int64_t first = cli_env_number(a->first, 0);
    int64_t step = cli_env_number(a->step, 1);
    int64_t count = cli_env_number(a->count, -1);
    int64_t i = cli_env_number(a->index, -1);
    int64_t last;
    char text[64];

    /* which would leave each task with all inputs */
    if (count < 0 || count > EF_MAX_SHARES || step > INT32_MAX)
        return cli_usage("an array job's share cannot be told without a "
                         "number in",
                         a->count);
    /* no overflow: 10^4 steps of 2^31 */
    last = cli_env_number(a->last, first + (count - 1) * step);
    /* "1,2,9" has no step: each of its tasks is refused, not the last alone */
    if (step < 1 || first < 0 || i < first || (i - first) % step != 0 ||
        last != first + (count - 1) * step)
        return cli_usage("not a task of an array job whose indices have one "
                         "distance (--shard I/N says which share):",
                         a->index);
    snprintf(text, sizeof text, "%lld/%lld", (long long)((i - first) / step),
             (long long)count);
    if (ef_shard_parse(&job->shard, &job->shards, slice_str(text), NULL) !=
        EF_OK)
        return cli_usage("this task's share is beyond the array job's size:",
                         a->index);
    return 0;
}

/* Which share of the inputs: --shard's, else an array job's, else all. 0, or
 * 2 after a message.
 * Fails:   2. */
static int
cli_share(const struct cli *c, struct run_job *job)
{
    ef_err err = {0};
    size_t i;

    /* unless somebody says something else */
    job->shards = 1;
    if (c->value[CLI_SHARD] != NULL) {
        if (ef_shard_parse(&job->shard, &job->shards,
                           slice_str(c->value[CLI_SHARD]), &err) == EF_OK)
            return 0;
        with_where(&err, err.code, slice_str(c->value[CLI_SHARD]));
        err.code = EF_E_USAGE;
        return cli_fail(&err);
    }
    /* of several engines' variables the first of the table counts */
    for (i = 0; i < sizeof cli_arrays / sizeof cli_arrays[0]; i++)
        if (getenv(cli_arrays[i].index) != NULL)
            return cli_array_share(&cli_arrays[i], job);
    return 0;
}

/* In order: the numbers, a command behind "--", the ports' names; then the
 * work folder's path; then run_job, which checks all documents before it
 * fetches anything.
 * What follows "--" is the application. A port's name is checked here
 * because it becomes part of a path: "../x" is refused.
 * Secret: none here; credentials and plaintext are run_job's.
 * Post: no plaintext is left, or a warning says where. The application's own
 * failure is part of the result: the exit status is 0 when every output has
 * its result.
 * Fails: 2 as above; 1, 3, 4, 5, 6 as run_job. A signal: main raises it
 * again.
 * Limits: --timeout a year, --stall a day. Tests: tests/run.bats. */
static int
cli_run(struct cli *c)
{
    char self[PATH_MAX];
    struct cli_progress progress;
    struct run_job job = {.ports = "/opt/fortanix/enclave-os/app-config/rw",
                          .input = "input",
                          .output = "output",
                          .command = c->after,
                          .note = cli_run_note};
    ef_buf work = {0};
    ef_err err = {0};
    ef_status rc = EF_OK;
    int status;

    /* 0 stands for never, and is what no --timeout means */
    if (!cli_number(c, CLI_TIMEOUT, 1, 31536000, 0, &job.timeout_sec))
        return ef_exit_status(EF_E_USAGE);
    status = cli_store_opts(c, &job.store);
    if (status == 0)
        status = cli_share(c, &job);
    if (status != 0)
        return status;
    /* not our describe: somebody's variable was empty */
    if (c->after != NULL && c->after[0] == NULL)
        return cli_usage("a command should follow --", NULL);
    cli_run_quiet = c->value[CLI_QUIET] != NULL;
    job.ports = c->value[CLI_PORTS] != NULL ? c->value[CLI_PORTS] : job.ports;
    job.input = c->value[CLI_INPUT] != NULL ? c->value[CLI_INPUT] : job.input;
    job.output =
        c->value[CLI_OUTPUT] != NULL ? c->value[CLI_OUTPUT] : job.output;
    /* by the rules for a dataset's name: one that cannot climb */
    if (ef_name_check(slice_str(job.input), NULL) != EF_OK ||
        ef_name_check(slice_str(job.output), NULL) != EF_OK)
        return cli_usage("a port is one folder's name", NULL);
    job.allow_net = c->value[CLI_ALLOW_NET] != NULL;
    job.store.progress = cli_progress(&progress, c);
    /* self outlives the run: it is this function's */
    job.self = cli_self(self);
    if (c->value[CLI_WORK] != NULL)
        rc = cli_absolute(&work, c->value[CLI_WORK], &err);
    else
        rc = cli_default_work(&work, job.ports, &err);
    /* NULL only where rc is a failure: not looked at then */
    job.work = (const char *)work.p;
    if (rc == EF_OK) {
        cli_say(c, "ports folder %s, work folder %s", job.ports, job.work);
        rc = run_job(&job, &err);
    }
    /* also after a failure: its message wants a clean line */
    cli_progress_end(&progress);
    ef_buf_free(&work);
    return rc == EF_OK ? 0 : cli_fail(&err);
}

/* --- result --- */

/* UNTRUSTED: sealed or plain bytes from a location. *data keeps to its own
 * max, which was allocated at once, so nothing is copied as it grows.
 * Fails: EF_E_LIMIT, which ends the transfer: an endless body costs no more
 * than the limit. Limits: EF_MAX_JSON_BYTES and what seals it.
 * Fuzz: fuzz/fuzz_http.c. Tests: vectors/commands.txt (result-large). */
static ef_status
cli_result_sink(void *ctx, ef_slice piece, ef_err *err)
{
    ef_buf *data = ctx;

    /* n never passes max: no underflow */
    if (piece.n > data->max - data->n)
        return reject(err, EF_E_LIMIT, EF_MAX_JSON_BYTES,
                      "larger than EF_MAX_JSON_BYTES (17825792)");
    ef_buf_add(data, piece.p, piece.n);
    return buf_status(data, err);
}

/* It comes again from its first byte.
 * Secret:  what had come so far, wiped. */
static ef_status
cli_result_restart(void *ctx, ef_err *err)
{
    ef_buf *data = ctx;

    (void)err;
    ef_wipe(data->p, data->n);
    data->n = 0;
    return EF_OK;
}

/* All bytes of the result, sealed or plain, into data. from is a URL if it
 * has "://" in it, else a file; NULL or "-" is standard input. Nothing is
 * decrypted or parsed yet.
 * A URL is a credential: it came as an argument, and only its public part is
 * shown. The scheme is asked before anything is sent.
 * Fails: EF_E_FORMAT, EF_E_POLICY, EF_E_NETWORK for a URL; EF_E_IO,
 * EF_E_LIMIT, EF_E_MEMORY for both.
 * Tests: tests/data.bats (result), vectors/commands.txt (result-*, http-*). */
static ef_status
cli_result_read(const struct store_opts *o, ef_buf *data, const char *from,
                ef_err *err)
{
    struct store_job job = {.url = from,
                            .sink = cli_result_sink,
                            .restart = cli_result_restart,
                            .ctx = data};
    ef_slice url = slice_str(from != NULL ? from : "");
    ef_scheme scheme;
    size_t n = 0;
    ef_status rc;

    if (!buf_room(data, data->max)) /* at once: it would double otherwise */
        return reject_memory(err);
    /* a file with that in its name can still come by standard input */
    if (slice_find_str(url, "://") == url.n) {
        rc = file_read_small(data->p, data->max, &n, from,
                             "larger than EF_MAX_JSON_BYTES (17825792)", err);
        data->n = n;
        return rc;
    }
    /* as run checks a dataset's: no user, no control character */
    rc = ef_location_check(&scheme, url, err);
    if (rc == EF_OK)
        rc = store_check_scheme(scheme, o->schemes, err);
    if (rc == EF_OK) {
        rc = store_run(&job, 1, 1, o);
        rc = store_first_error(&job, 1, rc, err);
    }
    return with_where(err, rc, store_public(url));
}

/* Decrypt data in place, where a key is given; without one it is taken for
 * plain JSON. Afterwards data->n counts the plaintext, which begins behind
 * the nonce: cli_result skips that.
 * Secret: key, freed on every path; data holds plaintext from here on.
 * Fails: EF_E_AUTH, with the plaintext wiped (ef_gcm_open); EF_E_FORMAT for
 * fewer than 28 bytes or a bad key file; EF_E_IO, EF_E_MEMORY. The tag is
 * checked before a byte is parsed.
 * Tests: tests/data.bats ("a damaged or foreign result"). */
static ef_status
cli_result_open(ef_buf *data, const char *key_file, ef_err *err)
{
    unsigned char *key, *p = data->p;
    ef_status rc;

    if (key_file == NULL)
        return EF_OK;
    if (data->n < EF_OVERHEAD_BYTES)
        /* before a key is read: what can't be a result needs none */
        return open_too_short(err);
    key = ef_secret_alloc(EF_KEY_BYTES, NULL);
    rc = key == NULL ? reject_memory(err) : file_read_key(key, key_file, err);
    if (rc == EF_OK) {
        /* 28 at least, as asked above */
        data->n -= EF_OVERHEAD_BYTES;
        rc =
            ef_gcm_open(p + EF_NONCE_BYTES, key, p, NULL, 0, p + EF_NONCE_BYTES,
                        data->n, p + EF_NONCE_BYTES + data->n, NULL, err);
        if (rc == EF_E_AUTH)
            rc = open_auth_failed(err);
    }
    ef_secret_free(key, EF_KEY_BYTES);
    return rc;
}

/* The application's streams go to ours, byte for byte. Returns its return
 * code, 128 + N where signal N ended it, as a shell does: 0, 3, -9 -> 137.
 * Both streams are looked at before either is written: a terminal gets all
 * or nothing.
 * Fails: 2 for control characters to a terminal, 1 for a write.
 * Tests: tests/data.bats ("result gives back stdout, stderr and the
 * returncode"), vectors/commands.txt (result-terminal, result-write). */
static int
cli_result_print(const struct cli *c, const ef_result *r)
{
    ef_err err = {0};
    ef_status rc;

    if ((cli_guarded(c) && cli_has_control(r->out.p, r->out.n)) ||
        (isatty(STDERR_FILENO) && c->value[CLI_FORCE] == NULL &&
         cli_has_control(r->err.p, r->err.n)))
        return cli_refuse_terminal("output with control characters");
    rc = file_write_full(STDOUT_FILENO, r->out.p, r->out.n, &err);
    if (rc == EF_OK)
        /* not interleaved as they were: they were captured apart */
        rc = file_write_full(STDERR_FILENO, r->err.p, r->err.n, &err);
    if (rc != EF_OK)
        return cli_fail(&err);
    /* -127 to 255 (res_returncode): 255 at most */
    return r->returncode < 0 ? 128 - r->returncode : r->returncode;
}

/* In order: read all, open it, check all of the document, print. Without
 * --json the exit status is the application's once the result is open, and
 * ours before that; with --json it is 0.
 * Whoever holds the key may have sealed anything: what opens is still only
 * looked at by ef_json_parse, res_check and ef_result_parse
 * (fuzz/fuzz_result.c).
 * Secret: data holds plaintext, out some of it; both are wiped when freed.
 * Fails: 1, 2, 4, 5, 6 as its parts, 3 for a tag; nothing was printed then,
 * unless printing is what failed.
 * Tests: tests/data.bats (result), tests/run.bats ("result prints what the
 * application left, and ends as it did"). */
static int
cli_result(struct cli *c)
{
    const char *from = c->argc > 0 ? c->args[0] : NULL;
    ef_buf data = {.max = EF_MAX_JSON_BYTES + EF_OVERHEAD_BYTES + 2};
    ef_json doc = {0};
    ef_buf out = cli_stdout(c);
    ef_err err = {0};
    ef_result r = {0, {NULL, 0}, {NULL, 0}};
    /* where the JSON begins in data: behind the nonce, if there is one */
    size_t skip = c->value[CLI_KEY] != NULL ? EF_NONCE_BYTES : 0;
    struct store_opts o;
    int status = cli_store_opts(c, &o), json = c->value[CLI_JSON] != NULL;
    ef_status rc;

    if (status != 0)
        return status;
    rc = cli_result_read(&o, &data, from, &err);
    if (rc == EF_OK)
        rc = cli_result_open(&data, c->value[CLI_KEY], &err);
    if (rc == EF_OK && json)
        rc = ef_json_parse(&doc, slice(data.p + skip, data.n), &err);
    if (rc == EF_OK && json)
        rc = res_check(&doc, &r.returncode, &err);
    if (rc == EF_OK && json) {
        ef_json_print(&doc, 0, 2, &out);
        ef_buf_byte(&out, '\n');
    } else if (rc == EF_OK) {
        /* decodes in place: r's streams lie in data */
        rc = ef_result_parse(&r, data.p + skip, data.n, &err);
        /* no JSON at all, and no key was named: ciphertext looks like that */
        if (rc == EF_E_FORMAT && skip == 0 && err.place[0] == '\0')
            with_hint(&err, rc,
                      "a result as it is stored is encrypted: -K "
                      "KEYFILE names its key");
    }
    /* of a URL only the public part: with_where cuts it */
    with_file(&err, rc, from);
    if (rc != EF_OK)
        status = cli_fail(&err);
    else if (!json)
        status = cli_result_print(c, &r);
    ef_json_free(&doc);
    ef_buf_free(&data);
    if (rc == EF_OK && json)
        /* status is 0, or that of a write that failed */
        return cli_stdout_end(&out);
    ef_buf_free(&out);
    return status;
}

/* --- selftest --- */

/* The count of one self-test. */
struct cli_selftest {
    unsigned done, failed; /* checks */
    int quiet;
};

/* Counts one check; prints only what is wrong, so that a message is never
 * lost among many that are well.
 * Pre: what and which are our own constants. Tests: vectors/commands.txt
 * (selftest-wrong). */
static void
cli_expect(struct cli_selftest *t, const char *what, const char *which, int ok)
{
    t->done++;
    t->failed += !ok;
    if (!ok)
        fprintf(stderr, "encflow selftest: wrong: %s %s\n", what, which);
}

/* 1 where p's n bytes are what hex says. Up to 64 bytes: longer than any
 * answer below. memcmp: the answers are published. */
static int
cli_hex_is(const unsigned char *p, size_t n, const char *hex)
{
    unsigned char want[64];

    /* a longer answer would be a mistake here: it fails, and is seen */
    return n <= sizeof want &&
           ef_hex_decode(want, n, slice_str(hex), NULL) == EF_OK &&
           memcmp(p, want, n) == 0;
}

/* The GCM paper's test case 16 (McGrew and Viega): 256-bit key, AAD, and 60
 * bytes, whose last block is not whole. Sealed, opened, and refused with one
 * bit of the tag changed: a kernel that says yes to all would pass the first
 * two.
 * The key is public: nothing here is wiped but what section 7 wipes. */
static void
cli_test_gcm_paper(struct cli_selftest *t, const ef_gcm_kernel *k)
{
    unsigned char key[32], iv[12], aad[20], pt[60], ct[60], back[60];
    unsigned char tag[16] = {0};
    int ok;

    ok = ef_hex_decode(key, 32,
                       slice_str("feffe9928665731c6d6a8f9467308308"
                                 "feffe9928665731c6d6a8f9467308308"),
                       NULL) == EF_OK &&
         ef_hex_decode(iv, 12, slice_str("cafebabefacedbaddecaf888"), NULL) ==
             EF_OK &&
         ef_hex_decode(aad, 20,
                       slice_str("feedfacedeadbeeffeedfacedeadbeef"
                                 "abaddad2"),
                       NULL) == EF_OK &&
         ef_hex_decode(pt, 60,
                       slice_str("d9313225f88406e5a55909c5aff5269a"
                                 "86a7a9531534f7da2e4c303d8a318a72"
                                 "1c3c0c95956809532fcf0e2449a6b525"
                                 "b16aedf5aa0de657ba637b39"),
                       NULL) == EF_OK &&
         ef_gcm_seal(ct, tag, key, iv, aad, 20, pt, 60, k, NULL) == EF_OK &&
         cli_hex_is(tag, 16, "76fc6ece0f4e1768cddf8853bb2d551b") &&
         cli_hex_is(ct, 60,
                    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c9"
                    "7598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                    "c5f61e6393ba7a0abcc9f662");
    /* also where a constant above has a typing error: ok covers both */
    cli_expect(t, "AES-256-GCM seal, GCM paper 16", ef_gcm_kernel_name(k), ok);
    ok = ef_gcm_open(back, key, iv, aad, 20, ct, 60, tag, k, NULL) == EF_OK &&
         memcmp(back, pt, 60) == 0;
    cli_expect(t, "AES-256-GCM open", ef_gcm_kernel_name(k), ok);
    /* the last byte's lowest bit: all 16 bytes are compared */
    tag[15] ^= 1;
    ok = ef_gcm_open(back, key, iv, aad, 20, ct, 60, tag, k, NULL) == EF_E_AUTH;
    cli_expect(t, "AES-256-GCM refuses a changed tag", ef_gcm_kernel_name(k),
               ok);
}

/* 4103 bytes in odd pieces; tag and hash from Python's cryptography. That is
 * 256 blocks and 7 bytes: a kernel's main loop, its rest, and pieces that
 * end within a block, where ef_gcm_crypt's own bookkeeping is.
 * SHA-256 of the ciphertext stands for its 4103 bytes.
 * Fails: no memory counts as a check that failed. */
static void
cli_test_gcm_long(struct cli_selftest *t, const ef_gcm_kernel *k)
{
    unsigned char key[32], iv[12], tag[16], hash[32], data[4103];
    ef_gcm *g;
    size_t i, n;
    int ok = 1;

    for (i = 0; i < 32; i++)
        key[i] = (unsigned char)i;
    memcpy(iv, key, 12);
    for (i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 % 251);
    /* k itself, not the best one */
    g = ef_gcm_new(key, k);
    if (g == NULL) {
        cli_expect(t, "memory for", ef_gcm_kernel_name(k), 0);
        return;
    }
    ef_gcm_start(g, iv, NULL, 0);
    for (i = 0; i < sizeof data; i += n) {
        /* 1 to 61 bytes, and what is left at the end */
        n = i % 61 + 1 < sizeof data - i ? i % 61 + 1 : sizeof data - i;
        ok &= ef_gcm_crypt(g, data + i, n, 1, NULL) == EF_OK;
    }
    /* once: y is no running hash afterwards */
    ef_gcm_tag(g, tag);
    ef_gcm_free(g);
    ef_sha256(hash, data, sizeof data);
    ok = ok && cli_hex_is(tag, 16, "efd274e9413fa1329895682601d11f61") &&
         cli_hex_is(hash, 32,
                    "1432ab36950da9120e03384a945c3b784c4ca8e2ed49b97"
                    "8d6c9ead52b2dea63");
    cli_expect(t, "AES-256-GCM in pieces", ef_gcm_kernel_name(k), ok);
}

/* One published answer each: enough to see a wrong build. tests/unit.c has
 * the vectors. */
static void
cli_test_hashes(struct cli_selftest *t)
{
    unsigned char out[32];

    ef_sha256(out, "abc", 3);
    cli_expect(t, "SHA-256", "(FIPS 180-4)",
               cli_hex_is(out, 32,
                          "ba7816bf8f01cfea414140de5dae2223b00361a396"
                          "177a9cb410ff61f20015ad"));
    ef_hmac_sha256(out, "Jefe", 4, "what do ya want for nothing?", 28);
    cli_expect(t, "HMAC-SHA-256", "(RFC 4231, 2)",
               cli_hex_is(out, 32,
                          "5bdcc146bf60754e6a042426089575c75a003f089d"
                          "2739839dec58b964ec3843"));
    ef_hmac_sha1(out, "Jefe", 4, "what do ya want for nothing?", 28);
    cli_expect(t, "HMAC-SHA-1", "(RFC 2202, 2)",
               cli_hex_is(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
}

/* AWS's documented examples with its published example keys: SigV4 as of
 * 2013-05-24T00:00:00Z; SigV2 with Expires 1175139620, the sum of now and
 * expires. The signatures alone are compared: a byte wrong in what is signed
 * changes them. */
static void
cli_test_signing(struct cli_selftest *t)
{
    /* published by AWS for its documentation: opens nothing */
    ef_presign p = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                    .method = "GET",
                    .bucket = "examplebucket",
                    .key = slice_str("test.txt"),
                    .region = "us-east-1",
                    .now = 1369353600,
                    .expires = 86400};
    ef_buf url = {0}, signature = {0};
    ef_sign_stages stages = {NULL, NULL, &signature};
    int ok = ef_presign_url(&url, &stages, &p, NULL) == EF_OK;

    cli_expect(t, "SigV4", "(AWS example)",
               ok && slice_is(buf_slice(&signature),
                              "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265"
                              "957d157751f604d404"));
    /* the second goes over the first */
    signature.n = 0;
    p.sigv2 = 1;
    p.bucket = "johnsmith";
    p.key = slice_str("photos/puppy.jpg");
    p.now = 1175139620 - 86400;
    ok = ef_presign_url(&url, &stages, &p, NULL) == EF_OK;
    cli_expect(
        t, "SigV2", "(AWS example)",
        ok && slice_is(buf_slice(&signature), "NpgCjnDzrM+WFzoENXmpNDUsSn8="));
    ef_buf_free(&url);
    ef_buf_free(&signature);
}

/* base64 and JSON, each with an answer and the JSON parser with a refusal:
 * "\u0061" is a name that "a" has already. */
static void
cli_test_text(struct cli_selftest *t)
{
    /* members to sort, numbers to shorten, an escape to undo */
    static const char json[] = "{\"b\":[1.50,1e21],\"a\":\"\\u20ac\"}";
    char base64[8];
    unsigned char raw[6];
    size_t n = 0;
    ef_buf out = {0};
    ef_json doc;
    int ok;

    ef_base64_encode(base64, "foobar", 6);
    cli_expect(t, "base64", "(RFC 4648)", memcmp(base64, "Zm9vYmFy", 8) == 0);
    ok = ef_base64_decode(raw, &n, slice(base64, 8), NULL) == EF_OK;
    cli_expect(t, "base64 decoding", "(RFC 4648)",
               ok && n == 6 && memcmp(raw, "foobar", 6) == 0);
    ok = ef_json_parse(&doc, slice_str(json), NULL) == EF_OK &&
         ef_json_canonical(&doc, 0, &out, NULL) == EF_OK;
    cli_expect(t, "canonical JSON", "(RFC 8785)",
               ok && slice_is(buf_slice(&out),
                              "{\"a\":\"\xe2\x82\xac\",\"b\":[1.5,1e+21]}"));
    ef_json_free(&doc);
    ef_buf_free(&out);
    ok = ef_json_parse(&doc, slice_str("{\"a\":1,\"\\u0061\":2}"), NULL) ==
         EF_E_FORMAT;
    cli_expect(t, "JSON refuses a name twice", "(RFC 7493)", ok);
    ef_json_free(&doc);
}

/* Every kernel that this processor can run is checked, not only the one in
 * use. EF_E_INTERNAL's exit status when any check fails.
 * For a machine one does not know, and after a build: it reads no file and
 * needs no network. Failures go to stderr, counts to stdout, also with -q.
 * Tests: tests/data.bats ("selftest counts its checks and passes"),
 * tests/static.bats, tests/secrets.bats ("selftest keeps no round key"). */
static int
cli_selftest(struct cli *c)
{
    struct cli_selftest t = {0, 0, c->value[CLI_QUIET] != NULL};
    int json = c->value[CLI_JSON] != NULL;
    const ef_gcm_kernel *k;
    unsigned i;

    /* best first: 0 is the one in use */
    for (i = 0; (k = ef_gcm_kernel_at(i)) != NULL; i++) {
        cli_test_gcm_paper(&t, k);
        cli_test_gcm_long(&t, k);
        if (!json && !t.quiet)
            printf("AES-256-GCM on %s%s\n", ef_gcm_kernel_name(k),
                   i == 0 ? " (in use)" : "");
    }
    /* these have one implementation each */
    cli_test_hashes(&t);
    cli_test_signing(&t);
    cli_test_text(&t);
    if (json)
        printf("{\"checks\": %u, \"failed\": %u, \"kernels\": %u}\n", t.done,
               t.failed, i);
    else if (t.failed == 0)
        printf("selftest: %u checks passed\n", t.done);
    else
        printf("selftest: %u of %u checks failed\n", t.failed, t.done);
    return t.failed == 0 ? 0 : ef_exit_status(EF_E_INTERNAL);
}

/* --- the table of commands --- */

/* What there is to do, in the order in which --help lists it. A command of
 * two words has a blank in its name. The exit statuses are encflow(1)'s;
 * each function tells its own.
 * An option that is not in a row is "unknown" there: nothing is taken and
 * then ignored. */
static const struct cli_command cli_commands[] = {
    /* one for each dataset, and one for the answer */
    {"keygen",
     "[-o FILE]",
     "make a key: 32 random bytes as 64 hex digits",
     cli_keygen,
     0,
     0,
     {CLI_KEY_OUT, CLI_FORCE}},
    /* enc and dec take the same options */
    {"enc",
     "-K KEYFILE [-in FILE] [-out FILE]",
     "encrypt with AES-256-GCM: nonce, ciphertext, tag",
     cli_enc,
     0,
     0,
     {CLI_KEY, CLI_IN, CLI_OUT, CLI_THREADS, CLI_FORCE}},
    /* verifies all before it releases a byte */
    {"dec",
     "-K KEYFILE [-in FILE] [-out FILE]",
     "decrypt; nothing is written unless all of it is authentic",
     cli_dec,
     0,
     0,
     {CLI_KEY, CLI_IN, CLI_OUT, CLI_THREADS, CLI_FORCE}},
    /* --force is about decoded bytes; base64 itself may go anywhere */
    {"base64",
     "[-d] [-in FILE] [-out FILE]",
     "encode to one line of base64, or decode",
     cli_base64,
     0,
     0,
     {CLI_DECODE, CLI_IN, CLI_OUT, CLI_FORCE}},
    /* POINTER before FILE; one alone is told by its first character
     * (cli_json) */
    {"json",
     "[-r] [-c] [-in FILE] [POINTER] [FILE]",
     "check JSON strictly and print it, or the part that POINTER names",
     cli_json,
     0,
     2,
     {CLI_RAW, CLI_CANONICAL, CLI_IN, CLI_FORCE}},
    /* -o is a folder here: location.txt and credentials.bin together */
    {"credentials make",
     "--url URL -K KEYFILE [-o DIR]",
     "write a dataset's credentials: the query string and the key",
     cli_credentials_make,
     0,
     0,
     {CLI_URL, CLI_KEY, CLI_FOLDER, CLI_FORCE}},
    {"credentials check",
     "[--online] FILE|DIR",
     "check credentials; say when they expire and what they reach",
     cli_credentials_check,
     1,
     1,
     {CLI_ONLINE, CLI_CACERT, CLI_PROXY, CLI_STALL, CLI_CONNECT, CLI_MAX_TIME,
      CLI_ALLOW_HTTP, CLI_ALLOW_FILE, CLI_JSON}},
    /* five arguments, in the order of the reference's script */
    {"presign",
     "PROFILE download|upload S3DIR FILE SECONDS",
     "print a presigned S3 URL (Signature Version 4)",
     cli_presign,
     5,
     5,
     {CLI_SIGV2, CLI_REGION, CLI_ENDPOINT, CLI_ADDRESSING, CLI_QUERY,
      CLI_ENCODED, CLI_AT, CLI_JSON}},
    /* one file, one object; DST may be a folder or a prefix */
    {"put",
     "[-K KEYFILE] SRC DST",
     "upload a file, encrypted on its way with -K",
     cli_put,
     2,
     2,
     {CLI_KEY, CLI_PROFILE, CLI_REGION, CLI_ENDPOINT, CLI_ADDRESSING, CLI_PROXY,
      CLI_STALL, CLI_CONNECT, CLI_MAX_TIME, CLI_ALLOW_HTTP, CLI_ALLOW_FILE,
      CLI_CACERT}},
    {"get",
     "[-K KEYFILE] SRC [DST]",
     "download an object, decrypted on its way with -K",
     cli_get,
     1,
     2,
     {CLI_KEY, CLI_PROFILE, CLI_REGION, CLI_ENDPOINT, CLI_ADDRESSING, CLI_PROXY,
      CLI_STALL, CLI_CONNECT, CLI_MAX_TIME, CLI_ALLOW_HTTP, CLI_ALLOW_FILE,
      CLI_CACERT, CLI_FORCE}},
    /* every argument is a file, so there is no upper bound */
    {"describe",
     "[-c COLUMN]... FILE...",
     "summarise columns of text, as pandas describes them",
     cli_describe,
     1,
     INT_MAX,
     {CLI_COLUMN, CLI_ALL, CLI_TOP, CLI_PLOT, CLI_FORMAT, CLI_JSON}},
    /* no arguments of its own: what follows "--" is not counted */
    {"run",
     "[--ports DIR] [-- COMMAND ARG...]",
     "fetch and decrypt the inputs, run the application, deliver the result",
     cli_run,
     0,
     0,
     {CLI_PORTS, CLI_INPUT, CLI_OUTPUT, CLI_WORK, CLI_TIMEOUT, CLI_SHARD,
      CLI_PROXY, CLI_STALL, CLI_CONNECT, CLI_MAX_TIME, CLI_ALLOW_NET,
      CLI_ALLOW_HTTP, CLI_ALLOW_FILE, CLI_CACERT}},
    /* FILE or URL may be missing: standard input */
    {"result",
     "[-K KEYFILE] [FILE|URL]",
     "decrypt a result, print its output, exit with its return code",
     cli_result,
     0,
     1,
     {CLI_KEY, CLI_CACERT, CLI_PROXY, CLI_STALL, CLI_CONNECT, CLI_MAX_TIME,
      CLI_ALLOW_HTTP, CLI_ALLOW_FILE, CLI_JSON, CLI_FORCE}},
    /* no input at all */
    {"selftest",
     "",
     "check every cipher path against known answers",
     cli_selftest,
     0,
     0,
     {CLI_JSON}},
};
#define CLI_COMMANDS (sizeof cli_commands / sizeof cli_commands[0])

/* One line of --help, two where the left column is too wide. 64 bytes are
 * more than any row's brief form, name and value. */
static void
cli_help_option(enum cli_option o)
{
    const struct cli_spelling *s = &cli_spellings[o];
    char left[64];

    snprintf(left, sizeof left, "%s%s%s%s%s", s->brief,
             s->brief[0] != '\0' ? ", " : "", s->name,
             s->value != NULL ? " " : "", s->value != NULL ? s->value : "");
    printf("  %-28s%s%s\n", left,
           /* 30 blanks: where the right column begins */
           strlen(left) >= 28 ? "\n                              " : "",
           s->help);
}

/* --help after a command, on stdout: it was asked for. 0. The options come
 * from the table, so none can be missing; the three of every command last.
 * Tests: tests/data.bats ("--help works everywhere"), tests/man.bats
 * ("options: --help and the page agree"). */
static int
cli_help_command(const struct cli_command *cmd)
{
    size_t i;

    printf("usage: encflow %s%s%s\n%s\n\noptions:\n", cmd->name,
           cmd->synopsis[0] != '\0' ? " " : "", cmd->synopsis, cmd->about);
    for (i = 0; cmd->options[i] != CLI_END; i++)
        cli_help_option((enum cli_option)cmd->options[i]);
    /* these are in no row: cli_find_option adds them to each */
    cli_help_option(CLI_QUIET);
    cli_help_option(CLI_VERBOSE);
    cli_help_option(CLI_HELP);
    return 0;
}

/* All commands, a line each, and what the exit statuses mean. Returns 0.
 * Tests: tests/man.bats ("the page has a section for each command of --help,
 * and no other"). */
static int
cli_help(void)
{
    size_t i;

    printf("usage: encflow COMMAND [OPTION]... [ARGUMENT]...\n"
           "a confidential data workflow, from a CSV file to a result\n"
           "that only its receiver can read\n\ncommands:\n");
    for (i = 0; i < CLI_COMMANDS; i++)
        printf("  %-18s %s\n", cli_commands[i].name, cli_commands[i].about);
    printf("\n`encflow COMMAND --help` tells more; encflow(1) tells all.\n"
           "`make demo` runs the whole story.\n\n"
           "exit status: 0 done, 1 I/O or internal failure, 2 usage, "
           "3 authentication failed,\n4 malformed input, 5 refused by "
           "policy, 6 network or storage\n");
    return 0;
}

/* What a report of a fault needs: version, libraries, TLS backend, and the
 * AES kernel that this processor gets. The static build adds its parts.
 * Tests: tests/data.bats ("--version names"), tests/static.bats. */
static int
cli_version(void)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

    printf("encflow %s\nlibcurl %s, TLS by %s\nAES-256-GCM: %s (BearSSL)\n"
           "%s",
           EF_VERSION, v->version,
           v->ssl_version != NULL ? v->ssl_version : "nothing",
           ef_gcm_kernel_name(ef_gcm_kernel_at(0)), EF_BUILD_INFO);
    return 0;
}

/* --- parsing --- */

/* The option that text (up to '=' for long ones: n bytes) spells, of those
 * that cmd takes and the three of every command; CLI_END when there is none.
 * No abbreviations: a later option must not change what a script says.
 * --out=x -> CLI_OUT; -out=x and --ou -> CLI_END.
 * UNTRUSTED: text. Fuzz: fuzz/fuzz_cli.c. */
static enum cli_option
cli_find_option(const struct cli_command *cmd, const char *text, size_t n)
{
    static const unsigned char common[] = {CLI_QUIET, CLI_VERBOSE, CLI_HELP};
    size_t i;
    unsigned o;

    for (i = 0; i < sizeof cmd->options + sizeof common; i++) {
        /* a row's places are bytes: sizeof counts them */
        o = i < sizeof cmd->options ? cmd->options[i]
                                    : common[i - sizeof cmd->options];
        /* the rest of a row is zeros */
        if (o == CLI_END)
            continue;
        /* a brief form is the whole argument; text begins with '-', so that
         * no "" matches */
        if (strcmp(cli_spellings[o].brief, text) == 0 ||
            (n == strlen(cli_spellings[o].name) &&
             strncmp(cli_spellings[o].name, text, n) == 0))
            return (enum cli_option)o;
    }
    return CLI_END;
}

/* Note one option; *i is its place and moves to its value's. 0, or an exit
 * status after a message. A value is whatever follows, also "-" or "-x".
 * UNTRUSTED: argv. Pre: columns and queries have argc places.
 * Fails: 2: unknown here, a flag with a value, a value missing, given twice.
 * A flag may be repeated, as may -c of describe and --query.
 * Fuzz: fuzz/fuzz_cli.c. Tests: vectors/commands.txt (unknown-option,
 * flag-with-value, value-missing, option-twice). */
static int
cli_take_option(struct cli *c, char **argv, int argc, int *i)
{
    const char *text = argv[*i], *value = "", *eq = strchr(text, '=');
    size_t n = eq != NULL ? (size_t)(eq - text) : strlen(text);
    enum cli_option o = cli_find_option(c->command, text, n);

    if (o == CLI_END)
        return cli_usage("unknown option", text);
    /* --force=no must not mean --force */
    if (cli_spellings[o].value == NULL && eq != NULL)
        return cli_usage("this option takes no value:", text);
    if (cli_spellings[o].value != NULL && eq != NULL)
        value = eq + 1;
    else if (cli_spellings[o].value != NULL && ++*i < argc)
        value = argv[*i];
    else if (cli_spellings[o].value != NULL)
        /* *i is argc now; the caller stops */
        return cli_usage("a value is missing after", text);
    if (o == CLI_COLUMN)
        c->columns[c->column_n++] = value;
    else if (o == CLI_QUERY)
        c->queries[c->query_n++] = value;
    /* which of two files was meant, nobody can tell */
    else if (c->value[o] != NULL && cli_spellings[o].value != NULL)
        return cli_usage("given twice:", text);
    /* "" for a flag; the last of repeated ones, which nobody reads */
    c->value[o] = value;
    return 0;
}

/* Options and arguments in any order; "--" ends options. For `run` what
 * follows it is the application, untouched, options and all. "-" is an
 * argument: a standard stream.
 * UNTRUSTED: argv. Pre: c's three arrays have argc places.
 * Fails: as cli_take_option; the first that is wrong is told.
 * Fuzz: fuzz/fuzz_cli.c. Tests: tests/data.bats ("long and short forms, =
 * and any order mean the same", "-- ends the options"). */
static int
cli_parse(struct cli *c, char **argv, int argc)
{
    int i, status, run = strcmp(c->command->name, "run") == 0;

    for (i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            break;
        /* no option: "" and "-" among them */
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            c->args[c->argc++] = argv[i];
            continue;
        }
        status = cli_take_option(c, argv, argc, &i);
        if (status != 0)
            return status;
    }
    /* only "--" leaves the loop early */
    if (i < argc && run)
        c->after = argv + i + 1;
    /* behind "--"; past the end where there was none */
    for (i = i + 1; i < argc && !run; i++)
        c->args[c->argc++] = argv[i];
    return 0;
}

/* The command that argv names. argc is at least 2. *words is how many
 * arguments the name takes up; NULL: there is no such command.
 * UNTRUSTED: argv. No abbreviations, as with options.
 * Fuzz: fuzz/fuzz_cli.c. Tests: vectors/commands.txt (unknown-command,
 * half-a-command). */
static const struct cli_command *
cli_find_command(int argc, char **argv, int *words)
{
    size_t i;

    for (i = 0; i < CLI_COMMANDS; i++) {
        const char *name = cli_commands[i].name, *blank = strchr(name, ' ');
        size_t n = blank != NULL ? (size_t)(blank - name) : strlen(name);

        if (strlen(argv[1]) != n || strncmp(argv[1], name, n) != 0)
            continue;
        *words = blank != NULL ? 2 : 1;
        /* else another row may have the same first word */
        if (blank == NULL || (argc > 2 && strcmp(argv[2], blank + 1) == 0))
            return &cli_commands[i];
    }
    return NULL;
}

/* "credentials" alone, or with something else after it; else the command is
 * unknown. Exit status 2, but 0 for "credentials --help".
 * UNTRUSTED: argv, escaped by cli_usage. Fuzz: fuzz/fuzz_cli.c. */
static int
cli_no_command(int argc, char **argv)
{
    size_t i, n = strlen(argv[1]);

    for (i = 0; i < CLI_COMMANDS; i++)
        if (strncmp(cli_commands[i].name, argv[1], n) == 0 &&
            /* the first of two words; n is within the name, which begins with
             * argv[1] */
            cli_commands[i].name[n] == ' ')
            break;
    if (i == CLI_COMMANDS)
        return cli_usage("unknown command", argv[1]);
    if (argc > 2 &&
        (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
        return cli_help();
    /* credentials is the only command of two words */
    return cli_usage("make or check should follow", argv[1]);
}

/* The command's own arguments, and what becomes of them: parsed, --help,
 * counted, run. --help goes before the count, so that it works on a line
 * that is not finished; a wrong option goes before --help.
 * Tests: vectors/commands.txt (few-arguments, many-arguments). */
static int
cli_command(struct cli *c, int argc, char **argv)
{
    int status = cli_parse(c, argv, argc);

    if (status != 0)
        return status;
    /* nothing has been read or opened yet */
    if (c->value[CLI_HELP] != NULL)
        return cli_help_command(c->command);
    if (c->argc < c->command->min_args)
        /* what should have been there says more than what is */
        return cli_usage("arguments are missing:", c->command->synopsis);
    if (c->argc > c->command->max_args)
        return cli_usage("one argument too many:",
                         c->args[c->command->max_args]);
    return c->command->run(c);
}

/* Find the command, parse its line, run it; the exit status. The three
 * arrays have argc places, so cli_parse needs no bound: an argument fills at
 * most one of them.
 * From here on messages begin with the command's name (cli_name).
 * Fails: 2 for the line, 1 for memory, else the command's status. */
static int
cli_dispatch(int argc, char **argv)
{
    struct cli c = {0};
    ef_err err = {0};
    int words = 1, status;

    c.command = cli_find_command(argc, argv, &words);
    if (c.command == NULL)
        return cli_no_command(argc, argv);
    /* a text of the table: it stays */
    cli_name = c.command->name;
    c.args = calloc((size_t)argc, sizeof *c.args);
    c.columns = calloc((size_t)argc, sizeof *c.columns);
    c.queries = calloc((size_t)argc, sizeof *c.queries);
    /* argc is 2 at least: no calloc of nothing, which may be NULL */
    if (c.args == NULL || c.columns == NULL || c.queries == NULL) {
        (void)reject_memory(&err);
        status = cli_fail(&err);
    } else {
        status = cli_command(&c, argc - 1 - words, argv + 1 + words);
    }
    /* pointers to argv: nothing in them to wipe */
    free(c.args);
    free(c.columns);
    free(c.queries);
    return status;
}

/* --- the process --- */

/* Before an argument is looked at: no core dumps, no ptrace by others, all
 * memory that may be locked, no surprise on closed pipes, and the three
 * standard descriptors in place. Nothing here can fail the command: where a
 * system refuses, the rest still holds.
 * Tests: tests/data.bats ("secrets are locked in memory and core dumps are
 * off"), tests/atomic.bats ("closed standard files never end up inside an
 * output"). */
static void
cli_harden(void)
{
    struct rlimit none = {0, 0}, lock;
    int fd;

    (void)setrlimit(RLIMIT_CORE, &none);
    /* up to the hard limit, which needs no privilege */
    if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0) {
        lock.rlim_cur = lock.rlim_max;
        (void)setrlimit(RLIMIT_MEMLOCK, &lock);
    }
    /* also makes /proc/PID root's: its mem and environ are closed */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    /* a reader that left is EPIPE: an error with a message */
    (void)signal(SIGPIPE, SIG_IGN);
    /* A closed standard descriptor must not become some file's number: it is
     * filled with one that fails the way it should. */
    do {
        fd = open("/dev/null",
                  fcntl(STDIN_FILENO, F_GETFD) < 0 ? O_WRONLY : O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    /* the one that was one too many; -1 where there is no /dev/null */
    if (fd > STDERR_FILENO)
        close(fd);
    (void)unsetenv("SSLKEYLOGFILE"); /* TLS secrets go to no file */
}

/* More than the calls of any command reach. Threads have stacks of their own:
 * those of section 8 burn them before they end. */
#define CLI_BURN_BYTES ((size_t)256 * 1024)

/* The command's exit status; what it printed may still be in a buffer.
 * --help and --version need neither handlers nor libcurl's start. Handlers
 * come before the first secret and the first temporary name.
 * Pre: once in a process, in its only thread: curl_global_init wants both.
 * Fails: 2 without a command; 1 where libcurl cannot begin.
 * Tests: vectors/commands.txt (no-command, unknown-command). */
static int
cli_main(int argc, char **argv)
{
    ef_err err = {0};
    int status;

    /* 0 is possible, too: execve(2) may give no argument at all */
    if (argc < 2)
        return cli_usage("a command is missing", NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return cli_help();
    if (strcmp(argv[1], "--version") == 0)
        return cli_version();
    cli_signals(strcmp(argv[1], "run") == 0);
    if (!http_init()) {
        (void)reject_memory(&err);
        return cli_fail(&err);
    }
    status = cli_dispatch(argc, argv);
    store_end(&cli_net);
    curl_global_cleanup();
    return status;
}

/* The last of the work is over: what its calls left behind goes, however
 * deep they were. As burn_stack, for all of a command.
 * Tests: tests/secrets.bats. */
static void __attribute__((noinline)) cli_burn(void)
{
    unsigned char frame[CLI_BURN_BYTES];

    ef_wipe(frame, sizeof frame);
    burn_registers();
}

/* Is there room for cli_burn's frame? A small limit must not turn work that
 * is done into a crash. */
static int
cli_has_stack(void)
{
    struct rlimit limit;

    /* RLIM_INFINITY is more than any number */
    return getrlimit(RLIMIT_STACK, &limit) == 0 &&
           limit.rlim_cur >= 4 * CLI_BURN_BYTES;
}

/* Hardened before anything is read. In order behind the command: what stdio
 * still holds, the warning about memory, a signal.
 * A signal that `run` noted is raised again at the end, so that the parent
 * sees what ended us; the status is lost then, as for any process that a
 * signal ends.
 * Fails: 1 where output could not be written, unless the command had failed
 * already. Tests: vectors/commands.txt (stdout-full, not-locked). */
int
main(int argc, char **argv)
{
    int status;

    /* before libcurl, and before any file is opened */
    cli_harden();
    /* every buffer, key and file of a command is gone on return */
    status = cli_main(argc, argv);
    /* a command that failed has said so: one message is enough */
    if (fflush(stdout) != 0 && status == 0) {
        ef_err err = {0};

        (void)with_file(&err, reject_sys(&err, EF_E_IO, "cannot write"), NULL);
        status = cli_fail(&err);
    }
    /* also with -q: the user may want to know before the next time */
    if (secret_unlocked)
        fprintf(stderr, "encflow: warning: secrets could not be locked in "
                        "memory and may reach swap\n"
                        "hint: raise the limit (ulimit -l, RLIMIT_MEMLOCK)\n");
    if (cli_has_stack())
        cli_burn();
    else
        burn_stack();
    if (cli_stop != 0) { /* end as the signal asked, after the clean-up */
        (void)signal(cli_stop, SIG_DFL);
        (void)raise(cli_stop);
    }
    return status;
}

#endif /* EF_NO_MAIN */
