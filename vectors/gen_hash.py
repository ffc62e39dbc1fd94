"""sha256.txt, hmac_sha1.txt, hmac_sha256.txt: against Python's hashlib."""
import hashlib
import hmac
import random

from gen_common import need, refresh


def check_sha256(r):
    msg = r["msg"] * r.get("repeat", 1)
    need(hashlib.sha256(msg).digest() == r["digest"], "hashlib differs")


def make_sha256():
    rnd = random.Random("sha256")
    for n in list(range(1, 4)) + [54, 55, 56, 57, 62, 63, 64, 65, 118, 119,
                                  120, 127, 128, 129, 200, 255, 256]:
        msg = rnd.randbytes(n)
        yield dict(source="Python hashlib", msg=msg,
                   digest=hashlib.sha256(msg).digest())


def hmac_case(name, size):
    def check(r):
        mac = hmac.new(r["key"], r["msg"], name).digest()
        need(10 <= len(r["mac"]) <= size, "length")
        need(mac[:len(r["mac"])] == r["mac"], "hmac differs")

    def make():
        rnd = random.Random("hmac " + name)
        for k, n in ((0, 0), (0, 9), (1, 0), (20, 1), (32, 55), (40, 56),
                     (63, 64), (64, 65), (65, 63), (100, 119), (128, 128),
                     (129, 200), (44, 300)):
            key, msg = rnd.randbytes(k), rnd.randbytes(n)
            yield dict(source="Python hmac", key=key, msg=msg,
                       mac=hmac.new(key, msg, name).digest())
    return check, make


if __name__ == "__main__":
    refresh("sha256.txt", check_sha256, make_sha256)
    refresh("hmac_sha1.txt", *hmac_case("sha1", 20))
    refresh("hmac_sha256.txt", *hmac_case("sha256", 32))
