#!/usr/bin/python3
"""Builds and runs the fuzz targets, fuzz/fuzz_T.c. The Makefile calls it.

    fuzz/run.py fuzz T SECS       libFuzzer; what it finds new is kept
    fuzz/run.py afl T SECS        AFL++, from the same source and corpus
    fuzz/run.py smoke SECS [T...] every target, two at a time
    fuzz/run.py check [T...]      replay every seed and every past crash
    fuzz/run.py replay T FILE...  replay these
    fuzz/run.py cover [T...]      which lines do seeds and corpus reach?
    fuzz/run.py oss               run .clusterfuzzlite/build.sh, three ways

Under build/fuzz (or $FUZZ_OUT): ENGINE/T the programs, seeds/T, corpus/T what
the engines kept, crash/ what they found. A crash becomes fuzz/regress/T/NAME
once it is understood.
"""
import concurrent.futures
import fnmatch
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.environ.get("FUZZ_OUT", "build/fuzz")
JOBS = 2
BASE = ["-std=c11", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
        "-Wshadow", "-Werror", "-isystem", "/usr/include/bearssl", "-I.",
        "-D_GNU_SOURCE"]
# encflow's own allocations, and no others, can be made to fail: fuzz.h.
ALLOC = ["-Dmalloc=fuzz_malloc", "-Dcalloc=fuzz_calloc",
         "-Drealloc=fuzz_realloc"]
LIBS = ["-lbearssl", "-lcurl", "-lpthread", "-ljansson", "-lcrypto", "-lm"]
CHECKED = ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
           "-fno-sanitize-recover=all"]
# engine: compiler, flags for all objects, flags of the link, replay's main?
ENGINES = {
    "libfuzzer": ("clang", CHECKED + ["-fsanitize=fuzzer-no-link"],
                  ["-fsanitize=fuzzer"], False),
    "afl": ("afl-clang-fast", CHECKED, ["-fsanitize=fuzzer"], False),
    # built in a seventh of the time, for seeds that take none
    "replay": ("clang", CHECKED + ["-O0"], [], True),
    "cover": ("clang", ["-O0", "-fprofile-instr-generate",
                        "-fcoverage-mapping"], [], True),
}


def die(text):
    sys.exit("fuzz/run.py: " + text)


def source(target):
    return "fuzz/fuzz_%s.c" % target


def targets():
    return sorted(re.sub(r"^fuzz/fuzz_|\.c$", "", path)
                  for path in glob.glob("fuzz/fuzz_*.c"))


def known(target):
    if target not in targets():
        die("no target %r; there are: %s" % (target, " ".join(targets())))
    return target


def chosen(names):
    return [known(t) for t in names] or targets()


def card(target):
    """Field -> text of the comment that opens the target's source."""
    text = open(source(target), encoding="utf-8").read().split("*/")[0]
    parts = re.split(r"^ \* (Target|Input|Claims|Covers|Seeds)  +", text,
                     flags=re.M)
    return {k: re.sub(r"\n \*", " ", v)
            for k, v in zip(parts[1::2], parts[2::2])}


def has_internals(target):
    return '#include "../encflow.c"' in open(source(target)).read()


# --- building -----------------------------------------------------------------


def run(command, **kw):
    return subprocess.run(command, **kw)


def compile_(command, product, inputs):
    """Run command where product is older than one of its inputs."""
    inputs = list(inputs) + ["fuzz/run.py"]
    if os.path.exists(product) and all(
            os.path.getmtime(i) <= os.path.getmtime(product)
            for i in inputs):
        return
    new = "%s.new" % product
    got = run(command + ["-o", new], stdout=subprocess.PIPE,
              stderr=subprocess.STDOUT, text=True,
              env=dict(os.environ, AFL_QUIET="1"))
    if got.returncode != 0:
        die("%s\n%s" % (" ".join(command), got.stdout))
    os.rename(new, product)


def build(engine, names):
    """The programs of these targets. One object of the library serves those
    that do not include encflow.c themselves."""
    cc, flags, link, replay = ENGINES[engine]
    folder = os.path.join(OUT, engine)
    os.makedirs(folder, exist_ok=True)
    own = ["encflow.c", "encflow.h"] + glob.glob("fuzz/*.h")
    library = os.path.join(folder, "encflow.o")
    if not all(has_internals(t) for t in names):
        compile_([cc] + BASE + flags + ALLOC +
                 ["-DEF_NO_MAIN", "-c", "encflow.c"], library, own[:2])

    def one(target):
        # An object first: a profile names the source as it was given here.
        parts = [] if has_internals(target) else [library]
        parts += ["fuzz/replay.c"] if replay else []
        compile_([cc] + BASE + flags + link + [source(target)] + parts + LIBS,
                 os.path.join(folder, target), own + parts + [source(target)])

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, names))


def seeds(names):
    got = run([sys.executable, "fuzz/seeds.py", OUT + "/seeds"] + list(names))
    if got.returncode != 0:
        sys.exit(1)


def folders(target, *more):
    """Seeds, past crashes and whatever else exists, as paths."""
    return [p for p in [OUT + "/seeds/" + target, "fuzz/regress/" + target,
                        *more] if os.path.isdir(p)]


def dictionary(target):
    path = "fuzz/dict/%s.dict" % target
    return path if os.path.exists(path) else None


# --- the engines --------------------------------------------------------------


def crash_note(target, path):
    data = open(path, "rb").read()
    print("%s: FOUND %s (%d bytes: %s%s)\n  again: make replay T=%s F=%s"
          % (target, path, len(data), data[:64].hex(),
             "..." if len(data) > 64 else "", target, path))


def fuzz(target, seconds, show=True, extra=()):
    """libFuzzer for so long. (executions, edges, features, crashes)"""
    corpus, crash = OUT + "/corpus/" + target, OUT + "/crash"
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(crash, exist_ok=True)
    prefix = "%s/%s-" % (crash, target)
    begun = time.time()
    command = [OUT + "/libfuzzer/" + target, corpus,
               *folders(target), "-max_total_time=%d" % seconds,
               "-timeout=20", "-rss_limit_mb=2048",
               "-entropic_scale_per_exec_time=1",
               "-print_final_stats=1", "-artifact_prefix=" + prefix,
               *extra, *os.environ.get("FUZZ_FLAGS", "").split()]
    if dictionary(target):
        command.append("-dict=" + dictionary(target))
    text = []
    with subprocess.Popen(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace") as p:
        for line in p.stdout:
            text.append(line)
            if show:
                print(line, end="", flush=True)
    done = re.findall(r"^stat::number_of_executed_units: (\d+)", "".join(text),
                      re.M)
    edges = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", "".join(text))
    found = [f for f in glob.glob(prefix + "*")
             if os.path.getmtime(f) >= begun - 1]
    if p.returncode != 0 and not show:
        print("".join(text[-40:]), file=sys.stderr)
    if p.returncode != 0 and not found:
        found = [None]
    runs = int(done[-1]) if done else 0
    cov, features, units = map(int, edges[-1]) if edges else (0, 0, 0)
    print("%s: libFuzzer: %d executions in %d s, %d edges, %d features, "
          "%d inputs in the corpus" % (target, runs, time.time() - begun, cov,
                                       features, units), flush=True)
    for path in filter(None, found):
        crash_note(target, path)
    return runs, bool(found)


def keep(target, paths):
    """Copy inputs to the corpus, by the name libFuzzer would give them."""
    corpus = OUT + "/corpus/" + target
    os.makedirs(corpus, exist_ok=True)
    for path in paths:
        name = hashlib.sha1(open(path, "rb").read()).hexdigest()
        if not os.path.exists(corpus + "/" + name):
            shutil.copyfile(path, corpus + "/" + name)


def afl(target, seconds):
    """AFL++ for so long, from seeds, past crashes and the corpus."""
    start, out = OUT + "/afl-in/" + target, OUT + "/afl-out/" + target
    for path in (start, out):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    for folder in folders(target, OUT + "/corpus/" + target):
        for name in os.listdir(folder):
            shutil.copyfile(folder + "/" + name, start + "/" + name)
    command = ["afl-fuzz", "-i", start, "-o", out, "-V", str(seconds),
               "-t", "5000", "-m", "none"]
    if dictionary(target):
        command += ["-x", dictionary(target)]
    env = dict(os.environ, AFL_SKIP_CPUFREQ="1", AFL_NO_UI="1",
               AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1", AFL_NO_AFFINITY="1",
               AFL_IGNORE_SEED_PROBLEMS="1")
    with open(out + "/log", "w") as log:
        got = run(command + ["--", OUT + "/afl/" + target], env=env,
                  stdout=log, stderr=log)
    stats = out + "/default/fuzzer_stats"
    if got.returncode != 0 or not os.path.exists(stats):
        die("afl-fuzz failed; see %s/log" % out)
    stat = dict(re.findall(r"^(\w+) +: (.*)$", open(stats).read(), re.M))
    keep(target, glob.glob(out + "/default/queue/id*"))
    found = glob.glob(out + "/default/crashes/id*")
    found += glob.glob(out + "/default/hangs/id*")
    print("%s: AFL++: %s executions in %s s, %s edges (%s), %s inputs in the "
          "corpus, %d findings" % (
              target, stat["execs_done"], stat["run_time"],
              stat["edges_found"], stat["bitmap_cvg"], stat["corpus_count"],
              len(found)))
    for path in found:
        crash_note(target, path)
    return not found


def smoke(seconds, names):
    seeds(names)
    build("libfuzzer", names)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        # One seed: a gate that says the same of the same source, nearly.
        got = list(pool.map(lambda t: fuzz(t, seconds, show=False,
                                           extra=["-seed=1"]), names))
    bad = [t for t, (runs, found) in zip(names, got) if found or runs == 0]
    print("%d targets, %d executions, findings in: %s" % (
        len(names), sum(runs for runs, _ in got), " ".join(bad) or "none"))
    return not bad


def check(names):
    """Seeds and past crashes through every target. replay.c fails for a seed
    that tests nothing."""
    seeds(names)
    build("replay", names)
    bad = [t for t in names
           if run([OUT + "/replay/" + t] + folders(t)).returncode != 0]
    stray = set(os.listdir("fuzz/regress") if os.path.isdir("fuzz/regress")
                else []) - set(targets())
    for name in stray:
        print("fuzz/regress/%s: there is no such target" % name)
    print("%d targets replayed, failed: %s" % (len(names),
                                               " ".join(bad) or "none"))
    return not bad and not stray


def replay(target, paths):
    build("replay", [target])
    return run([OUT + "/replay/" + target] + paths).returncode == 0


# --- coverage -----------------------------------------------------------------

LINES = open("encflow.c", encoding="utf-8").read().split("\n")
WANTED = 0.95
# Sections that are parsers through and through. Of 8, 11 and 13 the part that
# the library has: the rest, and 16, talk to the kernel; their functions count
# where a target names them.
PARSERS = ["2", "3", "4", "5", "7", "8", "10", "11", "12", "13"]


def lcov(target):
    """Run everything there is through the target: the lines of encflow.c that
    can be counted and how often each ran, and where functions begin."""
    program, raw = OUT + "/cover/" + target, OUT + "/cover/%s.raw" % target
    # Idle inputs may be in the corpus; a crash may not.
    got = run([program] + folders(target, OUT + "/corpus/" + target),
              env=dict(os.environ, LLVM_PROFILE_FILE=raw),
              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if got.returncode not in (0, 1):
        print("%s: fails over its inputs: %s" % (target, got.stderr[-2000:]))
        return {}, {}
    merged = OUT + "/cover/%s.profdata" % target
    run(["llvm-profdata", "merge", "-o", merged, raw], check=True)
    text = run(["llvm-cov", "export", "-format=lcov", "-instr-profile",
                merged, program], check=True, stdout=subprocess.PIPE,
               text=True).stdout
    os.remove(raw)
    for part in text.split("end_of_record"):
        if re.search(r"^SF:.*\bencflow\.c$", part, re.M):
            counts = {int(a): int(b) for a, b in
                      re.findall(r"^DA:(\d+),(\d+)", part, re.M)}
            starts = {int(a): b.split(":")[-1] for a, b in
                      re.findall(r"^FN:(\d+),(.+)$", part, re.M)}
            return counts, starts
    die(target + " has no coverage of encflow.c")


def lines_of(starts, counts):
    """Function -> its lines that can be counted."""
    result, name = {}, None
    for line in sorted(counts):
        name = starts.get(line, name)
        if name is not None:  # a macro's own lines stand before all functions
            result.setdefault(name, []).append(line)
    return result


def share(lines, counts, title, wanted):
    """Print how many of these lines ran, and those that did not."""
    missed = [n for n in lines if counts.get(n, 0) == 0]
    reached = 1 - len(missed) / len(lines)
    good = reached >= wanted
    print("%-12s %6.2f %%  %4d of %4d lines%s" % (
        title, 100 * reached, len(lines) - len(missed), len(lines),
        "" if good else "  TOO FEW"))
    for n in missed:
        print("    encflow.c:%d: %s" % (n, LINES[n - 1].strip()))
    return good


def cover_target(target, named):
    """The functions on the card's Covers line. Fills named: function -> the
    targets that name it."""
    counts, starts = lcov(target)
    if not counts:
        return counts, starts, False
    functions, lines, good = lines_of(starts, counts), [], True
    for pattern in card(target).get("Covers", "").split():
        hits = fnmatch.filter(functions, pattern)
        if not hits:
            print("%s: Covers %s: there is no such function" % (
                target, pattern))
            good = False
        for name in hits:
            named.setdefault(name, set()).add(target)
            lines += functions[name]
    if not lines:
        print("%s: covers nothing" % target)
        return counts, starts, False
    return counts, starts, share(sorted(set(lines)), counts, target,
                                 WANTED) and good


def section_ranges():
    """Number -> (first line, last line)."""
    heads = [(m[1], n) for n, text in enumerate(LINES, 1)
             for m in [re.match(r" \* (\d+)\. [A-Z]", text)] if m]
    ends = [n - 2 for _, n in heads[1:]] + [len(LINES)]
    return {number: (first, last)
            for (number, first), last in zip(heads, ends)}


def library_lines():
    """The lines that -DEF_NO_MAIN leaves in."""
    depth, result = 0, set()
    for n, text in enumerate(LINES, 1):
        if text.startswith("#if" if depth else "#ifndef EF_NO_MAIN"):
            depth += 1
        elif depth and text.startswith("#endif"):
            depth -= 1
        elif not depth:
            result.add(n)
    return result


def cover_sections(counts):
    """The parsers in sum, over all targets."""
    ranges, library, good, total = section_ranges(), library_lines(), True, []
    for number in PARSERS:
        first, last = ranges[number]
        lines = [n for n in sorted(counts)
                 if first <= n <= last and n in library]
        share(lines, counts, "section " + number, 0)
        total += lines
    missed = [n for n in total if counts[n] == 0]
    good = len(missed) <= (1 - WANTED) * len(total)
    print("parsers      %6.2f %%  %4d of %4d lines%s" % (
        100 - 100 * len(missed) / len(total), len(total) - len(missed),
        len(total), "" if good else "  TOO FEW"))
    return good


def untrusted():
    """Names of the functions whose comment says UNTRUSTED: in encflow.c the
    one below it; in encflow.h those that it names with ' -- '."""
    names = set()
    text = "\n".join(LINES)
    for m in re.finditer(r"^/\*(?: |\n)(?:(?!\*/).)*?\*/\n"
                         r"(?:[\w ]+\n|\w[\w *]+ \*?)\*?(\w+)\(", text,
                         re.M | re.S):
        if "UNTRUSTED" in m[0].split("*/")[0]:
            names.add(m[1])
    header = open("encflow.h", encoding="utf-8").read()
    for comment in re.findall(r"^/\*.*?\*/", header, re.M | re.S):
        if re.search(r"^ \*   \w+ +(?:\w+ +)?UNTRUSTED", comment, re.M):
            for line in re.findall(r"^ \* (ef_.+?) +-- ", comment, re.M):
                names |= set(re.findall(r"ef_\w+", line))
    return names


def cover_untrusted(functions, counts, named):
    bad = 0
    for name in sorted(untrusted()):
        ran = any(counts.get(n, 0) for n in functions.get(name, []))
        if name not in named or not ran:
            bad += 1
            print("UNTRUSTED %s: %s" % (
                name, "no target names it on its Covers line"
                if name not in named else "never runs"))
    print("%d functions are marked UNTRUSTED, %d without a target" % (
        len(untrusted()), bad))
    return bad == 0


def cover(names):
    seeds(names)
    build("cover", names)
    counts, functions, named, good = {}, {}, {}, True
    for target in names:
        ran, starts, enough = cover_target(target, named)
        good &= enough
        for line, n in ran.items():
            counts[line] = counts.get(line, 0) + n
        functions.update(lines_of(starts, ran))
    if names == targets():
        good &= cover_sections(counts)
        good &= cover_untrusted(functions, counts, named)
    return good


# --- OSS-Fuzz -----------------------------------------------------------------


def oss_build(title, env):
    """build.sh as an image of OSS-Fuzz would run it. The folder."""
    folder = os.path.abspath(OUT + "/oss/" + title)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    got = run(["bash", ".clusterfuzzlite/build.sh"],
              env=dict(os.environ, AFL_QUIET="1", OUT=folder, **env),
              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if got.returncode != 0:
        die("build.sh, %s:\n%s" % (title, got.stdout[-4000:]))
    return folder


def oss_complete(folder):
    """Is there all that the images look for, and nothing that they lack? It
    is moved first: a library must be found beside its program."""
    good, moved = True, folder + ".moved"
    shutil.rmtree(moved, ignore_errors=True)
    os.rename(folder, moved)
    for target in targets():
        path = "%s/fuzz_%s" % (moved, target)
        libs = run(["ldd", path], check=True, stdout=subprocess.PIPE,
                   text=True).stdout
        strange = [line.split()[0] for line in libs.splitlines()
                   if moved not in line and not re.search(
                       r"(linux-vdso|ld-linux[\w-]*|lib(c|m|dl|rt|pthread|"
                       r"gcc_s|stdc\+\+))\.so", line)]
        n = 0
        if os.path.exists(path + "_seed_corpus.zip"):
            with zipfile.ZipFile(path + "_seed_corpus.zip") as z:
                n = len(z.namelist())
        if strange or n == 0 or bool(dictionary(target)) != os.path.exists(
                path + ".dict"):
            print("%s: %d seeds, not in the images: %s" % (path, n, strange))
            good = False
    return good, moved


def oss():
    """libFuzzer and AFL++ run each target once over its seeds; so does
    replay.c, the engine of a machine that has none."""
    checked = " ".join(CHECKED)
    main = os.path.abspath(OUT + "/oss-replay.o")
    os.makedirs(OUT, exist_ok=True)
    run(["clang", "-I.", "-c", "fuzz/replay.c", "-o", main], check=True)
    ways = {
        "libfuzzer": ("clang", checked + " -fsanitize=fuzzer-no-link",
                      "-fsanitize=fuzzer"),
        "afl": ("afl-clang-fast", checked, "-fsanitize=fuzzer"),
        "replay": ("clang", checked, main)}
    good = True
    for title, (cc, flags, engine) in ways.items():
        complete, folder = oss_complete(oss_build(title, {
            "CC": cc, "CXX": cc + "++", "CFLAGS": flags, "CXXFLAGS": flags,
            "LIB_FUZZING_ENGINE": engine}))
        if not complete:
            return False
        for target in targets():
            seeds_of = folder + "/seeds-" + target
            with zipfile.ZipFile("%s/fuzz_%s_seed_corpus.zip" % (
                    folder, target)) as z:
                z.extractall(seeds_of)
            files = [os.path.join(seeds_of, f) for f in os.listdir(seeds_of)]
            got = run(["%s/fuzz_%s" % (folder, target)] + files,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                      text=True, errors="replace")
            if got.returncode != 0:
                good = False
                print("%s: %s fails over its seeds:\n%s" % (
                    title, target, got.stdout[-2000:]))
        print("%s: %d targets built and run" % (title, len(targets())))
    return good


def main():
    args = sys.argv[1:]
    if args[:1] == ["fuzz"] and len(args) == 3:
        seeds([known(args[1])])
        build("libfuzzer", [args[1]])
        good = not fuzz(args[1], int(args[2]),
                        extra=["-use_value_profile=1"])[1]
    elif args[:1] == ["afl"] and len(args) == 3:
        seeds([known(args[1])])
        build("afl", [args[1]])
        good = afl(args[1], int(args[2]))
    elif args[:1] == ["smoke"] and len(args) > 1:
        good = smoke(int(args[1]), chosen(args[2:]))
    elif args[:1] == ["check"]:
        good = check(chosen(args[1:]))
    elif args[:1] == ["replay"] and len(args) > 2:
        good = replay(known(args[1]), args[2:])
    elif args[:1] == ["cover"]:
        good = cover(chosen(args[1:]))
    elif args == ["oss"]:
        good = oss()
    else:
        die(__doc__)
    sys.exit(0 if good else 1)


main()
