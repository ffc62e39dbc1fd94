"""csv.txt: against Python's csv and, where it can say, pandas.read_csv.

The splitter below states the rules once more, in plain Python; Python's csv
gives the fields of each record, pandas which records there are, what is
refused, and how short records are filled up.
"""
import csv
import io
import random
import warnings

import pandas

from gen_common import need, refresh


def split(text):
    """[(line, fields)], None or None, (line, at, count): line is the physical
    line that a record ends on, at the offset of a byte that is not UTF-8,
    count how many fields a record has that has too many."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as e:
        return None, (lines_before(text, e.start) + 1, e.start, None)
    i = 3 if text.startswith(b"\xef\xbb\xbf") else 0
    n, line, width, out = len(text), 1, 0, []
    while i < n:
        end = i  # a line of blanks and tabs, or of nothing, is no record
        while end < n and text[end] in b" \t":
            end += 1
        if end == n or text[end] in b"\r\n":
            i, line = line_end(text, end), line + 1
            continue
        fields, field, opened = [], bytearray(), 0
        quoted = False
        start = True  # of a field: only here a quote opens one
        while i < n:
            c = text[i]
            if quoted:
                if c == 0x22 and text[i + 1:i + 2] == b'"':
                    field.append(c)
                    i += 2
                elif c == 0x22:
                    quoted = False
                    i += 1
                else:
                    field.append(c)
                    i += 1
                    if c == 0x0A or c == 0x0D and text[i:i + 1] != b"\n":
                        line += 1
                continue
            if c == 0x22 and start:
                quoted, opened, start = True, line, False
                i += 1
            elif c == 0x2C:
                fields.append(bytes(field))
                field, start = bytearray(), True
                i += 1
            elif c in b"\r\n":
                break
            else:
                field.append(c)
                start = False
                i += 1
        if quoted:
            return None, (opened, None, None)
        fields.append(bytes(field))
        fields = [f.split(b"\0")[0] for f in fields]  # a NUL cuts a field
        if len(out) >= 2 and len(fields) > width:
            return None, (line, None, len(fields))
        if out:
            fields += [b""] * (width - len(fields))
        width = len(fields)
        out.append((line, fields))
        i, line = line_end(text, i), line + 1
    return (out, None) if out else (None, (None, None, None))


def line_end(text, i):
    """Just past the line end at i."""
    return i + (2 if text[i:i + 2] == b"\r\n" else 1)


def lines_before(text, at):
    """Line ends before the byte at."""
    return text[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")


def dump(rows):
    """The form of rows in csv.txt."""
    def one(field):
        for c in (b"\\", b"<", b">"):
            field = field.replace(c, b"\\" + c)
        return b" <" + field + b">"
    return b"".join(b"%d%s\n" % (line, b"".join(map(one, fields)))
                    for line, fields in rows)


def check_with_csv(text, rows):
    text = text[3:] if text.startswith(b"\xef\xbb\xbf") else text
    got = [r for r in csv.reader(io.StringIO(text.decode(), newline=""))]
    got = [r for r in got if r and not (len(r) == 1 and r[0].strip(" \t") ==
                                        "" and r[0])]
    want = [[f.decode() for f in fields] for _, fields in rows]
    need(len(got) == len(want) or b'""' in text, "csv: number of records")
    if len(got) == len(want):
        for a, b in zip(got, want):
            a = [x.split("\0")[0] for x in a]
            need(a == b[:len(a)] and not any(b[len(a):]), "csv: %s" % a)


def check_with_pandas(text, rows, wrong):
    if b"\r" in text.replace(b"\r\n", b"") and (b"\r " in text or
                                                b"\r\t" in text):
        return  # a known defect of pandas 1.5
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = pandas.read_csv(io.BytesIO(text), dtype=str,
                                    keep_default_na=False)
    except (ValueError, pandas.errors.ParserError) as e:
        need(wrong is not None, "pandas: %s" % e)
        return
    need(wrong is None, "pandas takes it")
    need(len(table) == len(rows) - 1, "pandas: number of records")
    if isinstance(table.index, pandas.RangeIndex):
        for (_, fields), got in zip(rows[1:], table.values.tolist()):
            need([f.decode() for f in fields] == got, "pandas: %s" % got)


def check_csv(r):
    rows, wrong = split(r["text"])
    check_with_pandas(r["text"], rows, wrong)
    if r["expect"] == "ok":
        need(wrong is None and dump(rows) == r["rows"], dump(rows or []))
        check_with_csv(r["text"], rows)
        return
    need(r["expect"] == "EF_E_FORMAT" and wrong is not None, "taken")
    need(wrong[0] is None or r.get("line") == wrong[0], "line %s" % wrong[0])
    need(wrong[1] is None or r.get("at") == wrong[1], "at %s" % wrong[1])
    need(r.get("detail") == wrong[2], "detail %s" % wrong[2])


PIECES = (b"a", b"b", b" ", b"\t", b"1", b"-2.5", b"x y", b"''", b";",
          "\u00e9".encode(), "\u20ac".encode(), "\U0001f602".encode(), b"<>")


def some_csv(rnd):
    width, end = rnd.randrange(1, 5), rnd.choice((b"\n", b"\r\n", b"\r"))
    out = []
    for i in range(rnd.randrange(1, 7)):
        fields = []
        count = width if i < 2 else rnd.randrange(1, width + 1)
        for _ in range(count):
            f = b"".join(rnd.choice(PIECES)
                         for _ in range(rnd.randrange(4)))
            if rnd.randrange(3) == 0:
                inner = f + rnd.choice((b"", b",", b'""', b"\n", b"\r\n",
                                        b'""""', b","))
                f = b'"' + inner + b'"' + rnd.choice((b"", b"", b"", b"z"))
            elif rnd.randrange(6) == 0 and f:
                f += b'"q"'
            fields.append(f)
        line = b",".join(fields)
        if not line.strip(b" \t"):
            line = b"x" + line
        out.append(line)
        if rnd.randrange(5) == 0:
            out.append(rnd.choice((b"", b" ", b"\t \t")))
    text = end.join(out) + rnd.choice((b"", end))
    if rnd.randrange(8) == 0:
        text = b"\xef\xbb\xbf" + text
    return text


def make_csv():
    rnd, seen = random.Random("csv"), 0
    while seen < 40:
        text = some_csv(rnd)
        rows, wrong = split(text)
        if wrong is None and b'""' not in text.split(b",")[0]:
            seen += 1
            yield dict(source="Python csv, seeded", expect="ok", text=text,
                       rows=dump(rows))
    for _ in range(10):
        text = bytearray(some_csv(rnd))
        at = rnd.randrange(3 if text.startswith(b"\xef\xbb\xbf") else 0,
                           len(text))
        text[at:at] = b"\xff"
        _, (line, at, _) = split(bytes(text))
        yield dict(source="Python, one byte put in", expect="EF_E_FORMAT",
                   line=line, at=at, text=bytes(text))


if __name__ == "__main__":
    refresh("csv.txt", check_csv, make_csv)
