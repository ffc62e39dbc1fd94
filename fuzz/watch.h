/*
 * watch.h -- include it before ../encflow.c: secret memory is then counted,
 * must be all zeros when it is given back, and can be refused, as fuzz.h has
 * it for other allocations.
 */
#ifndef ENCFLOW_WATCH_H
#define ENCFLOW_WATCH_H

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static long watch_held; /* blocks of secret memory not yet given back */

static inline void *
watch_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    void *p =
        fuzz_alloc_fails() ? MAP_FAILED : mmap(at, n, prot, flags, fd, offset);

    watch_held += p != MAP_FAILED;
    return p;
}

/* Between two guard pages, which nobody can read. */
static inline int
watch_munmap(void *p, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const char *body = (const char *)p + page;

    n -= 2 * page;
    FUZZ_ASSERT(body[0] == 0 && memcmp(body, body + 1, n - 1) == 0);
    watch_held--;
    return munmap(p, n + 2 * page);
}

#define mmap watch_mmap
#define munmap watch_munmap

#endif /* ENCFLOW_WATCH_H */
