#!/usr/bin/python3
"""Seeded random text columns and what pandas 1.5.3 says of them.

    columns.py FOLDER SEED COUNT

Writes COUNT cases N.csv, N.col and N.expected (the table as print() shows
it). Kept are columns that pandas reads as text or as truth values, and whose
most frequent value is either the only one or, among no more than 16 distinct
values, the first of its kind: beyond that pandas' own choice is an accident.
"""
import collections
import io
import os
import random
import sys
import warnings

import pandas

warnings.simplefilter("error")

MISSING = ["", "NA", "NaN", "nan", "null", "NULL", "n/a", "N/A", "#N/A",
           "<NA>", "-nan", "-NaN", "1.#IND", "-1.#QNAN", "#N/A N/A"]
NEARLY = ["na", "None", "none", "Nan", " NA", "NA ", "-", "#NA#", "Null",
          "TRUE", "False", "true", "0", "1", "-5", "1e3", "0x10", "inf",
          "1_000", "12.50", "+", ".", "1e", "T", "yes", "18446744073709551616"]
PIECES = ["Viral sinusitis (disorder)", "a", "b", "A", " ", "x,y", 'say "hi"',
          "line\nbreak", "cr\rhere", "crlf\r\nhere", "tab\there", "\u00e9",
          "e\u0301", "\u65e5\u672c\u8a9e", "\U0001f602", "'", ";", "#", "\\",
          "\u00a0", "\u2028", "\x7f", "%s", "\\n", "0", "00", "z" * 45]


def word(rng):
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(MISSING)
    if kind == 1:
        return rng.choice(NEARLY)
    if kind == 2:                        # about the width where text is cut
        return rng.choice("xyé") * rng.randrange(44, 56)
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 4)))


def field(rng, text, must=False):
    if must or any(c in text for c in ',"\r\n') or rng.random() < .15:
        return '"' + text.replace('"', '""') + '"'
    return text


def one(rng):
    width = rng.randrange(1, 6)
    column = rng.randrange(width)
    names = ["c%d" % i for i in range(width)]
    names[column] = rng.choice(["DESCRIPTION", "A", "B b", "\u00e9t\u00e9",
                                "x,y", 'q"q', "line\nend", "", "c"])
    if rng.random() < .1:                # names used twice get numbers
        names = [rng.choice("AB") for _ in names]
    end = rng.choice(["\n", "\n", "\n", "\r\n", "\r"])
    if end == "\r":                      # a known fault of pandas: see
        lead = ""                        # reference on CR-only files
    else:
        lead = rng.choice(["", "", "\n", "  \n\n"])
    pool = [word(rng) for _ in range(rng.choice((1, 2, 5, 16, 40, 300)))]
    if rng.random() < .1:
        pool = ["True", "False", "TRUE", "true", "FALSE"]
    rows = [",".join(field(rng, n) for n in names)]
    for _ in range(rng.choice((0, 1, 3, 10, 50, 50, 400, 400))):
        # skewed, so that mostly one value leads
        cells = [pool[int(len(pool) * rng.random() ** 2)] for _ in names]
        if end == "\r":
            cells = [c.lstrip(" \t") for c in cells]
        keep = rng.randrange(1, width + 1) if rng.random() < .05 else width
        rows.append(",".join(field(rng, c, must=i == 0 and (
            not c.strip() or c.startswith("\ufeff")))
            for i, c in enumerate(cells[:keep])))
        if rng.random() < .05 and end != "\r":
            rows.append(rng.choice(["", " ", "\t "]))
    text = lead + end.join(rows) + rng.choice([end, ""])
    data = (b"\xef\xbb\xbf" if rng.random() < .1 else b"") + text.encode()
    return data, column


def table(data, column):
    frame = pandas.read_csv(io.BytesIO(data), low_memory=False)
    name = frame.columns[column]
    series = frame[name]
    if isinstance(frame.index, pandas.MultiIndex) or series.dtype.kind \
            not in "Ob":
        return None
    counts = collections.Counter(series.dropna())
    best = counts.most_common(2)
    if len(best) == 2 and best[0][1] == best[1][1] and len(counts) > 16:
        return None
    return name, str(series.describe()) + "\n"


def main(folder, seed, count):
    rng = random.Random(int(seed))
    made = 0
    while made < int(count):
        data, column = one(rng)
        try:
            found = table(data, column)
        except (pandas.errors.ParserError, pandas.errors.EmptyDataError):
            continue
        if found is None:
            continue
        for end, what in (("csv", data), ("col", found[0].encode()),
                          ("expected", found[1].encode())):
            with open(os.path.join(folder, "%03d.%s" % (made, end)), "wb") as f:
                f.write(what)
        made += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
