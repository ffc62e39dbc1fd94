#!/usr/bin/python3
"""OpenStack Swift with its S3 interface, for tests on loopback.

    swift.py FOLDER

Starts Swift's proxy, account, container and object server (all of them are
in Debian's python3-swift), each a process of its own on a port of 127.0.0.1
that the kernel picks, all of their files in FOLDER, as the user that calls.
Prints the endpoint's URL once the bucket `store` exists there. Ends, and
ends the four, at SIGTERM and when its parent or one of the four ends.

    key id   test:tester        region   eu-north-1
    secret   testing            bucket   store

The bucket is also reached as http://store.localhost:PORT. FOLDER/proxy.log
has one line for each S3 request, written when all of the answer is sent:

    proxy-server: METHOD PATH STATUS RECEIVED SENT START END HEADERS (...)

PATH with the query, percent-encoded as a whole; bytes of both bodies; times
in seconds; HEADERS are those that the tests want to know, percent-encoded.
What Swift has to say beside that is in FOLDER/*.log too.
"""

import base64
import ctypes
import hashlib
import hmac
import http.client
import logging
import os
import signal
import socket
import sys
import time
import traceback
from email.utils import formatdate

del sys.path[0]  # where this file would be taken for the package swift
from eventlet import greenio
from swift.common import utils, wsgi
from swift.common.middleware import memcache
from swift.common.ring import RingBuilder
from swift.obj import server as object_server

KEY_ID, SECRET, REGION, BUCKET = "test:tester", "testing", "eu-north-1", "store"

# One worker each, no paths but FOLDER's. The S3 requests are logged where they
# come in, before s3api makes Swift's requests of them. Timeouts are for a slow
# machine, and a server that once failed is not shunned: there is no other.
SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = suffix
[storage-policy:0]
name = one
default = yes
"""
BACKEND_CONF = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_level = WARNING
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY_CONF = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
log_level = INFO
[pipeline:main]
pipeline = catch_errors gatekeeper cache proxy-logging listing_formats bulk
    s3api tempauth copy slo dlo versioned_writes proxy-server
[filter:cache]
use = egg:swift#memcache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:versioned_writes]
use = egg:swift#versioned_writes
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
log_msg_template = {{method}} {{path}} {{status_int}} {{bytes_recvd}} \
{{bytes_sent}} {{start_time}} {{end_time}} {{headers}}
access_log_headers = true
access_log_headers_only = Host, Content-Length, Transfer-Encoding, Range,
    If-Match, X-Amz-Security-Token
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = {region}
storage_domain = localhost
max_upload_part_num = 10000
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
conn_timeout = 10
error_suppression_limit = 1000000
"""
NAMES = ("proxy", "account", "container", "object")


class NoCache:
    """Stands for memcached, which tempauth insists on: it holds nothing."""

    def __init__(self, *_, **__):
        pass

    def __getattr__(self, _):
        return lambda *_, **__: None


def end_with_parent(parent):
    """SIGTERM for this process as soon as its parent is no more."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(1)


def listen():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(512)
    return sock


def configure(folder, ports):
    def write(file, text, **fields):
        with open(os.path.join(folder, file), "w") as out:
            out.write(text.format(folder=folder, **fields))

    os.makedirs(os.path.join(folder, "devices", "d1"))
    try:
        os.setxattr(folder, "user.test", b"x")
    except OSError as error:
        sys.exit("%s: Swift needs extended attributes: %s" % (folder, error))
    write("swift.conf", SWIFT_CONF)
    write("proxy.conf", PROXY_CONF, port=ports["proxy"], region=REGION,
          user=KEY_ID.replace(":", "_"), secret=SECRET)
    for name in NAMES[1:]:
        write(name + ".conf", BACKEND_CONF, name=name, port=ports[name])
        ring = RingBuilder(4, 1, 1)
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0,
                      "ip": "127.0.0.1", "port": ports[name],
                      "device": "d1"})
        ring.rebalance(seed=1)
        ring.get_ring().save(os.path.join(folder, name + ".ring.gz"))


def serve(name, folder, socks, parent):
    """The life of one of the four, in its own process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(parent)
    sock = socks.pop(name)
    for other in socks.values():
        other.close()
    log = os.path.join(folder, name + ".log")
    with open(log, "a") as file:  # what is said before Swift has its logger
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Swift binds, changes its user, logs, caches and syncs as for a data
    # centre.
    utils.ThreadSafeSysLogHandler = lambda **_: logging.FileHandler(log)
    memcache.MemcacheRing = NoCache
    wsgi.drop_privileges = lambda _: None
    wsgi.get_socket = lambda _: greenio.GreenSocket(sock)
    os.fsync = os.fdatasync = lambda _: None
    utils.set_swift_dir(folder)
    more = {}
    if name == "object":
        more["global_conf_callback"] = object_server.global_conf_callback
    wsgi.run_wsgi(os.path.join(folder, name + ".conf"), name + "-server",
                  **more)


def make_bucket(port):
    """PUT /store, signed the old way: it is short. True when it is there."""
    date = formatdate(usegmt=True)
    text = "PUT\n\n\n%s\n/%s" % (date, BUCKET)
    signature = base64.b64encode(hmac.new(
        SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        client.request("PUT", "/" + BUCKET, headers={
            "Date": date, "Content-Length": "0",
            "Authorization": "AWS %s:%s" % (KEY_ID, signature)})
        answer = client.getresponse()
        return answer.status in (200, 409), answer.read()
    finally:
        client.close()


def main():
    end_with_parent(os.getppid())
    folder = os.path.abspath(sys.argv[1])
    socks = {name: listen() for name in NAMES}
    ports = {name: socks[name].getsockname()[1] for name in NAMES}
    configure(folder, ports)

    children = []

    def stop(*_):
        for pid in children:
            os.kill(pid, signal.SIGTERM)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    parent = os.getpid()
    for name in NAMES:
        pid = os.fork()
        if pid == 0:
            try:
                serve(name, folder, socks, parent)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        children.append(pid)
    for sock in socks.values():
        sock.close()

    # The sockets listen already; a connection waits until its server runs.
    for attempt in range(100):
        done, said = make_bucket(ports["proxy"])
        if done:
            break
        time.sleep(0.1)
    else:
        print("no bucket:", said, file=sys.stderr)
        stop()
    print("http://127.0.0.1:%d" % ports["proxy"], flush=True)
    pid, status = os.wait()
    children.remove(pid)
    print("a server has ended, status %d" % status, file=sys.stderr)
    stop()


if __name__ == "__main__":
    main()
