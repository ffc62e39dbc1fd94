#!/usr/bin/python3
"""kill -9 at seeded random moments of enc and dec.

    killer.py SEED COUNT enc|dec ENCFLOW KEYFILE FOLDER

FOLDER holds `plain` and `sealed`, the same data. Each round starts the
command, by turns onto a new name and over an old file, from a file and from
a pipe, kills it after a random part of the time a whole run takes, and looks
at what is there: the old state or the whole new one, and no other name in
the output folder or in TMPDIR. A whole new file may stand beside the old one
for a moment, hidden: the child that is about to rename it outlives its
parent. Prints what it saw; exit 1 when it saw wrong.
"""
import io
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference  # noqa: E402

OLD = b"what stood here before\n" * 100


def main(seed, count, verb, encflow, key, folder):
    rng = random.Random(int(seed))
    out_dir = os.path.join(folder, "out." + verb)
    spool = os.path.join(folder, "spool." + verb)
    os.mkdir(out_dir)
    os.mkdir(spool)
    os.environ["TMPDIR"] = spool
    out = os.path.join(out_dir, "out")
    source = os.path.join(folder, "plain" if verb == "enc" else "sealed")
    with open(os.path.join(folder, "plain"), "rb") as f:
        plain = f.read()
    seen = {"killed": 0, "finished": 0, "old": 0, "new": 0,
            "between": 0}

    def start(piped):
        command = [encflow, verb, "-K", key, "-out", out]
        if not piped:
            return None, subprocess.Popen(command + ["-in", source])
        cat = subprocess.Popen(["cat", source], stdout=subprocess.PIPE)
        child = subprocess.Popen(command, stdin=cat.stdout)
        cat.stdout.close()
        return cat, child

    def whole(path):
        with open(path, "rb") as f:
            if verb == "dec":
                return f.read() == plain
            back = io.BytesIO()
            return reference.unseal(key, f, back) and back.getvalue() == plain

    def state(had_old):
        """The name of what is there, or None when it may not be."""
        if had_old and set(os.listdir(out_dir)) - {"out"}:
            seen["between"] += 1
            time.sleep(0.5)  # the child is at work
        names = os.listdir(out_dir)
        for name in set(names) - {"out"}:
            print("stray:", name)
            return None
        if os.listdir(spool):
            print("stray in TMPDIR:", os.listdir(spool))
            return None
        if not names:
            return None if had_old else "old"
        with open(out, "rb") as f:
            if had_old and f.read(len(OLD) + 1) == OLD:
                return "old"
        return "new" if whole(out) else None

    took = []
    for piped in (0, 1, 0, 1, 0, 1):
        began = time.monotonic()
        cat, child = start(piped)
        if child.wait() != 0 or not whole(out) \
                or os.listdir(out_dir) != ["out"]:
            sys.exit("an undisturbed run failed")
        took.append(time.monotonic() - began)
        if cat:
            cat.wait()
    typical = sorted(took)[len(took) // 2]

    for n in range(int(count)):
        had_old = n % 2 == 0
        if os.path.exists(out):
            os.unlink(out)
        if had_old:
            with open(out, "wb") as f:
                f.write(OLD)
        cat, child = start(n % 4 > 1)
        time.sleep(rng.uniform(0, 1.1 * typical))
        child.send_signal(signal.SIGKILL)
        code = child.wait()
        if cat:
            cat.wait()
        seen["killed" if code == -signal.SIGKILL else "finished"] += 1
        found = state(had_old)
        if found is None or (code == 0 and found != "new"):
            sys.exit("round %d, exit %s: %s" % (n, code, found or "no whole"))
        seen[found] += 1
    print(verb, "of %.0f ms:" % (1000 * typical), seen)
    # the moments must have been such that the test could fail
    if seen["killed"] < int(count) // 4:
        sys.exit("too few kills landed while it ran")


if __name__ == "__main__":
    main(*sys.argv[1:])
