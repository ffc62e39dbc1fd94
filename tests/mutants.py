#!/usr/bin/python3
"""Would the tests notice? encflow.c is changed in one place at a time, and
each change (a mutant) has to turn a test red.

    mutants.py [--n 300] [--seed S] [--section N,N] [--only FUNCTION,...]
               [--all] [--operators A,B] [--without FILE,TEST] [--again]
               [--quick] [--recheck] [--jobs 1] [--list] [--build DIR]

Run from the repository's root (`make mutants`). Without --all a sample is
drawn, weighted to parsers and checks. It depends on --seed and on the text
of each mutant alone, so it changes little when encflow.c does.

Operators:
    CHK   a check never strikes: the `if` in front of return, goto, ...
    ROR   < and <=, > and >=, == and != change places
    LCR   && and || change places
    NEG   the condition of any other `if` is negated
    NOT   a ! is dropped
    CON   a number in a comparison, a sum or an index is one larger
    RET   `return X` of a status: X is computed, EF_OK returned; 0 and 1
          change places
    ARI   + and - change places, += and -= too
    BIT   << and >>, & and |, &= and |= change places
    BRK   break and continue change places
    DEL   a call whose value nobody uses is left out
    OWN   the same where the call wipes, frees or closes; not in the sample:
          the secrets, leak and fault tests look after those

A mutant meets the unit tests that execute its line, without and then with
ASan and UBSan, the command-line tests that do, and last the seeds and past
crashes of the fuzz targets whose cards name its function; the first red one
kills it. Which test executes what is measured first, and kept between runs for as
long as neither encflow.c nor the test's file changes. A mutant that compiles
to the same bytes as encflow.c (gcc -O2) is no mutant. tests/mutants.txt
explains the survivors that no test could tell from the original; every other
survivor is shown. The exit status is 1 where less than 95 % of the others
are killed, or where an explanation fits nothing any more; --recheck also
runs what is explained, and fails where a test kills it.

All of it works on a copy in --build, in namespaces of its own where the rest
of the machine is read-only and no other process can be seen: a mutant may
delete or kill anything it can reach. So it needs root or user namespaces.
"""
import argparse
import collections
import concurrent.futures
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

WANTED = 0.95
WEIGHTS = {"CHK": 3, "ROR": 3, "LCR": 2, "CON": 2, "RET": 2, "NOT": 2}
PARSERS = {2, 3, 4, 5, 7, 8, 10}  # sections that count twice
NOT_CLI = {"static.bats", "inject.bats"}  # test other binaries than ENCFLOW
GIB = 1 << 30

CFLAGS = ["-std=c11", "-w", "-D_GNU_SOURCE", "-isystem",
          "/usr/include/bearssl"]
LIBS = ["-lbearssl", "-lcurl", "-lpthread"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
FUZZ_ALLOC = ["-Dmalloc=fuzz_malloc", "-Dcalloc=fuzz_calloc",
              "-Drealloc=fuzz_realloc"]
FUZZ_LIBS = ["-ljansson", "-lcrypto", "-lm"]
# Counters live in a mapped file: those of a child that is killed count too.
COVERAGE = ["-O0", "-fcoverage-mapping", "-mllvm",
            "-runtime-counter-relocation"]

# Linked to tests/unit.c in front of cmocka: UNIT_ONLY names the tests to run,
# in that order; without it the names are printed.
CHOOSER = r"""
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
int __real__cmocka_run_group_tests(const char *, const struct CMUnitTest *,
    size_t, CMFixtureFunction, CMFixtureFunction);
int __wrap__cmocka_run_group_tests(const char *group,
    const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup,
    CMFixtureFunction teardown)
{
    struct CMUnitTest *chosen = calloc(n, sizeof *chosen);
    char *only = getenv("UNIT_ONLY"), *name;
    size_t i, m = 0;

    if (only == NULL) {
        for (i = 0; i < n; i++)
            printf("%s\n", tests[i].name);
        return 0;
    }
    for (name = strtok(only, " "); name; name = strtok(NULL, " "))
        for (i = 0; i < n; i++)
            if (strcmp(name, tests[i].name) == 0)
                chosen[m++] = tests[i];
    return __real__cmocka_run_group_tests(group, chosen, m, setup, teardown);
}
"""


def stop(text):
    sys.exit(f"mutants.py: {text}")


# --------------------------------------------------------------------------
# The mutants of a source text
# --------------------------------------------------------------------------

TOKEN = re.compile(
    r'(?P<skip>\s+|/\*.*?\*/|^[ ]*\#(?:[^\n]*\\\n)*[^\n]*)'
    r'|(?P<string>"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\')'
    r'|(?P<word>[A-Za-z_]\w*)|(?P<number>\d\w*)'
    r'|(?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\|'
    r'|[-+*/%&|^]=|.)', re.S | re.M)
Token = collections.namedtuple("Token", "kind text start end")

COMPARE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
SWAPS = [("ROR", COMPARE), ("LCR", {"&&": "||", "||": "&&"}),
         ("ARI", {"+": "-", "-": "+", "+=": "-=", "-=": "+="}),
         ("BIT", {"<<": ">>", ">>": "<<", "&": "|", "|": "&", "&=": "|=",
                  "|=": "&="}),
         ("BRK", {"break": "continue", "continue": "break"})]
BINARY_ONLY = {"+", "-", "&"}
OWNERS = re.compile(r"wipe|free|close|unlock|munmap|pthread_.*destroy")


class Mutant:
    """One change of source[start:end] to text, in function, at line."""

    def __init__(self, source, where, operator, start, end, text):
        self.start, self.end, self.text = start, end, text
        self.function, self.section = where
        self.operator = operator
        self.line = source.count("\n", 0, start) + 1
        a = source.rfind("\n", 0, start) + 1
        z = source.find("\n", end)
        self.before = " ".join(source[a:z].split())
        self.after = " ".join((source[a:start] + text +
                               source[end:z]).split())
        self.nth = 1  # of those in the function that read the same

    def key(self):
        nth = f" {self.nth}" if self.nth > 1 else ""
        return (f"{self.function} {self.operator}{nth}\n"
                f"- {self.before}\n+ {self.after}")

    def place(self):
        return f"encflow.c:{self.line} {self.function} {self.operator}"

    def apply(self, source):
        return source[:self.start] + self.text + source[self.end:]

    def rank(self, seed):
        """Place in the sample, small first: u^(1/w) for an even u."""
        digest = hashlib.sha256(f"{seed}\n{self.key()}".encode()).digest()
        u = (int.from_bytes(digest[:8], "big") + 1) / 2 ** 64
        weight = WEIGHTS.get(self.operator, 1) * (1 + (self.section
                                                       in PARSERS))
        return -u ** (1 / weight)


def tokens_of(source, start, end):
    found = []
    while start < end:
        m = TOKEN.match(source, start, end)
        if m.lastgroup != "skip":
            found.append(Token(m.lastgroup, m.group(), m.start(), m.end()))
        start = m.end()
    return found


def closing(tokens, i):
    """Index of the bracket that closes the one at i."""
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].text in "([{":
            depth += 1
        elif tokens[j].text in ")]}":
            depth -= 1
            if depth == 0:
                return j
    raise ValueError("brackets do not match")


def statement_end(tokens, i):
    """Index of the ; or } that ends the statement at i."""
    while tokens[i].text != ";":
        if tokens[i].text in "([{":
            i = closing(tokens, i)
            if tokens[i].text == "}":
                return i
        i += 1
    return i


def leaves(tokens, i):
    """Does the statement at i end with a jump away?"""
    last = i
    if tokens[i].text == "{":
        end, j = closing(tokens, i), i + 1
        while j < end:
            last, j = j, statement_end(tokens, j) + 1
    return tokens[last].text in ("return", "goto", "break", "continue")


def is_operand(token):
    return token.text in (")", "]") or (
        token.kind != "op" and token.text not in ("return", "case"))


def is_declared(tokens, i):
    """Is the [ at i the size in a declaration?"""
    return i > 1 and tokens[i - 2].kind == "word" and tokens[
        i - 2].text not in ("return", "else", "case")


def swaps(tokens, i):
    t = tokens[i]
    for operator, table in SWAPS:
        if t.kind in ("op", "word") and t.text in table:
            if t.text not in BINARY_ONLY or is_operand(tokens[i - 1]):
                yield operator, t.start, t.end, table[t.text]
    if t.text == "!" and t.kind == "op":
        yield "NOT", t.start, t.end, ""


def constants(tokens, i):
    t, before, after = tokens[i], tokens[i - 1].text, tokens[i + 1].text
    near = before in COMPARE or before in ("+=", "-=") or (
        before in ("+", "-") and is_operand(tokens[i - 2]))
    index = before == "[" and not is_declared(tokens, i - 1)
    if t.kind == "number" and (index or near or after in COMPARE):
        yield "CON", t.start, t.end, f"({t.text} + 1)"


def conditions(tokens, i, source):
    if tokens[i].text != "if" or tokens[i + 1].text != "(":
        return
    j = closing(tokens, i + 1)
    start, end = tokens[i + 1].start, tokens[j].end
    text = source[start:end]
    if leaves(tokens, j + 1):
        yield "CHK", start, end, f"({text} && 0)"
    else:
        yield "NEG", start, end, f"(!{text})"


def returns(tokens, i, source, kind):
    if tokens[i].text != "return" or tokens[i + 1].text == ";":
        return
    start, end = tokens[i + 1].start, tokens[statement_end(tokens, i)].start
    text = source[start:end]
    if kind == "int" and text in ("0", "1"):
        yield "RET", start, end, "10"[int(text)]
    elif kind == "ef_status" and text != "EF_OK":
        yield "RET", start, end, f"({text}, EF_OK)"


def calls(tokens, i):
    if i == 0 or tokens[i - 1].text not in (";", "{", "}", ")", "else", ":"):
        return
    void = ["(", "void", ")"]
    if [t.text for t in tokens[i - 3:i]] == void:
        return
    j = i + 3 if [t.text for t in tokens[i:i + 3]] == void else i
    t = tokens[j]
    if t.kind != "word" or tokens[j + 1].text != "(" or t.text in (
            "if", "while", "for", "switch", "return", "sizeof", "do"):
        return
    end = closing(tokens, j + 1) + 1
    if tokens[end].text == ";":
        operator = "OWN" if OWNERS.search(t.text) else "DEL"
        yield operator, tokens[i].start, tokens[end].start, "(void)0"


def sections(source):
    cards = re.finditer(r"^ \* (\d+)\. [A-Z]", source, re.M)
    return [(m.start(), int(m.group(1))) for m in cards]


def functions(source):
    """(name, type, start, end) of every body, as clang-format leaves it."""
    for m in re.finditer(r"^([^\n]*)\n(\w+)\([^;{}]*\)\n(\{\n.*?^\})",
                         source, re.M | re.S):
        kind = re.sub(r"/\*.*?\*/", "", m.group(1)).split()[-1]
        yield m.group(2), kind, m.start(3), m.end(3)


def all_mutants(source):
    found, same = [], collections.Counter()
    cards = sections(source)
    for name, kind, start, end in functions(source):
        where = name, max((c for c in cards if c[0] < start))[1]
        tokens = tokens_of(source, start, end)
        for i in range(len(tokens) - 1):
            for change in [*swaps(tokens, i), *constants(tokens, i),
                           *conditions(tokens, i, source),
                           *returns(tokens, i, source, kind),
                           *calls(tokens, i)]:
                mutant = Mutant(source, where, *change)
                same[mutant.key()] += 1
                mutant.nth = same[mutant.key()]
                found.append(mutant)
    return found


def explained(path, mutants):
    """{key: reason} of mutants.txt; the second value lists what is stale."""
    known = {m.key() for m in mutants}
    reasons, stale = {}, []
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.M)
    for block in filter(None, (b.strip() for b in text.split("\n\n"))):
        lines = block.split("\n")
        key = "\n".join(lines[:3])
        if len(lines) < 4 or key not in known or key in reasons:
            stale.append(key)
        reasons[key] = " ".join(" ".join(lines[3:]).split())
    return reasons, stale


# --------------------------------------------------------------------------
# Namespaces of its own
# --------------------------------------------------------------------------

def enter_cage(build):
    """Start again in new namespaces; all of them end with this process."""
    lock = open(f"{build}/lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stop(f"another run works in {build}")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.environ["MUTANTS_CAGED"] = "1"
    child = subprocess.Popen(
        ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child",
         "--mount-proc", sys.executable, *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    signal.signal(signal.SIGINT, lambda *_: child.kill())
    sys.exit(child.wait() % 256)


def close_cage(build):
    """Everything but build becomes read-only; /tmp is a folder in build. The
    first process of the namespace stays behind to bury orphans."""
    def mount(*words):
        subprocess.run(["mount", *words], check=True)

    tmp = os.path.join(build, "tmp")
    os.makedirs(tmp, exist_ok=True)
    os.chmod(tmp, 0o1777)
    here = os.open(build, os.O_PATH)  # build may lie in the old /tmp
    mount("--make-rprivate", "/")
    mount("--bind", tmp, "/tmp")
    os.makedirs(build, exist_ok=True)
    mount("--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{here}",
          build)
    os.close(here)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        rows = [row.split() for row in file]
    for _, point, kind, flags, *_ in rows:
        disk = kind not in ("proc", "sysfs", "devtmpfs", "devpts", "mqueue",
                            "cgroup", "cgroup2")
        if disk and point not in (build, "/tmp") and "rw" in flags.split(","):
            mount("-o", "remount,bind,ro", point)
    child = os.fork()
    while child:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) % 256)


def kill_strays(mark):
    """End what a worker's tests left running."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"MUTANTS_WORKER={mark}\0".encode() in file.read():
                    os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass


# --------------------------------------------------------------------------
# The tests: what they are, how long they take, which lines they execute
# --------------------------------------------------------------------------

def digest_of(*paths):
    h = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            h.update(hashlib.sha256(file.read()).digest())
    return h.hexdigest()


def pattern_of(name):
    """For `bats -f`: that name and no other."""
    return "".join(c if c.isascii() and (c.isalnum() or c == " ") else "."
                   for c in name)


class Bench:
    """A copy of the repository in build, and the ways to run its tests."""

    def __init__(self, build, root, without):
        self.build, self.root = build, root
        self.tree = os.path.join(build, "tree")
        self.without = without
        self.shared = os.path.realpath(os.path.join(root, "..", "shared"))
        shutil.rmtree(self.tree, ignore_errors=True)
        os.mkdir(self.tree)
        for name in ("encflow.c", "encflow.h", "Makefile", "README.md"):
            shutil.copy(os.path.join(root, name), self.tree)
        for name in ("tests", "vectors", "man", "fuzz"):
            shutil.copytree(os.path.join(root, name),
                            os.path.join(self.tree, name))
        with open(self.path("encflow.c"), encoding="utf-8") as file:
            self.source = file.read()

    def path(self, *names):
        return os.path.join(self.tree, *names)

    def compile(self, cc, out, *words, cwd=None):
        done = subprocess.run(
            [cc, *CFLAGS, "-I", self.tree, *words, "-o", out],
            cwd=cwd or self.build, capture_output=True, text=True)
        return done.returncode == 0, done.stderr

    def must_compile(self, *words):
        good, text = self.compile(*words)
        if not good:
            stop(f"does not compile: {words}\n{text}")

    def prepare(self):
        """What every mutant is linked to."""
        with open(f"{self.build}/chooser.c", "w", encoding="utf-8") as file:
            file.write(CHOOSER)
        self.must_compile("gcc", "chooser.o", "-c", "chooser.c")
        self.must_compile("gcc", "unit.o", "-O1", "-c",
                          self.path("tests/unit.c"))
        self.must_compile("clang", "unit-asan.o", *SANITIZE, "-c",
                          self.path("tests/unit.c"))
        for out, words in (("library.o", ["-DEF_NO_MAIN"]),
                           ("program.o", [])):
            self.must_compile("gcc", out, "-O2", *words, "-c",
                              self.path("encflow.c"))
        profile = f"-fprofile-instr-generate={self.build}/profile/%p%c"
        for out, words in (("cover-unit", ["-DEF_NO_MAIN", "unit.o"]),
                           ("cover", [])):
            link = self.link_words() if words else LIBS
            self.must_compile("clang", out, *COVERAGE, profile, *words,
                              self.path("encflow.c"), *link)

    def fuzz_cards(self):
        """(target, patterns of the functions that its card names)."""
        for name in sorted(os.listdir(self.path("fuzz"))):
            target = re.fullmatch(r"fuzz_(\w+)\.c", name)
            if target:
                with open(self.path("fuzz", name), encoding="utf-8") as file:
                    card = re.search(r"^ \* Covers +(.*(?:\n \*  +.*)*)",
                                     file.read(), re.M)
                yield target[1], re.sub(r"\n \* +", " ", card[1]).split()

    def seeds(self, target):
        """The folder of a target's seeds, made when it is asked for."""
        folder = f"{self.build}/seeds"
        if not os.path.isdir(f"{folder}/{target}"):
            subprocess.run([sys.executable, self.path("fuzz/seeds.py"),
                            folder, target], check=True, cwd=self.tree,
                           stdout=subprocess.DEVNULL)
        return f"{folder}/{target}"

    @staticmethod
    def link_words():
        return ["chooser.o", "-Wl,--wrap=_cmocka_run_group_tests",
                "-lcmocka", *LIBS]

    def environment(self, mark, **more):
        tmp = os.path.join(self.build, f"tmp{mark}")
        shutil.rmtree(tmp, ignore_errors=True)
        os.makedirs(tmp, exist_ok=True)
        npm = os.environ.get("EF_NPM", os.path.join(self.root, "build/npm"))
        return {**os.environ, "TMPDIR": tmp, "SHARED": self.shared,
                "EF_NPM": npm, "MUTANTS_WORKER": str(mark), **more}

    def run_unit(self, binary, names, mark, limit, **more):
        """The first of the named unit tests that is red, or None."""
        env = self.environment(mark, UNIT_ONLY=" ".join(names),
                               CMOCKA_TEST_ABORT="1", **more)
        memory = resource.RLIM_INFINITY if "ASAN_OPTIONS" in more else 6 * GIB
        with tempfile.TemporaryFile("w+", dir=env["TMPDIR"],
                                    errors="replace") as out:
            process = subprocess.Popen(
                [binary], cwd=self.tree, env=env, stdout=out, stderr=out,
                start_new_session=True,
                preexec_fn=lambda: limits(memory, limit))
            status = wait_for(process, 10 * limit)
            kill_strays(mark)
            out.seek(0)
            text = out.read()
        if status == 0 and f"{len(names)} test(s) run" in text:
            return None
        last = re.findall(r"^\[ RUN      \] (\S+)", text, re.M) or ["?"]
        slow = status in (None, -signal.SIGXCPU, -signal.SIGKILL)
        return last[-1] + (" (timeout)" if slow else "")

    def run_bats(self, binary, file, names, mark, limit, **more):
        """The first of the named tests of a .bats file that is red, or
        None; and the names that were skipped."""
        env = self.environment(mark, ENCFLOW=binary, **more)
        process = subprocess.Popen(
            ["bats", "-f", f"^({'|'.join(map(pattern_of, names))})$",
             f"tests/{file}"], cwd=self.tree, env=env, text=True,
            errors="replace", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: limits(6 * GIB, 600))
        timed = threading.Event()
        timer = threading.Timer(limit, lambda: (
            timed.set(), os.killpg(process.pid, signal.SIGKILL)))
        timer.start()
        red, done, skipped = None, 0, []
        for row in process.stdout:
            m = re.match(r"(not )?ok \d+ (.*?)( # skip.*)?$", row)
            done += bool(m)
            if m and m.group(3):
                skipped.append(m.group(2))
            if m and m.group(1):
                red = m.group(2)
                break
        timer.cancel()
        kill_group(process)
        kill_strays(mark)
        if red is None and timed.is_set():
            red = "(timeout)"
        elif red is None and done != len(names):
            red = f"(bats stopped after {done} of {len(names)} tests)"
        return red, skipped


def limits(memory, seconds):
    """For a child. Seconds of the processor: those of a busy machine's
    clock say little."""
    seconds = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def wait_for(process, limit):
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill_group(process)


class Tests:
    """All tests as {(file, name): {"seconds", "lines"}}."""

    def __init__(self, bench):
        self.bench = bench
        self.known = {}
        self.cache = os.path.join(bench.build, "coverage.json")
        try:
            with open(self.cache, encoding="utf-8") as file:
                self.saved = json.load(file)
        except FileNotFoundError:
            self.saved = {}
        tests = bench.path("tests")
        shared = [bench.path("encflow.c"), bench.path("encflow.h")]
        vectors = sorted(bench.path("vectors", f)
                         for f in os.listdir(bench.path("vectors")))
        self.learn("unit.c", self.unit_names(), digest_of(
            *shared, f"{tests}/unit.c", f"{tests}/vectors.h", *vectors))
        files = sorted(os.listdir(tests))
        helpers = [f"{tests}/{f}" for f in files
                   if not f.endswith((".bats", ".txt"))
                   and f not in ("unit.c", "vectors.h", "mutants.py")]
        for file in files:
            if file.endswith(".bats") and file not in (NOT_CLI |
                                                       bench.without):
                self.learn(file, self.bats_names(f"{tests}/{file}"),
                           digest_of(*shared, f"{tests}/{file}", *helpers))

    def unit_names(self):
        out = subprocess.run([f"{self.bench.build}/cover-unit"], check=True,
                             capture_output=True, text=True).stdout.split()
        self.clear_profile()
        return out

    @staticmethod
    def bats_names(path):
        with open(path, encoding="utf-8") as file:
            return [n.replace("\\", "") for _, n in re.findall(
                r"^@test (['\"])(.*)\1 \{$", file.read(), re.M)]

    def learn(self, file, names, digest):
        saved = self.saved.get(file, {})
        if saved.get("digest") != digest or set(saved["tests"]) != set(names):
            print(f"measuring what {len(names)} tests of tests/{file} "
                  "execute", flush=True)
            saved = {"digest": digest, "tests":
                     {name: self.measure(file, name) for name in names}}
            self.saved[file] = saved
            self.save()
        for name in names:
            if name in self.bench.without:
                continue
            test = saved["tests"][name]
            if test["red"]:
                del self.saved[file]
                self.save()
                stop(f"red without any mutant: tests/{file}: {name}")
            test = {**test, "lines": set(test["lines"])}
            self.known[file, name] = test

    def save(self):
        with open(self.cache, "w", encoding="utf-8") as out:
            json.dump(self.saved, out)

    def measure(self, file, name):
        """Run it on the binary with counters; where only that is red
        (memory limits, say), once more on a plain one."""
        bench = self.bench
        self.clear_profile()
        started, skipped = time.monotonic(), []
        if file == "unit.c":
            binary = f"{bench.build}/cover-unit"
            started = cpu_of_children()
            red = bench.run_unit(binary, [name], 0, 600)
            seconds = cpu_of_children() - started
        else:
            binary = f"{bench.build}/cover"
            red, skipped = bench.run_bats(binary, file, [name], 0, 600)
            seconds = time.monotonic() - started
        lines = [] if skipped else self.lines(binary)
        if red and file != "unit.c":
            started = time.monotonic()
            red, skipped = bench.run_bats(self.plain(), file, [name], 0, 600)
            seconds = time.monotonic() - started
        if red:
            print(f"  red: {name}: {red}", flush=True)
        if skipped:
            print(f"  skipped: {name}", flush=True)
        return {"seconds": round(seconds, 3), "lines": lines,
                "red": bool(red)}

    def plain(self):
        binary = f"{self.bench.build}/plain"
        self.bench.must_compile("gcc", binary, "-O0",
                                self.bench.path("encflow.c"), *LIBS)
        return binary

    def clear_profile(self):
        folder = f"{self.bench.build}/profile"
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        os.chmod(folder, 0o777)

    def lines(self, binary):
        folder = f"{self.bench.build}/profile"
        raw = [os.path.join(folder, f) for f in os.listdir(folder)]
        if not raw:
            return []
        merged = f"{self.bench.build}/merged"
        with open(f"{self.bench.build}/raw", "w", encoding="utf-8") as file:
            file.write("\n".join(raw))
        subprocess.run(["llvm-profdata", "merge", "-sparse",
                        "--failure-mode=all", "-f",
                        f"{self.bench.build}/raw", "-o", merged], check=True,
                       stderr=subprocess.DEVNULL)
        out = subprocess.run(
            ["llvm-cov", "export", "-format=lcov", "-instr-profile", merged,
             binary, self.bench.path("encflow.c")], check=True,
            capture_output=True, text=True).stdout
        return [int(line) for line, count in
                re.findall(r"^DA:(\d+),(\d+)", out, re.M) if count != "0"]


# --------------------------------------------------------------------------
# Killing
# --------------------------------------------------------------------------

Verdict = collections.namedtuple("Verdict", "kind by seconds")


class NotC(Exception):
    """The mutant does not compile."""


class Judge:
    def __init__(self, bench, tests, options):
        self.bench, self.tests, self.options = bench, tests, options
        self.killers = collections.defaultdict(collections.Counter)
        self.free = list(range(1, options.jobs + 1))

    def cover(self, line):
        """{file: [names]} of the tests that execute the line."""
        found = collections.defaultdict(list)
        for (file, name), test in self.tests.known.items():
            if line in test["lines"]:
                found[file].append(name)
        return found

    def seconds(self, file, names):
        return sum(self.tests.known[file, n]["seconds"] for n in names)

    def order(self, mutant, file, names):
        """What killed in this function before, then the quick ones."""
        record = self.killers[mutant.function]
        return sorted(names, key=lambda n: (
            -record[file, n], self.tests.known[file, n]["seconds"]))

    def judge(self, mutant):
        mark = self.free.pop()
        started = time.monotonic()
        try:
            kind, by = self.verdict(mutant, mark)
        finally:
            self.free.append(mark)
        return Verdict(kind, by, time.monotonic() - started)

    def verdict(self, mutant, mark):
        folder = f"{self.bench.build}/mutant{mark}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/encflow.c", "w", encoding="utf-8") as file:
            file.write(mutant.apply(self.bench.source))
        cover = self.cover(mutant.line)
        unit = self.order(mutant, "unit.c", cover.pop("unit.c", []))
        try:
            for stage in (self.by_unit, self.by_asan, self.by_cli,
                          self.by_seeds):
                by = stage(mutant, folder, unit, cover, mark)
                if by:
                    return "killed", by
                if stage == self.by_unit and self.is_same(folder, unit):
                    return "same", ""
        except NotC:
            return "no C", ""
        return "survived", "" if unit or cover else "no test executes it"

    def make(self, cc, out, *words, cwd=None):
        if not self.bench.compile(cc, out, *words, cwd=cwd)[0]:
            raise NotC

    def is_same(self, folder, unit):
        """Most of what a unit test executes is the library's: half the
        file to compile."""
        library = ["-DEF_NO_MAIN"] if unit else []
        self.make("gcc", "a.o", "-O2", *library, "-c", "encflow.c",
                   cwd=folder)
        original = "library.o" if unit else "program.o"
        return digest_of(f"{folder}/a.o") == digest_of(
            f"{self.bench.build}/{original}")

    def by_unit(self, mutant, folder, unit, _, mark):
        if not unit:
            return None
        binary = f"{folder}/unit"
        self.make("gcc", binary, "-O0", "-DEF_NO_MAIN",
                   f"{folder}/encflow.c", "unit.o",
                   *self.bench.link_words())
        limit = 2 + 3 * self.seconds("unit.c", unit)
        red = self.bench.run_unit(binary, unit, mark, limit)
        return red and self.note(mutant, "unit.c", red)

    def note(self, mutant, file, red):
        self.killers[mutant.function][file, red] += 1
        return f"{file}: {red}"

    def batches(self, mutant, cover):
        """A few quick tests of each file first, then the rest, the quicker
        files first."""
        files = sorted(cover, key=lambda f: self.seconds(f, cover[f]))
        ordered = {f: self.order(mutant, f, cover[f]) for f in files}
        for first in (True, False):
            for f in files:
                part = ordered[f][:4] if first else ordered[f][4:]
                if part:
                    yield f, part

    def by_cli(self, mutant, folder, _, cover, mark):
        if self.options.quick or not cover:
            return None
        binary = f"{folder}/encflow"
        self.make("gcc", binary, "-O0", f"{folder}/encflow.c", *LIBS)
        for file, names in self.batches(mutant, cover):
            limit = 20 + 4 * self.seconds(file, names)
            red, _ = self.bench.run_bats(binary, file, names, mark, limit)
            if red:
                return self.note(mutant, file, red)
        return None

    def by_asan(self, mutant, folder, unit, _, mark):
        if self.options.quick or not unit:
            return None
        binary = f"{folder}/unit-asan"
        self.make("clang", binary, *SANITIZE, "-DEF_NO_MAIN",
                   f"{folder}/encflow.c", "unit-asan.o",
                   *self.bench.link_words())
        limit = 20 + 15 * self.seconds("unit.c", unit)
        red = self.bench.run_unit(
            binary, unit, mark, limit,
            ASAN_OPTIONS="allocator_may_return_null=1")
        return red and f"unit.c under ASan: {red}"

    def by_seeds(self, mutant, folder, _unit, _cover, mark):
        """What `make fuzz-replay` runs, for the targets that name the
        function."""
        if self.options.quick:
            return None
        fuzz = f"{folder}/fuzz"
        shutil.rmtree(fuzz, ignore_errors=True)
        shutil.copytree(self.bench.path("fuzz"), fuzz)
        for target, patterns in self.bench.fuzz_cards():
            if not any(fnmatch.fnmatchcase(mutant.function, p)
                       for p in patterns):
                continue
            own = f"{fuzz}/fuzz_{target}.c"
            with open(own, encoding="utf-8") as file:
                whole = '#include "../encflow.c"' in file.read()
            library = [] if whole else [f"{folder}/library.o"]
            if library:  # only encflow's own allocations are counted
                self.make("clang", library[0], *SANITIZE, *FUZZ_ALLOC,
                          "-DEF_NO_MAIN", "-c", f"{folder}/encflow.c")
            self.make("clang", f"{folder}/replay", *SANITIZE, own,
                      f"{fuzz}/replay.c", *library, *LIBS, *FUZZ_LIBS)
            inputs = [p for p in (self.bench.seeds(target),
                                  f"{fuzz}/regress/{target}")
                      if os.path.isdir(p)]
            process = subprocess.Popen(
                [f"{folder}/replay", *inputs], cwd=self.bench.tree,
                env=self.bench.environment(mark), start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                preexec_fn=lambda: limits(resource.RLIM_INFINITY, 120))
            if wait_for(process, 600) != 0:
                return self.note(mutant, "seeds", target)
        return None


# --------------------------------------------------------------------------
# The run and its report
# --------------------------------------------------------------------------

def chosen(mutants, options, last):
    pick = [m for m in mutants
            if (not options.section or m.section in options.section)
            and (not options.only or m.function in options.only)
            and (m.operator in options.operators if options.operators
                 else m.operator != "OWN")]
    if options.again:
        return [m for m in pick if last.get(m.key()) == "survived"]
    if options.all:
        return pick
    return sorted(sorted(pick, key=lambda m: m.rank(options.seed))
                  [:options.n], key=lambda m: m.start)


def show(mutant, verdict, source):
    change = f"{source[mutant.start:mutant.end]} -> {mutant.text or '(none)'}"
    change = " ".join(change.split())
    by = f"{verdict.kind} {verdict.by}".strip()
    print(f"{mutant.place()}: {change}: {by}, {verdict.seconds:.1f} s",
          flush=True)


def tally(rows):
    """{section: Counter of kinds}, with "all" last."""
    count = collections.defaultdict(collections.Counter)
    for mutant, kind in rows:
        count[mutant.section][kind] += 1
    total = sum(count.values(), collections.Counter())
    return [*sorted(count.items()), ("all", total)]


def ratio(count):
    n = count["killed"] + count["survived"]
    return count["killed"] / n if n else 1.0


def report(rows, reasons, options):
    """Prints it; true where enough were killed."""
    for title, kind in (("explained", "explained"), ("SURVIVED", "survived")):
        for mutant, verdict in rows:
            if verdict.kind == kind:
                name, before, after = mutant.key().split("\n")
                why = reasons.get(mutant.key(), verdict.by)
                print(f"\n{title} encflow.c:{mutant.line} {name}\n  {before}"
                      f"\n  {after}" + (f"\n  {why}" if why else ""))
    print("\nsection  mutants  no C  same  explained  killed  survived")
    table = tally((m, v.kind) for m, v in rows)
    for section, c in table:
        print(f"{section!s:>7}  {sum(c.values()):7}  {c['no C']:4}  "
              f"{c['same']:4}  {c['explained']:9}  {c['killed']:6}  "
              f"{c['survived']:8}  {ratio(c):7.1%}")
    total = table[-1][1]
    if options.quick:
        print("(the plain unit tests alone)")
    if options.without:
        print("(without " + ", ".join(sorted(options.without)) + ")")
    return ratio(total) >= WANTED and total["killed"] > 0


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--n", type=int, default=300)
    p.add_argument("--seed", default="1")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--build", default="build/mutants")
    for name in ("section", "only", "operators", "without"):
        p.add_argument(f"--{name}", default=set(),
                       type=lambda s: set(filter(None, s.split(","))))
    p.add_argument("--all", action="store_true", help="no sample")
    p.add_argument("--again", action="store_true",
                   help="only what survived the last run")
    p.add_argument("--quick", action="store_true",
                   help="the plain unit tests alone")
    p.add_argument("--list", action="store_true", help="print, run nothing")
    p.add_argument("--recheck", action="store_true",
                   help="run what mutants.txt explains: it must survive")
    options = p.parse_args()
    options.section = set(map(int, options.section))
    return options


def run_all(judge, pick, reasons, options, last):
    """[(mutant, verdict)], printed and kept as they come."""
    def one(mutant):
        if mutant.key() in reasons and not options.recheck:
            return Verdict("explained", "", 0.0)
        return judge.judge(mutant)

    rows = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, verdict in zip(pick, pool.map(one, pick)):
            rows.append((mutant, verdict))
            last[mutant.key()] = verdict.kind
            if verdict.kind != "explained":
                show(mutant, verdict, judge.bench.source)
            with open(f"{options.build}/last.json", "w",
                      encoding="utf-8") as file:
                json.dump(last, file, indent=0)
    return rows


def main():
    options = arguments()
    root = os.getcwd()
    options.build = os.path.abspath(options.build)
    os.makedirs(options.build, exist_ok=True)
    if not options.list and "MUTANTS_CAGED" not in os.environ:
        enter_cage(options.build)
    try:
        with open(f"{options.build}/last.json", encoding="utf-8") as file:
            last = json.load(file)
    except FileNotFoundError:
        last = {}
    bench = Bench(options.build, root, options.without)
    mutants = all_mutants(bench.source)
    reasons, stale = explained(bench.path("tests/mutants.txt"), mutants)
    pick = chosen(mutants, options, last)
    if not options.list:
        close_cage(options.build)
    if options.list:
        for m in pick:
            print(f"{m.place()}\n  - {m.before}\n  + {m.after}")
        print(f"{len(pick)} of {len(mutants)} mutants")
    else:
        bench.prepare()
        judge = Judge(bench, Tests(bench), options)
        rows = run_all(judge, pick, reasons, options, last)
    good = options.list or report(rows, reasons, options)
    for key in stale:
        print(f"tests/mutants.txt explains no mutant of today: {key}")
    wrong = [] if options.list else [
        m for m, v in rows if m.key() in reasons and v.kind != "explained"
        and v.kind != "survived"]
    for m in wrong:
        print(f"tests/mutants.txt is wrong, it did not survive: {m.key()}")
    sys.exit(0 if good and not stale and not wrong else 1)


main()
