#!/usr/bin/python3
"""What the published Python workflow does, in other words: a second
implementation to compare `encflow run` with. Shares no code with it.

    reference_run.py run PORTS WORK [COMMAND ARG...]
                                              the job itself; by default
                                              pandas describes DESCRIPTION
    reference_run.py describe FILE...         that default
    reference_run.py show FILE                a result document: returncode,
                                              stdout and stderr, one repr()
                                              a line

`run` serves as the workflow's start script: every
dataset of port `input` becomes WORK/NAME, COMMAND gets those paths, and
{"returncode", "stdout", "stderr"} goes encrypted to every dataset of port
`output`. Two things are decided otherwise than in the original: datasets
are taken in name order (there: as the folder lists them), and the
application's output is kept byte for byte (there: decoded as text).
Environment CA: certificates to trust.
"""

import base64
import json
import os
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def seal(key, data):
    nonce = os.urandom(12)
    return nonce + AESGCM(bytes.fromhex(key)).encrypt(nonce, data, None)


def unseal(key, data):
    return AESGCM(bytes.fromhex(key)).decrypt(data[:12], data[12:], None)


def datasets(ports, port):
    """(name, location, URL, key) of each dataset of a port, by name."""
    for name in sorted(os.listdir(os.path.join(ports, port)), key=os.fsencode):
        folder = os.path.join(ports, port, name, "dataset")
        if not os.path.exists(folder):
            continue
        with open(os.path.join(folder, "location.txt")) as file:
            location = file.read()
        with open(os.path.join(folder, "credentials.bin")) as file:
            credentials = json.load(file)
        query = base64.b64decode(credentials["query_string"]).decode("ascii")
        url = location + "?" + query if query else location
        yield name, location, url, credentials["encryption"]["key"]


def transfer(url, data=None):
    """GET, or PUT data; file URLs are plain files."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        path = urllib.parse.unquote(parts.path)
        with open(path, "rb" if data is None else "wb") as file:
            return file.read() if data is None else file.write(data)
    request = urllib.request.Request(
        url, data, method="GET" if data is None else "PUT")
    trust = ssl.create_default_context(cafile=os.environ.get("CA"))
    with urllib.request.urlopen(request, context=trust) as answer:
        return answer.read()


def run(ports, work, *command):
    made = not os.path.exists(work)
    os.makedirs(work, exist_ok=True)
    paths = []
    for name, location, url, key in datasets(ports, "input"):
        plain = unseal(key, transfer(url))
        print("Retrieved dataset from location: " + location)
        paths.append(os.path.join(work, name))
        with open(paths[-1], "wb") as file:
            file.write(plain)
    print("Running script", flush=True)
    argv = command or (sys.executable, __file__, "describe")
    done = subprocess.run([*argv, *paths], capture_output=True, check=False)
    result = {
        "returncode": done.returncode,
        "stdout": base64.b64encode(done.stdout).decode(),
        "stderr": base64.b64encode(done.stderr).decode(),
    }
    for _, location, url, key in datasets(ports, "output"):
        print("Writing output to location: " + location)
        transfer(url, seal(key, json.dumps(result).encode()))
    for path in paths:
        os.unlink(path)
    if made:
        os.rmdir(work)
    print("Execution complete")


def describe(*paths):
    import pandas

    for path in paths:
        frame = pandas.read_csv(path)
        print("Dataset: " + path + "\n")
        print(frame["DESCRIPTION"].describe())
        print("")


def show(source):
    with open(source, "rb") as file:
        result = json.load(file)
    print(result["returncode"])
    print(repr(base64.b64decode(result["stdout"])))
    print(repr(base64.b64decode(result["stderr"])))


COMMANDS = {
    "run": run,
    "describe": describe,
    "show": show,
}
COMMANDS[sys.argv[1]](*sys.argv[2:])
