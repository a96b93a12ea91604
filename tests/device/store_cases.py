"""Runs under MicroPython: files replaced whole, with power cut at every flash operation, on littlefs and on FAT.

micropython store_cases.py NAME runs one case; it prints what was measured as JSON, or ends with a traceback.
"""

import json
import os
import sys

from flash import BLOCK, Flash, carry_out

from offbeat.store import _compare, recover, store

OLD = b"old" + bytes([(7 * i) & 0xFF for i in range(3000)]) + b"end"
NEW = b"new" + bytes([(13 * i) & 0xFF for i in range(5200)]) + b"end"


def is_whole(data):
    return data[-3:] == b"end"


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def cut_at_every_operation(first):
    """Replace `first` (None: nothing) by NEW; every state that a power cut leaves has the one or the other."""
    flash = Flash(24)
    flash.format()
    flash.mount("/f")
    if first is not None:
        store("/f/model", first)
    before = bytearray(flash.image)
    flash.noting = True
    store("/f/model", NEW)
    flash.noting = False
    os.umount("/f")
    tried = Flash(24)
    noise = bytes([(i * 193 + 7) & 0xFF for i in range(BLOCK)])
    found = {"states": 0, "old": 0, "new": 0}
    for operation in flash.operations:
        for share, rest in ((0, None), (1, None), (1, noise), (2, None)):
            tried.image[:] = before
            carry_out(tried.image, operation, share, rest)
            tried.mount("/t")
            recover("/t/model", is_whole)
            data = content("/t/model")
            assert data in (first, NEW), (data and len(data), share)
            assert os.listdir("/t") == ([] if data is None else ["model"])
            found["states"] += 1
            found["new" if data == NEW else "old"] += 1
            store("/t/model", NEW)
            assert content("/t/model") == NEW
            os.umount("/t")
        carry_out(before, operation)
    assert before == flash.image
    return found


def the_old_file_or_the_new_one():
    return cut_at_every_operation(OLD)


def no_file_or_the_new_one():
    return cut_at_every_operation(None)


def flash_that_fails_leaves_the_old_file():
    failed = 0
    for count in range(40):
        flash = Flash(24)
        flash.forgiving = True
        flash.format()
        flash.mount("/f")
        store("/f/model", OLD)
        flash.fails = count
        try:
            store("/f/model", NEW)
            stored = True
        except OSError:
            stored = False
            failed += 1
        flash.fails = -1
        os.umount("/f")
        flash.mount("/f")
        recover("/f/model", is_whole)
        data = content("/f/model")
        assert data == NEW if stored else data in (OLD, NEW), count
        os.umount("/f")
    assert failed > 5, failed
    return {"failed": failed}


def fill_the_flash():
    number = 0
    while True:
        try:
            with open("/f/other" + str(number), "wb") as file:
                file.write(bytes(BLOCK))
        except OSError:
            return
        number += 1


def every_length_is_compared_to_its_end():
    """A file of a whole number of pieces, one byte less and one more; a flash that holds something else is found."""
    flash = Flash(24)
    flash.format()
    flash.mount("/f")
    for length in (0, 1, 255, 256, 257, 511, 512, 513, len(NEW)):
        store("/f/model", NEW[:length])
        assert content("/f/model") == NEW[:length]
        for wrong in (NEW[:length] + b"x", NEW[: length - 1] if length else b"y", b"z" + NEW[1:length] + b"z"):
            with open("/f/other", "wb") as file:
                file.write(wrong)
            try:
                _compare("/f/other", NEW[:length])
                raise AssertionError((length, len(wrong)))
            except OSError:
                pass


def a_full_flash_leaves_the_old_file():
    flash = Flash(12)
    flash.format()
    flash.mount("/f")
    store("/f/model", OLD)
    fill_the_flash()
    try:
        store("/f/model", NEW)
    except OSError:
        pass
    else:
        raise ValueError("there was room")
    assert content("/f/model") == OLD and "model.new" not in os.listdir("/f")


class Sectors:
    """A block device in RAM, as a memory card is."""

    def __init__(self):
        self.data = bytearray(512 * 256)

    def readblocks(self, block, buffer):
        buffer[:] = memoryview(self.data)[512 * block : 512 * block + len(buffer)]

    def writeblocks(self, block, buffer):
        self.data[512 * block : 512 * block + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        return {4: 256, 5: 512}.get(operation, 0)


def fat_replaces_and_recovers():
    card = Sectors()
    os.VfsFat.mkfs(card)
    os.mount(os.VfsFat(card), "/c")
    store("/c/model", OLD)
    store("/c/model", NEW)
    assert content("/c/model") == NEW and "model.new" not in os.listdir("/c")
    # as power leaves it between removing the old file and renaming the new one
    os.rename("/c/model", "/c/model.new")
    recover("/c/model", is_whole)
    assert content("/c/model") == NEW and os.listdir("/c") == ["model"]
    # half of the new file, beside the old one and alone
    for beside in (True, False):
        with open("/c/model.new", "wb") as file:
            file.write(NEW[:100])
        if not beside:
            os.remove("/c/model")
        recover("/c/model", is_whole)
        assert content("/c/model") == (NEW if beside else None) and "model.new" not in os.listdir("/c")


print(json.dumps(globals()[sys.argv[1]]()))
