#!/usr/bin/python3
"""A small S3 that misbehaves by plan, for tests on loopback.

    chaos.py CERTIFICATE KEY

Listens on two ports of 127.0.0.1 that the kernel picks, the first plain and
the second TLS, and prints both on one line. Objects are in memory, paths are
/BUCKET/KEY, signatures are not looked at. What a test says goes by bucket,
so that many tests can share one server:

    PUT  /_seed/KEY       an object that every bucket has
    POST /_plan/BUCKET    a JSON list of rules; forgets all else of BUCKET,
                          which is all that DELETE does
    GET  /_log/BUCKET     one line a request
    GET  /_uploads/BUCKET the open multipart uploads, one a line
    GET  /_object/BUCKET/KEY  the object, past the plan and the log

A line of the log: METHOD /BUCKET/KEY QUERY range=R if-match=E length=N
conn=C active=A, where C numbers the connections (TLS and plain), and A counts
the bucket's requests that were waiting for their answer, this one included.

All rules that match a request are laid over each other. A rule is an object:

    method, path, query, range    regular expressions that must be found in
                                  the request's
    first: K  or  nth: K          only the first K such requests; the K-th
    once: true                    only the first of those that are the same

    error: "STATUS CODE MESSAGE"  an XML error in place of doing it
    extra                         more elements for it: {"Region": "..."}
    status, body                  any answer in place of doing it; the body
                                  is empty where none is given
    done: true                    it is done all the same
    headers                       of the answer: {"ETag": null} takes one
                                  away, a list says it more than once
    length: D                     Content-Length is wrong by D
    whole: true                   Range is overlooked
    serve: "bytes=A-B"            as if this had been the Range
    replace: TEXT                 before this the object becomes TEXT, or,
                                  where TEXT is "~", has all its bits inverted
    upload: ID                    what CreateMultipartUpload gives
    overlook: true                If-Match is overlooked
    early: true                   the answer comes before the request's body
                                  is read; for a status below 400 it never is
    wait: S                       seconds before the answer
    slow_head, slow_body: S       seconds before each byte
    padding: N                    N more bytes of answer headers
    cut: N                        N bytes of the answer's body are sent; -1:
                                  not even the head
    take: N                       N bytes of the request's body are read
    then: reset|close|stall       what follows cut and take (close)
"""
import email.utils
import hashlib
import html
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

LOCK = threading.RLock()
SEEDS = {}
BUCKETS = {}
PIECE = 1 << 18
MIN_PART = 5 << 20
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Bucket:
    def __init__(self, rules):
        self.rules = rules
        self.counts = [0] * len(rules)
        self.met = set()
        self.objects = dict(SEEDS)  # KEY: (data, ETag)
        self.uploads = {}  # upload id: (KEY, {number: (data, MD5)})
        self.made = 0
        self.log = []
        self.active = 0


def stored(data):
    return memoryview(data), '"%s"' % hashlib.md5(data).hexdigest()


def error_xml(code, message, extra):
    more = "".join("<%s>%s</%s>" % (name, escape(text), name)
                   for name, text in extra.items())
    return (DECLARATION + "<Error><Code>%s</Code><Message>%s</Message>%s"
            "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
            % (code, escape(message), more)).encode()


class Answer:
    def __init__(self, status, body=b"", **headers):
        self.status = status
        self.body = memoryview(body)
        self.headers = {name.replace("_", "-"): value
                        for name, value in headers.items()}


def error(status, code, message="no more is known", extra={}):
    return Answer(status, error_xml(code, message, extra),
                  Content_Type="application/xml")


def xml(root, **texts):
    inner = "".join("<%s>%s</%s>" % (name, escape(text), name)
                    for name, text in texts.items())
    return Answer(200, (DECLARATION + '<%s xmlns="http://s3.amazonaws.com/doc/'
                        '2006-03-01/">%s</%s>' % (root, inner, root)).encode(),
                  Content_Type="application/xml")


class Gone(Exception):
    """The connection ends here."""


class Chaos(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        self.counted = None
        try:
            super().handle_one_request()
        except (Gone, OSError):
            self.close_connection = True
        finally:
            self.answered()

    def dispatch(self):
        url = urllib.parse.urlsplit(self.path)  # a proxy's form, too
        self.query = url.query
        self.bucket, _, self.key = url.path[1:].partition("/")
        if self.bucket.startswith("_"):
            self.send(self.control(), {})
            return
        with LOCK:
            self.here = BUCKETS.setdefault(self.bucket, Bucket([]))
            rule = self.find_rule(url.path)
            self.here.active += 1
            self.counted = self.here
            self.note(url.path)
        self.follow(rule)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = dispatch

    # ---------------------------------------------------------- the plan

    def find_rule(self, path):
        merged = {}
        seen = {"method": self.command, "path": path, "query": self.query,
                "range": self.headers.get("Range", "")}
        for at, rule in enumerate(self.here.rules):
            if all(re.search(rule[name], text)
                   for name, text in seen.items() if name in rule):
                self.here.counts[at] += 1
                count = self.here.counts[at]
                this = (at, *seen.values())
                if (count <= rule.get("first", count)
                        and count == rule.get("nth", count)
                        and not ("once" in rule and this in self.here.met)):
                    merged.update(rule)
                self.here.met.add(this)
        return merged

    def note(self, path):
        self.here.log.append("%s %s %s range=%s if-match=%s length=%s conn=%d "
                             "active=%d\n" % (
                                 self.command, path, self.query or "-",
                                 self.headers.get("Range", "-"),
                                 self.headers.get("If-Match", "-"),
                                 self.headers.get("Content-Length", "-"),
                                 self.server.number(self.client_address),
                                 self.here.active))

    def answered(self):
        with LOCK:
            if self.counted:
                self.counted.active -= 1
            self.counted = None

    def follow(self, rule):
        if "take" in rule:
            self.rfile.read(rule["take"])
            self.end(rule)
        if "replace" in rule:
            self.replace(rule["replace"].encode())
        data = b"" if rule.get("early") else self.body()
        override = {"error", "status", "body"} & set(rule)
        if not override or rule.get("done"):
            answer = self.perform(data, rule)
        if "error" in rule:
            status, code, message = (rule["error"] + "  ").split(" ", 2)
            answer = error(int(status), code, message.strip() or "as planned",
                           rule.get("extra", {}))
        elif override:
            answer = Answer(rule.get("status", 200),
                            rule.get("body", "").encode())
        time.sleep(rule.get("wait", 0))
        self.send(answer, rule)
        if rule.get("early"):
            self.linger(answer.status)

    def replace(self, data):
        with LOCK:
            if data == b"~":
                data = bytes(self.here.objects[self.key][0]).translate(
                    bytes(range(255, -1, -1)))
            self.here.objects[self.key] = stored(data)

    def end(self, rule):
        """The request ends as rule says, in the middle of something."""
        how = rule.get("then", "close")
        if how == "reset":
            time.sleep(0.1)  # what was sent should have arrived before
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.request.close()
        elif how == "stall":
            # until the other side leaves; it may well go on sending
            while not self.gone():
                time.sleep(0.05)
        raise Gone

    def gone(self):
        """Whether the other side has closed: TCP_INFO's state is not
        ESTABLISHED."""
        info = self.connection.getsockopt(socket.IPPROTO_TCP,
                                          socket.TCP_INFO, 1)
        return info[0] != 1

    def linger(self, status):
        """Closing at once with bytes unread would be a reset."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(3)
        if status < 400:
            time.sleep(2)
        while status >= 400 and self.connection.recv(PIECE):
            pass
        raise Gone

    # --------------------------------------------------------- the answer

    def head(self, answer, rule):
        lines = {"Date": email.utils.formatdate(usegmt=True),
                 "Server": "AmazonS3", "x-amz-request-id": "4442587FB7D0A2F9"}
        lines.update(answer.headers)
        if answer.status != 204:
            length = len(answer.body) + rule.get("length", 0)
            lines["Content-Length"] = str(length)
        for name, value in rule.get("headers", {}).items():
            lines = {old: text for old, text in lines.items()
                     if old.lower() != name.lower()}
            if value is not None:
                lines[name] = value
        text = "HTTP/1.1 %d %s\r\n" % (
            answer.status, self.responses.get(answer.status, ("Odd",))[0])
        for name, values in lines.items():
            for value in values if isinstance(values, list) else [values]:
                text += "%s: %s\r\n" % (name, value)
        padding = rule.get("padding", 0)
        for at in range(0, padding, 1000):
            text += "X-Padding-%d: %s\r\n" % (at, "x" * 980)
        return (text + "\r\n").encode()

    def send(self, answer, rule):
        head = self.head(answer, rule)
        if self.command == "HEAD":
            answer.body = memoryview(b"")
        cut = rule.get("cut", len(answer.body))
        if cut < 0:
            self.end(rule)
        body = answer.body[:cut]
        if not body and "cut" not in rule:
            self.answered()
        self.drip(head, rule.get("slow_head", 0))
        if "slow_body" in rule:
            self.drip(body, rule["slow_body"])
            body = b""
        for start in range(0, len(body), PIECE):
            if start + PIECE >= len(body):
                self.answered()  # before the client can know the end
            self.connection.sendall(body[start : start + PIECE])
        if "cut" in rule:
            self.end(rule)

    def drip(self, data, pause):
        if not pause:
            self.connection.sendall(data)
            return
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            time.sleep(pause)
            self.connection.sendall(data[at : at + 1])

    def body(self):
        """The request's body; nobody changes it afterwards."""
        data = bytearray(int(self.headers.get("Content-Length", 0)))
        view = memoryview(data)
        have = 0
        while have < len(data):
            count = self.rfile.readinto(view[have:])
            if not count:
                raise Gone
            have += count
        return data

    # ----------------------------------------------------------- S3 itself

    def perform(self, data, rule):
        query = dict(urllib.parse.parse_qsl(self.query, True))
        if self.bucket.startswith("missing"):
            return error(404, "NoSuchBucket",
                         "The specified bucket does not exist")
        if (self.command in ("PUT", "POST")
                and "Content-Length" not in self.headers):
            self.close_connection = True
            return error(411, "MissingContentLength",
                         "You must provide the Content-Length HTTP header.")
        with LOCK:
            if "uploadId" in query:
                return self.of_upload(query, data)
            if self.command == "POST" and "uploads" in query:
                return self.create(rule)
            if self.command == "PUT":
                self.here.objects[self.key] = stored(data)
                return Answer(200, ETag=self.here.objects[self.key][1])
            if self.command == "DELETE":
                self.here.objects.pop(self.key, None)
                return Answer(204)
            if self.key not in self.here.objects:
                return error(404, "NoSuchKey",
                             "The specified key does not exist.")
            return self.read(rule, *self.here.objects[self.key])

    def read(self, rule, data, etag):
        wanted = self.headers.get("If-Match", etag)
        if wanted != etag and not rule.get("overlook"):
            return error(412, "PreconditionFailed",
                         "At least one of the pre-conditions you specified "
                         "did not hold")
        common = {"ETag": etag, "Accept-Ranges": "bytes",
                  "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}
        wanted = rule.get("serve", self.headers.get("Range", ""))
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
        if not found or rule.get("whole"):
            return Answer(200, data, **common)
        first, last = found.groups()
        if not first:
            first, last = max(0, len(data) - int(last)), ""
        first, last = int(first), int(last or len(data) - 1)
        last = min(last, len(data) - 1)
        if first > last:
            answer = error(416, "InvalidRange",
                           "The requested range is not satisfiable")
            answer.headers["Content-Range"] = "bytes */%d" % len(data)
            return answer
        common["Content-Range"] = "bytes %d-%d/%d" % (first, last, len(data))
        return Answer(206, data[first : last + 1], **common)

    def create(self, rule):
        self.here.made += 1
        upload = "upload-%d.%s" % (self.here.made, "Vx_-")
        upload = rule.get("upload", upload)
        self.here.uploads[upload] = (self.key, {})
        return xml("InitiateMultipartUploadResult", Bucket=self.bucket,
                   Key=self.key, UploadId=upload)

    def of_upload(self, query, data):
        upload = query["uploadId"]
        key, parts = self.here.uploads.get(upload, (None, None))
        if key != self.key:
            return error(404, "NoSuchUpload", "The specified upload does not "
                         "exist. The upload ID may be invalid, or the upload "
                         "may have been aborted or completed.")
        if self.command == "DELETE":
            del self.here.uploads[upload]
            return Answer(204)
        if self.command == "PUT":
            number = int(query["partNumber"])
            assert 1 <= number <= 10000, number
            parts[number] = stored(data)
            return Answer(200, ETag=parts[number][1])
        return self.complete(upload, parts, bytes(data).decode())

    def complete(self, upload, parts, text):
        wanted = [(int(re.search(r"<PartNumber>(\d+)<", part)[1]),
                   html.unescape(re.search(r"<ETag>(.*?)<", part)[1]))
                  for part in re.findall(r"<Part>(.*?)</Part>", text, re.S)]
        numbers = [number for number, _ in wanted]
        if not numbers:
            return error(400, "MalformedXML")
        if numbers != sorted(set(numbers)):
            return error(400, "InvalidPartOrder")
        if any(number not in parts
               or parts[number][1].strip('"') != etag.strip('"')
               for number, etag in wanted):
            return error(400, "InvalidPart", "One or more of the specified "
                         "parts could not be found.")
        if any(len(parts[number][0]) < MIN_PART for number in numbers[:-1]):
            return error(400, "EntityTooSmall")
        data = b"".join(parts[number][0] for number in numbers)
        digest = hashlib.md5(b"".join(bytes.fromhex(parts[n][1].strip('"'))
                                      for n in numbers))
        etag = '"%s-%d"' % (digest.hexdigest(), len(numbers))
        self.here.objects[self.key] = memoryview(data), etag
        del self.here.uploads[upload]
        return xml("CompleteMultipartUploadResult", Bucket=self.bucket,
                   Key=self.key, ETag=etag)

    # -------------------------------------------------- what tests ask for

    def control(self):
        data = self.body()
        what, (name, _, key) = self.bucket, self.key.partition("/")
        with LOCK:
            if what == "_seed":
                SEEDS[name] = stored(data)
                return Answer(200)
            if what == "_plan" and self.command == "DELETE":
                BUCKETS.pop(name, None)
                return Answer(200)
            if what == "_plan":
                BUCKETS[name] = Bucket(json.loads(bytes(data) or b"[]"))
                return Answer(200)
            here = BUCKETS.setdefault(name, Bucket([]))
            if what == "_log":
                return Answer(200, "".join(here.log).encode())
            if what == "_uploads":
                return Answer(200, "".join(
                    "%s %s %d parts\n" % (key, upload, len(parts)) for
                    upload, (key, parts) in here.uploads.items()).encode())
            if what == "_object" and key in here.objects:
                return Answer(200, here.objects[key][0])
        return Answer(404, b"no such thing\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls = None
    made = 0
    numbers = {}

    def number(self, address):
        """Which connection this is, counted from 1 over both ports."""
        return self.numbers[self.server_port, address]

    def finish_request(self, request, client_address):
        with LOCK:
            Server.made += 1
            self.numbers[self.server_port, client_address] = Server.made
        # the handshake belongs to the connection's own thread
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        request.close()

    def handle_error(self, *_):
        pass


def main():
    certificate, key = sys.argv[1:3]
    plain = Server(("127.0.0.1", 0), Chaos)
    secure = Server(("127.0.0.1", 0), Chaos)
    secure.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.tls.load_cert_chain(certificate, key)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    print(plain.server_port, secure.server_port, flush=True)
    plain.serve_forever()


main()
