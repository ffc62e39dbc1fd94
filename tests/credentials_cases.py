#!/usr/bin/python3
"""Where keys, region and endpoint come from: a table, boto3 and encflow.

    credentials_cases.py boto3|encflow [--fixed] [NAME...]
    credentials_cases.py serve LOG

Every case is a home with AWS's two files, an environment and arguments. The
tool named first fetches s3://bucket/key in it, from a server in this program
that plays S3, the instance metadata and the container endpoint. What the
request was signed with must be what the table states; so must be the exit
status and the words of a refusal. boto3 runs in a process forked for each
case, and makes a real request, too: the table is proven by it before encflow
is held to it. Where the two differ the case says why.

--fixed: the cases for the fixed addresses 169.254.170.2 and so on, instead
of the others. They run in a network namespace that has these addresses and
no way out; everywhere else nothing can ask for them, because every case has
AWS_EC2_METADATA_SERVICE_ENDPOINT, and AWS_EC2_METADATA_DISABLED=true unless
it is about the instance metadata.

serve: the server alone, until it is ended. It prints its port; LOG gets a
line for every request, LOG.body the last object that was put.

Environment ENCFLOW: the binary. The exit status is 1 when a case fails.
"""
import concurrent.futures
import contextlib
import gc
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import urllib.parse

LINES = int(os.environ.get("CASES_SHOWN", "30"))
SECONDS = 120 if os.environ.get("EF_SANITIZED") == "1" else 20
BODY = b"what the object holds\n"
BASE = os.environ.get("BATS_TEST_TMPDIR") or tempfile.gettempdir()
BASE = os.path.join(BASE, "credentials-%d" % os.getpid())
BIN = os.path.join(BASE, "bin")


# --- what a case states ---

def secret_of(key_id):
    return "Secret/%s+==" % key_id


def pair(key_id, token=None):
    """The lines of a file."""
    lines = ["aws_access_key_id = " + key_id,
             "aws_secret_access_key = " + secret_of(key_id)]
    if token:
        lines.append("aws_session_token = " + token)
    return "\n".join(lines) + "\n"


def env_pair(key_id):
    return {"AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret_of(key_id)}


class Keys:
    """The request came, signed with these keys, for this region."""

    def __init__(self, key_id, token=None, region="us-east-1", secret=None,
                 path="/bucket/key", host=None):
        self.secret = secret_of(key_id) if secret is None else secret
        self.seen = {"key id": key_id, "token": token, "region": region,
                     "path": path}
        if host:
            self.seen["host"] = host


class Fails:
    """encflow sends nothing, ends with status and says words."""

    def __init__(self, status, *words):
        self.status, self.words = status, words


class Error:
    """boto3 raises an exception of that name."""

    def __init__(self, name):
        self.name = name


class Role:
    """boto3 would ask AWS for keys, in that way (it is not let do so)."""

    def __init__(self, method):
        self.method = method


class NotAsked:
    """boto3 cannot be asked; the table states what documentation says."""


NOTHING = "boto3 finds no keys"
CASES = []


def case(name, want, boto3=None, why=None, **more):
    """boto3: what boto3 does, where that is not what encflow does; why: the
    reason. more:

    creds, conf  the files .aws/credentials and .aws/config (None: no file)
    files        others, by their path in the home
    env          variables; a value None takes one away
    profile      --profile (presign: the profile)
    args         more arguments of encflow
    url          --endpoint-url, the server's address unless given; None: not
                 given
    imds         answers of the instance metadata, beside the usual ones; the
                 case is not about them when it is not there
    asked        requests that must have come before the one to S3
    since        botocore's first version that can be asked
    presign      ask for a URL, not for the object: its host is not reached
    fixed        for the fixed addresses
    """
    assert all(c.name != name for c in CASES), name
    if boto3 is None:
        boto3 = want
    else:
        assert why or isinstance(boto3, Error) and isinstance(want, Fails), \
            name
    settings = {"creds": None, "conf": None, "files": {}, "env": {},
                "profile": None, "args": [], "url": "<url>", "imds": None,
                "asked": None, "since": None, "presign": False,
                "fixed": False}
    assert set(more) <= set(settings), name
    settings.update(more, name=name, want=want, boto3=boto3)
    CASES.append(types.SimpleNamespace(**settings))


# --- the table ---
#
# Key ids say where they are from. <url>, <host>, <home> are filled in.

D = "[default]\n"
ENV = env_pair("AKENV")
NO_KEYS = Fails(2, "hint: ")


def give(*words):
    """The line of a credential_process that runs the script below."""
    return "credential_process = give %s\n" % " ".join(words)


def document(without=None, **members):
    """What it prints: the usual members but one, and others."""
    usual = {"Version": 1, "AccessKeyId": "AKPROC",
             "SecretAccessKey": secret_of("AKPROC")}
    usual.update(members)
    usual.pop(without, None)
    return json.dumps(usual)


def output(*without, **members):
    return give("print", "'%s'" % document(*without, **members))


GIVE = r"""#!/bin/sh
# A credential_process.
keys() {
    printf '{"Version": 1, "AccessKeyId": "%s", ' "$1"
    printf '"SecretAccessKey": "Secret/%s+=="}\n' "$1"
}
case $1 in
    keys) keys "$2" ;;
    print) printf '%s' "$2" ;;
    noise) echo "$3" >&2; keys "$2" ;;
    fail) echo "$3" >&2; exit "$2" ;;
    kill) kill -9 $$ ;;
    huge) head -c 3000000 /dev/zero | tr '\0' ' '; keys AKHUGE ;;
    flood) keys AKFLOOD; head -c 3000000 /dev/zero | tr '\0' 'x' >&2 ;;
    argv) # the arguments in hex, each between dots: an id shows all of them
        shift
        id=$(for a; do printf '%s\0' "$a"; done | od -An -v -tx1 | tr -d ' \n')
        keys "AK$id" ;;
esac
"""


def argv_id(*words):
    return "AK" + "".join((w + "\0").encode().hex() for w in words)


# One of each source, for its place among the others: lines of the credentials
# file, lines of the configuration, variables, metadata, keys. First comes
# first served.
SOURCES = {
    "environment": ("", "", ENV, None, Keys("AKENV")),
    "credentials": (pair("AKFILE"), "", {}, None, Keys("AKFILE")),
    "process": ("", give("keys", "AKPROC"), {}, None, Keys("AKPROC")),
    "config": ("", pair("AKCONF"), {}, None, Keys("AKCONF")),
    "container": ("", "", {"AWS_CONTAINER_CREDENTIALS_FULL_URI":
                           "<url>/container/ok"}, None,
                  Keys("AKCONT", token="TOKEN-AKCONT")),
    "instance": ("", "", {}, {}, Keys("AKROLE", token="TOKEN-AKROLE")),
}


def orders():
    names = list(SOURCES)
    sets = [[n] for n in names] + [names]
    sets += [[a, b] for i, a in enumerate(names) for b in names[i + 1:]]
    for chosen in sets:
        creds, conf, env, imds = "", "", {}, None
        for n in chosen:
            creds += SOURCES[n][0]
            conf += SOURCES[n][1]
            env.update(SOURCES[n][2])
            imds = SOURCES[n][3] if imds is None else imds
        label = "all sources" if len(chosen) == len(names) else \
            " before ".join(chosen)
        case(label, SOURCES[chosen[0]][4], creds=creds and D + creds,
             conf=conf and D + conf, env=env, imds=imds)


orders()
case("nothing at all",
     Fails(2, "hint: ", "AWS_ACCESS_KEY_ID", "credentials"), boto3=NOTHING,
     why="says it by an exception later")

# Profiles.
TWO = D + pair("AKDEF") + "[p]\n" + pair("AKP", token="TOKEN-P") + \
    "[q]\n" + pair("AKQ")
P = Keys("AKP", token="TOKEN-P")
case("--profile", P, creds=TWO, profile="p")
case("--profile default", Keys("AKDEF"), creds=TWO, profile="default")
case("--profile beats AWS_PROFILE", P, creds=TWO, profile="p",
     env={"AWS_PROFILE": "q"})
case("--profile beats AWS_DEFAULT_PROFILE", P, creds=TWO, profile="p",
     env={"AWS_DEFAULT_PROFILE": "q"})
case("--profile beats keys of the environment", P, creds=TWO, profile="p",
     env=ENV)
case("--profile default beats keys of the environment", Keys("AKDEF"),
     creds=TWO, profile="default", env=ENV)
case("AWS_PROFILE", P, creds=TWO, env={"AWS_PROFILE": "p"})
case("AWS_DEFAULT_PROFILE", P, creds=TWO, env={"AWS_DEFAULT_PROFILE": "p"})
case("AWS_DEFAULT_PROFILE beats AWS_PROFILE", P, creds=TWO,
     env={"AWS_DEFAULT_PROFILE": "p", "AWS_PROFILE": "q"})
case("keys of the environment beat AWS_PROFILE", Keys("AKENV"), creds=TWO,
     env=dict(ENV, AWS_PROFILE="p"))
case("keys of the environment, settings of AWS_PROFILE",
     Keys("AKENV", region="eu-west-1"), env=dict(ENV, AWS_PROFILE="p"),
     conf="[profile p]\nregion = eu-west-1\n" + pair("AKCONF"))
case("keys of the environment, settings of the default profile",
     Keys("AKENV", region="eu-west-1"), env=ENV,
     conf=D + "region = eu-west-1\n")
case("a profile of the configuration", Keys("AKCONF"), profile="p",
     conf="[profile p]\n" + pair("AKCONF"))
case("--profile that no file has", Fails(2, '"nope"'), profile="nope",
     creds=TWO, env=ENV, boto3=Error("ProfileNotFound"))
case("AWS_PROFILE that no file has", Fails(2, '"nope"'), creds=TWO,
     env={"AWS_PROFILE": "nope"}, boto3=Error("ProfileNotFound"))
case("AWS_PROFILE that no file has, keys of the environment",
     Fails(2, '"nope"'), creds=TWO, env=dict(ENV, AWS_PROFILE="nope"),
     boto3=Error("ProfileNotFound"))
case("AWS_PROFILE that no file has, no files", Fails(2, '"nope"'),
     env={"AWS_PROFILE": "nope"}, boto3=Error("ProfileNotFound"))
case("empty AWS_PROFILE", Keys("AKDEF"), creds=TWO, env={"AWS_PROFILE": ""},
     boto3=Error("ProfileNotFound"),
     why="an empty variable is none, as everywhere in encflow and in most "
         "SDKs; botocore looks for a profile without a name")
case("a profile without keys goes on to the container",
     Keys("AKCONT", token="TOKEN-AKCONT", region="eu-west-1"), profile="p",
     conf="[profile p]\nregion = eu-west-1\n",
     env=SOURCES["container"][2])
case("a profile without keys goes on to the instance",
     Keys("AKROLE", token="TOKEN-AKROLE"), profile="p", creds="[p]\n",
     imds={})
case("a profile without keys does not go on to the environment", NO_KEYS,
     profile="p", creds="[p]\n", env=ENV, boto3=NOTHING,
     why="says it by an exception later")
case("a profile without keys does not go on to the default profile", NO_KEYS,
     profile="p", creds=D + pair("AKDEF") + "[p]\n", boto3=NOTHING,
     why="says it by an exception later")

# Half a pair.
HALF_ENV = {"AWS_ACCESS_KEY_ID": "AKENV"}
HALF = "aws_access_key_id = AKHALF\n"
OTHER_HALF = "aws_secret_access_key = Secret/AKHALF+==\n"
PARTIAL = Error("PartialCredentialsError")
case("an id without its secret in the environment",
     Fails(2, "AWS_SECRET_ACCESS_KEY"), creds=TWO, env=HALF_ENV,
     boto3=PARTIAL)
case("an id with an empty secret in the environment",
     Fails(2, "AWS_SECRET_ACCESS_KEY"), creds=TWO,
     env=dict(HALF_ENV, AWS_SECRET_ACCESS_KEY=""), boto3=PARTIAL)
case("a secret without its id in the environment",
     Fails(2, "AWS_ACCESS_KEY_ID"), creds=TWO,
     env={"AWS_SECRET_ACCESS_KEY": "Secret/stray"}, boto3=Keys("AKDEF"),
     why="half a pair is a slip, and not to be made up for with other keys")
case("an empty id in the environment", Fails(2, "AWS_ACCESS_KEY_ID"),
     creds=TWO, boto3=Keys("AKDEF"), why="the same",
     env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "Secret/stray"})
case("both halves empty in the environment", Keys("AKDEF"), creds=TWO,
     env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
case("an id without its secret in the credentials",
     Fails(4, ".aws/credentials", "secret"), creds=D + HALF, boto3=PARTIAL)
case("an id without its secret in the configuration",
     Fails(4, ".aws/config", "secret"), conf=D + HALF, boto3=PARTIAL)
case("a secret without its id in the credentials", Keys("AKCONF"),
     creds=D + OTHER_HALF, conf=D + pair("AKCONF"))
case("id in the credentials, secret in the configuration",
     Fails(4, ".aws/credentials", "secret"), creds=D + HALF,
     conf=D + OTHER_HALF, boto3=PARTIAL)
case("id in the configuration, secret in the credentials",
     Fails(4, ".aws/config", "secret"), creds=D + OTHER_HALF,
     conf=D + HALF, boto3=PARTIAL)
case("half a pair that a named profile passes over", P, creds=TWO,
     profile="p", env=HALF_ENV)
case("an empty secret in the credentials", Fails(4, ".aws/credentials"),
     creds=D + HALF + "aws_secret_access_key =\n",
     boto3=Keys("AKHALF", secret=""),
     why="an empty secret signs, but never what S3 accepts")
case("a token of the environment, keys of a file", Keys("AKDEF"), creds=TWO,
     env={"AWS_SESSION_TOKEN": "TOKEN-stray"})
case("keys of the environment, a token of a file", Keys("AKENV"), env=ENV,
     creds=D + pair("AKFILE", token="TOKEN-FILE"))
case("keys of the credentials, a token of the configuration", Keys("AKFILE"),
     creds=D + pair("AKFILE"), conf=D + "aws_session_token = TOKEN-CONF\n")

# Tokens.
SECURITY = "aws_security_token = TOKEN-OLD\n"
case("AWS_SESSION_TOKEN", Keys("AKENV", token="TOKEN-NEW"),
     env=dict(ENV, AWS_SESSION_TOKEN="TOKEN-NEW"))
case("AWS_SECURITY_TOKEN", Keys("AKENV", token="TOKEN-OLD"),
     env=dict(ENV, AWS_SECURITY_TOKEN="TOKEN-OLD"))
case("AWS_SECURITY_TOKEN beats AWS_SESSION_TOKEN",
     Keys("AKENV", token="TOKEN-OLD"),
     env=dict(ENV, AWS_SECURITY_TOKEN="TOKEN-OLD",
              AWS_SESSION_TOKEN="TOKEN-NEW"))
case("an empty AWS_SECURITY_TOKEN", Keys("AKENV", token="TOKEN-NEW"),
     env=dict(ENV, AWS_SECURITY_TOKEN="", AWS_SESSION_TOKEN="TOKEN-NEW"))
case("an empty AWS_SESSION_TOKEN", Keys("AKENV"),
     env=dict(ENV, AWS_SESSION_TOKEN=""))
case("aws_security_token", Keys("AKFILE", token="TOKEN-OLD"),
     creds=D + pair("AKFILE") + SECURITY)
case("aws_security_token beats aws_session_token",
     Keys("AKFILE", token="TOKEN-OLD"),
     creds=D + pair("AKFILE", token="TOKEN-NEW") + SECURITY)
case("aws_security_token of the configuration",
     Keys("AKCONF", token="TOKEN-OLD"),
     conf=D + pair("AKCONF", token="TOKEN-NEW") + SECURITY)
case("a long token", Keys("AKFILE", token="T" * 4000),
     creds=D + pair("AKFILE", token="T" * 4000))
case("keys of the environment that have expired", Fails(5, "expired"),
     env=dict(ENV, AWS_CREDENTIAL_EXPIRATION="2001-01-01T00:00:00Z"),
     boto3=Error("RuntimeError"))
case("keys of the environment that will expire", Keys("AKENV"),
     env=dict(ENV, AWS_CREDENTIAL_EXPIRATION="2099-01-01T00:00:00+00:00"))

# Where the files are.
ELSEWHERE = {"elsewhere/creds": D + pair("AKELSE"),
             "elsewhere/conf": D + "region = eu-west-3\n" + pair("AKELSEC")}
case("AWS_SHARED_CREDENTIALS_FILE", Keys("AKELSE"), creds=TWO,
     files=ELSEWHERE,
     env={"AWS_SHARED_CREDENTIALS_FILE": "<home>/elsewhere/creds"})
case("AWS_CONFIG_FILE", Keys("AKELSEC", region="eu-west-3"),
     conf=D + pair("AKCONF"), files=ELSEWHERE,
     env={"AWS_CONFIG_FILE": "<home>/elsewhere/conf"})
case("~ in AWS_SHARED_CREDENTIALS_FILE", Keys("AKELSE"), files=ELSEWHERE,
     env={"AWS_SHARED_CREDENTIALS_FILE": "~/elsewhere/creds"})
case("~ in AWS_CONFIG_FILE", Keys("AKELSEC", region="eu-west-3"),
     files=ELSEWHERE, env={"AWS_CONFIG_FILE": "~/elsewhere/conf"})
case("$HOME in AWS_SHARED_CREDENTIALS_FILE", Keys("AKELSE"), files=ELSEWHERE,
     env={"AWS_SHARED_CREDENTIALS_FILE": "$HOME/elsewhere/creds"})
case("${NAME} in AWS_CONFIG_FILE", Keys("AKELSEC", region="eu-west-3"),
     files=ELSEWHERE, env={"AWS_CONFIG_FILE": "~/${WHERE}/conf",
                           "WHERE": "elsewhere"})
case("$NAME that is not set is kept", Keys("AKODD"),
     files={"$NOSUCH/creds": D + pair("AKODD")},
     env={"AWS_SHARED_CREDENTIALS_FILE": "<home>/$NOSUCH/creds"})
case("a relative path", Keys("AKELSE"), files=ELSEWHERE,
     env={"AWS_SHARED_CREDENTIALS_FILE": "elsewhere/creds"})
case("a credentials file that is not there", Keys("AKCONF"),
     creds=TWO, conf=D + pair("AKCONF"),
     env={"AWS_SHARED_CREDENTIALS_FILE": "<home>/missing"})
case("a configuration that is not there", Keys("AKDEF"), creds=TWO,
     conf=D + "region = eu-west-1\n", env={"AWS_CONFIG_FILE": "/dev/null"})
case("settings of both files", Keys("AKFILE", region="eu-west-1"),
     creds=D + pair("AKFILE"), conf=D + "region = eu-west-1\n")
case("a setting in both files", Keys("AKFILE", region="eu-west-2"),
     creds=D + pair("AKFILE") + "region = eu-west-2\n",
     conf=D + "region = eu-west-1\n")
case("boto's own old file", NO_KEYS,
     files={".boto": "[Credentials]\n" + pair("AKBOTO")},
     boto3=Keys("AKBOTO"), why="a file of boto 2, which no other SDK reads")
case("AWS_CREDENTIAL_FILE of the first EC2 tools", NO_KEYS,
     files={"ec2": "AWSAccessKeyId=AKEC\nAWSSecretKey=Secret/AKEC+==\n"},
     env={"AWS_CREDENTIAL_FILE": "<home>/ec2"}, boto3=Keys("AKEC"),
     why="a file that no other SDK reads")

# The grammar of the files: what botocore and the SDKs agree on is read, where
# they differ about what is needed it is refused with its line.
UNPARSED = Error("ConfigParseError")
ID = "aws_access_key_id = AKFILE\n"
SECRET = "aws_secret_access_key = Secret/AKFILE+==\n"


def reads(name, text, want=None, **more):
    case("grammar: " + name, want or Keys("AKFILE"), creds=text, **more)


def refused(name, text, line, boto3=UNPARSED, why=None, **more):
    case("grammar: " + name,
         Fails(4, ".aws/credentials", "line %d" % line if line else "line "),
         creds=text,
         boto3=boto3, why=why, **more)


reads("no blanks", D + ID.replace(" ", "") + SECRET.replace(" ", ""))
reads("many blanks", D + ID.replace(" ", " \t ") +
      SECRET.replace("\n", " \t\n"))
reads("CR LF", (D + ID + SECRET).replace("\n", "\r\n"))
reads("CR", (D + ID + SECRET).replace("\n", "\r"))
reads("no end of the last line", (D + ID + SECRET)[:-1])
reads("names in upper case", D + ID.replace("aws", "AWS") + SECRET)
reads("full comments", "# a\n" + D + "  ; b = c\n" + ID + "#" + ID + SECRET)
reads("a comment after a section", "[default] # mine\n" + ID + SECRET)
reads("an indented first key", D + "  " + ID + SECRET)
reads("# and ; within a secret", D + ID + SECRET.replace("+", "#;"),
      Keys("AKFILE", secret="Secret/AKFILE#;=="))
reads("quotes stay", D + ID + "aws_secret_access_key = \"Secret\"\n",
      Keys("AKFILE", secret='"Secret"'))
reads("no interpolation", D + ID + "aws_secret_access_key = %(a)s%%$HOME\n",
      Keys("AKFILE", secret="%(a)s%%$HOME"))
reads("an equals sign in a secret",
      D + ID + "aws_secret_access_key==a=b:c\n",
      Keys("AKFILE", secret="=a=b:c"))
reads("a nested block", D + "s3 =\n    addressing_style = path\n" + ID +
      SECRET)
reads("a comment in another profile's value", D + ID + SECRET +
      "[p]\naws_secret_access_key = x # y\n")
reads("sections have case", "[Default]\n" + HALF + D + ID + SECRET)
reads("a section named before", "[default2]\n" + HALF + D + ID + SECRET)
reads("UTF-8", "[pr\xe9fix]\n" + ID + SECRET, profile="pr\xe9fix")
reads("signs in a profile's name", "[a.b@c+d:e/f%g-h_i]\n" + ID + SECRET,
      profile="a.b@c+d:e/f%g-h_i")
refused("# after a secret", D + ID + SECRET[:-1] + " # mine\n", 3,
        boto3=Keys("AKFILE", secret="Secret/AKFILE+== # mine"),
        why="a comment to the SDKs")
refused("; after a secret", D + ID + SECRET[:-1] + "\t; mine\n", 3,
        boto3=Keys("AKFILE", secret="Secret/AKFILE+==\t; mine"),
        why="a comment to the SDKs")
refused("a colon", D + ID.replace(" =", ":") + SECRET, 2,
        boto3=Keys("AKFILE"), why="no delimiter to the SDKs")
refused("a second line of a secret", D + ID + SECRET + "  more\n", 3,
        boto3=Keys("AKFILE", secret="Secret/AKFILE+==\nmore"),
        why="another key, or none, to the SDKs")
refused("an indented key", D + ID + "  " + SECRET, 2, boto3=PARTIAL)
refused("a section twice", D + ID + D + SECRET, 3)
refused("a key twice", D + ID + SECRET + ID, 4)
refused("a key twice, in other case", D + ID + ID.upper() + SECRET, 3)
refused("no delimiter", D + ID + "what\n" + SECRET, 3)
refused("no delimiter in another profile", D + ID + SECRET + "[p]\nwhat\n",
        5)
refused("no name", D + ID + SECRET + "= x\n", 4)
refused("a line before the first section", "a = b\n" + D + ID + SECRET, 1)
refused("a byte order mark", "\ufeff" + D + ID + SECRET, 1)
refused("not UTF-8", D + ID + SECRET + "# \udcff\n", 4)
refused("no closing bracket", "[default\n" + ID + SECRET, 1)
refused("a blank that not all trim", D + ID + SECRET[:-1] + "\xa0\n", 3,
        boto3=Keys("AKFILE"), why="no blank to the SDKs")
refused("a region with a comment", D + ID + SECRET + "region = a # b\n", 4,
        boto3=Error("InvalidRegionError"))
case("grammar: a NUL", Fails(4, ".aws/credentials"),
     creds=D + ID + SECRET[:-1] + "\0x\n",
     boto3=Keys("AKFILE", secret="Secret/AKFILE+==\0x"),
     why="no key has one, and C's strings end there")
case("grammar: a configuration that does not parse, keys of the environment",
     Fails(4, ".aws/config", "line 2"), env=ENV, conf=D + "what\n",
     boto3=UNPARSED)
case("grammar: credentials that do not parse, keys of the environment",
     Fails(4, ".aws/credentials", "line 2"), env=ENV, creds=D + "what\n",
     boto3=UNPARSED)
reads("[DEFAULT] beside all that is needed",
      "[DEFAULT]\nregion = eu-west-1\n" + D + ID + SECRET +
      "region = eu-west-2\n", Keys("AKFILE", region="eu-west-2"))
refused("[DEFAULT] with what is needed",
        "[DEFAULT]\n" + SECRET + D + ID, None, boto3=Keys("AKFILE"),
        why="a profile of that name to the SDKs, defaults of all to Python")
refused("[DEFAULT] with a region", "[DEFAULT]\nregion = eu-west-1\n" + D +
        ID + SECRET, None, boto3=Keys("AKFILE", region="eu-west-1"),
        why="the same")


def section(name, line, want, profile="my prof", **more):
    case("configuration: " + name, want, profile=profile,
         conf=line + "\n" + pair("AKCONF"), **more)


NOT_THERE = {"boto3": Error("ProfileNotFound")}
CONF = Keys("AKCONF")
section('[profile "my prof"]', '[profile "my prof"]', CONF)
section("[profile 'my prof']", "[profile 'my prof']", CONF)
section("[profile my\\ prof]", "[profile my\\ prof]", CONF)
section('[profile "p"]', '[profile "p"]', CONF, profile="p")
section("two blanks", "[profile  p]", CONF, profile="p")
section("a tab", "[profile\tp]", CONF, profile="p")
section("a blank at the end", "[profile p ]", CONF, profile="p")
section("[profile my prof]", "[profile my prof]", Fails(2, '"my prof"'),
        **NOT_THERE)
section("[p]", "[p]", Fails(2, '"p"'), profile="p", **NOT_THERE)
section("[profilep]", "[profilep]", Fails(2, '"p"'), profile="p", **NOT_THERE)
section("[profile]", "[profile]", Fails(2, '"p"'), profile="p", **NOT_THERE)
section("[Profile p]", "[Profile p]", Fails(2, '"p"'), profile="p",
        **NOT_THERE)
section("a quote that does not end", "[profile \"p]", Fails(2, '"p"'),
        profile="p", **NOT_THERE)
section("[profile default]", "[profile default]", CONF, profile=None)
section("[default]", "[default]", CONF, profile=None)
section("blanks in the brackets", "[ default ]", NO_KEYS, profile=None,
        boto3=NOTHING, why="says it by an exception later")
case("configuration: both [profile default] and [default]",
     Fails(4, ".aws/config"), boto3=Keys("AKTWO"),
     conf="[profile default]\n" + pair("AKONE") + D + pair("AKTWO"),
     why="the last one to botocore, [profile default] to the SDKs")
case("[profile p] in the credentials", Fails(2, '"p"'), profile="p",
     creds="[profile p]\n" + pair("AKFILE"), **NOT_THERE)

# credential_process.
PROC = Keys("AKPROC")


def process(name, line, want=PROC, boto3=None, why=None, **more):
    case("process: " + name, want, boto3=boto3, why=why, conf=D + line,
         **more)


RETRIEVAL = Error("CredentialRetrievalError")
process("its output", output())
process("a token", output(SessionToken="TOKEN-PROC"),
        Keys("AKPROC", token="TOKEN-PROC"))
process("an empty token", output(SessionToken=""))
process("a null token", output(SessionToken=None, Expiration=None))
process("other members", output(AccountId="123456789012", More=[{}, 1.5]))
process("white space around it", give("print", "'\t  %s  '" % document()))
process("escapes in its JSON", give("print", "'%s'" % document().replace(
    "AKPROC", "AK\\u0050ROC")))
process("it will expire", output(Expiration="2099-12-31T23:59:59Z"))
process("it will expire, with an offset",
        output(Expiration="2099-12-31T23:59:59+00:00"))
process("it has expired", output(Expiration="2001-01-01T00:00:00Z"),
        Fails(5, "expired"), boto3=Error("RuntimeError"))
process("it has expired, with an offset",
        output(Expiration="2001-01-01T00:00:00+00:00"), Fails(5, "expired"),
        boto3=Error("RuntimeError"))
process("an expiry that is no time", output(Expiration="soon"),
        boto3=Error("ParserError"),
        why="the expiry is not signed: S3 judges the keys")
process("quotes and backslashes", give(
    "argv", '"a b"', "'c  d'", "e\\ f", '""', "''", '"q\\"q"', '"b\\s"',
    "'it'\"'\"'s'", "x\"y\"'z'", "\\\\", '"\\\\"', "'\\'"),
    Keys(argv_id("a b", "c  d", "e f", "", "", 'q"q', "b\\s", "it's", "xyz",
                 "\\", "\\", "\\")))
process("no shell", give("argv", "$HOME", "~", "*", "a|b", "`id`", "&&", ">x",
                         "%s", "a;b", "\xe9"),
        Keys(argv_id("$HOME", "~", "*", "a|b", "`id`", "&&", ">x", "%s",
                     "a;b", "\xe9")))
process("a path", "credential_process = <bin>/give keys AKPROC\n")
process("the environment is the process's, too",
        "credential_process = sh -c 'give keys \"$WHO\"'\n",
        env={"WHO": "AKPROC"})
process("what it says on stderr", give("noise", "AKPROC", "'a word'"))
process("much on stderr", give("flood"), Keys("AKFLOOD"))
process("a line in the credentials file beats the configuration's",
        give("keys", "AKNOT"), creds=D + give("keys", "AKPROC"))
process("of a named profile", "[profile p]\n" + give("keys", "AKPROC"),
        profile="p")
process("of another profile", give("keys", "AKNOT") + "[profile p]\n" +
        pair("AKCONF"), Keys("AKCONF"), profile="p")
process("keys of the credentials file: it does not run",
        "credential_process = sh -c 'echo >ran; exit 1'\n", Keys("AKFILE"),
        creds=D + pair("AKFILE"))
process("version 2", output(Version=2), Fails(4, "Version"), boto3=RETRIEVAL)
process("version \"1\"", output(Version="1"), Fails(4, "Version"),
        boto3=RETRIEVAL)
process("no version", output("Version"), Fails(4, "Version"),
        boto3=RETRIEVAL)
process("no id", output("AccessKeyId"), Fails(4, "AccessKeyId"),
        boto3=RETRIEVAL)
process("no secret", output("SecretAccessKey"),
        Fails(4, "SecretAccessKey"), boto3=RETRIEVAL)
process("an id that is a number", output(AccessKeyId=5),
        Fails(4, "AccessKeyId"), boto3=NotAsked(),
        why="fails somewhere in signing")
process("an empty id", output(AccessKeyId=""), Fails(4, "AccessKeyId"),
        boto3=NotAsked(), why="is signed with")
process("an empty secret", output(SecretAccessKey=""),
        Fails(4, "SecretAccessKey"), boto3=Keys("AKPROC", secret=""),
        why="an empty secret signs, but never what S3 accepts")
process("a member twice", give("print", "'{\"Version\": 1, %s'" %
                               document()[1:]), Fails(4), boto3=PROC,
        why="JSON whose readers differ is refused, as everywhere")
process("no JSON", give("print", "'Secret/no JSON'"), Fails(4),
        boto3=Error("JSONDecodeError"))
process("JSON that is no object", give("print", "'[1]'"), Fails(4),
        boto3=Error("AttributeError"))
process("nothing", give("print", "''"), Fails(4),
        boto3=Error("JSONDecodeError"))
process("too much", give("huge"), Fails(4), boto3=Keys("AKHUGE"),
        why="no limit")
process("a status that is not 0", give("fail", "3", "'no card in the reader'"),
        Fails(1, "credential_process", " 3\n", "no card in the reader"),
        boto3=RETRIEVAL)
process("a signal", give("kill"), Fails(1, "credential_process"),
        boto3=RETRIEVAL)
process("a command that is not there", "credential_process = nosuchcommand\n",
        Fails(1, "credential_process", "127"),
        boto3=Error("FileNotFoundError"))
process("a quote that does not end", "credential_process = give 'keys\n",
        Fails(4, "credential_process"), boto3=Error("ValueError"))
process("an empty line", "credential_process =\n", NO_KEYS,
        boto3=Error("IndexError"))
process("blanks in quotes", "credential_process = ''\n",
        Fails(1, "credential_process"), boto3=Error("PermissionError"))
process("a failure is final: no keys of the configuration",
        give("fail", "1", "sorry") + pair("AKCONF"), Fails(1, "sorry"),
        boto3=RETRIEVAL, env=SOURCES["container"][2], imds={})

# The container endpoint.
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
CONT = SOURCES["container"][4]


def container(name, path, want=CONT, boto3=None, why=None, env=(), **more):
    case("container: " + name, want, boto3=boto3, why=why,
         env=dict({FULL: "<url>/container/" + path}, **dict(env)), **more)


container("by the name localhost", "",
          env={FULL: "http://localhost:<port>/container/ok"})
container("a query is kept", "query?a=b&c=%20d")
container("a token", "token", env={TOKEN: "TOKEN-OF-CONTAINER"})
container("the token's file", "token", since=(1, 31),
          files={"token": "TOKEN-OF-CONTAINER"},
          env={TOKEN + "_FILE": "<home>/token"})
container("the token's file beats the token", "token", since=(1, 31),
          files={"token": "TOKEN-OF-CONTAINER"},
          env={TOKEN: "TOKEN-not", TOKEN + "_FILE": "<home>/token"})
container("the token's file ends with a line break", "token",
          since=(1, 31), files={"token": "TOKEN-OF-CONTAINER\n"},
          env={TOKEN + "_FILE": "<home>/token"}, boto3=Error("ValueError"),
          why="editors put one there, and no header can have it")
container("the token's file is not there", "token", Fails(1, "nosuchfile"),
          boto3=Error("FileNotFoundError"), since=(1, 31),
          env={TOKEN: "TOKEN-not", TOKEN + "_FILE": "<home>/nosuchfile"})
container("a token with a line break", "ok", Fails(4, "token"),
          boto3=NotAsked(), why="newer ones refuse it, old ones crash",
          env={TOKEN: "TOKEN-a\r\nX-More: b"})
container("the wrong token", "token", Fails(6, "AWS_CONTAINER", "403"),
          boto3=RETRIEVAL, env={TOKEN: "TOKEN-wrong"})
container("http to another host", "",
          Fails(5, "http://"), boto3=Error("ValueError"), asked=[],
          env={FULL: "http://0.0.0.0:<port>/container/ok"})
container("http to another host, disguised", "",
          Fails((4, 5)), boto3=Error("ValueError"), asked=[],
          env={FULL: "http://127.0.0.1@0.0.0.0:<port>/container/ok"})
container("no URL", "", Fails((2, 4, 5)), boto3=Error("ValueError"),
          env={FULL: "what"})
container("404", "404", Fails(6, "404"), boto3=RETRIEVAL)
container("500", "500", Fails(6, "500"), boto3=RETRIEVAL)
container("a redirect", "redirect", Fails(6, "redirect"), boto3=RETRIEVAL)
container("no JSON", "garbage", Fails(4), boto3=RETRIEVAL)
container("too much", "huge", Fails(4), boto3=CONT, why="no limit")
container("no secret", "nosecret", Fails(4, "SecretAccessKey"),
          boto3=Error("KeyError"))
container("no token in it", "notoken", Keys("AKCONT"),
          boto3=Error("KeyError"),
          why="a server of one's own may give keys that need none; the "
              "SDKs for Java and Go take them, too")
container("it has expired", "expired", Fails(5, "expired"),
          boto3=Error("RuntimeError"))
container("nobody listens", "", Fails(6), boto3=RETRIEVAL,
          env={FULL: "http://127.0.0.1:1/"})
container("no answer", "silence", Fails(6), boto3=NotAsked(),
          why="takes six seconds, and is an error then")
container("a failure is final", "404", Fails(6, "404"), boto3=RETRIEVAL,
          imds={})
case("container: relative", CONT, fixed=True,
     env={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/ok"})
case("container: relative beats full", CONT, fixed=True,
     env={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/ok",
          FULL: "<url>/container/404"})
case("container: relative with a token", CONT, fixed=True,
     env={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/token",
          TOKEN: "TOKEN-OF-CONTAINER"})
case("container: relative, but no path", Fails(5, "http://"), fixed=True,
     env={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ".example/container/ok"},
     boto3=Error("ValueError"), asked=[])
case("container: full, at a container's address", CONT, fixed=True,
     env={FULL: "http://169.254.170.2/container/ok"})
case("container: full, at EKS's address", CONT, fixed=True, since=(1, 33),
     env={FULL: "http://169.254.170.23/container/ok"})

# The instance metadata: version 2 alone.
ROLE = SOURCES["instance"][4]
V1 = Keys("AKROLE", token="TOKEN-AKROLE")
ROLES = "/latest/meta-data/iam/security-credentials/"
V2 = ["PUT /latest/api/token", "GET " + ROLES, "GET " + ROLES + "a-role"]
NO_ROLE = Fails(2, "hint: ")
V1_WHY = "boto3 falls back to version 1, which any request forged in the " \
    "instance's name can ask; encflow does without"


def instance(name, want=ROLE, boto3=None, why=None, imds=None, **more):
    case("instance: " + name, want, boto3=boto3, why=why, imds=imds or {},
         **more)


instance("in three requests", asked=V2)
instance("an address that ends with a slash",
         env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "<url>/"}, asked=V2)
instance("AWS_EC2_METADATA_DISABLED=false",
         env={"AWS_EC2_METADATA_DISABLED": "false"})
for word in ("true", "True", "TRUE"):
    instance("AWS_EC2_METADATA_DISABLED=" + word, NO_KEYS, boto3=NOTHING,
             why="says it by an exception later", asked=[],
             env={"AWS_EC2_METADATA_DISABLED": word})
for status in (403, 404, 405):
    instance("the token is refused with %d" % status, NO_ROLE, boto3=V1,
             why=V1_WHY, imds={"token": (status, "")},
             asked=V2[:1])
instance("the token is refused with 400", NO_ROLE, boto3=NOTHING,
         why="says it by an exception later", imds={"token": (400, "")},
         asked=V2[:1])
instance("an empty token", NO_ROLE, boto3=NOTHING, imds={"token": (200, "")},
         why="says it by an exception later")
instance("a token that would be two headers", NO_ROLE,
         boto3=Error("HTTPClientError"), asked=V2[:1],
         imds={"token": (200, "THE-TOKEN\r\nX-More: b")})
instance("no role", NO_ROLE, boto3=NOTHING, imds={"roles": (404, "none")},
         why="says it by an exception later", asked=V2[:2])
instance("an empty list of roles", NO_ROLE, boto3=NOTHING,
         imds={"roles": (200, "")}, why="says it by an exception later")
instance("a role that is not there", NO_ROLE, boto3=NOTHING,
         imds={"role": (404, "")}, why="says it by an exception later")
instance("no JSON", Fails(4), boto3=NOTHING,
         imds={"role": (200, "what")}, why="passes over what is wrong")
instance("no secret", Fails(4, "SecretAccessKey"), boto3=NOTHING,
         imds={"role": {"SecretAccessKey": None}},
         why="passes over what is wrong")
instance("no token in it", Keys("AKROLE"), boto3=NOTHING,
         imds={"role": {"Token": None}}, why="as with the container")
instance("a failure in the role's place", Fails((2, 4, 6)), boto3=NOTHING,
         imds={"role": (200, json.dumps({
             "Code": "AssumeRoleUnauthorizedAccess",
             "Message": "EC2 cannot assume the role a-role."}))},
         why="says it by an exception later")
instance("a redirect", Fails((2, 6)), boto3=NOTHING,
         imds={"roles": (302, "")}, why="says it by an exception later")
instance("it has expired", Fails(5, "expired"), boto3=ROLE,
         imds={"role": {"Expiration": "2001-01-01T00:00:00Z"}},
         why="goes on with old keys for hours; one command fails at once")
instance("nobody listens", Fails((2, 6), "hint: "), boto3=NOTHING,
         why="says it by an exception later",
         env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/"})
instance("no answer", Fails((2, 6), "hint: "), boto3=NOTHING,
         imds={"token": (0, "")}, why="says it by an exception later")
instance("keys elsewhere: it is not asked", Keys("AKFILE"), asked=[],
         creds=D + pair("AKFILE"))
case("instance: at its own address", ROLE, fixed=True, imds={},
     env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": None})
case("instance: at its own IPv6 address", ROLE, fixed=True, imds={},
     env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": None,
          "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"})

# Region. No region at all is us-east-1 with any endpoint.
REGION = dict(creds=D + pair("AKFILE"))
case("region: AWS_DEFAULT_REGION", Keys("AKFILE", region="eu-west-1"),
     env={"AWS_DEFAULT_REGION": "eu-west-1"}, **REGION)
case("region: AWS_DEFAULT_REGION beats the profile",
     Keys("AKFILE", region="eu-west-1"), conf=D + "region = eu-west-2\n",
     env={"AWS_DEFAULT_REGION": "eu-west-1"}, **REGION)
case("region: AWS_REGION", Keys("AKFILE", region="eu-west-1"),
     env={"AWS_REGION": "eu-west-1"}, boto3=Keys("AKFILE"),
     why="boto3 alone does not know the variable", **REGION)
case("region: AWS_REGION beats AWS_DEFAULT_REGION",
     Keys("AKFILE", region="eu-west-1"), boto3=Keys("AKFILE",
                                                    region="eu-west-2"),
     env={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"},
     why="boto3 alone does not know the variable", **REGION)
case("region: AWS_DEFAULT_REGION beats a named profile",
     Keys("AKP", token="TOKEN-P", region="eu-west-1"), profile="p",
     creds=TWO, conf="[profile p]\nregion = eu-west-2\n",
     env={"AWS_DEFAULT_REGION": "eu-west-1"})
case("region: --region beats all", Keys("AKFILE", region="ap-south-1"),
     conf=D + "region = eu-west-2\n", args=["--region", "ap-south-1"],
     env={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"},
     boto3=NotAsked(), why="an argument of encflow", **REGION)
case("region: of another profile", Keys("AKFILE"),
     conf="[profile p]\nregion = eu-west-2\n", **REGION)
case("region: an empty AWS_DEFAULT_REGION",
     Keys("AKFILE", region="eu-west-2"), conf=D + "region = eu-west-2\n",
     env={"AWS_DEFAULT_REGION": ""}, boto3=NotAsked(),
     why="an empty variable is none; to boto3 it is a region without a name",
     **REGION)

# Endpoint. Debian's boto3 is older than these settings (botocore 1.31): what
# is wanted is what AWS's SDKs and Tools Reference Guide says in "Service-
# specific endpoints"; a newer boto3 is asked, where one is installed.
S3_URL = {"AWS_ENDPOINT_URL_S3": "<url>/s3env"}
ANY_URL = {"AWS_ENDPOINT_URL": "<url>/env"}
SERVICES = "services = mine\n"
NESTED = "[services mine]\ndynamodb =\n  endpoint_url = <url>/not\n" \
    "s3 =\n  endpoint_url = <url>/services\n"
PROFILE_URL = "endpoint_url = <url>/profile\n"


def endpoint(name, prefix, conf="", env=(), boto3=None, why=None, **more):
    where = Keys("AKFILE", path=prefix + "/bucket/key") \
        if isinstance(prefix, str) else prefix
    settings = dict(creds=D + pair("AKFILE"), conf=D + conf,
                    env=dict(env), url=None, since=(1, 31))
    settings.update(more)
    case("endpoint: " + name, where, boto3=boto3, why=why, **settings)


endpoint("AWS_ENDPOINT_URL_S3", "/s3env", env=S3_URL)
endpoint("AWS_ENDPOINT_URL", "/env", env=ANY_URL)
endpoint("AWS_ENDPOINT_URL_S3 beats AWS_ENDPOINT_URL", "/s3env",
         env=dict(ANY_URL, **S3_URL))
endpoint("another service's variable", "/env",
         env=dict(ANY_URL, AWS_ENDPOINT_URL_SQS="<url>/not"))
endpoint("of the profile", "/profile", PROFILE_URL)
endpoint("of the profile, in the credentials file", "/profile",
         creds=D + pair("AKFILE") + PROFILE_URL)
endpoint("of a named profile", "/profile", "[profile p]\n" + PROFILE_URL +
         pair("AKFILE"), profile="p", creds=None)
endpoint("of the services section", "/services", SERVICES + NESTED)
endpoint("the services section beats the profile", "/services",
         PROFILE_URL + SERVICES + NESTED)
endpoint("the variable beats the services section", "/env",
         SERVICES + NESTED, env=ANY_URL)
endpoint("the variable beats the profile", "/env", PROFILE_URL, env=ANY_URL)
endpoint("a services section without s3", "/profile", PROFILE_URL +
         SERVICES + "[services mine]\ndynamodb =\n  endpoint_url = x\n")
endpoint("a services section that nobody names", "/profile",
         PROFILE_URL + NESTED)
endpoint("a services section that is not there", Fails((2, 4), "services"),
         SERVICES, boto3=Error("InvalidConfigError"), presign=True)
endpoint("--endpoint-url beats all", "/option",
         PROFILE_URL + SERVICES + NESTED, url="<url>/option", since=None,
         env=dict(ANY_URL, **S3_URL))
endpoint("an empty variable", "/profile", PROFILE_URL,
         env={"AWS_ENDPOINT_URL_S3": "", "AWS_ENDPOINT_URL": ""})
REAL = Keys("AKFILE", host="bucket.s3.amazonaws.com", path="/key")
for words, env, conf in (
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
     dict(S3_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true"), PROFILE_URL),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=True",
     dict(ANY_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="True"),
     SERVICES + NESTED),
    ("ignore_configured_endpoint_urls of the profile", S3_URL,
     PROFILE_URL + "ignore_configured_endpoint_urls = true\n"),
):
    endpoint(words, REAL, conf, env=env, presign=True)
endpoint("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "/env",
         env=dict(ANY_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="false"))
endpoint("ignored, but --endpoint-url is given", "/option",
         url="<url>/option", since=None,
         env=dict(S3_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true"))

# The nested settings of s3.
STYLE = "s3 =\n  addressing_style = %s\n"
HERE = "http://localhost:<port>"


def style(name, conf, virtual, **more):
    where = Keys("AKFILE", path="/key", host="bucket.localhost:<port>") \
        if virtual else Keys("AKFILE", host="localhost:<port>")
    case("addressing: " + name, where, creds=D + pair("AKFILE"),
         **dict({"conf": D + conf, "url": HERE}, **more))


style("none", "", False)
style("virtual", STYLE % "virtual", True)
style("path", STYLE % "path", False)
style("auto", STYLE % "auto", False)
style("not nested", "addressing_style = virtual\n", False)
style("of another profile", "[profile p]\n" + STYLE % "virtual", False)
style("of a named profile", "[profile p]\n" + STYLE % "virtual" +
      pair("AKFILE"), True, profile="p")
style("among others", "s3 =\n  max_concurrent_requests = 20\n" +
      "  addressing_style = virtual\n  multipart_threshold = 64MB\n" +
      "region = us-east-1\n", True)
style("--addressing path beats it", STYLE % "virtual", False,
      args=["--addressing", "path"], boto3=NotAsked(),
      why="an argument of encflow")
style("--addressing virtual beats it", STYLE % "path", True,
      args=["--addressing", "virtual"], boto3=NotAsked(),
      why="an argument of encflow")
case("addressing: a word that is none",
     Fails((2, 4), "addressing_style"), creds=D + pair("AKFILE"),
     conf=D + STYLE % "sideways",
     boto3=Error("InvalidS3AddressingStyleError"))
case("addressing: a nested line without =",
     Fails(4, ".aws/config", "line 3"), creds=D + pair("AKFILE"),
     conf=D + "s3 =\n  virtual\n", boto3=UNPARSED)

# What is not supported is named, never passed over: it would change the keys
# or the host that are signed for.
EXPORT = "aws configure export-credentials"
ARN = "arn:aws:iam::123456789012:role/r"
BASE_PROFILE = "[profile base]\n" + pair("AKBASE")


def unsupported(setting, conf="", boto3=None, why=None, label=None, **more):
    case("not supported: " + (label or setting),
         Fails(2, setting, "hint: ", EXPORT), boto3=boto3, why=why,
         **dict({"creds": D + pair("AKFILE"), "conf": D + conf}, **more))


unsupported("role_arn", "role_arn = %s\nsource_profile = base\n" % ARN +
            BASE_PROFILE, boto3=Role("assume-role"),
            why="asks STS, which is no part of encflow")
unsupported("role_arn", "[profile p]\nrole_arn = %s\n" % ARN +
            "credential_source = Environment\n", profile="p",
            env=env_pair("AKENV"), label="role_arn of a named profile",
            boto3=Role("assume-role"), why="the same")
unsupported("source_profile", "source_profile = base\n" + BASE_PROFILE,
            boto3=Keys("AKFILE"), why="without role_arn it means nothing to "
            "botocore; that is no case to guess in")
unsupported("credential_source", "credential_source = Environment\n",
            boto3=Keys("AKFILE"), why="the same")
unsupported("sso_session", "sso_session = s\nsso_account_id = 1\n"
            "sso_role_name = r\n[sso-session s]\nsso_region = us-east-1\n"
            "sso_start_url = https://x.example/start\n", boto3=Role("sso"),
            why="asks SSO, which is no part of encflow")
unsupported("sso_start_url", "sso_start_url = https://x.example/start\n"
            "sso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
            boto3=Role("sso"), why="the same")
unsupported("web_identity_token_file",
            "web_identity_token_file = token\n",
            boto3=Error("InvalidConfigError"))
unsupported("role_arn", "web_identity_token_file = token\nrole_arn = %s\n" %
            ARN, boto3=Role("assume-role-with-web-identity"),
            why="asks STS", label="role_arn and web_identity_token_file")
unsupported("mfa_serial", "mfa_serial = arn\n", boto3=Keys("AKFILE"),
            why="without role_arn it means nothing to botocore")
unsupported("AWS_WEB_IDENTITY_TOKEN_FILE",
            env={"AWS_WEB_IDENTITY_TOKEN_FILE": "<home>/token",
                 "AWS_ROLE_ARN": ARN},
            boto3=Role("assume-role-with-web-identity"), why="asks STS")
unsupported("login_session", "login_session = arn\n", creds=None,
            boto3=NotAsked(), why="newer than Debian's botocore")
case("AWS_WEB_IDENTITY_TOKEN_FILE, keys of the environment", Keys("AKENV"),
     env=dict(ENV, AWS_WEB_IDENTITY_TOKEN_FILE="<home>/token",
              AWS_ROLE_ARN=ARN))
case("AWS_WEB_IDENTITY_TOKEN_FILE, a named profile", P, creds=TWO,
     profile="p", env={"AWS_WEB_IDENTITY_TOKEN_FILE": "<home>/token",
                       "AWS_ROLE_ARN": ARN})
case("AWS_WEB_IDENTITY_TOKEN_FILE, --profile default", Keys("AKDEF"),
     creds=TWO, profile="default",
     env={"AWS_WEB_IDENTITY_TOKEN_FILE": "<home>/token", "AWS_ROLE_ARN": ARN})
case("AWS_ROLE_ARN alone", Keys("AKDEF"), creds=TWO,
     env={"AWS_ROLE_ARN": ARN})
case("role_arn, keys of the environment", Keys("AKENV"), env=ENV,
     conf=D + "role_arn = %s\nsource_profile = base\n" % ARN + BASE_PROFILE)
case("role_arn of another profile", Keys("AKFILE"), creds=D + pair("AKFILE"),
     conf="[profile p]\nrole_arn = %s\nsource_profile = default\n" % ARN)
for setting in ("use_fips_endpoint", "use_dualstack_endpoint"):
    variable = "AWS_" + setting.upper()
    case("not supported: " + setting, Fails(2, setting, "hint: "),
         creds=D + pair("AKFILE"), conf=D + setting + " = true\n",
         boto3=NotAsked(), why="changes the host, not with an endpoint given")
    case("not supported: " + variable, Fails(2, variable, "hint: "),
         creds=D + pair("AKFILE"), env={variable: "true"},
         boto3=NotAsked(), why="the same")
    case(setting + " = false", Keys("AKFILE"), creds=D + pair("AKFILE"),
         conf=D + setting + " = false\n", env={variable: "false"})
for setting in ("use_accelerate_endpoint", "use_dualstack_endpoint"):
    case("not supported: s3 %s" % setting, Fails(2, setting, "hint: "),
         creds=D + pair("AKFILE"), conf=D + "s3 =\n  %s = true\n" % setting,
         boto3=NotAsked(), why="the same")
    case("s3 %s = false" % setting, Keys("AKFILE"),
         creds=D + pair("AKFILE"), conf=D + "s3 =\n  %s = false\n" % setting)

# presign: its profile is named, but `default` stands for the environment,
# too, and then for whatever comes behind the files.
PRESIGNED = {"presign": True, "url": "https://s3.example"}


def presigned(name, key_id, token=None, boto3=None, why=None, **more):
    want = Keys(key_id, token=token, host="s3.example") \
        if isinstance(key_id, str) else key_id
    case("presign: " + name, want, boto3=boto3, why=why, **PRESIGNED, **more)


presigned("the profile of a file beats the environment", "AKDEF", creds=TWO,
          env=ENV, profile="default")
presigned("no file: the environment", "AKENV", env=ENV)
presigned("a process", "AKPROC", conf=D + give("keys", "AKPROC"))
presigned("the container", "AKCONT", token="TOKEN-AKCONT",
          env=SOURCES["container"][2])
presigned("the instance", "AKROLE", token="TOKEN-AKROLE", imds={})
presigned("a named profile's process", "AKPROC", profile="p",
          conf="[profile p]\n" + give("keys", "AKPROC"))
presigned("AWS_PROFILE is not asked", "AKDEF", creds=TWO, profile="default",
          env={"AWS_PROFILE": "p"})
presigned("the profile of a file, web identity in the environment", "AKDEF",
          creds=TWO, profile="default",
          env={"AWS_WEB_IDENTITY_TOKEN_FILE": "<home>/token",
               "AWS_ROLE_ARN": ARN})
presigned("nothing at all", NO_KEYS, boto3=NOTHING,
          why="says it by an exception later")


# --- the server ---

def role(key_id, changes):
    usual = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key_id,
             "SecretAccessKey": secret_of(key_id),
             "Token": "TOKEN-" + key_id,
             "Expiration": "2099-01-01T00:00:00Z"}
    usual.update(changes)
    return json.dumps({k: v for k, v in usual.items() if v is not None})


SILENCE = 0  # no answer at all
CONTAINER = {
    "silence": (SILENCE, ""),
    "ok": (200, role("AKCONT", {})),
    "query?a=b&c=%20d": (200, role("AKCONT", {})),
    "404": (404, "none"),
    "500": (500, "<html>"),
    "redirect": (302, ""),
    "garbage": (200, "Secret/what"),
    "huge": (200, " " * 3000000 + role("AKCONT", {})),
    "nosecret": (200, role("AKCONT", {"SecretAccessKey": None})),
    "notoken": (200, role("AKCONT", {"Token": None})),
    "expired": (200, role("AKCONT", {"Expiration": "2001-01-01T00:00:00Z"})),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def log_message(self, *_):
        pass

    def answer(self, status, body, *more):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for header in more:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def imds(self):
        """(status, text) of the instance metadata."""
        usual = {"token": (200, "THE-TOKEN"), "roles": (200, "a-role")}
        usual.update(self.server.imds)
        if isinstance(usual.get("role", {}), dict):
            usual["role"] = (200, role("AKROLE", usual.get("role", {})))
        if self.path == "/latest/api/token":
            seconds = self.headers.get(
                "x-aws-ec2-metadata-token-ttl-seconds", "0")
            good = self.command == "PUT" and 1 <= int(seconds) <= 21600
            return usual["token"] if good else (400, "")
        # an instance that gives no token answers without one
        v2 = usual["token"][0] in (200, SILENCE)
        token = self.headers.get("x-aws-ec2-metadata-token")
        if self.command != "GET" or v2 and token != "THE-TOKEN":
            return 401, ""
        return {ROLES: usual["roles"], ROLES + "a-role": usual["role"]}.get(
            self.path, (404, ""))

    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.log.append(types.SimpleNamespace(
            line="%s %s" % (self.command, self.path), method=self.command,
            path=self.path, body=body, headers={
                k.lower(): v.strip() for k, v in self.headers.items()}))
        if self.path.startswith("/latest/"):
            status, text = self.imds()
        elif self.path.startswith("/container/"):
            name = self.path[len("/container/"):]
            if name == "token":
                name = "ok" if self.headers.get("Authorization") == \
                    "TOKEN-OF-CONTAINER" else "403"
            status, text = CONTAINER.get(name, (403, ""))
        else:
            return self.object()
        if status == SILENCE:
            self.close_connection = True
            while self.connection.recv(65536):  # until the other side leaves
                pass
        else:
            self.answer(status, text.encode(), *(
                [("Location", "/container/ok")] if status == 302 else []))

    do_PUT = do_GET

    def object(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)",
                             self.headers.get("Range", ""))
        etag = ("ETag", '"%s"' % hashlib.md5(BODY).hexdigest())
        if self.command == "PUT":
            return self.answer(200, b"", etag)
        if not asked:
            return self.answer(200, BODY, etag)
        first, last = int(asked[1]), int(asked[2] or len(BODY) - 1)
        last = min(last, len(BODY) - 1)
        self.answer(206, BODY[first:last + 1], etag, (
            "Content-Range", "bytes %d-%d/%d" % (first, last, len(BODY))))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, imds, log):
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)
        self.imds, self.log = imds, log

    def handle_error(self, *_):
        pass  # a client that went away: what it did says so


FIXED = [("169.254.170.2", 80), ("169.254.170.23", 80),
         ("169.254.169.254", 80), ("fd00:ec2::254", 80)]


@contextlib.contextmanager
def servers(imds, fixed):
    """The port, and the list that every request is added to."""
    log = []
    started = [Server(address, imds or {}, log) for address in
               [("127.0.0.1", 0)] + (FIXED if fixed else [])]
    for server in started:
        threading.Thread(target=server.serve_forever, args=(0.02,),
                         daemon=True).start()
    try:
        yield started[0].server_port, log
    finally:
        for server in started:
            server.shutdown()
            server.server_close()


# --- what a request was signed with ---

def signature(secret, scope, to_sign):
    key = ("AWS4" + secret).encode("utf-8")
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def seen_in(request, secret):
    """What a signed request tells, or why it is not one."""
    said = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(.*)/(\d{8}/([^/]*)/s3/aws4_request), ?"
        r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""))
    if not said:
        return "no Authorization that can be read: %r" % request.headers
    names = said[4].split(";")
    path, _, query = request.path.partition("?")
    canonical = "\n".join(
        [request.method, path, "&".join(sorted(query.split("&")))] +
        ["%s:%s" % (n, request.headers[n]) for n in names] +
        ["", said[4], request.headers["x-amz-content-sha256"]])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"],
                         said[2], hashlib.sha256(
                             canonical.encode()).hexdigest()])
    if "host" not in names or "x-amz-date" not in names:
        return "host or date is not signed"
    token = request.headers.get("x-amz-security-token")
    if token is not None and "x-amz-security-token" not in names:
        return "the token is not signed"
    if signature(secret, said[2], to_sign) != said[5]:
        return "%s did not sign it with the secret that is wanted" % said[1]
    return {"key id": said[1], "region": said[3], "token": token,
            "path": path, "host": request.headers["host"]}


def seen_in_url(url):
    """The same of a presigned URL; presign.bats looks at the signature."""
    url = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(url.query))
    scope = query.get("X-Amz-Credential", "///").rsplit("/", 4)
    return {"key id": scope[0], "region": scope[2], "path": url.path,
            "token": query.get("X-Amz-Security-Token"), "host": url.netloc}


# --- a case ---

class Run:
    """A case's home and environment."""

    def __init__(self, case, port, tool):
        self.case = case
        number = "%03d-%s" % (CASES.index(case), tool)
        self.home = os.path.join(BASE, number)
        self.fills = {"<url>": "http://127.0.0.1:%d" % port, "<bin>": BIN,
                      "<port>": str(port), "<home>": self.home}
        files = dict(case.files)
        for name, text in ((".aws/credentials", case.creds),
                           (".aws/config", case.conf)):
            if text is not None:
                files[name] = text
        os.makedirs(self.home)
        for name, text in files.items():
            path = os.path.join(self.home, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(self.fill(text).encode("utf-8", "surrogateescape"))
        env = {"HOME": self.home, "PATH": BIN + ":/usr/bin:/bin",
               "LC_ALL": "C.UTF-8", "AWS_MAX_ATTEMPTS": "1",
               "AWS_METADATA_SERVICE_TIMEOUT": "1",
               "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
               "AWS_EC2_METADATA_SERVICE_ENDPOINT": "<url>"}
        if case.imds is None:
            env["AWS_EC2_METADATA_DISABLED"] = "true"
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(case.env)
        self.env = {n: self.fill(v) for n, v in env.items() if v is not None}
        self.url = case.url and self.fill(case.url)

    def fill(self, text):
        for word, value in self.fills.items():
            text = text.replace(word, value)
        return text

    def judge_keys(self, want, log, url=None):
        """What is wrong with the request that should have come, or None."""
        wanted = {n: self.fill(v) if isinstance(v, str) else v
                  for n, v in want.seen.items()}
        if url:
            seen = seen_in_url(url)
        else:
            requests = [r for r in log if not r.path.startswith(
                ("/latest/", "/container/"))]
            if len(requests) != 1:
                return "requests: %s" % [r.line for r in requests]
            seen = seen_in(requests[0], want.secret)
            if isinstance(seen, str):
                return seen
        differ = ["%s is %r, wanted %r" % (n, seen[n], wanted[n])
                  for n in wanted if seen[n] != wanted[n]]
        return "; ".join(differ) or None

    def judge_asked(self, log):
        """The metadata is asked for what the case says, by version 2."""
        asked = [r for r in log if r.path.startswith("/latest/")]
        if self.case.imds is None and asked:
            return "asked the instance metadata, which is disabled"
        if any(r.method == "GET" and not r.headers.get(
                "x-aws-ec2-metadata-token") for r in asked):
            return "asked the instance metadata by version 1"
        lines = [r.line for r in log if r.path.startswith(
            ("/latest/", "/container/"))]
        if self.case.asked is not None and lines != self.case.asked:
            return "asked %s, wanted %s" % (lines, self.case.asked)
        return None


def run_encflow(case, run, log):
    argv = [os.environ["ENCFLOW"]]
    if case.presign:
        argv += ["presign", case.profile or "default", "download",
                 "s3://bucket", "key", "60"]
    else:
        argv += ["get", "s3://bucket/key", "-", "--allow-http"]
        if case.profile:
            argv += ["--profile", case.profile]
    if run.url:
        argv += ["--endpoint-url", run.url]
    argv += case.args
    process = subprocess.Popen(
        argv, cwd=run.home, env=run.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "takes longer than %d s" % SECONDS
    err = err.decode(errors="backslashreplace")
    wrong = judge_encflow(case, run, log, process.returncode, out, err)
    return wrong and "%s\n    status %d, stderr: %s" % (
        wrong, process.returncode, err[-1000:].strip())


def judge_encflow(case, run, log, status, out, err):
    want = case.want
    if "Secret/" in err or "TOKEN-" in err:
        return "tells a secret"
    wrong = run.judge_asked(log)
    if wrong:
        return wrong
    if isinstance(want, Keys):
        if status != 0:
            return "fails"
        wrong = run.judge_keys(want, log, case.presign and
                               out.decode().rstrip("\n"))
        if not wrong and not case.presign and out != BODY:
            wrong = "stdout is %r" % out
        return wrong
    statuses = want.status if isinstance(want.status, tuple) else (
        want.status,)
    if status not in statuses:
        return "wanted status %s" % (want.status,)
    if out or any(not r.path.startswith(("/latest/", "/container/"))
                  for r in log):
        return "has gone on: stdout %r, %d requests" % (out, len(log))
    missing = [w for w in want.words if w not in err]
    return "stderr lacks %r" % missing if missing else None


# --- boto3 ---

class Boto3:
    """A process that has boto3 loaded, and forks for every case."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "serve-boto3"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = json.loads(self.process.stdout.readline())
        self.lock = threading.Lock()

    def ask(self, case, run):
        question = {"env": run.env, "home": run.home, "url": run.url,
                    "profile": case.profile, "presign": case.presign}
        if case.presign and not case.profile:
            # presign names its profile; without a file it is the environment
            question["profile"] = None
        with self.lock:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve_boto3():
    """Answers questions, one a line."""
    # botocore's own signer, also where awscrt is there to sign
    os.environ["BOTO_DISABLE_CRT"] = "true"
    import boto3
    import botocore.config
    import botocore.loaders
    import botocore.session
    import botocore.utils

    # RFC 6761 6.3, which libcurl knows
    lookup = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *more, **named: lookup(
        "127.0.0.1" if host.endswith(".localhost") else host, *more, **named)
    # no waiting between three attempts
    botocore.utils.ContainerMetadataFetcher.SLEEP_TIME = 0
    # read once, not for every case
    os.environ.update(AWS_EC2_METADATA_DISABLED="true", **ENV)
    session = botocore.session.Session()
    session.create_client("s3", region_name="us-east-1",
                          endpoint_url="http://127.0.0.1:1")
    loader = session.get_component("data_loader")
    gc.freeze()  # a child's collection would copy all of it
    print(json.dumps([int(n) for n in botocore.__version__.split(".")[:2]]),
          flush=True)

    def answer(question):
        session = botocore.session.Session()
        session.register_component("data_loader", loader)
        session = boto3.Session(profile_name=question["profile"],
                                botocore_session=session)
        keys = session.get_credentials()
        if keys is None:
            return {"nothing": True}
        if keys.method in ("assume-role", "assume-role-with-web-identity",
                           "sso"):
            return {"role": keys.method}
        client = session.client(
            "s3", endpoint_url=question["url"],
            config=botocore.config.Config(signature_version="s3v4"))
        what = {"Bucket": "bucket", "Key": "key"}
        if question["presign"]:
            return {"url": client.generate_presigned_url("get_object", what,
                                                         60)}
        return {"body": client.get_object(**what)["Body"].read().decode()}

    for line in sys.stdin:
        question = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(question["env"])
            os.chdir(question["home"])
            try:
                told = answer(question)
            except Exception as e:  # whatever it is, the table has its name
                told = {"error": type(e).__name__, "text": str(e)}
            print(json.dumps(told), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)


def run_boto3(case, run, log, boto3):
    want = case.boto3
    told = boto3.ask(case, run)
    if want == NOTHING:
        wrong = "nothing" not in told
    elif isinstance(want, Error):
        wrong = told.get("error") != want.name
    elif isinstance(want, Role):
        wrong = told.get("role") != want.method
    elif "error" in told or not ("body" in told or "url" in told):
        wrong = True
    else:
        wrong = run.judge_keys(want, log, told.get("url"))
    if not wrong:
        return None
    return "%s\n    boto3: %s" % (
        wrong if isinstance(wrong, str) else "wanted %s" % vars(want)
        if not isinstance(want, str) else want, told)


# --- all of them ---

def main(tool, *arguments):
    fixed = "--fixed" in arguments
    names = [a for a in arguments if a != "--fixed"]
    cases = [c for c in CASES if c.fixed == fixed and
             (not names or c.name in names)]
    boto3 = Boto3() if tool == "boto3" else None
    if boto3:
        cases = [c for c in cases if not isinstance(c.boto3, NotAsked) and
                 (c.since is None or tuple(boto3.version) >= c.since)]
    os.makedirs(BIN)
    with open(os.path.join(BIN, "give"), "w", encoding="utf-8") as file:
        file.write(GIVE)
    os.chmod(os.path.join(BIN, "give"), 0o755)

    def one(case):
        with servers(case.imds, fixed) as (port, log):
            run = Run(case, port, tool)
            if boto3:
                return run_boto3(case, run, log, boto3)
            return run_encflow(case, run, log)

    # those that share the fixed addresses go one after another
    with concurrent.futures.ThreadPoolExecutor(1 if fixed else 4) as pool:
        results = list(pool.map(one, cases))
    if boto3:
        boto3.close()
    wrong = [(c, r) for c, r in zip(cases, results) if r]
    for c, result in wrong[:LINES]:
        print("%s: %s" % (c.name, result))
    print("%d cases, %d differ" % (len(cases), len(wrong)))
    shutil.rmtree(BASE)
    return 1 if wrong or not cases else 0


def serve(path):
    """The server for tests that are not in the table."""
    def append(request):
        with open(path, "a", encoding="utf-8") as file:
            file.write(request.line + "\n")
        if request.method == "PUT" and request.body:
            with open(path + ".body", "wb") as file:
                file.write(request.body)

    server = Server(("127.0.0.1", 0), {}, types.SimpleNamespace(append=append))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve-boto3"]:
        serve_boto3()
    elif sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(main(*sys.argv[1:]))
