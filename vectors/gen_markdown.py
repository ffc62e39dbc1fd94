"""markdown.txt: against markdown-it, made to read what encflow reads.

What differs from CommonMark by choice is not given to it: those records have
a source that says so, and stand by themselves.
"""
import random
import re
import unicodedata

from markdown_it import MarkdownIt

from gen_common import Bad, need, refresh

OURS = "by choice"  # in source: not CommonMark
JOINERS = "\u200c\u200d"


def reader():
    md = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    md.disable(["entity", "autolink", "html_inline", "html_block",
                "reference", "lheading", "code", "image"])
    md.validateLink = lambda url: host(url) is not None
    md.normalizeLink = lambda url: url
    return md


def host(url):
    m = re.fullmatch(r"https://([A-Za-z0-9.:-]+)(?:[/?#].*)?", url)
    m = m or re.fullmatch(r"mailto:([A-Za-z0-9.+_-]*@[A-Za-z0-9.+_-]*)", url)
    return m and m[1]


def shown(c):
    if c == "\n":
        return c
    if ord(c) < 0x20:
        return chr(0x2400 + ord(c))
    if c == "\x7f":
        return "\u2421"
    hidden = unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cn")
    return "\ufffd" if hidden and c not in JOINERS else c


def escape(text):
    text = "".join(map(shown, text))
    for c, e in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"),
                 ('"', "&#34;"), ("'", "&#39;")):
        text = text.replace(c, e)
    return text


TAGS = {"em": "em", "strong": "strong", "s": "del"}


def inline(tokens):
    out, links = [], []
    for t in tokens:
        name, _, end = t.type.rpartition("_")
        if t.type == "text":
            out.append(escape(t.content))
        elif t.type == "softbreak":
            out.append("\n")
        elif t.type == "hardbreak":
            out.append("<br>\n")
        elif t.type == "code_inline":
            out.append("<code>%s</code>" % escape(t.content))
        elif t.type == "link_open":
            links.append(t.attrs["href"])
            out.append('<a href="%s" rel="noopener noreferrer">'
                       % escape(links[-1]))
        elif t.type == "link_close":
            out.append(" <small>%s</small></a>" % host(links.pop()))
        else:
            need(name in TAGS, t.type)
            out.append(("<%s>" if end == "open" else "</%s>") % TAGS[name])
    return "".join(out)


def markdown(text):
    out, bare, first = [], [], False
    for t in reader().parse(text):
        now, first = first, False
        if t.type == "inline":
            out.append(inline(t.children))
        elif t.type == "paragraph_open":
            bare.append(now)
            out.append("" if now else "<p>")
        elif t.type == "paragraph_close":
            out.append("" if bare.pop() else "</p>\n")
        elif t.type == "list_item_open":
            out.append("<li>")
            first = True
        elif t.type == "list_item_close":
            out.append("</li>\n")
        elif t.type in ("bullet_list_open", "blockquote_open"):
            out.append("<%s>\n" % t.tag)
        elif t.type == "ordered_list_open":
            start = (t.attrs or {}).get("start")
            out.append("<ol>\n" if start is None else
                       '<ol start="%s">\n' % start)
        elif t.type in ("bullet_list_close", "ordered_list_close",
                        "blockquote_close"):
            out.append("</%s>\n" % t.tag)
        elif t.type == "heading_open":
            out.append("<h4>")
        elif t.type == "heading_close":
            out.append("</h4>\n")
        elif t.type == "hr":
            out.append("<hr>\n")
        elif t.type == "fence":
            out.append("<pre><code>%s</code></pre>\n" % escape(t.content))
        else:
            need(False, t.type)
    return "".join(out)


def balanced(html):
    """No tag but ours, in order."""
    stack = []
    for end, name in re.findall(r"<(/?)(\w+)[^<>]*>", html):
        need(name in "p h4 strong em del code pre ul ol li blockquote hr br a "
             "small".split(), name)
        if end:
            need(stack and stack.pop() == name, "not closed in order: " + name)
        elif name not in ("hr", "br"):
            stack.append(name)
    need(not stack, "not closed: %s" % stack)


def check(r):
    html = r["html"].decode()
    balanced(html)
    if OURS not in r["source"]:
        got = markdown(r["text"].decode())
        need(got == html, "markdown-it says %r" % got)


def words(rnd):
    return " ".join(rnd.choice(("a", "bc", "d\u00e9f", "x<y", "&", "1.5",
                                "it's", "\u60a3\u8005", '"q"', "#"))
                    for _ in range(rnd.randrange(1, 4)))


def soup(rnd):
    """Runs of marks between letters, blanks and stops."""
    return "".join(rnd.choice(("*", "**", "***", "_", "__", "a", "b", " ",
                               ".", "c d"))
                   for _ in range(rnd.randrange(2, 14)))


def span(rnd):
    k = rnd.randrange(8)
    w = words(rnd)
    return (w, "**%s**" % w, "*%s*" % w, "~~%s~~" % w, "`%s`" % w,
            "[%s](https://example.org/%d?a=1&b=2)" % (w, rnd.randrange(99)),
            "\\*%s\\_" % w, "***%s***" % w)[k]


def line(rnd):
    return " ".join(span(rnd) for _ in range(rnd.randrange(1, 4)))


def block(rnd):
    k = rnd.randrange(8)
    if k == 0:
        return "#" * rnd.randrange(1, 7) + " " + words(rnd).strip("# ") + "x"
    if k == 1:
        return "> " + line(rnd) + "\n> " + line(rnd)
    if k == 2:
        return "\n".join("- x" + line(rnd) for _ in range(3))
    if k == 3:
        return "\n".join("%d. x%s" % (i, line(rnd)) for i in (3, 4, 5))
    if k == 4:
        return "- x\n  - y%s\n  - z\n- w" % line(rnd)
    if k == 5:
        return "```\n%s\n*no*\n```" % line(rnd)
    return "x" + line(rnd) + rnd.choice(("", "  ", "\\")) + "\ny" + line(rnd)


def clean(rnd):
    """A soup that markdown-it itself, which has a fault there, gets right."""
    while True:
        text = "x" + soup(rnd) + "y"
        try:
            html = markdown(text)
            balanced(html)
            need("></" not in html, "an empty element")
            return text
        except Bad:
            pass


def make():
    rnd = random.Random("markdown")
    for i in range(120):
        if i < 60:
            text = clean(rnd)
        else:
            # a rule between blocks: two lists would otherwise be one
            text = "\n\n***\n\n".join(block(rnd) for _ in range(
                rnd.randrange(1, 4)))
        yield dict(source="markdown-it", text=text.encode(),
                   html=markdown(text).encode())


if __name__ == "__main__":
    refresh("markdown.txt", check, make)
