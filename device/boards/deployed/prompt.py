"""What `offbeat deploy` defines at the prompt of a board. Every answer is one line of JSON."""

import binascii
import gc
import hashlib
import json
import os
import sys

LONGEST_TEXT = 32768  # bytes


def say(value):
    print(json.dumps(value))


def about():
    """Who the board is, and what room it has."""
    implementation = sys.implementation
    name = getattr(implementation, "_machine", "") or (os.uname().machine if hasattr(os, "uname") else "")
    space = os.statvfs(os.getcwd())
    gc.collect()
    say({
        "implementation": implementation.name, "version": list(implementation.version)[:3], "machine": name,
        "platform": sys.platform, "mpy": getattr(implementation, "_mpy", 0), "heap": gc.mem_free(),
        "block": space[0], "free": space[1] * space[3], "virtual": "about.json" in os.listdir(),
    })  # fmt: skip


def kind(path):
    """ "" where there is nothing, "directory" or "file"."""
    try:
        return "directory" if os.stat(path)[0] & 0x4000 else "file"
    except OSError:
        return ""


def digest(path):
    """SHA-256 of a file in hexadecimal digits, empty where there is none."""
    if kind(path) != "file":
        return ""
    found, part = hashlib.sha256(), bytearray(512)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(part)
            if not count:
                break
            found.update(memoryview(part)[:count])
    return binascii.hexlify(found.digest()).decode()


def text(path):
    """A small text file, empty where it is none."""
    try:
        if os.stat(path)[6] > LONGEST_TEXT:
            return ""
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeError):
        return ""


def tree(place):
    """Files under a directory, each with its SHA-256, and directories with None: one line each."""
    for entry in os.ilistdir(place):
        path = place + "/" + entry[0]
        if entry[1] & 0x4000:
            say([path, None])
            tree(path)
        else:
            say([path, digest(path)])


def copy(source, target):
    """Copy a file on the board."""
    part = bytearray(512)
    with open(source, "rb") as file, open(target, "wb") as out:
        while True:
            count = file.readinto(part)
            if not count:
                break
            out.write(memoryview(part)[:count])


def try_it(place):
    """What offbeat.trial finds in a directory."""
    forget()
    sys.path.insert(0, place)
    try:
        from offbeat.trial import trial

        say(trial(place))
    finally:
        sys.path.remove(place)
        forget()


def forget():
    """Let go of the package, so that what follows has the heap that it took."""
    for name in list(sys.modules):
        if name.split(".")[0] == "offbeat":
            del sys.modules[name]
    gc.collect()
