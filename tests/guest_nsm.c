/*
 * guest_nsm.c -- /dev/nsm in the booted guest: a character device made with
 * CUSE, so that encflow reaches nsm.c's stand-in by the real system calls.
 *
 *   guest_nsm FOLDER      nsm.c's folder; runs until it is ended
 *
 * The struct behind the ioctl has pointers, so the kernel is told in two
 * steps what to fetch: first the struct, then what it points to.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <fuse3/cuse_lowlevel.h>

#include "nsm.h"

static const char *folder;

static void
on_open(fuse_req_t req, struct fuse_file_info *fi)
{
    fuse_reply_open(req, fi);
}

/* The struct is there: what it points to is wanted, and where the struct and
 * the answer go. */
static void
fetch(fuse_req_t req, void *arg, const struct nsm_raw *raw)
{
    struct iovec in[2] = {
        {arg, sizeof *raw},
        {(void *)(uintptr_t)raw->request, (size_t)raw->request_n}};
    struct iovec out[2] = {
        {arg, sizeof *raw},
        {(void *)(uintptr_t)raw->answer, (size_t)raw->answer_n}};

    fuse_reply_ioctl_retry(req, in, 2, out, 2);
}

static void
answer(fuse_req_t req, struct nsm_raw raw, const unsigned char *request)
{
    unsigned char out[sizeof raw + NSM_ANSWER_MAX];
    long n =
        nsm_answer(folder, request, (size_t)raw.request_n, out + sizeof raw);

    if (n < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    if ((uint64_t)n < raw.answer_n)
        raw.answer_n = (uint64_t)n;
    memcpy(out, &raw, sizeof raw);
    fuse_reply_ioctl(req, 0, out, sizeof raw + (size_t)raw.answer_n);
}

static void
on_ioctl(fuse_req_t req, int cmd, void *arg, struct fuse_file_info *fi,
         unsigned flags, const void *in, size_t in_n, size_t out_n)
{
    struct iovec whole = {arg, sizeof(struct nsm_raw)};
    struct nsm_raw raw;

    (void)fi;
    (void)flags;
    (void)out_n;
    if ((unsigned)cmd != NSM_RAW) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (in_n < sizeof raw) {
        fuse_reply_ioctl_retry(req, &whole, 1, NULL, 0);
        return;
    }
    memcpy(&raw, in, sizeof raw);
    if (raw.request_n > NSM_REQUEST_MAX)
        fuse_reply_err(req, EMSGSIZE);
    else if (raw.request_n == 0) /* nothing more would ever come */
        fuse_reply_err(req, EINVAL);
    else if (in_n == sizeof raw)
        fetch(req, arg, &raw);
    else
        answer(req, raw, (const unsigned char *)in + sizeof raw);
}

int
main(int argc, char **argv)
{
    static const struct cuse_lowlevel_ops ops = {.open = on_open,
                                                 .ioctl = on_ioctl};
    const char *name[] = {"DEVNAME=nsm"};
    struct cuse_info info = {.dev_info_argc = 1,
                             .dev_info_argv = name,
                             .flags = CUSE_UNRESTRICTED_IOCTL};
    char foreground[] = "-f", single[] = "-s";
    char *args[] = {argv[0], foreground, single, NULL};

    if (argc != 2) {
        fputs("usage: guest_nsm FOLDER\n", stderr);
        return 2;
    }
    folder = argv[1];
    return cuse_lowlevel_main(3, args, &info, &ops, NULL);
}
