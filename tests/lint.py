#!/usr/bin/python3
"""The shape of encflow.c, measured: `make lint` fails where it is lost.

Cards name files that exist; functions stay short and are commented; what
takes hostile bytes has a fuzz target; only the command line prints, exits or
reads the environment; the numbers that messages quote for a limit are the
limit's. Run from the repository's root.
"""
import fnmatch
import glob
import os
import re
import statistics
import subprocess
import sys

SOURCE = open("encflow.c", encoding="utf-8").read()
HEADER = open("encflow.h", encoding="utf-8").read()
problems = []


def problem(line, text):
    problems.append(f"encflow.c:{line}: {text}")


def line_of(offset):
    return SOURCE.count("\n", 0, offset) + 1


def sections():
    """(number, first offset, last offset, card) of every section."""
    cards = list(re.finditer(
        r"/\* =+ \*\n \* (\d+)\. [A-Z].*?\* =+ \*/\n", SOURCE, re.S))
    ends = [c.start() for c in cards[1:]] + [len(SOURCE)]
    return [(int(c.group(1)), c.end(), end, c.group(0))
            for c, end in zip(cards, ends)]


def check_cards():
    for number, start, _, card in sections():
        for path in re.findall(r"\b(?:tests|vectors|fuzz|man)/[\w.]+", card):
            if not os.path.exists(path):
                problem(line_of(start), f"card {number} names {path}, "
                        "which does not exist")
        wanted = ["In", "Needs", "Tests"]
        if "UNTRUSTED" in card:
            wanted.append("Fuzz")
        for field in wanted:
            if not re.search(rf"^ \*   {field} ", card, re.M):
                problem(line_of(start), f"card {number} has no {field}")
    numbers = [s[0] for s in sections()]
    if numbers != sorted(set(numbers)) or not numbers:
        problem(1, f"sections are out of order: {numbers}")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(text):
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_layers():
    """Who may print, and who may know of the world outside."""
    rules = [({16}, r"\b(?:printf|fprintf|vfprintf|puts|fputs|fputc|putchar|"
              r"perror|exit)\s*\(", "prints or exits"),
             ({11, 13, 16}, r"\b(?:getenv|socket|fork|execvp|kill|waitpid|"
              r"environ)\b\s*\(", "knows of processes, sockets or the "
              "environment")]
    for number, start, end, _ in sections():
        body = without_comments(SOURCE[start:end])
        # the one child of section 8, which its comment explains
        body = re.sub(r"\nfile_replace\(.*?\n}\n", blank, body, flags=re.S)
        for allowed, pattern, what in rules:
            if number in allowed:
                continue
            for hit in re.finditer(pattern, body):
                problem(line_of(start + hit.start()),
                        f"section {number} {what}: {hit.group(0)}")


def functions():
    out = subprocess.run(
        ["ctags", "--fields=+ne", "--kinds-C=f", "-o", "-", "encflow.c"],
        check=True, capture_output=True, text=True).stdout
    for row in out.splitlines():
        line, end = (re.search(rf"\b{k}:(\d+)", row) for k in ("line", "end"))
        if line and end:
            yield (row.split("\t")[0], int(line.group(1)),
                   int(end.group(1)) - int(line.group(1)) + 1)


def check_functions():
    found = list(functions())
    sizes = sorted(n for _, _, n in found)
    for name, line, n in found:
        if n > 80:
            problem(line, f"{name} has {n} lines, more than 80")
    median, p90 = statistics.median(sizes), sizes[int(len(sizes) * 0.9)]
    long_share = sum(n for n in sizes if n > 60) / sum(sizes)
    print(f"encflow.c: {SOURCE.count(chr(10))} lines, {len(sizes)} functions, "
          f"median {median:g}, p90 {p90}, longest {sizes[-1]}")
    if median > 15 or p90 > 45 or long_share > 0.1:
        problem(1, f"functions grew: median {median}, p90 {p90}, "
                f"{long_share:.0%} of the code in functions over 60 lines")


def covered_names():
    """Patterns on the Covers lines of the fuzz targets' cards."""
    names = []
    for path in sorted(glob.glob("fuzz/fuzz_*.c")):
        text = open(path, encoding="utf-8").read()
        covers = re.search(r"^ \* Covers +(.*(?:\n \*  +.*)*)", text, re.M)
        if not covers:
            problems.append(f"{path}: its card has no Covers line")
            continue
        names += re.sub(r"\n \* +", " ", covers.group(1)).split()
    return names


def untrusted_functions():
    """Names of functions whose comment says UNTRUSTED, in .c and .h."""
    comment = r"/\*((?:(?!\*/).)*UNTRUSTED(?:(?!\*/).)*)\*/\n"
    # in the .c the name begins a line; in the .h it follows the type
    for m in re.finditer(comment + r"[^\n;/]+\n(\w+)\(", SOURCE, re.S):
        yield m.group(2)
    for m in re.finditer(comment + r"((?:[^\n/][^\n]*\n)+)", HEADER, re.S):
        yield from re.findall(r"\b(ef_\w+)\(", m.group(2))


def check_untrusted():
    covers, found = covered_names(), sorted(set(untrusted_functions()))
    for name in found:
        if not any(fnmatch.fnmatchcase(name, c) for c in covers):
            problem(1, f"{name} is marked UNTRUSTED; no fuzz target covers it")
    print(f"fuzz: {len(found)} functions are marked UNTRUSTED")
    if len(found) < 40:
        problem(1, "the marks UNTRUSTED were not found")


def check_comments():
    """STYLE: lines that carry a comment, of those that are not blank."""
    with_comment, filled, inside = 0, 0, False
    for line in re.sub(r'"(?:\\.|[^"\\\n])*"', "", SOURCE).splitlines():
        if not line.strip():
            continue
        filled += 1
        with_comment += inside or "/*" in line
        if "/*" in line or "*/" in line:
            inside = line.rfind("/*") > line.rfind("*/")
    print(f"comments: {with_comment / filled:.1%} of {filled} lines")
    if with_comment < 0.3 * filled:
        problem(1, "fewer than 30 % of the lines carry a comment")


def check_width():
    for path, text in (("encflow.c", SOURCE), ("encflow.h", HEADER)):
        for i, line in enumerate(text.splitlines(), 1):
            if len(line) > 80 or "\t" in line or line != line.rstrip():
                problems.append(f"{path}:{i}: over 80 columns, a tab, or a "
                                "blank at the end")


def check_limits():
    limits = {}
    for name, value in re.findall(r"^#define (EF_MAX_\w+) (.+)$", HEADER,
                                  re.M):
        value = re.sub(r"UINT(?:32|64)_C\((\d+)\)", r"\1", value)
        limits[name] = eval(value.split("/*")[0])  # our own header's numbers
    text = re.sub(r'"\s*\n\s*"', "", SOURCE)
    for name, number in re.findall(r"(EF_MAX_\w+) \((\d+)", text):
        if limits.get(name) != int(number):
            problem(1, f"a message says {name} is {number}; it is "
                    f"{limits.get(name)}")
    for name in limits:
        if name not in SOURCE:
            problem(1, f"{name} is not enforced anywhere")


def main():
    for check in (check_cards, check_layers, check_functions, check_untrusted,
                  check_comments, check_width, check_limits):
        check()
    for text in problems:
        print(text, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
