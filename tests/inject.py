#!/usr/bin/env python3
"""Make every call of encflow fail, one at a time, and look at what is left.

    inject.py ENCFLOW [--all] [--most N] [--seed N] [--jobs N]
              [--only SCENARIO:CALL]...
    inject.py --calls OBJECT

ENCFLOW is built with inject.c, which says how a fault is named. Each scenario
below is a command with its files. For each kind of call in FAULTS, and each n
from 1 until the command makes no n-th such call, the command runs once with
that call failing. Then it must have done all of its work, or have said why
not: see judge(). Some scenarios differ from others in a few kinds of calls
and try only those, unless --all is given. With --most N, where there are more
than N such calls, the first N and a seeded sample of N / 2 of the others are
tried; 0: all of them, also where a scenario has an N of its own.

--only keeps one scenario, or one call of it, or (":read") one of them all. A
fault that breaks a rule is printed with its scenario and EF_INJECT's value.
--calls holds FAULTS and LEFT_OUT to the symbols that OBJECT, encflow.o, needs:
no call of encflow is in neither.

Needs python3-cryptography and openssl(1), and what kms_server.py needs. Leaks
are looked for as root only: encflow forbids others to trace it. Where nothing
is to fail (the release service, a receipt's reader) it is the tree's encflow.
"""

import argparse
import base64
import contextlib
import errno
import fcntl
import functools
import hashlib
import hmac
import http.server
import json
import multiprocessing
import os
import random
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLAINLY = os.path.join(ROOT, "encflow")  # in which nothing fails

sys.dont_write_bytecode = True
sys.path.append(os.path.join(ROOT, "vectors"))
import eif  # noqa: E402
from gen_signing import hpke_open  # noqa: E402

# --------------------------------------------------------------- the faults

# What may follow: FAIL: the command must fail. EITHER: it fails, or goes on
# and does all of its work. DONE: all of its work, as if nothing had been.
FAIL, EITHER, DONE = "must fail", "may fail", "must not fail"


def hard(*names, rule=EITHER):
    return [(str(getattr(errno, name.rstrip("+"))) + name[len(
        name.rstrip("+")):], rule) for name in names]


PART = "0"  # a short read, write or getrandom: see inject.c
NO_MEMORY = hard("ENOMEM", "ENOMEM+")

FAULTS = {
    "malloc": NO_MEMORY, "calloc": NO_MEMORY, "realloc": NO_MEMORY,
    "strdup": NO_MEMORY, "mmap": NO_MEMORY, "mprotect": NO_MEMORY,
    "munmap": hard("ENOMEM"), "madvise": hard("EINVAL", rule=DONE),
    "mlock": hard("ENOMEM", "ENOMEM+", rule=DONE),
    "open": hard("EMFILE", "EMFILE+", "EACCES"),
    "openat": hard("EMFILE", "EMFILE+"),
    "read": hard("EIO", "EIO+") + hard("EINTR", rule=DONE) + [(PART, DONE)],
    "write": hard("EIO", "ENOSPC", "ENOSPC+", rule=FAIL) +
             hard("EINTR", rule=DONE) + [(PART, DONE)],
    "pread": hard("EIO", rule=FAIL) + hard("EINTR", rule=DONE) +
             [(PART, DONE)],
    "pwrite": hard("EIO", "ENOSPC+", rule=FAIL) +
              hard("EINTR", rule=DONE) + [(PART, DONE)],
    "getrandom": hard("EAGAIN", "EPERM", rule=FAIL) +
                 hard("EINTR") + [(PART, FAIL)],
    "close": hard("EIO"),
    "opendir": hard("EMFILE"), "fdopendir": hard("ENOMEM"),
    "readdir": hard("EIO"),
    "stat": hard("EIO", "EACCES"), "lstat": hard("EIO", "EACCES"),
    "fstat": hard("ENOMEM"), "fstatat": hard("EIO", "EACCES"),
    "access": hard("EIO"), "faccessat": hard("EACCES"),
    "lseek": hard("EIO"), "ftruncate": hard("EIO"),
    "fsync": hard("EIO", rule=FAIL),
    "fchmod": hard("EPERM"), "fchmodat": hard("EPERM"),
    "linkat": hard("EPERM", "EIO+"), "renameat": hard("EIO"),
    "unlinkat": hard("EIO"), "unlink": hard("EIO"),
    "mkdir": hard("ENOSPC"), "rmdir": hard("EBUSY"),
    "readlink": hard("EACCES"), "realpath": hard("ENOMEM"),
    "getcwd": hard("ENOMEM"), "pipe2": hard("EMFILE"),
    "dup2": hard("EMFILE"), "fcntl": hard("EINVAL"),
    "ioctl": hard("EIO", "ETIMEDOUT", rule=FAIL),
    "socket": hard("EMFILE"),
    "accept4": hard("EMFILE"), "getsockopt": hard("ENOTSOCK"),
    "connect": hard("ECONNREFUSED"),
    "send": hard("EPIPE") + hard("EAGAIN", rule=DONE) + [(PART, DONE)],
    "recv": hard("ECONNRESET") + hard("EAGAIN", rule=DONE) + [(PART, DONE)],
    "fork": hard("EAGAIN"), "execvp": hard("ENOENT"),
    "unshare": hard("EPERM"), "mount": hard("EPERM"), "statfs": hard("EIO"),
    "waitpid": hard("EINTR", rule=DONE), "waitid": hard("EINTR", rule=DONE),
    "kill": hard("ESRCH"), "setsid": hard("EPERM"),
    "poll": hard("ENOMEM") + hard("EINTR", rule=DONE),
    "prctl": hard("EINVAL"), "syscall": hard("EPERM", "ENOSYS+"),
    "getrlimit": hard("EINVAL", rule=DONE), "setrlimit": hard("EPERM"),
    "sysconf": hard("EINVAL"), "getauxval": hard("ENOENT"),
    "pthread_create": hard("EAGAIN", "EAGAIN+", rule=DONE),
    # libcurl: its errors are of its own kind, and inject.c picks them.
    "curl_global_init_mem": hard("ENOMEM", rule=FAIL),
    "curl_easy_init": hard("ENOMEM", rule=FAIL),
    "curl_multi_init": hard("ENOMEM", rule=FAIL),
    "curl_slist_append": hard("ENOMEM"),
    "curl_easy_setopt": hard("ENOMEM", "ENOMEM+", rule=FAIL),
    "curl_easy_getinfo": hard("EINVAL"),
    "curl_multi_add_handle": hard("ENOMEM", rule=FAIL),
    "curl_multi_perform": hard("ENOMEM"),
    "curl_multi_poll": hard("ENOMEM"),
    # No symbols of encflow: see inject.c.
    "curl memory": NO_MEMORY,
    "curl write callback": hard("EIO"), "curl sockopt callback": hard("EIO"),
    "curl header callback": hard("EIO"), "curl read callback": hard("EIO"),
    "curl seek callback": hard("EIO"), "curl socket callback": hard("EIO"),
    "curl prereq callback": hard("EIO"), "curl tls callback": hard("EIO"),
    "stdout": hard("EIO", "ENOSPC+", rule=FAIL), "stderr": hard("EIO"),
}

# What may leave plaintext in the folder of `run`, which has to say so.
KEEPS_WORK = ("unlinkat", "rmdir", "readdir", "stat", "fstat")
KEEPS_FOLDERS = KEEPS_WORK + ("openat", "fdopendir", "renameat", "fchmodat",
                              "fstatat", "getrandom", "calloc", "malloc")

# What encflow calls and the layer does not: why not.
LEFT_OUT = {
    "they have no way to fail": """__cpu_model __errno_location
        _GLOBAL_OFFSET_TABLE_
        _exit alarm clock_gettime curl_easy_cleanup curl_easy_strerror
        curl_global_cleanup curl_multi_cleanup curl_slist_free_all
        malloc_usable_size
        curl_version_info dirfd environ ferror free getenv getpid getppid
        localeconv rewinddir stderr stdout strerror time umask""",
    "pure: memory in, memory out": """memchr memcmp memcpy memmem memmove
        memset
        qsort snprintf sprintf strcasecmp strchr strcmp strcspn strlen
        strncat
        strncasecmp strncmp strpbrk strrchr strspn strstr strtod strtok_r
        strtol vsnprintf""",
    "they print: the streams' own writes fail": """fflush fprintf fputc fputs
        fwrite printf puts vfprintf""",
    "only wrong arguments make them fail": """pthread_cond_broadcast
        pthread_cond_destroy pthread_cond_init pthread_cond_signal
        pthread_cond_wait pthread_join pthread_mutex_destroy
        pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock
        pthread_once pthread_sigmask raise sigaction sigaddset sigemptyset
        sigfillset signal sigprocmask unsetenv""",
    "failing is an answer that other scenarios have": """closedir
        curl_multi_info_read curl_multi_remove_handle isatty""",
}

# What no scenario makes encflow call, and why.
UNREACHED = {
    "accept4": "a socket that a service manager hands over: release.bats",
    "getsockopt": "as accept4, and a connection that takes time",
    "unshare": "an enclave without Landlock: enclave.bats", "mount": "as unshare",
    "statfs": "as unshare",
    "curl seek callback": "an upload begins again on a connection used before",
    "curl tls callback": "only with the static build's BearSSL",
    "unlink": "only after another failure: of a key nobody was told of",
}
NOT_SYMBOLS = {name for name in FAULTS if " " in name} | {"stdout", "stderr"}


def calls_check(objects):
    """What encflow.o needs is in FAULTS or LEFT_OUT, in one of them."""
    text = subprocess.run(["nm", "-u", *objects], check=True,
                          capture_output=True, text=True).stdout
    needed = {line.split()[1] for line in text.splitlines() if line.split()}
    needed = {name for name in needed if not re.match(
        r"(br|ef)_|__(asan|ubsan|tsan|real|wrap)_", name)}
    left_out = {name for names in LEFT_OUT.values() for name in names.split()}
    known = (set(FAULTS) - NOT_SYMBOLS) | left_out
    for name in sorted(needed - known):
        print(f"{name}: add it to inject.c and FAULTS, or to LEFT_OUT")
    for name in sorted(set(FAULTS) - NOT_SYMBOLS - needed):
        print(f"{name}: no longer called; take it out")
    for name in sorted(left_out & (set(FAULTS) - NOT_SYMBOLS)):
        print(f"{name}: both in FAULTS and in LEFT_OUT")
    print(f"{len(needed)} symbols needed, "
          f"{len(needed & set(FAULTS))} of them made to fail")
    return needed <= known and set(FAULTS) - NOT_SYMBOLS <= needed \
        and not left_out & (set(FAULTS) - NOT_SYMBOLS)


# ------------------------------------------------------------- the scenarios

KEY = "C0FFEE112233445566778899AABBCCDDEEFF0F1E2D3C4B5A69788796A5B4C3D2"
PLAIN = b"".join(b"%06d PLAINMARK of a line\n" % i for i in range(24000))
TABLE = b"START,DESCRIPTION\n" + b"".join(
    b"2020-01-01,PLAINMARK %d\n" % (i % 7) for i in range(60))
QUERY = "X-Amz-Signature=NEVERSHOWN&X-Amz-Date=20990101T000000Z" \
    "&X-Amz-Expires=3600"
SECRETS = [KEY[:16], KEY[48:], "NEVERSHOWN", "AWSSECRET", "PLAINMARK",
           base64.b64encode(QUERY.encode()).decode()[:24]]


def credentials(query=QUERY):
    """Each member has an escape, so that it is copied before it is read."""
    text = base64.b64encode(query.encode()).decode()
    if not text:
        return json.dumps({"query_string": "", "encryption": {"key": KEY}})
    return '{"query_string": "\\u%04x%s", "encryption": {"key": "%s"}}' % (
        ord(text[0]), text[1:], "\\u0043" + KEY[1:])


def seal(plain):
    nonce = os.urandom(12)
    return nonce + AESGCM(bytes.fromhex(KEY)).encrypt(nonce, plain, None)


def unseal(data):
    if len(data) < 28:
        return None
    try:
        return AESGCM(bytes.fromhex(KEY)).decrypt(data[:12], data[12:], None)
    except InvalidTag:
        return None


class Sealed:
    """A dataset file of this plaintext, with a nonce nobody used before."""

    def __init__(self, plain):
        self.plain = plain
        self.nonces = set()

    def __eq__(self, data):
        if unseal(data) != self.plain:
            return False
        self.fresh = data[:12] not in self.nonces and \
            0 not in (sum(data[:6]), sum(data[6:12]))
        self.nonces.add(data[:12])
        return self.fresh


class Like:
    """Bytes that match a pattern as a whole."""

    def __init__(self, pattern):
        self.pattern = pattern

    def __eq__(self, data):
        return re.fullmatch(self.pattern, data, re.S) is not None


class Scenario:
    """A command, its files, and what it leaves when it works.

    args    words; {S} is the scenario's folder, {HTTP} and {HTTPS} its URL
    files   what there is before: a name to bytes, or ("link", target); or a
            function that makes it, where that takes time
    stdin   bytes: through a pipe; a name of files: that file; a name and an
            offset: that file, which is at the offset then, and so is no
            whole one; or a function of the folder, asked before each run
    status  the exit status when it works
    out     its standard output then: bytes, or something that equals them;
            None: as in a run without a fault
    makes   the files that are new or other then
    fails   the exit statuses of a failure
    only    the calls to make fail, unless --all is given; empty: all. Where
            a word ends in a blank, all that begin with it
    keeps   the calls that may keep plaintext from being removed from work/
    spares  the calls that may be tried again where FAULTS says FAIL; stdout:
            it only tells the steps, and what counts is elsewhere
    most    as --most, for this one
    env     variables, besides those that all have
    late    with most, the last calls are tried, not the first: what comes
            before is reading that all commands of a workspace have in common
    adds    the kinds of the documents that are new in ws/ then
    part    what a failure may leave of them, besides nothing and all of
            them: documents that mean nothing alone, or that a hint is about
    check   a function of the Outcome: what is wrong with it, whichever call
            failed and however the command ended; None: nothing
    free    files that only check looks at
    """

    def __init__(self, name, args, files=None, stdin=b"", status=0, out=b"",
                 makes=None, fails=(1,), only=(), keeps=KEEPS_WORK,
                 spares=(), most=0, env=(), late=False, adds=None,
                 part=(), check=None, free=()):
        self.name = name
        self.args = args.split() if isinstance(args, str) else args
        self.keeps, self.spares = keeps, spares
        self.files, self.stdin = files or {}, stdin
        self.status, self.out = status, out
        self.makes, self.fails = makes or {}, fails
        self.only, self.most, self.env = only, most, env
        self.late = late
        self.adds = None if adds is None else sorted(adds)
        self.part = [sorted(kinds) for kinds in part]
        self.check, self.free = check, free


def ports(scheme, application=None):
    """Files of a ports folder with an input and an output on `scheme`."""
    at = {"file": "file://{S}/store", "http": "{HTTP}/store",
          "https": "{HTTPS}/store"}[scheme]
    query = "" if scheme == "file" else QUERY
    text = credentials(query)
    return {
        "ports/input/in/dataset/location.txt": f"{at}/table.enc".encode(),
        "ports/input/in/dataset/credentials.bin": text.encode(),
        "ports/output/out/dataset/location.txt": f"{at}/out.enc".encode(),
        "ports/output/out/dataset/credentials.bin": text.encode(),
        "store/table.enc": seal(TABLE),
    }


def result(stdout, code=0, stderr=b""):
    text = json.dumps({"returncode": code,
                       "stdout": base64.b64encode(stdout).decode(),
                       "stderr": base64.b64encode(stderr).decode()})
    return text.encode()


def run_scenario(name, scheme, options="", command="-- /bin/cat",
                 answer=TABLE, work="{S}/work", spares=(), **more):
    args = command if isinstance(command, list) else command.split()
    return Scenario(
        f"run {name}",
        f"run --ports ports --work {work} {options}".split() + args,
        ports(scheme), out=None, fails=(1, 6), spares=(*spares, "stdout"),
        makes={"store/out.enc": Sealed(result(answer))}, **more)


NETWORK = ("curl ", "curl_easy_init", "curl_multi_init", "curl_slist_append",
           "curl_easy_setopt", "curl_easy_getinfo", "curl_multi_add_handle",
           "curl_multi_perform", "curl_multi_poll", "socket", "malloc",
           "getrandom", "stdout", "stderr")
FOLDERS = ("getcwd", "openat", "fdopendir", "fchmodat", "fstatat", "renameat",
           "unlinkat", "rmdir", "fstat", "fchmod")
MAKE_FOLDERS = "cd $TMPDIR && mkdir -p d/e/f && echo PLAINMARK >d/e/copy " \
    "&& chmod 0 d/e d && cat $1"


# Objects: where they are, keys for it, and the calls that matter.
S3 = "--allow-http --endpoint-url {HTTP} --addressing path"
OBJECT = NETWORK + ("calloc", "realloc", "strdup", "pread", "pwrite", "lseek",
                    "curl_global_init_mem")
LARGE = PLAIN * 12                   # parts of 8 MiB: two
# Past 64 MiB an object comes in ranges. The server has this one.
HUGE = bytes(range(251)) * 280000 + b"end"
PARTS_LEFT = b"parts that were sent are still stored"


# With these and nsm()'s files a command has /dev/nsm.
NSM = (("NSM_DIR", "nsm"),
       ("LD_PRELOAD", os.path.join(ROOT, "build/nsm_preload.so")))


@functools.cache
def nsm():
    """The files of a security module, good for two hours from now on."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, os.path.join(ROOT, "tests/nsm.py"), folder]
            + [f"--pcr={i}={'a5' * 48}" for i in range(3)], check=True)
        return {"nsm/" + name: data for name, data in tree(folder).items()}


def tree(folder):
    """All files in a folder, by name."""
    files = {}
    for top, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(top, name)
            with open(full, "rb") as file:
                files[os.path.relpath(full, folder)] = file.read()
    return files


def plant(folder, files):
    """The opposite of tree()."""
    for name, data in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def image():
    """A small enclave image."""
    return eif.join(eif.parts([
        (eif.KERNEL, b"kernel" * 3000), (eif.CMDLINE, b"quiet"),
        (eif.METADATA, eif.METADATA_TEXT), (eif.RAMDISK, b"init" * 3000),
        (eif.RAMDISK, b"application" * 3000)]))


def no_program(text):
    """What the result says where exec found no program."""
    said = json.loads(text)
    return said["returncode"] == 127 and said["stdout"] == "" and \
        re.fullmatch(rb"encflow: cannot run \S+: no such program\n",
                     base64.b64decode(said["stderr"]))


DESCRIBED = b"Dataset: {S}/work" b"/in\n\n" \
    b"count              60\nunique              7\n" \
    b"top       PLAINMARK 0\nfreq                9\n" \
    b"Name: DESCRIPTION, dtype: object\n\n"

AWS = {".aws/credentials": b"[default]\naws_access_key_id = AKIDEXAMPLE\n"
       b"aws_secret_access_key = AWSSECRETAWSSECRET\n"
       b"[p]\naws_access_key_id = AKIDOTHER\n"
       b"aws_secret_access_key = AWSSECRETOTHER\n",
       ".aws/config": b"[profile p]\nregion = eu-west-1\n"}
SIGNED = "p download s3://bucket/folder name.csv 3600 " \
    "--at 20260101T000000Z"
URL = "https://bucket.s3.eu-west-1.amazonaws.com/f/name.csv"
DOCUMENT = json.dumps({
    "b": [1, 2.5e300, "\u00e9\n", None, True, {"deep": [[[]]]}] * 20,
    "a": {"x": "y" * 300}, "esc": "\u0001\"\\"}).encode()


def scenarios():
    key = {"key": KEY.encode()}
    plain = {"plain": PLAIN, **key}
    small = {"plain": PLAIN[:5000], **key}
    sealed = {"sealed": seal(PLAIN), **key}
    other = {"out": b"what was there"}
    bad = bytearray(sealed["sealed"])
    bad[300000] ^= 1
    answer = {"result": seal(result(b"said\0" * 9, 7, b"told\n")), **key}
    dataset = {"d/dataset/location.txt": (URL + "\n").encode(),
               "d/dataset/credentials.bin": credentials().encode()}
    online = {"d/dataset/location.txt": b"{HTTP}/store/table.enc",
              "d/dataset/credentials.bin": credentials().encode(),
              "store/table.enc": seal(TABLE)}
    answered = {"status": 7, "out": b"said\0" * 9, "fails": (1, 6)}
    yield run_scenario("http", "http", "--allow-http", only=NETWORK)
    yield run_scenario("https", "https", "--cacert ca.pem", only=NETWORK)
    yield run_scenario("folders", "file", "--allow-file", [
        "--", "/bin/sh", "-c", MAKE_FOLDERS, "sh"], work="work",
        only=FOLDERS, keeps=KEEPS_FOLDERS, spares=("getrandom",))
    yield run_scenario("file", "file", "--allow-file")
    yield run_scenario("describe", "file", "--allow-file", "", DESCRIBED,
                       only=("readlink", "getauxval", "realpath", "calloc",
                             "malloc"))
    yield Scenario("keygen", "keygen -o key",
                   makes={"key": Like(rb"[0-9A-F]{64}")})
    yield Scenario("keygen, printed", "keygen", out=Like(rb"[0-9A-F]{64}\n?"))
    yield Scenario("enc", "enc --threads 2 -K key -in plain -out out", plain,
                   makes={"out": Sealed(PLAIN)})
    yield Scenario("enc over a file", "enc -K key -in plain -out out",
                   {**small, **other}, makes={"out": Sealed(PLAIN[:5000])})
    yield Scenario("enc by a link", "enc -K key -in plain -out link",
                   {**small, **other, "link": ("link", "out")},
                   makes={"out": Sealed(PLAIN[:5000])})
    yield Scenario("enc, pipes", "enc --threads 2 -K key", key, PLAIN,
                   out=Sealed(PLAIN))
    yield Scenario("dec", "dec --threads 2 -K key -in sealed -out out", sealed,
                   makes={"out": PLAIN})
    yield Scenario("dec over a file", "dec -K key -in sealed -out out",
                   {**sealed, **other}, makes={"out": PLAIN})
    yield Scenario("dec to a pipe", "dec --threads 2 -K key -in sealed",
                   sealed, out=PLAIN)
    yield Scenario("dec, pipes", "dec -K key", key, sealed["sealed"],
                   out=PLAIN)
    yield Scenario("dec of a changed file", "dec -K key -in sealed -out out",
                   {"sealed": bytes(bad), **other, **key}, status=3)
    yield Scenario("dec of a changed pipe", "dec -K key", key, bytes(bad),
                   status=3)
    yield Scenario("base64", "base64 -in plain -out out", plain,
                   makes={"out": base64.b64encode(PLAIN) + b"\n"})
    yield Scenario("base64 -d", "base64 -d", {},
                   base64.b64encode(PLAIN[:50000]), out=PLAIN[:50000])
    yield Scenario("json", "json", {}, DOCUMENT, out=None)
    yield Scenario("json -c", "json -c -in doc", {"doc": DOCUMENT}, out=None)
    yield Scenario("json -r", "json -r /esc doc", {"doc": DOCUMENT},
                   out=None)
    yield Scenario("describe", "describe table", {"table": TABLE}, out=None)
    yield Scenario("describe more", "describe --all --top 5 --plot table t2",
                   {"table": TABLE, "t2": TABLE}, out=None)
    yield Scenario("describe --json", "describe --all --json table",
                   {"table": TABLE}, out=None)
    yield Scenario("presign", f"presign {SIGNED} --json", AWS, out=None)
    yield Scenario("presign --sigv2", f"presign --sigv2 {SIGNED}", AWS,
                   out=None)
    yield Scenario("credentials make", f"credentials make --url {URL}?{QUERY} "
                   "-K key -o d", key, makes={
                       "d/dataset/location.txt": URL.encode(),
                       "d/dataset/credentials.bin": json.dumps(
                           {"query_string": base64.b64encode(
                               QUERY.encode()).decode(),
                            "encryption": {"key": KEY}}).encode()})
    yield Scenario("credentials make, printed", "credentials make --url - "
                   "-K key", key, f"{URL}?{QUERY}\n".encode(), out=None)
    yield Scenario("credentials check", "credentials check --json d", dataset,
                   out=None)
    yield Scenario("credentials check FILE",
                   "credentials check d/dataset/credentials.bin", dataset,
                   out=None)
    yield Scenario("credentials check --online", "credentials check --online "
                   "--allow-http d", online, out=None, fails=(1, 6))
    yield Scenario("result", "result -K key result", answer, **answered)
    yield Scenario("result --json", "result --json -K key result", answer,
                   out=None, fails=(1, 6))
    yield Scenario("result file:", "result --allow-file -K key "
                   "file://{S}/result", answer, **answered)
    yield Scenario("result http:", "result --allow-http -K key "
                   "{HTTP}/result?" + QUERY, answer, **answered)
    yield Scenario("--help", "--help", out=None)
    yield from object_scenarios(key, plain, sealed)
    if STAGES:
        yield from workspace_scenarios()
        yield from enclave_scenarios()
        yield from service_scenarios()
        yield from receipt_scenarios()
        yield from documents_scenarios()


def object_scenarios(key, plain, sealed):
    bucket = {"bucket/other": b"", **AWS}
    there = {"bucket/o": sealed["sealed"], **bucket, **key}
    ends = {"fails": (1, 6)}
    yield Scenario("put", f"put -K key {S3} plain s3://bucket/o",
                   {**plain, **bucket}, only=OBJECT, **ends,
                   makes={"bucket/o": Sealed(PLAIN)})
    yield Scenario("put to a URL", "put --allow-http plain {HTTP}/bucket/o?" +
                   QUERY, {**plain, **bucket}, makes={"bucket/o": PLAIN},
                   only=("pread", "fstat", "curl read callback", "malloc"),
                   **ends)
    yield Scenario("put in parts", f"put -K key {S3} - s3://bucket/o",
                   {"large": LARGE, **bucket, **key}, ("large", 1), most=3,
                   makes={"bucket/o": Sealed(LARGE[1:])}, **ends,
                   only=OBJECT + ("read", "mmap", "poll"))
    yield Scenario("get", f"get -K key {S3} s3://bucket/o out", there,
                   makes={"out": PLAIN}, **ends,
                   only=OBJECT + ("write", "openat", "linkat", "fsync"))
    yield Scenario("get, printed", f"get -K key {S3} s3://bucket/o", there,
                   out=PLAIN, **ends, only=("open", "read", "write", "lseek",
                                            "mmap", "pwrite"))
    yield Scenario("get as it is", f"get {S3} s3://bucket/o out", there, **ends,
                   makes={"out": sealed["sealed"]}, only=("pwrite", "fsync"))
    yield Scenario("get in ranges", f"get -K key {S3} s3://bucket/huge out",
                   {**bucket, **key}, makes={"out": HUGE}, most=2, **ends,
                   only=("pwrite", "calloc", "curl write callback",
                         "curl_easy_init", "curl_multi_add_handle", "mmap"))
    yield Scenario("get again", f"get -K key {S3} s3://bucket/cut out",
                   {"bucket/cut": sealed["sealed"], **bucket, **key},
                   makes={"out": PLAIN}, only=("ftruncate",), **ends,
                   env=(("AWS_MAX_ATTEMPTS", "2"),))
    yield Scenario("get by a proxy", "get --allow-http --proxy unix://{PROXY} "
                   "-K key {HTTP}/bucket/o out", there, makes={"out": PLAIN},
                   only=("socket", "curl sockopt callback",
                         "curl socket callback"), **ends)
    yield Scenario("credential_process", f"presign {SIGNED}", {
        ".aws/config": b"[profile p]\nregion = eu-west-1\n"
        b"credential_process = /bin/cat keys.json\n",
        "keys.json": b'{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", '
        b'"SecretAccessKey": "AWSSECRETAWSSECRET"}'}, out=None,
        spares=("fork",))


# ------------------------------------------------------------- a workspace

# One person who is everything that a workflow needs, so that there is little
# to read: every command reads all documents. Each entry is a stage: the
# folder as it was before the next one.
HASH = rb"[0-9a-f]{64}\n"
PCR = "--pcr " + ",".join(f"PCR{i}={'a5' * 48}" for i in range(3))
WS = "--workspace ws --id id.pem"
RELEASE_LINE = b'{"event":"refused","prev":"%s","reason":"STALE: x",' \
    b'"time":0}' % (b"0" * 64)
RELEASE_SHOWN = b"1970-01-01T00:00:00Z  refused   -  STALE: x\nhead %s\n" \
    % hashlib.sha256(RELEASE_LINE).hexdigest().encode()
HERE = "file:///proc/self/cwd"  # the same place for all, in its own folder
ITEM = "/opt/fortanix/item"
AWAY = "http://store.example/store"
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
KMS_KEYS = (("AWS_ACCESS_KEY_ID", "AKIDKMS"),
            ("AWS_SECRET_ACCESS_KEY", "secret/kms+key"))
SEALED_TO = "--release-key rel.pub --allow-file"
STORY = (
    ("empty", "release keygen -o rel.pem"),
    (None, f"id new {WS} dana"),
    ("person", f"dataset add {WS} {SEALED_TO} --from table --to "
     f"{HERE}/store/in.enc In"),
    (None, f"dataset add {WS} {SEALED_TO} -K key --direction output --to "
     f"{HERE}/store/out.enc Out"),
    (None, f"app add {WS} --image i {PCR} --domain kms.example describe"),
    ("app", f"config add {WS} --app describe default"),
    (None, f"workflow new {WS} study"),
    ("draft", f"workflow add-app {WS} --build describe --config default "
     "study a"),
    ("joined", f"workflow connect {WS} study In a:input"),
    (None, f"workflow connect {WS} study a:output Out"),
    (None, "approve build"), (None, "approve domains"),
    ("complete", f"workflow submit {WS} study"),
    ("pending", "approve workflow"),
    (None, f"workflow hashes {WS} -o cfg study"), ("approved", None))
VIA_STORY = (  # from "joined" on
    (None, f"dataset add {WS} {SEALED_TO} --direction between --to "
     f"{HERE}/store/mid.enc Mid"),
    (None, f"workflow add-app {WS} --build describe --config default "
     "study b"), ("two", None))
PUBLIC_KEYS = (("release keygen", "rel.pub"), ("id show", "dana.pub"))
STAGES = {}


def enclave_story(stage, sealed_to):
    """An approved workflow whose data are where a proxy leads to."""
    return (
        (None, "release keygen -o rel.pem"), (None, f"id new {WS} dana"),
        (None, f"id show {WS} --format pem"),
        (None, f"dataset add {WS} {sealed_to} --allow-http --credentials "
         f"c.json --location {AWAY}/in.enc --encrypted store/in.enc In"),
        (None, f"dataset add {WS} {sealed_to} --allow-http --credentials "
         f"c.json --location {AWAY}/out.enc --direction output Out"),
        (None, f"app add {WS} --image i {PCR} describe"),
        (None, "approve build"),
        (None, f"config add {WS} --app describe --item {ITEM}=item default "
         "-- /bin/cat"),
        (None, f"workflow new {WS} study"),
        (None, f"workflow add-app {WS} --build describe --config default "
         "study a"),
        (None, f"workflow connect {WS} study In a:input"),
        (None, f"workflow connect {WS} study a:output Out"),
        (None, f"workflow submit {WS} study"), (None, "approve workflow"),
        (None, f"workflow hashes {WS} -o cfg study"), (stage, None))


def tell_stories(encflow, place):
    """All of STAGES."""
    folder = functools.partial(os.path.join, place)
    data = {"table": TABLE, "key": KEY.encode()}
    sealed = {"store/in.enc": seal(TABLE), "c.json": credentials().encode(),
              "item": b"an item"}
    tell_story(encflow, folder("a"), STORY, {**data, "store/x": b""})
    tell_story(encflow, folder("b"), VIA_STORY, STAGES["joined"])
    tell_story(encflow, folder("c"), enclave_story(
        "released", "--release-key rel.pub"), sealed)
    kms = Kms(folder("kms"), "-")
    tell_story(encflow, folder("d"), enclave_story(
        "kms", f"--kms-key {ARN}"), sealed, (*KMS_KEYS, kms.variable))
    kms.stop()


def answer_words(encflow, kind, folder):
    """The arguments that approve what waits, of that kind."""
    text = subprocess.run([encflow, *f"task list {WS} --json".split()],
                          cwd=folder, check=True, capture_output=True).stdout
    return [f"approve {WS} {task['hash']}" for task in json.loads(text)
            if task["task"] == kind][0]


def tell_story(encflow, folder, story, files, env=()):
    """Fill STAGES, with encflow itself and nothing failing."""
    plant(folder, files)
    env = {"HOME": folder, "TZ": "UTC", **dict(env)}
    for stage, words in story:
        if stage:
            STAGES[stage] = tree(folder)
        if words and words.startswith("approve "):
            words = answer_words(encflow, words.split()[1], folder)
        if words:
            done = subprocess.run(
                [encflow, *words.split()], cwd=folder, check=True, env=env,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for verb, name in PUBLIC_KEYS:
                if words.startswith(verb):
                    with open(f"{folder}/{name}", "wb") as file:
                        file.write(done.stdout)


def task_of(stage, kind):
    """The hash of the one document of that kind at that stage."""
    return [name[3:] for name, data in STAGES[stage].items()
            if name.startswith("ws/") and document(name[3:], data) == kind][0]


# What comes after all documents were read; a sample, where all are not asked for.
LATE = {"late": True, "most": 1}
LOOKS = ("malloc", "calloc", "realloc", "opendir", "readdir", "open", "read",
         "fstat", "write", "stdout", "fsync")
PRIVATE = Like(rb"-----BEGIN PRIVATE KEY-----\n.{40,300}"
               rb"-----END PRIVATE KEY-----\n")
PUBLIC = Like(rb"-----BEGIN PUBLIC KEY-----\n.{40,300}"
              rb"-----END PUBLIC KEY-----\n")


def adds(stage, name, words, *kinds, **more):
    """A scenario: a command that adds documents of these kinds."""
    more = {"out": Like(HASH), **LATE, **more}
    return Scenario(name, f"{words} {WS}", STAGES[stage], adds=kinds, **more)


def shows(stage, name, words, **more):
    """A scenario: a command that adds none."""
    more = {"out": None, "only": LOOKS, **LATE, **more}
    return Scenario(name, f"{words} {WS}", STAGES[stage], adds=(), **more)


def workspace_scenarios():
    person = {n: d for n, d in STAGES["person"].items()}
    other = {**person, "pub.pem": subprocess.run(
        ["openssl", "pkey", "-pubout"], input=person["id.pem"], check=True,
        capture_output=True).stdout}
    given = {**person, "c.json": credentials("").encode(),
             "store/t.enc": seal(TABLE), "long": b"A text\n" * 300,
             "item": PLAIN[:3000]}
    rooms = {**person, "store/x": b""}
    put = {"store/in.enc": Like(rb".{%d}" % (len(TABLE) + 28))}
    yield Scenario("attest get", "attest get --nonce 00 --public-key key "
                   "-out doc", lambda: {**nsm(), "key": KEY.encode()}, env=NSM,
                   makes={"doc": Like(rb"\x84.*")},
                   only=("open", "ioctl", "read", "write", "malloc"))
    yield Scenario("release keygen", "release keygen -o rel.pem", out=PUBLIC,
                   makes={"rel.pem": PRIVATE})
    serve = "release serve-one --release-key rel.pem --workspace ws --log log"
    log = {"log": Like(rb'(\{"event":"refused",[^\n]*\}\n)?')}
    yield Scenario("release serve-one", serve, STAGES["approved"],
                   stdin=b'{"request":"nonce","version":1}\n', makes=log,
                   out=Like(rb'\{"(nonce":"[\w-]{75}|error":"refused)"\}\n'),
                   fails=(1, 3, 4, 5), adds=())
    yield Scenario("release serve-one, refused", serve, STAGES["approved"],
                   stdin=b'{"request":"x","version":1}\n', makes=log,
                   out=b'{"error":"refused"}\n', status=4, fails=(1, 4, 5),
                   adds=())
    yield Scenario("release log", "release log log",
                   {"log": RELEASE_LINE + b"\n"}, out=RELEASE_SHOWN)
    yield Scenario("id new", f"id new {WS} -q dana", {}, out=Like(HASH),
                   adds=("identity",), makes={"id.pem": PRIVATE})
    yield Scenario("id import", f"id import {WS} dave pub.pem", other,
                   out=Like(HASH), adds=("identity",), **LATE)
    yield shows("person", "id list", "id list")
    yield shows("person", "id show", "id show --format jwk")
    yield Scenario("dataset add", f"dataset add {WS} {SEALED_TO} --label "
                   "Location=East --from table --to "
                   "file://{S}/store/in.enc In",
                   rooms, out=Like(HASH), adds=("credentials", "dataset"),
                   part=(["credentials"],), makes=put, fails=(1, 6), **LATE)
    yield Scenario("dataset add --kms-key", f"dataset add {WS} --kms-key "
                   f"{ARN} --allow-file --allow-http --from table --to "
                   "file://{S}/store/in.enc In", {**rooms, **AWS},
                   out=Like(HASH), adds=("credentials", "dataset"),
                   part=(["credentials"],), makes=put, fails=(1, 6),
                   env=(("AWS_ENDPOINT_URL_KMS", "{HTTP}"),), **LATE,
                   only=OBJECT + ("malloc", "mmap", "getrandom"))
    yield Scenario("dataset add, given", f"dataset add {WS} {SEALED_TO} "
                   "--long-description-file long --credentials c.json "
                   "--location file://{S}/store/t.enc In", given,
                   out=Like(HASH), adds=("credentials", "dataset"),
                   part=(["credentials"],), fails=(1, 6), **LATE)
    yield shows("approved", "dataset show", "dataset show In")
    yield adds("approved", "dataset renew", f"dataset renew {SEALED_TO} "
               f"--to {HERE}/store/in.enc In", "credentials", out=b"")
    yield Scenario("run --appconfig-file", "run --workspace ws "
                   "--release-key rel.pem --allow-file --work {S}/work "
                   "--appconfig-file "
                   + [n for n in STAGES["approved"] if n[:4] == "cfg/"][0],
                   STAGES["approved"], out=None, fails=(1, 6), adds=(),
                   spares=("stdout",), **LATE,
                   makes={"store/out.enc": Sealed(result(DESCRIBED.replace(
                       b"/in\n", b"/In\n")))})
    yield adds("person", "app add", f"app add --image i {PCR} describe",
               "app", "build", part=(["app"],),
               out=Like(rb"app " + HASH + b"build " + HASH))
    measured = {**person, "image.eif": image(), "pcrs.json": json.dumps({
        "Measurements": {"HashAlgorithm": "Sha384 { ... }", **{
            f"PCR{i}": "a5" * 48 for i in range(3)}}}).encode()}
    yield Scenario("app add --pcrs --eif", f"app add {WS} --image i --pcrs "
                   "pcrs.json --eif image.eif describe", measured,
                   adds=("app", "build"), part=(["app"],), most=8,
                   out=Like(rb"app " + HASH + b"build " + HASH),
                   only=("open", "fstat", "read", "close", "malloc"))
    yield Scenario("config add", f"config add {WS} --app describe --item "
                   "/opt/fortanix/item=item default -- cat x",
                   {**STAGES["app"], "item": PLAIN[:3000]}, out=Like(HASH),
                   adds=("config",), **LATE)
    yield adds("app", "workflow new", "workflow new study", "draft")
    yield Scenario("workflow new, of a name that is taken",
                   f"workflow new {WS} study", STAGES["draft"], adds=(),
                   status=2, fails=(1, 2), **LATE)
    yield adds("draft", "workflow add-app", "workflow add-app --build "
               "describe --config default study a", "draft")
    yield adds("joined", "workflow connect", "workflow connect study In "
               "a:input", "draft")
    yield adds("two", "workflow connect --via", "workflow connect --via Mid "
               "study a:output b:input", "draft", only=("malloc",), most=40)
    yield adds("complete", "workflow submit", "workflow submit study",
               "workflow")
    yield shows("pending", "task list", "task list")
    yield shows("pending", "task list --json", "task list --json")
    task = task_of("pending", "workflow")
    yield adds("pending", "approve", f"approve {task}", "approval", out=b"")
    yield adds("pending", "decline", f"decline --reason no {task}", "decline",
               out=b"")
    yield adds("pending", "workflow cancel", "workflow cancel study",
               "cancel", out=b"")
    yield shows("approved", "workflow list", "workflow list")
    yield shows("approved", "workflow show", "workflow show study")
    yield shows("approved", "workflow graph", "workflow graph --format html "
                "-out page study", most=6,
                makes={"page": Like(rb"(?i)<!DOCTYPE.*</html>\n")})
    config = [n for n in STAGES["approved"] if n.startswith("cfg/")][0]
    text = STAGES["approved"][config]
    bare = {n: d for n, d in STAGES["approved"].items() if n != config}
    yield Scenario("workflow hashes", f"workflow hashes {WS} -o cfg study",
                   bare, out=Like(HASH[:-2] + rb"  a\n"), adds=(),
                   makes={config: text}, **LATE)


# ---------------------------------------------------------------- an enclave

# A key that no participant has: what asks for it is refused, whatever fails.
# The question comes late, hence the last calls.
NOBODY = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
SERVE = "release serve-one --release-key rel.pem --workspace ws --log log " \
    "--root nsm/root.pem"
UNSAID = b"note: the release service's log does not say that this run is over"
MEMORY = ("malloc", "calloc", "realloc", "mmap")


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def appconfig(stage):
    """The configuration's ID at that stage."""
    return hashlib.sha256([data for name, data in STAGES[stage].items()
                           if name.startswith("cfg/")][0]).hexdigest()


def bound(identifier):
    """PCR16 of an enclave that is bound to this configuration."""
    return hashlib.sha384(bytes(48) + bytes.fromhex(identifier)).hexdigest()


def log_events(log):
    """The lines of a release log, each with the hash of the one before it; a
    text where it is none."""
    events, before = [], "0" * 64
    for line in log.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            return "the release log has a line that is none"
        if events[-1]["prev"] != before:
            return "the release log's chain is broken"
        before = hashlib.sha256(line).hexdigest()
    if log and not log.endswith(b"\n"):
        return "the release log's last line is cut"
    return events


def secret_in(*texts):
    """Which of what nobody may see is in one of them; None: nothing."""
    raw = bytes.fromhex(KEY)
    for text in texts:
        for secret in [s.encode() for s in SECRETS] + [
                raw, raw.hex().encode(), base64.b64encode(raw)[:40],
                b64u(raw)[:40].encode(), QUERY.encode()]:
            if secret in text:
                return secret
    return None


def shown(seen):
    """All that a run has left where others can read it."""
    return [seen.out, seen.err] + [
        data for name, data in seen.files.items()
        if seen.before.get(name) != data and isinstance(data, bytes)
        and not name.startswith("work/")]


def enclave_check(identifier, kms, may):
    """What holds after every run in an enclave, whatever failed. may: is there
    any way for it to fetch something?"""
    def check(seen):
        if secret_in(*shown(seen)):
            return f"{secret_in(*shown(seen))} can be read"
        events = log_events(seen.files.get("log", b""))
        if isinstance(events, str):
            return events
        given = [e["nonce"] for e in events if e["event"] == "release"]
        over = [e["nonce"] for e in events if e["event"] == "done"]
        if len(set(given)) != len(given) or len(set(over)) != len(over) or \
                set(over) - set(given):
            return "the log has a run that is over and was none, or twice"
        stored = [a for a in seen.asked if a.split()[1].startswith("/store/")]
        if stored:
            if not may or (seen.kms.count(b"Decrypt ok\n") < 2 if kms
                           else not given):
                return "it fetched what nothing was released for"
            if register(identifier) not in \
                    seen.files.get("nsm/registers", b""):
                return "it fetched without being bound"
        if over and not may:
            return "the log has a run that never was"
        if seen.status == 0 and not kms and not over and \
                UNSAID not in seen.err:
            return "the log does not say that it is over, and nor does it"
        return None
    return check


def attested(name, options, stage="released", trust="dana.pub", env=NSM,
             may=True, **more):
    """A scenario: `run --appconfig`, and its receipt."""
    identifier = appconfig(stage)
    more = {"out": None, "fails": (1, 6), "spares": ("stdout",), **more}
    return Scenario(
        name, f"run --appconfig {identifier} --trust {trust} --work "
        "{S}/work --root {S}/root --allow-http --proxy unix://{PROXY} "
        "--receipt " + options,
        lambda: {**STAGES[stage], **nsm()}, env=env, adds=(),
        free=("log", "nsm/registers"),
        makes={"store/out.enc": Attested(result(TABLE)),
               "root" + ITEM: b"an item"} if may else {},
        check=enclave_check(identifier, stage == "kms", may), **more)


class Attested(Sealed):
    """The same, with a receipt that its receiver takes."""

    folder = None

    def __eq__(self, data):
        text = unseal(data)
        if text is None:
            return False
        bare = json.loads(text)
        bare.pop("attestation", None)
        return json.dumps(bare).encode() == self.plain and subprocess.run(
            [PLAINLY, *"result -q --verify --trust dana.pub --root "
             "nsm/root.pem --workspace ws -".split()], cwd=self.folder,
            input=text, stdout=subprocess.DEVNULL, check=False).returncode == 0


def register(identifier):
    """The security module's file where PCR16 is bound to it."""
    return f"16 {bound(identifier)} 1\n".encode()


def document_of(files, *options):
    """An attestation document of the module in files."""
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, files)
        return subprocess.run([PLAINLY, "attest", "get", *options],
                              env=dict(NSM), cwd=folder, check=True,
                              capture_output=True).stdout


def receipt(change=None, files=lambda f: f):
    """Files with an answer and its receipt, as a run would deliver it; change
    is a function of the answer, files one of the module's files."""
    identifier = appconfig("released")
    stage = {**STAGES["released"], **nsm(),
             "nsm/registers": register(identifier), "key": KEY.encode()}
    answer = result(TABLE, 7, b"told\n")
    read = hashlib.sha256(stage["store/in.enc"]).hexdigest()
    said = {"appconfig": identifier, "inputs": {"In": read},
            "output": hashlib.sha256(answer).hexdigest()}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    document = document_of(files({
        n: d for n, d in stage.items() if n.startswith("nsm/")}),
        "--user-data", hashlib.sha256(text.encode()).hexdigest())
    answer = json.loads(answer)
    answer["attestation"] = {
        **said, "document": base64.b64encode(document).decode()}
    if change:
        change(answer)
    return {**stage, "answer": seal(json.dumps(answer).encode())}


def verified_first(seen):
    """Nothing of an answer is shown that was not verified, all of it."""
    if seen.out and b"verified: made by image i (PCR0 a5a5" not in seen.err \
            and seen.call != "stderr":
        return "an answer that was not verified"
    return None


def verified(name, files=receipt, trust="dana.pub", **more):
    """A scenario: `result --verify`."""
    more = {"only": MEMORY, "late": True, "most": 5, **more}
    return Scenario(
        f"result --verify{name}", f"result -K key --verify --trust {trust} "
        "--root nsm/root.pem --workspace ws answer", files, adds=(),
        check=verified_first, **more)


def better(answer):
    """Another answer, whose receipt says another thing."""
    answer["stdout"] = base64.b64encode(b"all is well\n").decode()


def unbound(files):
    return {n: d for n, d in files.items() if n != "nsm/registers"}


RAW = serialization.Encoding.Raw


class Ask:
    """A request to the release service that is good for some time: the
    enclave's side, for the stage "released"."""

    def __init__(self):
        self.id = appconfig("released")
        stage = STAGES["released"]
        raw = serialization.load_pem_private_key(
            stage["rel.pem"], None).private_bytes(
                RAW, serialization.PrivateFormat.Raw,
                serialization.NoEncryption())
        self.mac = hmac.new(raw, b"encflow release nonce 1",
                            "sha256").digest()
        self.made = 0

    def begin(self):
        """A nonce, as the service makes it."""
        self.made = time.time()
        nonce = int(self.made).to_bytes(8, "big") + os.urandom(16)
        self.nonce = nonce + hmac.new(self.mac, nonce, "sha256").digest()

    def release(self, folder):
        """The request; the same for a minute."""
        if time.time() - self.made > 60:
            self.begin()
            self.key = os.urandom(32)
            public = x25519.X25519PrivateKey.from_private_bytes(
                self.key).public_key().public_bytes(
                    RAW, serialization.PublicFormat.Raw)
            document = document_of(
                {**{n: d for n, d in tree(folder).items()
                    if n.startswith("nsm/")}, "pk": public},
                "--nonce", self.nonce.hex(), "--user-data", self.id,
                "--public-key", "pk")
            self.text = json.dumps({
                "appconfig": self.id, "document": b64u(document),
                "request": "release", "version": 1}).encode() + b"\n"
        return self.text

    def opened(self, answer):
        """What was sealed to the key in the document."""
        sealed = json.loads(answer)["credentials"]
        return json.loads(hpke_open(
            self.key, decoded(sealed["enc"].encode()), b"encflow release 1",
            f"{self.id}:{b64u(self.nonce)}".encode(),
            decoded(sealed["ct"].encode())))

    def check_release(self, seen):
        """Nothing is released that the log does not have."""
        events = log_events(seen.files.get("log", b""))
        if isinstance(events, str):
            return events
        if secret_in(*shown(seen)):
            return f"{secret_in(*shown(seen))} can be read"
        given = [e for e in events if e["event"] == "release"]
        if b'"credentials"' not in seen.out:
            return None
        if [e["nonce"] for e in given] != [b64u(self.nonce)] or \
                given[0]["appconfig"] != self.id:
            return "it released what its log does not have"
        if not seen.out.endswith(b"}\n"):
            return None
        try:
            keys = [c["encryption"]["key"]
                    for c in self.opened(seen.out)["datasets"].values()]
        except ValueError:
            return "it released what is no JSON"
        return None if keys == [KEY] * 2 else "it released something else"

    def done(self, _):
        """That a run is over, of which done_log has the begin."""
        token = hmac.new(self.mac, b"done" + self.nonce, "sha256").digest()
        return json.dumps({
            "appconfig": self.id, "nonce": b64u(self.nonce),
            "request": "done", "token": b64u(token),
            "version": 1}).encode() + b"\n"

    def done_log(self):
        self.begin()
        return json.dumps({
            "app": "a", "appconfig": self.id, "event": "release",
            "instance": "i-0a1b2c3d4e5f60718-enc0123456789abcdef",
            "nonce": b64u(self.nonce), "pcr0": "a5" * 48, "prev": "0" * 64,
            "time": int(self.made), "workflow": "0" * 64},
            sort_keys=True, separators=(",", ":")).encode() + b"\n"

    def check_done(self, seen):
        """Nor is it told that a run is over which the log has going on."""
        events = log_events(seen.files["log"])
        if isinstance(events, str):
            return events
        kinds = [e["event"] for e in events]
        if kinds[0] != "release" or kinds.count("done") > 1:
            return "the log has lost the run, or is told twice"
        if (b'"done"' in seen.out or seen.status == 0) and \
                "done" not in kinds:
            return "it says what its log does not have"
        return None


def service_scenarios():
    ask = Ask()
    yield Scenario("release serve-one, release", SERVE, lambda: {
        **STAGES["released"], **nsm(), "nsm/registers": register(ask.id)},
        stdin=ask.release, out=Like(rb'\{"credentials":.*\}\n'), adds=(),
        fails=(1, 3, 4, 5), free=("log",), check=ask.check_release,
        only=("malloc", "calloc", "realloc", "write", "fsync", "getrandom",
              "lseek", "fcntl"), most=3)
    over = Ask()
    yield Scenario("release serve-one, done", SERVE, lambda: {
        **STAGES["released"], **nsm(), "log": over.done_log()},
        stdin=over.done, adds=(),
        out=Like(rb'\{"(done":true|error":"refused")\}\n'),
        fails=(1, 3, 4, 5), free=("log",), check=over.check_done,
        only=("write", "fsync", "lseek", "fcntl"))


def documents_scenarios():
    yield Scenario("attest verify", "attest verify --root nsm/root.pem "
                   "--nonce 00ff --json doc", lambda: {
                       **nsm(), "doc": document_of(nsm(), "--nonce", "00ff")},
                   out=None, only=MEMORY + ("open", "read", "write"), most=4)
    yield Scenario("attest pcrs", "attest pcrs image", {"image": image()},
                   out=None, only=MEMORY + ("open", "fstat", "read", "write"))
    yield shows("kms", "workflow kms-policy", "workflow kms-policy study",
                only=("malloc",), most=40)


# But for the first all are refused, by the last of their calls.
def receipt_scenarios():
    yield verified("", status=7, out=TABLE)
    yield verified(", another answer", lambda: receipt(better), status=3)
    yield verified(", another enclave", lambda: receipt(files=unbound),
                   status=5)
    yield verified(", not trusted", trust=NOBODY, status=5)


def enclave_scenarios():
    service = "--release unix://{SERVICE}"
    yield attested("run --appconfig", service, most=4, only=(
        "ioctl", "connect", "send", "recv", "poll", "malloc"))
    yield attested("run --appconfig, by http", "--release {HTTP}/release",
                   most=2, only=("curl ", "curl_easy_init",
                                 "curl_slist_append", "curl_easy_setopt",
                                 "curl_easy_getinfo", "curl_multi_add_handle"))
    yield attested("run --appconfig, not trusted", service, trust=NOBODY,
                   may=False, status=5, out=b"", fails=(1, 5, 6),
                   late=True, most=5, only=("malloc", "calloc", "realloc"))
    yield attested("run --kms", "--kms --workspace ws", "kms", env=(
        *NSM, *KMS_KEYS, ("AWS_ENDPOINT_URL_KMS", "{KMS}")), most=3,
        only=("malloc", "calloc", "ioctl", "getrandom", "open",
              "curl read callback", "curl write callback"))


# ------------------------------------------------------------------ a folder

class Folder:
    """A folder of its own for one scenario, set back after each run."""

    def __init__(self, path, files, fill):
        self.path = path
        self.fill = fill
        self.before = {}
        for name, data in files.items():
            if isinstance(data, tuple):
                self.before[name] = data
            elif b"{" in data[:200] and data.isascii():
                self.before[name] = fill(data)
            else:
                self.before[name] = data
        os.makedirs(path)
        self.reset(None)

    def look(self):
        """All files by name; folders do not count, but for work/."""
        seen, self.modes = {}, {}
        for top, folders, files in os.walk(self.path):
            for name in files + [f for f in folders
                                 if os.path.islink(os.path.join(top, f))]:
                full = os.path.join(top, name)
                short = os.path.relpath(full, self.path)
                if os.path.islink(full):
                    seen[short] = ("link", os.readlink(full))
                else:
                    self.modes[short] = os.stat(full).st_mode & 0o777
                    with open(full, "rb") as file:
                        seen[short] = file.read()
        if os.path.lexists(os.path.join(self.path, "work")):
            seen.setdefault("work", b"")
        return seen

    def reset(self, seen):
        if seen == self.before:
            return
        if seen is None or set(seen) - set(self.before):
            for name in os.listdir(self.path):
                full = os.path.join(self.path, name)
                if os.path.isdir(full) and not os.path.islink(full):
                    shutil.rmtree(full)
                else:
                    os.unlink(full)
            seen = {}
        os.makedirs(os.path.join(self.path, "tmp"), exist_ok=True)
        for name, data in self.before.items():
            if name in seen and seen[name] == data:
                continue
            full = os.path.join(self.path, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if os.path.lexists(full):
                os.unlink(full)
            if isinstance(data, tuple):
                os.symlink(data[1], full)
            else:
                with open(full, "wb") as file:
                    file.write(data)
                os.chmod(full, 0o600)


# ---------------------------------------------------------------- the server

class Store(http.server.BaseHTTPRequestHandler):
    """GET and PUT of files in the folder of the scenario under way; and as
    much of S3 as `put` and `get` use. Parts of an upload are files, too."""

    protocol_version = "HTTP/1.1"
    folder = None
    huge = b""
    cuts = 0  # of the object that is cut once a run
    asked = []  # in this run
    active = 0
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    @classmethod
    @contextlib.contextmanager
    def busy(cls):
        with cls.lock:
            cls.active += 1
        try:
            yield
        finally:
            with cls.lock:
                cls.active -= 1

    def handle(self):
        with self.busy():
            super().handle()

    def path_of(self, *more):
        return os.path.join(self.folder, self.path.split("?")[0].lstrip("/"),
                            *more)

    def parts(self):
        """The folder of the upload that the query names."""
        return os.path.join(self.folder, "parts")

    def query(self, name):
        found = re.search(rf"[?&]{name}=([^&]*)", self.path)
        return found and found[1]

    def answer(self, status, body=b"", cut=False, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if cut else body)
        self.close_connection = True

    def document(self, root, inside):
        self.answer(200, f"<{root}>{inside}</{root}>".encode())

    def object(self):
        if self.path.startswith("/bucket/huge"):
            return self.huge
        with open(self.path_of(), "rb") as file:
            return file.read()

    def note(self):
        self.asked.append(f"{self.command} {self.path.split('?')[0]}")

    def serve(self, request):
        """What the release service says."""
        return subprocess.run(
            [PLAINLY, *SERVE.split()], cwd=self.folder, input=request,
            stdout=subprocess.PIPE, check=False, env={"TZ": "UTC"}).stdout

    def do_GET(self):
        self.note()
        try:
            data = self.object()
        except FileNotFoundError:
            self.answer(404)
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d*)",
                            self.headers.get("Range", ""))
        if not span or not data:
            self.answer(200, data)
        else:
            first, last = int(span[1]), int(span[2] or len(data) - 1)
            last = min(last, len(data) - 1)
            span = f"bytes {first}-{last}/{len(data)}"
            if self.path.startswith("/bucket/cut"):
                type(self).cuts += 1
                self.answer(206, data[first:last + 1], self.cuts == 1,
                            Content_Range=span)
            else:
                self.answer(206, data[first:last + 1], ETag='"an-etag"',
                            Content_Range=span)

    def do_PUT(self):
        self.note()
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        path, number = self.path_of(), self.query("partNumber")
        if number:
            path = os.path.join(self.parts(), number)
        if len(body) != size:  # as S3: whole or not at all
            return
        if not os.path.isdir(os.path.dirname(path)):
            self.answer(404)
            return
        with open(path, "wb") as file:
            file.write(body)
        self.answer(200, b"stored", ETag='"part-%s"' % number)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if self.path == "/release":
            if len(body) == size:
                said = self.serve(body)
                self.answer(403 if b'"error"' in said else 200, said)
            return
        if "X-Amz-Target" in self.headers:  # KMS: encrypts to anything
            if len(body) == size:
                self.answer(200, json.dumps({
                    "KeyId": json.loads(body)["KeyId"],
                    "CiphertextBlob": "QUJD" * 40}).encode())
            return
        if self.query("uploadId") is None:
            os.makedirs(self.parts(), exist_ok=True)
            with open(os.path.join(self.parts(), "begun"), "wb"):
                pass
            self.document("InitiateMultipartUploadResult",
                          "<UploadId>an-id</UploadId>")
            return
        os.unlink(os.path.join(self.parts(), "begun"))
        names = sorted(os.listdir(self.parts()), key=int)
        with open(self.path_of(), "wb") as file:
            for name in names:
                with open(os.path.join(self.parts(), name), "rb") as part:
                    file.write(part.read())
        shutil.rmtree(self.parts())
        self.document("CompleteMultipartUploadResult", "<ETag>x</ETag>")

    def do_DELETE(self):
        shutil.rmtree(self.parts(), ignore_errors=True)
        self.answer(204)


class Service(socketserver.StreamRequestHandler):
    """The release service, on a socket: a line each way."""

    def handle(self):
        with self.server.store.busy():
            request = self.rfile.readline()
            if request.endswith(b"\n"):
                self.wfile.write(self.server.store.serve(
                    self.server.store, request))


class Kms:
    """kms_server.py; what it was asked for is in its log."""

    def __init__(self, folder, root):
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self.process = subprocess.Popen(  # it ends with us, however we do
            ["setpriv", "--pdeathsig", "KILL", sys.executable,
             os.path.join(ROOT, "tests/kms_server.py"), folder, root],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = os.path.join(folder, "url")
        for _ in range(1000):
            if os.path.exists(url):
                break
            time.sleep(0.02)
        with open(url, encoding="ascii") as file:
            self.url = file.read()
        self.variable = "AWS_ENDPOINT_URL_KMS", self.url

    def asked(self):
        """The log, which begins anew."""
        try:
            with open(self.log, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return b""
        os.unlink(self.log)
        return data

    def stop(self):
        self.process.kill()
        self.process.wait()


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy that connects to wherever it is told, on a socket; store.example
    is the server of the scenario under way."""

    def handle(self):
        with self.server.store.busy():
            self.connect()

    def connect(self):
        head = b""
        while line := self.rfile.readline().rstrip():
            head = head or line
        host, port = head.split()[1].decode().split(":")
        if host == "store.example":
            host, port = "127.0.0.1", self.server.store_port
        with socket.create_connection((host, int(port))) as far:
            self.request.sendall(b"HTTP/1.1 200 Fine\r\n\r\n")
            back = threading.Thread(target=self.pump,
                                    args=(far, self.request), daemon=True)
            back.start()
            self.pump(self.request, far)
            back.join()

    @staticmethod
    def pump(take, give):
        try:
            while data := take.recv(1 << 16):
                give.sendall(data)
            give.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # either end may go away at any time


class OnSocket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients that go away are what this is about

    def get_request(self):
        sock, address = super().get_request()
        sock.settimeout(20)
        return sock, address


def start_server(handler, tls):
    server = Server(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def certificate(folder):
    """A self-signed certificate for 127.0.0.1; its file and its key's."""
    pem, key = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem,
         "-days", "2", "-subj", "/CN=test", "-addext",
         "subjectAltName = IP:127.0.0.1"], check=True, capture_output=True)
    return pem, key


# -------------------------------------------------------------------- a run

class Outcome:
    """What a run left."""

    def __init__(self, status, fired, calls, left, out, err, folder):
        self.status, self.fired = status, fired
        self.calls = calls  # how many, by name: all, or those of the fault
        self.left, self.out, self.err = left, out, err
        self.files, self.modes = folder.look(), folder.modes
        self.before = folder.before


class Command:
    """A scenario in a folder, with inject.c's server to run it."""

    def __init__(self, encflow, scenario, folder, handler, kms):
        self.scenario, self.folder = scenario, folder
        self.handler, self.kms = handler, kms
        self.sock, theirs = socket.socketpair(socket.AF_UNIX,
                                              socket.SOCK_SEQPACKET)
        environment = {
            "HOME": folder.path, "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "PATH": "/usr/bin:/bin", "TMPDIR": f"{folder.path}/tmp",
            "EF_INJECT": f"serve:{theirs.fileno()}",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
            # a library that is loaded first, as nsm_preload.so, is meant
            "ASAN_OPTIONS": "exitcode=99:allocator_may_return_null=1:"
            "verify_asan_link_order=0:"
            f"detect_leaks={int(os.geteuid() == 0)}",
            **{k: folder.fill(v) for k, v in scenario.env},
        }
        args = [folder.fill(word) for word in scenario.args]
        self.server = subprocess.Popen(
            [encflow, *args], env=environment, cwd=folder.path,
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()

    def stop(self):
        self.sock.close()
        self.server.wait(timeout=90)

    def stdin(self):
        if callable(self.scenario.stdin):
            return self.piped(self.scenario.stdin(self.folder.path))
        if isinstance(self.scenario.stdin, str):
            return os.open(os.path.join(self.folder.path, self.scenario.stdin),
                           os.O_RDONLY)
        if isinstance(self.scenario.stdin, tuple):
            name, at = self.scenario.stdin
            fd = os.open(os.path.join(self.folder.path, name), os.O_RDONLY)
            os.lseek(fd, at, os.SEEK_SET)
            return fd
        return self.piped(self.scenario.stdin)

    @staticmethod
    def piped(data):
        take, give = pipe()
        os.write(give, data)
        os.close(give)
        return take

    def run(self, fault):
        """One run with EF_INJECT=fault."""
        self.handler.cuts = 0
        self.handler.asked = []
        take, give = pipe()
        err = os.memfd_create("err")
        files = [self.stdin(), give, err]
        socket.send_fds(self.sock, [fault.encode()], files)
        os.close(files[0])
        os.close(give)
        answer, *counted = self.sock.recv(1 << 16).decode().split(",")
        if not answer:
            sys.exit(f"{self.scenario.name}: the server is gone")
        status, fired, left = map(int, answer.split())
        calls = {name: int(n) for name, n in
                 (text.split("=") for text in counted)}
        with open(take, "rb") as file:
            out = file.read()
        with open(err, "rb") as file:
            file.seek(0)
            text = file.read()
        for _ in range(1000):  # what was sent to the server is there, too
            if self.handler.active == 0:
                break
            time.sleep(0.002)
        outcome = Outcome(os.waitstatus_to_exitcode(status), fired, calls,
                          left, out, text, self.folder)
        outcome.call = fault.split(":")[0]
        outcome.asked = self.handler.asked
        outcome.kms = self.kms.asked() if self.kms else b""
        self.folder.reset(outcome.files)
        return outcome


F_SETPIPE_SZ = 1031  # fcntl has it from Python 3.10 on


def pipe():
    """A pipe that holds all of an input or output: nobody has to wait."""
    take, give = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(give, F_SETPIPE_SZ, 1 << 20)
    return take, give


REPORT = re.compile(rb"Sanitizer|runtime error:|Assertion")
MESSAGE = re.compile(rb"encflow( [a-z0-9 -]+)?: .")


def is_lock(name):
    """The workspace's, or one of an owner who stores something."""
    return re.fullmatch(r"ws/\.(lock|add-[\w-]{43})", name)


def is_document(scenario, name):
    """Is it of the workspace, and looked at by documents()?"""
    return scenario.adds is not None and (
        is_lock(name) or re.fullmatch(r"ws/[0-9a-f]{64}", name))


def decoded(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def document(name, jws):
    """The kind of this document; None where it is not whole, not signed by
    the one that it names, or not what its name says."""
    try:
        head, body, signature = jws.split(b".")
        header, payload = json.loads(decoded(head)), decoded(body)
        x, y = (int.from_bytes(decoded(header["jwk"][i].encode()), "big")
                for i in "xy")
        r, s = (int.from_bytes(decoded(signature)[i:i + 32], "big")
                for i in (0, 32))
        ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key() \
            .verify(utils.encode_dss_signature(r, s), head + b"." + body,
                    ec.ECDSA(hashes.SHA256()))
    except (ValueError, KeyError, InvalidSignature):
        return None
    kind = header["typ"].removeprefix("encflow-")
    if hashlib.sha256(payload).hexdigest() != name or \
            json.loads(payload)["kind"] != kind:
        return None
    return kind


def documents(scenario, before, seen):
    """The kinds of the new documents, sorted; or what is wrong with one."""
    kinds = []
    if scenario.adds is None:
        return kinds
    for name in sorted(before.keys() | seen.files.keys()):
        if not is_document(scenario, name) or is_lock(name):
            continue
        if name in before:
            if before[name] != seen.files.get(name):
                return f"{name} is other, or gone"
            continue
        kind = document(name[3:], seen.files[name])
        if kind is None:
            return f"{name} is no whole document"
        kinds.append(kind)
    return sorted(kinds)


# What has random bytes in it.
RANDOM = ("credentials", "dataset", "identity")


def statements(scenario, before, seen):
    """What the new documents say, but for their time, and for the hashes of
    each other, which come of it."""
    def known(hit):
        return hit[0] if "ws/" + hit[0] in before else "new"

    texts = []
    for name in seen.files if scenario.adds else ():
        if name in before or not is_document(scenario, name) or is_lock(name):
            continue
        payload = json.loads(decoded(seen.files[name].split(b".")[1]))
        payload.pop("time")
        if payload["kind"] not in RANDOM:
            texts.append(re.sub("[0-9a-f]{64}", known, json.dumps(payload)))
    return texts


def worked(scenario, before, plain, out, seen, call):
    """None where all of the work is done, else what is not."""
    status = seen.status
    if status != scenario.status:
        return f"exit status {status}"
    if not out == seen.out and not call == "stdout" in scenario.spares:
        return "its standard output is wrong"
    for name, data in scenario.makes.items():
        if name not in seen.files:
            return f"{name} is missing"
        if call == "execvp" and no_program(unseal(seen.files[name])):
            continue
        if not data == seen.files[name]:
            return f"{name} is wrong"
        if seen.modes[name] != (0o600 if name in before
                                else plain.modes[name]):
            return f"{name} has mode {seen.modes[name]:o}"
    new = documents(scenario, before, seen)
    if isinstance(new, str):
        return new
    if new != (scenario.adds or []):
        return f"new documents: {' '.join(new) or 'none'}"
    said = statements(scenario, before, plain)
    if sorted(statements(scenario, before, seen)) != sorted(said):
        return "a document says something else"
    for name in before.keys() | seen.files.keys():
        if name not in scenario.makes and name not in scenario.free and \
                not is_document(scenario, name) and \
                before.get(name) != seen.files.get(name):
            return f"{name} is there, or other, or gone"
    return None


def failed(scenario, before, plain, out, seen, call):
    """None where the command failed as it should, else what is wrong."""
    if seen.status == 2 and scenario.status != 2 or \
            seen.status not in scenario.fails + (scenario.status,):
        return f"exit status {seen.status}"
    if isinstance(out, bytes) and not out.startswith(seen.out) and \
            call != "stdout":  # that one loses what it likes
        return "its standard output is no prefix of the right one"
    if not isinstance(out, bytes) and b"PLAINMARK" in seen.out:
        return "plaintext on its standard output"
    new = documents(scenario, before, seen)
    if isinstance(new, str):
        return new
    if new and new != scenario.adds and new not in scenario.part:
        return f"it failed and left documents: {' '.join(new)}"
    said = statements(scenario, before, plain)
    if any(text not in said for text in statements(scenario, before, seen)):
        return "it failed and left a document that says something else"
    if "identity" in new and "id.pem" not in seen.files:
        return "an identity is announced whose key was not kept"
    for name in before.keys() | seen.files.keys():
        had, has = before.get(name), seen.files.get(name)
        if is_document(scenario, name) or name in scenario.free:
            continue
        if name == "work" or name.startswith("work/"):
            if call not in scenario.keeps or b"plaintext" not in seen.err:
                return f"{name} is left"
        elif name.startswith("parts/") and PARTS_LEFT in seen.err:
            pass
        elif had != has and not (has is not None and name in scenario.makes
                                 and scenario.makes[name] == has):
            return f"{name} is there, or other, or gone"
    if call != "stderr" and not MESSAGE.match(
            seen.err.splitlines()[0] if seen.err else b""):
        return "no message"
    why = [line for line in seen.err.splitlines() if UNSAID not in line]
    if b"out of memory" in b"".join(why).lower() and seen.status == 6:
        return "out of memory is not a failure of the network"
    return None


def judge(scenario, before, plain, out, seen, call, rule):
    """None where the run with a fault in `call` is as it must be."""
    if seen.status < 0 or REPORT.search(seen.err):
        return f"exit status {seen.status}: a crash, a leak, or a hang"
    if seen.left:
        return "it left a process behind"
    for secret in SECRETS:
        if secret.encode() in seen.err.upper():
            return "a secret is in its message"
    bad = scenario.check(seen) if scenario.check else None
    if bad is not None:
        return bad
    bad = worked(scenario, before, plain, out, seen, call)
    if bad is None and (rule != FAIL or call in scenario.spares or
                        not seen.fired or UNSAID in seen.err):
        if call == "mlock" and seen.fired and \
                b"could not be locked" not in seen.err:
            return "no warning"
        return None
    if bad is None and scenario.status == 0:
        return "it succeeded"
    if rule == DONE or not seen.fired or seen.status == scenario.status == 0:
        return bad
    return failed(scenario, before, plain, out, seen, call)


# ---------------------------------------------------------------- the sweep

class Sweep:
    """What one worker does: whole scenarios, one after the other."""

    def __init__(self, options, folder, tls):
        self.options, self.place, self.tls = options, folder, tls
        self.handler = type("Handler", (Store,), {})
        self.http = start_server(self.handler, None)
        self.https = start_server(self.handler, tls)
        self.proxy = self.on_socket("proxy", Tunnel)
        self.service = self.on_socket("release", Service)
        self.kms = None

    def on_socket(self, name, handler):
        """A server there; its path."""
        path = os.path.join(self.place, name)
        server = OnSocket(path, handler)
        server.store, server.store_port = self.handler, self.http
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return path

    def begin(self, scenario):
        path = os.path.join(self.place, re.sub(r"\W+", "-", scenario.name))
        files = scenario.files() if callable(scenario.files) else \
            scenario.files
        with open(self.tls[0], "rb") as file:
            files["ca.pem"] = file.read()
        if any(value == "{KMS}" for _, value in scenario.env):
            self.kms = Kms(os.path.join(self.place, "kms"),
                           os.path.join(path, "nsm/root.pem"))

        def fill(text):
            for name, value in (("{S}", path),
                                ("{HTTPS}", f"https://127.0.0.1:{self.https}"),
                                ("{HTTP}", f"http://127.0.0.1:{self.http}"),
                                ("{PROXY}", self.proxy),
                                ("{SERVICE}", self.service),
                                ("{KMS}", self.kms and self.kms.url or "")):
                text = text.replace(name, value) if isinstance(text, str) \
                    else text.replace(name.encode(), value.encode())
            return text

        for data in scenario.makes.values():
            if isinstance(data, Sealed) and b"returncode" in data.plain[:20]:
                answer = json.loads(data.plain)
                data.plain = result(fill(base64.b64decode(answer["stdout"])))
            if isinstance(data, Attested):
                data.folder = path
        self.handler.folder = path
        folder = Folder(path, files, fill)
        if "s3://bucket/huge" in scenario.args:
            self.handler.huge = seal(HUGE)
        return folder, Command(self.options.encflow, scenario, folder,
                               self.handler, self.kms)

    def scenario(self, scenario):
        """Its lines of the report: (call, calls, runs, faults, broken)."""
        folder, command = self.begin(scenario)
        plain = command.run("*:0:0")
        out = plain.out if scenario.out is None else scenario.out
        bad = judge(scenario, folder.before, plain, out, plain, "none", DONE)
        if bad:
            show(scenario, "none", bad, plain)
            return [("none", 0, 1, 0, 1)]
        lines = []
        for call, faults in FAULTS.items():
            if not wanted(self.options, scenario, call):
                continue
            total = plain.calls.get(call, 0)
            for error, rule in faults:
                lines.append(self.call(scenario, folder, command, plain, out,
                                       call, total, error, rule))
        command.stop()
        if self.kms:
            self.kms.stop()
        shutil.rmtree(folder.path)
        return lines

    def call(self, scenario, folder, command, plain, out, call, total, error,
             rule):
        tried = fired = broken = n = 0
        for n in self.which(total, scenario) if total else ():
            fault = f"{call}:{n}:{error}"
            seen = command.run(fault)
            bad = judge(scenario, folder.before, plain, out, seen, call, rule)
            tried += 1
            fired += seen.fired
            if bad:
                broken += 1
                show(scenario, fault, bad, seen)
            if not seen.fired and n > total:
                break
        return call, total, tried, fired, broken

    def which(self, total, scenario):
        """The n to try; at last some that no call should have."""
        most = self.options.most
        if most is None:
            most = scenario.most
        if most and total > most and scenario.late:
            yield from sorted(random.Random(self.options.seed).sample(
                range(1, total - most + 1), min(most // 2, total - most)))
            yield from range(total - most + 1, total + 2)
            return
        if most and total > most:
            rest = random.Random(self.options.seed).sample(
                range(most + 1, total + 1), min(most // 2, total - most))
            yield from range(1, most + 1)
            yield from sorted(rest)
            return
        yield from range(1, total + 200)


def show(scenario, fault, bad, seen):
    lines = seen.err.decode("utf-8", "replace").splitlines()
    head = "; ".join(line.strip() for line in lines[:3])[:300]
    if REPORT.search(seen.err):
        frames = [line.split(" in ")[1].split(" ")[0] for line in lines
                  if re.match(r" +#\d+ .* in ", line)]
        head = f"{lines[0:3]} {' < '.join(frames[:6])}"[:400]
    print(f"BROKEN {scenario.name}: EF_INJECT={fault}: {bad} "
          f"(exit {seen.status}; {head})", flush=True)


def wanted(options, scenario, call):
    if scenario.only and not options.all and not any(
            word == call or word.endswith(" ") and call.startswith(word)
            for word in scenario.only):
        return False
    return not options.only or any(
        word.partition(":")[0] in (scenario.name, "") and
        word.partition(":")[2] in (call, "") for word in options.only)


def work(arguments):
    """In a worker: the scenario of this name."""
    name, options, folder, tls = arguments
    scenario = next(s for s in scenarios() if s.name == name)
    place = tempfile.mkdtemp(dir=folder)
    return name, Sweep(options, place, tls).scenario(scenario)


def options_from(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("encflow")
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--most", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[])
    return parser.parse_args(argv)


def report(results, whole):
    """A line a call; what was never reached; the sum. True: all is well."""
    sums = {}
    for _, lines in results:
        for call, total, tried, fired, broken in lines:
            row = sums.setdefault(call, [0, 0, 0, 0])
            for i, value in enumerate((total, tried, fired, broken)):
                row[i] += value
    for call, (total, tried, fired, broken) in sums.items():
        print(f"{call:24} {total:6} calls {tried:6} runs {fired:6} faults "
              f"{broken:4} broken")
    silent = {call for call, row in sums.items() if row[2] == 0}
    for call in sorted(silent):
        print(f"{call}: never called: {UNREACHED.get(call, 'WHY?')}")
    tried, fired, broken = (sum(row[i] for row in sums.values())
                            for i in (1, 2, 3))
    print(f"{len(results)} scenarios, {tried} runs, {fired} faults, "
          f"{broken} broken")
    return broken == 0 and tried > 0 and (not whole or
                                          silent == set(UNREACHED))


def main():
    options = options_from(sys.argv[1:])
    if options.calls:
        return 0 if calls_check([options.encflow]) else 1
    options.encflow = os.path.abspath(options.encflow)
    subprocess.run(["make", "-s", "-C", ROOT, "encflow",
                    "build/nsm_preload.so"], check=True)
    with tempfile.TemporaryDirectory(prefix="inject-") as folder:
        tell_stories(PLAINLY, folder)
    names = [s.name for s in scenarios()
             if not options.only or any(
                 word.partition(":")[0] in (s.name, "")
                 for word in options.only)]
    with tempfile.TemporaryDirectory(prefix="inject-") as folder:
        tls = certificate(folder)
        with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
            results = list(pool.imap_unordered(
                work, [(name, options, folder, tls) for name in names]))
    return 0 if report(results, not options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
