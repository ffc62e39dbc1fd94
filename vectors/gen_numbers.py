"""times.txt, numbers.txt, statuses.txt: against Python's datetime and repr,
and the manual."""
import datetime
import os
import random
import re
import struct

from gen_common import HERE, need, refresh
from gen_json import canonical

UTC = datetime.timezone.utc
FORMS = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ")
SHAPES = (r"\d{8}T\d{6}Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def written(t, form):
    """strftime may leave the zeros of a year out."""
    return datetime.datetime.fromtimestamp(t, UTC).strftime(form).encode()


def read(text):
    """Seconds since 1970, or None."""
    text = text.decode("latin-1")
    if re.fullmatch(r"[0-9]{1,12}", text):
        return int(text) if int(text) <= 253402300799 else None
    for form, shape in zip(FORMS, SHAPES):
        if re.fullmatch(shape, text):
            try:
                t = datetime.datetime.strptime(text, form)
            except ValueError:  # and second 60, which strptime takes as 59
                return None
            t = int(t.replace(tzinfo=UTC).timestamp())
            return t if t >= 0 and written(t, form).decode() == text else None
    return None


def check_time(r):
    t = read(r["text"])
    if r["expect"] == "ok":
        need(t == r["time"], t)
        need((r["basic"], r["extended"]) ==
             tuple(written(t, form) for form in FORMS), "written forms")
    else:
        need(r["expect"] == "EF_E_FORMAT" and t is None and r["at"] == 0, t)


def make_time():
    rnd = random.Random("times")
    for i in range(60):
        t = rnd.randrange((253402300800, 5000000000)[i % 2])
        basic, extended = (written(t, form) for form in FORMS)
        yield dict(source="Python datetime", expect="ok", time=t,
                   text=(b"%d" % t, basic, extended)[i % 3], basic=basic,
                   extended=extended)


def check_number(r):
    need(len(r["bits"]) == 8, "bits")
    x = struct.unpack(">d", r["bits"])[0]
    need(canonical(x).encode() == r["out"], canonical(x))


def make_number():
    rnd = random.Random("numbers")
    for i in range(80):
        x = float("inf")
        while x - x != 0:
            x = struct.unpack(">d", rnd.randbytes(8))[0] if i % 2 else \
                rnd.choice((1, -1)) * rnd.random() * 10.0 ** \
                rnd.randrange(-9, 24)
        yield dict(source="Python repr", bits=struct.pack(">d", x),
                   out=canonical(x).encode())


def check_status(r):
    need(r["name"].decode() == r["status"].replace("ok", "EF_OK"), "name")
    with open(os.path.join(HERE, "../man/encflow.1")) as f:
        manual = f.read().split(".Sh EXIT STATUS\n")[1].split("\n.Sh ")[0]
    need(re.search(r"^\.It %d$" % r["exit"], manual, re.M), "not in the man")


def make_status():
    """All of them are written by hand."""
    return ()


if __name__ == "__main__":
    refresh("times.txt", check_time, make_time)
    refresh("numbers.txt", check_number, make_number)
    refresh("statuses.txt", check_status, make_status)
