"""ini.txt: against Python's configparser, set up as botocore sets it up."""
import configparser
import io
import random

import botocore.configloader

from gen_common import need, refresh


def read(text):
    """The parser after text, or None where it refuses."""
    parser = configparser.RawConfigParser()
    try:
        # as a file is opened: LF, CR LF and CR end lines
        parser.read_file(io.StringIO(text.decode("utf-8"), newline=None))
    except (configparser.Error, UnicodeDecodeError):
        return None
    return parser


def nested(value):
    """The parts of a value, as botocore reads them; None where it refuses."""
    if value is None or not value.startswith("\n"):
        return {}
    try:
        return botocore.configloader._parse_nested(value)
    except ValueError:
        return None


def check_ini(r):
    parser = read(r["text"])
    if r["expect"] == "ok":
        section, name = r["section"].decode(), r["name"].decode()
        if r.get("why", "").startswith("botocore refuses it:"):
            need(parser is None, "taken")
            return
        need(parser is not None, "refused")
        need(parser.has_section(section) == bool(r["found"]), "found")
        value = parser.get(section, name, fallback=None)
        if "part" in r:
            parts = nested(value)
            need(parts is not None, "parts refused")
            value = parts.get(r["part"].decode())
        need((None if value is None else value.encode()) == r.get("value"),
             "value %r" % value)
        return
    need(r["expect"] == "EF_E_FORMAT", "expect")
    if "two ways" in r.get("why", ""):
        need(parser is not None, "refused by botocore too")
    elif "part" in r and parser is not None:
        need(nested(parser.get(r["section"].decode(), r["name"].decode()))
             is None, "parts taken")
    else:
        need(parser is None, "taken")


NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token",
         "region", "endpoint_url", "output", "x", "s3")
SECTIONS = ("default", "upload", "profile upload", "download", "a-b_c.d", "x")


def make_ini():
    rnd = random.Random("ini")
    for _ in range(40):
        end = rnd.choice(("\n", "\n", "\r\n"))
        lines, inside = [], {}

        def noise():
            while rnd.randrange(4) == 0:
                lines.append(rnd.choice(("", "# c", "; c = d", "#[x]", " ")))
        for section in rnd.sample(SECTIONS, rnd.randrange(1, 5)):
            noise()
            lines.append("[%s]" % section)
            inside[section] = {}
            for name in rnd.sample(NAMES, rnd.randrange(len(NAMES))):
                noise()
                value = "".join(rnd.choice("abcXYZ0189+/=-_.:%\"'\u00e9")
                                for _ in range(rnd.randrange(1, 30)))
                inside[section][name] = value
                lines.append(rnd.choice((
                    "%s = %s", "%s=%s", "%s =%s", "%s= %s", "%s \t=  %s ",
                    "%s = %s\t")) % (rnd.choice((name, name.upper())), value))
        noise()
        text = end.join(lines) + rnd.choice((end, ""))
        section = rnd.choice(SECTIONS[:4] + tuple(inside) * 2)
        name = rnd.choice(NAMES + tuple(inside.get(section, ())) * 2)
        value = inside.get(section, {}).get(name)
        yield dict(source="Python configparser", expect="ok",
                   section=section.encode(), name=name.encode(),
                   found=int(section in inside), text=text.encode(),
                   value=None if value is None else value.encode())


if __name__ == "__main__":
    refresh("ini.txt", check_ini, make_ini)
