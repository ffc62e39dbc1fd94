#!/usr/bin/python3
"""Small HTTP proxies, good and bad ones, for tests on loopback.

    connect_proxy.py FOLDER

Each listens on a port of 127.0.0.1 that the kernel picks and on the unix
socket FOLDER/NAME; the ports are printed on one line, in the order of MODES.
FOLDER/NAME.log gets the first line of each connection's request, and
FOLDER/NAME.head all of its lines.

    pass      CONNECT, and plain requests with the whole URL. Whatever host
              is named, its port of 127.0.0.1 is what is reached
    deny      403
    fail      502 with a body
    auth      407, to whatever is sent
    garbage   an answer that is not HTTP
    flood     8 MiB of answer headers
    close     closes after the request
    reset     the same by RST
    hang      never answers
    drip      a byte of an answer each 0.2 s, for ever
"""
import os
import socket
import struct
import sys
import threading
import time
from urllib.parse import urlsplit

MODES = ("pass", "deny", "fail", "auth", "garbage", "flood", "close", "reset",
         "hang", "drip")
FOLDER = sys.argv[1]
REFUSALS = {
    "deny": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "fail": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n"
            b"Content-Type: text/html\r\n\r\n\x1b[31mbad\n",
    "auth": b"HTTP/1.1 407 Proxy Authentication Required\r\n"
            b'Proxy-Authenticate: Basic realm="r"\r\nContent-Length: 0\r\n\r\n',
    "garbage": b"\x00\xff no such protocol\r\n\r\n" * 4,
    "flood": b"HTTP/1.1 200 OK\r\n" + b"X-Flood: %s\r\n" % (b"x" * 1000) * 8192,
}


def note(mode, head):
    for suffix, text in (("log", head.split(b"\r\n")[0] + b"\n"),
                         ("head", head)):
        with open("%s/%s.%s" % (FOLDER, mode, suffix), "ab") as log:
            log.write(text)


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            raise OSError("no request")
        head += data
    head, rest = head.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n", rest


def copy(source, sink):
    """All that comes, then the end of it."""
    try:
        while data := source.recv(1 << 18):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # what the other direction still waits for will not come
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def tunnel(client, head, rest):
    method, target = head.split(b" ", 2)[:2]
    where = urlsplit("//" + target.decode() if method == b"CONNECT"
                     else target.decode())
    with socket.create_connection(("127.0.0.1", where.port)) as server:
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server.sendall(rest)
        else:  # servers take the whole URL, too
            server.sendall(head + rest)
        back = threading.Thread(target=copy, args=(server, client))
        back.start()
        copy(client, server)
        back.join()


def drain(client):
    """Until the other side leaves."""
    while client.recv(65536):
        pass


def serve(mode, client):
    head, rest = read_head(client)
    note(mode, head)
    if mode == "pass":
        tunnel(client, head, rest)
    elif mode in REFUSALS:
        client.sendall(REFUSALS[mode])
        client.shutdown(socket.SHUT_WR)
        drain(client)
    elif mode == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    elif mode == "hang":
        drain(client)
    elif mode == "drip":
        for byte in b"HTTP/1.1 200 OK\r\nX-Drip: " + b"x" * 1000:
            client.sendall(bytes([byte]))
            time.sleep(0.2)


def one(mode, client):
    with client:
        try:
            serve(mode, client)
        except OSError:
            pass


def accept(mode, listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=one, args=(mode, client), daemon=True).start()


def main():
    ports = []
    for mode in MODES:
        tcp = socket.create_server(("127.0.0.1", 0))
        ports.append(tcp.getsockname()[1])
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(os.path.join(FOLDER, mode))
        unix.listen()
        for listener in tcp, unix:
            threading.Thread(target=accept, args=(mode, listener),
                             daemon=True).start()
    print(*ports, flush=True)
    threading.Event().wait()


main()
