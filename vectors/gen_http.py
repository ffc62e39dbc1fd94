"""http_dates.txt, content_ranges.txt, etags.txt, xml.txt, shards.txt: against
Python's datetime, re and expat."""
import datetime
import random
import re
import xml.parsers.expat

from gen_common import need, refresh

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
        "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
          "Oct", "Nov", "Dec")
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SECOND = datetime.timedelta(seconds=1)

# --- dates (RFC 9110 5.6.7) -------------------------------------------------

SHORT, LONG = ("|".join(d[:n] for d in DAYS) for n in (3, None))
CLOCK = r"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
MONTH = r"(?P<m>%s)" % "|".join(MONTHS)
FORMS = {
    "imf": r"(?P<a>%s), (?P<d>\d\d) %s (?P<Y>\d{4}) %s GMT" % (
        SHORT, MONTH, CLOCK),
    "rfc850": r"(?P<a>%s), (?P<d>\d\d)-%s-(?P<y>\d\d) %s GMT" % (
        LONG, MONTH, CLOCK),
    "asctime": r"(?P<a>%s) %s (?P<d>[ \d]\d) %s (?P<Y>\d{4})" % (
        SHORT, MONTH, CLOCK),
}


def time_of(t):
    return EPOCH + datetime.timedelta(seconds=t)


def seconds(*parts):
    return (datetime.datetime(*parts, tzinfo=UTC) - EPOCH) // SECOND


def full_year(year, now):
    """Two digits, in the century of now, whose years are 1970 to 9999; more
    than 50 years ahead is in the past."""
    this = time_of(min(max(now, 0), seconds(9999, 1, 1))).year
    year += this - this % 100
    return year - 100 if year > this + 50 else year


def http_date(text, now):
    """(form, seconds since 1970), or None."""
    for form, pattern in FORMS.items():
        m = re.fullmatch(pattern, text.decode("latin-1"), re.A)
        if m is None:
            continue
        year = int(m["Y"]) if "Y" in m.groupdict() else \
            full_year(int(m["y"]), now)
        leap = m["S"] == "60"  # the second after 59, of that day
        try:
            t = datetime.datetime(
                year, MONTHS.index(m["m"]) + 1, int(m["d"]), int(m["H"]),
                int(m["M"]), 59 if leap else int(m["S"]), tzinfo=UTC)
        except ValueError:
            return None
        if not DAYS[t.weekday()].startswith(m["a"]):
            return None
        return form, (t - EPOCH) // SECOND + leap
    return None


def date_written(t, form):
    d = time_of(t)
    day, month, year = DAYS[d.weekday()], MONTHS[d.month - 1], d.year
    clock = d.strftime("%H:%M:%S")
    if form == "imf":
        return "%s, %02d %s %04d %s GMT" % (day[:3], d.day, month, year, clock)
    if form == "rfc850":
        return "%s, %02d-%s-%02d %s GMT" % (day, d.day, month, year % 100,
                                            clock)
    return "%s %s %2d %s %04d" % (day[:3], month, d.day, clock, year)


def check_date(r):
    got = http_date(r["text"], r["now"])
    if r["expect"] == "ok":
        need(got is not None and got[1] == r["time"], got)
    else:
        need(r["expect"] == "EF_E_FORMAT" and got is None, got)


def make_date():
    rnd = random.Random("http dates")
    for i in range(72):
        form = tuple(FORMS)[i % 3]
        now = rnd.randrange(seconds(1990, 1, 1), seconds(2150, 1, 1))
        t = rnd.randrange(seconds(1, 1, 1), seconds(9999, 12, 31)) \
            if i % 2 else now + rnd.randrange(-1500000000, 1500000000)
        text = date_written(t, form)
        if i % 4 == 3:  # one character replaced
            k = rnd.randrange(len(text))
            text = text[:k] + rnd.choice("0123456789 ,:-GMTadnuS") + \
                text[k + 1:]
        got = http_date(text.encode(), now)
        yield dict(source="Python datetime", now=now, text=text.encode(),
                   expect="ok" if got else "EF_E_FORMAT",
                   time=got[1] if got else None)


# --- Content-Range (RFC 9110 14.4) ------------------------------------------


def viable(pieces, text):
    """How much of text a text can begin with that is the pieces, which are
    patterns, one after the other."""
    pattern = ""
    for piece in reversed(pieces):
        pattern = "(?:%s%s)?" % (piece, pattern)
    return re.match(pattern, text.decode("latin-1"), re.A | re.I).end()


NUMBER = r"\d{1,18}"
UNIT = ["bytes "]  # another unit is wrong from its first byte on
RANGE = UNIT + [NUMBER, "-", NUMBER, "/", r"(?:\*|%s)" % NUMBER]
NO_RANGE = UNIT + [r"\*", "/", NUMBER]


def content_range(text):
    """((first, last, total, satisfied), None), or (None, at). total is None
    where it is unknown, at where each byte may stand there."""
    for pieces in RANGE, NO_RANGE:
        m = re.fullmatch("".join("(%s)" % p for p in pieces),
                         text.decode("latin-1"), re.A | re.I)
        if m is None:
            continue
        got = [None if x == "*" else int(x) for x in m.groups()[len(UNIT)::2]]
        if pieces is NO_RANGE:
            return (0, 0, got[1], 0), None
        first, last, total = got
        if first > last or (total is not None and last >= total):
            return None, None
        return (first, last, total, 1), None
    return None, max(viable(RANGE, text), viable(NO_RANGE, text))


def check_range(r):
    got, at = content_range(r["text"])
    if r["expect"] == "ok":
        need(got == (r.get("first", 0), r.get("last", 0), r.get("total"),
                     r["satisfied"]), got)
    else:
        need(r["expect"] == "EF_E_FORMAT" and got is None and
             at == r.get("at"), "at %s" % at)


def make_range():
    rnd = random.Random("content ranges")
    for i in range(60):
        a, b, c = sorted(rnd.choice((rnd.randrange(100), rnd.randrange(
            10 ** rnd.randrange(1, 19)))) for _ in range(3))
        text = rnd.choice((
            "bytes %d-%d/%d" % (a, b, c + 1), "Bytes %d-%d/*" % (a, b),
            "bytes %d-%d/%d" % (a, b, c), "bytes */%d" % c))
        if i % 3 == 2:
            k = rnd.randrange(len(text))
            text = text[:k] + rnd.choice(" 0123456789-/*btX\t") + \
                text[k + rnd.randrange(2):]
        got, at = content_range(text.encode())
        r = dict(source="Python re", text=text.encode(), at=at,
                 expect="ok" if got else "EF_E_FORMAT")
        if got:
            r["satisfied"], r["total"] = got[3], got[2]
            if got[3]:
                r["first"], r["last"] = got[:2]
        yield r


# --- ETag (RFC 9110 8.8.3) --------------------------------------------------

ETAG = rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")'


def etag(text):
    """((tag, weak), None), or (None, at)."""
    m = re.fullmatch(ETAG, text)
    if m is not None:
        return (m[2], int(m[1] is not None)), None
    return None, re.match(rb'(?:W/)?(?:"[\x21\x23-\x7e\x80-\xff]*"?)?',
                          text).end()


def check_etag(r):
    got, at = etag(r["text"])
    if len(r["text"]) > 256:
        need(r["expect"] == "EF_E_LIMIT" and r["at"] == 256, "a limit")
    elif r["expect"] == "ok":
        need(got == (r["tag"], r["weak"]), got)
    else:
        need(r["expect"] == "EF_E_FORMAT" and got is None and
             at == r["at"], "at %s" % at)


def make_etag():
    rnd = random.Random("etags")
    for i in range(40):
        text = b'"%s"' % bytes(rnd.choice((rnd.randrange(0x80, 0x100),
                                           rnd.choice(b"09af-!#~\x7e")))
                               for _ in range(rnd.randrange(40)))
        if i % 3 == 1:
            text = b"W/" + text
        if i % 4 == 3:
            k = rnd.randrange(len(text))
            text = text[:k] + bytes([rnd.choice(b' "\x00\x7f\x1f\tW/w')]) + \
                text[k + 1:]
        got, at = etag(text)
        yield dict(source="Python re", text=text, at=at,
                   expect="ok" if got else "EF_E_FORMAT",
                   tag=got[0] if got else None, weak=got[1] if got else None)


# --- XML --------------------------------------------------------------------


class Reading:
    """What expat makes of a document, and what it meets that encflow does
    not read."""

    def __init__(self, r):
        text = r["text"] + b" " * r.get("blanks", 0)
        self.wanted = [r["root"].decode(), r["name"].decode()]
        self.open, self.value, self.taking = [], None, False
        self.deep = self.nested = self.unread = False
        p = xml.parsers.expat.ParserCreate()
        p.StartElementHandler, p.EndElementHandler = self.start, self.end
        p.CharacterDataHandler = self.characters
        p.CommentHandler = p.ProcessingInstructionHandler = \
            p.StartDoctypeDeclHandler = p.StartCdataSectionHandler = self.other
        self.large = len(text) > 65536
        # a byte order mark, or a declaration with no blank where S3 has one
        if re.match(rb"\xef\xbb\xbf|\xff\xfe|<\?xml[\t\r\n]", text):
            self.unread = True
        try:
            p.Parse(text, True)
            self.well = True
        except xml.parsers.expat.ExpatError:
            self.well = False

    def other(self, *_):
        self.unread = True

    def start(self, name, attributes):
        for text in [name, *attributes]:
            self.unread |= not re.fullmatch(
                r"[A-Za-z_:][A-Za-z0-9_.:-]{0,63}", text)
        self.nested |= self.taking
        self.open.append(name)
        self.deep |= len(self.open) > 16
        if self.open == self.wanted and self.value is None:
            self.value, self.taking = "", True

    def end(self, _):
        self.taking = self.taking and len(self.open) > 2
        self.open.pop()

    def characters(self, text):
        if self.taking:
            self.value += text


def check_xml(r):
    got = Reading(r)
    if r["expect"] == "EF_E_LIMIT":
        need(got.large or got.deep, "within the limits")
    elif r["expect"] == "ok":
        if r.get("why", "").startswith("expat refuses it:"):
            need(not got.well, "expat takes it")
            return
        need(got.well and not got.unread, "refused")
        need(not (got.large or got.deep or got.nested), "not to be taken")
        value = None if got.value is None else got.value.encode()
        need(value == r.get("value") and r["found"] == (value is not None),
             value)
    else:
        need(r["expect"] == "EF_E_FORMAT" and r["at"] <= len(r["text"]), "at")
        need(not got.well or got.unread or got.nested, "expat takes it")


ATTRIBUTES = ("", "", "", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"',
              " a:b = '&lt;>\"' c=\"d\"")
TEXTS = ("a", "Key", "1/2", " ", "\n", "\r\n", "\r", "\t", "\u00e9",
         "\U0001f602", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#233;",
         "&#x1F602;", "&#13;", "]]", ">", '"', "'")


def xml_element(rnd, name, body):
    attributes = rnd.choice(ATTRIBUTES)
    if not body:
        return "<%s%s/>" % (name, attributes)
    return "<%s%s>%s</%s%s>" % (name, attributes, "".join(body), name,
                                rnd.choice(("", "", " ")))


def xml_child(rnd, depth):
    name = rnd.choice(("Code", "UploadId", "x:y", "_b-c.d"))
    if rnd.randrange(3) < depth:
        body = [xml_child(rnd, depth - 1) for _ in range(rnd.randrange(4))]
    else:
        body = [rnd.choice(TEXTS) for _ in range(rnd.randrange(8))]
    return xml_element(rnd, name, body) + rnd.choice(("", "\n"))


def make_xml():
    """Whole documents, and every fourth cut off: wrong is then its end."""
    rnd = random.Random("xml")
    made = 0
    while made < 80:
        text = rnd.choice((
            "", '<?xml version="1.0" encoding="UTF-8"?>\n', "\n"))
        text += xml_element(rnd, rnd.choice(("Error",) * 4 + ("Result",)), [
            xml_child(rnd, 1) for _ in range(rnd.randrange(1, 6))]) + "\n"
        r = dict(source="Python expat", root=b"Error", expect="ok",
                 name=rnd.choice((b"Code", b"UploadId", b"x:y")),
                 text=text.encode())
        got = Reading(r)
        if got.nested or not got.well:
            continue
        if made % 4 == 3:
            text = text[:rnd.randrange(8, len(text))]
            r.update(text=text.encode(), expect="EF_E_FORMAT",
                     at=len(text.encode()))
            # where wrong is half a reference, or nothing after all
            if re.search("&[a-z]*$", text) or Reading(r).well:
                continue
        else:
            r["found"] = int(got.value is not None)
            if got.value is not None:
                r["value"] = got.value.encode()
        made += 1
        yield r


# --- shares -----------------------------------------------------------------


def shard(text):
    """(status, (index, count) or None)."""
    m = re.fullmatch(rb"([0-9]{1,12})/([0-9]{1,12})", text)
    if m is None or int(m[2]) == 0:
        return "EF_E_FORMAT", None
    i, n = int(m[1]), int(m[2])
    if n > 10000:
        return "EF_E_LIMIT", None
    return ("ok", (i, n)) if i < n else ("EF_E_FORMAT", None)


def check_shard(r):
    status, got = shard(r["text"])
    need(status == r["expect"], status)
    if got:
        need(got == (r["index"], r["count"]), got)


def make_shard():
    rnd = random.Random("shards")
    for i in range(40):
        n = rnd.choice((rnd.randrange(1, 20), rnd.randrange(1, 11000)))
        text = "%d/%d" % (rnd.randrange(n + n // 4 + 1), n)
        if i % 5 == 4:
            k = rnd.randrange(len(text) + 1)
            text = text[:k] + rnd.choice("/ -+x0.") + text[k:]
        status, got = shard(text.encode())
        yield dict(source="Python re", text=text.encode(), expect=status,
                   index=got[0] if got else None,
                   count=got[1] if got else None)


if __name__ == "__main__":
    refresh("http_dates.txt", check_date, make_date)
    refresh("content_ranges.txt", check_range, make_range)
    refresh("etags.txt", check_etag, make_etag)
    refresh("xml.txt", check_xml, make_xml)
    refresh("shards.txt", check_shard, make_shard)
