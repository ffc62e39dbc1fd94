"""limits.txt: what each record has is counted here once more, and compared
with the number that the message quotes."""
import csv
import io
import json
import re
import struct

from gen_common import need, refresh

csv.field_size_limit(1 << 30)
PLAINTEXT = (1 << 36) - 32  # SP 800-38D 5.2.1.1: 2^39 - 256 bits


def whole(r):
    parts = b"".join(r["part"].replace(b"%u", b"%d" % i)
                     for i in range(r["times"])) \
        if b"%u" in r["part"] else r["part"] * r["times"]
    return r["front"] + parts + r["back"]


def depth(text):
    """The deepest nesting, and the offset of the bracket past 64."""
    deep = most = 0
    past = None
    for m in re.finditer(rb'"[^"]*"|[\[{]|[\]}]', text):
        if m[0][:1] in b"[{":
            deep += 1
            if deep == 65 and past is None:
                past = m.start()
        elif m[0] in b"]}":
            deep -= 1
        most = max(most, deep)
    return most, past


def json_excess(text):
    """(status, at) of the limit that the text passes first, or None."""
    if len(text) > 17825792:
        return "EF_E_LIMIT", 17825792
    most, past = depth(text)
    if most > 64:
        return "EF_E_LIMIT", past
    values = [m.start() for m in re.finditer(rb'[^\s\[\]{},:"]+', text)]
    if len(values) + 1 > 131072:  # and the array itself
        return "EF_E_LIMIT", values[131071]
    for m in re.finditer(rb"[-+.0-9eE]+", text):
        if len(m[0]) > 1024:
            return "EF_E_LIMIT", m.start()
        try:
            struct.pack("<d", float(m[0]))
        except OverflowError:
            return "EF_E_FORMAT", m.start()
        if float(m[0]) in (float("inf"), float("-inf")):
            return "EF_E_FORMAT", m.start()
    json.loads(text)
    return None


def csv_excess(text):
    rows = list(csv.reader(io.StringIO(text.decode())))
    for number, fields in enumerate(rows, 1):
        if len(fields) > 16384 or sum(map(len, fields)) > 4194304 or \
                any(len(x) > 1048576 for x in fields):
            return "EF_E_LIMIT", number
    return None


def sizes(limit):
    def excess(text):
        return ("EF_E_LIMIT", limit) if len(text) > limit else None
    return excess


def object_excess(text):
    if not text:
        return "EF_E_FORMAT", 0
    return ("EF_E_LIMIT", len(text)) if len(text) > 1024 else None


def query_excess(text):
    return ("EF_E_LIMIT", None) if len(text.split()) > 64 else None


def distinct_excess(text):
    """Each value takes 32 bytes and its own, rounded up to 8, and between 16
    and 32 bytes of the table of hashes."""
    values = set(text.split(b"\n")[1:])
    least = sum(32 + (len(v) + 7) // 8 * 8 for v in values)
    if least + 32 * len(values) <= 16 << 20:
        return None
    need(least > 16 << 20, "too near to the limit")
    return "EF_E_LIMIT", None


EXCESS = {
    "json": json_excess, "csv": csv_excess, "ini": sizes(1048576),
    "credentials": sizes(65536), "location": sizes(8192), "name": sizes(255),
    "object": object_excess, "query": query_excess,
    "distinct": distinct_excess,
    "json-comma": lambda text: ("EF_E_INTERNAL", None),
}


def check_limits(r):
    if r["what"] == "plaintext":
        need(r["times"] > PLAINTEXT and r["expect"] == "EF_E_LIMIT", "size")
        return
    found = EXCESS[r["what"]](whole(r))
    if found is None:
        need(r["expect"] == "ok", "within all limits")
        return
    need((r["expect"], r.get("line" if r["what"] == "csv" else "at")) ==
         found, "it is %s, %s" % found)


def make_limits():
    """One past each limit is written by hand, with its message."""
    return ()


if __name__ == "__main__":
    refresh("limits.txt", check_limits, make_limits)
