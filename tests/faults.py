#!/usr/bin/python3
"""An HTTP server that misbehaves on request, for tests on loopback.

    faults.py STORE LOG CERTIFICATE KEY

Listens on two ports of 127.0.0.1 that the kernel picks, the first plain and
the second TLS, and prints both on one line. Every request adds one line to
LOG: method, path with query, Content-Length. The first part of a path names
the fault:

    /file/NAME              STORE/NAME as it is; PUT writes it
    /status/CODE/...        that status, after reading any body
    /cut/N/NAME             N bytes of NAME, then the connection is closed,
                            although Content-Length promised all of them
    /cutchunk/N/NAME        the same in chunks, without the last chunk
    /reset/N/NAME           the same as cut, ended by RST
    /short/N/NAME           N bytes of NAME, an honest Content-Length
    /stall/N/NAME           N bytes of NAME, then nothing, connection open
    /mute/...               the request is read, never answered
    /slow/MS/NAME           NAME in 16 pieces, MS milliseconds apart
    /redirect/CODE/URL      Location: URL (percent-encoded)
    /loop/...               redirects to itself
    /garbage/...            an answer that is not HTTP
    /headers/N              N header lines of 1000 bytes before the body
    PUT /drop/N             reads N bytes of the body, then closes
    PUT /choke/...          reads no body, never answers
    PUT /early/...          answers 200 before the body, then closes
"""

import os
import socket
import struct
import sys
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORE, LOG, CERTIFICATE, KEY = sys.argv[1:5]
LOG_LOCK = threading.Lock()


class Faults(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        with LOG_LOCK, open(LOG, "a") as log:
            length = self.headers.get("Content-Length", "-")
            log.write("%s %s length=%s\n" % (self.command, self.path, length))

    def content(self, name):
        with open(os.path.join(STORE, name), "rb") as file:
            return file.read()

    def head(self, status, length, *more):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()

    def answer(self, status, body=b"", *more):
        self.head(status, len(body), *more)
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def hang(self):
        """Hold the connection until the other side leaves."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.settimeout(60)
        try:
            while self.connection.recv(65536):
                pass
        except OSError:
            pass

    def close(self):
        self.wfile.flush()
        self.close_connection = True

    def do_GET(self):
        self.note()
        path = urllib.parse.urlsplit(self.path).path
        _, fault, *rest = path.split("/", 3)
        getattr(self, "on_" + fault)(*rest)

    do_PUT = do_GET

    def on_file(self, *name):
        name = urllib.parse.unquote("/".join(name))
        if self.command == "PUT":
            with open(os.path.join(STORE, name), "wb") as file:
                file.write(self.body())
            self.answer(201)
        else:
            self.answer(200, self.content(name))

    def on_status(self, code, *_):
        self.body()
        self.answer(int(code), b"<Error>SECRET-IN-THE-ANSWER</Error>")

    def on_cut(self, count, name):
        data = self.content(name)
        self.head(200, len(data))
        self.wfile.write(data[: int(count)])
        self.close()

    def on_reset(self, count, name):
        self.on_cut(count, name)
        time.sleep(0.2)  # what was sent should have arrived before the RST
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def on_cutchunk(self, count, name):
        data = self.content(name)[: int(count)]
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.close()

    def on_short(self, count, name):
        self.answer(200, self.content(name)[: int(count)])

    def on_stall(self, count, name):
        data = self.content(name)
        self.head(200, len(data))
        self.wfile.write(data[: int(count)])
        self.hang()

    def on_mute(self, *_):
        self.body()
        self.hang()

    def on_slow(self, pause, name):
        data = self.content(name)
        self.head(200, len(data))
        step = len(data) // 16 + 1
        for start in range(0, len(data), step):
            time.sleep(int(pause) / 1000)
            self.wfile.write(data[start : start + step])
            self.wfile.flush()

    def on_redirect(self, code, url):
        self.body()
        self.answer(int(code), b"", ("Location", urllib.parse.unquote(url)))

    def on_loop(self, *_):
        self.answer(302, b"", ("Location", self.path))

    def on_garbage(self, *_):
        self.wfile.write(b"\x00\xff no such protocol\r\n\r\n" * 4)
        self.close()

    def on_headers(self, count, *_):
        lines = [("X-%d" % n, "x" * 1000) for n in range(int(count))]
        self.answer(200, b"body", *lines)

    def on_drop(self, count, *_):
        self.rfile.read(int(count))
        self.close()

    def on_choke(self, *_):
        self.close_connection = True
        time.sleep(60)

    def on_early(self, *_):
        self.answer(200, b"", ("Connection", "close"))
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        time.sleep(3)  # closing at once with bytes unread would be a reset
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    tls = None

    def finish_request(self, request, client_address):
        # the handshake belongs to the connection's own thread
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        request.close()

    def handle_error(self, *_):
        pass


def main():
    plain = Server(("127.0.0.1", 0), Faults)
    secure = Server(("127.0.0.1", 0), Faults)
    secure.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.tls.load_cert_chain(CERTIFICATE, KEY)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    print(plain.server_port, secure.server_port, flush=True)
    plain.serve_forever()


main()
