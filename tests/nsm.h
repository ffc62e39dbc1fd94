/* nsm.h -- a stand-in for the Nitro security module, for tests: nsm.c says
 * what it does and what its folder holds. */
#ifndef ENCFLOW_TESTS_NSM_H
#define ENCFLOW_TESTS_NSM_H

#include <stddef.h>
#include <stdint.h>

/* The driver's (linux/nsm.h). */
#define NSM_RAW 0xC0200A00U
struct nsm_raw {
    uint64_t request, request_n, answer, answer_n;
};
enum { NSM_REQUEST_MAX = 0x1000, NSM_ANSWER_MAX = 0x3000 };

/* Answers one request; how many bytes, or -1 with errno as the driver has
 * it. What is wrong with the folder is said on stderr, and is EIO. */
long nsm_answer(const char *folder, const unsigned char *request, size_t n,
                unsigned char answer[NSM_ANSWER_MAX]);

#endif
