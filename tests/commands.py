#!/usr/bin/python3
"""Runs vectors/commands.txt: whole command lines and what they must say.

    commands.py [--faults no|only] [ID...]

Each record runs in a fresh folder, as its comment says; records with a fault
run under strace. The program is $ENCFLOW (./encflow unless set). The exit
status is 1 when a record fails. Run from the repository's root.
"""
import concurrent.futures
import datetime
import glob
import ipaddress
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../vectors"))
from gen_common import File  # noqa: E402

ENCFLOW = os.path.abspath(os.environ.get("ENCFLOW", "encflow"))
SANITIZED = os.environ.get("EF_SANITIZED") == "1"
SECONDS = 60  # no record takes longer
NSM = os.path.abspath("build/nsm_preload.so")  # see tests/nsm_preload.c

# What setup and run may use.
PRELUDE = r"""
key() { printf %064d 0 >"${1-key}"; }
dataset() { # PORT NAME LOCATION [BASE64]
    mkdir -p "ports/$1/$2/dataset"
    printf %s "$3" >"ports/$1/$2/dataset/location.txt"
    printf '{"query_string": "%s", "encryption": {"key": "%064d"}}' \
        "${4-}" 0 >"ports/$1/$2/dataset/credentials.bin"
}
job() { # an input and an output, both files
    key
    echo word >plain
    "$program" enc -K key -in plain -out sealed
    dataset input a "file://$DIR/sealed"
    dataset output b "file://$DIR/result"
}
run() {
    "$encflow" run -q --ports ports --work "$DIR/work" --allow-file \
        --allow-http --cacert "$CA" "$@"
}
s3() { # put or get with these keys at $URL
    command=$1
    shift
    AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=secret \
        "$encflow" "$command" --allow-http --endpoint-url "$URL" \
        --addressing path "$@"
}
nsm() { # encflow where there is a security module, whose folder is ./nsm
    NSM_DIR=$DIR/nsm LD_PRELOAD=$NSM "$encflow" "$@"
}
story() { # an approved workflow of d's for the enclave of ./nsm, APPCONFIG_ID id;
    # OPTION...: of workflow new
    "/usr/bin/python3" "$TESTS/nsm.py" nsm
    "$program" id new -q d >/dev/null
    "$program" id show --format pem >d.pem
    "$program" release keygen -o r >p
    echo x >c
    key
    "$program" dataset add -q --release-key p -K key --from c \
        --to "file://$DIR/e" --allow-file D >/dev/null
    "$program" dataset add -q --release-key p --direction output -K key \
        --to "file://$DIR/f" --allow-file O >/dev/null
    "$program" app add -q --image i --pcr "$(
        sed -n 's/^pcr \([012]\) /PCR\1=/p' nsm/state | paste -sd ,)" A >h
    "$program" approve -q "$(sed -n 's/build //p' h)"
    "$program" config add -q --app A C -- /bin/true >/dev/null
    "$program" workflow new -q "$@" W >/dev/null
    "$program" workflow add-app -q --build A --config C W a >/dev/null
    "$program" workflow connect -q W D a:input >/dev/null
    "$program" workflow connect -q W a:output O >/dev/null
    "$program" approve -q "$("$program" workflow submit -q W)"
    "$program" workflow hashes W | cut -d " " -f 1 >id
}
service() { # LIE: rogue.py's release service on ./sock, until the end
    printf %s "$1" >lie
    "/usr/bin/python3" "$TESTS/rogue.py" unix sock lie asked "$program" \
        release serve-one --release-key r --log log --root nsm/root.pem \
        >/dev/null 2>&1 </dev/null &
    trap "kill $!" EXIT
    while [ ! -S sock ]; do sleep 0.02; done
}
attested() { # by that service
    nsm run -q --appconfig "$(cat id)" --release "unix://$DIR/sock" \
        --work "$DIR/work" --allow-file --trust d.pem "$@"
}
receipt() { # INPUTS [OPTION...]: x, a result whose receipt names these inputs
    "/usr/bin/python3" - "$@" <<'E'
import base64, hashlib, json, os, subprocess, sys
head = '{"returncode": 0, "stdout": "", "stderr": ""'
a = {"appconfig": open("id").read().strip(), "inputs": json.loads(sys.argv[1]),
     "output": hashlib.sha256((head + "}").encode()).hexdigest()}
text = json.dumps(a, sort_keys=True, separators=(",", ":"))
subprocess.run([os.environ["program"], "attest", "get", "-out", "doc",
                "--user-data", hashlib.sha256(text.encode()).hexdigest(),
                *sys.argv[2:]], check=True,
               env=dict(os.environ, NSM_DIR="nsm",
                        LD_PRELOAD=os.environ["NSM"]))
a["document"] = base64.b64encode(open("doc", "rb").read()).decode()
open("x", "w").write(head + ', "attestation": ' + json.dumps(a) + "}")
E
}
config() { # lines of the configuration file, for the default profile
    mkdir .aws
    printf '%s\n' '[default]' "$@" >.aws/config
}
"""

# Less memory than a command needs: the C library has a limit for that, the
# sanitizers' allocator one of its own.
SMALL = ("env ASAN_OPTIONS=%s:max_allocation_size_mb=8:"
         "allocator_may_return_null=1" % os.environ.get("ASAN_OPTIONS", "")
         if SANITIZED else "prlimit --data=16777216")


class Failed(Exception):
    pass


# --- servers ---

def read_request(conn, body=True):
    """The whole request; without body, its head only; of TLS the start."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece or piece[0] == 0x16:
            return data
        data += piece
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data)
    want = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while body and len(data) < want:
        piece = conn.recv(65536)
        if not piece:
            break
        data += piece
    return data


def parse_answers(script):
    """[(regular expression of a request's head, answer)]. Without a line
    "> EXPRESSION", which begins an answer, there is one, for all requests."""
    if not script.startswith(b"> "):
        script = b"> \n" + script
    # what would be long here
    script = re.sub(rb"%\{(\d+)\}", lambda m: b"x" * int(m[1]), script)
    parts = re.split(rb"(?m)^> (.*)\n", script)[1:]
    answers = []
    for expression, answer in zip(parts[::2], parts[1::2]):
        head, end, body = answer.partition(b"\n\n")
        answers.append((expression,
                        (head + end).replace(b"\n", b"\r\n") + body))
    return answers


class Server:
    """Gives every request the same answer, or the first whose expression is
    found in its head, in one of a few manners:

    plain   reads the request, answers, closes
    hang    the same, but keeps the connection open
    reset   the same, but ends it with RST
    early   answers when the head is there, before the body is
    full    takes no connection: its queue is full
    """

    def __init__(self, script, manner, tls=None):
        self.answers = parse_answers(script)
        self.manner, self.tls = manner, tls
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0 if manner == "full" else 16)
        self.port = self.socket.getsockname()[1]
        self.held, self.thread = [], None
        if manner == "full":
            for _ in range(3):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", self.port))
                self.held.append(s)
        else:
            self.thread = threading.Thread(target=self.serve, daemon=True)
            self.thread.start()

    def serve(self):
        while True:
            try:
                conn = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one, args=(conn,),
                             daemon=True).start()

    def one(self, conn):
        conn.settimeout(SECONDS)
        try:
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            request = read_request(conn, self.manner != "early")
            conn.sendall(next((
                answer for expression, answer in self.answers
                if re.search(expression, request.partition(b"\r\n\r\n")[0])),
                b""))
            if self.manner == "reset":
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            elif self.manner == "early":
                conn.shutdown(socket.SHUT_WR)
            if self.manner in ("hang", "early"):
                while conn.recv(65536):
                    pass
        except OSError:
            pass
        conn.close()

    def close(self):
        if self.thread:
            # it must not accept by a number that is another socket's by then
            self.socket.shutdown(socket.SHUT_RDWR)
            self.thread.join()
        self.socket.close()
        for s in self.held:
            s.close()


def make_certificate(folder):
    """One for localhost that its own authority is; the context, the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME,
                                         "localhost")])
    now, day = datetime.datetime.utcnow(), datetime.timedelta(1)
    cert = x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(1).not_valid_before(
        now - day).not_valid_after(now + day).add_extension(
        x509.SubjectAlternativeName([
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        ).sign(key, hashes.SHA256())
    path = os.path.join(folder, "tls.pem")
    with open(path, "wb") as f:
        f.write(key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()))
        f.write(cert.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


# --- one record ---

def text(record, name):
    value = record.get(name)
    return value.decode() if value is not None else None


def write_program(path, options):
    """$encflow, with strace around it where options are given."""
    with open(path, "w") as f:
        strace = ""
        if options:
            strace = "strace -f -y --quiet=attach,exit,personality," \
                "path-resolution -o %s %s " % (
                shlex.quote(path + ".trace"), options)
        f.write("#!/bin/sh\nexec %s%s \"$@\"\n" % (
            strace, shlex.quote(ENCFLOW)))
    os.chmod(path, 0o755)


def run_shell(script, env, folder, tty=None):
    """(exit status, stdout, stderr) of a piece of sh."""
    p = subprocess.Popen(
        ["/bin/sh", "-c", PRELUDE + script], cwd=folder, env=env,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        stdout=tty if tty is not None else subprocess.PIPE,
        start_new_session=True)
    try:
        out, err = p.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)  # what sh began, too
        p.communicate()
        raise Failed("takes longer than %d s" % SECONDS)
    return p.returncode, out or b"", err


class Run:
    """A record in a folder of its own."""

    def __init__(self, record, tls, ca):
        self.record = record
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="encflow-"))
        self.servers = [
            Server(record.get("answer", b""), record.get("server", "plain"),
                   context) for context in (None, tls)]
        self.env = dict(
            {k: v for k, v in os.environ.items()
             if not k.startswith("AWS_") and not k.endswith("_proxy")},
            # nothing leaves the machine, and nothing waits
            AWS_EC2_METADATA_DISABLED="true", AWS_MAX_ATTEMPTS="1",
            HOME=self.folder, LC_ALL="C.UTF-8", TZ="UTC", DIR=self.folder,
            URL="http://127.0.0.1:%d" % self.servers[0].port,
            HOST="127.0.0.1:%d" % self.servers[0].port,
            TLS="https://localhost:%d" % self.servers[1].port, CA=ca,
            small=SMALL, NSM=NSM, TESTS=os.path.abspath("tests"),
            program=ENCFLOW, encflow=self.folder + ".program")
        self.ca = ca
        self.tty = None
        if record.get("tty"):
            self.master, self.tty = os.openpty()
            self.env["TTY"] = os.ttyname(self.tty)
            threading.Thread(target=self.watch, daemon=True).start()
        if record.get("fault") is not None and SANITIZED:
            self.env["ASAN_OPTIONS"] = "detect_leaks=0"
        if SANITIZED and uses_nsm(record):
            self.env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + \
                self.env.get("ASAN_OPTIONS", "")

    def watch(self):
        """Somebody sits at the terminal: it takes more than its buffer."""
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:  # nobody has the other end open any more
            os.close(self.master)

    def close(self):
        for server in self.servers:
            server.close()
        if self.tty is not None:
            os.close(self.tty)
        for path in glob.glob(glob.escape(self.folder) + ".*"):
            os.remove(path)
        subprocess.call(["chmod", "-R", "u+rwx", self.folder])
        shutil.rmtree(self.folder)

    def setup(self):
        shutil.rmtree(self.folder)
        os.mkdir(self.folder)
        script = text(self.record, "setup")
        if script:
            code, _, err = run_shell("set -e\n" + script, self.env,
                                     self.folder)
            if code != 0:
                raise Failed("setup: %s" % err.decode("utf-8", "replace"))

    def fault(self):
        """strace's options. when=last is the last such call of a run in
        which none fails, when=last-N the one N before."""
        options = text(self.record, "fault")
        last = re.search(r"inject=([\w,]+):.*when=last(?:-(\d+))?", options)
        if not last:
            return options
        self.setup()
        write_program(self.env["encflow"], "%s -e trace=%s" % (
            " ".join(re.findall(r"-P \S+", options)), last[1]))
        run_shell(text(self.record, "run"), self.env, self.folder, self.tty)
        rows = [row.split(None, 1) for row in self.trace() if "(" in row and
                "resumed>" not in row]
        count = sum(row[0] == rows[0][0] for row in rows) if rows else 0
        number = count - int(last[2] or 0)
        if number < 1:
            raise Failed("a run has only %d such calls" % count)
        return re.sub(r"when=last(?:-\d+)?", "when=%d" % number, options)

    def trace(self):
        """What strace wrote of the last run, a row each."""
        with open(self.env["encflow"] + ".trace", errors="replace") as f:
            return f.read().splitlines()

    def maps_read(self):
        """How often the sanitizers read the list of mappings: as many rows
        as it has today, and so another number in another run."""
        return sum(" read(" in row and "/maps>" in row
                   for row in self.trace())

    def told(self, said):
        """What was said, with the names that differ between runs put back,
        and without what the sanitizers say of too little memory."""
        if SANITIZED:
            said = re.sub(rb"(?m)^==\d+==WARNING: AddressSanitizer failed to "
                          rb"allocate .*\n", b"", said)
        for name in ("DIR", "URL", "HOST", "TLS", "CA", "TTY"):
            if name in self.env:
                said = said.replace(self.env[name].encode(),
                                    b"$" + name.encode())
        return said

    def run(self):
        """(exit status, stdout, stderr) of the record's command, with its
        fault in the call that it names."""
        r = self.record
        for _ in range(50):
            options = self.fault() if r.get("fault") is not None else ""
            counted = self.maps_read() if b"=read:" in r.get(
                "fault", b"") and b"when=last" in r["fault"] else None
            self.setup()
            write_program(self.env["encflow"], options)
            said = run_shell(text(r, "run"), self.env, self.folder, self.tty)
            if counted is None or counted == self.maps_read():
                break
        else:
            raise Failed("the sanitizers' own calls are never the same")
        if options and not any(re.search(r"\(INJECTED|--- SIG", row)
                               for row in self.trace()):
            raise Failed("the fault did not happen: " + options)
        return said

    def check(self):
        r = self.record
        code, out, err = self.run()
        code = code if code >= 0 else 128 - code
        out, err = self.told(out), self.told(err)
        if err != r["stderr"]:
            raise Failed("stderr is\n%s\nnot\n%s" % (
                err.decode("utf-8", "replace"), r["stderr"].decode()))
        if code != r["status"]:
            raise Failed("exit status %d, not %d" % (code, r["status"]))
        if r.get("stdout") is not None and out != r["stdout"]:
            raise Failed("stdout is %r" % out)


def uses_nsm(record):
    return any(b"nsm " in record.get(name, b"") or
               b"attested" in record.get(name, b"")
               for name in ("setup", "run"))


def why_not(record):
    """Why the record can't run here, or None."""
    if SANITIZED and record.get("plain"):
        return "the sanitizers take that call away"
    if os.geteuid() != 0 and b"-P " in record.get("fault", b""):
        return "only root may see the files of a process that is not dumpable"
    return None


def main():
    args = sys.argv[1:]
    faults = None
    if args[:1] == ["--faults"]:
        faults = args[1] == "only"
        del args[:2]
    f = File("commands.txt")
    declared = re.search(r"^records = (\d+)$", f.text, re.M)
    if not declared or int(declared[1]) != len(f.records):
        sys.exit("vectors/commands.txt: it has %d records" % len(f.records))
    names = [r["id"] for r in f.records]
    if len(set(names)) != len(names):
        sys.exit("vectors/commands.txt: an id twice")
    chosen = [r for r in f.records if (not args or r["id"] in args) and
              (faults is None or faults == ("fault" in r))]
    for r in list(chosen):
        if why_not(r):
            print("vectors/commands.txt: %s: not run: %s" % (
                r["id"], why_not(r)))
            chosen.remove(r)
    if any(uses_nsm(r) for r in chosen):
        subprocess.run(["make", "-s", "build/nsm_preload.so"], check=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="encflow-tls-") as folder:
        tls, ca = make_certificate(folder)

        def one(record):
            run = Run(record, tls, ca)
            try:
                run.check()
            except Failed as e:
                failed.append(record["id"])
                print("vectors/commands.txt: %s: %s" % (record["id"], e),
                      flush=True)
            finally:
                run.close()

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(one, chosen))
    print("vectors/commands.txt: %d records, %d failed" % (
        len(chosen), len(failed)))
    sys.exit(1 if failed or not chosen else 0)


if __name__ == "__main__":
    main()
