#!/usr/bin/python3
"""An enclave as the release service sees it, written anew: nonce, document,
release, done. Documents are of tests/nitro.py's root.

    release.py ask VIA TEXT                 one request; prints the answer
    release.py story VIA ID [OPTION]...     nonce, release; prints what was in
                                            the credentials, or "refused"
    release.py crowd VIA ID N PID           N releases at once, to a host whose
                                            process is PID

VIA is unix:PATH, http://HOST:PORT/PATH, or exec:COMMAND for standard input.
HPKE is vectors/gen_signing.py's; nothing of encflow is used.
"""
import argparse
import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "vectors")]
import nitro  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import x25519  # noqa: E402
from gen_signing import hpke_open  # noqa: E402


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read_all(s):
    out = b""
    while piece := s.recv(65536):
        out += piece
    return out


def ask(via, text):
    """The answer's bytes; HTTP's status is held to the answer's kind."""
    data = text.encode() if isinstance(text, str) else text
    if via.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(280)
            s.connect(via[5:])
            s.sendall(data + b"\n")
            return read_all(s)
    if via.startswith("exec:"):
        return subprocess.run(via[5:], shell=True, input=data,
                              stdout=subprocess.PIPE, check=False).stdout
    try:
        with urllib.request.urlopen(
                urllib.request.Request(via, data=data), timeout=30) as a:
            assert a.status == 200, a.status
            out = a.read()
            assert b'"error"' not in out, out
    except urllib.error.HTTPError as e:
        assert e.code == 403, e.code
        out = e.read()
        assert out == b'{"error":"refused"}', out
    return out


def nonce(via):
    return unb64u(json.loads(ask(via, '{"request":"nonce","version":1}'))
                  ["nonce"])


def registers(config, given):
    pcrs = nitro.default_pcrs()
    for i, digit in enumerate("abc"):
        pcrs[i] = bytes.fromhex(digit * 96)
    pcrs[16] = hashlib.sha384(bytes(48) + config).digest()
    for text in given:
        i, value = text.split("=")
        pcrs[int(i)] = bytes.fromhex(value)
    return dict(sorted(pcrs.items()))


def request(config, document):
    return json.dumps({"appconfig": config.hex(), "document": b64u(document),
                       "request": "release", "version": 1},
                      separators=(",", ":"))


def opened(answer, key, config, n):
    sealed = answer["credentials"]
    return json.loads(hpke_open(
        key.private_bytes_raw() if hasattr(key, "private_bytes_raw")
        else raw(key), unb64u(sealed["enc"]), b"encflow release 1",
        (config.hex() + ":" + b64u(n)).encode(), unb64u(sealed["ct"])))


def raw(key):
    from cryptography.hazmat.primitives import serialization as s
    return key.private_bytes(s.Encoding.Raw, s.PrivateFormat.Raw,
                             s.NoEncryption())


def public(key):
    from cryptography.hazmat.primitives import serialization as s
    return key.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)


def story(g):
    config = bytes.fromhex(g.id)
    key = x25519.X25519PrivateKey.generate()
    n = g.nonce if g.nonce is not None else nonce(g.via)
    at = int(time.time()) + g.time
    given = dict(
        pcrs=registers(config, g.pcr), nonce=n if n else None,
        user_data=config if g.user_data is None else g.user_data,
        public_key=public(key) if g.public_key is None else g.public_key)
    if g.leaf_lasts is None:
        doc = nitro.document(at, fault=g.fault, **given)
    else:
        specs = nitro.chain(at, links={4: {"not_after": at + g.leaf_lasts}})
        doc = nitro.cose(nitro.cbor(nitro.fields(specs, at, **given)),
                         nitro.key(specs[-1]["key"]))
    text = request(config, doc)
    if g.save:
        with open(g.save, "w", encoding="ascii") as f:
            f.write(text)
    if g.only_save:
        return
    got = ask(g.via, text)
    answer = json.loads(got)
    if answer == {"error": "refused"}:
        print("refused")
        return
    assert set(answer) == {"credentials", "documents", "version"}, set(answer)
    inside = opened(answer, key, config, n)
    token = inside.pop("token")
    print(json.dumps(inside, sort_keys=True))
    for jws in answer["documents"]:
        print("document", hashlib.sha256(
            unb64u(jws.split(".")[1])).hexdigest())
    done = json.dumps({"appconfig": config.hex(), "nonce": b64u(n),
                       "request": "done", "token": token, "version": 1})
    if g.save_done:
        with open(g.save_done, "w", encoding="ascii") as f:
            f.write(done)
    if g.done:
        print(ask(g.via, done).decode().strip())


def quick_documents(config, nonces, keys):
    """nitro.document, with OpenSSL's signatures and one chain for all."""
    at = int(time.time())
    specs = nitro.chain(at)
    leaf = ec.derive_private_key(nitro.key("leaf").d, ec.SECP384R1())
    pcrs = registers(config, [])
    f = nitro.fields(specs, at, nitro.MODULE_ID, pcrs, b"", config, b"")
    for n, key in zip(nonces, keys):
        f["nonce"], f["public_key"] = n, public(key)
        payload = nitro.cbor(f)
        r, s = utils.decode_dss_signature(leaf.sign(
            nitro.signed_text(payload), ec.ECDSA(hashes.SHA384())))
        yield nitro.cbor([nitro.ES384, {}, payload,
                          nitro.octets48(r) + nitro.octets48(s)])


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid),
                  encoding="ascii") as f:
            own = [int(x) for x in f.read().split()]
    except OSError:
        return []
    return own + [c for p in own for c in children(p)]


def resident(pid):
    try:
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            return int(f.read().split("VmRSS:")[1].split()[0])
    except (OSError, IndexError):
        return 0


def at_once(via, texts):
    """All of them asked by threads that begin together; the answers."""
    out, gate = [None] * len(texts), threading.Event()

    def one(i):
        gate.wait()
        out[i] = ask(via, texts[i])

    threading.stack_size(256 << 10)
    threads = [threading.Thread(target=one, args=(i,))
               for i in range(len(texts))]
    for t in threads:
        t.start()
    gate.set()
    for t in threads:
        t.join()
    return out


def crowd(g):
    config, most, size, over = bytes.fromhex(g.id), 0, 0, threading.Event()

    def watch():
        nonlocal most, size
        while not over.wait(0.02):
            now = children(g.pid)
            most = max(most, len(now))
            size = max(size, sum(map(resident, now)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    nonces = [unb64u(json.loads(a)["nonce"]) for a in at_once(
        g.via, ['{"request":"nonce","version":1}'] * g.n)]
    assert len(set(nonces)) == g.n
    keys = [x25519.X25519PrivateKey.generate() for _ in nonces]
    texts = [request(config, d)
             for d in quick_documents(config, nonces, keys)]
    begun = time.monotonic()
    answers = at_once(g.via, texts)
    took = time.monotonic() - begun
    over.set()
    watcher.join()
    for a, key, n in zip(answers, keys, nonces):
        assert opened(json.loads(a), key, config, n)["datasets"]
    print("%d releases; %.1f s; at most %d processes, %d KiB" % (
        g.n, took, most, size))


def main():
    top = argparse.ArgumentParser()
    verbs = top.add_subparsers(dest="verb", required=True)
    v = verbs.add_parser("ask")
    v.add_argument("via")
    v.add_argument("text")
    v = verbs.add_parser("story")
    v.add_argument("via")
    v.add_argument("id")
    v.add_argument("--pcr", action="append", default=[])
    v.add_argument("--fault", choices=sorted(nitro.FAULTS))
    v.add_argument("--time", type=int, default=0)
    v.add_argument("--leaf-lasts", type=int, metavar="SECONDS",
                   help="how long after the document's time")
    v.add_argument("--nonce", type=bytes.fromhex)
    v.add_argument("--user-data", type=bytes.fromhex)
    v.add_argument("--public-key", type=bytes.fromhex)
    v.add_argument("--save")
    v.add_argument("--only-save", action="store_true")
    v.add_argument("--save-done")
    v.add_argument("--done", action="store_true")
    v = verbs.add_parser("crowd")
    v.add_argument("via")
    v.add_argument("id")
    v.add_argument("n", type=int)
    v.add_argument("pid", type=int)
    g = top.parse_args()
    if g.verb == "ask":
        sys.stdout.buffer.write(ask(g.via, g.text))
    else:
        {"story": story, "crowd": crowd}[g.verb](g)


if __name__ == "__main__":
    main()
