/*
 * fuzz.h -- what every fuzz target shares. README says how to add one.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput. It takes its
 * parameters from the end of the input, so that the rest keeps the shape of
 * the format, and it discards no input: whatever the bytes are, some claim is
 * tested. The bytes that a parser sees lie in a heap block of exactly their
 * size, so that AddressSanitizer sees a read past either end.
 */
#ifndef ENCFLOW_FUZZ_H
#define ENCFLOW_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A claim. Its failure is a finding, as a crash is. */
#define FUZZ_ASSERT(claim)                                                     \
    ((claim) ? (void)0 : fuzz_fail(#claim, __FILE__, __LINE__))

/* Said where a target has passed its preconditions: replay.c fails for a seed
 * that never gets there. */
#define FUZZ_REACHED() ((void)fuzz_reached++)

__attribute__((weak)) unsigned long fuzz_reached;

static inline _Noreturn void
fuzz_fail(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: claim does not hold: %s\n", file, line, claim);
    abort();
}

/* The input while a target takes it apart. */
struct fuzz_in {
    const uint8_t *p;
    size_t n;
};

/* The last byte, 0 where there is none; then the one before it. */
static inline uint8_t
fuzz_byte(struct fuzz_in *in)
{
    return in->n > 0 ? in->p[--in->n] : 0;
}

static inline uint32_t
fuzz_u32(struct fuzz_in *in)
{
    uint32_t v = 0;
    int i;

    for (i = 0; i < 4; i++)
        v = v << 8 | fuzz_byte(in);
    return v;
}

/* n bytes (zeros past the input's beginning) from the end to out. */
static inline void
fuzz_bytes(struct fuzz_in *in, void *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        ((uint8_t *)out)[i] = fuzz_byte(in);
}

/* A block of exactly n bytes, a copy of p's where p is given; free() it. */
static inline void *
fuzz_block(const void *p, size_t n)
{
    void *block = malloc(n);

    if (block == NULL)
        abort(); /* malloc(0) gives a block here, of which nothing is ours */
    if (p != NULL && n > 0)
        memcpy(block, p, n);
    return block;
}

/* The rest of the input as a slice of its own exact block, kept in *block. */
static inline ef_slice
fuzz_rest(struct fuzz_in *in, void **block)
{
    *block = fuzz_block(in->p, in->n);
    return (ef_slice){*block, in->n};
}

/* a NUL-terminated copy of exactly n + 1 bytes; free() it. */
static inline char *
fuzz_string(const void *p, size_t n)
{
    char *s = malloc(n + 1);

    if (s == NULL)
        abort();
    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

/*
 * encflow's own allocations: run.py compiles encflow.c so that it calls these.
 * Where fuzz_alloc_left is set to n, the n-th of them fails, and those after
 * it succeed. Any EF_E_MEMORY is then right, and any outcome but a crash, a
 * leak or a wrong EF_OK. 0, as it is at the start: none fails.
 */
__attribute__((weak)) unsigned long fuzz_alloc_left;

void *fuzz_malloc(size_t n);
void *fuzz_calloc(size_t n, size_t size);
void *fuzz_realloc(void *p, size_t n);

__attribute__((weak)) int
fuzz_alloc_fails(void)
{
    return fuzz_alloc_left > 0 && --fuzz_alloc_left == 0;
}

__attribute__((weak)) void *
fuzz_malloc(size_t n)
{
    return fuzz_alloc_fails() ? NULL : malloc(n);
}

__attribute__((weak)) void *
fuzz_calloc(size_t n, size_t size)
{
    return fuzz_alloc_fails() ? NULL : calloc(n, size);
}

__attribute__((weak)) void *
fuzz_realloc(void *p, size_t n)
{
    return fuzz_alloc_fails() ? NULL : realloc(p, n);
}

/* 1 where one did fail since fuzz_alloc_left was set to n; no other will. */
static inline int
fuzz_alloc_failed(uint8_t n)
{
    int failed = n > 0 && fuzz_alloc_left == 0;

    fuzz_alloc_left = 0;
    return failed;
}

/* Do what takes long? Only where the bytes of the whole input add up to a
 * multiple of 256: few of those that an engine makes from a slow one do. */
static inline int
fuzz_seldom(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;
    size_t i;

    for (i = 0; i < size; i++)
        sum = (uint8_t)(sum + data[i]);
    return sum == 0;
}

/* text with `times` copies of unit put in at `at`, in a block of its own that
 * takes *block's place: how a short input gets past a limit. */
static inline ef_slice
fuzz_stretch(void **block, ef_slice text, size_t at, const char *unit,
             size_t times)
{
    size_t n = times * strlen(unit), done = strlen(unit);
    unsigned char *p = fuzz_block(NULL, text.n + n), *hole;

    at = at < text.n ? at : text.n;
    hole = p + at;
    memcpy(p, text.p, at);
    memcpy(hole, unit, n > 0 ? done : 0);
    for (; done < n; done *= 2) /* what is there, again */
        memcpy(hole + done, hole, done < n - done ? done : n - done);
    memcpy(hole + n, text.p + at, text.n - at);
    free(*block);
    *block = p;
    return (ef_slice){p, text.n + n};
}

/* A refusal has a status, a message, and a place inside the input. */
static inline void
fuzz_refused(ef_status rc, const ef_err *err, size_t n)
{
    FUZZ_ASSERT(rc != EF_OK && err->code == rc && err->msg != NULL);
    FUZZ_ASSERT(err->at == EF_NOWHERE || err->at <= n);
}

#endif /* ENCFLOW_FUZZ_H */
