"""describe.txt: against pandas 1.5's read_csv, describe() and print."""
import io
import random
import warnings

import pandas

from gen_common import need, refresh

warnings.simplefilter("ignore")


def tables(r):
    """What pandas prints for the columns of text; None where it refuses, or
    where a column that is named holds numbers."""
    try:
        frame = pandas.read_csv(io.BytesIO(r["text"]))
        names = r["columns"].decode().splitlines()
        chosen = [frame[name] for name in names or frame.columns]
    except (KeyError, ValueError, UnicodeDecodeError):
        return None
    out = ""
    for column in chosen:
        numeric = column.dtype.kind in "iuf"
        if numeric and names:
            return None
        if not numeric:
            need(steady(column), "pandas' own choice would be an accident")
            out += "%s\n" % column.describe()
    return out.encode()


def steady(column):
    """The most frequent value does not depend on how numpy sorts."""
    counts = column.value_counts()
    return len(counts) <= 16 or counts.iloc[0] > counts.iloc[1]


def check_describe(r):
    want = tables(r)
    if r["expect"] == "ok":
        need(want is not None and want == r["tables"], want)
    else:
        need(r["expect"] == "EF_E_FORMAT" and want is None, "taken")


WORDS = ("a", "b", "A", " a", "x y", "\u00e9", "e\u0301", "\U0001f602", "NA",
         "nan", "", "None", "True", "False", "0", "12", "1e3", "-", "x,y",
         'say "hi"', "line\nbreak", "tab\there", "z" * 49, "z" * 50,
         "\u20ac" * 60)


def field(text):
    if any(c in text for c in ',"\r\n'):
        return '"%s"' % text.replace('"', '""')
    return text


def make_describe():
    rnd, made = random.Random("describe"), 0
    while made < 60:
        width = rnd.randrange(1, 4)
        names = rnd.sample(("DESCRIPTION", "A", "b c", "\u00e9", "x,y"),
                           width)
        pool = rnd.sample(WORDS, rnd.randrange(1, 12))
        rows = [names] + [
            [pool[int(len(pool) * rnd.random() ** 2)] for _ in names]
            for _ in range(rnd.choice((0, 1, 2, 5, 20, 60)))]
        rows = [[field(x) for x in row] for row in rows]
        if width == 1:  # a blank line is no record
            rows = [row for row in rows if row[0].strip(" ")]
        text = rnd.choice(("\n", "\r\n")).join(",".join(r) for r in rows)
        r = dict(source="pandas %s" % pandas.__version__, text=text.encode(),
                 columns=rnd.choice(("", rnd.choice(names))).encode())
        r["tables"] = tables(r)
        if r["tables"] is not None:
            made += 1
            yield dict(r, expect="ok")


if __name__ == "__main__":
    refresh("describe.txt", check_describe, make_describe)
