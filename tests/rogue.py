#!/usr/bin/python3
"""A release service that lies: the real one's answers, edited.

    rogue.py unix SOCKET LIE ASKED COMMAND...
    rogue.py http PORTFILE LIE ASKED COMMAND...

Each request goes to COMMAND, as by socat (standard input) or as by a web
server (CGI/1.1), and what it answers is edited as the file LIE says, a word
or two; with none there nothing is. Each request's kind is a line of ASKED.
The edits, of the answer to a release unless "nonce-" or "done-" is before
the word, which then is one that comes instead of an answer:

  forge            one document's signature is another
  unparsed         one document is none
  other DIR        the documents of the workspace DIR, and no others
  add DIR          the documents of DIR as well
  drop KIND        without the documents of that kind
  key              another key for each dataset, sealed as it should be
  query            a query that is none
  id, nonce        sealed for another configuration, for another nonce
  flip             a bit of what is sealed
  token [K,Q,T]    right credentials, all of key K and query Q, and a token
                   that is T, whatever JSON that is
  withhold         credentials of no dataset
  cut              what is sealed ends too early
  no-documents, no-credentials                   members that are missing
  refuse, nonsense, nothing, much, hang, hangup  instead of an answer
  again            the answer to another question: a nonce, of zeros
  slow             the answer, byte by byte, a second each
  lose             the real answer was there, and the connection is closed
  late             the answer, after two seconds
  once-WORD        WORD, and from then on nothing
  status           HTTP status 500
"""
import base64
import hashlib
import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "vectors")]
import cbor2  # noqa: E402
from gen_signing import hpke_seal  # noqa: E402

MODE, PLACE, LIE, ASKED, *COMMAND = sys.argv[1:]


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload(jws):
    return unb64u(jws.split(".")[1])


def folder(path):
    out = []
    for name in sorted(os.listdir(path)):
        if len(name) == 64:
            with open(os.path.join(path, name), encoding="ascii") as f:
                out.append(f.read().strip())
    return out


def attested(request):
    """The enclave's key and nonce, of its document."""
    said = cbor2.loads(cbor2.loads(unb64u(request["document"]))[2])
    return said["public_key"], said["nonce"]


def seal(request, answer, lie, what):
    """Credentials of our own making, for each dataset of the documents."""
    pk, nonce = attested(request)
    config = request["appconfig"]
    one = {"query_string": "", "encryption": {"key": "5a" * 32}}
    if lie == "query":
        one["query_string"] = base64.b64encode(b"a b\n").decode()
    sets = {}
    for jws in answer["documents"]:
        if json.loads(payload(jws))["kind"] == "dataset":
            name = hashlib.sha256(payload(jws)).hexdigest()
            sets[name + ":download"] = sets[name + ":upload"] = one
    plain = {"datasets": {} if lie == "withhold" else sets,
             "token": b64u(bytes(32))}
    if lie == "token":
        key, query, plain["token"] = json.loads(what)
        one["encryption"]["key"] = key
        one["query_string"] = base64.b64encode(query.encode()).decode()
    if lie == "id":
        config = "ab" * 32
    if lie == "nonce":
        nonce = bytes(56)
    enc, ct = hpke_seal(os.urandom(32), pk, b"encflow release 1",
                        (config + ":" + b64u(nonce)).encode(),
                        json.dumps(plain).encode()[:-1 if lie == "cut"
                                                   else None])
    answer["credentials"] = {"ct": b64u(ct), "enc": b64u(enc)}


def changed(b64text):
    raw = bytearray(unb64u(b64text))
    raw[-1] ^= 1
    return b64u(raw)


def edit(request, answer, lie, what):
    docs = answer["documents"]
    if lie == "forge":
        head, body, sign = docs[-1].split(".")
        docs[-1] = ".".join((head, body, changed(sign)))
    elif lie == "unparsed":
        docs[-1] = "eyJ9.e30.AA"
    elif lie == "other":
        answer["documents"] = folder(what)
    elif lie == "add":
        answer["documents"] = sorted(set(docs) | set(folder(what)))
    elif lie == "drop":
        answer["documents"] = [
            d for d in docs if json.loads(payload(d))["kind"] != what]
    elif lie in ("key", "query", "id", "nonce", "withhold", "token", "cut"):
        seal(request, answer, lie, what)
    elif lie == "flip":
        answer["credentials"]["ct"] = changed(answer["credentials"]["ct"])
    elif lie in ("no-documents", "no-credentials"):
        del answer[lie[3:]]


def real(data):
    """What the service itself says; by CGI where we are a web server."""
    env = dict(os.environ)
    if MODE == "http":
        env.update(GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="POST",
                   CONTENT_LENGTH=str(len(data)))
    out = subprocess.run(COMMAND, input=data, stdout=subprocess.PIPE, env=env,
                         check=False).stdout
    if MODE != "http":
        return 200, out
    head, _, body = out.replace(b"\r\n", b"\n").partition(b"\n\n")
    status = 200
    for line in head.split(b"\n"):
        if line.lower().startswith(b"status:"):
            status = int(line.split()[1])
    return status, body


def answer_to(data):
    """(status, bytes); None to hang up, a float to wait with each byte."""
    request = json.loads(data)
    kind = request["request"]
    with open(ASKED, "a", encoding="ascii") as f:
        f.write(kind + "\n")
    lie, what = "", ""
    if os.path.exists(LIE):
        with open(LIE, encoding="utf-8") as f:
            lie, _, what = f.read().strip().partition(" ")
    at = "release"
    for other in ("nonce", "done"):
        if lie.startswith(other + "-"):
            at, lie = other, lie[len(other) + 1:]
    if kind != at or lie == "":
        return real(data), 0
    if lie.startswith("once-"):
        lie = lie[5:]
        os.remove(LIE)
    if lie == "again":
        return (200, b'{"nonce":"' + b64u(bytes(56)).encode() + b'"}\n'), 0
    instead = {"refuse": (403, b'{"error":"refused"}\n'),
               "nonsense": (200, b"<html>It works!</html>\n"),
               "nothing": (200, b""), "much": (200, b"x" * (17 << 20)),
               "array": (200, b"[]\n"), "hangup": (None, b""),
               "status": (500, b"no\n")}
    if lie in instead:
        return instead[lie], 0
    if lie == "hang":
        time.sleep(20)
        return (None, b""), 0
    if lie == "late":
        time.sleep(2)
    status, body = real(data)
    if lie == "lose":
        return (None, b""), 0
    if lie not in ("slow", "late") and at == "release":
        answer = json.loads(body)
        edit(request, answer, lie, what)
        body = json.dumps(answer).encode() + b"\n"
    return (status, body), 1 if lie == "slow" else 0


def send(out, body, wait):
    if not wait:
        out.write(body)
        return
    for i in range(len(body)):
        out.write(body[i:i + 1])
        out.flush()
        time.sleep(wait)


class Raw(socketserver.StreamRequestHandler):
    def handle(self):
        (status, body), wait = answer_to(self.rfile.readline())
        if status is not None:
            send(self.wfile, body, wait)


class Web(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        (status, body), wait = answer_to(data)
        if status is None:
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        send(self.wfile, body, wait)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # whoever asked has gone


class WebServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    threading.stack_size(256 << 10)
    if MODE == "unix":
        server = Server(PLACE, Raw)
    else:
        server = WebServer(("127.0.0.1", 0), Web)
        with open(PLACE + ".new", "w", encoding="ascii") as f:
            f.write("%d\n" % server.server_address[1])
        os.rename(PLACE + ".new", PLACE)
    server.serve_forever()


if __name__ == "__main__":
    main()
