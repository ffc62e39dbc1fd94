#!/usr/bin/python3
"""Is every rejection in encflow.c stated and reached? `make cover` runs this.

    cover.py [BUILD-FOLDER [SOURCE]]

1. Reads the source and lists every call that says no: reject() and whatever
   hands a message on to it, the usage errors, what else goes to stderr, and
   the hints. A message may be several literals, a choice with ?:, a member
   of a table, or a parameter (then each call of that function is looked at).
   A message that is none of these is an error of its own.
2. Each message must be stated by a record in vectors/: by its field msg, or
   in the stderr of commands.txt. One that tells a byte or a line must be
   stated with it. A record must not state what the source does not say.
3. Builds the unit tests and the program with source-based coverage, runs the
   unit tests (tests/unit.c, which check what the records state) and
   tests/commands.py, and fails where a call that says no was never reached:
   the same text may stand in several places. "Out of memory" is one call, in
   reject_memory; who calls that is for the tests that make each allocation
   fail.

BUILD-FOLDER is build/cover unless given. Run from the repository's root.
"""
import bisect
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../vectors"))
from gen_common import Bad, File  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build/cover"
PATH = sys.argv[2] if len(sys.argv) > 2 else "encflow.c"

# The functions that take a message, and which parameter it is. Functions
# that hand a parameter of theirs on to one of these are found.
SPEAKERS = {"reject": 3, "cli_usage": 0, "cli_refuse_terminal": 0}
HINTERS = {"with_hint": 2}
# What stands around the message of such a function.
FRAMES = {"cli_refuse_terminal": "%s is not written to a terminal"}
# Print the parts of a message whose text is found where it comes from, or
# progress, or what -v asks for: no message of their own.
PRINTERS = {"cli_prefix", "cli_print_err", "cli_usage", "cli_refuse_terminal",
            "cli_tick", "cli_progress_end", "cli_say"}
# What -v asks for: a record may state it, none has to.
TELLERS = {"cli_say": 1}
# (function, its first argument) that print a format of their own, and which
# argument that is. A message's place may be told in words of its own.
PRINTS = {("fprintf", "stderr"): 1, ("buf_printf", "&app->err_text"): 1,
          ("ef_buf_str", "&app->err_text"): 1,
          ("snprintf", "job->err.place"): 2, ("snprintf", "err.place"): 2}
# Texts of others, which no record can state for good. Their call is reached.
FOREIGN = {"curl_easy_strerror"}

# What no test can state or reach, and why. (function, message or
# hint): reason.
NEITHER = {
    ("cage_mounts", "too much is mounted to make it read-only"):
        "an enclave with some 600 mounts",
    ("cli_release_document", "INSTANCE_NAME: a module_id that is no line of "
                             "text"):
        "Nitro's own names are",
    ("cli_release_document", "APPCONFIG_MISMATCH: the document is for another "
                             "configuration"):
        "it takes an enclave: tests/release.bats",
    ("cli_release_document", "KEY_SHAPE: the document's public_key is not 32 "
                             "bytes"):
        "the same",
    ("cli_release_workflow", "WORKFLOW_EXPIRED: what was approved has "
                             "expired"):
        "the same",
    ("cli_log_nonce", "NONCE_USED: credentials were released for this nonce"):
        "the same",
    ("cli_log_nonce", "NONCE_UNUSED: nothing was released for this nonce"):
        "the same",
    ("cli_log_nonce", "APPCONFIG_MISMATCH: released for another "
                      "configuration"):
        "the same",
    ("cli_log_nonce", "DONE_TWICE: this run was said to be over before"):
        "the same",
    ("cli_release_keys_for", "ANSWER_TOO_LARGE: larger than "
                             "EF_MAX_RELEASE_ANSWER_BYTES (8388608)"):
        "it takes 8 MiB of documents that one workflow hangs on",
    ("ef_credentials_kms", "the workspace has no credentials of its owner's "
                           "under a KMS key"):
        "it takes an enclave: tests/kms.bats",
    ("cli_kms_key", "KMS's answer has not the key that was approved"):
        "the same",
    ("kms_body", "a request larger than KMS takes"):
        "the limits of a document and of what is sealed are far below",
}
UNSTATED = NEITHER | {
    ("store_run", "not tried, because of the other failure"):
        "stays in a job whose run ended before its turn; the failure that "
        "ended it is what is told",
    ("http_accept", "the server gives no ETag for a range"):
        "the object is asked for as a whole then",
    ("put_number", "put a file instead: its size is known, and its parts may "
                   "be larger"):
        "comes with a message that is not reached",
    ("ws_room", "more documents than EF_MAX_DOCUMENTS (16384)"):
        "so many cannot be in a file: tests/unit.c, test_workspace_full",
    ("ws_room", "documents of more than EF_MAX_WORKSPACE_BYTES (12582912) "
                "together"):
        "the same",
    ("wf_config", "a runtime configuration larger than "
                  "EF_MAX_APPCONFIG_BYTES (2097152)"):
        "it takes 280 datasets: tests/unit.c, test_appconfig_large",
    ("ef_credentials_open", "a sealed key of another size"):
        "no command seals one: tests/unit.c, test_credentials_open",
    ("ef_credentials_kms", "its owner makes them with: encflow dataset renew "
                           "--kms-key ARN"):
        "the same",
    ("ef_workspace_closure", "the workflow is not of this workspace"):
        "callers have it from there; tests/unit.c, test_workspace_closure",
}
UNREACHED = NEITHER | {
    ("svc_connect", "cannot connect"):
        "no descriptor is left, or a failure that comes late: AF_VSOCK's, in "
        "tests/guest_init.c",
    ("cli_log_read", "cannot read"):
        "a disk that fails in the middle of a log",
    ("put_number", "more than EF_MAX_PARTS (10000) parts of 8 MiB come "
                   "through the pipe"):
        "78 GiB would have to come through a pipe",
    ("run_middle", "the application's cage has too many rules"):
        "the filter's size does not depend on input; says so when somebody "
        "adds rules and forgets CAGE_MAX_FILTER",
}

problems = []
ALL = []  # the source's tokens


def problem(text):
    problems.append(text)


# --- the source, as tokens ---

TOKEN = re.compile(r"""
    (?P<skip>\s+|/\*.*?\*/|//[^\n]*|^[ ]*\#(?:[^\n\\]|\\.)*$)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<mark>->|.)
""", re.X | re.S | re.M)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b",
           "v": "\v", "f": "\f"}


class Token:
    __slots__ = ("kind", "text", "line", "column")

    def __init__(self, kind, text, line, column):
        self.kind, self.text = kind, text
        self.line, self.column = line, column


def tokens(source):
    out, line, start, i = [], 1, 0, 0
    while i < len(source):
        m = TOKEN.match(source, i)
        if m.lastgroup != "skip":
            out.append(Token(m.lastgroup, m[0], line, i - start + 1))
        newlines = m[0].count("\n")
        if newlines:
            line += newlines
            start = i + m[0].rindex("\n") + 1
        i = m.end()
    return out


def unquote(text):
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))",
                  lambda m: chr(int(m[1], 16)) if m[1] else
                  ESCAPES.get(m[2], m[2]), text[1:-1], flags=re.S)


def close(toks, i):
    """Where the bracket that opens at i is closed."""
    depth = 0
    for k in range(i, len(toks)):
        if toks[k].kind == "mark":
            depth += toks[k].text in "([{"
            depth -= toks[k].text in ")]}"
            if depth == 0:
                return k
    sys.exit("%s:%d: a bracket is not closed" % (PATH, toks[i].line))


def split(toks, mark=","):
    """toks cut at each mark outside brackets."""
    parts, depth = [[]], 0
    for t in toks:
        if t.kind == "mark":
            depth += t.text in "([{"
            depth -= t.text in ")]}"
            if depth == 0 and t.text == mark:
                parts.append([])
                continue
        parts[-1].append(t)
    return parts


class Function:
    """A function's name, parameters and body."""

    def __init__(self, name, params, body):
        self.name, self.params, self.body = name, params, body


def functions(toks):
    i, last = 0, None  # last: the last "NAME (...)" at file level
    while i < len(toks):
        t = toks[i]
        if t.text == "(" and t.kind == "mark":
            end = close(toks, i)
            if toks[i - 1].kind == "word" and \
                    toks[i - 1].text != "__attribute__":
                last = (toks[i - 1].text, [
                    p[-1].text if p and p[-1].kind == "word" else
                    next((x.text for x in reversed(p) if x.kind == "word"),
                         "") for p in split(toks[i + 1:end])], end)
            i = end
        elif t.text == "{" and t.kind == "mark":
            end = close(toks, i)
            if last is not None and last[2] == i - 1:
                yield Function(last[0], last[1], toks[i:end + 1])
            i = end
        i += 1


def calls(function):
    """(name token, list of arguments) of every call in it."""
    body = function.body
    for i, t in enumerate(body[:-1]):
        if t.kind == "word" and body[i + 1].text == "(":
            yield t, split(body[i + 2:close(body, i + 1)])


class Site:
    """A place that says no: its messages (None: a parameter of its own)."""

    def __init__(self, function, token, messages, place):
        self.function, self.token = function.name, token
        self.messages, self.place = messages, place

    def __str__(self):
        return "%s:%d: %s" % (PATH, self.token.line, self.function)


# --- what a message can be ---

def table_cells(body, i, member):
    """Every value of member in the table whose struct's brace is body[i]."""
    fields, end = [], close(body, i)
    for field in split(body[i + 1:end], ";"):
        fields += [part[-1].text for part in split(field) if part]
    start = next(k for k in range(end, len(body)) if body[k].text == "{")
    for row in split(body[start + 1:close(body, start)]):
        if row:
            yield split(row[1:-1])[fields.index(member)]


def table_column(function, name, member):
    """Every value of member in the function's table called name."""
    body = function.body
    for i, t in enumerate(body):
        if t.text == "struct" and body[i + 1].text == "{" and \
                body[close(body, i + 1) + 1].text == name:
            return table_cells(body, i + 1, member)
    raise LookupError


def pointed_column(function, name, member):
    """The same where name points to a row of one of the file's tables: the
    one whose struct has a name and is defined with it."""
    body = function.body
    tags = [body[i - 2].text for i, t in enumerate(body)
            if t.text == name and body[i - 1].text == "*" and
            body[i - 3].text == "struct"]
    for i, t in enumerate(ALL):
        if t.text == "struct" and ALL[i + 1].text in tags and \
                ALL[i + 2].text == "{" and \
                ALL[close(ALL, i + 2) + 2].text == "[":
            return table_cells(ALL, i + 2, member)
    raise LookupError


def local_text(function, name):
    """The text of "static const char NAME[] = TEXT;" in the function."""
    body = function.body
    for i, t in enumerate(body):
        if t.text == name and [x.text for x in body[i - 1:i + 4]] == \
                ["char", name, "[", "]", "="]:
            end = next(k for k in range(i, len(body)) if body[k].text == ";")
            return body[i + 4:end]
    raise LookupError


def filled_by(function, name):
    """Functions that are given the ef_err called name."""
    for token, args in calls(function):
        if any([x.text for x in a] == ["&", name] for a in args):
            yield token.text


def texts(function, toks, known):
    """The messages that an expression can be; LookupError where that can't be
    told. None: it is a parameter of function. known: messages by function."""
    words = [t.text for t in toks]
    if toks and all(t.kind == "string" for t in toks):
        return ["".join(unquote(t.text) for t in toks)]
    parts = split(toks, "?")
    if len(parts) > 1:
        rest = [t for p in parts[1:] for t in p + [Token("mark", "?", 0, 0)]]
        out = []
        for branch in split(rest[:-1], ":"):
            if any(t.kind == "string" for t in branch):
                branch = [t for t in branch if t.kind == "string"]
            out += texts(function, branch, known)
        return out
    if words == ["NULL"]:
        return []
    if len(words) == 1 and words[0] in function.params:
        return None
    if len(words) == 1:
        return texts(function, local_text(function, words[0]), known)
    cells = None
    if len(words) > 3 and words[1] == "[" and words[-2] == ".":
        cells = table_column(function, words[0], words[-1])
    elif len(words) == 3 and words[1] == "->":
        cells = pointed_column(function, words[0], words[2])
    if cells is not None:
        return [m for cell in cells for m in texts(function, cell, known)]
    if len(words) == 3 and words[1] == "." and words[2] == "msg":
        out = [m for f in filled_by(function, words[0])
               for m in known.get(f, ())]
        if out:
            return out
    if words and words[0] in FOREIGN:
        return []
    raise LookupError


def place_of(name, args, inherited):
    """What tells where: "at", "line" or None."""
    if name == "reject_line":
        return "line"
    if name == "reject":
        return None if [t.text for t in args[2]] == ["EF_NOWHERE"] else "at"
    return inherited.get(name)


def find_sites(all_functions, speakers):
    """Sites of speakers, which grows by the functions found to hand on."""
    inherited = {}  # what tells where, of the functions that hand on
    while True:
        sites, known, grown = [], {}, False
        for function in all_functions:
            for token, args in calls(function):
                index = speakers.get(token.text)
                if index is None:
                    continue
                try:
                    found = texts(function, args[index], known)
                except LookupError:
                    problem("%s:%d: this message can't be resolved" % (
                        PATH, token.line))
                    continue
                place = place_of(token.text, args, inherited)
                if found is None and function.name not in speakers:
                    name = args[index][0].text
                    speakers[function.name] = function.params.index(name)
                    inherited[function.name] = place
                    grown = True
                frame = FRAMES.get(token.text, "%s")
                found = [frame % m for m in found or ()]
                known.setdefault(function.name, []).extend(found)
                sites.append(Site(function, token, found, place))
        if not grown:
            return sites
        del problems[:]


def find_set_hints(all_functions):
    """Hints that are set as a member: "err->hint = TEXT;"."""
    for function in all_functions:
        body = function.body
        for i, t in enumerate(body):
            if t.text == "hint" and body[i - 1].text in (".", "->") and \
                    body[i + 1].text == "=" and body[i + 2].kind == "string":
                end = next(k for k in range(i, len(body))
                           if body[k].text == ";")
                yield Site(function, t,
                           texts(function, body[i + 2:end], {}), None)


def find_prints(all_functions):
    """What goes to stderr, or to the receiver in the application's name:
    formats, as messages with patterns in them."""
    for function in all_functions:
        if function.name in PRINTERS:
            continue
        for token, args in calls(function):
            to = "".join(t.text for t in args[0])
            if (token.text, to) in PRINTS:
                form = args[PRINTS[token.text, to]]
                try:
                    found = texts(function, form, {})
                except LookupError:
                    if token.text != "ef_buf_str":  # that may be data
                        problem("%s:%d: this format can't be resolved" % (
                            PATH, token.line))
                    continue
                yield Site(function, token, found, "print")
            elif token.text in ("fputs", "fputc") and \
                    args[1][0].text == "stderr":
                problem("%s:%d: print with fprintf" % (PATH, token.line))


# --- what the records state ---

class Statement:
    def __init__(self, path, record, fields):
        self.name = "%s: %s" % (path, record["id"])
        self.msg = record.get("msg")
        self.hint = record.get("hint")
        self.msg = self.msg.decode() if self.msg is not None else None
        self.hint = self.hint.decode() if self.hint is not None else None
        self.stderr = record.get("stderr")
        self.record, self.fields = record, fields


def statements():
    for path in sorted(glob.glob("vectors/*.txt")):
        f = File(os.path.basename(path))
        kinds = {name: kind for name, kind, _ in f.fields}
        for record in f.records:
            if kinds.get("msg") == "hex":  # a message that is hashed
                continue
            yield Statement(path, record, kinds)


def in_stderr(message, stderr):
    """The line of stderr that says message, after its places."""
    return re.search(
        r"^encflow[^:\n]*: (?P<before>(?:[^\n]*: )?)" + re.escape(message) +
        r"(?: \d+| \"[^\n]*\")?(?:: [^\n]*)?$", stderr, re.M)


def pattern(fmt):
    """A printf format, as a regular expression."""
    out = ""
    for part in re.split(r"(%[-.*\d]*(?:ll|l|z)?[a-z])", fmt):
        out += (".*" if part.endswith("s") else r"-?\d+") \
            if part.startswith("%") else re.escape(part)
    return out


def check_place(site, s, before):
    """A message that tells a byte or a line is stated with it."""
    if site.place not in ("at", "line"):
        return
    word = {"at": "byte", "line": "line"}[site.place]
    if s.stderr is not None:
        good = re.search(word + r" \d+: $", before)
    else:
        good = s.record.get(site.place) is not None
    if not good:
        problem("%s: does not state the %s of: %s" % (
            s.name, word, s.msg or site.messages[0]))


def check_stated(sites, hints, prints, told):
    """Every message has a record, every record a message."""
    all_statements = list(statements())
    by_msg, by_hint, spoken = {}, {}, set()
    for s in all_statements:
        if s.msg is not None:
            by_msg.setdefault(s.msg, []).append(s)
        if s.hint is not None:
            by_hint.setdefault(s.hint, []).append(s)
        if s.stderr is not None:
            s.stderr = s.stderr.decode("utf-8", "replace")
    speaking = [s for s in all_statements if s.stderr]
    places = {}  # of a message: what all of its sites tell
    for site in sites:
        for m in site.messages:
            places.setdefault(m, set()).add(site.place)
    for site in sites:
        for m in site.messages:
            found = [(s, "") for s in by_msg.get(m, ())]
            for s in speaking:
                hit = in_stderr(m, s.stderr)
                if hit:
                    spoken.add(s.name)
                    found.append((s, hit["before"]))
            if not found and (site.function, m) not in UNSTATED and \
                    (site.function, m) not in UNREACHED:
                problem("%s: no record states: %s" % (site, m))
            if len(places[m]) == 1:
                for s, before in found:
                    check_place(site, s, before)
    for site in hints:
        for h in site.messages:
            if h not in by_hint and (site.function, h) not in UNSTATED and \
                    not any("\nhint: %s\n" % h in s.stderr for s in speaking):
                problem("%s: no record states the hint: %s" % (site, h))
    for site in prints:
        for m in site.messages:
            hits = [s.name for s in speaking
                    if re.search(pattern(m), s.stderr)]
            spoken.update(hits)
            if not hits:
                problem("%s: no record states: %s" % (site, m.strip()))
    check_stale(all_statements, sites, hints, told, spoken)
    return len(all_statements)


def check_stale(all_statements, sites, hints, told, spoken):
    told = [pattern(m) for site in told for m in site.messages]
    messages = {m for site in sites for m in site.messages}
    hinted = {h for site in hints for h in site.messages}
    for s in all_statements:
        if s.msg is not None and s.msg not in messages:
            problem("%s: %s does not say: %s" % (s.name, PATH, s.msg))
        if s.hint is not None and s.hint not in hinted:
            problem("%s: %s has no hint: %s" % (s.name, PATH, s.hint))
        if s.stderr and s.name not in spoken and \
                not any(re.search(t, s.stderr) for t in told) and \
                "foreign" not in s.record["id"]:  # libcurl's own text
            problem("%s: nothing in %s says: %s" % (
                s.name, PATH, s.stderr.split("\n")[0]))


# --- what is reached ---

FLAGS = ["-std=c11", "-O1", "-g", "-fprofile-instr-generate",
         "-fcoverage-mapping", "-mllvm", "-runtime-counter-relocation",
         "-D_GNU_SOURCE", "-isystem", "/usr/include/bearssl", "-I.",
         "-Itests"]
LIBS = ["-lbearssl", "-lcurl", "-lpthread"]


def run(command, log, **env):
    """Run command; its output goes to log, and is shown if it fails, without
    the lines that say what is well."""
    with open(os.path.join(BUILD, log), "w") as out:
        code = subprocess.call(command, stdout=out, stderr=subprocess.STDOUT,
                               env=dict(os.environ, **env))
    if code != 0:
        with open(os.path.join(BUILD, log), errors="replace") as f:
            said = [line for line in f if not re.search(
                r"^\[ |: \d+ records$|^    ", line)]
        sys.stderr.write("".join(said[:40]))
        problem("%s failed: see %s/%s" % (command[0], BUILD, log))


def at(name):
    return os.path.join(os.path.abspath(BUILD), name)


def build():
    os.makedirs(at("profiles"), exist_ok=True)
    for old in glob.glob(at("profiles/*")):
        os.remove(old)
    clang = os.environ.get("CLANG", "clang")
    work = [
        ([clang] + FLAGS + ["-DEF_NO_MAIN", "tests/unit.c", PATH, "-o",
                            at("unit"), "-lcmocka"] + LIBS, "unit.log"),
        ([clang] + FLAGS + [PATH, "-o", at("encflow")] + LIBS,
         "encflow.log")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda w: run(*w), work))


def measure():
    """%c keeps the counters in the file: a killed process counts too."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        unit = pool.submit(
            run, [at("unit")], "unit.log",
            LLVM_PROFILE_FILE=at("profiles/unit.%p%c.profraw"))
        commands = pool.submit(
            run, [sys.executable, "tests/commands.py"], "commands.log",
            ENCFLOW=at("encflow"), EF_SANITIZED="0",
            LLVM_PROFILE_FILE=at("profiles/encflow.%p%c.profraw"))
        unit.result(), commands.result()


def counts(program):
    """The source's segments: where a count begins, and the count."""
    raw = glob.glob(at("profiles/%s.*.profraw" % program))
    with open(at(program + ".list"), "w") as f:
        f.write("\n".join(raw) + "\n")
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-f",
                    at(program + ".list"), "-o", at(program + ".profdata")],
                   check=True)
    out = subprocess.run(
        ["llvm-cov", "export", "-format=text", "-instr-profile",
         at(program + ".profdata"), at(program), PATH],
        check=True, capture_output=True, text=True).stdout
    for entry in json.loads(out)["data"][0]["files"]:
        if os.path.basename(entry["filename"]) == os.path.basename(PATH):
            return entry["segments"]
    sys.exit("no coverage of %s in %s" % (PATH, program))


def count_at(segments, line, column):
    k = bisect.bisect_right([(s[0], s[1]) for s in segments],
                            (line, column)) - 1
    return segments[k][2] if k >= 0 and segments[k][3] else 0


def check_reached(sites):
    programs = [counts("unit"), counts("encflow")]
    reached = 0
    for site in sites:
        where = (site.token.line, site.token.column)
        if any(count_at(p, *where) for p in programs):
            reached += 1
        elif not any((site.function, m) in UNREACHED for m in site.messages):
            problem("%s: never reached: %s" % (
                site, "; ".join(m.strip() for m in site.messages) or
                "(its caller's message)"))
    return reached


def check_exceptions(sites):
    said = {(s.function, m) for s in sites for m in s.messages}
    for key in list(UNSTATED) + list(UNREACHED):
        if key not in said:
            problem("an exception that is no more: %s: %s" % key)


def main():
    with open(PATH, encoding="utf-8") as f:
        ALL.extend(tokens(f.read()))
    found = list(functions(ALL))
    sites = find_sites(found, dict(SPEAKERS))
    hints = find_sites(found, dict(HINTERS)) + list(find_set_hints(found))
    prints = list(find_prints(found))
    messages = {m for s in sites + prints for m in s.messages}
    if "--list" in sys.argv:
        for s in sites + prints + hints:
            print(s, s.place, s.messages)
        return
    check_exceptions(sites + hints)
    told = find_sites(found, dict(TELLERS))
    records = check_stated(sites, hints, prints, told)
    reached = 0
    if not problems:
        build()
    if not problems:
        measure()
    if not problems:
        reached = check_reached(sites + prints)
    print("cover: %d calls say no with %d messages; %d records; %d calls "
          "reached, %d excepted" % (len(sites + prints), len(messages),
                                    records, reached, len(UNREACHED)))
    for text in problems:
        print(text, file=sys.stderr)
    sys.exit(1 if problems else 0)


try:
    main()
except Bad as e:
    sys.exit("cover: %s" % e)
