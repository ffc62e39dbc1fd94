#!/usr/bin/python3
"""The other side of every comparison in the command-line tests.

A second implementation, on Debian's python3-cryptography, of the dataset
file (12 byte nonce, AES-256-GCM ciphertext, 16 byte tag, no associated
data), of the result document, and of RFC 8785; and two tools the tests
need, a reproducible byte pattern and a meter of resident memory.

    seal KEYFILE              plaintext on stdin to a dataset file on stdout
    open KEYFILE              the reverse; exit 3 when the tag is wrong
                              (streams: bytes come out before the tag is seen)
    pairs KEYFILE DIR SIZE... DIR/SIZE.plain (seeded) and DIR/SIZE.ef
    check KEYFILE DIR         every DIR/SIZE.*.ef opens to DIR/SIZE.plain
    flip FILE BYTE            changes one bit of that byte, in place
    flips FILE DIR            DIR/0000, ...: one copy of FILE per flipped bit
    result CODE OUT ERR       the result document for those two files
    canonical                 JSON on stdin to RFC 8785 on stdout
    documents SEED COUNT      one JSON array of COUNT seeded random values
    pattern BYTES             seeded bytes that do not compress or repeat
    match BYTES               exit 0 when stdin is exactly that pattern
    peak FILE COMMAND...      run COMMAND, write its peak memory in KiB to FILE
"""
import base64
import json
import os
import random
import subprocess
import sys

NONCE, TAG, CHUNK = 12, 16, 1 << 20


def cipher(key_file, nonce):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    with open(key_file) as f:
        key = bytes.fromhex(f.read().rstrip())
    assert len(key) == 32
    return Cipher(algorithms.AES(key), modes.GCM(nonce))


def seal(key_file, source, sink):
    nonce = os.urandom(NONCE)
    enc = cipher(key_file, nonce).encryptor()
    sink.write(nonce)
    while block := source.read(CHUNK):
        sink.write(enc.update(block))
    sink.write(enc.finalize() + enc.tag)
    sink.flush()


def unseal(key_file, source, sink):
    """True when the tag holds. The last 16 bytes seen are always held back."""
    from cryptography.exceptions import InvalidTag
    dec = cipher(key_file, source.read(NONCE)).decryptor()
    held = b""
    while block := source.read(CHUNK):
        held += block
        sink.write(dec.update(held[:-TAG]))
        held = held[-TAG:]
    try:
        sink.write(dec.finalize_with_tag(held))
    except (InvalidTag, ValueError):
        return False
    sink.flush()
    return True


def pairs(key_file, folder, sizes):
    for size in sizes:
        plain = os.path.join(folder, size + ".plain")
        with open(plain, "wb") as f:
            f.write(random.Random(int(size)).randbytes(int(size)))
        with open(plain, "rb") as f, \
                open(os.path.join(folder, size + ".ef"), "wb") as g:
            seal(key_file, f, g)


def check(key_file, folder):
    import io
    seen = bad = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".ef"):
            continue
        size = name.split(".")[0]
        with open(os.path.join(folder, size + ".plain"), "rb") as f:
            want = f.read()
        path, out = os.path.join(folder, name), io.BytesIO()
        with open(path, "rb") as f:
            ok = unseal(key_file, f, out)
        seen += 1
        if not ok or out.getvalue() != want \
                or os.path.getsize(path) != len(want) + NONCE + TAG:
            bad += 1
            print(name, "tag ok" if ok else "bad tag", os.path.getsize(path))
    print(seen, "files,", bad, "wrong")
    return seen > 0 and bad == 0


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))


def flips(path, folder):
    with open(path, "rb") as f:
        data = f.read()
    for bit in range(8 * len(data)):
        copy = bytearray(data)
        copy[bit // 8] ^= 1 << bit % 8
        with open(os.path.join(folder, "%04d" % bit), "wb") as f:
            f.write(copy)


def result(code, out, err):
    def text(path):
        with open(path, "rb") as f:
            return base64.b64encode(f.read()).decode()
    return json.dumps({"returncode": int(code), "stdout": text(out),
                       "stderr": text(err)})


def number(x):
    """A number as ECMAScript writes it (RFC 8785, section 3.2.2.3)."""
    x = float(x)
    if x == 0:
        return "0"
    sign, digits = ("-", repr(-x)) if x < 0 else ("", repr(x))
    mantissa, _, exponent = digits.partition("e")
    whole, _, part = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)      # 0.DIGITS times 10^point
    digits = whole + part
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    n = len(digits)
    if n <= point <= 21:
        return sign + digits + "0" * (point - n)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = "e%+d" % (point - 1)
    return sign + digits[0] + ("." + digits[1:] if n > 1 else "") + tail


def canonical(value):
    if value is None or isinstance(value, (bool, str)):
        # json escapes exactly what RFC 8785 escapes, in the same spelling
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(n) + ":" + canonical(value[n])
                          for n in names) + "}"


def documents(seed, count):
    import struct
    rng = random.Random(int(seed))
    letters = 'aB/"\\\b\f\n\r\t\x00\x1f\x7f\x80\u00e9\u20ac\u2028\ufb33' \
        "\U0001f602\U0010ffff"

    def text():
        return "".join(rng.choice(letters) for _ in range(rng.randrange(6)))

    def value(depth):
        kind = rng.randrange(8 if depth else 5)
        if kind == 0:                            # any finite double
            x = float("inf")
            while x - x != 0:
                x = struct.unpack("<d", rng.randbytes(8))[0]
            return x
        if kind == 1:                            # near the ends of the
            return rng.choice((1, -1)) * rng.random() * \
                10.0 ** rng.randrange(-9, 24)    # plain notation
        if kind == 2:
            return rng.randrange(-2 ** 53 + 1, 2 ** 53)
        if kind == 3:
            return text()
        if kind == 4:
            return rng.choice((None, True, False, 0, -0.0, 5e-324))
        if kind == 5:
            return [value(depth - 1) for _ in range(rng.randrange(5))]
        return {text(): value(depth - 1) for _ in range(rng.randrange(6))}
    return json.dumps([value(3) for _ in range(int(count))],
                      ensure_ascii=rng.random() < .5)


def pattern(size):
    block = bytearray(random.Random(size).randbytes(CHUNK))
    view = memoryview(block)
    for n in range(0, size, CHUNK):
        block[:8] = n.to_bytes(8, "little")
        yield view[:min(CHUNK, size - n)]


def match(size):
    for n, want in enumerate(pattern(size)):
        if sys.stdin.buffer.read(len(want)) != want:
            print("differs in MiB", n, file=sys.stderr)
            return False
    if sys.stdin.buffer.read(1):
        print("longer than", size, file=sys.stderr)
        return False
    return True


def peak(report, command):
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    with open(report, "w") as f:
        f.write("%d\n" % usage.ru_maxrss)
    return os.waitstatus_to_exitcode(status)


def main(verb, *args):
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    if verb == "seal":
        seal(args[0], stdin, stdout)
    elif verb == "open":
        return 0 if unseal(args[0], stdin, stdout) else 3
    elif verb == "pairs":
        pairs(args[0], args[1], args[2:])
    elif verb == "check":
        return 0 if check(*args) else 1
    elif verb == "flip":
        flip(args[0], int(args[1]))
    elif verb == "flips":
        flips(*args)
    elif verb == "result":
        sys.stdout.write(result(*args))
    elif verb == "canonical":
        stdout.write(canonical(json.loads(stdin.read())).encode())
    elif verb == "documents":
        stdout.write(documents(*args).encode())
    elif verb == "pattern":
        for block in pattern(int(args[0])):
            stdout.write(block)
        stdout.flush()
    elif verb == "match":
        return 0 if match(int(args[0])) else 1
    elif verb == "peak":
        code = peak(args[0], args[1:])
        return code if code >= 0 else 128 - code
    else:
        sys.exit("what is " + verb)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
