#!/usr/bin/env python3
"""image.py [OPTION...] -- COMMAND...: what a process keeps of its secrets.

  --key FILE          of hex digits, which COMMAND may be about to write: names
                      key (bytes), hex, base64, round (AES round keys), ghash
                      (its key)
  --rounds HEX        for a key that is public: names round, ghash, and for
                      the kernels that slice bits ct64 and ct
  --bytes NAME=FILE   of hex digits, likewise: the bytes, and their base64
  --random FILE       of NSM_RANDOM (nsm_preload.c): names made (32 bytes that
                      may be a private key), rsa (the numbers of the key that
                      BearSSL makes of 48 bytes)
  --text NAME=TEXT    the text, and its base64
  --sees NAME         must be found while COMMAND works (once per name)
  --guarded, --steps  see below
  --status N          COMMAND ends so; 0 unless given
  --stdin FILE, --stdout FILE

Runs COMMAND under ptrace. Its image is taken while it works, at system calls
that read, write, close or unmap: there every name of --sees must be found, or
the search proves nothing. It is taken again when the process ends: after all
of its own work, its memory still there. Then nothing may be found.

The image is more than a core file has: every mapping that can have changed,
also those that are left out of core dumps or may not be read, and the
registers, vector registers too. With --guarded, whatever mapping has a key or
a round key while COMMAND works, but for the stack, must be locked, left out of
core dumps, and zero in a forked child (give it one thread: the stacks of
threads look like any mapping). With --steps, nothing may be found either when
COMMAND maps memory, nor in memory that it unmaps: for one that does one thing
after the other, each in memory of its own, and whose later steps go over the
stack of earlier ones.

Exit status: 0 all seen and nothing left; 1 not so; 2 no answer.
"""
import argparse
import base64
import ctypes
import os
import platform
import re
import signal
import sys

import numpy
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE = 4096
STEP = 8  # bytes of a secret that are too many to be there by chance

# ------------------------------------------------------------------ secrets


def gf_multiply(x, y):
    """GHASH's field, SP 800-38D 6.3."""
    z, v = 0, y
    for i in range(128):
        if x >> (127 - i) & 1:
            z ^= v
        v = v >> 1 ^ (0xe1 << 120 if v & 1 else 0)
    return z


def ghash_keys(key):
    """H and the powers that a kernel takes, in the orders that it keeps."""
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    h = power = int.from_bytes(ecb.update(bytes(16)), "big")
    for _ in range(4):
        for value in power, power << 1 & (1 << 128) - 1, power >> 1:
            flipped = int(f"{value:0128b}"[::-1], 2)
            for form in value, flipped:
                yield form.to_bytes(16, "big")
                yield form.to_bytes(16, "little")
        power = gf_multiply(power, h)


def sbox():
    """The AES S-box, from its definition (FIPS 197 5.1.1)."""
    box = [0x63] * 256
    p = q = 1
    while True:
        p ^= p << 1 & 0xff ^ (0x1b if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xff
        q ^= 0x09 if q & 0x80 else 0
        x = q
        for n in range(1, 5):
            x ^= (q << n | q >> (8 - n)) & 0xff
        box[p] = x ^ 0x63
        if p == 1:
            return box


def round_keys(key):
    """FIPS 197 5.2, AES-256: 240 bytes, of which the first 32 are the key."""
    box, words, rcon = sbox(), [key[i:i + 4] for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        w = words[-1]
        if i % 8 == 0:
            w = bytes(box[b] for b in w[1:] + w[:1])
            w = bytes([w[0] ^ rcon]) + w[1:]
            rcon <<= 1
        elif i % 8 == 4:
            w = bytes(box[b] for b in w)
        words.append(bytes(a ^ b for a, b in zip(words[-8], w)))
    return b"".join(words)


def sliced_keys(key):
    """Round keys as BearSSL's bit-slicing kernels keep them: stored, and
    spread out for use, on the stack. Of ct64's spread bytes each is one of
    four: a piece has to be longer."""
    lib = ctypes.CDLL("libbearssl.so.0")
    for name, word, init, step in (("ct64", 8, 30, 4 * STEP),
                                   ("ct", 4, 60, STEP)):
        context = ctypes.create_string_buffer(1024)
        getattr(lib, f"br_aes_{name}_ctr_init")(context, key,
                                                ctypes.c_size_t(32))
        stored = context.raw[8:8 + word * init]
        yield name, stored, STEP
        spread = ctypes.create_string_buffer(4096)
        skey = ctypes.create_string_buffer(stored, len(stored))
        getattr(lib, f"br_aes_{name}_skey_expand")(spread, 14, skey)
        yield name, spread.raw.rstrip(b"\0"), step


def rsa_key(seed):
    """The numbers of the RSA-2048 key that BearSSL makes, seeded so."""
    lib = ctypes.CDLL("libbearssl.so.0")
    rng, private, own, open_ = map(ctypes.create_string_buffer,
                                   (512, 256, 8192, 8192))
    sha256 = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(
        lib, "br_sha256_vtable")))
    lib.br_hmac_drbg_init(rng, sha256, seed, ctypes.c_size_t(len(seed)))
    lib.br_rsa_keygen_get_default.restype = ctypes.CFUNCTYPE(
        ctypes.c_uint32, *[ctypes.c_void_p] * 5, ctypes.c_uint, ctypes.c_uint32)
    lib.br_rsa_keygen_get_default()(
        *map(ctypes.addressof, (rng, private, own)), None,
        ctypes.addressof(open_), 2048, 65537)
    return own.raw[:5 * 128]


def pieces(data, step):
    """Non-overlapping pieces that cannot be there by chance."""
    for at in range(0, len(data) - step + 1, step):
        piece = data[at:at + step]
        if len(set(piece)) > 4 or len(set(piece)) == 4 and step >= 4 * STEP:
            yield piece


def swapped(data, n):
    return b"".join(data[i:i + n][::-1] for i in range(0, len(data), n))


def bucket(words):
    """A number of 20 bits for each word of STEP bytes."""
    return words * numpy.uint64(0x9e3779b97f4a7c15) >> numpy.uint64(44)


class Needles:
    """What to look for: pieces of secrets, each with its name, by their first
    STEP bytes. There are hundreds of them: to look for one after the other
    would be most of the work."""

    def __init__(self, files):
        self.by_head = {}
        self.buckets = numpy.zeros(1 << 20, bool)  # those of the heads
        self.files = files  # (name, path); a key has no name
        self.random, self.random_file = 0, None

    def add(self, name, data, step=STEP):
        for piece in pieces(data, step):
            head = piece[:STEP]
            self.by_head.setdefault(head, {}).setdefault(piece, name)
            self.buckets[bucket(numpy.frombuffer(head, "<u8"))] = True

    def add_rounds(self, key, kernels=False):
        """kernels: those that slice bits have names of their own."""
        schedule = round_keys(key)
        for form in schedule[32:], swapped(schedule[32:], 4), \
                swapped(schedule[32:], 16):
            self.add("round", form)
        for kernel, form, step in sliced_keys(key):
            self.add(kernel if kernels else "round", form, step)
        for form in ghash_keys(key):
            self.add("ghash", form)

    def add_key(self, key):
        for form in key, swapped(key, 4), swapped(key, 16):
            self.add("key", form)
        self.add("hex", key.hex().encode(), 16)
        self.add("hex", key.hex().upper().encode(), 16)
        self.add_coded("base64", key)
        self.add_rounds(key)

    def add_text(self, name, text):
        self.add(name, text, 12)
        self.add_coded(name, text)

    def add_coded(self, name, data):
        """Its base64, wherever it begins in what is encoded."""
        for shift in range(3):
            for code in base64.b64encode, base64.urlsafe_b64encode:
                self.add(name, code(bytes(shift) + data)[4:-4], 12)

    def read_random(self, path):
        """What is new in the file."""
        with open(path) as f:
            lines = f.read().split("\n")[:-1]
        for data in map(bytes.fromhex, lines[self.random:]):
            self.random += 1
            if len(data) == 48:
                self.add("rsa", data)
                data, name = rsa_key(data), "rsa"
            else:
                name = "made"
            for form in data, data[::-1], swapped(data, 4), swapped(data, 8):
                self.add(name, form)

    def read_keys(self):
        """Those whose files are there by now."""
        if self.random_file and os.path.exists(self.random_file):
            self.read_random(self.random_file)
        for name, path in list(self.files):
            if os.path.exists(path):
                self.files.remove((name, path))
                with open(path) as f:
                    text = f.read()
                if name:
                    self.add(name, bytes.fromhex(text))
                    self.add_coded(name, bytes.fromhex(text))
                elif text.startswith("-----BEGIN"):
                    body = base64.b64decode("".join(text.splitlines()[1:-1]))
                    at = body.rindex(b"\x04\x20") + 2
                    self.add_key(body[at:at + 32])
                    self.add("pem", text.encode(), 16)
                else:
                    self.add_key(bytes.fromhex(text))

    def search(self, data):
        """Yields (name, offset) of every piece that is in data."""
        padded = data + bytes(2 * STEP)
        for shift in range(STEP):
            words = numpy.frombuffer(padded, "<u8", len(data) // STEP, shift)
            for i in numpy.flatnonzero(self.buckets[bucket(words)]):
                at = int(i) * STEP + shift
                for piece, name in self.by_head.get(
                        padded[at:at + STEP], {}).items():
                    if data.startswith(piece, at):
                        yield name, at


# ------------------------------------------------------------------- ptrace

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p,
                        ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
TRACEME, CONT, SYSCALL, SETOPTIONS = 0, 7, 24, 0x4200
GETREGSET, GET_SYSCALL_INFO = 0x4204, 0x420e
O_SYSGOOD, O_EXIT, O_EXITKILL = 1, 0x40, 0x100000
EVENT_EXIT = 6
REGISTERS = 1, 2, 0x202  # NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE
# read, write, pwrite64, sendto, close, munmap; prctl, with which the work
# begins; mmap and munmap
CALLS = {"x86_64": (0, 1, 18, 44, 3, 11),
         "aarch64": (63, 64, 68, 206, 57, 215)}
PRCTL = {"x86_64": 157, "aarch64": 167}
MMAP = {"x86_64": 9, "aarch64": 222}
MUNMAP = {"x86_64": 11, "aarch64": 215}


def ptrace(request, pid, addr=None, data=None):
    got = libc.ptrace(request, pid, addr, data)
    if got < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return got


class Process:
    """COMMAND, stopped before its first instruction."""

    def __init__(self, args):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for fd, name, flags in (0, args.stdin, os.O_RDONLY), \
                        (1, args.stdout, os.O_WRONLY | os.O_CREAT |
                         os.O_TRUNC):
                    if name is not None:
                        os.dup2(os.open(name, flags, 0o600), fd)
                libc.ptrace(TRACEME, 0, None, None)
                os.execvp(args.command[0], args.command)
            finally:
                os._exit(127)
        self.wait()
        ptrace(SETOPTIONS, self.pid, None, O_SYSGOOD | O_EXIT | O_EXITKILL)
        # opened now: later they may be root's alone
        self.mem = open(f"/proc/{self.pid}/mem", "rb", 0)
        self.smaps = open(f"/proc/{self.pid}/smaps")

    def wait(self):
        _, self.status = os.waitpid(self.pid, 0)
        return not (os.WIFEXITED(self.status) or
                    os.WIFSIGNALED(self.status))

    def resume(self, request):
        """To the next stop; a signal goes on to the process."""
        sig = os.WSTOPSIG(self.status)
        if sig == signal.SIGTRAP or sig == signal.SIGTRAP | 0x80:
            sig = 0
        ptrace(request, self.pid, None, sig)
        return self.wait()

    def at_exit(self):
        return self.status >> 8 == signal.SIGTRAP | EVENT_EXIT << 8

    def syscall(self):
        """The number of the system call that begins here, or None; its first
        two arguments."""
        info = ctypes.create_string_buffer(128)
        if os.WSTOPSIG(self.status) != signal.SIGTRAP | 0x80:
            return None, 0, 0
        ptrace(GET_SYSCALL_INFO, self.pid, len(info),
               ctypes.addressof(info))
        if info.raw[0] != 1:  # 1: entry
            return None, 0, 0
        return memoryview(info.raw[24:48]).cast("Q").tolist()

    def registers(self):
        for kind in REGISTERS:
            data = ctypes.create_string_buffer(16384)
            iov = (ctypes.c_void_p * 2)(ctypes.addressof(data), len(data))
            try:
                ptrace(GETREGSET, self.pid, kind, ctypes.addressof(iov))
            except OSError:
                continue  # this processor has none of that kind
            yield data.raw[:iov[1] or 0]

    def mappings(self):
        """(first, last, permissions, name, flags) of what may have changed:
        a file that is mapped read-only is as it is on disk."""
        self.smaps.seek(0)
        text = self.smaps.read()
        for m in re.finditer(r"^(\w+)-(\w+) (\S+) \w+ \S+ (\d+) *(.*)\n"
                             r"(?:\w+:.*\n)*?VmFlags:(.*)$", text, re.M):
            first, last, permissions, inode, name, flags = m.groups()
            if name in ("[vvar]", "[vsyscall]", "[vdso]"):
                continue
            if "w" in permissions or inode == "0":
                yield (int(first, 16), int(last, 16), permissions, name,
                       flags.split())

    def read(self, first, last):
        """The bytes of a mapping; pages that hold nothing are left out."""
        parts, zero = [], bytes(PAGE)
        for at in range(first, last, 1 << 20):
            try:
                self.mem.seek(at)
                data = self.mem.read(min(1 << 20, last - at))
            except OSError:
                continue  # a guard page: never had content
            if data.count(0) == len(data):
                continue
            parts += [(at + i, data[i:i + PAGE])
                      for i in range(0, len(data), PAGE)
                      if data[i:i + PAGE] != zero]
        return parts

    def image(self):
        """(where, flags, bytes) of each run of pages, and the registers."""
        for first, last, permissions, name, flags in self.mappings():
            run, start = [], None
            for at, page in self.read(first, last) + [(None, b"")]:
                if run and at != start + PAGE * len(run):
                    yield (f"{start:#x} {permissions} {name or 'anonymous'}",
                           flags, b"".join(run))
                    run = []
                start = start if run else at
                run.append(page)
        for data in self.registers():
            yield "registers", [], data


# --------------------------------------------------------------------- work


def arguments():
    parser = argparse.ArgumentParser()
    for name in "--key", "--rounds", "--bytes", "--text", "--sees":
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--random")
    parser.add_argument("--guarded", action="store_true")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--stdin")
    parser.add_argument("--stdout")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def needles(args):
    n = Needles([("", path) for path in args.key] +
                [tuple(text.split("=", 1)) for text in args.bytes])
    n.random_file = args.random
    for text in args.rounds:
        n.add_rounds(bytes.fromhex(text), kernels=True)
    for text in args.text:
        name, _, value = text.partition("=")
        n.add_text(name, os.fsencode(value))
    return n


def search(process, n):
    """{(name, place): flags} for all that the image has."""
    found = {}
    n.read_keys()
    for where, flags, data in process.image():
        for name, at in n.search(data):
            found[name, f"{where} +{at:#x}"] = flags
    return found


def places(found):
    """found, one line for each name and run of pages."""
    return sorted({f"{name} in {where.partition(' +')[0]}"
                   for name, where in found})


def within(found, first, size):
    """What is in these bytes of memory."""
    return {(name, where): flags for (name, where), flags in found.items()
            if where.startswith("0x") and
            first <= int(where.split()[0], 16) < first + size}


def unguarded(found):
    """What has a key in a mapping that lacks a protection."""
    return {(name, where) for (name, where), flags in found.items()
            if name in ("key", "round") and not where.startswith("registers")
            and "[stack]" not in where and not {"lo", "dd", "wf"} <= set(flags)}


def work(process, n, names, steps):
    """To the process's end. What of names was never seen; what was seen
    without its guard; what a step left to the next."""
    machine = platform.machine()
    begun, missing, bad, left = False, set(names), set(), {}
    while process.resume(SYSCALL) and not process.at_exit():
        call, first, size = process.syscall()
        begun = begun or call == PRCTL[machine]
        if begun and call in CALLS[machine] and missing:
            found = search(process, n)
            missing -= {name for name, _ in found}
            bad |= unguarded(found)
        if steps and begun and call == MMAP[machine]:
            left.update(search(process, n))
        if steps and begun and call == MUNMAP[machine]:
            left.update(within(search(process, n), first, size))
    return missing, bad, left


def main():
    args = arguments()
    n = needles(args)
    process = Process(args)
    missing, bad, between = work(process, n, args.sees, args.steps)
    if not process.at_exit():
        print(f"did not end by itself: status {process.status:#x}")
        return 2
    left = search(process, n)
    ptrace(CONT, process.pid)
    process.wait()
    for name in sorted(missing):
        print(f"never seen: {name}")
    for line in places(bad if args.guarded else ()):
        print(f"not guarded: {line}")
    for line in places(between):
        print(f"left between steps: {line}")
    for line in places(left):
        print(f"left at the end: {line}")
    if process.status != args.status << 8 or n.files:
        print(f"wait status {process.status:#x}, key files not seen: "
              f"{n.files}")
        return 2
    return 1 if missing or between or left or (bad and args.guarded) else 0


sys.exit(main())
