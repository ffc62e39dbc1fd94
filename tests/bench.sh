#!/bin/bash
# bench.sh -- how long `encflow get` and `put` take beside others' programs:
# curl, rclone and awscli, Debian's. Whole processes, on loopback, in turn,
# so that what slows the machine slows them all; the figures are ratios.
#
# The stores are nginx (GET, PUT; plain and TLS) and, for S3, swift.py, which
# is slow, so that the object is smaller there. Nothing here passes or fails:
# it says which of the issue's targets were met in this run.
#
#   ENCFLOW            the binary, default ./encflow
#   EF_BENCH_MIB       size of the object, default 1024; a quarter for S3
#   EF_BENCH_ROUNDS    default 5; the first one more is not counted
#   EF_BENCH_FOLDER    where; default a tmpfs with room, or else build/bench
#
# Needs: nginx-light openssl curl rclone awscli python3, and swift.py's.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ENCFLOW=$(realpath "${ENCFLOW:-$ROOT/encflow}")
export ENCFLOW MIB=${EF_BENCH_MIB:-1024} ROUNDS=${EF_BENCH_ROUNDS:-5}
PATH=/usr/bin:/bin:/usr/sbin:/sbin # Debian's, not another one's

give_up() {
    printf 'bench: %s\n' "$*" >&2
    exit 1
}

for tool in nginx openssl curl rclone aws python3; do
    command -v "$tool" >/dev/null || give_up "no $tool; install:" \
        "nginx-light openssl curl rclone awscli python3"
done
[ -x "$ENCFLOW" ] || give_up "no $ENCFLOW: run make first"

# room FOLDER: five objects fit. A tmpfs takes its room from the memory.
room() {
    local free
    free=$(df --output=avail -BM "$1" | tr -dc 0-9)
    [ "$free" -gt $((MIB * 5)) ] || return 1
    [ "$(stat -f -c %T "$1")" != tmpfs ] ||
        [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" \
            -gt $((MIB * 6)) ]
}

mkdir -p "$ROOT/build/bench"
for folder in "${EF_BENCH_FOLDER:-/dev/shm}" "$ROOT/build/bench"; do
    [ -d "$folder" ] && room "$folder" && break
    folder=
done
[ -n "$folder" ] || give_up "needs $((MIB * 5)) MiB (EF_BENCH_FOLDER)"
WORK=$(mktemp -d "$folder/encflow-bench.XXXXXX")
export WORK

# The tests' own nginx: its functions want bats' name for the folder.
# shellcheck source=tests/servers.bash disable=SC2034
BATS_FILE_TMPDIR=$WORK
. "$ROOT/tests/servers.bash"
trap 'stop_servers; rm -rf "$WORK"' EXIT
trap 'exit 1' HUP INT TERM
unset "${!AWS_@}" "${!RCLONE_@}" http_proxy https_proxy all_proxy no_proxy
start_nginx
mkdir "$SERVERS/swift"
serve swift /usr/bin/python3 "$ROOT/tests/swift.py" "$SERVERS/swift"
SWIFT=$(port_in swift)
[[ $SWIFT == http://127.0.0.1:* ]] || give_up "swift.py: $SWIFT"

# Settings that the programs share, so that none needs a file or a flag.
export SWIFT HOME=$WORK LC_ALL=C.UTF-8
export AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=testing
export AWS_REGION=eu-north-1 AWS_DEFAULT_REGION=eu-north-1
export AWS_EC2_METADATA_DISABLED=true
export RCLONE_CONFIG=$WORK/rclone.conf RCLONE_CONFIG_S_TYPE=s3 \
    RCLONE_CONFIG_S_PROVIDER=Other RCLONE_CONFIG_S_ENV_AUTH=true \
    RCLONE_CONFIG_S_ENDPOINT=$SWIFT RCLONE_CONFIG_S_REGION=eu-north-1 \
    RCLONE_CONFIG_H_TYPE=http RCLONE_CONFIG_H_URL=$NGINX_HTTP \
    RCLONE_CONFIG_T_TYPE=http RCLONE_CONFIG_T_URL=$NGINX_HTTPS \
    RCLONE_CONFIG_P_TYPE=s3 RCLONE_CONFIG_P_PROVIDER=Other \
    RCLONE_CONFIG_P_ENDPOINT=$NGINX_HTTP RCLONE_CONFIG_P_REGION=eu-north-1 \
    RCLONE_CA_CERT=$CA
: >"$RCLONE_CONFIG"

/usr/bin/python3 - <<'END'
import filecmp
import os
import platform
import statistics
import subprocess
import sys
import time

E = os.environ
ENCFLOW, WORK, STORE, CA = E["ENCFLOW"], E["WORK"], E["STORE"], E["CA"]
HTTP, HTTPS, SWIFT = E["NGINX_HTTP"], E["NGINX_HTTPS"], E["SWIFT"]
MIB, ROUNDS = int(E["MIB"]), int(E["ROUNDS"])
KEY, BIG, SMALL = WORK + "/key", STORE + "/bucket/big", WORK + "/small"
GOT, UP = WORK + "/got", STORE + "/bucket/up"
S3 = "s3://store/"
SHORT = 150                     # seconds, after which 3 rounds must do
peak = 0                        # of ours, KiB
met, missed = [], []            # the targets
started, load = time.monotonic(), os.getloadavg()[0]


def remove(path):
    if os.path.exists(path):
        os.remove(path)


def run(argv):
    """(seconds, seconds of processor, KiB) of one process."""
    with open(WORK + "/said", "w+b") as said:
        before = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                 stdout=said, stderr=said, cwd=WORK)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            print("bench: FAILED (%d): %s\n%s" % (
                child.returncode, " ".join(argv),
                said.read()[-800:].decode(errors="replace")))
            return None
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss


def group(title, tools, target, source):
    """Rounds of all tools in turn, each round beginning with another.

    tools   name: argv; names that begin with "encflow" are ours
    target  the file that each leaves, removed before; None for an upload to
            S3, which cannot be looked at from here
    source  what the file must be; None where it is encrypted
    """
    global peak
    names, taken = list(tools), {name: [] for name in tools}
    for i in range(ROUNDS + 1):
        if i > 3 and time.monotonic() - started > SHORT:
            print("bench: time runs short: %d rounds of %s" % (i - 1, title))
            break
        k = i % len(names)
        for name in names[k:] + names[:k]:
            if taken[name] is None:
                continue
            if target:
                remove(target)
            one = run(tools[name])
            if one is None:
                taken[name] = None
                continue
            if target and i == 0 and name != "encflow put -K" \
                    and not filecmp.cmp(target, source, shallow=False):
                print("bench: FAILED: %s of %s made another file" % (
                    name, title))
                taken[name] = None
                continue
            if i > 0:
                taken[name].append(one)
            if name.startswith("encflow"):
                peak = max(peak, one[2])
    if target:
        remove(target)
    return taken


def spread(ratios):
    return "%5.2f (%.2f..%.2f)" % (statistics.median(ratios),
                                   min(ratios), max(ratios))


def compare(title, taken, ours, peer, most=None):
    """One line of the table: ours beside peer, round by round."""
    a, b = taken[ours], taken[peer]
    line = "%-24s" % title
    if not a or not b:
        print(line + "no figures: %s failed" % (peer if a else ours))
        return
    wall = [x[0] / y[0] for x, y in zip(a, b)]
    cpu = [x[1] / y[1] for x, y in zip(a, b)]
    line += "%6.2f s  %-15s %6.2f s  %s  %s" % (
        statistics.median(x[0] for x in a), peer,
        statistics.median(x[0] for x in b), spread(wall), spread(cpu))
    if most is not None:
        good = statistics.median(wall) <= most
        (met if good else missed).append(title)
        line += "  <= %.2f %s" % (most, "met" if good else "NOT MET")
    print(line, flush=True)


def first_line(argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def random_file(path, mib):
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(os.urandom(1 << 20))


os.mkdir(STORE + "/bucket")
random_file(BIG, MIB)
random_file(SMALL, MIB // 4)
subprocess.run([ENCFLOW, "keygen", "-o", KEY], check=True)

cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
       if line.startswith("model name")]
print("machine   %s, %d processors, Linux %s" % (
    cpu[0] if cpu else platform.machine(), os.cpu_count(),
    platform.release()))
print("files     on %s" % subprocess.run(
    ["stat", "-f", "-c", "%T", WORK], capture_output=True,
    text=True).stdout.strip())
print("ours      " + first_line([ENCFLOW, "--version"]))
print("peers     " + " ".join(first_line(["curl", "--version"]).split()[:2]))
print("          " + first_line(["rclone", "version"]))
print("          " + first_line(["aws", "--version"]).split(" exe")[0])
print("servers   " + first_line(["nginx", "-v"]))
print("          " + first_line(
    ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "swift"]))
print("""
%d rounds; medians, and the ratio of each round: median (least..most)

%-24s%8s  %-15s %8s  %-19s  %-19s  target
""" % (ROUNDS, "what", "ours", "peer", "", "ratio of time", "of processor"),
      end="", flush=True)

size = "%d MiB" % MIB
t = group("get", {
    "encflow get": [ENCFLOW, "get", "--allow-http", HTTP + "/bucket/big", GOT],
    "curl -o": ["curl", "-sS", "--fail", "-o", GOT, HTTP + "/bucket/big"],
    "rclone copyto": ["rclone", "copyto", "h:bucket/big", GOT],
    "aws s3 cp": ["aws", "s3", "cp", "--quiet", "--no-sign-request",
                  "--endpoint-url", HTTP, "s3://bucket/big", GOT],
}, GOT, BIG)
compare("get %s, http" % size, t, "encflow get", "curl -o", 1.15)
compare("", t, "encflow get", "rclone copyto")
compare("", t, "encflow get", "aws s3 cp")

t = group("get over TLS", {
    "encflow get": [ENCFLOW, "get", "--cacert", CA, HTTPS + "/bucket/big",
                    GOT],
    "curl -o": ["curl", "-sS", "--fail", "--cacert", CA, "-o", GOT,
                HTTPS + "/bucket/big"],
    "rclone copyto": ["rclone", "copyto", "t:bucket/big", GOT],
}, GOT, BIG)
compare("get %s, https" % size, t, "encflow get", "curl -o", 1.15)
compare("", t, "encflow get", "rclone copyto")

t = group("put", {
    "encflow put": [ENCFLOW, "put", "--allow-http", BIG, HTTP + "/bucket/up"],
    "encflow put -K": [ENCFLOW, "put", "-K", KEY, "--allow-http", BIG,
                       HTTP + "/bucket/up"],
    "curl -T": ["curl", "-sS", "--fail", "-T", BIG, HTTP + "/bucket/up"],
    # nginx lacks the PROPFIND of rclone's WebDAV: one S3 PUT, unsigned.
    "rclone copyto": ["rclone", "copyto", "--s3-no-check-bucket",
                      "--s3-no-head", "--s3-upload-cutoff", "5G",
                      "--s3-disable-checksum", BIG, "p:bucket/up"],
}, UP, BIG)
compare("put %s, http" % size, t, "encflow put", "curl -T", 1.15)
compare("", t, "encflow put", "rclone copyto")
compare("put -K %s, http" % size, t, "encflow put -K", "encflow put", 1.3)
compare("", t, "encflow put -K", "curl -T")
compare("", t, "encflow put -K", "rclone copyto")

t = group("put over TLS", {
    "encflow put": [ENCFLOW, "put", "--cacert", CA, BIG, HTTPS + "/bucket/up"],
    "curl -T": ["curl", "-sS", "--fail", "--cacert", CA, "-T", BIG,
                HTTPS + "/bucket/up"],
}, UP, BIG)
compare("put %s, https" % size, t, "encflow put", "curl -T", 1.15)

size = "%d MiB" % (MIB // 4)
s3 = ["--allow-http", "--endpoint-url", SWIFT]
aws = ["aws", "s3", "cp", "--quiet", "--endpoint-url", SWIFT]
t = group("put to S3", {
    "encflow put": [ENCFLOW, "put"] + s3 + [SMALL, S3 + "ours"],
    "encflow put -K": [ENCFLOW, "put", "-K", KEY] + s3 + [SMALL, S3 + "k"],
    "aws s3 cp": aws + [SMALL, S3 + "aws"],
    "rclone copyto": ["rclone", "copyto", "--ignore-times", SMALL,
                      "s:store/rclone"],
}, None, None)
compare("put %s, S3" % size, t, "encflow put", "aws s3 cp")
compare("", t, "encflow put", "rclone copyto")
compare("put -K %s, S3" % size, t, "encflow put -K", "encflow put", 1.3)
compare("", t, "encflow put -K", "aws s3 cp")
compare("", t, "encflow put -K", "rclone copyto")

t = group("get from S3", {
    "encflow get": [ENCFLOW, "get"] + s3 + [S3 + "ours", GOT],
    "aws s3 cp": aws + [S3 + "ours", GOT],
    "rclone copyto": ["rclone", "copyto", "s:store/ours", GOT],
}, GOT, SMALL)
compare("get %s, S3" % size, t, "encflow get", "aws s3 cp")
compare("", t, "encflow get", "rclone copyto")

(met if peak <= 64 << 10 else missed).append("memory")
print("\npeak memory of ours: %.1f MiB, target <= 64 MiB" % (peak / 1024))
print("targets met in this run: %d of %d%s" % (
    len(met), len(met) + len(missed),
    "; not met: " + "; ".join(missed) if missed else ""))
print("load before %.2f, all of it took %d s" % (
    load, time.monotonic() - started))
END
